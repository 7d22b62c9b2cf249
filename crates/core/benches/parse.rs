//! How fast a large `_metadata` is read: what a RocksDB job with many files writes.

use std::hint::black_box;

use chksweep_core::{Location, content, deps, metadata};
use chksweep_testkit::metadata_writer::MetadataWriter;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A file of about 12 MB with a hundred thousand references from a hundred subtasks.
fn large() -> Vec<u8> {
    let mut writer = MetadataWriter::v6(7).checkpoint().operator([1; 16]).parallelism(100, 128);
    for subtask in 0..100 {
        writer = writer.subtask(subtask);
        for file in 0..1000 {
            let name = format!("{subtask:08x}-0000-4000-8000-{file:012x}");
            let path = format!("hdfs://ns/flink/checkpoints/0123456789abcdef0123456789abcdef/shared/{name}");
            writer = writer.file(path, 1000);
        }
    }
    writer.bytes()
}

fn parse(criterion: &mut Criterion) {
    let bytes = large();
    let directory =
        Location::normalised("hdfs", "ns", b"/flink/checkpoints/0123456789abcdef0123456789abcdef/chk-7");
    let location = directory.child(b"_metadata");
    let mut group = criterion.benchmark_group("metadata");
    group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).unwrap_or(0)));
    group.sample_size(20);
    group.bench_function("ignore", |b| {
        b.iter(|| metadata::read_slice(black_box(&bytes), &mut metadata::Ignore));
    });
    group.bench_function("content", |b| b.iter(|| content::read(black_box(&bytes), &location)));
    group.bench_function("dependencies", |b| b.iter(|| deps::read(black_box(&bytes), &location)));
    group.bench_function("content of a stream", |b| {
        let length = u64::try_from(bytes.len()).unwrap_or(0);
        b.iter(|| content::read_stream(|| Ok(black_box(&bytes[..])), length, &location));
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
