//! A bounded number of tasks at once.

use std::future::Future;

use tokio::task::JoinSet;

/// Tasks that run at the same time, up to a limit; dropped, it ends them.
#[derive(Debug)]
pub(super) struct Pool<T> {
    tasks: JoinSet<T>,
    limit: usize,
}

impl<T: Send + 'static> Pool<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { tasks: JoinSet::new(), limit: limit.max(1) }
    }

    pub(super) fn has_room(&self) -> bool {
        self.tasks.len() < self.limit
    }

    pub(super) fn start(&mut self, task: impl Future<Output = T> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for the next task to end, in whatever order; nothing when there is none.
    ///
    /// A panic in a task goes on here: a look that lost a part of itself must not be taken for a complete one.
    pub(super) async fn next(&mut self) -> Option<T> {
        match self.tasks.join_next().await? {
            Ok(value) => Some(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that shuts down cancels them.
                Err(_cancelled) => std::future::pending().await,
            },
        }
    }
}
