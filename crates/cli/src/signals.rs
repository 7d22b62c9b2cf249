//! SIGINT and SIGTERM: a command that looks ends at once; one that changes something is asked to stop between two
//! operations, and ends at once when it is asked again. Either way the state left behind is consistent.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use chksweep_engine::cancel::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;

/// Whether and by which signal a command was asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// Asks the engine to stop.
    pub(crate) cancel: Cancel,
    exit: Arc<OnceLock<Exit>>,
}

impl Stop {
    /// Returns how a command ends that was asked to stop.
    pub(crate) fn exit(&self) -> Exit {
        self.exit.get().copied().unwrap_or(Exit::Done)
    }
}

/// Runs a command that looks: it may be broken off at any point.
pub(crate) async fn looking(command: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        // Listen first: the command may work for a while before it waits for the first time.
        biased;
        exit = next() => Ok(exit),
        outcome = Box::pin(command) => outcome,
    }
}

/// Runs a command that changes something.
pub(crate) async fn changing(
    command: impl Future<Output = Outcome>,
    stop: &Stop,
    printer: &Printer,
) -> Outcome {
    let mut command = Box::pin(command);
    let exit = tokio::select! {
        biased;
        exit = next() => exit,
        outcome = &mut command => return outcome,
    };
    stop.exit.set(exit).ok();
    stop.cancel.cancel();
    printer.warning("stopping between two operations; once more to stop at once");
    tokio::select! {
        outcome = command => match outcome {
            Ok(other) => Ok(exit.and(other)),
            Err(failure) => Err(Failure { exit, ..failure }),
        },
        again = next() => Ok(again),
    }
}

/// Returns at the next signal, with the exit code that goes with it.
async fn next() -> Exit {
    tokio::select! {
        () = received(SignalKind::interrupt()) => Exit::Interrupted,
        () = received(SignalKind::terminate()) => Exit::Terminated,
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(signal) => wait(signal).await,
        // Without a handler the signal ends the program by itself.
        Err(_) => std::future::pending().await,
    }
}

async fn wait(mut signal: Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
