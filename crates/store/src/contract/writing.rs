//! Checks of creating, replacing and appending.

use std::sync::Arc;
use std::time::Duration;

use chksweep_core::Location;
use futures::future::join_all;

use super::{Subject, must, refused};
use crate::error::ErrorKind;

/// A new file has its content, and nothing is overwritten or made on the way.
pub async fn check_create_new(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("create").await;
    let file = base.child(b"file");
    must(store.create_new(&file, b"one").await);
    refused(store.create_new(&file, b"two").await, ErrorKind::AlreadyExists);
    assert_eq!(subject.content(&file).await, b"one");
    must(store.make_directories(&base.child(b"directory"), false).await);
    refused(store.create_new(&base.child(b"directory"), b"").await, ErrorKind::AlreadyExists);
    refused(store.create_new(&base.child(b"missing").child(b"f"), b"").await, ErrorKind::NotFound);
    assert!(!subject.exists(&base.child(b"missing")).await, "no parent is made");
    assert!(store.create_new(&file.child(b"below"), b"").await.is_err());
}

/// Of 32 callers at once exactly one creates the file, and it has that one's content.
pub async fn check_create_has_one_winner(subject: &Subject) {
    let base = subject.directory("create-race").await;
    for round in 0..3 {
        let path = base.child(format!("lock-{round}").as_bytes());
        let tasks = (0..32).map(|n| {
            let (store, path) = (Arc::clone(&subject.store), path.clone());
            tokio::spawn(async move { store.create_new(&path, format!("owner {n}").as_bytes()).await })
        });
        let mut winners = Vec::new();
        for (n, outcome) in join_all(tasks).await.into_iter().enumerate() {
            match outcome {
                Ok(Ok(())) => winners.push(format!("owner {n}").into_bytes()),
                Ok(lost) => refused(lost, ErrorKind::AlreadyExists),
                Err(error) => assert!(error.is_cancelled(), "a task broke off: {error}"),
            }
        }
        assert_eq!(winners, [subject.content(&path).await]);
    }
}

/// A file is replaced or made, a directory never, and nothing is left beside it.
pub async fn check_replace(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("replace").await;
    let file = base.child(b"file");
    must(store.replace(&file, b"one").await);
    must(store.replace(&file, b"second").await);
    assert_eq!(subject.content(&file).await, b"second");
    must(store.replace(&file, b"").await);
    assert_eq!(subject.content(&file).await, b"");
    assert_eq!(subject.entries(&base).await.len(), 1, "no temporary file is left");
    refused(store.replace(&base, b"").await, ErrorKind::WrongType);
    refused(store.replace(&base.child(b"missing").child(b"f"), b"").await, ErrorKind::NotFound);
    assert!(!subject.exists(&base.child(b"missing")).await, "no parent is made");
}

/// Who reads while a file is replaced sees one whole content or another.
pub async fn check_replace_is_one_step(subject: &Subject) {
    let base = subject.directory("replace-race").await;
    let file = base.child(b"file");
    let content = |n: u8| vec![n; 1000 + usize::from(n)];
    must(subject.store.replace(&file, &content(0)).await);
    let (store, path) = (Arc::clone(&subject.store), file.clone());
    let writer = tokio::spawn(async move {
        for n in 1..=20 {
            must(store.replace(&path, &content(n)).await);
        }
    });
    for _ in 0..50 {
        let read = subject.content(&file).await;
        let first = read.first().copied().unwrap_or(u8::MAX);
        assert!(read == content(first), "neither an old nor a new content was read");
        tokio::task::yield_now().await;
    }
    assert!(writer.await.is_ok(), "the writer went through");
    assert_eq!(subject.content(&file).await, content(20));
}

/// What a writer made durable that is gone since can be read once the file is closed for it, and nothing is added.
pub async fn check_abandoned(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("abandoned").await;
    let file = base.child(b"log");
    let mut log = must(store.create_appender(&file).await);
    must(log.append(b"one\n").await);
    drop(log);
    close(subject, &file).await;
    assert_eq!(subject.content(&file).await, b"one\n");
    let mut log = must(store.create_appender(&base.child(b"empty")).await);
    close(subject, &base.child(b"empty")).await;
    log.close().await.ok();
    assert_eq!(subject.content(&base.child(b"empty")).await, b"");
    refused(store.close_abandoned(&base.child(b"missing")).await, ErrorKind::NotFound);
}

async fn close(subject: &Subject, file: &Location) {
    // DataNodes are told by the answers to their heartbeats, every three seconds.
    for _ in 0..600 {
        if must(subject.store.close_abandoned(file).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!("open", "closed", "{file} stays open");
}

/// What was appended is there in its order once the file is closed.
pub async fn check_appender(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("append").await;
    let file = base.child(b"log");
    let mut log = must(store.create_appender(&file).await);
    assert!(subject.exists(&file).await, "the file is there at once");
    must(log.append(b"one\n").await);
    must(log.append(b"").await);
    must(log.append(b"two\n").await);
    must(log.close().await);
    assert_eq!(subject.content(&file).await, b"one\ntwo\n");
    assert_eq!(must(store.stat(&file).await).length, 8);
    refused(store.create_appender(&file).await, ErrorKind::AlreadyExists);
    refused(store.create_appender(&base.child(b"missing").child(b"f")).await, ErrorKind::NotFound);
    assert_eq!(subject.content(&file).await, b"one\ntwo\n");
    let mut empty = must(store.create_appender(&base.child(b"empty")).await);
    must(empty.close().await);
    assert_eq!(subject.content(&base.child(b"empty")).await, b"");
}
