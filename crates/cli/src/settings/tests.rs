//! The example file and the defaults of the policy say the same.

use std::collections::BTreeSet;

use chksweep_core::Policy;

use super::*;

const EXAMPLE: &str = include_str!("../../../../config/chksweep.example.toml");

fn settings(text: &str) -> Outcome<Settings> {
    let mut merged = file::parse(text, "c.toml", None)?;
    merged.under(Layer::defaults());
    let groups = vec![Group::Common, Group::Places, Group::Policy, Group::Sweep];
    let settings = Settings { merged, groups, file: None, file_is_named: false, profile: None, here: None };
    settings.check()?;
    Ok(settings)
}

#[test]
fn defaults_are_those_of_the_policy() {
    assert_eq!(settings("").unwrap().policy().unwrap(), Policy::default());
}

/// Takes the example with every commented setting brought to life: `# key = value` and `#[table]`.
fn uncommented() -> String {
    EXAMPLE.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line)).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        },
    )
}

#[test]
fn the_example_sets_nothing_as_it_is() {
    assert_eq!(file::parse(EXAMPLE, "example", None).unwrap(), Layer::default());
}

#[test]
fn the_example_has_every_key_and_its_default() {
    let layer = file::parse(&uncommented(), "example", None).unwrap();
    let defaults = Layer::defaults();
    let mut missing = BTreeSet::new();
    for key in KEYS.iter().filter(|key| key.kind != Kind::NotYet) {
        match (layer.get(key.flag), defaults.get(key.flag)) {
            (None, _) => {
                missing.insert(key.file);
            }
            (Some(given), Some(default)) => assert_eq!(given.texts, default.texts, "{}", key.file),
            (Some(_), None) => {}
        }
    }
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn the_example_is_valid_as_a_whole() {
    let layer = file::parse(&uncommented(), "example", Some("nightly")).unwrap();
    assert!(layer.get("root").is_some());
    settings(&uncommented()).unwrap();
}

#[test]
fn a_min_age_below_the_floor_names_the_way_out() {
    let failure = settings("min-age = \"10m\"").unwrap_err();
    assert_eq!(failure.error.to_string(), "c.toml:1: `min-age` of 10m is below the floor of 1h");
    assert!(failure.hints[0].contains("--unsafe-min-age 10m"));
    let policy = settings("unsafe-min-age = \"10m\"").unwrap().policy().unwrap();
    assert_eq!(policy.min_age, chksweep_core::Age::minutes(10));
}

#[test]
fn what_is_not_available_is_refused() {
    let mut layer = file::parse("ha-dirs = [\"hdfs:///ha\"]", "c.toml", None).unwrap();
    layer.under(Layer::defaults());
    let failure = layer.refuse_not_yet(&[Group::Policy]).unwrap_err();
    assert_eq!(
        failure.error.to_string(),
        "`--ha-dir` is not available in this version, and it is set by c.toml:1: leave it out"
    );
}
