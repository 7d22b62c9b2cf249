//! Decisions and the rules that make them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::inventory::{DirectoryId, FileId, Inventory};
use crate::time::Timestamp;

/// What happens to a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is proved to be garbage.
    Sweep,
    /// It is referenced, or retained by policy.
    Keep,
    /// It may be garbage, and is too young or not proved yet.
    Defer,
    /// It is not understood, not selected, or in a scope that failed a check.
    Skip,
}

/// Why a path is decided as it is. Each rule belongs to one decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Rule {
    /// A staging file of `_metadata` that was never renamed.
    StagingFile,
    /// A file in `shared` that nothing names.
    UnreferencedShared,
    /// A file of changelog, task-owned, merged or ForSt state of a dead job that nothing names.
    UnreferencedRunningState,
    /// A file beside a readable `_metadata` that nothing names.
    UnreferencedExclusive,
    /// What lies in a `chk-N` that was never completed.
    AbandonedCheckpoint,
    /// The `_metadata` of a checkpoint that the policy retires.
    RetiredCheckpoint,
    /// The `_metadata` of a savepoint that the policy retires.
    RetiredSavepoint,
    /// What lies in a savepoint that was never completed.
    IncompleteSavepoint,
    /// What is left of a job that the policy lets expire.
    ExpiredJob,
    /// A directory that Flink makes, empty or left empty.
    EmptyDirectory,
    /// Kept metadata names its path.
    Named,
    /// Kept metadata holds its name, under another path or inside some bytes.
    NamedByBaseName,
    /// Kept metadata names the directory that it lies in.
    NamedDirectory,
    /// The `_metadata` of a checkpoint that is kept.
    Retained,
    /// Somebody pinned it.
    Pinned,
    /// The `_metadata` of a savepoint that is kept.
    Savepoint,
    /// A directory that holds what stays.
    Structure,
    /// Younger than `min-age`, without a time, or from the future.
    Young,
    /// No checkpoint of its directory completed after it was written.
    BehindFrontierNotYet,
    /// Its job, or one that may use it, is not proved dead.
    JobNotDead,
    /// It may still be open for writing.
    Open,
    /// A checkpoint or savepoint that may still be being written.
    InProgress,
    /// No name that Flink gives.
    UnknownName,
    /// Its directory could not be listed to the end.
    PartialListing,
    /// Metadata that cannot be read may name it.
    UnreadableMetadata,
    /// The newest checkpoint of its job names files that are not there.
    InconsistentJob,
    /// Its job was not selected.
    NotSelected,
}

impl Rule {
    /// Every rule, sweeping ones first.
    pub const ALL: [Self; 27] = [
        Self::StagingFile,
        Self::UnreferencedShared,
        Self::UnreferencedRunningState,
        Self::UnreferencedExclusive,
        Self::AbandonedCheckpoint,
        Self::RetiredCheckpoint,
        Self::RetiredSavepoint,
        Self::IncompleteSavepoint,
        Self::ExpiredJob,
        Self::EmptyDirectory,
        Self::Named,
        Self::NamedByBaseName,
        Self::NamedDirectory,
        Self::Retained,
        Self::Pinned,
        Self::Savepoint,
        Self::Structure,
        Self::Young,
        Self::BehindFrontierNotYet,
        Self::JobNotDead,
        Self::Open,
        Self::InProgress,
        Self::UnknownName,
        Self::PartialListing,
        Self::UnreadableMetadata,
        Self::InconsistentJob,
        Self::NotSelected,
    ];

    /// Returns the decision that this rule makes.
    pub const fn decision(self) -> Decision {
        match self {
            Self::StagingFile
            | Self::UnreferencedShared
            | Self::UnreferencedRunningState
            | Self::UnreferencedExclusive
            | Self::AbandonedCheckpoint
            | Self::RetiredCheckpoint
            | Self::RetiredSavepoint
            | Self::IncompleteSavepoint
            | Self::ExpiredJob
            | Self::EmptyDirectory => Decision::Sweep,
            Self::Named
            | Self::NamedByBaseName
            | Self::NamedDirectory
            | Self::Retained
            | Self::Pinned
            | Self::Savepoint
            | Self::Structure => Decision::Keep,
            Self::Young | Self::BehindFrontierNotYet | Self::JobNotDead | Self::Open | Self::InProgress => {
                Decision::Defer
            }
            Self::UnknownName
            | Self::PartialListing
            | Self::UnreadableMetadata
            | Self::InconsistentJob
            | Self::NotSelected => Decision::Skip,
        }
    }

    /// Returns the name that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StagingFile => "staging-file",
            Self::UnreferencedShared => "unreferenced-shared",
            Self::UnreferencedRunningState => "unreferenced-running-state",
            Self::UnreferencedExclusive => "unreferenced-exclusive",
            Self::AbandonedCheckpoint => "abandoned-checkpoint",
            Self::RetiredCheckpoint => "retired-checkpoint",
            Self::RetiredSavepoint => "retired-savepoint",
            Self::IncompleteSavepoint => "incomplete-savepoint",
            Self::ExpiredJob => "expired-job",
            Self::EmptyDirectory => "empty-directory",
            Self::Named => "named",
            Self::NamedByBaseName => "named-by-base-name",
            Self::NamedDirectory => "named-directory",
            Self::Retained => "retained",
            Self::Pinned => "pinned",
            Self::Savepoint => "savepoint",
            Self::Structure => "structure",
            Self::Young => "young",
            Self::BehindFrontierNotYet => "behind-frontier-not-yet",
            Self::JobNotDead => "job-not-dead",
            Self::Open => "open",
            Self::InProgress => "in-progress",
            Self::UnknownName => "unknown-name",
            Self::PartialListing => "partial-listing",
            Self::UnreadableMetadata => "unreadable-metadata",
            Self::InconsistentJob => "inconsistent-job",
            Self::NotSelected => "not-selected",
        }
    }

    /// Reads a rule by the name that users see.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Returns what the rule means, as half a sentence for reports.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::StagingFile => "staging file of a checkpoint that was never completed",
            Self::UnreferencedShared => "shared state that no kept checkpoint or savepoint names",
            Self::UnreferencedRunningState => "running state of a dead job that nothing names",
            Self::UnreferencedExclusive => "state beside a readable _metadata that nothing names",
            Self::AbandonedCheckpoint => "checkpoint that was never completed and has been overtaken",
            Self::RetiredCheckpoint => "checkpoint that the retention policy retires",
            Self::RetiredSavepoint => "savepoint that the retention policy retires",
            Self::IncompleteSavepoint => "savepoint that was never completed",
            Self::ExpiredJob => "last checkpoint of a job that the policy lets expire",
            Self::EmptyDirectory => "directory that is empty or left empty",
            Self::Named => "named by kept metadata",
            Self::NamedByBaseName => "its name stands in kept metadata",
            Self::NamedDirectory => "its directory is named by kept metadata",
            Self::Retained => "retained checkpoint",
            Self::Pinned => "pinned",
            Self::Savepoint => "savepoint, kept unless a policy names it",
            Self::Structure => "directory that holds what stays",
            Self::Young => "younger than min-age",
            Self::BehindFrontierNotYet => "no checkpoint completed after it was written",
            Self::JobNotDead => "its job, or one that may use it, is not proved dead",
            Self::Open => "may still be open for writing",
            Self::InProgress => "may still be being written",
            Self::UnknownName => "not a name that Flink gives",
            Self::PartialListing => "its directory could not be listed completely",
            Self::UnreadableMetadata => "metadata that cannot be read may name it",
            Self::InconsistentJob => "the newest checkpoint of its job misses files",
            Self::NotSelected => "its job was not selected",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| serde::de::Error::custom(format!("unknown rule `{name}`")))
    }
}

/// The decision on one path: eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The rule.
    pub rule: Rule,
    /// When it can be decided, in whole seconds since 1970; 0 where time alone does not decide.
    until_s: u32,
}

impl Verdict {
    /// Makes a verdict that time alone does not change.
    pub const fn new(rule: Rule) -> Self {
        Self { rule, until_s: 0 }
    }

    /// Makes a verdict that can be decided at `until`.
    pub fn until(rule: Rule, until: Timestamp) -> Self {
        // Rounded up: never promised too early.
        let seconds = until.0.saturating_add(999) / 1000;
        Self { rule, until_s: u32::try_from(seconds).unwrap_or(0) }
    }

    /// Returns the decision.
    pub const fn decision(self) -> Decision {
        self.rule.decision()
    }

    /// Returns when it can be decided, if time alone decides.
    pub fn until_time(self) -> Option<Timestamp> {
        (self.until_s != 0).then(|| Timestamp(i64::from(self.until_s) * 1000))
    }
}

/// One verdict for each file and each directory of an inventory.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    files: Vec<Verdict>,
    directories: Vec<Verdict>,
}

impl Decisions {
    /// Makes the decisions on an inventory: `default` for all, to be replaced one by one.
    pub fn new(inventory: &Inventory, default: Verdict) -> Self {
        Self {
            files: vec![default; inventory.file_count()],
            directories: vec![default; inventory.directory_count()],
        }
    }

    /// Returns the verdict on a file.
    #[expect(clippy::indexing_slicing, reason = "made with the length of the inventory")]
    pub fn file(&self, id: FileId) -> Verdict {
        self.files[id.index()]
    }

    /// Returns the verdict on a directory itself, apart from what lies in it.
    #[expect(clippy::indexing_slicing, reason = "made with the length of the inventory")]
    pub fn directory(&self, id: DirectoryId) -> Verdict {
        self.directories[id.index()]
    }

    /// Sets the verdict on a file.
    #[expect(clippy::indexing_slicing, reason = "made with the length of the inventory")]
    pub fn set_file(&mut self, id: FileId, verdict: Verdict) {
        self.files[id.index()] = verdict;
    }

    /// Sets the verdict on a directory.
    #[expect(clippy::indexing_slicing, reason = "made with the length of the inventory")]
    pub fn set_directory(&mut self, id: DirectoryId, verdict: Verdict) {
        self.directories[id.index()] = verdict;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rules_are_unique_and_read_back() {
        for (at, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(Rule::parse(rule.name()), Some(rule));
            assert_eq!(Rule::ALL.iter().position(|other| *other == rule), Some(at));
        }
        assert_eq!(size_of::<Verdict>(), 8);
    }
}
