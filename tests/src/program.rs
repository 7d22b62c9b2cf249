//! The program itself, as a user runs it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::minihdfs::MiniHdfs;

/// Runs `chksweep` with a state directory and, for HDFS, a configuration directory of its own.
#[derive(Debug)]
pub struct Chksweep {
    binary: PathBuf,
    state: tempfile::TempDir,
    hadoop_conf: Option<PathBuf>,
}

impl Chksweep {
    /// Builds the program if needed.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn new(hdfs: Option<&MiniHdfs>) -> Result<Chksweep> {
        static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
        let built = BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        let binary = built.clone().map_err(anyhow::Error::msg)?;
        let state = tempfile::tempdir().context("making a state directory")?;
        Ok(Chksweep { binary, state, hadoop_conf: hdfs.map(|hdfs| hdfs.conf_dir().to_owned()) })
    }

    /// Where the program is, for who starts it otherwise.
    pub fn binary(&self) -> &std::path::Path {
        &self.binary
    }

    /// Runs a command, whatever it ends with.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run<A: AsRef<str>>(&self, args: &[A]) -> Result<Output> {
        self.run_with(&[], args)
    }

    /// As [`Chksweep::run`], with environment variables.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_with<A: AsRef<str>>(&self, variables: &[(&str, &str)], args: &[A]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(args.iter().map(AsRef::as_ref)).env("XDG_STATE_HOME", self.state.path());
        command
            .env("XDG_CONFIG_HOME", self.state.path())
            .env_remove("HADOOP_CONF_DIR")
            .env_remove("HADOOP_HOME");
        if let Some(conf) = &self.hadoop_conf {
            command.env("HADOOP_CONF_DIR", conf);
        }
        command.envs(variables.iter().copied());
        command.output().context("starting chksweep")
    }

    /// Runs a command with `--format json` that must end with `exit`, and returns what it prints.
    ///
    /// # Errors
    /// When it ends otherwise, or prints something else.
    pub fn json<A: AsRef<str>>(&self, exit: i32, args: &[A]) -> Result<Value> {
        let mut words: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        words.extend(["--format", "json"]);
        let output = self.run(&words)?;
        let talk = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(exit),
            "{words:?} ended with {}, not {exit}: {talk}",
            output.status
        );
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{words:?} printed {}", String::from_utf8_lossy(&output.stdout)))
    }
}

fn build() -> Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--package", "chksweep", "--message-format=json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .context("building chksweep")?;
    ensure!(output.status.success(), "building chksweep: {}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        if let Some(executable) = message.get("executable").and_then(Value::as_str) {
            return Ok(PathBuf::from(executable));
        }
    }
    bail!("cargo named no executable")
}
