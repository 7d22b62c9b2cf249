//! `explain`: why a path is kept, or which rule would take it; of a missing one, which run moved it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chksweep_core::plan::{DeadBy, Evidence, JobSummary, Plan, Rule, Totals, Verdict, Witness};
use chksweep_core::{DirectoryId, Inventory, Location, Timestamp, layout};
use chksweep_engine::journal::Operation;
use serde::Serialize;

use crate::app::Context;
use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::moved::{self, History, Now, SetAside, Sources, Told};
use crate::naming::{self, Naming};
use crate::output::human::{bytes, count, totals};
use crate::output::plan::{short, state};
use crate::printer::escaped;
use crate::scope::Connected;
use crate::stores::FileSystems;
use crate::{location, roots};

/// How many who name a path are printed; `--format json` has all.
const NAMINGS: usize = 10;
/// How much of what runs did to a path is printed: the last of it.
const TOLD: usize = 10;

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
    /// Where it is now, by the journals.
    now: Option<Now>,
    /// What the journals tell of it, oldest first.
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
    let listed = from_quarantine(&root, &listed).unwrap_or(listed);
    let connected = Connected::of_roots(context, roots)?;
    let stores = connected.open_for_looking().await?;
    let state_dir = connected.scope.state_dir.clone();
    let equivalence = connected.scope.equivalence.clone();
    let sources =
        Sources { stores: &stores, root: &root, state_dir: state_dir.as_deref(), equivalence: &equivalence };
    let planned = match connected.dry_run(context, None).await {
        Ok(planned) => planned,
        Err(failure) => return by_records_alone(context, sources, listed, failure).await,
    };
    let look = &planned.look;
    let plan = planned.plan.plan();
    let found = found(&look.collected.inventory, plan, &listed);
    let named_by = naming::of(&stores, &look.collected.metadata, &equivalence, &listed).await;
    let history = moved::told(sources, &listed, found.is_some()).await;
    warn(context, &history);
    let job = layout::job_of(&listed);
    let document = Document {
        job: plan.summary.jobs.iter().find(|summary| summary.job.is_some() && summary.job == job).cloned(),
        set_aside: moved::set_aside(&look.collected.quarantine, &listed),
        location: listed,
        root: root.clone(),
        found,
        named_by,
        now: history.now,
        history: history.told,
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

/// Tells what the records tell where nothing can be looked at: the root is gone, say, and they lie on this machine.
async fn by_records_alone(
    context: &Context,
    sources: Sources<'_>,
    listed: Location,
    failure: Failure,
) -> Outcome {
    let history = moved::told(sources, &listed, false).await;
    if history.is_empty() {
        return Err(failure);
    }
    context
        .printer
        .warning(&format!("{:#}; what follows is told by the records of runs alone", failure.error));
    warn(context, &history);
    let document = Document {
        location: listed,
        root: sources.root.clone(),
        found: None,
        job: None,
        named_by: Vec::new(),
        set_aside: Vec::new(),
        now: history.now,
        history: history.told,
    };
    if context.printer.is_json() {
        context.printer.json(Exit::Done, &document)?;
    } else {
        context.printer.text(|out| print(out, &document, context.clock.now()))?;
    }
    Ok(Exit::Done)
}

fn warn(context: &Context, history: &History) {
    for warning in &history.warnings {
        context.printer.warning(warning);
    }
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
    print_history(out, document)?;
    if document.found.is_none() && document.set_aside.is_empty() && document.history.is_empty() {
        writeln!(out, "no run that is recorded under {} moved it", escaped(&document.root.to_string()))?;
    }
    Ok(())
}

fn print_history(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    if let Some(now) = &document.now {
        let location = now.location.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let when = now.at.map(|at| format!(", {}", short(at))).unwrap_or_default();
        writeln!(
            out,
            "now: {}{} by run {}{when}",
            state_words(now.state),
            escaped(&location),
            escaped(&now.run)
        )?;
        if let Some(restore) = now.restore.as_ref().filter(|_| document.set_aside.is_empty()) {
            writeln!(out, "  bring it back: {}", escaped(restore))?;
        }
    }
    let earlier = document.history.len().saturating_sub(TOLD);
    if earlier > 0 {
        writeln!(
            out,
            "{}; `--format json` lists all",
            count(u64::try_from(earlier).unwrap_or(u64::MAX), "earlier entry")
        )?;
    }
    for told in document.history.iter().skip(earlier) {
        print_told(out, told, &document.location)?;
    }
    Ok(())
}

const fn state_words(state: moved::State) -> &'static str {
    match state {
        moved::State::InQuarantine => "in quarantine",
        moved::State::Missing => "set aside, and no longer there by no recorded run: set aside",
        moved::State::InTrash => "in the trash",
        moved::State::Restored => "restored",
        moved::State::Rescued => "brought back, since something names it,",
        moved::State::PutBack => "put back",
        moved::State::Purged => "purged",
        moved::State::Deleted => "deleted",
        moved::State::Removed => "removed, empty,",
        moved::State::There => "there again, which no run brought about: taken away before",
        moved::State::Unknown => "not known, left open",
    }
}

fn print_told(out: &mut dyn Write, told: &Told, asked: &Location) -> io::Result<()> {
    let mut line = |text: &str| writeln!(out, "{}", escaped(text));
    let rule = told.rule.map(|rule| format!(" by rule {rule}")).unwrap_or_default();
    let to =
        told.to.as_ref().filter(|_| told.below.is_none()).map(|to| format!(", to {to}")).unwrap_or_default();
    let what = match told.below {
        Some(operations) => format!(" of what lay below it, {}", count(operations, "operation")),
        None => String::new(),
    };
    line(&format!("run {}: {}{what}{rule}: {}{to}", told.run, word(&told.operation), word(&told.outcome)))?;
    if told.below.is_none() && told.from != *asked && told.operation == Operation::QuarantineTree {
        line(&format!("  with all of {}", told.from))?;
    }
    if let Some(at) = told.at.or(told.started_at) {
        let named =
            |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(", {name} {value}"));
        let user = told.user.as_deref().unwrap_or("somebody");
        let mut who = format!("  {} by {user}", short(at));
        who.extend(named("on", &told.host));
        who.extend(told.pid.map(|pid| format!(", process {pid}")));
        who.extend(named("with", &told.tool));
        who.extend(named("command", &told.command));
        who.extend(named("approved by", &told.approved_by));
        who.extend(named("plan", &told.plan_digest));
        line(&who)?;
    }
    if let Some(message) = &told.message {
        line(&format!("  {message}"))?;
    }
    if let Some(rule) = told.rule.filter(|_| told.below.is_none()) {
        line(&format!("  - {}", rule.meaning()))?;
    }
    for sentence in told.evidence.iter().filter(|_| told.below.is_none()).flat_map(sentences) {
        line(&format!("  - {sentence}"))?;
    }
    if let Some(basis) = &told.basis {
        line(&format!(
            "  - {}, {}, read as of {}; digest {}",
            count(basis.metadata_files, "metadata file"),
            bytes(basis.metadata_bytes),
            short(basis.as_of),
            basis.metadata_digest
        ))?;
    }
    Ok(())
}

/// Says what a sweep rested on.
fn sentences(evidence: &Evidence) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(ms) = evidence.age_ms.and_then(|ms| u64::try_from(ms).ok()) {
        out.push(format!("it was {} old", rounded(chksweep_core::Age(ms))));
    }
    let witness = |one: &Witness| {
        format!("checkpoint {} ({}, written {})", one.checkpoint_id, one.path, short(one.mtime))
    };
    out.extend(
        evidence
            .frontier
            .as_ref()
            .map(|one| format!("{} completed after it and did not name it", witness(one))),
    );
    out.extend(evidence.overtaken_by.as_ref().map(|one| format!("{} overtook it", witness(one))));
    out.extend(evidence.beside.as_ref().map(|one| format!("beside it: {}", witness(one))));
    if let Some(dead) = &evidence.dead {
        let how = match dead.by {
            DeadBy::Declared => "declared dead",
            DeadBy::Quiescence => "found dead by its silence",
        };
        let last = dead.last_activity.map(|at| format!(", last activity {}", short(at))).unwrap_or_default();
        let seen =
            dead.same_since.map(|at| format!(", seen unchanged since {}", short(at))).unwrap_or_default();
        out.push(format!("its job in {} was {how}{last}{seen}", dead.directory));
    }
    out.extend(evidence.same_since.map(|at| format!("seen unchanged since {}", short(at))));
    out.extend(evidence.policy.as_ref().map(|policy| format!("policy: {policy}")));
    out
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
