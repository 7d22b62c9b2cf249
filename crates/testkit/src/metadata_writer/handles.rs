//! The state handles, each with the codes under which releases wrote it.

use super::Dialect;
use super::bytes::{Out, Text};

/// A stream state handle.
#[derive(Clone, Debug, Default)]
pub enum Stream {
    /// Code 0.
    #[default]
    Absent,
    /// Code 1.
    Inline {
        /// What looks like a path.
        name: Text,
        /// The state.
        data: Vec<u8>,
    },
    /// Code 2.
    File {
        /// An absolute path.
        path: Text,
        /// How long the file is.
        size: i64,
    },
    /// Code 3.
    KeyGroups {
        /// The first key group.
        start: i32,
        /// One for each key group.
        offsets: Vec<i64>,
        /// Where they lie.
        stream: Box<Stream>,
    },
    /// Code 6.
    Relative {
        /// A name in the directory of the metadata file.
        name: Text,
        /// How long the file is.
        size: i64,
    },
    /// Code 15.
    Segment {
        /// Where it starts.
        start: i64,
        /// How long it is.
        size: i64,
        /// 0 for exclusive, 1 for shared.
        scope: i32,
        /// An absolute path.
        path: Text,
        /// The id of the logical file.
        logical_id: Text,
    },
    /// Code 16.
    EmptySegment,
}

impl Stream {
    /// State inside the file.
    pub fn inline(name: impl Into<Text>, data: &[u8]) -> Self {
        Self::Inline { name: name.into(), data: data.to_vec() }
    }

    /// A file by absolute path.
    pub fn file(path: impl Into<Text>, size: i64) -> Self {
        Self::File { path: path.into(), size }
    }

    /// A file of the directory itself.
    pub fn relative(name: impl Into<Text>, size: i64) -> Self {
        Self::Relative { name: name.into(), size }
    }

    /// An exclusive segment of a merged file.
    pub fn segment(path: impl Into<Text>, start: i64, size: i64) -> Self {
        Self::Segment { start, size, scope: 0, path: path.into(), logical_id: "logical".into() }
    }

    pub(super) fn write(&self, out: &mut Out) {
        match self {
            Self::Absent => out.u8(0),
            Self::Inline { name, data } => {
                out.u8(1);
                out.text(name);
                out.bytes32(data);
            }
            Self::File { path, size } => {
                out.u8(2);
                out.i64(*size);
                out.text(path);
            }
            Self::KeyGroups { start, offsets, stream } => {
                out.u8(3);
                out.i32(*start);
                out.offsets(offsets);
                stream.write(out);
            }
            Self::Relative { name, size } => {
                out.u8(6);
                out.text(name);
                out.i64(*size);
            }
            Self::Segment { start, size, scope, path, logical_id } => {
                out.u8(15);
                out.i64(*start);
                out.i64(*size);
                out.i32(*scope);
                out.text(path);
                out.text(logical_id);
            }
            Self::EmptySegment => out.u8(16),
        }
    }
}

/// Whether a keyed handle is written under its old code, without an id, or under its new one.
#[derive(Clone, Debug)]
pub enum KeyedId {
    /// Codes 3, 5, 8 and 10.
    Old,
    /// Codes 11, 12, 13 and 14.
    New(Text),
}

impl KeyedId {
    fn code(&self, old: u8, new: u8) -> u8 {
        match self {
            Self::Old => old,
            Self::New(_) => new,
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Old => Text::default(),
            Self::New(id) => id.clone(),
        }
    }
}

/// A keyed state handle.
#[derive(Clone, Debug)]
pub enum Keyed {
    /// Code 0, where one is told among others.
    Absent,
    /// Codes 3 and 12.
    KeyGroups {
        /// The first key group.
        start: i32,
        /// One for each key group.
        offsets: Vec<i64>,
        /// Where they lie.
        stream: Stream,
        /// Under which code.
        id: KeyedId,
    },
    /// Code 7.
    Savepoint {
        /// The first key group.
        start: i32,
        /// One for each key group.
        offsets: Vec<i64>,
        /// Where they lie.
        stream: Stream,
    },
    /// Codes 5 and 11.
    Incremental {
        /// The checkpoint that made it.
        checkpoint_id: i64,
        /// The backend.
        backend_id: Text,
        /// The key groups: first and count.
        range: (i32, i32),
        /// The meta state.
        meta: Stream,
        /// Local names and files.
        shared: Vec<(Text, Stream)>,
        /// Local names and files.
        private: Vec<(Text, Stream)>,
        /// Under which code.
        id: KeyedId,
    },
    /// Codes 8 and 14.
    Changelog {
        /// The key groups: first and count.
        range: (i32, i32),
        /// What is materialized.
        materialized: Vec<Keyed>,
        /// What is not.
        delta: Vec<Keyed>,
        /// Which materialization.
        materialization_id: i64,
        /// Under which code. Code 8 has an id as well; it is empty then.
        id: KeyedId,
    },
    /// Code 9.
    ChangelogBytes {
        /// The key groups: first and count.
        range: (i32, i32),
        /// Key groups and changes.
        changes: Vec<(i32, Vec<u8>)>,
        /// The id of the handle.
        id: Text,
    },
    /// Codes 10 and 13.
    ChangelogFiles {
        /// The key groups: first and count.
        range: (i32, i32),
        /// Offsets and streams.
        segments: Vec<(i64, Stream)>,
        /// Under which code. Code 10 has an id as well; it is empty then.
        id: KeyedId,
    },
}

impl Keyed {
    /// An incremental handle under code 11.
    pub fn incremental(meta: Stream, shared: Vec<(Text, Stream)>) -> Self {
        Self::Incremental {
            checkpoint_id: 1,
            backend_id: "11111111-2222-3333-4444-555555555555".into(),
            range: (0, 32),
            meta,
            shared,
            private: Vec::new(),
            id: KeyedId::New("66666666-7777-8888-9999-aaaaaaaaaaaa".into()),
        }
    }

    /// Keyed state in one stream under code 12.
    pub fn key_groups(stream: Stream) -> Self {
        let id = KeyedId::New("bbbbbbbb-cccc-dddd-eeee-ffffffffffff".into());
        Self::KeyGroups { start: 0, offsets: vec![0, 1], stream, id }
    }

    pub(super) fn write(&self, out: &mut Out) {
        match self {
            Self::Absent => out.u8(0),
            Self::KeyGroups { start, offsets, stream, id } => {
                out.u8(id.code(3, 12));
                out.i32(*start);
                out.offsets(offsets);
                stream.write(out);
                if let KeyedId::New(id) = id {
                    out.text(id);
                }
            }
            Self::Savepoint { start, offsets, stream } => {
                out.u8(7);
                out.i32(*start);
                out.offsets(offsets);
                stream.write(out);
            }
            Self::Incremental { checkpoint_id, backend_id, range, meta, shared, private, id } => {
                out.u8(id.code(5, 11));
                out.i64(*checkpoint_id);
                out.text(backend_id);
                write_range(*range, out);
                if matches!(id, KeyedId::New(_)) {
                    out.i64(99);
                }
                meta.write(out);
                for files in [shared, private] {
                    out.list(files, |(local, stream), out| {
                        out.text(local);
                        stream.write(out);
                    });
                }
                if let KeyedId::New(id) = id {
                    out.text(id);
                }
            }
            Self::Changelog { .. } => self.write_changelog(out),
            Self::ChangelogBytes { range, changes, id } => {
                out.u8(9);
                write_range(*range, out);
                out.i64(1);
                out.i64(2);
                out.list(changes, |(key_group, change), out| {
                    out.i32(*key_group);
                    out.bytes32(change);
                });
                if out.dialect != Dialect::B {
                    out.text(id);
                }
            }
            Self::ChangelogFiles { range, segments, id } => {
                out.u8(id.code(10, 13));
                write_range(*range, out);
                out.list(segments, |(offset, stream), out| {
                    out.i64(*offset);
                    stream.write(out);
                });
                out.i64(44);
                if out.dialect == Dialect::B && matches!(id, KeyedId::Old) {
                    return;
                }
                out.i64(22);
                out.text(&id.text());
                if matches!(id, KeyedId::New(_)) {
                    out.text(&"filesystem".into());
                }
            }
        }
    }

    fn write_changelog(&self, out: &mut Out) {
        let Self::Changelog { range, materialized, delta, materialization_id, id } = self else { return };
        let is_b = out.dialect == Dialect::B && matches!(id, KeyedId::Old);
        out.u8(id.code(8, 14));
        write_range(*range, out);
        if !is_b {
            out.i64(77);
        }
        out.list(materialized, Self::write);
        out.list(delta, Self::write);
        if is_b {
            return;
        }
        out.i64(*materialization_id);
        if matches!(id, KeyedId::New(_)) {
            out.i64(5);
        }
        out.text(&id.text());
    }
}

fn write_range((start, count): (i32, i32), out: &mut Out) {
    out.i32(start);
    out.i32(count);
}

/// One state of an operator state handle.
#[derive(Clone, Debug)]
pub struct OperatorState {
    /// Its name.
    pub name: Text,
    /// 0 split, 1 union, 2 broadcast.
    pub mode: u8,
    /// Where its parts lie.
    pub offsets: Vec<i64>,
}

/// What code 17 adds.
#[derive(Clone, Debug)]
pub struct FileMerging {
    /// The task-owned directory.
    pub task_owned: Text,
    /// The shared directory.
    pub shared: Text,
    /// Whether there is no state.
    pub is_empty: bool,
}

/// An operator state handle: code 4, or 17 with file merging.
#[derive(Clone, Debug)]
pub struct OperatorHandle {
    /// The states.
    pub states: Vec<OperatorState>,
    /// File merging.
    pub merging: Option<FileMerging>,
    /// Where the states lie.
    pub stream: Stream,
}

impl OperatorHandle {
    /// One list state.
    pub fn list(name: impl Into<Text>, stream: Stream) -> Self {
        let state = OperatorState { name: name.into(), mode: 0, offsets: vec![0] };
        Self { states: vec![state], merging: None, stream }
    }

    /// No state, but the directories of file merging.
    pub fn empty_merging(task_owned: impl Into<Text>, shared: impl Into<Text>) -> Self {
        let merging = FileMerging { task_owned: task_owned.into(), shared: shared.into(), is_empty: true };
        Self { states: Vec::new(), merging: Some(merging), stream: Stream::EmptySegment }
    }

    pub(super) fn write(&self, out: &mut Out) {
        out.u8(if self.merging.is_some() { 17 } else { 4 });
        out.list(&self.states, |state, out| {
            out.text(&state.name);
            out.u8(state.mode);
            out.offsets(&state.offsets);
        });
        if let Some(merging) = &self.merging {
            out.text(&merging.task_owned);
            out.text(&merging.shared);
            out.u8(u8::from(merging.is_empty));
        }
        self.stream.write(out);
    }
}

/// In-flight data.
#[derive(Clone, Debug)]
pub enum Channel {
    /// Of one channel.
    Single {
        /// The gate or partition, and the channel or subpartition.
        info: (i32, i32),
        /// Where the buffers lie.
        offsets: Vec<i64>,
        /// The file.
        stream: Stream,
    },
    /// Of several channels (version 6 and later).
    Merged {
        /// The file.
        stream: Stream,
        /// Which channels, and where.
        packed: Vec<u8>,
    },
}

impl Channel {
    /// In-flight data of channel 0.
    pub fn single(stream: Stream) -> Self {
        Self::Single { info: (0, 0), offsets: vec![0], stream }
    }

    pub(super) fn write(&self, out: &mut Out, is_input: bool) {
        match self {
            Self::Single { info, offsets, stream } => {
                if out.version >= 6 {
                    out.u8(if is_input { 1 } else { 2 });
                }
                if out.dialect != Dialect::A {
                    out.i32(0);
                }
                out.i32(info.0);
                out.i32(info.1);
                out.offsets(offsets);
                out.i64(10);
                stream.write(out);
            }
            Self::Merged { stream, packed } => {
                out.u8(if is_input { 3 } else { 4 });
                out.i32(0);
                out.i64(10);
                stream.write(out);
                out.bytes32(packed);
            }
        }
    }
}
