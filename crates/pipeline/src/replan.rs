//! Planning anew in the middle of a run, by the clock of the storage, and remembering what was seen and moved.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::Timestamp;
use chksweep_core::plan::{Looks, OwnMove};
use chksweep_engine::clock::{self, RunningClock};
use chksweep_engine::collect::ClockCheck;
use chksweep_engine::{Event, MutateStores, looks};

use crate::error::PipelineError;
use crate::look::{self, Look, Planned};
use crate::scope::{Scope, Surroundings, When};

/// What is needed to plan anew in the middle of a run. It takes nothing of the run with it.
#[derive(Clone, Debug)]
pub struct Replanner {
    pub(crate) scope: Arc<Scope>,
    pub(crate) stores: MutateStores,
    pub(crate) run_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) clock: RunningClock,
    pub(crate) check: ClockCheck,
}

impl Replanner {
    /// Looks and plans by the clock of the storage as it is now, and proves the plan.
    ///
    /// # Errors
    ///
    /// As [`look::look`] and [`look::plan`].
    pub async fn plan(&self, around: &Surroundings) -> Result<Planned, PipelineError> {
        look::plan(self.look(around).await?).await
    }

    pub(crate) async fn look(&self, around: &Surroundings) -> Result<Look, PipelineError> {
        // The clock of the storage, as far as it can be told without asking it again.
        let when = When { now: self.clock.now(), as_of: self.started_at, check: self.check };
        let stores = self.stores.reading();
        look::look(around, Arc::clone(&self.scope), stores, self.run_id.clone(), when).await
    }

    /// Returns what the clock of the storage says now, the latest of several: what was modified up to then may be
    /// our own doing. Counting on from the start would come out too early by what each call took.
    pub(crate) async fn store_time(&self, around: &Surroundings) -> Timestamp {
        let name = format!("{}-swept", self.run_id);
        let mut latest = self.started_at;
        for root in self.scope.distinct_roots() {
            match clock::store_time(&self.stores, &root, &name, around.clock.now()).await {
                Ok(time) => latest = latest.max(time),
                Err(error) => tracing::warn!(%error, "the clock of the storage could not be read"),
            }
        }
        latest
    }

    /// Remembers what was seen and what is our own doing, on this machine and beside the roots, before it is done.
    pub(crate) async fn remember(&self, around: &Surroundings, known: &Looks, moves: Looks) {
        let looks = looks::merge(known.clone(), moves);
        let say = |message: String| around.observer.event(&Event::Loud(message));
        if let Some(path) = self.scope.looks_path()
            && let Err(error) = looks::save_local(&path, &looks)
        {
            say(format!("`{}` could not be written: {error}", path.display()));
        }
        for root in self.scope.distinct_roots() {
            let saved = match self.stores.of(&root) {
                Ok(store) => looks::save_stored(store.as_ref(), &root, &looks::within(&looks, &root)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = saved {
                say(format!("what was seen could not be recorded: {error}"));
            }
        }
    }
}

pub(crate) fn own_moves(touched: &BTreeSet<String>, start: Timestamp, end: Timestamp) -> Looks {
    let moves = touched.iter().map(|path| (path.clone(), OwnMove { start, end: Some(end) })).collect();
    Looks { moves, ..Looks::default() }
}
