//! References that lead nowhere, and roots of which nothing is known.

use chksweep_core::plan::{Brake, Rule};
use chksweep_core::policy::{DeadJob, OnUnreadable};

use chksweep_core::Kind;

use crate::world::{A, B, NOW, Says, World, at, days, uuid};

fn shared(job: &str, number: u8) -> String {
    format!("/r/{job}/shared/{}", uuid(number))
}

/// Two living jobs; job A has an orphan that goes, job B names a hundred files.
fn world() -> World {
    let mut world = World::new("/r");
    let mut says = Says::at(&format!("/r/{B}/chk-5/_metadata"));
    for number in 100..=199 {
        says = says.names(&shared(B, number));
    }
    world
        .says(says)
        .says(Says::at(&format!("/r/{A}/chk-5/_metadata")).names(&shared(A, 1)))
        .file(&shared(A, 2))
        .sweep(&shared(A, 2), Rule::UnreferencedShared);
    world
}

#[test]
fn nothing_of_a_job_goes_whose_newest_checkpoint_misses_files() {
    let mut dangling = world();
    dangling.policy.max_dangling = 0.5;
    dangling.passes();
    dangling.gone(&shared(A, 1)).refused(&["inconsistent-job"]);
    // A copy elsewhere is what it may mean.
    let mut copied = dangling.clone();
    copied.file(&shared(B, 1)).passes();
    // One job says nothing of another.
    let mut other = world();
    other.policy.max_dangling = 0.5;
    other.gone(&shared(B, 100)).passes();
    // Older ones dangle in healthy jobs.
    let mut old = dangling.clone();
    old.says(Says::at(&format!("/r/{A}/chk-6/_metadata")).written(days(10))).passes();
    // Of a dead job nothing is asked.
    let mut dead = dangling.clone();
    dead.seen(&format!("/r/{A}"), days(2)).passes();
    // What was not listed to its end may be there.
    let mut partial = dangling.clone();
    partial.sweep(&shared(A, 2), Rule::PartialListing).partial(&format!("/r/{A}/shared"));
    partial.file(&shared(B, 7)).sweep(&shared(B, 7), Rule::UnreferencedShared).passes();
    // What completed after the listing began may name what came after it.
    let mut later = world();
    later.policy.max_dangling = 0.5;
    let says = Says::at(&format!("/r/{A}/chk-6/_metadata")).names(&shared(A, 3)).written(NOW);
    later.says(says).gone(&shared(A, 3)).passes();
    // So may one that the listing did not see, whatever its time: the clock that looks may go ahead.
    let mut unseen = world();
    unseen.policy.max_dangling = 0.5;
    let says = Says::at(&format!("/r/{A}/chk-6/_metadata")).names(&shared(A, 3)).written(days(1));
    unseen.says_unlisted(says).passes();
    // What lies under no listed root is not missed.
    let mut elsewhere = world();
    let says = Says::at(&format!("/r/{A}/chk-6/_metadata")).names("/x/y").written(days(10));
    elsewhere.says(says).passes();
}

#[test]
fn too_many_dangling_references_need_a_brake() {
    let mut few = world();
    few.gone(&shared(B, 100)).passes();
    let mut many = world();
    many.gone(&shared(B, 100)).gone(&shared(B, 101)).refused(&["max-dangling"]);
    many.policy.max_dangling = 0.02;
    many.passes();
    many.policy.max_dangling = 0.01;
    many.edit = |plan| {
        let brake = Brake { limit: "max-dangling".to_owned(), root: None, message: "many".to_owned() };
        plan.brakes.push(brake.clone());
        plan.header.brakes.push(brake);
    };
    many.passes();
    // Which of two is the newest cannot be told, and one of them is whole.
    let mut two = world();
    let mut says = Says::at(&format!("/r/{B}/chk-6/_metadata")).written(days(25));
    for number in 100..=199 {
        says = says.names(&shared(B, number));
    }
    two.says(says.names(&shared(B, 200)).names(&shared(B, 201)));
    two.gone(&shared(B, 200)).gone(&shared(B, 201)).passes();
    // Dead jobs never count.
    let mut dead = world();
    dead.gone(&shared(B, 100)).gone(&shared(B, 101)).seen(&format!("/r/{B}"), days(2)).passes();
}

#[test]
fn a_spelling_under_which_nothing_resolves_needs_a_brake() {
    let mut spelled = world();
    let name = format!("hdfs://ns/r/{A}/shared/x");
    spelled.says(Says::at(&format!("/r/{B}/chk-6/_metadata")).names(&name).written(days(10)));
    spelled.policy.max_dangling = 1.0;
    spelled.refused(&["max-dangling"]);
    spelled.file(&format!("/r/{A}/shared/x")).passes();
}

/// The candidates of job B were listed whole, and its `chk-5` not again when metadata was looked for: nothing proves it
/// dead, so what it names counts, and shows that the spelling is right.
#[test]
fn a_job_whose_second_listing_broke_is_not_dead() {
    let staging = format!("/r/{A}/chk-3/._metadata.inprogress.1");
    let mut world = World::new("/r");
    world.policy.unreadable = OnUnreadable::Isolate;
    world.policy.max_dangling = 1.0;
    for (job, number) in [(A, 1), (B, 2)] {
        world.says(Says::at(&format!("/r/{job}/chk-5/_metadata")).names(&shared(job, number)));
    }
    world.gone(&shared(A, 1)).seen(&format!("/r/{B}"), days(2));
    world.file(&staging).sweep(&staging, Rule::StagingFile).refused(&["inconsistent-job", "max-dangling"]);
    world.unlisted.push((at(&format!("/r/{B}/chk-5")), "denied".to_owned()));
    world.refused(&["inconsistent-job"]);
}

#[test]
fn a_root_without_metadata_needs_a_brake() {
    let file = format!("/s/{B}/chk-1/._metadata.inprogress.1");
    let mut world = world();
    world.root("/s").file(&file).passes();
    world.sweep(&file, Rule::StagingFile).refused(&["no-readable-metadata"]);
    world.says(Says::at("/s/x/_metadata").unreadable(false, None)).refused(&["no-readable-metadata"]);
    world.says(Says::at("/s/y/_metadata")).passes();
}

#[test]
fn a_changelog_root_has_no_metadata_by_its_nature() {
    let file = format!("/c/{A}/dstl/{}", uuid(1));
    let mut world = World::new("/r");
    world.root("/c").says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(&file);
    world.policy.dead_jobs.push(DeadJob::Id(chksweep_core::JobId::parse(A.as_bytes()).unwrap()));
    world.sweep(&file, Rule::UnreferencedRunningState).passes();
}

/// One that leads nowhere is enough, whatever follows it.
#[test]
fn the_first_of_several_names_that_leads_nowhere_counts() {
    let mut world = world();
    world.policy.max_dangling = 0.5;
    let says = Says::at(&format!("/r/{A}/chk-6/_metadata")).written(days(10));
    world.says(says.names(&shared(A, 3)).names(&shared(A, 4))).passes();
    world.gone(&shared(A, 3)).refused(&["inconsistent-job"]);
}

/// What lies in a `chk-N` and says that it is a savepoint tells nothing of the checkpoints of its job.
#[test]
fn a_savepoint_is_not_the_newest_checkpoint() {
    let mut world = world();
    world.policy.max_dangling = 0.5;
    let says = Says::at(&format!("/r/{A}/chk-6/_metadata")).names(&shared(A, 3)).written(days(10));
    world.says(says.clone().kind(Kind::Savepoint)).gone(&shared(A, 3)).passes();
}

/// What was not listed to its end may be there; what else is of the job goes all the same.
#[test]
fn a_name_in_a_directory_that_was_not_listed_whole_may_lead_somewhere() {
    let staging = format!("/r/{A}/chk-3/._metadata.inprogress.1");
    let mut world = world();
    world.policy.max_dangling = 0.5;
    world.sweep(&shared(A, 2), Rule::PartialListing).file(&staging).sweep(&staging, Rule::StagingFile);
    world.gone(&shared(A, 1)).refused(&["inconsistent-job"]);
    world.partial(&format!("/r/{A}/shared")).passes();
}

#[test]
fn a_root_with_anything_but_changelog_should_have_metadata() {
    let file = format!("/c/{A}/dstl/{}", uuid(1));
    let mut world = World::new("/r");
    world.root("/c").says(Says::at(&format!("/r/{A}/chk-5/_metadata"))).file(&file);
    world.policy.dead_jobs.push(DeadJob::Id(chksweep_core::JobId::parse(A.as_bytes()).unwrap()));
    world.sweep(&file, Rule::UnreferencedRunningState).file("/c/x/notes").refused(&["no-readable-metadata"]);
}
