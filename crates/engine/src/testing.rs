//! A scene for tests of this crate: a store in memory, and plans made by hand from what lies in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chksweep_core::plan::{
    DecisionTotals, Decisions, Entry, Grounds, Header, Looks, Plan, Rule, SCHEMA, Summary, Verdict, entries,
};
use chksweep_core::{
    Age, File, Inventory, InventoryBuilder, ListedDirectory, Listing, Location, Name, Policy, Timestamp,
    layout,
};
use chksweep_store::memory::Seen;
use chksweep_store::{
    Access, Appender, EntryKind, EntrySink, Faulty, MemoryStore, MutateStore, ReadStore, Reader, Status,
    StoreError,
};
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::actions::{ActionOptions, Actions, Fresh, actions};
use crate::cancel::Cancel;
use crate::events::{Event, Observer};
use crate::execute::{ExecuteOptions, ExecutionReport, execute};
use crate::journal::Mode;
use crate::pace::Waiting;
use crate::run::{Run, RunError, RunOptions};
use crate::stores::MutateStores;

/// Hears everything, and keeps what is loud.
#[derive(Debug, Default)]
pub(crate) struct Ears(Mutex<Vec<String>>);

impl Observer for Ears {
    fn event(&self, event: &Event) {
        if let Event::Loud(message) = event {
            self.0.lock().unwrap().push(message.clone());
        }
    }
}

impl Ears {
    pub(crate) fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) const ROOT: &str = "/flink/cp";
pub(crate) const JOB: &str = "d7f536ce31c588055f4f8282a9756920";

/// The `n`-th UUID of a test.
pub(crate) fn uuid(n: u64) -> String {
    format!("0a1b2c3d-0000-4fff-8000-{n:012x}")
}

/// A path below the job directory.
pub(crate) fn path(below: &str) -> String {
    format!("{ROOT}/{JOB}/{below}")
}

/// Where a run sets such a path aside.
pub(crate) fn quarantined(run: &str, below: &str) -> String {
    format!("{ROOT}/.chksweep/quarantine/{run}/{JOB}/{below}")
}

/// A store in which what somebody left open stays open for a while.
#[derive(Debug)]
pub(crate) struct SlowToClose {
    pub(crate) store: MemoryStore,
    pub(crate) open_until: Instant,
}

type Answer<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

impl ReadStore for SlowToClose {
    fn list<'a, 'b, 'c, 'd, 't>(
        &'a self,
        directory: &'b Location,
        sink: &'c mut EntrySink<'d>,
    ) -> Answer<'t, ()>
    where
        Self: 't,
        'a: 't,
        'b: 't,
        'c: 't,
        'd: 't,
    {
        self.store.list(directory, sink)
    }

    fn stat<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, Status> {
        self.store.stat(path)
    }

    fn access<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, Access> {
        self.store.access(path)
    }

    fn user(&self) -> Option<String> {
        self.store.user()
    }

    fn open<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, Box<dyn Reader>> {
        self.store.open(path)
    }
}

impl MutateStore for SlowToClose {
    fn rename<'a: 't, 'b: 't, 'c: 't, 't>(&'a self, from: &'b Location, to: &'c Location) -> Answer<'t, ()> {
        self.store.rename(from, to)
    }

    fn delete_file<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, bool> {
        self.store.delete_file(path)
    }

    fn remove_directory<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, bool> {
        self.store.remove_directory(path)
    }

    fn delete_tree<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, bool> {
        self.store.delete_tree(path)
    }

    fn make_directories<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location, private: bool) -> Answer<'t, ()> {
        self.store.make_directories(path, private)
    }

    fn create_new<'a: 't, 'b: 't, 'c: 't, 't>(
        &'a self,
        path: &'b Location,
        content: &'c [u8],
    ) -> Answer<'t, ()> {
        self.store.create_new(path, content)
    }

    fn replace<'a: 't, 'b: 't, 'c: 't, 't>(
        &'a self,
        path: &'b Location,
        content: &'c [u8],
    ) -> Answer<'t, ()> {
        self.store.replace(path, content)
    }

    fn create_appender<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, Box<dyn Appender>> {
        self.store.create_appender(path)
    }

    fn trash<'a: 't, 'b: 't, 't>(&'a self, path: &'b Location) -> Answer<'t, Location> {
        self.store.trash(path)
    }

    fn close_abandoned<'a: 't, 'b: 't, 't>(&'a self, _: &'b Location) -> Answer<'t, bool> {
        Box::pin(async { Ok(Instant::now() >= self.open_until) })
    }
}

pub(crate) struct Scene {
    pub(crate) store: MemoryStore,
    pub(crate) faulty: Faulty<MemoryStore>,
    pub(crate) stores: MutateStores,
    pub(crate) ears: Arc<Ears>,
    pub(crate) cancel: Cancel,
    pub(crate) mode: Mode,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new("hdfs", "ns");
        store.mkdir(ROOT, store.now().minus(Age::days(30)));
        let faulty = Faulty::new(store.clone());
        let mut stores = MutateStores::default();
        let shared: Arc<dyn MutateStore> = Arc::new(faulty.clone());
        stores.add(&store.location("/"), shared);
        Self {
            store,
            faulty,
            stores,
            ears: Arc::default(),
            cancel: Cancel::default(),
            mode: Mode::Quarantine,
        }
    }

    pub(crate) fn at(&self, below: &str) -> Location {
        self.store.location(path(below))
    }

    pub(crate) fn root(&self) -> Location {
        self.store.location(ROOT)
    }

    pub(crate) fn old(&self) -> Timestamp {
        self.store.now().minus(Age::days(10))
    }

    /// Puts an old file below the job directory.
    pub(crate) fn file(&self, below: &str, length: u64) {
        let content = vec![b'x'; usize::try_from(length).unwrap()];
        self.store.put(path(below), content, self.old());
    }

    /// What lies under the root but for our own files. The mtimes of directories do not count.
    pub(crate) fn tree(&self) -> BTreeMap<Location, Seen> {
        let root = self.root();
        let snapshot = self.store.snapshot().into_iter();
        let of_flink = snapshot.filter(|(at, _)| at.is_within(&root) && !layout::is_own(at));
        of_flink
            .map(|(at, (kind, length, modified))| {
                let modified = if kind == EntryKind::Directory { Timestamp(0) } else { modified };
                (at, (kind, length, modified))
            })
            .collect()
    }

    pub(crate) fn inventory(&self) -> Inventory {
        self.inventory_where(|_| Listing::Complete)
    }

    /// Lists everything; how each listing went is for the caller to say.
    pub(crate) fn inventory_where(&self, listing: impl Fn(&Location) -> Listing) -> Inventory {
        let snapshot = self.store.snapshot();
        let mut builder = InventoryBuilder::default();
        let mut todo = vec![builder.add_root(self.root(), Timestamp(0))];
        while let Some(id) = todo.pop() {
            let at = builder.location(id).clone();
            let mut listed = ListedDirectory::default();
            let inside = snapshot.iter().filter(|(path, _)| path.parent().as_ref() == Some(&at));
            for (path, (kind, length, modified)) in inside.filter(|(path, _)| !layout::is_own(path)) {
                if *kind == EntryKind::Directory {
                    listed.add_directory(path.name(), *modified);
                } else {
                    listed.add_file(path.name(), file(*kind, *length, *modified));
                }
            }
            todo.extend(builder.finish(id, listed, listing(&at)));
        }
        builder.build()
    }

    /// Makes a plan that takes by the rule that `rule` gives a path below the job directory, and keeps the rest.
    pub(crate) fn plan(&self, rule: impl Fn(&str) -> Option<Rule>) -> (Plan, Inventory) {
        let inventory = self.inventory();
        let plan = plan_of(&inventory, &self.store.location(format!("{ROOT}/{JOB}")), rule);
        (plan, inventory)
    }

    /// The entries that a plan file of such a plan holds.
    pub(crate) fn approved(&self, rule: impl Fn(&str) -> Option<Rule>) -> Vec<Entry> {
        let (plan, inventory) = self.plan(rule);
        let mut out = Vec::new();
        entries(&inventory, &plan.decisions, false, |entry| out.push(entry));
        out
    }

    pub(crate) fn fresh(&self, rule: impl Fn(&str) -> Option<Rule>) -> Fresh {
        let (plan, inventory) = self.plan(rule);
        Fresh::unproved(plan, inventory)
    }

    /// What both an approved and a fresh plan by the same rules do.
    pub(crate) fn actions(&self, rule: impl Fn(&str) -> Option<Rule> + Copy) -> Actions {
        let options = ActionOptions { mode: self.mode, exclude_jobs: Vec::new() };
        actions(&self.fresh(rule), &self.approved(rule), &options).unwrap()
    }

    pub(crate) fn options(&self, run: &str) -> RunOptions {
        RunOptions {
            run_id: run.to_owned(),
            command: "run".to_owned(),
            tool: "chksweep 0.1.0".to_owned(),
            user: "flink".to_owned(),
            host: "edge-1".to_owned(),
            pid: 7,
            local_now: self.store.now(),
            roots: vec![self.root()],
            reference_roots: Vec::new(),
            mode: self.mode,
            dead_jobs: Vec::new(),
            policy_digest: None,
            plan_digest: None,
            approved_by: None,
            state_dir: None,
            break_lock: None,
            concurrency: 4,
            waiting: Waiting {
                total: Duration::from_millis(60),
                first: Duration::from_millis(1),
                longest: Duration::from_millis(5),
            },
        }
    }

    pub(crate) async fn begin(&self, run: &str) -> Run {
        self.try_begin(self.options(run)).await.unwrap()
    }

    pub(crate) async fn try_begin(&self, options: RunOptions) -> Result<Run, RunError> {
        Run::begin(self.stores.clone(), options, self.ears.clone(), self.cancel.clone()).await
    }

    /// Carries out what such a plan sweeps, in a run of its own.
    pub(crate) async fn sweep(
        &self,
        run: &str,
        rule: impl Fn(&str) -> Option<Rule> + Copy,
    ) -> ExecutionReport {
        let mut running = self.begin(run).await;
        let actions = self.actions(rule);
        let report = carry(&mut running, actions).await;
        running.finish(true).await.unwrap();
        report
    }
}

/// Makes a plan for an inventory by the rule that `rule` gives a path below `base`, and keeps the rest.
pub(crate) fn plan_of(inventory: &Inventory, base: &Location, rule: impl Fn(&str) -> Option<Rule>) -> Plan {
    let verdict = |at: &Location| {
        let below = at.below(base).map(|below| String::from_utf8_lossy(below).into_owned());
        Verdict::new(below.and_then(|below| rule(&below)).unwrap_or(Rule::Structure))
    };
    let mut decisions = Decisions::new(inventory, Verdict::new(Rule::Structure));
    let mut totals = DecisionTotals::default();
    for (id, directory) in inventory.directories() {
        decisions.set_directory(id, verdict(&directory.location));
        for (file_id, file) in inventory.files_of(id) {
            let verdict = verdict(&inventory.location_of(id, file));
            decisions.set_file(file_id, verdict);
            totals.of_mut(verdict.decision()).add_file(file);
        }
    }
    let roots = inventory.roots().iter().map(|id| inventory.directory(*id).location.to_string());
    made(decisions, totals, roots.collect())
}

/// Executes without ever proving again.
pub(crate) async fn carry(run: &mut Run, actions: Actions) -> ExecutionReport {
    let options = ExecuteOptions { batch: 2, ..ExecuteOptions::default() };
    execute(run, actions, Instant::now(), options, &|| Box::pin(async { Err("not expected".to_owned()) }))
        .await
}

fn file(kind: EntryKind, length: u64, modified: Timestamp) -> File {
    File {
        length,
        modified,
        accessed: Timestamp(0),
        name: Name::Other(0),
        replication: None,
        regular: kind == EntryKind::File,
        whole_blocks: false,
    }
}

fn made(decisions: Decisions, totals: DecisionTotals, roots: Vec<String>) -> Plan {
    let header = Header {
        schema: SCHEMA,
        tool: "chksweep 0.1.0".to_owned(),
        run_id: "plan".to_owned(),
        created_at: Timestamp(0),
        as_of: Timestamp(0),
        roots: roots.clone(),
        reference_roots: Vec::new(),
        policy: Policy::default(),
        equivalence: Vec::new(),
        brakes: Vec::new(),
        metadata: Vec::new(),
    };
    let summary = Summary {
        run_id: "plan".to_owned(),
        as_of: Timestamp(0),
        roots,
        decisions: totals,
        jobs: Vec::new(),
        what_if: Vec::new(),
        problems: Vec::new(),
        plan: None,
        quarantine: None,
    };
    Plan {
        header,
        decisions,
        summary,
        brakes: Vec::new(),
        looks: Looks::default(),
        held_by_unreadable: false,
        grounds: Grounds::default(),
    }
}
