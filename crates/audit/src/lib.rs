//! Proves a plan before it is shown or carried out; shares no code with the planner.
//!
//! The planner goes from what is named to what is not. The checker goes the other way: for each thing that a plan
//! would sweep it collects, by its own reading of the same input, every reason that would forbid it. The two meet
//! only in the types of `chksweep-core`, so a bug of the one is not a bug of the other.

mod verified;

pub use verified::{Finding, Findings, VerifiedPlan};
