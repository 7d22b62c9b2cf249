//! Deleting a directory of a local disk and all below it, and nothing else.
//!
//! Every step goes by the file descriptor of the directory above, never by a path: a directory that is replaced by
//! a symbolic link meanwhile cannot lead the work elsewhere. Links are unlinked, not followed. A directory on
//! another mount is never entered: `openat2` with `RESOLVE_NO_XDEV` sees even a bind mount of the same disk; where
//! the system does not have that call, the number of the device must be the same.

use std::ffi::CString;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, statat, unlinkat,
};
use rustix::io::Errno;

use super::disk::{as_path, find, kind_of, refuse_root};
use super::{Failure, errno};
use crate::error::ErrorKind;

/// How deep a tree may be: each level holds a file descriptor while the ones below it are deleted.
const MAX_DEPTH: usize = 256;
/// How many names of a directory are held at a time.
const NAMES: usize = 4096;
/// How often a directory that was emptied is found to hold something again before it is left.
const ROUNDS: usize = 3;

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Deletes a directory and all below it. Returns whether there was one.
pub(super) fn delete(path: &[u8]) -> Result<bool, Failure> {
    refuse_root(path)?;
    let Some(stat) = find(path)? else { return Ok(false) };
    if kind_of(&stat) != FileType::Directory {
        return Err((ErrorKind::WrongType, "not a directory".to_owned()));
    }
    let (Some(parent), Some(name)) = (as_path(path).parent(), as_path(path).file_name()) else {
        return Err((ErrorKind::Unsupported, "the root of the disk cannot be changed".to_owned()));
    };
    // The path of the parent may go through links and mounts: it is where the caller said. From there on neither.
    let parent_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = openat(CWD, parent, parent_flags, Mode::empty()).map_err(errno::changing)?;
    let name = CString::new(std::os::unix::ffi::OsStrExt::as_bytes(name))
        .map_err(|_| (ErrorKind::Unrepresentable, "the path contains a NUL".to_owned()))?;
    delete_directory(parent.as_fd(), &name, 0)
}

/// Deletes the directory `name` of `parent`. Returns whether there was one.
fn delete_directory(parent: BorrowedFd<'_>, name: &CString, depth: usize) -> Result<bool, Failure> {
    if depth > MAX_DEPTH {
        return Err((ErrorKind::Unsupported, format!("deeper than {MAX_DEPTH} directories")));
    }
    let directory = match enter(parent, name) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(errno::changing(error)),
    };
    let mut rounds = 0;
    loop {
        empty(&directory, depth)?;
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) if rounds < ROUNDS => rounds += 1,
            Err(error) => return Err(errno::changing(error)),
        }
    }
}

/// Opens a directory that is neither a link nor on another mount.
fn enter(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let directory = match openat2(parent, name, FLAGS, Mode::empty(), resolve) {
        // An old kernel, or a container whose filter does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => openat(parent, name, FLAGS, Mode::empty()),
        outcome => outcome,
    }?;
    if fstat(&directory)?.st_dev == fstat(parent)?.st_dev { Ok(directory) } else { Err(Errno::XDEV) }
}

/// Deletes what a directory holds, some names at a time.
fn empty(directory: &OwnedFd, depth: usize) -> Result<(), Failure> {
    loop {
        let names = some_names(directory)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in &names {
            delete_entry(directory.as_fd(), name, depth)?;
        }
    }
}

fn some_names(directory: &OwnedFd) -> Result<Vec<CString>, Failure> {
    let mut reading = Dir::read_from(directory).map_err(errno::changing)?;
    let mut names = Vec::new();
    while names.len() < NAMES {
        let Some(entry) = reading.read() else { break };
        let entry = entry.map_err(errno::changing)?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn delete_entry(directory: BorrowedFd<'_>, name: &CString, depth: usize) -> Result<(), Failure> {
    let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(errno::changing(error)),
    };
    if kind_of(&stat) == FileType::Directory {
        return delete_directory(directory, name, depth + 1).map(|_| ());
    }
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(errno::changing(error)),
    }
}
