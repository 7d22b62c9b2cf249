//! What one `_metadata` depends on: the files it needs to be restored, as `chksweep deps` prints them.
//!
//! A checkpoint can name millions of files, so a handle costs forty-eight bytes here until it is united with others
//! of its file, and text is made only while a result is written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::content::{FileRef, Kind};
use crate::location::{Location, printable};
use crate::metadata::{
    self, DirectoryReference, FileReference, FileTold, HandleEnd, HandleKind, ParseError, Place, ReadError,
    Summary, Visitor,
};
use crate::names::NameRef;
use crate::path_table::PathTable;

/// What one `_metadata` depends on.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// The format version.
    pub version: i32,
    /// The number of the checkpoint.
    pub checkpoint_id: i64,
    /// Whether it is a checkpoint or a savepoint.
    pub kind: Kind,
    /// The directories that file-merging handles name, sorted.
    pub named_directories: Vec<Location>,
    /// How many handles of each kind there are.
    pub handle_kinds: HandleKinds,
    paths: PathTable,
    /// One for each file, sorted by path.
    files: Vec<Told>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Where it lies.
    pub location: Location,
    /// How long it is; nothing when only segments name it, when no handle knows, or when handles disagree.
    pub bytes: Option<u64>,
    /// The largest length or end of a segment that any handle tells.
    pub min_bytes: u64,
    /// How many handles name it.
    pub handles: u64,
}

/// Reads what a `_metadata` that lies at `metadata` depends on.
///
/// # Errors
///
/// Says what is wrong with the file, and where.
pub fn read(bytes: &[u8], metadata: &Location) -> Result<Dependencies, ParseError> {
    let mut collector = DependencyCollector::new(metadata);
    let summary = metadata::read_slice(bytes, &mut collector)?;
    Ok(collector.finish(&summary))
}

/// Reads what a `_metadata` depends on, as a stream of `length` bytes that memory need not hold.
///
/// # Errors
///
/// Says what is wrong with the file, and where, or why it could not be read on.
pub fn read_stream<R: io::Read>(
    open: impl FnMut() -> io::Result<R>,
    length: u64,
    metadata: &Location,
) -> Result<Dependencies, ReadError> {
    let mut collector = DependencyCollector::new(metadata);
    let summary = metadata::read_stream(open, length, &mut collector)?;
    Ok(collector.finish(&summary))
}

impl Dependencies {
    /// Returns how many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the files, sorted by path.
    pub fn references(&self) -> impl ExactSizeIterator<Item = Reference> {
        self.files.iter().map(|told| Reference {
            location: self.paths.location(told.file),
            bytes: u64::try_from(told.bytes).ok(),
            min_bytes: told.min_bytes,
            handles: told.handles.into(),
        })
    }

    /// Returns the directories in which the files lie, sorted: each path cut before its rightmost component that is
    /// `shared`, `taskowned`, `dstl` or `chk-<digits>`, else its parent.
    pub fn directories(&self) -> Vec<Location> {
        let mut plain = vec![false; self.paths.directories().len()];
        let mut found = BTreeSet::new();
        for told in &self.files {
            let Some(directory) =
                usize::try_from(told.file.directory).ok().and_then(|at| self.paths.directories().get(at))
            else {
                continue;
            };
            if let NameRef::Other(name) = self.paths.name(told.file)
                && is_checkpoint_part(name)
            {
                found.insert(directory.clone());
            } else if let Some(seen) =
                usize::try_from(told.file.directory).ok().and_then(|at| plain.get_mut(at))
                && !*seen
            {
                *seen = true;
                found.insert(cut(directory));
            }
        }
        found.into_iter().collect()
    }

    /// Returns the element of `deps --format json` for this file: `location` is what was asked for.
    pub fn document<'a>(&'a self, location: &'a Location, metadata: &'a Location) -> Document<'a> {
        Document { location, metadata, dependencies: self, find: None }
    }
}

/// Cuts a directory before its rightmost component that is part of Flink's layout.
fn cut(directory: &Location) -> Location {
    let path = directory.path();
    if path.is_empty() && !directory.is_resolvable() && directory.authority().is_empty() {
        // The parent of a bare name, as Flink tells it.
        return directory.with_path(b".");
    }
    let mut end = path.len();
    while let Some(slash) = path.get(..end).and_then(|rest| rest.iter().rposition(|b| *b == b'/')) {
        if path.get(slash + 1..end).is_some_and(is_checkpoint_part) {
            return directory.with_path(path.get(..slash.max(1)).unwrap_or(b"/"));
        }
        end = slash;
    }
    directory.clone()
}

fn is_checkpoint_part(name: &[u8]) -> bool {
    matches!(name, b"shared" | b"taskowned" | b"dstl")
        || name
            .strip_prefix(b"chk-")
            .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// What the handles of one file tell.
#[derive(Clone, Copy, Debug)]
struct Told {
    file: FileRef,
    /// The length; [`NOT_TOLD`] or [`DISAGREED`].
    bytes: i64,
    min_bytes: u64,
    handles: u32,
}

const NOT_TOLD: i64 = -1;
const DISAGREED: i64 = -2;

impl Told {
    fn unite(&mut self, other: &Self) {
        self.bytes = match (self.bytes, other.bytes) {
            (NOT_TOLD, bytes) | (bytes, NOT_TOLD) => bytes,
            (a, b) if a == b => a,
            _ => DISAGREED,
        };
        self.min_bytes = self.min_bytes.max(other.min_bytes);
        self.handles = self.handles.saturating_add(other.handles);
    }
}

/// How many handles are collected at least before those of one file are united.
const SETTLE_AT: usize = 1 << 16;

/// Collects [`Dependencies`] from what the reader tells.
#[derive(Clone, Debug)]
pub struct DependencyCollector {
    metadata: Location,
    paths: PathTable,
    files: Vec<Told>,
    /// How many there were when those of one file were united last.
    settled: usize,
    named_directories: Vec<Location>,
    handle_kinds: HandleKinds,
}

impl DependencyCollector {
    /// Starts to collect from a `_metadata` that lies at `metadata`.
    pub fn new(metadata: &Location) -> Self {
        Self {
            metadata: metadata.clone(),
            paths: PathTable::new(metadata.parent().unwrap_or_else(|| metadata.clone())),
            files: Vec::new(),
            settled: 0,
            named_directories: Vec::new(),
            handle_kinds: HandleKinds::default(),
        }
    }

    /// Returns what was collected.
    pub fn finish(mut self, summary: &Summary) -> Dependencies {
        self.settle();
        // The files lie sorted by directory and name now. Directories in the order of their paths make that nearly
        // the order of whole paths; the second sort, which is quick on sorted runs, settles nested directories.
        let mut order: Vec<u32> = (0..).take(self.paths.directories().len()).collect();
        order.sort_unstable_by(|a, b| self.paths.prefix(*a).cmp(self.paths.prefix(*b)));
        let mut rank = vec![0_u32; order.len()];
        for (at, directory) in (0_u32..).zip(&order) {
            if let Some(slot) = usize::try_from(*directory).ok().and_then(|at| rank.get_mut(at)) {
                *slot = at;
            }
        }
        let rank =
            |told: &Told| usize::try_from(told.file.directory).ok().and_then(|at| rank.get(at)).copied();
        self.files.sort_by_key(rank);
        let paths = &self.paths;
        self.files.sort_by(|a, b| paths.compare_paths(a.file, b.file));
        self.named_directories.sort_unstable();
        self.named_directories.dedup();
        Dependencies {
            version: summary.version,
            checkpoint_id: summary.checkpoint_id,
            kind: summary.properties.kind.into(),
            named_directories: self.named_directories,
            handle_kinds: self.handle_kinds,
            paths: self.paths,
            files: self.files,
        }
    }

    fn settle(&mut self) {
        let paths = &self.paths;
        self.files.sort_unstable_by(|a, b| paths.compare(a.file, b.file));
        self.files.dedup_by(|next, kept| {
            let same = next.file == kept.file;
            if same {
                kept.unite(next);
            }
            same
        });
        self.settled = self.files.len();
    }
}

impl Visitor for DependencyCollector {
    fn restart(&mut self) {
        *self = Self::new(&self.metadata);
    }

    fn handle_end(&mut self, _place: &Place, kind: HandleKind, _end: &HandleEnd<'_>) {
        self.handle_kinds.add(kind);
    }

    fn file(&mut self, _place: &Place, file: &FileReference<'_>) {
        self.handle_kinds.add(file.kind());
        let (bytes, end) = match file.told {
            FileTold::Absolute { bytes } | FileTold::Relative { bytes } => (bytes, bytes),
            FileTold::Segment { start, bytes, .. } => (NOT_TOLD, start.saturating_add(bytes)),
        };
        let min_bytes = u64::try_from(end).unwrap_or(0);
        let file = self.paths.add(file);
        self.files.push(Told { file, bytes, min_bytes, handles: 1 });
        if self.files.len() >= SETTLE_AT + 2 * self.settled {
            self.settle();
        }
    }

    fn directory(&mut self, _place: &Place, directory: &DirectoryReference<'_>) {
        let location = directory.location();
        if !self.named_directories.iter().rev().take(4).any(|known| *known == location) {
            self.named_directories.push(location);
        }
    }

    fn empty_segment(&mut self, _place: &Place) {
        self.handle_kinds.add(HandleKind::EmptySegment);
    }

    fn inline(&mut self, _place: &Place, _name: &[u8], _bytes: u32) {
        self.handle_kinds.add(HandleKind::ByteStream);
    }
}

/// How many handles of each kind there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandleKinds([u64; HandleKind::ALL.len()]);

impl HandleKinds {
    /// Counts one more.
    pub fn add(&mut self, kind: HandleKind) {
        for (count, known) in self.0.iter_mut().zip(HandleKind::ALL) {
            if kind == known {
                *count += 1;
            }
        }
    }

    /// Returns the kinds that occur, by the names of Flink's classes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        HandleKind::ALL
            .iter()
            .zip(self.0)
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (kind.class_name(), count))
    }
}

impl Serialize for HandleKinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Finds where a file lies when it is not where the metadata says, for `--alias`.
pub type Find<'a> = &'a dyn Fn(&Location) -> Option<Location>;

/// The element of `deps --format json` for one readable `_metadata`.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    location: &'a Location,
    metadata: &'a Location,
    dependencies: &'a Dependencies,
    find: Option<Find<'a>>,
}

impl<'a> Document<'a> {
    /// Adds to each file where it was found.
    #[must_use]
    pub fn with_found(self, find: Find<'a>) -> Self {
        Self { find: Some(find), ..self }
    }
}

impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dependencies = self.dependencies;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("location", self.location)?;
        map.serialize_entry("metadata", self.metadata)?;
        map.serialize_entry("version", &dependencies.version)?;
        map.serialize_entry("checkpointId", &dependencies.checkpoint_id)?;
        map.serialize_entry("kind", kind_word(dependencies.kind))?;
        map.serialize_entry("references", &ReferenceList(self))?;
        map.serialize_entry("namedDirectories", &dependencies.named_directories)?;
        map.serialize_entry("directories", &dependencies.directories())?;
        map.serialize_entry("handleKinds", &dependencies.handle_kinds)?;
        map.end()
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Checkpoint => "checkpoint",
        Kind::Savepoint => "savepoint",
        Kind::Unknown => "unknown",
    }
}

/// Writes one file at a time, so that no list of texts is ever held.
struct ReferenceList<'a>(&'a Document<'a>);

impl Serialize for ReferenceList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let find = self.0.find;
        serializer.collect_seq(self.0.dependencies.references().map(|reference| {
            let found = find.and_then(|find| find(&reference.location));
            ReferenceDocument { reference, found }
        }))
    }
}

struct ReferenceDocument {
    reference: Reference,
    found: Option<Location>,
}

impl Serialize for ReferenceDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { reference, found } = self;
        let bytes = reference.location.as_bytes();
        let path = printable(bytes);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &path)?;
        if let Cow::Owned(_) = path {
            map.serialize_entry("pathBase64", &STANDARD.encode(bytes))?;
        }
        if !reference.location.is_resolvable() {
            map.serialize_entry("unresolvable", &true)?;
        }
        map.serialize_entry("bytes", &reference.bytes)?;
        map.serialize_entry("minBytes", &reference.min_bytes)?;
        map.serialize_entry("handles", &reference.handles)?;
        if let Some(found) = found {
            map.serialize_entry("found", found)?;
        }
        map.end()
    }
}

/// The `error` of a file that could not be read, in `deps --format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDocument {
    /// A short stable name.
    pub kind: String,
    /// The byte at which reading failed, if it came to that.
    pub offset: Option<u64>,
    /// What a person reads.
    pub message: String,
}

impl From<&ParseError> for ErrorDocument {
    fn from(error: &ParseError) -> Self {
        Self { kind: error.kind.name().to_owned(), offset: Some(error.offset), message: error.to_string() }
    }
}
