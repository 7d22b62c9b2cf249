//! The flags of the command line, made from the table of settings.

use std::ffi::OsString;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::keys::{Group, KEYS, Key, Kind};
use super::layer::{Layer, Origin};
use super::value;

/// Makes a type that stands for the flags of one group in the arguments of a command.
macro_rules! flags_of {
    ($(#[$doc:meta])* $name:ident, $group:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name(pub(crate) Layer);

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                command.args(arguments($group))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(layer($group, matches)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = layer($group, matches);
                Ok(())
            }
        }
    };
}

flags_of!(
    /// The flags that every command takes.
    CommonFlags,
    Group::Common
);
flags_of!(
    /// The flags of commands that read metadata.
    PlacesFlags,
    Group::Places
);
flags_of!(
    /// The flags of commands that plan.
    PolicyFlags,
    Group::Policy
);
flags_of!(
    /// The flags of commands that carry a plan out.
    SweepFlags,
    Group::Sweep
);

fn arguments(group: Group) -> impl Iterator<Item = Arg> {
    KEYS.iter().filter(move |key| key.group == group && key.flag != "root").map(argument)
}

fn argument(key: &'static Key) -> Arg {
    let heading = match key.group {
        Group::Common => "Common options",
        Group::Places | Group::Policy => "Policy",
        Group::Sweep => "Carrying out",
    };
    let default = key.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
    let arg = Arg::new(key.flag)
        .long(key.flag)
        .value_name(key.value)
        .help(format!("{}{default} [env: {}]", key.help, key.variable()))
        .help_heading(heading)
        .action(if key.list { ArgAction::Append } else { ArgAction::Set })
        .value_parser(parser(key.kind))
        .hide(key.kind == Kind::NotYet)
        .global(key.group == Group::Common);
    let arg = if key.flag == "define" { arg.short('D') } else { arg };
    match key.kind {
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Path => arg.value_hint(ValueHint::AnyPath),
        Kind::Age
        | Kind::Bytes
        | Kind::Number
        | Kind::Share
        | Kind::Bool
        | Kind::Choice(_)
        | Kind::Job
        | Kind::DeadJob
        | Kind::Location
        | Kind::Alias
        | Kind::Property
        | Kind::Retention
        | Kind::Unreadable
        | Kind::Text
        | Kind::NotYet => arg,
    }
}

fn parser(kind: Kind) -> ValueParser {
    match kind {
        Kind::Choice(words) => PossibleValuesParser::new(words.iter().copied()).into(),
        Kind::Switch | Kind::Bool => PossibleValuesParser::new(["true", "false"]).into(),
        Kind::Age
        | Kind::Bytes
        | Kind::Number
        | Kind::Share
        | Kind::Job
        | Kind::DeadJob
        | Kind::Location
        | Kind::Alias
        | Kind::Property
        | Kind::Retention
        | Kind::Unreadable
        | Kind::Path
        | Kind::Text
        | Kind::NotYet => clap::builder::OsStringValueParser::new()
            .try_map(move |text: OsString| value::check(kind, &text).map(|()| text))
            .into(),
    }
}

/// Reads the flags of a group that were typed.
fn layer(group: Group, matches: &ArgMatches) -> Layer {
    let mut layer = Layer::default();
    for key in KEYS.iter().filter(|key| key.group == group) {
        let known = matches.try_contains_id(key.flag).unwrap_or(false);
        if !known || matches.value_source(key.flag) != Some(ValueSource::CommandLine) {
            continue;
        }
        let texts =
            matches.get_raw(key.flag).map(|raw| raw.map(OsString::from).collect()).unwrap_or_default();
        layer.set(key, texts, Origin::Flag(format!("--{}", key.flag)));
    }
    layer
}
