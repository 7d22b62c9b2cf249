//! Whether the record of each run tells the truth: read as plain JSON, with none of chksweep's code, and held against
//! every change that was seen to happen.
//!
//! 1. What a run changes it has announced, in its record under every root, before it does it.
//! 2. What it says was done, was done by it; what it says was not, was not. Of what it cannot tell it says so.
//! 3. Once it has ended, it has told the outcome of each change.
//! 4. What lies in a quarantine, the record of its run tells of, and what is told to be gone is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use chksweep_core::Location;
use chksweep_store::Call;

use crate::flink::World;
use crate::oracle::files_of;

/// What was seen of a run.
#[derive(Debug, Default)]
struct Seen {
    /// What it tried to change.
    tried: BTreeSet<String>,
    /// What it changed.
    changed: BTreeSet<String>,
}

/// What was seen of each run.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Where records lie.
    roots: Vec<String>,
    runs: BTreeMap<String, Seen>,
    lies: Vec<String>,
}

impl Ledger {
    pub(crate) fn new(roots: Vec<String>) -> Self {
        Self { roots, runs: BTreeMap::new(), lies: Vec::new() }
    }

    /// Notes that a run makes a call, which may not arrive.
    pub(crate) fn tries(&mut self, run: &str, path: &Location) {
        self.runs.entry(run.to_owned()).or_default().tried.insert(plain(&path.to_string()));
    }

    /// Notes a change, which must have been announced. Of its own directories a run says nothing.
    pub(crate) fn saw(&mut self, run: &str, call: Call, path: &Location, world: &World) {
        let path = plain(&path.to_string());
        if call == Call::RemoveDirectory && path.contains("/.chksweep") {
            return;
        }
        // A directory that was moved too early is put back, if need be by a later run.
        let moved_before = |record: &String| announces(world, record, &path, "to");
        let everywhere = self
            .roots
            .iter()
            .all(|root| announces(world, &format!("{root}/.chksweep/runs/{run}.jsonl"), &path, "from"));
        let is_back = || files_of(world).iter().filter(|path| is_record(path)).any(moved_before);
        if !everywhere && !is_back() {
            self.lies.push(format!("{run} changed {path} and had not announced it: {call:?}"));
        }
        self.runs.entry(run.to_owned()).or_default().changed.insert(path);
    }

    /// Returns what is wrong with the records.
    pub(crate) fn lies(&mut self, world: &World) -> Vec<String> {
        let mut lies = std::mem::take(&mut self.lies);
        lies.extend(lies_of(world, &self.runs));
        lies
    }
}

fn is_record(path: &str) -> bool {
    path.contains("/.chksweep/runs/") && path.ends_with("jsonl")
}

/// Whether a record has an intent with this path.
fn announces(world: &World, record: &str, path: &str, field: &str) -> bool {
    let Some(bytes) = world.memory.contents(record) else { return false };
    let wanted = format!("\"{field}\":\"hdfs://ns{path}\"");
    let text = String::from_utf8_lossy(&bytes);
    text.lines().any(|line| line.contains("\"record\":\"intent\"") && line.contains(&wanted))
}

fn lies_of(world: &World, runs: &BTreeMap<String, Seen>) -> Vec<String> {
    let none = Seen::default();
    let files = files_of(world);
    let mut lies = Vec::new();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files.iter().filter(|path| is_record(path)) {
        let Some(bytes) = world.memory.contents(path) else { continue };
        let lines = match chained(&bytes) {
            Ok(lines) => lines,
            Err(why) => {
                lies.push(format!("{path}: {why}"));
                continue;
            }
        };
        let run = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".jsonl").to_owned();
        let seen = runs.get(&run).unwrap_or(&none);
        let wrong = misreported(&lines, world).into_iter().chain(mistaken(&lines, seen));
        lies.extend(wrong.map(|why| format!("{path}: {why}")));
        told.entry(run).or_default().extend(intended(&lines));
    }
    // What lies in a quarantine was announced before it was moved there.
    for path in &files {
        let Some((_, rest)) = path.split_once("/.chksweep/quarantine/") else { continue };
        let Some((run, _)) = rest.split_once('/') else { continue };
        let is_told = |to: &String| path == to || path.starts_with(&format!("{to}/"));
        if !told.get(run).is_some_and(|to| to.iter().any(is_told)) {
            lies.push(format!("{path} lies there and no record of its run says so"));
        }
    }
    lies
}

fn plain(location: &str) -> String {
    location.trim_start_matches("hdfs://ns").to_owned()
}

/// Parses the lines of a record, each of which must carry the digest of the one before. A torn end is no lie.
fn chained(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut before = "0".repeat(64);
    let mut lines = Vec::new();
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        let value: Value = match serde_json::from_slice(line) {
            Ok(value) => value,
            Err(error) => return Err(format!("line {} is no JSON: {error}", number + 1)),
        };
        if value.get("prev").and_then(Value::as_str) != Some(before.as_str()) {
            return Err(format!("line {} does not follow from the one before", number + 1));
        }
        before = hex(&Sha256::digest(line));
        lines.push(value);
    }
    Ok(lines)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

fn of_kind<'l>(lines: &'l [Value], kind: &'l str) -> impl Iterator<Item = &'l Value> {
    lines.iter().filter(move |line| line.get("record").and_then(Value::as_str) == Some(kind))
}

fn field(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(plain)
}

fn intended(lines: &[Value]) -> Vec<String> {
    let paths = of_kind(lines, "intent").filter_map(|line| line.get("paths").and_then(Value::as_array));
    paths.flatten().filter_map(|path| field(path, "to")).collect()
}

/// What a run says became of a path must be what was seen of it. Who removed what is gone after a call without an answer,
/// nobody can tell.
fn mistaken(lines: &[Value], seen: &Seen) -> Vec<String> {
    let changed = &seen.changed;
    let mut lies = Vec::new();
    let mut told = BTreeSet::new();
    for line in of_kind(lines, "operation").chain(of_kind(lines, "rescue")) {
        let from = field(line, "from").unwrap_or_default();
        let outcome = field(line, "outcome").unwrap_or_default();
        let to = field(line, "to");
        match outcome.as_str() {
            "done" | "put-back"
                if !(changed.contains(&from) || (to.is_none() && seen.tried.contains(&from))) =>
            {
                lies.push(format!("{from} is told as {outcome} and nobody touched it"));
            }
            "failed" | "changed" | "not-empty" | "not-started" | "already-gone"
                if changed.contains(&from) =>
            {
                lies.push(format!("{from} is told as {outcome} and was taken"));
            }
            _ => {}
        }
        told.extend([Some(from), to].into_iter().flatten());
    }
    if of_kind(lines, "end").next().is_some() {
        let untold = changed.iter().filter(|path| !told.contains(*path));
        lies.extend(untold.map(|path| format!("{path} was changed, and no line tells what became of it")));
    }
    lies
}

/// What a record says was done to a file for good must be so: who says purged or deleted, must not find it there.
fn misreported(lines: &[Value], world: &World) -> Vec<String> {
    let mut lies = Vec::new();
    for line in of_kind(lines, "operation") {
        let (operation, outcome) = (field(line, "operation"), field(line, "outcome"));
        let (Some(operation), Some(outcome)) = (operation, outcome) else {
            lies.push(format!("an operation without a name or outcome: {line}"));
            continue;
        };
        if outcome != "done" {
            continue;
        }
        let from = field(line, "from").unwrap_or_default();
        let is_gone_for_good = matches!(operation.as_str(), "delete" | "trash" | "purge");
        if is_gone_for_good && world.memory.contents(&from).is_some() {
            lies.push(format!("{from} is told as {operation} and is there"));
        }
        if operation == "quarantine" && line.get("rule").is_none_or(Value::is_null) {
            lies.push(format!("{from} was set aside and no rule is told"));
        }
    }
    lies
}
