//! Looking at one directory of the metadata listing: what in it may be metadata, and where to look on.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::Place;
use chksweep_core::{Location, Timestamp};
use chksweep_store::{Entry, EntryKind, ReadStore, StoreError};

use super::run_record;
use super::sighting::{self, Newest, Sighting, Stamp};
use crate::own;

/// A directory in which metadata may lie.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) location: Location,
    pub(super) store: Arc<dyn ReadStore>,
    pub(super) area: Area,
    /// What is to be looked into only when this has been: the next checkpoint of the same job.
    pub(super) then: Option<Box<Visit>>,
}

/// What a directory belongs to.
#[derive(Clone, Debug)]
pub(super) enum Area {
    /// A root itself.
    Root(Arc<Region>),
    /// What lies below a root.
    Below(Arc<Region>),
    /// A `.chksweep/quarantine`, in which each directory is a run.
    Quarantine {
        /// The directory that holds the `.chksweep`.
        base: Location,
    },
    /// What one run set aside: the directory itself.
    Run {
        /// The directory that holds the `.chksweep`.
        base: Location,
    },
    /// What lies below the directory of a run.
    Moved(Arc<Run>),
}

/// What all directories of a root have in common.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) place: Place,
    /// Directories below it that are listed as roots of their own.
    pub(super) holes: BTreeSet<Location>,
}

/// What all directories in the quarantine of a run have in common.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) base: Location,
    pub(super) location: Location,
    pub(super) moved_at: Option<Timestamp>,
}

/// What a visit gave.
#[derive(Debug)]
pub(super) struct Visited {
    pub(super) visit: Visit,
    pub(super) next: Vec<Visit>,
    pub(super) metadata: Vec<Sighting>,
    /// What is neither file nor directory, and may hide anything.
    pub(super) links: Vec<Location>,
    /// Whether the directory holds a `.chksweep`.
    pub(super) holds_own: bool,
    pub(super) newest: Newest,
    pub(super) result: Result<(), StoreError>,
}

/// Lists a directory.
pub(super) async fn visit(mut visit: Visit, mut newest: Newest) -> Visited {
    if let Area::Run { base } = &visit.area {
        let moved_at = run_record::told(&visit.store, base, visit.location.name()).await.started_at;
        let (base, location) = (base.clone(), visit.location.clone());
        visit.area = Area::Moved(Arc::new(Run { base, location, moved_at }));
    }
    let mut directories: Vec<Vec<u8>> = Vec::new();
    let (mut metadata, mut links) = (Vec::new(), Vec::new());
    let counts = matches!(&visit.area, Area::Root(r) | Area::Below(r) if r.place == Place::Sweep);
    let mut sink = |entry: Entry<'_>| {
        if counts {
            newest.hear(entry.modified, || visit.location.child(entry.name));
        }
        if entry.kind == EntryKind::Directory {
            directories.push(entry.name.to_vec());
        } else if sighting::may_be_metadata(&entry) {
            metadata.extend(sighted(&visit, &entry));
        } else if entry.kind == EntryKind::Other {
            links.push(visit.location.child(entry.name));
        }
    };
    let result = visit.store.list(&visit.location, &mut sink).await;
    let holds_own = directories.iter().any(|name| name == layout::OWN);
    let next = next_visits(&visit, directories);
    Visited { visit, next, metadata, links, holds_own, newest, result }
}

fn sighted(visit: &Visit, entry: &Entry<'_>) -> Option<Sighting> {
    let location = visit.location.child(entry.name);
    let place = match &visit.area {
        Area::Root(region) | Area::Below(region) => region.place.clone(),
        Area::Moved(run) => Place::Quarantined {
            original: run.base.child(location.below(&run.location)?),
            moved_at: run.moved_at,
        },
        // Manifests and the like lie beside the runs.
        Area::Quarantine { .. } | Area::Run { .. } => return None,
    };
    Some(Sighting { location, stamp: Stamp::of(entry), place, store: Arc::clone(&visit.store) })
}

/// Returns the directories to look into. Checkpoints of one job follow each other, older ones first: one whose
/// `_metadata` is gone when it is listed was replaced by then, and the younger one is listed after that.
fn next_visits(visit: &Visit, mut names: Vec<Vec<u8>>) -> Vec<Visit> {
    names.sort_unstable();
    let holds_state = holds_flink_state(&visit.location, &names);
    let may_be_a_persons = names.iter().filter(|name| is_state_directory(name)).count() < 2
        && matches!(&visit.area, Area::Root(region) | Area::Below(region) if region.place == Place::Reference);
    let mut next = Vec::new();
    let mut checkpoints: Vec<(u64, Visit)> = Vec::new();
    for name in names {
        // Flink makes `shared` and `taskowned` together. Where one of them stands alone it may be a person's after all,
        // and of a reference root nothing else is listed that would show metadata in it.
        let is_flinks = holds_state && is_state_directory(&name) && !(may_be_a_persons && name == b"shared");
        if name == layout::SNAPSHOTS || is_flinks {
            continue;
        }
        let mut location = visit.location.child(&name);
        let is_own = name == layout::OWN;
        let area = match &visit.area {
            Area::Root(_) | Area::Below(_) if is_own => {
                location = own::quarantine_directory(&visit.location);
                Area::Quarantine { base: visit.location.clone() }
            }
            Area::Root(region) | Area::Below(region) if region.holes.contains(&location) => continue,
            Area::Root(region) | Area::Below(region) => Area::Below(Arc::clone(region)),
            Area::Quarantine { base } => Area::Run { base: base.clone() },
            Area::Run { .. } => continue,
            Area::Moved(run) => Area::Moved(Arc::clone(run)),
        };
        let found = Visit { location, store: Arc::clone(&visit.store), area, then: None };
        match layout::checkpoint_number(&name) {
            Some(number) => checkpoints.push((number, found)),
            None => next.push(found),
        }
    }
    checkpoints.sort_unstable_by_key(|(number, _)| *number);
    let mut then = None;
    for (_, checkpoint) in checkpoints.into_iter().rev() {
        then = Some(Box::new(Visit { then, ..checkpoint }));
    }
    next.extend(then.map(|first| *first));
    next
}

fn is_state_directory(name: &[u8]) -> bool {
    matches!(
        layout::directory_name(name),
        DirectoryName::Shared | DirectoryName::TaskOwned | DirectoryName::Changelog
    )
}

/// Returns whether `shared`, `taskowned` and `dstl` in this directory are those that Flink makes, below which no
/// metadata lies: the directory is named like a job, or holds a checkpoint, or two of the three. Elsewhere the
/// name is a person's, and may hold anything.
fn holds_flink_state(directory: &Location, names: &[Vec<u8>]) -> bool {
    let is_job = matches!(layout::directory_name(directory.name()), DirectoryName::Job(_));
    let holds_checkpoint = || names.iter().any(|name| layout::checkpoint_number(name).is_some());
    let count = || names.iter().filter(|name| is_state_directory(name)).count();
    is_job || holds_checkpoint() || count() > 1
}
