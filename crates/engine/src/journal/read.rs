//! Reading a journal back: for `audit verify`, and to settle what a broken-off run had begun.

use std::collections::BTreeMap;

use chksweep_core::Location;
use chksweep_store::{ReadStore, StoreError};

use super::record::{Done, End, IntentPath, Line, Operation, Record, Settled, Spot, Start};
use super::{MAX_LINE_BYTES, NO_LINE, digest_of};

/// A line that does not follow from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ChainError {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// A journal whose lines follow from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The run.
    pub run_id: Option<String>,
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
    /// An error in what may yet turn out to be the last line: torn, if nothing follows.
    doubt: Option<ChainError>,
}

impl Chain {
    fn new() -> Self {
        Self { prev: NO_LINE.to_owned(), seen: Verified::default(), doubt: None }
    }

    /// Takes a line with its newline.
    fn line(&mut self, bytes: &[u8]) -> Result<Option<Record>, ChainError> {
        if let Some(doubt) = self.doubt.take() {
            return Err(doubt);
        }
        let line: Line = match serde_json::from_slice(bytes) {
            Ok(line) => line,
            Err(error) => {
                self.doubt = Some(self.error(format!("not a line of a journal: {error}")));
                return Ok(None);
            }
        };
        if line.prev != self.prev {
            return Err(self.error("its digest is not that of the line before it: the journal was changed"));
        }
        if self.seen.ended {
            return Err(self.error("it follows the end of the run"));
        }
        if matches!(line.record, Record::Start(_)) != (self.seen.lines == 0) {
            return Err(self.error("the first line, and no other, is the start of a run"));
        }
        self.prev = digest_of(bytes);
        self.seen.lines += 1;
        if let Record::Start(start) = &line.record {
            self.seen.run_id = Some(start.run_id.clone());
        }
        self.seen.ended = matches!(line.record, Record::End(_));
        Ok(Some(line.record))
    }

    fn error(&self, message: impl Into<String>) -> ChainError {
        ChainError { line: self.seen.lines + 1, message: message.into() }
    }

    fn finish(mut self, rest: bool) -> Verified {
        self.seen.torn = rest || self.doubt.is_some();
        self.seen.last = self.prev;
        self.seen
    }
}

/// Checks that each line of a journal follows from the one before it. A torn last line is no fault.
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
        let count = std::io::BufRead::read_until(&mut limited, b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(Ok(chain.finish(count > 0)));
        }
        if let Err(error) = chain.line(&line) {
            return Ok(Err(error));
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
    let mut reader = store.open(journal).await?;
    let mut chain = Chain::new();
    let mut contents = Contents::default();
    let mut open: BTreeMap<Key, IntentPath> = BTreeMap::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(piece) = reader.next().await? {
        rest.extend_from_slice(&piece);
        let mut done = 0;
        while let Some(length) = rest.get(done..).and_then(|tail| tail.iter().position(|b| *b == b'\n')) {
            let line = rest.get(done..=done + length).unwrap_or_default();
            done += length + 1;
            match chain.line(line) {
                Ok(Some(record)) => take(record, &mut contents, &mut open),
                Ok(None) => {}
                Err(error) => {
                    contents.fault = Some(error);
                    contents.open = open.into_values().collect();
                    return Ok(contents);
                }
            }
        }
        rest.drain(..done);
        if rest.len() > MAX_LINE_BYTES {
            contents.fault = Some(chain.error("the line is too long"));
            break;
        }
    }
    contents.open = open.into_values().collect();
    Ok(contents)
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
