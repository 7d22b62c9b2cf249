//! Carries a session to its end, and tells what became of it.

use std::io::{self, Write};

use chksweep_core::plan::Entry;
use chksweep_core::{JobId, Timestamp};
use chksweep_engine::execute::{DroppedWhy, ExecutionReport};
use chksweep_engine::journal::{self, Outcome as Fate};
use chksweep_engine::quarantine::{PurgeReport, Rescued, Selection};
use chksweep_engine::snapshots::Snapshots;
use serde::Serialize;

use super::human::{bytes, count};
use super::plan::short;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::next;
use crate::pipeline;
use crate::printer::escaped;
use crate::sweeping::{self, Purged, Purging, Session, Swept, not_begun};

/// How many incidents are printed; `--format json` and the journal have all.
const INCIDENTS: usize = 20;

/// The document of `apply` and `run --execute`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    swept: &'a Swept,
    /// What the last look brought back, what was purged, and what stays in quarantine.
    quarantine_after: Option<&'a Purged>,
    ended_at: Option<Timestamp>,
}

/// Sweeps, looks once more, purges what is due if that is wanted, ends the run, and tells what became of it.
pub(crate) async fn sweep_and_finish(
    context: &Context,
    mut session: Session,
    approved: &[Entry],
    exclude_jobs: Vec<JobId>,
    may_purge: bool,
) -> Outcome {
    let swept = match session.sweep(context, approved, exclude_jobs).await {
        Ok(swept) => swept,
        Err(failure) => {
            give_up(context, session).await;
            return Err(failure);
        }
    };
    let mut exit = swept.exit.and(sweeping::exit_of(&swept.report, context));
    let mut after = None;
    if session.run.stopped().is_none() {
        let braked = (swept.exit == Exit::Brake).then(|| "a brake holds".to_owned());
        let held = braked.or_else(|| (!may_purge).then(|| "this run purges nothing".to_owned()));
        let purging = Purging {
            selection: Selection::default(),
            after: session.sweeping.purge_after,
            this_run_is_clean: exit == Exit::Done && swept.rescued.is_empty(),
            held,
        };
        match session.purge(context, purging).await {
            Ok(purged) => {
                let partly = purged.report.is_partly_done();
                exit = exit.and(if partly { Exit::Partial } else { Exit::Done });
                after = Some(purged);
            }
            Err(failure) => {
                // What was done stays done, and is told; that the last look failed is told as well.
                context.printer.failure(&failure.context("looking once more after the last change"));
                exit = exit.and(Exit::Partial);
            }
        }
    }
    let is_typed = session.is_typed;
    let rescued = after.as_ref().is_some_and(|after| !after.rescued.is_empty()) || !swept.rescued.is_empty();
    let record = session.run.finish(exit == Exit::Done && !rescued).await.map_err(not_begun)?;
    context.done_looking();
    if context.printer.is_json() {
        let document =
            Document { swept: &swept, quarantine_after: after.as_ref(), ended_at: record.ended_at };
        context.printer.json(exit, &document)?;
    } else {
        context.printer.text(|out| {
            print(out, &swept.report, &swept.plan.roots)?;
            print_rescued(out, &swept.rescued)?;
            match &after {
                Some(after) => {
                    print_rescued(out, &after.rescued)?;
                    print_purge(out, &after.report)
                }
                None => Ok(()),
            }
        })?;
        pipeline::print_problems(context, &swept.plan.problems);
    }
    next::first_sweep(context, &swept.plan, &swept.brakes, is_typed);
    Ok(exit)
}

/// Ends a run that comes to nothing.
pub(crate) async fn give_up(context: &Context, session: Session) {
    if let Err(error) = session.run.finish(false).await {
        context.printer.error(&format!("{:#}", not_begun(error).error));
    }
}

/// Writes what was done.
fn print(out: &mut dyn Write, report: &ExecutionReport, roots: &[String]) -> io::Result<()> {
    let done = report.count(Fate::Done);
    // A `_metadata` goes through the quarantine in every mode.
    let verb = match (report.mode, report.quarantine.is_empty()) {
        (journal::Mode::Quarantine, _) => "set aside",
        (journal::Mode::Trash, true) => "moved to the trash",
        (journal::Mode::Delete, true) => "deleted",
        (journal::Mode::Trash, false) => "moved to the trash or set aside",
        (journal::Mode::Delete, false) => "deleted or set aside",
    };
    let steps = count(done.operations, "step");
    writeln!(out, "run {}", report.run_id)?;
    writeln!(out, "{verb}: {}, {} in {steps}", count(done.files, "file"), bytes(done.bytes))?;
    for (fate, number) in report.outcomes.iter().filter(|(fate, _)| **fate != Fate::Done) {
        writeln!(out, "{}: {}, {}", word(*fate), count(number.files, "file"), bytes(number.bytes))?;
    }
    for (why, text) in [
        (DroppedWhy::Gone, "gone since the plan"),
        (DroppedWhy::Changed, "changed since the plan"),
        (DroppedWhy::NotSwept, "kept, by the plan made just now"),
        (DroppedWhy::Excluded, "excluded"),
    ] {
        let number = report.dropped.iter().filter(|dropped| dropped.why == why).count();
        if number > 0 {
            writeln!(out, "{text}: {}", count(u64::try_from(number).unwrap_or(u64::MAX), "path"))?;
        }
    }
    for incident in report.incidents.iter().take(INCIDENTS) {
        let path = incident.path.to_string();
        writeln!(out, "  {}: {}: {}", word(incident.outcome), escaped(&path), escaped(&incident.message))?;
    }
    if let Some(more) = report.incidents.len().checked_sub(INCIDENTS).filter(|more| *more > 0) {
        writeln!(out, "  and {more} more; the record of the run lists all")?;
    }
    if let Some(stopped) = &report.stopped {
        writeln!(out, "stopped before it was through: {}", escaped(stopped))?;
    }
    for place in &report.quarantine {
        writeln!(out, "in quarantine: {}", escaped(&place.to_string()))?;
    }
    if !report.quarantine.is_empty() {
        let (roots, run) = (roots.join(" "), &report.run_id);
        writeln!(out, "to bring it back: chksweep quarantine restore {} --run {run}", escaped(&roots))?;
    }
    Ok(())
}

/// Writes what was brought back by itself.
pub(crate) fn print_rescued(out: &mut dyn Write, rescued: &[Rescued]) -> io::Result<()> {
    for file in rescued {
        let (path, by) = (file.to.to_string(), file.named_by.to_string());
        writeln!(
            out,
            "brought back, since {} names it: {}: {}",
            escaped(&by),
            escaped(&path),
            word(file.outcome)
        )?;
    }
    Ok(())
}

/// How many snapshots of a directory are named.
const SNAPSHOTS_NAMED: usize = 5;

/// Writes what was purged, and what stays in quarantine until when.
pub(crate) fn print_purge(out: &mut dyn Write, report: &PurgeReport) -> io::Result<()> {
    for run in &report.purged {
        let whole = if run.complete { "" } else { "; some of it is still there" };
        writeln!(
            out,
            "purged run {}: {}, {}{whole}",
            run.run_id,
            count(run.files, "file"),
            bytes(run.bytes)
        )?;
    }
    for Snapshots { directory, names } in &report.snapshots {
        let some = names.iter().take(SNAPSHOTS_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(SNAPSHOTS_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(
            out,
            "pinned by snapshots of {}: {}{more}; the space of what they hold is free when they are deleted",
            escaped(&directory.to_string()),
            escaped(&some)
        )?;
    }
    for failure in &report.failures {
        writeln!(out, "  failed: {}", escaped(failure))?;
    }
    if let Some(stopped) = &report.stopped {
        writeln!(out, "stopped before it was through: {}", escaped(stopped))?;
    }
    let files: u64 = report.waiting.iter().map(|run| run.files).sum();
    if files > 0 {
        let size: u64 = report.waiting.iter().map(|run| run.bytes).sum();
        let due = report.waiting.iter().filter_map(|run| run.due).min();
        let due = due.map(|due| format!(", the first due {}", short(due))).unwrap_or_default();
        writeln!(out, "stays in quarantine: {}, {}{due}", count(files, "file"), bytes(size))?;
    }
    Ok(())
}

/// Returns an outcome in words.
pub(crate) const fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Done => "done",
        Fate::AlreadyGone => "already gone",
        Fate::Changed => "changed, left alone",
        Fate::NotEmpty => "not empty, left alone",
        Fate::PutBack => "put back",
        Fate::Failed => "failed",
        Fate::NotStarted => "not begun",
        Fate::Unknown => "of unknown outcome; the next run looks again",
    }
}
