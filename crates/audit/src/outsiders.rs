//! Which metadata of other jobs names something under a job directory: the jobs that may hold more of it unnamed.

use chksweep_core::Uuid;
use chksweep_core::plan::Rule;

use crate::fingerprint::{self, tidy};
use crate::jobs::{Jobs, Owner};
use crate::snapshots::{Target, follow};
use crate::view::{View, Zone};
use crate::voices::Voice;

/// For each job directory the metadata of other jobs that names anything in it, by its number in the input.
#[derive(Debug)]
pub(crate) struct Outsiders {
    by_job: Vec<Vec<usize>>,
}

impl Outsiders {
    pub(crate) fn new(view: &View<'_>, jobs: &Jobs, voices: &[Voice<'_>]) -> Self {
        let mut outsiders = Self { by_job: vec![Vec::new(); jobs.all().len()] };
        let wanted = names_in_question(view, jobs);
        for voice in voices {
            outsiders.add_by_path(view, jobs, voice);
            outsiders.add_by_name(view, jobs, voice, &wanted);
        }
        for list in &mut outsiders.by_job {
            tidy(list);
        }
        outsiders
    }

    fn add(&mut self, jobs: &Jobs, job: usize, metadata: usize) {
        // Another directory of the same id is an outsider too: one of the two can be declared dead alone.
        let own = match jobs.owner(metadata) {
            Owner::Listed(other) => *other == job,
            owner @ (Owner::Elsewhere { .. } | Owner::Unknown { .. }) => jobs.is_same(owner, job),
        };
        if own {
            return;
        }
        if let Some(list) = self.by_job.get_mut(job) {
            list.push(metadata);
        }
    }

    fn add_by_path(&mut self, view: &View<'_>, jobs: &Jobs, voice: &Voice<'_>) {
        let Some(content) = voice.content() else { return };
        for directory in content.files.directories.iter().chain(&content.directories) {
            for path in voice.spellings(view, directory) {
                for id in fingerprint::upwards(&path).flat_map(|path| view.at_path(path)) {
                    let area = view.area(id);
                    if let (Zone::Job, Some(job)) = (area.zone, area.job) {
                        self.add(jobs, job, voice.index);
                    }
                }
            }
        }
    }

    /// A reference that leads nowhere means every file of its name, as does a UUID in the raw bytes.
    fn add_by_name(&mut self, view: &View<'_>, jobs: &Jobs, voice: &Voice<'_>, wanted: &[(Uuid, usize)]) {
        // Versions 0 and 1 know no running state that their jobs could hold.
        if wanted.is_empty() || voice.file.content.as_ref().is_err_and(|unreadable| !unreadable.blocks) {
            return;
        }
        let mut uuids: Vec<Uuid> = voice.other_uuids().collect();
        if let Some(content) = voice.content() {
            follow(view, content, |_, file, target| {
                match target {
                    Target::File(_) => {}
                    Target::Nothing | Target::Unlisted => {
                        uuids.extend(content.files.names.get(file.name).uuid());
                    }
                }
                true
            });
        }
        for uuid in uuids {
            let start = wanted.partition_point(|(other, _)| *other < uuid);
            let rest = wanted.get(start..).unwrap_or(&[]);
            for (_, job) in rest.iter().take_while(|(other, _)| *other == uuid) {
                self.add(jobs, *job, voice.index);
            }
        }
    }

    /// Returns the metadata of other jobs that names anything in a job directory.
    pub(crate) fn of_job(&self, job: usize) -> &[usize] {
        self.by_job.get(job).map_or(&[], Vec::as_slice)
    }
}

/// Returns the names of all files in the job directories of which the plan would take running state.
fn names_in_question(view: &View<'_>, jobs: &Jobs) -> Vec<(Uuid, usize)> {
    let mut in_question = vec![false; jobs.all().len()];
    for swept in &view.files {
        let matters = matches!(swept.rule, Rule::UnreferencedRunningState | Rule::ExpiredJob);
        if let Some(slot) = view.area(swept.directory).job.and_then(|job| in_question.get_mut(job)) {
            *slot |= matters;
        }
    }
    let mut names = Vec::new();
    for (id, _) in view.input.inventory.directories() {
        let Some(job) = view.area(id).job.filter(|job| in_question.get(*job) == Some(&true)) else {
            continue;
        };
        for (_, file) in view.input.inventory.files_of(id) {
            names.extend(view.input.inventory.name_of(file).uuid().map(|uuid| (uuid, job)));
        }
    }
    tidy(&mut names);
    names
}
