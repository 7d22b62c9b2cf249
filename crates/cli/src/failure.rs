//! Why a command failed: an error chain, the exit code that goes with it, and what may help.

use std::fmt;

use chksweep_core::plan::PlanFileError;
use chksweep_engine::clock::ClockError;
use chksweep_engine::collect::CollectError;
use chksweep_engine::lock::LockError;
use chksweep_engine::run::RunError;
use chksweep_engine::trust::TrustError;
use chksweep_pipeline::PipelineError;
use chksweep_store::{ErrorKind, Operation, StoreError};

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// The chain of causes; each link says only what itself knows.
    pub(crate) error: anyhow::Error,
    /// What may help, one sentence each; printed after the error.
    pub(crate) hints: Vec<String>,
}

/// What a command gives back.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// Makes a failure.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), hints: Vec::new() }
    }

    /// Makes the failure of who typed or configured something wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    /// Makes the failure of something that did not work.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, anyhow::anyhow!("{message}"))
    }

    /// Makes the failure of an option or command that this version only knows by name.
    pub(crate) fn not_available(what: impl fmt::Display) -> Self {
        Self::usage(format_args!("{what} is not available in this version"))
    }

    /// Adds what may help.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts what was being done before the error.
    #[must_use]
    pub(crate) fn context(mut self, doing: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(doing);
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = store_hint(&error);
        let failure = Self::new(Exit::Failed, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let hint = hint_of(&error).map(std::borrow::Cow::into_owned);
        let failure = match error {
            // Says by itself what was being done.
            PipelineError::Collect(error) => Self::new(Exit::Failed, error),
            PipelineError::Plan(error) => Self::new(Exit::Failed, error),
            PipelineError::Actions(error) => Self::new(Exit::Failed, error),
            PipelineError::Run(error @ (RunError::Trust(_) | RunError::Newer { .. })) => {
                Self::new(Exit::Failed, error).context("nothing was changed")
            }
            PipelineError::Run(error) => Self::new(exit_of_run(&error), error),
            PipelineError::PlanPlace { .. } => Self::new(Exit::Usage, error),
            PipelineError::ReadPlan { ref source, .. } => Self::new(exit_of_plan_file(source), error),
            PipelineError::Refused(_)
            | PipelineError::Work(_)
            | PipelineError::Records(_)
            | PipelineError::WritePlan { .. }
            | PipelineError::OtherPlan { .. } => Self::new(Exit::Failed, error),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

const fn exit_of_run(error: &RunError) -> Exit {
    match error {
        RunError::Lock(LockError::Held(_)) => Exit::Locked,
        RunError::Options(_) => Exit::Usage,
        RunError::Lock(LockError::Lost { .. } | LockError::Store(_))
        | RunError::Clock(_)
        | RunError::Trust(_)
        | RunError::Newer { .. }
        | RunError::Journal(_)
        | RunError::Store(_) => Exit::Failed,
    }
}

const fn exit_of_plan_file(error: &PlanFileError) -> Exit {
    match error {
        PlanFileError::Io(_) => Exit::Failed,
        PlanFileError::Line { .. } | PlanFileError::Digest { .. } | PlanFileError::Schema { .. } => {
            Exit::Stale
        }
    }
}

/// Returns what may help where there is no plan or no run.
fn hint_of(error: &PipelineError) -> Option<std::borrow::Cow<'static, str>> {
    match error {
        PipelineError::Collect(error) => Some(match error {
            CollectError::Root { source, .. } => store_hint(source).unwrap_or(error.hint()),
            CollectError::MissingRoot { .. }
            | CollectError::NotADirectory { .. }
            | CollectError::OwnDirectory { .. }
            | CollectError::Pins { .. }
            | CollectError::ClockSkew { .. } => error.hint(),
        }),
        PipelineError::Plan(_) => {
            Some("take it off the list of dead jobs, or wait until nothing in it changes")
        }
        PipelineError::Refused(_) => Some("this is a bug in chksweep: please report it, with this message"),
        PipelineError::Records(source) => store_hint(source),
        PipelineError::ReadPlan { source, .. } => match source {
            PlanFileError::Io(_) => None,
            PlanFileError::Line { .. } | PlanFileError::Digest { .. } => {
                Some("make a new one with `chksweep plan -o FILE`")
            }
            PlanFileError::Schema { .. } => Some(
                "carry it out with the chksweep that made it, or make a new one with this one: `chksweep plan -o FILE`",
            ),
        },
        PipelineError::PlanPlace { .. } => Some("name a regular file, or one that does not exist"),
        PipelineError::Run(error) => return hint_of_run(error),
        PipelineError::Work(_)
        | PipelineError::Actions(_)
        | PipelineError::WritePlan { .. }
        | PipelineError::OtherPlan { .. } => None,
    }
    .map(Into::into)
}

fn hint_of_run(error: &RunError) -> Option<std::borrow::Cow<'static, str>> {
    match error {
        RunError::Lock(LockError::Held(held)) => {
            let id = held.holder.as_ref().map_or("any", |holder| holder.run_id.as_str());
            let hint = format!(
                "a lock that is silent for 15m is taken over by itself; if that run is gone, say `--break-lock {id}`"
            );
            Some(hint.into())
        }
        RunError::Lock(LockError::Store(source))
        | RunError::Store(source)
        | RunError::Clock(ClockError::Store(source)) => store_hint(source).map(Into::into),
        RunError::Clock(ClockError::Skew { .. }) => {
            Some("set the clock of this machine; ages rest on it".into())
        }
        RunError::Trust(trust) => Some(trust_hint(trust).into()),
        RunError::Newer { .. } => Some(
            "finish with the newer chksweep, which settles it: `chksweep run --execute` or any other command that \
             changes something"
                .into(),
        ),
        RunError::Journal(_) => Some(
            "nothing is done that cannot be recorded: make room where that was to be written, and run again, which \
             settles what was begun; `chksweep quarantine list` shows what was set aside"
                .into(),
        ),
        RunError::Lock(LockError::Lost { .. }) | RunError::Options(_) => None,
    }
}

/// Returns what to do about files of chksweep that others may write to.
pub(crate) fn trust_hint(error: &TrustError) -> String {
    match error {
        TrustError::Untrusted { hint, .. } => hint.clone(),
        TrustError::Store(source) => {
            store_hint(source).unwrap_or("`chksweep check` tells what is missing").to_owned()
        }
    }
}

/// Returns what may help against an error of a store.
pub(crate) fn store_hint(error: &StoreError) -> Option<&'static str> {
    if error.operation == Operation::Connect {
        // Says by itself what to do.
        return None;
    }
    match error.kind {
        ErrorKind::Unauthenticated => Some(
            "get a ticket with `kinit`, or set KRB5_CLIENT_KTNAME to a keytab; `klist` shows what there is",
        ),
        ErrorKind::Unreachable | ErrorKind::TimedOut => {
            Some("is the NameNode up, and is it the one that `--hadoop-conf` or HADOOP_CONF_DIR describes?")
        }
        ErrorKind::Busy => Some("the NameNode is in safe mode or standby: try again when it is active"),
        ErrorKind::PermissionDenied => Some("the user that runs chksweep needs to read the whole root"),
        ErrorKind::NotFound => Some("check the spelling of the path, and whether it still exists"),
        ErrorKind::AlreadyExists
        | ErrorKind::NotEmpty
        | ErrorKind::WrongType
        | ErrorKind::QuotaExceeded
        | ErrorKind::Corrupt
        | ErrorKind::Unrepresentable
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::Other => None,
    }
}
