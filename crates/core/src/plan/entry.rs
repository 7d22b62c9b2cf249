//! The entries of a plan: decisions as paths, a directory standing for all below it where that says everything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::decide::{Decision, Decisions, Rule, Verdict};
use crate::ids::JobId;
use crate::inventory::{DirectoryId, File, FileId, Inventory, Listing};
use crate::layout;
use crate::location::Location;
use crate::names::NameRef;
use crate::time::Timestamp;

/// What an entry stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// One file.
    File,
    /// A directory and everything below it.
    Directory,
}

/// Files and bytes, added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Regular files.
    pub files: u64,
    /// Their lengths.
    pub bytes: u64,
    /// Their lengths times their copies; nothing where the store does not tell the copies of each.
    pub disk_bytes: Option<u64>,
}

impl Default for Totals {
    fn default() -> Self {
        Self { files: 0, bytes: 0, disk_bytes: Some(0) }
    }
}

impl Totals {
    /// Adds one file.
    pub fn add_file(&mut self, file: &File) {
        self.add(Self {
            files: u64::from(file.regular),
            bytes: file.length,
            disk_bytes: file.replication.map(|copies| file.length.saturating_mul(u64::from(copies))),
        });
    }

    /// Adds other totals.
    pub fn add(&mut self, other: Self) {
        self.files = self.files.saturating_add(other.files);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.disk_bytes = match (self.disk_bytes, other.disk_bytes) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            _ => None,
        };
    }
}

/// One entry of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The decision with its rule, and when it can be decided.
    pub verdict: Verdict,
    /// The path.
    pub path: Location,
    /// What it stands for.
    pub kind: EntryKind,
    /// Files and bytes of it and below it.
    pub totals: Totals,
    /// The mtime of the path itself.
    pub modified: Timestamp,
    /// The job whose directory it lies in, where the path tells it.
    pub job: Option<JobId>,
    /// Of a directory: how often each rule took something in it, the directories included.
    pub rules: BTreeMap<Rule, u64>,
    /// Of a directory: the digest of all that lies below it ([`tree_digest`]).
    pub tree: Option<u128>,
}

/// Calls `sink` with the entries of a plan, sorted by the bytes of their paths.
///
/// Sweep, defer and skip entries always; keep entries only if `all`. A directory becomes one entry when everything
/// below it, and the directory itself, has one decision; a root never does.
pub fn entries(inventory: &Inventory, decisions: &Decisions, all: bool, mut sink: impl FnMut(Entry)) {
    let uniform = uniform_decisions(inventory, decisions);
    let walk = Walk { inventory, decisions, uniform: &uniform, all };
    // Roots do not lie within each other, but one name can be the beginning of another.
    let mut roots: Vec<DirectoryId> = inventory.roots().to_vec();
    roots.sort_unstable_by_key(|id| {
        let mut key = inventory.directory(*id).location.as_bytes().to_vec();
        key.push(b'/');
        key
    });
    for root in roots {
        walk.descend(root, &mut sink);
    }
}

/// For each directory the one decision of all below it and itself, if there is one.
fn uniform_decisions(inventory: &Inventory, decisions: &Decisions) -> Vec<Option<Decision>> {
    let mut uniform: Vec<Option<Decision>> =
        inventory.directories().map(|(id, _)| Some(decisions.directory(id).decision())).collect();
    // A parent comes before what lies below it, so going backwards children are done first.
    for (id, directory) in inventory.directories().rev() {
        let mut own = uniform.get(id.index()).copied().flatten();
        if inventory.files_of(id).any(|(file, _)| Some(decisions.file(file).decision()) != own) {
            own = None;
        }
        if let Some(slot) = uniform.get_mut(id.index()) {
            *slot = own;
        }
        let Some(parent) = directory.parent else { continue };
        if let Some(slot) = uniform.get_mut(parent.index())
            && *slot != own
        {
            *slot = None;
        }
    }
    uniform
}

struct Walk<'a> {
    inventory: &'a Inventory,
    decisions: &'a Decisions,
    uniform: &'a [Option<Decision>],
    all: bool,
}

/// A child of a directory, with the bytes by which it sorts: what is descended into sorts as `name/`.
enum Child {
    File(FileId),
    Whole(DirectoryId),
    Open(DirectoryId),
}

impl Walk<'_> {
    fn descend(&self, directory: DirectoryId, sink: &mut impl FnMut(Entry)) {
        for child in self.sorted_children(directory) {
            match child {
                Child::File(id) => self.file(directory, id, sink),
                Child::Whole(id) => self.whole(id, sink),
                Child::Open(id) => self.descend(id, sink),
            }
        }
    }

    fn sorted_children(&self, directory: DirectoryId) -> Vec<Child> {
        if self.inventory.children_of(directory).is_empty() {
            return self.inventory.files_of(directory).map(|(id, _)| Child::File(id)).collect();
        }
        let mut children: Vec<(Vec<u8>, Child)> = self
            .inventory
            .files_of(directory)
            .map(|(id, file)| (self.inventory.name_of(file).to_vec(), Child::File(id)))
            .collect();
        for id in self.inventory.children_of(directory) {
            let mut key = self.inventory.directory(*id).location.name().to_vec();
            let child = if self.uniform.get(id.index()).copied().flatten().is_some() {
                Child::Whole(*id)
            } else {
                key.push(b'/');
                Child::Open(*id)
            };
            children.push((key, child));
        }
        children.sort_by(|a, b| a.0.cmp(&b.0));
        children.into_iter().map(|(_, child)| child).collect()
    }

    fn wanted(&self, decision: Decision) -> bool {
        self.all || decision != Decision::Keep
    }

    fn file(&self, directory: DirectoryId, id: FileId, sink: &mut impl FnMut(Entry)) {
        let verdict = self.decisions.file(id);
        if !self.wanted(verdict.decision()) {
            return;
        }
        let file = self.inventory.file(id);
        if self.inventory.name_of(file) == NameRef::Other(layout::OWN) {
            // It stands in the inventory only so that nobody takes its directory for empty.
            return;
        }
        let path = self.inventory.location_of(directory, file);
        let mut totals = Totals::default();
        totals.add_file(file);
        sink(Entry {
            verdict,
            job: layout::job_of(&path),
            path,
            kind: EntryKind::File,
            totals,
            modified: file.modified,
            rules: BTreeMap::new(),
            tree: None,
        });
    }

    fn whole(&self, id: DirectoryId, sink: &mut impl FnMut(Entry)) {
        let mut verdict = self.decisions.directory(id);
        if !self.wanted(verdict.decision()) {
            return;
        }
        let mut totals = Totals::default();
        let mut rules = BTreeMap::new();
        let mut latest = verdict.until_time();
        let mut open_end = latest.is_none();
        self.add_below(id, &mut |verdict, file| {
            *rules.entry(verdict.rule).or_insert(0) += 1;
            match verdict.until_time() {
                Some(until) => latest = latest.max(Some(until)),
                None => open_end = true,
            }
            if let Some(file) = file {
                totals.add_file(file);
            }
        });
        if let (Decision::Defer, false, Some(until)) = (verdict.decision(), open_end, latest) {
            verdict = Verdict::until(verdict.rule, until);
        } else if open_end {
            verdict = Verdict::new(verdict.rule);
        }
        let directory = self.inventory.directory(id);
        sink(Entry {
            verdict,
            job: layout::job_of(&directory.location),
            path: directory.location.clone(),
            kind: EntryKind::Directory,
            totals,
            modified: directory.modified,
            rules,
            tree: Some(tree_digest(self.inventory, id)),
        });
    }

    fn add_below(&self, id: DirectoryId, add: &mut impl FnMut(Verdict, Option<&File>)) {
        add(self.decisions.directory(id), None);
        for (file_id, file) in self.inventory.files_of(id) {
            add(self.decisions.file(file_id), Some(file));
        }
        for child in self.inventory.children_of(id) {
            self.add_below(*child, add);
        }
    }
}

/// Returns a digest of everything below a directory: relative paths, kinds, lengths, the mtimes of files, and
/// whether a listing was partial. Equal digests mean the same tree. Directory mtimes do not count: removing an
/// empty directory beside it changes those.
pub fn tree_digest(inventory: &Inventory, directory: DirectoryId) -> u128 {
    let mut hash = Xxh3::new();
    hash_below(inventory, directory, &mut hash);
    hash.digest128()
}

fn hash_below(inventory: &Inventory, directory: DirectoryId, hash: &mut Xxh3) {
    for (_, file) in inventory.files_of(directory) {
        let name = inventory.name_of(file).to_vec();
        hash.update(&name);
        hash.update(if file.regular { b"\0f" } else { b"\0o" });
        hash.update(&file.length.to_be_bytes());
        hash.update(&file.modified.0.to_be_bytes());
    }
    if inventory.directory(directory).listing != Listing::Complete {
        hash.update(b"\0partial");
    }
    for child in inventory.children_of(directory) {
        hash.update(inventory.directory(*child).location.name());
        hash.update(b"\0d");
        hash_below(inventory, *child, hash);
        hash.update(b"\0e");
    }
}
