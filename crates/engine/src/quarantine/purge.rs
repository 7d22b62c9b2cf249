//! Freeing the space of what runs set aside long enough ago.
//!
//! Within one purge all `_metadata` goes first, of every run that is purged: from then on nothing that is left in
//! these quarantines is named by anything that could still be brought back, so a purge that is broken off leaves
//! files, never a checkpoint without its files. Then run by run, the oldest first, slice by slice. What appeared in
//! the quarantine since the reading makes the run wait.

use std::collections::HashSet;

use chksweep_core::plan::Basis;
use chksweep_core::{Location, Timestamp};
use serde::Serialize;

use super::assess::{PurgeConditions, assess};
use super::select::Selection;
use super::slices::{self, PURGE_SLICE};
use crate::actions::Action;
use crate::collected::QuarantinedRun;
use crate::events::Event;
use crate::execute::{Fate, MAX_READING, Step, list_tree};
use crate::journal::{Outcome, Totals};
use crate::own::{self, Stamp};
use crate::run::Run;
use crate::snapshots::{self, Snapshots};

const OLD_READING: &str = "the reading that it rests on has grown old: the next run goes on";

/// A run whose quarantine was deleted, or begun to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgedRun {
    /// The run.
    pub run_id: String,
    /// The root.
    pub root: Location,
    /// Files that are gone.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether all of it is gone.
    pub complete: bool,
}

/// A run whose quarantine stays for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingRun {
    /// The run.
    pub run_id: String,
    /// The root.
    pub root: Location,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why it stays.
    pub reasons: Vec<String>,
    /// When it is old enough.
    pub due: Option<Timestamp>,
}

/// What a purge did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PurgeReport {
    /// The runs that are gone.
    pub purged: Vec<PurgedRun>,
    /// The runs that stay.
    pub waiting: Vec<WaitingRun>,
    /// The snapshots that hold what was purged, as far as it was there when they were taken: its space is not free yet.
    pub snapshots: Vec<Snapshots>,
    /// What became of the operations.
    pub outcomes: Totals,
    /// What went wrong.
    pub failures: Vec<String>,
    /// Why it stopped before it was through, if it did.
    pub stopped: Option<String>,
}

impl PurgeReport {
    /// Returns whether something that was due is not gone.
    pub fn is_partly_done(&self) -> bool {
        self.stopped.is_some() || !self.failures.is_empty()
    }

    fn add(&mut self, fates: &[(Step, Fate)]) -> (u64, u64) {
        let mut gone = (0_u64, 0_u64);
        for (step, fate) in fates {
            self.outcomes.entry(fate.outcome).or_default().add(step.files, step.bytes);
            if fate.is_done() {
                gone = (gone.0.saturating_add(step.files), gone.1.saturating_add(step.bytes));
            } else if !matches!(fate.outcome, Outcome::AlreadyGone | Outcome::NotStarted) {
                let why = fate.message.as_deref().unwrap_or("");
                self.failures.push(format!("{}: {why}", step.from));
            }
        }
        gone
    }
}

fn is_gone(fates: &[(Step, Fate)]) -> bool {
    fates.iter().all(|(_, fate)| matches!(fate.outcome, Outcome::Done | Outcome::AlreadyGone))
}

/// Deletes what may go of the runs that are meant; a selection narrows by whole runs only. Rescue before it.
pub async fn purge(run: &mut Run, conditions: &PurgeConditions<'_>, selection: &Selection) -> PurgeReport {
    purge_in_slices(run, conditions, selection, PURGE_SLICE).await
}

/// Returns the snapshots around what was purged. It is there to be told: not to know it stops nothing.
async fn pinned_by(run: &Run, purged: &[PurgedRun]) -> Vec<Snapshots> {
    let mut found: Vec<Snapshots> = Vec::new();
    let mut roots: Vec<&Location> = purged.iter().map(|purged| &purged.root).collect();
    roots.dedup();
    for root in roots {
        let Ok(store) = run.stores().of(root) else { continue };
        match snapshots::around(store.as_ref(), root).await {
            Ok(more) => found.extend(more.into_iter().filter(|one| !found.contains(one)).collect::<Vec<_>>()),
            Err(error) => tracing::warn!(%error, "whether snapshots hold what was purged cannot be told"),
        }
    }
    found
}

pub(super) async fn purge_in_slices(
    run: &mut Run,
    conditions: &PurgeConditions<'_>,
    selection: &Selection,
    slice: u64,
) -> PurgeReport {
    let quarantine = &conditions.collected.quarantine;
    run.rely_on(Some(Basis::of_reading(conditions.now, &conditions.collected.metadata)));
    let mut assessed = assess(&run.hands.eyes, conditions).await;
    let own_id = run.run_id().to_owned();
    for (at, from) in quarantine.iter().enumerate() {
        let meant = selection.is_empty() || selection.takes_run(&from.run_id);
        if from.run_id == own_id {
            assessed.hold(conditions, at, "it is this run's own".to_owned());
        } else if !meant || !selection.jobs.is_empty() || !selection.paths.is_empty() {
            assessed.hold(conditions, at, "it was not selected".to_owned());
        } else if own::root_of(run.roots(), &from.root.child(b"x")).is_none() {
            assessed.hold(conditions, at, "it lies under no root of this run".to_owned());
        }
    }
    let is_old = || conditions.collected.read_at.elapsed() > MAX_READING;
    let mut report = PurgeReport::default();
    // 1. All metadata of what goes.
    for (at, from) in quarantine.iter().enumerate() {
        let may_go = assessed.runs.get(at).is_some_and(super::Assessment::may_go);
        if may_go && is_old() {
            assessed.hold(conditions, at, OLD_READING.to_owned());
        } else if may_go && !metadata_first(run, from, &mut report).await {
            assessed.hold(conditions, at, "not all of its metadata could be deleted".to_owned());
        }
    }
    // 2. The rest, oldest first.
    let mut order: Vec<(usize, &QuarantinedRun)> = quarantine.iter().enumerate().collect();
    order.sort_by(|a, b| {
        (a.1.started_at, &a.1.run_id, &a.1.root).cmp(&(b.1.started_at, &b.1.run_id, &b.1.root))
    });
    for (at, from) in order {
        let Some(assessment) = assessed.runs.get(at).cloned() else { continue };
        let mut reasons = assessment.reasons;
        if reasons.is_empty() && is_old() {
            reasons.push(OLD_READING.to_owned());
        } else if reasons.is_empty() {
            match one_run(run, from, slice, &mut report).await {
                Ok(purged) => {
                    report.purged.push(purged);
                    continue;
                }
                Err(why) => {
                    report.failures.push(why.clone());
                    reasons.push(why);
                }
            }
        }
        report.waiting.push(waiting(from, reasons, assessment.due));
    }
    report.snapshots = pinned_by(run, &report.purged).await;
    report.stopped = run.stopped().map(|stop| stop.to_string());
    report
}

fn waiting(from: &QuarantinedRun, reasons: Vec<String>, due: Option<Timestamp>) -> WaitingRun {
    WaitingRun {
        run_id: from.run_id.clone(),
        root: from.root.clone(),
        files: u64::try_from(from.files.len()).unwrap_or(u64::MAX),
        bytes: from.files.iter().fold(0, |sum, file| sum.saturating_add(file.length)),
        reasons,
        due,
    }
}

/// Deletes the metadata in a run's quarantine. Returns whether none is left.
async fn metadata_first(run: &mut Run, from: &QuarantinedRun, report: &mut PurgeReport) -> bool {
    let metadata = from.files.iter().filter(|file| Action::names_a_checkpoint(&file.original));
    let steps: Vec<Step> = metadata
        .map(|file| {
            let stamp = Stamp { length: file.length, modified: file.modified };
            slices::file_step(from, &file.location, stamp)
        })
        .collect();
    for batch in steps.chunks(500) {
        let fates = run.carry_out(batch.to_vec()).await;
        report.add(&fates);
        if !is_gone(&fates) {
            return false;
        }
    }
    true
}

/// Deletes what is left of a run's quarantine, if it is what was read.
async fn one_run(
    run: &mut Run,
    from: &QuarantinedRun,
    slice: u64,
    report: &mut PurgeReport,
) -> Result<PurgedRun, String> {
    let tree = match list_tree(&run.hands, &from.location).await {
        Ok(tree) => tree,
        Err(error) => return Err(format!("{} could not be listed again: {error}", from.location)),
    };
    let known: HashSet<&Location> = from.files.iter().map(|file| &file.location).collect();
    for (id, directory) in tree.directories() {
        for (_, file) in tree.files_of(id) {
            let at = directory.location.child(&tree.name_of(file).to_vec());
            if !known.contains(&at) {
                return Err(format!("{at} appeared since the quarantine was read"));
            }
        }
    }
    let metadata = from.files.iter().filter(|file| Action::names_a_checkpoint(&file.original));
    let (mut files, mut bytes) =
        metadata.fold((0, 0), |sum: (u64, u64), file| (sum.0 + 1, sum.1 + file.length));
    let total = u64::try_from(from.files.len()).unwrap_or(u64::MAX);
    let mut complete = true;
    for batch in slices::slices(from, &tree, slice) {
        let fates = run.carry_out(batch).await;
        let gone = report.add(&fates);
        files += gone.0;
        bytes += gone.1;
        run.observer().event(&Event::Purging { done: files, total });
        complete &= is_gone(&fates);
        if run.stopped().is_some() {
            break;
        }
    }
    Ok(PurgedRun { run_id: from.run_id.clone(), root: from.root.clone(), files, bytes, complete })
}
