//! Which task-owned files are in doubt, and which snapshots may name them.
//!
//! A snapshot of another job may: one that was restored from the job which wrote them. It need not name anything else
//! of that job by a handle, so what tells is the operator that has the buffers: both jobs have it.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Content, Equivalence, Inventory, JobId, Location, NameRef, OperatorId, Uuid};

use super::super::passes::KnownMetadata;
use crate::collected::QuarantinedRun;

/// Files that lie directly in some `taskowned`, or did, by the directory that holds it, in one spelling.
pub(super) type TaskOwned = BTreeMap<Location, BTreeSet<Uuid>>;

/// The task-owned files that no metadata names, and the jobs that they may belong to.
#[derive(Debug)]
pub(super) struct Doubt<'e> {
    equivalence: &'e Equivalence,
    /// The files in doubt, by the job directory that holds their `taskowned`.
    files: TaskOwned,
    /// The job directories of which some metadata names anything under one of those.
    related: BTreeSet<Location>,
    /// The ids of all these jobs; nothing when one of them is not known.
    ids: Option<BTreeSet<JobId>>,
    /// The operators of the jobs whose files are in doubt; nothing when those of one of them are not known.
    operators: Option<BTreeSet<OperatorId>>,
}

impl<'e> Doubt<'e> {
    pub(super) fn new(
        equivalence: &'e Equivalence,
        mut files: TaskOwned,
        metadata: &[KnownMetadata],
    ) -> Self {
        for known in metadata.iter().filter(|known| !is_quarantined(&known.file)) {
            if files.is_empty() {
                break;
            }
            if let Ok(content) = &known.file.content {
                remove_named(equivalence, &mut files, content);
            }
        }
        files.retain(|_, uuids| !uuids.is_empty());
        let (related, ids, operators) = (BTreeSet::new(), Some(BTreeSet::new()), None);
        let mut doubt = Self { equivalence, files, related, ids, operators };
        if doubt.files.is_empty() {
            return doubt;
        }
        for known in metadata {
            let Ok(content) = &known.file.content else { continue };
            if doubt.is_named_by(content) {
                let jobs = doubt.jobs_of(&known.file);
                doubt.related.extend(jobs);
            }
        }
        doubt.operators = doubt.operators_in(metadata);
        doubt.ids = doubt.files.keys().chain(&doubt.related).map(|job| JobId::parse(job.name())).collect();
        doubt
    }

    /// Returns the names of all files in doubt, sorted.
    pub(super) fn files(&self) -> Vec<Uuid> {
        let all: BTreeSet<Uuid> = self.files.values().flatten().copied().collect();
        all.into_iter().collect()
    }

    /// Returns the operators in the metadata of all jobs whose files are in doubt. They are not known of a job without
    /// metadata, nor where several jobs may have shared a directory.
    fn operators_in(&self, metadata: &[KnownMetadata]) -> Option<BTreeSet<OperatorId>> {
        let mut known: BTreeMap<JobId, BTreeSet<OperatorId>> = BTreeMap::new();
        for known_metadata in metadata.iter().filter(|known| known.file.place == Place::Sweep) {
            let Some(operators) = operators_of(&known_metadata.file) else { continue };
            for id in self.jobs_of(&known_metadata.file).iter().filter_map(|job| JobId::parse(job.name())) {
                known.entry(id).or_default().extend(operators);
            }
        }
        let mut all = BTreeSet::new();
        for job in self.files.keys() {
            let id = JobId::parse(job.name()).filter(|id| !id.may_be_shared())?;
            all.extend(known.get(&id)?);
        }
        Some(all)
    }

    /// Returns whether a snapshot may have an operator whose buffers are in doubt: a job takes them over from where it
    /// was restored, inside operator state, and need not name anything else there.
    fn may_have_taken_over(&self, file: &MetadataFile) -> bool {
        match (&self.operators, operators_of(file)) {
            (Some(known), Some(operators)) => operators.iter().any(|id| known.contains(id)),
            (None, _) | (_, None) => true,
        }
    }

    /// Returns whether a snapshot may name a file in doubt.
    pub(super) fn concerns(&self, file: &MetadataFile) -> bool {
        if self.files.is_empty() {
            return false;
        }
        if self.may_have_taken_over(file) {
            return true;
        }
        if file.content.as_ref().is_ok_and(|content| self.is_named_by(content)) {
            return true;
        }
        let jobs = self.jobs_of(file);
        if jobs.is_empty() {
            return self.may_be_savepoint_of(file);
        }
        jobs.iter().any(|job| {
            let same_id = || match (&self.ids, JobId::parse(job.name())) {
                (Some(ids), Some(id)) => ids.contains(&id),
                (None, _) | (_, None) => true,
            };
            let above = || self.files.keys().any(|other| other.is_within(job) || job.is_within(other));
            self.related.contains(job) || above() || same_id()
        })
    }

    /// Returns whether something under one of the job directories is named.
    fn is_named_by(&self, content: &Content) -> bool {
        let named = content.files.directories.iter().chain(&content.directories);
        named.map(|directory| self.equivalence.canonical(directory)).any(|directory| {
            let mut up = Some(directory);
            while let Some(at) = up {
                if self.files.contains_key(&at) {
                    return true;
                }
                up = at.parent();
            }
            false
        })
    }

    /// Returns the job directories in which a snapshot lies, and lay before it was set aside.
    fn jobs_of(&self, file: &MetadataFile) -> Vec<Location> {
        let original = match &file.place {
            Place::Quarantined { original, .. } => original,
            Place::Sweep | Place::Reference => &file.location,
        };
        job_directory(original).map(|job| self.equivalence.canonical(&job)).into_iter().collect()
    }

    /// Returns whether what lies in no job directory may be a savepoint of one of the jobs. Six digits tell that it
    /// is not, unless they are those of ids that many jobs have.
    fn may_be_savepoint_of(&self, file: &MetadataFile) -> bool {
        let directory = file.location.parent();
        let name = directory.as_ref().map_or(&b""[..], Location::name);
        let digits = match layout::directory_name(name) {
            DirectoryName::Savepoint(digits) => digits,
            DirectoryName::Job(_)
            | DirectoryName::Checkpoint(_)
            | DirectoryName::Shared
            | DirectoryName::TaskOwned
            | DirectoryName::Changelog
            | DirectoryName::Merged
            | DirectoryName::ForStAttempt
            | DirectoryName::ForStDatabase
            | DirectoryName::ForStProbe
            | DirectoryName::Unknown => return true,
        };
        let Some(ids) = &self.ids else { return true };
        matches!(&digits, b"000000" | b"ffffff")
            || ids.iter().any(|id| id.to_string().as_bytes().starts_with(&digits))
    }
}

/// Returns all operators of a snapshot. Version 1 tells of others than later ones.
fn operators_of(file: &MetadataFile) -> Option<&[OperatorId]> {
    let content = file.content.as_ref().ok()?;
    (content.version > 1 && !content.operators.is_empty()).then_some(&content.operators)
}

fn is_quarantined(file: &MetadataFile) -> bool {
    match file.place {
        Place::Quarantined { .. } => true,
        Place::Sweep | Place::Reference => false,
    }
}

/// Returns the task-owned files that lie in place.
pub(super) fn in_place(equivalence: &Equivalence, inventory: &Inventory) -> TaskOwned {
    let mut found = TaskOwned::new();
    for (id, directory) in inventory.directories() {
        let Some(job) = directory.location.parent() else { continue };
        if directory.location.name() != layout::TASK_OWNED {
            continue;
        }
        let uuids = inventory.files_of(id).filter_map(|(_, file)| inventory.name_of(file).uuid());
        found.entry(equivalence.canonical(&job)).or_default().extend(uuids);
    }
    found
}

/// Returns the task-owned files that lie in quarantine, by where they were.
pub(super) fn set_aside(equivalence: &Equivalence, quarantine: &[QuarantinedRun]) -> TaskOwned {
    let mut found = TaskOwned::new();
    for file in quarantine.iter().flat_map(|run| &run.files) {
        if let Some((job, uuid)) = file.task_owned() {
            found.entry(equivalence.canonical(&job)).or_default().insert(uuid);
        }
    }
    found
}

fn remove_named(equivalence: &Equivalence, files: &mut TaskOwned, content: &Content) {
    let jobs: Vec<Option<Location>> = content
        .files
        .directories
        .iter()
        .map(|directory| {
            let directory = equivalence.canonical(directory);
            (directory.name() == layout::TASK_OWNED).then(|| directory.parent()).flatten()
        })
        .collect();
    if jobs.iter().all(Option::is_none) {
        return;
    }
    for file in &content.files.files {
        let job = usize::try_from(file.directory).ok().and_then(|at| jobs.get(at)).and_then(Option::as_ref);
        if let (Some(job), NameRef::Uuid(uuid)) = (job, content.files.names.get(file.name))
            && let Some(uuids) = files.get_mut(job)
        {
            uuids.remove(&uuid);
        }
    }
}

/// Returns the job directory in which a snapshot lies: what holds its `chk-N`, else the innermost directory that is
/// named like a job.
fn job_directory(metadata: &Location) -> Option<Location> {
    let directory = metadata.parent()?;
    if layout::checkpoint_number(directory.name()).is_some() {
        return directory.parent();
    }
    let mut up = Some(directory);
    while let Some(at) = up {
        if JobId::parse(at.name()).is_some() {
            return Some(at);
        }
        up = at.parent();
    }
    None
}
