//! What somebody plants on a local disk: links in the place of our files, and a `.chksweep` that is open to others.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::sandbox::{JOB, Sandbox};

const SWEEP: [&str; 4] = ["run", "--execute", "--max-sweep-ratio=1", "r"];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_plan_is_not_written_through_a_link() {
    let sandbox = Sandbox::with_job();
    sandbox.put("precious", b"mine", 0);
    symlink(sandbox.path("precious"), sandbox.path("plan.jsonl")).unwrap();
    let text = sandbox.run(&["plan", "r", "-o", "plan.jsonl"]);
    insta::assert_snapshot!(text, @r"
    exit 2
    --- stderr
    error: no plan is written to `plan.jsonl`: it is a symbolic link
    hint: name a regular file, or one that does not exist
    [EOF]
    ");
    assert_eq!(fs::read(sandbox.path("precious")).unwrap(), b"mine");
    // A regular file is replaced, whole, and is for its owner alone then.
    fs::remove_file(sandbox.path("plan.jsonl")).unwrap();
    fs::write(sandbox.path("plan.jsonl"), "old").unwrap();
    assert!(sandbox.run(&["plan", "r", "-o", "plan.jsonl"]).starts_with("exit 0"));
    assert_eq!(mode_of(&sandbox.path("plan.jsonl")), 0o600);
    assert!(fs::read_to_string(sandbox.path("plan.jsonl")).unwrap().starts_with("{\"record\":\"header\""));
}

#[test]
fn a_link_in_the_place_of_the_own_directory_stops_a_run() {
    for below in ["", "/runs", "/quarantine"] {
        let sandbox = Sandbox::with_job();
        fs::create_dir(sandbox.path("elsewhere")).unwrap();
        if !below.is_empty() {
            fs::create_dir(sandbox.path("r/.chksweep")).unwrap();
            set_mode(&sandbox.path("r/.chksweep"), 0o700);
        }
        symlink(sandbox.path("elsewhere"), sandbox.path(&format!("r/.chksweep{below}"))).unwrap();
        let before = sandbox.tree("r");
        let text = sandbox.run(&SWEEP);
        assert!(text.starts_with("exit 1") && text.contains("none is followed"), "{below}: {text}");
        assert_eq!(sandbox.tree("elsewhere"), Vec::<String>::new());
        assert_eq!(sandbox.tree("r"), before);
    }
}

#[test]
fn an_own_directory_that_is_open_to_others_stops_a_run_and_silences_its_records() {
    let sandbox = Sandbox::with_job();
    let own = sandbox.path("r/.chksweep");
    fs::create_dir(&own).unwrap();
    sandbox.put("r/.chksweep/looks.json", b"{}", 0);
    set_mode(&own, 0o777);
    let before = sandbox.tree("r");
    let text = sandbox.run(&SWEEP);
    assert!(
        text.starts_with("exit 1") && text.contains("(mode 777)") && text.contains("nothing was changed"),
        "{text}"
    );
    assert_eq!(sandbox.tree("r"), before);
    let text = sandbox.run(&["plan", "r"]);
    assert!(text.starts_with("exit 0") && text.contains("[looks-ignored]"), "{text}");
    set_mode(&own, 0o700);
    assert!(sandbox.run(&SWEEP).starts_with("exit 0"));
}

#[test]
fn what_a_run_makes_is_for_its_owner_alone() {
    let sandbox = Sandbox::with_job();
    assert!(sandbox.run(&SWEEP).starts_with("exit 0"));
    assert_eq!(mode_of(&sandbox.path("r/.chksweep")), 0o700);
    let records: Vec<_> = fs::read_dir(sandbox.path("r/.chksweep/runs")).unwrap().collect();
    assert_eq!(records.len(), 2);
    assert!(records.into_iter().all(|record| mode_of(&record.unwrap().path()) == 0o600));
    let state = sandbox.path("home/.local/state/chksweep");
    for kind in ["runs", "looks", "plans"] {
        let directory = state.join(kind);
        assert_eq!(mode_of(&directory), 0o700, "{kind}");
        let mut files = fs::read_dir(&directory).unwrap().peekable();
        assert!(files.peek().is_some(), "{kind}");
        assert!(files.all(|file| mode_of(&file.unwrap().path()) == 0o600), "{kind}");
    }
}

#[test]
fn links_in_the_state_directory_are_not_followed() {
    for kind in ["runs", "looks", "plans"] {
        let sandbox = Sandbox::with_job();
        let state = sandbox.path("home/.local/state/chksweep");
        fs::create_dir_all(&state).unwrap();
        set_mode(&state, 0o700);
        fs::create_dir(sandbox.path("elsewhere")).unwrap();
        symlink(sandbox.path("elsewhere"), state.join(kind)).unwrap();
        let text = sandbox.run(&SWEEP);
        assert!(text.contains("none is followed"), "{kind}: {text}");
        assert_eq!(sandbox.tree("elsewhere"), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn links_below_a_root_are_neither_followed_nor_moved() {
    let sandbox = Sandbox::with_job();
    let outside = sandbox.path("outside");
    let left = "55555555-5555-4555-8555-555555555555";
    sandbox.put(&format!("outside/shared/{left}"), &[5; 50], 99);
    sandbox.put("outside/precious", b"mine", 9999);
    let job = sandbox.path(&format!("r/{JOB}"));
    // A directory of state, a whole job, a file, and a loop.
    symlink(outside.join("shared"), job.join("dstl")).unwrap();
    symlink(&outside, sandbox.path("r/1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b")).unwrap();
    symlink(outside.join("precious"), job.join(format!("shared/{left}"))).unwrap();
    symlink(sandbox.path("r"), job.join("loop")).unwrap();
    let text = sandbox.run(&SWEEP);
    assert!(text.starts_with("exit 0"), "{text}");
    assert_eq!(
        sandbox.tree("outside"),
        ["precious".to_owned(), "shared".to_owned(), format!("shared/{left}")]
    );
    for link in ["dstl", "loop", &format!("shared/{left}")] {
        assert!(fs::symlink_metadata(job.join(link)).unwrap().is_symlink(), "{link} stays");
    }
    assert!(
        !sandbox.exists(&format!("r/{JOB}/shared/22222222-2222-4222-8222-222222222222")),
        "the rest is swept"
    );
}

#[test]
fn what_lies_in_a_trash_is_never_swept() {
    let sandbox = Sandbox::with_job();
    let dead = "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0";
    let left = "66666666-6666-4666-8666-666666666666";
    let mut trashed = Vec::new();
    for trash in ["r/.Trash/Current/r", "r/user/x/.Trash/261126000000/r"] {
        let metadata =
            chksweep_testkit::metadata_writer::MetadataWriter::v4(1).checkpoint().operator([9; 16]).bytes();
        for (name, content) in
            [(format!("shared/{left}"), &b"1"[..]), ("chk-1/_metadata".to_owned(), &metadata)]
        {
            let path = format!("{trash}/{dead}/{name}");
            sandbox.put(&path, content, 2000);
            trashed.push(path);
        }
        for directory in ["shared", "chk-1", ""] {
            sandbox.age(&format!("{trash}/{dead}/{directory}"), 2000);
        }
    }
    let mut words = SWEEP.to_vec();
    words.extend(["--dead-job", dead]);
    let text = sandbox.run(&words);
    assert!(text.starts_with("exit 0"), "{text}");
    assert!(trashed.iter().all(|path| sandbox.exists(path)), "{text}");
    assert!(
        !sandbox.exists(&format!("r/{JOB}/shared/22222222-2222-4222-8222-222222222222")),
        "the rest is swept"
    );
}
