//! `audit verify`: are the records of runs whole.
//!
//! A record alone cannot tell a run that was killed from one whose end was cut away. What lies beside it can: the short
//! record of a run that came to its end, and the other copy, which holds the same bytes.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use chksweep_engine::journal::{self, Verified};
use serde::{Deserialize, Serialize};

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::human::count;
use crate::printer::escaped;

/// What was found of one record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    file: String,
    #[serde(flatten)]
    verified: Verified,
    /// The other copy that it was compared with.
    copy: Option<String>,
}

/// The document of several files.
#[derive(Debug, Serialize)]
struct Document {
    records: Vec<Checked>,
}

/// Checks that each line follows from the one before it, of each file; all are tried. Files of one run are compared.
pub(crate) fn verify(files: &[PathBuf], context: &Context) -> Outcome {
    let state_dir = context.settings.state_dir().ok();
    let mut records: Vec<Checked> = Vec::new();
    let mut failures = Vec::new();
    for file in files {
        match check(file, state_dir.as_deref()).and_then(|record| alike(&records, record)) {
            Ok(record) => records.push(record),
            Err(failure) => failures.push(failure),
        }
    }
    for record in records.iter().filter(|record| !record.verified.ended) {
        context.printer.warning(&format!(
            "`{}` does not end with the end of a run: the run was broken off, or the end was cut away",
            record.file
        ));
    }
    if let Some(last) = failures.pop() {
        for failure in failures {
            context.printer.error(&format!("{:#}", failure.error));
        }
        return Err(last);
    }
    if context.printer.is_json() {
        match <[Checked; 1]>::try_from(records) {
            Ok([record]) => context.printer.json(Exit::Done, &record)?,
            Err(records) => context.printer.json(Exit::Done, &Document { records })?,
        }
        return Ok(Exit::Done);
    }
    let is_compared = |record: &Checked| {
        let same = |other: &&Checked| other.verified.run_id == record.verified.run_id;
        record.copy.is_some() || records.iter().filter(same).count() > 1
    };
    let print = |out: &mut dyn io::Write| records.iter().try_for_each(|it| print(out, it, is_compared(it)));
    context.printer.text(print)?;
    Ok(Exit::Done)
}

/// Compares a record with those of the same run that were given before it.
fn alike(before: &[Checked], record: Checked) -> Outcome<Checked> {
    for other in before.iter().filter(|other| other.verified.run_id == record.verified.run_id) {
        compare(Path::new(&record.file), &record.verified, Path::new(&other.file))?;
    }
    Ok(record)
}

fn print(out: &mut dyn io::Write, record: &Checked, is_compared: bool) -> io::Result<()> {
    let verified = &record.verified;
    let run = verified.run_id.as_deref().unwrap_or("of no run");
    writeln!(
        out,
        "run {}: {}, each follows from the one before",
        escaped(run),
        count(verified.lines, "line")
    )?;
    if verified.torn {
        writeln!(out, "the last line was cut off while it was being written; it tells nothing")?;
    }
    if let Some(copy) = &record.copy {
        writeln!(out, "the copy `{}` holds the same", escaped(copy))?;
    }
    if !is_compared {
        writeln!(
            out,
            "not compared with its copy, of which none is at hand: give both to have them compared"
        )?;
    }
    writeln!(out, "digest of the last line: {}", verified.last)
}

fn check(file: &Path, state_dir: Option<&Path>) -> Outcome<Checked> {
    let verified = read(file)?;
    if verified.lines == 0 {
        return Err(Failure::failed(format_args!("`{}` holds no record of a run", file.display()))
            .hint("records are `<state-dir>/runs/RUNID.jsonl` and `<root>/.chksweep/runs/RUNID.jsonl`"));
    }
    if let Some(name) = another_name(file, &verified) {
        return Err(Failure::failed(format_args!("by its name it is the record of run {name}"))
            .context(format!("the record `{}` is of another run", file.display())));
    }
    if !verified.ended && short_record_says_ended(file) {
        return Err(Failure::failed(
            "its short record says that the run came to its end, and that is not there",
        )
        .context(format!("the record `{}` was cut off", file.display())));
    }
    let copy = match other_copy(file, &verified, state_dir) {
        Some(copy) => {
            compare(file, &verified, &copy)?;
            Some(copy.display().to_string())
        }
        None => None,
    };
    Ok(Checked { file: file.display().to_string(), verified, copy })
}

fn read(file: &Path) -> Outcome<Verified> {
    let doing = format!("reading the record `{}`", file.display());
    let failed = |error: io::Error| Failure::new(Exit::Failed, error).context(doing.clone());
    let reader = BufReader::new(File::open(file).map_err(failed)?);
    journal::verify(reader).map_err(failed)?.map_err(|error| {
        let failure = Failure::failed(format_args!("line {}: {}", error.line, error.message));
        if error.newer_schema.is_some() {
            return failure
                .context(doing)
                .hint("nothing is known to be wrong with it: use the newer chksweep");
        }
        failure.context(format!("the record `{}` was changed", file.display()))
    })
}

/// Returns the run that a record is of by its name, where records of runs lie, and is not by what it tells.
fn another_name(file: &Path, verified: &Verified) -> Option<String> {
    let name = file.file_stem()?.to_str()?;
    let is_kept = file.parent()?.file_name()? == "runs";
    (is_kept && verified.run_id.as_deref() != Some(name)).then(|| name.to_owned())
}

/// Returns whether a run came to its end by itself, as the short record beside its record tells. One that was broken
/// off has a short record by the run that settled it.
fn short_record_says_ended(file: &Path) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Short {
        ended_at: Option<String>,
        settled_by: Option<String>,
    }
    let short = std::fs::read(file.with_extension("end.json")).ok();
    let short = short.and_then(|bytes| serde_json::from_slice::<Short>(&bytes).ok());
    short.is_some_and(|short| short.ended_at.is_some() && short.settled_by.is_none())
}

/// Returns the copy on this machine of a record that lies elsewhere.
fn other_copy(file: &Path, verified: &Verified, state_dir: Option<&Path>) -> Option<PathBuf> {
    let run = verified.run_id.as_deref().filter(|run| chksweep_engine::own::is_run_id(run))?;
    let local = journal::local_file(state_dir?, run);
    let is_other = std::fs::canonicalize(&local).ok()? != std::fs::canonicalize(file).ok()?;
    is_other.then_some(local)
}

/// Both copies hold the same lines. One of them may lack the last, which were being written when the run was killed.
fn compare(file: &Path, verified: &Verified, copy: &Path) -> Outcome<()> {
    let other = read(copy)?;
    let differ = |why: String, hint: &str| {
        Failure::failed(why)
            .context(format!("`{}` and its copy `{}` differ", file.display(), copy.display()))
            .hint(hint.to_owned())
    };
    if let Some(line) = first_difference(file, copy, verified.lines.min(other.lines))? {
        let hint = "one of them was written anew: trust the one that fewer can write to, or whose last digest was noted";
        return Err(differ(format!("line {line} tells of the same run in different words"), hint));
    }
    if verified.ended != other.ended {
        let why = "only one of them ends with the end of the run: the other was cut off";
        return Err(differ(why.to_owned(), "the one with more lines is the one to trust"));
    }
    Ok(())
}

/// Returns the number, from 1, of the first of so many lines in which two records differ.
fn first_difference(file: &Path, copy: &Path, lines: u64) -> Outcome<Option<u64>> {
    use io::BufRead as _;
    let failed = |error: io::Error| {
        Failure::new(Exit::Failed, error).context(format!(
            "comparing the record `{}` with its copy `{}`",
            file.display(),
            copy.display()
        ))
    };
    let open = |file: &Path| File::open(file).map(BufReader::new).map_err(failed);
    let (mut one, mut other) = (open(file)?, open(copy)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for line in 1..=lines {
        left.clear();
        right.clear();
        one.read_until(b'\n', &mut left).map_err(failed)?;
        other.read_until(b'\n', &mut right).map_err(failed)?;
        if left != right {
            return Ok(Some(line));
        }
    }
    Ok(None)
}
