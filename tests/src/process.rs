//! A Java program as a child process that answers in lines of JSON.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::java::Program;

/// How long a program may take to go after its last answer. A JVM with `ForSt` loaded can hang in its own halt.
const TIME_TO_EXIT: Duration = Duration::from_secs(3);
const LOG_LINES_SHOWN: usize = 15;

/// The running program. It is ended when this is dropped; its log stays if something went wrong.
#[derive(Debug)]
pub(crate) struct JavaProcess {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    log: PathBuf,
    keep_log: Cell<bool>,
}

impl JavaProcess {
    /// Starts a command of [`Program::command`], arguments included. Standard error becomes the log.
    pub(crate) fn start(program: &Program, command: &mut Command) -> Result<JavaProcess> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let logs = program.project.output().join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = logs.join(format!("{}-{number}.log", std::process::id()));
        let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .context("starting java (is it in JAVA_HOME or on the PATH?)")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(JavaProcess { child, stdin, answers, log, keep_log: Cell::new(false) })
    }

    /// One line to its standard input.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its standard input is closed")?;
        let said = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        said.map_err(|error| self.explain(&anyhow!(error).context(format!("saying {line}"))))
    }

    /// Its next line.
    pub(crate) fn answer(&mut self, patience: Duration) -> Result<Value> {
        let line = match self.answers.recv_timeout(patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                return Err(self.explain(&anyhow!("no answer within {} s", patience.as_secs())));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status =
                    self.await_exit().map_or("it still runs".to_owned(), |status| status.to_string());
                return Err(self.explain(&anyhow!("it ended without an answer ({status})")));
            }
        };
        serde_json::from_str(&line).map_err(|_| self.explain(&anyhow!("not JSON: {line}")))
    }

    /// The error, with the end of the log and where the rest is.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        self.keep_log.set(true);
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default().join("\n");
        anyhow!("{error:#}\nthe end of {}:\n{shown}", self.log.display())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits a little for its end; kills it if it does not come.
    pub(crate) fn await_exit(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + TIME_TO_EXIT;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().ok()?;
        self.child.wait().ok()
    }
}

impl Drop for JavaProcess {
    fn drop(&mut self) {
        self.stdin = None; // tells it to end
        let _ended: Option<ExitStatus> = self.await_exit();
        if !thread::panicking() && !self.keep_log.get() {
            let _gone: Option<()> = fs::remove_file(&self.log).ok();
        }
    }
}
