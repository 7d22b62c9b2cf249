//! Commands of chksweep on trees of their own, through a proxy before a NameNode, and what must be true afterwards.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::minihdfs::MiniHdfs;
use crate::program::{Chksweep, Running};
use crate::proxy::Proxy;
use crate::world::World;

/// No run may take longer, whatever is done to it.
pub const DEADLINE: Duration = Duration::from_mins(3);
/// The least age, below which nothing is swept: a test can wait for it.
const A_WHILE: Duration = Duration::from_millis(1100);

/// Whether everything is to be tried, and not only as much as there is time for.
pub fn is_soak() -> bool {
    std::env::var_os("CHKSWEEP_SOAK").is_some_and(|set| set == "1")
}

/// A command that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `run --execute`.
    Run,
    /// `quarantine restore`.
    Restore,
    /// `quarantine purge`.
    Purge,
}

impl Command {
    /// All of them.
    pub const ALL: [Command; 3] = [Command::Run, Command::Restore, Command::Purge];

    /// The words, with an age below which nothing goes that a test can wait for.
    pub fn words(self, world: &World) -> Vec<String> {
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
    pub fn before(self) -> &'static [Command] {
        match self {
            Command::Run => &[],
            Command::Restore => &[Command::Run],
            // Two clean runs have to follow the one that is purged.
            Command::Purge => &[Command::Run, Command::Run, Command::Run],
        }
    }
}

/// Where commands are tried.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The cluster, or a client of it.
    pub hdfs: &'a MiniHdfs,
    /// The port of the NameNode.
    pub port: u16,
}

/// A tree with a proxy and a program of its own.
#[derive(Debug)]
pub struct Trial {
    /// The tree.
    pub world: World,
    /// What the program takes for the NameNode.
    pub proxy: Proxy,
    /// The program.
    pub chksweep: Chksweep,
    /// The command that is tried.
    pub command: Command,
}

impl Bench<'_> {
    /// Makes a tree of that number, ready for a command.
    ///
    /// # Errors
    /// When what has to be done before fails.
    pub fn prepare(&self, number: usize, command: Command) -> Result<Trial> {
        let world = World::put(self.hdfs, "hdfs://ns", &format!("/w{number}"))?;
        let (proxy, chksweep) = (Proxy::start(self.port)?, Chksweep::new(Some(self.hdfs))?);
        let mut trial = Trial { world, proxy, chksweep, command: Command::Run };
        for earlier in command.before() {
            trial.command = *earlier;
            trial.well()?;
        }
        trial.command = command;
        thread::sleep(A_WHILE);
        Ok(trial)
    }

    /// Counts the calls of a command to which nothing is done.
    ///
    /// # Errors
    /// When it does not do what it should.
    pub fn count(&self, number: usize, command: Command) -> Result<(usize, Duration)> {
        let trial = self.prepare(number, command)?;
        let (calls, took) = trial.well()?;
        self.check_finished(&trial)?;
        Ok((calls.len(), took))
    }

    /// Checks that nothing is lost.
    ///
    /// # Errors
    /// When something is.
    pub fn check(&self, trial: &Trial) -> Result<()> {
        trial.world.check(&self.hdfs.files(trial.world.root())?, trial.command == Command::Purge)
    }

    /// Checks that the command has done all that it is for.
    ///
    /// # Errors
    /// When it has not.
    pub fn check_finished(&self, trial: &Trial) -> Result<()> {
        self.check(trial)?;
        let (command, world) = (trial.command, &trial.world);
        let files = self.hdfs.files(world.root())?;
        let in_place = if command == Command::Restore { world.all() } else { world.kept() };
        ensure!(
            world.in_place(&files) == in_place,
            "in place are not {in_place:?}, but {:?}",
            world.in_place(&files)
        );
        let gone: BTreeSet<String> = match command {
            Command::Run => world.all().difference(&world.kept()).cloned().collect(),
            Command::Restore | Command::Purge => BTreeSet::new(),
        };
        let aside = world.quarantined(&files).len();
        ensure!(aside == gone.len(), "{aside} files are in quarantine, not {}", gone.len());
        Ok(())
    }

    /// Runs the command again, undisturbed, and checks that it has then done all that it is for.
    ///
    /// # Errors
    /// When it has not.
    pub fn finish(&self, trial: &Trial) -> Result<()> {
        trial.well()?;
        self.check_finished(trial)
    }
}

impl Trial {
    /// The words of the command: it takes the proxy for the NameNode of a name service.
    pub fn words(&self, more: &[&str]) -> Vec<String> {
        let address = format!("dfs.namenode.rpc-address.ns.nn1=127.0.0.1:{}", self.proxy.port());
        let service = ["-D", "dfs.nameservices=ns", "-D", "dfs.ha.namenodes.ns=nn1", "-D", &address];
        let more = service.iter().chain(more).map(|&word| word.to_owned());
        self.command.words(&self.world).into_iter().chain(more).collect()
    }

    /// Starts the command.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, more: &[&str]) -> Result<Running> {
        self.chksweep.start(&self.words(more))
    }

    /// Runs the command undisturbed; it must succeed. Returns the calls and how long it took.
    ///
    /// # Errors
    /// When it does not.
    pub fn well(&self) -> Result<(Vec<String>, Duration)> {
        // What the last one made or moved is older than the least age by then.
        thread::sleep(A_WHILE);
        self.proxy.spoil(None);
        let started = std::time::Instant::now();
        let output = self.start(&["--break-lock", "any"])?.output(DEADLINE)?;
        ensure!(
            output.status.success(),
            "{:?} ended with {}: {}",
            self.command,
            output.status,
            said(&output)
        );
        Ok((self.proxy.calls(), started.elapsed()))
    }
}

/// What a command said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks that a command ended with a documented code, and that a failure is said with the place that it concerns.
///
/// # Errors
/// When it did not.
pub fn check_honest(output: &Output) -> Result<()> {
    let code = output.status.code().context("it was killed")?;
    ensure!([0, 1, 4, 6].contains(&code), "it ended with {code}");
    let said = said(output) + &String::from_utf8_lossy(&output.stdout);
    ensure!(!said.contains("bug in chksweep"), "it calls it a bug");
    ensure!(code == 0 || said.contains("hdfs://ns/") || said.contains("127.0.0.1:"), "it names no place");
    Ok(())
}

/// After how many cases it is told how far it is.
const TOLD_EVERY: usize = 100;

/// Does something with each case, several at a time: they mostly wait. Returns what went wrong, and tells it at once.
#[expect(clippy::print_stderr, reason = "the long form takes hours: it says how far it is")]
pub fn each<C: Send>(cases: Vec<C>, at_once: usize, attempt: impl Fn(C) -> Result<()> + Sync) -> Vec<String> {
    let (all, done) = (cases.len(), AtomicUsize::new(0));
    let (cases, failed) = (Mutex::new(VecDeque::from(cases)), Mutex::new(Vec::new()));
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(case) = next() {
                    if let Err(error) = attempt(case) {
                        eprintln!("{error:#}");
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{error:#}"));
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(TOLD_EVERY) {
                        eprintln!("{done} of {all} tried");
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}
