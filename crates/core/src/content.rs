//! What one `_metadata` means for the files around it: the part of it that planning needs, held compactly.
//!
//! A [`Content`] stands by itself: it shares no table with others, so thousands can be read side by side.

use crate::ids::OperatorId;
use crate::location::Location;
use crate::names::{Name, Names, Uuid};

/// What one readable `_metadata` says.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The format version, 1 to 7.
    pub version: i32,
    /// The number of the checkpoint; savepoints use one up as well.
    pub checkpoint_id: i64,
    /// What wrote it, as its properties tell.
    pub kind: Kind,
    /// The distinct ids of its operators, sorted.
    pub operators: Vec<OperatorId>,
    /// The files that it needs, each once. Relative names are resolved against the directory of the file.
    pub files: FileSet,
    /// The directories that file-merging handles name, sorted.
    pub directories: Vec<Location>,
    /// The numbers of other checkpoints of this job from which subtasks took their state over (version 7).
    pub ref_checkpoints: Vec<i64>,
    /// Which of [`Content::files`] hold operator state, in which a write-ahead sink may name further files;
    /// ascending indexes into [`FileSet::files`].
    pub operator_state_files: Vec<u32>,
    /// UUIDs that stand anywhere in the bytes, besides those that [`Content::files`] names; sorted, distinct.
    /// Bit 7 of each byte is cleared before the search, since Kryo sets it on the last character of a string.
    pub other_uuids: Vec<Uuid>,
    /// Whether some operator state inside the file is compressed (`sNaPpY`), so that the search for UUIDs in it
    /// proves nothing.
    pub compressed_operator_state: bool,
    /// Whether operator state lies inside the file itself, where sixteen raw bytes may be a UUID.
    pub inline_operator_state: bool,
}

/// Whether Flink or a user owns the snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A checkpoint: Flink subsumes it.
    Checkpoint,
    /// A savepoint: it is the user's, and it subsumes nothing.
    Savepoint,
    /// The properties are absent (version 3 and older, or null) or not as any known release writes them.
    #[default]
    Unknown,
}

/// A set of files, each a directory of the set's own table and a name.
#[derive(Clone, Debug, Default)]
pub struct FileSet {
    /// The directories, distinct, in the order of their first file.
    pub directories: Vec<Location>,
    /// The names that are not UUIDs.
    pub names: Names,
    /// The files, distinct, sorted by directory number and name.
    pub files: Vec<FileRef>,
}

/// One file of a [`FileSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileRef {
    /// The number of its directory.
    pub directory: u32,
    /// Its name, in the table of the set.
    pub name: Name,
}

impl FileSet {
    /// Returns the location of a file of this set.
    pub fn location(&self, file: FileRef) -> Option<Location> {
        let directory = self.directories.get(usize::try_from(file.directory).ok()?)?;
        Some(directory.child(&self.names.get(file.name).to_vec()))
    }

    /// Returns the locations of all files.
    pub fn locations(&self) -> impl Iterator<Item = Location> {
        self.files.iter().filter_map(|file| self.location(*file))
    }
}
