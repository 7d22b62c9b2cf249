//! Touches the storage: collects what a plan is made from, and carries a verified plan out.
//!
//! The two halves share no type that could change anything: collecting holds a [`ReadStores`], executing a
//! [`MutateStores`]. This crate knows neither the planner nor HDFS: a plan comes to it as a
//! `chksweep_audit::VerifiedPlan`, wherever it was made.

pub mod actions;
pub mod cancel;
pub mod clock;
pub mod collect;
pub mod collected;
pub mod events;
pub mod execute;
pub mod journal;
pub mod lock;
pub mod looks;
pub mod own;
pub mod pace;
pub mod pins;
pub mod quarantine;
pub mod records;
pub mod run;
mod settle;
pub mod snapshots;
pub mod state;
pub mod stores;
#[cfg(test)]
mod testing;
pub mod trust;

pub use collected::{Collected, QuarantinedFile, QuarantinedRun};
pub use events::{Event, Observer, Quiet};
pub use stores::{MutateStores, ReadStores};
