//! What the reader tells: a call for everything in the file, in the order of the file, borrowing from it.
//!
//! Composite handles are told as [`Visitor::handle`], their parts, [`Visitor::handle_end`]; the kind is certain only
//! at the end. State bytes come in pieces, as they lie in the input; nothing else is ever split.

use crate::flink_path::{self, FlinkPath};
use crate::ids::OperatorId;
use crate::location::Location;

use super::place::Place;
use super::properties::Properties;

/// What stands before the operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format version, 1 to 7.
    pub version: i32,
    /// The number of the checkpoint, never negative.
    pub checkpoint_id: i64,
}

/// The state of a hook of the checkpoint coordinator; it names no file of Flink's.
#[derive(Clone, Copy, Debug)]
pub struct MasterState<'a> {
    /// The hook's own version.
    pub hook_version: i32,
    /// The hook's name, in WTF-8.
    pub name: &'a [u8],
    /// How long its state is.
    pub payload_bytes: u32,
}

/// An operator; in version 1 a task, whose chain is told by its handles.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// Its position in the file.
    pub position: u32,
    /// Its name, in WTF-8; empty before version 5, and where it has none.
    pub name: &'a [u8],
    /// Its uid, likewise.
    pub uid: &'a [u8],
    /// Its id.
    pub id: OperatorId,
    /// Its parallelism.
    pub parallelism: i32,
    /// Its maximum parallelism.
    pub max_parallelism: i32,
}

/// What Flink calls a handle; the names are those of its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandleKind {
    /// State inside the file.
    ByteStream,
    /// Changelog of one backend: what is materialized, and what is not yet.
    ChangelogBackend,
    /// Changelog in files.
    ChangelogStream,
    /// Operator state of file merging, without any state.
    EmptyFileMergingOperator,
    /// No segment of a merged file.
    EmptySegment,
    /// Operator state of file merging.
    FileMergingOperator,
    /// A file, by absolute path.
    File,
    /// Changelog inside the file.
    InMemoryChangelog,
    /// Incremental keyed state: many files.
    IncrementalRemote,
    /// In-flight data of one input channel.
    InputChannel,
    /// Keyed state of a canonical savepoint.
    KeyGroupsSavepoint,
    /// Keyed state in one stream.
    KeyGroups,
    /// In-flight data of several input channels.
    MergedInputChannel,
    /// In-flight data of several result subpartitions.
    MergedResultSubpartition,
    /// Operator state.
    OperatorStream,
    /// A file, by its name in the directory of the metadata file.
    RelativeFile,
    /// In-flight data of one result subpartition.
    ResultSubpartition,
    /// A segment of a merged file.
    SegmentFile,
}

impl HandleKind {
    /// All kinds, ordered by [`HandleKind::class_name`].
    pub const ALL: [Self; 18] = [
        Self::ByteStream,
        Self::ChangelogBackend,
        Self::ChangelogStream,
        Self::EmptyFileMergingOperator,
        Self::EmptySegment,
        Self::FileMergingOperator,
        Self::File,
        Self::InMemoryChangelog,
        Self::IncrementalRemote,
        Self::InputChannel,
        Self::KeyGroupsSavepoint,
        Self::KeyGroups,
        Self::MergedInputChannel,
        Self::MergedResultSubpartition,
        Self::OperatorStream,
        Self::RelativeFile,
        Self::ResultSubpartition,
        Self::SegmentFile,
    ];

    /// Returns the name of Flink's class.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::ByteStream => "ByteStreamStateHandle",
            Self::ChangelogBackend => "ChangelogStateBackendHandle",
            Self::ChangelogStream => "ChangelogStateHandleStreamImpl",
            Self::EmptyFileMergingOperator => "EmptyFileMergingOperatorStreamStateHandle",
            Self::EmptySegment => "EmptySegmentFileStateHandle",
            Self::File => "FileStateHandle",
            Self::FileMergingOperator => "FileMergingOperatorStreamStateHandle",
            Self::InMemoryChangelog => "InMemoryChangelogStateHandle",
            Self::IncrementalRemote => "IncrementalRemoteKeyedStateHandle",
            Self::InputChannel => "InputChannelStateHandle",
            Self::KeyGroupsSavepoint => "KeyGroupsSavepointStateHandle",
            Self::KeyGroups => "KeyGroupsStateHandle",
            Self::MergedInputChannel => "MergedInputChannelStateHandle",
            Self::MergedResultSubpartition => "MergedResultSubpartitionStateHandle",
            Self::OperatorStream => "OperatorStreamStateHandle",
            Self::RelativeFile => "RelativeFileStateHandle",
            Self::ResultSubpartition => "ResultSubpartitionStateHandle",
            Self::SegmentFile => "SegmentFileStateHandle",
        }
    }
}

/// A range of key groups, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyGroups {
    /// The first.
    pub start: i32,
    /// How many.
    pub count: i32,
}

/// What stands at the start of a composite handle.
#[derive(Clone, Copy, Debug)]
pub enum Handle<'a> {
    /// Codes 3, 7 and 12, and code 3 as a stream.
    KeyGroups {
        /// The range; there is one offset for each of it.
        range: KeyGroups,
    },
    /// Codes 5 and 11.
    Incremental {
        /// The checkpoint that made it.
        checkpoint_id: i64,
        /// The backend: a UUID, in old files any string; in WTF-8.
        backend_id: &'a [u8],
        /// The range.
        range: KeyGroups,
        /// The bytes new in its checkpoint (code 11).
        checkpointed_bytes: Option<i64>,
    },
    /// Codes 8 and 14.
    Changelog {
        /// The range.
        range: KeyGroups,
        /// The bytes new in its checkpoint; absent in dialect B.
        checkpointed_bytes: Option<i64>,
    },
    /// Code 9.
    ChangelogBytes {
        /// The range.
        range: KeyGroups,
        /// The first sequence number.
        from: i64,
        /// The sequence number behind the last.
        to: i64,
        /// How many changes follow.
        changes: u32,
    },
    /// Codes 10 and 13.
    ChangelogFiles {
        /// The range.
        range: KeyGroups,
        /// How many segments follow.
        segments: u32,
    },
    /// Codes 4 and 17.
    Operator {
        /// How many states share the stream.
        states: u32,
    },
    /// In-flight data of one channel.
    Channel {
        /// The subtask that wrote it; absent in dialect A.
        subtask: Option<i32>,
        /// The gate or partition.
        gate: i32,
        /// The channel or subpartition.
        channel: i32,
        /// How many offsets.
        offsets: u32,
        /// The bytes of it.
        bytes: i64,
    },
    /// In-flight data of several channels.
    MergedChannel {
        /// The subtask that wrote it.
        subtask: i32,
        /// The bytes of it.
        bytes: i64,
    },
}

/// What stands at the end of a composite handle; what its kind does not have is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandleEnd<'a> {
    /// The id of the handle, in WTF-8.
    pub handle_id: Option<&'a [u8]>,
    /// Which materialization a changelog builds upon.
    pub materialization_id: Option<i64>,
    /// The checkpoint that made the changelog handle.
    pub checkpoint_id: Option<i64>,
    /// The bytes of the changelog segments.
    pub state_bytes: Option<i64>,
    /// Those of them new in the checkpoint.
    pub checkpointed_bytes: Option<i64>,
    /// Which changelog storage; in WTF-8.
    pub storage: Option<&'a [u8]>,
}

/// What stands before a stream that is one of several.
#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    /// The local name of a file of an incremental handle, in WTF-8; no remote path.
    Named(&'a [u8]),
    /// Where in the stream the changelog starts.
    Offset(i64),
}

/// Whose a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Of one checkpoint.
    Exclusive,
    /// Of several.
    Shared,
}

/// What a file handle tells besides the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTold<'a> {
    /// An absolute path (code 2).
    Absolute {
        /// The length, −1 when it was not known.
        bytes: i64,
    },
    /// A name in the directory of the metadata file (code 6).
    Relative {
        /// The length, −1 when it was not known.
        bytes: i64,
    },
    /// A segment of a file (code 15).
    Segment {
        /// Where it starts.
        start: i64,
        /// How long it is.
        bytes: i64,
        /// Whose it is.
        scope: Scope,
        /// The id of the logical file, in WTF-8.
        logical_id: &'a [u8],
    },
}

/// A handle that names a file.
#[derive(Debug)]
pub struct FileReference<'a> {
    /// What it tells besides the path.
    pub told: FileTold<'a>,
    /// The path as it stands in the file, decoded to WTF-8.
    pub raw: &'a [u8],
    /// The path in its parts; nothing for a relative one.
    pub(super) absolute: Option<&'a FlinkPath<'a>>,
}

impl FileReference<'_> {
    /// Returns the kind of the handle.
    pub fn kind(&self) -> HandleKind {
        match self.told {
            FileTold::Absolute { .. } => HandleKind::File,
            FileTold::Relative { .. } => HandleKind::RelativeFile,
            FileTold::Segment { .. } => HandleKind::SegmentFile,
        }
    }

    /// Returns the parts of an absolute path.
    pub fn absolute(&self) -> Option<&FlinkPath<'_>> {
        self.absolute
    }

    /// Returns where the file lies, seen from the directory of the metadata file.
    pub fn location(&self, directory: &Location) -> Location {
        match self.absolute {
            Some(path) => path.to_location(),
            // The reader has made sure that it resolves.
            None => flink_path::resolve(directory, self.raw).unwrap_or_else(|_| directory.child(self.raw)),
        }
    }
}

/// A directory that a file-merging handle names.
#[derive(Debug)]
pub struct DirectoryReference<'a> {
    /// Whether it is the one for several checkpoints, or the task-owned one.
    pub scope: Scope,
    /// The path as it stands in the file, decoded to WTF-8.
    pub raw: &'a [u8],
    pub(super) path: &'a FlinkPath<'a>,
}

impl DirectoryReference<'_> {
    /// Returns the parts of the path.
    pub fn path(&self) -> &FlinkPath<'_> {
        self.path
    }

    /// Returns where the directory lies.
    pub fn location(&self) -> Location {
        self.path.to_location()
    }
}

/// Takes what the reader tells. Every method does nothing unless it is written.
///
/// What was told counts only when the reader returns without an error.
#[expect(unused_variables, reason = "the names of the parameters are documentation")]
pub trait Visitor {
    /// The file is read again from the start, in another dialect: forget everything.
    fn restart(&mut self) {}

    /// The file can also be read in another dialect, with other references: it is told once more, from the header
    /// on, and both hold.
    fn alternative(&mut self) {}

    /// The start.
    fn header(&mut self, header: &Header) {}

    /// The state of a hook.
    fn master_state(&mut self, state: &MasterState<'_>) {}

    /// An operator begins.
    fn operator(&mut self, operator: &Operator<'_>) {}

    /// How many subtask entries the operator has; nothing when all its subtasks have finished.
    fn entries(&mut self, count: Option<u32>) {}

    /// A subtask begins; of a finished one nothing follows.
    fn subtask(&mut self, index: i32, finished: bool) {}

    /// The state of the subtask was taken over from another checkpoint of the same job (version 7).
    fn ref_checkpoint(&mut self, checkpoint_id: i64) {}

    /// A composite handle begins.
    fn handle(&mut self, place: &Place, handle: &Handle<'_>) {}

    /// The innermost composite handle ends.
    fn handle_end(&mut self, place: &Place, kind: HandleKind, end: &HandleEnd<'_>) {}

    /// A state of an operator handle: its name in WTF-8, how it is distributed, how many offsets it has.
    fn operator_state(&mut self, place: &Place, name: &[u8], mode: u8, offsets: u32) {}

    /// One of several streams of a handle follows, or (nothing told) does not.
    fn member(&mut self, place: &Place, member: &Member<'_>) {}

    /// A file.
    fn file(&mut self, place: &Place, file: &FileReference<'_>) {}

    /// A directory of file merging.
    fn directory(&mut self, place: &Place, directory: &DirectoryReference<'_>) {}

    /// A segment of no file.
    fn empty_segment(&mut self, place: &Place) {}

    /// State inside the file begins; its name (in WTF-8) looks like a path and is none.
    fn inline(&mut self, place: &Place, name: &[u8], bytes: u32) {}

    /// A change of one key group inside the file begins; −1 is a change of metadata.
    fn change(&mut self, place: &Place, key_group: i32, bytes: u32) {}

    /// A piece of the state or change that began last.
    fn inline_bytes(&mut self, place: &Place, bytes: &[u8]) {}

    /// The end (version 4 and later).
    fn properties(&mut self, properties: &Properties) {}
}

/// A visitor to whom nothing matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignore;

impl Visitor for Ignore {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_in_the_order_of_their_names() {
        assert!(HandleKind::ALL.is_sorted_by_key(|kind| kind.class_name()));
        assert!(HandleKind::ALL.is_sorted());
    }
}
