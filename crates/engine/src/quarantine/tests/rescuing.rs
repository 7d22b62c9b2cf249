use chksweep_core::plan::Place;
use chksweep_store::{Call, ErrorKind, Fault, Rule as Strike};
use chksweep_testkit::metadata_writer::{MetadataWriter, OperatorHandle, Stream};

use super::*;
use crate::testing::{ROOT, carry, quarantined};

async fn rescued(scene: &Scene, run: &str) -> RescueReport {
    rescued_by(scene, run, &Equivalence::default()).await
}

async fn rescued_by(scene: &Scene, run: &str, equivalence: &Equivalence) -> RescueReport {
    let collected = look_by(scene, equivalence).await;
    let mut running = scene.begin(run).await;
    let report = rescue(&mut running, &collected, equivalence, Age::hours(24)).await;
    running.finish(true).await.unwrap();
    report
}

fn why(report: &RescueReport) -> Vec<Why> {
    report.files.iter().map(|file| file.why).collect()
}

use super::super::index::Why;

#[tokio::test]
async fn what_is_named_again_by_path_comes_back_and_is_said_loudly() {
    let scene = Scene::new();
    scene.file(&named("shared/#1"), 100);
    scene.file(&named("shared/#2"), 100);
    take(&scene, "run-1", &["shared/#1", "shared/#2"]).await;
    metadata(&scene, "chk-7/_metadata", 7, &[&named("shared/#1")], &[]);
    let report = rescued(&scene, "run-2").await;
    assert_eq!(why(&report), [Why::Path]);
    assert!(is_there(&scene, "shared/#1") && !is_there(&scene, "shared/#2"));
    assert!(scene.ears.heard().iter().any(|said| said.contains("brought back from the quarantine")));
    let text = scene.store.contents(format!("{ROOT}/.chksweep/runs/run-2.jsonl")).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("\"record\":\"rescue\""));
    assert!(rescued(&scene, "run-3").await.is_empty());
}

#[tokio::test]
async fn what_is_named_by_base_name_comes_back_unless_the_reference_resolves() {
    let scene = Scene::new();
    scene.file(&named("shared/#1"), 100);
    scene.file(&named("elsewhere/#2"), 100);
    scene.file(&named("shared/#2"), 100);
    take(&scene, "run-1", &["shared/#1", "shared/#2"]).await;
    // FLINK-39964: a reference whose directory is wrong; and a copy that is named where it is.
    metadata(&scene, "chk-7/_metadata", 7, &[&named("wrong/#1"), &named("elsewhere/#2")], &[]);
    let report = rescued(&scene, "run-2").await;
    assert_eq!(why(&report), [Why::BaseName]);
    assert!(is_there(&scene, "shared/#1") && !is_there(&scene, "shared/#2"));
}

#[tokio::test]
async fn a_reference_to_another_authority_keeps_by_base_name() {
    let scene = Scene::new();
    scene.file(&named("shared/#1"), 100);
    take(&scene, "run-1", &["shared/#1"]).await;
    let other = format!("hdfs://other:8020{}", path(&named("shared/#1")));
    let bytes = simple_metadata(4, 7, SimpleKind::Checkpoint, &[&other], &[], [1; 16]);
    scene.store.put(path("chk-7/_metadata"), bytes, scene.old());
    assert_eq!(why(&rescued(&scene, "run-2").await), [Why::BaseName]);
}

#[tokio::test]
async fn a_named_directory_brings_back_what_lay_in_it_under_any_prefix() {
    const MERGED: &str = "job_d7f536ce31c588055f4f8282a9756920_tm_h";
    for prefix in [scene_prefix(), "hdfs://other/elsewhere/taskowned".to_owned()] {
        let scene = Scene::new();
        scene.file(&format!("taskowned/{MERGED}/{}", uuid(1)), 9);
        scene.file(&format!("taskowned/{}", uuid(2)), 9);
        let all = scene
            .sweep("run-1", |below| {
                (below.starts_with("taskowned/")).then_some(Rule::UnreferencedRunningState)
            })
            .await;
        assert_eq!(all.count(Outcome::Done).files, 2, "{all:?}");
        let bytes = MetadataWriter::v4(7)
            .checkpoint()
            .operator([1; 16])
            .subtask(0)
            .managed_operator(OperatorHandle::empty_merging(
                format!("{prefix}/{MERGED}"),
                format!("{prefix}/s"),
            ))
            .bytes();
        scene.store.put(path("chk-7/_metadata"), bytes, scene.old());
        let report = rescued(&scene, "run-2").await;
        assert_eq!(why(&report), [Why::Directory], "{prefix}");
        assert!(scene.store.exists(path(&format!("taskowned/{MERGED}/{}", uuid(1)))));
    }
}

/// Two clusters share a job id, and their merged directories a name. What of the one was swept came back each night,
/// since the other's metadata names the directory of that name, which lies where it says.
#[tokio::test]
async fn a_named_directory_that_is_there_brings_back_nothing_of_its_name_elsewhere() {
    const MERGED: &str = "job_d7f536ce31c588055f4f8282a9756920_tm_h";
    let scene = Scene::new();
    scene.file(&format!("taskowned/{MERGED}/{}", uuid(1)), 9);
    scene
        .sweep("run-1", |below| below.starts_with("taskowned/").then_some(Rule::UnreferencedRunningState))
        .await;
    scene.store.put(format!("/other/taskowned/{MERGED}/{}", uuid(2)), b"state", scene.old());
    let bytes = MetadataWriter::v4(7)
        .checkpoint()
        .operator([1; 16])
        .subtask(0)
        .managed_operator(OperatorHandle::empty_merging(
            format!("hdfs://ns/other/taskowned/{MERGED}"),
            "hdfs://ns/other/shared/s".to_owned(),
        ))
        .bytes();
    scene.store.put(path("chk-7/_metadata"), bytes, scene.old());
    assert!(rescued(&scene, "run-2").await.is_empty());
    scene.store.remove("/other");
    assert_eq!(why(&rescued(&scene, "run-3").await), [Why::Directory]);
}

fn scene_prefix() -> String {
    format!("hdfs://ns{}", path("taskowned"))
}

#[tokio::test]
async fn a_uuid_anywhere_in_the_bytes_brings_back_the_file_of_that_name() {
    let scene = Scene::new();
    scene.file(&named("taskowned/#1"), 9);
    take(&scene, "run-1", &["taskowned/#1"]).await;
    let bytes = MetadataWriter::v4(7)
        .checkpoint()
        .operator([1; 16])
        .subtask(0)
        .operator_state(Stream::inline("state", format!("…/{}", uuid(1)).as_bytes()))
        .bytes();
    scene.store.put(path("chk-7/_metadata"), bytes, scene.old());
    assert_eq!(why(&rescued(&scene, "run-2").await), [Why::Uuid]);
    assert!(is_there(&scene, "taskowned/#1"));
}

/// A root was forgotten when a sink's buffer was swept. What names it lies in a file of operator state, in any form.
#[tokio::test]
async fn a_name_in_a_file_of_operator_state_brings_back_the_buffer() {
    let text = format!("hdfs://ns/x/taskowned/{}", uuid(1)).into_bytes();
    let raw = chksweep_core::Uuid::parse(uuid(1).as_bytes()).unwrap().0.to_vec();
    for state in [text, raw] {
        let scene = Scene::new();
        scene.file(&named("taskowned/#1"), 9);
        scene.file(&named("taskowned/#2"), 9);
        take(&scene, "run-1", &["taskowned/#1", "taskowned/#2"]).await;
        sink(&scene, 7, Some(&state));
        assert_eq!(why(&rescued(&scene, "run-2").await), [Why::Uuid]);
        assert!(is_there(&scene, "taskowned/#1") && !is_there(&scene, "taskowned/#2"));
        assert!(rescued(&scene, "run-3").await.is_empty());
    }
}

#[tokio::test]
async fn quarantined_metadata_names_for_min_age_and_no_longer() {
    let scene = Scene::new();
    scene.file(&named("shared/#1"), 100);
    metadata(&scene, "chk-5/_metadata", 5, &[&named("shared/#1")], &[]);
    // Too early, as only a bug would.
    take(&scene, "run-1", &["chk-5/_metadata", "shared/#1"]).await;
    let collected = look(&scene).await;
    assert!(matches!(collected.metadata[0].place, Place::Quarantined { moved_at: Some(_), .. }));
    assert_eq!(why(&rescued(&scene, "run-2").await), [Why::Path]);
    take(&scene, "run-3", &["shared/#1"]).await;
    scene.store.advance(Age::hours(25));
    assert!(rescued(&scene, "run-4").await.is_empty());
}

#[tokio::test]
async fn of_two_that_lay_at_one_place_the_later_one_comes_back() {
    let scene = Scene::new();
    scene.file(&named("shared/#1"), 1);
    take(&scene, "run-1", &["shared/#1"]).await;
    scene.store.advance(Age::days(1));
    scene.file(&named("shared/#1"), 2);
    take(&scene, "run-2", &["shared/#1"]).await;
    metadata(&scene, "chk-7/_metadata", 7, &[&named("shared/#1")], &[]);
    assert_eq!(rescued(&scene, "run-3").await.files.len(), 1);
    assert!(rescued(&scene, "run-4").await.is_empty(), "the other copy is not missed");
    assert_eq!(scene.store.contents(path(&named("shared/#1"))).unwrap().len(), 2);
    assert!(scene.store.exists(quarantined("run-1", &named("shared/#1"))));
}

/// A run retires `chk-7`; `meanwhile` happens between that and the end of the run, if it has one.
async fn retired(scene: &Scene, ends: bool, meanwhile: impl FnOnce()) {
    scene.file(&named("shared/#1"), 100);
    scene.file(&named("chk-7/#2"), 100);
    metadata(scene, "chk-7/_metadata", 7, &[&named("shared/#1")], &[&uuid(2)]);
    let mut running = scene.begin("run-1").await;
    let retires = |below: &str| (below == "chk-7/_metadata").then_some(Rule::RetiredCheckpoint);
    let report = carry(&mut running, scene.actions(retires)).await;
    assert_eq!(report.count(Outcome::Done).files, 1, "{report:?}");
    scene.store.advance(Age::minutes(1));
    meanwhile();
    if ends {
        running.finish(true).await.unwrap();
    }
}

/// A job began from a checkpoint after the last look and before the move, and failed before it completed its own.
#[tokio::test]
async fn a_checkpoint_that_was_read_while_it_was_set_aside_comes_back() {
    for (ends, state) in [(true, "shared/#1"), (true, "chk-7/#2"), (false, "shared/#1")] {
        let scene = Scene::new();
        let read = || scene.store.set_accessed(path(&named(state)), scene.store.now());
        retired(&scene, ends, read).await;
        scene.store.advance(Age::hours(2));
        let report = rescued(&scene, "run-2").await;
        assert_eq!(why(&report), [Why::Read], "{report:?}");
        assert_eq!(report.files[0].named_by, scene.at("chk-7/_metadata"));
        assert!(is_there(&scene, "chk-7/_metadata"));
        assert!(scene.ears.heard().iter().any(|said| said.contains("while it was being set aside")));
    }
}

/// Flink has let go of it meanwhile: nobody can begin from it any more.
#[tokio::test]
async fn a_checkpoint_that_was_read_and_lacks_a_file_stays_in_quarantine() {
    for (gone, comes_back) in [(None, true), (Some("chk-7/#2"), false), (Some("shared/#1"), false)] {
        let scene = Scene::new();
        retired(&scene, false, || {}).await;
        for state in ["shared/#1", "chk-7/#2"] {
            scene.store.set_accessed(path(&named(state)), scene.store.now());
        }
        if let Some(gone) = gone {
            scene.store.remove(path(&named(gone)));
        }
        scene.store.advance(Age::hours(2));
        let report = rescued(&scene, "run-2").await;
        assert_eq!(is_there(&scene, "chk-7/_metadata"), comes_back, "{gone:?}: {report:?}");
    }
}

/// Where a look fails, it may be there.
#[tokio::test]
async fn a_checkpoint_that_was_read_comes_back_where_a_file_of_it_cannot_be_looked_at() {
    let scene = Scene::new();
    retired(&scene, false, || {}).await;
    scene.store.set_accessed(path(&named("shared/#1")), scene.store.now());
    scene.store.remove(path(&named("chk-7/#2")));
    scene.store.advance(Age::hours(2));
    let place = scene.at(&named("chk-7/#2"));
    scene.faulty.faults().add(Strike::on(Call::Stat, Fault::Fail(ErrorKind::Other)).at(&place).forever());
    assert_eq!(why(&rescued(&scene, "run-2").await), [Why::Read]);
}

/// What was read while the run went on counts, whoever else names it.
#[tokio::test]
async fn what_was_read_during_the_run_that_retired_it_comes_back_though_others_name_it() {
    let scene = Scene::new();
    let read = || scene.store.set_accessed(path(&named("shared/#1")), scene.store.now());
    retired(&scene, true, read).await;
    metadata(&scene, "chk-8/_metadata", 8, &[&named("shared/#1")], &[]);
    scene.store.advance(Age::hours(2));
    assert_eq!(why(&rescued(&scene, "run-2").await), [Why::Read]);
}

/// What it names may be spelled in another way than what was listed, and lie in its place or in a later quarantine.
#[tokio::test]
async fn a_checkpoint_comes_back_however_the_state_that_was_read_is_spelled() {
    let moved = |scene: &Scene| {
        let mut equivalence = Equivalence::default();
        let there = Location::from_printed(b"hdfs://far/moved").unwrap();
        equivalence.add_alias(&scene.root(), &there).unwrap();
        (there, equivalence)
    };
    let unknown = |scene: &Scene| {
        let there = Location::normalised("hdfs", "nn1:8020", scene.root().path());
        (there, Equivalence::default())
    };
    for aside in [false, true] {
        for is_known in [false, true] {
            let scene = Scene::new();
            let (there, equivalence) = if is_known { moved(&scene) } else { unknown(&scene) };
            let state = scene.at(&named("shared/#1"));
            let name = there.child(state.below(&scene.root()).unwrap()).to_string();
            scene.file(&named("shared/#1"), 100);
            let bytes = simple_metadata(4, 7, SimpleKind::Checkpoint, &[&name], &[], [1; 16]);
            scene.store.put(path("chk-7/_metadata"), bytes, scene.old());
            let mut running = scene.begin("run-1").await;
            let retires = |below: &str| (below == "chk-7/_metadata").then_some(Rule::RetiredCheckpoint);
            carry(&mut running, scene.actions(retires)).await;
            running.finish(true).await.unwrap();
            let mut lies = path(&named("shared/#1"));
            if aside {
                scene.store.advance(Age::days(2));
                take(&scene, "run-2", &["shared/#1"]).await;
                lies = quarantined("run-2", &named("shared/#1"));
            }
            scene.store.set_accessed(lies, scene.store.now().plus(Age::minutes(1)));
            scene.store.advance(Age::hours(2));
            let report = rescued_by(&scene, "run-3", &equivalence).await;
            assert!(is_there(&scene, "chk-7/_metadata"), "{name} {aside}: {report:?}");
        }
    }
}

/// A file of it that a later run has set aside is not gone, and comes back as well.
#[tokio::test]
async fn a_checkpoint_that_was_read_comes_back_with_what_lies_in_another_quarantine() {
    let scene = Scene::new();
    retired(&scene, false, || {}).await;
    scene.store.advance(Age::days(2));
    take(&scene, "run-2", &["chk-7/#2"]).await;
    let aside = quarantined("run-2", &named("chk-7/#2"));
    scene.store.set_accessed(aside, scene.store.now());
    let report = rescued(&scene, "run-3").await;
    assert!(is_there(&scene, "chk-7/_metadata") && is_there(&scene, "chk-7/#2"), "{report:?}");
}

#[tokio::test]
async fn what_was_read_before_the_run_that_retired_it_stays_in_quarantine() {
    let scene = Scene::new();
    retired(&scene, true, || {}).await;
    scene.store.set_accessed(path(&named("shared/#1")), scene.store.now().minus(Age::days(1)));
    scene.store.advance(Age::hours(2));
    assert!(rescued(&scene, "run-2").await.is_empty());
}

/// A job may have read the `_metadata` before it was set aside, and its state once it had machines. Of what another
/// checkpoint names as well a later read tells nothing.
#[tokio::test]
async fn what_was_read_after_the_run_that_retired_it_comes_back_where_nobody_else_names_it() {
    for (state, named_in_place, comes_back) in [
        ("shared/#1", false, true),
        ("chk-7/#2", false, true),
        ("shared/#1", true, false),
        ("chk-7/#2", true, true),
    ] {
        let scene = Scene::new();
        retired(&scene, true, || {}).await;
        if named_in_place {
            metadata(&scene, "chk-8/_metadata", 8, &[&named("shared/#1")], &[]);
        }
        scene.store.set_accessed(path(&named(state)), scene.store.now().plus(Age::minutes(1)));
        scene.store.advance(Age::hours(2));
        let report = rescued(&scene, "run-2").await;
        assert_eq!(is_there(&scene, "chk-7/_metadata"), comes_back, "{state} {named_in_place}: {report:?}");
    }
}
