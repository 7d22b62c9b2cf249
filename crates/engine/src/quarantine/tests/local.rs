//! The same on a real directory.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use chksweep_core::Timestamp;
use chksweep_core::plan::entries;
use chksweep_store::LocalStore;

use super::*;
use crate::actions::{ActionOptions, Fresh, actions};
use crate::cancel::Cancel;
use crate::run::{Run, RunOptions};
use crate::stores::MutateStores;
use crate::testing::{carry, plan_of};

/// Every path below a directory but our own: its kind, length and mtime of files to the nanosecond.
fn seen(at: &Path, out: &mut Vec<String>) {
    let mut names: Vec<_> = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names.into_iter().filter(|path| path.file_name().unwrap() != ".chksweep") {
        let meta = std::fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            out.push(format!("{path:?}/"));
            seen(&path, out);
        } else {
            out.push(format!("{path:?} {} {}.{}", meta.len(), meta.mtime(), meta.mtime_nsec()));
        }
    }
}

fn all_of(at: &Path) -> Vec<String> {
    let mut out = Vec::new();
    seen(at, &mut out);
    out
}

async fn begin(stores: &MutateStores, scene: &Scene, root: &Location, run: &str) -> Run {
    // A file system stamps files with its own clock, which is that of this machine.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let options = RunOptions {
        roots: vec![root.clone()],
        reference_roots: Vec::new(),
        local_now: Timestamp(i64::try_from(now).unwrap()),
        ..scene.options(run)
    };
    Run::begin(stores.clone(), options, Arc::new(Quiet), Cancel::default()).await.unwrap()
}

async fn look_at(stores: &MutateStores, root: &Location) -> Collected {
    let equivalence = Equivalence::default();
    let now = Timestamp(i64::MAX);
    collect(CollectRequest::new(vec![root.clone()], stores.reading(), &equivalence, now, &Quiet))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_sweep_of_a_directory_on_disk_and_its_undoing_leave_it_as_it_was() {
    let disk = tempfile::tempdir().unwrap();
    let job = disk.path().join("d7f536ce31c588055f4f8282a9756920");
    for (below, content) in [("chk-2/a b", "1"), ("shared/\u{e9}%20", "22"), ("shared/keep", "333")] {
        std::fs::create_dir_all(job.join(below).parent().unwrap()).unwrap();
        std::fs::write(job.join(below), content).unwrap();
    }
    std::fs::create_dir_all(job.join("chk-3/empty")).unwrap();
    std::fs::write(job.join("shared").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "4").unwrap();
    std::os::unix::fs::symlink("/nowhere", job.join("shared/link")).unwrap();
    let before = all_of(disk.path());
    let root = Location::local(disk.path().as_os_str().as_bytes());
    let mut stores = MutateStores::default();
    stores.add(&root, Arc::new(LocalStore::new()));
    let scene = Scene::new();

    let rule = |below: &str| match below {
        "" | "shared" | "shared/keep" | "shared/link" => None,
        "chk-2" | "chk-3" | "chk-3/empty" => Some(Rule::EmptyDirectory),
        _ => Some(Rule::UnreferencedShared),
    };
    let inventory = look_at(&stores, &root).await.inventory;
    let base = Location::local(job.as_os_str().as_bytes());
    let plan = plan_of(&inventory, &base, rule);
    let mut approved = Vec::new();
    entries(&inventory, &plan.decisions, false, |entry| approved.push(entry));
    let out = actions(&Fresh::unproved(plan, inventory), &approved, &ActionOptions::default()).unwrap();
    let mut run = begin(&stores, &scene, &root, "run-1").await;
    let report = carry(&mut run, out).await;
    assert!(!report.is_partly_done(), "{report:?}");
    assert_eq!(report.count(Outcome::Done).files, 3);
    run.finish(true).await.unwrap();
    assert_eq!(all_of(disk.path()).len(), 4, "{:?}", all_of(disk.path()));
    let mode = std::fs::metadata(disk.path().join(".chksweep")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    let collected = look_at(&stores, &root).await;
    let request = RestoreRequest {
        metadata: &collected.metadata,
        unsearched: &collected.unsearched,
        quarantine: &collected.quarantine,
        equivalence: &Equivalence::default(),
        selection: all(),
        to: None,
        records: &[],
        dead: &BTreeSet::new(),
    };
    let mut run = begin(&stores, &scene, &root, "run-2").await;
    let report = restore(&mut run, &request).await;
    assert!(!report.is_partly_done(), "{report:?}");
    run.finish(true).await.unwrap();
    assert_eq!(all_of(disk.path()), before);
    assert!(!disk.path().join(".chksweep/quarantine/run-1").exists());
    assert!(!disk.path().join(".chksweep/lock").exists());
}
