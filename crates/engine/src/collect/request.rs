//! What is to be looked at, and how; and why a look can fail as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use chksweep_core::plan::Looks;
use chksweep_core::{Age, Equivalence, Inventory, Location, Timestamp};
use chksweep_store::StoreError;

use crate::events::Observer;
use crate::pins::PinError;
use crate::stores::ReadStores;

/// How far a file's mtime may lie ahead of the clock.
pub const ALLOWED_SKEW: Age = Age::minutes(5);

/// What is to be looked at, and how.
#[derive(Debug)]
pub struct CollectRequest<'a> {
    /// Where something may be swept.
    pub sweep_roots: Vec<Location>,
    /// Where only metadata is read.
    pub reference_roots: Vec<Location>,
    /// The stores of all roots.
    pub stores: ReadStores,
    /// Which spellings are one place. Roots that overlap by it are one root.
    pub equivalence: &'a Equivalence,
    /// The clock when the look begins.
    pub now: Timestamp,
    /// What an mtime ahead of the clock means.
    pub clock: ClockCheck,
    /// Where the candidates come from.
    pub candidates: Candidates,
    /// What earlier looks saw, as far as the caller knows; united with what lies beside the roots.
    pub known_looks: Looks,
    /// Whether operator state is searched for the names of task-owned files.
    pub search_operator_state: bool,
    /// Whether every file in the quarantines of the sweep roots is listed. Metadata in them is always read.
    pub list_quarantine: bool,
    /// How much is done at once.
    pub limits: Limits,
    /// Who hears of the progress.
    pub observer: &'a dyn Observer,
}

impl<'a> CollectRequest<'a> {
    /// Returns the request of a complete look at these roots.
    pub fn new(
        sweep_roots: Vec<Location>,
        stores: ReadStores,
        equivalence: &'a Equivalence,
        now: Timestamp,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            sweep_roots,
            reference_roots: Vec::new(),
            stores,
            equivalence,
            now,
            clock: ClockCheck::Enforce,
            candidates: Candidates::All,
            known_looks: Looks::default(),
            search_operator_state: true,
            list_quarantine: true,
            limits: Limits::default(),
            observer,
        }
    }
}

/// Where the candidates come from.
#[derive(Clone, Debug, Default)]
pub enum Candidates {
    /// Every directory under the sweep roots is listed.
    #[default]
    All,
    /// Only these directories are listed, with all below them, and the directories on the way to them. Any other
    /// directory stays in the inventory as one that was not listed.
    Within(BTreeSet<Location>),
    /// They were listed elsewhere, as in an image of the name space.
    Given(Inventory),
    /// There are none: only metadata is read.
    None,
}

/// What an mtime more than [`ALLOWED_SKEW`] ahead of the clock means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockCheck {
    /// One of the clocks is wrong, and so would be every age: an error.
    #[default]
    Enforce,
    /// A warning: somebody said that it is fine.
    Allow,
    /// Nothing: the time is not that of a clock.
    Off,
}

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many directories are listed, or files read, at the same time.
    pub concurrency: usize,
    /// Up to how many bytes a metadata file is held in memory; a larger one is read as a stream.
    pub metadata_in_memory: u64,
    /// Up to how many bytes a file of operator state is searched.
    pub operator_state_file: u64,
    /// How long to wait before the second pass over metadata that was cut short; each further wait is twice as
    /// long.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 16,
            metadata_in_memory: 32 << 20,
            operator_state_file: 256 << 20,
            pause: Duration::from_millis(250),
        }
    }
}

/// Why a look fails as a whole. What concerns single paths is part of the result instead.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A root does not exist.
    #[error("the root `{root}` does not exist")]
    MissingRoot {
        /// The root.
        root: Location,
    },
    /// A root is something else than a directory.
    #[error("the root `{root}` is no directory")]
    NotADirectory {
        /// The root.
        root: Location,
    },
    /// A root lies in chksweep's own directory.
    #[error("the root `{root}` lies in chksweep's own directory")]
    OwnDirectory {
        /// The root.
        root: Location,
    },
    /// A root cannot be looked at.
    #[error("failed to look at the root `{root}`")]
    Root {
        /// The root.
        root: Location,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The pins of a root cannot be read: sweeping without them could take what somebody protected.
    #[error("failed to read the pins in `{path}`")]
    Pins {
        /// The file of pins.
        path: Location,
        /// What is wrong with it.
        #[source]
        source: PinError,
    },
    /// Something was modified in the future.
    #[error("`{path}` was modified at {modified}, which is more than 5m ahead of the clock, {now}")]
    ClockSkew {
        /// The newest path.
        path: Location,
        /// Its mtime.
        modified: Timestamp,
        /// What the clock said.
        now: Timestamp,
    },
}

impl CollectError {
    /// Returns what the error is, in words with dashes that do not change.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingRoot { .. } => "missing-root",
            Self::NotADirectory { .. } => "root-is-no-directory",
            Self::OwnDirectory { .. } => "root-is-own-directory",
            Self::Root { .. } => "unreadable-root",
            Self::Pins { .. } => "pins-unreadable",
            Self::ClockSkew { .. } => "clock-skew",
        }
    }

    /// Returns what somebody can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::MissingRoot { .. } => "correct the path, or take the root out of the configuration",
            Self::NotADirectory { .. } => {
                "give the directory that holds the checkpoints; of a symbolic link, the place it leads to"
            }
            Self::OwnDirectory { .. } => "give the root itself; its quarantine is looked at with it",
            Self::Root { .. } => "`chksweep check` tells what is missing",
            Self::Pins { .. } => "correct the line, or the rights of the file; pins are never ignored",
            Self::ClockSkew { .. } => {
                "set the clocks, or use --allow-clock-skew when the path was given that time on purpose"
            }
        }
    }
}
