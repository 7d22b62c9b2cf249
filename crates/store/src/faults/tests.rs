use std::time::Duration;

use chksweep_core::Timestamp;

use super::*;
use crate::memory::MemoryStore;

fn store() -> (MemoryStore, Faulty<MemoryStore>) {
    let memory = MemoryStore::new("hdfs", "test");
    for name in ["a", "b", "c"] {
        memory.put(format!("/d/{name}"), name, Timestamp(1));
    }
    (memory.clone(), Faulty::new(memory))
}

#[tokio::test]
async fn the_nth_matching_call_fails_and_no_other() {
    let (memory, store) = store();
    store.faults().add(Rule::on(Call::DeleteFile, Fault::Fail(ErrorKind::Busy)).nth(2));
    let delete = |name: &str| {
        let (path, store) = (memory.location(format!("/d/{name}")), store.clone());
        async move { store.delete_file(&path).await.map_err(|e| e.kind) }
    };
    assert_eq!(delete("a").await, Ok(true));
    assert!(store.stat(&memory.location("/d/b")).await.is_ok());
    assert_eq!(delete("b").await, Err(ErrorKind::Busy));
    assert!(memory.exists("/d/b"));
    assert_eq!(delete("b").await, Ok(true));
    let faults = store.faults();
    assert_eq!((faults.calls(), faults.changes(), faults.count(Call::Stat)), (4, 3, 1));
}

#[tokio::test]
async fn a_lost_answer_leaves_its_effect() {
    let (memory, store) = store();
    store.faults().add(Rule::change(Fault::Lose(ErrorKind::Unreachable)).at(&memory.location("/d/a")));
    assert!(store.delete_file(&memory.location("/d/b")).await.is_ok());
    assert!(store.delete_file(&memory.location("/d/a")).await.is_err());
    assert!(!memory.exists("/d/a"));
}

#[tokio::test(start_paused = true)]
async fn calls_hang_and_are_late() {
    let (memory, store) = store();
    let path = memory.location("/d/a");
    store.faults().add(Rule::any(Fault::HangAfter));
    store.faults().add(Rule::any(Fault::Delay(Duration::from_secs(7))).nth(2));
    let hung = tokio::time::timeout(Duration::from_mins(1), store.delete_file(&path)).await;
    assert!(hung.is_err() && !memory.exists("/d/a"));
    let start = tokio::time::Instant::now();
    assert!(store.stat(&path).await.is_err());
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn a_listing_and_a_file_are_cut() {
    let (memory, store) = store();
    let cut = Fault::Cut(2, ErrorKind::Unreachable);
    store.faults().add(Rule::on(Call::List, cut.clone()));
    let mut count = 0;
    assert!(store.list(&memory.location("/d"), &mut |_| count += 1).await.is_err());
    assert_eq!(count, 2);
    for call in [Call::CreateNew, Call::Replace, Call::Append] {
        store.faults().add(Rule::on(call, cut.clone()));
    }
    assert!(store.create_new(&memory.location("/new"), b"abc").await.is_err());
    assert!(store.replace(&memory.location("/d/a"), b"abc").await.is_err());
    let mut log = store.create_appender(&memory.location("/log")).await.unwrap();
    assert!(log.append(b"abc").await.is_err());
    log.append(b"!").await.unwrap();
    for (path, content) in [("/new", "ab"), ("/d/a", "ab"), ("/log", "ab!")] {
        assert_eq!(memory.contents(path).unwrap(), content);
    }
}

#[tokio::test]
async fn the_world_changes_between_two_calls() {
    let (memory, store) = store();
    let hand = memory.clone();
    let hook = Hook::new(move || hand.put("/d/z", "z", Timestamp(2)));
    store.faults().add(Rule::on(Call::Rename, Fault::Before(hook)).forever());
    let outcome = store.rename(&memory.location("/d/a"), &memory.location("/d/z")).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::AlreadyExists);
}
