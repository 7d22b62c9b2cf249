//! What a listing tells of one path, as far as looking on depends on it.

use std::sync::Arc;

use chksweep_core::layout::{self, FileName};
use chksweep_core::plan::Place;
use chksweep_core::{File, Location, Name, Timestamp};
use chksweep_store::{Entry, EntryKind, ReadStore};

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

/// The newest mtime after a limit, with its path.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    limit: Timestamp,
    pub(super) found: Option<(Timestamp, Location)>,
}

impl Newest {
    pub(super) fn after(limit: Timestamp) -> Self {
        Self { limit, found: None }
    }

    /// Returns one that hears only of what is newer still.
    pub(super) fn fork(&self) -> Self {
        Self::after(self.limit)
    }

    pub(super) fn hear(&mut self, modified: Timestamp, path: impl FnOnce() -> Location) {
        if modified > self.limit {
            self.limit = modified;
            self.found = Some((modified, path()));
        }
    }

    pub(super) fn unite(&mut self, other: Self) {
        if let Some((modified, path)) = other.found {
            self.hear(modified, || path);
        }
    }
}
