//! Changing: each call once, and an error means that it may have happened.
//!
//! hdfs-native does not send a change again once it may have arrived; neither does this module. Where a change
//! must not touch the wrong kind of thing (a directory by [`MutateStore::delete_file`]), the path is looked at
//! before. What can slip in between is harmless: what became an *empty* directory meanwhile is removed, a
//! directory that holds something is refused by the NameNode itself, as no call but
//! [`MutateStore::delete_tree`] is recursive.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;
use chksweep_store::{Appender, EntryKind, ErrorKind, MutateStore, Operation, StoreError};
use futures::FutureExt;
use hdfs_native::file::FileWriter;
use hdfs_native::{Client, HdfsError, WriteOptions};

use crate::client::{At, HdfsStore};
use crate::guard::guarded;

const OPEN_MODE: u32 = 0o755;
const PRIVATE_MODE: u32 = 0o700;

#[async_trait]
impl MutateStore for HdfsStore {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        let source = self.at_removable(from, Operation::Rename)?;
        let target = self.at_removable(to, Operation::Rename)?;
        if source.route.mount != target.route.mount {
            let message = format!("{to} is behind another mount link, and nothing is copied");
            return Err(StoreError::new(ErrorKind::Unsupported, Operation::Rename, from, message));
        }
        let renamed = source.client.rename(&source.path, &target.path, false);
        guarded(Operation::Rename, from, renamed).await.map_err(|mut error| {
            if error.kind == ErrorKind::AlreadyExists {
                error.path = to.clone();
            }
            error
        })
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        let at = self.at_removable(path, Operation::Delete)?;
        match self.kind_at(&at, Operation::Delete, path).await? {
            None => Ok(false),
            Some(EntryKind::File) => {
                guarded(Operation::Delete, path, at.client.delete(&at.path, false)).await
            }
            Some(EntryKind::Directory | EntryKind::Other) => {
                Err(wrong_type(Operation::Delete, path, "not a file"))
            }
        }
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        self.delete_directory(path, false).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        self.delete_directory(path, true).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        let at = self.at_live(path, Operation::MakeDirectory)?;
        let mode = if private { PRIVATE_MODE } else { OPEN_MODE };
        guarded(Operation::MakeDirectory, path, at.client.mkdirs(&at.path, mode, true)).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let at = self.at_removable(path, Operation::Write)?;
        self.write_whole(at.client, &at.path, path, content).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let at = self.at_removable(path, Operation::Write)?;
        match self.kind_at(&at, Operation::Write, path).await? {
            None | Some(EntryKind::File) => {}
            Some(EntryKind::Directory | EntryKind::Other) => {
                return Err(wrong_type(Operation::Write, path, "not a file"));
            }
        }
        let beside = beside(&at.path);
        let written = self.write_whole(at.client, &beside, path, content).await;
        let renamed = match written {
            // One operation of the NameNode: a reader sees the old file or the new one.
            Ok(()) => guarded(Operation::Write, path, at.client.rename(&beside, &at.path, true)).await,
            Err(error) => Err(error),
        };
        if renamed.is_err()
            && let Err(error) = guarded(Operation::Delete, path, at.client.delete(&beside, false)).await
        {
            tracing::warn!(%error, file = %beside, "a temporary file was left behind");
        }
        renamed
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        let at = self.at_removable(path, Operation::Write)?;
        let writer = guarded(Operation::Write, path, at.client.create(&at.path, new_file())).await?;
        let (client, inner) = (at.client.clone(), at.path);
        Ok(Box::new(HdfsAppender { client, inner, path: path.clone(), state: State::Open(Box::new(writer)) }))
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        let at = self.at_removable(path, Operation::Trash)?;
        match self.look(&at, Operation::Trash, path).await?.kind {
            EntryKind::File => {}
            EntryKind::Directory => {
                if !self.is_empty(&at, Operation::Trash, path).await? {
                    let message = "the directory is not empty";
                    return Err(StoreError::new(ErrorKind::NotEmpty, Operation::Trash, path, message));
                }
            }
            EntryKind::Other => {
                return Err(wrong_type(Operation::Trash, path, "neither a file nor a directory"));
            }
        }
        let moved = guarded(Operation::Trash, path, at.client.trash(&at.path)).await;
        self.where_in_trash(&at, path, moved)
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        let at = self.at_live(path, Operation::Write)?;
        guarded(Operation::Write, path, at.client.recover_lease(&at.path)).await
    }
}

impl HdfsStore {
    async fn kind_at(
        &self,
        at: &At<'_>,
        operation: Operation,
        path: &Location,
    ) -> Result<Option<EntryKind>, StoreError> {
        match self.look(at, operation, path).await {
            Ok(status) => Ok(Some(status.kind)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete_directory(&self, path: &Location, recursive: bool) -> Result<bool, StoreError> {
        let at = self.at_removable(path, Operation::Delete)?;
        match self.kind_at(&at, Operation::Delete, path).await? {
            None => Ok(false),
            Some(EntryKind::Directory) => {
                guarded(Operation::Delete, path, at.client.delete(&at.path, recursive)).await
            }
            Some(EntryKind::File | EntryKind::Other) => {
                Err(wrong_type(Operation::Delete, path, "not a directory"))
            }
        }
    }

    /// Creates a file, writes it and closes it. One that failed half-way stays, as who failed cannot know whether
    /// it is still its own.
    async fn write_whole(
        &self,
        client: &Client,
        inner: &str,
        path: &Location,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let content = Bytes::copy_from_slice(content);
        // Boxed: hdfs-native's futures for writing are tens of kilobytes.
        let written = async {
            let mut writer = client.create(inner, new_file()).await?;
            writer.write_bytes(content).boxed().await?;
            synced(&mut writer).await?;
            writer.close().boxed().await
        };
        guarded(Operation::Write, path, written.boxed()).await
    }

    /// The three answers of hdfs-native's `trash`: moved, "was there already" (which is not "done"), and an error.
    /// It tries its rename again after any error, so "not found" can mean that the first one had succeeded.
    fn where_in_trash(
        &self,
        at: &At<'_>,
        path: &Location,
        moved: Result<Option<String>, StoreError>,
    ) -> Result<Location, StoreError> {
        let failed = |kind, message: &str| Err(StoreError::new(kind, Operation::Trash, path, message));
        match moved {
            Ok(Some(trashed)) => Ok(self.named(at, &trashed)),
            Ok(None) => failed(ErrorKind::Unsupported, "the path lies in the trash already"),
            Err(error) if error.kind == ErrorKind::NotFound => {
                failed(ErrorKind::Other, "it was there and is gone: it may lie in the trash")
            }
            Err(error) => Err(error),
        }
    }
}

fn wrong_type(operation: Operation, path: &Location, message: &str) -> StoreError {
    StoreError::new(ErrorKind::WrongType, operation, path, message)
}

fn new_file() -> WriteOptions {
    WriteOptions::default().overwrite(false).create_parent(false)
}

/// Makes what was written durable. Erasure-coded files cannot be synced while they are open; those are durable
/// once closed.
async fn synced(writer: &mut FileWriter) -> hdfs_native::Result<Synced> {
    match writer.hsync().await {
        Ok(()) => Ok(Synced::Yes),
        Err(HdfsError::UnsupportedFeature(_)) => Ok(Synced::OnlyByClosing),
        Err(error) => Err(error),
    }
}

/// Whether a file is durable while it is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Synced {
    Yes,
    OnlyByClosing,
}

/// Returns a name in the same directory that nobody else has: two writers of one file must not share it, or the
/// one would put the half-written file of the other in place.
fn beside(path: &str) -> String {
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{directory}/.{name}.{:016x}.tmp", hasher.finish())
}

/// A file of HDFS that grows. On an erasure-coded directory it is closed after each append and opened again.
struct HdfsAppender {
    client: Client,
    inner: String,
    path: Location,
    state: State,
}

/// What became of the file.
enum State {
    Open(Box<FileWriter>),
    Closed,
    /// A write failed or was given up half-way: nobody knows how much of it arrived.
    Broken,
}

impl HdfsAppender {
    async fn write(&mut self, content: Bytes) -> hdfs_native::Result<()> {
        let mut writer = match std::mem::replace(&mut self.state, State::Broken) {
            State::Open(writer) => writer,
            State::Closed => Box::new(self.client.append(&self.inner).await?),
            State::Broken => {
                let message = "an earlier write to this file failed, and what it holds is not known";
                return Err(HdfsError::OperationFailed(message.to_owned()));
            }
        };
        writer.write_bytes(content).boxed().await?;
        self.state = match synced(&mut writer).await? {
            Synced::Yes => State::Open(writer),
            Synced::OnlyByClosing => {
                writer.close().boxed().await?;
                State::Closed
            }
        };
        Ok(())
    }

    async fn finish(&mut self) -> hdfs_native::Result<()> {
        let State::Open(writer) = &mut self.state else { return Ok(()) };
        let closed = writer.close().boxed().await;
        self.state = if closed.is_ok() { State::Closed } else { State::Broken };
        closed
    }
}

#[async_trait]
impl Appender for HdfsAppender {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let content = Bytes::copy_from_slice(content);
        guarded(Operation::Write, &path, self.write(content).boxed()).await
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        guarded(Operation::Write, &path, self.finish().boxed()).await
    }
}

impl fmt::Debug for HdfsAppender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HdfsAppender({})", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_lie_beside_and_differ() {
        let (one, two) = (beside("/a/b"), beside("/a/b"));
        assert_eq!((one.len(), one.starts_with("/a/.b.")), ("/a/.b..tmp".len() + 16, true), "{one}");
        assert_ne!(one, two);
        assert!(beside("/b").starts_with("/.b."));
    }
}
