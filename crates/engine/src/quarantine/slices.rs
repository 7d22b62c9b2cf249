//! Cutting a quarantine into slices: a recursive delete holds the NameNode's lock for its whole length, so none may
//! take more than so many files.

use chksweep_core::{DirectoryId, Inventory, Location};

use crate::collected::QuarantinedRun;
use crate::execute::{How, Step};
use crate::journal::Operation;
use crate::own::{self, Stamp};

/// The most files that one recursive delete takes.
pub(super) const PURGE_SLICE: u64 = 100_000;

/// The step that deletes a directory of a run's quarantine with all in it.
///
/// # Panics
///
/// When the directory does not lie in that quarantine.
fn tree_step(run: &QuarantinedRun, directory: &Location, (files, bytes): (u64, u64)) -> Step {
    assert_in_quarantine(run, directory);
    step(directory.clone(), How::DeleteTree, files, bytes)
}

fn step(from: Location, how: How, files: u64, bytes: u64) -> Step {
    let operation = Operation::Purge;
    Step { operation, from, how, rule: None, evidence: None, job: None, files, bytes, why: None }
}

/// Deleting for good happens below `<root>/.chksweep/quarantine/<run id>` and nowhere else.
fn assert_in_quarantine(run: &QuarantinedRun, path: &Location) {
    let home = own::quarantine_of(&run.root, &run.run_id);
    assert!(
        own::is_run_id(&run.run_id) && run.location == home && path.is_within(&home),
        "refusing to delete {path}: it is not in the quarantine of run {}",
        run.run_id
    );
}

/// The step that deletes one quarantined file.
pub(super) fn file_step(run: &QuarantinedRun, file: &Location, stamp: Stamp) -> Step {
    assert_in_quarantine(run, file);
    step(file.clone(), How::Delete { stamp }, 1, stamp.length)
}

/// Returns batches of steps that together delete a run's quarantine; each takes at most `slice` files.
pub(super) fn slices(run: &QuarantinedRun, tree: &Inventory, slice: u64) -> Vec<Vec<Step>> {
    let sums = sums(tree);
    let sum = |id: DirectoryId| sums.get(id.index()).copied().unwrap_or((0, 0));
    let mut out = Vec::new();
    let Some(top) = tree.roots().first().copied() else { return out };
    let mut todo = vec![top];
    while let Some(id) = todo.pop() {
        let directory = &tree.directory(id).location;
        if sum(id).0 <= slice {
            out.push(vec![tree_step(run, directory, sum(id))]);
            continue;
        }
        let files: Vec<Step> = tree
            .files_of(id)
            .map(|(_, file)| {
                let at = directory.child(&tree.name_of(file).to_vec());
                file_step(run, &at, Stamp { length: file.length, modified: file.modified })
            })
            .collect();
        let size = usize::try_from(slice).unwrap_or(usize::MAX).clamp(1, 500);
        out.extend(files.chunks(size).map(<[Step]>::to_vec));
        todo.extend(tree.children_of(id).iter().rev());
    }
    if sum(top).0 > slice {
        // Only empty directories are left by now.
        out.push(vec![tree_step(run, &run.location, (0, 0))]);
    }
    out
}

/// Files and bytes of each directory and all below it.
fn sums(tree: &Inventory) -> Vec<(u64, u64)> {
    let mut sums = vec![(0_u64, 0_u64); tree.directory_count()];
    // A parent comes before what lies below it, so going backwards children are done first.
    for (id, directory) in tree.directories().rev() {
        let own = tree.files_of(id).fold((0_u64, 0_u64), |sum, (_, file)| {
            (sum.0.saturating_add(1), sum.1.saturating_add(file.length))
        });
        let all = sums.get_mut(id.index()).map_or((0, 0), |sum| {
            *sum = (sum.0.saturating_add(own.0), sum.1.saturating_add(own.1));
            *sum
        });
        if let Some(parent) = directory.parent.and_then(|parent| sums.get_mut(parent.index())) {
            *parent = (parent.0.saturating_add(all.0), parent.1.saturating_add(all.1));
        }
    }
    sums
}
