//! A stream in pieces of any size gives what a slice gives.

#![no_main]

use std::io::{self, Read};

use chksweep_core::metadata::ReadError;
use chksweep_core::{Location, content};
use libfuzzer_sys::fuzz_target;

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

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let metadata = Location::local(b"/ck/job/chk-7/_metadata");
    let open = || Ok(Pieces { bytes, size: usize::from(size) + 1 });
    let length = u64::try_from(bytes.len()).unwrap();
    match (content::read(bytes, &metadata), content::read_stream(open, length, &metadata)) {
        (Ok(whole), Ok(pieces)) => assert_eq!(format!("{whole:?}"), format!("{pieces:?}")),
        (Err(whole), Err(ReadError::Parse(pieces))) => assert_eq!(whole, pieces),
        (whole, pieces) => panic!("{whole:?} and {pieces:?}"),
    }
});
