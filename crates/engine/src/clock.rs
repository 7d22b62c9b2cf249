//! The clock that ages are counted by when something is about to be changed: the NameNode's own.
//!
//! An mtime is stamped by the NameNode, so only its clock tells how old a file is. It has no call for the time;
//! the mtime of a file that was created just now is the time. A file of an hour's age on a machine whose clock
//! runs a day ahead would look old enough to go: so the two clocks must also agree, since the plan was made by the
//! local one. A local directory is stamped by the local clock itself.

use chksweep_core::{Age, Location, Timestamp};
use chksweep_store::{ErrorKind, MutateStore, StoreError};
use tokio::time::Instant;

use crate::own;
use crate::stores::MutateStores;

/// How far the local clock may be from that of a store.
pub const MAX_SKEW: Age = Age::minutes(5);

/// How many names are tried for the probe.
const TRIES: u32 = 8;

/// Why the time is not known.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The two clocks differ.
    #[error(
        "the clock of the storage under {root} says {store}, the local one says {local}: they differ by more \
         than {MAX_SKEW}"
    )]
    Skew {
        /// The root that was probed.
        root: Location,
        /// What the store's clock says.
        store: Timestamp,
        /// What the local clock says.
        local: Timestamp,
    },
    /// The probe could not be made.
    #[error("reading the clock of the storage")]
    Store(#[source] StoreError),
}

/// Returns what the clock of the store says that serves `root`, by the mtime of a file made there and deleted.
///
/// # Errors
///
/// Where the probe cannot be made or looked at.
pub async fn store_time(
    stores: &MutateStores,
    root: &Location,
    run_id: &str,
    local: Timestamp,
) -> Result<Timestamp, StoreError> {
    if root.scheme() == Some("file") {
        return Ok(local);
    }
    let store = stores.of(root)?;
    own::make_own(store.as_ref(), &own::own_directory(root)).await?;
    let probe = make_probe(store.as_ref(), root, run_id).await?;
    let looked = store.stat(&probe).await;
    if let Err(error) = store.delete_file(&probe).await {
        tracing::warn!(%error, "the probe of the clock stays behind");
    }
    looked.map(|status| status.modified)
}

/// Makes a probe under a name that is new: an old file of the same name would tell an old time.
async fn make_probe(store: &dyn MutateStore, root: &Location, run_id: &str) -> Result<Location, StoreError> {
    let mut last = None;
    for attempt in 0..TRIES {
        let probe = own::own_directory(root).child(format!("clock-{run_id}-{attempt}").as_bytes());
        // Empty: a file with content needs a DataNode, which takes its time and may be away.
        match store.create_new(&probe, b"").await {
            Ok(()) => return Ok(probe),
            Err(error) if error.kind == ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        StoreError::new(
            ErrorKind::AlreadyExists,
            chksweep_store::Operation::Write,
            root,
            "no name is free for the probe of the clock",
        )
    }))
}

/// As [`store_time`], and checks it against the local clock.
///
/// # Errors
///
/// Where the probe fails, and where the clocks differ by more than [`MAX_SKEW`], whenever between its beginning and
/// its end the probe was stamped.
pub async fn checked_time(
    stores: &MutateStores,
    root: &Location,
    run_id: &str,
    local: &RunningClock,
) -> Result<Timestamp, ClockError> {
    let before = local.now();
    let store = store_time(stores, root, run_id, before).await.map_err(ClockError::Store)?;
    let local = local.now();
    if store.since(local).max(before.since(store)) > MAX_SKEW {
        return Err(ClockError::Skew { root: root.clone(), store, local });
    }
    Ok(store)
}

/// A clock that was read once and goes on by itself; while the machine sleeps, it stands still.
#[derive(Clone, Debug)]
pub struct RunningClock {
    read: Timestamp,
    at: Instant,
}

impl RunningClock {
    /// A clock that says `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { read: now, at: Instant::now() }
    }

    /// Returns what it says by now.
    pub fn now(&self) -> Timestamp {
        self.read.plus(Age::from(self.at.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use chksweep_store::faults::{Fault, Faulty, Hook, Rule};
    use chksweep_store::{Call, MemoryStore};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_is_that_of_the_store_and_leaves_nothing_behind() {
        let store = MemoryStore::new("hdfs", "ns");
        let root = store.location("/r");
        store.mkdir("/r", Timestamp(1));
        let mut stores = MutateStores::default();
        stores.add(&root, Arc::new(store.clone()));
        let now = store.now();
        assert_eq!(store_time(&stores, &root, "run-1", Timestamp(7)).await.unwrap(), now);
        assert!(store.is_private("/r/.chksweep"));
        assert!(!store.exists("/r/.chksweep/clock-run-1-0"));
        let late = now.plus(Age(MAX_SKEW.0 + 1));
        let error = checked_time(&stores, &root, "run-1", &RunningClock::new(late)).await.unwrap_err();
        assert!(matches!(error, ClockError::Skew { .. }), "{error}");
        assert!(checked_time(&stores, &root, "run-1", &RunningClock::new(now.plus(MAX_SKEW))).await.is_ok());
    }

    /// As a killed run leaves one: it tells when that was made.
    #[tokio::test]
    async fn an_old_probe_of_the_same_name_is_not_asked() {
        let store = MemoryStore::new("hdfs", "ns");
        let root = store.location("/r");
        store.mkdir("/r", Timestamp(1));
        let mut stores = MutateStores::default();
        stores.add(&root, Arc::new(store.clone()));
        store.put("/r/.chksweep/clock-run-1-0", b"", Timestamp(1));
        assert_eq!(store_time(&stores, &root, "run-1", Timestamp(7)).await.unwrap(), store.now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_may_take_long() {
        let memory = MemoryStore::new("hdfs", "ns");
        let root = memory.location("/r");
        memory.mkdir("/r", Timestamp(1));
        let (began, clock) = (memory.now(), memory.clone());
        let store = Faulty::new(memory);
        let late = Hook::new(move || clock.set_now(began.plus(Age::hours(1))));
        store.faults().add(Rule::on(Call::CreateNew, Fault::Delay(Duration::from_hours(1))));
        store.faults().add(Rule::on(Call::MakeDirectories, Fault::Before(late)));
        let mut stores = MutateStores::default();
        stores.add(&root, Arc::new(store));
        let now = checked_time(&stores, &root, "run-1", &RunningClock::new(began)).await.unwrap();
        assert_eq!(now, began.plus(Age::hours(1)));
    }
}
