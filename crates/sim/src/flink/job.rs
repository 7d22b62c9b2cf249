//! One job: what it does next.

use std::collections::{BTreeSet, VecDeque};

use chksweep_core::{Age, Timestamp};

use super::backend::{Backend, Form, StateFile};
use super::checkpoint::Pending;
use super::{Todo, World};

/// Whether a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// Its JobManager is away, and will be back.
    Suspended(Timestamp),
    Ended,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    /// Where its `chk-N`, `shared` and `taskowned` lie.
    pub(super) dir: String,
    /// Where its changelog goes.
    pub(super) log: String,
    pub(super) backend: Backend,
    /// Which operators it has.
    pub(super) operators: u8,
    pub(super) life: Life,
    pub(super) next_at: Timestamp,
    /// The number of the next checkpoint.
    pub(super) number: u64,
    pub(super) attempt: u32,
    pub(super) task_manager: String,
    /// Completed checkpoints that it keeps, oldest first.
    pub(super) retained: VecDeque<usize>,
    pub(super) keep: usize,
    pub(super) at_once: usize,
    pub(super) pending: Vec<Pending>,
    /// What the next checkpoint takes over.
    pub(super) base: Vec<StateFile>,
    /// What it holds and has not named since: log segments, files of the running database, merged files, buffers.
    pub(super) unnamed: Vec<StateFile>,
    /// Files that it may delete once it has no use for them.
    pub(super) registered: BTreeSet<String>,
    /// Claimed snapshots that go once nothing of them is used.
    pub(super) waiting: Vec<usize>,
    /// What it was started from.
    pub(super) restored: Option<usize>,
    /// Whether it has not completed a checkpoint since.
    pub(super) fresh: bool,
    /// Whether its checkpoints fail until then.
    pub(super) stuck_until: Timestamp,
    /// What it does sooner or later, in this order.
    pub(super) todo: VecDeque<Todo>,
    /// Directories of aborted checkpoints that a task may still write to.
    pub(super) late: Vec<String>,
    /// What of that it took over.
    pub(super) taken_over: Vec<StateFile>,
    /// Files that compactions have made useless: no later checkpoint takes them over.
    pub(super) dropped: BTreeSet<String>,
    /// Files that are open, and since when.
    pub(super) opened: Vec<(String, Timestamp)>,
}

impl Job {
    pub(super) fn is_ended(&self) -> bool {
        self.life == Life::Ended
    }

    /// Returns what it is about to delete.
    pub(super) fn discards(&self) -> impl Iterator<Item = &String> {
        self.todo.iter().filter(|_| !self.is_ended()).filter_map(|todo| match todo {
            Todo::Delete(path) => Some(path),
            Todo::RemoveDirectory(_) => None,
        })
    }

    fn opened_at(&self, path: &str) -> Option<Timestamp> {
        self.opened.iter().find(|(open, _)| open == path).map(|(_, since)| *since)
    }

    pub(super) fn chk(&self, number: u64) -> String {
        format!("{}/chk-{number}", self.dir)
    }

    pub(super) fn shared(&self) -> String {
        match self.backend {
            Backend::Merging => format!("{}/shared/job_{}_op_{}_0_4", self.dir, self.id, "0a".repeat(16)),
            Backend::ForSt => {
                format!("{}/shared/op_Keyed_{}__1_4__attempt_{}/db", self.dir, "0a".repeat(16), self.attempt)
            }
            Backend::HashMap | Backend::RocksDb | Backend::Changelog | Backend::WriteAhead => {
                format!("{}/shared", self.dir)
            }
        }
    }

    pub(super) fn task_owned(&self) -> String {
        if self.backend == Backend::Merging {
            return format!("{}/taskowned/job_{}_tm_{}", self.dir, self.id, self.task_manager);
        }
        format!("{}/taskowned", self.dir)
    }
}

impl World {
    pub(super) fn held_by<'w>(&'w self, job: &'w Job) -> Box<dyn Iterator<Item = &'w String> + 'w> {
        if job.life != Life::Running {
            return Box::new(std::iter::empty());
        }
        let pending = job.pending.iter().flat_map(|pending| pending.written.iter());
        let own = job.base.iter().chain(&job.unnamed).chain(pending).map(|file| &file.path);
        // Of several jobs that run in one directory, against all advice, one takes the other's `chk-N` away; what
        // lay there is nobody's then.
        let crowded = !self.setting.subdirectories || self.setting.fixed_id.is_some();
        let is_spoilt = move |path: &&String| crowded && path.contains("/chk-");
        Box::new(own.filter(|path| self.model.files.contains_key(*path)).filter(move |path| !is_spoilt(path)))
    }

    /// Lets a job do one thing.
    pub(super) fn job_step(&mut self, at: usize) {
        let now = self.now();
        match self.jobs[at].life {
            Life::Ended => self.jobs[at].next_at = Timestamp(i64::MAX),
            Life::Suspended(until) if now < until => self.jobs[at].next_at = until,
            Life::Suspended(_) => self.resume(at),
            Life::Running => self.running_step(at),
        }
        if self.jobs[at].life == Life::Running {
            let job = &self.jobs[at];
            let busy = !job.pending.is_empty() || !job.todo.is_empty();
            let longest = if busy { self.setting.timeout.0 / 20 } else { 20 * 3_600_000 };
            let pause = self.dice.below(longest / 2) + self.dice.below(longest / 2);
            self.jobs[at].next_at = now.plus(Age(pause as _));
        }
    }

    fn running_step(&mut self, at: usize) {
        if !self.jobs[at].todo.is_empty() && self.dice.percent(85) {
            let many = if self.dice.one_in(2) { 100 } else { self.dice.between(1, 3) };
            for _ in 0..many {
                let Some(todo) = self.jobs[at].todo.pop_front() else { break };
                self.do_todo(&todo);
            }
            return;
        }
        if !self.jobs[at].late.is_empty() && self.dice.one_in(3) {
            let directory = self.jobs[at].late.remove(0);
            let late = self.make(&directory, Form::Relative);
            self.say(|| format!("late write of {}", late.path));
            return;
        }
        let timeout = self.setting.timeout;
        let now = self.now();
        if let Some(old) = self.jobs[at].pending.iter().position(|p| p.since.plus(timeout) <= now) {
            self.abort(at, old);
            return;
        }
        let roll = self.dice.below(100);
        if self.jobs[at].pending.is_empty() {
            match roll {
                0..=2 => self.crash(at),
                3..=5 => self.fail_over(at),
                6..=7 => self.cancel(at),
                8..=12 => self.savepoint(at),
                13..=14 => self.get_stuck(at),
                15..=40 => self.write_in_background(at),
                _ => self.trigger(at),
            }
        } else {
            let which = self.dice.index(self.jobs[at].pending.len());
            match roll {
                0..=4 => self.abort(at, which),
                5..=6 => self.crash(at),
                7..=8 => self.fail_over(at),
                9..=16 => self.trigger(at),
                17..=30 => self.write_in_background(at),
                _ => self.progress(at, which),
            }
        }
    }

    fn get_stuck(&mut self, at: usize) {
        let days = self.dice.between(1, 5);
        let until = self.now().plus(Age::days(days));
        self.jobs[at].stuck_until = until;
        self.say(|| format!("job {at}: its checkpoints fail until {until}"));
    }

    /// What the backend writes whether or not there is a checkpoint.
    fn write_in_background(&mut self, at: usize) {
        let (backend, dice) = (self.jobs[at].backend, self.dice.below(10));
        match backend {
            Backend::HashMap | Backend::RocksDb => {}
            Backend::Changelog if dice < 7 => {
                let log = self.jobs[at].log.clone();
                let segment = self.make(&log, Form::Log);
                self.jobs[at].unnamed.push(segment);
            }
            Backend::Changelog => self.materialize(at),
            Backend::ForSt if dice < 6 => {
                let db = self.jobs[at].shared();
                let file = self.make(&db, Form::Absolute);
                self.jobs[at].registered.insert(file.path.clone());
                self.jobs[at].unnamed.push(file);
            }
            Backend::ForSt => self.compact(at),
            Backend::Merging => self.grow(at),
            Backend::WriteAhead => {
                let directory = self.jobs[at].task_owned();
                let buffer = self.make(&directory, Form::Hidden);
                self.jobs[at].unnamed.push(buffer);
            }
        }
    }

    /// The changelog is written out as a whole; the next checkpoint names that, and what is logged from now on.
    fn materialize(&mut self, at: usize) {
        let directory = self.jobs[at].task_owned();
        let files: Vec<StateFile> =
            (0..self.dice.between(1, 2)).map(|_| self.make(&directory, Form::Absolute)).collect();
        let job = &mut self.jobs[at];
        job.registered.extend(files.iter().map(|file| file.path.clone()));
        job.base = files;
        job.unnamed.clear();
        self.say(|| format!("job {at} materializes"));
    }

    /// Two files of the database become one. What no checkpoint names the task deletes itself.
    fn compact(&mut self, at: usize) {
        let db = self.jobs[at].shared();
        let merged = self.make(&db, Form::Absolute);
        self.jobs[at].registered.insert(merged.path.clone());
        let mut live: Vec<StateFile> = self.jobs[at]
            .base
            .drain(..)
            .collect::<Vec<_>>()
            .into_iter()
            .chain(std::mem::take(&mut self.jobs[at].unnamed))
            .collect();
        for _ in 0..2 {
            if live.is_empty() {
                break;
            }
            let old = live.remove(self.dice.index(live.len()));
            let used = self.uses(at).contains(&old.path);
            if !used && self.jobs[at].registered.contains(&old.path) {
                self.delete(&old.path);
            }
        }
        live.push(merged);
        self.jobs[at].unnamed = live;
    }

    /// A merged file grows, or a new one is begun.
    fn grow(&mut self, at: usize) {
        let now = self.now();
        let open = self.jobs[at].unnamed.last().cloned();
        if let Some(mut file) = open.filter(|_| self.dice.percent(70)) {
            let Some(bytes) = self.model.files.get(&file.path).cloned() else { return };
            let longer = [bytes.as_ref(), b" and more"].concat();
            file.size = longer.len() as i64;
            let since = self.jobs[at].opened_at(&file.path).unwrap_or(now);
            self.write_open(&file.path, &longer, since);
            if let Some(last) = self.jobs[at].unnamed.last_mut() {
                *last = file;
            }
            return;
        }
        let directory = if self.dice.one_in(2) { self.jobs[at].shared() } else { self.jobs[at].task_owned() };
        let name = self.dice.uuid();
        let (path, bytes) = (format!("{directory}/{name}"), format!("merged {name}"));
        self.write_open(&path, bytes.as_bytes(), now);
        let size = bytes.len() as i64;
        let job = &mut self.jobs[at];
        job.opened.push((path.clone(), now));
        job.registered.insert(path.clone());
        job.unnamed.push(StateFile { path, form: Form::Segment, size });
    }

    /// The NameNode closes what a writer that is gone left open: length and time jump.
    fn close_files(&mut self, at: usize) {
        for (path, _) in std::mem::take(&mut self.jobs[at].opened) {
            if let Some(bytes) = self.model.files.get(&path).cloned()
                && self.memory.exists(&path)
            {
                let now = self.now();
                self.memory.put(&path, &bytes, now);
            }
        }
    }

    /// JobManager and tasks are gone at once. Highly available jobs come back.
    pub(super) fn crash(&mut self, at: usize) {
        self.close_files(at);
        let now = self.now();
        let back = self.setting.high_availability && !self.calm && self.dice.percent(80);
        let hours =
            if self.dice.one_in(3) { self.dice.between(24 * 5, 24 * 20) } else { self.dice.below(48) };
        let until = now.plus(Age::hours(hours));
        let job = &mut self.jobs[at];
        job.todo.clear();
        job.late.clear();
        job.pending.clear();
        job.life = if back { Life::Suspended(until) } else { Life::Ended };
        job.next_at = until;
        self.say(|| {
            format!("job {at} crashes{}", if back { format!(", back at {until}") } else { String::new() })
        });
    }

    pub(super) fn end(&mut self, at: usize) {
        self.jobs[at].life = Life::Ended;
        self.jobs[at].next_at = Timestamp(i64::MAX);
    }

    fn cancel(&mut self, at: usize) {
        while !self.jobs[at].pending.is_empty() {
            self.abort(at, 0);
        }
        let delete = self.dice.one_in(2);
        self.say(|| {
            format!("job {at} is cancelled{}", if delete { ", and its checkpoints deleted" } else { "" })
        });
        let (base, unnamed) =
            (std::mem::take(&mut self.jobs[at].base), std::mem::take(&mut self.jobs[at].unnamed));
        if delete {
            while let Some(old) = self.jobs[at].retained.pop_front() {
                self.subsume(at, old);
            }
        }
        // What was registered and is of no use to what stays.
        let used = self.uses(at);
        for file in base.into_iter().chain(unnamed) {
            if self.jobs[at].registered.contains(&file.path)
                && !used.contains(&file.path)
                && self.dice.percent(70)
            {
                self.jobs[at].todo.push_back(Todo::Delete(file.path));
            }
        }
        while let Some(todo) = self.jobs[at].todo.pop_front() {
            self.do_todo(&todo);
        }
        self.close_files(at);
        self.end(at);
    }
}
