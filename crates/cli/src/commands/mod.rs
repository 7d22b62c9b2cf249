//! The commands, one file each: load, call one room of the house, hand over to the printer.

mod apply;
mod audit;
mod check;
mod config;
mod deps;
mod explain;
mod generated;
mod inspect;
mod jobs;
mod pins;
mod plan;
mod quarantine;
mod run;

use crate::app::Context;
use crate::args::{AuditCommand, Command, ConfigCommand, QuarantineCommand};
use crate::failure::{Failure, Outcome};
use crate::signals::{changing, looking};

/// Calls one command.
pub(crate) async fn call(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Deps(args) => looking(deps::run(&args, context)).await,
        Command::Inspect(args) => looking(inspect::run(&args, context)).await,
        Command::Jobs(_) => looking(jobs::run(context)).await,
        Command::Plan(args) => looking(plan::run(&args, context)).await,
        Command::Run(args) if !args.execute => looking(plan::dry_run(&args, context)).await,
        Command::Apply(args) => changing(apply::run(&args, context), &context.stop, &context.printer).await,
        Command::Run(args) => changing(run::execute(&args, context), &context.stop, &context.printer).await,
        Command::Explain(args) => looking(explain::run(&args, context)).await,
        Command::Pin(args) => pins::change(&args, true, context).await,
        Command::Unpin(args) => pins::change(&args, false, context).await,
        Command::Pins(_) => looking(pins::list(context)).await,
        Command::Audit(AuditCommand::Verify { files }) => audit::verify(&files, context),
        Command::Config(ConfigCommand::Show(_)) => config::show(context),
        Command::Completions { shell } => generated::completions(context, shell),
        Command::Man => generated::man(context),
        Command::Check(_) => looking(check::run(context)).await,
        Command::Verify(_) => Err(not_available("verify")),
        Command::Report(_) => Err(not_available("report")),
        Command::Quarantine(QuarantineCommand::List(selection)) => {
            looking(quarantine::show(&selection, context)).await
        }
        Command::Quarantine(QuarantineCommand::Restore(args)) => {
            changing(quarantine::bring_back(&args, context), &context.stop, &context.printer).await
        }
        Command::Quarantine(QuarantineCommand::Purge(args)) => {
            changing(quarantine::free(&args, context), &context.stop, &context.printer).await
        }
    }
}

fn not_available(command: &str) -> Failure {
    Failure::not_available(format_args!("`chksweep {command}`"))
}
