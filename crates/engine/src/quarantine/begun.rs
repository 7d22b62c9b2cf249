//! Checkpoints from which a job began while a run was setting them aside.
//!
//! A policy retires a checkpoint only if access times tell that nobody has read its state for a long time, and a job
//! may do so right after that look. Until it completes a checkpoint of its own, the one it began from is all that it
//! can begin from again, and nothing names it. So the look after the last change asks the access times once more:
//! state that was read after the run began brings its checkpoint back. Each is read rarely enough that HDFS, which
//! notes a read only an hour after the last one, noted this one: else the policy would not have retired it.
//!
//! Of a run that came to its end every read before that end counts. A later one counts of what no metadata in place
//! names: a job may have read the `_metadata` just before it was set aside, and its state only when it had machines.
//! Of the rest later reads tell nothing, since what is retired shares files with what is kept. A run that was killed
//! has no end, so there every later read counts: that brings back too much, which costs nothing.
//!
//! What comes back comes back whole or not at all: a checkpoint of which Flink deleted a file meanwhile, since the job
//! went on, is one that nobody can begin from.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chksweep_core::location::path_below;
use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Content, Inventory, Location, Timestamp};

use super::index::{Id, Index, Why, meanings};
use crate::collected::{Collected, QuarantinedRun};
use crate::records::{RunRecord, records};
use crate::run::Run;

/// A checkpoint in quarantine whose state was read after the run that set it aside began.
struct Used<'c> {
    file: &'c MetadataFile,
    content: &'c Content,
    original: &'c Location,
    /// What was read before that run came to its end.
    during: bool,
    /// What was read later, by its canonical place.
    later: BTreeSet<Location>,
}

/// Returns what belongs to checkpoints in quarantine that somebody began from as they were set aside, each with the
/// `_metadata` of its checkpoint where that was.
pub(super) async fn begun_from(
    run: &Run,
    collected: &Collected,
    index: &Index<'_>,
) -> BTreeMap<Id, Location> {
    let used = used(run, collected, index).await;
    let mut alone: BTreeSet<&Location> = used.iter().flat_map(|used| &used.later).collect();
    forget_what_is_named_in_place(&mut alone, collected, index);
    let mut found = BTreeMap::new();
    for one in &used {
        let is_begun_from = one.during || one.later.iter().any(|place| alone.contains(place));
        if is_begun_from && !is_broken(run, collected, index, one.file, one.content).await {
            let parts = parts(run, one.file, one.original, index).await;
            found.extend(parts.into_iter().map(|id| (id, one.original.clone())));
        }
    }
    found
}

async fn used<'c>(run: &Run, collected: &'c Collected, index: &Index<'_>) -> Vec<Used<'c>> {
    let mut all = Vec::new();
    let listed = Listed::new(collected, index);
    let mut known: Option<Vec<RunRecord>> = None;
    for file in &collected.metadata {
        let (Place::Quarantined { original, .. }, Ok(content)) = (&file.place, &file.content) else {
            continue;
        };
        let Some(by) = collected.quarantine.iter().find(|run| file.location.is_within(&run.location)) else {
            continue;
        };
        let Some(started) = by.started_at else { continue };
        let reads = reads_since(started, &listed, index, file, content);
        if reads.is_empty() {
            continue;
        }
        if known.is_none() {
            // Where they cannot be read no end is known, and too much is brought back.
            known = Some(records(&run.stores().reading(), run.roots()).await.unwrap_or_default());
        }
        let end = end_of(by, known.as_deref().unwrap_or_default());
        let (early, late): (Vec<_>, Vec<_>) =
            reads.into_iter().partition(|(_, read)| end.is_none_or(|end| *read <= end));
        let later = late.into_iter().map(|(place, _)| place).collect();
        all.push(Used { file, content, original, during: !early.is_empty(), later });
    }
    all
}

/// When the state of a checkpoint was read since then, with its canonical place, wherever it lies now. Operator state is
/// left out: chksweep reads it.
fn reads_since(
    then: Timestamp,
    listed: &Listed<'_>,
    index: &Index<'_>,
    file: &MetadataFile,
    content: &Content,
) -> Vec<(Location, Timestamp)> {
    let is_operator_state =
        |at: usize| u32::try_from(at).is_ok_and(|at| content.operator_state_files.binary_search(&at).is_ok());
    let mut reads = Vec::new();
    for (at, reference) in content.files.files.iter().enumerate() {
        let Some(place) = content.files.location(*reference).filter(|_| !is_operator_state(at)) else {
            continue;
        };
        for place in meanings(file, &place) {
            let canonical = index.canonical(&place);
            let in_place = listed.accessed(&place, &canonical);
            let aside = index.named(place.name()).iter().filter_map(|id| index.get(*id));
            let aside = aside.filter(|(_, file)| index.canonical(&file.original).path() == canonical.path());
            let accessed = in_place.chain(aside.map(|(_, file)| file.accessed));
            reads.extend(accessed.filter(|read| *read > then).map(|read| (canonical.clone(), read)));
        }
    }
    reads
}

/// The listed files by path, whatever the spelling of their root and under any authority: one look too many only keeps.
struct Listed<'c> {
    inventory: &'c Inventory,
    roots: Vec<(&'c Location, Location)>,
}

impl<'c> Listed<'c> {
    fn new(collected: &'c Collected, index: &Index<'_>) -> Self {
        let inventory = &collected.inventory;
        let roots = inventory.roots().iter().map(|root| &inventory.directory(*root).location);
        Self { inventory, roots: roots.map(|root| (root, index.canonical(root))).collect() }
    }

    /// Returns when the files that may lie at a place were read.
    fn accessed(&self, place: &Location, canonical: &Location) -> impl Iterator<Item = Timestamp> {
        let spellings = [place.path(), canonical.path()];
        let below = |(root, other): &(&Location, Location)| {
            let bases = [root.path(), other.path()];
            let rests =
                bases.iter().flat_map(|base| spellings.iter().filter_map(|path| path_below(path, base)));
            rests.map(|rest| root.child(rest)).collect::<Vec<_>>()
        };
        let places = self.roots.iter().flat_map(below).collect::<BTreeSet<_>>();
        places
            .into_iter()
            .filter_map(|at| self.inventory.find(&at))
            .map(|(_, file)| self.inventory.file(file).accessed)
    }
}

/// Leaves only the places that no metadata in place names.
fn forget_what_is_named_in_place(places: &mut BTreeSet<&Location>, collected: &Collected, index: &Index<'_>) {
    let names: HashSet<&[u8]> = places.iter().map(|place| place.name()).collect();
    if names.is_empty() {
        return;
    }
    for file in &collected.metadata {
        let (Place::Sweep | Place::Reference, Ok(content)) = (&file.place, &file.content) else { continue };
        for reference in &content.files.files {
            if !names.contains(content.files.names.get(reference.name).to_vec().as_slice()) {
                continue;
            }
            if let Some(place) = content.files.location(*reference) {
                places.remove(&index.canonical(&place));
            }
        }
    }
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
