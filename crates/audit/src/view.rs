//! What was listed, as the checker reads it: where each directory stands in Flink's layout, which job directory it
//! belongs to, and what the plan would sweep.
//!
//! The place of a directory is told from its name and from the place of the directory that holds it, downwards from
//! the roots. What stands where Flink would not have put it is [`Zone::Strange`], and no rule sweeps there.

use chksweep_core::inventory::Listing;
use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::location::path_below;
use chksweep_core::plan::{Decision, Decisions, Plan, PlanInput, Rule};
use chksweep_core::{Directory, DirectoryId, FileId, JobId, Location, NameRef, Timestamp};

use crate::fingerprint;

/// Where a directory stands in Flink's layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Zone {
    /// A root, or a directory that only groups others.
    Outer,
    /// A directory of a job.
    Job,
    /// `chk-<number>`.
    Checkpoint(u64),
    /// `shared`.
    Shared,
    /// `taskowned`.
    TaskOwned,
    /// `dstl`.
    Changelog,
    /// A file-merging directory in `shared` or `taskowned`.
    Merged,
    /// The working directory of a ForSt database.
    Attempt,
    /// `db` in one.
    Database,
    /// `_dummy_dir_…` in that.
    Probe,
    /// `savepoint-<digits>-…`.
    Savepoint([u8; 6]),
    /// A directory inside one of the above where Flink makes none with such a name.
    Strange,
}

/// What is known of one directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    /// Where it stands.
    pub(crate) zone: Zone,
    /// The number of the innermost job directory that it is or lies in.
    pub(crate) job: Option<usize>,
    /// The root that it lies under.
    pub(crate) root: DirectoryId,
    /// Whether it, or a directory that it lies in, was not listed to its end.
    pub(crate) partial: bool,
    /// Whether it is or lies in chksweep's own directory.
    pub(crate) own: bool,
    /// Whether it is or lies in `shared` or `taskowned`, where the mtimes of directories tell nothing.
    pub(crate) state: bool,
}

/// A file that the plan would sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweptFile {
    pub(crate) directory: DirectoryId,
    pub(crate) file: FileId,
    pub(crate) rule: Rule,
}

/// A directory that the plan would sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweptDirectory {
    pub(crate) directory: DirectoryId,
    pub(crate) rule: Rule,
}

/// The inventory and the plan, read once.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) input: PlanInput<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) files: Vec<SweptFile>,
    pub(crate) directories: Vec<SweptDirectory>,
    /// The job directories.
    pub(crate) jobs: Vec<DirectoryId>,
    areas: Vec<Area>,
    /// The directories by the fingerprints of their path, as listed and in its canonical spelling.
    spots: Vec<(u128, DirectoryId)>,
}

impl<'a> View<'a> {
    pub(crate) fn new(input: &PlanInput<'a>, plan: &'a Plan) -> Self {
        let mut view = Self {
            input: *input,
            plan,
            files: Vec::new(),
            directories: Vec::new(),
            jobs: Vec::new(),
            areas: Vec::with_capacity(input.inventory.directory_count()),
            spots: Vec::new(),
        };
        for (id, directory) in input.inventory.directories() {
            let area = view.area_of(id, directory);
            view.areas.push(area);
            for path in spellings(input, &directory.location) {
                view.spots.push((fingerprint::of(&path), id));
            }
        }
        fingerprint::tidy(&mut view.spots);
        view.collect_swept();
        view
    }

    fn area_of(&mut self, id: DirectoryId, directory: &Directory) -> Area {
        let parent = directory.parent.map(|parent| *self.area(parent));
        let name = layout::directory_name(directory.location.name());
        let own = parent.map_or_else(
            || layout::is_own(&directory.location),
            |parent| parent.own || directory.location.name() == layout::OWN,
        );
        let zone = if own { Zone::Strange } else { self.zone_of(id, name, parent.map(|parent| parent.zone)) };
        let mut job = parent.and_then(|parent| parent.job);
        if zone == Zone::Job {
            job = Some(self.jobs.len());
            self.jobs.push(id);
        }
        Area {
            zone,
            job,
            root: parent.map_or(id, |parent| parent.root),
            partial: directory.listing != Listing::Complete || parent.is_some_and(|parent| parent.partial),
            own,
            state: matches!(zone, Zone::Shared | Zone::TaskOwned)
                || parent.is_some_and(|parent| parent.state),
        }
    }

    fn zone_of(&self, id: DirectoryId, name: DirectoryName, parent: Option<Zone>) -> Zone {
        match (parent, name) {
            (Some(Zone::Shared | Zone::TaskOwned), DirectoryName::Merged) => Zone::Merged,
            (Some(Zone::Shared), DirectoryName::ForStAttempt) => Zone::Attempt,
            (Some(Zone::Attempt), DirectoryName::ForStDatabase) => Zone::Database,
            (Some(Zone::Database), DirectoryName::ForStProbe) => Zone::Probe,
            (None | Some(Zone::Outer | Zone::Job), _) => self.outer_zone_of(id, name),
            (Some(_), _) => Zone::Strange,
        }
    }

    /// Returns the place of a directory that lies in no directory of state.
    fn outer_zone_of(&self, id: DirectoryId, name: DirectoryName) -> Zone {
        // A directory with an id for a name, or that directly holds what a job directory holds.
        if matches!(name, DirectoryName::Job(_)) || self.holds_state(id) {
            return Zone::Job;
        }
        match name {
            DirectoryName::Job(_) => Zone::Job,
            DirectoryName::Checkpoint(number) => Zone::Checkpoint(number),
            DirectoryName::Shared => Zone::Shared,
            DirectoryName::TaskOwned => Zone::TaskOwned,
            DirectoryName::Changelog => Zone::Changelog,
            DirectoryName::Savepoint(digits) => Zone::Savepoint(digits),
            DirectoryName::ForStAttempt => Zone::Attempt,
            DirectoryName::Merged
            | DirectoryName::ForStDatabase
            | DirectoryName::ForStProbe
            | DirectoryName::Unknown => Zone::Outer,
        }
    }

    /// Returns whether a directory directly holds `chk-<number>`, `shared` or `taskowned`.
    pub(crate) fn holds_state(&self, id: DirectoryId) -> bool {
        self.input.inventory.children_of(id).iter().any(|child| {
            matches!(
                layout::directory_name(self.location(*child).name()),
                DirectoryName::Checkpoint(_) | DirectoryName::Shared | DirectoryName::TaskOwned
            )
        })
    }

    fn collect_swept(&mut self) {
        let (inventory, decisions) = (self.input.inventory, &self.plan.decisions);
        for (id, _) in inventory.directories() {
            let verdict = decisions.directory(id);
            if verdict.decision() == Decision::Sweep {
                self.directories.push(SweptDirectory { directory: id, rule: verdict.rule });
            }
            for (file, _) in inventory.files_of(id) {
                let verdict = decisions.file(file);
                if verdict.decision() == Decision::Sweep {
                    self.files.push(SweptFile { directory: id, file, rule: verdict.rule });
                }
            }
        }
    }

    /// Returns the decisions of the plan.
    pub(crate) fn decisions(&self) -> &Decisions {
        &self.plan.decisions
    }

    /// Returns what is known of a directory.
    #[expect(clippy::indexing_slicing, reason = "made with one area for each directory, parents first")]
    pub(crate) fn area(&self, id: DirectoryId) -> &Area {
        &self.areas[id.index()]
    }

    /// Returns where a directory lies.
    pub(crate) fn location(&self, id: DirectoryId) -> &Location {
        &self.input.inventory.directory(id).location
    }

    /// Returns where a swept file lies.
    pub(crate) fn location_of(&self, swept: &SweptFile) -> Location {
        self.input.inventory.location_of(swept.directory, self.input.inventory.file(swept.file))
    }

    /// Returns the name of a swept file.
    pub(crate) fn name_of(&self, swept: &SweptFile) -> NameRef<'_> {
        self.input.inventory.name_of(self.input.inventory.file(swept.file))
    }

    /// Returns the id in the name of a job directory.
    pub(crate) fn job_id(&self, directory: DirectoryId) -> Option<JobId> {
        JobId::parse(self.location(directory).name())
    }

    /// Returns the path components that a location has: as it is, and in its canonical spelling.
    pub(crate) fn spellings(&self, location: &Location) -> Vec<Box<[u8]>> {
        spellings(&self.input, location)
    }

    /// Returns the listed directories at a path, on whichever file system.
    pub(crate) fn at_path(&self, path: &[u8]) -> impl Iterator<Item = DirectoryId> {
        let key = fingerprint::of(path);
        let start = self.spots.partition_point(|(other, _)| *other < key);
        let rest = self.spots.get(start..).unwrap_or(&[]);
        rest.iter().take_while(move |(other, _)| *other == key).map(|(_, id)| *id)
    }

    /// Returns the listed directories that a location may be, in any spelling and under any authority.
    pub(crate) fn at(&self, location: &Location) -> Vec<DirectoryId> {
        let mut found: Vec<DirectoryId> =
            self.spellings(location).iter().flat_map(|path| self.at_path(path)).collect();
        fingerprint::tidy(&mut found);
        found
    }

    /// Returns the listed directory that a location is for certain: on the same file system, as far as is known.
    pub(crate) fn just_at(&self, location: &Location) -> Option<DirectoryId> {
        let canonical = self.input.equivalence.canonical(location);
        self.at(location)
            .into_iter()
            .find(|id| self.input.equivalence.canonical(self.location(*id)) == canonical)
    }

    /// Returns whether a location lies under one of these, in any spelling and under any authority.
    pub(crate) fn is_under<'b>(
        &self,
        location: &Location,
        places: impl IntoIterator<Item = &'b Location>,
    ) -> bool {
        let paths = self.spellings(location);
        places.into_iter().any(|place| {
            let places = self.spellings(place);
            paths.iter().any(|path| places.iter().any(|place| path_below(path, place).is_some()))
        })
    }

    /// Returns the locations of the sweep roots.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Location> {
        self.input.inventory.roots().iter().map(|id| self.location(*id))
    }

    /// Returns whether an mtime proves that something is older than `min-age`.
    pub(crate) fn is_past_min_age(&self, modified: Timestamp) -> bool {
        modified.0 != 0
            && modified <= self.input.as_of
            && self.input.as_of.since(modified) > self.input.policy.min_age
    }
}

fn spellings(input: &PlanInput<'_>, location: &Location) -> Vec<Box<[u8]>> {
    let mut paths = vec![Box::from(location.path())];
    let canonical = input.equivalence.canonical(location);
    if canonical.path() != location.path() {
        paths.push(Box::from(canonical.path()));
    }
    paths
}
