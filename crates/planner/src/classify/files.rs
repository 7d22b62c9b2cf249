//! The verdict on each file, by the place in which it lies.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::layout::{self, FileName};
use chksweep_core::plan::{Decision, OperatorStateSearch, Place, Rule, Verdict};
use chksweep_core::{DirectoryId, File, FileId, Kind, NameRef, OperatorId, Timestamp};

use super::World;
use crate::liveness::{IdsByDigits, seen_before};
use crate::map::{JobDirectoryIndex, Role};
use crate::naming::Snapshot;
use crate::retention::same_lineage;

/// What is known of the metadata in one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetadataState {
    /// There is none.
    Absent,
    /// It was read.
    Readable,
    /// It is there, and could not be read.
    Unreadable,
    /// It was not there when the directory was listed, and was when metadata was looked for: what was listed is that
    /// of a checkpoint that was just being completed.
    Appeared,
}

/// What is worked out once for all files.
pub(super) struct Facts {
    /// The completed checkpoints of each job directory, ascending by number.
    completed: BTreeMap<JobDirectoryIndex, Vec<Completed>>,
    /// When a checkpoint of the directory completed last.
    frontier: BTreeMap<JobDirectoryIndex, Timestamp>,
    /// What was read of each listed metadata file: more than once where it changed in between.
    pub(super) by_file: BTreeMap<FileId, Vec<usize>>,
    /// Directories in which metadata appeared after they were listed.
    appeared: BTreeSet<DirectoryId>,
    /// Job directories in which write-ahead sinks were not ruled out.
    unsearched: Vec<bool>,
}

pub(super) struct Completed {
    /// The number of its snapshot.
    pub(super) at: usize,
    number: u64,
    written: Timestamp,
    operators: Vec<OperatorId>,
    /// Whether it still lay there when it was listed.
    listed: bool,
}

impl Facts {
    pub(super) fn new(world: &World<'_>) -> Self {
        let mut facts = Self {
            completed: BTreeMap::new(),
            frontier: BTreeMap::new(),
            by_file: BTreeMap::new(),
            appeared: appeared(world),
            unsearched: unsearched(world),
        };
        for (at, snapshot) in world.snapshots.iter().enumerate() {
            if let Some(file) = snapshot.listed {
                facts.by_file.entry(file).or_default().push(at);
            }
            let Some((owner, number)) = checkpoint_of(world, snapshot) else { continue };
            // What vanished between listing and reading was subsumed, and what began after the listing is there only
            // now: both completed all the same, and tell of which lineage their number was, but nothing tells when a
            // file could have been passed over by them.
            let (written, listed) = (snapshot.file.modified, snapshot.listed.is_some());
            if listed {
                let newest = facts.frontier.entry(owner).or_insert(written);
                *newest = (*newest).max(written);
            }
            let operators = snapshot.content.operators.clone();
            let one = Completed { at, number, written, operators, listed };
            facts.completed.entry(owner).or_default().push(one);
        }
        for completed in facts.completed.values_mut() {
            completed.sort_by_key(|one| (one.number, one.written));
        }
        facts
    }

    pub(super) fn metadata(&self, world: &World<'_>, directory: DirectoryId) -> MetadataState {
        let inventory = world.input.inventory;
        match inventory.find_file(directory, NameRef::new(layout::METADATA)) {
            None if self.appeared.contains(&directory) => MetadataState::Appeared,
            None => MetadataState::Absent,
            Some(file) if self.by_file.contains_key(&file) => MetadataState::Readable,
            Some(_) => MetadataState::Unreadable,
        }
    }

    /// Returns whether a checkpoint of the directory completed after a file was written, and passed it over.
    ///
    /// Where several runs may write at the same time, the checkpoint of one says nothing of what another will name: an
    /// aborted checkpoint of the one takes the completed one of the other with it when their numbers meet.
    pub(super) fn is_behind_frontier(
        &self,
        world: &World<'_>,
        directory: DirectoryId,
        modified: Timestamp,
    ) -> bool {
        let Some(owner) = world.map.owner(directory) else { return false };
        if !world.map.is_of_one_run(owner) {
            return false;
        }
        self.frontier
            .get(&owner)
            .is_some_and(|newest| modified < newest.minus(world.input.policy.frontier_slack))
    }

    /// Returns the newest completed checkpoint of a job directory, and what was read of it.
    pub(super) fn frontier(&self, owner: JobDirectoryIndex) -> Option<&Completed> {
        let newest = self.frontier.get(&owner)?;
        self.completed.get(&owner)?.iter().find(|one| one.listed && one.written == *newest)
    }

    /// Returns a checkpoint with a higher number, of the same lineage as the nearest lower one, that completed after
    /// everything in this `chk-N` was written.
    pub(super) fn overtaken_by(
        &self,
        world: &World<'_>,
        directory: DirectoryId,
        number: u64,
    ) -> Option<&Completed> {
        let completed = world.map.owner(directory).and_then(|owner| self.completed.get(&owner))?;
        let lower = completed.iter().rev().find(|one| one.number < number)?;
        let written = world.input.inventory.files_of(directory).map(|(_, file)| file.modified).max();
        completed
            .iter()
            .filter(|one| one.listed && one.number > number && same_lineage(&lower.operators, &one.operators))
            .find(|one| written.is_none_or(|written| one.written > written))
    }
}

/// Returns the job directory and the number of a completed checkpoint, whether or not its `chk-N` was listed: where
/// several jobs write to one directory, the next number may be taken by another between listing and reading.
fn checkpoint_of(world: &World<'_>, snapshot: &Snapshot<'_>) -> Option<(JobDirectoryIndex, u64)> {
    if snapshot.content.kind == Kind::Savepoint {
        return None;
    }
    if snapshot.directory.is_some() || snapshot.file.place != Place::Sweep {
        return Some((snapshot.owner(world.map)?, snapshot.checkpoint_number(world.map)?));
    }
    let home = snapshot.home.as_ref()?;
    let job = world.input.inventory.find_directory(&home.parent()?)?;
    if world.map.role(job) != Role::Job {
        return None;
    }
    Some((world.map.owner(job)?, layout::checkpoint_number(home.name())?))
}

/// Returns for each job directory whether some kept snapshot that may know of files directly in its `taskowned` has
/// operator state in which their names were not searched for. Goes through snapshots and directories once each, for
/// there are thousands of both.
///
/// A job that was restored from a snapshot takes the buffers of its sinks over inside operator state, and need not name
/// anything else of where it came from. It has the operator that wrote them; so a snapshot knows nothing of them only
/// where its operators and those of the job are known, and none is in both.
fn unsearched(world: &World<'_>) -> Vec<bool> {
    let directories = &world.map.job_directories;
    let by_digits = IdsByDigits::new(world.input, world.map);
    let mut unsearched = vec![false; directories.len()];
    let mut jobs: BTreeSet<usize> = BTreeSet::new();
    let mut operators: BTreeSet<OperatorId> = BTreeSet::new();
    for (snapshot, touched) in world.snapshots.iter().zip(&world.naming.touched) {
        if !snapshot.names || snapshot.file.operator_state != OperatorStateSearch::NotSearched {
            continue;
        }
        match knows_of(world, &by_digits, snapshot) {
            Some(job) if tells_operators(snapshot) => {
                jobs.insert(job);
                operators.extend(&snapshot.content.operators);
            }
            Some(_) | None => return vec![true; directories.len()],
        }
        for at in touched.iter().filter_map(|directory| world.map.owner(*directory)) {
            if let Some(slot) = unsearched.get_mut(at) {
                *slot = true;
            }
        }
    }
    // A snapshot may belong to the job of the directory, to one that uses what lies in it, or to one that came from it.
    let own = operators_of_jobs(world);
    for (at, (slot, directory)) in unsearched.iter_mut().zip(directories).enumerate() {
        let own = own.get(&directory.job).filter(|_| world.map.is_of_one_run(at));
        *slot |= jobs.contains(&directory.job)
            || world.liveness.users_of(at).any(|user| jobs.contains(&user))
            || !jobs.is_empty() && own.is_none_or(|own| own.iter().any(|id| operators.contains(id)));
    }
    unsearched
}

/// Returns whether all operators are known that a snapshot has. Version 1 tells of others than later ones.
fn tells_operators(snapshot: &Snapshot<'_>) -> bool {
    snapshot.content.version > 1 && !snapshot.content.operators.is_empty()
}

/// Returns the operators of each job of which a snapshot lies in one of its directories.
fn operators_of_jobs<'a>(world: &World<'a>) -> BTreeMap<usize, BTreeSet<&'a OperatorId>> {
    let mut known: BTreeMap<usize, BTreeSet<&OperatorId>> = BTreeMap::new();
    for snapshot in world.snapshots.iter().filter(|snapshot| tells_operators(snapshot)) {
        if let Some(job) = snapshot.directory.and_then(|directory| world.map.job(directory)) {
            known.entry(job).or_default().extend(&snapshot.content.operators);
        }
    }
    known
}

/// Returns the only job that a snapshot may know of. Only its place, or the name of a savepoint, tells one; nothing
/// where it may know of any.
fn knows_of(world: &World<'_>, by_digits: &IdsByDigits, snapshot: &Snapshot<'_>) -> Option<usize> {
    if let Some(job) = snapshot.directory.and_then(|directory| world.map.job(directory)) {
        return Some(job);
    }
    match snapshot.home.as_ref().map(|home| layout::directory_name(home.name())) {
        Some(layout::DirectoryName::Savepoint(digits)) => by_digits.job(digits),
        _ => None,
    }
}

/// Decides on the files directly in a directory, in their order.
pub(super) fn of_directory(world: &World<'_>, facts: &Facts, directory: DirectoryId) -> Vec<Verdict> {
    let inventory = world.input.inventory;
    if world.map.is_partial(directory) {
        return vec![Verdict::new(Rule::PartialListing); inventory.files_of(directory).len()];
    }
    let verdicts = |decide: &dyn Fn(FileId, &File) -> Verdict| -> Vec<Verdict> {
        inventory.files_of(directory).map(|(id, file)| general(world, directory, id, file, decide)).collect()
    };
    match world.map.role(directory) {
        Role::Checkpoint(number) => {
            let place = CheckpointPlace::new(world, facts, directory, number);
            verdicts(&|id, file| place.decide(id, file))
        }
        Role::Savepoint(_) => {
            let place = SavepointPlace::new(world, facts, directory);
            verdicts(&|id, file| place.decide(id, file))
        }
        Role::Shared => verdicts(&|_, file| shared(world, facts, directory, file)),
        Role::TaskOwned => verdicts(&|_, file| task_owned(world, facts, directory, file)),
        Role::Changelog | Role::ForStDatabase => verdicts(&|_, file| running(world, directory, file)),
        Role::Merged => whole(world, directory, verdicts(&|_, file| running(world, directory, file))),
        Role::Unknown | Role::Opaque | Role::Job | Role::ForStAttempt | Role::ForStProbe => {
            verdicts(&|id, file| elsewhere(world, facts, id, file))
        }
    }
}

/// What holds wherever a file lies, before its place is asked.
fn general(
    world: &World<'_>,
    directory: DirectoryId,
    id: FileId,
    file: &File,
    decide: &dyn Fn(FileId, &File) -> Verdict,
) -> Verdict {
    if !file.regular {
        return Verdict::new(Rule::UnknownName);
    }
    world.kept(directory, id).map_or_else(|| decide(id, file), Verdict::new)
}

fn name(world: &World<'_>, file: &File) -> FileName {
    layout::file_name(&world.input.inventory.name_of(file).to_vec())
}

/// Staging files of `_metadata` are named by nobody, ever; one that is old is not open either.
fn staging(world: &World<'_>, file: &File) -> Verdict {
    match world.young(file.modified) {
        Some(young) if file.whole_blocks => {
            young.until_time().map_or(young, |until| Verdict::until(Rule::Open, until))
        }
        Some(young) => young,
        None => Verdict::new(Rule::StagingFile),
    }
}

/// The `_metadata` of a snapshot: kept, unless a policy retires everything that was read of it.
fn metadata(world: &World<'_>, facts: &Facts, id: FileId, file: &File) -> Verdict {
    let Some(read) = facts.by_file.get(&id) else { return Verdict::new(Rule::UnreadableMetadata) };
    let rules: Option<Vec<Rule>> = read.iter().map(|at| world.retention.retires(*at)).collect();
    if let Some(rule) = rules.and_then(|rules| rules.into_iter().max()) {
        return world.young(file.modified).unwrap_or(Verdict::new(rule));
    }
    let is_savepoint = |at: &usize| {
        world.snapshots.get(*at).is_some_and(|snapshot| {
            snapshot.content.kind == Kind::Savepoint || is_in_savepoint(world, snapshot)
        })
    };
    Verdict::new(if read.iter().any(is_savepoint) { Rule::Savepoint } else { Rule::Retained })
}

fn is_in_savepoint(world: &World<'_>, snapshot: &Snapshot<'_>) -> bool {
    matches!(snapshot.directory.map(|id| world.map.role(id)), Some(Role::Savepoint(_)))
}

fn shared(world: &World<'_>, facts: &Facts, directory: DirectoryId, file: &File) -> Verdict {
    if !matches!(name(world, file), FileName::State(_)) {
        return Verdict::new(Rule::UnknownName);
    }
    if let Some(young) = world.young(file.modified) {
        return young;
    }
    if facts.is_behind_frontier(world, directory, file.modified) || world.is_dead(directory) {
        return Verdict::new(Rule::UnreferencedShared);
    }
    Verdict::new(Rule::BehindFrontierNotYet)
}

/// State that a running job holds without naming it, for as long as it likes: age settles nothing.
fn running(world: &World<'_>, directory: DirectoryId, file: &File) -> Verdict {
    if !matches!(name(world, file), FileName::State(_)) {
        return Verdict::new(Rule::UnknownName);
    }
    if let Some(young) = world.young(file.modified) {
        return young;
    }
    if world.is_dead_with_users(directory) {
        return Verdict::new(Rule::UnreferencedRunningState);
    }
    world.job_not_dead(directory)
}

/// Files directly in `taskowned` may be named inside operator state, by a write-ahead sink.
fn task_owned(world: &World<'_>, facts: &Facts, directory: DirectoryId, file: &File) -> Verdict {
    let verdict = running(world, directory, file);
    let owner = world.map.owner(directory);
    let unsearched = owner.is_none_or(|owner| facts.unsearched.get(owner).copied().unwrap_or(true));
    if verdict.decision() == Decision::Sweep && unsearched {
        return Verdict::new(Rule::JobNotDead);
    }
    verdict
}

/// A file-merging directory goes whole or not at all: what holds one file in it holds all.
fn whole(world: &World<'_>, directory: DirectoryId, verdicts: Vec<Verdict>) -> Vec<Verdict> {
    let opaque = !world.input.inventory.children_of(directory).is_empty();
    let strongest =
        verdicts.iter().copied().filter(|verdict| verdict.decision() != Decision::Sweep).min_by_key(
            |verdict| match verdict.decision() {
                Decision::Keep => 0,
                Decision::Skip => 1,
                Decision::Defer => 2,
                Decision::Sweep => 3,
            },
        );
    let holding = match strongest {
        Some(verdict) if verdict.decision() == Decision::Keep => Verdict::new(Rule::NamedDirectory),
        Some(verdict) => verdict,
        None if opaque => Verdict::new(Rule::UnknownName),
        None => return verdicts,
    };
    verdicts
        .into_iter()
        .map(|verdict| if verdict.decision() == Decision::Sweep { holding } else { verdict })
        .collect()
}

/// Files in no place that Flink gives them: metadata under an old name names; the rest is not understood.
fn elsewhere(world: &World<'_>, facts: &Facts, id: FileId, file: &File) -> Verdict {
    match name(world, file) {
        FileName::Metadata => metadata(world, facts, id, file),
        FileName::OldMetadata if facts.by_file.contains_key(&id) => metadata(world, facts, id, file),
        FileName::OldMetadata | FileName::Staging | FileName::State(_) | FileName::Unknown => {
            Verdict::new(Rule::UnknownName)
        }
    }
}

/// A `chk-N`.
struct CheckpointPlace<'a> {
    world: &'a World<'a>,
    facts: &'a Facts,
    metadata: MetadataState,
    /// Whether what lies here without metadata was given up.
    abandoned: bool,
    /// Whether this looks like Flink 1.4 or older, where metadata lies elsewhere.
    old_layout: bool,
    directory: DirectoryId,
}

impl<'a> CheckpointPlace<'a> {
    fn new(world: &'a World<'a>, facts: &'a Facts, directory: DirectoryId, number: u64) -> Self {
        Self {
            world,
            facts,
            metadata: facts.metadata(world, directory),
            abandoned: facts.overtaken_by(world, directory, number).is_some() || world.is_dead(directory),
            old_layout: has_old_layout(world, facts, directory),
            directory,
        }
    }

    fn decide(&self, id: FileId, file: &File) -> Verdict {
        match name(self.world, file) {
            FileName::Metadata => metadata(self.world, self.facts, id, file),
            FileName::Staging => staging(self.world, file),
            FileName::State(_) => self.state(file),
            FileName::OldMetadata | FileName::Unknown => Verdict::new(Rule::UnknownName),
        }
    }

    fn state(&self, file: &File) -> Verdict {
        let young = self.world.young(file.modified);
        match (self.metadata, young) {
            (MetadataState::Unreadable, _) => Verdict::new(Rule::UnreadableMetadata),
            (MetadataState::Appeared, _) => Verdict::new(Rule::InProgress),
            (_, Some(young)) => young,
            (MetadataState::Readable, None) => Verdict::new(Rule::UnreferencedExclusive),
            (MetadataState::Absent, None) if self.old_layout => Verdict::new(Rule::UnknownName),
            (MetadataState::Absent, None) if self.abandoned => Verdict::new(Rule::AbandonedCheckpoint),
            (MetadataState::Absent, None) => {
                let until = self.world.job_not_dead(self.directory).until_time();
                until.map_or(Verdict::new(Rule::InProgress), |until| Verdict::until(Rule::InProgress, until))
            }
        }
    }
}

fn appeared(world: &World<'_>) -> BTreeSet<DirectoryId> {
    let inventory = world.input.inventory;
    let metadata = world.input.metadata.iter().filter(|file| file.place == Place::Sweep);
    let directories = metadata.filter_map(|file| {
        let directory = inventory.find_directory(&file.location.parent()?)?;
        inventory.find_file(directory, NameRef::new(file.location.name())).is_none().then_some(directory)
    });
    directories.collect()
}

/// Flink 1.4 and older made no `shared` and wrote metadata elsewhere: nothing tells that such a checkpoint was
/// given up, unless somebody declares the job dead.
fn has_old_layout(world: &World<'_>, facts: &Facts, directory: DirectoryId) -> bool {
    let Some(job) = world.input.inventory.directory(directory).parent else { return true };
    let declared = world.map.owner(directory).is_some_and(|owner| world.liveness.is_declared_dead(owner));
    !declared
        && !world.input.inventory.children_of(job).iter().any(|child| {
            let role = world.map.role(*child);
            role == Role::Shared
                || (matches!(role, Role::Checkpoint(_))
                    && facts.metadata(world, *child) != MetadataState::Absent)
        })
}

/// A `savepoint-…`.
struct SavepointPlace<'a> {
    world: &'a World<'a>,
    facts: &'a Facts,
    metadata: MetadataState,
    /// What holds a savepoint without metadata back; nothing when it may go.
    held: Option<Verdict>,
}

impl<'a> SavepointPlace<'a> {
    fn new(world: &'a World<'a>, facts: &'a Facts, directory: DirectoryId) -> Self {
        let metadata = facts.metadata(world, directory);
        Self { world, facts, metadata, held: incomplete_savepoint_held(world, directory) }
    }

    fn decide(&self, id: FileId, file: &File) -> Verdict {
        match (name(self.world, file), self.metadata) {
            (FileName::Metadata, _) => metadata(self.world, self.facts, id, file),
            (FileName::State(_) | FileName::Staging, MetadataState::Unreadable) => {
                Verdict::new(Rule::UnreadableMetadata)
            }
            (FileName::Staging, _) => staging(self.world, file),
            (FileName::State(_), MetadataState::Appeared) => Verdict::new(Rule::InProgress),
            (FileName::State(_), MetadataState::Readable) => Verdict::new(Rule::Savepoint),
            (FileName::State(_), MetadataState::Absent) => {
                self.held.unwrap_or(Verdict::new(Rule::IncompleteSavepoint))
            }
            (FileName::OldMetadata | FileName::Unknown, _) => Verdict::new(Rule::UnknownName),
        }
    }
}

/// Returns what holds a savepoint without `_metadata` back: it is the user's, may be being written, and a job that
/// claimed it may use its files.
pub(super) fn incomplete_savepoint_held(world: &World<'_>, directory: DirectoryId) -> Option<Verdict> {
    let inventory = world.input.inventory;
    let location = &inventory.directory(directory).location;
    if inventory.files_of(directory).any(|(id, _)| world.kept(directory, id).is_some()) {
        return Some(Verdict::new(Rule::InProgress));
    }
    let changed = inventory
        .files_of(directory)
        .map(|(_, file)| file.modified)
        .chain([inventory.directory(directory).modified])
        .max()?;
    if let Some(young) = world.young(changed) {
        return Some(young);
    }
    if world.input.policy.incomplete_savepoints {
        return None;
    }
    let quiescent_after = world.input.policy.quiescent_after;
    let seen = seen_before(world.input, &world.liveness.looks, &location.to_string());
    match world.younger_than(changed, quiescent_after) {
        Some(young) => {
            Some(young.until_time().map_or(young, |until| Verdict::until(Rule::InProgress, until)))
        }
        None if !seen => Some(Verdict::new(Rule::InProgress)),
        None => None,
    }
}
