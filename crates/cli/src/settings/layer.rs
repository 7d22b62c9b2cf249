//! Where settings come from, and which of several sources counts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::keys::{Group, KEYS, Key, Kind};
use super::value;
use crate::failure::{Failure, Outcome};

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// A file.
    File {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The profile in it.
        profile: Option<String>,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, profile: None } => write!(f, "{path}:{line}"),
            Self::File { path, line, profile: Some(profile) } => {
                write!(f, "{path}:{line} (profile {profile})")
            }
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The texts; exactly one where the setting is no list.
    pub(crate) texts: Vec<OsString>,
    /// Where they come from.
    pub(crate) origin: Origin,
}

/// The settings of one source, by flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer(BTreeMap<&'static str, Given>);

impl Layer {
    /// Sets a setting, unless there is nothing to set it to.
    pub(crate) fn set(&mut self, key: &'static Key, texts: Vec<OsString>, origin: Origin) {
        if !texts.is_empty() {
            self.0.insert(key.flag, Given { texts, origin });
        }
    }

    /// Returns a setting by its flag.
    pub(crate) fn get(&self, flag: &str) -> Option<&Given> {
        self.0.get(flag)
    }

    /// Adds what another layer sets and this one does not.
    pub(crate) fn under(&mut self, other: Self) {
        for (flag, given) in other.0 {
            self.0.entry(flag).or_insert(given);
        }
    }

    /// Returns what settings are without being set.
    pub(crate) fn defaults() -> Self {
        let mut layer = Self::default();
        for key in KEYS {
            if let Some(default) = key.default {
                layer.set(key, vec![default.into()], Origin::Default);
            }
        }
        layer
    }

    /// Reads the environment, as far as settings of these groups are concerned.
    pub(crate) fn from_environment(
        groups: &[Group],
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Outcome<Self> {
        let mut layer = Self::default();
        for key in KEYS.iter().filter(|key| groups.contains(&key.group)) {
            let set = key.variables().into_iter().find_map(|name| {
                let text = variable(&name).filter(|text| !text.is_empty())?;
                Some((name, text))
            });
            let Some((name, text)) = set else { continue };
            let texts = if key.list { parts(key.kind, &text) } else { vec![text] };
            for text in &texts {
                value::check(key.kind, text)
                    .map_err(|wrong| Failure::usage(format_args!("environment variable {name}: {wrong}")))?;
            }
            layer.set(key, texts, Origin::Environment(name));
        }
        Ok(layer)
    }

    /// Refuses what this version knows by name only: who asks for a source of evidence must get it.
    pub(crate) fn refuse_not_yet(&self, groups: &[Group]) -> Outcome<()> {
        for key in KEYS.iter().filter(|key| key.kind == Kind::NotYet && groups.contains(&key.group)) {
            if let Some(given) = self.get(key.flag) {
                return Err(Failure::usage(format_args!(
                    "`--{}` is not available in this version, and it is set by {}: leave it out",
                    key.flag, given.origin
                )));
            }
        }
        Ok(())
    }
}

/// Splits a list in an environment variable: at newlines where there are any, else at commas.
fn parts(kind: Kind, text: &OsString) -> Vec<OsString> {
    let bytes = text.as_bytes();
    // A rule has commas of its own.
    let only_lines = matches!(kind, Kind::Retention | Kind::Unreadable) || bytes.contains(&b'\n');
    let separator = if only_lines { b'\n' } else { b',' };
    bytes
        .split(|b| *b == separator)
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
        .map(|part| OsString::from_vec(part.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_layer_counts() {
        let key = Key::in_file("min-age").unwrap();
        let mut upper = Layer::default();
        upper.set(key, vec!["2h".into()], Origin::Flag("--min-age".into()));
        upper.under(Layer::defaults());
        assert_eq!(upper.get("min-age").unwrap().texts, ["2h"]);
        assert_eq!(upper.get("frontier-slack").unwrap().origin, Origin::Default);
    }

    #[test]
    fn lists_in_the_environment_are_split() {
        let variable = |name: &str| match name {
            "CHKSWEEP_ROOT" => Some(OsString::from("/a, hdfs://ns/b")),
            "CHKSWEEP_RETENTION" => Some("*,keep-last=2\n*/x,keep-last=3".into()),
            _ => None,
        };
        let layer = Layer::from_environment(&[Group::Policy], variable).unwrap();
        assert_eq!(layer.get("root").unwrap().texts, ["/a", "hdfs://ns/b"]);
        assert_eq!(layer.get("retention").unwrap().texts.len(), 2);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let variable = |name: &str| (name == "CHKSWEEP_MIN_AGE").then(|| OsString::from("1M"));
        let failure = Layer::from_environment(&[Group::Policy], variable).unwrap_err();
        assert!(failure.error.to_string().starts_with("environment variable CHKSWEEP_MIN_AGE: `1M`"));
        assert!(Layer::from_environment(&[Group::Common], variable).is_ok());
    }
}
