//! The journals in which a path is followed: which there are, in which order, and which copy of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use chksweep_core::{Equivalence, Location, Timestamp};
use chksweep_engine::journal::{self, ChainError, First, Start};
use chksweep_engine::{own, trust};
use chksweep_store::ErrorKind;

use super::Sources;
use super::tracker::Tracker;

/// The copies of a run's journal.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    stored: bool,
    local: bool,
}

/// Takes the records of all runs that may have touched a path, oldest first.
pub(super) async fn follow<'a>(
    sources: Sources<'_>,
    listed: &Location,
    mut tracker: Tracker<'a>,
    warnings: &mut Vec<String>,
) -> Tracker<'a> {
    let mut runs: BTreeMap<String, Copies> = BTreeMap::new();
    for run in stored_runs(sources, warnings).await {
        runs.entry(run).or_default().stored = true;
    }
    for run in sources.state_dir.map(local_runs).unwrap_or_default() {
        runs.entry(run).or_default().local = true;
    }
    let mut ordered: Vec<(Option<Timestamp>, String, Copies)> = Vec::new();
    for (run, copies) in runs {
        let first = first_of(sources, &run, copies).await;
        if !copies.stored && !may_have_touched(sources.equivalence, listed, first.as_ref()) {
            continue;
        }
        ordered.push((first.map(|start| start.at), run, copies));
    }
    // By the clock of the storage: ids of runs that started within a second do not tell which was first.
    ordered.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    for (_, run, copies) in ordered {
        let (read, fault) = best_copy(sources, &run, copies, &tracker).await;
        tracker = read;
        warnings.extend(fault.map(|why| format!("the record of run {run} cannot be read to its end: {why}")));
    }
    tracker
}

/// Whether a run of which only this machine knows had a root around the path.
fn may_have_touched(equivalence: &Equivalence, listed: &Location, start: Option<&Start>) -> bool {
    let listed = equivalence.canonical(listed);
    start.is_some_and(|start| {
        start
            .roots
            .iter()
            .map(|root| equivalence.canonical(&root.0))
            .any(|root| listed.is_within(&root) || root.is_within(&listed))
    })
}

async fn first_of(sources: Sources<'_>, run: &str, copies: Copies) -> Option<Start> {
    let mut first = First::Nothing;
    if copies.local
        && let Ok(file) = File::open(local_file(sources, run))
    {
        first = journal::local_first_of(BufReader::new(file)).unwrap_or(First::Nothing);
    }
    if first == First::Nothing
        && copies.stored
        && let Ok(store) = sources.stores.of(sources.root)
    {
        let journal = own::journal_file(sources.root, run);
        first = journal::first_of(store.as_ref(), &journal).await.unwrap_or(First::Nothing);
    }
    match first {
        First::Start(start) => Some(*start),
        First::Newer(_) | First::Nothing => None,
    }
}

async fn stored_runs(sources: Sources<'_>, warnings: &mut Vec<String>) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    let Ok(store) = sources.stores.of(sources.root) else { return runs };
    let directory = own::runs_directory(sources.root);
    let mut sink = |entry: chksweep_store::Entry<'_>| runs.extend(run_of(entry.name));
    match store.list(&directory, &mut sink).await {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::NotFound => return runs,
        Err(error) => warnings.push(format!("the records beside the root cannot be listed: {error}")),
    }
    if let Err(error) = trust::of_path(store.as_ref(), sources.root, &directory).await {
        warnings.push(format!("others may have written the records beside the root: {error}"));
    }
    runs
}

fn local_runs(state_dir: &Path) -> BTreeSet<String> {
    use std::os::unix::ffi::OsStrExt as _;
    let entries = std::fs::read_dir(state_dir.join("runs")).into_iter().flatten().flatten();
    entries.filter_map(|entry| run_of(entry.file_name().as_bytes())).collect()
}

fn local_file(sources: Sources<'_>, run: &str) -> std::path::PathBuf {
    journal::local_file(sources.state_dir.unwrap_or(Path::new("")), run)
}

/// Returns the run whose journal has this name.
fn run_of(name: &[u8]) -> Option<String> {
    let run = std::str::from_utf8(name.strip_suffix(b".jsonl")?).ok()?;
    own::is_run_id(run).then(|| run.to_owned())
}

type Read<'a> = (Tracker<'a>, Option<String>);

/// Reads the copy on this machine, and the one beside the root where that does not tell of the end of the run: what
/// was cut off or changed tells less than the other.
async fn best_copy<'a>(sources: Sources<'_>, run: &str, copies: Copies, before: &Tracker<'a>) -> Read<'a> {
    let local = copies.local.then(|| read_local(sources, run, before));
    if let Some(local) = local {
        if !copies.stored || (local.1.is_none() && local.0.has_ended()) {
            return local;
        }
        let stored = read_stored(sources, run, before).await;
        let worth = |read: &Read<'_>| (read.1.is_none(), read.0.lines());
        return if worth(&stored) > worth(&local) { stored } else { local };
    }
    read_stored(sources, run, before).await
}

async fn read_stored<'a>(sources: Sources<'_>, run: &str, before: &Tracker<'a>) -> Read<'a> {
    let mut tracker = before.clone();
    tracker.begin(run);
    let read = match sources.stores.of(sources.root) {
        Ok(store) => {
            let journal = own::journal_file(sources.root, run);
            journal::read_lines(store.as_ref(), &journal, |record| tracker.take(record)).await
        }
        Err(error) => Err(error),
    };
    tracker.end_of_record();
    (tracker, why(read.map_err(|error| error.to_string())))
}

fn read_local<'a>(sources: Sources<'_>, run: &str, before: &Tracker<'a>) -> Read<'a> {
    let mut tracker = before.clone();
    tracker.begin(run);
    let read = File::open(local_file(sources, run))
        .and_then(|file| journal::read_local_lines(file, |record| tracker.take(record)));
    tracker.end_of_record();
    (tracker, why(read.map_err(|error| error.to_string())))
}

fn why(read: Result<Option<ChainError>, String>) -> Option<String> {
    match read {
        Ok(fault) => fault.map(|fault| fault.to_string()),
        Err(error) => Some(error),
    }
}
