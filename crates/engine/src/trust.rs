//! Whether what lies in a `.chksweep` can be believed.
//!
//! Under a root that several tenants share, whoever may write there can make a `.chksweep`, or write into one that
//! is open to others, and with it speak in our name. A forged record of looks makes a job look quiescent that runs;
//! one of our own moves hides a sign of life; a forged journal has a directory "put back" that nobody moved, or an
//! early start let metadata in quarantine fall silent; records of clean runs let a purge be due; a file in the
//! quarantine would be brought back into a job in place of its own. Pins alone can only keep, so theirs is the one
//! word that is taken from everybody.
//!
//! So nothing else is believed unless it, and every directory from `.chksweep` down to it, belongs to the user who
//! runs this or to the superuser, and nobody else may write to it. A run that changes something looks at all of it
//! before its lock, and refuses; a dry run leaves out what it cannot believe, and says so: both ways less is swept.
//!
//! Who this user is comes from the store's own settings and not from what the storage tells: a probe could be put
//! in place of another. What remains: who may rename entries of the root (no sticky bit) can exchange a whole
//! `.chksweep` between two calls. It cannot write into ours, so that what it puts there is its own, and is noticed
//! by the next look; `chksweep check` tells of such roots.

use chksweep_core::Location;
use chksweep_store::{Access, EntryKind, ReadStore, StoreError};
use futures::StreamExt;

use crate::{own, pins};

/// Writing by the group, and by all others.
const OTHERS_WRITE: u16 = 0o022;
/// How many paths are looked at at the same time.
const AT_ONCE: usize = 16;

/// Why something in a `.chksweep` is not believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Another may have written it.
    #[error("{path} is not to be trusted: {why}")]
    Untrusted {
        /// What is not believed.
        path: Location,
        /// Why not.
        why: String,
        /// What to do.
        hint: String,
    },
    /// It could not be looked at.
    #[error("looking who may write to the files of chksweep")]
    Store(#[source] StoreError),
}

impl TrustError {
    /// Returns whether there is nothing at the path at all.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Store(error) if own::is_absent(error))
    }
}

/// Checks a path below the `.chksweep` of `root`, and each directory down to it.
///
/// # Errors
///
/// `Untrusted` where others may have written it, `Store` where that cannot be told, or it is not there.
pub async fn of_path(store: &dyn ReadStore, root: &Location, path: &Location) -> Result<(), TrustError> {
    let mut at = own::own_directory(root);
    check(store, root, &at).await?;
    for part in path.below(&at).unwrap_or_default().split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        at = at.child(part);
        check(store, root, &at).await?;
    }
    Ok(())
}

/// Checks all of a root's `.chksweep` that a run goes by. Returns whether there is one.
///
/// # Errors
///
/// As [`of_path`].
pub async fn of_root(store: &dyn ReadStore, root: &Location) -> Result<bool, TrustError> {
    let own = own::own_directory(root);
    match check(store, root, &own).await {
        Ok(()) => {}
        Err(error) if error.is_absence() => return known(store, root).map(|()| false),
        Err(error) => return Err(error),
    }
    for directory in [own.clone(), own::runs_directory(root), own::quarantine_directory(root)] {
        let entries = match names(store, &directory).await {
            Ok(entries) => entries,
            Err(error) if own::is_absent(&error) => continue,
            Err(error) => return Err(TrustError::Store(error)),
        };
        let checks = entries.iter().map(|entry| check(store, root, entry));
        let mut checks = futures::stream::iter(checks).buffer_unordered(AT_ONCE);
        while let Some(checked) = checks.next().await {
            match checked {
                // Another run tidies up.
                Err(error) if error.is_absence() => {}
                checked => checked?,
            }
        }
    }
    Ok(true)
}

async fn names(store: &dyn ReadStore, directory: &Location) -> Result<Vec<Location>, StoreError> {
    let mut found = Vec::new();
    let mut sink = |entry: chksweep_store::Entry<'_>| found.push(directory.child(entry.name));
    store.list(directory, &mut sink).await?;
    Ok(found)
}

async fn check(store: &dyn ReadStore, root: &Location, path: &Location) -> Result<(), TrustError> {
    let access = store.access(path).await.map_err(TrustError::Store)?;
    if access.kind == EntryKind::Other {
        return Err(untrusted(path, "it is a link or the like, and none is followed", &away(path)));
    }
    if *path == pins::file_of(root) {
        // Whatever stands there can only keep.
        return Ok(());
    }
    if *path == own::own_directory(root) && access.kind != EntryKind::Directory {
        return Err(untrusted(path, "it is no directory", &away(path)));
    }
    check_owner(store, path, &access).await?;
    if access.mode & OTHERS_WRITE != 0 {
        let why = format!("others than {} may write to it (mode {:o})", access.owner, access.mode);
        let hint = format!(
            "if all that lies there is of chksweep's own making, take their right away (`hdfs dfs -chmod go-w {path}`; \
             of a local directory `chmod`); else {}",
            away(path)
        );
        return Err(untrusted(path, &why, &hint));
    }
    Ok(())
}

async fn check_owner(store: &dyn ReadStore, path: &Location, access: &Access) -> Result<(), TrustError> {
    let user = store.user();
    if user.as_deref() == Some(access.owner.as_str()) || is_superuser(store, path, &access.owner).await {
        return Ok(());
    }
    let Some(user) = user else { return known(store, path) };
    let why = format!(
        "it belongs to {}, and this is {user}: what somebody else writes there could make a live file look dead",
        access.owner
    );
    let hint = format!(
        "run as {}, or give it to {user} (`hdfs dfs -chown {user} {path}`) once you know that all in it is of \
         chksweep's own making, or {}; where {} is what HDFS calls this user, say `--known-as {}`",
        access.owner,
        away(path),
        access.owner,
        access.owner
    );
    Err(untrusted(path, &why, &hint))
}

/// Whoever owns the root of the store can do as it likes anyway.
async fn is_superuser(store: &dyn ReadStore, path: &Location, owner: &str) -> bool {
    let top = path.with_path(b"/");
    store.access(&top).await.is_ok_and(|access| access.owner == owner)
}

fn known(store: &dyn ReadStore, path: &Location) -> Result<(), TrustError> {
    if store.user().is_some() {
        return Ok(());
    }
    let why = "it cannot be told what HDFS calls this user, and so not whether what lies there is its own";
    let hint = "say `--known-as NAME`, or write `known-as = \"NAME\"` into the configuration file";
    Err(untrusted(path, why, hint))
}

fn untrusted(path: &Location, why: &str, hint: &str) -> TrustError {
    TrustError::Untrusted { path: path.clone(), why: why.to_owned(), hint: hint.to_owned() }
}

fn away(path: &Location) -> String {
    format!("have a look at {path} and move it away: a new one is made by the next run")
}

#[cfg(test)]
mod tests;
