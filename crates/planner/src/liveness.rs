//! Which jobs are proved dead, and who uses what lies under whose directory.
//!
//! Nothing on a file system proves that a job is dead: silence means running. A job is dead here only if it was
//! declared so and shows no sign of life within `min-age`, or if nothing in it changed for `quiescent-after` and an
//! earlier look, at least a day before, saw the very same tree.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::plan::{Look, Looks, MetadataFile, Place, PlanInput, tree_digest};
use chksweep_core::policy::DeadJob;
use chksweep_core::{Age, DirectoryId, JobId, Location, Timestamp, layout};

use crate::PlanError;
use crate::map::{JobDirectoryIndex, Map, Role};
use crate::naming::{Naming, Snapshot, newest};

/// How long ago an earlier look must have seen the same tree.
const SECOND_LOOK_AFTER: Age = Age::hours(24);

/// Who uses what lies under a job directory, besides its own job.
#[derive(Clone, Debug, Default)]
struct Users {
    jobs: BTreeSet<usize>,
    /// Whether metadata in another directory of the same id names something here: then this directory alone being
    /// declared dead does not suffice.
    elsewhere: bool,
    /// Printed locations of job directories that named something here in the last recorded look.
    recorded: BTreeSet<String>,
    /// Metadata whose job is not known, or not under these roots: it cannot be proved dead.
    unknown: bool,
}

/// What is known of the life of each job.
#[derive(Debug)]
pub(crate) struct Liveness {
    dead: Vec<bool>,
    declared: Vec<bool>,
    activity: Vec<Option<Timestamp>>,
    users: Vec<Users>,
    /// Whether a directory is dead with all who use it: worked out once, asked for each file.
    dead_with_users: Vec<bool>,
    /// When a job that is not dead could be found quiescent, if nothing changes.
    quiescent_at: Vec<Option<Timestamp>>,
    /// Declarations that matched nothing.
    pub(crate) unmatched: Vec<DeadJob>,
    /// What this look saw.
    pub(crate) looks: Looks,
}

impl Liveness {
    pub(crate) fn new(
        input: &PlanInput<'_>,
        map: &Map,
        snapshots: &[Snapshot<'_>],
        naming: &Naming,
    ) -> Result<Self, PlanError> {
        let users = users(input, map, snapshots, naming);
        let looks = this_look(input, map, &users);
        let activity = Activity::new(input, map);
        let elsewhere = activity_elsewhere(input, map);
        let read = activity_as_read(input, map);
        let of_id = |id: Option<JobId>| id.and_then(|id| elsewhere.get(&id).copied());
        let per_directory: Vec<Option<Timestamp>> = map
            .job_directories
            .iter()
            .enumerate()
            .map(|(at, job)| {
                let id = map.jobs.get(job.job).and_then(|job| job.id);
                let here = newest(activity.of(job.directory), read.get(&at).copied());
                newest(here, of_id(id))
            })
            .collect();
        let (declared, unmatched) = declared(input, map);
        let mut liveness = Self {
            dead: vec![false; map.job_directories.len()],
            activity: per_directory,
            users,
            dead_with_users: Vec::new(),
            quiescent_at: vec![None; map.job_directories.len()],
            declared,
            unmatched,
            looks,
        };
        liveness.check_declared(input, map)?;
        liveness.decide(input, map);
        let recorded = recorded_jobs(input, map);
        liveness.dead_with_users = (0..map.job_directories.len())
            .map(|directory| liveness.dies_with_users(map, directory, &recorded))
            .collect();
        Ok(liveness)
    }

    /// Returns whether the job of this directory is proved dead.
    pub(crate) fn is_dead(&self, directory: JobDirectoryIndex) -> bool {
        self.dead.get(directory).copied().unwrap_or(false)
    }

    /// Returns whether somebody declared the job of this directory dead.
    pub(crate) fn is_declared_dead(&self, directory: JobDirectoryIndex) -> bool {
        self.declared.get(directory).copied().unwrap_or(false)
    }

    /// Returns whether every directory of the job is proved dead.
    pub(crate) fn is_job_dead(&self, map: &Map, job: usize) -> bool {
        map.jobs.get(job).is_some_and(|job| job.directories.iter().all(|directory| self.is_dead(*directory)))
    }

    /// Returns whether the job of this directory is dead, and so is every job that uses anything in it.
    pub(crate) fn is_dead_with_users(&self, directory: JobDirectoryIndex) -> bool {
        self.dead_with_users.get(directory).copied().unwrap_or(false)
    }

    fn dies_with_users(
        &self,
        map: &Map,
        directory: JobDirectoryIndex,
        recorded_jobs: &BTreeMap<String, usize>,
    ) -> bool {
        let Some(users) = self.users.get(directory) else { return false };
        let own_job = || map.job_directories.get(directory).is_some_and(|own| self.is_job_dead(map, own.job));
        self.is_dead(directory)
            && !users.unknown
            && (!users.elsewhere || own_job())
            && users.jobs.iter().all(|job| self.is_job_dead(map, *job))
            && users.recorded.iter().all(|printed| match recorded_jobs.get(printed) {
                Some(job) => self.is_job_dead(map, *job),
                // It is gone from the roots: that it ended is not proved.
                None => false,
            })
    }

    /// Returns whether metadata of another job names anything in this directory.
    pub(crate) fn is_used_by_others(&self, directory: JobDirectoryIndex) -> bool {
        self.users.get(directory).is_none_or(|users| users.unknown || !users.jobs.is_empty())
    }

    /// Returns the jobs whose metadata names anything in this directory, its own not counted.
    pub(crate) fn users_of(&self, directory: JobDirectoryIndex) -> impl Iterator<Item = usize> + '_ {
        self.users.get(directory).into_iter().flat_map(|users| users.jobs.iter().copied())
    }

    /// Returns the newest change in this directory of a job.
    pub(crate) fn last_activity(&self, directory: JobDirectoryIndex) -> Option<Timestamp> {
        self.activity.get(directory).copied().flatten()
    }

    /// Returns the newest change in any directory of a job.
    pub(crate) fn last_activity_of_job(&self, map: &Map, job: usize) -> Option<Timestamp> {
        let directories = map.jobs.get(job).map_or(&[][..], |job| &job.directories);
        directories.iter().fold(None, |latest, at| newest(latest, self.last_activity(*at)))
    }

    /// Returns when the job could be found quiescent, if nothing changes until then.
    pub(crate) fn quiescent_at(&self, directory: JobDirectoryIndex) -> Option<Timestamp> {
        self.quiescent_at.get(directory).copied().flatten()
    }

    fn check_declared(&self, input: &PlanInput<'_>, map: &Map) -> Result<(), PlanError> {
        for (at, job) in map.job_directories.iter().enumerate().filter(|(at, _)| self.is_declared_dead(*at)) {
            let Some(changed) = self.last_activity(at) else { continue };
            if changed > input.as_of || input.as_of.since(changed) <= input.policy.min_age {
                let path = &input.inventory.directory(job.directory).location;
                return Err(PlanError::DeadJobActive {
                    job: layout::job_of(path).map_or_else(|| path.to_string(), |id| id.to_string()),
                    path: path.to_string(),
                    at: changed.to_string(),
                });
            }
        }
        Ok(())
    }

    fn decide(&mut self, input: &PlanInput<'_>, map: &Map) {
        for (number, job) in map.jobs.iter().enumerate() {
            let quiescent_at = self.job_quiescent_at(input, map, number);
            let seen = job.directories.iter().any(|at| shows_a_job(input, map, *at));
            let quiescent = input.policy.trust_quiescence
                && seen
                && quiescent_at.is_some_and(|at| at < input.as_of)
                && job.directories.iter().all(|at| self.seen_before(input, map, *at));
            for at in &job.directories {
                // Where not everything was listed, nothing says that it did not change.
                let whole = map
                    .job_directories
                    .get(*at)
                    .is_some_and(|job| !has_partial_below(input, map, job.directory));
                if let Some(slot) = self.dead.get_mut(*at) {
                    *slot = quiescent || (whole && self.declared.get(*at).copied().unwrap_or(false));
                }
                if let (true, Some(slot)) =
                    (input.policy.trust_quiescence && seen, self.quiescent_at.get_mut(*at))
                {
                    *slot = quiescent_at.map(|at| at.max(input.looked_at.plus(SECOND_LOOK_AFTER)));
                }
            }
        }
    }

    /// Returns the point in time from which on the job has been without change for `quiescent-after`.
    fn job_quiescent_at(&self, input: &PlanInput<'_>, map: &Map, job: usize) -> Option<Timestamp> {
        let partial = map.jobs.get(job).is_none_or(|job| {
            job.directories.iter().any(|at| {
                map.job_directories.get(*at).is_none_or(|job| has_partial_below(input, map, job.directory))
            })
        });
        let changed = self.last_activity_of_job(map, job)?;
        (!partial).then(|| changed.plus(input.policy.quiescent_after))
    }

    /// Returns whether a look at least a day before this one saw the same tree. One that counts ages from a point
    /// at least a day ahead is its own earlier look: that is for trials, and `apply` looks again.
    fn seen_before(&self, input: &PlanInput<'_>, map: &Map, at: JobDirectoryIndex) -> bool {
        let Some(job) = map.job_directories.get(at) else { return false };
        let location = input.inventory.directory(job.directory).location.to_string();
        seen_before(input, &self.looks, &location)
    }
}

/// Returns whether an earlier look saw this directory as it is now.
pub(crate) fn seen_before(input: &PlanInput<'_>, now: &Looks, location: &str) -> bool {
    if input.as_of >= input.looked_at.plus(SECOND_LOOK_AFTER) {
        return true;
    }
    let (Some(earlier), Some(now)) = (input.looks.directories.get(location), now.directories.get(location))
    else {
        return false;
    };
    earlier.tree == now.tree && earlier.since <= input.as_of.minus(SECOND_LOOK_AFTER)
}

fn has_partial_below(input: &PlanInput<'_>, map: &Map, directory: DirectoryId) -> bool {
    map.is_partial(directory)
        || input.inventory.children_of(directory).iter().any(|child| has_partial_below(input, map, *child))
}

/// Returns whether the directory shows that it is a job's: it holds a `shared`, a `taskowned` or a `chk-N`.
fn shows_a_job(input: &PlanInput<'_>, map: &Map, at: JobDirectoryIndex) -> bool {
    map.job_directories.get(at).is_some_and(|job| {
        input
            .inventory
            .children_of(job.directory)
            .iter()
            .any(|child| matches!(map.role(*child), Role::Checkpoint(_) | Role::Shared | Role::TaskOwned))
    })
}

/// Returns the newest metadata of each job id that lies in no listed job directory: under reference roots, or where a
/// listing broke. A job of this id completed a checkpoint there, and two directories of one id are one job as far as
/// anybody can tell.
fn activity_elsewhere(input: &PlanInput<'_>, map: &Map) -> BTreeMap<JobId, Timestamp> {
    let mut newest = BTreeMap::new();
    for file in input.metadata {
        let is_elsewhere = match file.place {
            Place::Reference => true,
            Place::Sweep => owner_as_read(input, map, file).is_none(),
            Place::Quarantined { .. } => false,
        };
        if let (true, Some(id)) = (is_elsewhere, layout::job_of(&file.location)) {
            let known = newest.entry(id).or_insert(file.modified);
            *known = file.modified.max(*known);
        }
    }
    newest
}

/// Returns the listed job directory in which metadata was read.
fn owner_as_read(input: &PlanInput<'_>, map: &Map, file: &MetadataFile) -> Option<JobDirectoryIndex> {
    Map::innermost(input.inventory, &file.location).and_then(|directory| map.owner(directory))
}

/// Returns the newest metadata that was read in each job directory: a checkpoint that completed after the candidates
/// were listed is a sign of life that the listing does not show.
fn activity_as_read(input: &PlanInput<'_>, map: &Map) -> BTreeMap<JobDirectoryIndex, Timestamp> {
    let mut newest = BTreeMap::new();
    for file in input.metadata.iter().filter(|file| file.place == Place::Sweep) {
        if let Some(owner) = owner_as_read(input, map, file) {
            let known = newest.entry(owner).or_insert(file.modified);
            *known = file.modified.max(*known);
        }
    }
    newest
}

/// Finds the directories that somebody declared dead, and the declarations that match nothing.
fn declared(input: &PlanInput<'_>, map: &Map) -> (Vec<bool>, Vec<DeadJob>) {
    let mut declared = vec![false; map.job_directories.len()];
    let mut unmatched = Vec::new();
    for dead in &input.policy.dead_jobs {
        let mut matched = false;
        for (at, job) in map.job_directories.iter().enumerate() {
            let location = &input.inventory.directory(job.directory).location;
            let hit = match dead {
                DeadJob::Id(id) => JobId::parse(location.name()) == Some(*id),
                DeadJob::Path(path) => is_same_place(input, path, location),
            };
            if let (true, Some(slot)) = (hit, declared.get_mut(at)) {
                *slot = true;
                matched = true;
            }
        }
        if !matched {
            unmatched.push(dead.clone());
        }
    }
    (declared, unmatched)
}

fn is_same_place(input: &PlanInput<'_>, path: &str, location: &Location) -> bool {
    Location::from_printed(path.as_bytes())
        .is_some_and(|path| input.equivalence.canonical(&path) == input.equivalence.canonical(location))
}

/// Collects, for each job directory, whose metadata names anything in it.
fn users(input: &PlanInput<'_>, map: &Map, snapshots: &[Snapshot<'_>], naming: &Naming) -> Vec<Users> {
    let mut users = vec![Users::default(); map.job_directories.len()];
    let readable = snapshots.iter().map(|snapshot| owner_of(input, map, snapshot)).zip(&naming.touched);
    let unreadable = naming.touched_by_unreadable.iter().map(|(metadata, touched)| {
        let file = input.metadata.get(*metadata).filter(|file| file.place == Place::Sweep);
        (file.and_then(|file| owner_as_read(input, map, file)), touched)
    });
    for (owner, touched) in readable.chain(unreadable) {
        for at in touched.iter().flat_map(|directory| owners(input, map, *directory)) {
            let (Some(used), Some(directory)) = (users.get_mut(at), map.job_directories.get(at)) else {
                continue;
            };
            let job_of = |owner: JobDirectoryIndex| map.job_directories.get(owner).map(|owner| owner.job);
            match owner.and_then(job_of) {
                Some(job) if job == directory.job => used.elsewhere |= owner != Some(at),
                Some(job) => {
                    used.jobs.insert(job);
                }
                None => used.unknown = true,
            }
        }
    }
    for (at, job) in map.job_directories.iter().enumerate() {
        let location = input.inventory.directory(job.directory).location.to_string();
        if let (Some(look), Some(used)) = (input.looks.directories.get(&location), users.get_mut(at)) {
            used.recorded.extend(look.named_by.iter().cloned());
        }
    }
    users
}

/// Returns the job directories that a directory lies in, the innermost first. A job without a level of its own has its
/// changelog below one all the same, which lies in its job directory like a job of its own: who uses that uses both.
fn owners<'a>(
    input: &PlanInput<'a>,
    map: &'a Map,
    directory: DirectoryId,
) -> impl Iterator<Item = JobDirectoryIndex> + use<'a> {
    let inventory = input.inventory;
    std::iter::successors(map.owner(directory), move |at| {
        let job = map.job_directories.get(*at)?;
        inventory.directory(job.directory).parent.and_then(|parent| map.owner(parent))
    })
}

/// Returns the directory of the job that wrote a snapshot, where its place tells: the one that it lies in. The six
/// digits in the name of a savepoint tell who took it, not who restored it since.
fn owner_of(input: &PlanInput<'_>, map: &Map, snapshot: &Snapshot<'_>) -> Option<JobDirectoryIndex> {
    if snapshot.file.place == Place::Reference {
        // A job under a reference root may have an id that is used here too, and its tree was not looked at.
        return None;
    }
    let home = snapshot.home.as_ref()?;
    let directory = snapshot.directory.or_else(|| Map::innermost(input.inventory, home));
    directory.and_then(|directory| map.owner(directory))
}

/// All ids that anything tells of, by their first six digits, as savepoints are named: those of a directory that was
/// listed, of one that an earlier look saw, and of a job that wrote metadata anywhere.
#[derive(Debug)]
pub(crate) struct IdsByDigits {
    ids: BTreeMap<[u8; 6], BTreeSet<JobId>>,
    /// The numbers of those that have a directory.
    jobs: BTreeMap<JobId, usize>,
}

impl IdsByDigits {
    pub(crate) fn new(input: &PlanInput<'_>, map: &Map) -> Self {
        let mut ids: BTreeMap<[u8; 6], BTreeSet<JobId>> = BTreeMap::new();
        let mut add = |name: &[u8]| {
            let Some(id) = JobId::parse(name) else { return };
            if let Some(digits) = name.first_chunk() {
                ids.entry(*digits).or_default().insert(id);
            }
        };
        for (_, directory) in input.inventory.directories() {
            add(directory.location.name());
        }
        for path in input.looks.directories.keys() {
            add(path.rsplit('/').next().unwrap_or_default().as_bytes());
        }
        for file in input.metadata {
            let mut at = Some(match &file.place {
                Place::Quarantined { original, .. } => original.clone(),
                Place::Sweep | Place::Reference => file.location.clone(),
            });
            while let Some(here) = at {
                add(here.name());
                at = here.parent();
            }
        }
        let jobs = map.jobs.iter().enumerate().filter_map(|(number, job)| Some((job.id?, number))).collect();
        Self { ids, jobs }
    }

    /// Returns whether these digits may be taken for one job. `000000` and `ffffff` identify nothing.
    pub(crate) fn tell_one_job(&self, digits: [u8; 6]) -> bool {
        digits != *b"000000" && digits != *b"ffffff" && self.ids.get(&digits).is_none_or(|ids| ids.len() == 1)
    }

    /// Returns the one job with a directory whose id begins with these digits, if no other job is known whose does.
    pub(crate) fn job(&self, digits: [u8; 6]) -> Option<usize> {
        let id = self.ids.get(&digits)?.first().filter(|_| self.tell_one_job(digits))?;
        self.jobs.get(id).copied()
    }
}

fn recorded_jobs(input: &PlanInput<'_>, map: &Map) -> BTreeMap<String, usize> {
    map.job_directories
        .iter()
        .map(|job| (input.inventory.directory(job.directory).location.to_string(), job.job))
        .collect()
}

/// Records what this look sees: the tree of each job directory and savepoint, and whose metadata names in it.
fn this_look(input: &PlanInput<'_>, map: &Map, users: &[Users]) -> Looks {
    let mut looks = Looks { directories: BTreeMap::new(), moves: input.looks.moves.clone() };
    for (id, directory) in input.inventory.directories() {
        let role = map.role(id);
        if !matches!(role, Role::Job | Role::Savepoint(_)) {
            continue;
        }
        let owner = map.owner(id).filter(|_| role == Role::Job);
        let users = owner.and_then(|at| users.get(at));
        let own = owner.and_then(|at| map.job_directories.get(at)).map(|own| own.job);
        let named_by = users
            .into_iter()
            .flat_map(|users| users.jobs.iter().copied().chain(own.filter(|_| users.elsewhere)))
            .flat_map(|job| map.jobs.get(job).into_iter().flat_map(|job| &job.directories))
            .filter_map(|at| map.job_directories.get(*at))
            .map(|job| input.inventory.directory(job.directory).location.to_string())
            .collect();
        let location = directory.location.to_string();
        let tree = format!("{:032x}", tree_digest(input.inventory, id));
        let since = match input.looks.directories.get(&location) {
            Some(earlier) if earlier.tree == tree && !has_partial_below(input, map, id) => {
                earlier.since.min(input.looked_at)
            }
            _ => input.looked_at,
        };
        looks.directories.insert(location, Look { tree, since, named_by });
    }
    looks
}

/// The newest change at and below each directory, as far as it counts as a sign of life.
struct Activity {
    at: Vec<Option<Timestamp>>,
}

impl Activity {
    fn new(input: &PlanInput<'_>, map: &Map) -> Self {
        let inventory = input.inventory;
        let mut at: Vec<Option<Timestamp>> = vec![None; inventory.directory_count()];
        for (id, directory) in inventory.directories().rev() {
            let files = inventory.files_of(id).map(|(_, file)| file.modified).max();
            let children = inventory.children_of(id).iter();
            let below = children
                .fold(files, |latest, child| newest(latest, at.get(child.index()).copied().flatten()));
            let own = counts(map, input, id).then_some(directory.modified);
            let own = own.filter(|modified| !is_our_own(input, map, id, *modified, below));
            if let Some(slot) = at.get_mut(id.index()) {
                *slot = newest(below, own);
            }
        }
        Self { at }
    }

    fn of(&self, directory: DirectoryId) -> Option<Timestamp> {
        self.at.get(directory.index()).copied().flatten()
    }
}

/// Directory mtimes of `shared`, `taskowned` and below never count: sweeping changes them.
fn counts(map: &Map, input: &PlanInput<'_>, directory: DirectoryId) -> bool {
    !map.lies_in(input.inventory, directory, |role| matches!(role, Role::Shared | Role::TaskOwned))
}

/// Returns whether the mtime of a directory that Flink made is our own doing: within a recorded run that planned a
/// move there, and nothing beneath is younger than its start.
fn is_our_own(
    input: &PlanInput<'_>,
    map: &Map,
    directory: DirectoryId,
    modified: Timestamp,
    below: Option<Timestamp>,
) -> bool {
    if input.looks.moves.is_empty() || matches!(map.role(directory), Role::Unknown | Role::Opaque) {
        return false;
    }
    let location = input.inventory.directory(directory).location.to_string();
    let Some(moved) = input.looks.moves.get(&location) else { return false };
    let Some(end) = moved.end else { return false };
    (moved.start..=end).contains(&modified) && below.is_none_or(|below| below < moved.start)
}
