//! One run at a time under a root, by a file that says who is at it.
//!
//! The lock is **no part of the safety proof**: whoever holds it wrongly deletes nothing that is live, since every
//! batch is planned anew, each path is looked at right before it is touched, and no rename replaces anything. It
//! keeps two runs from undoing or counting each other's work, and people from wondering.
//!
//! What can happen at the same time, and what then:
//! - Two runs create the lock: exactly one succeeds, the store sees to that.
//! - Two runs find one lock silent: both rename it away under different names, and look at what they moved. Who
//!   moved another's fresh lock puts it back and asks again; who moved the silent one creates its own.
//! - A run that was stopped for a quarter of an hour wakes up: it finds that the lock is not its own (before each
//!   batch) and stops. Had its heartbeat been between looking and replacing, it replaces the other's lock, and the
//!   *other* stops before its next batch. At no time do both go on for longer than a batch.
//! - A run is killed: its lock stays, perhaps empty or torn, and grows old. Its age counts by its mtime, so what it
//!   holds does not matter.
//!
//! Nothing is done when a [`Lock`] is dropped but to stop the heartbeat: it is released by [`Lock::release`], or
//! grows silent.

mod heartbeat;
mod taking;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chksweep_core::{Age, Location, Timestamp, layout, visible};
use chksweep_store::{EntryKind, ErrorKind, ReadStore, StoreError};
use serde::{Deserialize, Serialize};

use crate::events::Observer;
use crate::own;
use crate::stores::MutateStores;
use heartbeat::Heartbeat;

/// How often the holder of a lock says that it is alive.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long a lock must have been silent to be taken over.
pub const SILENT_AFTER: Age = Age::minutes(15);
/// How long a holder goes on without having been able to say that it is alive: well before others may take over.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
/// What is read of a lock that others wrote.
const MAX_BYTES: u64 = 64 * 1024;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The user.
    pub owner: String,
    /// The machine.
    pub host: String,
    /// The process on that machine.
    pub pid: u32,
    /// The run.
    pub run_id: String,
    /// Since when.
    pub since: Timestamp,
}

/// A lock that may be taken over at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakLock {
    /// Whoever holds it.
    Any,
    /// That of this run only.
    Run(String),
}

impl BreakLock {
    /// Reads what `--break-lock` was given.
    pub fn parse(text: &str) -> Self {
        if text == "any" { Self::Any } else { Self::Run(text.to_owned()) }
    }

    fn covers(&self, holder: Option<&Holder>) -> bool {
        match self {
            Self::Any => true,
            Self::Run(run) => holder.is_some_and(|holder| holder.run_id == *run),
        }
    }
}

/// A lock that another run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHeld {
    /// The lock.
    pub location: Location,
    /// Who holds it; nothing where the file does not tell, as after a kill while it was written.
    pub holder: Option<Holder>,
    /// How long it has been silent.
    pub silent_for: Age,
    /// How far it is ahead of the clock of the storage, which had jumped: it is taken over that much later.
    pub ahead: Age,
}

/// Clocks of a storage and of its mtimes may differ by that.
const AHEAD: Age = Age::minutes(1);

impl std::fmt::Display for LockHeld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { location, holder, silent_for, ahead } = self;
        match holder {
            Some(Holder { owner, host, pid, run_id, since }) => write!(
                f,
                "{location} is held by run {run_id} of {owner} on {host} (process {pid}) since {since}, last heard \
                 of {silent_for} ago"
            ),
            None => write!(f, "{location} is held by an unknown run, last heard of {silent_for} ago"),
        }?;
        if *ahead > AHEAD {
            write!(f, "; its mtime is {ahead} ahead of the clock of the storage")?;
        }
        Ok(())
    }
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("{0}")]
    Held(Box<LockHeld>),
    /// It was taken over by another run, or could not be kept up.
    #[error("the lock {location} is no longer this run's: {why}")]
    Lost {
        /// The lock.
        location: Location,
        /// What became of it.
        why: String,
    },
    /// The store does not let it be made or looked at.
    #[error("taking the lock")]
    Store(#[source] StoreError),
}

/// What is needed to take a lock.
#[derive(Debug)]
pub struct LockRequest<'a> {
    /// The stores of the roots.
    pub stores: &'a MutateStores,
    /// The roots of the run.
    pub roots: &'a [Location],
    /// Who asks.
    pub holder: Holder,
    /// What the local clock says: the clock of local directories.
    pub local_now: Timestamp,
    /// What may be taken over at once.
    pub break_lock: Option<&'a BreakLock>,
    /// How often to say that this run is alive; [`HEARTBEAT`].
    pub heartbeat: Duration,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
}

/// The locks of a run, held until they are released.
#[derive(Debug)]
pub struct Lock {
    heartbeat: Heartbeat,
}

impl Lock {
    /// Takes the locks of all roots and of every directory above them that has a `.chksweep`, or none.
    ///
    /// # Errors
    ///
    /// `Held` where another run is at it, with all taken so far released.
    pub async fn acquire(request: LockRequest<'_>) -> Result<Self, LockError> {
        let content = visible::json(&request.holder).unwrap_or_default();
        let mut held: Vec<Location> = Vec::new();
        let places = places(request.stores, request.roots).await.map_err(LockError::Store)?;
        for root in places {
            match taking::take(&request, &root, &content).await {
                Ok(()) => held.push(own::lock_file(&root)),
                Err(error) => {
                    for lock in &held {
                        heartbeat::give_back(request.stores, lock, &content).await;
                    }
                    return Err(error);
                }
            }
        }
        let every = request.heartbeat;
        let heartbeat = Heartbeat::start(request.stores.clone(), held, content, every, request.observer);
        Ok(Self { heartbeat })
    }

    /// Checks that every lock is still this run's. To be asked before each batch.
    ///
    /// # Errors
    ///
    /// `Lost` where one is not; `Store` where that cannot be told.
    pub async fn still_mine(&self) -> Result<(), LockError> {
        self.heartbeat.still_mine().await
    }

    /// Gives the locks back. A lock that is not this run's any more is left alone.
    pub async fn release(self) {
        self.heartbeat.release().await;
    }
}

/// The directories whose locks a run needs, in an order that is the same for every run.
async fn places(stores: &MutateStores, roots: &[Location]) -> Result<BTreeSet<Location>, StoreError> {
    let mut places: BTreeSet<Location> = roots.iter().cloned().collect();
    for root in roots {
        let store = stores.of(root)?;
        let mut above = root.parent();
        while let Some(directory) = above {
            match store.stat(&directory.child(layout::OWN)).await {
                Ok(status) if status.kind == EntryKind::Directory => {
                    places.insert(directory.clone());
                }
                Ok(_) => {}
                // What cannot be looked into has no lock for us either.
                Err(error) if own::is_absent(&error) || is_barred(&error) => {}
                Err(error) => return Err(error),
            }
            above = directory.parent();
        }
    }
    Ok(places)
}

fn is_barred(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::WrongType)
}

/// Looks who holds the lock of a root, by a clock that is near that of the store.
///
/// # Errors
///
/// Where the lock cannot be looked at or read.
pub async fn look(
    store: &dyn ReadStore,
    root: &Location,
    now: Timestamp,
) -> Result<Option<LockHeld>, StoreError> {
    let location = own::lock_file(root);
    let status = match store.stat(&location).await {
        Ok(status) => status,
        Err(error) if own::is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let content = content_of(store, &location).await?;
    let holder = content.and_then(|content| serde_json::from_slice(&content).ok());
    Ok(Some(LockHeld {
        location,
        holder,
        silent_for: now.since(status.modified),
        ahead: status.modified.since(now),
    }))
}

/// What a lock file holds: its bytes, and nothing where it is gone.
async fn content_of(store: &dyn ReadStore, lock: &Location) -> Result<Option<bytes::Bytes>, StoreError> {
    match store.read(lock, MAX_BYTES).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if own::is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
