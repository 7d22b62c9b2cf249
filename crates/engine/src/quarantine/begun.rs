//! Checkpoints from which a job began while a run was setting them aside.
//!
//! A policy retires a checkpoint only if access times tell that nobody has read its state for a long time, and a job
//! may do so right after that look. Until it completes a checkpoint of its own, the one it began from is all that it
//! can begin from again, and nothing names it. So the look after the last change asks the access times once more:
//! state that was read after the run began brings its checkpoint back. Each is read rarely enough that HDFS, which
//! notes a read only an hour after the last one, noted this one: else the policy would not have retired it.
//!
//! Of a run that came to its end only what was read before that end counts, since what is retired shares files with
//! what is kept, and later reads are of those. A run that was killed has no end, so there every later read counts:
//! that brings back too much, which costs nothing.
//!
//! What comes back comes back whole or not at all: a checkpoint of which Flink deleted a file meanwhile, since the job
//! went on, is one that nobody can begin from.

use std::collections::BTreeMap;

use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Content, Location, Timestamp};

use super::index::{Id, Index, Why, meanings};
use crate::collected::{Collected, QuarantinedRun};
use crate::records::{RunRecord, records};
use crate::run::Run;

/// Returns what belongs to checkpoints in quarantine that were read while they were being set aside, each with the
/// `_metadata` of its checkpoint where that was.
pub(super) async fn begun_from(
    run: &Run,
    collected: &Collected,
    index: &Index<'_>,
) -> BTreeMap<Id, Location> {
    let mut found = BTreeMap::new();
    let mut known: Option<Vec<RunRecord>> = None;
    for file in &collected.metadata {
        let (Place::Quarantined { original, .. }, Ok(content)) = (&file.place, &file.content) else {
            continue;
        };
        let Some(by) = collected.quarantine.iter().find(|run| file.location.is_within(&run.location)) else {
            continue;
        };
        let Some(started) = by.started_at else { continue };
        let reads = reads(collected, index, file, content);
        if !reads.iter().any(|read| *read > started) {
            continue;
        }
        if known.is_none() {
            // Where they cannot be read no end is known, and too much is brought back.
            known = Some(records(&run.stores().reading(), run.roots()).await.unwrap_or_default());
        }
        let end = end_of(by, known.as_deref().unwrap_or_default());
        if reads.iter().any(|read| *read > started && end.is_none_or(|end| *read <= end))
            && !is_broken(run, collected, index, file, content).await
        {
            found
                .extend(parts(run, file, original, index).await.into_iter().map(|id| (id, original.clone())));
        }
    }
    found
}

/// When the state of a checkpoint was read, wherever it lies now. Operator state is left out: chksweep reads it.
fn reads(collected: &Collected, index: &Index<'_>, file: &MetadataFile, content: &Content) -> Vec<Timestamp> {
    let is_operator_state =
        |at: usize| u32::try_from(at).is_ok_and(|at| content.operator_state_files.binary_search(&at).is_ok());
    let mut reads = Vec::new();
    for (at, reference) in content.files.files.iter().enumerate() {
        let Some(place) = content.files.location(*reference).filter(|_| !is_operator_state(at)) else {
            continue;
        };
        for place in meanings(file, &place) {
            let canonical = index.canonical(&place);
            let in_place = [&place, &canonical].into_iter().find_map(|at| collected.inventory.find(at));
            reads.extend(in_place.map(|(_, file)| collected.inventory.file(file).accessed));
            let aside = index.at(&place).into_iter().filter_map(|id| index.get(id));
            reads.extend(aside.map(|(_, file)| file.accessed));
        }
    }
    reads
}

/// Whether something that a checkpoint names is certainly gone: neither in its place nor in a quarantine.
async fn is_broken(
    run: &Run,
    collected: &Collected,
    index: &Index<'_>,
    file: &MetadataFile,
    content: &Content,
) -> bool {
    for place in content.files.locations() {
        let places = meanings(file, &place);
        let is_known = |at: &Location| {
            !index.at(at).is_empty()
                || [at, &index.canonical(at)].into_iter().any(|at| collected.inventory.find(at).is_some())
        };
        if places.iter().any(is_known) {
            continue;
        }
        let mut gone = true;
        for place in &places {
            gone &= index.exists(&run.hands.eyes, place).await == Some(false);
        }
        if gone {
            return true;
        }
    }
    false
}

/// When a run ended, if that is known.
fn end_of(run: &QuarantinedRun, records: &[RunRecord]) -> Option<Timestamp> {
    records.iter().find(|record| record.run_id == run.run_id)?.ended_at
}

/// A `_metadata` in quarantine and what it names there, but for what lies in its place again.
async fn parts(run: &Run, file: &MetadataFile, original: &Location, index: &Index<'_>) -> Vec<Id> {
    let eyes = &run.hands.eyes;
    let mut found = index.named_by(eyes, file).await;
    let itself = index.at(original).into_iter();
    let itself = itself.filter(|id| index.get(*id).is_some_and(|(_, lying)| lying.location == file.location));
    found.extend(itself.map(|id| (id, Why::Read)));
    index.unserved(eyes, found).await.into_keys().collect()
}
