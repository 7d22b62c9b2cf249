//! Asks before the storage is changed, where there is somebody to ask.

use std::io::{self, IsTerminal};

use crate::app::Context;
use crate::failure::{Failure, Outcome};

/// Returns when somebody agreed: by `--yes`, or by typing it.
///
/// # Errors
///
/// When there is no terminal and no `--yes` (exit 2), or the answer is no (exit 1).
pub(crate) fn ask(context: &Context, yes: bool, what: &str) -> Outcome<()> {
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage("this changes the storage, and there is no terminal to ask on")
            .hint("say `--yes` to go ahead without being asked"));
    }
    let answer = context
        .printer
        .ask(&format!("{what}\nType `yes` to go ahead: "))
        .map_err(|error| Failure::failed(format_args!("reading the answer: {error}")))?;
    if answer == "yes" { Ok(()) } else { Err(Failure::failed("not confirmed; nothing was changed")) }
}
