//! What a checkpoint store can do: list, stat and read; rename, delete and create.
//!
//! Looking and changing are two traits. Code that plans holds a [`ReadStore`] and so cannot delete: that is the
//! dry run, a type and not a flag. HDFS itself lives in `chksweep-hdfs`, so that its hundred crates stay out of
//! every fast test; this crate has the memory store and the local directory.
//!
//! The others wrap a store: [`Resilient`] gives every call a deadline and sits out what passes, [`Throttled`]
//! spares the NameNode, [`Faulty`] and [`Recording`] are for tests. [`Throttled`] goes outside [`Resilient`]: a
//! call that waits for its turn has no deadline yet.

pub mod call;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod error;
pub mod faults;
pub mod local;
pub mod memory;
pub mod mutate;
mod paths;
pub mod read;
pub mod recording;
pub mod resilient;
pub mod throttle;

pub use call::Call;
pub use error::{ErrorKind, Operation, StoreError};
pub use faults::{Fault, Faulty, Rule};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use mutate::{Appender, MutateStore};
pub use read::{Access, Entry, EntryKind, EntrySink, ReadStore, Reader, Status, Usage};
pub use recording::Recording;
pub use resilient::{Patience, Resilient};
pub use throttle::{Limits, Throttled};
