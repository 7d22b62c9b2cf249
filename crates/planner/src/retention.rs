//! Which checkpoints and savepoints a policy retires. Without one: none.
//!
//! Only a policy that somebody wrote ever retires metadata, and then with everything that speaks against it: the
//! newest of each lineage, by number and by time; what is young, pinned, referred to or in use; what cannot be told
//! from another job's. In the plan that retires it only the `_metadata` goes, and it still names.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chksweep_core::plan::{PlanInput, Rule};
use chksweep_core::policy::RetentionRule;
use chksweep_core::{Age, File, FileId, Kind, Location, OperatorId, Timestamp};

use crate::liveness::{IdsByDigits, Liveness};
use crate::map::{JobDirectoryIndex, Map, Role};
use crate::naming::{Naming, Snapshot, ref_checkpoint_directories};

/// How many of a lineage are spared where nothing says that no job uses high availability: an entry of the HA
/// store may lag one behind.
const SPARED_WITHOUT_HA_EVIDENCE: u32 = 2;

/// The retention that holds for one snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Terms {
    keep_last: Option<u32>,
    keep_within: Option<Age>,
    savepoint_keep_last: Option<u32>,
    savepoint_keep_within: Option<Age>,
    expire_jobs_after: Option<Age>,
    one_job: bool,
}

/// What a policy retires.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// By the number of the snapshot: the rule that takes its `_metadata`, and what the policy says.
    retired: BTreeMap<usize, Retired>,
    /// The job directories of which a policy wants some checkpoints gone, and in which several clusters may run.
    pub(crate) shared: Vec<JobDirectoryIndex>,
}

/// By what a snapshot is retired.
#[derive(Clone, Debug)]
struct Retired {
    rule: Rule,
    policy: Rc<str>,
}

struct Context<'a> {
    input: &'a PlanInput<'a>,
    map: &'a Map,
    snapshots: &'a [Snapshot<'a>],
    naming: &'a Naming,
    liveness: &'a Liveness,
    /// A policy of which only the count matters: what it would free one day, whatever the ages now.
    what_if: Option<u32>,
    /// Whether anything shows that reading a file ever left a trace.
    recorded_reads: bool,
    /// Whether it does now, on every file system.
    records_reads: bool,
}

impl Retention {
    /// Applies the policy of the input, or asks what `keep-last` alone would retire one day.
    pub(crate) fn new(
        input: &PlanInput<'_>,
        map: &Map,
        snapshots: &[Snapshot<'_>],
        naming: &Naming,
        liveness: &Liveness,
        what_if: Option<u32>,
    ) -> Self {
        let recorded_reads = what_if.is_none() && recorded_reads(input);
        let records_reads = recorded_reads && records_reads(input);
        let context =
            Context { input, map, snapshots, naming, liveness, what_if, recorded_reads, records_reads };
        let mut retired = BTreeMap::new();
        let mut shared = Vec::new();
        for (job, members) in context.checkpoints_by_job() {
            if context.retire_checkpoints(job, &members, &mut retired).is_none() {
                shared.push(job);
            }
        }
        if what_if.is_none() {
            for (terms, members) in context.savepoints_by_job() {
                context.retire_savepoints(&terms, &members, &mut retired);
            }
        }
        context.keep_what_is_referred_to(&mut retired);
        Self { retired, shared }
    }

    /// Returns the rule by which the policy takes the `_metadata` of a snapshot.
    pub(crate) fn retires(&self, snapshot: usize) -> Option<Rule> {
        self.retired.get(&snapshot).map(|retired| retired.rule)
    }

    /// Returns what the policy says that takes the `_metadata` of a snapshot, as one would write it.
    pub(crate) fn policy_of(&self, snapshot: usize) -> Option<&str> {
        self.retired.get(&snapshot).map(|retired| &*retired.policy)
    }
}

impl Context<'_> {
    /// The completed checkpoints of each job directory.
    fn checkpoints_by_job(&self) -> BTreeMap<JobDirectoryIndex, Vec<usize>> {
        let mut by_job: BTreeMap<JobDirectoryIndex, Vec<usize>> = BTreeMap::new();
        for (at, snapshot) in self.snapshots.iter().enumerate() {
            if snapshot.is_checkpoint(self.map)
                && snapshot.listed.is_some()
                && let Some(owner) = snapshot.owner(self.map)
            {
                by_job.entry(owner).or_default().push(at);
            }
        }
        by_job
    }

    /// The savepoints that one job took, as far as their names tell, with the retention that holds for them: what a
    /// glob does not match is not retired by it.
    fn savepoints_by_job(&self) -> Vec<(Terms, Vec<usize>)> {
        let mut by_name: BTreeMap<(Location, Vec<u8>, Terms), Vec<usize>> = BTreeMap::new();
        let ids = IdsByDigits::new(self.input, self.map);
        for (at, snapshot) in self.snapshots.iter().enumerate() {
            let Some(directory) = snapshot.directory else { continue };
            let (Role::Savepoint(digits), Some(_)) = (self.map.role(directory), snapshot.listed) else {
                continue;
            };
            let location = &self.input.inventory.directory(directory).location;
            let Some(parent) = location.parent() else { continue };
            let terms = self.terms(location);
            let key = match (terms.one_job, ids.tell_one_job(digits)) {
                (true, _) => Vec::new(),
                (false, true) => digits.to_vec(),
                (false, false) => continue,
            };
            by_name.entry((parent, key, terms)).or_default().push(at);
        }
        by_name.into_iter().map(|((_, _, terms), members)| (terms, members)).collect()
    }

    /// Retires what the policy says of a job directory; `None` if it cannot, as several clusters may run in there.
    fn retire_checkpoints(
        &self,
        job: JobDirectoryIndex,
        members: &[usize],
        retired: &mut BTreeMap<usize, Retired>,
    ) -> Option<()> {
        let directory = self.map.job_directories.get(job)?;
        let terms = self.terms(&self.input.inventory.directory(directory.directory).location);
        if self.expires(job, &terms) {
            let going =
                members.iter().filter(|at| !self.is_within(**at, terms.keep_within) && self.may_go(**at));
            let policy =
                written(&[("expire-jobs-after", terms.expire_jobs_after.map(|age| age.to_string()))]);
            retired.extend(
                going.map(|at| (*at, Retired { rule: Rule::ExpiredJob, policy: Rc::clone(&policy) })),
            );
            return Some(());
        }
        // `keep-within` alone only ever keeps.
        let Some(keep_last) = terms.keep_last else { return Some(()) };
        if !self.is_one_sequence(job, &terms) {
            let is_within = usize::try_from(keep_last).is_ok_and(|count| members.len() <= count);
            return is_within.then_some(());
        }
        let policy = terms.of_checkpoints();
        for lineage in self.lineages(members) {
            let kept = self.kept_by_count(&lineage, terms.keep_last);
            for at in lineage {
                if !kept.contains(&at) && !self.is_within(at, terms.keep_within) && self.may_go(at) {
                    let policy = Rc::clone(&policy);
                    retired.insert(at, Retired { rule: Rule::RetiredCheckpoint, policy });
                }
            }
        }
        Some(())
    }

    /// Returns whether a newer checkpoint of a job directory stands for an older one of its lineage: where two clusters
    /// run the same program in one directory, the newest of the one is no use to the other, which may be suspended and
    /// come back, or fail to complete checkpoints while the other goes on. Several clusters have one id only if they use
    /// high availability.
    fn is_one_sequence(&self, job: JobDirectoryIndex, terms: &Terms) -> bool {
        let has_id = || {
            let number = self.map.job_directories.get(job).map(|directory| directory.job);
            number.and_then(|number| self.map.jobs.get(number)).is_some_and(|job| job.id.is_some())
        };
        terms.one_job || self.map.is_of_one_run(job) || (self.input.policy.no_ha && has_id())
    }

    fn retire_savepoints(&self, terms: &Terms, members: &[usize], retired: &mut BTreeMap<usize, Retired>) {
        if terms.savepoint_keep_last.is_none() {
            return;
        }
        let policy = terms.of_savepoints();
        for lineage in self.lineages(members) {
            let kept = self.kept_by_count(&lineage, terms.savepoint_keep_last);
            for at in lineage {
                let is_savepoint = self.snapshots.get(at).is_some_and(|s| s.content.kind == Kind::Savepoint);
                let within = self.is_within(at, terms.savepoint_keep_within);
                if is_savepoint && !kept.contains(&at) && !within && self.may_go(at) {
                    let policy = Rc::clone(&policy);
                    retired.insert(at, Retired { rule: Rule::RetiredSavepoint, policy });
                }
            }
        }
    }

    /// Returns the retention that holds for a job directory or a savepoint, the most specific first: a job id,
    /// then the longest glob.
    fn terms(&self, location: &Location) -> Terms {
        let policy = self.input.policy;
        let id = chksweep_core::layout::job_of(location).map(|id| id.to_string());
        let by_id = policy.rules.iter().find(|rule| id.as_deref() == Some(rule.matches.as_str()));
        let by_glob = || {
            let path = String::from_utf8_lossy(location.path()).into_owned();
            let matching = policy.rules.iter().filter(|rule| glob_matches(&rule.matches, &path));
            matching.max_by_key(|rule| rule.matches.len())
        };
        let mut terms = by_id.or_else(by_glob).map_or(
            Terms {
                keep_last: policy.keep_last,
                keep_within: policy.keep_within,
                savepoint_keep_last: policy.savepoint_keep_last,
                savepoint_keep_within: policy.savepoint_keep_within,
                expire_jobs_after: policy.expire_jobs_after,
                one_job: false,
            },
            Terms::from,
        );
        if let Some(count) = self.what_if {
            terms.keep_last = Some(count);
            terms.keep_within = None;
            terms.expire_jobs_after = None;
        }
        terms
    }

    /// Divides snapshots into lineages: two are of one if their sets of operator ids overlap by at least half of
    /// the larger. The newest stands for its lineage. What fits to none, or to several, or has no operators, is
    /// left out: it is kept.
    fn lineages(&self, members: &[usize]) -> Vec<Vec<usize>> {
        let mut newest_first: Vec<usize> = members.to_vec();
        newest_first
            .sort_by_key(|at| (std::cmp::Reverse(self.written(*at)), self.home(*at), self.operators(*at)));
        let mut lineages: Vec<Vec<usize>> = Vec::new();
        for at in newest_first {
            let operators = self.operators(at);
            if operators.is_empty() {
                continue;
            }
            let mut fitting = lineages.iter_mut().filter(|lineage| {
                lineage.first().is_some_and(|first| same_lineage(self.operators(*first), operators))
            });
            match (fitting.next(), fitting.next()) {
                (None, _) => lineages.push(vec![at]),
                (Some(lineage), None) => lineage.push(at),
                (Some(_), Some(_)) => {}
            }
        }
        lineages
    }

    /// Returns the members that stay by count: by number and, separately, by the mtime of `_metadata`. One with
    /// references that resolve to nothing is not counted, and stays unless enough that resolve are newer, by both.
    fn kept_by_count(&self, lineage: &[usize], keep_last: Option<u32>) -> BTreeSet<usize> {
        let spared = if self.input.policy.no_ha { 1 } else { SPARED_WITHOUT_HA_EVIDENCE };
        let count = usize::try_from(keep_last.unwrap_or(0).max(spared)).unwrap_or(usize::MAX);
        let whole: Vec<usize> = lineage.iter().copied().filter(|at| self.resolves(*at)).collect();
        let mut by_number = whole.clone();
        by_number.sort_by_key(|at| std::cmp::Reverse((self.number(*at), self.written(*at), self.home(*at))));
        let mut by_time = whole.clone();
        by_time.sort_by_key(|at| std::cmp::Reverse((self.written(*at), self.number(*at), self.home(*at))));
        let dangling = lineage.iter().copied().filter(|at| {
            let later = whole.iter().filter(|other| self.written(**other) > self.written(*at)).count();
            let higher = whole.iter().filter(|other| self.number(**other) > self.number(*at)).count();
            !self.resolves(*at) && (later < count || higher < count)
        });
        let mut kept: BTreeSet<usize> = dangling.collect();
        kept.extend(self.first_places(&by_number, count));
        kept.extend(self.first_places(&by_time, count));
        kept
    }

    /// Returns what lies in the first so many distinct places: one that was read twice is one.
    fn first_places(&self, ordered: &[usize], count: usize) -> Vec<usize> {
        let mut places = BTreeSet::new();
        let mut first = Vec::new();
        for at in ordered {
            if places.len() < count || places.contains(&self.home(*at)) {
                places.insert(self.home(*at));
                first.push(*at);
            }
        }
        first
    }

    /// Returns whether nothing besides the count speaks against retiring a snapshot.
    fn may_go(&self, at: usize) -> bool {
        let Some(snapshot) = self.snapshots.get(at) else { return false };
        let Some(file) = snapshot.listed else { return false };
        if self.naming.is_pinned(file) {
            return false;
        }
        self.what_if.is_some() || self.is_unused(at, snapshot)
    }

    /// Returns whether access times tell that no state file of a snapshot was read within `quiescent-after`: a job
    /// that restored it and cannot complete its first checkpoint leaves no other trace. Where access times are off
    /// nothing is told, and only the word that no job uses high availability suffices. Where they are on and all state
    /// lies where nobody looked, as that of another cluster does, that word is not enough: the trace may be there.
    fn is_unused(&self, at: usize, snapshot: &Snapshot<'_>) -> bool {
        let operator_state: BTreeSet<FileId> = self.operator_state_files(snapshot);
        let resolved = self.naming.resolved.get(at).map_or(&[][..], Vec::as_slice);
        let mut told = false;
        for file in resolved.iter().filter(|file| !operator_state.contains(file)) {
            let accessed = self.input.inventory.file(*file).accessed;
            if accessed.0 == 0 {
                continue;
            }
            told = true;
            if accessed > self.input.as_of
                || self.input.as_of.since(accessed) <= self.input.policy.quiescent_after
            {
                return false;
            }
        }
        let elsewhere = self.naming.state_elsewhere.get(at).copied().unwrap_or(true);
        let may_be_told_elsewhere = self.recorded_reads && !told && elsewhere;
        (told && self.records_reads) || (self.input.policy.no_ha && !may_be_told_elsewhere)
    }

    fn operator_state_files(&self, snapshot: &Snapshot<'_>) -> BTreeSet<FileId> {
        let files = &snapshot.content.files;
        let indexes = snapshot.content.operator_state_files.iter();
        indexes
            .filter_map(|at| files.files.get(usize::try_from(*at).ok()?))
            .filter_map(|file| self.input.inventory.find(&files.location(*file)?))
            .map(|(_, file)| file)
            .collect()
    }

    /// Returns whether what is left of a job may go: it is dead, has been dead for as long as the policy says,
    /// somebody said that no job uses high availability, and nothing in it is named by others.
    fn expires(&self, job: JobDirectoryIndex, terms: &Terms) -> bool {
        // The job died when its last directory fell silent, unless that of another cluster is known to live on.
        let number = self.map.job_directories.get(job).map(|directory| directory.job);
        let dead = number.filter(|number| self.liveness.is_job_dead(self.map, *number));
        let changed = match dead {
            Some(number) => self.liveness.last_activity_of_job(self.map, number),
            None => self.liveness.last_activity(job),
        };
        let (Some(after), Some(changed)) = (terms.expire_jobs_after, changed) else {
            return false;
        };
        let dead_since = changed.plus(self.input.policy.quiescent_after);
        self.input.policy.no_ha
            && self.liveness.is_dead(job)
            && dead_since < self.input.as_of
            && self.input.as_of.since(dead_since) > after
            && !self.liveness.is_used_by_others(job)
    }

    /// What a checkpoint that stays refers to by number stays as well, and so on.
    fn keep_what_is_referred_to(&self, retired: &mut BTreeMap<usize, Retired>) {
        loop {
            let mut kept_directories = BTreeSet::new();
            for (at, snapshot) in self.snapshots.iter().enumerate().filter(|(_, snapshot)| snapshot.names) {
                if !retired.contains_key(&at) {
                    kept_directories.extend(ref_checkpoint_directories(self.input, self.map, snapshot));
                }
            }
            let before = retired.len();
            retired.retain(|at, _| {
                let directory = self.snapshots.get(*at).and_then(|snapshot| snapshot.directory);
                directory.is_none_or(|directory| !kept_directories.contains(&directory))
            });
            if retired.len() == before {
                return;
            }
        }
    }

    fn is_within(&self, at: usize, within: Option<Age>) -> bool {
        let written = self.written(at);
        within.is_some_and(|within| written > self.input.as_of || self.input.as_of.since(written) <= within)
    }

    fn operators(&self, at: usize) -> &[OperatorId] {
        self.snapshots.get(at).map_or(&[], |snapshot| &snapshot.content.operators)
    }

    fn home(&self, at: usize) -> Option<&Location> {
        self.snapshots.get(at).and_then(|snapshot| snapshot.home.as_ref())
    }

    fn written(&self, at: usize) -> Timestamp {
        self.snapshots.get(at).map_or(Timestamp(i64::MAX), |snapshot| snapshot.file.modified)
    }

    fn number(&self, at: usize) -> i64 {
        self.snapshots.get(at).map_or(i64::MAX, |snapshot| snapshot.content.checkpoint_id)
    }

    /// Returns whether every reference of a snapshot resolves by its path: only then does Flink restore it. A file
    /// of the name elsewhere keeps that file, and does not make the snapshot whole.
    fn resolves(&self, at: usize) -> bool {
        self.naming.dangling.get(at).is_some_and(Vec::is_empty)
    }
}

/// Returns whether some file was read after it was written, as far as its times tell. Where access times are off,
/// HDFS still gives each file one: that of its making, which never changes and tells nothing.
fn recorded_reads(input: &PlanInput<'_>) -> bool {
    let inventory = input.inventory;
    let mut files = inventory.directories().flat_map(|(id, _)| inventory.files_of(id));
    files.any(|(_, file)| is_read(file))
}

/// Returns whether each file system with files on it shows a read of late: an old trace may be from before access times
/// were turned off, or have come with a copy. chksweep itself reads every `_metadata`, so where they are on the next
/// plan finds a trace.
fn records_reads(input: &PlanInput<'_>) -> bool {
    let late = input.policy.quiescent_after.max(Age::days(2));
    let is_late = |file: &File| {
        is_read(file) && (file.accessed > input.looked_at || input.looked_at.since(file.accessed) <= late)
    };
    let inventory = input.inventory;
    let mut by_place: BTreeMap<(Option<&str>, &str), bool> = BTreeMap::new();
    for (id, directory) in inventory.directories() {
        let place = (directory.location.scheme(), directory.location.authority());
        if !by_place.get(&place).copied().unwrap_or(false)
            && let Some(found) = inventory.files_of(id).map(|(_, file)| is_late(file)).max()
        {
            by_place.insert(place, found);
        }
    }
    by_place.values().all(|found| *found)
}

fn is_read(file: &File) -> bool {
    file.accessed > file.modified
}

/// Returns whether two sets of operators, each sorted, overlap by at least half of the larger.
pub(crate) fn same_lineage(a: &[OperatorId], b: &[OperatorId]) -> bool {
    let common = a.iter().filter(|id| b.binary_search(id).is_ok()).count();
    common > 0 && common * 2 >= a.len().max(b.len())
}

/// Matches `*` (any characters, `/` included) and `?` (one character) over a whole path.
fn glob_matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
    let mut reachable = vec![false; path.len() + 1];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    for symbol in pattern {
        let mut next = vec![false; path.len() + 1];
        let mut any_before = false;
        for at in 0..=path.len() {
            let here = reachable.get(at).copied().unwrap_or(false);
            let before = at > 0 && reachable.get(at - 1).copied().unwrap_or(false);
            any_before |= here;
            let hit = match symbol {
                '*' => any_before,
                '?' => before,
                symbol => before && path.get(at - 1) == Some(&symbol),
            };
            if let Some(slot) = next.get_mut(at) {
                *slot = hit;
            }
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or(false)
}

impl Terms {
    fn of_checkpoints(&self) -> Rc<str> {
        written(&[
            ("keep-last", self.keep_last.map(|count| count.to_string())),
            ("keep-within", self.keep_within.map(|age| age.to_string())),
        ])
    }

    fn of_savepoints(&self) -> Rc<str> {
        written(&[
            ("savepoint-keep-last", self.savepoint_keep_last.map(|count| count.to_string())),
            ("savepoint-keep-within", self.savepoint_keep_within.map(|age| age.to_string())),
        ])
    }
}

/// Returns settings as one would write them: `keep-last=1 keep-within=2d`.
fn written(settings: &[(&str, Option<String>)]) -> Rc<str> {
    let settings = settings.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_ref()?)));
    settings.collect::<Vec<_>>().join(" ").into()
}

impl From<&RetentionRule> for Terms {
    fn from(rule: &RetentionRule) -> Self {
        Self {
            keep_last: rule.keep_last,
            keep_within: rule.keep_within,
            savepoint_keep_last: rule.savepoint_keep_last,
            savepoint_keep_within: rule.savepoint_keep_within,
            expire_jobs_after: rule.expire_jobs_after,
            one_job: rule.one_job,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_paths() {
        for (pattern, path, expected) in [
            ("/flink/*", "/flink/a/b", true),
            ("/flink/?", "/flink/a", true),
            ("/flink/?", "/flink/ab", false),
            ("*", "", true),
            ("/a*c", "/abbc", true),
            ("/a*c", "/abbd", false),
            ("", "/a", false),
        ] {
            assert_eq!(glob_matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn half_of_the_larger_must_be_common() {
        let id = |n: u8| OperatorId([n; 16]);
        assert!(same_lineage(&[id(1), id(2)], &[id(2), id(3)]));
        assert!(!same_lineage(&[id(1), id(2), id(3)], &[id(3)]));
        assert!(!same_lineage(&[], &[]));
    }
}
