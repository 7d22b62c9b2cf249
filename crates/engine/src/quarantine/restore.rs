//! Bringing back on request.
//!
//! A file goes back whenever nothing lies at its old place: it cannot hurt there. A `_metadata` makes a checkpoint of
//! what lies around it, so it goes back only with everything that it names, and last, when all of that was looked
//! at and is there. What fails before that goes into the quarantine again.
//!
//! A `chk-N/_metadata` goes back in place only where no job will make that directory: a job whose id is used again
//! counts from 1, would come to N, and would delete what it finds there when it is done with it.

use std::collections::BTreeSet;

use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Equivalence, Inventory, Location};
use serde::Serialize;

use super::index::{Id, Index};
use super::leaving::{self, BATCH, tidy};
use super::select::Selection;
use super::whole::{self, Group};
use crate::actions::Action;
use crate::collected::{QuarantinedFile, QuarantinedRun};
use crate::events::Event;
use crate::execute::list_tree;
use crate::journal::{Operation, Outcome, Totals};
use crate::own;
use crate::records::RunRecord;
use crate::run::Run;

/// What is to be brought back, and what that is decided by.
#[derive(Debug)]
pub struct RestoreRequest<'a> {
    /// All metadata, as read just now.
    pub metadata: &'a [MetadataFile],
    /// Metadata that may name task-owned files in quarantine inside operator state that could not be searched.
    pub unsearched: &'a BTreeSet<Location>,
    /// What lies in the quarantines.
    pub quarantine: &'a [QuarantinedRun],
    /// Which spellings are one place.
    pub equivalence: &'a Equivalence,
    /// What is meant.
    pub selection: Selection,
    /// Where a `_metadata` goes that must not go back in place.
    pub to: Option<Location>,
    /// The records of runs: which jobs were declared dead when something was moved.
    pub records: &'a [RunRecord],
    /// The directories of jobs that are proved dead now, as printed; see [`super::dead_directories`].
    pub dead: &'a BTreeSet<String>,
}

/// Something that was brought back, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Where it lay in quarantine.
    pub from: Location,
    /// Where it is now, or was to be.
    pub to: Location,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not brought back.
    pub message: Option<String>,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The files, and the directories that were made again.
    pub restored: Vec<Restored>,
    /// What became of them, by count and bytes.
    pub outcomes: Totals,
    /// References of restored metadata to places that no open store serves: not looked at.
    pub unchecked: u64,
    /// Why it stopped before it was through, if it did.
    pub stopped: Option<String>,
    /// Those of [`RestoreReport::restored`] that are directories.
    #[serde(skip)]
    made: BTreeSet<Location>,
}

impl RestoreReport {
    /// Returns whether something that was meant did not come back.
    pub fn is_partly_done(&self) -> bool {
        self.stopped.is_some() || self.restored.iter().any(|file| file.outcome != Outcome::Done)
    }

    /// Returns the directories whose own mtime this changed, as printed; see [`crate::actions::Actions::touched`].
    /// Where a directory had to be made again, which `before` tells, the one that holds it changed as well.
    pub fn touched(&self, before: &Inventory) -> BTreeSet<String> {
        let made = self.made.iter().filter(|made| before.find_directory(made).is_none());
        let mut touched: BTreeSet<String> = made.map(ToString::to_string).collect();
        for file in &self.restored {
            let mut at = file.to.parent();
            while let Some(directory) = at {
                at = directory.parent().filter(|_| before.find_directory(&directory).is_none());
                touched.insert(directory.to_string());
            }
        }
        touched
    }

    pub(super) fn add(&mut self, restored: Restored, bytes: u64) {
        self.outcomes.entry(restored.outcome).or_default().add(1, bytes);
        self.restored.push(restored);
    }
}

/// Brings back what is meant. What cannot be brought back is reported, and the rest goes on.
///
/// A run whose record a newer program wrote is left alone: how it set things aside is not known.
pub async fn restore(run: &mut Run, request: &RestoreRequest<'_>) -> RestoreReport {
    let newer = |from: &QuarantinedRun| super::newer_schema(from, request.records);
    if request.quarantine.iter().all(|from| newer(from).is_none()) {
        return restore_understood(run, request).await;
    }
    let understood: Vec<QuarantinedRun> =
        request.quarantine.iter().filter(|from| newer(from).is_none()).cloned().collect();
    let narrowed = RestoreRequest {
        quarantine: &understood,
        selection: request.selection.clone(),
        to: request.to.clone(),
        ..*request
    };
    let mut report = restore_understood(run, &narrowed).await;
    for from in request.quarantine {
        let Some(schema) = newer(from) else { continue };
        if from.files.iter().any(|file| request.selection.takes(from, file, request.equivalence)) {
            let why =
                format!("its record has schema {schema}, written by a newer chksweep: restore it with that");
            let (from, to) = (from.location.clone(), from.root.clone());
            report.add(Restored { from, to, outcome: Outcome::Failed, message: Some(why) }, 0);
        }
    }
    report
}

async fn restore_understood(run: &mut Run, request: &RestoreRequest<'_>) -> RestoreReport {
    let index = Index::new(request.quarantine, request.equivalence);
    let takes = |id: &Id| {
        index.get(*id).is_some_and(|(from, file)| request.selection.takes(from, file, request.equivalence))
    };
    let selected: BTreeSet<Id> = index.ids().filter(takes).collect();
    let is_metadata =
        |id: &Id| index.get(*id).is_some_and(|(_, file)| Action::names_a_checkpoint(&file.original));
    let (metadata, plain): (Vec<Id>, Vec<Id>) = selected.iter().copied().partition(is_metadata);
    let empty = empty_directories(run, request).await;
    let mut work = Work {
        request,
        index: &index,
        back: BTreeSet::new(),
        left: BTreeSet::new(),
        total: u64::try_from(selected.len()).unwrap_or(u64::MAX),
        report: RestoreReport::default(),
    };
    for id in &metadata {
        work.group(run, *id, metadata.len()).await;
    }
    for batch in plain.chunks(BATCH) {
        work.files(run, batch).await;
    }
    for (from, original) in empty {
        work.directory(run, from, original).await;
    }
    let Work { left, mut report, .. } = work;
    tidy(run, left, &request.quarantine.iter().map(|from| from.location.clone()).collect()).await;
    report.stopped = run.stopped().map(|stop| stop.to_string());
    report
}

/// The directories that were empty when they were set aside, with where they were. To be asked before anything
/// moves.
async fn empty_directories(run: &Run, request: &RestoreRequest<'_>) -> Vec<(Location, Location)> {
    let mut out = Vec::new();
    for from in request.quarantine.iter().filter(|from| request.selection.takes_run(&from.run_id)) {
        let Ok(tree) = list_tree(&run.hands, &from.location).await else { continue };
        for (_, directory) in tree.directories().filter(|(id, _)| tree.is_empty(*id)) {
            let Some(original) = own::original_of(&from.root, &from.run_id, &directory.location) else {
                continue;
            };
            if request.selection.takes_place(from, &directory.location, &original, request.equivalence)
                && own::root_of(run.roots(), &original).is_some()
            {
                out.push((directory.location.clone(), original));
            }
        }
    }
    out
}

struct Work<'a> {
    request: &'a RestoreRequest<'a>,
    index: &'a Index<'a>,
    /// What is back already, or was tried.
    back: BTreeSet<Id>,
    /// Directories of the quarantine that may be empty now.
    left: BTreeSet<Location>,
    total: u64,
    report: RestoreReport,
}

impl Work<'_> {
    fn note(
        &mut self,
        run: &Run,
        from: &QuarantinedFile,
        to: &Location,
        outcome: Outcome,
        message: Option<String>,
    ) {
        if outcome == Outcome::Done {
            self.left.extend(from.location.parent());
        }
        let restored = Restored { from: from.location.clone(), to: to.clone(), outcome, message };
        self.report.add(restored, from.length);
        let done = u64::try_from(self.report.restored.len()).unwrap_or(u64::MAX);
        run.observer().event(&Event::Restoring { done, total: self.total.max(done) });
    }

    /// Brings files back that are not metadata.
    async fn files(&mut self, run: &mut Run, ids: &[Id]) {
        let mut steps = Vec::new();
        let mut lying = Vec::new();
        for id in ids {
            if self.back.contains(id) {
                continue;
            }
            let Some((from, file)) = self.index.get(*id) else { continue };
            if own::root_of(run.roots(), &file.original).is_none() {
                let why = "its old place lies under no root of this run".to_owned();
                self.note(run, file, &file.original, Outcome::Failed, Some(why));
                continue;
            }
            steps.push(leaving::step(run, Operation::Restore, (from, file), None, "restored"));
            lying.push((*id, file));
        }
        for ((_, fate), (id, file)) in run.carry_out(steps).await.into_iter().zip(lying) {
            self.back.insert(id);
            self.note(run, file, &file.original, fate.outcome, fate.message);
        }
    }

    /// Brings a checkpoint or savepoint back with everything that it names.
    async fn group(&mut self, run: &mut Run, id: Id, how_many: usize) {
        let Some((from, file)) = self.index.get(id) else { return };
        self.back.insert(id);
        let target = match self.target(from, file, how_many) {
            Ok(target) => target,
            Err(why) => return self.note(run, file, &file.original, Outcome::Failed, Some(why)),
        };
        let group = Group { index: self.index, request: self.request, from, file, target: target.clone() };
        match whole::bring_back(run, &group).await {
            Ok(brought) => {
                self.report.unchecked += brought.unchecked;
                for (id, to) in brought.files {
                    self.back.insert(id);
                    if let Some((_, file)) = self.index.get(id) {
                        self.note(run, file, &to, Outcome::Done, None);
                    }
                }
                self.note(run, file, &target, Outcome::Done, None);
            }
            Err(failed) => self.note(run, file, &target, failed.outcome, Some(failed.why)),
        }
    }

    /// Where a `_metadata` goes.
    fn target(
        &self,
        from: &QuarantinedRun,
        file: &QuarantinedFile,
        how_many: usize,
    ) -> Result<Location, String> {
        if let Some(to) = &self.request.to {
            if how_many > 1 {
                return Err("only one checkpoint at a time can go to another directory".to_owned());
            }
            return Ok(to.child(file.original.name()));
        }
        if whole::may_go_in_place(self.request, from, file) {
            return Ok(file.original.clone());
        }
        Err("its job is not proved dead and has not passed that number, so it would delete the checkpoint when it \
             comes to it: give another directory with --to"
            .to_owned())
    }

    /// Makes a directory again that was empty.
    async fn directory(&mut self, run: &Run, from: Location, original: Location) {
        if run.stopped().is_some() {
            return;
        }
        let made = run.hands.make_directory(&original, false).await;
        let (outcome, message) = match made {
            Ok(()) => (Outcome::Done, None),
            Err(error) => (Outcome::Failed, Some(error.to_string())),
        };
        if outcome == Outcome::Done {
            self.left.insert(from.clone());
            self.report.made.insert(original.clone());
        }
        self.report.restored.push(Restored { from, to: original, outcome, message });
    }
}

/// Returns the metadata file that lies here in quarantine.
pub(super) fn metadata_at<'m>(metadata: &'m [MetadataFile], location: &Location) -> Option<&'m MetadataFile> {
    metadata.iter().find(|file| file.location == *location && matches!(file.place, Place::Quarantined { .. }))
}
