//! The partners themselves: a real HDFS holds the checkpoints of real Flink jobs, and they restore.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chksweep_tests::{Flavour, FlinkJobs, MiniHdfs, Options, TreeEntry, references_of};
use serde_json::{Value, json};

const ROOT: &str = "/flink/checkpoints";

#[test]
fn flink_2_3_leaves_restorable_checkpoints_on_hdfs() -> Result<()> {
    job_leaves_restorable_checkpoints_on_hdfs(Flavour::F2, 6)
}

#[test]
fn flink_1_20_leaves_restorable_checkpoints_on_hdfs() -> Result<()> {
    job_leaves_restorable_checkpoints_on_hdfs(Flavour::F120, 4)
}

fn job_leaves_restorable_checkpoints_on_hdfs(flavour: Flavour, metadata_version: u64) -> Result<()> {
    let hdfs = MiniHdfs::start(&Options::new())?;
    let flink = FlinkJobs::new(flavour)?;
    let root = hdfs.location(ROOT);
    let run = flink.run(&["--ckpt-dir", &root, "--checkpoints", "2", "--interval-ms", "200"])?;
    let newest = newest_checkpoint(&run)?;

    let dumps = flink.dump(&[&newest, &format!("{root}/chk-1")])?;
    let dump = dumps.get(0).context("no dump")?;
    assert_eq!(dump.get("version"), Some(&json!(metadata_version)));
    assert_eq!(dump.get("kind"), Some(&json!("checkpoint")));
    assert!(dumps.get(1).is_some_and(|unread| unread.get("error").is_some()), "{dumps}");

    // After an orderly end there is what the newest checkpoint names and its metadata, nothing else.
    let mut expected = references_of(dump)?;
    assert!(expected.iter().any(|path| path.contains("/shared/")), "RocksDB shares files: {expected:?}");
    expected.insert(format!("{newest}/_metadata"));
    let tree = hdfs.tree(ROOT)?;
    assert_eq!(files_of(&tree).map(|file| hdfs.location(&file.path)).collect::<BTreeSet<_>>(), expected);

    assert_restores(&flink, &run, &newest)?;
    hdfs.age(ROOT, Duration::from_hours(1))?;
    let older = tree.into_iter().map(|entry| TreeEntry { mtime_ms: entry.mtime_ms - 3_600_000, ..entry });
    assert_eq!(hdfs.tree(ROOT)?, older.collect::<Vec<_>>());

    let victim =
        references_of(dump)?.into_iter().find(|path| path.contains("/shared/")).context("no victim")?;
    hdfs.command_words(&["rm", victim.trim_start_matches(hdfs.url())])?;
    let verified = flink.verify_state_of(&run, &newest)?;
    assert_eq!(verified.get("ok"), Some(&json!(false)), "restored without {victim}: {verified}");
    Ok(())
}

#[test]
fn a_held_job_goes_on_taking_checkpoints_across_a_failover() -> Result<()> {
    let hdfs = MiniHdfs::start(&Options::new().ha())?;
    let flink = FlinkJobs::new(Flavour::F2)?.with_hadoop_conf(hdfs.conf_dir());
    let root = hdfs.location(ROOT);
    let mut job =
        flink.hold(&["--ckpt-dir", &root, "--checkpoints", "1", "--interval-ms", "200", "--end", "crash"])?;
    let first = job.checkpoints().first().cloned().context("no checkpoint")?;
    let failover = hdfs.command("failover 0")?;
    assert_eq!(failover.get("active"), Some(&json!(1)));
    let second = job.checkpoint()?;
    assert_ne!(first, second);

    let run = job.end()?;
    assert_eq!(newest_checkpoint(&run)?, second);
    assert_restores(&flink, &run, &second)
}

fn newest_checkpoint(run: &Value) -> Result<String> {
    let completed = run.get("completed").and_then(Value::as_array).context("no checkpoints")?;
    Ok(completed.last().and_then(Value::as_str).context("no checkpoint")?.to_owned())
}

fn files_of(tree: &[TreeEntry]) -> impl Iterator<Item = &TreeEntry> {
    tree.iter().filter(|entry| !entry.is_directory)
}

fn assert_restores(flink: &FlinkJobs, run: &Value, location: &str) -> Result<()> {
    let verified = flink.verify_state_of(run, location)?;
    ensure!(verified.get("ok") == Some(&json!(true)), "{location} does not restore: {verified}");
    Ok(())
}
