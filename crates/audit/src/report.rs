//! The findings while they are being collected, with a limit for each invariant.

use std::collections::BTreeMap;

use chksweep_core::Location;

use crate::verified::{Finding, Findings};

/// How many findings of one invariant are kept; more would say nothing new about what is wrong.
const FINDINGS_PER_INVARIANT: u64 = 100;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    counts: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Adds something that is wrong with one path.
    pub(crate) fn at(&mut self, invariant: &'static str, path: &Location, message: &str) {
        if self.counts(invariant) {
            self.findings.push(Finding {
                invariant,
                path: Some(path.to_string()),
                message: message.to_owned(),
            });
        }
    }

    /// Adds something that is wrong with the plan as a whole.
    pub(crate) fn whole(&mut self, invariant: &'static str, message: String) {
        if self.counts(invariant) {
            self.findings.push(Finding { invariant, path: None, message });
        }
    }

    /// Counts a finding, and returns whether there is room for its text.
    fn counts(&mut self, invariant: &'static str) -> bool {
        let count = self.counts.entry(invariant).or_insert(0);
        *count += 1;
        *count <= FINDINGS_PER_INVARIANT
    }

    /// Returns the findings, if there are any.
    pub(crate) fn into_findings(self) -> Option<Findings> {
        let count = self.counts.values().sum();
        (count > 0).then_some(Findings { findings: self.findings, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_of_each_invariant_are_kept_and_all_are_counted() {
        let mut report = Report::default();
        for _ in 0..250 {
            report.at("a", &Location::local(b"/x"), "wrong");
        }
        report.whole("b", "wrong".to_owned());
        let findings = report.into_findings().unwrap();
        assert_eq!((findings.findings.len(), findings.count), (101, 251));
        assert!(Report::default().into_findings().is_none());
    }
}
