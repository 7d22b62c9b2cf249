//! Looking at a store while others change it.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

mod operator_state;
mod order;
mod scope;
mod simulation;
mod support;
