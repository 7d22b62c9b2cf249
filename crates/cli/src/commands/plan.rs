//! `plan`, and `run` without `--execute`: the dry run.

use std::path::Path;

use chksweep_core::plan::{Plan, Summary};
use chksweep_pipeline::{PlanContents, Planned, check_place, write_plan_file};
use serde::Serialize;

use crate::app::Context;
use crate::args::{PlanArgs, RunArgs};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::next;
use crate::output::breakdown::Breakdown;
use crate::output::plan::{PlanView, in_quarantine};
use crate::printer::escaped;
use crate::scope::{self, Connected};

/// What the dry run does besides planning.
#[derive(Clone, Copy, Debug)]
struct Options<'a> {
    output: Option<&'a Path>,
    all: bool,
    detailed_exitcode: bool,
}

/// The document of `plan`: the summary, and the digest of the file.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    sha256: Option<&'a str>,
}

/// Plans, and shows the plan.
pub(crate) async fn run(args: &PlanArgs, context: &Context) -> Outcome {
    let output = args.output.as_deref();
    output.map_or(Ok(()), check_place)?;
    let planned = Connected::from_settings(context)?.dry_run(context, args.as_of).await?;
    show(planned, context, Options { output, all: args.all, detailed_exitcode: args.detailed_exitcode })
}

/// Plans as `run` would, and shows the plan.
pub(crate) async fn dry_run(args: &RunArgs, context: &Context) -> Outcome {
    let planned = Connected::from_settings(context)?.dry_run(context, None).await?;
    show(planned, context, Options { output: None, all: args.all, detailed_exitcode: args.detailed_exitcode })
}

fn show(planned: Planned, context: &Context, options: Options<'_>) -> Outcome {
    let after = context.settings.sweeping()?.purge_after;
    let quarantine = in_quarantine(&planned.look.collected.quarantine, after);
    let inventory = planned.look.collected.inventory;
    let mut plan = planned.plan.into_plan();
    plan.summary.quarantine = Some(quarantine);
    let breakdown = Breakdown::new(&inventory, &plan.decisions);
    let mut digest = None;
    if let Some(path) = options.output {
        plan.summary.plan = Some(path.display().to_string());
        let contents = PlanContents { plan: &plan, inventory: &inventory, all: options.all };
        digest = Some(write_plan_file(path, contents)?);
    }
    let mut exit = scope::exit_of(&plan);
    if options.detailed_exitcode && breakdown.sweeps() {
        exit = exit.and(Exit::SomethingToSweep);
    }
    if context.printer.is_json() {
        context.printer.json(exit, &Document { summary: &plan.summary, sha256: digest.as_deref() })?;
    } else {
        let view = PlanView { plan: &plan, inventory: &inventory, breakdown: &breakdown };
        let next = lines(context, &plan, &breakdown, digest.as_deref());
        context.printer.text(|out| {
            view.write(out)?;
            writeln!(out)?;
            next.iter().try_for_each(|line| writeln!(out, "{}", escaped(line)))
        })?;
        scope::print_problems(context, &plan.summary.problems);
    }
    next::first_sweep(context, &plan.summary, &plan.brakes, true);
    Ok(exit)
}

/// Returns what to type next.
fn lines(context: &Context, plan: &Plan, breakdown: &Breakdown, digest: Option<&str>) -> Vec<String> {
    match (&plan.summary.plan, digest) {
        _ if !breakdown.sweeps() => vec!["Nothing would be swept.".to_owned()],
        (Some(file), Some(digest)) => {
            let mut lines = vec![format!("The plan is in {file}, sha256 {digest}")];
            if plan.brakes.is_empty() {
                lines.push(format!("Next: {}", next::apply(context, file, digest)));
            }
            lines
        }
        _ => vec![format!("Next: {}", next::plan(context))],
    }
}
