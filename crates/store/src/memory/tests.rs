use super::*;
use crate::read::EntryKind;
use chksweep_core::Age;

fn store() -> MemoryStore {
    MemoryStore::new("hdfs", "test")
}

async fn names(store: &MemoryStore, path: &str) -> Result<Vec<String>, ErrorKind> {
    let mut names = Vec::new();
    let mut sink = |entry: Entry<'_>| names.push(String::from_utf8_lossy(entry.name).into_owned());
    store.list(&store.location(path), &mut sink).await.map_err(|e| e.kind)?;
    Ok(names)
}

#[tokio::test]
async fn directories_take_the_time_of_a_change_and_files_keep_theirs() {
    let store = store();
    store.mkdir("/a", Timestamp(10));
    store.mkdir("/b", Timestamp(20));
    store.put("/a/x", "1", Timestamp(5));
    assert_eq!(store.snapshot()[&store.location("/a")].2, Timestamp(10));
    store.set_now(Timestamp(1000));
    store.rename(&store.location("/a/x"), &store.location("/b/y")).await.unwrap();
    let seen = store.snapshot();
    assert_eq!(seen[&store.location("/a")], (EntryKind::Directory, 0, Timestamp(1000)));
    assert_eq!(seen[&store.location("/b")].2, Timestamp(1000));
    assert_eq!(seen[&store.location("/b/y")], (EntryKind::File, 1, Timestamp(5)));
    store.advance(Age(1));
    store.rename(&store.location("/b"), &store.location("/c")).await.unwrap();
    assert_eq!(store.snapshot()[&store.location("/c")].2, Timestamp(1000), "what moves keeps its own time");
}

#[tokio::test]
async fn an_appended_file_has_the_time_of_its_closing_and_a_stale_length_before() {
    let store = store();
    let path = store.location("/log");
    let mut log = store.create_appender(&path).await.unwrap();
    log.append(b"one\n").await.unwrap();
    store.advance(Age::seconds(1));
    assert_eq!(store.stat(&path).await.unwrap().length, 0);
    assert_eq!(&store.read(&path, 100).await.unwrap()[..], b"one\n");
    log.close().await.unwrap();
    let status = store.stat(&path).await.unwrap();
    assert_eq!((status.length, status.modified), (4, store.now()));
    assert!(log.append(b"two\n").await.is_err(), "a closed file does not grow");
}

#[tokio::test]
async fn a_file_open_for_writing_tells_another_length_than_its_reader_sees() {
    let store = store();
    store.put_open("/f", "abc", 2700, Timestamp(1));
    let path = store.location("/f");
    assert_eq!(store.stat(&path).await.unwrap().length, 2700);
    assert_eq!(store.open(&path).await.unwrap().length(), 3);
}

#[tokio::test]
async fn a_directory_that_goes_away_between_two_pages_is_an_error() {
    let store = store();
    store.set_page_size(2);
    for name in ["a", "b", "c", "d", "e"] {
        store.put(format!("/d/{name}"), "", Timestamp(1));
    }
    let (other, mut seen) = (store.clone(), 0);
    let mut sink = |_: Entry<'_>| {
        seen += 1;
        other.remove("/d");
    };
    let error = store.list(&store.location("/d"), &mut sink).await.unwrap_err();
    assert_eq!((error.kind, seen), (ErrorKind::NotFound, 2));
}

#[tokio::test]
async fn a_listing_sees_each_entry_once_while_others_come_and_go() {
    let store = store();
    store.set_page_size(2);
    for name in ["b", "d", "f", "h"] {
        store.put(format!("/d/{name}"), "", Timestamp(1));
    }
    let (other, mut seen) = (store.clone(), Vec::new());
    let mut sink = |entry: Entry<'_>| {
        seen.push(entry.name.to_vec());
        other.put("/d/a", "", Timestamp(1));
        other.remove("/d/h");
    };
    store.list(&store.location("/d"), &mut sink).await.unwrap();
    assert_eq!(seen, [b"b", b"d", b"f"]);
}

#[tokio::test]
async fn what_is_denied_can_be_named_but_not_entered() {
    let store = store();
    store.put("/d/x/f", "1", Timestamp(1));
    store.deny("/d/x", Denied::Everything);
    assert_eq!(names(&store, "/d").await.unwrap(), ["x"]);
    assert!(store.stat(&store.location("/d/x")).await.is_ok());
    assert_eq!(names(&store, "/d/x").await, Err(ErrorKind::PermissionDenied));
    let below = store.location("/d/x/f");
    assert_eq!(store.stat(&below).await.unwrap_err().kind, ErrorKind::PermissionDenied);
    assert_eq!(store.delete_file(&below).await.unwrap_err().kind, ErrorKind::PermissionDenied);
    store.allow("/d/x");
    store.deny("/d", Denied::Changing);
    assert!(store.read(&below, 10).await.is_ok());
    let away = store.location("/away");
    assert_eq!(store.rename(&below, &away).await.unwrap_err().kind, ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_quota_of_names_holds_for_what_is_new_to_it() {
    let store = store();
    store.put("/q/a", "1", Timestamp(1));
    store.mkdir("/q/d", Timestamp(1));
    store.put("/b", "1", Timestamp(1));
    store.set_quota("/q", Some(3));
    let create = store.create_new(&store.location("/q/c"), b"").await;
    assert_eq!(create.unwrap_err().kind, ErrorKind::QuotaExceeded);
    let rename = store.rename(&store.location("/b"), &store.location("/q/b")).await;
    assert_eq!(rename.unwrap_err().kind, ErrorKind::QuotaExceeded);
    store.rename(&store.location("/q/a"), &store.location("/q/d/a")).await.unwrap();
    store.replace(&store.location("/q/d/a"), b"2").await.unwrap();
    assert!(store.exists("/b"));
}

#[tokio::test]
async fn the_trash_keeps_what_had_the_same_path() {
    let store = store();
    let path = store.location("/d/f");
    store.put("/d/f", "1", Timestamp(1));
    assert_eq!(store.trash(&path).await.unwrap_err().kind, ErrorKind::Unsupported);
    store.set_trash(true);
    let first = store.trash(&path).await.unwrap();
    assert_eq!(first.to_string(), "hdfs://test/user/test/.Trash/Current/d/f");
    store.put("/d/f", "2", Timestamp(2));
    let second = store.trash(&path).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(store.contents(second.path()).unwrap(), "2");
    assert_eq!(store.trash(&first).await.unwrap_err().kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn in_safe_mode_one_can_look_and_not_change() {
    let store = store();
    store.put("/f", "1", Timestamp(1));
    store.set_safe_mode(true);
    assert!(store.read(&store.location("/f"), 10).await.is_ok());
    assert_eq!(store.delete_file(&store.location("/f")).await.unwrap_err().kind, ErrorKind::Busy);
}

#[tokio::test]
async fn a_link_is_seen_and_left_alone() {
    let store = store();
    store.put_link("/l", Timestamp(1));
    let path = store.location("/l");
    assert_eq!(store.stat(&path).await.unwrap().kind, EntryKind::Other);
    for kind in [
        store.open(&path).await.unwrap_err().kind,
        store.delete_file(&path).await.unwrap_err().kind,
        store.remove_directory(&path).await.unwrap_err().kind,
        store.delete_tree(&path).await.unwrap_err().kind,
        store.replace(&path, b"").await.unwrap_err().kind,
        store.rename(&path, &store.location("/m")).await.unwrap_err().kind,
    ] {
        assert_eq!(kind, ErrorKind::WrongType);
    }
}

#[tokio::test]
async fn reading_is_recorded_by_the_hour() {
    let store = store();
    store.put("/f", "1", Timestamp(0));
    let path = store.location("/f");
    store.set_now(Timestamp(3_600_000));
    store.open(&path).await.unwrap();
    assert_eq!(store.stat(&path).await.unwrap().accessed, Some(Timestamp(0)));
    store.set_now(Timestamp(3_600_001));
    store.open(&path).await.unwrap();
    assert_eq!(store.stat(&path).await.unwrap().accessed, Some(Timestamp(3_600_001)));
}

#[tokio::test]
async fn a_sized_file_reads_as_zeros() {
    let store = store();
    store.put_sized("/f", 100_000, Timestamp(1));
    let read = store.read(&store.location("/f"), 100_000).await.unwrap();
    assert!(read.len() == 100_000 && read.iter().all(|b| *b == 0));
    let error = store.read(&store.location("/f"), 99_999).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    store.set_replication("/f", 2, 1024);
    let status = store.stat(&store.location("/f")).await.unwrap();
    assert_eq!((status.replication, status.block_size), (Some(2), Some(1024)));
}

#[tokio::test]
async fn the_root_and_foreign_locations_are_refused() {
    let store = store();
    let root = store.location("/");
    assert_eq!(store.delete_tree(&root).await.unwrap_err().kind, ErrorKind::Unsupported);
    store.mkdir("/d", Timestamp(1));
    assert_eq!(store.rename(&root, &store.location("/d/r")).await.unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(store.stat(&Location::local(b"/d")).await.unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(names(&store, "/").await.unwrap(), ["d"]);
}
