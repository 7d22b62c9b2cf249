//! One verdict for every file and every directory.
//!
//! A file is swept only at the end of a chain of conditions that all hold; every branch before that keeps, defers
//! or skips, and says which. First come the reasons to keep that hold anywhere (pinned, named), then what the place
//! of the file demands, then what holds whole jobs or the whole plan back.

mod directories;
mod files;
mod grounds;
mod overlay;

use chksweep_core::plan::{Decisions, Grounds, PlanInput, Rule, Verdict};
use chksweep_core::{Age, DirectoryId, FileId, Timestamp, layout};

use crate::guards::Guards;
use crate::liveness::Liveness;
use crate::map::{Map, Role};
use crate::naming::{Naming, Snapshot};
use crate::retention::Retention;

/// Everything that the steps before found out.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) input: &'a PlanInput<'a>,
    pub(crate) map: &'a Map,
    pub(crate) snapshots: &'a [Snapshot<'a>],
    pub(crate) naming: &'a Naming,
    pub(crate) liveness: &'a Liveness,
    pub(crate) retention: &'a Retention,
    pub(crate) guards: &'a Guards,
}

/// Decides on every listed path, and says what the sweeps rest on.
pub(crate) fn classify(world: &World<'_>) -> (Decisions, Grounds) {
    let inventory = world.input.inventory;
    let mut decisions = Decisions::new(inventory, Verdict::new(Rule::UnknownName));
    let facts = files::Facts::new(world);
    for (directory, _) in inventory.directories() {
        let verdicts = files::of_directory(world, &facts, directory);
        for ((id, file), verdict) in inventory.files_of(directory).zip(verdicts) {
            decisions.set_file(id, overlay::apply(world, directory, Some(file), verdict));
        }
    }
    directories::decide(world, &facts, &mut decisions);
    let grounds = grounds::of(world, &facts, &decisions);
    (decisions, grounds)
}

impl World<'_> {
    /// Returns the verdict on something that is too young, if it is: younger than `min-age`, without a time, or
    /// from the future.
    pub(crate) fn young(&self, modified: Timestamp) -> Option<Verdict> {
        self.younger_than(modified, self.input.policy.min_age)
    }

    /// As [`World::young`], for another age.
    pub(crate) fn younger_than(&self, modified: Timestamp, age: Age) -> Option<Verdict> {
        if modified.0 <= 0 || modified > self.input.as_of {
            return Some(Verdict::new(Rule::Young));
        }
        (self.input.as_of.since(modified) <= age).then(|| Verdict::until(Rule::Young, modified.plus(age)))
    }

    /// Returns the verdict on what waits for the death of its job.
    pub(crate) fn job_not_dead(&self, directory: DirectoryId) -> Verdict {
        let until = self.map.owner(directory).and_then(|owner| self.liveness.quiescent_at(owner));
        until.map_or(Verdict::new(Rule::JobNotDead), |until| Verdict::until(Rule::JobNotDead, until))
    }

    /// Returns whether the job of this directory is proved dead.
    pub(crate) fn is_dead(&self, directory: DirectoryId) -> bool {
        self.map.owner(directory).is_some_and(|owner| self.liveness.is_dead(owner))
    }

    /// Returns whether the job of this directory is proved dead, and so is every job that uses anything in it.
    pub(crate) fn is_dead_with_users(&self, directory: DirectoryId) -> bool {
        self.map.owner(directory).is_some_and(|owner| self.liveness.is_dead_with_users(owner))
            && self.is_dead_by_name(directory)
    }

    /// An id in the name of a file-merging directory narrows: it belongs to that job, wherever it lies.
    fn is_dead_by_name(&self, directory: DirectoryId) -> bool {
        let Some(owner) = self.map.job(directory).and_then(|job| self.map.jobs.get(job)) else {
            return false;
        };
        let named = layout::job_of_merged(self.input.inventory.directory(directory).location.name());
        let Some(named) = named.filter(|_| self.map.role(directory) == Role::Merged) else { return true };
        match owner.id {
            Some(id) if id != named => {
                let job = self.map.jobs.iter().position(|job| job.id == Some(named));
                job.is_some_and(|job| self.liveness.is_job_dead(self.map, job))
            }
            Some(_) | None => true,
        }
    }

    /// Returns the verdict that keeps a file wherever it lies, if there is one.
    pub(crate) fn kept(&self, directory: DirectoryId, id: FileId) -> Option<Rule> {
        let file = self.input.inventory.file(id);
        if self.naming.is_pinned(id) {
            Some(Rule::Pinned)
        } else if self.naming.is_named(id) {
            Some(Rule::Named)
        } else if self.naming.is_directory_named(directory) {
            Some(Rule::NamedDirectory)
        } else if self.naming.is_base_name(self.input.inventory.name_of(file)) {
            Some(Rule::NamedByBaseName)
        } else {
            None
        }
    }
}
