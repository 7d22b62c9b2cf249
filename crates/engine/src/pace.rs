//! Going on with patience: when the store is busy or away, everything waits, and then goes on together.
//!
//! Without this the first second of a NameNode's safe mode would burn through a queue of a million renames, each
//! failing once. The stores that a command line opens sit out short absences by themselves; this is for what is
//! left, and for stores that do not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chksweep_store::{Operation, StoreError};
use tokio::time::Instant;

use crate::cancel::Cancel;
use crate::events::{Event, Observer};

/// How long a run waits for a store that is busy or away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How long in all, from the first failure to the next success.
    pub total: Duration,
    /// The first pause; each one doubles.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            total: Duration::from_mins(10),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

/// Why a run stops between two operations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody asked for it.
    #[error("interrupted")]
    Cancelled,
    /// The store was busy or away for too long.
    #[error("the storage does not answer: {0}")]
    Store(String),
    /// The lock is another's.
    #[error("{0}")]
    Lock(String),
    /// What is done could not be recorded.
    #[error("the journal cannot be written: {0}")]
    Journal(String),
    /// Reading metadata again showed that the plan cannot go on.
    #[error("the plan could not be proved again: {0}")]
    Plan(String),
}

/// What was asked of the store. In safe mode a NameNode answers looks and refuses changes, so an answer to the one
/// says nothing about the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Look,
    Change,
}

impl Asked {
    fn of(operation: Operation) -> Self {
        match operation {
            Operation::Connect | Operation::List | Operation::Stat | Operation::Read => Self::Look,
            Operation::Rename
            | Operation::Delete
            | Operation::MakeDirectory
            | Operation::Write
            | Operation::Trash => Self::Change,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    looks_fail_since: Option<Instant>,
    changes_fail_since: Option<Instant>,
    pause: Option<Duration>,
    until: Option<Instant>,
    stopped: Option<Stop>,
}

impl State {
    fn fails_since(&mut self, asked: Asked) -> &mut Option<Instant> {
        match asked {
            Asked::Look => &mut self.looks_fail_since,
            Asked::Change => &mut self.changes_fail_since,
        }
    }
}

/// The pace of a run.
#[derive(Debug)]
pub(crate) struct Pace {
    waiting: Waiting,
    pub(crate) cancel: Cancel,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
}

impl Pace {
    pub(crate) fn new(waiting: Waiting, cancel: Cancel, observer: Arc<dyn Observer>) -> Self {
        Self { waiting, cancel, observer, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once it is time to begin something, or why nothing is begun any more.
    pub(crate) async fn turn(&self) -> Result<(), Stop> {
        loop {
            if self.cancel.is_cancelled() {
                self.stop(Stop::Cancelled);
            }
            let until = {
                let state = self.state();
                if let Some(stop) = &state.stopped {
                    return Err(stop.clone());
                }
                state.until
            };
            match until.and_then(|until| until.checked_duration_since(Instant::now())) {
                Some(rest) if !rest.is_zero() => self.cancel.sleep(rest).await,
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Notes that the store answered.
    pub(crate) fn succeeded(&self, asked: Asked) {
        let mut state = self.state();
        *state.fails_since(asked) = None;
        if state.looks_fail_since.is_none() && state.changes_fail_since.is_none() {
            state.pause = None;
            state.until = None;
        }
    }

    /// Notes that the store did not answer, and waits. Returns whether to go on.
    pub(crate) async fn failed(&self, error: &StoreError) -> bool {
        let pause = {
            let mut state = self.state();
            let now = Instant::now();
            let since = *state.fails_since(Asked::of(error.operation)).get_or_insert(now);
            if now.duration_since(since) >= self.waiting.total {
                state.stopped.get_or_insert_with(|| Stop::Store(error.to_string()));
                return false;
            }
            let resting = state.until.is_some_and(|until| until > now);
            // Of many that fail at once, only the first makes the pause longer.
            if !resting {
                let pause = state.pause.map_or(self.waiting.first, |pause| pause.saturating_mul(2));
                let pause = pause.min(self.waiting.longest);
                state.pause = Some(pause);
                state.until = Some(now + pause);
            }
            (!resting).then(|| state.pause.unwrap_or_default())
        };
        if let Some(pause) = pause {
            let why = format!("{error}; trying again in {}s", pause.as_secs().max(1));
            self.observer.event(&Event::Waiting { path: error.path.clone(), why });
        }
        self.turn().await.is_ok()
    }

    /// Lets nothing new begin.
    pub(crate) fn stop(&self, why: Stop) {
        self.state().stopped.get_or_insert(why);
    }

    /// Returns why nothing is begun any more.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.state().stopped.clone()
    }
}

#[cfg(test)]
mod tests {
    use chksweep_core::Location;
    use chksweep_store::{ErrorKind, Operation};

    use super::*;
    use crate::events::Quiet;

    fn busy() -> StoreError {
        StoreError::new(ErrorKind::Busy, Operation::Rename, &Location::local(b"/x"), "safe mode")
    }

    fn pace(total_ms: u64) -> Pace {
        let waiting = Waiting {
            total: Duration::from_millis(total_ms),
            first: Duration::from_millis(5),
            longest: Duration::from_millis(10),
        };
        Pace::new(waiting, Cancel::default(), Arc::new(Quiet))
    }

    #[tokio::test]
    async fn patience_ends_and_a_success_renews_it() {
        let pace = pace(40);
        assert!(pace.failed(&busy()).await);
        pace.succeeded(Asked::Look);
        pace.succeeded(Asked::Change);
        let mut waits = 0;
        while pace.failed(&busy()).await {
            waits += 1;
        }
        assert!(waits >= 2, "{waits}");
        assert!(matches!(pace.turn().await, Err(Stop::Store(_))));
    }

    #[tokio::test]
    async fn a_wish_to_stop_ends_a_pause() {
        let pace = Arc::new(Pace::new(Waiting::default(), Cancel::default(), Arc::new(Quiet)));
        let cancel = pace.cancel.clone();
        let waiting = Arc::clone(&pace);
        let task = tokio::spawn(async move { waiting.failed(&busy()).await });
        tokio::task::yield_now().await;
        cancel.cancel();
        assert!(!task.await.unwrap());
        assert_eq!(pace.stopped(), Some(Stop::Cancelled));
    }

    fn of(operation: Operation) -> StoreError {
        StoreError::new(ErrorKind::Busy, operation, &Location::local(b"/x"), "busy")
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_the_longest_and_of_many_failures_one_counts() {
        let pace = pace(1000);
        let begun = Instant::now();
        let passed = || Instant::now().duration_since(begun).as_millis();
        let (first, second) =
            tokio::join!(async { pace.failed(&busy()).await }, async { pace.failed(&busy()).await });
        assert!(first && second);
        assert_eq!(passed(), 5, "both wait once");
        pace.failed(&busy()).await;
        assert_eq!(passed(), 15);
        pace.failed(&busy()).await;
        assert_eq!(passed(), 25, "no longer than the longest");
        pace.succeeded(Asked::Change);
        pace.failed(&busy()).await;
        assert_eq!(passed(), 30, "after a success it begins anew");
    }

    /// What looks and what changes are asked of may differ: a safe mode answers looks.
    #[tokio::test(start_paused = true)]
    async fn a_look_that_succeeds_does_not_renew_the_patience_for_changes() {
        let pace = pace(20);
        let mut changes = 0;
        while pace.failed(&of(Operation::Rename)).await {
            pace.succeeded(Asked::Look);
            changes += 1;
            assert!(changes < 10);
        }
        assert!(matches!(pace.stopped(), Some(Stop::Store(_))));
    }
}
