//! Checks of moving, deleting and making directories.

use std::sync::Arc;

use futures::future::join_all;

use super::{Subject, must, refused};
use crate::error::ErrorKind;
use crate::read::EntryKind;

/// A rename moves whole, replaces nothing, and makes no directories.
pub async fn check_rename(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("rename").await;
    let at = |name: &str| base.child(name.as_bytes());
    subject.put(&at("a"), b"a").await;
    subject.put(&at("b"), b"b").await;
    must(store.make_directories(&at("empty"), false).await);
    must(store.make_directories(&at("tree").child(b"sub"), false).await);
    subject.put(&at("tree").child(b"sub").child(b"f"), b"f").await;

    must(store.rename(&at("a"), &at("c")).await);
    assert!(!subject.exists(&at("a")).await);
    assert_eq!(subject.content(&at("c")).await, b"a");

    refused(store.rename(&at("c"), &at("b")).await, ErrorKind::AlreadyExists);
    refused(store.rename(&at("c"), &at("empty")).await, ErrorKind::AlreadyExists);
    refused(store.rename(&at("tree"), &at("empty")).await, ErrorKind::AlreadyExists);
    refused(store.rename(&at("tree"), &at("b")).await, ErrorKind::AlreadyExists);
    assert_eq!(
        (subject.content(&at("c")).await, subject.content(&at("b")).await),
        (b"a".into(), b"b".into())
    );
    assert_eq!(
        subject.entries(&at("empty")).await,
        [],
        "nothing is moved into a directory of the target's name"
    );

    refused(store.rename(&at("missing"), &at("d")).await, ErrorKind::NotFound);
    refused(store.rename(&at("c"), &at("missing").child(b"c")).await, ErrorKind::NotFound);
    assert!(store.rename(&at("c"), &at("b").child(b"c")).await.is_err(), "nothing lies below a file");
    assert!(store.rename(&at("c"), &at("c")).await.is_err());
    assert!(store.rename(&at("tree"), &at("tree").child(b"sub").child(b"tree")).await.is_err());
    assert_eq!(subject.content(&at("c")).await, b"a");

    must(store.rename(&at("tree"), &at("moved")).await);
    assert_eq!(subject.content(&at("moved").child(b"sub").child(b"f")).await, b"f");
    assert!(!subject.exists(&at("tree")).await);
}

/// Of many renames to one target exactly one is carried out.
pub async fn check_rename_has_one_winner(subject: &Subject) {
    let base = subject.directory("rename-race").await;
    let sources: Vec<_> = (0..16).map(|n| base.child(format!("from-{n}").as_bytes())).collect();
    for source in &sources {
        subject.put(source, source.as_bytes()).await;
    }
    let target = base.child(b"to");
    let tasks = sources.iter().map(|source| {
        let (store, source, target) = (Arc::clone(&subject.store), source.clone(), target.clone());
        tokio::spawn(async move { store.rename(&source, &target).await })
    });
    let mut winners = Vec::new();
    for (outcome, source) in join_all(tasks).await.into_iter().zip(&sources) {
        match outcome {
            Ok(Ok(())) => winners.push(source.as_bytes().to_vec()),
            Ok(lost) => refused(lost, ErrorKind::AlreadyExists),
            Err(error) => assert!(error.is_cancelled(), "a task broke off: {error}"),
        }
    }
    assert_eq!(winners, [subject.content(&target).await]);
    assert_eq!(subject.entries(&base).await.len(), sources.len(), "the others are where they were");
}

/// Each deletion takes what it is for, and nothing else.
pub async fn check_deleting(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("delete").await;
    let at = |name: &str| base.child(name.as_bytes());
    subject.put(&at("file"), b"1").await;
    must(store.make_directories(&at("empty"), false).await);
    must(store.make_directories(&at("full").child(b"sub").child(b"sub"), false).await);
    subject.put(&at("full").child(b"sub").child(b"f"), b"1").await;

    refused(store.delete_file(&at("empty")).await, ErrorKind::WrongType);
    refused(store.delete_file(&at("full")).await, ErrorKind::WrongType);
    refused(store.remove_directory(&at("full")).await, ErrorKind::NotEmpty);
    refused(store.remove_directory(&at("file")).await, ErrorKind::WrongType);
    refused(store.delete_tree(&at("file")).await, ErrorKind::WrongType);
    assert_eq!(subject.content(&at("full").child(b"sub").child(b"f")).await, b"1");
    assert_eq!(subject.entries(&base).await.len(), 3);

    assert!(must(store.delete_file(&at("file")).await));
    assert!(!must(store.delete_file(&at("file")).await));
    assert!(!must(store.delete_file(&at("missing").child(b"file")).await));
    assert!(must(store.remove_directory(&at("empty")).await));
    assert!(!must(store.remove_directory(&at("empty")).await));
    subject.put(&at("full-not"), b"1").await;
    assert!(must(store.delete_tree(&at("full")).await));
    assert!(!must(store.delete_tree(&at("full")).await));
    assert_eq!(subject.entries(&base).await, [(b"full-not".to_vec(), EntryKind::File, 1)]);
}

/// Directories are made with their parents, again if need be, and never in the place of a file.
pub async fn check_making_directories(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("mkdir").await;
    let deep = base.child(b"a").child(b"b").child(b"c");
    must(store.make_directories(&deep, true).await);
    must(store.make_directories(&deep, false).await);
    assert_eq!(must(store.stat(&deep).await).kind, EntryKind::Directory);
    let file = deep.child(b"file");
    subject.put(&file, b"1").await;
    assert!(store.make_directories(&file, false).await.is_err());
    assert!(store.make_directories(&file.child(b"below"), false).await.is_err());
    must(store.make_directories(&base.child(b"a"), false).await);
    assert_eq!(subject.content(&file).await, b"1");
}

/// The trash keeps what it is given; where there is none, nothing happens.
pub async fn check_trash(subject: &Subject) {
    let store = &subject.store;
    let base = subject.directory("trash").await;
    let at = |name: &str| base.child(name.as_bytes());
    subject.put(&at("file"), b"1").await;
    if !subject.has_trash {
        refused(store.trash(&at("file")).await, ErrorKind::Unsupported);
        assert_eq!(subject.content(&at("file")).await, b"1");
        return;
    }
    let first = must(store.trash(&at("file")).await);
    assert!(!subject.exists(&at("file")).await);
    subject.put(&at("file"), b"2").await;
    let second = must(store.trash(&at("file")).await);
    assert_eq!((subject.content(&first).await, subject.content(&second).await), (b"1".into(), b"2".into()));
    must(store.make_directories(&at("empty"), false).await);
    must(store.make_directories(&at("full").child(b"sub"), false).await);
    must(store.trash(&at("empty")).await);
    assert!(!subject.exists(&at("empty")).await);
    refused(store.trash(&at("full")).await, ErrorKind::NotEmpty);
    refused(store.trash(&at("missing")).await, ErrorKind::NotFound);
    assert!(subject.exists(&at("full").child(b"sub")).await);
}
