//! Changes that are attempted, looked at again, and attempted again where nothing has happened.
//!
//! | call | carried out, if | nothing happened, if |
//! |---|---|---|
//! | `rename` | the source is gone and the target is there | the source is there, unchanged, and the target is not |
//! | `delete_file` | the file is gone | the same file is there (length and mtime) |
//! | `remove_directory`, `delete_tree` | the directory is gone | the directory is there |
//! | `make_directories` | the directory is there | nothing is there |
//! | `create_new` | a file with exactly these bytes is there | nothing is there |
//! | `replace` | a file with exactly these bytes is there, and it is not the one from before | the one from before is there, or none as before |
//! | `create_appender` | never: the handle is lost, and the file is another's or an empty one | nothing is there |
//! | `trash` | never: nobody knows where the file went | the file is there, unchanged |
//!
//! Anything else is an error that says what was found. `create_new` compares bytes, so its caller writes some that
//! nobody else writes: a lock holds the id of its run.
//!
//! An appender is not tried again at all: a piece that may or may not have been written would be written twice.
//! After its first error nothing more can be appended through it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chksweep_core::Location;

use super::Resilient;
use super::gate::Trouble;
use crate::error::{ErrorKind, Operation, StoreError};
use crate::mutate::{Appender, MutateStore};
use crate::read::{EntryKind, ReadStore, Status};

/// What a look after a failed change showed.
enum Look<T> {
    /// The change was carried out.
    Done(T),
    /// Nothing has happened, as yet.
    Nothing,
    /// Neither of the two.
    Unclear(&'static str),
}

/// A change that ended well.
struct Settled<T> {
    value: T,
    /// Whether an earlier attempt had an unknown outcome: then it may have been that one.
    in_doubt: bool,
}

impl<S: MutateStore> Resilient<S> {
    /// Attempts a change until its outcome is known or patience ends.
    async fn change<T, A, L>(
        &self,
        (operation, path, limit): (Operation, &Location, Duration),
        attempt: impl Fn() -> A + Send + Sync,
        look: impl Fn() -> L + Send + Sync,
    ) -> Result<Settled<T>, StoreError>
    where
        T: Send,
        A: Future<Output = Result<T, StoreError>> + Send,
        L: Future<Output = Result<Look<T>, StoreError>> + Send,
    {
        let mut doubt: Option<StoreError> = None;
        let mut trouble: Option<Trouble> = None;
        loop {
            let pass = self.changing.pass().await;
            let error = match Self::within(limit, operation, path, attempt()).await {
                Ok(value) => {
                    self.changing.succeed(pass);
                    return Ok(Settled { value, in_doubt: doubt.is_some() });
                }
                Err(error) => error,
            };
            let mut may_go_on = false;
            if error.kind.is_transient() {
                let away = self.changing.fail(pass, &self.patience);
                let trouble = trouble.get_or_insert_with(|| Trouble::new(&self.patience));
                may_go_on = trouble.next_pause(&self.patience, away).is_some();
            } else {
                self.changing.succeed(pass);
            }
            if !error.kind.outcome_is_unknown() && doubt.is_none() {
                return Err(error);
            }
            match look().await {
                Ok(Look::Done(value)) => return Ok(Settled { value, in_doubt: true }),
                Ok(Look::Nothing) if may_go_on => doubt = Some(graver(doubt, error)),
                Ok(Look::Nothing) => return Err(given_up(doubt, error, "nothing has changed so far")),
                Ok(Look::Unclear(found)) => return Err(given_up(doubt, error, found)),
                Err(failed) => {
                    let found = format!("looking again failed: {}", failed.message);
                    return Err(given_up(doubt, error, &found));
                }
            }
            tracing::debug!(%operation, %path, "nothing has happened: waiting at the gate");
        }
    }

    /// Looks at a path; nothing where the store says that there is nothing.
    async fn find(&self, path: &Location) -> Result<Option<Status>, StoreError> {
        match self.stat(path).await {
            Ok(status) => Ok(Some(status)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at both ends of a rename. What is between the two looks is looked at once more.
    async fn look_at_rename(
        &self,
        from: &Location,
        to: &Location,
        known: &Known,
    ) -> Result<Look<()>, StoreError> {
        let mut found = Look::Unclear("");
        for _ in 0..2 {
            found = match (self.find(from).await?, self.find(to).await?) {
                (None, Some(target)) if known.is_before(&target) => Look::Done(()),
                (None, Some(_)) => Look::Unclear("the source is gone, and the target is another file"),
                (Some(source), None) if known.is_or_becomes(source) => Look::Nothing,
                (Some(_), None) => Look::Unclear("the source was changed meanwhile, and is not moved"),
                (Some(_), Some(_)) => Look::Unclear("both the source and the target exist"),
                (None, None) => Look::Unclear("neither the source nor the target exists"),
            };
            if !matches!(found, Look::Unclear(_)) {
                break;
            }
        }
        Ok(found)
    }

    /// Looks whether a file with exactly these bytes is there; nothing where nothing is there.
    async fn holds(&self, path: &Location, content: &[u8]) -> Result<Option<bool>, StoreError> {
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        match self.find(path).await? {
            None => Ok(None),
            Some(status) if status.kind != EntryKind::File => Ok(Some(false)),
            Some(_) => match self.read(path, length).await {
                Ok(bytes) => Ok(Some(bytes == content)),
                Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
                Err(error) if error.kind == ErrorKind::TooLarge => Ok(Some(false)),
                Err(error) => Err(error),
            },
        }
    }

    async fn remove(&self, path: &Location, whole: bool) -> Result<bool, StoreError> {
        let look = || async {
            Ok(match self.find(path).await?.map(|status| status.kind) {
                None => Look::Done(true),
                Some(EntryKind::Directory) => Look::Nothing,
                Some(EntryKind::File | EntryKind::Other) => Look::Unclear("something else is in its place"),
            })
        };
        let limit = if whole { self.patience.data } else { self.patience.call };
        let attempt = || async {
            if whole { self.inner.delete_tree(path).await } else { self.inner.remove_directory(path).await }
        };
        let settled = self.change((Operation::Delete, path, limit), attempt, look).await?;
        Ok(settled.value || settled.in_doubt)
    }
}

/// What is known of the file that a change is about.
#[derive(Default)]
struct Known {
    /// As it was before the first attempt.
    before: Option<Status>,
    /// As the first look after a failure found it.
    after: Mutex<Option<Status>>,
}

impl Known {
    fn new(before: Option<Status>) -> Self {
        Self { before, after: Mutex::default() }
    }

    /// Whether what is found is the file from before the first attempt, as far as that was looked at.
    fn is_before(&self, found: &Status) -> bool {
        self.before.as_ref().is_none_or(|before| is_same(before, found))
    }

    /// As [`Known::is_before`]; the first one found is then remembered, and each later one must be that.
    fn is_or_becomes(&self, found: Status) -> bool {
        let mut after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_before(&found) && is_same(after.get_or_insert(found), &found)
    }
}

/// Whether two looks saw the same file, as far as a look can tell. A directory is the same by its name: its time
/// changes with what it holds.
fn is_same(one: &Status, other: &Status) -> bool {
    one.kind == other.kind
        && (one.kind == EntryKind::Directory || (one.length, one.modified) == (other.length, other.modified))
}

/// Of the errors of two attempts, keeps the one that leaves more open.
fn graver(doubt: Option<StoreError>, error: StoreError) -> StoreError {
    match doubt {
        Some(doubt) if doubt.kind != ErrorKind::Busy => doubt,
        Some(_) | None => error,
    }
}

/// Makes the error of a change that is not attempted again.
fn given_up(doubt: Option<StoreError>, error: StoreError, found: &str) -> StoreError {
    let message = format!("{} ({found})", error.message);
    StoreError { message, ..graver(doubt, error) }
}

#[async_trait]
impl<S: MutateStore> MutateStore for Resilient<S> {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        self.changing.pass().await;
        let before = if self.look_before_renames { Some(self.stat(from).await?) } else { None };
        let known = Known::new(before);
        let about = (Operation::Rename, from, self.patience.call);
        let attempt = || self.inner.rename(from, to);
        self.change(about, attempt, || self.look_at_rename(from, to, &known)).await.map(|done| done.value)
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        // A look before a long wait would say little about what is there after it.
        self.changing.pass().await;
        let Some(before) = self.find(path).await? else { return Ok(false) };
        let look = || async {
            Ok(match self.find(path).await? {
                None => Look::Done(true),
                Some(found) if is_same(&before, &found) => Look::Nothing,
                Some(_) => Look::Unclear("another file is in its place"),
            })
        };
        let about = (Operation::Delete, path, self.patience.call);
        let settled = self.change(about, || self.inner.delete_file(path), look).await?;
        Ok(settled.value || settled.in_doubt)
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        self.remove(path, false).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        self.remove(path, true).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        let look = || async {
            Ok(match self.find(path).await?.map(|status| status.kind) {
                Some(EntryKind::Directory) => Look::Done(()),
                None => Look::Nothing,
                Some(EntryKind::File | EntryKind::Other) => Look::Unclear("it is not a directory"),
            })
        };
        let about = (Operation::MakeDirectory, path, self.patience.call);
        self.change(about, || self.inner.make_directories(path, private), look).await.map(|done| done.value)
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let look = || async {
            Ok(match self.holds(path, content).await? {
                Some(true) => Look::Done(()),
                None => Look::Nothing,
                Some(false) => Look::Unclear("it exists with other content, or is not completely written"),
            })
        };
        let about = (Operation::Write, path, self.patience.data);
        self.change(about, || self.inner.create_new(path, content), look).await.map(|done| done.value)
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let before = self.find(path).await?;
        let look = || async {
            let now = self.find(path).await?;
            let is_as_before = match (&before, &now) {
                (Some(before), Some(now)) => is_same(before, now),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if is_as_before {
                return Ok(Look::Nothing);
            }
            let is_ours = self.holds(path, content).await? == Some(true);
            Ok(if is_ours { Look::Done(()) } else { Look::Unclear("it was changed by another") })
        };
        let about = (Operation::Write, path, self.patience.data);
        self.change(about, || self.inner.replace(path, content), look).await.map(|done| done.value)
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        let look = || async {
            Ok(match self.find(path).await? {
                None => Look::Nothing,
                Some(_) => Look::Unclear("it exists now, perhaps made by this call: take another name"),
            })
        };
        let about = (Operation::Write, path, self.patience.data);
        let made = self.change(about, || self.inner.create_appender(path), look).await?;
        let limit = self.patience.data;
        Ok(Box::new(DeadlineAppender { inner: made.value, path: path.clone(), limit, broken: false }))
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        let known = Known::default();
        let look = || async {
            Ok(match self.find(path).await? {
                Some(found) if known.is_or_becomes(found) => Look::Nothing,
                Some(_) => Look::Unclear("another file is in its place"),
                None => Look::Unclear("it is gone from its place: look into the trash"),
            })
        };
        let about = (Operation::Trash, path, self.patience.data);
        self.change(about, || self.inner.trash(path), look).await.map(|done| done.value)
    }

    /// Asked again and again by its caller anyway: so it is tried again as a look is.
    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        let call = self.patience.call;
        self.retry(|| Self::within(call, Operation::Write, path, self.inner.close_abandoned(path))).await
    }
}

/// An appender whose calls have a deadline, and which stops at its first error.
#[derive(Debug)]
struct DeadlineAppender {
    inner: Box<dyn Appender>,
    path: Location,
    limit: Duration,
    broken: bool,
}

#[async_trait]
impl Appender for DeadlineAppender {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        if self.broken {
            let message = "an earlier piece may be missing or torn: nothing more is appended";
            return Err(StoreError::new(ErrorKind::Other, Operation::Write, &self.path, message));
        }
        let work = self.inner.append(content);
        let outcome = Resilient::<()>::within(self.limit, Operation::Write, &self.path, work).await;
        self.broken = outcome.is_err();
        outcome
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        Resilient::<()>::within(self.limit, Operation::Write, &self.path, self.inner.close()).await
    }
}
