use std::os::unix::ffi::OsStrExt;

use chksweep_core::Location;

use super::{Subject, check_all};
use crate::faults::Faulty;
use crate::local::LocalStore;
use crate::memory::MemoryStore;
use crate::recording::Recording;
use crate::resilient::Resilient;
use crate::throttle::{Limits, Throttled};
use std::sync::Arc;

fn memory(trash: bool) -> (MemoryStore, Location) {
    let memory = MemoryStore::new("hdfs", "test");
    memory.set_trash(trash);
    let base = memory.location("/flink/base");
    (memory, base)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    for has_trash in [false, true] {
        let (store, base) = memory(has_trash);
        check_all(&Subject { store: Arc::new(store), base, has_trash, has_byte_names: true }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_directory_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let base = Location::local(directory.path().as_os_str().as_bytes()).child(b"base");
    let store = Arc::new(LocalStore::new());
    check_all(&Subject { store, base, has_trash: false, has_byte_names: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_all_its_wrappings_keeps_the_contract() {
    let (store, base) = memory(true);
    let resilient = Resilient::new(Faulty::new(Recording::new(store))).with_sorted_listings();
    let limits = Limits { changes_per_second: 100_000, in_flight: 8 };
    let store = Arc::new(Throttled::new(resilient.looking_before_renames(), limits));
    check_all(&Subject { store, base, has_trash: true, has_byte_names: true }).await;
}
