//! A world to look at: a store in memory, with faults and a record of the calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chksweep_core::plan::MetadataFile;
use chksweep_core::{Equivalence, Location, Timestamp};
use chksweep_engine::collect::{CollectError, CollectRequest, collect};
use chksweep_engine::{Collected, Event, Observer, ReadStores};
use chksweep_store::MemoryStore;
use chksweep_store::faults::{Fault, Faults, Faulty, Hook, Rule};
use chksweep_store::recording::Recording;
use chksweep_testkit::metadata_writer::{SimpleKind, simple_metadata};

pub(crate) const JOB_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const JOB_B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(crate) const JOB_C: &str = "cccccccccccccccccccccccccccccccc";

/// The time at which files of these tests were written.
pub(crate) const LONG_AGO: Timestamp = Timestamp(1_790_000_000_000);

/// Remembers every event.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Observer for Events {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Events {
    /// Returns the number of the last pass.
    pub(crate) fn passes(&self) -> u32 {
        let events = self.0.lock().unwrap();
        let pass = |event: &Event| if let Event::AnotherPass { pass } = event { Some(*pass) } else { None };
        events.iter().filter_map(pass).max().unwrap_or(1)
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) struct World {
    pub(crate) memory: MemoryStore,
    pub(crate) faults: Faults,
    pub(crate) store: Recording<Faulty<MemoryStore>>,
    pub(crate) equivalence: Equivalence,
    pub(crate) events: Events,
}

impl World {
    pub(crate) fn new() -> Self {
        let memory = MemoryStore::new("hdfs", "ns");
        memory.mkdir("/ck", LONG_AGO);
        let store = Faulty::new(memory.clone());
        let faults = store.faults();
        Self {
            memory,
            faults,
            store: Recording::new(store),
            equivalence: Equivalence::with_default("hdfs", "ns"),
            events: Events::default(),
        }
    }

    pub(crate) fn at(&self, path: &str) -> Location {
        self.memory.location(path)
    }

    /// Puts a `_metadata` that names these paths and relative names.
    pub(crate) fn put_metadata(&self, path: &str, number: i64, absolute: &[&str], relative: &[&str]) {
        self.memory.put(path, metadata(number, absolute, relative), LONG_AGO);
    }

    pub(crate) fn put(&self, path: &str) {
        self.memory.put(path, b"state", LONG_AGO);
    }

    /// Does something right before the n-th call of a kind to a path.
    pub(crate) fn before(
        &self,
        call: chksweep_store::Call,
        path: &str,
        nth: u64,
        what: impl Fn(&MemoryStore) + Send + Sync + 'static,
    ) {
        let memory = self.memory.clone();
        let hook = Hook::new(move || what(&memory));
        self.faults.add(Rule::on(call, Fault::Before(hook)).at(&self.at(path)).nth(nth));
    }

    pub(crate) fn request(&self) -> CollectRequest<'_> {
        let mut stores = ReadStores::default();
        stores.add(&self.at("/"), Arc::new(self.store.clone()));
        let roots = vec![self.at("/ck")];
        let mut request =
            CollectRequest::new(roots, stores, &self.equivalence, self.memory.now(), &self.events);
        request.limits.pause = Duration::ZERO;
        // One call at a time, so that a test can say what happens between two of them.
        request.limits.concurrency = 1;
        request
    }

    pub(crate) async fn collect(&self) -> Collected {
        collect(self.request()).await.unwrap()
    }

    pub(crate) async fn collect_with(
        &self,
        change: impl FnOnce(&mut CollectRequest<'_>),
    ) -> Result<Collected, CollectError> {
        let mut request = self.request();
        change(&mut request);
        collect(request).await
    }
}

pub(crate) fn metadata(number: i64, absolute: &[&str], relative: &[&str]) -> Vec<u8> {
    simple_metadata(4, number, SimpleKind::Checkpoint, absolute, relative, [7; 16])
}

/// Returns the paths of the metadata, with `!kind` behind those that cannot be read.
pub(crate) fn metadata_paths(collected: &Collected) -> Vec<String> {
    let told = |file: &MetadataFile| {
        let path = String::from_utf8_lossy(file.location.path()).into_owned();
        match &file.content {
            Ok(_) => path,
            Err(error) => format!("{path} !{}", error.kind),
        }
    };
    collected.metadata.iter().map(told).collect()
}

/// Returns every path that some metadata names.
pub(crate) fn named(collected: &Collected) -> Vec<String> {
    let contents = collected.metadata.iter().filter_map(|file| file.content.as_ref().ok());
    let mut paths: Vec<String> = contents
        .flat_map(|content| content.files.locations().collect::<Vec<_>>())
        .map(|location| String::from_utf8_lossy(location.path()).into_owned())
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Returns the paths of the files in the inventory.
pub(crate) fn inventory_paths(collected: &Collected) -> Vec<String> {
    let inventory = &collected.inventory;
    let mut paths: Vec<String> = Vec::new();
    for (id, _) in inventory.directories() {
        for (_, file) in inventory.files_of(id) {
            paths.push(String::from_utf8_lossy(inventory.location_of(id, file).path()).into_owned());
        }
    }
    paths.sort();
    paths
}
