//! What a plan is: one decision with one rule for every path that was listed, and what a person needs to judge it.
//!
//! A plan is data. It is made by `chksweep-planner` from what was seen and nothing else, proved by
//! `chksweep-audit`, written to a file, and carried out by `chksweep-engine`, which has no choices left.

mod decide;
mod entry;
mod evidence;
mod file;
mod input;
mod summary;

pub use decide::{Decision, Decisions, Rule, Verdict};
pub use entry::{Entry, EntryKind, Totals, entries, tree_digest};
pub use evidence::{Basis, DeadBy, Death, Evidence, Ground, Grounds, Witness};
pub use file::{Header, MetadataStamp, PlanFile, PlanFileError, PlanFileReader, PlanFileWriter, SCHEMA};
pub use input::{Look, Looks, MetadataFile, OperatorStateSearch, OwnMove, Place, PlanInput, Unreadable};
pub use summary::{
    Brake, DecisionTotals, InQuarantine, JobState, JobSummary, Newest, Plan, Problem, Severity, Summary,
    WhatIf,
};
