//! `explain`: why a path is kept, or which rule would take it; of a missing one, which run moved it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chksweep_core::plan::{JobSummary, Plan, Rule, Totals, Verdict};
use chksweep_core::{DirectoryId, Inventory, Location, Timestamp, layout};
use serde::Serialize;

use crate::app::Context;
use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::moved::{self, SetAside, Told};
use crate::naming::{self, Naming};
use crate::output::human::{bytes, count, totals};
use crate::output::plan::{short, state};
use crate::printer::escaped;
use crate::scope::Connected;
use crate::stores::FileSystems;
use crate::{location, roots};

/// How many who name a path are printed; `--format json` has all.
const NAMINGS: usize = 10;

/// The document of `explain`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    location: Location,
    root: Location,
    /// What it is; nothing where it is not there.
    found: Option<Found>,
    job: Option<JobSummary>,
    named_by: Vec<Naming>,
    /// What lies in quarantine of it.
    set_aside: Vec<SetAside>,
    /// What the journals tell of it.
    history: Vec<Told>,
}

/// What a path is, and what would become of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    r#type: &'static str,
    decision: chksweep_core::plan::Decision,
    rule: Rule,
    meaning: &'static str,
    until: Option<Timestamp>,
    mtime: Timestamp,
    #[serde(flatten)]
    totals: Totals,
    /// Of a directory: how often each rule takes something below it.
    rules: BTreeMap<Rule, u64>,
    /// What the decision rests on, in sentences.
    evidence: Vec<String>,
}

/// Explains one path.
pub(crate) async fn run(args: &ExplainArgs, context: &Context) -> Outcome {
    let here = context.settings.here.as_deref();
    let asked = location::parse_openable(&args.location, here).map_err(Failure::usage)?;
    let systems = FileSystems::load(&context.settings)?;
    let roots = roots::around(context, &systems, &asked).await?;
    let Some((root, listed)) = roots::within(&roots, &systems.equivalence, &asked) else {
        return Err(roots::outside(&roots, &asked));
    };
    let connected = Connected::of_roots(context, roots)?;
    let stores = connected.open_for_looking().await?;
    let planned = connected.dry_run(context, None).await?;
    let look = &planned.look;
    let plan = planned.plan.plan();
    let listed = from_quarantine(&root, &listed).unwrap_or(listed);
    let found = found(&look.collected.inventory, plan, &listed);
    let equivalence = &look.scope.equivalence;
    let named_by = naming::of(&stores, &look.collected.metadata, equivalence, &listed).await;
    let history = match found {
        Some(_) => Vec::new(),
        None => moved::told(&stores, &root, &listed).await,
    };
    let job = layout::job_of(&listed);
    let document = Document {
        job: plan.summary.jobs.iter().find(|summary| summary.job.is_some() && summary.job == job).cloned(),
        set_aside: moved::set_aside(&look.collected.quarantine, &listed),
        location: listed,
        root,
        found,
        named_by,
        history,
    };
    let document = with_evidence(document, plan, look.collected.metadata.len());
    let exit = if plan.held_by_unreadable { Exit::Unreadable } else { Exit::Done };
    context.done_looking();
    if context.printer.is_json() {
        context.printer.json(exit, &document)?;
    } else {
        context.printer.text(|out| print(out, &document, plan.summary.as_of))?;
    }
    Ok(exit)
}

/// Returns where a path in a quarantine came from.
fn from_quarantine(root: &Location, path: &Location) -> Option<Location> {
    let rest = path.below(&chksweep_engine::own::quarantine_directory(root))?;
    let slash = rest.iter().position(|b| *b == b'/')?;
    let rest = rest.get(slash + 1..).filter(|rest| !rest.is_empty())?;
    Some(root.child(rest))
}

fn found(inventory: &Inventory, plan: &Plan, listed: &Location) -> Option<Found> {
    if let Some((_, id)) = inventory.find(listed) {
        let file = inventory.file(id);
        let mut totals = Totals::default();
        totals.add_file(file);
        let kind = if file.regular { "file" } else { "other" };
        return Some(described(kind, plan.decisions.file(id), file.modified, totals, BTreeMap::new()));
    }
    let id = inventory.find_directory(listed)?;
    let mut totals = Totals::default();
    let mut rules = BTreeMap::new();
    add_below(inventory, plan, id, &mut totals, &mut rules);
    let verdict = plan.decisions.directory(id);
    Some(described("directory", verdict, inventory.directory(id).modified, totals, rules))
}

fn described(
    kind: &'static str,
    verdict: Verdict,
    mtime: Timestamp,
    totals: Totals,
    rules: BTreeMap<Rule, u64>,
) -> Found {
    Found {
        r#type: kind,
        decision: verdict.decision(),
        rule: verdict.rule,
        meaning: verdict.rule.meaning(),
        until: verdict.until_time(),
        mtime,
        totals,
        rules,
        evidence: Vec::new(),
    }
}

fn add_below(
    inventory: &Inventory,
    plan: &Plan,
    id: DirectoryId,
    totals: &mut Totals,
    rules: &mut BTreeMap<Rule, u64>,
) {
    for (file_id, file) in inventory.files_of(id) {
        totals.add_file(file);
        *rules.entry(plan.decisions.file(file_id).rule).or_insert(0) += 1;
    }
    for child in inventory.children_of(id) {
        *rules.entry(plan.decisions.directory(*child).rule).or_insert(0) += 1;
        add_below(inventory, plan, *child, totals, rules);
    }
}

/// Says what the decision rests on.
fn with_evidence(mut document: Document, plan: &Plan, metadata_files: usize) -> Document {
    let policy = &plan.header.policy;
    let as_of = plan.summary.as_of;
    let mut evidence = Vec::new();
    let Some(found) = &document.found else { return document };
    let young = as_of.since(found.mtime) <= policy.min_age;
    let than = if young { "younger" } else { "older" };
    evidence.push(format!(
        "modified {}, {} ago: {than} than min-age, {}",
        short(found.mtime),
        rounded(as_of.since(found.mtime)),
        policy.min_age
    ));
    if document.named_by.is_empty() {
        evidence.push(format!("metadata files read: {metadata_files}; none names it"));
    }
    if let Some(job) = &document.job {
        let newest = job.newest.as_ref().map_or_else(
            || "no completed checkpoint".to_owned(),
            |newest| {
                format!("newest completed checkpoint {} at {}", newest.checkpoint_id, short(newest.mtime))
            },
        );
        let activity =
            job.last_activity.map(|at| format!(", last activity {}", short(at))).unwrap_or_default();
        evidence.push(format!("its job is {}: {newest}{activity}", state(job.state)));
    }
    if let Some(found) = &mut document.found {
        found.evidence = evidence;
    }
    document
}

/// Returns an age in its two largest units.
fn rounded(age: chksweep_core::Age) -> String {
    let text = age.to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn print(out: &mut dyn Write, document: &Document, as_of: Timestamp) -> io::Result<()> {
    writeln!(out, "{}", escaped(&document.location.to_string()))?;
    match &document.found {
        Some(found) => print_found(out, found, as_of)?,
        None => writeln!(out, "  is not there")?,
    }
    print_namings(out, &document.named_by)?;
    for aside in &document.set_aside {
        let when = aside.started_at.map(|at| format!(", which started {}", short(at))).unwrap_or_default();
        writeln!(out, "set aside by run {}{when}:", aside.run)?;
        writeln!(
            out,
            "  {}, {} at {}",
            count(aside.files, "file"),
            bytes(aside.bytes),
            escaped(&aside.location.to_string())
        )?;
        writeln!(out, "  bring it back: {}", escaped(&aside.restore))?;
    }
    for told in &document.history {
        let rule = told.rule.map(|rule| format!(" by rule {rule}")).unwrap_or_default();
        let to = told.to.as_ref().map(|to| format!(", to {}", escaped(&to.to_string()))).unwrap_or_default();
        writeln!(out, "run {}: {}{rule}: {}{to}", told.run, word(&told.operation), word(&told.outcome))?;
    }
    if document.found.is_none() && document.set_aside.is_empty() && document.history.is_empty() {
        writeln!(out, "no run that is recorded under {} moved it", escaped(&document.root.to_string()))?;
    }
    Ok(())
}

/// Returns the word that stands for a value in JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn print_found(out: &mut dyn Write, found: &Found, as_of: Timestamp) -> io::Result<()> {
    use chksweep_core::plan::Decision;
    let size = if found.r#type == "directory" { totals(found.totals) } else { bytes(found.totals.bytes) };
    writeln!(out, "  {}, {size}", found.r#type)?;
    let decision = match found.decision {
        Decision::Sweep => "would be swept",
        Decision::Keep => "kept",
        Decision::Defer => "not yet decided",
        Decision::Skip => "left alone",
    };
    let until = match found.until {
        Some(until) if until > as_of => format!(", until {}", short(until)),
        Some(_) | None => String::new(),
    };
    writeln!(out, "  {decision}: {} [{}]{until}", found.meaning, found.rule)?;
    for sentence in &found.evidence {
        writeln!(out, "  - {}", escaped(sentence))?;
    }
    if !found.rules.is_empty() {
        writeln!(out, "below it:")?;
        for (rule, number) in &found.rules {
            writeln!(out, "  {number:>8} {rule}: {}", rule.meaning())?;
        }
    }
    Ok(())
}

fn print_namings(out: &mut dyn Write, namings: &[Naming]) -> io::Result<()> {
    if namings.is_empty() {
        return Ok(());
    }
    writeln!(out, "named by:")?;
    for naming in namings.iter().take(NAMINGS) {
        let job = naming.job.map(|job| format!(" of job {job}")).unwrap_or_default();
        let quarantined = if naming.quarantined { ", in quarantine" } else { "" };
        writeln!(out, "  {}", escaped(&naming.metadata.to_string()))?;
        writeln!(out, "    checkpoint {}{job}{quarantined}, {}", naming.checkpoint_id, naming.via.words())?;
        for handle in &naming.handles {
            let name = handle.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
            writeln!(
                out,
                "    operator {}{} › subtask {} › {} › {}",
                handle.operator,
                escaped(&name),
                handle.subtask,
                handle.state,
                handle.handles.join(" › ")
            )?;
        }
    }
    match namings.len().checked_sub(NAMINGS) {
        Some(more) if more > 0 => writeln!(out, "  and {more} more; `--format json` lists all"),
        Some(_) | None => Ok(()),
    }
}
