//! A real HDFS for one test: NameNode and DataNodes in a process of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::java::{self, Project};
use crate::process::JavaProcess;
use crate::tree::{self, TreeEntry};

/// Files by path, each with its mtime and the digest of its bytes.
pub type Files = BTreeMap<String, (i64, String)>;

const TIME_TO_START: Duration = Duration::from_mins(2);
const TIME_TO_ANSWER: Duration = Duration::from_mins(5);

/// What cluster is wanted. The default: one NameNode, one DataNode, permissions on, no trash.
#[derive(Clone, Debug, Default)]
pub struct Options {
    arguments: Vec<String>,
    jvm_options: Vec<String>,
}

impl Options {
    /// The default cluster.
    pub fn new() -> Options {
        Options::default()
    }

    /// Two NameNodes, the first active; the URL is that of the nameservice.
    #[must_use]
    pub fn ha(self) -> Options {
        self.option(&["--ha"])
    }

    /// With a KDC and a keytab for each of these users.
    #[must_use]
    pub fn kerberos(self, users: &[&str]) -> Options {
        self.option(&["--kerberos", "--users", &users.join(",")])
    }

    /// The URL is that of an HDFS router before the cluster.
    #[must_use]
    pub fn router(self) -> Options {
        self.option(&["--router"])
    }

    /// Switches permission checks off.
    #[must_use]
    pub fn no_permissions(self) -> Options {
        self.option(&["--no-permissions"])
    }

    /// Switches the trash on.
    #[must_use]
    pub fn trash_interval(self, minutes: u32) -> Options {
        self.option(&["--trash-interval", &minutes.to_string()])
    }

    /// With a key in a file, so that there can be encryption zones.
    #[must_use]
    pub fn encryption(self) -> Options {
        self.option(&["--encryption"])
    }

    /// A name quota from the start.
    #[must_use]
    pub fn quota(self, path: &str, names: u64) -> Options {
        self.option(&["--quota", &format!("{path}={names}")])
    }

    /// How many DataNodes; without any there are no files but empty ones.
    #[must_use]
    pub fn datanodes(self, count: u32) -> Options {
        self.option(&["--datanodes", &count.to_string()])
    }

    /// A Hadoop property, for the cluster and its clients.
    #[must_use]
    pub fn set(self, key: &str, value: &str) -> Options {
        self.option(&["--set", &format!("{key}={value}")])
    }

    /// The JVM's memory, as `-Xmx` takes it. The default, 256m, is enough for some 300,000 files.
    #[must_use]
    pub fn heap(mut self, size: &str) -> Options {
        self.jvm_options.push(format!("-Xmx{size}"));
        self
    }

    /// Any other option of the program (its `--help` lists them).
    #[must_use]
    pub fn option(mut self, words: &[&str]) -> Options {
        self.arguments.extend(words.iter().map(|&word| word.to_owned()));
        self
    }
}

/// A running cluster. It ends, and all that it holds is gone, when this is dropped.
#[derive(Debug)]
pub struct MiniHdfs {
    process: Mutex<JavaProcess>,
    pid: u32,
    url: String,
    conf_dir: PathBuf,
    krb5_conf: Option<PathBuf>,
    directory: TempDir, // after the process, which is to end first
}

impl MiniHdfs {
    /// Builds the program if needed, starts the cluster, and waits until it serves.
    ///
    /// # Errors
    /// When it cannot be built or does not start.
    pub fn start(options: &Options) -> Result<MiniHdfs> {
        let directory = tempfile::tempdir().context("creating a directory for the cluster")?;
        Self::launch(options, directory)
    }

    /// A client of Hadoop's own for a cluster that runs elsewhere: the same commands, as far as a client can carry
    /// them out.
    ///
    /// # Errors
    /// When it cannot be built or does not start.
    pub fn attach(conf_dir: &Path) -> Result<MiniHdfs> {
        let directory = tempfile::tempdir().context("creating a directory for the client")?;
        Self::launch(&Options::new().option(&["--attach", utf8(conf_dir)?]), directory)
    }

    fn launch(options: &Options, directory: TempDir) -> Result<MiniHdfs> {
        let program = java::build(Project::MiniHdfs)?;
        let mut command = program.command(&options.jvm_options);
        command.arg("--dir").arg(directory.path()).args(&options.arguments);
        let mut process = JavaProcess::start(&program, &mut command)?;
        let ready = process.answer(TIME_TO_START).context("starting the cluster")?;
        let text = |key: &str| ready.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(url), Some(conf_dir)) = (text("url"), text("conf")) else {
            return Err(process.explain(&anyhow!("the cluster did not start: {ready}")));
        };
        Ok(MiniHdfs {
            pid: process.id(),
            process: Mutex::new(process),
            url,
            conf_dir: PathBuf::from(conf_dir),
            krb5_conf: text("krb5").map(PathBuf::from),
            directory,
        })
    }

    /// `hdfs://authority`, without a path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The location of an absolute path.
    pub fn location(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Where `core-site.xml` and `hdfs-site.xml` for clients are.
    pub fn conf_dir(&self) -> &Path {
        &self.conf_dir
    }

    /// The process of all NameNodes and DataNodes; stopping it (SIGSTOP) makes a cluster that answers nothing.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// With Kerberos: the client's `krb5.conf`.
    pub fn krb5_conf(&self) -> Option<&Path> {
        self.krb5_conf.as_deref()
    }

    /// With Kerberos: the keytab of a user (principal: its plain name).
    pub fn keytab(&self, user: &str) -> PathBuf {
        self.directory.path().join(format!("{user}.keytab"))
    }

    /// One command, words apart by blanks; the program's `--help` lists them.
    ///
    /// # Errors
    /// When the command fails, or the cluster is gone.
    pub fn command(&self, line: &str) -> Result<Value> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.say(line)?;
        let answer = process.answer(TIME_TO_ANSWER).with_context(|| format!("cluster command: {line}"))?;
        if let Some(error) = answer.get("error") {
            bail!("cluster command: {line}: {error}");
        }
        Ok(answer)
    }

    /// One command whose words may have blanks in them.
    ///
    /// # Errors
    /// As [`MiniHdfs::command`].
    pub fn command_words(&self, words: &[&str]) -> Result<Value> {
        self.command(&json!(words).to_string())
    }

    /// Makes `path` and all below it older: fresh state is too young to be swept.
    ///
    /// # Errors
    /// As [`MiniHdfs::command`].
    pub fn age(&self, path: &str, by: Duration) -> Result<()> {
        self.command_words(&["age", path, &by.as_secs().to_string()]).map(drop)
    }

    /// Everything below a directory, parents before children.
    ///
    /// # Errors
    /// As [`MiniHdfs::command`].
    pub fn tree(&self, path: &str) -> Result<Vec<TreeEntry>> {
        tree::entries(&self.command_words(&["tree", path])?)
    }

    /// The files below a directory by path, each with its mtime and the digest of its bytes.
    ///
    /// # Errors
    /// As [`MiniHdfs::command`].
    pub fn files(&self, path: &str) -> Result<Files> {
        let answer = self.command_words(&["tree", path, "digest"])?;
        let digests = answer.get("entries").and_then(Value::as_array).context("an answer without entries")?;
        let digests = digests.iter().map(|entry| entry.get("sha256").and_then(Value::as_str));
        let all = tree::entries(&answer)?.into_iter().zip(digests);
        let files =
            all.filter_map(|(entry, digest)| Some((entry.path, (entry.mtime_ms, digest?.to_owned()))));
        Ok(files.collect())
    }

    /// Copies what is in a local directory into one of the cluster, modification times included.
    ///
    /// # Errors
    /// As [`MiniHdfs::command`]; when the local path is not UTF-8.
    pub fn put(&self, local: &Path, path: &str) -> Result<()> {
        self.command_words(&["put", utf8(local)?, path]).map(drop)
    }

    /// Copies what is in a directory of the cluster into a local one, modification times included.
    ///
    /// # Errors
    /// As [`MiniHdfs::command`]; when the local path is not UTF-8.
    pub fn get(&self, path: &str, local: &Path) -> Result<()> {
        self.command_words(&["get", path, utf8(local)?]).map(drop)
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("not UTF-8: {}", path.display()))
}
