//! The reader of `_metadata`.

use std::collections::BTreeSet;
use std::io::{self, Read};

use chksweep_core::metadata::ReadError;
use chksweep_core::{Location, content, deps, inspect};
use chksweep_testkit::metadata_writer::{
    Channel, FileMerging, Keyed, KeyedId, MetadataWriter, OperatorHandle, Stream, Subtask,
};

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

/// What the test writer writes, with handles of every kind in every place, the reader reads, and names the same files.
pub fn write_read(input: &[u8]) {
    let mut drawn = Drawn { draw: Draw(input), named: BTreeSet::new() };
    let version = i32::from(drawn.draw.byte() % 7) + 1;
    let mut writer = MetadataWriter::new(version, i64::from(drawn.draw.byte())).operator([1; 16]);
    if version >= 3 && drawn.draw.coin() {
        writer = writer.coordinator(Stream::inline("n", drawn.draw.bytes()));
    }
    let subtasks = i32::from(drawn.draw.byte() % 8);
    writer = writer.parallelism(subtasks, subtasks);
    for index in 0..subtasks {
        writer = writer.with_subtask(drawn.subtask(version, index));
    }
    let metadata = Location::normalised("hdfs", "ns", b"/ck/chk-7/_metadata");
    let read = deps::read(&writer.bytes(), &metadata).unwrap();
    let found: BTreeSet<String> = read.references().map(|file| file.location.to_string()).collect();
    assert_eq!(found, drawn.named);
}

/// Handles made out of an input, and the files that they name.
struct Drawn<'a> {
    draw: Draw<'a>,
    named: BTreeSet<String>,
}

impl Drawn<'_> {
    fn subtask(&mut self, version: i32, index: i32) -> Subtask {
        let mut subtask =
            Subtask { index, finished: version >= 3 && self.draw.below(16) == 15, ..Subtask::default() };
        if subtask.finished {
            return subtask;
        }
        // Only version 1 has more than one.
        let most = if version == 1 { 3 } else { 2 };
        for _ in 0..self.draw.below(most) {
            subtask.managed_operator.push(self.operator());
        }
        for _ in 0..self.draw.below(most) {
            subtask.raw_operator.push(self.operator());
        }
        subtask.managed_keyed = self.draw.coin().then(|| self.keyed(0));
        subtask.raw_keyed = (self.draw.below(4) == 3).then(|| self.keyed(0));
        if version >= 3 {
            for _ in 0..self.draw.below(3) {
                subtask.input_channels.push(self.channel(version));
            }
            for _ in 0..self.draw.below(2) {
                subtask.output_channels.push(self.channel(version));
            }
        }
        subtask
    }

    fn file(&mut self) -> Stream {
        let (name, size) = (self.draw.number(2), i64::try_from(self.draw.number(4)).unwrap());
        match self.draw.below(3) {
            0 => {
                self.named.insert(format!("hdfs://ns/shared/{name}"));
                Stream::file(format!("hdfs://ns/shared/{name}"), size)
            }
            1 => {
                self.named.insert(format!("hdfs://ns/ck/chk-7/{name}"));
                Stream::relative(name.to_string(), size)
            }
            _ => self.segment(name, size),
        }
    }

    fn segment(&mut self, name: u64, size: i64) -> Stream {
        self.named.insert(format!("hdfs://ns/merged/{name}"));
        Stream::segment(format!("hdfs://ns/merged/{name}"), 3, size)
    }

    /// State in a file or inside the metadata.
    fn present(&mut self) -> Stream {
        if self.draw.below(4) == 0 { Stream::inline("n", self.draw.bytes()) } else { self.file() }
    }

    fn operator(&mut self) -> OperatorHandle {
        if self.draw.below(4) < 3 {
            return OperatorHandle::list("state", self.present());
        }
        let name = self.draw.number(2);
        let mut handle = OperatorHandle::list("state", self.segment(name, 1));
        handle.merging = Some(FileMerging {
            task_owned: "hdfs://ns/ck/taskowned/one".into(),
            shared: "hdfs://ns/ck/shared/one".into(),
            is_empty: false,
        });
        handle
    }

    fn channel(&mut self, version: i32) -> Channel {
        let stream = self.present();
        if version >= 6 && self.draw.coin() {
            return Channel::Merged { stream, packed: self.draw.bytes().to_vec() };
        }
        Channel::single(stream)
    }

    fn id(&mut self) -> KeyedId {
        if self.draw.coin() {
            KeyedId::New("66666666-7777-8888-9999-aaaaaaaaaaaa".into())
        } else {
            KeyedId::Old
        }
    }

    fn keyed(&mut self, depth: usize) -> Keyed {
        match self.draw.below(if depth < 2 { 5 } else { 3 }) {
            0 => {
                let some = |drawn: &mut Self| {
                    (0..drawn.draw.below(8))
                        .map(|n| (format!("{n:06}.sst").into(), drawn.present()))
                        .collect()
                };
                let (meta, shared, private) = (self.present(), some(self), some(self));
                Keyed::Incremental {
                    checkpoint_id: 1,
                    backend_id: "11111111-2222-3333-4444-555555555555".into(),
                    range: (0, 32),
                    meta,
                    shared,
                    private,
                    id: self.id(),
                }
            }
            1 => Keyed::KeyGroups { start: 0, offsets: vec![0, 1], stream: self.present(), id: self.id() },
            2 => Keyed::Savepoint { start: 0, offsets: vec![0, 1], stream: self.present() },
            3 => self.increment(),
            _ => {
                let materialized = (0..self.draw.below(3)).map(|_| self.keyed(depth + 1)).collect();
                let delta = (0..self.draw.below(3)).map(|_| self.increment()).collect();
                Keyed::Changelog { range: (0, 1), materialized, delta, materialization_id: 3, id: self.id() }
            }
        }
    }

    /// What a changelog was longer by.
    fn increment(&mut self) -> Keyed {
        if self.draw.below(4) == 0 {
            let changes = vec![(0, self.draw.bytes().to_vec())];
            return Keyed::ChangelogBytes { range: (0, 1), changes, id: "id".into() };
        }
        let segments = (0..self.draw.below(4)).map(|offset| (i64::try_from(offset).unwrap(), self.present()));
        let segments = segments.collect();
        Keyed::ChangelogFiles { range: (0, 1), segments, id: self.id() }
    }
}
