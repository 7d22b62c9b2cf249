//! The program itself, as a user runs it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::minihdfs::MiniHdfs;

/// Nothing that a test asks for may take longer.
const DEADLINE: Duration = Duration::from_mins(10);

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
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs a command, whatever it ends with.
    ///
    /// # Errors
    /// When it cannot be started, or has not ended after ten minutes.
    pub fn run<A: AsRef<str>>(&self, args: &[A]) -> Result<Output> {
        self.start(args)?.output(DEADLINE)
    }

    /// As [`Chksweep::run`], with environment variables.
    ///
    /// # Errors
    /// When it cannot be started, or has not ended after ten minutes.
    pub fn run_with<A: AsRef<str>>(&self, variables: &[(&str, &str)], args: &[A]) -> Result<Output> {
        Running::of(self.command(args).envs(variables.iter().copied()))?.output(DEADLINE)
    }

    /// Starts a command.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<A: AsRef<str>>(&self, args: &[A]) -> Result<Running> {
        Running::of(&mut self.command(args))
    }

    /// Where it keeps the records of runs.
    pub fn state_home(&self) -> &Path {
        self.state.path()
    }

    /// The command, to be started in another way.
    pub fn command<A: AsRef<str>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args.iter().map(AsRef::as_ref)).env("XDG_STATE_HOME", self.state.path());
        command
            .env("XDG_CONFIG_HOME", self.state.path())
            .env_remove("HADOOP_CONF_DIR")
            .env_remove("HADOOP_HOME");
        if let Some(conf) = &self.hadoop_conf {
            command.env("HADOOP_CONF_DIR", conf);
        }
        command
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

/// The program while it runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    talk: Option<[JoinHandle<Vec<u8>>; 2]>,
}

impl Running {
    /// Starts a command and reads what it prints.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn of(command: &mut Command) -> Result<Running> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting chksweep")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let stderr = child.stderr.take().context("no standard error")?;
        Ok(Running { child, talk: Some([reading(stdout), reading(stderr)]) })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sends it a signal by its name, as `KILL` or `STOP`.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, name: &str) -> Result<()> {
        crate::daemons::signal(self.child.id(), name)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time: then it is killed, and what it said is told.
    pub fn output(mut self, deadline: Duration) -> Result<Output> {
        let until = Instant::now() + deadline;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                self.child.kill()?;
                let output = self.ended()?;
                let talk = String::from_utf8_lossy(&output.stderr).into_owned();
                bail!("chksweep has not ended within {} s: {talk}", deadline.as_secs());
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.ended()
    }

    fn ended(&mut self) -> Result<Output> {
        let status = self.child.wait()?;
        let mut texts = self.talk.take().into_iter().flatten().map(|talk| talk.join().unwrap_or_default());
        Ok(Output {
            status,
            stdout: texts.next().unwrap_or_default(),
            stderr: texts.next().unwrap_or_default(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended: Option<()> = self.child.kill().and_then(|()| self.child.wait()).ok().map(drop);
    }
}

fn reading(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is to tell.
        from.read_to_end(&mut bytes).ok();
        bytes
    })
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
