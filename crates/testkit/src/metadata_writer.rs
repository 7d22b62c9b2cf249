//! Writes the bytes of a `_metadata`, of any version, with any handle that any release ever wrote.
//!
//! Written from the format, not from the reader: it shares no code with `chksweep_core::metadata`, so that what one
//! writes and the other reads agree for a reason. It writes what it is told, valid or not.
//!
//! ```
//! use chksweep_testkit::metadata_writer::MetadataWriter;
//!
//! let bytes = MetadataWriter::v4(7)
//!     .checkpoint()
//!     .operator([1; 16])
//!     .subtask(0)
//!     .file("hdfs://ns/flink/job/shared/a", 10)
//!     .relative("b", 20)
//!     .bytes();
//! assert_eq!(&bytes[..4], &[0x49, 0x60, 0x67, 0x2D]);
//! ```

mod bytes;
mod handles;
mod properties;

pub use bytes::Text;
pub use handles::{Channel, FileMerging, Keyed, KeyedId, OperatorHandle, OperatorState, Stream};
pub use properties::{Properties, PropertyFlags};

use bytes::Out;

/// How version 3 is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Flink 1.12 and later.
    #[default]
    Standard,
    /// Flink 1.11: channel handles without the subtask.
    A,
    /// Flink 1.14: changelog handles without sizes and ids.
    B,
}

/// A whole file.
#[derive(Clone, Debug)]
pub struct MetadataWriter {
    /// The format version.
    pub version: i32,
    /// The dialect of version 3.
    pub dialect: Dialect,
    /// The number of the checkpoint.
    pub checkpoint_id: i64,
    /// The states of hooks.
    pub master_states: Vec<MasterState>,
    /// The operators.
    pub operators: Vec<Operator>,
    /// The properties, written from version 4 on.
    pub properties: Properties,
}

/// The state of a hook of the checkpoint coordinator.
#[derive(Clone, Debug)]
pub struct MasterState {
    /// The hook's version.
    pub version: i32,
    /// The hook's name.
    pub name: Text,
    /// Its state.
    pub payload: Vec<u8>,
}

/// An operator.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its name, written from version 5 on.
    pub name: Text,
    /// Its uid, likewise.
    pub uid: Text,
    /// Its id.
    pub id: [u8; 16],
    /// Its parallelism.
    pub parallelism: i32,
    /// Its maximum parallelism.
    pub max_parallelism: i32,
    /// The state of its coordinator, written from version 3 on.
    pub coordinator: Stream,
    /// Its subtasks; nothing when all have finished.
    pub subtasks: Option<Vec<Subtask>>,
}

/// A subtask.
#[derive(Clone, Debug, Default)]
pub struct Subtask {
    /// Its index.
    pub index: i32,
    /// Whether it has finished, and has no state.
    pub finished: bool,
    /// State of the `Checkpointed` interface (versions 1 and 2).
    pub legacy: Vec<Stream>,
    /// Managed operator state; more than one only in version 1.
    pub managed_operator: Vec<OperatorHandle>,
    /// Raw operator state; more than one only in version 1.
    pub raw_operator: Vec<OperatorHandle>,
    /// Managed keyed state.
    pub managed_keyed: Option<Keyed>,
    /// Raw keyed state.
    pub raw_keyed: Option<Keyed>,
    /// In-flight data of input channels, written from version 3 on.
    pub input_channels: Vec<Channel>,
    /// In-flight data of result subpartitions, written from version 3 on.
    pub output_channels: Vec<Channel>,
    /// The checkpoint from which the state was taken over, written in version 7.
    pub ref_checkpoint: Option<i64>,
}

impl MetadataWriter {
    /// Starts a file without operators.
    pub fn new(version: i32, checkpoint_id: i64) -> Self {
        Self {
            version,
            dialect: Dialect::Standard,
            checkpoint_id,
            master_states: Vec::new(),
            operators: Vec::new(),
            properties: Properties::Null,
        }
    }

    /// Starts a file of version 2 (Flink 1.3 to 1.10).
    pub fn v2(checkpoint_id: i64) -> Self {
        Self::new(2, checkpoint_id)
    }

    /// Starts a file of version 3 (Flink 1.11 to 1.15).
    pub fn v3(checkpoint_id: i64) -> Self {
        Self::new(3, checkpoint_id)
    }

    /// Starts a file of version 4 (Flink 1.16 to 1.20).
    pub fn v4(checkpoint_id: i64) -> Self {
        Self::new(4, checkpoint_id)
    }

    /// Starts a file of version 6 (Flink 2.1 to 2.3).
    pub fn v6(checkpoint_id: i64) -> Self {
        Self::new(6, checkpoint_id)
    }

    /// Starts a file of version 7 (not released).
    pub fn v7(checkpoint_id: i64) -> Self {
        Self::new(7, checkpoint_id)
    }

    /// Lays version 3 out in a dialect.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Makes it a retained checkpoint.
    #[must_use]
    pub fn checkpoint(self) -> Self {
        self.properties(Properties::checkpoint(false))
    }

    /// Makes it a full checkpoint.
    #[must_use]
    pub fn full_checkpoint(self) -> Self {
        self.properties(Properties::checkpoint(true))
    }

    /// Makes it a native savepoint.
    #[must_use]
    pub fn native_savepoint(self) -> Self {
        self.properties(Properties::savepoint("NATIVE", "NONE"))
    }

    /// Makes it a canonical savepoint.
    #[must_use]
    pub fn canonical_savepoint(self) -> Self {
        self.properties(Properties::savepoint("CANONICAL", "NONE"))
    }

    /// Gives it other properties.
    #[must_use]
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    /// Adds the state of a hook.
    #[must_use]
    pub fn master_state(mut self, name: impl Into<Text>, payload: &[u8]) -> Self {
        self.master_states.push(MasterState { version: 1, name: name.into(), payload: payload.to_vec() });
        self
    }

    /// Adds an operator of parallelism 4; what follows belongs to it.
    #[must_use]
    pub fn operator(mut self, id: [u8; 16]) -> Self {
        self.operators.push(Operator {
            name: Text::default(),
            uid: Text::default(),
            id,
            parallelism: 4,
            max_parallelism: 128,
            coordinator: Stream::Absent,
            subtasks: Some(Vec::new()),
        });
        self
    }

    /// Names the last operator.
    #[must_use]
    pub fn named(mut self, name: impl Into<Text>, uid: impl Into<Text>) -> Self {
        if let Some(operator) = self.operators.last_mut() {
            operator.name = name.into();
            operator.uid = uid.into();
        }
        self
    }

    /// Sets the parallelism of the last operator.
    #[must_use]
    pub fn parallelism(mut self, parallelism: i32, max_parallelism: i32) -> Self {
        if let Some(operator) = self.operators.last_mut() {
            operator.parallelism = parallelism;
            operator.max_parallelism = max_parallelism;
        }
        self
    }

    /// Gives the last operator the state of a coordinator.
    #[must_use]
    pub fn coordinator(mut self, stream: Stream) -> Self {
        if let Some(operator) = self.operators.last_mut() {
            operator.coordinator = stream;
        }
        self
    }

    /// Lets all subtasks of the last operator have finished.
    #[must_use]
    pub fn fully_finished(mut self) -> Self {
        if let Some(operator) = self.operators.last_mut() {
            operator.subtasks = None;
        }
        self
    }

    /// Adds a subtask to the last operator; what follows belongs to it.
    #[must_use]
    pub fn subtask(self, index: i32) -> Self {
        self.with_subtask(Subtask { index, ..Subtask::default() })
    }

    /// Adds a finished subtask to the last operator.
    #[must_use]
    pub fn finished_subtask(self, index: i32) -> Self {
        self.with_subtask(Subtask { index, finished: true, ..Subtask::default() })
    }

    /// Adds a subtask as it is.
    #[must_use]
    pub fn with_subtask(mut self, subtask: Subtask) -> Self {
        if let Some(subtasks) = self.operators.last_mut().and_then(|operator| operator.subtasks.as_mut()) {
            subtasks.push(subtask);
        }
        self
    }

    fn edit(mut self, edit: impl FnOnce(&mut Subtask)) -> Self {
        let subtasks = self.operators.last_mut().and_then(|operator| operator.subtasks.as_mut());
        if let Some(subtask) = subtasks.and_then(|subtasks| subtasks.last_mut()) {
            edit(subtask);
        }
        self
    }

    /// Adds a shared file, by absolute path, to the incremental keyed state of the last subtask.
    #[must_use]
    pub fn file(self, path: impl Into<Text>, size: i64) -> Self {
        self.edit(|subtask| subtask.shared(Stream::File { path: path.into(), size }))
    }

    /// Adds a file of the directory itself to the incremental keyed state of the last subtask.
    #[must_use]
    pub fn relative(self, name: impl Into<Text>, size: i64) -> Self {
        self.edit(|subtask| subtask.shared(Stream::Relative { name: name.into(), size }))
    }

    /// Sets the managed keyed state of the last subtask.
    #[must_use]
    pub fn managed_keyed(self, keyed: Keyed) -> Self {
        self.edit(|subtask| subtask.managed_keyed = Some(keyed))
    }

    /// Sets the raw keyed state of the last subtask.
    #[must_use]
    pub fn raw_keyed(self, keyed: Keyed) -> Self {
        self.edit(|subtask| subtask.raw_keyed = Some(keyed))
    }

    /// Sets the managed operator state of the last subtask to one list state in a stream.
    #[must_use]
    pub fn operator_state(self, stream: Stream) -> Self {
        self.edit(|subtask| subtask.managed_operator = vec![OperatorHandle::list("state", stream)])
    }

    /// Sets the managed operator state of the last subtask.
    #[must_use]
    pub fn managed_operator(self, handle: OperatorHandle) -> Self {
        self.edit(|subtask| subtask.managed_operator = vec![handle])
    }

    /// Sets the raw operator state of the last subtask.
    #[must_use]
    pub fn raw_operator(self, handle: OperatorHandle) -> Self {
        self.edit(|subtask| subtask.raw_operator = vec![handle])
    }

    /// Adds in-flight data of an input channel to the last subtask.
    #[must_use]
    pub fn input_channel(self, channel: Channel) -> Self {
        self.edit(|subtask| subtask.input_channels.push(channel))
    }

    /// Adds in-flight data of a result subpartition to the last subtask.
    #[must_use]
    pub fn output_channel(self, channel: Channel) -> Self {
        self.edit(|subtask| subtask.output_channels.push(channel))
    }

    /// Says from which checkpoint the last subtask took its state over.
    #[must_use]
    pub fn ref_checkpoint(self, checkpoint_id: i64) -> Self {
        self.edit(|subtask| subtask.ref_checkpoint = Some(checkpoint_id))
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Out::new(self.version, self.dialect);
        out.raw(&[0x49, 0x60, 0x67, 0x2D]);
        out.i32(self.version);
        out.i64(self.checkpoint_id);
        if self.version >= 2 {
            out.list(&self.master_states, MasterState::write);
        }
        out.list(&self.operators, Operator::write);
        if self.version >= 4 {
            out.raw(&self.properties.bytes());
        }
        out.done()
    }
}

impl MasterState {
    fn write(&self, out: &mut Out) {
        let mut inner = Out::new(out.version, out.dialect);
        inner.i32(self.version);
        inner.text(&self.name);
        inner.bytes32(&self.payload);
        out.raw(&[0xC9, 0x6B, 0x16, 0x96]);
        out.bytes32(&inner.done());
    }
}

impl Operator {
    fn write(&self, out: &mut Out) {
        if out.version >= 5 {
            out.text(&self.name);
            out.text(&self.uid);
        }
        out.raw(&self.id);
        out.i32(self.parallelism);
        out.i32(self.max_parallelism);
        if out.version <= 2 {
            out.i32(1);
        } else {
            self.coordinator.write(out);
        }
        match &self.subtasks {
            None => out.i32(-1),
            Some(subtasks) => out.list(subtasks, Subtask::write),
        }
    }
}

impl Subtask {
    /// Adds a file to the shared ones of an incremental handle, making the handle if need be.
    pub fn shared(&mut self, stream: Stream) {
        let keyed = self.managed_keyed.get_or_insert_with(|| Keyed::incremental(Stream::Absent, Vec::new()));
        if let Keyed::Incremental { shared, .. } = keyed {
            let local = format!("{:06}.sst", shared.len());
            shared.push((local.into(), stream));
        }
    }

    fn write(&self, out: &mut Out) {
        if self.finished {
            out.i32(-self.index - 1);
            return;
        }
        out.i32(self.index);
        if out.version <= 2 {
            out.i64(-1);
            out.list(&self.legacy, Stream::write);
        }
        for handles in [&self.managed_operator, &self.raw_operator] {
            out.list(handles, OperatorHandle::write);
        }
        for keyed in [&self.managed_keyed, &self.raw_keyed] {
            match keyed {
                None => out.u8(0),
                Some(keyed) => keyed.write(out),
            }
        }
        if out.version >= 3 {
            out.list(&self.input_channels, |channel, out| channel.write(out, true));
            out.list(&self.output_channels, |channel, out| channel.write(out, false));
        }
        if out.version >= 7 {
            match self.ref_checkpoint {
                None => out.u8(0),
                Some(checkpoint_id) => {
                    out.u8(1);
                    out.i64(checkpoint_id);
                }
            }
        }
    }
}

/// What kind of snapshot [`simple_metadata`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimpleKind {
    /// A checkpoint.
    Checkpoint,
    /// A canonical savepoint.
    Savepoint,
    /// Null properties.
    Unknown,
}

/// Returns a file with one operator and one subtask that names some files.
pub fn simple_metadata(
    version: i32,
    checkpoint_id: i64,
    kind: SimpleKind,
    absolute: &[&str],
    relative: &[&str],
    operator_id: [u8; 16],
) -> Vec<u8> {
    let mut writer = MetadataWriter::new(version, checkpoint_id).operator(operator_id).subtask(0);
    writer = match kind {
        SimpleKind::Checkpoint => writer.checkpoint(),
        SimpleKind::Savepoint => writer.canonical_savepoint(),
        SimpleKind::Unknown => writer,
    };
    writer = absolute.iter().fold(writer, |writer, path| writer.file(*path, 100));
    relative.iter().fold(writer, |writer, name| writer.relative(*name, 100)).bytes()
}
