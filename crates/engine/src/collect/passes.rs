//! The second listing: metadata, listed and read until a pass misses none.
//!
//! A file that some listing saw and that is gone before it was read may have handed what it names over to another
//! one, in a directory that had been listed already: a job that restores in claim mode does this across
//! directories, and every checkpoint does it within its job. So whenever one is missed, everything is listed again.
//! What is found gone is settled by that next pass, which starts afterwards. A directory that its parent listed and
//! that is gone when its own turn comes counts as missed, too: it may have held metadata that nobody saw.
//!
//! Within a pass a file is read as soon as it is seen, before anything else is listed; what lies in a directory is
//! looked into before its siblings; and the checkpoints of a job are looked into one after the other, older ones
//! first. That keeps the time in which something can be missed to a few calls per job, whatever the size of the whole:
//! to escape a pass within one job a checkpoint must be triggered, complete and replace the last one between the
//! listing of the job directory and of that checkpoint. Looked into side by side, the simulation in the tests lost a
//! live file silently in 4 of 12,000 looks (all where something happened between any two calls); in order, in none.
//!
//! What was read once is not read again while its mtime and length stay: its names hold for this run. When they
//! change, both contents hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chksweep_core::plan::{MetadataFile, OperatorStateSearch, Place, Problem};
use chksweep_core::{Location, Uuid};
use chksweep_store::{ErrorKind, StoreError};

use super::pool::Pool;
use super::read::{self, Outcome, Readers, Understood};
use super::request::Limits;
use super::roots::{Root, Use};
use super::sighting::{Newest, Sighting, Stamp};
use super::visit::{self, Area, Region, Visit, Visited};
use crate::events::{Event, Observer};

/// How many passes there are before what was missed counts as unreadable.
const PASSES: u32 = 5;
/// How many links are told one by one.
const LINKS_TOLD: usize = 20;

/// What the passes found.
#[derive(Debug)]
pub(super) struct Known {
    /// The metadata, sorted by location and mtime.
    pub(super) metadata: Vec<KnownMetadata>,
    /// Directories whose listing broke, with what broke it.
    pub(super) unlisted: BTreeMap<Location, String>,
    /// The directories that hold a `.chksweep`.
    pub(super) own: BTreeSet<Location>,
    pub(super) newest: Newest,
    pub(super) problems: Vec<Problem>,
}

/// A metadata file with what was found in its own bytes.
#[derive(Debug)]
pub(super) struct KnownMetadata {
    pub(super) file: MetadataFile,
    /// Which task-owned files occur as sixteen raw bytes in it; nothing where that was not searched.
    pub(super) raw: Option<Vec<Uuid>>,
}

/// Lists and reads metadata until a pass misses none. `seen` is what the first listing saw.
pub(super) async fn run(
    roots: &[Root],
    seen: Vec<Sighting>,
    readers: Arc<Readers>,
    newest: Newest,
    limits: &Limits,
    observer: &dyn Observer,
) -> Known {
    let mut passes = Passes::new(roots, readers, newest, limits, observer);
    for sighting in seen {
        passes.open.insert(sighting.location.clone(), Open { sighting, failure: None });
    }
    let mut pause = limits.pause;
    for number in 1..=PASSES {
        let missed = passes.pass().await;
        if missed.is_empty() || number == PASSES {
            passes.give_up(missed);
            break;
        }
        observer.event(&Event::AnotherPass { pass: number + 1 });
        if missed.iter().any(|missed| matches!(missed, Missed::NotYet)) {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }
    passes.finish()
}

/// A sighting that has not been read.
#[derive(Debug)]
struct Open {
    sighting: Sighting,
    /// Why the last try failed, and whether another can succeed while the file stays as it is.
    failure: Option<(chksweep_core::plan::Unreadable, Retry)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    NextPass,
    WhenChanged,
}

/// Something that a pass did not see although it was there, or may have been.
#[derive(Debug)]
enum Missed {
    /// A file is gone before it was read.
    Gone(Sighting),
    /// A file, or a directory, may be had a moment later.
    NotYet,
    /// A directory is gone before it was listed.
    Directory(Location),
}

enum Done {
    Visited(Box<Visited>),
    Read(Box<Sighting>, Outcome),
}

struct Passes<'a> {
    roots: &'a [Root],
    readers: Arc<Readers>,
    concurrency: usize,
    observer: &'a dyn Observer,
    regions: Vec<Arc<Region>>,
    /// What was read, by location: one for each mtime and length.
    read: BTreeMap<Location, Vec<(Sighting, Understood)>>,
    /// What is no metadata in spite of its name.
    others: BTreeSet<(Location, Stamp)>,
    /// What was seen and not read.
    open: BTreeMap<Location, Open>,
    unlisted: BTreeMap<Location, String>,
    own: BTreeSet<Location>,
    links: BTreeSet<Location>,
    newest: Newest,
    done: u64,
    /// What this pass has to do yet, and what it saw.
    visits: Vec<Visit>,
    reads: Vec<Sighting>,
    seen: BTreeSet<Location>,
    missed: Vec<Missed>,
}

impl<'a> Passes<'a> {
    fn new(
        roots: &'a [Root],
        readers: Arc<Readers>,
        newest: Newest,
        limits: &Limits,
        observer: &'a dyn Observer,
    ) -> Self {
        let regions = roots.iter().map(region_of).collect();
        Self {
            roots,
            readers,
            concurrency: limits.concurrency,
            observer,
            regions,
            read: BTreeMap::new(),
            others: BTreeSet::new(),
            open: BTreeMap::new(),
            unlisted: BTreeMap::new(),
            own: BTreeSet::new(),
            links: BTreeSet::new(),
            newest,
            done: 0,
            visits: Vec::new(),
            reads: Vec::new(),
            seen: BTreeSet::new(),
            missed: Vec::new(),
        }
    }

    /// Lists everything once and reads what is new. Returns what was missed.
    async fn pass(&mut self) -> Vec<Missed> {
        self.unlisted.clear();
        self.seen.clear();
        for (root, region) in self.roots.iter().zip(&self.regions).rev() {
            self.visits.push(Visit {
                location: root.location.clone(),
                store: Arc::clone(&root.store),
                area: Area::Root(Arc::clone(region)),
                then: None,
            });
        }
        self.work().await;
        // What an earlier listing saw and this one did not is gone, or lies where only the first one looked.
        let unseen: Vec<Sighting> = self
            .open
            .values()
            .filter(|open| !self.seen.contains(&open.sighting.location))
            .map(|open| open.sighting.clone())
            .collect();
        self.reads.extend(unseen);
        self.work().await;
        std::mem::take(&mut self.missed)
    }

    async fn work(&mut self) {
        let mut pool = Pool::new(self.concurrency);
        loop {
            while pool.has_room() {
                if let Some(sighting) = self.reads.pop() {
                    pool.start(read_one(sighting, Arc::clone(&self.readers)));
                } else if let Some(visit) = self.visits.pop() {
                    pool.start(visit_one(visit, self.newest.fork()));
                } else {
                    break;
                }
            }
            match pool.next().await {
                Some(Done::Visited(visited)) => self.take_visited(*visited),
                Some(Done::Read(sighting, outcome)) => self.take_outcome(*sighting, outcome),
                None => break,
            }
        }
    }

    fn take_visited(&mut self, visited: Visited) {
        let Visited { mut visit, next, metadata, links, holds_own, newest, result } = visited;
        let then = visit.then.take();
        self.newest.unite(newest);
        self.links.extend(links);
        if let Err(error) = result {
            self.take_unlisted(&visit, &error);
        }
        if holds_own && matches!(visit.area, Area::Root(_) | Area::Below(_)) {
            self.own.insert(visit.location);
        }
        // What is added last is taken first.
        self.visits.extend(next.into_iter().rev());
        self.visits.extend(then.map(|then| *then));
        for sighting in metadata {
            self.take_sighting(sighting);
        }
    }

    fn take_unlisted(&mut self, visit: &Visit, error: &StoreError) {
        let location = visit.location.clone();
        match (&visit.area, error.kind) {
            // Most roots have no quarantine.
            (Area::Quarantine { .. }, ErrorKind::NotFound) => {}
            (Area::Below(_) | Area::Run { .. } | Area::Moved(_), ErrorKind::NotFound) => {
                self.missed.push(Missed::Directory(location));
            }
            (_, kind) => {
                if may_be_listed_later(kind) {
                    self.missed.push(Missed::NotYet);
                }
                self.unlisted.insert(location, error.to_string());
            }
        }
    }

    fn take_sighting(&mut self, sighting: Sighting) {
        let location = &sighting.location;
        self.seen.insert(location.clone());
        if self.others.contains(&(location.clone(), sighting.stamp)) {
            return;
        }
        let known = self.read.get(location).into_iter().flatten();
        if known.into_iter().any(|(known, _)| known.stamp == sighting.stamp) {
            // It is what it was, whatever it was in between.
            self.open.remove(location);
            return;
        }
        if let Some(open) = self.open.get(location)
            && open.sighting.stamp == sighting.stamp
            && matches!(open.failure, Some((_, Retry::WhenChanged)))
        {
            return;
        }
        self.open.insert(location.clone(), Open { sighting: sighting.clone(), failure: None });
        self.reads.push(sighting);
    }

    fn take_outcome(&mut self, sighting: Sighting, outcome: Outcome) {
        let location = sighting.location.clone();
        match outcome {
            Outcome::Read(understood) => {
                self.open.remove(&location);
                self.read.entry(location).or_default().push((sighting, *understood));
            }
            Outcome::NotMetadata => {
                self.open.remove(&location);
                self.others.insert((location, sighting.stamp));
            }
            Outcome::Gone => {
                self.open.remove(&location);
                self.missed.push(Missed::Gone(sighting));
            }
            Outcome::NotYet(failure) => {
                self.missed.push(Missed::NotYet);
                self.open.insert(location, Open { sighting, failure: Some((failure, Retry::NextPass)) });
            }
            Outcome::Never(failure) => {
                self.open.insert(location, Open { sighting, failure: Some((failure, Retry::WhenChanged)) });
            }
        }
        self.done += 1;
        let waiting = u64::try_from(self.reads.len()).unwrap_or(u64::MAX);
        let found = self.done.saturating_add(waiting);
        self.observer.event(&Event::ReadingMetadata { read: self.done, found });
    }

    /// Turns what the last pass missed into metadata that cannot be read.
    fn give_up(&mut self, missed: Vec<Missed>) {
        for missed in missed {
            match missed {
                Missed::Gone(sighting) => {
                    let message = format!("{} was gone before it could be read", sighting.location);
                    let failure = read::unreadable("vanished", message);
                    let location = sighting.location.clone();
                    let failure = Some((failure, Retry::NextPass));
                    self.open.entry(location).or_insert(Open { sighting, failure });
                }
                Missed::Directory(location) => {
                    let why = format!("{location} was gone before it could be listed");
                    self.unlisted.insert(location, why);
                }
                // It is among what is open, or among what is not listed.
                Missed::NotYet => {}
            }
        }
    }

    fn finish(self) -> Known {
        let mut metadata: Vec<KnownMetadata> = Vec::new();
        for (sighting, understood) in self.read.into_values().flatten() {
            let content = Ok(understood.content);
            metadata.push(KnownMetadata { file: file_of(sighting, content), raw: understood.raw });
        }
        for open in self.open.into_values() {
            let failure = open.failure.map_or_else(
                || read::unreadable("unreadable", format!("{} was not read", open.sighting.location)),
                |(failure, _)| failure,
            );
            metadata.push(KnownMetadata { file: file_of(open.sighting, Err(failure)), raw: None });
        }
        metadata.sort_by(|a, b| {
            (&a.file.location, a.file.modified, a.file.bytes).cmp(&(
                &b.file.location,
                b.file.modified,
                b.file.bytes,
            ))
        });
        let problems = link_problems(&self.links);
        Known { metadata, unlisted: self.unlisted, own: self.own, newest: self.newest, problems }
    }
}

/// Whether listing a directory again may succeed: it was the store, or the directory changed under the reader.
fn may_be_listed_later(kind: ErrorKind) -> bool {
    kind.is_transient()
        || matches!(kind, ErrorKind::NotFound | ErrorKind::WrongType | ErrorKind::Unrepresentable)
}

fn region_of(root: &Root) -> Arc<Region> {
    let place = match root.usage {
        Use::Sweep => Place::Sweep,
        Use::Reference => Place::Reference,
    };
    Arc::new(Region { place, holes: root.holes.clone() })
}

async fn visit_one(visit: Visit, newest: Newest) -> Done {
    Done::Visited(Box::new(visit::visit(visit, newest).await))
}

async fn read_one(sighting: Sighting, readers: Arc<Readers>) -> Done {
    let outcome = read::read(&sighting, &readers).await;
    Done::Read(Box::new(sighting), outcome)
}

fn file_of(
    sighting: Sighting,
    content: Result<chksweep_core::Content, chksweep_core::plan::Unreadable>,
) -> MetadataFile {
    MetadataFile {
        location: sighting.location,
        bytes: sighting.stamp.length,
        modified: sighting.stamp.modified,
        place: sighting.place,
        content,
        operator_state: OperatorStateSearch::NotSearched,
    }
}

fn link_problems(links: &BTreeSet<Location>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = links
        .iter()
        .take(LINKS_TOLD)
        .map(|link| {
            Problem::warning(
                "not-followed",
                Some(link.to_string()),
                "is neither a file nor a directory and is not followed: if checkpoints lie behind it, list the \
                 place it leads to as a root or reference root",
            )
        })
        .collect();
    if links.len() > LINKS_TOLD {
        let more = links.len() - LINKS_TOLD;
        problems.push(Problem::warning("not-followed", None, format!("{more} more links are not followed")));
    }
    problems
}
