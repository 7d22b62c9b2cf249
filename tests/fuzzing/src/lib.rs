//! What the fuzz targets do with the bytes that they get, and what must hold whatever the bytes are.
//!
//! The functions use no part of libFuzzer, so that `crates/cli/tests/corpora.rs` can play the committed inputs
//! through them on stable Rust.

pub mod draw;
pub mod hadoop;
pub mod metadata;
pub mod plan;

/// What a target does with an input; it panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program and of its directory in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("parse", metadata::parse),
    ("chunked", metadata::chunked),
    ("write_read", metadata::write_read),
    ("plan_read", plan::plan_read),
    ("plan_write", plan::plan_write),
    ("oiv", hadoop::oiv),
    ("xml", hadoop::xml),
];
