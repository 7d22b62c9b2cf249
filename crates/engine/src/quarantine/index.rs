//! The quarantined files by where they lay and by name, and which of them some metadata names.
//!
//! Turned round for size: not the references of all metadata are held, of which there are millions, but the files in
//! quarantine; each reference is looked up as it goes by. It may find too much, never too little: a file is named
//!
//! - **by path**, after equivalence; of metadata that lies in a quarantine, relative names mean both its old and its
//!   new directory;
//! - **by directory**, with all in it, and under an unknown prefix by the last component;
//! - **by base name**, where the reference resolves to nothing that exists;
//! - **by a UUID** that stands anywhere in the bytes of the metadata, or in operator state.
//!
//! What a job has begun from without naming it yet is for [`super::begun`] to find.

use std::collections::{BTreeMap, HashMap};

use chksweep_core::plan::{MetadataFile, OperatorStateSearch, Place};
use chksweep_core::{Content, Equivalence, Location, Uuid};

use crate::collected::{QuarantinedFile, QuarantinedRun};
use crate::execute::{Eyes, Sight};
use crate::own;

/// Why a quarantined file is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// By its path.
    Path,
    /// By the directory that it lay in.
    Directory,
    /// By its name, in a reference that resolves to nothing.
    BaseName,
    /// By its name, somewhere in the bytes.
    Uuid,
    /// By nobody yet: its checkpoint was read while a run was setting it aside.
    Read,
}

/// The number of a file in an [`Index`].
pub(super) type Id = usize;

/// The quarantined files.
#[derive(Debug)]
pub(super) struct Index<'a> {
    runs: &'a [QuarantinedRun],
    equivalence: &'a Equivalence,
    /// The run and the place in it of each file.
    files: Vec<(usize, usize)>,
    by_path: BTreeMap<Location, Vec<Id>>,
    by_name: HashMap<&'a [u8], Vec<Id>>,
    by_directory_name: HashMap<&'a [u8], Vec<Id>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(runs: &'a [QuarantinedRun], equivalence: &'a Equivalence) -> Self {
        let mut index = Self {
            runs,
            equivalence,
            files: Vec::new(),
            by_path: BTreeMap::new(),
            by_name: HashMap::new(),
            by_directory_name: HashMap::new(),
        };
        for (run_at, run) in runs.iter().enumerate() {
            if !own::is_run_id(&run.run_id) || run.location != own::quarantine_of(&run.root, &run.run_id) {
                // Somebody else's directory: nothing in it is ours to bring back, or to delete.
                continue;
            }
            for (file_at, file) in run.files.iter().enumerate() {
                let id = index.files.len();
                index.files.push((run_at, file_at));
                let place = equivalence.canonical(&file.original);
                index.by_path.entry(place).or_default().push(id);
                index.by_name.entry(file.original.name()).or_default().push(id);
                let below = file.original.below(&run.root).unwrap_or_default();
                for directory in below.rsplit(|b| *b == b'/').skip(1) {
                    index.by_directory_name.entry(directory).or_default().push(id);
                }
            }
        }
        index
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn canonical(&self, place: &Location) -> Location {
        self.equivalence.canonical(place)
    }

    /// Whether something lies at a place; nothing where that cannot be told.
    pub(super) async fn exists(&self, eyes: &Eyes, place: &Location) -> Option<bool> {
        exists(eyes, self.equivalence, place).await
    }

    /// Returns a file with its run.
    pub(super) fn get(&self, id: Id) -> Option<(&'a QuarantinedRun, &'a QuarantinedFile)> {
        let (run, file) = *self.files.get(id)?;
        let run = self.runs.get(run)?;
        Some((run, run.files.get(file)?))
    }

    /// Returns the number of the run of a file.
    pub(super) fn run_of(&self, id: Id) -> Option<usize> {
        self.files.get(id).map(|(run, _)| *run)
    }

    pub(super) fn ids(&self) -> std::ops::Range<Id> {
        0..self.files.len()
    }

    /// Returns the files that lay at a place, the latest run first.
    pub(super) fn at(&self, place: &Location) -> Vec<Id> {
        let mut ids = self.by_path.get(&self.equivalence.canonical(place)).cloned().unwrap_or_default();
        ids.sort_by_key(|id| {
            std::cmp::Reverse(self.get(*id).map(|(run, _)| (run.started_at, run.run_id.clone())))
        });
        ids
    }

    /// Returns the files that lay below a directory.
    pub(super) fn below(&self, directory: &Location) -> Vec<Id> {
        let directory = self.equivalence.canonical(directory);
        let inside = self.by_path.range(directory.child(b"")..);
        inside.take_while(|(place, _)| place.is_within(&directory)).flat_map(|(_, ids)| ids.clone()).collect()
    }

    /// Returns the files with a name.
    pub(super) fn named(&self, name: &[u8]) -> &[Id] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns which files a metadata file names, and why. Its own place does not matter: whether it still speaks is
    /// for the caller to say.
    pub(super) async fn named_by(&self, eyes: &Eyes, file: &MetadataFile) -> BTreeMap<Id, Why> {
        let mut found = BTreeMap::new();
        if self.is_empty() {
            return found;
        }
        match &file.content {
            Ok(content) => {
                self.by_directories(eyes, file, content, &mut found).await;
                self.by_uuids(&content.other_uuids, &mut found);
                self.by_files(eyes, file, content, &mut found).await;
            }
            Err(unreadable) => self.by_uuids(unreadable.uuids.as_deref().unwrap_or(&[]), &mut found),
        }
        if let OperatorStateSearch::Searched { found: uuids } = &file.operator_state {
            self.by_uuids(uuids, &mut found);
        }
        found
    }

    /// Drops what is named and lies at its old place again: the name is served, and what is in the quarantine is
    /// another copy.
    pub(super) async fn unserved(&self, eyes: &Eyes, mut found: BTreeMap<Id, Why>) -> BTreeMap<Id, Why> {
        let ids: Vec<Id> = found.keys().copied().collect();
        for id in ids {
            let Some((_, file)) = self.get(id) else { continue };
            if self.exists(eyes, &file.original).await == Some(true) {
                found.remove(&id);
            }
        }
        found
    }

    fn by_uuids(&self, uuids: &[Uuid], found: &mut BTreeMap<Id, Why>) {
        for uuid in uuids {
            for id in self.named(&uuid.text()) {
                found.entry(*id).or_insert(Why::Uuid);
            }
        }
    }

    async fn by_directories(
        &self,
        eyes: &Eyes,
        file: &MetadataFile,
        content: &Content,
        found: &mut BTreeMap<Id, Why>,
    ) {
        let mut directories: Vec<Location> = Vec::new();
        for directory in &content.directories {
            directories.extend(meanings(file, directory));
        }
        for number in &content.ref_checkpoints {
            let beside = home(file).and_then(|home| home.parent());
            directories.extend(beside.map(|job| job.child(format!("chk-{number}").as_bytes())));
        }
        for directory in &directories {
            let ids = self.below(directory);
            for id in &ids {
                found.insert(*id, Why::Directory);
            }
        }
        for directory in &content.directories {
            let ids = self.by_directory_name.get(directory.name()).map_or(&[][..], Vec::as_slice);
            // As for a plan, the last component counts only where the path itself leads to nothing: clusters that
            // share a job id have directories of one name, and what is swept again each night is never purged.
            if ids.is_empty() || self.any_exists(eyes, &meanings(file, directory)).await {
                continue;
            }
            for id in ids {
                found.entry(*id).or_insert(Why::Directory);
            }
        }
    }

    async fn by_files(
        &self,
        eyes: &Eyes,
        file: &MetadataFile,
        content: &Content,
        found: &mut BTreeMap<Id, Why>,
    ) {
        for reference in &content.files.files {
            let name = content.files.names.get(reference.name).to_vec();
            // A file that is named by path has this name too, so for nearly all references this is the end.
            let ids = self.named(&name);
            if ids.is_empty() {
                continue;
            }
            let Some(place) = content.files.location(*reference) else { continue };
            let places = meanings(file, &place);
            let mut by_path = false;
            for place in &places {
                for id in self.at(place) {
                    found.insert(id, Why::Path);
                    by_path = true;
                }
            }
            if !by_path && !self.any_exists(eyes, &places).await {
                for id in ids {
                    found.entry(*id).or_insert(Why::BaseName);
                }
            }
        }
    }

    /// Whether something certainly lies at one of these places. What cannot be told does not.
    async fn any_exists(&self, eyes: &Eyes, places: &[Location]) -> bool {
        for place in places {
            if self.exists(eyes, place).await == Some(true) {
                return true;
            }
        }
        false
    }
}

/// Whether something lies at a place; nothing where no store that is open tells.
pub(super) async fn exists(eyes: &Eyes, equivalence: &Equivalence, place: &Location) -> Option<bool> {
    match look(eyes, equivalence, place).await? {
        Sight::There(_) => Some(true),
        Sight::Absent => Some(false),
        Sight::Unclear(_) => None,
    }
}

/// Looks at a place; nothing where no store is open for it.
pub(super) async fn look(eyes: &Eyes, equivalence: &Equivalence, place: &Location) -> Option<Sight> {
    let canonical = equivalence.canonical(place);
    let open = [place, &canonical].into_iter().find(|spelling| eyes.stores.of(spelling).is_ok())?;
    Some(eyes.look(open).await)
}

/// Where a metadata file lies, or lay before it was set aside: the directory that relative names mean.
pub(super) fn home(file: &MetadataFile) -> Option<Location> {
    match &file.place {
        Place::Sweep | Place::Reference => file.location.parent(),
        Place::Quarantined { original, .. } => original.parent(),
    }
}

/// What a place in a metadata file may mean: itself, and for one in quarantine, what lies beside it now, its old
/// place too.
pub(super) fn meanings(file: &MetadataFile, place: &Location) -> Vec<Location> {
    let mut places = vec![place.clone()];
    if let (Place::Quarantined { original, .. }, Some(here)) = (&file.place, file.location.parent())
        && let (Some(below), Some(home)) = (place.below(&here), original.parent())
    {
        places.push(if below.is_empty() { home } else { home.child(below) });
    }
    places
}
