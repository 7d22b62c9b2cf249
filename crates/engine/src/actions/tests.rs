use chksweep_core::plan::{Brake, Ground};

use super::*;
use crate::testing::{Scene, uuid};

const OTHER: &str = "0123456789abcdef0123456789abcdef";

/// The merged directory of another job within the one of the scene.
fn merged() -> String {
    format!("taskowned/job_{OTHER}_tm_host-1")
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.file(&format!("shared/{}", uuid(1)), 7);
    scene.file(&format!("{}/{}", merged(), uuid(2)), 9);
    scene.file(&format!("{}/{}", merged(), uuid(3)), 9);
    scene.store.mkdir(crate::testing::path("chk-8"), scene.old());
    scene
}

fn rules(below: &str) -> Option<Rule> {
    Some(match below {
        "chk-8" => Rule::EmptyDirectory,
        _ if below.starts_with("shared/") => Rule::UnreferencedShared,
        _ if below.starts_with(&merged()) => Rule::UnreferencedRunningState,
        _ => return None,
    })
}

fn of(scene: &Scene, below: &str) -> Action {
    let actions = scene.actions(rules);
    actions.list.into_iter().find(|action| action.path == scene.at(below)).unwrap()
}

#[test]
fn the_sums_are_those_of_all_actions() {
    let actions = scene().actions(rules);
    assert_eq!(actions.totals(), Totals { files: 3, bytes: 7 + 9 + 9, disk_bytes: None });
}

#[test]
fn what_a_sweep_touches_are_the_directories_above_and_those_that_go() {
    let scene = scene();
    let touched = scene.actions(rules).touched();
    let expected = ["", "shared", "taskowned", "chk-8"].map(|below| {
        let at = scene.at(below).to_string();
        at.trim_end_matches('/').to_owned()
    });
    assert_eq!(touched, BTreeSet::from(expected));
}

#[test]
fn actions_rest_on_the_reading_of_the_fresh_plan() {
    let scene = scene();
    let fresh = scene.fresh(rules);
    let out = actions(&fresh, &scene.approved(rules), &ActionOptions::default()).unwrap();
    assert_eq!(out.basis, Some(Basis::of_plan(&fresh.plan().header)));
    assert_eq!(fresh.inventory().roots().len(), 1);
}

/// What the record tells is what the plan says that was made last.
#[test]
fn the_evidence_is_that_of_the_last_plan() {
    let scene = scene();
    for below in [format!("shared/{}", uuid(1)), merged(), "chk-8".to_owned()] {
        let mut action = of(&scene, &below);
        let (mut plan, inventory) = scene.plan(rules);
        plan.header.as_of = Timestamp(5);
        let ground = Arc::new(Ground { policy: Some("keep-last = 1".to_owned()), ..Ground::default() });
        for (id, _) in inventory.directories() {
            plan.grounds.by_directory.insert(id, Arc::clone(&ground));
        }
        let before = action.rests_on.clone();
        assert_ne!(before.ground, ground);
        action.rest_on(&Fresh::unproved(plan, inventory));
        let expected = RestsOn { ground, as_of: Timestamp(5), ..before };
        assert_eq!(action.rests_on, expected, "{below}");
        let RestsOn { ground, modified, as_of, slack } = expected;
        assert_eq!(action.evidence(), ground.evidence(action.rule, modified, as_of, slack));
        assert_ne!(action.evidence(), Evidence::default());
    }
}

#[test]
fn a_plan_made_since_takes_back_what_it_keeps() {
    let scene = scene();
    let file = format!("shared/{}", uuid(1));
    for (below, kept) in [
        (file.clone(), file),
        (merged(), format!("{}/{}", merged(), uuid(2))),
        (merged(), merged()),
        ("chk-8".to_owned(), "chk-8".to_owned()),
    ] {
        let action = of(&scene, &below);
        assert!(still_swept(&scene.fresh(rules), &action), "{below}");
        assert!(!still_swept(&scene.fresh(|at| rules(at).filter(|_| at != kept)), &action), "{below}");
    }
    // All of it is still swept, and it is another.
    let action = of(&scene, &merged());
    scene.file(&format!("{}/{}", merged(), uuid(4)), 1);
    assert!(!still_swept(&scene.fresh(rules), &action));
    let file = format!("shared/{}", uuid(1));
    let action = of(&scene, &file);
    scene.file(&file, 8);
    assert!(!still_swept(&scene.fresh(rules), &action));
}

#[test]
fn a_plan_with_a_brake_is_not_gone_on_with() {
    let (mut plan, inventory) = scene().plan(rules);
    assert_eq!(may_go_on(&scene().fresh(rules)), Ok(()));
    plan.brakes.push(Brake { limit: "max-sweep-ratio".into(), root: None, message: "too much".into() });
    assert_eq!(may_go_on(&Fresh::unproved(plan, inventory)), Err(ActionsError::Brake("too much".into())));
}

#[test]
fn a_directory_goes_whole_only_by_the_rules_for_that() {
    let scene = scene();
    for (directory, rule) in [
        (Rule::UnreferencedRunningState, Some(Rule::UnreferencedRunningState)),
        (Rule::EmptyDirectory, Some(Rule::UnreferencedRunningState)),
        (Rule::ExpiredJob, None),
        (Rule::Structure, None),
    ] {
        let rules = |below: &str| if below == merged() { Some(directory) } else { rules(below) };
        let out = scene.actions(rules);
        let found = out.list.iter().find(|action| action.path == scene.at(&merged()));
        assert_eq!(found.map(|action| action.rule), rule, "{directory}");
        assert!(
            out.list.iter().all(|action| action.path.parent() != Some(scene.at(&merged()))),
            "{directory}"
        );
    }
}

#[test]
fn an_empty_merged_directory_goes_by_its_own_rule() {
    let scene = Scene::new();
    scene.store.mkdir(crate::testing::path(&merged()), scene.old());
    let rules = |below: &str| (below == merged()).then_some(Rule::EmptyDirectory);
    assert_eq!(scene.actions(rules).list[0].rule, Rule::EmptyDirectory);
}

#[test]
fn the_job_in_the_name_of_a_merged_directory_can_be_excluded() {
    let scene = scene();
    let options = ActionOptions {
        exclude_jobs: vec![JobId::parse(OTHER.as_bytes()).unwrap()],
        ..ActionOptions::default()
    };
    let out = actions(&scene.fresh(rules), &scene.approved(rules), &options).unwrap();
    assert_eq!(out.list.len(), 2);
    let dropped: Vec<_> = out.dropped.iter().map(|dropped| (&dropped.path, dropped.why)).collect();
    assert_eq!(dropped, [(&scene.at(&merged()), DroppedWhy::Excluded)]);
}

#[test]
fn a_directory_of_which_not_all_was_listed_does_not_go_whole() {
    let scene = scene();
    let listing = |at: &Location| {
        if at.is_within(&scene.at(&merged())) {
            Listing::Partial { why: "denied".to_owned() }
        } else {
            Listing::Complete
        }
    };
    let inventory = scene.inventory_where(listing);
    let id = inventory.find_directory(&scene.at(&merged())).unwrap();
    assert!(!all_below(&inventory, id, &mut |_| true, &mut |_| true));
    assert!(all_below(&scene.inventory(), id, &mut |_| true, &mut |_| true));
    assert!(!all_below(&scene.inventory(), id, &mut |_| false, &mut |_| true));
    assert!(!all_below(&scene.inventory(), id, &mut |_| true, &mut |_| false));
}
