//! Operator state handles and channel state handles.

use crate::flink_path::FlinkPath;

use super::cursor::{Source, to_u64};
use super::error::{Fail, ParseErrorKind, fail};
use super::limits::{MIN_OFFSET, MIN_STATE_META};
use super::parser::{Dialect, Parser, Stream, invalid};
use super::place::{State, Step};
use super::utf;
use super::visitor::{DirectoryReference, Handle, HandleEnd, HandleKind, Scope, Visitor};

impl<S: Source, V: Visitor + ?Sized> Parser<'_, S, V> {
    /// Reads an operator state handle (`deserializeOperatorStateHandle`), and returns whether there is one.
    pub(super) fn operator_state(&mut self) -> Result<bool, Fail> {
        let offset = self.cursor.offset();
        match self.cursor.u8("operator state handle code")? {
            0 => return Ok(false),
            4 => {
                self.operator_states()?;
                self.some_stream()?;
                self.handle_end(HandleKind::OperatorStream, &HandleEnd::default());
            }
            17 => self.file_merging_operator_state()?,
            code => {
                let kind = ParseErrorKind::UnknownCode { handle: "operator state handle", code };
                return Err(fail(kind, offset, "operator state handle code"));
            }
        }
        Ok(true)
    }

    fn operator_states(&mut self) -> Result<(), Fail> {
        let states = self.cursor.count(MIN_STATE_META, "number of operator states")?;
        self.handle(&Handle::Operator { states });
        for at in 0..states {
            self.within(Step::Item("state", at), Self::operator_state_meta)?;
        }
        Ok(())
    }

    fn operator_state_meta(&mut self) -> Result<(), Fail> {
        let end = self.cursor.require_utf(0, "state name")?;
        self.cursor.require(end + 5, "distribution mode")?;
        let mode_offset = self.cursor.offset() + to_u64(end);
        let window = self.cursor.window();
        // `OperatorStateHandle.Mode`: split, union, broadcast.
        let mode = window.get(end).copied().unwrap_or(0);
        if mode > 2 {
            let rule = "a mode is 0, 1 or 2";
            return Err(invalid(i8::from_be_bytes([mode]).into(), rule, mode_offset, "distribution mode"));
        }
        let name = utf::decode(window.get(2..end).unwrap_or(b"")).into_owned();
        self.cursor.consume(end + 1);
        let offsets = self.cursor.count(MIN_OFFSET, "number of offsets")?;
        self.visitor.operator_state(&self.place, &name, mode, offsets);
        self.cursor.skip(u64::from(offsets) * MIN_OFFSET, "offsets")
    }

    fn file_merging_operator_state(&mut self) -> Result<(), Fail> {
        self.operator_states()?;
        self.directory(Scope::Exclusive, "task-owned directory")?;
        self.directory(Scope::Shared, "shared directory")?;
        // `readBoolean`: anything but 0 is true.
        let is_empty = self.cursor.u8("is empty")? != 0;
        let offset = self.cursor.offset();
        if self.stream()? != Stream::Segment {
            let kind = ParseErrorKind::WrongHandle { expected: "a segment" };
            return Err(fail(kind, offset, "stream handle"));
        }
        let kind =
            if is_empty { HandleKind::EmptyFileMergingOperator } else { HandleKind::FileMergingOperator };
        self.handle_end(kind, &HandleEnd::default());
        Ok(())
    }

    fn directory(&mut self, scope: Scope, what: &'static str) -> Result<(), Fail> {
        let end = self.cursor.require_utf(0, what)?;
        let raw = utf::decode(self.cursor.window().get(2..end).unwrap_or(b""));
        let path = FlinkPath::parse(&raw)
            .map_err(|error| fail(ParseErrorKind::InvalidPath(error), self.cursor.offset(), what))?;
        self.references.update(b"d");
        self.references.update(&raw);
        self.visitor.directory(&self.place, &DirectoryReference { scope, raw: &raw, path: &path });
        self.cursor.consume(end);
        Ok(())
    }

    /// Reads a channel state handle: `ChannelStateHandleSerializerV1` before version 6, `V2` from there on.
    pub(super) fn channel_state(&mut self) -> Result<(), Fail> {
        self.saw_channels = true;
        let input = self.place.state == State::InputChannel;
        let single = if input { HandleKind::InputChannel } else { HandleKind::ResultSubpartition };
        if self.version < 6 {
            return self.channel(single);
        }
        let offset = self.cursor.offset();
        match (self.cursor.u8("channel state handle code")?, input) {
            (1, true) | (2, false) => self.channel(single),
            (3, true) => self.merged_channel(HandleKind::MergedInputChannel),
            (4, false) => self.merged_channel(HandleKind::MergedResultSubpartition),
            (code, _) => {
                let handle =
                    if input { "input channel state handle" } else { "result subpartition state handle" };
                let kind = ParseErrorKind::UnknownCode { handle, code };
                Err(fail(kind, offset, "channel state handle code"))
            }
        }
    }

    fn channel(&mut self, kind: HandleKind) -> Result<(), Fail> {
        let subtask = match self.dialect {
            Dialect::A => None,
            Dialect::Standard | Dialect::B => Some(self.cursor.i32("subtask")?),
        };
        let gate = self.cursor.i32("gate or partition")?;
        let channel = self.cursor.i32("channel or subpartition")?;
        let offsets = self.cursor.count(MIN_OFFSET, "number of offsets")?;
        self.cursor.skip(u64::from(offsets) * MIN_OFFSET, "offsets")?;
        let bytes = self.cursor.i64("state size")?;
        self.handle(&Handle::Channel { subtask, gate, channel, offsets, bytes });
        self.some_stream()?;
        self.handle_end(kind, &HandleEnd::default());
        Ok(())
    }

    fn merged_channel(&mut self, kind: HandleKind) -> Result<(), Fail> {
        let subtask = self.cursor.i32("subtask")?;
        let bytes = self.cursor.i64("state size")?;
        self.handle(&Handle::MergedChannel { subtask, bytes });
        // Flink takes an absent stream here.
        self.stream()?;
        let packed = self.cursor.count(1, "length of packed offsets")?;
        self.cursor.skip(packed.into(), "packed offsets")?;
        self.handle_end(kind, &HandleEnd::default());
        Ok(())
    }
}
