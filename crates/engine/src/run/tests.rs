use std::sync::Arc;

use chksweep_core::Age;
use chksweep_store::{Call, ErrorKind, Fault, MemoryStore, Rule as Strike};
use serde_json::Value;

use super::*;
use crate::execute::How;
use crate::journal::Operation;
use crate::own::Stamp;
use crate::testing::{ROOT, Scene, quarantined};

/// Puts an old file, and sets it aside.
fn step(scene: &Scene, below: &str) -> Step {
    scene.file(below, 1);
    let to = scene.store.location(quarantined("run-1", below));
    let stamp = Stamp { length: 1, modified: scene.old() };
    Step {
        operation: Operation::Quarantine,
        from: scene.at(below),
        how: How::Move { to, stamp, private: true },
        rule: None,
        evidence: None,
        job: None,
        files: 1,
        bytes: 1,
        why: None,
    }
}

/// Ages are counted from there: by a later clock a file under another root would look older than it is.
#[tokio::test(start_paused = true)]
async fn of_several_clocks_the_earliest_is_that_of_the_run() {
    for is_first in [true, false] {
        let mut scene = Scene::new();
        let earliest = scene.store.now().minus(Age::minutes(2));
        let behind = MemoryStore::new("hdfs", "behind");
        behind.set_now(earliest);
        behind.mkdir(ROOT, Timestamp(1));
        let root = behind.location(ROOT);
        scene.stores.add(&root, Arc::new(behind));
        let mut options = scene.options("run-1");
        options.roots.insert(usize::from(!is_first), root);
        // Neither clock is the local one.
        options.local_now = scene.store.now().minus(Age::minutes(1));
        let run = scene.try_begin(options).await.unwrap();
        assert_eq!((run.started_at(), run.now()), (earliest, earliest), "{is_first}");
        assert_eq!(run.finish(true).await.unwrap().started_at, Some(earliest));
    }
}

#[tokio::test]
async fn a_run_is_clean_only_if_nothing_speaks_against_it() {
    for (clean, fails, stops, expected) in [
        (true, false, false, true),
        (false, false, false, false),
        (true, true, false, false),
        (true, false, true, false),
        (false, true, true, false),
    ] {
        let scene = Scene::new();
        let mut run = scene.begin("run-1").await;
        let steps = vec![step(&scene, "shared/a"), step(&scene, "shared/b")];
        if fails {
            let denied = Strike::on(Call::Rename, Fault::Fail(ErrorKind::PermissionDenied));
            scene.faulty.faults().add(denied.at(&steps[1].from));
        }
        let fates = run.carry_out(steps).await;
        let outcome = if fails { Outcome::Failed } else { Outcome::Done };
        assert_eq!([fates[0].1.outcome, fates[1].1.outcome], [Outcome::Done, outcome]);
        if stops {
            run.stop(Stop::Cancelled);
        }
        let record = run.finish(clean).await.unwrap();
        assert_eq!((record.clean, record.interrupted), (expected, stops), "{clean} {fails} {stops}");
    }
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_stops_the_run_unless_the_store_is_busy() {
    for (kind, expected) in
        [(ErrorKind::Busy, Outcome::Done), (ErrorKind::PermissionDenied, Outcome::NotStarted)]
    {
        let scene = Scene::new();
        let mut run = scene.begin("run-1").await;
        let lock = own::lock_file(&scene.root());
        scene.faulty.faults().add(Strike::on(Call::Open, Fault::Fail(kind)).at(&lock));
        let fates = run.carry_out(vec![step(&scene, "shared/a")]).await;
        assert_eq!(fates[0].1.outcome, expected, "{kind:?}");
        assert_eq!(matches!(run.stopped(), Some(Stop::Lock(_))), expected == Outcome::NotStarted, "{kind:?}");
    }
}

#[tokio::test]
async fn a_store_that_stays_busy_while_the_lock_is_read_stops_the_run() {
    let scene = Scene::new();
    let mut run = scene.begin("run-1").await;
    let lock = own::lock_file(&scene.root());
    scene.faulty.faults().add(Strike::on(Call::Open, Fault::Fail(ErrorKind::Busy)).at(&lock).times(1000));
    let fates = run.carry_out(vec![step(&scene, "shared/a")]).await;
    assert_eq!(fates[0].1.outcome, Outcome::NotStarted);
}

#[tokio::test]
async fn the_journal_tells_each_batch_by_its_number_and_the_reading_it_relies_on() {
    let scene = Scene::new();
    let mut run = scene.begin("run-1").await;
    run.carry_out(vec![step(&scene, "shared/a")]).await;
    run.rely_on(Some(Basis::of_reading(Timestamp(5), &[])));
    run.carry_out(vec![step(&scene, "shared/b")]).await;
    run.finish(true).await.unwrap();
    let journal = scene.store.contents(own::journal_file(&scene.root(), "run-1").path()).unwrap();
    let lines = journal.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let batches: Vec<_> = lines
        .filter(|line| line.get("paths").is_some())
        .map(|line| (line["batch"].as_u64(), line["basis"]["asOf"].clone()))
        .collect();
    let as_of = serde_json::to_value(Timestamp(5)).unwrap();
    assert_eq!(batches, [(Some(1), Value::Null), (Some(2), as_of)]);
}

#[test]
fn what_is_no_place_of_flink_cannot_be_a_root() {
    let scene = Scene::new();
    for root in [
        scene.store.location("/"),
        scene.store.location(format!("{ROOT}/.chksweep")),
        scene.store.location(format!("{ROOT}/.chksweep/quarantine")),
        Location::from_parts(None, None, b"/flink/cp"),
    ] {
        let mut options = scene.options("run-1");
        options.roots = vec![root.clone()];
        let error = check(&options).unwrap_err();
        assert!(error.to_string().contains("cannot be a root"), "{root}: {error}");
    }
    assert!(check(&scene.options("run-1")).is_ok());
}
