//! Moving an entry of a local disk without ever replacing one.
//!
//! `renameat2` with `RENAME_NOREPLACE` does it in one step. Where a file system does not have it, a file is linked
//! under its new name, which fails if that is taken, and then unlinked under the old one: if the work breaks off
//! between the two, the file has both names and nothing is lost. For a directory an empty one is made under the
//! new name, which fails if that is taken, and renamed over: that in turn fails if somebody put something into it.

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, RenameFlags, linkat, mkdirat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::disk::{kind_of, lstat, refuse_root};
use super::{Failure, errno};
use crate::error::ErrorKind;

/// Moves a file or directory; an existing target is an error.
pub(super) fn rename(from: &[u8], to: &[u8]) -> Result<(), Failure> {
    refuse_root(from)?;
    let kind = kind_of(&lstat(from).map_err(errno::looking)?);
    if kind != FileType::RegularFile && kind != FileType::Directory {
        return Err((ErrorKind::WrongType, "neither a file nor a directory: it is not moved".to_owned()));
    }
    if from != to && chksweep_core::location::path_below(to, from).is_some() {
        return Err((ErrorKind::Unsupported, "a directory cannot be moved into itself".to_owned()));
    }
    let moved = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system, or the system, does not have the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_in_two_steps(from, to, kind),
        outcome => outcome,
    };
    moved.map_err(|error| match error {
        Errno::NOENT if lstat(from).is_ok() => {
            (ErrorKind::NotFound, "the directory of the target does not exist".to_owned())
        }
        other => errno::changing(other),
    })
}

pub(super) fn rename_in_two_steps(from: &[u8], to: &[u8], kind: FileType) -> Result<(), Errno> {
    if kind == FileType::Directory {
        return rename_over_empty(from, to);
    }
    linkat(CWD, from, CWD, to, AtFlags::empty())?;
    let is_same = |a: rustix::fs::Stat, b: rustix::fs::Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
    // Another file that has just come under the old name is left alone.
    if is_same(lstat(from)?, lstat(to)?) { unlinkat(CWD, from, AtFlags::empty()) } else { Err(Errno::STALE) }
}

fn rename_over_empty(from: &[u8], to: &[u8]) -> Result<(), Errno> {
    mkdirat(CWD, to, Mode::from_raw_mode(0o700))?;
    renameat(CWD, from, CWD, to).map_err(|error| match unlinkat(CWD, to, AtFlags::REMOVEDIR) {
        // Somebody put something into it: the target is theirs now.
        Err(Errno::NOTEMPTY | Errno::EXIST) => Errno::EXIST,
        Ok(()) | Err(_) => error,
    })
}
