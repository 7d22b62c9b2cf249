//! Every call to a real NameNode goes wrong in every way, one at a time: while sweeping, bringing back and purging.
//! Whatever happens, each file is at its old place or at its one place in the quarantine with its bytes and its time,
//! the program ends in time with a documented code and says why, and a run without faults finishes the work.
//!
//! Each call in turn is refused, hangs, loses its answer, or is carried out after its caller gave up. Here every so
//! many-th call is tried; with `CHKSWEEP_SOAK=1` every one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chksweep_tests::trial::{self, Bench, Command, DEADLINE, said};
use chksweep_tests::{Fault, MiniHdfs, Options};

/// When a late call arrives: long after its caller gave up.
const LATE: Duration = Duration::from_secs(2);
const FAULTS: [Fault; 4] = [Fault::Fail, Fault::Hang, Fault::Lose, Fault::Late(LATE)];
/// How many cases are under way at once, and how many where there are thousands.
const AT_ONCE: usize = 4;
const AT_ONCE_OF_ALL: usize = 12;

/// One trial.
#[derive(Clone, Copy, Debug)]
struct Case {
    number: usize,
    command: Command,
    nth: usize,
    fault: Fault,
}

/// How many calls of a command are spoiled in each way, unless all are. Preparing a purge takes three runs.
const fn few(command: Command) -> usize {
    match command {
        Command::Run => 5,
        Command::Restore => 3,
        Command::Purge => 2,
    }
}

/// Spoils one call. Returns whether the command made so many.
fn attempt(bench: &Bench<'_>, case: Case) -> Result<bool> {
    let trial = bench.prepare(case.number, case.command)?;
    trial.proxy.spoil(Some((case.nth, case.fault)));
    let output = trial.start(&["--call-timeout", "500ms", "--patience", "3s"])?.output(DEADLINE)?;
    let spoiled = trial.proxy.calls().get(case.nth - 1).cloned();
    trial.proxy.await_late();
    let settled = || -> Result<()> {
        bench.check(&trial)?;
        trial::check_honest(&output)?;
        if output.status.success() {
            bench.check_finished(&trial)?;
        }
        bench.finish(&trial)
    };
    let about = || format!("{case:?} ({spoiled:?}): {} {}", output.status, said(&output));
    settled().with_context(about)?;
    Ok(spoiled.is_some())
}

#[test]
fn whichever_call_goes_wrong_nothing_is_lost_and_the_next_run_finishes() -> Result<()> {
    // A client that closes a file before its block is reported is turned away and waits half a second; and these
    // tests read every file all the time, which must not make a checkpoint look used.
    let options = Options::new()
        .set("dfs.namenode.file.close.num-committed-allowed", "1")
        .set("dfs.namenode.accesstime.precision", "0");
    let hdfs = MiniHdfs::start(&options)?;
    let port = hdfs.url().rsplit_once(':').context("no port")?.1.parse()?;
    let bench = Bench { hdfs: &hdfs, port };
    let mut cases = Vec::new();
    let mut all = 0;
    for command in Command::ALL {
        let (calls, _) = bench.count(1_000_000 + all, command)?;
        all += calls * FAULTS.len();
        let step = if trial::is_soak() { 1 } else { calls.div_ceil(few(command)) };
        for (shift, fault) in FAULTS.into_iter().enumerate() {
            // Each fault strikes others of the calls.
            let first = 1 + shift * step / FAULTS.len();
            for nth in (first..=calls).step_by(step) {
                cases.push(Case { number: cases.len(), command, nth, fault });
            }
        }
    }
    let (tried, struck) = (cases.len(), AtomicUsize::new(0));
    let at_once = if trial::is_soak() { AT_ONCE_OF_ALL } else { AT_ONCE };
    let failed = trial::each(cases, at_once, |case| {
        let was_struck = attempt(&bench, case)?;
        struck.fetch_add(usize::from(was_struck), Ordering::Relaxed);
        Ok(())
    });
    let struck = struck.into_inner();
    println!("count: faults injected: {struck} of {all} (calls times kinds of fault)");
    ensure!(failed.is_empty(), "{} of {tried} went wrong:\n{}", failed.len(), failed.join("\n\n"));
    ensure!(struck * 10 >= tried * 9, "most of the faults struck a call");
    Ok(())
}
