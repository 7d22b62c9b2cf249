//! What runs set aside: what is there, bringing it back by itself or on request, and freeing the space.
//!
//! A file in quarantine is safe: it lies on the same disks, under a name that tells where it came from, and every
//! way out of the quarantine is here. Three lead back ([`rescue()`], [`restore()`]), one leads out for good
//! ([`purge()`]), and that one is a sweep again: it needs the same complete reading, and time.

mod assess;
mod begun;
mod index;
mod leaving;
mod listing;
mod purge;
mod rescue;
mod restore;
mod select;
mod slices;
#[cfg(test)]
mod tests;
mod whole;

pub use assess::{Assessment, PurgeConditions};
pub use listing::{QuarantineListing, RunListing, list};
pub use purge::{PurgeReport, PurgedRun, WaitingRun, purge};
pub use rescue::{RescueReport, Rescued, rescue};
pub use restore::{RestoreReport, RestoreRequest, Restored, restore};
pub use select::{Selection, dead_directories};

use crate::collected::QuarantinedRun;
use crate::records::RunRecord;

/// Returns the schema of what is recorded of a run, where a newer program wrote it: how it set things aside, and what
/// it still means to do with them, is not known.
fn newer_schema(run: &QuarantinedRun, records: &[RunRecord]) -> Option<u32> {
    let record = records.iter().find(|record| record.run_id == run.run_id);
    run.newer_schema.or_else(|| record.and_then(|record| record.newer_schema))
}
