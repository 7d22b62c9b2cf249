//! Which recorded run moved a path: from what lies in the quarantines, and from the journals, beside the roots and on
//! this machine.
//!
//! A path is followed from run to run, oldest first: to where a sweep put it, from there to where it was restored, until
//! it was purged. A directory that was moved whole took all below it along. What a run that was killed had begun stands
//! in its journal with its rule and evidence, and what became of that in the journal of the run that settled it. The
//! records outlive what they tell of: nothing deletes them.

mod records;
mod tracker;

use std::path::Path;

use chksweep_core::plan::{Basis, Evidence, Rule};
use chksweep_core::{Equivalence, Location, Timestamp};
use chksweep_engine::journal::{Operation, Outcome};
use chksweep_engine::{QuarantinedRun, ReadStores, own};
use chksweep_store::ErrorKind;
use serde::Serialize;

use self::tracker::Tracker;
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
    /// The later run that found out what became of it, where its own was broken off.
    pub(crate) settled_by: Option<String>,
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
    /// There again, and no run is recorded that brought it back.
    There,
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

/// Returns what the journals tell of a path. `is_there`: whether something lies there now.
pub(crate) async fn told(sources: Sources<'_>, listed: &Location, is_there: bool) -> History {
    let mut history = History::default();
    let tracker = Tracker::new(sources.equivalence, listed);
    let tracker = records::follow(sources, listed, tracker, &mut history.warnings).await;
    let (told, now) = tracker.finish();
    history.told = told;
    history.now = match now {
        Some(now) => Some(as_it_is(sources, now, listed, is_there).await),
        None => None,
    };
    history
}

/// Looks whether what the records say of a path is so.
async fn as_it_is(sources: Sources<'_>, mut now: Now, listed: &Location, is_there: bool) -> Now {
    match now.state {
        State::Restored | State::Rescued | State::PutBack | State::There | State::Unknown => return now,
        State::InQuarantine | State::Missing => {}
        State::InTrash | State::Purged | State::Deleted | State::Removed => {
            if is_there {
                now.state = State::There;
                now.location = Some(listed.clone());
            }
            return now;
        }
    }
    let Some(location) = &now.location else { return now };
    let looked = match sources.stores.of(location) {
        Ok(store) => store.stat(location).await.map(|_| ()),
        Err(error) => Err(error),
    };
    if looked.is_err_and(|error| error.kind == ErrorKind::NotFound) {
        now.state = if is_there { State::There } else { State::Missing };
    } else {
        let run = run_of(sources.root, location).unwrap_or_else(|| now.run.clone());
        now.restore = Some(restore(sources.root, &run, listed));
    }
    now
}

/// Returns the run in whose quarantine a place lies.
fn run_of(root: &Location, place: &Location) -> Option<String> {
    let rest = place.below(&own::quarantine_directory(root))?;
    let run = std::str::from_utf8(rest.split(|b| *b == b'/').next()?).ok()?;
    own::is_run_id(run).then(|| run.to_owned())
}
