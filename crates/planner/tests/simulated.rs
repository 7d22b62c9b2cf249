//! What random histories (`crates/sim`) have taught: each story lost something, or had a plan refused that was safe.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use chksweep_core::plan::{Place, Rule};
use chksweep_core::policy::{OnUnreadable, Policy, RetentionRule};
use chksweep_core::{Kind, OperatorId};
use chksweep_testkit::world::{location, uuid};
use common::{Planned, World};

/// Job directories in which several runs may write at the same time.
const SEVERAL: [&str; 4] = [
    "without-a-job-level",
    "00000000000000000000000000000000",
    "00000000123456780000000000000000",
    "ffffffffdeadbeef0000000000000000",
];

/// Declares that each job directory is of one job.
fn one_job(policy: &mut Policy) {
    policy.rules = vec![RetentionRule {
        matches: "*".to_owned(),
        keep_last: policy.keep_last,
        keep_within: None,
        savepoint_keep_last: None,
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: true,
    }];
}

fn isolating(world: World) -> World {
    world.policy(|policy| policy.unreadable = OnUnreadable::Isolate)
}

/// Two jobs wrote to one directory. One aborted its checkpoint 6, and with it took the completed checkpoint 6 of the
/// other, which ran on with the files that only that had named. Then the first one completed another.
#[test]
fn where_several_runs_may_write_no_checkpoint_passes_over_what_another_wrote() {
    for job in SEVERAL {
        let file = format!("{job}/shared/{}", uuid(3));
        let world = World::new().metadata(&format!("{job}/chk-7/_metadata"), 2, &[]).file(&file, 5);
        assert_eq!(world.rule(&file), Rule::BehindFrontierNotYet, "{job}");
    }
    let file = format!("$A/shared/{}", uuid(3));
    let one = World::new().metadata("$A/chk-7/_metadata", 2, &[]).file(&file, 5);
    assert_eq!(one.rule(&file), Rule::UnreferencedShared);
    // What is declared for retention makes no frontier.
    let file = format!("{}/shared/{}", SEVERAL[1], uuid(3));
    let declared = World::new()
        .metadata(&format!("{}/chk-7/_metadata", SEVERAL[1]), 2, &[])
        .file(&file, 5)
        .policy(one_job);
    assert_eq!(declared.rule(&file), Rule::BehindFrontierNotYet);
}

/// Two clusters ran the same program in one directory. One was suspended for two weeks, and meanwhile the newest
/// checkpoints of the other stood for its own.
#[test]
fn a_checkpoint_that_a_suspended_cluster_will_resume_from_was_retired_for_those_of_its_namesake() {
    let several = |jobs: &[&str]| {
        let read = World::new().file("read", 80).accessed("read", 1);
        jobs.iter().flat_map(|job| (1..=5_u32).map(move |n| (job, n))).fold(read, |world, (job, n)| {
            let file = format!("{job}/shared/{}", uuid(n));
            let days = u64::from(20 - 3 * n);
            world.file(&file, days).accessed(&file, 60).metadata(
                &format!("{job}/chk-{n}/_metadata"),
                days,
                &[&file],
            )
        })
    };
    let world = |job: &str| several(&[job]);
    let keep_last = |count: u32| move |policy: &mut Policy| policy.keep_last = Some(count);
    let retired = |world: &World| world.swept().iter().filter(|path| path.ends_with("/_metadata")).count();
    let warned = |world: &World| {
        world.plan().summary.problems.iter().filter(|problem| problem.code == "several-runs").count()
    };
    for job in SEVERAL {
        let kept = world(job).policy(keep_last(3));
        assert_eq!((retired(&kept), warned(&kept)), (0, 1), "{job}");
        let few = world(job).policy(keep_last(5));
        assert_eq!((retired(&few), warned(&few)), (0, 0), "{job}: nothing is held back");
        let declared = world(job).policy(keep_last(3)).policy(one_job);
        assert_eq!((retired(&declared), warned(&declared)), (2, 0), "{job}");
        // Without high availability no two clusters have one id, and without a job level any two jobs may meet.
        let expected = if job == SEVERAL[0] { (0, 1) } else { (2, 0) };
        let alone = world(job).policy(keep_last(3)).policy(|policy| policy.no_ha = true);
        assert_eq!((retired(&alone), warned(&alone)), expected, "{job}");
    }
    assert_eq!(retired(&world("$A").policy(keep_last(3))), 2);
    // One warning is enough for all of them.
    for (count, words) in [(2, "here and in 1 other directory:"), (4, "here and in 3 other directories:")] {
        let all = several(&SEVERAL[..count]).policy(keep_last(3));
        assert_eq!((retired(&all), warned(&all)), (0, 1));
        assert!(all.plan().summary.problems.iter().any(|problem| problem.message.contains(words)));
    }
}

/// The first listing of an empty `chk-N` was whole, and the second one, for metadata, broke.
#[test]
fn a_directory_whose_second_listing_broke_is_left_alone() {
    let mut world = isolating(World::new().metadata("$A/chk-7/_metadata", 2, &[]).dir("$A/chk-3", 5));
    assert_eq!(world.rule("$A/chk-3"), Rule::EmptyDirectory);
    world.unlisted.push((location("$A/chk-3"), "no answer in time".to_owned()));
    assert_eq!(world.rule("$A/chk-3"), Rule::PartialListing);
}

/// Metadata of the same id, under a reference root, could not be read.
#[test]
fn a_job_whose_metadata_under_a_reference_root_cannot_be_read_is_isolated() {
    let mut world = isolating(World::new().metadata("$A/chk-7/_metadata", 2, &[]).dir("$A/chk-3", 5));
    let elsewhere = World::new().unreadable("$A/chk-1/_metadata", 30, Some(vec![]), true);
    for mut file in elsewhere.metadata {
        file.place = Place::Reference;
        file.location = location(&file.location.to_string().replace("file:///r", "file:///elsewhere"));
        world.metadata.push(file);
    }
    world.reference_roots.push(location("file:///elsewhere"));
    assert_eq!(world.rule("$A/chk-3"), Rule::UnreadableMetadata);
}

/// A checkpoint was completed after its directory had been listed and before its metadata was looked for.
#[test]
fn what_was_completed_while_it_was_listed_is_no_leftover() {
    let file = format!("$A/chk-5/{}", uuid(5));
    let mut world = World::new()
        .metadata("$A/chk-4/_metadata", 20, &[])
        .metadata("$A/chk-7/_metadata", 2, &[])
        .file(&file, 9)
        .dir("$A/chk-6", 9);
    assert_eq!(world.rule(&file), Rule::AbandonedCheckpoint);
    assert_eq!(world.rule("$A/chk-6"), Rule::EmptyDirectory);
    for number in [5, 6] {
        let appeared = World::new().metadata(&format!("$A/chk-{number}/_metadata"), 0, &[]);
        world.metadata.extend(appeared.metadata);
    }
    assert_eq!(world.rule(&file), Rule::InProgress);
    assert_eq!(world.rule("$A/chk-6"), Rule::InProgress);
}

/// The checkpoint below an abandoned one was subsumed between listing and reading. What it was of counts all the same:
/// here another run's, so that nothing says that the later one overtook what lies there.
#[test]
fn a_checkpoint_that_vanished_while_it_was_looked_at_still_tells_the_lineage() {
    let file = format!("$A/chk-5/{}", uuid(5));
    let mut world = World::new()
        .metadata("$A/chk-3/_metadata", 20, &[])
        .metadata("$A/chk-7/_metadata", 2, &[])
        .file(&file, 9)
        .dir("$A/chk-4", 15);
    assert_eq!(world.rule(&file), Rule::AbandonedCheckpoint);
    let mut vanished = World::new().metadata_of("$A/chk-4/_metadata", 15, &[], |file| {
        file.content.as_mut().unwrap().operators = vec![OperatorId([9; 16])];
    });
    world.metadata.append(&mut vanished.metadata);
    assert_eq!(world.rule(&file), Rule::InProgress);
}

/// Another job took the number below an abandoned checkpoint after the directory had been listed: the later ones, of the
/// job that was there before, may not have overtaken what lies there.
#[test]
fn a_checkpoint_that_began_while_it_was_looked_at_tells_the_lineage() {
    let file = format!("$A/chk-5/{}", uuid(5));
    let mut world = World::new()
        .metadata("$A/chk-3/_metadata", 20, &[])
        .metadata("$A/chk-7/_metadata", 2, &[])
        .file(&file, 9);
    assert_eq!(world.rule(&file), Rule::AbandonedCheckpoint);
    let mut begun = World::new().metadata_of("$A/chk-4/_metadata", 0, &[], |file| {
        file.content.as_mut().unwrap().operators = vec![OperatorId([9; 16])];
    });
    world.metadata.append(&mut begun.metadata);
    assert_eq!(world.rule(&file), Rule::InProgress);
    // A savepoint there tells nothing.
    world.metadata.last_mut().unwrap().content.as_mut().unwrap().kind = Kind::Savepoint;
    assert_eq!(world.rule(&file), Rule::AbandonedCheckpoint);
}
