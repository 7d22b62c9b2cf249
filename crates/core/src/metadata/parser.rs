//! The state of one pass over a file, and the streams: the handles that everything else is made of.

use xxhash_rust::xxh3::Xxh3;

use crate::flink_path::{self, FlinkPath};
use crate::location::Location;

use super::cursor::{Cursor, Source};
use super::error::{Fail, ParseErrorKind, fail};
use super::limits::{MAX_STREAM_NESTING, MIN_OFFSET};
use super::place::{Part, Place, State, Step};
use super::utf;
use super::visitor::{FileReference, FileTold, Handle, HandleEnd, HandleKind, KeyGroups, Scope, Visitor};

/// How a file of version 3 is laid out; nothing in its header tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Flink 1.12 and later, and all other versions.
    #[default]
    Standard,
    /// Flink 1.14 with the changelog backend: its handles lack sizes and ids.
    B,
    /// Flink 1.11 with channel state: its handles lack the subtask.
    A,
}

/// One pass over a file.
pub(super) struct Parser<'v, S, V: ?Sized> {
    pub(super) cursor: Cursor<S>,
    pub(super) visitor: &'v mut V,
    pub(super) version: i32,
    pub(super) dialect: Dialect,
    pub(super) place: Place,
    /// The way to the field that is being read. After a failure it stands where it failed.
    pub(super) steps: Vec<Step>,
    /// Whether something was seen that dialect B lays out in its own way.
    pub(super) saw_changelog: bool,
    /// Whether something was seen that dialect A lays out in its own way.
    pub(super) saw_channels: bool,
    /// What was referred to, to compare dialects.
    pub(super) references: Xxh3,
}

/// What a stream turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Absent,
    Segment,
    Other,
}

impl<'v, S: Source, V: Visitor + ?Sized> Parser<'v, S, V> {
    pub(super) fn new(cursor: Cursor<S>, visitor: &'v mut V, dialect: Dialect) -> Self {
        let place = Place { operator: 0, subtask: None, state: State::Coordinator, part: Part::Whole };
        Self {
            cursor,
            visitor,
            version: 0,
            dialect,
            place,
            steps: Vec::new(),
            saw_changelog: false,
            saw_channels: false,
            references: Xxh3::new(),
        }
    }

    /// Reads something one step further down; a failure leaves the step where it is, for the message.
    pub(super) fn within<T>(
        &mut self,
        step: Step,
        read: impl FnOnce(&mut Self) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        self.steps.push(step);
        let value = read(self)?;
        self.steps.pop();
        Ok(value)
    }

    /// Reads a stream that is one part of several.
    pub(super) fn part<T>(
        &mut self,
        part: Part,
        read: impl FnOnce(&mut Self) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        let outer = std::mem::replace(&mut self.place.part, part);
        let value = read(self)?;
        self.place.part = outer;
        Ok(value)
    }

    pub(super) fn handle(&mut self, handle: &Handle<'_>) {
        self.visitor.handle(&self.place, handle);
    }

    pub(super) fn handle_end(&mut self, kind: HandleKind, end: &HandleEnd<'_>) {
        self.visitor.handle_end(&self.place, kind, end);
    }

    /// Reads a stream that Flink demands.
    pub(super) fn some_stream(&mut self) -> Result<Stream, Fail> {
        let offset = self.cursor.offset();
        match self.stream()? {
            Stream::Absent => Err(fail(ParseErrorKind::MissingHandle, offset, "stream handle")),
            stream @ (Stream::Segment | Stream::Other) => Ok(stream),
        }
    }

    /// Reads a stream handle (`MetadataV2V3SerializerBase.deserializeStreamStateHandle`).
    pub(super) fn stream(&mut self) -> Result<Stream, Fail> {
        let mut nesting = 0;
        let stream = loop {
            let offset = self.cursor.offset();
            break match self.cursor.u8("stream handle code")? {
                0 if nesting > 0 => return Err(fail(ParseErrorKind::MissingHandle, offset, "stream handle")),
                0 => Stream::Absent,
                1 => self.inline_stream()?,
                2 => self.absolute_file()?,
                3 => {
                    // The nested stream comes last, so a loop does for the recursion.
                    nesting += 1;
                    if nesting > MAX_STREAM_NESTING {
                        let kind = ParseErrorKind::TooDeep { limit: MAX_STREAM_NESTING };
                        return Err(fail(kind, offset, "stream handle"));
                    }
                    let range = self.key_groups_with_offsets()?;
                    self.handle(&Handle::KeyGroups { range });
                    continue;
                }
                6 => self.relative_file()?,
                15 => self.segment()?,
                16 => {
                    self.visitor.empty_segment(&self.place);
                    Stream::Segment
                }
                code => {
                    let kind = ParseErrorKind::UnknownCode { handle: "stream handle", code };
                    return Err(fail(kind, offset, "stream handle code"));
                }
            };
        };
        for _ in 0..nesting {
            self.handle_end(HandleKind::KeyGroups, &HandleEnd::default());
        }
        Ok(if nesting > 0 { Stream::Other } else { stream })
    }

    pub(super) fn inline_stream(&mut self) -> Result<Stream, Fail> {
        let end = self.cursor.require_utf(0, "name of inline state")?;
        self.cursor.require(end + 4, "length of inline state")?;
        let offset = self.cursor.offset() + super::cursor::to_u64(end);
        let window = self.cursor.window();
        let count = i32::from_be_bytes(number(window, end));
        let Ok(bytes) = u32::try_from(count) else {
            return Err(fail(ParseErrorKind::NegativeCount { count }, offset, "length of inline state"));
        };
        let name = utf::decode(window.get(2..end).unwrap_or(b""));
        self.visitor.inline(&self.place, &name, bytes);
        self.cursor.consume(end + 4);
        self.inline_bytes(u64::from(bytes), "inline state")?;
        Ok(Stream::Other)
    }

    pub(super) fn inline_bytes(&mut self, count: u64, what: &'static str) -> Result<(), Fail> {
        let Self { cursor, visitor, place, .. } = self;
        cursor.chunks(count, what, |bytes| visitor.inline_bytes(place, bytes))
    }

    fn absolute_file(&mut self) -> Result<Stream, Fail> {
        let end = self.cursor.require_utf(8, "file size and path")?;
        let offset = self.cursor.offset();
        let window = self.cursor.window();
        let bytes = file_size(i64::from_be_bytes(number(window, 0)), offset)?;
        let raw = utf::decode(window.get(10..end).unwrap_or(b""));
        let path = FlinkPath::parse(&raw)
            .map_err(|error| fail(ParseErrorKind::InvalidPath(error), offset + 8, "path"))?;
        self.references.update(b"2");
        self.references.update(&raw);
        let told = FileTold::Absolute { bytes };
        self.visitor.file(&self.place, &FileReference { told, raw: &raw, absolute: Some(&path) });
        self.cursor.consume(end);
        Ok(Stream::Other)
    }

    fn relative_file(&mut self) -> Result<Stream, Fail> {
        let end = self.cursor.require_utf(0, "relative path")?;
        self.cursor.require(end + 8, "file size")?;
        let offset = self.cursor.offset();
        let window = self.cursor.window();
        let raw = utf::decode(window.get(2..end).unwrap_or(b""));
        if !flink_path::is_plain_name(&raw) {
            // Whether it resolves does not depend on the directory.
            FlinkPath::resolve(&Location::local(b"/directory"), &raw)
                .map_err(|error| fail(ParseErrorKind::InvalidPath(error), offset, "relative path"))?;
        }
        let size_offset = offset + super::cursor::to_u64(end);
        let bytes = file_size(i64::from_be_bytes(number(window, end)), size_offset)?;
        self.references.update(b"6");
        self.references.update(&raw);
        let told = FileTold::Relative { bytes };
        self.visitor.file(&self.place, &FileReference { told, raw: &raw, absolute: None });
        self.cursor.consume(end + 8);
        Ok(Stream::Other)
    }

    fn segment(&mut self) -> Result<Stream, Fail> {
        let path_end = self.cursor.require_utf(20, "segment and path")?;
        let end = self.cursor.require_utf(path_end, "logical file id")?;
        let offset = self.cursor.offset();
        let window = self.cursor.window();
        let scope = match i32::from_be_bytes(number(window, 16)) {
            0 => Scope::Exclusive,
            1 => Scope::Shared,
            value => return Err(invalid(value.into(), "0 (exclusive) or 1 (shared)", offset + 16, "scope")),
        };
        let raw = utf::decode(window.get(22..path_end).unwrap_or(b""));
        let path = FlinkPath::parse(&raw)
            .map_err(|error| fail(ParseErrorKind::InvalidPath(error), offset + 20, "path"))?;
        let logical_id = utf::decode(window.get(path_end + 2..end).unwrap_or(b""));
        self.references.update(b"f");
        self.references.update(&raw);
        let told = FileTold::Segment {
            start: i64::from_be_bytes(number(window, 0)),
            bytes: i64::from_be_bytes(number(window, 8)),
            scope,
            logical_id: &logical_id,
        };
        self.visitor.file(&self.place, &FileReference { told, raw: &raw, absolute: Some(&path) });
        self.cursor.consume(end);
        Ok(Stream::Segment)
    }

    /// Reads a range of key groups as Flink's `KeyGroupRange.of` takes it, and returns it with its size.
    pub(super) fn key_groups(&mut self) -> Result<(KeyGroups, i32), Fail> {
        let offset = self.cursor.offset();
        let start = self.cursor.i32("first key group")?;
        let count = self.cursor.i32("number of key groups")?;
        // Flink computes this in wrapping arithmetic, and takes an end before the start for an empty range.
        let end = start.wrapping_add(count).wrapping_sub(1);
        let size = if start <= end { end.wrapping_sub(start).wrapping_add(1) } else { 0 };
        if start <= end && (start < 0 || size < 0) {
            return Err(invalid(start.into(), "a key group is not negative", offset, "first key group"));
        }
        Ok((KeyGroups { start, count }, size))
    }

    /// Reads a range with one offset for each key group (`KeyGroupRangeOffsets`).
    pub(super) fn key_groups_with_offsets(&mut self) -> Result<KeyGroups, Fail> {
        let (range, size) = self.key_groups()?;
        let offset = self.cursor.offset() - 4;
        let what = "number of key groups";
        let Ok(count) = u32::try_from(range.count) else {
            return Err(fail(ParseErrorKind::NegativeCount { count: range.count }, offset, what));
        };
        if range.count != size {
            return Err(invalid(range.count.into(), "the range ends before it starts", offset, what));
        }
        self.cursor.check_count(count, MIN_OFFSET, offset, what)?;
        self.cursor.skip(u64::from(count) * MIN_OFFSET, "offsets of key groups")?;
        Ok(range)
    }
}

/// Reads a big-endian number out of bytes that are known to be there.
pub(super) fn number<const N: usize>(window: &[u8], at: usize) -> [u8; N] {
    window.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

#[cold]
pub(super) fn invalid(value: i64, rule: &'static str, offset: u64, what: &'static str) -> Fail {
    fail(ParseErrorKind::InvalidValue { value, rule }, offset, what)
}

fn file_size(bytes: i64, offset: u64) -> Result<i64, Fail> {
    if bytes < -1 {
        return Err(invalid(bytes, "a size is at least -1", offset, "file size"));
    }
    Ok(bytes)
}
