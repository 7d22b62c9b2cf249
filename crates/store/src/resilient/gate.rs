//! How long to pause, and the gate at which all changes wait when one of them met a store that is away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Patience;

/// What one call goes through: since when it fails, and how long it pauses next.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    pause: Duration,
}

impl Trouble {
    pub(super) fn new(patience: &Patience) -> Self {
        Self { since: Instant::now(), pause: patience.first_pause }
    }

    /// Returns the next pause, or nothing when it would last beyond patience: this call's, or the store's that
    /// has been `away` so long already.
    pub(super) fn next_pause(&mut self, patience: &Patience, away: Duration) -> Option<Duration> {
        let pause = self.pause;
        let spent = self.since.elapsed().max(away);
        self.pause = pause.saturating_mul(2).min(patience.longest_pause);
        (spent.saturating_add(pause) <= patience.total).then_some(pause)
    }
}

/// Knows since when nothing succeeds, and holds everybody back for a while after a failure.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Goes up with each closing, so that those who fail together close the gate once.
    generation: u64,
    failing_since: Option<Instant>,
    closed_until: Option<Instant>,
    pause: Duration,
}

/// The pass of one attempt through the gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass(u64);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open.
    pub(super) async fn pass(&self) -> Pass {
        loop {
            let (pass, until) = {
                let state = self.lock();
                (Pass(state.generation), state.closed_until)
            };
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                Some(_) | None => return pass,
            }
        }
    }

    /// Closes the gate for a pause, the longer the oftener, unless another attempt of the same time has done so.
    /// Returns how long nothing has succeeded.
    pub(super) fn fail(&self, pass: Pass, patience: &Patience) -> Duration {
        let now = Instant::now();
        let mut state = self.lock();
        if state.generation == pass.0 {
            let pause = if state.failing_since.is_none() { patience.first_pause } else { state.pause };
            state.generation += 1;
            state.closed_until = Some(now + pause);
            state.pause = pause.saturating_mul(2).min(patience.longest_pause);
        }
        let since = *state.failing_since.get_or_insert(now);
        now.saturating_duration_since(since)
    }

    /// Notes that the store answered; an answer to what was sent before the last closing says nothing.
    pub(super) fn succeed(&self, pass: Pass) {
        let mut state = self.lock();
        if state.generation == pass.0 {
            state.failing_since = None;
            state.closed_until = None;
        }
    }

    /// Notes a failure without closing the gate. Returns how long nothing has succeeded.
    pub(super) fn fail_now(&self) -> Duration {
        let now = Instant::now();
        let since = *self.lock().failing_since.get_or_insert(now);
        now.saturating_duration_since(since)
    }

    /// Notes that the store answered.
    pub(super) fn succeed_now(&self) {
        self.lock().failing_since = None;
    }
}
