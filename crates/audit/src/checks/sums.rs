//! Whether the plan says what it does: its entries, its sums and its first line.

use std::collections::BTreeSet;

use chksweep_core::plan::{Decision, DecisionTotals, EntryKind, Totals, entries};
use chksweep_core::{DirectoryId, Location, layout};

use super::Evidence;
use crate::report::Report;
use crate::view::View;

/// The entries are sorted, cover nothing twice, are no roots and nothing of chksweep's own; a directory stands only
/// for what is decided alike; and together those that sweep are just what is swept.
pub(super) fn check_entries(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let mut last: Option<(Location, EntryKind)> = None;
    let mut told = DecisionTotals::default();
    let mut whole: Vec<DirectoryId> = Vec::new();
    entries(view.input.inventory, view.decisions(), false, |entry| {
        if let Some((before, kind)) = &last {
            if before >= &entry.path {
                report.at("entries", &entry.path, "it is not sorted after the one before it");
            }
            if *kind == EntryKind::Directory && entry.path.is_within(before) {
                report.at("entries", &entry.path, "an entry before it covers it already");
            }
        }
        if layout::is_own(&entry.path) {
            report.at("entries", &entry.path, "it belongs to chksweep itself");
        }
        let sweeps = entry.verdict.decision() == Decision::Sweep;
        told.of_mut(entry.verdict.decision()).add(entry.totals);
        if entry.kind == EntryKind::Directory {
            match view.input.inventory.find_directory(&entry.path) {
                None => report.at("entries", &entry.path, "no such directory was listed"),
                Some(id) => {
                    check_directory_entry(view, id, entry.verdict.decision(), report);
                    whole.extend(sweeps.then_some(id));
                }
            }
        }
        last = Some((entry.path, entry.kind));
    });
    let found = recount(view);
    for decision in [Decision::Sweep, Decision::Defer, Decision::Skip] {
        if !is_same(told.of(decision), found.of(decision)) {
            let message = format!("the entries that are `{decision:?}` are not those of the verdicts");
            report.whole("entries", message);
        }
    }
    check_covered(view, &whole, report);
}

fn check_directory_entry(view: &View<'_>, id: DirectoryId, decision: Decision, report: &mut Report) {
    if view.area(id).root == id {
        report.at("entries", view.location(id), "it is a root");
    }
    let mut below = vec![id];
    while let Some(id) = below.pop() {
        let (inventory, decisions) = (view.input.inventory, view.decisions());
        let alike = decisions.directory(id).decision() == decision
            && inventory.files_of(id).all(|(file, _)| decisions.file(file).decision() == decision);
        if !alike {
            report.at("entries", view.location(id), "an entry stands for what is decided otherwise");
        }
        below.extend_from_slice(inventory.children_of(id));
    }
}

/// Every swept directory is an entry, or lies in one.
fn check_covered(view: &View<'_>, whole: &[DirectoryId], report: &mut Report) {
    let whole: BTreeSet<DirectoryId> = whole.iter().copied().collect();
    for swept in &view.directories {
        let above =
            std::iter::successors(Some(swept.directory), |id| view.input.inventory.directory(*id).parent);
        if !above.into_iter().any(|id| whole.contains(&id)) {
            report.at("entries", view.location(swept.directory), "no entry stands for this swept directory");
        }
    }
}

/// The sums are those of the verdicts, they sum to all that was listed, and the first line is that of this input.
pub(super) fn check_totals_and_header(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    let (input, plan) = (&view.input, view.plan);
    let found = recount(view);
    for (decision, name) in [
        (Decision::Sweep, "sweep"),
        (Decision::Keep, "keep"),
        (Decision::Defer, "defer"),
        (Decision::Skip, "skip"),
    ] {
        if !is_same(found.of(decision), plan.summary.decisions.of(decision)) {
            let (found, told) = (found.of(decision), plan.summary.decisions.of(decision));
            report.whole("totals", format!("`{name}` is {found:?}, and the summary tells {told:?}"));
        }
        let of_jobs = plan.summary.jobs.iter().fold(Totals::default(), |mut sum, job| {
            sum.add(job.decisions.of(decision));
            sum
        });
        if of_jobs.files > found.of(decision).files || of_jobs.bytes > found.of(decision).bytes {
            report.whole("totals", format!("the jobs have more to `{name}` than there is"));
        }
    }
    let roots: BTreeSet<String> = view.roots().map(ToString::to_string).collect();
    for (is_right, what) in [
        (plan.header.run_id == input.run_id, "run"),
        (plan.header.as_of == input.as_of, "asOf"),
        (plan.header.policy == *input.policy, "policy"),
        (plan.header.roots.iter().cloned().collect::<BTreeSet<_>>() == roots, "roots"),
        (plan.summary.run_id == input.run_id && plan.summary.as_of == input.as_of, "summary's run or asOf"),
    ] {
        if !is_right {
            report.whole("header", format!("the {what} of the plan is not that of its input"));
        }
    }
}

fn recount(view: &View<'_>) -> DecisionTotals {
    let mut found = DecisionTotals::default();
    for (id, _) in view.input.inventory.directories() {
        for (file, details) in view.input.inventory.files_of(id) {
            found.of_mut(view.decisions().file(file).decision()).add_file(details);
        }
    }
    found
}

/// Returns whether two sums are one; what they take on disk may be unknown to either.
fn is_same(a: Totals, b: Totals) -> bool {
    a.files == b.files && a.bytes == b.bytes
}
