//! Shared and running state. Age settles it for none of these alone: a job whose checkpoints fail may name tomorrow
//! what it wrote last week.

use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::plan::{OperatorStateSearch, Place, Rule};
use chksweep_core::{DirectoryId, Kind, OperatorId, Timestamp};

use super::place::{is_old_changelog, merged_job};
use super::{Evidence, refuse_by_directory};
use crate::fingerprint::tidy;
use crate::jobs::{Owner, is_drawn, tells_run};
use crate::report::Report;
use crate::view::{SweptFile, Zone};
use crate::voices::{Voice, home};

/// A file of `shared` goes only behind the frontier of its own job directory, or when the job is dead.
pub(super) fn check_unreferenced_shared(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let mut last: Option<(DirectoryId, Option<Timestamp>)> = None;
    for swept in view.files.iter().filter(|swept| swept.rule == Rule::UnreferencedShared) {
        if evidence.jobs.is_dead(view.area(swept.directory).job) {
            continue;
        }
        let frontier = match last {
            Some((directory, frontier)) if directory == swept.directory => frontier,
            Some(_) | None => frontier_of(evidence, swept.directory),
        };
        last = Some((swept.directory, frontier));
        let modified = view.input.inventory.file(swept.file).modified;
        if frontier.is_none_or(|frontier| modified >= frontier) {
            let message =
                "no checkpoint of its directory completed after it was written, nor is the job dead";
            report.at("behind-frontier", &view.location_of(swept), message);
        }
    }
}

/// Returns the mtime of the newest completed checkpoint beside this directory, less the slack. There is none where the
/// name of the job directory is no id, or one that many clusters share: another run may be at work there.
fn frontier_of(evidence: &Evidence<'_>, shared: DirectoryId) -> Option<Timestamp> {
    let view = &evidence.view;
    let job = view.location(shared).parent()?;
    if !tells_run(&job) {
        return None;
    }
    let snapshots = evidence.snapshots.of_job(view, &job).iter();
    let newest =
        snapshots.filter(|one| one.checkpoint().is_some()).map(crate::snapshots::Snapshot::modified).max()?;
    Some(newest.minus(view.input.policy.frontier_slack))
}

/// Running state goes only when its job is dead, and every job whose metadata names anything in that job directory
/// too, now or at the last look.
pub(super) fn check_running_state(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let takes = |rule| rule == Rule::UnreferencedRunningState;
    refuse_by_directory(
        evidence,
        report,
        "running-state",
        |swept| takes(swept.rule),
        |swept| {
            if is_old_changelog(view, swept) {
                against_any_job(evidence)
            } else {
                against_running_state(evidence, swept.directory)
            }
        },
    );
    for swept in view.directories.iter().filter(|swept| takes(swept.rule)) {
        if let Some(message) = against_running_state(evidence, swept.directory) {
            report.at("running-state", view.location(swept.directory), message);
        }
    }
}

/// Returns what speaks against taking running state from a directory.
pub(super) fn against_running_state(evidence: &Evidence<'_>, directory: DirectoryId) -> Option<&'static str> {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let area = view.area(directory);
    let Some(job) = area.job else {
        // A changelog base without a level for jobs belongs to all of them.
        let unowned = area.zone == Zone::Changelog;
        return if unowned { against_any_job(evidence) } else { Some("it belongs to no job") };
    };
    if !is_dead_for(evidence, directory, job) {
        return Some("its job is not proved dead");
    }
    if evidence.outsiders.of_job(job).iter().any(|metadata| !jobs.is_dead_owner(view, *metadata)) {
        return Some("a job that is not proved dead names something in this job directory");
    }
    let printed = view.location(view.jobs.get(job).copied()?).to_string();
    let look = view.input.looks.directories.get(&printed)?;
    let alive = look.named_by.iter().any(|namer| *namer != printed && !jobs.is_dead_printed(view, namer));
    alive.then_some("a job that is not proved dead named something in this job directory at the last look")
}

/// Returns whether the job of a directory is dead. The id in the name of a file-merging directory narrows: that job
/// must be dead, or the directory as a whole rather than only jobs of another id.
fn is_dead_for(evidence: &Evidence<'_>, directory: DirectoryId, job: usize) -> bool {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let whole = jobs.is_dead(Some(job));
    if view.area(directory).zone != Zone::Merged {
        return whole;
    }
    let Some(narrow) = merged_job(view.location(directory).name()) else { return whole };
    let same = jobs.get(job).is_some_and(|job| job.id == Some(narrow));
    let only_by_id = jobs.is_declared_by_id_only(view, job);
    (whole && (same || !only_by_id)) || (!same && jobs.is_dead_id(view, narrow))
}

/// Returns what speaks against taking what belongs to all jobs seen together.
fn against_any_job(evidence: &Evidence<'_>) -> Option<&'static str> {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let some_lives = jobs.all().is_empty()
        || (0..jobs.all().len()).any(|at| !jobs.is_dead(Some(at)))
        || evidence.voices.iter().any(|voice| !jobs.is_dead_owner(view, voice.index));
    some_lives.then_some("it belongs to all jobs together, and not all are proved dead")
}

/// A file right in `taskowned` goes only when the operator state of every snapshot that may hold its name was
/// searched: write-ahead sinks name files nowhere else.
pub(super) fn check_operator_state_searched(evidence: &Evidence<'_>, report: &mut Report) {
    let takes = |swept: &SweptFile| {
        evidence.view.area(swept.directory).zone == Zone::TaskOwned && swept.rule != Rule::StagingFile
    };
    refuse_by_directory(evidence, report, "operator-state-searched", takes, |swept| {
        (!all_searched(evidence, swept.directory))
            .then_some("operator state that may name it was not searched")
    });
}

fn all_searched(evidence: &Evidence<'_>, directory: DirectoryId) -> bool {
    let Some(job) = evidence.view.area(directory).job else { return false };
    let unsearched: Vec<&Voice<'_>> =
        evidence.voices.iter().filter(|voice| holds_unsearched_operator_state(voice)).collect();
    if unsearched.is_empty() {
        return true;
    }
    let namers: Vec<&Owner> =
        evidence.outsiders.of_job(job).iter().map(|metadata| evidence.jobs.owner(*metadata)).collect();
    let own = operators_of(evidence, job);
    unsearched.iter().all(|voice| {
        let strangers = own.as_ref().is_some_and(|own| are_strangers(own, voice));
        strangers && !may_name_task_owned(evidence, voice, job, &namers)
    })
}

/// Returns the operators in the metadata of a job, sorted. They are not known where there is none, nor where several
/// jobs may have shared the directory.
fn operators_of(evidence: &Evidence<'_>, job: usize) -> Option<Vec<OperatorId>> {
    let id = evidence.jobs.get(job)?.id?;
    if !is_drawn(id) {
        return None;
    }
    let of_job = |at: usize| matches!(evidence.jobs.owner(at), owner @ Owner::Listed(_) if evidence.jobs.is_same(owner, job));
    let files = evidence.view.input.metadata.iter().enumerate();
    let own = files.filter(|(at, file)| file.place == Place::Sweep && of_job(*at));
    let contents = own.filter_map(|(_, file)| file.content.as_ref().ok());
    let mut operators: Vec<OperatorId> = contents
        .filter(|content| content.version > 1)
        .flat_map(|content| content.operators.clone())
        .collect();
    tidy(&mut operators);
    (!operators.is_empty()).then_some(operators)
}

/// Whoever came from a job has the operator whose buffers it took over: with none in common, a snapshot knows nothing
/// of them.
fn are_strangers(own: &[OperatorId], voice: &Voice<'_>) -> bool {
    voice.content().is_some_and(|content| {
        content.version > 1
            && !content.operators.is_empty()
            && content.operators.iter().all(|id| own.binary_search(id).is_err())
    })
}

fn holds_unsearched_operator_state(voice: &Voice<'_>) -> bool {
    let Some(content) = voice.content() else { return false };
    let holds = content.inline_operator_state || !content.operator_state_files.is_empty();
    let searched = match &voice.file.operator_state {
        OperatorStateSearch::NotSearched => false,
        OperatorStateSearch::Searched { .. } => true,
    };
    content.compressed_operator_state || (holds && !searched)
}

fn may_name_task_owned(evidence: &Evidence<'_>, voice: &Voice<'_>, job: usize, namers: &[&Owner]) -> bool {
    let jobs = &evidence.jobs;
    let owner = jobs.owner(voice.index);
    let of_namer = |namer: &Owner| match namer {
        Owner::Listed(at) => jobs.is_same(owner, *at),
        Owner::Elsewhere { .. } | Owner::Unknown { digits: Some(_) } => owner == namer,
        Owner::Unknown { digits: None } => false,
    };
    jobs.is_same(owner, job)
        || evidence.outsiders.of_job(job).contains(&voice.index)
        || namers.iter().any(|namer| of_namer(namer))
        || may_be_savepoint_of_any(voice, owner)
}

/// Returns whether a snapshot outside of all job directories may be a savepoint of any job: its name does not tell of
/// which. (One that tells is not asked where the job has no id: of such a job no snapshot is a stranger.)
fn may_be_savepoint_of_any(voice: &Voice<'_>, owner: &Owner) -> bool {
    match owner {
        Owner::Unknown { digits: None } => {}
        Owner::Listed(_) | Owner::Elsewhere { .. } | Owner::Unknown { digits: Some(_) } => return false,
    }
    let named_savepoint = home(voice.file).parent().is_some_and(|directory| {
        matches!(layout::directory_name(directory.name()), DirectoryName::Savepoint(_))
    });
    let checkpoint = voice.content().is_some_and(|content| content.kind == Kind::Checkpoint);
    named_savepoint || !checkpoint
}
