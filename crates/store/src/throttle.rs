//! A store that spares the NameNode: so many changes a second, so many calls at once, fewer when it suffers.
//!
//! One machine can keep the write lock of a NameNode busy, so changes are paced: they queue, and the next one may
//! start a fixed time after the last one. All calls to the NameNode, changes or not, share a number of places. Both limits are
//! scaled by one share, between 1/16 and 1, which falls at once and rises slowly (AIMD, as TCP does; see
//! [`load`]). Pieces of a file come from the DataNodes and are not limited.

pub mod load;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::{ErrorKind, StoreError};
use crate::mutate::{Appender, MutateStore};
use crate::read::{Access, EntrySink, ReadStore, Reader, Status, Usage};
use load::{Load, WHOLE};

/// How far the pace may be made up for when a timer, or the queue, was late.
const SLACK: Duration = Duration::from_millis(10);

/// The limits of a throttled store while nothing suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many changes may start in a second (`max-rps`).
    pub changes_per_second: u32,
    /// How many calls may be under way at once.
    pub in_flight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { changes_per_second: 500, in_flight: 64 }
    }
}

/// A store whose calls wait for their turn.
#[derive(Debug)]
pub struct Throttled<S> {
    inner: S,
    turnstile: Arc<Turnstile>,
}

#[derive(Debug)]
struct Turnstile {
    limits: Limits,
    state: Mutex<State>,
    /// When the next change may start. Whoever waits for that holds it, so that a queue of any length goes at the
    /// pace that holds when each of it starts.
    next_change: tokio::sync::Mutex<Instant>,
    /// Somebody left, or the share rose.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    load: Load,
    in_flight: u32,
}

/// A place among the calls under way, given back when it is dropped: also by a call that was given up.
struct Place<'t>(&'t Turnstile);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
        self.0.freed.notify_one();
    }
}

/// How a call is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It needs the NameNode once: its latency tells of the load.
    Look,
    /// It takes as long as there is to list, read or write.
    Long,
    /// It changes the store, and needs the NameNode once.
    Change,
    /// It changes the store, and takes as long as there is to write or delete.
    LongChange,
}

impl Turnstile {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place.
    async fn place(&self) -> Place<'_> {
        loop {
            // Made before the look, so that whoever leaves in between is not missed.
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                let places = scaled(self.limits.in_flight, state.load.share());
                if state.in_flight < places {
                    state.in_flight += 1;
                    if state.in_flight < places {
                        // Of two that left at once the second may have called nobody.
                        self.freed.notify_one();
                    }
                    return Place(self);
                }
            }
            freed.await;
        }
    }

    /// Waits until the next change may start.
    async fn turn(&self) {
        let mut next = self.next_change.lock().await;
        let now = Instant::now();
        let start = (*next).max(now.checked_sub(SLACK).unwrap_or(now));
        tokio::time::sleep_until(start).await;
        let rate = scaled(self.limits.changes_per_second, self.lock().load.share());
        *next = start + Duration::from_secs(1) / rate;
    }

    async fn run<T>(
        &self,
        kind: Kind,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if matches!(kind, Kind::Change | Kind::LongChange) {
            self.turn().await;
        }
        let _place = self.place().await;
        let start = Instant::now();
        let outcome = work.await;
        self.judge(kind, start.elapsed(), outcome.as_ref().err().map(|error| error.kind));
        outcome
    }

    /// Adds what one call showed to what is known of the load.
    fn judge(&self, kind: Kind, latency: Duration, error: Option<ErrorKind>) {
        let mut state = self.lock();
        let before = state.load.share();
        if error.is_some_and(ErrorKind::is_transient) {
            state.load.suffered(Instant::now());
        } else if matches!(kind, Kind::Look | Kind::Change) {
            state.load.answered(Instant::now(), latency);
        }
        if state.load.share() > before {
            self.freed.notify_one();
        }
    }
}

/// Returns a share of a limit, at least one.
fn scaled(limit: u32, share: u32) -> u32 {
    let scaled = u64::from(limit) * u64::from(share) / u64::from(WHOLE);
    u32::try_from(scaled).unwrap_or(limit).max(1)
}

impl<S> Throttled<S> {
    /// Limits the calls to `inner`. A limit of zero counts as one.
    pub fn new(inner: S, limits: Limits) -> Self {
        let turnstile = Turnstile {
            limits,
            state: Mutex::new(State { load: Load::new(), in_flight: 0 }),
            next_change: tokio::sync::Mutex::new(Instant::now()),
            freed: Notify::new(),
        };
        Self { inner, turnstile: Arc::new(turnstile) }
    }

    /// Returns which limits hold now: those given, or less while the store suffers.
    pub fn limits(&self) -> Limits {
        let share = self.turnstile.lock().load.share();
        let Limits { changes_per_second, in_flight } = self.turnstile.limits;
        Limits { changes_per_second: scaled(changes_per_second, share), in_flight: scaled(in_flight, share) }
    }

    /// Returns the store behind.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

#[async_trait]
impl<S: ReadStore> ReadStore for Throttled<S> {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        self.turnstile.run(Kind::Long, self.inner.list(directory, sink)).await
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        self.turnstile.run(Kind::Look, self.inner.stat(path)).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        self.turnstile.run(Kind::Look, self.inner.access(path)).await
    }

    fn user(&self) -> Option<String> {
        self.inner.user()
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        self.turnstile.run(Kind::Long, self.inner.usage(directory)).await
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        self.turnstile.run(Kind::Look, self.inner.snapshots(directory)).await
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        self.turnstile.run(Kind::Look, self.inner.open(path)).await
    }

    async fn read(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        self.turnstile.run(Kind::Long, self.inner.read(path, limit)).await
    }
}

#[async_trait]
impl<S: MutateStore> MutateStore for Throttled<S> {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        self.turnstile.run(Kind::Change, self.inner.rename(from, to)).await
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        self.turnstile.run(Kind::Change, self.inner.delete_file(path)).await
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        self.turnstile.run(Kind::Change, self.inner.remove_directory(path)).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        self.turnstile.run(Kind::LongChange, self.inner.delete_tree(path)).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        self.turnstile.run(Kind::Change, self.inner.make_directories(path, private)).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        self.turnstile.run(Kind::LongChange, self.inner.create_new(path, content)).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        self.turnstile.run(Kind::LongChange, self.inner.replace(path, content)).await
    }

    /// Appending to it later is not limited: a record must not wait behind what it records.
    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        self.turnstile.run(Kind::LongChange, self.inner.create_appender(path)).await
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        self.turnstile.run(Kind::LongChange, self.inner.trash(path)).await
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        self.turnstile.run(Kind::Change, self.inner.close_abandoned(path)).await
    }
}
