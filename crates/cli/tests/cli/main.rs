//! The binary as users meet it: exit code, stdout, stderr, over trees on the local disk.

mod check;
mod commands;
mod deps;
mod forged;
mod help;
mod hostile;
mod plan;
mod planted;
mod sandbox;
mod sweep;
mod upgrades;
