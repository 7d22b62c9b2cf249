//! Steps that bring quarantined files back, and tidying up behind them.

use std::collections::BTreeSet;

use chksweep_core::{Location, layout};

use crate::collected::{QuarantinedFile, QuarantinedRun};
use crate::execute::{How, Step, remove_if_empty};
use crate::journal::Operation;
use crate::own::{self, Stamp};
use crate::run::Run;

/// How many files are brought back in one batch.
pub(super) const BATCH: usize = 500;

/// The step that moves a quarantined file to `to`, or back to its old place.
///
/// # Panics
///
/// When the file does not lie in a quarantine, or its old place is no candidate under a root.
pub(super) fn step(
    run: &Run,
    operation: Operation,
    (from, file): (&QuarantinedRun, &QuarantinedFile),
    to: Option<&Location>,
    why: &str,
) -> Step {
    assert!(
        own::original_of(&from.root, &from.run_id, &file.location).as_ref() == Some(&file.original),
        "{} does not lie where it was set aside",
        file.location
    );
    let to = to.cloned().unwrap_or_else(|| {
        own::assert_sweepable(run.roots(), &file.original);
        file.original.clone()
    });
    let stamp = Stamp { length: file.length, modified: file.modified };
    Step {
        operation,
        from: file.location.clone(),
        job: layout::job_of(&file.original),
        how: How::Move { to, stamp, private: false },
        rule: None,
        evidence: None,
        files: 1,
        bytes: file.length,
        why: Some(why.to_owned()),
    }
}

/// Removes the directories that moved files left empty, up to the run's own directory.
pub(super) async fn tidy(run: &Run, left: impl IntoIterator<Item = Location>, tops: &BTreeSet<Location>) {
    let mut todo: BTreeSet<(std::cmp::Reverse<usize>, Location)> = BTreeSet::new();
    let deep = |at: &Location| std::cmp::Reverse(at.components().count());
    for directory in left {
        todo.insert((deep(&directory), directory));
    }
    while let Some((_, directory)) = todo.pop_first() {
        let below_a_run = tops.iter().any(|top| directory.is_within(top));
        if !below_a_run || !remove_if_empty(&run.hands, &directory).await {
            continue;
        }
        if let Some(parent) = directory.parent() {
            todo.insert((deep(&parent), parent));
        }
    }
}
