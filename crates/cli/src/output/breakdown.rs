//! What each rule takes, added up over an inventory.

use std::collections::BTreeMap;

use chksweep_core::plan::{Decision, Decisions, Rule, Totals, Verdict};
use chksweep_core::{File, Inventory, Timestamp};

/// What one rule takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    /// Files and bytes.
    pub(crate) totals: Totals,
    /// Directories, each for itself.
    pub(crate) directories: u64,
    /// The earliest time at which some of it can be decided.
    pub(crate) first: Option<Timestamp>,
    /// The latest such time.
    pub(crate) last: Option<Timestamp>,
}

/// What each rule takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakdown(BTreeMap<Rule, Part>);

impl Breakdown {
    /// Adds up all decisions.
    pub(crate) fn new(inventory: &Inventory, decisions: &Decisions) -> Self {
        let mut breakdown = Self::default();
        for (id, _) in inventory.directories() {
            breakdown.add(decisions.directory(id), None);
            for (file_id, file) in inventory.files_of(id) {
                breakdown.add(decisions.file(file_id), Some(file));
            }
        }
        breakdown
    }

    fn add(&mut self, verdict: Verdict, file: Option<&File>) {
        let part = self.0.entry(verdict.rule).or_default();
        match file {
            Some(file) => part.totals.add_file(file),
            None => part.directories += 1,
        }
        if let Some(until) = verdict.until_time() {
            part.first = Some(part.first.map_or(until, |first| first.min(until)));
            part.last = part.last.max(Some(until));
        }
    }

    /// Returns the rules that make a decision, with what they take.
    pub(crate) fn of(&self, decision: Decision) -> impl Iterator<Item = (Rule, &Part)> {
        self.0.iter().filter(move |(rule, _)| rule.decision() == decision).map(|(rule, part)| (*rule, part))
    }

    /// Returns whether anything goes.
    pub(crate) fn sweeps(&self) -> bool {
        self.of(Decision::Sweep).next().is_some()
    }
}
