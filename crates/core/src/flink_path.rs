//! Path strings as Flink reads them: `new Path(String)` and `new Path(Path, String)`, exactly.
//!
//! Every path in a `_metadata` goes through `org.apache.flink.core.fs.Path`, which normalises slashes itself and
//! leaves `.` and `..` to `java.net.URI`. Both have corners, and where they refuse a string Flink cannot read the
//! file. The rules here were written from Flink 2.3's `Path` and JDK 17's `URI`, and compared with both by running
//! them.
//!
//! Strings are WTF-8 here: UTF-8 in which a lone surrogate keeps its three bytes, so that none is lost.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use memchr::{memchr, memrchr};

use crate::location::Location;

/// Why Flink's `Path` refuses a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The string is empty, or a relative one names nothing.
    #[error("the path is empty")]
    Empty,
    /// What stands before the colon is not a scheme.
    #[error("the scheme is not a letter followed by letters, digits, `+`, `-` and `.`")]
    Scheme,
    /// A scheme is followed by a path that does not start with a slash.
    #[error("a relative path follows the scheme")]
    RelativeWithScheme,
    /// Nothing follows the scheme.
    #[error("nothing follows the scheme")]
    NothingAfterScheme,
    /// The authority has brackets that are not those of an IPv6 address.
    #[error("the authority is malformed")]
    Authority,
}

/// A normalised path in its parts, borrowed from the string where that was normal already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlinkPath<'a> {
    scheme: Option<Cow<'a, str>>,
    authority: Option<Cow<'a, [u8]>>,
    path: Cow<'a, [u8]>,
}

/// Reads a string as `new Path(text)` does.
///
/// # Errors
///
/// Where Flink's `Path` throws.
pub fn parse(text: &[u8]) -> Result<Location, PathError> {
    FlinkPath::parse(text).map(|path| path.to_location())
}

/// Reads a string against a directory as `new Path(directory, relative)` does.
///
/// # Errors
///
/// Where Flink's `Path` throws: an empty string, one with a scheme, and a few more.
pub fn resolve(directory: &Location, relative: &[u8]) -> Result<Location, PathError> {
    if is_plain_name(relative) {
        return Ok(directory.child(relative));
    }
    FlinkPath::resolve(directory, relative).map(|path| path.to_location())
}

/// Returns whether a relative string is a single component that no rule touches, as Flink itself writes them.
pub fn is_plain_name(relative: &[u8]) -> bool {
    !relative.is_empty()
        && relative != b"."
        && relative != b".."
        && !relative.iter().any(|b| matches!(b, b'/' | b'\\' | b':'))
}

impl<'a> FlinkPath<'a> {
    /// Reads a string as `new Path(text)` does.
    ///
    /// # Errors
    ///
    /// Where Flink's `Path` throws.
    pub fn parse(text: &'a [u8]) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if starts_with_drive(text) {
            let slashed = [b"/", text].concat();
            return Self::new(None, None, Cow::Owned(slashed));
        }
        let mut rest = text;
        let mut scheme = None;
        if let Some(colon) = memchr(b':', text)
            && memchr(b'/', text).is_none_or(|slash| colon < slash)
        {
            scheme = text.get(..colon);
            rest = text.get(colon + 1..).unwrap_or(b"");
        }
        let mut authority = None;
        if let Some(after) = rest.strip_prefix(b"//")
            && !after.is_empty()
        {
            let end = memchr(b'/', after).unwrap_or(after.len());
            authority = after.get(..end);
            rest = after.get(end..).unwrap_or(b"");
        }
        Self::new(scheme.map(Cow::Borrowed), authority.map(Cow::Borrowed), Cow::Borrowed(rest))
    }

    /// Reads a string against a directory as `new Path(directory, relative)` does.
    ///
    /// # Errors
    ///
    /// Where Flink's `Path` throws.
    pub fn resolve(directory: &Location, relative: &[u8]) -> Result<FlinkPath<'static>, PathError> {
        let mut child = FlinkPath::parse(relative)?;
        if let Some(below) = child.path.strip_prefix(b"/") {
            if below.is_empty() {
                return Err(PathError::Empty);
            }
            let below = Cow::Owned(below.to_vec());
            child = FlinkPath::new(child.scheme.map(scheme_bytes), child.authority, below)?;
        }
        if child.scheme.is_some() {
            return Ok(child.into_owned());
        }
        let scheme = directory.scheme().map(|scheme| Cow::Owned(scheme.as_bytes().to_vec()));
        if let Some(authority) = child.authority {
            let authority = Cow::Owned(authority.into_owned());
            return FlinkPath::new(scheme, Some(authority), Cow::Owned(child.path.into_owned()));
        }
        let authority = Some(directory.authority()).filter(|authority| !authority.is_empty());
        let mut path = directory.path().to_vec();
        if path != b"/" && !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&child.path);
        let path = remove_dots(&path).map_or(path.clone(), |clean| clean);
        FlinkPath::new(scheme, authority.map(|a| Cow::Owned(a.as_bytes().to_vec())), Cow::Owned(path))
    }

    /// Returns the scheme.
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// Returns the authority; `hdfs:///x` and `hdfs:/x` have none.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref()
    }

    /// Returns the path component as it is printed.
    pub fn path(&self) -> &[u8] {
        if self.scheme.is_none()
            && self.authority.is_none()
            && let Some(rest) = self.path.strip_prefix(b"/")
            && starts_with_drive(rest)
        {
            return rest;
        }
        &self.path
    }

    /// Returns the path as a location.
    pub fn to_location(&self) -> Location {
        location(self.scheme(), self.authority(), self.path())
    }

    /// `new URI(scheme, authority, normalised path).normalize()`.
    fn new(
        scheme: Option<Cow<'a, [u8]>>,
        authority: Option<Cow<'a, [u8]>>,
        path: Cow<'a, [u8]>,
    ) -> Result<Self, PathError> {
        let path = collapse_slashes(path);
        let mut uri = match scheme {
            Some(scheme) => Self::with_scheme(scheme, authority, path)?,
            None => Self::without_scheme(authority, path)?,
        };
        if let Some(clean) = remove_dots(&uri.path) {
            uri.path = Cow::Owned(clean);
        }
        Ok(uri)
    }

    fn with_scheme(
        scheme: Cow<'a, [u8]>,
        authority: Option<Cow<'a, [u8]>>,
        path: Cow<'a, [u8]>,
    ) -> Result<Self, PathError> {
        if !path.is_empty() && !path.starts_with(b"/") {
            return Err(PathError::RelativeWithScheme);
        }
        if let Some(at) = memchr::memchr2(b'?', b'#', &scheme) {
            return Self::before_query(&scheme, at);
        }
        let scheme = check_scheme(scheme)?;
        // An empty authority before a path is as good as none.
        let authority = authority.filter(|authority| !authority.is_empty());
        if authority.is_none() && path.is_empty() {
            return Err(PathError::NothingAfterScheme);
        }
        check_authority(authority.as_deref())?;
        Ok(Self { scheme: Some(scheme), authority, path })
    }

    /// What stands before the colon is not quoted, so `URI` takes a `?` or `#` there for the start of a query: then
    /// the path is what stands before that, and the rest is lost.
    fn before_query(scheme: &[u8], at: usize) -> Result<Self, PathError> {
        let (path, query) = scheme.split_at_checked(at).ok_or(PathError::Scheme)?;
        let fragment = memchr(b'#', query).and_then(|at| query.get(at + 1..)).unwrap_or(b"");
        if !is_quoted(path, b"_-!.~'()*:@&=+$,;/")
            || !is_quoted(query, b"_-!.~'()*:@&=+$,;/?#[]")
            || memchr(b'#', fragment).is_some()
        {
            return Err(PathError::Scheme);
        }
        Ok(Self { scheme: None, authority: None, path: Cow::Owned(unquote(path)) })
    }

    fn without_scheme(authority: Option<Cow<'a, [u8]>>, path: Cow<'a, [u8]>) -> Result<Self, PathError> {
        let Some(authority) = authority else {
            return Self::bare(path);
        };
        check_authority(Some(&authority))?;
        if path.is_empty() || path.starts_with(b"/") {
            let authority = Some(authority).filter(|authority| !authority.is_empty());
            return Ok(Self { scheme: None, authority, path });
        }
        // `//h` and `f/g` are put together to `//hf/g` before `URI` looks for the parts.
        let end = memchr(b'/', &path).unwrap_or(path.len());
        let joined = [authority.as_ref(), path.get(..end).unwrap_or(b"")].concat();
        let path = Cow::Owned(path.get(end..).unwrap_or(b"").to_vec());
        Ok(Self { scheme: None, authority: Some(Cow::Owned(joined)), path })
    }

    /// A string without scheme and authority; a colon in its first component makes one after all.
    fn bare(path: Cow<'a, [u8]>) -> Result<Self, PathError> {
        let colon =
            memchr(b':', &path).filter(|colon| memchr(b'/', &path).is_none_or(|slash| *colon < slash));
        // `.normalize()` may have put a `.` before a first component with a colon; `URI` takes that for a path.
        let Some(colon) = colon.filter(|_| !path.starts_with(b"/")) else {
            return Ok(Self { scheme: None, authority: None, path });
        };
        let scheme = check_scheme(Cow::Owned(path.get(..colon).unwrap_or(b"").to_vec()))?;
        match path.get(colon + 1..).unwrap_or(b"") {
            b"" => Err(PathError::NothingAfterScheme),
            rest if rest.starts_with(b"/") => {
                Ok(Self { scheme: Some(scheme), authority: None, path: Cow::Owned(rest.to_vec()) })
            }
            _ => Err(PathError::RelativeWithScheme),
        }
    }

    fn into_owned(self) -> FlinkPath<'static> {
        FlinkPath {
            scheme: self.scheme.map(|scheme| Cow::Owned(scheme.into_owned())),
            authority: self.authority.map(|authority| Cow::Owned(authority.into_owned())),
            path: Cow::Owned(self.path.into_owned()),
        }
    }
}

/// Puts a location together whose authority may be any bytes.
pub(crate) fn location(scheme: Option<&str>, authority: Option<&[u8]>, path: &[u8]) -> Location {
    let Some(authority) = authority else {
        return Location::from_parts(scheme, None, path);
    };
    if let Ok(authority) = std::str::from_utf8(authority) {
        return Location::from_parts(scheme, Some(authority), path);
    }
    // A lone surrogate: no file system has such an authority, so it need only be printed and told apart.
    Location::from_parts(scheme, Some(""), &[authority, path].concat())
}

fn scheme_bytes(scheme: Cow<'_, str>) -> Cow<'_, [u8]> {
    match scheme {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn starts_with_drive(text: &[u8]) -> bool {
    matches!(text, [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn check_scheme(scheme: Cow<'_, [u8]>) -> Result<Cow<'_, str>, PathError> {
    let legal = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !legal {
        return Err(PathError::Scheme);
    }
    match scheme {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| PathError::Scheme),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| PathError::Scheme),
    }
}

/// Whether there is nothing but letters, digits, the given marks, escapes, and what is not ASCII.
fn is_quoted(text: &[u8], marks: &[u8]) -> bool {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (byte, after) if byte.is_ascii_alphanumeric() || marks.contains(byte) || *byte >= 0x80 => after,
            _ => return false,
        };
    }
    // Java's `URI` takes other characters but for controls and spaces.
    text.utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .all(|c| c.is_ascii() || !(c.is_control() || c.is_whitespace()))
}

/// Replaces escapes by the bytes for which they stand.
fn unquote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or(b"") } else { after };
    }
    out
}

/// Flink quotes an authority before `URI` reads it, so everything passes but stray brackets.
fn check_authority(authority: Option<&[u8]>) -> Result<(), PathError> {
    let Some(authority) = authority else { return Ok(()) };
    if !authority.iter().any(|b| matches!(b, b'[' | b']')) {
        return Ok(());
    }
    let host = memchr(b'@', authority).and_then(|at| authority.get(at + 1..)).unwrap_or(authority);
    let inner = host.strip_prefix(b"[").ok_or(PathError::Authority)?;
    let close = memchr(b']', inner).ok_or(PathError::Authority)?;
    let address = inner.get(..close).unwrap_or(b"");
    let port = inner.get(close + 1..).unwrap_or(b"");
    let address = memchr(b'%', address).and_then(|at| address.get(..at)).unwrap_or(address);
    let is_address = std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    let is_port = match port.strip_prefix(b":") {
        Some(digits) => digits.iter().all(u8::is_ascii_digit),
        None => port.is_empty(),
    };
    if is_address && is_port { Ok(()) } else { Err(PathError::Authority) }
}

/// `\` to `/`, several slashes to one, none at the end (but for `/` and `/C:/`).
fn collapse_slashes(path: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let clean = memchr(b'\\', &path).is_none()
        && memchr::memmem::find(&path, b"//").is_none()
        && (path.len() <= 1 || !path.ends_with(b"/"));
    if clean {
        return path;
    }
    let mut out = Vec::with_capacity(path.len());
    for byte in path.iter().map(|b| if *b == b'\\' { b'/' } else { *b }) {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    if out.len() > 1 && out.ends_with(b"/") && !is_drive_root(&out) {
        out.pop();
    }
    Cow::Owned(out)
}

/// Whether the path is `/C:/`; Flink allows several letters here.
fn is_drive_root(path: &[u8]) -> bool {
    path.strip_prefix(b"/")
        .and_then(|rest| rest.strip_suffix(b":/"))
        .is_some_and(|letters| !letters.is_empty() && letters.iter().all(u8::is_ascii_alphabetic))
}

/// Removes `.` and `..` as `URI.normalize` does: a leading `..` stays, and so does the slash after a component
/// that has become the last. Returns nothing when there is nothing to remove.
fn remove_dots(path: &[u8]) -> Option<Vec<u8>> {
    let dotted = path.starts_with(b".") || memchr::memmem::find(path, b"/.").is_some();
    if !dotted || !path.split(|b| *b == b'/').any(|part| part == b"." || part == b"..") {
        return None;
    }
    let (absolute, relative) = match path.strip_prefix(b"/") {
        Some(rest) => (true, rest),
        None => (false, path),
    };
    let count = relative.split(|b| *b == b'/').filter(|part| !part.is_empty()).count();
    let ends_in_slash = relative.ends_with(b"/");
    let mut kept: Vec<(usize, &[u8])> = Vec::with_capacity(count);
    for (at, part) in relative.split(|b| *b == b'/').filter(|part| !part.is_empty()).enumerate() {
        match part {
            b"." => {}
            b".." if kept.last().is_some_and(|(_, last)| *last != b"..") => {
                kept.pop();
            }
            part => kept.push((at, part)),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    if absolute {
        out.push(b'/');
    } else if kept.first().is_some_and(|(at, part)| *at > 0 && memchr(b':', part).is_some()) {
        out.extend_from_slice(b"./");
    }
    for (at, part) in kept {
        out.extend_from_slice(part);
        if at + 1 < count || ends_in_slash {
            out.push(b'/');
        }
    }
    Some(out)
}

/// Splits a printed path behind its last slash; the name of a path without one is all of it.
pub(crate) fn split_name(path: &[u8]) -> (&[u8], &[u8]) {
    let cut = memrchr(b'/', path).map_or(0, |slash| slash + 1);
    path.split_at_checked(cut).unwrap_or((b"", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        parse(text.as_bytes()).map_or_else(|error| format!("{error:?}"), |location| location.to_string())
    }

    fn resolved(relative: &str) -> String {
        let directory = Location::normalised("hdfs", "ns", b"/r/chk-7");
        resolve(&directory, relative.as_bytes())
            .map_or_else(|error| format!("{error:?}"), |location| location.to_string())
    }

    /// Each right side is what Flink 2.3's `Path` prints, with an absent authority printed empty.
    #[test]
    fn strings_are_read_as_flink_reads_them() {
        for (text, expected) in [
            ("hdfs://ns1//a///b", "hdfs://ns1/a/b"),
            ("hdfs://ns1/a/", "hdfs://ns1/a"),
            ("hdfs:/a/b", "hdfs:///a/b"),
            ("hdfs:///a/b", "hdfs:///a/b"),
            ("hdfs://ns1/a\\b", "hdfs://ns1/a/b"),
            ("hdfs://a\\b/c", "hdfs://a\\b/c"),
            ("hdfs://ns1/a/../b/./c", "hdfs://ns1/b/c"),
            ("hdfs://ns1/../a/../../b", "hdfs://ns1/../../b"),
            ("hdfs://ns/a/b/..", "hdfs://ns/a/"),
            ("hdfs://ns/a/.", "hdfs://ns/a/"),
            ("hdfs://ns/.", "hdfs://ns/"),
            ("hdfs://ns1/a?b#c", "hdfs://ns1/a?b#c"),
            ("hdfs://ns1/a%2Fb", "hdfs://ns1/a%2Fb"),
            ("hdfs://h?q/x", "hdfs://h?q/x"),
            ("hdfs://u@h:p:q/x", "hdfs://u@h:p:q/x"),
            ("hdfs://[::1]:80/x", "hdfs://[::1]:80/x"),
            ("hdfs://ns1", "hdfs://ns1"),
            ("a%20b?c:/d", "a b"),
            ("#a:/b", ""),
            ("hdfs://", "hdfs:///"),
            ("hdfs:////", "hdfs:///"),
            ("HDFS://NS1/A", "HDFS://NS1/A"),
            ("/a/b", "/a/b"),
            ("b", "b"),
            ("..", ".."),
            ("../a", "../a"),
            (".", ""),
            ("./a:b", "./a:b"),
            ("a/../b:c", "./b:c"),
            ("//h", "//h"),
            ("//", "/"),
            ("C:\\x\\y", "C:/x/y"),
            ("C:/", "C:/"),
            ("c:/../x", "/x"),
            ("file:/C:/", "file:///C:/"),
            ("file:/tmp/x", "file:///tmp/x"),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }

    #[test]
    fn strings_that_flink_refuses_are_refused() {
        for (text, expected) in [
            ("", PathError::Empty),
            ("1a:/b", PathError::Scheme),
            (":/a", PathError::Scheme),
            ("a b?c:/d", PathError::Scheme),
            ("hd fs:/x", PathError::Scheme),
            ("hdfs:", PathError::NothingAfterScheme),
            ("hdfs:a/b", PathError::RelativeWithScheme),
            ("hdfs://[x]/x", PathError::Authority),
            ("hdfs://a[b/x", PathError::Authority),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(expected), "{text}");
        }
    }

    #[test]
    fn relative_names_resolve_as_in_flink() {
        for (text, expected) in [
            ("f", "hdfs://ns/r/chk-7/f"),
            ("a/b", "hdfs://ns/r/chk-7/a/b"),
            ("a\\b", "hdfs://ns/r/chk-7/a/b"),
            ("../f", "hdfs://ns/r/f"),
            (".", "hdfs://ns/r/chk-7"),
            ("/f", "hdfs://ns/r/chk-7/f"),
            ("//h/f", "hdfs://hf"),
            ("a:/f", "a:///f"),
            ("hdfs://h/f", "RelativeWithScheme"),
            ("ab:c", "RelativeWithScheme"),
            ("", "Empty"),
            ("/", "Empty"),
        ] {
            assert_eq!(resolved(text), expected, "{text}");
        }
    }

    #[test]
    fn a_lone_surrogate_survives() {
        let text = b"hdfs://ns1/\xed\xa0\xbdx";
        assert_eq!(parse(text).unwrap().as_bytes(), text);
        let authority = b"hdfs://\xed\xa0\xbd/x";
        assert_eq!(parse(authority).unwrap().as_bytes(), authority);
    }

    #[test]
    fn what_is_normal_is_borrowed() {
        let path = FlinkPath::parse(b"hdfs://ns1/a/b").unwrap();
        assert!(matches!(path.path, Cow::Borrowed(_)));
        assert_eq!(split_name(path.path()), (&b"/a/"[..], &b"b"[..]));
    }
}
