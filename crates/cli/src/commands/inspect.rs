//! `inspect`: everything inside one `_metadata`.

use std::io::{self, Write};

use chksweep_core::deps::ErrorDocument;
use chksweep_core::inspect::{self, Detail, Inspection, Node, PartName};
use chksweep_core::metadata::SnapshotKind;
use chksweep_core::{Equivalence, Location};
use serde::Serialize;

use crate::app::Context;
use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::location;
use crate::metadata::{self, How};
use crate::output::human::{bytes, count};
use crate::output::table::{Column, Rows};
use crate::printer::escaped;
use crate::stores::{FileSystems, UsedAliases};

const HOW: How<Inspection> = How {
    slice: inspect::read,
    stream: |opener, length, metadata| inspect::read_stream(|| opener.open(), length, metadata),
};

#[derive(Serialize)]
#[serde(untagged)]
enum Document<'a> {
    Read {
        location: &'a Location,
        #[serde(flatten)]
        inspection: &'a Inspection,
    },
    Failed {
        location: &'a Location,
        error: ErrorDocument,
    },
}

/// Prints what is inside.
pub(crate) async fn run(args: &InspectArgs, context: &Context) -> Outcome {
    let here = context.settings.here.as_deref();
    let location = location::parse_openable(&args.location, here).map_err(Failure::usage)?;
    let systems = FileSystems::load(&context.settings)?;
    let stores = systems.open_for_looking([&location]).await?;
    let loaded = metadata::load(&stores, &location, HOW).await;
    context.done_looking();
    match loaded {
        Ok(mut loaded) => {
            warn_unmatched(context, relocate(&mut loaded.content, &systems.equivalence));
            let inspection = &loaded.content;
            if context.printer.is_json() {
                context.printer.json(Exit::Done, &Document::Read { location: &location, inspection })?;
            } else {
                context.printer.text(|out| print(out, inspection, args.files))?;
            }
            Ok(Exit::Done)
        }
        Err(error) => {
            let exit = error.exit();
            if context.printer.is_json() {
                let document = Document::Failed { location: &location, error: error.document() };
                context.printer.json(exit, &document)?;
            }
            let mut failure = Failure::new(exit, anyhow::anyhow!("{}", error.message()));
            if !error.message().contains(&location.to_string()) {
                failure = failure.context(location.to_string());
            }
            failure.hints.extend(error.hint().map(str::to_owned));
            Err(failure)
        }
    }
}

/// Puts where files are listed in the place of where the metadata says that they are; returns the aliases that
/// matched nothing.
fn relocate(inspection: &mut Inspection, equivalence: &Equivalence) -> Vec<String> {
    let aliases = UsedAliases::new(equivalence);
    if !equivalence.aliases().is_empty() {
        for operator in &mut inspection.operators {
            let states = operator.subtasks.iter_mut().flat_map(|subtask| &mut subtask.states);
            let nodes = states.flat_map(|state| &mut state.handles).chain(&mut operator.coordinator);
            nodes.for_each(|node| relocate_node(node, &aliases));
        }
    }
    aliases.unmatched()
}

fn relocate_node(node: &mut Node, aliases: &UsedAliases<'_>) {
    let relocate = |path: &mut String| {
        let found = Location::from_printed(path.as_bytes()).and_then(|location| aliases.find(&location));
        if let Some(found) = found {
            *path = found.to_string();
        }
    };
    match &mut node.detail {
        Detail::File { path, .. } | Detail::Segment { path, .. } => relocate(path),
        Detail::Operator(detail) => {
            let directories = [&mut detail.task_owned_directory, &mut detail.shared_directory];
            directories.into_iter().flatten().for_each(relocate);
        }
        Detail::Inline { .. } | Detail::Keyed(_) | Detail::Channel { .. } | Detail::Nothing {} => {}
    }
    node.handles.iter_mut().for_each(|inner| relocate_node(inner, aliases));
}

fn warn_unmatched(context: &Context, warnings: Vec<String>) {
    for warning in warnings {
        context.printer.warning(&warning);
    }
}

fn print(out: &mut dyn Write, inspection: &Inspection, files: bool) -> io::Result<()> {
    let totals = &inspection.totals;
    writeln!(out, "{}", escaped(&inspection.metadata))?;
    let dialect =
        inspection.dialect.map(|dialect| format!(", as Flink {dialect} wrote it")).unwrap_or_default();
    let kind = kind(inspection.properties.kind);
    writeln!(out, "{kind} {}, format version {}{dialect}", inspection.checkpoint_id, inspection.version)?;
    if inspection.ambiguous {
        writeln!(out, "the file can be read in two ways; operators are told twice")?;
    }
    let finished = match totals.finished_subtasks {
        0 => String::new(),
        finished => format!(" ({finished} finished)"),
    };
    writeln!(
        out,
        "{}, {}{finished}; {} in files, {} inside",
        count(totals.operators, "operator"),
        count(totals.subtasks, "subtask"),
        bytes(totals.file_bytes),
        bytes(totals.inline_bytes)
    )?;
    for (handle, number) in &totals.handles {
        writeln!(out, "  {number:>8} {handle}")?;
    }
    for state in &inspection.master_states {
        writeln!(out, "master state {}: {}", escaped(&state.name), bytes(state.bytes.into()))?;
    }
    writeln!(out)?;
    if files { print_handles(out, inspection) } else { print_operators(out, inspection) }
}

fn kind(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Checkpoint { full: false } => "checkpoint",
        SnapshotKind::Checkpoint { full: true } => "full checkpoint",
        SnapshotKind::Savepoint { .. } => "savepoint",
        SnapshotKind::Unknown => "checkpoint or savepoint",
    }
}

fn print_operators(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    let mut rows = Rows::new(&[
        Column::Left("OPERATOR"),
        Column::Left("NAME"),
        Column::Right("PARALLELISM"),
        Column::Right("SUBTASKS"),
        Column::Right("FILES"),
        Column::Right("INSIDE"),
    ]);
    for operator in &inspection.operators {
        let name = operator.name.as_deref().or(operator.uid.as_deref()).unwrap_or("-");
        rows.add([
            operator.id.to_string(),
            name.to_owned(),
            operator.parallelism.to_string(),
            operator.subtasks.len().to_string(),
            bytes(operator.file_bytes),
            bytes(operator.inline_bytes),
        ]);
    }
    rows.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn print_handles(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    for operator in &inspection.operators {
        let name = operator.name.as_deref().or(operator.uid.as_deref()).unwrap_or("");
        writeln!(out, "operator {} {}", operator.id, escaped(name))?;
        if !operator.coordinator.is_empty() {
            writeln!(out, "  coordinator state")?;
            operator.coordinator.iter().try_for_each(|node| print_node(out, node, 4))?;
        }
        for subtask in &operator.subtasks {
            let finished = if subtask.finished { ", finished" } else { "" };
            let taken = subtask
                .ref_checkpoint_id
                .map(|id| format!(", taken over from checkpoint {id}"))
                .unwrap_or_default();
            writeln!(out, "  subtask {}{finished}{taken}", subtask.index)?;
            for state in &subtask.states {
                writeln!(out, "    {}", state.state.words())?;
                state.handles.iter().try_for_each(|node| print_node(out, node, 6))?;
            }
        }
    }
    Ok(())
}

fn print_node(out: &mut dyn Write, node: &Node, indent: usize) -> io::Result<()> {
    let part = match node.part {
        None => "",
        Some(PartName::Meta) => "meta: ",
        Some(PartName::Shared) => "shared: ",
        Some(PartName::Private) => "private: ",
        Some(PartName::Segment) => "segment: ",
    };
    let local = node.local_name.as_deref().map(|name| format!(" ({})", escaped(name))).unwrap_or_default();
    let detail = match &node.detail {
        Detail::File { path, bytes, .. } => format!(" {} {}", escaped(path), length(*bytes)),
        Detail::Segment { path, start, bytes, .. } => {
            format!(" {} from {start}, {}", escaped(path), length(*bytes))
        }
        Detail::Inline { bytes, .. } => format!(" {}", length(i64::from(*bytes))),
        Detail::Channel { bytes, .. } => format!(" {}", length(*bytes)),
        Detail::Keyed(_) | Detail::Operator(_) | Detail::Nothing {} => String::new(),
    };
    writeln!(out, "{:indent$}{part}{}{local}{detail}", "", node.handle)?;
    node.handles.iter().try_for_each(|inner| print_node(out, inner, indent + 2))
}

fn length(length: i64) -> String {
    u64::try_from(length).map_or_else(|_| "of unknown length".to_owned(), bytes)
}
