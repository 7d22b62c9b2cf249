//! A store that remembers which calls came, in which order: for tests of order.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;

use crate::call::Call;
use crate::error::StoreError;
use crate::mutate::{Appender, MutateStore};
use crate::read::{Access, EntrySink, ReadStore, Reader, Status, Usage};

/// One call, as it was made; whether it succeeded is another matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub call: Call,
    /// To which path.
    pub path: Location,
    /// Where to, for a rename.
    pub to: Option<Location>,
}

impl fmt::Display for Record {
    /// As in `rename hdfs://ns/a -> hdfs://ns/b`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.path)?;
        match &self.to {
            Some(to) => write!(f, " -> {to}"),
            None => Ok(()),
        }
    }
}

/// A store that records the calls to another. A clone shares the record.
#[derive(Clone, Debug)]
pub struct Recording<S> {
    inner: S,
    log: Log,
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<Record>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, call: Call, path: &Location, to: Option<&Location>) {
        self.lock().push(Record { call, path: path.clone(), to: to.cloned() });
    }
}

impl<S> Recording<S> {
    /// Records the calls to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, log: Log::default() }
    }

    /// Returns the calls so far.
    pub fn records(&self) -> Vec<Record> {
        self.log.lock().clone()
    }

    /// Returns the calls so far that change the store.
    pub fn changes(&self) -> Vec<Record> {
        self.log.lock().iter().filter(|record| record.call.is_change()).cloned().collect()
    }

    /// Returns the calls so far and forgets them.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.log.lock())
    }
}

#[async_trait]
impl<S: ReadStore> ReadStore for Recording<S> {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        self.log.add(Call::List, directory, None);
        self.inner.list(directory, sink).await
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        self.log.add(Call::Stat, path, None);
        self.inner.stat(path).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        self.log.add(Call::Stat, path, None);
        self.inner.access(path).await
    }

    fn user(&self) -> Option<String> {
        self.inner.user()
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        self.log.add(Call::Stat, directory, None);
        self.inner.usage(directory).await
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        self.log.add(Call::List, directory, None);
        self.inner.snapshots(directory).await
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        self.log.add(Call::Open, path, None);
        self.inner.open(path).await
    }

    async fn read(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        self.log.add(Call::Open, path, None);
        self.inner.read(path, limit).await
    }
}

#[async_trait]
impl<S: MutateStore> MutateStore for Recording<S> {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        self.log.add(Call::Rename, from, Some(to));
        self.inner.rename(from, to).await
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        self.log.add(Call::DeleteFile, path, None);
        self.inner.delete_file(path).await
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        self.log.add(Call::RemoveDirectory, path, None);
        self.inner.remove_directory(path).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        self.log.add(Call::DeleteTree, path, None);
        self.inner.delete_tree(path).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        self.log.add(Call::MakeDirectories, path, None);
        self.inner.make_directories(path, private).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        self.log.add(Call::CreateNew, path, None);
        self.inner.create_new(path, content).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        self.log.add(Call::Replace, path, None);
        self.inner.replace(path, content).await
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        self.log.add(Call::CreateAppender, path, None);
        let inner = self.inner.create_appender(path).await?;
        Ok(Box::new(RecordingAppender { inner, path: path.clone(), log: self.log.clone() }))
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        self.log.add(Call::Trash, path, None);
        self.inner.trash(path).await
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        self.log.add(Call::CloseAbandoned, path, None);
        self.inner.close_abandoned(path).await
    }
}

#[derive(Debug)]
struct RecordingAppender {
    inner: Box<dyn Appender>,
    path: Location,
    log: Log,
}

#[async_trait]
impl Appender for RecordingAppender {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        self.log.add(Call::Append, &self.path, None);
        self.inner.append(content).await
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        self.log.add(Call::Close, &self.path, None);
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    #[tokio::test]
    async fn calls_are_recorded_in_their_order() {
        let store = Recording::new(MemoryStore::new("hdfs", "test"));
        let path = |path: &str| Location::normalised("hdfs", "test", path.as_bytes());
        store.create_new(&path("/a"), b"1").await.unwrap();
        assert!(store.stat(&path("/b")).await.is_err());
        store.rename(&path("/a"), &path("/b")).await.unwrap();
        let mut log = store.create_appender(&path("/l")).await.unwrap();
        log.append(b"x").await.unwrap();
        log.close().await.unwrap();
        let texts: Vec<String> = store.changes().iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "create_new hdfs://test/a",
                "rename hdfs://test/a -> hdfs://test/b",
                "create_appender hdfs://test/l",
                "append hdfs://test/l",
                "close hdfs://test/l"
            ]
        );
        assert_eq!(store.take().len(), 6);
        assert!(store.records().is_empty());
    }
}
