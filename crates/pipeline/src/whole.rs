//! The two halves of an unattended run, joined by a plan file: what is written there is what is done.

use std::path::Path;

use chksweep_core::JobId;
use chksweep_core::plan::{Decision, Entry};
use chksweep_engine::quarantine::Selection;
use chksweep_engine::records::RunRecord;

use crate::error::PipelineError;
use crate::look::{Planned, remember};
use crate::planfile::{PlanContents, read_plan_file, write_plan_file};
use crate::scope::Surroundings;
use crate::session::{Purged, Purging, Session, Standing, Swept};

/// Remembers what the first plan of a run saw, writes the plan to `path`, and returns what it sweeps as read back.
///
/// # Errors
///
/// When the file cannot be written, or is not what was written.
pub fn first_plan(
    around: &Surroundings,
    planned: Planned,
    path: &Path,
    all: bool,
) -> Result<Vec<Entry>, PipelineError> {
    remember(around, &planned);
    let inventory = planned.look.collected.inventory;
    let mut plan = planned.plan.into_plan();
    plan.summary.plan = Some(path.display().to_string());
    let digest = write_plan_file(path, PlanContents { plan: &plan, inventory: &inventory, all })?;
    tracing::info!(plan = %path.display(), digest, "the plan is written");
    let read_back = read_plan_file(path, |entry| entry.verdict.decision() == Decision::Sweep)?;
    if read_back.sha256 != digest {
        return Err(PipelineError::OtherPlan { path: path.to_owned() });
    }
    Ok(read_back.entries)
}

/// What became of a run.
#[derive(Debug)]
pub struct CarriedOut {
    /// What was swept.
    pub swept: Swept,
    /// What the last look brought back, what was purged, and what stays in quarantine; nothing where the run was
    /// stopped before, or that look failed.
    pub purged: Option<Purged>,
    /// Why the last look failed, if it did. What was done stays done.
    pub last_look: Option<PipelineError>,
    /// The record of the run.
    pub record: RunRecord,
}

/// Sweeps, looks once more, purges what is due if that is wanted, and ends the run.
///
/// # Errors
///
/// When no plan can be made now: then nothing was swept, and the run was ended. When its end cannot be recorded.
pub async fn carry_out(
    around: &Surroundings,
    mut session: Session,
    approved: &[Entry],
    exclude_jobs: Vec<JobId>,
    may_purge: bool,
) -> Result<CarriedOut, PipelineError> {
    let swept = match session.sweep(around, approved, exclude_jobs).await {
        Ok(swept) => swept,
        Err(error) => {
            if let Err(other) = session.finish(false).await {
                tracing::error!(error = %other, "the end of the run could not be recorded");
            }
            return Err(error);
        }
    };
    let (mut purged, mut last_look) = (None, None);
    if session.run.stopped().is_none() {
        let braked = (swept.standing == Standing::Braked).then(|| "a brake holds".to_owned());
        let held = braked.or_else(|| (!may_purge).then(|| "this run purges nothing".to_owned()));
        let purging = Purging {
            selection: Selection::default(),
            after: session.purge_after,
            this_run_is_clean: swept.is_clean(),
            held,
        };
        match session.purge(around, purging).await {
            Ok(done) => purged = Some(done),
            Err(error) => last_look = Some(error),
        }
    }
    let clean = swept.is_clean() && last_look.is_none() && purged.as_ref().is_none_or(Purged::is_clean);
    let record = session.finish(clean).await?;
    Ok(CarriedOut { swept, purged, last_look, record })
}
