use std::os::unix::fs::{PermissionsExt as _, symlink};

use chksweep_core::Timestamp;
use chksweep_store::{Call, ErrorKind, Fault, Faulty, MemoryStore, Rule};

use super::*;

fn look(tree: &str, since: i64, named_by: &[&str]) -> Look {
    Look {
        tree: tree.to_owned(),
        since: Timestamp(since),
        named_by: named_by.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn looks(entries: &[(&str, Look)]) -> Looks {
    let directories = entries.iter().map(|(path, look)| ((*path).to_owned(), look.clone())).collect();
    Looks { directories, ..Looks::default() }
}

#[test]
fn a_tree_that_stays_keeps_its_earliest_time() {
    let earlier = looks(&[("a", look("x", 1, &["j"])), ("b", look("x", 1, &[])), ("c", look("x", 1, &[]))]);
    let later = looks(&[("a", look("x", 9, &["k"])), ("b", look("y", 9, &[])), ("d", look("y", 9, &[]))]);
    let expected = looks(&[
        ("a", look("x", 1, &["k"])),
        ("b", look("y", 9, &[])),
        ("c", look("x", 1, &[])),
        ("d", look("y", 9, &[])),
    ]);
    assert_eq!(merge(earlier, later), expected);
}

/// Two machines look in turn: neither knows which record is the later one.
#[test]
fn of_two_records_the_one_with_the_shorter_silence_holds() {
    let one = looks(&[("a", look("x", 1, &["j"])), ("b", look("x", 5, &[])), ("c", look("x", 1, &["j"]))]);
    let other = looks(&[("a", look("y", 3, &["k"])), ("b", look("y", 2, &[])), ("c", look("x", 4, &["k"]))]);
    let expected = looks(&[
        ("a", look("y", 3, &["j", "k"])),
        ("b", look("x", 5, &[])),
        ("c", look("x", 1, &["j", "k"])),
    ]);
    assert_eq!(reconcile(one.clone(), other.clone()), expected);
    assert_eq!(reconcile(other, one), expected);
}

#[test]
fn the_last_own_move_counts_and_its_end_is_kept() {
    let own = |start: i64, end: Option<i64>| OwnMove { start: Timestamp(start), end: end.map(Timestamp) };
    let with = |own: OwnMove| Looks { moves: [("a".to_owned(), own)].into(), ..Looks::default() };
    for (one, other, expected) in [
        (own(1, Some(2)), own(3, None), own(3, None)),
        (own(3, None), own(1, Some(2)), own(3, None)),
        (own(3, None), own(3, Some(4)), own(3, Some(4))),
        (own(3, Some(4)), own(3, None), own(3, Some(4))),
    ] {
        assert_eq!(merge(with(one), with(other)).moves["a"], expected);
        assert_eq!(reconcile(with(one), with(other)).moves["a"], expected);
    }
}

#[test]
fn the_same_roots_have_the_same_record() {
    let known = Equivalence::with_default("hdfs", "ns");
    let (a, b) = (Location::normalised("hdfs", "ns", b"/a"), Location::normalised("hdfs", "", b"/b"));
    let state = Path::new("/state");
    let path = local_path(state, &[a.clone(), b.clone()], &known);
    assert_eq!(path, local_path(state, &[Location::normalised("hdfs", "ns", b"/b"), a.clone(), b], &known));
    assert_ne!(path, local_path(state, std::slice::from_ref(&a), &known));
    assert!(path.starts_with("/state/looks"));
    assert_eq!(path.file_name().unwrap().len(), 64 + ".json".len());
}

#[test]
fn a_record_on_this_machine_is_private_and_replaced_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/looks/x.json");
    assert_eq!(load_local(&path), (Looks::default(), None));
    let first = looks(&[("a", look("x", 1, &[]))]);
    save_local(&path, &first).unwrap();
    assert_eq!(load_local(&path), (first, None));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let second = looks(&[("b", look("y", 2, &[]))]);
    save_local(&path, &second).unwrap();
    assert_eq!(load_local(&path), (second, None));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn links_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (target, path) = (directory.path().join("target"), directory.path().join("looks/x.json"));
    state::make_for(&path).unwrap();
    fs::write(&target, b"{\"directories\":{},\"moves\":{}}").unwrap();
    symlink(&target, &path).unwrap();
    let (known, problem) = load_local(&path);
    assert_eq!((known, problem.unwrap().code.as_str()), (Looks::default(), "looks-ignored"));
    save_local(&path, &Looks::default()).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(fs::read(&target).unwrap(), b"{\"directories\":{},\"moves\":{}}");
}

#[test]
fn a_record_that_cannot_be_read_is_ignored_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("looks/x.json");
    state::make_for(&path).unwrap();
    for bytes in [&b""[..], b"{", b"{\"directories\":{},\"moves\":{},\"more\":1}", b"\xff"] {
        fs::write(&path, bytes).unwrap();
        let (known, problem) = load_local(&path);
        assert_eq!((known, problem.unwrap().code.as_str()), (Looks::default(), "looks-ignored"));
    }
}

#[tokio::test]
async fn a_record_beside_a_root_is_written_and_read() {
    let store = MemoryStore::new("hdfs", "ns");
    store.mkdir("/r", Timestamp(1));
    let root = store.location("/r");
    assert_eq!(load_stored(&store, &root).await, (Looks::default(), None));
    let saved = looks(&[("hdfs://ns/r/a", look("x", 1, &[])), ("hdfs://ns/q/a", look("x", 1, &[]))]);
    save_stored(&store, &root, &within(&saved, &root)).await.unwrap();
    let (loaded, problem) = load_stored(&store, &root).await;
    assert_eq!((loaded, problem), (looks(&[("hdfs://ns/r/a", look("x", 1, &[]))]), None));
    assert!(store.is_private("/r/.chksweep"));
    let later = looks(&[("hdfs://ns/r/b", look("y", 2, &[]))]);
    save_stored(&store, &root, &later).await.unwrap();
    assert_eq!(load_stored(&store, &root).await, (later, None));
}

#[tokio::test]
async fn a_record_of_a_newer_program_is_ignored_and_stays() {
    let newer = serde_json::json!({"schema": SCHEMA + 1, "directories": {}, "moves": {}}).to_string();
    let told = |problem: Option<Problem>| assert!(problem.unwrap().message.contains("newer chksweep"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("looks/x.json");
    state::make_for(&path).unwrap();
    fs::write(&path, &newer).unwrap();
    save_local(&path, &looks(&[("a", look("x", 1, &[]))])).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    told(load_local(&path).1);

    let store = MemoryStore::new("hdfs", "ns");
    let root = store.location("/r");
    save_stored(&store, &root, &Looks::default()).await.unwrap();
    store.put("/r/.chksweep/looks.json", &newer, Timestamp(1));
    save_stored(&store, &root, &Looks::default()).await.unwrap();
    assert_eq!(store.contents("/r/.chksweep/looks.json").unwrap(), newer);
    told(load_stored(&store, &root).await.1);
}

/// It may go between the look at whose it is and the reading; that it cannot be read is told.
#[tokio::test]
async fn a_record_beside_a_root_that_cannot_be_read_is_told_and_one_that_is_gone_is_none() {
    let store = MemoryStore::new("hdfs", "ns");
    let root = store.location("/r");
    save_stored(&store, &root, &looks(&[("hdfs://ns/r/a", look("x", 1, &[]))])).await.unwrap();
    for (kind, tells) in [(ErrorKind::NotFound, false), (ErrorKind::PermissionDenied, true)] {
        let faulty = Faulty::new(store.clone());
        faulty.faults().add(Rule::on(Call::Open, Fault::Fail(kind)));
        let (known, problem) = load_stored(&faulty, &root).await;
        assert_eq!((known, problem.is_some()), (Looks::default(), tells), "{kind:?}");
    }
}

#[test]
fn what_cannot_be_looked_at_or_is_too_long_is_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.json");
    assert!(read_plain_file(&path).unwrap().is_none());
    let file = File::create(&path).unwrap();
    assert!(read_plain_file(&path.join("y.json")).is_err());
    file.set_len(LIMIT + 2).unwrap();
    assert!(read_plain_file(&path).unwrap_err().to_string().contains("more than a record has"));
}
