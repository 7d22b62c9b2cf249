//! Shared and running state: frontiers, dead jobs, and who else may hold what nobody names.

use chksweep_core::plan::{OwnMove, Rule};
use chksweep_core::policy::DeadJob;
use chksweep_core::{Age, JobId, Kind};

use crate::world::{A, B, NOW, Says, World, at, days, hours, uuid};

fn job(id: &str) -> JobId {
    JobId::parse(id.as_bytes()).unwrap()
}

/// A quiet job with one checkpoint, seen two days ago; the plan sweeps this file of its running state.
fn quiet(file: &str) -> World {
    let mut world = World::new("/r");
    world
        .says(Says::at(&format!("/r/{A}/chk-5/_metadata")))
        .file(file)
        .seen(&format!("/r/{A}"), days(2))
        .sweep(file, Rule::UnreferencedRunningState);
    world
}

fn changelog() -> World {
    quiet(&format!("/r/{A}/dstl/{}", uuid(1)))
}

#[test]
fn shared_state_goes_only_behind_the_frontier() {
    let path = format!("/r/{A}/shared/{}", uuid(1));
    let metadata = format!("/r/{A}/chk-5/_metadata");
    let world_with = |says: Says| {
        let mut world = World::new("/r");
        world.says(says).file(&path).written(&path, days(10)).sweep(&path, Rule::UnreferencedShared);
        world
    };
    let after = days(10).plus(Age::hours(1));
    world_with(Says::at(&metadata).written(after.plus(Age(1)))).passes();
    world_with(Says::at(&metadata).written(after)).refused(&["behind-frontier"]);
    world_with(Says::at(&metadata).written(days(1)).kind(Kind::Savepoint)).refused(&["behind-frontier"]);
    world_with(Says::at(&format!("/r/{B}/chk-5/_metadata")).written(days(1))).refused(&["behind-frontier"]);
    // Without a frontier the job must be dead.
    let mut world = world_with(Says::at(&metadata).written(days(20)));
    world.refused(&["behind-frontier"]);
    world.seen(&format!("/r/{A}"), days(1)).passes();
}

#[test]
fn running_state_of_every_kind_needs_a_dead_job() {
    for file in [
        format!("/r/{A}/dstl/{}", uuid(1)),
        format!("/r/{A}/taskowned/{}", uuid(1)),
        format!("/r/{A}/shared/op_x_attempt_0/db/{}", uuid(1)),
        format!("/r/{A}/op_x_attempt_0/db/{}", uuid(1)),
    ] {
        quiet(&file).passes();
        let mut world = quiet(&file);
        world.written(&format!("/r/{A}/chk-5/_metadata"), days(6));
        world.refused(&["running-state"]);
    }
}

#[test]
fn quiescence_needs_an_earlier_look_at_the_same_tree() {
    let mut world = changelog();
    world.seen(&format!("/r/{A}"), hours(23));
    world.refused(&["running-state"]);
    world.as_of = NOW.plus(Age::hours(1));
    world.passes();
    // Looking into the future counts as the earlier look.
    let mut world = changelog();
    world.seen(&format!("/r/{A}"), hours(1)).as_of = NOW.plus(Age::hours(24));
    world.passes();
    // Another tree.
    let mut world = changelog();
    world.looks.directories.insert(
        format!("file:///r/{B}"),
        chksweep_core::plan::Look { tree: "0".to_owned(), since: days(3), named_by: Vec::new() },
    );
    world.passes();
    world
        .says(Says::at(&format!("/r/{B}/chk-5/_metadata")))
        .file(&format!("/r/{B}/dstl/{}", uuid(2)))
        .sweep(&format!("/r/{B}/dstl/{}", uuid(2)), Rule::UnreferencedRunningState);
    world.refused(&["running-state"]);
    // Not trusted.
    let mut world = changelog();
    world.policy.trust_quiescence = false;
    world.refused(&["running-state"]);
}

#[test]
fn what_changed_lately_shows_that_a_job_lives() {
    let checkpoint = format!("/r/{A}/chk-6");
    for directory in [format!("/r/{A}"), checkpoint.clone(), format!("/r/{A}/dstl"), format!("/r/{A}/x")] {
        let mut world = changelog();
        world.directory(&checkpoint).directory(&format!("/r/{A}/x")).touched(&directory, days(2));
        world.refused(&["running-state"]);
    }
    for directory in [format!("/r/{A}/shared"), format!("/r/{A}/shared/x"), format!("/r/{A}/taskowned")] {
        let mut world = changelog();
        world.directory(&directory).touched(&directory, days(2));
        world.passes();
    }
    let file = format!("/r/{A}/shared/{}", uuid(3));
    let mut world = changelog();
    world.file(&file).written(&file, days(2));
    world.refused(&["running-state"]);
    // A checkpoint that completed after the candidates were listed.
    let mut world = changelog();
    world.says_unlisted(Says::at(&format!("/r/{A}/chk-6/_metadata")).written(hours(1)));
    world.refused(&["running-state"]);
    // What is not known.
    let mut world = changelog();
    world.directory(&format!("/r/{A}/shared/op_x_attempt_0"));
    world.partial(&format!("/r/{A}/shared/op_x_attempt_0"));
    world.refused(&["running-state"]);
}

#[test]
fn our_own_moves_are_no_sign_of_life() {
    let directory = format!("/r/{A}");
    for (start, end, own) in [
        (days(3), Some(days(1)), true),
        (days(3), Some(days(2)), true),
        (days(3), Some(days(2).minus(Age(1))), false),
        (days(1), Some(hours(1)), false),
        (days(3), None, false),
    ] {
        let mut world = changelog();
        world.touched(&directory, days(2));
        world.looks.moves.insert(at(&directory).to_string(), OwnMove { start, end });
        if own {
            world.passes();
        } else {
            world.refused(&["running-state"]);
        }
    }
    // Of any directory that Flink made, and of no other.
    for (directory, own) in [(format!("/r/{A}/dstl"), true), (format!("/r/{A}/x"), false)] {
        let mut world = changelog();
        world.directory(&directory).seen(&format!("/r/{A}"), days(2)).touched(&directory, days(2));
        let moved = OwnMove { start: days(3), end: Some(days(1)) };
        world.looks.moves.insert(at(&directory).to_string(), moved);
        if own {
            world.passes();
        } else {
            world.refused(&["running-state"]);
        }
    }
}

#[test]
fn all_directories_of_an_id_live_and_die_together() {
    let mut world = changelog();
    world.root("/s").says(Says::at(&format!("/s/{A}/chk-9/_metadata")).written(days(2)));
    world.refused(&["running-state"]);
    let mut world = changelog();
    world.root("/s").says(Says::at(&format!("/s/{A}/chk-9/_metadata")));
    world.refused(&["running-state"]);
    world.seen(&format!("/s/{A}"), days(2)).passes();
    // Under a reference root too.
    let mut world = changelog();
    world.says_unlisted(Says::at(&format!("/ref/{A}/chk-9/_metadata")).referenced().written(days(2)));
    world.refused(&["running-state"]);
}

#[test]
fn a_changelog_base_alone_tells_nothing_of_a_job() {
    let file = format!("/r/{A}/dstl/{}", uuid(1));
    let mut world = World::new("/r");
    world.root("/s").says(Says::at(&format!("/s/{B}/chk-9/_metadata")));
    world.file(&file).seen(&format!("/r/{A}"), days(2)).sweep(&file, Rule::UnreferencedRunningState);
    world.refused(&["running-state"]);
    world.directory(&format!("/s/{A}/shared")).seen(&format!("/s/{A}"), days(2)).passes();
}

#[test]
fn a_declared_job_is_dead_unless_something_in_it_is_young() {
    let path = format!("file:///r/{A}");
    for dead in [DeadJob::Id(job(A)), DeadJob::Path(path.clone()), DeadJob::Path(format!("{path}/"))] {
        let mut world = changelog();
        world.looks = chksweep_core::plan::Looks::default();
        world.policy.dead_jobs.push(dead);
        world.policy.trust_quiescence = false;
        world.written(&format!("/r/{A}/chk-5/_metadata"), hours(25));
        world.passes();
        world.written(&format!("/r/{A}/chk-5/_metadata"), hours(23));
        world.refused(&["running-state"]);
    }
    for dead in [DeadJob::Id(job(B)), DeadJob::Path(format!("file:///r/{B}"))] {
        let mut world = changelog();
        world.policy.trust_quiescence = false;
        world.policy.dead_jobs.push(dead);
        world.refused(&["running-state"]);
    }
}

#[test]
fn a_path_declares_one_directory_of_an_id() {
    let mut world = changelog();
    world.policy.trust_quiescence = false;
    world.root("/s").says(Says::at(&format!("/s/{A}/chk-9/_metadata")).written(hours(1)));
    world.policy.dead_jobs = vec![DeadJob::Path(format!("file:///r/{A}"))];
    // What was read in the other directory is younger, but that one is not declared.
    world.passes();
    world.policy.dead_jobs = vec![DeadJob::Path(format!("file:///s/{A}"))];
    world.refused(&["running-state"]);
}

#[test]
fn a_file_that_may_be_open_shows_a_living_job() {
    let file = format!("/r/{A}/shared/{}", uuid(3));
    let mut world = changelog();
    world.policy.quiescent_after = Age::hours(2);
    world.file(&file).written(&file, hours(20)).passes();
    world.with(&file, |file| file.whole_blocks = true).refused(&["running-state"]);
    world.written(&file, hours(25)).passes();
}

/// A job that names something in the directory of the quiet one.
fn namer(directory: &str) -> Says {
    Says::at(&format!("{directory}/_metadata")).names(&format!("/r/{A}/shared/{}", uuid(9)))
}

#[test]
fn who_names_anything_in_a_job_directory_must_be_dead_too() {
    let mut world = changelog();
    world.says(namer(&format!("/r/{B}/chk-5")));
    world.refused(&["running-state"]);
    world.seen(&format!("/r/{B}"), days(2)).passes();
    // An owner that is not known, and one under a reference root.
    let mut world = changelog();
    world.says(namer("/r/savepoint-000000-000000000000"));
    world.refused(&["running-state"]);
    // One whose name tells the job itself, or another.
    let mut world = changelog();
    world.says(namer("/r/savepoint-aaaaaa-000000000000"));
    world.passes();
    let mut world = changelog();
    world.says(namer("/r/savepoint-bbbbbb-000000000000"));
    world.refused(&["running-state"]);
    world.says(Says::at(&format!("/r/{B}/chk-5/_metadata")));
    world.refused(&["running-state"]);
    world.seen(&format!("/r/{B}"), days(2)).passes();
    let mut world = changelog();
    world.file(&format!("/r/{A}/shared/{}", uuid(9)));
    world.says_unlisted(namer(&format!("/ref/{B}/chk-5")).referenced());
    world.refused(&["running-state"]);
    world.policy.dead_jobs.push(DeadJob::Id(job(B)));
    world.passes();
    // By a name that leads nowhere, and by directory.
    for says in [
        Says::at(&format!("/r/{B}/chk-5/_metadata")).names(&format!("/gone/{}", uuid(9))),
        Says::at(&format!("/r/{B}/chk-5/_metadata")).other_uuid(9),
        Says::at(&format!("/r/{B}/chk-5/_metadata"))
            .names_directory(&format!("/r/{A}/taskowned/job_{A}_tm_x")),
    ] {
        let mut world = changelog();
        world.file(&format!("/r/{A}/shared/{}", uuid(9))).says(says);
        world.refused(&["running-state"]);
    }
}

#[test]
fn who_named_something_at_the_last_look_must_be_dead_too() {
    let mut world = changelog();
    let other = format!("/r/{B}");
    world.says(Says::at(&format!("{other}/chk-5/_metadata")));
    world.seen_named(&format!("/r/{A}"), days(2), &[&other]);
    world.refused(&["running-state"]);
    world.seen(&other, days(2)).passes();
    // It is gone: nothing tells that it is dead.
    let mut world = changelog();
    world.seen_named(&format!("/r/{A}"), days(2), &[&other]);
    world.refused(&["running-state"]);
    world.policy.dead_jobs.push(DeadJob::Id(job(B)));
    world.passes();
}

#[test]
fn one_dead_job_says_nothing_of_the_next() {
    let living = format!("/r/{B}/dstl/{}", uuid(2));
    let mut world = changelog();
    world.says(Says::at(&format!("/r/{B}/chk-5/_metadata"))).file(&living);
    world.sweep(&living, Rule::UnreferencedRunningState);
    let findings = world.check().unwrap_err();
    assert_eq!((findings.count, findings.findings[0].path.clone()), (1, Some(at(&living).to_string())));
}

#[test]
fn changelog_without_a_job_belongs_to_all() {
    let file = format!("/c/{}", uuid(1));
    let mut world = World::new("/r");
    world.root("/c").says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(&file);
    world.sweep(&file, Rule::UnreferencedRunningState);
    world.refused(&["running-state"]);
    world.seen(&format!("/r/{A}"), days(2)).passes();
    world.says(Says::at(&format!("/r/{B}/chk-5/_metadata")));
    world.refused(&["running-state"]);
}

#[test]
fn the_id_in_a_merged_directory_narrows() {
    let directory = format!("/r/taskowned/job_{B}_tm_x");
    let file = format!("{directory}/{}", uuid(1));
    let mut world = World::new("/r");
    // No directory for the job: the root is that of all that write here.
    world
        .says(Says::at("/r/chk-5/_metadata").written(days(2)))
        .file(&file)
        .sweep(&file, Rule::UnreferencedRunningState)
        .sweep_directory(&directory, Rule::UnreferencedRunningState);
    world.refused(&["running-state", "directory"]);
    world.policy.dead_jobs.push(DeadJob::Id(job(B)));
    world.passes();
}

#[test]
fn the_id_in_a_merged_directory_is_not_that_of_the_directory_above() {
    let directory = format!("/r/{A}/taskowned/job_{B}_tm_x");
    let file = format!("{directory}/{}", uuid(1));
    let mut world = quiet(&file);
    world.sweep_directory(&directory, Rule::UnreferencedRunningState).passes();
    world.policy.trust_quiescence = false;
    world.policy.dead_jobs = vec![DeadJob::Id(job(A))];
    world.refused(&["running-state", "directory"]);
    world.policy.dead_jobs = vec![DeadJob::Path(format!("file:///r/{A}"))];
    world.passes();
    // The job that it tells has two directories, of which one is declared dead.
    world.policy.dead_jobs = vec![DeadJob::Path(format!("file:///r/{B}"))];
    world.directory(&format!("/r/{B}")).directory(&format!("/r/x/{B}"));
    world.refused(&["running-state", "directory"]);
    world.policy.dead_jobs.push(DeadJob::Path(format!("file:///r/x/{B}")));
    world.passes();
}

#[test]
fn a_job_without_an_id_is_dead_only_as_a_whole() {
    let file = format!("/r/taskowned/{}", uuid(1));
    let mut world = World::new("/r");
    world
        .says(Says::at("/r/chk-5/_metadata").written(days(2)))
        .file(&file)
        .sweep(&file, Rule::UnreferencedRunningState);
    world.refused(&["running-state"]);
    world.policy.dead_jobs = vec![DeadJob::Id(job(A))];
    world.refused(&["running-state"]);
    world.policy.dead_jobs = vec![DeadJob::Path("file:///r".to_owned())];
    world.passes();
}

#[test]
fn a_declared_path_is_one_place_in_every_spelling() {
    let mut world = changelog();
    world.policy.trust_quiescence = false;
    world.policy.dead_jobs = vec![DeadJob::Path(format!("file:///old/{A}"))];
    world.refused(&["running-state"]);
    world.equivalence.add_alias(&at("/old"), &at("/r")).unwrap();
    world.passes();
}

#[test]
fn a_job_in_which_nothing_but_our_own_moves_is_left_is_dead() {
    let directory = format!("/r/{A}");
    let mut world = World::new("/r");
    world.root("/s").says(Says::at("/s/x/_metadata")).directory(&directory).touched(&directory, days(2));
    world.looks.moves.insert(at(&directory).to_string(), OwnMove { start: days(3), end: Some(days(1)) });
    world.policy.dead_jobs.push(DeadJob::Id(job(A)));
    world.policy.min_age = Age::hours(1);
    world.sweep_directory(&directory, Rule::EmptyDirectory).passes();
}

/// A quiet job with a file right in `taskowned`.
fn task_owned() -> World {
    quiet(&format!("/r/{A}/taskowned/{}", uuid(1)))
}

#[test]
fn task_owned_files_need_all_operator_state_searched() {
    let metadata = format!("/r/{A}/chk-6/_metadata");
    let state = format!("/r/{A}/chk-6/{}", uuid(7));
    for says in [
        Says::at(&metadata).inline_operator_state(),
        Says::at(&metadata).names_operator_state(&state),
        Says::at("/r/savepoint-aaaaaa-000000000000/_metadata").inline_operator_state(),
        Says::at("/r/savepoint-000000-000000000000/_metadata").inline_operator_state(),
        Says::at("/ref/sp/_metadata").referenced().kind(Kind::Savepoint).inline_operator_state(),
        Says::at(&format!("/ref/{A}/chk-1/_metadata")).referenced().inline_operator_state(),
    ] {
        let mut world = task_owned();
        world.says(says.clone());
        world.refused(&["operator-state-searched"]);
        let mut world = task_owned();
        world.says(says.searched(&[]));
        world.passes();
    }
    let mut compressed = Says::at(&metadata).inline_operator_state().searched(&[]);
    compressed.content().compressed_operator_state = true;
    let mut world = task_owned();
    world.says(compressed);
    world.refused(&["operator-state-searched"]);
    // Nothing is asked of others that have no operator in common with it.
    for path in [format!("/r/{B}/chk-5/_metadata"), "/r/savepoint-bbbbbb-000000000000/_metadata".to_owned()] {
        let mut world = task_owned();
        world.says(Says::at(&path).operators(&[9]).inline_operator_state());
        world.passes();
    }
}

/// A job that was restored from this one has the buffers of its sinks in operator state, and may name nothing else here.
#[test]
fn operator_state_of_a_job_that_may_come_from_this_one_counts() {
    let other = Says::at(&format!("/r/{B}/chk-5/_metadata")).operators(&[1, 9]);
    let mut world = task_owned();
    world.says(other.clone().inline_operator_state());
    world.refused(&["operator-state-searched"]);
    let mut world = task_owned();
    world.says(other.inline_operator_state().searched(&[]));
    world.passes();
    // Which operators it has is not known.
    let mut world = task_owned();
    world.says(Says::at(&format!("/r/{B}/chk-5/_metadata")).operators(&[]).inline_operator_state());
    world.refused(&["operator-state-searched"]);
    let mut old = Says::at(&format!("/r/{B}/chk-5/_metadata")).operators(&[9]).inline_operator_state();
    old.content().version = 1;
    let mut world = task_owned();
    world.says(old);
    world.refused(&["operator-state-searched"]);
    // Nor which operators this job had: it has no metadata any more.
    let file = format!("/r/{A}/taskowned/{}", uuid(1));
    let mut world = World::new("/r");
    world
        .says(Says::at(&format!("/r/{B}/chk-5/_metadata")).operators(&[9]).inline_operator_state())
        .file(&file);
    world.sweep(&file, Rule::UnreferencedRunningState).seen(&format!("/r/{A}"), days(2));
    world.refused(&["operator-state-searched"]);
}

#[test]
fn a_savepoint_may_be_of_a_job_without_an_id() {
    let file = format!("/r/taskowned/{}", uuid(1));
    let savepoint =
        Says::at("/sp/savepoint-aaaaaa-000000000000/_metadata").operators(&[9]).inline_operator_state();
    let with = |savepoint: Says| {
        let mut world = World::new("/r");
        world.root("/sp").says(Says::at("/r/chk-5/_metadata")).says(savepoint).file(&file);
        world.sweep(&file, Rule::UnreferencedRunningState).seen("/r", days(2));
        world
    };
    with(savepoint.clone()).refused(&["operator-state-searched"]);
    // It is of another, which is listed; but who else was at work here nobody knows.
    with(savepoint.clone()).directory(&format!("/sp/{A}/shared")).refused(&["operator-state-searched"]);
    with(savepoint.searched(&[])).passes();
}

#[test]
fn operator_state_of_a_job_that_names_something_here_counts() {
    let mut world = task_owned();
    world
        .says(namer(&format!("/r/{B}/chk-5")))
        .says(Says::at(&format!("/r/{B}/chk-6/_metadata")).inline_operator_state())
        .seen(&format!("/r/{B}"), days(2));
    world.refused(&["operator-state-searched"]);
}
