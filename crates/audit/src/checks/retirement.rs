//! A completed snapshot goes only by a policy that somebody wrote, never the last, never one in use; and only its
//! `_metadata` goes in one plan with it: what it names, it still names ([`super::naming`]).

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::plan::{MetadataFile, Rule};
use chksweep_core::{Age, Content, DirectoryId, JobId, Kind, Location};

use super::{Evidence, refuse_by_directory};
use crate::jobs::{is_within, starts_with, telling_digits, tells_run};
use crate::report::Report;
use crate::retention::{Retention, candidates};
use crate::snapshots::{Snapshot, Target, follow, is_same_lineage, is_swept, resolves};
use crate::view::{SweptFile, View, Zone};
use crate::voices::home;

/// A retired checkpoint has enough newer ones of its lineage that stay, by number and by mtime, all of them whole;
/// for one that misses files itself, one newer is enough.
pub(super) fn check_retired_checkpoint(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let mut staying: BTreeMap<DirectoryId, Staying<'_>> = BTreeMap::new();
    for swept in view.files.iter().filter(|swept| swept.rule == Rule::RetiredCheckpoint) {
        let location = view.location_of(swept);
        let Some(job) = view.input.inventory.directory(swept.directory).parent else { continue };
        let staying = staying.entry(job).or_insert_with(|| Staying::new(evidence, job));
        if let Some(message) = against_retired_checkpoint(evidence, swept, &location, staying) {
            report.at("retired-checkpoint", &location, message);
        }
    }
}

fn against_retired_checkpoint(
    evidence: &Evidence<'_>,
    swept: &SweptFile,
    location: &Location,
    staying: &Staying<'_>,
) -> Option<&'static str> {
    let view = &evidence.view;
    let Zone::Checkpoint(number) = view.area(swept.directory).zone else {
        return Some("it is no checkpoint");
    };
    let (file, content) = match readable(evidence, location) {
        Ok(found) => found,
        Err(message) => return Some(message),
    };
    if content.kind == Kind::Savepoint {
        return Some("it is a savepoint");
    }
    let id = view.area(swept.directory).job.and_then(|at| evidence.jobs.get(at)?.id);
    let retentions = candidates(view.input.policy, location, id, None);
    // In a directory that many clusters share, the newest of the one is no use to the other, which may be suspended.
    let is_one_run = view.location(swept.directory).parent().is_some_and(|job| {
        tells_run(&job) || (view.input.policy.no_ha && JobId::parse(job.name()).is_some())
    });
    let keeps = |retention: &Retention| {
        retention.keep_last.map(|count| usize::try_from(count.max(1)).unwrap_or(usize::MAX))
    };
    let enough = retentions.iter().filter_map(keeps).max().unwrap_or(1).max(2);
    let newer = staying.newer_than(number, file, content, enough);
    // Without evidence of HA somebody may be about to restore the last but one.
    if !view.input.policy.no_ha && newer.staying < 2 {
        return Some("it is one of the newest two, and nothing tells that HA does not hold it");
    }
    let dangles = dangles(view, content);
    let allowed = retentions.iter().any(|retention| {
        let Some(keep_last) = keeps(retention) else { return false };
        let young = retention.keep_within.is_some_and(|age| is_within(view, file.modified, age));
        // One that misses files is no use once a whole one is newer.
        let enough = if dangles { 1 } else { keep_last };
        !young && newer.whole >= enough && (is_one_run || retention.one_run)
    });
    (!allowed).then_some("no retention that may hold for it retires it")
}

/// Returns a snapshot that was read, or what speaks against retiring it.
fn readable<'a>(
    evidence: &Evidence<'a>,
    location: &Location,
) -> Result<(&'a MetadataFile, &'a Content), &'static str> {
    let file = evidence.snapshots.at(&evidence.view, location).ok_or("it was not read")?;
    let content = file.content.as_ref().map_err(|_| "it could not be read")?;
    if content.operators.is_empty() {
        return Err("its lineage cannot be told");
    }
    Ok((file, content))
}

/// A checkpoint that stays and was read, and whether all that it names is there.
#[derive(Clone, Copy)]
struct Stays<'a> {
    snapshot: Snapshot<'a>,
    content: &'a Content,
    whole: bool,
}

/// The checkpoints of a job directory that stay, the newest first.
struct Staying<'a> {
    by_number: Vec<Stays<'a>>,
    by_time: Vec<Stays<'a>>,
}

/// How many checkpoints of one lineage are newer than another, both by number and by mtime; counted until there are
/// enough.
struct Newer {
    /// Those that stay.
    staying: usize,
    /// Those of them of which all that they name is there.
    whole: usize,
}

impl<'a> Staying<'a> {
    fn new(evidence: &Evidence<'a>, job: DirectoryId) -> Self {
        let view = &evidence.view;
        let all = evidence.snapshots.of_job(view, view.location(job)).iter();
        let staying = all.filter(|snapshot| !snapshot.retired).filter_map(|snapshot| {
            let content = snapshot.checkpoint()?;
            Some(Stays { snapshot: *snapshot, content, whole: resolves(view, content) })
        });
        let mut by_number: Vec<Stays<'a>> = staying.collect();
        let mut by_time = by_number.clone();
        by_number.sort_by_key(|stays| std::cmp::Reverse(stays.snapshot.number));
        by_time.sort_by_key(|stays| std::cmp::Reverse(stays.snapshot.modified()));
        Self { by_number, by_time }
    }

    fn newer_than(&self, number: u64, file: &MetadataFile, content: &Content, enough: usize) -> Newer {
        let related = |stays: &&Stays<'_>| {
            stays.snapshot.file.location != file.location && is_same_lineage(content, stays.content)
        };
        let higher = self.by_number.iter().take_while(|stays| stays.snapshot.number > number);
        let later = self.by_time.iter().take_while(|stays| stays.snapshot.modified() >= file.modified);
        let (a, b) = (count(higher.filter(related), enough), count(later.filter(related), enough));
        Newer { staying: a.staying.min(b.staying), whole: a.whole.min(b.whole) }
    }
}

fn count<'b>(newest_first: impl Iterator<Item = &'b Stays<'b>>, enough: usize) -> Newer {
    let mut newer = Newer { staying: 0, whole: 0 };
    for stays in newest_first {
        newer.staying += 1;
        newer.whole += usize::from(stays.whole);
        if newer.whole >= enough {
            break;
        }
    }
    newer
}

/// Returns whether something that a snapshot names is certainly not there.
fn dangles(view: &View<'_>, content: &Content) -> bool {
    let mut dangles = false;
    follow(view, content, |_, _, target| {
        dangles = target == Target::Nothing;
        !dangles
    });
    dangles
}

/// A retired savepoint is one that a savepoint policy names: enough newer ones of its job stay.
pub(super) fn check_retired_savepoint(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if view.files.iter().all(|swept| swept.rule != Rule::RetiredSavepoint) {
        return;
    }
    let savepoints = Savepoints::new(evidence);
    for swept in view.files.iter().filter(|swept| swept.rule == Rule::RetiredSavepoint) {
        let location = view.location_of(swept);
        if let Some(message) = against_retired_savepoint(evidence, swept, &location, &savepoints) {
            report.at("retired-savepoint", &location, message);
        }
    }
}

fn against_retired_savepoint(
    evidence: &Evidence<'_>,
    swept: &SweptFile,
    location: &Location,
    savepoints: &Savepoints<'_>,
) -> Option<&'static str> {
    let view = &evidence.view;
    let (file, _) = match readable(evidence, location) {
        Ok(found) => found,
        Err(message) => return Some(message),
    };
    let digits = digits_of(location);
    let id = view.area(swept.directory).job.and_then(|at| evidence.jobs.get(at)?.id);
    let allowed = candidates(view.input.policy, location, id, digits).iter().any(|retention| {
        let Some(keep_last) = retention.savepoint_keep_last else { return false };
        let young = retention.savepoint_keep_within.is_some_and(|age| is_within(view, file.modified, age));
        // Digits that many jobs share identify nothing: then the policy has to say that there is one job.
        let told = retention.one_job || digits.is_some_and(|digits| savepoints.are_of_one_job(digits));
        told && !young && savepoints.has_newer(file, digits, retention, keep_last.max(1))
    });
    (!allowed).then_some("no savepoint retention that may hold for it retires it")
}

fn digits_of(metadata: &Location) -> Option<[u8; 6]> {
    telling_digits(metadata.parent()?.name())
}

/// Returns the ids that anything tells of: of a directory that was listed, of one which an earlier look saw, and of a job
/// that wrote metadata.
fn known_ids(evidence: &Evidence<'_>) -> BTreeSet<JobId> {
    let input = &evidence.view.input;
    let listed =
        input.inventory.directories().filter_map(|(_, directory)| JobId::parse(directory.location.name()));
    let last = |path: &String| JobId::parse(path.rsplit('/').next()?.as_bytes());
    let seen = input.looks.directories.keys().filter_map(last);
    let wrote = input.metadata.iter().map(home).flat_map(|at| at.path().split(|byte| *byte == b'/'));
    listed.chain(seen).chain(wrote.filter_map(JobId::parse)).collect()
}

/// The savepoints that stay, were read, and are whole; the newest first.
struct Savepoints<'a> {
    staying: Vec<(&'a MetadataFile, Option<[u8; 6]>)>,
    /// The ids of all jobs that anything tells of, sorted.
    ids: BTreeSet<JobId>,
}

impl<'a> Savepoints<'a> {
    fn new(evidence: &Evidence<'a>) -> Self {
        let view = &evidence.view;
        let mut staying: Vec<(&'a MetadataFile, Option<[u8; 6]>)> = evidence
            .voices
            .iter()
            .map(|voice| voice.file)
            .filter(|file| {
                let in_checkpoint = file
                    .location
                    .parent()
                    .is_some_and(|parent| chksweep_core::layout::checkpoint_number(parent.name()).is_some());
                !in_checkpoint && !chksweep_core::layout::is_own(&file.location)
            })
            .filter(|file| !is_swept(view, &file.location))
            .filter(|file| file.content.as_ref().is_ok_and(|content| resolves(view, content)))
            .map(|file| (file, digits_of(&file.location)))
            .collect();
        staying.sort_by_key(|(file, _)| std::cmp::Reverse(file.modified));
        Self { staying, ids: known_ids(evidence) }
    }

    /// Returns whether no two jobs have ids that begin with these digits.
    fn are_of_one_job(&self, digits: [u8; 6]) -> bool {
        let text = std::str::from_utf8(&digits).unwrap_or_default();
        let Some(first) = JobId::parse(format!("{text:0<32}").as_bytes()) else { return false };
        self.ids.range(first..).take_while(|id| starts_with(**id, digits)).count() < 2
    }

    /// Returns whether enough savepoints of the same job are newer than this one.
    fn has_newer(
        &self,
        file: &MetadataFile,
        digits: Option<[u8; 6]>,
        retention: &Retention,
        count: u32,
    ) -> bool {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let newer = self
            .staying
            .iter()
            .take_while(|(other, _)| other.modified >= file.modified)
            .filter(|(other, _)| other.location != file.location)
            .filter(|(_, other)| retention.one_job || (digits.is_some() && *other == digits));
        newer.take(count).count() == count
    }
}

/// What is left of a job goes only when the policy lets jobs expire, the job is dead by more than silence, has been
/// for that long, and no other job names anything in it.
pub(super) fn check_expired_job(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let takes = |swept: &SweptFile| swept.rule == Rule::ExpiredJob;
    let against = |swept: &SweptFile| against_expired(evidence, swept.directory);
    refuse_by_directory(evidence, report, "expired-job", takes, against);
    for swept in view.directories.iter().filter(|swept| swept.rule == Rule::ExpiredJob) {
        if let Some(message) = against_expired(evidence, swept.directory) {
            report.at("expired-job", view.location(swept.directory), message);
        }
    }
}

fn against_expired(evidence: &Evidence<'_>, directory: DirectoryId) -> Option<&'static str> {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let Some((at, job)) = view.area(directory).job.and_then(|at| Some((at, jobs.get(at)?))) else {
        return Some("it belongs to no job");
    };
    if !jobs.is_dead(Some(at)) {
        return Some("its job is not proved dead");
    }
    if !view.input.policy.no_ha {
        return Some("its job is dead by quiescence only: nothing tells that HA does not hold it");
    }
    let is_other = |metadata: &usize| !jobs.is_same(jobs.owner(*metadata), at);
    if evidence.outsiders.of_job(at).iter().any(is_other) {
        return Some("another job names something in this job directory");
    }
    // As if for a checkpoint of the job, so that globs over either are seen.
    let metadata = view.location(job.directory).child(b"chk-0").child(b"_metadata");
    let last = jobs.last_change(at);
    let completed = evidence.snapshots.at(view, &view.location(directory).child(b"_metadata"));
    if completed.is_some_and(|file| file.content.as_ref().is_ok_and(|it| it.kind == Kind::Savepoint)) {
        return Some("a savepoint goes only by a policy that names it");
    }
    let expired = candidates(view.input.policy, &metadata, job.id, None).iter().any(|retention| {
        let long =
            retention.expire_jobs_after.zip(last).is_none_or(|(age, last)| !is_within(view, last, age));
        let young = retention
            .keep_within
            .zip(completed)
            .is_some_and(|(age, completed)| is_within(view, completed.modified, age));
        retention.expire_jobs_after.is_some() && long && !young
    });
    (!expired).then_some("no retention that may hold for it lets its job expire by now")
}

/// No snapshot goes of which a state file was read lately: somebody may be restoring from it. Where the store does
/// not record reads, somebody must have said that no HA holds anything.
pub(super) fn check_in_use(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let recorded = is_any_read_recorded(view);
    let told = view.input.policy.no_ha || is_every_read_recorded(view);
    for swept in &view.files {
        match super::place::name_of(view, swept) {
            chksweep_core::layout::FileName::Metadata => {}
            chksweep_core::layout::FileName::Staging
            | chksweep_core::layout::FileName::State(_)
            | chksweep_core::layout::FileName::OldMetadata
            | chksweep_core::layout::FileName::Unknown => continue,
        }
        let location = view.location_of(swept);
        let Some(content) =
            evidence.snapshots.at(view, &location).and_then(|file| file.content.as_ref().ok())
        else {
            report.at("in-use", &location, "it was not read, so what it uses is unknown");
            continue;
        };
        if !told {
            report.at(
                "in-use",
                &location,
                "whether it is in use cannot be told: no read was recorded of late",
            );
        } else if let Some(message) = use_of(evidence, content, recorded) {
            report.at("in-use", &location, message);
        }
    }
}

/// Where access times are off, HDFS still gives each file that of its making, and no file a later one.
fn is_any_read_recorded(view: &View<'_>) -> bool {
    let inventory = view.input.inventory;
    let mut files = inventory.directories().flat_map(|(id, _)| inventory.files_of(id));
    files.any(|(_, file)| file.accessed > file.modified)
}

/// A read that was recorded long ago, or elsewhere, does not tell that reads are recorded now.
fn is_every_read_recorded(view: &View<'_>) -> bool {
    let (inventory, looked_at) = (view.input.inventory, view.input.looked_at);
    let since = looked_at.minus(view.input.policy.quiescent_after.max(Age::days(2)));
    let file_system = |at: &Location| (at.scheme().map(str::to_owned), at.authority().to_owned());
    let (mut all, mut recorded) = (BTreeSet::new(), BTreeSet::new());
    for (id, directory) in inventory.directories() {
        let mut files = inventory.files_of(id).peekable();
        if files.peek().is_none() {
            continue;
        }
        let place = file_system(&directory.location);
        if files.any(|(_, file)| file.accessed > file.modified && file.accessed >= since) {
            recorded.insert(place.clone());
        }
        all.insert(place);
    }
    all == recorded
}

/// Says why somebody may be using a snapshot. `recorded`: whether reads leave traces at all.
fn use_of(evidence: &Evidence<'_>, content: &Content, recorded: bool) -> Option<&'static str> {
    let view = &evidence.view;
    let (mut message, mut looked_at, mut elsewhere) = (None, false, false);
    follow(view, content, |number, _, target| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        if content.operator_state_files.binary_search(&number).is_ok() {
            return true;
        }
        let id = match target {
            Target::File(id) => id,
            Target::Nothing => return true,
            Target::Unlisted => {
                elsewhere = true;
                return true;
            }
        };
        let file = view.input.inventory.file(id);
        looked_at |= file.accessed.0 != 0;
        // HDFS sets the access time when a file is made; only a later one is a read.
        let read = file.accessed > file.modified;
        if read && is_within(view, file.accessed, view.input.policy.quiescent_after) {
            message = Some("a state file of it was read within quiescent-after");
        } else if file.accessed.0 == 0 && !view.input.policy.no_ha {
            message = Some("whether it is in use cannot be told: access times are off");
        }
        message.is_none()
    });
    if message.is_none() && elsewhere && !looked_at && recorded {
        message = Some("its state lies where nobody looked whether it was read");
    }
    message
}
