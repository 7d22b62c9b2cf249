//! `quarantine list|restore|purge`: what earlier runs set aside.

use std::io::{self, Write};
use std::sync::Arc;

use chksweep_core::plan::Totals;
use chksweep_core::{Age, JobId, Location, Timestamp};
use chksweep_engine::quarantine::{PurgeConditions, QuarantineListing, RestoreReport, RunListing, list};
use chksweep_engine::records::records;
use chksweep_engine::{QuarantinedRun, quarantine};
use chksweep_pipeline::{Purged, Purging, Scope, Session};
use serde::Serialize;

use crate::app::Context;
use crate::args::{PurgeArgs, RestoreArgs, Selection};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::executed::{self, print_purge, print_rescued, word};
use crate::output::human::{bytes, count, grouped};
use crate::output::plan::short;
use crate::output::table::{Column, Rows};
use crate::printer::escaped;
use crate::scope::{Connected, Wish};
use crate::settings::Origin;
use crate::{confirm, location};

/// How many files that did not come back are printed.
const FAILURES: usize = 20;

/// Returns what is meant, in the engine's words; the jobs are those that were typed.
fn meant(selection: &Selection, context: &Context) -> Outcome<quarantine::Selection> {
    let here = context.settings.here.as_deref();
    let paths: Vec<Location> = selection
        .paths
        .iter()
        .map(|text| location::parse_openable(text, here).map_err(Failure::usage))
        .collect::<Outcome<_>>()?;
    Ok(quarantine::Selection {
        runs: selection.runs.clone(),
        jobs: typed_jobs(context)?,
        paths,
        all: selection.all,
    })
}

/// A job in the configuration narrows what is swept, not what somebody asks for here.
fn typed_jobs(context: &Context) -> Outcome<Vec<JobId>> {
    let typed = context.settings.given("job").is_some_and(|given| matches!(given.origin, Origin::Flag(_)));
    if typed { Ok(context.settings.policy()?.jobs) } else { Ok(Vec::new()) }
}

/// The scope of a command about the quarantine: every job, whatever is selected there.
fn connected(context: &Context) -> Outcome<Connected> {
    let mut connected = Connected::from_settings(context)?;
    connected.scope.policy.jobs.clear();
    Ok(connected)
}

/// Narrows to runs that started longer ago than an age; an unknown start counts as now.
fn only_older(
    meant: &mut quarantine::Selection,
    runs: &[QuarantinedRun],
    older_than: Option<Age>,
    now: Timestamp,
) -> bool {
    let Some(age) = older_than else { return true };
    let old = |run: &&QuarantinedRun| run.started_at.is_some_and(|at| at.plus(age) < now);
    let mut ids: Vec<String> = runs.iter().filter(old).map(|run| run.run_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    if !meant.runs.is_empty() {
        ids.retain(|id| meant.runs.contains(id));
    }
    meant.runs = ids;
    !meant.runs.is_empty()
}

fn nothing_meant() -> Failure {
    Failure::usage("nothing is selected").hint(
        "say what: `--run ID`, `--job ID`, `--path LOCATION`, `--older-than DURATION`, or `--all`; `chksweep \
         quarantine list` shows what there is",
    )
}

/// Lists what earlier runs set aside, and when it can be purged. Only looks.
pub(crate) async fn show(selection: &Selection, context: &Context) -> Outcome {
    let mut meant = meant(selection, context)?;
    let purge_after = context.settings.sweeping()?.purge_after;
    let (look, stores) = connected(context)?.look(context).await?;
    let (scope, when) = (Arc::clone(&look.scope), look.when);
    let records = records(&stores, &scope.roots)
        .await
        .map_err(|error| Failure::from(error).context("reading the records of runs"))?;
    let conditions = PurgeConditions {
        collected: &look.collected,
        equivalence: &scope.equivalence,
        policy: &scope.policy,
        records: &records,
        roots: &scope.roots,
        reference_roots: &scope.reference_roots,
        now: when.now,
        purge_after,
        this_run_is_clean: false,
        stop: None,
    };
    let mut listing = list(&stores, &conditions).await;
    context.done_looking();
    let runs = &look.collected.quarantine;
    let any = only_older(&mut meant, runs, selection.older_than, when.now);
    if selection.older_than.is_some() || !meant.is_empty() {
        narrow(&mut listing, runs, &meant, any, &scope);
    }
    if context.printer.is_json() {
        context.printer.json(Exit::Done, &listing)?;
    } else {
        context.printer.text(|out| print_listing(out, &listing))?;
    }
    Ok(Exit::Done)
}

/// Leaves of a listing what is meant.
fn narrow(
    listing: &mut QuarantineListing,
    runs: &[QuarantinedRun],
    meant: &quarantine::Selection,
    any: bool,
    scope: &Scope,
) {
    let mut sum = Totals::default();
    listing.runs.retain_mut(|row| {
        let run = runs.iter().find(|run| run.run_id == row.run_id && run.root == row.root);
        let Some(run) = run.filter(|_| any) else { return false };
        let mut totals = Totals::default();
        for file in run.files.iter().filter(|file| meant.takes(run, file, &scope.equivalence)) {
            let copies = file.replication.map(|copies| file.length.saturating_mul(u64::from(copies)));
            totals.add(Totals { files: 1, bytes: file.length, disk_bytes: copies });
        }
        row.totals = totals;
        sum.add(totals);
        totals.files > 0
    });
    listing.totals = sum;
}

fn print_listing(out: &mut dyn Write, listing: &QuarantineListing) -> io::Result<()> {
    if listing.runs.is_empty() {
        return writeln!(out, "Nothing is in quarantine.");
    }
    let mut rows = Rows::new(&[
        Column::Left("RUN"),
        Column::Left("STARTED"),
        Column::Right("FILES"),
        Column::Right("SIZE"),
        Column::Right("CHECKPOINTS"),
        Column::Left("DUE"),
        Column::Left("ROOT"),
    ]);
    let time = |time: Option<Timestamp>| time.map_or_else(|| "unknown".to_owned(), short);
    for run in &listing.runs {
        rows.add([
            run.run_id.clone(),
            time(run.started_at),
            grouped(run.totals.files),
            bytes(run.totals.bytes),
            grouped(run.checkpoints),
            time(run.due),
            run.root.to_string(),
        ]);
    }
    rows.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
    let waiting: Vec<&RunListing> = listing.runs.iter().filter(|run| !run.waits_for.is_empty()).collect();
    if !waiting.is_empty() {
        writeln!(out, "\nNot purged yet:")?;
    }
    for run in waiting {
        writeln!(out, "  {}: {}", run.run_id, escaped(&run.waits_for.join("; ")))?;
    }
    let totals = listing.totals;
    writeln!(out, "\nin quarantine: {}, {}", count(totals.files, "file"), bytes(totals.bytes))
}

/// Brings back what is meant, exactly.
pub(crate) async fn bring_back(args: &RestoreArgs, context: &Context) -> Outcome {
    let meant = meant(&args.selection, context)?;
    if meant.is_empty() && args.selection.older_than.is_none() {
        return Err(nothing_meant());
    }
    let here = context.settings.here.as_deref();
    let to = args.to.as_deref().map(|to| location::parse_openable(to, here)).transpose();
    let to = to.map_err(Failure::usage)?;
    let connected = connected(context)?;
    confirm::ask(context, args.consent.yes, "What is selected will be brought back to where it was.")?;
    let wish = wish("restore", args.consent.break_lock.as_deref(), context)?;
    let mut session = connected.begin(context, wish).await?;
    let report = restored(context, &mut session, meant, args.selection.older_than, to).await;
    let report = match report {
        Ok(report) => report,
        Err(failure) => {
            executed::give_up(context, session).await;
            return Err(failure);
        }
    };
    let stopped = if session.run.stopped().is_some() { context.stop.exit() } else { Exit::Done };
    let exit = stopped.and(if report.is_partly_done() { Exit::Partial } else { Exit::Done });
    session.finish(false).await?;
    context.done_looking();
    if context.printer.is_json() {
        context.printer.json(exit, &report)?;
    } else {
        context.printer.text(|out| print_restored(out, &report))?;
    }
    Ok(exit)
}

/// Warns of runs that were asked for and have nothing there: a name that was mistyped must not look like success.
fn warn_unknown(context: &Context, meant: &quarantine::Selection, is_there: impl Fn(&str) -> bool) {
    for run in meant.runs.iter().filter(|run| !is_there(run)) {
        context.printer.warning(&format!(
            "run `{run}` has nothing in quarantine; `chksweep quarantine list` shows those that have"
        ));
    }
}

fn wish(command: &'static str, break_lock: Option<&str>, context: &Context) -> Outcome<Wish> {
    Ok(Wish {
        command,
        break_lock: break_lock.map(str::to_owned),
        plan_digest: None,
        approved_by: None,
        sweeping: context.settings.sweeping()?,
    })
}

async fn restored(
    context: &Context,
    session: &mut Session,
    mut meant: quarantine::Selection,
    older_than: Option<Age>,
    to: Option<Location>,
) -> Outcome<RestoreReport> {
    let select = |runs: &[QuarantinedRun], now: Timestamp| {
        warn_unknown(context, &meant, |id| runs.iter().any(|run| run.run_id == id));
        only_older(&mut meant, runs, older_than, now).then_some(meant)
    };
    Ok(session.restore(&context.around()?, select, to).await?)
}

fn print_restored(out: &mut dyn Write, report: &RestoreReport) -> io::Result<()> {
    if report.restored.is_empty() {
        writeln!(out, "Nothing in quarantine is selected.")?;
    }
    for (fate, number) in &report.outcomes {
        let size = bytes(number.bytes);
        let what =
            if *fate == chksweep_engine::journal::Outcome::Done { "brought back" } else { word(*fate) };
        writeln!(out, "{what}: {}, {size}", count(number.files, "path"))?;
    }
    let failed = report.restored.iter().filter(|file| file.message.is_some());
    for file in failed.take(FAILURES) {
        let path = file.to.to_string();
        let message = file.message.as_deref().unwrap_or("");
        writeln!(out, "  {}: {}: {}", word(file.outcome), escaped(&path), escaped(message))?;
    }
    if report.unchecked > 0 {
        let what = count(report.unchecked, "reference");
        writeln!(out, "{what} of what was brought back lead to places that were not looked at")?;
    }
    if let Some(stopped) = &report.stopped {
        writeln!(out, "stopped before it was through: {}", escaped(stopped))?;
    }
    Ok(())
}

/// Frees the space of the runs that are meant and due.
pub(crate) async fn free(args: &PurgeArgs, context: &Context) -> Outcome {
    let mut meant = meant(&args.selection, context)?;
    if meant.is_empty() && args.selection.older_than.is_none() {
        return Err(nothing_meant());
    }
    if !meant.jobs.is_empty() || !meant.paths.is_empty() {
        return Err(Failure::usage("a purge takes whole runs: `--job` and `--path` do not narrow it")
            .hint("select runs with `--run ID`, `--older-than DURATION`, or `--all`"));
    }
    let connected = connected(context)?;
    let wish = wish("purge", args.consent.break_lock.as_deref(), context)?;
    let after = wish.sweeping.purge_after.max(args.selection.older_than.unwrap_or_default());
    confirm::ask(
        context,
        args.consent.yes,
        &format!(
            "What was set aside more than {after} ago and is selected will be deleted; this cannot be undone."
        ),
    )?;
    // What is younger waits by itself; the age narrows nothing further.
    meant.all = true;
    let mut session = connected.begin(context, wish).await?;
    let purging = Purging { selection: meant.clone(), after, this_run_is_clean: false, held: None };
    let purged = match session.purge(&context.around()?, purging).await {
        Ok(purged) => purged,
        Err(error) => {
            executed::give_up(context, session).await;
            return Err(error.into());
        }
    };
    let stopped = if session.run.stopped().is_some() { context.stop.exit() } else { Exit::Done };
    let exit = stopped.and(if purged.is_partly_done() { Exit::Partial } else { Exit::Done });
    session.finish(false).await?;
    context.done_looking();
    let report = &purged.report;
    warn_unknown(context, &meant, |id| {
        report.purged.iter().any(|run| run.run_id == id) || report.waiting.iter().any(|run| run.run_id == id)
    });
    if context.printer.is_json() {
        context.printer.json(exit, &Document { purge: &purged })?;
    } else {
        context.printer.text(|out| {
            print_rescued(out, &purged.rescued)?;
            print_purge(out, &purged.report)?;
            if purged.report.purged.is_empty() && purged.report.waiting.is_empty() {
                writeln!(out, "Nothing is in quarantine.")?;
            }
            purged.report.waiting.iter().filter(|run| !run.reasons.is_empty()).try_for_each(|run| {
                writeln!(out, "  {} waits: {}", run.run_id, escaped(&run.reasons.join("; ")))
            })
        })?;
    }
    Ok(exit)
}

/// The document of `quarantine purge`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    purge: &'a Purged,
}
