//! Each rule takes only what it is about, old enough and listed whole.

use crate::world::{A, B, NOW, Says, World, at, days, hours, uuid};
use chksweep_core::plan::Rule;
use chksweep_core::policy::OnUnreadable;
use chksweep_core::{Age, JobId, Timestamp};

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
        (format!("/r/{A}/dstl/notes.txt"), Rule::UnreferencedRunningState),
        (format!("/r/{A}/shared/{u}"), Rule::UnreferencedRunningState),
        (format!("/r/{A}/shared/{u}"), Rule::AbandonedCheckpoint),
        (format!("/r/{A}/chk-4/notes.txt"), Rule::AbandonedCheckpoint),
        (format!("/r/{A}/chk-4/_metadata"), Rule::AbandonedCheckpoint),
        (format!("/r/{A}/chk-5/{u}"), Rule::RetiredCheckpoint),
        ("/r/x/_metadata".to_owned(), Rule::RetiredCheckpoint),
        (format!("/r/{A}/chk-3/_metadata"), Rule::RetiredSavepoint),
        (format!("/r/savepoint-abcdef-000000000000/{u}"), Rule::RetiredSavepoint),
        (format!("/r/x/{u}"), Rule::RetiredSavepoint),
        (format!("/r/x/{u}"), Rule::IncompleteSavepoint),
        ("/r/savepoint-abcdef-000000000000/notes.txt".to_owned(), Rule::IncompleteSavepoint),
        (format!("/r/{A}/chk-5/notes.txt"), Rule::ExpiredJob),
        (format!("/r/{A}/shared/notes.txt"), Rule::ExpiredJob),
        (format!("/r/{A}/shared/_metadata"), Rule::ExpiredJob),
        (format!("/r/{A}/_metadata"), Rule::ExpiredJob),
        (format!("/r/{A}/{u}"), Rule::ExpiredJob),
        (format!("/r/{A}/dstl/notes.txt"), Rule::ExpiredJob),
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

/// Beside it everything speaks for sweeping; its own directory broke when metadata was looked for.
#[test]
fn what_lies_where_the_second_listing_broke_stays() {
    let path = format!("/r/{A}/chk-3/._metadata.inprogress.1");
    let mut world = world_with(&path, Rule::StagingFile);
    world.policy.unreadable = OnUnreadable::Isolate;
    world.unlisted.push((at("/elsewhere"), "denied".to_owned()));
    world.passes();
    world.unlisted.push((at(&format!("/r/{A}/chk-3")), "denied".to_owned()));
    world.refused(&["never-swept"]);
}

#[test]
fn of_selected_jobs_only_their_own_goes() {
    let (own, other) = (format!("/r/{A}/chk-9/._metadata.inprogress.1"), format!("/r/{B}/chk-9"));
    let mut world = world_with(&own, Rule::StagingFile);
    world.policy.jobs.push(JobId::parse(A.as_bytes()).unwrap());
    world.directory(&other).passes();
    world.sweep_directory(&other, Rule::EmptyDirectory).refused(&["selection"]);
    // A merged directory tells whose it is, wherever it lies; another one of its name does not.
    for (directory, selected) in [("taskowned", true), ("x", false)] {
        let merged = format!("/r/{B}/{directory}/job_{A}_tm_x");
        let staging = format!("{merged}/{}", uuid(1));
        let mut world = world_with(&own, Rule::StagingFile);
        world.policy.jobs.push(JobId::parse(A.as_bytes()).unwrap());
        world.file(&staging).sweep(&staging, Rule::UnreferencedRunningState);
        let findings = world.check().unwrap_err();
        let refused = findings.findings.iter().any(|one| one.invariant == "selection");
        assert_eq!(refused, !selected, "{findings:?}");
    }
}

/// As Flink 1.15 laid changelog out, in a root without a level for the job: only state that is named like state.
#[test]
fn what_lies_in_a_root_without_jobs_is_changelog_by_its_name_and_rule_alone() {
    let passes = |path: &str, rule| {
        let mut world = World::new("/r");
        world.says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(path).sweep(path, rule);
        let found = world.check().err().map(|findings| findings.findings).unwrap_or_default();
        !found.iter().any(|finding| finding.invariant == "rule-and-place")
    };
    let state = format!("/r/{}", uuid(1));
    assert!(passes(&state, Rule::UnreferencedRunningState));
    assert!(!passes(&state, Rule::UnreferencedShared));
    assert!(!passes("/r/strange", Rule::UnreferencedRunningState));
}
