//! What a policy retires, and everything that speaks against it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use chksweep_core::plan::Rule;
use chksweep_core::policy::{OnUnreadable, RetentionRule};
use chksweep_core::{Age, Kind, OperatorId};
use chksweep_testkit::world::{location, uuid};
use common::{A, Planned, World};

/// Five checkpoints, the newest two days old, each with a shared file of its own. What was read a while ago tells that
/// access times are on.
fn five() -> World {
    let read = World::new().file("read", 80).accessed("read", 1);
    (1..=5_u32).fold(read, |world, n| {
        let file = format!("$A/shared/{}", uuid(n));
        let days = u64::from(20 - 3 * n);
        world.file(&file, days).accessed(&file, 60).metadata(&format!("$A/chk-{n}/_metadata"), days, &[&file])
    })
}

fn retired(world: &World) -> Vec<u32> {
    (1..=9)
        .filter(|n| {
            let name = format!("$A/chk-{n}/_metadata");
            world.swept().contains(&name)
        })
        .collect()
}

fn keep_last(count: u32) -> impl FnOnce(&mut chksweep_core::Policy) {
    move |policy| policy.keep_last = Some(count)
}

#[test]
fn without_a_policy_nothing_is_retired() {
    assert_eq!(retired(&five()), [0; 0]);
}

#[test]
fn the_newest_stay_and_only_metadata_goes_first() {
    let world = five().policy(keep_last(3));
    assert_eq!(retired(&world), [1, 2]);
    assert_eq!(world.rule(&format!("$A/shared/{}", uuid(1))), Rule::Named, "it follows in a later run");
}

#[test]
fn never_fewer_than_two_without_a_word_about_high_availability() {
    assert_eq!(retired(&five().policy(keep_last(1))), [1, 2, 3]);
    let no_ha = five().policy(keep_last(1)).policy(|policy| policy.no_ha = true);
    assert_eq!(retired(&no_ha), [1, 2, 3, 4]);
}

#[test]
fn where_access_times_are_off_nothing_is_retired_without_that_word() {
    let world = (1..=5_u32).fold(World::new(), |world, n| {
        let file = format!("$A/shared/{}", uuid(n));
        world.file(&file, 20).metadata(&format!("$A/chk-{n}/_metadata"), u64::from(20 - 3 * n), &[&file])
    });
    assert_eq!(retired(&world.clone().policy(keep_last(3))), [0; 0]);
    assert_eq!(retired(&world.policy(keep_last(3)).policy(|policy| policy.no_ha = true)), [1, 2]);
}

#[test]
fn an_access_time_that_is_only_the_time_of_making_tells_nothing() {
    let world = (1..=5_u32).fold(World::new(), |world, n| {
        let file = format!("$A/shared/{}", uuid(n));
        let days = u64::from(40 - 3 * n);
        world.file(&file, days).accessed(&file, days).metadata(
            &format!("$A/chk-{n}/_metadata"),
            days,
            &[&file],
        )
    });
    let world = world.policy(keep_last(3));
    assert_eq!(retired(&world), [0; 0], "a job that restored one may need it again, and nobody would see");
    let read = world.clone().accessed("$A/chk-5/_metadata", 1);
    assert_eq!(retired(&read), [1, 2], "access times are on after all");
}

#[test]
fn an_old_trace_or_one_of_another_file_system_does_not_tell_that_reads_leave_one() {
    let elsewhere = "hdfs://other/flink/read";
    let of = |read: u64, other: Option<u64>| {
        let mut world = five().accessed("read", read).policy(keep_last(3));
        if let Some(read) = other {
            world = world.file(elsewhere, 80).accessed(elsewhere, read);
            world.other_roots = vec![location("hdfs://other/flink")];
        }
        retired(&world)
    };
    assert_eq!(of(7, None), [1, 2]);
    assert_eq!(of(8, None), [0; 0], "access times may have been turned off since");
    assert_eq!(of(1, Some(80)), [0; 0], "nothing tells that they are on there");
    assert_eq!(of(1, Some(2)), [1, 2]);
}

/// Two jobs of one program, of which the ids begin with the same six digits, took savepoints into one directory.
#[test]
fn savepoints_of_two_jobs_whose_ids_begin_alike_are_not_counted_together() {
    let asked = || {
        let world = World::new().file("read", 80).accessed("read", 1);
        (1..=3_u32).fold(world, |world, n| {
            let file = format!("sp/savepoint-aaaaaa-00000000000{n}/{}", uuid(n));
            let metadata = format!("sp/savepoint-aaaaaa-00000000000{n}/_metadata");
            let days = u64::from(40 - 3 * n);
            world.file(&file, days).accessed(&file, 30).metadata(&metadata, days, &[&file])
        })
    };
    let asked = || asked().policy(|policy| policy.savepoint_keep_last = Some(2));
    let first = "sp/savepoint-aaaaaa-000000000001/_metadata".to_owned();
    assert_eq!(asked().dir("$A/shared", 90).swept(), [first]);
    for other in ["aaaaaa00000000000000000000000001/shared", "team/aaaaaa00000000000000000000000001/shared"] {
        let world = asked().dir("$A/shared", 90).dir(other, 90);
        assert_eq!(world.swept(), [""; 0], "{other}");
    }
}

#[test]
fn a_rule_for_one_savepoint_retired_its_neighbours() {
    let savepoint = |n: u32| format!("sp/savepoint-abcdef-00000000000{n}/_metadata");
    let rule = |matches: &str| RetentionRule {
        matches: matches.to_owned(),
        keep_last: None,
        keep_within: None,
        savepoint_keep_last: Some(1),
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: false,
    };
    let world =
        (1..=4_u32).fold(World::new(), |world, n| world.metadata(&savepoint(n), u64::from(50 - n), &[]));
    let world = world.policy(|policy| policy.no_ha = true);
    let one = world.clone().policy(|policy| policy.rules = vec![rule("*/savepoint-abcdef-000000000001")]);
    assert_eq!(one.swept(), Vec::<String>::new());
    let all = world.policy(|policy| policy.rules = vec![rule("*/sp/*")]);
    assert_eq!(all.swept(), [savepoint(1), savepoint(2), savepoint(3)]);
}

#[test]
fn a_job_expired_by_one_of_its_directories_while_another_had_been_alive() {
    let shared = |place: &str, n: u32| format!("{place}/$A/shared/{}", uuid(n));
    let world = |days: u64| {
        World::new()
            .file(&shared("x", 1), 90)
            .metadata("x/$A/chk-3/_metadata", 90, &[&shared("x", 1)])
            .file(&shared("y", 2), days)
            .metadata("y/$A/chk-9/_metadata", days, &[&shared("y", 2)])
            .policy(|policy| policy.expire_jobs_after = Some(Age::days(30)))
            .policy(|policy| policy.no_ha = true)
            .seen_before(3)
    };
    assert_eq!(world(9).swept(), Vec::<String>::new(), "dead for two days");
    assert_eq!(world(40).rule("x/$A/chk-3/_metadata"), Rule::ExpiredJob);
}

#[test]
fn what_was_read_lately_is_in_use() {
    let world = five().accessed(&format!("$A/shared/{}", uuid(1)), 3).policy(keep_last(3));
    assert_eq!(retired(&world), [2]);
}

/// State under a root that is read for references only was not listed, so nobody knows when it was read.
#[test]
fn what_may_have_been_read_elsewhere_is_in_use() {
    let world = |first: &[&str], read: u64| {
        let world = World::new().file("read", 80).accessed("read", read);
        let world = (2..=5_u32).fold(world, |world, n| {
            let file = format!("$A/shared/{}", uuid(n));
            let days = u64::from(20 - 3 * n);
            world.file(&file, days).accessed(&file, days).metadata(
                &format!("$A/chk-{n}/_metadata"),
                days,
                &[&file],
            )
        });
        let seen = format!("$A/shared/{}", uuid(1));
        world
            .file(&seen, 60)
            .accessed(&seen, 60)
            .metadata("$A/chk-1/_metadata", 19, first)
            .policy(keep_last(2))
            .policy(|policy| policy.no_ha = true)
    };
    let (seen, elsewhere) = (format!("$A/shared/{}", uuid(1)), format!("hdfs://far/{A}/shared/{}", uuid(9)));
    assert_eq!(retired(&world(&[&elsewhere], 40)), [2, 3]);
    assert_eq!(retired(&world(&[&elsewhere], 80)), [1, 2, 3], "no read was ever recorded");
    assert_eq!(retired(&world(&[&elsewhere, &seen], 40)), [1, 2, 3], "a restore reads all of it");
    assert_eq!(retired(&world(&[], 40)), [1, 2, 3], "it has no state that could be read");
}

#[test]
fn numbers_and_times_count_separately() {
    // Numbers restarted: chk-9 is old, chk-1 is the newest by time.
    let world = World::new()
        .metadata("$A/chk-9/_metadata", 30, &[])
        .metadata("$A/chk-8/_metadata", 31, &[])
        .metadata("$A/chk-7/_metadata", 32, &[])
        .metadata("$A/chk-1/_metadata", 2, &[])
        .policy(keep_last(1))
        .policy(|policy| policy.no_ha = true);
    assert_eq!(retired(&world), [7, 8]);
}

#[test]
fn lineages_are_told_by_operators() {
    let world = five()
        .metadata_of("$A/chk-6/_metadata", 40, &[], |file| {
            file.content.as_mut().unwrap().operators = vec![OperatorId([9; 16])];
        })
        .policy(keep_last(3))
        .policy(|policy| policy.no_ha = true);
    assert_eq!(retired(&world), [1, 2], "the only one of its lineage stays");
    let unknown = five()
        .metadata_of("$A/chk-6/_metadata", 40, &[], |file| file.content.as_mut().unwrap().operators.clear())
        .policy(keep_last(3));
    assert_eq!(retired(&unknown), [1, 2], "one whose lineage cannot be told stays");
}

#[test]
fn one_that_misses_files_does_not_count() {
    let world = five()
        .metadata("$A/chk-6/_metadata", 2, &[&format!("$A/shared/{}", uuid(66))])
        .policy(keep_last(3))
        .seen_before(9)
        .as_of_days_ahead(30);
    assert_eq!(retired(&world), [1, 2]);
}

#[test]
fn age_and_pins_keep() {
    let within = five().policy(keep_last(2)).policy(|policy| policy.keep_within = Some(Age::days(15)));
    assert_eq!(retired(&within), [1]);
    assert_eq!(retired(&five().policy(keep_last(2)).pin("$A/chk-1")), [2, 3]);
}

#[test]
fn a_checkpoint_that_is_referred_to_by_number_stays() {
    let world = five()
        .metadata_of("$A/chk-6/_metadata", 2, &[], |file| {
            file.content.as_mut().unwrap().ref_checkpoints = vec![2];
        })
        .policy(keep_last(2));
    assert_eq!(retired(&world), [1, 3, 4]);
}

/// Whatever lies in it: a reference by number tells no file.
#[test]
fn all_that_lies_in_a_checkpoint_that_is_referred_to_stays() {
    let file = format!("$A/chk-2/{}", uuid(9));
    let with = |numbers: &[i64]| {
        let world = five().file(&file, 20).metadata_of("$A/chk-6/_metadata", 2, &[], |file| {
            file.content.as_mut().unwrap().ref_checkpoints = numbers.to_vec();
        });
        world.rule(&file)
    };
    assert_eq!(with(&[2]), Rule::NamedDirectory);
    assert_ne!(with(&[3]), Rule::NamedDirectory);
}

/// It is not counted, and goes only when enough that are whole are newer, by number and by time.
#[test]
fn a_checkpoint_that_misses_files_stays_until_enough_whole_ones_are_newer() {
    let with = |number: u32, days: u64| {
        let missing = format!("$A/shared/{}", uuid(99));
        let name = format!("$A/chk-{number}/_metadata");
        let files: Vec<String> = (11..=14).map(|n| format!("$A/shared/{}", uuid(n))).collect();
        let mut world = World::new().file("read", 80).accessed("read", 1);
        for (n, file) in (11..=14_u64).zip(&files) {
            let path = format!("$A/chk-{n}/_metadata");
            world = world.file(file, 60).accessed(file, 60).metadata(&path, 30 - 2 * (n - 10), &[file]);
        }
        let own = format!("$A/shared/{}", uuid(98));
        let world = world.file(&own, 60).accessed(&own, 60).metadata(&name, days, &[&missing, &own]);
        let world = world.policy(keep_last(3)).policy(|policy| policy.max_dangling = 1.0);
        world.swept().contains(&name)
    };
    assert!(with(5, 40), "four whole ones are newer by both");
    assert!(with(10, 29), "as are four here");
    assert!(!with(15, 40), "by number none is");
    assert!(!with(5, 25), "by time only two are");
}

/// chksweep searches operator state itself, so a read of it tells nothing.
#[test]
fn that_operator_state_was_read_is_no_use() {
    let with = |is_operator_state: bool| {
        let state = format!("$A/chk-1/{}", uuid(7));
        let metadata = |world: World| {
            world.metadata_of("$A/chk-1/_metadata", 17, &[&state], |file| {
                if is_operator_state {
                    file.content.as_mut().unwrap().operator_state_files = vec![0];
                }
            })
        };
        let world = World::new().file("read", 80).accessed("read", 1);
        let world = (2..=5_u32).fold(world, |world, n| {
            let file = format!("$A/shared/{}", uuid(n));
            let path = format!("$A/chk-{n}/_metadata");
            world.file(&file, 20).accessed(&file, 60).metadata(&path, u64::from(20 - 3 * n), &[&file])
        });
        let world = metadata(world.file(&state, 20).accessed(&state, 2));
        retired(&world.policy(keep_last(3)).policy(|policy| policy.no_ha = true)).contains(&1)
    };
    assert!(!with(false));
    assert!(with(true));
}

#[test]
fn the_most_specific_rule_holds() {
    let rule = |matches: &str, keep_last: u32| RetentionRule {
        matches: matches.to_owned(),
        keep_last: Some(keep_last),
        keep_within: None,
        savepoint_keep_last: None,
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: false,
    };
    let world = five().policy(|policy| {
        policy.keep_last = Some(2);
        policy.rules = vec![rule("/r/*", 3), rule(A, 4)];
    });
    assert_eq!(retired(&world), [1]);
}

#[test]
fn savepoints_go_only_by_a_policy_of_their_own() {
    let world = |digits: &str| {
        (1..=4_u32).fold(World::new().file("read", 80).accessed("read", 1), |world, n| {
            let directory = format!("savepoint-{digits}-00000000000{n}");
            let days = u64::from(30 - 5 * n);
            let file = format!("{directory}/{}", uuid(n));
            world.file(&file, days).accessed(&file, 60).metadata(
                &format!("{directory}/_metadata"),
                days,
                &[&uuid(n)],
            )
        })
    };
    assert_eq!(world("abcdef").policy(keep_last(1)).swept().len(), 0);
    let asked = |digits: &str| world(digits).policy(|policy| policy.savepoint_keep_last = Some(2));
    assert_eq!(
        asked("abcdef").swept(),
        ["savepoint-abcdef-000000000001/_metadata", "savepoint-abcdef-000000000002/_metadata"]
    );
    assert_eq!(asked("000000").swept().len(), 0, "six zeros identify no job");
    assert_eq!(asked("ffffff").swept().len(), 0);
}

#[test]
fn a_job_expires_only_when_it_is_dead_for_long_and_nobody_uses_it() {
    let world = five().policy(|policy| policy.expire_jobs_after = Some(Age::days(30))).as_of_days_ahead(60);
    assert_eq!(retired(&world), [0; 0], "no word about high availability");
    let no_ha = world.policy(|policy| policy.no_ha = true);
    assert_eq!(retired(&no_ha), [1, 2, 3, 4, 5]);
    assert_eq!(no_ha.rule("$A/chk-1/_metadata"), Rule::ExpiredJob);
    assert_eq!(retired(&no_ha.clone().as_of_days_ahead(20)), [0; 0]);
    let used = no_ha.metadata("$B/chk-1/_metadata", 2, &[&format!("$A/shared/{}", uuid(1))]);
    assert_eq!(retired(&used), [0; 0]);
}

/// The checker refuses a plan that takes it: nothing at all was swept until somebody repaired that metadata.
#[test]
fn a_job_does_not_expire_while_metadata_that_cannot_be_read_may_name_something_of_it() {
    let world = five()
        .policy(|policy| policy.expire_jobs_after = Some(Age::days(30)))
        .policy(|policy| policy.no_ha = true)
        .policy(|policy| policy.unreadable = OnUnreadable::Isolate)
        .as_of_days_ahead(60);
    let cut_short = |uuids| world.clone().unreadable("$B/chk-1/_metadata", 2, Some(uuids), true);
    assert_eq!(retired(&cut_short(vec![99])), [1, 2, 3, 4, 5]);
    assert_eq!(retired(&cut_short(vec![1])), [0; 0]);
}

#[test]
fn a_plan_tells_what_a_policy_would_free() {
    let plan = five().plan();
    let policies: Vec<(&str, u64)> =
        plan.summary.what_if.iter().map(|what_if| (what_if.policy.as_str(), what_if.files)).collect();
    // Without a word about high availability the newest two are spared: three `_metadata` and their files.
    assert_eq!(policies, [("keep-last=1", 6), ("keep-last=3", 4)]);
}

/// One that was gone when it was listed says nothing of how many there are.
#[test]
fn a_checkpoint_that_is_only_read_and_not_listed_is_not_counted() {
    let mut world = five().policy(keep_last(2));
    let mut vanished = World::new().metadata("$A/chk-6/_metadata", 1, &[]);
    world.metadata.append(&mut vanished.metadata);
    assert_eq!(retired(&world), [1, 2, 3]);
}

#[test]
fn a_savepoint_in_the_place_of_a_checkpoint_is_neither_counted_nor_retired() {
    let saved = |number: u32, days| {
        five().policy(keep_last(2)).metadata_of(&format!("$A/chk-{number}/_metadata"), days, &[], |file| {
            file.content.as_mut().unwrap().kind = Kind::Savepoint;
        })
    };
    assert_eq!(retired(&saved(6, 1)), [1, 2, 3]);
    let old = saved(9, 80);
    assert_eq!((retired(&old), old.rule("$A/chk-9/_metadata")), (vec![1, 2, 3], Rule::Savepoint));
}

#[test]
fn a_job_that_expires_leaves_what_is_kept_by_age_or_by_a_pin() {
    let world = five()
        .policy(|policy| policy.expire_jobs_after = Some(Age::days(30)))
        .policy(|policy| policy.no_ha = true)
        .as_of_days_ahead(60);
    let within = world.clone().policy(|policy| policy.keep_within = Some(Age::days(70)));
    assert_eq!(retired(&within), [1, 2, 3]);
    assert_eq!(retired(&world.pin("$A/chk-1")), [2, 3, 4, 5]);
}
