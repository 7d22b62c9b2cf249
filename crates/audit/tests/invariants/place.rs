//! Each rule takes only what it is about, old enough and listed whole.

use crate::world::{A, NOW, Says, World, days, hours, uuid};
use chksweep_core::plan::Rule;
use chksweep_core::{Age, Timestamp};

fn world_with(path: &str, rule: Rule) -> World {
    let mut world = World::new("/r");
    world.says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(path).sweep(path, rule);
    world
}

#[test]
fn a_young_file_stays() {
    let path = format!("/r/{A}/chk-9/._metadata.inprogress.1");
    for (modified, old) in [
        (hours(25), true),
        (Timestamp(hours(24).0 - 1), true),
        (hours(24), false),
        (hours(1), false),
        (Timestamp(0), false),
        (NOW.plus(Age::hours(30)), false),
    ] {
        let mut world = world_with(&path, Rule::StagingFile);
        world.written(&path, modified);
        if old {
            world.passes();
        } else {
            world.refused(&["age"]);
        }
    }
}

#[test]
fn metadata_that_was_written_anew_is_young() {
    let retired = format!("/r/{A}/chk-3/_metadata");
    let mut world = World::new("/r");
    world.policy.keep_last = Some(1);
    world.policy.no_ha = true;
    world
        .says(Says::at(&format!("/r/{A}/chk-5/_metadata")).written(hours(1)))
        .says(Says::at(&retired).written(hours(2)))
        .written(&retired, days(20))
        .sweep(&retired, Rule::RetiredCheckpoint);
    world.refused(&["age"]);
}

#[test]
fn what_is_no_regular_file_stays() {
    let path = format!("/r/{A}/shared/{}", uuid(1));
    let mut world = world_with(&path, Rule::UnreferencedShared);
    world.passes();
    world.with(&path, |file| file.regular = false);
    world.refused(&["never-swept"]);
}

#[test]
fn what_was_not_listed_whole_stays() {
    let path = format!("/r/{A}/shared/{}", uuid(1));
    let world = world_with(&path, Rule::UnreferencedShared);
    world.clone().partial(&format!("/r/{A}/shared")).refused(&["never-swept"]);
    // Where metadata could lie, what was not listed may name anything.
    for directory in [format!("/r/{A}"), "/r".to_owned()] {
        world.clone().partial(&directory).refused(&["never-swept", "unreadable-blocks"]);
    }
    for directory in [format!("/r/{A}/chk-5"), "/r/x".to_owned()] {
        world.clone().directory(&directory).partial(&directory).refused(&["unreadable-blocks"]);
    }
    for directory in [format!("/r/{A}/shared/x"), format!("/r/{A}/dstl"), format!("/r/{A}/taskowned")] {
        world.clone().directory(&directory).partial(&directory).passes();
    }
}

#[test]
fn own_files_stay() {
    let path = "/r/.chksweep/runs/._metadata.inprogress.1";
    world_with(path, Rule::StagingFile).refused(&["never-swept", "rule-and-place", "entries"]);
    let mut world = World::new("/r");
    world.says(Says::at(&format!("/r/{A}/chk-5/_metadata")));
    world.directory("/r/.chksweep").sweep_directory("/r/.chksweep", Rule::EmptyDirectory);
    world.refused(&["never-swept", "directory", "entries"]);
}

#[test]
fn a_root_is_never_swept() {
    let mut world = World::new("/r");
    world.root("/s").says(Says::at(&format!("/s/{A}/chk-5/_metadata")));
    world.sweep_directory("/r", Rule::EmptyDirectory);
    world.refused(&["never-swept", "directory", "entries"]);
}

#[test]
fn rules_take_only_their_own_places_and_names() {
    let u = uuid(1);
    for (path, rule) in [
        (format!("/r/{A}/shared/notes.txt"), Rule::UnreferencedShared),
        (format!("/r/{A}/{u}"), Rule::UnreferencedShared),
        (format!("/r/{A}/shared/x/{u}"), Rule::UnreferencedShared),
        (format!("/r/{A}/chk-5/{u}"), Rule::UnreferencedShared),
        (format!("/r/{A}/shared/{u}"), Rule::UnreferencedExclusive),
        (format!("/r/{A}/chk-05/{u}"), Rule::UnreferencedExclusive),
        (format!("/r/{A}/chk-5/notes.txt"), Rule::UnreferencedExclusive),
        (format!("/r/{A}/chk-5/{u}"), Rule::StagingFile),
        (format!("/r/{A}/shared/{u}"), Rule::StagingFile),
        (format!("/r/{A}/shared/._metadata.inprogress.1"), Rule::StagingFile),
        (format!("/r/{A}/shared/{u}"), Rule::EmptyDirectory),
        ("/r/README".to_owned(), Rule::UnreferencedShared),
    ] {
        let world = world_with(&path, rule);
        let findings = world.check().expect_err(&path);
        let found: Vec<&str> = findings.findings.iter().map(|finding| finding.invariant).collect();
        assert!(found.contains(&"rule-and-place"), "{path}: {found:?}");
    }
}

#[test]
fn staging_files_go_by_age_alone() {
    for path in [
        format!("/r/{A}/chk-9/._metadata.inprogress.{}", uuid(1)),
        "/r/savepoint-aaaaaa-000000000001/._metadata.inprogress.1".to_owned(),
    ] {
        world_with(&path, Rule::StagingFile).passes();
    }
}
