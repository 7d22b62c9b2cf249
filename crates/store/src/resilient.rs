//! A store that sits out what passes: deadlines, retries, and the outcome of a change looked up, never guessed.
//!
//! # Looking
//!
//! Every call has a deadline, for the client of HDFS has none of its own. What fails for a transient reason is
//! tried again with longer and longer pauses, until `total` is used up: by the call itself, or by the store as a
//! whole, for when it has been away that long, a thousand waiting calls do not each wait as long again.
//!
//! A file that is opened for reading in pieces is not taken up again in the middle, lest the pieces of two files
//! be joined; [`ReadStore::read`] starts over from the beginning. How a broken listing goes on is told in
//! [`listing`].
//!
//! # Changing
//!
//! A change is attempted, and after an error that leaves its outcome open, looked at again ([`changes`] tells for
//! each call what is compared). It is attempted again only where the look showed that nothing has happened and
//! the reason passes. A look cannot exclude that an attempt is still under way, on a connection that broke, and
//! is carried out after the look, or after the next attempt. That does no harm: nothing here replaces anything
//! but [`crate::MutateStore::replace`], so of two renames the later one finds its source gone or its target taken, and
//! of two deletions the later one finds nothing. What is left is a change that is carried out after this store
//! gave up on it: therefore its error keeps a kind whose outcome is unknown, and the caller settles it later.
//!
//! A retry must not meet another file under the same name. A deletion cannot be undone, so the file is looked at
//! before the first attempt, and only the same one (length and mtime) is deleted by a later attempt. A rename can
//! be undone, and its look before would double the load of a sweep, so the file seen by the *first look after a
//! failure* is the one that later attempts insist on; with [`Resilient::looking_before_renames`] it is looked at
//! before the first attempt as well, and what arrived is compared with it too.
//!
//! All changes pass one gate: when one of them is refused because the store is busy or away, all wait, and go on
//! together when the pause is over. So the decision behind a change can be older, by up to `total`, when the
//! change is carried out: the caller's own limit on that age must allow for it.

pub mod changes;
mod gate;
pub mod listing;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;

use crate::error::{ErrorKind, Operation, StoreError};
use crate::read::{Access, EntrySink, ReadStore, Reader, Status, Usage};
use gate::{Gate, Trouble};

/// How long a resilient store waits, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The deadline of a call that needs only the NameNode, and of the silence within a listing.
    pub call: Duration,
    /// The deadline of a piece of a file, of writing a small file, and of deleting a tree.
    pub data: Duration,
    /// How long a call is tried again since its first failure; also how long the store as a whole may be away.
    pub total: Duration,
    /// The first pause; each one doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            call: Duration::from_mins(1),
            data: Duration::from_mins(2),
            total: Duration::from_mins(5),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(15),
        }
    }
}

/// A store with deadlines, retries and looks after a failed change.
#[derive(Debug)]
pub struct Resilient<S> {
    inner: S,
    patience: Patience,
    /// Whether the store behind lists in the order of the names' bytes.
    sorted_listings: bool,
    look_before_renames: bool,
    looking: Gate,
    changing: Gate,
}

impl<S> Resilient<S> {
    /// Wraps a store, with the default patience.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            patience: Patience::default(),
            sorted_listings: false,
            look_before_renames: false,
            looking: Gate::default(),
            changing: Gate::default(),
        }
    }

    /// Sets how long to wait.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Says that the store behind lists each directory in the order of the names' bytes, as HDFS does: a listing
    /// that breaks after some entries is then taken up where it broke. Without this it fails.
    #[must_use]
    pub fn with_sorted_listings(mut self) -> Self {
        self.sorted_listings = true;
        self
    }

    /// Looks at the source of each rename before it is moved: one more call for each, for an exact identity.
    #[must_use]
    pub fn looking_before_renames(mut self) -> Self {
        self.look_before_renames = true;
        self
    }

    /// Returns the store behind.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Lets a call run until its deadline.
    async fn within<T>(
        limit: Duration,
        operation: Operation,
        path: &Location,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(timed_out(limit, operation, path)),
        }
    }

    /// Pauses before a call that only looks is tried again, or returns its error when it is not.
    async fn sit_out(&self, trouble: &mut Option<Trouble>, error: StoreError) -> Result<(), StoreError> {
        if !error.kind.is_transient() {
            self.looking.succeed_now();
            return Err(error);
        }
        let away = self.looking.fail_now();
        let trouble = trouble.get_or_insert_with(|| Trouble::new(&self.patience));
        let Some(pause) = trouble.next_pause(&self.patience, away) else { return Err(error) };
        tracing::debug!(%error, ?pause, "trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Tries a call that only looks until it succeeds or patience ends.
    async fn retry<T, F>(&self, mut attempt: impl FnMut() -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let mut trouble = None;
        loop {
            match attempt().await {
                Ok(value) => {
                    self.looking.succeed_now();
                    return Ok(value);
                }
                Err(error) => self.sit_out(&mut trouble, error).await?,
            }
        }
    }
}

impl<S: ReadStore> Resilient<S> {
    /// Reads a whole file once, each piece under its deadline.
    async fn read_once(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        let (call, data) = (self.patience.call, self.patience.data);
        let mut reader = Self::within(call, Operation::Read, path, self.inner.open(path)).await?;
        if reader.length() > limit {
            return Err(StoreError::too_large(path, reader.length(), limit));
        }
        let mut parts = Vec::new();
        let mut length = 0_u64;
        while let Some(part) = Self::within(data, Operation::Read, path, reader.next()).await? {
            length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            if length > limit {
                return Err(StoreError::too_large(path, length, limit));
            }
            parts.push(part);
        }
        if parts.len() == 1 { Ok(parts.remove(0)) } else { Ok(Bytes::from(parts.concat())) }
    }
}

fn timed_out(limit: Duration, operation: Operation, path: &Location) -> StoreError {
    let message = format!("no answer within {} s", limit.as_secs_f32());
    StoreError::new(ErrorKind::TimedOut, operation, path, message)
}

#[async_trait]
impl<S: ReadStore> ReadStore for Resilient<S> {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        self.list_resumed(directory, sink).await
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        self.retry(|| Self::within(self.patience.call, Operation::Stat, path, self.inner.stat(path))).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        self.retry(|| Self::within(self.patience.call, Operation::Stat, path, self.inner.access(path))).await
    }

    fn user(&self) -> Option<String> {
        self.inner.user()
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        let add_up =
            || Self::within(self.patience.data, Operation::Stat, directory, self.inner.usage(directory));
        self.retry(add_up).await
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        let list =
            || Self::within(self.patience.call, Operation::List, directory, self.inner.snapshots(directory));
        self.retry(list).await
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        let open = || Self::within(self.patience.call, Operation::Read, path, self.inner.open(path));
        let inner = self.retry(open).await?;
        Ok(Box::new(DeadlineReader { inner, path: path.clone(), limit: self.patience.data }))
    }

    async fn read(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        self.retry(|| self.read_once(path, limit)).await
    }
}

/// A reader whose pieces each have a deadline.
#[derive(Debug)]
struct DeadlineReader {
    inner: Box<dyn Reader>,
    path: Location,
    limit: Duration,
}

#[async_trait]
impl Reader for DeadlineReader {
    fn length(&self) -> u64 {
        self.inner.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        Resilient::<()>::within(self.limit, Operation::Read, &self.path, self.inner.next()).await
    }
}
