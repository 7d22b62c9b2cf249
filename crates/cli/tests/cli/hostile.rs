//! Metadata and names that somebody made to do harm: to be swept more than is dead, to write to the terminal of who
//! looks, to take all memory. Each is compared with the same tree without them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chksweep_testkit::metadata_writer::{MetadataWriter, OperatorHandle, Stream, Text};

use crate::sandbox::{JOB, Sandbox};

pub(crate) const NAMED: &str = "11111111-1111-4111-8111-111111111111";
const LEFT: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const OWN: &str = "33333333-3333-4333-8333-333333333333";

/// What moves the cursor, sets the title, ends the line, turns what follows, or is no text at all.
const NASTY: [&[u8]; 9] = [
    b"\x1b[31mred",
    b"\x1b]0;title\x07",
    b"\xc2\x9b31m",
    b"line\nsecond",
    b"return\rover",
    "\u{202e}gnp.exe".as_bytes(),
    "\u{2028}separated\u{200b}".as_bytes(),
    b"not-utf8-\xff\xfe\x1b[2J",
    b"\x08\x7f\x01",
];

const DOCUMENTED: [i32; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 130];

/// The metadata of checkpoint 2 of [`Sandbox::with_job`], to be added to.
fn metadata(sandbox: &Sandbox) -> MetadataWriter {
    let shared = format!("file://{}/r/{JOB}/shared/{NAMED}", sandbox.path("").display());
    MetadataWriter::v4(2).checkpoint().operator([7; 16]).subtask(0).file(shared, 1000).relative(OWN, 300)
}

/// A tree whose checkpoint 2 also says what `add` adds.
pub(crate) fn with_metadata(add: impl FnOnce(MetadataWriter) -> MetadataWriter) -> Sandbox {
    let sandbox = Sandbox::with_job();
    with_bytes(&sandbox, &add(metadata(&sandbox)).bytes());
    sandbox
}

/// Checkpoint 0, of the same operator, is there so that the abandoned checkpoint 1 is known to be overtaken.
fn with_bytes(sandbox: &Sandbox, bytes: &[u8]) {
    let earlier = MetadataWriter::v4(0).checkpoint().operator([7; 16]).bytes();
    sandbox.put(&format!("r/{JOB}/chk-0/_metadata"), &earlier, 120);
    sandbox.put(&format!("r/{JOB}/chk-2/_metadata"), bytes, 50);
    sandbox.age(&format!("r/{JOB}/chk-2"), 50);
}

/// What a plan sweeps, as paths relative to the sandbox; a directory with all below it.
pub(crate) fn swept(sandbox: &Sandbox) -> BTreeSet<String> {
    let output = sandbox.output(&["plan", "r", "-o", "plan.jsonl", "--max-sweep-ratio=1"]);
    let code = output.status.code().unwrap();
    assert!([0, 3, 4].contains(&code), "{code}: {}", String::from_utf8_lossy(&output.stderr));
    let home = format!("file://{}/", sandbox.path("").display());
    let text = fs::read_to_string(sandbox.path("plan.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .filter(|line| line["decision"] == "sweep")
        .map(|line| line["path"].as_str().unwrap().strip_prefix(&home).unwrap().to_owned())
        .collect()
}

#[track_caller]
pub(crate) fn assert_harmless(what: &str, output: &Output) {
    let code = output.status.code();
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        assert_clean(&format!("{what}: {name}"), bytes);
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("panicked") && !text.contains("report it"), "{what}: {text}");
    }
    assert!(code.is_some_and(|code| DOCUMENTED.contains(&code)), "{what}: {code:?}");
}

/// Said here once more, so that a program that forgets one is not asked which there are.
fn hides(c: char) -> bool {
    c != '\n'
        && (c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// No control character but the line end, nothing else that is hidden, and text.
#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let hidden = text.chars().find(|c| hides(*c));
    assert_eq!(hidden, None, "{what}: {text:?}");
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn handles_that_point_elsewhere_never_widen_what_is_swept() {
    let harmless = swept(&with_metadata(|metadata| metadata));
    assert!(harmless.len() > 1, "{harmless:?}");
    let long = "x/".repeat(20_000);
    let names: [&str; 17] = [
        "..",
        ".",
        "a/../../b",
        "../../../../../../../../etc/passwd",
        "../shared/",
        "../../../outside",
        "/etc/passwd",
        "file:///",
        "file:///etc/passwd",
        "file://host/etc/passwd",
        "hdfs://other:8020/flink/shared/x",
        "s3://bucket/x",
        "no-scheme",
        "file:///%2e%2e/%2e%2e/x",
        "\\..\\..\\x",
        "viewfs:///",
        &long,
    ];
    for name in names {
        let everywhere: [fn(MetadataWriter, &str) -> MetadataWriter; 4] = [
            |metadata, name| metadata.relative(name, 1),
            |metadata, name| metadata.file(name, 1),
            |metadata, name| metadata.operator_state(Stream::segment(name, 0, i64::MAX)),
            |metadata, name| metadata.managed_operator(OperatorHandle::empty_merging(name, name)),
        ];
        for (kind, add) in everywhere.into_iter().enumerate() {
            let found = swept(&with_metadata(|metadata| add(metadata, name)));
            assert!(found.is_subset(&harmless), "{} as {kind}: {found:?}", name.get(..40).unwrap_or(name));
        }
        let sandbox = with_metadata(|metadata| {
            everywhere.into_iter().fold(metadata, |metadata, add| add(metadata, name))
        });
        sandbox.put("outside/precious", b"mine", 9999);
        let output = sandbox.output(&["run", "--execute", "--max-sweep-ratio=1", "r"]);
        assert_harmless(name, &output);
        let kept = [
            "outside/precious".to_owned(),
            format!("r/{JOB}/shared/{NAMED}"),
            format!("r/{JOB}/chk-2/{OWN}"),
            format!("r/{JOB}/chk-2/_metadata"),
        ];
        assert!(kept.iter().all(|kept| sandbox.exists(kept)), "{name}: {kept:?}");
    }
}

#[test]
fn a_path_that_leads_back_into_the_root_keeps_what_it_names() {
    let sandbox = Sandbox::new();
    let job = format!("file://{}/r/{JOB}", sandbox.path("").display());
    for name in [
        format!("../shared/{LEFT}"),
        format!("./../chk-2/..//shared/./{LEFT}"),
        format!("{job}/chk-1/../shared/{LEFT}"),
        format!("{job}/../{JOB}/shared//{LEFT}/"),
    ] {
        for relative in [true, false] {
            let sandbox = with_metadata(|metadata| {
                if relative { metadata.relative(name.as_str(), 1) } else { metadata.file(name.as_str(), 1) }
            });
            let left = format!("r/{JOB}/shared/{LEFT}");
            assert!(!swept(&sandbox).contains(&left), "{name}");
        }
    }
}

/// A tree with such names in its metadata and on the disk, in places where they are kept, swept and skipped. What the
/// metadata names is there: else nothing at all would be swept.
fn nasty_tree() -> Sandbox {
    let sandbox = with_metadata(|metadata| {
        let named = metadata.named("op\u{1b}[31m", "uid\n\u{202e}");
        let texts = NASTY.iter().filter_map(|name| std::str::from_utf8(name).ok());
        texts.fold(named, |metadata, name| metadata.relative(name, 1))
    });
    let job = sandbox.path(&format!("r/{JOB}"));
    for name in NASTY {
        let name = OsStr::from_bytes(name);
        for directory in ["shared", "chk-1", "chk-2", "taskowned", "", ".."] {
            fs::write(job.join(directory).join(name), b"1").unwrap();
        }
        fs::create_dir_all(sandbox.path("r").join("deep").join(name).join(name)).unwrap();
    }
    let mut all = Vec::new();
    files_below(&sandbox.path("r"), &mut all);
    for path in all.iter().filter(|path| path.file_name().unwrap() != "_metadata") {
        Sandbox::age_path(path, 99);
    }
    for directory in ["chk-1", "shared", "taskowned", ""] {
        sandbox.age(&format!("r/{JOB}/{directory}"), 50);
    }
    sandbox
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Every command that shows a name, in the order in which they are run.
fn commands(sandbox: &Sandbox) -> Vec<Vec<OsString>> {
    let chk = format!("r/{JOB}/chk-2");
    let first = [
        &["deps", &chk][..],
        &["deps", "--files", &chk],
        &["inspect", &chk],
        &["jobs", "r"],
        &["plan", "r"],
        &["plan", "--all", "r", "-o", "plan.jsonl"],
        &["run", "r"],
        &["check", "r"],
        &["explain", &chk],
    ];
    let mut commands: Vec<Vec<OsString>> = first.into_iter().map(words).collect();
    for name in NASTY.map(OsStr::from_bytes) {
        for directory in ["shared", "chk-1", "chk-2", "gone"] {
            let path = sandbox.path(&format!("r/{JOB}/{directory}")).join(name);
            for command in ["explain", "deps", "inspect"] {
                commands.push(vec![command.into(), path.clone().into()]);
            }
        }
        commands.push(vec!["plan".into(), name.to_owned()]);
        commands.push(vec!["pin".into(), sandbox.path(&format!("r/{JOB}/shared")).join(name).into()]);
    }
    commands.push(words(&["pins", "r"]));
    commands.push(words(&["run", "--execute", "--max-sweep-ratio=1", "r"]));
    commands.push(words(&["quarantine", "list", "r"]));
    commands.push(words(&["quarantine", "restore", "r", "--all", "--yes"]));
    commands
}

/// Runs a command and looks at all that it writes. Returns whether it showed one of the names.
fn look_at(sandbox: &Sandbox, command: &[OsString], more: &[&str]) -> bool {
    let mut all = command.to_vec();
    all.extend(words(more));
    let what = format!("{all:?}");
    let output = sandbox.command(&all).output().unwrap();
    assert_harmless(&what, &output);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    if more.contains(&"--format=json") && !stdout.is_empty() {
        let document: Result<serde_json::Value, _> = serde_json::from_str(&stdout);
        assert!(document.is_ok(), "{what}: {stdout}");
    }
    if more.contains(&"--log-format=json") {
        for line in stderr.lines() {
            let line: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(line.is_ok(), "{what}: {stderr}");
        }
    }
    stdout.contains("gnp.exe") || stderr.contains("gnp.exe")
}

#[test]
fn no_command_writes_what_a_name_hides() {
    const JSON: &[&str] = &["--format=json", "--log-format=json", "-vv"];
    let sandbox = nasty_tree();
    let before = sandbox.tree("r");
    let mut shown = BTreeSet::new();
    for command in commands(&sandbox) {
        for more in [&[][..], &["--format=json"], &["-vv"], JSON] {
            if look_at(&sandbox, &command, more) {
                shown.insert(command[0].clone());
            }
        }
    }
    for command in ["deps", "explain", "plan", "pin", "pins"] {
        assert!(shown.contains(OsStr::new(command)), "{command} shows no name");
    }
    assert_eq!(sandbox.tree("r"), before, "what was swept is back");
    let mut written = vec![sandbox.path("plan.jsonl")];
    files_below(&sandbox.path("home"), &mut written);
    files_below(&sandbox.path("r/.chksweep"), &mut written);
    // Pins are the names themselves, a line each, as whoever pinned them typed them.
    written.retain(|file| *file != sandbox.path("r/.chksweep/pins"));
    written.retain(|file| !file.components().any(|part| part.as_os_str() == "quarantine"));
    assert!(written.len() > 5, "{written:?}");
    let texts: Vec<String> = written.iter().map(|file| text_of(file)).collect();
    assert!(texts.iter().any(|text| text.contains("\\u202egnp.exe")), "a plan shows it");
}

/// Returns the text of a file of ours, which hides nothing.
fn text_of(file: &Path) -> String {
    let mut bytes = fs::read(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "zst") {
        bytes = zstd::decode_all(bytes.as_slice()).unwrap();
    }
    assert_clean(&file.display().to_string(), &bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_root_with_such_a_name_is_swept_without_writing_it() {
    for name in NASTY {
        let sandbox = Sandbox::with_job();
        let metadata = MetadataWriter::v4(2).checkpoint().operator([7; 16]).subtask(0);
        with_bytes(
            &sandbox,
            &metadata.relative(format!("../shared/{NAMED}"), 1000).relative(OWN, 300).bytes(),
        );
        let root = sandbox.path("").join(OsStr::from_bytes(name));
        fs::rename(sandbox.path("r"), &root).unwrap();
        let what = format!("{:?}", OsStr::from_bytes(name));
        for more in [
            &["run"][..],
            &["run", "--execute", "--log-format=json", "--format=json", "-vv"],
            &["quarantine", "list"],
        ] {
            let mut command = words(more);
            command.push(root.clone().into());
            if more.len() > 2 {
                command.push("--max-sweep-ratio=1".into());
            }
            let output = sandbox.command(&command).output().unwrap();
            assert_harmless(&what, &output);
            let code = output.status.code();
            assert!(
                [Some(0), Some(3)].contains(&code),
                "{what}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let job = root.join(JOB);
        assert!(!job.join("shared").join(LEFT).exists(), "{what} is swept");
        assert!(job.join("shared").join(NAMED).exists() && job.join("chk-2").join(OWN).exists(), "{what}");
        let mut written = Vec::new();
        files_below(&sandbox.path("home"), &mut written);
        files_below(&root.join(".chksweep"), &mut written);
        written.retain(|file| !file.components().any(|part| part.as_os_str() == "quarantine"));
        let texts: Vec<String> = written.iter().map(|file| text_of(file)).collect();
        assert!(texts.iter().any(|text| text.contains("intent")), "{what}: {written:?}");
    }
}

/// Runs the binary with so little memory that a count believed would end it.
pub(crate) fn with_little_memory(sandbox: &Sandbox, kib: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.env_clear().env("HOME", sandbox.path("home")).env("USER", "tester").current_dir(sandbox.path(""));
    command
        .arg("-c")
        .arg(format!("ulimit -v {kib} && exec \"$@\""))
        .arg("sh")
        .arg(env!("CARGO_BIN_EXE_chksweep"));
    command.args(arguments).output().unwrap()
}

/// A `_metadata` of version 4 up to and with the count of its operators; what follows comes from `rest`.
fn by_hand(operators: i32, rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&[0x49, 0x60, 0x67, 0x2D]);
    bytes.extend_from_slice(&4_i32.to_be_bytes());
    bytes.extend_from_slice(&2_i64.to_be_bytes());
    bytes.push(0); // no properties
    bytes.extend_from_slice(&0_i32.to_be_bytes()); // no states of hooks
    bytes.extend_from_slice(&operators.to_be_bytes());
    bytes.extend(rest.concat());
    bytes
}

#[test]
fn counts_that_lie_take_no_memory_and_hold_everything_back() {
    let billion = 1_000_000_000_i32.to_be_bytes();
    let one = 1_i32.to_be_bytes();
    let zero = 0_i32.to_be_bytes();
    let operator: &[&[u8]] = &[&[7; 16], &one, &one, &[0]];
    let subtasks: Vec<&[u8]> = operator.iter().copied().chain([&billion[..]]).collect();
    // One subtask, whose managed operator state is a list of so many states, or of one with so many offsets.
    let states: Vec<&[u8]> = operator.iter().copied().chain([&one, &zero, &[4][..], &billion]).collect();
    let lies: [(&str, Vec<u8>); 7] = [
        ("no text", metadata(&Sandbox::new()).relative(Text(b"a\xff\xfe".to_vec()), 1).bytes()),
        ("operators", by_hand(1_000_000_000, &[&[0; 180]])),
        ("all operators", by_hand(i32::MAX, &[&[0; 180]])),
        ("less than none", by_hand(-1, &[&[0; 180]])),
        ("subtasks", by_hand(1, &[&subtasks.concat(), &[0; 100]])),
        ("states", by_hand(1, &[&states.concat(), &[0; 100]])),
        ("offsets", {
            let offsets: Vec<i64> = vec![0; 8];
            let keyed = Stream::KeyGroups { start: 0, offsets, stream: Box::new(Stream::Absent) };
            let bytes = MetadataWriter::v4(2).checkpoint().operator([7; 16]).subtask(0);
            let mut bytes = bytes.operator_state(keyed).bytes();
            let at = bytes.windows(4).rposition(|window| window == 8_i32.to_be_bytes()).unwrap();
            bytes[at..at + 4].copy_from_slice(&billion);
            bytes
        }),
    ];
    for (what, bytes) in lies {
        let sandbox = Sandbox::with_job();
        with_bytes(&sandbox, &bytes);
        let before = sandbox.tree("r");
        let chk = format!("r/{JOB}/chk-2");
        for command in [
            &["run", "--execute", "--max-sweep-ratio=1", "r"][..],
            &["plan", "r"],
            &["deps", &chk],
            &["inspect", &chk],
            &["jobs", "r"],
        ] {
            let output = with_little_memory(&sandbox, 1_000_000, command);
            assert_harmless(&format!("{what}: {command:?}"), &output);
            let told = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(output.status.code(), Some(4), "{what}: {command:?}: {told}");
            assert!(told.contains("offset"), "{what}: {command:?}: {told}");
        }
        assert_eq!(sandbox.tree("r"), before, "{what}");
    }
}

#[test]
fn state_nested_without_end_is_refused_without_a_crash() {
    for (depth, exit) in [(900, 0), (1_100, 4), (200_000, 4)] {
        let sandbox = Sandbox::with_job();
        let stream = |depth| {
            let empty = Stream::relative(OWN, 300);
            (0..depth).fold(empty, |stream, _| Stream::KeyGroups {
                start: 0,
                offsets: Vec::new(),
                stream: Box::new(stream),
            })
        };
        // The writer would end its own stack: what lies between is put in by hand.
        let shallow = |depth| metadata(&sandbox).operator_state(stream(depth)).bytes();
        let (one, two) = (shallow(1), shallow(2));
        let at = one.iter().zip(&two).position(|(a, b)| a != b).unwrap();
        let level = two[at..at + two.len() - one.len()].to_vec();
        let bytes = [&one[..at], &level.repeat(depth - 1), &one[at..]].concat();
        if depth < 1_000 {
            assert_eq!(bytes, shallow(depth));
        }
        with_bytes(&sandbox, &bytes);
        let output =
            with_little_memory(&sandbox, 1_000_000, &["run", "--execute", "--max-sweep-ratio=1", "r"]);
        assert_harmless(&format!("{depth}"), &output);
        assert_eq!(output.status.code(), Some(exit), "{depth}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(sandbox.exists(&format!("r/{JOB}/shared/{LEFT}")), exit == 4, "{depth}");
        assert!(sandbox.exists(&format!("r/{JOB}/chk-2/{OWN}")), "{depth}");
    }
}
