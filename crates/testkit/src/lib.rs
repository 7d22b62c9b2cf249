//! For tests only: writes metadata bytes, builds trees, filters snapshots.
