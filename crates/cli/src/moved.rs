//! Which recorded run moved a path: from what lies in the quarantines, and from the journals beside the roots.

use chksweep_core::{Location, Timestamp};
use chksweep_engine::journal::{Operation, Outcome, Record};
use chksweep_engine::{QuarantinedRun, ReadStores, own};
use chksweep_store::ErrorKind;
use serde::Serialize;

/// How many journals are searched, the newest first.
const JOURNALS: usize = 1000;
/// The largest journal that is searched.
const JOURNAL_BYTES: u64 = 512 << 20;

/// What lies in a quarantine of a path.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetAside {
    /// The run that moved it.
    pub(crate) run: String,
    /// The root.
    pub(crate) root: Location,
    /// When the run started.
    pub(crate) started_at: Option<Timestamp>,
    /// Where it lies; of a directory, one of its files.
    pub(crate) location: Location,
    /// How many files.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The command that brings it back.
    pub(crate) restore: String,
}

/// What a journal tells of a path.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// The run.
    pub(crate) run: String,
    /// What it did.
    pub(crate) operation: Operation,
    /// What became of that.
    pub(crate) outcome: Outcome,
    /// The rule that took it.
    pub(crate) rule: Option<chksweep_core::plan::Rule>,
    /// Where it went.
    pub(crate) to: Option<Location>,
}

/// Returns what lies in quarantine of a path, or of what lay below it.
pub(crate) fn set_aside(runs: &[QuarantinedRun], listed: &Location) -> Vec<SetAside> {
    let mut found = Vec::new();
    for run in runs {
        let mut files = run.files.iter().filter(|file| file.original.is_within(listed)).peekable();
        let Some(first) = files.peek() else { continue };
        let location = first.location.clone();
        let (count, bytes) =
            files.fold((0_u64, 0_u64), |(count, bytes), file| (count + 1, bytes.saturating_add(file.length)));
        found.push(SetAside {
            run: run.run_id.clone(),
            root: run.root.clone(),
            started_at: run.started_at,
            location,
            files: count,
            bytes,
            restore: format!("chksweep quarantine restore {} --run {} --path {listed}", run.root, run.run_id),
        });
    }
    found
}

/// Returns what the journals beside a root tell of a path, newest run first.
pub(crate) async fn told(stores: &ReadStores, root: &Location, listed: &Location) -> Vec<Told> {
    let Ok(store) = stores.of(root) else { return Vec::new() };
    let mut names: Vec<Vec<u8>> = Vec::new();
    let directory = own::runs_directory(root);
    let mut sink = |entry: chksweep_store::Entry<'_>| {
        if entry.name.ends_with(b".jsonl") {
            names.push(entry.name.to_vec());
        }
    };
    if let Err(error) = store.list(&directory, &mut sink).await
        && error.kind != ErrorKind::NotFound
    {
        tracing::warn!(%error, "the journals cannot be searched");
        return Vec::new();
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = Vec::new();
    for name in names.into_iter().take(JOURNALS) {
        let journal = directory.child(&name);
        let run = String::from_utf8_lossy(name.strip_suffix(b".jsonl").unwrap_or(&name)).into_owned();
        match store.read(&journal, JOURNAL_BYTES).await {
            Ok(bytes) => found.extend(in_journal(&bytes, &run, listed)),
            Err(error) => tracing::warn!(%error, "a journal cannot be searched"),
        }
    }
    found
}

fn in_journal(bytes: &[u8], run: &str, listed: &Location) -> Vec<Told> {
    bytes
        .split(|b| *b == b'\n')
        .filter_map(|line| match serde_json::from_slice(line).ok()? {
            Record::Operation(done) | Record::Rescue(done) => Some(done),
            Record::Start(_) | Record::Intent(_) | Record::Settled(_) | Record::End(_) => None,
        })
        .filter(|done| {
            let is_tree = matches!(done.operation, Operation::QuarantineTree | Operation::Purge);
            let here = |place: &Location| place == listed || (is_tree && listed.is_within(place));
            here(&done.from.0) || done.to.as_ref().is_some_and(|to| to.0 == *listed)
        })
        .map(|done| Told {
            run: run.to_owned(),
            operation: done.operation,
            outcome: done.outcome,
            rule: done.rule,
            to: done.to.map(|to| to.0),
        })
        .collect()
}
