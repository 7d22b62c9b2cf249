use std::sync::Mutex;

use chksweep_store::faults::Hook;
use chksweep_store::memory::Denied;
use chksweep_store::{Call, ErrorKind, Fault, Faulty, MemoryStore, Rule};

use super::*;
use crate::events::Event;

#[derive(Debug, Default)]
struct Ears(Mutex<Vec<String>>);

impl Observer for Ears {
    fn event(&self, event: &Event) {
        if let Event::Loud(message) = event {
            self.0.lock().unwrap().push(message.clone());
        }
    }
}

struct Scene {
    store: MemoryStore,
    stores: MutateStores,
    ears: Arc<Ears>,
}

impl Scene {
    fn new() -> Self {
        let store = MemoryStore::new("hdfs", "ns");
        store.mkdir("/a/r", Timestamp(1));
        let mut stores = MutateStores::default();
        stores.add(&store.location("/"), Arc::new(store.clone()));
        Self { store, stores, ears: Arc::default() }
    }

    async fn acquire(&self, run: &str, break_lock: Option<&BreakLock>) -> Result<Lock, LockError> {
        self.acquire_at("/a/r", run, break_lock).await
    }

    async fn acquire_at(&self, root: &str, run: &str, which: Option<&BreakLock>) -> Result<Lock, LockError> {
        let holder = Holder {
            owner: "flink".into(),
            host: "edge-1".into(),
            pid: 7,
            run_id: run.into(),
            since: self.store.now(),
        };
        Lock::acquire(LockRequest {
            stores: &self.stores,
            roots: &[self.store.location(root)],
            holder,
            local_now: self.store.now(),
            break_lock: which,
            heartbeat: HEARTBEAT,
            observer: self.ears.clone(),
        })
        .await
    }
}

const LOCK: &str = "/a/r/.chksweep/lock";

#[tokio::test]
async fn a_second_run_is_told_who_holds_the_lock() {
    let scene = Scene::new();
    let first = scene.acquire("run-1", None).await.unwrap();
    scene.store.advance(Age::minutes(2));
    let LockError::Held(held) = scene.acquire("run-2", None).await.unwrap_err() else { panic!("not held") };
    assert_eq!(held.holder.as_ref().unwrap().run_id, "run-1");
    assert_eq!(held.silent_for, Age::minutes(2));
    assert!(held.to_string().contains("run run-1 of flink on edge-1 (process 7)"), "{held}");
    first.still_mine().await.unwrap();
    first.release().await;
    assert!(!scene.store.exists(LOCK));
    scene.acquire("run-2", None).await.unwrap().release().await;
}

#[tokio::test]
async fn of_many_at_once_exactly_one_gets_it() {
    let scene = Arc::new(Scene::new());
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.acquire(&format!("run-{n}"), None).await.ok() })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        held.extend(task.await.unwrap());
    }
    assert_eq!(held.len(), 1);
    held[0].still_mine().await.unwrap();
}

#[tokio::test]
async fn a_silent_lock_is_taken_over_and_its_holder_notices() {
    let scene = Scene::new();
    let first = scene.acquire("run-1", None).await.unwrap();
    scene.store.advance(Age(SILENT_AFTER.0 - 1));
    assert!(matches!(scene.acquire("run-2", None).await, Err(LockError::Held(_))));
    scene.store.advance(Age(1));
    let second = scene.acquire("run-2", None).await.unwrap();
    assert!(scene.ears.0.lock().unwrap()[0].contains("taken over"));
    assert!(matches!(first.still_mine().await, Err(LockError::Lost { .. })));
    first.release().await;
    second.still_mine().await.unwrap();
    let left: Vec<_> = scene.store.snapshot().into_keys().filter(|at| at.name() != b".chksweep").collect();
    assert_eq!(left.len(), 3, "only /a, /a/r and the lock: {left:?}");
}

#[tokio::test]
async fn a_heartbeat_keeps_the_lock_young_only_while_it_is_ours() {
    let scene = Scene::new();
    let first = scene.acquire("run-1", None).await.unwrap();
    scene.store.advance(Age::minutes(14));
    first.heartbeat.beat().await;
    scene.store.advance(Age::minutes(14));
    assert!(matches!(scene.acquire("run-2", None).await, Err(LockError::Held(_))));
    let second = scene.acquire("run-2", Some(&BreakLock::Any)).await.unwrap();
    let before = scene.store.contents(LOCK);
    first.heartbeat.beat().await;
    assert_eq!(scene.store.contents(LOCK), before);
    assert!(first.still_mine().await.is_err());
    second.still_mine().await.unwrap();
}

/// As after a fail-over to a NameNode whose clock is behind or ahead.
#[tokio::test]
async fn a_clock_that_jumps_never_leaves_two_holders() {
    let scene = Scene::new();
    let first = scene.acquire("run-1", None).await.unwrap();
    let before = scene.store.now();
    scene.store.set_now(before.minus(Age::hours(6)));
    // The lock is from the future now: it counts as just heard of.
    let LockError::Held(held) = scene.acquire("run-2", None).await.unwrap_err() else { panic!("not held") };
    assert_eq!(held.silent_for, Age(0));
    first.heartbeat.beat().await;
    first.still_mine().await.unwrap();
    scene.store.set_now(before.plus(Age::hours(6)));
    // It looks silent for hours; whose it was notices before the next batch.
    let second = scene.acquire("run-2", None).await.unwrap();
    assert!(matches!(first.still_mine().await, Err(LockError::Lost { .. })));
    second.still_mine().await.unwrap();
    first.heartbeat.beat().await;
    second.still_mine().await.unwrap();
}

#[tokio::test]
async fn a_lock_is_broken_only_for_the_run_that_was_named() {
    let scene = Scene::new();
    let _first = scene.acquire("run-1", None).await.unwrap();
    let other = BreakLock::parse("run-9");
    assert!(matches!(scene.acquire("run-2", Some(&other)).await, Err(LockError::Held(_))));
    scene.acquire("run-2", Some(&BreakLock::parse("run-1"))).await.unwrap();
}

#[tokio::test]
async fn a_torn_or_empty_lock_counts_by_its_mtime() {
    for content in [&b""[..], b"{\"owner\":\"fl"] {
        let scene = Scene::new();
        scene.store.put(LOCK, content, scene.store.now());
        let LockError::Held(held) = scene.acquire("run-2", None).await.unwrap_err() else {
            panic!("not held")
        };
        assert_eq!(held.holder, None);
        scene.store.advance(SILENT_AFTER);
        scene.acquire("run-2", None).await.unwrap().still_mine().await.unwrap();
    }
}

#[tokio::test]
async fn a_lock_from_the_future_is_held_and_says_that_a_clock_had_jumped() {
    let scene = Scene::new();
    for (ahead, is_said) in [(Age::minutes(1), false), (Age::days(10), true)] {
        scene.store.put(LOCK, b"{}", scene.store.now().plus(ahead));
        let held = scene.acquire("run-2", None).await.unwrap_err().to_string();
        assert_eq!(held.contains("ahead of the clock of the storage"), is_said, "{held}");
        let root = scene.store.location("/a/r");
        let seen = look(&scene.store, &root, scene.store.now()).await.unwrap().unwrap();
        assert_eq!((seen.silent_for, seen.ahead), (Age(0), ahead));
    }
}

#[tokio::test]
async fn a_root_within_another_that_is_swept_takes_both_locks() {
    let scene = Scene::new();
    scene.store.mkdir("/a/.chksweep", scene.store.now());
    let inner = scene.acquire("run-1", None).await.unwrap();
    assert!(scene.store.exists("/a/.chksweep/lock"));
    assert!(matches!(scene.acquire_at("/a", "run-2", None).await, Err(LockError::Held(_))));
    inner.release().await;
    assert!(!scene.store.exists("/a/.chksweep/lock"));
    let outer = scene.acquire_at("/a", "run-2", None).await.unwrap();
    assert!(matches!(scene.acquire("run-3", None).await, Err(LockError::Held(_))));
    assert!(!scene.store.exists(LOCK), "what was taken before the failure is given back");
    outer.release().await;
}

#[tokio::test]
async fn a_lock_whose_answer_was_lost_is_held() {
    let (scene, faulty) = faulty();
    faulty.faults().add(Rule::on(Call::CreateNew, Fault::Lose(ErrorKind::TimedOut)));
    scene.acquire("run-1", None).await.unwrap().still_mine().await.unwrap();
}

fn faulty() -> (Scene, Faulty<MemoryStore>) {
    let mut scene = Scene::new();
    let faulty = Faulty::new(scene.store.clone());
    scene.stores = MutateStores::default();
    scene.stores.add(&scene.store.location("/"), Arc::new(faulty.clone()));
    (scene, faulty)
}

/// A root above with a lock of ours that cannot be told free would be swept by two runs at once.
#[tokio::test]
async fn what_lies_above_is_looked_into_as_far_as_one_may() {
    for (kind, allowed) in [
        (ErrorKind::PermissionDenied, true),
        (ErrorKind::Unsupported, true),
        (ErrorKind::WrongType, true),
        (ErrorKind::TimedOut, false),
        (ErrorKind::Other, false),
    ] {
        let (scene, faulty) = faulty();
        faulty
            .faults()
            .add(Rule::on(Call::Stat, Fault::Fail(kind)).at(&scene.store.location("/a/.chksweep")));
        let lock = scene.acquire("run-1", None).await;
        assert_eq!(lock.is_ok(), allowed, "{kind:?}: {lock:?}");
    }
    // A file of that name is no directory of ours.
    let scene = Scene::new();
    scene.store.put("/a/.chksweep", b"", scene.store.now());
    scene.acquire("run-1", None).await.unwrap().still_mine().await.unwrap();
}

#[tokio::test]
async fn looking_tells_who_holds_a_lock_and_for_how_long_it_was_silent() {
    let scene = Scene::new();
    let root = scene.store.location("/a/r");
    assert_eq!(look(&scene.store, &root, scene.store.now()).await.unwrap(), None);
    let lock = scene.acquire("run-1", None).await.unwrap();
    scene.store.advance(Age::minutes(2));
    let held = look(&scene.store, &root, scene.store.now()).await.unwrap().unwrap();
    assert_eq!((held.holder.unwrap().run_id.as_str(), held.silent_for), ("run-1", Age::minutes(2)));
    lock.release().await;
    // It goes between the two calls of a look; it cannot be looked at; it cannot be read.
    scene.store.put(LOCK, b"{}", scene.store.now());
    for (call, kind, found) in [
        (Call::Open, ErrorKind::NotFound, Some(true)),
        (Call::Open, ErrorKind::PermissionDenied, None),
        (Call::Stat, ErrorKind::NotFound, Some(false)),
        (Call::Stat, ErrorKind::PermissionDenied, None),
    ] {
        let faulty = Faulty::new(scene.store.clone());
        faulty.faults().add(Rule::on(call, Fault::Fail(kind)));
        let seen = look(&faulty, &root, scene.store.now()).await;
        assert_eq!(seen.ok().map(|held| held.is_some()), found, "{call:?} {kind:?}");
    }
    scene.store.deny("/a/r", Denied::Reading);
    assert!(look(&scene.store, &root, scene.store.now()).await.is_err());
}

/// Another run took it, or its holder came back to life, between the look at it and the rename.
#[tokio::test]
async fn a_lock_that_is_not_what_was_seen_goes_back() {
    for (touched, other) in [(false, true), (true, false), (true, true)] {
        let (scene, faulty) = faulty();
        let first = scene.acquire("run-1", None).await.unwrap();
        let written = scene.store.now();
        scene.store.advance(SILENT_AFTER);
        let now = if touched { scene.store.now() } else { written };
        let mut content = scene.store.contents(LOCK).unwrap();
        if other {
            content = String::from_utf8_lossy(&content).replace("run-1", "run-5").into_bytes().into();
        }
        let (store, told) = (scene.store.clone(), content.clone());
        let hook = Hook::new(move || store.put(LOCK, &told, now));
        faulty.faults().add(Rule::on(Call::Rename, Fault::Before(hook)));
        let taken = scene.acquire("run-2", None).await;
        assert_eq!(taken.is_err(), touched, "{taken:?}");
        let heard = scene.ears.0.lock().unwrap().iter().filter(|what| what.contains("taken over")).count();
        assert_eq!(
            heard,
            usize::from(!touched),
            "a lock that is as silent as before is taken at the next try"
        );
        if touched {
            assert_eq!(scene.store.contents(LOCK).unwrap(), content);
        }
        drop(first);
    }
}

#[tokio::test]
async fn a_lock_that_cannot_be_looked_at_or_taken_is_told_as_such() {
    for (call, kind) in [
        (Call::Stat, ErrorKind::TimedOut),
        (Call::Rename, ErrorKind::PermissionDenied),
        (Call::Open, ErrorKind::TimedOut),
    ] {
        let (scene, faulty) = faulty();
        let _first = scene.acquire("run-1", None).await.unwrap();
        scene.store.advance(SILENT_AFTER);
        faulty.faults().add(Rule::on(call, Fault::Fail(kind)).at(&scene.store.location(LOCK)));
        let error = scene.acquire("run-2", None).await.unwrap_err();
        assert!(matches!(&error, LockError::Store(error) if error.kind == kind), "{call:?}: {error:?}");
        assert!(scene.store.exists(LOCK));
    }
}

/// As after the loss of all replicas of its block.
#[tokio::test]
async fn a_lock_that_can_never_be_read_counts_by_its_mtime() {
    let (scene, faulty) = faulty();
    let _first = scene.acquire("run-1", None).await.unwrap();
    let lost = Fault::Fail(ErrorKind::Corrupt);
    faulty.faults().add(Rule::on(Call::Open, lost.clone()).at(&scene.store.location(LOCK)).times(2));
    let LockError::Held(held) = scene.acquire("run-2", None).await.unwrap_err() else { panic!("not held") };
    assert_eq!(held.holder, None);
    scene.store.advance(SILENT_AFTER);
    faulty.faults().add(Rule::on(Call::Open, lost.clone()).at(&scene.store.location(LOCK)).times(2));
    scene.acquire("run-2", None).await.unwrap().still_mine().await.unwrap();
    // Broken on request, whoever holds it.
    faulty.faults().add(Rule::on(Call::Open, lost).at(&scene.store.location(LOCK)).times(2));
    scene.acquire("run-3", Some(&BreakLock::Any)).await.unwrap().still_mine().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_heart_stops_with_its_holder() {
    let scene = Scene::new();
    let first = scene.acquire("run-1", None).await.unwrap();
    let modified = || scene.store.snapshot()[&scene.store.location(LOCK)].2;
    let before = modified();
    scene.store.advance(Age::minutes(1));
    tokio::time::sleep(2 * HEARTBEAT).await;
    let later = modified();
    assert!(later > before);
    drop(first);
    scene.store.advance(Age::minutes(1));
    tokio::time::sleep(2 * HEARTBEAT).await;
    assert_eq!(modified(), later);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_could_not_be_kept_up_for_ten_minutes_is_lost() {
    let (scene, faulty) = faulty();
    let first = scene.acquire("run-1", None).await.unwrap();
    faulty.faults().add(Rule::on(Call::Replace, Fault::Fail(ErrorKind::TimedOut)).forever());
    tokio::time::sleep(FORGOTTEN_AFTER).await;
    first.still_mine().await.unwrap();
    tokio::time::sleep(2 * HEARTBEAT).await;
    assert!(matches!(first.still_mine().await, Err(LockError::Lost { .. })));
}
