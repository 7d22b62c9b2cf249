//! Shows that the simulator can see: breaks each rule in turn, in a copy of the sources, and plays histories until one
//! loses something. `breaks [--histories N] [NAME…]`; the exit code is 1 when a break was not seen. The order within a
//! look is broken before looks at jobs that never stand still: whole histories lose nothing by it, since what is handed
//! over meanwhile is old, behind the frontier and of a dead job at once in none of tens of thousands.
//!
//! A rule of the planner is broken together with the checker, which would otherwise refuse the plan; that it does is
//! for the tests of `chksweep-audit` to show. What counts as seen is a loss, not a refusal: a file that is needed was
//! moved or deleted, or what was retired cannot be brought back.
//!
//! Not in the list is what other rules guard too, so that breaking it alone showed no loss in thousands of histories.
//! Units hold it:
//!
//! - `running_state_waits_for_the_death_of_its_job`, users included; `what_was_completed_while_it_was_listed_is_no_leftover`:
//!   what the metadata of that moment names, keeps;
//! - `a_file_that_changes_after_the_plans_is_left_alone`: Flink writes no path of ours twice;
//!   `a_directory_that_is_written_to_while_it_moves_is_put_back`: what is named in it is rescued;
//! - `a_run_that_wakes_up_after_its_lock_was_taken_stops_before_its_next_batch`,
//!   `an_old_reading_is_renewed_and_what_it_names_stays`: what is proved dead stays dead;
//! - `a_purge_goes_in_slices_with_metadata_first_and_can_be_broken_off`;
//! - `merged_directories_go_whole_or_not_at_all`: what is named in one is named by path as well;
//!   `metadata_in_quarantine_names_for_min_age`: what it names waits in quarantine longer than that;
//!   `an_abandoned_checkpoint_must_be_overtaken`: none is under way for longer than `min-age`;
//!   `incomplete_savepoints_wait_for_quiescence_and_a_second_look`: what is used of one is named;
//!   `a_job_expires_only_when_it_is_dead_for_long_and_nobody_uses_it`: no job that lives is silent for so long;
//!   `an_outcome_that_nobody_can_tell_is_unknown_and_settled_later`: hardly ever both the answer and all looks fail;
//!   `what_was_read_once_keeps_naming`, `metadata_that_vanishes_before_it_is_read_makes_another_pass`: what moves between
//!   two listings is young.
//!
//! Nor what takes more histories than a list can play: buffers that another job took over
//! (`operator_state_of_a_job_that_may_come_from_this_one_counts`), or that lie in quarantine
//! (`a_name_in_a_file_of_operator_state_brings_back_the_buffer`); looks that fail twice in one undoing
//! (`a_checkpoint_stays_in_quarantine_while_what_it_names_cannot_be_looked_at`); a job that begins from state of another
//! cluster at that moment (`what_may_have_been_read_elsewhere_is_in_use`); a checkpoint that comes back so late that it
//! kept nothing by then, of which one in some 350,000 histories told
//! (`what_a_checkpoint_that_came_back_names_was_swept_by_the_run_that_brought_it_back`).

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "the command line of a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One rule, and how it is broken.
struct Break {
    name: &'static str,
    /// File, what stands there once, and what takes its place.
    edits: &'static [(&'static str, &'static str, &'static str)],
    /// Whether the checker is broken as well.
    unchecked: bool,
    shown_by: ShownBy,
}

/// What plays a break.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ShownBy {
    /// Histories at a natural pace.
    Histories,
    /// Looks, with something happening between any two calls: a live file is lost where nothing names it.
    Looks,
}

const FILES: &str = "crates/planner/src/classify/files.rs";
const CLASSIFY: &str = "crates/planner/src/classify.rs";
const RETENTION: &str = "crates/planner/src/retention.rs";
const LIVENESS: &str = "crates/planner/src/liveness.rs";

const CHECKER: (&str, &str, &str) = (
    "crates/audit/src/lib.rs",
    "Some(findings) => Err(findings),",
    "Some(_) => Ok(VerifiedPlan::new(plan)),",
);

/// A break of the planner.
const fn planner(name: &'static str, edits: &'static [(&'static str, &'static str, &'static str)]) -> Break {
    Break { name, edits, unchecked: true, shown_by: ShownBy::Histories }
}

/// A break of something else.
const fn beyond(name: &'static str, edits: &'static [(&'static str, &'static str, &'static str)]) -> Break {
    Break { name, edits, unchecked: false, shown_by: ShownBy::Histories }
}

const BREAKS: &[Break] = &[
    planner(
        "no-min-age",
        &[(CLASSIFY, "(self.input.as_of.since(modified) <= age).then(", "(age.0 == 1).then(")],
    ),
    planner(
        "age-alone-for-shared-state",
        &[(
            FILES,
            "if facts.is_behind_frontier(world, directory, file.modified) || world.is_dead(directory) {",
            "if facts.is_behind_frontier(world, directory, file.modified) || world.map.owner(directory).is_some() {",
        )],
    ),
    planner(
        "age-alone-for-changelog-and-forst",
        &[(
            FILES,
            "if world.is_dead_with_users(directory) {\n        return Verdict::new(Rule::UnreferencedRunningState);",
            "if world.map.owner(directory).is_some() {\n        return Verdict::new(Rule::UnreferencedRunningState);",
        )],
    ),
    planner(
        "savepoints-and-other-jobs-advance-the-frontier",
        &[(
            FILES,
            "        for completed in facts.completed.values_mut() {",
            "        let latest = world.snapshots.iter().filter(|s| s.listed.is_some()).map(|s| s.file.modified).max();\n        \
             for frontier in facts.frontier.values_mut() {\n            *frontier = latest.unwrap_or(*frontier);\n        }\n        \
             for completed in facts.completed.values_mut() {",
        )],
    ),
    planner(
        "one-run-passes-over-what-another-wrote",
        &[(
            "crates/planner/src/map.rs",
            "job.and_then(|job| job.id).is_some_and(|id| !id.may_be_shared())",
            "job.and_then(|job| job.id).is_none_or(|id| !id.may_be_shared() || id.may_be_shared())",
        )],
    ),
    planner(
        "ids-by-hash-are-of-one-cluster",
        &[(
            "crates/planner/src/map.rs",
            "job.and_then(|job| job.id).is_some_and(|id| !id.may_be_shared())",
            "job.and_then(|job| job.id).is_some_and(|id| !id.may_be_shared() || id.0[4..8] != [0; 4])",
        )],
    ),
    planner(
        "keep-last-counts-what-another-run-wrote",
        &[(
            RETENTION,
            "if !self.is_one_sequence(job, &terms) {",
            "if !self.is_one_sequence(job, &terms) && keep_last == 0 {",
        )],
    ),
    planner(
        "names-by-path-and-by-base-name-do-not-keep",
        &[
            (
                CLASSIFY,
                "} else if self.naming.is_named(id) {",
                "} else if self.naming.is_named(id) && self.naming.is_pinned(id) {",
            ),
            (
                CLASSIFY,
                "} else if self.naming.is_base_name(self.input.inventory.name_of(file)) {",
                "} else if self.naming.is_pinned(id) && self.naming.is_base_name(self.input.inventory.name_of(file)) {",
            ),
        ],
    ),
    planner(
        "base-names-do-not-keep",
        &[(
            CLASSIFY,
            "} else if self.naming.is_base_name(self.input.inventory.name_of(file)) {",
            "} else if self.naming.is_pinned(id) && self.naming.is_base_name(self.input.inventory.name_of(file)) {",
        )],
    ),
    planner(
        "silence-is-not-waited-for",
        &[(LIVENESS, "&& quiescent_at.is_some_and(|at| at < input.as_of)", "&& quiescent_at.is_some()")],
    ),
    planner(
        "listings-that-break-hide-metadata",
        &[(
            "crates/planner/src/guards.rs",
            "for (location, why) in places_not_looked_at(input, map) {",
            "for (location, why) in places_not_looked_at(input, map).into_iter().take(0) {",
        )],
    ),
    planner(
        "operator-state-is-not-searched",
        &[
            (
                "crates/planner/src/naming.rs",
                "                self.uuids.extend(found);\n            }\n        }\n        for file in input.metadata",
                "                self.uuids.extend(found.iter().take(0));\n            }\n        }\n        for file in input.metadata",
            ),
            (
                FILES,
                "if verdict.decision() == Decision::Sweep && unsearched {",
                "if verdict.decision() == Decision::Keep && unsearched {",
            ),
        ],
    ),
    planner(
        "job-id-as-lineage",
        &[(
            RETENTION,
            "lineage.first().is_some_and(|first| same_lineage(self.operators(*first), operators))",
            "lineage.first().is_some_and(|first| *first < usize::MAX)",
        )],
    ),
    planner(
        "one-checkpoint-is-enough-without-word-on-high-availability",
        &[(
            RETENTION,
            "let spared = if self.input.policy.no_ha { 1 } else { SPARED_WITHOUT_HA_EVIDENCE };",
            "let spared = if self.input.policy.no_ha { 1 } else { SPARED_WITHOUT_HA_EVIDENCE - 1 };",
        )],
    ),
    planner(
        "checkpoints-that-miss-files-count-for-keep-last",
        &[(
            RETENTION,
            "self.naming.dangling.get(at).is_some_and(Vec::is_empty)",
            "self.naming.dangling.get(at).is_some()",
        )],
    ),
    planner(
        "access-times-are-not-asked",
        &[
            (
                RETENTION,
                "            told = true;\n            if accessed > self.input.as_of",
                "            told = true;\n            if accessed.0 == 1 && accessed > self.input.as_of",
            ),
            (
                RETENTION,
                "|| self.input.as_of.since(accessed) <= self.input.policy.quiescent_after",
                "&& self.input.as_of.since(accessed) <= self.input.policy.quiescent_after",
            ),
        ],
    ),
    planner(
        "unreadable-metadata-holds-nothing",
        &[(
            "crates/planner/src/guards.rs",
            "self.hold = match (any, input.policy.unreadable, searched) {",
            "self.hold = match (any && input.as_of.0 == 1, input.policy.unreadable, searched) {",
        )],
    ),
    planner(
        "pins-do-not-keep",
        &[(
            CLASSIFY,
            "if self.naming.is_pinned(id) {",
            "if self.naming.is_pinned(id) && self.input.as_of.0 == 1 {",
        )],
    ),
    beyond(
        "the-approved-plan-is-trusted",
        &[(
            "crates/engine/src/actions.rs",
            "let rule = self.fresh.file_rule(id);\n        if rule.decision() != Decision::Sweep {",
            "let rule = self.fresh.file_rule(id);\n        if rule.decision() == Decision::Skip {",
        )],
    ),
    beyond(
        "undo-without-what-is-named",
        &[
            (
                "crates/engine/src/quarantine/whole.rs",
                "                if !need(run, group, &place, &mut needs).await? {\n                    missing.insert(place);\n                }",
                "                needs.unchecked += 1;\n                missing.remove(&place);",
            ),
            (
                "crates/engine/src/quarantine/whole.rs",
                "    (!missing.is_empty()).then(|| told(&missing))",
                "    (missing.len() == usize::MAX).then(|| told(&missing))",
            ),
        ],
    ),
    beyond(
        "a-purge-does-not-ask-who-names",
        &[(
            "crates/engine/src/quarantine/assess.rs",
            "let named_by = named_by(eyes, conditions).await;",
            "let mut named_by = named_by(eyes, conditions).await;\n    named_by.iter_mut().for_each(BTreeSet::clear);",
        )],
    ),
    beyond(
        "ages-by-the-local-clock",
        &[
            (
                "crates/engine/src/clock.rs",
                "if root.scheme() == Some(\"file\") {",
                "if root.scheme().is_some() {",
            ),
            (
                "crates/engine/src/clock.rs",
                "if store.since(local).max(before.since(store)) > MAX_SKEW {",
                "if store.since(local).min(before.since(store)) > MAX_SKEW {",
            ),
        ],
    ),
    beyond(
        "what-is-named-again-stays-in-quarantine",
        &[(
            "crates/engine/src/quarantine/rescue.rs",
            "for file in metadata.iter().filter(|file| speaks(file, now, min_age)) {",
            "for file in metadata.iter().filter(|file| speaks(file, now, min_age)).take(0) {",
        )],
    ),
    beyond(
        "a-purge-waits-for-nothing",
        &[(
            "crates/engine/src/quarantine/assess.rs",
            "let mut assessment = own_reasons(conditions, run);",
            "let mut assessment = own_reasons(conditions, run);\n        assessment.reasons.clear();",
        )],
    ),
    beyond(
        "a-purge-does-not-wait-for-clean-runs",
        &[(
            "crates/engine/src/quarantine/assess.rs",
            "reasons.extend(clean_runs_missing(conditions, record));",
            "drop(clean_runs_missing(conditions, record));",
        )],
    ),
    beyond(
        "nothing-is-announced-before-it-is-done",
        &[(
            "crates/engine/src/run.rs",
            "        match self.journal.append(vec![intent]).await {",
            "        drop(intent);\n        match self.journal.append(Vec::new()).await {",
        )],
    ),
    beyond(
        "deletions-are-not-announced",
        &[(
            "crates/engine/src/run.rs",
            "let paths = steps.iter().map(Step::intent).collect();",
            "let paths = steps.iter().filter(|step| step.to().is_some()).map(Step::intent).collect();",
        )],
    ),
    beyond(
        "what-failed-is-recorded-as-done",
        &[(
            "crates/engine/src/execute/step.rs",
            "outcome: fate.outcome,",
            "outcome: if fate.outcome == Outcome::Failed { Outcome::Done } else { fate.outcome },",
        )],
    ),
    beyond(
        "undo-brings-no-checkpoint-back",
        &[(
            "crates/engine/src/quarantine/restore.rs",
            "    for id in &metadata {",
            "    for id in metadata.iter().take(0) {",
        )],
    ),
    Break {
        name: "metadata-is-read-before-candidates-are-listed-only",
        edits: &[
            (
                "crates/engine/src/collect/run.rs",
                "    let found =\n        candidates::list(",
                "    let before = passes::run(\n        &roots,\n        Vec::new(),\n        Arc::new(Readers::new(limits.metadata_in_memory, Vec::new())),\n        Newest::deaf(),\n        &limits,\n        request.observer,\n    )\n    .await;\n    let found =\n        candidates::list(",
            ),
            (
                "crates/engine/src/collect/run.rs",
                "    let known = passes::run(&roots, found.metadata, readers, found.newest, &limits, request.observer).await;",
                "    let known = before;\n    drop((readers, found.metadata));",
            ),
        ],
        unchecked: false,
        shown_by: ShownBy::Looks,
    },
];

fn main() {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let mut histories = "60000".to_owned();
    if names.first().is_some_and(|word| word == "--histories") {
        histories = names.get(1).cloned().unwrap_or_default();
        names.drain(..2);
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copy = source.join("target/breaks/source");
    let mut unseen = 0_usize;
    let wanted: Vec<&Break> =
        BREAKS.iter().filter(|one| names.is_empty() || names.iter().any(|name| name == one.name)).collect();
    copied(&source, &copy);
    for one in &wanted {
        let seen = seen(one, &copy, &histories);
        unseen += usize::from(seen.is_none());
        println!("{}: {}", one.name, seen.unwrap_or_else(|| "NOT SEEN".to_owned()));
    }
    println!("count: breaks seen: {} of {}", wanted.len() - unseen, wanted.len());
    std::process::exit(i32::from(unseen > 0));
}

/// Returns the files that a break changes, with their new contents.
fn broken(one: &Break, copy: &Path) -> BTreeMap<PathBuf, String> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (file, find, put) in one.edits.iter().chain([&CHECKER].into_iter().filter(|_| one.unchecked)) {
        let path = copy.join(file);
        let text = files.entry(path.clone()).or_insert_with(|| fs::read_to_string(&path).unwrap());
        assert_eq!(text.matches(find).count(), 1, "{}: `{find}` stands once in {file}", one.name);
        *text = text.replace(find, put);
    }
    files
}

/// Returns the first loss that shows a break.
fn seen(one: &Break, copy: &Path, histories: &str) -> Option<String> {
    let broken = broken(one, copy);
    let whole: Vec<(&PathBuf, Vec<u8>)> = broken.keys().map(|path| (path, fs::read(path).unwrap())).collect();
    for (path, text) in &broken {
        fs::write(path, text).unwrap();
    }
    let target = copy.join("../target");
    let mut command = Command::new(env!("CARGO"));
    let played = match one.shown_by {
        ShownBy::Histories => {
            command.args("run --quiet --profile sim -p chksweep-sim --bin chksweep-sim".split(' '));
            command.args(["--", "--histories", histories, "--stop-at-loss"]);
            "count: histories"
        }
        ShownBy::Looks => {
            command.args("test --profile sim -p chksweep-engine --test collect simulation".split(' '));
            "running 1 test"
        }
    };
    let output = command.current_dir(copy).env("CARGO_TARGET_DIR", target).output().unwrap();
    for (path, bytes) in whole {
        fs::write(path, bytes).unwrap();
    }
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains(played), "{}: {told}{}", one.name, String::from_utf8_lossy(&output.stderr));
    told.lines().find(|line| line.starts_with("seed ")).map(ToOwned::to_owned)
}

/// Copies what git knows of the sources, touching only what differs.
fn copied(source: &Path, copy: &Path) {
    let mut listed = Command::new("git");
    listed.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = listed.current_dir(source).output().unwrap();
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in names.split('\0').filter(|name| !name.is_empty() && !name.starts_with("tests/golden")) {
        let Ok(bytes) = fs::read(source.join(name)) else { continue };
        let target = copy.join(name);
        if fs::read(&target).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lest a change of the sources takes a break away unnoticed.
    #[test]
    fn every_break_fits_the_sources() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for one in BREAKS {
            assert!(!broken(one, &source).is_empty(), "{}", one.name);
        }
    }
}
