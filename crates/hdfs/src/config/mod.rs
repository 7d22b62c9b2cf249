//! The Hadoop configuration, read as Hadoop reads it.
//!
//! hdfs-native has a reader of its own, which knows neither `${…}` nor `<xi:include>`, drops the second NameNode
//! of `nn1, nn2` for the space before it, and takes a missing port for a missing host. A tool that lists another
//! NameNode than Flink writes to sees no references and many files, so this module reads the files itself and
//! [`HadoopConfig::client_settings`] hands over what is left of them: plain values, with nothing to misread.
//!
//! From the same values comes the [equivalence](HadoopConfig::equivalence) of paths, so that client and planner
//! cannot have two opinions on which NameNodes are one.

mod error;
mod expand;
mod mounts;
mod nameservices;
mod site;
mod view;
mod xml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::expand::{Endless, Environment};
use self::site::{RawProperty, SiteFiles};

pub use self::error::{ConfigError, NamedBy, Origin};
pub use self::mounts::{MountLink, MountTable};
pub use self::nameservices::{DEFAULT_RPC_PORT, NameNode, Nameservice};
pub use self::view::{Authentication, FileSystemName};

/// One property after expansion.
#[derive(Clone, Debug)]
struct Property {
    raw: String,
    value: Result<String, Endless>,
    origin: Origin,
}

/// A Hadoop configuration: the properties, and where each was written.
#[derive(Clone, Debug, Default)]
pub struct HadoopConfig {
    directory: Option<PathBuf>,
    files: Vec<PathBuf>,
    properties: BTreeMap<String, Property>,
}

impl HadoopConfig {
    /// Reads core-site.xml and hdfs-site.xml of `dir`, else of `HADOOP_CONF_DIR`, else of
    /// `$HADOOP_HOME/etc/hadoop`, else nothing; `overrides` replace even what a file calls final.
    ///
    /// # Errors
    ///
    /// When the directory is named and not there, or a file in it cannot be read or is broken. That one of the
    /// two files is missing is no error.
    pub fn load(dir: Option<&Path>, overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        Self::load_with(dir, overrides, &|name| std::env::var(name).ok())
    }

    /// As [`HadoopConfig::load`], with another environment.
    ///
    /// # Errors
    ///
    /// As [`HadoopConfig::load`].
    pub fn load_with(
        dir: Option<&Path>,
        overrides: &[(String, String)],
        environment: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let directory = directory(dir, environment)?;
        let mut site = SiteFiles::default();
        if let Some(directory) = &directory {
            for file in ["core-site.xml", "hdfs-site.xml"] {
                site.read(&directory.join(file))?;
            }
        }
        for (key, value) in overrides {
            let property = RawProperty { value: value.clone(), origin: Origin::CommandLine, is_final: true };
            site.properties.insert(site::current_name(key.trim()).to_owned(), property);
        }
        Ok(Self { directory, ..Self::expanded(site, environment) })
    }

    /// Reads one site file from its text, as if it stood at `path`: that is what its includes go by.
    ///
    /// # Errors
    ///
    /// When it, or a file that it includes, cannot be read or is broken.
    pub fn from_text(path: &Path, text: &str, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let mut site = SiteFiles::default();
        site.take(path, text, &mut Vec::new())?;
        Ok(Self::expanded(site, environment))
    }

    fn expanded(site: SiteFiles, environment: &Environment<'_>) -> Self {
        let expanded = |raw: &RawProperty| Property {
            raw: raw.value.clone(),
            value: expand::expand(&raw.value, &site.properties, environment),
            origin: raw.origin.clone(),
        };
        let properties = site.properties.iter().map(|(key, raw)| (key.clone(), expanded(raw))).collect();
        Self { directory: None, files: site.files, properties }
    }

    /// Returns the directory that was read, if one was named.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Returns the files that were read, included ones too, in the order of reading.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns a value, expanded and trimmed; an empty one counts as not set.
    ///
    /// # Errors
    ///
    /// When `${…}` in it goes in a circle.
    pub fn value(&self, key: &str) -> Result<Option<&str>, ConfigError> {
        let Some(property) = self.properties.get(key) else { return Ok(None) };
        match &property.value {
            Ok(value) => Ok(Some(value.trim()).filter(|value| !value.is_empty())),
            Err(Endless) => Err(ConfigError::Expansion {
                key: key.to_owned(),
                value: property.raw.trim().to_owned(),
                origin: property.origin.clone(),
            }),
        }
    }

    /// Returns a list: parted by commas or line ends, its items trimmed, empty ones left out.
    ///
    /// # Errors
    ///
    /// As [`HadoopConfig::value`].
    pub fn list(&self, key: &str) -> Result<Vec<&str>, ConfigError> {
        let value = self.value(key)?.unwrap_or("");
        Ok(value.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect())
    }

    /// Returns where a property stands.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.properties.get(key).map(|property| &property.origin)
    }

    /// Returns those properties that chksweep goes by, with their values and where they stand. Passwords and
    /// the like are not among them.
    pub fn relevant(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        self.properties.iter().filter(|(key, _)| view::is_relevant(key)).map(|(key, property)| {
            let value = property.value.as_ref().unwrap_or(&property.raw).trim();
            (key.as_str(), value, &property.origin)
        })
    }

    fn keys_with<'k>(&'k self, prefix: &'k str) -> impl Iterator<Item = (&'k str, &'k str)> {
        self.properties.keys().filter_map(move |key| Some((key.as_str(), key.strip_prefix(prefix)?)))
    }

    fn invalid(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let property = self.properties.get(key);
        ConfigError::Invalid {
            key: key.to_owned(),
            value: property
                .map(|property| property.value.as_ref().unwrap_or(&property.raw).trim().to_owned())
                .unwrap_or_default(),
            origin: property.map_or(Origin::CommandLine, |property| property.origin.clone()),
            problem: problem.into(),
        }
    }
}

fn directory(dir: Option<&Path>, environment: &Environment<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let named = |variable: &str| environment(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = dir
        .map(|dir| (dir.to_owned(), NamedBy::Option))
        .or_else(|| Some((named("HADOOP_CONF_DIR")?, NamedBy::HadoopConfDir)))
        .or_else(|| Some((named("HADOOP_HOME")?.join("etc/hadoop"), NamedBy::HadoopHome)));
    match found {
        Some((dir, named_by)) if !dir.is_dir() => Err(ConfigError::NoDirectory { dir, named_by }),
        found => Ok(found.map(|(dir, _)| dir)),
    }
}
