//! The main job, end to end: real Flink jobs write to a real HDFS and end in all the ways that jobs end; chksweep
//! plans exactly what Flink's own reader says nothing names, sweeps it, and every retained checkpoint and savepoint
//! still restores with its state. Then everything is brought back.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chksweep_tests::{Chksweep, Flavour, FlinkJobs, MiniHdfs, Options, TreeEntry, references_of};
use serde_json::{Value, json};

const ROOT: &str = "/flink/checkpoints";

/// A job that ran, and which of the two Flinks it ran on.
struct Ran {
    flavour: Flavour,
    result: Value,
}

impl Ran {
    fn id(&self) -> Result<&str> {
        self.result.get("jobId").and_then(Value::as_str).context("a run without job id")
    }

    fn snapshots(&self) -> Vec<String> {
        let list = |name: &str| self.result.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        [list("completed"), list("savepoints")]
            .concat()
            .iter()
            .filter_map(|location| location.as_str().map(ToOwned::to_owned))
            .collect()
    }

    fn last(&self) -> Result<String> {
        let completed = self.result.get("completed").and_then(Value::as_array).context("no checkpoints")?;
        Ok(completed.last().and_then(Value::as_str).context("no checkpoint")?.to_owned())
    }
}

/// Runs jobs one after the other, each with what it is told.
struct Cluster<'a> {
    hdfs: &'a MiniHdfs,
    flinks: [(Flavour, FlinkJobs); 2],
    ran: Vec<Ran>,
}

impl Cluster<'_> {
    fn flink(&self, flavour: Flavour) -> Result<&FlinkJobs> {
        let found = self.flinks.iter().find(|(known, _)| *known == flavour);
        Ok(&found.context("no such Flink")?.1)
    }

    fn run(&mut self, flavour: Flavour, words: &str) -> Result<String> {
        let root = self.hdfs.location(ROOT);
        let mut args = vec!["--ckpt-dir", &root, "--interval-ms", "200"];
        args.extend(words.split_whitespace());
        let result = self.flink(flavour)?.run(&args).with_context(|| format!("running {words}"))?;
        self.ran.push(Ran { flavour, result });
        self.ran.last().context("nothing ran")?.last()
    }
}

#[test]
fn what_flink_does_not_name_is_swept_and_everything_kept_restores() -> Result<()> {
    let hdfs = MiniHdfs::start(&Options::new())?;
    let flinks =
        [(Flavour::F2, FlinkJobs::new(Flavour::F2)?), (Flavour::F120, FlinkJobs::new(Flavour::F120)?)];
    let mut cluster = Cluster { hdfs: &hdfs, flinks, ran: Vec::new() };
    run_jobs(&mut cluster)?;

    // Fresh state is young by design.
    hdfs.age(ROOT, Duration::from_hours(24 * 60))?;
    let before = hdfs.tree(ROOT)?;
    let (garbage, kept) = judge(&cluster, &before)?;
    ensure!(garbage.len() > 20, "the crashed jobs leave garbage: {garbage:?}");

    let chksweep = Chksweep::new(Some(&hdfs))?;
    let root = hdfs.location(ROOT);
    let mut args: Vec<String> = Vec::new();
    for ran in &cluster.ran {
        args.extend(["--dead-job".to_owned(), ran.id()?.to_owned()]);
    }
    args.extend(["--max-sweep-ratio".to_owned(), "1".to_owned(), root.clone()]);
    let command = |name: &str, more: &[&str]| {
        let mut words = vec![name.to_owned()];
        words.extend(more.iter().map(|&word| word.to_owned()));
        words.extend(args.iter().cloned());
        words
    };

    let plan = chksweep.json(0, &command("plan", &[]))?;
    assert_eq!(plan.pointer("/decisions/sweep/files"), Some(&json!(garbage.len())), "{plan}");
    assert_eq!(hdfs.tree(ROOT)?, before, "a dry run changes nothing");

    chksweep.json(0, &command("run", &["--execute"]))?;
    assert_eq!(files(&hdfs.tree(ROOT)?), kept);
    for ran in &cluster.ran {
        for snapshot in ran.snapshots().into_iter().filter(|snapshot| is_there(&hdfs, &before, snapshot)) {
            let verified = cluster.flink(ran.flavour)?.verify_state_of(&ran.result, &snapshot)?;
            assert_eq!(verified.get("ok"), Some(&json!(true)), "{snapshot}: {verified}");
        }
    }

    chksweep.json(0, &["quarantine", "restore", "--all", "--yes", &root])?;
    let only_files = |tree: Vec<TreeEntry>| -> Vec<TreeEntry> {
        tree.into_iter().filter(|entry| !entry.is_directory && !is_own(&entry.path)).collect()
    };
    assert_eq!(only_files(hdfs.tree(ROOT)?), only_files(before), "the undo is exact");
    Ok(())
}

fn run_jobs(cluster: &mut Cluster<'_>) -> Result<()> {
    let (f2, f120) = (Flavour::F2, Flavour::F120);
    cluster.run(f2, "--state rocksdb --checkpoints 3 --seed 1 --end crash-mid")?;
    cluster.run(f2, "--state hashmap --checkpoints 2 --seed 2")?;
    cluster.run(
        f2,
        "--state rocksdb --changelog true --materialize-ms 500 --checkpoints 3 --seed 3 --end crash-mid",
    )?;
    // No compaction: the last of the chain lives on files of the first.
    let chain = "--state rocksdb --seed 4 --keys 2000 --conf state.backend.rocksdb.compaction.style=NONE";
    let first = cluster.run(f2, &format!("{chain} --checkpoints 3"))?;
    cluster.run(f2, &format!("{chain} --checkpoints 2 --restore {first} --mode CLAIM --end crash-mid"))?;
    let savepoints = cluster.hdfs.location("/flink/checkpoints/savepoints");
    let first = cluster.run(
        f2,
        &format!(
            "--state rocksdb --seed 5 --checkpoints 3 --savepoint-dir {savepoints} --savepoint-format native"
        ),
    )?;
    cluster
        .run(f2, &format!("--state rocksdb --seed 5 --checkpoints 2 --restore {first} --mode NO_CLAIM"))?;
    let first = cluster.run(f120, "--state rocksdb --seed 6 --checkpoints 3")?;
    cluster.run(
        f120,
        &format!("--state rocksdb --seed 6 --checkpoints 2 --restore {first} --mode LEGACY --end crash-mid"),
    )?;
    Ok(())
}

/// Divides the files into garbage and what is needed: every `_metadata`, and what Flink's own reader says they name;
/// a name that resolves to nothing needs the file of that name elsewhere.
fn judge(cluster: &Cluster<'_>, tree: &[TreeEntry]) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let all = files(tree);
    let metadata: Vec<String> = all
        .iter()
        .filter(|path| path.ends_with("/_metadata"))
        .map(|path| cluster.hdfs.location(path))
        .collect();
    let dumps = cluster.flink(Flavour::F2)?.dump(&metadata)?;
    let mut names = BTreeSet::new();
    for dump in dumps.as_array().context("no dumps")? {
        ensure!(dump.get("error").is_none(), "Flink does not read it: {dump}");
        names.extend(references_of(dump)?);
    }
    let base_names: BTreeSet<&str> = names.iter().filter_map(|path| path.rsplit('/').next()).collect();
    let (kept, garbage) = all.into_iter().partition(|path| {
        path.ends_with("/_metadata") || path.rsplit('/').next().is_some_and(|name| base_names.contains(name))
    });
    Ok((garbage, kept))
}

fn is_own(path: &str) -> bool {
    path.contains("/.chksweep")
}

fn files(tree: &[TreeEntry]) -> BTreeSet<String> {
    let files = tree.iter().filter(|entry| !entry.is_directory && !is_own(&entry.path));
    files.map(|entry| entry.path.clone()).collect()
}

fn is_there(hdfs: &MiniHdfs, tree: &[TreeEntry], snapshot: &str) -> bool {
    tree.iter().any(|entry| hdfs.location(&entry.path) == format!("{snapshot}/_metadata"))
}
