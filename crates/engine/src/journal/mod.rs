//! The record of a run: what it is about to do, written and synced before it does it, and what became of it.
//!
//! JSON Lines, appended only, each line with the SHA-256 of the line before it. One copy lies in the state
//! directory of the machine, one under each root (`.chksweep/runs/<run id>.jsonl`); all hold the same bytes.
//!
//! An INTENT is durable in every copy before the first rename of its batch, so whatever a killed run may have done
//! stands in a journal that the next run reads: it looks where each path of an unfinished batch lies, and records
//! that. What a crash leaves is a torn last line, which says nothing and is no fault. The digest of the line
//! before shows that nothing was taken out of the middle or changed, and the line's own that the last one was not; they
//! cannot show that the end was cut off, for a killed run leaves just that. None of it is proof against a forger.

mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

pub use read::{
    ChainError, Contents, First, Verified, first_of, local_first_of, read, read_lines, read_local_lines,
    verify,
};
pub use record::{
    Count, Done, End, Found, Intent, IntentPath, Mode, Operation, Outcome, Record, SCHEMA, Settled, Spot,
    Start, Totals,
};
pub(crate) use write::Journal;
pub use write::{JournalError, local_file};

/// The `prev` of a first line.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands before the digest of a line's own text: the last field of each line.
const SUM: &[u8] = b",\"sum\":\"";

/// The longest line that is read back: a batch of paths.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

fn digest_of(line: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write as _;
    Sha256::digest(line).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _never = write!(out, "{byte:02x}");
        out
    })
}
