//! Sweeping real trees by hand-made plans, and bringing things back or purging them by what collecting really finds.

use std::collections::BTreeSet;
use std::time::Duration;

use chksweep_core::plan::Rule;
use chksweep_core::{Age, Equivalence, Location, Policy};
use chksweep_testkit::metadata_writer::{MetadataWriter, SimpleKind, Stream, simple_metadata};

use super::*;
use crate::collect::{CollectRequest, collect};
use crate::collected::Collected;
use crate::events::Quiet;
use crate::execute::ExecutionReport;
use crate::journal::Outcome;
use crate::records::{RunRecord, records};
use crate::testing::{Scene, path, uuid};

mod everywhere;
mod local;
mod purging;
mod rescuing;
mod restoring;

/// Puts a `_metadata` that names files below the job directory, and files beside it.
fn metadata(scene: &Scene, below: &str, number: i64, names: &[&str], beside: &[&str]) {
    let absolute: Vec<String> = names.iter().map(|name| scene.at(name).to_string()).collect();
    let absolute: Vec<&str> = absolute.iter().map(String::as_str).collect();
    let bytes = simple_metadata(4, number, SimpleKind::Checkpoint, &absolute, beside, [1; 16]);
    scene.store.put(path(below), bytes, scene.old());
}

/// Puts a checkpoint whose operator state is a file of its own, named by the number 90 and that of the checkpoint.
fn sink(scene: &Scene, number: u16, state: Option<&[u8]>) {
    let name = uuid(90 + u64::from(number));
    let bytes = MetadataWriter::v4(i64::from(number))
        .checkpoint()
        .operator([1; 16])
        .subtask(0)
        .operator_state(Stream::relative(name.as_str(), 5))
        .bytes();
    scene.store.put(path(&format!("chk-{number}/_metadata")), bytes, scene.old());
    if let Some(state) = state {
        scene.store.put(path(&format!("chk-{number}/{name}")), state, scene.old());
    }
}

async fn look(scene: &Scene) -> Collected {
    look_by(scene, &Equivalence::default()).await
}

async fn look_by(scene: &Scene, equivalence: &Equivalence) -> Collected {
    let mut request = CollectRequest::new(
        vec![scene.root()],
        scene.stores.reading(),
        equivalence,
        scene.store.now(),
        &Quiet,
    );
    request.limits.pause = Duration::from_millis(1);
    collect(request).await.unwrap()
}

async fn all_records(scene: &Scene) -> Vec<RunRecord> {
    records(&scene.stores.reading(), &[scene.root()]).await.unwrap()
}

/// A run that finds nothing to do.
async fn clean_run(scene: &Scene, run: &str) {
    scene.begin(run).await.finish(true).await.unwrap();
}

/// Sweeps exactly these paths below the job directory.
async fn take(scene: &Scene, run: &str, paths: &'static [&'static str]) -> ExecutionReport {
    let report = scene
        .sweep(run, |below| {
            let taken = paths.contains(&below) || paths.iter().any(|path| below == named(path));
            taken.then_some(match below {
                _ if below.ends_with("_metadata") => Rule::RetiredCheckpoint,
                _ if below.contains('/') => Rule::UnreferencedShared,
                _ => Rule::EmptyDirectory,
            })
        })
        .await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert_eq!(report.count(Outcome::Done).operations, u64::try_from(paths.len()).unwrap(), "{report:?}");
    report
}

/// `shared/#3` is `shared/` and the third UUID.
fn named(path: &str) -> String {
    match path.split_once('#') {
        Some((start, number)) => format!("{start}{}", uuid(number.parse().unwrap())),
        None => path.to_owned(),
    }
}

fn is_there(scene: &Scene, path_of: &str) -> bool {
    scene.store.exists(path(&named(path_of)))
}

fn select_path(scene: &Scene, below: &str) -> Selection {
    Selection { paths: vec![scene.at(&named(below))], ..Selection::default() }
}

fn all() -> Selection {
    Selection { all: true, ..Selection::default() }
}

async fn bring_back(
    scene: &Scene,
    run: &str,
    selection: Selection,
    to: Option<Location>,
    dead: bool,
) -> RestoreReport {
    let collected = look(scene).await;
    let records = all_records(scene).await;
    let mut running = scene.begin(run).await;
    let dead =
        if dead { BTreeSet::from([scene.at("x").parent().unwrap().to_string()]) } else { BTreeSet::new() };
    let request = RestoreRequest {
        metadata: &collected.metadata,
        unsearched: &collected.unsearched,
        quarantine: &collected.quarantine,
        equivalence: &Equivalence::default(),
        selection,
        to,
        records: &records,
        dead: &dead,
    };
    let report = restore(&mut running, &request).await;
    running.finish(true).await.unwrap();
    report
}
