//! The reader of Flink's `_metadata`, versions 1 to 7.
//!
//! The file is a sequence of fields without length prefixes: one unknown byte makes the rest unreadable. So this
//! reader is strict where Flink is, knows every code that any release ever wrote, and otherwise fails with the
//! offset and the way to the field; a caller then protects everything the file might name. It is stricter than
//! Flink in one point (a tail is an error) and more generous in three: versions 1 and 7 and legacy state are read,
//! and where a subtask is told twice, both are told to the visitor.
//!
//! Nothing is kept: a [`Visitor`] hears of everything in the order of the file. State bytes are passed on or
//! skipped, never copied. Memory is bounded by the visitor, time is linear in the file (up to five passes for a
//! file of version 3, whose dialects nothing in the header tells apart).
//!
//! The layout is described in `docs/metadata-format.md`. Sources: the serializers of `flink-runtime` 1.2 to 2.3
//! (`org.apache.flink.runtime.checkpoint.metadata`), and for version 7 apache/flink pull request 28963.

mod cursor;
mod error;
mod handles;
mod java;
mod keyed;
pub mod limits;
mod operators;
mod parser;
mod place;
mod properties;
mod read;
mod utf;
mod visitor;

pub use error::{ParseError, ParseErrorKind, ReadError};
pub use parser::Dialect;
pub use place::{Part, Place, State};
pub use properties::{PostAction, Properties, PropertyFlags, SavepointFormat, SnapshotKind};
pub use read::{MAGIC, Summary, read_slice, read_stream};
pub use visitor::{
    DirectoryReference, FileReference, FileTold, Handle, HandleEnd, HandleKind, Header, Ignore, KeyGroups,
    MasterState, Member, Operator, Scope, Visitor,
};
