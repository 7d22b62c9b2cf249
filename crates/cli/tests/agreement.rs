//! The planner and the checker, which share no code, agree on every world: no plan is refused, and a plan in which
//! one thing that stays is made to go is refused.

use chksweep_core::plan::{Decision, Plan, Rule, Verdict};
use chksweep_testkit::steps::{build, step};
use chksweep_testkit::world::World;
use proptest::prelude::*;

/// Plans and checks; the findings, if the checker has any.
fn refused(
    world: &World,
    change: impl FnOnce(&mut Plan, &chksweep_core::Inventory) -> bool,
) -> Option<String> {
    world.with_input(|input| {
        let mut plan = chksweep_planner::plan(input).ok()?;
        if !change(&mut plan, input.inventory) {
            return None;
        }
        chksweep_audit::check(input, plan).err().map(|findings| findings.to_string())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_plan_of_the_planner_is_refused(steps in prop::collection::vec(step(), 1..25), ahead in 0..30_u64) {
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
