//! `run --execute`: plan, apply and purge what is due, in one unattended pass.

use chksweep_core::plan::Decision;
use chksweep_engine::state;

use crate::app::Context;
use crate::args::RunArgs;
use crate::failure::{Failure, Outcome};
use crate::output::executed;
use crate::pipeline::{self, Scope};
use crate::planfile::{self, Contents};
use crate::sweeping::{Begin, Planner, Session, check_mode};

/// Plans and applies. What is shown is what is done: the plan is written, read back, and made a second time.
pub(crate) async fn execute(args: &RunArgs, context: &Context) -> Outcome {
    let scope = Scope::from_settings(context)?;
    let sweeping = context.settings.sweeping()?;
    check_mode(sweeping, &scope.roots)?;
    let begin = Begin {
        command: "run",
        break_lock: args.break_lock.clone(),
        plan_digest: None,
        approved_by: None,
        sweeping,
    };
    let session = Session::begin(context, scope, begin).await?;
    let planner = session.planner();
    match planned(args, context, &planner, session.run.run_id().to_owned()).await {
        Ok(entries) => {
            executed::sweep_and_finish(context, session, &entries, Vec::new(), !sweeping.no_purge).await
        }
        Err(failure) => {
            executed::give_up(context, session).await;
            Err(failure)
        }
    }
}

/// Makes the first plan, writes it beside the records of runs, and reads it back.
async fn planned(
    args: &RunArgs,
    context: &Context,
    planner: &Planner,
    run_id: String,
) -> Outcome<Vec<chksweep_core::plan::Entry>> {
    let first = planner.plan(context).await?;
    pipeline::remember(context, &first);
    let inventory = first.look.collected.inventory;
    let mut plan = first.plan.into_plan();
    let path = context.settings.state_dir()?.join("plans").join(format!("{run_id}.jsonl.zst"));
    state::make_for(&path)
        .map_err(|error| Failure::failed(error).context("making the directory for plans of runs"))?;
    plan.summary.plan = Some(path.display().to_string());
    let digest = planfile::write(&path, Contents { plan: &plan, inventory: &inventory, all: args.all })?;
    tracing::info!(plan = %path.display(), digest, "the plan is written");
    let read_back = planfile::read(&path, |entry| entry.verdict.decision() == Decision::Sweep)?;
    if read_back.sha256 != digest {
        return Err(Failure::failed(format_args!("`{}` is not what was written", path.display())));
    }
    Ok(read_back.entries)
}
