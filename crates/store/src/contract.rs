//! What every store must do, as a suite of checks: the same on memory, on a local disk and on HDFS.
//!
//! Each check works in a directory of its own below [`Subject::base`] and ends with a panic where the store does
//! something else than the traits say. Nothing outside of the base is touched, but for the trash.

mod changing;
mod looking;
mod naming;
#[cfg(test)]
mod tests;
mod writing;

use std::fmt::Debug;
use std::sync::Arc;

use chksweep_core::Location;
use futures::StreamExt;
use futures::stream;

pub use changing::{
    check_deleting, check_making_directories, check_rename, check_rename_has_one_winner, check_trash,
};
pub use looking::{
    check_access, check_list, check_list_many, check_read, check_stat, check_times, check_usage,
};
pub use naming::{check_deep_directories, check_odd_names};
pub use writing::{
    check_abandoned, check_appender, check_create_has_one_winner, check_create_new, check_replace,
    check_replace_is_one_step,
};

use crate::error::{ErrorKind, StoreError};
use crate::mutate::MutateStore;
use crate::read::{Entry, EntryKind};

/// A store under test.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The store.
    pub store: Arc<dyn MutateStore>,
    /// A directory for the checks alone; it is made if need be.
    pub base: Location,
    /// Whether the trash is switched on; if not, moving there must be `Unsupported`.
    pub has_trash: bool,
    /// Whether names that are not UTF-8 can be written.
    pub has_byte_names: bool,
}

/// Runs every check, one after another.
pub async fn check_all(subject: &Subject) {
    check_list(subject).await;
    check_list_many(subject).await;
    check_stat(subject).await;
    check_read(subject).await;
    check_times(subject).await;
    check_access(subject).await;
    check_usage(subject).await;
    check_rename(subject).await;
    check_rename_has_one_winner(subject).await;
    check_deleting(subject).await;
    check_making_directories(subject).await;
    check_create_new(subject).await;
    check_create_has_one_winner(subject).await;
    check_replace(subject).await;
    check_replace_is_one_step(subject).await;
    check_appender(subject).await;
    check_abandoned(subject).await;
    check_odd_names(subject).await;
    check_deep_directories(subject).await;
    check_trash(subject).await;
}

/// An entry as the checks compare it.
type Found = (Vec<u8>, EntryKind, u64);

impl Subject {
    /// Makes the directory of one check.
    async fn directory(&self, name: &str) -> Location {
        let directory = self.base.child(name.as_bytes());
        must(self.store.make_directories(&directory, false).await);
        directory
    }

    async fn put(&self, path: &Location, content: &[u8]) {
        must(self.store.create_new(path, content).await);
    }

    /// Makes many empty files, some at a time.
    async fn put_many(&self, paths: Vec<Location>) {
        stream::iter(paths).for_each_concurrent(32, async |path| self.put(&path, b"").await).await;
    }

    async fn content(&self, path: &Location) -> Vec<u8> {
        must(self.store.read(path, 64 << 20).await).to_vec()
    }

    /// Lists a directory, in the order of the names.
    async fn entries(&self, directory: &Location) -> Vec<Found> {
        let mut found = Vec::new();
        let mut sink = |entry: Entry<'_>| found.push((entry.name.to_vec(), entry.kind, entry.length));
        must(self.store.list(directory, &mut sink).await);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    async fn exists(&self, path: &Location) -> bool {
        match self.store.stat(path).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
                false
            }
        }
    }
}

/// Returns the value of a call that must succeed.
#[expect(clippy::panic, reason = "the checks are tests, also where another crate runs them")]
fn must<T>(outcome: Result<T, StoreError>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("a call that must succeed failed: {error} ({:?})", error.kind),
    }
}

/// Checks that a call failed as it must.
#[track_caller]
fn refused<T: Debug>(outcome: Result<T, StoreError>, kind: ErrorKind) {
    let found = outcome.map_err(|error| error.kind);
    assert!(matches!(&found, Err(found) if *found == kind), "{kind:?} was expected and {found:?} came");
}
