//! Which recorded run moved a path: from what lies in the quarantines, and from the journals, beside the roots and on
//! this machine.
//!
//! A path is followed from run to run, oldest first: to where a sweep put it, from there to where it was restored, until
//! it was purged. A directory that was moved whole took all below it along. The records outlive what they tell of:
//! nothing deletes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use chksweep_core::plan::{Basis, Evidence, Rule};
use chksweep_core::{Equivalence, Location, Timestamp};
use chksweep_engine::journal::{self, ChainError, Done, Found, Operation, Outcome, Record, Start};
use chksweep_engine::{QuarantinedRun, ReadStores, own};
use chksweep_store::ErrorKind;
use serde::Serialize;

use crate::next::quoted;

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
    /// When it started.
    pub(crate) started_at: Option<Timestamp>,
    /// Its command.
    pub(crate) command: Option<String>,
    /// Name and version of the program.
    pub(crate) tool: Option<String>,
    /// Who ran it.
    pub(crate) user: Option<String>,
    /// On which machine.
    pub(crate) host: Option<String>,
    /// As which process.
    pub(crate) pid: Option<u32>,
    /// Who approved its plan.
    pub(crate) approved_by: Option<String>,
    /// The digest of that plan.
    pub(crate) plan_digest: Option<String>,
    /// When the batch began.
    pub(crate) at: Option<Timestamp>,
    /// What it did.
    pub(crate) operation: Operation,
    /// What became of that.
    pub(crate) outcome: Outcome,
    /// The rule that took it.
    pub(crate) rule: Option<Rule>,
    /// What that rested on.
    pub(crate) evidence: Option<Evidence>,
    /// Which reading it relied on.
    pub(crate) basis: Option<Basis>,
    /// The path that was moved: the one that is asked for, or a directory that it lay in.
    pub(crate) from: Location,
    /// Where it went.
    pub(crate) to: Option<Location>,
    /// Files in it.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// What was said.
    pub(crate) message: Option<String>,
    /// Of what lay below the path, not the path itself: how many operations.
    pub(crate) below: Option<u64>,
}

/// Where a path that was moved is now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Now {
    /// How it stands.
    pub(crate) state: State,
    /// Where it is, if anywhere.
    pub(crate) location: Option<Location>,
    /// The run that brought that about.
    pub(crate) run: String,
    /// When.
    pub(crate) at: Option<Timestamp>,
    /// The command that brings it back.
    pub(crate) restore: Option<String>,
}

/// How a path stands that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// In the quarantine.
    InQuarantine,
    /// In the quarantine by the records, and not there.
    Missing,
    /// In the trash of the storage.
    InTrash,
    /// Brought back on request.
    Restored,
    /// Brought back since something names it.
    Rescued,
    /// Put back by the run that moved it.
    PutBack,
    /// Deleted from the quarantine.
    Purged,
    /// Deleted.
    Deleted,
    /// A directory that was removed when it was empty.
    Removed,
    /// It cannot be told whether the last operation was done.
    Unknown,
}

/// What all journals tell of a path.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// What was done to it, oldest first.
    pub(crate) told: Vec<Told>,
    /// Where it is now; nothing where no run moved it.
    pub(crate) now: Option<Now>,
    /// What could not be read, in sentences.
    pub(crate) warnings: Vec<String>,
}

impl History {
    /// Returns whether no run is known to have touched the path, or anything below it.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

/// Where journals are searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// The stores of the roots.
    pub(crate) stores: &'a ReadStores,
    /// The root.
    pub(crate) root: &'a Location,
    /// Where records are kept on this machine.
    pub(crate) state_dir: Option<&'a Path>,
    /// Which spellings are one place.
    pub(crate) equivalence: &'a Equivalence,
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
            restore: restore(&run.root, &run.run_id, listed),
        });
    }
    found
}

fn restore(root: &Location, run: &str, path: &Location) -> String {
    let (root, path) = (quoted(&root.to_string()), quoted(&path.to_string()));
    format!("chksweep quarantine restore {root} --run {run} --path {path}")
}

/// Returns what the journals tell of a path.
pub(crate) async fn told(sources: Sources<'_>, listed: &Location) -> History {
    let mut history = History::default();
    let stored = stored_runs(sources, &mut history.warnings).await;
    let local = sources.state_dir.map(local_runs).unwrap_or_default();
    let mut tracker = Tracker::new(sources.equivalence, listed);
    let runs: BTreeSet<&String> = stored.iter().chain(&local).collect();
    for run in runs {
        let mut found = None;
        if stored.contains(run) {
            found = Some(read_stored(sources, run, &tracker).await);
        }
        let is_whole = found.as_ref().is_some_and(|(_, fault)| fault.is_none());
        if !is_whole && local.contains(run) {
            // The copy on this machine tells at least as much as one that is cut off or changed.
            let here = read_local(sources, run, &tracker);
            if here.1.is_none() || found.is_none() {
                found = Some(here);
            }
        }
        if let Some((read, fault)) = found {
            tracker = read;
            history
                .warnings
                .extend(fault.map(|why| format!("the record of run {run} cannot be read to its end: {why}")));
        }
    }
    let root = sources.root;
    let now = tracker.now.take();
    history.told = tracker.finish();
    history.now = match now {
        Some(now) => Some(as_it_is(sources, root, now, listed).await),
        None => None,
    };
    history
}

/// Looks whether what the records say lies in the quarantine does.
async fn as_it_is(sources: Sources<'_>, root: &Location, mut now: Now, listed: &Location) -> Now {
    if now.state != State::InQuarantine {
        return now;
    }
    let Some(location) = &now.location else { return now };
    let looked = match sources.stores.of(location) {
        Ok(store) => store.stat(location).await.map(|_| ()),
        Err(error) => Err(error),
    };
    if looked.is_err_and(|error| error.kind == ErrorKind::NotFound) {
        now.state = State::Missing;
    } else {
        now.restore = Some(restore(root, &now.run, listed));
    }
    now
}

async fn stored_runs(sources: Sources<'_>, warnings: &mut Vec<String>) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    let Ok(store) = sources.stores.of(sources.root) else { return runs };
    let mut sink = |entry: chksweep_store::Entry<'_>| runs.extend(run_of(entry.name));
    match store.list(&own::runs_directory(sources.root), &mut sink).await {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::NotFound => {}
        Err(error) => warnings.push(format!("the records beside the root cannot be listed: {error}")),
    }
    runs
}

fn local_runs(state_dir: &Path) -> BTreeSet<String> {
    use std::os::unix::ffi::OsStrExt as _;
    let entries = std::fs::read_dir(state_dir.join("runs")).into_iter().flatten().flatten();
    entries.filter_map(|entry| run_of(entry.file_name().as_bytes())).collect()
}

/// Returns the run whose journal has this name.
fn run_of(name: &[u8]) -> Option<String> {
    let run = std::str::from_utf8(name.strip_suffix(b".jsonl")?).ok()?;
    own::is_run_id(run).then(|| run.to_owned())
}

type Read<'a> = (Tracker<'a>, Option<String>);

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
    let fault = why(read.map_err(|error| error.to_string()));
    (tracker, fault)
}

fn read_local<'a>(sources: Sources<'_>, run: &str, before: &Tracker<'a>) -> Read<'a> {
    let mut tracker = before.clone();
    tracker.begin(run);
    let path = journal::local_file(sources.state_dir.unwrap_or(Path::new("")), run);
    let read =
        File::open(&path).and_then(|file| journal::read_local_lines(file, |record| tracker.take(record)));
    let fault = why(read.map_err(|error| error.to_string()));
    (tracker, fault)
}

fn why(read: Result<Option<ChainError>, String>) -> Option<String> {
    match read {
        Ok(fault) => fault.map(|fault| fault.to_string()),
        Err(error) => Some(error),
    }
}

/// Follows a path from record to record.
#[derive(Clone, Debug)]
struct Tracker<'a> {
    equivalence: &'a Equivalence,
    listed: Location,
    /// Where the path has been.
    places: BTreeSet<Location>,
    /// Where the directory of this path would be that holds what was moved from below it.
    mirrors: BTreeSet<Location>,
    run: String,
    start: Option<Start>,
    /// When each batch of this run began, and on what it relied.
    batch: (u64, Option<Timestamp>, Option<Basis>),
    told: Vec<Told>,
    below: BTreeMap<(String, Operation, Outcome), Told>,
    now: Option<Now>,
}

impl<'a> Tracker<'a> {
    fn new(equivalence: &'a Equivalence, listed: &Location) -> Self {
        let listed = equivalence.canonical(listed);
        Self {
            equivalence,
            places: BTreeSet::from([listed.clone()]),
            listed,
            mirrors: BTreeSet::new(),
            run: String::new(),
            start: None,
            batch: (0, None, None),
            told: Vec::new(),
            below: BTreeMap::new(),
            now: None,
        }
    }

    fn begin(&mut self, run: &str) {
        run.clone_into(&mut self.run);
        self.start = None;
        self.batch = (0, None, None);
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Start(start) => self.start = Some(*start),
            Record::Intent(intent) => self.batch = (intent.batch, intent.at, intent.basis),
            Record::Operation(done) | Record::Rescue(done) => self.done(&done),
            Record::Settled(settled) => {
                let outcome = match settled.found {
                    Found::Target => Outcome::Done,
                    Found::PutBack => Outcome::PutBack,
                    Found::Source => Outcome::NotStarted,
                    Found::Both | Found::Neither => Outcome::Unknown,
                };
                let message = format!("settled for run {}, which was broken off", settled.run_id);
                self.done(&Done {
                    batch: 0,
                    operation: settled.operation,
                    outcome,
                    rule: None,
                    evidence: None,
                    job: None,
                    files: 0,
                    bytes: 0,
                    mtime: None,
                    from: settled.from,
                    to: settled.to,
                    message: Some(message),
                });
            }
            Record::End(_) => {}
        }
    }

    fn done(&mut self, done: &Done) {
        let from = self.equivalence.canonical(&done.from.0);
        let is_tree =
            matches!(done.operation, Operation::QuarantineTree | Operation::Purge | Operation::PutBack);
        let hit =
            self.places.iter().find(|place| **place == from || (is_tree && place.is_within(&from))).cloned();
        if let Some(place) = hit {
            let rest = place.below(&from).unwrap_or_default().to_vec();
            let to =
                done.to.as_ref().map(|to| if rest.is_empty() { to.0.clone() } else { to.0.child(&rest) });
            self.told.push(self.event(done, to.clone(), None));
            self.stands(done, to);
            return;
        }
        let mirror =
            self.mirrors.iter().any(|mirror| from.is_within(mirror) || (is_tree && mirror.is_within(&from)));
        if from.is_within(&self.listed) || mirror {
            self.below(done, &from);
        }
    }

    /// Something below the path was moved: what became of it is summed up by run.
    fn below(&mut self, done: &Done, from: &Location) {
        if let (Some(rest), Some(to)) = (from.below(&self.listed), &done.to) {
            let to = self.equivalence.canonical(&to.0);
            let up = rest.split(|b| *b == b'/').count();
            let mirror = std::iter::successors(Some(to), Location::parent).nth(up);
            self.mirrors.extend(mirror.filter(|mirror| !self.listed.is_within(mirror)));
        }
        let key = (self.run.clone(), done.operation, done.outcome);
        let (files, bytes) = (done.files, done.bytes);
        if let Some(known) = self.below.get_mut(&key) {
            known.files = known.files.saturating_add(files);
            known.bytes = known.bytes.saturating_add(bytes);
            known.below = known.below.map(|count| count + 1);
            return;
        }
        let first = self.event(done, done.to.as_ref().map(|to| to.0.clone()), Some(1));
        self.below.insert(key, first);
    }

    fn event(&self, done: &Done, to: Option<Location>, below: Option<u64>) -> Told {
        let start = self.start.as_ref();
        let (batch, at, basis) = &self.batch;
        let own_batch = *batch == done.batch;
        Told {
            run: self.run.clone(),
            started_at: start.map(|start| start.at),
            command: start.map(|start| start.command.clone()),
            tool: start.map(|start| start.tool.clone()),
            user: start.map(|start| start.user.clone()),
            host: start.map(|start| start.host.clone()),
            pid: start.and_then(|start| start.pid),
            approved_by: start.and_then(|start| start.approved_by.clone()),
            plan_digest: start.and_then(|start| start.plan_digest.clone()),
            at: at.filter(|_| own_batch),
            operation: done.operation,
            outcome: done.outcome,
            rule: done.rule,
            evidence: done.evidence.clone(),
            basis: basis.clone().filter(|_| own_batch),
            from: done.from.0.clone(),
            to,
            files: done.files,
            bytes: done.bytes,
            message: done.message.clone(),
            below,
        }
    }

    fn stands(&mut self, done: &Done, to: Option<Location>) {
        let state = match (done.outcome, done.operation) {
            (Outcome::Unknown, _) => State::Unknown,
            (Outcome::PutBack, _) | (Outcome::Done, Operation::PutBack) => State::PutBack,
            (Outcome::Done, Operation::Quarantine | Operation::QuarantineTree) => State::InQuarantine,
            (Outcome::Done, Operation::Trash) => State::InTrash,
            (Outcome::Done, Operation::Delete) => State::Deleted,
            (Outcome::Done, Operation::RemoveDirectory) => State::Removed,
            (Outcome::Done, Operation::Restore) => State::Restored,
            (Outcome::Done, Operation::Rescue) => State::Rescued,
            (Outcome::Done, Operation::Purge) => State::Purged,
            (
                Outcome::AlreadyGone
                | Outcome::Changed
                | Outcome::NotEmpty
                | Outcome::Failed
                | Outcome::NotStarted,
                _,
            ) => return,
        };
        let at = self.batch.1.filter(|_| self.batch.0 == done.batch);
        let at = at.or_else(|| self.start.as_ref().map(|start| start.at));
        let location = match state {
            State::PutBack => Some(self.listed.clone()),
            State::InQuarantine | State::InTrash | State::Restored | State::Rescued => to.clone(),
            State::Unknown | State::Missing | State::Purged | State::Deleted | State::Removed => None,
        };
        self.places.extend(to.map(|to| self.equivalence.canonical(&to)));
        self.now = Some(Now { state, location, run: self.run.clone(), at, restore: None });
    }

    /// Returns what was told, in the order of the runs.
    fn finish(self) -> Vec<Told> {
        let mut told = self.told;
        told.extend(self.below.into_values());
        // Stable: what one run did to the path itself stays in its order.
        told.sort_by(|a, b| a.run.cmp(&b.run));
        told
    }
}
