//! What checking a plan gives: a plan that may be shown and carried out, or the findings against it.

use std::fmt;

use chksweep_core::plan::Plan;

/// A plan that passed every check. Only this crate makes one.
#[derive(Debug)]
pub struct VerifiedPlan {
    plan: Plan,
}

impl VerifiedPlan {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the plan, to be shown; it can no longer be carried out.
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The invariant that does not hold, in words with dashes.
    pub invariant: &'static str,
    /// The path, as printed, where it is about one.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Why a plan was refused: a bug of this program. Nothing was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The findings; the first hundred of each invariant.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub count: u64,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (noun, verb) = if self.count == 1 { ("finding", "speaks") } else { ("findings", "speak") };
        write!(f, "{} {noun} {verb} against the plan", self.count)?;
        for finding in self.findings.iter().take(5) {
            write!(f, "; {}: ", finding.invariant)?;
            if let Some(path) = &finding.path {
                write!(f, "{path}: ")?;
            }
            f.write_str(&finding.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_say_how_many_they_are_and_the_first_of_them() {
        let finding = |path: Option<&str>| Finding {
            invariant: "young",
            path: path.map(ToOwned::to_owned),
            message: "it is not older than min-age".to_owned(),
        };
        let one = Findings { findings: vec![finding(Some("/x"))], count: 1 };
        assert_eq!(
            one.to_string(),
            "1 finding speaks against the plan; young: /x: it is not older than min-age"
        );
        let many = Findings { findings: vec![finding(None); 9], count: 12 }.to_string();
        assert!(many.starts_with("12 findings speak against the plan; young: it is not"), "{many}");
        assert_eq!(many.matches("young").count(), 5);
    }
}
