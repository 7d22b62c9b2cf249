use std::sync::Mutex;

use chksweep_core::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::call::Call;
use crate::faults::{Fault, Faults, Faulty, Hook, Rule};
use crate::memory::MemoryStore;
use crate::mutate::MutateStore;
use crate::read::{Entry, EntryKind};

mod changing;

type Store = Resilient<Faulty<MemoryStore>>;

fn store() -> (MemoryStore, Store, Faults) {
    let memory = MemoryStore::new("hdfs", "test");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        memory.put(format!("/d/{name}"), name, Timestamp(1));
    }
    let store = Resilient::new(Faulty::new(memory.clone())).with_sorted_listings();
    let faults = store.inner().faults();
    (memory, store, faults)
}

async fn names<S: ReadStore>(store: &Resilient<S>, path: &Location) -> (String, Result<(), ErrorKind>) {
    let mut names = String::new();
    let mut sink = |entry: Entry<'_>| names.push_str(&String::from_utf8_lossy(entry.name));
    let outcome = store.list(path, &mut sink).await;
    (names, outcome.map_err(|error| error.kind))
}

#[tokio::test(start_paused = true)]
async fn a_look_is_tried_again_with_longer_pauses() {
    let (memory, store, faults) = store();
    faults.add(Rule::on(Call::Stat, Fault::Fail(ErrorKind::Busy)).times(4));
    let start = Instant::now();
    assert!(store.stat(&memory.location("/d/a")).await.is_ok());
    assert_eq!(start.elapsed(), Duration::from_millis(500 + 1000 + 2000 + 4000));
    assert_eq!(faults.count(Call::Stat), 5);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_tried_again() {
    let (memory, store, faults) = store();
    for kind in
        [ErrorKind::PermissionDenied, ErrorKind::Corrupt, ErrorKind::Unauthenticated, ErrorKind::Other]
    {
        faults.add(Rule::on(Call::Stat, Fault::Fail(kind)));
        assert_eq!(store.stat(&memory.location("/d/a")).await.unwrap_err().kind, kind);
    }
    assert_eq!(store.stat(&memory.location("/none")).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(faults.count(Call::Stat), 5);
}

#[tokio::test(start_paused = true)]
async fn patience_is_the_stores_and_not_each_calls() {
    let (memory, store, faults) = store();
    faults.add(Rule::on(Call::Stat, Fault::Fail(ErrorKind::Unreachable)).forever());
    let path = memory.location("/d/a");
    let start = Instant::now();
    assert_eq!(store.stat(&path).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert!(start.elapsed() > Duration::from_mins(4) && start.elapsed() <= Duration::from_mins(5));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (start, count) = (Instant::now(), faults.count(Call::Stat));
    assert!(store.stat(&path).await.is_err());
    assert_eq!((start.elapsed(), faults.count(Call::Stat)), (Duration::ZERO, count + 1));
    faults.clear();
    assert!(store.stat(&path).await.is_ok());
    faults.add(Rule::on(Call::Stat, Fault::Fail(ErrorKind::Unreachable)));
    assert!(store.stat(&path).await.is_ok(), "after a success patience is whole again");
}

#[tokio::test(start_paused = true)]
async fn a_hung_call_ends_at_its_deadline() {
    let (memory, store, faults) = store();
    faults.add(Rule::on(Call::Stat, Fault::Hang));
    let start = Instant::now();
    assert!(store.stat(&memory.location("/d/a")).await.is_ok());
    assert_eq!(start.elapsed(), Duration::from_millis(60_500));
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_from_the_beginning_again() {
    let (memory, store, faults) = store();
    let content: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    memory.put("/large", &content, Timestamp(1));
    let path = memory.location("/large");
    faults.add(Rule::on(Call::Next, Fault::Fail(ErrorKind::Unreachable)).nth(2));
    faults.add(Rule::on(Call::Next, Fault::Hang).nth(5));
    assert!(store.read(&path, 200_000).await.unwrap() == content);
    assert_eq!(faults.count(Call::Open), 3);
    assert_eq!(store.read(&path, 199_999).await.unwrap_err().kind, ErrorKind::TooLarge);
    faults.add(Rule::on(Call::Next, Fault::Hang));
    let mut reader = store.open(&path).await.unwrap();
    assert_eq!(reader.next().await.unwrap_err().kind, ErrorKind::TimedOut, "pieces are not resumed");
}

#[tokio::test(start_paused = true)]
async fn a_broken_listing_goes_on_and_hands_nothing_over_twice() {
    let (memory, store, faults) = store();
    for (n, count) in [(1, 0), (2, 3), (3, 1), (4, 7)] {
        faults.add(Rule::on(Call::List, Fault::Cut(count, ErrorKind::Unreachable)).nth(n));
    }
    assert_eq!(names(&store, &memory.location("/d")).await, ("abcdefgh".to_owned(), Ok(())));
    assert_eq!(faults.count(Call::List), 5);
}

#[tokio::test(start_paused = true)]
async fn without_a_promised_order_a_broken_listing_is_partial() {
    let (memory, store, faults) = store();
    let store = Store { sorted_listings: false, ..store };
    faults.add(Rule::on(Call::List, Fault::Cut(0, ErrorKind::Busy)));
    faults.add(Rule::on(Call::List, Fault::Cut(3, ErrorKind::Busy)).nth(2));
    let listed = names(&store, &memory.location("/d")).await;
    assert_eq!(listed, ("abc".to_owned(), Err(ErrorKind::Busy)));
    assert_eq!(faults.count(Call::List), 2);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_gone_at_the_second_attempt_is_not_found() {
    let (memory, store, faults) = store();
    faults.add(Rule::on(Call::List, Fault::Cut(3, ErrorKind::Unreachable)));
    let hand = memory.clone();
    let removed = Hook::new(move || assert!(hand.remove("/d")));
    faults.add(Rule::on(Call::List, Fault::Before(removed)).nth(2));
    let listed = names(&store, &memory.location("/d")).await;
    assert_eq!(listed, ("abc".to_owned(), Err(ErrorKind::NotFound)));
}

/// A store that lists what a test wrote down: one line an attempt, `!` where it breaks, `.` a pause of 40 s.
#[derive(Debug)]
struct Scripted(Mutex<Vec<&'static str>>);

#[async_trait]
impl ReadStore for Scripted {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        let script = self.0.lock().unwrap().remove(0);
        for name in script.bytes() {
            match name {
                b'!' => return Err(StoreError::new(ErrorKind::Unreachable, Operation::List, directory, "!")),
                b'.' => tokio::time::sleep(Duration::from_secs(40)).await,
                name => sink(Entry {
                    name: &[name],
                    kind: EntryKind::File,
                    length: 0,
                    modified: Timestamp(0),
                    accessed: None,
                    replication: None,
                    block_size: None,
                }),
            }
        }
        Ok(())
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, Operation::Stat, path, "not in the script"))
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, Operation::Stat, path, "not in the script"))
    }

    fn user(&self) -> Option<String> {
        None
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        Err(StoreError::new(ErrorKind::Unsupported, Operation::Read, path, "not in the script"))
    }
}

#[tokio::test(start_paused = true)]
async fn the_order_of_a_listing_is_checked_and_not_believed() {
    let cases: [(&[&str], &str, Result<(), ErrorKind>); 8] = [
        (&["ba!"], "ba", Err(ErrorKind::Unreachable)),
        (&["ba"], "ba", Ok(())),
        (&["b!", "ab"], "b", Ok(())),
        (&["b!", "bac"], "b", Err(ErrorKind::Unrepresentable)),
        (&["b!", "bca!"], "bc", Err(ErrorKind::Unrepresentable)),
        (&["ab!", "ac", "x"], "abc", Ok(())),
        (&["aab!"], "aab", Err(ErrorKind::Unreachable)),
        (&["a.b.c.d"], "abcd", Ok(())),
    ];
    for (script, expected, outcome) in cases {
        let scripted = Scripted(Mutex::new(script.to_vec()));
        let store = Resilient::new(scripted).with_sorted_listings();
        let listed = names(&store, &Location::normalised("hdfs", "test", b"/d")).await;
        assert_eq!(listed, (expected.to_owned(), outcome), "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_listing_ends_at_its_deadline() {
    let store = Resilient::new(Scripted(Mutex::new(vec!["ab...c", "abc"]))).with_sorted_listings();
    let listed = names(&store, &Location::normalised("hdfs", "test", b"/d")).await;
    assert_eq!(listed, ("abc".to_owned(), Ok(())));
}
