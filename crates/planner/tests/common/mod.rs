//! A world to plan: directories and files with ages, metadata with what it names, and what was known before.
#![expect(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;

use chksweep_core::equivalence::Equivalence;
use chksweep_core::plan::{
    Decisions, Entry, Look, Looks, MetadataFile, OperatorStateSearch, Place, Plan, PlanInput, Rule,
    Unreadable, entries,
};
use chksweep_core::policy::{DeadJob, Policy};
use chksweep_core::{
    Age, Content, DirectoryId, File, FileRef, FileSet, Inventory, InventoryBuilder, JobId, Kind,
    ListedDirectory, Listing, Location, Name, OperatorId, Timestamp, Uuid,
};

/// The root of every world.
pub(crate) const ROOT: &str = "file:///r";
/// When the world is looked at.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// Three jobs.
pub(crate) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The UUID with this number, as text.
pub(crate) fn uuid(n: u32) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

fn at(path: &str) -> Location {
    if path.starts_with("file:") || path.starts_with("hdfs:") {
        return Location::from_printed(path.as_bytes()).unwrap();
    }
    let path = path.replace("$A", A).replace("$B", B);
    Location::from_printed(format!("{ROOT}/{path}").as_bytes()).unwrap()
}

#[derive(Clone)]
enum Node {
    File { age: Age, length: u64, regular: bool, accessed: Option<Age> },
    Directory { age: Age, partial: bool },
}

/// What will be planned.
#[derive(Clone)]
pub(crate) struct World {
    nodes: BTreeMap<Location, Node>,
    pub(crate) metadata: Vec<MetadataFile>,
    pub(crate) policy: Policy,
    pub(crate) looks: Looks,
    pub(crate) pins: Vec<Location>,
    pub(crate) equivalence: Equivalence,
    pub(crate) reference_roots: Vec<Location>,
    pub(crate) unlisted: Vec<(Location, String)>,
    pub(crate) as_of: Timestamp,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            nodes: BTreeMap::new(),
            metadata: Vec::new(),
            policy: Policy::default(),
            looks: Looks::default(),
            pins: Vec::new(),
            equivalence: Equivalence::default(),
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
    pub(crate) fn file(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(at(path), Node::File { age, length: 10, regular: true, accessed: None }, age);
        self
    }

    pub(crate) fn accessed(mut self, path: &str, days: u64) -> Self {
        if let Some(Node::File { accessed, .. }) = self.nodes.get_mut(&at(path)) {
            *accessed = Some(Age::days(days));
        }
        self
    }

    pub(crate) fn link(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(at(path), Node::File { age, length: 0, regular: false, accessed: None }, age);
        self
    }

    pub(crate) fn dir(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(at(path), Node::Directory { age, partial: false }, age);
        self
    }

    /// Sets the age of a directory alone.
    pub(crate) fn dir_age(mut self, path: &str, days: u64) -> Self {
        self.nodes.insert(at(path), Node::Directory { age: Age::days(days), partial: false });
        self
    }

    pub(crate) fn partial(mut self, path: &str, days: u64) -> Self {
        let age = Age::days(days);
        self.add(at(path), Node::Directory { age, partial: true }, age);
        self
    }

    /// A `_metadata` that names these files; operators 1 and 2.
    pub(crate) fn metadata(self, path: &str, days: u64, names: &[&str]) -> Self {
        self.metadata_of(path, days, names, |_| {})
    }

    pub(crate) fn metadata_of(
        mut self,
        path: &str,
        days: u64,
        names: &[&str],
        change: impl FnOnce(&mut MetadataFile),
    ) -> Self {
        let location = at(path);
        let directory = location.parent().unwrap();
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
            let target = if name.contains('/') { at(name) } else { directory.child(name.as_bytes()) };
            push(&mut content.files, &target);
        }
        let mut file = MetadataFile {
            location: location.clone(),
            bytes: 100,
            modified: NOW.minus(Age::days(days)),
            place: Place::Sweep,
            content: Ok(content),
            operator_state: OperatorStateSearch::Searched { found: Vec::new() },
        };
        change(&mut file);
        if file.place == Place::Sweep {
            let age = Age::days(days);
            self.add(location, Node::File { age, length: 100, regular: true, accessed: None }, age);
        }
        self.metadata.push(file);
        self
    }

    pub(crate) fn unreadable(self, path: &str, days: u64, uuids: Option<Vec<u32>>, blocks: bool) -> Self {
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

    pub(crate) fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    pub(crate) fn dead(self, job: &str) -> Self {
        let id = JobId::parse(job.as_bytes()).unwrap();
        self.policy(|policy| policy.dead_jobs.push(DeadJob::Id(id)))
    }

    pub(crate) fn pin(mut self, path: &str) -> Self {
        self.pins.push(at(path));
        self
    }

    pub(crate) fn as_of_days_ahead(mut self, days: u64) -> Self {
        self.as_of = NOW.plus(Age::days(days));
        self
    }

    /// As if an earlier look, so many days ago, had seen the same.
    pub(crate) fn seen_before(mut self, days: u64) -> Self {
        let plan = self.plan();
        self.looks.directories = plan
            .looks
            .directories
            .into_iter()
            .map(|(path, look)| (path, Look { since: NOW.minus(Age::days(days)), ..look }))
            .collect();
        self
    }

    pub(crate) fn inventory(&self) -> Inventory {
        let mut builder = InventoryBuilder::default();
        let root = Location::from_printed(ROOT.as_bytes()).unwrap();
        let id = builder.add_root(root.clone(), NOW);
        self.list(&mut builder, id, &root);
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

    pub(crate) fn try_plan(&self) -> Result<Plan, chksweep_planner::PlanError> {
        let inventory = self.inventory();
        self.plan_of(&inventory)
    }

    fn plan_of(&self, inventory: &Inventory) -> Result<Plan, chksweep_planner::PlanError> {
        chksweep_planner::plan(&PlanInput {
            run_id: "test",
            as_of: self.as_of,
            looked_at: NOW,
            inventory,
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

    pub(crate) fn plan(&self) -> Plan {
        self.try_plan().unwrap()
    }

    /// The rule for one path.
    pub(crate) fn rule(&self, path: &str) -> Rule {
        let inventory = self.inventory();
        let plan = self.plan_of(&inventory).unwrap();
        rule_of(&inventory, &plan.decisions, &at(path))
    }

    /// Every path that would be swept, relative to the root, files and directories one by one.
    pub(crate) fn swept(&self) -> Vec<String> {
        let inventory = self.inventory();
        let plan = self.plan_of(&inventory).unwrap();
        let mut swept = Vec::new();
        for (id, directory) in inventory.directories() {
            if plan.decisions.directory(id).decision() == chksweep_core::plan::Decision::Sweep {
                swept.push(directory.location.clone());
            }
            for (file_id, file) in inventory.files_of(id) {
                if plan.decisions.file(file_id).decision() == chksweep_core::plan::Decision::Sweep {
                    swept.push(inventory.location_of(id, file));
                }
            }
        }
        let mut swept: Vec<String> = swept
            .into_iter()
            .map(|path| path.to_string().replace(&format!("{ROOT}/"), "").replace(A, "$A").replace(B, "$B"))
            .collect();
        swept.sort();
        swept
    }

    pub(crate) fn entries(&self, all: bool) -> Vec<Entry> {
        let inventory = self.inventory();
        let plan = self.plan_of(&inventory).unwrap();
        let mut out = Vec::new();
        entries(&inventory, &plan.decisions, all, |entry| out.push(entry));
        out
    }
}

fn rule_of(inventory: &Inventory, decisions: &Decisions, location: &Location) -> Rule {
    if let Some((_, file)) = inventory.find(location) {
        return decisions.file(file).rule;
    }
    decisions.directory(inventory.find_directory(location).unwrap_or_else(|| panic!("no {location}"))).rule
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
