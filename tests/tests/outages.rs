//! What chksweep needs goes away while it works, and comes back or does not: the NameNode, the DataNode, the active
//! one of two NameNodes, the right to write (safe mode, a quota), the space on the local disk. Nothing is lost, what
//! happened is said with a documented code, everything ends, and the next run finishes the work.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command as Process;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chksweep_tests::trial::{self, Bench, Command, DEADLINE, Trial, said};
use chksweep_tests::{Chksweep, Daemon, Daemons, Fault, MiniHdfs, Options, Proxy, Running, World};

/// How long something is away.
const AWAY: Duration = Duration::from_secs(3);

/// What is waited for an answer: calls are given up while something is away.
const ANSWERS_WITHIN: &str = "2s";

fn mini() -> Result<MiniHdfs> {
    let options = Options::new().set("dfs.namenode.file.close.num-committed-allowed", "1");
    // These tests read every file, which must not make a checkpoint look used.
    MiniHdfs::start(&options.set("dfs.namenode.accesstime.precision", "0"))
}

fn bench(hdfs: &MiniHdfs) -> Result<Bench<'_>> {
    let port = hdfs.url().rsplit_once(':').context("no port")?.1.parse()?;
    Ok(Bench { hdfs, port })
}

/// Starts the command and returns it once it has made so many calls.
fn started(trial: &Trial, calls: usize, more: &[&str]) -> Result<Running> {
    trial.proxy.spoil(None);
    let mut running = trial.start(more)?;
    while trial.proxy.calls().len() < calls && running.runs()? {
        thread::sleep(Duration::from_micros(200));
    }
    ensure!(running.runs()?, "it ended before its call {calls}");
    Ok(running)
}

/// One outage: when in a command, by tenths of its calls.
struct Outage {
    daemon: Daemon,
    /// Whether the process dies and starts again, rather than standing still.
    killed: bool,
    command: Command,
    tenth: usize,
}

fn outages() -> Vec<Outage> {
    let mut outages = Vec::new();
    for daemon in [Daemon::NameNode, Daemon::DataNode] {
        for killed in [true, false] {
            for command in Command::ALL {
                let tenths: &[usize] = if trial::is_soak() {
                    &[1, 2, 3, 4, 5, 6, 7, 8, 9]
                } else if command == Command::Run {
                    &[5]
                } else if daemon == Daemon::NameNode && killed {
                    &[7]
                } else {
                    &[]
                };
                outages.extend(tenths.iter().map(|tenth| Outage { daemon, killed, command, tenth: *tenth }));
            }
        }
    }
    outages
}

#[test]
fn a_namenode_or_datanode_that_goes_away_in_a_run_is_waited_for_and_nothing_is_lost() -> Result<()> {
    let daemons = Daemons::start()?;
    let bench = Bench { hdfs: daemons.client(), port: daemons.port() };
    let mut counted = Vec::new();
    for (number, command) in (1000..).zip(Command::ALL) {
        counted.push(bench.count(number, command)?.0);
    }
    let outages = outages();
    for (number, Outage { daemon, killed, command, tenth }) in outages.iter().enumerate() {
        let calls = Command::ALL.iter().zip(&counted).find(|(one, _)| *one == command).map_or(0, |(_, n)| *n);
        let trial = bench.prepare(number, *command)?;
        let running = started(&trial, calls * tenth / 10, &["--call-timeout", ANSWERS_WITHIN])?;
        if *killed {
            daemons.kill(*daemon)?;
            thread::sleep(AWAY);
            daemons.launch(*daemon)?;
            daemons.await_names()?;
            daemons.await_data()?;
        } else {
            daemons.signal(*daemon, "STOP")?;
            thread::sleep(AWAY);
            daemons.signal(*daemon, "CONT")?;
        }
        let output = running.output(DEADLINE)?;
        let about = || {
            let what = if *killed { "killed" } else { "stopped" };
            format!("{daemon:?} {what} in {command:?}, {tenth}: {} {}", output.status, said(&output))
        };
        bench.check(&trial).with_context(about)?;
        trial::check_honest(&output).with_context(about)?;
        bench.finish(&trial).with_context(about)?;
    }
    println!("count: outages of a NameNode or DataNode process: {}", outages.len());
    Ok(())
}

/// Two NameNodes, with a proxy before each.
struct Pair {
    hdfs: MiniHdfs,
    chksweep: Chksweep,
    proxies: [Proxy; 2],
}

impl Pair {
    fn start() -> Result<Pair> {
        let options = Options::new().ha().set("dfs.namenode.file.close.num-committed-allowed", "1");
        let hdfs = MiniHdfs::start(&options.set("dfs.namenode.accesstime.precision", "0"))?;
        let site = fs::read_to_string(hdfs.conf_dir().join("hdfs-site.xml"))?;
        let proxy = |name: &str| -> Result<Proxy> {
            let key = format!("<name>dfs.namenode.rpc-address.minins.{name}</name><value>localhost:");
            let rest = site.split_once(&key).context("no such address")?.1;
            Proxy::start(rest.split_once('<').context("no end")?.0.parse()?)
        };
        Ok(Pair { chksweep: Chksweep::new(Some(&hdfs))?, proxies: [proxy("nn1")?, proxy("nn2")?], hdfs })
    }

    /// A tree, of which all may go that nothing names.
    fn put(&self, number: usize) -> Result<World> {
        let world = World::put(&self.hdfs, "hdfs://ns", &format!("/w{number}"))?;
        thread::sleep(Duration::from_millis(1100));
        Ok(world)
    }

    fn run(&self, world: &World) -> Result<Running> {
        let mut words = Command::Run.words(world);
        words.extend(["--break-lock", "any"].map(ToOwned::to_owned));
        let mut service = vec!["dfs.nameservices=ns".to_owned(), "dfs.ha.namenodes.ns=nn1,nn2".to_owned()];
        for (name, proxy) in ["nn1", "nn2"].iter().zip(&self.proxies) {
            service.push(format!("dfs.namenode.rpc-address.ns.{name}=127.0.0.1:{}", proxy.port()));
        }
        words.extend(service.into_iter().flat_map(|one| ["-D".to_owned(), one]));
        self.chksweep.start(&words)
    }
}

/// A call reaches the NameNode that was active only when the other one is.
#[test]
fn a_failover_in_any_phase_of_a_run_loses_nothing() -> Result<()> {
    let pair = Pair::start()?;
    let [first, _] = &pair.proxies;
    let output = pair.run(&pair.put(0)?)?.output(DEADLINE)?;
    ensure!(output.status.success(), "{}", said(&output));
    let calls = first.calls();
    // Listing; reading and planning; applying, announced first; the end.
    let mut moments = Vec::new();
    for method in ["getListing", "getBlockLocations", "create", "rename2", "complete"] {
        let count = calls.iter().filter(|call| *call == method).count();
        ensure!(count > 0, "{method} is not called: {calls:?}");
        let nths = BTreeSet::from([1, count.div_ceil(2), count]);
        moments.extend(nths.into_iter().map(|nth| (method, nth)));
    }
    let mut tried = 0;
    for (number, (method, nth)) in (1..).zip(&moments) {
        let world = pair.put(number)?;
        first.spoil_nth_of(method, *nth, Fault::Late(Duration::from_millis(1500)));
        let mut running = pair.run(&world)?;
        while !first.is_spoiled() && running.runs()? {
            thread::sleep(Duration::from_micros(200));
        }
        if !first.is_spoiled() {
            // Not every run makes the same calls.
            running.output(DEADLINE)?;
            continue;
        }
        tried += 1;
        pair.hdfs.command("failover 500")?;
        let output = running.output(DEADLINE)?;
        let about = || format!("at {method} {nth}: {} {}", output.status, said(&output));
        first.await_late();
        first.spoil(None);
        world.check(&pair.hdfs.files(world.root())?, false).with_context(about)?;
        ensure!([0, 1, 6].contains(&output.status.code().unwrap_or(-1)), "{}", about());
        pair.hdfs.command("failover 0")?;
        thread::sleep(Duration::from_millis(1100));
        let again = pair.run(&world)?.output(DEADLINE)?;
        ensure!(again.status.success(), "{}\nand then {}", about(), said(&again));
        let files = pair.hdfs.files(world.root())?;
        world.check(&files, false).with_context(about)?;
        assert_eq!(world.in_place(&files), world.kept(), "{}", about());
    }
    ensure!(tried * 4 > moments.len() * 3, "only {tried} of {} moments came", moments.len());
    println!("count: failovers in a run: {tried}");
    Ok(())
}

#[test]
fn safe_mode_in_the_middle_is_sat_out_or_said() -> Result<()> {
    let hdfs = mini()?;
    let bench = bench(&hdfs)?;
    let trial = bench.prepare(1, Command::Run)?;
    let calls = trial.well()?.0;
    let first = calls.iter().position(|call| call == "rename2").context("no rename")?;
    for left in [true, false] {
        let trial = bench.prepare(if left { 2 } else { 3 }, Command::Run)?;
        let running = started(&trial, first, &["--patience", if left { "1m" } else { "2s" }])?;
        hdfs.command("safemode enter")?;
        if left {
            thread::sleep(AWAY);
            hdfs.command("safemode leave")?;
        }
        let output = running.output(DEADLINE)?;
        hdfs.command("safemode leave")?;
        let about = || format!("left: {left}: {} {}", output.status, said(&output));
        bench.check(&trial).with_context(about)?;
        trial::check_honest(&output).with_context(about)?;
        if !left {
            ensure!(!output.status.success(), "{}", about());
            ensure!(said(&output).to_lowercase().contains("safe mode"), "{}", about());
        }
        bench.finish(&trial).with_context(about)?;
    }
    Ok(())
}

#[test]
fn a_quota_that_the_quarantine_exceeds_is_said_and_what_fits_is_done() -> Result<()> {
    let hdfs = mini()?;
    let bench = bench(&hdfs)?;
    let trial = bench.prepare(1, Command::Run)?;
    let own = format!("{}/.chksweep", trial.world.root());
    let quarantine = format!("{own}/quarantine");
    for directory in [&own, &quarantine] {
        hdfs.command(&format!("mkdir {directory} 700"))?;
    }
    hdfs.command(&format!("quota {quarantine} 6"))?;
    let output = trial.start(&[])?.output(DEADLINE)?;
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    let talk = said(&output) + &String::from_utf8_lossy(&output.stdout);
    ensure!(talk.contains("quota"), "{talk}");
    bench.check(&trial)?;
    hdfs.command(&format!("quota {quarantine} 1000"))?;
    bench.finish(&trial)
}

/// A command whose files cannot grow beyond so many KiB: as on a full disk, a write fails.
fn limited(chksweep: &Chksweep, kib: u32, words: &[String]) -> Result<std::process::Output> {
    let command = chksweep.command(words);
    let mut shell = Process::new("bash");
    shell.args(["-c", r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#, "limited", &kib.to_string()]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Running::of(&mut shell)?.output(DEADLINE)
}

#[test]
fn a_full_local_disk_stops_a_run_where_nothing_is_lost() -> Result<()> {
    let hdfs = mini()?;
    let chksweep = Chksweep::new(Some(&hdfs))?;
    let state = chksweep.state_home().to_str().context("not UTF-8")?.to_owned();
    for kib in 0..4 {
        let world = World::put(&hdfs, hdfs.url(), &format!("/w{kib}"))?;
        thread::sleep(Duration::from_millis(1100));
        let mut words = Command::Run.words(&world);
        let output = limited(&chksweep, kib, &words)?;
        let about = || format!("{kib} KiB: {} {}", output.status, said(&output));
        world.check(&hdfs.files(world.root())?, false).with_context(about)?;
        ensure!([1, 6].contains(&output.status.code().unwrap_or(-1)), "{}", about());
        ensure!(said(&output).contains(&state), "{}", about());
        thread::sleep(Duration::from_millis(1100));
        words.extend(["--break-lock".to_owned(), "any".to_owned()]);
        let again = chksweep.run(&words)?;
        ensure!(again.status.success(), "{}\nand then {}", about(), said(&again));
        let files = hdfs.files(world.root())?;
        world.check(&files, false).with_context(about)?;
        assert_eq!(world.in_place(&files), world.kept(), "{}", about());
    }
    Ok(())
}

#[test]
fn a_plan_that_does_not_fit_on_the_disk_is_said_and_never_applied() -> Result<()> {
    let hdfs = mini()?;
    let chksweep = Chksweep::new(Some(&hdfs))?;
    let world = World::put(&hdfs, hdfs.url(), "/w")?;
    let before = hdfs.files(world.root())?;
    thread::sleep(Duration::from_millis(1100));
    let file = chksweep.state_home().join("plan.jsonl");
    let file = file.to_str().context("not UTF-8")?.to_owned();
    let mut words = vec!["plan".to_owned(), "--unsafe-min-age".to_owned(), "1s".to_owned()];
    words.extend(World::policy());
    words.extend([world.location().to_owned(), "-o".to_owned(), file.clone()]);
    for kib in 0..3 {
        let output = limited(&chksweep, kib, &words)?;
        assert_eq!(output.status.code(), Some(1), "{kib} KiB: {}", said(&output));
        ensure!(said(&output).contains(&file), "{kib} KiB: {}", said(&output));
        let applied = chksweep.run(&["apply", &file, "--yes"])?;
        ensure!([1, 2, 8].contains(&applied.status.code().unwrap_or(0)), "{}", said(&applied));
    }
    assert_eq!(hdfs.files(world.root())?, before);
    Ok(())
}
