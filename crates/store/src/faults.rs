//! A store that fails on purpose: the n-th call, one path, before or after the call took effect.
//!
//! Nothing is random. Each [`Rule`] counts the calls that match it from when it was added, and strikes where its
//! count says; of several that would strike at once the oldest does. With [`Fault::Lose`] the change is carried
//! out and its answer lost, which is what makes an outcome unknown.

mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;

use crate::call::Call;
use crate::error::{ErrorKind, StoreError};
use crate::mutate::{Appender, MutateStore};
use crate::read::{Access, Entry, EntrySink, ReadStore, Reader, Status, Usage};
pub use rule::{Fault, Hook, Rule};

/// A store that passes calls on to another, but for the faults that a test asked for.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

/// The faults to come and the calls that came: a handle, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    counts: BTreeMap<Call, u64>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Forgets all rules, not the counts.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// Returns how many calls there were of one kind.
    pub fn count(&self, call: Call) -> u64 {
        self.lock().counts.get(&call).copied().unwrap_or(0)
    }

    /// Returns how many calls there were.
    pub fn calls(&self) -> u64 {
        self.lock().counts.values().sum()
    }

    /// Returns how many calls there were that change the store.
    pub fn changes(&self) -> u64 {
        self.lock().counts.iter().filter(|(call, _)| call.is_change()).map(|(_, count)| count).sum()
    }

    /// Counts a call and returns the fault that strikes it.
    fn strike(&self, call: Call, path: &Location) -> Option<Fault> {
        let mut state = self.lock();
        *state.counts.entry(call).or_default() += 1;
        let mut struck = None;
        for rule in &mut state.rules {
            // Each rule counts, also where an older one strikes.
            if rule.matches(call, path) && struck.is_none() {
                struck = Some(rule.fault());
            }
        }
        struck
    }

    /// Carries a call out as the faults will have it.
    async fn run<T>(
        &self,
        call: Call,
        path: &Location,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.struck(call, path, self.strike(call, path), work).await
    }

    async fn struck<T>(
        &self,
        call: Call,
        path: &Location,
        fault: Option<Fault>,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match fault {
            None => work.await,
            Some(Fault::Fail(kind) | Fault::Cut(_, kind)) => Err(injected(kind, call, path)),
            Some(Fault::Lose(kind)) => {
                let _lost = work.await;
                Err(injected(kind, call, path))
            }
            Some(Fault::Hang) => pending().await,
            Some(Fault::HangAfter) => {
                let _lost = work.await;
                pending().await
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                work.await
            }
            Some(Fault::Before(hook)) => {
                hook.call();
                work.await
            }
            Some(Fault::After(hook)) => {
                let outcome = work.await;
                hook.call();
                outcome
            }
        }
    }
}

fn injected(kind: ErrorKind, call: Call, path: &Location) -> StoreError {
    StoreError::new(kind, call.operation(), path, "a fault of the test")
}

impl<S> Faulty<S> {
    /// Passes everything on to `inner` until a rule is added.
    pub fn new(inner: S) -> Self {
        Self { inner, faults: Faults::default() }
    }

    /// Returns the handle for adding rules and reading counts.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Returns the store behind.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: MutateStore> Faulty<S> {
    /// Writes a file, or with [`Fault::Cut`] only the beginning of its content.
    async fn write(&self, call: Call, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        let fault = self.faults.strike(call, path);
        let (content, cut) = cut_of(content, fault.as_ref());
        let work = async {
            let written = if call == Call::Replace {
                self.inner.replace(path, content).await
            } else {
                self.inner.create_new(path, content).await
            };
            written.and_then(|()| cut.map_or(Ok(()), |kind| Err(injected(kind, call, path))))
        };
        self.faults.struck(call, path, fault.filter(|_| cut.is_none()), work).await
    }
}

/// Returns what of the content is written, and the error that follows if that is not all.
fn cut_of<'c>(content: &'c [u8], fault: Option<&Fault>) -> (&'c [u8], Option<ErrorKind>) {
    match fault {
        Some(Fault::Cut(count, kind)) => {
            let count = usize::try_from(*count).unwrap_or(usize::MAX).min(content.len());
            (content.get(..count).unwrap_or(content), Some(*kind))
        }
        _other => (content, None),
    }
}

#[async_trait]
impl<S: ReadStore> ReadStore for Faulty<S> {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        let fault = self.faults.strike(Call::List, directory);
        let Some(Fault::Cut(count, kind)) = fault else {
            return self.faults.struck(Call::List, directory, fault, self.inner.list(directory, sink)).await;
        };
        let mut left = count;
        let mut some = |entry: Entry<'_>| {
            if left > 0 {
                left -= 1;
                sink(entry);
            }
        };
        self.inner.list(directory, &mut some).await?;
        Err(injected(kind, Call::List, directory))
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        self.faults.run(Call::Stat, path, self.inner.stat(path)).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        self.faults.run(Call::Stat, path, self.inner.access(path)).await
    }

    fn user(&self) -> Option<String> {
        self.inner.user()
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        self.faults.run(Call::Stat, directory, self.inner.usage(directory)).await
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        self.faults.run(Call::List, directory, self.inner.snapshots(directory)).await
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        let inner = self.faults.run(Call::Open, path, self.inner.open(path)).await?;
        Ok(Box::new(FaultyReader { inner, path: path.clone(), faults: self.faults.clone() }))
    }
}

#[async_trait]
impl<S: MutateStore> MutateStore for Faulty<S> {
    async fn rename(&self, from: &Location, to: &Location) -> Result<(), StoreError> {
        self.faults.run(Call::Rename, from, self.inner.rename(from, to)).await
    }

    async fn delete_file(&self, path: &Location) -> Result<bool, StoreError> {
        self.faults.run(Call::DeleteFile, path, self.inner.delete_file(path)).await
    }

    async fn remove_directory(&self, path: &Location) -> Result<bool, StoreError> {
        self.faults.run(Call::RemoveDirectory, path, self.inner.remove_directory(path)).await
    }

    async fn delete_tree(&self, path: &Location) -> Result<bool, StoreError> {
        self.faults.run(Call::DeleteTree, path, self.inner.delete_tree(path)).await
    }

    async fn make_directories(&self, path: &Location, private: bool) -> Result<(), StoreError> {
        self.faults.run(Call::MakeDirectories, path, self.inner.make_directories(path, private)).await
    }

    async fn create_new(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        self.write(Call::CreateNew, path, content).await
    }

    async fn replace(&self, path: &Location, content: &[u8]) -> Result<(), StoreError> {
        self.write(Call::Replace, path, content).await
    }

    async fn create_appender(&self, path: &Location) -> Result<Box<dyn Appender>, StoreError> {
        let inner = self.faults.run(Call::CreateAppender, path, self.inner.create_appender(path)).await?;
        Ok(Box::new(FaultyAppender { inner, path: path.clone(), faults: self.faults.clone() }))
    }

    async fn trash(&self, path: &Location) -> Result<Location, StoreError> {
        self.faults.run(Call::Trash, path, self.inner.trash(path)).await
    }

    async fn close_abandoned(&self, path: &Location) -> Result<bool, StoreError> {
        self.faults.run(Call::CloseAbandoned, path, self.inner.close_abandoned(path)).await
    }
}

#[derive(Debug)]
struct FaultyReader {
    inner: Box<dyn Reader>,
    path: Location,
    faults: Faults,
}

#[async_trait]
impl Reader for FaultyReader {
    fn length(&self) -> u64 {
        self.inner.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.faults.run(Call::Next, &self.path, self.inner.next()).await
    }
}

#[derive(Debug)]
struct FaultyAppender {
    inner: Box<dyn Appender>,
    path: Location,
    faults: Faults,
}

#[async_trait]
impl Appender for FaultyAppender {
    async fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        let fault = self.faults.strike(Call::Append, &self.path);
        let (content, cut) = cut_of(content, fault.as_ref());
        let path = &self.path;
        let inner = &mut self.inner;
        let work = async {
            let written = inner.append(content).await;
            written.and_then(|()| cut.map_or(Ok(()), |kind| Err(injected(kind, Call::Append, path))))
        };
        self.faults.struck(Call::Append, path, fault.filter(|_| cut.is_none()), work).await
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        self.faults.run(Call::Close, &self.path, self.inner.close()).await
    }
}
