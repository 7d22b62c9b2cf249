//! What holds a whole plan, or a whole job, back: metadata that could not be read, references that resolve to
//! nothing, and no metadata at all. Each looks like a bug or a wrong configuration, and then what was proved dead
//! is not proved.

use std::collections::{BTreeMap, BTreeSet};

use chksweep_core::layout::{self, FileName};
use chksweep_core::plan::{Brake, Place, PlanInput, Problem};
use chksweep_core::policy::OnUnreadable;
use chksweep_core::{DirectoryId, Location, Timestamp};

use crate::liveness::Liveness;
use crate::map::{Map, Role};
use crate::naming::{Dangling, Naming, Snapshot, still_names};

/// How much metadata that cannot be read holds back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// All metadata was read.
    Nothing,
    /// Everything.
    Everything,
    /// The files of these jobs, and all shared and running state everywhere.
    SharedState {
        /// The jobs in whose directories the unreadable metadata lies.
        jobs: BTreeSet<usize>,
    },
    /// The files of these jobs, and all state files everywhere.
    AllState {
        /// The jobs in whose directories the unreadable metadata lies.
        jobs: BTreeSet<usize>,
    },
}

/// What holds something back.
#[derive(Debug)]
pub(crate) struct Guards {
    pub(crate) hold: Hold,
    /// Jobs whose newest checkpoint misses files.
    pub(crate) inconsistent: BTreeSet<usize>,
    pub(crate) brakes: Vec<Brake>,
    pub(crate) problems: Vec<Problem>,
}

impl Guards {
    pub(crate) fn new(
        input: &PlanInput<'_>,
        map: &Map,
        snapshots: &[Snapshot<'_>],
        naming: &Naming,
        liveness: &Liveness,
    ) -> Self {
        let mut guards = Self {
            hold: Hold::Nothing,
            inconsistent: BTreeSet::new(),
            brakes: Vec::new(),
            problems: Vec::new(),
        };
        guards.check_unreadable(input, map);
        guards.check_dangling(input, map, snapshots, naming, liveness);
        guards
    }

    fn check_unreadable(&mut self, input: &PlanInput<'_>, map: &Map) {
        let (mut jobs, mut searched, mut any) = (BTreeSet::new(), true, false);
        for file in input.metadata.iter().filter(|file| still_names(file, input)) {
            let Err(unreadable) = &file.content else { continue };
            let path = file.location.to_string();
            if input.policy.accepts_unreadable(&file.location, file.bytes, file.modified) {
                let message = format!("{}; accepted as unreadable by the configuration", unreadable.message);
                self.problems.push(Problem::warning("accepted-unreadable", Some(path), message));
                continue;
            }
            if !unreadable.blocks && unreadable.uuids.is_some() {
                self.problems.push(Problem::warning("old-metadata", Some(path), unreadable.message.clone()));
                continue;
            }
            any = true;
            searched &= unreadable.uuids.is_some();
            let home = match &file.place {
                Place::Quarantined { original, .. } => original,
                Place::Sweep | Place::Reference => &file.location,
            };
            jobs.extend(Map::innermost(input.inventory, home).and_then(|id| map.job(id)));
            // Under a reference root it is a job of the same id that cannot be read.
            jobs.extend(
                layout::job_of(home).and_then(|id| map.jobs.iter().position(|job| job.id == Some(id))),
            );
            self.problems.push(Problem::error(
                "unreadable-metadata",
                Some(path),
                unreadable_message(&unreadable.message),
            ));
        }
        for (location, why) in places_not_looked_at(input, map) {
            (any, searched) = (true, false);
            let message = format!("{why}; metadata that lies there may name anything");
            self.problems.push(Problem::error("partial-listing", Some(location.to_string()), message));
        }
        self.hold = match (any, input.policy.unreadable, searched) {
            (false, _, _) => Hold::Nothing,
            (true, OnUnreadable::Block, _) => Hold::Everything,
            (true, OnUnreadable::Isolate, true) => Hold::SharedState { jobs },
            (true, OnUnreadable::Isolate, false) => Hold::AllState { jobs },
        };
    }

    /// Looks at the newest kept checkpoint of each living job: where one misses files the job is left alone; where
    /// many do, or everything under one spelling, paths are being compared wrongly, and nothing is swept.
    fn check_dangling(
        &mut self,
        input: &PlanInput<'_>,
        map: &Map,
        snapshots: &[Snapshot<'_>],
        naming: &Naming,
        liveness: &Liveness,
    ) {
        let mut spellings: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let (mut total, mut missing) = (0_u64, 0_u64);
        for at in newest_of_living_jobs(input, map, snapshots, liveness) {
            let (Some(snapshot), Some(dangling)) = (snapshots.get(at), naming.dangling.get(at)) else {
                continue;
            };
            let unresolved: Vec<&Dangling> =
                dangling.iter().filter(|one| one.judged && !one.found_by_name).collect();
            count_spellings(snapshot, dangling, &mut spellings);
            let judged = dangling.iter().filter(|one| !one.judged).count();
            total += u64::try_from(snapshot.content.files.files.len().saturating_sub(judged)).unwrap_or(0);
            missing += u64::try_from(unresolved.len()).unwrap_or(0);
            if let (Some(first), Some(directory)) = (unresolved.first(), snapshot.directory) {
                self.inconsistent.extend(map.job(directory));
                let example = snapshot.content.files.location(first.reference);
                let count = unresolved.len();
                let message = format!(
                    "the newest checkpoint of this job names {count} {} that {} not there, such as {}; the job is left \
                     alone: are all roots listed, is an --alias missing?",
                    if count == 1 { "file" } else { "files" },
                    if count == 1 { "is" } else { "are" },
                    example.map_or_else(String::new, |location| location.to_string()),
                );
                let path = snapshot.file.location.to_string();
                self.problems.push(Problem::error("inconsistent-job", Some(path), message));
            }
        }
        self.brake_on_dangling(input, total, missing, &spellings);
    }

    fn brake_on_dangling(
        &mut self,
        input: &PlanInput<'_>,
        total: u64,
        missing: u64,
        spellings: &BTreeMap<String, (u64, u64)>,
    ) {
        for (spelling, _) in spellings.iter().filter(|(_, (_, found))| *found == 0) {
            let message = format!(
                "not one file named under {spelling} was found: is this root listed, or an --alias missing? nothing is swept"
            );
            let brake = Brake { limit: "max-dangling".to_owned(), root: Some(spelling.clone()), message };
            self.brakes.push(brake);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::as_conversions,
            reason = "a share, compared with a limit"
        )]
        let share = if total == 0 { 0.0 } else { missing as f64 / total as f64 };
        if share > input.policy.max_dangling {
            let message = format!(
                "{missing} of {total} references of the newest checkpoints of living jobs resolve to nothing, more \
                 than max-dangling {}; nothing is swept",
                input.policy.max_dangling
            );
            self.brakes.push(Brake { limit: "max-dangling".to_owned(), root: None, message });
        }
    }
}

fn unreadable_message(message: &str) -> String {
    format!(
        "{message}; it may name anything, so nothing that it may name is swept: repair or remove it, accept it in \
         the configuration (accept-unreadable), or use --unreadable isolate"
    )
}

/// Returns the directories in which metadata may lie that nobody read.
fn places_not_looked_at(input: &PlanInput<'_>, map: &Map) -> Vec<(Location, String)> {
    let mut places: Vec<(Location, String)> = input.unlisted.to_vec();
    let read: BTreeSet<&Location> = input.metadata.iter().map(|file| &file.location).collect();
    let told: BTreeSet<&Location> = input.unlisted.iter().map(|(location, _)| location).collect();
    for (id, directory) in input.inventory.directories() {
        if !metadata_may_lie_in(input, map, id) {
            continue;
        }
        if let chksweep_core::Listing::Partial { why } = &directory.listing
            && !told.contains(&directory.location)
        {
            places.push((directory.location.clone(), why.clone()));
        }
        for (_, file) in input.inventory.files_of(id) {
            let name = input.inventory.name_of(file).to_vec();
            if layout::file_name(&name) == FileName::Metadata {
                let location = directory.location.child(&name);
                if !read.contains(&location) {
                    places.push((location, "it was listed and never read".to_owned()));
                }
            }
        }
    }
    places.sort();
    places.dedup();
    places
}

/// Flink never writes metadata into the state directories of a job.
fn metadata_may_lie_in(input: &PlanInput<'_>, map: &Map, directory: DirectoryId) -> bool {
    !map.lies_in(input.inventory, directory, |role| {
        matches!(role, Role::Shared | Role::TaskOwned | Role::Changelog)
    })
}

/// Returns the newest checkpoint of each job directory whose job is not dead: several where one was read more than
/// once with different contents, or where times and numbers are equal. One that completed after the look began
/// names files that the listing may have been too early for.
fn newest_of_living_jobs(
    input: &PlanInput<'_>,
    map: &Map,
    snapshots: &[Snapshot<'_>],
    liveness: &Liveness,
) -> Vec<usize> {
    let mut newest: BTreeMap<usize, ((Timestamp, i64), Vec<usize>)> = BTreeMap::new();
    for (at, snapshot) in snapshots.iter().enumerate() {
        let Some(owner) = snapshot.owner(map) else { continue };
        let late = snapshot.file.modified > input.looked_at.min(input.as_of);
        if late || !snapshot.is_checkpoint(map) || liveness.is_dead(owner) {
            continue;
        }
        let key = (snapshot.file.modified, snapshot.content.checkpoint_id);
        let best = newest.entry(owner).or_insert((key, Vec::new()));
        if key > best.0 {
            *best = (key, Vec::new());
        }
        if key == best.0 {
            best.1.push(at);
        }
    }
    newest.into_values().flat_map(|(_, newest)| newest).collect()
}

/// Counts references by scheme, authority and the directory above the job: how many there are, how many are found.
fn count_spellings(
    snapshot: &Snapshot<'_>,
    dangling: &[Dangling],
    spellings: &mut BTreeMap<String, (u64, u64)>,
) {
    let files = &snapshot.content.files;
    let mut missing: BTreeSet<(u32, chksweep_core::NameRef<'_>)> = BTreeSet::new();
    let mut unjudged = BTreeSet::new();
    for one in dangling {
        if !one.judged {
            unjudged.insert(one.reference.directory);
        } else if !one.found_by_name {
            missing.insert((one.reference.directory, files.names.get(one.reference.name)));
        }
    }
    let printed: Vec<String> = files.directories.iter().map(spelling_of).collect();
    for file in &files.files {
        if unjudged.contains(&file.directory) {
            continue;
        }
        let at = usize::try_from(file.directory).unwrap_or(usize::MAX);
        let Some(spelling) = printed.get(at) else { continue };
        let found = !missing.contains(&(file.directory, files.names.get(file.name)));
        let counts = spellings.entry(spelling.clone()).or_default();
        counts.0 += 1;
        counts.1 += u64::from(found);
    }
}

/// Returns the part of a directory above the job, its id included nowhere: what a root is spelled like.
fn spelling_of(directory: &Location) -> String {
    let mut at = directory.clone();
    let mut root = directory.clone();
    while let Some(parent) = at.parent() {
        let name = layout::directory_name(at.name());
        if !matches!(name, layout::DirectoryName::Unknown | layout::DirectoryName::ForStDatabase) {
            root = parent.clone();
        }
        at = parent;
    }
    root.to_string()
}
