//! Vocabulary of chksweep, and the reader of Flink's `_metadata`: no I/O, no clock, no randomness.
//!
//! Everything that more than one room of the house speaks of lives here: where a file lies ([`Location`]),
//! what was listed ([`Inventory`]), what a `_metadata` says ([`metadata`], [`Content`]), which policy holds
//! ([`Policy`]) and what a plan is ([`plan`]). The deciding is done in `chksweep-planner`, the proving in
//! `chksweep-audit`; neither knows the other.

pub mod content;
pub mod deps;
pub mod equivalence;
pub mod flink_path;
pub mod ids;
pub mod inspect;
pub mod inventory;
pub mod layout;
pub mod location;
pub mod metadata;
pub mod names;
pub mod oiv;
mod path_table;
pub mod plan;
pub mod policy;
pub mod time;
pub mod uuid_scan;
pub mod visible;

pub use content::{Content, FileRef, FileSet, Kind};
pub use equivalence::{AliasError, Equivalence};
pub use ids::{JobId, OperatorId};
pub use inventory::{
    Directory, DirectoryId, File, FileId, Inventory, InventoryBuilder, ListedDirectory, Listing,
};
pub use location::Location;
pub use names::{Name, NameRef, Names, Uuid};
pub use policy::Policy;
pub use time::{Age, Timestamp};
