//! Expands `${…}` as Hadoop's `Configuration` does: twenty substitutions, the innermost first.

use std::collections::BTreeMap;

use super::site::RawProperty;

/// Hadoop's own limit; what needs more goes in a circle.
const MAX_SUBSTITUTIONS: usize = 20;

/// The value goes in a circle or is nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endless;

/// Reads an environment variable.
pub(super) type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Returns the value with all variables replaced. One that nobody defines is left as it stands, as Hadoop does.
pub(super) fn expand(
    value: &str,
    properties: &BTreeMap<String, RawProperty>,
    environment: &Environment<'_>,
) -> Result<String, Endless> {
    let mut text = value.to_owned();
    for _ in 0..=MAX_SUBSTITUTIONS {
        let Some((before, name, after)) = variable(&text) else { return Ok(text) };
        let Some(found) = lookup(name, properties, environment) else { return Ok(text) };
        if found.contains(&format!("${{{name}}}")) {
            return Err(Endless);
        }
        text = [before, &found, after].concat();
    }
    Err(Endless)
}

/// Returns the text before the first variable that holds no other, its name, and the text after it.
fn variable(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find("${") {
        let start = from + at + 2;
        let rest = text.get(start..)?;
        let end = rest.find(['}', '$', ' '])?;
        if end > 0 && rest.get(end..)?.starts_with('}') {
            return Some((text.get(..start - 2)?, rest.get(..end)?, rest.get(end + 1..)?));
        }
        from = start;
    }
    None
}

fn lookup(
    name: &str,
    properties: &BTreeMap<String, RawProperty>,
    environment: &Environment<'_>,
) -> Option<String> {
    let special = match name.strip_prefix("env.") {
        Some(variable) if !variable.is_empty() => from_environment(variable, environment),
        Some(_) | None => system_property(name, environment),
    };
    special.or_else(|| properties.get(name).map(|property| property.value.clone()))
}

/// Reads `NAME`, `NAME-default` (when not set) or `NAME:-default` (when not set or empty).
fn from_environment(variable: &str, environment: &Environment<'_>) -> Option<String> {
    if let Some((name, default)) = variable.split_once(":-")
        && !name.contains('-')
    {
        return environment(name).filter(|value| !value.is_empty()).or_else(|| Some(default.to_owned()));
    }
    if let Some((name, default)) = variable.split_once('-') {
        return environment(name).or_else(|| Some(default.to_owned()));
    }
    environment(variable)
}

/// The Java system properties that site files mention.
fn system_property(name: &str, environment: &Environment<'_>) -> Option<String> {
    match name {
        "user.name" => environment("USER").or_else(|| environment("LOGNAME")),
        "user.home" => environment("HOME"),
        "java.io.tmpdir" => Some("/tmp".to_owned()),
        _ => None,
    }
}
