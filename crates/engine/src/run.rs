//! One run that changes something: from its lock and the first line of its journal to the last line and the release.
//!
//! Whatever a run does, sweeping, rescuing, restoring or purging, goes through `Run::carry_out`: the lock is still
//! its own, the paths of the batch are durable in the journal, then the operations, then their outcomes. So there is
//! one place in which a store is changed, and nothing happens that a later run could not read of.

use std::path::PathBuf;
use std::sync::Arc;

use chksweep_core::plan::Basis;
use chksweep_core::policy::DeadJob;
use chksweep_core::{Location, Timestamp, layout};
use chksweep_store::StoreError;
use futures::StreamExt;

use crate::cancel::Cancel;
use crate::clock::{self, ClockError, RunningClock};
use crate::events::Observer;
use crate::execute::{Fate, Hands, Step};
use crate::journal::{
    End, Intent, Journal, JournalError, Mode, Outcome, Record, SCHEMA, Spot, Start, Totals,
};
use crate::lock::{BreakLock, HEARTBEAT, Holder, Lock, LockError, LockRequest};
use crate::own;
use crate::pace::{Pace, Stop, Waiting};
use crate::records::{self, RunRecord};
use crate::settle;
use crate::stores::MutateStores;
use crate::trust::{self, TrustError};

/// Who runs what.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The id of the run: letters, digits, `-`, `_` and `.`.
    pub run_id: String,
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub command: String,
    /// Name and version of the program.
    pub tool: String,
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What the local clock says.
    pub local_now: Timestamp,
    /// The sweep roots, none within another.
    pub roots: Vec<Location>,
    /// The roots that are read for references only.
    pub reference_roots: Vec<Location>,
    /// What swept paths become.
    pub mode: Mode,
    /// Jobs that were declared dead.
    pub dead_jobs: Vec<DeadJob>,
    /// The digest of the policy.
    pub policy_digest: Option<String>,
    /// The digest of the plan that was approved.
    pub plan_digest: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Where the local copy of the journal goes.
    pub state_dir: Option<PathBuf>,
    /// A lock that may be taken over at once.
    pub break_lock: Option<BreakLock>,
    /// How many operations are under way at the same time.
    pub concurrency: usize,
    /// How long to wait for a store that is busy or away.
    pub waiting: Waiting,
}

/// Why a run cannot begin or end. Nothing was changed besides what is already recorded.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lock.
    #[error(transparent)]
    Lock(LockError),
    /// Others may have written what the run would go by.
    #[error(transparent)]
    Trust(TrustError),
    /// The clock.
    #[error(transparent)]
    Clock(ClockError),
    /// The journal.
    #[error(transparent)]
    Journal(JournalError),
    /// A run of a newer program was broken off: what it had begun cannot be settled by this one.
    #[error(
        "{journal} has schema {schema}, and this chksweep reads up to {SCHEMA}: a run of a newer chksweep was broken \
         off there, and what it had begun is not settled"
    )]
    Newer {
        /// Its journal.
        journal: Location,
        /// Its schema.
        schema: u32,
    },
    /// The store, while earlier runs were settled or this one was recorded.
    #[error("reading or writing the records of runs")]
    Store(#[source] StoreError),
    /// A run id or a root that no run may have.
    #[error("{0}")]
    Options(String),
}

/// A run under way.
#[derive(Debug)]
pub struct Run {
    options: RunOptions,
    started_at: Timestamp,
    clock: RunningClock,
    pub(crate) hands: Hands,
    lock: Lock,
    journal: Journal,
    observer: Arc<dyn Observer>,
    batch: u64,
    basis: Option<Basis>,
    totals: Totals,
}

impl Run {
    /// Looks who else may write to what the run goes by, and whether earlier runs can be settled, takes the locks, reads
    /// the clock, settles what earlier runs left open, and writes START.
    ///
    /// # Errors
    ///
    /// See [`RunError`]. The locks are given back.
    pub async fn begin(
        stores: MutateStores,
        options: RunOptions,
        observer: Arc<dyn Observer>,
        cancel: Cancel,
    ) -> Result<Self, RunError> {
        check(&options)?;
        let local = RunningClock::new(options.local_now);
        let there = check_trust(&stores, &options.roots).await?;
        settle::refuse_newer(&stores, &options.roots).await?;
        let lock = Lock::acquire(LockRequest {
            stores: &stores,
            roots: &options.roots,
            holder: Holder {
                owner: options.user.clone(),
                host: options.host.clone(),
                pid: options.pid,
                run_id: options.run_id.clone(),
                since: options.local_now,
            },
            local_now: options.local_now,
            break_lock: options.break_lock.as_ref(),
            heartbeat: HEARTBEAT,
            observer: Arc::clone(&observer),
        })
        .await
        .map_err(RunError::Lock)?;
        let started = match check_trust(&stores, &missing(&options.roots, &there)).await {
            Ok(_) => Self::start(&stores, &options, &local).await,
            Err(error) => Err(error),
        };
        match started {
            Ok((started_at, clock, journal)) => {
                let pace = Pace::new(options.waiting, cancel, Arc::clone(&observer));
                let hands = Hands::new(stores, pace);
                let totals = Totals::new();
                let run = Self {
                    options,
                    started_at,
                    clock,
                    hands,
                    lock,
                    journal,
                    observer,
                    batch: 0,
                    basis: None,
                    totals,
                };
                run.settle_earlier().await
            }
            Err(error) => {
                lock.release().await;
                Err(error)
            }
        }
    }

    async fn start(
        stores: &MutateStores,
        options: &RunOptions,
        local: &RunningClock,
    ) -> Result<(Timestamp, RunningClock, Journal), RunError> {
        let mut started_at: Option<Timestamp> = None;
        let mut clock = local.clone();
        for root in &options.roots {
            let now =
                clock::checked_time(stores, root, &options.run_id, local).await.map_err(RunError::Clock)?;
            // Of several clocks the earliest makes every file youngest.
            if started_at.is_none() || now < clock.now() {
                clock = RunningClock::new(now);
            }
            started_at = Some(started_at.map_or(now, |earliest| earliest.min(now)));
        }
        let started_at = started_at.unwrap_or(options.local_now);
        let state_dir = options.state_dir.as_deref();
        let mut journal = Journal::create(stores, &options.roots, &options.run_id, state_dir)
            .await
            .map_err(RunError::Journal)?;
        let start = Start {
            run_id: options.run_id.clone(),
            at: started_at,
            schema: SCHEMA,
            tool: options.tool.clone(),
            user: options.user.clone(),
            host: options.host.clone(),
            pid: Some(options.pid),
            command: options.command.clone(),
            mode: options.mode,
            roots: options.roots.iter().map(Spot::from).collect(),
            reference_roots: options.reference_roots.iter().map(Spot::from).collect(),
            dead_jobs: options.dead_jobs.clone(),
            policy_digest: options.policy_digest.clone(),
            plan_digest: options.plan_digest.clone(),
            approved_by: options.approved_by.clone(),
        };
        journal.append(vec![Record::Start(Box::new(start))]).await.map_err(RunError::Journal)?;
        Ok((started_at, clock, journal))
    }

    async fn settle_earlier(mut self) -> Result<Self, RunError> {
        match settle::settle(&mut self).await {
            Ok(()) => Ok(self),
            Err(error) => {
                // Nothing was done: the run ends here, and the next one finds its journal without an intent.
                self.lock.release().await;
                Err(error)
            }
        }
    }

    /// Returns the id of the run.
    pub fn run_id(&self) -> &str {
        &self.options.run_id
    }

    /// Returns the roots.
    pub fn roots(&self) -> &[Location] {
        &self.options.roots
    }

    /// Returns what swept paths become.
    pub fn mode(&self) -> Mode {
        self.options.mode
    }

    /// Returns when the run started, by the clock of the storage: ages are counted from here.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Returns the clock of the storage, as far as that can be told without asking.
    pub fn clock(&self) -> &RunningClock {
        &self.clock
    }

    /// Returns what the clock of the storage says now, as far as that can be told without asking.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the stores.
    pub fn stores(&self) -> &MutateStores {
        &self.hands.stores
    }

    /// Returns why nothing more is begun, if so.
    pub fn stopped(&self) -> Option<Stop> {
        self.hands.pace.stopped()
    }

    /// Lets nothing more begin.
    pub fn stop(&self, why: Stop) {
        self.hands.pace.stop(why);
    }

    /// Says on which reading the batches from now on rely, for the record.
    pub(crate) fn rely_on(&mut self, basis: Option<Basis>) {
        self.basis = basis;
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        self.observer.as_ref()
    }

    /// Carries a batch of operations out, and returns what became of each, in order.
    pub(crate) async fn carry_out(&mut self, steps: Vec<Step>) -> Vec<(Step, Fate)> {
        if steps.is_empty() {
            return Vec::new();
        }
        self.batch += 1;
        let batch = self.batch;
        let paths = steps.iter().map(Step::intent).collect();
        let intent = Record::Intent(Intent { batch, at: Some(self.now()), basis: self.basis.clone(), paths });
        if let Err(stop) = self.may_begin(intent).await {
            let fates = steps.into_iter().map(|step| (step, Fate::new(Outcome::NotStarted, &stop)));
            let fates: Vec<_> = fates.collect();
            self.add_up(&fates);
            return fates;
        }
        let hands = &self.hands;
        let fates: Vec<Fate> = futures::stream::iter(steps.iter().map(|step| hands.perform(step)))
            .buffered(self.options.concurrency.max(1))
            .collect()
            .await;
        let records = steps.iter().zip(&fates).map(|(step, fate)| step.record(batch, fate)).collect();
        if let Err(error) = self.journal.append(records).await {
            self.stop(Stop::Journal(whole(&error)));
        }
        let fates: Vec<_> = steps.into_iter().zip(fates).collect();
        self.add_up(&fates);
        fates
    }

    fn add_up(&mut self, fates: &[(Step, Fate)]) {
        for (step, fate) in fates {
            self.totals.entry(fate.outcome).or_default().add(step.files, step.bytes);
        }
    }

    async fn may_begin(&mut self, intent: Record) -> Result<(), Stop> {
        loop {
            self.hands.pace.turn().await?;
            match self.lock.still_mine().await {
                Ok(()) => break,
                Err(LockError::Store(error))
                    if error.kind.is_transient() && self.hands.pace.failed(&error).await => {}
                Err(error) => return Err(self.stopping(Stop::Lock(whole(&error)))),
            }
        }
        match self.journal.append(vec![intent]).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stopping(Stop::Journal(whole(&error)))),
        }
    }

    fn stopping(&self, stop: Stop) -> Stop {
        self.stop(stop.clone());
        stop
    }

    pub(crate) async fn write(&mut self, records: Vec<Record>) -> Result<(), RunError> {
        self.journal.append(records).await.map_err(RunError::Journal)
    }

    /// Writes END and the short record of the run, and gives the locks back.
    ///
    /// `clean`: whether everything was read, no brake or other stop held, and nothing had to be rescued. A run that
    /// was stopped or had a failure is never clean.
    ///
    /// # Errors
    ///
    /// Where the record cannot be written; the locks are given back all the same.
    pub async fn finish(self, clean: bool) -> Result<RunRecord, RunError> {
        // Says so loudly where it is not, whatever else went wrong.
        if let Err(error) = self.lock.still_mine().await {
            self.stop(Stop::Lock(whole(&error)));
        }
        let ended_at = self.end_time().await;
        let failed = self.totals.iter().any(|(outcome, n)| outcome.is_failure() && n.operations > 0);
        let stopped = self.stopped();
        let interrupted = stopped.is_some();
        let record = RunRecord {
            schema: records::SCHEMA,
            run_id: self.options.run_id.clone(),
            command: self.options.command.clone(),
            mode: self.options.mode,
            started_at: Some(self.started_at),
            ended_at: Some(ended_at),
            roots: self.options.roots.iter().map(Spot::from).collect(),
            reference_roots: self.options.reference_roots.iter().map(Spot::from).collect(),
            dead_jobs: self.options.dead_jobs.clone(),
            interrupted,
            clean: clean && !interrupted && !failed,
            settled_by: None,
            totals: self.totals.clone(),
            newer_schema: None,
        };
        let Self { mut journal, lock, hands, totals, .. } = self;
        let end = End { at: ended_at, interrupted, clean: record.clean, totals };
        let written = match journal.append(vec![Record::End(end)]).await {
            Ok(()) => journal.close().await.map_err(RunError::Journal),
            Err(error) => Err(RunError::Journal(error)),
        };
        // What has an operation of unknown outcome stays without a short record, so that the next run settles it.
        let unknown = record.totals.contains_key(&Outcome::Unknown);
        let recorded = match written {
            Ok(()) if unknown => Ok(()),
            Ok(()) => records::write(&hands.stores, &record).await.map_err(RunError::Store),
            Err(error) => Err(error),
        };
        lock.release().await;
        recorded.map(|()| record)
    }

    /// The end by the clock of the storage: mtimes up to here are our own doing.
    async fn end_time(&self) -> Timestamp {
        let mut latest = self.started_at;
        for root in &self.options.roots {
            let name = format!("{}-end", self.options.run_id);
            match clock::store_time(&self.hands.stores, root, &name, self.now()).await {
                Ok(now) => latest = latest.max(now),
                Err(error) => {
                    tracing::warn!(%error, "the clock of the storage could not be read at the end");
                    latest = latest.max(self.now());
                }
            }
        }
        latest
    }
}

/// Checks what lies beside the roots. Returns which of them have something there.
async fn check_trust(stores: &MutateStores, roots: &[Location]) -> Result<Vec<bool>, RunError> {
    let mut there = Vec::with_capacity(roots.len());
    for root in roots {
        let store = stores.of(root).map_err(RunError::Store)?;
        there.push(trust::of_root(store.as_ref(), root).await.map_err(RunError::Trust)?);
    }
    Ok(there)
}

/// The roots that had nothing beside them: what is there by now may not be of our making.
fn missing(roots: &[Location], there: &[bool]) -> Vec<Location> {
    roots.iter().zip(there).filter(|(_, there)| !**there).map(|(root, _)| root.clone()).collect()
}

/// An error with its causes, in one line.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn check(options: &RunOptions) -> Result<(), RunError> {
    if !own::is_run_id(&options.run_id) {
        return Err(RunError::Options(format!("`{}` cannot be the id of a run", options.run_id)));
    }
    for (at, root) in options.roots.iter().enumerate() {
        if layout::is_own(root) || root.parent().is_none() || !root.is_resolvable() {
            return Err(RunError::Options(format!("{root} cannot be a root")));
        }
        let others = options.roots.iter().enumerate().filter(|(other, _)| *other != at);
        if let Some((_, other)) = others.into_iter().find(|(_, other)| root.is_within(other)) {
            return Err(RunError::Options(format!("the root {root} lies within the root {other}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
