//! Follows a path from record to record.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::plan::Basis;
use chksweep_core::{Equivalence, Location, Timestamp, layout};
use chksweep_engine::journal::{Done, Found, Intent, IntentPath, Operation, Outcome, Record, Settled, Start};

use super::{Now, State, Told};

/// An operation of a run.
type Key = (String, Operation, Location);

/// Where the path is, as far as the records that were taken tell.
#[derive(Clone, Debug)]
pub(super) struct Tracker<'a> {
    equivalence: &'a Equivalence,
    listed: Location,
    /// Where the path lies, and copies of it that earlier runs set aside: its own place, and places in quarantines.
    places: BTreeSet<Location>,
    /// Where the directory of this path would be that holds what was moved from below it.
    mirrors: BTreeSet<Location>,
    run: RunSoFar,
    /// How many runs were taken.
    runs: usize,
    told: Vec<(usize, Told)>,
    below: BTreeMap<(String, Operation, Outcome), (usize, Told)>,
    /// Of what it cannot be told whether it was done: where that stands in `told` and from where the path went, or
    /// nothing where it is one of many below the path.
    open: BTreeMap<Key, Option<(usize, Location)>>,
    /// Where the path was when that was last known.
    known: Option<Now>,
    /// What may have happened to it since.
    unknown: Option<Now>,
}

/// What the record of one run has told so far.
#[derive(Clone, Debug, Default)]
struct RunSoFar {
    id: String,
    start: Option<Start>,
    /// When the batch began, and on what it relied.
    batch: (u64, Option<Timestamp>, Option<Basis>),
    /// What was begun that concerns the path, and of which no outcome was told yet.
    begun: Vec<IntentPath>,
    lines: u64,
    ended: bool,
}

/// In which way an operation concerns the path.
enum Concern {
    /// It moves the path itself, from this place: as it is, or a directory around it.
    Path(Location),
    /// It moves something below it.
    Below,
}

impl<'a> Tracker<'a> {
    pub(super) fn new(equivalence: &'a Equivalence, listed: &Location) -> Self {
        let listed = equivalence.canonical(listed);
        Self {
            equivalence,
            places: BTreeSet::from([listed.clone()]),
            listed,
            mirrors: BTreeSet::new(),
            run: RunSoFar::default(),
            runs: 0,
            told: Vec::new(),
            below: BTreeMap::new(),
            open: BTreeMap::new(),
            known: None,
            unknown: None,
        }
    }

    /// Begins the record of a run.
    pub(super) fn begin(&mut self, run: &str) {
        self.runs += 1;
        self.run = RunSoFar { id: run.to_owned(), ..RunSoFar::default() };
    }

    /// Returns whether the record that was taken last has its end.
    pub(super) fn has_ended(&self) -> bool {
        self.run.ended
    }

    /// Returns how many lines of the record that was taken last were read.
    pub(super) fn lines(&self) -> u64 {
        self.run.lines
    }

    /// Takes a line of the record.
    pub(super) fn take(&mut self, record: Record) {
        self.run.lines += 1;
        match record {
            Record::Start(start) => self.run.start = Some(*start),
            Record::Intent(intent) => self.intent(intent),
            Record::Operation(done) | Record::Rescue(done) => {
                self.run.begun.retain(|path| (path.operation, &path.from) != (done.operation, &done.from));
                self.done(&done);
            }
            Record::Settled(settled) => self.settled(&settled),
            Record::End(_) => self.run.ended = true,
        }
    }

    /// Ends the record of a run: of what it had begun, and tells no outcome, nothing is known yet.
    pub(super) fn end_of_record(&mut self) {
        for path in std::mem::take(&mut self.run.begun) {
            let message = "the run was broken off before it told what became of it".to_owned();
            self.done(&Done {
                batch: self.run.batch.0,
                operation: path.operation,
                outcome: Outcome::Unknown,
                rule: path.rule,
                evidence: path.evidence,
                job: None,
                files: 0,
                bytes: 0,
                mtime: None,
                from: path.from,
                to: path.to,
                message: Some(message),
            });
        }
    }

    fn intent(&mut self, intent: Intent) {
        self.run.batch = (intent.batch, intent.at, intent.basis);
        let concerning =
            intent.paths.into_iter().filter(|path| self.concern(path.operation, &path.from.0).is_some());
        let begun: Vec<IntentPath> = concerning.collect();
        self.run.begun.extend(begun);
    }

    fn concern(&self, operation: Operation, from: &Location) -> Option<Concern> {
        let from = self.equivalence.canonical(from);
        let is_tree = matches!(operation, Operation::QuarantineTree | Operation::Purge | Operation::PutBack);
        let around = |place: &Location| is_tree && place.is_within(&from);
        if let Some(place) = self.places.iter().find(|place| **place == from || around(place)) {
            return Some(Concern::Path(place.clone()));
        }
        let mirrored = || self.mirrors.iter().any(|mirror| from.is_within(mirror) || around(mirror));
        (from.is_within(&self.listed) || mirrored()).then_some(Concern::Below)
    }

    fn done(&mut self, done: &Done) {
        let key = (self.run.id.clone(), done.operation, done.from.0.clone());
        let open = match self.concern(done.operation, &done.from.0) {
            None => return,
            Some(Concern::Path(place)) => {
                let from = self.equivalence.canonical(&done.from.0);
                let rest = place.below(&from).unwrap_or_default().to_vec();
                let to = done.to.as_ref();
                let to = to.map(|to| if rest.is_empty() { to.0.clone() } else { to.0.child(&rest) });
                let told = self.event(done, to, None);
                self.stands(&told, &place);
                self.told.push((self.runs, told));
                Some((self.told.len() - 1, place))
            }
            Some(Concern::Below) => {
                self.mirror(&done.from.0, done.to.as_ref().map(|to| &to.0));
                let told = self.event(done, done.to.as_ref().map(|to| to.0.clone()), Some(1));
                self.add_below(self.runs, told);
                None
            }
        };
        if done.outcome == Outcome::Unknown {
            self.open.insert(key, open);
        }
    }

    /// Something below the path goes elsewhere: where the path would be there.
    fn mirror(&mut self, from: &Location, to: Option<&Location>) {
        let from = self.equivalence.canonical(from);
        let (Some(rest), Some(to)) = (from.below(&self.listed), to) else { return };
        let to = self.equivalence.canonical(to);
        let up = rest.split(|b| *b == b'/').count();
        let mirror = std::iter::successors(Some(to), Location::parent).nth(up);
        self.mirrors.extend(mirror.filter(|mirror| !self.listed.is_within(mirror)));
    }

    /// What became of what lay below the path is summed up by run.
    fn add_below(&mut self, run: usize, told: Told) {
        let key = (told.run.clone(), told.operation, told.outcome);
        let Some((_, known)) = self.below.get_mut(&key) else {
            self.below.insert(key, (run, told));
            return;
        };
        known.files = known.files.saturating_add(told.files);
        known.bytes = known.bytes.saturating_add(told.bytes);
        known.below = known.below.map(|count| count + 1);
    }

    /// A later run found out what became of what a broken-off one had begun: it stays the deed of that one.
    fn settled(&mut self, settled: &Settled) {
        let (outcome, found) = match settled.found {
            Found::Target => (Outcome::Done, "it lay at its new place"),
            Found::PutBack => {
                (Outcome::PutBack, "it had been moved with more than was planned, and was put back")
            }
            Found::Source => (Outcome::NotStarted, "it lay at its old place"),
            Found::Both => (Outcome::Unknown, "something lay at both places"),
            Found::Neither => (Outcome::Unknown, "it was no longer there"),
        };
        let message = format!("the run was broken off; run {} looked: {found}", self.run.id);
        let by = self.run.id.clone();
        let told = move |told: &mut Told| {
            told.outcome = outcome;
            told.message = Some(message);
            told.settled_by = Some(by);
        };
        let key = (settled.run_id.clone(), settled.operation, settled.from.0.clone());
        match self.open.remove(&key) {
            Some(Some((at, place))) => {
                let Some((_, known)) = self.told.get_mut(at) else { return };
                told(known);
                let known = known.clone();
                self.stands(&known, &place);
            }
            Some(None) => self.settled_below(key, told),
            None => {}
        }
    }

    fn settled_below(&mut self, (run, operation, _): Key, change: impl FnOnce(&mut Told)) {
        let open = (run, operation, Outcome::Unknown);
        let Some((at, known)) = self.below.get_mut(&open) else { return };
        let (at, mut one) = (*at, known.clone());
        known.below = known.below.map(|count| count.saturating_sub(1));
        if known.below == Some(0) {
            self.below.remove(&open);
        }
        one.below = Some(1);
        change(&mut one);
        self.add_below(at, one);
    }

    fn event(&self, done: &Done, to: Option<Location>, below: Option<u64>) -> Told {
        let start = self.run.start.as_ref();
        let (batch, at, basis) = &self.run.batch;
        let own_batch = *batch == done.batch;
        Told {
            run: self.run.id.clone(),
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
            settled_by: None,
            from: done.from.0.clone(),
            to,
            files: done.files,
            bytes: done.bytes,
            message: done.message.clone(),
            below,
        }
    }

    /// Something was done to the path where it lay at `place`.
    fn stands(&mut self, told: &Told, place: &Location) {
        let to = told.to.as_ref().map(|to| self.equivalence.canonical(to));
        let Some(state) = state_after(told.operation, told.outcome, to.as_ref()) else {
            // Nothing was done after all, of what had seemed open.
            self.unknown.take_if(|now| now.run == told.run);
            self.places.retain(|place| *place == self.listed || Some(place) != to.as_ref());
            return;
        };
        let location = match state {
            State::PutBack => Some(self.listed.clone()),
            State::InQuarantine | State::InTrash | State::Restored | State::Rescued => told.to.clone(),
            State::Unknown
            | State::Missing
            | State::Purged
            | State::Deleted
            | State::Removed
            | State::There => None,
        };
        let at = told.at.or(told.started_at);
        let now = Now { state, location, run: told.run.clone(), at, restore: None };
        // A job may make the path anew, and each run that takes it sets a copy aside: all of them are followed.
        if state == State::PutBack {
            self.places.retain(|place| *place == self.listed || Some(place) != to.as_ref());
        } else {
            self.places.extend(to);
        }
        if state == State::Unknown {
            self.unknown = Some(now);
            return;
        }
        if state != State::PutBack {
            self.places.retain(|other| other != place || *other == self.listed);
        }
        self.known = Some(now);
        self.unknown = None;
    }

    /// Returns what was told, in the order of the runs, and where the path is now.
    pub(super) fn finish(self) -> (Vec<Told>, Option<Now>) {
        let mut told = self.told;
        told.extend(self.below.into_values());
        // Stable: what one run did to the path itself stays in its order.
        told.sort_by_key(|(run, _)| *run);
        (told.into_iter().map(|(_, told)| told).collect(), self.unknown.or(self.known))
    }
}

/// How a path stands after an operation on it; nothing where that changed nothing.
fn state_after(operation: Operation, outcome: Outcome, to: Option<&Location>) -> Option<State> {
    Some(match (outcome, operation) {
        (Outcome::Unknown, _) => State::Unknown,
        (Outcome::PutBack, _) | (Outcome::Done, Operation::PutBack) => State::PutBack,
        // A restore that failed half-way sets aside again what it had brought back.
        (Outcome::Done, Operation::Restore | Operation::Rescue) if to.is_some_and(layout::is_own) => {
            State::InQuarantine
        }
        (Outcome::Done, Operation::Restore) => State::Restored,
        (Outcome::Done, Operation::Rescue) => State::Rescued,
        (Outcome::Done, Operation::Quarantine | Operation::QuarantineTree) => State::InQuarantine,
        (Outcome::Done, Operation::Trash) => State::InTrash,
        (Outcome::Done, Operation::Delete) => State::Deleted,
        (Outcome::Done, Operation::RemoveDirectory) => State::Removed,
        (Outcome::Done, Operation::Purge) => State::Purged,
        (
            Outcome::AlreadyGone
            | Outcome::Changed
            | Outcome::NotEmpty
            | Outcome::Failed
            | Outcome::NotStarted,
            _,
        ) => return None,
    })
}
