//! What holds whole jobs, or the whole plan, back: applied to each verdict last.

use std::collections::BTreeSet;

use chksweep_core::plan::{Decision, Rule, Verdict};
use chksweep_core::{DirectoryId, File, layout};

use super::World;
use crate::guards::Hold;
use crate::map::Role;

/// Returns the verdict after unreadable metadata, inconsistent jobs and the selection of jobs had their say. Only
/// what would be swept is held back; with a selection also what is deferred.
pub(super) fn apply(
    world: &World<'_>,
    directory: DirectoryId,
    file: Option<&File>,
    verdict: Verdict,
) -> Verdict {
    let location = &world.input.inventory.directory(directory).location;
    let undecided = matches!(verdict.decision(), Decision::Sweep | Decision::Defer);
    if undecided && !world.input.policy.selects(layout::job_of(location)) {
        return Verdict::new(Rule::NotSelected);
    }
    if verdict.decision() != Decision::Sweep {
        return verdict;
    }
    if is_held(world, directory, file, verdict.rule) {
        return Verdict::new(Rule::UnreadableMetadata);
    }
    if world.map.job(directory).is_some_and(|job| world.guards.inconsistent.contains(&job)) {
        return Verdict::new(Rule::InconsistentJob);
    }
    verdict
}

fn is_held(world: &World<'_>, directory: DirectoryId, file: Option<&File>, rule: Rule) -> bool {
    let harmless = rule == Rule::StagingFile || (file.is_none() && rule == Rule::EmptyDirectory);
    match &world.guards.hold {
        Hold::Nothing => false,
        Hold::Everything => true,
        Hold::AllState { jobs } => !harmless || is_of(world, directory, jobs),
        Hold::SharedState { jobs } => {
            is_of(world, directory, jobs) || (!harmless && is_shared_state(world, directory))
        }
    }
}

fn is_of(world: &World<'_>, directory: DirectoryId, jobs: &BTreeSet<usize>) -> bool {
    world.map.job(directory).is_some_and(|job| jobs.contains(&job))
}

/// Shared, task-owned, changelog and ForSt state can be named from anywhere.
fn is_shared_state(world: &World<'_>, directory: DirectoryId) -> bool {
    matches!(
        world.map.role(directory),
        Role::Shared
            | Role::TaskOwned
            | Role::Changelog
            | Role::Merged
            | Role::ForStDatabase
            | Role::ForStAttempt
    )
}
