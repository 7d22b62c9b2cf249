//! How much of the limits may be used: the additive increase and multiplicative decrease of TCP.
//!
//! The share falls to 7/10 when a call is refused as busy, breaks or times out, or when latency has risen: the
//! recent average (of the last few answers) is above four times the usual one and above a floor of 20 ms, below
//! which a slow answer means nothing. It falls at most once a second, so that a burst of bad answers counts once.
//! After each second without a fall in which something was answered it rises by 1/20 of the whole. The usual
//! latency follows the recent one: down at once, up by 1/1024 of the difference per second, so that a cluster that
//! is slower for good is accepted after some five minutes, at the least share.

use std::time::Duration;

use tokio::time::Instant;

/// A share of everything, in thousandths.
pub const WHOLE: u32 = 1000;
/// The least share: 1/16.
pub const LEAST: u32 = WHOLE / 16;

const STEP_UP: u32 = WHOLE / 20;
const INTERVAL: Duration = Duration::from_secs(1);
const FLOOR: Duration = Duration::from_millis(20);
const RISEN: u32 = 4;

/// What is known of the load of a store.
#[derive(Debug)]
pub(super) struct Load {
    share: u32,
    recent: Option<Duration>,
    usual: Duration,
    /// When the usual latency last went up.
    drifted: Option<Instant>,
    /// When the share last changed.
    changed: Option<Instant>,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { share: WHOLE, recent: None, usual: Duration::ZERO, drifted: None, changed: None }
    }

    /// Returns the share of the limits that may be used now, in thousandths.
    pub(super) fn share(&self) -> u32 {
        self.share
    }

    /// Takes the latency of an answer.
    pub(super) fn answered(&mut self, now: Instant, latency: Duration) {
        let recent = self.recent.map_or(latency, |recent| (recent * 7 + latency) / 8);
        self.usual = match self.recent {
            Some(_) => self.usual.min(recent),
            None => latency,
        };
        if is_due(self.drifted, now) {
            self.usual += recent.saturating_sub(self.usual) / 1024;
            self.drifted = Some(now);
        }
        self.recent = Some(recent);
        if recent > FLOOR && recent > self.usual * RISEN {
            self.lower(now);
        } else {
            self.raise(now);
        }
    }

    /// Takes a refusal, a broken connection or a deadline.
    pub(super) fn suffered(&mut self, now: Instant) {
        self.lower(now);
    }

    fn lower(&mut self, now: Instant) {
        if is_due(self.changed, now) {
            self.share = (self.share * 7 / 10).max(LEAST);
            self.changed = Some(now);
        }
    }

    fn raise(&mut self, now: Instant) {
        if self.share < WHOLE && is_due(self.changed, now) {
            self.share = (self.share + STEP_UP).min(WHOLE);
            self.changed = Some(now);
        }
    }
}

/// Whether the last time is an interval ago.
fn is_due(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL)
}
