//! Task-owned files that only operator state names.

use chksweep_core::plan::OperatorStateSearch;
use chksweep_core::{Age, Uuid};
use chksweep_engine::{Collected, Event};
use chksweep_store::Call;
use chksweep_testkit::metadata_writer::{MetadataWriter, OperatorHandle, Stream};

use crate::support::{JOB_A, JOB_B, JOB_C, LONG_AGO, World};

/// The buffer of a write-ahead sink.
const BUFFER: &str = "0a1b2c3d-0000-4fff-8000-0123456789ab";
/// Another one, that nothing names.
const ORPHAN: &str = "0a1b2c3d-0000-4fff-8000-0123456789ac";
const STATE: &str = "11111111-2222-4333-8444-555555555555";

fn uuid(text: &str) -> Uuid {
    Uuid::parse(text.as_bytes()).unwrap()
}

fn found(uuids: &[&str]) -> OperatorStateSearch {
    OperatorStateSearch::Searched { found: uuids.iter().map(|text| uuid(text)).collect() }
}

fn snapshot(streams: &[Stream]) -> Vec<u8> {
    snapshot_of([7; 16], streams)
}

fn snapshot_of(operator: [u8; 16], streams: &[Stream]) -> Vec<u8> {
    let writer = MetadataWriter::v4(1).checkpoint().operator(operator);
    let add = |writer: MetadataWriter, (index, stream): (i32, &Stream)| {
        writer.subtask(index).managed_operator(OperatorHandle::list("wal", stream.clone()))
    };
    (0..).zip(streams).fold(writer, add).bytes()
}

fn kryo(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    *bytes.last_mut().unwrap() |= 0x80;
    [b"\x01\x02hdfs:/ck/taskowned/".as_slice(), &bytes, b"\x03"].concat()
}

/// Job A has two task-owned files in doubt, and one checkpoint with these streams of operator state.
fn world(streams: &[Stream]) -> World {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/taskowned/{BUFFER}"));
    world.put(&format!("/ck/{JOB_A}/taskowned/{ORPHAN}"));
    put_snapshot(&world, &format!("/ck/{JOB_A}/chk-1"), streams);
    world
}

fn put_snapshot(world: &World, directory: &str, streams: &[Stream]) {
    world.memory.put(format!("{directory}/_metadata"), snapshot(streams), LONG_AGO);
}

fn put_state(world: &World, path: &str, content: &[u8]) {
    world.memory.put(path, content, LONG_AGO);
}

fn search_at<'c>(collected: &'c Collected, world: &World, directory: &str) -> &'c OperatorStateSearch {
    let location = world.at(&format!("{directory}/_metadata"));
    &collected.metadata.iter().find(|file| file.location == location).unwrap().operator_state
}

async fn search_of_a(world: &World) -> OperatorStateSearch {
    let collected = world.collect().await;
    search_at(&collected, world, &format!("/ck/{JOB_A}/chk-1")).clone()
}

#[tokio::test]
async fn names_inside_the_metadata_are_found_in_every_form() {
    for state in [
        format!("x hdfs://ns/ck/taskowned/{BUFFER} y").into_bytes(),
        kryo(BUFFER),
        [b"\0\x01".as_slice(), &uuid(BUFFER).0, b"\xff"].concat(),
    ] {
        let world = world(&[Stream::inline("state", &state)]);
        assert_eq!(search_of_a(&world).await, found(&[BUFFER]));
        // Held in memory or streamed.
        let look = world.collect_with(|request| request.limits.metadata_in_memory = 8).await.unwrap();
        assert_eq!(look.metadata[0].operator_state, found(&[BUFFER]));
        assert_eq!(look.opened, []);
    }
}

#[tokio::test]
async fn names_in_files_of_operator_state_are_found_in_every_form() {
    for state in [
        format!("x hdfs://ns/ck/taskowned/{BUFFER} y").into_bytes(),
        kryo(BUFFER),
        [b"\0\x01".as_slice(), &uuid(BUFFER).0, b"\xff"].concat(),
    ] {
        let world = world(&[Stream::inline("state", b"nothing"), Stream::relative(STATE, 1)]);
        put_state(&world, &format!("/ck/{JOB_A}/chk-1/{STATE}"), &state);
        assert_eq!(search_of_a(&world).await, found(&[BUFFER]));
        let searching = Event::SearchingOperatorState { searched: 1, total: 1 };
        assert!(world.events.all().contains(&searching));
    }
}

#[tokio::test]
async fn a_snapshot_without_operator_state_names_no_buffer() {
    let world = world(&[]);
    assert_eq!(search_of_a(&world).await, found(&[]));
}

#[tokio::test]
async fn one_stream_that_cannot_be_searched_leaves_the_snapshot_unsearched() {
    let inline = Stream::inline("state", format!("{BUFFER} \u{1}sNaPpY").as_bytes());
    assert_eq!(search_of_a(&world(&[inline])).await, OperatorStateSearch::NotSearched);
    let good = Stream::inline("state", b"nothing");
    let path = format!("/ck/{JOB_A}/chk-1/{STATE}");
    for break_it in [
        |_: &World, _: &str| {},
        |world: &World, path: &str| put_state(world, path, b"\xff\x06\0\0sNaPpY"),
        |world: &World, path: &str| put_state(world, path, b""),
        |world: &World, path: &str| world.memory.put_link(path, LONG_AGO),
        |world: &World, path: &str| world.memory.mkdir(path, LONG_AGO),
        |world: &World, path: &str| world.memory.put_open(path, b"short", 6, LONG_AGO),
        |world: &World, path: &str| world.memory.put_sized(path, 1025, LONG_AGO),
        |world: &World, path: &str| world.memory.put_sized(path, 512, LONG_AGO),
    ] {
        let world = world(&[good.clone(), Stream::relative(STATE, 1)]);
        break_it(&world, &path);
        if world.memory.exists(&path) && world.memory.snapshot()[&world.at(&path)].1 == 512 {
            // As long as its block: it may still be open.
            world.memory.set_replication(&path, 3, 512);
        }
        let look = world.collect_with(|request| request.limits.operator_state_file = 1024).await.unwrap();
        assert_eq!(look.metadata[0].operator_state, OperatorStateSearch::NotSearched);
    }
    let world = world(&[good, Stream::relative(STATE, 1)]);
    put_state(&world, &path, b"nothing");
    assert_eq!(search_of_a(&world).await, found(&[]));
}

#[tokio::test]
async fn a_file_that_is_not_where_it_is_named_is_searched_under_its_base_name() {
    let world = world(&[Stream::relative(STATE, 1), Stream::file("s3://bucket/x", 1)]);
    put_state(&world, &format!("/ck/{JOB_B}/shared/{STATE}"), BUFFER.as_bytes());
    assert_eq!(search_of_a(&world).await, OperatorStateSearch::NotSearched);
    put_snapshot(&world, &format!("/ck/{JOB_A}/chk-1"), &[Stream::relative(STATE, 1)]);
    assert_eq!(search_of_a(&world).await, found(&[BUFFER]));
}

#[tokio::test]
async fn other_spellings_of_a_root_are_opened_as_they_were_listed() {
    let path = format!("/ck/{JOB_A}/chk-1/{STATE}");
    let mut world = world(&[Stream::file(format!("hdfs://nn1:8020{path}"), 1)]);
    world.equivalence.add_group([("hdfs", "ns"), ("hdfs", "nn1:8020")]);
    put_state(&world, &path, BUFFER.as_bytes());
    assert_eq!(search_of_a(&world).await, found(&[BUFFER]));
}

#[tokio::test]
async fn nothing_is_opened_while_no_file_is_in_doubt() {
    let world = world(&[Stream::relative(STATE, 1)]);
    put_state(&world, &format!("/ck/{JOB_A}/chk-1/{STATE}"), b"nothing");
    // Both are named by their paths, as what the changelog materialized is.
    let names = [BUFFER, ORPHAN].map(|name| format!("hdfs://ns/ck/{JOB_A}/taskowned/{name}"));
    world.put_metadata(&format!("/ck/{JOB_A}/chk-2/_metadata"), 2, &[&names[0], &names[1]], &[]);
    let collected = world.collect().await;
    assert_eq!(
        *search_at(&collected, &world, &format!("/ck/{JOB_A}/chk-1")),
        OperatorStateSearch::NotSearched
    );
    assert_eq!(*search_at(&collected, &world, &format!("/ck/{JOB_A}/chk-2")), found(&[]));
    let state = world.at(&format!("/ck/{JOB_A}/chk-1/{STATE}"));
    assert!(!world.store.records().iter().any(|r| r.call == Call::Open && r.path == state));
}

/// Relevance decides what is opened; what is not relevant is never said to have been searched.
#[tokio::test]
async fn what_may_name_a_file_in_doubt_is_searched() {
    // By its operators, or by its place alone.
    for operator in [[7; 16], [9; 16]] {
        searched_where_relevant(operator).await;
    }
}

async fn searched_where_relevant(of_relevant: [u8; 16]) {
    let world = world(&[]);
    let streams = [Stream::relative(STATE, 1)];
    let job = |job: &str| format!("/ck/{job}/chk-1");
    let savepoint = |digits: &str| format!("/ck/savepoints/savepoint-{digits}-0123456789ab");
    let relevant = [
        format!("/ck/elsewhere/{JOB_A}/chk-9"),
        job(JOB_B),
        format!("/ck/{JOB_B}/chk-2"),
        savepoint("aaaaaa"),
        savepoint("bbbbbb"),
        savepoint("000000"),
        savepoint("ffffff"),
        "/ck/copies/a".to_owned(),
    ];
    let irrelevant = [job(JOB_C), savepoint("cccccc")];
    // Those that may not name it have no operator of job A either.
    let all = relevant.iter().map(|at| (at, if at.contains(JOB_A) { [7; 16] } else { of_relevant }));
    let all = all.chain(irrelevant.iter().map(|at| (at, [10; 16])));
    for (directory, operator) in all {
        let metadata = snapshot_of(operator, &streams);
        world.memory.put(format!("{directory}/_metadata"), metadata, LONG_AGO);
        put_state(&world, &format!("{directory}/{STATE}"), BUFFER.as_bytes());
    }
    // Job B once restored from job A.
    let named = format!("hdfs://ns/ck/{JOB_A}/shared/x");
    world.put_metadata(&format!("/ck/{JOB_B}/chk-3/_metadata"), 3, &[&named], &[]);
    let collected = world.collect().await;
    for directory in &relevant {
        assert_eq!(*search_at(&collected, &world, directory), found(&[BUFFER]), "{directory}");
    }
    for directory in &irrelevant {
        let search = search_at(&collected, &world, directory);
        assert_eq!(*search, OperatorStateSearch::NotSearched, "{directory}");
    }
}

/// A job that was restored from job A may name its buffers inside operator state and nothing else of it.
#[tokio::test]
async fn what_has_an_operator_of_the_job_in_doubt_is_searched() {
    let directory = format!("/ck/{JOB_C}/chk-1");
    let other = |world: World| {
        put_state(&world, &format!("{directory}/{STATE}"), BUFFER.as_bytes());
        world
    };
    let with_the_same = other(world(&[]));
    put_snapshot(&with_the_same, &directory, &[Stream::relative(STATE, 1)]);
    let collected = with_the_same.collect().await;
    assert_eq!(*search_at(&collected, &with_the_same, &directory), found(&[BUFFER]));

    // Which operators the job had is not known: no metadata of it is left, or others may have shared its directory.
    let nobody = World::new();
    nobody.put(&format!("/ck/{JOB_A}/taskowned/{BUFFER}"));
    let zeros = world(&[]);
    zeros.put(&format!("/ck/{}/taskowned/{ORPHAN}", "0".repeat(32)));
    zeros.put_metadata(&format!("/ck/{}/chk-1/_metadata", "0".repeat(32)), 1, &[], &[]);
    for world in [nobody, zeros] {
        let world = other(world);
        let metadata = snapshot_of([8; 16], &[Stream::relative(STATE, 1)]);
        world.memory.put(format!("{directory}/_metadata"), metadata, LONG_AGO);
        let collected = world.collect().await;
        assert_eq!(*search_at(&collected, &world, &directory), found(&[BUFFER]));
    }
}

#[tokio::test]
async fn quarantined_metadata_is_searched_like_that_of_its_old_place() {
    let world = world(&[]);
    let moved = format!("/ck/.chksweep/quarantine/run-1/{JOB_A}/chk-2");
    put_snapshot(&world, &moved, &[Stream::relative(STATE, 1)]);
    // Its state still lies where it was.
    put_state(&world, &format!("/ck/{JOB_A}/chk-2/{STATE}"), BUFFER.as_bytes());
    // What it names does not settle a doubt.
    let name = format!("hdfs://ns/ck/{JOB_A}/taskowned/{BUFFER}");
    world.put_metadata(&format!("/ck/.chksweep/quarantine/run-1/{JOB_A}/chk-3/_metadata"), 3, &[&name], &[]);
    let collected = world.collect().await;
    assert_eq!(*search_at(&collected, &world, &moved), found(&[BUFFER]));
}

#[tokio::test]
async fn access_times_that_the_search_changed_are_told() {
    let world = world(&[Stream::relative(STATE, 1)]);
    let path = format!("/ck/{JOB_A}/chk-1/{STATE}");
    put_state(&world, &path, b"nothing");
    let accessed = world.memory.now().minus(Age::days(3));
    world.memory.set_accessed(&path, accessed);
    let collected = world.collect().await;
    assert_eq!(collected.opened, [(world.at(&path), world.memory.now())]);
    // The candidates were listed before that.
    let (_, file) = collected.inventory.find(&world.at(&path)).unwrap();
    assert_eq!(collected.inventory.file(file).accessed, accessed);
    // Within the hour an access leaves no trace, so there is nothing to tell.
    world.memory.advance(Age::minutes(1));
    assert_eq!(world.collect().await.opened, []);
}

#[tokio::test]
async fn without_the_search_only_the_absence_of_state_is_known() {
    let world = world(&[Stream::inline("state", b"nothing")]);
    let look = world.collect_with(|request| request.search_operator_state = false).await.unwrap();
    assert_eq!(look.metadata[0].operator_state, OperatorStateSearch::NotSearched);
}
