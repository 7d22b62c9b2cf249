//! Listing and looking: never silently short.
//!
//! hdfs-native pages through a directory and hands over items that may be errors, and it goes on after one: who
//! leaves them out has a shorter listing, and a listing of metadata files that is too short makes live files look
//! dead. Here the first error ends the listing and is returned. A name that hdfs-native cannot hold makes it
//! panic, which is an error as well (see [`crate::guard`]); whatever lay in the directory behind that name stays
//! unlisted, and the caller marks it as partial.

use chksweep_core::{Location, Timestamp};
use chksweep_store::{Access, Entry, EntryKind, EntrySink, ErrorKind, Operation, Status, StoreError};
use hdfs_native::client::FileStatus;

use crate::client::{At, HdfsStore};
use crate::guard::guarded;

impl HdfsStore {
    pub(crate) async fn list_directory(
        &self,
        directory: &Location,
        sink: &mut EntrySink<'_>,
    ) -> Result<(), StoreError> {
        let at = self.at_live(directory, Operation::List)?;
        if let Some(mount) = self.mount_below(directory) {
            let message =
                format!("the mount point {mount} lies below: name the directories under it as roots");
            return Err(StoreError::new(ErrorKind::Unsupported, Operation::List, directory, message));
        }
        let entries = at.client.list_status_iter(&at.path, false);
        while let Some(status) =
            guarded(Operation::List, directory, async { entries.next().await.transpose() }).await?
        {
            let Some(name) = name_below(&at.path, &status.path) else {
                return Err(odd_name(directory, &at.path, &status.path));
            };
            let Status { kind, length, modified, accessed, replication, block_size } = status_of(&status);
            sink(Entry { name: name.as_bytes(), kind, length, modified, accessed, replication, block_size });
        }
        Ok(())
    }

    pub(crate) async fn look(
        &self,
        at: &At<'_>,
        operation: Operation,
        path: &Location,
    ) -> Result<Status, StoreError> {
        let status = guarded(operation, path, at.client.get_file_info(&at.path)).await?;
        Ok(status_of(&status))
    }

    /// Returns whether a directory holds nothing.
    pub(crate) async fn is_empty(
        &self,
        at: &At<'_>,
        operation: Operation,
        path: &Location,
    ) -> Result<bool, StoreError> {
        let entries = at.client.list_status_iter(&at.path, false);
        let first = guarded(operation, path, async { entries.next().await.transpose() }).await?;
        Ok(first.is_none())
    }
}

/// Returns the single component that a listed path has more than the directory.
fn name_below<'s>(directory: &str, path: &'s str) -> Option<&'s str> {
    let name = path.strip_prefix(directory.trim_end_matches('/'))?.strip_prefix('/')?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// A file lists as itself, with no name; anything else is an answer that we do not understand.
fn odd_name(directory: &Location, inner: &str, listed: &str) -> StoreError {
    if inner == listed {
        return StoreError::new(ErrorKind::WrongType, Operation::List, directory, "not a directory");
    }
    let message = format!("the NameNode listed `{listed}`, which is no entry of this directory");
    StoreError::new(ErrorKind::Unrepresentable, Operation::List, directory, message)
}

fn status_of(status: &FileStatus) -> Status {
    let is_file = kind_of(status) == EntryKind::File;
    let accessed = millis(status.access_time);
    Status {
        kind: kind_of(status),
        length: u64::try_from(status.length).unwrap_or(u64::MAX),
        modified: millis(status.modification_time),
        // Zero where the NameNode keeps no access times.
        accessed: Some(accessed).filter(|time| is_file && time.0 > 0),
        replication: status.replication.filter(|_| is_file).and_then(|count| u16::try_from(count).ok()),
        block_size: status.blocksize.filter(|_| is_file),
    }
}

/// Returns who owns what was looked at. The sticky bit and the mark of an ACL are no rights.
pub(crate) fn access_of(status: FileStatus) -> Access {
    let (kind, mode) = (kind_of(&status), status.permission & 0o1777);
    Access { kind, owner: status.owner, group: status.group, mode }
}

/// hdfs-native does not tell a symbolic link from a file. But every file of HDFS has a block size, and a link has
/// none; taken for a file it would never be swept by its age, as its target is not what was looked at.
fn kind_of(status: &FileStatus) -> EntryKind {
    match (status.isdir, status.blocksize) {
        (true, _) => EntryKind::Directory,
        (false, Some(0)) => EntryKind::Other,
        (false, Some(_) | None) => EntryKind::File,
    }
}

fn millis(time: u64) -> Timestamp {
    Timestamp(i64::try_from(time).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> FileStatus {
        FileStatus {
            path: "/a/b".to_owned(),
            length: 5,
            isdir: false,
            permission: 0o644,
            owner: String::new(),
            group: String::new(),
            modification_time: 7,
            access_time: 9,
            replication: Some(3),
            blocksize: Some(1024),
        }
    }

    #[test]
    fn names_are_single_components_of_the_directory() {
        assert_eq!(name_below("/a", "/a/b"), Some("b"));
        assert_eq!(name_below("/", "/b"), Some("b"));
        assert_eq!(name_below("/a", "/a/b c%20"), Some("b c%20"));
        for odd in ["/a", "/a/", "/ab/c", "/a/b/c", "/c/b"] {
            assert_eq!(name_below("/a", odd), None, "{odd}");
        }
    }

    #[test]
    fn a_file_that_is_listed_is_no_directory() {
        let at = Location::normalised("hdfs", "ns", b"/a");
        assert_eq!(odd_name(&at, "/a", "/a").kind, ErrorKind::WrongType);
        assert_eq!(odd_name(&at, "/a", "/c").kind, ErrorKind::Unrepresentable);
    }

    #[test]
    fn what_is_told_of_files_is_not_told_of_directories() {
        let file = status_of(&status());
        assert_eq!((file.kind, file.length), (EntryKind::File, 5));
        assert_eq!(
            (file.modified, file.accessed, file.replication, file.block_size),
            (Timestamp(7), Some(Timestamp(9)), Some(3), Some(1024))
        );
        let directory = status_of(&FileStatus { isdir: true, blocksize: Some(0), ..status() });
        assert_eq!(directory.kind, EntryKind::Directory);
        assert_eq!((directory.accessed, directory.replication, directory.block_size), (None, None, None));
    }

    #[test]
    fn odd_numbers_and_links_are_not_taken_for_what_they_are_not() {
        let odd = status_of(&FileStatus {
            access_time: 0,
            modification_time: u64::MAX,
            replication: Some(70_000),
            ..status()
        });
        assert_eq!((odd.accessed, odd.modified, odd.replication), (None, Timestamp(i64::MAX), None));
        assert_eq!(status_of(&FileStatus { blocksize: Some(0), ..status() }).kind, EntryKind::Other);
    }
}
