//! Reading and searching files that memory need not hold.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use chksweep_core::uuid_scan::{RawUuidScanner, UuidScanner};
use chksweep_core::{Location, Uuid};
use chksweep_store::{ErrorKind, ReadStore, Reader, StoreError};
use tokio::runtime::Handle;

/// A reader of a store as one of the standard library, for a thread that may block.
#[derive(Debug)]
pub(super) struct BlockingReader {
    runtime: Handle,
    reader: Box<dyn Reader>,
    piece: Bytes,
}

impl BlockingReader {
    pub(super) fn open(
        runtime: &Handle,
        store: &Arc<dyn ReadStore>,
        location: &Location,
    ) -> Result<Self, StoreError> {
        let reader = runtime.block_on(store.open(location))?;
        Ok(Self { runtime: runtime.clone(), reader, piece: Bytes::new() })
    }

    pub(super) fn length(&self) -> u64 {
        self.reader.length()
    }
}

impl io::Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.reader.next()) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let count = self.piece.len().min(buffer.len());
        if let Some(target) = buffer.get_mut(..count) {
            self.piece.copy_to_slice(target);
        }
        Ok(count)
    }
}

/// Returns the error of a store that an I/O error carries, if it does.
pub(super) fn store_error(error: &io::Error) -> Option<&StoreError> {
    error.get_ref()?.downcast_ref()
}

/// What a search of a whole file found.
#[derive(Debug, Default)]
pub(super) struct Searched {
    /// Every UUID that stands in it as text; sorted, distinct.
    pub(super) text: Vec<Uuid>,
    /// Which candidates occur as sixteen raw bytes; sorted, distinct.
    pub(super) raw: Vec<Uuid>,
    /// Whether some of it is compressed.
    pub(super) compressed: bool,
    /// How many bytes were searched.
    pub(super) length: u64,
}

/// What Snappy's frame format starts with, as Flink's compressed state does.
const COMPRESSION_MARK: &[u8] = b"sNaPpY";

/// Searches a file from its beginning to its end; one of more than `limit` bytes is too large.
pub(super) async fn search(
    reader: &mut dyn Reader,
    location: &Location,
    candidates: &[Uuid],
    limit: u64,
) -> Result<Searched, StoreError> {
    let mut text = UuidScanner::default();
    let mut raw = RawUuidScanner::new(candidates);
    let mut found = Searched::default();
    let mut tail: Vec<u8> = Vec::new();
    while let Some(piece) = reader.next().await? {
        found.length = found.length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if found.length > limit {
            return Err(StoreError::too_large(location, found.length, limit));
        }
        text.push(&piece);
        raw.push(&piece);
        found.compressed = found.compressed || has_mark(&mut tail, &piece);
        // The next piece may come at once: others shall run meanwhile.
        tokio::task::yield_now().await;
    }
    if found.length < reader.length() {
        let message = "the file ended before its length";
        return Err(StoreError::new(ErrorKind::Corrupt, chksweep_store::Operation::Read, location, message));
    }
    found.text = text.finish();
    found.raw = raw.finish();
    Ok(found)
}

/// Looks for the mark, also where it lies across two pieces; `tail` is the end of what came before.
fn has_mark(tail: &mut Vec<u8>, piece: &[u8]) -> bool {
    let overlap = COMPRESSION_MARK.len() - 1;
    tail.extend(piece.iter().take(overlap));
    let contains = |bytes: &[u8]| bytes.windows(COMPRESSION_MARK.len()).any(|w| w == COMPRESSION_MARK);
    if contains(tail) || contains(piece) {
        return true;
    }
    if piece.len() >= overlap {
        tail.clear();
        tail.extend(piece.get(piece.len() - overlap..).unwrap_or(piece));
    } else {
        tail.drain(..tail.len().saturating_sub(overlap));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_across_pieces() {
        let text = b"\xff\x06\0\0sNaPpY rest";
        for size in 1..text.len() {
            let mut tail = Vec::new();
            assert!(text.chunks(size).any(|piece| has_mark(&mut tail, piece)), "{size}");
            let mut tail = Vec::new();
            assert!(!b"sNaPp sNaPpsNaPy".chunks(size).any(|piece| has_mark(&mut tail, piece)), "{size}");
        }
    }
}
