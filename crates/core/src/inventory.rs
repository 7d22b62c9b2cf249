//! What was listed under the sweep roots: every directory, every file, and what of it is known to be incomplete.
//!
//! Made to carry ten million files: a file is 56 bytes, its name is a UUID by value or a number in a table, and
//! its directory is where it stands. Nothing here is ever changed after [`InventoryBuilder::build`].

use std::ops::Range;

use crate::location::Location;
use crate::names::{Name, NameRef, Names};
use crate::time::Timestamp;

/// The number of a directory in an [`Inventory`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DirectoryId(u32);

/// The number of a file in an [`Inventory`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(u32);

impl DirectoryId {
    /// Returns the number for use with a table that runs beside the directories.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FileId {
    /// Returns the number for use with a table that runs beside the files.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Whether a directory was listed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Every entry of it is known.
    Complete,
    /// Some entries may be missing: an absent name says nothing.
    Partial {
        /// What broke the listing.
        why: String,
    },
}

/// A regular file, or something that is neither file nor directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// The length in bytes that the store tells.
    pub length: u64,
    /// When it was last modified.
    pub modified: Timestamp,
    /// When it was last read; 0 where the store does not record it.
    pub accessed: Timestamp,
    /// Its name, in the table of the inventory.
    pub name: Name,
    /// How many copies there are; nothing where the store does not tell.
    pub replication: Option<u16>,
    /// Whether it is a regular file: a link or a socket is listed, and never touched.
    pub regular: bool,
    /// Whether the length is a whole number of blocks (0 included; on a local directory 0 only): such a length
    /// is what a file shows that is still open for writing.
    pub whole_blocks: bool,
}

/// A directory.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Where it lies, spelled as its root was.
    pub location: Location,
    /// The directory that holds it; nothing for a root.
    pub parent: Option<DirectoryId>,
    /// When an entry was last added or removed.
    pub modified: Timestamp,
    /// Whether all of it is known.
    pub listing: Listing,
    files: Range<usize>,
    children: Vec<DirectoryId>,
}

/// Everything that was listed under the sweep roots, but for what lies below `.chksweep`.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    roots: Vec<DirectoryId>,
    directories: Vec<Directory>,
    files: Vec<File>,
    names: Names,
    by_location: Vec<DirectoryId>,
}

impl Inventory {
    /// Returns the roots, in the order in which they were given.
    pub fn roots(&self) -> &[DirectoryId] {
        &self.roots
    }

    /// Returns all directories; a parent comes before what lies below it.
    pub fn directories(
        &self,
    ) -> impl ExactSizeIterator<Item = (DirectoryId, &Directory)> + DoubleEndedIterator {
        self.directories.iter().enumerate().map(|(at, directory)| (DirectoryId(number(at)), directory))
    }

    /// Returns how many directories there are.
    pub fn directory_count(&self) -> usize {
        self.directories.len()
    }

    /// Returns how many files there are.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Returns a directory.
    #[expect(clippy::indexing_slicing, reason = "ids are made by this table alone")]
    pub fn directory(&self, id: DirectoryId) -> &Directory {
        &self.directories[id.index()]
    }

    /// Returns a file.
    #[expect(clippy::indexing_slicing, reason = "ids are made by this table alone")]
    pub fn file(&self, id: FileId) -> &File {
        &self.files[id.index()]
    }

    /// Returns the files that lie directly in a directory, sorted by the bytes of their names.
    pub fn files_of(
        &self,
        id: DirectoryId,
    ) -> impl ExactSizeIterator<Item = (FileId, &File)> + DoubleEndedIterator {
        let range = self.directory(id).files.clone();
        let start = range.start;
        let files = self.files.get(range).unwrap_or(&[]);
        files.iter().enumerate().map(move |(at, file)| (FileId(number(start + at)), file))
    }

    /// Returns the directories that lie directly in a directory, sorted by the bytes of their names.
    pub fn children_of(&self, id: DirectoryId) -> &[DirectoryId] {
        &self.directory(id).children
    }

    /// Returns the name of a file.
    pub fn name_of(&self, file: &File) -> NameRef<'_> {
        self.names.get(file.name)
    }

    /// Returns the location of a file that lies in `directory`.
    pub fn location_of(&self, directory: DirectoryId, file: &File) -> Location {
        self.directory(directory).location.child(&self.name_of(file).to_vec())
    }

    /// Returns the directory at exactly this location.
    pub fn find_directory(&self, location: &Location) -> Option<DirectoryId> {
        let at = self.by_location.binary_search_by(|id| self.directory(*id).location.cmp(location)).ok()?;
        self.by_location.get(at).copied()
    }

    /// Returns the file with this name that lies directly in `directory`.
    pub fn find_file(&self, directory: DirectoryId, name: NameRef<'_>) -> Option<FileId> {
        let range = self.directory(directory).files.clone();
        let files = self.files.get(range.clone())?;
        let at = files.binary_search_by(|file| self.names.get(file.name).cmp(&name)).ok()?;
        Some(FileId(number(range.start + at)))
    }

    /// Returns the file at exactly this location, with its directory.
    pub fn find(&self, location: &Location) -> Option<(DirectoryId, FileId)> {
        let directory = self.find_directory(&location.parent()?)?;
        Some((directory, self.find_file(directory, NameRef::new(location.name()))?))
    }

    /// Returns whether the directory holds nothing at all, and that is known.
    pub fn is_empty(&self, id: DirectoryId) -> bool {
        let directory = self.directory(id);
        directory.files.is_empty() && directory.children.is_empty() && directory.listing == Listing::Complete
    }
}

/// The entries of one directory while they are being listed.
#[derive(Debug, Default)]
pub struct ListedDirectory {
    files: Vec<File>,
    names: Names,
    children: Vec<(Vec<u8>, Timestamp)>,
}

impl ListedDirectory {
    /// Adds a file; [`File::name`] is set from `name`.
    pub fn add_file(&mut self, name: &[u8], mut file: File) {
        file.name = self.names.intern(name);
        self.files.push(file);
    }

    /// Adds a directory.
    pub fn add_directory(&mut self, name: &[u8], modified: Timestamp) {
        self.children.push((name.to_vec(), modified));
    }
}

/// Collects listings, in any order of directories, into an [`Inventory`].
#[derive(Debug, Default)]
pub struct InventoryBuilder {
    inventory: Inventory,
    listed: Vec<bool>,
}

impl InventoryBuilder {
    /// Adds a root, which has yet to be listed. Roots must not lie within each other.
    pub fn add_root(&mut self, location: Location, modified: Timestamp) -> DirectoryId {
        let id = self.add(location, None, modified);
        self.inventory.roots.push(id);
        id
    }

    fn add(&mut self, location: Location, parent: Option<DirectoryId>, modified: Timestamp) -> DirectoryId {
        let id = DirectoryId(number(self.inventory.directories.len()));
        self.inventory.directories.push(Directory {
            location,
            parent,
            modified,
            listing: Listing::Partial { why: "was not listed".to_owned() },
            files: 0..0,
            children: Vec::new(),
        });
        self.listed.push(false);
        id
    }

    /// Returns the location of a directory that was added.
    pub fn location(&self, id: DirectoryId) -> &Location {
        &self.inventory.directory(id).location
    }

    /// Takes the listing of a directory, and returns the ids of the directories in it, which have yet to be
    /// listed. A directory that is never listed stays partial.
    pub fn finish(
        &mut self,
        id: DirectoryId,
        mut listed: ListedDirectory,
        listing: Listing,
    ) -> Vec<DirectoryId> {
        if self.listed.get(id.index()).copied().unwrap_or(true) {
            return Vec::new();
        }
        listed.files.sort_unstable_by(|a, b| listed.names.get(a.name).cmp(&listed.names.get(b.name)));
        listed.children.sort_unstable();
        let start = self.inventory.files.len();
        for mut file in listed.files {
            file.name = match listed.names.get(file.name) {
                NameRef::Uuid(uuid) => Name::Uuid(uuid),
                NameRef::Other(text) => self.inventory.names.intern(text),
            };
            self.inventory.files.push(file);
        }
        let end = self.inventory.files.len();
        let parent = self.inventory.directory(id).location.clone();
        let children: Vec<DirectoryId> = listed
            .children
            .into_iter()
            .map(|(name, modified)| self.add(parent.child(&name), Some(id), modified))
            .collect();
        if let (Some(directory), Some(seen)) =
            (self.inventory.directories.get_mut(id.index()), self.listed.get_mut(id.index()))
        {
            directory.files = start..end;
            directory.listing = listing;
            directory.children.clone_from(&children);
            *seen = true;
        }
        children
    }

    /// Returns the finished inventory.
    pub fn build(mut self) -> Inventory {
        self.inventory.files.shrink_to_fit();
        let mut by_location: Vec<DirectoryId> =
            (0..self.inventory.directories.len()).map(|at| DirectoryId(number(at))).collect();
        by_location.sort_unstable_by(|a, b| {
            self.inventory.directory(*a).location.cmp(&self.inventory.directory(*b).location)
        });
        self.inventory.by_location = by_location;
        self.inventory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: u64) -> File {
        File {
            length,
            modified: Timestamp(1),
            accessed: Timestamp(0),
            name: Name::Other(0),
            replication: None,
            regular: true,
            whole_blocks: length == 0,
        }
    }

    #[test]
    fn a_file_takes_at_most_56_bytes() {
        assert!(size_of::<File>() <= 56, "{}", size_of::<File>());
    }

    #[test]
    fn files_are_found_by_location() {
        let mut builder = InventoryBuilder::default();
        let root = builder.add_root(Location::local(b"/r"), Timestamp(0));
        let mut listed = ListedDirectory::default();
        listed.add_directory(b"shared", Timestamp(2));
        listed.add_file(b"z", file(1));
        let children = builder.finish(root, listed, Listing::Complete);
        let mut listed = ListedDirectory::default();
        listed.add_file(b"0a1b2c3d-0000-4fff-8000-0123456789ab", file(7));
        listed.add_file(b"_x", file(8));
        builder.finish(children[0], listed, Listing::Complete);
        let inventory = builder.build();
        let found = inventory.find(&Location::local(b"/r/shared/0a1b2c3d-0000-4fff-8000-0123456789ab"));
        assert_eq!(inventory.file(found.unwrap().1).length, 7);
        assert_eq!(inventory.file(inventory.find(&Location::local(b"/r/z")).unwrap().1).length, 1);
        assert!(inventory.find(&Location::local(b"/r/shared/y")).is_none());
        assert_eq!(inventory.directory(root).listing, Listing::Complete);
    }

    #[test]
    fn a_directory_that_was_never_listed_is_partial() {
        let mut builder = InventoryBuilder::default();
        let root = builder.add_root(Location::local(b"/r"), Timestamp(0));
        let inventory = builder.build();
        assert_ne!(inventory.directory(root).listing, Listing::Complete);
        assert!(!inventory.is_empty(root));
    }
}
