//! Beginnings: fresh jobs, jobs restored from what others left, jobs that come back; and what users do.

use std::collections::{BTreeSet, VecDeque};

use chksweep_core::{Age, Timestamp};

use super::World;
use super::backend::{Backend, Form, StateFile};
use super::job::{Job, Life};

/// How many jobs a history has at the most.
const MOST_JOBS: usize = 7;
/// How exact access times are on HDFS by default.
const ACCESS_PRECISION: Age = Age::hours(1);

/// Whose a restored snapshot is afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The job's that restored it.
    Yes,
    /// The user's; the job needs it until its first checkpoint.
    No,
    /// The user's, and the job needs it for ever.
    Legacy,
}

impl World {
    /// The user starts a job, or does away with a savepoint.
    pub(super) fn user_step(&mut self) {
        let hours = self.dice.between(6, 60);
        self.user_at = self.now().plus(Age::hours(hours));
        if self.calm {
            self.user_at = Timestamp(i64::MAX);
            return;
        }
        let roll = self.dice.below(10);
        if roll < 2 {
            self.dispose();
        } else if self.has_room() {
            if roll < 4 || self.jobs.is_empty() {
                self.start(None);
            } else {
                self.restore();
            }
        }
    }

    /// Whether another job may begin.
    fn has_room(&self) -> bool {
        let is_next = !self.setting.one_job || self.jobs.iter().all(Job::is_ended);
        self.jobs.len() < MOST_JOBS && is_next
    }

    /// A savepoint that nobody wants any more is deleted by hand.
    fn dispose(&mut self) {
        let used: BTreeSet<String> = self.held().cloned().collect();
        let is_free = |needs: &BTreeSet<String>| needs.is_disjoint(&used);
        let named: Vec<usize> = self.model.there().map(|(at, _)| at).collect();
        let free: Vec<usize> = named
            .iter()
            .copied()
            .filter(|at| {
                let snapshot = &self.model.snapshots[*at];
                let by_others = named.iter().filter(|other| *other != at);
                snapshot.savepoint
                    && is_free(&snapshot.needs)
                    && by_others
                        .map(|other| &self.model.snapshots[*other].needs)
                        .all(|needs| needs.is_disjoint(&snapshot.needs))
            })
            .collect();
        let Some(at) = self.dice.pick(&free).copied() else { return };
        let dir = self.model.snapshots[at].path.trim_end_matches("/_metadata").to_owned();
        self.say(|| format!("the user deletes {dir}"));
        self.delete_tree(&dir);
    }

    fn directory_of(&self, root: &str, id: &str) -> String {
        if self.setting.subdirectories { format!("{root}/{id}") } else { root.to_owned() }
    }

    fn start(&mut self, from: Option<(usize, Claim)>) {
        let id = self.setting.fixed_id.clone().unwrap_or_else(|| self.dice.job_id());
        let roots = self.setting.checkpoint_roots.clone();
        let Some(root) = self.dice.pick(&roots).cloned() else { return };
        let dir = self.directory_of(&root, &id);
        let log_root = self.setting.changelog_root.clone().unwrap_or(root);
        let log = format!("{log_root}/{id}/dstl");
        let backend = match from {
            Some((at, _)) if self.dice.percent(85) => self.states[at].backend,
            // Restored by another backend: from a canonical savepoint any, else changelog on top.
            Some(_) => Backend::Changelog,
            None => *self.dice.pick(&Backend::ALL).unwrap_or(&Backend::RocksDb),
        };
        let operators = match from {
            Some((at, _)) => self.model.snapshots[at].operators,
            None => self.dice.between(1, 60) as u8,
        };
        let now = self.now();
        let number = match from {
            Some((at, _)) => self.model.snapshots[at].number + 1,
            None => 1,
        };
        let task_manager = self.dice.uuid();
        let (keep, at_once) = (self.dice.between(1, 5) as usize, self.dice.between(1, 2) as usize);
        self.jobs.push(Job {
            id,
            dir,
            log,
            backend,
            operators,
            life: Life::Running,
            next_at: now,
            number,
            attempt: 0,
            task_manager,
            retained: VecDeque::new(),
            keep,
            at_once,
            pending: Vec::new(),
            base: Vec::new(),
            unnamed: Vec::new(),
            registered: BTreeSet::new(),
            waiting: Vec::new(),
            restored: from.map(|(at, _)| at),
            fresh: true,
            stuck_until: Timestamp(0),
            todo: VecDeque::new(),
            late: Vec::new(),
            taken_over: Vec::new(),
            dropped: BTreeSet::new(),
            opened: Vec::new(),
        });
        let at = self.jobs.len() - 1;
        let begun = from.map(|(at, claim)| (self.model.snapshots[at].path.clone(), claim));
        self.say(|| format!("job {at} starts ({backend:?}) from {begun:?}"));
        self.make_directories(at);
        if let Some((snapshot, claim)) = from {
            self.take_over(at, snapshot, claim);
        }
    }

    fn make_directories(&mut self, at: usize) {
        let (dir, now) = (self.jobs[at].dir.clone(), self.now());
        for name in ["shared", "taskowned"] {
            let path = format!("{dir}/{name}");
            if !self.memory.exists(&path) {
                self.memory.mkdir(&path, now);
            }
        }
    }

    /// A job begins from what another has left, or from a savepoint.
    fn restore(&mut self) {
        let living: BTreeSet<usize> = self
            .jobs
            .iter()
            .filter(|job| !job.is_ended())
            .flat_map(|job| job.retained.iter().copied())
            .collect();
        let may_share = self.dice.one_in(4);
        let discarded: BTreeSet<&String> = self.jobs.iter().flat_map(Job::discards).collect();
        let free = |at: &usize| {
            let snapshot = &self.model.snapshots[*at];
            // What a running job keeps is copied at most, and what it is deleting is not given away; what a policy set
            // aside is not there.
            (snapshot.savepoint || may_share || !living.contains(at))
                && !discarded.contains(&snapshot.path)
                && !snapshot.needs.iter().any(|path| discarded.contains(path))
                && snapshot.retired.is_none()
                && self.model.is_whole(snapshot)
        };
        let mut candidates: Vec<usize> = self.model.there().map(|(at, _)| at).filter(free).collect();
        let is_wanted = |at: &usize| self.wanted.contains(&self.model.snapshots[*at].path);
        if candidates.iter().any(is_wanted) {
            candidates.retain(is_wanted);
        }
        let Some(snapshot) = self.dice.pick(&candidates).copied() else { return };
        let claim = match self.dice.below(4) {
            0 | 1 => Claim::Yes,
            2 => Claim::No,
            _ => Claim::Legacy,
        };
        let claimed = living.contains(&snapshot)
            || self.jobs.iter().any(|job| !job.is_ended() && job.waiting.contains(&snapshot));
        let claim = if claimed { Claim::No } else { claim };
        self.start(Some((snapshot, claim)));
    }

    fn take_over(&mut self, at: usize, snapshot: usize, claim: Claim) {
        self.read(snapshot);
        let state = self.states[snapshot].clone();
        let changes_backend = state.backend != self.jobs[at].backend;
        let mut reusable = state.reusable;
        if changes_backend {
            // The whole snapshot counts as materialized; a sink is not part of it.
            reusable.retain(|file| file.form != Form::Hidden);
            reusable.extend(state.exclusive.into_iter().filter(|file| file.form != Form::Payload));
        }
        let canonical = self.model.snapshots[snapshot].savepoint && !state.native_savepoint;
        if canonical || claim == Claim::No {
            // All is written anew; but what a sink has not committed it goes on naming inside its operator state.
            reusable.retain(|file| file.form == Form::Hidden);
        }
        let fixed = self.setting.fixed_relative_names;
        for file in &mut reusable {
            if file.form == Form::Relative {
                file.form = if fixed || changes_backend { Form::Absolute } else { Form::Dangling };
            }
        }
        let job = &mut self.jobs[at];
        if claim == Claim::Yes {
            job.retained.push_back(snapshot);
            job.registered.extend(reusable.iter().filter(|f| f.form != Form::Hidden).map(|f| f.path.clone()));
        }
        self.jobs[at].taken_over.clone_from(&reusable);
        self.begin_from(at, reusable);
    }

    /// Puts what was restored where the backend keeps it.
    fn begin_from(&mut self, at: usize, reusable: Vec<StateFile>) {
        let job = &mut self.jobs[at];
        let (unnamed, base) = reusable.into_iter().partition(|file| match job.backend {
            Backend::Changelog => file.form == Form::Log,
            Backend::WriteAhead => file.form == Form::Hidden,
            Backend::Merging => file.form == Form::Segment,
            Backend::HashMap | Backend::RocksDb | Backend::ForSt => false,
        });
        job.base = base;
        job.unnamed = unnamed;
        if job.backend == Backend::HashMap {
            job.base.clear();
        }
    }

    /// Reads a snapshot: HDFS remembers that, if not to the minute.
    fn read(&mut self, snapshot: usize) {
        let now = self.now();
        let path = self.model.snapshots[snapshot].path.clone();
        self.say(|| format!("{path} is restored from"));
        let files: Vec<String> = self.model.files_of(&self.model.snapshots[snapshot]).cloned().collect();
        for path in files {
            if self.memory.exists(&path) {
                let seen = self.read_at.entry(path.clone()).or_insert(Timestamp(0));
                if seen.plus(ACCESS_PRECISION) <= now {
                    *seen = now;
                    if self.setting.access_times {
                        self.memory.set_accessed(&path, now);
                    }
                }
            }
        }
    }

    /// Tasks are lost; the job begins again from its last checkpoint.
    pub(super) fn fail_over(&mut self, at: usize) {
        while !self.jobs[at].pending.is_empty() {
            self.abort(at, 0);
        }
        self.jobs[at].late.clear();
        self.begin_again(at);
        self.say(|| format!("job {at} fails over"));
    }

    /// The JobManager is back.
    pub(super) fn resume(&mut self, at: usize) {
        self.jobs[at].life = Life::Running;
        self.say(|| format!("job {at} is back"));
        self.make_directories(at);
        self.begin_again(at);
    }

    fn begin_again(&mut self, at: usize) {
        let task_manager = self.dice.uuid();
        let job = &mut self.jobs[at];
        job.attempt += 1;
        job.task_manager = task_manager;
        job.opened.clear();
        let from = job.retained.back().copied().or(job.restored.filter(|_| job.fresh));
        // What another job in the same directory has destroyed is gone.
        let from = from.filter(|at| self.model.is_there(&self.model.snapshots[*at]));
        let Some(snapshot) = from else {
            job.base.clear();
            job.unnamed.clear();
            return;
        };
        self.read(snapshot);
        // What of it the job had taken over before, it takes over again.
        let begun_from_it = self.jobs[at].restored == Some(snapshot);
        let reusable = if begun_from_it {
            self.jobs[at].taken_over.clone()
        } else {
            self.states[snapshot].reusable.clone()
        };
        self.begin_from(at, reusable);
    }
}
