//! The plan file: JSON Lines, with a digest over every byte before the last line.
//!
//! The digest detects accidents, not forgery: whoever can edit the file can compute it anew. That is why `apply`
//! takes `--digest`, and why it plans again and carries out only what both plans sweep.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::decide::{Decision, Rule, Verdict};
use super::entry::{Entry, EntryKind, Totals};
use super::input::MetadataFile;
use super::summary::Summary;
use crate::ids::JobId;
use crate::location::Location;
use crate::policy::Policy;
use crate::time::Timestamp;
use crate::visible;

/// The version of the plan file that this program writes, and the only one that it reads.
pub const SCHEMA: u32 = 1;

/// The longest line that is read: a path may be long, a policy may list many jobs.
const MAX_LINE_BYTES: u64 = 256 * 1024 * 1024;

/// The first line of a plan file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name and version of the program.
    pub tool: String,
    /// The id of the run.
    pub run_id: String,
    /// When the plan was made.
    pub created_at: Timestamp,
    /// The point in time from which ages are counted.
    pub as_of: Timestamp,
    /// The sweep roots, as printed.
    pub roots: Vec<String>,
    /// The roots read for references only, as printed.
    pub reference_roots: Vec<String>,
    /// The policy.
    pub policy: Policy,
    /// The spellings that were taken for one place, in a form to compare.
    pub equivalence: Vec<String>,
    /// The limits that the plan exceeds; `apply` refuses while there are any.
    #[serde(default)]
    pub brakes: Vec<super::summary::Brake>,
    /// The metadata that was read.
    pub metadata: Vec<MetadataStamp>,
}

/// A metadata file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataStamp {
    /// Its location, as printed.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its mtime.
    pub mtime: Timestamp,
}

impl MetadataStamp {
    /// Returns the stamps of all metadata that was read, sorted by path.
    pub fn of_all(metadata: &[MetadataFile]) -> Vec<Self> {
        let mut stamps: Vec<Self> = metadata
            .iter()
            .map(|file| Self { path: file.location.to_string(), bytes: file.bytes, mtime: file.modified })
            .collect();
        stamps.sort_by(|a, b| (&a.path, a.bytes, a.mtime).cmp(&(&b.path, b.bytes, b.mtime)));
        stamps
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryLine {
    decision: Decision,
    rule: Rule,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    r#type: EntryKind,
    files: u64,
    bytes: u64,
    disk_bytes: Option<u64>,
    mtime: Timestamp,
    job: Option<JobId>,
    until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rules: BTreeMap<Rule, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
}

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "lowercase")]
enum Line {
    Header(Box<Header>),
    Entry(EntryLine),
    Summary(Box<SummaryLine>),
}

#[derive(Serialize)]
struct SummaryLine {
    #[serde(flatten)]
    summary: Summary,
    sha256: String,
}

/// Which line it is. Read first, and the rest once it is known what it must hold: to read a tagged or flattened
/// object in one go is to keep all of it, in many times its size, whatever it holds.
#[derive(Deserialize)]
struct Tag {
    record: Record,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Header,
    Entry,
    Summary,
}

#[derive(Deserialize)]
struct SchemaTag {
    schema: u64,
}

#[derive(Deserialize)]
struct DigestTag {
    sha256: String,
}

impl Line {
    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let tag: Tag = serde_json::from_slice(bytes)?;
        Ok(match tag.record {
            Record::Header => Self::Header(serde_json::from_slice(bytes)?),
            Record::Entry => Self::Entry(serde_json::from_slice(bytes)?),
            Record::Summary => {
                let summary = serde_json::from_slice(bytes)?;
                let DigestTag { sha256 } = serde_json::from_slice(bytes)?;
                Self::Summary(Box::new(SummaryLine { summary, sha256 }))
            }
        })
    }
}

impl From<&Entry> for EntryLine {
    fn from(entry: &Entry) -> Self {
        let utf8 = std::str::from_utf8(entry.path.as_bytes()).is_ok();
        Self {
            decision: entry.verdict.decision(),
            rule: entry.verdict.rule,
            path: entry.path.to_string(),
            path_base64: (!utf8).then(|| BASE64.encode(entry.path.as_bytes())),
            r#type: entry.kind,
            files: entry.totals.files,
            bytes: entry.totals.bytes,
            disk_bytes: entry.totals.disk_bytes,
            mtime: entry.modified,
            job: entry.job,
            until: entry.verdict.until_time(),
            rules: entry.rules.clone(),
            tree: entry.tree.map(|digest| format!("{digest:032x}")),
        }
    }
}

impl EntryLine {
    fn into_entry(self) -> Result<Entry, String> {
        if self.rule.decision() != self.decision {
            return Err(format!("rule `{}` does not make the decision of its line", self.rule));
        }
        let bytes = match &self.path_base64 {
            Some(text) => BASE64.decode(text).map_err(|error| format!("pathBase64: {error}"))?,
            None => self.path.clone().into_bytes(),
        };
        let path =
            Location::from_printed(&bytes).ok_or_else(|| format!("`{}` is not a location", self.path))?;
        if path.to_string() != self.path || self.path_base64.is_some() != std::str::from_utf8(&bytes).is_err()
        {
            return Err(format!("`{}` is not how the path in pathBase64 is printed", self.path));
        }
        let tree = match self.tree {
            Some(hex) => Some(u128::from_str_radix(&hex, 16).map_err(|error| format!("tree: {error}"))?),
            None => None,
        };
        let verdict = self.until.map_or(Verdict::new(self.rule), |until| Verdict::until(self.rule, until));
        Ok(Entry {
            verdict,
            path,
            kind: self.r#type,
            totals: Totals { files: self.files, bytes: self.bytes, disk_bytes: self.disk_bytes },
            modified: self.mtime,
            job: self.job,
            rules: self.rules,
            tree,
        })
    }
}

/// Writes a plan file line by line.
#[derive(Debug)]
pub struct PlanFileWriter<W> {
    out: W,
    digest: Sha256,
    line: Vec<u8>,
}

impl<W: Write> PlanFileWriter<W> {
    /// Begins a plan file.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, digest: Sha256::new(), line: Vec::new() };
        writer.write(&Line::Header(Box::new(header.clone())))?;
        Ok(writer)
    }

    /// Writes an entry; entries come sorted by path.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.write(&Line::Entry(EntryLine::from(entry)))
    }

    /// Writes the last line, and returns the digest of all before it and the writer beneath.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn finish(mut self, summary: &Summary) -> io::Result<(String, W)> {
        let sha256 = hex(&std::mem::take(&mut self.digest).finalize());
        let line = SummaryLine { summary: summary.clone(), sha256: sha256.clone() };
        self.write(&Line::Summary(Box::new(line)))?;
        self.out.flush()?;
        Ok((sha256, self.out))
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.line.clear();
        visible::write_json(&mut self.line, line)?;
        self.line.push(b'\n');
        self.digest.update(&self.line);
        self.out.write_all(&self.line)
    }
}

/// A plan file, read and checked to its end.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// Its first line.
    pub header: Header,
    /// Its entries, sorted by path.
    pub entries: Vec<Entry>,
    /// Its last line.
    pub summary: Summary,
    /// The digest of all before its last line.
    pub sha256: String,
}

/// What can be wrong with a plan file.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// It could not be read.
    #[error("reading the plan file")]
    Io(#[source] io::Error),
    /// A line is not what a plan file holds.
    #[error("line {line} of the plan file: {message}")]
    Line {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// It is of a schema that this program does not read.
    #[error("the plan file has schema {found}; this chksweep reads schema {SCHEMA}")]
    Schema {
        /// The schema that it has.
        found: u64,
    },
    /// It was changed, or cut short.
    #[error(
        "the digest of the plan file does not match: it was edited or cut short ({expected} expected, {found} found)"
    )]
    Digest {
        /// What its last line says.
        expected: String,
        /// What its bytes give.
        found: String,
    },
}

/// Reads a plan file line by line, checking as it goes.
#[derive(Debug)]
pub struct PlanFileReader<R> {
    input: R,
    digest: Sha256,
    line: u64,
    buffer: Vec<u8>,
    last_path: Option<Location>,
}

impl<R: BufRead> PlanFileReader<R> {
    /// Begins to read.
    pub fn new(input: R) -> Self {
        Self { input, digest: Sha256::new(), line: 0, buffer: Vec::new(), last_path: None }
    }

    /// Reads the whole file: header, entries (those that `keep` wants), summary; and checks the digest, the
    /// order of the paths, and that nothing follows.
    ///
    /// # Errors
    ///
    /// Where the file is not a plan file, was cut short or was edited.
    pub fn read(mut self, mut keep: impl FnMut(&Entry) -> bool) -> Result<PlanFile, PlanFileError> {
        let header = match self.next_line()? {
            Some(Line::Header(header)) => *header,
            Some(_) | None => return Err(self.error("the first line is not a header: is this a plan file?")),
        };
        let mut entries = Vec::new();
        loop {
            let before = self.digest.clone();
            match self.next_line()? {
                Some(Line::Entry(line)) => {
                    let entry = line.into_entry().map_err(|message| self.error(&message))?;
                    if self.last_path.as_ref().is_some_and(|last| *last >= entry.path) {
                        return Err(self.error("entries are not sorted by path"));
                    }
                    self.last_path = Some(entry.path.clone());
                    if keep(&entry) {
                        entries.push(entry);
                    }
                }
                Some(Line::Summary(line)) => {
                    let found = hex(&before.finalize());
                    if found != line.sha256 {
                        return Err(PlanFileError::Digest { expected: line.sha256, found });
                    }
                    if self.next_line()?.is_some() {
                        return Err(self.error("something follows the summary"));
                    }
                    return Ok(PlanFile { header, entries, summary: line.summary, sha256: found });
                }
                Some(Line::Header(_)) => return Err(self.error("a second header")),
                None => return Err(self.error("the file ends without a summary: it was cut short")),
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Line>, PlanFileError> {
        self.buffer.clear();
        let mut limited = io::Read::take(&mut self.input, MAX_LINE_BYTES);
        let count = limited.read_until(b'\n', &mut self.buffer).map_err(PlanFileError::Io)?;
        if count == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.digest.update(&self.buffer);
        if self.line == 1 {
            self.check_schema()?;
        }
        Line::parse(&self.buffer).map(Some).map_err(|error| self.error(&error.to_string()))
    }

    /// Another schema may differ in any field: it is told from the number alone.
    fn check_schema(&self) -> Result<(), PlanFileError> {
        let SchemaTag { schema } = serde_json::from_slice(&self.buffer)
            .map_err(|error| self.error(&format!("no schema: is this a plan file? ({error})")))?;
        if schema == u64::from(SCHEMA) { Ok(()) } else { Err(PlanFileError::Schema { found: schema }) }
    }

    fn error(&self, message: &str) -> PlanFileError {
        PlanFileError::Line { line: self.line.max(1), message: message.to_owned() }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _never = write!(out, "{byte:02x}");
        out
    })
}
