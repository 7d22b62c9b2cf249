use futures::future::join_all;

use super::*;

const LOST: Fault = Fault::Lose(ErrorKind::Unreachable);

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_found_carried_out() {
    let (memory, store, faults) = store();
    let at = |path: &str| memory.location(path);
    faults.add(Rule::change(LOST).forever());
    store.make_directories(&at("/q/run"), true).await.unwrap();
    store.rename(&at("/d/a"), &at("/q/run/a")).await.unwrap();
    assert!(store.delete_file(&at("/d/b")).await.unwrap());
    store.create_new(&at("/q/lock"), b"me").await.unwrap();
    store.replace(&at("/q/lock"), b"still me").await.unwrap();
    assert!(store.delete_tree(&at("/d")).await.unwrap());
    memory.mkdir("/e", Timestamp(1));
    assert!(store.remove_directory(&at("/e")).await.unwrap());
    assert_eq!(faults.changes(), 7, "nothing was attempted twice");
    assert_eq!(memory.contents("/q/run/a").unwrap(), "a");
    assert_eq!(memory.contents("/q/lock").unwrap(), "still me");
    assert!(!memory.exists("/d") && !memory.exists("/e"));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_hangs_after_its_effect_is_found_carried_out() {
    let (memory, store, faults) = store();
    faults.add(Rule::change(Fault::HangAfter));
    store.rename(&memory.location("/d/a"), &memory.location("/d/z")).await.unwrap();
    assert!(memory.exists("/d/z"));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_did_not_happen_is_attempted_again() {
    let (memory, store, faults) = store();
    let at = |path: &str| memory.location(path);
    for kind in [ErrorKind::Busy, ErrorKind::Unreachable, ErrorKind::TimedOut] {
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        store.rename(&at("/d/a"), &at("/d/z")).await.unwrap();
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        store.rename(&at("/d/z"), &at("/d/a")).await.unwrap();
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        store.create_new(&at("/new"), b"1").await.unwrap();
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        store.replace(&at("/new"), b"2").await.unwrap();
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        assert!(store.delete_file(&at("/new")).await.unwrap());
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        store.make_directories(&at("/e"), false).await.unwrap();
        faults.add(Rule::change(Fault::Fail(kind)).times(2));
        assert!(store.remove_directory(&at("/e")).await.unwrap());
        faults.add(Rule::on(Call::CreateAppender, Fault::Fail(kind)).times(2));
        store.create_appender(&at("/log")).await.unwrap();
        memory.remove("/log");
    }
}

#[tokio::test(start_paused = true)]
async fn a_definite_refusal_is_returned_at_once() {
    let (memory, store, faults) = store();
    let (a, b) = (memory.location("/d/a"), memory.location("/d/b"));
    assert_eq!(store.rename(&a, &b).await.unwrap_err().kind, ErrorKind::AlreadyExists);
    let missing = store.rename(&memory.location("/none"), &b).await;
    assert_eq!(missing.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(
        store.create_new(&a, b"a").await.unwrap_err().kind,
        ErrorKind::AlreadyExists,
        "even with its bytes"
    );
    assert!(!store.delete_file(&memory.location("/none")).await.unwrap());
    assert_eq!(faults.changes(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_does_not_pass_is_looked_at_and_not_attempted_again() {
    let (memory, store, faults) = store();
    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
    faults.add(Rule::change(Fault::Fail(ErrorKind::Other)));
    let error = store.rename(&a, &z).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("nothing has changed so far"), "{error}");
    faults.add(Rule::change(Fault::Lose(ErrorKind::Other)));
    store.rename(&a, &z).await.unwrap();
    assert_eq!(faults.changes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_open_attempt_leaves_the_outcome_open() {
    let (memory, store, faults) = store();
    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
    for (first, told) in
        [(ErrorKind::TimedOut, ErrorKind::TimedOut), (ErrorKind::Busy, ErrorKind::PermissionDenied)]
    {
        faults.clear();
        faults.add(Rule::change(Fault::Fail(first)));
        faults.add(Rule::change(Fault::Fail(ErrorKind::PermissionDenied)).nth(2));
        assert_eq!(store.rename(&a, &z).await.unwrap_err().kind, told, "busy alone is a definite refusal");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_left_both_or_neither_is_an_error() {
    let (memory, store, faults) = store();
    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
    let hand = memory.clone();
    faults.add(Rule::change(Fault::Fail(ErrorKind::Unreachable)));
    faults.add(Rule::on(Call::Stat, Fault::Before(Hook::new(move || hand.put("/d/z", "?", Timestamp(9))))));
    let error = store.rename(&a, &z).await.unwrap_err();
    assert!(error.message.contains("both"), "{error}");
    assert_eq!(error.kind, ErrorKind::Unreachable, "the outcome stays unknown");
    memory.remove("/d/z");
    let hand = memory.clone();
    faults.clear();
    faults.add(Rule::change(Fault::Fail(ErrorKind::Unreachable)));
    faults.add(Rule::on(Call::Stat, Fault::Before(Hook::new(move || assert!(hand.remove("/d/a"))))));
    let error = store.rename(&a, &z).await.unwrap_err();
    assert!(error.message.contains("neither"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn another_file_under_the_same_name_is_not_moved_by_a_later_attempt() {
    let (memory, store, faults) = store();
    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
    let hand = memory.clone();
    faults.add(Rule::change(Fault::Fail(ErrorKind::Busy)).times(2));
    let swap = Hook::new(move || hand.put("/d/a", "new", Timestamp(9)));
    faults.add(Rule::on(Call::Stat, Fault::Before(swap)).nth(3));
    let error = store.rename(&a, &z).await.unwrap_err();
    assert!(error.message.contains("changed meanwhile"), "{error}");
    assert_eq!((memory.contents("/d/a").unwrap(), memory.exists("/d/z")), ("new".into(), false));
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_was_looked_at_before_knows_its_file() {
    let (memory, store, faults) = store();
    let store = store.looking_before_renames();
    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
    let hand = memory.clone();
    let swap = Hook::new(move || hand.put("/d/a", "new", Timestamp(9)));
    faults.add(Rule::change(Fault::Fail(ErrorKind::Busy)));
    faults.add(Rule::on(Call::Stat, Fault::Before(swap)).nth(2));
    assert!(store.rename(&a, &z).await.unwrap_err().message.contains("changed meanwhile"));
    let hand = memory.clone();
    faults.clear();
    faults.add(Rule::change(Fault::Fail(ErrorKind::Unreachable)));
    let other = Hook::new(move || {
        hand.remove("/d/a");
        hand.put("/d/z", "another", Timestamp(9));
    });
    faults.add(Rule::on(Call::Stat, Fault::Before(other)).nth(2));
    let error = store.rename(&a, &z).await.unwrap_err();
    assert!(error.message.contains("another file"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn another_file_under_the_same_name_is_not_deleted_by_a_later_attempt() {
    let (memory, store, faults) = store();
    let hand = memory.clone();
    let swap = Hook::new(move || hand.put("/d/a", "b", Timestamp(9)));
    faults.add(Rule::change(Fault::Fail(ErrorKind::Unreachable)));
    faults.add(Rule::on(Call::Stat, Fault::Before(swap)).nth(2));
    let error = store.delete_file(&memory.location("/d/a")).await.unwrap_err();
    assert!(error.message.contains("another file"), "{error}");
    assert_eq!(memory.contents("/d/a").unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_torn_or_foreign_file_is_not_taken_for_ours() {
    let (memory, store, faults) = store();
    let lock = memory.location("/lock");
    faults.add(Rule::change(Fault::Cut(2, ErrorKind::Unreachable)));
    let error = store.create_new(&lock, b"owner").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("not completely written"), "{error}");
    assert_eq!(memory.contents("/lock").unwrap(), "ow");
    let hand = memory.clone();
    faults.add(Rule::change(Fault::Fail(ErrorKind::TimedOut)));
    let steal = Hook::new(move || hand.put("/lock", "thief", Timestamp(9)));
    faults.add(Rule::on(Call::Stat, Fault::Before(steal)).nth(2));
    let error = store.replace(&lock, b"owner").await.unwrap_err();
    assert!(error.message.contains("changed by another"), "{error}");
    assert_eq!(memory.contents("/lock").unwrap(), "thief");
}

#[tokio::test(start_paused = true)]
async fn replacing_a_file_by_the_same_bytes_renews_its_time() {
    let (memory, store, faults) = store();
    memory.put("/lock", "owner", Timestamp(1));
    faults.add(Rule::change(Fault::Fail(ErrorKind::TimedOut)));
    store.replace(&memory.location("/lock"), b"owner").await.unwrap();
    assert_eq!(memory.snapshot()[&memory.location("/lock")].2, memory.now());
    assert_eq!(faults.count(Call::Replace), 2);
}

/// The first attempt times out and is carried out after the look, right before the second one.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_carried_out_late_does_no_harm() {
    use futures::FutureExt;
    let (memory, store, faults) = store();
    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
    let (hand, from, to) = (memory.clone(), a.clone(), z.clone());
    let late = Hook::new(move || hand.rename(&from, &to).now_or_never().unwrap().unwrap());
    faults.add(Rule::on(Call::Rename, Fault::Fail(ErrorKind::TimedOut)));
    faults.add(Rule::on(Call::Rename, Fault::Before(late)).nth(2));
    store.rename(&a, &z).await.unwrap();
    assert_eq!((memory.exists("/d/a"), memory.contents("/d/z").unwrap()), (false, "a".into()));
    let (hand, path) = (memory.clone(), z.clone());
    let late = Hook::new(move || assert!(hand.delete_file(&path).now_or_never().unwrap().unwrap()));
    faults.add(Rule::on(Call::DeleteFile, Fault::Fail(ErrorKind::TimedOut)));
    faults.add(Rule::on(Call::DeleteFile, Fault::Before(late)).nth(2));
    assert!(store.delete_file(&z).await.unwrap(), "there was one, and it is gone");
    let (hand, path) = (memory.clone(), z.clone());
    let late = Hook::new(move || hand.create_new(&path, b"me").now_or_never().unwrap().unwrap());
    faults.add(Rule::on(Call::CreateNew, Fault::Fail(ErrorKind::TimedOut)));
    faults.add(Rule::on(Call::CreateNew, Fault::Before(late)).nth(2));
    store.create_new(&z, b"me").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_went_to_the_trash_without_an_answer_is_an_error() {
    let (memory, store, faults) = store();
    memory.set_trash(true);
    faults.add(Rule::change(Fault::Fail(ErrorKind::Busy)));
    store.trash(&memory.location("/d/a")).await.unwrap();
    faults.add(Rule::change(LOST));
    let error = store.trash(&memory.location("/d/b")).await.unwrap_err();
    assert!(error.message.contains("look into the trash"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_appender_stops_at_its_first_error() {
    let (memory, store, faults) = store();
    let mut log = store.create_appender(&memory.location("/log")).await.unwrap();
    log.append(b"one\n").await.unwrap();
    faults.add(Rule::on(Call::Append, Fault::Cut(2, ErrorKind::Unreachable)));
    assert!(log.append(b"two\n").await.is_err());
    assert!(log.append(b"three\n").await.is_err());
    log.close().await.unwrap();
    assert_eq!(memory.contents("/log").unwrap(), "one\ntw");
    faults.add(Rule::on(Call::CreateAppender, LOST));
    let error = store.create_appender(&memory.location("/other")).await.unwrap_err();
    assert!(error.message.contains("take another name"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn all_changes_wait_together_while_the_store_is_busy() {
    // Where the first is refused before the others begin, they do not try at all; where all are under way, all
    // fail, but close the gate once.
    for (latency_ms, attempts) in [(0, 64 + 6), (10, 64 * 7)] {
        let (memory, store, faults) = store();
        for n in 0..64 {
            memory.put(format!("/many/{n}"), "", Timestamp(1));
        }
        memory.set_safe_mode(true);
        faults.add(Rule::change(Fault::Delay(Duration::from_millis(latency_ms))).forever());
        let hand = memory.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            hand.set_safe_mode(false);
        });
        let start = Instant::now();
        let delete = async |n| store.delete_file(&memory.location(format!("/many/{n}"))).await.unwrap();
        assert_eq!(join_all((0..64).map(delete)).await, [true; 64]);
        // Pauses of 0.5, 1, 2, 4, 8 and 15 seconds.
        assert_eq!(start.elapsed().as_millis() / 100, 305);
        assert_eq!(faults.count(Call::DeleteFile), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_not_burnt_through_while_the_store_is_away() {
    let (memory, store, faults) = store();
    memory.set_safe_mode(true);
    let path = |n: u32| memory.location(format!("/d/{n}"));
    assert_eq!(store.create_new(&path(0), b"").await.unwrap_err().kind, ErrorKind::Busy);
    let (start, count) = (Instant::now(), faults.count(Call::CreateNew));
    for n in 1..4 {
        assert_eq!(store.create_new(&path(n), b"").await.unwrap_err().kind, ErrorKind::Busy);
    }
    assert_eq!(faults.count(Call::CreateNew), count + 3, "one attempt each, patience being used up");
    assert_eq!(start.elapsed(), Duration::from_secs(45), "and each at the pace of the gate");
    memory.set_safe_mode(false);
    store.create_new(&path(4), b"").await.unwrap();
}

/// For every call that a rename makes, and every way in which it can fail: success means that it was carried out,
/// and whatever is said, the file is in exactly one place.
#[tokio::test(start_paused = true)]
async fn a_rename_is_honest_whatever_fails() {
    for n in 1..=12 {
        for times in [1, 2, 5, u64::MAX] {
            for kind in [ErrorKind::Busy, ErrorKind::Unreachable, ErrorKind::TimedOut, ErrorKind::Other] {
                for fault in [Fault::Fail(kind), Fault::Lose(kind)] {
                    let (memory, store, faults) = store();
                    let (a, z) = (memory.location("/d/a"), memory.location("/d/z"));
                    faults.add(Rule::on(Call::Rename, Fault::Fail(ErrorKind::Busy)).times(2));
                    faults.add(Rule::any(fault).nth(n).times(times));
                    let outcome = store.rename(&a, &z).await;
                    assert!(memory.exists("/d/a") != memory.exists("/d/z"));
                    match outcome {
                        Ok(()) => assert!(memory.exists("/d/z")),
                        Err(error) => assert!(error.kind.outcome_is_unknown(), "{error}"),
                    }
                }
            }
        }
    }
}
