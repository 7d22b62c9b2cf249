//! When a run started, as the first line of its record beside the root tells.

use std::sync::Arc;

use chksweep_core::{Location, Timestamp};
use chksweep_store::ReadStore;
use serde::Deserialize;

use crate::{journal, own, trust};

/// No first line is longer than this.
const LONGEST_LINE: usize = 1 << 20;

#[derive(Deserialize)]
struct Start {
    record: String,
    at: Timestamp,
    #[serde(default)]
    schema: u32,
}

/// Returns when the run started that is recorded under `base`; nothing where that cannot be told or believed, which
/// counts as now: what it moved keeps like any other metadata.
pub(super) async fn started_at(store: &Arc<dyn ReadStore>, base: &Location, run: &[u8]) -> Option<Timestamp> {
    let path = own::journal_file(base, std::str::from_utf8(run).ok()?);
    trust::of_path(store.as_ref(), base, &path).await.ok()?;
    let mut reader = store.open(&path).await.ok()?;
    let mut line: Vec<u8> = Vec::new();
    while let Some(piece) = reader.next().await.ok()? {
        if let Some(end) = piece.iter().position(|b| *b == b'\n') {
            line.extend_from_slice(piece.get(..end)?);
            let start: Start = serde_json::from_slice(&line).ok()?;
            // What a newer program means by it is not known.
            return (start.record == "start" && start.schema <= journal::SCHEMA).then_some(start.at);
        }
        line.extend_from_slice(&piece);
        if line.len() > LONGEST_LINE {
            return None;
        }
    }
    // A line without an end is torn.
    None
}
