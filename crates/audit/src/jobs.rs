//! Which jobs are proved dead, derived anew from what was seen: silence means running.
//!
//! A job is dead when somebody declares it dead and nothing in it changed within `min-age`, or when nothing in any
//! directory of its id changed within `quiescent-after` and an earlier look, a day ago, saw the same tree. What
//! counts as a change is DESIGN §5, *Quiescent*: directory mtimes of `shared`, `taskowned` and below never do, and
//! those of other directories that Flink made not while they lie within a run of ours that moved something there.
//! What was not listed, or not the second time, may have changed.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::inventory::Listing;
use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::{Place, tree_digest};
use chksweep_core::policy::DeadJob;
use chksweep_core::{Age, Directory, DirectoryId, JobId, Location, Timestamp};

use crate::view::{View, Zone};
use crate::voices::home;

/// How long ago the earlier look at a quiescent job must have been.
const EARLIER_LOOK: Age = Age::hours(24);

/// One job directory.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) directory: DirectoryId,
    pub(crate) id: Option<JobId>,
    /// The newest change that counts.
    last: Option<Timestamp>,
    /// Whether something in it was not listed, or may be open for writing.
    uncertain: bool,
    /// Whether somebody declares this directory dead.
    declared: bool,
    dead: bool,
}

/// The job in whose directory a metadata file lies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Owner {
    /// A job directory of the inventory.
    Listed(usize),
    /// A job directory that was not listed.
    Elsewhere {
        /// The id in its name.
        id: Option<JobId>,
        /// The directory.
        directory: Location,
    },
    /// It lies in no job directory.
    Unknown {
        /// What the name of its savepoint tells of the job's id.
        digits: Option<[u8; 6]>,
    },
}

/// All job directories.
#[derive(Debug)]
pub(crate) struct Jobs {
    list: Vec<Job>,
    by_id: BTreeMap<JobId, Vec<usize>>,
    by_printed: BTreeMap<String, usize>,
    /// The owner of each metadata file, in the order of the input.
    owners: Vec<Owner>,
}

impl Jobs {
    pub(crate) fn new(view: &View<'_>) -> Self {
        let jobs = view.jobs.iter().map(|directory| Job {
            directory: *directory,
            id: view.job_id(*directory),
            last: None,
            uncertain: false,
            declared: is_declared(view, view.location(*directory)),
            dead: false,
        });
        let mut all = Self {
            list: jobs.collect(),
            by_id: BTreeMap::new(),
            by_printed: BTreeMap::new(),
            owners: view.input.metadata.iter().map(|file| owner_of(view, home(file))).collect(),
        };
        for (at, job) in all.list.iter().enumerate() {
            all.by_printed.insert(view.location(job.directory).to_string(), at);
            if let Some(id) = job.id {
                all.by_id.entry(id).or_default().push(at);
            }
        }
        all.collect_activity(view);
        all.collect_metadata_activity(view);
        for at in 0..all.list.len() {
            let dead = all.proves_dead(view, at);
            if let Some(job) = all.list.get_mut(at) {
                job.dead = dead;
            }
        }
        all
    }

    fn collect_activity(&mut self, view: &View<'_>) {
        // The listing of candidates may be whole and the later one for metadata not: what completed in between is unseen.
        let unlisted: BTreeSet<Location> =
            view.input.unlisted.iter().map(|(at, _)| view.input.equivalence.canonical(at)).collect();
        let broke =
            |at: &Location| !unlisted.is_empty() && unlisted.contains(&view.input.equivalence.canonical(at));
        for (id, directory) in view.input.inventory.directories() {
            let area = view.area(id);
            let Some(job) = area.job.filter(|_| !area.own).and_then(|at| self.list.get_mut(at)) else {
                continue;
            };
            job.uncertain |= directory.listing != Listing::Complete || broke(&directory.location);
            for (_, file) in view.input.inventory.files_of(id) {
                job.last = job.last.max(Some(file.modified));
                job.uncertain |=
                    file.whole_blocks && is_within(view, file.modified, view.input.policy.min_age);
            }
            if !area.state && !is_own_doing(view, area.zone, directory) {
                job.last = job.last.max(Some(directory.modified));
            }
        }
    }

    /// A checkpoint that completed after the candidates were listed, or under a reference root, is a change too.
    fn collect_metadata_activity(&mut self, view: &View<'_>) {
        for (file, owner) in view.input.metadata.iter().zip(&self.owners) {
            let touched: Vec<usize> = match (&file.place, owner) {
                (Place::Quarantined { .. }, _)
                | (_, Owner::Unknown { .. } | Owner::Elsewhere { id: None, .. }) => {
                    continue;
                }
                (Place::Sweep | Place::Reference, Owner::Listed(at)) => vec![*at],
                (Place::Sweep | Place::Reference, Owner::Elsewhere { id: Some(id), .. }) => {
                    self.of_id(*id).to_vec()
                }
            };
            for at in touched {
                if let Some(job) = self.list.get_mut(at) {
                    job.last = job.last.max(Some(file.modified));
                }
            }
        }
    }

    fn proves_dead(&self, view: &View<'_>, at: usize) -> bool {
        let Some(job) = self.list.get(at) else { return false };
        let group = self.group(at);
        let min_age = view.input.policy.min_age;
        let declared_here = job.declared && self.is_still(view, &[at], min_age);
        let declared_id =
            job.id.is_some_and(|id| is_declared_id(view, id)) && self.is_still(view, &group, min_age);
        declared_here || declared_id || self.is_quiescent(view, &group)
    }

    fn is_quiescent(&self, view: &View<'_>, group: &[usize]) -> bool {
        let policy = view.input.policy;
        policy.trust_quiescence
            && self.is_still(view, group, policy.quiescent_after)
            && group.iter().any(|at| self.was_seen_with_state(view, *at))
            && group
                .iter()
                .all(|at| self.list.get(*at).is_some_and(|job| was_seen_before(view, job.directory)))
    }

    /// Returns whether nothing in these directories changed within an age, and that is known.
    fn is_still(&self, view: &View<'_>, group: &[usize], age: Age) -> bool {
        group
            .iter()
            .filter_map(|at| self.list.get(*at))
            .all(|job| !job.uncertain && job.last.is_none_or(|last| view.input.as_of > last.plus(age)))
    }

    /// A changelog base alone shows nothing of the checkpoints of its job.
    fn was_seen_with_state(&self, view: &View<'_>, at: usize) -> bool {
        let Some(job) = self.list.get(at) else { return false };
        view.holds_state(job.directory)
            || job.id.is_some_and(|id| {
                self.owners
                    .iter()
                    .any(|owner| matches!(owner, Owner::Elsewhere { id: Some(other), .. } if *other == id))
            })
    }

    /// Returns the directories that live and die together with this one: those of its id.
    fn group(&self, at: usize) -> Vec<usize> {
        match self.list.get(at).and_then(|job| job.id) {
            Some(id) => self.of_id(id).to_vec(),
            None => vec![at],
        }
    }

    /// Returns the job directories with this id.
    pub(crate) fn of_id(&self, id: JobId) -> &[usize] {
        self.by_id.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn all(&self) -> &[Job] {
        &self.list
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Job> {
        self.list.get(at)
    }

    /// Returns whether the job of this directory is proved dead.
    pub(crate) fn is_dead(&self, at: Option<usize>) -> bool {
        at.and_then(|at| self.list.get(at)).is_some_and(|job| job.dead)
    }

    /// Returns whether somebody declares the job of this directory dead, and rightly.
    pub(crate) fn is_declared_dead(&self, view: &View<'_>, at: usize) -> bool {
        self.is_dead(Some(at))
            && self
                .list
                .get(at)
                .is_some_and(|job| job.declared || job.id.is_some_and(|id| is_declared_id(view, id)))
    }

    /// Returns whether nothing but a declared id proves the job of this directory dead.
    pub(crate) fn is_declared_by_id_only(&self, view: &View<'_>, at: usize) -> bool {
        let declared_here = self.list.get(at).is_some_and(|job| job.declared);
        !declared_here && !self.is_quiescent(view, &self.group(at))
    }

    /// Returns whether the job of an id is proved dead wherever it lies: declared, or all its directories are.
    pub(crate) fn is_dead_id(&self, view: &View<'_>, id: JobId) -> bool {
        let group = self.of_id(id);
        let declared = is_declared_id(view, id) && self.is_still(view, group, view.input.policy.min_age);
        declared || (!group.is_empty() && group.iter().all(|at| self.is_dead(Some(*at))))
    }

    /// Returns whether the job that owns a metadata file is proved dead. An unknown owner is not; a savepoint is
    /// dead when every listed job is that its name may tell.
    pub(crate) fn is_dead_owner(&self, view: &View<'_>, metadata: usize) -> bool {
        match self.owner(metadata) {
            Owner::Listed(at) => self.is_dead(Some(*at)),
            Owner::Elsewhere { id, directory } => {
                let still = view
                    .input
                    .metadata
                    .get(metadata)
                    .is_some_and(|file| !is_within(view, file.modified, view.input.policy.min_age));
                id.is_some_and(|id| self.is_dead_id(view, id)) || (still && is_declared(view, directory))
            }
            Owner::Unknown { digits: Some(digits) } => {
                let mut known = self.by_id.keys().filter(|id| starts_with(**id, *digits)).peekable();
                known.peek().is_some() && known.all(|id| self.is_dead_id(view, *id))
            }
            Owner::Unknown { digits: None } => false,
        }
    }

    /// Returns whether the job whose directory was printed so is proved dead.
    pub(crate) fn is_dead_printed(&self, view: &View<'_>, printed: &str) -> bool {
        if let Some(at) = self.by_printed.get(printed) {
            return self.is_dead(Some(*at));
        }
        let Some(location) = Location::from_printed(printed.as_bytes()) else { return false };
        is_declared(view, &location)
            || JobId::parse(location.name()).is_some_and(|id| self.is_dead_id(view, id))
    }

    /// Returns the owner of a metadata file, by its number in the input.
    pub(crate) fn owner(&self, metadata: usize) -> &Owner {
        self.owners.get(metadata).unwrap_or(&Owner::Unknown { digits: None })
    }

    /// Returns whether an owner is the job of this directory.
    pub(crate) fn is_same(&self, owner: &Owner, at: usize) -> bool {
        let id = self.list.get(at).and_then(|job| job.id);
        match owner {
            Owner::Listed(other) => {
                *other == at || (id.is_some() && self.list.get(*other).is_some_and(|job| job.id == id))
            }
            Owner::Elsewhere { id: other, .. } => id.is_some() && *other == id,
            Owner::Unknown { digits: Some(digits) } => id.is_some_and(|id| starts_with(id, *digits)),
            Owner::Unknown { digits: None } => false,
        }
    }

    /// Returns the newest change in any directory of this job.
    pub(crate) fn last_change(&self, at: usize) -> Option<Timestamp> {
        self.group(at).into_iter().filter_map(|at| self.list.get(at)?.last).max()
    }
}

/// Returns whether a time lies within an age of now, or in the future.
pub(crate) fn is_within(view: &View<'_>, time: Timestamp, age: Age) -> bool {
    view.input.as_of < time.plus(age)
}

fn is_declared_id(view: &View<'_>, id: JobId) -> bool {
    view.input.policy.dead_jobs.iter().any(|dead| match dead {
        DeadJob::Id(other) => *other == id,
        DeadJob::Path(_) => false,
    })
}

fn is_declared(view: &View<'_>, directory: &Location) -> bool {
    view.input.policy.dead_jobs.iter().any(|dead| match dead {
        DeadJob::Id(_) => false,
        DeadJob::Path(printed) => {
            let printed = printed.trim_end_matches('/');
            printed == directory.to_string()
                || Location::from_printed(printed.as_bytes()).is_some_and(|path| {
                    view.input.equivalence.canonical(&path) == view.input.equivalence.canonical(directory)
                })
        }
    })
}

fn is_own_doing(view: &View<'_>, zone: Zone, directory: &Directory) -> bool {
    // In `shared` and `taskowned` no directory counts at all.
    !matches!(zone, Zone::Outer | Zone::Strange)
        && !view.input.looks.moves.is_empty()
        && view.input.looks.moves.get(&directory.location.to_string()).is_some_and(|own| {
            own.start <= directory.modified && own.end.is_some_and(|end| directory.modified <= end)
        })
}

/// Returns whether an earlier look, a day ago, saw this directory just as it is.
fn was_seen_before(view: &View<'_>, directory: DirectoryId) -> bool {
    let input = &view.input;
    if input.as_of >= input.looked_at.plus(EARLIER_LOOK) {
        return true;
    }
    input.looks.directories.get(&view.location(directory).to_string()).is_some_and(|look| {
        look.since.plus(EARLIER_LOOK) <= input.as_of && is_same_tree(view, directory, &look.tree)
    })
}

/// Returns whether a directory holds just what a look saw.
pub(crate) fn is_same_tree(view: &View<'_>, directory: DirectoryId, tree: &str) -> bool {
    u128::from_str_radix(tree, 16) == Ok(tree_digest(view.input.inventory, directory))
}

/// Returns the job in whose directory a metadata file lies.
fn owner_of(view: &View<'_>, metadata: &Location) -> Owner {
    let Some(directory) = metadata.parent() else { return Owner::Unknown { digits: None } };
    if let Some(job) = job_directory_of(&directory) {
        let listed = view.just_at(&job).filter(|id| view.area(*id).zone == Zone::Job);
        return match listed.and_then(|id| view.area(id).job) {
            Some(at) => Owner::Listed(at),
            None => Owner::Elsewhere { id: JobId::parse(job.name()), directory: job },
        };
    }
    // A savepoint in a directory that holds checkpoints of a job without a directory of its own.
    match view.just_at(&directory).and_then(|id| view.area(id).job) {
        Some(at) => Owner::Listed(at),
        None => Owner::Unknown { digits: telling_digits(directory.name()) },
    }
}

/// Returns the job directory that a path tells by itself: the one that holds its `chk-N`, or has an id for a name.
fn job_directory_of(directory: &Location) -> Option<Location> {
    if layout::checkpoint_number(directory.name()).is_some() {
        return directory.parent();
    }
    let mut at = Some(directory.clone());
    while let Some(here) = at {
        if JobId::parse(here.name()).is_some() {
            return Some(here);
        }
        at = here.parent();
    }
    None
}

/// Returns the first six digits of a job's id from the name of a savepoint directory, unless they are those that
/// application clusters share.
pub(crate) fn telling_digits(name: &[u8]) -> Option<[u8; 6]> {
    if let DirectoryName::Savepoint(digits) = layout::directory_name(name) {
        (digits != *b"000000" && digits != *b"ffffff").then_some(digits)
    } else {
        None
    }
}

/// Returns whether the name of a job directory tells that all in it is of one run at a time: not if it is no id, and not
/// if it is one of those that Flink does not draw, and gives to all clusters or to all of one name.
pub(crate) fn tells_run(job_directory: &Location) -> bool {
    JobId::parse(job_directory.name()).is_some_and(is_drawn)
}

/// Returns whether Flink has drawn an id: the others are made of the 32-bit hashes of two names, that of the cluster in
/// the first half and, since Flink 2.3, that of the job in both. Each is a signed number of its half.
pub(crate) fn is_drawn(id: JobId) -> bool {
    let number = |half: Option<&[u8; 8]>| half.map_or(0, |half| i128::from(i64::from_be_bytes(*half)));
    let (first, last) = (number(id.0.first_chunk()), number(id.0.last_chunk()));
    if (first, last) == (0, 0) {
        return false;
    }
    let cluster = first - last;
    let fits = i128::from(i32::MIN)..=i128::from(i32::MAX);
    first == 0 || cluster == 0 || last.abs() > i128::from(u32::MAX) || !fits.contains(&cluster)
}

/// Returns whether an id begins with these digits.
pub(crate) fn starts_with(id: JobId, digits: [u8; 6]) -> bool {
    id.to_string().as_bytes().starts_with(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_of_hashes_of_names_are_not_drawn() {
        for (id, drawn) in [
            ("00000000000000000000000000000000", false),
            ("a1b2c3d4e5f60718293a4b5c6d7e8f90", true),
            // The hash of a cluster alone, and with that of a job, each with either sign.
            ("000000001234abcd0000000000000000", false),
            ("ffffffff9234abcd0000000000000000", false),
            ("0000000022345678000000000fffffff", false),
            ("00000000f000000000000000ffffffff", false),
            ("ffffffff0fffffffffffffff00000001", false),
            // A last half, or a difference, that no hash of a name has.
            ("00000000f00000000000000100000000", true),
            ("7fffffffffffffff0000000000000001", true),
            ("00000000800000000000000000000000", true),
            ("ffffffff7fffffff0000000000000000", true),
            ("00000000000000010000000000000001", true),
        ] {
            assert_eq!(is_drawn(JobId::parse(id.as_bytes()).unwrap()), drawn, "{id}");
        }
    }
}
