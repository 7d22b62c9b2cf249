//! What shows that the paths do not mean what they seem to: references that lead nowhere.
//!
//! Judged over the newest checkpoint of each job that is not dead, and only over references that lead into what was
//! listed. A checkpoint that completed after the listing began may name files that were made since: it counts as
//! whole. So does one of two that each may be called the newest.

use std::collections::BTreeMap;

use chksweep_core::location::path_below;
use chksweep_core::{Content, DirectoryId, Location, NameRef, Uuid};

use super::Evidence;
use super::unreadable::sweeps_nothing;
use crate::fingerprint::tidy;
use crate::report::Report;
use crate::snapshots::{Snapshot, Target, follow};
use crate::view::View;

/// What the newest checkpoint of one job directory shows.
struct Newest<'a> {
    job: usize,
    /// The newest by number and by mtime; twice the same, as a rule.
    candidates: [Snapshot<'a>; 2],
}

/// No file of a job goes whose newest checkpoint misses files.
pub(super) fn check_inconsistent_jobs(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if sweeps_nothing(view) {
        return;
    }
    let newest = newest_of_living(evidence);
    let absent = Absent::new(evidence, &newest);
    let mut inconsistent: Vec<usize> = newest
        .iter()
        .filter(|newest| newest.candidates.iter().all(|one| absent.misses(evidence, one)))
        .map(|newest| newest.job)
        .collect();
    tidy(&mut inconsistent);
    let is_inconsistent = |directory: DirectoryId| {
        view.area(directory).job.is_some_and(|job| inconsistent.binary_search(&job).is_ok())
    };
    let message = "the newest checkpoint of its job names files that are not there";
    for swept in view.files.iter().filter(|swept| is_inconsistent(swept.directory)) {
        report.at("inconsistent-job", &view.location_of(swept), message);
    }
    for swept in view.directories.iter().filter(|swept| is_inconsistent(swept.directory)) {
        report.at("inconsistent-job", view.location(swept.directory), message);
    }
}

fn newest_of_living<'a>(evidence: &Evidence<'a>) -> Vec<Newest<'a>> {
    let (view, jobs) = (&evidence.view, &evidence.jobs);
    let mut all = Vec::new();
    for (at, job) in jobs.all().iter().enumerate() {
        if jobs.is_dead(Some(at)) {
            continue;
        }
        let kept = || {
            let snapshots = evidence.snapshots.of_job(view, view.location(job.directory)).iter();
            snapshots.filter(|one| !one.retired && one.checkpoint().is_some())
        };
        let by_number = kept().max_by_key(|one| (one.number, one.modified()));
        let by_time = kept().max_by_key(|one| (one.modified(), one.number));
        if let (Some(by_number), Some(by_time)) = (by_number, by_time) {
            all.push(Newest { job: at, candidates: [*by_number, *by_time] });
        }
    }
    all
}

/// The names that references of the newest checkpoints look for in vain, by path and by base name.
struct Absent {
    uuids: Vec<Uuid>,
}

impl Absent {
    fn new(evidence: &Evidence<'_>, newest: &[Newest<'_>]) -> Self {
        let view = &evidence.view;
        let mut uuids = Vec::new();
        for content in newest.iter().flat_map(|one| one.candidates).filter_map(|one| one.content()) {
            follow(view, content, |_, file, target| {
                if target == Target::Nothing {
                    uuids.extend(content.files.names.get(file.name).uuid());
                }
                true
            });
        }
        tidy(&mut uuids);
        if uuids.is_empty() {
            return Self { uuids };
        }
        let mut found = vec![false; uuids.len()];
        for (directory, _) in view.input.inventory.directories() {
            for (_, file) in view.input.inventory.files_of(directory) {
                let at = view
                    .input
                    .inventory
                    .name_of(file)
                    .uuid()
                    .and_then(|uuid| uuids.binary_search(&uuid).ok());
                if let Some(slot) = at.and_then(|at| found.get_mut(at)) {
                    *slot = true;
                }
            }
        }
        let absent = uuids.into_iter().zip(found).filter(|(_, found)| !found).map(|(uuid, _)| uuid);
        Self { uuids: absent.collect() }
    }

    fn is_dangling(&self, name: NameRef<'_>, target: Target) -> bool {
        target == Target::Nothing && name.uuid().is_none_or(|uuid| self.uuids.binary_search(&uuid).is_ok())
    }

    fn misses(&self, evidence: &Evidence<'_>, snapshot: &Snapshot<'_>) -> bool {
        let view = &evidence.view;
        let Some(content) = snapshot.content().filter(|_| was_listed(view, snapshot)) else { return false };
        let mut misses = false;
        follow(view, content, |_, file, target| {
            misses = self.is_dangling(content.files.names.get(file.name), target);
            !misses
        });
        misses
    }
}

/// Returns whether a checkpoint completed before the listing began, so that all its files were there. Its time alone
/// does not tell where the clock that looks goes ahead: it must have been seen by that listing as well.
fn was_listed(view: &View<'_>, snapshot: &Snapshot<'_>) -> bool {
    snapshot.modified() < view.input.looked_at.min(view.input.as_of)
        && view.input.inventory.find(&snapshot.file.location).is_some()
}

/// References, and how many of them lead nowhere.
#[derive(Clone, Copy, Default)]
struct Count {
    all: u64,
    dangling: u64,
}

/// When too many references lead nowhere, or all of one spelling, or nothing was read under a root with files, there
/// is a brake: a wrong path equivalence looks like this.
pub(super) fn check_dangling(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if sweeps_nothing(view) || !view.plan.brakes.is_empty() {
        return;
    }
    let newest = newest_of_living(evidence);
    let absent = Absent::new(evidence, &newest);
    let mut total = Count::default();
    let mut by_spelling: BTreeMap<(String, DirectoryId), Count> = BTreeMap::new();
    for newest in &newest {
        let [a, b] = &newest.candidates;
        // One of two that may both be the newest is not certain to dangle.
        let certain = a.file.location == b.file.location && was_listed(view, a);
        for content in
            newest.candidates.iter().take(if certain { 1 } else { 2 }).filter_map(Snapshot::content)
        {
            count(view, content, &absent, certain, &mut total, &mut by_spelling);
        }
    }
    if super::limits::exceeds(total.dangling, total.all, view.input.policy.max_dangling) {
        let message =
            format!("{} of {} references lead nowhere, and no brake holds", total.dangling, total.all);
        report.whole("max-dangling", message);
    }
    for ((spelling, root), count) in by_spelling.iter().filter(|(_, count)| count.all == count.dangling) {
        let message =
            format!("not one of {} references by `{spelling}` resolves, and no brake holds", count.all);
        report.at("max-dangling", view.location(*root), &message);
    }
    check_some_metadata_under_each_root(evidence, report);
}

fn count(
    view: &View<'_>,
    content: &Content,
    absent: &Absent,
    certain: bool,
    total: &mut Count,
    by_spelling: &mut BTreeMap<(String, DirectoryId), Count>,
) {
    let spelled: Vec<Option<(String, DirectoryId)>> =
        content.files.directories.iter().map(|directory| spelling_of(view, directory)).collect();
    follow(view, content, |_, file, target| {
        let dangling = certain && absent.is_dangling(content.files.names.get(file.name), target);
        total.all += 1;
        total.dangling += u64::from(dangling);
        let spelling = usize::try_from(file.directory).ok().and_then(|at| spelled.get(at)?.clone());
        if let Some(spelling) = spelling {
            let count = by_spelling.entry(spelling).or_default();
            count.all += 1;
            count.dangling += u64::from(dangling);
        }
        true
    });
}

/// Returns scheme and authority of a reference, and the root under which it leads.
fn spelling_of(view: &View<'_>, directory: &Location) -> Option<(String, DirectoryId)> {
    let root = view.input.inventory.roots().iter().find(|root| {
        let roots = view.spellings(view.location(**root));
        view.spellings(directory).iter().any(|path| roots.iter().any(|root| path_below(path, root).is_some()))
    })?;
    Some((format!("{}://{}", directory.scheme().unwrap_or(""), directory.authority()), *root))
}

/// A root with files and no readable metadata is one where nothing can be told from nothing being named. A root that
/// only holds changelog never has any: it does not count as long as metadata was read elsewhere.
fn check_some_metadata_under_each_root(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let read: Vec<&Location> =
        view.input.metadata.iter().filter(|file| file.content.is_ok()).map(|file| &file.location).collect();
    for root in view.input.inventory.roots() {
        let sweeps = view.files.iter().any(|swept| view.area(swept.directory).root == *root);
        if !sweeps || read.iter().any(|location| view.is_under(location, [view.location(*root)])) {
            continue;
        }
        if read.is_empty() || !holds_only_changelog(view, *root) {
            let message = "no metadata was read under this root, and no brake holds";
            report.at("no-readable-metadata", view.location(*root), message);
        }
    }
}

fn holds_only_changelog(view: &View<'_>, root: DirectoryId) -> bool {
    let inventory = view.input.inventory;
    inventory
        .directories()
        .filter(|(id, _)| view.area(*id).root == root && inventory.files_of(*id).len() > 0)
        .all(|(id, _)| {
            view.area(id).zone == crate::view::Zone::Changelog || (id == root && view.area(id).job.is_none())
        })
}
