//! Why there is no plan, or no run.

use std::path::PathBuf;

use chksweep_audit::Findings;
use chksweep_core::plan::PlanFileError;
use chksweep_engine::actions::ActionsError;
use chksweep_engine::collect::CollectError;
use chksweep_engine::run::RunError;
use chksweep_planner::PlanError;
use chksweep_store::StoreError;

/// Why there is no plan, or no run. What goes wrong with single paths is part of a result instead.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The look failed as a whole.
    #[error(transparent)]
    Collect(CollectError),
    /// What was asked for contradicts what was seen.
    #[error(transparent)]
    Plan(PlanError),
    /// The checker refuses the plan, which is a bug; nothing was changed.
    #[error("the checker refuses the plan, nothing was changed")]
    Refused(#[source] Findings),
    /// The work on a plan broke off.
    #[error("making the plan")]
    Work(#[source] tokio::task::JoinError),
    /// The run could not begin or end.
    #[error(transparent)]
    Run(RunError),
    /// The two plans do not fit together.
    #[error(transparent)]
    Actions(ActionsError),
    /// The records of earlier runs could not be read.
    #[error("reading the records of runs")]
    Records(#[source] StoreError),
    /// The plan could not be written.
    #[error("writing the plan to `{}`", path.display())]
    WritePlan {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something stands where the plan is to be written that is not to be replaced.
    #[error("no plan is written to `{}`: it is {what}", path.display())]
    PlanPlace {
        /// The file.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
    },
    /// The plan could not be read.
    #[error("reading the plan `{}`", path.display())]
    ReadPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PlanFileError,
    },
    /// What was read is not what was written a moment before.
    #[error("`{}` is not what was written", path.display())]
    OtherPlan {
        /// The file.
        path: PathBuf,
    },
}
