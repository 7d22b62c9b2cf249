//! A directory of its own for each test, and a run of the binary as one text to compare.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use chksweep_testkit::metadata_writer::MetadataWriter;

/// The job of most trees.
pub(crate) const JOB: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// A directory of its own, with a home in it.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { directory }
    }

    /// A root `r` with a job: checkpoint 2 names one shared file; another one and a file in `chk-1` are left over.
    pub(crate) fn with_job() -> Self {
        let sandbox = Self::new();
        let job = format!("r/{JOB}");
        let shared = |name: &str| format!("file://{}/{job}/shared/{name}", sandbox.path("").display());
        let named = "11111111-1111-4111-8111-111111111111";
        let left = "22222222-2222-4222-8222-222222222222";
        sandbox.put(&format!("{job}/shared/{named}"), &[1; 1000], 100);
        sandbox.put(&format!("{job}/shared/{left}"), &[2; 500], 99);
        let own = "33333333-3333-4333-8333-333333333333";
        sandbox.put(&format!("{job}/chk-2/{own}"), &[3; 300], 50);
        let metadata = MetadataWriter::v4(2)
            .checkpoint()
            .operator([7; 16])
            .subtask(0)
            .file(shared(named), 1000)
            .relative(own, 300)
            .bytes();
        sandbox.put(&format!("{job}/chk-2/_metadata"), &metadata, 50);
        sandbox.put(&format!("{job}/chk-1/44444444-4444-4444-8444-444444444444"), &[4; 10], 98);
        fs::create_dir_all(sandbox.path(&format!("{job}/taskowned"))).unwrap();
        for directory in ["chk-1", "chk-2", "shared", "taskowned", ""] {
            sandbox.age(&format!("{job}/{directory}"), 50);
        }
        sandbox
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        if relative.is_empty() {
            self.directory.path().to_owned()
        } else {
            self.directory.path().join(relative)
        }
    }

    /// Writes a file that was modified so many hours ago.
    pub(crate) fn put(&self, relative: &str, content: &[u8], hours_ago: u64) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.age(relative, hours_ago);
    }

    pub(crate) fn age(&self, relative: &str, hours_ago: u64) {
        Self::age_path(&self.path(relative), hours_ago);
    }

    #[expect(clippy::disallowed_methods, reason = "the binary goes by the clock of this machine")]
    pub(crate) fn age_path(path: &Path, hours_ago: u64) {
        let time = SystemTime::now() - Duration::from_hours(hours_ago);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    /// Gives a file the access time of a read so many hours ago.
    #[expect(clippy::disallowed_methods, reason = "the binary goes by the clock of this machine")]
    pub(crate) fn read(&self, relative: &str, hours_ago: u64) {
        let times = fs::FileTimes::new().set_accessed(SystemTime::now() - Duration::from_hours(hours_ago));
        File::open(self.path(relative)).unwrap().set_times(times).unwrap();
    }

    pub(crate) fn exists(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    /// Every path below a directory but for chksweep's own, sorted.
    pub(crate) fn tree(&self, relative: &str) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.path(relative), &mut found);
        let root = self.path(relative);
        let mut tree: Vec<String> = found
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .filter(|path| !path.starts_with(".chksweep"))
            .collect();
        tree.sort();
        tree
    }

    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chksweep"));
        command.env_clear().env("HOME", self.path("home")).env("USER", "tester").current_dir(self.path(""));
        command.args(arguments);
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the binary and returns exit code, stdout and stderr as one text.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.told(&self.output(arguments))
    }

    /// As [`Sandbox::run`], with environment variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        self.told(&self.command(arguments).envs(variables.iter().copied()).output().unwrap())
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.output(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}, stderr {stderr}"))
    }

    fn told(&self, output: &Output) -> String {
        let code = output.status.code().map_or_else(|| "signal".to_owned(), |code| code.to_string());
        let mut text = format!("exit {code}\n");
        for (title, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                text.push_str(&format!("--- {title}\n{}", self.redacted(&String::from_utf8_lossy(bytes))));
            }
        }
        text.push_str("[EOF]");
        text
    }

    pub(crate) fn redacted(&self, text: &str) -> String {
        let text = text.replace(&self.path("").display().to_string(), "[DIR]");
        let text = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
        let text = shaped(&text, "dddd-dd-ddTdd:dd:dd.dddZ", "[TIME]");
        let text = shaped(&text, "dddd-dd-ddTdd:dd:ddZ", "[TIME]");
        let text = shaped(&text, "ddddddddTddddddZ-xxxxxxxx", "[RUN]");
        shaped(&text, &"x".repeat(64), "[SHA256]")
    }
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        }
        found.push(path);
    }
}

/// Replaces what has a shape: `d` is a digit, `x` a hex digit, the rest stands for itself.
fn shaped(text: &str, shape: &str, with: &str) -> String {
    let fits = |rest: &[u8]| {
        rest.len() >= shape.len()
            && rest.iter().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                b'x' => byte.is_ascii_hexdigit(),
                other => *byte == other,
            })
    };
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some(first) = rest.first() {
        if fits(rest) {
            out.extend_from_slice(with.as_bytes());
            rest = &rest[shape.len()..];
        } else {
            out.push(*first);
            rest = &rest[1..];
        }
    }
    String::from_utf8(out).unwrap()
}
