//! `audit verify`: is the record of a run whole.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use chksweep_engine::journal;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::human::count;

/// Checks that each line follows from the one before it.
pub(crate) fn verify(file: &Path, context: &Context) -> Outcome {
    let doing = format!("reading the record `{}`", file.display());
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, error).context(doing.clone());
    let reader = BufReader::new(File::open(file).map_err(failed)?);
    let verified = journal::verify(reader).map_err(failed)?.map_err(|error| {
        Failure::failed(format_args!("line {}: {}", error.line, error.message))
            .context(format!("the record `{}` was changed", file.display()))
    })?;
    if verified.lines == 0 {
        return Err(Failure::failed(format_args!("`{}` holds no record of a run", file.display()))
            .hint("records are `<state-dir>/runs/RUNID.jsonl` and `<root>/.chksweep/runs/RUNID.jsonl`"));
    }
    if verified.ended && verified.torn {
        // A line that was being written when the run was killed comes before its end, never after it.
        return Err(Failure::failed("something follows the end of the run")
            .context(format!("the record `{}` was changed", file.display())));
    }
    if context.printer.is_json() {
        context.printer.json(Exit::Done, &verified)?;
        return Ok(Exit::Done);
    }
    context.printer.text(|out| {
        let run = verified.run_id.as_deref().unwrap_or("of no run");
        writeln!(out, "run {run}: {}, each follows from the one before", count(verified.lines, "line"))?;
        if verified.torn {
            writeln!(out, "the last line was cut off while it was being written; it tells nothing")?;
        }
        if !verified.ended {
            writeln!(out, "the run did not come to its end, or the end was cut away")?;
        }
        writeln!(out, "digest of the last line: {}", verified.last)
    })?;
    Ok(Exit::Done)
}
