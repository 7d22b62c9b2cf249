//! For tests only: writes metadata bytes, builds trees, filters snapshots.

pub mod metadata_writer;
pub mod steps;
pub mod world;
