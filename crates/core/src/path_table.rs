//! Holds the paths of millions of files: each directory once, a name in twenty bytes.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::content::FileRef;
use crate::flink_path::{self, FlinkPath, split_name};
use crate::location::Location;
use crate::metadata::FileReference;
use crate::names::{NameRef, Names};

/// The directories and names that some files have.
#[derive(Clone, Debug)]
pub(crate) struct PathTable {
    /// Where relative names belong.
    base: Location,
    base_index: Option<u32>,
    /// The printed bytes of each directory, up to and with the last slash.
    prefixes: Vec<Box<[u8]>>,
    locations: Vec<Location>,
    index: HashMap<Box<[u8]>, u32>,
    last: u32,
    names: Names,
    scratch: Vec<u8>,
}

impl PathTable {
    /// Starts an empty table; relative names resolve against `base`.
    pub(crate) fn new(base: Location) -> Self {
        Self {
            base,
            base_index: None,
            prefixes: Vec::new(),
            locations: Vec::new(),
            index: HashMap::new(),
            last: 0,
            names: Names::default(),
            scratch: Vec::new(),
        }
    }

    /// Adds the file that a handle names.
    pub(crate) fn add(&mut self, file: &FileReference<'_>) -> FileRef {
        if let Some(path) = file.absolute() {
            return self.add_path(path);
        }
        if flink_path::is_plain_name(file.raw) {
            let directory = self.base_directory();
            return FileRef { directory, name: self.names.intern(file.raw) };
        }
        self.add_location(&file.location(&self.base))
    }

    fn add_path(&mut self, path: &FlinkPath<'_>) -> FileRef {
        let (directory, name) = split_name(path.path());
        let name = self.names.intern(name);
        self.scratch.clear();
        if let Some(scheme) = path.scheme() {
            self.scratch.extend_from_slice(scheme.as_bytes());
            self.scratch.extend_from_slice(b"://");
        } else if path.authority().is_some() {
            self.scratch.extend_from_slice(b"//");
        }
        self.scratch.extend_from_slice(path.authority().unwrap_or(b""));
        self.scratch.extend_from_slice(directory);
        let make = || flink_path::location(path.scheme(), path.authority(), without_slash(directory));
        FileRef { directory: self.directory(make), name }
    }

    fn add_location(&mut self, location: &Location) -> FileRef {
        let (directory, name) = split_name(location.path());
        let name_bytes = name.len();
        let name = self.names.intern(name);
        let text = location.as_bytes();
        self.scratch.clear();
        self.scratch.extend_from_slice(text.get(..text.len() - name_bytes).unwrap_or(text));
        FileRef { directory: self.directory(|| location.with_path(without_slash(directory))), name }
    }

    fn base_directory(&mut self) -> u32 {
        if let Some(index) = self.base_index {
            return index;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(self.base.as_bytes());
        if !self.base.path().ends_with(b"/") {
            self.scratch.push(b'/');
        }
        let base = self.base.clone();
        let index = self.directory(|| base);
        self.base_index = Some(index);
        index
    }

    /// Returns the number of the directory whose printed bytes lie in `scratch`.
    fn directory(&mut self, make: impl FnOnce() -> Location) -> u32 {
        // Files of one directory mostly come together.
        if self.prefix(self.last) == &*self.scratch && !self.prefixes.is_empty() {
            return self.last;
        }
        if let Some(index) = self.index.get(self.scratch.as_slice()) {
            self.last = *index;
            return *index;
        }
        // A file of less than 2^32 bytes for each directory: there cannot be more.
        let index = u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX);
        let prefix: Box<[u8]> = self.scratch.as_slice().into();
        self.prefixes.push(prefix.clone());
        self.locations.push(make());
        self.index.insert(prefix, index);
        self.last = index;
        index
    }

    /// Returns the printed bytes of a directory, up to and with the last slash.
    pub(crate) fn prefix(&self, directory: u32) -> &[u8] {
        usize::try_from(directory).ok().and_then(|at| self.prefixes.get(at)).map_or(b"", |prefix| prefix)
    }

    /// Returns the directories.
    pub(crate) fn directories(&self) -> &[Location] {
        &self.locations
    }

    /// Returns the name of a file.
    pub(crate) fn name(&self, file: FileRef) -> NameRef<'_> {
        self.names.get(file.name)
    }

    /// Returns the location of a file.
    pub(crate) fn location(&self, file: FileRef) -> Location {
        let prefix = self.prefix(file.directory);
        let directory = usize::try_from(file.directory).ok().and_then(|at| self.locations.get(at));
        let Some(directory) = directory else { return self.base.clone() };
        // Not `directory.child`: a path without a slash has no directory, and no slash.
        let head = directory.as_bytes().len() - directory.path().len();
        let mut path = prefix.get(head..).unwrap_or(b"").to_vec();
        self.name(file).append_to(&mut path);
        directory.with_path(&path)
    }

    /// Orders files by the bytes of their paths.
    pub(crate) fn compare_paths(&self, a: FileRef, b: FileRef) -> Ordering {
        if a.directory == b.directory {
            return self.name(a).cmp(&self.name(b));
        }
        let (left, right) = (self.prefix(a.directory), self.prefix(b.directory));
        let common = left.len().min(right.len());
        left.get(..common).cmp(&right.get(..common)).then_with(|| {
            // One directory lies in the other.
            let left = [left.get(common..).unwrap_or(b""), &self.name(a).to_vec()].concat();
            let right = [right.get(common..).unwrap_or(b""), &self.name(b).to_vec()].concat();
            left.cmp(&right)
        })
    }

    /// Orders files by the number of their directory, then by name.
    pub(crate) fn compare(&self, a: FileRef, b: FileRef) -> Ordering {
        a.directory.cmp(&b.directory).then_with(|| self.names.get(a.name).cmp(&self.names.get(b.name)))
    }

    /// Gives the directories and the names away.
    pub(crate) fn into_parts(self) -> (Vec<Location>, Names) {
        (self.locations, self.names)
    }
}

fn without_slash(directory: &[u8]) -> &[u8] {
    match directory.strip_suffix(b"/") {
        Some(b"") | None => directory,
        Some(rest) => rest,
    }
}
