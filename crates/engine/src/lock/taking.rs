//! Taking one lock, or taking it over.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chksweep_core::{Age, Location};
use chksweep_store::{ErrorKind, MutateStore, Operation, StoreError};

use super::{Holder, LockError, LockHeld, LockRequest, SILENT_AFTER, content_of};
use crate::clock;
use crate::events::Event;
use crate::own::{self, Stamp};

/// How often it is tried when the lock changes hands under our eyes.
const TRIES: usize = 5;

/// Takes the lock of `root`, or says who holds it.
pub(super) async fn take(
    request: &LockRequest<'_>,
    root: &Location,
    content: &[u8],
) -> Result<(), LockError> {
    let store = request.stores.of(root).map_err(LockError::Store)?;
    let store = store.as_ref();
    own::make_own(store, &own::own_directory(root)).await.map_err(LockError::Store)?;
    let lock = own::lock_file(root);
    for _ in 0..TRIES {
        match store.create_new(&lock, content).await {
            Ok(()) => return Ok(()),
            // Perhaps it was made and the answer lost; what lies there tells.
            Err(error) if error.kind == ErrorKind::AlreadyExists || error.kind.outcome_is_unknown() => {
                match content_of(store, &lock).await {
                    Ok(found) if found.as_deref() == Some(content) => return Ok(()),
                    Err(unread) if unread.kind.is_transient() => return Err(LockError::Store(unread)),
                    // Another's, or one that can never be read: its mtime tells.
                    Ok(_) | Err(_) => {}
                }
                if error.kind != ErrorKind::AlreadyExists {
                    return Err(LockError::Store(error));
                }
            }
            Err(error) => return Err(LockError::Store(error)),
        }
        take_away(request, store, root, &lock).await?;
    }
    let message = "it changes hands faster than it can be taken";
    let error = StoreError::new(ErrorKind::AlreadyExists, Operation::Write, &lock, message);
    Err(LockError::Store(error))
}

/// What was seen of another's lock.
struct Seen {
    stamp: Stamp,
    content: Option<Bytes>,
    holder: Option<Holder>,
    silent_for: Age,
    ahead: Age,
}

/// Takes a silent lock away; one that is not silent is an error. One that is gone meanwhile is fine.
async fn take_away(
    request: &LockRequest<'_>,
    store: &dyn MutateStore,
    root: &Location,
    lock: &Location,
) -> Result<(), LockError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(seen) = look(request, store, root, lock).await? else { return Ok(()) };
    let broken = request.break_lock.is_some_and(|which| which.covers(seen.holder.as_ref()));
    let held = LockHeld {
        location: lock.clone(),
        holder: seen.holder.clone(),
        silent_for: seen.silent_for,
        ahead: seen.ahead,
    };
    if !broken && seen.silent_for < SILENT_AFTER {
        return Err(LockError::Held(Box::new(held)));
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("lock-taken-by-{}-{number}", request.holder.run_id);
    let aside = own::own_directory(root).child(name.as_bytes());
    match store.rename(lock, &aside).await {
        Ok(()) => {}
        Err(error) if own::is_absent(&error) => return Ok(()),
        Err(error) => return Err(LockError::Store(error)),
    }
    if !is_what_was_seen(store, &aside, &seen).await {
        // It was released and taken by another in between, or its holder is alive after all.
        if let Err(error) = store.rename(&aside, lock).await {
            tracing::warn!(%error, "a lock that was taken by mistake could not be put back");
        }
        return Ok(());
    }
    let how = if broken { "broken on request" } else { "taken over" };
    request.observer.event(&Event::Loud(format!("a lock was {how}: {held}")));
    if let Err(error) = store.delete_file(&aside).await {
        tracing::warn!(%error, "a lock that was taken over stays behind");
    }
    Ok(())
}

async fn look(
    request: &LockRequest<'_>,
    store: &dyn MutateStore,
    root: &Location,
    lock: &Location,
) -> Result<Option<Seen>, LockError> {
    let status = match store.stat(lock).await {
        Ok(status) => status,
        Err(error) if own::is_absent(&error) => return Ok(None),
        Err(error) => return Err(LockError::Store(error)),
    };
    // Of a torn lock, or one whose blocks are gone, the mtime tells enough.
    let content = match content_of(store, lock).await {
        Ok(content) => content,
        Err(error) if error.kind.is_transient() => return Err(LockError::Store(error)),
        Err(_) => None,
    };
    let now = clock::store_time(request.stores, root, &request.holder.run_id, request.local_now)
        .await
        .map_err(LockError::Store)?;
    Ok(Some(Seen {
        stamp: Stamp { length: status.length, modified: status.modified },
        holder: content.as_ref().and_then(|content| serde_json::from_slice(content).ok()),
        content,
        silent_for: now.since(status.modified),
        ahead: status.modified.since(now),
    }))
}

async fn is_what_was_seen(store: &dyn MutateStore, aside: &Location, seen: &Seen) -> bool {
    let Ok(status) = store.stat(aside).await else { return false };
    let same = Stamp { length: status.length, modified: status.modified } == seen.stamp;
    // One that could not be read then cannot be read now; whoever is alive writes it anew, and gives it another mtime.
    same && (seen.content.is_none() || content_of(store, aside).await.is_ok_and(|now| now == seen.content))
}
