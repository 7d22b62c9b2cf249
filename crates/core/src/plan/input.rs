//! What a plan is made from: everything that was seen, and nothing else. The planner and the checker both take
//! this; neither looks at a store, a clock or a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::summary::Problem;
use crate::content::Content;
use crate::equivalence::Equivalence;
use crate::inventory::Inventory;
use crate::location::Location;
use crate::names::Uuid;
use crate::policy::Policy;
use crate::time::Timestamp;

/// Everything that a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The id of the run.
    pub run_id: &'a str,
    /// The point in time from which ages are counted.
    pub as_of: Timestamp,
    /// When the looking began, by the clock that `as_of` usually is.
    pub looked_at: Timestamp,
    /// The candidates: what was listed under the sweep roots.
    pub inventory: &'a Inventory,
    /// Every metadata file found in sweep roots, reference roots and their quarantines.
    pub metadata: &'a [MetadataFile],
    /// Directories in which metadata could lie and whose listing broke, with what broke it.
    pub unlisted: &'a [(Location, String)],
    /// Roots that were read for references only.
    pub reference_roots: &'a [Location],
    /// Which spellings are one place.
    pub equivalence: &'a Equivalence,
    /// What may go.
    pub policy: &'a Policy,
    /// What earlier looks saw.
    pub looks: &'a Looks,
    /// Pinned places: kept with all below them, and a pinned checkpoint with all that it names.
    pub pins: &'a [Location],
    /// What collecting has to say.
    pub problems: &'a [Problem],
}

/// One metadata file, as it was found.
#[derive(Clone, Debug)]
pub struct MetadataFile {
    /// Where it lies now.
    pub location: Location,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its mtime.
    pub modified: Timestamp,
    /// Whether it lies where Flink put it.
    pub place: Place,
    /// What it says.
    pub content: Result<Content, Unreadable>,
    /// Whether its operator state was searched for the names of task-owned files.
    pub operator_state: OperatorStateSearch,
}

/// Where a metadata file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under a sweep root.
    Sweep,
    /// Under a reference root only.
    Reference,
    /// In the quarantine of a root.
    Quarantined {
        /// Where it lay before.
        original: Location,
        /// When the run that moved it started; nothing where that is unknown, which counts as now.
        moved_at: Option<Timestamp>,
    },
}

/// Metadata that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What kind of error it was, in one word with dashes.
    pub kind: String,
    /// What is wrong with it, and where.
    pub message: String,
    /// The byte at which reading stopped.
    pub offset: Option<u64>,
    /// Whether it may name shared state. Version 0 does not: searching its strings suffices.
    pub blocks: bool,
    /// Every UUID in its bytes, sorted; nothing where not every byte could be searched.
    pub uuids: Option<Vec<Uuid>>,
}

/// Whether the operator state of a snapshot was searched for the UUIDs of files directly in `taskowned`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OperatorStateSearch {
    /// It was not, or not all of it.
    #[default]
    NotSearched,
    /// All of it was searched, as text with bit 7 cleared and as sixteen raw bytes.
    Searched {
        /// The UUIDs of task-owned files that occur in it, sorted.
        found: Vec<Uuid>,
    },
}

/// What earlier looks at the same roots saw; kept beside the records of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Looks {
    /// By the printed location of a job or savepoint directory.
    pub directories: BTreeMap<String, Look>,
    /// By the printed location of a directory: the last run that planned a move in it. Its own mtime may then be
    /// our doing.
    pub moves: BTreeMap<String, OwnMove>,
}

/// When a run moved something in a directory. An mtime within is our own; one after the end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnMove {
    /// The start of the run.
    pub start: Timestamp,
    /// Its end; for a run that was broken off, when it would have told of itself again. Nothing is known to be our own
    /// where nothing was told.
    pub end: Option<Timestamp>,
}

/// What the looks at one directory saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Look {
    /// The digest of its tree, in hex.
    pub tree: String,
    /// The first look that saw this tree, with every look since seeing the same.
    pub since: Timestamp,
    /// The job directories whose metadata named anything in it, in this look.
    pub named_by: Vec<String>,
}
