//! A checkpoint or savepoint comes back whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::{MetadataFile, OperatorStateSearch, Place};
use chksweep_core::policy::DeadJob;
use chksweep_core::{Content, Location, Uuid, content};
use chksweep_store::ReadStore;
use futures::StreamExt;

use super::index::{Id, Index, look};
use super::leaving::{self, BATCH};
use super::restore::{RestoreRequest, metadata_at};
use crate::collected::{QuarantinedFile, QuarantinedRun};
use crate::execute::{Fate, How, Sight, Step};
use crate::journal::{Operation, Outcome};
use crate::own::{self, Stamp};
use crate::run::Run;

/// The largest `_metadata` that is brought back.
const MAX_METADATA: u64 = 1 << 30;
/// How many places are looked at at the same time.
const LOOKS: usize = 16;
/// How many missing places are named in a message.
const NAMED: usize = 5;

/// A `_metadata` with where it is to go.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) request: &'a RestoreRequest<'a>,
    pub(super) from: &'a QuarantinedRun,
    pub(super) file: &'a QuarantinedFile,
    pub(super) target: Location,
}

/// What came back with it.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub(super) files: Vec<(Id, Location)>,
    pub(super) unchecked: u64,
}

/// Why nothing came back.
#[derive(Debug)]
pub(super) struct NotBrought {
    pub(super) outcome: Outcome,
    pub(super) why: String,
}

fn refused(why: impl Into<String>) -> NotBrought {
    NotBrought { outcome: Outcome::Failed, why: why.into() }
}

/// Returns whether a `_metadata` may go back to its old place.
pub(super) fn may_go_in_place(
    request: &RestoreRequest<'_>,
    from: &QuarantinedRun,
    file: &QuarantinedFile,
) -> bool {
    let Some(directory) = file.original.parent() else { return false };
    // The name of a savepoint is drawn by lot: no job makes it again.
    let DirectoryName::Checkpoint(number) = layout::directory_name(directory.name()) else { return true };
    let Some(job) = directory.parent() else { return false };
    let printed = job.to_string();
    let was_declared_dead = || {
        let record = request.records.iter().find(|record| record.run_id == from.run_id);
        record.is_some_and(|record| {
            record.dead_jobs.iter().any(|dead| match dead {
                DeadJob::Id(id) => layout::job_of(&job) == Some(*id),
                DeadJob::Path(path) => *path == printed,
            })
        })
    };
    request.dead.contains(&printed) || was_declared_dead() || has_passed(request, &job, number, file)
}

/// Whether the newest checkpoint of the job directory, by mtime, is of the same lineage, newer, and has a higher
/// number: then the job that made it does not come to this number again.
fn has_passed(request: &RestoreRequest<'_>, job: &Location, number: u64, file: &QuarantinedFile) -> bool {
    let newest = request
        .metadata
        .iter()
        .filter(|other| other.place == Place::Sweep)
        .filter_map(|other| {
            let directory = other.location.parent()?;
            let DirectoryName::Checkpoint(number) = layout::directory_name(directory.name()) else {
                return None;
            };
            (directory.parent().as_ref() == Some(job)).then_some((other, number))
        })
        .max_by_key(|(other, number)| (other.modified, *number));
    let Some((newest, newest_number)) = newest else { return false };
    newest_number > number && newest.modified > file.modified && is_one_lineage(request, newest, file)
}

/// Whether the operators of two checkpoints overlap by at least half.
fn is_one_lineage(request: &RestoreRequest<'_>, newest: &MetadataFile, file: &QuarantinedFile) -> bool {
    let Some(Ok(old)) = metadata_at(request.metadata, &file.location).map(|file| &file.content) else {
        return false;
    };
    let Ok(new) = &newest.content else { return false };
    let shared = old.operators.iter().filter(|id| new.operators.binary_search(id).is_ok()).count();
    shared > 0 && shared * 2 >= old.operators.len().max(new.operators.len())
}

/// Brings a `_metadata` back, after everything that it names.
pub(super) async fn bring_back(run: &mut Run, group: &Group<'_>) -> Result<Brought, NotBrought> {
    let content = read(run, group).await?;
    if let Sight::There(_) = run.hands.look(&group.target).await {
        return Err(refused(format!("something lies at {} already", group.target)));
    }
    let needs = needs(run, group, &content).await?;
    let brought = Brought {
        files: needs.moves.iter().filter_map(|(id, step)| Some((*id, step.to()?.clone()))).collect(),
        unchecked: needs.unchecked,
    };
    let mut done: Vec<Step> = Vec::new();
    let steps: Vec<Step> = needs.moves.into_values().chain(needs.beside).collect();
    for batch in steps.chunks(BATCH) {
        let mut failed = None;
        for (step, fate) in run.carry_out(batch.to_vec()).await {
            if fate.is_done() {
                done.push(step);
            } else {
                failed = Some((fate.outcome, format!("{}: {}", step.from, message(&fate))));
            }
        }
        if let Some((outcome, why)) = failed {
            return Err(undo(run, done, outcome, why).await);
        }
    }
    for directory in &content.directories {
        if own::root_of(run.roots(), directory).is_some()
            && let Err(error) = run.hands.make_directory(directory, false).await
        {
            return Err(undo(run, done, Outcome::Failed, error.to_string()).await);
        }
    }
    if let Some(why) = missing(run, group, &content).await {
        return Err(undo(run, done, Outcome::Failed, why).await);
    }
    let last = leaving::step(
        run,
        Operation::Restore,
        (group.from, group.file),
        Some(&group.target),
        "restored with everything that it names",
    );
    for (_, fate) in run.carry_out(vec![last]).await {
        if !fate.is_done() {
            let why = message(&fate);
            return Err(undo(run, done, fate.outcome, why).await);
        }
    }
    Ok(brought)
}

fn message(fate: &Fate) -> String {
    fate.message.clone().unwrap_or_default()
}

/// Reads the `_metadata` as it will read at its new place: relative names mean what lies beside it there.
async fn read(run: &Run, group: &Group<'_>) -> Result<Content, NotBrought> {
    let store = run.hands.stores.of(&group.file.location).map_err(|error| refused(error.to_string()))?;
    let store: &dyn ReadStore = store.as_ref();
    let bytes =
        store.read(&group.file.location, MAX_METADATA).await.map_err(|error| refused(error.to_string()))?;
    let content = content::read(&bytes, &group.target);
    content.map_err(|error| refused(format!("it cannot be read, so what it names is not known: {error}")))
}

/// What has to move before the `_metadata` can.
struct Needs {
    moves: BTreeMap<Id, Step>,
    /// Files that still lie in its old directory and are named relative to it.
    beside: Vec<Step>,
    unchecked: u64,
}

async fn needs(run: &Run, group: &Group<'_>, content: &Content) -> Result<Needs, NotBrought> {
    let mut needs = Needs { moves: BTreeMap::new(), beside: Vec::new(), unchecked: 0 };
    let mut missing = BTreeSet::new();
    for (place, sight) in look_at_all(run, group, content).await {
        match sight {
            Some(Sight::There(_)) => {}
            None => needs.unchecked += 1,
            Some(Sight::Unclear(why)) => return Err(refused(untold(&why))),
            Some(Sight::Absent) => {
                if !need(run, group, &place, &mut needs).await? {
                    missing.insert(place);
                }
            }
        }
    }
    if !missing.is_empty() {
        return Err(refused(told(&missing)));
    }
    let mut also: BTreeSet<Id> = BTreeSet::new();
    for directory in &content.directories {
        also.extend(group.index.below(directory));
    }
    for uuid in content.other_uuids.iter().chain(in_operator_state(group)) {
        also.extend(group.index.named(&uuid.text()));
    }
    if group.request.unsearched.contains(&group.file.location) {
        // It may name any of them.
        let is_task_owned =
            |id: &Id| group.index.get(*id).is_some_and(|(_, file)| file.task_owned().is_some());
        also.extend(group.index.ids().filter(is_task_owned));
    }
    for id in also {
        let Some((from, file)) = group.index.get(id) else { continue };
        if needs.moves.contains_key(&id) || own::root_of(run.roots(), &file.original).is_none() {
            continue;
        }
        match look(&run.hands.eyes, group.request.equivalence, &file.original).await {
            Some(Sight::There(_)) | None => {}
            Some(Sight::Unclear(why)) => return Err(refused(untold(&why))),
            Some(Sight::Absent) => {
                let step =
                    leaving::step(run, Operation::Restore, (from, file), None, "named by what is restored");
                needs.moves.insert(id, step);
            }
        }
    }
    Ok(needs)
}

/// Returns the task-owned files that the operator state of a quarantined `_metadata` names, where it was searched.
fn in_operator_state<'g>(group: &Group<'g>) -> &'g [Uuid] {
    let file = metadata_at(group.request.metadata, &group.file.location);
    match file.map(|file| &file.operator_state) {
        Some(OperatorStateSearch::Searched { found }) => found,
        Some(OperatorStateSearch::NotSearched) | None => &[],
    }
}

/// Finds what is to lie at `place`. Returns whether there is something.
async fn need(run: &Run, group: &Group<'_>, place: &Location, needs: &mut Needs) -> Result<bool, NotBrought> {
    let why = "named by what is restored";
    if let Some(id) = group.index.at(place).first().copied()
        && let Some((from, file)) = group.index.get(id)
        && own::root_of(run.roots(), &file.original).is_some()
    {
        let step = leaving::step(run, Operation::Restore, (from, file), None, why);
        needs.moves.insert(id, step);
        return Ok(true);
    }
    // Named relative to the `_metadata`: it lay beside it.
    let (Some(old), Some(new)) = (group.file.original.parent(), group.target.parent()) else {
        return Ok(false);
    };
    let Some(below) = place.below(&new).filter(|below| old != new && !below.is_empty()) else {
        return Ok(false);
    };
    let beside = old.child(below);
    if own::root_of(run.roots(), &beside).is_none() {
        return Ok(false);
    }
    if let Some(id) = group.index.at(&beside).first().copied()
        && let Some(lying) = group.index.get(id)
    {
        needs.moves.insert(id, leaving::step(run, Operation::Restore, lying, Some(place), why));
        return Ok(true);
    }
    match run.hands.look(&beside).await {
        Sight::There(status) => {
            if let Some(by) = named_in_place(run, group, &beside).await {
                return Err(refused(format!(
                    "{beside} is needed beside it and is named by {by} where it is"
                )));
            }
            own::assert_sweepable(run.roots(), &beside);
            needs.beside.push(Step {
                operation: Operation::Restore,
                from: beside,
                how: How::Move {
                    to: place.clone(),
                    stamp: Stamp { length: status.length, modified: status.modified },
                    private: false,
                },
                rule: None,
                evidence: None,
                job: None,
                files: 1,
                bytes: status.length,
                why: Some("lies beside what is restored elsewhere".to_owned()),
            });
            Ok(true)
        }
        Sight::Absent | Sight::Unclear(_) => Ok(false),
    }
}

/// The metadata in place that names a file where it is, by path, by name or by directory.
async fn named_in_place(run: &Run, group: &Group<'_>, place: &Location) -> Option<Location> {
    let stand_in = [QuarantinedRun {
        root: group.from.root.clone(),
        run_id: group.from.run_id.clone(),
        started_at: None,
        newer_schema: None,
        location: group.from.location.clone(),
        files: vec![QuarantinedFile {
            location: place.clone(),
            original: place.clone(),
            length: 0,
            modified: group.file.modified,
            accessed: group.file.accessed,
            replication: None,
        }],
        complete: true,
    }];
    let index = Index::new(&stand_in, group.request.equivalence);
    for file in group.request.metadata {
        if file.location != group.file.location && !index.named_by(&run.hands.eyes, file).await.is_empty() {
            return Some(file.location.clone());
        }
    }
    None
}

/// Says why not all that is named is there now, if so.
async fn missing(run: &Run, group: &Group<'_>, content: &Content) -> Option<String> {
    let mut missing = BTreeSet::new();
    for (place, sight) in look_at_all(run, group, content).await {
        match sight {
            Some(Sight::There(_)) | None => {}
            Some(Sight::Unclear(why)) => return Some(untold(&why)),
            Some(Sight::Absent) => {
                missing.insert(place);
            }
        }
    }
    (!missing.is_empty()).then(|| told(&missing))
}

/// Looks at each file that is named; nothing where no store is open for it.
async fn look_at_all(run: &Run, group: &Group<'_>, content: &Content) -> Vec<(Location, Option<Sight>)> {
    let (eyes, equivalence) = (&run.hands.eyes, group.request.equivalence);
    let looks = content.files.locations().map(|place| async move {
        let sight = look(eyes, equivalence, &place).await;
        (place, sight)
    });
    futures::stream::iter(looks).buffered(LOOKS).collect().await
}

fn untold(why: &str) -> String {
    format!("whether all that it names is left cannot be told: {why}; try again")
}

fn told(missing: &BTreeSet<Location>) -> String {
    let some: Vec<String> = missing.iter().take(NAMED).map(ToString::to_string).collect();
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("not everything that it names is left: {}{more} cannot be found", some.join(", "))
}

/// Puts everything back into the quarantine that came out of it for nothing.
async fn undo(run: &mut Run, done: Vec<Step>, outcome: Outcome, why: String) -> NotBrought {
    let mut left = 0;
    let back: Vec<Step> = done.into_iter().rev().filter_map(reversed).collect();
    for batch in back.chunks(BATCH) {
        let fates = run.carry_out(batch.to_vec()).await;
        left += fates.iter().filter(|(_, fate)| !fate.is_done()).count();
    }
    let outcome = if outcome == Outcome::Unknown { Outcome::Unknown } else { Outcome::Failed };
    let tail = if left > 0 { format!("; {left} files stay at their old place") } else { String::new() };
    NotBrought { outcome, why: format!("{why}{tail}") }
}

fn reversed(step: Step) -> Option<Step> {
    let How::Move { to, stamp, .. } = step.how else { return None };
    Some(Step {
        operation: Operation::Restore,
        how: How::Move { to: step.from, stamp, private: true },
        from: to,
        why: Some("not everything could be restored".to_owned()),
        ..step
    })
}
