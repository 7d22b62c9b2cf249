//! The roots of a look: each place once, however it is spelled.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::{Equivalence, Location, Timestamp, layout};
use chksweep_store::{EntryKind, ErrorKind, ReadStore};

use super::request::{CollectError, CollectRequest};
use crate::stores::ReadStores;

/// Whether something may be swept under a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Sweep,
    Reference,
}

/// One root.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) location: Location,
    pub(super) canonical: Location,
    pub(super) modified: Timestamp,
    pub(super) usage: Use,
    pub(super) store: Arc<dyn ReadStore>,
    /// Directories below it that are roots of their own, spelled as below this one.
    pub(super) holes: BTreeSet<Location>,
}

/// Returns the roots to be listed: sweep roots first, as given. A root that lies within another of its use, or a
/// reference root within a sweep root, is part of that one; a sweep root within a reference root is a hole in it.
pub(super) async fn unite(request: &CollectRequest<'_>) -> Result<Vec<Root>, CollectError> {
    let mut roots: Vec<Root> = Vec::new();
    for (given, usage) in [(&request.sweep_roots, Use::Sweep), (&request.reference_roots, Use::Reference)] {
        for location in given {
            roots.push(look_at(location, usage, &request.stores, request.equivalence).await?);
        }
    }
    let canonical: Vec<(Location, Use)> = roots.iter().map(|r| (r.canonical.clone(), r.usage)).collect();
    let mut at = 0;
    roots.retain(|root| {
        let covered = canonical.iter().enumerate().any(|(other, (place, usage))| {
            let covers = *usage == Use::Sweep || root.usage == Use::Reference;
            let first = *place != root.canonical || other < at;
            other != at && covers && first && root.canonical.is_within(place)
        });
        at += 1;
        !covered
    });
    add_holes(&mut roots);
    Ok(roots)
}

fn add_holes(roots: &mut [Root]) {
    let places: Vec<Location> = roots.iter().map(|root| root.canonical.clone()).collect();
    for root in roots {
        for place in &places {
            if let Some(below) = place.below(&root.canonical).filter(|below| !below.is_empty()) {
                root.holes.insert(root.location.child(below));
            }
        }
    }
}

async fn look_at(
    location: &Location,
    usage: Use,
    stores: &ReadStores,
    equivalence: &Equivalence,
) -> Result<Root, CollectError> {
    let root = location.clone();
    if layout::is_own(location) {
        return Err(CollectError::OwnDirectory { root });
    }
    let failed = |source| CollectError::Root { root: location.clone(), source };
    let store = stores.of(location).map_err(failed)?;
    let status = match store.stat(location).await {
        Ok(status) => status,
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Err(CollectError::MissingRoot { root });
        }
        Err(error) => return Err(failed(error)),
    };
    if status.kind != EntryKind::Directory {
        return Err(CollectError::NotADirectory { root });
    }
    let canonical = equivalence.canonical(location);
    Ok(Root { location: root, canonical, modified: status.modified, usage, store, holes: BTreeSet::new() })
}

/// Returns where a location that some metadata names lies under these roots, as they are spelled.
pub(super) fn spelled_as_listed<'r>(
    roots: &'r [Root],
    equivalence: &Equivalence,
    named: &Location,
) -> Option<(&'r Root, Location)> {
    let canonical = equivalence.canonical(named);
    roots.iter().find_map(|root| {
        let below = canonical.below(&root.canonical)?;
        let location = if below.is_empty() { root.location.clone() } else { root.location.child(below) };
        Some((root, location))
    })
}
