//! Opening and searching the files that hold operator state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chksweep_core::{Location, NameRef, Timestamp, Uuid};
use chksweep_store::{EntryKind, ErrorKind, ReadStore, Status};

use super::super::pool::Pool;
use super::super::request::CollectRequest;
use super::super::roots::{self, Root};
use super::super::stream;
use super::Lying;
use crate::events::Event;

/// What files are searched with, and for what.
pub(super) struct FileSearch<'a> {
    pub(super) request: &'a CollectRequest<'a>,
    pub(super) roots: &'a [Root],
    pub(super) lying: Lying<'a>,
    pub(super) candidates: Arc<Vec<Uuid>>,
}

/// What was found, by the location that the metadata names.
#[derive(Debug, Default)]
pub(super) struct FoundInFiles {
    /// The candidates that occur in a file; nothing for one that could not be searched to its end.
    pub(super) found: BTreeMap<Location, Option<Vec<Uuid>>>,
    /// The files whose access time changed meanwhile, with the new one.
    pub(super) opened: Vec<(Location, Timestamp)>,
}

/// One file to be opened, on behalf of a name in some metadata.
struct Task {
    named: Location,
    location: Location,
    store: Arc<dyn ReadStore>,
}

struct Done {
    task: Task,
    outcome: Outcome,
    accessed: Option<Timestamp>,
}

enum Outcome {
    Found(Vec<Uuid>),
    Missing,
    Failed,
}

impl FileSearch<'_> {
    /// Searches the files under the names that metadata gives them; what is not there, under its base name.
    pub(super) async fn run(&self, wanted: BTreeSet<Location>) -> FoundInFiles {
        let mut results = FoundInFiles::default();
        let mut missing: BTreeSet<Location> = BTreeSet::new();
        let mut tasks = Vec::new();
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        for named in wanted {
            match roots::spelled_as_listed(self.roots, self.request.equivalence, &named) {
                Some((root, location)) => {
                    tasks.push(Task { named, location, store: Arc::clone(&root.store) });
                }
                None => {
                    missing.insert(named);
                }
            }
        }
        missing.extend(self.search_all(tasks, total, &mut results).await);
        let tasks = self.by_base_name(&missing);
        let still_missing = self.search_all(tasks, total, &mut results).await;
        for named in missing.into_iter().chain(still_missing) {
            results.found.entry(named).or_insert(None);
        }
        results
    }

    /// Searches files, several at once. Returns the names of those that are not there.
    async fn search_all(
        &self,
        mut tasks: Vec<Task>,
        total: u64,
        results: &mut FoundInFiles,
    ) -> BTreeSet<Location> {
        let mut missing = BTreeSet::new();
        let limits = self.request.limits;
        let mut pool = Pool::new(limits.concurrency);
        loop {
            while pool.has_room() {
                let Some(task) = tasks.pop() else { break };
                pool.start(search_one(task, Arc::clone(&self.candidates), limits.operator_state_file));
            }
            let Some(Done { task, outcome, accessed }) = pool.next().await else { return missing };
            if let Some(accessed) = accessed {
                results.opened.push((task.location, accessed));
            }
            match outcome {
                Outcome::Missing => {
                    missing.insert(task.named);
                }
                Outcome::Failed => {
                    results.found.insert(task.named, None);
                }
                Outcome::Found(mut uuids) => {
                    // Of several files under one base name each must have been searched.
                    if let Some(known) = results.found.entry(task.named).or_insert(Some(Vec::new())) {
                        known.append(&mut uuids);
                    }
                }
            }
            let searched = u64::try_from(results.found.len()).unwrap_or(u64::MAX);
            self.request.observer.event(&Event::SearchingOperatorState { searched, total });
        }
    }

    /// Returns the files in place and in quarantine that have the base names of missing ones: a file is named by a UUID,
    /// so one of the same name is the same file in another place.
    fn by_base_name(&self, missing: &BTreeSet<Location>) -> Vec<Task> {
        let mut asked_for: BTreeMap<Uuid, Vec<&Location>> = BTreeMap::new();
        for named in missing {
            if let NameRef::Uuid(uuid) = NameRef::new(named.name()) {
                asked_for.entry(uuid).or_default().push(named);
            }
        }
        let mut tasks = Vec::new();
        if asked_for.is_empty() {
            return tasks;
        }
        let mut take = |uuid: Option<Uuid>, location: &dyn Fn() -> Location| {
            let Some(named) = uuid.and_then(|uuid| asked_for.get(&uuid)) else { return };
            let location = location();
            let Ok(store) = self.request.stores.of(&location) else { return };
            for named in named {
                let (named, location) = ((*named).clone(), location.clone());
                tasks.push(Task { named, location, store: Arc::clone(&store) });
            }
        };
        let inventory = self.lying.inventory;
        for (id, _) in inventory.directories() {
            for (_, file) in inventory.files_of(id) {
                take(inventory.name_of(file).uuid(), &|| inventory.location_of(id, file));
            }
        }
        for file in self.lying.quarantine.iter().flat_map(|run| &run.files) {
            take(NameRef::new(file.original.name()).uuid(), &|| file.location.clone());
        }
        tasks
    }
}

async fn search_one(task: Task, candidates: Arc<Vec<Uuid>>, limit: u64) -> Done {
    let before = match task.store.stat(&task.location).await {
        Ok(status) => status,
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Done { task, outcome: Outcome::Missing, accessed: None };
        }
        Err(_) => return Done { task, outcome: Outcome::Failed, accessed: None },
    };
    if before.kind != EntryKind::File || before.length > limit || may_be_open(&before) {
        return Done { task, outcome: Outcome::Failed, accessed: None };
    }
    let outcome = search_bytes(&task, &before, &candidates, limit).await;
    let after = task.store.stat(&task.location).await;
    let accessed = after.ok().and_then(|after| after.accessed).filter(|time| before.accessed != Some(*time));
    Done { task, outcome, accessed }
}

/// Whether the length is one that a file shows that is still open for writing.
fn may_be_open(status: &Status) -> bool {
    match status.block_size {
        Some(size) if size > 0 => status.length.is_multiple_of(size),
        Some(_) | None => status.length == 0,
    }
}

async fn search_bytes(task: &Task, before: &Status, candidates: &[Uuid], limit: u64) -> Outcome {
    let mut reader = match task.store.open(&task.location).await {
        Ok(reader) if reader.length() >= before.length => reader,
        Err(error) if error.kind == ErrorKind::NotFound => return Outcome::Missing,
        Ok(_) | Err(_) => return Outcome::Failed,
    };
    match stream::search(reader.as_mut(), &task.location, candidates, limit).await {
        Ok(found) if found.compressed || found.length < before.length => Outcome::Failed,
        Ok(found) => {
            let in_text = found.text.into_iter().filter(|uuid| candidates.binary_search(uuid).is_ok());
            Outcome::Found(found.raw.into_iter().chain(in_text).collect())
        }
        Err(_) => Outcome::Failed,
    }
}
