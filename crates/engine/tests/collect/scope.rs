//! What belongs to a look: roots, their quarantines, and what cannot be listed.

use std::sync::Arc;
use std::time::Duration;

use chksweep_core::plan::{Look, Looks, Place, Severity};
use chksweep_core::{Age, Equivalence, Listing, Location, Timestamp};
use chksweep_engine::collect::{
    ALLOWED_SKEW, Candidates, ClockCheck, CollectError, CollectRequest, collect, collect_metadata,
};
use chksweep_engine::{Quiet, ReadStores, looks};
use chksweep_store::faults::{Fault, Rule};
use chksweep_store::memory::Denied;
use chksweep_store::{Call, ErrorKind, LocalStore};

use crate::support::{JOB_A, JOB_B, LONG_AGO, World, inventory_paths, metadata, metadata_paths, named};

const FILE: &str = "0a1b2c3d-0000-4fff-8000-0123456789ab";

#[tokio::test]
async fn links_and_what_is_chksweeps_own_are_no_candidates() {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/shared/{FILE}"));
    world.memory.put_link(format!("/ck/{JOB_A}/link"), LONG_AGO);
    world.put("/ck/.chksweep/lock");
    world.put(&format!("/ck/{JOB_B}/.chksweep/runs/x.jsonl"));
    world.put("/ck/.snapshot/s1/file");
    let collected = world.collect().await;
    let listed = inventory_paths(&collected);
    assert_eq!(
        listed,
        [
            format!("/ck/{JOB_A}/link"),
            format!("/ck/{JOB_A}/shared/{FILE}"),
            // It stands for what is in the way of taking this directory away.
            format!("/ck/{JOB_B}/.chksweep"),
        ]
    );
    let regular = |path: &str| {
        let (_, file) = collected.inventory.find(&world.at(path)).unwrap();
        collected.inventory.file(file).regular
    };
    assert_eq!(listed.iter().map(|path| regular(path)).collect::<Vec<_>>(), [false, true, false]);
    assert!(
        !collected
            .inventory
            .is_empty(collected.inventory.find_directory(&world.at(&format!("/ck/{JOB_B}"))).unwrap())
    );
    assert_eq!(collected.problems.len(), 1);
    assert_eq!(collected.problems[0].code, "not-followed");
}

#[tokio::test]
async fn a_link_called_metadata_may_name_anything() {
    let world = World::new();
    world.memory.put_link(format!("/ck/{JOB_A}/chk-1/_metadata"), LONG_AGO);
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [format!("/ck/{JOB_A}/chk-1/_metadata !not-a-file")]);
    assert!(collected.metadata[0].content.as_ref().is_err_and(|error| error.blocks));
}

#[tokio::test]
async fn a_partial_listing_is_told_where_metadata_could_lie() {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/shared/{FILE}"));
    world.put_metadata(&format!("/ck/{JOB_A}/chk-1/_metadata"), 1, &[], &[]);
    world.memory.deny(format!("/ck/{JOB_A}/shared"), Denied::Reading);
    let collected = world.collect().await;
    let shared = collected.inventory.find_directory(&world.at(&format!("/ck/{JOB_A}/shared"))).unwrap();
    assert!(matches!(collected.inventory.directory(shared).listing, Listing::Partial { .. }));
    assert_eq!(collected.unlisted, []);

    world.memory.deny(format!("/ck/{JOB_A}/chk-1"), Denied::Reading);
    let collected = world.collect().await;
    assert_eq!(collected.unlisted.len(), 1);
    assert_eq!(collected.unlisted[0].0, world.at(&format!("/ck/{JOB_A}/chk-1")));
    assert_eq!(metadata_paths(&collected), [""; 0]);
    // A denied file is unreadable at once: waiting does not help.
    world.memory.allow(format!("/ck/{JOB_A}/chk-1"));
    world.memory.deny(format!("/ck/{JOB_A}/chk-1/_metadata"), Denied::Reading);
    let collected = world.collect().await;
    assert_eq!(metadata_paths(&collected), [format!("/ck/{JOB_A}/chk-1/_metadata !permission-denied")]);
    assert_eq!(world.events.passes(), 1);
}

#[tokio::test]
async fn what_a_broken_listing_showed_still_names() {
    let world = World::new();
    world.put_metadata(&format!("/ck/{JOB_A}/chk-1/_metadata"), 1, &["hdfs://ns/ck/x"], &[]);
    world.put(&format!("/ck/{JOB_A}/chk-1/z"));
    let directory = world.at(&format!("/ck/{JOB_A}/chk-1"));
    world.faults.add(Rule::on(Call::List, Fault::Cut(1, ErrorKind::Other)).at(&directory).forever());
    let collected = world.collect().await;
    assert_eq!(named(&collected), ["/ck/x"]);
    assert_eq!(collected.unlisted.len(), 1);
}

#[tokio::test]
async fn metadata_under_old_names_is_told_by_its_first_bytes() {
    let world = World::new();
    world.put_metadata("/ck/savepoint-0123456789ab", 1, &["hdfs://ns/ck/x"], &[]);
    world.put_metadata("/ck/checkpoint_metadata-0123456789ab", 1, &["hdfs://ns/ck/y"], &[]);
    world.memory.put("/ck/savepoint-ba9876543210", b"something else", LONG_AGO);
    world.memory.put(format!("/ck/{JOB_A}/chk-1/_metadata"), b"something else", LONG_AGO);
    let collected = world.collect().await;
    assert_eq!(
        metadata_paths(&collected),
        [
            format!("/ck/{JOB_A}/chk-1/_metadata !not-metadata"),
            "/ck/checkpoint_metadata-0123456789ab".to_owned(),
            "/ck/savepoint-0123456789ab".to_owned(),
        ]
    );
}

#[tokio::test]
async fn version_zero_is_searched_and_does_not_block() {
    let world = World::new();
    let bytes = [b"\x49\x60\x67\x2d\0\0\0\0 state in hdfs:/x/".as_slice(), FILE.as_bytes()].concat();
    world.memory.put("/ck/savepoint-0123456789ab", &bytes, LONG_AGO);
    for in_memory in [1 << 20, 8] {
        let look = world.collect_with(|request| request.limits.metadata_in_memory = in_memory);
        let collected = look.await.unwrap();
        let error = collected.metadata[0].content.as_ref().unwrap_err();
        assert_eq!((error.kind.as_str(), error.blocks), ("version-0", false));
        let uuids: Vec<String> = error.uuids.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(uuids, [FILE]);
    }
}

#[tokio::test]
async fn large_metadata_is_read_as_a_stream_with_the_same_result() {
    let world = World::new();
    let path = format!("/ck/{JOB_A}/chk-1/_metadata");
    world.put_metadata(&path, 1, &["hdfs://ns/ck/x"], &[FILE]);
    let whole = world.collect().await;
    let look = world.collect_with(|request| request.limits.metadata_in_memory = 16);
    let streamed = look.await.unwrap();
    assert_eq!(format!("{:?}", streamed.metadata), format!("{:?}", whole.metadata));
    // Cut short in the stream, too.
    let bytes = metadata(1, &["hdfs://ns/ck/x"], &[]);
    world.memory.put(&path, &bytes[..bytes.len() - 3], LONG_AGO);
    let look = world.collect_with(|request| request.limits.metadata_in_memory = 16);
    assert_eq!(metadata_paths(&look.await.unwrap()), [format!("{path} !unexpected-end")]);
}

#[tokio::test]
async fn quarantined_metadata_knows_where_it_was_and_since_when() {
    let world = World::new();
    let started = Timestamp(LONG_AGO.0 + 7000);
    let record = format!(
        "{{\"record\":\"start\",\"runId\":\"run-1\",\"at\":\"{started}\",\"schema\":1,\"tool\":\"chksweep 0.1.0\",\
         \"user\":\"gc\",\"host\":\"edge\",\"command\":\"run\",\"mode\":\"quarantine\",\"roots\":[]}}\n{{\"record\":\"x\"}}\n"
    );
    world.memory.put("/ck/.chksweep/runs/run-1.jsonl", record, LONG_AGO);
    world.memory.put("/ck/.chksweep/runs/run-3.jsonl", b"{\"record\":\"start\",\"at\":\"20", LONG_AGO);
    for run in 1..=3 {
        let base = format!("/ck/.chksweep/quarantine/run-{run}/{JOB_A}");
        world.put_metadata(&format!("{base}/chk-{run}/_metadata"), run, &[], &[FILE]);
        world.put(&format!("{base}/shared/{FILE}"));
    }
    world.put("/ck/.chksweep/quarantine/run-1.json");
    let collected = world.collect().await;
    let places: Vec<&Place> = collected.metadata.iter().map(|file| &file.place).collect();
    let expected = |run: i64, moved_at| Place::Quarantined {
        original: world.at(&format!("/ck/{JOB_A}/chk-{run}/_metadata")),
        moved_at,
    };
    assert_eq!(places, [&expected(1, Some(started)), &expected(2, None), &expected(3, None)]);
    assert_eq!(inventory_paths(&collected), [""; 0]);
    let runs = &collected.quarantine;
    assert_eq!(runs.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["run-1", "run-2", "run-3"]);
    assert_eq!((runs[0].started_at, runs[1].started_at), (Some(started), None));
    assert!(runs.iter().all(|run| run.complete && run.root == world.at("/ck")));
    let mut originals: Vec<String> = runs[0].files.iter().map(|file| file.original.to_string()).collect();
    originals.sort();
    let job = format!("hdfs://ns/ck/{JOB_A}");
    assert_eq!(originals, [format!("{job}/chk-1/_metadata"), format!("{job}/shared/{FILE}")]);
}

#[tokio::test]
async fn a_quarantine_that_cannot_be_listed_may_hold_metadata() {
    let world = World::new();
    world.put("/ck/.chksweep/quarantine/run-1/x");
    world.memory.deny("/ck/.chksweep/quarantine/run-1", Denied::Reading);
    let collected = world.collect().await;
    assert_eq!(collected.unlisted.len(), 1);
    assert!(!collected.quarantine[0].complete);
}

#[tokio::test]
async fn reference_roots_are_read_for_metadata_only() {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/shared/{FILE}"));
    let other = format!("/other/{JOB_B}/chk-1/_metadata");
    world.put_metadata(&other, 1, &[&format!("hdfs://ns/ck/{JOB_A}/shared/{FILE}")], &[]);
    world.put_metadata("/other/.chksweep/quarantine/run-1/x/_metadata", 1, &[], &[]);
    let look = world.collect_with(|request| request.reference_roots = vec![world.at("/other")]);
    let collected = look.await.unwrap();
    assert_eq!(inventory_paths(&collected), [format!("/ck/{JOB_A}/shared/{FILE}")]);
    assert_eq!(collected.metadata.len(), 2);
    assert!(matches!(collected.metadata[0].place, Place::Quarantined { .. }));
    assert_eq!(collected.metadata[1].place, Place::Reference);
    assert_eq!(collected.quarantine, []);
}

#[tokio::test]
async fn roots_that_overlap_are_one_root() {
    let mut world = World::new();
    world.equivalence.add_group([("hdfs", "ns"), ("hdfs", "nn1:8020")]);
    world.put_metadata(&format!("/ck/a/{JOB_A}/chk-1/_metadata"), 1, &[], &[]);
    world.put_metadata(&format!("/ck/b/{JOB_B}/chk-1/_metadata"), 1, &[], &[]);
    world.put_metadata("/all/x/_metadata", 1, &[], &[]);
    let elsewhere = Location::normalised("hdfs", "nn1:8020", b"/ck/b");
    // The same store, as a client of the other spelling would see it.
    let look = world.collect_with(|request| {
        request.sweep_roots = vec![world.at("/ck/a"), world.at("/ck"), world.at("/ck")];
        request.reference_roots = vec![world.at("/ck/b"), world.at("/")];
    });
    let collected = look.await.unwrap();
    assert_eq!(collected.inventory.roots().len(), 1);
    let place = |path: &str| {
        let mut files = collected.metadata.iter().filter(|file| file.location == world.at(path));
        let place = files.next().unwrap().place.clone();
        assert!(files.next().is_none(), "{path} was read twice");
        place
    };
    assert_eq!(place(&format!("/ck/a/{JOB_A}/chk-1/_metadata")), Place::Sweep);
    assert_eq!(place(&format!("/ck/b/{JOB_B}/chk-1/_metadata")), Place::Sweep);
    assert_eq!(place("/all/x/_metadata"), Place::Reference);
    assert_eq!(world.equivalence.canonical(&elsewhere), world.at("/ck/b"));
}

/// It is only to be read, whatever is swept around it.
#[tokio::test]
async fn a_reference_root_within_a_sweep_root_is_a_pin() {
    let world = World::new();
    world.put(&format!("/ck/archive/{JOB_A}/shared/{FILE}"));
    let pins = async |sweep: &[&str]| {
        let look = world.collect_with(|request| {
            request.sweep_roots = sweep.iter().map(|root| world.at(root)).collect();
            request.reference_roots = vec![world.at("/ck/archive"), world.at("/")];
        });
        look.await.unwrap().pins
    };
    assert_eq!(pins(&["/ck"]).await, [world.at("/ck/archive")]);
    assert_eq!(pins(&["/ck/archive"]).await, [], "who says both means to sweep it");
    assert_eq!(pins(&[&format!("/ck/archive/{JOB_A}")]).await, []);
}

/// A person may call a directory `shared`, and jobs may lie in it. Under a sweep root the candidates show them.
#[tokio::test]
async fn metadata_below_a_shared_that_may_be_a_persons_is_read_under_a_reference_root() {
    let found = async |beside: &str, parent: &str| {
        let world = World::new();
        world.put(&format!("/other/{parent}{beside}"));
        world.put_metadata(&format!("/other/{parent}/shared/{JOB_B}/chk-9/_metadata"), 9, &[], &[]);
        let look = world.collect_with(|request| request.reference_roots = vec![world.at("/other")]);
        look.await.unwrap().metadata.len()
    };
    assert_eq!(found("/file", JOB_A).await, 1, "named like a job");
    assert_eq!(found("/chk-5/file", "team").await, 1, "beside a checkpoint that somebody copied");
    assert_eq!(found("/taskowned/file", JOB_A).await, 0, "Flink makes both, and puts none in there");
}

#[tokio::test]
async fn a_root_that_is_not_there_says_what_to_do() {
    let world = World::new();
    world.put("/file");
    world.memory.put_link("/link", LONG_AGO);
    for (root, code) in [
        ("/missing", "missing-root"),
        ("/file", "root-is-no-directory"),
        ("/link", "root-is-no-directory"),
        ("/ck/.chksweep/quarantine", "root-is-own-directory"),
    ] {
        for as_reference in [false, true] {
            let look = world.collect_with(|request| {
                let roots =
                    if as_reference { &mut request.reference_roots } else { &mut request.sweep_roots };
                roots.push(world.at(root));
            });
            let error = look.await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(!error.hint().is_empty());
        }
    }
    world.memory.deny("/", Denied::Reading);
    assert!(matches!(collect(world.request()).await, Err(CollectError::Root { .. })));
}

#[tokio::test]
async fn a_time_in_the_future_is_an_error_unless_allowed() {
    let world = World::new();
    let path = format!("/ck/{JOB_A}/shared/{FILE}");
    let limit = world.memory.now().plus(ALLOWED_SKEW);
    world.memory.put(&path, b"x", limit);
    assert!(collect(world.request()).await.is_ok());
    world.memory.put(format!("/ck/{JOB_A}/shared/older"), b"x", Timestamp(limit.0 + 1));
    world.memory.put(&path, b"x", Timestamp(limit.0 + 2));
    world.memory.set_modified(format!("/ck/{JOB_A}/shared"), LONG_AGO);
    let error = collect(world.request()).await.unwrap_err();
    let CollectError::ClockSkew { path: newest, modified, .. } = error else { panic!("{error}") };
    assert_eq!((newest, modified), (world.at(&path), Timestamp(limit.0 + 2)));
    let allowed = world.collect_with(|request| request.clock = ClockCheck::Allow).await.unwrap();
    assert_eq!(
        (allowed.problems[0].severity, allowed.problems[0].code.as_str()),
        (Severity::Warning, "clock-skew")
    );
    let off = world.collect_with(|request| request.clock = ClockCheck::Off).await.unwrap();
    assert_eq!(off.problems, []);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_during_a_long_look_is_not_from_the_future() {
    let world = World::new();
    let shared = format!("/ck/{JOB_A}/shared");
    let after = |minutes| world.memory.now().plus(Age::minutes(minutes));
    let put = |name: &str, minutes| {
        world.memory.put(format!("{shared}/{name}"), b"x", after(minutes));
        for directory in ["/ck", &format!("/ck/{JOB_A}"), &shared] {
            world.memory.set_modified(directory, LONG_AGO);
        }
    };
    world
        .faults
        .add(Rule::on(Call::List, Fault::Delay(Duration::from_hours(1))).at(&world.at(&shared)).forever());
    put("written-meanwhile", 65);
    assert!(collect(world.request()).await.is_ok());
    put("from-the-future", 66);
    let error = collect(world.request()).await.unwrap_err();
    let CollectError::ClockSkew { modified, now, .. } = error else { panic!("{error}") };
    assert_eq!((modified, now), (after(66), after(60)));
}

#[tokio::test(start_paused = true)]
async fn a_look_is_as_old_as_the_first_that_it_tells() {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/shared/{FILE}"));
    world.put_metadata(&format!("/ck/{JOB_A}/chk-1/_metadata"), 1, &[], &[]);
    let slow = |call, path: &str, minutes| {
        let delay = Fault::Delay(Duration::from_mins(minutes));
        world.faults.add(Rule::on(call, delay).at(&world.at(path)).forever());
    };
    slow(Call::List, &format!("/ck/{JOB_A}/shared"), 60);
    slow(Call::Open, &format!("/ck/{JOB_A}/chk-1/_metadata"), 20);
    let collected = world.collect().await;
    assert_eq!(collected.metadata.len(), 1);
    assert_eq!(collected.read_at.elapsed(), Duration::from_mins(80));
}

#[tokio::test]
async fn pins_of_every_root_above_and_below_are_read() {
    let world = World::new();
    world.put("/other/x");
    world.memory.put("/ck/.chksweep/pins", b"# mine\n/ck/a\n", LONG_AGO);
    world.memory.put("/.chksweep/pins", b"hdfs://ns/ck/b\n", LONG_AGO);
    world.memory.put("/ck/c/.chksweep/pins", b"hdfs://ns/ck/c\n", LONG_AGO);
    world.memory.put("/other/.chksweep/pins", b"hdfs://ns/other/d\n", LONG_AGO);
    let with_reference =
        |request: &mut CollectRequest<'_>| request.reference_roots = vec![world.at("/other")];
    let collected = world.collect_with(with_reference).await.unwrap();
    let pins = ["/ck/a", "/ck/b", "/ck/c", "/other/d"].map(|path| world.at(path));
    assert_eq!(collected.pins, pins);
    world.memory.put("/ck/c/.chksweep/pins", b"relative\n", LONG_AGO);
    let error = world.collect_with(with_reference).await.unwrap_err();
    assert_eq!(error.code(), "pins-unreadable");
    world.memory.remove("/ck/c");
    world.memory.deny("/ck/.chksweep/pins", Denied::Reading);
    assert_eq!(collect(world.request()).await.unwrap_err().code(), "pins-unreadable");
}

/// Above the roots this user need not be able to look; but what could be read a moment later may hold a pin.
#[tokio::test]
async fn pins_above_a_root_that_cannot_be_read_now_stop_a_look_and_barred_ones_do_not() {
    for (kind, goes_on) in
        [(ErrorKind::PermissionDenied, true), (ErrorKind::TimedOut, false), (ErrorKind::Corrupt, false)]
    {
        let world = World::new();
        world.memory.put("/ck/.chksweep/pins", b"/ck/a\n", LONG_AGO);
        world.memory.put("/.chksweep/pins", b"hdfs://ns/ck/b\n", LONG_AGO);
        let above = world.at("/.chksweep/pins");
        world.faults.add(Rule::on(Call::Open, Fault::Fail(kind)).at(&above).forever());
        match collect(world.request()).await {
            Ok(collected) => assert!(goes_on && collected.pins == [world.at("/ck/a")], "{kind:?}"),
            Err(error) => assert_eq!((goes_on, error.code()), (false, "pins-unreadable"), "{kind:?}"),
        }
    }
}

#[tokio::test]
async fn looks_of_earlier_runs_are_united() {
    let world = World::new();
    let look = |tree: &str, since: i64| {
        let directories = [(
            "hdfs://ns/ck/a".to_owned(),
            Look { tree: tree.to_owned(), since: Timestamp(since), named_by: Vec::new() },
        )];
        Looks { directories: directories.into(), ..Looks::default() }
    };
    looks::save_stored(&world.memory, &world.at("/ck"), &look("t", 5)).await.unwrap();
    let collected = world.collect_with(|request| request.known_looks = look("t", 9)).await.unwrap();
    assert_eq!(collected.looks, look("t", 5));
    world.memory.put("/ck/.chksweep/looks.json", b"{", LONG_AGO);
    let collected = world.collect_with(|request| request.known_looks = look("t", 9)).await.unwrap();
    assert_eq!(collected.looks, look("t", 9));
    assert_eq!(collected.problems[0].code, "looks-ignored");
}

#[tokio::test]
async fn candidates_can_be_listed_in_some_directories_only() {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/shared/{FILE}"));
    world.put_metadata(&format!("/ck/{JOB_A}/chk-1/_metadata"), 1, &[], &[]);
    world.put(&format!("/ck/{JOB_B}/shared/{FILE}"));
    world.put_metadata(&format!("/ck/{JOB_B}/chk-1/_metadata"), 1, &[], &[]);
    let only = [world.at(&format!("/ck/{JOB_A}/shared")), world.at("/ck/missing")].into();
    let look = world.collect_with(|request| request.candidates = Candidates::Within(only));
    let collected = look.await.unwrap();
    assert_eq!(inventory_paths(&collected), [format!("/ck/{JOB_A}/shared/{FILE}")]);
    let listing = |path: &str| {
        let id = collected.inventory.find_directory(&world.at(path)).unwrap();
        collected.inventory.directory(id).listing == Listing::Complete
    };
    assert!(listing("/ck") && listing(&format!("/ck/{JOB_A}")));
    assert!(!listing(&format!("/ck/{JOB_A}/chk-1")) && !listing(&format!("/ck/{JOB_B}")));
    assert_eq!(collected.metadata.len(), 2);
}

#[tokio::test]
async fn candidates_can_come_from_elsewhere_and_metadata_is_live_all_the_same() {
    let world = World::new();
    world.put_metadata(&format!("/ck/{JOB_A}/chk-1/_metadata"), 1, &[], &[]);
    let inventory = world.collect().await.inventory;
    // The image shows checkpoint 1; by now there is only checkpoint 2.
    world.memory.remove(format!("/ck/{JOB_A}/chk-1"));
    world.put_metadata(&format!("/ck/{JOB_A}/chk-2/_metadata"), 2, &[], &[]);
    let given = inventory.clone();
    let collected =
        world.collect_with(|request| request.candidates = Candidates::Given(given)).await.unwrap();
    assert_eq!(metadata_paths(&collected), [format!("/ck/{JOB_A}/chk-2/_metadata")]);
    assert_eq!(collected.inventory.file_count(), 1);
    assert_eq!(world.events.passes(), 2);
    let only_metadata = collect_metadata(world.request()).await.unwrap();
    assert_eq!(only_metadata.metadata.len(), 1);
    assert_eq!(only_metadata.metadata[0].location, world.at(&format!("/ck/{JOB_A}/chk-2/_metadata")));
}

#[tokio::test]
async fn a_local_directory_is_looked_at_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ck");
    let checkpoint = root.join(JOB_A).join("chk-1");
    std::fs::create_dir_all(&checkpoint).unwrap();
    std::fs::create_dir_all(root.join(JOB_A).join("shared")).unwrap();
    std::fs::write(root.join(JOB_A).join("shared").join(FILE), b"x").unwrap();
    let named = format!("file:{}/{JOB_A}/shared/{FILE}", root.display());
    std::fs::write(checkpoint.join("_metadata"), metadata(1, &[&named], &[])).unwrap();
    std::os::unix::fs::symlink(&checkpoint, root.join("link")).unwrap();
    let location = Location::local(root.as_os_str().as_encoded_bytes());
    let mut stores = ReadStores::default();
    stores.add(&location, Arc::new(LocalStore::new()));
    let equivalence = Equivalence::default();
    let now = Timestamp(i64::MAX / 2);
    for in_memory in [1 << 20, 1] {
        let mut request =
            CollectRequest::new(vec![location.clone()], stores.clone(), &equivalence, now, &Quiet);
        request.limits.metadata_in_memory = in_memory;
        let collected = collect(request).await.unwrap();
        assert_eq!(collected.inventory.file_count(), 3);
        assert_eq!(collected.metadata.len(), 1);
        let content = collected.metadata[0].content.as_ref().unwrap();
        let shared = location.child(format!("{JOB_A}/shared/{FILE}").as_bytes());
        assert_eq!(content.files.locations().collect::<Vec<_>>(), [shared]);
    }
}

/// A directory may go between two listings; a root that is gone is no empty root.
#[tokio::test]
async fn a_directory_that_vanished_is_empty_and_a_root_that_vanished_is_not() {
    let world = World::new();
    world.put(&format!("/ck/{JOB_A}/shared/{FILE}"));
    let gone =
        |path: &str| Rule::on(Call::List, Fault::Fail(ErrorKind::NotFound)).at(&world.at(path)).forever();
    let shared = format!("/ck/{JOB_A}/shared");
    world.faults.add(gone(&shared));
    let collected = world.collect().await;
    let found = collected.inventory.find_directory(&world.at(&shared)).unwrap();
    assert_eq!(collected.inventory.directory(found).listing, Listing::Complete);
    assert_eq!(inventory_paths(&collected), [""; 0]);
    world.faults.clear();
    world.faults.add(gone("/ck"));
    if let Ok(collected) = world.collect_with(|_| {}).await {
        let root = collected.inventory.find_directory(&world.at("/ck")).unwrap();
        assert!(matches!(collected.inventory.directory(root).listing, Listing::Partial { .. }));
    }
}

/// What is open for writing shows no byte of its last block: a length of whole blocks may be that of such a file.
#[tokio::test]
async fn a_file_of_whole_blocks_is_told() {
    let world = World::new();
    let at = |n: u32| format!("/ck/{JOB_A}/shared/0a1b2c3d-0000-4fff-8000-{n:012}");
    for (n, length, block, whole) in [
        (1, 512, 512, true),
        (2, 1024, 512, true),
        (3, 513, 512, false),
        (4, 0, 512, true),
        (5, 512, 1024, false),
    ] {
        world.memory.put_sized(at(n), length, LONG_AGO);
        world.memory.set_replication(at(n), 3, block);
        let collected = world.collect().await;
        let (_, file) = collected.inventory.find(&world.at(&at(n))).unwrap();
        assert_eq!(collected.inventory.file(file).whole_blocks, whole, "{length} of {block}");
    }
}
