//! A store in memory that behaves as HDFS does, for tests and trials.
//!
//! Times are those of a clock that the test sets: a file's mtime is when it was made or closed, a directory's when
//! an entry was last added, removed or renamed, and a rename leaves the mtime of what moves alone. A listing goes
//! through pages by name and holds no lock between them, so that the tree may change under a reader as it does on
//! a NameNode. Each call is carried out under one lock: of several callers at once exactly one creates a file.

mod setup;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::location::path_below;
use chksweep_core::{Location, Timestamp};

use crate::error::{ErrorKind, Operation, StoreError};
use crate::mutate::{Appender, MutateStore};
use crate::paths::checked;
use crate::read::{Access, Entry, EntrySink, ReadStore, Reader, Status, Usage};
pub use setup::{Denied, Seen};
use tree::{Content, Node, Refusal, Tree};

/// What the clock of a new memory store says: 2026-11-23T18:00:00Z.
pub const FIRST_MOMENT: Timestamp = Timestamp(1_795_456_800_000);

/// Who uses the store, and owns what nothing else is said of.
const USER: &str = "test";
/// How many entries of a directory are listed under one lock, as a NameNode's `dfs.ls.limit`.
const PAGE: usize = 1000;
/// How many zeros a reader of a file without content gets at a time.
const ZEROS: usize = 64 * 1024;

/// A store in memory. A clone is another handle to the same tree.
#[derive(Clone)]
pub struct MemoryStore {
    scheme: Arc<str>,
    authority: Arc<str>,
    state: Arc<Mutex<State>>,
}

/// What the handles share.
struct State {
    tree: Tree,
    now: Timestamp,
    denied: BTreeMap<Vec<u8>, Denied>,
    /// Owners and modes that are not the usual ones.
    owned: BTreeMap<Vec<u8>, (String, u16)>,
    /// The names of the snapshots of a directory.
    snapshots: BTreeMap<Vec<u8>, Vec<String>>,
    trash: Option<String>,
    /// Whether the store does not tell what it calls this user.
    nameless: bool,
    safe_mode: bool,
    page: usize,
}

/// What a call does to a path, for the switches that deny it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    Look,
    Read,
    Change,
}

impl MemoryStore {
    /// Makes an empty store for locations of this scheme and authority, as in `hdfs://test`.
    pub fn new(scheme: &str, authority: &str) -> Self {
        let state = State {
            tree: Tree::new(FIRST_MOMENT),
            now: FIRST_MOMENT,
            denied: BTreeMap::new(),
            owned: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            trash: None,
            nameless: false,
            safe_mode: false,
            page: PAGE,
        };
        Self { scheme: scheme.into(), authority: authority.into(), state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed while it held the lock has said so already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path<'l>(&self, location: &'l Location, operation: Operation) -> Result<&'l [u8], StoreError> {
        checked(location, &self.scheme, &self.authority, operation)
    }

    /// Carries a change of one path out, if nothing forbids it.
    fn change<T>(
        &self,
        operation: Operation,
        location: &Location,
        change: impl FnOnce(&mut Tree, &[u8], Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, StoreError> {
        let path = self.path(location, operation)?;
        let mut state = self.lock();
        state.permit(path, Touch::Change).map_err(|r| refused(r, operation, location))?;
        let now = state.now;
        change(&mut state.tree, path, now).map_err(|r| refused(r, operation, location))
    }

    /// Copies the next page of a directory: the entries after `last`.
    fn page(&self, directory: &Location, last: Option<&[u8]>) -> Result<Page, StoreError> {
        let path = self.path(directory, Operation::List)?;
        let state = self.lock();
        let refuse = |r| refused(r, Operation::List, directory);
        state.permit(path, Touch::Read).map_err(refuse)?;
        let entries = &state.tree.directory(path).map_err(refuse)?.entries;
        let after = match last {
            Some(last) => (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded),
            None => (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded),
        };
        let mut rest = entries.range::<[u8], _>(after);
        let some = rest.by_ref().take(state.page).map(|(name, node)| (name.clone(), node.status())).collect();
        Ok(Page { entries: some, more: rest.next().is_some() })
    }
}

/// A part of a directory.
struct Page {
    entries: Vec<(Box<[u8]>, Status)>,
    more: bool,
}

impl State {
    /// Refuses what a switch denies: a path denies what it covers, and what lies below cannot even be looked at.
    fn permit(&self, path: &[u8], access: Touch) -> Result<(), Refusal> {
        if access == Touch::Change && self.safe_mode {
            return Err((ErrorKind::Busy, "the store is in safe mode"));
        }
        for (at, denied) in &self.denied {
            let Some(below) = path_below(path, at) else { continue };
            let reading = matches!(denied, Denied::Reading | Denied::Everything);
            let changing = matches!(denied, Denied::Changing | Denied::Everything);
            let hit = match access {
                Touch::Look => reading && !below.is_empty(),
                Touch::Read => reading,
                Touch::Change => changing,
            };
            if hit {
                return Err((ErrorKind::PermissionDenied, "permission denied"));
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), Refusal> {
        self.permit(from, Touch::Change)?;
        self.permit(to, Touch::Change)?;
        self.tree.rename(from, to, self.now)
    }

    /// Moves to `/user/<name>/.Trash/Current/<path>`, with the time behind the name where that is taken.
    fn trash(&mut self, path: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Some(user) = &self.trash else {
            return Err((ErrorKind::Unsupported, "the trash is not enabled"));
        };
        let holds = self.tree.get(path)?.as_directory().is_some_and(|d| !d.entries.is_empty());
        if holds {
            return Err((ErrorKind::NotEmpty, "the directory is not empty"));
        }
        let trash = format!("/user/{user}/.Trash/Current").into_bytes();
        if path_below(path, &trash).is_some() || path_below(&trash, path).is_some() {
            return Err((ErrorKind::Unsupported, "the path lies in the trash or holds it"));
        }
        let mut target = [trash.as_slice(), path].concat();
        let at = target.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let directory = target.get(..at).unwrap_or(b"").to_vec();
        self.tree.make_directories(&directory, true, self.now)?;
        if self.tree.get(&target).is_ok() {
            target.extend_from_slice(self.now.0.to_string().as_bytes());
        }
        self.rename(path, &target)?;
        Ok(target)
    }
}

fn refused((kind, message): Refusal, operation: Operation, path: &Location) -> StoreError {
    StoreError::new(kind, operation, path, message)
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({}://{})", self.scheme, self.authority)
    }
}

#[async_trait]
impl ReadStore for MemoryStore {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        let mut last: Option<Box<[u8]>> = None;
        loop {
            let page = self.page(directory, last.as_deref())?;
            for (name, status) in &page.entries {
                sink(Entry {
                    name,
                    kind: status.kind,
                    length: status.length,
                    modified: status.modified,
                    accessed: status.accessed,
                    replication: status.replication,
                    block_size: status.block_size,
                });
            }
            if !page.more {
                return Ok(());
            }
            last = page.entries.into_iter().last().map(|(name, _)| name);
            tokio::task::yield_now().await;
        }
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        let inner = self.path(path, Operation::Stat)?;
        let state = self.lock();
        let looked = state.permit(inner, Touch::Look).and_then(|()| state.tree.get(inner));
        looked.map(Node::status).map_err(|r| refused(r, Operation::Stat, path))
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        let inner = self.path(path, Operation::Stat)?;
        let state = self.lock();
        let looked = state.permit(inner, Touch::Look).and_then(|()| state.tree.get(inner));
        let node = looked.map_err(|r| refused(r, Operation::Stat, path))?;
        let usual = || (USER.to_owned(), node.usual_mode());
        let (owner, mode) = state.owned.get(inner).cloned().unwrap_or_else(usual);
        Ok(Access { kind: node.kind(), owner, group: "users".to_owned(), mode })
    }

    fn user(&self) -> Option<String> {
        (!self.lock().nameless).then(|| USER.to_owned())
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        let inner = self.path(directory, Operation::Stat)?;
        let state = self.lock();
        let node = state.tree.get(inner).map_err(|r| refused(r, Operation::Stat, directory))?;
        let (names, space) = node.usage();
        let names_allowed = node.as_directory().and_then(|directory| directory.quota);
        Ok(Usage { names, names_allowed, space, space_allowed: None })
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        let inner = self.path(directory, Operation::List)?;
        Ok(self.lock().snapshots.get(inner).cloned().unwrap_or_default())
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        let inner = self.path(path, Operation::Read)?;
        let mut state = self.lock();
        let refuse = |r| refused(r, Operation::Read, path);
        state.permit(inner, Touch::Read).map_err(refuse)?;
        let now = state.now;
        let content = state.tree.open(inner, now).map_err(refuse)?;
        Ok(Box::new(MemoryReader { length: content.length(), rest: content }))
    }
}

#[async_trait]
impl MutateStore for MemoryStore {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        let (inner, target) = (self.path(from, Operation::Rename)?, self.path(to, Operation::Rename)?);
        let moved = self.lock().rename(inner, target);
        moved.map_err(|r| {
            let about = if r.0 == ErrorKind::AlreadyExists { to } else { from };
            refused(r, Operation::Rename, about)
        })
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        self.change(Operation::Delete, path, Tree::delete_file)
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        self.change(Operation::Delete, path, Tree::remove_directory)
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        self.change(Operation::Delete, path, Tree::delete_tree)
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        self.change(Operation::MakeDirectory, path, |tree, path, now| {
            tree.make_directories(path, private, now)
        })
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let content = Content::Held(Bytes::copy_from_slice(content));
        self.change(Operation::Write, path, |tree, path, now| tree.add(path, Node::file(content, now), now))
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let content = Content::Held(Bytes::copy_from_slice(content));
        self.change(Operation::Write, path, |tree, path, now| tree.replace(path, content, now))
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        self.change(Operation::Write, path, |tree, path, now| {
            let mut node = Node::file(Content::Held(Bytes::new()), now);
            if let Some(file) = node.as_file_mut() {
                file.told_length = Some(0);
            }
            tree.add(path, node, now)
        })?;
        Ok(Box::new(MemoryAppender { store: self.clone(), path: path.clone() }))
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        let inner = self.path(path, Operation::Trash)?;
        let target = self.lock().trash(inner).map_err(|r| refused(r, Operation::Trash, path))?;
        Ok(path.with_path(&target))
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        self.stat(path).await.map(|_| true)
    }
}

/// A file as it was when it was opened.
#[derive(Debug)]
struct MemoryReader {
    length: u64,
    rest: Content,
}

#[async_trait]
impl Reader for MemoryReader {
    fn length(&self) -> u64 {
        self.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let piece = match &mut self.rest {
            Content::Held(bytes) => bytes.split_to(bytes.len().min(ZEROS)),
            Content::Zeros(left) => {
                let count = usize::try_from(*left).unwrap_or(ZEROS).min(ZEROS);
                *left = left.saturating_sub(u64::try_from(count).unwrap_or(0));
                Bytes::from(vec![0; count])
            }
        };
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// A file open for writing: a reader sees what was appended, a listing tells its length only once it is closed.
#[derive(Debug)]
struct MemoryAppender {
    store: MemoryStore,
    path: Location,
}

#[async_trait]
impl Appender for MemoryAppender {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        self.store.change(Operation::Write, &self.path, |tree, path, _| {
            let file = open_file(tree, path)?;
            let Content::Held(held) = &file.content else { return Err(NOT_OPEN) };
            file.content = Content::Held(Bytes::from([held.as_ref(), content].concat()));
            Ok(())
        })
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        self.store.change(Operation::Write, &self.path, |tree, path, now| {
            open_file(tree, path)?.told_length = None;
            tree.get_mut(path)?.modified = now;
            Ok(())
        })
    }
}

const NOT_OPEN: Refusal = (ErrorKind::NotFound, "the file is no longer there, or no longer open for writing");

fn open_file<'t>(tree: &'t mut Tree, path: &[u8]) -> Result<&'t mut tree::File, Refusal> {
    tree.get_mut(path)?.as_file_mut().filter(|file| file.told_length.is_some()).ok_or(NOT_OPEN)
}
