//! What metadata names, and pins, keep; and what is said of names that resolve to nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use chksweep_core::plan::{Place, Rule};
use chksweep_core::{Age, Kind, Location, Uuid};
use chksweep_testkit::world::{NOW, uuid};
use common::{A, B, Planned, World, living, shared};

#[test]
fn a_name_anywhere_keeps() {
    // FLINK-39964: a relative name that resolves to nothing means the file of that name elsewhere.
    let by_dangling = living().file(&shared(3), 5).metadata("$B/chk-1/_metadata", 2, &[&uuid(3)]);
    assert_eq!(by_dangling.rule(&shared(3)), Rule::NamedByBaseName);
    let by_bytes = living().file(&shared(3), 5).metadata_of("$B/chk-1/_metadata", 2, &[], |file| {
        file.content.as_mut().unwrap().other_uuids = vec![Uuid::parse(uuid(3).as_bytes()).unwrap()];
    });
    assert_eq!(by_bytes.rule(&shared(3)), Rule::NamedByBaseName);
}

#[test]
fn an_equal_path_under_another_authority_keeps() {
    let name = format!("hdfs://elsewhere:9/r/{A}/shared/{}", uuid(3));
    let world = living().file(&shared(3), 5).metadata("$B/chk-1/_metadata", 2, &[&name]);
    assert_eq!(world.rule(&shared(3)), Rule::Named);
}

#[test]
fn aliases_move_names_once() {
    let name = format!("hdfs://ns/flink/{A}/shared/{}", uuid(3));
    let mut world = living().file(&shared(3), 5).metadata("$B/chk-1/_metadata", 2, &[&name]);
    let from = Location::from_printed(b"hdfs://ns/flink").unwrap();
    let to = Location::from_printed(common::ROOT.as_bytes()).unwrap();
    world.equivalence.add_alias(&from, &to).unwrap();
    assert_eq!(world.rule(&shared(3)), Rule::Named);
}

#[test]
fn metadata_in_quarantine_names_for_min_age() {
    let moved = |days: u64| {
        living().file(&shared(3), 5).metadata_of(
            ".chksweep/quarantine/run/$A/chk-5/_metadata",
            9,
            &[&shared(3)],
            |file| {
                file.place = Place::Quarantined {
                    original: Location::from_printed(
                        format!("{}/{A}/chk-5/_metadata", common::ROOT).as_bytes(),
                    )
                    .unwrap(),
                    moved_at: (days > 0).then(|| NOW.minus(Age::days(days))),
                }
            },
        )
    };
    assert_eq!(moved(1).rule(&shared(3)), Rule::Named);
    assert_eq!(moved(0).rule(&shared(3)), Rule::Named, "an unknown time counts as now");
    assert_eq!(moved(2).rule(&shared(3)), Rule::UnreferencedShared);
}

#[test]
fn a_newest_checkpoint_that_misses_files_stops_its_job_and_the_plan() {
    let world = World::new()
        .metadata("$A/chk-7/_metadata", 2, &[&shared(1), &shared(2)])
        .file(&shared(2), 9)
        .file(&shared(3), 5);
    assert_eq!(world.rule(&shared(3)), Rule::InconsistentJob);
    assert_eq!(world.plan().brakes[0].limit, "max-dangling");
    // An older checkpoint may miss what it likes.
    let world = World::new()
        .metadata("$A/chk-6/_metadata", 3, &[&shared(1)])
        .metadata("$A/chk-7/_metadata", 2, &[&shared(2)])
        .file(&shared(2), 9)
        .file(&shared(3), 5);
    assert_eq!(world.rule(&shared(3)), Rule::UnreferencedShared);
    assert_eq!(world.plan().brakes, []);
}

#[test]
fn the_share_that_resolves_to_nothing_is_of_what_can_be_judged() {
    let judged = [shared(1), shared(2), shared(3)];
    // Under a reference root nobody lists files.
    let elsewhere = (0..2).map(|n| format!("hdfs://elsewhere/flink/{A}/shared/{}", uuid(50 + n)));
    let names: Vec<String> = judged.into_iter().chain(elsewhere).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new()
        .metadata("$A/chk-7/_metadata", 2, &names)
        .file(&shared(2), 9)
        .file(&shared(3), 9)
        .policy(|policy| policy.max_dangling = 0.3);
    world.reference_roots = vec![Location::from_printed(b"hdfs://elsewhere/flink").unwrap()];
    let brakes = world.plan().brakes;
    assert!(brakes[0].message.starts_with("1 of 3 references"), "{brakes:?}");
    // A limit that is just kept holds nothing.
    let third = world.clone().policy(|policy| policy.max_dangling = 1.0 / 3.0);
    assert_eq!(third.plan().brakes, []);
    // One that lies elsewhere by its name is found.
    let moved = world.file(&format!("$B/shared/{}", uuid(1)), 9);
    assert_eq!(moved.plan().brakes, []);
    assert_eq!(moved.rule(&format!("$B/shared/{}", uuid(1))), Rule::NamedByBaseName);
}

#[test]
fn a_spelling_under_which_nothing_is_found_stops_the_plan() {
    let mut names: Vec<String> = (1000..1200).map(|n| format!("$A/shared/{}", uuid(n))).collect();
    names.push(format!("hdfs://old/flink/{}/shared/{}", B, uuid(1)));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new().metadata("$A/chk-7/_metadata", 2, &names).file(&shared(3), 5);
    for n in 1000..1200 {
        world = world.file(&format!("$A/shared/{}", uuid(n)), 9);
    }
    let brakes = world.plan().brakes;
    assert_eq!(brakes.len(), 1);
    assert_eq!(brakes[0].root.as_deref(), Some("hdfs://old/flink"));
}

#[test]
fn pins_keep_all_below_them() {
    let world = living().file(&shared(3), 5).file(&shared(4), 5).pin(&shared(3));
    assert_eq!(world.swept(), [shared(4)]);
    assert_eq!(living().file(&shared(3), 5).pin("$A").rule(&shared(3)), Rule::Pinned);
}

#[test]
fn a_checkpoint_that_was_being_restored_from_lost_its_files_a_day_after_its_metadata() {
    let world = |file: &'static str, read: u64| {
        let path = if file.contains('/') { file.to_owned() } else { format!("$A/chk-1/{file}") };
        World::new()
            .file(&path, 40)
            .accessed(&path, read)
            .metadata("$A/chk-2/_metadata", 12, &[])
            .metadata("$A/chk-9/_metadata", 10, &[])
            .dir("$A/shared", 9)
            .metadata_of("q/chk-1/_metadata", 40, &[file], |metadata| {
                let original = common::location("$A/chk-1/_metadata");
                metadata.place = Place::Quarantined { original, moved_at: Some(NOW.minus(Age::days(2))) };
            })
    };
    let shared: &'static str = "$A/shared/00000001-0000-4000-8000-000000000000";
    assert_eq!(world(shared, 1).rule(shared), Rule::Named, "read after its metadata was set aside");
    assert_eq!(world(shared, 3).rule(shared), Rule::UnreferencedShared, "not since");
    let elsewhere =
        "hdfs://nn1:8020/r/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/shared/00000001-0000-4000-8000-000000000000";
    let named_elsewhere = |read| world(elsewhere, 1).file(shared, 40).accessed(shared, read).rule(shared);
    assert_eq!(named_elsewhere(1), Rule::Named, "an equal path of another authority");
    assert_eq!(named_elsewhere(3), Rule::UnreferencedShared);
    let beside: &'static str = "00000001-0000-4000-8000-000000000000";
    let path = format!("$A/chk-1/{beside}");
    assert_eq!(world(beside, 1).rule(&path), Rule::Named);
}

#[test]
fn an_empty_directory_that_is_pinned_stays() {
    let world = living().dir("$A/chk-3", 9).dir("$A/chk-4", 9).pin("$A/chk-3");
    assert_eq!(world.rule("$A/chk-3"), Rule::Pinned);
    assert_eq!(world.rule("$A/chk-4"), Rule::EmptyDirectory);
}

/// A savepoint lies beside the directories of jobs: its number may be one of any.
#[test]
fn a_checkpoint_that_a_savepoint_refers_to_by_number_stays() {
    let file = format!("$A/chk-3/{}", uuid(5));
    let of = |number: i64| {
        World::new()
            .metadata("$A/chk-2/_metadata", 12, &[])
            .metadata("$A/chk-7/_metadata", 2, &[])
            .file(&file, 9)
            .metadata_of("savepoint-abcdef-000000000000/_metadata", 2, &[], |file| {
                file.content.as_mut().unwrap().ref_checkpoints = vec![number];
            })
    };
    assert_eq!(of(3).rule(&file), Rule::NamedDirectory);
    assert_eq!(of(4).rule(&file), Rule::AbandonedCheckpoint);
}

/// One that is newer and whole, and is no checkpoint of the job.
#[test]
fn a_savepoint_does_not_hide_that_the_newest_checkpoint_misses_files() {
    let world = World::new()
        .metadata("$A/chk-7/_metadata", 2, &[&shared(1), &shared(2)])
        .file(&shared(2), 9)
        .file(&shared(3), 5);
    for place in ["$A/savepoint-abcdef-000000000000/_metadata", "$A/chk-8/_metadata"] {
        let saved = world.clone().metadata_of(place, 1, &[&shared(2)], |file| {
            file.content.as_mut().unwrap().kind = Kind::Savepoint;
        });
        assert_eq!(saved.rule(&shared(3)), Rule::InconsistentJob, "{place}");
    }
}

/// Only a name that nothing has, or nothing but another, is one of no file.
#[test]
fn a_name_that_is_no_uuid_is_found_anywhere_too() {
    let merged = "$A/shared/job_d7f536ce31c588055f4f8282a9756920_op_x_0_1/x-1";
    let world = living().file(&format!("$B/chk-1/{}", uuid(7)), 9).file("$B/x-1", 9);
    let named = world.clone().metadata("$A/chk-8/_metadata", 1, &[merged]);
    assert_eq!(named.rule("$B/x-1"), Rule::NamedByBaseName);
    assert_ne!(world.rule("$B/x-1"), Rule::NamedByBaseName);
}
