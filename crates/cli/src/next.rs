//! What to type next: command lines that lead on from this one, with what was typed for it.

use std::collections::BTreeMap;

use chksweep_core::plan::{Brake, Summary};

use crate::app::Context;
use crate::settings::Group;

/// Which brakes can be loosened on purpose; the others mean that something is wrong, not that there is much.
const LIMITS: [&str; 4] = ["max-sweep-ratio", "max-sweep-files", "max-sweep-bytes", "max-sweep-jobs"];

/// Returns the command that makes a plan to review.
pub(crate) fn plan(context: &Context) -> String {
    format!("chksweep plan {} -o plan.jsonl.zst", words(context, &[Group::Places, Group::Policy], &[]))
}

/// Returns the command that carries out a plan. Its policy and its aliases are in the plan.
pub(crate) fn apply(context: &Context, file: &str, digest: &str) -> String {
    let options = words(context, &[Group::Sweep], &[]);
    let space = if options.is_empty() { "" } else { " " };
    format!("chksweep apply {} --digest {digest}{space}{options}", quoted(file))
}

/// Tells how to loosen the brakes that hold for a first sweep, on purpose and after a look at the plan.
///
/// `typed` says that the command line holds all that the plan was made from; else only its roots are known.
pub(crate) fn first_sweep(context: &Context, summary: &Summary, brakes: &[Brake], typed: bool) {
    let mut loosened: BTreeMap<&str, String> = BTreeMap::new();
    for brake in brakes {
        let Some(limit) = LIMITS.iter().find(|limit| **limit == brake.limit) else { return };
        let value = match *limit {
            "max-sweep-ratio" => "1".to_owned(),
            "max-sweep-files" => summary.decisions.sweep.files.to_string(),
            "max-sweep-bytes" => summary.decisions.sweep.bytes.to_string(),
            _ => summary.jobs.len().to_string(),
        };
        loosened.insert(limit, value);
    }
    if loosened.is_empty() {
        return;
    }
    let loosened: Vec<(&str, String)> = loosened.into_iter().collect();
    let options = if typed {
        words(context, &[Group::Places, Group::Policy], &loosened)
    } else {
        let roots = summary.roots.iter().map(|root| quoted(root));
        let limits = loosened.iter().map(|(limit, value)| format!("--{limit}={value}"));
        roots.chain(["…".to_owned()]).chain(limits).collect::<Vec<_>>().join(" ")
    };
    context.printer.hint(&format!(
        "for a first, reviewed sweep: `chksweep plan {options} -o first.jsonl.zst`, then `{}`",
        apply(context, "first.jsonl.zst", "SHA256")
    ));
}

/// Returns the options and roots of this command line, with some limits replaced.
fn words(context: &Context, groups: &[Group], replaced: &[(&str, String)]) -> String {
    let typed = context.settings.typed(groups);
    let kept = typed.iter().filter(|(flag, _)| !replaced.iter().any(|(limit, _)| flag == limit));
    let mut words: Vec<String> = Vec::new();
    for (flag, value) in kept {
        if *flag == "root" {
            words.push(quoted(value));
        } else {
            words.push(format!("--{flag}={}", quoted(value)));
        }
    }
    words.extend(replaced.iter().map(|(limit, value)| format!("--{limit}={value}")));
    words.join(" ")
}

/// Returns a word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
