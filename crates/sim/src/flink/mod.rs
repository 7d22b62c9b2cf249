//! Flink, as far as a file system sees it: jobs that write state, complete and lose checkpoints, and clean up.
//!
//! What happens is drawn by the dice, step by step; any of chksweep's calls may come between two steps. Each step
//! changes two things alike: the store that chksweep sees, and the model of what would lie there without it.
//! Orders and leftovers are those that real jobs showed: `_metadata` by rename after all that it names, discards file
//! by file with the directory last and not recursively, aborts recursively, late writes that make a directory anew,
//! and nothing done any more once a JobManager is gone.

mod backend;
mod checkpoint;
mod job;
mod restore;

use std::collections::BTreeMap;
use std::sync::Arc;

use chksweep_core::{Age, Location, Timestamp};
use chksweep_store::{MemoryStore, MutateStore};
use futures::FutureExt;

pub(crate) use backend::Backend;
use backend::StateFile;
use job::Job;

use crate::dice::Dice;
use crate::model::Model;
use crate::trace::Trace;

/// What is the same for a whole history.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Where jobs keep their checkpoints.
    pub(crate) checkpoint_roots: Vec<String>,
    /// Where savepoints go.
    pub(crate) savepoint_root: String,
    /// Where changelogs go; with the checkpoints where there is none.
    pub(crate) changelog_root: Option<String>,
    /// Whether each job has a directory of its own.
    pub(crate) subdirectories: bool,
    /// The one id that all jobs use.
    pub(crate) fixed_id: Option<String>,
    /// Whether no job begins before all others have ended, of whatever program they are.
    pub(crate) one_job: bool,
    /// Whether jobs are highly available: suspended instead of lost.
    pub(crate) high_availability: bool,
    /// Whether `_metadata` is written in place, as old releases do.
    pub(crate) metadata_in_place: bool,
    /// Whether claimed native savepoints are named rightly.
    pub(crate) fixed_relative_names: bool,
    /// Whether tasks name again what they uploaded for a checkpoint that failed, as long as none has completed since.
    pub(crate) reuses_uploads: bool,
    /// Whether HDFS remembers when a file was last read.
    pub(crate) access_times: bool,
    /// The longest time from trigger to completion of a checkpoint.
    pub(crate) timeout: Age,
}

/// How a snapshot is restored: what of it the next checkpoint takes over.
#[derive(Clone, Debug)]
struct State {
    backend: Backend,
    reusable: Vec<StateFile>,
    exclusive: Vec<StateFile>,
    native_savepoint: bool,
}

/// What a job does later.
#[derive(Clone, Debug)]
enum Todo {
    Delete(String),
    RemoveDirectory(String),
}

/// All jobs, and the tree that they write.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) memory: MemoryStore,
    pub(crate) model: Model,
    pub(crate) trace: Trace,
    pub(crate) setting: Setting,
    states: Vec<State>,
    jobs: Vec<Job>,
    dice: Dice,
    /// When files were last read, as exactly as HDFS remembers it.
    read_at: BTreeMap<String, Timestamp>,
    /// Snapshots that the user would rather go back to than to any other.
    pub(crate) wanted: Vec<String>,
    /// When the user does something next.
    user_at: Timestamp,
    /// Whether nobody starts or restores anything any more.
    calm: bool,
}

impl World {
    pub(crate) fn new(memory: MemoryStore, setting: Setting, dice: Dice, trace: Trace) -> Self {
        let long_ago = memory.now().minus(Age::days(60));
        let roots = setting.checkpoint_roots.iter().chain([&setting.savepoint_root]);
        for root in roots.chain(&setting.changelog_root) {
            memory.mkdir(root, long_ago);
        }
        memory.set_access_times(setting.access_times);
        let user_at = memory.now();
        let model = Model::default();
        Self {
            memory,
            model,
            trace,
            setting,
            states: Vec::new(),
            jobs: Vec::new(),
            dice,
            read_at: BTreeMap::new(),
            wanted: Vec::new(),
            user_at,
            calm: false,
        }
    }

    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        let now = self.now();
        self.trace.say(now, what);
    }

    /// Lets all happen that is due until then.
    pub(crate) fn until(&mut self, then: Timestamp) {
        loop {
            let due = self.jobs.iter().enumerate().map(|(at, job)| (job.next_at, Some(at)));
            let Some((when, who)) = due.chain([(self.user_at, None)]).min() else { break };
            if when > then {
                break;
            }
            let now = self.now().max(when);
            self.memory.set_now(now);
            match who {
                Some(job) => self.job_step(job),
                None => self.user_step(),
            }
        }
        let now = self.now().max(then);
        self.memory.set_now(now);
    }

    /// Lets one thing happen right now, whoever is due.
    pub(crate) fn hurry(&mut self) {
        if self.jobs.is_empty() || self.dice.one_in(40) {
            self.user_step();
        } else {
            let job = self.dice.index(self.jobs.len());
            self.job_step(job);
        }
    }

    /// From now on nothing new begins: every job ends, as suddenly as jobs do, and stays ended.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        for job in 0..self.jobs.len() {
            if !self.jobs[job].is_ended() {
                self.crash(job);
                self.end(job);
            }
        }
    }

    /// The cluster that writes below these roots is shut down: its jobs end as suddenly as jobs do.
    pub(crate) fn shut_down(&mut self, roots: &[String]) {
        for job in 0..self.jobs.len() {
            let is_there = roots.iter().any(|root| self.jobs[job].dir.starts_with(&format!("{root}/")));
            if is_there && !self.jobs[job].is_ended() {
                self.crash(job);
                self.end(job);
            }
        }
    }

    /// Returns what running jobs rely on, besides what snapshots need.
    pub(crate) fn held(&self) -> impl Iterator<Item = &String> {
        self.jobs.iter().flat_map(|job| self.held_by(job))
    }

    /// Returns whether a running job needs this snapshot to begin again.
    pub(crate) fn is_in_use(&self, snapshot: usize) -> bool {
        self.jobs.iter().any(|job| !job.is_ended() && job.fresh && job.restored == Some(snapshot))
    }

    /// Returns whether a snapshot is the newest of a job that has not ended, in that job's own directory: what it goes on
    /// from, whenever that is.
    pub(crate) fn is_newest_of_its_job(&self, snapshot: usize) -> bool {
        let path = &self.model.snapshots[snapshot].path;
        let own = |job: &Job| path.strip_prefix(&job.dir).is_some_and(|rest| rest.starts_with("/chk-"));
        self.jobs.iter().any(|job| !job.is_ended() && job.retained.back() == Some(&snapshot) && own(job))
    }

    /// Returns whether any file of a snapshot was read since then, as HDFS remembers it.
    pub(crate) fn was_read_since(&self, snapshot: usize, then: i64) -> bool {
        let state = &self.states[snapshot];
        // What operator state holds chksweep reads itself, so that nothing is told by it.
        let telling =
            |file: &&StateFile| !matches!(file.form, backend::Form::Payload | backend::Form::Hidden);
        let files = state.reusable.iter().chain(&state.exclusive).filter(telling);
        files.map(|file| &file.path).any(|path| self.read_at.get(path).is_some_and(|at| at.0 >= then))
    }

    /// Returns whether every job has ended that ever wrote to a directory.
    pub(crate) fn has_ended(&self, dir: &str) -> bool {
        self.jobs.iter().filter(|job| job.dir == dir).all(Job::is_ended)
    }

    fn location(&self, path: &str) -> Location {
        self.memory.location(path)
    }

    /// Writes a file and closes it.
    fn write(&mut self, path: &str, bytes: &[u8]) {
        let now = self.now();
        self.memory.put(path, bytes, now);
        self.model.files.insert(path.to_owned(), Arc::from(bytes));
    }

    /// Writes a file that stays open: a listing tells its first length and time for as long as that lasts.
    fn write_open(&mut self, path: &str, bytes: &[u8], since: Timestamp) {
        let told = if self.dice.one_in(3) { 0 } else { 7 };
        self.memory.put_open(path, bytes, told, since);
        self.model.files.insert(path.to_owned(), Arc::from(bytes));
    }

    /// Makes a new state file whose content nobody else has.
    fn make(&mut self, directory: &str, form: backend::Form) -> StateFile {
        let name = self.dice.uuid();
        let path = format!("{directory}/{name}");
        let bytes = format!("state {name}");
        self.write(&path, bytes.as_bytes());
        StateFile { path, form, size: bytes.len() as i64 }
    }

    fn delete(&mut self, path: &str) {
        let now = self.now().0;
        self.model.delete(path, now);
        self.memory.remove(path);
    }

    fn remove_directory(&mut self, path: &str) {
        // Refused where something is left in it, which is how directories stay behind.
        let _refused = self.memory.remove_directory(&self.location(path)).now_or_never();
    }

    fn delete_tree(&mut self, path: &str) {
        let (below, now) = (format!("{path}/"), self.now().0);
        let inside = self.model.files.keys().filter(|file| file.starts_with(&below));
        for file in inside.cloned().collect::<Vec<_>>() {
            self.model.delete(&file, now);
        }
        self.memory.remove(path);
    }

    fn do_todo(&mut self, todo: &Todo) {
        match todo {
            Todo::Delete(path) => self.delete(path),
            Todo::RemoveDirectory(path) => self.remove_directory(path),
        }
    }
}
