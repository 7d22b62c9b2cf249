//! Random worlds, step by step.

#![expect(clippy::indexing_slicing, reason = "only tests use it")]

use std::collections::BTreeSet;

use chksweep_core::policy::OnUnreadable;
use proptest::prelude::*;

use crate::world::{A, B, World, location, uuid};

/// One step in making a world; paths come from a small set, so that steps meet.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named like the methods of `World`")]
pub enum Step {
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

/// The jobs.
const JOBS: [&str; 2] = ["$A", "$B"];
/// Directories in which files are made and named.
pub const PLACES: [&str; 9] = [
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

/// Files that metadata may name.
pub fn names() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((0..PLACES.len(), 0..8_u32), 0..5)
}

/// Any step.
pub fn step() -> impl Strategy<Value = Step> {
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

/// Takes the steps, from an empty world.
pub fn build(steps: &[Step]) -> World {
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
        Step::Seen { days } => world.seen_before(*days),
        Step::Dead { job } => world.dead(&JOBS[*job].replace("$A", A).replace("$B", B)),
        Step::Isolate => world.policy(|policy| policy.unreadable = OnUnreadable::Isolate),
        Step::KeepLast { count, no_ha } => world.policy(|policy| {
            policy.keep_last = Some(*count);
            policy.no_ha = *no_ha;
        }),
    })
}

/// Every path that some metadata of the steps names, by the simplest reading there is.
pub fn named(steps: &[Step]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for step in steps {
        if let Step::Metadata { names, .. } | Step::Savepoint { names, .. } = step {
            named.extend(paths(names));
        }
    }
    named
}
