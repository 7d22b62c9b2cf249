//! A directory of a local disk as a store.
//!
//! Names are bytes. A symbolic link is never followed where it is the last component of a path, and never in a
//! tree that is being deleted; looking at one tells that it is neither a file nor a directory. Nothing is ever
//! replaced but by [`MutateStore::replace`], and nothing is ever copied: where the disk cannot move an entry in
//! one step, the answer is `Unsupported`.
//!
//! Every system call runs on the threads that tokio keeps for blocking work, a whole listing in one such task
//! which hands batches over. A call whose future is dropped may still be carried out: that is an unknown outcome,
//! as anywhere.

mod disk;
mod errno;
mod listing;
mod moving;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;
use rustix::fd::OwnedFd;

use crate::error::{ErrorKind, Operation, StoreError};
use crate::mutate::{Appender, MutateStore};
use crate::paths::checked;
use crate::read::{Access, EntrySink, ReadStore, Reader, Status};

/// How many bytes of a file are read at a time.
const PIECE: usize = 1 << 20;

/// The local disk, `file:///`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalStore {
    _private: (),
}

/// An error before it knows which operation and path it belongs to.
type Failure = (ErrorKind, String);

impl LocalStore {
    /// Returns the store for locations `file:///…`.
    pub const fn new() -> Self {
        Self { _private: () }
    }

    /// Runs blocking work on a path.
    async fn run<T: Send + 'static>(
        operation: Operation,
        location: &Location,
        work: impl FnOnce(&[u8]) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = checked(location, "file", "", operation)?.to_vec();
        finish(operation, location, tokio::task::spawn_blocking(move || work(&path)).await)
    }
}

/// Gives a failure its operation and path; work that broke off leaves an unknown outcome.
fn finish<T>(
    operation: Operation,
    location: &Location,
    outcome: Result<Result<T, Failure>, tokio::task::JoinError>,
) -> Result<T, StoreError> {
    let failure = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(failure)) => failure,
        Err(error) => (ErrorKind::Other, format!("the work broke off: {error}")),
    };
    Err(StoreError::new(failure.0, operation, location, failure.1))
}

#[async_trait]
impl ReadStore for LocalStore {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        let path = checked(directory, "file", "", Operation::List)?.to_vec();
        let (sender, mut batches) = tokio::sync::mpsc::channel(listing::BATCHES);
        let work = tokio::task::spawn_blocking(move || listing::list(&path, &sender));
        while let Some(batch) = batches.recv().await {
            listing::hand_over(&batch, sink);
        }
        finish(Operation::List, directory, work.await)
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        Self::run(Operation::Stat, path, disk::stat).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        Self::run(Operation::Stat, path, disk::access).await
    }

    fn user(&self) -> Option<String> {
        Some(disk::user_name(rustix::process::geteuid().as_raw()))
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        let (file, length) = Self::run(Operation::Read, path, disk::open).await?;
        Ok(Box::new(LocalReader { path: path.clone(), file: Arc::new(file), length, offset: 0 }))
    }
}

#[async_trait]
impl MutateStore for LocalStore {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        let target = checked(to, "file", "", Operation::Rename)?.to_vec();
        Self::run(Operation::Rename, from, move |from| moving::rename(from, &target)).await
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        Self::run(Operation::Delete, path, disk::delete_file).await
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        Self::run(Operation::Delete, path, disk::remove_directory).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        Self::run(Operation::Delete, path, tree::delete).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        Self::run(Operation::MakeDirectory, path, move |path| disk::make_directories(path, private)).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let content = content.to_vec();
        Self::run(Operation::Write, path, move |path| disk::create_new(path, &content)).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let content = content.to_vec();
        Self::run(Operation::Write, path, move |path| disk::replace(path, &content)).await
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        let file = Self::run(Operation::Write, path, disk::create_appended).await?;
        Ok(Box::new(LocalAppender { path: path.clone(), file: Arc::new(file) }))
    }

    /// Always `Unsupported`.
    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        let message = "a local disk has no trash: sweep into the quarantine, which is the default, or delete";
        Err(StoreError::new(ErrorKind::Unsupported, Operation::Trash, path, message))
    }

    /// The kernel closes what a process leaves open.
    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        self.stat(path).await.map(|_| true)
    }
}

/// A file read to the length that it had when it was opened.
struct LocalReader {
    path: Location,
    file: Arc<OwnedFd>,
    length: u64,
    offset: u64,
}

#[async_trait]
impl Reader for LocalReader {
    fn length(&self) -> u64 {
        self.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let left = self.length.saturating_sub(self.offset);
        if left == 0 {
            return Ok(None);
        }
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let work = tokio::task::spawn_blocking(move || disk::read_at(&file, offset, count));
        let piece = finish(Operation::Read, &self.path, work.await)?;
        self.offset = self.offset.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(Some(Bytes::from(piece)))
    }
}

impl fmt::Debug for LocalReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalReader({} of {} bytes of {})", self.offset, self.length, self.path)
    }
}

/// A file that grows; each append is on the disk when it returns.
struct LocalAppender {
    path: Location,
    file: Arc<OwnedFd>,
}

#[async_trait]
impl Appender for LocalAppender {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        let (file, content) = (Arc::clone(&self.file), content.to_vec());
        let work = tokio::task::spawn_blocking(move || disk::append(&file, &content));
        finish(Operation::Write, &self.path, work.await)
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let work = tokio::task::spawn_blocking(move || disk::sync(&file));
        finish(Operation::Write, &self.path, work.await)
    }
}

impl fmt::Debug for LocalAppender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalAppender({})", self.path)
    }
}
