//! Bringing back by itself what is named again.
//!
//! Nothing that a sweep takes is named when it is taken. If it is named afterwards, either a job did something in
//! between that no look could see (it restored from a checkpoint as it was being retired), or there is a bug. Both
//! are survived here, and said loudly. Done before a run, after it, and before a purge; so a file is named for at
//! most one run without being there, and is never purged while it is named.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Age, Equivalence, Location, Timestamp};
use serde::Serialize;

use super::begun;
use super::index::{Id, Index, Why};
use super::leaving::{self, BATCH, tidy};
use crate::collected::Collected;
use crate::events::Event;
use crate::journal::{Operation, Outcome};
use crate::own;
use crate::run::Run;

/// A file that was brought back, or should have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rescued {
    /// Where it lay in quarantine.
    pub from: Location,
    /// Where it is named.
    pub to: Location,
    /// In what way.
    pub why: Why,
    /// By which metadata; that of the checkpoint itself where it was read.
    pub named_by: Location,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not brought back.
    pub message: Option<String>,
}

impl Rescued {
    /// Returns whether it does not lie in quarantine any more.
    pub fn is_back(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::AlreadyGone)
    }
}

/// What a rescue did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RescueReport {
    /// The files.
    pub files: Vec<Rescued>,
}

impl RescueReport {
    /// Returns whether there was nothing to rescue.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Whether metadata names at all: in place always, in quarantine for `min-age` from the start of the run that moved
/// it; an unknown start counts as now.
pub(super) fn speaks(file: &MetadataFile, now: Timestamp, min_age: Age) -> bool {
    match &file.place {
        Place::Sweep | Place::Reference | Place::Quarantined { moved_at: None, .. } => true,
        Place::Quarantined { moved_at: Some(at), .. } => at.plus(min_age) >= now,
    }
}

/// Moves back every quarantined file that metadata names again. All metadata that lies in place counts, also what a
/// policy retires: bringing back too much costs nothing. What was read while it was being set aside comes back too.
pub async fn rescue(
    run: &mut Run,
    collected: &Collected,
    equivalence: &Equivalence,
    min_age: Age,
) -> RescueReport {
    let (metadata, quarantine) = (&collected.metadata, &collected.quarantine);
    let index = Index::new(quarantine, equivalence);
    let now = run.now();
    let mut named: BTreeMap<Id, (Why, Location)> = BTreeMap::new();
    for file in metadata.iter().filter(|file| speaks(file, now, min_age)) {
        let eyes = &run.hands.eyes;
        let found = index.named_by(eyes, file).await;
        for (id, why) in index.unserved(eyes, found).await {
            // What lies in the quarantine beside metadata that still speaks there is where it belongs.
            named.entry(id).or_insert_with(|| (why, file.location.clone()));
        }
    }
    for (id, by) in begun::begun_from(run, collected, &index).await {
        named.entry(id).or_insert((Why::Read, by));
    }
    let mut report = RescueReport::default();
    let ids: Vec<Id> = latest_of_each_place(&index, named.keys().copied());
    let mut left = BTreeSet::new();
    for batch in ids.chunks(BATCH) {
        let found = |id: &Id| Some((*id, index.get(*id)?, named.get(id)?.clone()));
        let batch: Vec<_> = batch.iter().filter_map(found).collect();
        let steps = batch
            .iter()
            .filter(|(_, (_, file), _)| own::root_of(run.roots(), &file.original).is_some())
            .map(|(_, lying, (why, by))| {
                leaving::step(run, Operation::Rescue, *lying, None, &reason(*why, by))
            })
            .collect();
        for (step, fate) in run.carry_out(steps).await {
            let Some((_, (_, file), (why, by))) = batch.iter().find(|(_, (_, f), _)| f.location == step.from)
            else {
                continue;
            };
            left.extend(step.from.parent());
            tell(run, &file.original, &reason(*why, by), fate.outcome, fate.message.as_deref());
            report.files.push(Rescued {
                from: file.location.clone(),
                to: file.original.clone(),
                why: *why,
                named_by: by.clone(),
                outcome: fate.outcome,
                message: fate.message,
            });
        }
    }
    let tops = quarantine.iter().map(|run| run.location.clone()).collect();
    tidy(run, left, &tops).await;
    report
}

fn reason(why: Why, by: &Location) -> String {
    match why {
        Why::Path | Why::Directory | Why::BaseName | Why::Uuid => format!("named again by {by} ({why:?})"),
        Why::Read => format!("somebody read the state of {by} while it was being set aside"),
    }
}

fn tell(run: &Run, original: &Location, reason: &str, outcome: Outcome, message: Option<&str>) {
    let said = if outcome == Outcome::Done {
        format!("{original} was brought back from the quarantine: {reason}")
    } else {
        let why = message.unwrap_or("");
        format!("{original} lies in the quarantine, and could not be brought back: {why} ({reason})")
    };
    run.observer().event(&Event::Loud(said));
}

/// Of several files that lay at one place, the one that was set aside last.
fn latest_of_each_place(index: &Index<'_>, ids: impl Iterator<Item = Id>) -> Vec<Id> {
    let ids: BTreeSet<Id> = ids.collect();
    let is_latest = |id: &Id| {
        index.get(*id).is_some_and(|(_, file)| {
            index.at(&file.original).into_iter().find(|at| ids.contains(at)) == Some(*id)
        })
    };
    ids.iter().copied().filter(is_latest).collect()
}
