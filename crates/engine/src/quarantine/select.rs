//! Which quarantined files somebody means.

use std::collections::BTreeSet;

use chksweep_core::plan::{JobState, JobSummary};
use chksweep_core::{Equivalence, JobId, Location, layout};

use crate::collected::{QuarantinedFile, QuarantinedRun};

/// Runs, jobs and paths; each kind narrows the others, and none of a kind means all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The ids of runs.
    pub runs: Vec<String>,
    /// The ids of jobs.
    pub jobs: Vec<JobId>,
    /// Old places, or places in the quarantine: of a directory, all below it.
    pub paths: Vec<Location>,
    /// Everything, when nothing else is said.
    pub all: bool,
}

impl Selection {
    /// Returns whether nothing at all was said.
    pub fn is_empty(&self) -> bool {
        !self.all && self.runs.is_empty() && self.jobs.is_empty() && self.paths.is_empty()
    }

    /// Returns whether a run can hold something that is meant.
    pub fn takes_run(&self, run_id: &str) -> bool {
        !self.is_empty() && (self.runs.is_empty() || self.runs.iter().any(|run| run == run_id))
    }

    /// Returns whether a file is meant.
    pub fn takes(&self, run: &QuarantinedRun, file: &QuarantinedFile, equivalence: &Equivalence) -> bool {
        self.takes_place(run, &file.location, &file.original, equivalence)
    }

    /// Returns whether a place in a quarantine is meant, by where it is or where it was.
    pub(super) fn takes_place(
        &self,
        run: &QuarantinedRun,
        location: &Location,
        original: &Location,
        equivalence: &Equivalence,
    ) -> bool {
        let at = equivalence.canonical(original);
        let by_path =
            |path: &Location| at.is_within(&equivalence.canonical(path)) || location.is_within(path);
        let job = layout::job_of(original);
        self.takes_run(&run.run_id)
            && (self.paths.is_empty() || self.paths.iter().any(by_path))
            && (self.jobs.is_empty() || job.is_some_and(|job| self.jobs.contains(&job)))
    }
}

/// Returns the directories of the jobs that a plan proves dead, as printed.
pub fn dead_directories(jobs: &[JobSummary]) -> BTreeSet<String> {
    let dead = jobs.iter().filter(|job| job.state == Some(JobState::Dead));
    dead.flat_map(|job| job.directories.iter().cloned()).collect()
}
