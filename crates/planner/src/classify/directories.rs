//! The verdict on each directory itself, after all that lies in it is decided.
//!
//! A directory goes only when Flink made it, when it is empty or left empty by this very plan, and when nobody
//! needs the directory as such. Otherwise its own verdict follows what lies in it, so that one entry can stand for
//! all: a directory full of deferred files is deferred.

use std::collections::BTreeMap;

use chksweep_core::plan::{Decision, Decisions, Rule, Verdict};
use chksweep_core::{DirectoryId, JobId, Listing};

use super::files::{Facts, MetadataState, incomplete_savepoint_held};
use super::{World, overlay};
use crate::map::Role;

/// Decides on every directory, innermost first.
pub(super) fn decide(world: &World<'_>, facts: &Facts, decisions: &mut Decisions) {
    let inventory = world.input.inventory;
    let kept_of_job = kept_snapshots_by_job(world);
    // A parent comes before what lies below it: going backwards, what lies below is decided first.
    let mut whole: Vec<bool> = vec![false; inventory.directory_count()];
    for (id, _) in inventory.directories().rev() {
        let below = Below::new(world, decisions, &whole, id);
        let verdict = overlay::apply(world, id, None, own(world, facts, &kept_of_job, id, &below));
        decisions.set_directory(id, verdict);
        if let Some(slot) = whole.get_mut(id.index()) {
            *slot = verdict.decision() == Decision::Sweep;
        }
    }
}

/// What lies directly in a directory, in short.
struct Below {
    /// The one decision of all of it, with its most frequent verdict; nothing when mixed or empty.
    uniform: Option<Verdict>,
    empty: bool,
    /// Whether all of it goes in this plan.
    all_swept: bool,
}

impl Below {
    fn new(world: &World<'_>, decisions: &Decisions, whole: &[bool], id: DirectoryId) -> Self {
        let inventory = world.input.inventory;
        let files = inventory.files_of(id).map(|(file, _)| decisions.file(file));
        let children = inventory.children_of(id).iter().map(|child| decisions.directory(*child));
        let mut counts: BTreeMap<Rule, (u64, Verdict)> = BTreeMap::new();
        for verdict in files.chain(children) {
            counts.entry(verdict.rule).or_insert((0, verdict)).0 += 1;
        }
        let mut kinds: Vec<Decision> = counts.keys().map(|rule| rule.decision()).collect();
        kinds.dedup();
        let one = kinds.len() == 1;
        let most = counts.into_values().max_by_key(|(count, _)| *count).map(|(_, verdict)| verdict);
        let swept_children =
            inventory.children_of(id).iter().all(|child| whole.get(child.index()).copied().unwrap_or(false));
        Self {
            uniform: most.filter(|_| one),
            empty: most.is_none(),
            all_swept: one && most.is_some_and(|v| v.decision() == Decision::Sweep) && swept_children,
        }
    }
}

fn own(world: &World<'_>, facts: &Facts, kept_of_job: &[bool], id: DirectoryId, below: &Below) -> Verdict {
    let inventory = world.input.inventory;
    let directory = inventory.directory(id);
    if directory.parent.is_none() {
        return Verdict::new(Rule::Structure);
    }
    if world.map.is_partial(id) || directory.listing != Listing::Complete {
        return Verdict::new(Rule::PartialListing);
    }
    if world.naming.is_directory_pinned(id) {
        return Verdict::new(Rule::Pinned);
    }
    if world.naming.is_directory_named(id) {
        return Verdict::new(Rule::NamedDirectory);
    }
    if below.empty || below.all_swept {
        return emptied(world, facts, kept_of_job, id);
    }
    match below.uniform {
        Some(verdict) if matches!(verdict.decision(), Decision::Defer | Decision::Skip) => verdict,
        _ => Verdict::new(Rule::Structure),
    }
}

/// A directory that is empty, or left empty by this plan.
fn emptied(world: &World<'_>, facts: &Facts, kept_of_job: &[bool], id: DirectoryId) -> Verdict {
    let role = world.map.role(id);
    match role {
        Role::Unknown | Role::Opaque => Verdict::new(Rule::UnknownName),
        Role::Checkpoint(_) if facts.metadata(world, id) == MetadataState::Appeared => {
            Verdict::new(Rule::InProgress)
        }
        Role::Checkpoint(_) | Role::ForStProbe => {
            let young = world.young(world.input.inventory.directory(id).modified);
            young.unwrap_or(Verdict::new(Rule::EmptyDirectory))
        }
        Role::Savepoint(_) => match facts.metadata(world, id) {
            MetadataState::Absent => {
                incomplete_savepoint_held(world, id).unwrap_or(Verdict::new(Rule::IncompleteSavepoint))
            }
            // Its `_metadata` is being retired and was all there was: the directory follows in a later run.
            MetadataState::Readable | MetadataState::Unreadable | MetadataState::Appeared => {
                Verdict::new(Rule::Structure)
            }
        },
        // With files in it, it goes with them; without, as any empty directory of its job.
        Role::ForStAttempt | Role::ForStDatabase | Role::Merged if holds_files(world, id) => {
            if world.is_dead_with_users(id) {
                Verdict::new(Rule::UnreferencedRunningState)
            } else {
                world.job_not_dead(id)
            }
        }
        Role::ForStAttempt | Role::ForStDatabase | Role::Merged | Role::Changelog => {
            of_job(world, kept_of_job, id, world.is_dead_with_users(id))
        }
        // A directory that is a job's only by what it holds has a name that somebody gave it.
        Role::Job if JobId::parse(world.input.inventory.directory(id).location.name()).is_none() => {
            Verdict::new(Rule::Structure)
        }
        Role::Job | Role::Shared | Role::TaskOwned => of_job(world, kept_of_job, id, world.is_dead(id)),
    }
}

fn holds_files(world: &World<'_>, id: DirectoryId) -> bool {
    let inventory = world.input.inventory;
    inventory.files_of(id).len() > 0
        || inventory.children_of(id).iter().any(|child| holds_files(world, *child))
}

/// A directory that a job makes once: it goes only with the job.
fn of_job(world: &World<'_>, kept_of_job: &[bool], id: DirectoryId, dead: bool) -> Verdict {
    let of_root = world.input.inventory.directory(id).parent.is_none_or(|parent| {
        world.input.inventory.directory(parent).parent.is_none() && world.map.role(parent) == Role::Job
    });
    let kept = world.map.job(id).is_none_or(|job| kept_of_job.get(job).copied().unwrap_or(true));
    match (of_root || kept, dead) {
        (true, _) => Verdict::new(Rule::Structure),
        (false, false) => world.job_not_dead(id),
        (false, true) => Verdict::new(Rule::EmptyDirectory),
    }
}

/// For each job, whether a snapshot of it is kept, in its directories or in quarantine for less than `min-age`.
fn kept_snapshots_by_job(world: &World<'_>) -> Vec<bool> {
    let mut kept = vec![false; world.map.jobs.len()];
    for snapshot in world.snapshots.iter().filter(|snapshot| snapshot.names) {
        let home = snapshot.home.as_ref();
        let directory = snapshot
            .directory
            .or_else(|| home.and_then(|home| crate::map::Map::innermost(world.input.inventory, home)));
        if let Some(slot) = directory.and_then(|id| world.map.job(id)).and_then(|job| kept.get_mut(job)) {
            *slot = true;
        }
    }
    for file in world.input.metadata.iter().filter(|file| file.content.is_err()) {
        let directory = crate::map::Map::innermost(world.input.inventory, &file.location);
        if let Some(slot) = directory.and_then(|id| world.map.job(id)).and_then(|job| kept.get_mut(job)) {
            *slot = true;
        }
    }
    kept
}
