//! What the sweep of a path rests on: facts that stood in the input of the plan, kept for the record.
//!
//! A rule says why a path may go, the evidence says by what that was found true: which checkpoint passed the file over,
//! how its job is dead. It is made where the plan is made, by directory, and never by what carries the plan out. It is
//! for people who ask later, and decides nothing; the checker proves the sweep itself, not what is said of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::decide::Rule;
use super::file::{Header, MetadataStamp, hex};
use super::input::MetadataFile;
use crate::inventory::DirectoryId;
use crate::time::{Age, Timestamp};

/// A `_metadata` that was read, and that evidence points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Witness {
    /// Its location, as printed.
    pub path: String,
    /// Its checkpoint.
    pub checkpoint_id: i64,
    /// Its mtime.
    pub mtime: Timestamp,
}

/// By what a job was found dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadBy {
    /// Somebody declared it dead.
    Declared,
    /// Nothing in it changed for long, and an earlier look saw the same tree.
    Quiescence,
}

/// How a job was found dead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Death {
    /// By what.
    pub by: DeadBy,
    /// Its directory, as printed.
    pub directory: String,
    /// The newest change in it.
    pub last_activity: Option<Timestamp>,
    /// The first of the looks that all saw the tree as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_since: Option<Timestamp>,
}

/// What may be said for the sweeps in one directory. Everything in it is true; which of it matters is for the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// The newest completed checkpoint of the job directory, where it passes over what is older.
    pub frontier: Option<Witness>,
    /// The checkpoint that overtook this one.
    pub overtaken_by: Option<Witness>,
    /// The readable `_metadata` in this directory.
    pub beside: Option<Witness>,
    /// How the job is dead.
    pub dead: Option<Death>,
    /// The first of the looks that all saw a savepoint as it is.
    pub same_since: Option<Timestamp>,
    /// What the policy says of what lies here, as one would write it.
    pub policy: Option<String>,
}

/// The grounds of a plan, by the directory in which something is swept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// By directory.
    pub by_directory: BTreeMap<DirectoryId, Arc<Ground>>,
}

/// What the sweep of one path rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// How old the path was when ages were counted: from its own mtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<i64>,
    /// The completed checkpoint that was written after the file, by more than the slack, and does not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontier: Option<Witness>,
    /// The checkpoint of the same lineage that completed after all of this one was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overtaken_by: Option<Witness>,
    /// The `_metadata` beside it, which does not name it; of a `_metadata`, itself as it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Witness>,
    /// How its job is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<Death>,
    /// The first of the looks that all saw the savepoint as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_since: Option<Timestamp>,
    /// The policy that retires it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl Ground {
    /// Returns what a sweep by `rule` of a path of this mtime rests on.
    pub fn evidence(&self, rule: Rule, modified: Timestamp, as_of: Timestamp, slack: Age) -> Evidence {
        let mut evidence =
            Evidence { age_ms: Some(as_of.0.saturating_sub(modified.0)), ..Evidence::default() };
        match rule {
            Rule::UnreferencedShared => {
                let passed = self.frontier.as_ref().filter(|frontier| modified < frontier.mtime.minus(slack));
                evidence.frontier = passed.cloned();
                evidence.dead = self.dead.clone().filter(|_| passed.is_none());
            }
            Rule::AbandonedCheckpoint => {
                evidence.overtaken_by.clone_from(&self.overtaken_by);
                evidence.dead = self.dead.clone().filter(|_| self.overtaken_by.is_none());
            }
            Rule::UnreferencedExclusive => evidence.beside.clone_from(&self.beside),
            Rule::UnreferencedRunningState | Rule::EmptyDirectory => evidence.dead.clone_from(&self.dead),
            Rule::RetiredCheckpoint | Rule::RetiredSavepoint => {
                evidence.beside.clone_from(&self.beside);
                evidence.policy.clone_from(&self.policy);
            }
            Rule::ExpiredJob => {
                evidence.beside.clone_from(&self.beside);
                evidence.dead.clone_from(&self.dead);
                evidence.policy.clone_from(&self.policy);
            }
            Rule::IncompleteSavepoint => {
                evidence.same_since = self.same_since;
                evidence.policy.clone_from(&self.policy);
            }
            // Age is all that these need; what does not sweep needs none.
            Rule::StagingFile
            | Rule::Named
            | Rule::NamedByBaseName
            | Rule::NamedDirectory
            | Rule::Retained
            | Rule::Pinned
            | Rule::Savepoint
            | Rule::Structure
            | Rule::Young
            | Rule::BehindFrontierNotYet
            | Rule::JobNotDead
            | Rule::Open
            | Rule::InProgress
            | Rule::UnknownName
            | Rule::PartialListing
            | Rule::UnreadableMetadata
            | Rule::InconsistentJob
            | Rule::NotSelected => {}
        }
        evidence
    }
}

/// Which reading a sweep relies on: everything that could have named a path, in one digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The point in time from which ages were counted.
    pub as_of: Timestamp,
    /// How many metadata files were read.
    pub metadata_files: u64,
    /// Their lengths.
    pub metadata_bytes: u64,
    /// The SHA-256 of a line for each, sorted by path: `{"path":…,"bytes":…,"mtime":…}` as in the first line of a
    /// plan file, and a newline.
    pub metadata_digest: String,
}

impl Basis {
    /// Returns what a plan relies on, from its header.
    pub fn of_plan(header: &Header) -> Self {
        Self::new(header.as_of, &header.metadata)
    }

    /// Returns what a reading comes to.
    pub fn of_reading(as_of: Timestamp, metadata: &[MetadataFile]) -> Self {
        Self::new(as_of, &MetadataStamp::of_all(metadata))
    }

    fn new(as_of: Timestamp, stamps: &[MetadataStamp]) -> Self {
        let mut digest = Sha256::new();
        let mut bytes = 0_u64;
        for stamp in stamps {
            // A stamp is text and numbers: it always has a JSON form.
            digest.update(serde_json::to_vec(stamp).unwrap_or_default());
            digest.update(b"\n");
            bytes = bytes.saturating_add(stamp.bytes);
        }
        Self {
            as_of,
            metadata_files: u64::try_from(stamps.len()).unwrap_or(u64::MAX),
            metadata_bytes: bytes,
            metadata_digest: hex(&digest.finalize()),
        }
    }
}
