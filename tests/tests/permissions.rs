//! Rights on a real NameNode: who may not delete, who may not read, whose `.chksweep` it is; what a snapshot and a trash
//! hold; and what cannot leave an encryption zone.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::time::Duration;

use anyhow::{Result, ensure};
use chksweep_tests::{Chksweep, MiniHdfs, Options};
use serde_json::{Value, json};

const JOB: &str = "a1ea14c048aeb91b31d5157128e5f621";
const LEFT: &str = "11111111-1111-4111-8111-111111111111";

/// A cluster where everybody may add to the root, and a job of `flink` that nobody else may change: a checkpoint, and
/// a file that nothing names.
struct Shared {
    hdfs: MiniHdfs,
    chksweep: Chksweep,
}

impl Shared {
    fn start() -> Result<Shared> {
        Shared::with(&Options::new())
    }

    fn with(options: &Options) -> Result<Shared> {
        let hdfs = MiniHdfs::start(options)?;
        let chksweep = Chksweep::new(Some(&hdfs))?;
        Ok(Shared { hdfs, chksweep })
    }

    fn put(&self, root: &str) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let job = scratch.path().join(JOB);
        fs::create_dir_all(job.join("chk-1"))?;
        fs::create_dir_all(job.join("shared"))?;
        let kind = chksweep_testkit::metadata_writer::SimpleKind::Checkpoint;
        let bytes = chksweep_testkit::metadata_writer::simple_metadata(4, 1, kind, &[], &[], [7; 16]);
        fs::write(job.join("chk-1/_metadata"), bytes)?;
        fs::write(job.join("shared").join(LEFT), "garbage")?;
        self.hdfs.put(scratch.path(), root)?;
        self.hdfs.age(root, Duration::from_hours(24 * 60))?;
        for entry in self.hdfs.tree(root)? {
            self.hdfs.command_words(&["chown", &entry.path, "flink"])?;
        }
        self.hdfs.command_words(&["chown", root, "flink"])?;
        self.hdfs.command_words(&["chmod", root, "1777"]).map(drop)
    }

    fn run_as(&self, user: &str, words: &[&str]) -> Result<Output> {
        self.chksweep.run_with(&[("HADOOP_USER_NAME", user)], words)
    }

    fn sweep_as(&self, user: &str, root: &str) -> Result<Output> {
        let root = self.hdfs.location(root);
        let words =
            ["run", "--execute", "--dead-job", JOB, "--max-sweep-ratio", "1", "--format", "json", &root];
        self.run_as(user, &words)
    }

    fn files(&self, root: &str) -> Result<BTreeSet<String>> {
        let files = self.hdfs.tree(root)?.into_iter().filter(|entry| !entry.is_directory);
        Ok(files.map(|entry| entry.path).collect())
    }

    fn is_swept(&self, root: &str) -> Result<bool> {
        let files = self.files(root)?;
        ensure!(
            files.iter().filter(|path| path.ends_with(LEFT)).count() == 1,
            "the file is in one place: {files:?}"
        );
        Ok(!files.contains(&format!("{root}/{JOB}/shared/{LEFT}")))
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_exit(output: &Output, exit: i32, words: &[&str]) {
    let text = told(output);
    assert_eq!(output.status.code(), Some(exit), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing: {text}");
    }
}

#[test]
fn who_may_list_and_not_delete_loses_nothing_and_the_next_run_goes_on() -> Result<()> {
    let shared = Shared::start()?;
    shared.put("/r")?;
    let output = shared.sweep_as("alice", "/r")?;
    assert_exit(&output, 6, &[]);
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let incidents = document.pointer("/incidents").and_then(Value::as_array).cloned().unwrap_or_default();
    ensure!(incidents.iter().any(|one| one.to_string().contains(LEFT)), "each failure is listed: {document}");
    assert_eq!(document.pointer("/outcomes/failed/files"), Some(&json!(1)), "{document}");
    ensure!(!shared.is_swept("/r")?);

    // What alice wrote there is not believed by another, who could be talked into anything.
    let root = shared.hdfs.location("/r");
    let before = shared.hdfs.tree("/r")?;
    assert_exit(
        &shared.sweep_as("flink", "/r")?,
        1,
        &["belongs to alice", "this is flink", "nothing was changed"],
    );
    assert_exit(
        &shared.run_as("flink", &["check", &root])?,
        1,
        &["belongs to alice", "hdfs dfs -chown flink"],
    );
    assert_eq!(shared.hdfs.tree("/r")?, before);
    shared.hdfs.command("mv /r/.chksweep /alice-was-here")?;
    assert_exit(&shared.run_as("flink", &["check", &root])?, 0, &["A run can go."]);
    assert_exit(&shared.sweep_as("flink", "/r")?, 0, &[]);
    ensure!(shared.is_swept("/r")?);

    // It is made for its owner alone, and stays as it is believed.
    let output = shared.run_as("alice", &["check", &root])?;
    assert_exit(&output, 1, &["own files", "belongs to flink"]);
    assert_exit(
        &shared.run_as("flink", &["check", &root])?,
        0,
        &["nobody else may write to what runs go by"],
    );
    assert_exit(&shared.run_as("alice", &["quarantine", "list", &root])?, 1, &["Permission denied"]);
    Ok(())
}

#[test]
fn what_is_planted_in_a_shared_root_is_not_believed() -> Result<()> {
    let shared = Shared::start()?;
    shared.put("/r")?;
    let root = shared.hdfs.location("/r");
    for (owner, mode, words) in [("mallory", "777", "belongs to mallory"), ("flink", "770", "(mode 770)")] {
        shared.hdfs.command_words(&["mkdir", "/r/.chksweep", mode])?;
        shared.hdfs.command_words(&["chmod", "/r/.chksweep", mode])?;
        shared.hdfs.command_words(&["mkfiles", "/r/.chksweep", "1", "looks.json"])?;
        shared.hdfs.command_words(&["chown", "/r/.chksweep", owner])?;
        let before = shared.hdfs.tree("/r")?;
        assert_exit(&shared.sweep_as("flink", "/r")?, 1, &[words, "nothing was changed"]);
        assert_exit(&shared.run_as("flink", &["check", &root])?, 1, &[words, "next: "]);
        assert_eq!(shared.hdfs.tree("/r")?, before);
        shared.hdfs.command("rm /r/.chksweep")?;
    }
    // Where everybody may rename what lies in the root, `check` says so.
    shared.hdfs.command("chmod /r 777")?;
    assert_exit(&shared.run_as("flink", &["check", &root])?, 0, &["sticky bit"]);
    Ok(())
}

#[test]
fn a_directory_that_cannot_be_read_counts_as_unreadable_metadata() -> Result<()> {
    let shared = Shared::start()?;
    shared.put("/r")?;
    shared.hdfs.command("mkdir /r/closed 700")?;
    let root = shared.hdfs.location("/r");
    assert_exit(&shared.run_as("flink", &["plan", "--dead-job", JOB, &root])?, 4, &["/r/closed"]);
    assert_exit(&shared.sweep_as("flink", "/r")?, 4, &[]);
    ensure!(!shared.is_swept("/r")?);
    assert_exit(&shared.run_as("flink", &["check", &root])?, 1, &["Permission denied", "/r/closed"]);
    Ok(())
}

#[test]
fn a_snapshot_and_a_trash_are_told_and_left_alone() -> Result<()> {
    let shared = Shared::start()?;
    shared.put("/r")?;
    // The job once more, in the trash of a user whose home is part of the root.
    let trashed = format!("/r/user/x/.Trash/Current/{JOB}");
    shared.hdfs.command_words(&["mkdir", &trashed, "755"])?;
    shared.hdfs.command_words(&["mkdir", &format!("{trashed}/shared"), "755"])?;
    let other = format!("{trashed}/shared/22222222-2222-4222-8222-22222222222");
    shared.hdfs.command_words(&[
        "mkfiles",
        &format!("{trashed}/shared"),
        "1",
        "22222222-2222-4222-8222-22222222222",
    ])?;
    shared.hdfs.age("/r", Duration::from_hours(24 * 60))?;
    shared.hdfs.command("allow-snapshot /r")?;
    shared.hdfs.command("snapshot /r s1")?;
    let root = shared.hdfs.location("/r");
    assert_exit(&shared.run_as("flink", &["check", &root])?, 0, &["snapshots", "1 snapshot of hdfs://"]);
    assert_exit(&shared.sweep_as("flink", "/r")?, 0, &[]);
    ensure!(shared.is_swept("/r")?);
    ensure!(shared.files("/r")?.iter().any(|path| path.starts_with(&other)), "the trash is left alone");
    let held = shared.files(&format!("/r/.snapshot/s1/{JOB}"))?;
    ensure!(held.iter().any(|path| path.ends_with(LEFT)), "{held:?}");

    // Two clean runs later it may be purged: gone from the tree, and said to be held by the snapshot.
    let mut document = Value::Null;
    for _ in 0..3 {
        let words = ["run", "--execute", "--purge-after", "0s", "--format", "json", &root];
        let output = shared.run_as("flink", &words)?;
        assert_exit(&output, 0, &[]);
        document = serde_json::from_slice(&output.stdout)?;
        if document.pointer("/quarantineAfter/purged/0").is_some() {
            break;
        }
    }
    let pinned = document.pointer("/quarantineAfter/snapshots/0/names");
    ensure!(pinned == Some(&json!(["s1"])), "{document}");
    ensure!(!shared.files("/r")?.iter().any(|path| path.ends_with(LEFT)));
    let held = shared.files(&format!("/r/.snapshot/s1/{JOB}"))?;
    ensure!(held.iter().any(|path| path.ends_with(LEFT)), "the snapshot holds it");
    Ok(())
}

#[test]
fn nothing_leaves_an_encryption_zone_or_is_read_in_one() -> Result<()> {
    let shared = Shared::with(&Options::new().encryption())?;
    // One where only garbage lies: it cannot be moved out, and is not copied.
    shared.hdfs.command_words(&["mkdir", &format!("/r/{JOB}/shared"), "777"])?;
    shared.hdfs.command_words(&["zone", &format!("/r/{JOB}/shared")])?;
    shared.put("/r")?;
    let output = shared.sweep_as("flink", "/r")?;
    assert_exit(&output, 6, &[LEFT, "encryption zone"]);
    ensure!(!shared.is_swept("/r")?);

    // One where everything lies: what the metadata says is not known, and nothing can be kept there.
    shared.hdfs.command("mkdir /zone 777")?;
    shared.hdfs.command("zone /zone")?;
    shared.put("/zone/r")?;
    let before = shared.files("/zone/r")?;
    let root = shared.hdfs.location("/zone/r");
    let words = ["plan", "--dead-job", JOB, &root];
    assert_exit(
        &shared.run_as("flink", &words)?,
        4,
        &[&format!("{JOB}/chk-1/_metadata"), "encryption zone", "asks no KMS"],
    );
    for _ in 0..2 {
        assert_exit(&shared.sweep_as("flink", "/zone/r")?, 1, &["encryption zone"]);
    }
    assert_eq!(shared.files("/zone/r")?, before);
    Ok(())
}
