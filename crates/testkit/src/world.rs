//! A world to plan: directories and files with ages, metadata with what it names, and what was known before.

#![expect(clippy::unwrap_used, reason = "only tests use it")]

use std::collections::BTreeMap;

use chksweep_core::equivalence::Equivalence;
use chksweep_core::plan::{
    Look, Looks, MetadataFile, OperatorStateSearch, Place, PlanInput, Unreadable, tree_digest,
};
use chksweep_core::policy::{DeadJob, Policy};
use chksweep_core::{
    Age, Content, DirectoryId, File, FileRef, FileSet, Inventory, InventoryBuilder, JobId, Kind,
    ListedDirectory, Listing, Location, Name, OperatorId, Timestamp, Uuid,
};

/// The root of every world.
pub const ROOT: &str = "file:///r";
/// When the world is looked at.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// A job.
pub const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// Another job.
pub const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The UUID with this number, as text.
pub fn uuid(n: u32) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

/// The location of a path in a world: relative to [`ROOT`], with `$A` and `$B` for the jobs.
pub fn location(path: &str) -> Location {
    if path.starts_with("file:") || path.starts_with("hdfs:") {
        return Location::from_printed(path.as_bytes()).unwrap();
    }
    let path = path.replace("$A", A).replace("$B", B);
    Location::from_printed(format!("{ROOT}/{path}").as_bytes()).unwrap()
}

#[derive(Clone, Debug)]
enum Node {
    File { age: Age, length: u64, regular: bool, accessed: Option<Age> },
    Directory { age: Age, partial: bool },
}

/// What will be planned.
#[derive(Clone, Debug)]
pub struct World {
    nodes: BTreeMap<Location, Node>,
    /// The metadata that was read.
    pub metadata: Vec<MetadataFile>,
    /// What may go.
    pub policy: Policy,
    /// What earlier looks saw.
    pub looks: Looks,
    /// Pinned places.
    pub pins: Vec<Location>,
    /// Which spellings are one place.
    pub equivalence: Equivalence,
    /// Sweep roots besides [`ROOT`].
    pub other_roots: Vec<Location>,
    /// Roots read for references only.
    pub reference_roots: Vec<Location>,
    /// Directories whose listing broke.
    pub unlisted: Vec<(Location, String)>,
    /// From when ages are counted.
    pub as_of: Timestamp,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty root, with no brake on the share that is swept.
    pub fn new() -> Self {
        let mut world = Self {
            nodes: BTreeMap::new(),
            metadata: Vec::new(),
            policy: Policy::default(),
            looks: Looks::default(),
            pins: Vec::new(),
            equivalence: Equivalence::default(),
            other_roots: Vec::new(),
            reference_roots: Vec::new(),
            unlisted: Vec::new(),
            as_of: NOW,
        };
        world.policy.brakes.max_sweep_ratio = 1.0;
        world
    }

    fn add(&mut self, location: Location, node: Node, age: Age) {
        let mut parent = location.parent();
        while let Some(directory) = parent {
            if directory.below(&Location::from_printed(ROOT.as_bytes()).unwrap()).is_none() {
                break;
            }
            let known =
                self.nodes.entry(directory.clone()).or_insert(Node::Directory { age, partial: false });
            if let Node::Directory { age: known, .. } = known {
                *known = (*known).min(age);
            }
            parent = directory.parent();
        }
        self.nodes.insert(location, node);
    }

    /// A file of ten bytes, so many days old; directories above it are as young as what lies in them.
    #[must_use]
    pub fn file(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(location(path), Node::File { age, length: 10, regular: true, accessed: None }, age);
        self
    }

    /// When a file was last read.
    #[must_use]
    pub fn accessed(mut self, path: &str, days: u64) -> Self {
        if let Some(Node::File { accessed, .. }) = self.nodes.get_mut(&location(path)) {
            *accessed = Some(Age::days(days));
        }
        self
    }

    /// Something that is neither file nor directory.
    #[must_use]
    pub fn link(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(location(path), Node::File { age, length: 0, regular: false, accessed: None }, age);
        self
    }

    /// An empty directory, so many days old.
    #[must_use]
    pub fn dir(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(location(path), Node::Directory { age, partial: false }, age);
        self
    }

    /// Sets the age of a directory alone.
    #[must_use]
    pub fn dir_age(mut self, path: &str, days: u64) -> Self {
        self.nodes.insert(location(path), Node::Directory { age: Age::days(days), partial: false });
        self
    }

    /// A directory that could not be listed to the end.
    #[must_use]
    pub fn partial(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(location(path), Node::Directory { age, partial: true }, age);
        self
    }

    /// A `_metadata` that names these files; operators 1 and 2.
    #[must_use]
    pub fn metadata(self, path: &str, days: u64, names: &[&str]) -> Self {
        self.metadata_of(path, days, names, |_| {})
    }

    /// As [`World::metadata`], changed before it is added.
    #[must_use]
    pub fn metadata_of(
        mut self,
        path: &str,
        days: u64,
        names: &[&str],
        change: impl FnOnce(&mut MetadataFile),
    ) -> Self {
        let place = location(path);
        let directory = place.parent().unwrap();
        let number = std::str::from_utf8(directory.name()).unwrap().strip_prefix("chk-");
        let savepoint = directory.name().starts_with(b"savepoint");
        let mut content = Content {
            version: 4,
            checkpoint_id: number.map_or(0, |n| n.parse().unwrap()),
            kind: if savepoint { Kind::Savepoint } else { Kind::Checkpoint },
            operators: vec![OperatorId([1; 16]), OperatorId([2; 16])],
            ..Content::default()
        };
        for name in names {
            let target = if name.contains('/') { location(name) } else { directory.child(name.as_bytes()) };
            push(&mut content.files, &target);
        }
        let mut file = MetadataFile {
            location: place.clone(),
            bytes: 100,
            modified: NOW.minus(Age::days(days)),
            place: Place::Sweep,
            content: Ok(content),
            operator_state: OperatorStateSearch::Searched { found: Vec::new() },
        };
        change(&mut file);
        if file.place == Place::Sweep {
            let age = Age::days(days);
            self.add(place, Node::File { age, length: 100, regular: true, accessed: None }, age);
        }
        self.metadata.push(file);
        self
    }

    /// Metadata that cannot be read; with the UUIDs that a search of its bytes found.
    #[must_use]
    pub fn unreadable(self, path: &str, days: u64, uuids: Option<Vec<u32>>, blocks: bool) -> Self {
        self.metadata_of(path, days, &[], |file| {
            file.content = Err(Unreadable {
                kind: "unexpected-end".to_owned(),
                message: "unexpected end of file".to_owned(),
                offset: Some(4),
                blocks,
                uuids: uuids.map(|uuids| {
                    uuids.into_iter().map(|n| Uuid::parse(uuid(n).as_bytes()).unwrap()).collect()
                }),
            });
        })
    }

    /// Changes the policy.
    #[must_use]
    pub fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    /// Declares a job dead.
    #[must_use]
    pub fn dead(self, job: &str) -> Self {
        let id = JobId::parse(job.as_bytes()).unwrap();
        self.policy(|policy| policy.dead_jobs.push(DeadJob::Id(id)))
    }

    /// Pins a place.
    #[must_use]
    pub fn pin(mut self, path: &str) -> Self {
        self.pins.push(location(path));
        self
    }

    /// Counts ages from a point so many days ahead.
    #[must_use]
    pub fn as_of_days_ahead(mut self, days: u64) -> Self {
        self.as_of = NOW.plus(Age::days(days));
        self
    }

    /// As if an earlier look, so many days ago, had seen the same trees.
    #[must_use]
    pub fn seen_before(mut self, days: u64) -> Self {
        let inventory = self.inventory();
        let look = |id| Look {
            tree: format!("{:032x}", tree_digest(&inventory, id)),
            since: NOW.minus(Age::days(days)),
            named_by: Vec::new(),
        };
        self.looks.directories = inventory
            .directories()
            .map(|(id, directory)| (directory.location.to_string(), look(id)))
            .collect();
        self
    }

    /// What listing this world gives.
    pub fn inventory(&self) -> Inventory {
        let mut builder = InventoryBuilder::default();
        let root = Location::from_printed(ROOT.as_bytes()).unwrap();
        for root in [&root].into_iter().chain(&self.other_roots) {
            let id = builder.add_root(root.clone(), NOW);
            self.list(&mut builder, id, root);
        }
        builder.build()
    }

    fn list(&self, builder: &mut InventoryBuilder, id: DirectoryId, location: &Location) {
        let mut listed = ListedDirectory::default();
        let mut listing = Listing::Complete;
        if let Some(Node::Directory { partial: true, .. }) = self.nodes.get(location) {
            listing = Listing::Partial { why: "permission denied".to_owned() };
        }
        for (child, node) in self.nodes.iter().filter(|(child, _)| child.parent().as_ref() == Some(location))
        {
            match node {
                Node::Directory { age, .. } => listed.add_directory(child.name(), NOW.minus(*age)),
                Node::File { age, length, regular, accessed } => listed.add_file(
                    child.name(),
                    File {
                        length: *length,
                        modified: NOW.minus(*age),
                        accessed: accessed.map_or(Timestamp(0), |age| NOW.minus(age)),
                        name: Name::Other(0),
                        replication: Some(3),
                        regular: *regular,
                        whole_blocks: *length == 0,
                    },
                ),
            }
        }
        for child in builder.finish(id, listed, listing) {
            let location = builder.location(child).clone();
            self.list(builder, child, &location);
        }
    }

    /// Hands out what a plan is made from.
    pub fn with_input<R>(&self, use_it: impl FnOnce(&PlanInput<'_>) -> R) -> R {
        let inventory = self.inventory();
        use_it(&PlanInput {
            run_id: "test",
            as_of: self.as_of,
            looked_at: NOW,
            inventory: &inventory,
            metadata: &self.metadata,
            unlisted: &self.unlisted,
            reference_roots: &self.reference_roots,
            equivalence: &self.equivalence,
            policy: &self.policy,
            looks: &self.looks,
            pins: &self.pins,
            problems: &[],
        })
    }
}

fn push(files: &mut FileSet, target: &Location) {
    let parent = target.parent().unwrap();
    let at = files.directories.iter().position(|directory| *directory == parent).unwrap_or_else(|| {
        files.directories.push(parent);
        files.directories.len() - 1
    });
    let name = files.names.intern(target.name());
    files.files.push(FileRef { directory: u32::try_from(at).unwrap(), name });
}
