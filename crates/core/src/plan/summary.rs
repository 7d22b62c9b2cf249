//! What a person, or a program, needs to judge a plan.

use serde::{Deserialize, Serialize};

use super::decide::{Decision, Decisions};
use super::entry::Totals;
use super::evidence::Grounds;
use super::file::Header;
use super::input::Looks;
use crate::ids::JobId;
use crate::time::Timestamp;

/// A plan: what happens to every listed path, and why.
#[derive(Clone, Debug)]
#[must_use = "a plan that nobody checks or shows is of no use"]
pub struct Plan {
    /// What it was made from, in short.
    pub header: Header,
    /// The decisions, for the inventory that it was made from.
    pub decisions: Decisions,
    /// The sums.
    pub summary: Summary,
    /// Limits that the plan exceeds. While there is one, nothing is carried out.
    pub brakes: Vec<Brake>,
    /// What this look saw, for the next one.
    pub looks: Looks,
    /// Whether metadata that could not be read held something back.
    pub held_by_unreadable: bool,
    /// What the sweeps rest on, for the record.
    pub grounds: Grounds,
}

/// The sums of a plan; the object that `plan --format json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The id of the run.
    pub run_id: String,
    /// The point in time from which ages are counted.
    pub as_of: Timestamp,
    /// The roots, as printed.
    pub roots: Vec<String>,
    /// Files and bytes by decision; their sum is all that was listed.
    pub decisions: DecisionTotals,
    /// The jobs, by id.
    pub jobs: Vec<JobSummary>,
    /// What a policy would free besides.
    pub what_if: Vec<WhatIf>,
    /// What somebody should know.
    pub problems: Vec<Problem>,
    /// The plan file that was written.
    pub plan: Option<String>,
    /// What earlier runs set aside; nothing where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<InQuarantine>,
}

/// What earlier runs set aside, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InQuarantine {
    /// Files in the quarantines of all roots.
    pub files: u64,
    /// Their lengths.
    pub bytes: u64,
    /// When the first of it is old enough to be purged.
    pub first_due: Option<Timestamp>,
}

/// Totals by decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionTotals {
    /// Proved to be garbage.
    pub sweep: Totals,
    /// Referenced or retained.
    pub keep: Totals,
    /// Not decided yet.
    pub defer: Totals,
    /// Not understood, not selected, or held back.
    pub skip: Totals,
}

impl DecisionTotals {
    /// Returns the totals of one decision.
    pub fn of(&self, decision: Decision) -> Totals {
        match decision {
            Decision::Sweep => self.sweep,
            Decision::Keep => self.keep,
            Decision::Defer => self.defer,
            Decision::Skip => self.skip,
        }
    }

    /// Returns the totals of one decision, to be added to.
    pub fn of_mut(&mut self, decision: Decision) -> &mut Totals {
        match decision {
            Decision::Sweep => &mut self.sweep,
            Decision::Keep => &mut self.keep,
            Decision::Defer => &mut self.defer,
            Decision::Skip => &mut self.skip,
        }
    }

    /// Returns the sum of all four.
    pub fn all(&self) -> Totals {
        let mut sum = Totals::default();
        for part in [self.sweep, self.keep, self.defer, self.skip] {
            sum.add(part);
        }
        sum
    }
}

/// What a plan means for one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// Its id; nothing for what lies in no directory of a job.
    pub job: Option<JobId>,
    /// Its name, where some source tells it.
    pub name: Option<String>,
    /// Its directories, as printed.
    pub directories: Vec<String>,
    /// How many completed checkpoints and savepoints lie in its directories.
    pub checkpoints: u64,
    /// The newest completed checkpoint.
    pub newest: Option<Newest>,
    /// `dead`, `living`, or nothing for what is no job.
    pub state: Option<JobState>,
    /// The newest change that was seen in it.
    pub last_activity: Option<Timestamp>,
    /// Files and bytes by decision.
    pub decisions: DecisionTotals,
}

/// Whether a job is proved dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Proved dead.
    Dead,
    /// Not proved dead: silence means running.
    Living,
}

/// The newest completed checkpoint of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Newest {
    /// Its directory, as printed.
    pub path: String,
    /// Its number.
    pub checkpoint_id: i64,
    /// The mtime of its `_metadata`.
    pub mtime: Timestamp,
}

/// What a policy would free besides what the plan sweeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatIf {
    /// The policy, as one would write it: `keep-last=1`.
    pub policy: String,
    /// Files that it would free.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Warning,
    /// It holds something back.
    Error,
}

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in words with dashes that do not change.
    pub code: String,
    /// Where it is, as printed.
    pub path: Option<String>,
    /// What it is, in a sentence that says what to do.
    pub message: String,
}

impl Problem {
    /// Makes a problem that holds something back.
    pub fn error(code: &str, path: Option<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code: code.to_owned(), path, message: message.into() }
    }

    /// Makes a problem that is worth knowing.
    pub fn warning(code: &str, path: Option<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code: code.to_owned(), path, message: message.into() }
    }
}

/// A limit that a plan exceeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// The name of the limit: `max-sweep-ratio`, `max-dangling`, `no-readable-metadata` …
    pub limit: String,
    /// The root that it holds, where it is one.
    pub root: Option<String>,
    /// What was found, and what was allowed.
    pub message: String,
}
