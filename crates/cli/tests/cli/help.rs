//! What help says, as short as it comes: every command has a sentence and an example.

use crate::sandbox::Sandbox;

/// Each command, with a word that only its own help has.
const COMMANDS: [&[&str]; 22] = [
    &["deps"],
    &["inspect"],
    &["jobs"],
    &["plan"],
    &["apply"],
    &["run"],
    &["explain"],
    &["verify"],
    &["quarantine", "list"],
    &["quarantine", "restore"],
    &["quarantine", "purge"],
    &["pin"],
    &["unpin"],
    &["pins"],
    &["check"],
    &["report"],
    &["config", "show"],
    &["audit", "verify"],
    &["completions"],
    &["man"],
    &["quarantine"],
    &["config"],
];

#[test]
fn the_commands_are_listed() {
    let help = Sandbox::new().run(&["-h"]);
    let commands: String = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .take_while(|line| !line.is_empty())
        .fold(String::new(), |text, line| text + line.trim_end() + "\n");
    insta::assert_snapshot!(commands, @r"
    Commands:
      deps         What checkpoints and savepoints depend on
      inspect      Everything inside one `_metadata`: operators, subtasks, state handles, sizes
      jobs         The jobs under the roots: checkpoints, newest, bytes, garbage, state
      plan         What could go, and why: the dry run. Never writes to the storage, not even a lock
      apply        Carry out a plan that was reviewed, as far as it still holds
      run          Plan, apply, and purge what is due, in one pass without questions, for cron
      explain      Why a path is kept, or which rule would take it; of a missing one, which run moved it
      verify       Is each retained checkpoint and savepoint restorable (not available in this version)
      quarantine   What earlier runs set aside: list it, bring it back, or free the space
      pin          Protect a job, checkpoint or path
      unpin        Stop protecting a job, checkpoint or path
      pins         What is pinned
      check        Is all as a run needs it: credentials, clock, rights, quota and more. Looks only
      report       A plan, for people (not available in this version)
      config       The configuration
      audit        The records of runs
      completions  Completions for a shell, on stdout
      man          The manual page, on stdout
    ");
}

#[test]
fn every_command_has_help_with_an_example() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let output = sandbox.output(&arguments);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Usage: chksweep"), "{command:?}");
        let group = ["quarantine", "config"].contains(command.last().unwrap());
        assert!(group || text.contains("Example"), "{command:?} has no example:\n{text}");
    }
}

#[test]
fn the_options_of_deps() {
    let help = Sandbox::new().run(&["deps", "-h"]);
    let own = help.split("\nCommon options").next().unwrap();
    insta::assert_snapshot!(own, @r"
    exit 0
    --- stdout
    What checkpoints and savepoints depend on

    Usage: chksweep deps [OPTIONS] <LOCATION>...

    Arguments:
      <LOCATION>...  `_metadata` files, or the directories that hold one

    Options:
          --files    List files, not their directories
      -h, --help     Print help
      -V, --version  Print version

    Policy:
          --alias <FROM=TO>  FROM and TO are one place, and TO is the one that is listed [env:
                             CHKSWEEP_ALIASES]
    ");
}

#[test]
fn completions_and_the_manual_page_are_made() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = sandbox.output(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8(output.stdout).unwrap().contains("chksweep"), "{shell}");
    }
    let page = String::from_utf8(sandbox.output(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH chksweep") && page.contains("max\\-sweep\\-ratio"));
}

#[test]
fn wrong_usage_is_exit_2() {
    let sandbox = Sandbox::new();
    for arguments in [
        &["plan", "--min-age", "1M", "/x"][..],
        &["plan", "--keep-last", "many", "/x"],
        &["plan", "--mode", "shred", "/x"],
        &["plan", "--as-of", "yesterday", "/x"],
        &["plan", "--job", "abc", "/x"],
        &["plan", "--max-sweep-ratio", "2", "/x"],
        &["plan"],
        &["plan", "s3://bucket/x"],
        &["plan", "--min-age", "10m", "/x"],
        &["deps"],
        &["deps", "--alias", "/a=/b", "--alias", "/a=/c", "/x"],
        &["apply", "plan", "--digest", "abc"],
        &["nonsense"],
        &["plan", "--profile", "p", "/x"],
        &["plan", "--config", "/no/such/file", "/x"],
        &["plan", "--ha-dir", "hdfs:///ha", "/x"],
        &["plan", "--flink-rest", "http://localhost:8081", "/x"],
        &["plan", "--live-hook", "/bin/true", "/x"],
        &["plan", "--inventory", "image.txt", "/x"],
        &["plan", "--flink-conf", "/etc/flink", "/x"],
        &["verify", "/x"],
        &["report", "plan.jsonl", "--format", "csv"],
        &["--format", "json", "report", "plan.jsonl"],
    ] {
        let output = sandbox.output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_is_not_available_says_so() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(&["plan", "--ha-dir", "hdfs:///ha", "/x"]), @r"
    exit 2
    --- stderr
    error: `--ha-dir` is not available in this version, and it is set by --ha-dir: leave it out
    [EOF]
    ");
    insta::assert_snapshot!(sandbox.run(&["verify", "/x"]), @r"
    exit 2
    --- stderr
    error: `chksweep verify` is not available in this version
    [EOF]
    ");
}
