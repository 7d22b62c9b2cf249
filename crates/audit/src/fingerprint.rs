//! Paths as 128-bit fingerprints: sixteen bytes stand for a path of a hundred.
//!
//! Two paths with one fingerprint would make the checker refuse a good plan, or take a missing file for a present
//! one in a guard; at a million paths the chance is below one in 10^26.

use chksweep_core::NameRef;
use xxhash_rust::xxh3::xxh3_128;

/// Returns the fingerprint of a path component.
pub(crate) fn of(path: &[u8]) -> u128 {
    xxh3_128(path)
}

/// Returns the fingerprint of an entry of a directory; `buffer` is only there to be used again.
pub(crate) fn of_child(buffer: &mut Vec<u8>, directory: &[u8], name: NameRef<'_>) -> u128 {
    buffer.clear();
    buffer.extend_from_slice(directory);
    if directory.last() != Some(&b'/') {
        buffer.push(b'/');
    }
    name.append_to(buffer);
    xxh3_128(buffer)
}

/// Returns the path and every directory that it lies in, the deepest first, without the root of the file system.
pub(crate) fn upwards(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors((path.len() > 1).then_some(path), |path| {
        let cut = path.iter().rposition(|byte| *byte == b'/')?;
        (cut > 0).then(|| path.get(..cut)).flatten()
    })
}

/// Sorts a list and drops what occurs twice.
pub(crate) fn tidy<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
    list.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_fingerprint_of_its_path() {
        let mut buffer = Vec::new();
        for (directory, path) in [("/", "/x"), ("/a/b", "/a/b/x")] {
            let of_entry = of_child(&mut buffer, directory.as_bytes(), NameRef::new(b"x"));
            assert_eq!(of_entry, of(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn upwards_ends_below_the_root_of_the_file_system() {
        let all = |path: &'static str| upwards(path.as_bytes()).collect::<Vec<_>>();
        assert_eq!(all("/a/b/c"), [&b"/a/b/c"[..], b"/a/b", b"/a"]);
        assert_eq!(all("/"), [&b""[..]; 0]);
    }
}
