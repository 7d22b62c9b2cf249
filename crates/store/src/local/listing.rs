//! Listing a local directory: one blocking task, which hands batches over as it goes.

use std::ffi::CStr;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use tokio::sync::mpsc::Sender;

use super::disk::{kind_of, status_of};
use super::{Failure, errno};
use crate::error::ErrorKind;
use crate::read::{Entry, EntrySink, Status};

/// How many batches may wait to be handed over.
pub(super) const BATCHES: usize = 4;
/// How many entries make a batch.
const BATCH: usize = 1024;

/// Some entries of a directory: the names in one buffer, and where each of them ends.
#[derive(Default)]
pub(super) struct Batch {
    names: Vec<u8>,
    entries: Vec<(usize, Status)>,
}

/// Hands the entries of a batch to the caller's sink.
pub(super) fn hand_over(batch: &Batch, sink: &mut EntrySink<'_>) {
    let mut start = 0;
    for (end, status) in &batch.entries {
        let name = batch.names.get(start..*end).unwrap_or_default();
        start = *end;
        sink(Entry {
            name,
            kind: status.kind,
            length: status.length,
            modified: status.modified,
            accessed: status.accessed,
            replication: None,
            block_size: None,
        });
    }
}

/// Lists a directory. What was read before a failure is handed over first.
///
/// The directory is looked at again in the end: reading one that was removed meanwhile ends early and without an
/// error, and one that was put in its place would have other entries.
pub(super) fn list(path: &[u8], batches: &Sender<Batch>) -> Result<(), Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty()).map_err(errno::looking)?;
    let before = fstat(&fd).map_err(errno::looking)?;
    let mut directory = Dir::new(fd).map_err(errno::looking)?;
    let mut batch = Batch::default();
    let read = read_all(&mut directory, &mut batch, batches);
    let handed = batch.entries.is_empty() || batches.blocking_send(batch).is_ok();
    read?;
    let after = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map_err(errno::looking)?;
    if !is_same(&before, &after) {
        let message = "another directory was put in its place while it was read";
        return Err((ErrorKind::Unrepresentable, message.to_owned()));
    }
    if handed { Ok(()) } else { Err(nobody_listens()) }
}

fn read_all(directory: &mut Dir, batch: &mut Batch, batches: &Sender<Batch>) -> Result<(), Failure> {
    while let Some(entry) = directory.read() {
        let entry = entry.map_err(errno::looking)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Some(status) = look(directory, name)? else { continue };
        batch.names.extend_from_slice(name.to_bytes());
        batch.entries.push((batch.names.len(), status));
        if batch.entries.len() >= BATCH {
            batches.blocking_send(std::mem::take(batch)).map_err(|_| nobody_listens())?;
        }
    }
    Ok(())
}

/// Looks at one entry; one that is gone since it was read is none.
fn look(directory: &Dir, name: &CStr) -> Result<Option<Status>, Failure> {
    let fd = directory.fd().map_err(errno::looking)?;
    match statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(status_of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(errno::looking(error)),
    }
}

fn is_same(before: &Stat, after: &Stat) -> bool {
    kind_of(after) == FileType::Directory && (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)
}

fn nobody_listens() -> Failure {
    (ErrorKind::Other, "the listing was given up".to_owned())
}
