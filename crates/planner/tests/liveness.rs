//! When a job counts as dead, from both sides.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use chksweep_core::OperatorId;
use chksweep_core::plan::{OperatorStateSearch, Place, Rule};
use chksweep_core::policy::DeadJob;
use chksweep_testkit::world::uuid;
use common::{A, B, Planned, World};

/// A file that only the death of job A makes garbage.
fn log() -> String {
    format!("$A/dstl/{}", uuid(5))
}

/// Job A has been silent for weeks, and looked at three days ago; job B lives.
fn silent() -> World {
    World::new().file(&log(), 30).dir("$A/shared", 30).metadata("$A/chk-7/_metadata", 20, &[]).metadata(
        "$B/chk-1/_metadata",
        2,
        &[],
    )
}

#[test]
fn a_tree_that_was_not_listed_to_its_end_does_not_prove_a_death() {
    let partial = || silent().partial("$A/shared", 30);
    assert_eq!(silent().dead(A).rule(&log()), Rule::UnreferencedRunningState);
    assert_eq!(silent().seen_before(3).rule(&log()), Rule::UnreferencedRunningState);
    assert_eq!(partial().dead(A).rule(&log()), Rule::JobNotDead);
    assert_eq!(partial().seen_before(3).rule(&log()), Rule::JobNotDead);
    let deep = silent().partial("$A/shared/op_X__1_2__attempt_0/db", 30);
    assert_eq!(deep.dead(A).rule(&log()), Rule::JobNotDead);
}

#[test]
fn a_directory_that_shows_no_job_is_never_silent_for_long_enough() {
    let log_only = World::new().file(&log(), 30).metadata("$B/chk-1/_metadata", 2, &[]);
    assert_eq!(log_only.clone().seen_before(3).rule(&log()), Rule::JobNotDead);
    assert_eq!(log_only.dir("$A/taskowned", 30).seen_before(3).rule(&log()), Rule::UnreferencedRunningState);
}

#[test]
fn metadata_of_the_same_id_under_a_reference_root_is_a_sign_of_life() {
    let elsewhere = format!("hdfs://elsewhere/flink/{A}/chk-9/_metadata");
    let with = |days: u64| {
        let world = silent().metadata_of(&elsewhere, days, &[], |file| file.place = Place::Reference);
        world.seen_before(3)
    };
    assert_eq!(with(2).rule(&log()), Rule::JobNotDead);
    assert_eq!(with(20).rule(&log()), Rule::UnreferencedRunningState);
}

/// Another root that is swept could not be listed, and then its metadata could be read after all.
#[test]
fn metadata_of_the_same_id_where_a_listing_broke_is_a_sign_of_life() {
    let elsewhere = format!("hdfs://elsewhere/flink/{A}/chk-9/_metadata");
    let with = |days: u64| {
        let mut world = silent().metadata_of(&elsewhere, days, &[], |file| file.place = Place::Reference);
        for file in &mut world.metadata {
            file.place = Place::Sweep;
        }
        world.seen_before(3)
    };
    assert_eq!(with(2).rule(&log()), Rule::JobNotDead);
    assert_eq!(with(20).rule(&log()), Rule::UnreferencedRunningState);
}

#[test]
fn a_dead_user_of_a_dead_job_s_files_holds_nothing() {
    let used_by = |user: String| {
        let world =
            World::new().file(&log(), 30).dir("$A/shared", 30).metadata("$A/chk-7/_metadata", 20, &[]);
        let mut world = world.metadata("$B/chk-1/_metadata", 20, &[]).seen_before(3).dead(A);
        let look = world.looks.directories.get_mut(&format!("{}/{A}", common::ROOT)).unwrap();
        look.named_by = vec![user];
        world
    };
    let user = format!("{}/{B}", common::ROOT);
    assert_eq!(used_by(user.clone()).policy(|p| p.trust_quiescence = false).rule(&log()), Rule::JobNotDead);
    assert_eq!(used_by(user).dead(B).rule(&log()), Rule::UnreferencedRunningState);
    // One that is gone from the roots was not seen to end.
    assert_eq!(used_by(format!("{}/gone", common::ROOT)).dead(B).rule(&log()), Rule::JobNotDead);
}

/// A job without a level of its own: its checkpoints lie right in `cp`, its changelog in `cp/ID/dstl` all the same.
#[test]
fn who_uses_the_changelog_below_a_job_directory_uses_that_job_directory() {
    let owned = format!("cp/taskowned/{}", uuid(6));
    let named = format!("cp/{A}/dstl/{}", uuid(7));
    let with = |names: &[&str]| {
        let world = World::new().file(&owned, 30).file(&named, 30).dir("cp/shared", 30);
        let world = world.metadata("cp/chk-7/_metadata", 20, &[]).policy(|policy| {
            policy.dead_jobs = vec![DeadJob::Path(format!("{}/cp", common::ROOT))];
        });
        world.metadata_of("hdfs://elsewhere/flink/chk-9/_metadata", 2, names, |file| {
            file.place = Place::Reference;
        })
    };
    assert_eq!(with(&[]).rule(&owned), Rule::UnreferencedRunningState);
    assert_eq!(with(&[&named]).rule(&owned), Rule::JobNotDead);
}

#[test]
fn a_savepoint_among_a_job_s_own_directories_is_no_user_of_it() {
    let inside = silent().metadata("$A/savepoint-aaaaaa-000000000001/_metadata", 20, &["$A/shared/x"]);
    assert_eq!(inside.dead(A).rule(&log()), Rule::UnreferencedRunningState);
    // One elsewhere may be anybody's.
    let outside = silent().file("$A/shared/x", 30);
    let outside = outside.metadata("savepoint-aaaaaa-000000000001/_metadata", 20, &["$A/shared/x"]);
    assert_eq!(outside.dead(A).rule(&log()), Rule::JobNotDead);
}

#[test]
fn sweeping_in_shared_and_taskowned_is_no_sign_of_life() {
    for (place, rule) in [
        ("$A/shared", Rule::UnreferencedRunningState),
        ("$A/taskowned", Rule::UnreferencedRunningState),
        ("$A/chk-7", Rule::JobNotDead),
    ] {
        let world = silent().dir("$A/taskowned", 30).dir_age(place, 3).seen_before(2);
        assert_eq!(world.rule(&log()), rule, "{place}");
    }
}

/// The six digits tell whose savepoint it is, and with that whose `taskowned` its operator state may name.
#[test]
fn a_savepoint_whose_operator_state_was_not_searched_holds_the_job_in_its_name() {
    let owned = format!("$A/taskowned/{}", uuid(6));
    let with = |digits: &str| {
        let savepoint = format!("savepoint-{digits}-000000000001/_metadata");
        let world = silent().file(&owned, 30).dead(A);
        world.metadata_of(&savepoint, 20, &[], |file| {
            file.operator_state = OperatorStateSearch::NotSearched;
            file.content.as_mut().unwrap().operators = vec![OperatorId([9; 16])];
        })
    };
    assert_eq!(with("bbbbbb").rule(&owned), Rule::UnreferencedRunningState);
    assert_eq!(with("aaaaaa").rule(&owned), Rule::JobNotDead);
    // Nobody's, as far as is known: it may name anything.
    assert_eq!(with("cccccc").rule(&owned), Rule::JobNotDead);
    assert_eq!(with("000000").rule(&owned), Rule::JobNotDead);
}

/// A sink's buffers go on inside operator state when another job is restored from the checkpoint, whose handles may name
/// nothing of where they come from; only that it has the same operator tells.
#[test]
fn a_job_that_may_have_taken_buffers_over_holds_them_until_it_was_searched() {
    let owned = format!("$A/taskowned/{}", uuid(6));
    let with = |world: World, operators: &[u8], version: i32, search: OperatorStateSearch| {
        let world = world.metadata_of("$B/chk-2/_metadata", 20, &[], |file| {
            let content = file.content.as_mut().unwrap();
            content.operators = operators.iter().map(|id| OperatorId([*id; 16])).collect();
            content.version = version;
            file.operator_state = search;
        });
        world.file(&owned, 30).dead(A).rule(&owned)
    };
    let not = OperatorStateSearch::NotSearched;
    let searched = OperatorStateSearch::Searched { found: Vec::new() };
    assert_eq!(with(silent(), &[1, 9], 4, not.clone()), Rule::JobNotDead);
    assert_eq!(with(silent(), &[1, 9], 4, searched), Rule::UnreferencedRunningState);
    assert_eq!(with(silent(), &[8, 9], 4, not.clone()), Rule::UnreferencedRunningState);
    // Its operators are not known.
    assert_eq!(with(silent(), &[], 4, not.clone()), Rule::JobNotDead);
    assert_eq!(with(silent(), &[8, 9], 1, not.clone()), Rule::JobNotDead);
    // Those of the job that wrote the buffers are not known: no metadata of it is left.
    let bare = || World::new().dir("$A/shared", 30);
    assert_eq!(with(bare(), &[8, 9], 4, not), Rule::JobNotDead);
}

/// Six zeros are what every savepoint of a job with a fixed id has in its name.
#[test]
fn zeros_and_letters_f_in_the_name_of_a_savepoint_tell_no_job() {
    let owned = format!("$A/taskowned/{}", uuid(6));
    for digit in ["0", "f"] {
        let savepoint = format!("savepoint-{}-000000000001/_metadata", digit.repeat(6));
        let world =
            silent().file(&owned, 30).metadata(&format!("{}/chk-1/_metadata", digit.repeat(32)), 2, &[]);
        let world = world
            .metadata_of(&savepoint, 20, &[], |file| file.operator_state = OperatorStateSearch::NotSearched);
        assert_eq!(world.dead(A).rule(&owned), Rule::JobNotDead, "{digit}");
    }
}

#[test]
fn a_declaration_that_matches_nothing_is_said() {
    let told = |world: World| {
        world.plan().summary.problems.iter().filter(|problem| problem.code == "unmatched-dead-job").count()
    };
    assert_eq!(told(silent().dead(A)), 0);
    assert_eq!(told(silent().dead(&"c".repeat(32))), 1);
    let by_path = |path: String| silent().policy(|policy| policy.dead_jobs.push(DeadJob::Path(path)));
    assert_eq!(told(by_path(format!("{}/{A}", common::ROOT))), 0);
    assert_eq!(told(by_path(format!("{}/nowhere", common::ROOT))), 1);
}
