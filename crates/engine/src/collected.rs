//! What one complete look at the roots found.

use std::collections::BTreeSet;

use chksweep_core::plan::{Looks, MetadataFile, Problem};
use chksweep_core::{Inventory, Location, NameRef, Timestamp, Uuid, layout};
use tokio::time::Instant;

/// What one complete look at the roots found: everything that a plan is made from, but for policy and time.
#[derive(Debug)]
pub struct Collected {
    /// When the look began, by the local clock.
    pub looked_at: Timestamp,
    /// When the look began, by a clock that never goes back. So old may be what it tells: what metadata names is younger,
    /// but when a checkpoint was last read, which shows that a job begins from it, is told by the listing before.
    pub read_at: Instant,
    /// The candidates under the sweep roots.
    pub inventory: Inventory,
    /// Every metadata file under sweep and reference roots and in their quarantines, read after the candidates
    /// were listed.
    pub metadata: Vec<MetadataFile>,
    /// Directories in which metadata could lie and whose listing broke, with what broke it.
    pub unlisted: Vec<(Location, String)>,
    /// Pinned places, from every root.
    pub pins: Vec<Location>,
    /// What earlier looks saw.
    pub looks: Looks,
    /// What lies in the quarantines of the roots.
    pub quarantine: Vec<QuarantinedRun>,
    /// Metadata that may name task-owned files in quarantine inside operator state that could not be searched.
    pub unsearched: BTreeSet<Location>,
    /// Files of operator state that collecting opened, with the access time that this gave them: it tells of no
    /// job.
    pub opened: Vec<(Location, Timestamp)>,
    /// What collecting has to say.
    pub problems: Vec<Problem>,
}

/// What one run set aside under one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedRun {
    /// The root under whose `.chksweep` it lies.
    pub root: Location,
    /// The id of the run.
    pub run_id: String,
    /// When the run started; nothing where its record does not tell, which counts as now.
    pub started_at: Option<Timestamp>,
    /// The schema of its record, where a newer program wrote it: then it is left to that, but for what is named again.
    pub newer_schema: Option<u32>,
    /// Where it lies: `<root>/.chksweep/quarantine/<run id>`.
    pub location: Location,
    /// The files in it, in no particular order.
    pub files: Vec<QuarantinedFile>,
    /// Whether all of it could be listed.
    pub complete: bool,
}

/// One file in a quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedFile {
    /// Where it lies now.
    pub location: Location,
    /// Where it lay before.
    pub original: Location,
    /// Its length in bytes.
    pub length: u64,
    /// Its mtime, which a rename leaves alone.
    pub modified: Timestamp,
    /// When it was last read, as far as the store tells, which a rename leaves alone as well; 0 where it does not.
    pub accessed: Timestamp,
    /// How many copies there are, where the store tells it.
    pub replication: Option<u16>,
}

impl QuarantinedFile {
    /// Returns the directory that held the `taskowned` in which it directly lay, and its name, where that is a UUID: then
    /// operator state may name it.
    pub fn task_owned(&self) -> Option<(Location, Uuid)> {
        let directory = self.original.parent().filter(|parent| parent.name() == layout::TASK_OWNED)?;
        Some((directory.parent()?, NameRef::new(self.original.name()).uuid()?))
    }
}
