//! What is named in operator state and nowhere else: the buffers of write-ahead sinks, right in `taskowned`.

use chksweep_core::Kind;
use chksweep_core::plan::Rule;
use chksweep_core::policy::DeadJob;

use crate::state::{job, namer, quiet};
use crate::world::{A, B, Says, World, days, uuid};

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

/// With no operator in common a snapshot knows nothing of the buffers, unless something else ties it to the job.
#[test]
fn a_snapshot_with_other_operators_counts_where_it_may_be_of_the_job() {
    for (path, kind, counts) in [
        (format!("/ref/{A}/chk-1"), Kind::Checkpoint, true),
        (format!("/ref/{B}/chk-1"), Kind::Checkpoint, false),
        ("/ref/savepoint-aaaaaa-000000000000".to_owned(), Kind::Savepoint, true),
        ("/ref/savepoint-bbbbbb-000000000000".to_owned(), Kind::Savepoint, false),
        // Its name tells of no job: it may be of any.
        ("/ref/savepoint-000000-000000000000".to_owned(), Kind::Checkpoint, true),
        ("/ref/renamed".to_owned(), Kind::Savepoint, true),
        ("/ref/renamed".to_owned(), Kind::Checkpoint, false),
    ] {
        let says = Says::at(&format!("{path}/_metadata")).referenced().kind(kind).operators(&[9]);
        let mut world = task_owned();
        world.says(says.inline_operator_state());
        if counts {
            world.refused(&["operator-state-searched"]);
        } else {
            world.passes();
        }
    }
}

/// Whoever names something here came from this job, and so may other snapshots of the same.
#[test]
fn snapshots_of_one_who_names_something_here_count_whatever_their_operators() {
    for (named_in, silent, counts) in [
        (format!("/ref/{B}/chk-5"), format!("/ref/{B}/chk-6"), true),
        (format!("/ref/{B}/chk-5"), "/ref/cccccccccccccccccccccccccccccccc/chk-6".to_owned(), false),
        (
            "/ref/savepoint-bbbbbb-000000000000".to_owned(),
            "/ref/savepoint-bbbbbb-000000000001".to_owned(),
            true,
        ),
        (
            "/ref/savepoint-bbbbbb-000000000000".to_owned(),
            "/ref/savepoint-cccccc-000000000001".to_owned(),
            false,
        ),
    ] {
        let mut world = task_owned();
        world.file(&format!("/r/{A}/shared/{}", uuid(9))).directory(&format!("/r/{B}/shared"));
        world.seen(&format!("/r/{B}"), days(2)).policy.dead_jobs.push(DeadJob::Id(job(B)));
        world.says_unlisted(namer(&named_in).referenced());
        let says = Says::at(&format!("{silent}/_metadata")).referenced().operators(&[9]);
        world.says_unlisted(says.inline_operator_state());
        if counts {
            world.refused(&["operator-state-searched"]);
        } else {
            world.passes();
        }
    }
}

/// The ids of operators in metadata of version 1 are no ids: which operators the job had is not known.
#[test]
fn operators_in_old_metadata_tell_nothing() {
    let mut old = Says::at(&format!("/r/{A}/chk-5/_metadata"));
    old.content().version = 1;
    let file = format!("/r/{A}/taskowned/{}", uuid(1));
    let mut world = World::new("/r");
    world
        .says(old)
        .file(&file)
        .sweep(&file, Rule::UnreferencedRunningState)
        .seen(&format!("/r/{A}"), days(2));
    world.passes();
    world.says(Says::at(&format!("/r/{B}/chk-5/_metadata")).operators(&[9]).inline_operator_state());
    world.refused(&["operator-state-searched"]);
}
