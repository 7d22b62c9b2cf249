//! The invariants: one function for each, over what the plan would sweep.
//!
//! A check asks for what is certain. Where the design leaves a judgement, it takes the mildest reading, so that a
//! stricter planner passes; what no reading allows, it refuses.

mod checkpoint;
mod directories;
mod guards;
mod limits;
mod naming;
mod place;
mod retirement;
mod state;
mod sums;
mod unreadable;

use chksweep_core::DirectoryId;
use chksweep_core::plan::{Plan, PlanInput};

use crate::jobs::Jobs;
use crate::names::Names;
use crate::outsiders::Outsiders;
use crate::report::Report;
use crate::snapshots::Snapshots;
use crate::view::{SweptFile, View};
use crate::voices::{Voice, voices};

/// Everything that the checks look things up in.
#[derive(Debug)]
struct Evidence<'a> {
    view: View<'a>,
    voices: Vec<Voice<'a>>,
    names: Names,
    jobs: Jobs,
    outsiders: Outsiders,
    snapshots: Snapshots<'a>,
}

/// Runs every check.
pub(crate) fn all(input: &PlanInput<'_>, plan: &Plan) -> Report {
    let view = View::new(input, plan);
    let voices = voices(&view);
    let names = Names::new(&view, &voices);
    let jobs = Jobs::new(&view);
    let outsiders = Outsiders::new(&view, &jobs, &voices);
    let snapshots = Snapshots::new(&view);
    let evidence = Evidence { view, voices, names, jobs, outsiders, snapshots };
    let mut report = Report::default();
    for check in CHECKS {
        check(&evidence, &mut report);
    }
    report
}

/// Refuses files of which something speaks against the directory: asks once for each, since files come by directory.
fn refuse_by_directory(
    evidence: &Evidence<'_>,
    report: &mut Report,
    invariant: &'static str,
    takes: impl Fn(&SweptFile) -> bool,
    against: impl Fn(&SweptFile) -> Option<&'static str>,
) {
    let view = &evidence.view;
    let mut last: Option<(DirectoryId, Option<&'static str>)> = None;
    for swept in view.files.iter().filter(|swept| takes(swept)) {
        let known = last.filter(|(directory, _)| *directory == swept.directory);
        let (_, message) = *last.insert(known.unwrap_or_else(|| (swept.directory, against(swept))));
        if let Some(message) = message {
            report.at(invariant, &view.location_of(swept), message);
        }
    }
}

/// The checks, in the order in which their findings are told.
const CHECKS: [fn(&Evidence<'_>, &mut Report); 30] = [
    // What must stay because something names or protects it.
    naming::check_named_by_path,
    naming::check_named_by_base_name,
    naming::check_named_directory,
    naming::check_merged_directory_whole,
    naming::check_reference_checkpoints,
    naming::check_pins,
    // What a rule may take at all.
    place::check_ages,
    place::check_never_swept,
    place::check_rule_fits_place,
    place::check_selection,
    // What each rule needs besides.
    state::check_unreferenced_shared,
    state::check_running_state,
    state::check_operator_state_searched,
    checkpoint::check_unreferenced_exclusive,
    checkpoint::check_abandoned_checkpoint,
    checkpoint::check_old_layout,
    checkpoint::check_incomplete_savepoint,
    retirement::check_retired_checkpoint,
    retirement::check_retired_savepoint,
    retirement::check_expired_job,
    retirement::check_in_use,
    directories::check_left_empty,
    directories::check_swept_directories,
    // What holds the plan as a whole.
    unreadable::check_unreadable_blocks,
    unreadable::check_unreadable_isolated,
    guards::check_inconsistent_jobs,
    guards::check_dangling,
    limits::check_brakes,
    // Whether the plan says what it does.
    sums::check_entries,
    sums::check_totals_and_header,
];
