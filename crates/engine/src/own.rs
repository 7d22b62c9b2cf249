//! Where chksweep keeps its own files under a root, and what of a root may be touched at all.
//!
//! The checks here are the last ones before a change, made anew and without any knowledge of planner and audit: a
//! path that is not strictly below a root of the run, or has a component `.chksweep`, is never moved or deleted
//! by a sweep, whatever a plan says. They stay on in release builds.

use chksweep_core::{Location, Timestamp, layout};
use chksweep_store::{ErrorKind, MutateStore, StoreError};
use serde::{Deserialize, Serialize};

/// The directory of chksweep's own files under a root.
pub fn own_directory(root: &Location) -> Location {
    root.child(layout::OWN)
}

/// The lock of a root.
pub fn lock_file(root: &Location) -> Location {
    own_directory(root).child(b"lock")
}

/// The records of runs under a root.
pub fn runs_directory(root: &Location) -> Location {
    own_directory(root).child(b"runs")
}

/// The journal of a run, in one of its roots.
pub fn journal_file(root: &Location, run_id: &str) -> Location {
    runs_directory(root).child(format!("{run_id}.jsonl").as_bytes())
}

/// The short record of a run that came to its end, or was settled by a later one.
pub fn end_file(root: &Location, run_id: &str) -> Location {
    runs_directory(root).child(format!("{run_id}.end.json").as_bytes())
}

/// The directory that holds what runs set aside under a root.
pub fn quarantine_directory(root: &Location) -> Location {
    own_directory(root).child(b"quarantine")
}

/// Where a run sets aside what it takes under a root.
pub fn quarantine_of(root: &Location, run_id: &str) -> Location {
    quarantine_directory(root).child(run_id.as_bytes())
}

/// Where a path goes when a run sets it aside.
pub fn quarantined(root: &Location, run_id: &str, path: &Location) -> Location {
    assert_sweepable(std::slice::from_ref(root), path);
    quarantine_of(root, run_id).child(path.below(root).unwrap_or(b""))
}

/// Where a quarantined path came from: the inverse of [`quarantined`].
pub fn original_of(root: &Location, run_id: &str, path: &Location) -> Option<Location> {
    let rest = path.below(&quarantine_of(root, run_id))?;
    (!rest.is_empty()).then(|| root.child(rest))
}

/// Returns whether a run may have this id: it becomes the name of a directory and of files.
pub fn is_run_id(run_id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !run_id.is_empty() && run_id.len() <= 128 && !run_id.starts_with('.') && run_id.bytes().all(plain)
}

/// Returns the root that holds a path, if it may be touched: strictly below exactly one root, and in no
/// `.chksweep`.
pub fn root_of<'r>(roots: &'r [Location], path: &Location) -> Option<&'r Location> {
    let mut holding = roots.iter().filter(|root| path.below(root).is_some_and(is_plain));
    let root = holding.next()?;
    (holding.next().is_none() && !layout::is_own(path)).then_some(root)
}

/// Whether a relative path names something below its start, by plain components only.
fn is_plain(relative: &[u8]) -> bool {
    relative.split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// Stops the program where a path must never be touched.
///
/// # Panics
///
/// When the path is a root, outside of all roots, or in a `.chksweep`: planner, audit and engine agree on none of
/// these, so something is badly broken, and nothing further is done.
pub fn assert_sweepable(roots: &[Location], path: &Location) {
    assert!(root_of(roots, path).is_some(), "refusing to touch {path}: it is no candidate under a root");
}

/// Makes a directory below `.chksweep`, for its owner alone: what lies there is state of jobs.
pub(crate) async fn make_own(store: &dyn MutateStore, directory: &Location) -> Result<(), StoreError> {
    store.make_directories(directory, true).await
}

/// Whether somebody said that a path does not exist.
pub(crate) fn is_absent(error: &StoreError) -> bool {
    error.kind == ErrorKind::NotFound
}

/// The length and mtime by which a file is recognised as the one that was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its length in bytes.
    pub length: u64,
    /// Its mtime.
    pub modified: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Location {
        Location::normalised("hdfs", "ns", path.as_bytes())
    }

    #[test]
    fn only_what_lies_strictly_below_one_root_may_be_touched() {
        let roots = [at("/a"), at("/b/c")];
        assert_eq!(root_of(&roots, &at("/a/x/y")), Some(&roots[0]));
        for path in ["/a", "/ab", "/b", "/b/c", "/a/.chksweep/lock", "/a/x/.chksweep", "/"] {
            assert_eq!(root_of(&roots, &at(path)), None, "{path}");
        }
        let odd = Location::from_parts(Some("hdfs"), Some("ns"), b"/a/../b/x");
        assert_eq!(root_of(&roots, &odd), None);
        assert_eq!(root_of(&[at("/a"), at("/a/x")], &at("/a/x/y")), None, "two roots hold it");
    }

    #[test]
    #[should_panic(expected = "no candidate under a root")]
    fn a_root_is_never_touched() {
        assert_sweepable(&[at("/a")], &at("/a"));
    }

    #[test]
    fn what_is_set_aside_knows_where_it_was() {
        let to = quarantined(&at("/a"), "run-1", &at("/a/x/y"));
        assert_eq!(to, at("/a/.chksweep/quarantine/run-1/x/y"));
        assert_eq!(original_of(&at("/a"), "run-1", &to), Some(at("/a/x/y")));
        assert_eq!(original_of(&at("/a"), "run-1", &at("/a/.chksweep/quarantine/run-1")), None);
    }

    #[test]
    fn a_run_id_is_one_plain_component() {
        assert!(is_run_id("20261123T180000Z-1a2b"));
        for id in ["", ".", "..", "a/b", ".x", "a b", "é"] {
            assert!(!is_run_id(id), "{id}");
        }
    }
}
