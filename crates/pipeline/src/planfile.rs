//! Writes a plan file, whole or not at all, and reads one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chksweep_core::Inventory;
use chksweep_core::plan::{Decisions, Entry, Header, Plan, PlanFile, PlanFileError, PlanFileReader};
use chksweep_core::plan::{PlanFileWriter, Summary, entries};

use crate::error::PipelineError;

/// The first bytes of a file that zstd compressed.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is written to a plan file.
#[derive(Clone, Copy, Debug)]
pub struct PlanContents<'a> {
    /// The plan; its summary names the file.
    pub plan: &'a Plan,
    /// What it was made from.
    pub inventory: &'a Inventory,
    /// Whether what is kept is written too.
    pub all: bool,
}

/// Refuses a place where no plan file is put: a device, a directory, or a symbolic link, which somebody may have
/// planted. A regular file is replaced.
///
/// # Errors
///
/// When something else than a regular file stands there.
pub fn check_place(path: &Path) -> Result<(), PipelineError> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => {
            let what = if there.is_symlink() { "a symbolic link" } else { "no regular file" };
            Err(PipelineError::PlanPlace { path: path.to_owned(), what })
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
pub fn write_plan_file(path: &Path, contents: PlanContents<'_>) -> Result<String, PipelineError> {
    check_place(path)?;
    write_file(path, contents).map_err(|source| PipelineError::WritePlan { path: path.to_owned(), source })
}

fn write_file(path: &Path, contents: PlanContents<'_>) -> io::Result<String> {
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

fn write_to(file: &File, path: &Path, contents: PlanContents<'_>) -> io::Result<String> {
    let out = BufWriter::new(file);
    let PlanContents { plan, inventory, all } = contents;
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
/// When it cannot be read, is no plan file, was edited or cut short, or is of another schema.
pub fn read_plan_file(path: &Path, keep: impl FnMut(&Entry) -> bool) -> Result<PlanFile, PipelineError> {
    input_of(path)
        .and_then(|file| read_plan(BufReader::new(file), keep))
        .map_err(|source| PipelineError::ReadPlan { path: path.to_owned(), source })
}

/// Opens a regular file: another may give nothing for ever.
fn input_of(path: &Path) -> Result<File, PlanFileError> {
    let found = fs::metadata(path).map_err(PlanFileError::Io)?;
    if !found.is_file() {
        return Err(PlanFileError::Io(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    File::open(path).map_err(PlanFileError::Io)
}

/// Reads what stands in a plan file, compressed or not: those entries that `keep` wants.
///
/// # Errors
///
/// As [`read_plan_file`].
pub fn read_plan(
    mut input: impl BufRead,
    keep: impl FnMut(&Entry) -> bool,
) -> Result<PlanFile, PlanFileError> {
    let is_compressed = input.fill_buf().map_err(PlanFileError::Io)?.starts_with(&ZSTD_MAGIC);
    let input: Box<dyn Read + '_> = if is_compressed {
        Box::new(zstd::Decoder::with_buffer(input).map_err(PlanFileError::Io)?)
    } else {
        Box::new(input)
    };
    PlanFileReader::new(BufReader::new(input)).read(keep)
}
