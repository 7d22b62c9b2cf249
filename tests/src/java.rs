//! Builds the Java programs under `tests/java` with Maven, when they are not built or their sources have changed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::Flavour;

const OLDEST_JDK: u32 = 17;
const NEEDED: &str = "The tests with a real HDFS and real Flink jobs need a JDK, 17 or newer, and Maven \
                      (Debian and Ubuntu: apt-get install openjdk-17-jdk-headless maven)";

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Project {
    /// A NameNode and `DataNode`s in one process.
    MiniHdfs,
    /// Flink jobs, with one version of Flink.
    FlinkJobs(Flavour),
}

/// A program that is built and can be started.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) project: Project,
    class_path: String,
}

/// Builds a project if that is needed. Test processes that run at the same time wait for each other.
///
/// # Errors
/// When there is no JDK or no Maven, or when Maven fails: then with its messages.
pub fn build(project: Project) -> Result<Program> {
    let directory = project.directory();
    // One lock for all projects: Maven's local repository does not bear two Mavens that download the same.
    let lock = lock(&directory.with_file_name("target")).context("locking the build of the Java programs")?;
    let sources = fingerprint(&directory).with_context(|| format!("reading {}", directory.display()))?;
    if built(project).is_none_or(|of| of != sources) {
        check_jdk()?;
        run_maven(project)?;
        let stamp = project.output().join("built-from");
        fs::write(&stamp, sources).with_context(|| format!("writing {}", stamp.display()))?;
    }
    drop(lock);
    let class_path = project.output().join("classpath.txt");
    let jars =
        fs::read_to_string(&class_path).with_context(|| format!("reading {}", class_path.display()))?;
    let classes = project.output().join("classes");
    Ok(Program { project, class_path: format!("{}:{}", classes.display(), jars.trim()) })
}

impl Project {
    /// Where its sources are.
    pub(crate) fn directory(self) -> PathBuf {
        let name = match self {
            Project::MiniHdfs => "minihdfs",
            Project::FlinkJobs(_) => "flinkjobs",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("java").join(name)
    }

    /// Where Maven leaves what it built.
    pub(crate) fn output(self) -> PathBuf {
        let target = self.directory().join("target");
        match self {
            Project::MiniHdfs => target,
            Project::FlinkJobs(flavour) => target.join(flavour.profile()),
        }
    }

    fn main_class(self) -> &'static str {
        match self {
            Project::MiniHdfs => "org.chksweep.minihdfs.Main",
            Project::FlinkJobs(_) => "org.chksweep.flinkjobs.Main",
        }
    }
}

impl Program {
    /// The command that starts it; `jvm_options` come after those of the project and so overrule them.
    pub(crate) fn command(&self, jvm_options: &[String]) -> Command {
        let mut options = OsString::from("@");
        options.push(self.project.directory().join("jvm.options"));
        let mut command = Command::new(java_tool("java"));
        command
            .arg(options)
            .args(jvm_options)
            .arg("-cp")
            .arg(&self.class_path)
            .arg(self.project.main_class());
        // What Hadoop is configured with is the test's business, not that of the machine.
        command.env_remove("HADOOP_CONF_DIR").env_remove("HADOOP_HOME");
        command
    }
}

fn lock(directory: &Path) -> Result<File> {
    fs::create_dir_all(directory)?;
    let file = File::create(directory.join("build.lock"))?;
    file.lock()?;
    Ok(file)
}

/// What the last build was made from, if all that it left is still there.
fn built(project: Project) -> Option<String> {
    let jars = fs::read_to_string(project.output().join("classpath.txt")).ok()?;
    if !jars.trim().split(':').all(|jar| Path::new(jar).exists()) {
        return None;
    }
    fs::read_to_string(project.output().join("built-from")).ok()
}

fn fingerprint(directory: &Path) -> Result<String> {
    let mut files = vec![directory.join("pom.xml")];
    add_files(&directory.join("src"), &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(&file)?.hash(&mut hasher);
        file.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { add_files(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn check_jdk() -> Result<()> {
    let answer = Command::new(java_tool("javac")).arg("-version").output();
    let output =
        answer.with_context(|| format!("{NEEDED}. There is no javac in JAVA_HOME or on the PATH"))?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let version = text.split_whitespace().find_map(|word| word.split('.').next()?.parse::<u32>().ok());
    ensure!(version.is_some_and(|v| v >= OLDEST_JDK), "{NEEDED}. This one says: {}", text.trim());
    Ok(())
}

fn java_tool(name: &str) -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) if !home.is_empty() => Path::new(&home).join("bin").join(name),
        _ => PathBuf::from(name),
    }
}

fn run_maven(project: Project) -> Result<()> {
    let mut command = Command::new("mvn");
    command.args(["-q", "-B", "-Dstyle.color=never"]).current_dir(project.directory()).stdin(Stdio::null());
    if let Project::FlinkJobs(flavour) = project {
        command.args(["-P", flavour.profile()]);
    }
    let output = command.arg("process-classes").output();
    let output = output.with_context(|| format!("{NEEDED}. mvn cannot be started"))?;
    if !output.status.success() {
        bail!(
            "Maven failed in {} ({}; it needs Maven Central, or a mirror in its settings):\n{}{}",
            project.directory().display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
