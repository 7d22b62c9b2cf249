//! What an error number of the system means to a caller.

use rustix::io::Errno;

use super::Failure;
use crate::error::ErrorKind;

/// Makes the failure of a call that only looks.
pub(super) fn looking(errno: Errno) -> Failure {
    let kind = match errno {
        // A disk that cannot be read; after a change the same number says nothing about what happened.
        Errno::IO | Errno::BADMSG | Errno::UCLEAN | Errno::NODATA | Errno::HWPOISON => ErrorKind::Corrupt,
        other => kind(other),
    };
    (kind, text(errno))
}

/// Makes the failure of a call that changes something.
pub(super) fn changing(errno: Errno) -> Failure {
    (kind(errno), text(errno))
}

/// Maps an error number; what is not listed is `Other`, after which a change may have happened.
fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::EXIST => ErrorKind::AlreadyExists,
        Errno::NOTEMPTY => ErrorKind::NotEmpty,
        // ELOOP is a symbolic link where none is followed.
        Errno::NOTDIR | Errno::ISDIR | Errno::LOOP => ErrorKind::WrongType,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::PermissionDenied,
        Errno::NOKEY | Errno::KEYEXPIRED | Errno::KEYREVOKED | Errno::KEYREJECTED => {
            ErrorKind::Unauthenticated
        }
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::MLINK => ErrorKind::QuotaExceeded,
        Errno::NAMETOOLONG | Errno::ILSEQ => ErrorKind::Unrepresentable,
        // A network file system whose server went away, or a device that did. A stale handle is not an absent
        // file: only the name says that.
        Errno::STALE
        | Errno::NODEV
        | Errno::NXIO
        | Errno::REMOTEIO
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::NETRESET
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::CONNREFUSED
        | Errno::CONNRESET
        | Errno::CONNABORTED
        | Errno::NOTCONN
        | Errno::SHUTDOWN => ErrorKind::Unreachable,
        Errno::TIMEDOUT => ErrorKind::TimedOut,
        Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => ErrorKind::Busy,
        // EBUSY is a mount point: it does not go away by waiting.
        Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BUSY => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

fn text(errno: Errno) -> String {
    match errno {
        Errno::XDEV => "it lies on another mount, and nothing is ever copied".to_owned(),
        Errno::LOOP => "it is a symbolic link, and none is followed".to_owned(),
        Errno::BUSY => "it is in use, or a mount point".to_owned(),
        other => std::io::Error::from(other).to_string(),
    }
}
