//! Changing a store.
//!
//! An error after a change means *unknown*, not *undone*: the call may have been carried out and its answer lost.
//! The caller looks again before it says what happened; nothing here is retried blindly. A refusal, as
//! `AlreadyExists`, `NotEmpty`, `WrongType` or `PermissionDenied`, is definite and left everything as it was (see
//! [`crate::ErrorKind::outcome_is_unknown`]). What is neither a file nor a directory is refused as `WrongType`, and
//! the root of a store cannot be changed.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chksweep_core::Location;

use crate::error::StoreError;
use crate::read::ReadStore;

/// A store that can be changed.
#[async_trait]
pub trait MutateStore: ReadStore {
    /// Moves a file or directory. Never replaces anything: an existing target is `AlreadyExists`. The directory
    /// of the target must exist. The time of a file stays as it is.
    ///
    /// # Errors
    ///
    /// `NotFound` where the source or the directory of the target is missing; `Unsupported` where the two lie on
    /// different file systems, and nothing is copied.
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError>;

    /// Deletes a file. Returns whether there was one; a directory is refused.
    ///
    /// # Errors
    ///
    /// `WrongType` for a directory, also an empty one.
    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError>;

    /// Removes an empty directory. Returns whether there was one; one that is not empty is `NotEmpty`.
    ///
    /// # Errors
    ///
    /// `WrongType` for a file.
    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError>;

    /// Deletes a directory and all below it in one call. Only for what lies in a quarantine and is due.
    /// Returns whether there was one.
    ///
    /// # Errors
    ///
    /// `WrongType` for a file. After any other error some of it may be gone.
    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError>;

    /// Makes a directory and its parents, with mode 0755, or 0700 where `private`. An existing directory is fine.
    ///
    /// # Errors
    ///
    /// `WrongType` or `AlreadyExists` where a file stands in the way.
    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError>;

    /// Creates a file with these bytes, closed and durable on return. An existing one is `AlreadyExists`: of
    /// several callers at once exactly one succeeds. The directory must exist.
    ///
    /// # Errors
    ///
    /// `NotFound` where the directory is missing. After an error with an unknown outcome the file may be there, and
    /// not completely written.
    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError>;

    /// Puts a file with these bytes in the place of another, or makes it; a reader sees the old or the new one.
    ///
    /// # Errors
    ///
    /// `WrongType` in the place of a directory, `NotFound` where the directory around it is missing.
    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError>;

    /// Creates a file to which lines are appended; an existing one is `AlreadyExists`.
    ///
    /// # Errors
    ///
    /// As [`MutateStore::create_new`].
    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError>;

    /// Moves a file or an empty directory into the trash of the store. Returns where it went.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the store has no trash or it is switched off: then nothing has happened.
    async fn trash(&self, path: &Location) -> Result<Location, StoreError>;

    /// Closes a file for a writer that is gone, so that all that was made durable can be read: HDFS hides what lies
    /// in the last block of a file that is open. Returns whether it is closed now; closing takes the DataNodes some
    /// seconds, so ask again. Whoever writes to it still can no more.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is no such file.
    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError>;
}

/// A file that grows.
#[async_trait]
pub trait Appender: Debug + Send {
    /// Appends bytes; they are durable when this returns.
    ///
    /// # Errors
    ///
    /// After an error the file may end in a part of them.
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError>;

    /// Closes the file.
    async fn close(&mut self) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: MutateStore + ?Sized> MutateStore for Arc<S> {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        (**self).rename(from, to).await
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        (**self).delete_file(path).await
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        (**self).remove_directory(path).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        (**self).delete_tree(path).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        (**self).make_directories(path, private).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        (**self).create_new(path, content).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        (**self).replace(path, content).await
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        (**self).create_appender(path).await
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        (**self).trash(path).await
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        (**self).close_abandoned(path).await
    }
}
