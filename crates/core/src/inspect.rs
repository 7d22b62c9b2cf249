//! Everything inside one `_metadata`, as `chksweep inspect` shows it: a tree of operators, subtasks and handles.
//!
//! The tree holds every handle, so it is many times larger than what planning keeps. State bytes are not in it.

mod inspector;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::inspector::Inspector;
use crate::ids::OperatorId;
use crate::location::Location;
use crate::metadata::{self, ParseError, Properties, ReadError, Scope, State};

/// Everything inside one `_metadata`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Where the file lies.
    pub metadata: String,
    /// The format version.
    pub version: i32,
    /// How version 3 was laid out, where it was not the standard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<&'static str>,
    /// Whether the file can be read in two dialects, with different references: then operators are told twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
    /// The number of the checkpoint.
    pub checkpoint_id: i64,
    /// What it is, and when Flink would drop it.
    pub properties: Properties,
    /// Sums over everything below.
    pub totals: Totals,
    /// The states of hooks.
    pub master_states: Vec<MasterStateReport>,
    /// The operators, in the order of the file.
    pub operators: Vec<OperatorReport>,
}

/// Sums over handles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// How many operators.
    pub operators: u64,
    /// How many subtasks, the finished ones among them.
    pub subtasks: u64,
    /// How many of them have finished.
    pub finished_subtasks: u64,
    /// How many handles, by the names of Flink's classes.
    pub handles: BTreeMap<&'static str, u64>,
    /// How many of them name a file.
    pub file_handles: u64,
    /// The lengths that those tell, summed; a file that several name counts for each.
    pub file_bytes: u64,
    /// The bytes of state inside the file.
    pub inline_bytes: u64,
}

/// The state of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterStateReport {
    /// The hook's name.
    pub name: String,
    /// The hook's version.
    pub version: i32,
    /// How long its state is.
    pub bytes: u32,
}

/// An operator.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorReport {
    /// Its id.
    pub id: OperatorId,
    /// Its name, where the file tells.
    pub name: Option<String>,
    /// Its uid, where the file tells.
    pub uid: Option<String>,
    /// Its parallelism.
    pub parallelism: i32,
    /// Its maximum parallelism.
    pub max_parallelism: i32,
    /// Whether all its subtasks have finished.
    pub fully_finished: bool,
    /// The lengths that its file handles tell, summed.
    pub file_bytes: u64,
    /// Its bytes inside the file.
    pub inline_bytes: u64,
    /// The state of its coordinator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coordinator: Vec<Node>,
    /// Its subtasks that have state, or have finished, by index.
    pub subtasks: Vec<SubtaskReport>,
}

/// A subtask.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubtaskReport {
    /// Its index.
    pub index: i32,
    /// Whether it has finished.
    pub finished: bool,
    /// The checkpoint from which its state was taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_checkpoint_id: Option<i64>,
    /// Its states.
    pub states: Vec<StateReport>,
}

/// One of the states of a subtask.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateReport {
    /// Which.
    pub state: State,
    /// Its handles.
    pub handles: Vec<Node>,
}

/// A range of key groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyGroupRange {
    /// The first.
    pub start: i32,
    /// How many.
    pub count: i32,
}

/// A handle.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// The name of Flink's class.
    pub handle: &'static str,
    /// Which part of the handle around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartName>,
    /// The local name of a file of an incremental handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_name: Option<String>,
    /// Where a changelog segment starts in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// What this kind of handle tells.
    #[serde(flatten)]
    pub detail: Detail,
    /// The handles inside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<Self>,
}

/// Which part of a composite handle a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PartName {
    /// The meta-state.
    Meta,
    /// One of the shared files.
    Shared,
    /// One of the private files.
    Private,
    /// A changelog segment.
    Segment,
}

/// What a kind of handle tells.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Detail {
    /// A file.
    File {
        /// Where it lies.
        path: String,
        /// The name by which it is told, if it is relative.
        #[serde(skip_serializing_if = "Option::is_none")]
        relative: Option<String>,
        /// Its length; −1 when it was not known.
        bytes: i64,
    },
    /// A segment of a merged file.
    Segment {
        /// Where the file lies.
        path: String,
        /// Where the segment starts.
        start: i64,
        /// How long it is.
        bytes: i64,
        /// Whose it is.
        scope: Scope,
        /// The id of the logical file.
        logical_id: String,
    },
    /// State inside the file.
    Inline {
        /// A name that looks like a path.
        name: String,
        /// How long it is.
        bytes: u32,
    },
    /// Keyed state.
    Keyed(Box<KeyedDetail>),
    /// Operator state.
    Operator(Box<OperatorDetail>),
    /// In-flight data.
    Channel {
        /// The subtask that wrote it.
        #[serde(skip_serializing_if = "Option::is_none")]
        subtask: Option<i32>,
        /// The gate or partition.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<i32>,
        /// The channel or subpartition.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<i32>,
        /// How long it is.
        bytes: i64,
    },
    /// Nothing.
    Nothing {},
}

/// What a keyed handle tells.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyedDetail {
    /// The key groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_groups: Option<KeyGroupRange>,
    /// The checkpoint that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_id: Option<i64>,
    /// The backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_id: Option<String>,
    /// The bytes new in its checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpointed_bytes: Option<i64>,
    /// The bytes of its changelog segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<i64>,
    /// Which materialization it builds upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialization_id: Option<i64>,
    /// The first sequence number of a changelog, and the one behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<(i64, i64)>,
    /// How many changes there are inside the file, and their bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// The id of the handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<String>,
    /// Which changelog storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
}

/// Changes inside the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// How many.
    pub count: u32,
    /// How long they are.
    pub bytes: u64,
}

/// What an operator state handle tells.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorDetail {
    /// The states that share the stream.
    pub states: Vec<StateMeta>,
    /// The task-owned directory of file merging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_owned_directory: Option<String>,
    /// The shared directory of file merging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_directory: Option<String>,
}

/// One state of an operator handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateMeta {
    /// Its name.
    pub name: String,
    /// `split`, `union` or `broadcast`.
    pub mode: &'static str,
    /// How many parts it has.
    pub offsets: u32,
}

/// Reads everything inside a `_metadata` that lies at `metadata`.
///
/// # Errors
///
/// Says what is wrong with the file, and where.
pub fn read(bytes: &[u8], metadata: &Location) -> Result<Inspection, ParseError> {
    let mut inspector = Inspector::new(metadata);
    let summary = metadata::read_slice(bytes, &mut inspector)?;
    Ok(inspector.finish(&summary))
}

/// Reads everything inside a `_metadata`, as a stream of `length` bytes.
///
/// # Errors
///
/// Says what is wrong with the file, and where, or why it could not be read on.
pub fn read_stream<R: std::io::Read>(
    open: impl FnMut() -> std::io::Result<R>,
    length: u64,
    metadata: &Location,
) -> Result<Inspection, ReadError> {
    let mut inspector = Inspector::new(metadata);
    let summary = metadata::read_stream(open, length, &mut inspector)?;
    Ok(inspector.finish(&summary))
}
