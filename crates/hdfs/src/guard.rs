//! Runs a call of hdfs-native so that a panic in it is an error of that call.
//!
//! hdfs-native unwraps: the name of a listed entry that is not UTF-8, states of SASL that it did not expect, and
//! more. For a program that only looks a panic would be a nuisance; in one that moves files it would end a run in
//! the middle. So each call is polled under `catch_unwind`. What is left behind is dropped with the call: the
//! client's own locks are held across no code that panics, and a broken connection is made anew by the next call.
//! It does not help in a build with `panic = "abort"`, which this workspace has nowhere.
//!
//! A caught panic prints nothing: its message is in the error.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Once;

use chksweep_core::Location;
use chksweep_store::{ErrorKind, Operation, StoreError};
use futures::FutureExt;

use crate::error::store_error;

thread_local! {
    /// Whether this thread polls a guarded call right now.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics of guarded calls silent. The hook that was there goes on seeing all others.
pub(crate) fn silence_guarded_panics() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                others(info);
            }
        }));
    });
}

/// Runs a call; what it fails or panics with becomes our error.
pub(crate) async fn guarded<T>(
    operation: Operation,
    path: &Location,
    call: impl Future<Output = hdfs_native::Result<T>> + Send,
) -> Result<T, StoreError> {
    let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
    let outcome = poll_fn(|context| {
        let before = GUARDED.replace(true);
        let polled = call.as_mut().poll(context);
        GUARDED.set(before);
        polled
    })
    .await;
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(store_error(&error, operation, path)),
        Err(panic) => Err(panicked(panic.as_ref(), operation, path)),
    }
}

fn panicked(panic: &(dyn Any + Send), operation: Operation, path: &Location) -> StoreError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    if text.contains("Utf8Error") {
        let message =
            "a name here is not UTF-8, which no client can hold: the directory cannot be seen whole";
        return StoreError::new(ErrorKind::Unrepresentable, operation, path, message);
    }
    StoreError::new(ErrorKind::Other, operation, path, format_args!("hdfs-native panicked: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(call: impl Future<Output = hdfs_native::Result<u8>> + Send) -> (ErrorKind, String) {
        silence_guarded_panics();
        let path = Location::normalised("hdfs", "ns", b"/a");
        let error = guarded(Operation::List, &path, call).await.unwrap_err();
        (error.kind, error.message)
    }

    #[tokio::test]
    async fn panics_become_errors_and_a_name_is_told_from_a_bug() {
        let bytes = vec![0xff_u8];
        let (kind, _) = outcome(async move { Ok(std::str::from_utf8(&bytes).unwrap().as_bytes()[0]) }).await;
        assert_eq!(kind, ErrorKind::Unrepresentable);
        let bug = outcome(async { panic!("no such state") }).await;
        assert_eq!(bug, (ErrorKind::Other, "hdfs-native panicked: no such state".to_owned()));
    }

    #[tokio::test]
    async fn the_mark_is_gone_after_a_call() {
        let path = Location::normalised("hdfs", "ns", b"/a");
        assert_eq!(guarded(Operation::List, &path, async { Ok(7) }).await.unwrap(), 7);
        let _ = outcome(async { panic!("x") }).await;
        assert!(!GUARDED.get());
    }
}
