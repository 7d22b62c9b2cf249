//! Places that somebody protects: `<root>/.chksweep/pins`, one location a line.
//!
//! A pin that is not understood protects nothing, and nobody would notice before it is too late: so every line that
//! cannot be read is an error, and an unreadable file of pins ends a run.

use std::str::Utf8Error;

use chksweep_core::Location;
use chksweep_store::{ErrorKind, MutateStore, ReadStore, StoreError};

use crate::own;

/// The name of the file, in `.chksweep`.
const PINS: &[u8] = b"pins";
/// No file of pins is larger than this.
const LIMIT: u64 = 16 << 20;
/// How often a change is tried while others change the file, too.
const TRIES: u32 = 5;

/// Why pins cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The store refused.
    #[error("failed to read or write the file")]
    Store(#[source] StoreError),
    /// The file is no text.
    #[error("the file is not UTF-8")]
    NotText(#[source] Utf8Error),
    /// A line is no location.
    #[error("line {line} is no location: `{text}`")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A location that cannot be written as one line of text.
    #[error("`{0}` cannot be written as a line of text")]
    Unwritable(Location),
    /// Others kept changing the file.
    #[error("the file was changed by others each time")]
    Contended,
}

/// Returns where the pins of a root are kept.
pub fn file_of(root: &Location) -> Location {
    own::own_directory(root).child(PINS)
}

/// Reads the pins of a root; none where there is no file.
///
/// # Errors
///
/// When the file cannot be read, or a line of it is no location.
pub async fn read(store: &dyn ReadStore, root: &Location) -> Result<Vec<Location>, PinError> {
    parse(root, &read_text(store, root).await?)
}

/// Adds a pin. Returns whether it is new.
///
/// # Errors
///
/// When the file cannot be read or written, or the location is no text.
pub async fn add(store: &dyn MutateStore, root: &Location, pin: &Location) -> Result<bool, PinError> {
    let line = line_of(pin)?;
    for attempt in 0..TRIES {
        let mut text = read_text(store, root).await?;
        if parse(root, &text)?.contains(pin) {
            return Ok(attempt > 0);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line);
        text.push('\n');
        write(store, root, &text).await?;
    }
    Err(PinError::Contended)
}

/// Removes a pin. Returns whether there was one. Every other line stays as it is.
///
/// # Errors
///
/// As [`add`].
pub async fn remove(store: &dyn MutateStore, root: &Location, pin: &Location) -> Result<bool, PinError> {
    for attempt in 0..TRIES {
        let text = read_text(store, root).await?;
        if !parse(root, &text)?.contains(pin) {
            return Ok(attempt > 0);
        }
        let kept: String =
            text.split_inclusive('\n').filter(|line| pin_of(root, line).as_ref() != Some(pin)).collect();
        write(store, root, &kept).await?;
    }
    Err(PinError::Contended)
}

async fn read_text(store: &dyn ReadStore, root: &Location) -> Result<String, PinError> {
    match store.read(&file_of(root), LIMIT).await {
        Ok(bytes) => std::str::from_utf8(&bytes).map(str::to_owned).map_err(PinError::NotText),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(PinError::Store(error)),
    }
}

async fn write(store: &dyn MutateStore, root: &Location, text: &str) -> Result<(), PinError> {
    own::make_own(store, &own::own_directory(root)).await.map_err(PinError::Store)?;
    store.replace(&file_of(root), text.as_bytes()).await.map_err(PinError::Store)
}

fn parse(root: &Location, text: &str) -> Result<Vec<Location>, PinError> {
    let mut pins = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if is_blank(line) {
            continue;
        }
        let pin = pin_of(root, line)
            .ok_or_else(|| PinError::Line { line: at + 1, text: line.trim().to_owned() })?;
        pins.push(pin);
    }
    Ok(pins)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Reads a line. An absolute path without a scheme lies on the file system of the root.
fn pin_of(root: &Location, line: &str) -> Option<Location> {
    let line = line.trim();
    if is_blank(line) {
        return None;
    }
    let location = match line.strip_prefix('/') {
        Some(_) => root.with_path(line.as_bytes()),
        None => Location::from_printed(line.as_bytes())?,
    };
    let scheme = location.scheme()?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_absolute = location.path().first() == Some(&b'/');
    (is_scheme && is_absolute).then(|| Location::normalised(scheme, location.authority(), location.path()))
}

/// Returns the line that [`pin_of`] reads as this pin.
fn line_of(pin: &Location) -> Result<String, PinError> {
    let unwritable = || PinError::Unwritable(pin.clone());
    let line = std::str::from_utf8(pin.as_bytes()).map_err(|_| unwritable())?;
    let is_line = !line.contains(['\n', '\r']) && line.trim() == line;
    (is_line && pin_of(pin, line).as_ref() == Some(pin)).then(|| line.to_owned()).ok_or_else(unwritable)
}

#[cfg(test)]
mod tests {
    use chksweep_core::Timestamp;
    use chksweep_store::MemoryStore;

    use super::*;

    fn store() -> (MemoryStore, Location) {
        let store = MemoryStore::new("hdfs", "ns");
        store.mkdir("/r", Timestamp(1));
        let root = store.location("/r");
        (store, root)
    }

    #[tokio::test]
    async fn pins_are_added_and_removed_and_comments_stay() {
        let (store, root) = store();
        assert_eq!(read(&store, &root).await.unwrap(), []);
        let (a, b) = (store.location("/r/job/chk-1"), store.location("/r/a b#c"));
        store.put("/r/.chksweep/pins", "# why\n\nhdfs://ns/r/x", Timestamp(1));
        assert!(add(&store, &root, &a).await.unwrap());
        assert!(!add(&store, &root, &a).await.unwrap());
        assert!(add(&store, &root, &b).await.unwrap());
        assert_eq!(read(&store, &root).await.unwrap(), [store.location("/r/x"), a.clone(), b.clone()]);
        assert!(remove(&store, &root, &a).await.unwrap());
        assert!(!remove(&store, &root, &a).await.unwrap());
        let text = store.contents("/r/.chksweep/pins").unwrap();
        assert_eq!(&text[..], b"# why\n\nhdfs://ns/r/x\nhdfs://ns/r/a b#c\n");
    }

    #[tokio::test]
    async fn a_path_without_scheme_lies_where_the_root_lies() {
        let (store, root) = store();
        store.put("/r/.chksweep/pins", "/r//job/\n", Timestamp(1));
        assert_eq!(read(&store, &root).await.unwrap(), [store.location("/r/job")]);
        assert!(!add(&store, &root, &store.location("/r/job")).await.unwrap());
    }

    #[tokio::test]
    async fn a_line_that_is_no_location_is_an_error() {
        let (store, root) = store();
        for line in ["job/chk-1", "1://x/y", "hdfs://ns", "\u{feff}/r/x"] {
            store.put("/r/.chksweep/pins", format!("# x\n{line}\n"), Timestamp(1));
            let error = read(&store, &root).await.unwrap_err();
            assert!(matches!(error, PinError::Line { line: 2, .. }), "{line}: {error}");
        }
        store.put("/r/.chksweep/pins", b"/r/\xff\n", Timestamp(1));
        assert!(matches!(read(&store, &root).await, Err(PinError::NotText(_))));
    }

    #[tokio::test]
    async fn what_is_no_line_is_not_pinned() {
        let (store, root) = store();
        for path in [&b"/r/\xff"[..], b"/r/a\nb", b"/r/a "] {
            let pin = store.location(path);
            assert!(matches!(add(&store, &root, &pin).await, Err(PinError::Unwritable(_))), "{pin}");
        }
    }
}
