//! Proves a plan before it is shown or carried out; shares no code with the planner.
//!
//! The planner goes from what is named to what is not. The checker goes the other way: for each thing that a plan
//! would sweep it collects, by its own reading of the same input, every reason that would forbid it. The two meet
//! only in the types of `chksweep-core`, so a bug of the one is not a bug of the other.
//!
//! It is one-sided on purpose. Whatever is not swept is none of its concern: keeping too much is harmless. And it
//! need not decide, only refuse, so where the design leaves a judgement it asks for what every reading asks for. The
//! invariants stand in `checks`, one function for each; the rest of this crate is what they look things up in.
//!
//! Time and memory are linear in what was listed and read: names are sorted lists of sixteen bytes each, and only
//! what is swept is looked up in them.

mod checks;
mod fingerprint;
mod jobs;
mod names;
mod outsiders;
mod report;
mod retention;
mod snapshots;
mod verified;
mod view;
mod voices;

use chksweep_core::plan::{Plan, PlanInput};

pub use verified::{Finding, Findings, VerifiedPlan};

/// Checks a plan against the input that it was made from.
///
/// # Errors
///
/// When some invariant does not hold: the plan would sweep something that is not proved dead, or does not say what
/// it does. That is a bug of the planner, or of this checker; nothing may be carried out.
pub fn check(input: &PlanInput<'_>, plan: Plan) -> Result<VerifiedPlan, Findings> {
    match checks::all(input, &plan).into_findings() {
        Some(findings) => Err(findings),
        None => Ok(VerifiedPlan::new(plan)),
    }
}
