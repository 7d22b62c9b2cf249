//! The NameNode as chksweep meets it: time goes on, jobs act, and calls fail in every way that calls can.
//!
//! Each call of a process takes a while, during which the world goes on; between two pages of a listing it does so,
//! too. Then a call may fail before it takes effect or after, find the NameNode in safe mode, hang, take effect long
//! after the client gave up on it, or be the last thing that its process ever did.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chksweep_core::{Age, Location, Timestamp};
use chksweep_store::{
    Appender, Call, EntrySink, ErrorKind, MemoryStore, MutateStore, Operation, ReadStore, Reader, Status,
    StoreError,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::flink::World;
use crate::oracle::Watch;
use crate::records::Ledger;

/// How many of each there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Histories.
    pub histories: u64,
    /// Calls of chksweep.
    pub calls: u64,
    /// Calls that failed, hung or were late, by what they did.
    pub faults: BTreeMap<&'static str, u64>,
    /// Runs of chksweep that changed something or could have.
    pub runs: u64,
    /// Plans of our own making that the checker refused: safe, and a bug all the same.
    pub refused: u64,
    /// Runs that were killed.
    pub kills: u64,
    /// Checkpoints and savepoints that were looked at in the end.
    pub snapshots: u64,
    /// Files that chksweep set aside or deleted.
    pub swept: u64,
    /// Files that it brought back by itself.
    pub rescued: u64,
    /// Files that it purged.
    pub purged: u64,
    /// Checkpoints and savepoints that a policy retired.
    pub retired: u64,
    /// Calm ends in which all garbage went.
    pub calm_ends: u64,
    /// Retired checkpoints and savepoints that were brought back whole.
    pub undone: u64,
    /// Histories that ended early: a policy took what a job had begun from, where nothing can tell of that.
    pub given_up: u64,
}

impl Counts {
    /// Adds another history's.
    pub fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.calls += other.calls;
        self.runs += other.runs;
        self.refused += other.refused;
        self.kills += other.kills;
        self.snapshots += other.snapshots;
        self.swept += other.swept;
        self.rescued += other.rescued;
        self.purged += other.purged;
        self.retired += other.retired;
        self.calm_ends += other.calm_ends;
        self.undone += other.undone;
        self.given_up += other.given_up;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

/// How often what happens to a call, in calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// A job does something between two calls once in so many; never where it is nothing.
    pub(crate) hurry: Option<u64>,
    /// A call goes wrong once in so many.
    pub(crate) fault: Option<u64>,
    /// The NameNode goes into safe mode once in so many.
    pub(crate) safe_mode: Option<u64>,
    /// No NameNode is active for some minutes once in so many.
    pub(crate) standby: Option<u64>,
    /// A process stands still for twenty minutes or more once in so many.
    pub(crate) pause: Option<u64>,
    /// Up to how many milliseconds a look takes more than a call does: as each stands for very many of a large cluster,
    /// or of a NameNode that is busy.
    pub(crate) slow: Option<u64>,
}

impl Weather {
    pub(crate) const FAIR: Self =
        Self { hurry: None, fault: None, safe_mode: None, standby: None, pause: None, slow: None };
}

/// What all processes share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) world: World,
    pub(crate) watch: Watch,
    pub(crate) ledger: Ledger,
    pub(crate) counts: Counts,
    pub(crate) weather: Weather,
    dice: Dice,
    /// What the clock said when tokio's stood at `since`.
    epoch: Timestamp,
    since: Instant,
    safe_mode_until: Option<Timestamp>,
    standby_until: Option<Timestamp>,
}

/// A handle to what all processes share.
#[derive(Clone)]
pub(crate) struct NameNode(Arc<Mutex<Hub>>);

impl fmt::Debug for NameNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameNode")
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    /// It fails and has no effect.
    Refused(ErrorKind),
    /// It takes effect, and the answer is lost.
    Lost(ErrorKind),
    Hangs,
    HangsAfter,
    /// It takes effect after the client has given up.
    Late(Duration),
    /// The process dies before it takes effect.
    DiesBefore,
    /// The process dies after it took effect.
    DiesAfter,
}

impl Fate {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Well | Self::DiesBefore | Self::DiesAfter => None,
            Self::Refused(_) => Some("refused"),
            Self::Lost(_) => Some("answer lost"),
            Self::Hangs => Some("hangs"),
            Self::HangsAfter => Some("hangs after"),
            Self::Late(_) => Some("late"),
        }
    }
}

impl NameNode {
    pub(crate) fn new(world: World, watch: Watch, ledger: Ledger, dice: Dice) -> Self {
        let epoch = world.memory.now();
        let hub = Hub {
            world,
            watch,
            ledger,
            counts: Counts::default(),
            weather: Weather::FAIR,
            dice,
            epoch,
            since: Instant::now(),
            safe_mode_until: None,
            standby_until: None,
        };
        Self(Arc::new(Mutex::new(hub)))
    }

    pub(crate) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the NameNode's clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.hub().now()
    }

    /// Lets time go on.
    pub(crate) async fn pass(&self, time: Age) {
        tokio::time::sleep(Duration::from_millis(time.0)).await;
        self.hub().catch_up();
    }
}

impl Hub {
    pub(crate) fn now(&self) -> Timestamp {
        self.epoch.plus(Age(self.since.elapsed().as_millis() as _))
    }

    /// Lets everything happen that is due by now.
    pub(crate) fn catch_up(&mut self) {
        let now = self.now();
        self.world.until(now);
        if self.safe_mode_until.is_some_and(|until| until <= now) {
            self.safe_mode_until = None;
            self.world.memory.set_safe_mode(false);
        }
    }

    fn maybe_hurry(&mut self) {
        if self.weather.hurry.is_some_and(|sides| self.dice.one_in(sides)) {
            self.world.hurry();
        }
    }

    fn maybe_safe_mode(&mut self) {
        if self.weather.safe_mode.is_some_and(|sides| self.dice.one_in(sides)) {
            let minutes = if self.dice.one_in(3) { 30 } else { self.dice.between(1, 4) };
            self.safe_mode_until = Some(self.now().plus(Age::minutes(minutes)));
            self.world.memory.set_safe_mode(true);
            *self.counts.faults.entry("safe mode").or_default() += 1;
        }
    }

    fn maybe_standby(&mut self) {
        if self.weather.standby.is_some_and(|sides| self.dice.one_in(sides)) {
            let minutes = if self.dice.one_in(3) { 30 } else { self.dice.between(1, 4) };
            self.standby_until = Some(self.now().plus(Age::minutes(minutes)));
            *self.counts.faults.entry("standby").or_default() += 1;
        }
    }

    fn is_standby(&self) -> bool {
        self.standby_until.is_some_and(|until| self.now() < until)
    }

    fn latency(&mut self, is_change: bool) -> Duration {
        if self.weather.pause.is_some_and(|sides| self.dice.one_in(sides)) {
            *self.counts.faults.entry("process paused").or_default() += 1;
            return Duration::from_mins(self.dice.between(16, 40));
        }
        let most = self.weather.slow.filter(|_| !is_change).unwrap_or(3);
        Duration::from_millis(self.dice.between(1, most))
    }

    fn fate(&mut self, is_change: bool) -> Fate {
        if self.weather.fault.is_none_or(|sides| !self.dice.one_in(sides)) {
            return Fate::Well;
        }
        let kinds = [ErrorKind::Unreachable, ErrorKind::TimedOut, ErrorKind::Other];
        let kind = *self.dice.pick(&kinds).unwrap_or(&ErrorKind::Other);
        let fate = match self.dice.below(if is_change { 8 } else { 4 }) {
            1 => Fate::Refused(ErrorKind::Busy),
            2 => Fate::Hangs,
            4 | 7 => Fate::Lost(kind),
            5 => Fate::HangsAfter,
            6 => Fate::Late(Duration::from_secs(self.dice.between(61, 900))),
            _ => Fate::Refused(kind),
        };
        *self.counts.faults.entry(fate.name().unwrap_or("none")).or_default() += 1;
        fate
    }
}

/// When a process dies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Death {
    /// After how many more calls; never where it is nothing.
    left: Arc<Mutex<Option<u64>>>,
    pub(crate) now: Arc<Notify>,
}

impl Death {
    pub(crate) fn after(calls: Option<u64>) -> Self {
        Self { left: Arc::new(Mutex::new(calls)), now: Arc::new(Notify::new()) }
    }

    /// Counts a call; returns whether it is the last.
    fn strikes(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut() {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                *left == 0
            }
        }
    }
}

/// One process's connection to the NameNode.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    namenode: NameNode,
    memory: MemoryStore,
    death: Death,
    /// Whose it is.
    run: String,
}

impl Client {
    pub(crate) fn new(namenode: &NameNode, death: Death, run: String) -> Self {
        let memory = namenode.hub().world.memory.clone();
        Self { namenode: namenode.clone(), memory, death, run }
    }

    /// Lets the world go on for as long as the call takes, and returns what becomes of the call.
    async fn begin(&self, is_change: bool) -> Fate {
        let latency = self.namenode.hub().latency(is_change);
        tokio::time::sleep(latency).await;
        let mut hub = self.namenode.hub();
        hub.counts.calls += 1;
        hub.catch_up();
        hub.maybe_hurry();
        hub.maybe_safe_mode();
        hub.maybe_standby();
        if self.death.strikes() {
            return if hub.dice.one_in(2) { Fate::DiesBefore } else { Fate::DiesAfter };
        }
        if hub.is_standby() { Fate::Refused(ErrorKind::Busy) } else { hub.fate(is_change) }
    }

    async fn die<T>(&self) -> T {
        self.death.now.notify_one();
        pending().await
    }

    async fn look<T>(
        &self,
        operation: Operation,
        path: &Location,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.begin(false).await {
            Fate::Well => work.await,
            Fate::Refused(kind) | Fate::Lost(kind) => Err(failed(kind, operation, path)),
            Fate::Hangs | Fate::HangsAfter | Fate::Late(_) => pending().await,
            Fate::DiesBefore | Fate::DiesAfter => self.die().await,
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        operation: Operation,
        path: &Location,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.begin(true).await {
            Fate::Well => work.await,
            Fate::Refused(kind) => Err(failed(kind, operation, path)),
            Fate::Lost(kind) => {
                let _lost = work.await;
                Err(failed(kind, operation, path))
            }
            Fate::Hangs => pending().await,
            Fate::HangsAfter => {
                let _lost = work.await;
                pending().await
            }
            Fate::Late(after) => {
                let namenode = self.namenode.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    namenode.hub().catch_up();
                    let _lost = work.await;
                });
                pending().await
            }
            Fate::DiesBefore => self.die().await,
            Fate::DiesAfter => {
                let _lost = work.await;
                self.die().await
            }
        }
    }

    /// Carries a change of a path out, and tells the oracle.
    fn watched<T: Send + 'static>(
        &self,
        call: Call,
        path: &Location,
        to: Option<&Location>,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        happened: fn(&T) -> bool,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (namenode, run, path, to) = (self.namenode.clone(), self.run.clone(), path.clone(), to.cloned());
        namenode.hub().ledger.tries(&run, &path);
        async move {
            let before = namenode.hub().begin_change(call, &path);
            let done = work.await;
            if done.as_ref().is_ok_and(happened) {
                namenode.hub().end_change(call, &path, to.as_ref(), before, &run);
            }
            done
        }
    }
}

impl Hub {
    fn begin_change(&mut self, call: Call, path: &Location) -> crate::oracle::Before {
        crate::oracle::before(call, path, &self.world)
    }

    fn end_change(
        &mut self,
        call: Call,
        path: &Location,
        to: Option<&Location>,
        before: crate::oracle::Before,
        run: &str,
    ) {
        let Self { watch, ledger, world, counts, .. } = self;
        if !is_housekeeping(path) {
            world.trace.say(world.memory.now(), || match to {
                Some(to) => format!("   {call:?} {path} to {to}"),
                None => format!("   {call:?} {path}"),
            });
        }
        if !is_housekeeping(path) {
            ledger.saw(run, call, path, world);
        }
        watch.after(call, path, to, before, world, counts);
    }
}

/// Whether a path is what a run keeps for itself: the lock, the clock.
fn is_housekeeping(path: &Location) -> bool {
    let path = path.to_string();
    path.contains("/.chksweep/") && !path.contains("/.chksweep/quarantine/")
}

fn failed(kind: ErrorKind, operation: Operation, path: &Location) -> StoreError {
    StoreError::new(kind, operation, path, "simulated")
}

#[async_trait]
impl ReadStore for Client {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        let namenode = self.namenode.clone();
        let mut entries = 0_u64;
        let mut moving = |entry: chksweep_store::Entry<'_>| {
            entries += 1;
            sink(entry);
            if entries.is_multiple_of(3) {
                namenode.hub().maybe_hurry();
            }
        };
        let work = self.memory.list(directory, &mut moving);
        self.look(Operation::List, directory, work).await
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        self.look(Operation::Stat, path, self.memory.stat(path)).await
    }

    async fn access(&self, path: &Location) -> Result<chksweep_store::Access, StoreError> {
        self.look(Operation::Stat, path, self.memory.access(path)).await
    }

    fn user(&self) -> Option<String> {
        self.memory.user()
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        self.look(Operation::Read, path, self.memory.open(path)).await
    }
}

/// Makes a future of one call on a handle of its own, so that it can go on without its caller.
macro_rules! detached {
    ($self:ident, |$store:ident| $call:expr) => {{
        let $store = $self.memory.clone();
        async move { $call.await }
    }};
}

#[async_trait]
impl MutateStore for Client {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        let (source, target) = (from.clone(), to.clone());
        let work = detached!(self, |store| store.rename(&source, &target));
        let work = self.watched(Call::Rename, from, Some(to), work, |()| true);
        self.change(Operation::Rename, from, work).await
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.delete_file(&at));
        let work = self.watched(Call::DeleteFile, path, None, work, |gone| *gone);
        self.change(Operation::Delete, path, work).await
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.remove_directory(&at));
        let work = self.watched(Call::RemoveDirectory, path, None, work, |gone| *gone);
        self.change(Operation::Delete, path, work).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.delete_tree(&at));
        let work = self.watched(Call::DeleteTree, path, None, work, |gone| *gone);
        self.change(Operation::Delete, path, work).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.make_directories(&at, private));
        self.change(Operation::MakeDirectory, path, work).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let (at, bytes) = (path.clone(), content.to_vec());
        let work = detached!(self, |store| store.create_new(&at, &bytes));
        self.change(Operation::Write, path, work).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let (at, bytes) = (path.clone(), content.to_vec());
        let work = detached!(self, |store| store.replace(&at, &bytes));
        self.change(Operation::Write, path, work).await
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.create_appender(&at));
        let inner = self.change(Operation::Write, path, work).await?;
        Ok(Box::new(Writing { inner, client: self.clone(), path: path.clone() }))
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.close_abandoned(&at));
        self.change(Operation::Write, path, work).await
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        let at = path.clone();
        let work = detached!(self, |store| store.trash(&at));
        let work = self.watched(Call::Trash, path, None, work, |_| true);
        self.change(Operation::Trash, path, work).await
    }
}

/// A file that chksweep writes: the journal.
#[derive(Debug)]
struct Writing {
    inner: Box<dyn Appender>,
    client: Client,
    path: Location,
}

#[async_trait]
impl Appender for Writing {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        match self.client.begin(true).await {
            Fate::Well => self.inner.append(content).await,
            Fate::Refused(kind) => Err(failed(kind, Operation::Write, &self.path)),
            Fate::Lost(kind) => {
                // Some of it may have arrived.
                let part = self.client.namenode.hub().dice.index(content.len() + 1);
                let _lost = self.inner.append(&content[..part]).await;
                Err(failed(kind, Operation::Write, &self.path))
            }
            Fate::Hangs | Fate::Late(_) => pending().await,
            Fate::HangsAfter => {
                let _lost = self.inner.append(content).await;
                pending().await
            }
            Fate::DiesBefore => self.client.die().await,
            Fate::DiesAfter => {
                let part = self.client.namenode.hub().dice.index(content.len() + 1);
                let _lost = self.inner.append(&content[..part]).await;
                self.client.die().await
            }
        }
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        match self.client.begin(true).await {
            Fate::Refused(kind) | Fate::Lost(kind) => Err(failed(kind, Operation::Write, &self.path)),
            Fate::Hangs | Fate::HangsAfter | Fate::Late(_) => pending().await,
            Fate::DiesBefore | Fate::DiesAfter => self.client.die().await,
            Fate::Well => self.inner.close().await,
        }
    }
}
