//! What somebody wrote down about what may go: ages, retention, brakes. Pure data, with the defaults of the tool.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::location::Location;
use crate::time::{Age, Timestamp};

/// The policy of one plan, as resolved from flags, environment, file and defaults. It stands in the header of the
/// plan file, and `apply` plans again with exactly this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// No file younger than this is swept.
    pub min_age: Age,
    /// How much older than the newest completed checkpoint a file must be to count as passed over by it.
    pub frontier_slack: Age,
    /// How long a job must have been without any change to count as dead.
    pub quiescent_after: Age,
    /// Whether quiescence alone proves a job dead.
    pub trust_quiescence: bool,
    /// Jobs that somebody declares dead.
    pub dead_jobs: Vec<DeadJob>,
    /// How many completed checkpoints of each lineage stay; without it all do.
    pub keep_last: Option<u32>,
    /// Completed checkpoints younger than this stay.
    pub keep_within: Option<Age>,
    /// How many savepoints of each job stay; without it all do.
    pub savepoint_keep_last: Option<u32>,
    /// Savepoints younger than this stay.
    pub savepoint_keep_within: Option<Age>,
    /// After which time of death what is left of a job may go.
    pub expire_jobs_after: Option<Age>,
    /// Retention for some jobs only; the most specific that matches (an id, then the longest glob) replaces the
    /// retention above.
    pub rules: Vec<RetentionRule>,
    /// Whether savepoints without `_metadata` may go once they are older than `min_age`.
    pub incomplete_savepoints: bool,
    /// What metadata that cannot be read means for the rest.
    pub unreadable: OnUnreadable,
    /// Metadata that somebody has looked at, and accepts as unreadable.
    pub accept_unreadable: Vec<AcceptedUnreadable>,
    /// Whether no job under these roots uses high availability: nothing but what lies here points at checkpoints.
    pub no_ha: bool,
    /// Which share of the references of the newest checkpoints of living jobs may resolve to nothing.
    pub max_dangling: f64,
    /// The jobs that may be swept; all when empty. Never narrows what is read.
    pub jobs: Vec<JobId>,
    /// Limits on the plan as a whole.
    pub brakes: Brakes,
}

/// A job that somebody declares dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeadJob {
    /// Every directory of this id.
    Id(JobId),
    /// One directory, as its location is printed.
    Path(String),
}

/// Retention for the jobs that match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionRule {
    /// The id of a job, or a glob (`*`, `?`) over the path component of a location.
    pub matches: String,
    /// As [`Policy::keep_last`].
    #[serde(default)]
    pub keep_last: Option<u32>,
    /// As [`Policy::keep_within`].
    #[serde(default)]
    pub keep_within: Option<Age>,
    /// As [`Policy::savepoint_keep_last`].
    #[serde(default)]
    pub savepoint_keep_last: Option<u32>,
    /// As [`Policy::savepoint_keep_within`].
    #[serde(default)]
    pub savepoint_keep_within: Option<Age>,
    /// As [`Policy::expire_jobs_after`].
    #[serde(default)]
    pub expire_jobs_after: Option<Age>,
    /// Whether all that matches belongs to one job, of which never two runs write at once: savepoints, whatever their
    /// names say, and the checkpoints of a job directory under an id that several clusters may have
    /// ([`crate::JobId::may_be_shared`]), or without one. It makes no frontier.
    #[serde(default)]
    pub one_job: bool,
}

/// What metadata that cannot be read means for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnreadable {
    /// Nothing at all is swept.
    #[default]
    Block,
    /// Only what it cannot concern is swept.
    Isolate,
}

/// One unreadable metadata file that somebody accepts, as long as it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptedUnreadable {
    /// Its location, as printed.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its mtime.
    pub mtime: Timestamp,
}

/// Limits on the plan as a whole, each with its unit in its name; held only when exceeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Brakes {
    /// The largest share of the files, and of the bytes, under one root (of the selected jobs with `--job`).
    pub max_sweep_ratio: f64,
    /// The largest number of files.
    pub max_sweep_files: Option<u64>,
    /// The largest number of bytes.
    pub max_sweep_bytes: Option<u64>,
    /// The largest number of jobs of which something goes.
    pub max_sweep_jobs: Option<u64>,
}

impl Default for Brakes {
    fn default() -> Self {
        Self { max_sweep_ratio: 0.5, max_sweep_files: None, max_sweep_bytes: None, max_sweep_jobs: None }
    }
}

impl Policy {
    /// No `min-age` below this without `--unsafe-min-age`.
    pub const MIN_AGE_FLOOR: Age = Age::hours(1);

    /// Returns whether this job may be swept.
    pub fn selects(&self, job: Option<JobId>) -> bool {
        self.jobs.is_empty() || job.is_some_and(|job| self.jobs.contains(&job))
    }

    /// Returns whether somebody accepted this metadata file as unreadable, just as it is.
    pub fn accepts_unreadable(&self, path: &Location, bytes: u64, mtime: Timestamp) -> bool {
        let path = path.to_string();
        self.accept_unreadable
            .iter()
            .any(|accepted| accepted.path == path && accepted.bytes == bytes && accepted.mtime == mtime)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_age: Age::hours(24),
            frontier_slack: Age::hours(1),
            quiescent_after: Age::days(7),
            trust_quiescence: true,
            dead_jobs: Vec::new(),
            keep_last: None,
            keep_within: None,
            savepoint_keep_last: None,
            savepoint_keep_within: None,
            expire_jobs_after: None,
            rules: Vec::new(),
            incomplete_savepoints: false,
            unreadable: OnUnreadable::Block,
            accept_unreadable: Vec::new(),
            no_ha: false,
            max_dangling: 0.01,
            jobs: Vec::new(),
            brakes: Brakes::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last bit of it was lost.
    #[test]
    fn a_share_is_read_from_a_plan_as_it_was_written() {
        let policy = Policy { max_dangling: 1.446_298_008_029_680_9e-307, ..Policy::default() };
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    }
}
