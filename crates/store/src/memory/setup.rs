//! Setting a memory store up, and looking at all of it afterwards.
//!
//! These calls are the test's hand: no switch denies them, and what they are given wrongly is a mistake of the
//! test, which ends with a sentence. They set times as if all had happened then: `put` at ten o'clock leaves the
//! directory with an mtime of ten o'clock, unless it has a later one already.

use std::collections::BTreeMap;

use bytes::Bytes;
use chksweep_core::{Age, Location, Timestamp};

use super::tree::{Body, Content, File, Node, Tree};
use super::{MemoryStore, State};
use crate::read::EntryKind;

/// What of a path is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Listing and reading it, and looking at what lies below it.
    Reading,
    /// Any change of it or below it.
    Changing,
    /// Both.
    Everything,
}

/// What a snapshot holds of each path: its kind, its length as a listing tells it, and its mtime.
pub type Seen = (EntryKind, u64, Timestamp);

impl MemoryStore {
    /// Returns the location of a path in this store.
    pub fn location(&self, path: impl AsRef<[u8]>) -> Location {
        Location::from_parts(Some(&self.scheme), Some(&self.authority), path.as_ref())
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// Returns what the clock says.
    pub fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// Lets the clock go on, and returns what it says then.
    pub fn advance(&self, age: Age) -> Timestamp {
        let mut state = self.lock();
        state.now = state.now.plus(age);
        state.now
    }

    /// Puts a file with content, in the place of whatever stands there; missing directories are made.
    pub fn put(&self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>, modified: Timestamp) {
        let content = Content::Held(Bytes::copy_from_slice(content.as_ref()));
        self.place(path.as_ref(), Node::file(content, modified));
    }

    /// Puts a file of so many zeros, which take no memory.
    pub fn put_sized(&self, path: impl AsRef<[u8]>, length: u64, modified: Timestamp) {
        self.place(path.as_ref(), Node::file(Content::Zeros(length), modified));
    }

    /// Puts a file that somebody is writing: a reader sees `content`, a listing tells `told_length`.
    pub fn put_open(
        &self,
        path: impl AsRef<[u8]>,
        content: impl AsRef<[u8]>,
        told_length: u64,
        modified: Timestamp,
    ) {
        let mut file = File::new(Content::Held(Bytes::copy_from_slice(content.as_ref())), modified);
        file.told_length = Some(told_length);
        self.place(path.as_ref(), Node { modified, body: Body::File(file) });
    }

    /// Puts an entry that is neither a file nor a directory: a symbolic link.
    pub fn put_link(&self, path: impl AsRef<[u8]>, modified: Timestamp) {
        self.place(path.as_ref(), Node { modified, body: Body::Other });
    }

    /// Makes a directory, or gives an existing one this mtime; missing parents are made.
    pub fn mkdir(&self, path: impl AsRef<[u8]>, modified: Timestamp) {
        let path = path.as_ref();
        let mut state = self.lock();
        state.parents_of(path, modified);
        if state.tree.get(path).is_err() {
            let made = state.tree.add(path, Node::directory(modified, false), modified);
            assert_eq!(made, Ok(()), "a directory of a test can be made");
        }
        assert!(state.tree.directory(path).is_ok(), "a file of a test is no directory");
        state.node(path).modified = modified;
    }

    /// Takes a path and all below it away, as Flink or a person would. Returns whether it was there.
    pub fn remove(&self, path: impl AsRef<[u8]>) -> bool {
        let mut state = self.lock();
        let now = state.now;
        match state.tree.get(path.as_ref()).map(Node::kind) {
            Err(_) => false,
            Ok(EntryKind::Directory) => state.tree.delete_tree(path.as_ref(), now) == Ok(true),
            Ok(EntryKind::File | EntryKind::Other) => state.tree.take(path.as_ref(), now).is_ok(),
        }
    }

    /// Sets the mtime of a path, and nothing else.
    pub fn set_modified(&self, path: impl AsRef<[u8]>, modified: Timestamp) {
        self.lock().node(path.as_ref()).modified = modified;
    }

    /// Sets when a file was last read.
    pub fn set_accessed(&self, path: impl AsRef<[u8]>, accessed: Timestamp) {
        self.with_file(path.as_ref(), |file| file.accessed = accessed);
    }

    /// Sets whether reading a file leaves a trace; it does by default.
    pub fn set_access_times(&self, on: bool) {
        self.lock().tree.records_reads = on;
    }

    /// Sets how many copies of a file there are, and in which blocks; the default is 3 and 128 MiB.
    pub fn set_replication(&self, path: impl AsRef<[u8]>, replication: u16, block_size: u64) {
        self.with_file(path.as_ref(), |file| {
            file.replication = replication;
            file.block_size = block_size;
        });
    }

    /// Sets or lifts the quota of names of a directory, which counts itself.
    pub fn set_quota(&self, path: impl AsRef<[u8]>, names: Option<u64>) {
        let mut state = self.lock();
        let directory = state.node(path.as_ref()).as_directory_mut();
        assert!(directory.is_some(), "only a directory has a quota");
        if let Some(directory) = directory {
            directory.quota = names;
        }
    }

    /// Denies something at a path until [`MemoryStore::allow`]. The path need not exist.
    pub fn deny(&self, path: impl AsRef<[u8]>, what: Denied) {
        self.lock().denied.insert(path.as_ref().to_vec(), what);
    }

    /// Lifts what was denied at a path.
    pub fn allow(&self, path: impl AsRef<[u8]>) {
        self.lock().denied.remove(path.as_ref());
    }

    /// Gives a path another owner and mode than the user's own and the usual.
    pub fn set_access(&self, path: impl AsRef<[u8]>, owner: &str, mode: u16) {
        self.lock().owned.insert(path.as_ref().to_vec(), (owner.to_owned(), mode));
    }

    /// Says that snapshots of a directory were taken. They hold nothing.
    pub fn set_snapshots(&self, path: impl AsRef<[u8]>, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.lock().snapshots.insert(path.as_ref().to_vec(), names);
    }

    /// Switches the trash on (for `/user/test/.Trash`) or off, as it is at first.
    pub fn set_trash(&self, on: bool) {
        self.lock().trash = on.then(|| "test".to_owned());
    }

    /// Says whether the store tells what it calls this user, as it does at first.
    pub fn set_named(&self, named: bool) {
        self.lock().nameless = !named;
    }

    /// Switches the safe mode on or off: every change is then refused as busy.
    pub fn set_safe_mode(&self, on: bool) {
        self.lock().safe_mode = on;
    }

    /// Sets how many entries a listing takes in one go; the tree may change between two of them.
    pub fn set_page_size(&self, entries: usize) {
        self.lock().page = entries.max(1);
    }

    /// Returns whether something is at a path.
    pub fn exists(&self, path: impl AsRef<[u8]>) -> bool {
        self.lock().tree.get(path.as_ref()).is_ok()
    }

    /// Returns whether a directory was made for its owner alone.
    pub fn is_private(&self, path: impl AsRef<[u8]>) -> bool {
        self.lock().tree.directory(path.as_ref()).is_ok_and(|d| d.private)
    }

    /// Returns the content of a file, or nothing where there is none or it was put without content.
    pub fn contents(&self, path: impl AsRef<[u8]>) -> Option<Bytes> {
        let state = self.lock();
        match &state.tree.get(path.as_ref()).ok()?.as_file()?.content {
            Content::Held(bytes) => Some(bytes.clone()),
            Content::Zeros(_) => None,
        }
    }

    /// Returns every path but the root, with its kind, length and mtime: equal snapshots mean that nothing changed.
    pub fn snapshot(&self) -> BTreeMap<Location, Seen> {
        let state = self.lock();
        let mut out = BTreeMap::new();
        let mut todo = vec![(self.location("/"), &state.tree.root)];
        while let Some((at, node)) = todo.pop() {
            for (name, node) in node.as_directory().map(|d| &d.entries).into_iter().flatten() {
                let location = at.child(name);
                out.insert(location.clone(), (node.kind(), node.status().length, node.modified));
                todo.push((location, node));
            }
        }
        out
    }

    fn place(&self, path: &[u8], node: Node) {
        let mut state = self.lock();
        let modified = node.modified;
        state.parents_of(path, modified);
        if state.tree.get(path).is_ok() {
            assert!(state.tree.directory(path).is_err(), "a directory of a test is not put away by a file");
            assert!(state.tree.take(path, modified).is_ok(), "a file of a test can be put away");
        }
        let later = path_parent(path).and_then(|at| state.tree.get(at).ok().map(|n| n.modified));
        let at = later.map_or(modified, |later| later.max(modified));
        assert_eq!(state.tree.add(path, node, at), Ok(()), "a file of a test can be put");
    }

    fn with_file(&self, path: &[u8], change: impl FnOnce(&mut File)) {
        let mut state = self.lock();
        let file = state.node(path).as_file_mut();
        assert!(file.is_some(), "the path of a test is a file");
        if let Some(file) = file {
            change(file);
        }
    }
}

impl State {
    /// Makes the missing parents of a path, with this mtime.
    fn parents_of(&mut self, path: &[u8], modified: Timestamp) {
        let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
        let below_root = path.strip_prefix(b"/").filter(|rest| !rest.is_empty());
        assert!(
            below_root.is_some_and(|rest| rest.split(|b| *b == b'/').all(plain)),
            "the path of a test is absolute, normalised and not the root"
        );
        if let Some(parent) = path_parent(path) {
            let made = make_parents(&mut self.tree, parent, modified);
            assert!(made, "the parents of a path of a test are directories");
        }
    }

    fn node(&mut self, path: &[u8]) -> &mut Node {
        assert!(self.tree.get(path).is_ok(), "the path of a test exists");
        match self.tree.get_mut(path) {
            Ok(node) => node,
            Err((_, message)) => unreachable!("{message}"),
        }
    }
}

fn path_parent(path: &[u8]) -> Option<&[u8]> {
    path.get(..path.iter().rposition(|b| *b == b'/')?)
}

/// As HDFS makes them, but that no existing directory gets an earlier mtime.
fn make_parents(tree: &mut Tree, path: &[u8], modified: Timestamp) -> bool {
    let Ok(node) = tree.get(path) else {
        let Some(parent) = path_parent(path) else { return false };
        if !make_parents(tree, parent, modified) {
            return false;
        }
        let at = tree.get(parent).map_or(modified, |n| n.modified.max(modified));
        return tree.add(path, Node::directory(modified, false), at).is_ok();
    };
    node.as_directory().is_some()
}
