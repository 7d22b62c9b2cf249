//! What a run did, for people, programs and exit codes.

use chksweep_core::{Location, Timestamp};
use serde::Serialize;

use crate::journal::{Count, Mode, Outcome, Totals};
use crate::pace::Stop;

/// Why something that the approved plan sweeps is not even begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DroppedWhy {
    /// It is not there any more.
    Gone,
    /// It is not what the approved plan saw.
    Changed,
    /// The plan made just now does not sweep it.
    NotSwept,
    /// Its job was excluded.
    Excluded,
}

/// Something that the approved plan sweeps and that is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The path.
    pub path: Location,
    /// Why.
    pub why: DroppedWhy,
    /// Why, in words.
    pub message: String,
}

/// An operation that did not go as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// The path.
    pub path: Location,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub message: String,
}

/// What an executing run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionReport {
    /// The run.
    pub run_id: String,
    /// What swept paths became.
    pub mode: Mode,
    /// What became of the operations; those never begun are counted as `not-started`.
    pub outcomes: Totals,
    /// Everything that did not go as planned.
    pub incidents: Vec<Incident>,
    /// What the approved plan sweeps and was not begun, since it changed or is no longer swept.
    pub dropped: Vec<Dropped>,
    /// Where the run set things aside.
    pub quarantine: Vec<Location>,
    /// From when on that can be purged, as far as time decides; the caller knows `purge-after`.
    pub purgeable_from: Option<Timestamp>,
    /// Whether somebody asked the run to stop.
    pub interrupted: bool,
    /// Why it stopped before it was through, if it did.
    pub stopped: Option<String>,
}

impl ExecutionReport {
    /// Returns the count of one outcome.
    pub fn count(&self, outcome: Outcome) -> Count {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// Returns whether the run is only partly done: exit code 6, unless another goes before it.
    pub fn is_partly_done(&self) -> bool {
        self.stopped.is_some()
            || self.outcomes.iter().any(|(outcome, n)| outcome.is_failure() && n.operations > 0)
    }

    pub(crate) fn note(&mut self, path: &Location, outcome: Outcome, message: Option<&str>) {
        let quiet = matches!(outcome, Outcome::Done | Outcome::AlreadyGone | Outcome::NotStarted);
        if !quiet {
            let message = message.unwrap_or("").to_owned();
            self.incidents.push(Incident { path: path.clone(), outcome, message });
        }
    }

    pub(crate) fn stopped_by(&mut self, stop: &Stop) {
        self.interrupted = *stop == Stop::Cancelled;
        self.stopped = Some(stop.to_string());
    }
}
