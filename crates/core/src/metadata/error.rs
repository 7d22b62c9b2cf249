//! Why a `_metadata` cannot be read: what was wrong, at which byte, in which field.

use std::fmt;
use std::io;

use crate::flink_path::PathError;

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// The file does not start with Flink's magic number.
    #[error("not a Flink `_metadata`: it starts with {found:08x}, not with 4960672d")]
    NotMetadata {
        /// The first four bytes.
        found: u32,
    },
    /// The file ends inside a field.
    #[error("unexpected end of file ({needed} more bytes needed)")]
    UnexpectedEnd {
        /// How many bytes are missing for this field alone.
        needed: u64,
    },
    /// The last field does not end where the file does.
    #[error("{count} bytes follow the last field")]
    TrailingBytes {
        /// How many.
        count: u64,
    },
    /// Version 0, written by Flink 1.1: its state handles are Java objects that only Flink 1.1 can read.
    #[error("version 0 (Flink 1.1) is not readable: its state handles are serialized Java objects")]
    VersionZero,
    /// A version that no known release writes.
    #[error("unknown version {version}")]
    UnknownVersion {
        /// The number in the file.
        version: i32,
    },
    /// A handle code that no known release writes at this place.
    #[error("unknown code {code} of a {handle}")]
    UnknownCode {
        /// Which sort of handle.
        handle: &'static str,
        /// The code.
        code: u8,
    },
    /// A count that Flink refuses because it is negative.
    #[error("negative count {count}")]
    NegativeCount {
        /// The count.
        count: i32,
    },
    /// A count of more elements than the bytes that are left can hold.
    #[error("count {count} cannot fit in the {remaining} bytes that are left")]
    CountTooLarge {
        /// The count.
        count: u32,
        /// The bytes behind it.
        remaining: u64,
    },
    /// A number that Flink refuses.
    #[error("invalid value {value}: {rule}")]
    InvalidValue {
        /// The number.
        value: i64,
        /// What it should have been.
        rule: &'static str,
    },
    /// A handle is absent where Flink demands one.
    #[error("a handle is missing")]
    MissingHandle,
    /// A handle of another kind than Flink demands.
    #[error("a handle of the wrong kind: {expected} expected")]
    WrongHandle {
        /// What it should have been.
        expected: &'static str,
    },
    /// A string that is not modified UTF-8.
    #[error("malformed modified UTF-8")]
    InvalidString,
    /// A path that Flink refuses.
    #[error("invalid path: {0}")]
    InvalidPath(PathError),
    /// A master state whose inner length does not agree with its outer one.
    #[error("a master state that does not fill its length")]
    MasterState,
    /// Handles are nested deeper than any writer nests them.
    #[error("handles are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: u32,
    },
    /// The properties are not a Java object stream of Flink's `CheckpointProperties`.
    #[error("malformed checkpoint properties: {problem}")]
    Properties {
        /// What is wrong with them.
        problem: &'static str,
    },
}

impl ParseErrorKind {
    /// Returns a short stable name, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotMetadata { .. } => "not-metadata",
            Self::UnexpectedEnd { .. } => "unexpected-end",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::VersionZero => "version-0",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::UnknownCode { .. } => "unknown-code",
            Self::NegativeCount { .. } => "negative-count",
            Self::CountTooLarge { .. } => "count-too-large",
            Self::InvalidValue { .. } => "invalid-value",
            Self::MissingHandle => "missing-handle",
            Self::WrongHandle { .. } => "wrong-handle",
            Self::InvalidString => "invalid-string",
            Self::InvalidPath(_) => "invalid-path",
            Self::MasterState => "invalid-master-state",
            Self::TooDeep { .. } => "too-deep",
            Self::Properties { .. } => "invalid-properties",
        }
    }
}

/// Why a `_metadata` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where: the first byte of the field, counted from the start of the file.
    pub offset: u64,
    /// Which field: `operator 3 › subtask 0 › managed keyed state › shared[12] › path`.
    pub field: String,
    /// The version of the file, once it is known.
    pub version: Option<i32>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {:#x} while reading {}", self.kind, self.offset, self.field)?;
        match self.version {
            Some(version) => write!(f, " (version {version})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// Why a `_metadata` that is read as a stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes came, and are not readable.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The bytes did not come.
    #[error("failed to read `_metadata` at offset {offset:#x}")]
    Io {
        /// How many bytes had come.
        offset: u64,
        /// Why no more came.
        #[source]
        source: io::Error,
    },
}

/// A failure on its way up, before the field is put together; boxed, so that results stay small.
#[derive(Debug)]
pub(super) struct Fail(pub(super) Box<Failure>);

#[derive(Debug)]
pub(super) enum Failure {
    Parse { kind: ParseErrorKind, offset: u64, what: &'static str },
    Io { offset: u64, source: io::Error },
}

#[cold]
pub(super) fn fail(kind: ParseErrorKind, offset: u64, what: &'static str) -> Fail {
    Fail(Box::new(Failure::Parse { kind, offset, what }))
}
