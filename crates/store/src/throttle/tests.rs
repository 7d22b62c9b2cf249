use chksweep_core::Timestamp;
use futures::future::join_all;

use super::load::LEAST;
use super::*;
use crate::call::Call;
use crate::faults::{Fault, Faulty, Rule};
use crate::memory::MemoryStore;

fn store(limits: Limits) -> (MemoryStore, Throttled<Faulty<MemoryStore>>) {
    let memory = MemoryStore::new("hdfs", "test");
    for n in 0..100 {
        memory.put(format!("/d/{n}"), "", Timestamp(1));
    }
    (memory.clone(), Throttled::new(Faulty::new(memory), limits))
}

#[tokio::test(start_paused = true)]
async fn changes_are_paced_and_looks_are_not() {
    let (memory, store) = store(Limits { changes_per_second: 10, in_flight: 64 });
    let start = Instant::now();
    join_all((0..100).map(async |n| store.stat(&memory.location(format!("/d/{n}"))).await.unwrap())).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let delete = async |n| store.delete_file(&memory.location(format!("/d/{n}"))).await.unwrap();
    join_all((0..21).map(delete)).await;
    let elapsed = start.elapsed().as_millis();
    assert!((1990..2100).contains(&elapsed), "{elapsed}");
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_under_way_than_allowed() {
    let (memory, store) = store(Limits { changes_per_second: 500, in_flight: 4 });
    let slow = Fault::Delay(Duration::from_millis(10));
    store.inner().faults().add(Rule::on(Call::Stat, slow).forever());
    let start = Instant::now();
    let look = async |n| store.stat(&memory.location(format!("/d/{n}"))).await.unwrap();
    join_all((0..40).map(look)).await;
    let elapsed = start.elapsed().as_millis();
    assert!((100..120).contains(&elapsed), "ten rounds of four: {elapsed}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_frees_its_place() {
    let (memory, store) = store(Limits { changes_per_second: 500, in_flight: 1 });
    store.inner().faults().add(Rule::on(Call::Stat, Fault::Hang));
    let path = memory.location("/d/1");
    assert!(tokio::time::timeout(Duration::from_secs(1), store.stat(&path)).await.is_err());
    assert!(tokio::time::timeout(Duration::from_secs(1), store.stat(&path)).await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_busy_store_is_asked_less_until_it_has_recovered() {
    let limits = Limits { changes_per_second: 160, in_flight: 32 };
    let (memory, store) = store(limits);
    store.inner().faults().add(Rule::on(Call::Rename, Fault::Fail(ErrorKind::Busy)).times(20));
    let (a, b) = (memory.location("/d/1"), memory.location("/d/x"));
    for _ in 0..20 {
        assert!(store.rename(&a, &b).await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(store.limits(), Limits { changes_per_second: 9, in_flight: 1 }, "a sixteenth is the least");
    for _ in 0..20 {
        store.stat(&a).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(store.limits(), limits);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_that_takes_long_by_nature_says_nothing() {
    let (memory, store) = store(Limits::default());
    let slow = Fault::Delay(Duration::from_secs(30));
    store.inner().faults().add(Rule::on(Call::List, slow).forever());
    for _ in 0..5 {
        store.list(&memory.location("/d"), &mut |_| {}).await.unwrap();
    }
    assert_eq!(store.limits(), Limits::default());
}

#[tokio::test(start_paused = true)]
async fn rising_latency_lowers_the_share_once_a_second_and_is_accepted_in_the_end() {
    let mut load = Load::new();
    for _ in 0..100 {
        load.answered(Instant::now(), Duration::from_millis(2));
    }
    assert_eq!(load.share(), WHOLE);
    for _ in 0..100 {
        load.answered(Instant::now(), Duration::from_millis(200));
    }
    assert_eq!(load.share(), 700, "one burst counts once");
    for _ in 0..10 {
        tokio::time::sleep(INTERVAL_OF_TEST).await;
        load.answered(Instant::now(), Duration::from_millis(200));
    }
    assert_eq!(load.share(), LEAST);
    for _ in 0..1000 {
        tokio::time::sleep(INTERVAL_OF_TEST).await;
        load.answered(Instant::now(), Duration::from_millis(200));
    }
    assert_eq!(load.share(), WHOLE, "it is slower for good");
}

const INTERVAL_OF_TEST: Duration = Duration::from_secs(1);
