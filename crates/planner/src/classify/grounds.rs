//! What the sweeps of a plan rest on, by directory, for the record: see [`chksweep_core::plan::Evidence`].
//!
//! Nothing is decided here. What the classification found is asked for again, only where something is swept, and
//! written down with the names and times that it was found by.

use std::collections::BTreeMap;
use std::sync::Arc;

use chksweep_core::plan::{DeadBy, Death, Decision, Decisions, Ground, Grounds, Rule, Witness};
use chksweep_core::{DirectoryId, NameRef, layout};

use super::World;
use super::files::Facts;
use crate::liveness::seen_before;
use crate::map::Role;

/// Returns the grounds of every directory in which something goes.
pub(super) fn of(world: &World<'_>, facts: &Facts, decisions: &Decisions) -> Grounds {
    let inventory = world.input.inventory;
    let mut by_directory = BTreeMap::new();
    for (id, _) in inventory.directories() {
        let swept = inventory.files_of(id).any(|(file, _)| is_swept(decisions.file(file).rule));
        if swept || is_swept(decisions.directory(id).rule) {
            by_directory.insert(id, Arc::new(ground(world, facts, decisions, id)));
        }
    }
    Grounds { by_directory }
}

fn is_swept(rule: Rule) -> bool {
    rule.decision() == Decision::Sweep
}

fn ground(world: &World<'_>, facts: &Facts, decisions: &Decisions, id: DirectoryId) -> Ground {
    let inventory = world.input.inventory;
    let owner = world.map.owner(id);
    let passed = || {
        inventory.files_of(id).any(|(file, details)| {
            decisions.file(file).rule == Rule::UnreferencedShared
                && facts.is_behind_frontier(world, id, details.modified)
        })
    };
    let overtaken_by = if let Role::Checkpoint(number) = world.map.role(id) {
        facts.overtaken_by(world, id, number)
    } else {
        None
    };
    let metadata = inventory.find_file(id, NameRef::new(layout::METADATA));
    let beside = metadata.and_then(|file| facts.by_file.get(&file)).and_then(|read| read.last());
    Ground {
        frontier: owner
            .filter(|_| passed())
            .and_then(|owner| facts.frontier(owner))
            .and_then(|one| witness(world, one.at)),
        overtaken_by: overtaken_by.and_then(|one| witness(world, one.at)),
        beside: beside.and_then(|at| witness(world, *at)),
        dead: death(world, id),
        same_since: same_since(world, id).filter(|_| matches!(world.map.role(id), Role::Savepoint(_))),
        policy: beside.and_then(|at| world.retention.policy_of(*at)).map(ToOwned::to_owned).or_else(|| {
            let declared = world.input.policy.incomplete_savepoints && metadata.is_none();
            declared.then(|| "incomplete-savepoints".to_owned())
        }),
    }
}

fn witness(world: &World<'_>, snapshot: usize) -> Option<Witness> {
    let snapshot = world.snapshots.get(snapshot)?;
    Some(Witness {
        path: snapshot.file.location.to_string(),
        checkpoint_id: snapshot.content.checkpoint_id,
        mtime: snapshot.file.modified,
    })
}

fn death(world: &World<'_>, id: DirectoryId) -> Option<Death> {
    let owner = world.map.owner(id).filter(|owner| world.liveness.is_dead(*owner))?;
    let job = world.map.job_directories.get(owner)?.directory;
    let by = if world.liveness.is_declared_dead(owner) { DeadBy::Declared } else { DeadBy::Quiescence };
    Some(Death {
        by,
        directory: world.input.inventory.directory(job).location.to_string(),
        last_activity: world.liveness.last_activity(owner),
        same_since: same_since(world, job),
    })
}

/// Since when every look saw a directory as it is; nothing where this is the first.
fn same_since(world: &World<'_>, id: DirectoryId) -> Option<chksweep_core::Timestamp> {
    let location = world.input.inventory.directory(id).location.to_string();
    let seen = seen_before(world.input, &world.liveness.looks, &location);
    world.liveness.looks.directories.get(&location).filter(|_| seen).map(|look| look.since)
}
