use std::sync::Arc;

use chksweep_store::{Call, ErrorKind, Fault, Rule};

use super::*;
use crate::testing::{ROOT, Scene, SlowToClose};

fn record_of(run: &str) -> String {
    format!("{ROOT}/.chksweep/runs/{run}.end.json")
}

/// What the newer program had begun is not understood; where it came to its end, nothing is left to settle.
#[tokio::test]
async fn beside_a_run_of_a_newer_program_that_was_broken_off_none_begins() {
    let scene = Scene::new();
    scene.begin("run-1").await.finish(true).await.unwrap();
    let newer = format!("{{\"record\":\"start\",\"schema\":{}}}\n", journal::SCHEMA + 1);
    scene.store.put(format!("{ROOT}/.chksweep/runs/run-1.jsonl"), newer, scene.old());
    scene.begin("run-2").await.finish(true).await.unwrap();
    scene.store.remove(record_of("run-1"));
    let before = scene.store.snapshot();
    let error = scene.try_begin(scene.options("run-3")).await.unwrap_err();
    assert!(matches!(error, RunError::Newer { schema, .. } if schema == journal::SCHEMA + 1), "{error}");
    assert_eq!(scene.store.snapshot(), before, "the refusal leaves nothing behind");
}

/// Of a journal that is not closed the last lines do not show: what they meant to do would be forgotten.
#[tokio::test]
async fn a_journal_that_cannot_be_closed_is_not_settled() {
    let scene = Scene::new();
    let mut options = scene.options("run-2");
    options.break_lock = Some(crate::lock::BreakLock::Any);
    drop(scene.begin("run-1").await);
    let denied = Fault::Fail(ErrorKind::PermissionDenied);
    scene.faulty.faults().add(Rule::on(Call::CloseAbandoned, denied));
    assert!(matches!(scene.try_begin(options.clone()).await, Err(RunError::Store(_))));
    assert!(!scene.store.exists(record_of("run-1")));
    options.run_id = "run-3".to_owned();
    scene.try_begin(options).await.unwrap().finish(true).await.unwrap();
    assert!(scene.store.exists(record_of("run-1")) && scene.store.exists(record_of("run-2")));
}

/// DataNodes take their time: a journal is waited for, though not for ever.
#[tokio::test(start_paused = true)]
async fn a_journal_that_closes_in_time_is_settled_and_another_by_the_next_run() {
    for (seconds, is_settled) in [(50, true), (70, false)] {
        let mut scene = Scene::new();
        drop(scene.begin("run-1").await);
        let until = Instant::now() + Duration::from_secs(seconds);
        let slow = SlowToClose { store: scene.store.clone(), open_until: until };
        scene.stores = MutateStores::default();
        scene.stores.add(&scene.store.location("/"), Arc::new(slow));
        let mut options = scene.options("run-2");
        options.break_lock = Some(crate::lock::BreakLock::Any);
        let before = scene.ears.heard().len();
        scene.try_begin(options).await.unwrap().finish(true).await.unwrap();
        assert_eq!(scene.store.exists(record_of("run-1")), is_settled, "{seconds}");
        let said = scene.ears.heard()[before..].iter().filter(|said| said.contains("still open")).count();
        assert_eq!(said, usize::from(!is_settled), "{seconds}");
        tokio::time::sleep_until(until).await;
        scene.begin("run-3").await.finish(true).await.unwrap();
        assert!(scene.store.exists(record_of("run-1")));
    }
}
