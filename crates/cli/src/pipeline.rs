//! From settings to a proved plan: look, plan, check. `plan`, `jobs`, `explain`, `run`, `apply` and the quarantine
//! all go through here, so that what was shown and what is done come from the same steps.

use std::path::PathBuf;
use std::sync::Arc;

use chksweep_audit::VerifiedPlan;
use chksweep_core::plan::{Looks, PlanInput, Problem};
use chksweep_core::{Location, Policy, Timestamp};
use chksweep_engine::collect::{ClockCheck, CollectError, CollectRequest, Limits, collect};
use chksweep_engine::{Collected, ReadStores, looks};
use tokio::time::Instant;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, store_hint};
use crate::stores::FileSystems;

/// What is to be looked at, and what may go.
#[derive(Debug)]
pub(crate) struct Scope {
    /// Where may be swept.
    pub(crate) roots: Vec<Location>,
    /// What is read for references only.
    pub(crate) reference_roots: Vec<Location>,
    /// Pins of the configuration.
    pub(crate) pins: Vec<Location>,
    /// What may go.
    pub(crate) policy: Policy,
    /// The file systems.
    pub(crate) systems: FileSystems,
    /// Where records of runs are kept; nothing where there is no place for them.
    pub(crate) state_dir: Option<PathBuf>,
}

impl Scope {
    /// Takes the scope from the settings.
    ///
    /// # Errors
    ///
    /// When there is no root, or a setting is wrong.
    pub(crate) fn from_settings(context: &Context) -> Outcome<Self> {
        Self::of_roots(context, context.settings.roots()?)
    }

    /// Takes the scope from the settings, but for the roots.
    ///
    /// # Errors
    ///
    /// When a setting is wrong.
    pub(crate) fn of_roots(context: &Context, roots: Vec<Location>) -> Outcome<Self> {
        let settings = &context.settings;
        let state_dir = settings.state_dir().ok();
        if state_dir.is_none() {
            context.printer.warning(
                "there is no directory for the records of runs (HOME is not set; see --state-dir), so no job can \
                 be found quiescent",
            );
        }
        Ok(Self {
            roots,
            reference_roots: settings.reference_roots()?,
            pins: settings.pins()?,
            policy: settings.policy()?,
            systems: FileSystems::load(settings)?,
            state_dir,
        })
    }

    /// Returns every place that is looked at.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Location> {
        self.roots.iter().chain(&self.reference_roots)
    }

    /// Opens the stores of all places for looking.
    pub(crate) async fn open_for_looking(&self) -> Outcome<ReadStores> {
        self.systems.open_for_looking(self.places()).await
    }

    /// Returns where what was seen is remembered on this machine.
    pub(crate) fn looks_path(&self) -> Option<PathBuf> {
        let state_dir = self.state_dir.as_deref()?;
        Some(looks::local_path(state_dir, &self.roots, &self.systems.equivalence))
    }
}

/// By which clock a look goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// When the look begins.
    pub(crate) now: Timestamp,
    /// From when ages are counted.
    pub(crate) as_of: Timestamp,
    /// What files from the future mean.
    pub(crate) check: ClockCheck,
}

impl When {
    /// Goes by the clock of this machine, or by a time that somebody named.
    pub(crate) fn local(context: &Context, as_of: Option<Timestamp>) -> Outcome<Self> {
        let now = context.clock.now();
        let check = match as_of {
            Some(_) => ClockCheck::Off,
            None if context.settings.allow_clock_skew()? => ClockCheck::Allow,
            None => ClockCheck::Enforce,
        };
        Ok(Self { now, as_of: as_of.unwrap_or(now), check })
    }
}

/// What one look found, and what it was for.
#[derive(Debug)]
pub(crate) struct Look {
    /// The id of the run.
    pub(crate) run_id: String,
    /// What was to be looked at.
    pub(crate) scope: Arc<Scope>,
    /// By which clock.
    pub(crate) when: When,
    /// What was found.
    pub(crate) collected: Collected,
    /// When it began, by a clock that never goes back.
    pub(crate) read_at: Instant,
}

impl Look {
    /// Returns it as what a plan is made from.
    pub(crate) fn input(&self) -> PlanInput<'_> {
        PlanInput {
            run_id: &self.run_id,
            as_of: self.when.as_of,
            looked_at: self.collected.looked_at,
            inventory: &self.collected.inventory,
            metadata: &self.collected.metadata,
            unlisted: &self.collected.unlisted,
            reference_roots: &self.scope.reference_roots,
            equivalence: &self.scope.systems.equivalence,
            policy: &self.scope.policy,
            looks: &self.collected.looks,
            pins: &self.collected.pins,
            problems: &self.collected.problems,
        }
    }
}

/// A look with the plan that was made from it and proved.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The look.
    pub(crate) look: Look,
    /// The plan.
    pub(crate) plan: VerifiedPlan,
}

/// Looks at all places of a scope.
///
/// # Errors
///
/// When a root cannot be looked at, pins cannot be read, or files come from the future.
pub(crate) async fn look(
    context: &Context,
    scope: Arc<Scope>,
    stores: ReadStores,
    run_id: String,
    when: When,
) -> Outcome<Look> {
    let (known, problem) = scope.looks_path().map_or_else(Default::default, |path| looks::load_local(&path));
    let read_at = Instant::now();
    let observer = context.observer();
    let mut request = CollectRequest::new(
        scope.roots.clone(),
        stores,
        &scope.systems.equivalence,
        when.now,
        observer.as_ref(),
    );
    request.reference_roots.clone_from(&scope.reference_roots);
    request.clock = when.check;
    request.known_looks = known;
    request.limits = Limits { concurrency: context.settings.concurrency()?, ..Limits::default() };
    let mut collected = collect(request).await.map_err(not_collected)?;
    collected.problems.extend(problem);
    collected.pins.extend(scope.pins.iter().cloned());
    collected.pins.sort_unstable();
    collected.pins.dedup();
    Ok(Look { run_id, scope, when, collected, read_at })
}

fn not_collected(error: CollectError) -> Failure {
    let hint = match &error {
        CollectError::Root { source, .. } => store_hint(source).unwrap_or(error.hint()),
        CollectError::MissingRoot { .. }
        | CollectError::NotADirectory { .. }
        | CollectError::OwnDirectory { .. }
        | CollectError::Pins { .. }
        | CollectError::ClockSkew { .. } => error.hint(),
    };
    Failure::new(Exit::Failed, error).hint(hint)
}

/// Plans from a look, and proves the plan.
///
/// # Errors
///
/// When what was asked for contradicts what was seen; or, which is a bug, when the checker refuses the plan.
pub(crate) async fn plan(look: Look) -> Outcome<Planned> {
    let work = tokio::task::spawn_blocking(move || {
        let plan = chksweep_planner::plan(&look.input()).map_err(|error| {
            Failure::new(Exit::Failed, error)
                .hint("take it off the list of dead jobs, or wait until nothing in it changes")
        })?;
        let plan = chksweep_audit::check(&look.input(), plan).map_err(|findings| {
            Failure::new(Exit::Failed, findings)
                .context("the checker refuses the plan, nothing was changed")
                .hint("this is a bug in chksweep: please report it, with this message")
        })?;
        Ok(Planned { look, plan })
    });
    match work.await {
        Ok(planned) => planned,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Failure::failed(error)),
    }
}

/// Remembers what a look saw, for the next one, on this machine.
pub(crate) fn remember(context: &Context, planned: &Planned) {
    let Some(path) = planned.look.scope.looks_path() else { return };
    let later: Looks = planned.plan.plan().looks.clone();
    let looks = looks::merge(planned.look.collected.looks.clone(), later);
    if let Err(error) = looks::save_local(&path, &looks) {
        context.printer.warning(&format!(
            "what this look saw could not be written to `{}`, so the next one cannot tell what has not changed \
             since: {error}",
            path.display()
        ));
    }
}

/// Looks and plans with stores that cannot change anything: the dry run.
///
/// # Errors
///
/// As [`look`] and [`plan`].
pub(crate) async fn dry_run(context: &Context, scope: Scope, as_of: Option<Timestamp>) -> Outcome<Planned> {
    let stores = scope.open_for_looking().await?;
    let when = When::local(context, as_of)?;
    let run_id = new_run_id(when.now);
    let look = look(context, Arc::new(scope), stores, run_id, when).await?;
    let planned = plan(look).await?;
    context.done_looking();
    remember(context, &planned);
    Ok(planned)
}

/// Returns the exit code that a plan gives.
pub(crate) fn exit_of(plan: &chksweep_core::plan::Plan) -> Exit {
    let brakes = if plan.brakes.is_empty() { Exit::Done } else { Exit::Brake };
    let unreadable = if plan.held_by_unreadable { Exit::Unreadable } else { Exit::Done };
    brakes.and(unreadable)
}

/// Makes the id of a run: the time, and something that no other run has.
pub(crate) fn new_run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher, Hasher};
    // The keys of the standard hasher are random.
    let random = std::hash::RandomState::new().build_hasher().finish();
    let time: String =
        now.to_string().chars().filter(char::is_ascii_alphanumeric).take("20261123T180000".len()).collect();
    format!("{time}Z-{:08x}", random & 0xffff_ffff)
}

/// Prints what somebody should know, on stderr; the same thing at most a few times.
pub(crate) fn print_problems(context: &Context, problems: &[Problem]) {
    const AT_MOST: usize = 10;
    let mut at = 0;
    while let Some(first) = problems.get(at) {
        let same: Vec<&Problem> = problems
            .iter()
            .skip(at)
            .take_while(|p| p.code == first.code && p.severity == first.severity)
            .collect();
        for problem in same.iter().take(AT_MOST) {
            let place = problem.path.as_deref().map(|path| format!("{path}: ")).unwrap_or_default();
            let text = format!("{place}{} [{}]", problem.message, problem.code);
            match problem.severity {
                chksweep_core::plan::Severity::Error => context.printer.error(&text),
                chksweep_core::plan::Severity::Warning => context.printer.warning(&text),
            }
        }
        if same.len() > AT_MOST {
            let more = same.len() - AT_MOST;
            context
                .printer
                .warning(&format!("{more} more like this [{}]; `--format json` lists all", first.code));
        }
        at += same.len();
    }
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
