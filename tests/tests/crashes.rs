//! Crashes on a real HDFS whose NameNode and DataNode are processes of their own, with an edit log that is fsynced.
//! chksweep, the NameNode or the DataNode is killed, stopped or started again at random moments of a run. Nothing is
//! lost, failures are said with a documented code, everything ends, and the next run finishes the work.
//!
//! `CHKSWEEP_SOAK=1` tries some hundred moments; `CHKSWEEP_SEED` draws others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chksweep_tests::trial::{self, Bench, Command, DEADLINE, Trial, said};
use chksweep_tests::{Daemons, Fault, Running};

/// A moment of a command.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    Time(Duration),
    /// Before its n-th call arrives.
    Before(usize),
    /// When its n-th call has been passed on.
    At(usize),
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    fn moment(&mut self, kind: usize, calls: u64, took: Duration) -> Moment {
        let mut call = || 1 + usize::try_from(self.up_to(calls)).unwrap_or(0);
        match kind % 3 {
            0 => Moment::Before(call()),
            1 => Moment::At(call()),
            _ => Moment::Time(Duration::from_millis(
                self.up_to(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            )),
        }
    }
}

fn seed() -> u64 {
    std::env::var("CHKSWEEP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(42)
}

/// Starts the command and returns it at that moment, or when it has ended before.
fn started(trial: &Trial, moment: Moment, more: &[&str]) -> Result<Running> {
    let until = match moment {
        Moment::Before(nth) => {
            trial.proxy.spoil(Some((nth, Fault::Hang)));
            nth
        }
        Moment::At(nth) => {
            trial.proxy.spoil(None);
            nth
        }
        Moment::Time(time) => {
            let running = trial.start(more)?;
            thread::sleep(time);
            return Ok(running);
        }
    };
    let mut running = trial.start(more)?;
    let deadline = Instant::now() + DEADLINE;
    while trial.proxy.calls().len() < until && running.runs()? {
        ensure!(Instant::now() < deadline, "it does not come to its call {until}");
        thread::sleep(Duration::from_micros(200));
    }
    Ok(running)
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_the_next_run_finishes() -> Result<()> {
    let daemons = Daemons::start()?;
    let bench = Bench { hdfs: daemons.client(), port: daemons.port() };
    let mut dice = Dice(seed());
    let mut cases = Vec::new();
    for (at, command) in Command::ALL.into_iter().enumerate() {
        let (calls, took) = bench.count(1_000_000 + at, command)?;
        let calls = u64::try_from(calls)?;
        let count = match command {
            Command::Run | Command::Restore => {
                if trial::is_soak() {
                    120
                } else {
                    8
                }
            }
            Command::Purge => {
                if trial::is_soak() {
                    96
                } else {
                    2
                }
            }
        };
        cases.extend((0..count).map(|kind| (command, dice.moment(kind, calls, took))));
    }
    let tried = Command::ALL.map(|command| cases.iter().filter(|(of, _)| *of == command).count());
    let hit = AtomicUsize::new(0);
    let numbered: Vec<_> = cases.into_iter().enumerate().collect();
    let failed = trial::each(numbered, 4, |(number, (command, moment))| {
        let trial = bench.prepare(number, command)?;
        let mut running = started(&trial, moment, &[])?;
        hit.fetch_add(usize::from(running.runs()?), Ordering::Relaxed);
        // One that has ended is killed for nothing.
        running.signal("KILL").ok();
        let output = running.output(DEADLINE)?;
        let about = || format!("{command:?} killed at {moment:?} with seed {}: {}", seed(), said(&output));
        bench.check(&trial).with_context(about)?;
        bench.finish(&trial).with_context(about)
    });
    let [run, restore, purge] = tried;
    println!(
        "count: crash points tried: {} (run {run}, restore {restore}, purge {purge}), {} of them in the middle, seed {}",
        run + restore + purge,
        hit.load(Ordering::Relaxed),
        seed()
    );
    ensure!(failed.is_empty(), "{} went wrong:\n{}", failed.len(), failed.join("\n\n"));
    ensure!(hit.into_inner() * 2 > run + restore + purge, "most were killed in the middle");
    Ok(())
}

#[test]
fn what_a_killed_run_had_begun_is_settled_by_the_next() -> Result<()> {
    let daemons = Daemons::start()?;
    let bench = Bench { hdfs: daemons.client(), port: daemons.port() };
    let trial = bench.prepare(1, Command::Run)?;
    // The first rename puts the record of looks in its place; the journal says what the second is before it comes.
    trial.proxy.spoil_nth_of("rename2", 2, Fault::Hang);
    let mut running = trial.start(&[])?;
    let until = Instant::now() + DEADLINE;
    while !trial.proxy.is_spoiled() {
        ensure!(running.runs()? && Instant::now() < until, "it does not come to rename anything");
        thread::sleep(Duration::from_micros(200));
    }
    running.signal("KILL")?;
    running.output(DEADLINE)?;
    bench.check(&trial)?;
    let held = trial.start(&[])?.output(DEADLINE)?;
    assert_eq!(held.status.code(), Some(5), "{}", said(&held));
    thread::sleep(Duration::from_secs(1));
    trial.proxy.spoil(None);
    let next = trial.start(&["--break-lock", "any"])?.output(DEADLINE)?;
    ensure!(next.status.success(), "{}", said(&next));
    ensure!(said(&next).contains("was broken off"), "{}", said(&next));
    ensure!(said(&next).contains("of its operations were settled"), "{}", said(&next));
    bench.check_finished(&trial)
}
