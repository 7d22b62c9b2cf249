//! A plan says what it does.

use crate::world::{A, Says, World, days, uuid};
use chksweep_core::plan::{Brake, JobSummary, Plan, Rule};
use chksweep_core::policy::OnUnreadable;
use chksweep_core::{Age, Timestamp};

fn good() -> World {
    let mut world = World::new("/r");
    let (kept, swept) = (format!("/r/{A}/shared/{}", uuid(1)), format!("/r/{A}/shared/{}", uuid(2)));
    world
        .says(Says::at(&format!("/r/{A}/chk-5/_metadata")).names(&kept))
        .file(&swept)
        .sweep(&swept, Rule::UnreferencedShared);
    world
}

#[test]
fn wrong_totals_are_refused() {
    let mut world = good();
    world.passes();
    world.edit = |plan| plan.summary.decisions.sweep.files += 1;
    world.refused(&["totals"]);
    world.edit = |plan| plan.summary.decisions.keep.bytes -= 1;
    world.refused(&["totals"]);
    world.edit = |plan| {
        let mut decisions = plan.summary.decisions;
        decisions.sweep.files += 1;
        plan.summary.jobs.push(JobSummary {
            job: None,
            name: None,
            directories: Vec::new(),
            checkpoints: 0,
            newest: None,
            state: None,
            last_activity: None,
            decisions,
        });
    };
    world.refused(&["totals"]);
}

#[test]
fn a_header_of_another_input_is_refused() {
    let mut world = good();
    let edits: [fn(&mut Plan); 5] = [
        |plan| plan.header.as_of = Timestamp(1),
        |plan| plan.header.policy.min_age = Age::hours(1),
        |plan| plan.header.run_id.push('x'),
        |plan| plan.header.roots.clear(),
        |plan| plan.summary.as_of = Timestamp(1),
    ];
    for edit in edits {
        world.edit = edit;
        world.refused(&["header"]);
    }
}

#[test]
fn a_limit_that_is_exceeded_needs_a_brake() {
    let mut world = good();
    world.policy.brakes.max_sweep_ratio = 0.34;
    world.passes();
    world.policy.brakes.max_sweep_ratio = 0.3;
    world.refused(&["brakes"]);
    world.edit = |plan| {
        let brake = Brake { limit: "max-sweep-ratio".to_owned(), root: None, message: "too much".to_owned() };
        plan.brakes.push(brake.clone());
        plan.header.brakes.push(brake);
    };
    world.passes();
    for limit in ["files", "bytes", "jobs"] {
        let mut world = good();
        let slot = match limit {
            "files" => &mut world.policy.brakes.max_sweep_files,
            "bytes" => &mut world.policy.brakes.max_sweep_bytes,
            _ => &mut world.policy.brakes.max_sweep_jobs,
        };
        *slot = Some(0);
        world.refused(&["brakes"]);
    }
}

#[test]
fn a_brake_that_the_header_does_not_tell_is_refused() {
    let mut world = good();
    world.edit = |plan| {
        let message = "too much".to_owned();
        plan.brakes.push(Brake { limit: "max-sweep-ratio".to_owned(), root: None, message });
    };
    world.refused(&["brakes"]);
}

#[test]
fn unreadable_metadata_blocks_everything() {
    let path = format!("/r/{A}/chk-4/_metadata");
    let mut world = good();
    world.says(Says::at(&path).unreadable(true, None));
    world.refused(&["unreadable-blocks"]);
    let accepted = chksweep_core::policy::AcceptedUnreadable {
        path: format!("file://{path}"),
        bytes: 100,
        mtime: days(20),
    };
    world.policy.accept_unreadable.push(accepted);
    world.passes();
    world.policy.accept_unreadable[0].bytes = 99;
    world.refused(&["unreadable-blocks"]);
    let mut world = good();
    world.says(Says::at(&path).unreadable(false, None));
    world.passes();
    let mut world = good();
    world.unlisted.push((crate::world::at("/elsewhere"), "denied".to_owned()));
    world.refused(&["unreadable-blocks"]);
}

#[test]
fn isolated_metadata_leaves_little() {
    let other = crate::world::B;
    let staging = format!("/r/{A}/chk-5/._metadata.inprogress.1");
    let exclusive = format!("/r/{A}/chk-5/{}", uuid(9));
    let base = || {
        let mut world = good();
        world.policy.unreadable = OnUnreadable::Isolate;
        world.sweep(&format!("/r/{A}/shared/{}", uuid(2)), Rule::UnreadableMetadata);
        world.file(&staging).sweep(&staging, Rule::StagingFile);
        world
    };
    let unreadable = |job: &str| Says::at(&format!("/r/{job}/chk-4/_metadata"));
    // Searched: other jobs lose only what is shared.
    let mut world = base();
    world.says(unreadable(other).unreadable(true, Some(&[])));
    world.file(&exclusive).sweep(&exclusive, Rule::UnreferencedExclusive);
    world.passes();
    world.sweep(&format!("/r/{A}/shared/{}", uuid(2)), Rule::UnreferencedShared);
    world.refused(&["unreadable-isolated"]);
    // Not searched: staging files go on.
    let mut world = base();
    world.says(unreadable(other).unreadable(true, None));
    world.passes();
    world.file(&exclusive).sweep(&exclusive, Rule::UnreferencedExclusive);
    world.refused(&["unreadable-isolated"]);
    world.says(Says::at(&format!("/r/{other}/chk-3/_metadata")).unreadable(true, Some(&[])));
    world.refused(&["unreadable-isolated"]);
    // Its own job is left alone.
    let mut world = base();
    world.says(unreadable(A).unreadable(true, Some(&[])));
    world.refused(&["unreadable-isolated"]);
    world.says(unreadable(other).unreadable(true, Some(&[])));
    world.refused(&["unreadable-isolated"]);
}

#[test]
fn a_limit_that_is_just_reached_needs_no_brake() {
    for (limit, reached) in [("files", 1), ("bytes", 10), ("jobs", 1)] {
        let mut world = good();
        let slot = match limit {
            "files" => &mut world.policy.brakes.max_sweep_files,
            "bytes" => &mut world.policy.brakes.max_sweep_bytes,
            _ => &mut world.policy.brakes.max_sweep_jobs,
        };
        *slot = Some(reached);
        world.passes();
    }
}

/// The share that goes is one of what lies in the selected jobs.
#[test]
fn with_selected_jobs_the_share_is_one_of_theirs() {
    let mut world = good();
    for number in 10..30 {
        world.file(&format!("/r/{}/shared/{}", crate::world::B, uuid(number)));
    }
    world.policy.brakes.max_sweep_ratio = 0.3;
    world.passes();
    world.policy.jobs.push(chksweep_core::JobId::parse(A.as_bytes()).unwrap());
    world.refused(&["brakes"]);
    world.policy.brakes.max_sweep_ratio = 0.34;
    world.passes();
}

#[test]
fn a_plan_that_sweeps_nothing_is_no_fault_of_unreadable_metadata() {
    let mut world = good();
    world.sweep(&format!("/r/{A}/shared/{}", uuid(2)), Rule::UnreadableMetadata);
    world.says(Says::at(&format!("/r/{A}/chk-4/_metadata")).unreadable(true, None));
    world.unlisted.push((crate::world::at("/elsewhere"), "denied".to_owned()));
    world.passes();
}

#[test]
fn beside_isolated_metadata_directories_go_only_if_they_are_empty() {
    let other = crate::world::B;
    let (empty, abandoned) = (format!("/r/{A}/chk-3"), format!("/r/{A}/chk-2"));
    let base = || {
        let mut world = good();
        world.policy.unreadable = OnUnreadable::Isolate;
        world.sweep(&format!("/r/{A}/shared/{}", uuid(2)), Rule::UnreadableMetadata);
        world.directory(&empty).sweep_directory(&empty, Rule::EmptyDirectory);
        world
    };
    let unreadable = |uuids| Says::at(&format!("/r/{other}/chk-4/_metadata")).unreadable(true, uuids);
    base().says(unreadable(None)).passes();
    let mut world = base();
    world.directory(&abandoned).sweep_directory(&abandoned, Rule::AbandonedCheckpoint).passes();
    world.clone().says(unreadable(Some(&[]))).passes();
    world.says(unreadable(None)).refused(&["unreadable-isolated"]);
    // A directory that could not be listed may hold what nobody searched.
    let exclusive = format!("/r/{A}/chk-5/{}", uuid(9));
    let mut world = base();
    world.file(&exclusive).sweep(&exclusive, Rule::UnreferencedExclusive).passes();
    world.unlisted.push((crate::world::at("/elsewhere"), "denied".to_owned()));
    world.refused(&["unreadable-isolated"]);
}

/// A job without an id is the one whose directory the metadata lies in.
#[test]
fn isolated_metadata_holds_its_job_without_an_id_too() {
    let exclusive = format!("/r/chk-3/{}", uuid(9));
    let mut world = World::new("/r");
    world.policy.unreadable = OnUnreadable::Isolate;
    world
        .says(Says::at("/r/chk-3/_metadata"))
        .file(&exclusive)
        .sweep(&exclusive, Rule::UnreferencedExclusive);
    world.passes();
    world.says(Says::at("/r/chk-4/_metadata").unreadable(true, Some(&[])));
    world.refused(&["unreadable-isolated"]);
}
