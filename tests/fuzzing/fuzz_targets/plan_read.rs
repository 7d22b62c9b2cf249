#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chksweep_fuzzing::plan::plan_read(bytes));
