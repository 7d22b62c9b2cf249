//! Checks of listing, looking and reading.

use super::{Subject, must, refused};
use crate::error::ErrorKind;
use crate::read::EntryKind;

/// How many entries are listed: more than a page of a NameNode.
const MANY: usize = 1100;

/// A directory lists its entries and nothing below them; what is no directory is told apart from what is missing.
pub async fn check_list(subject: &Subject) {
    let base = subject.directory("list").await;
    assert_eq!(subject.entries(&base).await, [], "an empty directory has no entries");
    let inner = base.child(b"inner");
    must(subject.store.make_directories(&inner, false).await);
    subject.put(&inner.child(b"hidden"), b"below").await;
    subject.put(&base.child(b"file"), b"12345").await;
    let expected = [(b"file".to_vec(), EntryKind::File, 5), (b"inner".to_vec(), EntryKind::Directory, 0)];
    assert_eq!(subject.entries(&base).await, expected);
    refused(subject.store.list(&base.child(b"missing"), &mut |_| {}).await, ErrorKind::NotFound);
    refused(subject.store.list(&base.child(b"file"), &mut |_| {}).await, ErrorKind::WrongType);
}

/// Each entry of a large directory comes once.
pub async fn check_list_many(subject: &Subject) {
    let base = subject.directory("list-many").await;
    let names: Vec<Vec<u8>> = (0..MANY).map(|n| format!("file-{n:05}").into_bytes()).collect();
    subject.put_many(names.iter().map(|name| base.child(name)).collect()).await;
    let found: Vec<Vec<u8>> = subject.entries(&base).await.into_iter().map(|entry| entry.0).collect();
    assert_eq!(found, names);
}

/// A look tells kind and length, and `NotFound` only of what is missing.
pub async fn check_stat(subject: &Subject) {
    let base = subject.directory("stat").await;
    let file = base.child(b"file");
    subject.put(&file, b"abc").await;
    let status = must(subject.store.stat(&file).await);
    assert_eq!((status.kind, status.length), (EntryKind::File, 3));
    let status = must(subject.store.stat(&base).await);
    assert_eq!((status.kind, status.length), (EntryKind::Directory, 0));
    assert_eq!((status.accessed, status.replication, status.block_size), (None, None, None));
    refused(subject.store.stat(&base.child(b"missing")).await, ErrorKind::NotFound);
    refused(subject.store.stat(&base.child(b"missing").child(b"below")).await, ErrorKind::NotFound);
    assert!(subject.store.stat(&file.child(b"below")).await.is_err(), "nothing lies below a file");
}

/// The pieces of a file are the file, and a limit is kept to the byte.
pub async fn check_read(subject: &Subject) {
    let base = subject.directory("read").await;
    let content: Vec<u8> = (0..3_000_001_u32).flat_map(|n| n.to_le_bytes().into_iter().take(1)).collect();
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let file = base.child(b"large");
    subject.put(&file, &content).await;
    let mut reader = must(subject.store.open(&file).await);
    assert_eq!(reader.length(), length);
    let mut read = Vec::new();
    while let Some(piece) = must(reader.next().await) {
        assert!(!piece.is_empty(), "a piece holds something");
        read.extend_from_slice(&piece);
    }
    assert!(read == content, "the pieces are the file");
    assert!(must(reader.next().await).is_none(), "the end stays the end");
    assert!(must(subject.store.read(&file, length).await) == content);
    refused(subject.store.read(&file, length - 1).await, ErrorKind::TooLarge);
    let empty = base.child(b"empty");
    subject.put(&empty, b"").await;
    assert!(must(subject.store.read(&empty, 0).await).is_empty());
    refused(subject.store.read(&base.child(b"missing"), 10).await, ErrorKind::NotFound);
    refused(subject.store.open(&base.child(b"missing")).await, ErrorKind::NotFound);
    refused(subject.store.open(&base).await, ErrorKind::WrongType);
}

/// Times go forward, a listing tells the same as a look, and a rename leaves the time of a file alone.
pub async fn check_times(subject: &Subject) {
    let base = subject.directory("times").await;
    let before = must(subject.store.stat(&base).await).modified;
    let (first, second) = (base.child(b"first"), base.child(b"second"));
    subject.put(&first, b"1").await;
    subject.put(&second, b"2").await;
    let looked = must(subject.store.stat(&first).await);
    assert!(before <= looked.modified, "{before} <= {}", looked.modified);
    assert!(looked.modified <= must(subject.store.stat(&second).await).modified);
    assert!(before <= must(subject.store.stat(&base).await).modified);
    assert!(before.0 > 1_000_000_000_000, "times are milliseconds of this century: {}", before.0);
    let mut listed = None;
    let mut sink = |entry: crate::read::Entry<'_>| {
        if entry.name == b"first" {
            listed = Some((entry.modified, entry.accessed, entry.replication, entry.block_size));
        }
    };
    must(subject.store.list(&base, &mut sink).await);
    assert_eq!(listed, Some((looked.modified, looked.accessed, looked.replication, looked.block_size)));
    let moved = base.child(b"moved");
    must(subject.store.rename(&first, &moved).await);
    assert_eq!(must(subject.store.stat(&moved).await).modified, looked.modified);
    must(subject.store.replace(&moved, b"3").await);
    assert!(looked.modified <= must(subject.store.stat(&moved).await).modified);
}

/// Whoever makes something owns it, and what is made to be private is closed to all others.
pub async fn check_access(subject: &Subject) {
    let base = subject.directory("access").await;
    let (file, private) = (base.child(b"file"), base.child(b"private"));
    subject.put(&file, b"1").await;
    must(subject.store.make_directories(&private, true).await);
    let of_file = must(subject.store.access(&file).await);
    assert_eq!((of_file.kind, of_file.mode & 0o022), (EntryKind::File, 0), "{of_file:?}");
    let of_private = must(subject.store.access(&private).await);
    assert_eq!((of_private.kind, of_private.mode & 0o077), (EntryKind::Directory, 0), "{of_private:?}");
    assert_eq!(of_file.owner, of_private.owner);
    assert_eq!(subject.store.user(), Some(of_file.owner));
    refused(subject.store.access(&base.child(b"missing")).await, ErrorKind::NotFound);
}

/// What lies below a directory is added up, where the store can do that.
pub async fn check_usage(subject: &Subject) {
    let base = subject.directory("usage").await;
    subject.put(&base.child(b"file"), b"12345").await;
    match subject.store.usage(&base).await {
        Ok(usage) => {
            assert_eq!((usage.names, usage.names_allowed, usage.space_allowed), (2, None, None));
            assert!(usage.space >= 5, "{usage:?}");
            refused(subject.store.usage(&base.child(b"missing")).await, ErrorKind::NotFound);
        }
        Err(error) => assert_eq!(error.kind, ErrorKind::Unsupported, "{error}"),
    }
}
