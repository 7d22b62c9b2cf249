//! The hands of a run: each change of the store, with its outcome looked at and never guessed.
//!
//! A call that fails may have been carried out. So after an error whose outcome is open both ends are looked at:
//! - the source is gone and the target is the file that was planned: it was done;
//! - the source is there and the target is not: it was not done, and if the reason passes it is tried again. Should
//!   the first attempt be carried out after all, by a NameNode that was only slow, the second finds its source
//!   gone, and the look after *that* finds the target;
//! - anything else is recorded as what it is, or as unknown.
//!
//! Nothing here replaces anything: a target that exists is left alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use chksweep_core::Location;
use chksweep_store::{EntryKind, ErrorKind, Status, StoreError};

use super::step::{Fate, How, Step};
use super::trees;
use crate::journal::Outcome;
use crate::own::{self, Stamp};
use crate::pace::{Asked, Pace};
use crate::stores::{MutateStores, ReadStores};

/// The stores of a run, and the patience to use them.
#[derive(Debug)]
pub(crate) struct Hands {
    pub(crate) stores: MutateStores,
    pub(crate) pace: Arc<Pace>,
    pub(crate) eyes: Eyes,
    /// Directories that were made, so that each is made once.
    made: Mutex<HashSet<Location>>,
}

/// The same stores, for looking only.
#[derive(Debug)]
pub(crate) struct Eyes {
    pub(crate) stores: ReadStores,
    pace: Arc<Pace>,
}

/// What a look at a path found.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    There(Status),
    Absent,
    /// The store did not tell.
    Unclear(String),
}

/// What a path is expected to be.
#[derive(Clone, Copy, Debug)]
enum Expect {
    File(Stamp),
    Directory,
}

impl Expect {
    /// Returns in which way the path is another.
    fn differs(self, status: &Status) -> Option<String> {
        match (self, status.kind) {
            (Self::File(stamp), EntryKind::File) => {
                let now = Stamp { length: status.length, modified: status.modified };
                (now != stamp).then(|| {
                    format!(
                        "it has changed: {} bytes of {} instead of {} bytes of {}",
                        now.length, now.modified, stamp.length, stamp.modified
                    )
                })
            }
            (Self::Directory, EntryKind::Directory) => None,
            (Self::File(_), _) => Some("it is no longer a file".to_owned()),
            (Self::Directory, _) => Some("it is no longer a directory".to_owned()),
        }
    }
}

/// What to do after a failed attempt.
enum Next {
    Again,
    Over(Fate),
}

/// What a change is that had no effect when it was last looked at. One whose answer is still out may yet be
/// carried out, so nobody can tell.
fn not_done(error: &StoreError) -> Fate {
    if matches!(error.kind, ErrorKind::TimedOut | ErrorKind::Unreachable) {
        return Fate::new(Outcome::Unknown, format!("{error}; it was not carried out when last looked at"));
    }
    Fate::new(Outcome::Failed, error)
}

impl Eyes {
    pub(crate) fn new(stores: ReadStores, pace: Pace) -> Self {
        Self { stores, pace: Arc::new(pace) }
    }

    /// Looks at a path, with patience.
    pub(crate) async fn look(&self, path: &Location) -> Sight {
        loop {
            let looked = match self.stores.of(path) {
                Ok(store) => store.stat(path).await,
                Err(error) => Err(error),
            };
            match looked {
                Ok(status) => {
                    self.pace.succeeded(Asked::Look);
                    return Sight::There(status);
                }
                Err(error) if own::is_absent(&error) => {
                    self.pace.succeeded(Asked::Look);
                    return Sight::Absent;
                }
                Err(error) if error.kind.is_transient() && self.pace.failed(&error).await => {}
                Err(error) => return Sight::Unclear(error.to_string()),
            }
        }
    }
}

impl Hands {
    pub(crate) fn new(stores: MutateStores, pace: Pace) -> Self {
        let pace = Arc::new(pace);
        let eyes = Eyes { stores: stores.reading(), pace: Arc::clone(&pace) };
        Self { stores, pace, eyes, made: Mutex::default() }
    }

    /// Carries a step out.
    pub(crate) async fn perform(&self, step: &Step) -> Fate {
        if let Err(stop) = self.pace.turn().await {
            return Fate::new(Outcome::NotStarted, stop);
        }
        let from = &step.from;
        match &step.how {
            How::Move { to, stamp, private } => self.move_file(from, to, *stamp, *private).await,
            How::MoveTree { to, digest } => trees::set_aside(self, from, to, *digest).await,
            How::Trash { stamp } => self.take_file(from, *stamp, true).await,
            How::Delete { stamp } => self.take_file(from, *stamp, false).await,
            How::RemoveDirectory { mirror } => self.remove_directory(from, mirror.as_ref()).await,
            How::DeleteTree => self.delete_tree(from).await,
        }
    }

    /// Looks at a path, with patience.
    pub(crate) async fn look(&self, path: &Location) -> Sight {
        self.eyes.look(path).await
    }

    /// Moves a file that is as it was planned. One that can change under its name is looked at again after it
    /// arrived, and goes back if it is another.
    pub(crate) async fn move_file(
        &self,
        from: &Location,
        to: &Location,
        stamp: Stamp,
        private: bool,
    ) -> Fate {
        let fate = self.rename(from, to, Expect::File(stamp), private).await;
        if !fate.is_done() || chksweep_core::Uuid::parse(from.name()).is_some() {
            return fate;
        }
        let Sight::There(status) = self.look(to).await else { return fate };
        let Some(differs) = Expect::File(stamp).differs(&status) else { return fate };
        let now = Stamp { length: status.length, modified: status.modified };
        let back = self.rename(to, from, Expect::File(now), false).await;
        if back.is_done() {
            return Fate::new(Outcome::PutBack, differs);
        }
        let why = back.message.unwrap_or_default();
        Fate::new(Outcome::Unknown, format!("{differs}, and it could not be put back from {to}: {why}"))
    }

    /// Moves a directory with all in it.
    pub(crate) async fn move_directory(&self, from: &Location, to: &Location, private: bool) -> Fate {
        self.rename(from, to, Expect::Directory, private).await
    }

    async fn rename(&self, from: &Location, to: &Location, expect: Expect, private: bool) -> Fate {
        let mut tried = false;
        loop {
            match self.look(from).await {
                Sight::Unclear(why) if tried => return Fate::new(Outcome::Unknown, why),
                Sight::Unclear(why) => return Fate::new(Outcome::Failed, why),
                Sight::Absent if tried => return self.arrived(to, expect).await,
                Sight::Absent => return Fate::new(Outcome::AlreadyGone, "it is no longer there"),
                Sight::There(status) => {
                    if let Some(differs) = expect.differs(&status) {
                        return Fate::new(Outcome::Changed, differs);
                    }
                }
            }
            match self.try_rename(from, to, private).await {
                Ok(()) => {
                    self.pace.succeeded(Asked::Change);
                    return Fate::done();
                }
                Err(error) => match self.after_rename(from, to, expect, &error).await {
                    Next::Again => tried = true,
                    Next::Over(fate) => return fate,
                },
            }
        }
    }

    async fn try_rename(&self, from: &Location, to: &Location, private: bool) -> Result<(), StoreError> {
        if let Some(parent) = to.parent() {
            self.make_directory(&parent, private).await?;
        }
        self.stores.of(from)?.rename(from, to).await
    }

    /// Tells from where the two ends lie what a rename did that returned an error.
    async fn after_rename(&self, from: &Location, to: &Location, expect: Expect, error: &StoreError) -> Next {
        let open = error.kind.outcome_is_unknown()
            || matches!(error.kind, ErrorKind::NotFound | ErrorKind::AlreadyExists);
        if !open {
            return Next::Over(Fate::new(Outcome::Failed, error));
        }
        let mut ends = (self.look(from).await, self.look(to).await);
        if matches!(ends, (Sight::There(_), Sight::There(_))) {
            // It may have been carried out between the two looks.
            ends.0 = self.look(from).await;
        }
        match ends {
            (Sight::Absent, _) => Next::Over(self.arrived(to, expect).await),
            (Sight::There(source), Sight::There(target)) => {
                // It went, and another has come in its place.
                let went = expect.differs(&target).is_none() && expect.differs(&source).is_some();
                Next::Over(if went {
                    Fate::done()
                } else {
                    Fate::new(Outcome::Failed, format!("something lies at {to} already"))
                })
            }
            (Sight::There(_), Sight::Absent) => {
                if error.kind == ErrorKind::NotFound
                    && let Some(parent) = to.parent()
                {
                    self.forget_directory(&parent);
                }
                if error.kind.is_transient() && self.pace.failed(error).await {
                    return Next::Again;
                }
                Next::Over(not_done(error))
            }
            (Sight::Unclear(why), _) | (_, Sight::Unclear(why)) => {
                Next::Over(Fate::new(Outcome::Unknown, format!("{error}, and then {why}")))
            }
        }
    }

    /// The source is gone: did it go where it was to go?
    async fn arrived(&self, to: &Location, expect: Expect) -> Fate {
        match self.look(to).await {
            Sight::There(status) => match expect.differs(&status) {
                None => Fate::done(),
                Some(differs) => Fate::new(Outcome::Unknown, format!("at {to}: {differs}")),
            },
            Sight::Absent => Fate::new(Outcome::AlreadyGone, "it is no longer there"),
            Sight::Unclear(why) => Fate::new(Outcome::Unknown, why),
        }
    }

    /// Makes a directory that holds what is moved; one that this run has made is not made again.
    pub(crate) async fn make_directory(&self, directory: &Location, private: bool) -> Result<(), StoreError> {
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(directory) {
            return Ok(());
        }
        self.stores.of(directory)?.make_directories(directory, private).await?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.clone());
        Ok(())
    }

    pub(crate) fn forget_directory(&self, directory: &Location) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| !made.is_within(directory));
    }

    /// Deletes a file that is as it was planned, or moves it to the trash.
    async fn take_file(&self, path: &Location, stamp: Stamp, trash: bool) -> Fate {
        let mut tried = false;
        loop {
            match self.look(path).await {
                Sight::Unclear(why) if tried => return Fate::new(Outcome::Unknown, why),
                Sight::Unclear(why) => return Fate::new(Outcome::Failed, why),
                Sight::Absent if tried => return Fate::done(),
                Sight::Absent => return Fate::new(Outcome::AlreadyGone, "it is no longer there"),
                Sight::There(status) => {
                    if let Some(differs) = Expect::File(stamp).differs(&status) {
                        return Fate::new(Outcome::Changed, differs);
                    }
                }
            }
            let error = match self.try_take(path, trash).await {
                Ok(fate) => {
                    self.pace.succeeded(Asked::Change);
                    return fate;
                }
                Err(error) => error,
            };
            if !error.kind.outcome_is_unknown() && error.kind != ErrorKind::NotFound {
                return Fate::new(Outcome::Failed, error);
            }
            if !error.kind.is_transient() || !self.pace.failed(&error).await {
                return self.gone_or(path, &error).await;
            }
            tried = true;
        }
    }

    async fn try_take(&self, path: &Location, trash: bool) -> Result<Fate, StoreError> {
        let store = self.stores.of(path)?;
        if trash {
            let to = store.trash(path).await?;
            return Ok(Fate { to: Some(to), ..Fate::done() });
        }
        if store.delete_file(path).await? {
            Ok(Fate::done())
        } else {
            Ok(Fate::new(Outcome::AlreadyGone, "it is no longer there"))
        }
    }

    /// After a deletion that failed: the path is gone, or it failed indeed.
    async fn gone_or(&self, path: &Location, error: &StoreError) -> Fate {
        match self.look(path).await {
            Sight::Absent => Fate::done(),
            Sight::There(_) => not_done(error),
            Sight::Unclear(why) => Fate::new(Outcome::Unknown, format!("{error}, and then {why}")),
        }
    }

    /// Removes a directory that is empty. One that is not holds something new, and stays.
    async fn remove_directory(&self, path: &Location, mirror: Option<&Location>) -> Fate {
        let mut tried = false;
        loop {
            match self.look(path).await {
                Sight::Unclear(why) if tried => return Fate::new(Outcome::Unknown, why),
                Sight::Unclear(why) => return Fate::new(Outcome::Failed, why),
                Sight::Absent if tried => return Fate::done(),
                Sight::Absent => return Fate::new(Outcome::AlreadyGone, "it is no longer there"),
                Sight::There(status) => {
                    if let Some(differs) = Expect::Directory.differs(&status) {
                        return Fate::new(Outcome::Changed, differs);
                    }
                }
            }
            let removed = async {
                if let Some(mirror) = mirror {
                    self.make_directory(mirror, true).await?;
                }
                self.stores.of(path)?.remove_directory(path).await
            };
            let error = match removed.await {
                Ok(true) => {
                    self.pace.succeeded(Asked::Change);
                    return Fate::done();
                }
                Ok(false) => return Fate::new(Outcome::AlreadyGone, "it is no longer there"),
                Err(error) => error,
            };
            if error.kind == ErrorKind::NotEmpty {
                return Fate::new(Outcome::NotEmpty, "something lies in it that the plan does not take");
            }
            if !error.kind.outcome_is_unknown() {
                return Fate::new(Outcome::Failed, error);
            }
            if !error.kind.is_transient() || !self.pace.failed(&error).await {
                return self.gone_or(path, &error).await;
            }
            tried = true;
        }
    }

    /// Deletes a directory of a quarantine with all below it. Doing it twice does no harm.
    async fn delete_tree(&self, path: &Location) -> Fate {
        let mut tried = false;
        loop {
            let deleted = match self.stores.of(path) {
                Ok(store) => store.delete_tree(path).await,
                Err(error) => Err(error),
            };
            let error = match deleted {
                Ok(true) => {
                    self.pace.succeeded(Asked::Change);
                    return Fate::done();
                }
                Ok(false) if tried => return Fate::done(),
                Ok(false) => return Fate::new(Outcome::AlreadyGone, "it is no longer there"),
                Err(error) => error,
            };
            if !error.kind.outcome_is_unknown() {
                return Fate::new(Outcome::Failed, error);
            }
            if matches!(self.look(path).await, Sight::Absent) {
                return Fate::done();
            }
            if !error.kind.is_transient() || !self.pace.failed(&error).await {
                return self.gone_or(path, &error).await;
            }
            tried = true;
        }
    }
}

#[cfg(test)]
mod tests;
