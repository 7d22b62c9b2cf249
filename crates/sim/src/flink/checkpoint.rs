//! Checkpoints and savepoints: triggered, written, completed or aborted, subsumed, discarded.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::Timestamp;
use chksweep_testkit::metadata_writer::{
    FileMerging, Keyed, KeyedId, MetadataWriter, OperatorHandle, OperatorState, Stream,
};

use super::backend::{Backend, Form, StateFile};
use super::{State, Todo, World};
use crate::model::Snapshot;

/// What a checkpoint in progress is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Checkpoint,
    Canonical,
    Native,
}

/// A checkpoint or savepoint in progress.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) since: Timestamp,
    kind: Kind,
    dir: String,
    /// How many files are still to be written.
    left: u64,
    /// What it takes over.
    names: Vec<StateFile>,
    pub(super) written: Vec<StateFile>,
    /// Where its metadata lies before it is complete.
    staged: Option<String>,
}

impl World {
    /// Returns every path that the job has a use for.
    pub(super) fn uses(&self, at: usize) -> BTreeSet<String> {
        let job = &self.jobs[at];
        let retained = job.retained.iter().flat_map(|snapshot| &self.model.snapshots[*snapshot].needs);
        let pending = job.pending.iter().flat_map(|pending| pending.names.iter().chain(&pending.written));
        let files = pending.chain(&job.base).chain(&job.unnamed).map(|file| &file.path);
        retained.chain(files).cloned().collect()
    }

    pub(super) fn trigger(&mut self, at: usize) {
        if self.jobs[at].pending.len() >= self.jobs[at].at_once {
            return;
        }
        let number = self.jobs[at].number;
        let dir = self.jobs[at].chk(number);
        let now = self.now();
        if !self.memory.exists(&dir) {
            self.memory.mkdir(&dir, now);
        }
        self.begin(at, Kind::Checkpoint, dir);
    }

    pub(super) fn savepoint(&mut self, at: usize) {
        let kind = if self.dice.one_in(2) { Kind::Native } else { Kind::Canonical };
        let six: String = self.jobs[at].id.chars().take(6).collect();
        let twelve = self.dice.next() & 0xffff_ffff_ffff;
        let dir = format!("{}/savepoint-{six}-{twelve:012x}", self.setting.savepoint_root);
        let now = self.now();
        self.memory.mkdir(&dir, now);
        self.begin(at, kind, dir);
    }

    fn begin(&mut self, at: usize, kind: Kind, dir: String) {
        let (since, left) = (self.now(), self.dice.between(1, 3));
        let job = &self.jobs[at];
        let (number, backend) = (job.number, job.backend);
        let mut names = match (kind, backend) {
            (Kind::Canonical | Kind::Native, _) | (_, Backend::HashMap) => Vec::new(),
            (Kind::Checkpoint, Backend::WriteAhead) => job.base.clone(),
            (Kind::Checkpoint, _) => job.base.iter().chain(&job.unnamed).cloned().collect(),
        };
        if matches!(backend, Backend::RocksDb | Backend::WriteAhead)
            && !names.is_empty()
            && self.dice.one_in(2)
        {
            let useless = names[self.dice.index(names.len())].path.clone();
            self.jobs[at].dropped.insert(useless);
        }
        names.retain(|file| !self.jobs[at].dropped.contains(&file.path));
        self.say(|| format!("job {at} triggers {dir}"));
        let pending = Pending { number, since, kind, dir, left, names, written: Vec::new(), staged: None };
        self.jobs[at].pending.push(pending);
        self.jobs[at].number += 1;
    }

    /// A checkpoint in progress goes one step on.
    pub(super) fn progress(&mut self, at: usize, which: usize) {
        let pending = &self.jobs[at].pending[which];
        let (left, dir) = (pending.left, pending.dir.clone());
        if left > 0 {
            let file = self.upload(at, which, &dir);
            let pending = &mut self.jobs[at].pending[which];
            pending.left -= 1;
            pending.written.extend(file);
            return;
        }
        if self.now() < self.jobs[at].stuck_until {
            self.abort(at, which);
            return;
        }
        if self.jobs[at].pending[which].staged.is_none() {
            self.stage(at, which, &dir);
            return;
        }
        self.complete(at, which);
    }

    fn upload(&mut self, at: usize, which: usize, dir: &str) -> Option<StateFile> {
        let (kind, left) = (self.jobs[at].pending[which].kind, self.jobs[at].pending[which].left);
        let backend = self.jobs[at].backend;
        if kind != Kind::Checkpoint || backend == Backend::HashMap {
            return Some(self.make(dir, Form::Relative));
        }
        match backend {
            Backend::HashMap | Backend::Changelog | Backend::ForSt => Some(self.make(dir, Form::Relative)),
            Backend::Merging => None,
            Backend::WriteAhead if left == 1 => Some(self.operator_state(at, dir)),
            Backend::RocksDb | Backend::WriteAhead => {
                if self.dice.one_in(3) {
                    return Some(self.make(dir, Form::Relative));
                }
                let shared = self.jobs[at].shared();
                let file = self.make(&shared, Form::Absolute);
                self.jobs[at].registered.insert(file.path.clone());
                Some(file)
            }
        }
    }

    /// Operator state that names buffers, as text or as raw bytes.
    fn operator_state(&mut self, at: usize, dir: &str) -> StateFile {
        let name = self.dice.uuid();
        let mut bytes = format!("operator state {name} ").into_bytes();
        for buffer in &self.jobs[at].unnamed {
            bytes.extend_from_slice(b"\x01pfile:hdfs://ns");
            bytes.extend_from_slice(buffer.path.as_bytes());
            bytes.push(0x82);
        }
        let path = format!("{dir}/{name}");
        self.write(&path, &bytes);
        StateFile { path, form: Form::Payload, size: bytes.len() as i64 }
    }

    /// The metadata is written under a name that is not yet its own; or, by old releases, in place and not whole.
    fn stage(&mut self, at: usize, which: usize, dir: &str) {
        let in_place = self.setting.metadata_in_place;
        let path = if in_place {
            format!("{dir}/_metadata")
        } else {
            format!("{dir}/._metadata.inprogress.{}", self.dice.uuid())
        };
        if in_place && self.memory.exists(&path) {
            self.abort(at, which);
            return;
        }
        let bytes = self.metadata(at, which);
        self.write(&path, &bytes[..bytes.len() / 2]);
        self.jobs[at].pending[which].staged = Some(path);
    }

    fn complete(&mut self, at: usize, which: usize) {
        let pending = self.jobs[at].pending[which].clone();
        let path = format!("{}/_metadata", pending.dir);
        if let Some(staged) = &pending.staged
            && *staged != path
        {
            self.delete(staged);
            if self.memory.exists(&path) {
                // The target exists: another run has completed this number. Flink aborts, and takes that with it.
                self.say(|| format!("job {at}: {path} exists"));
                self.abort(at, which);
                return;
            }
        }
        let bytes = self.metadata(at, which);
        self.write(&path, &bytes);
        self.jobs[at].pending.remove(which);
        let hidden = self.hidden(at, &pending);
        let named = || pending.names.iter().chain(&pending.written).chain(&hidden);
        let needs: BTreeSet<String> = named().map(|file| file.path.clone()).collect();
        let position = self.model.snapshots.len();
        self.model.snapshots.push(Snapshot {
            path: path.clone(),
            bytes: Arc::from(bytes),
            needs,
            directories: self.merged_directories(at, pending.kind),
            committable: hidden.iter().map(|file| file.path.clone()).collect(),
            operators: self.jobs[at].operators,
            number: pending.number,
            restorable: named().all(|file| file.form != Form::Dangling),
            savepoint: pending.kind != Kind::Checkpoint,
            completed_at: self.now().0,
            retired: None,
            gone: false,
        });
        let native_savepoint = pending.kind == Kind::Native;
        let is_reusable = |file: &&StateFile| {
            native_savepoint
                || matches!(
                    file.form,
                    Form::Absolute | Form::Dangling | Form::Segment | Form::Log | Form::Hidden
                )
        };
        let reusable: Vec<StateFile> = named().filter(is_reusable).cloned().collect();
        let exclusive = named().filter(|file| !is_reusable(file)).cloned().collect();
        let backend = self.jobs[at].backend;
        self.states.push(State { backend, reusable, exclusive, native_savepoint });
        self.say(|| format!("job {at} completes {path}"));
        if pending.kind == Kind::Checkpoint {
            // One that was triggered earlier has no place behind a later one.
            let is_late = |other: &Pending| other.kind == Kind::Checkpoint && other.number < pending.number;
            while let Some(late) = self.jobs[at].pending.iter().position(is_late) {
                self.abort(at, late);
            }
            self.confirm(at, position, &pending, &hidden);
        }
    }

    /// Buffers that the operator state of this checkpoint names.
    fn hidden(&self, at: usize, pending: &Pending) -> Vec<StateFile> {
        let payload = pending.written.iter().filter(|file| file.form == Form::Payload);
        let bytes: Vec<_> = payload.filter_map(|file| self.model.files.get(&file.path)).collect();
        let occurs = |path: &str| {
            bytes.iter().any(|bytes| bytes.windows(path.len()).any(|part| part == path.as_bytes()))
        };
        self.jobs[at].unnamed.iter().filter(|f| f.form == Form::Hidden && occurs(&f.path)).cloned().collect()
    }

    /// Everybody hears that a checkpoint is complete.
    fn confirm(&mut self, at: usize, position: usize, pending: &Pending, hidden: &[StateFile]) {
        let job = &mut self.jobs[at];
        job.fresh = false;
        job.retained.push_back(position);
        match job.backend {
            Backend::RocksDb | Backend::WriteAhead => {
                let named = pending.names.iter().chain(&pending.written);
                job.base =
                    named.filter(|f| matches!(f.form, Form::Absolute | Form::Dangling)).cloned().collect();
            }
            Backend::HashMap => job.base.clear(),
            // These go on with the files that they have.
            Backend::Changelog | Backend::Merging | Backend::ForSt => {}
        }
        if !hidden.is_empty() && self.dice.percent(70) {
            // The sink commits, and deletes what it has committed.
            self.jobs[at].unnamed.retain(|file| !hidden.contains(file));
            let gone = hidden.iter().map(|file| Todo::Delete(file.path.clone()));
            self.jobs[at].todo.extend(gone);
        }
        while self.jobs[at].retained.len() > self.jobs[at].keep {
            if let Some(old) = self.jobs[at].retained.pop_front() {
                self.subsume(at, old);
            }
        }
        let waiting = std::mem::take(&mut self.jobs[at].waiting);
        for old in waiting {
            self.subsume(at, old);
        }
    }

    /// A snapshot falls out of use: what nothing else uses is deleted, sooner or later.
    pub(super) fn subsume(&mut self, at: usize, old: usize) {
        let used = self.uses(at);
        let snapshot = self.model.snapshots[old].clone();
        let dir = snapshot.path.trim_end_matches("/_metadata").to_owned();
        let (exclusive, shared): (Vec<String>, Vec<String>) =
            snapshot.needs.iter().cloned().partition(|path| path.starts_with(&format!("{dir}/")));
        let mut todo: Vec<Todo> = Vec::new();
        if exclusive.iter().any(|path| used.contains(path)) {
            self.jobs[at].waiting.push(old);
        } else {
            todo.extend(exclusive.into_iter().map(Todo::Delete));
            let metadata = if self.dice.one_in(3) { 0 } else { self.dice.index(todo.len() + 1) };
            todo.insert(metadata, Todo::Delete(snapshot.path.clone()));
            todo.push(Todo::RemoveDirectory(dir));
        }
        let job = &self.jobs[at];
        let useless = shared.into_iter().filter(|p| job.registered.contains(p) && !used.contains(p));
        todo.extend(useless.map(Todo::Delete));
        self.say(|| format!("job {at} subsumes {}", snapshot.path));
        self.jobs[at].todo.extend(todo);
    }

    pub(super) fn abort(&mut self, at: usize, which: usize) {
        let pending = self.jobs[at].pending.remove(which);
        self.say(|| format!("job {at} aborts {}", pending.dir));
        self.delete_tree(&pending.dir);
        if pending.kind == Kind::Checkpoint && self.dice.one_in(4) {
            self.jobs[at].late.push(pending.dir);
        }
        if !matches!(self.jobs[at].backend, Backend::RocksDb | Backend::WriteAhead) {
            return;
        }
        // Where one that was triggered earlier has completed meanwhile, it has become the base, and these are forgotten.
        let last = self.jobs[at].retained.back().map_or(0, |last| self.model.snapshots[*last].completed_at);
        let is_latest = last <= pending.since.0;
        if self.setting.reuses_uploads && is_latest && pending.kind == Kind::Checkpoint {
            let uploads = pending.written.iter().filter(|file| file.form == Form::Absolute);
            self.jobs[at].base.extend(uploads.cloned());
        } else if self.dice.one_in(2) {
            // Tasks delete what they wrote for it, if they still can.
            let used = self.uses(at);
            for file in pending.written.iter().filter(|file| !used.contains(&file.path)) {
                self.delete(&file.path);
            }
        }
    }

    fn merged_directories(&self, at: usize, kind: Kind) -> Vec<String> {
        let job = &self.jobs[at];
        let names_any = job.backend == Backend::Merging && kind == Kind::Checkpoint;
        if names_any { vec![job.task_owned(), job.shared()] } else { Vec::new() }
    }

    /// The bytes of the metadata.
    fn metadata(&self, at: usize, which: usize) -> Vec<u8> {
        let job = &self.jobs[at];
        let pending = &job.pending[which];
        let number = pending.number as i64;
        let version = if self.setting.metadata_in_place { 3 } else { 4 + 2 * i32::from(job.operators % 2) };
        let writer = match pending.kind {
            Kind::Checkpoint => MetadataWriter::new(version, number).checkpoint(),
            Kind::Canonical => MetadataWriter::new(version, number).canonical_savepoint(),
            Kind::Native => MetadataWriter::new(version, number).native_savepoint(),
        };
        let mut writer = writer.operator([job.operators; 16]).parallelism(100, 128).subtask(0);
        let mut logs = Vec::new();
        let mut segments = Vec::new();
        for file in pending.names.iter().chain(&pending.written) {
            let path = format!("hdfs://ns{}", file.path);
            let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
            writer = match file.form {
                Form::Absolute => writer.file(path, file.size),
                Form::Relative | Form::Dangling => writer.relative(name, file.size),
                Form::Payload => writer.operator_state(Stream::relative(name, file.size)),
                Form::Hidden => writer,
                Form::Log => {
                    logs.push((0, Stream::file(path, file.size - 1)));
                    writer
                }
                Form::Segment => {
                    segments.push(Stream::segment(path, 0, file.size));
                    writer
                }
            };
        }
        if !logs.is_empty() {
            let id = || KeyedId::New("66666666-7777-8888-9999-aaaaaaaaaaaa".into());
            let delta = vec![Keyed::ChangelogFiles { range: (0, 32), segments: logs, id: id() }];
            let (range, materialized) = ((0, 32), Vec::new());
            let log = Keyed::Changelog { range, materialized, delta, materialization_id: 1, id: id() };
            writer = writer.subtask(1).managed_keyed(log);
        }
        for (subtask, segment) in segments.into_iter().enumerate() {
            writer = writer.subtask(subtask as i32 + 2).managed_keyed(Keyed::key_groups(segment));
        }
        if job.backend == Backend::Merging && pending.kind == Kind::Checkpoint {
            let [task_owned, shared] =
                [job.task_owned(), job.shared()].map(|dir| format!("hdfs://ns{dir}").into());
            let merging = FileMerging { task_owned, shared, is_empty: true };
            let states: Vec<OperatorState> = Vec::new();
            let handle = OperatorHandle { states, merging: Some(merging), stream: Stream::EmptySegment };
            writer = writer.operator([job.operators + 100; 16]).subtask(0).managed_operator(handle);
        } else {
            writer = writer.operator([job.operators + 100; 16]).subtask(0);
        }
        writer.bytes()
    }
}
