//! Carrying a proved plan out.

mod hands;
mod report;
mod step;
mod sweep;
#[cfg(test)]
mod tests;
mod trees;

pub(crate) use hands::{Eyes, Hands, Sight};
pub use report::{Dropped, DroppedWhy, ExecutionReport, Incident};
pub(crate) use step::{Fate, How, Step};
pub use sweep::{ExecuteOptions, MAX_READING, Revalidate, execute};
pub(crate) use trees::{digest_of, list_tree, put_back, remove_if_empty};
