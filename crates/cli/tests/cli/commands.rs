//! `config show`, pins, and what the settings say of themselves.

use crate::sandbox::{JOB, Sandbox};

#[test]
fn config_show_tells_where_each_value_comes_from() {
    let sandbox = Sandbox::new();
    let file = b"keep-last = 3\nmin-age = \"2d\"\n[profiles.night]\nmode = \"trash\"\n";
    sandbox.put("c.toml", file, 0);
    let text = sandbox.run_with(
        &[("CHKSWEEP_MAX_RPS", "50"), ("CHKSWEEP_MIN_AGE", "3d")],
        &["config", "show", "--config", "c.toml", "--profile", "night", "--min-age", "4d"],
    );
    let chosen: Vec<&str> = text
        .lines()
        .filter(|line| {
            let word = line.split(' ').next().unwrap_or("");
            ["configuration", "profile:", "KEY", "min-age", "keep-last", "mode", "max-rps", "purge-after"]
                .contains(&word)
        })
        .collect();
    insta::assert_snapshot!(chosen.join("\n"), @r"
    configuration file: c.toml
    profile: night
    KEY                    VALUE  FROM
    keep-last              3      c.toml:1
    max-rps                50     CHKSWEEP_MAX_RPS
    min-age                4d     --min-age
    mode                   trash  c.toml:4 (profile night)
    purge-after            7d     default
    ");
    let document = sandbox.json(&["config", "show", "--config", "c.toml", "--format", "json"]);
    assert_eq!(document["settings"]["keep-last"]["value"], "3");
    assert_eq!(document["settings"]["keep-last"]["origin"], "c.toml:1");
    assert_eq!(document["settings"]["mode"]["origin"], "default");
}

#[test]
fn errors_of_the_configuration_name_file_line_and_key() {
    let sandbox = Sandbox::new();
    sandbox.put("c.toml", b"\nmin-age = 24\n", 0);
    insta::assert_snapshot!(sandbox.run(&["config", "show", "--config", "c.toml"]), @r"
    exit 2
    --- stderr
    error: c.toml:2: `min-age`: `24` is not a duration (time unit needed, for example 24sec or 24ms): write it as `36h` or `7d`
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run_with(&[("CHKSWEEP_MODE", "shred")], &["config", "show"]), @r"
    exit 2
    --- stderr
    error: environment variable CHKSWEEP_MODE: `shred` is none of `quarantine`, `trash`, `delete`
    [EOF]
    ");
    sandbox.put("c.toml", b"min-age = \"10m\"\n", 0);
    insta::assert_snapshot!(sandbox.run(&["plan", "/x", "--config", "c.toml"]), @r"
    exit 2
    --- stderr
    error: c.toml:1: `min-age` of 10m is below the floor of 1h
    hint: younger files may belong to a checkpoint that is being written; where nothing writes, say `--unsafe-min-age 10m`
    [EOF]
    ");
}

#[test]
fn a_pin_keeps_and_can_be_taken_away() {
    let sandbox = Sandbox::with_job();
    let left = format!("r/{JOB}/shared/22222222-2222-4222-8222-222222222222");
    insta::assert_snapshot!(sandbox.run(&["pin", &left]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/22222222-2222-4222-8222-222222222222 is pinned now
    [EOF]
    ");
    let document = sandbox.json(&["explain", &left, "--format", "json"]);
    assert_eq!(document["found"]["rule"], "pinned");
    insta::assert_snapshot!(sandbox.run(&["pins", "r"]), @r"
    exit 0
    --- stdout
    file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/22222222-2222-4222-8222-222222222222
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["unpin", &left, "--format", "json"]), @r#"
    exit 0
    --- stdout
    {"root":"file://[DIR]/r","location":"file://[DIR]/r/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/shared/22222222-2222-4222-8222-222222222222","pinned":false,"changed":true}
    [EOF]
    "#);
    insta::assert_snapshot!(sandbox.run(&["pin", "r/nothing", "--root", "r"]), @r"
    exit 1
    --- stderr
    error: looking at file://[DIR]/r/nothing: No such file or directory (os error 2)
    hint: check the spelling of the path, and whether it still exists
    [EOF]
    ");
}

#[test]
fn logs_can_be_json_lines() {
    let sandbox = Sandbox::new();
    let output = sandbox.output(&["plan", "nowhere", "--log-format", "json"]);
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["level"].is_string(), "{line}");
    }
}

#[test]
fn a_signal_ends_a_look_at_once() {
    // Somebody who takes the call and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("hdfs://{}/x", listener.local_addr().unwrap());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chksweep"));
    let mut child = command.env_clear().args(["deps", &url, "--format", "json"]).spawn().unwrap();
    let (_connection, _) = listener.accept().unwrap();
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
