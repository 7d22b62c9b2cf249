//! A listing that breaks goes on where it broke, hands no entry over twice, and remembers one name for it.
//!
//! An entry that was handed over cannot be taken back, and a directory may hold a million of them, so neither a
//! buffer nor a set of the names seen is kept. Where the store behind lists in the order of the names' bytes (HDFS
//! does, and pages through a directory by the last name itself), the last name handed over is enough: the next
//! attempt lists from the beginning and skips every name up to it. What is created or deleted among the skipped
//! names meanwhile is missed exactly as it is missed by the paging of an unbroken listing.
//!
//! The order is what this rests on, so it is checked and not believed: each attempt must see strictly ascending
//! names. Where the first attempt does not, or the store did not promise the order, a listing that breaks after
//! its first entry is not taken up again: its error is returned, and the caller knows that it is partial. Where a
//! later attempt does not, the listing ends as `Unrepresentable`. A listing that breaks before its first entry
//! can always be started anew.

use std::sync::atomic::{AtomicU64, Ordering};

use chksweep_core::Location;

use super::{Resilient, timed_out};
use crate::error::{ErrorKind, Operation, StoreError};
use crate::read::{Entry, EntrySink, ReadStore};

/// How far a listing has come.
#[derive(Debug, Default)]
struct Progress {
    /// The last name handed over, if any was.
    handed: Option<Vec<u8>>,
    /// The last name seen in this attempt, if any was.
    seen: Option<Vec<u8>>,
    /// Whether names ever came in another order.
    disordered: bool,
}

impl Progress {
    /// Takes the next name of an attempt. Returns whether its entry is to be handed over.
    fn take(&mut self, name: &[u8], resumed: bool) -> bool {
        self.disordered |= self.seen.as_deref().is_some_and(|seen| seen >= name);
        copy_to(&mut self.seen, name);
        if resumed && (self.disordered || self.handed.as_deref().is_some_and(|handed| handed >= name)) {
            return false;
        }
        copy_to(&mut self.handed, name);
        true
    }
}

/// Keeps a name in the buffer of the one before.
fn copy_to(slot: &mut Option<Vec<u8>>, name: &[u8]) {
    let buffer = slot.get_or_insert_default();
    buffer.clear();
    buffer.extend_from_slice(name);
}

impl<S: ReadStore> Resilient<S> {
    pub(super) async fn list_resumed(
        &self,
        directory: &Location,
        sink: &mut EntrySink<'_>,
    ) -> Result<(), StoreError> {
        let mut progress = Progress::default();
        let mut trouble = None;
        loop {
            let resumed = progress.handed.is_some();
            let outcome = self.list_once(directory, sink, &mut progress, resumed).await;
            if resumed && progress.disordered {
                let message = "the names came in another order when the listing was taken up again";
                let kind = ErrorKind::Unrepresentable;
                return Err(StoreError::new(kind, Operation::List, directory, message));
            }
            let Err(error) = outcome else {
                self.looking.succeed_now();
                return Ok(());
            };
            let can_go_on = progress.handed.is_none() || (self.sorted_listings && !progress.disordered);
            if !can_go_on {
                return Err(error);
            }
            self.sit_out(&mut trouble, error).await?;
        }
    }

    /// Lists once, from the beginning. Each entry renews the deadline.
    async fn list_once(
        &self,
        directory: &Location,
        sink: &mut EntrySink<'_>,
        progress: &mut Progress,
        resumed: bool,
    ) -> Result<(), StoreError> {
        let count = AtomicU64::new(0);
        progress.seen = None;
        let mut take = |entry: Entry<'_>| {
            count.fetch_add(1, Ordering::Relaxed);
            if progress.take(entry.name, resumed) {
                sink(entry);
            }
        };
        let mut work = self.inner.list(directory, &mut take);
        let mut counted = 0;
        loop {
            if let Ok(outcome) = tokio::time::timeout(self.patience.call, &mut work).await {
                return outcome;
            }
            let now = count.load(Ordering::Relaxed);
            if now == counted {
                return Err(timed_out(self.patience.call, Operation::List, directory));
            }
            counted = now;
        }
    }
}
