//! Decides what is garbage: a pure function from what was seen to a plan. No clock, no I/O, no randomness.
//!
//! The steps, each in a module of its own:
//!
//! 1. `map`: what every listed directory is, and which job it belongs to;
//! 2. `naming`: which files and directories kept metadata names: by path, by base name, by directory;
//! 3. `liveness`: which jobs are proved dead, and which jobs use what lies under which;
//! 4. `retention`: which checkpoints and savepoints a policy retires;
//! 5. `guards`: what metadata that is unreadable, dangling or absent holds back;
//! 6. `classify`: one verdict for every file and every directory, with no default arm;
//! 7. `summary`: sums, what a policy would free besides, brakes.
//!
//! Missing a candidate is harmless; missing a reference is fatal. So each step errs to one side only: naming
//! unites every reading, death needs every condition, and a verdict is `sweep` only at the end of a chain of
//! conditions that all hold.

mod classify;
mod guards;
mod liveness;
mod map;
mod naming;
mod retention;
mod summary;

use chksweep_core::plan::{Plan, PlanInput};

/// Why no plan could be made: something that was asked for contradicts what was seen.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A job that was declared dead changed within `min-age`.
    #[error("{job} was declared dead, but {path} changed at {at}, within min-age: is it running?")]
    DeadJobActive {
        /// The job as it was declared.
        job: String,
        /// What changed.
        path: String,
        /// When.
        at: String,
    },
}

/// Plans: every listed path gets one decision with one rule.
///
/// # Errors
///
/// Where a job that was declared dead is visibly not.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, PlanError> {
    let map = map::Map::new(input);
    let snapshots = naming::snapshots(input);
    let naming = naming::Naming::new(input, &map, &snapshots);
    let liveness = liveness::Liveness::new(input, &map, &snapshots, &naming)?;
    let retention = retention::Retention::new(input, &map, &snapshots, &naming, &liveness, None);
    let guards = guards::Guards::new(input, &map, &snapshots, &naming, &liveness);
    let world = classify::World {
        input,
        map: &map,
        snapshots: &snapshots,
        naming: &naming,
        liveness: &liveness,
        retention: &retention,
        guards: &guards,
    };
    let (decisions, grounds) = classify::classify(&world);
    Ok(summary::finish(&world, decisions, grounds))
}
