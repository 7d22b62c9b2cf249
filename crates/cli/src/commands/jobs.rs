//! `jobs`: the jobs under the roots.

use chksweep_core::Timestamp;
use chksweep_core::plan::{JobSummary, Problem, Summary};
use serde::Serialize;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::human::{bytes, count, grouped};
use crate::output::plan::{job_name, short, state};
use crate::output::table::{Column, Rows};
use crate::scope::{self, Connected};

/// The document of `jobs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    as_of: Timestamp,
    roots: &'a [String],
    jobs: Vec<&'a JobSummary>,
    problems: &'a [Problem],
}

/// Prints the jobs.
pub(crate) async fn run(context: &Context) -> Outcome {
    let connected = Connected::from_settings(context)?;
    let wanted = connected.scope.policy.jobs.clone();
    let planned = connected.dry_run(context, None).await?;
    let plan = planned.plan.into_plan();
    let exit = if plan.held_by_unreadable { Exit::Unreadable } else { Exit::Done };
    let summary = &plan.summary;
    let jobs: Vec<&JobSummary> = summary
        .jobs
        .iter()
        .filter(|job| wanted.is_empty() || job.job.is_some_and(|id| wanted.contains(&id)))
        .collect();
    if context.printer.is_json() {
        let document =
            Document { as_of: summary.as_of, roots: &summary.roots, jobs, problems: &summary.problems };
        context.printer.json(exit, &document)?;
        return Ok(exit);
    }
    let rows = table(&jobs);
    context.printer.text(|out| {
        if jobs.is_empty() {
            return writeln!(out, "No jobs under {}", roots(summary));
        }
        rows.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
    })?;
    scope::print_problems(context, &summary.problems);
    Ok(exit)
}

fn roots(summary: &Summary) -> String {
    summary.roots.join(", ")
}

fn table(jobs: &[&JobSummary]) -> Rows {
    let mut rows = Rows::new(&[
        Column::Left("JOB"),
        Column::Left("STATE"),
        Column::Right("CHECKPOINTS"),
        Column::Left("NEWEST"),
        Column::Left("COMPLETED"),
        Column::Right("FILES"),
        Column::Right("SIZE"),
        Column::Right("GARBAGE"),
        Column::Left("LAST ACTIVITY"),
    ]);
    for job in jobs {
        let all = job.decisions.all();
        let newest = job.newest.as_ref();
        let garbage =
            format!("{}, {}", count(job.decisions.sweep.files, "file"), bytes(job.decisions.sweep.bytes));
        rows.add([
            job_name(job),
            state(job.state).to_owned(),
            grouped(job.checkpoints),
            newest.map_or_else(|| "-".to_owned(), |newest| format!("chk-{}", newest.checkpoint_id)),
            newest.map_or_else(|| "-".to_owned(), |newest| short(newest.mtime)),
            grouped(all.files),
            bytes(all.bytes),
            garbage,
            job.last_activity.map_or_else(|| "-".to_owned(), short),
        ]);
    }
    rows
}
