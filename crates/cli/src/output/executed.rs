//! Carries a session to its end, and tells what became of it.

use std::io::{self, Write};

use chksweep_core::plan::Entry;
use chksweep_core::{JobId, Timestamp};
use chksweep_engine::execute::{DroppedWhy, ExecutionReport};
use chksweep_engine::journal::{self, Outcome as Fate};
use serde::Serialize;

use super::human::{bytes, count};
use super::plan::short;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::pipeline;
use crate::printer::escaped;
use crate::sweeping::{self, Session, Swept, not_begun};

/// How many incidents are printed; `--format json` and the journal have all.
const INCIDENTS: usize = 20;

/// The document of `apply` and `run --execute`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    swept: &'a Swept,
    #[serde(rename = "endedAt")]
    ended_at: Option<Timestamp>,
}

/// Sweeps, ends the run, and tells what became of it.
pub(crate) async fn sweep_and_finish(
    context: &Context,
    mut session: Session,
    approved: &[Entry],
    exclude_jobs: Vec<JobId>,
    _purge: bool,
) -> Outcome {
    let swept = match session.sweep(context, approved, exclude_jobs).await {
        Ok(swept) => swept,
        Err(failure) => {
            give_up(context, session).await;
            return Err(failure);
        }
    };
    let exit = swept.exit.and(sweeping::exit_of(&swept.report, context));
    let record = session.run.finish(exit == Exit::Done).await.map_err(not_begun)?;
    context.done_looking();
    if context.printer.is_json() {
        context.printer.json(exit, &Document { swept: &swept, ended_at: record.ended_at })?;
    } else {
        context.printer.text(|out| print(out, &swept.report, &swept.plan.roots))?;
        pipeline::print_problems(context, &swept.plan.problems);
    }
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
    let verb = match report.mode {
        journal::Mode::Quarantine => "set aside",
        journal::Mode::Trash => "moved to the trash",
        journal::Mode::Delete => "deleted",
    };
    writeln!(out, "run {}", report.run_id)?;
    writeln!(
        out,
        "{verb}: {}, {} in {}",
        count(done.files, "file"),
        bytes(done.bytes),
        count(done.operations, "step")
    )?;
    for (fate, number) in &report.outcomes {
        if *fate != Fate::Done {
            writeln!(out, "{}: {}, {}", word(*fate), count(number.files, "file"), bytes(number.bytes))?;
        }
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
    if let Some(from) = report.purgeable_from {
        writeln!(out, "can be purged from {}", short(from))?;
        let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
        writeln!(
            out,
            "to bring it back: chksweep quarantine restore {} --run {} --all",
            escaped(&roots.join(" ")),
            report.run_id
        )?;
    }
    Ok(())
}

const fn word(fate: Fate) -> &'static str {
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
