//! The planner and the checker, which share no code, agree on every world: no plan is refused, and a plan in which
//! one thing that stays is made to go is refused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use chksweep_core::plan::{Decision, OperatorStateSearch, OwnMove, Place, Plan, Rule, Unreadable, Verdict};
use chksweep_core::policy::{DeadJob, OnUnreadable, Policy, RetentionRule};
use chksweep_core::{Age, Inventory, JobId, Kind, Location, OperatorId, Uuid};
use chksweep_testkit::steps::{build, step};
use chksweep_testkit::world::{A, B, NOW, World, location, uuid};
use proptest::prelude::*;

/// Plans and checks; the findings, if the checker has any.
fn refused(world: &World, change: impl FnOnce(&mut Plan, &Inventory) -> bool) -> Option<String> {
    world.with_input(|input| {
        let mut plan = chksweep_planner::plan(input).ok()?;
        if !change(&mut plan, input.inventory) {
            return None;
        }
        chksweep_audit::check(input, plan).err().map(|findings| findings.to_string())
    })
}

const DIRECTORIES: [&str; 16] = [
    "$A/shared",
    "$A/taskowned",
    "$A/dstl",
    "$A/chk-2",
    "$A/chk-4",
    "$A/shared/op_X__1_2__attempt_0/db",
    "$A/taskowned/job_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_tm_x",
    "$B/shared",
    "savepoint-aaaaaa-000000000001",
    "$B/taskowned/job_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_tm_y",
    "n/shared",
    "n/chk-3",
    "n/taskowned",
    "$B/chk-1",
    "x/y",
    "$A/op_X__1_2__attempt_1/db",
];

const SNAPSHOTS: [&str; 12] = [
    "$A/chk-1",
    "$A/chk-2",
    "$A/chk-3",
    "$A/chk-5",
    "$B/chk-1",
    "$B/chk-2",
    "n/chk-2",
    "n/chk-4",
    "savepoint-aaaaaa-000000000002",
    "savepoint-000000-000000000002",
    "savepoint-aaaaaa-000000000003",
    "$B/savepoint-bbbbbb-000000000001",
];

/// One step in making a world with everything in it that planning knows of.
#[derive(Clone, Debug)]
enum Rich {
    File { at: usize, name: u32, days: u64 },
    Staging { at: usize, days: u64 },
    Metadata { at: usize, days: u64, names: Vec<(usize, u32)>, kind: u8, x: u32 },
    Directory { at: usize, days: u64 },
    DirectoryAge { at: usize, days: u64 },
    Partial { at: usize },
    Seen { days: u64 },
    Moved { at: usize, start: u64, end: u64 },
    Accessed { at: usize, name: u32, days: u64 },
    Policy { option: u8, value: u64 },
}

fn rich() -> impl Strategy<Value = Rich> {
    let at = || 0..DIRECTORIES.len();
    let names = || prop::collection::vec((0..DIRECTORIES.len(), 0..8_u32), 0..4);
    prop_oneof![
        8 => (at(), 0..8_u32, 0..40_u64).prop_map(|(at, name, days)| Rich::File { at, name, days }),
        1 => (at(), 0..40_u64).prop_map(|(at, days)| Rich::Staging { at, days }),
        6 => (0..SNAPSHOTS.len(), 0..40_u64, names(), 0..16_u8, 0..8_u32)
            .prop_map(|(at, days, names, kind, x)| Rich::Metadata { at, days, names, kind, x }),
        2 => (at(), 0..40_u64).prop_map(|(at, days)| Rich::Directory { at, days }),
        1 => (at(), 0..40_u64).prop_map(|(at, days)| Rich::DirectoryAge { at, days }),
        1 => at().prop_map(|at| Rich::Partial { at }),
        4 => (0..9_u64).prop_map(|days| Rich::Seen { days }),
        1 => (at(), 0..10_u64, 0..10_u64).prop_map(|(at, start, end)| Rich::Moved { at, start, end }),
        1 => (at(), 0..8_u32, 0..40_u64).prop_map(|(at, name, days)| Rich::Accessed { at, name, days }),
        5 => (0..16_u8, 0..40_u64).prop_map(|(option, value)| Rich::Policy { option, value }),
    ]
}

fn printed(text: &str) -> Location {
    Location::from_printed(text.as_bytes()).unwrap()
}

fn id(n: u32) -> Uuid {
    Uuid::parse(uuid(n).as_bytes()).unwrap()
}

fn add_metadata(world: World, at: usize, days: u64, names: &[(usize, u32)], kind: u8, x: u32) -> World {
    let path = format!("{}/_metadata", SNAPSHOTS[at]);
    if world.metadata.iter().any(|file| file.location == location(&path)) {
        return world;
    }
    let names: Vec<String> = names.iter().map(|(d, n)| format!("{}/{}", DIRECTORIES[*d], uuid(*n))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.metadata_of(&path, days, &names, |file| {
        let content = file.content.as_mut().unwrap();
        match kind {
            0 => content.directories.push(location(DIRECTORIES[6])),
            1 => content.directories.push(printed(&format!("hdfs://z/q/job_{A}_tm_y"))),
            2 => content.ref_checkpoints.push(x.into()),
            3 => content.other_uuids.push(id(x)),
            4 => content.operators = vec![OperatorId([1; 16])],
            5 => content.operators = vec![],
            6 => content.operators = vec![OperatorId([3; 16]), OperatorId([4; 16])],
            7 => {
                file.operator_state = OperatorStateSearch::NotSearched;
                content.inline_operator_state = true;
            }
            8 => file.operator_state = OperatorStateSearch::Searched { found: vec![id(x)] },
            9 => {
                let original = file.location.clone();
                file.location = printed(&original.to_string().replace("/r/", "/r/.chksweep/quarantine/run/"));
                let moved_at = (x > 0).then(|| NOW.minus(Age::hours(u64::from(x) * 8)));
                file.place = Place::Quarantined { original, moved_at };
            }
            10 => {
                file.location = printed(&file.location.to_string().replace("/r/", "/ref/"));
                file.place = Place::Reference;
            }
            11 => {
                file.content = Err(Unreadable {
                    kind: "unsupported-version".to_owned(),
                    message: "version 0".to_owned(),
                    offset: None,
                    blocks: false,
                    uuids: Some(vec![id(x)]),
                });
            }
            12 => content.kind = Kind::Savepoint,
            _ => {}
        }
    })
}

fn set_policy(policy: &mut Policy, option: u8, value: u64) {
    let days = Age::days(value);
    let few = |most: u64| Some(u32::try_from(value % most).unwrap());
    let job = |id: &str| DeadJob::Id(JobId::parse(id.as_bytes()).unwrap());
    match option {
        0 => policy.keep_last = few(4),
        1 => policy.no_ha = true,
        2 => policy.keep_within = Some(days),
        3 => policy.savepoint_keep_last = few(3),
        4 => policy.savepoint_keep_within = Some(days),
        5 => policy.expire_jobs_after = Some(days),
        6 => policy.incomplete_savepoints = true,
        7 => policy.dead_jobs.push(job(A)),
        8 => policy.dead_jobs.push(DeadJob::Path("file:///r/n".to_owned())),
        9 => policy.jobs.push(JobId::parse(A.as_bytes()).unwrap()),
        10 => policy.trust_quiescence = false,
        11 => policy.quiescent_after = Age::hours(value * 6),
        12 => policy.unreadable = OnUnreadable::Isolate,
        13 => policy.max_dangling = 1.0,
        14 => policy.rules.push(RetentionRule {
            matches: ["/r/*", A, "/r/n", "*/chk-*"][usize::try_from(value % 4).unwrap()].to_owned(),
            keep_last: Some(1),
            keep_within: None,
            savepoint_keep_last: Some(1),
            savepoint_keep_within: None,
            expire_jobs_after: (value > 20).then_some(Age::days(10)),
            one_job: value.is_multiple_of(2),
        }),
        _ => policy.dead_jobs.push(job(B)),
    }
}

fn take(world: World, step: &Rich) -> World {
    let is_there =
        |world: &World, at: usize| world.inventory().find_directory(&location(DIRECTORIES[at])).is_some();
    match *step {
        Rich::File { at, name, days } => world.file(&format!("{}/{}", DIRECTORIES[at], uuid(name)), days),
        Rich::Staging { at, days } => {
            world.file(&format!("{}/._metadata.inprogress.{days}", DIRECTORIES[at]), days)
        }
        Rich::Metadata { at, days, ref names, kind, x } => add_metadata(world, at, days, names, kind, x),
        Rich::Directory { at, days } if !is_there(&world, at) => world.dir(DIRECTORIES[at], days),
        Rich::DirectoryAge { at, days } if is_there(&world, at) => world.dir_age(DIRECTORIES[at], days),
        Rich::Directory { .. } | Rich::DirectoryAge { .. } => world,
        Rich::Partial { at } => world.partial(DIRECTORIES[at], 9),
        Rich::Seen { days } => world.seen_before(days),
        Rich::Moved { at, start, end } => {
            let mut world = world;
            let mut directory = location(DIRECTORIES[at]);
            if end.is_multiple_of(2) {
                directory = directory.parent().unwrap();
            }
            let ended = (end < 9).then(|| NOW.minus(Age::days(start.min(end))));
            let moved = OwnMove { start: NOW.minus(Age::days(start)), end: ended };
            world.looks.moves.insert(directory.to_string(), moved);
            world
        }
        Rich::Accessed { at, name, days } => {
            world.accessed(&format!("{}/{}", DIRECTORIES[at], uuid(name)), days)
        }
        Rich::Policy { option, value } => {
            let mut world = world.policy(|policy| set_policy(policy, option, value));
            if option == 13 && value > 30 {
                world.pins.push(location(DIRECTORIES[usize::try_from(value % 16).unwrap()]));
            }
            world
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_plan_of_a_rich_world_is_refused(
        steps in prop::collection::vec(rich(), 1..40),
        ahead in 0..30_u64,
    ) {
        let mut world = steps.iter().fold(World::new(), take);
        world.reference_roots = vec![printed("file:///ref")];
        let findings = refused(&world.as_of_days_ahead(ahead.saturating_sub(20)), |_, _| true);
        prop_assert!(findings.is_none(), "{}", findings.unwrap_or_default());
    }

    #[test]
    fn no_plan_of_a_plain_world_is_refused(steps in prop::collection::vec(step(), 1..25), ahead in 0..30_u64) {
        let world = build(&steps).as_of_days_ahead(ahead);
        let findings = refused(&world, |_, _| true);
        prop_assert!(findings.is_none(), "{}", findings.unwrap_or_default());
    }

    #[test]
    fn a_plan_that_sweeps_what_is_named_is_refused(
        steps in prop::collection::vec(step(), 1..25),
        pick in any::<prop::sample::Index>(),
    ) {
        let mut changed = false;
        let findings = refused(&build(&steps), |plan, inventory| {
            let named: Vec<_> = inventory
                .directories()
                .flat_map(|(id, _)| inventory.files_of(id).map(|(file, _)| file))
                .filter(|file| {
                    let verdict = plan.decisions.file(*file);
                    verdict.decision() == Decision::Keep && verdict.rule != Rule::Structure
                })
                .collect();
            if named.is_empty() {
                return false;
            }
            plan.decisions.set_file(named[pick.index(named.len())], Verdict::new(Rule::UnreferencedShared));
            changed = true;
            true
        });
        prop_assert!(!changed || findings.is_some());
    }
}
