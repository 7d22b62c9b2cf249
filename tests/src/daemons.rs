//! A NameNode and a DataNode as processes of their own, for what a cluster inside one JVM cannot show: kill -9,
//! SIGSTOP, an edit log that is fsynced.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::java::{self, Project};
use crate::minihdfs::MiniHdfs;

/// How long a daemon may take until it serves.
const TIME_TO_SERVE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(100);
const LOG_LINES_SHOWN: usize = 15;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The NameNode.
    NameNode,
    /// The DataNode.
    DataNode,
}

impl Daemon {
    fn name(self) -> &'static str {
        match self {
            Daemon::NameNode => "namenode",
            Daemon::DataNode => "datanode",
        }
    }
}

/// Both, running. They end when this is dropped, or with the thread that started them.
#[derive(Debug)]
pub struct Daemons {
    children: Mutex<[Option<Child>; 2]>,
    client: MiniHdfs,
    port: u16,
    directory: TempDir, // after the processes, which are to end first
}

impl Daemons {
    /// Formats, starts both, and waits until a file can be written.
    ///
    /// # Errors
    /// When they cannot be built or do not come to serve.
    pub fn start() -> Result<Daemons> {
        java::build(Project::MiniHdfs)?;
        let directory = tempfile::tempdir().context("creating a directory for the daemons")?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr())?.port();
        script(directory.path(), port, "configure").status().context("configuring the daemons")?;
        let client = MiniHdfs::attach(&directory.path().join("conf"))?;
        let daemons = Daemons { children: Mutex::default(), client, port, directory };
        daemons.launch(Daemon::NameNode)?;
        daemons.await_names()?;
        daemons.launch(Daemon::DataNode)?;
        daemons.await_data()?;
        daemons.client.command("chmod / 777")?;
        Ok(daemons)
    }

    /// A client of Hadoop's own, which sees what is there past everything that a test does to chksweep.
    pub fn client(&self) -> &MiniHdfs {
        &self.client
    }

    /// The port of the NameNode, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts one that was killed, and does not wait for it.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn launch(&self, daemon: Daemon) -> Result<()> {
        let mut children = self.children();
        let slot = slot(&mut children, daemon);
        ensure!(slot.is_none(), "the {} runs already", daemon.name());
        let mut command = script(self.directory.path(), self.port, daemon.name());
        *slot = Some(command.spawn().with_context(|| format!("starting the {}", daemon.name()))?);
        Ok(())
    }

    /// Kills one with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, daemon: Daemon) -> Result<()> {
        let child = slot(&mut self.children(), daemon).take();
        let mut child = child.with_context(|| format!("the {} does not run", daemon.name()))?;
        child.kill().and_then(|()| child.wait()).context("killing it").map(drop)
    }

    /// Sends one a signal by its name, as `STOP` or `CONT`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, daemon: Daemon, name: &str) -> Result<()> {
        let id = slot(&mut self.children(), daemon).as_ref().map(Child::id);
        signal(id.with_context(|| format!("the {} does not run", daemon.name()))?, name)
    }

    /// Waits until the NameNode answers.
    ///
    /// # Errors
    /// When it does not, in good time.
    pub fn await_names(&self) -> Result<()> {
        self.until("the NameNode serves", || self.client.tree("/").is_ok())
    }

    /// Waits until a file with content can be written: the DataNode is registered, and safe mode is over.
    ///
    /// # Errors
    /// When it cannot, in good time.
    pub fn await_data(&self) -> Result<()> {
        self.until("the DataNode serves", || {
            let live = self.client.command("datanodes").ok().and_then(|answer| answer.get("live")?.as_u64());
            let safe =
                self.client.command("safemode get").ok().and_then(|answer| answer.get("safemode")?.as_bool());
            (live, safe) == (Some(1), Some(false))
        })
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
        let until = Instant::now() + TIME_TO_SERVE;
        while Instant::now() < until {
            if is_so() {
                return Ok(());
            }
            self.check_alive()?;
            thread::sleep(PAUSE);
        }
        bail!("not within {} s: {what}\n{}", TIME_TO_SERVE.as_secs(), self.logs())
    }

    fn check_alive(&self) -> Result<()> {
        for daemon in [Daemon::NameNode, Daemon::DataNode] {
            if let Some(child) = slot(&mut self.children(), daemon)
                && let Some(status) = child.try_wait()?
            {
                bail!("the {} ended with {status}\n{}", daemon.name(), self.logs());
            }
        }
        Ok(())
    }

    fn logs(&self) -> String {
        let end_of = |name: &str| {
            let path = self.directory.path().join(format!("{name}.log"));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let shown = lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default();
            format!("the end of {}:\n{}", path.display(), shown.join("\n"))
        };
        format!("{}\n{}", end_of("namenode"), end_of("datanode"))
    }

    fn children(&self) -> std::sync::MutexGuard<'_, [Option<Child>; 2]> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The script, asked for one thing.
fn script(directory: &Path, port: u16, what: &str) -> Command {
    let mut command = Command::new(Project::MiniHdfs.directory().join("daemons.sh"));
    command.arg("run").arg(directory).arg(port.to_string()).arg(what);
    command.env_remove("HADOOP_CONF_DIR").env_remove("HADOOP_HOME");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn slot(children: &mut [Option<Child>; 2], daemon: Daemon) -> &mut Option<Child> {
    let [namenode, datanode] = children;
    match daemon {
        Daemon::NameNode => namenode,
        Daemon::DataNode => datanode,
    }
}

/// Sends a process a signal by its name.
///
/// # Errors
/// When there is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
    ensure!(status.success(), "signal {name} to process {pid}: {status}");
    Ok(())
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in self.children().iter_mut().flatten() {
            let _ended: Option<()> = child.kill().and_then(|()| child.wait()).ok().map(drop);
        }
    }
}
