use chksweep_store::faults::Hook;
use chksweep_store::{Call, Fault, Rule as Strike};

use super::*;
use crate::journal::Operation;
use crate::testing::{Scene, path, uuid};

/// The ways of taking something, by the call that does it.
const WAYS: [Call; 5] =
    [Call::Rename, Call::Trash, Call::DeleteFile, Call::RemoveDirectory, Call::DeleteTree];

/// A scene with one thing, and the step that takes it by this call.
fn scene(way: Call) -> (Scene, Step) {
    let scene = Scene::new();
    scene.store.set_trash(true);
    let is_directory = matches!(way, Call::RemoveDirectory | Call::DeleteTree);
    let below = if is_directory { "chk-8".to_owned() } else { format!("shared/{}", uuid(1)) };
    if is_directory {
        scene.store.mkdir(path(&below), scene.old());
    } else {
        scene.file(&below, 7);
    }
    let stamp = Stamp { length: 7, modified: scene.old() };
    let hows = [
        How::Move { to: target(&scene), stamp, private: true },
        How::Trash { stamp },
        How::Delete { stamp },
        How::RemoveDirectory { mirror: None },
        How::DeleteTree,
    ];
    let how = WAYS.into_iter().zip(hows).find(|(call, _)| *call == way).unwrap().1;
    let step = Step {
        operation: Operation::Quarantine,
        from: scene.at(&below),
        how,
        rule: None,
        evidence: None,
        job: None,
        files: 1,
        bytes: 7,
        why: None,
    };
    (scene, step)
}

fn target(scene: &Scene) -> Location {
    scene.store.location(format!("/q/{}", uuid(1)))
}

/// Takes it, and returns what became of it and whether it is still there.
async fn take(scene: &Scene, step: &Step, faults: impl IntoIterator<Item = Strike>) -> (Fate, bool) {
    let run = scene.begin("run-1").await;
    for fault in faults {
        scene.faulty.faults().add(fault);
    }
    let fate = run.hands.perform(step).await;
    scene.faulty.faults().clear();
    let there = scene.store.exists(step.from.path());
    (fate, there)
}

#[tokio::test]
async fn what_a_call_did_is_told_whatever_it_answers() {
    use ErrorKind::{Busy, NotFound, Other, PermissionDenied, TimedOut, Unreachable};
    for way in WAYS {
        let (plain, step) = scene(way);
        let (fate, there) = take(&plain, &step, []).await;
        assert_eq!((fate.outcome, there), (Outcome::Done, false), "{way:?}");
        assert_eq!(fate.to.is_some(), way == Call::Trash, "only the trash chooses where it goes");
        // It took effect, and the answer was lost.
        for kind in [TimedOut, Unreachable, Busy, Other] {
            let (lost, step) = scene(way);
            let (fate, there) = take(&lost, &step, [Strike::on(way, Fault::Lose(kind))]).await;
            assert_eq!((fate.outcome, there), (Outcome::Done, false), "{way:?} {kind:?}");
        }
        // It had no effect: tried again where that can help, and told.
        for (kind, times, outcome) in [
            (TimedOut, 2, Outcome::Done),
            (Unreachable, 2, Outcome::Done),
            (Busy, 2, Outcome::Done),
            (Other, 1, Outcome::Failed),
            (PermissionDenied, 1, Outcome::Failed),
            (NotFound, 1, Outcome::Failed),
            (TimedOut, u64::MAX, Outcome::Unknown),
            (Unreachable, u64::MAX, Outcome::Unknown),
            (Busy, u64::MAX, Outcome::Failed),
        ] {
            let (failed, step) = scene(way);
            let (fate, there) = take(&failed, &step, [Strike::on(way, Fault::Fail(kind)).times(times)]).await;
            assert_eq!(
                (fate.outcome, there),
                (outcome, outcome != Outcome::Done),
                "{way:?} {kind:?} {times}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_not_taken_and_not_called_done() {
    let unclear =
        |step: &Step, nth| Strike::on(Call::Stat, Fault::Fail(ErrorKind::Other)).at(&step.from).nth(nth);
    for way in WAYS {
        // Before anything was tried. A tree in a quarantine is deleted without a look.
        let (dark, step) = scene(way);
        let (fate, there) = take(&dark, &step, [unclear(&step, 1).forever()]).await;
        let expected = if way == Call::DeleteTree { (Outcome::Done, false) } else { (Outcome::Failed, true) };
        assert_eq!((fate.outcome, there), expected, "{way:?}");
        // After an answer was lost: in each look that follows.
        let first = if way == Call::DeleteTree { 1 } else { 2 };
        let (dark, step) = scene(way);
        let lost = Strike::on(way, Fault::Lose(ErrorKind::TimedOut));
        let (fate, there) = take(&dark, &step, [lost, unclear(&step, first).forever()]).await;
        let outcome = if way == Call::DeleteTree { Outcome::Done } else { Outcome::Unknown };
        assert_eq!((fate.outcome, there), (outcome, false), "{way:?}");
        // After an attempt without effect: in the look before the next.
        let (dark, step) = scene(way);
        let failed = Strike::on(way, Fault::Fail(ErrorKind::TimedOut));
        let again = if way == Call::Rename { 3 } else { 2 };
        let (fate, there) = take(&dark, &step, [failed, unclear(&step, again).forever()]).await;
        let expected =
            if way == Call::DeleteTree { (Outcome::Done, false) } else { (Outcome::Unknown, true) };
        assert_eq!((fate.outcome, there), expected, "{way:?}");
    }
}

#[tokio::test]
async fn what_is_no_longer_there_or_another_is_left_alone() {
    for way in WAYS {
        let (gone, step) = scene(way);
        gone.store.remove(step.from.path());
        let (fate, _) = take(&gone, &step, []).await;
        assert_eq!(fate.outcome, Outcome::AlreadyGone, "{way:?}");
        // It goes right before the call.
        let (going, step) = scene(way);
        let (store, from) = (going.store.clone(), step.from.clone());
        let hook = Hook::new(move || {
            store.remove(from.path());
        });
        let (fate, _) = take(&going, &step, [Strike::on(way, Fault::Before(hook))]).await;
        assert!(matches!(fate.outcome, Outcome::AlreadyGone | Outcome::Done), "{way:?} {fate:?}");
        assert!(!going.store.exists(target(&going).path()));
    }
    for way in [Call::Rename, Call::Trash, Call::DeleteFile] {
        let (changed, step) = scene(way);
        changed.store.put(step.from.path(), b"longer than it was", changed.old());
        let (fate, there) = take(&changed, &step, []).await;
        assert_eq!((fate.outcome, there), (Outcome::Changed, true), "{way:?}");
        let (changed, step) = scene(way);
        changed.store.remove(step.from.path());
        changed.store.mkdir(step.from.path(), changed.old());
        let (fate, there) = take(&changed, &step, []).await;
        assert_eq!((fate.outcome, there), (Outcome::Changed, true), "{way:?}");
    }
    let (changed, step) = scene(Call::RemoveDirectory);
    changed.store.remove(step.from.path());
    changed.store.put(step.from.path(), b"a file", changed.old());
    let (fate, there) = take(&changed, &step, []).await;
    assert_eq!((fate.outcome, there), (Outcome::Changed, true));
}

/// The answer was lost, and by the next look another file of that name has been written.
#[tokio::test]
async fn a_file_that_went_is_told_from_one_that_came_in_its_place() {
    let (scene, step) = scene(Call::Rename);
    let (store, from) = (scene.store.clone(), step.from.clone());
    let hook = Hook::new(move || store.put(from.path(), b"another", store.now()));
    let faults = [
        Strike::on(Call::Rename, Fault::Lose(ErrorKind::TimedOut)),
        Strike::on(Call::Stat, Fault::Before(hook)).nth(2),
    ];
    let (fate, there) = take(&scene, &step, faults).await;
    assert_eq!((fate.outcome, there), (Outcome::Done, true));
    assert_eq!(scene.store.contents(target(&scene).path()).unwrap(), "xxxxxxx");
}

/// The call is carried out before the third look at the source, or between the looks at both ends, when something lies
/// at both, as it seems.
#[tokio::test]
async fn a_rename_that_happens_late_is_found_out() {
    for is_between in [false, true] {
        let (scene, step) = scene(Call::Rename);
        let (store, from, to, old) = (scene.store.clone(), step.from.clone(), target(&scene), scene.old());
        let hook = Hook::new(move || {
            store.remove(from.path());
            store.put(to.path(), b"xxxxxxx", old);
        });
        let before = Strike::on(Call::Stat, Fault::Before(hook));
        let faults = [
            Strike::on(Call::Rename, Fault::Fail(ErrorKind::TimedOut)),
            if is_between { before.at(&target(&scene)) } else { before.at(&step.from).nth(3) },
        ];
        let (fate, there) = take(&scene, &step, faults).await;
        assert_eq!((fate.outcome, there), (Outcome::Done, false), "{fate:?}");
    }
}

#[tokio::test]
async fn a_look_is_repeated_while_the_store_is_busy() {
    for way in WAYS {
        let (scene, step) = scene(way);
        let busy = Strike::on(Call::Stat, Fault::Fail(ErrorKind::Busy)).at(&step.from).times(3);
        let (fate, there) = take(&scene, &step, [busy]).await;
        assert_eq!((fate.outcome, there), (Outcome::Done, false), "{way:?}");
    }
}

#[tokio::test]
async fn what_lies_at_the_target_is_never_replaced() {
    let (scene, step) = scene(Call::Rename);
    scene.store.put(target(&scene).path(), b"there", scene.old());
    let (fate, there) = take(&scene, &step, []).await;
    assert_eq!((fate.outcome, there), (Outcome::Failed, true), "{fate:?}");
    assert_eq!(scene.store.contents(target(&scene).path()).unwrap(), "there");
}

/// Somebody removed the directory that this run had made: it is made again for the next file.
#[tokio::test]
async fn a_directory_that_was_removed_again_is_made_again() {
    let (scene, step) = scene(Call::Rename);
    let run = scene.begin("run-1").await;
    let parent = target(&scene).parent().unwrap();
    run.hands.make_directory(&parent, true).await.unwrap();
    scene.store.remove(parent.path());
    run.hands.make_directory(&parent, true).await.unwrap();
    assert!(!scene.store.exists(parent.path()), "it is made once");
    assert_eq!(run.hands.perform(&step).await.outcome, Outcome::Failed);
    assert_eq!(run.hands.perform(&step).await.outcome, Outcome::Done);
}

/// What lies at the target is of nobody's move: neither it nor the file goes anywhere.
#[tokio::test]
async fn a_target_that_is_taken_stays_as_it_is() {
    let scene = Scene::new();
    scene.file("chk-7/_metadata", 7);
    let (from, to) = (scene.at("chk-7/_metadata"), scene.store.location("/q/_metadata"));
    scene.store.put(to.path(), b"of another run", scene.old());
    let before = scene.tree();
    let run = scene.begin("run-1").await;
    let stamp = Stamp { length: 7, modified: scene.old() };
    let fate = run.hands.move_file(&from, &to, stamp, true).await;
    assert_eq!(fate.outcome, Outcome::Failed, "{fate:?}");
    run.finish(true).await.unwrap();
    assert_eq!(scene.store.contents(to.path()).unwrap(), "of another run");
    for (at, seen) in before.iter().filter(|(at, _)| **at == from || **at == to) {
        assert_eq!(scene.tree().get(at), Some(seen), "{at}");
    }
}

/// Nothing was begun, so nothing is unknown.
#[tokio::test]
async fn what_cannot_be_looked_at_before_the_first_try_is_a_failure() {
    for way in WAYS.into_iter().filter(|way| *way != Call::DeleteTree) {
        let (dark, step) = scene(way);
        let unclear = Strike::on(Call::Stat, Fault::Fail(ErrorKind::PermissionDenied)).at(&step.from);
        let (fate, there) = take(&dark, &step, [unclear]).await;
        assert_eq!((fate.outcome, there), (Outcome::Failed, true), "{way:?}");
    }
}
