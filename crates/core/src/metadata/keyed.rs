//! Keyed state handles (`MetadataV2V3SerializerBase.deserializeKeyedStateHandle`).

use super::cursor::Source;
use super::error::{Fail, ParseErrorKind, fail};
use super::limits::{MAX_CHANGELOG_NESTING, MIN_CHANGE, MIN_HANDLE, MIN_NAMED, MIN_SEGMENT};
use super::parser::{Dialect, Parser, invalid, number};
use super::place::{Part, Step};
use super::utf;
use super::visitor::{Handle, HandleEnd, HandleKind, KeyGroups, Member, Visitor};

/// What a keyed handle turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyed {
    Absent,
    /// A part of a changelog (codes 9, 10 and 13), which alone may stand in a delta.
    Increment,
    Other,
}

impl<S: Source, V: Visitor + ?Sized> Parser<'_, S, V> {
    /// Reads a keyed state handle; `nesting` counts the changelog handles around it.
    pub(super) fn keyed(&mut self, nesting: u32) -> Result<Keyed, Fail> {
        let offset = self.cursor.offset();
        match self.cursor.u8("keyed state handle code")? {
            0 => return Ok(Keyed::Absent),
            3 => self.key_groups_handle(HandleKind::KeyGroups, false)?,
            7 => self.key_groups_handle(HandleKind::KeyGroupsSavepoint, false)?,
            12 => self.key_groups_handle(HandleKind::KeyGroups, true)?,
            5 => self.incremental(false)?,
            11 => self.incremental(true)?,
            code @ (8 | 14) => {
                if nesting >= MAX_CHANGELOG_NESTING {
                    let kind = ParseErrorKind::TooDeep { limit: MAX_CHANGELOG_NESTING };
                    return Err(fail(kind, offset, "changelog handle"));
                }
                self.changelog(code, nesting + 1)?;
            }
            9 => {
                self.changelog_bytes()?;
                return Ok(Keyed::Increment);
            }
            code @ (10 | 13) => {
                self.changelog_files(code)?;
                return Ok(Keyed::Increment);
            }
            code => {
                let kind = ParseErrorKind::UnknownCode { handle: "keyed state handle", code };
                return Err(fail(kind, offset, "keyed state handle code"));
            }
        }
        Ok(Keyed::Other)
    }

    /// Codes 3, 7 and 12.
    fn key_groups_handle(&mut self, kind: HandleKind, has_id: bool) -> Result<(), Fail> {
        let range = self.key_groups_with_offsets()?;
        self.handle(&Handle::KeyGroups { range });
        self.part(Part::Whole, Self::some_stream)?;
        self.end_with_id(kind, has_id, HandleEnd::default())
    }

    /// Ends a handle, reading its id first where it has one.
    fn end_with_id(&mut self, kind: HandleKind, has_id: bool, end: HandleEnd<'_>) -> Result<(), Fail> {
        if !has_id {
            self.handle_end(kind, &end);
            return Ok(());
        }
        let length = self.cursor.require_utf(0, "handle id")?;
        let id = utf::decode(self.cursor.window().get(2..length).unwrap_or(b""));
        self.visitor.handle_end(&self.place, kind, &HandleEnd { handle_id: Some(&id), ..end });
        self.cursor.consume(length);
        Ok(())
    }

    /// Codes 5 and 11.
    fn incremental(&mut self, is_v2: bool) -> Result<(), Fail> {
        let backend_end = self.cursor.require_utf(8, "checkpoint id and backend id")?;
        self.cursor.require(backend_end + 8, "key groups")?;
        let checkpoint_id = i64::from_be_bytes(number(self.cursor.window(), 0));
        let backend_id = utf::decode(self.cursor.window().get(10..backend_end).unwrap_or(b"")).into_owned();
        self.cursor.consume(backend_end);
        let (range, _) = self.key_groups()?;
        let checkpointed_bytes = if is_v2 { Some(self.cursor.i64("checkpointed size")?) } else { None };
        let backend_id = &backend_id;
        self.handle(&Handle::Incremental { checkpoint_id, backend_id, range, checkpointed_bytes });
        // Flink takes an absent meta state, though nothing can be restored from it.
        self.within(Step::Named("meta state"), |p| p.part(Part::Meta, Self::stream))?;
        self.named_streams("shared", Part::Shared)?;
        self.named_streams("private", Part::Private)?;
        self.end_with_id(HandleKind::IncrementalRemote, is_v2, HandleEnd::default())
    }

    fn named_streams(&mut self, name: &'static str, part: fn(u32) -> Part) -> Result<(), Fail> {
        let count = self.within(Step::Named(name), |p| p.cursor.count(MIN_NAMED, "count"))?;
        for at in 0..count {
            self.within(Step::Item(name, at), |p| {
                p.part(part(at), |p| {
                    let end = p.cursor.require_utf(0, "local name")?;
                    let local = utf::decode(p.cursor.window().get(2..end).unwrap_or(b""));
                    p.visitor.member(&p.place, &Member::Named(&local));
                    p.cursor.consume(end);
                    p.some_stream()
                })
            })?;
        }
        Ok(())
    }

    /// Codes 8 and 14.
    fn changelog(&mut self, code: u8, nesting: u32) -> Result<(), Fail> {
        self.saw_changelog |= code == 8;
        let is_b = self.dialect == Dialect::B && code == 8;
        let offset = self.cursor.offset();
        let (range, size) = self.key_groups()?;
        if size == 0 {
            let rule = "a changelog has at least one key group";
            return Err(invalid(range.count.into(), rule, offset + 4, "number of key groups"));
        }
        let checkpointed_bytes = if is_b { None } else { Some(self.cursor.i64("checkpointed size")?) };
        self.handle(&Handle::Changelog { range, checkpointed_bytes });
        let count = self.cursor.count(MIN_HANDLE, "number of materialized handles")?;
        for at in 0..count {
            // Flink warns of an absent one, and goes on.
            self.within(Step::Item("materialized", at), |p| p.keyed(nesting))?;
        }
        let count = self.cursor.count(MIN_HANDLE, "number of changelog increments")?;
        for at in 0..count {
            self.within(Step::Item("increment", at), |p| p.increment(nesting))?;
        }
        if is_b {
            self.handle_end(HandleKind::ChangelogBackend, &HandleEnd::default());
            return Ok(());
        }
        let materialization_id = Some(self.cursor.i64("materialization id")?);
        let checkpoint_id = if code == 14 { Some(self.cursor.i64("checkpoint id")?) } else { None };
        let end = HandleEnd { materialization_id, checkpoint_id, ..HandleEnd::default() };
        self.end_with_id(HandleKind::ChangelogBackend, true, end)
    }

    fn increment(&mut self, nesting: u32) -> Result<(), Fail> {
        let offset = self.cursor.offset();
        match self.keyed(nesting)? {
            Keyed::Increment => Ok(()),
            Keyed::Absent => Err(fail(ParseErrorKind::MissingHandle, offset, "changelog increment")),
            Keyed::Other => {
                let kind = ParseErrorKind::WrongHandle { expected: "a changelog increment" };
                Err(fail(kind, offset, "changelog increment"))
            }
        }
    }

    /// Code 9.
    fn changelog_bytes(&mut self) -> Result<(), Fail> {
        self.saw_changelog = true;
        let (range, _): (KeyGroups, i32) = self.key_groups()?;
        let from = self.sequence_number("first sequence number")?;
        let to = self.sequence_number("last sequence number")?;
        let changes = self.cursor.count(MIN_CHANGE, "number of changes")?;
        self.handle(&Handle::ChangelogBytes { range, from, to, changes });
        for at in 0..changes {
            self.within(Step::Item("change", at), Self::change)?;
        }
        let has_id = self.dialect != Dialect::B;
        self.end_with_id(HandleKind::InMemoryChangelog, has_id, HandleEnd::default())
    }

    fn sequence_number(&mut self, what: &'static str) -> Result<i64, Fail> {
        let offset = self.cursor.offset();
        let value = self.cursor.i64(what)?;
        if value < 0 {
            return Err(invalid(value, "a sequence number is not negative", offset, what));
        }
        Ok(value)
    }

    fn change(&mut self) -> Result<(), Fail> {
        let offset = self.cursor.offset();
        let key_group = self.cursor.i32("key group")?;
        if key_group < -1 {
            return Err(invalid(key_group.into(), "a key group is at least -1", offset, "key group"));
        }
        let bytes = self.cursor.count(1, "length of change")?;
        self.visitor.change(&self.place, key_group, bytes);
        self.inline_bytes(u64::from(bytes), "change")
    }

    /// Codes 10 and 13.
    fn changelog_files(&mut self, code: u8) -> Result<(), Fail> {
        self.saw_changelog |= code == 10;
        let is_b = self.dialect == Dialect::B && code == 10;
        let (range, _) = self.key_groups()?;
        let segments = self.cursor.count(MIN_SEGMENT, "number of changelog segments")?;
        self.handle(&Handle::ChangelogFiles { range, segments });
        for at in 0..segments {
            self.within(Step::Item("segment", at), |p| {
                p.part(Part::Segment(at), |p| {
                    let offset = p.cursor.i64("offset")?;
                    p.visitor.member(&p.place, &Member::Offset(offset));
                    // Flink takes an absent one.
                    p.stream()
                })
            })?;
        }
        let state_bytes = Some(self.cursor.i64("state size")?);
        if is_b {
            let end = HandleEnd { state_bytes, ..HandleEnd::default() };
            self.handle_end(HandleKind::ChangelogStream, &end);
            return Ok(());
        }
        let checkpointed_bytes = Some(self.cursor.i64("checkpointed size")?);
        let end = HandleEnd { state_bytes, checkpointed_bytes, ..HandleEnd::default() };
        if code == 10 {
            return self.end_with_id(HandleKind::ChangelogStream, true, end);
        }
        let id_end = self.cursor.require_utf(0, "handle id")?;
        let length = self.cursor.require_utf(id_end, "storage identifier")?;
        let window = self.cursor.window();
        let id = utf::decode(window.get(2..id_end).unwrap_or(b""));
        let storage = utf::decode(window.get(id_end + 2..length).unwrap_or(b""));
        let end = HandleEnd { handle_id: Some(&id), storage: Some(&storage), ..end };
        self.visitor.handle_end(&self.place, HandleKind::ChangelogStream, &end);
        self.cursor.consume(length);
        Ok(())
    }
}
