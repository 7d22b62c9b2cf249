//! From the command line to an exit code: settings, printer, logs, one command, and the end.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chksweep_engine::collect::Limits;
use chksweep_pipeline::{Clock, Surroundings};
use clap::Parser;
use futures::FutureExt;

use crate::args::{Cli, Command, ConfigCommand, LookArgs, QuarantineCommand};
use crate::clock::SystemClock;
use crate::commands;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::logging;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{Group, Settings, Typed};
use crate::signals::Stop;

/// How long threads that still work are waited for at the end; those that only close connections need milliseconds.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);

/// What every command has.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The settings.
    pub(crate) settings: Settings,
    /// Writes to the terminal.
    pub(crate) printer: Printer,
    /// Tells the time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Shows what happens.
    pub(crate) progress: Arc<Progress>,
    /// Whether somebody asked to stop.
    pub(crate) stop: Stop,
}

impl Context {
    /// Returns what surrounds every look and run.
    ///
    /// # Errors
    ///
    /// When a setting is wrong.
    pub(crate) fn around(&self) -> Outcome<Surroundings> {
        Ok(Surroundings {
            clock: Arc::clone(&self.clock),
            observer: self.progress.clone(),
            cancel: self.stop.cancel.clone(),
            limits: Limits { concurrency: self.settings.concurrency()?, ..Limits::default() },
        })
    }

    /// Clears the progress: the result follows.
    pub(crate) fn done_looking(&self) {
        self.progress.finish();
    }
}

/// Runs the program.
pub(crate) fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to stdout; the rest is wrong usage. Nobody reads: no loss.
            error.print().ok();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let panicked = record_panics();
    let (printer, outcome) = run(cli, &panicked);
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            printer.failure(&failure);
            failure.exit
        }
    }
}

fn run(cli: Cli, panicked: &Panicked) -> (Printer, Outcome) {
    let early = Printer::early();
    let verbosity = i16::from(cli.common.verbose) - i16::from(cli.common.quiet);
    let settings = match Settings::load(typed(&cli)) {
        Ok(settings) => settings,
        Err(failure) => return (early, Err(failure)),
    };
    let printer = Printer::new(settings.format(), settings.log_format(), settings.color());
    logging::start(settings.log_format(), verbosity, &printer);
    let progress = Arc::new(Progress::new(&printer, settings.progress()));
    let context = Context {
        settings,
        printer: printer.clone(),
        clock: Arc::new(SystemClock),
        progress,
        stop: Stop::default(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return (printer, Err(Failure::new(Exit::Failed, error).context("starting threads"))),
    };
    let command = AssertUnwindSafe(commands::call(cli.command, &context)).catch_unwind();
    let ended = runtime.block_on(Box::pin(command));
    context.progress.finish();
    // Threads that are still closing connections end first: the Kerberos library, loaded at run time, aborts the
    // process where it is used after `exit` has begun. A call that hangs does not keep the program for longer: every
    // state that it can leave behind is a consistent one.
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    let outcome = ended.unwrap_or_else(|_| Err(bug(&panicked.take().unwrap_or_default())));
    (printer, outcome)
}

/// Returns what the command line says about settings.
fn typed(cli: &Cli) -> Typed {
    let mut typed = Typed {
        layer: cli.common.flags.0.clone(),
        config: cli.common.config.clone(),
        profile: cli.common.profile.clone(),
        ..Typed::default()
    };
    match &cli.command {
        Command::Deps(args) => typed.take(Group::Places, &args.places.0),
        Command::Inspect(args) => typed.take(Group::Places, &args.places.0),
        Command::Jobs(args) => take_look(&mut typed, args),
        Command::Plan(args) => {
            take_look(&mut typed, &args.look);
            typed.take(Group::Sweep, &args.sweep.0);
        }
        Command::Apply(args) => {
            typed.take(Group::Places, &args.places.0);
            typed.take(Group::Sweep, &args.sweep.0);
            typed.groups.push(Group::Policy);
        }
        Command::Run(args) => {
            take_look(&mut typed, &args.look);
            typed.take(Group::Sweep, &args.sweep.0);
        }
        Command::Explain(args) => {
            typed.take(Group::Places, &args.places.0);
            typed.take(Group::Policy, &args.policy.0);
            typed.roots.clone_from(&args.roots);
        }
        Command::Verify(args) => take_look(&mut typed, &args.look),
        Command::Quarantine(QuarantineCommand::List(selection)) => {
            take_look(&mut typed, &selection.look);
            typed.groups.push(Group::Sweep);
        }
        Command::Quarantine(QuarantineCommand::Restore(args)) => {
            take_look(&mut typed, &args.selection.look);
            typed.take(Group::Sweep, &args.sweep.0);
        }
        Command::Quarantine(QuarantineCommand::Purge(args)) => {
            take_look(&mut typed, &args.selection.look);
            typed.take(Group::Sweep, &args.sweep.0);
        }
        Command::Pin(args) | Command::Unpin(args) => {
            typed.groups.push(Group::Policy);
            typed.roots.clone_from(&args.roots);
        }
        Command::Check(args) => {
            take_look(&mut typed, &args.look);
            typed.take(Group::Sweep, &args.sweep.0);
        }
        Command::Pins(args) => {
            typed.groups.push(Group::Policy);
            typed.roots.clone_from(&args.roots);
        }
        Command::Config(ConfigCommand::Show(args)) => {
            take_look(&mut typed, &args.look);
            typed.take(Group::Sweep, &args.sweep.0);
        }
        Command::Report(_) | Command::Audit(_) | Command::Completions { .. } | Command::Man => {}
    }
    typed
}

fn take_look(typed: &mut Typed, look: &LookArgs) {
    typed.take(Group::Places, &look.places.0);
    typed.take(Group::Policy, &look.policy.0);
    typed.roots.clone_from(&look.roots.roots);
}

/// The message of the last panic, for the error that ends the program.
#[derive(Clone, Debug, Default)]
struct Panicked(Arc<Mutex<Option<String>>>);

impl Panicked {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Keeps panics off the terminal: one that ends the program is told once, as an error; one that some code caught,
/// as the client of HDFS may cause, is for the logs.
fn record_panics() -> Panicked {
    let panicked = Panicked::default();
    let slot = panicked.clone();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".to_owned());
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::debug!(%place, "panic: {message}");
        *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{message} (at {place})"));
    }));
    panicked
}

fn bug(message: &str) -> Failure {
    Failure::failed(format_args!("this is a bug in chksweep: {message}")).hint(
        "please report it at https://github.com/chksweep/chksweep/issues, with the command and this message",
    )
}
