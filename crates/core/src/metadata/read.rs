//! The entry points: from bytes to what a visitor hears, by version and dialect.

use std::io;

use super::cursor::{Cursor, SliceSource, Source, StreamSource, to_u64};
use super::error::{Fail, Failure, ParseError, ParseErrorKind, ReadError, fail};
use super::parser::{Dialect, Parser};
use super::place::field;
use super::properties::{self, Properties};
use super::visitor::{Ignore, Visitor};

/// The first four bytes of every file (`Checkpoints.HEADER_MAGIC_NUMBER`).
pub const MAGIC: [u8; 4] = [0x49, 0x60, 0x67, 0x2D];

/// What a file is, apart from what the visitor heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The format version, 1 to 7.
    pub version: i32,
    /// The number of the checkpoint.
    pub checkpoint_id: i64,
    /// In which dialect it was read first.
    pub dialect: Dialect,
    /// Whether it was told in more than one dialect, with different references.
    pub ambiguous: bool,
    /// Its properties; unknown before version 4.
    pub properties: Properties,
}

/// Reads a file that lies in memory.
///
/// # Errors
///
/// Says what is wrong with it, and where; what the visitor was told then counts for nothing.
pub fn read_slice<V: Visitor + ?Sized>(bytes: &[u8], visitor: &mut V) -> Result<Summary, ParseError> {
    let length = to_u64(bytes.len());
    match read_dialects(|| Ok(SliceSource(bytes)), length, visitor) {
        Ok(summary) => Ok(summary),
        Err(ReadError::Parse(error)) => Err(error),
        // A slice does not fail.
        Err(ReadError::Io { offset, .. }) => Err(ParseError {
            kind: ParseErrorKind::UnexpectedEnd { needed: 0 },
            offset,
            field: String::new(),
            version: None,
        }),
    }
}

/// Reads a file of `length` bytes as a stream, which memory need not hold: it gives what [`read_slice`] gives.
///
/// `open` starts it anew; only a file of version 3 may be read more than once.
///
/// # Errors
///
/// Says what is wrong with it, and where, or why it could not be read on.
pub fn read_stream<R: io::Read, V: Visitor + ?Sized>(
    mut open: impl FnMut() -> io::Result<R>,
    length: u64,
    visitor: &mut V,
) -> Result<Summary, ReadError> {
    read_dialects(|| open().map(StreamSource::new), length, visitor)
}

/// One pass that came to the end.
struct Pass {
    version: i32,
    checkpoint_id: i64,
    properties: Properties,
    references: u128,
    saw_changelog: bool,
    saw_channels: bool,
}

/// One pass that did not.
struct Failed {
    error: ReadError,
    version: i32,
}

fn read_dialects<S: Source, V: Visitor + ?Sized>(
    mut open: impl FnMut() -> io::Result<S>,
    length: u64,
    visitor: &mut V,
) -> Result<Summary, ReadError> {
    let first = match pass(&mut open, length, visitor, Dialect::Standard) {
        Ok(pass) => pass,
        Err(failed) if failed.version == 3 => {
            return read_other_dialects(&mut open, length, visitor, failed.error);
        }
        Err(failed) => return Err(failed.error),
    };
    let mut ambiguous = false;
    let mut told = vec![first.references];
    // Which of them are the same for this file need not be tried.
    let others = [(Dialect::B, first.saw_changelog), (Dialect::A, first.saw_channels)];
    for (dialect, _) in others.into_iter().filter(|(_, differs)| first.version == 3 && *differs) {
        ambiguous |= tell_also(&mut open, length, visitor, dialect, &mut told)?;
    }
    Ok(summary(&first, Dialect::Standard, ambiguous))
}

fn read_other_dialects<S: Source, V: Visitor + ?Sized>(
    open: &mut impl FnMut() -> io::Result<S>,
    length: u64,
    visitor: &mut V,
    error: ReadError,
) -> Result<Summary, ReadError> {
    let ReadError::Parse(mut error) = error else { return Err(error) };
    for dialect in [Dialect::B, Dialect::A] {
        match pass(open, length, &mut Ignore, dialect) {
            Ok(_) => {}
            Err(Failed { error: ReadError::Parse(other), .. }) => {
                // The reading that came furthest knows best what is wrong.
                if other.offset > error.offset {
                    error = other;
                }
                continue;
            }
            Err(failed) => return Err(failed.error),
        }
        visitor.restart();
        let first = pass(open, length, visitor, dialect).map_err(|failed| failed.error)?;
        let mut ambiguous = false;
        if dialect == Dialect::B && first.saw_channels {
            ambiguous = tell_also(open, length, visitor, Dialect::A, &mut vec![first.references])?;
        }
        return Ok(summary(&first, dialect, ambiguous));
    }
    Err(error.into())
}

/// Tells the file once more, if it can be read in this dialect as well and then refers to something else.
fn tell_also<S: Source, V: Visitor + ?Sized>(
    open: &mut impl FnMut() -> io::Result<S>,
    length: u64,
    visitor: &mut V,
    dialect: Dialect,
    told: &mut Vec<u128>,
) -> Result<bool, ReadError> {
    let other = match pass(open, length, &mut Ignore, dialect) {
        Ok(other) => other,
        Err(Failed { error: ReadError::Parse(_), .. }) => return Ok(false),
        Err(failed) => return Err(failed.error),
    };
    if told.contains(&other.references) {
        return Ok(false);
    }
    told.push(other.references);
    visitor.alternative();
    pass(open, length, visitor, dialect).map_err(|failed| failed.error)?;
    Ok(true)
}

fn summary(pass: &Pass, dialect: Dialect, ambiguous: bool) -> Summary {
    Summary {
        version: pass.version,
        checkpoint_id: pass.checkpoint_id,
        dialect,
        ambiguous,
        properties: pass.properties,
    }
}

fn pass<S: Source, V: Visitor + ?Sized>(
    open: &mut impl FnMut() -> io::Result<S>,
    length: u64,
    visitor: &mut V,
    dialect: Dialect,
) -> Result<Pass, Failed> {
    let source =
        open().map_err(|source| Failed { error: ReadError::Io { offset: 0, source }, version: 0 })?;
    let mut parser = Parser::new(Cursor::new(source, length), visitor, dialect);
    match file(&mut parser) {
        Ok((checkpoint_id, properties)) => Ok(Pass {
            version: parser.version,
            checkpoint_id,
            properties,
            references: parser.references.digest128(),
            saw_changelog: parser.saw_changelog,
            saw_channels: parser.saw_channels,
        }),
        Err(failure) => Err(Failed { error: describe(&parser, *failure.0), version: parser.version }),
    }
}

fn file<S: Source, V: Visitor + ?Sized>(parser: &mut Parser<'_, S, V>) -> Result<(i64, Properties), Fail> {
    let found = parser.cursor.u32("magic number")?;
    if found.to_be_bytes() != MAGIC {
        return Err(fail(ParseErrorKind::NotMetadata { found }, 0, "magic number"));
    }
    let offset = parser.cursor.offset();
    let version = parser.cursor.i32("version")?;
    match version {
        0 => return Err(fail(ParseErrorKind::VersionZero, offset, "version")),
        1..=7 => parser.version = version,
        version => return Err(fail(ParseErrorKind::UnknownVersion { version }, offset, "version")),
    }
    let checkpoint_id = parser.body()?;
    if version < 4 {
        parser.cursor.end()?;
        return Ok((checkpoint_id, Properties::default()));
    }
    let properties = properties::read(&mut parser.cursor)?;
    parser.visitor.properties(&properties);
    Ok((checkpoint_id, properties))
}

#[cold]
fn describe<S, V: ?Sized>(parser: &Parser<'_, S, V>, failure: Failure) -> ReadError {
    match failure {
        Failure::Parse { kind, offset, what } => ReadError::Parse(ParseError {
            kind,
            offset,
            field: field(&parser.steps, what),
            version: Some(parser.version).filter(|version| *version != 0),
        }),
        Failure::Io { offset, source } => ReadError::Io { offset, source },
    }
}
