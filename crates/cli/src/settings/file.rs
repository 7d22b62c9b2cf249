//! Reads a configuration file: TOML, every key known, every error with file, line, key and what would be right.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, Kind};
use super::layer::{Layer, Origin};
use super::value;
use crate::failure::{Failure, Outcome};

/// Returns the file to read: the one that is named, else the first that is there. A file in the current directory
/// does not count: what is swept must not depend on where a command was started.
///
/// # Errors
///
/// When a file that is named is not there.
pub(crate) fn find(named: Option<&Path>) -> Outcome<Option<PathBuf>> {
    if let Some(path) = named {
        if !path.exists() {
            return Err(Failure::usage(format_args!(
                "the configuration file `{}` does not exist",
                path.display()
            )));
        }
        return Ok(Some(path.to_owned()));
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let user = std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from).or(home);
    let candidates = [user.map(|dir| dir.join("chksweep")), Some(PathBuf::from("/etc/chksweep"))];
    Ok(candidates.into_iter().flatten().map(|dir| dir.join("config.toml")).find(|path| path.is_file()))
}

/// Reads a file. With a profile, what the profile says goes before what the file says.
///
/// # Errors
///
/// When the file cannot be read, holds what is not known, or has no such profile.
pub(crate) fn read(path: &Path, profile: Option<&str>) -> Outcome<Layer> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format_args!("reading `{}`: {error}", path.display())))?;
    parse(&text, &path.display().to_string(), profile)
}

/// Reads the text of a file.
pub(crate) fn parse(text: &str, path: &str, profile: Option<&str>) -> Outcome<Layer> {
    let file = File { text, path };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        file.wrong(at, error.message())
    })?;
    let mut base = Layer::default();
    let mut chosen = None;
    let mut profiles: Vec<String> = Vec::new();
    for (name, entry) in table.get_ref() {
        if name.get_ref() != "profiles" {
            file.set(&mut base, name, entry, None)?;
            continue;
        }
        let DeValue::Table(tables) = entry.get_ref() else {
            return Err(file.wrong(entry.span().start, "`profiles` holds tables: `[profiles.NAME]`"));
        };
        for (name, entry) in tables {
            let layer = file.profile(name, entry)?;
            profiles.push(name.get_ref().to_string());
            if profile == Some(name.get_ref().as_ref()) {
                chosen = Some(layer);
            }
        }
    }
    match (profile, chosen) {
        (Some(wanted), None) => Err(missing_profile(path, wanted, &profiles)),
        (_, Some(mut layer)) => {
            layer.under(base);
            Ok(layer)
        }
        (None, None) => Ok(base),
    }
}

fn missing_profile(path: &str, wanted: &str, profiles: &[String]) -> Failure {
    let there = if profiles.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has `{}`", profiles.join("`, `"))
    };
    Failure::usage(format_args!("`{path}` has no profile `{wanted}`: {there}"))
}

type Name<'i> = Spanned<std::borrow::Cow<'i, str>>;

#[derive(Clone, Copy)]
struct File<'a> {
    text: &'a str,
    path: &'a str,
}

impl File<'_> {
    fn line(self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
    }

    fn wrong(self, at: usize, message: impl std::fmt::Display) -> Failure {
        Failure::usage(format_args!("{}:{}: {message}", self.path, self.line(at)))
    }

    fn profile(self, name: &Name<'_>, entry: &Spanned<DeValue<'_>>) -> Outcome<Layer> {
        let DeValue::Table(table) = entry.get_ref() else {
            return Err(
                self.wrong(entry.span().start, format_args!("profile `{}` is no table", name.get_ref()))
            );
        };
        let mut layer = Layer::default();
        for (key, entry) in table {
            self.set(&mut layer, key, entry, Some(name.get_ref()))?;
        }
        Ok(layer)
    }

    fn set(
        self,
        layer: &mut Layer,
        name: &Name<'_>,
        entry: &Spanned<DeValue<'_>>,
        profile: Option<&str>,
    ) -> Outcome<()> {
        let at = name.span().start;
        let key = Key::in_file(name.get_ref()).ok_or_else(|| {
            let known: Vec<&str> = KEYS.iter().map(|key| key.file).collect();
            self.wrong(
                at,
                format_args!("unknown key `{}`; known are `{}`", name.get_ref(), known.join("`, `")),
            )
        })?;
        if layer.get(key.flag).is_some() {
            return Err(self.wrong(at, format_args!("`{}` is set twice", key.file)));
        }
        let say = |wrong: String| self.wrong(at, format_args!("`{}`: {wrong}", name.get_ref()));
        let texts = texts(key, entry.get_ref()).map_err(say)?;
        for text in &texts {
            value::check(key.kind, text).map_err(say)?;
        }
        let profile = profile.map(str::to_owned);
        layer.set(key, texts, Origin::File { path: self.path.to_owned(), line: self.line(at), profile });
        Ok(())
    }
}

/// Returns the values of a key as texts.
fn texts(key: &Key, entry: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    match entry {
        DeValue::Array(items) if key.list => {
            items.iter().map(|item| text(key.kind, item.get_ref())).collect()
        }
        DeValue::Table(table) if key.kind == Kind::Property => table
            .iter()
            .map(|(name, value)| {
                let mut property = OsString::from(name.get_ref().as_ref());
                property.push("=");
                property.push(scalar(Kind::Path, value.get_ref())?);
                Ok(property)
            })
            .collect(),
        DeValue::Array(_) => Err("takes one value, not a list".to_owned()),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => Ok(vec![text(key.kind, entry)?]),
    }
}

fn text(kind: Kind, entry: &DeValue<'_>) -> Result<OsString, String> {
    match (kind, entry) {
        (Kind::Number, DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_)) => {
            return Err("takes a whole number, without quotes".to_owned());
        }
        (Kind::Share, DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_)) => {
            return Err("takes a number from 0 to 1, without quotes".to_owned());
        }
        (Kind::Switch | Kind::Bool, DeValue::String(text)) => {
            return Err(format!("`{text}` is neither `true` nor `false`, without quotes"));
        }
        (
            Kind::DeadJob | Kind::Location | Kind::Alias | Kind::Path | Kind::Text,
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_),
        ) => return Err("takes a text, in quotes".to_owned()),
        _ => {}
    }
    scalar(kind, entry)
}

fn scalar(kind: Kind, entry: &DeValue<'_>) -> Result<OsString, String> {
    match entry {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.map(|number| number.to_string().into()).map_err(|error| error.to_string())
        }
        DeValue::Float(number) => Ok(number.as_str().into()),
        DeValue::Boolean(yes) => Ok(yes.to_string().into()),
        DeValue::Datetime(time) => Ok(time.to_string().into()),
        DeValue::Table(table) if kind == Kind::Retention => joined(table, "match"),
        DeValue::Table(table) if kind == Kind::Unreadable => joined(table, "path"),
        DeValue::Table(_) => Err("takes no table".to_owned()),
        DeValue::Array(_) => Err("takes no list of lists".to_owned()),
    }
}

/// Writes a table as one text: what `first` says, then `,key=value` for all others; lengths before times.
fn joined(table: &DeTable<'_>, first: &str) -> Result<OsString, String> {
    let mut out = OsString::new();
    let mut rest = OsString::new();
    for (name, value) in table {
        let value = scalar(Kind::Path, value.get_ref())?;
        if name.get_ref() == first {
            if first == "match" && value.as_encoded_bytes().contains(&b',') {
                return Err("a glob with a comma cannot be held".to_owned());
            }
            out = value;
            continue;
        }
        for part in [OsStr::new(","), OsStr::new(name.get_ref().as_ref()), OsStr::new("="), &value] {
            rest.push(part);
        }
    }
    if out.is_empty() {
        return Err(format!("a table here needs `{first}`"));
    }
    out.push(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_wrong(text: &str, expected: &str) {
        let failure = parse(text, "c.toml", None).unwrap_err();
        let message = failure.error.to_string();
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn errors_name_file_line_and_key() {
        assert_wrong(
            "min-age = \"1h\"\nmin-agee = 1\n",
            "c.toml:2: unknown key `min-agee`; known are `hadoop-conf`",
        );
        assert_wrong("\nmin-age = 24\n", "c.toml:2: `min-age`: `24` is not a duration");
        assert_wrong(
            "mode = \"shred\"",
            "c.toml:1: `mode`: `shred` is none of `quarantine`, `trash`, `delete`",
        );
        assert_wrong("a = ", "c.toml:1: ");
        assert_wrong("no-ha = \"yes\"", "c.toml:1: `no-ha`: `yes` is neither");
        assert_wrong("keep-last = \"3\"", "c.toml:1: `keep-last`: takes a whole number");
        assert_wrong("max-sweep-ratio = \"0.5\"", "c.toml:1: `max-sweep-ratio`: takes a number");
        assert_wrong("roots = [1]", "c.toml:1: `roots`: takes a text");
        assert_wrong("state-dir = true", "c.toml:1: `state-dir`: takes a text");
        assert_wrong("no-ha = \"true\"", "c.toml:1: `no-ha`: `true` is neither");
        assert_wrong("job = [\"xyz\"]", "c.toml:1: `job`: `xyz` is not the id of a job");
        assert_wrong("jobs = []\njob = []\nmin-age = [\"1h\"]", "c.toml:3: `min-age`: takes one value");
        assert_wrong("[profiles.p]\nx = 1", "c.toml:2: unknown key `x`");
        assert_wrong("[[retention]]\nkeep-last = 2", "c.toml:1: `retention`: a table here needs `match`");
    }

    #[test]
    fn a_profile_goes_before_the_rest() {
        let text = "min-age = \"2d\"\nkeep-last = 3\n[profiles.night]\nmin-age = \"3d\"\n";
        let layer = parse(text, "c.toml", Some("night")).unwrap();
        assert_eq!(layer.get("min-age").unwrap().origin.to_string(), "c.toml:4 (profile night)");
        assert_eq!(layer.get("keep-last").unwrap().texts, ["3"]);
        let failure = parse(text, "c.toml", Some("day")).unwrap_err();
        assert_eq!(failure.error.to_string(), "`c.toml` has no profile `day`: it has `night`");
    }

    #[test]
    fn tables_become_rules() {
        let text = "[hadoop]\n\"fs.defaultFS\" = \"hdfs://ns\"\n[[retention]]\nmatch = \"*\"\nkeep-last = 2\n\
                    [[accept-unreadable]]\npath = \"file:///x\"\nbytes = 3\nmtime = 2026-11-23T18:00:00Z\n";
        let layer = parse(text, "c.toml", None).unwrap();
        assert_eq!(layer.get("define").unwrap().texts, ["fs.defaultFS=hdfs://ns"]);
        assert_eq!(layer.get("retention").unwrap().texts, ["*,keep-last=2"]);
        assert_eq!(
            layer.get("accept-unreadable").unwrap().texts,
            ["file:///x,bytes=3,mtime=2026-11-23T18:00:00Z"]
        );
    }
}
