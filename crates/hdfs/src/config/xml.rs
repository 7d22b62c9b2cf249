//! XML as a small tree with line numbers: enough for Hadoop's site files.

use std::path::Path;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::error::ConfigError;

/// How deeply elements may nest. Site files need four levels, and one more pair for each include.
const MAX_DEPTH: usize = 64;

/// How many attributes an element may have. Site files need one; each is compared with all before it.
const MAX_ATTRIBUTES: usize = 64;

/// An element: its name without a prefix, its attributes, the text directly in it, and its children.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
    pub(super) line: usize,
}

impl Element {
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document; its outermost element is returned.
pub(super) fn parse(path: &Path, text: &str) -> Result<Element, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Lines { text, offset: 0, line: 1 };
    let mut reader = Reader::from_str(text);
    let mut parser = Parser::default();
    loop {
        let line = lines.at(reader.buffer_position());
        let event = reader.read_event().map_err(|error| {
            let line = lines.at(reader.error_position());
            broken(path, line, &error)
        })?;
        match parser.take(event, line).map_err(|message| broken(path, line, &message))? {
            Progress::More => {}
            Progress::Done(root) => return Ok(root),
        }
    }
}

fn broken(path: &Path, line: usize, message: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Xml { path: path.to_owned(), line, message: message.to_string() }
}

enum Progress {
    More,
    Done(Element),
}

#[derive(Default)]
struct Parser {
    open: Vec<Element>,
    root: Option<Element>,
}

impl Parser {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Progress, String> {
        match event {
            Event::Start(start) => self.start(&start, line)?,
            Event::Empty(start) => {
                self.start(&start, line)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(entity) => self.text(&resolved(&entity)?),
            Event::Eof => return self.done(),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        Ok(Progress::More)
    }

    fn start(&mut self, start: &BytesStart<'_>, line: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        let name = start.local_name().into_inner().to_owned();
        let mut element = Element { name, line, ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if element.attributes.len() >= MAX_ATTRIBUTES {
                return Err(format!("<{}> has more than {MAX_ATTRIBUTES} attributes", element.name));
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            element.attributes.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = self.root.take().or(Some(element)),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn done(&mut self) -> Result<Progress, String> {
        if let Some(element) = self.open.last() {
            return Err(format!("the file ends inside <{}> of line {}", element.name, element.line));
        }
        self.root.take().map(Progress::Done).ok_or_else(|| "the file holds no element".to_owned())
    }
}

fn resolved(entity: &BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = entity.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(c.to_string());
    }
    let name = entity.xml10_content();
    match name.as_ref() {
        "lt" => Ok("<".to_owned()),
        "gt" => Ok(">".to_owned()),
        "amp" => Ok("&".to_owned()),
        "quot" => Ok("\"".to_owned()),
        "apos" => Ok("'".to_owned()),
        other => {
            Err(format!("entity `&{other};` is not read by chksweep: write its text, or use <xi:include>"))
        }
    }
}

/// Counts lines up to offsets that only grow.
struct Lines<'t> {
    text: &'t str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, offset: u64) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.text.len());
        if let Some(passed) = self.text.get(self.offset..offset) {
            self.line += passed.matches('\n').count();
            self.offset = offset;
        }
        self.line
    }
}
