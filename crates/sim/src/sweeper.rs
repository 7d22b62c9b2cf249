//! chksweep itself, under simulation: the same steps as the command line's, on the simulated NameNode.

use std::sync::Arc;

use chksweep_core::plan::{Decision, Entry, PlanFileReader, PlanFileWriter, Severity, entries};
use chksweep_core::policy::Policy;
use chksweep_core::{Age, Equivalence, Location, Timestamp};
use chksweep_engine::cancel::Cancel;
use chksweep_engine::collect::{ClockCheck, Limits};
use chksweep_engine::journal::Mode;
use chksweep_engine::lock::{BreakLock, LockError};
use chksweep_engine::pace::Waiting;
use chksweep_engine::quarantine::Selection;
use chksweep_engine::run::RunError;
use chksweep_engine::{MutateStores, Observer, Quiet};
use chksweep_pipeline::{
    Begin, Clock, PipelineError, Planned, Purging, Scope, Session, Standing, Surroundings, When, Who,
    carry_out,
};
use chksweep_store::{MutateStore, Resilient};

use crate::namenode::{Client, Death, NameNode};

/// The clock of the machine that chksweep runs on.
#[derive(Debug)]
struct LocalClock {
    namenode: NameNode,
    /// How far it goes before the NameNode's, in milliseconds.
    ahead: i64,
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.namenode.now().0 + self.ahead)
    }
}

/// What chksweep is called with, all through a history.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) roots: Vec<String>,
    pub(crate) reference_roots: Vec<String>,
    pub(crate) pins: Vec<String>,
    pub(crate) policy: Policy,
    pub(crate) mode: Mode,
    pub(crate) purge_after: Age,
}

/// What somebody wants of chksweep.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// `run --execute`.
    Run,
    /// `plan -o FILE`.
    Plan,
    /// `plan --all`.
    PlanAll,
    /// `apply FILE`.
    Apply(Vec<Entry>),
    /// `quarantine restore`, with `--to`.
    Restore(Selection, Option<Location>),
    /// `quarantine purge`.
    Purge(Selection),
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Through to its end; with what was planned, where that was wished.
    Done { what: String, planned: Option<Vec<Entry>>, rescued: u64, held: bool },
    /// It could not, and said why.
    Failed(String),
    /// Another run holds the lock.
    Locked,
    /// The checker refused a plan of our own making: a bug.
    Refused(String),
    /// It was killed.
    Killed,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done { what, .. } => f.write_str(what),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Locked => f.write_str("another run holds the lock"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Killed => f.write_str("killed"),
        }
    }
}

/// One process.
pub(crate) struct Process<'a> {
    pub(crate) namenode: &'a NameNode,
    pub(crate) settings: &'a Settings,
    pub(crate) run_id: String,
    pub(crate) death: Death,
    pub(crate) ahead: i64,
    pub(crate) break_lock: bool,
}

impl Process<'_> {
    /// Runs until it ends or dies.
    pub(crate) async fn live(&self, wish: Wish) -> End {
        let died = Arc::clone(&self.death.now);
        // What a process had under way ends with it.
        tokio::select! {
            biased;
            () = died.notified() => End::Killed,
            end = self.work(wish) => end,
        }
    }

    fn around(&self) -> Surroundings {
        let observer: Arc<dyn Observer> = Arc::new(Quiet);
        Surroundings {
            clock: Arc::new(LocalClock { namenode: self.namenode.clone(), ahead: self.ahead }),
            observer,
            cancel: Cancel::default(),
            limits: Limits { concurrency: 3, ..Limits::default() },
        }
    }

    fn scope(&self) -> Scope {
        let locations = |paths: &[String]| paths.iter().map(|path| location(path)).collect();
        Scope {
            roots: locations(&self.settings.roots),
            reference_roots: locations(&self.settings.reference_roots),
            pins: locations(&self.settings.pins),
            policy: self.settings.policy.clone(),
            equivalence: Equivalence::default(),
            state_dir: None,
        }
    }

    fn stores(&self) -> MutateStores {
        let client = Client::new(self.namenode, self.death.clone(), self.run_id.clone());
        let store: Arc<dyn MutateStore> = Arc::new(Resilient::new(client).with_sorted_listings());
        let mut stores = MutateStores::default();
        stores.add(&location("/"), store);
        stores
    }

    async fn work(&self, wish: Wish) -> End {
        match self.try_work(wish).await {
            Ok(end) => end,
            Err(PipelineError::Refused(findings)) => End::Refused(findings.to_string()),
            Err(PipelineError::Run(RunError::Lock(LockError::Held(_)))) => End::Locked,
            Err(error) => End::Failed(error.to_string()),
        }
    }

    async fn try_work(&self, wish: Wish) -> Result<End, PipelineError> {
        let around = self.around();
        if let Wish::Plan | Wish::PlanAll = wish {
            let now = around.clock.now();
            let when = When { now, as_of: now, check: ClockCheck::Enforce };
            let stores = self.stores().reading();
            let planned = chksweep_pipeline::dry_run(&around, self.scope(), stores, when).await?;
            let all = matches!(wish, Wish::PlanAll);
            let planned = Some(written(planned, |entry| all || entry.verdict.decision() == Decision::Sweep));
            return Ok(End::Done { what: "planned".to_owned(), planned, rescued: 0, held: false });
        }
        let command = match &wish {
            Wish::Run | Wish::Plan | Wish::PlanAll => "run",
            Wish::Apply(_) => "apply",
            Wish::Restore(..) => "restore",
            Wish::Purge(_) => "purge",
        };
        let session = Session::begin(&around, self.scope(), self.stores(), self.begin(command)).await?;
        self.carry(&around, session, wish).await
    }

    fn begin(&self, command: &'static str) -> Begin {
        let who = Who { tool: "sim".to_owned(), user: "flink".to_owned(), host: "edge".to_owned(), pid: 7 };
        Begin {
            run_id: self.run_id.clone(),
            command,
            who,
            break_lock: self.break_lock.then_some(BreakLock::Any),
            plan_digest: None,
            approved_by: None,
            mode: self.settings.mode,
            purge_after: self.settings.purge_after,
            check: ClockCheck::Enforce,
            waiting: Waiting::default(),
        }
    }

    async fn carry(
        &self,
        around: &Surroundings,
        mut session: Session,
        wish: Wish,
    ) -> Result<End, PipelineError> {
        let (entries, may_purge) = match wish {
            Wish::Run | Wish::Plan | Wish::PlanAll => match session.replanner().plan(around).await {
                Ok(planned) => (written(planned, |entry| entry.verdict.decision() == Decision::Sweep), true),
                Err(error) => {
                    session.finish(false).await?;
                    return Err(error);
                }
            },
            Wish::Apply(entries) => (entries, false),
            Wish::Restore(selection, to) => {
                let report = session.restore(around, |_, _| Some(selection), to).await;
                session.finish(false).await?;
                let report = report?;
                let messages: Vec<&String> = report.restored.iter().flat_map(|one| &one.message).collect();
                let what = format!("restored {:?} {messages:?}", report.outcomes);
                return Ok(End::Done { what, planned: None, rescued: 0, held: false });
            }
            Wish::Purge(selection) => {
                let after = self.settings.purge_after;
                let purging = Purging { selection, after, this_run_is_clean: false, held: None };
                let purged = session.purge(around, purging).await;
                session.finish(false).await?;
                let purged = purged?;
                let rescued = purged.rescued.len() as u64;
                let what =
                    format!("purged {}, {} wait", purged.report.purged.len(), purged.report.waiting.len());
                return Ok(End::Done { what, planned: None, rescued, held: false });
            }
        };
        let done = carry_out(around, session, &entries, Vec::new(), may_purge).await?;
        let after = done.purged.as_ref().map_or(0, |purged| purged.rescued.len());
        let rescued = (done.swept.rescued.len() + after) as u64;
        let errors = done.swept.plan.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let errors: Vec<String> = errors.map(|problem| format!("{problem:?}")).collect();
        let runs = done.purged.iter().flat_map(|purged| &purged.report.waiting);
        let waiting: Vec<String> = runs.map(|run| format!("{}: {:?}", run.run_id, run.reasons)).collect();
        let held = done.swept.standing != Standing::Clear || !errors.is_empty();
        let what = format!(
            "swept {:?}, standing {:?}, brakes {:?}, clean {}, errors {errors:?}, rescued {:?} {:?}, waiting {waiting:?}",
            done.swept.report.outcomes,
            done.swept.standing,
            done.swept.brakes,
            done.record.clean,
            done.swept.rescued,
            done.purged.as_ref().map(|purged| &purged.rescued),
        );
        Ok(End::Done { what, planned: None, rescued, held })
    }
}

fn location(path: &str) -> Location {
    Location::from_parts(Some("hdfs"), Some("ns"), path.as_bytes())
}

/// What of a plan is wanted, written to a plan file and read back.
fn written(planned: Planned, wanted: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
    let inventory = planned.look.collected.inventory;
    let plan = planned.plan.into_plan();
    let mut writer = PlanFileWriter::new(Vec::new(), &plan.header).unwrap();
    entries(&inventory, &plan.decisions, true, |entry| writer.entry(&entry).unwrap());
    let (_, bytes) = writer.finish(&plan.summary).unwrap();
    PlanFileReader::new(bytes.as_slice()).read(wanted).unwrap().entries
}
