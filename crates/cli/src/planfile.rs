//! Writes a plan file, whole or not at all, and reads one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chksweep_core::Inventory;
use chksweep_core::plan::{Decisions, Entry, Header, Plan, PlanFile, PlanFileError, PlanFileReader};
use chksweep_core::plan::{PlanFileWriter, Summary, entries};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};

/// The first bytes of a file that zstd compressed.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is written to a plan file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents<'a> {
    /// The plan; its summary names the file.
    pub(crate) plan: &'a Plan,
    /// What it was made from.
    pub(crate) inventory: &'a Inventory,
    /// Whether what is kept is written too.
    pub(crate) all: bool,
}

/// Refuses a place where no plan file is put: a device, a directory, or a symbolic link, which somebody may have
/// planted. A regular file is replaced.
///
/// # Errors
///
/// When something else than a regular file stands there.
pub(crate) fn check_place(path: &Path) -> Outcome<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => {
            let what = if there.is_symlink() { "a symbolic link" } else { "no regular file" };
            Err(Failure::usage(format_args!("no plan is written to `{}`: it is {what}", path.display()))
                .hint("name a regular file, or one that does not exist"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes a plan file, and returns its digest. The file appears whole, for its owner alone, in the place of the
/// regular file that stood there.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) fn write(path: &Path, contents: Contents<'_>) -> Outcome<String> {
    check_place(path)?;
    write_file(path, contents).map_err(|error| {
        Failure::new(Exit::Failed, error).context(format!("writing the plan to `{}`", path.display()))
    })
}

fn write_file(path: &Path, contents: Contents<'_>) -> io::Result<String> {
    let temporary = temporary(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = write_to(&file, path, contents).and_then(|digest| {
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        Ok(digest)
    });
    if written.is_err() {
        fs::remove_file(&temporary).ok();
    }
    written
}

fn temporary(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("this is not the name of a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(hidden);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(temporary),
    }
}

fn write_to(file: &File, path: &Path, contents: Contents<'_>) -> io::Result<String> {
    let out = BufWriter::new(file);
    let Contents { plan, inventory, all } = contents;
    if path.extension().is_some_and(|extension| extension == "zst") {
        let encoder = zstd::Encoder::new(out, 3)?;
        let (digest, encoder) =
            write_lines(encoder, &plan.header, &plan.summary, inventory, &plan.decisions, all)?;
        encoder.finish()?.flush()?;
        Ok(digest)
    } else {
        let (digest, mut out) =
            write_lines(out, &plan.header, &plan.summary, inventory, &plan.decisions, all)?;
        out.flush()?;
        Ok(digest)
    }
}

fn write_lines<W: Write>(
    out: W,
    header: &Header,
    summary: &Summary,
    inventory: &Inventory,
    decisions: &Decisions,
    all: bool,
) -> io::Result<(String, W)> {
    let mut writer = PlanFileWriter::new(out, header)?;
    let mut written = Ok(());
    entries(inventory, decisions, all, |entry| {
        if written.is_ok() {
            written = writer.entry(&entry);
        }
    });
    written?;
    writer.finish(summary)
}

/// Reads a plan file: those entries that `keep` wants.
///
/// # Errors
///
/// When it cannot be read (exit 1), is no plan file (exit 2), or was edited or cut short, or is of another schema
/// (exit 8).
pub(crate) fn read(path: &Path, keep: impl FnMut(&Entry) -> bool) -> Outcome<PlanFile> {
    let context = format!("reading the plan `{}`", path.display());
    let unreadable = |error: io::Error| Failure::new(Exit::Failed, error).context(context.clone());
    let mut input = BufReader::new(File::open(path).map_err(unreadable)?);
    let is_compressed = io::BufRead::fill_buf(&mut input).map_err(unreadable)?.starts_with(&ZSTD_MAGIC);
    let input: Box<dyn Read> = if is_compressed {
        Box::new(zstd::Decoder::with_buffer(input).map_err(unreadable)?)
    } else {
        Box::new(input)
    };
    PlanFileReader::new(BufReader::new(input)).read(keep).map_err(|error| {
        let (exit, hint) = match &error {
            PlanFileError::Io(_) => (Exit::Failed, None),
            PlanFileError::Line { .. } | PlanFileError::Digest { .. } => {
                (Exit::Stale, Some("make a new one with `chksweep plan -o FILE`"))
            }
            PlanFileError::Schema { .. } => {
                (Exit::Stale, Some("make a new one with this version: `chksweep plan -o FILE`"))
            }
        };
        let failure = Failure::new(exit, error).context(context.clone());
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}
