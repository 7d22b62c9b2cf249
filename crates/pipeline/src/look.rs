//! From a scope to a proved plan: look, plan, check.

use std::sync::Arc;

use chksweep_audit::VerifiedPlan;
use chksweep_core::Timestamp;
use chksweep_core::plan::{PlanInput, Problem};
use chksweep_engine::collect::{CollectRequest, collect};
use chksweep_engine::{Collected, Event, ReadStores, looks};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::PipelineError;
use crate::scope::{Scope, Surroundings, When};

/// What one look found, and what it was for.
#[derive(Debug)]
pub struct Look {
    /// The id of the run.
    pub run_id: String,
    /// What was to be looked at.
    pub scope: Arc<Scope>,
    /// By which clock.
    pub when: When,
    /// What was found.
    pub collected: Collected,
}

impl Look {
    /// Returns it as what a plan is made from.
    pub fn input(&self) -> PlanInput<'_> {
        PlanInput {
            run_id: &self.run_id,
            as_of: self.when.as_of,
            looked_at: self.collected.looked_at,
            inventory: &self.collected.inventory,
            metadata: &self.collected.metadata,
            unlisted: &self.collected.unlisted,
            reference_roots: &self.scope.reference_roots,
            equivalence: &self.scope.equivalence,
            policy: &self.scope.policy,
            looks: &self.collected.looks,
            pins: &self.collected.pins,
            problems: &self.collected.problems,
        }
    }
}

/// A look with the plan that was made from it and proved.
#[derive(Debug)]
pub struct Planned {
    /// The look.
    pub look: Look,
    /// The plan.
    pub plan: VerifiedPlan,
}

/// Looks at all places of a scope.
///
/// # Errors
///
/// When a root cannot be looked at, pins cannot be read, or files come from the future.
pub async fn look(
    around: &Surroundings,
    scope: Arc<Scope>,
    stores: ReadStores,
    run_id: String,
    when: When,
) -> Result<Look, PipelineError> {
    let (known, problem): (_, Option<Problem>) =
        scope.looks_path().map_or_else(Default::default, |path| looks::load_local(&path));
    let mut request = CollectRequest::new(
        scope.roots.clone(),
        stores,
        &scope.equivalence,
        when.now,
        around.observer.as_ref(),
    );
    request.reference_roots.clone_from(&scope.reference_roots);
    request.clock = when.check;
    request.known_looks = known;
    request.limits = around.limits;
    let mut collected = collect(request).await.map_err(PipelineError::Collect)?;
    collected.problems.extend(problem);
    collected.pins.extend(scope.pins.iter().cloned());
    collected.pins.sort_unstable();
    collected.pins.dedup();
    Ok(Look { run_id, scope, when, collected })
}

/// Plans from a look, and proves the plan.
///
/// # Errors
///
/// When what was asked for contradicts what was seen; or, which is a bug, when the checker refuses the plan.
pub async fn plan(look: Look) -> Result<Planned, PipelineError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        // Nothing else could go on meanwhile anyway.
        return plan_now(look);
    }
    match tokio::task::spawn_blocking(|| plan_now(look)).await {
        Ok(planned) => planned,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(PipelineError::Work(error)),
    }
}

fn plan_now(look: Look) -> Result<Planned, PipelineError> {
    let plan = chksweep_planner::plan(&look.input()).map_err(PipelineError::Plan)?;
    let plan = chksweep_audit::check(&look.input(), plan).map_err(PipelineError::Refused)?;
    Ok(Planned { look, plan })
}

/// Remembers what a look saw, for the next one, on this machine.
pub fn remember(around: &Surroundings, planned: &Planned) {
    let Some(path) = planned.look.scope.looks_path() else { return };
    let later = planned.plan.plan().looks.clone();
    let looks = looks::merge(planned.look.collected.looks.clone(), later);
    if let Err(error) = looks::save_local(&path, &looks) {
        around.observer.event(&Event::Loud(format!(
            "what this look saw could not be written to `{}`, so the next one cannot tell what has not changed \
             since: {error}",
            path.display()
        )));
    }
}

/// Looks and plans with stores that cannot change anything: the dry run.
///
/// # Errors
///
/// As [`look()`] and [`plan()`].
pub async fn dry_run(
    around: &Surroundings,
    scope: Scope,
    stores: ReadStores,
    when: When,
) -> Result<Planned, PipelineError> {
    let run_id = new_run_id(when.now);
    let look = look(around, Arc::new(scope), stores, run_id, when).await?;
    let planned = plan(look).await?;
    remember(around, &planned);
    Ok(planned)
}

/// Makes the id of a run: the time, and something that no other run has.
pub fn new_run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher, Hasher};
    // The keys of the standard hasher are random.
    let random = std::hash::RandomState::new().build_hasher().finish();
    let time: String =
        now.to_string().chars().filter(char::is_ascii_alphanumeric).take("20261123T180000".len()).collect();
    format!("{time}Z-{:08x}", random & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_time_and_differ() {
        let now = Timestamp::parse("2026-11-23T18:00:00Z").unwrap();
        let (one, other) = (new_run_id(now), new_run_id(now));
        assert!(one.starts_with("20261123T180000Z-"), "{one}");
        assert_eq!(one.len(), 25);
        assert_ne!(one, other);
        assert!(chksweep_engine::own::is_run_id(&one));
    }
}
