//! The tree of a memory store: what HDFS does to names and times, without clock, lock or error texts of its own.

use std::collections::BTreeMap;

use bytes::Bytes;
use chksweep_core::Timestamp;
use chksweep_core::location::path_below;

use crate::error::ErrorKind;
use crate::read::{EntryKind, Status};

/// Why something was refused; the caller adds the operation and the path.
pub(super) type Refusal = (ErrorKind, &'static str);

const MISSING: Refusal = (ErrorKind::NotFound, "no such file or directory");
const NO_PARENT: Refusal = (ErrorKind::NotFound, "the parent directory does not exist");
const NOT_A_DIRECTORY: Refusal = (ErrorKind::WrongType, "not a directory");
const NOT_A_FILE: Refusal = (ErrorKind::WrongType, "not a file");
const EXISTS: Refusal = (ErrorKind::AlreadyExists, "the path exists");
const NOT_EMPTY: Refusal = (ErrorKind::NotEmpty, "the directory is not empty");
const IS_ROOT: Refusal = (ErrorKind::Unsupported, "the root of the store cannot be changed");
const OVER_QUOTA: Refusal = (ErrorKind::QuotaExceeded, "the quota of names is exceeded");

/// HDFS records a read only when the last recorded one is an hour old (`dfs.namenode.accesstime.precision`).
const ACCESS_PRECISION_MS: i64 = 3_600_000;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) modified: Timestamp,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Directory(Directory),
    File(File),
    Other,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) entries: BTreeMap<Box<[u8]>, Node>,
    /// How many names may lie in it, itself counted, as HDFS counts.
    pub(super) quota: Option<u64>,
    pub(super) private: bool,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) content: Content,
    /// While it is open for writing: the length that a listing tells.
    pub(super) told_length: Option<u64>,
    pub(super) accessed: Timestamp,
    pub(super) replication: u16,
    pub(super) block_size: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Held(Bytes),
    /// So many zeros, which nobody stores.
    Zeros(u64),
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Zeros(length) => *length,
        }
    }
}

impl File {
    pub(super) fn new(content: Content, accessed: Timestamp) -> Self {
        Self { content, told_length: None, accessed, replication: 3, block_size: 128 << 20 }
    }
}

impl Node {
    pub(super) fn directory(modified: Timestamp, private: bool) -> Self {
        Self { modified, body: Body::Directory(Directory { private, ..Directory::default() }) }
    }

    pub(super) fn file(content: Content, modified: Timestamp) -> Self {
        Self { modified, body: Body::File(File::new(content, modified)) }
    }

    pub(super) fn kind(&self) -> EntryKind {
        match self.body {
            Body::Directory(_) => EntryKind::Directory,
            Body::File(_) => EntryKind::File,
            Body::Other => EntryKind::Other,
        }
    }

    pub(super) fn status(&self) -> Status {
        let file = self.as_file();
        Status {
            kind: self.kind(),
            length: file.map_or(0, |f| f.told_length.unwrap_or_else(|| f.content.length())),
            modified: self.modified,
            accessed: file.map(|f| f.accessed),
            replication: file.map(|f| f.replication),
            block_size: file.map(|f| f.block_size),
        }
    }

    pub(super) fn as_file(&self) -> Option<&File> {
        match &self.body {
            Body::File(file) => Some(file),
            Body::Directory(_) | Body::Other => None,
        }
    }

    pub(super) fn as_file_mut(&mut self) -> Option<&mut File> {
        match &mut self.body {
            Body::File(file) => Some(file),
            Body::Directory(_) | Body::Other => None,
        }
    }

    pub(super) fn as_directory(&self) -> Option<&Directory> {
        match &self.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Other => None,
        }
    }

    pub(super) fn as_directory_mut(&mut self) -> Option<&mut Directory> {
        match &mut self.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Other => None,
        }
    }

    /// The mode of what was made by the store itself.
    pub(super) fn usual_mode(&self) -> u16 {
        match &self.body {
            Body::Directory(directory) if directory.private => 0o700,
            Body::Directory(_) => 0o755,
            Body::File(_) => 0o644,
            Body::Other => 0o777,
        }
    }

    /// Names and bytes, each copy counted, at and below this one.
    pub(super) fn usage(&self) -> (u64, u64) {
        let own = self.as_file().map_or(0, |f| f.content.length().saturating_mul(f.replication.into()));
        let below = self.as_directory().map_or(0, |d| d.entries.values().map(|node| node.usage().1).sum());
        (self.names(), own.saturating_add(below))
    }

    /// How many names there are at and below this one.
    fn names(&self) -> u64 {
        1 + self.as_directory().map_or(0, |d| d.entries.values().map(Self::names).sum())
    }
}

/// The whole tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    /// Whether reading a file leaves a trace.
    pub(super) records_reads: bool,
}

/// Splits a checked path into its components.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty())
}

/// Splits a checked path into its directory and its last component; nothing for the root.
fn split(path: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let at = path.iter().rposition(|b| *b == b'/').ok_or(IS_ROOT)?;
    let (directory, name) = (path.get(..at).unwrap_or(b""), path.get(at + 1..).unwrap_or(b""));
    if name.is_empty() { Err(IS_ROOT) } else { Ok((directory, name)) }
}

impl Tree {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { root: Node::directory(now, false), records_reads: true }
    }

    pub(super) fn get(&self, path: &[u8]) -> Result<&Node, Refusal> {
        let mut node = &self.root;
        for part in parts(path) {
            node = node.as_directory().ok_or(NOT_A_DIRECTORY)?.entries.get(part).ok_or(MISSING)?;
        }
        Ok(node)
    }

    pub(super) fn get_mut(&mut self, path: &[u8]) -> Result<&mut Node, Refusal> {
        let mut node = &mut self.root;
        for part in parts(path) {
            node = node.as_directory_mut().ok_or(NOT_A_DIRECTORY)?.entries.get_mut(part).ok_or(MISSING)?;
        }
        Ok(node)
    }

    /// As [`Tree::get`], with nothing for a path that does not exist.
    fn find(&self, path: &[u8]) -> Result<Option<&Node>, Refusal> {
        match self.get(path) {
            Ok(node) => Ok(Some(node)),
            Err((ErrorKind::NotFound, _)) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn directory(&self, path: &[u8]) -> Result<&Directory, Refusal> {
        self.get(path)?.as_directory().ok_or(NOT_A_DIRECTORY)
    }

    /// Opens a file: its content, with the time of the access recorded as coarsely as HDFS does.
    pub(super) fn open(&mut self, path: &[u8], now: Timestamp) -> Result<Content, Refusal> {
        let records_reads = self.records_reads;
        let file = self.get_mut(path)?.as_file_mut().ok_or(NOT_A_FILE)?;
        if records_reads && now.0.saturating_sub(file.accessed.0) > ACCESS_PRECISION_MS {
            file.accessed = now;
        }
        Ok(file.content.clone())
    }

    /// Adds an entry to an existing directory, whose mtime changes.
    pub(super) fn add(&mut self, path: &[u8], node: Node, now: Timestamp) -> Result<(), Refusal> {
        let (directory, name) = split(path)?;
        if self.find(path)?.is_some() {
            return Err(EXISTS);
        }
        self.check_quota(directory, node.names(), None)?;
        let parent = self.get_mut(directory).map_err(parent_refusal)?;
        parent.as_directory_mut().ok_or(NOT_A_DIRECTORY)?.entries.insert(name.into(), node);
        parent.modified = now;
        Ok(())
    }

    /// Takes an entry out of its directory, whose mtime changes.
    pub(super) fn take(&mut self, path: &[u8], now: Timestamp) -> Result<Node, Refusal> {
        let (directory, name) = split(path)?;
        let parent = self.get_mut(directory)?;
        let node = parent.as_directory_mut().ok_or(NOT_A_DIRECTORY)?.entries.remove(name).ok_or(MISSING)?;
        parent.modified = now;
        Ok(node)
    }

    /// Moves an entry; its own mtime stays, both directories' change.
    pub(super) fn rename(&mut self, from: &[u8], to: &[u8], now: Timestamp) -> Result<(), Refusal> {
        let node = self.get(from)?;
        if node.kind() == EntryKind::Other {
            return Err((ErrorKind::WrongType, "neither a file nor a directory: it is not moved"));
        }
        let names = node.names();
        split(from)?;
        if from != to && path_below(to, from).is_some() {
            return Err((ErrorKind::Unsupported, "a directory cannot be moved into itself"));
        }
        let (target_directory, _) = split(to)?;
        if self.find(to)?.is_some() {
            return Err(EXISTS);
        }
        let target = self.get(target_directory).map_err(parent_refusal)?;
        if target.as_directory().is_none() {
            return Err(NOT_A_DIRECTORY);
        }
        self.check_quota(target_directory, names, Some(from))?;
        let node = self.take(from, now)?;
        self.add_unchecked(to, node, now)
    }

    fn add_unchecked(&mut self, path: &[u8], node: Node, now: Timestamp) -> Result<(), Refusal> {
        let (directory, name) = split(path)?;
        let parent = self.get_mut(directory)?;
        parent.as_directory_mut().ok_or(NOT_A_DIRECTORY)?.entries.insert(name.into(), node);
        parent.modified = now;
        Ok(())
    }

    pub(super) fn delete_file(&mut self, path: &[u8], now: Timestamp) -> Result<bool, Refusal> {
        match self.find(path)?.map(Node::kind) {
            None => Ok(false),
            Some(EntryKind::Directory | EntryKind::Other) => Err(NOT_A_FILE),
            Some(EntryKind::File) => self.take(path, now).map(|_| true),
        }
    }

    pub(super) fn remove_directory(&mut self, path: &[u8], now: Timestamp) -> Result<bool, Refusal> {
        let Some(node) = self.find(path)? else { return Ok(false) };
        if !node.as_directory().ok_or(NOT_A_DIRECTORY)?.entries.is_empty() {
            return Err(NOT_EMPTY);
        }
        self.take(path, now).map(|_| true)
    }

    pub(super) fn delete_tree(&mut self, path: &[u8], now: Timestamp) -> Result<bool, Refusal> {
        let Some(node) = self.find(path)? else { return Ok(false) };
        node.as_directory().ok_or(NOT_A_DIRECTORY)?;
        self.take(path, now).map(|_| true)
    }

    /// Makes a directory and its parents.
    pub(super) fn make_directories(
        &mut self,
        path: &[u8],
        private: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut so_far = Vec::with_capacity(path.len());
        for part in parts(path) {
            so_far.push(b'/');
            so_far.extend_from_slice(part);
            match self.find(&so_far)?.map(Node::kind) {
                None => self.add(&so_far, Node::directory(now, private), now)?,
                Some(EntryKind::Directory) => {}
                Some(EntryKind::File | EntryKind::Other) => return Err(NOT_A_DIRECTORY),
            }
        }
        Ok(())
    }

    /// Puts a file in the place of another, or makes it.
    pub(super) fn replace(&mut self, path: &[u8], content: Content, now: Timestamp) -> Result<(), Refusal> {
        match self.find(path)?.map(Node::kind) {
            None => self.add(path, Node::file(content, now), now),
            Some(EntryKind::Directory | EntryKind::Other) => Err(NOT_A_FILE),
            Some(EntryKind::File) => self.add_unchecked(path, Node::file(content, now), now),
        }
    }

    /// Refuses what would put more names into a directory than its quota allows. What moves within the
    /// directory that has the quota (`from` lies in it) adds nothing.
    fn check_quota(&self, directory: &[u8], more: u64, from: Option<&[u8]>) -> Result<(), Refusal> {
        let mut at = Vec::with_capacity(directory.len());
        let mut node = &self.root;
        let mut rest = parts(directory);
        loop {
            let Some(here) = node.as_directory() else { return Ok(()) };
            let holds_source = from.is_some_and(|f| at.is_empty() || path_below(f, &at).is_some());
            if here.quota.is_some_and(|quota| !holds_source && node.names().saturating_add(more) > quota) {
                return Err(OVER_QUOTA);
            }
            let Some(part) = rest.next() else { return Ok(()) };
            at.push(b'/');
            at.extend_from_slice(part);
            let Some(next) = here.entries.get(part) else { return Ok(()) };
            node = next;
        }
    }
}

fn parent_refusal(refusal: Refusal) -> Refusal {
    if refusal.0 == ErrorKind::NotFound { NO_PARENT } else { refusal }
}
