//! What must hold after every step, said naively: with paths and bytes, and none of chksweep's code.
//!
//! 1. Every file that a checkpoint or savepoint needs, or a running job holds, lies in its place, bytes and all.
//! 2. What a policy retired lies in its place or in quarantine, whole, until it is purged; and a policy retires only
//!    what enough newer ones stand for, and what nobody has just restored from.
//! 3. Nothing is lost between two places: each file that Flink wrote and did not delete lies in its place, lies in
//!    one quarantine, or was purged, deleted or trashed by a call that we saw.
//! 4. Nothing that somebody needs is ever purged or deleted, and nothing that is pinned is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chksweep_core::Location;
use chksweep_core::policy::Policy;
use chksweep_store::Call;

use crate::flink::World;
use crate::model::Snapshot;
use crate::namenode::Counts;

/// What a quarantine is called.
const QUARANTINE: &str = "/.chksweep/quarantine/";

/// What lay at a path before a change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Files, with where they belong: in place, or the place that they were moved from.
    files: Vec<(String, String)>,
}

/// Looks at every change that chksweep makes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) policy: Policy,
    /// Whether what a policy retires is deleted file by file, rather than set aside, once its time is up.
    pub(crate) deletes: bool,
    /// What somebody protects at the time.
    pub(crate) pins: Vec<String>,
    pub(crate) violations: Vec<String>,
    /// Files that were moved although somebody needed them, and when.
    pub(crate) displaced: BTreeMap<String, i64>,
    /// Snapshots that were retired although a running job had just begun from them.
    pub(crate) begun: BTreeSet<usize>,
    /// Snapshots that were retired while a job that had begun from them had completed none of its own, and nothing told
    /// of that: it read them longer ago than `quiescent-after`, or reading leaves no trace and the policy says that no job
    /// is highly available. That is known to be possible, and told in the documentation.
    pub(crate) unseen: BTreeSet<usize>,
    /// Whether something was taken that only such a job needs. What follows from that tells nothing: the history ends.
    pub(crate) is_given_up: bool,
    /// What chksweep took away for good: where it belonged, and its bytes.
    pub(crate) removed: BTreeMap<String, Arc<[u8]>>,
}

fn text(path: &Location) -> String {
    String::from_utf8_lossy(path.path()).into_owned()
}

/// Returns where a path in a quarantine was before.
fn original(path: &str) -> Option<String> {
    let (root, rest) = path.split_once(QUARANTINE)?;
    let (_run, below) = rest.split_once('/')?;
    Some(format!("{root}/{below}"))
}

/// Looks what lies at a path before a call changes it.
pub(crate) fn before(call: Call, path: &Location, world: &World) -> Before {
    let path = text(path);
    let place = |path: &str| original(path).unwrap_or_else(|| path.to_owned());
    // What lies there instead of what Flink wrote at that place last is of no interest: numbers come again.
    let is_it = |path: &str, place: &str| {
        let wrote = world.model.files.get(place);
        wrote.is_some_and(|w| world.memory.contents(path).is_some_and(|c| c.as_ref() == w.as_ref()))
    };
    if world.memory.contents(&path).is_some() {
        let place = place(&path);
        let files = if is_it(&path, &place) { vec![(path, place)] } else { Vec::new() };
        return Before { files };
    }
    if !matches!(call, Call::Rename | Call::DeleteTree) {
        return Before::default();
    }
    let below = format!("{path}/");
    let files = files_of(world).into_iter().filter(|file| file.starts_with(&below));
    let files = files.map(|file| (file.clone(), place(&file)));
    Before { files: files.filter(|(file, place)| is_it(file, place)).collect() }
}

impl Watch {
    pub(crate) fn after(
        &mut self,
        call: Call,
        path: &Location,
        to: Option<&Location>,
        before: Before,
        world: &mut World,
        counts: &mut Counts,
    ) {
        let from_quarantine = text(path).contains(QUARANTINE);
        let into_quarantine = to.is_some_and(|to| text(to).contains(QUARANTINE));
        for (at, place) in before.files {
            if !world.model.files.contains_key(&place) {
                continue;
            }
            match (from_quarantine, call) {
                (false, Call::Rename) if into_quarantine => {
                    counts.swept += 1;
                    self.moved(&place, world, counts);
                }
                (true, Call::Rename) if !into_quarantine => {
                    let below = at.strip_prefix(&text(path)).unwrap_or_default();
                    if to.is_some_and(|to| format!("{}{below}", text(to)) == place) {
                        self.came_back(&place, world);
                    }
                }
                (_, Call::Rename) => {}
                (false, _) if !at.contains("/.chksweep/") => {
                    counts.swept += 1;
                    self.taken_for_good(&place, world, "deleted");
                }
                (true, _) => {
                    counts.purged += 1;
                    self.purged(&place, world);
                }
                (false, _) => {}
            }
        }
    }

    fn moved(&mut self, path: &str, world: &mut World, counts: &mut Counts) {
        self.check_pins(path, "moved");
        let snapshot = world.model.there().find(|(_, s)| s.path == path && s.retired.is_none());
        if let Some((at, snapshot)) = snapshot {
            // From one of which another job has deleted a file since, no job can begin again.
            let is_whole = world.model.is_whole(snapshot);
            let in_use = world.is_in_use(at);
            let is_unseen = in_use && !self.is_seen(at, world);
            if is_unseen {
                self.unseen.insert(at);
            } else if in_use && is_whole {
                self.begun.insert(at);
            }
            if world.is_newest_of_its_job(at) && is_whole && !is_unseen {
                self.violations
                    .push(format!("{path} was retired although a job goes on from it, now or one day"));
            }
            if let Err(why) = self.may_retire(snapshot, world) {
                self.violations.push(format!("{path} was retired although {why}"));
            }
            counts.retired += 1;
            world.model.snapshots[at].retired = Some(world.memory.now().0);
            return;
        }
        if let Some(why) = self.who_needs(path, world) {
            self.displaced.insert(path.to_owned(), world.memory.now().0);
            world.trace.say(world.memory.now(), || format!("DISPLACED {path}: {why}"));
        }
    }

    fn came_back(&mut self, path: &str, world: &mut World) {
        self.displaced.remove(path);
        let there: Vec<usize> = world.model.there().map(|(at, _)| at).collect();
        for at in there {
            if world.model.snapshots[at].path == path {
                world.model.snapshots[at].retired = None;
            }
        }
    }

    fn check_pins(&mut self, path: &str, how: &str) {
        let is_pinned = |pin: &String| path == pin || path.starts_with(&format!("{pin}/"));
        if let Some(pin) = self.pins.iter().find(|pin| is_pinned(pin)) {
            self.violations.push(format!("{path} was {how} although {pin} is pinned"));
        }
    }

    fn purged(&mut self, path: &str, world: &mut World) {
        let retired =
            world.model.there().find(|(_, s)| s.path == path && s.retired.is_some()).map(|(at, _)| at);
        if let Some(at) = retired {
            self.check_pins(path, "purged");
            world.model.snapshots[at].gone = true;
            self.remove(path, world);
            return;
        }
        self.taken_for_good(path, world, "purged");
        let by = world.model.there().find(|(_, s)| s.retired.is_some() && s.needs.contains(path));
        if let Some((_, snapshot)) = by.filter(|_| !self.deletes) {
            let of = &snapshot.path;
            self.violations.push(format!("{path} was purged before {of}, which could still be brought back"));
        }
    }

    /// Says who needs a file that was taken. Where it is but a job that nothing tells of, the history is given up.
    fn who_needs(&mut self, path: &str, world: &World) -> Option<String> {
        let why = who_needs(path, world)?;
        let is_unseen = |at: &usize| {
            let snapshot = &world.model.snapshots[*at];
            snapshot.retired.is_some() && world.is_in_use(*at) && snapshot.needs.contains(path)
        };
        if !world.model.needs_in_place(path) && self.unseen.iter().any(is_unseen) {
            self.is_given_up = true;
            return None;
        }
        Some(why)
    }

    fn taken_for_good(&mut self, path: &str, world: &World, how: &str) {
        self.check_pins(path, how);
        self.remove(path, world);
        if let Some(why) = self.who_needs(path, world) {
            self.violations.push(format!("LOST: {path} was {how}: {why}"));
        }
    }

    fn remove(&mut self, path: &str, world: &World) {
        let bytes = world.model.files.get(path).cloned();
        self.removed.extend(bytes.map(|bytes| (path.to_owned(), bytes)));
    }

    /// Whether a job that begins from a snapshot, or began within `quiescent-after`, leaves a trace of that. Where reading
    /// leaves none, the word that no job is highly available is enough to retire it.
    fn is_seen(&self, at: usize, world: &World) -> bool {
        let recently = (self.policy.quiescent_after.0 as i64).saturating_sub(3_600_000);
        let leaves_traces = world.setting.access_times || !self.policy.no_ha;
        leaves_traces && world.was_read_since(at, world.memory.now().0 - recently)
    }

    /// Whether a policy may retire this snapshot, as somebody would say who does not know how chksweep tells.
    fn may_retire(&self, snapshot: &Snapshot, world: &World) -> Result<(), String> {
        if self.policy.expire_jobs_after.is_some() && world.has_ended(&dir_of(snapshot)) {
            return Ok(());
        }
        let keep = if snapshot.savepoint { self.policy.savepoint_keep_last } else { self.policy.keep_last };
        let Some(keep) = keep else { return Err("no policy says so".to_owned()) };
        let least = if self.policy.no_ha || snapshot.savepoint { keep } else { keep.max(2) };
        let is_alike = |other: &Snapshot| {
            other.savepoint == snapshot.savepoint
                && other.operators == snapshot.operators
                && (snapshot.savepoint || dir_of(other) == dir_of(snapshot))
        };
        // What is deleted at that moment nobody can know of.
        let lately = world.memory.now().0 - 3_600_000;
        let newer: Vec<&Snapshot> = world
            .model
            .snapshots
            .iter()
            .filter(|other| {
                is_alike(other)
                    && other.retired.is_none()
                    // Of two that were completed at one moment nobody can tell which is newer.
                    && other.completed_at >= snapshot.completed_at
                    && other.path != snapshot.path
            })
            .collect();
        let whole = newer.iter().filter(|other| world.model.was_whole_since(other, lately)).count() as u32;
        if whole >= least {
            return Ok(());
        }
        // One from which Flink could not restore is worth less than the newest from which it can. Where it could from
        // none, since Flink deleted something while that lay in quarantine, what came back since makes all of them whole.
        let missing = world.model.missing(snapshot);
        let there = newer.iter().filter(|other| world.model.is_there(other)).count() as u32;
        if missing.is_some() && (whole > 0 || there >= least) {
            return Ok(());
        }
        Err(format!("only {whole} of {there} newer ones stand for it, of {least}; it lacks {missing:?}"))
    }

    /// Looks at everything.
    pub(crate) fn check(&mut self, world: &World, may_be_displaced: bool) {
        let real = files_of(world);
        let holds = |place: &str, bytes: &[u8]| {
            world.memory.contents(place).is_some_and(|real| real.as_ref() == bytes)
        };
        let set_aside = real.iter().filter_map(|path| Some((path, original(path)?)));
        let is_it = |(path, was): &(&String, String)| {
            world.model.files.get(was).is_some_and(|bytes| holds(path, bytes.as_ref()))
        };
        let quarantined: BTreeSet<String> = set_aside.filter(is_it).map(|(_, was)| was).collect();
        let in_place =
            |path: &str| world.model.files.get(path).is_some_and(|bytes| holds(path, bytes.as_ref()));
        for (path, bytes) in &world.model.files {
            if !in_place(path) && !quarantined.contains(path) && self.removed.get(path) != Some(bytes) {
                self.violations.push(format!("{path} is lost between two places"));
            }
        }
        if !may_be_displaced {
            for at in std::mem::take(&mut self.begun) {
                let snapshot = &world.model.snapshots[at];
                if snapshot.retired.is_some() && !snapshot.gone && world.is_in_use(at) {
                    let path = &snapshot.path;
                    self.violations.push(format!(
                        "{path} was retired although a running job has begun from it, and did not come back"
                    ));
                }
            }
        }
        let mut wanted: BTreeSet<&String> = world.held().collect();
        for (_, snapshot) in world.model.there() {
            if snapshot.retired.is_none() {
                wanted.extend(world.model.files_of(snapshot));
            } else if !self.deletes {
                for path in world.model.files_of(snapshot) {
                    if !in_place(path) && !quarantined.contains(path) {
                        let of = &snapshot.path;
                        self.violations.push(format!("{path} is gone, and {of} cannot be brought back"));
                    }
                }
            }
        }
        for path in wanted {
            if in_place(path) {
                continue;
            }
            let why = who_needs(path, world).unwrap_or_default();
            if !quarantined.contains(path) {
                self.violations.push(format!("LOST: {path}: {why}"));
            } else if !may_be_displaced {
                self.violations.push(format!("{path} is in quarantine although {why}"));
            }
        }
    }
}

fn dir_of(snapshot: &Snapshot) -> String {
    let chk = snapshot.path.trim_end_matches("/_metadata");
    chk.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned())
}

/// Says who needs a file in its place.
fn who_needs(path: &str, world: &World) -> Option<String> {
    if !world.model.needs_in_place(path) {
        return world.held().any(|held| held == path).then(|| "a running job holds it".to_owned());
    }
    let by =
        world.model.there().find(|(_, s)| s.retired.is_none() && (s.path == path || s.needs.contains(path)));
    by.map(|(_, snapshot)| format!("{} needs it", snapshot.path))
}

/// Returns every file that there is.
pub(crate) fn files_of(world: &World) -> BTreeSet<String> {
    let snapshot = world.memory.snapshot().into_iter();
    let files = snapshot.filter(|(_, (kind, _, _))| *kind == chksweep_store::EntryKind::File);
    files.map(|(path, _)| text(&path)).collect()
}
