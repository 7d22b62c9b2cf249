//! The lines of a journal.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chksweep_core::plan::{Basis, Evidence, Rule};
use chksweep_core::policy::DeadJob;
use chksweep_core::{JobId, Location, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::own::Stamp;

/// The version of the journal that this program writes. It reads 1, whose lines have no sum of their own, no evidence
/// and no basis, and this one.
pub const SCHEMA: u32 = 2;

/// A location in a journal: as printed where that is UTF-8, else with its exact bytes beside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot(pub Location);

impl fmt::Debug for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&Location> for Spot {
    fn from(location: &Location) -> Self {
        Self(location.clone())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SpotText {
    Plain(String),
    Odd {
        path: String,
        #[serde(rename = "pathBase64")]
        base64: String,
    },
}

impl Serialize for Spot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let path = self.0.to_string();
        let text = if std::str::from_utf8(self.0.as_bytes()).is_ok() {
            SpotText::Plain(path)
        } else {
            SpotText::Odd { path, base64: BASE64.encode(self.0.as_bytes()) }
        };
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Spot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match SpotText::deserialize(deserializer)? {
            SpotText::Plain(text) => text.into_bytes(),
            SpotText::Odd { base64, .. } => BASE64.decode(base64).map_err(D::Error::custom)?,
        };
        let location = Location::from_printed(&bytes);
        location.map(Self).ok_or_else(|| D::Error::custom("not a location"))
    }
}

/// What swept paths become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are set aside under the root.
    #[default]
    Quarantine,
    /// They go into the trash of the store.
    Trash,
    /// They are deleted.
    Delete,
}

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// A file is set aside.
    Quarantine,
    /// A directory is set aside with all in it.
    QuarantineTree,
    /// A file goes into the trash.
    Trash,
    /// A file is deleted.
    Delete,
    /// An empty directory is removed.
    RemoveDirectory,
    /// A quarantined file is brought back on request.
    Restore,
    /// A quarantined file is brought back since something names it.
    Rescue,
    /// A part of a quarantine is deleted.
    Purge,
    /// A directory that was found changed after it was set aside is put back.
    PutBack,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// Somebody else had taken the path away before.
    AlreadyGone,
    /// The path is not what it was when it was planned: left alone.
    Changed,
    /// Something new lies in the directory: left alone.
    NotEmpty,
    /// It was moved, found changed, and put back.
    PutBack,
    /// It was not done, for a reason that the message tells.
    Failed,
    /// The run stopped before it was begun.
    NotStarted,
    /// It cannot be told whether it was done. The next run looks again.
    Unknown,
}

impl Outcome {
    /// Returns whether a run with such an outcome is only partly done.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Unknown)
    }
}

/// The first line: who does what, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The run.
    pub run_id: String,
    /// When it started, by the clock of the storage.
    pub at: Timestamp,
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name and version of the program.
    pub tool: String,
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process on that machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub command: String,
    /// What swept paths become.
    pub mode: Mode,
    /// The roots.
    pub roots: Vec<Spot>,
    /// The roots that were read for references only.
    #[serde(default)]
    pub reference_roots: Vec<Spot>,
    /// Jobs that were declared dead.
    #[serde(default)]
    pub dead_jobs: Vec<DeadJob>,
    /// The digest of the policy.
    pub policy_digest: Option<String>,
    /// The digest of the plan that was approved.
    pub plan_digest: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
}

/// What is about to be done: synced before the first of it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The number of the batch in its run.
    pub batch: u64,
    /// When it was begun, by the clock of the storage as far as that can be told without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Which reading it relies on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The paths.
    pub paths: Vec<IntentPath>,
}

/// One path of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentPath {
    /// What will be done.
    pub operation: Operation,
    /// The path.
    pub from: Spot,
    /// Where it goes, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Spot>,
    /// Of a directory: the digest of what is meant to go with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Of a file of which another may come under the same name: what was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// The rule that takes it: told before it is done, since a run that is killed tells nothing afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// What that rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// One operation with its reason and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The number of its batch.
    pub batch: u64,
    /// What was to be done.
    pub operation: Operation,
    /// What became of it.
    pub outcome: Outcome,
    /// The rule that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// What that rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The job whose directory it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Files: 1, or how many a directory held.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of a file: its mtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<Timestamp>,
    /// The path.
    pub from: Spot,
    /// Where it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Spot>,
    /// Why it was not done, or why it was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What was found of an operation that a broken-off run had begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// The run that was broken off.
    pub run_id: String,
    /// What it meant to do.
    pub operation: Operation,
    /// The path.
    pub from: Spot,
    /// Where it was to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Spot>,
    /// Where it lies.
    pub found: Found,
}

/// Where the path of an unfinished operation lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// At its old place: nothing happened.
    Source,
    /// At its new place: it was done.
    Target,
    /// Something lies at both.
    Both,
    /// Nothing lies at either.
    Neither,
    /// A directory had been moved with more than was planned, or a file in the place of another, and was put back.
    PutBack,
}

/// Counts of outcomes.
pub type Totals = BTreeMap<Outcome, Count>;

/// How many, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Operations.
    pub operations: u64,
    /// Files in them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Count {
    /// Adds one operation.
    pub fn add(&mut self, files: u64, bytes: u64) {
        self.operations += 1;
        self.files = self.files.saturating_add(files);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When the run ended, by the clock of the storage.
    pub at: Timestamp,
    /// Whether it was stopped before it was through.
    pub interrupted: bool,
    /// Whether everything was read and nothing went wrong.
    pub clean: bool,
    /// What became of the operations.
    pub totals: Totals,
}

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Record {
    /// The first line.
    Start(Box<Start>),
    /// What is about to be done.
    Intent(Intent),
    /// What was done.
    Operation(Box<Done>),
    /// A file that was brought back since something names it.
    Rescue(Box<Done>),
    /// What was found of an earlier run.
    Settled(Box<Settled>),
    /// The last line.
    End(End),
}

/// A line with the digest of the one before it. Written, it ends with `sum`, the SHA-256 of all of it before that field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) record: Record,
    /// The SHA-256 of the line before, its newline included; of the first line, 64 zeros.
    pub(super) prev: String,
}
