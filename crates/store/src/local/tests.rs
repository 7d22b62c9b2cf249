use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::read::{Entry, EntryKind};

fn at(path: &Path) -> Location {
    Location::local(path.as_os_str().as_bytes())
}

async fn entries(directory: &Location) -> Result<Vec<(Vec<u8>, EntryKind)>, StoreError> {
    let mut seen = Vec::new();
    let mut sink = |entry: Entry<'_>| seen.push((entry.name.to_vec(), entry.kind));
    LocalStore::new().list(directory, &mut sink).await?;
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(seen)
}

#[tokio::test]
async fn links_sockets_and_pipes_are_neither_files_nor_directories() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(path.join("file"), "1").unwrap();
    fs::create_dir(path.join("directory")).unwrap();
    symlink(path.join("file"), path.join("link")).unwrap();
    symlink(path.join("directory"), path.join("link-to-directory")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
    let pipe = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path.join("pipe"), rustix::fs::FileType::Fifo, pipe, 0).unwrap();
    let store = LocalStore::new();
    for (name, kind) in entries(&at(path)).await.unwrap() {
        let expected = match name.as_slice() {
            b"file" => EntryKind::File,
            b"directory" => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        assert_eq!(kind, expected, "{name:?}");
        let location = at(path).child(&name);
        assert_eq!(store.stat(&location).await.unwrap().kind, expected);
        if kind == EntryKind::Other {
            assert_eq!(store.open(&location).await.unwrap_err().kind, ErrorKind::WrongType, "{name:?}");
            assert_eq!(store.delete_file(&location).await.unwrap_err().kind, ErrorKind::WrongType);
            assert_eq!(store.delete_tree(&location).await.unwrap_err().kind, ErrorKind::WrongType);
            assert_eq!(store.replace(&location, b"").await.unwrap_err().kind, ErrorKind::WrongType);
            let away = at(&path.join("away"));
            assert_eq!(store.rename(&location, &away).await.unwrap_err().kind, ErrorKind::WrongType);
        }
    }
    let through = entries(&at(&path.join("link-to-directory"))).await.unwrap_err();
    assert_eq!(through.kind, ErrorKind::WrongType);
}

#[tokio::test]
async fn deleting_a_tree_leaves_what_a_link_points_to() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "1").unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    symlink(&outside, tree.join("a/b/link")).unwrap();
    symlink(outside.join("precious"), tree.join("file-link")).unwrap();
    fs::hard_link(outside.join("precious"), tree.join("hard-link")).unwrap();
    assert!(LocalStore::new().delete_tree(&at(&tree)).await.unwrap());
    assert!(!tree.exists());
    assert_eq!(fs::read(outside.join("precious")).unwrap(), b"1");
}

#[tokio::test]
async fn a_tree_of_many_files_goes_whole() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for n in 0..5000 {
        fs::write(tree.join(n.to_string()), "").unwrap();
    }
    assert_eq!(entries(&at(&tree)).await.unwrap().len(), 5000);
    assert!(LocalStore::new().delete_tree(&at(&tree)).await.unwrap());
    assert!(!LocalStore::new().delete_tree(&at(&tree)).await.unwrap());
}

#[tokio::test]
async fn names_are_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::new();
    let odd = at(dir.path()).child(b"\xff\xfe \\");
    store.create_new(&odd, b"1").await.unwrap();
    assert_eq!(entries(&at(dir.path())).await.unwrap(), [(b"\xff\xfe \\".to_vec(), EntryKind::File)]);
    let other = at(dir.path()).child(b"\xc3");
    store.rename(&odd, &other).await.unwrap();
    assert_eq!(&store.read(&other, 10).await.unwrap()[..], b"1");
    assert!(store.delete_file(&other).await.unwrap());
}

#[tokio::test]
async fn a_rename_to_another_mount_is_an_error_and_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let from = dir.path().join("f");
    fs::write(&from, "1").unwrap();
    let to = other.path().join("f");
    let outcome = LocalStore::new().rename(&at(&from), &at(&to)).await;
    if device(dir.path()) != device(other.path()) {
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unsupported);
        assert!(from.exists() && !to.exists());
    }
}

fn device(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap())
}

#[tokio::test]
async fn moving_in_two_steps_replaces_nothing_either() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).as_os_str().as_bytes().to_vec();
    let kind = |name: &str| disk::kind_of(&disk::lstat(&path(name)).unwrap());
    let step = |from: &str, to: &str| moving::rename_in_two_steps(&path(from), &path(to), kind(from));
    fs::write(dir.path().join("a"), "a").unwrap();
    fs::write(dir.path().join("b"), "b").unwrap();
    fs::create_dir_all(dir.path().join("d/sub")).unwrap();
    fs::create_dir(dir.path().join("e")).unwrap();
    assert_eq!(step("a", "b"), Err(rustix::io::Errno::EXIST));
    assert_eq!(step("d", "e"), Err(rustix::io::Errno::EXIST));
    step("a", "c").unwrap();
    step("d", "g").unwrap();
    assert_eq!(fs::read(dir.path().join("c")).unwrap(), b"a");
    assert!(dir.path().join("g/sub").is_dir());
    assert!(!dir.path().join("a").exists() && !dir.path().join("d").exists());
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, vec![7; PIECE + 10]).unwrap();
    let mut reader = LocalStore::new().open(&at(&path)).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap().len(), PIECE);
    fs::write(&path, "short").unwrap();
    assert_eq!(reader.next().await.unwrap_err().kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_directory_that_vanishes_while_it_is_listed_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    fs::create_dir(&path).unwrap();
    for n in 0..8_000 {
        fs::write(path.join(n.to_string()), "").unwrap();
    }
    let (moved, mut first) = (dir.path().join("moved"), true);
    let mut sink = |_: Entry<'_>| {
        if std::mem::take(&mut first) {
            fs::rename(&path, &moved).unwrap();
        }
    };
    let error = LocalStore::new().list(&at(&path), &mut sink).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn another_directory_in_the_place_of_the_one_that_is_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    fs::create_dir(&path).unwrap();
    for n in 0..8_000 {
        fs::write(path.join(n.to_string()), "").unwrap();
    }
    let (moved, mut first) = (dir.path().join("moved"), true);
    let mut sink = |_: Entry<'_>| {
        if std::mem::take(&mut first) {
            fs::rename(&path, &moved).unwrap();
            fs::create_dir(&path).unwrap();
        }
    };
    let error = LocalStore::new().list(&at(&path), &mut sink).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unrepresentable);
}

#[tokio::test]
async fn a_rename_says_that_it_is_the_target_which_has_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "1").unwrap();
    let (from, to) = (at(&dir.path().join("f")), at(&dir.path().join("none/f")));
    let error = LocalStore::new().rename(&from, &to).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("directory of the target"), "{error}");
}

#[tokio::test]
async fn private_directories_are_for_their_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::new();
    store.make_directories(&at(&dir.path().join("a/b")), true).await.unwrap();
    for part in ["a", "a/b"] {
        assert_eq!(fs::metadata(dir.path().join(part)).unwrap().permissions().mode() & 0o777, 0o700);
    }
    symlink(dir.path().join("a"), dir.path().join("l")).unwrap();
    store.make_directories(&at(&dir.path().join("l/c")), false).await.unwrap();
    assert!(dir.path().join("a/c").is_dir(), "a link above is the way that the caller named");
    let link = store.make_directories(&at(&dir.path().join("l")), false).await;
    assert_eq!(link.unwrap_err().kind, ErrorKind::WrongType);
}

#[tokio::test]
async fn what_may_not_be_read_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read everything: the errors of the disk are mapped all the same.
    if !rustix::process::geteuid().is_root() {
        assert_eq!(entries(&at(&path)).await.unwrap_err().kind, ErrorKind::PermissionDenied);
    }
    for errno in [rustix::io::Errno::ACCESS, rustix::io::Errno::PERM, rustix::io::Errno::ROFS] {
        assert_eq!(errno::changing(errno).0, ErrorKind::PermissionDenied);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn an_error_of_the_disk_is_never_an_absent_file() {
    for number in 1..134 {
        let errno = rustix::io::Errno::from_raw_os_error(number);
        let absent = errno == rustix::io::Errno::NOENT;
        assert_eq!(errno::looking(errno).0 == ErrorKind::NotFound, absent, "{errno:?}");
        assert_eq!(errno::changing(errno).0 == ErrorKind::NotFound, absent, "{errno:?}");
    }
    assert_eq!(errno::looking(rustix::io::Errno::IO).0, ErrorKind::Corrupt);
    assert_eq!(errno::changing(rustix::io::Errno::IO).0, ErrorKind::Other, "the outcome is unknown");
}

#[tokio::test]
async fn a_replaced_file_leaves_no_other_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::new();
    let path = at(&dir.path().join("f"));
    store.replace(&path, b"one").await.unwrap();
    store.replace(&path, b"two").await.unwrap();
    assert_eq!(&store.read(&path, 10).await.unwrap()[..], b"two");
    assert_eq!(entries(&at(dir.path())).await.unwrap().len(), 1);
    let missing = at(&dir.path().join("missing/f"));
    assert_eq!(store.replace(&missing, b"").await.unwrap_err().kind, ErrorKind::NotFound);
}
