//! Carries an approved plan out, for `run --execute` and `apply`: under the lock, by the clock of the storage, after
//! looking, planning and proving anew. Only what both plans sweep is done.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::plan::{Brake, Entry, Looks, Plan, Summary};
use chksweep_core::{Age, JobId, Location, Timestamp};
use chksweep_engine::actions::{ActionOptions, Fresh, actions};
use chksweep_engine::collect::ClockCheck;
use chksweep_engine::execute::{ExecuteOptions, ExecutionReport, execute};
use chksweep_engine::journal;
use chksweep_engine::lock::BreakLock;
use chksweep_engine::pace::Waiting;
use chksweep_engine::quarantine::{
    PurgeConditions, PurgeReport, RescueReport, Rescued, RestoreReport, RestoreRequest, Selection,
    dead_directories, purge, rescue, restore,
};
use chksweep_engine::records::{RunRecord, records};
use chksweep_engine::run::{Run, RunOptions};
use chksweep_engine::{MutateStores, QuarantinedRun, looks};
use futures::FutureExt;
use serde::Serialize;
use tokio::time::Instant;

use crate::error::PipelineError;
use crate::look::{self, Look, Planned};
use crate::replan::{Replanner, own_moves};
use crate::scope::{Scope, Surroundings};

/// Until when what changes where a run moves something is taken for its own doing, unless it says more: a run that is
/// killed cannot tell its end, and says something at least this often. A job that is alive writes files as well.
const UNLESS_TOLD: Age = Age::minutes(15);

/// Who runs it, and where.
#[derive(Clone, Debug)]
pub struct Who {
    /// Name and version of the program.
    pub tool: String,
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
}

/// What a run is begun with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The id of the run.
    pub run_id: String,
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub command: &'static str,
    /// Who runs it.
    pub who: Who,
    /// A lock that may be taken over at once.
    pub break_lock: Option<BreakLock>,
    /// The digest of the plan that was approved.
    pub plan_digest: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// What swept paths become.
    pub mode: journal::Mode,
    /// How long what was set aside stays.
    pub purge_after: Age,
    /// What files from the future mean.
    pub check: ClockCheck,
    /// How long to wait for a store that is busy or away.
    pub waiting: Waiting,
}

/// A run under way, with what it is for.
#[derive(Debug)]
pub struct Session {
    /// The run.
    pub run: Run,
    /// What it looks at.
    pub scope: Arc<Scope>,
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub command: &'static str,
    /// How long what was set aside stays.
    pub purge_after: Age,
    check: ClockCheck,
}

impl Session {
    /// Takes the lock, reads the clock of the storage, and settles what earlier runs left open.
    ///
    /// # Errors
    ///
    /// When another run is at it, clocks differ, or nothing can be recorded.
    pub async fn begin(
        around: &Surroundings,
        scope: Scope,
        stores: MutateStores,
        begin: Begin,
    ) -> Result<Self, PipelineError> {
        let options = RunOptions {
            run_id: begin.run_id,
            command: begin.command.to_owned(),
            tool: begin.who.tool,
            user: begin.who.user,
            host: begin.who.host,
            pid: begin.who.pid,
            local_now: around.clock.now(),
            roots: scope.distinct_roots(),
            reference_roots: scope.reference_roots.clone(),
            mode: begin.mode,
            dead_jobs: scope.policy.dead_jobs.clone(),
            policy_digest: Some(policy_digest(&scope)),
            plan_digest: begin.plan_digest,
            approved_by: begin.approved_by,
            state_dir: scope.state_dir.clone(),
            break_lock: begin.break_lock,
            concurrency: around.limits.concurrency,
            waiting: begin.waiting,
        };
        let run = Run::begin(stores, options, Arc::clone(&around.observer), around.cancel.clone())
            .await
            .map_err(PipelineError::Run)?;
        tracing::info!(run = run.run_id(), started_at = %run.started_at(), "the run has begun");
        let (command, purge_after, check) = (begin.command, begin.purge_after, begin.check);
        Ok(Self { run, scope: Arc::new(scope), command, purge_after, check })
    }

    /// Returns what plans by the clock of the storage, and takes nothing of the run with it.
    pub fn replanner(&self) -> Replanner {
        Replanner {
            scope: Arc::clone(&self.scope),
            stores: self.run.stores().clone(),
            run_id: self.run.run_id().to_owned(),
            started_at: self.run.started_at(),
            clock: self.run.clock().clone(),
            check: self.check,
        }
    }

    /// Looks, and brings back by itself what is in quarantine and named again.
    ///
    /// # Errors
    ///
    /// As [`look::look`].
    pub async fn look(&mut self, around: &Surroundings) -> Result<(Look, RescueReport), PipelineError> {
        let look = self.replanner().look(around).await?;
        let rescued =
            rescue(&mut self.run, &look.collected, &self.scope.equivalence, self.scope.policy.min_age).await;
        Ok((look, rescued))
    }

    /// Carries out what an approved plan and one made just now both sweep.
    ///
    /// # Errors
    ///
    /// When no plan can be made now. What goes wrong with single paths is part of the report.
    pub async fn sweep(
        &mut self,
        around: &Surroundings,
        approved: &[Entry],
        exclude_jobs: Vec<JobId>,
    ) -> Result<Swept, PipelineError> {
        let replanner = self.replanner();
        let (mut look, rescued) = self.look(around).await?;
        if !rescued.is_empty() {
            // What came back names again, and was not heard as it lay in the quarantine.
            look = replanner.look(around).await?;
        }
        let Proved { fresh, read_at, known, summary, brakes, standing } = look::plan(look).await?.into();
        if standing == Standing::Braked {
            return Ok(Swept { brakes, ..Swept::nothing(self.run.run_id(), summary, standing, rescued) });
        }
        // A checkpoint that waits in quarantine to come back keeps nothing there: what it names could be taken for dead.
        let left = rescued.files.iter().find(|file| !file.is_back());
        if let Some(left) = left.filter(|_| self.run.stopped().is_none()) {
            let why = format!(
                "{} is named, lies in the quarantine and could not be brought back: nothing more is swept before it is",
                left.to
            );
            let mut swept = Swept::nothing(self.run.run_id(), summary, standing, rescued);
            swept.report.stopped = Some(why);
            return Ok(swept);
        }
        let options = ActionOptions { mode: self.run.mode(), exclude_jobs };
        let actions = actions(&fresh, approved, &options).map_err(PipelineError::Actions)?;
        drop(fresh);
        let touched = actions.touched();
        let start = self.run.started_at();
        // Said before anything moves, lest a kill makes every job seem alive in which this run had begun.
        let unless_told = own_moves(&touched, start, self.run.now().plus(UNLESS_TOLD));
        replanner.remember(around, &known, unless_told).await;
        let again = (replanner.clone(), around.clone(), known.clone(), touched.clone());
        let revalidate = move || {
            let (replanner, around, known, touched) = again.clone();
            async move {
                // What this run has moved so far is no sign of life either.
                let end = replanner.store_time(&around).await;
                let moves = own_moves(&touched, start, end.plus(UNLESS_TOLD));
                replanner.remember(&around, &known, moves).await;
                let proved = replanner.plan(&around).await.map(Proved::from);
                proved.map(|proved| proved.fresh).map_err(|error| whole(&error))
            }
            .boxed()
        };
        let options = ExecuteOptions { purge_after: self.purge_after, ..ExecuteOptions::default() };
        let report = execute(&mut self.run, actions, read_at, options, &revalidate).await;
        if report.outcomes.contains_key(&journal::Outcome::Done) {
            self.remember_moves(around, &known, &touched).await;
        } else {
            replanner.remember(around, &known, Looks::default()).await;
        }
        Ok(Swept { plan: summary, report, rescued: rescued.files, brakes, standing })
    }

    /// Remembers that this run moved something in these directories, now that it has: their mtimes are no sign of
    /// life.
    pub async fn remember_moves(&self, around: &Surroundings, known: &Looks, touched: &BTreeSet<String>) {
        let replanner = self.replanner();
        let end = replanner.store_time(around).await.max(self.run.now());
        replanner.remember(around, known, own_moves(touched, self.run.started_at(), end)).await;
    }

    /// Looks once more after the last change: what is named by now goes back, and what is due is purged, if that is
    /// wanted.
    ///
    /// # Errors
    ///
    /// As [`Session::look`].
    pub async fn purge(&mut self, around: &Surroundings, purging: Purging) -> Result<Purged, PipelineError> {
        let (mut look, mut rescued) = self.look(around).await?;
        if !rescued.is_empty() {
            // What was rescued is not in the quarantine any more.
            look = self.replanner().look(around).await?;
        }
        let records = self.records().await?;
        let roots = self.run.roots().to_vec();
        let now = self.run.now();
        let is_clean = purging.this_run_is_clean && rescued.is_empty();
        let planned = look::plan(look).await?;
        let conditions = PurgeConditions {
            collected: &planned.look.collected,
            equivalence: &self.scope.equivalence,
            policy: &self.scope.policy,
            records: &records,
            roots: &roots,
            reference_roots: &self.scope.reference_roots,
            now,
            purge_after: purging.after,
            this_run_is_clean: is_clean,
            stop: stop_of(planned.plan.plan()).or_else(|| purging.held.clone()),
        };
        let report = purge(&mut self.run, &conditions, &purging.selection).await;
        Ok(Purged { report, rescued: std::mem::take(&mut rescued.files) })
    }

    /// Looks, plans to learn which jobs are dead, and brings back what `select` means of what lies in quarantine.
    ///
    /// # Errors
    ///
    /// As [`Session::look`] and [`look::plan`]. What goes wrong with single paths is part of the report.
    pub async fn restore(
        &mut self,
        around: &Surroundings,
        select: impl FnOnce(&[QuarantinedRun], Timestamp) -> Option<Selection>,
        to: Option<Location>,
    ) -> Result<RestoreReport, PipelineError> {
        let planned = self.replanner().plan(around).await?;
        let runs = &planned.look.collected.quarantine;
        let Some(selection) = select(runs, self.run.now()) else { return Ok(RestoreReport::default()) };
        let records = self.records().await?;
        let dead = dead_directories(&planned.plan.plan().summary.jobs);
        let scope = Arc::clone(&self.scope);
        let request = RestoreRequest {
            metadata: &planned.look.collected.metadata,
            unsearched: &planned.look.collected.unsearched,
            quarantine: runs,
            equivalence: &scope.equivalence,
            selection,
            to,
            records: &records,
            dead: &dead,
        };
        let report = restore(&mut self.run, &request).await;
        let known = looks::merge(planned.look.collected.looks.clone(), planned.plan.plan().looks.clone());
        let touched = report.touched(&planned.look.collected.inventory);
        self.remember_moves(around, &known, &touched).await;
        Ok(report)
    }

    /// Reads the records of all runs under the roots.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub async fn records(&self) -> Result<Vec<RunRecord>, PipelineError> {
        records(&self.run.stores().reading(), self.run.roots()).await.map_err(PipelineError::Records)
    }

    /// Ends the run.
    ///
    /// # Errors
    ///
    /// When its end cannot be recorded.
    pub async fn finish(self, clean: bool) -> Result<RunRecord, PipelineError> {
        self.run.finish(clean).await.map_err(PipelineError::Run)
    }
}

/// What is to be purged.
#[derive(Clone, Debug)]
pub struct Purging {
    /// Which runs are meant.
    pub selection: Selection,
    /// How long what was set aside stays.
    pub after: Age,
    /// Whether the run that asks is a sweep that went well.
    pub this_run_is_clean: bool,
    /// Why nothing is to be purged at all, if so.
    pub held: Option<String>,
}

/// What became of a purge.
#[derive(Debug, Serialize)]
pub struct Purged {
    /// What was purged, and what waits.
    #[serde(flatten)]
    pub report: PurgeReport,
    /// What was brought back before.
    pub rescued: Vec<Rescued>,
}

impl Purged {
    /// Returns whether something that was due is not gone, or something that is named is not back.
    pub fn is_partly_done(&self) -> bool {
        self.report.is_partly_done() || !self.rescued.iter().all(Rescued::is_back)
    }

    /// Returns whether nothing had to be brought back, and everything went well.
    pub(crate) fn is_clean(&self) -> bool {
        self.rescued.is_empty() && !self.report.is_partly_done()
    }
}

/// Returns the brake that speaks against purging: not that there is much, but that something is wrong.
fn stop_of(plan: &Plan) -> Option<String> {
    let brake = plan.brakes.iter().find(|brake| !brake.limit.starts_with("max-sweep-"))?;
    Some(format!("{}: {}", brake.limit, brake.message))
}

/// How a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing holds it.
    Clear,
    /// Metadata that cannot be read holds something back.
    HeldByUnreadable,
    /// A brake holds all of it.
    Braked,
}

impl Standing {
    /// Returns how a plan stands.
    pub fn of(plan: &Plan) -> Self {
        if !plan.brakes.is_empty() {
            Self::Braked
        } else if plan.held_by_unreadable {
            Self::HeldByUnreadable
        } else {
            Self::Clear
        }
    }
}

/// A proved plan, taken apart for the executor.
struct Proved {
    fresh: Fresh,
    read_at: Instant,
    known: Looks,
    summary: Summary,
    brakes: Vec<Brake>,
    standing: Standing,
}

impl From<Planned> for Proved {
    fn from(planned: Planned) -> Self {
        let Planned { look, plan } = planned;
        Self {
            known: looks::merge(look.collected.looks, plan.plan().looks.clone()),
            summary: plan.plan().summary.clone(),
            brakes: plan.plan().brakes.clone(),
            standing: Standing::of(plan.plan()),
            read_at: look.collected.read_at,
            fresh: Fresh::new(plan, look.collected.inventory, look.collected.read_at),
        }
    }
}

/// What became of an approved plan.
#[derive(Debug, Serialize)]
pub struct Swept {
    /// The sums of the plan that was made just now.
    pub plan: Summary,
    /// What was done.
    #[serde(flatten)]
    pub report: ExecutionReport,
    /// What was in quarantine and named again, and brought back before.
    pub rescued: Vec<Rescued>,
    /// The brakes that hold.
    #[serde(skip)]
    pub brakes: Vec<Brake>,
    /// How the fresh plan stands.
    #[serde(skip)]
    pub standing: Standing,
}

impl Swept {
    /// What became of a plan that nothing is done of.
    fn nothing(run_id: &str, plan: Summary, standing: Standing, rescued: RescueReport) -> Self {
        let report = ExecutionReport { run_id: run_id.to_owned(), ..ExecutionReport::default() };
        Self { plan, report, rescued: rescued.files, brakes: Vec::new(), standing }
    }

    /// Returns whether everything was read and done, and nothing had to be brought back.
    pub fn is_clean(&self) -> bool {
        let report = &self.report;
        self.standing == Standing::Clear
            && self.rescued.is_empty()
            && !report.is_partly_done()
            && !report.interrupted
    }
}

fn policy_digest(scope: &Scope) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write as _;
    let text = serde_json::to_vec(&scope.policy).unwrap_or_default();
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        write!(out, "{byte:02x}").ok();
        out
    })
}

/// An error with its causes, in one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
