//! What kept metadata names: files by path and by base name, directories, and what is named and not there.
//!
//! A path is compared by its path component alone, both as it was written and after aliases and mounts: an equal
//! path under an authority that nobody knows *keeps*. That can only keep too much. Whether a reference resolves in
//! the strict sense does not matter here.

mod lookup;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use chksweep_core::plan::{MetadataFile, OperatorStateSearch, Place, PlanInput};
use chksweep_core::{Content, DirectoryId, FileId, FileRef, Kind, Location, NameRef, Timestamp, Uuid};

use self::lookup::{PathIndex, Wanted};
use crate::map::{JobDirectoryIndex, Map, Role};

/// A metadata file that could be read, with where it stands.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    pub(crate) file: &'a MetadataFile,
    pub(crate) content: &'a Content,
    /// Where its directory is, or was before it was quarantined.
    pub(crate) home: Option<Location>,
    /// The listed directory that it lies in, for one under a sweep root.
    pub(crate) directory: Option<DirectoryId>,
    /// The file itself, as it was listed.
    pub(crate) listed: Option<FileId>,
    /// Whether it names: every readable one, but for those that lay in quarantine longer than `min-age`.
    pub(crate) names: bool,
}

impl Snapshot<'_> {
    /// Returns whether it is a completed checkpoint in a `chk-N`, and not a savepoint.
    pub(crate) fn is_checkpoint(&self, map: &Map) -> bool {
        self.checkpoint_number(map).is_some() && self.content.kind != Kind::Savepoint
    }

    /// Returns the number of the `chk-N` that it lies in.
    pub(crate) fn checkpoint_number(&self, map: &Map) -> Option<u64> {
        match self.directory.map(|id| map.role(id)) {
            Some(Role::Checkpoint(number)) => Some(number),
            _ => None,
        }
    }

    /// Returns the job directory that it lies in.
    pub(crate) fn owner(&self, map: &Map) -> Option<JobDirectoryIndex> {
        self.directory.and_then(|id| map.owner(id))
    }
}

/// Returns the metadata files that could be read, in the order of the input.
pub(crate) fn snapshots<'a>(input: &PlanInput<'a>) -> Vec<Snapshot<'a>> {
    let index = OnceCell::new();
    input
        .metadata
        .iter()
        .filter_map(|file| {
            let content = file.content.as_ref().ok()?;
            let home = match &file.place {
                Place::Quarantined { original, .. } => original.parent(),
                Place::Sweep | Place::Reference => file.location.parent(),
            };
            let (directory, listed) = match file.place {
                Place::Sweep => match input.inventory.find(&file.location) {
                    Some((directory, listed)) => (Some(directory), Some(listed)),
                    None => (home.as_ref().and_then(|home| input.inventory.find_directory(home)), None),
                },
                Place::Reference | Place::Quarantined { .. } => (None, None),
            };
            let names =
                still_names(file, input) || is_read_since(file, content, home.as_ref(), input, &index);
            Some(Snapshot { file, content, home, directory, listed, names })
        })
        .collect()
}

/// Metadata in quarantine names like any other for `min-age` from the start of the run that moved it, and for good
/// where its old place is pinned; an unknown start counts as now.
pub(crate) fn still_names(file: &MetadataFile, input: &PlanInput<'_>) -> bool {
    match &file.place {
        Place::Sweep | Place::Reference | Place::Quarantined { moved_at: None, .. } => true,
        Place::Quarantined { moved_at: Some(at), original } => {
            let canonical = input.equivalence.canonical(original);
            *at > input.as_of
                || input.as_of.since(*at) <= input.policy.min_age
                || input.pins.iter().any(|pin| canonical.is_within(&input.equivalence.canonical(pin)))
        }
    }
}

/// Metadata that was set aside names on while somebody reads what it names: a job that was restoring from it as it was
/// retired, and has completed no checkpoint of its own since, comes back to these files.
fn is_read_since(
    file: &MetadataFile,
    content: &Content,
    home: Option<&Location>,
    input: &PlanInput<'_>,
    index: &OnceCell<PathIndex>,
) -> bool {
    let (Place::Quarantined { moved_at: Some(at), .. }, Some(home)) = (&file.place, home) else {
        return false;
    };
    let here = file.location.parent();
    let index = index.get_or_init(|| PathIndex::new(input));
    let places: Vec<Vec<DirectoryId>> = content
        .files
        .directories
        .iter()
        .map(|directory| if Some(directory) == here.as_ref() { home } else { directory })
        .map(|directory| index.find(input, directory))
        .collect();
    let is_late = |id: FileId| {
        let read = input.inventory.file(id).accessed;
        read > *at && (read > input.as_of || input.as_of.since(read) <= input.policy.quiescent_after)
    };
    (0_u32..).zip(&content.files.files).any(|(number, reference)| {
        let name = content.files.names.get(reference.name);
        let places = usize::try_from(reference.directory).ok().and_then(|at| places.get(at));
        let mut found = places.into_iter().flatten().filter_map(|at| input.inventory.find_file(*at, name));
        content.operator_state_files.binary_search(&number).is_err() && found.any(is_late)
    })
}

/// One reference that resolves to no listed file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dangling {
    pub(crate) reference: FileRef,
    /// Whether some listed file has its name.
    pub(crate) found_by_name: bool,
    /// Whether it lies where the listing looked, or nowhere that anybody listed. A place that was read for
    /// references only was not listed to the last file, and says nothing.
    pub(crate) judged: bool,
}

/// What kept metadata names.
#[derive(Debug)]
pub(crate) struct Naming {
    by_path: Vec<bool>,
    directories: Vec<bool>,
    pinned_directories: Vec<bool>,
    pinned_files: Vec<bool>,
    uuids: Vec<Uuid>,
    others: BTreeSet<Vec<u8>>,
    /// For each snapshot the listed files that it names by path.
    pub(crate) resolved: Vec<Vec<FileId>>,
    /// For each snapshot what it names and is not listed.
    pub(crate) dangling: Vec<Vec<Dangling>>,
    /// For each snapshot whether some state file of it lies where the listing did not look. Operator state is left out.
    pub(crate) state_elsewhere: Vec<bool>,
    /// For each snapshot the listed directories in which it names anything, by path or by name, there or not: for
    /// what is not listed the innermost directory that is.
    pub(crate) touched: Vec<BTreeSet<DirectoryId>>,
    /// The same by the UUIDs in the bytes of metadata that cannot be read, with its index among all metadata.
    pub(crate) touched_by_unreadable: Vec<(usize, BTreeSet<DirectoryId>)>,
    /// Aliases that matched nothing.
    pub(crate) unused_aliases: Vec<Location>,
    /// Directories that metadata names and that lie under no root at all.
    pub(crate) unlisted_places: BTreeSet<Location>,
}

impl Naming {
    pub(crate) fn new(input: &PlanInput<'_>, map: &Map, snapshots: &[Snapshot<'_>]) -> Self {
        let index = PathIndex::new(input);
        let inventory = input.inventory;
        let mut naming = Self {
            by_path: vec![false; inventory.file_count()],
            directories: vec![false; inventory.directory_count()],
            pinned_directories: vec![false; inventory.directory_count()],
            pinned_files: vec![false; inventory.file_count()],
            uuids: Vec::new(),
            others: BTreeSet::new(),
            resolved: Vec::with_capacity(snapshots.len()),
            dangling: Vec::with_capacity(snapshots.len()),
            state_elsewhere: Vec::with_capacity(snapshots.len()),
            touched: Vec::with_capacity(snapshots.len()),
            touched_by_unreadable: Vec::new(),
            unused_aliases: Vec::new(),
            unlisted_places: BTreeSet::new(),
        };
        for snapshot in snapshots {
            naming.resolve(input, map, &index, snapshot);
        }
        naming.find_by_name(input, snapshots);
        naming.mark_directories(input, &index, snapshots);
        naming.add_base_names(input, snapshots);
        naming.mark_pins(input, &index, snapshots);
        naming.mark_ref_checkpoints(input, map, snapshots);
        naming.unused_aliases = unused_aliases(input, snapshots);
        naming
    }

    /// Returns whether kept metadata names the file by its path.
    pub(crate) fn is_named(&self, file: FileId) -> bool {
        flag(&self.by_path, file.index())
    }

    /// Returns whether kept metadata names the directory, or one that it lies in.
    pub(crate) fn is_directory_named(&self, directory: DirectoryId) -> bool {
        flag(&self.directories, directory.index())
    }

    /// Returns whether somebody pinned the directory, or one that it lies in.
    pub(crate) fn is_directory_pinned(&self, directory: DirectoryId) -> bool {
        flag(&self.pinned_directories, directory.index())
    }

    /// Returns whether somebody pinned the file, or a checkpoint that names it.
    pub(crate) fn is_pinned(&self, file: FileId) -> bool {
        flag(&self.pinned_files, file.index())
    }

    /// Returns whether the name stands in kept metadata.
    pub(crate) fn is_base_name(&self, name: NameRef<'_>) -> bool {
        match name {
            NameRef::Uuid(uuid) => self.uuids.binary_search(&uuid).is_ok(),
            NameRef::Other(name) => self.others.contains(name),
        }
    }

    /// Finds the listed files of one snapshot, and what is not listed.
    fn resolve(&mut self, input: &PlanInput<'_>, map: &Map, index: &PathIndex, snapshot: &Snapshot<'_>) {
        let files = &snapshot.content.files;
        let mut places: Vec<Vec<DirectoryId>> = Vec::with_capacity(files.directories.len());
        let mut judged: Vec<bool> = Vec::with_capacity(files.directories.len());
        for directory in &files.directories {
            let spellings = spellings(directory, snapshot);
            let mut found: Vec<DirectoryId> =
                spellings.iter().flat_map(|spelling| index.find(input, spelling)).collect();
            found.sort_unstable();
            found.dedup();
            judged.push(is_judged(input, directory));
            // A file-merging directory goes only when nothing in it is named, be it there or not.
            for id in found.iter().filter(|id| snapshot.names && map.role(**id) == Role::Merged) {
                set(&mut self.directories, id.index());
            }
            if found.is_empty() && snapshot.names && lies_nowhere(input, directory) {
                self.unlisted_places.insert(directory.clone());
            }
            places.push(found);
        }
        let (mut resolved, mut dangling) = (Vec::new(), Vec::new());
        let places_named = files.directories.iter().flat_map(|directory| spellings(directory, snapshot));
        let touched = places_named.flat_map(|spelling| index.find_innermost(input, &spelling)).collect();
        let mut state_elsewhere = false;
        for (number, reference) in (0_u32..).zip(&files.files) {
            let at = usize::try_from(reference.directory).unwrap_or(usize::MAX);
            let name = files.names.get(reference.name);
            let before = resolved.len();
            for directory in places.get(at).map_or(&[][..], Vec::as_slice) {
                if let Some(file) = input.inventory.find_file(*directory, name) {
                    resolved.push(file);
                    if snapshot.names {
                        set(&mut self.by_path, file.index());
                    }
                }
            }
            if resolved.len() == before {
                let judged = judged.get(at).copied().unwrap_or(true);
                dangling.push(Dangling { reference: *reference, found_by_name: false, judged });
                state_elsewhere |= snapshot.content.operator_state_files.binary_search(&number).is_err()
                    && files.directories.get(at).is_none_or(|place| is_unlisted(input, map, index, place));
            }
        }
        self.state_elsewhere.push(state_elsewhere);
        self.resolved.push(resolved);
        self.dangling.push(dangling);
        self.touched.push(touched);
    }

    /// Looks for listed files that have the name of a reference which resolves to nothing (FLINK-39964), or whose
    /// UUID stands anywhere in metadata: they are what it means, and where they lie is used by who names them.
    fn find_by_name(&mut self, input: &PlanInput<'_>, snapshots: &[Snapshot<'_>]) {
        let mut wanted = Wanted::default();
        for (snapshot, dangling) in snapshots.iter().zip(&self.dangling) {
            for one in dangling {
                wanted.add(snapshot.content.files.names.get(one.reference.name));
            }
            wanted.uuids.extend(other_uuids(snapshot));
        }
        let naming = input.metadata.iter().enumerate().filter(|(_, file)| still_names(file, input));
        let unreadable: Vec<(usize, &[Uuid])> = naming
            .filter_map(|(at, file)| Some((at, file.content.as_ref().err()?.uuids.as_deref()?)))
            .collect();
        wanted.uuids.extend(unreadable.iter().flat_map(|(_, uuids)| uuids.iter()));
        let found = wanted.find(input.inventory);
        for (at, uuids) in unreadable {
            let places = uuids.iter().flat_map(|uuid| found.get(NameRef::Uuid(*uuid))).copied();
            self.touched_by_unreadable.push((at, places.collect()));
        }
        for ((snapshot, dangling), touched) in snapshots.iter().zip(&mut self.dangling).zip(&mut self.touched)
        {
            for one in dangling {
                let places = found.get(snapshot.content.files.names.get(one.reference.name));
                one.found_by_name = !places.is_empty();
                touched.extend(places);
            }
            for uuid in other_uuids(snapshot) {
                touched.extend(found.get(NameRef::Uuid(*uuid)));
            }
        }
    }

    /// Marks the directories that file-merging handles name, with all below them. One that is not listed under its
    /// path is looked for by its last component, under whatever prefix.
    fn mark_directories(&mut self, input: &PlanInput<'_>, index: &PathIndex, snapshots: &[Snapshot<'_>]) {
        let inventory = input.inventory;
        let mut unknown: BTreeSet<&[u8]> = BTreeSet::new();
        for (at, snapshot) in snapshots.iter().enumerate() {
            for named in &snapshot.content.directories {
                let found: Vec<DirectoryId> = spellings(named, snapshot)
                    .iter()
                    .flat_map(|spelling| index.find(input, spelling))
                    .collect();
                if let Some(touched) = self.touched.get_mut(at) {
                    for spelling in spellings(named, snapshot) {
                        touched.extend(index.find_innermost(input, &spelling));
                    }
                }
                if !snapshot.names {
                    continue;
                }
                if found.is_empty() {
                    unknown.insert(named.name());
                }
                for id in found {
                    set(&mut self.directories, id.index());
                }
            }
        }
        for (id, directory) in inventory.directories() {
            let above = directory.parent.is_some_and(|parent| flag(&self.directories, parent.index()));
            if above || unknown.contains(directory.location.name()) {
                set(&mut self.directories, id.index());
            }
        }
    }

    /// Every UUID that stands in kept metadata keeps the files of that name, wherever they lie: state files are
    /// UUIDs, unique world-wide. Other names count where their reference resolves to nothing.
    fn add_base_names(&mut self, input: &PlanInput<'_>, snapshots: &[Snapshot<'_>]) {
        for (snapshot, dangling) in snapshots.iter().zip(&self.dangling).filter(|(s, _)| s.names) {
            let files = &snapshot.content.files;
            self.uuids.extend(files.files.iter().filter_map(|file| files.names.get(file.name).uuid()));
            self.uuids.extend(&snapshot.content.other_uuids);
            for one in dangling {
                if let NameRef::Other(name) = files.names.get(one.reference.name) {
                    self.others.insert(name.to_vec());
                }
            }
            if let OperatorStateSearch::Searched { found } = &snapshot.file.operator_state {
                self.uuids.extend(found);
            }
        }
        for file in input.metadata.iter().filter(|file| still_names(file, input)) {
            if let Err(unreadable) = &file.content {
                self.uuids.extend(unreadable.uuids.iter().flatten());
            }
        }
        self.uuids.sort_unstable();
        self.uuids.dedup();
    }

    /// A pinned place is kept with all in it; a pinned checkpoint or savepoint with all that it names.
    fn mark_pins(&mut self, input: &PlanInput<'_>, index: &PathIndex, snapshots: &[Snapshot<'_>]) {
        let inventory = input.inventory;
        let mut pinned_files = Vec::new();
        for pin in input.pins {
            for id in index.find(input, pin) {
                set(&mut self.pinned_directories, id.index());
            }
            if let Some(parent) = pin.parent() {
                for id in index.find(input, &parent) {
                    pinned_files.extend(inventory.find_file(id, NameRef::new(pin.name())));
                }
            }
        }
        for (id, directory) in inventory.directories() {
            if directory.parent.is_some_and(|parent| flag(&self.pinned_directories, parent.index())) {
                set(&mut self.pinned_directories, id.index());
            }
            if flag(&self.pinned_directories, id.index()) {
                pinned_files.extend(inventory.files_of(id).map(|(file, _)| file));
            }
        }
        for file in pinned_files {
            set(&mut self.pinned_files, file.index());
        }
        for (at, snapshot) in snapshots.iter().enumerate() {
            if snapshot.listed.is_some_and(|file| flag(&self.pinned_files, file.index())) {
                for file in self.resolved.get(at).map_or(&[][..], Vec::as_slice) {
                    set(&mut self.by_path, file.index());
                }
            }
        }
    }

    /// A version-7 reference to checkpoint M of the same job keeps the whole of `chk-M`.
    fn mark_ref_checkpoints(&mut self, input: &PlanInput<'_>, map: &Map, snapshots: &[Snapshot<'_>]) {
        for snapshot in snapshots.iter().filter(|snapshot| snapshot.names) {
            for id in ref_checkpoint_directories(input, map, snapshot) {
                set(&mut self.directories, id.index());
            }
        }
    }
}

/// Returns the listed directories `chk-M` that a snapshot refers to by number: of its own job, and where its place
/// does not tell the job, as for a savepoint, of any.
pub(crate) fn ref_checkpoint_directories(
    input: &PlanInput<'_>,
    map: &Map,
    snapshot: &Snapshot<'_>,
) -> Vec<DirectoryId> {
    let numbers = &snapshot.content.ref_checkpoints;
    if numbers.is_empty() {
        return Vec::new();
    }
    let above = snapshot.home.as_ref().and_then(Location::parent);
    let own = above.and_then(|above| input.inventory.find_directory(&above));
    let jobs: Vec<DirectoryId> = match own.filter(|id| map.role(*id) == Role::Job) {
        Some(job) => vec![job],
        None => map.job_directories.iter().map(|job| job.directory).collect(),
    };
    let wanted = |id: &DirectoryId| {
        numbers.iter().any(|n| u64::try_from(*n).is_ok_and(|n| map.role(*id) == Role::Checkpoint(n)))
    };
    jobs.into_iter().flat_map(|job| input.inventory.children_of(job).iter().copied().filter(wanted)).collect()
}

/// Returns the places that one directory in a content may mean: itself, and for metadata that lies in a quarantine
/// the original directory beside the quarantined one.
fn spellings(directory: &Location, snapshot: &Snapshot<'_>) -> Vec<Location> {
    let mut all = vec![directory.clone()];
    if let (Place::Quarantined { .. }, Some(here), Some(home)) =
        (&snapshot.file.place, snapshot.file.location.parent(), &snapshot.home)
    {
        if *directory == here {
            all.push(home.clone());
        } else if directory == home {
            all.push(here);
        }
    }
    all
}

fn flag(flags: &[bool], at: usize) -> bool {
    flags.get(at).copied().unwrap_or(false)
}

fn set(flags: &mut [bool], at: usize) {
    if let Some(slot) = flags.get_mut(at) {
        *slot = true;
    }
}

/// Returns whether a place was listed to the last file, or was listed by nobody: then a missing file is missing.
fn is_judged(input: &PlanInput<'_>, directory: &Location) -> bool {
    let canonical = input.equivalence.canonical(directory);
    let within = |root: &Location| canonical.is_within(&input.equivalence.canonical(root));
    let swept = input.inventory.roots().iter().any(|id| within(&input.inventory.directory(*id).location));
    swept || !input.reference_roots.iter().any(within)
}

/// Returns whether the listing did not look at a place: it lies under no swept root, or where a listing broke off.
fn is_unlisted(input: &PlanInput<'_>, map: &Map, index: &PathIndex, directory: &Location) -> bool {
    let canonical = input.equivalence.canonical(directory);
    let within = |root: &Location| canonical.is_within(&input.equivalence.canonical(root));
    let swept = input.inventory.roots().iter().any(|id| within(&input.inventory.directory(*id).location));
    !swept || index.find_innermost(input, directory).iter().any(|id| map.is_partial(*id))
}

fn lies_nowhere(input: &PlanInput<'_>, directory: &Location) -> bool {
    let canonical = input.equivalence.canonical(directory);
    let within = |root: &Location| canonical.is_within(&input.equivalence.canonical(root));
    !input.inventory.roots().iter().any(|id| within(&input.inventory.directory(*id).location))
        && !input.reference_roots.iter().any(within)
}

fn unused_aliases(input: &PlanInput<'_>, snapshots: &[Snapshot<'_>]) -> Vec<Location> {
    let aliases = input.equivalence.aliases();
    let mut used = vec![false; aliases.len()];
    let named =
        snapshots.iter().flat_map(|s| s.content.files.directories.iter().chain(&s.content.directories));
    let listed = input.inventory.roots().iter().map(|id| &input.inventory.directory(*id).location);
    for location in named.chain(listed) {
        if used.iter().all(|used| *used) {
            break;
        }
        if let Some(at) = input.equivalence.alias_index_for(location) {
            set(&mut used, at);
        }
    }
    aliases.iter().zip(used).filter(|(_, used)| !used).map(|((from, _), _)| from.clone()).collect()
}

/// Returns the UUIDs that stand in metadata, or in the operator state that it names, besides its references.
fn other_uuids<'a>(snapshot: &Snapshot<'a>) -> impl Iterator<Item = &'a Uuid> {
    let found = match &snapshot.file.operator_state {
        OperatorStateSearch::Searched { found } => found.as_slice(),
        OperatorStateSearch::NotSearched => &[],
    };
    snapshot.content.other_uuids.iter().chain(found)
}

/// The newest of two optional times.
pub(crate) fn newest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.max(b)
}
