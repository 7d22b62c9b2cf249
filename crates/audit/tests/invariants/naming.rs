//! What is named, pinned or pointed at is never swept.

use crate::world::{A, B, Says, World, at, days, hours, uuid};
use chksweep_core::plan::Rule;
use chksweep_core::{Age, Equivalence, Policy};

fn shared(job: &str, number: u8) -> String {
    format!("/r/{job}/shared/{}", uuid(number))
}

/// One job with one checkpoint, which names the first of two shared files. The plan sweeps the other.
fn two_files() -> World {
    let mut world = World::new("/r");
    world
        .says(Says::at(&format!("/r/{A}/chk-5/_metadata")).names(&shared(A, 1)))
        .file(&shared(A, 2))
        .sweep(&shared(A, 2), Rule::UnreferencedShared);
    world
}

#[test]
fn a_file_that_nothing_names_may_go() {
    two_files().passes();
}

#[test]
fn a_file_that_is_named_by_path_stays() {
    let mut world = two_files();
    world.sweep(&shared(A, 1), Rule::UnreferencedShared);
    world.refused(&["named-by-path", "named-by-base-name"]);
}

#[test]
fn a_path_is_compared_alone() {
    for spelling in ["hdfs://ns/r", "viewfs://other/r", "s3://bucket/r"] {
        let mut world = two_files();
        world.says_unlisted(
            Says::at("/else/chk-1/_metadata").names(&format!("{spelling}/{A}/chk-5/._metadata.inprogress.x")),
        );
        let staging = format!("/r/{A}/chk-5/._metadata.inprogress.x");
        world.file(&staging).sweep(&staging, Rule::StagingFile);
        world.refused(&["named-by-path"]);
    }
}

#[test]
fn aliases_are_followed_both_as_written_and_as_meant() {
    let staging = format!("/r/{A}/chk-5/._metadata.inprogress.x");
    for (from, named) in [("/old", "/old"), ("/r", "/r")] {
        let mut world = two_files();
        let mut known = Equivalence::default();
        let to = if from == "/old" { "/r" } else { "/new" };
        known.add_alias(&at(from), &at(to)).unwrap();
        world.equivalence = known;
        world
            .says_unlisted(Says::at("/else/chk-1/_metadata").names(&staging.replacen("/r", named, 1)))
            .file(&staging)
            .sweep(&staging, Rule::StagingFile);
        world.refused(&["named-by-path"]);
    }
}

#[test]
fn a_name_protects_wherever_the_file_lies() {
    let mut world = two_files();
    world.says_unlisted(Says::at("/else/chk-1/_metadata").names(&format!("/gone/{}", uuid(2))));
    world.refused(&["named-by-base-name"]);
}

#[test]
fn uuids_found_in_any_bytes_protect() {
    let path = format!("/r/{A}/chk-6/_metadata");
    for says in [
        Says::at(&path).other_uuid(2),
        Says::at(&path).searched(&[2]),
        Says::at(&path).unreadable(false, Some(&[2])),
    ] {
        let mut world = two_files();
        world.says(says);
        world.refused(&["named-by-base-name"]);
    }
}

#[test]
fn metadata_speaks_from_the_quarantine_for_min_age() {
    let original = format!("/r/{A}/chk-4/_metadata");
    for (moved, speaks) in [(Some(hours(24)), true), (None, true), (Some(hours(25)), false)] {
        let mut world = two_files();
        let lies = format!("/r/.chksweep/quarantine/run/{A}/chk-4/_metadata");
        world.says(Says::at(&lies).quarantined(&original, moved).names(&shared(A, 2)));
        if speaks {
            world.refused(&["named-by-path", "named-by-base-name"]);
        } else {
            world.passes();
        }
    }
}

/// A job may have begun from it, and come back to its state.
#[test]
fn what_was_set_aside_speaks_while_its_state_is_read() {
    let original = format!("/r/{A}/chk-4/_metadata");
    let lies = format!("/r/.chksweep/quarantine/run/{A}/chk-4/_metadata");
    let far = format!("hdfs://nn1:8020{}", shared(A, 2));
    for (named, read, speaks) in [
        (shared(A, 2), days(6), true),
        (shared(A, 2), days(8), false),
        (far.clone(), days(6), true),
        (far, days(8), false),
    ] {
        let mut world = two_files();
        world.says(Says::at(&lies).quarantined(&original, Some(days(20))).names(&named));
        world.with(&shared(A, 2), |file| file.accessed = read);
        if speaks {
            world.refused(&["named-by-path", "named-by-base-name"]);
        } else {
            world.passes();
        }
    }
    let mut before = two_files();
    before.says(Says::at(&lies).quarantined(&original, Some(days(5))).names(&shared(A, 2)));
    before.with(&shared(A, 2), |file| file.accessed = days(6)).passes();
    let mut by_us = two_files();
    by_us.says(Says::at(&lies).quarantined(&original, Some(days(20))).names_operator_state(&shared(A, 2)));
    by_us.with(&shared(A, 2), |file| file.accessed = days(6)).passes();
}

#[test]
fn relative_names_in_the_quarantine_mean_both_directories() {
    let mut world = two_files();
    let lies = format!("/r/.chksweep/quarantine/run/{A}/chk-4");
    let staging = format!("/r/{A}/chk-4/._metadata.inprogress.x");
    world.file(&staging).sweep(&staging, Rule::StagingFile);
    world.passes();
    world.says_unlisted(
        Says::at(&format!("{lies}/_metadata"))
            .quarantined(&format!("/r/{A}/chk-4/_metadata"), Some(hours(1)))
            .names(&format!("{lies}/._metadata.inprogress.x")),
    );
    world.refused(&["named-by-path"]);
}

#[test]
fn what_is_retired_still_names() {
    let mut world = two_files();
    world.policy.keep_last = Some(1);
    world.policy.no_ha = true;
    let retired = format!("/r/{A}/chk-4/_metadata");
    world
        .says(Says::at(&retired).names(&shared(A, 2)).written(days(25)))
        .sweep(&retired, Rule::RetiredCheckpoint);
    world.refused(&["named-by-path", "named-by-base-name"]);
    world.sweep(&shared(A, 2), Rule::Named);
    world.passes();
}

/// A dead job with a file-merging directory of one file.
fn merged() -> (World, String, String) {
    let mut world = World::new("/r");
    let directory = format!("/r/{A}/taskowned/job_{A}_tm_x");
    let file = format!("{directory}/{}", uuid(7));
    world
        .says(Says::at(&format!("/r/{A}/chk-5/_metadata")))
        .file(&file)
        .seen(&format!("/r/{A}"), days(2))
        .sweep(&file, Rule::UnreferencedRunningState)
        .sweep_directory(&directory, Rule::UnreferencedRunningState);
    (world, directory, file)
}

#[test]
fn a_named_directory_stays_with_all_in_it() {
    let (world, directory, _) = merged();
    world.passes();
    for named in [directory.clone(), format!("hdfs://ns{directory}"), format!("s3://b/x/job_{A}_tm_x")] {
        let (mut world, ..) = merged();
        world.says(Says::at(&format!("/r/{A}/chk-6/_metadata")).names_directory(&named));
        world.refused(&["named-directory"]);
    }
    // Under a listed root the last component says nothing: that directory is known to be another.
    let (mut world, ..) = merged();
    let other = format!("/r/{A}/shared/job_{A}_tm_x");
    world.says(Says::at(&format!("/r/{A}/chk-6/_metadata")).names_directory(&other));
    world.passes();
}

#[test]
fn a_merged_directory_goes_only_whole() {
    let (mut world, directory, _) = merged();
    world.sweep_directory(&directory, Rule::Structure);
    world.refused(&["merged-directory-whole"]);
    let (mut world, directory, _) = merged();
    let gone = format!("{directory}/{}", uuid(8));
    world.says(Says::at(&format!("/r/{A}/chk-6/_metadata")).names(&gone)).gone(&gone);
    world.refused(&["merged-directory-whole"]);
}

#[test]
fn a_checkpoint_that_is_pointed_at_by_number_stays_whole() {
    let exclusive = format!("/r/{A}/chk-5/{}", uuid(3));
    let mut world = two_files();
    world.file(&exclusive).sweep(&exclusive, Rule::UnreferencedExclusive);
    world.passes();
    for (path, number, stays) in [
        (format!("/r/{A}/chk-6/_metadata"), 5, true),
        (format!("/r/{A}/chk-6/_metadata"), 4, false),
        (format!("/r/{B}/chk-6/_metadata"), 5, false),
        ("/r/savepoint-000000-000000000000/_metadata".to_owned(), 5, true),
        ("/r/savepoint-aaaaaa-000000000000/_metadata".to_owned(), 5, true),
        ("/r/savepoint-abcdef-000000000000/_metadata".to_owned(), 5, false),
    ] {
        let mut world = world.clone();
        world.says(Says::at(&path).points_at(number));
        if stays {
            world.refused(&["reference-checkpoint"]);
        } else {
            world.passes();
        }
    }
}

#[test]
fn a_checkpoint_that_goes_itself_keeps_no_metadata() {
    let metadata = |number: u8| format!("/r/{A}/chk-{number}/_metadata");
    let mut world = World::new("/r");
    world.policy.keep_last = Some(1);
    world.policy.no_ha = true;
    for number in 1..=3 {
        let says = Says::at(&metadata(number)).written(days(20 - u64::from(number)));
        world.says(if number == 2 { says.points_at(1) } else { says });
    }
    world.sweep(&metadata(1), Rule::RetiredCheckpoint).refused(&["reference-checkpoint"]);
    world.sweep(&metadata(2), Rule::RetiredCheckpoint).passes();
    // Any other file of the one that is pointed at stays for now.
    let exclusive = format!("/r/{A}/chk-1/{}", uuid(3));
    world.file(&exclusive).sweep(&exclusive, Rule::UnreferencedExclusive).refused(&["reference-checkpoint"]);
}

#[test]
fn nothing_pinned_goes() {
    for (pin, stays) in [
        (format!("/r/{A}"), true),
        ("/".to_owned(), true),
        (shared(A, 2), true),
        (format!("hdfs://ns{}", shared(A, 2)), true),
        (shared(A, 1), false),
        (format!("/r/{A}/share"), false),
    ] {
        let mut world = two_files();
        world.pins.push(at(&pin));
        if stays {
            world.refused(&["pinned"]);
        } else {
            world.passes();
        }
    }
}

#[test]
fn a_pinned_checkpoint_names_even_from_an_old_quarantine() {
    let mut world = two_files();
    let lies = format!("/r/.chksweep/quarantine/run/{A}/chk-4/_metadata");
    world.says(
        Says::at(&lies).quarantined(&format!("/r/{A}/chk-4/_metadata"), Some(days(9))).names(&shared(A, 2)),
    );
    world.passes();
    world.pins.push(at(&format!("/r/{A}/chk-4")));
    world.refused(&["named-by-path", "named-by-base-name"]);
}

#[test]
fn with_selected_jobs_nothing_else_goes() {
    let mut world = two_files();
    world.policy.jobs = vec![chksweep_core::JobId::parse(A.as_bytes()).unwrap()];
    world.passes();
    world.policy.jobs = vec![chksweep_core::JobId::parse(B.as_bytes()).unwrap()];
    world.refused(&["selection"]);
}

#[test]
fn min_age_is_that_of_the_policy() {
    let mut world = two_files();
    world.policy = Policy { min_age: Age::days(40), ..world.policy };
    world.refused(&["age"]);
}
