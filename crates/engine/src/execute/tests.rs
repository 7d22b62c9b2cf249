use std::time::Duration;

use chksweep_core::plan::Rule;
use chksweep_core::{Age, JobId};
use chksweep_store::faults::Hook;
use chksweep_store::memory::Denied;
use chksweep_store::{Call, ErrorKind, Fault, Rule as Strike};
use tokio::time::Instant;

use super::*;
use crate::actions::{ActionOptions, What, actions};
use crate::journal::{self, Found, Mode, Outcome};
use crate::own;
use crate::testing::{JOB, ROOT, Scene, carry, path, quarantined, uuid};

const MERGED: &str = "job_d7f536ce31c588055f4f8282a9756920_tm_host-1";

/// A job with something for each kind of action.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("chk-7/_metadata", 10);
    scene.file(&format!("chk-7/{}", uuid(1)), 100);
    scene.file(&format!("chk-9/{}", uuid(2)), 5);
    scene.file(&format!("shared/{}", uuid(3)), 7);
    scene.file(&format!("shared/{}", uuid(4)), 8);
    scene.file(&format!("taskowned/{MERGED}/{}", uuid(5)), 9);
    scene.file(&format!("taskowned/{MERGED}/{}", uuid(6)), 9);
    scene.store.mkdir(path("chk-8"), scene.old());
    scene
}

/// Sweeps an old checkpoint, an abandoned one, an empty one, a shared file and a merged directory; keeps the rest.
fn rules(below: &str) -> Option<Rule> {
    Some(match below {
        "chk-7/_metadata" => Rule::RetiredCheckpoint,
        "chk-8" | "chk-9" => Rule::EmptyDirectory,
        _ if below.starts_with("chk-9/") => Rule::AbandonedCheckpoint,
        _ if below == format!("shared/{}", uuid(3)) => Rule::UnreferencedShared,
        _ if below.contains(MERGED) => Rule::UnreferencedRunningState,
        _ => return None,
    })
}

fn shared(n: u64) -> String {
    format!("shared/{}", uuid(n))
}

#[tokio::test]
async fn what_both_plans_sweep_goes_and_nothing_else() {
    let scene = scene();
    let before = scene.tree();
    let report = scene.sweep("run-1", rules).await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert_eq!(report.count(Outcome::Done).files, 5);
    assert_eq!(report.count(Outcome::Done).bytes, 10 + 5 + 7 + 18);
    let after = scene.tree();
    for gone in ["chk-7/_metadata", "chk-8", "chk-9", &shared(3), &format!("taskowned/{MERGED}")] {
        assert!(!after.contains_key(&scene.at(gone)), "{gone} is still there");
        assert!(scene.store.exists(quarantined("run-1", gone)), "{gone} is not in the quarantine");
    }
    assert!(after.iter().all(|(at, seen)| before.get(at) == Some(seen)));
    assert!(after.contains_key(&scene.at(&shared(4))));
    assert!(after.contains_key(&scene.at("taskowned")));
    assert!(scene.store.is_private(format!("{ROOT}/.chksweep")));
    assert!(scene.store.is_private(quarantined("run-1", "chk-7")));
}

#[tokio::test]
async fn metadata_goes_first_then_files_then_directories() {
    let scene = scene();
    let actions = scene.actions(rules);
    let order: Vec<_> = actions.list.iter().map(|action| action.path.clone()).collect();
    let expected = [
        "chk-7/_metadata".to_owned(),
        format!("chk-9/{}", uuid(2)),
        shared(3),
        format!("taskowned/{MERGED}"),
        "chk-8".to_owned(),
        "chk-9".to_owned(),
    ];
    assert_eq!(order, expected.map(|below| scene.at(&below)));
    assert!(matches!(actions.list[3].what, What::Tree { .. }));
    assert!(actions.touched().contains(&scene.at("chk-7").to_string()));
}

#[tokio::test]
async fn only_what_both_plans_sweep_is_done() {
    let scene = scene();
    let approved = scene.approved(rules);
    let fresh = scene.fresh(|below| rules(below).filter(|rule| *rule != Rule::UnreferencedShared));
    let out = actions(&fresh, &approved, &ActionOptions::default()).unwrap();
    assert!(out.list.iter().all(|action| action.path != scene.at(&shared(3))));
    assert_eq!(out.dropped.len(), 1);
    assert_eq!(out.dropped[0].why, DroppedWhy::NotSwept);
    // The other way round: what only the fresh plan sweeps is not even mentioned.
    let approved = scene.approved(|below| rules(below).filter(|rule| *rule != Rule::UnreferencedShared));
    let out = actions(&scene.fresh(rules), &approved, &ActionOptions::default()).unwrap();
    assert!(out.list.iter().all(|action| action.path != scene.at(&shared(3))) && out.dropped.is_empty());
}

#[tokio::test]
async fn what_changed_between_the_plans_is_left_alone() {
    let scene = scene();
    let approved = scene.approved(rules);
    scene.store.set_modified(path(&shared(3)), scene.store.now());
    scene.file(&format!("taskowned/{MERGED}/{}", uuid(7)), 1);
    scene.file(&format!("chk-9/{}", uuid(8)), 1);
    scene.store.remove(path("chk-7/_metadata"));
    let out = actions(&scene.fresh(rules), &approved, &ActionOptions::default()).unwrap();
    assert_eq!(out.list.len(), 1, "only chk-8 is as it was: {:?}", out.list);
    let mut why: Vec<_> = out.dropped.iter().map(|dropped| dropped.why).collect();
    why.sort();
    assert_eq!(why, [DroppedWhy::Gone, DroppedWhy::Changed, DroppedWhy::Changed, DroppedWhy::Changed]);
}

#[tokio::test]
async fn an_excluded_job_is_left_alone() {
    let scene = scene();
    let options =
        ActionOptions { exclude_jobs: vec![JobId::parse(JOB.as_bytes()).unwrap()], mode: Mode::Quarantine };
    let out = actions(&scene.fresh(rules), &scene.approved(rules), &options).unwrap();
    assert!(out.list.is_empty());
    assert!(out.dropped.iter().all(|dropped| dropped.why == DroppedWhy::Excluded));
}

#[tokio::test]
async fn a_part_of_a_merged_directory_is_never_taken() {
    let scene = scene();
    let one = format!("taskowned/{MERGED}/{}", uuid(5));
    let part = move |below: &str| (below == one).then_some(Rule::UnreferencedRunningState);
    let out = actions(&scene.fresh(part.clone()), &scene.approved(part), &ActionOptions::default()).unwrap();
    assert!(out.list.is_empty());
    // Nor where the approved plan sweeps all of it and the fresh one does not.
    let one = format!("taskowned/{MERGED}/{}", uuid(5));
    let fresh = scene.fresh(|below| rules(below).filter(|_| below != one));
    let out = actions(&fresh, &scene.approved(rules), &ActionOptions::default()).unwrap();
    assert!(out.list.iter().all(|action| !action.path.is_within(&scene.at("taskowned"))), "{:?}", out.list);
}

#[tokio::test]
async fn a_plan_over_a_limit_or_of_another_inventory_gives_no_actions() {
    let scene = scene();
    let (mut plan, inventory) = scene.plan(rules);
    plan.summary.decisions.sweep.files += 1;
    let fresh = crate::actions::Fresh::unproved(plan, inventory);
    assert!(actions(&fresh, &[], &ActionOptions::default()).is_err());
    let (mut plan, inventory) = scene.plan(rules);
    plan.brakes.push(chksweep_core::plan::Brake {
        limit: "max-sweep-ratio".into(),
        root: None,
        message: "too much".into(),
    });
    let fresh = crate::actions::Fresh::unproved(plan, inventory);
    assert!(actions(&fresh, &[], &ActionOptions::default()).is_err());
}

#[tokio::test]
async fn a_file_that_changes_after_the_plans_is_left_alone() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    scene.store.put(path(&shared(3)), b"another", scene.store.now());
    let report = carry(&mut run, actions).await;
    assert_eq!(report.count(Outcome::Changed).operations, 1);
    assert!(scene.store.exists(path(&shared(3))));
    assert!(!report.is_partly_done(), "a change is no failure");
    run.finish(true).await.unwrap();
}

#[tokio::test]
async fn what_lies_beside_a_metadata_that_stayed_stays() {
    let scene = scene();
    let all = |below: &str| match below {
        "chk-7/_metadata" => Some(Rule::RetiredCheckpoint),
        "chk-7" => Some(Rule::EmptyDirectory),
        _ => below.starts_with("chk-7/").then_some(Rule::UnreferencedExclusive),
    };
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(all);
    scene.store.set_modified(path("chk-7/_metadata"), scene.store.now());
    let before = scene.tree();
    let report = carry(&mut run, actions).await;
    assert_eq!(scene.tree(), before);
    assert_eq!(report.count(Outcome::NotStarted).operations, 2);
    run.finish(true).await.unwrap();
}

#[tokio::test]
async fn something_new_in_a_directory_keeps_it() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    scene.file("chk-8/new", 3);
    let report = carry(&mut run, actions).await;
    assert!(scene.store.exists(path("chk-8/new")));
    assert_eq!(report.count(Outcome::NotEmpty).operations, 1);
    assert!(!report.is_partly_done());
    run.finish(true).await.unwrap();
}

/// Something arrives between the look and the rename of a whole directory.
#[tokio::test]
async fn a_directory_that_is_written_to_while_it_moves_is_put_back() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let from = scene.at(&format!("taskowned/{MERGED}"));
    let (store, new) = (scene.store.clone(), path(&format!("taskowned/{MERGED}/{}", uuid(99))));
    let hook = Hook::new(move || store.put(&new, b"written by a living job", store.now()));
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::Before(hook)).at(&from));
    let report = carry(&mut run, actions).await;
    assert_eq!(report.count(Outcome::PutBack).operations, 1);
    for n in [5, 6, 99] {
        assert!(scene.store.exists(path(&format!("taskowned/{MERGED}/{}", uuid(n)))), "{n}");
    }
    assert!(scene.ears.heard().iter().any(|message| message.contains("put back")));
    run.finish(true).await.unwrap();
}

/// The same, and the job makes the directory anew before it is put back.
#[tokio::test]
async fn a_directory_whose_old_place_is_taken_again_is_put_back_file_by_file() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let from = scene.at(&format!("taskowned/{MERGED}"));
    let (store, new) = (scene.store.clone(), path(&format!("taskowned/{MERGED}/{}", uuid(98))));
    let before = Hook::new(move || store.put(&new, b"late", store.now()));
    let (store, new) = (scene.store.clone(), path(&format!("taskowned/{MERGED}/{}", uuid(99))));
    let after = Hook::new(move || store.put(&new, b"later", store.now()));
    scene.faulty.faults().add(Strike::on(Call::List, Fault::After(before)).at(&from));
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::After(after)).at(&from));
    let report = carry(&mut run, actions).await;
    assert_eq!(report.count(Outcome::PutBack).operations, 1, "{report:?}");
    for n in [5, 6, 98, 99] {
        assert!(scene.store.exists(path(&format!("taskowned/{MERGED}/{}", uuid(n)))), "{n}");
    }
    assert!(!scene.store.exists(quarantined("run-1", &format!("taskowned/{MERGED}"))));
    run.finish(true).await.unwrap();
}

/// A reused job id completes a checkpoint of the same number between the look and the rename.
#[tokio::test]
async fn a_metadata_that_is_another_when_it_arrives_goes_back() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let (store, place) = (scene.store.clone(), path("chk-7/_metadata"));
    let hook = Hook::new(move || store.put(&place, b"of another run", store.now()));
    let at = scene.at("chk-7/_metadata");
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::Before(hook)).at(&at));
    let report = carry(&mut run, actions).await;
    assert_eq!(scene.store.contents(path("chk-7/_metadata")).unwrap(), "of another run");
    assert_eq!(report.count(Outcome::PutBack).operations, 1);
    run.finish(true).await.unwrap();
}

#[tokio::test]
async fn delete_and_trash_take_everything_but_metadata_for_good() {
    for mode in [Mode::Delete, Mode::Trash] {
        let mut scene = scene();
        scene.mode = mode;
        scene.store.set_trash(true);
        let report = scene.sweep("run-1", rules).await;
        assert!(!report.is_partly_done(), "{report:?}");
        assert!(scene.store.exists(quarantined("run-1", "chk-7/_metadata")), "{mode:?}");
        assert!(!scene.store.exists(quarantined("run-1", "shared")));
        assert!(!scene.store.exists(path(&format!("taskowned/{MERGED}"))), "file by file, then empty");
        let trash = format!("/user/test/.Trash/Current{ROOT}/{JOB}/{}", shared(3));
        assert_eq!(scene.store.exists(trash), mode == Mode::Trash);
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    for (kind, call) in [
        (ErrorKind::TimedOut, Call::Rename),
        (ErrorKind::Other, Call::Rename),
        (ErrorKind::Unreachable, Call::RemoveDirectory),
        (ErrorKind::TimedOut, Call::MakeDirectories),
    ] {
        let scene = scene();
        let mut run = scene.begin("run-1").await;
        let actions = scene.actions(rules);
        scene.faulty.faults().add(Strike::on(call, Fault::Lose(kind)).nth(2));
        let report = carry(&mut run, actions).await;
        assert_eq!(report.count(Outcome::Done).files, 5, "{kind:?} {call:?}: {report:?}");
        assert!(!report.is_partly_done(), "{kind:?} {call:?}: {report:?}");
        run.finish(true).await.unwrap();
    }
}

#[tokio::test]
async fn an_outcome_that_nobody_can_tell_is_unknown_and_settled_later() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let at = scene.at(&shared(3));
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::Lose(ErrorKind::TimedOut)).at(&at));
    scene.faulty.faults().add(Strike::on(Call::Stat, Fault::Fail(ErrorKind::Other)).at(&at).nth(2));
    let report = carry(&mut run, actions).await;
    assert_eq!(report.count(Outcome::Unknown).operations, 1, "{report:?}");
    assert!(report.is_partly_done());
    run.finish(true).await.unwrap();
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/runs/run-1.end.json")));
    scene.begin("run-2").await.finish(true).await.unwrap();
    assert_eq!(settled(&scene, "run-2").await, [(scene.at(&shared(3)), Found::Target)]);
    assert!(scene.store.exists(format!("{ROOT}/.chksweep/runs/run-1.end.json")));
}

async fn settled(scene: &Scene, run: &str) -> Vec<(chksweep_core::Location, Found)> {
    let file = own::journal_file(&scene.root(), run);
    let contents = journal::read(&scene.store, &file).await.unwrap();
    contents.settled.into_iter().map(|settled| (settled.from.0, settled.found)).collect()
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_while_is_waited_for() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::Fail(ErrorKind::Busy)).nth(2).times(4));
    let report = carry(&mut run, actions).await;
    assert_eq!(report.count(Outcome::Done).files, 5, "{report:?}");
    run.finish(true).await.unwrap();
}

#[tokio::test]
async fn a_store_that_stays_away_stops_the_run_in_a_consistent_state() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::Fail(ErrorKind::Busy)).nth(2).forever());
    let report = carry(&mut run, actions).await;
    assert!(report.stopped.is_some() && !report.interrupted);
    assert_eq!(report.count(Outcome::Done).files, 1);
    assert_eq!(report.count(Outcome::Unknown).operations, 0);
    let record = run.finish(true).await.unwrap();
    assert!(record.interrupted && !record.clean);
    scene.faulty.faults().clear();
    let report = scene.sweep("run-2", rules).await;
    assert_eq!(report.count(Outcome::Done).files, 4);
}

#[tokio::test]
async fn what_is_not_allowed_is_reported_and_the_rest_goes_on() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    scene.store.deny(path("shared"), Denied::Changing);
    let report = carry(&mut run, actions).await;
    assert_eq!(report.count(Outcome::Failed).operations, 1);
    assert_eq!(report.count(Outcome::Done).files, 4);
    assert!(report.is_partly_done());
    let record = run.finish(true).await.unwrap();
    assert!(!record.clean && !record.interrupted, "a failure is not clean");
    assert!(scene.begin("run-2").await.finish(true).await.unwrap().clean);
    assert!(!scene.begin("run-3").await.finish(false).await.unwrap().clean);
}

#[tokio::test]
async fn a_wish_to_stop_leaves_a_consistent_state_and_the_next_run_goes_on() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let cancel = scene.cancel.clone();
    scene
        .faulty
        .faults()
        .add(Strike::on(Call::Rename, Fault::After(Hook::new(move || cancel.cancel()))).nth(2));
    let report = carry(&mut run, actions).await;
    assert!(report.interrupted);
    assert!(report.count(Outcome::NotStarted).operations > 0);
    let record = run.finish(true).await.unwrap();
    assert!(record.interrupted && !record.clean);
    let text = scene.store.contents(format!("{ROOT}/.chksweep/runs/run-1.jsonl")).unwrap();
    assert!(journal::verify(text.as_ref()).unwrap().unwrap().ended);
    let mut again = scene;
    again.cancel = crate::cancel::Cancel::default();
    again.sweep("run-2", rules).await;
    assert!(!again.store.exists(path("chk-8")));
    assert!(again.store.exists(path(&shared(4))));
}

/// A kill is a future that is dropped.
#[tokio::test]
async fn whatever_a_kill_leaves_the_next_run_settles_and_goes_on() {
    let full = scene();
    full.sweep("run-1", rules).await;
    let (expected, total) = (full.tree(), full.faulty.faults().changes());
    for nth in 1..=total {
        for fault in [Fault::Hang, Fault::HangAfter] {
            let scene = scene();
            scene.faulty.faults().add(Strike::change(fault.clone()).nth(nth).forever());
            let killed = tokio::time::timeout(Duration::from_millis(50), scene.sweep("run-1", rules)).await;
            assert!(killed.is_err(), "{nth} {fault:?}");
            scene.faulty.faults().clear();
            let mut options = scene.options("run-2");
            options.break_lock = Some(crate::lock::BreakLock::Any);
            let mut run = scene.try_begin(options).await.unwrap();
            let actions = scene.actions(rules);
            let report = carry(&mut run, actions).await;
            assert!(!report.is_partly_done(), "{nth} {fault:?}: {report:?}");
            run.finish(true).await.unwrap();
            assert_eq!(scene.tree(), expected, "{nth} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_directory_that_was_moved_with_too_much_before_a_kill_is_put_back() {
    let scene = scene();
    let from = scene.at(&format!("taskowned/{MERGED}"));
    let (store, new) = (scene.store.clone(), path(&format!("taskowned/{MERGED}/{}", uuid(99))));
    let hook = Hook::new(move || store.put(&new, b"late", store.now()));
    scene.faulty.faults().add(Strike::on(Call::List, Fault::After(hook)).at(&from));
    scene.faulty.faults().add(Strike::on(Call::Rename, Fault::HangAfter).at(&from));
    let killed = tokio::time::timeout(Duration::from_millis(50), scene.sweep("run-1", rules)).await;
    assert!(killed.is_err());
    assert!(!scene.store.exists(path(&format!("taskowned/{MERGED}"))));
    scene.faulty.faults().clear();
    let mut options = scene.options("run-2");
    options.break_lock = Some(crate::lock::BreakLock::Any);
    scene.try_begin(options).await.unwrap().finish(true).await.unwrap();
    assert!(scene.store.exists(path(&format!("taskowned/{MERGED}/{}", uuid(99)))));
    assert_eq!(settled(&scene, "run-2").await, [(from, Found::PutBack)]);
}

/// Nothing names a `_metadata`: one that a job completed under the name of the planned one comes back only this way.
#[tokio::test]
async fn a_metadata_that_another_had_become_before_a_kill_is_put_back() {
    for is_another in [true, false] {
        let scene = scene();
        let from = scene.at("chk-7/_metadata");
        let retires = |below: &str| (below == "chk-7/_metadata").then_some(Rule::RetiredCheckpoint);
        if is_another {
            let store = scene.store.clone();
            let hook = Hook::new(move || store.put(path("chk-7/_metadata"), b"another", store.now()));
            scene.faulty.faults().add(Strike::on(Call::Stat, Fault::After(hook)).at(&from).nth(1));
        }
        scene.faulty.faults().add(Strike::on(Call::Rename, Fault::HangAfter).at(&from));
        let killed = tokio::time::timeout(Duration::from_millis(50), scene.sweep("run-1", retires)).await;
        assert!(killed.is_err());
        assert!(!scene.store.exists(path("chk-7/_metadata")));
        scene.faulty.faults().clear();
        let mut options = scene.options("run-2");
        options.break_lock = Some(crate::lock::BreakLock::Any);
        scene.try_begin(options).await.unwrap().finish(true).await.unwrap();
        assert_eq!(scene.store.exists(path("chk-7/_metadata")), is_another);
        let found = if is_another { Found::PutBack } else { Found::Target };
        assert_eq!(settled(&scene, "run-2").await, [(from, found)]);
    }
}

#[tokio::test]
async fn an_old_reading_is_renewed_and_what_it_names_stays() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let options = ExecuteOptions { batch: 1, revalidate_after: Duration::ZERO, ..ExecuteOptions::default() };
    let again = || {
        let fresh = scene.fresh(|below| rules(below).filter(|rule| *rule != Rule::UnreferencedShared));
        let future: futures::future::BoxFuture<'_, _> = Box::pin(async move { Ok(fresh) });
        future
    };
    let report = execute(&mut run, actions, Instant::now(), options, &again).await;
    assert!(scene.store.exists(path(&shared(3))));
    assert_eq!(report.dropped.len(), 1);
    assert_eq!(report.count(Outcome::Done).files, 4);
    run.finish(true).await.unwrap();
}

#[tokio::test]
async fn a_plan_that_cannot_be_proved_again_stops_the_run() {
    let scene = scene();
    let before = scene.tree();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let options = ExecuteOptions { revalidate_after: Duration::ZERO, ..ExecuteOptions::default() };
    let report = execute(&mut run, actions, Instant::now(), options, &|| {
        Box::pin(async { Err("metadata cannot be read".to_owned()) })
    })
    .await;
    assert_eq!(scene.tree(), before);
    assert!(report.stopped.unwrap().contains("metadata cannot be read"));
    run.finish(true).await.unwrap();
}

#[tokio::test]
async fn a_lost_lock_stops_the_run_before_its_next_batch() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let before = scene.tree();
    scene.store.put(format!("{ROOT}/.chksweep/lock"), b"{}", scene.store.now());
    let report = carry(&mut run, actions).await;
    assert_eq!(scene.tree(), before);
    assert!(report.stopped.unwrap().contains("no longer this run's"));
    run.finish(true).await.unwrap();
    assert_eq!(scene.store.contents(format!("{ROOT}/.chksweep/lock")).unwrap(), "{}", "not ours to delete");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_stops_the_run_before_anything_moves() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let actions = scene.actions(rules);
    let before = scene.tree();
    scene.faulty.faults().add(Strike::on(Call::Append, Fault::Fail(ErrorKind::Other)));
    let report = carry(&mut run, actions).await;
    assert_eq!(scene.tree(), before);
    assert!(report.stopped.unwrap().contains("journal"));
    assert!(run.finish(true).await.is_err());
    assert!(!scene.store.exists(format!("{ROOT}/.chksweep/lock")), "the lock is given back all the same");
}

#[tokio::test]
#[should_panic(expected = "no candidate under a root")]
async fn an_action_outside_the_roots_is_refused_by_the_executor_too() {
    let scene = scene();
    let mut run = scene.begin("run-1").await;
    let mut actions = scene.actions(rules);
    actions.list[0].path = scene.store.location("/elsewhere/x");
    carry(&mut run, actions).await;
}

#[tokio::test]
async fn the_same_run_id_is_not_used_twice_and_clocks_must_agree() {
    let scene = scene();
    scene.begin("run-1").await.finish(true).await.unwrap();
    assert!(scene.try_begin(scene.options("run-1")).await.is_err());
    let mut options = scene.options("run-2");
    options.local_now = scene.store.now().plus(Age::minutes(6));
    assert!(matches!(scene.try_begin(options).await, Err(crate::run::RunError::Clock(_))));
    let mut options = scene.options("../x");
    assert!(scene.try_begin(options.clone()).await.is_err());
    options = scene.options("run-3");
    options.roots.push(scene.store.location(format!("{ROOT}/{JOB}")));
    assert!(scene.try_begin(options).await.is_err());
    for root in ["/".to_owned(), format!("{ROOT}/.chksweep"), format!("{ROOT}/.chksweep/quarantine/run-1")] {
        let mut options = scene.options("run-3");
        options.roots = vec![scene.store.location(&root)];
        let refused = scene.try_begin(options).await;
        assert!(matches!(refused, Err(crate::run::RunError::Options(_))), "{root}");
    }
    scene.begin("run-4").await.finish(true).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_renamed_as_across_an_encryption_zone_is_told_and_not_copied() {
    let scene = scene();
    let zone = path(&format!("shared/{}", uuid(3)));
    let refusal = Strike::on(Call::Rename, Fault::Fail(ErrorKind::Unsupported));
    scene.faulty.faults().add(refusal.at(&scene.store.location(&zone)).forever());
    let report = scene.sweep("run-1", rules).await;
    let told: Vec<_> = report.incidents.iter().map(|one| (one.path.to_string(), one.outcome)).collect();
    assert_eq!(told, [(format!("hdfs://ns{zone}"), Outcome::Failed)]);
    assert!(scene.store.exists(&zone) && report.is_partly_done());
    assert!(!scene.store.exists(quarantined("run-1", &format!("shared/{}", uuid(3)))));
}

/// Before anything moves: a whole directory goes only as it was planned.
#[tokio::test]
async fn a_directory_that_changed_before_its_turn_stays_where_it_is() {
    let merged = format!("taskowned/{MERGED}");
    for (below, outcome) in
        [(Some("new"), Outcome::Changed), (Some("gone"), Outcome::AlreadyGone), (None, Outcome::Failed)]
    {
        let scene = scene();
        let mut run = scene.begin("run-1").await;
        let actions = scene.actions(rules);
        match below {
            Some("new") => scene.file(&format!("{merged}/{}", uuid(99)), 3),
            Some(_) => {
                scene.store.remove(path(&merged));
            }
            None => scene.store.deny(path(&merged), Denied::Reading),
        }
        let report = carry(&mut run, actions).await;
        run.finish(true).await.unwrap();
        assert_eq!(report.count(outcome).operations, 1, "{below:?} {report:?}");
        assert!(!scene.store.exists(quarantined("run-1", &merged)), "{below:?}");
    }
}

/// A listing that fails for a while is made again; one in which a directory vanished tells that something changed.
#[tokio::test]
async fn a_directory_is_listed_again_after_a_while_and_stays_when_part_of_it_vanished() {
    for (kind, below, outcome) in
        [(ErrorKind::TimedOut, "", Outcome::Done), (ErrorKind::NotFound, "/sub", Outcome::Changed)]
    {
        let scene = scene();
        let merged = format!("taskowned/{MERGED}");
        scene.store.mkdir(path(&format!("{merged}/sub")), scene.old());
        scene.store.set_modified(path(&merged), scene.old());
        let mut run = scene.begin("run-1").await;
        let actions =
            scene.actions(|below| rules(below).or(below.ends_with("/sub").then_some(Rule::EmptyDirectory)));
        let at = scene.at(&format!("{merged}{below}"));
        scene.faulty.faults().add(Strike::on(Call::List, Fault::Fail(kind)).at(&at));
        let report = carry(&mut run, actions).await;
        run.finish(true).await.unwrap();
        assert!(report.count(outcome).operations > 0, "{kind:?} {report:?}");
        assert_eq!(scene.store.exists(quarantined("run-1", &merged)), outcome == Outcome::Done, "{kind:?}");
    }
}
