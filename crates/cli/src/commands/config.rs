//! `config show`: what holds, and where each value comes from.

use std::collections::BTreeMap;

use chksweep_core::location::printable;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::table::{Column, Rows};
use crate::settings::{Given, Kind};

/// The document of `config show`.
#[derive(Debug, Serialize)]
struct Shown {
    /// The file that was read.
    config: Option<String>,
    /// The profile of it.
    profile: Option<String>,
    /// Every setting, by its key in the file.
    settings: BTreeMap<&'static str, Setting>,
}

/// One setting.
#[derive(Debug, Serialize)]
struct Setting {
    /// Its value as text; a list where it may be given more than once; nothing where it is not set.
    value: serde_json::Value,
    /// Where it comes from: `default`, a variable, a flag, or `FILE:LINE`; nothing where it is not set.
    origin: Option<String>,
    /// The environment variable that sets it.
    variable: String,
}

/// Prints the merged settings.
pub(crate) fn show(context: &Context) -> Outcome {
    if context.printer.is_json() {
        context.printer.json(Exit::Done, &document(context))?;
        return Ok(Exit::Done);
    }
    let shown = document(context);
    let mut rows = Rows::new(&[Column::Left("KEY"), Column::Left("VALUE"), Column::Left("FROM")]);
    for (key, setting) in &shown.settings {
        let value = match &setting.value {
            serde_json::Value::Null => "-".to_owned(),
            serde_json::Value::Array(texts) => {
                texts.iter().filter_map(|text| text.as_str()).collect::<Vec<_>>().join(", ")
            }
            serde_json::Value::String(text) => text.clone(),
            other @ (serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::Object(_)) => other.to_string(),
        };
        rows.add([(*key).to_owned(), value, setting.origin.clone().unwrap_or_default()]);
    }
    context.printer.text(|out| {
        writeln!(out, "configuration file: {}", shown.config.as_deref().unwrap_or("none"))?;
        if let Some(profile) = &shown.profile {
            writeln!(out, "profile: {profile}")?;
        }
        writeln!(out)?;
        rows.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
    })?;
    Ok(Exit::Done)
}

fn document(context: &Context) -> Shown {
    let settings = context
        .settings
        .all()
        .filter(|(key, _)| key.kind != Kind::NotYet)
        .map(|(key, given)| {
            let origin = given.map(|given| given.origin.to_string());
            (key.file, Setting { value: value(key.list, given), origin, variable: key.variable() })
        })
        .collect();
    let config = context.settings.file.as_ref().map(|path| path.display().to_string());
    Shown { config, profile: context.settings.profile.clone(), settings }
}

fn value(list: bool, given: Option<&Given>) -> serde_json::Value {
    let texts = given.map(|given| given.texts.iter().map(|text| printable(text.as_bytes()).into_owned()));
    match (texts, list) {
        (None, _) => serde_json::Value::Null,
        (Some(texts), true) => texts.collect(),
        (Some(mut texts), false) => texts.next().into(),
    }
}
