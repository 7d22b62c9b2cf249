//! `plan`, `jobs`, `explain`: the dry run.

use crate::sandbox::{JOB, Sandbox};

#[test]
fn a_plan_says_what_would_go_and_why() {
    let sandbox = Sandbox::with_job();
    insta::assert_snapshot!(sandbox.run(&["plan", "r"]), @r"
    exit 0
    --- stdout
    plan [RUN], ages counted from [TIME]
    root file://[DIR]/r

    would be swept  1 file, 500 B
    kept            3 files, 2.2 KiB
    not yet         1 file, 10 B
    left alone      0 files, 0 B
    listed          5 files, 2.7 KiB in 6 directories

    JOB                               STATE   CHECKPOINTS  WOULD SWEEP   SIZE     KEPT  NOT YET  LEFT ALONE
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a  living            1       1 file  500 B  2.2 KiB     10 B         0 B

    Would be swept:
      RULE                 FILES   SIZE  DIRECTORIES  MEANING
      unreferenced-shared      1  500 B            0  shared state that no kept checkpoint or savepoint names

    Not yet:
      RULE         FILES  SIZE  DIRECTORIES  MEANING
      in-progress      1  10 B            1  may still be being written; until [TIME]

    Next: chksweep plan r -o plan.jsonl.zst
    [EOF]
    ");
    assert!(!sandbox.exists("r/.chksweep"), "a dry run never writes to the storage");
}

#[test]
fn a_plan_file_is_for_its_owner_and_told_with_its_digest() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with_job();
    let text = sandbox.run(&["plan", "r", "-o", "plan.jsonl"]);
    let lines: Vec<&str> = text.lines().collect();
    insta::assert_snapshot!(lines[lines.len() - 3..].join("\n"), @r"
    The plan is in plan.jsonl, sha256 [SHA256]
    Next: chksweep apply plan.jsonl --digest [SHA256]
    [EOF]
    ");
    let mode = std::fs::metadata(sandbox.path("plan.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let file = std::fs::read_to_string(sandbox.path("plan.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["record"], "header");
    assert_eq!(lines.last().unwrap()["record"], "summary");
    assert_eq!(lines.last().unwrap()["plan"], "plan.jsonl");
    assert!(lines.iter().any(|line| line["rule"] == "unreferenced-shared"));
}

#[test]
fn the_document_is_one_and_sums_to_what_was_listed() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["plan", "r", "--format", "json", "--detailed-exitcode"]);
    let decisions = document["decisions"].as_object().unwrap();
    let files: u64 = decisions.values().map(|totals| totals["files"].as_u64().unwrap()).sum();
    assert_eq!(files, 5);
    assert_eq!(document["plan"], serde_json::Value::Null);
    assert_eq!(document["jobs"][0]["job"], JOB);
}

#[test]
fn there_is_something_to_sweep() {
    let sandbox = Sandbox::with_job();
    assert_eq!(sandbox.output(&["plan", "r", "--detailed-exitcode"]).status.code(), Some(10));
    assert_eq!(sandbox.output(&["plan", "r"]).status.code(), Some(0));
    assert_eq!(sandbox.output(&["run", "r", "--detailed-exitcode"]).status.code(), Some(10));
    let selected = ["plan", "r", "--detailed-exitcode", "--job", "ffffffffffffffffffffffffffffffff"];
    assert_eq!(sandbox.output(&selected).status.code(), Some(0));
}

#[test]
fn a_brake_that_holds_tells_how_to_go_on() {
    let sandbox = Sandbox::with_job();
    let output =
        sandbox.output(&["plan", "r", "--max-sweep-files", "0", "-o", "p.jsonl", "--format", "json"]);
    assert_eq!(output.status.code(), Some(3));
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    assert!(sandbox.exists("p.jsonl"), "it is written all the same");
    let stderr = sandbox.redacted(&String::from_utf8(output.stderr).unwrap());
    insta::assert_snapshot!(stderr, @"hint: for a first, reviewed sweep: `chksweep plan r --max-sweep-files=1 -o first.jsonl.zst`, then `chksweep apply first.jsonl.zst --digest SHA256`");
}

#[test]
fn unreadable_metadata_blocks() {
    let sandbox = Sandbox::with_job();
    sandbox.put(&format!("r/{JOB}/chk-3/_metadata"), b"garbage", 40);
    let output = sandbox.output(&["plan", "r", "--format", "json"]);
    assert_eq!(output.status.code(), Some(4));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["decisions"]["sweep"]["files"], 0);
}

#[test]
fn no_root_is_told_with_a_hint() {
    insta::assert_snapshot!(Sandbox::new().run(&["plan"]), @r#"
    exit 2
    --- stderr
    error: no root was given, and the configuration names none
    hint: name the directory that holds the checkpoints, as in `chksweep plan hdfs:///flink/checkpoints`
    hint: or write `roots = ["hdfs:///flink/checkpoints"]` into the configuration file
    [EOF]
    "#);
    insta::assert_snapshot!(Sandbox::new().run(&["plan", "nowhere"]), @r"
    exit 1
    --- stderr
    error: the root `file://[DIR]/nowhere` does not exist
    hint: correct the path, or take the root out of the configuration
    [EOF]
    ");
}

#[test]
fn roots_come_from_the_environment_and_the_file() {
    let sandbox = Sandbox::with_job();
    let root = sandbox.path("r").display().to_string();
    let text = sandbox.run_with(&[("CHKSWEEP_ROOTS", &root)], &["jobs"]);
    assert!(text.contains(JOB), "{text}");
    sandbox.put("home/.config/chksweep/config.toml", format!("roots = [\"{root}\"]\n").as_bytes(), 0);
    insta::assert_snapshot!(sandbox.run(&["jobs"]), @r"
    exit 0
    --- stdout
    JOB                               STATE   CHECKPOINTS  NEWEST  COMPLETED             FILES     SIZE        GARBAGE  LAST ACTIVITY
    0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a  living            1  chk-2   [TIME]      5  2.7 KiB  1 file, 500 B  [TIME]
    [EOF]
    ");
}

#[test]
fn a_kept_file_is_explained_by_who_names_it() {
    let sandbox = Sandbox::with_job();
    let named = format!("r/{JOB}/shared/11111111-1111-4111-8111-111111111111");
    insta::assert_snapshot!(sandbox.run(&["explain", &named]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/11111111-1111-4111-8111-111111111111
      file, 1000 B
      kept: named by kept metadata [named]
      - modified [TIME], 4d 4h ago: older than min-age, 1d
      - its job is living: newest completed checkpoint 2 at [TIME], last activity [TIME]
    named by:
      file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/_metadata
        checkpoint 2 of job 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a, by path
        operator 07070707070707070707070707070707 › subtask 0 › managed keyed state › IncrementalRemoteKeyedStateHandle › shared › FileStateHandle
    [EOF]
    ");
}

#[test]
fn a_file_that_would_go_is_explained_by_its_rule() {
    let sandbox = Sandbox::with_job();
    let left = format!("r/{JOB}/shared/22222222-2222-4222-8222-222222222222");
    insta::assert_snapshot!(sandbox.run(&["explain", &left, "--root", "r"]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/22222222-2222-4222-8222-222222222222
      file, 500 B
      would be swept: shared state that no kept checkpoint or savepoint names [unreferenced-shared]
      - modified [TIME], 4d 3h ago: older than min-age, 1d
      - metadata files read: 1; none names it
      - its job is living: newest completed checkpoint 2 at [TIME], last activity [TIME]
    [EOF]
    ");
    let document = sandbox.json(&["explain", &left, "--format", "json"]);
    assert_eq!(document["found"]["rule"], "unreferenced-shared");
}
