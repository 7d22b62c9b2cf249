//! What a checkpoint store can do: list, stat and read; rename, delete and create.
//!
//! Looking and changing are two traits. Code that plans holds a [`ReadStore`] and so cannot delete: that is the
//! dry run, a type and not a flag. HDFS itself lives in `chksweep-hdfs`, so that its hundred crates stay out of
//! every fast test; this crate has the memory store and the local directory.

pub mod error;
pub mod local;
pub mod memory;
pub mod mutate;
mod paths;
pub mod read;

pub use error::{ErrorKind, Operation, StoreError};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use mutate::{Appender, MutateStore};
pub use read::{Entry, EntryKind, EntrySink, ReadStore, Reader, Status};
