//! The one place that takes bytes from the input: big-endian, bounds-checked, and aware of the absolute offset.
//!
//! The input is a slice or a stream of known length. Every decision is made by that length, never by how much of
//! a stream has come, so both give the same results and the same errors.

use std::io::{ErrorKind, Read};

use super::error::{Fail, Failure, ParseErrorKind, fail};
use super::utf;

/// Where the bytes come from.
pub(super) trait Source {
    /// Makes at least `wanted` bytes available, or all that are left if they are fewer.
    fn fill(&mut self, wanted: usize) -> std::io::Result<()>;
    /// The bytes that are available.
    fn window(&self) -> &[u8];
    /// Drops bytes from the front of the window.
    fn consume(&mut self, count: usize);
}

/// A file that lies in memory.
pub(super) struct SliceSource<'a>(pub(super) &'a [u8]);

impl Source for SliceSource<'_> {
    fn fill(&mut self, _wanted: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn window(&self) -> &[u8] {
        self.0
    }

    fn consume(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or(b"");
    }
}

/// Twice what the longest field needs: two strings of 64 KiB and some numbers.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file that comes in pieces.
pub(super) struct StreamSource<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
}

impl<R: Read> StreamSource<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, at_end: false }
    }
}

impl<R: Read> Source for StreamSource<R> {
    fn fill(&mut self, wanted: usize) -> std::io::Result<()> {
        if self.end - self.start >= wanted || self.at_end {
            return Ok(());
        }
        if self.start == self.end || self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < wanted && !self.at_end {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.end = (self.end + count).min(self.buffer.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn window(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or(b"")
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

/// The position in the input.
pub(super) struct Cursor<S> {
    source: S,
    offset: u64,
    length: u64,
}

impl<S: Source> Cursor<S> {
    pub(super) fn new(source: S, length: u64) -> Self {
        Self { source, offset: 0, length }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn remaining(&self) -> u64 {
        self.length.saturating_sub(self.offset)
    }

    /// Makes sure that `count` bytes are there, from the position on.
    pub(super) fn require(&mut self, count: usize, what: &'static str) -> Result<(), Fail> {
        self.require_bytes(to_u64(count), what)?;
        if self.source.window().len() < count {
            self.source.fill(count).map_err(|source| self.io(source))?;
            // The stream may be shorter than it was said to be.
            let missing = count.saturating_sub(self.source.window().len());
            if missing > 0 {
                return Err(self.short(to_u64(missing), what));
            }
        }
        Ok(())
    }

    /// Makes sure that the file is long enough for `count` more bytes, without reading them.
    pub(super) fn require_bytes(&mut self, count: u64, what: &'static str) -> Result<(), Fail> {
        match count.checked_sub(self.remaining()).filter(|needed| *needed > 0) {
            Some(needed) => Err(self.short(needed, what)),
            None => Ok(()),
        }
    }

    /// The bytes that are at hand; at least those that were required.
    pub(super) fn window(&self) -> &[u8] {
        self.source.window()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.offset += to_u64(count);
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Fail> {
        self.require(N, what)?;
        let bytes = self.window().first_chunk::<N>().copied();
        self.consume(N);
        // Just required, so there.
        bytes.ok_or_else(|| self.short(0, what))
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Fail> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Fail> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, Fail> {
        self.array(what).map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, Fail> {
        self.array(what).map(i64::from_be_bytes)
    }

    pub(super) fn bytes16(&mut self, what: &'static str) -> Result<[u8; 16], Fail> {
        self.array(what)
    }

    /// Reads a count that Flink refuses when negative, and checks it against the bytes that are left.
    pub(super) fn count(&mut self, least_bytes: u64, what: &'static str) -> Result<u32, Fail> {
        let offset = self.offset;
        let count = self.i32(what)?;
        let Ok(count) = u32::try_from(count) else {
            return Err(fail(ParseErrorKind::NegativeCount { count }, offset, what));
        };
        self.check_count(count, least_bytes, offset, what)
    }

    /// Reads a count that is none for Flink when negative.
    pub(super) fn lenient_count(&mut self, least_bytes: u64, what: &'static str) -> Result<u32, Fail> {
        let offset = self.offset;
        let count = u32::try_from(self.i32(what)?).unwrap_or(0);
        self.check_count(count, least_bytes, offset, what)
    }

    pub(super) fn check_count(
        &self,
        count: u32,
        least_bytes: u64,
        offset: u64,
        what: &'static str,
    ) -> Result<u32, Fail> {
        let remaining = self.remaining();
        if u64::from(count).saturating_mul(least_bytes) > remaining {
            return Err(fail(ParseErrorKind::CountTooLarge { count, remaining }, offset, what));
        }
        Ok(count)
    }

    /// Makes sure that a string starting `at` bytes from the position is there, and returns where it ends.
    pub(super) fn require_utf(&mut self, at: usize, what: &'static str) -> Result<usize, Fail> {
        self.require(at + 2, what)?;
        let length = self.window().get(at..).and_then(|rest| rest.first_chunk::<2>());
        let end = at + 2 + length.map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
        self.require(end, what)?;
        let text = self.window().get(at + 2..end).unwrap_or(b"");
        utf::check(text)
            .map_err(|bad| fail(ParseErrorKind::InvalidString, self.offset + to_u64(at + 2 + bad), what))?;
        Ok(end)
    }

    /// Passes `count` bytes to `chunk`, in as many pieces as they come in.
    pub(super) fn chunks(
        &mut self,
        count: u64,
        what: &'static str,
        mut chunk: impl FnMut(&[u8]),
    ) -> Result<(), Fail> {
        self.require_bytes(count, what)?;
        let mut left = count;
        while left > 0 {
            self.source.fill(1).map_err(|source| self.io(source))?;
            let window = self.source.window();
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(window.len());
            if take == 0 {
                return Err(self.short(left, what));
            }
            chunk(window.get(..take).unwrap_or(b""));
            self.consume(take);
            left -= to_u64(take);
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, count: u64, what: &'static str) -> Result<(), Fail> {
        self.chunks(count, what, |_| {})
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Fail> {
        let what = "end of file";
        let mut count = self.remaining();
        if count == 0 {
            // A stream may be longer than it was said to be.
            self.source.fill(1).map_err(|source| self.io(source))?;
            count = to_u64(self.source.window().len());
        }
        if count > 0 {
            return Err(fail(ParseErrorKind::TrailingBytes { count }, self.offset, what));
        }
        Ok(())
    }

    #[cold]
    fn short(&self, needed: u64, what: &'static str) -> Fail {
        fail(ParseErrorKind::UnexpectedEnd { needed }, self.offset, what)
    }

    #[cold]
    fn io(&self, source: std::io::Error) -> Fail {
        Fail(Box::new(Failure::Io { offset: self.offset, source }))
    }
}

pub(super) fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
