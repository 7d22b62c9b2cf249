//! Searching operator state for the names of task-owned files.
//!
//! A write-ahead sink keeps its buffers as plain files in `taskowned` and names them inside its operator state, in
//! whatever form its serializer gives them: no handle in any `_metadata` does. So before such a file may go, the
//! operator state of every snapshot that may be restored with it is searched for its UUID: as text with bit 7
//! cleared (Kryo sets it on the last character), and as sixteen raw bytes.
//!
//! The result is a claim on which files are deleted, so it is made only where all of it is true:
//!
//! - *Searched, nothing found* is said of a snapshot without any operator state, and of one whose every stream was
//!   searched to its end: those inside the metadata, and those in files. A file that is missing (also by its base
//!   name), too large, compressed, shorter than listed or perhaps still open for writing makes the whole snapshot
//!   *not searched*.
//! - A snapshot that is *not relevant* is not searched, and is not said to have been. Whoever asks about it after
//!   all, by another idea of relevance, gets the cautious answer. Relevance only decides which files are opened.
//! - When no task-owned file is in doubt, nothing is opened at all. In doubt are those, in place and in quarantine, that
//!   no metadata names by its path. One that some metadata names was made by the changelog and is no buffer of a sink:
//!   Flink hands out the stream of a task-owned file to one of the two. What quarantined metadata names stays in doubt.
//!
//! What was set aside is looked for as well, for a rescue, an undo and a purge ask who names it. A purge must know, too,
//! which snapshots may name it and could not be searched.
//!
//! Relevant are: what lies in the job directory of a file in doubt, or in another directory of the same job id; all
//! snapshots of a job any of whose metadata names anything under that job directory; snapshots that cannot be
//! attributed to another job; and whatever has an operator in common with the job that wrote the file, or may have
//! one. Version 1 tells of operators that later versions do not have: never said to have been searched.
//!
//! Opening a file changes its access time, by which others tell whether a snapshot is in use. So each file is looked
//! at before and after, and a change is reported as ours. On HDFS a second access within the hour leaves no trace:
//! what was not changed is not reported, and so keeps.

mod doubt;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chksweep_core::plan::{MetadataFile, OperatorStateSearch};
use chksweep_core::{Content, Inventory, Location, NameRef, Timestamp, Uuid};

use self::doubt::Doubt;
use self::files::FileSearch;
use super::passes::KnownMetadata;
use super::request::CollectRequest;
use super::roots::Root;
use crate::collected::QuarantinedRun;

/// Where the files lie that may be named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lying<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) quarantine: &'a [QuarantinedRun],
}

/// The metadata with what the search found, and the files whose access time it changed.
#[derive(Debug, Default)]
pub(super) struct Searched {
    pub(super) metadata: Vec<MetadataFile>,
    /// Those that may name what lies in quarantine, and were not searched to the end.
    pub(super) unsearched: BTreeSet<Location>,
    pub(super) opened: Vec<(Location, Timestamp)>,
}

/// Searches the operator state of every relevant snapshot.
pub(super) async fn search(
    request: &CollectRequest<'_>,
    roots: &[Root],
    lying: Lying<'_>,
    metadata: Vec<KnownMetadata>,
) -> Searched {
    let equivalence = request.equivalence;
    let in_place = Doubt::new(equivalence, doubt::in_place(equivalence, lying.inventory), &metadata);
    let set_aside = Doubt::new(equivalence, doubt::set_aside(equivalence, lying.quarantine), &metadata);
    let mut candidates = in_place.files();
    candidates.extend(set_aside.files());
    candidates.sort_unstable();
    candidates.dedup();
    let candidates = Arc::new(candidates);
    let relevant: Vec<bool> = metadata
        .iter()
        .map(|known| {
            may_be_searched(known) && (in_place.concerns(&known.file) || set_aside.concerns(&known.file))
        })
        .collect();
    let mut wanted: BTreeSet<Location> = BTreeSet::new();
    for (known, _) in metadata.iter().zip(&relevant).filter(|(_, relevant)| **relevant) {
        wanted.extend(state_files(known));
    }
    let search = FileSearch { request, roots, lying, candidates: Arc::clone(&candidates) };
    let files = search.run(wanted).await;
    let metadata: Vec<MetadataFile> = metadata
        .into_iter()
        .zip(relevant)
        .map(|(known, relevant)| {
            let result = result_of(&known, relevant, &candidates, &files.found);
            MetadataFile { operator_state: result, ..known.file }
        })
        .collect();
    let is_unsearched = |file: &&MetadataFile| {
        file.content.is_ok()
            && file.operator_state == OperatorStateSearch::NotSearched
            && set_aside.concerns(file)
    };
    let unsearched = metadata.iter().filter(is_unsearched).map(|file| file.location.clone()).collect();
    Searched { metadata, unsearched, opened: files.opened }
}

/// Returns whether a search of this snapshot can come to a result at all.
fn may_be_searched(known: &KnownMetadata) -> bool {
    known.file.content.as_ref().is_ok_and(|content| {
        let inline = !content.inline_operator_state || known.raw.is_some();
        content.version > 1 && !content.compressed_operator_state && inline
    })
}

/// Returns the files of a snapshot that hold operator state.
fn state_files(known: &KnownMetadata) -> Vec<Location> {
    let Ok(content) = &known.file.content else { return Vec::new() };
    let file = |at: &u32| content.files.files.get(usize::try_from(*at).ok()?).copied();
    content
        .operator_state_files
        .iter()
        .filter_map(|at| file(at).and_then(|file| content.files.location(file)))
        .collect()
}

fn result_of(
    known: &KnownMetadata,
    relevant: bool,
    candidates: &[Uuid],
    files: &BTreeMap<Location, Option<Vec<Uuid>>>,
) -> OperatorStateSearch {
    let Ok(content) = &known.file.content else { return OperatorStateSearch::NotSearched };
    let has_state = content.inline_operator_state || !content.operator_state_files.is_empty();
    if !has_state && content.version > 1 {
        return OperatorStateSearch::Searched { found: Vec::new() };
    }
    let named = state_files(known);
    if !relevant || named.len() != content.operator_state_files.len() {
        return OperatorStateSearch::NotSearched;
    }
    let mut found = own_uuids(content);
    found.extend(known.raw.iter().flatten());
    for file in named {
        match files.get(&file) {
            Some(Some(uuids)) => found.extend(uuids),
            Some(None) | None => return OperatorStateSearch::NotSearched,
        }
    }
    found.retain(|uuid| candidates.binary_search(uuid).is_ok());
    found.sort_unstable();
    found.dedup();
    OperatorStateSearch::Searched { found }
}

/// Returns the UUIDs that stand in the metadata as text, file names included.
fn own_uuids(content: &Content) -> Vec<Uuid> {
    let names = content.files.files.iter().filter_map(|file| match content.files.names.get(file.name) {
        NameRef::Uuid(uuid) => Some(uuid),
        NameRef::Other(_) => None,
    });
    names.chain(content.other_uuids.iter().copied()).collect()
}
