//! The system calls behind the local store, one blocking function for each.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chksweep_core::Timestamp;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fdatasync, fstat, fsync, mkdirat, openat, renameat, statat,
    unlinkat,
};
use rustix::io::{Errno, pread, retry_on_intr, write};

use super::{Failure, errno};
use crate::error::ErrorKind;
use crate::read::{Access, EntryKind, Status};

/// How often another name is tried for a temporary file.
const TEMPORARY_TRIES: usize = 100;

pub(super) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

#[expect(clippy::useless_conversion, reason = "the types of these fields differ between architectures")]
pub(super) fn status_of(stat: &Stat) -> Status {
    let time = |seconds: i64, nanoseconds: i64| {
        Timestamp(seconds.saturating_mul(1000).saturating_add(nanoseconds.div_euclid(1_000_000)))
    };
    let nanoseconds = |value: u64| i64::try_from(value).unwrap_or(0);
    let file_type = kind_of(stat);
    let kind = if file_type == FileType::RegularFile {
        EntryKind::File
    } else if file_type == FileType::Directory {
        EntryKind::Directory
    } else {
        EntryKind::Other
    };
    let is_file = kind == EntryKind::File;
    Status {
        kind,
        length: if is_file { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 },
        modified: time(stat.st_mtime.into(), nanoseconds(stat.st_mtime_nsec.into())),
        accessed: is_file.then(|| time(stat.st_atime.into(), nanoseconds(stat.st_atime_nsec.into()))),
        replication: None,
        block_size: None,
    }
}

pub(super) fn lstat(path: &[u8]) -> Result<Stat, Errno> {
    statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
}

/// As [`lstat`], with nothing for a path that does not exist.
pub(super) fn find(path: &[u8]) -> Result<Option<Stat>, Failure> {
    match lstat(path) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(errno::looking(error)),
    }
}

pub(super) fn stat(path: &[u8]) -> Result<Status, Failure> {
    lstat(path).map(|stat| status_of(&stat)).map_err(errno::looking)
}

pub(super) fn access(path: &[u8]) -> Result<Access, Failure> {
    let stat = lstat(path).map_err(errno::looking)?;
    Ok(Access {
        kind: status_of(&stat).kind,
        owner: user_name(stat.st_uid),
        group: format!("gid {}", stat.st_gid),
        mode: u16::try_from(stat.st_mode & 0o7777).unwrap_or(0o7777),
    })
}

/// Users of a disk are numbers; their names are the business of this machine.
pub(super) fn user_name(uid: u32) -> String {
    format!("uid {uid}")
}

/// Opens a regular file, without waiting for the other end of a pipe. Returns its length too.
pub(super) fn open(path: &[u8]) -> Result<(OwnedFd, u64), Failure> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => file,
        // A socket has no other way to say that it is not a file.
        Err(Errno::NXIO) => return Err(not_a_file()),
        Err(error) => return Err(errno::looking(error)),
    };
    let status = fstat(&file).map(|stat| status_of(&stat)).map_err(errno::looking)?;
    match status.kind {
        EntryKind::File => Ok((file, status.length)),
        EntryKind::Directory | EntryKind::Other => Err(not_a_file()),
    }
}

/// Reads up to `count` bytes; a file that ends before is not what it was when it was opened.
pub(super) fn read_at(file: &OwnedFd, offset: u64, count: usize) -> Result<Vec<u8>, Failure> {
    let mut piece = vec![0; count];
    let read = retry_on_intr(|| pread(file, piece.as_mut_slice(), offset)).map_err(errno::looking)?;
    if read == 0 {
        let message = format!("the file was cut short to {offset} bytes while it was read");
        return Err((ErrorKind::Corrupt, message));
    }
    piece.truncate(read);
    Ok(piece)
}

pub(super) fn delete_file(path: &[u8]) -> Result<bool, Failure> {
    let Some(stat) = find(path)? else { return Ok(false) };
    if kind_of(&stat) != FileType::RegularFile {
        return Err(not_a_file());
    }
    gone_or_removed(unlinkat(CWD, path, AtFlags::empty()))
}

pub(super) fn remove_directory(path: &[u8]) -> Result<bool, Failure> {
    refuse_root(path)?;
    // Some systems say EEXIST for a directory that is not empty.
    gone_or_removed(unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(|error| match error {
        Errno::EXIST => Errno::NOTEMPTY,
        other => other,
    }))
}

pub(super) fn refuse_root(path: &[u8]) -> Result<(), Failure> {
    if path == b"/" {
        return Err((ErrorKind::Unsupported, "the root of the disk cannot be changed".to_owned()));
    }
    Ok(())
}

fn gone_or_removed(outcome: Result<(), Errno>) -> Result<bool, Failure> {
    match outcome {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(errno::changing(error)),
    }
}

/// Makes a directory and its parents. What another makes at the same time is fine.
pub(super) fn make_directories(path: &[u8], private: bool) -> Result<(), Failure> {
    let mode = Mode::from_raw_mode(if private { 0o700 } else { 0o755 });
    let mut missing = Vec::new();
    for ancestor in as_path(path).ancestors() {
        // An ancestor may be a symbolic link to a directory: then the next component tells.
        match lstat(ancestor.as_os_str().as_bytes()) {
            Ok(stat) if kind_of(&stat) == FileType::Directory => break,
            Ok(stat) if kind_of(&stat) == FileType::Symlink && !missing.is_empty() => break,
            Ok(_) => return Err((ErrorKind::WrongType, "not a directory".to_owned())),
            Err(Errno::NOENT) => missing.push(ancestor),
            Err(error) => return Err(errno::changing(error)),
        }
    }
    for directory in missing.into_iter().rev() {
        match mkdirat(CWD, directory, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) if lstat_is_directory(directory) => {}
            Err(error) => return Err(errno::changing(error)),
        }
    }
    Ok(())
}

fn lstat_is_directory(path: &Path) -> bool {
    lstat(path.as_os_str().as_bytes()).is_ok_and(|stat| kind_of(&stat) == FileType::Directory)
}

/// Creates a file that does not exist, with its content on the disk. One that cannot be filled is taken away.
pub(super) fn create_new(path: &[u8], content: &[u8]) -> Result<(), Failure> {
    let file = create(path, OFlags::empty()).map_err(errno::changing)?;
    let written =
        write_all(&file, content).and_then(|()| fsync(&file)).and_then(|()| sync_directory_of(path));
    written.map_err(|error| {
        take_away(path, &file);
        errno::changing(error)
    })
}

/// Puts a file with this content in the place of another: by a rename, which is one step for a reader.
pub(super) fn replace(path: &[u8], content: &[u8]) -> Result<(), Failure> {
    match find(path)? {
        Some(stat) if kind_of(&stat) != FileType::RegularFile => return Err(not_a_file()),
        Some(_) | None => {}
    }
    let (temporary, file) = create_temporary(path)?;
    let written = write_all(&file, content)
        .and_then(|()| fsync(&file))
        .and_then(|()| renameat(CWD, temporary.as_slice(), CWD, path));
    if let Err(error) = written {
        take_away(&temporary, &file);
        return Err(errno::changing(error));
    }
    sync_directory_of(path).map_err(errno::changing)
}

pub(super) fn create_appended(path: &[u8]) -> Result<OwnedFd, Failure> {
    let file = create(path, OFlags::APPEND).map_err(errno::changing)?;
    sync_directory_of(path).map_err(errno::changing)?;
    Ok(file)
}

pub(super) fn append(file: &OwnedFd, content: &[u8]) -> Result<(), Failure> {
    write_all(file, content).and_then(|()| fdatasync(file)).map_err(errno::changing)
}

pub(super) fn sync(file: &OwnedFd) -> Result<(), Failure> {
    fsync(file).map_err(errno::changing)
}

fn create(path: &[u8], more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    openat(CWD, path, flags, Mode::from_raw_mode(0o600))
}

/// Creates a file beside `path` under a name that nobody has.
fn create_temporary(path: &[u8]) -> Result<(Vec<u8>, OwnedFd), Failure> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let directory = as_path(path).parent().unwrap_or(Path::new("/"));
    for _ in 0..TEMPORARY_TRIES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".chksweep-{}-{number}.tmp", std::process::id());
        let temporary = directory.join(name).into_os_string().as_bytes().to_vec();
        match create(&temporary, OFlags::empty()) {
            Ok(file) => return Ok((temporary, file)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(errno::changing(error)),
        }
    }
    Err((ErrorKind::AlreadyExists, "no name is free for a temporary file".to_owned()))
}

fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        let written = retry_on_intr(|| write(file, content))?;
        content = content.get(written..).unwrap_or_default();
        if written == 0 {
            return Err(Errno::IO);
        }
    }
    Ok(())
}

/// Unlinks a file that this process has just made, if the name still means that very file.
fn take_away(path: &[u8], file: &OwnedFd) {
    let ours = fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
    let there = lstat(path).map(|stat| (stat.st_dev, stat.st_ino));
    if ours.is_ok()
        && ours == there
        && let Err(error) = unlinkat(CWD, path, AtFlags::empty())
    {
        tracing::warn!(%error, "a half-written file stays behind");
    }
}

/// Makes the names in the directory of `path` durable.
fn sync_directory_of(path: &[u8]) -> Result<(), Errno> {
    let directory = as_path(path).parent().unwrap_or(Path::new("/"));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fsync(openat(CWD, directory, flags, Mode::empty())?)
}

pub(super) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

pub(super) fn not_a_file() -> Failure {
    (ErrorKind::WrongType, "not a file".to_owned())
}
