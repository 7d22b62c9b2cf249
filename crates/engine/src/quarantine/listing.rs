//! What lies in the quarantines, for people and programs.

use chksweep_core::plan::Totals;
use chksweep_core::{Location, Timestamp};
use serde::Serialize;

use super::assess::{PurgeConditions, assess};
use crate::actions::Action;
use crate::cancel::Cancel;
use crate::events::Quiet;
use crate::execute::Eyes;
use crate::pace::{Pace, Waiting};
use crate::stores::ReadStores;

/// What lies in the quarantines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuarantineListing {
    /// The runs, oldest first.
    pub runs: Vec<RunListing>,
    /// Their sum.
    pub totals: Totals,
}

/// What one run set aside under one root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunListing {
    /// The run.
    pub run_id: String,
    /// The root.
    pub root: Location,
    /// Where it lies.
    pub location: Location,
    /// When the run started.
    pub started_at: Option<Timestamp>,
    /// Files and bytes.
    #[serde(flatten)]
    pub totals: Totals,
    /// How many checkpoints and savepoints are among them.
    pub checkpoints: u64,
    /// When it is old enough to be purged.
    pub due: Option<Timestamp>,
    /// What speaks against purging it now; nothing where the next purge takes it.
    pub waits_for: Vec<String>,
}

/// Lists what lies in the quarantines, and when its space will be free. Only looks.
pub async fn list(stores: &ReadStores, conditions: &PurgeConditions<'_>) -> QuarantineListing {
    let pace = Pace::new(Waiting::default(), Cancel::default(), std::sync::Arc::new(Quiet));
    let assessed = assess(&Eyes::new(stores.clone(), pace), conditions).await;
    let mut listing = QuarantineListing::default();
    for (run, assessment) in conditions.collected.quarantine.iter().zip(assessed.runs) {
        let mut totals = Totals::default();
        for file in &run.files {
            totals.add(Totals {
                files: 1,
                bytes: file.length,
                disk_bytes: file.replication.map(|copies| file.length.saturating_mul(u64::from(copies))),
            });
        }
        let checkpoints = run.files.iter().filter(|file| Action::names_a_checkpoint(&file.original)).count();
        listing.totals.add(totals);
        listing.runs.push(RunListing {
            run_id: run.run_id.clone(),
            root: run.root.clone(),
            location: run.location.clone(),
            started_at: run.started_at,
            totals,
            checkpoints: u64::try_from(checkpoints).unwrap_or(u64::MAX),
            due: assessment.due,
            waits_for: assessment.reasons,
        });
    }
    listing.runs.sort_by(|a, b| (a.started_at, &a.run_id, &a.root).cmp(&(b.started_at, &b.run_id, &b.root)));
    listing
}
