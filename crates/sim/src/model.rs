//! The naive model: what would lie there if chksweep did not exist, and who needs what of it.
//!
//! It shares no code with the planner, the checker or the engine. It knows what no reader of a file system can know:
//! which files a checkpoint *truly* needs, also where its `_metadata` names them wrongly or not at all, and what a
//! running job holds without having named it anywhere. Paths and bytes, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A checkpoint or savepoint that was completed.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Its `_metadata`.
    pub(crate) path: String,
    /// The bytes of that.
    pub(crate) bytes: Arc<[u8]>,
    /// The files that it needs, wherever they lie.
    pub(crate) needs: BTreeSet<String>,
    /// The directories of file merging that it names.
    pub(crate) directories: Vec<String>,
    /// Those of its files that it can do without, once a sink has committed and deleted them.
    pub(crate) committable: BTreeSet<String>,
    /// Which operators it has.
    pub(crate) operators: u8,
    /// Its number.
    pub(crate) number: u64,
    /// Whether Flink finds all of it by the names in its `_metadata`.
    pub(crate) restorable: bool,
    /// Whether it is a savepoint.
    pub(crate) savepoint: bool,
    /// When it was completed, in milliseconds.
    pub(crate) completed_at: i64,
    /// When chksweep set its `_metadata` aside by a policy, if it did.
    pub(crate) retired: Option<i64>,
    /// Whether its `_metadata` was purged after that: it is gone, as the policy wanted.
    pub(crate) gone: bool,
}

/// What lies there but for chksweep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// Every file of Flink's, with its bytes.
    pub(crate) files: BTreeMap<String, Arc<[u8]>>,
    /// When Flink or a user deleted a file, in milliseconds.
    pub(crate) deleted: BTreeMap<String, i64>,
    /// Every snapshot that was ever completed.
    pub(crate) snapshots: Vec<Snapshot>,
}

impl Model {
    /// Returns whether Flink still has this snapshot.
    pub(crate) fn is_there(&self, snapshot: &Snapshot) -> bool {
        !snapshot.gone && self.files.get(&snapshot.path).is_some_and(|bytes| *bytes == snapshot.bytes)
    }

    /// Returns whether Flink could restore from it, if nobody had touched anything.
    pub(crate) fn is_whole(&self, snapshot: &Snapshot) -> bool {
        snapshot.restorable
            && self.is_there(snapshot)
            && snapshot.needs.difference(&snapshot.committable).all(|path| self.files.contains_key(path))
    }

    /// Returns what is missing for Flink to restore from it, if nobody had touched anything.
    pub(crate) fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let mut needs = snapshot.needs.difference(&snapshot.committable);
        let missing = needs.find(|path| !self.files.contains_key(*path)).cloned();
        missing.or_else(|| (!self.is_whole(snapshot)).then(|| snapshot.path.clone()))
    }

    /// Returns whether Flink could have restored from it at that time or since.
    pub(crate) fn was_whole_since(&self, snapshot: &Snapshot, then: i64) -> bool {
        let was_deleted = |path: &String| self.deleted.get(path).is_some_and(|at| *at >= then);
        let was_there = |path: &String| self.files.contains_key(path) || was_deleted(path);
        snapshot.restorable
            && !snapshot.gone
            && (self.is_there(snapshot) || was_deleted(&snapshot.path))
            && snapshot.needs.difference(&snapshot.committable).all(was_there)
    }

    /// Deletes a file, as Flink does or a user.
    pub(crate) fn delete(&mut self, path: &str, now: i64) {
        if self.files.remove(path).is_some() {
            self.deleted.insert(path.to_owned(), now);
        }
    }

    /// Returns the snapshots that Flink still has, by position.
    pub(crate) fn there(&self) -> impl Iterator<Item = (usize, &Snapshot)> {
        self.snapshots.iter().enumerate().filter(|(_, snapshot)| self.is_there(snapshot))
    }

    /// Returns the files of a snapshot that are there but for chksweep, its `_metadata` first.
    pub(crate) fn files_of<'m>(&'m self, snapshot: &'m Snapshot) -> impl Iterator<Item = &'m String> {
        let needs = snapshot.needs.iter().filter(|path| self.files.contains_key(*path));
        std::iter::once(&snapshot.path).chain(needs)
    }

    /// Returns whether a file is needed in place: by a snapshot that no policy has set aside.
    pub(crate) fn needs_in_place(&self, path: &str) -> bool {
        self.files.contains_key(path)
            && self.there().any(|(_, snapshot)| {
                snapshot.retired.is_none() && (snapshot.path == path || snapshot.needs.contains(path))
            })
    }
}
