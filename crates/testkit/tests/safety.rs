//! Holds docs/safety.md: every test that it names exists.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

fn sources(directory: &Path, all: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_argument_names_exists() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(top.join("docs/safety.md")).unwrap();
    let mut all = String::new();
    sources(&top.join("crates"), &mut all);
    sources(&top.join("tests"), &mut all);
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.matches('_').count() > 2 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
        .collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(named.len() > 40, "{}", named.len());
    assert_eq!(missing, [&""; 0]);
}
