//! A mount point inside a root of a local disk: what lies behind it is never moved across, and never copied.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use chksweep_tests::Chksweep;

const JOB: &str = "a1ea14c048aeb91b31d5157128e5f621";
const LEFT: &str = "11111111-1111-4111-8111-111111111111";

#[expect(clippy::disallowed_methods, reason = "the program goes by the clock of this machine")]
fn make_old(path: &Path) -> Result<()> {
    let old = SystemTime::now() - Duration::from_hours(24 * 60);
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            make_old(&entry?.path())?;
        }
    }
    Ok(fs::File::open(path)?.set_modified(old)?)
}

#[test]
fn what_lies_behind_a_mount_point_is_skipped_and_told() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (root, outside) = (scratch.path().join("r"), scratch.path().join("outside"));
    let job = root.join(JOB);
    for directory in [job.join("chk-1"), job.join("shared"), outside.clone()] {
        fs::create_dir_all(directory)?;
    }
    let kind = chksweep_testkit::metadata_writer::SimpleKind::Checkpoint;
    let bytes = chksweep_testkit::metadata_writer::simple_metadata(4, 1, kind, &[], &[], [7; 16]);
    fs::write(job.join("chk-1/_metadata"), bytes)?;
    fs::write(outside.join(LEFT), "behind")?;
    make_old(&root)?;
    make_old(&outside)?;

    // A bind mount of the same disk: only the mount itself tells, and it is gone when the command ends.
    let chksweep = Chksweep::new(None)?;
    let script = r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(&outside).arg(job.join("shared")).arg(chksweep.binary());
    command.args(["run", "--execute", "--dead-job", JOB, "--max-sweep-ratio", "1"]);
    command.arg("--state-dir").arg(scratch.path().join("state")).arg(&root);
    let output = command.output().context("starting unshare, of util-linux")?;
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.code() == Some(6), "{}: {told}", output.status);
    ensure!(told.contains(LEFT) && told.contains("another mount"), "{told}");
    assert_eq!(fs::read(outside.join(LEFT))?, b"behind");
    let quarantine = root.join(".chksweep/quarantine");
    ensure!(!has(&quarantine, LEFT)?, "nothing is copied");
    Ok(())
}

fn has(directory: &Path, name: &str) -> Result<bool> {
    if !directory.exists() {
        return Ok(false);
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == name || (entry.file_type()?.is_dir() && has(&entry.path(), name)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
