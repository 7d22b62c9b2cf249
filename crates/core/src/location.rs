//! Where a file or directory lies: a scheme, an authority and a normalised path, as bytes.
//!
//! A path on HDFS is a string of bytes, and so is a name on a local disk; text appears only when a location is
//! printed. Two locations are equal when their printed bytes are: no default authority is filled in and nothing
//! is percent-decoded. Whether two *different* spellings are one file is a question for [`crate::equivalence`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::fmt::Write as _;

/// A place on some file system: `hdfs://ns/flink/x`, `file:///x`, or a string without a scheme.
///
/// The bytes are kept in the form that chksweep prints: scheme, `://`, authority (possibly empty), path. The
/// path of a location with a scheme starts with `/` and carries no trailing slash (but for the root itself).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location {
    text: Box<[u8]>,
    scheme_len: u16,
    path_start: u32,
}

impl Location {
    /// Puts a location together from its parts; `path` is taken as it is.
    ///
    /// The caller has normalised `path`: [`crate::flink_path`] does it for strings that Flink wrote,
    /// [`Location::normalised`] for what a person typed.
    pub fn from_parts(scheme: Option<&str>, authority: Option<&str>, path: &[u8]) -> Self {
        let mut text = Vec::with_capacity(path.len() + 16 + authority.map_or(0, str::len));
        let mut scheme_len = 0;
        if let Some(scheme) = scheme {
            scheme_len = u16::try_from(scheme.len()).unwrap_or(u16::MAX);
            text.extend_from_slice(scheme.as_bytes());
            text.extend_from_slice(b"://");
        } else if authority.is_some() {
            text.extend_from_slice(b"//");
        }
        text.extend_from_slice(authority.unwrap_or("").as_bytes());
        let path_start = u32::try_from(text.len()).unwrap_or(u32::MAX);
        text.extend_from_slice(path);
        Self { text: text.into_boxed_slice(), scheme_len, path_start }
    }

    /// Puts a location together, collapsing `//`, `.`, `..` and a trailing `/` of an absolute path.
    ///
    /// Unlike Flink's own normalisation this leaves `\` alone: a name on disk may contain one.
    pub fn normalised(scheme: &str, authority: &str, path: &[u8]) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in path.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let mut clean = vec![b'/'];
        clean.extend_from_slice(&parts.join(&b'/'));
        Self::from_parts(Some(scheme), Some(authority), &clean)
    }

    /// Returns the location of a local path, which must be absolute.
    pub fn local(path: &[u8]) -> Self {
        Self::normalised("file", "", path)
    }

    /// Reads a location as chksweep prints it: `scheme://authority/path`, or a string without a scheme.
    pub fn from_printed(text: &[u8]) -> Option<Self> {
        let Some(at) = text.windows(3).position(|w| w == b"://") else {
            return (!text.is_empty()).then(|| Self::from_parts(None, None, text));
        };
        let scheme = std::str::from_utf8(text.get(..at)?).ok()?;
        let rest = text.get(at + 3..)?;
        let path = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
        let authority = std::str::from_utf8(rest.get(..path)?).ok()?;
        Some(Self::from_parts(Some(scheme), Some(authority), rest.get(path..)?))
    }

    /// Returns the printed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Returns the scheme, or nothing for a string that has none.
    pub fn scheme(&self) -> Option<&str> {
        match self.scheme_len {
            0 => None,
            n => std::str::from_utf8(self.text.get(..usize::from(n))?).ok(),
        }
    }

    /// Returns the authority; empty when the string has none.
    pub fn authority(&self) -> &str {
        let start = match (self.scheme_len, self.path_start) {
            (_, 0) => 0,
            (0, _) => 2,
            (n, _) => usize::from(n) + 3,
        };
        self.text.get(start..self.path_index()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }

    /// Returns the path component: what follows scheme and authority.
    pub fn path(&self) -> &[u8] {
        self.text.get(self.path_index()..).unwrap_or(b"")
    }

    /// Returns the path as text, or nothing where it is not UTF-8.
    pub fn path_str(&self) -> Option<&str> {
        std::str::from_utf8(self.path()).ok()
    }

    /// Returns whether the string had a scheme; one without cannot be resolved to a file system.
    pub fn is_resolvable(&self) -> bool {
        self.scheme_len != 0
    }

    /// Returns the last component of the path; empty for the root of a file system.
    pub fn name(&self) -> &[u8] {
        let path = self.path();
        path.iter().rposition(|b| *b == b'/').and_then(|at| path.get(at + 1..)).unwrap_or(path)
    }

    /// Returns the directory that holds this location, or nothing for the root of a file system.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let path = self.path();
        let cut = path.iter().rposition(|b| *b == b'/')?;
        if path.len() <= 1 {
            return None;
        }
        let keep = if cut == 0 { 1 } else { cut };
        Some(self.with_path(path.get(..keep)?))
    }

    /// Returns the location of an entry of this directory; `name` is a single component, taken as it is.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        let mut path = Vec::with_capacity(self.path().len() + 1 + name.len());
        path.extend_from_slice(self.path());
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        self.with_path(&path)
    }

    /// Returns the same file system with another path.
    #[must_use]
    pub fn with_path(&self, path: &[u8]) -> Self {
        let mut text = Vec::with_capacity(self.path_index() + path.len());
        text.extend_from_slice(self.text.get(..self.path_index()).unwrap_or(b""));
        text.extend_from_slice(path);
        Self { text: text.into_boxed_slice(), scheme_len: self.scheme_len, path_start: self.path_start }
    }

    /// Returns what follows `directory` in this location, without a leading slash; empty when they are equal.
    ///
    /// Compared by component: `/a/bc` does not lie below `/a/b`.
    pub fn below(&self, directory: &Self) -> Option<&[u8]> {
        if self.text.get(..self.path_index()) != directory.text.get(..directory.path_index()) {
            return None;
        }
        path_below(self.path(), directory.path())
    }

    /// Returns whether this location is `directory` or lies below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        self.below(directory).is_some()
    }

    /// Returns the components of the path.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.path().split(|b| *b == b'/').filter(|part| !part.is_empty())
    }

    fn path_index(&self) -> usize {
        usize::try_from(self.path_start).unwrap_or(usize::MAX)
    }
}

/// Returns what follows `directory` in `path`, by component.
pub fn path_below<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    if directory == b"/" {
        return path.strip_prefix(b"/");
    }
    let rest = path.strip_prefix(directory)?;
    match rest.first() {
        None => Some(rest),
        Some(b'/') => rest.get(1..),
        Some(_) => None,
    }
}

impl Ord for Location {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl PartialOrd for Location {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.text))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Location {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&printable(&self.text))
    }
}

/// Returns the bytes of a path as text: as they are when they are UTF-8, else with `\xHH` for the bytes that are
/// not, and `\\` for a backslash, so that the text tells one such path from another.
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _never = write!(out, "\\x{byte:02X}");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_again() {
        let location = Location::from_parts(Some("hdfs"), Some("ns:8020"), b"/a/b");
        assert_eq!(location.to_string(), "hdfs://ns:8020/a/b");
        assert_eq!(
            (location.scheme(), location.authority(), location.path()),
            (Some("hdfs"), "ns:8020", &b"/a/b"[..])
        );
        let bare = Location::from_parts(None, None, b"a/b");
        assert_eq!((bare.scheme(), bare.authority(), bare.path()), (None, "", &b"a/b"[..]));
        assert_eq!(Location::from_parts(Some("hdfs"), None, b"/a").to_string(), "hdfs:///a");
    }

    #[test]
    fn parents_and_children_are_inverse() {
        let root = Location::local(b"/");
        assert_eq!(root.parent(), None);
        let child = root.child(b"a");
        assert_eq!(child.to_string(), "file:///a");
        assert_eq!(child.parent(), Some(root));
        assert_eq!(child.child(b"b").parent(), Some(child));
    }

    #[test]
    fn below_is_by_component() {
        let a = Location::local(b"/a/b");
        assert_eq!(Location::local(b"/a/b/c/d").below(&a), Some(&b"c/d"[..]));
        assert_eq!(a.below(&a), Some(&b""[..]));
        assert_eq!(Location::local(b"/a/bc").below(&a), None);
        assert_eq!(Location::normalised("hdfs", "n", b"/a/b/c").below(&a), None);
        assert_eq!(Location::local(b"/a").below(&Location::local(b"/")), Some(&b"a"[..]));
    }

    #[test]
    fn what_a_person_types_is_normalised() {
        assert_eq!(Location::local(b"//a/./b/../c/").to_string(), "file:///a/c");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_apart() {
        assert_eq!(printable(b"/a\\b"), "/a\\b");
        assert_eq!(printable(b"/a\\\xff"), "/a\\\\\\xFF");
    }
}
