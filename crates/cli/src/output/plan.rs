//! A plan as a person decides from it: what would go, why, what not yet, what not, and the next command to type.

use std::io::{self, Write};

use chksweep_core::plan::{Decision, InQuarantine, JobState, JobSummary, Plan, Summary};
use chksweep_core::{Age, Inventory, Timestamp};
use chksweep_engine::QuarantinedRun;

use super::breakdown::{Breakdown, Part};
use super::human::{bytes, count, totals};
use super::table::{Column, Rows};
use crate::printer::escaped;

/// How many jobs the table has; `--format json` has all.
const JOBS: usize = 20;

/// A plan for people.
#[derive(Debug)]
pub(crate) struct PlanView<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// What it was made from.
    pub(crate) inventory: &'a Inventory,
    /// What each rule takes.
    pub(crate) breakdown: &'a Breakdown,
}

/// Adds up what lies in quarantines.
pub(crate) fn in_quarantine(runs: &[QuarantinedRun], purge_after: Age) -> InQuarantine {
    let mut sum = InQuarantine::default();
    for run in runs.iter().filter(|run| !run.files.is_empty()) {
        let due = run.started_at.map(|at| at.plus(purge_after));
        sum.first_due = [sum.first_due, due].into_iter().flatten().min();
        for file in &run.files {
            sum.files += 1;
            sum.bytes = sum.bytes.saturating_add(file.length);
        }
    }
    sum
}

impl PlanView<'_> {
    /// Writes it.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let summary = &self.plan.summary;
        writeln!(out, "plan {}, ages counted from {}", summary.run_id, summary.as_of)?;
        for root in &summary.roots {
            writeln!(out, "root {}", escaped(root))?;
        }
        writeln!(out)?;
        sums(out, summary, self.inventory)?;
        if let Some(quarantine) = summary.quarantine.as_ref().filter(|quarantine| quarantine.files > 0) {
            let due = quarantine.first_due.map(|due| format!(", the first due {}", short(due)));
            let (files, size) = (count(quarantine.files, "file"), bytes(quarantine.bytes));
            writeln!(out, "{:<16}{files}, {size}{}", "in quarantine", due.unwrap_or_default())?;
        }
        jobs(out, &summary.jobs)?;
        self.reasons(out, Decision::Sweep, "Would be swept:")?;
        self.reasons(out, Decision::Defer, "Not yet:")?;
        self.reasons(out, Decision::Skip, "Left alone:")?;
        what_if(out, summary)
    }

    fn reasons(&self, out: &mut dyn Write, decision: Decision, title: &str) -> io::Result<()> {
        let mut rows = Rows::new(&[
            Column::Left("RULE"),
            Column::Right("FILES"),
            Column::Right("SIZE"),
            Column::Right("DIRECTORIES"),
            Column::Left("MEANING"),
        ]);
        let mut any = false;
        for (rule, part) in self.breakdown.of(decision) {
            any = true;
            rows.add([
                rule.name().to_owned(),
                super::human::grouped(part.totals.files),
                bytes(part.totals.bytes),
                super::human::grouped(part.directories),
                format!("{}{}", rule.meaning(), until(part)),
            ]);
        }
        if !any {
            return Ok(());
        }
        writeln!(out, "\n{title}")?;
        indented(out, &rows)
    }
}

fn until(part: &Part) -> String {
    match (part.first, part.last) {
        (Some(first), Some(last)) if first != last => format!("; until {} to {}", short(first), short(last)),
        (_, Some(last)) => format!("; until {}", short(last)),
        _ => String::new(),
    }
}

/// Returns a time without its milliseconds.
pub(crate) fn short(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

fn indented(out: &mut dyn Write, rows: &Rows) -> io::Result<()> {
    rows.lines().iter().try_for_each(|line| writeln!(out, "  {line}"))
}

fn sums(out: &mut dyn Write, summary: &Summary, inventory: &Inventory) -> io::Result<()> {
    let decisions = &summary.decisions;
    for (word, part) in [
        ("would be swept", decisions.sweep),
        ("kept", decisions.keep),
        ("not yet", decisions.defer),
        ("left alone", decisions.skip),
    ] {
        writeln!(out, "{word:<16}{}", totals(part))?;
    }
    let directories = u64::try_from(inventory.directory_count()).unwrap_or(u64::MAX);
    writeln!(out, "{:<16}{} in {}", "listed", totals(decisions.all()), count(directories, "directory"))
}

/// Writes the table of jobs, those of which most would go first.
fn jobs(out: &mut dyn Write, jobs: &[JobSummary]) -> io::Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&JobSummary> = jobs.iter().collect();
    sorted.sort_by_key(|job| std::cmp::Reverse(job.decisions.sweep.bytes));
    let mut rows = Rows::new(&[
        Column::Left("JOB"),
        Column::Left("STATE"),
        Column::Right("CHECKPOINTS"),
        Column::Right("WOULD SWEEP"),
        Column::Right("SIZE"),
        Column::Right("KEPT"),
        Column::Right("NOT YET"),
        Column::Right("LEFT ALONE"),
    ]);
    for job in sorted.iter().take(JOBS) {
        rows.add([
            job_name(job),
            state(job.state).to_owned(),
            super::human::grouped(job.checkpoints),
            count(job.decisions.sweep.files, "file"),
            bytes(job.decisions.sweep.bytes),
            bytes(job.decisions.keep.bytes),
            bytes(job.decisions.defer.bytes),
            bytes(job.decisions.skip.bytes),
        ]);
    }
    writeln!(out)?;
    rows.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
    if let Some(more) = sorted.len().checked_sub(JOBS).filter(|more| *more > 0) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        writeln!(out, "and {}; `--format json` lists all", count(more, "further job"))?;
    }
    Ok(())
}

/// Returns what to call a job.
pub(crate) fn job_name(job: &JobSummary) -> String {
    match (&job.job, &job.name) {
        (Some(id), Some(name)) => format!("{id} ({name})"),
        (Some(id), None) => id.to_string(),
        (None, _) => "(no job)".to_owned(),
    }
}

/// Returns the state of a job as a word.
pub(crate) const fn state(state: Option<JobState>) -> &'static str {
    match state {
        Some(JobState::Dead) => "dead",
        Some(JobState::Living) => "living",
        None => "-",
    }
}

fn what_if(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let useful: Vec<_> = summary.what_if.iter().filter(|what| what.files > 0).collect();
    if useful.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nA policy would free besides, in the end:")?;
    for what in useful {
        let flag = what.policy.replace('=', " ");
        writeln!(out, "  --{flag:<14} {}, {}", count(what.files, "file"), bytes(what.bytes))?;
    }
    Ok(())
}
