//! Builds an [`Inspection`] from what the reader tells, handle by handle.

use super::{
    Changes, Detail, Inspection, KeyGroupRange, KeyedDetail, MasterStateReport, Node, OperatorDetail,
    OperatorReport, PartName, StateMeta, StateReport, SubtaskReport,
};
use crate::location::{Location, printable};
use crate::metadata::{
    Dialect, DirectoryReference, FileReference, FileTold, Handle, HandleEnd, HandleKind, Header, KeyGroups,
    MasterState, Member, Operator, Part, Place, Scope, State, Summary, Visitor,
};

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
