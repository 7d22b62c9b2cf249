//! Checkpoints and savepoints that were never completed, and what lies beside completed ones.

use chksweep_core::plan::{Look, Rule};
use chksweep_core::policy::DeadJob;
use chksweep_core::{Age, JobId, Kind};

use crate::world::{A, NOW, Says, World, days, hours, uuid};

fn metadata(number: u64) -> String {
    format!("/r/{A}/chk-{number}/_metadata")
}

#[test]
fn what_lies_beside_metadata_needs_that_to_be_readable() {
    let file = format!("/r/{A}/chk-5/{}", uuid(1));
    let mut world = World::new("/r");
    world.says(Says::at(&metadata(5))).file(&file).sweep(&file, Rule::UnreferencedExclusive);
    world.passes();
    let mut world = World::new("/r");
    world.says(Says::at(&metadata(6))).file(&file).sweep(&file, Rule::UnreferencedExclusive);
    world.refused(&["exclusive-beside-metadata"]);
    let mut world = World::new("/r");
    world
        .says(Says::at(&metadata(6)))
        .says(Says::at(&metadata(5)).unreadable(false, None))
        .file(&file)
        .sweep(&file, Rule::UnreferencedExclusive);
    world.refused(&["exclusive-beside-metadata"]);
}

/// A checkpoint 5 without metadata, of a job with `shared`.
fn abandoned() -> World {
    let file = format!("/r/{A}/chk-5/{}", uuid(1));
    let mut world = World::new("/r");
    world.directory(&format!("/r/{A}/shared")).file(&file).sweep(&file, Rule::AbandonedCheckpoint);
    world
}

#[test]
fn an_abandoned_checkpoint_was_overtaken() {
    let mut world = abandoned();
    world.says(Says::at(&metadata(4)).written(days(40))).says(Says::at(&metadata(6)).written(days(20)));
    world.passes();
    // Nothing to compare with, nothing higher, or not later.
    let mut world = abandoned();
    world.says(Says::at(&metadata(6)).written(days(20)));
    world.refused(&["abandoned-checkpoint"]);
    let mut world = abandoned();
    world.says(Says::at(&metadata(4)).written(days(20)));
    world.refused(&["abandoned-checkpoint"]);
    let mut world = abandoned();
    world.says(Says::at(&metadata(4)).written(days(40))).says(Says::at(&metadata(6)).written(days(30)));
    world.refused(&["abandoned-checkpoint"]);
    // Another lineage, and a savepoint.
    for other in [
        Says::at(&metadata(6)).operators(&[2]),
        Says::at(&metadata(6)).operators(&[]),
        Says::at(&metadata(6)).kind(Kind::Savepoint),
    ] {
        let mut world = abandoned();
        world.says(Says::at(&metadata(4)).written(days(40))).says(other);
        world.refused(&["abandoned-checkpoint"]);
    }
    // Or its job is dead.
    let mut world = abandoned();
    world.says(Says::at(&metadata(6)).written(days(40))).seen(&format!("/r/{A}"), days(2));
    world.passes();
}

#[test]
fn a_completed_checkpoint_is_not_abandoned() {
    for says in [Says::at(&metadata(5)), Says::at(&metadata(5)).unreadable(false, None)] {
        let mut world = abandoned();
        world.seen(&format!("/r/{A}"), days(2)).says(Says::at(&metadata(6)));
        world.passes();
        world.says(says.clone());
        world.refused(&["abandoned-checkpoint"]);
        // Also when only the second listing saw it.
        world.gone(&metadata(5));
        world.refused(&["abandoned-checkpoint"]);
    }
}

#[test]
fn checkpoints_of_old_releases_are_pointed_at_by_ha_alone() {
    let file = format!("/r/{A}/chk-5/{}", uuid(1));
    let mut world = World::new("/r");
    world
        .says(Says::at("/r/other/_metadata"))
        .file(&file)
        .seen(&format!("/r/{A}"), days(2))
        .sweep(&file, Rule::AbandonedCheckpoint);
    world.refused(&["old-layout"]);
    let mut declared = world.clone();
    declared.policy.dead_jobs.push(DeadJob::Id(JobId::parse(A.as_bytes()).unwrap()));
    declared.passes();
    // `shared` is younger than that layout.
    let mut young = world.clone();
    young.directory(&format!("/r/{A}/shared")).passes();
    world.policy.no_ha = true;
    world.passes();
}

const SAVEPOINT: &str = "/r/savepoint-abcdef-000000000000";

/// A savepoint without metadata.
fn incomplete() -> World {
    let file = format!("{SAVEPOINT}/{}", uuid(1));
    let mut world = World::new("/r");
    world.says(Says::at(&metadata(5))).file(&file).sweep(&file, Rule::IncompleteSavepoint);
    world
}

#[test]
fn an_incomplete_savepoint_is_long_untouched_and_was_seen_before() {
    let file = format!("{SAVEPOINT}/{}", uuid(1));
    let mut world = incomplete();
    world.refused(&["incomplete-savepoint"]);
    // This very look is none.
    world.seen(SAVEPOINT, hours(0)).refused(&["incomplete-savepoint"]);
    world.seen(SAVEPOINT, hours(1)).passes();
    world.sweep_directory(SAVEPOINT, Rule::IncompleteSavepoint).passes();
    world.written(&file, days(6));
    world.refused(&["incomplete-savepoint", "directory"]);
    // What somebody allows.
    world.policy.incomplete_savepoints = true;
    world.passes();
    // Another tree, and one young file among old ones.
    let other = format!("{SAVEPOINT}/{}", uuid(2));
    let mut world = incomplete();
    world.looks.directories.insert(
        crate::world::at(SAVEPOINT).to_string(),
        Look { tree: "0".to_owned(), since: days(9), named_by: Vec::new() },
    );
    world.refused(&["incomplete-savepoint"]);
    let mut world = incomplete();
    world.file(&other).written(&other, days(2)).seen(SAVEPOINT, days(1));
    world.refused(&["incomplete-savepoint"]);
    // Something in it was removed lately.
    let mut world = incomplete();
    world.touched(SAVEPOINT, days(2)).seen(SAVEPOINT, days(1));
    world.refused(&["incomplete-savepoint"]);
    // A look from the future.
    let mut world = incomplete();
    world.as_of = NOW.plus(Age::hours(24));
    world.passes();
}

#[test]
fn a_savepoint_of_which_something_is_named_is_not_incomplete() {
    let other = format!("{SAVEPOINT}/{}", uuid(2));
    let mut world = incomplete();
    world.says(Says::at(&metadata(6)).names(&other)).seen(SAVEPOINT, days(1));
    world.refused(&["incomplete-savepoint"]);
}

#[test]
fn a_savepoint_with_metadata_is_not_incomplete() {
    let path = format!("{SAVEPOINT}/_metadata");
    let mut world = incomplete();
    world.policy.incomplete_savepoints = true;
    world.says(Says::at(&path));
    world.refused(&["incomplete-savepoint"]);
    world.gone(&path);
    world.refused(&["incomplete-savepoint"]);
}
