//! From hdfs-native's errors to ours: one table by Java class name, one `match` by variant, no default arm there.
//!
//! What hangs on this: `NotFound` is the one kind that says that something is *not there*. So it comes from two
//! answers of the NameNode only, `FileNotFound` and `java.io.FileNotFoundException`, and of the latter not from the
//! messages that mean something else. Whatever is not in the table is [`ErrorKind::Other`]: it may have happened.

use chksweep_core::Location;
use chksweep_store::{ErrorKind, Operation, StoreError};
use hdfs_native::HdfsError;

/// What a NameNode, router or DataNode means by an exception.
const JAVA_CLASSES: [(&str, ErrorKind); 41] = [
    ("java.io.FileNotFoundException", ErrorKind::NotFound),
    ("org.apache.hadoop.fs.FileAlreadyExistsException", ErrorKind::AlreadyExists),
    ("org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException", ErrorKind::AlreadyExists),
    ("org.apache.hadoop.fs.PathIsNotEmptyDirectoryException", ErrorKind::NotEmpty),
    ("org.apache.hadoop.fs.ParentNotDirectoryException", ErrorKind::WrongType),
    ("org.apache.hadoop.fs.PathIsNotDirectoryException", ErrorKind::WrongType),
    ("org.apache.hadoop.fs.PathIsDirectoryException", ErrorKind::WrongType),
    ("org.apache.hadoop.security.AccessControlException", ErrorKind::PermissionDenied),
    ("org.apache.hadoop.fs.permission.AccessControlException", ErrorKind::PermissionDenied),
    ("org.apache.hadoop.security.authorize.AuthorizationException", ErrorKind::PermissionDenied),
    ("org.apache.hadoop.hdfs.protocol.SnapshotAccessControlException", ErrorKind::PermissionDenied),
    ("javax.security.sasl.SaslException", ErrorKind::Unauthenticated),
    ("org.ietf.jgss.GSSException", ErrorKind::Unauthenticated),
    ("org.apache.hadoop.security.token.SecretManager$InvalidToken", ErrorKind::Unauthenticated),
    ("org.apache.hadoop.ipc.StandbyException", ErrorKind::Busy),
    ("org.apache.hadoop.ipc.RetriableException", ErrorKind::Busy),
    ("org.apache.hadoop.ipc.ObserverRetryOnActiveException", ErrorKind::Busy),
    ("org.apache.hadoop.hdfs.server.namenode.SafeModeException", ErrorKind::Busy),
    ("org.apache.hadoop.hdfs.server.federation.router.RouterSafeModeException", ErrorKind::Busy),
    ("org.apache.hadoop.hdfs.server.federation.router.NoNamenodesAvailableException", ErrorKind::Busy),
    ("org.apache.hadoop.hdfs.server.federation.router.ConnectionNullException", ErrorKind::Unreachable),
    ("java.net.ConnectException", ErrorKind::Unreachable),
    ("java.net.NoRouteToHostException", ErrorKind::Unreachable),
    ("java.net.UnknownHostException", ErrorKind::Unreachable),
    ("java.io.EOFException", ErrorKind::Unreachable),
    ("java.net.SocketTimeoutException", ErrorKind::TimedOut),
    ("org.apache.hadoop.net.ConnectTimeoutException", ErrorKind::TimedOut),
    ("org.apache.hadoop.hdfs.protocol.QuotaExceededException", ErrorKind::QuotaExceeded),
    ("org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", ErrorKind::QuotaExceeded),
    ("org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", ErrorKind::QuotaExceeded),
    ("org.apache.hadoop.hdfs.protocol.QuotaByStorageTypeExceededException", ErrorKind::QuotaExceeded),
    (
        "org.apache.hadoop.hdfs.protocol.FSLimitException$MaxDirectoryItemsExceededException",
        ErrorKind::QuotaExceeded,
    ),
    (
        "org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException",
        ErrorKind::Unsupported,
    ),
    ("org.apache.hadoop.hdfs.protocol.UnresolvedPathException", ErrorKind::Unsupported),
    ("org.apache.hadoop.hdfs.protocol.SnapshotException", ErrorKind::Unsupported),
    ("java.lang.UnsupportedOperationException", ErrorKind::Unsupported),
    ("org.apache.hadoop.ipc.RpcNoSuchMethodException", ErrorKind::Unsupported),
    ("org.apache.hadoop.ipc.RpcNoSuchProtocolException", ErrorKind::Unsupported),
    ("org.apache.hadoop.fs.InvalidPathException", ErrorKind::Unrepresentable),
    ("org.apache.hadoop.hdfs.CannotObtainBlockLengthException", ErrorKind::Corrupt),
    ("org.apache.hadoop.fs.ChecksumException", ErrorKind::Corrupt),
];

/// What a plain `java.io.IOException` means by its message: refusals, after which nothing has happened.
const PLAIN_MESSAGES: [(&str, ErrorKind); 4] = [
    // A file was to be moved onto a directory, or the other way round.
    ("must both be directories", ErrorKind::AlreadyExists),
    ("is a directory or file under source", ErrorKind::Unsupported),
    ("rename destination cannot be the root", ErrorKind::Unsupported),
    // "… can't be moved from an encryption zone", "… into an encryption zone".
    ("encryption zone", ErrorKind::Unsupported),
];

/// Puts an error into our words.
pub(crate) fn store_error(error: &HdfsError, operation: Operation, path: &Location) -> StoreError {
    let (kind, message) = told(error);
    StoreError::new(kind, operation, path, message)
}

/// Returns what an error means and its first line.
pub(crate) fn told(error: &HdfsError) -> (ErrorKind, String) {
    let kind = match error {
        HdfsError::IOError(error) => of_io(error),
        HdfsError::DataTransferError(_) => ErrorKind::Unreachable,
        HdfsError::ChecksumError | HdfsError::BlocksNotFound(_) | HdfsError::ErasureCodingError(_) => {
            ErrorKind::Corrupt
        }
        HdfsError::InvalidPath(_) => ErrorKind::Unrepresentable,
        HdfsError::InvalidArgument(_)
        | HdfsError::UrlParseError(_)
        | HdfsError::UnsupportedErasureCodingPolicy(_)
        | HdfsError::UnsupportedFeature(_)
        | HdfsError::TrashNotEnabled => ErrorKind::Unsupported,
        HdfsError::AlreadyExists(_) => ErrorKind::AlreadyExists,
        HdfsError::FileNotFound(_) => ErrorKind::NotFound,
        HdfsError::IsADirectoryError(_) => ErrorKind::WrongType,
        HdfsError::OperationFailed(message) if is_about_gssapi(message) => ErrorKind::Unauthenticated,
        HdfsError::SASLError(_) | HdfsError::GSSAPIError(..) | HdfsError::NoSASLMechanism => {
            ErrorKind::Unauthenticated
        }
        HdfsError::RPCError(class, message) => of_java(class, message),
        HdfsError::FatalRPCError(class, message) => of_fatal(class, message),
        HdfsError::OperationFailed(_)
        | HdfsError::InternalError(_)
        | HdfsError::InvalidRPCResponse(_)
        | HdfsError::XmlParseError(_) => ErrorKind::Other,
    };
    (kind, message_of(error))
}

/// Returns whether this is hdfs-native's answer to a missing library.
pub(crate) fn is_about_gssapi(message: &str) -> bool {
    message.contains("libgssapi")
}

fn message_of(error: &HdfsError) -> String {
    match error {
        HdfsError::RPCError(class, message) | HdfsError::FatalRPCError(class, message) => {
            said(class, message)
        }
        HdfsError::TrashNotEnabled => {
            "the trash of this cluster is off (`fs.trash.interval` of the NameNode is 0): \
             use the quarantine, or have the trash turned on"
                .to_owned()
        }
        HdfsError::DataTransferError(message) => {
            // What follows is a dump of all DataNodes.
            let short = message.split('[').next().unwrap_or(message).trim_end_matches([':', ' ']);
            format!("no DataNode gave or took the data: {short}")
        }
        HdfsError::UnsupportedFeature(message) if message.contains("encryption zone") => {
            "it lies in an encryption zone, and chksweep asks no KMS for keys: it neither reads nor writes there".to_owned()
        }
        HdfsError::IOError(error) => error.to_string(),
        HdfsError::GSSAPIError(_, _, message) => format!("GSSAPI: {message}"),
        HdfsError::ChecksumError
        | HdfsError::InvalidPath(_)
        | HdfsError::InvalidArgument(_)
        | HdfsError::UrlParseError(_)
        | HdfsError::AlreadyExists(_)
        | HdfsError::OperationFailed(_)
        | HdfsError::FileNotFound(_)
        | HdfsError::BlocksNotFound(_)
        | HdfsError::IsADirectoryError(_)
        | HdfsError::UnsupportedErasureCodingPolicy(_)
        | HdfsError::ErasureCodingError(_)
        | HdfsError::UnsupportedFeature(_)
        | HdfsError::InternalError(_)
        | HdfsError::InvalidRPCResponse(_)
        | HdfsError::SASLError(_)
        | HdfsError::NoSASLMechanism
        | HdfsError::XmlParseError(_) => error.to_string(),
    }
}

/// Returns the first line of an exception's message, after the short name of its class.
fn said(class: &str, message: &str) -> String {
    let short = class.rsplit(['.', '$']).next().unwrap_or(class);
    let first = message.lines().next().unwrap_or("").trim();
    if first.is_empty() { short.to_owned() } else { format!("{first} ({short})") }
}

fn of_io(error: &std::io::Error) -> ErrorKind {
    if error.kind() == std::io::ErrorKind::TimedOut { ErrorKind::TimedOut } else { ErrorKind::Unreachable }
}

fn of_java(class: &str, message: &str) -> ErrorKind {
    // A directory opened as a file, and the like, come as "not found" too.
    if class == "java.io.FileNotFoundException" && message.starts_with("Path is not a ") {
        return ErrorKind::WrongType;
    }
    if message.contains("authentication is not enabled") {
        return ErrorKind::Unauthenticated;
    }
    if class == "java.io.IOException"
        && let Some((_, kind)) = PLAIN_MESSAGES.iter().find(|(part, _)| message.contains(part))
    {
        return *kind;
    }
    JAVA_CLASSES.iter().find(|(name, _)| *name == class).map_or(ErrorKind::Other, |(_, kind)| *kind)
}

/// A fatal answer ends the connection while it is being made: there "no access" means "not you".
fn of_fatal(class: &str, message: &str) -> ErrorKind {
    let kind = of_java(class, message);
    if kind == ErrorKind::PermissionDenied { ErrorKind::Unauthenticated } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(class: &str, message: &str) -> (ErrorKind, String) {
        told(&HdfsError::RPCError(class.to_owned(), message.to_owned()))
    }

    #[test]
    fn each_class_stands_in_the_table_once() {
        for (at, (class, _)) in JAVA_CLASSES.iter().enumerate() {
            assert!(!JAVA_CLASSES[at + 1..].iter().any(|(other, _)| other == class), "{class}");
        }
    }

    #[test]
    fn answers_of_the_name_node_are_told_apart() {
        use ErrorKind as K;
        for (class, message, kind) in [
            ("java.io.FileNotFoundException", "File does not exist: /a", K::NotFound),
            ("java.io.FileNotFoundException", "Path is not a file: /a", K::WrongType),
            ("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "Cannot delete /a.", K::Busy),
            ("org.apache.hadoop.ipc.RetriableException", "NameNode still not started", K::Busy),
            ("org.apache.hadoop.ipc.StandbyException", "Operation category READ is not supported", K::Busy),
            (
                "org.apache.hadoop.security.AccessControlException",
                "Permission denied: user=x",
                K::PermissionDenied,
            ),
            (
                "org.apache.hadoop.security.AccessControlException",
                "SIMPLE authentication is not enabled.",
                K::Unauthenticated,
            ),
            ("org.apache.hadoop.fs.PathIsNotEmptyDirectoryException", "`/a is non empty'", K::NotEmpty),
            (
                "org.apache.hadoop.hdfs.protocol.NSQuotaExceededException",
                "The NameSpace quota",
                K::QuotaExceeded,
            ),
            ("java.io.IOException", "/a can't be moved from an encryption zone.", K::Unsupported),
            (
                "java.io.IOException",
                "Source /a and destination /b must both be directories",
                K::AlreadyExists,
            ),
            ("java.io.IOException", "anything", K::Other),
            ("java.lang.NullPointerException", "", K::Other),
            ("a.b.Unheard", "of", K::Other),
        ] {
            assert_eq!(rpc(class, message).0, kind, "{class}: {message}");
        }
    }

    #[test]
    fn only_what_says_not_there_is_not_found() {
        let by_table = JAVA_CLASSES.iter().filter(|(_, kind)| *kind == ErrorKind::NotFound).count();
        assert_eq!(by_table, 1);
        let io = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(told(&HdfsError::IOError(io)).0, ErrorKind::Unreachable);
        assert_eq!(told(&HdfsError::BlocksNotFound("/a".to_owned())).0, ErrorKind::Corrupt);
        assert_eq!(told(&HdfsError::FileNotFound("/a".to_owned())).0, ErrorKind::NotFound);
    }

    #[test]
    fn one_line_is_left_of_a_stack_trace() {
        let (_, message) = rpc(
            "org.apache.hadoop.security.AccessControlException",
            "Permission denied: user=gc\n\tat org.apache.hadoop.hdfs.X\n\tat y",
        );
        assert_eq!(message, "Permission denied: user=gc (AccessControlException)");
        assert_eq!(rpc("java.lang.NullPointerException", "").1, "NullPointerException");
        let dump = HdfsError::DataTransferError("All DataNodes failed: [DatanodeInfo { … }]".to_owned());
        assert_eq!(told(&dump).1, "no DataNode gave or took the data: All DataNodes failed");
    }

    #[test]
    fn who_is_refused_at_the_door_is_not_authenticated() {
        let fatal = |class: &str| told(&HdfsError::FatalRPCError(class.to_owned(), String::new())).0;
        assert_eq!(fatal("org.apache.hadoop.security.AccessControlException"), ErrorKind::Unauthenticated);
        assert_eq!(fatal("org.apache.hadoop.ipc.StandbyException"), ErrorKind::Busy);
        let library = HdfsError::OperationFailed("Failed to load libgssapi_krb".to_owned());
        assert_eq!(told(&library).0, ErrorKind::Unauthenticated);
        assert_eq!(told(&HdfsError::OperationFailed("else".to_owned())).0, ErrorKind::Other);
        assert_eq!(told(&HdfsError::NoSASLMechanism).0, ErrorKind::Unauthenticated);
    }

    #[test]
    fn lost_connections_are_unreachable_and_may_have_happened() {
        let lost = std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "RPC listener disconnected");
        let (kind, message) = told(&HdfsError::IOError(lost));
        assert_eq!((kind, message.as_str()), (ErrorKind::Unreachable, "RPC listener disconnected"));
        assert!(kind.outcome_is_unknown());
        let slow = std::io::Error::from(std::io::ErrorKind::TimedOut);
        assert_eq!(told(&HdfsError::IOError(slow)).0, ErrorKind::TimedOut);
    }

    #[test]
    fn a_trash_that_is_off_says_what_to_do() {
        let (kind, message) = told(&HdfsError::TrashNotEnabled);
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(message.contains("fs.trash.interval"));
    }
}
