//! Which locations a store accepts: its own scheme and authority, and a path that means the same to everyone.

use chksweep_core::Location;

use crate::error::{ErrorKind, Operation, StoreError};

/// Returns the path of `location`, or why a store of `scheme` and `authority` must not touch it.
///
/// A path with `.`, `..`, an empty component or a NUL is refused: a disk would resolve it to another place than
/// the planner's comparison by bytes does.
pub(crate) fn checked<'l>(
    location: &'l Location,
    scheme: &str,
    authority: &str,
    operation: Operation,
) -> Result<&'l [u8], StoreError> {
    if location.scheme() != Some(scheme) || location.authority() != authority {
        let message = format!("the path is not one of {scheme}://{authority}");
        return Err(StoreError::new(ErrorKind::Unsupported, operation, location, message));
    }
    let path = location.path();
    let Some(below_root) = path.strip_prefix(b"/") else {
        return Err(unrepresentable(location, operation, "the path is not absolute"));
    };
    if below_root.contains(&0) {
        return Err(unrepresentable(location, operation, "the path contains a NUL"));
    }
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    if below_root.is_empty() || below_root.split(|b| *b == b'/').all(plain) {
        return Ok(path);
    }
    Err(unrepresentable(location, operation, "the path has an empty, `.` or `..` component"))
}

fn unrepresentable(location: &Location, operation: Operation, message: &str) -> StoreError {
    StoreError::new(ErrorKind::Unrepresentable, operation, location, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_of_the_own_store_are_taken() {
        let at = |path: &[u8]| Location::from_parts(Some("hdfs"), Some("ns"), path);
        let check =
            |path: &[u8]| checked(&at(path), "hdfs", "ns", Operation::Stat).map_err(|e| e.kind).is_ok();
        assert!(check(b"/"));
        assert!(check(b"/a/b c/..d/\xff"));
        for odd in [&b""[..], b"a", b"/a/", b"//a", b"/a//b", b"/./a", b"/a/..", b"/a\0b"] {
            assert!(!check(odd), "{odd:?}");
        }
        let kind = checked(&at(b"/a"), "hdfs", "other", Operation::Stat).unwrap_err().kind;
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(checked(&Location::local(b"/a"), "hdfs", "ns", Operation::Stat).is_err());
    }
}
