//! The body of a file: master states, operators, subtasks (`MetadataV1Serializer` to `MetadataV6Serializer`).

use crate::ids::OperatorId;

use super::cursor::{Source, to_u64};
use super::error::{Fail, ParseErrorKind, fail};
use super::limits::{MIN_CHANNEL, MIN_ENTRY, MIN_HANDLE, MIN_MASTER_STATE, MIN_OLD_SUBTASK};
use super::parser::{Parser, invalid, number};
use super::place::{State, Step};
use super::utf;
use super::visitor::{Header, MasterState, Operator, Visitor};

const MASTER_STATE_MAGIC: u32 = 0xC96B_1696;

/// What an entry of an operator needs to know of it.
#[derive(Clone, Copy)]
struct Numbers {
    parallelism: i32,
    has_coordinator: bool,
}

impl<S: Source, V: Visitor + ?Sized> Parser<'_, S, V> {
    /// Reads everything between the version and the properties.
    pub(super) fn body(&mut self) -> Result<i64, Fail> {
        let offset = self.cursor.offset();
        let checkpoint_id = self.cursor.i64("checkpoint id")?;
        if checkpoint_id < 0 {
            return Err(invalid(checkpoint_id, "a checkpoint id is not negative", offset, "checkpoint id"));
        }
        self.visitor.header(&Header { version: self.version, checkpoint_id });
        if self.version >= 2 {
            let count = self.cursor.count(MIN_MASTER_STATE, "number of master states")?;
            for at in 0..count {
                self.within(Step::Item("master state", at), Self::master_state)?;
            }
        }
        // The shortest operator: id, parallelisms, then chain length or coordinator, number of entries, names.
        let least = match self.version {
            ..=2 => 32,
            3 | 4 => 29,
            _ => 33,
        };
        let count = self.cursor.count(least, "number of operators")?;
        for at in 0..count {
            self.place.operator = at;
            self.within(Step::Operator(at), |p| p.operator(at))?;
        }
        Ok(checkpoint_id)
    }

    fn master_state(&mut self) -> Result<(), Fail> {
        let offset = self.cursor.offset();
        if self.cursor.u32("magic number")? != MASTER_STATE_MAGIC {
            return Err(fail(ParseErrorKind::MasterState, offset, "magic number"));
        }
        let offset = self.cursor.offset();
        let length = self.cursor.i32("length")?;
        let misfit = |offset| fail(ParseErrorKind::MasterState, offset, "length");
        let Some(length) = u32::try_from(length).ok().filter(|length| *length > 0).map(u64::from) else {
            return Err(misfit(offset));
        };
        let start = self.cursor.offset();
        self.cursor.require_bytes(length, "master state")?;
        let end = self.cursor.require_utf(4, "version and name")?;
        self.cursor.require(end + 4, "length of payload")?;
        let window = self.cursor.window();
        let payload = i32::from_be_bytes(number(window, end));
        let inner = to_u64(end) + 4;
        let Some(payload_bytes) =
            u32::try_from(payload).ok().filter(|payload| inner + u64::from(*payload) == length)
        else {
            return Err(misfit(start + to_u64(end)));
        };
        let name = utf::decode(window.get(6..end).unwrap_or(b""));
        let hook_version = i32::from_be_bytes(number(window, 0));
        self.visitor.master_state(&MasterState { hook_version, name: &name, payload_bytes });
        self.cursor.consume(end + 4);
        self.cursor.skip(payload_bytes.into(), "payload")
    }

    fn operator(&mut self, position: u32) -> Result<(), Fail> {
        let (mut name, mut uid) = (Vec::new(), Vec::new());
        if self.version >= 5 {
            name = self.owned_utf("operator name")?;
            uid = self.owned_utf("operator uid")?;
        }
        let id = OperatorId(self.cursor.bytes16("operator id")?);
        let offset = self.cursor.offset();
        let parallelism = self.cursor.i32("parallelism")?;
        let max_parallelism = self.cursor.i32("maximum parallelism")?;
        if parallelism < 0 {
            return Err(invalid(parallelism.into(), "a parallelism is not negative", offset, "parallelism"));
        }
        if parallelism > max_parallelism {
            let rule = "a parallelism is at most the maximum parallelism";
            return Err(invalid(parallelism.into(), rule, offset, "parallelism"));
        }
        self.visitor.operator(&Operator {
            position,
            name: &name,
            uid: &uid,
            id,
            parallelism,
            max_parallelism,
        });
        let mut has_coordinator = false;
        if self.version <= 2 {
            self.cursor.i32("chain length")?;
        } else {
            self.place.subtask = None;
            has_coordinator = self.state(State::Coordinator, Self::coordinator)?;
        }
        self.entries(Numbers { parallelism, has_coordinator })
    }

    fn owned_utf(&mut self, what: &'static str) -> Result<Vec<u8>, Fail> {
        let end = self.cursor.require_utf(0, what)?;
        let text = utf::decode(self.cursor.window().get(2..end).unwrap_or(b"")).into_owned();
        self.cursor.consume(end);
        Ok(text)
    }

    fn state<T>(&mut self, state: State, read: impl FnOnce(&mut Self) -> Result<T, Fail>) -> Result<T, Fail> {
        self.place.state = state;
        self.within(Step::State(state), read)
    }

    fn coordinator(&mut self) -> Result<bool, Fail> {
        let offset = self.cursor.offset();
        match self.cursor.u8("stream handle code")? {
            0 => Ok(false),
            1 => self.inline_stream().map(|_| true),
            2 | 3 | 6 | 15 | 16 => {
                let kind = ParseErrorKind::WrongHandle { expected: "inline state" };
                Err(fail(kind, offset, "stream handle code"))
            }
            code => {
                let kind = ParseErrorKind::UnknownCode { handle: "stream handle", code };
                Err(fail(kind, offset, "stream handle code"))
            }
        }
    }

    fn entries(&mut self, numbers: Numbers) -> Result<(), Fail> {
        let what = "number of subtasks";
        let offset = self.cursor.offset();
        let count = self.cursor.i32(what)?;
        let Ok(count) = u32::try_from(count) else {
            // Version 2 writes no negative count, and takes one for none. Version 1 was never seen with one.
            if self.version == 1 {
                return Err(fail(ParseErrorKind::NegativeCount { count }, offset, what));
            }
            if self.version == 2 {
                self.visitor.entries(Some(0));
                return Ok(());
            }
            if numbers.has_coordinator {
                let rule = "an operator that has finished has no coordinator state";
                return Err(invalid(count.into(), rule, offset, what));
            }
            self.visitor.entries(None);
            return Ok(());
        };
        let least = if self.version <= 2 { MIN_OLD_SUBTASK } else { MIN_ENTRY };
        self.cursor.check_count(count, least, offset, what)?;
        self.visitor.entries(Some(count));
        for at in 0..count {
            self.within(Step::Entry(at), |p| p.entry(numbers))?;
        }
        Ok(())
    }

    fn entry(&mut self, numbers: Numbers) -> Result<(), Fail> {
        let offset = self.cursor.offset();
        let stored = self.cursor.i32("subtask index")?;
        let finished = stored < 0 && self.version >= 3;
        // `-stored - 1`, without an overflow.
        let index = if finished { !stored } else { stored };
        if index < 0 || index >= numbers.parallelism {
            let rule = "a subtask is below the parallelism";
            return Err(invalid(stored.into(), rule, offset, "subtask index"));
        }
        self.visitor.subtask(index, finished);
        if finished {
            return Ok(());
        }
        self.place.subtask = Some(index);
        // The number of the entry has served; from here on the subtask says where.
        self.steps.pop();
        self.steps.push(Step::Subtask(index));
        self.subtask()
    }

    fn subtask(&mut self) -> Result<(), Fail> {
        if self.version <= 2 {
            self.state(State::LegacyOperator, Self::legacy)?;
        }
        for state in [State::ManagedOperator, State::RawOperator] {
            self.state(
                state,
                if self.version == 1 { Self::operator_chain } else { Self::optional_operator },
            )?;
        }
        for state in [State::ManagedKeyed, State::RawKeyed] {
            self.state(state, |p| p.keyed(0))?;
        }
        if self.version >= 3 {
            for state in [State::InputChannel, State::ResultSubpartition] {
                self.state(state, Self::channels)?;
            }
        }
        if self.version >= 7 && self.cursor.u8("has a referenced checkpoint")? == 1 {
            let checkpoint_id = self.cursor.i64("referenced checkpoint")?;
            self.visitor.ref_checkpoint(checkpoint_id);
        }
        Ok(())
    }

    /// State of the `Checkpointed` interface, which Flink itself no longer reads.
    fn legacy(&mut self) -> Result<(), Fail> {
        self.cursor.i64("duration")?;
        let what = "number of legacy states";
        let count = match self.version {
            1 => self.cursor.count(MIN_HANDLE, what)?,
            _ => self.cursor.lenient_count(MIN_HANDLE, what)?,
        };
        for at in 0..count {
            self.within(Step::Item("stream", at), Self::stream)?;
        }
        Ok(())
    }

    /// Version 1: one handle for each operator of the chain, or none.
    fn operator_chain(&mut self) -> Result<(), Fail> {
        let count = self.cursor.count(MIN_HANDLE, "number of handles")?;
        for at in 0..count {
            self.within(Step::Item("handle", at), Self::operator_state)?;
        }
        Ok(())
    }

    fn optional_operator(&mut self) -> Result<(), Fail> {
        if self.cursor.i32("presence flag")? == 0 {
            return Ok(());
        }
        let offset = self.cursor.offset();
        if self.operator_state()? {
            return Ok(());
        }
        Err(fail(ParseErrorKind::MissingHandle, offset, "operator state handle"))
    }

    fn channels(&mut self) -> Result<(), Fail> {
        let count = self.cursor.lenient_count(MIN_CHANNEL, "number of channels")?;
        for at in 0..count {
            self.within(Step::Item("channel", at), Self::channel_state)?;
        }
        Ok(())
    }
}
