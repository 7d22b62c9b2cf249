//! Nothing that kept metadata names is swept: by path, by base name, by directory, by checkpoint number; and nothing
//! that is pinned.

use chksweep_core::layout;
use chksweep_core::location::path_below;
use chksweep_core::plan::Rule;
use chksweep_core::{DirectoryId, Location};

use super::Evidence;
use crate::fingerprint;
use crate::jobs::{Owner, starts_with};
use crate::report::Report;
use crate::view::Zone;
use crate::voices::{Voice, home};

/// No path that kept metadata names by path is swept, under whatever scheme and authority. What the plan retires
/// still names all that it names.
pub(super) fn check_named_by_path(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let mut buffer = Vec::new();
    let mut last: Option<(DirectoryId, Vec<Box<[u8]>>)> = None;
    for swept in &view.files {
        if last.as_ref().is_none_or(|(directory, _)| *directory != swept.directory) {
            last = Some((swept.directory, view.spellings(view.location(swept.directory))));
        }
        let paths = last.iter().flat_map(|(_, paths)| paths);
        let name = view.name_of(swept);
        let named = paths
            .into_iter()
            .any(|path| evidence.names.has_path(fingerprint::of_child(&mut buffer, path, name)));
        if named {
            report.at("named-by-path", &view.location_of(swept), "kept metadata names this path");
        }
    }
}

/// No file whose name stands in kept metadata is swept, wherever it lies.
pub(super) fn check_named_by_base_name(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    for swept in view.files.iter().filter(|swept| evidence.names.has_name(view.name_of(swept))) {
        let message = "its name stands in kept metadata";
        report.at("named-by-base-name", &view.location_of(swept), message);
    }
}

/// Nothing in or below a directory that kept metadata names is swept, nor the directory itself.
pub(super) fn check_named_directory(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let message = "kept metadata names this directory, or one that it lies in";
    for swept in view.files.iter().filter(|swept| evidence.names.is_in_named(swept.directory)) {
        report.at("named-directory", &view.location_of(swept), message);
    }
    for swept in view.directories.iter().filter(|swept| evidence.names.is_in_named(swept.directory)) {
        report.at("named-directory", view.location(swept.directory), message);
    }
}

/// A file-merging directory goes only whole, and only when nothing in it is named, be it there or not.
pub(super) fn check_merged_directory_whole(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let mut last = None;
    for swept in view.files.iter().filter(|swept| view.area(swept.directory).zone == Zone::Merged) {
        if last == Some(swept.directory) {
            continue;
        }
        last = Some(swept.directory);
        if view.decisions().directory(swept.directory).decision() != chksweep_core::plan::Decision::Sweep {
            let message = "files of a file-merging directory go, and the directory stays";
            report.at("merged-directory-whole", view.location(swept.directory), message);
        }
    }
    for swept in view.directories.iter().filter(|swept| view.area(swept.directory).zone == Zone::Merged) {
        let location = view.location(swept.directory);
        if view.spellings(location).iter().any(|path| evidence.names.has_file_in(path)) {
            let message = "kept metadata names a file in this file-merging directory";
            report.at("merged-directory-whole", location, message);
        }
    }
}

/// A checkpoint that other metadata points at by number (version 7) stays whole. Of its directory, once that is
/// empty, nothing is asked.
pub(super) fn check_reference_checkpoints(evidence: &Evidence<'_>, report: &mut Report) {
    if evidence
        .voices
        .iter()
        .all(|voice| voice.content().is_none_or(|content| content.ref_checkpoints.is_empty()))
    {
        return;
    }
    let view = &evidence.view;
    let all = Pointed::new(evidence, |_| true);
    // A `_metadata` needs to stay only for what stays itself.
    let staying = Pointed::new(evidence, |voice| !crate::snapshots::is_swept(view, &voice.file.location));
    let message = "kept metadata takes state over from this checkpoint";
    // Nobody ever names a staging file.
    for swept in view.files.iter().filter(|swept| swept.rule != Rule::StagingFile) {
        let is_metadata = matches!(swept.rule, Rule::RetiredCheckpoint | Rule::ExpiredJob)
            && layout::file_name(&view.name_of(swept).to_vec()) == layout::FileName::Metadata;
        let pointed = if is_metadata { &staying } else { &all };
        if pointed.covers(evidence, swept.directory) {
            report.at("reference-checkpoint", &view.location_of(swept), message);
        }
    }
}

/// The checkpoints that metadata points at by number.
#[derive(Debug, Default)]
struct Pointed {
    /// The paths of their directories.
    paths: Vec<u128>,
    /// The numbers that metadata in no job directory points at: those of every job are meant that the name of the
    /// savepoint does not exclude.
    numbers: Vec<(u64, Option<[u8; 6]>)>,
}

impl Pointed {
    fn new(evidence: &Evidence<'_>, counts: impl Fn(&Voice<'_>) -> bool) -> Self {
        let mut pointed = Self::default();
        for voice in evidence.voices.iter().filter(|voice| counts(voice)) {
            let Some(content) = voice.content() else { continue };
            let numbers: Vec<u64> =
                content.ref_checkpoints.iter().filter_map(|number| u64::try_from(*number).ok()).collect();
            if numbers.is_empty() {
                continue;
            }
            if let Owner::Unknown { digits } = evidence.jobs.owner(voice.index) {
                pointed.numbers.extend(numbers.iter().map(|number| (*number, *digits)));
                continue;
            }
            let homes = job_directories_of(evidence, voice);
            for (home, number) in
                homes.iter().flat_map(|home| numbers.iter().map(move |number| (home, number)))
            {
                let directory = home.child(format!("chk-{number}").as_bytes());
                let paths = evidence.view.spellings(&directory);
                pointed.paths.extend(paths.iter().map(|path| fingerprint::of(path)));
            }
        }
        fingerprint::tidy(&mut pointed.paths);
        fingerprint::tidy(&mut pointed.numbers);
        pointed
    }

    fn covers(&self, evidence: &Evidence<'_>, directory: DirectoryId) -> bool {
        let view = &evidence.view;
        let Zone::Checkpoint(number) = view.area(directory).zone else { return false };
        let id = view.area(directory).job.and_then(|at| evidence.jobs.get(at)?.id);
        let may_be =
            |digits: Option<[u8; 6]>| digits.zip(id).is_none_or(|(digits, id)| starts_with(id, digits));
        self.numbers.iter().any(|(other, digits)| *other == number && may_be(*digits))
            || view
                .spellings(view.location(directory))
                .iter()
                .any(|path| self.paths.binary_search(&fingerprint::of(path)).is_ok())
    }
}

/// Returns every directory in which checkpoints of the job of this metadata may lie; none when that is unknown.
fn job_directories_of(evidence: &Evidence<'_>, voice: &Voice<'_>) -> Vec<Location> {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let (id, mut homes) = match jobs.owner(voice.index) {
        Owner::Listed(at) => match jobs.get(*at) {
            Some(job) => (job.id, vec![view.location(job.directory).clone()]),
            None => (None, Vec::new()),
        },
        Owner::Elsewhere { id, directory } => (*id, vec![directory.clone()]),
        Owner::Unknown { .. } => return Vec::new(),
    };
    let same = id.map_or(&[][..], |id| jobs.of_id(id)).iter().filter_map(|at| jobs.get(*at));
    homes.extend(same.map(|job| view.location(job.directory).clone()));
    // A checkpoint beside the one that points, whatever its job.
    let beside = home(voice.file).parent().and_then(|checkpoint| checkpoint.parent());
    homes.extend(beside);
    homes
}

/// Nothing pinned is swept, nor anything below it.
pub(super) fn check_pins(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if view.input.pins.is_empty() {
        return;
    }
    let pins: Vec<Box<[u8]>> = view.input.pins.iter().flat_map(|pin| view.spellings(pin)).collect();
    let is_pinned =
        |paths: &[Box<[u8]>]| paths.iter().any(|path| pins.iter().any(|pin| path_below(path, pin).is_some()));
    let mut pinned: Vec<bool> = Vec::new();
    for (id, directory) in view.input.inventory.directories() {
        let above = directory.parent.and_then(|parent| pinned.get(parent.index()).copied()).unwrap_or(false);
        pinned.push(above || is_pinned(&view.spellings(view.location(id))));
    }
    let lies_in_pinned = |id: DirectoryId| pinned.get(id.index()).copied().unwrap_or(true);
    // Only a pin that lies right in a directory can be one of its files.
    let parents: Vec<DirectoryId> =
        view.input.pins.iter().filter_map(Location::parent).flat_map(|parent| view.at(&parent)).collect();
    for swept in &view.files {
        let whole = lies_in_pinned(swept.directory);
        if whole
            || (parents.contains(&swept.directory) && is_pinned(&view.spellings(&view.location_of(swept))))
        {
            report.at("pinned", &view.location_of(swept), "it is pinned, or lies in what is pinned");
        }
    }
    for swept in view.directories.iter().filter(|swept| lies_in_pinned(swept.directory)) {
        report.at("pinned", view.location(swept.directory), "it is pinned, or lies in what is pinned");
    }
}
