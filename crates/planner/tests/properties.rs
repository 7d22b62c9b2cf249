//! What must hold in every world, whatever lies there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;

use chksweep_core::Age;
use chksweep_core::plan::Decision;
use chksweep_core::policy::OnUnreadable;
use common::{World, uuid};
use proptest::prelude::*;

/// One step in making a world; paths come from a small set, so that steps meet.
#[derive(Clone, Debug)]
enum Step {
    File { place: usize, name: u32, days: u64 },
    Metadata { job: usize, number: u32, days: u64, names: Vec<(usize, u32)> },
    Savepoint { number: u32, days: u64, names: Vec<(usize, u32)> },
    Unreadable { job: usize, number: u32, searched: bool },
    Empty { place: usize, days: u64 },
    Partial { place: usize },
    Seen { days: u64 },
    Dead { job: usize },
    Isolate,
    KeepLast { count: u32, no_ha: bool },
}

const JOBS: [&str; 2] = ["$A", "$B"];
const PLACES: [&str; 9] = [
    "$A/shared",
    "$A/taskowned",
    "$A/dstl",
    "$A/chk-2",
    "$A/chk-4",
    "$A/shared/op_X__1_2__attempt_0/db",
    "$A/taskowned/job_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_tm_x",
    "$B/shared",
    "savepoint-aaaaaa-000000000001",
];

fn names() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((0..PLACES.len(), 0..8_u32), 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..PLACES.len(), 0..8_u32, 0..20_u64)
            .prop_map(|(place, name, days)| Step::File { place, name, days }),
        4 => (0..2_usize, 1..7_u32, 0..20_u64, names())
            .prop_map(|(job, number, days, names)| Step::Metadata { job, number, days, names }),
        1 => (1..4_u32, 0..20_u64, names())
            .prop_map(|(number, days, names)| Step::Savepoint { number, days, names }),
        1 => (0..2_usize, 1..7_u32, any::<bool>())
            .prop_map(|(job, number, searched)| Step::Unreadable { job, number, searched }),
        1 => (0..PLACES.len(), 0..20_u64).prop_map(|(place, days)| Step::Empty { place, days }),
        1 => (0..PLACES.len()).prop_map(|place| Step::Partial { place }),
        2 => (0..9_u64).prop_map(|days| Step::Seen { days }),
        1 => (0..2_usize).prop_map(|job| Step::Dead { job }),
        1 => Just(Step::Isolate),
        1 => (1..3_u32, any::<bool>()).prop_map(|(count, no_ha)| Step::KeepLast { count, no_ha }),
    ]
}

fn paths(names: &[(usize, u32)]) -> Vec<String> {
    names.iter().map(|(place, name)| format!("{}/{}", PLACES[*place], uuid(*name))).collect()
}

fn build(steps: &[Step]) -> World {
    steps.iter().fold(World::new(), |world, step| match step {
        Step::File { place, name, days } => world.file(&format!("{}/{}", PLACES[*place], uuid(*name)), *days),
        Step::Metadata { job, number, days, names } => {
            let names = paths(names);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            world.metadata(&format!("{}/chk-{number}/_metadata", JOBS[*job]), *days, &names)
        }
        Step::Savepoint { number, days, names } => {
            let names = paths(names);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            world.metadata(&format!("savepoint-bbbbbb-00000000000{number}/_metadata"), *days, &names)
        }
        Step::Unreadable { job, number, searched } => {
            let uuids = searched.then(|| vec![*number]);
            world.unreadable(&format!("{}/chk-{number}/_metadata", JOBS[*job]), 9, uuids, true)
        }
        Step::Empty { place, days } => {
            if world.inventory().find_directory(&location(PLACES[*place])).is_some() {
                return world;
            }
            world.dir(PLACES[*place], *days)
        }
        Step::Partial { place } => world.partial(PLACES[*place], 9),
        Step::Seen { days } if world.try_plan().is_ok() => world.seen_before(*days),
        Step::Seen { .. } => world,
        Step::Dead { job } => world.dead(&JOBS[*job].replace("$A", common::A).replace("$B", common::B)),
        Step::Isolate => world.policy(|policy| policy.unreadable = OnUnreadable::Isolate),
        Step::KeepLast { count, no_ha } => world.policy(|policy| {
            policy.keep_last = Some(*count);
            policy.no_ha = *no_ha;
        }),
    })
}

fn location(path: &str) -> chksweep_core::Location {
    let path = path.replace("$A", common::A).replace("$B", common::B);
    chksweep_core::Location::from_printed(format!("{}/{path}", common::ROOT).as_bytes()).unwrap()
}

fn swept(world: &World) -> BTreeSet<String> {
    world.try_plan().map_or_else(|_| BTreeSet::new(), |_| world.swept().into_iter().collect())
}

/// Every path that some metadata of the steps names, by the simplest reading there is.
fn named(steps: &[Step]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for step in steps {
        if let Step::Metadata { names, .. } | Step::Savepoint { names, .. } = step {
            named.extend(paths(names));
        }
    }
    named
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_metadata_names_is_swept(steps in prop::collection::vec(step(), 1..25)) {
        // Later metadata of one path replaces none of the earlier here: both are read, both name.
        let both: Vec<String> = swept(&build(&steps)).intersection(&named(&steps)).cloned().collect();
        prop_assert!(both.is_empty(), "{both:?}");
    }

    #[test]
    fn one_more_savepoint_never_sweeps_more(
        steps in prop::collection::vec(step(), 1..20),
        days in 0..20_u64,
        extra in names(),
    ) {
        let before = swept(&build(&steps));
        let mut more = steps;
        more.push(Step::Savepoint { number: 9, days, names: extra });
        let after = swept(&build(&more));
        prop_assert!(after.is_subset(&before), "{:?}", after.difference(&before).collect::<Vec<_>>());
    }

    #[test]
    fn an_earlier_point_in_time_never_sweeps_more(steps in prop::collection::vec(step(), 1..20), days in 1..15_u64) {
        let world = build(&steps);
        let later = swept(&world.clone().as_of_days_ahead(days));
        let earlier = swept(&world);
        // A declared-dead job that looks alive is an error, and then nothing is swept.
        prop_assert!(earlier.is_subset(&later), "{:?}", earlier.difference(&later).collect::<Vec<_>>());
    }

    #[test]
    fn a_broken_listing_never_sweeps_more(
        steps in prop::collection::vec(step(), 1..20),
        place in 0..PLACES.len(),
    ) {
        let before = swept(&build(&steps));
        let mut less = steps;
        less.push(Step::Partial { place });
        let after = swept(&build(&less));
        prop_assert!(after.is_subset(&before), "{:?}", after.difference(&before).collect::<Vec<_>>());
    }

    #[test]
    fn unreadable_metadata_never_sweeps_more(
        steps in prop::collection::vec(step(), 1..20),
        searched in any::<bool>(),
    ) {
        let before = swept(&build(&steps));
        let mut less = steps;
        less.push(Step::Unreadable { job: 1, number: 9, searched });
        let after = swept(&build(&less));
        prop_assert!(after.is_subset(&before), "{:?}", after.difference(&before).collect::<Vec<_>>());
    }

    #[test]
    fn a_longer_min_age_never_sweeps_more(steps in prop::collection::vec(step(), 1..20), days in 1..9_u64) {
        let world = build(&steps);
        let strict = swept(&world.clone().policy(|policy| policy.min_age = Age::days(days)));
        prop_assert!(strict.is_subset(&swept(&world)));
    }

    #[test]
    fn the_order_of_metadata_does_not_matter(steps in prop::collection::vec(step(), 1..20), seed in any::<u64>()) {
        let world = build(&steps);
        let mut shuffled = world.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.metadata.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.metadata.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        prop_assert_eq!(swept(&world), swept(&shuffled));
        if let (Ok(a), Ok(b)) = (world.try_plan(), shuffled.try_plan()) {
            prop_assert_eq!(a.summary, b.summary);
            prop_assert_eq!(a.looks, b.looks);
        }
    }

    #[test]
    fn every_file_is_counted_once_and_no_path_is_covered_twice(steps in prop::collection::vec(step(), 1..25)) {
        let world = build(&steps);
        let Ok(plan) = world.try_plan() else { return Ok(()) };
        let inventory = world.inventory();
        prop_assert_eq!(plan.summary.decisions.all().files, u64::try_from(inventory.file_count()).unwrap());
        let entries = world.entries(true);
        let files: u64 = entries.iter().map(|entry| entry.totals.files).sum();
        prop_assert_eq!(files, plan.summary.decisions.all().files);
        for pair in entries.windows(2) {
            prop_assert!(pair[0].path < pair[1].path);
            prop_assert!(!pair[1].path.is_within(&pair[0].path));
        }
        let swept: u64 = entries
            .iter()
            .filter(|entry| entry.verdict.decision() == Decision::Sweep)
            .map(|entry| entry.totals.bytes)
            .sum();
        prop_assert_eq!(swept, plan.summary.decisions.sweep.bytes);
    }
}
