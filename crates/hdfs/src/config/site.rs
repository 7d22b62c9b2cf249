//! Reads core-site.xml and hdfs-site.xml as Hadoop's `Configuration` does: includes, fallbacks, final properties.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Origin};
use super::xml::{self, Element};

/// The most that a site file may hold. Real ones have some hundred kilobytes at most.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How deeply files may include files; a circle ends here too, but is named before.
const MAX_INCLUDES: usize = 16;

/// How many files may be included in all: each may include the next twice.
const MAX_FILES: usize = 256;

/// Old names of properties that this program reads, and what Hadoop calls them now.
const DEPRECATED: [(&str, &str); 3] = [
    ("fs.default.name", "fs.defaultFS"),
    ("dfs.federation.nameservices", "dfs.nameservices"),
    ("dfs.federation.nameservice.id", "dfs.nameservice.id"),
];

/// Returns the name that a property has today.
pub(super) fn current_name(key: &str) -> &str {
    DEPRECATED.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| *new)
}

/// A property as written, before `${…}` is expanded.
#[derive(Clone, Debug)]
pub(super) struct RawProperty {
    pub(super) value: String,
    pub(super) origin: Origin,
    pub(super) is_final: bool,
}

/// What was read from files so far.
#[derive(Debug, Default)]
pub(super) struct SiteFiles {
    pub(super) properties: BTreeMap<String, RawProperty>,
    pub(super) files: Vec<PathBuf>,
}

impl SiteFiles {
    /// Reads one file over what was read before; a file that is not there is none.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), ConfigError> {
        if path.try_exists().unwrap_or(true) {
            return self.read_one(path, &mut Vec::new());
        }
        Ok(())
    }

    fn read_one(&mut self, path: &Path, chain: &mut Vec<PathBuf>) -> Result<(), ConfigError> {
        self.take(path, &text_of(path)?, chain)
    }

    /// Takes what stands in a file over what was read before.
    pub(super) fn take(
        &mut self,
        path: &Path,
        text: &str,
        chain: &mut Vec<PathBuf>,
    ) -> Result<(), ConfigError> {
        let root = xml::parse(path, text)?;
        self.files.push(path.to_owned());
        if root.name != "configuration" {
            let message = format!("the outermost element is <{}>, not <configuration>", root.name);
            return Err(ConfigError::Xml { path: path.to_owned(), line: root.line, message });
        }
        chain.push(path.to_owned());
        self.elements(&root.children, chain)?;
        chain.pop();
        Ok(())
    }

    fn elements(&mut self, elements: &[Element], chain: &mut Vec<PathBuf>) -> Result<(), ConfigError> {
        for element in elements {
            match element.name.as_str() {
                "property" => self.property(element, chain),
                "include" => self.include(element, chain)?,
                "configuration" => self.elements(&element.children, chain)?,
                // Hadoop passes over what it does not know.
                _ => {}
            }
        }
        Ok(())
    }

    fn property(&mut self, element: &Element, chain: &[PathBuf]) {
        let part = |name: &str| {
            element.child(name).map(|child| child.text.as_str()).or_else(|| element.attribute(name))
        };
        let (Some(name), Some(value)) = (part("name"), part("value")) else { return };
        let is_final = part("final").is_some_and(|text| text.trim() == "true");
        let key = current_name(name.trim()).to_owned();
        if self.properties.get(&key).is_some_and(|earlier| earlier.is_final) {
            return;
        }
        let path = chain.last().cloned().unwrap_or_default();
        let origin = Origin::File { path, line: element.line };
        self.properties.insert(key, RawProperty { value: value.to_owned(), origin, is_final });
    }

    /// Reads the included file in place; where there is none, the fallback, and without one that is an error.
    fn include(&mut self, element: &Element, chain: &mut Vec<PathBuf>) -> Result<(), ConfigError> {
        let broken = |chain: &[PathBuf], message: String| ConfigError::Xml {
            path: chain.last().cloned().unwrap_or_default(),
            line: element.line,
            message,
        };
        let Some(href) = element.attribute("href") else {
            return Err(broken(chain, "an include without href".to_owned()));
        };
        let href = href.trim();
        if href.contains("://") && !href.starts_with("file://") {
            return Err(broken(chain, format!("`{href}` is included, and only files can be")));
        }
        let relative = Path::new(href.strip_prefix("file://").unwrap_or(href));
        let path =
            chain.last().and_then(|file| file.parent()).map_or(relative.to_owned(), |dir| dir.join(relative));
        if path.try_exists().unwrap_or(true) {
            if self.files.len() >= MAX_FILES {
                return Err(broken(chain, format!("more than {MAX_FILES} files are included")));
            }
            if chain.contains(&path) || chain.len() >= MAX_INCLUDES {
                return Err(broken(chain, format!("`{href}` is included in a circle")));
            }
            return self.read_one(&path, chain);
        }
        match element.child("fallback") {
            Some(fallback) => self.elements(&fallback.children, chain),
            None => Err(broken(
                chain,
                format!("{} is included, does not exist, and has no <xi:fallback>", path.display()),
            )),
        }
    }
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let there = std::fs::metadata(path).map_err(failed)?;
    if !there.is_file() {
        return Err(failed(std::io::Error::other("it is not a regular file")));
    }
    let length = there.len();
    if length > MAX_FILE_BYTES {
        let message = format!("{length} bytes are more than a site file may have ({MAX_FILE_BYTES})");
        return Err(ConfigError::Xml { path: path.to_owned(), line: 1, message });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + String::from_utf8_lossy(valid).matches('\n').count();
        ConfigError::Xml { path: path.to_owned(), line, message: "the file is not UTF-8".to_owned() }
    })
}
