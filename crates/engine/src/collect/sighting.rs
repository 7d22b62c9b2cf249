//! What a listing tells of one path, as far as looking on depends on it.

use std::sync::Arc;

use chksweep_core::layout::{self, FileName};
use chksweep_core::plan::Place;
use chksweep_core::{File, Location, Name, Timestamp};
use chksweep_store::{Entry, EntryKind, ReadStore};

use super::request::ALLOWED_SKEW;
use crate::clock::RunningClock;

/// A file that is metadata by its name, as some listing saw it.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub(super) location: Location,
    pub(super) stamp: Stamp,
    pub(super) place: Place,
    pub(super) store: Arc<dyn ReadStore>,
}

/// What tells one content of a path from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub(super) modified: Timestamp,
    pub(super) length: u64,
    /// Whether it is a file; a link is never followed, not even one called `_metadata`.
    pub(super) regular: bool,
}

impl Stamp {
    pub(super) fn of(entry: &Entry<'_>) -> Self {
        Self { modified: entry.modified, length: entry.length, regular: entry.kind == EntryKind::File }
    }
}

/// Returns whether an entry is, or may be, metadata by its name.
pub(super) fn may_be_metadata(entry: &Entry<'_>) -> bool {
    entry.kind != EntryKind::Directory && is_metadata_name(entry.name)
}

pub(super) fn is_metadata_name(name: &[u8]) -> bool {
    match layout::file_name(name) {
        FileName::Metadata | FileName::OldMetadata => true,
        FileName::Staging | FileName::State(_) | FileName::Unknown => false,
    }
}

/// Returns an entry as the inventory holds it.
pub(super) fn file_of(entry: &Entry<'_>) -> File {
    let whole_blocks = match entry.block_size {
        Some(size) if size > 0 => entry.length.is_multiple_of(size),
        Some(_) | None => entry.length == 0,
    };
    File {
        length: entry.length,
        modified: entry.modified,
        accessed: entry.accessed.unwrap_or_default(),
        name: Name::Other(0),
        replication: entry.replication,
        regular: entry.kind == EntryKind::File,
        whole_blocks,
    }
}

/// The newest of what was modified in the future. Jobs write on while one looks, which may take an hour: what a listing
/// tells is compared with the clock as it is by then. Of a machine that sleeps meanwhile that stands still, and rather
/// too much counts as the future.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    /// Nothing where no time is that of a clock.
    clock: Option<RunningClock>,
    /// What is known to be no future, or of no interest beside what was found.
    limit: Timestamp,
    pub(super) found: Option<Future>,
}

/// What was modified in the future.
#[derive(Clone, Debug)]
pub(super) struct Future {
    pub(super) path: Location,
    pub(super) modified: Timestamp,
    /// What the clock said when the path was listed.
    pub(super) now: Timestamp,
}

impl Newest {
    /// Compares with a clock that says `now`.
    pub(super) fn by_clock(now: Timestamp) -> Self {
        Self { clock: Some(RunningClock::new(now)), limit: now.plus(ALLOWED_SKEW), found: None }
    }

    /// Hears of nothing.
    pub(super) fn deaf() -> Self {
        Self { clock: None, limit: Timestamp(i64::MAX), found: None }
    }

    /// Returns one that hears only of what is newer still.
    pub(super) fn fork(&self) -> Self {
        Self { clock: self.clock.clone(), limit: self.limit, found: None }
    }

    pub(super) fn hear(&mut self, modified: Timestamp, path: impl FnOnce() -> Location) {
        let Some(clock) = self.clock.as_ref().filter(|_| modified > self.limit) else { return };
        let now = clock.now();
        self.limit = self.limit.max(now.plus(ALLOWED_SKEW));
        if modified > self.limit {
            self.limit = modified;
            self.found = Some(Future { path: path(), modified, now });
        }
    }

    pub(super) fn unite(&mut self, other: Self) {
        self.limit = self.limit.max(other.limit);
        let Some(other) = other.found else { return };
        if self.found.as_ref().is_none_or(|found| found.modified < other.modified) {
            self.found = Some(other);
        }
    }
}
