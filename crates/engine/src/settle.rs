//! Settling what a broken-off run had begun: its journal says what it meant to do, the tree says what it did.
//!
//! Nothing is carried on or undone: a rename either happened or it did not, both are consistent, and what should
//! still go is for today's plan to say. Only a directory that had been moved whole and was not yet listed again is
//! put back if it holds more than was meant to go.

use std::time::Duration;

use chksweep_core::{Location, visible};
use chksweep_store::{MutateStore, StoreError};
use tokio::time::Instant;

use crate::events::Event;
use crate::execute::{self, Sight};
use crate::journal::{self, Contents, First, Found, IntentPath, Operation, Record, Settled, Spot};
use crate::own::{self, Stamp};
use crate::records::{self, RunRecord};
use crate::run::{Run, RunError};
use crate::stores::MutateStores;

/// DataNodes close a file within some heartbeats, where they are alive.
const TIME_TO_CLOSE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Settles every earlier run under the roots that has a journal and no short record.
pub(crate) async fn settle(run: &mut Run) -> Result<(), RunError> {
    for root in run.roots().to_vec() {
        let store = run.stores().of(&root).map_err(RunError::Store)?;
        let runs = records::runs_of(store.as_ref(), &root).await.map_err(RunError::Store)?;
        for (earlier, files) in runs {
            if files.journal && !files.end && earlier != run.run_id() {
                settle_one(run, &root, &earlier).await?;
            }
        }
    }
    Ok(())
}

/// Refuses to begin where a run of a newer program was broken off: what it meant to do is not understood, so it cannot
/// be settled, and nothing is begun on top of it. Asked before the lock, so that the refusal leaves nothing behind.
pub(crate) async fn refuse_newer(stores: &MutateStores, roots: &[Location]) -> Result<(), RunError> {
    for root in roots {
        let store = stores.of(root).map_err(RunError::Store)?;
        let runs = records::runs_of(store.as_ref(), root).await.map_err(RunError::Store)?;
        for (earlier, _) in runs.into_iter().filter(|(_, files)| files.journal && !files.end) {
            let journal = own::journal_file(root, &earlier);
            let first = journal::first_of(store.as_ref(), &journal).await.map_err(RunError::Store)?;
            if let First::Newer(schema) = first {
                return Err(RunError::Newer { journal, schema });
            }
        }
    }
    Ok(())
}

async fn settle_one(run: &mut Run, root: &Location, earlier: &str) -> Result<(), RunError> {
    let store = run.stores().of(root).map_err(RunError::Store)?;
    let file = own::journal_file(root, earlier);
    if !is_closed(store.as_ref(), &file).await.map_err(RunError::Store)? {
        let message =
            format!("the journal {file} is still open and cannot be read whole: the next run settles it");
        run.observer().event(&Event::Loud(message));
        return Ok(());
    }
    let contents = journal::read(store.as_ref(), &file).await.map_err(RunError::Store)?;
    if let Some(schema) = contents.fault.as_ref().and_then(|fault| fault.newer_schema) {
        return Err(RunError::Newer { journal: file, schema });
    }
    if let Some(fault) = &contents.fault {
        let message = format!("the journal {file} does not hold together ({fault}): it was read up to there");
        run.observer().event(&Event::Loud(message));
    }
    let mut lines = Vec::new();
    for open in here(&contents, root) {
        let Some(found) = look(run, root, earlier, open).await else {
            // The store does not tell: the run stays unsettled, and nothing is lost.
            let message = format!("what run {earlier} left open at {} cannot be told yet", open.from.0);
            run.observer().event(&Event::Loud(message));
            return Ok(());
        };
        lines.push(Record::Settled(Box::new(Settled {
            run_id: earlier.to_owned(),
            operation: open.operation,
            from: open.from.clone(),
            to: open.to.clone(),
            found,
        })));
    }
    if !lines.is_empty() {
        let message = format!("run {earlier} was broken off; {} of its operations were settled", lines.len());
        run.observer().event(&Event::Loud(message));
        run.write(lines).await?;
    }
    let mut record = RunRecord::broken_off(earlier, contents.start.as_ref(), Some(run.run_id()));
    record.ended_at = contents.end.as_ref().map(|end| end.at);
    if let Some(end) = contents.end {
        record.totals = end.totals;
        record.interrupted = end.interrupted;
    }
    // Under this root only: its copies under others are settled with what lies there.
    let content = visible::json(&record).unwrap_or_default();
    store.replace(&own::end_file(root, earlier), &content).await.map_err(RunError::Store)
}

/// Closes the journal of a run that is gone, and waits until it can be read whole. Its last block holds the intents
/// that matter, and HDFS shows nothing of a block that is being written: unclosed it would read as empty.
async fn is_closed(store: &dyn MutateStore, journal: &Location) -> Result<bool, StoreError> {
    let until = Instant::now() + TIME_TO_CLOSE;
    loop {
        if store.close_abandoned(journal).await? {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What was left open under this root.
fn here<'c>(contents: &'c Contents, root: &'c Location) -> impl Iterator<Item = &'c IntentPath> {
    contents.open.iter().filter(move |open| open.from.0.is_within(root))
}

/// Whether a directory was to be moved where this run sets aside what it takes, and from where it may take
/// something. Only then it is put back: whatever the journal says, no other directory is moved on its word.
fn was_set_aside(root: &Location, run_id: &str, open: &IntentPath) -> bool {
    let from = &open.from.0;
    own::is_run_id(run_id)
        && own::root_of(std::slice::from_ref(root), from).is_some()
        && open.to.as_ref().is_some_and(|to| to.0 == own::quarantined(root, run_id, from))
}

/// Looks where the path of an unfinished operation lies.
async fn look(run: &mut Run, root: &Location, earlier: &str, open: &IntentPath) -> Option<Found> {
    let source = run.hands.look(&open.from.0).await;
    let target = match &open.to {
        Some(Spot(to)) => run.hands.look(to).await,
        None => Sight::Absent,
    };
    match (source, target) {
        (Sight::Unclear(_), _) | (_, Sight::Unclear(_)) => None,
        // A directory whose old place somebody has taken again may still hold more than was meant to go.
        (Sight::There(_), Sight::There(_)) => match arrived(run, root, earlier, open).await? {
            Found::PutBack => Some(Found::PutBack),
            Found::Source | Found::Target | Found::Both | Found::Neither => Some(Found::Both),
        },
        (Sight::There(_), Sight::Absent) => Some(Found::Source),
        (Sight::Absent, Sight::Absent) => Some(Found::Neither),
        (Sight::Absent, Sight::There(_)) => arrived(run, root, earlier, open).await,
    }
}

/// Tells what arrived in a quarantine. What is more than was meant to go, or another file, goes back.
async fn arrived(run: &mut Run, root: &Location, earlier: &str, open: &IntentPath) -> Option<Found> {
    let (Operation::Quarantine | Operation::QuarantineTree, Some(Spot(to))) = (open.operation, &open.to)
    else {
        return Some(Found::Target);
    };
    if !was_set_aside(root, earlier, open) {
        let message =
            format!("the journal of run {earlier} tells of a move that no run makes, to {to}: left as it is");
        run.observer().event(&Event::Loud(message));
        return Some(Found::Target);
    }
    if open.operation == Operation::Quarantine {
        return match open.stamp {
            Some(stamp) => file_arrived(run, to, stamp, open).await,
            None => Some(Found::Target),
        };
    }
    let tree = execute::list_tree(&run.hands, to).await.ok()?;
    let digest = execute::digest_of(&tree).map(|digest| format!("{digest:032x}"));
    if digest == open.tree {
        return Some(Found::Target);
    }
    let message = format!("{} was moved with more than was planned, and is put back", open.from.0);
    run.observer().event(&Event::Loud(message));
    match execute::put_back(&run.hands, to, &open.from.0).await {
        Ok(()) => Some(Found::PutBack),
        Err(left) => {
            run.observer().event(&Event::Loud(format!("not all of it could be put back: {left}")));
            None
        }
    }
}

/// A file of which another may have come under the same name since it was planned: a `_metadata` of a job that has the
/// id again. Nothing names it, so nothing else would bring it back.
async fn file_arrived(run: &mut Run, to: &Location, stamp: Stamp, open: &IntentPath) -> Option<Found> {
    let now = match run.hands.look(to).await {
        Sight::There(status) => Stamp { length: status.length, modified: status.modified },
        Sight::Absent => return Some(Found::Neither),
        Sight::Unclear(_) => return None,
    };
    if now == stamp {
        return Some(Found::Target);
    }
    let message = format!("{} had become another file when it was moved, and is put back", open.from.0);
    run.observer().event(&Event::Loud(message));
    let fate = run.hands.move_file(to, &open.from.0, now, false).await;
    if fate.is_done() {
        return Some(Found::PutBack);
    }
    let why = fate.message.unwrap_or_default();
    run.observer().event(&Event::Loud(format!("it could not be put back: {why}")));
    None
}

#[cfg(test)]
mod tests;
