//! What the test writer writes, the reader reads, and names the same files.

#![no_main]

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use chksweep_core::{Location, deps};
use chksweep_testkit::metadata_writer::{MetadataWriter, Stream};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    version: u8,
    checkpoint_id: u32,
    subtasks: Vec<Vec<Named>>,
}

#[derive(Arbitrary, Debug)]
enum Named {
    Shared(u16, u32),
    Relative(u16),
    Operator(u16),
    Inline(Vec<u8>),
}

fuzz_target!(|input: Input| {
    let version = i32::from(input.version % 7) + 1;
    let mut writer = MetadataWriter::new(version, input.checkpoint_id.into()).operator([1; 16]);
    let parallelism = i32::try_from(input.subtasks.len()).unwrap();
    writer = writer.parallelism(parallelism, parallelism);
    let mut expected = BTreeSet::new();
    for (index, named) in (0..).zip(&input.subtasks) {
        writer = writer.subtask(index);
        let mut operator = None;
        for name in named {
            writer = match name {
                Named::Shared(name, size) => {
                    expected.insert(format!("hdfs://ns/shared/{name}"));
                    writer.file(format!("hdfs://ns/shared/{name}"), (*size).into())
                }
                Named::Relative(name) => {
                    expected.insert(format!("hdfs://ns/ck/chk-7/{name}"));
                    writer.relative(name.to_string(), 1)
                }
                Named::Operator(name) => {
                    operator = Some(format!("hdfs://ns/ck/chk-7/op{name}"));
                    writer.operator_state(Stream::relative(format!("op{name}"), 1))
                }
                Named::Inline(data) => {
                    operator = None;
                    writer.operator_state(Stream::inline("n", data))
                }
            };
        }
        expected.extend(operator);
    }
    let metadata = Location::normalised("hdfs", "ns", b"/ck/chk-7/_metadata");
    let read = deps::read(&writer.bytes(), &metadata).unwrap();
    let found: BTreeSet<String> = read.references().map(|file| file.location.to_string()).collect();
    assert_eq!(found, expected);
});
