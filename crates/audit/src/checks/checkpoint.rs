//! What lies in a `chk-N` or in a savepoint that was never completed.

use chksweep_core::layout::METADATA;
use chksweep_core::plan::Rule;
use chksweep_core::{DirectoryId, Location, NameRef, Timestamp};

use super::{Evidence, refuse_by_directory};
use crate::jobs::is_same_tree;
use crate::report::Report;
use crate::snapshots::{Snapshot, is_same_lineage};
use crate::view::{SweptFile, View, Zone};

/// A file beside a `_metadata` goes only if that can be read: else it may be the one that names it.
pub(super) fn check_unreferenced_exclusive(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    for swept in view.files.iter().filter(|swept| swept.rule == Rule::UnreferencedExclusive) {
        let metadata = view.location(swept.directory).child(METADATA);
        if evidence.snapshots.at(view, &metadata).is_none_or(|file| file.content.is_err()) {
            let message = "no `_metadata` that could be read lies beside it";
            report.at("exclusive-beside-metadata", &view.location_of(swept), message);
        }
    }
}

/// What lies in a `chk-N` without `_metadata` goes only when that checkpoint was overtaken, or the job is dead.
pub(super) fn check_abandoned_checkpoint(evidence: &Evidence<'_>, report: &mut Report) {
    let takes = |swept: &SweptFile| swept.rule == Rule::AbandonedCheckpoint;
    let against = |swept: &SweptFile| against_abandoned(evidence, swept.directory);
    refuse_by_directory(evidence, report, "abandoned-checkpoint", takes, against);
}

fn against_abandoned(evidence: &Evidence<'_>, directory: DirectoryId) -> Option<&'static str> {
    let view = &evidence.view;
    if has_metadata(evidence, directory) {
        return Some("a `_metadata` lies beside it: the checkpoint was completed");
    }
    let dead = evidence.jobs.is_dead(view.area(directory).job);
    (!dead && !is_overtaken(evidence, directory))
        .then_some("a later checkpoint did not overtake this one, nor is the job dead")
}

/// Returns whether a `_metadata` lies in a directory, by any listing.
pub(super) fn has_metadata(evidence: &Evidence<'_>, directory: DirectoryId) -> bool {
    let view = &evidence.view;
    view.input.inventory.find_file(directory, NameRef::Other(METADATA)).is_some()
        || evidence.snapshots.at(view, &view.location(directory).child(METADATA)).is_some()
}

/// Returns whether a checkpoint with a higher number, of the lineage of the nearest lower one, completed after
/// everything here was written.
fn is_overtaken(evidence: &Evidence<'_>, directory: DirectoryId) -> bool {
    let view = &evidence.view;
    let Zone::Checkpoint(number) = view.area(directory).zone else { return false };
    let Some(job) = view.location(directory).parent() else { return false };
    let written = written_in(view, directory);
    let completed: Vec<&Snapshot<'_>> = evidence
        .snapshots
        .of_job(view, &job)
        .iter()
        .filter(|snapshot| snapshot.checkpoint().is_some())
        .collect();
    let lower = completed.iter().rev().find(|snapshot| snapshot.number < number);
    let Some(lower) = lower.and_then(|snapshot| snapshot.content()) else { return false };
    completed
        .iter()
        .filter(|snapshot| snapshot.number > number && written.is_none_or(|time| snapshot.modified() > time))
        .filter_map(|snapshot| snapshot.content())
        .any(|content| is_same_lineage(content, lower))
}

/// Returns when the newest file here was written.
fn written_in(view: &View<'_>, directory: DirectoryId) -> Option<Timestamp> {
    view.input.inventory.files_of(directory).map(|(_, file)| file.modified).max()
}

/// Files of `chk-N` directories of a job without `shared` and without metadata may be those of Flink 1.4 and older,
/// which HA files alone point at.
pub(super) fn check_old_layout(evidence: &Evidence<'_>, report: &mut Report) {
    if evidence.view.input.policy.no_ha {
        return;
    }
    let takes = |swept: &SweptFile| swept.rule == Rule::AbandonedCheckpoint;
    refuse_by_directory(evidence, report, "old-layout", takes, |swept| {
        may_be_old_layout(evidence, swept.directory)
            .then_some("its job has neither `shared` nor metadata: only HA files may point at it")
    });
}

fn may_be_old_layout(evidence: &Evidence<'_>, checkpoint: DirectoryId) -> bool {
    let view = &evidence.view;
    let Some(job) = view.input.inventory.directory(checkpoint).parent else { return true };
    let has_shared =
        view.input.inventory.children_of(job).iter().any(|child| view.area(*child).zone == Zone::Shared);
    let completed = !evidence.snapshots.of_job(view, view.location(job)).is_empty();
    let declared = view.area(job).job.is_some_and(|at| evidence.jobs.is_declared_dead(view, at));
    !has_shared && !completed && !declared
}

/// What lies in a savepoint without `_metadata` goes only when it is long untouched, nothing in it is named, and an
/// earlier look saw the same; or when somebody says that such may go.
pub(super) fn check_incomplete_savepoint(evidence: &Evidence<'_>, report: &mut Report) {
    let takes = |swept: &SweptFile| swept.rule == Rule::IncompleteSavepoint;
    let against = |swept: &SweptFile| against_incomplete_savepoint(evidence, swept.directory);
    refuse_by_directory(evidence, report, "incomplete-savepoint", takes, against);
}

/// Returns what speaks against taking a savepoint directory as never completed.
pub(super) fn against_incomplete_savepoint(
    evidence: &Evidence<'_>,
    directory: DirectoryId,
) -> Option<&'static str> {
    let view = &evidence.view;
    let input = &view.input;
    if has_metadata(evidence, directory) {
        return Some("a `_metadata` lies in this savepoint");
    }
    if input.policy.incomplete_savepoints {
        return None;
    }
    let old = input.policy.quiescent_after;
    let files = || input.inventory.files_of(directory).map(|(_, file)| file);
    let itself = input.inventory.directory(directory).modified;
    if files().map(|file| file.modified).chain([itself]).any(|modified| input.as_of <= modified.plus(old)) {
        return Some("something in this savepoint was written within quiescent-after");
    }
    if files().any(|file| evidence.names.has_name(input.inventory.name_of(file))) {
        return Some("something in this savepoint is named");
    }
    let future = input.as_of >= input.looked_at.plus(chksweep_core::Age::hours(24));
    (!future && !was_unchanged(view, view.location(directory), directory))
        .then_some("no earlier look saw this savepoint as it is")
}

fn was_unchanged(view: &View<'_>, location: &Location, directory: DirectoryId) -> bool {
    view.input
        .looks
        .directories
        .get(&location.to_string())
        .is_some_and(|look| look.since < view.input.as_of && is_same_tree(view, directory, &look.tree))
}
