//! Reading one metadata file, and what it means when that fails.
//!
//! Three sorts of failure are kept apart. *Gone*: the store said that there is no such file. *Not yet*: it is
//! shorter than it was listed, ends inside a field, or its bytes cannot be had right now; it may be whole a moment
//! later. *Never*: the bytes are there, all of them, and are not Flink's, or the user may not see them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use chksweep_core::content::{self, Content};
use chksweep_core::layout::{self, FileName};
use chksweep_core::metadata::{MAGIC, ParseError, ParseErrorKind, ReadError};
use chksweep_core::plan::Unreadable;
use chksweep_core::uuid_scan;
use chksweep_core::{Location, Uuid};
use chksweep_store::{ErrorKind, ReadStore, Reader, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::sighting::{Sighting, Stamp};
use super::stream::{self, BlockingReader};

/// What became of reading a metadata file.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was read.
    Read(Box<Understood>),
    /// It is no metadata, whatever its name.
    NotMetadata,
    /// There is no such file any more.
    Gone,
    /// It could not be read, and may be readable a moment later.
    NotYet(Unreadable),
    /// It cannot be read.
    Never(Unreadable),
}

/// A metadata file that was read.
#[derive(Clone, Debug)]
pub(super) struct Understood {
    pub(super) content: Content,
    /// Which task-owned files occur as sixteen raw bytes in it; nothing where that was not searched.
    pub(super) raw: Option<Vec<Uuid>>,
}

/// What all readers share.
#[derive(Debug)]
pub(super) struct Readers {
    /// Up to how many bytes a file is held in memory.
    pub(super) in_memory: u64,
    /// How many files that large are held at once, in KiB.
    pub(super) memory: Semaphore,
    /// The files that lie directly in some `taskowned`, sorted: searched for where state lies in the metadata.
    pub(super) task_owned: Vec<Uuid>,
}

impl Readers {
    pub(super) fn new(in_memory: u64, task_owned: Vec<Uuid>) -> Self {
        let kib = usize::try_from(in_memory.div_ceil(1024)).unwrap_or(0).max(1);
        let permits = kib.saturating_mul(4).min(Semaphore::MAX_PERMITS);
        Self { in_memory, memory: Semaphore::new(permits), task_owned }
    }
}

/// Reads a metadata file.
pub(super) async fn read(sighting: &Sighting, readers: &Arc<Readers>) -> Outcome {
    let Sighting { location, stamp, store, .. } = sighting;
    if !stamp.regular {
        return Outcome::Never(unreadable("not-a-file", format!("{location} is no regular file")));
    }
    let mut reader = match store.open(location).await {
        Ok(reader) => reader,
        Err(error) => return failed(&error),
    };
    if reader.length() < stamp.length {
        return Outcome::NotYet(cut_short(location, reader.length(), stamp.length));
    }
    if reader.length() > readers.in_memory {
        drop(reader);
        return read_stream(location, *stamp, store, readers).await;
    }
    let kib = u32::try_from(reader.length().div_ceil(1024)).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    let _held = readers.memory.acquire_many(kib).await.ok();
    match read_all(reader.as_mut(), location, readers.in_memory).await {
        Ok(bytes) if length_of(&bytes) < stamp.length => {
            Outcome::NotYet(cut_short(location, length_of(&bytes), stamp.length))
        }
        Ok(bytes) => understand(bytes, location.clone(), Arc::clone(readers)).await,
        Err(error) => failed(&error),
    }
}

fn length_of(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Reads to the end; what comes in one piece is not copied.
async fn read_all(reader: &mut dyn Reader, location: &Location, limit: u64) -> Result<Bytes, StoreError> {
    let Some(first) = reader.next().await? else { return Ok(Bytes::new()) };
    let Some(mut piece) = reader.next().await? else { return Ok(first) };
    let mut all = BytesMut::with_capacity(usize::try_from(reader.length()).unwrap_or(0));
    all.extend_from_slice(&first);
    loop {
        all.extend_from_slice(&piece);
        let length = u64::try_from(all.len()).unwrap_or(u64::MAX);
        if length > limit {
            // It grows: a metadata file that is being written.
            return Err(StoreError::new(
                ErrorKind::Corrupt,
                chksweep_store::Operation::Read,
                location,
                "the file grew while it was read",
            ));
        }
        match reader.next().await? {
            Some(next) => piece = next,
            None => return Ok(all.freeze()),
        }
    }
}

/// Up to how many bytes a metadata file is parsed at once: less than a millisecond, which is less than it takes to wake
/// another thread on a machine that is busy.
const PARSED_AT_ONCE: usize = 256 * 1024;

async fn understand(bytes: Bytes, location: Location, readers: Arc<Readers>) -> Outcome {
    let small = bytes.len() <= PARSED_AT_ONCE;
    let work = move || {
        if is_not_metadata(&location, &bytes) {
            return Outcome::NotMetadata;
        }
        match content::read(&bytes, &location) {
            Ok(content) => {
                let raw = raw_is_wanted(&content, &readers)
                    .then(|| uuid_scan::raw_uuid_hits(&bytes, &readers.task_owned));
                Outcome::Read(Box::new(Understood { content, raw }))
            }
            Err(error) => not_understood(&error, || Some(uuid_scan::scan_uuids(&bytes))),
        }
    };
    if small { work() } else { blocking(work).await }
}

/// Runs what needs the processor, or waits in a way that the standard library knows.
async fn blocking(work: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

fn raw_is_wanted(content: &Content, readers: &Readers) -> bool {
    content.inline_operator_state && !readers.task_owned.is_empty()
}

/// Whether a file under one of the old names has other bytes than metadata starts with.
fn is_not_metadata(location: &Location, start: &[u8]) -> bool {
    let old = match layout::file_name(location.name()) {
        FileName::OldMetadata => true,
        FileName::Metadata | FileName::Staging | FileName::State(_) | FileName::Unknown => false,
    };
    old && start.get(..MAGIC.len()).is_some_and(|bytes| bytes != MAGIC)
}

async fn read_stream(
    location: &Location,
    stamp: Stamp,
    store: &Arc<dyn ReadStore>,
    readers: &Arc<Readers>,
) -> Outcome {
    let runtime = Handle::current();
    let (location, store, readers) = (location.clone(), Arc::clone(store), Arc::clone(readers));
    blocking(move || read_stream_blocking(&runtime, &location, stamp, &store, &readers)).await
}

fn read_stream_blocking(
    runtime: &Handle,
    location: &Location,
    stamp: Stamp,
    store: &Arc<dyn ReadStore>,
    readers: &Readers,
) -> Outcome {
    let mut first = match BlockingReader::open(runtime, store, location) {
        Ok(reader) => reader,
        Err(error) => return failed(&error),
    };
    let length = first.length();
    if length < stamp.length {
        return Outcome::NotYet(cut_short(location, length, stamp.length));
    }
    let mut start = [0_u8; 4];
    if let Err(error) = std::io::Read::read_exact(&mut first, &mut start) {
        return io_failed(&error);
    }
    if is_not_metadata(location, &start) {
        return Outcome::NotMetadata;
    }
    drop(first);
    let open = || BlockingReader::open(runtime, store, location).map_err(std::io::Error::other);
    let search = |candidates: &[Uuid]| {
        runtime.block_on(async {
            let mut reader = store.open(location).await?;
            let found = stream::search(reader.as_mut(), location, candidates, u64::MAX).await?;
            Ok::<_, StoreError>(if found.length == length { Some(found) } else { None })
        })
    };
    match content::read_stream(open, length, location) {
        Ok(content) if raw_is_wanted(&content, readers) => {
            let raw = search(&readers.task_owned).ok().flatten().map(|found| found.raw);
            Outcome::Read(Box::new(Understood { content, raw }))
        }
        Ok(content) => Outcome::Read(Box::new(Understood { content, raw: None })),
        Err(ReadError::Parse(error)) => {
            not_understood(&error, || search(&[]).ok().flatten().map(|found| found.text))
        }
        Err(ReadError::Io { source, .. }) => io_failed(&source),
    }
}

/// What bytes mean that all came and are not metadata as Flink writes it.
fn not_understood(error: &ParseError, uuids: impl FnOnce() -> Option<Vec<Uuid>>) -> Outcome {
    let mut unreadable = Unreadable {
        kind: error.kind.name().to_owned(),
        message: error.to_string(),
        offset: Some(error.offset),
        blocks: true,
        uuids: None,
    };
    if matches!(error.kind, ParseErrorKind::UnexpectedEnd { .. }) {
        // What it would have named further on nobody can search.
        return Outcome::NotYet(unreadable);
    }
    unreadable.uuids = uuids();
    if matches!(error.kind, ParseErrorKind::VersionZero) {
        unreadable.blocks = unreadable.uuids.is_none();
    }
    Outcome::Never(unreadable)
}

fn io_failed(error: &std::io::Error) -> Outcome {
    match stream::store_error(error) {
        Some(error) => failed(error),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Outcome::NotYet(unreadable("unexpected-end", "the file ended while it was read".to_owned()))
        }
        None => Outcome::Never(unreadable("unreadable", error.to_string())),
    }
}

/// What an error of the store means.
fn failed(error: &StoreError) -> Outcome {
    let kind = match error.kind {
        ErrorKind::NotFound => return Outcome::Gone,
        ErrorKind::PermissionDenied => "permission-denied",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Unreachable | ErrorKind::Busy | ErrorKind::TimedOut => "unreachable",
        ErrorKind::WrongType => "not-a-file",
        ErrorKind::AlreadyExists
        | ErrorKind::NotEmpty
        | ErrorKind::Unauthenticated
        | ErrorKind::QuotaExceeded
        | ErrorKind::Unrepresentable
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::Other => "unreadable",
    };
    let unreadable = unreadable(kind, error.to_string());
    // A file that is still being written looks corrupt to some readers.
    if error.kind.is_transient() || error.kind == ErrorKind::Corrupt {
        Outcome::NotYet(unreadable)
    } else {
        Outcome::Never(unreadable)
    }
}

fn cut_short(location: &Location, found: u64, listed: u64) -> Unreadable {
    let message = format!("{location} was listed with {listed} bytes and has {found} to read");
    unreadable("cut-short", message)
}

/// Returns what metadata is of which not every byte could be searched: it may name anything.
pub(super) fn unreadable(kind: &str, message: String) -> Unreadable {
    Unreadable { kind: kind.to_owned(), message, offset: None, blocks: true, uuids: None }
}
