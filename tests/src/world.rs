//! A small tree with something for each kind of action, and what must be true of it whatever happens.
//!
//! One job, dead by declaration: a checkpoint that is kept with what it names, an older one that a policy retires,
//! one that was abandoned, an empty one, shared files and a merged directory that nothing names. Each file has bytes
//! and a modification time of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chksweep_testkit::metadata_writer::{SimpleKind, simple_metadata};

use crate::minihdfs::{Files, MiniHdfs};

/// The job.
pub const JOB: &str = "d7f536ce31c588055f4f8282a9756920";
const OLD: Duration = Duration::from_hours(24 * 60);

/// A tree under a root of its own.
#[derive(Debug)]
pub struct World {
    root: String,
    location: String,
    before: Files,
    kept: BTreeSet<String>,
}

fn uuid(n: u32) -> String {
    format!("0a1b2c3d-0000-4fff-8000-{n:012x}")
}

impl World {
    /// Puts it under an absolute path. `prefix` is what comes before paths in locations, as in `hdfs://ns`.
    ///
    /// # Errors
    /// When it cannot be put there.
    pub fn put(hdfs: &MiniHdfs, prefix: &str, root: &str) -> Result<World> {
        let scratch = tempfile::tempdir().context("making a directory for a tree")?;
        let location = format!("{prefix}{root}");
        write(scratch.path(), &location)?;
        hdfs.put(scratch.path(), root)?;
        // Access times as well: what was read lately is in use.
        hdfs.age(root, OLD)?;
        let before = hdfs.files(root)?;
        let kept = kept().iter().map(|below| format!("{root}/{JOB}/{below}")).collect();
        let world = World { root: root.to_owned(), location, before, kept };
        ensure!(world.before.len() == 14, "the tree is what it should be: {:?}", world.before);
        Ok(world)
    }

    /// The root, as a location.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The root, as a path.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// What a command that plans needs to be told to sweep all that can go.
    pub fn policy() -> Vec<String> {
        let words = ["--dead-job", JOB, "--keep-last", "1", "--no-ha", "--max-sweep-ratio", "1"];
        words.map(ToOwned::to_owned).to_vec()
    }

    /// Checks that nothing is lost: each file is, with its bytes and its time, exactly at its old place or at one
    /// place in the quarantine; what is kept, at its old place. What may have been `purged` may be nowhere.
    ///
    /// # Errors
    /// When something is.
    pub fn check(&self, now: &Files, purged: bool) -> Result<()> {
        let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for path in now.keys() {
            if let Some(original) = self.original(path) {
                places.entry(original).or_default().push(path);
            }
        }
        for (path, file) in &self.before {
            let at = places.remove(path).unwrap_or_default();
            match *at {
                [] => ensure!(purged && !self.kept.contains(path), "{path} is nowhere"),
                [one] => {
                    ensure!(now.get(one) == Some(file), "{path} is another at {one}");
                    ensure!(one == path || !self.kept.contains(path), "{path} is kept and lies at {one}");
                }
                _ => ensure!(false, "{path} is at several places: {at:?}"),
            }
        }
        ensure!(places.is_empty(), "nobody put these there: {places:?}");
        Ok(())
    }

    /// Where a file was before; nothing for chksweep's own.
    fn original(&self, path: &str) -> Option<String> {
        let Some(own) = path.strip_prefix(&format!("{}/.chksweep/", self.root)) else {
            return Some(path.to_owned());
        };
        let (_, below) = own.strip_prefix("quarantine/")?.split_once('/')?;
        Some(format!("{}/{below}", self.root))
    }

    /// The files outside of chksweep's own directory.
    pub fn in_place(&self, now: &Files) -> BTreeSet<String> {
        let own = format!("{}/.chksweep/", self.root);
        now.keys().filter(|path| !path.starts_with(&own)).map(|path| self.below(path)).collect()
    }

    /// The files in the quarantine.
    pub fn quarantined(&self, now: &Files) -> BTreeSet<String> {
        let own = format!("{}/.chksweep/quarantine/", self.root);
        now.keys().filter(|path| path.starts_with(&own)).map(|path| self.below(path)).collect()
    }

    /// The files that no sweep takes.
    pub fn kept(&self) -> BTreeSet<String> {
        self.kept.iter().map(|path| self.below(path)).collect()
    }

    /// All files, as they were put.
    pub fn all(&self) -> BTreeSet<String> {
        self.before.keys().map(|path| self.below(path)).collect()
    }

    fn below(&self, path: &str) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}

/// What the checkpoint that is kept needs, below the job.
fn kept() -> [String; 3] {
    ["chk-3/_metadata".to_owned(), format!("chk-3/{}", uuid(11)), format!("shared/{}", uuid(1))]
}

fn write(root: &Path, location: &str) -> Result<()> {
    let job = root.join(JOB);
    let shared = |n: u32| format!("{location}/{JOB}/shared/{}", uuid(n));
    let metadata = |number: i64, names: &[String], beside: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
        simple_metadata(4, number, SimpleKind::Checkpoint, &names, &beside, [1; 16])
    };
    let merged = format!("taskowned/job_{JOB}_tm_host-1");
    let mut files = vec![
        ("chk-1/_metadata".to_owned(), metadata(1, &[shared(1)], &[])),
        ("chk-3/_metadata".to_owned(), metadata(3, &[shared(1)], &[uuid(11)])),
    ];
    let plain = [1, 2, 3, 4].map(|n| format!("shared/{}", uuid(n))).into_iter();
    let plain = plain.chain([11, 12].map(|n| format!("chk-3/{}", uuid(n))));
    let plain = plain.chain([13, 14].map(|n| format!("chk-2/{}", uuid(n))));
    let plain = plain.chain([15, 16, 17, 18].map(|n| format!("{merged}/{}", uuid(n))));
    files.extend(plain.map(|path| (path.clone(), path.into_bytes())));
    for (nth, (below, content)) in (0_u32..).zip(files) {
        let path = job.join(&below);
        fs::create_dir_all(path.parent().context("a file has a parent")?)?;
        fs::write(&path, content)?;
        // A checkpoint is older than the next.
        let number = below.strip_prefix("chk-").and_then(|rest| rest.get(..1)?.parse().ok()).unwrap_or(0);
        age(&path, Duration::from_secs(u64::from(nth)) + Duration::from_hours(4 - number))?;
    }
    fs::create_dir_all(job.join("chk-4"))?;
    age_directories(root)
}

fn age_directories(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            age_directories(&path)?;
        }
    }
    age(directory, Duration::ZERO)
}

/// Makes a file or directory that was made just now that much older.
fn age(path: &Path, more: Duration) -> Result<()> {
    let now = fs::metadata(path)?.modified()?;
    let time = now.checked_sub(more).context("before all time")?;
    Ok(File::open(path)?.set_modified(time)?)
}
