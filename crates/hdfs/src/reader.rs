//! Reading: whole files or an error, and never past the end.
//!
//! hdfs-native leaves blocks out that are still being written, so a reader of an open file can be shorter than the
//! listing says without an error anywhere. [`Reader::length`] tells what the reader has; a whole file is compared
//! with what the NameNode says *after* it was opened, so that one that grew in between is noticed too.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use chksweep_core::Location;
use chksweep_store::{Access, EntrySink, ErrorKind, Operation, ReadStore, Reader, Status, StoreError, Usage};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::client::HdfsStore;
use crate::guard::guarded;
use crate::listing::access_of;

/// How often a file is opened again whose length is another when it is looked at: it may have been replaced in
/// between. One that is open for writing stays as it is.
const TRIES_OF_A_CHANGING_FILE: u8 = 3;

#[async_trait]
impl ReadStore for HdfsStore {
    async fn list(&self, directory: &Location, sink: &mut EntrySink<'_>) -> Result<(), StoreError> {
        self.list_directory(directory, sink).await
    }

    async fn stat(&self, path: &Location) -> Result<Status, StoreError> {
        let at = self.at(path, Operation::Stat)?;
        self.look(&at, Operation::Stat, path).await
    }

    async fn access(&self, path: &Location) -> Result<Access, StoreError> {
        let at = self.at(path, Operation::Stat)?;
        let status = guarded(Operation::Stat, path, at.client.get_file_info(&at.path)).await?;
        Ok(access_of(status))
    }

    fn user(&self) -> Option<String> {
        self.user().map(str::to_owned)
    }

    async fn usage(&self, directory: &Location) -> Result<Usage, StoreError> {
        let at = self.at(directory, Operation::Stat)?;
        let summary = guarded(Operation::Stat, directory, at.client.get_content_summary(&at.path)).await?;
        let limit = |quota: u64| Some(quota).filter(|quota| *quota != u64::MAX);
        Ok(Usage {
            names: summary.file_count.saturating_add(summary.directory_count),
            names_allowed: limit(summary.quota),
            space: summary.space_consumed,
            space_allowed: limit(summary.space_quota),
        })
    }

    async fn snapshots(&self, directory: &Location) -> Result<Vec<String>, StoreError> {
        let at = self.at_live(directory, Operation::List)?;
        let within = format!("{}/.snapshot", at.path.trim_end_matches('/'));
        let entries = at.client.list_status_iter(&within, false);
        let mut names = Vec::new();
        loop {
            let next = guarded(Operation::List, directory, async { entries.next().await.transpose() }).await;
            match next {
                Ok(Some(status)) => names.extend(status.path.rsplit('/').next().map(str::to_owned)),
                Ok(None) => return Ok(names),
                // No snapshots may be taken of it.
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn open(&self, path: &Location) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(self.reader(path).await?))
    }

    async fn read(&self, path: &Location, limit: u64) -> Result<Bytes, StoreError> {
        let at = self.at(path, Operation::Read)?;
        let mut tries = TRIES_OF_A_CHANGING_FILE;
        loop {
            let reader = self.reader(path).await?;
            let listed = self.look(&at, Operation::Read, path).await?.length;
            if reader.length() == listed {
                return reader.whole(limit).await;
            }
            tries -= 1;
            if tries == 0 {
                let length = reader.length();
                return Err(reader.incomplete(format!("{listed} bytes are listed and {length} can be read")));
            }
        }
    }
}

impl HdfsStore {
    async fn reader(&self, path: &Location) -> Result<HdfsReader, StoreError> {
        let at = self.at(path, Operation::Read)?;
        let file = guarded(Operation::Read, path, at.client.read(&at.path)).await?;
        let length = file.file_length();
        let stream = file.read_range_stream(0, length).boxed();
        Ok(HdfsReader {
            path: path.clone(),
            length: u64::try_from(length).unwrap_or(u64::MAX),
            read: 0,
            stream,
        })
    }
}

/// A file that is read from its beginning to its end.
struct HdfsReader {
    path: Location,
    length: u64,
    read: u64,
    stream: BoxStream<'static, hdfs_native::Result<Bytes>>,
}

impl HdfsReader {
    async fn whole(mut self, limit: u64) -> Result<Bytes, StoreError> {
        if self.length > limit {
            return Err(StoreError::too_large(&self.path, self.length, limit));
        }
        let mut parts = Vec::new();
        while let Some(part) = self.next().await? {
            parts.push(part);
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Ok(Bytes::from(parts.concat())),
        }
    }

    fn incomplete(&self, numbers: impl fmt::Display) -> StoreError {
        let message = format!("{numbers}: the file is still open for writing, or blocks of it are lost");
        StoreError::new(ErrorKind::Corrupt, Operation::Read, &self.path, message)
    }
}

#[async_trait]
impl Reader for HdfsReader {
    fn length(&self) -> u64 {
        self.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let stream = &mut self.stream;
            let part =
                guarded(Operation::Read, &self.path, async { stream.next().await.transpose() }).await?;
            match part {
                Some(part) if part.is_empty() => {}
                Some(part) => {
                    self.read = self.read.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
                    return Ok(Some(part));
                }
                None if self.read == self.length => return Ok(None),
                None => {
                    let numbers = format!("{} of {} bytes came", self.read, self.length);
                    return Err(self.incomplete(numbers));
                }
            }
        }
    }
}

impl fmt::Debug for HdfsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HdfsReader({}, {} of {} bytes)", self.path, self.read, self.length)
    }
}
