//! The command line of chksweep: reads what the user typed, calls one command, and ends with its exit code.

mod app;
mod args;
mod clock;
mod commands;
mod confirm;
mod exit;
mod failure;
mod location;
mod logging;
mod metadata;
mod moved;
mod naming;
mod next;
mod output;
mod printer;
mod progress;
mod roots;
mod scope;
mod settings;
mod signals;
mod stores;

fn main() -> std::process::ExitCode {
    app::main().into()
}
