//! Any bytes are read or refused: no panic, no endless loop, no memory beyond a small multiple of the input.

#![no_main]

use chksweep_core::{Location, content, deps, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let metadata = Location::local(b"/ck/job/chk-7/_metadata");
    let read = content::read(bytes, &metadata);
    let depends = deps::read(bytes, &metadata);
    let inside = inspect::read(bytes, &metadata);
    assert_eq!(read.is_ok(), depends.is_ok());
    assert_eq!(read.is_ok(), inside.is_ok());
    if let (Ok(read), Ok(depends)) = (read, depends) {
        assert_eq!(read.files.files.len(), depends.len());
    }
});
