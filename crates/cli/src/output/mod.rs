//! How results look.

pub(crate) mod human;
pub(crate) mod table;
