//! The binary as users meet it: exit code, stdout, stderr, over trees on the local disk.

mod commands;
mod deps;
mod help;
mod plan;
mod sandbox;
mod sweep;
