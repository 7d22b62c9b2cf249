//! Where in the file a handle stands: for visitors as a value, for errors as a path of fields.

use std::fmt;

/// Which of a subtask's states a handle belongs to; for the coordinator, of the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// The operator coordinator's, always inline.
    Coordinator,
    /// The `Checkpointed` interface of Flink 1.1, in versions 1 and 2.
    LegacyOperator,
    /// List, union and broadcast state.
    ManagedOperator,
    /// What an operator wrote to its raw operator stream.
    RawOperator,
    /// The state backend's.
    ManagedKeyed,
    /// What an operator wrote to its raw keyed stream.
    RawKeyed,
    /// In-flight data of input channels.
    InputChannel,
    /// In-flight data of result subpartitions.
    ResultSubpartition,
}

impl State {
    /// Returns whether this is operator state, in which a write-ahead sink may name files.
    pub fn is_operator_state(self) -> bool {
        matches!(self, Self::LegacyOperator | Self::ManagedOperator | Self::RawOperator)
    }

    /// Returns the words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator state",
            Self::LegacyOperator => "legacy operator state",
            Self::ManagedOperator => "managed operator state",
            Self::RawOperator => "raw operator state",
            Self::ManagedKeyed => "managed keyed state",
            Self::RawKeyed => "raw keyed state",
            Self::InputChannel => "input channel state",
            Self::ResultSubpartition => "result subpartition state",
        }
    }
}

/// Which part of a composite handle a stream belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The only stream of the handle.
    #[default]
    Whole,
    /// The meta-state of an incremental handle.
    Meta,
    /// A file that several checkpoints may count, by its position.
    Shared(u32),
    /// A file that only this checkpoint counts, by its position.
    Private(u32),
    /// A segment of the changelog, by its position.
    Segment(u32),
}

/// Where a handle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The position of the operator in the file.
    pub operator: u32,
    /// The subtask; nothing for the coordinator's state.
    pub subtask: Option<i32>,
    /// Which of its states.
    pub state: State,
    /// Which part of the innermost composite handle.
    pub part: Part,
}

/// One step of the way to a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Operator(u32),
    Entry(u32),
    Subtask(i32),
    State(State),
    Item(&'static str, u32),
    Named(&'static str),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(at) => write!(f, "operator {at}"),
            Self::Entry(at) => write!(f, "subtask entry {at}"),
            Self::Subtask(index) => write!(f, "subtask {index}"),
            Self::State(state) => f.write_str(state.words()),
            Self::Item(name, at) => write!(f, "{name}[{at}]"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Puts a way together: `operator 3 › subtask 0 › managed keyed state › shared[12] › path`.
pub(super) fn field(steps: &[Step], what: &str) -> String {
    let mut out: Vec<String> = steps.iter().map(ToString::to_string).collect();
    if !what.is_empty() {
        out.push(what.to_owned());
    }
    out.join(" › ")
}
