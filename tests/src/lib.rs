//! Real partners for the tests: a NameNode with its DataNodes, and Flink jobs.
//!
//! They are the Java programs under `tests/java`; [`java::build`] builds them when they are first needed. A JDK (17 or
//! newer) and Maven must be there.

pub mod daemons;
pub mod flinkjobs;
pub mod java;
pub mod minihdfs;
mod process;
pub mod program;
pub mod proxy;
pub mod tree;
pub mod trial;
pub mod world;

pub use daemons::{Daemon, Daemons};
pub use flinkjobs::{Flavour, FlinkJobs, HeldJob, references_of};
pub use minihdfs::{MiniHdfs, Options};
pub use program::{Chksweep, Running};
pub use proxy::{Fault, Proxy};
pub use tree::TreeEntry;
pub use world::World;
