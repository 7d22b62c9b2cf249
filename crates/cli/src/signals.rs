//! SIGINT and SIGTERM: a command that looks ends at once; one that changes something is asked to stop.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Outcome;

/// Runs a command that may be broken off at any point.
pub(crate) async fn ended_by(command: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        outcome = command => outcome,
        exit = next() => Ok(exit),
    }
}

/// Returns at the next signal, with the exit code that goes with it.
pub(crate) async fn next() -> Exit {
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
