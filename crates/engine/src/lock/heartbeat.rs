//! Saying every half minute that this run is alive, and noticing when it has lost its locks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chksweep_core::Location;
use chksweep_store::StoreError;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{FORGOTTEN_AFTER, LockError, content_of};
use crate::cancel::Cancel;
use crate::events::{Event, Observer};
use crate::stores::MutateStores;

/// The task that keeps the locks of a run up, and what it knows.
#[derive(Debug)]
pub(super) struct Heartbeat {
    shared: Arc<Shared>,
    stop: Cancel,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    stores: MutateStores,
    locks: Vec<Location>,
    content: Vec<u8>,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lost: Option<(Location, String)>,
    heard: Instant,
}

impl Heartbeat {
    pub(super) fn start(
        stores: MutateStores,
        locks: Vec<Location>,
        content: Vec<u8>,
        every: Duration,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let state = Mutex::new(State { lost: None, heard: Instant::now() });
        let shared = Arc::new(Shared { stores, locks, content, observer, state });
        let stop = Cancel::default();
        let stopped = stop.clone();
        let beating = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(every) => beating.beat().await,
                }
            }
        });
        Self { shared, stop, task }
    }

    #[cfg(test)]
    pub(super) async fn beat(&self) {
        self.shared.beat().await;
    }

    pub(super) async fn still_mine(&self) -> Result<(), LockError> {
        self.shared.known()?;
        for lock in &self.shared.locks {
            let store = self.shared.stores.of(lock).map_err(LockError::Store)?;
            let content = content_of(store.as_ref(), lock).await.map_err(LockError::Store)?;
            if content.is_none_or(|content| content != self.shared.content) {
                self.shared.lose(lock, "another run has taken it over");
            }
        }
        self.shared.known()
    }

    pub(super) async fn release(mut self) {
        self.stop.cancel();
        // Waits for a beat that is under way, lest it make the lock anew after it was given back.
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, "the heartbeat broke off");
        }
        for lock in &self.shared.locks {
            give_back(&self.shared.stores, lock, &self.shared.content).await;
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Result<(), LockError> {
        let state = self.state();
        if let Some((location, why)) = &state.lost {
            return Err(LockError::Lost { location: location.clone(), why: why.clone() });
        }
        if state.heard.elapsed() > FORGOTTEN_AFTER
            && let Some(location) = self.locks.first()
        {
            let why = "it could not be kept up for ten minutes".to_owned();
            return Err(LockError::Lost { location: location.clone(), why });
        }
        Ok(())
    }

    fn lose(&self, lock: &Location, why: &str) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.lost = Some((lock.clone(), why.to_owned()));
            self.observer.event(&Event::Loud(format!("the lock {lock} is lost: {why}")));
        }
    }

    /// Makes each lock young again, if it is still this run's.
    async fn beat(&self) {
        let mut all = true;
        for lock in &self.locks {
            match self.beat_one(lock).await {
                Ok(true) => {}
                Ok(false) => {
                    self.lose(lock, "another run has taken it over");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the lock could not be kept up");
                    all = false;
                }
            }
        }
        if all {
            self.state().heard = Instant::now();
        }
    }

    async fn beat_one(&self, lock: &Location) -> Result<bool, StoreError> {
        let store = self.stores.of(lock)?;
        if content_of(store.as_ref(), lock).await?.is_none_or(|content| content != self.content) {
            return Ok(false);
        }
        store.replace(lock, &self.content).await?;
        Ok(true)
    }
}

/// Deletes a lock that is this run's.
pub(super) async fn give_back(stores: &MutateStores, lock: &Location, content: &[u8]) {
    let given = async {
        let store = stores.of(lock)?;
        match content_of(store.as_ref(), lock).await? {
            Some(found) if found == content => store.delete_file(lock).await.map(|_| ()),
            Some(_) | None => Ok(()),
        }
    };
    if let Err(error) = given.await {
        tracing::warn!(%error, "the lock was not given back: it is taken over once it has been silent long enough");
    }
}
