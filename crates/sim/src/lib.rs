//! Flink jobs, a NameNode and chksweep in one process, by seed: the same number tells the same history.
//!
//! - `model`: the naive oracle, what would lie there without chksweep and who needs what of it;
//! - `flink`: jobs that checkpoint, fail, suspend, restore from each other, and clean up after themselves;
//! - `namenode`: what chksweep talks to: time goes on and jobs act between any two of its calls, and calls fail
//!   before or after they take effect, hang, or take effect late;
//! - `sweeper`: chksweep itself, the very steps of the command line, killed at any call, paused, resumed, twice at once;
//! - `oracle`: what must hold after every step;
//! - `draw`, `history`, `calm`, `undo`: one random history: what holds all through it, what happens, and its calm end, or
//!   the one in which all is undone.
//!
//! There is one clock, tokio's, stopped: it goes on only while everything waits, so a day costs nothing and nothing
//! depends on how fast the machine is.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::large_futures,
    clippy::similar_names,
    clippy::struct_excessive_bools,
    clippy::wildcard_enum_match_arm,
    reason = "a simulator ends with what went wrong, and its numbers are small"
)]

mod calm;
mod dice;
mod draw;
mod flink;
mod history;
mod model;
mod namenode;
mod oracle;
mod records;
mod sweeper;
mod trace;
mod undo;

pub use history::{Outcome, Regime, play};
pub use namenode::Counts;
