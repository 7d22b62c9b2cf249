//! Plays random histories and counts them: `chksweep-sim [--histories N] [--seed FIRST] [--frantic | --neighbours]
//! [--replay SEED] [--stop-at-loss]`. A history that breaks an invariant is printed with its seed, and the exit code is 1.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "the command line of a test")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chksweep_sim::{Counts, Outcome, Regime, play};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut histories, mut first, mut regime, mut most) = (1000_u64, 1_u64, Regime::Natural, 5_u64);
    let mut losses_only = false;
    while let Some(word) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        match word.as_str() {
            "--histories" => histories = number(),
            "--seed" => first = number(),
            "--stop-after" => most = number(),
            "--stop-at-loss" => losses_only = true,
            "--frantic" => regime = Regime::Frantic,
            "--neighbours" => regime = Regime::Neighbours,
            "--replay" => {
                let seed = number();
                let outcome = play(seed, regime, true);
                for line in &outcome.trace {
                    println!("{line}");
                }
                told(seed, &outcome);
                std::process::exit(i32::from(!outcome.violations.is_empty()));
            }
            other => {
                println!("unknown word `{other}`");
                std::process::exit(2);
            }
        }
    }
    if losses_only {
        most = 1;
    }
    let broken = all(first, histories, regime, most, losses_only);
    std::process::exit(i32::from(broken > 0));
}

/// Plays so many histories on all cores, and returns how many broke an invariant.
fn all(first: u64, histories: u64, regime: Regime, most: u64, losses_only: bool) -> u64 {
    let next = AtomicU64::new(0);
    let broken = AtomicU64::new(0);
    let sums = Mutex::new(Counts::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= histories || broken.load(Ordering::Relaxed) >= most {
                        return;
                    }
                    let mut outcome = played(first + at, regime);
                    outcome.violations.retain(|violation| !losses_only || is_loss(violation));
                    if !outcome.violations.is_empty() {
                        broken.fetch_add(1, Ordering::Relaxed);
                        told(first + at, &outcome);
                    }
                    sums.lock().unwrap().add(&outcome.counts);
                }
            });
        }
    });
    let sums = sums.into_inner().unwrap();
    println!("count: histories ({regime:?}): {}, seeds {first} to {}", sums.histories, first + histories - 1);
    println!("{sums:#?}");
    broken.into_inner()
}

/// Plays a history; a panic is told with its seed.
fn played(seed: u64, regime: Regime) -> Outcome {
    std::panic::catch_unwind(|| play(seed, regime, false)).unwrap_or_else(|_| Outcome {
        violations: vec!["a panic, told above".to_owned()],
        counts: Counts::default(),
        trace: Vec::new(),
    })
}

/// Whether something is lost or was taken from who needs it; not that a plan is refused, or that garbage stays.
fn is_loss(violation: &str) -> bool {
    !violation.contains("refuses our own plan") && !violation.contains("left for ever")
}

fn told(seed: u64, outcome: &Outcome) {
    for violation in outcome.violations.iter().take(6) {
        println!("seed {seed}: {violation}");
    }
}
