use std::sync::Arc;

use chksweep_core::{Location, Timestamp};
use chksweep_store::{Call, ErrorKind, Fault, Faulty, MemoryStore, Rule};

use super::*;
use crate::own;
use crate::stores::MutateStores;

fn start(run: &str) -> Record {
    Record::Start(Box::new(Start {
        run_id: run.to_owned(),
        at: Timestamp(1_795_449_931_947),
        schema: SCHEMA,
        tool: "chksweep 0.1.0".to_owned(),
        user: "flink".to_owned(),
        host: "edge-1".to_owned(),
        pid: Some(7),
        command: "run".to_owned(),
        mode: Mode::Quarantine,
        roots: vec![Spot(Location::normalised("hdfs", "ns", b"/r"))],
        reference_roots: Vec::new(),
        dead_jobs: Vec::new(),
        policy_digest: None,
        plan_digest: None,
        approved_by: None,
    }))
}

fn at(path: &[u8]) -> Spot {
    Spot(Location::from_parts(Some("hdfs"), Some("ns"), path))
}

fn intent(batch: u64, paths: &[&[u8]]) -> Record {
    let paths = paths
        .iter()
        .map(|path| IntentPath {
            operation: Operation::Quarantine,
            from: at(path),
            to: None,
            tree: None,
            stamp: None,
            rule: None,
            evidence: None,
        })
        .collect();
    Record::Intent(Intent { batch, at: None, basis: None, paths })
}

fn done(batch: u64, path: &[u8], outcome: Outcome) -> Record {
    Record::Operation(Box::new(Done {
        batch,
        operation: Operation::Quarantine,
        outcome,
        rule: Some(chksweep_core::plan::Rule::UnreferencedShared),
        evidence: None,
        job: None,
        files: 1,
        bytes: 7,
        mtime: Some(Timestamp(5)),
        from: at(path),
        to: None,
        message: None,
    }))
}

fn end() -> Record {
    Record::End(End { at: Timestamp(9), interrupted: false, clean: true, totals: Totals::default() })
}

/// Writes a journal to memory and disk, and returns both texts.
async fn written(records: Vec<Record>) -> (MemoryStore, MutateStores, Vec<u8>) {
    let store = MemoryStore::new("hdfs", "ns");
    store.mkdir("/r", Timestamp(1));
    let mut stores = MutateStores::default();
    stores.add(&store.location("/"), Arc::new(store.clone()));
    let home = tempfile::tempdir().unwrap();
    let mut journal =
        Journal::create(&stores, &[store.location("/r")], "run-1", Some(home.path())).await.unwrap();
    for record in records {
        journal.append(vec![record]).await.unwrap();
    }
    journal.close().await.unwrap();
    let local = std::fs::read(local_file(home.path(), "run-1")).unwrap();
    assert_eq!(store.contents("/r/.chksweep/runs/run-1.jsonl").unwrap(), local);
    (store, stores, local)
}

fn story() -> Vec<Record> {
    vec![
        start("run-1"),
        intent(1, &[b"/r/a", b"/r/b\xff"]),
        done(1, b"/r/a", Outcome::Done),
        done(1, b"/r/b\xff", Outcome::Unknown),
        end(),
    ]
}

#[tokio::test]
async fn the_chain_holds_and_the_first_line_is_as_documented() {
    let (_, _, text) = written(story()).await;
    let first = text.split(|b| *b == b'\n').next().unwrap();
    let expected = br#"{"record":"start","runId":"run-1","at":"2026-11-23T16:05:31.947Z","schema":2,"#;
    assert!(first.starts_with(expected), "{}", String::from_utf8_lossy(first));
    let verified = verify(text.as_slice()).unwrap().unwrap();
    assert_eq!((verified.lines, verified.ended, verified.torn), (5, true, false));
    assert_eq!(verified.run_id.as_deref(), Some("run-1"));
}

#[tokio::test]
async fn each_change_of_a_line_is_found() {
    let (_, _, text) = written(story()).await;
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let taken_out = [lines[0], lines[1], lines[3], lines[4]].concat();
    assert_eq!(verify(taken_out.as_slice()).unwrap().unwrap_err().line, 3);
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4]].concat();
    assert_eq!(verify(swapped.as_slice()).unwrap().unwrap_err().line, 2);
    let edited = String::from_utf8(text.clone()).unwrap().replace("\"bytes\":7", "\"bytes\":8");
    assert_eq!(verify(edited.as_bytes()).unwrap().unwrap_err().line, 3);
    let without_start = lines[1..].concat();
    assert_eq!(verify(without_start.as_slice()).unwrap().unwrap_err().line, 1);
    let appended = [text.as_slice(), lines[4]].concat();
    assert_eq!(verify(appended.as_slice()).unwrap().unwrap_err().line, 6);
}

#[tokio::test]
async fn no_byte_of_a_line_can_be_another() {
    let (_, _, text) = written(story()).await;
    for (at, bit) in (0..text.len()).flat_map(|at| [1, 0x20, 0x80].map(|bit| (at, bit))) {
        let mut changed = text.clone();
        changed[at] ^= bit;
        match verify(changed.as_slice()).unwrap() {
            Err(_) => {}
            // Without its newline the last line is one that a kill broke off.
            Ok(verified) => {
                let is_last =
                    text.len() - at <= text.split_inclusive(|b| *b == b'\n').next_back().unwrap().len();
                assert!(verified.torn && !verified.ended && is_last, "byte {at} ^ {bit:#x}");
            }
        }
    }
    // A line twice, or one of elsewhere in between.
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    for at in 0..lines.len() {
        for extra in &lines {
            let more = [&lines[..at], &[*extra], &lines[at..]].concat().concat();
            assert!(verify(more.as_slice()).unwrap().is_err(), "line {at}");
        }
    }
}

#[tokio::test]
async fn a_torn_last_line_is_no_fault_wherever_it_breaks() {
    let (store, stores, text) = written(story()).await;
    for length in 0..text.len() {
        let cut = &text[..length];
        let verified = verify(cut).unwrap().unwrap_or_else(|error| panic!("cut at {length}: {error}"));
        assert_eq!(verified.torn, length > 0 && cut.last() != Some(&b'\n'), "cut at {length}");
        assert!(!verified.ended);
    }
    // A torn line with garbage for a newline is torn as well.
    store.put("/r/.chksweep/runs/torn.jsonl", [&text[..200], b"\n"].concat(), Timestamp(1));
    let root = store.location("/r");
    let read_store = stores.of(&root).unwrap();
    let contents = read(read_store.as_ref(), &own::journal_file(&root, "torn")).await.unwrap();
    assert_eq!((contents.fault, contents.start), (None, None));
}

#[tokio::test]
async fn an_endless_line_is_no_torn_one() {
    let (_, _, text) = written(story()).await;
    let start = text.iter().position(|byte| *byte == b'\n').unwrap();
    let endless = std::iter::repeat_n(b'[', MAX_LINE_BYTES);
    let long: Vec<u8> = text[..=start].iter().copied().chain(endless).chain(*b"\nmore\n").collect();
    let error = verify(long.as_slice()).unwrap().unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (2, "the line is too long"));
}

#[tokio::test]
async fn what_has_no_outcome_is_open() {
    let (store, stores, _) = written(story()).await;
    let root = store.location("/r");
    let read_store = stores.of(&root).unwrap();
    let contents = read(read_store.as_ref(), &own::journal_file(&root, "run-1")).await.unwrap();
    assert_eq!(contents.open.len(), 1, "an unknown outcome stays open");
    assert_eq!(contents.open[0].from, at(b"/r/b\xff"), "bytes that are not UTF-8 are kept");
    assert_eq!(contents.start.unwrap().run_id, "run-1");
    assert!(contents.end.unwrap().clean);
}

#[tokio::test]
async fn a_broken_copy_stops_everything_and_the_other_is_written_on() {
    use chksweep_store::{Call, ErrorKind, Fault, Faulty, Rule};
    let store = MemoryStore::new("hdfs", "ns");
    store.mkdir("/r", Timestamp(1));
    let faulty = Faulty::new(store.clone());
    faulty.faults().add(Rule::on(Call::Append, Fault::Cut(10, ErrorKind::Unreachable)).nth(2));
    let mut stores = MutateStores::default();
    stores.add(&store.location("/"), Arc::new(faulty));
    let home = tempfile::tempdir().unwrap();
    let roots = [store.location("/r")];
    let mut journal = Journal::create(&stores, &roots, "run-1", Some(home.path())).await.unwrap();
    journal.append(vec![start("run-1")]).await.unwrap();
    assert!(journal.append(vec![intent(1, &[b"/r/a"])]).await.is_err());
    assert!(matches!(journal.append(vec![end()]).await, Err(JournalError::Broken(_))));
    let local = std::fs::read(local_file(home.path(), "run-1")).unwrap();
    assert!(verify(local.as_slice()).unwrap().unwrap().ended);
    let copy = store.contents("/r/.chksweep/runs/run-1.jsonl").unwrap();
    assert!(verify(copy.as_ref()).unwrap().unwrap().torn);
}

#[tokio::test]
async fn the_local_copy_is_private_and_never_follows_a_link() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let stores = MutateStores::default();
    Journal::create(&stores, &[], "run-1", Some(home.path())).await.unwrap();
    let path = local_file(home.path(), "run-1");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let target = home.path().join("elsewhere");
    std::os::unix::fs::symlink(&target, local_file(home.path(), "run-2")).unwrap();
    assert!(Journal::create(&stores, &[], "run-2", Some(home.path())).await.is_err());
    assert!(!target.exists());
}

/// Whatever else its first line holds; and only its first line tells.
#[tokio::test]
async fn a_journal_of_a_newer_schema_is_told_as_such() {
    let newer = format!("{{\"record\":\"start\",\"schema\":{},\"what\":1}}\n", SCHEMA + 1);
    let (store, _, text) = written(story()).await;
    let journal = own::journal_file(&store.location("/r"), "newer");
    for (content, is_newer) in [
        (newer.clone(), true),
        (newer.replace(&format!(":{}", SCHEMA + 1), &format!(":{SCHEMA}")), false),
        (newer.replace("start", "end"), false),
    ] {
        store.put("/r/.chksweep/runs/newer.jsonl", content.as_bytes(), Timestamp(1));
        let expected = is_newer.then_some(SCHEMA + 1);
        let first = first_of(&store, &journal).await.unwrap();
        assert_eq!(first, expected.map_or(First::Nothing, First::Newer), "{content}");
        assert_eq!(local_first_of(content.as_bytes()).unwrap(), first);
        let fault = read_local_lines(content.as_bytes(), |_| {}).unwrap();
        assert_eq!(fault.and_then(|fault| fault.newer_schema), expected);
        let verified = verify(content.as_bytes()).unwrap();
        assert_eq!(verified.err().and_then(|fault| fault.newer_schema), expected);
    }
    let late = [text.as_slice(), newer.as_bytes(), b"more\n"].concat();
    assert_eq!(verify(late.as_slice()).unwrap().unwrap_err().newer_schema, None);
    assert!(matches!(local_first_of(text.as_slice()).unwrap(), First::Start(_)));
}

#[tokio::test]
async fn a_journal_that_cannot_be_opened_is_not_an_absent_one() {
    let (store, _, _) = written(story()).await;
    let faulty = Faulty::new(store.clone());
    let journal = own::journal_file(&store.location("/r"), "run-1");
    faulty.faults().add(Rule::on(Call::Open, Fault::Fail(ErrorKind::TimedOut)));
    assert_eq!(first_of(&faulty, &journal).await.unwrap_err().kind, ErrorKind::TimedOut);
    assert!(matches!(first_of(&faulty, &journal).await.unwrap(), First::Start(_)));
    let absent = own::journal_file(&store.location("/r"), "run-2");
    assert_eq!(first_of(&faulty, &absent).await.unwrap(), First::Nothing);
}
