//! One operation of a batch, ready to be written down, carried out and reported.

use chksweep_core::plan::{Evidence, Rule};
use chksweep_core::{JobId, Location, Uuid};

use crate::journal::{Done, IntentPath, Operation, Outcome, Record};
use crate::own::Stamp;

/// How an operation is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A file is moved, its new directory made for its owner alone (in a quarantine) or for all (anywhere else).
    Move { to: Location, stamp: Stamp, private: bool },
    /// A directory is moved with all below it, which must have this digest before and after.
    MoveTree { to: Location, digest: u128 },
    /// A file is moved to the trash.
    Trash { stamp: Stamp },
    /// A file is deleted.
    Delete { stamp: Stamp },
    /// An empty directory is removed, and made again in the quarantine, so that undoing the run makes it again.
    RemoveDirectory { mirror: Option<Location> },
    /// A directory in a quarantine is deleted with all below it.
    DeleteTree,
}

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    pub(crate) from: Location,
    pub(crate) how: How,
    pub(crate) rule: Option<Rule>,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) job: Option<JobId>,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) why: Option<String>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) outcome: Outcome,
    pub(crate) message: Option<String>,
    /// Where it went, where that is not where it was meant to go.
    pub(crate) to: Option<Location>,
}

impl Fate {
    pub(crate) fn done() -> Self {
        Self { outcome: Outcome::Done, message: None, to: None }
    }

    #[expect(clippy::needless_pass_by_value, reason = "takes errors, texts and references to either")]
    pub(crate) fn new(outcome: Outcome, message: impl ToString) -> Self {
        Self { outcome, message: Some(message.to_string()), to: None }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }
}

impl Step {
    /// Where it goes, if that is known before.
    pub(crate) fn to(&self) -> Option<&Location> {
        match &self.how {
            How::Move { to, .. } | How::MoveTree { to, .. } => Some(to),
            How::Trash { .. } | How::Delete { .. } | How::RemoveDirectory { .. } | How::DeleteTree => None,
        }
    }

    pub(crate) fn intent(&self) -> IntentPath {
        let tree = match &self.how {
            How::MoveTree { digest, .. } => Some(format!("{digest:032x}")),
            How::Move { .. }
            | How::Trash { .. }
            | How::Delete { .. }
            | How::RemoveDirectory { .. }
            | How::DeleteTree => None,
        };
        let stamp = match &self.how {
            How::Move { stamp, .. } if Uuid::parse(self.from.name()).is_none() => Some(*stamp),
            How::Move { .. }
            | How::MoveTree { .. }
            | How::Trash { .. }
            | How::Delete { .. }
            | How::RemoveDirectory { .. }
            | How::DeleteTree => None,
        };
        IntentPath {
            operation: self.operation,
            from: (&self.from).into(),
            to: self.to().map(Into::into),
            tree,
            stamp,
            rule: self.rule,
            evidence: self.evidence.clone(),
        }
    }

    pub(crate) fn record(&self, batch: u64, fate: &Fate) -> Record {
        let mtime = match &self.how {
            How::Move { stamp, .. } | How::Trash { stamp } | How::Delete { stamp } => Some(stamp.modified),
            How::MoveTree { .. } | How::RemoveDirectory { .. } | How::DeleteTree => None,
        };
        let done = Box::new(Done {
            batch,
            operation: self.operation,
            outcome: fate.outcome,
            rule: self.rule,
            evidence: self.evidence.clone(),
            job: self.job,
            files: self.files,
            bytes: self.bytes,
            mtime,
            from: (&self.from).into(),
            to: fate.to.as_ref().or(self.to()).map(Into::into),
            message: fate.message.clone().or_else(|| self.why.clone()),
        });
        if self.operation == Operation::Rescue { Record::Rescue(done) } else { Record::Operation(done) }
    }
}
