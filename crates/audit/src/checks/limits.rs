//! The brakes: a plan over a limit says so, and is not carried out.

use chksweep_core::layout;
use chksweep_core::plan::{Decision, Totals};
use chksweep_core::{DirectoryId, JobId};

use super::Evidence;
use super::place::is_selected;
use crate::fingerprint::tidy;
use crate::report::Report;
use crate::view::View;

/// How far a share must lie over its limit: two ways to divide may differ in the last bit.
const ROUNDING: f64 = 1.0 + 1e-9;

/// A plan that exceeds a limit has a brake, and its first line tells it: that is where `apply` looks.
pub(super) fn check_brakes(evidence: &Evidence<'_>, report: &mut Report) {
    let view = &evidence.view;
    if view.plan.header.brakes != view.plan.brakes {
        report.whole("brakes", "the header does not tell the brakes of the plan".to_owned());
    }
    if !view.plan.brakes.is_empty() {
        return;
    }
    let limits = &view.input.policy.brakes;
    let mut swept = Totals::default();
    for root in view.input.inventory.roots() {
        let (taken, all) = totals_under(view, *root);
        swept.add(taken);
        for (what, taken, all) in [("files", taken.files, all.files), ("bytes", taken.bytes, all.bytes)] {
            if exceeds(taken, all, limits.max_sweep_ratio) {
                let message = format!("{taken} of {all} {what} under this root would go, and no brake holds");
                report.at("brakes", view.location(*root), &message);
            }
        }
    }
    let mut jobs: Vec<JobId> =
        view.files.iter().filter_map(|swept| layout::job_of(view.location(swept.directory))).collect();
    tidy(&mut jobs);
    let jobs = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
    for (what, found, limit) in [
        ("files", swept.files, limits.max_sweep_files),
        ("bytes", swept.bytes, limits.max_sweep_bytes),
        ("jobs", jobs, limits.max_sweep_jobs),
    ] {
        if limit.is_some_and(|limit| found > limit) {
            report.whole("brakes", format!("{found} {what} are over the limit, and no brake holds"));
        }
    }
}

/// Returns what goes under a root, and all that lies there, of the selected jobs.
fn totals_under(view: &View<'_>, root: DirectoryId) -> (Totals, Totals) {
    let (mut taken, mut all) = (Totals::default(), Totals::default());
    let everything = view.input.policy.jobs.is_empty();
    for (id, _) in view.input.inventory.directories().filter(|(id, _)| view.area(*id).root == root) {
        if !everything && !is_selected(view, id) {
            continue;
        }
        for (file, details) in view.input.inventory.files_of(id) {
            all.add_file(details);
            if view.decisions().file(file).decision() == Decision::Sweep {
                taken.add_file(details);
            }
        }
    }
    (taken, all)
}

/// Returns whether a share is larger than a limit.
pub(super) fn exceeds(part: u64, whole: u64, limit: f64) -> bool {
    part > 0 && to_float(part) > to_float(whole) * limit * ROUNDING
}

fn to_float(count: u64) -> f64 {
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_exceeded_only_above_it() {
        assert!(!exceeds(0, 0, 0.0));
        assert!(exceeds(1, 0, 0.5));
        assert!(!exceeds(29, 100, 0.29));
        assert!(!exceeds(7, 10, 0.7));
        assert!(exceeds(8, 10, 0.7));
        assert!(exceeds(1, 1_000_000, 0.0));
        assert!(!exceeds(1, 1 << 33, 0.5));
    }
}
