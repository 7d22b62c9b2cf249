//! Which metadata speaks, and for which paths each of its references stands.
//!
//! Everything found under sweep and reference roots speaks, also what this very plan retires: its files go in a
//! later run. What lies in a quarantine speaks until `min-age` after the run that moved it began, and its relative
//! names mean both the directory where it lies and the one where it lay.

use chksweep_core::location::path_below;
use chksweep_core::plan::{MetadataFile, Place, PlanInput};
use chksweep_core::{Content, Location, Timestamp, Uuid};

use crate::view::View;

/// One metadata file that speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice<'a> {
    /// Its number in the input.
    pub(crate) index: usize,
    pub(crate) file: &'a MetadataFile,
}

/// Returns every metadata file that speaks.
pub(crate) fn voices<'a>(view: &View<'a>) -> Vec<Voice<'a>> {
    let input = view.input;
    input
        .metadata
        .iter()
        .enumerate()
        .filter(|(_, file)| speaks(view, &input, file))
        .map(|(index, file)| Voice { index, file })
        .collect()
}

fn speaks(view: &View<'_>, input: &PlanInput<'_>, file: &MetadataFile) -> bool {
    match &file.place {
        Place::Sweep | Place::Reference => true,
        Place::Quarantined { original, moved_at } => {
            moved_at.is_none_or(|moved| {
                input.as_of <= moved.plus(input.policy.min_age) || is_read_after(view, file, moved)
            }) || view.is_under(original, input.pins)
        }
    }
}

/// Returns whether somebody has read, since a metadata file was set aside and of late, state that it names: he may have
/// begun from it, and names nothing yet. What lies where it lay, or is spelled in any way, counts; operator state does
/// not, which chksweep reads.
fn is_read_after(view: &View<'_>, file: &MetadataFile, moved: Timestamp) -> bool {
    let Ok(content) = &file.content else { return false };
    let input = &view.input;
    let voice = Voice { index: 0, file };
    let is_read = |read: Timestamp| {
        read > moved && (read > input.as_of || input.as_of <= read.plus(input.policy.quiescent_after))
    };
    (0_u32..).zip(&content.files.files).any(|(number, reference)| {
        if content.operator_state_files.binary_search(&number).is_ok() {
            return false;
        }
        let Some(directory) = content.files.location(*reference).and_then(|place| place.parent()) else {
            return false;
        };
        let name = content.files.names.get(reference.name);
        voice
            .spellings(view, &directory)
            .iter()
            .flat_map(|path| view.at_path(path))
            .filter_map(|place| input.inventory.find_file(place, name))
            .any(|found| is_read(input.inventory.file(found).accessed))
    })
}

/// Returns where a metadata file lies or, from a quarantine, where it lay.
pub(crate) fn home(file: &MetadataFile) -> &Location {
    match &file.place {
        Place::Sweep | Place::Reference => &file.location,
        Place::Quarantined { original, .. } => original,
    }
}

impl<'a> Voice<'a> {
    /// Returns what it says, if it could be read.
    pub(crate) fn content(&self) -> Option<&'a Content> {
        self.file.content.as_ref().ok()
    }

    /// Returns the path components that a location named in it stands for.
    pub(crate) fn spellings(&self, view: &View<'_>, named: &Location) -> Vec<Box<[u8]>> {
        let mut paths = view.spellings(named);
        if let Place::Quarantined { original, .. } = &self.file.place
            && let (Some(lies), Some(lay)) = (self.file.location.parent(), original.parent())
        {
            for (from, to) in [(&lies, &lay), (&lay, &lies)] {
                if let Some(rest) = path_below(named.path(), from.path()) {
                    let there = if rest.is_empty() { to.clone() } else { to.child(rest) };
                    paths.extend(view.spellings(&there));
                }
            }
        }
        crate::fingerprint::tidy(&mut paths);
        paths
    }

    /// Returns the UUIDs that stand in it apart from the names of its references.
    pub(crate) fn other_uuids(&self) -> impl Iterator<Item = Uuid> {
        use chksweep_core::plan::OperatorStateSearch::{NotSearched, Searched};
        let bytes: &[Uuid] = match &self.file.content {
            Ok(content) => &content.other_uuids,
            Err(unreadable) => unreadable.uuids.as_deref().unwrap_or(&[]),
        };
        let operators: &[Uuid] = match &self.file.operator_state {
            NotSearched => &[],
            Searched { found } => found,
        };
        bytes.iter().chain(operators).copied()
    }
}
