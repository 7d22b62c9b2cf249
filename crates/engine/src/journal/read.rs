//! Reading a journal back: for `audit verify`, and to settle what a broken-off run had begun.

use std::collections::BTreeMap;

use chksweep_core::Location;
use chksweep_store::{ReadStore, StoreError};

use super::record::{Done, End, IntentPath, Line, Operation, Record, SCHEMA, Settled, Spot, Start};
use super::{MAX_LINE_BYTES, NO_LINE, SUM, digest_of};

/// A line that does not follow from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ChainError {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
    /// The schema, where it is one that this program does not read: nothing is wrong then.
    pub newer_schema: Option<u32>,
}

/// A journal whose lines follow from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The run.
    pub run_id: Option<String>,
    /// The schema of the journal.
    pub schema: Option<u32>,
    /// Its lines.
    pub lines: u64,
    /// Whether the last of them is the END of a run: else it was broken off, or the end was cut away.
    pub ended: bool,
    /// Whether something follows the last whole line: a line that was being written when the run was killed.
    pub torn: bool,
    /// The digest of the last line: whoever notes it can tell later whether the end was cut away.
    pub last: String,
}

/// Checks lines one after the other.
#[derive(Debug)]
struct Chain {
    prev: String,
    seen: Verified,
}

impl Chain {
    fn new() -> Self {
        Self { prev: NO_LINE.to_owned(), seen: Verified::default() }
    }

    /// Takes a line with its newline.
    fn line(&mut self, bytes: &[u8]) -> Result<Record, ChainError> {
        if self.seen.lines == 0
            && let Some(schema) = schema_of(bytes).filter(|schema| *schema > SCHEMA)
        {
            let message = format!(
                "the journal has schema {schema}, written by a newer chksweep; this one reads up to {SCHEMA}"
            );
            return Err(ChainError { newer_schema: Some(schema), ..self.error(message) });
        }
        let line: Line = serde_json::from_slice(bytes)
            .map_err(|error| self.error(format!("not a line of a journal: {error}")))?;
        if line.prev != self.prev {
            return Err(self.error("its digest is not that of the line before it: the journal was changed"));
        }
        if self.seen.ended {
            return Err(self.error("it follows the end of the run"));
        }
        match (&line.record, self.seen.lines) {
            (Record::Start(start), 0) => {
                self.seen.run_id = Some(start.run_id.clone());
                self.seen.schema = Some(start.schema);
            }
            (Record::Start(_), _) | (_, 0) => {
                return Err(self.error("the first line, and no other, is the start of a run"));
            }
            (_, _) => {}
        }
        if !self.has_its_sum(bytes) {
            return Err(self.error("it is not what its own digest says: the journal was changed"));
        }
        self.prev = digest_of(bytes);
        self.seen.lines += 1;
        self.seen.ended = matches!(line.record, Record::End(_));
        Ok(line.record)
    }

    /// Lines of schema 1 have none.
    fn has_its_sum(&self, bytes: &[u8]) -> bool {
        match (sum_of(bytes), self.seen.schema) {
            (None, Some(1)) => true,
            (Some((text, sum)), Some(2..)) => digest_of(text).as_bytes() == sum,
            (None | Some(_), _) => false,
        }
    }

    fn error(&self, message: impl Into<String>) -> ChainError {
        ChainError { line: self.seen.lines + 1, message: message.into(), newer_schema: None }
    }

    fn finish(mut self, torn: bool) -> Verified {
        self.seen.torn = torn;
        self.seen.last = self.prev;
        self.seen
    }
}

/// Returns the schema that the first line of a journal tells, whatever else it holds.
fn schema_of(first_line: &[u8]) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct Start {
        record: String,
        schema: u32,
    }
    let start: Start = serde_json::from_slice(first_line).ok()?;
    (start.record == "start").then_some(start.schema)
}

/// What the first line of a journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// Who does what, and on whose word.
    Start(Box<Start>),
    /// It is of a schema that this program does not read.
    Newer(u32),
    /// Nothing: it is not there, torn, or no line of a journal.
    Nothing,
}

impl First {
    fn of_line(line: &[u8]) -> Self {
        if let Some(schema) = schema_of(line).filter(|schema| *schema > SCHEMA) {
            return Self::Newer(schema);
        }
        match serde_json::from_slice(line) {
            Ok(Record::Start(start)) => Self::Start(start),
            Ok(_) | Err(_) => Self::Nothing,
        }
    }
}

/// Reads the first line of a journal, and no further.
///
/// # Errors
///
/// Where the store fails.
pub async fn first_of(store: &dyn ReadStore, journal: &Location) -> Result<First, StoreError> {
    let mut reader = match store.open(journal).await {
        Ok(reader) => reader,
        Err(error) if crate::own::is_absent(&error) => return Ok(First::Nothing),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    while let Some(piece) = reader.next().await? {
        line.extend_from_slice(&piece);
        if let Some(length) = line.iter().position(|b| *b == b'\n') {
            line.truncate(length);
            return Ok(First::of_line(&line));
        }
        if line.len() > MAX_LINE_BYTES {
            break;
        }
    }
    // A line without an end is torn.
    Ok(First::Nothing)
}

/// As [`first_of`], of a copy on this machine.
///
/// # Errors
///
/// Where it cannot be read.
pub fn local_first_of(reader: impl std::io::BufRead) -> std::io::Result<First> {
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    std::io::BufRead::read_until(&mut std::io::Read::take(reader, limit), b'\n', &mut line)?;
    Ok(if line.pop() == Some(b'\n') { First::of_line(&line) } else { First::Nothing })
}

/// Takes a line apart: its text and the digest that it ends with.
fn sum_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_suffix(b"\"}\n")?;
    let (text, sum) = rest.split_at_checked(rest.len().checked_sub(NO_LINE.len())?)?;
    Some((text.strip_suffix(SUM)?, sum))
}

/// Checks that each line of a journal follows from the one before it. A torn last line is no fault: what a kill leaves
/// is the beginning of a line, and nothing else.
///
/// # Errors
///
/// The outer one where reading fails, the inner one where a line does not fit.
pub fn verify(mut reader: impl std::io::BufRead) -> std::io::Result<Result<Verified, ChainError>> {
    let mut chain = Chain::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let mut limited = std::io::Read::take(&mut reader, limit);
        std::io::BufRead::read_until(&mut limited, b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            // What is that long is no torn line: more may follow it.
            let is_long = line.len() >= MAX_LINE_BYTES;
            return Ok(if is_long { Err(chain.error("the line is too long")) } else { rest(chain, line) });
        }
        if let Err(error) = chain.line(&line) {
            return Ok(Err(error));
        }
    }
}

/// Judges what follows the last newline.
fn rest(mut chain: Chain, mut rest: Vec<u8>) -> Result<Verified, ChainError> {
    if rest.is_empty() {
        return Ok(chain.finish(false));
    }
    if chain.seen.ended {
        return Err(chain.error("it follows the end of the run"));
    }
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(&rest);
    match read {
        Err(error) if error.is_eof() => Ok(chain.finish(true)),
        Err(error) => Err(chain.error(format!("not the beginning of a line of a journal: {error}"))),
        Ok(_) => {
            // All of a line but its newline: it must be one, and counts as torn all the same.
            rest.push(b'\n');
            let before = Chain { prev: chain.prev.clone(), seen: chain.seen.clone() };
            chain.line(&rest).map(|_| before.finish(true))
        }
    }
}

/// What a journal tells that a later run must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its first line.
    pub start: Option<Start>,
    /// What was begun, and of which no outcome is recorded, or one that is unknown.
    pub open: Vec<IntentPath>,
    /// The directory moves of which the outcome is recorded are not in [`Contents::open`]; this counts all.
    pub operations: u64,
    /// What it found of earlier runs.
    pub settled: Vec<Settled>,
    /// Its last line.
    pub end: Option<End>,
    /// A line that does not fit: what follows it was not read.
    pub fault: Option<ChainError>,
}

type Key = (Operation, Spot);

/// Reads a journal from a store.
///
/// # Errors
///
/// Where the store fails. A line that does not fit is no error but [`Contents::fault`].
pub async fn read(store: &dyn ReadStore, journal: &Location) -> Result<Contents, StoreError> {
    let mut contents = Contents::default();
    let mut open: BTreeMap<Key, IntentPath> = BTreeMap::new();
    let fault = read_lines(store, journal, |record| take(record, &mut contents, &mut open)).await?;
    contents.fault = fault;
    contents.open = open.into_values().collect();
    Ok(contents)
}

/// Calls `each` with every line of a journal that follows from the one before it. Returns the first that does not; a
/// last one that does not is torn, and no fault.
///
/// # Errors
///
/// Where the store fails.
pub async fn read_lines(
    store: &dyn ReadStore,
    journal: &Location,
    mut each: impl FnMut(Record),
) -> Result<Option<ChainError>, StoreError> {
    let mut reader = store.open(journal).await?;
    let mut lines = Lines::default();
    while let Some(piece) = reader.next().await? {
        if let Err(fault) = lines.take(&piece, &mut each) {
            return Ok(Some(fault));
        }
    }
    Ok(lines.newer())
}

/// As [`read_lines`], of a copy on this machine.
///
/// # Errors
///
/// Where it cannot be read.
pub fn read_local_lines(
    mut reader: impl std::io::Read,
    mut each: impl FnMut(Record),
) -> std::io::Result<Option<ChainError>> {
    let mut lines = Lines::default();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = reader.read(&mut piece)?;
        if count == 0 {
            return Ok(lines.newer());
        }
        if let Err(fault) = lines.take(piece.get(..count).unwrap_or_default(), &mut each) {
            return Ok(Some(fault));
        }
    }
}

/// A journal that comes in pieces.
struct Lines {
    chain: Chain,
    rest: Vec<u8>,
    /// An error in what may yet turn out to be the last line: torn, if nothing follows.
    doubt: Option<ChainError>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { chain: Chain::new(), rest: Vec::new(), doubt: None }
    }
}

impl Lines {
    fn take(&mut self, piece: &[u8], each: &mut impl FnMut(Record)) -> Result<(), ChainError> {
        self.rest.extend_from_slice(piece);
        let mut done = 0;
        while let Some(length) = self.rest.get(done..).and_then(|tail| tail.iter().position(|b| *b == b'\n'))
        {
            let line = self.rest.get(done..=done + length).unwrap_or_default();
            done += length + 1;
            if let Some(doubt) = self.doubt.take() {
                return Err(doubt);
            }
            match self.chain.line(line) {
                Ok(record) => each(record),
                Err(error) => self.doubt = Some(error),
            }
        }
        self.rest.drain(..done);
        if self.rest.len() > MAX_LINE_BYTES {
            return Err(self.chain.error("the line is too long"));
        }
        Ok(())
    }

    /// A journal that is of a newer schema is not torn, even if that is its first and only line.
    fn newer(self) -> Option<ChainError> {
        self.doubt.filter(|doubt| doubt.newer_schema.is_some())
    }
}

fn take(record: Record, contents: &mut Contents, open: &mut BTreeMap<Key, IntentPath>) {
    match record {
        Record::Start(start) => contents.start = Some(*start),
        Record::Intent(intent) => {
            open.extend(intent.paths.into_iter().map(|path| ((path.operation, path.from.clone()), path)));
        }
        Record::Operation(done) | Record::Rescue(done) => {
            let Done { operation, from, outcome, .. } = *done;
            contents.operations += 1;
            if outcome != super::Outcome::Unknown {
                open.remove(&(operation, from));
            }
        }
        Record::Settled(settled) => contents.settled.push(*settled),
        Record::End(end) => contents.end = Some(end),
    }
}
