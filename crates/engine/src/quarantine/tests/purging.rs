use chksweep_core::Timestamp;
use chksweep_core::plan::Unreadable;
use chksweep_store::{Call, Fault, Rule as Strike};

use super::super::purge::purge_in_slices;
use super::*;
use crate::journal::Spot;
use crate::testing::{ROOT, quarantined};

/// Something was set aside eight days ago, and runs have been clean every day since.
async fn due() -> Scene {
    due_of(&["shared/#1", "shared/#2"]).await
}

async fn due_of(paths: &'static [&'static str]) -> Scene {
    let scene = Scene::new();
    for path in paths {
        scene.file(&named(path), 100);
    }
    take(&scene, "run-1", paths).await;
    for day in 2..=9 {
        scene.store.advance(Age::days(1));
        clean_run(&scene, &format!("run-{day}")).await;
    }
    scene
}

/// What a test changes of what is known.
type Change = fn(&mut Collected, &mut Vec<RunRecord>, &mut Facts);

struct Facts {
    now: Timestamp,
    roots: Vec<Location>,
    reference_roots: Vec<Location>,
    this_run_is_clean: bool,
    stop: Option<String>,
}

async fn purged(scene: &Scene, run: &str, change: Change) -> PurgeReport {
    purged_by(scene, run, change, 100_000, &Selection::default()).await
}

async fn purged_by(
    scene: &Scene,
    run: &str,
    change: Change,
    slice: u64,
    selection: &Selection,
) -> PurgeReport {
    let mut collected = look(scene).await;
    let mut records = all_records(scene).await;
    let mut running = scene.begin(run).await;
    let mut facts = Facts {
        now: scene.store.now(),
        roots: vec![scene.root()],
        reference_roots: Vec::new(),
        this_run_is_clean: false,
        stop: None,
    };
    change(&mut collected, &mut records, &mut facts);
    let conditions = PurgeConditions {
        collected: &collected,
        equivalence: &Equivalence::default(),
        policy: &Policy::default(),
        records: &records,
        roots: &facts.roots,
        reference_roots: &facts.reference_roots,
        now: facts.now,
        purge_after: Age::days(7),
        this_run_is_clean: facts.this_run_is_clean,
        stop: facts.stop,
    };
    let report = purge_in_slices(&mut running, &conditions, selection, slice).await;
    running.finish(true).await.unwrap();
    report
}

#[tokio::test]
async fn what_is_due_is_purged_and_leaves_nothing() {
    let scene = due().await;
    let report = purged(&scene, "run-10", |_, _, _| {}).await;
    assert_eq!((report.purged.len(), report.waiting.len()), (1, 0), "{report:?}");
    assert_eq!((report.purged[0].files, report.purged[0].bytes), (2, 200));
    assert!(!report.is_partly_done());
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/quarantine/run-1")));
}

#[tokio::test]
async fn what_snapshots_pin_is_said_to_be_pinned() {
    let scene = due().await;
    scene.store.set_snapshots("/flink", &["daily-1", "daily-2"]);
    let report = purged(&scene, "run-10", |_, _, _| {}).await;
    let pinned: Vec<_> = report.snapshots.iter().map(|s| (s.directory.to_string(), s.names.len())).collect();
    assert_eq!(pinned, [("hdfs://ns/flink".to_owned(), 2)]);
}

#[tokio::test]
async fn each_condition_alone_holds_a_purge() {
    let conditions: [(&str, Change); 17] = [
        ("not settled yet", |_, records, _| records[0].ended_at = None),
        ("has grown old", |seen, _, _| seen.read_at -= Duration::from_mins(11)),
        ("kept until", |_, _, facts| facts.now = facts.now.minus(Age::days(2))),
        ("not known, so it counts as set aside now", |seen, _, _| seen.quarantine[0].started_at = None),
        ("listed completely", |seen, _, _| seen.quarantine[0].complete = false),
        ("could not be listed", |seen, _, _| {
            seen.unlisted.push((Location::local(b"/x"), "denied".to_owned()));
        }),
        ("cannot be read", |seen, _, _| {
            let mut file = look_alike(seen);
            file.content = Err(Unreadable {
                kind: "bad-magic".to_owned(),
                message: "no".to_owned(),
                offset: Some(0),
                blocks: true,
                uuids: Some(Vec::new()),
            });
            seen.metadata.push(file);
        }),
        ("too many dangling", |_, _, facts| facts.stop = Some("too many dangling".to_owned())),
        ("record of the run is missing", |_, records, _| {
            records.retain(|record| record.run_id != "run-1");
        }),
        ("roots of the run are not known", |_, records, _| records[0].roots.clear()),
        ("was not read now", |_, records, _| {
            records[0].roots.push(Spot(Location::local(b"/another")));
        }),
        ("was not read now", |_, _, facts| facts.roots.clear()),
        ("was not read now", |_, records, _| {
            records[0].reference_roots.push(Spot(Location::local(b"/archive")));
        }),
        ("0 of 2 clean runs", |_, records, facts| {
            // Read now, and by none of the runs since: what lies there may have named all the while.
            records[0].reference_roots.push(Spot(Location::local(b"/archive")));
            facts.roots.push(Location::local(b"/archive"));
        }),
        ("0 of 2 clean runs", |_, records, _| records.iter_mut().for_each(|record| record.clean = false)),
        ("1 of 2 clean runs", |_, records, _| records.retain(|r| ["run-1", "run-9"].contains(&&*r.run_id))),
        ("more than 1d ago", |_, records, _| {
            records.retain(|r| ["run-1", "run-2", "run-3"].contains(&&*r.run_id));
        }),
    ];
    for (reason, change) in conditions {
        let scene = due().await;
        let report = purged(&scene, "run-10", change).await;
        assert!(report.purged.is_empty(), "{reason}");
        let reasons = report.waiting[0].reasons.join("; ");
        assert!(reasons.contains(reason), "{reason}: {reasons}");
        assert!(scene.store.exists(quarantined("run-1", &named("shared/#1"))), "{reason}");
        assert!(!report.is_partly_done(), "waiting is no failure");
    }
}

#[tokio::test]
async fn only_whole_runs_that_are_meant_are_purged() {
    let run = |id: &str| Selection { runs: vec![id.to_owned()], ..Selection::default() };
    let job = Selection { jobs: vec![chksweep_core::JobId([0; 16])], ..Selection::default() };
    let path = select_path(&Scene::new(), "shared");
    for (selection, taken) in [(run("run-1"), 1), (run("run-2"), 0), (job, 0), (path, 0)] {
        let report = purged_by(&due().await, "run-10", |_, _, _| {}, 100_000, &selection).await;
        assert_eq!(report.purged.len(), taken, "{selection:?}: {report:?}");
        let waits = report.waiting.first().map(|run| run.reasons.join("; "));
        assert_eq!(waits.as_deref(), (taken == 0).then_some("it was not selected"), "{selection:?}");
    }
}

/// What this very run has set aside can at most be waiting.
#[tokio::test]
async fn no_run_purges_its_own() {
    let scene = due().await;
    let report = purged(&scene, "run-10", |seen, records, _| {
        seen.quarantine[0].run_id = "run-10".to_owned();
        seen.quarantine[0].location = crate::own::quarantine_of(&seen.quarantine[0].root, "run-10");
        records[0].run_id = "run-10".to_owned();
    })
    .await;
    assert!(report.purged.is_empty(), "{report:?}");
    assert_eq!(report.waiting[0].reasons, ["it is this run's own"]);
}

#[tokio::test]
async fn a_reference_root_is_read_where_one_of_either_kind_is() {
    fn archived(records: &mut [RunRecord]) -> Location {
        let archive = Location::local(b"/archive");
        for record in records {
            record.reference_roots.push(Spot(archive.clone()));
        }
        archive
    }
    let changes: [Change; 2] = [
        |_, records, facts| facts.roots.push(archived(records)),
        |_, records, facts| facts.reference_roots.push(archived(records)),
    ];
    for change in changes {
        let report = purged(&due().await, "run-10", change).await;
        assert_eq!(report.purged.len(), 1, "{report:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_deleted_is_told_and_stays() {
    let scene = due().await;
    let tree = Strike::on(Call::DeleteTree, Fault::Fail(chksweep_store::ErrorKind::PermissionDenied));
    scene.faulty.faults().add(tree.forever());
    let report = purged(&scene, "run-10", |_, _, _| {}).await;
    assert!(report.is_partly_done() && !report.purged[0].complete, "{report:?}");
    assert_eq!((report.purged[0].files, report.failures.len()), (0, 1), "{report:?}");
    assert!(report.stopped.is_none() && scene.store.exists(quarantined("run-1", &named("shared/#1"))));
}

#[tokio::test]
async fn what_is_no_directory_of_a_run_is_not_purged() {
    let changes: [Change; 2] = [
        |seen, records, _| {
            seen.quarantine[0].run_id = "..".to_owned();
            records[0].run_id = "..".to_owned();
        },
        |seen, _, _| seen.quarantine[0].location = seen.quarantine[0].root.child(b"elsewhere"),
    ];
    for change in changes {
        let scene = due().await;
        let report = purged(&scene, "run-10", change).await;
        assert!(report.purged.is_empty(), "{report:?}");
        assert!(report.waiting[0].reasons.contains(&"it is no directory of a run".to_owned()), "{report:?}");
    }
}

#[tokio::test]
async fn a_run_that_is_due_this_very_moment_is_due() {
    let scene = due().await;
    let report = purged(&scene, "run-10", |seen, _, facts| {
        facts.now = seen.quarantine[0].started_at.unwrap().plus(Age::days(7));
    })
    .await;
    assert_eq!(report.purged.len(), 1, "{report:?}");
}

#[tokio::test]
async fn one_reason_is_told_as_one_and_several_by_their_number() {
    let told = |count: usize| async move {
        let scene = due().await;
        let one: Change = |seen, _, _| seen.unlisted.push((Location::local(b"/x"), "denied".to_owned()));
        let three: Change = |seen, _, _| {
            seen.unlisted = vec![(Location::local(b"/x"), "denied".to_owned()); 3];
        };
        let report = purged(&scene, "run-10", if count == 1 { one } else { three }).await;
        report.waiting[0].reasons.join("; ")
    };
    assert_eq!(told(1).await, "file:///x could not be listed: denied");
    assert_eq!(told(3).await, "file:///x and 2 more could not be listed: denied");
}

#[tokio::test]
async fn what_was_pinned_after_it_was_set_aside_was_purged_all_the_same() {
    for pin in ["shared", &named("shared/#2")] {
        let scene = due().await;
        scene.store.put(format!("{ROOT}/.chksweep/pins"), scene.at(pin).to_string(), scene.old());
        let report = purged(&scene, "run-10", |_, _, _| {}).await;
        assert!(report.purged.is_empty(), "{pin}: {report:?}");
        assert!(report.waiting[0].reasons.join("; ").contains("is pinned"), "{report:?}");
        assert!(scene.store.exists(quarantined("run-1", &named("shared/#2"))), "{pin}");
    }
    let scene = due().await;
    scene.store.put(format!("{ROOT}/.chksweep/pins"), scene.at("taskowned").to_string(), scene.old());
    assert_eq!(purged(&scene, "run-10", |_, _, _| {}).await.purged.len(), 1, "a pin elsewhere holds nothing");
}

/// A checkpoint whose operator state is missing may name any buffer of its sink.
#[tokio::test]
async fn a_buffer_stays_while_operator_state_that_may_name_it_cannot_be_searched() {
    let names = format!("…/{}", uuid(1)).into_bytes();
    let cases: [(Option<&[u8]>, Option<&str>); 3] = [
        (None, Some("may name files of it inside operator state")),
        (Some(&names), Some("names files of it")),
        (Some(b"nothing"), None),
    ];
    for (state, reason) in cases {
        let scene = due_of(&["taskowned/#1"]).await;
        sink(&scene, 7, state);
        let report = purged(&scene, "run-10", |_, _, _| {}).await;
        assert_eq!(report.purged.is_empty(), reason.is_some(), "{report:?}");
        assert_eq!(scene.store.exists(quarantined("run-1", &named("taskowned/#1"))), reason.is_some());
        if let Some(reason) = reason {
            assert!(report.waiting[0].reasons.join("; ").contains(reason), "{report:?}");
        }
    }
    // What lies in shared/ is named by no operator state.
    let scene = due().await;
    sink(&scene, 7, None);
    assert_eq!(purged(&scene, "run-10", |_, _, _| {}).await.purged.len(), 1);
}

fn look_alike(seen: &Collected) -> chksweep_core::plan::MetadataFile {
    let location = seen.quarantine[0].root.child(b"chk-1").child(b"_metadata");
    chksweep_core::plan::MetadataFile {
        location,
        bytes: 1,
        modified: Timestamp(1),
        place: chksweep_core::plan::Place::Sweep,
        content: Ok(chksweep_core::Content::default()),
        operator_state: chksweep_core::plan::OperatorStateSearch::NotSearched,
    }
}

#[tokio::test]
async fn the_run_that_purges_counts_when_it_is_a_clean_sweep() {
    let scene = due().await;
    let report = purged(&scene, "run-10", |_, records, facts| {
        records.retain(|record| ["run-1", "run-3"].contains(&&*record.run_id));
        facts.this_run_is_clean = true;
    })
    .await;
    assert_eq!(report.purged.len(), 1, "{report:?}");
}

#[tokio::test]
async fn runs_of_another_kind_or_over_fewer_roots_do_not_count() {
    let changes: [Change; 2] = [
        |_, records, _| {
            for record in records.iter_mut().skip(1) {
                record.command = "restore".to_owned();
            }
        },
        |_, records, _| {
            for record in records.iter_mut().skip(1) {
                record.roots = vec![Spot(Location::local(b"/other"))];
            }
        },
    ];
    for change in changes {
        let scene = due().await;
        assert!(purged(&scene, "run-10", change).await.purged.is_empty());
    }
}

#[tokio::test]
async fn what_is_named_is_not_purged_and_neither_is_what_appeared_since() {
    let scene = due().await;
    metadata(&scene, "chk-7/_metadata", 7, &[&named("shared/#1")], &[]);
    let report = purged(&scene, "run-10", |_, _, _| {}).await;
    assert!(report.waiting[0].reasons[0].contains("chk-7/_metadata names files of it"), "{report:?}");

    let scene = due().await;
    let (store, late) = (scene.store.clone(), quarantined("run-1", "shared/late"));
    let hook = chksweep_store::faults::Hook::new(move || store.put(&late, b"x", store.now()));
    let at = scene.store.location(format!("{ROOT}/.chksweep/quarantine/run-1"));
    scene.faulty.faults().add(Strike::on(Call::List, Fault::Before(hook)).at(&at).nth(2));
    let report = purged(&scene, "run-10", |_, _, _| {}).await;
    assert!(report.failures[0].contains("appeared since"), "{report:?}");
    assert!(scene.store.exists(quarantined("run-1", "shared/late")));
}

/// The metadata of a later run names files of an earlier one, and the other way round.
async fn entangled(last_day: u32) -> Scene {
    let scene = Scene::new();
    scene.file(&named("shared/#1"), 100);
    scene.file(&named("shared/#2"), 100);
    metadata(&scene, "chk-1/_metadata", 1, &[&named("shared/#2")], &[]);
    metadata(&scene, "chk-2/_metadata", 2, &[&named("shared/#1")], &[]);
    take(&scene, "run-1", &["shared/#1", "chk-1/_metadata"]).await;
    scene.store.advance(Age::days(3));
    take(&scene, "run-4", &["shared/#2", "chk-2/_metadata"]).await;
    for day in 5..=last_day {
        scene.store.advance(Age::days(1));
        clean_run(&scene, &format!("run-{day}")).await;
    }
    scene
}

#[tokio::test]
async fn a_run_waits_for_the_quarantined_metadata_that_names_it() {
    let scene = entangled(9).await;
    let report = purged(&scene, "run-x", |_, _, _| {}).await;
    assert!(report.purged.is_empty());
    assert!(report.waiting[0].reasons[0].contains("quarantine of run run-4 names files of it"), "{report:?}");
    let scene = entangled(12).await;
    let report = purged(&scene, "run-x", |_, _, _| {}).await;
    assert_eq!(report.purged.len(), 2, "both are due, so neither waits: {report:?}");
    assert_eq!(report.purged[0].run_id, "run-1");
    // That the one which names it goes as well is no answer to a pin; and then the other one waits for it.
    let scene = entangled(12).await;
    scene.store.put(format!("{ROOT}/.chksweep/pins"), scene.at(&named("shared/#1")).to_string(), scene.old());
    let report = purged(&scene, "run-x", |_, _, _| {}).await;
    assert!(report.purged.is_empty(), "{report:?}");
    assert!(report.waiting[0].reasons.join("; ").contains("is pinned"), "{report:?}");
}

#[tokio::test]
async fn a_purge_in_slices_leaves_no_directories() {
    let scene = due().await;
    let report = purged_by(&scene, "run-10", |_, _, _| {}, 1, &Selection::default()).await;
    assert_eq!((report.purged[0].files, report.purged[0].complete), (2, true), "{report:?}");
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/quarantine/run-1")));
}

#[tokio::test]
#[should_panic(expected = "refusing to delete")]
async fn nothing_outside_a_quarantine_is_deleted() {
    let scene = due().await;
    let collected = look(&scene).await;
    let stamp = crate::own::Stamp { length: 1, modified: Timestamp(1) };
    let _step = slices::file_step(&collected.quarantine[0], &scene.at("shared"), stamp);
}

#[tokio::test]
async fn a_purge_goes_in_slices_with_metadata_first_and_can_be_broken_off() {
    let scene = entangled(12).await;
    let start = scene.faulty.faults().count(Call::DeleteTree);
    let report = purged_by(&scene, "run-x", |_, _, _| {}, 1, &Selection::default()).await;
    assert_eq!(report.purged.iter().map(|run| run.files).sum::<u64>(), 4, "{report:?}");
    assert!(scene.faulty.faults().count(Call::DeleteTree) > start + 1);
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/quarantine/run-1")));

    // Broken off after any change: never metadata without its files, and the next purge goes on.
    for nth in 1..12 {
        let scene = entangled(12).await;
        let cancel = scene.cancel.clone();
        let hook = chksweep_store::faults::Hook::new(move || cancel.cancel());
        scene.faulty.faults().add(Strike::change(Fault::After(hook)).nth(nth + 4));
        purged_by(&scene, "run-x", |_, _, _| {}, 1, &Selection::default()).await;
        let left = |below: &str, run: &str| scene.store.exists(quarantined(run, &named(below)));
        assert!(!left("chk-1/_metadata", "run-1") || left("shared/#2", "run-4"), "{nth}");
        assert!(!left("chk-2/_metadata", "run-4") || left("shared/#1", "run-1"), "{nth}");
        let mut again = scene;
        again.cancel = crate::cancel::Cancel::default();
        purged(&again, "run-y", |_, _, _| {}).await;
        let quarantine = format!("{ROOT}/.chksweep/quarantine/");
        assert!(
            !again.store.exists(format!("{quarantine}run-1"))
                && !again.store.exists(format!("{quarantine}run-4"))
        );
    }
}

#[tokio::test]
async fn the_list_tells_what_waits_for_what() {
    let scene = due().await;
    let collected = look(&scene).await;
    let records = all_records(&scene).await;
    let roots = [scene.root()];
    let conditions = PurgeConditions {
        collected: &collected,
        equivalence: &Equivalence::default(),
        policy: &Policy::default(),
        records: &records,
        roots: &roots,
        reference_roots: &[],
        now: scene.store.now().minus(Age::days(7)),
        purge_after: Age::days(7),
        this_run_is_clean: false,
        stop: None,
    };
    let listing = list(&scene.stores.reading(), &conditions).await;
    assert_eq!((listing.totals.files, listing.totals.bytes), (2, 200));
    assert_eq!(listing.totals.disk_bytes, Some(600));
    assert_eq!(listing.runs[0].run_id, "run-1");
    assert!(listing.runs[0].waits_for[0].starts_with("it is kept until"));
    let json = serde_json::to_value(&listing).unwrap();
    assert_eq!(json["runs"][0]["diskBytes"], 600);
}
