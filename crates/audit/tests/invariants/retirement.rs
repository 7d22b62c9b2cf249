//! Retention: what a policy may take, and what no policy takes.

use chksweep_core::plan::Rule;
use chksweep_core::policy::RetentionRule;
use chksweep_core::{Age, Kind, Timestamp};

use crate::world::{A, B, Says, World, days, uuid};

fn metadata(number: u64) -> String {
    format!("/r/{A}/chk-{number}/_metadata")
}

fn state(number: u8) -> String {
    format!("/r/{A}/chk-{number}/{}", uuid(number))
}

fn checkpoint(number: u8) -> Says {
    Says::at(&metadata(number.into())).names(&state(number)).written(days(u64::from(60 - number)))
}

/// Four checkpoints, of which the first goes, with one to be kept and no HA.
fn four() -> World {
    let mut world = World::new("/r");
    world.policy.keep_last = Some(1);
    world.policy.no_ha = true;
    for number in 1..=4 {
        world.says(checkpoint(number));
    }
    world.sweep(&metadata(1), Rule::RetiredCheckpoint);
    world
}

#[test]
fn as_many_stay_as_the_policy_says() {
    let mut world = four();
    world.passes();
    world.policy.keep_last = Some(3);
    world.passes();
    world.policy.keep_last = Some(4);
    world.refused(&["retired-checkpoint"]);
    world.policy.keep_last = None;
    world.refused(&["retired-checkpoint"]);
    world.policy.keep_last = Some(1);
    world.sweep(&metadata(2), Rule::RetiredCheckpoint).sweep(&metadata(3), Rule::RetiredCheckpoint).passes();
    world.sweep(&metadata(4), Rule::RetiredCheckpoint).refused(&["retired-checkpoint"]);
}

/// Where several clusters may run in one directory, nothing stands for the newest of one that is suspended.
#[test]
fn where_several_runs_may_write_only_a_declaration_retires() {
    let world = |job: &str| {
        let mut world = World::new("/r");
        world.policy.keep_last = Some(1);
        for number in 1..=4_u8 {
            let state = format!("/r/{job}/chk-{number}/{}", uuid(number));
            let says = Says::at(&format!("/r/{job}/chk-{number}/_metadata"));
            world.says(says.names(&state).written(days(u64::from(60 - number))));
        }
        world.sweep(&format!("/r/{job}/chk-1/_metadata"), Rule::RetiredCheckpoint);
        world
    };
    let drawn = ["00000001123456780000000000000001", "12345678123456780000000000000000"];
    for job in drawn.into_iter().chain([A, "00000000000000000000000000000001"]) {
        world(job).passes();
    }
    let shared = [
        &"0".repeat(32),
        "00000000123456780000000000000000",
        "ffffffffdeadbeef0000000000000000",
        "ffffffff92744b58000000000446b47f",
        "ffffffff8e2d96da0000000000000001",
    ];
    for job in shared.into_iter().chain(["flat"]) {
        world(job).refused(&["retired-checkpoint"]);
        let mut alone = world(job);
        alone.policy.no_ha = true;
        if job == "flat" {
            alone.refused(&["retired-checkpoint"]);
        } else {
            alone.passes();
        }
        let mut declared = world(job);
        declared.policy.rules = vec![one_job(&format!("/r/{job}"))];
        declared.passes();
        declared.policy.rules = vec![one_job("/elsewhere/*")];
        declared.refused(&["retired-checkpoint"]);
    }
}

/// Declares that all that matches is of one job.
pub(crate) fn one_job(matches: &str) -> RetentionRule {
    RetentionRule {
        matches: matches.to_owned(),
        keep_last: Some(1),
        keep_within: None,
        savepoint_keep_last: None,
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: true,
    }
}

#[test]
fn without_ha_evidence_two_stay() {
    let mut world = four();
    world.policy.no_ha = false;
    world.sweep(&metadata(2), Rule::RetiredCheckpoint).passes();
    world.sweep(&metadata(3), Rule::RetiredCheckpoint).refused(&["retired-checkpoint"]);
}

#[test]
fn what_is_young_by_the_policy_stays() {
    let mut world = four();
    world.policy.keep_within = Some(Age::days(58));
    world.passes();
    world.policy.keep_within = Some(Age::days(60));
    world.refused(&["retired-checkpoint"]);
}

#[test]
fn numbers_and_times_are_counted_apart() {
    // Numbers began anew: the one with the lowest number is the newest.
    let mut world = four();
    let newest = |number| checkpoint(number).written(days(10));
    let mut says = World::new("/r");
    says.policy = world.policy.clone();
    says.says(newest(1)).says(checkpoint(2)).says(checkpoint(3)).sweep(&metadata(1), Rule::RetiredCheckpoint);
    says.refused(&["retired-checkpoint"]);
    // And the highest number stays, however old.
    let mut says = World::new("/r");
    says.policy = world.policy.clone();
    says.says(checkpoint(1)).says(checkpoint(2)).says(checkpoint(3).written(days(90)));
    says.sweep(&metadata(3), Rule::RetiredCheckpoint);
    says.refused(&["retired-checkpoint"]);
    world.policy.keep_last = Some(2);
    world.passes();
}

#[test]
fn only_one_lineage_is_counted() {
    let both = |first: &[u8], second: &[u8]| {
        let mut world = World::new("/r");
        world.policy.keep_last = Some(1);
        world.policy.no_ha = true;
        world.says(checkpoint(1).operators(first)).says(checkpoint(2).operators(second));
        world.sweep(&metadata(1), Rule::RetiredCheckpoint);
        world
    };
    both(&[1, 2, 3], &[3, 4, 5]).refused(&["retired-checkpoint"]);
    both(&[1, 2, 3], &[2, 3, 4]).passes();
    let with = |operators: &[u8]| both(&[1, 2], operators);
    with(&[1, 2]).passes();
    with(&[2, 3]).passes();
    with(&[3, 4]).refused(&["retired-checkpoint"]);
    with(&[2, 3, 4]).passes();
    with(&[]).refused(&["retired-checkpoint"]);
    let mut fresh = World::new("/r");
    fresh.policy = four().policy;
    for number in 1..=4 {
        fresh.says(checkpoint(number).operators(&[]));
    }
    fresh.sweep(&metadata(1), Rule::RetiredCheckpoint).refused(&["retired-checkpoint"]);
    // Nor those of another directory.
    let mut world = four();
    for number in 2..=4 {
        world.sweep(&metadata(number), Rule::RetiredCheckpoint);
    }
    world.says(Says::at(&format!("/r/{B}/chk-9/_metadata")));
    world.refused(&["retired-checkpoint"]);
}

#[test]
fn a_checkpoint_that_misses_files_is_not_counted() {
    let mut world = four();
    world.sweep(&metadata(2), Rule::RetiredCheckpoint).sweep(&metadata(3), Rule::RetiredCheckpoint).passes();
    world.gone(&state(4));
    // It is the newest of its job too, so nothing of the job goes.
    world.refused(&["retired-checkpoint", "inconsistent-job", "max-dangling"]);
    let mut world = four();
    world.gone(&state(3)).gone(&state(2)).passes();
    world.policy.keep_last = Some(2);
    world.refused(&["retired-checkpoint"]);
    // Missing files itself, it is no use once a whole one is newer; also if it misses but the first of two.
    world.clone().gone(&state(1)).passes();
    let mut two = World::new("/r");
    two.policy = world.policy.clone();
    let other = format!("/r/{A}/chk-1/{}", uuid(200));
    two.says(checkpoint(1).names(&other)).says(checkpoint(2)).sweep(&metadata(1), Rule::RetiredCheckpoint);
    two.refused(&["retired-checkpoint"]);
    two.gone(&state(1)).passes();
    let mut world = four();
    world.policy.max_dangling = 1.0;
    world.gone(&state(1)).gone(&state(2)).gone(&state(3)).gone(&state(4));
    world.refused(&["retired-checkpoint", "inconsistent-job", "max-dangling"]);
    // What lies under no listed root may be there for it, and is not known to be there for others.
    let named_elsewhere = |number: u8| checkpoint(number).names("/elsewhere/x");
    let with = |says: [Says; 3]| {
        let mut world = World::new("/r");
        world.policy.no_ha = true;
        world.policy.keep_last = Some(2);
        for says in says {
            world.says(says);
        }
        world.sweep(&metadata(1), Rule::RetiredCheckpoint);
        world
    };
    with([named_elsewhere(1), checkpoint(2), checkpoint(3)]).passes();
    with([checkpoint(1), named_elsewhere(2), checkpoint(3)]).refused(&["retired-checkpoint"]);
    with([named_elsewhere(1), named_elsewhere(2), checkpoint(3)]).refused(&["retired-checkpoint"]);
}

#[test]
fn savepoints_unreadable_and_unread_ones_are_no_checkpoints_to_retire() {
    for says in [checkpoint(1).kind(Kind::Savepoint), checkpoint(1).unreadable(false, None)] {
        let mut world = four();
        let mut fresh = World::new("/r");
        fresh.policy = world.policy.clone();
        fresh.says(says).says(checkpoint(2)).says(checkpoint(3));
        fresh.sweep(&metadata(1), Rule::RetiredCheckpoint);
        let findings = fresh.check().unwrap_err();
        assert!(findings.findings.iter().any(|one| one.invariant == "retired-checkpoint"), "{findings:?}");
        world.file(&metadata(9)).sweep(&metadata(9), Rule::RetiredCheckpoint);
        assert!(world.check().is_err());
    }
}

#[test]
fn the_first_rule_that_matches_replaces_the_retention() {
    let rule = |matches: &str, keep_last| RetentionRule {
        matches: matches.to_owned(),
        keep_last,
        keep_within: None,
        savepoint_keep_last: None,
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: false,
    };
    // That of another job is nothing to this one.
    let mut world = four();
    world.policy.keep_last = None;
    world.policy.rules = vec![rule(B, Some(1))];
    world.refused(&["retired-checkpoint"]);
    for (matches, keep_last, retires) in [
        (A.to_owned(), Some(3), true),
        (A.to_owned(), Some(4), false),
        (A.to_owned(), None, false),
        (B.to_owned(), None, true),
        ("/r/*".to_owned(), None, false),
        (format!("/r/{A}"), Some(4), true),
        ("/elsewhere/*".to_owned(), None, true),
    ] {
        let mut world = four();
        world.policy.rules = vec![rule(&matches, keep_last)];
        if retires {
            world.passes();
        } else {
            world.refused(&["retired-checkpoint"]);
        }
    }
}

#[test]
fn what_was_read_lately_is_in_use() {
    let mut world = four();
    world.with(&state(1), |file| file.accessed = days(8)).passes();
    world.with(&state(1), |file| file.accessed = days(6)).refused(&["in-use"]);
    // Made lately is not read lately.
    world.written(&state(1), days(6)).passes();
    // Not recorded: then somebody must say that there is no HA.
    let mut world = four();
    world.with(&state(1), |file| file.accessed = Timestamp(0)).passes();
    world.policy.no_ha = false;
    world.refused(&["in-use"]);
    // Operator state is read by chksweep itself.
    let mut fresh = World::new("/r");
    fresh.policy = world.policy.clone();
    fresh.says(Says::at(&metadata(1)).names_operator_state(&state(1)).written(days(59)));
    for number in 2..=4 {
        fresh.says(checkpoint(number));
    }
    fresh.sweep(&metadata(1), Rule::RetiredCheckpoint);
    fresh.with(&state(1), |file| file.accessed = days(1)).passes();
}

/// State that lies in another cluster's root leaves its trace there.
#[test]
fn what_may_have_been_read_elsewhere_is_in_use() {
    let elsewhere = format!("/far/{B}/shared/{}", uuid(9));
    let world = |named: &[&str]| {
        let mut world = World::new("/r");
        world.policy.keep_last = Some(1);
        world.policy.no_ha = true;
        let first = Says::at(&metadata(1)).written(days(59));
        world.says(named.iter().fold(first, |says, path| says.names(path)));
        for number in 2..=4 {
            world.says(checkpoint(number));
        }
        for number in 1..=4 {
            world.with(&metadata(number), |file| file.accessed = file.modified);
        }
        world.sweep(&metadata(1), Rule::RetiredCheckpoint);
        world
    };
    // Where no read was ever recorded, the word is all there is.
    world(&[&elsewhere]).passes();
    let recorded = |named: &[&str]| {
        let mut world = world(named);
        world.with(&state(4), |file| file.accessed = days(20));
        world
    };
    recorded(&[&elsewhere]).refused(&["in-use"]);
    // What is listed tells for the rest: a restore reads all of it.
    recorded(&[&elsewhere, &state(1)]).passes();
    recorded(&[]).passes();
    let mut operator_state = recorded(&[]);
    let first = Says::at(&metadata(1)).written(days(59)).names_operator_state(&elsewhere);
    operator_state.says(first).passes();
}

fn savepoint(digits: &str, number: u8) -> String {
    format!("/r/savepoint-{digits}-00000000000{number}/_metadata")
}

fn savepoints(digits: &str) -> World {
    let mut world = World::new("/r");
    world.policy.savepoint_keep_last = Some(1);
    for number in 1..=3 {
        let says = Says::at(&savepoint(digits, number)).kind(Kind::Savepoint);
        world.says(says.written(days(u64::from(50 - number))));
    }
    world.sweep(&savepoint(digits, 1), Rule::RetiredSavepoint);
    world
}

#[test]
fn savepoints_go_only_by_a_policy_for_them() {
    let mut world = savepoints("abcdef");
    world.passes();
    world.sweep(&savepoint("abcdef", 2), Rule::RetiredSavepoint).passes();
    let staging = format!("/r/{A}/chk-9/._metadata.inprogress.1");
    world.file(&staging).sweep(&staging, Rule::StagingFile);
    world.sweep(&savepoint("abcdef", 3), Rule::RetiredSavepoint).refused(&["retired-savepoint"]);
    let mut world = savepoints("abcdef");
    world.policy.savepoint_keep_within = Some(Age::days(60));
    world.refused(&["retired-savepoint"]);
    world.policy.savepoint_keep_within = None;
    world.policy.savepoint_keep_last = None;
    world.policy.keep_last = Some(1);
    world.refused(&["retired-savepoint"]);
    // Those of another job are not counted.
    let mut world = savepoints("abcdef");
    world.gone(&savepoint("abcdef", 2));
    let mut fresh = World::new("/r");
    fresh.policy = world.policy.clone();
    fresh
        .says(Says::at(&savepoint("abcdef", 1)).written(days(40)))
        .says(Says::at(&savepoint("123456", 2)))
        .sweep(&savepoint("abcdef", 1), Rule::RetiredSavepoint);
    fresh.refused(&["retired-savepoint"]);
}

#[test]
fn digits_of_two_jobs_tell_none() {
    let second = "abcdef00000000000000000000000002";
    let known = |first: &str| {
        let mut world = savepoints("abcdef");
        world.directory(&format!("/r/{first}/shared"));
        world
    };
    known("abcdef00000000000000000000000001").passes();
    known("abcdee00000000000000000000000001").directory(&format!("/r/{second}")).passes();
    known("abcdef00000000000000000000000001")
        .directory(&format!("/r/{second}"))
        .refused(&["retired-savepoint"]);
    let mut seen = known("abcdef00000000000000000000000001");
    seen.root("/gone").directory(&format!("/gone/{second}")).refused(&["retired-savepoint"]);
    let mut wrote = known("abcdef00000000000000000000000001");
    wrote.says(Says::at(&format!("/far/{second}/chk-9/_metadata")));
    wrote.refused(&["retired-savepoint"]);
}

#[test]
fn digits_that_many_share_tell_no_job() {
    for digits in ["000000", "ffffff"] {
        let mut world = savepoints(digits);
        world.refused(&["retired-savepoint"]);
        world.policy.rules = vec![RetentionRule {
            matches: "/r/*".to_owned(),
            keep_last: None,
            keep_within: None,
            savepoint_keep_last: Some(1),
            savepoint_keep_within: None,
            expire_jobs_after: None,
            one_job: true,
        }];
        world.passes();
        world.policy.rules[0].one_job = false;
        world.refused(&["retired-savepoint"]);
    }
}

/// A dead job with one checkpoint, which expires.
fn expired() -> World {
    let mut world = World::new("/r");
    world.policy.no_ha = true;
    world.policy.expire_jobs_after = Some(Age::days(25));
    world.says(checkpoint(4)).seen(&format!("/r/{A}"), days(2)).sweep(&metadata(4), Rule::ExpiredJob);
    world
}

#[test]
fn the_last_checkpoint_goes_only_when_its_job_expires() {
    expired().passes();
    let mut world = expired();
    world.policy.expire_jobs_after = None;
    world.refused(&["expired-job"]);
    let mut world = expired();
    world.policy.expire_jobs_after = Some(Age::days(31));
    world.refused(&["expired-job"]);
    let mut world = expired();
    world.policy.keep_within = Some(Age::days(57));
    world.refused(&["expired-job"]);
    world.policy.keep_within = Some(Age::days(56));
    world.passes();
    let mut world = expired();
    world.policy.no_ha = false;
    world.refused(&["expired-job"]);
    let mut world = expired();
    world.policy.trust_quiescence = false;
    world.refused(&["expired-job"]);
    let mut world = expired();
    world.sweep(&metadata(4), Rule::RetiredCheckpoint);
    world.refused(&["retired-checkpoint"]);
    let mut savepoint = World::new("/r");
    savepoint.policy = expired().policy;
    savepoint.says(checkpoint(4).kind(Kind::Savepoint)).seen(&format!("/r/{A}"), days(2));
    savepoint.sweep(&metadata(4), Rule::ExpiredJob).refused(&["expired-job"]);
    // Nothing in it may be named by others, and what it names itself stays for now.
    let mut world = expired();
    world.says(Says::at(&format!("/r/{B}/chk-1/_metadata")).names(&state(4)));
    world.refused(&["expired-job"]);
    let mut world = expired();
    world.sweep(&state(4), Rule::ExpiredJob);
    world.refused(&["named-by-path", "named-by-base-name"]);
    let orphan = format!("/r/{A}/shared/{}", uuid(9));
    let mut world = expired();
    world.file(&orphan).sweep(&orphan, Rule::ExpiredJob).passes();
}

/// HDFS gives every file the access time of its making: a later one shows that reads were recorded by then, there.
#[test]
fn without_a_read_on_record_nothing_tells_what_is_in_use() {
    let mut world = four();
    world.policy.no_ha = false;
    for number in 1..=4 {
        let written = days(60 - number);
        world.with(&metadata(number), |file| file.accessed = written);
    }
    world.refused(&["in-use"]);
    // As written, so told to be read: no read at all.
    let mut written = world.clone();
    written.written(&state(4), days(1)).with(&state(4), |file| file.accessed = days(1)).refused(&["in-use"]);
    world.with(&state(4), |file| file.accessed = days(8)).refused(&["in-use"]);
    world.with(&state(4), |file| file.accessed = days(7)).passes();
    let elsewhere = "hdfs://other/r/_old";
    world.root("hdfs://other/r").file(elsewhere).refused(&["in-use"]);
    world.with(elsewhere, |file| file.accessed = days(2)).passes();
}

/// A named savepoint may lie in a directory that somebody renamed.
#[test]
fn a_renamed_savepoint_goes_by_a_policy_for_its_place() {
    let path = |number: u8| format!("/r/mine-{number}/_metadata");
    let mut world = World::new("/r");
    for number in 1..=2 {
        let says = Says::at(&path(number)).kind(Kind::Savepoint);
        world.says(says.written(days(u64::from(50 - number))));
    }
    world.policy.rules = vec![RetentionRule {
        matches: "/r/*".to_owned(),
        keep_last: None,
        keep_within: None,
        savepoint_keep_last: Some(1),
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: true,
    }];
    world.sweep(&path(1), Rule::RetiredSavepoint).passes();
}

/// What a job that expires takes over by number from another checkpoint stays until its own metadata is gone.
#[test]
fn an_expired_job_keeps_what_its_checkpoints_point_at() {
    let orphan = format!("/r/{A}/chk-3/{}", uuid(9));
    let mut world = expired();
    world.says(checkpoint(3)).sweep(&metadata(3), Rule::ExpiredJob).seen(&format!("/r/{A}"), days(2));
    world.file(&orphan).sweep(&orphan, Rule::ExpiredJob).passes();
    let mut world = World::new("/r");
    world.policy = expired().policy;
    world.says(checkpoint(3)).says(checkpoint(4).points_at(3)).file(&orphan);
    world.sweep(&metadata(3), Rule::ExpiredJob).sweep(&metadata(4), Rule::ExpiredJob);
    world.seen(&format!("/r/{A}"), days(2)).passes();
    world.sweep(&orphan, Rule::ExpiredJob).refused(&["reference-checkpoint"]);
}
