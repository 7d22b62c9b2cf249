//! Each rule from both sides: the world in which it takes a file, and each single change that stops it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use chksweep_core::plan::{OperatorStateSearch, OwnMove, Rule};
use chksweep_core::policy::{DeadJob, OnUnreadable};
use chksweep_core::{Age, Location, OperatorId, Uuid};
use chksweep_testkit::world::{NOW, uuid};
use common::{A, B, Planned, World, living, shared};

#[test]
fn a_world_without_garbage_has_no_sweep() {
    let world = living();
    assert_eq!(world.swept(), Vec::<String>::new());
    assert_eq!(world.rule(&shared(1)), Rule::Named);
    assert_eq!(world.rule("$A/chk-7/_metadata"), Rule::Retained);
    assert_eq!(world.rule("$A/taskowned"), Rule::Structure);
}

#[test]
fn unreferenced_shared_needs_age_and_the_frontier_or_death() {
    let world = living().file(&shared(3), 5);
    assert_eq!(world.swept(), [shared(3)]);
    assert_eq!(living().file(&shared(3), 0).rule(&shared(3)), Rule::Young);
    // Two days old, as the checkpoint: within the slack.
    assert_eq!(living().file(&shared(3), 2).rule(&shared(3)), Rule::BehindFrontierNotYet);
    // So old that it was written before there were clocks: its time is not known.
    assert_eq!(living().file(&shared(3), 30_000).rule(&shared(3)), Rule::Young);
    assert_eq!(living().file("$A/shared/not-a-uuid", 5).rule("$A/shared/not-a-uuid"), Rule::UnknownName);
    assert_eq!(living().link(&shared(3), 5).rule(&shared(3)), Rule::UnknownName);
}

#[test]
fn savepoints_do_not_advance_the_frontier() {
    let world = World::new()
        .metadata("$A/chk-7/_metadata", 9, &[])
        .metadata("savepoint-aaaaaa-000000000001/_metadata", 2, &[])
        .file(&shared(3), 5);
    assert_eq!(world.rule(&shared(3)), Rule::BehindFrontierNotYet);
}

#[test]
fn a_checkpoint_of_another_directory_does_not_advance_the_frontier() {
    let world = World::new()
        .metadata("$A/chk-7/_metadata", 9, &[])
        .metadata("$B/chk-9/_metadata", 2, &[])
        .file(&shared(3), 5);
    assert_eq!(world.rule(&shared(3)), Rule::BehindFrontierNotYet);
}

#[test]
fn exclusive_files_beside_readable_metadata_need_age_only() {
    let path = format!("$A/chk-7/{}", uuid(5));
    assert_eq!(living().file(&path, 2).swept(), [&*path]);
    assert_eq!(living().file(&path, 1).rule(&path), Rule::Young);
}

#[test]
fn an_abandoned_checkpoint_must_be_overtaken() {
    let path = format!("$A/chk-6/{}", uuid(5));
    let between = |operators: Vec<OperatorId>| {
        World::new().metadata("$A/chk-5/_metadata", 6, &[]).file(&path, 5).dir("$A/shared", 9).metadata_of(
            "$A/chk-7/_metadata",
            2,
            &[],
            |file| file.content.as_mut().unwrap().operators = operators,
        )
    };
    let same = vec![OperatorId([1; 16]), OperatorId([2; 16])];
    assert_eq!(between(same).swept(), ["$A/chk-6".to_owned(), path.clone()]);
    // Another job under the same id, whose numbers run ahead.
    assert_eq!(between(vec![OperatorId([9; 16])]).rule(&path), Rule::InProgress);
    // Nothing lower to compare with.
    let first = World::new().file(&path, 5).dir("$A/shared", 9).metadata("$A/chk-7/_metadata", 2, &[]);
    assert_eq!(first.rule(&path), Rule::InProgress);
    // Written after the higher one completed.
    let late = World::new()
        .metadata("$A/chk-5/_metadata", 6, &[])
        .metadata("$A/chk-7/_metadata", 5, &[])
        .file(&path, 4)
        .dir("$A/shared", 9);
    assert_eq!(late.rule(&path), Rule::InProgress);
}

#[test]
fn checkpoints_of_old_flink_without_metadata_are_not_understood() {
    let path = format!("$A/chk-6/{}", uuid(5));
    let world = World::new().file(&path, 50).metadata("$B/chk-1/_metadata", 2, &[]);
    assert_eq!(world.clone().as_of_days_ahead(60).rule(&path), Rule::UnknownName);
    assert_eq!(world.dead(A).rule(&path), Rule::AbandonedCheckpoint);
}

#[test]
fn staging_files_need_age_only() {
    let path = format!("$A/chk-8/._metadata.inprogress.{}", uuid(9));
    assert_eq!(living().file(&path, 3).rule(&path), Rule::StagingFile);
    assert_eq!(living().file(&path, 0).rule(&path), Rule::Young);
}

#[test]
fn running_state_waits_for_the_death_of_its_job() {
    for place in ["dstl", "taskowned", "shared/op_X__1_2__attempt_0/db"] {
        let path = format!("$A/{place}/{}", uuid(5));
        let world = World::new()
            .file(&path, 30)
            .dir("$A/shared", 30)
            .metadata("$A/chk-7/_metadata", 20, &[])
            .metadata("$B/chk-1/_metadata", 2, &[]);
        assert_eq!(world.rule(&path), Rule::JobNotDead, "{place}");
        assert_eq!(world.clone().dead(A).rule(&path), Rule::UnreferencedRunningState, "{place}");
        assert_eq!(world.clone().seen_before(3).rule(&path), Rule::UnreferencedRunningState, "{place}");
        assert_eq!(world.clone().seen_before(0).rule(&path), Rule::JobNotDead, "{place}: seen today only");
        let distrust = world.clone().seen_before(3).policy(|policy| policy.trust_quiescence = false);
        assert_eq!(distrust.rule(&path), Rule::JobNotDead, "{place}");
        // A living job that claimed a file of this one may hold more of them.
        let used = world.clone().dead(A).file("$A/shared/x", 30).metadata(
            "$B/chk-2/_metadata",
            2,
            &[&format!("$A/shared/{}", uuid(77))],
        );
        let used = used.file(&shared(77), 30);
        assert_eq!(used.rule(&path), Rule::JobNotDead, "{place}");
    }
}

#[test]
fn a_job_that_named_something_here_in_the_last_look_must_be_dead_too() {
    let path = format!("$A/dstl/{}", uuid(5));
    let mut world = World::new()
        .file(&path, 30)
        .dir("$A/shared", 30)
        .metadata("$A/chk-7/_metadata", 20, &[])
        .metadata("$B/chk-1/_metadata", 2, &[])
        .seen_before(3);
    assert_eq!(world.rule(&path), Rule::UnreferencedRunningState);
    let look = world.looks.directories.get_mut(&format!("{}/{A}", common::ROOT)).unwrap();
    look.named_by = vec![format!("{}/{}", common::ROOT, B)];
    assert_eq!(world.rule(&path), Rule::JobNotDead);
}

/// What a look hands on to the next: since when a tree is as it is, and who uses it.
#[test]
fn a_look_remembers_since_when_nothing_changed_and_who_names_something() {
    let world = World::new().file(&shared(1), 30).metadata("$A/chk-7/_metadata", 20, &[&shared(1)]).metadata(
        "$B/chk-1/_metadata",
        2,
        &[&shared(1)],
    );
    let at = |job: &str| format!("{}/{job}", common::ROOT);
    let seen = world.clone().seen_before(3).plan().looks;
    assert_eq!(seen.directories[&at(A)].since, NOW.minus(Age::days(3)));
    assert_eq!(seen.directories[&at(A)].named_by, [at(B)]);
    assert_eq!(seen.directories[&at(B)].named_by, [""; 0]);
    // Whatever is new, gone or not to be seen begins anew.
    let mut changed = world.clone().file(&shared(2), 30);
    changed.looks = world.clone().seen_before(3).looks;
    assert_eq!(changed.plan().looks.directories[&at(A)].since, NOW);
    let mut partial = world.clone().partial("$A/shared", 9);
    partial.looks = partial.clone().seen_before(3).looks;
    assert_eq!(partial.plan().looks.directories[&at(A)].since, NOW);
    assert_eq!(world.plan().looks.directories[&at(A)].since, NOW);
}

#[test]
fn a_job_that_uses_another_s_files_knows_of_its_taskowned() {
    let path = format!("$A/taskowned/{}", uuid(5));
    let with = |search: OperatorStateSearch| {
        World::new()
            .file(&path, 30)
            .file(&shared(1), 30)
            .metadata("$A/chk-7/_metadata", 20, &[])
            .metadata("$B/chk-1/_metadata", 20, &[&shared(1)])
            .metadata_of("$B/chk-2/_metadata", 20, &[], |file| file.operator_state = search)
            .dead(A)
            .dead(B)
    };
    assert_eq!(with(OperatorStateSearch::NotSearched).rule(&path), Rule::JobNotDead);
    let searched = OperatorStateSearch::Searched { found: Vec::new() };
    assert_eq!(with(searched).rule(&path), Rule::UnreferencedRunningState);
}

#[test]
fn what_waits_for_the_death_of_its_job_says_until_when() {
    let path = format!("$A/dstl/{}", uuid(5));
    let world = World::new()
        .file(&path, 4)
        .dir("$A/shared", 9)
        .metadata("$A/chk-7/_metadata", 9, &[])
        .metadata("$B/chk-1/_metadata", 2, &[]);
    let (inventory, plan) = (world.listed(), world.plan());
    let (_, file) = inventory.find(&common::location(&path)).unwrap();
    let verdict = plan.decisions.file(file);
    assert_eq!(verdict.rule, Rule::JobNotDead);
    // A week after the last change.
    assert_eq!(verdict.until_time(), Some(NOW.plus(Age::days(3))));
}

#[test]
fn files_in_taskowned_wait_for_a_search_of_operator_state() {
    let path = format!("$A/taskowned/{}", uuid(5));
    let with = |search: OperatorStateSearch| {
        World::new()
            .file(&path, 30)
            .dir("$A/shared", 30)
            .metadata_of("$A/chk-7/_metadata", 20, &[], |file| file.operator_state = search)
            .dead(A)
    };
    assert_eq!(with(OperatorStateSearch::NotSearched).rule(&path), Rule::JobNotDead);
    let found = vec![Uuid::parse(uuid(5).as_bytes()).unwrap()];
    assert_eq!(with(OperatorStateSearch::Searched { found }).rule(&path), Rule::NamedByBaseName);
    let found = Vec::new();
    assert_eq!(with(OperatorStateSearch::Searched { found }).rule(&path), Rule::UnreferencedRunningState);
}

#[test]
fn merged_directories_go_whole_or_not_at_all() {
    let directory = format!("$A/taskowned/job_{A}_tm_host-1");
    let (old, young) = (format!("{directory}/{}", uuid(5)), format!("{directory}/{}", uuid(6)));
    let world = World::new().file(&old, 30).dir("$A/shared", 30).metadata("$B/chk-1/_metadata", 2, &[]);
    assert_eq!(world.clone().dead(A).rule(&old), Rule::UnreferencedRunningState);
    assert_eq!(world.clone().dead(A).rule(&directory), Rule::UnreferencedRunningState);
    // One named segment file keeps all.
    let named =
        world.clone().file(&young, 30).metadata("$A/chk-3/_metadata", 20, &[&young]).as_of_days_ahead(60);
    assert_eq!(named.rule(&old), Rule::NamedDirectory);
    // A named directory keeps what lies in it, and itself when empty.
    let by_directory = world.clone().dead(A).metadata_of("$B/chk-2/_metadata", 20, &[], |file| {
        file.content.as_mut().unwrap().directories =
            vec![Location::from_printed(format!("hdfs://other/x/job_{A}_tm_host-1").as_bytes()).unwrap()];
    });
    assert_eq!(by_directory.rule(&old), Rule::NamedDirectory);
    assert_eq!(by_directory.rule(&directory), Rule::NamedDirectory);
    // One young file holds all.
    let held = world.file(&young, 0).as_of_days_ahead(0).seen_before(3);
    assert_eq!(held.rule(&old), Rule::JobNotDead);
}

#[test]
fn a_merged_directory_waits_for_the_job_in_its_name_too() {
    for (name, dead_too) in [(B, Rule::JobNotDead), (A, Rule::UnreferencedRunningState)] {
        let directory = format!("$A/taskowned/job_{name}_tm_host-1");
        let path = format!("{directory}/{}", uuid(5));
        let world = World::new()
            .file(&path, 30)
            .dir("$A/shared", 30)
            .metadata("$A/chk-7/_metadata", 20, &[])
            .metadata("$B/chk-1/_metadata", 2, &[]);
        assert_eq!(world.clone().dead(A).rule(&path), dead_too, "{name}");
        assert_eq!(world.rule(&path), Rule::JobNotDead, "{name}");
    }
    // Both are dead; and one of which nothing is known is not.
    let path = |name: &str| format!("$A/taskowned/job_{name}_tm_host-1/{}", uuid(5));
    let world = |name: &str| {
        let world = World::new().file(&path(name), 30).dir("$A/shared", 30).dead(A);
        world.metadata("$A/chk-7/_metadata", 20, &[])
    };
    let both = world(B).metadata("$B/chk-1/_metadata", 20, &[]).dead(B);
    assert_eq!(both.rule(&path(B)), Rule::UnreferencedRunningState);
    let stranger = "c".repeat(32);
    assert_eq!(world(&stranger).rule(&path(&stranger)), Rule::JobNotDead);
}

#[test]
fn empty_directories_of_a_job_go_with_the_job() {
    let world = World::new().dir("$A/shared", 30).dir("$A/taskowned", 30).dir("$A/chk-3", 30).metadata(
        "$B/chk-1/_metadata",
        2,
        &[],
    );
    assert_eq!(world.swept(), ["$A/chk-3"]);
    assert_eq!(world.rule("$A/shared"), Rule::JobNotDead);
    assert_eq!(
        world.clone().seen_before(3).swept(),
        ["$A", "$A/chk-3", "$A/shared", "$A/taskowned"].map(ToOwned::to_owned)
    );
    // A kept checkpoint keeps its job's directories.
    let kept = world.metadata("$A/chk-4/_metadata", 30, &[]).seen_before(3);
    assert_eq!(kept.swept(), ["$A/chk-3"]);
    assert_eq!(kept.rule("$A/shared"), Rule::Structure);
}

#[test]
fn the_directories_of_a_root_that_is_a_job_stay() {
    let world = World::new()
        .dir("shared", 30)
        .dir("taskowned", 30)
        .file(&format!("shared/{}", uuid(5)), 30)
        .metadata("chk-3/_metadata", 20, &[])
        .as_of_days_ahead(60);
    assert_eq!(world.swept(), [format!("shared/{}", uuid(5))]);
}

#[test]
fn unreadable_metadata_holds_everything_back() {
    let world = living().file(&shared(3), 5).unreadable("$B/chk-1/_metadata", 30, Some(vec![]), true);
    assert_eq!(world.rule(&shared(3)), Rule::UnreadableMetadata);
    assert!(world.plan().held_by_unreadable);
    let isolate = world.policy(|policy| policy.unreadable = OnUnreadable::Isolate);
    assert_eq!(isolate.rule(&shared(3)), Rule::UnreadableMetadata);
    let exclusive = format!("$A/chk-7/{}", uuid(5));
    assert_eq!(isolate.clone().file(&exclusive, 5).rule(&exclusive), Rule::UnreferencedExclusive);
    let other = format!("$B/chk-1/{}", uuid(6));
    assert_eq!(isolate.file(&other, 30).rule(&other), Rule::UnreadableMetadata);
}

#[test]
fn unreadable_metadata_that_was_not_searched_leaves_only_what_nobody_can_name() {
    let exclusive = format!("$A/chk-7/{}", uuid(5));
    let staging = format!("$A/chk-7/._metadata.inprogress.{}", uuid(9));
    let world = living()
        .file(&exclusive, 5)
        .file(&staging, 5)
        .unreadable("$B/chk-1/_metadata", 30, None, true)
        .policy(|policy| policy.unreadable = OnUnreadable::Isolate);
    assert_eq!(world.swept(), [staging]);
}

#[test]
fn old_metadata_that_was_searched_does_not_block() {
    let world = living().file(&shared(3), 5).file(&shared(4), 5).unreadable(
        "savepoint-00000000000a",
        30,
        Some(vec![4]),
        false,
    );
    assert_eq!(world.rule(&shared(3)), Rule::UnreferencedShared);
    assert_eq!(world.rule(&shared(4)), Rule::NamedByBaseName);
}

#[test]
fn partial_listings_are_skipped_and_block_where_metadata_may_lie() {
    let state =
        living().file(&shared(3), 5).partial("$B/shared", 30).file(&format!("$B/shared/{}", uuid(8)), 30);
    assert_eq!(state.swept(), [shared(3)]);
    assert_eq!(state.rule(&format!("$B/shared/{}", uuid(8))), Rule::PartialListing);
    let anywhere = living().file(&shared(3), 5).partial("team", 30);
    assert_eq!(anywhere.rule(&shared(3)), Rule::UnreadableMetadata);
    let mut unlisted = living().file(&shared(3), 5);
    unlisted.unlisted.push((Location::local(b"/elsewhere"), "permission denied".to_owned()));
    assert_eq!(unlisted.rule(&shared(3)), Rule::UnreadableMetadata);
}

#[test]
fn only_selected_jobs_are_swept() {
    let other = format!("$B/shared/{}", uuid(8));
    let world = living()
        .metadata("$B/chk-2/_metadata", 2, &[])
        .file(&other, 9)
        .file(&shared(3), 5)
        .policy(|policy| policy.jobs = vec![chksweep_core::JobId::parse(A.as_bytes()).unwrap()]);
    assert_eq!(world.swept(), [shared(3)]);
    assert_eq!(world.rule(&other), Rule::NotSelected);
}

#[test]
fn a_job_declared_dead_that_changed_is_an_error() {
    let world = living().file(&shared(3), 0).dead(A);
    assert!(world.try_plan().is_err());
}

#[test]
fn incomplete_savepoints_wait_for_quiescence_and_a_second_look() {
    let path = format!("savepoint-aaaaaa-000000000001/{}", uuid(5));
    let world = living().file(&path, 9);
    assert_eq!(world.rule(&path), Rule::InProgress);
    assert_eq!(world.clone().seen_before(2).rule(&path), Rule::IncompleteSavepoint);
    assert_eq!(living().file(&path, 4).seen_before(2).rule(&path), Rule::InProgress);
    let asked = living().file(&path, 4).policy(|policy| policy.incomplete_savepoints = true);
    assert_eq!(asked.swept(), ["savepoint-aaaaaa-000000000001".to_owned(), path.clone()]);
    let named = asked.file(&format!("savepoint-aaaaaa-000000000001/{}", uuid(1)), 9);
    assert_eq!(named.rule(&path), Rule::InProgress);
}

#[test]
fn job_directories_inside_state_directories_are_not_recognised() {
    let path = format!("$A/shared/team/{}/shared/{}", B, uuid(5));
    assert_eq!(living().file(&path, 50).as_of_days_ahead(90).rule(&path), Rule::UnknownName);
}

#[test]
fn our_own_moves_are_no_sign_of_life_but_later_changes_are() {
    let path = format!("$A/dstl/{}", uuid(5));
    let world = |mtime_days: u64, move_: Option<OwnMove>| {
        let mut world = World::new()
            .file(&path, 30)
            .dir("$A/shared", 30)
            .metadata("$B/chk-1/_metadata", 2, &[])
            .dir_age("$A", mtime_days);
        world.looks.moves.extend(move_.map(|move_| (format!("{}/{A}", common::ROOT), move_)));
        let moves = world.looks.moves.clone();
        let mut world = world.seen_before(2);
        world.looks.moves = moves;
        world
    };
    let during = OwnMove { start: NOW.minus(Age::days(4)), end: Some(NOW.minus(Age::days(2))) };
    assert_eq!(world(3, None).rule(&path), Rule::JobNotDead);
    assert_eq!(world(3, Some(during)).rule(&path), Rule::UnreferencedRunningState);
    assert_eq!(world(1, Some(during)).rule(&path), Rule::JobNotDead, "after the end it was not us");
    let broken_off = OwnMove { end: None, ..during };
    assert_eq!(world(3, Some(broken_off)).rule(&path), Rule::JobNotDead);
}

#[test]
fn a_directory_declared_dead_was_used_by_another_of_the_same_id() {
    let file = |n: u32| format!("x/$A/shared/op_X__1_2__attempt_0/db/{}", uuid(n));
    let user = |job: &str, days: u64| {
        World::new()
            .file(&file(1), 9)
            .file(&file(2), 9)
            .dir("x/$A/taskowned", 9)
            .metadata(&format!("y/{job}/chk-7/_metadata"), days, &[&file(1)])
            .dir(&format!("y/{job}/shared"), days)
    };
    let dead = |world: World, place: &str| {
        let path = common::location(place).to_string();
        world.policy(|policy| policy.dead_jobs.push(DeadJob::Path(path)))
    };
    // Two clusters under one id, or a job whose checkpoint directory was moved.
    assert_eq!(dead(user("$A", 0), "x/$A").rule(&file(2)), Rule::JobNotDead);
    assert_eq!(dead(user("$B", 0), "x/$A").rule(&file(2)), Rule::JobNotDead);
    let both = dead(dead(user("$A", 3), "x/$A"), "y/$A");
    assert_eq!(both.rule(&file(2)), Rule::UnreferencedRunningState);
}

#[test]
fn a_checkpoint_that_completed_after_the_listing_is_a_sign_of_life() {
    let segment = format!("$A/dstl/{}", uuid(2));
    let quiet = World::new()
        .file(&segment, 20)
        .dir("$A/shared", 20)
        .metadata("$A/chk-3/_metadata", 20, &[])
        .seen_before(3);
    assert_eq!(quiet.rule(&segment), Rule::UnreferencedRunningState);
    let mut alive = quiet;
    alive.metadata.extend(World::new().metadata("$A/chk-4/_metadata", 0, &[]).metadata);
    assert_eq!(alive.rule(&segment), Rule::JobNotDead);
}

#[test]
fn thousands_of_savepoints_that_were_not_searched_take_no_cube_of_their_number() {
    // Each of another job: every pair of a job and a savepoint was looked at, and for each all jobs once more.
    let world = (1..=400_u32).fold(World::new(), |world, n| {
        let job = format!("{n:06x}{:026x}", 7);
        world.dir(&format!("{job}/taskowned"), 9).metadata_of(
            &format!("savepoint-{n:06x}-000000000001/_metadata"),
            3,
            &[],
            |file| file.operator_state = OperatorStateSearch::NotSearched,
        )
    });
    let begun = std::time::Instant::now();
    assert_eq!(world.swept(), Vec::<String>::new());
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// Nothing tells what it passed over.
#[test]
fn a_checkpoint_that_vanished_overtakes_nothing() {
    let file = format!("$A/chk-5/{}", uuid(5));
    let mut world = World::new().metadata("$A/chk-3/_metadata", 20, &[]).dir("$A/chk-7", 2).file(&file, 9);
    let mut vanished = World::new().metadata("$A/chk-7/_metadata", 2, &[]);
    world.metadata.append(&mut vanished.metadata);
    assert_eq!(world.rule(&file), Rule::InProgress);
}

#[test]
fn what_lies_beside_metadata_that_cannot_be_read_stays() {
    let (beside, other) = (format!("$A/chk-6/{}", uuid(5)), format!("$A/chk-7/{}", uuid(6)));
    let world = living().file(&beside, 9).file(&other, 9).metadata("$A/chk-5/_metadata", 20, &[]);
    assert_eq!(
        (world.rule(&beside), world.rule(&other)),
        (Rule::AbandonedCheckpoint, Rule::UnreferencedExclusive)
    );
    let unreadable = world.unreadable("$A/chk-6/_metadata", 9, Some(vec![]), false);
    assert_ne!(unreadable.rule(&beside), Rule::UnreferencedExclusive);
    assert_eq!(unreadable.swept(), [other]);
}

/// A file-merging directory goes whole: what may not go yet, or is not understood, holds the rest.
#[test]
fn one_file_of_a_merged_directory_holds_all() {
    let merged = format!("$A/taskowned/job_{A}_op_x_0_2");
    let old = format!("{merged}/{}", uuid(5));
    let world = living().file(&old, 30).dead(A);
    assert_eq!(world.rule(&old), Rule::UnreferencedRunningState);
    let pinned = format!("{merged}/{}", uuid(6));
    let kept = world.clone().file(&pinned, 30).pin(&pinned);
    assert_eq!((kept.rule(&old), kept.rule(&pinned)), (Rule::NamedDirectory, Rule::Pinned));
    let strange = world.clone().file(&format!("{merged}/strange"), 30);
    assert_eq!((strange.rule(&old), strange.swept().contains(&old)), (Rule::UnknownName, false));
    let deeper = world.dir(&format!("{merged}/sub"), 30);
    assert_eq!((deeper.rule(&old), deeper.swept().contains(&old)), (Rule::UnknownName, false));
}

#[test]
fn limits_of_the_policy_are_brakes() {
    let world = living().file(&shared(3), 5).file(&shared(4), 5);
    assert_eq!(world.plan().brakes, []);
    for limit in ["max-sweep-ratio", "max-sweep-files", "max-sweep-bytes", "max-sweep-jobs"] {
        let limited = world.clone().policy(|policy| match limit {
            "max-sweep-ratio" => policy.brakes.max_sweep_ratio = 0.1,
            "max-sweep-files" => policy.brakes.max_sweep_files = Some(1),
            "max-sweep-bytes" => policy.brakes.max_sweep_bytes = Some(1),
            _ => policy.brakes.max_sweep_jobs = Some(0),
        });
        let told = limited.plan().brakes;
        assert!(told.iter().any(|brake| brake.limit == limit), "{limit}: {told:?}");
    }
    // What is just as much as allowed is no more than that.
    let most = world.clone().policy(|policy| policy.brakes.max_sweep_files = Some(2));
    assert_eq!(most.plan().brakes, []);
}

#[test]
fn a_root_without_readable_metadata_is_a_brake() {
    let world = World::new().file(&shared(3), 90).dead(A).as_of_days_ahead(60);
    let told = world.plan().brakes;
    assert_eq!(told.first().map(|brake| &*brake.limit), Some("no-readable-metadata"), "{told:?}");
    let read = world.metadata("$B/chk-1/_metadata", 2, &[]);
    assert_eq!(read.plan().brakes, []);
}

#[test]
fn the_summary_tells_each_job_and_its_newest_checkpoint() {
    let world = living().metadata("$B/chk-1/_metadata", 5, &[]).metadata("$B/chk-2/_metadata", 3, &[]);
    let jobs = world.plan().summary.jobs;
    let newest: Vec<_> = jobs
        .iter()
        .map(|job| {
            (job.checkpoints, job.newest.as_ref().map(|newest| newest.path.rsplit('/').next().unwrap()))
        })
        .collect();
    assert_eq!(newest, [(1, Some("chk-7")), (2, Some("chk-2"))]);
}

/// A directory that is a job's only by what it holds.
#[test]
fn a_directory_that_a_person_named_stays_when_all_below_it_goes() {
    let world =
        World::new().dir("team/shared", 30).dir("team/taskowned", 30).metadata("$B/chk-1/_metadata", 2, &[]);
    let silent = world.seen_before(3);
    assert_eq!(silent.rule("team/shared"), Rule::EmptyDirectory);
    assert_eq!(silent.rule("team"), Rule::Structure);
}

/// A root of changelog alone holds no metadata: what is live in it is told elsewhere, and there is none.
#[test]
fn changelog_without_any_metadata_is_a_brake() {
    let world = World::new().file(&format!("$A/dstl/{}", uuid(5)), 30).dead(A);
    assert!(world.swept().contains(&format!("$A/dstl/{}", uuid(5))));
    let limits: Vec<String> = world.plan().brakes.into_iter().map(|brake| brake.limit).collect();
    assert_eq!(limits, ["no-readable-metadata"]);
}

/// What Flink did not make, we do not move from: a change of it is somebody's.
#[test]
fn a_directory_of_unknown_use_that_changed_during_our_moves_is_a_sign_of_life() {
    let path = format!("$A/dstl/{}", uuid(5));
    let during = OwnMove { start: NOW.minus(Age::days(4)), end: Some(NOW.minus(Age::days(2))) };
    let with = |name: &str| {
        let mut world = World::new()
            .file(&path, 30)
            .dir("$A/shared", 30)
            .dir(&format!("$A/{name}"), 3)
            .metadata("$B/chk-1/_metadata", 2, &[])
            .seen_before(2);
        for below in [String::new(), format!("/{name}")] {
            world.looks.moves.insert(format!("{}/{A}{below}", common::ROOT), during);
        }
        world.rule(&path)
    };
    assert_eq!(with("chk-3"), Rule::UnreferencedRunningState);
    assert_eq!(with("strange"), Rule::JobNotDead);
}
