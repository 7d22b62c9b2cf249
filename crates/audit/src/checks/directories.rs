//! A directory goes only if Flink made it, nothing is left in it, and nobody will write to it again.

use chksweep_core::plan::{Decision, Place, Rule};
use chksweep_core::{DirectoryId, JobId, NameRef};

use super::Evidence;
use super::checkpoint::against_incomplete_savepoint;
use super::state::against_running_state;
use crate::report::Report;
use crate::view::{SweptDirectory, View, Zone};

/// Whatever lies in a swept directory is swept as well; also what appeared after the candidates were listed.
pub(super) fn check_left_empty(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let appeared = appeared_in(view);
    for swept in &view.directories {
        let stays = first_that_stays(view, swept.directory);
        if let Some(what) = stays {
            let message = format!("{what} in it stays");
            report.at("left-empty", view.location(swept.directory), &message);
        }
        if appeared.binary_search(&swept.directory).is_ok() {
            let message = "metadata appeared in it after it was listed";
            report.at("left-empty", view.location(swept.directory), message);
        }
    }
}

fn first_that_stays(view: &View<'_>, directory: DirectoryId) -> Option<String> {
    let (inventory, decisions) = (view.input.inventory, view.decisions());
    let file = inventory
        .files_of(directory)
        .find(|(id, _)| decisions.file(*id).decision() != Decision::Sweep)
        .map(|(_, file)| String::from_utf8_lossy(&inventory.name_of(file).to_vec()).into_owned());
    file.or_else(|| {
        let mut children = inventory.children_of(directory).iter();
        let stays = children.find(|id| decisions.directory(**id).decision() != Decision::Sweep)?;
        Some(String::from_utf8_lossy(view.location(*stays).name()).into_owned())
    })
}

/// Returns the directories in which metadata was found that the listing of the candidates did not see, with all
/// directories above.
fn appeared_in(view: &View<'_>) -> Vec<DirectoryId> {
    let mut appeared = Vec::new();
    for file in view.input.metadata {
        match &file.place {
            Place::Sweep | Place::Reference => {}
            Place::Quarantined { .. } => continue,
        }
        let name = NameRef::new(file.location.name());
        let parent = file.location.parent();
        let directory = parent.as_ref().and_then(|parent| view.just_at(parent));
        if directory.is_some_and(|id| view.input.inventory.find_file(id, name).is_some()) {
            continue;
        }
        let mut above = parent;
        while let Some(location) = above {
            appeared.extend(view.just_at(&location));
            above = location.parent();
        }
    }
    crate::fingerprint::tidy(&mut appeared);
    appeared
}

/// A swept directory is one that Flink makes, and the conditions hold under which one of its kind may go.
pub(super) fn check_swept_directories(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    for swept in &view.directories {
        let against = if rule_takes(swept.rule, view.area(swept.directory).zone) {
            against_directory(evidence, *swept)
        } else {
            Some("its rule takes no such directory")
        };
        if let Some(message) = against {
            report.at("directory", view.location(swept.directory), message);
        }
    }
}

fn rule_takes(rule: Rule, zone: Zone) -> bool {
    match zone {
        Zone::Outer | Zone::Strange => false,
        Zone::Checkpoint(_) => {
            matches!(rule, Rule::EmptyDirectory | Rule::AbandonedCheckpoint | Rule::ExpiredJob)
        }
        Zone::Savepoint(_) => matches!(rule, Rule::EmptyDirectory | Rule::IncompleteSavepoint),
        Zone::Job | Zone::Shared | Zone::TaskOwned | Zone::Changelog => {
            matches!(rule, Rule::EmptyDirectory | Rule::ExpiredJob)
        }
        Zone::Merged | Zone::Attempt | Zone::Database | Zone::Probe => {
            matches!(rule, Rule::EmptyDirectory | Rule::UnreferencedRunningState | Rule::ExpiredJob)
        }
    }
}

fn against_directory(evidence: &Evidence<'_>, swept: SweptDirectory) -> Option<&'static str> {
    let view = &evidence.view;
    let modified = view.input.inventory.directory(swept.directory).modified;
    let young = (!view.is_past_min_age(modified)).then_some("it is not older than min-age");
    match view.area(swept.directory).zone {
        Zone::Outer | Zone::Strange => Some("Flink makes no such directory"),
        // A `_metadata` that this plan takes leaves its directory empty; any other file of one keeps it.
        Zone::Checkpoint(_) | Zone::Probe => young,
        Zone::Savepoint(_) => young.or_else(|| against_incomplete_savepoint(evidence, swept.directory)),
        Zone::Job if view.job_id(swept.directory).is_none() => Some("its name is not one that Flink gives"),
        Zone::Job | Zone::Shared | Zone::TaskOwned | Zone::Changelog => {
            against_job_directory(evidence, swept)
        }
        Zone::Merged | Zone::Attempt | Zone::Database => {
            // With files in it, it goes with them; without, as any empty directory of its job.
            if holds_files(view, swept.directory) {
                against_running_state(evidence, swept.directory)
            } else {
                against_job_directory(evidence, swept)
            }
        }
    }
}

fn holds_files(view: &View<'_>, directory: DirectoryId) -> bool {
    let inventory = view.input.inventory;
    inventory.files_of(directory).len() > 0
        || inventory.children_of(directory).iter().any(|child| holds_files(view, *child))
}

/// A directory of a job goes only when the job is dead and has no checkpoint that stays.
fn against_job_directory(evidence: &Evidence<'_>, swept: SweptDirectory) -> Option<&'static str> {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let Some(at) = view.area(swept.directory).job else { return Some("it belongs to no job") };
    let narrow = (view.area(swept.directory).zone == Zone::Merged)
        .then(|| super::place::merged_job(view.location(swept.directory).name()))
        .flatten();
    if !jobs.is_dead(Some(at)) && !narrow.is_some_and(|id| jobs.is_dead_id(view, id)) {
        return Some("its job is not proved dead");
    }
    let id = jobs.get(at).and_then(|job| job.id);
    has_kept_checkpoint(evidence, at, id).then_some("a kept checkpoint of its job may need it")
}

fn has_kept_checkpoint(evidence: &Evidence<'_>, at: usize, id: Option<JobId>) -> bool {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let group: Vec<usize> = id.map_or_else(|| vec![at], |id| jobs.of_id(id).to_vec());
    group.iter().filter_map(|at| jobs.get(*at)).any(|job| {
        let snapshots = evidence.snapshots.of_job(view, view.location(job.directory));
        snapshots.iter().any(|snapshot| !snapshot.retired)
    })
}
