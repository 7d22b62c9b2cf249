//! What the order of looking protects: metadata that comes, goes and hands its files on while it is looked for.

use crate::support::{JOB_A, JOB_B, LONG_AGO, World, inventory_paths, metadata, metadata_paths, named};
use chksweep_core::Age;
use chksweep_core::plan::Place;
use chksweep_engine::Event;
use chksweep_engine::collect::collect;
use chksweep_store::faults::{Fault, Rule};
use chksweep_store::{Call, ErrorKind};

const FILE: &str = "0a1b2c3d-0000-4fff-8000-0123456789ab";

fn shared(job: &str) -> String {
    format!("/ck/{job}/shared/{FILE}")
}

fn uri(path: &str) -> String {
    format!("hdfs://ns{path}")
}

fn chk(job: &str, number: u32) -> String {
    format!("/ck/{job}/chk-{number}/_metadata")
}

/// One job with one file, named by its checkpoint 1.
fn world_with_one_checkpoint() -> World {
    let world = World::new();
    world.put(&shared(JOB_A));
    world.put_metadata(&chk(JOB_A, 1), 1, &[&uri(&shared(JOB_A))], &[]);
    world
}

#[tokio::test]
async fn candidates_are_listed_completely_before_any_metadata_is_read() {
    let world = world_with_one_checkpoint();
    world.put_metadata(&chk(JOB_B, 1), 1, &[], &[]);
    let collected = world.collect().await;
    assert_eq!(inventory_paths(&collected), [chk(JOB_A, 1), shared(JOB_A), chk(JOB_B, 1)]);
    let records = world.store.records();
    let is_metadata = |path: &chksweep_core::Location| path.name() == b"_metadata";
    let first_read = records.iter().position(|r| r.call == Call::Open && is_metadata(&r.path)).unwrap();
    let last_first_listing = records
        .iter()
        .rposition(|r| r.call == Call::List && r.path == world.at(&format!("/ck/{JOB_A}/shared")))
        .unwrap();
    assert!(last_first_listing < first_read);
    // Each directory but the shared one is listed again after that.
    let listed = |path: &str| {
        let path = world.at(path);
        records.iter().filter(|r| r.call == Call::List && r.path == path).count()
    };
    assert_eq!(listed("/ck"), 2);
    assert_eq!(listed(&format!("/ck/{JOB_A}/chk-1")), 2);
    assert_eq!(listed(&format!("/ck/{JOB_A}/shared")), 1);
    assert_eq!(world.store.changes(), []);
    assert_eq!(world.events.passes(), 1);
}

#[tokio::test]
async fn what_completes_between_the_listings_names() {
    let world = World::new();
    world.put(&shared(JOB_A));
    world.before(Call::List, "/ck", 2, |store| {
        store.put(chk(JOB_A, 2), metadata(2, &[&uri(&shared(JOB_A))], &[]), LONG_AGO);
    });
    let collected = world.collect().await;
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!(inventory_paths(&collected), [shared(JOB_A)]);
}

/// The file of job A is claimed by job B in the middle of the first pass: B's directory was listed before its
/// first checkpoint was there, A's is listed after its last one is gone.
#[tokio::test]
async fn a_file_claimed_in_the_middle_of_a_pass_stays_named() {
    for concurrency in [1, 16] {
        let world = world_with_one_checkpoint();
        // B sorts behind A, so let A claim from B.
        world.memory.remove(chk(JOB_A, 1));
        world.put_metadata(&chk(JOB_B, 1), 1, &[&uri(&shared(JOB_A))], &[]);
        world.memory.mkdir(format!("/ck/{JOB_A}/chk-1"), LONG_AGO);
        world.before(Call::List, &format!("/ck/{JOB_B}"), 2, |store| {
            store.put(chk(JOB_A, 2), metadata(2, &[&uri(&shared(JOB_A))], &[]), LONG_AGO);
            assert!(store.remove(chk(JOB_B, 1)));
        });
        let collected = world.collect_with(|request| request.limits.concurrency = concurrency).await.unwrap();
        assert_eq!(named(&collected), [shared(JOB_A)], "{concurrency}");
        assert_eq!(world.events.passes(), 2);
        assert_eq!(metadata_paths(&collected), [chk(JOB_A, 2)]);
        assert_eq!(collected.unlisted, []);
    }
}

#[tokio::test]
async fn metadata_that_vanishes_before_it_is_read_makes_another_pass() {
    let world = world_with_one_checkpoint();
    world.before(Call::Open, &chk(JOB_A, 1), 1, |store| {
        store.put(chk(JOB_A, 2), metadata(2, &[&uri(&shared(JOB_A))], &[]), LONG_AGO);
        assert!(store.remove(format!("/ck/{JOB_A}/chk-1")));
    });
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [chk(JOB_A, 2)]);
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!(world.events.passes(), 2);
}

/// Nobody saw metadata in the directory: it may have been there all the same.
#[tokio::test]
async fn a_directory_that_vanishes_before_it_is_listed_makes_another_pass() {
    let world = World::new();
    world.put(&shared(JOB_A));
    // Made after the candidates were listed, gone when its turn comes.
    world.before(Call::List, "/ck", 2, |store| {
        store.put(chk(JOB_A, 1), metadata(1, &[&uri(&shared(JOB_A))], &[]), LONG_AGO);
    });
    world.before(Call::List, &format!("/ck/{JOB_A}/chk-1"), 1, |store| {
        store.put(chk(JOB_A, 2), metadata(2, &[&uri(&shared(JOB_A))], &[]), LONG_AGO);
        assert!(store.remove(format!("/ck/{JOB_A}/chk-1")));
    });
    let collected = world.collect().await;
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!(world.events.passes(), 2);
}

#[tokio::test]
async fn what_was_read_once_keeps_naming() {
    let world = world_with_one_checkpoint();
    world.put_metadata(&chk(JOB_B, 1), 1, &[], &[]);
    // The first pass reads A's checkpoint and misses B's; in the second one A's is gone.
    world.before(Call::Open, &chk(JOB_B, 1), 1, |store| {
        assert!(store.remove(format!("/ck/{JOB_A}/chk-1")));
        assert!(store.remove(format!("/ck/{JOB_B}/chk-1")));
    });
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [chk(JOB_A, 1)]);
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!(world.events.passes(), 2);
}

#[tokio::test]
async fn of_metadata_that_changes_between_passes_both_contents_name() {
    let world = world_with_one_checkpoint();
    world.put_metadata(&chk(JOB_B, 1), 1, &[], &[]);
    world.before(Call::Open, &chk(JOB_B, 1), 1, |store| {
        assert!(store.remove(format!("/ck/{JOB_B}/chk-1")));
        let later = LONG_AGO.plus(Age::seconds(1));
        store.put(chk(JOB_A, 1), metadata(1, &["hdfs://ns/ck/other"], &[]), later);
    });
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [chk(JOB_A, 1), chk(JOB_A, 1)]);
    assert_eq!(named(&collected), [shared(JOB_A), "/ck/other".to_owned()]);
}

#[tokio::test]
async fn what_stays_as_it_is_is_read_once() {
    let world = world_with_one_checkpoint();
    world.put_metadata(&chk(JOB_B, 1), 1, &[], &[]);
    world.before(Call::Open, &chk(JOB_B, 1), 1, |store| {
        assert!(store.remove(format!("/ck/{JOB_B}/chk-1")));
    });
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [chk(JOB_A, 1)]);
    let path = world.at(&chk(JOB_A, 1));
    let opened = world.store.records().iter().filter(|r| r.call == Call::Open && r.path == path).count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn short_metadata_that_becomes_whole_is_read() {
    let world = World::new();
    let whole = metadata(1, &[&uri(&shared(JOB_A))], &[]);
    world.memory.put(chk(JOB_A, 1), &whole[..whole.len() / 2], LONG_AGO);
    // While the third pass begins the writer closes the file.
    world.before(Call::List, "/ck", 4, move |store| store.put(chk(JOB_A, 1), &whole, LONG_AGO));
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [chk(JOB_A, 1)]);
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!(world.events.passes(), 3);
}

#[tokio::test]
async fn metadata_of_which_less_can_be_read_than_was_listed_is_cut_short() {
    let world = World::new();
    let whole = metadata(1, &[], &[]);
    let told = u64::try_from(whole.len()).unwrap() + 1;
    world.memory.put_open(chk(JOB_A, 1), &whole, told, LONG_AGO);
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [format!("{} !cut-short", chk(JOB_A, 1))]);
    let error = collected.metadata[0].content.as_ref().unwrap_err();
    assert!(error.blocks && error.uuids.is_none(), "{error:?}");
    assert_eq!(world.events.passes(), 5);
}

#[tokio::test]
async fn metadata_that_stays_short_is_unreadable_and_may_name_anything() {
    let world = World::new();
    let whole = metadata(1, &[&uri(&shared(JOB_A))], &[]);
    world.memory.put(chk(JOB_A, 1), &whole[..whole.len() - 1], LONG_AGO);
    world.memory.put(chk(JOB_A, 2), b"", LONG_AGO);
    let collected = world.collect().await;
    assert_eq!(
        metadata_paths(&collected),
        [format!("{} !unexpected-end", chk(JOB_A, 1)), format!("{} !unexpected-end", chk(JOB_A, 2))]
    );
    assert!(collected.metadata.iter().all(|file| file.content.as_ref().is_err_and(|e| e.blocks)));
    assert!(collected.metadata.iter().all(|file| file.content.as_ref().is_err_and(|e| e.uuids.is_none())));
    let passes: Vec<u32> = world
        .events
        .all()
        .into_iter()
        .filter_map(|event| if let Event::AnotherPass { pass } = event { Some(pass) } else { None })
        .collect();
    assert_eq!(passes, [2, 3, 4, 5]);
}

/// A busy job: each time its checkpoint is to be read, it has just been replaced by the next one.
#[tokio::test]
async fn what_is_missed_five_times_is_unreadable() {
    let world = World::new();
    world.put(&shared(JOB_A));
    world.put_metadata(&chk(JOB_A, 1), 1, &[&uri(&shared(JOB_A))], &[]);
    for number in 1..=5 {
        world.before(Call::Open, &chk(JOB_A, number), 1, move |store| {
            let next = metadata(i64::from(number) + 1, &[&uri(&shared(JOB_A))], &[]);
            store.put(chk(JOB_A, number + 1), next, LONG_AGO);
            assert!(store.remove(format!("/ck/{JOB_A}/chk-{number}")));
        });
    }
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [format!("{} !vanished", chk(JOB_A, 5))]);
    assert!(collected.metadata[0].content.as_ref().is_err_and(|error| error.blocks));
    assert_eq!(world.events.passes(), 5);
}

#[tokio::test]
async fn a_directory_missed_five_times_is_unlisted() {
    let world = World::new();
    let directory = world.at(&format!("/ck/{JOB_A}/chk-1"));
    world.memory.mkdir(format!("/ck/{JOB_A}/chk-1"), LONG_AGO);
    world.faults.add(Rule::on(Call::List, Fault::Fail(ErrorKind::NotFound)).at(&directory).nth(2).forever());
    let collected = world.collect().await;
    assert_eq!(collected.unlisted.len(), 1);
    assert_eq!(collected.unlisted[0].0, directory);
    assert_eq!(world.events.passes(), 5);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_again() {
    let world = world_with_one_checkpoint();
    let path = world.at(&chk(JOB_A, 1));
    world.faults.add(Rule::on(Call::Open, Fault::Fail(ErrorKind::Unreachable)).at(&path).times(2));
    world.faults.add(Rule::on(Call::Next, Fault::Fail(ErrorKind::TimedOut)).at(&path));
    let collected = world.collect().await;
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!(world.events.passes(), 4);
    // And a listing that broke: what lies there is found when it is whole.
    let world = world_with_one_checkpoint();
    let directory = world.at(&format!("/ck/{JOB_A}"));
    world.faults.add(Rule::on(Call::List, Fault::Cut(0, ErrorKind::Busy)).at(&directory).nth(2));
    let collected = world.collect().await;
    assert_eq!(named(&collected), [shared(JOB_A)]);
    assert_eq!((collected.unlisted.as_slice(), world.events.passes()), (&[][..], 2));
}

/// Whichever call fails first, and however: nothing that is live loses its name without being told.
#[tokio::test]
async fn no_failure_of_a_single_call_hides_a_name() {
    let calls = {
        let world = world_with_one_checkpoint();
        world.collect().await;
        world.faults.calls()
    };
    assert!(calls > 10, "{calls}");
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::Unreachable,
        ErrorKind::Corrupt,
        ErrorKind::Other,
    ] {
        for n in 1..=calls {
            let world = world_with_one_checkpoint();
            world.faults.add(Rule::any(Fault::Fail(kind)).nth(n));
            let Ok(collected) = collect(world.request()).await else { continue };
            let is_named = named(&collected) == [shared(JOB_A)];
            let is_told =
                !collected.unlisted.is_empty() || collected.metadata.iter().any(|file| file.content.is_err());
            let is_candidate = inventory_paths(&collected).contains(&shared(JOB_A));
            assert!(is_named || is_told || !is_candidate, "call {n} fails with {kind:?}");
        }
    }
}

#[tokio::test]
async fn what_the_first_listing_saw_below_shared_is_read_as_well() {
    let world = world_with_one_checkpoint();
    let odd = format!("/ck/{JOB_A}/shared/backup/_metadata");
    world.put_metadata(&odd, 9, &["hdfs://ns/ck/x"], &[]);
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [chk(JOB_A, 1), odd]);
    assert_eq!(collected.metadata[1].place, Place::Sweep);
    assert_eq!(world.events.passes(), 1);
}

#[tokio::test]
async fn a_directory_that_a_person_called_shared_is_looked_into() {
    let world = World::new();
    world.before(Call::List, "/ck", 2, |store| {
        store.put("/ck/shared/team/job/chk-1/_metadata", metadata(1, &[], &["x"]), LONG_AGO);
    });
    world.memory.mkdir("/ck/shared/team", LONG_AGO);
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), ["/ck/shared/team/job/chk-1/_metadata"]);
}
