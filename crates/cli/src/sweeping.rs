//! Carries an approved plan out, for `run --execute` and `apply`: under the lock, by the clock of the storage, after
//! looking, planning and proving anew. Only what both plans sweep is done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chksweep_core::plan::{Brake, Entry, Looks, OwnMove, Plan, Summary};
use chksweep_core::{Age, JobId, Location, Timestamp};
use chksweep_engine::actions::{ActionOptions, Fresh, actions};
use chksweep_engine::clock::ClockError;
use chksweep_engine::collect::ClockCheck;
use chksweep_engine::execute::{ExecuteOptions, ExecutionReport, execute};
use chksweep_engine::journal;
use chksweep_engine::lock::{BreakLock, LockError};
use chksweep_engine::pace::Waiting;
use chksweep_engine::quarantine::{
    PurgeConditions, PurgeReport, RescueReport, Rescued, Selection, purge, rescue,
};
use chksweep_engine::records::records;
use chksweep_engine::run::{Run, RunError, RunOptions};
use chksweep_engine::{MutateStores, clock, looks};
use futures::FutureExt;
use serde::Serialize;
use tokio::time::Instant;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, store_hint};
use crate::pipeline::{self, Look, Planned, Scope, When};
use crate::settings::{Mode, Sweeping};

/// How old the metadata may be that a batch relies on.
const REVALIDATE_AFTER: Duration = Duration::from_mins(10);

/// Who begins a run, and on whose word.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub(crate) command: &'static str,
    /// `--break-lock`.
    pub(crate) break_lock: Option<String>,
    /// The digest of the plan that was approved.
    pub(crate) plan_digest: Option<String>,
    /// Who approved it.
    pub(crate) approved_by: Option<String>,
    /// How it is carried out.
    pub(crate) sweeping: Sweeping,
}

/// A run under way, with what it is for.
#[derive(Debug)]
pub(crate) struct Session {
    /// The run.
    pub(crate) run: Run,
    /// What it looks at.
    pub(crate) scope: Arc<Scope>,
    /// How it is carried out.
    pub(crate) sweeping: Sweeping,
    /// Whether the command line holds all that it plans from: it is `run`.
    pub(crate) is_typed: bool,
    check: ClockCheck,
}

/// Refuses what cannot be carried out at these roots, before anything is begun.
///
/// # Errors
///
/// When the trash is wanted where there is none.
pub(crate) fn check_mode(sweeping: Sweeping, roots: &[Location]) -> Outcome<()> {
    let local = roots.iter().find(|root| root.scheme() == Some("file"));
    match local.filter(|_| sweeping.mode == Mode::Trash) {
        Some(root) => Err(Failure::usage(format_args!("`{root}` is on a local disk, which has no trash"))
            .hint("say `--mode quarantine`, which is the default and can be undone, or `--mode delete`")),
        None => Ok(()),
    }
}

/// Returns the mode as the journal has it.
pub(crate) const fn journal_mode(mode: Mode) -> journal::Mode {
    match mode {
        Mode::Quarantine => journal::Mode::Quarantine,
        Mode::Trash => journal::Mode::Trash,
        Mode::Delete => journal::Mode::Delete,
    }
}

impl Session {
    /// Takes the lock, reads the clock of the storage, and settles what earlier runs left open.
    ///
    /// # Errors
    ///
    /// When another run is at it (exit 5), clocks differ, or nothing can be recorded.
    pub(crate) async fn begin(context: &Context, scope: Scope, begin: Begin) -> Outcome<Self> {
        let sweeping = begin.sweeping;
        let stores: MutateStores = scope.systems.open_for_changing(scope.places(), sweeping.max_rps).await?;
        let now = context.clock.now();
        let state_dir = context.settings.state_dir()?;
        let options = RunOptions {
            run_id: pipeline::new_run_id(now),
            command: begin.command.to_owned(),
            tool: concat!("chksweep ", env!("CARGO_PKG_VERSION")).to_owned(),
            user: user(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            local_now: now,
            roots: distinct_roots(&scope),
            reference_roots: scope.reference_roots.clone(),
            mode: journal_mode(sweeping.mode),
            dead_jobs: scope.policy.dead_jobs.clone(),
            policy_digest: Some(policy_digest(&scope)),
            plan_digest: begin.plan_digest,
            approved_by: begin.approved_by,
            state_dir: Some(state_dir),
            break_lock: begin.break_lock.as_deref().map(BreakLock::parse),
            concurrency: context.settings.concurrency()?,
            waiting: Waiting { total: context.settings.patience()?.saturating_mul(2), ..Waiting::default() },
        };
        let run = Run::begin(stores, options, context.observer(), context.stop.cancel.clone())
            .await
            .map_err(not_begun)?;
        tracing::info!(run = run.run_id(), started_at = %run.started_at(), "the run has begun");
        let check =
            if context.settings.allow_clock_skew()? { ClockCheck::Allow } else { ClockCheck::Enforce };
        Ok(Self { run, scope: Arc::new(scope), sweeping, is_typed: begin.command == "run", check })
    }

    /// Returns what plans by the clock of the storage, and takes nothing of the run with it.
    pub(crate) fn planner(&self) -> Planner {
        Planner {
            scope: Arc::clone(&self.scope),
            stores: self.run.stores().clone(),
            run_id: self.run.run_id().to_owned(),
            started_at: self.run.started_at(),
            now: self.run.now(),
            begun: Instant::now(),
            check: self.check,
        }
    }

    /// Looks, and brings back by itself what is in quarantine and named again.
    ///
    /// # Errors
    ///
    /// As [`pipeline::look`].
    pub(crate) async fn look(&mut self, context: &Context) -> Outcome<(Look, RescueReport)> {
        let look = self.planner().look(context).await?;
        let rescued = rescue(
            &mut self.run,
            &look.collected.metadata,
            &look.collected.quarantine,
            &self.scope.systems.equivalence,
            self.scope.policy.min_age,
        )
        .await;
        Ok((look, rescued))
    }

    /// Carries out what an approved plan and one made just now both sweep.
    ///
    /// # Errors
    ///
    /// When no plan can be made now. What goes wrong with single paths is part of the report.
    pub(crate) async fn sweep(
        &mut self,
        context: &Context,
        approved: &[Entry],
        exclude_jobs: Vec<JobId>,
    ) -> Outcome<Swept> {
        let planner = self.planner();
        let (look, rescued) = self.look(context).await?;
        let Proved { fresh, read_at, known, summary, brakes, exit } = pipeline::plan(look).await?.into();
        if exit == Exit::Brake {
            return Ok(Swept { brakes, ..Swept::nothing(self.run.run_id(), summary, exit, rescued) });
        }
        let options = ActionOptions { mode: self.run.mode(), exclude_jobs };
        let actions =
            actions(&fresh, approved, &options).map_err(|error| Failure::new(Exit::Failed, error))?;
        drop(fresh);
        let touched = actions.touched();
        let start = self.run.started_at();
        planner.remember(context, &known, Looks::default()).await;
        let again = (planner.clone(), context.clone(), known.clone(), touched.clone());
        let revalidate = move || {
            let (planner, context, known, touched) = again.clone();
            async move {
                // What this run has moved so far is no sign of life either.
                let end = planner.store_time(&context).await;
                planner.remember(&context, &known, own_moves(&touched, start, end)).await;
                let proved = planner.plan(&context).await.map(Proved::from);
                proved.map(|proved| proved.fresh).map_err(|failure| format!("{:#}", failure.error))
            }
            .boxed()
        };
        let options = ExecuteOptions {
            revalidate_after: REVALIDATE_AFTER,
            purge_after: self.sweeping.purge_after,
            ..ExecuteOptions::default()
        };
        let report = execute(&mut self.run, actions, read_at, options, &revalidate).await;
        if report.outcomes.contains_key(&journal::Outcome::Done) {
            self.remember_moves(context, &known, &touched).await;
        }
        Ok(Swept { plan: summary, report, rescued: rescued.files, brakes, exit })
    }

    /// Remembers that this run moved something in these directories, now that it has: their mtimes are no sign of
    /// life.
    pub(crate) async fn remember_moves(&self, context: &Context, known: &Looks, touched: &BTreeSet<String>) {
        let planner = self.planner();
        let end = planner.store_time(context).await.max(self.run.now());
        planner.remember(context, known, own_moves(touched, self.run.started_at(), end)).await;
    }

    /// Looks once more after the last change: what is named by now goes back, and what is due is purged, if that is
    /// wanted.
    ///
    /// # Errors
    ///
    /// As [`Session::look`].
    pub(crate) async fn purge(&mut self, context: &Context, purging: Purging) -> Outcome<Purged> {
        let (mut look, mut rescued) = self.look(context).await?;
        if !rescued.is_empty() {
            // What was rescued is not in the quarantine any more.
            look = self.planner().look(context).await?;
        }
        let records = records(&self.run.stores().reading(), self.run.roots())
            .await
            .map_err(|error| Failure::from(error).context("reading the records of runs"))?;
        let roots = self.run.roots().to_vec();
        let now = self.run.now();
        let is_clean = purging.this_run_is_clean && rescued.is_empty();
        let planned = pipeline::plan(look).await?;
        let conditions = PurgeConditions {
            collected: &planned.look.collected,
            equivalence: &self.scope.systems.equivalence,
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
}

/// What is to be purged.
#[derive(Clone, Debug)]
pub(crate) struct Purging {
    /// Which runs are meant.
    pub(crate) selection: Selection,
    /// How long what was set aside stays.
    pub(crate) after: Age,
    /// Whether the run that asks is a sweep that went well.
    pub(crate) this_run_is_clean: bool,
    /// Why nothing is to be purged at all, if so.
    pub(crate) held: Option<String>,
}

/// What became of a purge.
#[derive(Debug, Serialize)]
pub(crate) struct Purged {
    /// What was purged, and what waits.
    #[serde(flatten)]
    pub(crate) report: PurgeReport,
    /// What was brought back before.
    pub(crate) rescued: Vec<Rescued>,
}

/// Returns the brake that speaks against purging: not that there is much, but that something is wrong.
fn stop_of(plan: &Plan) -> Option<String> {
    let brake = plan.brakes.iter().find(|brake| !brake.limit.starts_with("max-sweep-"))?;
    Some(format!("{}: {}", brake.limit, brake.message))
}

/// What is needed to plan anew in the middle of a run.
#[derive(Clone, Debug)]
pub(crate) struct Planner {
    scope: Arc<Scope>,
    stores: MutateStores,
    run_id: String,
    started_at: Timestamp,
    now: Timestamp,
    begun: Instant,
    check: ClockCheck,
}

impl Planner {
    /// Looks and plans by the clock of the storage as it is now, and proves the plan.
    ///
    /// # Errors
    ///
    /// As [`pipeline::look`] and [`pipeline::plan`].
    pub(crate) async fn plan(&self, context: &Context) -> Outcome<Planned> {
        pipeline::plan(self.look(context).await?).await
    }

    async fn look(&self, context: &Context) -> Outcome<Look> {
        // The clock of the storage, as far as it can be told without asking it again.
        let ms = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(0);
        let now = Timestamp(self.now.0.saturating_add(ms));
        let when = When { now, as_of: self.started_at, check: self.check };
        let stores = self.stores.reading();
        pipeline::look(context, Arc::clone(&self.scope), stores, self.run_id.clone(), when).await
    }

    /// Returns what the clock of the storage says now, the latest of several: what was modified up to then may be
    /// our own doing. Counting on from the start would come out too early by what each call took.
    async fn store_time(&self, context: &Context) -> Timestamp {
        let name = format!("{}-swept", self.run_id);
        let mut latest = self.started_at;
        for root in distinct_roots(&self.scope) {
            match clock::store_time(&self.stores, &root, &name, context.clock.now()).await {
                Ok(time) => latest = latest.max(time),
                Err(error) => tracing::warn!(%error, "the clock of the storage could not be read"),
            }
        }
        latest
    }

    /// Remembers what was seen and what is our own doing, on this machine and beside the roots, before it is done.
    async fn remember(&self, context: &Context, known: &Looks, moves: Looks) {
        let looks = looks::merge(known.clone(), moves);
        if let Some(path) = self.scope.looks_path()
            && let Err(error) = looks::save_local(&path, &looks)
        {
            context.printer.warning(&format!("`{}` could not be written: {error}", path.display()));
        }
        for root in distinct_roots(&self.scope) {
            let saved = match self.stores.of(&root) {
                Ok(store) => looks::save_stored(store.as_ref(), &root, &looks::within(&looks, &root)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = saved {
                context.printer.warning(&format!("what was seen could not be recorded: {error}"));
            }
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
    exit: Exit,
}

impl From<Planned> for Proved {
    fn from(planned: Planned) -> Self {
        let Planned { look, plan } = planned;
        Self {
            known: looks::merge(look.collected.looks, plan.plan().looks.clone()),
            summary: plan.plan().summary.clone(),
            brakes: plan.plan().brakes.clone(),
            exit: pipeline::exit_of(plan.plan()),
            read_at: look.read_at,
            fresh: Fresh::new(plan, look.collected.inventory, look.read_at),
        }
    }
}

/// What became of an approved plan.
#[derive(Debug, Serialize)]
pub(crate) struct Swept {
    /// The sums of the plan that was made just now.
    pub(crate) plan: Summary,
    /// What was done.
    #[serde(flatten)]
    pub(crate) report: ExecutionReport,
    /// What was in quarantine and named again, and brought back before.
    pub(crate) rescued: Vec<Rescued>,
    /// The brakes that hold.
    #[serde(skip)]
    pub(crate) brakes: Vec<Brake>,
    /// The exit code that the fresh plan gives.
    #[serde(skip)]
    pub(crate) exit: Exit,
}

impl Swept {
    /// What became of a plan that nothing is done of.
    pub(crate) fn nothing(run_id: &str, plan: Summary, exit: Exit, rescued: RescueReport) -> Self {
        let report = ExecutionReport { run_id: run_id.to_owned(), ..ExecutionReport::default() };
        Self { plan, report, rescued: rescued.files, brakes: Vec::new(), exit }
    }
}

fn own_moves(touched: &BTreeSet<String>, start: Timestamp, end: Timestamp) -> Looks {
    let moves = touched.iter().map(|path| (path.clone(), OwnMove { start, end: Some(end) })).collect();
    Looks { moves, ..Looks::default() }
}

/// The roots, each place once, none within another.
fn distinct_roots(scope: &Scope) -> Vec<Location> {
    let equivalence = &scope.systems.equivalence;
    let mut kept: Vec<&Location> = Vec::new();
    for root in &scope.roots {
        let place = equivalence.canonical(root);
        let others = scope.roots.iter().filter(|other| *other != root);
        let inside = others
            .map(|other| equivalence.canonical(other))
            .any(|other| other != place && place.is_within(&other));
        if !inside && !kept.iter().any(|other| equivalence.canonical(other) == place) {
            kept.push(root);
        }
    }
    kept.into_iter().cloned().collect()
}

fn user() -> String {
    ["HADOOP_USER_NAME", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
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

/// Returns the failure of a run that could not begin or end.
pub(crate) fn not_begun(error: RunError) -> Failure {
    let hint = match &error {
        RunError::Lock(LockError::Held(held)) => {
            let id = held.holder.as_ref().map_or("any", |holder| holder.run_id.as_str());
            let hint = format!(
                "a lock that is silent for 15m is taken over by itself; if that run is gone, say `--break-lock {id}`"
            );
            return Failure::new(Exit::Locked, error).hint(hint);
        }
        RunError::Lock(LockError::Store(source))
        | RunError::Store(source)
        | RunError::Clock(ClockError::Store(source)) => store_hint(source),
        RunError::Clock(ClockError::Skew { .. }) => Some("set the clock of this machine; ages rest on it"),
        RunError::Lock(LockError::Lost { .. }) | RunError::Journal(_) => None,
        RunError::Options(_) => return Failure::new(Exit::Usage, error),
    };
    let failure = Failure::new(Exit::Failed, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Returns the exit code of what was done.
pub(crate) fn exit_of(report: &ExecutionReport, context: &Context) -> Exit {
    let partly = if report.is_partly_done() { Exit::Partial } else { Exit::Done };
    if report.interrupted { context.stop.exit().and(partly) } else { partly }
}
