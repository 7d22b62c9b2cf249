//! What a person types, made a location: `hdfs://ns/x`, `viewfs://…`, `file:///x`, or a path of this machine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chksweep_core::Location;
use chksweep_core::location::printable;

/// The schemes that chksweep can open.
pub(crate) const SCHEMES: [&str; 3] = ["file", "hdfs", "viewfs"];

/// Returns the scheme of a text and what follows `:`, if it has one: letters, then `:/`. Hadoop and Flink print
/// `hdfs:/x` as well as `hdfs:///x`.
pub(crate) fn scheme_of(text: &[u8]) -> Option<(&str, &[u8])> {
    let colon = text.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))?;
    let (scheme, rest) = text.split_at_checked(colon)?;
    let rest = rest.strip_prefix(b":")?;
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic) && rest.starts_with(b"/");
    if named { Some((std::str::from_utf8(scheme).ok()?, rest)) } else { None }
}

/// Reads what a person typed. A path without a scheme is one of this machine, seen from `here`; symbolic links are
/// left as they are.
///
/// # Errors
///
/// Says what is wrong with the text.
pub(crate) fn parse(text: &OsStr, here: Option<&Path>) -> Result<Location, String> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err("an empty text is no location".to_owned());
    }
    if bytes.contains(&0) {
        return Err(format!("`{}` holds a NUL byte", printable(bytes)));
    }
    let Some((scheme, rest)) = scheme_of(bytes) else { return local(bytes, here) };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = split(rest);
    let authority = std::str::from_utf8(authority)
        .map_err(|_| format!("`{}` has an authority that is not UTF-8", printable(bytes)))?;
    match scheme.as_str() {
        "file" if authority.is_empty() || authority == "localhost" => Ok(Location::local(path)),
        "file" => Err(format!("`{}` names a host: write `file:///path`", printable(bytes))),
        _ => Ok(Location::normalised(&scheme, authority, path)),
    }
}

/// Reads what a person typed, and refuses what chksweep cannot open.
///
/// # Errors
///
/// Says what is wrong with the text.
pub(crate) fn parse_openable(text: &OsStr, here: Option<&Path>) -> Result<Location, String> {
    let location = parse(text, here)?;
    match location.scheme() {
        Some(scheme) if SCHEMES.contains(&scheme) => Ok(location),
        Some(scheme) => Err(format!(
            "`{location}`: the scheme `{scheme}` cannot be opened; those that can are `{}`",
            SCHEMES.join("`, `")
        )),
        None => Err(format!("`{location}` has no scheme")),
    }
}

fn local(path: &[u8], here: Option<&Path>) -> Result<Location, String> {
    if path.starts_with(b"/") {
        return Ok(Location::local(path));
    }
    let here = here.ok_or_else(|| {
        format!(
            "`{}` is a relative path: write an absolute one, or a location with a scheme",
            printable(path)
        )
    })?;
    let mut full = here.as_os_str().as_bytes().to_vec();
    full.push(b'/');
    full.extend_from_slice(path);
    Ok(Location::local(&full))
}

/// Splits what follows `scheme:` into authority and path.
fn split(rest: &[u8]) -> (&[u8], &[u8]) {
    let Some(rest) = rest.strip_prefix(b"//") else { return (b"", rest) };
    let slash = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(slash).unwrap_or((rest, b""));
    (authority, if path.is_empty() { b"/" } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_location(typed: &[u8], expected: &str) {
        let read = parse(OsStr::from_bytes(typed), Some(Path::new("/here"))).map(|l| l.to_string());
        assert_eq!(read.as_deref(), Ok(expected));
    }

    #[test]
    fn every_spelling_is_read() {
        for (typed, expected) in [
            ("a/b/", "file:///here/a/b"),
            ("./a/../b", "file:///here/b"),
            ("../x", "file:///x"),
            ("/a//b/.", "file:///a/b"),
            ("file:///a/b/", "file:///a/b"),
            ("file:/a", "file:///a"),
            ("file://localhost/a", "file:///a"),
            ("hdfs:/a", "hdfs:///a"),
            ("hdfs:///a/", "hdfs:///a"),
            ("HDFS://NS:8020/a", "hdfs://NS:8020/a"),
            ("hdfs://ns", "hdfs://ns/"),
            ("viewfs://c/a%20b", "viewfs://c/a%20b"),
            ("a:b", "file:///here/a:b"),
            ("day=1:/x", "file:///here/day=1:/x"),
        ] {
            assert_location(typed.as_bytes(), expected);
        }
        assert_location(b"/a\xff", "file:///a\\xFF");
    }

    #[test]
    fn what_cannot_be_opened_is_refused() {
        let open = |text: &str| parse_openable(OsStr::new(text), None).map(|l| l.to_string());
        assert_eq!(open("hdfs://ns/a").as_deref(), Ok("hdfs://ns/a"));
        assert!(open("s3://bucket/a").unwrap_err().contains("`file`, `hdfs`, `viewfs`"));
        assert!(open("a/b").unwrap_err().contains("absolute"));
        assert!(open("file://host/a").unwrap_err().contains("names a host"));
        assert!(open("").is_err());
    }
}
