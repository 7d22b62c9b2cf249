//! The three modes on a real HDFS: what `quarantine`, `trash` and `delete` leave, where it went, and that what is
//! needed stays in each.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use chksweep_tests::{Chksweep, MiniHdfs, Options};
use serde_json::{Value, json};

/// The job of the try-out that crashed in the middle of a checkpoint: 16 files of it are garbage.
const CRASHED: &str = "a1ea14c048aeb91b31d5157128e5f621";
const GARBAGE: u64 = 16;

fn files(hdfs: &MiniHdfs, root: &str) -> Result<BTreeSet<String>> {
    Ok(hdfs.tree(root)?.into_iter().filter(|entry| !entry.is_directory).map(|entry| entry.path).collect())
}

fn below(files: &BTreeSet<String>, directory: &str) -> BTreeSet<String> {
    files.iter().filter_map(|path| path.strip_prefix(directory)).map(ToOwned::to_owned).collect()
}

/// Puts the tree of the try-out on the file system, two months old.
fn put(hdfs: &MiniHdfs, root: &str) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/checkpoints.tar.gz");
    ensure!(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(scratch.path()).status()?.success());
    hdfs.put(&scratch.path().join("flink/checkpoints"), root)?;
    hdfs.age(root, Duration::from_hours(24 * 60))
}

fn sweep(hdfs: &MiniHdfs, chksweep: &Chksweep, root: &str, mode: &str) -> Result<Value> {
    let location = hdfs.location(root);
    let alias = format!("file:///flink/checkpoints={location}");
    chksweep
        .json(0, &["run", "--execute", "--mode", mode, "--dead-job", CRASHED, "--alias", &alias, &location])
}

#[test]
fn each_mode_takes_the_garbage_and_nothing_else() -> Result<()> {
    let hdfs = MiniHdfs::start(&Options::new().trash_interval(60))?;
    let chksweep = Chksweep::new(Some(&hdfs))?;
    for mode in ["quarantine", "trash", "delete"] {
        let root = format!("/{mode}");
        put(&hdfs, &root)?;
        let before = files(&hdfs, &root)?;
        let swept = sweep(&hdfs, &chksweep, &root, mode)?;
        let after = files(&hdfs, &root)?;

        let own = format!("{root}/.chksweep/");
        let left: BTreeSet<String> = after.iter().filter(|path| !path.starts_with(&own)).cloned().collect();
        let gone: BTreeSet<String> = before.difference(&left).cloned().collect();
        assert_eq!(gone.len(), usize::try_from(GARBAGE)?, "{mode}: {swept}");
        assert!(left.is_subset(&before), "{mode}");
        assert!(gone.iter().all(|path| path.contains(CRASHED) && !path.ends_with("/_metadata")), "{gone:?}");

        let quarantined: BTreeSet<String> = after
            .iter()
            .filter_map(|path| path.strip_prefix(&format!("{own}quarantine/")))
            .filter_map(|path| path.split_once('/'))
            .map(|(_, path)| path.to_owned())
            .collect();
        let named: BTreeSet<String> = below(&gone, &format!("{root}/"));
        match mode {
            "quarantine" => assert_eq!(quarantined, named),
            "trash" => {
                let trash = files(&hdfs, "/user")?;
                let trashed = gone.iter().all(|path| {
                    trash
                        .iter()
                        .any(|entry| entry.contains("/.Trash/Current/") && entry.ends_with(path.as_str()))
                });
                assert!(trashed, "{trash:?}");
            }
            _ => assert_eq!(quarantined, BTreeSet::new()),
        }
    }
    Ok(())
}

#[test]
fn a_retired_checkpoint_goes_through_the_quarantine_in_every_mode() -> Result<()> {
    let hdfs = MiniHdfs::start(&Options::new())?;
    let chksweep = Chksweep::new(Some(&hdfs))?;
    let scratch = tempfile::tempdir()?;
    // Three checkpoints of one job without state files: whole, and of one lineage.
    for number in 1..=3_u8 {
        let directory = scratch.path().join(format!("{CRASHED}/chk-{number}"));
        std::fs::create_dir_all(&directory)?;
        let bytes = chksweep_testkit::metadata_writer::simple_metadata(
            4,
            number.into(),
            chksweep_testkit::metadata_writer::SimpleKind::Checkpoint,
            &[],
            &[],
            [7; 16],
        );
        std::fs::write(directory.join("_metadata"), bytes)?;
    }
    hdfs.put(scratch.path(), "/flink")?;
    hdfs.age("/flink", Duration::from_hours(24 * 60))?;
    // One an hour: what is brought back must be older than what its job has come to.
    for number in 1..=3 {
        hdfs.age(&format!("/flink/{CRASHED}/chk-{number}"), Duration::from_hours(4 - number))?;
    }
    let root = hdfs.location("/flink");
    let plan = [
        "run",
        "--execute",
        "--mode",
        "delete",
        "--keep-last",
        "1",
        "--no-ha",
        "--max-sweep-ratio",
        "1",
        &root,
    ];
    let swept = chksweep.json(0, &plan)?;
    let quarantined: Vec<String> = files(&hdfs, "/flink")?
        .into_iter()
        .filter(|path| path.contains("/.chksweep/quarantine/") && path.ends_with("/_metadata"))
        .collect();
    assert_eq!(quarantined.len(), 2, "{swept}");
    assert_eq!(swept.pointer("/plan/decisions/sweep/files"), Some(&json!(2)), "{swept}");

    let back = chksweep.json(0, &["quarantine", "restore", "--all", "--yes", &root])?;
    let there = files(&hdfs, "/flink")?;
    for number in 1..=3 {
        assert!(there.contains(&format!("/flink/{CRASHED}/chk-{number}/_metadata")), "{back}");
    }
    Ok(())
}
