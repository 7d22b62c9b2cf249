//! Small worlds for tests: a tree, what its metadata says, and a plan, each in a line.
//!
//! Everything is old and complete unless a line says otherwise, and nothing is swept unless a line says so.

use std::collections::BTreeMap;

use chksweep_audit::{Findings, check};
use chksweep_core::inventory::{InventoryBuilder, ListedDirectory, Listing};
use chksweep_core::plan::{
    DecisionTotals, Decisions, Grounds, Header, Look, Looks, MetadataFile, OperatorStateSearch, Place, Plan,
    PlanInput, Rule, SCHEMA, Summary, Unreadable, Verdict, tree_digest,
};
use chksweep_core::{
    Age, Content, Equivalence, File, FileRef, Inventory, Kind, Location, Name, OperatorId, Policy, Timestamp,
    Uuid,
};

/// Now.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The ids of two jobs.
pub(crate) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Returns the point in time so many days ago.
pub(crate) fn days(count: u64) -> Timestamp {
    NOW.minus(Age::days(count))
}

/// Returns the point in time so many hours ago.
pub(crate) fn hours(count: u64) -> Timestamp {
    NOW.minus(Age::hours(count))
}

/// Returns a UUID as text.
pub(crate) fn uuid(number: u8) -> String {
    let uuid = Uuid([number; 16]);
    String::from_utf8(uuid.text().to_vec()).unwrap()
}

/// Reads `/local/path` or `scheme://authority/path`.
pub(crate) fn at(text: &str) -> Location {
    if text.starts_with('/') {
        Location::local(text.as_bytes())
    } else {
        Location::from_printed(text.as_bytes()).unwrap()
    }
}

#[derive(Clone)]
struct FileSpec {
    file: File,
    rule: Rule,
}

#[derive(Clone)]
struct DirectorySpec {
    modified: Timestamp,
    complete: bool,
    rule: Rule,
}

/// What one metadata file says, line by line.
#[derive(Clone)]
pub(crate) struct Says {
    file: MetadataFile,
    named: Vec<Location>,
    operator_state: Vec<Location>,
}

impl Says {
    /// Begins metadata of version 4 at this path, with one operator and nothing named.
    pub(crate) fn at(path: &str) -> Self {
        let content = Content {
            version: 4,
            checkpoint_id: 1,
            kind: Kind::Checkpoint,
            operators: vec![OperatorId([1; 16])],
            ..Content::default()
        };
        Self {
            file: MetadataFile {
                location: at(path),
                bytes: 100,
                modified: days(20),
                place: Place::Sweep,
                content: Ok(content),
                operator_state: OperatorStateSearch::NotSearched,
            },
            named: Vec::new(),
            operator_state: Vec::new(),
        }
    }

    pub(crate) fn content(&mut self) -> &mut Content {
        self.file.content.as_mut().unwrap()
    }

    /// Names a file.
    #[must_use]
    pub(crate) fn names(mut self, path: &str) -> Self {
        self.named.push(at(path));
        self
    }

    /// Names a file of operator state.
    #[must_use]
    pub(crate) fn names_operator_state(mut self, path: &str) -> Self {
        self.operator_state.push(at(path));
        self.names(path)
    }

    #[must_use]
    pub(crate) fn names_directory(mut self, path: &str) -> Self {
        self.content().directories.push(at(path));
        self
    }

    #[must_use]
    pub(crate) fn other_uuid(mut self, number: u8) -> Self {
        self.content().other_uuids.push(Uuid([number; 16]));
        self
    }

    #[must_use]
    pub(crate) fn points_at(mut self, number: i64) -> Self {
        self.content().ref_checkpoints.push(number);
        self
    }

    #[must_use]
    pub(crate) fn operators(mut self, ids: &[u8]) -> Self {
        self.content().operators = ids.iter().map(|id| OperatorId([*id; 16])).collect();
        self
    }

    #[must_use]
    pub(crate) fn kind(mut self, kind: Kind) -> Self {
        self.content().kind = kind;
        self
    }

    #[must_use]
    pub(crate) fn inline_operator_state(mut self) -> Self {
        self.content().inline_operator_state = true;
        self
    }

    #[must_use]
    pub(crate) fn searched(mut self, found: &[u8]) -> Self {
        let found = found.iter().map(|number| Uuid([*number; 16])).collect();
        self.file.operator_state = OperatorStateSearch::Searched { found };
        self
    }

    #[must_use]
    pub(crate) fn written(mut self, modified: Timestamp) -> Self {
        self.file.modified = modified;
        self
    }

    /// Lies under a reference root.
    #[must_use]
    pub(crate) fn referenced(mut self) -> Self {
        self.file.place = Place::Reference;
        self
    }

    #[must_use]
    pub(crate) fn quarantined(mut self, original: &str, moved_at: Option<Timestamp>) -> Self {
        self.file.place = Place::Quarantined { original: at(original), moved_at };
        self
    }

    /// Cannot be read.
    #[must_use]
    pub(crate) fn unreadable(mut self, blocks: bool, uuids: Option<&[u8]>) -> Self {
        self.file.content = Err(Unreadable {
            kind: "truncated".to_owned(),
            message: "it ends early".to_owned(),
            offset: Some(3),
            blocks,
            uuids: uuids.map(|uuids| uuids.iter().map(|number| Uuid([*number; 16])).collect()),
        });
        self
    }

    fn finish(mut self) -> MetadataFile {
        let Ok(content) = &mut self.file.content else { return self.file };
        self.named.sort();
        self.named.dedup();
        for location in &self.named {
            let parent = location.parent().unwrap();
            let directories = &mut content.files.directories;
            let directory = directories.iter().position(|known| *known == parent).unwrap_or_else(|| {
                directories.push(parent);
                directories.len() - 1
            });
            if self.operator_state.contains(location) {
                content.operator_state_files.push(u32::try_from(content.files.files.len()).unwrap());
            }
            let name = content.files.names.intern(location.name());
            content.files.files.push(FileRef { directory: u32::try_from(directory).unwrap(), name });
        }
        self.file
    }
}

/// A tree, what its metadata says, a policy and a plan.
#[derive(Clone)]
pub(crate) struct World {
    roots: Vec<Location>,
    directories: BTreeMap<Location, DirectorySpec>,
    files: BTreeMap<Location, FileSpec>,
    says: Vec<Says>,
    seen: Vec<(Location, Timestamp, Vec<String>)>,
    pub(crate) looks: Looks,
    pub(crate) policy: Policy,
    pub(crate) equivalence: Equivalence,
    pub(crate) reference_roots: Vec<Location>,
    pub(crate) unlisted: Vec<(Location, String)>,
    pub(crate) pins: Vec<Location>,
    pub(crate) as_of: Timestamp,
    pub(crate) looked_at: Timestamp,
    /// What is done to the plan before it is checked.
    pub(crate) edit: fn(&mut Plan),
}

impl World {
    /// Begins a world with one root and the brakes off.
    pub(crate) fn new(root: &str) -> Self {
        let mut world = Self {
            roots: Vec::new(),
            directories: BTreeMap::new(),
            files: BTreeMap::new(),
            says: Vec::new(),
            seen: Vec::new(),
            looks: Looks::default(),
            policy: Policy::default(),
            equivalence: Equivalence::default(),
            reference_roots: Vec::new(),
            unlisted: Vec::new(),
            pins: Vec::new(),
            as_of: NOW,
            looked_at: NOW,
            edit: |_| {},
        };
        world.policy.brakes.max_sweep_ratio = 1.0;
        world.root(root);
        world
    }

    pub(crate) fn root(&mut self, root: &str) -> &mut Self {
        self.roots.push(at(root));
        self.directory(root)
    }

    /// Adds a directory, thirty days old, with all above it.
    pub(crate) fn directory(&mut self, path: &str) -> &mut Self {
        let mut above = Some(at(path));
        while let Some(location) = above {
            let inside = self.roots.iter().any(|root| location.is_within(root));
            above = location.parent().filter(|_| inside);
            if inside {
                self.directories.entry(location).or_insert(DirectorySpec {
                    modified: days(30),
                    complete: true,
                    rule: Rule::Structure,
                });
            }
        }
        self
    }

    /// Adds a regular file, thirty days old, never read, ten bytes long.
    pub(crate) fn file(&mut self, path: &str) -> &mut Self {
        self.directory(at(path).parent().unwrap().to_string().as_str());
        let file = File {
            length: 10,
            modified: days(30),
            accessed: days(30),
            name: Name::Other(0),
            replication: Some(3),
            regular: true,
            whole_blocks: false,
        };
        self.files.insert(at(path), FileSpec { file, rule: Rule::Retained });
        self
    }

    /// Changes a file.
    pub(crate) fn with(&mut self, path: &str, change: impl FnOnce(&mut File)) -> &mut Self {
        change(&mut self.files.get_mut(&at(path)).unwrap().file);
        self
    }

    pub(crate) fn written(&mut self, path: &str, modified: Timestamp) -> &mut Self {
        self.with(path, |file| file.modified = modified)
    }

    pub(crate) fn touched(&mut self, directory: &str, modified: Timestamp) -> &mut Self {
        self.directories.get_mut(&at(directory)).unwrap().modified = modified;
        self
    }

    /// Makes the listing of a directory incomplete.
    pub(crate) fn partial(&mut self, directory: &str) -> &mut Self {
        self.directories.get_mut(&at(directory)).unwrap().complete = false;
        self
    }

    /// Adds a metadata file to what was read and, under a root, to what was listed, with the files that it names
    /// under a root.
    pub(crate) fn says(&mut self, says: Says) -> &mut Self {
        for location in says.named.clone() {
            let known = self.files.contains_key(&location);
            if !known && self.roots.iter().any(|root| location.is_within(root)) {
                self.file(&location.to_string());
            }
        }
        let location = says.file.location.clone();
        let own = location.to_string().contains(".chksweep");
        if !own && self.roots.iter().any(|root| location.is_within(root)) {
            self.file(&location.to_string());
            self.written(&location.to_string(), says.file.modified);
            // chksweep reads it each time.
            self.with(&location.to_string(), |file| (file.length, file.accessed) = (100, days(1)));
        }
        self.says.push(says);
        self
    }

    /// Adds what was read and never listed.
    pub(crate) fn says_unlisted(&mut self, says: Says) -> &mut Self {
        self.says.push(says);
        self
    }

    /// Sweeps a file.
    pub(crate) fn sweep(&mut self, path: &str, rule: Rule) -> &mut Self {
        self.files.get_mut(&at(path)).unwrap_or_else(|| panic!("{path} is no file")).rule = rule;
        self
    }

    /// Sweeps a directory itself.
    pub(crate) fn sweep_directory(&mut self, path: &str, rule: Rule) -> &mut Self {
        self.directories.get_mut(&at(path)).unwrap_or_else(|| panic!("{path} is no directory")).rule = rule;
        self
    }

    /// Takes a file away from what was listed.
    pub(crate) fn gone(&mut self, path: &str) -> &mut Self {
        self.files.remove(&at(path)).unwrap();
        self
    }

    /// Has an earlier look see this directory as it is.
    pub(crate) fn seen(&mut self, directory: &str, since: Timestamp) -> &mut Self {
        self.seen.push((at(directory), since, Vec::new()));
        self
    }

    /// Has an earlier look see this directory as it is, named by other jobs.
    pub(crate) fn seen_named(&mut self, directory: &str, since: Timestamp, by: &[&str]) -> &mut Self {
        self.seen.push((at(directory), since, by.iter().map(|path| at(path).to_string()).collect()));
        self
    }

    fn inventory(&self) -> Inventory {
        let mut builder = InventoryBuilder::default();
        let mut open: Vec<_> = self
            .roots
            .iter()
            .map(|root| builder.add_root(root.clone(), self.directories[root].modified))
            .collect();
        while let Some(id) = open.pop() {
            let location = builder.location(id).clone();
            let mut listed = ListedDirectory::default();
            for (path, spec) in
                self.files.iter().filter(|(path, _)| path.parent().as_ref() == Some(&location))
            {
                listed.add_file(path.name(), spec.file);
            }
            let inside =
                |path: &Location| path.parent().as_ref() == Some(&location) && !self.roots.contains(path);
            for (path, spec) in self.directories.iter().filter(|(path, _)| inside(path)) {
                listed.add_directory(path.name(), spec.modified);
            }
            let listing = if self.directories[&location].complete {
                Listing::Complete
            } else {
                Listing::Partial { why: "broken".to_owned() }
            };
            open.extend(builder.finish(id, listed, listing));
        }
        builder.build()
    }

    fn decisions(&self, inventory: &Inventory) -> Decisions {
        let mut decisions = Decisions::new(inventory, Verdict::new(Rule::Structure));
        for (path, spec) in &self.directories {
            decisions.set_directory(inventory.find_directory(path).unwrap(), Verdict::new(spec.rule));
        }
        for (path, spec) in &self.files {
            decisions.set_file(inventory.find(path).unwrap().1, Verdict::new(spec.rule));
        }
        decisions
    }

    fn plan(&self, inventory: &Inventory) -> Plan {
        let decisions = self.decisions(inventory);
        let mut totals = DecisionTotals::default();
        for (id, _) in inventory.directories() {
            for (file, details) in inventory.files_of(id) {
                totals.of_mut(decisions.file(file).decision()).add_file(details);
            }
        }
        let roots: Vec<String> = self.roots.iter().map(ToString::to_string).collect();
        let header = Header {
            schema: SCHEMA,
            tool: "test".to_owned(),
            run_id: "run".to_owned(),
            created_at: self.looked_at,
            as_of: self.as_of,
            roots: roots.clone(),
            reference_roots: Vec::new(),
            policy: self.policy.clone(),
            equivalence: Vec::new(),
            brakes: Vec::new(),
            metadata: Vec::new(),
        };
        let summary = Summary {
            run_id: "run".to_owned(),
            as_of: self.as_of,
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

    /// Checks the plan.
    pub(crate) fn check(&self) -> Result<(), Findings> {
        let inventory = self.inventory();
        let mut plan = self.plan(&inventory);
        (self.edit)(&mut plan);
        let metadata: Vec<MetadataFile> = self.says.iter().cloned().map(Says::finish).collect();
        let mut looks = self.looks.clone();
        for (directory, since, named_by) in &self.seen {
            let id = inventory.find_directory(directory).unwrap();
            let tree = format!("{:032x}", tree_digest(&inventory, id));
            let look = Look { tree, since: *since, named_by: named_by.clone() };
            looks.directories.insert(directory.to_string(), look);
        }
        let input = PlanInput {
            run_id: "run",
            as_of: self.as_of,
            looked_at: self.looked_at,
            inventory: &inventory,
            metadata: &metadata,
            unlisted: &self.unlisted,
            reference_roots: &self.reference_roots,
            equivalence: &self.equivalence,
            policy: &self.policy,
            looks: &looks,
            pins: &self.pins,
            problems: &[],
        };
        check(&input, plan).map(|_verified| ())
    }

    /// Asserts that the plan passes.
    #[track_caller]
    pub(crate) fn passes(&self) {
        if let Err(findings) = self.check() {
            panic!("refused: {findings:#?}");
        }
    }

    /// Asserts that the plan is refused, and for these invariants only.
    #[track_caller]
    pub(crate) fn refused(&self, invariants: &[&str]) {
        let findings = self.check().expect_err("the plan passed");
        let mut found: Vec<&str> = findings.findings.iter().map(|finding| finding.invariant).collect();
        found.sort_unstable();
        found.dedup();
        let mut expected = invariants.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{findings:#?}");
    }
}
