//! Plans the worlds of the test kit.
#![expect(dead_code, reason = "each test file uses its own part")]

use chksweep_core::Inventory;
use chksweep_core::plan::{Decision, Entry, Plan, Rule, entries};
use chksweep_planner::PlanError;
use chksweep_testkit::world::uuid;
pub(crate) use chksweep_testkit::world::{A, B, ROOT, World, location};

/// A living job with one retained checkpoint, which names shared file 1 and its own file 2.
pub(crate) fn living() -> World {
    World::new()
        .metadata("$A/chk-7/_metadata", 2, &[&format!("$A/shared/{}", uuid(1)), &uuid(2)])
        .file(&format!("$A/chk-7/{}", uuid(2)), 2)
        .file(&format!("$A/shared/{}", uuid(1)), 9)
        .dir("$A/taskowned", 9)
}

/// The path of a shared file of that job.
pub(crate) fn shared(n: u32) -> String {
    format!("$A/shared/{}", uuid(n))
}

/// What the planner makes of a world.
pub(crate) trait Planned: Sized {
    /// Plans it.
    fn try_plan(&self) -> Result<Plan, PlanError>;
    /// The inventory that it is planned from.
    fn listed(&self) -> Inventory;

    /// Plans it.
    fn plan(&self) -> Plan {
        self.try_plan().unwrap()
    }

    /// The rule for one path.
    fn rule(&self, path: &str) -> Rule {
        let (inventory, plan, location) = (self.listed(), self.plan(), location(path));
        if let Some((_, file)) = inventory.find(&location) {
            return plan.decisions.file(file).rule;
        }
        let found = inventory.find_directory(&location).unwrap_or_else(|| panic!("no {location}"));
        plan.decisions.directory(found).rule
    }

    /// Every path that would be swept, relative to the root, files and directories one by one.
    fn swept(&self) -> Vec<String> {
        let (inventory, plan) = (self.listed(), self.plan());
        let mut swept = Vec::new();
        for (id, directory) in inventory.directories() {
            if plan.decisions.directory(id).decision() == Decision::Sweep {
                swept.push(directory.location.clone());
            }
            for (file_id, file) in inventory.files_of(id) {
                if plan.decisions.file(file_id).decision() == Decision::Sweep {
                    swept.push(inventory.location_of(id, file));
                }
            }
        }
        let short = |path: String| path.replace(&format!("{ROOT}/"), "").replace(A, "$A").replace(B, "$B");
        let mut swept: Vec<String> = swept.into_iter().map(|path| short(path.to_string())).collect();
        swept.sort();
        swept
    }

    /// The entries of its plan.
    fn entries(&self, all: bool) -> Vec<Entry> {
        let (inventory, plan) = (self.listed(), self.plan());
        let mut out = Vec::new();
        entries(&inventory, &plan.decisions, all, |entry| out.push(entry));
        out
    }
}

impl Planned for World {
    fn try_plan(&self) -> Result<Plan, PlanError> {
        self.with_input(chksweep_planner::plan)
    }

    fn listed(&self) -> Inventory {
        self.inventory()
    }
}
