//! `completions` and `man`: made from the definitions of the commands.

use clap::CommandFactory;

use crate::app::Context;
use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};

/// Prints completions for a shell.
pub(crate) fn completions(context: &Context, shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "chksweep", &mut script);
    context.printer.raw(&script)?;
    Ok(Exit::Done)
}

/// Prints the manual page: the program, then each command.
pub(crate) fn man(context: &Context) -> Outcome {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    render(&command, &mut page)?;
    context.printer.raw(&page)?;
    Ok(Exit::Done)
}

fn render(command: &clap::Command, page: &mut Vec<u8>) -> Outcome<()> {
    let failed =
        |error| Failure::new(Exit::Failed, anyhow::Error::new(error).context("writing the manual page"));
    let manual = clap_mangen::Man::new(command.clone());
    manual.render(page).map_err(failed)?;
    for sub in command.get_subcommands() {
        let manual = clap_mangen::Man::new(sub.clone());
        manual.render_title(page).map_err(failed)?;
        manual.render_name_section(page).map_err(failed)?;
        manual.render_synopsis_section(page).map_err(failed)?;
        manual.render_description_section(page).map_err(failed)?;
        manual.render_options_section(page).map_err(failed)?;
        manual.render_extra_section(page).map_err(failed)?;
    }
    Ok(())
}
