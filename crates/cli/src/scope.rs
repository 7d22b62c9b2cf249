//! What a command is about, from its settings: places, policy, and the file systems that they lie on.

use std::sync::Arc;

use chksweep_core::plan::{Plan, Problem, Severity};
use chksweep_core::{Location, Timestamp};
use chksweep_engine::ReadStores;
use chksweep_engine::collect::ClockCheck;
use chksweep_engine::journal;
use chksweep_engine::lock::BreakLock;
use chksweep_engine::pace::Waiting;
use chksweep_pipeline::{Begin, Look, Planned, Scope, Session, Standing, When, Who};

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::{Mode, Sweeping};
use crate::stores::FileSystems;

/// A scope, and the file systems that it lies on.
#[derive(Debug)]
pub(crate) struct Connected {
    /// What is to be looked at, and what may go.
    pub(crate) scope: Scope,
    systems: FileSystems,
}

impl Connected {
    /// Takes the scope from the settings.
    ///
    /// # Errors
    ///
    /// When there is no root, or a setting is wrong.
    pub(crate) fn from_settings(context: &Context) -> Outcome<Self> {
        Self::of_roots(context, context.settings.roots()?)
    }

    /// Takes the scope from the settings, but for the roots.
    ///
    /// # Errors
    ///
    /// When a setting is wrong.
    pub(crate) fn of_roots(context: &Context, roots: Vec<Location>) -> Outcome<Self> {
        let settings = &context.settings;
        let state_dir = settings.state_dir().ok();
        if state_dir.is_none() {
            context.printer.warning(
                "there is no directory for the records of runs (HOME is not set; see --state-dir), so no job can \
                 be found quiescent",
            );
        }
        let systems = FileSystems::load(settings)?;
        let scope = Scope {
            roots,
            reference_roots: settings.reference_roots()?,
            pins: settings.pins()?,
            policy: settings.policy()?,
            equivalence: systems.equivalence.clone(),
            state_dir,
        };
        Ok(Self { scope, systems })
    }

    /// Opens the stores of all places for looking.
    ///
    /// # Errors
    ///
    /// When one cannot be reached.
    pub(crate) async fn open_for_looking(&self) -> Outcome<ReadStores> {
        self.systems.open_for_looking(self.scope.places()).await
    }

    /// Looks and plans with stores that cannot change anything: the dry run.
    ///
    /// # Errors
    ///
    /// As [`chksweep_pipeline::dry_run`].
    pub(crate) async fn dry_run(self, context: &Context, as_of: Option<Timestamp>) -> Outcome<Planned> {
        let stores = self.open_for_looking().await?;
        let when = by_local_clock(context, as_of)?;
        let planned = chksweep_pipeline::dry_run(&context.around()?, self.scope, stores, when).await?;
        context.done_looking();
        Ok(planned)
    }

    /// Looks with stores that cannot change anything, whatever the times of files are.
    ///
    /// # Errors
    ///
    /// As [`chksweep_pipeline::look`].
    pub(crate) async fn look(self, context: &Context) -> Outcome<(Look, ReadStores)> {
        let stores = self.open_for_looking().await?;
        let when = When { check: ClockCheck::Off, ..by_local_clock(context, None)? };
        let run_id = chksweep_pipeline::new_run_id(when.now);
        let scope = Arc::new(self.scope);
        let look = chksweep_pipeline::look(&context.around()?, scope, stores.clone(), run_id, when).await?;
        Ok((look, stores))
    }

    /// Begins a run that changes something.
    ///
    /// # Errors
    ///
    /// When a store cannot be reached; as [`Session::begin`].
    pub(crate) async fn begin(self, context: &Context, wish: Wish) -> Outcome<Session> {
        let Wish { command, break_lock, plan_digest, approved_by, sweeping } = wish;
        let stores = self.systems.open_for_changing(self.scope.places(), sweeping.max_rps).await?;
        // A run leaves a record on this machine, too.
        context.settings.state_dir()?;
        let begin = Begin {
            run_id: chksweep_pipeline::new_run_id(context.clock.now()),
            command,
            who: who(),
            break_lock: break_lock.as_deref().map(BreakLock::parse),
            plan_digest,
            approved_by,
            mode: journal_mode(sweeping.mode),
            purge_after: sweeping.purge_after,
            check: clock_check(context)?,
            waiting: Waiting { total: context.settings.patience()?.saturating_mul(2), ..Waiting::default() },
        };
        Ok(Session::begin(&context.around()?, self.scope, stores, begin).await?)
    }
}

/// Who begins a run, and on whose word.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The command: `apply`, `run`, `restore` or `purge`.
    pub(crate) command: &'static str,
    /// `--break-lock`.
    pub(crate) break_lock: Option<String>,
    /// The digest of the plan that was approved.
    pub(crate) plan_digest: Option<String>,
    /// Who approved it.
    pub(crate) approved_by: Option<String>,
    /// How it is carried out.
    pub(crate) sweeping: Sweeping,
}

/// Goes by the clock of this machine, or by a time that somebody named.
fn by_local_clock(context: &Context, as_of: Option<Timestamp>) -> Outcome<When> {
    let now = context.clock.now();
    let check = match as_of {
        Some(_) => ClockCheck::Off,
        None => clock_check(context)?,
    };
    Ok(When { now, as_of: as_of.unwrap_or(now), check })
}

fn clock_check(context: &Context) -> Outcome<ClockCheck> {
    let allow = context.settings.allow_clock_skew()?;
    Ok(if allow { ClockCheck::Allow } else { ClockCheck::Enforce })
}

/// Refuses what cannot be carried out at these roots, before anything is begun.
///
/// # Errors
///
/// When the trash is wanted where there is none.
pub(crate) fn check_mode(sweeping: Sweeping, roots: &[Location]) -> Outcome<()> {
    let local = roots.iter().find(|root| root.scheme() == Some("file"));
    match local.filter(|_| sweeping.mode == Mode::Trash) {
        Some(root) => Err(Failure::usage(format_args!("`{root}` is on a local disk, which has no trash"))
            .hint("say `--mode quarantine`, which is the default and can be undone, or `--mode delete`")),
        None => Ok(()),
    }
}

/// Returns the mode as the journal has it.
const fn journal_mode(mode: Mode) -> journal::Mode {
    match mode {
        Mode::Quarantine => journal::Mode::Quarantine,
        Mode::Trash => journal::Mode::Trash,
        Mode::Delete => journal::Mode::Delete,
    }
}

fn who() -> Who {
    let user = ["HADOOP_USER_NAME", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .or_else(account)
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    Who {
        tool: concat!("chksweep ", env!("CARGO_PKG_VERSION")).to_owned(),
        user,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
    }
}

/// Returns the name of this user's account, where it is one of this machine: cron and containers may set no variable.
fn account() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = accounts.lines().map(|line| line.split(':'));
    fields.find_map(|mut line| {
        let name = line.next()?;
        (line.nth(1)? == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// Returns the exit code that a plan gives.
pub(crate) fn exit_of(plan: &Plan) -> Exit {
    // A brake goes before unreadable metadata.
    Standing::of(plan).into()
}

impl From<Standing> for Exit {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Clear => Self::Done,
            Standing::HeldByUnreadable => Self::Unreadable,
            Standing::Braked => Self::Brake,
        }
    }
}

/// Prints what somebody should know, on stderr; the same thing at most a few times.
pub(crate) fn print_problems(context: &Context, problems: &[Problem]) {
    const AT_MOST: usize = 10;
    let mut at = 0;
    while let Some(first) = problems.get(at) {
        let same: Vec<&Problem> = problems
            .iter()
            .skip(at)
            .take_while(|p| p.code == first.code && p.severity == first.severity)
            .collect();
        for problem in same.iter().take(AT_MOST) {
            let place = problem.path.as_deref().map(|path| format!("{path}: ")).unwrap_or_default();
            let text = format!("{place}{} [{}]", problem.message, problem.code);
            match problem.severity {
                Severity::Error => context.printer.error(&text),
                Severity::Warning => context.printer.warning(&text),
            }
        }
        if same.len() > AT_MOST {
            let more = same.len() - AT_MOST;
            context
                .printer
                .warning(&format!("{more} more like this [{}]; `--format json` lists all", first.code));
        }
        at += same.len();
    }
}
