//! Every call to a real NameNode goes wrong in every way, one at a time: while sweeping, bringing back and purging.
//! Whatever happens, each file is at its old place or at its one place in the quarantine with its bytes and its time,
//! the program ends in time with a documented code and says why, and a run without faults finishes the work.
//!
//! Each call in turn is refused, hangs, loses its answer, or is carried out after its caller gave up. Here every so
//! many-th call is tried; with `CHKSWEEP_SOAK=1` every one.

use std::collections::{BTreeSet, VecDeque};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chksweep_tests::{Chksweep, Fault, MiniHdfs, Options, Proxy, World};

/// No run may take longer, whatever is done to it.
const DEADLINE: Duration = Duration::from_mins(3);
/// When a late call arrives: long after its caller gave up.
const LATE: Duration = Duration::from_secs(2);
const FAULTS: [Fault; 4] = [Fault::Fail, Fault::Hang, Fault::Lose, Fault::Late(LATE)];
/// How many cases are under way at once: they mostly wait.
const AT_ONCE: usize = 3;
/// How many calls of each command are spoiled in each way, unless all are.
const FEW: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Run,
    Restore,
    Purge,
}

impl Command {
    /// The words, with an age below which nothing goes that a test can wait for.
    fn words(self, world: &World) -> Vec<String> {
        let (words, policy) = match self {
            Command::Run => ("run --execute --no-purge --unsafe-min-age 1s", World::policy()),
            Command::Restore => ("quarantine restore --all --yes --unsafe-min-age 1s", World::policy()),
            Command::Purge => {
                ("quarantine purge --all --yes --unsafe-min-age 1s --purge-after 1s", World::policy())
            }
        };
        let words = words.split(' ').map(ToOwned::to_owned).chain(policy);
        words.chain([world.location().to_owned()]).collect()
    }

    /// What has to be done before.
    fn before(self) -> &'static [Command] {
        match self {
            Command::Run => &[],
            Command::Restore => &[Command::Run],
            // Two clean runs have to follow the one that is purged.
            Command::Purge => &[Command::Run, Command::Run, Command::Run],
        }
    }
}

/// One trial.
#[derive(Clone, Copy, Debug)]
struct Case {
    number: usize,
    command: Command,
    nth: usize,
    fault: Fault,
}

/// What all trials share.
struct Bench {
    hdfs: MiniHdfs,
    port: u16,
}

impl Bench {
    fn start() -> Result<Bench> {
        // A client that closes a file before its block is reported is turned away and waits half a second.
        let options = Options::new().set("dfs.namenode.file.close.num-committed-allowed", "1");
        // These tests read every file all the time, which must not make a checkpoint look used.
        let options = options.set("dfs.namenode.accesstime.precision", "0");
        let hdfs = MiniHdfs::start(&options)?;
        let port = hdfs.url().rsplit_once(':').context("no port")?.1.parse()?;
        Ok(Bench { hdfs, port })
    }

    /// Runs a command through a proxy, as a name service of which the proxy is the NameNode.
    fn run(&self, chksweep: &Chksweep, proxy: &Proxy, words: &[String]) -> Result<Output> {
        let address = format!("dfs.namenode.rpc-address.ns.nn1=localhost:{}", proxy.port());
        let service = ["-D", "dfs.nameservices=ns", "-D", "dfs.ha.namenodes.ns=nn1", "-D", &address];
        let words: Vec<&str> = words.iter().map(String::as_str).chain(service).collect();
        chksweep.start(&words)?.output(DEADLINE)
    }

    /// Runs a command to which nothing is done, and which must succeed.
    fn well(&self, chksweep: &Chksweep, proxy: &Proxy, command: Command, world: &World) -> Result<Vec<String>> {
        // What the last one made or moved is older than the least age by then.
        thread::sleep(Duration::from_millis(1100));
        proxy.spoil(None);
        let mut words = command.words(world);
        words.extend(["--break-lock".to_owned(), "any".to_owned()]);
        let output = self.run(chksweep, proxy, &words)?;
        ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, said(&output));
        Ok(proxy.calls())
    }

    fn prepared(&self, number: usize, command: Command) -> Result<(World, Proxy, Chksweep)> {
        let world = World::put(&self.hdfs, "hdfs://ns", &format!("/w{number}"))?;
        let (proxy, chksweep) = (Proxy::start(self.port)?, Chksweep::new(Some(&self.hdfs))?);
        for earlier in command.before() {
            self.well(&chksweep, &proxy, *earlier, &world)?;
        }
        thread::sleep(Duration::from_millis(1100));
        Ok((world, proxy, chksweep))
    }

    /// Counts the calls of a command to which nothing is done.
    fn count(&self, number: usize, command: Command) -> Result<usize> {
        let (world, proxy, chksweep) = self.prepared(number, command)?;
        let calls = self.well(&chksweep, &proxy, command, &world)?;
        self.finished(command, &world)?;
        Ok(calls.len())
    }

    fn finished(&self, command: Command, world: &World) -> Result<()> {
        let files = self.hdfs.files(world.root())?;
        world.check(&files, command == Command::Purge)?;
        let in_place = if command == Command::Restore { world.all() } else { world.kept() };
        ensure!(world.in_place(&files) == in_place, "in place are not {in_place:?}, but {:?}", world.in_place(&files));
        let gone: BTreeSet<String> = match command {
            Command::Run => world.all().difference(&world.kept()).cloned().collect(),
            Command::Restore | Command::Purge => BTreeSet::new(),
        };
        let aside = world.quarantined(&files).len();
        ensure!(aside == gone.len(), "{aside} files are in quarantine, not {}", gone.len());
        Ok(())
    }

    /// Spoils one call. Returns its name; nothing where the command came to its end before it.
    fn attempt(&self, case: Case) -> Result<Option<String>> {
        let (world, proxy, chksweep) = self.prepared(case.number, case.command)?;
        proxy.spoil(Some((case.nth, case.fault)));
        let mut words = case.command.words(&world);
        words.extend(["--call-timeout", "500ms", "--patience", "3s"].map(ToOwned::to_owned));
        let output = self.run(&chksweep, &proxy, &words)?;
        let spoiled = proxy.calls().get(case.nth - 1).cloned();
        proxy.await_late();
        let about = format!("{case:?} ({spoiled:?}): {} {}", output.status, said(&output));
        world.check(&self.hdfs.files(world.root())?, case.command == Command::Purge).context(about.clone())?;
        is_honest(&output).context(about.clone())?;
        if output.status.success() {
            self.finished(case.command, &world).context(about.clone())?;
        }
        self.well(&chksweep, &proxy, case.command, &world).context(about.clone())?;
        self.finished(case.command, &world).context(about)?;
        Ok(spoiled)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A failure has a documented code and is said, with the place that it concerns.
fn is_honest(output: &Output) -> Result<()> {
    let code = output.status.code().context("it was killed")?;
    ensure!([0, 1, 4, 6].contains(&code), "it ended with {code}");
    let said = said(output) + &String::from_utf8_lossy(&output.stdout);
    ensure!(!said.contains("bug in chksweep"), "it calls it a bug");
    ensure!(code == 0 || said.contains("hdfs://ns/") || said.contains("localhost:"), "it names no place");
    Ok(())
}

#[test]
fn whichever_call_goes_wrong_nothing_is_lost_and_the_next_run_finishes() -> Result<()> {
    let soak = std::env::var_os("CHKSWEEP_SOAK").is_some_and(|set| set == "1");
    let bench = Bench::start()?;
    let mut cases = VecDeque::new();
    let mut all = 0;
    for command in [Command::Run, Command::Restore, Command::Purge] {
        let calls = bench.count(cases.len() + 100_000 + all, command)?;
        all += calls * FAULTS.len();
        let step = if soak { 1 } else { calls.div_ceil(FEW) };
        for (shift, fault) in FAULTS.into_iter().enumerate() {
            // Each fault strikes others of the calls.
            let first = 1 + shift * step / FAULTS.len();
            for nth in (first..=calls).step_by(step) {
                cases.push_back(Case { number: cases.len(), command, nth, fault });
            }
        }
    }
    let tried = cases.len();
    let (struck, failed) = attempt_all(&bench, cases);
    println!("count: faults injected: {struck} of {all} calls in four ways, {tried} tried");
    ensure!(failed.is_empty(), "{} of {tried} went wrong:\n{}", failed.len(), failed.join("\n\n"));
    ensure!(struck * 10 >= tried * 9, "most of the faults struck a call");
    Ok(())
}

fn attempt_all(bench: &Bench, cases: VecDeque<Case>) -> (usize, Vec<String>) {
    let (cases, struck, failed) = (Mutex::new(cases), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    match bench.attempt(case) {
                        Ok(Some(_)) => drop(struck.fetch_add(1, Ordering::Relaxed)),
                        Ok(None) => {}
                        Err(error) => failed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(format!("{error:#}")),
                    }
                }
            });
        }
    });
    (struck.into_inner(), failed.into_inner().unwrap_or_else(PoisonError::into_inner))
}
