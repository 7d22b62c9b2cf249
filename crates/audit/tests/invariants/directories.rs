//! Directories: made by Flink, left empty, and of nobody who will write to them again.

use chksweep_core::plan::Rule;
use chksweep_core::policy::{DeadJob, OnUnreadable};
use chksweep_core::{Age, JobId};

use crate::world::{A, NOW, Says, World, at, days, hours, uuid};

/// A dead job without checkpoints, and another root with one.
fn dead() -> World {
    let mut world = World::new("/r");
    world
        .root("/s")
        .says(Says::at("/s/x/_metadata"))
        .directory(&format!("/r/{A}/shared"))
        .directory(&format!("/r/{A}/taskowned"))
        .seen(&format!("/r/{A}"), days(2));
    world
}

fn all_of(world: &mut World) -> &mut World {
    for directory in ["/shared", "/taskowned", ""] {
        world.sweep_directory(&format!("/r/{A}{directory}"), Rule::EmptyDirectory);
    }
    world
}

#[test]
fn empty_directories_of_a_dead_job_go() {
    all_of(&mut dead()).passes();
    let mut world = dead();
    world.policy.trust_quiescence = false;
    all_of(&mut world).refused(&["directory"]);
}

#[test]
fn a_directory_in_which_something_stays_stays() {
    let mut world = dead();
    all_of(&mut world).file(&format!("/r/{A}/shared/{}", uuid(1)));
    world.refused(&["left-empty", "entries"]);
    let mut world = dead();
    all_of(&mut world).directory(&format!("/r/{A}/chk-1"));
    world.refused(&["left-empty", "entries"]);
    // Left empty by this very plan.
    let file = format!("/r/{A}/shared/{}", uuid(1));
    let mut world = dead();
    all_of(&mut world).file(&file).says(Says::at("/r/x/_metadata")).sweep(&file, Rule::UnreferencedShared);
    world.passes();
}

#[test]
fn a_directory_in_which_metadata_appeared_stays() {
    let mut world = dead();
    world.policy.dead_jobs.push(DeadJob::Id(JobId::parse(A.as_bytes()).unwrap()));
    all_of(&mut world).passes();
    world.says_unlisted(Says::at(&format!("/r/{A}/x/_metadata")));
    world.refused(&["left-empty"]);
}

#[test]
fn a_kept_checkpoint_keeps_the_directories_of_its_job() {
    let mut world = dead();
    world.says(Says::at(&format!("/r/{A}/chk-5/_metadata")));
    world.sweep_directory(&format!("/r/{A}/shared"), Rule::EmptyDirectory);
    world.refused(&["directory"]);
}

#[test]
fn an_empty_checkpoint_directory_goes_by_age() {
    let checkpoint = format!("/r/{A}/chk-7");
    let mut world = dead();
    world.directory(&checkpoint).sweep_directory(&checkpoint, Rule::EmptyDirectory);
    world.touched(&checkpoint, hours(25)).passes();
    world.touched(&checkpoint, hours(24)).refused(&["directory"]);
    world.touched(&checkpoint, NOW.plus(Age::days(3))).refused(&["directory"]);
}

#[test]
fn a_probe_of_forst_goes_by_age_and_its_database_by_death() {
    let probe = format!("/r/{A}/shared/op_x_attempt_0/db/_dummy_dir_1");
    let mut world = dead();
    world.policy.trust_quiescence = false;
    world.directory(&probe).sweep_directory(&probe, Rule::EmptyDirectory);
    world.passes();
    world.sweep_directory(&format!("/r/{A}/shared/op_x_attempt_0/db"), Rule::EmptyDirectory);
    world.refused(&["directory"]);
    world.policy.trust_quiescence = true;
    world.passes();
}

#[test]
fn a_directory_that_flink_does_not_make_stays() {
    for directory in [format!("/r/{A}/x"), "/r/x".to_owned(), format!("/r/{A}/shared/x")] {
        let mut world = dead();
        world.directory(&directory).sweep_directory(&directory, Rule::EmptyDirectory);
        world.refused(&["directory"]);
    }
    // One that looks like the directory of a job, but for its name.
    let mut world = dead();
    world.directory("/r/x/shared").seen("/r/x", days(2));
    world.sweep_directory("/r/x/shared", Rule::EmptyDirectory).passes();
    world.sweep_directory("/r/x", Rule::EmptyDirectory).refused(&["directory"]);
}

#[test]
fn a_rule_takes_only_its_own_directories() {
    for (directory, rule) in [
        (format!("/r/{A}/shared"), Rule::UnreferencedShared),
        (format!("/r/{A}/chk-7"), Rule::UnreferencedExclusive),
        (format!("/r/{A}/taskowned"), Rule::UnreferencedRunningState),
        ("/r/savepoint-abcdef-000000000000".to_owned(), Rule::RetiredSavepoint),
    ] {
        let mut world = dead();
        world.directory(&directory).sweep_directory(&directory, rule);
        world.refused(&["directory"]);
    }
}

/// Where metadata was not listed the second time, other empty directories go all the same.
#[test]
fn a_listing_that_broke_elsewhere_says_nothing_of_a_dead_job() {
    let mut world = dead();
    world.policy.unreadable = OnUnreadable::Isolate;
    world.unlisted.push((at("/elsewhere"), "denied".to_owned()));
    all_of(&mut world).passes();
}

/// An empty directory of running state goes as any empty directory of its job does.
#[test]
fn an_empty_database_stays_with_the_checkpoints_of_its_job() {
    let database = format!("/r/{A}/shared/op_x_attempt_0/db");
    let mut world = dead();
    world.directory(&database).sweep_directory(&database, Rule::EmptyDirectory).passes();
    world.says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).seen(&format!("/r/{A}"), days(2));
    world.refused(&["directory"]);
}

#[test]
fn an_empty_merged_directory_goes_with_the_job_that_its_name_tells() {
    let merged = format!("/r/taskowned/job_{A}_tm_x");
    let mut world = World::new("/r");
    world.root("/s").says(Says::at("/s/x/_metadata")).directory(&merged).touched("/r", hours(1));
    world.sweep_directory(&merged, Rule::EmptyDirectory).refused(&["directory"]);
    world.policy.dead_jobs.push(DeadJob::Id(JobId::parse(A.as_bytes()).unwrap()));
    world.passes();
}
