//! `deps` and `inspect`: what they print, and how each kind of failure ends.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use chksweep_testkit::metadata_writer::MetadataWriter;

use crate::sandbox::{JOB, Sandbox};

#[test]
fn the_directories_are_printed_as_the_original_script_printed_them() {
    let sandbox = Sandbox::with_job();
    let chk = format!("r/{JOB}/chk-2");
    insta::assert_snapshot!(sandbox.run(&["deps", &chk]), @r"
    exit 0
    --- stdout
    Parsed 1 dependencies:
     - file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["deps", "--files", &chk]), @r"
    exit 0
    --- stdout
    Parsed 2 dependencies:
     - file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/33333333-3333-4333-8333-333333333333
     - file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/11111111-1111-4111-8111-111111111111
    [EOF]
    ");
}

#[test]
fn several_locations_are_named() {
    let sandbox = Sandbox::with_job();
    let chk = format!("r/{JOB}/chk-2");
    let metadata = format!("{chk}/_metadata");
    insta::assert_snapshot!(sandbox.run(&["deps", &chk, &metadata]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2
    Parsed 1 dependencies:
     - file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/_metadata
    Parsed 1 dependencies:
     - file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
    [EOF]
    ");
}

#[test]
fn the_document_has_what_the_contract_says() {
    let sandbox = Sandbox::with_job();
    let document = sandbox.json(&["deps", "--format", "json", &format!("r/{JOB}/chk-2/")]);
    let text = sandbox.redacted(&serde_json::to_string_pretty(&document).unwrap());
    insta::assert_snapshot!(text, @r#"
    {
      "checkpoints": [
        {
          "checkpointId": 2,
          "directories": [
            "file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
          ],
          "handleKinds": {
            "FileStateHandle": 1,
            "IncrementalRemoteKeyedStateHandle": 1,
            "RelativeFileStateHandle": 1
          },
          "kind": "checkpoint",
          "location": "file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2",
          "metadata": "file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/_metadata",
          "namedDirectories": [],
          "references": [
            {
              "bytes": 300,
              "handles": 1,
              "minBytes": 300,
              "path": "file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/33333333-3333-4333-8333-333333333333"
            },
            {
              "bytes": 1000,
              "handles": 1,
              "minBytes": 1000,
              "path": "file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/11111111-1111-4111-8111-111111111111"
            }
          ],
          "version": 4
        }
      ]
    }
    "#);
}

#[test]
fn bad_input_is_told_each_by_itself() {
    let sandbox = Sandbox::with_job();
    let whole = std::fs::read(sandbox.path(&format!("r/{JOB}/chk-2/_metadata"))).unwrap();
    sandbox.put("text", b"this is no metadata at all", 1);
    sandbox.put("cut", &whole[..60], 1);
    sandbox.put("tail", &[&whole[..], b"x"].concat(), 1);
    let mut unknown = whole.clone();
    unknown[7] = 99;
    sandbox.put("version-99", &unknown, 1);
    sandbox.put("empty", b"", 1);
    let arguments = ["deps", "text", "cut", "tail", "version-99", "empty"];
    insta::assert_snapshot!(sandbox.run(&arguments), @r"
    exit 4
    --- stderr
    error: file://[DIR]/text: not a Flink `_metadata`: it starts with 74686973, not with 4960672d at offset 0x0 while reading magic number
    error: file://[DIR]/cut: unexpected end of file (1 more bytes needed) at offset 0x39 while reading operator 0 › subtask 0 › managed operator state › presence flag (version 4)
    error: file://[DIR]/tail: 1 bytes follow the last field at offset 0x3cb while reading end of file (version 4)
    error: file://[DIR]/version-99: unknown version 99 at offset 0x4 while reading version
    error: file://[DIR]/empty: unexpected end of file (4 more bytes needed) at offset 0x0 while reading magic number
    hint: name a `_metadata` file, or the directory of a checkpoint or savepoint that holds one
    hint: the file is cut short: it is still being written, or a copy or a crash broke it off; compare its length with the original
    hint: the file is damaged, or not what Flink wrote: compare it with a copy, or use another checkpoint
    hint: it was written by a newer Flink than this chksweep knows, or it is damaged: try a newer chksweep
    [EOF]
    ");
    let document = sandbox.json(&["deps", "--format", "json", "cut", "version-99"]);
    let errors: Vec<String> = document["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|element| format!("{} at {}", element["error"]["kind"], element["error"]["offset"]))
        .collect();
    assert_eq!(errors, ["\"unexpected-end\" at 57", "\"unknown-version\" at 4"]);
}

#[test]
fn what_is_not_there_is_exit_1_and_no_document() {
    let sandbox = Sandbox::with_job();
    let chk = format!("r/{JOB}/chk-2");
    insta::assert_snapshot!(sandbox.run(&["deps", "nowhere", "r", &chk]), @r"
    exit 1
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2
    Parsed 1 dependencies:
     - file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
    --- stderr
    error: looking at file://[DIR]/nowhere: No such file or directory (os error 2)
    error: the directory file://[DIR]/r holds no `_metadata`
    hint: check the spelling of the path, and whether it still exists
    hint: a checkpoint without `_metadata` was never completed, or is being written or discarded
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["deps", "--format", "json", "nowhere", &chk]), @r"
    exit 1
    --- stderr
    error: looking at file://[DIR]/nowhere: No such file or directory (os error 2)
    hint: check the spelling of the path, and whether it still exists
    [EOF]
    ");
}

#[test]
fn an_alias_adds_where_a_file_was_found() {
    let sandbox = Sandbox::with_job();
    let alias = format!("{}/r=hdfs://ns/moved", sandbox.path("").display());
    let chk = format!("r/{JOB}/chk-2");
    let document = sandbox.json(&["deps", "--format", "json", "--alias", &alias, &chk]);
    let reference = &document["checkpoints"][0]["references"][1];
    assert!(reference["path"].as_str().unwrap().starts_with("file:///"));
    assert!(reference["found"].as_str().unwrap().starts_with(&format!("hdfs://ns/moved/{JOB}/shared/")));
    let unused = sandbox.run(&["deps", "--alias", "/nowhere=/else", &chk]);
    assert!(unused.contains("warning: the alias `file:///nowhere=file:///else` matched nothing"), "{unused}");
}

#[test]
fn names_that_are_not_utf8_survive() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"odd\xff");
    let directory = sandbox.path("").join(name);
    std::fs::create_dir(&directory).unwrap();
    let metadata = MetadataWriter::v4(1).checkpoint().operator([1; 16]).subtask(0).relative("x", 1).bytes();
    std::fs::write(directory.join("_metadata"), metadata).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chksweep"));
    let output = command.env_clear().args(["deps", "--format", "json"]).arg(&directory).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reference = &document["checkpoints"][0]["references"][0];
    assert!(reference["path"].as_str().unwrap().ends_with("/odd\\xFF/x"), "{reference}");
    assert!(reference["pathBase64"].is_string(), "{reference}");
}

#[test]
fn a_name_node_that_is_not_there_is_exit_1() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(&["deps", "hdfs://127.0.0.1:1/x"]);
    assert!(text.starts_with("exit 1\n--- stderr\nerror: connecting to hdfs://127.0.0.1:1/x: "), "{text}");
}

#[test]
fn a_wrong_configuration_is_exit_2() {
    let sandbox = Sandbox::with_job();
    let chk = format!("r/{JOB}/chk-2");
    insta::assert_snapshot!(sandbox.run(&["deps", "--hadoop-conf", "/no/such", &chk]), @r"
    exit 2
    --- stderr
    error: the Hadoop configuration cannot be used: the Hadoop configuration directory /no/such (from --hadoop-conf) is not a directory: name the one that holds core-site.xml and hdfs-site.xml, or take --hadoop-conf away
    [EOF]
    ");
    let text = sandbox.run(&["deps", "hdfs:///x"]);
    assert!(text.starts_with("exit 2\n") && text.contains("fs.defaultFS"), "{text}");
}

#[test]
fn inspect_shows_operators_or_handles() {
    let sandbox = Sandbox::with_job();
    let chk = format!("r/{JOB}/chk-2");
    insta::assert_snapshot!(sandbox.run(&["inspect", &chk]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/_metadata
    checkpoint 2, format version 4
    1 operator, 1 subtask; 1.3 KiB in files, 0 B inside
             1 FileStateHandle
             1 IncrementalRemoteKeyedStateHandle
             1 RelativeFileStateHandle

    OPERATOR                          NAME  PARALLELISM  SUBTASKS    FILES  INSIDE
    07070707070707070707070707070707  -               4         1  1.3 KiB     0 B
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["inspect", "--files", &chk]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/_metadata
    checkpoint 2, format version 4
    1 operator, 1 subtask; 1.3 KiB in files, 0 B inside
             1 FileStateHandle
             1 IncrementalRemoteKeyedStateHandle
             1 RelativeFileStateHandle

    operator 07070707070707070707070707070707 
      subtask 0
        managed keyed state
          IncrementalRemoteKeyedStateHandle
            shared: FileStateHandle (000000.sst) file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/11111111-1111-4111-8111-111111111111 1000 B
            shared: RelativeFileStateHandle (000001.sst) file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/chk-2/33333333-3333-4333-8333-333333333333 300 B
    [EOF]
    ");
    let document = sandbox.json(&["inspect", "--format", "json", &chk]);
    assert_eq!(document["totals"]["fileHandles"], 2);
    let alias = format!("{}/r=hdfs://ns/moved", sandbox.path("").display());
    let text = sandbox.run(&["inspect", "--files", &chk, "--alias", &alias]);
    assert!(text.contains(&format!("hdfs://ns/moved/{JOB}/shared/")), "{text}");
    sandbox.put("text", b"no metadata", 1);
    insta::assert_snapshot!(sandbox.run(&["inspect", "text", "--format", "json"]), @r#"
    exit 4
    --- stdout
    {"location":"file://[DIR]/text","error":{"kind":"not-metadata","offset":0,"message":"not a Flink `_metadata`: it starts with 6e6f206d, not with 4960672d at offset 0x0 while reading magic number"}}
    --- stderr
    error: file://[DIR]/text: not a Flink `_metadata`: it starts with 6e6f206d, not with 4960672d at offset 0x0 while reading magic number
    hint: name a `_metadata` file, or the directory of a checkpoint or savepoint that holds one
    [EOF]
    "#);
}

#[test]
fn a_closed_pipe_is_success() {
    let sandbox = Sandbox::with_job();
    let script =
        format!("{} deps r/{JOB}/chk-2 | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_chksweep"));
    let mut command = std::process::Command::new("bash");
    let output = command.args(["-c", &script]).current_dir(sandbox.path("")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    assert!(output.stderr.is_empty());
}

#[test]
fn a_name_node_that_cannot_be_reached_does_not_keep_others_from_being_read() {
    let sandbox = Sandbox::with_job();
    let chk = format!("r/{JOB}/chk-2");
    let nowhere = "hdfs://127.0.0.1:1/x";
    let text = sandbox.run(&["deps", nowhere, &chk, "hdfs://127.0.0.1:1/y", "absent"]);
    assert!(text.starts_with("exit 1\n"), "{text}");
    assert!(text.contains("Parsed 1 dependencies:"), "{text}");
    assert!(text.contains("127.0.0.1:1 cannot be reached"), "{text}");
    assert!(text.contains("error: hdfs://127.0.0.1:1/y: "), "{text}");
    assert!(text.contains("/absent"), "{text}");
    assert!(!text.contains("WARN"), "{text}");
    let output = sandbox.output(&["deps", "--format", "json", nowhere, &chk]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

/// The log line waited for the result, and the result for the log line.
#[test]
fn a_log_line_in_the_middle_of_a_result_does_not_wait_for_ever() {
    let sandbox = Sandbox::with_job();
    let text = sandbox.run(&["deps", &format!("r/{JOB}/chk-2"), "-vv"]);
    assert!(text.starts_with("exit 0") && text.contains("Parsed 1 dependencies:"), "{text}");
    assert!(text.contains("DEBUG"), "{text}");
}
