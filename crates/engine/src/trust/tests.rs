use chksweep_core::{Age, Timestamp};
use chksweep_store::MemoryStore;

use super::*;
use crate::journal::{Intent, IntentPath, Operation, Record, Spot};
use crate::testing::{ROOT, Scene, path};

const OTHER: &str = "mallory";

fn store() -> (MemoryStore, Location) {
    let store = MemoryStore::new("hdfs", "ns");
    for file in ["lock", "pins", "looks.json", "runs/a.jsonl", "quarantine/a/x"] {
        store.put(format!("{ROOT}/.chksweep/{file}"), "", Timestamp(1));
    }
    store.set_access("/", "hdfs", 0o755);
    let root = store.location(ROOT);
    (store, root)
}

async fn told(store: &MemoryStore, root: &Location) -> String {
    match of_root(store, root).await {
        Ok(there) => there.to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_others_may_have_written_is_not_believed() {
    for path in ["", "/lock", "/looks.json", "/runs", "/runs/a.jsonl", "/quarantine", "/quarantine/a"] {
        for (owner, mode, words) in
            [(OTHER, 0o700, "belongs to mallory"), ("test", 0o770, "mode 770"), ("test", 0o702, "mode 702")]
        {
            let (store, root) = store();
            assert_eq!(told(&store, &root).await, "true");
            store.set_access(format!("{ROOT}/.chksweep{path}"), owner, mode);
            let error = told(&store, &root).await;
            assert!(
                error.contains(&format!(".chksweep{path} is")) && error.contains(words),
                "{path}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn who_may_read_or_pin_and_the_superuser_do_no_harm() {
    let (store, root) = store();
    store.set_access(format!("{ROOT}/.chksweep"), "test", 0o755);
    store.set_access(format!("{ROOT}/.chksweep/pins"), OTHER, 0o666);
    store.set_access(format!("{ROOT}/.chksweep/runs/a.jsonl"), "hdfs", 0o644);
    assert_eq!(told(&store, &root).await, "true");
    // What a run set aside stays with its owner.
    store.set_access(format!("{ROOT}/.chksweep/quarantine/a/x"), OTHER, 0o666);
    assert_eq!(told(&store, &root).await, "true");
}

#[tokio::test]
async fn a_link_is_not_followed_and_nothing_is_nothing() {
    let (store, root) = store();
    store.remove(format!("{ROOT}/.chksweep"));
    assert_eq!(told(&store, &root).await, "false");
    store.put_link(format!("{ROOT}/.chksweep"), Timestamp(1));
    assert!(told(&store, &root).await.contains("it is a link"));
    store.remove(format!("{ROOT}/.chksweep"));
    store.put(format!("{ROOT}/.chksweep"), "", Timestamp(1));
    assert!(told(&store, &root).await.contains("it is no directory"));
}

#[tokio::test]
async fn each_directory_down_to_a_path_counts() {
    let (store, root) = store();
    let record = own::journal_file(&root, "a");
    assert!(of_path(&store, &root, &record).await.is_ok());
    for at in ["", "/runs", "/runs/a.jsonl"] {
        let (store, root) = self::store();
        store.set_access(format!("{ROOT}/.chksweep{at}"), OTHER, 0o700);
        assert!(matches!(of_path(&store, &root, &record).await, Err(TrustError::Untrusted { .. })), "{at}");
    }
    assert!(of_path(&store, &root, &own::journal_file(&root, "b")).await.unwrap_err().is_absence());
}

#[tokio::test]
async fn a_run_refuses_to_begin_beside_what_others_wrote_and_leaves_it_alone() {
    let scene = Scene::new();
    scene.store.mkdir(format!("{ROOT}/.chksweep"), scene.old());
    scene.store.set_access(format!("{ROOT}/.chksweep"), OTHER, 0o777);
    let before = scene.store.snapshot();
    let error = scene.try_begin(scene.options("run-1")).await.unwrap_err();
    assert!(error.to_string().contains("belongs to mallory"), "{error}");
    assert_eq!(scene.store.snapshot(), before);
}

#[tokio::test]
async fn a_run_refuses_what_another_put_in_the_place_of_its_own_directory() {
    let scene = Scene::new();
    // Nothing is there when the run looks; somebody is faster at making it.
    scene.store.set_access(format!("{ROOT}/.chksweep"), OTHER, 0o777);
    let error = scene.try_begin(scene.options("run-1")).await.unwrap_err();
    assert!(error.to_string().contains("belongs to mallory"), "{error}");
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/lock")), "the lock was given back");
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/runs")), "nothing was recorded");
}

#[tokio::test]
async fn a_journal_cannot_have_a_directory_moved_that_no_run_has_set_aside() {
    let scene = Scene::new();
    let (foreign, mine) = ("/flink/other/shared", path("op_1"));
    scene.store.put(format!("{foreign}/file"), "live", scene.old());
    scene.file("shared/x", 1);
    let intent = IntentPath {
        operation: Operation::QuarantineTree,
        from: Spot(scene.store.location(&mine)),
        to: Some(Spot(scene.store.location(foreign))),
        tree: Some("0".repeat(32)),
        stamp: None,
        rule: None,
        evidence: None,
    };
    let mut broken_off = scene.begin("run-0").await;
    broken_off
        .write(vec![Record::Intent(Intent { batch: 1, at: None, basis: None, paths: vec![intent] })])
        .await
        .unwrap();
    drop(broken_off);
    scene.store.advance(Age::hours(1));
    scene.begin("run-1").await.finish(true).await.unwrap();
    assert!(scene.store.exists(format!("{foreign}/file")), "{:?}", scene.ears.heard());
    assert!(!scene.store.exists(&mine));
    assert!(scene.ears.heard().iter().any(|said| said.contains("a move that no run makes")));
}

#[tokio::test]
async fn looks_that_others_wrote_are_ignored_and_said() {
    let (store, root) = store();
    store.put(format!("{ROOT}/.chksweep/looks.json"), r#"{"directories":{},"moves":{}}"#, Timestamp(1));
    assert_eq!(crate::looks::load_stored(&store, &root).await.1, None);
    store.set_access(format!("{ROOT}/.chksweep"), OTHER, 0o755);
    let (looks, problem) = crate::looks::load_stored(&store, &root).await;
    assert!(looks.directories.is_empty());
    assert!(problem.unwrap().message.contains("belongs to mallory"));
}

#[tokio::test]
async fn a_directory_of_records_that_cannot_be_listed_is_not_an_absent_one() {
    for directory in ["runs", "quarantine"] {
        let (store, root) = store();
        store.deny(format!("{ROOT}/.chksweep/{directory}"), chksweep_store::memory::Denied::Reading);
        let checked = of_root(&store, &root).await;
        assert!(matches!(checked, Err(TrustError::Store(_))), "{directory}: {checked:?}");
        store.allow(format!("{ROOT}/.chksweep/{directory}"));
        store.remove(format!("{ROOT}/.chksweep/{directory}"));
        assert!(of_root(&store, &root).await.unwrap(), "{directory}");
    }
}

/// As with some ways of logging in, until `--known-as` says it.
#[tokio::test]
async fn without_a_name_for_this_user_nothing_is_its_own() {
    let (store, root) = store();
    store.set_named(false);
    let unknown = "cannot be told what HDFS calls this user";
    assert!(told(&store, &root).await.contains(unknown));
    store.remove(format!("{ROOT}/.chksweep"));
    assert!(told(&store, &root).await.contains(unknown), "what a run makes would not be believed either");
    store.set_named(true);
    assert_eq!(told(&store, &root).await, "false");
}
