//! Listing what earlier runs set aside under the sweep roots: every file, with the place it came from.
//!
//! Listed before metadata is read, like the candidates: what is named again by then is found in this list.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::Location;
use chksweep_core::plan::Problem;
use chksweep_store::{Entry, EntryKind, ErrorKind, ReadStore, StoreError};

use super::pool::Pool;
use super::roots::Root;
use super::run_record;
use crate::collected::{QuarantinedFile, QuarantinedRun};
use crate::{own, trust};

/// Lists the quarantines of some directories that may hold a `.chksweep`. One that others may have written to is
/// left out, and told: a file in it would be brought back in place of the one that a job has lost.
pub(super) async fn list(
    bases: &BTreeSet<Location>,
    roots: &[Root],
    concurrency: usize,
    problems: &mut Vec<Problem>,
) -> Vec<QuarantinedRun> {
    let mut runs: Vec<QuarantinedRun> = Vec::new();
    let mut todo: Vec<Task> = Vec::new();
    for base in bases {
        let Some(root) = roots.iter().find(|root| base.is_within(&root.location)) else { continue };
        for run in runs_of(base, &root.store).await {
            if let Err(error) = trust::of_path(root.store.as_ref(), base, &run.location).await {
                if !error.is_absence() {
                    problems.push(not_believed(&run.location, &error));
                }
                continue;
            }
            let location = run.location.clone();
            todo.push(Task { run: runs.len(), location, store: Arc::clone(&root.store) });
            runs.push(run);
        }
    }
    let mut pool = Pool::new(concurrency);
    loop {
        while pool.has_room() {
            let Some(task) = todo.pop() else { break };
            let Some(run) = runs.get(task.run) else { continue };
            let (base, top) = (run.root.clone(), run.location.clone());
            pool.start(list_one(task, base, top));
        }
        let Some(done) = pool.next().await else { break };
        let Done { task, mut files, directories, result } = done;
        let Some(run) = runs.get_mut(task.run) else { continue };
        run.files.append(&mut files);
        match result {
            Ok(()) => {}
            // What is gone was restored or purged meanwhile.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(_) => run.complete = false,
        }
        for location in directories {
            todo.push(Task { run: task.run, location, store: Arc::clone(&task.store) });
        }
    }
    runs
}

/// Returns the runs in one quarantine; none of them is complete when there may be more.
async fn runs_of(base: &Location, store: &Arc<dyn ReadStore>) -> Vec<QuarantinedRun> {
    let home = own::quarantine_directory(base);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut sink = |entry: Entry<'_>| {
        if entry.kind == EntryKind::Directory {
            names.push(entry.name.to_vec());
        }
    };
    let complete = match store.list(&home, &mut sink).await {
        Ok(()) => true,
        Err(error) => error.kind == ErrorKind::NotFound,
    };
    names.sort_unstable();
    let mut runs = Vec::with_capacity(names.len());
    for name in names {
        let told = run_record::told(store, base, &name).await;
        runs.push(QuarantinedRun {
            root: base.clone(),
            run_id: chksweep_core::location::printable(&name).into_owned(),
            started_at: told.started_at,
            newer_schema: told.newer_schema,
            location: home.child(&name),
            files: Vec::new(),
            complete,
        });
    }
    runs
}

fn not_believed(run: &Location, error: &trust::TrustError) -> Problem {
    let message = format!("what lies in this quarantine is neither brought back nor purged: {error}");
    Problem::warning("quarantine-ignored", Some(run.to_string()), message)
}

struct Task {
    run: usize,
    location: Location,
    store: Arc<dyn ReadStore>,
}

struct Done {
    task: Task,
    files: Vec<QuarantinedFile>,
    directories: Vec<Location>,
    result: Result<(), StoreError>,
}

async fn list_one(task: Task, base: Location, top: Location) -> Done {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let mut sink = |entry: Entry<'_>| {
        let location = task.location.child(entry.name);
        if entry.kind == EntryKind::Directory {
            directories.push(location);
            return;
        }
        let original = base.child(location.below(&top).unwrap_or(entry.name));
        files.push(QuarantinedFile {
            location,
            original,
            length: entry.length,
            modified: entry.modified,
            accessed: entry.accessed.unwrap_or_default(),
            replication: entry.replication,
        });
    };
    let result = task.store.list(&task.location, &mut sink).await;
    Done { task, files, directories, result }
}
