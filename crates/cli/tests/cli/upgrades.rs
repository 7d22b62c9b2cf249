//! What an older chksweep left, and what a newer one did. `tests/golden/upgrades/make` says how the older files were made.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sandbox::Sandbox;

const ENDED: &str = "20261126T162615Z-a24a2741";
const KILLED: &str = "20261126T162615Z-e3f3ffd9";
const A: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const B: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/upgrades").join(name)
}

/// Unpacks what lies in an archive; each file with its time.
fn unpack(sandbox: &Sandbox, archive: &str, into: &str) {
    let into = sandbox.path(into);
    fs::create_dir_all(&into).unwrap();
    let status = Command::new("tar").arg("-xzf").arg(golden(archive)).arg("-C").arg(into).status().unwrap();
    assert!(status.success(), "{archive}");
}

fn bytes(sandbox: &Sandbox, path: &str) -> Vec<u8> {
    fs::read(sandbox.path(path)).unwrap()
}

/// Every file of the job directories is as it was before that run.
fn assert_all_is_back(sandbox: &Sandbox) {
    unpack(sandbox, "tree.tar.gz", "before");
    let mut compared = 0;
    for path in sandbox.tree("before/checkpoints") {
        let (before, now) = (format!("before/checkpoints/{path}"), format!("checkpoints/{path}"));
        if sandbox.path(&before).is_file() {
            assert_eq!(bytes(sandbox, &before), bytes(sandbox, &now), "{path}");
            compared += 1;
        }
    }
    assert_eq!(compared, 13);
}

#[test]
fn a_quarantine_of_schema_1_is_told_verified_and_brought_back() {
    let sandbox = Sandbox::new();
    unpack(&sandbox, "schema-1/ended.tar.gz", ".");
    let list = sandbox.json(&["quarantine", "list", "checkpoints", "--format", "json"]);
    assert_eq!(list["runs"][0]["run"].as_str().or(list["runs"][0]["runId"].as_str()), Some(ENDED), "{list}");
    let record = format!("checkpoints/.chksweep/runs/{ENDED}.jsonl");
    let verified = sandbox.run(&["--state-dir", "state", "audit", "verify", &record]);
    assert!(verified.starts_with("exit 0\n") && verified.contains("7 lines, each follows"), "{verified}");
    assert!(verified.contains("holds the same"), "{verified}");
    let swept = format!("checkpoints/{A}/shared/22222222-2222-4222-8222-222222222222");
    let explained = sandbox.run(&["explain", &swept]);
    assert!(explained.contains("quarantine restore"), "{explained}");
    assert!(!sandbox.exists(&swept));
    let restored = sandbox.run(&["quarantine", "restore", "checkpoints", "--run", ENDED, "--yes"]);
    assert!(restored.starts_with("exit 0\n") && restored.contains("brought back: 4 paths"), "{restored}");
    assert_all_is_back(&sandbox);
    // The old record is read as before, beside those of today's runs.
    assert!(sandbox.run(&["audit", "verify", &record]).starts_with("exit 0\n"));
}

#[test]
fn a_run_of_schema_1_that_was_killed_is_settled_and_undone() {
    let sandbox = Sandbox::new();
    unpack(&sandbox, "schema-1/killed.tar.gz", ".");
    let record = format!("checkpoints/.chksweep/runs/{KILLED}.jsonl");
    let before = sandbox.run(&["audit", "verify", &record]);
    assert!(before.starts_with("exit 0\n") && before.contains("was broken off"), "{before}");
    // Its lock is an old one, and as good as any.
    Sandbox::age_path(&sandbox.path("checkpoints/.chksweep/lock"), 2);
    let output = sandbox.output(&["run", "checkpoints", "--execute"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("a lock was taken over"), "{output:?}");
    let end =
        String::from_utf8(bytes(&sandbox, &format!("checkpoints/.chksweep/runs/{KILLED}.end.json"))).unwrap();
    assert!(end.contains("\"interrupted\":true") && end.contains("\"settledBy\":\"2"), "{end}");
    let restored = sandbox.run(&["quarantine", "restore", "checkpoints", "--run", KILLED, "--yes"]);
    assert!(restored.starts_with("exit 0\n"), "{restored}");
    assert_all_is_back(&sandbox);
}

#[test]
fn pins_and_plans_of_schema_1_are_read() {
    let sandbox = Sandbox::new();
    unpack(&sandbox, "schema-1/ended.tar.gz", ".");
    let pins = sandbox.run(&["pins", "checkpoints"]);
    assert!(pins.contains(&format!("file:///flink/checkpoints/{A}/chk-2")), "{pins}");
    for plan in ["plan.jsonl", "plan.jsonl.zst"] {
        let plan = golden("schema-1").join(plan).display().to_string();
        let text = sandbox.run(&["apply", &plan, "--yes"]);
        // It is whole and understood; where it was made there is nothing here.
        assert!(text.starts_with("exit 8\n") && text.contains("file:///flink/checkpoints"), "{text}");
    }
}

/// A newer program was broken off in the middle of its run, and left a file in quarantine.
fn of_a_newer_program() -> (Sandbox, String) {
    let sandbox = Sandbox::with_job();
    let run = "20990101T000000Z-00000000";
    let kept = format!("r/.chksweep/quarantine/{run}/{B}/shared/22222222-2222-4222-8222-222222222222");
    sandbox.put(&kept, b"state", 24 * 90);
    let start = format!("{{\"record\":\"start\",\"runId\":\"{run}\",\"schema\":99,\"unheard\":\"of\"}}\n");
    sandbox.put(&format!("r/.chksweep/runs/{run}.jsonl"), start.as_bytes(), 24 * 90);
    (sandbox, kept)
}

#[test]
fn what_a_newer_program_began_is_left_to_it() {
    let (sandbox, kept) = of_a_newer_program();
    let before = sandbox.tree("r");
    for command in [
        &["run", "r", "--execute"][..],
        &["quarantine", "purge", "r", "--all", "--yes"],
        &["quarantine", "restore", "r", "--run", "20990101T000000Z-00000000", "--yes"],
    ] {
        let text = sandbox.run(command);
        assert!(text.starts_with("exit 1\n"), "{command:?}: {text}");
        assert!(text.contains("schema 99") && text.contains("newer chksweep"), "{command:?}: {text}");
        assert_eq!(sandbox.tree("r"), before, "{command:?}");
    }
    let record = "r/.chksweep/runs/20990101T000000Z-00000000.jsonl";
    let text = sandbox.run(&["audit", "verify", record]);
    assert!(text.starts_with("exit 1\n") && text.contains("newer chksweep"), "{text}");
    assert_eq!(bytes(&sandbox, &kept), b"state");
}

#[test]
fn for_each_path_that_was_swept_the_record_tells_who_and_why() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["plan", "r", "-o", "p.jsonl"]);
    let applied = sandbox.json(&["apply", "p.jsonl", "--yes", "--approved-by", "alice", "--format", "json"]);
    let run = applied["runId"].as_str().unwrap().to_owned();
    let quarantine = format!("r/.chksweep/quarantine/{run}");
    let swept: Vec<String> = sandbox
        .tree(&quarantine)
        .into_iter()
        .filter(|path| sandbox.path(&format!("{quarantine}/{path}")).is_file())
        .collect();
    assert!(!swept.is_empty());
    let plan = fs::read_to_string(sandbox.path("p.jsonl")).unwrap();
    let entries: Vec<Value> = plan.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entries: Vec<&Value> = entries.iter().filter(|line| line["decision"] == "sweep").collect();
    let told = |path: &str| {
        let document = sandbox.json(&["explain", &format!("r/{path}"), "--format", "json"]);
        let first = document["history"][0].clone();
        assert_eq!(first["run"].as_str(), Some(run.as_str()), "{document}");
        assert_eq!(first["user"].as_str(), Some("tester"), "{document}");
        assert_eq!(first["approvedBy"].as_str(), Some("alice"), "{document}");
        // By the rule that was approved, of the file or of the directory that went as a whole.
        let entry = entries.iter().filter(|entry| {
            let location = entry["path"].as_str().unwrap();
            let place = location.split_once("/r/").map_or("", |(_, place)| place);
            path == place || path.starts_with(&format!("{place}/"))
        });
        let entry = entry.max_by_key(|entry| entry["path"].as_str().unwrap().len()).unwrap();
        assert_eq!(first["rule"], entry["rule"], "{document}");
        assert_eq!(first["rule"].as_str(), Some("unreferenced-shared"), "{document}");
        let frontier = &first["evidence"]["frontier"];
        assert_eq!(frontier["checkpointId"].as_u64(), Some(2), "{document}");
        assert!(frontier["path"].as_str().unwrap().ends_with("/chk-2/_metadata"), "{document}");
        document["now"]["state"].as_str().map(str::to_owned)
    };
    for path in &swept {
        assert_eq!(told(path).as_deref(), Some("in-quarantine"), "{path}");
    }
    assert!(sandbox.run(&["quarantine", "restore", "r", "--run", &run, "--yes"]).starts_with("exit 0\n"));
    for path in &swept {
        assert_eq!(told(path).as_deref(), Some("restored"), "{path}");
    }
    let text = sandbox.run(&["explain", &format!("r/{}", swept[0])]);
    assert!(text.contains("alice") && text.contains("tester") && text.contains("restored"), "{text}");
}
