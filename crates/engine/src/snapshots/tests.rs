use chksweep_core::Timestamp;
use chksweep_store::{Call, Fault, Faulty, MemoryStore, Rule};

use super::*;

#[tokio::test]
async fn what_may_not_be_seen_is_passed_over_and_what_fails_is_told() {
    let store = MemoryStore::new("hdfs", "ns");
    store.mkdir("/flink/cp", Timestamp(1));
    store.set_snapshots("/flink/cp", &["low"]);
    store.set_snapshots("/flink", &["high"]);
    let (root, above) = (store.location("/flink/cp"), store.location("/flink"));
    let faulty = Faulty::new(store);
    for (kind, expected) in [
        (None, Ok(vec!["low", "high"])),
        (Some(ErrorKind::PermissionDenied), Ok(vec!["low"])),
        // A store without snapshots: not asked any further.
        (Some(ErrorKind::Unsupported), Ok(vec!["low"])),
        (Some(ErrorKind::Other), Err(ErrorKind::Other)),
    ] {
        faulty.faults().clear();
        if let Some(kind) = kind {
            faulty.faults().add(Rule::on(Call::List, Fault::Fail(kind)).at(&above));
        }
        let found = around(&faulty, &root).await.map_err(|error| error.kind);
        let names = found.map(|found| found.into_iter().flat_map(|one| one.names).collect::<Vec<_>>());
        assert_eq!(names, expected.map(|names| names.into_iter().map(str::to_owned).collect()), "{kind:?}");
    }
    // The root itself may not be seen.
    faulty.faults().clear();
    faulty.faults().add(Rule::on(Call::List, Fault::Fail(ErrorKind::PermissionDenied)).at(&root));
    assert_eq!(around(&faulty, &root).await.unwrap()[0].directory, above);
}
