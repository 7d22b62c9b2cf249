//! What every listed directory is, by its name and by what it lies in, and which job it belongs to.
//!
//! A name means something only in its place: `shared` in a job directory is Flink's, `shared` in an unknown
//! directory is somebody's. What has no meaning is [`Role::Unknown`] or [`Role::Opaque`], and is never swept.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::PlanInput;
use chksweep_core::{DirectoryId, Inventory, JobId, Listing, Location};

/// What a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// No name that Flink gives: jobs and savepoints may lie below it.
    Unknown,
    /// An unknown directory inside one that Flink makes, and all below it. Nothing in it is recognised: metadata
    /// is not looked for below `shared`, so a job directory there would look dead.
    Opaque,
    /// The directory of a job: 32 hex digits, or directly holding `chk-<digits>`, `shared` or `taskowned`.
    Job,
    /// `chk-<digits>` in a job directory.
    Checkpoint(u64),
    /// `shared` in a job directory.
    Shared,
    /// `taskowned` in a job directory.
    TaskOwned,
    /// `dstl` in a job directory.
    Changelog,
    /// A directory of file merging, in `shared` or `taskowned`.
    Merged,
    /// The working directory of a ForSt database.
    ForStAttempt,
    /// `db` in a ForSt attempt.
    ForStDatabase,
    /// A leftover of ForSt's probing.
    ForStProbe,
    /// `savepoint-<6 hex>-<12 hex>`.
    Savepoint([u8; 6]),
}

/// The number of a job directory in [`Map::job_directories`].
pub(crate) type JobDirectoryIndex = usize;

/// One directory of a job.
#[derive(Clone, Debug)]
pub(crate) struct JobDirectory {
    pub(crate) directory: DirectoryId,
    /// The number of its job in [`Map::jobs`].
    pub(crate) job: usize,
}

/// A job: all directories that carry one id, or one directory whose id is not known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    pub(crate) id: Option<JobId>,
    pub(crate) directories: Vec<JobDirectoryIndex>,
}

/// The roles and jobs of an inventory.
#[derive(Debug)]
pub(crate) struct Map {
    roles: Vec<Role>,
    owners: Vec<Option<JobDirectoryIndex>>,
    partial: Vec<bool>,
    pub(crate) job_directories: Vec<JobDirectory>,
    pub(crate) jobs: Vec<Job>,
}

impl Map {
    pub(crate) fn new(input: &PlanInput<'_>) -> Self {
        let inventory = input.inventory;
        // A directory may be listed whole as a candidate, and break when its metadata is looked for.
        let unlisted: BTreeSet<Location> =
            input.unlisted.iter().map(|(location, _)| input.equivalence.canonical(location)).collect();
        let broke = |location: &Location| {
            !unlisted.is_empty() && unlisted.contains(&input.equivalence.canonical(location))
        };
        let mut map = Self {
            roles: Vec::with_capacity(inventory.directory_count()),
            owners: Vec::with_capacity(inventory.directory_count()),
            partial: Vec::with_capacity(inventory.directory_count()),
            job_directories: Vec::new(),
            jobs: Vec::new(),
        };
        let mut by_id: BTreeMap<JobId, usize> = BTreeMap::new();
        // A parent comes before what lies below it.
        for (id, directory) in inventory.directories() {
            let parent = directory.parent;
            let above = parent.map_or(Role::Unknown, |parent| map.role(parent));
            let role = role_of(inventory, id, parent.map(|_| above));
            let owner = if role == Role::Job {
                Some(map.add_job_directory(inventory, id, &mut by_id))
            } else {
                parent.and_then(|parent| map.owner(parent))
            };
            let within_partial = parent.is_some_and(|parent| map.is_partial(parent));
            map.roles.push(role);
            map.owners.push(owner);
            map.partial
                .push(within_partial || directory.listing != Listing::Complete || broke(&directory.location));
        }
        map
    }

    fn add_job_directory(
        &mut self,
        inventory: &Inventory,
        id: DirectoryId,
        by_id: &mut BTreeMap<JobId, usize>,
    ) -> JobDirectoryIndex {
        let job_id = JobId::parse(inventory.directory(id).location.name());
        let known = job_id.and_then(|job_id| by_id.get(&job_id).copied());
        let job = known.unwrap_or(self.jobs.len());
        if known.is_none() {
            self.jobs.push(Job { id: job_id, directories: Vec::new() });
            by_id.extend(job_id.map(|job_id| (job_id, job)));
        }
        let index = self.job_directories.len();
        self.job_directories.push(JobDirectory { directory: id, job });
        if let Some(job) = self.jobs.get_mut(job) {
            job.directories.push(index);
        }
        index
    }

    /// Returns what a directory is.
    pub(crate) fn role(&self, id: DirectoryId) -> Role {
        self.roles.get(id.index()).copied().unwrap_or(Role::Unknown)
    }

    /// Returns the innermost job directory that this directory is or lies in.
    pub(crate) fn owner(&self, id: DirectoryId) -> Option<JobDirectoryIndex> {
        self.owners.get(id.index()).copied().flatten()
    }

    /// Returns the job whose directory this directory is or lies in.
    pub(crate) fn job(&self, id: DirectoryId) -> Option<usize> {
        self.owner(id).and_then(|owner| self.job_directories.get(owner)).map(|directory| directory.job)
    }

    /// Returns whether no two runs write to a job directory at the same time: not so without a job level, nor under
    /// an id that several clusters may have.
    pub(crate) fn is_of_one_run(&self, directory: JobDirectoryIndex) -> bool {
        let job = self.job_directories.get(directory).and_then(|directory| self.jobs.get(directory.job));
        job.and_then(|job| job.id).is_some_and(|id| !id.may_be_shared())
    }

    /// Returns whether the directory, or one that it lies in, could not be listed to the end.
    pub(crate) fn is_partial(&self, id: DirectoryId) -> bool {
        self.partial.get(id.index()).copied().unwrap_or(true)
    }

    /// Returns whether a directory, or one that it lies in, has such a role.
    pub(crate) fn lies_in(
        &self,
        inventory: &Inventory,
        directory: DirectoryId,
        such: impl Fn(Role) -> bool,
    ) -> bool {
        let mut at = Some(directory);
        while let Some(id) = at {
            if such(self.role(id)) {
                return true;
            }
            at = inventory.directory(id).parent;
        }
        false
    }

    /// Returns the innermost listed directory that a location is or lies in.
    pub(crate) fn innermost(inventory: &Inventory, location: &Location) -> Option<DirectoryId> {
        let mut at = Some(location.clone());
        while let Some(here) = at {
            if let Some(id) = inventory.find_directory(&here) {
                return Some(id);
            }
            at = here.parent();
        }
        None
    }
}

/// Tells what a directory is; `above` is the role of its parent, nothing for a root.
fn role_of(inventory: &Inventory, id: DirectoryId, above: Option<Role>) -> Role {
    let name = layout::directory_name(inventory.directory(id).location.name());
    let free = || {
        if let (DirectoryName::Savepoint(digits), true) = (name, above.is_some()) {
            Role::Savepoint(digits)
        } else if is_job_directory(inventory, id, name) {
            Role::Job
        } else {
            Role::Unknown
        }
    };
    match (above, name) {
        (Some(Role::Job), DirectoryName::Checkpoint(number)) => Role::Checkpoint(number),
        (Some(Role::Job), DirectoryName::Shared) => Role::Shared,
        (Some(Role::Job), DirectoryName::TaskOwned) => Role::TaskOwned,
        (Some(Role::Job), DirectoryName::Changelog) => Role::Changelog,
        (Some(Role::Job | Role::Shared), DirectoryName::ForStAttempt) => Role::ForStAttempt,
        (None | Some(Role::Unknown | Role::Job), _) => free(),
        (Some(Role::Shared | Role::TaskOwned), DirectoryName::Merged) => Role::Merged,
        (Some(Role::ForStAttempt), DirectoryName::ForStDatabase) => Role::ForStDatabase,
        (Some(Role::ForStDatabase), DirectoryName::ForStProbe) => Role::ForStProbe,
        (
            Some(
                Role::Opaque
                | Role::Checkpoint(_)
                | Role::Shared
                | Role::TaskOwned
                | Role::Changelog
                | Role::Merged
                | Role::ForStAttempt
                | Role::ForStDatabase
                | Role::ForStProbe
                | Role::Savepoint(_),
            ),
            _,
        ) => Role::Opaque,
    }
}

fn is_job_directory(inventory: &Inventory, id: DirectoryId, name: DirectoryName) -> bool {
    matches!(name, DirectoryName::Job(_))
        || inventory.children_of(id).iter().any(|child| {
            let name = layout::directory_name(inventory.directory(*child).location.name());
            matches!(name, DirectoryName::Checkpoint(_) | DirectoryName::Shared | DirectoryName::TaskOwned)
        })
}
