//! Random worlds in which everything but a name speaks for sweeping: old, dead, declared, allowed by every option.

use chksweep_core::plan::{Decision, Rule};
use chksweep_core::policy::DeadJob;
use chksweep_core::{Age, JobId};
use proptest::prelude::*;

use crate::world::{A, B, Says, World, days, hours, uuid};

/// The places in which a file of state may lie, with the rule that takes it there.
const PLACES: [(&str, Rule); 8] = [
    ("J/shared", Rule::UnreferencedShared),
    ("J/taskowned", Rule::UnreferencedRunningState),
    ("J/dstl", Rule::UnreferencedRunningState),
    ("J/shared/job_J_op_x_0_1", Rule::UnreferencedRunningState),
    ("J/shared/op_x_attempt_0/db", Rule::UnreferencedRunningState),
    ("J/chk-5", Rule::UnreferencedExclusive),
    ("J/chk-4", Rule::AbandonedCheckpoint),
    ("savepoint-abcdef-000000000000", Rule::IncompleteSavepoint),
];

/// The ways in which metadata can name a file.
#[derive(Clone, Copy, Debug)]
enum Naming {
    Path,
    OtherAuthority,
    BaseName,
    Directory,
    RawUuid,
    OperatorState,
    Quarantined,
    Unreadable,
}

#[derive(Clone, Debug)]
struct Spec {
    job: bool,
    place: usize,
    naming: Option<Naming>,
    by: bool,
}

fn spec() -> impl Strategy<Value = Spec> {
    let naming = prop_oneof![
        Just(Naming::Path),
        Just(Naming::OtherAuthority),
        Just(Naming::BaseName),
        Just(Naming::Directory),
        Just(Naming::RawUuid),
        Just(Naming::OperatorState),
        Just(Naming::Quarantined),
        Just(Naming::Unreadable),
    ];
    (any::<bool>(), 0..PLACES.len(), proptest::option::of(naming), any::<bool>())
        .prop_map(|(job, place, naming, by)| Spec { job, place, naming, by })
}

fn job(first: bool) -> &'static str {
    if first { A } else { B }
}

fn directory_of(spec: &Spec) -> String {
    format!("/r/{}", PLACES[spec.place].0.replace('J', job(spec.job)))
}

fn path_of(number: usize, spec: &Spec) -> String {
    format!("{}/{}", directory_of(spec), uuid(u8::try_from(number + 1).unwrap()))
}

fn world_of(specs: &[Spec]) -> World {
    let mut world = World::new("/r");
    world.policy.no_ha = true;
    world.policy.keep_last = Some(1);
    world.policy.incomplete_savepoints = true;
    world.policy.quiescent_after = Age::hours(30);
    for id in [A, B] {
        world.policy.dead_jobs.push(DeadJob::Id(JobId::parse(id.as_bytes()).unwrap()));
        world.says(Says::at(&format!("/r/{id}/chk-5/_metadata")));
    }
    for (number, spec) in specs.iter().enumerate() {
        let path = path_of(number, spec);
        world.file(&path);
        let Some(naming) = spec.naming else { continue };
        world.says(says_of(number, spec, &path, naming));
    }
    world
}

fn says_of(number: usize, spec: &Spec, path: &str, naming: Naming) -> Says {
    let says = Says::at(&format!("/r/{}/chk-{}/_metadata", job(spec.by), number + 10)).searched(&[]);
    let id = u8::try_from(number + 1).unwrap();
    match naming {
        Naming::Path => says.names(path),
        Naming::OtherAuthority => says.names(&format!("hdfs://unknown:8020{path}")),
        Naming::BaseName => says.names(&format!("/gone/{}", uuid(id))),
        Naming::Directory => says.names_directory(&directory_of(spec)),
        Naming::RawUuid => says.other_uuid(id),
        Naming::OperatorState => says.searched(&[id]),
        Naming::Quarantined => {
            let lies = format!("/r/.chksweep/quarantine/run/{}/chk-{number}/_metadata", job(spec.by));
            Says::at(&lies).quarantined("/r/x/_metadata", Some(hours(20))).names(path)
        }
        Naming::Unreadable => says.unreadable(false, Some(&[id])),
    }
}

fn sweeping() -> impl Strategy<Value = Rule> {
    let rules: Vec<Rule> = Rule::ALL.into_iter().filter(|rule| rule.decision() == Decision::Sweep).collect();
    proptest::sample::select(rules)
}

proptest! {
    #[test]
    fn a_named_file_that_any_rule_sweeps_is_refused(
        specs in proptest::collection::vec(spec(), 1..12),
        which in any::<proptest::sample::Index>(),
        rule in proptest::option::of(sweeping()),
    ) {
        let mut world = world_of(&specs);
        prop_assert!(world.check().is_ok(), "a plan that sweeps nothing is refused");
        let named: Vec<usize> = (0..specs.len()).filter(|at| specs[*at].naming.is_some()).collect();
        prop_assume!(!named.is_empty());
        let at = named[which.index(named.len())];
        // The rule that would fit, as a rule: then nothing but the name speaks against it.
        let rule = rule.unwrap_or(PLACES[specs[at].place].1);
        world.sweep(&path_of(at, &specs[at]), rule);
        let findings = world.check().expect_err("a named file may go");
        prop_assert!(
            findings.findings.iter().any(|finding| finding.invariant.starts_with("named-")),
            "refused, but not for its name: {findings:?}"
        );
    }

    #[test]
    fn a_file_that_nothing_names_may_go(spec in spec()) {
        let spec = Spec { naming: None, ..spec };
        let mut world = world_of(std::slice::from_ref(&spec));
        let path = path_of(0, &spec);
        let (_, rule) = PLACES[spec.place];
        world.written(&path, days(10)).sweep(&path, rule);
        if PLACES[spec.place].0.contains("job_") {
            world.sweep_directory(&directory_of(&spec), rule);
        }
        if let Err(findings) = world.check() {
            prop_assert!(false, "refused: {findings:?}");
        }
    }
}
