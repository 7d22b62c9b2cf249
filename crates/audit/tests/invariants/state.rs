//! Shared and running state: frontiers, dead jobs, and who else may hold what nobody names.

use chksweep_core::plan::{OwnMove, Rule};
use chksweep_core::policy::{AcceptedUnreadable, DeadJob};
use chksweep_core::{Age, JobId, Kind, Timestamp};

use crate::retirement::one_job;
use crate::world::{A, B, NOW, Says, World, at, days, hours, uuid};

pub(crate) fn job(id: &str) -> JobId {
    JobId::parse(id.as_bytes()).unwrap()
}

/// A quiet job with one checkpoint, seen two days ago; the plan sweeps this file of its running state.
pub(crate) fn quiet(file: &str) -> World {
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

/// One run passes over nothing that another wrote to the same directory, also where both are declared to be of one job.
#[test]
fn where_several_runs_may_write_there_is_no_frontier() {
    let world = |job: &str| {
        let path = format!("/r/{job}/shared/{}", uuid(1));
        let mut world = World::new("/r");
        world.says(Says::at(&format!("/r/{job}/chk-5/_metadata")).written(days(2)));
        world.file(&path).written(&path, days(10)).sweep(&path, Rule::UnreferencedShared);
        world
    };
    world(A).passes();
    let shared = [&"0".repeat(32), "00000000123456780000000000000000", "ffffffffdeadbeef0000000000000000"];
    for job in shared.into_iter().chain(["flat"]) {
        world(job).refused(&["behind-frontier"]);
        let mut declared = world(job);
        declared.policy.rules = vec![one_job("/r/*")];
        declared.refused(&["behind-frontier"]);
    }
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
pub(crate) fn namer(directory: &str) -> Says {
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
    for file in [format!("/c/{}", uuid(1)), format!("/c/dstl/{}", uuid(1))] {
        let mut world = World::new("/r");
        world.root("/c").says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(&file);
        world.sweep(&file, Rule::UnreferencedRunningState);
        world.refused(&["running-state"]);
        world.seen(&format!("/r/{A}"), days(2)).passes();
        world.says(Says::at(&format!("/r/{B}/chk-5/_metadata")));
        world.refused(&["running-state"]);
    }
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

#[test]
fn a_job_is_still_only_after_the_whole_time() {
    for (modified, dead) in [(Timestamp(days(7).0 - 1), true), (days(7), false)] {
        let mut world = changelog();
        world.written(&format!("/r/{A}/chk-5/_metadata"), modified).seen(&format!("/r/{A}"), days(2));
        if dead {
            world.passes();
        } else {
            world.refused(&["running-state"]);
        }
    }
}

/// Where the directory of the one who names was not listed, its metadata alone tells whether it is still.
#[test]
fn a_declared_namer_elsewhere_is_dead_unless_what_it_wrote_is_young() {
    for (modified, dead) in [(hours(25), true), (hours(23), false)] {
        let mut world = changelog();
        world.file(&format!("/r/{A}/shared/{}", uuid(9)));
        world.says_unlisted(namer(&format!("/ref/{B}/chk-5")).referenced().written(modified));
        world.policy.dead_jobs = vec![DeadJob::Path(format!("file:///ref/{B}"))];
        if dead {
            world.passes();
        } else {
            world.refused(&["running-state"]);
        }
    }
}

/// An accepted file is searched for names all the same: whoever wrote it may hold more.
#[test]
fn a_name_in_unreadable_metadata_makes_its_job_one_that_must_be_dead() {
    let path = format!("/r/{B}/chk-5/_metadata");
    let with = |blocks| {
        let mut world = changelog();
        world
            .file(&format!("/r/{A}/shared/{}", uuid(9)))
            .says(Says::at(&path).unreadable(blocks, Some(&[9])));
        world.policy.accept_unreadable.push(AcceptedUnreadable {
            path: format!("file://{path}"),
            bytes: 100,
            mtime: days(20),
        });
        world
    };
    with(true).refused(&["running-state"]);
    with(true).seen(&format!("/r/{B}"), days(2)).passes();
    // Versions 0 and 1 know no running state.
    with(false).passes();
}

#[test]
fn the_frontier_of_one_directory_says_nothing_of_the_next() {
    let (first, second) = (format!("/r/{A}/shared/{}", uuid(1)), format!("/r/{B}/shared/{}", uuid(2)));
    let mut world = World::new("/r");
    world.says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(&first).file(&second);
    world.sweep(&first, Rule::UnreferencedShared).passes();
    world.sweep(&second, Rule::UnreferencedShared);
    let findings = world.check().unwrap_err();
    assert_eq!((findings.count, findings.findings[0].path.clone()), (1, Some(at(&second).to_string())));
}

#[test]
fn changelog_of_all_jobs_goes_only_when_whoever_speaks_is_dead() {
    let file = format!("/c/{}", uuid(1));
    let with = |says: Says| {
        let mut world = World::new("/c");
        world.says(says).file(&file).sweep(&file, Rule::UnreferencedRunningState);
        world
    };
    // No job was listed at all: then nobody is there who could be dead.
    let mut world = with(Says::at(&format!("/ref/{B}/chk-1/_metadata")).referenced());
    world.policy.dead_jobs.push(DeadJob::Id(job(B)));
    world.policy.max_dangling = 1.0;
    let findings = world.check().unwrap_err();
    assert!(findings.findings.iter().any(|one| one.invariant == "running-state"), "{findings:?}");
    // All listed ones are dead, and somebody speaks who is not known.
    let mut world = with(Says::at("/r/savepoint-000000-000000000000/_metadata").referenced());
    world.root("/r").says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).seen(&format!("/r/{A}"), days(2));
    world.refused(&["running-state"]);
}
