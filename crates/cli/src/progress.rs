//! Progress on stderr, for whatever takes longer than a second: a line that moves on a terminal, plain lines where
//! `--progress always` asks for them and there is no terminal, nothing otherwise.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chksweep_engine::{Event, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::human::{bytes, count};
use crate::printer::{Printer, When, escaped};

/// What is over sooner than this shows no progress.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a line that moves is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const PLAIN_LINE: Duration = Duration::from_secs(10);

/// Shows what happens.
pub(crate) struct Progress {
    printer: Printer,
    form: Form,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bar,
    Lines,
    Nothing,
}

struct State {
    began: Instant,
    shown: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to show progress.
    pub(crate) fn new(printer: &Printer, when: When) -> Self {
        let terminal = io::stderr().is_terminal();
        let form = match when {
            When::Auto | When::Always if terminal => Form::Bar,
            When::Always => Form::Lines,
            When::Auto | When::Never => Form::Nothing,
        };
        let state = State { began: Instant::now(), shown: None, bar: None };
        Self { printer: printer.clone(), form, state: Mutex::new(state) }
    }

    /// Clears the line that moves: the result follows.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.state().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a message, if it is time for one.
    pub(crate) fn show(&self, message: impl FnOnce() -> String) {
        let every = match self.form {
            Form::Nothing => return,
            Form::Bar => REDRAW,
            Form::Lines => PLAIN_LINE,
        };
        let mut state = self.state();
        let now = Instant::now();
        let due = match state.shown {
            Some(shown) => now.duration_since(shown) >= every,
            None => now.duration_since(state.began) >= PATIENCE,
        };
        if !due {
            return;
        }
        state.shown = Some(now);
        match self.form {
            Form::Nothing => {}
            Form::Lines => {
                drop(state);
                self.printer.progress(&message());
            }
            Form::Bar => {
                let bar = state.bar.get_or_insert_with(|| self.spinner());
                bar.set_message(escaped(&message()).into_owned());
            }
        }
    }

    fn spinner(&self) -> ProgressBar {
        let bar = self.printer.bars().add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(REDRAW);
        bar
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        if let Event::Loud(message) = event {
            self.printer.warning(message);
            return;
        }
        if let Event::Waiting { path, why } = event {
            tracing::warn!("waiting for {path}: {why}");
        }
        self.show(|| told(event));
    }
}

/// Returns an event as a line of progress.
fn told(event: &Event) -> String {
    match event {
        Event::Listing { directories, files } => {
            format!("listing: {}, {}", count(*directories, "directory"), count(*files, "file"))
        }
        Event::ReadingMetadata { read, found } => format!("reading metadata: {read} of {found}"),
        Event::AnotherPass { pass } => format!("something changed meanwhile: pass {pass} over the metadata"),
        Event::SearchingOperatorState { searched, total } => {
            format!("searching operator state: {searched} of {total}")
        }
        Event::Sweeping { done, total, bytes: moved } => {
            format!("sweeping: {done} of {}, {}", count(*total, "path"), bytes(*moved))
        }
        Event::Restoring { done, total } => format!("restoring: {done} of {}", count(*total, "path")),
        Event::Purging { done, total } => format!("purging: {done} of {}", count(*total, "file")),
        Event::Waiting { path, why } => format!("waiting for {path}: {why}"),
        Event::Loud(message) => message.clone(),
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("form", &self.form).finish_non_exhaustive()
    }
}
