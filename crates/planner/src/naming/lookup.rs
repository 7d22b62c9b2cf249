//! Finding listed files and directories: by name in one pass over all, by path in an index.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::plan::PlanInput;
use chksweep_core::{DirectoryId, Inventory, Location, NameRef, Uuid};

/// Names that are looked for among the listed files.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) uuids: Vec<Uuid>,
    others: BTreeSet<Vec<u8>>,
}

impl Wanted {
    pub(super) fn add(&mut self, name: NameRef<'_>) {
        match name {
            NameRef::Uuid(uuid) => self.uuids.push(uuid),
            NameRef::Other(text) => {
                self.others.insert(text.to_vec());
            }
        }
    }

    /// Goes through all listed files once.
    pub(super) fn find(mut self, inventory: &Inventory) -> Found {
        self.uuids.sort_unstable();
        self.uuids.dedup();
        let mut found = Found::default();
        if self.uuids.is_empty() && self.others.is_empty() {
            return found;
        }
        for (directory, _) in inventory.directories() {
            for (_, file) in inventory.files_of(directory) {
                match inventory.name_of(file) {
                    NameRef::Uuid(uuid) if self.uuids.binary_search(&uuid).is_ok() => {
                        found.uuids.entry(uuid).or_default().push(directory);
                    }
                    NameRef::Other(text) if self.others.contains(text) => {
                        found.others.entry(text.to_vec()).or_default().push(directory);
                    }
                    NameRef::Uuid(_) | NameRef::Other(_) => {}
                }
            }
        }
        found
    }
}

/// The directories in which files of wanted names lie.
#[derive(Default)]
pub(super) struct Found {
    uuids: BTreeMap<Uuid, Vec<DirectoryId>>,
    others: BTreeMap<Vec<u8>, Vec<DirectoryId>>,
}

impl Found {
    pub(super) fn get(&self, name: NameRef<'_>) -> &[DirectoryId] {
        let places = match name {
            NameRef::Uuid(uuid) => self.uuids.get(&uuid),
            NameRef::Other(text) => self.others.get(text),
        };
        places.map_or(&[], Vec::as_slice)
    }
}

/// The listed directories by path component, as written and after aliases and mounts.
pub(super) struct PathIndex {
    by_path: BTreeMap<Vec<u8>, Vec<DirectoryId>>,
}

impl PathIndex {
    pub(super) fn new(input: &PlanInput<'_>) -> Self {
        let mut by_path: BTreeMap<Vec<u8>, Vec<DirectoryId>> = BTreeMap::new();
        for (id, directory) in input.inventory.directories() {
            let canonical = input.equivalence.canonical(&directory.location);
            if canonical.path() != directory.location.path() {
                by_path.entry(canonical.path().to_vec()).or_default().push(id);
            }
            by_path.entry(directory.location.path().to_vec()).or_default().push(id);
        }
        Self { by_path }
    }

    pub(super) fn find(&self, input: &PlanInput<'_>, location: &Location) -> Vec<DirectoryId> {
        let canonical = input.equivalence.canonical(location);
        let mut found: Vec<DirectoryId> = self.by_path.get(location.path()).cloned().unwrap_or_default();
        if canonical.path() != location.path() {
            found.extend(self.by_path.get(canonical.path()).into_iter().flatten());
        }
        found
    }

    /// Returns the listed directories at a location, or else at the innermost directory above it that is listed.
    pub(super) fn find_innermost(&self, input: &PlanInput<'_>, location: &Location) -> Vec<DirectoryId> {
        let mut at = Some(location.clone());
        while let Some(here) = at {
            let found = self.find(input, &here);
            if !found.is_empty() {
                return found;
            }
            at = here.parent();
        }
        Vec::new()
    }
}
