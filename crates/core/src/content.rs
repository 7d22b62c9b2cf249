//! What one `_metadata` means for the files around it: the part of it that planning needs, held compactly.
//!
//! A [`Content`] stands by itself: it shares no table with others, so thousands can be read side by side.

use std::cell::RefCell;
use std::io;

use crate::ids::OperatorId;
use crate::location::Location;
use crate::metadata::{
    self, DirectoryReference, FileReference, Operator, ParseError, Place, ReadError, SnapshotKind, Summary,
    Visitor,
};
use crate::names::{Name, NameRef, Names, Uuid};
use crate::path_table::PathTable;
use crate::uuid_scan::{UuidScanner, scan_uuids};

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

impl From<SnapshotKind> for Kind {
    fn from(kind: SnapshotKind) -> Self {
        match kind {
            SnapshotKind::Checkpoint { .. } => Self::Checkpoint,
            SnapshotKind::Savepoint { .. } => Self::Savepoint,
            SnapshotKind::Unknown => Self::Unknown,
        }
    }
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

/// Reads what a `_metadata` that lies at `metadata` means.
///
/// # Errors
///
/// Says what is wrong with the file, and where.
pub fn read(bytes: &[u8], metadata: &Location) -> Result<Content, ParseError> {
    let mut collector = ContentCollector::new(metadata);
    let summary = metadata::read_slice(bytes, &mut collector)?;
    Ok(collector.finish(&summary, scan_uuids(bytes)))
}

/// Reads what a `_metadata` means, as a stream of `length` bytes that memory need not hold. It gives what [`read`]
/// gives.
///
/// # Errors
///
/// Says what is wrong with the file, and where, or why it could not be read on.
pub fn read_stream<R: io::Read>(
    mut open: impl FnMut() -> io::Result<R>,
    length: u64,
    metadata: &Location,
) -> Result<Content, ReadError> {
    let scanner = RefCell::new(UuidScanner::default());
    let open = || {
        // The last pass may be one that breaks off where a dialect does not fit; one of them came to the end. So what
        // any of them saw counts.
        scanner.borrow_mut().next_input();
        open().map(|reader| Scanned { reader, scanner: &scanner })
    };
    let mut collector = ContentCollector::new(metadata);
    let summary = metadata::read_stream(open, length, &mut collector)?;
    Ok(collector.finish(&summary, scanner.into_inner().finish()))
}

/// A reader that is searched for UUIDs as it is read.
struct Scanned<'s, R> {
    reader: R,
    scanner: &'s RefCell<UuidScanner>,
}

impl<R: io::Read> io::Read for Scanned<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.scanner.borrow_mut().push(buffer.get(..count).unwrap_or(buffer));
        Ok(count)
    }
}

/// Collects a [`Content`] from what the reader tells.
#[derive(Clone, Debug)]
pub struct ContentCollector {
    directory: Location,
    paths: PathTable,
    files: Vec<FileRef>,
    /// How many of the files are sorted and distinct.
    settled: usize,
    operator_state_files: Vec<FileRef>,
    directories: Vec<Location>,
    operators: Vec<OperatorId>,
    ref_checkpoints: Vec<i64>,
    compressed_operator_state: bool,
    inline_operator_state: bool,
    /// How much of the mark of compression the last bytes were.
    mark: usize,
}

/// What Snappy's frame format starts with, as Flink's compressed state does.
const COMPRESSION_MARK: &[u8] = b"sNaPpY";

/// How many files are collected at least before they are sorted.
const SETTLE_AT: usize = 1 << 16;

impl ContentCollector {
    /// Starts to collect from a `_metadata` that lies at `metadata`.
    pub fn new(metadata: &Location) -> Self {
        let directory = metadata.parent().unwrap_or_else(|| metadata.clone());
        Self {
            paths: PathTable::new(directory.clone()),
            directory,
            files: Vec::new(),
            settled: 0,
            operator_state_files: Vec::new(),
            directories: Vec::new(),
            operators: Vec::new(),
            ref_checkpoints: Vec::new(),
            compressed_operator_state: false,
            inline_operator_state: false,
            mark: 0,
        }
    }

    /// Returns what was collected, with the UUIDs that stand in the bytes.
    pub fn finish(mut self, summary: &Summary, uuids: Vec<Uuid>) -> Content {
        settle(&mut self.files, &self.paths);
        settle(&mut self.operator_state_files, &self.paths);
        let operator_state_files = positions(&self.files, &self.operator_state_files);
        let (directories, names) = self.paths.into_parts();
        let files = FileSet { directories, names, files: self.files };
        Content {
            version: summary.version,
            checkpoint_id: summary.checkpoint_id,
            kind: summary.properties.kind.into(),
            operators: sorted(self.operators),
            other_uuids: without_names(uuids, &files),
            files,
            directories: sorted(self.directories),
            ref_checkpoints: sorted(self.ref_checkpoints),
            operator_state_files,
            compressed_operator_state: self.compressed_operator_state,
            inline_operator_state: self.inline_operator_state,
        }
    }
}

impl Visitor for ContentCollector {
    fn restart(&mut self) {
        let directory = self.directory.clone();
        *self = Self::new(&directory.child(b"_metadata"));
    }

    fn operator(&mut self, operator: &Operator<'_>) {
        if self.operators.last() != Some(&operator.id) {
            self.operators.push(operator.id);
        }
    }

    fn ref_checkpoint(&mut self, checkpoint_id: i64) {
        if self.ref_checkpoints.last() != Some(&checkpoint_id) {
            self.ref_checkpoints.push(checkpoint_id);
        }
    }

    fn file(&mut self, place: &Place, file: &FileReference<'_>) {
        let file = self.paths.add(file);
        self.files.push(file);
        if self.files.len() >= SETTLE_AT + 2 * self.settled {
            settle(&mut self.files, &self.paths);
            self.settled = self.files.len();
        }
        if place.state.is_operator_state() && self.operator_state_files.last() != Some(&file) {
            self.operator_state_files.push(file);
        }
    }

    fn directory(&mut self, _place: &Place, directory: &DirectoryReference<'_>) {
        // Every subtask names the same two or a few.
        let location = directory.location();
        if !self.directories.iter().rev().take(4).any(|known| *known == location) {
            self.directories.push(location);
        }
    }

    fn inline(&mut self, place: &Place, _name: &[u8], bytes: u32) {
        self.mark = 0;
        self.inline_operator_state |= place.state.is_operator_state() && bytes > 0;
    }

    fn inline_bytes(&mut self, place: &Place, bytes: &[u8]) {
        if !place.state.is_operator_state() || self.compressed_operator_state {
            return;
        }
        for byte in bytes {
            // No letter of the mark occurs twice, so a mismatch can only be a new start.
            let next = if COMPRESSION_MARK.get(self.mark) == Some(byte) { self.mark + 1 } else { 0 };
            self.mark = if next == 0 && COMPRESSION_MARK.first() == Some(byte) { 1 } else { next };
            if self.mark == COMPRESSION_MARK.len() {
                self.compressed_operator_state = true;
                return;
            }
        }
    }
}

fn settle(files: &mut Vec<FileRef>, paths: &PathTable) {
    files.sort_unstable_by(|a, b| paths.compare(*a, *b));
    files.dedup();
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// Returns where the files of `some` stand in `all`; both are sorted, and `some` are among `all`.
fn positions(all: &[FileRef], some: &[FileRef]) -> Vec<u32> {
    let mut some = some.iter().peekable();
    let mut found = Vec::with_capacity(some.len());
    for (at, file) in (0_u32..).zip(all) {
        if some.next_if_eq(&file).is_some() {
            found.push(at);
        }
    }
    found
}

/// Removes the UUIDs that are names of files.
fn without_names(mut uuids: Vec<Uuid>, files: &FileSet) -> Vec<Uuid> {
    let names = files.files.iter().filter_map(|file| match files.names.get(file.name) {
        NameRef::Uuid(uuid) => Some(uuid),
        NameRef::Other(_) => None,
    });
    let names = sorted(names.collect());
    let mut names = names.into_iter().peekable();
    uuids.retain(|uuid| {
        while names.next_if(|name| name < uuid).is_some() {}
        names.peek() != Some(uuid)
    });
    uuids
}
