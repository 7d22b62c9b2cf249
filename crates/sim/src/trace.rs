//! What happened, for whoever replays a history.

use chksweep_core::Timestamp;

/// The lines of a history; nothing is kept unless somebody wants to read it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    wanted: bool,
    lines: Vec<String>,
}

impl Trace {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, lines: Vec::new() }
    }

    pub(crate) fn say(&mut self, now: Timestamp, what: impl FnOnce() -> String) {
        if self.wanted {
            self.lines.push(format!("{now} {}", what()));
        }
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}
