//! `check` on a local directory; on a real HDFS it is checked beside Kerberos and rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

#[test]
fn a_directory_that_is_as_a_run_needs_it() {
    let sandbox = Sandbox::with_job();
    fs::set_permissions(sandbox.path("r"), fs::Permissions::from_mode(0o755)).unwrap();
    let text = sandbox.run(&["check", "r"]);
    // Who runs the tests is not known.
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" uid ")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    exit 0
    --- stdout
    ok       configuration  no file; flags, environment and defaults
    ok       hadoop         no Hadoop configuration is named (--hadoop-conf, HADOOP_CONF_DIR)
    ok       state          [DIR]/home/.local/state/chksweep: it is made by the first run, for this user alone
    ok       listing        file://[DIR]/r: 6 directories, the upper ones, can be listed
    ok       clock          file://[DIR]/r: a local directory goes by the clock of this machine
    ok       own files      file://[DIR]/r/.chksweep: it is made by the first run, for this user alone
    ok       lock           file://[DIR]/r: no run is under way

    A run can go.
    [EOF]
    ");
    assert!(!sandbox.exists("r/.chksweep") && !sandbox.exists("home/.local"), "it looks only");
}

#[test]
fn the_document_tells_each_check() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["check", "r", "--format", "json"]);
    assert_eq!(document["ready"], true);
    let checks: Vec<&str> =
        document["checks"].as_array().unwrap().iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(
        checks,
        ["configuration", "hadoop", "state", "root", "listing", "clock", "rights", "own files", "lock"]
    );
    let first = &document["checks"][0];
    assert_eq!((&first["state"], &first["next"]), (&"ok".into(), &serde_json::Value::Null));
}

#[test]
fn what_is_missing_is_exit_1_and_what_is_configured_wrongly_exit_2() {
    let sandbox = Sandbox::with_job();
    sandbox.put("r/.chksweep/lock", b"", 0);
    fs::set_permissions(sandbox.path("r/.chksweep"), fs::Permissions::from_mode(0o777)).unwrap();
    let output = sandbox.output(&["check", "r", "nowhere"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for words in [
        "is held by an unknown run",
        "(mode 777)",
        "chmod go-w",
        "--break-lock any",
        "nowhere: ",
        "cannot go",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // No document goes with exit 1: what is missing stands on stderr.
    let output = sandbox.output(&["check", "r", "--format", "json", "--log-format", "json"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("own files: "));

    let output = sandbox.output(&["check", "r", "--mode", "trash"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(sandbox.output(&["check"]).status.code(), Some(2));
    let output = sandbox.output(&["check", "hdfs:///x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("fs.defaultFS is not set"));
}

#[test]
fn a_state_directory_that_others_may_write_to_is_an_error() {
    let sandbox = Sandbox::with_job();
    fs::create_dir(sandbox.path("state")).unwrap();
    fs::set_permissions(sandbox.path("state"), fs::Permissions::from_mode(0o777)).unwrap();
    let text = sandbox.run(&["check", "r", "--state-dir", "state"]);
    assert!(text.starts_with("exit 1") && text.contains("others may write to state (mode 777)"), "{text}");
    // A directory in it is made for this user alone.
    let text = sandbox.run(&["check", "r", "--state-dir", "state/own"]);
    assert!(text.starts_with("exit 0"), "{text}");
}

#[test]
fn a_server_that_does_not_answer_is_told_within_ten_seconds() {
    let sandbox = Sandbox::new();
    // Takes connections and says nothing, as a NameNode that hangs.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("hdfs://{}/r", silent.local_addr().unwrap());
    let start = std::time::Instant::now();
    let output = sandbox.output(&["check", &url, "r"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("no answer from 127.0.0.1:") && text.contains("next: "), "{text}");
}
