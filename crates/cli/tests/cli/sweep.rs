//! `apply` and `run --execute`: what is done, and what is refused.

use chksweep_testkit::metadata_writer::MetadataWriter;

use crate::sandbox::{JOB, Sandbox};

#[test]
fn a_reviewed_plan_is_carried_out_and_nothing_live_goes() {
    let sandbox = Sandbox::with_job();
    let left = format!("r/{JOB}/shared/22222222-2222-4222-8222-222222222222");
    sandbox.run(&["plan", "r", "-o", "p.jsonl.zst"]);
    insta::assert_snapshot!(sandbox.run(&["apply", "p.jsonl.zst", "--yes"]), @r"
    exit 0
    --- stdout
    run [RUN]
    set aside: 1 file, 500 B in 1 step
    in quarantine: file://[DIR]/r/.chksweep/quarantine/[RUN]
    to bring it back: chksweep quarantine restore file://[DIR]/r --run [RUN]
    stays in quarantine: 1 file, 500 B, the first due [TIME]
    [EOF]
    ");
    assert!(!sandbox.exists(&left));
    insta::assert_snapshot!(sandbox.tree("r").join("\n"), @r"
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-1
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-1/44444444-4444-4444-8444-444444444444
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/33333333-3333-4333-8333-333333333333
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/_metadata
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/11111111-1111-4111-8111-111111111111
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/taskowned
    ");
    let document = sandbox.json(&["explain", &left, "--format", "json"]);
    assert_eq!(document["found"], serde_json::Value::Null);
    assert_eq!(document["setAside"][0]["files"], 1);
}

#[test]
fn a_run_does_what_a_plan_shows() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["run", "r", "--execute", "--format", "json"]);
    assert_eq!(document["outcomes"]["done"]["files"], 1);
    assert_eq!(document["stopped"], serde_json::Value::Null);
    let again = sandbox.output(&["run", "r", "--execute"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

#[test]
fn without_a_terminal_it_takes_a_yes() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["plan", "r", "-o", "p.jsonl"]);
    let before = sandbox.tree("r");
    insta::assert_snapshot!(sandbox.run(&["apply", "p.jsonl"]), @r"
    exit 2
    --- stderr
    error: this changes the storage, and there is no terminal to ask on
    hint: say `--yes` to go ahead without being asked
    [EOF]
    ");
    assert_eq!(sandbox.tree("r"), before);
}

#[test]
fn a_plan_that_was_touched_or_grew_old_is_exit_8() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["plan", "r", "-o", "p.jsonl"]);
    let plan = std::fs::read_to_string(sandbox.path("p.jsonl")).unwrap();
    let edited = plan.replacen("\"files\":1", "\"files\":2", 1);
    sandbox.put("edited.jsonl", edited.as_bytes(), 0);
    sandbox.put("cut.jsonl", &plan.as_bytes()[..plan.len() / 2], 0);
    sandbox.put("schema.jsonl", plan.replacen("\"schema\":1", "\"schema\":2", 1).as_bytes(), 0);
    let digest = "0".repeat(64);
    for arguments in [
        &["apply", "edited.jsonl", "--yes"][..],
        &["apply", "cut.jsonl", "--yes"],
        &["apply", "schema.jsonl", "--yes"],
        &["apply", "p.jsonl", "--yes", "--digest", &digest],
        &["apply", "p.jsonl", "--yes", "--max-plan-age", "0s"],
        &["apply", "p.jsonl", "--yes", "--alias", "/a=/b"],
    ] {
        let output = sandbox.output(arguments);
        assert_eq!(output.status.code(), Some(8), "{arguments:?}: {output:?}");
    }
    insta::assert_snapshot!(sandbox.run(&["apply", "edited.jsonl", "--yes"]), @r"
    exit 8
    --- stderr
    error: reading the plan `edited.jsonl`: the digest of the plan file does not match: it was edited or cut short ([SHA256] expected, [SHA256] found)
    hint: make a new one with `chksweep plan -o FILE`
    [EOF]
    ");
    std::fs::rename(sandbox.path("r"), sandbox.path("elsewhere")).unwrap();
    insta::assert_snapshot!(sandbox.run(&["apply", "p.jsonl", "--yes"]), @r"
    exit 8
    --- stderr
    error: the plan is stale: its root `file://[DIR]/r` does not exist any more
    hint: make a new one with `chksweep plan -o FILE`
    [EOF]
    ");
    assert_eq!(sandbox.output(&["apply", "nowhere.jsonl", "--yes"]).status.code(), Some(1));
}

#[test]
fn a_plan_from_the_future_is_exit_8() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["plan", "r", "-o", "p.jsonl", "--as-of", "2100-01-01T00:00:00Z"]);
    let output = sandbox.output(&["apply", "p.jsonl", "--yes"]);
    assert_eq!(output.status.code(), Some(8), "{output:?}");
}

#[test]
fn a_plan_over_a_limit_is_exit_3() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["plan", "r", "-o", "p.jsonl", "--max-sweep-files", "0"]);
    let before = sandbox.tree("r");
    insta::assert_snapshot!(sandbox.run(&["apply", "p.jsonl", "--yes"]), @r"
    exit 3
    --- stderr
    hint: for a first, reviewed sweep: `chksweep plan file://[DIR]/r … --max-sweep-files=1 -o first.jsonl.zst`, then `chksweep apply first.jsonl.zst --digest SHA256`
    error: a brake holds: 1 is more than max-sweep-files 0 [max-sweep-files]
    hint: raise the limit on purpose, when making the plan; nothing was changed
    [EOF]
    ");
    assert_eq!(sandbox.output(&["run", "r", "--execute", "--max-sweep-files", "0"]).status.code(), Some(3));
    assert_eq!(sandbox.tree("r"), before);
}

#[test]
fn what_was_set_aside_is_listed_and_comes_back_exactly() {
    let sandbox = Sandbox::with_job();
    let before = sandbox.tree("r");
    sandbox.run(&["run", "r", "--execute"]);
    insta::assert_snapshot!(sandbox.run(&["quarantine", "list", "r"]), @r"
    exit 0
    --- stdout
    RUN                        STARTED               FILES   SIZE  CHECKPOINTS  DUE                   ROOT
    [RUN]  [TIME]      1  500 B            0  [TIME]  file://[DIR]/r

    Not purged yet:
      [RUN]: it is kept until [TIME]; 0 of 2 clean runs over its roots have been since

    in quarantine: 1 file, 500 B
    [EOF]
    ");
    assert_ne!(sandbox.tree("r"), before);
    insta::assert_snapshot!(sandbox.run(&["quarantine", "restore", "r", "--all"]), @r"
    exit 2
    --- stderr
    error: this changes the storage, and there is no terminal to ask on
    hint: say `--yes` to go ahead without being asked
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["quarantine", "restore", "r", "--yes"]), @r"
    exit 2
    --- stderr
    error: nothing is selected
    hint: say what: `--run ID`, `--job ID`, `--path LOCATION`, `--older-than DURATION`, or `--all`; `chksweep quarantine list` shows what there is
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["quarantine", "restore", "r", "--yes", "--all"]), @r"
    exit 0
    --- stdout
    brought back: 1 path, 500 B
    [EOF]
    ");
    assert_eq!(sandbox.tree("r"), before);
    let listing = sandbox.json(&["quarantine", "list", "r", "--format", "json"]);
    assert_eq!(listing["totals"]["files"], 0);
}

#[test]
fn nothing_is_purged_before_its_time() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["run", "r", "--execute"]);
    insta::assert_snapshot!(sandbox.run(&["quarantine", "purge", "r", "--all", "--yes"]), @r"
    exit 0
    --- stdout
    stays in quarantine: 1 file, 500 B, the first due [TIME]
      [RUN] waits: it is kept until [TIME]; 0 of 2 clean runs over its roots have been since
    [EOF]
    ");
    let job = sandbox.run(&["quarantine", "purge", "r", "--job", JOB, "--yes"]);
    assert!(job.starts_with("exit 2\n"), "{job}");
    let listing = sandbox.json(&["quarantine", "list", "r", "--format", "json", "--job", JOB]);
    assert_eq!(listing["totals"]["files"], 1);
    let other = ["quarantine", "list", "r", "--format", "json", "--older-than", "1d"];
    assert_eq!(sandbox.json(&other)["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn the_record_of_a_run_is_whole_or_said_to_be_changed() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["run", "r", "--execute", "--format", "json"]);
    let run = document["runId"].as_str().unwrap();
    let journal = format!("r/.chksweep/runs/{run}.jsonl");
    insta::assert_snapshot!(sandbox.run(&["audit", "verify", &journal]), @r"
    exit 0
    --- stdout
    run [RUN]: 4 lines, each follows from the one before
    the copy `[DIR]/home/.local/state/chksweep/runs/[RUN].jsonl` holds the same
    digest of the last line: [SHA256]
    [EOF]
    ");
    let alone = sandbox.run(&["audit", "verify", &journal, "--state-dir", "nowhere"]);
    assert!(alone.starts_with("exit 0") && alone.contains("not compared with its copy"), "{alone}");
    let text = std::fs::read_to_string(sandbox.path(&journal)).unwrap();
    sandbox.put("edited.jsonl", text.replacen("tester", "nobody", 1).as_bytes(), 0);
    insta::assert_snapshot!(sandbox.run(&["audit", "verify", "edited.jsonl"]), @r"
    exit 1
    --- stderr
    error: the record `edited.jsonl` was changed: line 1: it is not what its own digest says: the journal was changed
    [EOF]
    ");
}

#[test]
fn a_plan_is_a_regular_file() {
    let sandbox = Sandbox::with_job();
    let made = std::process::Command::new("mkfifo").arg(sandbox.path("pipe")).status().unwrap();
    assert!(made.success());
    insta::assert_snapshot!(sandbox.run(&["apply", "pipe", "--yes"]), @r"
    exit 1
    --- stderr
    error: reading the plan `pipe`: reading the plan file: not a regular file
    [EOF]
    ");
}

/// What a run has moved is no sign of life, also when it is killed before it can say when it ended.
#[test]
fn a_declared_dead_job_is_swept_on_after_a_kill() {
    let sandbox = Sandbox::with_job();
    let left = format!("r/{JOB}/shared/22222222-2222-4222-8222-222222222222");
    let words = ["run", "r", "--execute", "--dead-job", JOB, "--max-sweep-ratio", "1"];
    let mut first = sandbox.command(&[&words[..], &["--max-rps", "5"]].concat()).spawn().unwrap();
    while sandbox.exists(&left) {
        assert!(first.try_wait().unwrap().is_none(), "it ended before anything was moved");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let again = sandbox.run(&[&words[..], &["--break-lock", "any"]].concat());
    assert!(again.starts_with("exit 0"), "{again}");
    assert!(!sandbox.exists(&format!("r/{JOB}/chk-1/44444444-4444-4444-8444-444444444444")), "{again}");
}

#[test]
fn a_record_that_was_written_anew_differs_from_its_copy() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["run", "r", "--execute", "--format", "json"]);
    let run = document["runId"].as_str().unwrap();
    let journal = format!("r/.chksweep/runs/{run}.jsonl");
    let text = std::fs::read_to_string(sandbox.path(&journal)).unwrap();
    assert_eq!(chained(&text), text, "the test knows how lines are chained");
    sandbox.put(&journal, chained(&text.replace("tester", "nobody")).as_bytes(), 0);
    insta::assert_snapshot!(sandbox.run(&["audit", "verify", &journal]), @r"
    exit 1
    --- stderr
    error: `r/.chksweep/runs/[RUN].jsonl` and its copy `[DIR]/home/.local/state/chksweep/runs/[RUN].jsonl` differ: line 1 tells of the same run in different words
    hint: one of them was written anew: trust the one that fewer can write to, or whose last digest was noted
    [EOF]
    ");
    // Without a copy nothing tells; both given by hand do.
    let kept = format!("home/.local/state/chksweep/runs/{run}.jsonl");
    std::fs::rename(sandbox.path(&kept), sandbox.path("kept.jsonl")).unwrap();
    assert!(sandbox.run(&["audit", "verify", &journal]).starts_with("exit 0\n"));
    let both = sandbox.run(&["audit", "verify", &journal, "kept.jsonl"]);
    assert!(both.starts_with("exit 1\n") && both.contains("differ"), "{both}");
}

/// Makes the lines of a record follow from each other, as somebody does who covers up what he changed.
fn chained(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    use std::fmt::Write as _;
    let digest = |text: &str| {
        Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
            let _never = write!(hex, "{byte:02x}");
            hex
        })
    };
    let mut prev = "0".repeat(64);
    let mut out = String::new();
    for line in text.lines() {
        let line = line.rsplit_once(",\"sum\":\"").map_or(line, |(line, _)| line);
        let (before, old) = line.split_once("\"prev\":\"").unwrap_or((line, ""));
        let line = format!("{before}\"prev\":\"{prev}{}", old.get(64..).unwrap_or(""));
        let line = format!("{line},\"sum\":\"{}\"}}\n", digest(&line));
        prev = digest(&line);
        out.push_str(&line);
    }
    out
}

#[test]
fn a_lock_that_another_run_holds_is_exit_5() {
    let sandbox = Sandbox::with_job();
    let holder = "{\"owner\":\"bob\",\"host\":\"edge1\",\"pid\":7,\"runId\":\"other\",\"since\":\"2026-11-23T18:00:00.000Z\"}";
    sandbox.put("r/.chksweep/lock", holder.as_bytes(), 0);
    let text = sandbox.run(&["run", "r", "--execute"]);
    assert!(text.starts_with("exit 5\n") && text.contains("--break-lock other"), "{text}");
    let broken = sandbox.output(&["run", "r", "--execute", "--break-lock", "other"]);
    assert_eq!(broken.status.code(), Some(0), "{broken:?}");
}

#[test]
fn our_own_moves_are_not_taken_for_life() {
    let sandbox = Sandbox::with_job();
    let declared = ["run", "r", "--execute", "--dead-job", JOB, "--max-sweep-ratio", "1", "--format", "json"];
    let document = sandbox.json(&declared);
    assert!(document["outcomes"]["done"]["operations"].as_u64().unwrap() >= 3, "{document}");
    assert!(document["quarantineAfter"].is_object(), "the last look went well: {document}");
    assert!(!sandbox.exists(&format!("r/{JOB}/chk-1")));
    assert!(sandbox.exists(&format!("r/{JOB}/chk-2/_metadata")));
}

#[test]
fn the_aliases_of_a_plan_hold_when_it_is_carried_out() {
    let sandbox = Sandbox::with_job();
    let alias = format!("/moved={}", sandbox.path("r").display());
    sandbox.run(&["plan", "r", "--alias", &alias, "-o", "p.jsonl"]);
    let other = sandbox.output(&["apply", "p.jsonl", "--yes", "--alias", "/a=/b"]);
    assert_eq!(other.status.code(), Some(8), "{other:?}");
    let configured = sandbox.output(&["apply", "p.jsonl", "--yes", "-D", "fs.defaultFS=hdfs://ns"]);
    assert_eq!(configured.status.code(), Some(8), "{configured:?}");
    let output = sandbox.output(&["apply", "p.jsonl", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn the_next_command_leads_to_the_same_storage() {
    let sandbox = Sandbox::with_job();
    let define = "-Dx=it's";
    let text = sandbox.run(&["plan", "r", define, "-o", "p.jsonl", "--mode", "delete"]);
    assert!(text.contains("--define='x=it'\\''s' --mode=delete\n"), "{text}");
    let text = sandbox.run(&["plan", "r", define, "--keep-last", "2"]);
    assert!(
        text.contains("Next: chksweep plan --define='x=it'\\''s' --keep-last=2 r -o plan.jsonl.zst"),
        "{text}"
    );
}

#[test]
fn a_run_that_a_brake_holds_says_how_to_go_on() {
    let sandbox = Sandbox::with_job();
    insta::assert_snapshot!(sandbox.run(&["run", "r", "--execute", "--max-sweep-files", "0"]), @r"
    exit 3
    --- stdout
    run [RUN]
    set aside: 0 files, 0 B in 0 steps
    --- stderr
    error: 1 is more than max-sweep-files 0 [max-sweep-files]
    hint: for a first, reviewed sweep: `chksweep plan r --max-sweep-files=1 -o first.jsonl.zst`, then `chksweep apply first.jsonl.zst --digest SHA256`
    [EOF]
    ");
}

/// An older checkpoint names again what was set aside, and its old place is taken by something that is no directory.
#[test]
fn while_something_that_is_named_cannot_come_back_nothing_more_goes() {
    let sandbox = Sandbox::with_job();
    let other = "r/0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
    let (left, own) = (format!("{other}/shared/{}", uuid(5)), uuid(6));
    let checkpoint = |number: i64| MetadataWriter::v4(number).checkpoint().operator([7; 16]).subtask(0);
    sandbox.put(&left, &[5; 50], 99);
    sandbox.put(&format!("{other}/chk-9/{own}"), &[6; 60], 50);
    sandbox.put(&format!("{other}/chk-9/_metadata"), &checkpoint(9).relative(own.as_str(), 60).bytes(), 50);
    sandbox.run(&["run", "r", "--execute"]);
    assert!(!sandbox.exists(&left));
    let named = format!("file://{}", sandbox.path(&left).display());
    sandbox.put(&format!("r/{JOB}/chk-1/_metadata"), &checkpoint(1).file(named, 50).bytes(), 90);
    let (shared, aside) = (sandbox.path(&format!("{other}/shared")), sandbox.path("shared"));
    std::fs::rename(&shared, &aside).unwrap();
    std::fs::write(&shared, "no directory").unwrap();
    let garbage = format!("r/{JOB}/shared/{}", uuid(7));
    sandbox.put(&garbage, &[7; 70], 99);
    for mode in ["quarantine", "delete"] {
        let output = sandbox.output(&["run", "r", "--execute", "--mode", mode]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert!(text.contains("could not be brought back: nothing more is swept before it is"), "{text}");
        assert!(sandbox.exists(&garbage), "{mode}");
    }
    std::fs::remove_file(&shared).unwrap();
    std::fs::rename(&aside, &shared).unwrap();
    let output = sandbox.output(&["run", "r", "--execute"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(sandbox.exists(&left) && !sandbox.exists(&garbage), "{:?}", sandbox.tree("r"));
}

/// A UUID as Flink draws them, of one digit.
fn uuid(digit: u8) -> String {
    let digit = digit.to_string();
    format!("{0}-{1}-4{2}-8{2}-{3}", digit.repeat(8), digit.repeat(4), digit.repeat(3), digit.repeat(12))
}

#[test]
fn a_local_disk_has_no_trash() {
    let sandbox = Sandbox::with_job();
    sandbox.run(&["plan", "r", "-o", "p.jsonl"]);
    let before = sandbox.tree("r");
    insta::assert_snapshot!(sandbox.run(&["run", "r", "--execute", "--mode", "trash"]), @r"
    exit 2
    --- stderr
    error: `file://[DIR]/r` is on a local disk, which has no trash
    hint: say `--mode quarantine`, which is the default and can be undone, or `--mode delete`
    [EOF]
    ");
    assert_eq!(sandbox.output(&["apply", "p.jsonl", "--yes", "--mode", "trash"]).status.code(), Some(2));
    assert_eq!(sandbox.tree("r"), before);
}

#[test]
fn a_mistyped_run_does_not_look_like_success() {
    let sandbox = Sandbox::with_job();
    insta::assert_snapshot!(sandbox.run(&["quarantine", "restore", "r", "--run", "nope", "--yes"]), @r"
    exit 0
    --- stdout
    Nothing in quarantine is selected.
    --- stderr
    warning: run `nope` has nothing in quarantine; `chksweep quarantine list` shows those that have
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["quarantine", "purge", "r", "--run", "nope", "--yes"]), @r"
    exit 0
    --- stdout
    Nothing is in quarantine.
    --- stderr
    warning: run `nope` has nothing in quarantine; `chksweep quarantine list` shows those that have
    [EOF]
    ");
}

#[test]
fn what_is_no_record_or_goes_on_after_its_end_is_refused() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["run", "r", "--execute", "--format", "json"]);
    let journal = format!("r/.chksweep/runs/{}.jsonl", document["runId"].as_str().unwrap());
    let text = std::fs::read_to_string(sandbox.path(&journal)).unwrap();
    for (name, text, exit) in [
        ("text", "hello\n".to_owned(), 1),
        ("empty", String::new(), 1),
        ("longer", format!("{text}{{}}\n"), 1),
        ("begun", format!("{text}{{"), 1),
        // The copy on this machine has its end.
        ("cut", text[..text.len() - 20].to_owned(), 1),
    ] {
        sandbox.put(name, text.as_bytes(), 0);
        let output = sandbox.output(&["audit", "verify", name]);
        assert_eq!(output.status.code(), Some(exit), "{name}: {output:?}");
    }
    std::fs::remove_dir_all(sandbox.path("home/.local/state/chksweep/runs")).unwrap();
    let output = sandbox.output(&["audit", "verify", "cut"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "a record alone may be that of a run that was killed: {output:?}"
    );
}

#[test]
fn what_chksweep_keeps_in_a_directory_below_a_root_is_no_entry_of_a_plan() {
    // Somebody pinned something, or swept, with a root inside this one.
    let sandbox = Sandbox::with_job();
    sandbox.put(&format!("r/{JOB}/.chksweep/pins"), b"", 50);
    sandbox.put("r/other/.chksweep/pins", b"", 50);
    let output = sandbox.output(&["plan", "r", "--all", "-o", "p.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let plan = std::fs::read_to_string(sandbox.path("p.jsonl")).unwrap();
    assert!(plan.lines().all(|line| !line.contains("/.chksweep")), "{plan}");
    let document = sandbox.json(&["run", "r", "--execute", "--format", "json"]);
    assert_eq!(document["outcomes"]["done"]["files"], 1);
    assert!(sandbox.exists("r/other/.chksweep/pins") && sandbox.exists(&format!("r/{JOB}/.chksweep/pins")));
}

/// What came back at the beginning of a run was not heard by the plan of that run, which swept what it named; in mode
/// `delete` that was lost.
#[test]
fn what_a_checkpoint_that_came_back_names_was_swept_by_the_run_that_brought_it_back() {
    let sandbox = Sandbox::new();
    let shared = |n: u8| format!("r/{JOB}/shared/{n}{n}{n}{n}{n}{n}{n}{n}-1111-4111-8111-111111111111");
    for n in 1..=3_u8 {
        let hours = 200 - 10 * u64::from(n);
        sandbox.put(&shared(n), &[n; 100], hours);
        sandbox.read(&shared(n), hours);
        let place = format!("file://{}", sandbox.path(&shared(n)).display());
        let writer = MetadataWriter::v4(n.into()).checkpoint().operator([7; 16]).subtask(0).file(place, 100);
        sandbox.put(&format!("r/{JOB}/chk-{n}/_metadata"), &writer.bytes(), hours);
    }
    let run = |more: &[&str]| {
        let words = ["run", "r", "--execute", "--mode", "delete", "--unsafe-min-age", "1s"];
        let policy = ["--quiescent-after", "1s", "--frontier-slack", "1s", "--no-ha"];
        sandbox.run(&[&words[..], &policy, more].concat())
    };
    let said = run(&["--keep-last", "2"]);
    assert!(!sandbox.exists(&format!("r/{JOB}/chk-1/_metadata")), "{said}");
    assert!(sandbox.exists(&shared(1)), "what it names is named for min-age: {said}");
    sandbox.read(&shared(1), 0);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let said = run(&[]);
    assert!(sandbox.exists(&format!("r/{JOB}/chk-1/_metadata")), "somebody read what it names: {said}");
    assert!(sandbox.exists(&shared(1)), "{said}");
}
