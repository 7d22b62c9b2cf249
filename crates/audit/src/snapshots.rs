//! The completed checkpoints of each job directory, and what can be told by comparing them.

use chksweep_core::layout;
use chksweep_core::location::path_below;
use chksweep_core::plan::{Decision, MetadataFile, Place};
use chksweep_core::{Content, DirectoryId, FileId, FileRef, Kind, Location, NameRef, OperatorId, Timestamp};

use crate::fingerprint;
use crate::view::View;

/// One `chk-N/_metadata` where Flink put it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot<'a> {
    /// The fingerprint of its job directory.
    key: u128,
    pub(crate) number: u64,
    pub(crate) file: &'a MetadataFile,
    /// Whether the plan sweeps it.
    pub(crate) retired: bool,
}

/// All of them, by job directory and number.
#[derive(Debug)]
pub(crate) struct Snapshots<'a> {
    list: Vec<Snapshot<'a>>,
    /// All metadata outside of quarantines by the fingerprint of its location.
    by_location: Vec<(u128, usize)>,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn content(&self) -> Option<&'a Content> {
        self.file.content.as_ref().ok()
    }

    /// Returns what it says if it could be read and is no savepoint: those subsume nothing.
    pub(crate) fn checkpoint(&self) -> Option<&'a Content> {
        self.content().filter(|content| content.kind != Kind::Savepoint)
    }

    pub(crate) fn modified(&self) -> Timestamp {
        self.file.modified
    }
}

impl<'a> Snapshots<'a> {
    pub(crate) fn new(view: &View<'a>) -> Self {
        let mut all = Self { list: Vec::new(), by_location: Vec::new() };
        for (at, file) in view.input.metadata.iter().enumerate() {
            match file.place {
                Place::Sweep | Place::Reference => {}
                Place::Quarantined { .. } => continue,
            }
            all.by_location.push((key_of(view, &file.location), at));
            let Some(directory) = file.location.parent().filter(|_| file.location.name() == layout::METADATA)
            else {
                continue;
            };
            if let (Some(number), Some(job)) =
                (layout::checkpoint_number(directory.name()), directory.parent())
            {
                let key = key_of(view, &job);
                let retired = is_swept(view, &file.location);
                all.list.push(Snapshot { key, number, file, retired });
            }
        }
        all.by_location.sort_unstable();
        all.list.sort_by_key(|snapshot| (snapshot.key, snapshot.number));
        all
    }

    /// Returns the checkpoints that lie in a job directory, by number.
    pub(crate) fn of_job(&self, view: &View<'_>, job: &Location) -> &[Snapshot<'a>] {
        let key = key_of(view, job);
        let start = self.list.partition_point(|snapshot| snapshot.key < key);
        let end = self.list.partition_point(|snapshot| snapshot.key <= key);
        self.list.get(start..end).unwrap_or(&[])
    }

    /// Returns the metadata file at a location, outside of quarantines.
    pub(crate) fn at(&self, view: &View<'a>, location: &Location) -> Option<&'a MetadataFile> {
        let key = key_of(view, location);
        let at = self.by_location.binary_search_by(|(other, _)| other.cmp(&key)).ok()?;
        view.input.metadata.get(self.by_location.get(at)?.1)
    }
}

fn key_of(view: &View<'_>, location: &Location) -> u128 {
    fingerprint::of(view.input.equivalence.canonical(location).as_bytes())
}

/// Returns whether the plan sweeps the file at a location.
pub(crate) fn is_swept(view: &View<'_>, location: &Location) -> bool {
    let Some(parent) = location.parent() else { return false };
    let name = NameRef::new(location.name());
    view.just_at(&parent)
        .and_then(|directory| view.input.inventory.find_file(directory, name))
        .is_some_and(|file| view.decisions().file(file).decision() == Decision::Sweep)
}

/// Returns whether two snapshots are of one lineage: their operators overlap by half of the smaller set at least.
/// The reading is the mildest that DESIGN §4 allows; of one without operators nothing can be told.
pub(crate) fn is_same_lineage(a: &Content, b: &Content) -> bool {
    let common = count_common(&a.operators, &b.operators);
    common > 0 && common * 2 >= a.operators.len().min(b.operators.len())
}

fn count_common(a: &[OperatorId], b: &[OperatorId]) -> usize {
    a.iter().filter(|id| b.binary_search(id).is_ok()).count()
}

/// What a reference leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A listed file.
    File(FileId),
    /// Nothing, in a place that was listed.
    Nothing,
    /// A place that was not listed, or not to its end.
    Unlisted,
}

/// Calls `each` with every reference of a snapshot, its number, and what it leads to by path, until it returns false.
pub(crate) fn follow(
    view: &View<'_>,
    content: &Content,
    mut each: impl FnMut(usize, FileRef, Target) -> bool,
) {
    let mut places: Vec<Option<(Vec<DirectoryId>, Target)>> = vec![None; content.files.directories.len()];
    for (number, file) in content.files.files.iter().enumerate() {
        let at = usize::try_from(file.directory).unwrap_or(usize::MAX);
        let Some(slot) = places.get_mut(at) else { continue };
        let (directories, absent) = slot.get_or_insert_with(|| {
            content.files.directories.get(at).map_or((Vec::new(), Target::Unlisted), |directory| {
                (view.at(directory), absence_in(view, directory))
            })
        });
        let name = content.files.names.get(file.name);
        let found = directories.iter().find_map(|id| view.input.inventory.find_file(*id, name));
        if !each(number, *file, found.map_or(*absent, Target::File)) {
            return;
        }
    }
}

/// Returns what it means that a file is not in the inventory, by the directory that it would lie in.
fn absence_in(view: &View<'_>, directory: &Location) -> Target {
    let under_root = view.spellings(directory).iter().any(|path| {
        view.roots().any(|root| view.spellings(root).iter().any(|root| path_below(path, root).is_some()))
    });
    let nearest = view
        .spellings(directory)
        .iter()
        .find_map(|path| fingerprint::upwards(path).find_map(|path| view.at_path(path).next()));
    match nearest {
        Some(id) if under_root && !view.area(id).partial => Target::Nothing,
        Some(_) | None => Target::Unlisted,
    }
}

/// Returns whether every reference of a snapshot leads to a listed file.
pub(crate) fn resolves(view: &View<'_>, content: &Content) -> bool {
    let mut all = true;
    follow(view, content, |_, _, target| {
        all = matches!(target, Target::File(_));
        all
    });
    all
}
