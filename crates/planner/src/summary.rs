//! Sums, what a policy would free besides, brakes, and what somebody should know.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::plan::{
    Brake, Decision, DecisionTotals, Decisions, Grounds, Header, JobState, JobSummary, MetadataStamp, Newest,
    Plan, PlanInput, Problem, SCHEMA, Summary, Totals, WhatIf,
};
use chksweep_core::policy::DeadJob;
use chksweep_core::{DirectoryId, FileId, JobId, Location, layout};

use crate::classify::World;
use crate::guards::Hold;
use crate::map::Role;
use crate::naming::{Snapshot, newest};
use crate::retention::Retention;

/// The counts of `keep-last` that a plan tells about.
const WHAT_IF_KEEP_LAST: [u32; 2] = [1, 3];

/// Puts the plan together.
pub(crate) fn finish(world: &World<'_>, decisions: Decisions, grounds: Grounds) -> Plan {
    let input = world.input;
    let sums = Sums::new(input, &decisions);
    let mut brakes = world.guards.brakes.clone();
    brakes.extend(limits(input, &sums));
    brakes.extend(without_metadata(world, &sums));
    let mut problems: Vec<Problem> = input.problems.to_vec();
    problems.extend(world.guards.problems.iter().cloned());
    problems.extend(warnings(world));
    problems
        .extend(brakes.iter().map(|brake| Problem::error(&brake.limit, brake.root.clone(), &*brake.message)));
    problems.sort_by(|a, b| {
        (b.severity, &a.code, &a.path, &a.message).cmp(&(a.severity, &b.code, &b.path, &b.message))
    });
    problems.dedup();
    let roots: Vec<String> = printed_roots(input);
    let summary = Summary {
        run_id: input.run_id.to_owned(),
        as_of: input.as_of,
        roots: roots.clone(),
        decisions: sums.all,
        jobs: jobs(world, &sums),
        what_if: WHAT_IF_KEEP_LAST.into_iter().map(|count| what_if(world, &decisions, count)).collect(),
        problems,
        plan: None,
        quarantine: None,
    };
    Plan {
        header: header(input, roots, &brakes),
        decisions,
        summary,
        brakes,
        looks: world.liveness.looks.clone(),
        held_by_unreadable: world.guards.hold != Hold::Nothing,
        grounds,
    }
}

fn printed_roots(input: &PlanInput<'_>) -> Vec<String> {
    input.inventory.roots().iter().map(|id| input.inventory.directory(*id).location.to_string()).collect()
}

fn header(input: &PlanInput<'_>, roots: Vec<String>, brakes: &[Brake]) -> Header {
    Header {
        schema: SCHEMA,
        tool: concat!("chksweep ", env!("CARGO_PKG_VERSION")).to_owned(),
        run_id: input.run_id.to_owned(),
        created_at: input.looked_at,
        as_of: input.as_of,
        roots,
        reference_roots: input.reference_roots.iter().map(Location::to_string).collect(),
        policy: input.policy.clone(),
        equivalence: input.equivalence.describe(),
        brakes: brakes.to_vec(),
        metadata: MetadataStamp::of_all(input.metadata),
    }
}

/// Totals of all files, by root and by job.
struct Sums {
    all: DecisionTotals,
    by_root: BTreeMap<DirectoryId, DecisionTotals>,
    /// Of the selected jobs only.
    selected_by_root: BTreeMap<DirectoryId, DecisionTotals>,
    by_job: BTreeMap<Option<JobId>, DecisionTotals>,
    /// Directories of which something goes, where they are no job's that has an id.
    swept_places: BTreeSet<Option<JobId>>,
}

impl Sums {
    fn new(input: &PlanInput<'_>, decisions: &Decisions) -> Self {
        let mut sums = Self {
            all: DecisionTotals::default(),
            by_root: BTreeMap::new(),
            selected_by_root: BTreeMap::new(),
            by_job: BTreeMap::new(),
            swept_places: BTreeSet::new(),
        };
        let mut root_of: Vec<Option<DirectoryId>> = vec![None; input.inventory.directory_count()];
        for (id, directory) in input.inventory.directories() {
            let root =
                directory.parent.map_or(Some(id), |parent| root_of.get(parent.index()).copied().flatten());
            if let Some(slot) = root_of.get_mut(id.index()) {
                *slot = root;
            }
            let here = sum_of_directory(input, decisions, id);
            let job = layout::job_of(&directory.location);
            add_all(&mut sums.all, &here);
            if let Some(root) = root {
                add_all(sums.by_root.entry(root).or_default(), &here);
                if input.policy.selects(job) {
                    add_all(sums.selected_by_root.entry(root).or_default(), &here);
                }
            }
            add_all(sums.by_job.entry(job).or_default(), &here);
            if here.sweep.files > 0 || decisions.directory(id).decision() == Decision::Sweep {
                sums.swept_places.insert(job);
            }
        }
        sums
    }
}

fn sum_of_directory(input: &PlanInput<'_>, decisions: &Decisions, id: DirectoryId) -> DecisionTotals {
    let mut totals = DecisionTotals::default();
    for (file_id, file) in input.inventory.files_of(id) {
        totals.of_mut(decisions.file(file_id).decision()).add_file(file);
    }
    totals
}

fn add_all(to: &mut DecisionTotals, from: &DecisionTotals) {
    for decision in [Decision::Sweep, Decision::Keep, Decision::Defer, Decision::Skip] {
        to.of_mut(decision).add(from.of(decision));
    }
}

/// The limits of the policy that the plan exceeds.
fn limits(input: &PlanInput<'_>, sums: &Sums) -> Vec<Brake> {
    let limits = &input.policy.brakes;
    let mut brakes = Vec::new();
    for (root, totals) in &sums.selected_by_root {
        let (swept, all) = (totals.sweep, totals.all());
        let printed = input.inventory.directory(*root).location.to_string();
        for (what, part, whole) in [("files", swept.files, all.files), ("bytes", swept.bytes, all.bytes)] {
            if exceeds(part, whole, limits.max_sweep_ratio) {
                let message = format!(
                    "{part} of {whole} {what} would be swept, more than max-sweep-ratio {}",
                    limits.max_sweep_ratio
                );
                brakes.push(Brake {
                    limit: "max-sweep-ratio".to_owned(),
                    root: Some(printed.clone()),
                    message,
                });
            }
        }
    }
    let jobs = u64::try_from(sums.swept_places.len()).unwrap_or(u64::MAX);
    for (limit, value, most) in [
        ("max-sweep-files", sums.all.sweep.files, limits.max_sweep_files),
        ("max-sweep-bytes", sums.all.sweep.bytes, limits.max_sweep_bytes),
        ("max-sweep-jobs", jobs, limits.max_sweep_jobs),
    ] {
        if let Some(most) = most.filter(|most| value > *most) {
            let message = format!("{value} is more than {limit} {most}");
            brakes.push(Brake { limit: limit.to_owned(), root: None, message });
        }
    }
    brakes
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a share, compared with a limit")]
fn exceeds(part: u64, whole: u64, ratio: f64) -> bool {
    whole > 0 && part as f64 > whole as f64 * ratio
}

/// A root from which something would go and under which no readable metadata lies: an empty live set looks like
/// this, and so does a wrong root. Roots of changelog or ForSt state alone never hold metadata: for them any that was
/// read will do.
fn without_metadata(world: &World<'_>, sums: &Sums) -> Vec<Brake> {
    let inventory = world.input.inventory;
    let root_of = |mut at: DirectoryId| {
        while let Some(parent) = inventory.directory(at).parent {
            at = parent;
        }
        at
    };
    let known: BTreeSet<DirectoryId> =
        world.snapshots.iter().filter_map(|snapshot| snapshot.directory).map(root_of).collect();
    let mut checkpoint_roots: BTreeSet<DirectoryId> = BTreeSet::new();
    for (id, _) in inventory.directories() {
        if matches!(
            world.map.role(id),
            Role::Checkpoint(_) | Role::Shared | Role::TaskOwned | Role::Savepoint(_)
        ) {
            checkpoint_roots.insert(root_of(id));
        }
    }
    let suffices =
        |root: &DirectoryId| known.contains(root) || (!known.is_empty() && !checkpoint_roots.contains(root));
    sums.by_root
        .iter()
        .filter(|(root, totals)| totals.sweep.files > 0 && !suffices(root))
        .map(|(root, totals)| Brake {
            limit: "no-readable-metadata".to_owned(),
            root: Some(inventory.directory(*root).location.to_string()),
            message: format!(
                "{} files lie here and no readable metadata does: is this the right root?",
                totals.all().files
            ),
        })
        .collect()
}

fn warnings(world: &World<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for from in &world.naming.unused_aliases {
        let message = "this --alias matched nothing: is it spelled as the metadata spells it?";
        problems.push(Problem::warning("unused-alias", Some(from.to_string()), message));
    }
    for dead in &world.liveness.unmatched {
        let job = match dead {
            DeadJob::Id(id) => id.to_string(),
            DeadJob::Path(path) => path.clone(),
        };
        let message = "declared dead, and no directory of it was found";
        problems.push(Problem::warning("unmatched-dead-job", Some(job), message));
    }
    for place in &world.naming.unlisted_places {
        let message = if matches!(place.scheme(), Some("hdfs" | "viewfs" | "file")) {
            "metadata names files here, under no listed root: are all roots listed?"
        } else {
            "metadata names files on another file system, which is never followed"
        };
        problems.push(Problem::warning("unlisted-root", Some(place.to_string()), message));
    }
    problems.extend(several_runs(world));
    problems
}

/// Tells where a policy would retire checkpoints if it were known that no two clusters share the directory: once for
/// all of them, for a whole site may name its jobs by the hash of a cluster's name.
fn several_runs(world: &World<'_>) -> Option<Problem> {
    let mut shared = world.retention.shared.iter().filter_map(|at| world.map.job_directories.get(*at));
    let first = &world.input.inventory.directory(shared.next()?.directory).location;
    let others = match shared.count() {
        0 => String::new(),
        1 => " and in 1 other directory".to_owned(),
        more => format!(" and in {more} other directories"),
    };
    let message = format!(
        "keep-last retires nothing here{others}: several clusters may run in one, and the newest checkpoints of one say \
         nothing of another that is suspended; where all of it is of one job, say one-job in a retention rule"
    );
    Some(Problem::warning("several-runs", Some(first.to_string()), message))
}

/// The jobs and the listed snapshots by the id that their places tell: each is gone through once.
#[derive(Default)]
struct ById<'a> {
    jobs: BTreeMap<Option<JobId>, Vec<usize>>,
    snapshots: BTreeMap<Option<JobId>, Vec<&'a Snapshot<'a>>>,
}

impl<'a> ById<'a> {
    fn new(world: &World<'a>) -> Self {
        let mut by_id = Self::default();
        for (number, job) in world.map.jobs.iter().enumerate() {
            by_id.jobs.entry(job.id).or_default().push(number);
        }
        for snapshot in world.snapshots.iter().filter(|snapshot| snapshot.listed.is_some()) {
            if let Some(directory) = snapshot.directory {
                let id = layout::job_of(&world.input.inventory.directory(directory).location);
                by_id.snapshots.entry(id).or_default().push(snapshot);
            }
        }
        by_id
    }
}

fn jobs(world: &World<'_>, sums: &Sums) -> Vec<JobSummary> {
    let by_id = ById::new(world);
    sums.by_job
        .iter()
        .filter(|(job, totals)| job.is_some() || totals.all() != Totals::default())
        .map(|(job, totals)| job_summary(world, &by_id, *job, *totals))
        .collect()
}

fn job_summary(
    world: &World<'_>,
    by_id: &ById<'_>,
    id: Option<JobId>,
    decisions: DecisionTotals,
) -> JobSummary {
    let numbers = by_id.jobs.get(&id).map_or(&[][..], Vec::as_slice);
    let directories = numbers
        .iter()
        .filter_map(|number| world.map.jobs.get(*number))
        .flat_map(|job| &job.directories)
        .filter_map(|at| world.map.job_directories.get(*at))
        .map(|job| world.input.inventory.directory(job.directory).location.to_string())
        .collect();
    let own = by_id.snapshots.get(&id).map_or(&[][..], Vec::as_slice);
    let newest_own = own
        .iter()
        .filter(|snapshot| snapshot.is_checkpoint(world.map))
        .max_by_key(|snapshot| (snapshot.file.modified, snapshot.content.checkpoint_id));
    let dead = numbers.iter().all(|number| world.liveness.is_job_dead(world.map, *number));
    JobSummary {
        job: id,
        name: None,
        directories,
        checkpoints: u64::try_from(own.iter().map(|snapshot| snapshot.listed).collect::<BTreeSet<_>>().len())
            .unwrap_or(u64::MAX),
        newest: newest_own.map(|snapshot| Newest {
            path: snapshot.home.as_ref().map_or_else(String::new, Location::to_string),
            checkpoint_id: snapshot.content.checkpoint_id,
            mtime: snapshot.file.modified,
        }),
        state: (!numbers.is_empty()).then_some(if dead { JobState::Dead } else { JobState::Living }),
        last_activity: numbers.iter().fold(None, |latest, number| {
            newest(latest, world.liveness.last_activity_of_job(world.map, *number))
        }),
        decisions,
    }
}

/// Counts what `keep-last` alone would free one day, besides what this plan sweeps: the `_metadata` that it retires
/// and the files that only those name.
fn what_if(world: &World<'_>, decisions: &Decisions, count: u32) -> WhatIf {
    let retention =
        Retention::new(world.input, world.map, world.snapshots, world.naming, world.liveness, Some(count));
    let kept: BTreeSet<usize> =
        (0..world.snapshots.len()).filter(|at| retention.retires(*at).is_none()).collect();
    let mut stays = vec![false; world.input.inventory.file_count()];
    for at in &kept {
        for file in world.naming.resolved.get(*at).into_iter().flatten() {
            if let Some(slot) = stays.get_mut(file.index()) {
                *slot = true;
            }
        }
    }
    let mut freed: BTreeSet<FileId> = BTreeSet::new();
    for (at, snapshot) in world.snapshots.iter().enumerate().filter(|(at, _)| !kept.contains(at)) {
        freed.extend(snapshot.listed);
        let named = world.naming.resolved.get(at).into_iter().flatten().copied();
        freed.extend(named.filter(|file| {
            !stays.get(file.index()).copied().unwrap_or(true) && !world.naming.is_pinned(*file)
        }));
    }
    let mut totals = Totals::default();
    for file in freed.into_iter().filter(|file| decisions.file(*file).decision() != Decision::Sweep) {
        totals.add_file(world.input.inventory.file(file));
    }
    WhatIf { policy: format!("keep-last={count}"), files: totals.files, bytes: totals.bytes }
}
