//! What a rule may take at all: old enough, listed whole, with a name and in a place that the rule is about.

use chksweep_core::JobId;
use chksweep_core::layout::{self, FileName};
use chksweep_core::plan::Rule;
use chksweep_core::{DirectoryId, NameRef};

use super::Evidence;
use crate::report::Report;
use crate::view::{SweptFile, View, Zone};

/// Every swept file is older than `min-age`, with an mtime that is known and not in the future. What was read of a
/// `_metadata` later may be younger than what was listed; it counts as well.
pub(super) fn check_ages(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    for swept in &view.files {
        let file = view.input.inventory.file(swept.file);
        if !view.is_past_min_age(file.modified) {
            report.at("age", &view.location_of(swept), "it is not older than min-age");
        }
        if name_of(view, swept) == FileName::Metadata {
            let location = view.location_of(swept);
            let read = evidence.snapshots.at(view, &location);
            if read.is_some_and(|read| !view.is_past_min_age(read.modified)) {
                report.at("age", &location, "it was written anew within min-age");
            }
        }
    }
}

/// Roots, chksweep's own files, what is no regular file, and what was not listed to its end are never swept.
pub(super) fn check_never_swept(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    for swept in &view.files {
        let area = view.area(swept.directory);
        let regular = view.input.inventory.file(swept.file).regular;
        let own = area.own || view.name_of(swept) == NameRef::Other(layout::OWN);
        for (forbidden, message) in [
            (own, "it belongs to chksweep itself"),
            (!regular, "it is no regular file"),
            (area.partial, "its directory was not listed to the end"),
            (is_unlisted(view, swept.directory), "it lies in a directory whose listing broke"),
        ] {
            if forbidden {
                report.at("never-swept", &view.location_of(swept), message);
            }
        }
    }
    for swept in &view.directories {
        let area = view.area(swept.directory);
        for (forbidden, message) in [
            (area.own, "it belongs to chksweep itself"),
            (area.root == swept.directory, "it is a root"),
            (area.partial, "it was not listed to the end"),
            (is_unlisted(view, swept.directory), "it lies in a directory whose listing broke"),
        ] {
            if forbidden {
                report.at("never-swept", view.location(swept.directory), message);
            }
        }
    }
}

fn is_unlisted(view: &View<'_>, directory: DirectoryId) -> bool {
    !view.input.unlisted.is_empty()
        && view.is_under(view.location(directory), view.input.unlisted.iter().map(|(location, _)| location))
}

/// Each rule takes only files with the names, and from the places, that it is about; none takes an unknown name.
pub(super) fn check_rule_fits_place(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    for swept in &view.files {
        let fits = fits(view.area(swept.directory).zone, swept.rule, name_of(view, swept))
            || is_old_changelog(view, swept);
        if !fits {
            let message = format!("`{}` takes no such file from such a place", swept.rule);
            report.at("rule-and-place", &view.location_of(swept), &message);
        }
    }
}

/// Returns what the name of a swept file tells.
pub(super) fn name_of(view: &View<'_>, swept: &SweptFile) -> FileName {
    match view.name_of(swept) {
        NameRef::Uuid(uuid) => FileName::State(uuid),
        NameRef::Other(name) => layout::file_name(name),
    }
}

/// Returns whether a file is changelog as Flink 1.15 laid it out: in a base directory without a level for the job.
pub(super) fn is_old_changelog(view: &View<'_>, swept: &SweptFile) -> bool {
    let area = view.area(swept.directory);
    swept.rule == Rule::UnreferencedRunningState
        && matches!(name_of(view, swept), FileName::State(_))
        && area.root == swept.directory
        && area.zone == Zone::Outer
        && area.job.is_none()
}

fn fits(zone: Zone, rule: Rule, name: FileName) -> bool {
    let state = matches!(name, FileName::State(_));
    let state_or_staging = state || name == FileName::Staging;
    let in_checkpoint = matches!(zone, Zone::Checkpoint(_));
    let in_savepoint = matches!(zone, Zone::Savepoint(_));
    match rule {
        Rule::StagingFile => {
            (in_checkpoint || in_savepoint || zone == Zone::Outer) && name == FileName::Staging
        }
        Rule::UnreferencedShared => zone == Zone::Shared && state,
        Rule::UnreferencedRunningState => is_running_state(zone) && state,
        Rule::UnreferencedExclusive => in_checkpoint && state,
        Rule::AbandonedCheckpoint => in_checkpoint && state_or_staging,
        Rule::RetiredCheckpoint => in_checkpoint && name == FileName::Metadata,
        // A savepoint may lie in a directory that somebody renamed; never in one that a job writes to.
        Rule::RetiredSavepoint => (in_savepoint || zone == Zone::Outer) && name == FileName::Metadata,
        Rule::IncompleteSavepoint => in_savepoint && state_or_staging,
        Rule::ExpiredJob => {
            (in_checkpoint && (state_or_staging || name == FileName::Metadata))
                || ((zone == Zone::Shared || is_running_state(zone)) && state_or_staging)
        }
        Rule::EmptyDirectory
        | Rule::Named
        | Rule::NamedByBaseName
        | Rule::NamedDirectory
        | Rule::Retained
        | Rule::Pinned
        | Rule::Savepoint
        | Rule::Structure
        | Rule::Young
        | Rule::BehindFrontierNotYet
        | Rule::JobNotDead
        | Rule::Open
        | Rule::InProgress
        | Rule::UnknownName
        | Rule::PartialListing
        | Rule::UnreadableMetadata
        | Rule::InconsistentJob
        | Rule::NotSelected => false,
    }
}

/// Returns whether files here can be held by a running job without being named, whatever their age.
pub(super) fn is_running_state(zone: Zone) -> bool {
    match zone {
        Zone::TaskOwned | Zone::Changelog | Zone::Merged | Zone::Database | Zone::Probe => true,
        Zone::Outer
        | Zone::Job
        | Zone::Checkpoint(_)
        | Zone::Shared
        | Zone::Attempt
        | Zone::Savepoint(_)
        | Zone::Strange => false,
    }
}

/// With selected jobs only what belongs to them is swept.
pub(super) fn check_selection(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if view.input.policy.jobs.is_empty() {
        return;
    }
    let message = "its job was not selected";
    for swept in view.files.iter().filter(|swept| !is_selected(view, swept.directory)) {
        report.at("selection", &view.location_of(swept), message);
    }
    for swept in view.directories.iter().filter(|swept| !is_selected(view, swept.directory)) {
        report.at("selection", view.location(swept.directory), message);
    }
}

/// Returns whether what lies in a directory belongs to a selected job: by the id of a job directory, or by the one
/// that the name of a file-merging directory tells.
pub(super) fn is_selected(view: &View<'_>, directory: DirectoryId) -> bool {
    let location = view.location(directory);
    let merged = (view.area(directory).zone == Zone::Merged).then(|| merged_job(location.name())).flatten();
    [layout::job_of(location), merged].into_iter().any(|job| view.input.policy.selects(job))
}

/// Returns the id in `job_<id>_…`.
pub(super) fn merged_job(name: &[u8]) -> Option<JobId> {
    JobId::parse(name.strip_prefix(b"job_")?.get(..32)?)
}
