//! Real Flink jobs: they leave real checkpoints, and prove that one restores.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::java::{self, Program, Project};
use crate::process::JavaProcess;
use crate::tree::{self, TreeEntry};

/// Above the program's own (`--timeout-s`, default 180), which comes with a better message.
const TIME_TO_ANSWER: Duration = Duration::from_mins(5);

/// Which Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// 2.3
    F2,
    /// 1.20
    F120,
}

impl Flavour {
    /// The Maven profile.
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Flavour::F2 => "f2",
            Flavour::F120 => "f120",
        }
    }
}

/// Starts jobs, one process each. The program's `--help` lists the options; `--work-dir` is given here.
#[derive(Clone, Debug)]
pub struct FlinkJobs {
    program: Program,
    hadoop_conf: Option<PathBuf>,
}

impl FlinkJobs {
    /// Builds the program if needed.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn new(flavour: Flavour) -> Result<FlinkJobs> {
        Ok(FlinkJobs { program: java::build(Project::FlinkJobs(flavour))?, hadoop_conf: None })
    }

    /// With the Hadoop configuration of this directory: needed for a nameservice, not for `hdfs://host:port`.
    #[must_use]
    pub fn with_hadoop_conf(mut self, directory: &Path) -> FlinkJobs {
        self.hadoop_conf = Some(directory.to_owned());
        self
    }

    /// Runs a job to its end. The result tells, among others, `jobId`, `jobDir`, `completed` (the paths of all
    /// checkpoints that completed, oldest first) and `savepoints`.
    ///
    /// # Errors
    /// When the options are wrong or the job does not do as asked.
    pub fn run<A: AsRef<str>>(&self, args: &[A]) -> Result<Value> {
        Conversation::start(self, "run", args)?.result().context("running a Flink job")
    }

    /// Runs a job until it has taken its checkpoints, and holds it there: running.
    ///
    /// # Errors
    /// As [`FlinkJobs::run`].
    pub fn hold<A: AsRef<str>>(&self, args: &[A]) -> Result<HeldJob> {
        let mut words: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        words.extend(["--hold", "true"]);
        let mut job =
            HeldJob { conversation: Conversation::start(self, "run", &words)?, checkpoints: Vec::new() };
        while job.next_event()? != "holding" {}
        Ok(job)
    }

    /// Restores what `--restore` names and compares the state of every key with what it must be. `ok` in the result
    /// is false when Flink does not restore it or a key is wrong; `error` and `examples` say why.
    ///
    /// # Errors
    /// When it could not be tried.
    pub fn verify<A: AsRef<str>>(&self, args: &[A]) -> Result<Value> {
        Conversation::start(self, "verify", args)?.result().context("verifying a checkpoint")
    }

    /// [`FlinkJobs::verify`] of a checkpoint or savepoint of a job, with the options that fit the job's result.
    ///
    /// # Errors
    /// When it could not be tried.
    pub fn verify_state_of(&self, run: &Value, location: &str) -> Result<Value> {
        let fitting = run.get("verify").and_then(Value::as_array).context("not the result of a run")?;
        let mut args: Vec<&str> = fitting.iter().filter_map(Value::as_str).collect();
        args.extend(["--restore", location]);
        self.verify(&args)
    }

    /// What Flink's own reader finds in each `_metadata` (or the directory that holds it): an array in the order of
    /// the locations; where Flink does not read one, its element has an `error`.
    ///
    /// # Errors
    /// When the program fails.
    pub fn dump<A: AsRef<str>>(&self, locations: &[A]) -> Result<Value> {
        let mut result = self.ask("dump", locations).context("reading metadata with Flink")?;
        result.get_mut("dumps").map(Value::take).context("a result without dumps")
    }

    /// Every entry below a directory, parents before children.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn tree(&self, root: &str) -> Result<Vec<TreeEntry>> {
        tree::entries(&self.ask("tree", &[root]).context("listing with Flink")?)
    }

    fn ask<A: AsRef<str>>(&self, verb: &str, args: &[A]) -> Result<Value> {
        let process = self.process(verb, args, &[])?;
        Conversation { process, _work: None }.result()
    }

    fn process<A: AsRef<str>>(&self, verb: &str, args: &[A], more: &[&Path]) -> Result<JavaProcess> {
        let mut command = self.program.command(&[]);
        command.arg(verb).args(args.iter().map(AsRef::as_ref)).args(more);
        if let Some(directory) = &self.hadoop_conf {
            command.env("HADOOP_CONF_DIR", directory);
        }
        JavaProcess::start(&self.program, &mut command)
    }
}

/// A job that goes on until it is told to end. It is killed, as in a crash, when this is dropped.
#[derive(Debug)]
pub struct HeldJob {
    conversation: Conversation,
    checkpoints: Vec<String>,
}

impl HeldJob {
    /// The paths of the checkpoints that completed so far, oldest first.
    pub fn checkpoints(&self) -> &[String] {
        &self.checkpoints
    }

    /// Has the job take one more checkpoint; returns its path.
    ///
    /// # Errors
    /// When it does not complete.
    pub fn checkpoint(&mut self) -> Result<String> {
        self.conversation.process.say("checkpoint")?;
        while self.next_event()? != "checkpoint" {}
        self.checkpoints.last().cloned().context("a checkpoint without a path")
    }

    /// Lets the job end as its `--end` says; returns its result.
    ///
    /// # Errors
    /// As [`FlinkJobs::run`].
    pub fn end(mut self) -> Result<Value> {
        self.conversation.process.say("end")?;
        self.conversation.result().context("ending a held Flink job")
    }

    fn next_event(&mut self) -> Result<String> {
        let event = self.conversation.next().context("holding a Flink job")?;
        let name = event.get("event").and_then(Value::as_str).unwrap_or_default();
        match name {
            "failed" | "result" => bail!("the job ended: {event}"),
            "checkpoint" => {
                let path =
                    event.get("path").and_then(Value::as_str).context("a checkpoint without a path")?;
                self.checkpoints.push(path.to_owned());
            }
            _ => {}
        }
        Ok(name.to_owned())
    }
}

/// A process that tells events until its result.
#[derive(Debug)]
struct Conversation {
    process: JavaProcess,
    _work: Option<TempDir>, // after the process, which is to end first
}

impl Conversation {
    fn start<A: AsRef<str>>(jobs: &FlinkJobs, verb: &str, args: &[A]) -> Result<Conversation> {
        let work = tempfile::tempdir().context("creating a directory for the job's local state")?;
        let process = jobs.process(verb, args, &[Path::new("--work-dir"), work.path()])?;
        Ok(Conversation { process, _work: Some(work) })
    }

    fn next(&mut self) -> Result<Value> {
        self.process.answer(TIME_TO_ANSWER)
    }

    /// Waits for the result, and then for the end of the process: what it wrote is complete.
    fn result(mut self) -> Result<Value> {
        loop {
            let event = self.next()?;
            match event.get("event").and_then(Value::as_str) {
                Some("result") => {
                    self.process.await_exit();
                    return Ok(event);
                }
                Some("failed") => return Err(self.process.explain(&anyhow!("{event}"))),
                _ => {}
            }
        }
    }
}

/// The paths that one dump, or all dumps of an array, name.
///
/// # Errors
/// When Flink did not read one of them.
pub fn references_of(dump: &Value) -> Result<BTreeSet<String>> {
    if let Some(dumps) = dump.as_array() {
        return dumps.iter().map(references_of).try_fold(BTreeSet::new(), |all, one| Ok(&all | &one?));
    }
    let references = dump.get("references").and_then(Value::as_array);
    let references = references.with_context(|| format!("a dump without references: {dump}"))?;
    let path_of = |reference: &Value| reference.get("path").and_then(Value::as_str).map(str::to_owned);
    references
        .iter()
        .map(|r| path_of(r).with_context(|| format!("a reference without a path: {r}")))
        .collect()
}
