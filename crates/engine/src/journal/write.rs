//! Writing a journal, to all of its copies or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chksweep_core::{Location, visible};
use chksweep_store::{Appender, StoreError};

use super::record::{Line, Record};
use super::{NO_LINE, SUM, digest_of};
use crate::run::whole;
use crate::stores::MutateStores;
use crate::{own, state};

/// Why a journal cannot be written. Nothing is begun that it does not hold.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The local copy.
    #[error("writing the journal {path}")]
    Local {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: std::io::Error,
    },
    /// A copy on the storage.
    #[error("writing the journal on the storage")]
    Stored(#[source] StoreError),
    /// A line cannot be put into JSON.
    #[error("putting a line of the journal into words")]
    Json(#[source] serde_json::Error),
    /// An earlier line was not written, so no later one can be.
    #[error("an earlier line of the journal was not written ({0})")]
    Broken(String),
}

/// Where the local copy of a journal lies.
pub fn local_file(state_directory: &Path, run_id: &str) -> PathBuf {
    state_directory.join("runs").join(format!("{run_id}.jsonl"))
}

#[derive(Debug)]
enum Sink {
    Local {
        path: PathBuf,
        file: Arc<File>,
    },
    Stored(Box<dyn Appender>),
    /// A line may have been written in half, for this reason: nothing that follows it could be read.
    Broken(String),
}

impl Sink {
    async fn append(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        match self {
            Self::Local { path, file } => {
                let (file, bytes) = (Arc::clone(file), bytes.to_vec());
                let work = tokio::task::spawn_blocking(move || {
                    let mut file: &File = &file;
                    file.write_all(&bytes).and_then(|()| file.sync_data())
                });
                let written = work.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                written.map_err(|error| JournalError::Local { path: path.clone(), error })
            }
            Self::Stored(appender) => appender.append(bytes).await.map_err(JournalError::Stored),
            Self::Broken(why) => Err(JournalError::Broken(why.clone())),
        }
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    sinks: Vec<Sink>,
    prev: String,
}

impl Journal {
    /// Creates the journal of a run in the state directory and under each root; it must not exist anywhere.
    pub(crate) async fn create(
        stores: &MutateStores,
        roots: &[Location],
        run_id: &str,
        state_directory: Option<&Path>,
    ) -> Result<Self, JournalError> {
        let mut sinks = Vec::new();
        if let Some(directory) = state_directory {
            let path = local_file(directory, run_id);
            let at = path.clone();
            let made = tokio::task::spawn_blocking(move || create_local(&at)).await;
            let file = made.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            let file = file.map_err(|error| JournalError::Local { path: path.clone(), error })?;
            sinks.push(Sink::Local { path, file: Arc::new(file) });
        }
        for root in roots {
            let create = async {
                let store = stores.of(root)?;
                own::make_own(store.as_ref(), &own::own_directory(root)).await?;
                own::make_own(store.as_ref(), &own::runs_directory(root)).await?;
                store.create_appender(&own::journal_file(root, run_id)).await
            };
            sinks.push(Sink::Stored(create.await.map_err(JournalError::Stored)?));
        }
        Ok(Self { sinks, prev: NO_LINE.to_owned() })
    }

    /// Appends lines; they are durable in every copy when this returns.
    ///
    /// After an error the copies that are still whole are written on, so that as many as possible tell what was
    /// done; but every later call returns an error too, and nothing new may be begun.
    pub(crate) async fn append(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        for record in records {
            let line = Line { record, prev: std::mem::take(&mut self.prev) };
            let line = summed(visible::json(&line).map_err(JournalError::Json)?);
            self.prev = digest_of(&line);
            bytes.extend_from_slice(&line);
        }
        let mut first = None;
        for sink in &mut self.sinks {
            if let Err(error) = sink.append(&bytes).await {
                if !matches!(sink, Sink::Broken(_)) {
                    let why = whole(&error);
                    tracing::error!(error = %why, "a copy of the journal is broken off");
                    *sink = Sink::Broken(why);
                }
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Closes every copy.
    pub(crate) async fn close(self) -> Result<(), JournalError> {
        let mut first = None;
        for sink in self.sinks {
            if let Sink::Stored(mut appender) = sink
                && let Err(error) = appender.close().await
            {
                first.get_or_insert(JournalError::Stored(error));
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// Ends a line with the digest of all of it before.
fn summed(mut line: Vec<u8>) -> Vec<u8> {
    // The closing brace.
    line.pop();
    let sum = digest_of(&line);
    line.extend_from_slice(SUM);
    line.extend_from_slice(sum.as_bytes());
    line.extend_from_slice(b"\"}\n");
    line
}

/// Creates the local copy, for its owner alone. What lies there already is never opened, a symbolic link neither.
fn create_local(path: &Path) -> std::io::Result<File> {
    state::make_for(path)?;
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}
