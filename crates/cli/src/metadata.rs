//! Reads the `_metadata` that a person named: the file itself, or the directory that holds it.

use std::io;

use bytes::{Buf, Bytes};
use chksweep_core::deps::ErrorDocument;
use chksweep_core::location::printable;
use chksweep_core::metadata::{ParseError, ParseErrorKind, ReadError};
use chksweep_core::{Location, layout};
use chksweep_engine::ReadStores;
use chksweep_store::{EntryKind, ErrorKind, ReadStore, Reader, StoreError};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;
use tokio::runtime::Handle;

use crate::exit::Exit;
use crate::failure;

/// Up to this many bytes a file is held in memory; a larger one is read as a stream.
const IN_MEMORY: u64 = 32 << 20;

/// A readable `_metadata`, read as whatever was wanted.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    /// Where the file lies, spelled as the argument was.
    pub(crate) metadata: Location,
    /// What it says.
    pub(crate) content: T,
}

/// Why a `_metadata` was not read.
#[derive(Clone, Debug)]
pub(crate) enum NotLoaded {
    /// Its bytes are not readable.
    Unreadable(ParseError),
    /// There is none, or its bytes did not come.
    Failed {
        /// A short stable name.
        kind: &'static str,
        /// What happened.
        message: String,
        /// What may help.
        hint: Option<&'static str>,
    },
}

impl NotLoaded {
    /// Returns the exit code that goes with it.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(_) => Exit::Unreadable,
            Self::Failed { .. } => Exit::Failed,
        }
    }

    /// Returns it as a document.
    pub(crate) fn document(&self) -> ErrorDocument {
        match self {
            Self::Unreadable(error) => error.into(),
            Self::Failed { kind, message, .. } => {
                ErrorDocument { kind: (*kind).to_owned(), offset: None, message: message.clone() }
            }
        }
    }

    /// Returns what happened, for people.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Unreadable(error) => error.to_string(),
            Self::Failed { message, .. } => message.clone(),
        }
    }

    /// Returns what may help.
    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(error) => Some(unreadable_hint(&error.kind)),
            Self::Failed { hint, .. } => *hint,
        }
    }
}

/// Returns what may help against bytes that are no readable metadata.
const fn unreadable_hint(kind: &ParseErrorKind) -> &'static str {
    match kind {
        ParseErrorKind::NotMetadata { .. } => {
            "name a `_metadata` file, or the directory of a checkpoint or savepoint that holds one"
        }
        ParseErrorKind::UnexpectedEnd { .. } => {
            "the file is cut short: it is still being written, or a copy or a crash broke it off; compare its \
             length with the original"
        }
        ParseErrorKind::VersionZero => "it was written by Flink 1.1 or older, whose format is not read",
        ParseErrorKind::UnknownVersion { .. } | ParseErrorKind::UnknownCode { .. } => {
            "it was written by a newer Flink than this chksweep knows, or it is damaged: try a newer chksweep"
        }
        ParseErrorKind::TrailingBytes { .. }
        | ParseErrorKind::NegativeCount { .. }
        | ParseErrorKind::CountTooLarge { .. }
        | ParseErrorKind::InvalidValue { .. }
        | ParseErrorKind::MissingHandle
        | ParseErrorKind::WrongHandle { .. }
        | ParseErrorKind::InvalidString
        | ParseErrorKind::InvalidPath(_)
        | ParseErrorKind::MasterState
        | ParseErrorKind::TooDeep { .. }
        | ParseErrorKind::Properties { .. } => {
            "the file is damaged, or not what Flink wrote: compare it with a copy, or use another checkpoint"
        }
    }
}

impl From<StoreError> for NotLoaded {
    fn from(error: StoreError) -> Self {
        Self::Failed {
            kind: kind_name(error.kind),
            hint: failure::store_hint(&error),
            message: error.to_string(),
        }
    }
}

/// Returns the stable name of a kind of store error.
pub(crate) const fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not-found",
        ErrorKind::AlreadyExists => "already-exists",
        ErrorKind::NotEmpty => "not-empty",
        ErrorKind::WrongType => "wrong-type",
        ErrorKind::PermissionDenied => "permission-denied",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::Unreachable => "unreachable",
        ErrorKind::Busy => "busy",
        ErrorKind::TimedOut => "timed-out",
        ErrorKind::QuotaExceeded => "quota-exceeded",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Unrepresentable => "unrepresentable",
        ErrorKind::TooLarge => "too-large",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Other => "other",
    }
}

/// How to read a `_metadata`: from memory, or as a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How<T> {
    /// From memory.
    pub(crate) slice: fn(&[u8], &Location) -> Result<T, ParseError>,
    /// As a stream.
    pub(crate) stream: fn(&mut Opener, u64, &Location) -> Result<T, ReadError>,
}

/// Reads the `_metadata` at a location.
pub(crate) async fn load<T: Send + 'static>(
    stores: &ReadStores,
    location: &Location,
    how: How<T>,
) -> Result<Loaded<T>, NotLoaded> {
    let store = stores.of(location)?;
    let metadata = find(store.as_ref(), location).await?;
    let file = followed(store.as_ref(), &metadata).await;
    let reader = store.open(&file).await?;
    let length = reader.length();
    check_whole(store.as_ref(), &file, length).await?;
    let content = if length <= IN_MEMORY {
        let bytes = read_all(reader).await?;
        let seen_from = metadata.clone();
        blocking(move || (how.slice)(&bytes, &seen_from).map_err(NotLoaded::Unreadable)).await?
    } else {
        drop(reader);
        let seen_from = metadata.clone();
        let mut opener = Opener { handle: Handle::current(), store, file };
        blocking(move || {
            (how.stream)(&mut opener, length, &seen_from).map_err(|error| match error {
                ReadError::Parse(error) => NotLoaded::Unreadable(error),
                ReadError::Io { .. } => failed("io", format!("{:#}", anyhow::Error::new(error))),
            })
        })
        .await?
    };
    Ok(Loaded { metadata, content })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotLoaded> + Send + 'static,
) -> Result<T, NotLoaded> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(failed("other", format!("the work broke off: {error}"))))
}

fn failed(kind: &'static str, message: String) -> NotLoaded {
    NotLoaded::Failed { kind, message, hint: None }
}

/// Returns where the `_metadata` lies that a location means.
async fn find(store: &dyn ReadStore, location: &Location) -> Result<Location, NotLoaded> {
    let place = followed(store, location).await;
    if store.stat(&place).await?.kind == EntryKind::File {
        return Ok(location.clone());
    }
    let metadata = location.child(layout::METADATA);
    match store.stat(&metadata).await {
        Ok(_) => Ok(metadata),
        Err(error) if error.kind == ErrorKind::NotFound => Err(NotLoaded::Failed {
            kind: "no-metadata",
            message: format!("the directory {location} holds no `_metadata`"),
            hint: Some(
                "a checkpoint without `_metadata` was never completed, or is being written or discarded",
            ),
        }),
        Err(error) => Err(error.into()),
    }
}

/// Returns where a symbolic link of this machine leads. Stores never follow one; who typed it means its target.
async fn followed(store: &dyn ReadStore, location: &Location) -> Location {
    let is_link = location.scheme() == Some("file")
        && store.stat(location).await.is_ok_and(|status| status.kind == EntryKind::Other);
    if !is_link {
        return location.clone();
    }
    let path = std::ffi::OsString::from_vec(location.path().to_vec());
    std::fs::canonicalize(path)
        .map_or_else(|_| location.clone(), |target| Location::local(target.as_os_str().as_bytes()))
}

/// A file on HDFS that is open for writing shows its reader less than its length.
async fn check_whole(store: &dyn ReadStore, file: &Location, seen: u64) -> Result<(), NotLoaded> {
    let listed = store.stat(file).await?.length;
    if seen < listed {
        let path = printable(file.as_bytes());
        let message = format!("{path} shows {seen} of {listed} bytes: it is being written");
        return Err(failed("being-written", message));
    }
    Ok(())
}

async fn read_all(mut reader: Box<dyn Reader>) -> Result<Vec<u8>, StoreError> {
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Opens a file for reading as a stream, as often as it takes.
#[derive(Debug)]
pub(crate) struct Opener {
    handle: Handle,
    store: Arc<dyn ReadStore>,
    file: Location,
}

impl Opener {
    /// Opens the file at its beginning. Called where blocking is fine.
    pub(crate) fn open(&self) -> io::Result<Stream> {
        let reader = self.handle.block_on(self.store.open(&self.file)).map_err(io::Error::other)?;
        Ok(Stream { handle: self.handle.clone(), reader, piece: Bytes::new() })
    }
}

/// A file as a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    handle: Handle,
    reader: Box<dyn Reader>,
    piece: Bytes,
}

impl io::Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.handle.block_on(self.reader.next()).map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(out.len());
        if let Some(out) = out.get_mut(..count) {
            self.piece.copy_to_slice(out);
        }
        Ok(count)
    }
}
