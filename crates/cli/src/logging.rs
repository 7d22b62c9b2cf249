//! Logs: to stderr, as text or JSON lines, with control characters made visible.

use std::io::{self, Write};

use chksweep_core::visible;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::printer::{LogFormat, Printer, escaped};

/// Starts logging. `verbosity` counts `-v` up and `-q` down from warnings.
pub(crate) fn start(format: LogFormat, verbosity: i16, printer: &Printer) {
    let own = match verbosity {
        ..=-1 => "error",
        0 => "warn",
        1 => "info",
        2 => "debug",
        3.. => "trace",
    };
    // The client of HDFS logs every try of every call; what they come to is in our own errors.
    let others = match verbosity {
        ..=0 => "error",
        1..=2 => "warn",
        3 => "info",
        4.. => "trace",
    };
    let crates = ["chksweep", "chksweep_core", "chksweep_engine", "chksweep_store", "chksweep_hdfs"];
    let own = crates.map(|name| format!("{name}={own}")).join(",");
    let filter = EnvFilter::new(format!("{others},{own}"));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines { printer: printer.clone(), format })
        .with_ansi(false);
    // A second start, as in tests of one process, keeps the first.
    match format {
        LogFormat::Text => logger.with_target(verbosity > 1).try_init().ok(),
        LogFormat::Json => logger.json().flatten_event(true).try_init().ok(),
    };
}

/// Writes each event as one line.
#[derive(Clone, Debug)]
struct Lines {
    printer: Printer,
    format: LogFormat,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    /// Takes a whole event, as the formatter hands it over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.trim_end_matches('\n');
        let line = match self.format {
            LogFormat::Text => escaped(text),
            LogFormat::Json => visible::escaped_json(text),
        };
        self.printer.aside(|| writeln!(io::stderr().lock(), "{line}"))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
