//! What happens while the engine works, for progress lines, metrics and tests.

use std::fmt::Debug;

use chksweep_core::Location;

/// Something that happened. Counts are totals so far, not differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Listing goes on.
    Listing {
        /// Directories listed so far.
        directories: u64,
        /// Files seen so far.
        files: u64,
    },
    /// Reading metadata goes on.
    ReadingMetadata {
        /// Files read so far.
        read: u64,
        /// Files found so far.
        found: u64,
    },
    /// The metadata listing is done again, since something changed meanwhile.
    AnotherPass {
        /// The number of the pass, from 2.
        pass: u32,
    },
    /// Operator state is searched for the names of task-owned files.
    SearchingOperatorState {
        /// Files searched so far.
        searched: u64,
        /// Files to search.
        total: u64,
    },
    /// A plan is carried out.
    Sweeping {
        /// Paths done so far.
        done: u64,
        /// Paths to do.
        total: u64,
        /// Bytes set aside so far.
        bytes: u64,
    },
    /// A quarantine is restored.
    Restoring {
        /// Paths done so far.
        done: u64,
        /// Paths to do.
        total: u64,
    },
    /// A quarantine is purged.
    Purging {
        /// Files gone so far.
        done: u64,
        /// Files to go.
        total: u64,
    },
    /// The work waits for the store.
    Waiting {
        /// For which path.
        path: Location,
        /// Why.
        why: String,
    },
    /// Something that nobody should miss, such as a file that had to be brought back.
    Loud(String),
}

/// Listens to what happens.
pub trait Observer: Debug + Send + Sync {
    /// Takes an event. Called from several tasks at once, and often: must be quick.
    fn event(&self, event: &Event);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn event(&self, _event: &Event) {}
}
