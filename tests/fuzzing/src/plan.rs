//! The plan file, plain and compressed.

use std::collections::BTreeMap;

use chksweep_core::plan::{
    Brake, DecisionTotals, Entry, EntryKind, Header, InQuarantine, JobState, JobSummary, MetadataStamp,
    Newest, PlanFile, PlanFileError, PlanFileWriter, Problem, Rule, SCHEMA, Severity, Summary, Totals,
    Verdict, WhatIf,
};
use chksweep_core::policy::{AcceptedUnreadable, Brakes, DeadJob, OnUnreadable, RetentionRule};
use chksweep_core::{Age, JobId, Location, Policy, Timestamp, visible};
use chksweep_pipeline::read_plan;

use super::draw::Draw;

/// What is read is written and read again as the same; anything else is refused. Compressed or not. The digest is no
/// obstacle, as it is none to whoever forges a plan.
pub fn plan_read(bytes: &[u8]) {
    let first = match read_plan(bytes, |_| true) {
        Err(PlanFileError::Digest { expected, found }) => {
            let text = String::from_utf8_lossy(bytes);
            let Some((before, after)) = text.rsplit_once(&expected).filter(|_| !expected.is_empty()) else {
                return;
            };
            read_plan([before, &found, after].concat().as_bytes(), |_| true)
        }
        first => first,
    };
    let Ok(first) = first else { return };
    let written = write(&first);
    let second = read_plan(written.as_slice(), |_| true).unwrap();
    assert_same(&first, &second);
    assert_eq!(written, write(&second));
}

/// What is written, whatever it is, is read as the same, shows nothing hidden, and is noticed when it is cut short.
pub fn plan_write(input: &[u8]) {
    let mut draw = Draw(input);
    let cut = usize::try_from(draw.number(2)).unwrap();
    let plan = plan(&mut draw);
    let mut written = write(&plan);
    assert!(!std::str::from_utf8(&written).unwrap().contains(|c| c != '\n' && visible::is_hidden(c)));
    let read = read_plan(written.as_slice(), |_| true).unwrap();
    assert_same(&plan, &read);
    let compressed = zstd::encode_all(written.as_slice(), 1).unwrap();
    assert_same(&plan, &read_plan(compressed.as_slice(), |_| true).unwrap());
    // The line end of the last line is not missed.
    written.truncate(cut % (written.len() - 1));
    assert!(read_plan(written.as_slice(), |_| true).is_err());
}

fn write(plan: &PlanFile) -> Vec<u8> {
    let mut writer = PlanFileWriter::new(Vec::new(), &plan.header).unwrap();
    for entry in &plan.entries {
        writer.entry(entry).unwrap();
    }
    writer.finish(&plan.summary).unwrap().1
}

/// Times before 1970 and after 9999 have no form in a plan file; they are compared as they are printed.
fn assert_same(a: &PlanFile, b: &PlanFile) {
    assert_eq!(format!("{:?}", a.header), format!("{:?}", b.header));
    assert_eq!(format!("{:?}", a.summary), format!("{:?}", b.summary));
    assert_eq!(a.entries.len(), b.entries.len());
    for (a, b) in a.entries.iter().zip(&b.entries) {
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_eq!(a.path, b.path);
    }
}

fn plan(draw: &mut Draw<'_>) -> PlanFile {
    let header = header(draw);
    let summary = summary(draw);
    let mut entries = BTreeMap::new();
    while !draw.is_done() {
        let entry = entry(draw);
        entries.insert(entry.path.clone(), entry);
    }
    PlanFile { header, entries: entries.into_values().collect(), summary, sha256: String::new() }
}

fn time(draw: &mut Draw<'_>) -> Timestamp {
    Timestamp(i64::from_be_bytes(draw.number(8).to_be_bytes()))
}

fn age(draw: &mut Draw<'_>) -> Age {
    Age(draw.number(5))
}

fn job(draw: &mut Draw<'_>) -> JobId {
    JobId::parse(format!("{:032x}", draw.number(4)).as_bytes()).unwrap()
}

fn list<'a, T>(draw: &mut Draw<'a>, make: impl Fn(&mut Draw<'a>) -> T) -> Vec<T> {
    (0..draw.below(4)).map(|_| make(draw)).collect()
}

fn ratio(draw: &mut Draw<'_>) -> f64 {
    let ratio = f64::from_bits(draw.number(8));
    if ratio.is_finite() { ratio } else { 0.5 }
}

fn header(draw: &mut Draw<'_>) -> Header {
    Header {
        schema: SCHEMA,
        tool: draw.text(),
        run_id: draw.text(),
        created_at: time(draw),
        as_of: time(draw),
        roots: list(draw, Draw::text),
        reference_roots: list(draw, Draw::text),
        policy: policy(draw),
        equivalence: list(draw, Draw::text),
        brakes: list(draw, |draw| Brake {
            limit: draw.text(),
            root: draw.option(Draw::text),
            message: draw.text(),
        }),
        metadata: list(draw, |draw| MetadataStamp {
            path: draw.text(),
            bytes: draw.number(8),
            mtime: time(draw),
        }),
    }
}

fn policy(draw: &mut Draw<'_>) -> Policy {
    if !draw.coin() {
        return Policy::default();
    }
    let count = |draw: &mut Draw<'_>| u32::try_from(draw.number(4)).unwrap();
    Policy {
        min_age: age(draw),
        frontier_slack: age(draw),
        quiescent_after: age(draw),
        trust_quiescence: draw.coin(),
        dead_jobs: list(draw, |draw| match draw.below(2) {
            0 => DeadJob::Id(job(draw)),
            _ => DeadJob::Path(draw.text()),
        }),
        keep_last: draw.option(count),
        keep_within: draw.option(age),
        savepoint_keep_last: draw.option(count),
        savepoint_keep_within: draw.option(age),
        expire_jobs_after: draw.option(age),
        rules: list(draw, |draw| RetentionRule {
            matches: draw.text(),
            keep_last: draw.option(count),
            keep_within: draw.option(age),
            savepoint_keep_last: None,
            savepoint_keep_within: None,
            expire_jobs_after: draw.option(age),
            one_job: draw.coin(),
        }),
        incomplete_savepoints: draw.coin(),
        unreadable: if draw.coin() { OnUnreadable::Isolate } else { OnUnreadable::Block },
        accept_unreadable: list(draw, |draw| AcceptedUnreadable {
            path: draw.text(),
            bytes: draw.number(8),
            mtime: time(draw),
        }),
        no_ha: draw.coin(),
        max_dangling: ratio(draw),
        jobs: list(draw, job),
        brakes: Brakes { max_sweep_ratio: ratio(draw), ..Brakes::default() },
    }
}

fn totals(draw: &mut Draw<'_>) -> Totals {
    Totals { files: draw.number(8), bytes: draw.number(8), disk_bytes: draw.option(|draw| draw.number(8)) }
}

fn all_totals(draw: &mut Draw<'_>) -> DecisionTotals {
    DecisionTotals { sweep: totals(draw), keep: totals(draw), defer: totals(draw), skip: totals(draw) }
}

fn summary(draw: &mut Draw<'_>) -> Summary {
    Summary {
        run_id: draw.text(),
        as_of: time(draw),
        roots: list(draw, Draw::text),
        decisions: all_totals(draw),
        jobs: list(draw, |draw| JobSummary {
            job: draw.option(job),
            name: draw.option(Draw::text),
            directories: list(draw, Draw::text),
            checkpoints: draw.number(8),
            newest: draw.option(|draw| Newest {
                path: draw.text(),
                checkpoint_id: time(draw).0,
                mtime: time(draw),
            }),
            state: draw.option(|draw| if draw.coin() { JobState::Living } else { JobState::Dead }),
            last_activity: draw.option(time),
            decisions: all_totals(draw),
        }),
        what_if: list(draw, |draw| WhatIf {
            policy: draw.text(),
            files: draw.number(8),
            bytes: draw.number(8),
        }),
        problems: list(draw, |draw| Problem {
            severity: if draw.coin() { Severity::Error } else { Severity::Warning },
            code: draw.text(),
            path: draw.option(Draw::text),
            message: draw.text(),
        }),
        plan: draw.option(Draw::text),
        quarantine: draw.option(|draw| InQuarantine {
            files: draw.number(8),
            bytes: draw.number(8),
            first_due: draw.option(time),
        }),
    }
}

fn entry(draw: &mut Draw<'_>) -> Entry {
    let rule = |draw: &mut Draw<'_>| Rule::ALL[draw.below(Rule::ALL.len())];
    let own = rule(draw);
    let root = ["file:///r", "hdfs://ns:8020/r", "viewfs://c/r"][draw.below(3)];
    Entry {
        verdict: draw.option(time).map_or(Verdict::new(own), |until| Verdict::until(own, until)),
        path: Location::from_printed(root.as_bytes()).unwrap().child(draw.bytes()),
        kind: if draw.coin() { EntryKind::Directory } else { EntryKind::File },
        totals: totals(draw),
        modified: time(draw),
        job: draw.option(job),
        rules: list(draw, |draw| (rule(draw), draw.number(8))).into_iter().collect(),
        tree: draw.option(|draw| u128::from(draw.number(8)) << 64 | u128::from(draw.number(8))),
    }
}
