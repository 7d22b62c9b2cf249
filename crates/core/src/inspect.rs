//! Everything inside one `_metadata`, as `chksweep inspect` shows it: a tree of operators, subtasks and handles.
//!
//! The tree holds every handle, so it is many times larger than what planning keeps. State bytes are not in it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ids::OperatorId;
use crate::location::{Location, printable};
use crate::metadata::{
    self, Dialect, DirectoryReference, FileReference, FileTold, Handle, HandleEnd, HandleKind, Header,
    KeyGroups, MasterState, Member, Operator, ParseError, Part, Place, Properties, ReadError, Scope, State,
    Summary, Visitor,
};

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

/// Collects an [`Inspection`] from what the reader tells.
#[derive(Clone, Debug)]
pub struct Inspector {
    metadata: Location,
    directory: Location,
    inspection: Inspection,
    /// The composite handles that have begun, outermost first.
    open: Vec<Node>,
    /// What was told of the next stream.
    member: (Option<String>, Option<i64>),
}

impl Inspector {
    /// Starts to inspect a `_metadata` that lies at `metadata`.
    pub fn new(metadata: &Location) -> Self {
        Self {
            metadata: metadata.clone(),
            directory: metadata.parent().unwrap_or_else(|| metadata.clone()),
            inspection: Inspection { metadata: metadata.to_string(), ..Inspection::default() },
            open: Vec::new(),
            member: (None, None),
        }
    }

    /// Returns what was collected.
    pub fn finish(mut self, summary: &Summary) -> Inspection {
        self.inspection.dialect = match summary.dialect {
            Dialect::Standard => None,
            Dialect::A => Some("1.11"),
            Dialect::B => Some("1.14"),
        };
        self.inspection.ambiguous = summary.ambiguous;
        self.inspection.properties = summary.properties;
        for operator in &mut self.inspection.operators {
            operator.subtasks.sort_by_key(|subtask| subtask.index);
        }
        self.inspection
    }

    fn node(&mut self, place: &Place, kind: HandleKind, detail: Detail) -> Node {
        let (local_name, offset) = std::mem::take(&mut self.member);
        // What lies in a part is not told to be that part once more.
        let part =
            part_name(place.part).filter(|_| self.open.last().is_none_or(|outer| outer.part.is_none()));
        Node { handle: kind.class_name(), part, local_name, offset, detail, handles: Vec::new() }
    }

    /// Puts a complete handle where it belongs.
    fn put(&mut self, place: &Place, node: Node) {
        *self.inspection.totals.handles.entry(node.handle).or_default() += 1;
        if let Some(outer) = self.open.last_mut() {
            outer.handles.push(node);
            return;
        }
        let Some(operator) = self.inspection.operators.last_mut() else { return };
        if place.state == State::Coordinator {
            operator.coordinator.push(node);
            return;
        }
        let Some(subtask) = operator.subtasks.last_mut() else { return };
        match subtask.states.last_mut() {
            Some(last) if last.state == place.state => last.handles.push(node),
            _ => subtask.states.push(StateReport { state: place.state, handles: vec![node] }),
        }
    }

    fn count_file(&mut self, bytes: i64) {
        let bytes = u64::try_from(bytes).unwrap_or(0);
        let totals = &mut self.inspection.totals;
        totals.file_handles += 1;
        totals.file_bytes = totals.file_bytes.saturating_add(bytes);
        if let Some(operator) = self.inspection.operators.last_mut() {
            operator.file_bytes = operator.file_bytes.saturating_add(bytes);
        }
    }

    fn count_inline(&mut self, bytes: u32) {
        self.inspection.totals.inline_bytes += u64::from(bytes);
        if let Some(operator) = self.inspection.operators.last_mut() {
            operator.inline_bytes += u64::from(bytes);
        }
    }

    fn open_keyed(&mut self) -> Option<&mut KeyedDetail> {
        match &mut self.open.last_mut()?.detail {
            Detail::Keyed(detail) => Some(detail),
            Detail::File { .. }
            | Detail::Segment { .. }
            | Detail::Inline { .. }
            | Detail::Operator(_)
            | Detail::Channel { .. }
            | Detail::Nothing {} => None,
        }
    }

    fn open_operator(&mut self) -> Option<&mut OperatorDetail> {
        match &mut self.open.last_mut()?.detail {
            Detail::Operator(detail) => Some(detail),
            Detail::File { .. }
            | Detail::Segment { .. }
            | Detail::Inline { .. }
            | Detail::Keyed(_)
            | Detail::Channel { .. }
            | Detail::Nothing {} => None,
        }
    }
}

impl Visitor for Inspector {
    fn restart(&mut self) {
        *self = Self::new(&self.metadata);
    }

    fn header(&mut self, header: &Header) {
        self.inspection.version = header.version;
        self.inspection.checkpoint_id = header.checkpoint_id;
    }

    fn master_state(&mut self, state: &MasterState<'_>) {
        let name = text(state.name);
        let report = MasterStateReport { name, version: state.hook_version, bytes: state.payload_bytes };
        self.inspection.master_states.push(report);
    }

    fn operator(&mut self, operator: &Operator<'_>) {
        self.inspection.totals.operators += 1;
        self.inspection.operators.push(OperatorReport {
            id: operator.id,
            name: Some(text(operator.name)).filter(|name| !name.is_empty()),
            uid: Some(text(operator.uid)).filter(|uid| !uid.is_empty()),
            parallelism: operator.parallelism,
            max_parallelism: operator.max_parallelism,
            fully_finished: false,
            file_bytes: 0,
            inline_bytes: 0,
            coordinator: Vec::new(),
            subtasks: Vec::new(),
        });
    }

    fn entries(&mut self, count: Option<u32>) {
        if let Some(operator) = self.inspection.operators.last_mut() {
            operator.fully_finished = count.is_none();
        }
    }

    fn subtask(&mut self, index: i32, finished: bool) {
        self.inspection.totals.subtasks += 1;
        self.inspection.totals.finished_subtasks += u64::from(finished);
        if let Some(operator) = self.inspection.operators.last_mut() {
            let subtask = SubtaskReport { index, finished, ref_checkpoint_id: None, states: Vec::new() };
            operator.subtasks.push(subtask);
        }
    }

    fn ref_checkpoint(&mut self, checkpoint_id: i64) {
        let operator = self.inspection.operators.last_mut();
        if let Some(subtask) = operator.and_then(|operator| operator.subtasks.last_mut()) {
            subtask.ref_checkpoint_id = Some(checkpoint_id);
        }
    }

    fn handle(&mut self, place: &Place, handle: &Handle<'_>) {
        // The kind is told at the end.
        let node = self.node(place, HandleKind::KeyGroups, detail(handle));
        self.open.push(node);
    }

    fn handle_end(&mut self, place: &Place, kind: HandleKind, end: &HandleEnd<'_>) {
        if let Some(detail) = self.open_keyed() {
            detail.handle_id = end.handle_id.map(text);
            detail.materialization_id = end.materialization_id;
            detail.checkpoint_id = detail.checkpoint_id.or(end.checkpoint_id);
            detail.state_bytes = end.state_bytes;
            detail.checkpointed_bytes = detail.checkpointed_bytes.or(end.checkpointed_bytes);
            detail.storage = end.storage.map(text);
        }
        // An absent stream leaves what was told of it.
        self.member = (None, None);
        if let Some(mut node) = self.open.pop() {
            node.handle = kind.class_name();
            self.put(place, node);
        }
    }

    fn operator_state(&mut self, _place: &Place, name: &[u8], mode: u8, offsets: u32) {
        let mode = match mode {
            0 => "split",
            1 => "union",
            _ => "broadcast",
        };
        if let Some(detail) = self.open_operator() {
            detail.states.push(StateMeta { name: text(name), mode, offsets });
        }
    }

    fn member(&mut self, _place: &Place, member: &Member<'_>) {
        self.member = match member {
            Member::Named(name) => (Some(text(name)), None),
            Member::Offset(offset) => (None, Some(*offset)),
        };
    }

    fn file(&mut self, place: &Place, file: &FileReference<'_>) {
        let path = file.location(&self.directory).to_string();
        let (detail, bytes) = match file.told {
            FileTold::Absolute { bytes } => (Detail::File { path, relative: None, bytes }, bytes),
            FileTold::Relative { bytes } => {
                (Detail::File { path, relative: Some(text(file.raw)), bytes }, bytes)
            }
            FileTold::Segment { start, bytes, scope, logical_id } => {
                let logical_id = text(logical_id);
                (Detail::Segment { path, start, bytes, scope, logical_id }, bytes)
            }
        };
        self.count_file(bytes);
        let node = self.node(place, file.kind(), detail);
        self.put(place, node);
    }

    fn directory(&mut self, _place: &Place, directory: &DirectoryReference<'_>) {
        let path = Some(directory.location().to_string());
        if let Some(detail) = self.open_operator() {
            match directory.scope {
                Scope::Exclusive => detail.task_owned_directory = path,
                Scope::Shared => detail.shared_directory = path,
            }
        }
    }

    fn empty_segment(&mut self, place: &Place) {
        let node = self.node(place, HandleKind::EmptySegment, Detail::Nothing {});
        self.put(place, node);
    }

    fn inline(&mut self, place: &Place, name: &[u8], bytes: u32) {
        self.count_inline(bytes);
        let node = self.node(place, HandleKind::ByteStream, Detail::Inline { name: text(name), bytes });
        self.put(place, node);
    }

    fn change(&mut self, _place: &Place, _key_group: i32, bytes: u32) {
        self.count_inline(bytes);
        if let Some(changes) = self.open_keyed().and_then(|detail| detail.changes.as_mut()) {
            changes.bytes += u64::from(bytes);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    printable(bytes).into_owned()
}

fn part_name(part: Part) -> Option<PartName> {
    match part {
        Part::Whole => None,
        Part::Meta => Some(PartName::Meta),
        Part::Shared(_) => Some(PartName::Shared),
        Part::Private(_) => Some(PartName::Private),
        Part::Segment(_) => Some(PartName::Segment),
    }
}

fn detail(handle: &Handle<'_>) -> Detail {
    let keyed = |range: KeyGroups| {
        let key_groups = Some(KeyGroupRange { start: range.start, count: range.count });
        KeyedDetail { key_groups, ..KeyedDetail::default() }
    };
    let detail = match *handle {
        Handle::KeyGroups { range } | Handle::ChangelogFiles { range, .. } => keyed(range),
        Handle::Incremental { checkpoint_id, backend_id, range, checkpointed_bytes } => KeyedDetail {
            checkpoint_id: Some(checkpoint_id),
            backend_id: Some(text(backend_id)),
            checkpointed_bytes,
            ..keyed(range)
        },
        Handle::Changelog { range, checkpointed_bytes } => KeyedDetail { checkpointed_bytes, ..keyed(range) },
        Handle::ChangelogBytes { range, from, to, changes } => KeyedDetail {
            sequence: Some((from, to)),
            changes: Some(Changes { count: changes, bytes: 0 }),
            ..keyed(range)
        },
        Handle::Operator { .. } => return Detail::Operator(Box::default()),
        Handle::Channel { subtask, gate, channel, bytes, .. } => {
            return Detail::Channel { subtask, gate: Some(gate), channel: Some(channel), bytes };
        }
        Handle::MergedChannel { subtask, bytes } => {
            return Detail::Channel { subtask: Some(subtask), gate: None, channel: None, bytes };
        }
    };
    Detail::Keyed(Box::new(detail))
}
