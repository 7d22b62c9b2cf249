//! The command line of chksweep.
fn main() {}
