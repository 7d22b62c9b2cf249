//! `apply`: carries out a reviewed plan, as far as it still holds.

use chksweep_core::plan::{Decision, PlanFile};
use chksweep_core::{Age, Location};
use chksweep_engine::clock::MAX_SKEW;
use chksweep_pipeline::read_plan_file;
use chksweep_store::ErrorKind;

use crate::app::Context;
use crate::args::ApplyArgs;
use crate::confirm;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::next;
use crate::output::executed;
use crate::output::human::totals;
use crate::output::plan::short;
use crate::scope::{Connected, Wish, check_mode};
use crate::settings::{Mode, Sweeping};

/// Carries a plan out.
pub(crate) async fn run(args: &ApplyArgs, context: &Context) -> Outcome {
    let sweeping = context.settings.sweeping()?;
    let mut plan = read_plan_file(&args.file, |entry| entry.verdict.decision() == Decision::Sweep)?;
    check_digest(args, &plan)?;
    check_times(context, &plan, sweeping.max_plan_age)?;
    let connected = connected(context, &plan)?;
    check_mode(sweeping, &connected.scope.roots)?;
    check_places(&connected, &plan).await?;
    check_brakes(context, &plan)?;
    plan.entries.retain(|entry| !entry.job.is_some_and(|job| args.exclude_job.contains(&job)));
    confirm::ask(context, args.consent.yes, &question(&plan, sweeping))?;
    let wish = Wish {
        command: "apply",
        break_lock: args.consent.break_lock.clone(),
        plan_digest: Some(plan.sha256.clone()),
        approved_by: args.approved_by.clone(),
        sweeping,
    };
    let session = connected.begin(context, wish).await?;
    executed::sweep_and_finish(context, session, &plan.entries, args.exclude_job.clone(), false).await
}

fn stale(message: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Stale, anyhow::anyhow!("the plan is stale: {message}"))
        .hint("make a new one with `chksweep plan -o FILE`")
}

fn check_digest(args: &ApplyArgs, plan: &PlanFile) -> Outcome<()> {
    match &args.digest {
        Some(digest) if *digest != plan.sha256 => Err(Failure::new(
            Exit::Stale,
            anyhow::anyhow!(
                "this is not the plan that was approved: its digest is {}, not {digest}",
                plan.sha256
            ),
        )
        .hint("nothing was changed; name the file that was approved, or have this one approved")),
        Some(_) | None => Ok(()),
    }
}

fn check_times(context: &Context, plan: &PlanFile, max_age: Age) -> Outcome<()> {
    let now = context.clock.now();
    let (created, as_of) = (plan.header.created_at, plan.header.as_of);
    if created > now.plus(MAX_SKEW) {
        return Err(stale(format_args!("it was made at {created}, and it is {now} now")));
    }
    if as_of > now.plus(MAX_SKEW) {
        return Err(stale(format_args!("its ages are counted from {as_of}, and it is {now} now")));
    }
    let age = now.since(created);
    if age > max_age {
        return Err(stale(format_args!(
            "it was made at {}, longer ago than max-plan-age, {max_age}",
            short(created)
        )));
    }
    Ok(())
}

/// The scope of the plan: its roots, its policy, and its aliases, unless others are set. What is read for references,
/// and what is pinned, can only have grown since.
fn connected(context: &Context, plan: &PlanFile) -> Outcome<Connected> {
    let read = |printed: &String| {
        Location::from_printed(printed.as_bytes())
            .filter(Location::is_resolvable)
            .ok_or_else(|| stale(format_args!("`{printed}` is no location")))
    };
    let roots: Vec<Location> = plan.header.roots.iter().map(read).collect::<Outcome<_>>()?;
    let mut connected = Connected::of_roots(context, roots)?;
    let scope = &mut connected.scope;
    for root in &plan.header.reference_roots {
        let root = read(root)?;
        if !scope.reference_roots.contains(&root) {
            scope.reference_roots.push(root);
        }
    }
    scope.policy = plan.header.policy.clone();
    if context.settings.given("alias").is_none() {
        for (from, to) in plan.header.equivalence.iter().filter_map(|line| alias(line)) {
            let added = scope.equivalence.add_alias(&from, &to);
            added.map_err(|error| stale(format_args!("its aliases cannot hold: {error}")))?;
        }
    }
    Ok(connected)
}

/// Reads an alias as a plan describes it. One that can be read in two ways is left out: the plan is stale then, and
/// says so.
fn alias(line: &str) -> Option<(Location, Location)> {
    let (from, to) = line.strip_prefix("alias ")?.split_once(" -> ")?;
    let read = |printed: &str| Location::from_printed(printed.as_bytes()).filter(Location::is_resolvable);
    if to.contains(" -> ") { None } else { Some((read(from)?, read(to)?)) }
}

async fn check_places(connected: &Connected, plan: &PlanFile) -> Outcome<()> {
    let now = connected.scope.equivalence.describe();
    if now != plan.header.equivalence {
        return Err(stale(format_args!(
            "it took these spellings for one place: [{}], and now it is [{}]",
            plan.header.equivalence.join("; "),
            now.join("; ")
        ))
        .hint("give the same `--alias` and Hadoop configuration as for the plan"));
    }
    let stores = connected.open_for_looking().await?;
    for root in &connected.scope.roots {
        match stores.of(root)?.stat(root).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => {
                return Err(stale(format_args!("its root `{root}` does not exist any more")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn check_brakes(context: &Context, plan: &PlanFile) -> Outcome<()> {
    let Some(brake) = plan.header.brakes.first() else { return Ok(()) };
    let root = brake.root.as_deref().map(|root| format!("{root}: ")).unwrap_or_default();
    next::first_sweep(context, &plan.summary, &plan.header.brakes, false);
    Err(Failure::new(
        Exit::Brake,
        anyhow::anyhow!("a brake holds: {root}{} [{}]", brake.message, brake.limit),
    )
    .hint("raise the limit on purpose, when making the plan; nothing was changed"))
}

fn question(plan: &PlanFile, sweeping: Sweeping) -> String {
    let sweep = totals(plan.summary.decisions.sweep);
    let roots = plan.header.roots.join(", ");
    let how = match sweeping.mode {
        Mode::Quarantine => "set aside; this can be undone until it is purged",
        Mode::Trash => "moved to the trash",
        Mode::Delete => "deleted; this cannot be undone",
    };
    format!("Up to {sweep} under {roots} will be {how}.")
}
