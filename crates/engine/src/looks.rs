//! The record of what earlier looks saw: on this machine and beside the roots.
//!
//! A job is quiescent only when an earlier look saw the same tree, so the record can only ever make a job look
//! dead that is not, if it claims a longer silence than there was. Losing a record, or part of one, only means that
//! more time has to pass: a record that cannot be read is ignored, and said. Where two records differ, the one
//! that claims the shorter silence holds. A record of a newer program is ignored too, and left as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chksweep_core::plan::{Look, Looks, OwnMove, Problem};
use chksweep_core::{Equivalence, Location, visible};
use chksweep_store::{ErrorKind, MutateStore, ReadStore, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{own, state, trust};

/// The name of the record in `.chksweep`.
const LOOKS: &[u8] = b"looks.json";
/// No record is larger than this.
const LIMIT: u64 = 256 << 20;
/// The version of the record that this program writes, and the newest that it reads. The first did not tell it.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    #[serde(flatten)]
    looks: &'a Looks,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(default, rename = "schema")]
    _schema: u32,
    directories: BTreeMap<String, Look>,
    moves: BTreeMap<String, OwnMove>,
}

/// Returns where the record for these roots lies on this machine: `<state-dir>/looks/<digest of the roots>.json`.
/// The same roots in another order or spelling have the same record.
pub fn local_path(state_dir: &Path, roots: &[Location], equivalence: &Equivalence) -> PathBuf {
    let mut roots: Vec<Location> = roots.iter().map(|root| equivalence.canonical(root)).collect();
    roots.sort_unstable();
    roots.dedup();
    let mut hash = Sha256::new();
    for root in roots {
        hash.update(root.as_bytes());
        hash.update(b"\n");
    }
    let digest = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _never = write!(text, "{byte:02x}");
        text
    });
    state_dir.join("looks").join(format!("{digest}.json"))
}

/// Returns where the record beside a root lies.
pub fn stored_path(root: &Location) -> Location {
    own::own_directory(root).child(LOOKS)
}

/// Reads the record on this machine; an empty one where there is none, and a problem where it cannot be read.
pub fn load_local(path: &Path) -> (Looks, Option<Problem>) {
    match state::check_for(path).and_then(|()| read_plain_file(path)) {
        Ok(None) => (Looks::default(), None),
        Ok(Some(bytes)) => parse(&bytes, &path.display().to_string()),
        Err(error) => ignored(&path.display().to_string(), &error.to_string()),
    }
}

/// Reads the record beside a root; an empty one where there is none, and a problem where it cannot be read, or
/// another may have written it.
pub async fn load_stored(store: &dyn ReadStore, root: &Location) -> (Looks, Option<Problem>) {
    let path = stored_path(root);
    match trust::of_path(store, root, &path).await {
        Ok(()) => {}
        Err(error) if error.is_absence() => return (Looks::default(), None),
        Err(error) => return ignored(&path.to_string(), &error.to_string()),
    }
    match store.read(&path, LIMIT).await {
        Ok(bytes) => parse(&bytes, &path.to_string()),
        Err(error) if error.kind == ErrorKind::NotFound => (Looks::default(), None),
        Err(error) => ignored(&path.to_string(), &error.to_string()),
    }
}

fn bytes_of(looks: &Looks) -> io::Result<Vec<u8>> {
    Ok(visible::json(&Written { schema: SCHEMA, looks })?)
}

/// Returns the schema of a record that is newer than what this program reads.
fn newer_schema(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Told {
        schema: u32,
    }
    let told: Told = serde_json::from_slice(bytes).ok()?;
    (told.schema > SCHEMA).then_some(told.schema)
}

fn parse(bytes: &[u8], path: &str) -> (Looks, Option<Problem>) {
    if let Some(schema) = newer_schema(bytes) {
        let why = format!(
            "it has schema {schema}, written by a newer chksweep, and this one reads up to {SCHEMA}; it stays as it is"
        );
        return ignored(path, &why);
    }
    match serde_json::from_slice(bytes) {
        Ok(Read { directories, moves, .. }) => (Looks { directories, moves }, None),
        Err(error) => ignored(path, &error.to_string()),
    }
}

fn ignored(path: &str, why: &str) -> (Looks, Option<Problem>) {
    let message = format!(
        "the record of earlier looks is ignored, so that jobs are taken for running until the next look: {why}"
    );
    (Looks::default(), Some(Problem::warning("looks-ignored", Some(path.to_owned()), message)))
}

/// Writes the record on this machine, in the place of the last one, for its owner alone. One of a newer program stays.
///
/// # Errors
///
/// When the file cannot be written; the last record is then still there.
pub fn save_local(path: &Path, looks: &Looks) -> io::Result<()> {
    let bytes = bytes_of(looks)?;
    if matches!(read_plain_file(path), Ok(Some(there)) if newer_schema(&there).is_some()) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    state::make_for(path)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // A new file is made where nothing is, not even a link.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _best_effort = fs::remove_file(&temporary).is_ok();
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

/// Writes the record beside a root, in the place of the last one. One of a newer program stays.
///
/// # Errors
///
/// What the store says; which of the two records is there is then unknown.
pub async fn save_stored(store: &dyn MutateStore, root: &Location, looks: &Looks) -> Result<(), StoreError> {
    let bytes = bytes_of(looks).unwrap_or_default();
    let path = stored_path(root);
    match store.read(&path, LIMIT).await {
        Ok(there) if newer_schema(&there).is_some() => return Ok(()),
        // What cannot be read cannot be kept either.
        Ok(_) | Err(_) => {}
    }
    own::make_own(store, &own::own_directory(root)).await?;
    store.replace(&path, &bytes).await
}

/// Returns the part of a record that concerns one root.
pub fn within(looks: &Looks, root: &Location) -> Looks {
    let lies_within = |path: &String| {
        Location::from_printed(path.as_bytes()).is_some_and(|location| location.is_within(root))
    };
    Looks {
        directories: looks
            .directories
            .iter()
            .filter(|(path, _)| lies_within(path))
            .map(|(path, look)| (path.clone(), look.clone()))
            .collect(),
        moves: looks
            .moves
            .iter()
            .filter(|(path, _)| lies_within(path))
            .map(|(path, own)| (path.clone(), *own))
            .collect(),
    }
}

/// Returns what is known after a further look: a directory that looks the same keeps its earliest time, another
/// tree takes the place of the last. What the further look did not see stays.
#[must_use]
pub fn merge(mut earlier: Looks, later: Looks) -> Looks {
    for (path, look) in later.directories {
        let since = match earlier.directories.get(&path) {
            Some(known) if known.tree == look.tree => known.since.min(look.since),
            Some(_) | None => look.since,
        };
        earlier.directories.insert(path, Look { since, ..look });
    }
    merge_moves(&mut earlier.moves, later.moves);
    earlier
}

/// Returns what two records of earlier looks say together, whichever is the later one: where they saw different
/// trees, the one that was first seen last; a directory that both name is named by all that either tells.
#[must_use]
pub fn reconcile(mut one: Looks, other: Looks) -> Looks {
    for (path, look) in other.directories {
        let united = match one.directories.remove(&path) {
            None => look,
            Some(known) => united(known, look),
        };
        one.directories.insert(path, united);
    }
    merge_moves(&mut one.moves, other.moves);
    one
}

fn united(one: Look, other: Look) -> Look {
    let since = if one.tree == other.tree { one.since.min(other.since) } else { one.since.max(other.since) };
    let newer = if other.since > one.since { other.tree.clone() } else { one.tree.clone() };
    let mut named_by = one.named_by;
    named_by.extend(other.named_by);
    named_by.sort_unstable();
    named_by.dedup();
    Look { tree: newer, since, named_by }
}

fn merge_moves(moves: &mut BTreeMap<String, OwnMove>, more: BTreeMap<String, OwnMove>) {
    for (path, own) in more {
        match moves.get(&path) {
            Some(known) if known.start > own.start => {}
            // The end of a run becomes known later than its start.
            Some(known) if known.start == own.start && own.end.is_none() => {}
            Some(_) | None => {
                moves.insert(path, own);
            }
        }
    }
}

/// Reads a regular file; nothing where there is none. Does not follow a link in its last component.
fn read_plain_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let before = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !before.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (before.dev(), before.ino()) {
        return Err(io::Error::other("another file was put in its place"));
    }
    if opened.len() > LIMIT {
        return Err(io::Error::other(format!("{} bytes are more than a record has", opened.len())));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
