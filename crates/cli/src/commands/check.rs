//! `check`: is all as a run needs it.
//!
//! It looks only, and holds stores that cannot change anything: what only a change could show (the clock of a
//! NameNode to the second, rights by group or ACL) is said as not tried. Every probe has a deadline of its own and
//! those that do not need each other run side by side, so that all that is missing is told within ten seconds,
//! whoever does not answer.

mod local;
mod root;
mod system;

use std::time::Duration;

use serde::Serialize;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::printer::escaped;
use crate::stores::FileSystems;
use crate::stores::distinct;

/// How long a file system has to answer at all.
const TO_CONNECT: Duration = Duration::from_millis(4500);
/// How long all questions about its roots, which are asked after that, may take.
const TO_ANSWER: Duration = Duration::from_millis(4500);

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As a run needs it.
    Ok,
    /// A run can go; something should be known.
    Warning,
    /// A run cannot go.
    Error,
}

/// What one check found.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    /// What was checked.
    check: &'static str,
    /// Of what: a root, a file system, a directory of this machine.
    about: Option<String>,
    state: State,
    /// What was found.
    message: String,
    /// What to do.
    next: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Finding {
    fn new(check: &'static str, state: State, message: impl Into<String>) -> Self {
        let exit = if state == State::Error { Exit::Failed } else { Exit::Done };
        Self { check, about: None, state, message: message.into(), next: None, exit }
    }

    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Ok, message)
    }

    fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Warning, message)
    }

    fn error(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Error, message)
    }

    fn about(mut self, about: impl std::fmt::Display) -> Self {
        self.about = Some(about.to_string());
        self
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The failure of somebody's configuration, not of a machine.
    fn of_configuration(mut self) -> Self {
        self.exit = Exit::Usage;
        self
    }

    /// What a reader sees, in one line.
    fn line(&self) -> String {
        match &self.about {
            Some(about) => format!("{about}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// The document of `check`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    checks: &'a [Finding],
    /// Whether a run can go.
    ready: bool,
}

/// Checks everything.
pub(crate) async fn run(context: &Context) -> Outcome {
    let systems = FileSystems::load(&context.settings)?;
    let roots = context.settings.roots()?;
    let reference_roots = context.settings.reference_roots()?;
    let mut findings = local::all(context, &systems)?;
    let now = context.clock.now();
    let places: Vec<_> = roots
        .iter()
        .map(|root| (root, root::Use::Sweep))
        .chain(reference_roots.iter().map(|root| (root, root::Use::Reference)))
        .collect();
    let of_systems = distinct(places.iter().map(|(root, _)| *root)).into_iter().map(|location| {
        let here = places.iter().filter(|(root, _)| crate::stores::share_a_store(root, location));
        system::check(context, &systems, location, here.copied().collect(), now)
    });
    for found in futures::future::join_all(of_systems).await {
        findings.extend(found?);
    }
    show(context, &findings)
}

fn show(context: &Context, findings: &[Finding]) -> Outcome {
    let exit = findings.iter().fold(Exit::Done, |exit, finding| exit.and(finding.exit));
    let ready = exit == Exit::Done;
    context.done_looking();
    if context.printer.is_json() {
        context.printer.json(exit, &Document { checks: findings, ready })?;
        if !exit.has_document() {
            // Then stdout stays empty: what is missing is told where errors are.
            tell(context, findings);
        }
        return Ok(exit);
    }
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    context.printer.text(|out| {
        for finding in findings {
            let state = match finding.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Error => "error",
            };
            writeln!(out, "{state:<7}  {:<width$}  {}", finding.check, escaped(&finding.line()))?;
            if let Some(next) = &finding.next {
                writeln!(out, "{:<7}  {:<width$}  next: {}", "", "", escaped(next))?;
            }
        }
        writeln!(out)?;
        let end = if ready { "A run can go." } else { "A run cannot go yet: see what is an error above." };
        writeln!(out, "{end}")
    })?;
    Ok(exit)
}

fn tell(context: &Context, findings: &[Finding]) {
    for finding in findings {
        let text = format!("{}: {}", finding.check, finding.line());
        match finding.state {
            State::Ok => continue,
            State::Warning => context.printer.warning(&text),
            State::Error => context.printer.error(&text),
        }
        if let Some(next) = &finding.next {
            context.printer.hint(next);
        }
    }
}
