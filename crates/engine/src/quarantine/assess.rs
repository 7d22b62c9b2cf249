//! Whether a run's quarantine may be purged, and if not, why not and when.
//!
//! A purge is a sweep whose candidates lie in the quarantine: what it takes cannot be brought back. So it needs what
//! a sweep needs (everything that could name it was found, read and understood) and besides time, in which two clean
//! runs looked at the same roots and found nothing that named it. The waiting is the point: a bug, a missing root
//! or a wrong alias shows itself, by a rescue or by a job that misses a file, while the file still exists.

use std::collections::BTreeSet;
use std::mem::discriminant;

use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Age, Equivalence, Location, Policy, Timestamp};
use serde::Serialize;

use super::index::Index;
use crate::collected::{Collected, QuarantinedRun};
use crate::execute::Eyes;
use crate::own;
use crate::records::RunRecord;

/// How many clean runs must have been since.
const CLEAN_RUNS: usize = 2;
/// How young the last of them must be.
const CLEAN_WITHIN: Age = Age::hours(24);

/// What a purge is decided by.
#[derive(Debug)]
pub struct PurgeConditions<'a> {
    /// A complete look, made just now, after the last rescue.
    pub collected: &'a Collected,
    /// Which spellings are one place.
    pub equivalence: &'a Equivalence,
    /// The policy: which unreadable metadata somebody accepts.
    pub policy: &'a Policy,
    /// The records of runs.
    pub records: &'a [RunRecord],
    /// The sweep roots that were read.
    pub roots: &'a [Location],
    /// The roots that were read for references only.
    pub reference_roots: &'a [Location],
    /// What the clock of the storage says.
    pub now: Timestamp,
    /// How long what was set aside stays.
    pub purge_after: Age,
    /// Whether the run that asks is itself a complete sweep that went well so far: it then counts as a clean run.
    pub this_run_is_clean: bool,
    /// What else speaks against sweeping anything today, such as too many dangling references.
    pub stop: Option<String>,
}

/// What speaks against purging one run's quarantine under one root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Assessment {
    /// The reasons; none means that it may be purged.
    pub reasons: Vec<String>,
    /// When it is old enough, where that can be told.
    pub due: Option<Timestamp>,
}

impl Assessment {
    /// Returns whether it may be purged.
    pub fn may_go(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Who names something in a run's quarantine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Namer {
    /// Metadata in the quarantine of a run, by the number of that run.
    Run(usize),
    /// Any other metadata.
    Place(Location),
    /// A pin on where it was.
    Pin(Location),
    /// Metadata whose operator state could not be searched, and that may name it there.
    Unsearched(Location),
}

impl Namer {
    /// Says why what is named may not go, whatever becomes of the namer.
    fn reason(&self) -> Option<String> {
        match self {
            Self::Run(_) => None,
            Self::Place(place) => Some(format!("{place} names files of it")),
            Self::Pin(pin) => Some(format!("{pin} is pinned, and lies in it")),
            Self::Unsearched(place) => {
                Some(format!("{place} may name files of it inside operator state that could not be searched"))
            }
        }
    }
}

/// The assessments of all runs, in the order of [`Collected::quarantine`], and who names what.
#[derive(Debug)]
pub(super) struct Assessed {
    pub(super) runs: Vec<Assessment>,
    named_by: Vec<BTreeSet<Namer>>,
}

impl Assessed {
    /// Says of a run that it stays after all, and so do those whose files its metadata names.
    pub(super) fn hold(&mut self, conditions: &PurgeConditions<'_>, run: usize, why: String) {
        if let Some(assessment) = self.runs.get_mut(run) {
            assessment.reasons.push(why);
        }
        self.settle_waiting(conditions);
    }

    /// One whose files are named by the metadata of a run that stays, stays too. Of runs that name each other and may
    /// all go, all go.
    fn settle_waiting(&mut self, conditions: &PurgeConditions<'_>) {
        loop {
            let stays: BTreeSet<usize> = (0..self.runs.len())
                .filter(|at| self.runs.get(*at).is_some_and(|run| !run.may_go()))
                .collect();
            let mut changed = false;
            for (at, namers) in self.named_by.iter().enumerate() {
                let waits_for = namers.iter().find_map(|namer| match namer {
                    Namer::Run(other) if *other != at && stays.contains(other) => Some(*other),
                    Namer::Run(_) | Namer::Place(_) | Namer::Pin(_) | Namer::Unsearched(_) => None,
                });
                let (Some(other), Some(run)) = (waits_for, self.runs.get_mut(at)) else { continue };
                if run.may_go() {
                    let id = conditions.collected.quarantine.get(other).map_or("", |run| &run.run_id);
                    run.reasons.push(format!("metadata in the quarantine of run {id} names files of it"));
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }
}

/// Assesses every run.
pub(super) async fn assess(eyes: &Eyes, conditions: &PurgeConditions<'_>) -> Assessed {
    let runs = &conditions.collected.quarantine;
    let general = general_reasons(conditions);
    let named_by = named_by(eyes, conditions).await;
    let mut assessed = Assessed { runs: Vec::new(), named_by };
    for (at, run) in runs.iter().enumerate() {
        let mut assessment = own_reasons(conditions, run);
        assessment.reasons.extend(general.iter().cloned());
        let namers: Vec<&Namer> = assessed.named_by.get(at).into_iter().flatten().collect();
        // One of each kind says enough; they are sorted by it.
        let kinds = namers.chunk_by(|one, next| discriminant(*one) == discriminant(*next));
        assessment.reasons.extend(kinds.filter_map(|kind| kind.first()?.reason()));
        assessed.runs.push(assessment);
    }
    assessed.settle_waiting(conditions);
    assessed
}

/// What speaks against purging anything.
fn general_reasons(conditions: &PurgeConditions<'_>) -> Vec<String> {
    let mut reasons: Vec<String> = conditions.stop.iter().cloned().collect();
    if let Some((directory, why)) = conditions.collected.unlisted.first() {
        let more = and_more(conditions.collected.unlisted.len());
        reasons.push(format!("{directory}{more} could not be listed: {why}"));
    }
    let unreadable: Vec<&MetadataFile> =
        conditions.collected.metadata.iter().filter(|file| blocks(conditions, file)).collect();
    if let Some(first) = unreadable.first() {
        let more = and_more(unreadable.len());
        reasons.push(format!("metadata that cannot be read may name it: {}{more}", first.location));
    }
    reasons
}

/// What follows the first of so many.
fn and_more(all: usize) -> String {
    match all.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

fn blocks(conditions: &PurgeConditions<'_>, file: &MetadataFile) -> bool {
    let accepted = || conditions.policy.accepts_unreadable(&file.location, file.bytes, file.modified);
    file.content.as_ref().is_err_and(|unreadable| unreadable.blocks) && !accepted()
}

/// What speaks against purging this run.
fn own_reasons(conditions: &PurgeConditions<'_>, run: &QuarantinedRun) -> Assessment {
    let mut reasons = Vec::new();
    let record = conditions.records.iter().find(|record| record.run_id == run.run_id);
    let due = run.started_at.map(|start| start.plus(conditions.purge_after));
    if let Some(schema) = super::newer_schema(run, conditions.records) {
        let why = format!("its record has schema {schema}, written by a newer chksweep: purge it with that");
        return Assessment { reasons: vec![why], due };
    }
    match due {
        None => reasons.push("when it was set aside is not known, so it counts as set aside now".to_owned()),
        Some(due) if due > conditions.now => reasons.push(format!("it is kept until {due}")),
        Some(_) => {}
    }
    if !own::is_run_id(&run.run_id) || run.location != own::quarantine_of(&run.root, &run.run_id) {
        reasons.push("it is no directory of a run".to_owned());
    }
    if !run.complete {
        reasons.push("it could not be listed completely".to_owned());
    }
    let Some(record) = record else {
        reasons.push("the record of the run is missing, so its roots are not known".to_owned());
        return Assessment { reasons, due };
    };
    // What the run knew must be known now: metadata under a reference root may name what it set aside.
    let unread = record
        .roots
        .iter()
        .find(|root| !is_within_any(conditions, &root.0, conditions.roots))
        .or_else(|| record.reference_roots.iter().find(|root| !is_read(conditions, &root.0)));
    match unread {
        Some(root) => reasons.push(format!("the run also had the root {}, which was not read now", root.0)),
        None if record.roots.is_empty() => reasons.push("the roots of the run are not known".to_owned()),
        None => {}
    }
    if !record.is_settled() {
        reasons.push("what the run had begun is not settled yet".to_owned());
    }
    reasons.extend(clean_runs_missing(conditions, record));
    Assessment { reasons, due }
}

fn is_read(conditions: &PurgeConditions<'_>, root: &Location) -> bool {
    is_within_any(conditions, root, conditions.roots)
        || is_within_any(conditions, root, conditions.reference_roots)
}

fn is_within_any<'a>(
    conditions: &PurgeConditions<'_>,
    root: &Location,
    others: impl IntoIterator<Item = &'a Location>,
) -> bool {
    let root = conditions.equivalence.canonical(root);
    others.into_iter().any(|other| root.is_within(&conditions.equivalence.canonical(other)))
}

/// Counts the clean sweeps since over the same roots at least.
fn clean_runs_missing(conditions: &PurgeConditions<'_>, purged: &RunRecord) -> Option<String> {
    let covers = |record: &RunRecord| {
        let swept = || record.roots.iter().map(|spot| &spot.0);
        let read = || swept().chain(record.reference_roots.iter().map(|spot| &spot.0));
        purged.roots.iter().all(|root| is_within_any(conditions, &root.0, swept()))
            && purged.reference_roots.iter().all(|root| is_within_any(conditions, &root.0, read()))
    };
    let since = |record: &&RunRecord| {
        record.clean
            && matches!(record.command.as_str(), "run" | "apply")
            && record.run_id != purged.run_id
            && record.started_at > purged.started_at
            && covers(record)
    };
    let ends: Vec<Timestamp> =
        conditions.records.iter().filter(since).filter_map(|record| record.ended_at).collect();
    let count = ends.len() + usize::from(conditions.this_run_is_clean);
    if count < CLEAN_RUNS {
        return Some(format!("{count} of {CLEAN_RUNS} clean runs over its roots have been since"));
    }
    let fresh = ends.iter().any(|end| conditions.now.since(*end) <= CLEAN_WITHIN);
    (!fresh && !conditions.this_run_is_clean)
        .then(|| format!("the last clean run over its roots is more than {CLEAN_WITHIN} ago"))
}

/// For each run, which metadata names files of it. Here every metadata file speaks, however long it lies in a
/// quarantine: nothing is purged before the metadata that names it.
async fn named_by(eyes: &Eyes, conditions: &PurgeConditions<'_>) -> Vec<BTreeSet<Namer>> {
    let runs = &conditions.collected.quarantine;
    let index = Index::new(runs, conditions.equivalence);
    let mut named_by: Vec<BTreeSet<Namer>> = vec![BTreeSet::new(); runs.len()];
    for file in &conditions.collected.metadata {
        let in_run = match &file.place {
            Place::Quarantined { .. } => runs.iter().position(|run| file.location.is_within(&run.location)),
            Place::Sweep | Place::Reference => None,
        };
        let mut found = index.named_by(eyes, file).await;
        if in_run.is_none() {
            found = index.unserved(eyes, found).await;
        }
        for id in found.into_keys() {
            let Some(slot) = index.run_of(id).and_then(|run| named_by.get_mut(run)) else { continue };
            slot.insert(in_run.map_or_else(|| Namer::Place(file.location.clone()), Namer::Run));
        }
    }
    let has_task_owned = |run: &QuarantinedRun| run.files.iter().any(|file| file.task_owned().is_some());
    for place in &conditions.collected.unsearched {
        let lies_in = runs.iter().position(|run| place.is_within(&run.location));
        let namer = lies_in.map_or_else(|| Namer::Unsearched(place.clone()), Namer::Run);
        for (slot, _) in named_by.iter_mut().zip(runs).filter(|(_, run)| has_task_owned(run)) {
            slot.insert(namer.clone());
        }
    }
    // Whoever pins what was set aside wants it back.
    for pin in &conditions.collected.pins {
        for id in index.at(pin).into_iter().chain(index.below(pin)) {
            if let Some(slot) = index.run_of(id).and_then(|run| named_by.get_mut(run)) {
                slot.insert(Namer::Pin(pin.clone()));
            }
        }
    }
    named_by
}
