//! Joins the rooms: looks, plans, proves, and carries out what two plans agree on.
//!
//! Everything that shows or does something goes through here, a dry run as a nightly run: so what was shown and what
//! is done come from the same steps, and what a test drives is what users run. There is no terminal, no setting and
//! no connecting here: stores, clock and listener come from outside.
//!
//! - [`look()`] and [`plan()`]: a plan, proved, from what lies on the storage; [`dry_run`] does both;
//! - [`Session`]: one run that changes something: it begins, looks, plans anew, sweeps, purges and ends;
//! - [`first_plan`] and [`carry_out`]: the two halves of an unattended run, joined by a plan file.

mod error;
mod look;
mod planfile;
mod replan;
mod scope;
mod session;
mod whole;

pub use error::PipelineError;
pub use look::{Look, Planned, dry_run, look, new_run_id, plan, remember};
pub use planfile::{PlanContents, check_place, read_plan, read_plan_file, write_plan_file};
pub use replan::Replanner;
pub use scope::{Clock, Scope, Surroundings, When};
pub use session::{Begin, Purged, Purging, Session, Standing, Swept, Who};
pub use whole::{CarriedOut, carry_out, first_plan};
