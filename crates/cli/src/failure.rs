//! Why a command failed: an error chain, the exit code that goes with it, and what may help.

use std::fmt;

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
