//! What the tests of the reader share: the golden files, and a visitor that writes everything down.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{self, Read};
use std::path::Path;

use chksweep_core::Location;
use chksweep_core::metadata::{
    DirectoryReference, FileReference, Handle, HandleEnd, HandleKind, Header, MasterState, Member, Operator,
    Place, Properties, Visitor,
};

/// A golden file.
#[derive(serde::Deserialize)]
pub(crate) struct Golden {
    pub(crate) set: String,
    pub(crate) name: String,
    pub(crate) pointer: String,
    pub(crate) flink: serde_json::Value,
    metadata: String,
}

impl Golden {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.metadata.chars().map(|c| u8::try_from(c).unwrap()).collect()
    }

    pub(crate) fn directory(&self) -> Location {
        chksweep_core::flink_path::parse(self.pointer.as_bytes()).unwrap()
    }
}

/// Reads all golden files.
pub(crate) fn golden() -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metadata/flink.jsonl.zst");
    let lines = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes down everything that the reader tells, with state bytes joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) events: Vec<String>,
    pub(crate) inline: Vec<u8>,
}

impl Record {
    fn add(&mut self, event: String) {
        self.events.push(event);
    }
}

impl Visitor for Record {
    fn restart(&mut self) {
        *self = Self::default();
    }
    fn alternative(&mut self) {
        self.add("alternative".to_owned());
    }
    fn header(&mut self, header: &Header) {
        self.add(format!("{header:?}"));
    }
    fn master_state(&mut self, state: &MasterState<'_>) {
        self.add(format!("{state:?}"));
    }
    fn operator(&mut self, operator: &Operator<'_>) {
        self.add(format!("{operator:?}"));
    }
    fn entries(&mut self, count: Option<u32>) {
        self.add(format!("entries {count:?}"));
    }
    fn subtask(&mut self, index: i32, finished: bool) {
        self.add(format!("subtask {index} {finished}"));
    }
    fn ref_checkpoint(&mut self, checkpoint_id: i64) {
        self.add(format!("ref {checkpoint_id}"));
    }
    fn handle(&mut self, place: &Place, handle: &Handle<'_>) {
        self.add(format!("{place:?} {handle:?}"));
    }
    fn handle_end(&mut self, place: &Place, kind: HandleKind, end: &HandleEnd<'_>) {
        self.add(format!("{place:?} {kind:?} {end:?}"));
    }
    fn operator_state(&mut self, place: &Place, name: &[u8], mode: u8, offsets: u32) {
        self.add(format!("{place:?} state {name:?} {mode} {offsets}"));
    }
    fn member(&mut self, place: &Place, member: &Member<'_>) {
        self.add(format!("{place:?} {member:?}"));
    }
    fn file(&mut self, place: &Place, file: &FileReference<'_>) {
        self.add(format!("{place:?} {file:?}"));
    }
    fn directory(&mut self, place: &Place, directory: &DirectoryReference<'_>) {
        self.add(format!("{place:?} {directory:?}"));
    }
    fn empty_segment(&mut self, place: &Place) {
        self.add(format!("{place:?} empty segment"));
    }
    fn inline(&mut self, place: &Place, name: &[u8], bytes: u32) {
        self.add(format!("{place:?} inline {name:?} {bytes}"));
    }
    fn change(&mut self, place: &Place, key_group: i32, bytes: u32) {
        self.add(format!("{place:?} change {key_group} {bytes}"));
    }
    fn inline_bytes(&mut self, _place: &Place, bytes: &[u8]) {
        self.inline.extend_from_slice(bytes);
    }
    fn properties(&mut self, properties: &Properties) {
        self.add(format!("{properties:?}"));
    }
}

/// A reader that gives its bytes in pieces of the given sizes, over and over.
pub(crate) struct Pieces<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) sizes: &'a [usize],
    pub(crate) at: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.at % self.sizes.len()].max(1);
        self.at += 1;
        let count = size.min(buffer.len()).min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}
