//! `deps`: what checkpoints and savepoints depend on.

use std::io::{self, Write};

use chksweep_core::Location;
use chksweep_core::deps::{self, Dependencies, Document, ErrorDocument};
use futures::StreamExt;
use serde::{Serialize, Serializer};

use crate::app::Context;
use crate::args::DepsArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::location;
use crate::metadata::{self, How, Loaded, NotLoaded};
use crate::printer::escaped;
use crate::stores::{FileSystems, UsedAliases, share_a_store};

/// What became of one LOCATION.
type Result = std::result::Result<Loaded<Dependencies>, NotLoaded>;

const HOW: How<Dependencies> = How {
    slice: deps::read,
    stream: |opener, length, metadata| deps::read_stream(|| opener.open(), length, metadata),
};

/// Prints what each LOCATION depends on.
pub(crate) async fn run(args: &DepsArgs, context: &Context) -> Outcome {
    let here = context.settings.here.as_deref();
    let locations: Vec<Location> = args
        .locations
        .iter()
        .map(|text| location::parse_openable(text, here).map_err(Failure::usage))
        .collect::<Outcome<_>>()?;
    let systems = FileSystems::load(&context.settings)?;
    let (stores, unreachable) = systems.open_reachable(&locations).await?;
    let unreachable: Vec<(&Location, NotLoaded)> =
        unreachable.into_iter().map(|(location, error)| (location, error.into())).collect();
    let total = locations.len();
    let results: Vec<Result> = futures::stream::iter(locations.clone())
        .map(|location| {
            let stores = stores.clone();
            let failed = unreachable.iter().find(|(other, _)| share_a_store(&location, other));
            let failed = failed.map(|(_, error)| error.clone());
            async move {
                match failed {
                    Some(error) => Err(error),
                    None => metadata::load(&stores, &location, HOW).await,
                }
            }
        })
        .buffered(context.settings.concurrency()?)
        .enumerate()
        .map(|(at, result)| {
            context.progress.show(|| format!("reading metadata: {} of {total}", at + 1));
            result
        })
        .collect()
        .await;
    context.done_looking();
    let exit = results.iter().filter_map(|r| r.as_ref().err()).fold(Exit::Done, |exit, e| exit.and(e.exit()));
    let aliases = UsedAliases::new(&systems.equivalence);
    if context.printer.is_json() {
        let document = Documents {
            checkpoints: Elements { locations: &locations, results: &results, aliases: &aliases },
        };
        context.printer.json(exit, &document)?;
    } else {
        context.printer.text(|out| print(out, args.files, &locations, &results, &aliases))?;
    }
    complain(context, &locations, &results);
    for warning in aliases.unmatched() {
        context.printer.warning(&warning);
    }
    Ok(exit)
}

fn complain(context: &Context, locations: &[Location], results: &[Result]) {
    let mut hints = Vec::new();
    for (location, result) in locations.iter().zip(results) {
        let Err(error) = result else { continue };
        let message = error.message();
        let place = location.to_string();
        if message.contains(&place) {
            context.printer.error(&message);
        } else {
            context.printer.error(&format!("{place}: {message}"));
        }
        if let Some(hint) = error.hint().filter(|hint| !hints.contains(hint)) {
            hints.push(hint);
        }
    }
    for hint in hints {
        context.printer.hint(hint);
    }
}

fn print(
    out: &mut dyn Write,
    files: bool,
    locations: &[Location],
    results: &[Result],
    aliases: &UsedAliases<'_>,
) -> io::Result<()> {
    for (location, result) in locations.iter().zip(results) {
        let Ok(loaded) = result else { continue };
        if locations.len() > 1 {
            writeln!(out, "{}", escaped(&location.to_string()))?;
        }
        let found: Vec<Location> =
            loaded.content.references().filter_map(|reference| aliases.find(&reference.location)).collect();
        tracing::debug!(%location, aliased = found.len(), "read");
        if files {
            writeln!(out, "Parsed {} dependencies:", loaded.content.len())?;
            for reference in loaded.content.references() {
                writeln!(out, " - {}", escaped(&reference.location.to_string()))?;
            }
        } else {
            let directories = loaded.content.directories();
            writeln!(out, "Parsed {} dependencies:", directories.len())?;
            for directory in directories {
                writeln!(out, " - {}", escaped(&directory.to_string()))?;
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Documents<'a> {
    checkpoints: Elements<'a>,
}

struct Elements<'a> {
    locations: &'a [Location],
    results: &'a [Result],
    aliases: &'a UsedAliases<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Element<'a> {
    Read(Document<'a>),
    Failed { location: &'a Location, error: ErrorDocument },
}

impl Serialize for Elements<'_> {
    /// Writes one element at a time: the references of thousands of checkpoints are never all held as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let find = |location: &Location| self.aliases.find(location);
        serializer.collect_seq(self.locations.iter().zip(self.results).map(
            |(location, result)| match result {
                Ok(loaded) => {
                    let document = loaded.content.document(location, &loaded.metadata);
                    Element::Read(document.with_found(&find))
                }
                Err(error) => Element::Failed { location, error: error.document() },
            },
        ))
    }
}
