use chksweep_store::memory::Denied;
use chksweep_store::{Call, Fault};
use chksweep_store::{Faulty, MemoryStore, Rule};

use super::*;
use crate::commands::check::{State, TO_ANSWER};
use crate::exit::Exit;

const ROOT: &str = "/flink/cp";

fn store() -> MemoryStore {
    let store = MemoryStore::new("hdfs", "ns");
    store.put(format!("{ROOT}/job/chk-1/_metadata"), "", store.now());
    store
}

async fn checked(store: &MemoryStore) -> Vec<Finding> {
    let root = Root {
        location: store.location(ROOT),
        usage: Use::Sweep,
        now: store.now(),
        skew_is_allowed: false,
        until: Instant::now() + TO_ANSWER,
    };
    check(Arc::new(store.clone()), root).await
}

#[track_caller]
fn found<'f>(findings: &'f [Finding], check: &str, state: State) -> &'f Finding {
    let finding = findings.iter().find(|finding| finding.check == check && finding.state == state);
    finding.unwrap_or_else(|| panic!("no {state:?} of {check}: {findings:#?}"))
}

#[tokio::test]
async fn a_root_that_is_as_it_should_be_is_ok_throughout() {
    let findings = checked(&store()).await;
    assert!(findings.iter().all(|finding| finding.state == State::Ok), "{findings:#?}");
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["root", "listing", "clock", "rights", "own files", "lock", "quota", "snapshots"]);
}

#[tokio::test]
async fn each_missing_piece_is_told_with_what_to_do() {
    type Spoil = fn(&MemoryStore);
    let cases: [(&str, State, &str, Spoil); 11] = [
        ("root", State::Error, "no such file", |store| assert!(store.remove(ROOT))),
        ("root", State::Error, "no directory", |store| {
            store.remove(ROOT);
            store.put(ROOT, "", store.now());
        }),
        ("listing", State::Error, "permission denied", |store| {
            store.deny(format!("{ROOT}/job"), Denied::Reading);
        }),
        ("clock", State::Error, "was modified at", |store| {
            store.put(format!("{ROOT}/job/x"), "", store.now().plus(chksweep_core::Age::minutes(6)));
        }),
        ("rights", State::Warning, "sticky", |store| store.set_access(ROOT, "test", 0o777)),
        ("rights", State::Warning, "not tried", |store| store.set_access(ROOT, "flink", 0o770)),
        ("rights", State::Error, "may not write", |store| store.set_access(ROOT, "test", 0o555)),
        ("own files", State::Error, "belongs to mallory", |store| {
            store.mkdir(format!("{ROOT}/.chksweep"), store.now());
            store.set_access(format!("{ROOT}/.chksweep"), "mallory", 0o700);
        }),
        ("lock", State::Error, "is held by an unknown run", |store| {
            store.put(format!("{ROOT}/.chksweep/lock"), "", store.now());
        }),
        ("quota", State::Error, "1 names left", |store| store.set_quota(ROOT, Some(5))),
        ("snapshots", State::Warning, "1 snapshot of hdfs://ns/flink:", |store| {
            store.set_snapshots("/flink", &["s"]);
        }),
    ];
    for (check, state, words, spoil) in cases {
        let store = store();
        spoil(&store);
        let findings = checked(&store).await;
        let finding = found(&findings, check, state);
        let next = finding.next.as_deref().unwrap_or_default();
        let text = format!("{} {next}", finding.line());
        assert!(text.contains(words), "{check}: {text}");
        assert!(!next.is_empty() || check == "snapshots", "{check}: {text}");
        assert_eq!(finding.exit != Exit::Done, state == State::Error);
    }
}

#[tokio::test]
async fn a_lock_that_is_silent_is_taken_over_and_holds_nobody_up() {
    let store = store();
    store.put(format!("{ROOT}/.chksweep/lock"), "", store.now().minus(lock::SILENT_AFTER));
    let findings = checked(&store).await;
    assert!(found(&findings, "lock", State::Warning).message.contains("takes it over"));
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_hangs_is_told_in_time() {
    let memory = store();
    for call in [Call::Stat, Call::List] {
        let faulty = Faulty::new(memory.clone());
        faulty.faults().add(Rule::on(call, Fault::Hang).forever());
        let root = Root {
            location: memory.location(ROOT),
            usage: Use::Sweep,
            now: memory.now(),
            skew_is_allowed: false,
            until: Instant::now() + TO_ANSWER,
        };
        let start = Instant::now();
        let findings = check(Arc::new(faulty), root).await;
        assert!(findings.iter().any(|finding| finding.state == State::Error), "{findings:#?}");
        assert!(start.elapsed() <= TO_ANSWER, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn nothing_is_ever_written() {
    let store = store();
    let before = store.snapshot();
    checked(&store).await;
    assert_eq!(store.snapshot(), before);
}
