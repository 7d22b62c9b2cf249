//! Settings: flag over environment over file over default, each value knowing where it came from.

mod file;
mod flags;
mod keys;
mod layer;
#[cfg(test)]
mod tests;
mod typed;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

pub(crate) use flags::{CommonFlags, PlacesFlags, PolicyFlags, SweepFlags};
pub(crate) use keys::{Group, KEYS, Kind};
pub(crate) use layer::{Given, Layer, Origin};
pub(crate) use typed::{Mode, Sweeping};

/// The settings of one command, merged.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    merged: Layer,
    groups: Vec<Group>,
    /// The configuration file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Whether it was named, not found.
    file_is_named: bool,
    /// The profile of it.
    pub(crate) profile: Option<String>,
    /// The directory from which relative local paths on the command line are seen.
    pub(crate) here: Option<PathBuf>,
}

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    /// The flags.
    pub(crate) layer: Layer,
    /// The roots, which stand without a flag.
    pub(crate) roots: Vec<OsString>,
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--profile`.
    pub(crate) profile: Option<String>,
    /// The groups that the command takes.
    pub(crate) groups: Vec<Group>,
}

impl Typed {
    /// Takes the flags of a group.
    pub(crate) fn take(&mut self, group: Group, flags: &Layer) {
        self.groups.push(group);
        self.layer.under(flags.clone());
    }
}

impl Settings {
    /// Merges all sources.
    ///
    /// # Errors
    ///
    /// When a source says what cannot be held, or asks for what this version does not have.
    pub(crate) fn load(typed: Typed) -> Outcome<Self> {
        let mut groups = typed.groups;
        groups.push(Group::Common);
        let mut merged = typed.layer;
        if let Some(key) = keys::Key::in_file("roots") {
            merged.set(key, typed.roots, Origin::Flag("ROOT".to_owned()));
        }
        merged.under(Layer::from_environment(&groups, |name| std::env::var_os(name))?);
        let file = file::find(typed.config.as_deref())?;
        match (&file, &typed.profile) {
            (Some(path), profile) => merged.under(file::read(path, profile.as_deref())?),
            (None, Some(profile)) => {
                return Err(Failure::usage(format_args!(
                    "there is no configuration file for profile `{profile}`"
                ))
                .hint("name the file with `--config FILE`"));
            }
            (None, None) => {}
        }
        merged.under(Layer::defaults());
        merged.refuse_not_yet(&groups)?;
        let here = std::env::current_dir().ok();
        let file_is_named = typed.config.is_some();
        let settings = Self { merged, groups, file, file_is_named, profile: typed.profile, here };
        settings.check()?;
        Ok(settings)
    }

    /// Returns every setting that the command takes, with its value if it has one.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static keys::Key, Option<&Given>)> {
        KEYS.iter().filter(|key| self.groups.contains(&key.group)).map(|key| (key, self.merged.get(key.flag)))
    }

    /// Returns what was typed of these groups and of what leads to the storage, flag by flag; the roots last.
    pub(crate) fn typed(&self, groups: &[Group]) -> Vec<(&'static str, String)> {
        const TO_THE_STORAGE: [&str; 6] =
            ["hadoop-conf", "define", "kerberos-principal", "kerberos-keytab", "known-as", "state-dir"];
        let mut typed = Vec::new();
        if self.file_is_named {
            typed.extend(self.file.iter().map(|file| ("config", file.to_string_lossy().into_owned())));
        }
        typed.extend(self.profile.iter().map(|profile| ("profile", profile.clone())));
        let wanted = |key: &keys::Key| groups.contains(&key.group) || TO_THE_STORAGE.contains(&key.flag);
        for (key, given) in self.all().filter(|(key, _)| wanted(key)) {
            let Some(given) = given.filter(|given| matches!(given.origin, Origin::Flag(_))) else { continue };
            typed.extend(given.texts.iter().map(|text| (key.flag, text.to_string_lossy().into_owned())));
        }
        typed.sort_by_key(|(flag, _)| *flag == "root");
        typed
    }

    /// Returns a setting as it was given.
    pub(crate) fn given(&self, flag: &str) -> Option<&Given> {
        self.merged.get(flag)
    }

    /// Returns the directory from which a relative path in this value is seen: only what was typed is relative.
    fn seen_from(&self, given: &Given) -> Option<&Path> {
        match given.origin {
            Origin::Flag(_) => self.here.as_deref(),
            Origin::Default | Origin::File { .. } | Origin::Environment(_) => None,
        }
    }
}
