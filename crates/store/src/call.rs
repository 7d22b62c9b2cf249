//! The calls of a store, by name: for counting them, recording them and letting them fail.

use std::fmt;

use crate::error::Operation;

/// One of the methods of a store, of a reader or of an appender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// [`crate::ReadStore::list`].
    List,
    /// [`crate::ReadStore::stat`].
    Stat,
    /// [`crate::ReadStore::open`], also on behalf of a read of the whole file.
    Open,
    /// [`crate::Reader::next`].
    Next,
    /// [`crate::MutateStore::rename`].
    Rename,
    /// [`crate::MutateStore::delete_file`].
    DeleteFile,
    /// [`crate::MutateStore::remove_directory`].
    RemoveDirectory,
    /// [`crate::MutateStore::delete_tree`].
    DeleteTree,
    /// [`crate::MutateStore::make_directories`].
    MakeDirectories,
    /// [`crate::MutateStore::create_new`].
    CreateNew,
    /// [`crate::MutateStore::replace`].
    Replace,
    /// [`crate::MutateStore::create_appender`].
    CreateAppender,
    /// [`crate::Appender::append`].
    Append,
    /// [`crate::Appender::close`].
    Close,
    /// [`crate::MutateStore::trash`].
    Trash,
    /// [`crate::MutateStore::close_abandoned`].
    CloseAbandoned,
}

impl Call {
    /// Returns whether the call changes the store.
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::List | Self::Stat | Self::Open | Self::Next)
    }

    /// Returns what an error of this call says was being done.
    pub const fn operation(self) -> Operation {
        match self {
            Self::List => Operation::List,
            Self::Stat => Operation::Stat,
            Self::Open | Self::Next => Operation::Read,
            Self::Rename => Operation::Rename,
            Self::DeleteFile | Self::RemoveDirectory | Self::DeleteTree => Operation::Delete,
            Self::MakeDirectories => Operation::MakeDirectory,
            Self::CreateNew
            | Self::Replace
            | Self::CreateAppender
            | Self::Append
            | Self::Close
            | Self::CloseAbandoned => Operation::Write,
            Self::Trash => Operation::Trash,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Stat => "stat",
            Self::Open => "open",
            Self::Next => "next",
            Self::Rename => "rename",
            Self::DeleteFile => "delete_file",
            Self::RemoveDirectory => "remove_directory",
            Self::DeleteTree => "delete_tree",
            Self::MakeDirectories => "make_directories",
            Self::CreateNew => "create_new",
            Self::Replace => "replace",
            Self::CreateAppender => "create_appender",
            Self::Append => "append",
            Self::Close => "close",
            Self::Trash => "trash",
            Self::CloseAbandoned => "close_abandoned",
        })
    }
}
