use chksweep_core::JobId;
use chksweep_core::plan::{DecisionTotals, JobState, JobSummary};
use chksweep_core::policy::DeadJob;
use chksweep_store::faults::Hook;
use chksweep_store::memory::Denied;
use chksweep_store::{Call, ErrorKind, Fault, Rule as Strike};

use super::*;
use crate::journal::{self, Mode};
use crate::own;
use crate::testing::{JOB, ROOT, quarantined};

const MERGED: &str = "job_d7f536ce31c588055f4f8282a9756920_op_x_0_2";

fn messages(report: &RestoreReport) -> String {
    report.restored.iter().filter_map(|file| file.message.clone()).collect::<Vec<_>>().join("; ")
}

fn rule_of(below: &str) -> Rule {
    match below {
        "" | "shared" | "taskowned" | "chk-1" | "chk-2" | "empty" => Rule::EmptyDirectory,
        "chk-1/_metadata" => Rule::RetiredCheckpoint,
        _ if below.contains(MERGED) => Rule::UnreferencedRunningState,
        _ => Rule::ExpiredJob,
    }
}

async fn sweep_everything(scene: &Scene, run: &str) -> ExecutionReport {
    scene.sweep(run, |below| Some(rule_of(below))).await
}

fn whole_job() -> Scene {
    let scene = Scene::new();
    for (below, length) in [("shared/#1", 3), ("shared/#2", 4), ("chk-2/#3", 5)] {
        scene.file(&named(below), length);
    }
    metadata(&scene, "chk-1/_metadata", 1, &[&named("shared/#1")], &[&uuid(4)]);
    scene.file(&named("chk-1/#4"), 100);
    scene.file(&format!("shared/{MERGED}/{}", uuid(5)), 9);
    scene.store.mkdir(path(&format!("shared/{MERGED}/sub")), scene.old());
    scene.store.mkdir(path("empty"), scene.old());
    scene.store.mkdir(path("taskowned"), scene.old());
    scene
}

/// What a sink keeps in `taskowned` no handle names, only a file of operator state, which was set aside as well.
#[tokio::test]
async fn a_checkpoint_comes_back_with_the_buffers_in_its_operator_state() {
    let names = format!("…/{}", uuid(1)).into_bytes();
    for (state, both) in [(names.as_slice(), false), (b"sNaPpY".as_slice(), true)] {
        let scene = Scene::new();
        scene.file(&named("taskowned/#1"), 9);
        scene.file(&named("taskowned/#2"), 9);
        sink(&scene, 7, Some(state));
        let whole = ["taskowned/#1", "taskowned/#2", "chk-7/_metadata", "chk-7/#97"];
        take(&scene, "run-1", &["taskowned/#1", "taskowned/#2", "chk-7/_metadata", "chk-7/#97"]).await;
        assert!(whole.iter().all(|path| !is_there(&scene, path)));
        let report = bring_back(&scene, "run-2", select_path(&scene, "chk-7/_metadata"), None, true).await;
        assert!(!report.is_partly_done(), "{report:?}");
        for (path, back) in whole.into_iter().zip([true, both, true, true]) {
            assert_eq!(is_there(&scene, path), back, "{path}");
        }
    }
}

/// A look that fails is not a file that is there.
#[tokio::test]
async fn a_checkpoint_stays_in_quarantine_while_what_it_names_cannot_be_looked_at() {
    for at in ["shared/#1", "chk-7/#2", "taskowned/#3"] {
        let scene = Scene::new();
        for below in ["shared/#1", "chk-7/#2", "taskowned/#3"] {
            scene.file(&named(below), 100);
        }
        metadata(
            &scene,
            "chk-7/_metadata",
            7,
            &[&named("shared/#1")],
            &[&uuid(2), &format!("x-{}", uuid(3))],
        );
        scene.file(&format!("chk-7/x-{}", uuid(3)), 100);
        take(&scene, "run-1", &["chk-7/_metadata", "shared/#1", "chk-7/#2", "taskowned/#3"]).await;
        let place = scene.at(&named(at));
        scene.faulty.faults().add(Strike::on(Call::Stat, Fault::Fail(ErrorKind::Other)).at(&place).forever());
        let request = select_path(&scene, "chk-7/_metadata");
        let report = bring_back(&scene, "run-2", request.clone(), None, true).await;
        assert!(messages(&report).contains("cannot be told"), "{report:?}");
        assert!(!is_there(&scene, "chk-7/_metadata") && !is_there(&scene, at), "{report:?}");
        scene.faulty.faults().clear();
        let report = bring_back(&scene, "run-3", request, None, true).await;
        assert!(!report.is_partly_done(), "{report:?}");
        assert!(is_there(&scene, "chk-7/_metadata") && is_there(&scene, at), "{report:?}");
    }
}

#[tokio::test]
async fn one_checkpoint_at_a_time_goes_elsewhere() {
    let scene = Scene::new();
    metadata(&scene, "chk-1/_metadata", 1, &[], &[]);
    metadata(&scene, "chk-2/_metadata", 2, &[], &[]);
    take(&scene, "run-1", &["chk-1/_metadata", "chk-2/_metadata"]).await;
    let to = scene.store.location("/rescued/chk");
    let report = bring_back(&scene, "run-2", all(), Some(to.clone()), true).await;
    assert_eq!(messages(&report).matches("only one checkpoint at a time").count(), 2, "{report:?}");
    assert!(!scene.store.exists("/rescued/chk/_metadata"));
    let one = select_path(&scene, "chk-2");
    assert!(!bring_back(&scene, "run-3", one, Some(to), true).await.is_partly_done());
}

/// A name relative to hostile metadata leads to what is chksweep's own: it stays, and the checkpoint with it.
#[tokio::test]
async fn a_relative_name_takes_nothing_of_our_own_along() {
    let scene = Scene::new();
    metadata(&scene, "chk-1/_metadata", 1, &[], &[".chksweep/lock"]);
    scene.store.put(path("chk-1/.chksweep/lock"), b"x", scene.old());
    take(&scene, "run-1", &["chk-1/_metadata"]).await;
    let to = scene.store.location("/rescued/chk-1");
    let report = bring_back(&scene, "run-2", all(), Some(to), false).await;
    assert!(report.is_partly_done(), "{report:?}");
    assert!(is_there(&scene, "chk-1/.chksweep/lock"));
}

/// Places for which no store is open are counted, and hold nothing back.
#[tokio::test]
async fn what_lies_out_of_reach_is_counted() {
    let scene = Scene::new();
    let far = ["s3://bucket/1", "s3://bucket/2"];
    let bytes = simple_metadata(4, 7, SimpleKind::Checkpoint, &far, &[], [1; 16]);
    scene.store.put(path("chk-7/_metadata"), bytes.clone(), scene.old());
    scene.store.put(path("chk-8/_metadata"), bytes, scene.old());
    take(&scene, "run-1", &["chk-7/_metadata", "chk-8/_metadata"]).await;
    let report = bring_back(&scene, "run-2", all(), None, true).await;
    assert!(!report.is_partly_done() && report.unchecked == 4, "{report:?}");
}

#[test]
fn a_newer_record_says_nothing_of_another_run() {
    let root = Location::normalised("mem", "m", b"/r");
    let run = QuarantinedRun {
        location: root.child(b".chksweep"),
        root,
        run_id: "run-1".to_owned(),
        started_at: None,
        newer_schema: None,
        files: Vec::new(),
        complete: true,
    };
    let record = |run_id: &str, schema: Option<u32>| RunRecord {
        newer_schema: schema,
        ..RunRecord::broken_off(run_id, None, None)
    };
    assert_eq!(newer_schema(&run, &[record("run-2", Some(99)), record("run-1", None)]), None);
    assert_eq!(newer_schema(&run, &[record("run-2", None), record("run-1", Some(99))]), Some(99));
    let told = QuarantinedRun { newer_schema: Some(98), ..run };
    assert_eq!(newer_schema(&told, &[]), Some(98));
}

/// How a newer program sets things aside is not known; what an older one did beside it comes back.
#[tokio::test]
async fn what_a_newer_program_set_aside_stays_and_the_rest_comes_back() {
    for (all_of_it, told) in [(true, 1), (false, 0)] {
        let scene = Scene::new();
        scene.file(&named("shared/#1"), 1);
        scene.file(&named("shared/#2"), 2);
        take(&scene, "run-1", &["shared/#1"]).await;
        take(&scene, "run-2", &["shared/#2"]).await;
        let mut collected = look(&scene).await;
        for run in &mut collected.quarantine {
            run.newer_schema = (run.run_id == "run-2").then_some(99);
        }
        let selection = Selection { runs: vec!["run-1".to_owned()], ..Selection::default() };
        let request = RestoreRequest {
            metadata: &collected.metadata,
            unsearched: &collected.unsearched,
            quarantine: &collected.quarantine,
            equivalence: &Equivalence::default(),
            selection: if all_of_it { all() } else { selection },
            to: None,
            records: &all_records(&scene).await,
            dead: &BTreeSet::new(),
        };
        let mut running = scene.begin("run-3").await;
        let report = restore(&mut running, &request).await;
        running.finish(true).await.unwrap();
        assert!(is_there(&scene, "shared/#1") && !is_there(&scene, "shared/#2"), "{report:?}");
        assert_eq!(messages(&report).matches("schema 99").count(), told, "{report:?}");
    }
}

#[tokio::test]
async fn a_sweep_and_its_undoing_leave_the_tree_as_it_was() {
    let scene = whole_job();
    let before = scene.tree();
    let report = sweep_everything(&scene, "run-1").await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert_eq!(scene.tree().len(), 1, "all of the job is gone: {:?}", scene.tree().keys());
    let report = bring_back(&scene, "run-2", all(), None, true).await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert_eq!(scene.tree(), before);
    assert!(
        !scene.store.exists(format!("{ROOT}/.chksweep/quarantine/run-1")),
        "no empty directories are left"
    );
    let text = scene.store.contents(format!("{ROOT}/.chksweep/runs/run-2.jsonl")).unwrap();
    assert!(journal::verify(text.as_ref()).unwrap().is_ok());
}

#[tokio::test]
async fn a_kill_at_any_point_of_a_restore_leaves_what_another_restore_completes() {
    let full = whole_job();
    let before = full.tree();
    sweep_everything(&full, "run-1").await;
    let start = full.faulty.faults().changes();
    bring_back(&full, "run-2", all(), None, true).await;
    let total = full.faulty.faults().changes() - start;
    assert!(total > 10);
    for nth in 1..=total {
        for fault in [Fault::Hang, Fault::HangAfter] {
            let scene = whole_job();
            sweep_everything(&scene, "run-1").await;
            scene.faulty.faults().add(Strike::change(fault.clone()).nth(nth).forever());
            let restoring = bring_back(&scene, "run-2", all(), None, true);
            assert!(tokio::time::timeout(Duration::from_millis(40), restoring).await.is_err());
            scene.faulty.faults().clear();
            assert!(!is_there(&scene, "chk-1/_metadata") || is_there(&scene, "chk-1/#4"), "{nth} {fault:?}");
            let mut options = scene.options("run-3");
            options.break_lock = Some(crate::lock::BreakLock::Any);
            scene.try_begin(options).await.unwrap().finish(true).await.unwrap();
            bring_back(&scene, "run-4", all(), None, true).await;
            assert_eq!(scene.tree(), before, "{nth} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_part_of_a_run_comes_back_by_path_or_job() {
    let scene = whole_job();
    sweep_everything(&scene, "run-1").await;
    bring_back(&scene, "run-2", select_path(&scene, "shared/#2"), None, false).await;
    assert!(is_there(&scene, "shared/#2") && !is_there(&scene, "shared/#1") && !is_there(&scene, "chk-2"));
    bring_back(&scene, "run-3", select_path(&scene, "chk-2"), None, false).await;
    assert!(is_there(&scene, "chk-2/#3") && !is_there(&scene, "empty"));
    let other = Selection { jobs: vec![JobId([7; 16])], ..Selection::default() };
    assert!(bring_back(&scene, "run-4", other, None, true).await.restored.is_empty());
    let job = Selection { jobs: vec![JobId::parse(JOB.as_bytes()).unwrap()], ..Selection::default() };
    assert!(!bring_back(&scene, "run-5", job, None, true).await.is_partly_done());
    assert_eq!(scene.tree(), whole_job().tree());
    assert!(bring_back(&scene, "run-6", Selection::default(), None, true).await.restored.is_empty());
}

#[tokio::test]
async fn nothing_is_replaced() {
    let scene = whole_job();
    sweep_everything(&scene, "run-1").await;
    scene.store.put(path(&named("shared/#1")), b"another", scene.store.now());
    let report = bring_back(&scene, "run-2", select_path(&scene, "shared"), None, false).await;
    assert!(report.is_partly_done());
    assert_eq!(scene.store.contents(path(&named("shared/#1"))).unwrap(), "another");
    assert!(is_there(&scene, "shared/#2"));
    assert!(scene.store.exists(quarantined("run-1", &named("shared/#1"))));
}

/// Its `_metadata` went in one run, its files in two later ones.
async fn retired_over_three_runs() -> Scene {
    let scene = Scene::new();
    for below in ["shared/#1", "shared/#2", "chk-5/#3"] {
        scene.file(&named(below), 100);
    }
    metadata(&scene, "chk-5/_metadata", 5, &[&named("shared/#1"), &named("shared/#2")], &[&uuid(3)]);
    metadata(&scene, "chk-9/_metadata", 9, &[], &[]);
    scene.store.set_modified(path("chk-9/_metadata"), scene.old().plus(Age::hours(1)));
    take(&scene, "run-1", &["chk-5/_metadata"]).await;
    scene.store.advance(Age::days(2));
    take(&scene, "run-2", &["shared/#1", "chk-5/#3"]).await;
    scene.store.advance(Age::days(1));
    take(&scene, "run-3", &["shared/#2"]).await;
    scene
}

#[tokio::test]
async fn a_metadata_comes_back_with_everything_that_it_names_from_any_run() {
    let scene = retired_over_three_runs().await;
    let report = bring_back(&scene, "run-4", select_path(&scene, "chk-5/_metadata"), None, false).await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert_eq!(report.restored.len(), 4);
    for below in ["chk-5/_metadata", "chk-5/#3", "shared/#1", "shared/#2"] {
        assert!(is_there(&scene, below), "{below}");
    }
    for run in ["run-1", "run-2", "run-3"] {
        assert!(!scene.store.exists(format!("{ROOT}/.chksweep/quarantine/{run}")), "{run}");
    }
    // The `_metadata` came last, so that it was never there without its files.
    let file = own::journal_file(&scene.root(), "run-4");
    let text = scene.store.contents(file.path()).unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let last = text.lines().rfind(|line| line.contains("\"record\":\"operation\"")).unwrap();
    assert!(last.contains("chk-5/_metadata"), "{last}");
}

#[tokio::test]
async fn a_checkpoint_comes_back_whole_or_not_at_all() {
    // A file that it names is gone for good.
    let scene = retired_over_three_runs().await;
    scene.store.remove(quarantined("run-3", &named("shared/#2")));
    let before = scene.tree();
    let report = bring_back(&scene, "run-4", select_path(&scene, "chk-5/_metadata"), None, false).await;
    assert!(messages(&report).contains(&uuid(2)), "{}", messages(&report));
    assert_eq!(scene.tree(), before);
    // One cannot be moved.
    let scene = retired_over_three_runs().await;
    scene.store.deny(path("shared"), Denied::Changing);
    let before = scene.tree();
    let report = bring_back(&scene, "run-4", select_path(&scene, "chk-5/_metadata"), None, false).await;
    assert!(report.is_partly_done());
    assert_eq!(scene.tree(), before);
    assert!(scene.store.exists(quarantined("run-2", &named("chk-5/#3"))), "what had moved goes back");
    // What lay in place is deleted while the others come back.
    let scene = retired_over_three_runs().await;
    bring_back(&scene, "run-4", select_path(&scene, "shared/#1"), None, false).await;
    assert!(is_there(&scene, "shared/#1"));
    let (store, gone) = (scene.store.clone(), path(&named("shared/#1")));
    let hook = Hook::new(move || {
        store.remove(&gone);
    });
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::After(hook)));
    let report = bring_back(&scene, "run-5", select_path(&scene, "chk-5/_metadata"), None, false).await;
    assert!(messages(&report).contains(&uuid(1)), "{}", messages(&report));
    for below in ["chk-5/_metadata", "chk-5/#3", "shared/#2"] {
        assert!(!is_there(&scene, below), "{below}");
    }
    // The last step fails.
    let scene = retired_over_three_runs().await;
    let before = scene.tree();
    let at = scene.store.location(quarantined("run-1", "chk-5/_metadata"));
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::Fail(ErrorKind::PermissionDenied)).at(&at));
    let report = bring_back(&scene, "run-4", select_path(&scene, "chk-5/_metadata"), None, false).await;
    assert!(report.is_partly_done());
    let files = |tree: std::collections::BTreeMap<Location, chksweep_store::memory::Seen>| {
        tree.into_iter().filter(|(_, seen)| seen.0 == chksweep_store::EntryKind::File).collect::<Vec<_>>()
    };
    assert_eq!(files(scene.tree()), files(before));
}

/// The job id was used again: the newest checkpoint has a lower number.
async fn of_a_reused_id(options: impl FnOnce(&mut crate::run::RunOptions)) -> Scene {
    let scene = Scene::new();
    scene.file(&named("chk-50/#3"), 100);
    scene.file(&named("shared/#1"), 100);
    metadata(&scene, "chk-50/_metadata", 50, &[&named("shared/#1")], &[&uuid(3)]);
    metadata(&scene, "chk-3/_metadata", 3, &[], &[]);
    scene.store.set_modified(path("chk-3/_metadata"), scene.old().plus(Age::days(1)));
    let mut given = scene.options("run-1");
    options(&mut given);
    let mut run = scene.try_begin(given).await.unwrap();
    let actions = scene.actions(|below| (below == "chk-50/_metadata").then_some(Rule::RetiredCheckpoint));
    crate::testing::carry(&mut run, actions).await;
    run.finish(true).await.unwrap();
    scene
}

#[tokio::test]
async fn a_metadata_goes_back_in_place_only_where_no_job_comes_to_its_number() {
    let what = |scene: &Scene| select_path(scene, "chk-50/_metadata");
    let scene = of_a_reused_id(|_| {}).await;
    let report = bring_back(&scene, "run-2", what(&scene), None, false).await;
    assert!(messages(&report).contains("--to"), "{}", messages(&report));
    assert!(!is_there(&scene, "chk-50/_metadata"));
    // The job is dead now.
    assert!(!bring_back(&scene, "run-3", what(&scene), None, true).await.is_partly_done());
    assert!(is_there(&scene, "chk-50/_metadata"));
    // It was declared dead when it was moved.
    let job = JobId::parse(JOB.as_bytes()).unwrap();
    let scene = of_a_reused_id(|options| options.dead_jobs = vec![DeadJob::Id(job)]).await;
    assert!(!bring_back(&scene, "run-2", what(&scene), None, false).await.is_partly_done());
    // A newer checkpoint of the same number and above, but of another job.
    let scene = of_a_reused_id(|_| {}).await;
    let bytes = simple_metadata(4, 60, SimpleKind::Checkpoint, &[], &[], [9; 16]);
    scene.store.put(path("chk-60/_metadata"), bytes, scene.old().plus(Age::days(2)));
    assert!(bring_back(&scene, "run-2", what(&scene), None, false).await.is_partly_done());
    // One operator of three is the same: less than half.
    let bytes = [2, 3]
        .into_iter()
        .fold(MetadataWriter::v4(60).checkpoint().operator([1; 16]), |writer, id| writer.operator([id; 16]));
    scene.store.put(path("chk-60/_metadata"), bytes.bytes(), scene.old().plus(Age::days(2)));
    assert!(bring_back(&scene, "run-3", what(&scene), None, false).await.is_partly_done());
    let bytes = MetadataWriter::v4(60).checkpoint().operator([1; 16]).operator([2; 16]).bytes();
    scene.store.put(path("chk-60/_metadata"), bytes, scene.old().plus(Age::days(2)));
    assert!(!bring_back(&scene, "run-4", what(&scene), None, false).await.is_partly_done());
}

#[test]
fn only_directories_of_jobs_that_are_proved_dead_count_as_dead() {
    let job = |name: &str, state| JobSummary {
        job: None,
        name: None,
        directories: vec![format!("/r/{name}")],
        checkpoints: 0,
        newest: None,
        state,
        last_activity: None,
        decisions: DecisionTotals::default(),
    };
    let jobs =
        [job("dead", Some(JobState::Dead)), job("living", Some(JobState::Living)), job("unknown", None)];
    assert_eq!(dead_directories(&jobs), ["/r/dead".to_owned()].into());
}

#[tokio::test]
async fn elsewhere_a_checkpoint_takes_what_is_relative_to_it_along() {
    let scene = of_a_reused_id(|_| {}).await;
    let what = select_path(&scene, "chk-50/_metadata");
    let to = scene.store.location("/rescued/chk-50");
    let report = bring_back(&scene, "run-2", what.clone(), Some(to.clone()), false).await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert!(scene.store.exists("/rescued/chk-50/_metadata"));
    assert!(
        scene.store.exists(format!("/rescued/chk-50/{}", uuid(3))),
        "it is named relative to the metadata"
    );
    assert!(is_there(&scene, "shared/#1"), "it is named by its path");
    // What lies in the way is not replaced.
    let scene = of_a_reused_id(|_| {}).await;
    scene.store.put("/rescued/chk-50/_metadata", b"mine", scene.store.now());
    assert!(bring_back(&scene, "run-2", what.clone(), Some(to.clone()), false).await.is_partly_done());
    assert_eq!(scene.store.contents("/rescued/chk-50/_metadata").unwrap(), "mine");
    // A file beside it that other metadata names stays where it is, and so does all of it.
    let scene = of_a_reused_id(|_| {}).await;
    metadata(&scene, "chk-4/_metadata", 4, &[&named("chk-50/#3")], &[]);
    let before = scene.tree();
    let report = bring_back(&scene, "run-2", what, Some(to), false).await;
    assert!(messages(&report).contains("chk-4/_metadata"), "{}", messages(&report));
    assert_eq!(scene.tree(), before);
}

#[tokio::test]
async fn a_savepoint_goes_back_in_place_and_deleted_files_do_not_come_back() {
    let mut scene = Scene::new();
    scene.mode = Mode::Delete;
    let home = "savepoint-d7f536-0123456789ab";
    metadata(&scene, &format!("{home}/_metadata"), 8, &[], &[&uuid(3)]);
    scene.file(&named(&format!("{home}/#3")), 100);
    take(&scene, "run-1", &["savepoint-d7f536-0123456789ab/_metadata"]).await;
    assert!(!bring_back(&scene, "run-2", all(), None, false).await.is_partly_done());
    take(&scene, "run-3", &["savepoint-d7f536-0123456789ab/_metadata"]).await;
    take(&scene, "run-4", &["savepoint-d7f536-0123456789ab/#3"]).await;
    let report = bring_back(&scene, "run-5", all(), None, false).await;
    assert!(messages(&report).contains("not everything that it names is left"), "{}", messages(&report));
}

/// It has a time of now, by which a job that was declared dead seemed to be running.
#[tokio::test]
async fn an_empty_directory_that_is_made_again_is_no_sign_of_life() {
    let scene = Scene::new();
    scene.file("chk-7/_metadata", 10);
    scene.store.mkdir(path("chk-8"), scene.old());
    take(&scene, "run-1", &["chk-8"]).await;
    let before = scene.inventory();
    let report = bring_back(&scene, "run-2", all(), None, true).await;
    assert!(scene.store.exists(path("chk-8")), "{report:?}");
    let touched = report.touched(&before);
    for at in [scene.at("chk-8"), scene.at("x").parent().unwrap()] {
        assert!(touched.contains(&at.to_string()), "{at}: {touched:?}");
    }
    assert!(!report.touched(&scene.inventory()).contains(&scene.at("chk-8").to_string()), "not its own");
}
