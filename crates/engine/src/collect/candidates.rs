//! The first listing: every directory under the sweep roots, straight into the inventory.
//!
//! A directory that is gone when its turn comes is recorded as empty, whatever part of it was seen: nothing in it
//! is a candidate any more. Any other error leaves it partial. What is chksweep's own is not entered; nor is what
//! HDFS calls `.snapshot`. Where one of them lies in a directory other than a root, an entry that is no regular
//! file stands for it, so that the directory is never taken for empty or moved as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::plan::Place;
use chksweep_core::{
    DirectoryId, File, Inventory, InventoryBuilder, ListedDirectory, Listing, Location, layout,
};
use chksweep_store::{Entry, EntryKind, ErrorKind, ReadStore, StoreError};

use super::pool::Pool;
use super::request::Candidates;
use super::roots::{Root, Use};
use super::sighting::{self, Newest, Sighting, Stamp};
use crate::events::{Event, Observer};

/// What the first listing found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) inventory: Inventory,
    /// What is metadata by its name: the passes that follow must find each, or find out that it is gone.
    pub(super) metadata: Vec<Sighting>,
    /// The directories that were seen to hold a `.chksweep`.
    pub(super) own: BTreeSet<Location>,
    pub(super) newest: Newest,
}

/// Lists what the request calls candidates.
pub(super) async fn list(
    roots: &[Root],
    candidates: Candidates,
    newest: Newest,
    concurrency: usize,
    observer: &dyn Observer,
) -> Found {
    match candidates {
        Candidates::Given(inventory) => {
            let (metadata, newest) = metadata_of(&inventory, roots, newest);
            Found { inventory, metadata, own: BTreeSet::new(), newest }
        }
        Candidates::None => {
            Found { inventory: Inventory::default(), metadata: Vec::new(), own: BTreeSet::new(), newest }
        }
        Candidates::All => Walk::new(None, newest).run(roots, concurrency, observer).await,
        Candidates::Within(only) => Walk::new(Some(only), newest).run(roots, concurrency, observer).await,
    }
}

fn metadata_of(inventory: &Inventory, roots: &[Root], mut newest: Newest) -> (Vec<Sighting>, Newest) {
    let mut found = Vec::new();
    for (id, directory) in inventory.directories() {
        let Some(root) = roots.iter().find(|root| directory.location.is_within(&root.location)) else {
            continue;
        };
        for (_, file) in inventory.files_of(id) {
            newest.hear(file.modified, || inventory.location_of(id, file));
            let name = inventory.name_of(file).to_vec();
            if sighting::is_metadata_name(&name) {
                found.push(Sighting {
                    location: directory.location.child(&name),
                    stamp: Stamp { modified: file.modified, length: file.length, regular: file.regular },
                    place: Place::Sweep,
                    store: Arc::clone(&root.store),
                });
            }
        }
    }
    (found, newest)
}

/// A directory that is to be listed.
struct Task {
    id: DirectoryId,
    location: Location,
    store: Arc<dyn ReadStore>,
    is_root: bool,
}

/// What listing it gave.
struct Done {
    task: Task,
    directory: ListedDirectory,
    metadata: Vec<Sighting>,
    files: u64,
    holds_own: bool,
    newest: Newest,
    result: Result<(), StoreError>,
}

struct Walk {
    builder: InventoryBuilder,
    only: Option<BTreeSet<Location>>,
    todo: Vec<Task>,
    metadata: Vec<Sighting>,
    own: BTreeSet<Location>,
    newest: Newest,
    directories: u64,
    files: u64,
}

impl Walk {
    fn new(only: Option<BTreeSet<Location>>, newest: Newest) -> Self {
        Self {
            builder: InventoryBuilder::default(),
            only,
            todo: Vec::new(),
            metadata: Vec::new(),
            own: BTreeSet::new(),
            newest,
            directories: 0,
            files: 0,
        }
    }

    async fn run(mut self, roots: &[Root], concurrency: usize, observer: &dyn Observer) -> Found {
        let mut pool = Pool::new(concurrency);
        for root in roots.iter().filter(|root| root.usage == Use::Sweep) {
            let id = self.builder.add_root(root.location.clone(), root.modified);
            let (location, store) = (root.location.clone(), Arc::clone(&root.store));
            self.todo.push(Task { id, location, store, is_root: true });
        }
        loop {
            while pool.has_room() {
                let Some(task) = self.todo.pop() else { break };
                pool.start(list_one(task, self.newest.fork()));
            }
            let Some(done) = pool.next().await else { break };
            self.take(done);
            observer.event(&Event::Listing { directories: self.directories, files: self.files });
        }
        Found { inventory: self.builder.build(), metadata: self.metadata, own: self.own, newest: self.newest }
    }

    fn take(&mut self, done: Done) {
        let Done { task, directory, mut metadata, files, holds_own, newest, result } = done;
        if holds_own {
            self.own.insert(task.location.clone());
        }
        self.directories += 1;
        self.files += files;
        self.newest.unite(newest);
        self.metadata.append(&mut metadata);
        let (directory, listing) = match result {
            Ok(()) => (directory, Listing::Complete),
            Err(error) if error.kind == ErrorKind::NotFound && !task.is_root => {
                (ListedDirectory::default(), Listing::Complete)
            }
            Err(error) => (directory, Listing::Partial { why: error.to_string() }),
        };
        for id in self.builder.finish(task.id, directory, listing) {
            let location = self.builder.location(id).clone();
            if self.is_wanted(&location) {
                self.todo.push(Task { id, location, store: Arc::clone(&task.store), is_root: false });
            }
        }
    }

    /// Returns whether a directory is to be listed: it is one of those asked for, or lies below or on the way.
    fn is_wanted(&self, location: &Location) -> bool {
        let Some(only) = &self.only else { return true };
        // What lies below a directory follows it in the order of bytes, though not at once: `a-b` comes before `a/b`.
        let on_the_way = || {
            let first = location.child(b"");
            only.range(first..).next().is_some_and(|next| next.is_within(location))
        };
        let mut up = Some(location.clone());
        while let Some(at) = up {
            if only.contains(&at) {
                return true;
            }
            up = at.parent();
        }
        on_the_way()
    }
}

async fn list_one(task: Task, mut newest: Newest) -> Done {
    let mut directory = ListedDirectory::default();
    let mut metadata = Vec::new();
    let mut files = 0;
    let mut holds_own = false;
    let mut sink = |entry: Entry<'_>| {
        newest.hear(entry.modified, || task.location.child(entry.name));
        if matches!(entry.name, layout::OWN | layout::SNAPSHOTS | layout::TRASH) {
            holds_own |= entry.name == layout::OWN && entry.kind == EntryKind::Directory;
            if !task.is_root {
                directory
                    .add_file(entry.name, File { regular: false, length: 0, ..sighting::file_of(&entry) });
            }
            return;
        }
        if entry.kind == EntryKind::Directory {
            directory.add_directory(entry.name, entry.modified);
            return;
        }
        files += 1;
        directory.add_file(entry.name, sighting::file_of(&entry));
        if sighting::may_be_metadata(&entry) {
            metadata.push(Sighting {
                location: task.location.child(entry.name),
                stamp: Stamp::of(&entry),
                place: Place::Sweep,
                store: Arc::clone(&task.store),
            });
        }
    };
    let result = task.store.list(&task.location, &mut sink).await;
    Done { task, directory, metadata, files, holds_own, newest, result }
}
