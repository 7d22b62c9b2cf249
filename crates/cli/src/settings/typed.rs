//! The settings as the rest of the program takes them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use chksweep_core::policy::{AcceptedUnreadable, Brakes, DeadJob, OnUnreadable, RetentionRule};
use chksweep_core::{Age, JobId, Location, Policy};

use super::{Given, Group, Settings, value};
use crate::failure::{Failure, Outcome};
use crate::location;
use crate::printer::{Format, LogFormat, When};

/// What sweeping means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Set aside, to be undone or purged.
    Quarantine,
    /// Move to the trash of HDFS.
    Trash,
    /// Delete.
    Delete,
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweeping {
    /// What sweeping means.
    pub(crate) mode: Mode,
    /// How long what was set aside stays.
    pub(crate) purge_after: Age,
    /// Whether nothing is purged at the end of a run.
    pub(crate) no_purge: bool,
    /// Changes a second.
    pub(crate) max_rps: u32,
    /// An older plan is stale.
    pub(crate) max_plan_age: Age,
}

impl Settings {
    /// Reads a value, naming where it came from when it is wrong.
    fn read<T>(&self, flag: &str, read: impl Fn(&OsStr) -> Result<T, String>) -> Outcome<Option<T>> {
        let Some(given) = self.given(flag) else { return Ok(None) };
        let Some(text) = given.texts.first() else { return Ok(None) };
        read(text).map(Some).map_err(|wrong| self.wrong(flag, given, &wrong))
    }

    fn read_all<T>(&self, flag: &str, read: impl Fn(&OsStr) -> Result<T, String>) -> Outcome<Vec<T>> {
        let Some(given) = self.given(flag) else { return Ok(Vec::new()) };
        let values: Result<Vec<T>, String> = given.texts.iter().map(|text| read(text)).collect();
        values.map_err(|wrong| self.wrong(flag, given, &wrong))
    }

    #[expect(clippy::unused_self, reason = "reads as the other readers do")]
    fn wrong(&self, flag: &str, given: &Given, wrong: &str) -> Failure {
        Failure::usage(format_args!("{}: `{flag}`: {wrong}", given.origin))
    }

    fn required<T>(&self, flag: &str, read: impl Fn(&OsStr) -> Result<T, String>) -> Outcome<T> {
        self.read(flag, read)?
            .ok_or_else(|| Failure::failed(format_args!("the setting `{flag}` has no value")))
    }

    fn switch(&self, flag: &str) -> Outcome<bool> {
        Ok(self.read(flag, value::switch)?.unwrap_or(false))
    }

    fn word(&self, flag: &str) -> &str {
        self.given(flag).and_then(|given| given.texts.first()).and_then(|text| text.to_str()).unwrap_or("")
    }

    /// Returns a setting that is any text.
    pub(crate) fn text(&self, flag: &str) -> Option<String> {
        self.given(flag)?.texts.first()?.to_str().map(str::to_owned)
    }

    fn locations(&self, flag: &str) -> Outcome<Vec<Location>> {
        let here = self.given(flag).and_then(|given| self.seen_from(given));
        self.read_all(flag, |text| location::parse_openable(text, here))
    }

    /// Returns the form of results.
    pub(crate) fn format(&self) -> Format {
        if self.word("format") == "json" { Format::Json } else { Format::Text }
    }

    /// Returns the form of logs.
    pub(crate) fn log_format(&self) -> LogFormat {
        if self.word("log-format") == "json" { LogFormat::Json } else { LogFormat::Text }
    }

    /// Returns when to use colours.
    pub(crate) fn color(&self) -> When {
        when(self.word("color"))
    }

    /// Returns when to show progress.
    pub(crate) fn progress(&self) -> When {
        when(self.word("progress"))
    }

    /// Returns how many calls may be in flight.
    pub(crate) fn concurrency(&self) -> Outcome<usize> {
        let number = self.required("concurrency", value::number)?;
        usize::try_from(number)
            .ok()
            .filter(|number| (1..=4096).contains(number))
            .ok_or_else(|| Failure::usage("`concurrency` is a number from 1 to 4096"))
    }

    /// Returns how long a NameNode may take to answer one call.
    pub(crate) fn call_timeout(&self) -> Outcome<Duration> {
        self.waiting_time("call-timeout")
    }

    /// Returns how long a call is tried again.
    pub(crate) fn patience(&self) -> Outcome<Duration> {
        self.waiting_time("patience")
    }

    fn waiting_time(&self, flag: &str) -> Outcome<Duration> {
        let age = self.required(flag, value::age)?;
        if age.0 == 0 {
            return Err(Failure::usage(format_args!("`{flag}` is more than nothing")));
        }
        Ok(Duration::from_millis(age.0))
    }

    /// Returns the directory of the Hadoop configuration, if one is named.
    pub(crate) fn hadoop_conf(&self) -> Option<PathBuf> {
        self.given("hadoop-conf").and_then(|given| given.texts.first()).map(PathBuf::from)
    }

    /// Returns the Hadoop properties over those of the files.
    pub(crate) fn hadoop_properties(&self) -> Outcome<Vec<(String, String)>> {
        self.read_all("define", value::property)
    }

    /// Returns the directory for the records of runs.
    pub(crate) fn state_dir(&self) -> Outcome<PathBuf> {
        let named = self.given("state-dir").and_then(|given| given.texts.first()).map(PathBuf::from);
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        named
            .or_else(|| absolute("XDG_STATE_HOME").map(|dir| dir.join("chksweep")))
            .or_else(|| absolute("HOME").map(|dir| dir.join(".local/state/chksweep")))
            .ok_or_else(|| {
                Failure::usage("there is no directory for the records of runs: HOME is not set")
                    .hint("name one with `--state-dir DIR`")
            })
    }

    /// Returns the roots in which may be swept.
    pub(crate) fn roots(&self) -> Outcome<Vec<Location>> {
        let roots = self.locations("root")?;
        if roots.is_empty() {
            return Err(Failure::usage("no root was given, and the configuration names none")
                .hint("name the directory that holds the checkpoints, as in `chksweep plan hdfs:///flink/checkpoints`")
                .hint("or write `roots = [\"hdfs:///flink/checkpoints\"]` into the configuration file"));
        }
        Ok(roots)
    }

    /// Returns the roots, of which there may be none.
    pub(crate) fn optional_roots(&self) -> Outcome<Vec<Location>> {
        self.locations("root")
    }

    /// Returns the directories read for references only.
    pub(crate) fn reference_roots(&self) -> Outcome<Vec<Location>> {
        self.locations("reference-root")
    }

    /// Returns the pins of the configuration.
    pub(crate) fn pins(&self) -> Outcome<Vec<Location>> {
        let here = self.given("pin").and_then(|given| self.seen_from(given));
        self.read_all("pin", |text| location::parse(text, here))
    }

    /// Returns the aliases. Any scheme will do: what is moved may have been anywhere.
    pub(crate) fn aliases(&self) -> Outcome<Vec<(Location, Location)>> {
        let here = self.given("alias").and_then(|given| self.seen_from(given));
        self.read_all("alias", |text| {
            let (from, to) = value::alias(text)?;
            Ok((location::parse(&from, here)?, location::parse(&to, here)?))
        })
    }

    /// Returns whether files from the future are accepted.
    pub(crate) fn allow_clock_skew(&self) -> Outcome<bool> {
        self.switch("allow-clock-skew")
    }

    /// Returns how a plan is carried out.
    pub(crate) fn sweeping(&self) -> Outcome<Sweeping> {
        let mode = match self.word("mode") {
            "trash" => Mode::Trash,
            "delete" => Mode::Delete,
            _ => Mode::Quarantine,
        };
        let max_rps = self.required("max-rps", value::small)?;
        if max_rps == 0 {
            return Err(Failure::usage("`max-rps` is at least 1"));
        }
        Ok(Sweeping {
            mode,
            purge_after: self.required("purge-after", value::age)?,
            no_purge: self.switch("no-purge")?,
            max_rps,
            max_plan_age: self.required("max-plan-age", value::age)?,
        })
    }

    /// Returns the policy.
    pub(crate) fn policy(&self) -> Outcome<Policy> {
        let accepted: Vec<AcceptedUnreadable> = self.read_all("accept-unreadable", value::unreadable)?;
        let rules: Vec<RetentionRule> = self.read_all("retention", value::retention)?;
        let jobs: Vec<JobId> = self.read_all("job", value::job)?;
        Ok(Policy {
            min_age: self.min_age()?,
            frontier_slack: self.required("frontier-slack", value::age)?,
            quiescent_after: self.required("quiescent-after", value::age)?,
            trust_quiescence: self.switch("trust-quiescence")?,
            dead_jobs: self.dead_jobs()?,
            keep_last: self.read("keep-last", value::small)?,
            keep_within: self.read("keep-within", value::age)?,
            savepoint_keep_last: self.read("savepoint-keep-last", value::small)?,
            savepoint_keep_within: self.read("savepoint-keep-within", value::age)?,
            expire_jobs_after: self.read("expire-jobs-after", value::age)?,
            rules,
            incomplete_savepoints: self.switch("incomplete-savepoints")?,
            unreadable: match self.word("unreadable") {
                "isolate" => OnUnreadable::Isolate,
                _ => OnUnreadable::Block,
            },
            accept_unreadable: accepted,
            no_ha: self.switch("no-ha")?,
            max_dangling: self.required("max-dangling", value::share)?,
            jobs,
            brakes: Brakes {
                max_sweep_ratio: self.required("max-sweep-ratio", value::share)?,
                max_sweep_files: self.read("max-sweep-files", value::number)?,
                max_sweep_bytes: self.read("max-sweep-bytes", value::bytes)?,
                max_sweep_jobs: self.read("max-sweep-jobs", value::number)?,
            },
        })
    }

    fn min_age(&self) -> Outcome<Age> {
        if let Some(age) = self.read("unsafe-min-age", value::age)? {
            return Ok(age);
        }
        let age = self.required("min-age", value::age)?;
        if age < Policy::MIN_AGE_FLOOR {
            let origin = self.given("min-age").map(|given| given.origin.to_string()).unwrap_or_default();
            return Err(Failure::usage(format_args!(
                "{origin}: `min-age` of {age} is below the floor of {}",
                Policy::MIN_AGE_FLOOR
            ))
            .hint(format!(
                "younger files may belong to a checkpoint that is being written; where nothing writes, say \
                 `--unsafe-min-age {age}`"
            )));
        }
        Ok(age)
    }

    fn dead_jobs(&self) -> Outcome<Vec<DeadJob>> {
        let here = self.given("dead-job").and_then(|given| self.seen_from(given));
        self.read_all("dead-job", |text| match value::dead_job_id(text) {
            Some(id) => Ok(id),
            None => location::parse_openable(text, here).map(|path| DeadJob::Path(path.to_string())),
        })
    }

    /// Reads everything that the command takes once, so that what is wrong is told before anything is done.
    pub(super) fn check(&self) -> Outcome<()> {
        self.concurrency()?;
        self.call_timeout()?;
        self.patience()?;
        self.hadoop_properties()?;
        if self.groups.contains(&Group::Places) {
            self.aliases()?;
        }
        if self.groups.contains(&Group::Policy) {
            self.policy()?;
            self.reference_roots()?;
            self.pins()?;
        }
        if self.groups.contains(&Group::Sweep) {
            self.sweeping()?;
        }
        Ok(())
    }
}

fn when(word: &str) -> When {
    match word {
        "always" => When::Always,
        "never" => When::Never,
        _ => When::Auto,
    }
}
