//! Random files, and what a reader must tell of them, taken from the description and not from the bytes.

use chksweep_testkit::metadata_writer::{
    Channel, Dialect, FileMerging, Keyed, KeyedId, MetadataWriter, OperatorHandle, OperatorState, Properties,
    Stream, Subtask, Text,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Text> {
    prop_oneof![
        "[a-z]{0,8}".prop_map(Text::from),
        any::<String>().prop_filter("short", |text| text.len() < 60).prop_map(Text::from),
        // What Java reads though it is no UTF-8: a raw NUL, an overlong slash, a lone surrogate.
        Just(Text(b"a\0b\xc0\xaf\xed\xa0\xbdc".to_vec())),
    ]
}

fn file_name() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[a-zé]{1,9}"
}

fn path() -> impl Strategy<Value = Text> {
    let start = prop_oneof![
        Just("hdfs://ns/flink/"),
        Just("hdfs:/flink/"),
        Just("file:///x//y/"),
        Just("viewfs://c/a/../b/"),
        Just("/no/scheme/"),
    ];
    (start, file_name()).prop_map(|(start, name)| format!("{start}{name}").into())
}

fn stream() -> impl Strategy<Value = Stream> {
    let leaf = prop_oneof![
        (name(), vec(any::<u8>(), 0..40)).prop_map(|(name, data)| Stream::Inline { name, data }),
        (path(), -1..9_999_i64).prop_map(|(path, size)| Stream::File { path, size }),
        (file_name(), -1..9_999_i64).prop_map(|(name, size)| Stream::Relative { name: name.into(), size }),
        segment(),
    ];
    leaf.prop_recursive(3, 6, 1, |inner| {
        (0..9_i32, vec(any::<i64>(), 0..3), inner).prop_map(|(start, offsets, stream)| Stream::KeyGroups {
            start,
            offsets,
            stream: Box::new(stream),
        })
    })
}

fn segment() -> impl Strategy<Value = Stream> {
    prop_oneof![
        Just(Stream::EmptySegment),
        (0..99_i64, 0..99_i64, 0..2_i32, path(), name()).prop_map(
            |(start, size, scope, path, logical_id)| Stream::Segment { start, size, scope, path, logical_id }
        ),
    ]
}

fn id() -> impl Strategy<Value = KeyedId> {
    prop_oneof![Just(KeyedId::Old), name().prop_map(KeyedId::New)]
}

fn range() -> impl Strategy<Value = (i32, i32)> {
    (0..9_i32, 1..99_i32)
}

fn increment() -> impl Strategy<Value = Keyed> {
    let changes = vec((-1..9_i32, vec(any::<u8>(), 0..20)), 0..3);
    let maybe = prop_oneof![stream(), Just(Stream::Absent)];
    prop_oneof![
        (range(), changes, name()).prop_map(|(range, changes, id)| Keyed::ChangelogBytes {
            range,
            changes,
            id
        }),
        (range(), vec((any::<i64>(), maybe), 0..3), id())
            .prop_map(|(range, segments, id)| Keyed::ChangelogFiles { range, segments, id }),
    ]
}

fn base() -> impl Strategy<Value = Keyed> {
    let named = || vec((name(), stream()), 0..4);
    let meta = prop_oneof![stream(), Just(Stream::Absent)];
    prop_oneof![
        (0..9_i32, vec(any::<i64>(), 0..4), stream(), id())
            .prop_map(|(start, offsets, stream, id)| Keyed::KeyGroups { start, offsets, stream, id }),
        (0..9_i32, vec(any::<i64>(), 0..4), stream()).prop_map(|(start, offsets, stream)| Keyed::Savepoint {
            start,
            offsets,
            stream
        }),
        (any::<i64>(), name(), range(), meta, named(), named(), id()).prop_map(
            |(checkpoint_id, backend_id, range, meta, shared, private, id)| Keyed::Incremental {
                checkpoint_id,
                backend_id,
                range,
                meta,
                shared,
                private,
                id
            }
        ),
    ]
}

fn keyed() -> impl Strategy<Value = Keyed> {
    let materialized = prop_oneof![4 => base(), 1 => Just(Keyed::Absent)];
    let changelog = (range(), vec(materialized, 0..3), vec(increment(), 0..3), any::<i64>(), id()).prop_map(
        |(range, materialized, delta, materialization_id, id)| Keyed::Changelog {
            range,
            materialized,
            delta,
            materialization_id,
            id,
        },
    );
    prop_oneof![2 => base(), 1 => changelog, 1 => increment()]
}

fn operator_handle() -> impl Strategy<Value = OperatorHandle> {
    let states = || {
        vec(
            (name(), 0..3_u8, vec(any::<i64>(), 0..3)).prop_map(|(name, mode, offsets)| OperatorState {
                name,
                mode,
                offsets,
            }),
            0..3,
        )
    };
    prop_oneof![
        (states(), stream()).prop_map(|(states, stream)| OperatorHandle { states, merging: None, stream }),
        (states(), path(), path(), any::<bool>(), segment()).prop_map(
            |(states, task_owned, shared, is_empty, stream)| OperatorHandle {
                states,
                merging: Some(FileMerging { task_owned, shared, is_empty }),
                stream
            }
        ),
    ]
}

fn channel(version: i32) -> BoxedStrategy<Channel> {
    let single = ((0..9_i32, 0..9_i32), vec(any::<i64>(), 0..3), stream())
        .prop_map(|(info, offsets, stream)| Channel::Single { info, offsets, stream });
    if version < 6 {
        return single.boxed();
    }
    let merged =
        (stream(), vec(any::<u8>(), 0..20)).prop_map(|(stream, packed)| Channel::Merged { stream, packed });
    prop_oneof![single, merged].boxed()
}

fn subtask(version: i32) -> impl Strategy<Value = Subtask> {
    let chain = if version == 1 { 0..3_usize } else { 0..2_usize };
    let old = if version <= 2 { 0..3_usize } else { 0..1_usize };
    let channels = if version >= 3 { 0..3_usize } else { 0..1_usize };
    let states = (
        vec(stream(), old),
        vec(operator_handle(), chain.clone()),
        vec(operator_handle(), chain),
        prop::option::of(keyed()),
        prop::option::of(keyed()),
        vec(channel(version), channels.clone()),
        vec(channel(version), channels),
    );
    let finished = prop::bool::weighted(if version >= 3 { 0.2 } else { 0.0 });
    (0..4_i32, finished, states, prop::option::of(any::<i64>())).prop_map(
        |(
            index,
            finished,
            (legacy, managed_operator, raw_operator, managed_keyed, raw_keyed, input, output),
            ref_checkpoint,
        )| {
            if finished {
                return Subtask { index, finished, ..Subtask::default() };
            }
            Subtask {
                index,
                finished,
                legacy,
                managed_operator,
                raw_operator,
                managed_keyed,
                raw_keyed,
                input_channels: input,
                output_channels: output,
                ref_checkpoint,
            }
        },
    )
}

fn properties() -> impl Strategy<Value = Properties> {
    prop_oneof![
        Just(Properties::Null),
        any::<bool>().prop_map(Properties::checkpoint),
        (
            prop_oneof![Just("NATIVE"), Just("CANONICAL")],
            prop_oneof![Just("NONE"), Just("SUSPEND"), Just("TERMINATE")]
        )
            .prop_map(|(format, action)| Properties::savepoint(format, action)),
    ]
}

/// A random file of a random version.
pub(crate) fn file() -> impl Strategy<Value = MetadataWriter> {
    let dialects = prop_oneof![3 => Just(Dialect::Standard), 1 => Just(Dialect::A), 1 => Just(Dialect::B)];
    (1..=7_i32, dialects).prop_flat_map(|(version, dialect)| {
        let subtasks = vec(subtask(version), 0..4);
        let subtasks = if version >= 3 {
            prop::option::weighted(0.9, subtasks).boxed()
        } else {
            subtasks.prop_map(Some).boxed()
        };
        let coordinator = prop::option::of(vec(any::<u8>(), 0..20));
        let operators = vec((any::<[u8; 16]>(), name(), name(), coordinator, subtasks), 0..4);
        let hooks = vec((name(), vec(any::<u8>(), 0..20)), 0..3);
        (0..i64::MAX, hooks, operators, properties()).prop_map(
            move |(checkpoint_id, hooks, operators, properties)| {
                let dialect = if version == 3 { dialect } else { Dialect::Standard };
                let mut file =
                    MetadataWriter::new(version, checkpoint_id).dialect(dialect).properties(properties);
                for (name, payload) in hooks {
                    file = file.master_state(name, &payload);
                }
                for (id, name, uid, coordinator, subtasks) in operators {
                    file = file.operator(id).named(name, uid);
                    if let Some(data) = coordinator.filter(|_| subtasks.is_some()) {
                        file = file.coordinator(Stream::inline("coordinator", &data));
                    }
                    file = match subtasks {
                        None => file.fully_finished(),
                        Some(subtasks) => subtasks.into_iter().fold(file, MetadataWriter::with_subtask),
                    };
                }
                file
            },
        )
    })
}

/// What must be told of a file: each state that lies inside it and each file that it names, in order, with the
/// state to which it belongs.
pub(crate) fn told(file: &MetadataWriter) -> Vec<String> {
    let mut out = Told { out: Vec::new(), prefix: String::new() };
    for (position, operator) in file.operators.iter().enumerate() {
        out.prefix = format!("operator: {position}, subtask: None, state: Coordinator");
        if file.version >= 3 {
            out.stream(&operator.coordinator);
        }
        for subtask in operator.subtasks.iter().flatten() {
            out.subtask(file, position, subtask);
        }
    }
    out.out
}

struct Told {
    out: Vec<String>,
    prefix: String,
}

impl Told {
    fn subtask(&mut self, file: &MetadataWriter, position: usize, subtask: &Subtask) {
        let prefix =
            |state: &str| format!("operator: {position}, subtask: Some({}), state: {state}", subtask.index);
        if subtask.finished {
            return;
        }
        self.prefix = prefix("LegacyOperator");
        if file.version <= 2 {
            subtask.legacy.iter().for_each(|stream| self.stream(stream));
        }
        for (state, handles) in
            [("ManagedOperator", &subtask.managed_operator), ("RawOperator", &subtask.raw_operator)]
        {
            self.prefix = prefix(state);
            for handle in handles {
                if let Some(merging) = &handle.merging {
                    for directory in [&merging.task_owned, &merging.shared] {
                        self.out.push(format!("{} directory {:?}", self.prefix, plain(directory)));
                    }
                }
                self.stream(&handle.stream);
            }
        }
        for (state, keyed) in [("ManagedKeyed", &subtask.managed_keyed), ("RawKeyed", &subtask.raw_keyed)] {
            self.prefix = prefix(state);
            if let Some(keyed) = keyed {
                self.keyed(keyed);
            }
        }
        for (state, channels) in
            [("InputChannel", &subtask.input_channels), ("ResultSubpartition", &subtask.output_channels)]
        {
            self.prefix = prefix(state);
            for channel in channels.iter().filter(|_| file.version >= 3) {
                let (Channel::Single { stream, .. } | Channel::Merged { stream, .. }) = channel;
                self.stream(stream);
            }
        }
        if let Some(checkpoint_id) = subtask.ref_checkpoint.filter(|_| file.version >= 7) {
            self.out.push(format!("ref {checkpoint_id}"));
        }
    }

    fn keyed(&mut self, keyed: &Keyed) {
        match keyed {
            Keyed::Absent => {}
            Keyed::KeyGroups { stream, .. } | Keyed::Savepoint { stream, .. } => self.stream(stream),
            Keyed::Incremental { meta, shared, private, .. } => {
                self.stream(meta);
                shared.iter().chain(private).for_each(|(_, stream)| self.stream(stream));
            }
            Keyed::Changelog { materialized, delta, .. } => {
                materialized.iter().chain(delta).for_each(|keyed| self.keyed(keyed));
            }
            Keyed::ChangelogBytes { changes, .. } => {
                for (key_group, change) in changes {
                    self.out.push(format!("{} change {key_group} {}", self.prefix, change.len()));
                }
            }
            Keyed::ChangelogFiles { segments, .. } => {
                for (_, stream) in segments {
                    self.stream(stream);
                }
            }
        }
    }

    fn stream(&mut self, stream: &Stream) {
        let what = match stream {
            Stream::Absent => return,
            Stream::KeyGroups { stream, .. } => return self.stream(stream),
            Stream::Inline { data, .. } => format!("inline {}", data.len()),
            Stream::File { path, size } => format!("Absolute {{ bytes: {size} }} {:?}", plain(path)),
            Stream::Relative { name, size } => format!("Relative {{ bytes: {size} }} {:?}", plain(name)),
            Stream::Segment { start, size, path, .. } => {
                format!("Segment {{ start: {start}, bytes: {size} }} {:?}", plain(path))
            }
            Stream::EmptySegment => "empty segment".to_owned(),
        };
        self.out.push(format!("{} {what}", self.prefix));
    }
}

/// Paths are written without anything that modified UTF-8 encodes in its own way.
fn plain(text: &Text) -> &str {
    std::str::from_utf8(&text.0).unwrap()
}

/// The same, from what the reader told.
pub(crate) fn told_by_events(events: &[String]) -> Vec<String> {
    events.iter().filter_map(|event| told_by_event(event)).collect()
}

fn told_by_event(event: &str) -> Option<String> {
    if event.starts_with("ref ") {
        return Some(event.to_owned());
    }
    let rest = event.strip_prefix("Place { ")?;
    let (place, what) = rest.split_once(" } ")?;
    let prefix = place.split_once(", part: ")?.0;
    if what == "empty segment" {
        return Some(format!("{prefix} {what}"));
    }
    if let Some(inline) = what.strip_prefix("inline ") {
        return Some(format!("{prefix} inline {}", inline.rsplit_once(' ')?.1));
    }
    if what.starts_with("change ") {
        return Some(format!("{prefix} {what}"));
    }
    let raw = |what: &str| {
        let list = what.split_once("raw: [")?.1.split_once(']')?.0;
        let bytes: Vec<u8> = list.split(", ").map(|byte| byte.parse().unwrap()).collect();
        Some(String::from_utf8(bytes).unwrap())
    };
    if what.starts_with("DirectoryReference") {
        return Some(format!("{prefix} directory {:?}", raw(what)?));
    }
    let told = what.strip_prefix("FileReference { told: ")?.split_once(", raw:")?.0;
    let told = match told.split_once(", scope") {
        Some((segment, _)) => format!("{segment} }}"),
        None => told.to_owned(),
    };
    Some(format!("{prefix} {told} {:?}", raw(what)?))
}
