//! Which root a location lies under: of those that were given, or, for commands that are about one path, the one
//! that the path itself shows.

use chksweep_core::layout::{self, DirectoryName};
use chksweep_core::{Equivalence, Location};
use chksweep_engine::ReadStores;

use crate::app::Context;
use crate::failure::{Failure, Outcome};
use crate::stores::FileSystems;

/// Returns the roots of a command that is about one path: those of the settings, else the one that the path shows.
///
/// # Errors
///
/// When the path shows none.
pub(crate) async fn around(
    context: &Context,
    systems: &FileSystems,
    location: &Location,
) -> Outcome<Vec<Location>> {
    let roots = context.settings.optional_roots()?;
    if !roots.is_empty() {
        return Ok(roots);
    }
    let stores = systems.open_for_looking([location]).await?;
    let root = match marked(&stores, location).await {
        Some(root) => Some(root),
        None => shown_by_path(location),
    };
    let root = root.ok_or_else(|| {
        Failure::usage(format_args!("no root was given, and `{location}` does not show under which it lies"))
            .hint("name it with `--root ROOT`, or write `roots = […]` into the configuration file")
    })?;
    tracing::info!(%root, "no root was given: this one holds the path");
    Ok(vec![root])
}

/// Returns the nearest directory above that chksweep keeps its own files in.
async fn marked(stores: &ReadStores, location: &Location) -> Option<Location> {
    let store = stores.of(location).ok()?;
    let mut at = location.parent();
    while let Some(directory) = at {
        if directory.name() == layout::OWN {
            return directory.parent();
        }
        if store.stat(&directory.child(layout::OWN)).await.is_ok() {
            return Some(directory);
        }
        at = directory.parent();
    }
    None
}

/// Returns the directory that holds the job directory in a path, or that holds the checkpoint where there is none.
fn shown_by_path(location: &Location) -> Option<Location> {
    let mut of_job = None;
    let mut of_part = None;
    let mut at = Some(location.clone());
    while let Some(place) = at {
        at = place.parent();
        match layout::directory_name(place.name()) {
            DirectoryName::Job(_) if of_job.is_none() => of_job.clone_from(&at),
            DirectoryName::Checkpoint(_)
            | DirectoryName::Shared
            | DirectoryName::TaskOwned
            | DirectoryName::Changelog
            | DirectoryName::Savepoint(_) => of_part.clone_from(&at),
            DirectoryName::Job(_)
            | DirectoryName::Merged
            | DirectoryName::ForStAttempt
            | DirectoryName::ForStDatabase
            | DirectoryName::ForStProbe
            | DirectoryName::Unknown => {}
        }
    }
    of_job.or(of_part)
}

/// Returns the root that a location lies under, with the location spelled as the root is.
pub(crate) fn within(
    roots: &[Location],
    equivalence: &Equivalence,
    location: &Location,
) -> Option<(Location, Location)> {
    let place = equivalence.canonical(location);
    roots.iter().find_map(|root| {
        let rest = match location.below(root) {
            Some(rest) => rest.to_vec(),
            None => place.below(&equivalence.canonical(root))?.to_vec(),
        };
        let listed = if rest.is_empty() { root.clone() } else { root.child(&rest) };
        Some((root.clone(), listed))
    })
}

/// The failure of a location that lies under none of the roots.
pub(crate) fn outside(roots: &[Location], location: &Location) -> Failure {
    let roots: Vec<String> = roots.iter().map(Location::to_string).collect();
    Failure::usage(format_args!("`{location}` lies under no root; those are `{}`", roots.join("`, `")))
        .hint("name its root with `--root ROOT`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_its_root() {
        let job = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
        for (path, root) in [
            (format!("/r/{job}/shared/x"), Some("/r")),
            (format!("/r/{job}"), Some("/r")),
            (format!("/r/{job}/chk-1/_metadata"), Some("/r")),
            ("/r/chk-1/x".to_owned(), Some("/r")),
            ("/r/savepoint-0a0a0a-0a0a0a0a0a0a/_metadata".to_owned(), Some("/r")),
            ("/r/x/y".to_owned(), None),
        ] {
            let shown = shown_by_path(&Location::local(path.as_bytes()));
            assert_eq!(shown, root.map(|root| Location::local(root.as_bytes())), "{path}");
        }
    }
}
