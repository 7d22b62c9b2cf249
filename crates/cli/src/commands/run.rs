//! `run --execute`: plan, apply and purge what is due, in one unattended pass.

use chksweep_core::plan::Entry;
use chksweep_engine::state;
use chksweep_pipeline::{Session, first_plan};

use crate::app::Context;
use crate::args::RunArgs;
use crate::failure::{Failure, Outcome};
use crate::output::executed;
use crate::scope::{Connected, Wish, check_mode};

/// Plans and applies. What is shown is what is done: the plan is written, read back, and made a second time.
pub(crate) async fn execute(args: &RunArgs, context: &Context) -> Outcome {
    let connected = Connected::from_settings(context)?;
    let sweeping = context.settings.sweeping()?;
    check_mode(sweeping, &connected.scope.roots)?;
    let wish = Wish {
        command: "run",
        break_lock: args.break_lock.clone(),
        plan_digest: None,
        approved_by: None,
        sweeping,
    };
    let session = connected.begin(context, wish).await?;
    match planned(args, context, &session).await {
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
async fn planned(args: &RunArgs, context: &Context, session: &Session) -> Outcome<Vec<Entry>> {
    let around = context.around()?;
    let first = session.replanner().plan(&around).await?;
    let path =
        context.settings.state_dir()?.join("plans").join(format!("{}.jsonl.zst", session.run.run_id()));
    state::make_for(&path)
        .map_err(|error| Failure::failed(error).context("making the directory for plans of runs"))?;
    Ok(first_plan(&around, first, &path, args.all)?)
}
