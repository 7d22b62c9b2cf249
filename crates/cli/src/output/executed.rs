//! Carries a session to its end, and tells what became of it.

use std::io::{self, Write};

use chksweep_core::plan::Entry;
use chksweep_core::{JobId, Timestamp};
use chksweep_engine::execute::{DroppedWhy, ExecutionReport};
use chksweep_engine::journal::{self, Outcome as Fate};
use chksweep_engine::quarantine::{PurgeReport, Rescued};
use chksweep_engine::snapshots::Snapshots;
use chksweep_pipeline::{CarriedOut, Purged, Session, Swept, carry_out};
use serde::Serialize;

use super::human::{bytes, count};
use super::plan::short;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::next;
use crate::printer::escaped;
use crate::scope::print_problems;

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
    session: Session,
    approved: &[Entry],
    exclude_jobs: Vec<JobId>,
    may_purge: bool,
) -> Outcome {
    // The command line of `run` holds all that it plans from.
    let is_typed = session.command == "run";
    let done = carry_out(&context.around()?, session, approved, exclude_jobs, may_purge).await?;
    let mut exit = Exit::from(done.swept.standing).and(exit_of(&done.swept.report, context));
    if done.purged.as_ref().is_some_and(Purged::is_partly_done) {
        exit = exit.and(Exit::Partial);
    }
    context.done_looking();
    let CarriedOut { swept, purged, last_look, record } = done;
    if let Some(error) = last_look {
        // What was done stays done, and is told; that the last look failed is told as well.
        context.printer.failure(&Failure::from(error).context("looking once more after the last change"));
        exit = exit.and(Exit::Partial);
    }
    if context.printer.is_json() {
        let document =
            Document { swept: &swept, quarantine_after: purged.as_ref(), ended_at: record.ended_at };
        context.printer.json(exit, &document)?;
    } else {
        context.printer.text(|out| {
            print(out, &swept.report, &swept.plan.roots)?;
            print_rescued(out, &swept.rescued)?;
            match &purged {
                Some(purged) => {
                    print_rescued(out, &purged.rescued)?;
                    print_purge(out, &purged.report)
                }
                None => Ok(()),
            }
        })?;
        print_problems(context, &swept.plan.problems);
    }
    next::first_sweep(context, &swept.plan, &swept.brakes, is_typed);
    Ok(exit)
}

/// Returns the exit code of what was done.
fn exit_of(report: &ExecutionReport, context: &Context) -> Exit {
    let partly = if report.is_partly_done() { Exit::Partial } else { Exit::Done };
    if report.interrupted { context.stop.exit().and(partly) } else { partly }
}

/// Ends a run that comes to nothing.
pub(crate) async fn give_up(context: &Context, session: Session) {
    if let Err(error) = session.finish(false).await {
        context.printer.error(&format!("{:#}", Failure::from(error).error));
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

/// Writes what was brought back by itself, and what could not be.
pub(crate) fn print_rescued(out: &mut dyn Write, rescued: &[Rescued]) -> io::Result<()> {
    for file in rescued {
        let (path, by) = (file.to.to_string(), file.named_by.to_string());
        let (path, by, word) = (escaped(&path), escaped(&by), word(file.outcome));
        if file.is_back() {
            writeln!(out, "brought back, since {by} names it: {path}: {word}")?;
        } else {
            writeln!(out, "not brought back, though {by} names it: {path}: {word}")?;
        }
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
