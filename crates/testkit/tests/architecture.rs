//! Holds the directions of dependencies in ARCHITECTURE.md: who may use whom, and who may use what is heavy.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may use of ours, outside its tests.
const OURS: &[(&str, &[&str])] = &[
    ("chksweep-core", &[]),
    ("chksweep-store", &["chksweep-core"]),
    ("chksweep-hdfs", &["chksweep-core", "chksweep-store"]),
    ("chksweep-planner", &["chksweep-core"]),
    ("chksweep-audit", &["chksweep-core"]),
    ("chksweep-engine", &["chksweep-core", "chksweep-store", "chksweep-audit"]),
    (
        "chksweep-pipeline",
        &["chksweep-core", "chksweep-store", "chksweep-planner", "chksweep-audit", "chksweep-engine"],
    ),
    (
        "chksweep",
        &["chksweep-core", "chksweep-store", "chksweep-hdfs", "chksweep-engine", "chksweep-pipeline"],
    ),
    ("chksweep-testkit", &["chksweep-core", "chksweep-store"]),
    (
        "chksweep-sim",
        &["chksweep-core", "chksweep-store", "chksweep-engine", "chksweep-pipeline", "chksweep-testkit"],
    ),
];

/// What is heavy, or lets code touch the world, and who may use it.
const HEAVY: &[(&str, &[&str])] = &[
    ("hdfs-native", &["chksweep-hdfs"]),
    (
        "tokio",
        &[
            "chksweep-store",
            "chksweep-hdfs",
            "chksweep-engine",
            "chksweep-pipeline",
            "chksweep-sim",
            "chksweep",
        ],
    ),
    ("clap", &["chksweep"]),
    ("anyhow", &["chksweep"]),
    ("indicatif", &["chksweep"]),
    ("rustix", &["chksweep-store", "chksweep-hdfs", "chksweep-engine", "chksweep"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let normal = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
        normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array).unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), normal(package))).collect()
}

#[test]
fn crates_use_only_what_lies_below_them() {
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for (name, allowed) in OURS {
        let used = &dependencies[*name];
        wrong.extend(
            used.iter()
                .filter(|used| used.starts_with("chksweep") && !allowed.contains(&used.as_str()))
                .map(|used| format!("{name} -> {used}")),
        );
    }
    for (heavy, allowed) in HEAVY {
        wrong.extend(
            OURS.iter()
                .filter(|(name, _)| dependencies[*name].contains(*heavy) && !allowed.contains(name))
                .map(|(name, _)| format!("{name} -> {heavy}")),
        );
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_crate_is_in_the_table() {
    let known: BTreeSet<&str> = OURS.iter().map(|(name, _)| *name).chain(["chksweep-tests"]).collect();
    let found: BTreeSet<String> = dependencies().into_keys().collect();
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}
