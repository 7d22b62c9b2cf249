//! What HDFS snapshots hold: a file that is deleted lives on in every snapshot that was taken while it was there, and
//! its space is free only when the last of them is gone.

use chksweep_core::Location;
use chksweep_store::{ErrorKind, ReadStore, StoreError};
use serde::Serialize;

/// A directory of which there are snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshots {
    /// The directory: a root, or one above it.
    pub directory: Location,
    /// The names of its snapshots.
    pub names: Vec<String>,
}

/// Returns the snapshots that hold what lies under a root: those of the root and of every directory above it. What
/// this user may not see is left out.
///
/// # Errors
///
/// What the store says.
pub async fn around(store: &dyn ReadStore, root: &Location) -> Result<Vec<Snapshots>, StoreError> {
    let mut found = Vec::new();
    let mut at = Some(root.clone());
    while let Some(directory) = at {
        match store.snapshots(&directory).await {
            Ok(names) if names.is_empty() => {}
            Ok(names) => found.push(Snapshots { directory: directory.clone(), names }),
            Err(error) if error.kind == ErrorKind::Unsupported => return Ok(found),
            Err(error) if error.kind == ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
        at = directory.parent();
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
