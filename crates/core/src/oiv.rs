//! Reads what `hdfs oiv -p Delimited` prints of a namespace image: one line for each file and directory.
//!
//! The text was not made to be read back, and this reader is careful about what it does not say. Whatever it
//! cannot tell for sure makes the *line* an error; the lines after it are still read.
//!
//! - Times have minutes, in the zone of the machine that ran `oiv`. They are moved to the end of their minute, and
//!   the caller says how far the zone is ahead of UTC; where that changes with the season, the smaller of the two
//!   is safe. So nothing ever looks older than it is. A time of 1970-01-01 00:00 is none at all.
//! - Hadoop 3 puts paths with a comma, a quote or a line break in quotes, and writes `%x0A` for a line feed; older
//!   releases write all of it as it is. A path in which either can be meant is an error. So is one with a character
//!   that stands for what could not be printed: U+FFFD, and `?` where the terminal had no better.
//! - Symbolic links look like empty files, but for their block size of zero: they are not told as files.
//!
//! What remains: before Hadoop 3 a name with line feeds and tabs in it can look like lines of its own, so whoever may
//! make names in a namespace can forge lines about others. A path from here is therefore a hint where to look, and
//! is listed anew before anything is done to it.

use std::io::{self, BufRead, Read as _};

use crate::time::{Age, Timestamp};

/// The longest line that is read: HDFS allows paths of 8,000 characters, which are 24,000 bytes at most, and quoting
/// can double them.
const MAX_LINE_BYTES: u64 = 128 * 1024;

/// How the text was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What parts the columns: a tab, unless `-delimiter` said otherwise.
    pub delimiter: char,
    /// How many minutes the zone of the machine that ran `oiv` is ahead of UTC; the smallest number that it ever is.
    pub minutes_ahead: i32,
}

impl Default for Format {
    fn default() -> Self {
        Self { delimiter: '\t', minutes_ahead: 0 }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Other,
}

/// A file or directory of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the namespace, absolute and without empty components.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// The length of a file, as far as the image knows it: an open file may have become longer.
    pub length: u64,
    /// The block size of a file.
    pub block_size: u64,
    /// How many copies a file has.
    pub replication: u16,
    /// When it was last modified, at the latest; 0 where the image does not say.
    pub modified: Timestamp,
    /// When it was last read, at the latest; 0 where the image does not say.
    pub accessed: Timestamp,
}

/// What can be wrong with the text.
#[derive(Debug, thiserror::Error)]
pub enum OivError {
    /// It could not be read; nothing follows.
    #[error("reading line {line} of the printed image")]
    Io {
        /// The number of the line, from 1.
        line: u64,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The first line does not name the columns; nothing can be read.
    #[error("{message}: is this what `hdfs oiv -p Delimited` printed?")]
    Header {
        /// What is wrong with it.
        message: String,
    },
    /// A line does not say for sure what it is about; the next may.
    #[error("line {line} of the printed image: {message}")]
    Line {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// Where the columns that are needed stand.
#[derive(Clone, Copy, Debug)]
struct Columns {
    count: usize,
    path: usize,
    replication: usize,
    modified: usize,
    accessed: usize,
    block_size: usize,
    length: usize,
    permission: usize,
}

impl Columns {
    fn parse(line: &str, delimiter: char) -> Result<Self, String> {
        let names: Vec<&str> = line.split(delimiter).collect();
        let find = |name: &str| {
            let mut found = names.iter().enumerate().filter(|(_, column)| **column == name);
            match (found.next(), found.next()) {
                (Some((at, _)), None) => Ok(at),
                (Some(_), Some(_)) => Err(format!("the first line names the column {name} twice")),
                (None, _) => Err(format!("the first line names no column {name}")),
            }
        };
        Ok(Self {
            count: names.len(),
            path: find("Path")?,
            replication: find("Replication")?,
            modified: find("ModificationTime")?,
            accessed: find("AccessTime")?,
            block_size: find("PreferredBlockSize")?,
            length: find("FileSize")?,
            permission: find("Permission")?,
        })
    }
}

/// Reads the text line by line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    format: Format,
    columns: Columns,
    line: u64,
    buffer: Vec<u8>,
    is_done: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line, which names the columns.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or does not name the columns that are needed.
    pub fn open(mut input: R, format: Format) -> Result<Self, OivError> {
        let mut buffer = Vec::new();
        let whole = next_line(&mut input, &mut buffer).map_err(|source| OivError::Io { line: 1, source })?;
        let header = match whole {
            Some(Whole::Yes) => std::str::from_utf8(&buffer).map_err(|_| "the first line is not UTF-8"),
            Some(Whole::No) => Err("the first line is too long"),
            None => Err("the text is empty"),
        };
        let columns = header
            .map_err(str::to_owned)
            .and_then(|header| Columns::parse(header, format.delimiter))
            .map_err(|message| OivError::Header { message })?;
        Ok(Self { input, format, columns, line: 1, buffer, is_done: false })
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, OivError> {
        self.line += 1;
        let line = self.line;
        let whole = next_line(&mut self.input, &mut self.buffer)
            .inspect_err(|_| self.is_done = true)
            .map_err(|source| OivError::Io { line, source })?;
        let entry = match whole {
            None => {
                self.is_done = true;
                return Ok(None);
            }
            Some(Whole::No) => Err(format!("it is longer than {MAX_LINE_BYTES} bytes")),
            Some(Whole::Yes) => std::str::from_utf8(&self.buffer)
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(|text| parse(text, self.columns, self.format)),
        };
        entry.map(Some).map_err(|message| OivError::Line { line, message })
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Entry, OivError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        self.next_entry().transpose()
    }
}

/// Whether a line was short enough to be read as a whole.
enum Whole {
    Yes,
    No,
}

/// Reads a line without its end; of one that is too long the rest is passed over. Nothing at the end of the text.
fn next_line(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<Option<Whole>> {
    buffer.clear();
    if input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', buffer)? == 0 {
        return Ok(None);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
        if buffer.last() == Some(&b'\r') {
            buffer.pop();
        }
    } else if !input.fill_buf()?.is_empty() {
        input.skip_until(b'\n')?;
        return Ok(Some(Whole::No));
    }
    Ok(Some(Whole::Yes))
}

fn parse(line: &str, columns: Columns, format: Format) -> Result<Entry, String> {
    let fields: Vec<&str> = line.split(format.delimiter).collect();
    if fields.len() != columns.count {
        return Err(format!(
            "{} columns, where the first line names {}: its path may hold a line break or what parts the columns",
            fields.len(),
            columns.count
        ));
    }
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let time = |name: &str, at: usize| {
        latest(field(at), format.minutes_ahead).ok_or_else(|| {
            format!("`{}` in {name} is not a time like 2026-11-23 18:00", field(at).escape_debug())
        })
    };
    let block_size: u64 = number("PreferredBlockSize", field(columns.block_size))?;
    let length = number("FileSize", field(columns.length))?;
    let kind = match field(columns.permission).as_bytes().first() {
        Some(b'd') => Kind::Directory,
        Some(b'-') if block_size > 0 => Kind::File,
        Some(b'-') => Kind::Other,
        Some(_) | None => {
            return Err(format!(
                "`{}` in Permission begins with neither d nor -",
                field(columns.permission).escape_debug()
            ));
        }
    };
    if kind != Kind::File && (length, block_size) != (0, 0) {
        return Err("only a file has a length and a block size".to_owned());
    }
    Ok(Entry {
        path: path(field(columns.path))?,
        kind,
        length,
        block_size,
        replication: number("Replication", field(columns.replication))?,
        modified: time("ModificationTime", columns.modified)?,
        accessed: time("AccessTime", columns.accessed)?,
    })
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| format!("`{}` in {name} is not a number that it can hold", text.escape_debug()))
}

/// Returns the path that was printed, where that is certain.
fn path(text: &str) -> Result<String, String> {
    let refused = |why: &str| Err(format!("{why}: `{}`", text.escape_debug()));
    let Some(path) = unquoted(text) else { return refused("its path is in quotes that do not match") };
    if path.contains("%x0A") || path.contains("%x0D") {
        return refused("its path may hold a line break");
    }
    if path.contains(['?', '\u{fffd}', '\0']) {
        return refused("its path may hold what could not be printed");
    }
    let Some(below) = path.strip_prefix('/') else { return refused("its path is not absolute") };
    if !below.is_empty() && below.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refused("its path has an empty component, `.` or `..`");
    }
    Ok(path)
}

/// Takes away the quotes of a field of CSV. A path begins with `/`, so one that begins with a quote is quoted.
fn unquoted(text: &str) -> Option<String> {
    let Some(rest) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let inner = rest.strip_suffix('"')?;
    let path = inner.replace("\"\"", "\"");
    // Each quote inside came twice.
    let inside = path.matches('"').count();
    (inner.matches('"').count() == 2 * inside).then_some(path)
}

/// Reads `yyyy-MM-dd HH:mm` as the last millisecond that it can mean; 0 for the first minute of 1970.
fn latest(text: &str, minutes_ahead: i32) -> Option<Timestamp> {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 16 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    let local = Timestamp::parse(&format!("{text}:00Z"))?;
    let start = local.0.checked_sub(i64::from(minutes_ahead).checked_mul(60_000)?)?;
    let is_none = (0..60_000).contains(&start);
    Some(if is_none { Timestamp(0) } else { Timestamp(start).plus(Age(59_999)) })
}

#[cfg(test)]
mod tests;
