//! Everything that is named, as sorted lists of fingerprints and UUIDs: sixteen bytes a reference.

use chksweep_core::location::path_below;
use chksweep_core::{Directory, DirectoryId, NameRef, Uuid};

use crate::fingerprint::{self, tidy};
use crate::view::View;
use crate::voices::Voice;

/// What the metadata that speaks names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The paths of files.
    paths: Vec<u128>,
    /// The paths of the directories of those files.
    parents: Vec<u128>,
    /// The base names of files, and every other UUID that was found.
    uuids: Vec<Uuid>,
    /// The paths of directories that are named themselves.
    directories: Vec<u128>,
    /// The last components of those that lie under no listed root.
    strangers: Vec<Box<[u8]>>,
    /// For each listed directory whether it, or one that it lies in, is named.
    in_named: Vec<bool>,
}

impl Names {
    pub(crate) fn new(view: &View<'_>, voices: &[Voice<'_>]) -> Self {
        let mut names = Self::default();
        let roots: Vec<Box<[u8]>> =
            view.roots().chain(view.input.reference_roots).flat_map(|root| view.spellings(root)).collect();
        for voice in voices {
            names.add_files(view, voice);
            names.add_directories(view, voice, &roots);
            names.uuids.extend(voice.other_uuids());
        }
        tidy(&mut names.paths);
        tidy(&mut names.parents);
        tidy(&mut names.uuids);
        tidy(&mut names.directories);
        tidy(&mut names.strangers);
        for (id, directory) in view.input.inventory.directories() {
            let inside = names.names_itself(view, id, directory)
                || directory.parent.is_some_and(|parent| names.is_in_named(parent));
            names.in_named.push(inside);
        }
        names
    }

    fn add_files(&mut self, view: &View<'_>, voice: &Voice<'_>) {
        let Some(content) = voice.content() else { return };
        let spellings: Vec<Vec<Box<[u8]>>> =
            content.files.directories.iter().map(|directory| voice.spellings(view, directory)).collect();
        self.parents.extend(spellings.iter().flatten().map(|path| fingerprint::of(path)));
        let mut buffer = Vec::new();
        for file in &content.files.files {
            let name = content.files.names.get(file.name);
            self.uuids.extend(name.uuid());
            let paths = usize::try_from(file.directory).ok().and_then(|at| spellings.get(at));
            for path in paths.into_iter().flatten() {
                self.paths.push(fingerprint::of_child(&mut buffer, path, name));
            }
            if name.uuid().is_none()
                && let Some(location) = content.files.location(*file)
            {
                // An alias may speak of this one file; of a UUID the name alone protects it.
                for path in voice.spellings(view, &location) {
                    self.paths.push(fingerprint::of(&path));
                }
            }
        }
    }

    fn add_directories(&mut self, view: &View<'_>, voice: &Voice<'_>, roots: &[Box<[u8]>]) {
        let Some(content) = voice.content() else { return };
        for directory in &content.directories {
            let paths = voice.spellings(view, directory);
            self.directories.extend(paths.iter().map(|path| fingerprint::of(path)));
            let known = paths.iter().any(|path| roots.iter().any(|root| path_below(path, root).is_some()));
            if !known {
                self.strangers.push(Box::from(directory.name()));
            }
        }
    }

    fn names_itself(&self, view: &View<'_>, id: DirectoryId, directory: &Directory) -> bool {
        let name = directory.location.name();
        self.strangers.binary_search_by(|stranger| stranger.as_ref().cmp(name)).is_ok()
            || view.spellings(view.location(id)).iter().any(|path| {
                // A root may itself lie in a named directory.
                let depth = if directory.parent.is_none() { usize::MAX } else { 1 };
                fingerprint::upwards(path)
                    .take(depth)
                    .any(|path| holds(&self.directories, &fingerprint::of(path)))
            })
    }

    /// Returns whether a file path has been named.
    pub(crate) fn has_path(&self, fingerprint: u128) -> bool {
        holds(&self.paths, &fingerprint)
    }

    /// Returns whether some file that lies directly in this directory is named, be it there or not.
    pub(crate) fn has_file_in(&self, path: &[u8]) -> bool {
        holds(&self.parents, &fingerprint::of(path))
    }

    /// Returns whether a base name has been named.
    pub(crate) fn has_name(&self, name: NameRef<'_>) -> bool {
        name.uuid().is_some_and(|uuid| holds(&self.uuids, &uuid))
    }

    /// Returns whether this directory, or one that it lies in, is named.
    pub(crate) fn is_in_named(&self, directory: DirectoryId) -> bool {
        self.in_named.get(directory.index()).copied().unwrap_or(true)
    }
}

fn holds<T: Ord>(sorted: &[T], wanted: &T) -> bool {
    sorted.binary_search(wanted).is_ok()
}
