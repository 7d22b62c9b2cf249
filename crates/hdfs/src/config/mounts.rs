//! Mount tables of viewfs.

use std::collections::BTreeMap;

use chksweep_core::Location;

use super::{ConfigError, HadoopConfig};

const PREFIX: &str = "fs.viewfs.mounttable.";

/// A link of a mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountLink {
    /// The directory of the viewfs, normalised; `/` for what no other link holds.
    pub path: String,
    /// What lies there.
    pub target: Location,
    /// The property that says so.
    pub key: String,
}

/// The links under one authority of viewfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountTable {
    /// The authority.
    pub name: String,
    /// The links, those with most components first.
    pub links: Vec<MountLink>,
    /// Properties that ask for links of other kinds (several targets, patterns), which chksweep does not follow.
    pub refused: Vec<String>,
}

impl HadoopConfig {
    /// Returns the mount tables, by name.
    ///
    /// # Errors
    ///
    /// When a link's target is no URL.
    pub fn mount_tables(&self) -> Result<Vec<MountTable>, ConfigError> {
        let mut tables: BTreeMap<&str, MountTable> = BTreeMap::new();
        for (key, rest) in self.keys_with(PREFIX) {
            let Some((name, kind)) = parted(rest) else { continue };
            let table = tables.entry(name).or_default();
            name.clone_into(&mut table.name);
            match kind {
                LinkKind::Path(path) => table.links.extend(self.link(key, path)?),
                LinkKind::Refused => table.refused.push(key.to_owned()),
            }
        }
        let mut tables: Vec<MountTable> = tables.into_values().collect();
        for table in &mut tables {
            table.links.sort_by_key(|link| std::cmp::Reverse(components(&link.path)));
        }
        Ok(tables)
    }

    fn link(&self, key: &str, path: &str) -> Result<Option<MountLink>, ConfigError> {
        let Some(value) = self.value(key)? else { return Ok(None) };
        let target = self.target(key, value)?;
        let path = Location::local(path.as_bytes());
        let path = path.path_str().unwrap_or("/").to_owned();
        Ok(Some(MountLink { path, target, key: key.to_owned() }))
    }

    /// Reads `hdfs://ns/path`; a bare path lies on the default file system.
    fn target(&self, key: &str, value: &str) -> Result<Location, ConfigError> {
        if let Some((scheme, rest)) = value.split_once("://") {
            let slash = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(slash);
            return Ok(Location::normalised(&scheme.to_ascii_lowercase(), authority, &decoded(path)));
        }
        match self.default_fs()? {
            Some(default) if value.starts_with('/') => {
                Ok(Location::normalised(&default.scheme, &default.authority, &decoded(value)))
            }
            Some(_) | None => {
                Err(self.invalid(key, "the target of a mount link is written `hdfs://ns/path`"))
            }
        }
    }
}

enum LinkKind<'k> {
    Path(&'k str),
    Refused,
}

/// Parts `<name>.link.<path>`; a name may hold dots.
fn parted(rest: &str) -> Option<(&str, LinkKind<'_>)> {
    if let Some(at) = rest.find(".link./") {
        return Some((rest.get(..at)?, LinkKind::Path(rest.get(at + ".link.".len()..)?)));
    }
    for whole in [".linkFallback", ".linkMergeSlash"] {
        if let Some(name) = rest.strip_suffix(whole) {
            return Some((name, LinkKind::Path("/")));
        }
    }
    let at = [".linkMerge.", ".linkNfly", ".linkRegex"].iter().find_map(|kind| rest.find(kind))?;
    Some((rest.get(..at)?, LinkKind::Refused))
}

fn components(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

/// Decodes `%20` in the path of a URL, as Java's `URI.getPath` does.
fn decoded(path: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(code) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(code);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    out
}
