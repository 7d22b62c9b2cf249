//! The commands, one file each: load, call one room of the house, hand over to the printer.

mod config;
mod generated;

use crate::app::Context;
use crate::args::{Command, ConfigCommand};
use crate::failure::{Failure, Outcome};

/// Calls one command.
pub(crate) async fn call(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Config(ConfigCommand::Show(_)) => config::show(context),
        Command::Completions { shell } => generated::completions(context, shell),
        Command::Man => generated::man(context),
        Command::Verify(_) => Err(not_available("verify")),
        Command::Check(_) => Err(not_available("check")),
        Command::Report(_) => Err(not_available("report")),
        _ => Err(not_available("this")),
    }
}

fn not_available(command: &str) -> Failure {
    Failure::not_available(format_args!("`chksweep {command}`"))
}
