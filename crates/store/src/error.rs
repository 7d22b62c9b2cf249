//! What can go wrong with a store, told so that a caller can decide and a person can act.

use std::fmt;

use chksweep_core::Location;

/// What went wrong, as far as a caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The store said that the path does not exist. Nothing else is ever this.
    NotFound,
    /// The store said that the target exists.
    AlreadyExists,
    /// A directory was to be removed and holds something.
    NotEmpty,
    /// A file was expected and there is a directory, or the other way round.
    WrongType,
    /// The user may not do this.
    PermissionDenied,
    /// No ticket, a wrong principal, no GSSAPI library.
    Unauthenticated,
    /// No connection, or it broke: a change may have happened.
    Unreachable,
    /// The store answers, but not now: standby, safe mode, starting up.
    Busy,
    /// No answer in time: a change may have happened.
    TimedOut,
    /// A quota of names or space is exceeded.
    QuotaExceeded,
    /// Blocks of the file are missing or broken, or it is still being written.
    Corrupt,
    /// A name that this program cannot hold, or a listing that changed under the reader.
    Unrepresentable,
    /// The file is larger than the caller wants to hold.
    TooLarge,
    /// The store cannot do this at all.
    Unsupported,
    /// Anything else; a change may have happened.
    Other,
}

impl ErrorKind {
    /// Returns whether trying the same *read* again may help.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy | Self::TimedOut)
    }

    /// Returns whether a *change* that failed so may have been carried out all the same.
    pub const fn outcome_is_unknown(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut | Self::Other | Self::Busy)
    }
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Connecting, or reading the configuration for it.
    Connect,
    /// Listing a directory.
    List,
    /// Looking at a path.
    Stat,
    /// Opening or reading a file.
    Read,
    /// Moving a file or directory.
    Rename,
    /// Deleting a file or directory.
    Delete,
    /// Making a directory.
    MakeDirectory,
    /// Creating or writing a file.
    Write,
    /// Moving into the trash.
    Trash,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting to",
            Self::List => "listing",
            Self::Stat => "looking at",
            Self::Read => "reading",
            Self::Rename => "renaming",
            Self::Delete => "deleting",
            Self::MakeDirectory => "making directory",
            Self::Write => "writing",
            Self::Trash => "moving to the trash",
        })
    }
}

/// An error of a store: the operation, the path, and the first line of what the store said.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}: {message}")]
pub struct StoreError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// What was being done.
    pub operation: Operation,
    /// To which path.
    pub path: Location,
    /// What the store said: one line, no stack trace.
    pub message: String,
}

impl StoreError {
    /// Makes an error; only the first line of `message` is kept.
    pub fn new(kind: ErrorKind, operation: Operation, path: &Location, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        let first = message.lines().next().unwrap_or("").trim().to_owned();
        Self { kind, operation, path: path.clone(), message: first }
    }

    /// Makes the error of a file that is larger than its reader wants to hold.
    pub fn too_large(path: &Location, length: u64, limit: u64) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            Operation::Read,
            path,
            format_args!("{length} bytes are more than the limit of {limit}"),
        )
    }
}
