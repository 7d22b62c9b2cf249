//! The one place that writes to the terminal: results to stdout, everything else to stderr.
//!
//! Nothing here can fail a run: a reader that went away (a closed pipe) is success, and a stderr that cannot be
//! written to is nobody's loss.

use std::cell::Cell;
use std::io::{self, BufWriter, IsTerminal, Write};

use chksweep_core::visible;
use clap::builder::styling::{AnsiColor, Effects, Style};
use indicatif::MultiProgress;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};

pub(crate) use chksweep_core::visible::escaped;

/// The form of results on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// The form of what goes to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colours, or show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// When stderr is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes to the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    format: Format,
    log_format: LogFormat,
    styled: bool,
    bars: MultiProgress,
}

const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const HINT: Style = AnsiColor::Cyan.on_default().effects(Effects::BOLD);

impl Printer {
    /// Makes a printer.
    pub(crate) fn new(format: Format, log_format: LogFormat, color: When) -> Self {
        let styled = match color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Self { format, log_format, styled, bars: MultiProgress::new() }
    }

    /// Makes the printer for before the settings are known.
    pub(crate) fn early() -> Self {
        Self::new(Format::Text, LogFormat::Text, When::Auto)
    }

    /// Returns whether stdout carries JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Returns the place for progress bars, which step aside for every line that is written.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes while the progress bars stand aside. A log line that comes up while a result is being written is written
    /// at once: the bars stand aside already, and asking them again would wait for ever.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        thread_local! { static ASIDE: Cell<bool> = const { Cell::new(false) } }
        if ASIDE.get() {
            return write();
        }
        self.bars.suspend(|| {
            ASIDE.set(true);
            let written = write();
            ASIDE.set(false);
            written
        })
    }

    /// Writes a result for people.
    pub(crate) fn text(&self, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Outcome<()> {
        self.aside(|| {
            let mut out = BufWriter::new(io::stdout().lock());
            settled(render(&mut out).and_then(|()| out.flush()))
        })
    }

    /// Writes a result as one JSON document, if one goes with this end.
    pub(crate) fn json(&self, exit: Exit, document: &impl Serialize) -> Outcome<()> {
        if !exit.has_document() {
            return Ok(());
        }
        self.text(|out| {
            visible::write_json(&mut *out, document)?;
            out.write_all(b"\n")
        })
    }

    /// Writes bytes to stdout as they are: completions, the manual page.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Outcome<()> {
        self.text(|out| out.write_all(bytes))
    }

    /// Writes an error: its chain, once, and the hints after it.
    pub(crate) fn failure(&self, failure: &Failure) {
        let message = format!("{:#}", failure.error);
        if self.log_format == LogFormat::Json {
            self.json_line("ERROR", &message, &failure.hints, failure.exit.code());
            return;
        }
        self.labelled("error", ERROR, &message);
        for hint in &failure.hints {
            self.hint(hint);
        }
    }

    /// Writes an error that does not end the command.
    pub(crate) fn error(&self, message: &str) {
        self.leveled("ERROR", "error", ERROR, message);
    }

    /// Writes a warning.
    pub(crate) fn warning(&self, message: &str) {
        self.leveled("WARN", "warning", WARNING, message);
    }

    /// Writes what may help.
    pub(crate) fn hint(&self, message: &str) {
        self.leveled("INFO", "hint", HINT, message);
    }

    /// Writes a line of progress.
    pub(crate) fn progress(&self, message: &str) {
        if self.log_format == LogFormat::Json {
            self.json_line("INFO", message, &[], 0);
        } else {
            self.line(&escaped(message));
        }
    }

    fn leveled(&self, level: &str, label: &str, style: Style, message: &str) {
        if self.log_format == LogFormat::Json {
            self.json_line(level, message, &[], 0);
        } else {
            self.labelled(label, style, message);
        }
    }

    fn labelled(&self, label: &str, style: Style, message: &str) {
        let message = escaped(message);
        if self.styled {
            self.line(&format!("{style}{label}{style:#}: {message}"));
        } else {
            self.line(&format!("{label}: {message}"));
        }
    }

    fn json_line(&self, level: &str, message: &str, hints: &[String], exit: u8) {
        let mut line = serde_json::json!({ "level": level, "message": message });
        if let Some(object) = line.as_object_mut() {
            if !hints.is_empty() {
                object.insert("hints".to_owned(), hints.into());
            }
            if exit != 0 {
                object.insert("exitCode".to_owned(), exit.into());
            }
        }
        self.line(&visible::escaped_json(&line.to_string()));
    }

    fn line(&self, text: &str) {
        self.aside(|| {
            // A stderr that cannot be written to is nobody's loss.
            writeln!(io::stderr().lock(), "{text}").ok();
        });
    }

    /// Asks on the terminal, and returns what was typed.
    pub(crate) fn ask(&self, question: &str) -> io::Result<String> {
        self.aside(|| {
            let mut err = io::stderr().lock();
            write!(err, "{}", escaped(question))?;
            err.flush()
        })?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

/// A reader of stdout that went away has all that it wanted.
fn settled(written: io::Result<()>) -> Outcome<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, anyhow::Error::new(error).context("writing to stdout")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
