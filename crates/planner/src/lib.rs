//! Decides what is garbage: a pure function from what was seen to a plan.
