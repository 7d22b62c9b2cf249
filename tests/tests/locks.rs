//! The lock between real processes: two at once, two machines, an owner that died, and one that was only asleep.

use std::process::{Command as Process, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chksweep_tests::trial::{Bench, Command, DEADLINE, Trial, said};
use chksweep_tests::{Fault, MiniHdfs, Options, Running};

fn mini() -> Result<MiniHdfs> {
    let options = Options::new().set("dfs.namenode.file.close.num-committed-allowed", "1");
    MiniHdfs::start(&options.set("dfs.namenode.accesstime.precision", "0"))
}

fn bench(hdfs: &MiniHdfs) -> Result<Bench<'_>> {
    let port = hdfs.url().rsplit_once(':').context("no port")?.1.parse()?;
    Ok(Bench { hdfs, port })
}

/// Starts a run and stops its process once it holds the lock and has not moved anything: it has asked for its first
/// listing of a job by then.
fn asleep(trial: &Trial) -> Result<Running> {
    trial.proxy.spoil(None);
    asleep_as(trial, trial.start(&[])?)
}

fn asleep_as(trial: &Trial, mut running: Running) -> Result<Running> {
    let until = Instant::now() + DEADLINE;
    // It makes its lock before it looks. What a run that was killed had still asked for comes late, and does not count.
    let is_looking = || {
        let calls = trial.proxy.calls();
        let since = calls.iter().skip_while(|call| *call != "create");
        since.filter(|call| *call == "getListing").count() >= 4
    };
    while !is_looking() {
        ensure!(running.runs()? && Instant::now() < until, "it does not come to look");
        thread::sleep(Duration::from_micros(200));
    }
    running.signal("STOP")?;
    Ok(running)
}

fn lock_of(trial: &Trial) -> String {
    format!("{}/.chksweep/lock", trial.world.root())
}

fn ended(trial: &Trial, more: &[&str]) -> Result<Output> {
    trial.start(more)?.output(DEADLINE)
}

#[test]
fn of_runs_at_once_one_works_and_the_others_say_who_does() -> Result<()> {
    let hdfs = mini()?;
    let bench = bench(&hdfs)?;
    let trial = bench.prepare(1, Command::Run)?;
    let first = asleep(&trial)?;
    let second = ended(&trial, &[])?;
    assert_eq!(second.status.code(), Some(5), "{}", said(&second));
    ensure!(said(&second).contains(&format!("(process {})", first.id())), "{}", said(&second));
    first.signal("CONT")?;
    let first = first.output(DEADLINE)?;
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    bench.check_finished(&trial)?;

    let trial = bench.prepare(2, Command::Run)?;
    let running: Vec<Running> = (0..4).map(|_| trial.start(&[])).collect::<Result<_>>()?;
    let codes: Vec<Option<i32>> =
        running.into_iter().map(|run| Ok(run.output(DEADLINE)?.status.code())).collect::<Result<_>>()?;
    ensure!(codes.iter().all(|code| [Some(0), Some(5)].contains(code)), "{codes:?}");
    ensure!(codes.contains(&Some(0)), "{codes:?}");
    bench.check_finished(&trial)
}

#[test]
fn a_run_on_another_machine_is_named() -> Result<()> {
    let hdfs = mini()?;
    let bench = bench(&hdfs)?;
    let trial = bench.prepare(1, Command::Run)?;
    let first = asleep(&trial)?;
    first.signal("KILL")?;
    first.output(DEADLINE)?;
    trial.proxy.spoil(None);
    // A run under another host name, as of another machine, that breaks the lock and goes to sleep in turn.
    let command = trial.chksweep.command(&trial.words(&["--break-lock", "any"]));
    let mut there = Process::new("unshare");
    there.args(["--map-root-user", "--uts", "bash", "-c", r#"hostname far-away; exec "$@""#, "there"]);
    there.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => there.env(name, value),
            None => there.env_remove(name),
        };
    }
    let far = asleep_as(&trial, Running::of(&mut there)?)?;
    let held = ended(&trial, &[])?;
    assert_eq!(held.status.code(), Some(5), "{}", said(&held));
    ensure!(said(&held).contains("on far-away (process"), "{}", said(&held));
    far.signal("CONT")?;
    let far = far.output(DEADLINE)?;
    assert_eq!(far.status.code(), Some(0), "{}", said(&far));
    bench.check_finished(&trial)
}

#[test]
fn the_lock_of_a_dead_run_holds_until_it_has_been_silent_long_enough() -> Result<()> {
    let hdfs = mini()?;
    let bench = bench(&hdfs)?;
    let trial = bench.prepare(1, Command::Run)?;
    let dead = asleep(&trial)?;
    dead.signal("KILL")?;
    dead.output(DEADLINE)?;
    for minutes in [0, 14] {
        hdfs.age(&lock_of(&trial), Duration::from_mins(minutes))?;
        let held = ended(&trial, &[])?;
        assert_eq!(held.status.code(), Some(5), "{minutes} min: {}", said(&held));
        ensure!(said(&held).contains("--break-lock"), "{}", said(&held));
    }
    hdfs.age(&lock_of(&trial), Duration::from_mins(1))?;
    let taken = ended(&trial, &[])?;
    assert_eq!(taken.status.code(), Some(0), "{}", said(&taken));
    ensure!(said(&taken).contains("taken over"), "{}", said(&taken));
    bench.check_finished(&trial)?;

    let trial = bench.prepare(2, Command::Run)?;
    let dead = asleep(&trial)?;
    dead.signal("KILL")?;
    dead.output(DEADLINE)?;
    let other = ended(&trial, &["--break-lock", "20260101T000000Z-00000000"])?;
    assert_eq!(other.status.code(), Some(5), "the lock of another run stays: {}", said(&other));
    let broken = ended(&trial, &["--break-lock", "any"])?;
    assert_eq!(broken.status.code(), Some(0), "{}", said(&broken));
    ensure!(said(&broken).contains("broken on request"), "{}", said(&broken));
    bench.check_finished(&trial)
}

#[test]
fn a_run_that_wakes_up_after_its_lock_was_taken_stops_before_its_next_batch() -> Result<()> {
    let hdfs = mini()?;
    let bench = bench(&hdfs)?;
    let trial = bench.prepare(1, Command::Run)?;
    // The first rename puts the record of looks in its place, and then comes the first batch. Its answer comes when
    // the process is asleep.
    trial.proxy.spoil_nth_of("rename2", 1, Fault::Late(Duration::from_secs(5)));
    let mut first = trial.start(&[])?;
    let until = Instant::now() + DEADLINE;
    while !trial.proxy.is_spoiled() {
        ensure!(first.runs()? && Instant::now() < until, "it does not come to its first batch");
        thread::sleep(Duration::from_micros(200));
    }
    first.signal("STOP")?;
    trial.proxy.await_late();
    hdfs.age(&lock_of(&trial), Duration::from_mins(16))?;
    thread::sleep(Duration::from_millis(1100));
    let second = ended(&trial, &[])?;
    assert_eq!(second.status.code(), Some(0), "{}", said(&second));
    ensure!(said(&second).contains("taken over"), "{}", said(&second));
    bench.check_finished(&trial)?;

    // Now there is work again, which the first one must not do any more.
    let restore = Trial { command: Command::Restore, ..trial };
    restore.well()?;
    bench.check_finished(&restore)?;
    first.signal("CONT")?;
    let first = first.output(DEADLINE)?;
    ensure!([1, 6].contains(&first.status.code().unwrap_or(0)), "{} {}", first.status, said(&first));
    ensure!(said(&first).contains("is lost"), "{}", said(&first));
    // It moved nothing.
    bench.check_finished(&restore).with_context(|| said(&first))
}
