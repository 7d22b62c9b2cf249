//! Setting a whole directory aside by one rename.
//!
//! A rename of a directory takes whatever lies in it at that moment, planned or not. So it is done only for
//! directories that Flink gives up as a whole once their job is dead, and the directory is listed right before and
//! right after. Should it hold anything else afterwards, the proof that its job is dead was wrong or is no longer
//! true, and **all** of it goes back at once, not only what is new. Between the rename and the putting back a
//! running job may miss its files for the time of three calls; nothing is lost.

use chksweep_core::plan::tree_digest;
use chksweep_core::{File, Inventory, InventoryBuilder, ListedDirectory, Listing, Location, Name, Timestamp};
use chksweep_store::{Entry, EntryKind, StoreError};

use super::hands::{Hands, Sight};
use super::step::Fate;
use crate::journal::Outcome;
use crate::own::{self, Stamp};
use crate::pace::Asked;

/// Lists a directory and all below it. Complete, or an error.
pub(crate) async fn list_tree(hands: &Hands, directory: &Location) -> Result<Inventory, StoreError> {
    let mut builder = InventoryBuilder::default();
    let mut todo = vec![builder.add_root(directory.clone(), Timestamp(0))];
    while let Some(id) = todo.pop() {
        let at = builder.location(id).clone();
        let listed = list_one(hands, &at).await?;
        todo.extend(builder.finish(id, listed, Listing::Complete));
    }
    Ok(builder.build())
}

async fn list_one(hands: &Hands, directory: &Location) -> Result<ListedDirectory, StoreError> {
    loop {
        let mut listed = ListedDirectory::default();
        let mut sink = |entry: Entry<'_>| match entry.kind {
            EntryKind::Directory => listed.add_directory(entry.name, entry.modified),
            EntryKind::File | EntryKind::Other => listed.add_file(entry.name, file_of(&entry)),
        };
        match hands.stores.of(directory)?.list(directory, &mut sink).await {
            Ok(()) => {
                hands.pace.succeeded(Asked::Look);
                return Ok(listed);
            }
            Err(error) if error.kind.is_transient() && hands.pace.failed(&error).await => {}
            Err(error) => return Err(error),
        }
    }
}

fn file_of(entry: &Entry<'_>) -> File {
    File {
        length: entry.length,
        modified: entry.modified,
        accessed: entry.accessed.unwrap_or_default(),
        name: Name::Other(0),
        replication: entry.replication,
        regular: entry.kind == EntryKind::File,
        whole_blocks: entry.length == 0,
    }
}

/// The digest of a tree that was listed from its top.
pub(crate) fn digest_of(tree: &Inventory) -> Option<u128> {
    tree.roots().first().map(|root| tree_digest(tree, *root))
}

/// Moves a directory whose tree has this digest, and puts it back if it arrives with another.
pub(super) async fn set_aside(hands: &Hands, from: &Location, to: &Location, digest: u128) -> Fate {
    match list_tree(hands, from).await {
        Ok(tree) if digest_of(&tree) == Some(digest) => {}
        Ok(_) => return Fate::new(Outcome::Changed, "what lies in it has changed"),
        Err(error) if own::is_absent(&error) && matches!(hands.look(from).await, Sight::Absent) => {
            return Fate::new(Outcome::AlreadyGone, "it is no longer there");
        }
        Err(error) if own::is_absent(&error) => {
            return Fate::new(Outcome::Changed, "a directory in it was removed while it was listed");
        }
        Err(error) => return Fate::new(Outcome::Failed, error),
    }
    let fate = hands.move_directory(from, to, true).await;
    if !fate.is_done() {
        return fate;
    }
    let why = match list_tree(hands, to).await {
        Ok(tree) if digest_of(&tree) == Some(digest) => return fate,
        Ok(_) => "something was written into it while it was moved".to_owned(),
        Err(error) => format!("it could not be listed after it was moved: {error}"),
    };
    match put_back(hands, to, from).await {
        Ok(()) => Fate::new(Outcome::PutBack, format!("{why}; all of it was put back")),
        Err(left) => {
            // The next run settles it, and puts back what is left.
            Fate::new(Outcome::Unknown, format!("{why}, and not all of it could be put back: {left}"))
        }
    }
}

/// Brings a directory back from the quarantine with all in it: by one rename, or file by file where its old place
/// is taken again.
pub(crate) async fn put_back(hands: &Hands, from: &Location, to: &Location) -> Result<(), String> {
    hands.forget_directory(from);
    let whole = hands.move_directory(from, to, false).await;
    if whole.is_done() {
        return Ok(());
    }
    let tree = list_tree(hands, from).await.map_err(|error| error.to_string())?;
    let mut left = Vec::new();
    for (id, directory) in tree.directories() {
        let Some(below) = directory.location.below(from) else { continue };
        let home = if below.is_empty() { to.clone() } else { to.child(below) };
        if let Err(error) = hands.make_directory(&home, false).await {
            left.push(error.to_string());
            continue;
        }
        for (_, file) in tree.files_of(id) {
            let name = tree.name_of(file).to_vec();
            let stamp = Stamp { length: file.length, modified: file.modified };
            let fate =
                hands.move_file(&directory.location.child(&name), &home.child(&name), stamp, false).await;
            if !matches!(fate.outcome, Outcome::Done | Outcome::AlreadyGone) {
                left.push(fate.message.unwrap_or_default());
            }
        }
    }
    for (_, directory) in tree.directories().rev() {
        remove_if_empty(hands, &directory.location).await;
    }
    if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
}

/// Removes a directory of a quarantine if nothing lies in it. Returns whether it is gone.
pub(crate) async fn remove_if_empty(hands: &Hands, directory: &Location) -> bool {
    let removed = match hands.stores.of(directory) {
        Ok(store) => store.remove_directory(directory).await,
        Err(error) => Err(error),
    };
    if removed.is_ok() {
        hands.forget_directory(directory);
    }
    removed.is_ok()
}
