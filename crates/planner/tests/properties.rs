//! What must hold in every world, whatever lies there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;

use chksweep_core::Age;
use chksweep_core::plan::Decision;
use chksweep_testkit::steps::{PLACES, Step, build, named, names, step};
use common::{Planned, World};
use proptest::prelude::*;

fn swept(world: &World) -> BTreeSet<String> {
    world.try_plan().map_or_else(|_| BTreeSet::new(), |_| world.swept().into_iter().collect())
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
