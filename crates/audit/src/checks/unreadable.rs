//! Metadata that could not be read may name anything.

use chksweep_core::inventory::Listing;
use chksweep_core::plan::{MetadataFile, Place, Rule};
use chksweep_core::policy::OnUnreadable;
use chksweep_core::{DirectoryId, Location};

use super::Evidence;
use super::place::is_running_state;
use crate::jobs::Owner;
use crate::report::Report;
use crate::view::{View, Zone};
use crate::voices::Voice;

/// By default nothing at all is swept while some metadata is unreadable, or may lie in a directory that could not
/// be listed, unless somebody accepted just that file.
pub(super) fn check_unreadable_blocks(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if view.input.policy.unreadable == OnUnreadable::Isolate || sweeps_nothing(view) {
        return;
    }
    for location in unlisted(view) {
        report.at("unreadable-blocks", location, "it could not be listed, and the plan sweeps all the same");
    }
    for voice in blocking(evidence) {
        let message = "it could not be read, and the plan sweeps all the same";
        report.at("unreadable-blocks", &voice.file.location, message);
    }
}

pub(super) fn sweeps_nothing(view: &View<'_>) -> bool {
    view.files.is_empty() && view.directories.is_empty()
}

/// Returns the directories in which metadata could lie that was not found: by either listing.
fn unlisted<'b>(view: &'b View<'_>) -> impl Iterator<Item = &'b Location> {
    let partial = view.input.inventory.directories().filter(|(id, directory)| {
        let area = view.area(*id);
        // Flink makes no metadata in and below these.
        let state = area.state || area.own || area.zone == Zone::Changelog;
        directory.listing != Listing::Complete && !state
    });
    view.input.unlisted.iter().map(|(location, _)| location).chain(partial.map(|(_, it)| &it.location))
}

fn blocking<'b>(evidence: &'b Evidence<'_>) -> impl Iterator<Item = &'b Voice<'b>> {
    evidence.voices.iter().filter(|voice| {
        let unreadable = voice.file.content.as_ref().is_err_and(|unreadable| unreadable.blocks);
        unreadable && !is_accepted(&evidence.view, voice.file)
    })
}

fn is_accepted(view: &View<'_>, file: &MetadataFile) -> bool {
    let accepts =
        |location: &Location| view.input.policy.accepts_unreadable(location, file.bytes, file.modified);
    accepts(&file.location)
        || match &file.place {
            Place::Sweep | Place::Reference => false,
            Place::Quarantined { original, .. } => accepts(original),
        }
}

/// What isolated metadata leaves to be swept: not its job, and no shared or running state anywhere; where it could
/// not even be searched, nothing but staging files and empty directories.
pub(super) fn check_unreadable_isolated(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if view.input.policy.unreadable == OnUnreadable::Block {
        return;
    }
    let blocking: Vec<&Voice<'_>> = blocking(evidence).collect();
    let unlisted = unlisted(view).next().is_some();
    if blocking.is_empty() && !unlisted {
        return;
    }
    let unsearched = unlisted
        || blocking
            .iter()
            .any(|voice| voice.file.content.as_ref().is_err_and(|unreadable| unreadable.uuids.is_none()));
    // The job of a savepoint elsewhere is not known for certain.
    let owners: Vec<&Owner> = blocking
        .iter()
        .map(|voice| evidence.jobs.owner(voice.index))
        .filter(|owner| !matches!(owner, Owner::Unknown { .. }))
        .collect();
    for swept in &view.files {
        let zone = view.area(swept.directory).zone;
        let message = if unsearched && swept.rule != Rule::StagingFile {
            "metadata that could not be searched may name it"
        } else if swept.rule != Rule::StagingFile && is_shared_state(zone) {
            "metadata that could not be read may name it"
        } else if is_of(evidence, swept.directory, &owners) {
            "metadata of its job could not be read"
        } else {
            continue;
        };
        report.at("unreadable-isolated", &view.location_of(swept), message);
    }
    for swept in &view.directories {
        let message = if unsearched && swept.rule != Rule::EmptyDirectory {
            "metadata that could not be searched may name it"
        } else if is_of(evidence, swept.directory, &owners) {
            "metadata of its job could not be read"
        } else {
            continue;
        };
        report.at("unreadable-isolated", view.location(swept.directory), message);
    }
}

fn is_shared_state(zone: Zone) -> bool {
    // A root of unknown name is the changelog base of 1.15.
    matches!(zone, Zone::Shared | Zone::Attempt | Zone::Outer) || is_running_state(zone)
}

fn is_of(evidence: &Evidence<'_>, directory: DirectoryId, owners: &[&Owner]) -> bool {
    evidence
        .view
        .area(directory)
        .job
        .is_some_and(|job| owners.iter().any(|owner| evidence.jobs.is_same(owner, job)))
}
