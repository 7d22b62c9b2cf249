//! Checks of names that somebody's shell, URL or glob would take for something else.

use super::{Subject, must};
use crate::read::EntryKind;

const ODD_NAMES: &[&str] = &[
    "with space",
    " ",
    "é",
    "e\u{301}",
    "日本",
    "%20",
    "a%2Fb",
    "?#",
    "\\",
    "a\\b",
    "*",
    "{a,b}",
    "[a-z]",
    "new\nline",
    "tab\t",
    "'\"$HOME`",
    "-rf",
    "...",
    "~",
    ".hidden",
    "a;b&c|d",
    "🗑",
];

/// A name is what it is: it is listed, looked at, read, moved and deleted under exactly its own bytes.
pub async fn check_odd_names(subject: &Subject) {
    let base = subject.directory("names").await;
    let mut names: Vec<Vec<u8>> = ODD_NAMES.iter().map(|name| name.as_bytes().to_vec()).collect();
    if subject.has_byte_names {
        names.extend([b"\xff".to_vec(), b"half \xc3".to_vec(), b"\x80\x81".to_vec()]);
    }
    names.push(vec![b'n'; 255]);
    names.sort();
    for name in &names {
        subject.put(&base.child(name), name).await;
    }
    let listed: Vec<Vec<u8>> = subject.entries(&base).await.into_iter().map(|entry| entry.0).collect();
    assert_eq!(listed, names);
    let other = subject.directory("names-moved").await;
    for name in &names {
        assert_eq!(must(subject.store.stat(&base.child(name)).await).kind, EntryKind::File);
        let directory = other.child(name);
        must(subject.store.make_directories(&directory, false).await);
        must(subject.store.rename(&base.child(name), &directory.child(name)).await);
        assert_eq!(subject.content(&directory.child(name)).await, *name);
        assert!(must(subject.store.delete_file(&directory.child(name)).await));
        assert!(must(subject.store.remove_directory(&directory).await));
    }
    assert_eq!(subject.entries(&base).await, []);
    assert_eq!(subject.entries(&other).await, []);
}

/// A deep directory is as good as any.
pub async fn check_deep_directories(subject: &Subject) {
    let base = subject.directory("deep").await;
    let mut deep = base.clone();
    for level in 0..60 {
        deep = deep.child(format!("level-{level}").as_bytes());
    }
    must(subject.store.make_directories(&deep, false).await);
    subject.put(&deep.child(b"file"), b"deep").await;
    let moved = base.child(b"moved");
    must(subject.store.rename(&base.child(b"level-0"), &moved).await);
    let below = deep.below(&base.child(b"level-0")).unwrap_or_default();
    let file = base.with_path(&[moved.path(), b"/", below, b"/file"].concat());
    assert_eq!(subject.content(&file).await, b"deep");
    assert!(must(subject.store.delete_tree(&moved).await));
    assert_eq!(subject.entries(&base).await, []);
}
