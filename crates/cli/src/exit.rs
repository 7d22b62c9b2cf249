//! Exit codes: what cron jobs and scripts rely on.

use std::process::ExitCode;

/// How the program ends. An unknown code is to be treated as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; also when there was nothing to do.
    Done,
    /// Failed: storage, network, authentication, I/O, or a plan that its checker refuses.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// A brake held: the plan is over a limit; nothing was changed.
    Brake,
    /// Metadata that could not be read; what it may concern was left alone.
    Unreadable,
    /// Another run holds the lock.
    Locked,
    /// Partly done: some operations failed, all are listed.
    Partial,
    /// The newest checkpoint of some job is not restorable.
    NotRestorable,
    /// The plan is stale or its digest is wrong; nothing was changed.
    Stale,
    /// With `--detailed-exitcode`: there is something to sweep.
    SomethingToSweep,
    /// Interrupted by SIGINT between two operations.
    Interrupted,
    /// Stopped by SIGTERM between two operations.
    Terminated,
}

impl Exit {
    /// Every way to end; of several that hold the one that stands first is told.
    pub(crate) const BY_PRECEDENCE: [Self; 12] = [
        Self::Interrupted,
        Self::Terminated,
        Self::Usage,
        Self::Stale,
        Self::Locked,
        Self::Brake,
        Self::Failed,
        Self::Partial,
        Self::Unreadable,
        Self::NotRestorable,
        Self::SomethingToSweep,
        Self::Done,
    ];

    /// Returns the code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Brake => 3,
            Self::Unreadable => 4,
            Self::Locked => 5,
            Self::Partial => 6,
            Self::NotRestorable => 7,
            Self::Stale => 8,
            Self::SomethingToSweep => 10,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns which of two is told when both hold.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self::BY_PRECEDENCE.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(self)
    }

    /// Returns whether a JSON document goes with this end.
    pub(crate) const fn has_document(self) -> bool {
        match self {
            Self::Done
            | Self::Brake
            | Self::Unreadable
            | Self::Partial
            | Self::NotRestorable
            | Self::SomethingToSweep => true,
            Self::Failed
            | Self::Usage
            | Self::Locked
            | Self::Stale
            | Self::Interrupted
            | Self::Terminated => false,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_several_hold_the_documented_one_is_told() {
        let order: Vec<u8> = Exit::BY_PRECEDENCE.into_iter().map(Exit::code).collect();
        assert_eq!(order, [130, 143, 2, 8, 5, 3, 1, 6, 4, 7, 10, 0]);
        assert_eq!(Exit::Unreadable.and(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Failed.and(Exit::Unreadable), Exit::Failed);
        assert_eq!(Exit::Done.and(Exit::SomethingToSweep), Exit::SomethingToSweep);
        assert_eq!(Exit::Brake.and(Exit::Unreadable), Exit::Brake);
    }
}
