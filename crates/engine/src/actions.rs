//! From two plans, one approved and one made just now, to the list of what is done. A pure function.
//!
//! Only what **both** plans sweep is done, and only where the path is what the approved plan saw: a file with the
//! same mtime and length, a directory with the same tree beneath. So neither a plan that grew old nor one that was
//! made a moment ago can take anything that the other does not.
//!
//! The order within a stage is that of the paths, the stages are: `_metadata` first, so that a checkpoint is whole
//! or plainly not there; then files and whole directories; then the directories that are left empty, deepest
//! first. What lies beside a `_metadata` that stayed after all is left alone by the executor.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_audit::VerifiedPlan;
use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::{
    Basis, Decision, Entry, EntryKind, Evidence, Ground, Plan, Rule, Totals, tree_digest,
};
use chksweep_core::{Age, DirectoryId, File, FileId, Inventory, JobId, Listing, Location, Timestamp};
use tokio::time::Instant;

use crate::execute::{Dropped, DroppedWhy};
use crate::journal::Mode;
use crate::own::{self, Stamp};

/// A plan that was proved just now, with the inventory that it was made from.
#[derive(Debug)]
pub struct Fresh {
    plan: Proved,
    inventory: Inventory,
    /// When the metadata pass began that the plan was made from.
    pub(crate) read_at: Instant,
}

#[derive(Debug)]
enum Proved {
    Verified(Box<VerifiedPlan>),
    #[cfg(test)]
    Unproved(Box<Plan>),
}

impl Fresh {
    /// Puts a proved plan and its inventory together; `read_at` is when the metadata pass *began*.
    pub fn new(plan: VerifiedPlan, inventory: Inventory, read_at: Instant) -> Self {
        Self { plan: Proved::Verified(Box::new(plan)), inventory, read_at }
    }

    #[cfg(test)]
    pub(crate) fn unproved(plan: Plan, inventory: Inventory) -> Self {
        Self { plan: Proved::Unproved(Box::new(plan)), inventory, read_at: Instant::now() }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        match &self.plan {
            Proved::Verified(verified) => verified.plan(),
            #[cfg(test)]
            Proved::Unproved(plan) => plan,
        }
    }

    /// Returns the inventory.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Returns which reading the plan relies on.
    pub(crate) fn basis(&self) -> Basis {
        Basis::of_plan(&self.plan().header)
    }

    /// Returns what a sweep in a directory rests on.
    fn rests_on(&self, id: DirectoryId, modified: Timestamp) -> RestsOn {
        let header = &self.plan().header;
        let ground = self.plan().grounds.by_directory.get(&id).cloned().unwrap_or_default();
        RestsOn { ground, modified, as_of: header.as_of, slack: header.policy.frontier_slack }
    }

    fn file_rule(&self, id: FileId) -> Rule {
        self.plan().decisions.file(id).rule
    }

    fn directory_rule(&self, id: DirectoryId) -> Rule {
        self.plan().decisions.directory(id).rule
    }
}

/// What happens to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A file goes.
    File(Stamp),
    /// A directory goes by one rename.
    Tree {
        /// The digest of what lies in it.
        digest: u128,
    },
    /// A directory is removed if it is empty by then.
    Directory,
}

/// What an action rests on; shared by all in a directory, for there may be a million of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RestsOn {
    ground: Arc<Ground>,
    /// The mtime of the path itself.
    modified: Timestamp,
    as_of: Timestamp,
    slack: Age,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The path.
    pub path: Location,
    /// What happens to it.
    pub what: What,
    /// The rule that takes it.
    pub rule: Rule,
    /// The job whose directory it lies in.
    pub job: Option<JobId>,
    /// Regular files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    rests_on: RestsOn,
}

impl Action {
    /// Returns what the sweep rests on, for the record.
    pub(crate) fn evidence(&self) -> Evidence {
        let RestsOn { ground, modified, as_of, slack } = &self.rests_on;
        ground.evidence(self.rule, *modified, *as_of, *slack)
    }

    /// Rests on another plan from now on, which sweeps the path too.
    pub(crate) fn rest_on(&mut self, fresh: &Fresh) {
        let directory = match self.what {
            What::File(_) => self.path.parent(),
            What::Tree { .. } | What::Directory => Some(self.path.clone()),
        };
        let id = directory.and_then(|directory| fresh.inventory.find_directory(&directory));
        if let Some(id) = id {
            self.rests_on = fresh.rests_on(id, self.rests_on.modified);
        }
    }

    /// Returns whether this is the file that makes a checkpoint or savepoint one.
    pub fn is_metadata(&self) -> bool {
        matches!(self.what, What::File(_)) && is_metadata(self.path.name())
    }

    /// Returns whether a file of this name makes a checkpoint or savepoint of the directory that it lies in.
    pub(crate) fn names_a_checkpoint(path: &Location) -> bool {
        is_metadata(path.name())
    }

    /// The stage, and what sorts within it. Directories go deepest first.
    fn order(&self) -> (u8, usize, &Location) {
        match self.what {
            What::File(_) if self.is_metadata() => (0, 0, &self.path),
            What::File(_) | What::Tree { .. } => (1, 0, &self.path),
            What::Directory => (2, usize::MAX - self.path.components().count(), &self.path),
        }
    }

    /// Which actions may be under way at the same time: those of one stage, and of one depth.
    pub(crate) fn stage(&self) -> (u8, usize) {
        let (stage, depth, _) = self.order();
        (stage, depth)
    }
}

fn is_metadata(name: &[u8]) -> bool {
    matches!(layout::file_name(name), layout::FileName::Metadata | layout::FileName::OldMetadata)
}

/// What is to be done, in the order in which it is done, and what of the approved plan is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// The roots below which everything lies.
    pub roots: Vec<Location>,
    /// What is done.
    pub list: Vec<Action>,
    /// What the approved plan sweeps and is not done.
    pub dropped: Vec<Dropped>,
    /// Which reading this relies on.
    pub basis: Option<Basis>,
}

impl Actions {
    /// Returns the sums of what is done.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { disk_bytes: None, ..Totals::default() };
        for action in &self.list {
            totals.files = totals.files.saturating_add(action.files);
            totals.bytes = totals.bytes.saturating_add(action.bytes);
        }
        totals
    }

    /// Returns the directories whose own mtime changes by this, as printed: what the next run must know, lest it
    /// take our moves for life. To be recorded before the first of them.
    pub fn touched(&self) -> BTreeSet<String> {
        let parents = self.list.iter().filter_map(|action| action.path.parent());
        let mut touched: BTreeSet<String> = parents.map(|directory| directory.to_string()).collect();
        let own = self.list.iter().filter(|action| action.what == What::Directory);
        touched.extend(own.map(|action| action.path.to_string()));
        touched
    }
}

/// Why no actions can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionsError {
    /// The fresh plan is over a limit.
    #[error("the plan made just now is over a limit: {0}")]
    Brake(String),
    /// The plan was not made from this inventory.
    #[error("the plan was not made from the inventory that it came with ({0})")]
    OtherInventory(String),
}

/// What narrows or shapes the actions.
#[derive(Clone, Debug, Default)]
pub struct ActionOptions {
    /// What swept paths become.
    pub mode: Mode,
    /// Jobs that are left alone after all.
    pub exclude_jobs: Vec<JobId>,
}

/// Returns what both plans sweep.
///
/// # Errors
///
/// Where the fresh plan is over a limit, or does not belong to its inventory.
pub fn actions(fresh: &Fresh, approved: &[Entry], options: &ActionOptions) -> Result<Actions, ActionsError> {
    check(fresh)?;
    let inventory = &fresh.inventory;
    let roots = inventory.roots().iter().map(|id| inventory.directory(*id).location.clone()).collect();
    let mut build =
        Build { fresh, options, out: Actions { roots, basis: Some(fresh.basis()), ..Actions::default() } };
    for entry in approved.iter().filter(|entry| entry.verdict.decision() == Decision::Sweep) {
        match entry.kind {
            EntryKind::File => build.file_entry(entry),
            EntryKind::Directory => build.directory_entry(entry),
        }
    }
    let mut out = build.out;
    for action in &out.list {
        own::assert_sweepable(&out.roots, &action.path);
    }
    out.list.sort_by(|a, b| a.order().cmp(&b.order()));
    out.list.dedup_by(|a, b| a.path == b.path);
    Ok(out)
}

/// The pair to what the planner summed up: the decisions are of this inventory, and no brake holds.
fn check(fresh: &Fresh) -> Result<(), ActionsError> {
    let plan = fresh.plan();
    if let Some(brake) = plan.brakes.first() {
        return Err(ActionsError::Brake(brake.message.clone()));
    }
    let mut swept = Totals::default();
    for (id, _) in fresh.inventory.directories() {
        for (file_id, file) in fresh.inventory.files_of(id) {
            if fresh.file_rule(file_id).decision() == Decision::Sweep {
                swept.add_file(file);
            }
        }
    }
    let told = plan.summary.decisions.sweep;
    if (told.files, told.bytes) != (swept.files, swept.bytes) {
        let message = format!("it sweeps {} files, its summary says {}", swept.files, told.files);
        return Err(ActionsError::OtherInventory(message));
    }
    Ok(())
}

/// Returns whether an action is still what a plan made since says: for a run that takes long.
pub(crate) fn still_swept(fresh: &Fresh, action: &Action) -> bool {
    let inventory = &fresh.inventory;
    match action.what {
        What::File(stamp) => inventory.find(&action.path).is_some_and(|(_, id)| {
            let file = inventory.file(id);
            file.regular && stamp_of(file) == stamp && fresh.file_rule(id).decision() == Decision::Sweep
        }),
        What::Tree { digest } => inventory
            .find_directory(&action.path)
            .is_some_and(|id| tree_digest(inventory, id) == digest && goes_whole(fresh, id)),
        What::Directory => inventory
            .find_directory(&action.path)
            .is_some_and(|id| fresh.directory_rule(id).decision() == Decision::Sweep),
    }
}

/// Checks that a plan may be carried on with; see [`actions`].
pub(crate) fn may_go_on(fresh: &Fresh) -> Result<(), ActionsError> {
    check(fresh)
}

fn stamp_of(file: &File) -> Stamp {
    Stamp { length: file.length, modified: file.modified }
}

/// Whether Flink gives this directory up as a whole, and the plan takes all of it by the rules for that.
fn goes_whole(fresh: &Fresh, id: DirectoryId) -> bool {
    let inventory = &fresh.inventory;
    let name = layout::directory_name(inventory.directory(id).location.name());
    matches!(name, DirectoryName::Merged | DirectoryName::ForStAttempt)
        && all_below(
            inventory,
            id,
            &mut |directory| is_whole_rule(fresh.directory_rule(directory)),
            &mut |file_id| {
                inventory.file(file_id).regular && fresh.file_rule(file_id) == Rule::UnreferencedRunningState
            },
        )
}

fn is_whole_rule(rule: Rule) -> bool {
    matches!(rule, Rule::UnreferencedRunningState | Rule::EmptyDirectory)
}

/// Whether a directory was listed completely and all in it, itself included, fulfils the conditions.
fn all_below(
    inventory: &Inventory,
    id: DirectoryId,
    directories: &mut impl FnMut(DirectoryId) -> bool,
    files: &mut impl FnMut(FileId) -> bool,
) -> bool {
    let mut todo = vec![id];
    while let Some(id) = todo.pop() {
        if inventory.directory(id).listing != Listing::Complete
            || !directories(id)
            || !inventory.files_of(id).all(|(file, _)| files(file))
        {
            return false;
        }
        todo.extend(inventory.children_of(id));
    }
    true
}

/// The id in the name of a directory that belongs to one job within another's, or of a changelog base.
fn job_in_name(location: &Location) -> Option<JobId> {
    location
        .components()
        .rev()
        .find_map(|component| component.strip_prefix(b"job_").and_then(|rest| JobId::parse(rest.get(..32)?)))
}

struct Build<'a> {
    fresh: &'a Fresh,
    options: &'a ActionOptions,
    out: Actions,
}

impl Build<'_> {
    fn drop(&mut self, path: &Location, why: DroppedWhy, message: impl Into<String>) {
        self.out.dropped.push(Dropped { path: path.clone(), why, message: message.into() });
    }

    fn is_excluded(&self, path: &Location) -> bool {
        let jobs = [layout::job_of(path), job_in_name(path)];
        jobs.into_iter().flatten().any(|job| self.options.exclude_jobs.contains(&job))
    }

    fn file_entry(&mut self, entry: &Entry) {
        let inventory = &self.fresh.inventory;
        let Some((directory, id)) = inventory.find(&entry.path) else {
            return self.drop(&entry.path, DroppedWhy::Gone, "it is no longer there");
        };
        let file = inventory.file(id);
        if stamp_of(file) != (Stamp { length: entry.totals.bytes, modified: entry.modified }) {
            return self.drop(&entry.path, DroppedWhy::Changed, "it has changed since the plan");
        }
        if self.is_held_by_whole(directory) {
            return self.drop(&entry.path, DroppedWhy::NotSwept, "its directory goes whole or not at all");
        }
        self.file(directory, id);
    }

    /// A file-merging directory goes only whole: a part of one is never taken.
    fn is_held_by_whole(&self, directory: DirectoryId) -> bool {
        let inventory = &self.fresh.inventory;
        let mut at = Some(directory);
        while let Some(id) = at {
            let here = inventory.directory(id);
            let merged = layout::directory_name(here.location.name()) == DirectoryName::Merged;
            if merged && !goes_whole(self.fresh, id) {
                return true;
            }
            at = here.parent;
        }
        false
    }

    fn directory_entry(&mut self, entry: &Entry) {
        let inventory = &self.fresh.inventory;
        let Some(id) = inventory.find_directory(&entry.path) else {
            return self.drop(&entry.path, DroppedWhy::Gone, "it is no longer there");
        };
        if entry.tree != Some(tree_digest(inventory, id)) {
            return self.drop(&entry.path, DroppedWhy::Changed, "what lies in it has changed since the plan");
        }
        self.directory(id);
    }

    /// Takes what the fresh plan sweeps of a directory that the approved plan sweeps whole.
    fn directory(&mut self, id: DirectoryId) {
        let inventory = &self.fresh.inventory;
        let directory = inventory.directory(id);
        let path = &directory.location;
        let merged = layout::directory_name(path.name()) == DirectoryName::Merged;
        let whole = goes_whole(self.fresh, id);
        if directory.listing != Listing::Complete {
            return self.drop(path, DroppedWhy::Changed, "it could not be listed completely");
        }
        if merged && !whole {
            return self.drop(path, DroppedWhy::NotSwept, "the plan made just now does not sweep all of it");
        }
        if whole && self.options.mode == Mode::Quarantine {
            return self.tree(id);
        }
        for (file_id, _) in inventory.files_of(id) {
            self.file(id, file_id);
        }
        for child in inventory.children_of(id) {
            self.directory(*child);
        }
        self.own_entry(id);
    }

    /// The directory itself, once it is empty.
    fn own_entry(&mut self, id: DirectoryId) {
        let path = &self.fresh.inventory.directory(id).location;
        let rule = self.fresh.directory_rule(id);
        if rule.decision() != Decision::Sweep {
            return self.drop(path, DroppedWhy::NotSwept, format!("the plan made just now keeps it: {rule}"));
        }
        if self.is_excluded(path) {
            return self.drop(path, DroppedWhy::Excluded, "its job was excluded");
        }
        let (path, job) = (path.clone(), layout::job_of(path));
        let rests_on = self.fresh.rests_on(id, self.fresh.inventory.directory(id).modified);
        self.out.list.push(Action { path, what: What::Directory, rule, job, files: 0, bytes: 0, rests_on });
    }

    fn file(&mut self, directory: DirectoryId, id: FileId) {
        let inventory = &self.fresh.inventory;
        let file = inventory.file(id);
        let path = inventory.location_of(directory, file);
        let rule = self.fresh.file_rule(id);
        if rule.decision() != Decision::Sweep {
            return self.drop(
                &path,
                DroppedWhy::NotSwept,
                format!("the plan made just now keeps it: {rule}"),
            );
        }
        if !file.regular {
            return self.drop(&path, DroppedWhy::NotSwept, "it is neither a file nor a directory");
        }
        if self.is_excluded(&path) {
            return self.drop(&path, DroppedWhy::Excluded, "its job was excluded");
        }
        let job = layout::job_of(&path);
        let what = What::File(stamp_of(file));
        let rests_on = self.fresh.rests_on(directory, file.modified);
        self.out.list.push(Action { path, what, rule, job, files: 1, bytes: file.length, rests_on });
    }

    fn tree(&mut self, id: DirectoryId) {
        let inventory = &self.fresh.inventory;
        let path = inventory.directory(id).location.clone();
        if self.is_excluded(&path) {
            return self.drop(&path, DroppedWhy::Excluded, "its job was excluded");
        }
        let mut totals = Totals::default();
        all_below(inventory, id, &mut |_| true, &mut |file| {
            totals.add_file(inventory.file(file));
            true
        });
        let what = What::Tree { digest: tree_digest(inventory, id) };
        let rule =
            if totals.files > 0 { Rule::UnreferencedRunningState } else { self.fresh.directory_rule(id) };
        let job = layout::job_of(&path);
        let rests_on = self.fresh.rests_on(id, inventory.directory(id).modified);
        let (files, bytes) = (totals.files, totals.bytes);
        self.out.list.push(Action { path, what, rule, job, files, bytes, rests_on });
    }
}

#[cfg(test)]
mod tests;
