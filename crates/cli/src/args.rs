//! What the user typed: commands and their options. Settings that a file can hold too come from
//! [`crate::settings`], as one flattened group each.

use std::ffi::OsString;
use std::path::PathBuf;

use chksweep_core::{Age, JobId, Timestamp};
use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};

use crate::settings::{CommonFlags, PlacesFlags, PolicyFlags, SweepFlags};

/// A garbage collector for Apache Flink checkpoints on HDFS: what is not proved dead is never swept
///
/// Begin with `chksweep plan ROOT`: it looks, changes nothing, and says what could go and why. A LOCATION is
/// `hdfs://authority/path`, `viewfs://…`, `file:///path`, or a path of this machine.
#[derive(Debug, Parser)]
#[command(name = "chksweep", version, propagate_version = true, max_term_width = 110)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a brake held, 4 unreadable metadata, 5 locked, \
    6 partly done, 7 not restorable, 8 stale plan, 10 something to sweep (--detailed-exitcode), 130 and 143 \
    interrupted."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Options of all commands.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options of all commands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Configuration file; else ~/.config/chksweep/config.toml, else /etc/chksweep/config.toml
    #[arg(long, global = true, value_name = "FILE", env = "CHKSWEEP_CONFIG", hide_env_values = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Profile of the configuration file
    #[arg(long, global = true, value_name = "NAME", env = "CHKSWEEP_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// Say more; twice, much more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say errors only
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) quiet: u8,
    #[command(flatten)]
    pub(crate) flags: CommonFlags,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What checkpoints and savepoints depend on
    #[command(after_help = DEPS_EXAMPLES)]
    Deps(DepsArgs),
    /// Everything inside one `_metadata`: operators, subtasks, state handles, sizes
    #[command(after_help = "Example:\n  chksweep inspect hdfs:///flink/checkpoints/0a…/chk-7")]
    Inspect(InspectArgs),
    /// The jobs under the roots: checkpoints, newest, bytes, garbage, state
    #[command(after_help = "Example:\n  chksweep jobs hdfs:///flink/checkpoints")]
    Jobs(LookArgs),
    /// What could go, and why: the dry run. Never writes to the storage, not even a lock
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Carry out a plan that was reviewed, as far as it still holds
    #[command(after_help = "Example:\n  chksweep apply plan.jsonl.zst --digest 5f0c… --approved-by alice")]
    Apply(ApplyArgs),
    /// Plan, apply, and purge what is due, in one pass without questions, for cron
    #[command(after_help = "Examples:\n  chksweep run hdfs:///flink/checkpoints             dry run\n  \
        chksweep run hdfs:///flink/checkpoints --execute")]
    Run(RunArgs),
    /// Why a path is kept, or which rule would take it; of a missing one, which run moved it
    #[command(after_help = "Example:\n  chksweep explain hdfs:///flink/checkpoints/0a…/shared/5f0c… \
        --root hdfs:///flink/checkpoints")]
    Explain(ExplainArgs),
    /// Is each retained checkpoint and savepoint restorable (not available in this version)
    #[command(after_help = "Example:\n  chksweep verify hdfs:///flink/checkpoints --latest")]
    Verify(VerifyArgs),
    /// What earlier runs set aside: list it, bring it back, or free the space
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Protect a job, checkpoint or path
    #[command(after_help = "Example:\n  chksweep pin hdfs:///flink/checkpoints/0a…/chk-7")]
    Pin(PinArgs),
    /// Stop protecting a job, checkpoint or path
    #[command(after_help = "Example:\n  chksweep unpin hdfs:///flink/checkpoints/0a…/chk-7")]
    Unpin(PinArgs),
    /// What is pinned
    #[command(after_help = "Example:\n  chksweep pins hdfs:///flink/checkpoints")]
    Pins(RootsArgs),
    /// Is all as a run needs it: credentials, clock, rights, quota and more. Looks only
    #[command(after_help = "Example:\n  chksweep check hdfs:///flink/checkpoints")]
    Check(CheckArgs),
    /// A plan, for people (not available in this version)
    #[command(after_help = "Example:\n  chksweep report plan.jsonl.zst -o plan.html --format html")]
    Report(ReportArgs),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The records of runs
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Completions for a shell, on stdout
    #[command(after_help = "Example:\n  chksweep completions bash > /etc/bash_completion.d/chksweep")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page, on stdout
    #[command(after_help = "Example:\n  chksweep man > /usr/share/man/man1/chksweep.1")]
    Man,
}

const DEPS_EXAMPLES: &str = "Examples:\n  chksweep deps hdfs:///flink/checkpoints/0a…/chk-7\n  \
    chksweep deps --files /mnt/savepoints/savepoint-*\n  chksweep deps --format json chk-7 | jq '.checkpoints[].references[].path'";

const PLAN_EXAMPLES: &str = "Examples:\n  chksweep plan hdfs:///flink/checkpoints\n  \
    chksweep plan hdfs:///flink/checkpoints --keep-last 3 --no-ha -o plan.jsonl.zst\n  \
    chksweep plan /data/checkpoints --job 0a… --detailed-exitcode --format json";

/// `deps`.
#[derive(Debug, Args)]
pub(crate) struct DepsArgs {
    /// `_metadata` files, or the directories that hold one
    #[arg(required = true, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    pub(crate) locations: Vec<OsString>,
    /// List files, not their directories
    #[arg(long)]
    pub(crate) files: bool,
    #[command(flatten)]
    pub(crate) places: PlacesFlags,
}

/// `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A `_metadata` file, or the directory that holds one
    #[arg(value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    pub(crate) location: OsString,
    /// List every state handle with its file
    #[arg(long)]
    pub(crate) files: bool,
    #[command(flatten)]
    pub(crate) places: PlacesFlags,
}

/// Roots, for commands that need nothing else.
#[derive(Debug, Args)]
pub(crate) struct RootsArgs {
    /// Directories with checkpoints; else those of the configuration
    #[arg(value_name = "ROOT", value_hint = ValueHint::AnyPath)]
    pub(crate) roots: Vec<OsString>,
}

/// Roots and a policy: `jobs`.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) roots: RootsArgs,
    #[command(flatten)]
    pub(crate) places: PlacesFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Write the plan file; compressed when the name ends in `.zst`
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Put what is kept into the plan file too
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with 10 when there is something to sweep
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Count ages from this time, and do not check the clock
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// Consent to change the storage.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Take over the lock of a run that is gone: its id, or `any`
    #[arg(long, value_name = "RUNID")]
    pub(crate) break_lock: Option<String>,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The plan file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The digest of the plan that was approved
    #[arg(long, value_name = "SHA256", value_parser = digest)]
    pub(crate) digest: Option<String>,
    /// Leave this job alone
    #[arg(long, value_name = "ID", value_parser = job)]
    pub(crate) exclude_job: Vec<JobId>,
    /// Who approved the plan, for the record
    #[arg(long, value_name = "NAME")]
    pub(crate) approved_by: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) places: PlacesFlags,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Carry the plan out; without it this is a dry run
    #[arg(long)]
    pub(crate) execute: bool,
    /// Take over the lock of a run that is gone: its id, or `any`
    #[arg(long, value_name = "RUNID")]
    pub(crate) break_lock: Option<String>,
    /// Put what is kept into the plan file too
    #[arg(long)]
    pub(crate) all: bool,
    /// Exit with 10 when there is something to sweep
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// `check`: takes what `run` takes, so that it checks the very run.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The path
    #[arg(value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    pub(crate) location: OsString,
    /// Root that it lies under; else those of the configuration
    #[arg(long = "root", value_name = "ROOT", value_hint = ValueHint::AnyPath)]
    pub(crate) roots: Vec<OsString>,
    #[command(flatten)]
    pub(crate) places: PlacesFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFlags,
}

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Only the newest checkpoint of each job
    #[arg(long)]
    pub(crate) latest: bool,
    /// Fail when any of them is not restorable
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `quarantine …`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// What earlier runs set aside
    #[command(after_help = "Example:\n  chksweep quarantine list hdfs:///flink/checkpoints")]
    List(Selection),
    /// Bring it back, exactly
    #[command(
        after_help = "Example:\n  chksweep quarantine restore hdfs:///flink/checkpoints --run 20261123-…"
    )]
    Restore(RestoreArgs),
    /// Free the space of runs that are due
    #[command(
        after_help = "Example:\n  chksweep quarantine purge hdfs:///flink/checkpoints --older-than 14d"
    )]
    Purge(PurgeArgs),
}

/// What of the quarantine is meant; `--job` stands among the options of the policy.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// What this run set aside
    #[arg(long = "run", value_name = "ID")]
    pub(crate) runs: Vec<String>,
    /// What lay here, or below
    #[arg(long = "path", value_name = "LOCATION")]
    pub(crate) paths: Vec<OsString>,
    /// Everything
    #[arg(long)]
    pub(crate) all: bool,
    /// What was set aside longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = Age::parse)]
    pub(crate) older_than: Option<Age>,
}

/// `quarantine restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Bring it to this directory, not to where it was
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<OsString>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// `quarantine purge`.
#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// `pin`, `unpin`.
#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// The job directory, checkpoint or path
    #[arg(value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    pub(crate) location: OsString,
    /// Root that it lies under; else those of the configuration
    #[arg(long = "root", value_name = "ROOT", value_hint = ValueHint::AnyPath)]
    pub(crate) roots: Vec<OsString>,
}

/// `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The plan file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Write the report here
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Form of the report
    #[arg(id = "format", long = "format", value_name = "FORMAT", default_value = "html")]
    #[arg(value_parser = ["html", "csv", "markdown", "json", "parquet"])]
    pub(crate) form: String,
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// The merged configuration, and where each value comes from
    #[command(after_help = "Example:\n  chksweep config show --profile nightly")]
    Show(Box<ConfigShowArgs>),
}

/// `config show`.
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    #[command(flatten)]
    pub(crate) sweep: SweepFlags,
}

/// `audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Is the record of a run whole: each line carries the digest of the one before it
    #[command(after_help = "Example:\n  chksweep audit verify ~/.local/state/chksweep/runs/20261123-….jsonl")]
    Verify {
        /// The records
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        format!(
            "`{text}` is not a time with an offset, like 2026-11-23T18:00:00Z or 2026-11-23T19:00:00+01:00"
        )
    })
}

fn job(text: &str) -> Result<JobId, String> {
    JobId::parse(text.to_ascii_lowercase().as_bytes())
        .ok_or_else(|| format!("`{text}` is not the id of a job: 32 hex digits, as its directory is named"))
}

fn digest(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err("a digest is 64 hex digits, as `plan -o` prints it".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
