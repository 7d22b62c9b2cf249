//! How results look.

pub(crate) mod breakdown;
pub(crate) mod executed;
pub(crate) mod human;
pub(crate) mod plan;
pub(crate) mod table;
