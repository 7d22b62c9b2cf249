//! The reader of `_metadata`.

use std::collections::BTreeSet;
use std::io::{self, Read};

use chksweep_core::metadata::ReadError;
use chksweep_core::{Location, content, deps, inspect};
use chksweep_testkit::metadata_writer::{MetadataWriter, Stream};

use super::draw::Draw;

/// Any bytes are read or refused: no panic, no endless loop, no memory beyond a small multiple of the input; and
/// the three that read agree.
pub fn parse(bytes: &[u8]) {
    let metadata = Location::local(b"/ck/job/chk-7/_metadata");
    let read = content::read(bytes, &metadata);
    let depends = deps::read(bytes, &metadata);
    let inside = inspect::read(bytes, &metadata);
    assert_eq!(read.is_ok(), depends.is_ok());
    assert_eq!(read.is_ok(), inside.is_ok());
    if let (Ok(read), Ok(depends)) = (read, depends) {
        assert_eq!(read.files.files.len(), depends.len());
    }
}

struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.size.min(buffer.len()).min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

/// A stream in pieces of any size gives what a slice gives.
pub fn chunked(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let metadata = Location::local(b"/ck/job/chk-7/_metadata");
    let open = || Ok(Pieces { bytes, size: usize::from(*size) + 1 });
    let length = u64::try_from(bytes.len()).unwrap();
    match (content::read(bytes, &metadata), content::read_stream(open, length, &metadata)) {
        (Ok(whole), Ok(pieces)) => assert_eq!(format!("{whole:?}"), format!("{pieces:?}")),
        (Err(whole), Err(ReadError::Parse(pieces))) => assert_eq!(whole, pieces),
        (whole, pieces) => panic!("{whole:?} and {pieces:?}"),
    }
}

/// What the test writer writes, the reader reads, and names the same files.
pub fn write_read(input: &[u8]) {
    let mut draw = Draw(input);
    let version = i32::from(draw.byte() % 7) + 1;
    let mut writer = MetadataWriter::new(version, i64::from(draw.byte())).operator([1; 16]);
    let subtasks = i32::from(draw.byte() % 8);
    writer = writer.parallelism(subtasks, subtasks);
    let mut expected = BTreeSet::new();
    for index in 0..subtasks {
        writer = writer.subtask(index);
        let mut operator = None;
        for _ in 0..draw.below(16) {
            let name = draw.number(2);
            writer = match draw.below(4) {
                0 => {
                    expected.insert(format!("hdfs://ns/shared/{name}"));
                    let size = i64::try_from(draw.number(4)).unwrap();
                    writer.file(format!("hdfs://ns/shared/{name}"), size)
                }
                1 => {
                    expected.insert(format!("hdfs://ns/ck/chk-7/{name}"));
                    writer.relative(name.to_string(), 1)
                }
                2 => {
                    operator = Some(format!("hdfs://ns/ck/chk-7/op{name}"));
                    writer.operator_state(Stream::relative(format!("op{name}"), 1))
                }
                _ => {
                    operator = None;
                    writer.operator_state(Stream::inline("n", draw.bytes()))
                }
            };
        }
        expected.extend(operator);
    }
    let metadata = Location::normalised("hdfs", "ns", b"/ck/chk-7/_metadata");
    let read = deps::read(&writer.bytes(), &metadata).unwrap();
    let found: BTreeSet<String> = read.references().map(|file| file.location.to_string()).collect();
    assert_eq!(found, expected);
}
