//! Changing a store.
//!
//! An error after a change means *unknown*, not *undone*: the call may have been carried out and its answer lost.
//! The caller looks again before it says what happened; nothing here is retried blindly.

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
    /// of the target must exist.
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError>;

    /// Deletes a file. Returns whether there was one; a directory is refused.
    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError>;

    /// Removes an empty directory. Returns whether there was one; one that is not empty is `NotEmpty`.
    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError>;

    /// Deletes a directory and all below it in one call. Only for what lies in a quarantine and is due.
    /// Returns whether there was one.
    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError>;

    /// Makes a directory and its parents, with mode 0755, or 0700 where `private`. An existing directory is fine.
    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError>;

    /// Creates a file with these bytes, closed and durable on return. An existing one is `AlreadyExists`: of
    /// several callers at once exactly one succeeds. The directory must exist.
    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError>;

    /// Puts a file with these bytes in the place of another, or makes it; a reader sees the old or the new one.
    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError>;

    /// Creates a file to which lines are appended; an existing one is `AlreadyExists`.
    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError>;

    /// Moves a file or an empty directory into the trash of the store. Returns where it went.
    async fn trash(&self, path: &Location) -> Result<Location, StoreError>;
}

/// A file that grows.
#[async_trait]
pub trait Appender: Debug + Send {
    /// Appends bytes; they are durable when this returns.
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
}
