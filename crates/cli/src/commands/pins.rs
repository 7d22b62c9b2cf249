//! `pin`, `unpin`, `pins`: places that are kept, whatever a policy says.

use chksweep_core::Location;
use chksweep_engine::pins::{self, PinError};
use serde::Serialize;

use crate::app::Context;
use crate::args::PinArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::printer::escaped;
use crate::stores::FileSystems;
use crate::{location, roots};

/// Changes a second: pins are few.
const MAX_RPS: u32 = 100;

/// The document of `pin` and `unpin`.
#[derive(Debug, Serialize)]
struct Outlook {
    root: Location,
    location: Location,
    pinned: bool,
    /// Whether the command changed that.
    changed: bool,
}

/// The document of `pins`.
#[derive(Debug, Serialize)]
struct Pins {
    pins: Vec<Pin>,
}

/// One pin.
#[derive(Debug, Serialize)]
struct Pin {
    /// The root that keeps it; nothing for one of the configuration.
    root: Option<Location>,
    location: Location,
}

/// Adds or removes a pin.
pub(crate) async fn change(args: &PinArgs, pinned: bool, context: &Context) -> Outcome {
    let here = context.settings.here.as_deref();
    let asked = location::parse_openable(&args.location, here).map_err(Failure::usage)?;
    let systems = FileSystems::load(&context.settings)?;
    let roots = roots::around(context, &systems, &asked).await?;
    let Some((root, listed)) = roots::within(&roots, &systems.equivalence, &asked) else {
        return Err(roots::outside(&roots, &asked));
    };
    let stores = systems.open_for_changing([&root], MAX_RPS).await?;
    let store = stores.of(&root)?;
    let changed = if pinned {
        // A pin that is mistyped protects nothing.
        store.stat(&listed).await?;
        pins::add(store.as_ref(), &root, &listed).await
    } else {
        pins::remove(store.as_ref(), &root, &listed).await
    };
    let changed = changed.map_err(|error| failed(&root, error))?;
    let document = Outlook { root, location: listed, pinned, changed };
    if context.printer.is_json() {
        context.printer.json(Exit::Done, &document)?;
    } else {
        let what = match (pinned, changed) {
            (true, true) => "is pinned now",
            (true, false) => "was pinned already",
            (false, true) => "is not pinned any more",
            (false, false) => "was not pinned",
        };
        context.printer.text(|out| writeln!(out, "{} {what}", escaped(&document.location.to_string())))?;
    }
    Ok(Exit::Done)
}

/// Lists the pins.
pub(crate) async fn list(context: &Context) -> Outcome {
    let systems = FileSystems::load(&context.settings)?;
    let roots = context.settings.roots()?;
    let stores = systems.open_for_looking(&roots).await?;
    let mut found: Vec<Pin> = Vec::new();
    for root in &roots {
        let store = stores.of(root)?;
        let pins = pins::read(store.as_ref(), root).await.map_err(|error| failed(root, error))?;
        found.extend(pins.into_iter().map(|location| Pin { root: Some(root.clone()), location }));
    }
    found.extend(context.settings.pins()?.into_iter().map(|location| Pin { root: None, location }));
    if context.printer.is_json() {
        context.printer.json(Exit::Done, &Pins { pins: found })?;
        return Ok(Exit::Done);
    }
    context.printer.text(|out| {
        if found.is_empty() {
            return writeln!(out, "Nothing is pinned.");
        }
        found.iter().try_for_each(|pin| {
            let from = if pin.root.is_none() { " (configuration)" } else { "" };
            writeln!(out, "{}{from}", escaped(&pin.location.to_string()))
        })
    })?;
    Ok(Exit::Done)
}

fn failed(root: &Location, error: PinError) -> Failure {
    Failure::new(Exit::Failed, error).context(format!("the pins in `{}`", pins::file_of(root)))
}
