//! What earlier runs left on record under a root: when, over which roots, and whether all went well.
//!
//! A run that came to its end has a short record beside its journal, so that deciding about a purge reads one small
//! file a run. One without a short record was broken off, and is settled by the next.

use std::collections::BTreeMap;

use chksweep_core::policy::DeadJob;
use chksweep_core::{Location, Timestamp, visible};
use chksweep_store::{ReadStore, StoreError};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::journal::{self, First, Mode, Spot, Start, Totals};
use crate::own;
use crate::stores::{MutateStores, ReadStores};

/// The version of the short record that this program writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;
/// The largest short record that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// How many records are read at the same time.
const AT_ONCE: usize = 16;

/// The short record of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// The version of this record.
    pub schema: u32,
    /// The run.
    pub run_id: String,
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub command: String,
    /// What swept paths became.
    pub mode: Mode,
    /// When it started, by the clock of the storage; nothing where its journal does not tell.
    pub started_at: Option<Timestamp>,
    /// When it ended; nothing for a run that was broken off.
    pub ended_at: Option<Timestamp>,
    /// Its roots.
    pub roots: Vec<Spot>,
    /// The roots that it read for references only.
    #[serde(default)]
    pub reference_roots: Vec<Spot>,
    /// Jobs that were declared dead.
    #[serde(default)]
    pub dead_jobs: Vec<DeadJob>,
    /// Whether it stopped before it was through.
    pub interrupted: bool,
    /// Whether everything was read and nothing went wrong.
    pub clean: bool,
    /// The run that settled it, if it was broken off.
    #[serde(default)]
    pub settled_by: Option<String>,
    /// What became of its operations.
    #[serde(default)]
    pub totals: Totals,
    /// The schema of its records, where that is newer than what this program reads: then nothing else here counts,
    /// and what the run set aside is left to the program that wrote it.
    #[serde(skip)]
    pub newer_schema: Option<u32>,
}

impl RunRecord {
    /// Makes the record of a run that was broken off, from the first line of its journal if there is one.
    pub(crate) fn broken_off(run_id: &str, start: Option<&Start>, settled_by: Option<&str>) -> Self {
        Self {
            schema: SCHEMA,
            run_id: run_id.to_owned(),
            command: start.map_or_else(String::new, |start| start.command.clone()),
            mode: start.map_or_else(Mode::default, |start| start.mode),
            started_at: start.map(|start| start.at),
            ended_at: None,
            roots: start.map_or_else(Vec::new, |start| start.roots.clone()),
            reference_roots: start.map_or_else(Vec::new, |start| start.reference_roots.clone()),
            dead_jobs: start.map_or_else(Vec::new, |start| start.dead_jobs.clone()),
            interrupted: true,
            clean: false,
            settled_by: settled_by.map(ToOwned::to_owned),
            totals: Totals::new(),
            newer_schema: None,
        }
    }

    /// Makes the record of a run of which a newer program wrote.
    fn not_understood(run_id: &str, schema: u32) -> Self {
        Self { newer_schema: Some(schema), ..Self::broken_off(run_id, None, None) }
    }

    /// Returns whether what it had begun is known: it came to its end, or a later run has looked.
    pub fn is_settled(&self) -> bool {
        self.ended_at.is_some() || self.settled_by.is_some()
    }

    /// Returns whether the run covered this root.
    pub fn covers(&self, root: &Location) -> bool {
        self.roots.iter().any(|spot| spot.0 == *root)
    }
}

/// The files of one run under one root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunFiles {
    pub(crate) journal: bool,
    pub(crate) end: bool,
}

/// Returns which runs have records under a root.
pub(crate) async fn runs_of(
    store: &dyn ReadStore,
    root: &Location,
) -> Result<BTreeMap<String, RunFiles>, StoreError> {
    let mut runs: BTreeMap<String, RunFiles> = BTreeMap::new();
    let mut sink = |entry: chksweep_store::Entry<'_>| {
        let Ok(name) = std::str::from_utf8(entry.name) else { return };
        if let Some(run) = name.strip_suffix(".end.json") {
            runs.entry(run.to_owned()).or_default().end = true;
        } else if let Some(run) = name.strip_suffix(".jsonl") {
            runs.entry(run.to_owned()).or_default().journal = true;
        }
    };
    match store.list(&own::runs_directory(root), &mut sink).await {
        Ok(()) => Ok(runs),
        Err(error) if own::is_absent(&error) => Ok(runs),
        Err(error) => Err(error),
    }
}

/// Writes the short record of a run under each of its roots that a store was opened for.
pub(crate) async fn write(stores: &MutateStores, record: &RunRecord) -> Result<(), StoreError> {
    let content = visible::json(record).unwrap_or_default();
    for root in &record.roots {
        stores.of(&root.0)?.replace(&own::end_file(&root.0, &record.run_id), &content).await?;
    }
    Ok(())
}

/// Returns the records of all runs under these roots, each run once, oldest first.
///
/// # Errors
///
/// Where the store fails; a record that cannot be understood counts as that of a run that was broken off.
pub async fn records(stores: &ReadStores, roots: &[Location]) -> Result<Vec<RunRecord>, StoreError> {
    let mut found: BTreeMap<String, RunRecord> = BTreeMap::new();
    for root in roots {
        let store = stores.of(root)?;
        let runs = runs_of(store.as_ref(), root).await?;
        let reading = runs.into_iter().map(|(run, files)| read_one(store.as_ref(), root, run, files));
        let mut reading = futures::stream::iter(reading).buffer_unordered(AT_ONCE);
        while let Some(record) = reading.next().await {
            let record = record?;
            let known = found.get(&record.run_id);
            // A run that went wrong under one root did so, whatever its record under another says.
            let is_worse = |known: &RunRecord| {
                known.clean && !record.clean || known.is_settled() && !record.is_settled()
            };
            if known.is_none_or(is_worse) || record.newer_schema.is_some() {
                found.insert(record.run_id.clone(), record);
            }
        }
    }
    let mut all: Vec<RunRecord> = found.into_values().collect();
    all.sort_by(|a, b| (a.started_at, &a.run_id).cmp(&(b.started_at, &b.run_id)));
    Ok(all)
}

async fn read_one(
    store: &dyn ReadStore,
    root: &Location,
    run: String,
    files: RunFiles,
) -> Result<RunRecord, StoreError> {
    if files.end {
        match store.read(&own::end_file(root, &run), MAX_BYTES).await {
            Ok(content) => {
                if let Some(schema) = newer_schema(&content) {
                    return Ok(RunRecord::not_understood(&run, schema));
                }
                if let Ok(record) = serde_json::from_slice::<RunRecord>(&content)
                    && record.run_id == run
                {
                    return Ok(record);
                }
            }
            Err(error) if own::is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let first = if files.journal {
        journal::first_of(store, &own::journal_file(root, &run)).await?
    } else {
        First::Nothing
    };
    let start = match first {
        First::Start(start) => Some(*start),
        First::Newer(schema) => return Ok(RunRecord::not_understood(&run, schema)),
        First::Nothing => None,
    };
    Ok(RunRecord::broken_off(&run, start.as_ref(), None))
}

/// Returns the schema of a short record that is newer than what this program reads.
fn newer_schema(content: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Told {
        schema: u32,
    }
    let told: Told = serde_json::from_slice(content).ok()?;
    (told.schema > SCHEMA).then_some(told.schema)
}

#[cfg(test)]
mod tests {
    use chksweep_store::{Call, ErrorKind, Fault, Rule as Strike};

    use super::*;
    use crate::testing::Scene;

    /// A record of a run under `root`, with these words changed.
    async fn put(scene: &Scene, root: &str, changes: &[(&str, &str)]) {
        let record = scene.begin("run-0").await.finish(true).await.unwrap();
        let mut text = String::from_utf8(visible::json(&record).unwrap()).unwrap().replace("run-0", "run-1");
        for (from, to) in changes {
            assert!(text.contains(from), "{text}");
            text = text.replace(from, to);
        }
        let root = scene.store.location(root);
        scene.store.put(own::end_file(&root, "run-1").path(), text.as_bytes(), scene.store.now());
        for run in [own::end_file(&scene.root(), "run-0"), own::journal_file(&scene.root(), "run-0")] {
            scene.store.remove(run.path());
        }
    }

    async fn read(scene: &Scene) -> Result<Vec<RunRecord>, StoreError> {
        let roots = ["/one", "/two"].map(|root| scene.store.location(root));
        records(&scene.stores.reading(), &roots).await
    }

    #[tokio::test]
    async fn of_two_records_of_a_run_the_worse_counts() {
        let dirty = [("\"clean\":true", "\"clean\":false")];
        for worse in ["/one", "/two"] {
            let scene = Scene::new();
            for root in ["/one", "/two"] {
                put(&scene, root, if root == worse { &dirty } else { &[] }).await;
            }
            let read = read(&scene).await.unwrap();
            assert_eq!(read.iter().map(|record| record.clean).collect::<Vec<_>>(), [false], "{worse}");
            assert!(read[0].covers(&scene.root()) && !read[0].covers(&scene.store.location("/one")));
        }
    }

    #[tokio::test]
    async fn a_run_that_is_not_settled_under_one_root_is_not_settled() {
        for worse in ["/one", "/two"] {
            let scene = Scene::new();
            let other = if worse == "/one" { "/two" } else { "/one" };
            put(&scene, other, &[("\"clean\":true", "\"clean\":false")]).await;
            let journal = own::journal_file(&scene.store.location(worse), "run-1");
            scene.store.put(journal.path(), b"", scene.store.now());
            let read = read(&scene).await.unwrap();
            assert_eq!(read.iter().map(RunRecord::is_settled).collect::<Vec<_>>(), [false], "{worse}");
        }
    }

    #[tokio::test]
    async fn a_record_of_a_newer_schema_counts_before_all_others() {
        let newer = [("\"schema\":1", "\"schema\":2")];
        for at in ["/one", "/two"] {
            let scene = Scene::new();
            for root in ["/one", "/two"] {
                put(&scene, root, if root == at { &newer } else { &[] }).await;
            }
            let read = read(&scene).await.unwrap();
            assert_eq!(read.iter().map(|record| record.newer_schema).collect::<Vec<_>>(), [Some(2)], "{at}");
        }
    }

    #[tokio::test]
    async fn records_that_cannot_be_read_are_not_absent() {
        let scene = Scene::new();
        put(&scene, "/one", &[]).await;
        for call in [Call::List, Call::Open] {
            scene.faulty.faults().add(Strike::on(call, Fault::Fail(ErrorKind::TimedOut)));
            assert_eq!(read(&scene).await.unwrap_err().kind, ErrorKind::TimedOut, "{call:?}");
        }
        assert_eq!(read(&scene).await.unwrap().len(), 1);
    }
}
