//! A few thousand random histories. `tests/soak` plays a million; a seed that is printed here is told again by
//! `cargo run --profile sim -p chksweep-sim --bin chksweep-sim -- --replay SEED` (`--frantic` before it for the second
//! test, `--neighbours` for the third).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of tests")]

use std::sync::atomic::{AtomicU64, Ordering};

use chksweep_sim::{Counts, Regime, play};

/// Plays seeds, on all cores, and returns what they counted; a history that breaks an invariant ends the test.
fn all_is_well(first: u64, histories: u64, regime: Regime) -> Counts {
    let next = AtomicU64::new(first);
    let work = || {
        let mut sums = Counts::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + histories {
                return sums;
            }
            let outcome = play(seed, regime, false);
            assert_eq!(outcome.violations, [""; 0], "{regime:?}, seed {seed}");
            sums.add(&outcome.counts);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut sums = Counts::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            sums.add(&worker.join().unwrap());
        }
    });
    println!("count: histories ({regime:?}): {}, seeds {first} to {}", sums.histories, first + histories - 1);
    sums
}

#[test]
fn whatever_jobs_and_namenodes_do_nothing_that_is_needed_is_lost() {
    let counts = all_is_well(1, 2000, Regime::Natural);
    // The histories are about something: things are swept, retired, purged, interrupted, and go wrong.
    assert!(counts.swept > 1000 && counts.purged > 500 && counts.retired > 50, "{counts:?}");
    assert!(counts.kills > 500 && counts.calm_ends > 50 && counts.undone > 10, "{counts:?}");
    for fault in ["answer lost", "hangs", "hangs after", "late", "refused", "safe mode", "process paused"] {
        assert!(counts.faults.get(fault).copied().unwrap_or(0) > 50, "{fault}: {counts:?}");
    }
}

#[test]
fn however_fast_jobs_are_what_is_needed_comes_back_by_itself() {
    all_is_well(1, 1000, Regime::Frantic);
}

#[test]
fn what_another_cluster_goes_on_from_is_not_deleted() {
    let counts = all_is_well(1, 500, Regime::Neighbours);
    assert!(counts.swept > 250 && counts.calm_ends > 10, "{counts:?}");
}

#[test]
fn a_seed_tells_the_same_history_again() {
    for seed in [3, 17, 290] {
        let (one, other) = (play(seed, Regime::Natural, true), play(seed, Regime::Natural, true));
        assert!(one.trace.len() > 20, "{:?}", one.trace);
        for (line, again) in one.trace.iter().zip(&other.trace) {
            assert_eq!(line, again, "seed {seed}");
        }
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
    }
}
