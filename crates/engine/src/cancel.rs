//! Asking a run to stop between two operations.

use std::time::Duration;

use tokio::sync::watch;

/// A wish to stop, shared by who wishes and who works. Clones are one wish; once made it stays.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Sender<bool>);

impl Default for Cancel {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Cancel {
    /// Wishes that the work stop.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Returns whether the work is to stop.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the work is to stop.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as this handle.
        let _stopped = receiver.wait_for(|wished| *wished).await;
    }

    /// Sleeps, but not longer than until the work is to stop.
    pub async fn sleep(&self, time: Duration) {
        tokio::select! {
            biased;
            () = self.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
