//! The sweep: actions in small batches, each preceded by its proof.
//!
//! What can happen while a sweep goes on, and what then protects:
//! - A job restores from an old checkpoint and its next checkpoint names files that are about to go. The metadata
//!   that a batch relies on is never older than ten minutes; a file is at least `min-age` old and unnamed; and after
//!   the last batch the caller reads metadata once more and brings back what is named by then (`rescue`).
//! - A path is replaced or written to. It is looked at right before it is touched, and must have the length and
//!   mtime that both plans saw. A name that can come again (`_metadata`, `000012.sst`) is looked at once more after
//!   it has moved.
//! - A file appears in a directory that is about to go. Directories are removed only when empty; one that goes whole
//!   is listed before and after, and goes back if anything is new.
//! - The run is killed. Each path is at its old or at its new place, the batch stands in the journal, and the next
//!   run looks where its paths lie.
//!
//! What remains: between the last look at a path and its rename lies one round trip, and what is renamed can be
//! brought back. That is why a `_metadata` goes through the quarantine in every mode, and why the default mode is
//! the quarantine.

use std::collections::BTreeSet;
use std::time::Duration;

use chksweep_core::{Age, Location};
use futures::future::BoxFuture;

use super::report::ExecutionReport;
use super::step::{Fate, How, Step};
use crate::actions::{Action, Actions, Fresh, What, may_go_on, still_swept};
use crate::events::Event;
use crate::journal::{Mode, Operation, Outcome};
use crate::own;
use crate::pace::Stop;
use crate::run::Run;

/// Reads metadata again and plans again, with the policy of the plan. Called when the last reading grows old.
pub type Revalidate<'a> = dyn Fn() -> BoxFuture<'a, Result<Fresh, String>> + Send + Sync + 'a;

/// How old the reading may be on which a batch relies, or a purge as it begins with what a run set aside.
pub const MAX_READING: Duration = Duration::from_mins(10);

/// How a sweep goes on.
#[derive(Clone, Copy, Debug)]
pub struct ExecuteOptions {
    /// How many paths are in a batch.
    pub batch: usize,
    /// How old the metadata pass may be on which a batch relies.
    pub revalidate_after: Duration,
    /// How long what is set aside stays at least: for the report.
    pub purge_after: Age,
}

impl Default for ExecuteOptions {
    fn default() -> Self {
        Self { batch: 500, revalidate_after: MAX_READING, purge_after: Age::days(7) }
    }
}

/// Carries actions out. Goes on after failures of single paths; stops between operations when asked to, when the
/// lock is lost, and when the store stays away.
///
/// `read_at` is when the metadata pass began that the actions were made from.
pub async fn execute(
    run: &mut Run,
    actions: Actions,
    read_at: tokio::time::Instant,
    options: ExecuteOptions,
    revalidate: &Revalidate<'_>,
) -> ExecutionReport {
    for action in &actions.list {
        own::assert_sweepable(run.roots(), &action.path);
    }
    let mut sweep = Sweep {
        total: u64::try_from(actions.list.len()).unwrap_or(u64::MAX),
        done: 0,
        bytes: 0,
        left: BTreeSet::new(),
        aside: BTreeSet::new(),
        read_at,
        options,
        report: ExecutionReport {
            run_id: run.run_id().to_owned(),
            mode: run.mode(),
            dropped: actions.dropped,
            ..ExecutionReport::default()
        },
    };
    run.rely_on(actions.basis);
    let mut rest = actions.list;
    while !rest.is_empty() {
        let count = next_batch(&rest, options.batch);
        let mut batch: Vec<Action> = rest.drain(..count).collect();
        if let Err(stop) = sweep.renew(run, &mut batch, &mut rest, revalidate).await {
            run.stop(stop);
        }
        sweep.batch(run, batch).await;
    }
    sweep.finish(run)
}

/// How many actions go together: at most so many, all of one stage.
fn next_batch(rest: &[Action], limit: usize) -> usize {
    let Some(first) = rest.first() else { return 0 };
    let stage = first.stage();
    rest.iter().take(limit.max(1)).take_while(|action| action.stage() == stage).count()
}

struct Sweep {
    total: u64,
    done: u64,
    bytes: u64,
    /// Directories whose `_metadata` stayed: what lies beside it stays too.
    left: BTreeSet<Location>,
    /// Where something was set aside.
    aside: BTreeSet<Location>,
    read_at: tokio::time::Instant,
    options: ExecuteOptions,
    report: ExecutionReport,
}

impl Sweep {
    /// Proves the rest of the plan again when the last reading is too old. What it no longer sweeps is dropped.
    async fn renew(
        &mut self,
        run: &mut Run,
        batch: &mut Vec<Action>,
        rest: &mut Vec<Action>,
        revalidate: &Revalidate<'_>,
    ) -> Result<(), Stop> {
        if run.stopped().is_some() || self.read_at.elapsed() <= self.options.revalidate_after {
            return Ok(());
        }
        let fresh = revalidate().await.map_err(Stop::Plan)?;
        may_go_on(&fresh).map_err(|error| Stop::Plan(error.to_string()))?;
        self.read_at = fresh.read_at;
        run.rely_on(Some(fresh.basis()));
        for list in [batch, rest] {
            list.retain_mut(|action| {
                action.rest_on(&fresh);
                let keeps = still_swept(&fresh, action);
                if !keeps {
                    let why = super::DroppedWhy::NotSwept;
                    let message =
                        "reading metadata again showed that it must stay, or it has changed".to_owned();
                    self.report.dropped.push(super::Dropped { path: action.path.clone(), why, message });
                }
                keeps
            });
        }
        Ok(())
    }

    async fn batch(&mut self, run: &mut Run, batch: Vec<Action>) {
        let mut steps = Vec::with_capacity(batch.len());
        for action in batch {
            if self.stays(&action) {
                let why = "its `_metadata` stayed, so what lies beside it stays too";
                self.count(run, &action.path, &Fate::new(Outcome::NotStarted, why), 0, 0);
                self.report.note(&action.path, Outcome::Changed, Some(why));
                continue;
            }
            steps.push(step_of(run, &action));
        }
        for (step, fate) in run.carry_out(steps).await {
            let stayed = !matches!(fate.outcome, Outcome::Done | Outcome::AlreadyGone);
            if stayed
                && Action::names_a_checkpoint(&step.from)
                && let Some(directory) = step.from.parent()
            {
                self.left.insert(directory);
            }
            if fate.is_done() && step.to().is_some() {
                let root = own::root_of(run.roots(), &step.from);
                self.aside.extend(root.map(|root| own::quarantine_of(root, run.run_id())));
            }
            self.count(run, &step.from, &fate, step.files, step.bytes);
        }
    }

    fn stays(&self, action: &Action) -> bool {
        let mut at = Some(action.path.clone()).filter(|_| !self.left.is_empty());
        while let Some(path) = at {
            if self.left.contains(&path) {
                return true;
            }
            at = path.parent();
        }
        false
    }

    fn count(&mut self, run: &Run, path: &Location, fate: &Fate, files: u64, bytes: u64) {
        self.done += 1;
        self.report.outcomes.entry(fate.outcome).or_default().add(files, bytes);
        self.report.note(path, fate.outcome, fate.message.as_deref());
        if fate.is_done() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        if fate.outcome == Outcome::PutBack {
            let message = format!("{path} was put back: {}", fate.message.as_deref().unwrap_or(""));
            run.observer().event(&Event::Loud(message));
        }
        run.observer().event(&Event::Sweeping { done: self.done, total: self.total, bytes: self.bytes });
    }

    fn finish(mut self, run: &Run) -> ExecutionReport {
        if let Some(stop) = run.stopped() {
            self.report.stopped_by(&stop);
        }
        if !self.aside.is_empty() {
            self.report.quarantine = self.aside.into_iter().collect();
            self.report.purgeable_from = Some(run.started_at().plus(self.options.purge_after));
        }
        self.report
    }
}

fn step_of(run: &Run, action: &Action) -> Step {
    let aside = || {
        let root = own::root_of(run.roots(), &action.path);
        assert!(root.is_some(), "refusing to touch {}: it is no candidate under a root", action.path);
        root.map_or_else(|| action.path.clone(), |root| own::quarantined(root, run.run_id(), &action.path))
    };
    let (operation, how) = match (action.what, run.mode()) {
        (What::File(stamp), Mode::Trash) if !action.is_metadata() => (Operation::Trash, How::Trash { stamp }),
        (What::File(stamp), Mode::Delete) if !action.is_metadata() => {
            (Operation::Delete, How::Delete { stamp })
        }
        (What::File(stamp), Mode::Quarantine | Mode::Trash | Mode::Delete) => {
            (Operation::Quarantine, How::Move { to: aside(), stamp, private: true })
        }
        (What::Tree { digest }, _) => {
            assert!(run.mode() == Mode::Quarantine, "a whole directory goes only into the quarantine");
            (Operation::QuarantineTree, How::MoveTree { to: aside(), digest })
        }
        (What::Directory, mode) => {
            let mirror = (mode == Mode::Quarantine).then(aside);
            (Operation::RemoveDirectory, How::RemoveDirectory { mirror })
        }
    };
    Step {
        operation,
        from: action.path.clone(),
        how,
        rule: Some(action.rule),
        evidence: Some(action.evidence()),
        job: action.job,
        files: action.files,
        bytes: action.bytes,
        why: None,
    }
}
