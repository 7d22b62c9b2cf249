//! Who names a path: which metadata, and in it which operator, subtask and handle.

use std::collections::BTreeSet;

use chksweep_core::content::Content;
use chksweep_core::inspect::{self, Detail, Inspection, Node, PartName};
use chksweep_core::plan::{MetadataFile, Place};
use chksweep_core::{Equivalence, JobId, Location, NameRef, Uuid, layout};
use chksweep_engine::ReadStores;
use serde::Serialize;

use crate::metadata::{self, How};

/// In how many metadata files the handles are looked up; those that name it are all told.
const LOOKED_INTO: usize = 3;
/// How many handles of one metadata file are told.
const HANDLES: usize = 20;

/// How metadata names a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Via {
    /// By its path.
    Path,
    /// By a path that leads elsewhere, to a file of the same name.
    BaseName,
    /// As a directory that holds it.
    Directory,
    /// Its name stands somewhere in the bytes.
    Bytes,
    /// By paths of what lies below it.
    Below,
}

impl Via {
    /// Returns it in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Path => "by path",
            Self::BaseName => "by its name, under another path",
            Self::Directory => "by the directory that holds it",
            Self::Bytes => "its name stands in the bytes",
            Self::Below => "files below it, by path",
        }
    }
}

/// A metadata file that names a path.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Naming {
    /// The metadata file.
    pub(crate) metadata: Location,
    /// The number of its checkpoint.
    pub(crate) checkpoint_id: i64,
    /// The job whose directory it lies in.
    pub(crate) job: Option<JobId>,
    /// Whether it lies in a quarantine.
    pub(crate) quarantined: bool,
    /// How it names the path.
    pub(crate) via: Via,
    /// The spelling that it uses.
    pub(crate) spelling: Option<Location>,
    /// The handles that do.
    pub(crate) handles: Vec<Handle>,
}

/// A handle that names a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handle {
    /// The id of the operator.
    pub(crate) operator: String,
    /// Its name, where the file tells.
    pub(crate) name: Option<String>,
    /// The index of the subtask.
    pub(crate) subtask: i32,
    /// Which state.
    pub(crate) state: &'static str,
    /// The handles from the outermost to the one that names the file.
    pub(crate) handles: Vec<&'static str>,
}

/// Returns who names a place; `listed` is its spelling in the inventory.
pub(crate) async fn of(
    stores: &ReadStores,
    files: &[MetadataFile],
    equivalence: &Equivalence,
    listed: &Location,
) -> Vec<Naming> {
    let target = Target { place: equivalence.canonical(listed), equivalence };
    let mut namings: Vec<Naming> = files.iter().filter_map(|file| target.named_by(file)).collect();
    namings.sort_by(|a, b| a.metadata.cmp(&b.metadata));
    namings.dedup_by(|next, kept| next.metadata == kept.metadata);
    for naming in namings.iter_mut().filter(|naming| naming.via != Via::Bytes).take(LOOKED_INTO) {
        let Some(spelling) = naming.spelling.as_ref().map(Location::to_string) else { continue };
        let how = How::<Inspection> {
            slice: inspect::read,
            stream: |opener, length, metadata| inspect::read_stream(|| opener.open(), length, metadata),
        };
        if let Ok(loaded) = metadata::load(stores, &naming.metadata, how).await {
            naming.handles = handles(&loaded.content, &spelling);
        }
    }
    namings
}

struct Target<'a> {
    place: Location,
    equivalence: &'a Equivalence,
}

impl Target<'_> {
    fn named_by(&self, file: &MetadataFile) -> Option<Naming> {
        let content = file.content.as_ref().ok()?;
        let (via, spelling) = self.named_in(content)?;
        Some(Naming {
            metadata: file.location.clone(),
            checkpoint_id: content.checkpoint_id,
            job: layout::job_of(&file.location),
            quarantined: matches!(file.place, Place::Quarantined { .. }),
            via,
            spelling,
            handles: Vec::new(),
        })
    }

    fn named_in(&self, content: &Content) -> Option<(Via, Option<Location>)> {
        let name = NameRef::new(self.place.name());
        let mut same_name = None;
        if let Some(name) = content.files.names.find(name) {
            for file in content.files.files.iter().filter(|file| file.name == name) {
                let Some(location) = content.files.location(*file) else { continue };
                if self.equivalence.canonical(&location) == self.place {
                    return Some((Via::Path, Some(location)));
                }
                same_name.get_or_insert(location);
            }
        }
        let holding =
            content.directories.iter().find(|d| self.place.is_within(&self.equivalence.canonical(d)));
        if let Some(directory) = holding {
            return Some((Via::Directory, Some(directory.clone())));
        }
        let directories: BTreeSet<u32> = content
            .files
            .directories
            .iter()
            .zip(0_u32..)
            .filter(|(directory, _)| self.equivalence.canonical(directory).is_within(&self.place))
            .map(|(_, number)| number)
            .collect();
        if let Some(file) = content.files.files.iter().find(|file| directories.contains(&file.directory)) {
            return Some((Via::Below, content.files.location(*file)));
        }
        if let Some(location) = same_name {
            return Some((Via::BaseName, Some(location)));
        }
        let uuid = Uuid::parse(self.place.name())?;
        content.other_uuids.binary_search(&uuid).is_ok().then_some((Via::Bytes, None))
    }
}

/// Returns the handles that name a file or directory by this spelling.
fn handles(inspection: &Inspection, spelling: &str) -> Vec<Handle> {
    let mut found: Vec<Handle> = Vec::new();
    for operator in &inspection.operators {
        for subtask in &operator.subtasks {
            for state in &subtask.states {
                for node in &state.handles {
                    let mut chain = Vec::new();
                    if found.len() < HANDLES && chain_to(node, spelling, &mut chain) {
                        found.push(Handle {
                            operator: operator.id.to_string(),
                            name: operator.name.clone().or_else(|| operator.uid.clone()),
                            subtask: subtask.index,
                            state: state.state.words(),
                            handles: chain,
                        });
                    }
                }
            }
        }
    }
    found
}

/// Puts the way from a handle to the one that names the file into `chain`; returns whether there is one.
fn chain_to(node: &Node, spelling: &str, chain: &mut Vec<&'static str>) -> bool {
    let length = chain.len();
    match node.part {
        None => {}
        Some(PartName::Meta) => chain.push("meta"),
        Some(PartName::Shared) => chain.push("shared"),
        Some(PartName::Private) => chain.push("private"),
        Some(PartName::Segment) => chain.push("segment"),
    }
    chain.push(node.handle);
    let names = match &node.detail {
        Detail::File { path, .. } | Detail::Segment { path, .. } => path == spelling,
        Detail::Operator(detail) => [&detail.task_owned_directory, &detail.shared_directory]
            .into_iter()
            .any(|directory| directory.as_deref() == Some(spelling)),
        Detail::Inline { .. } | Detail::Keyed(_) | Detail::Channel { .. } | Detail::Nothing {} => false,
    };
    if names || node.handles.iter().any(|inner| chain_to(inner, spelling, chain)) {
        return true;
    }
    chain.truncate(length);
    false
}
