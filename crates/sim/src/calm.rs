//! The calm end of a history: every job has ended, the sky is clear, and run by run all garbage goes.

use std::collections::BTreeSet;

use chksweep_core::Age;
use chksweep_core::plan::{Entry, Rule};

use crate::flink::World;
use crate::history::History;
use crate::model::{Model, Snapshot};
use crate::oracle::files_of;
use crate::sweeper::{End, Wish};

impl History {
    /// Every job has ended, and the sky is clear: run by run, all garbage goes.
    pub(crate) async fn calm_end(&mut self) {
        self.namenode.hub().world.calm_down();
        self.namenode.hub().watch.pins.clear();
        self.settings.pins.clear();
        // A lock that a killed run left grows silent; then a look, a second one a day later, and what they sweep is
        // purged when its time is up.
        let mut held = true;
        let expiry = self.settings.policy.expire_jobs_after.map_or(0, |age| age.0 / 86_400_000 + 12);
        for _ in 0..26 + expiry {
            self.namenode.pass(Age::hours(25)).await;
            held = !matches!(self.one_that_lives(Wish::Run).await, End::Done { held: false, .. });
            if garbage(&self.namenode.hub().world).is_empty() {
                break;
            }
        }
        self.check();
        let why = match self.one_that_lives(Wish::PlanAll).await {
            End::Done { planned: Some(entries), .. } => entries,
            _ => Vec::new(),
        };
        let rule = |path: &String| rule_of(&why, path);
        let mut hub = self.namenode.hub();
        let is_swept =
            |path: &String| self.settings.roots.iter().any(|root| path.starts_with(&format!("{root}/")));
        let setting = &hub.world.setting;
        let savepoint = hub.world.model.there().any(|(_, snapshot)| snapshot.savepoint);
        let undead = !self.settings.reference_roots.is_empty()
            || !setting.subdirectories
            || setting.fixed_id.is_some()
            || savepoint;
        // What a cluster with the same job id calls a directory of file merging keeps ours of that name, where its own is
        // gone or lies under a reference root, which is not listed.
        let has_namesakes = setting.fixed_id.is_some() && setting.checkpoint_roots.len() > 1;
        // Running state waits for the death of its job and of all who use it. A job none of whose own directories
        // is swept is never proved dead, nor is one without a directory or an id of its own, nor the job of a
        // savepoint. Once an empty `shared` is gone, a log that could not be moved with it is nobody's, and a `chk-N`
        // looks like that of a Flink which had no `shared`.
        let is_alone = |path: &String| {
            let job = path.split("/dstl/").next().unwrap_or_default();
            path.contains("/dstl/") && !hub.world.memory.exists(format!("{job}/shared"))
        };
        let unsearched = is_unsearched(&hub.world.model);
        let in_use = savepoints_in_use(&hub.world.model);
        let buffers = with_buffers(&files_of(&hub.world));
        let is_hopeless = |path: &String| {
            let rule = rule(path);
            rule.contains("JobNotDead") && (undead || is_alone(path))
                || rule.contains("JobNotDead") && path.contains("/taskowned/") && unsearched
                || unsearched && buffers.iter().any(|run| path.starts_with(run))
                || rule.contains("UnknownName") && path.contains("/chk-")
                || rule.contains("NamedDirectory") && has_namesakes
                || rule.contains("InProgress") && in_use.iter().any(|dir| path.starts_with(dir))
        };
        let left: Vec<String> =
            garbage(&hub.world).into_iter().filter(is_swept).filter(|path| !is_hopeless(path)).collect();
        // What is held back for a reason that it tells is for people to decide.
        if left.is_empty() {
            hub.counts.calm_ends += 1;
        } else if !held {
            let some: Vec<String> =
                left.iter().take(5).map(|path| format!("{}:{path}", rule(path))).collect();
            let message = format!("{} files of garbage are left for ever, as {some:?}", left.len());
            hub.watch.violations.push(message);
        }
    }
}

/// Says by which rule the plan of everything leaves a file.
fn rule_of(plan: &[Entry], path: &str) -> String {
    let location = format!("hdfs://ns{path}");
    let covers = |entry: &&Entry| {
        let at = entry.path.to_string();
        location == at || location.starts_with(&format!("{at}/"))
    };
    let innermost = plan.iter().filter(covers).max_by_key(|entry| entry.path.path().len());
    innermost.map_or("not planned".to_owned(), |entry| {
        // A directory that stays whole is one entry: what keeps the files in it stands beside it.
        let inside: Vec<&Rule> = entry.rules.keys().filter(|rule| **rule != Rule::Structure).collect();
        if inside.is_empty() { format!("{:?}", entry.verdict.rule) } else { format!("{inside:?}") }
    })
}

/// Returns whether a snapshot misses files: operator state that Flink deleted, and then crashed before the rest, can never
/// be searched for what it named.
fn is_unsearched(model: &Model) -> bool {
    model.there().any(|(_, snapshot)| {
        snapshot.needs.difference(&snapshot.committable).any(|path| !model.files.contains_key(path))
    })
}

/// The directories of savepoints of which something is needed. What was retired and purged of one looks like a savepoint
/// that was never completed, and stays with what somebody claimed of it.
fn savepoints_in_use(model: &Model) -> BTreeSet<String> {
    let needed = model.there().flat_map(|(_, snapshot)| &snapshot.needs);
    let directory = needed.filter_map(|path| path.rsplit_once('/').map(|(dir, _)| dir));
    directory.filter(|dir| dir.contains("/savepoint-")).map(|dir| format!("{dir}/")).collect()
}

/// The quarantines with a buffer in them: one that was set aside while its root was forgotten waits, and all of that run,
/// where a name for it cannot be searched for.
fn with_buffers(real: &BTreeSet<String>) -> BTreeSet<String> {
    let run = |path: &String| {
        let (root, rest) = path.split_once("/quarantine/")?;
        let (run, below) = rest.split_once('/')?;
        below.contains("/taskowned/").then(|| format!("{root}/quarantine/{run}/"))
    };
    real.iter().filter_map(run).collect()
}

/// Returns whether a snapshot that Flink has deleted lies in its place again, with all that it needs.
fn is_revived(world: &World, snapshot: &Snapshot) -> bool {
    let lies = world.memory.contents(&snapshot.path);
    !world.model.is_there(snapshot)
        && lies.is_some_and(|bytes| bytes.as_ref() == snapshot.bytes.as_ref())
        && snapshot.needs.difference(&snapshot.committable).all(|path| world.memory.exists(path))
}

/// Files that nobody needs.
fn garbage(world: &World) -> Vec<String> {
    let mut needed: BTreeSet<&String> = BTreeSet::new();
    for (_, snapshot) in world.model.there() {
        needed.extend(world.model.files_of(snapshot));
    }
    // What Flink let go of while it was set aside, and came back whole, is a checkpoint as any other.
    let revived = || world.model.snapshots.iter().filter(|snapshot| is_revived(world, snapshot));
    for snapshot in revived() {
        needed.extend(snapshot.needs.iter().chain([&snapshot.path]));
    }
    // A directory of file merging goes whole or not at all, and stays where a snapshot names what was in it.
    let directory = |path: &str| path.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned());
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for snapshot in world.model.there().map(|(_, snapshot)| snapshot).chain(revived()) {
        kept.extend(snapshot.directories.iter().cloned());
        kept.extend(snapshot.needs.iter().map(|path| directory(path)).filter(|dir| dir.contains("/job_")));
    }
    let is_own = |path: &String| {
        path.contains("/.Trash/") || path.contains("/.chksweep/") && !path.contains("/quarantine/")
    };
    files_of(world)
        .into_iter()
        .filter(|path| !is_own(path) && !needed.contains(path) && !kept.contains(&directory(path)))
        .collect()
}
