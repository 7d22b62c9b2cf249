//! What a look or a run is about, and what surrounds it.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use chksweep_core::{Equivalence, Location, Policy, Timestamp};
use chksweep_engine::cancel::Cancel;
use chksweep_engine::collect::{ClockCheck, Limits};
use chksweep_engine::{Observer, looks};

/// Tells the time of this machine.
pub trait Clock: Debug + Send + Sync {
    /// Returns the time.
    fn now(&self) -> Timestamp;
}

/// What every look and run has around it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The clock of this machine.
    pub clock: Arc<dyn Clock>,
    /// Who listens to what happens.
    pub observer: Arc<dyn Observer>,
    /// Whether somebody asked to stop.
    pub cancel: Cancel,
    /// The limits of a look; how many operations are under way at a time, too.
    pub limits: Limits,
}

/// What is to be looked at, and what may go.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Where may be swept.
    pub roots: Vec<Location>,
    /// What is read for references only.
    pub reference_roots: Vec<Location>,
    /// Pins of the configuration.
    pub pins: Vec<Location>,
    /// What may go.
    pub policy: Policy,
    /// Which spellings are one place.
    pub equivalence: Equivalence,
    /// Where records of runs are kept on this machine; nothing where there is no place for them.
    pub state_dir: Option<PathBuf>,
}

impl Scope {
    /// Returns every place that is looked at.
    pub fn places(&self) -> impl Iterator<Item = &Location> {
        self.roots.iter().chain(&self.reference_roots)
    }

    /// Returns where what was seen is remembered on this machine.
    pub fn looks_path(&self) -> Option<PathBuf> {
        let state_dir = self.state_dir.as_deref()?;
        Some(looks::local_path(state_dir, &self.roots, &self.equivalence))
    }

    /// Returns the roots, each place once, none within another.
    pub fn distinct_roots(&self) -> Vec<Location> {
        let equivalence = &self.equivalence;
        let mut kept: Vec<&Location> = Vec::new();
        for root in &self.roots {
            let place = equivalence.canonical(root);
            let others = self.roots.iter().filter(|other| *other != root);
            let inside = others
                .map(|other| equivalence.canonical(other))
                .any(|other| other != place && place.is_within(&other));
            if !inside && !kept.iter().any(|other| equivalence.canonical(other) == place) {
                kept.push(root);
            }
        }
        kept.into_iter().cloned().collect()
    }
}

/// By which clock a look goes.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// When the look begins.
    pub now: Timestamp,
    /// From when ages are counted.
    pub as_of: Timestamp,
    /// What files from the future mean.
    pub check: ClockCheck,
}
