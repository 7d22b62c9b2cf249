//! When a run started, as the first line of its record beside the root tells.

use std::sync::Arc;

use chksweep_core::{Location, Timestamp};
use chksweep_store::ReadStore;

use crate::journal::{self, First};
use crate::{own, trust};

/// What the first line of a run's record tells; nothing where that cannot be told or believed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// When the run started. Nothing counts as now: what it moved keeps like any other metadata.
    pub(super) started_at: Option<Timestamp>,
    /// The schema of the record, where a newer program wrote it: what it means by a start is not known.
    pub(super) newer_schema: Option<u32>,
}

/// Asks the record under `base` of a run.
pub(super) async fn told(store: &Arc<dyn ReadStore>, base: &Location, run: &[u8]) -> Told {
    let Ok(run) = std::str::from_utf8(run) else { return Told::default() };
    let path = own::journal_file(base, run);
    if trust::of_path(store.as_ref(), base, &path).await.is_err() {
        return Told::default();
    }
    match journal::first_of(store.as_ref(), &path).await {
        Ok(First::Start(start)) => Told { started_at: Some(start.at), newer_schema: None },
        Ok(First::Newer(schema)) => Told { started_at: None, newer_schema: Some(schema) },
        Ok(First::Nothing) | Err(_) => Told::default(),
    }
}
