//! Plans a million files against a million references, and prints seconds and peak memory.
//!
//! `cargo bench -p chksweep-planner --bench million [-- FILES]`. Two hundred jobs, each with ten checkpoints of a
//! hundred files, and four with a `shared` that holds most of the rest; a tenth of the shared files is garbage.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints and may fail")]

use std::time::Instant;

use chksweep_core::equivalence::Equivalence;
use chksweep_core::plan::{Looks, MetadataFile, OperatorStateSearch, Place, PlanInput, entries};
use chksweep_core::{
    Age, Content, DirectoryId, File, FileRef, InventoryBuilder, Kind, ListedDirectory, Listing, Location,
    Name, OperatorId, Policy, Timestamp, Uuid,
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const JOBS: u32 = 200;
const CHECKPOINTS: u32 = 10;
const EXCLUSIVE: u32 = 100;
const LARGE: u32 = 4;

fn file(days: u64) -> File {
    File {
        length: 4096,
        modified: NOW.minus(Age::days(days)),
        accessed: Timestamp(0),
        name: Name::Other(0),
        replication: Some(3),
        regular: true,
        whole_blocks: false,
    }
}

/// Names are spread over the whole range, as random ones are.
fn uuid(job: u32, kind: u32, n: u32) -> Uuid {
    let mut bytes = [0; 16];
    let spread = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bytes[..8].copy_from_slice(&spread.to_be_bytes());
    bytes[8..12].copy_from_slice(&job.to_be_bytes());
    bytes[12..].copy_from_slice(&(kind << 24 | n).to_be_bytes());
    Uuid(bytes)
}

struct World {
    builder: InventoryBuilder,
    metadata: Vec<MetadataFile>,
    files: u64,
    references: u64,
}

impl World {
    fn directory(
        &mut self,
        id: DirectoryId,
        names: &[(Uuid, u64)],
        others: &[(&[u8], u64)],
        children: &[String],
    ) -> Vec<DirectoryId> {
        let mut listed = ListedDirectory::default();
        for (name, days) in names {
            listed.add_file(&name.text(), file(*days));
        }
        for (name, days) in others {
            listed.add_file(name, file(*days));
        }
        for name in children {
            listed.add_directory(name.as_bytes(), NOW.minus(Age::days(2)));
        }
        self.files += u64::try_from(names.len() + others.len()).unwrap();
        self.builder.finish(id, listed, Listing::Complete)
    }

    fn job(&mut self, id: DirectoryId, job: u32, shared: u32) {
        let mut children: Vec<String> = (1..=CHECKPOINTS).map(|n| format!("chk-{n}")).collect();
        children.push("shared".to_owned());
        children.push("taskowned".to_owned());
        children.sort();
        let ids = self.directory(id, &[], &[], &children);
        let location = self.builder.location(id).clone();
        for (name, id) in children.iter().zip(ids) {
            if let Some(number) = name.strip_prefix("chk-") {
                let number: u32 = number.parse().unwrap();
                let own: Vec<(Uuid, u64)> =
                    (0..EXCLUSIVE).map(|n| (uuid(job, number, n), u64::from(12 - number) + 2)).collect();
                self.directory(id, &own, &[(b"_metadata", u64::from(12 - number) + 2)], &[]);
                self.metadata(&location, job, number, shared);
            } else if name == "shared" {
                let all: Vec<(Uuid, u64)> = (0..shared).map(|n| (uuid(job, 99, n), 20)).collect();
                self.directory(id, &all, &[], &[]);
            } else {
                self.directory(id, &[], &[], &[]);
            }
        }
    }

    /// Each of the ten checkpoints names its own files and a tenth of the nine tenths of shared files that live.
    fn metadata(&mut self, job_directory: &Location, job: u32, number: u32, shared: u32) {
        let directory = job_directory.child(format!("chk-{number}").as_bytes());
        let mut content = Content {
            version: 6,
            checkpoint_id: i64::from(number),
            kind: Kind::Checkpoint,
            operators: vec![OperatorId([1; 16])],
            ..Content::default()
        };
        content.files.directories = vec![directory.clone(), job_directory.child(b"shared")];
        let own = (0..EXCLUSIVE).map(|n| FileRef { directory: 0, name: Name::Uuid(uuid(job, number, n)) });
        let named = (0..shared)
            .filter(|n| n % CHECKPOINTS == number - 1 && n % 10 != 9)
            .map(|n| FileRef { directory: 1, name: Name::Uuid(uuid(job, 99, n)) });
        content.files.files = own.chain(named).collect();
        self.references += u64::try_from(content.files.files.len()).unwrap();
        self.metadata.push(MetadataFile {
            location: directory.child(b"_metadata"),
            bytes: 100,
            modified: NOW.minus(Age::days(u64::from(12 - number) + 2)),
            place: Place::Sweep,
            content: Ok(content),
            operator_state: OperatorStateSearch::Searched { found: Vec::new() },
        });
    }
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn main() {
    let wanted: u32 = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let exclusive = JOBS * CHECKPOINTS * (EXCLUSIVE + 1);
    let shared = wanted.saturating_sub(exclusive) / LARGE;
    let begin = Instant::now();
    let mut world =
        World { builder: InventoryBuilder::default(), metadata: Vec::new(), files: 0, references: 0 };
    let root = world.builder.add_root(Location::normalised("hdfs", "ns", b"/flink"), NOW);
    let names: Vec<String> = (0..JOBS).map(|job| format!("{job:032x}")).collect();
    let ids = world.directory(root, &[], &[], &names);
    for (job, id) in (0_u32..).zip(ids) {
        world.job(id, job, if job < LARGE { shared } else { 0 });
    }
    let (files, references) = (world.files, world.references);
    let inventory = world.builder.build();
    println!(
        "made      {:6.2} s  {:5} MiB  {files} files, {references} references",
        begin.elapsed().as_secs_f64(),
        peak_mib()
    );

    let begin = Instant::now();
    let policy = Policy::default();
    let input = PlanInput {
        run_id: "bench",
        as_of: NOW,
        looked_at: NOW,
        inventory: &inventory,
        metadata: &world.metadata,
        unlisted: &[],
        reference_roots: &[],
        equivalence: &Equivalence::default(),
        policy: &policy,
        looks: &Looks::default(),
        pins: &[],
        problems: &[],
    };
    let plan = chksweep_planner::plan(&input).unwrap();
    println!(
        "planned   {:6.2} s  {:5} MiB  {:?}",
        begin.elapsed().as_secs_f64(),
        peak_mib(),
        plan.summary.decisions.sweep
    );

    let begin = Instant::now();
    let mut count = 0_u64;
    entries(&inventory, &plan.decisions, false, |_| count += 1);
    println!("entries   {:6.2} s  {:5} MiB  {count} entries", begin.elapsed().as_secs_f64(), peak_mib());
}
