//! Plan files that somebody forged, and links in the place of what is written.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use chksweep_core::Location;
use chksweep_core::plan::{Decision, Entry, PlanFile, PlanFileWriter};
use chksweep_pipeline::read_plan_file;

use crate::hostile::{NAMED, OWN, assert_harmless, swept, with_little_memory, with_metadata};
use crate::sandbox::JOB;

/// Rewrites a plan file with an edit, and a digest that fits.
fn forge(path: &Path, edit: impl FnOnce(&mut PlanFile)) {
    let mut plan = read_plan_file(path, |_| true).unwrap();
    edit(&mut plan);
    let mut writer = PlanFileWriter::new(Vec::new(), &plan.header).unwrap();
    for entry in &plan.entries {
        writer.entry(entry).unwrap();
    }
    fs::write(path, writer.finish(&plan.summary).unwrap().1).unwrap();
}

#[test]
fn a_forged_plan_sweeps_no_more_than_a_plan_of_today() {
    let named = format!("r/{JOB}/shared/{NAMED}");
    for target in
        ["outside/precious", &named, "r", &format!("r/{JOB}"), "r/../outside/precious", "r/.chksweep"]
    {
        let sandbox = with_metadata(|metadata| metadata);
        sandbox.put("outside/precious", b"mine", 9999);
        assert!(!swept(&sandbox).is_empty());
        let location = format!("file://{}/{target}", sandbox.path("").display());
        forge(&sandbox.path("plan.jsonl"), |plan| {
            let sweep =
                plan.entries.iter().find(|entry| entry.verdict.decision() == Decision::Sweep).unwrap();
            let entry = Entry { path: Location::from_printed(location.as_bytes()).unwrap(), ..sweep.clone() };
            plan.entries.push(entry);
            plan.entries.sort_by(|a, b| a.path.cmp(&b.path));
            plan.entries.dedup_by(|a, b| a.path == b.path);
        });
        let output = sandbox.output(&["apply", "plan.jsonl", "--yes"]);
        assert_harmless(target, &output);
        for kept in ["outside/precious", &named, &format!("r/{JOB}/chk-2/{OWN}")] {
            assert!(sandbox.exists(kept), "{target}: {kept}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn a_plan_whose_two_spellings_of_a_path_differ_is_refused() {
    let sandbox = with_metadata(|metadata| metadata);
    swept(&sandbox);
    let text = fs::read_to_string(sandbox.path("plan.jsonl")).unwrap();
    let (before, entry) = text.split_at(text.find("\"record\":\"entry\"").unwrap());
    let two = "\"pathBase64\":\"ZmlsZTovLy9ldGMvcGFzc3dk\",\"path\":";
    let other = format!("{before}{}", entry.replacen("\"path\":", two, 1));
    assert_ne!(other, text);
    fs::write(sandbox.path("plan.jsonl"), other).unwrap();
    let output = sandbox.output(&["apply", "plan.jsonl", "--yes"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("is not how the path in pathBase64 is printed"), "{stderr}");
    assert_eq!(output.status.code(), Some(8));
}

#[test]
fn a_plan_file_that_unpacks_without_end_takes_no_memory_without_end() {
    let header = "{\"record\":\"header\",\"schema\":1,\"metadata\":[";
    let many = "[],".repeat(1 << 20);
    let sandbox = with_metadata(|metadata| metadata);
    let mut encoder = zstd::Encoder::new(fs::File::create(sandbox.path("bomb.zst")).unwrap(), 1).unwrap();
    encoder.write_all(header.as_bytes()).unwrap();
    for _ in 0..100 {
        encoder.write_all(many.as_bytes()).unwrap();
    }
    encoder.finish().unwrap();
    let output = with_little_memory(&sandbox, 1_500_000, &["apply", "bomb.zst", "--yes"]);
    assert_harmless("bomb", &output);
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_link_in_the_place_of_the_lock_or_the_pins_is_not_written_through() {
    for name in ["lock", "pins"] {
        let sandbox = with_metadata(|metadata| metadata);
        sandbox.put("precious", b"mine", 0);
        fs::create_dir(sandbox.path("r/.chksweep")).unwrap();
        fs::set_permissions(sandbox.path("r/.chksweep"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink(sandbox.path("precious"), sandbox.path(&format!("r/.chksweep/{name}"))).unwrap();
        for command in
            [&["pin", &format!("r/{JOB}/chk-2")][..], &["run", "--execute", "--max-sweep-ratio=1", "r"]]
        {
            let output = sandbox.output(command);
            assert_harmless(&format!("{name}: {command:?}"), &output);
            assert_eq!(fs::read(sandbox.path("precious")).unwrap(), b"mine", "{name}: {command:?}");
        }
        assert!(fs::symlink_metadata(sandbox.path("precious")).unwrap().is_file());
    }
}
