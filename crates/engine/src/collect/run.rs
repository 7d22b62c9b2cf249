//! One complete look, step by step.

use std::collections::BTreeSet;
use std::sync::Arc;

use chksweep_core::plan::{Looks, MetadataFile, Problem};
use chksweep_core::{Inventory, Location, Uuid, layout};
use chksweep_store::{ErrorKind, StoreError};
use tokio::time::Instant;

use super::passes::{self, Known};
use super::read::Readers;
use super::request::{ClockCheck, CollectError, CollectRequest};
use super::roots::{self, Root, Use};
use super::sighting::{Future, Newest};
use super::{candidates, operator_state, quarantine};
use crate::collected::{Collected, QuarantinedFile, QuarantinedRun};
use crate::looks;
use crate::pins::{self, PinError};
use crate::stores::ReadStores;

/// Looks at the roots: candidates first, metadata afterwards. Nothing is changed.
///
/// # Errors
///
/// When a root is not there or cannot be looked at, pins cannot be read, or a file was modified in the future.
/// Whatever concerns single paths is part of the result.
pub async fn collect(request: CollectRequest<'_>) -> Result<Collected, CollectError> {
    let read_at = Instant::now();
    // 1. The roots, each place once, and what is known of them.
    let roots = roots::unite(&request).await?;
    let mut problems = Vec::new();
    let known_looks = stored_looks(&request, &roots, &mut problems).await;
    // 2. The candidates, and what lies in quarantine.
    let newest = match request.clock {
        ClockCheck::Enforce | ClockCheck::Allow => Newest::by_clock(request.now),
        ClockCheck::Off => Newest::deaf(),
    };
    let limits = request.limits;
    let concurrency = limits.concurrency;
    let found =
        candidates::list(&roots, request.candidates.clone(), newest, concurrency, request.observer).await;
    let quarantine = if request.list_quarantine {
        let sweep_roots = roots.iter().filter(|root| root.usage == Use::Sweep);
        let mut bases: BTreeSet<Location> = sweep_roots.map(|root| root.location.clone()).collect();
        bases.extend(found.own.iter().cloned());
        quarantine::list(&bases, &roots, concurrency, &mut problems).await
    } else {
        Vec::new()
    };
    // 3. Only now metadata: whatever completed before the last candidate was listed is among it.
    let task_owned = if request.search_operator_state {
        task_owned_files(&found.inventory, &quarantine)
    } else {
        Vec::new()
    };
    let readers = Arc::new(Readers::new(limits.metadata_in_memory, task_owned));
    let known = passes::run(&roots, found.metadata, readers, found.newest, &limits, request.observer).await;
    check_clock(&request, &known.newest, &mut problems)?;
    // 4. Pins after everything that they may protect was listed.
    let pins = all_pins(&request, &roots, &known.own).await?;
    problems.extend(known.problems.iter().cloned());
    // 5. What operator state names.
    let searched = if request.search_operator_state {
        let lying = operator_state::Lying { inventory: &found.inventory, quarantine: &quarantine };
        operator_state::search(&request, &roots, lying, known.metadata).await
    } else {
        let metadata = known.metadata.into_iter().map(|known| known.file).collect();
        operator_state::Searched { metadata, ..operator_state::Searched::default() }
    };
    Ok(Collected {
        looked_at: request.now,
        read_at,
        inventory: found.inventory,
        metadata: searched.metadata,
        unlisted: known.unlisted.into_iter().collect(),
        pins,
        looks: known_looks,
        quarantine,
        unsearched: searched.unsearched,
        opened: searched.opened,
        problems,
    })
}

async fn stored_looks(request: &CollectRequest<'_>, roots: &[Root], problems: &mut Vec<Problem>) -> Looks {
    let mut known = request.known_looks.clone();
    for root in roots.iter().filter(|root| root.usage == Use::Sweep) {
        let (stored, problem) = looks::load_stored(root.store.as_ref(), &root.location).await;
        known = looks::reconcile(known, stored);
        problems.extend(problem);
    }
    known
}

/// Returns the names of all files that lie directly in some `taskowned`, or did before they were set aside, sorted.
pub(super) fn task_owned_files(inventory: &Inventory, quarantine: &[QuarantinedRun]) -> Vec<Uuid> {
    let set_aside = quarantine.iter().flat_map(|run| &run.files).filter_map(QuarantinedFile::task_owned);
    let mut found: Vec<Uuid> = inventory
        .directories()
        .filter(|(_, directory)| directory.location.name() == layout::TASK_OWNED)
        .flat_map(|(id, _)| inventory.files_of(id))
        .filter_map(|(_, file)| inventory.name_of(file).uuid())
        .chain(set_aside.map(|(_, uuid)| uuid))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn check_clock(
    request: &CollectRequest<'_>,
    newest: &Newest,
    problems: &mut Vec<Problem>,
) -> Result<(), CollectError> {
    let Some(Future { path, modified, now }) = newest.found.clone() else { return Ok(()) };
    let error = CollectError::ClockSkew { path: path.clone(), modified, now };
    match request.clock {
        ClockCheck::Off => Ok(()),
        ClockCheck::Enforce => Err(error),
        ClockCheck::Allow => {
            let code = error.code();
            problems.push(Problem::warning(code, Some(path.to_string()), error.to_string()));
            Ok(())
        }
    }
}

/// Reads the pins of every root that was given, of the directories above, and of those below that were once roots:
/// whoever pinned a place meant it, whichever root he named. A reference root within a sweep root is a pin as well: it is
/// only to be read.
async fn all_pins(
    request: &CollectRequest<'_>,
    roots: &[Root],
    own: &BTreeSet<Location>,
) -> Result<Vec<Location>, CollectError> {
    let given = request.sweep_roots.iter().chain(&request.reference_roots);
    let mut bases: BTreeSet<Location> = given.cloned().collect();
    bases.extend(own.iter().cloned());
    let mut above: BTreeSet<Location> = BTreeSet::new();
    for root in roots {
        let mut up = root.location.parent();
        while let Some(at) = up {
            up = at.parent();
            above.insert(at);
        }
    }
    let mut found: Vec<Location> = request
        .reference_roots
        .iter()
        .filter(|reference| {
            let reference = request.equivalence.canonical(reference);
            let mut swept = request.sweep_roots.iter().map(|root| request.equivalence.canonical(root));
            swept.any(|root| root != reference && reference.is_within(&root))
        })
        .cloned()
        .collect();
    for base in bases.union(&above) {
        match pins_of(&request.stores, base).await {
            Ok(pins) => found.extend(pins),
            // Above the roots there may be directories that this user cannot enter.
            Err(PinError::Store(error)) if !bases.contains(base) && is_barred(&error) => {}
            Err(source) => return Err(CollectError::Pins { path: pins::file_of(base), source }),
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn is_barred(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::WrongType)
}

async fn pins_of(stores: &ReadStores, base: &Location) -> Result<Vec<Location>, PinError> {
    let store = stores.of(base).map_err(PinError::Store)?;
    pins::read(store.as_ref(), base).await
}

/// Looks at metadata alone, as it is now: what [`collect`] would find with no candidates and no search.
///
/// # Errors
///
/// As [`collect`], but for the clock.
pub async fn collect_metadata(request: CollectRequest<'_>) -> Result<MetadataLook, CollectError> {
    let roots = roots::unite(&request).await?;
    let newest = Newest::deaf();
    let limits = request.limits;
    let readers = Arc::new(Readers::new(limits.metadata_in_memory, Vec::new()));
    let Known { metadata, unlisted, problems, .. } =
        passes::run(&roots, Vec::new(), readers, newest, &limits, request.observer).await;
    Ok(MetadataLook {
        metadata: metadata.into_iter().map(|known| known.file).collect(),
        unlisted: unlisted.into_iter().collect(),
        problems,
    })
}

/// What a look at metadata alone found.
#[derive(Debug, Default)]
pub struct MetadataLook {
    /// Every metadata file.
    pub metadata: Vec<MetadataFile>,
    /// Directories in which metadata could lie and whose listing broke, with what broke it.
    pub unlisted: Vec<(Location, String)>,
    /// What there is to say.
    pub problems: Vec<Problem>,
}
