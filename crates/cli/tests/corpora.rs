//! The committed inputs of every fuzz target, played through what the target does with them: what was found once
//! stays found, on stable Rust.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../../../tests/fuzzing/src/lib.rs"]
#[expect(unreachable_pub, reason = "a crate of its own for cargo-fuzz")]
mod fuzzing;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn names(directory: &Path) -> BTreeSet<String> {
    entries(directory).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_committed_input_is_taken_as_its_target_takes_it() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzzing");
    let targets: BTreeSet<String> = fuzzing::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&home.join("fuzz_targets")), targets);
    assert_eq!(names(&home.join("corpus")), targets);
    for (name, target) in fuzzing::TARGETS {
        let inputs = entries(&home.join("corpus").join(name));
        assert!(inputs.len() >= 10, "{name}: {} inputs", inputs.len());
        for input in inputs {
            // Tells which one it was when the target panics.
            println!("{name}: {}", input.display());
            target(&fs::read(input).unwrap());
        }
    }
}
