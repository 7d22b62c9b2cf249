//! Trees that real Flink jobs left behind, planned as a whole: nothing that Flink needs is swept, and all that it
//! does not need is, once the jobs count as dead.
//!
//! `tests/golden/trees` has for each tree what was listed, what Flink's own reader says of every `_metadata`, and
//! the small files of checkpoints and savepoints; larger files are made again with the same length.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chksweep_core::equivalence::Equivalence;
use chksweep_core::plan::{Decision, Looks, PlanInput};
use chksweep_core::{Age, Location, Policy, Timestamp};
use chksweep_engine::collect::{CollectRequest, collect};
use chksweep_engine::{Quiet, ReadStores};
use chksweep_store::local::LocalStore;
use serde_json::Value;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/trees")
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Makes a tree again: small files from the archive, the others by length alone, all with their mtimes.
fn unpack(name: &str, tree: &Value, root: &Path) {
    let archive = golden().join(format!("{name}.tar.gz"));
    assert!(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(root).status().unwrap().success());
    let listing = tree["listing"].as_array().unwrap();
    for entry in listing.iter().filter(|entry| entry[1] == "d") {
        fs::create_dir_all(root.join(entry[0].as_str().unwrap())).unwrap();
    }
    for entry in listing.iter().filter(|entry| entry[1] == "f") {
        let path = root.join(entry[0].as_str().unwrap());
        let file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.set_len(entry[2].as_u64().unwrap()).unwrap();
    }
    // Innermost first: what happens in a directory changes its mtime.
    let mut paths: Vec<&Value> = listing.iter().collect();
    paths.sort_by_key(|entry| std::cmp::Reverse(entry[0].as_str().unwrap().len()));
    for entry in paths {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(entry[3].as_u64().unwrap());
        fs::File::open(root.join(entry[0].as_str().unwrap())).unwrap().set_modified(modified).unwrap();
    }
}

struct Planned {
    swept: BTreeSet<String>,
    brakes: Vec<String>,
    problems: Vec<String>,
}

/// Looks and plans, with ages counted so many days after the newest file.
fn plan(tree: &Value, root: &Path, days: u64, alias: bool) -> Planned {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let location = Location::local(root.as_os_str().as_bytes());
    let mut equivalence = Equivalence::default();
    if alias {
        let from = Location::from_printed(tree["root"].as_str().unwrap().as_bytes()).unwrap();
        equivalence.add_alias(&from, &location).unwrap();
    }
    let newest =
        tree["listing"].as_array().unwrap().iter().map(|entry| entry[3].as_i64().unwrap()).max().unwrap();
    let looked_at = Timestamp(newest).plus(Age::minutes(1));
    let mut stores = ReadStores::default();
    stores.add(&location, Arc::new(LocalStore::new()));
    let request = CollectRequest::new(vec![location.clone()], stores, &equivalence, looked_at, &Quiet);
    let collected = runtime.block_on(collect(request)).unwrap();
    let mut policy = Policy::default();
    policy.brakes.max_sweep_ratio = 1.0;
    let input = PlanInput {
        run_id: "trees",
        as_of: Timestamp(newest).plus(Age::days(days)),
        looked_at,
        inventory: &collected.inventory,
        metadata: &collected.metadata,
        unlisted: &collected.unlisted,
        reference_roots: &[],
        equivalence: &equivalence,
        policy: &policy,
        looks: &Looks::default(),
        pins: &collected.pins,
        problems: &collected.problems,
    };
    let plan = chksweep_planner::plan(&input).unwrap();
    let verified = chksweep_audit::check(&input, plan).unwrap_or_else(|findings| panic!("{findings}"));
    let plan = verified.into_plan();
    let mut swept = BTreeSet::new();
    for (id, directory) in collected.inventory.directories() {
        for (file_id, file) in collected.inventory.files_of(id) {
            if plan.decisions.file(file_id).decision() == Decision::Sweep {
                let path = collected.inventory.location_of(id, file);
                swept.insert(String::from_utf8(path.below(&location).unwrap().to_vec()).unwrap());
            }
        }
        let _ = directory;
    }
    Planned {
        swept,
        brakes: plan.brakes.iter().map(|brake| brake.message.clone()).collect(),
        problems: plan.summary.problems.iter().map(|problem| problem.code.clone()).collect(),
    }
}

fn trees() -> Vec<(String, Value)> {
    let mut trees: Vec<(String, Value)> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let tree: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (tree["name"].as_str().unwrap().to_owned(), tree)
        })
        .collect();
    trees.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(trees.len() >= 19, "{}", trees.len());
    trees
}

/// Every file that some `_metadata` of the tree names, every `_metadata`, and what Flink needs without naming it.
fn needed(tree: &Value) -> BTreeSet<String> {
    let mut needed = strings(&tree["expectedLive"]);
    needed.extend(strings(&tree["liveButHidden"]));
    needed.extend(strings(&tree["liveButUnresolvable"]));
    let mut names: BTreeSet<String> = BTreeSet::new();
    for metadata in tree["metadata"].as_array().unwrap() {
        needed.insert(metadata["path"].as_str().unwrap().to_owned());
        needed.extend(strings(&metadata["files"]));
        names.extend(
            strings(&metadata["files"]).iter().map(|path| path.rsplit('/').next().unwrap().to_owned()),
        );
    }
    // A relative name that resolves to nothing means the file of that name elsewhere (FLINK-39964).
    let listed = tree["listing"].as_array().unwrap().iter().map(|entry| entry[0].as_str().unwrap());
    needed.extend(
        listed.filter(|path| names.contains(path.rsplit('/').next().unwrap())).map(ToOwned::to_owned),
    );
    needed
}

fn files(tree: &Value) -> BTreeSet<String> {
    let listing = tree["listing"].as_array().unwrap().iter();
    listing.filter(|entry| entry[1] == "f").map(|entry| entry[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn once_the_jobs_count_as_dead_exactly_what_nothing_needs_is_swept() {
    let mut total = 0;
    for (name, tree) in trees() {
        let scratch = tempfile::tempdir().unwrap();
        unpack(&name, &tree, scratch.path());
        let planned = plan(&tree, scratch.path(), 30, true);
        let garbage: BTreeSet<String> = files(&tree).difference(&needed(&tree)).cloned().collect();
        assert_eq!(planned.swept, garbage, "{name}: {:?} {:?}", planned.brakes, planned.problems);
        assert_eq!(planned.brakes, [""; 0], "{name}");
        total += planned.swept.len();
    }
    assert!(total > 100, "the trees hold garbage: {total}");
}

#[test]
fn without_the_alias_everything_needed_still_stays() {
    for (name, tree) in trees() {
        let scratch = tempfile::tempdir().unwrap();
        unpack(&name, &tree, scratch.path());
        let planned = plan(&tree, scratch.path(), 30, false);
        let lost: Vec<String> = planned.swept.intersection(&needed(&tree)).cloned().collect();
        assert_eq!(lost, [""; 0], "{name}");
    }
}

#[test]
fn while_the_jobs_may_run_nothing_needed_is_swept_and_the_young_stays() {
    for (name, tree) in trees() {
        let scratch = tempfile::tempdir().unwrap();
        unpack(&name, &tree, scratch.path());
        for days in [0, 1, 2, 6] {
            let planned = plan(&tree, scratch.path(), days, true);
            let lost: Vec<String> = planned.swept.intersection(&needed(&tree)).cloned().collect();
            assert_eq!(lost, [""; 0], "{name} after {days} days");
            assert!(days > 0 || planned.swept.is_empty(), "{name}: {:?}", planned.swept);
        }
    }
}
