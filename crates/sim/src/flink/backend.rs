//! What each state backend writes, when, and what of it the next checkpoint names.

/// How a checkpoint names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By its absolute path.
    Absolute,
    /// By its name beside the `_metadata`.
    Relative,
    /// By its name only, although it lies elsewhere (FLINK-39964).
    Dangling,
    /// As a segment of a merged file.
    Segment,
    /// As a segment of the changelog.
    Log,
    /// By its name beside the `_metadata`, as operator state that names other files inside.
    Payload,
    /// Only inside the bytes of operator state.
    Hidden,
}

/// A file of state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StateFile {
    pub(crate) path: String,
    pub(crate) form: Form,
    pub(crate) size: i64,
}

impl PartialOrd for Form {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Form {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

/// A state backend, as far as its files differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Everything in `chk-N`.
    HashMap,
    /// Files in `shared`, taken over from the last confirmed checkpoint.
    RocksDb,
    /// Segments at any time, materializations in `taskowned`.
    Changelog,
    /// Few files that stay open and grow.
    Merging,
    /// The files of the running database.
    ForSt,
    /// `RocksDb`, with a sink that keeps buffers in `taskowned` and names them inside operator state.
    WriteAhead,
}

impl Backend {
    pub(crate) const ALL: [Self; 6] =
        [Self::HashMap, Self::RocksDb, Self::Changelog, Self::Merging, Self::ForSt, Self::WriteAhead];
}
