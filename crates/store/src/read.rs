//! Looking at a store.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::{Location, Timestamp};

use crate::error::{ErrorKind, Operation, StoreError};

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a socket, or whatever else is neither: never followed, never touched.
    Other,
}

/// One entry of a directory, lent to an [`EntrySink`] while the listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The last component, as bytes.
    pub name: &'a [u8],
    /// What it is.
    pub kind: EntryKind,
    /// The length in bytes that the store tells; stale while a file on HDFS is open for writing.
    pub length: u64,
    /// When it was last modified.
    pub modified: Timestamp,
    /// When it was last read, where the store records that. Files only.
    pub accessed: Option<Timestamp>,
    /// How many copies there are, where the store tells it. Files only.
    pub replication: Option<u16>,
    /// The size of a block, where the store tells it. Files only.
    pub block_size: Option<u64>,
}

/// What a store tells of one path; as [`Entry`], but for the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub kind: EntryKind,
    /// The length in bytes.
    pub length: u64,
    /// When it was last modified.
    pub modified: Timestamp,
    /// When it was last read.
    pub accessed: Option<Timestamp>,
    /// How many copies there are.
    pub replication: Option<u16>,
    /// The size of a block.
    pub block_size: Option<u64>,
}

/// Who owns a path, and who else may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it is.
    pub kind: EntryKind,
    /// Its owner, in the words of [`ReadStore::user`].
    pub owner: String,
    /// Its group.
    pub group: String,
    /// The bits of its mode, as `chmod` takes them. Where the path has an ACL, those of the group are its mask: all
    /// that anybody but the owner and the others may have.
    pub mode: u16,
}

/// What lies at and below a directory, and how much more may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Files and directories, itself counted.
    pub names: u64,
    /// How many names its own quota allows.
    pub names_allowed: Option<u64>,
    /// Bytes, each copy counted.
    pub space: u64,
    /// How many bytes its own quota allows.
    pub space_allowed: Option<u64>,
}

/// Takes the entries of a listing one by one.
pub type EntrySink<'s> = dyn for<'a> FnMut(Entry<'a>) + Send + 's;

/// A store that can be looked at. Every location given to it has the store's own scheme and authority.
#[async_trait]
pub trait ReadStore: Debug + Send + Sync {
    /// Lists one directory, without descending. Entries come in any order, each once.
    ///
    /// # Errors
    ///
    /// `Ok` means that the listing is complete. After an error the entries handed over so far are *some* of the
    /// directory: the caller marks it as partial and never takes an absent name for an absent file.
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError>;

    /// Looks at one path. Does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// `NotFound` only where the store itself said that the path does not exist.
    async fn stat(&self, path: &Location) -> Result<Status, StoreError>;

    /// Looks who owns a path and who may change it. Does not follow a symbolic link.
    ///
    /// # Errors
    ///
    /// As [`ReadStore::stat`].
    async fn access(&self, path: &Location) -> Result<Access, StoreError>;

    /// Returns the user by whose rights this store is used, where that can be told without asking anybody. It is
    /// what the program goes by: a NameNode may call a Kerberos principal by another name.
    fn user(&self) -> Option<String>;

    /// Adds up what lies at and below a directory, and tells its quota.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the store has no quotas; otherwise as [`ReadStore::stat`].
    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        let message = "this store has no quotas";
        Err(StoreError::new(ErrorKind::Unsupported, Operation::Stat, directory, message))
    }

    /// Returns the names of the snapshots that were taken of a directory; none where none can be.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the store has no snapshots; otherwise as [`ReadStore::list`].
    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        let message = "this store has no snapshots";
        Err(StoreError::new(ErrorKind::Unsupported, Operation::List, directory, message))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`ReadStore::stat`], and where the data cannot be reached.
    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError>;

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// `TooLarge` where the file holds more; otherwise as [`ReadStore::open`].
    async fn read(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        let mut reader = self.open(path).await?;
        if reader.length() > limit {
            return Err(StoreError::too_large(path, reader.length(), limit));
        }
        let mut parts = Vec::new();
        let mut length = 0_u64;
        while let Some(part) = reader.next().await? {
            length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            if length > limit {
                return Err(StoreError::too_large(path, length, limit));
            }
            parts.push(part);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        Ok(Bytes::from(parts.concat()))
    }
}

/// An open file, read from its beginning to its end in pieces.
#[async_trait]
pub trait Reader: Debug + Send {
    /// The length that the reader sees. On HDFS this can be less than what a listing says, while the file is
    /// open for writing: then the file is not complete.
    fn length(&self) -> u64;

    /// Returns the next piece, or nothing at the end.
    ///
    /// # Errors
    ///
    /// Where the data cannot be reached; what was read so far is not the whole file.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError>;
}

#[async_trait]
impl<S: ReadStore + ?Sized> ReadStore for Arc<S> {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        (**self).list(directory, sink).await
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        (**self).stat(path).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        (**self).access(path).await
    }

    fn user(&self) -> Option<String> {
        (**self).user()
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        (**self).usage(directory).await
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        (**self).snapshots(directory).await
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        (**self).open(path).await
    }

    async fn read(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        (**self).read(path, limit).await
    }
}
