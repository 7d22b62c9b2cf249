//! Properties of the reader: it never panics, a stream gives what a slice gives, no strict prefix can be read, and
//! what the test writer writes is what it tells.

#[cfg(test)]
mod common;

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use chksweep_core::metadata::{self, Dialect, Ignore, ParseError, ReadError, Summary};
    use chksweep_testkit::metadata_writer as writer;
    use proptest::prelude::*;

    use crate::common::{Pieces, Record, golden};
    use crate::model;

    /// The golden files that are small enough to be changed and read thousands of times.
    static SMALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        golden().iter().map(crate::common::Golden::bytes).filter(|bytes| bytes.len() < 6_000).collect()
    });

    fn read_stream(bytes: &[u8], sizes: &[usize], record: &mut Record) -> Result<Summary, ParseError> {
        let length = u64::try_from(bytes.len()).unwrap();
        metadata::read_stream(|| Ok(Pieces { bytes, sizes, at: 0 }), length, record).map_err(|error| {
            match error {
                ReadError::Parse(error) => error,
                ReadError::Io { source, .. } => panic!("{source}"),
            }
        })
    }

    /// Reads bytes both ways, and returns what both gave.
    fn read_both_ways(bytes: &[u8], sizes: &[usize]) -> (Result<Summary, ParseError>, Record) {
        let (mut whole, mut pieces) = (Record::default(), Record::default());
        let expected = metadata::read_slice(bytes, &mut whole);
        assert_eq!(read_stream(bytes, sizes, &mut pieces), expected);
        if expected.is_ok() {
            assert!(whole == pieces, "a stream tells what a slice does not");
        }
        (expected, whole)
    }

    /// Whether bytes are refused, or read in a dialect other than that of the file from which they were made: an
    /// in-memory changelog with an empty id, which Flink never writes, differs between dialects by two zeros.
    fn is_refused(bytes: &[u8], file: &writer::MetadataWriter) -> bool {
        let own = match file.dialect {
            writer::Dialect::Standard => Dialect::Standard,
            writer::Dialect::A => Dialect::A,
            writer::Dialect::B => Dialect::B,
        };
        match metadata::read_slice(bytes, &mut Ignore) {
            Ok(summary) => file.version == 3 && summary.dialect != own,
            Err(_) => true,
        }
    }

    fn sizes() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(prop_oneof![1_usize..8, 1_usize..5_000], 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn random_bytes_are_refused_and_do_no_harm(
            version in 0..9_i32,
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            sizes in sizes(),
        ) {
            let headed = [&metadata::MAGIC[..], &version.to_be_bytes(), &[0; 8], &bytes].concat();
            let _read = read_both_ways(&headed, &sizes);
            let _read = read_both_ways(&bytes, &sizes);
        }

        #[test]
        fn changed_files_do_no_harm(
            which in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6),
            sizes in sizes(),
        ) {
            let mut bytes = which.get(&SMALL).clone();
            for (at, what, byte) in changes {
                if bytes.is_empty() {
                    break;
                }
                let at = at.index(bytes.len());
                match what {
                    0 => bytes[at] = byte,
                    1 => bytes[at] ^= 1 << (byte & 7),
                    2 => bytes.insert(at, byte),
                    _ => {
                        bytes.remove(at);
                    }
                }
            }
            let _read = read_both_ways(&bytes, &sizes);
        }

        #[test]
        fn what_is_written_is_told(file in model::file(), sizes in sizes()) {
            let bytes = file.bytes();
            let (summary, record) = read_both_ways(&bytes, &sizes);
            let summary = summary.unwrap();
            prop_assert_eq!(summary.version, file.version);
            prop_assert_eq!(summary.checkpoint_id, file.checkpoint_id);
            let expected = model::told(&file);
            // A file of one dialect may be readable in another; then its own reading is among those told.
            let told: Vec<Vec<String>> = record
                .events
                .split(|event| event == "alternative")
                .map(model::told_by_events)
                .collect();
            prop_assert!(told.contains(&expected), "{:#?}\n{:#?}", expected, told);
            if file.dialect == writer::Dialect::Standard {
                prop_assert_eq!(summary.dialect, Dialect::Standard);
            }
        }

        #[test]
        fn no_strict_prefix_of_what_is_written_can_be_read(
            file in model::file(),
            at in any::<prop::sample::Index>(),
        ) {
            let bytes = file.bytes();
            let prefix = &bytes[..at.index(bytes.len())];
            prop_assert!(is_refused(prefix, &file));
        }

        #[test]
        fn a_tail_is_an_error(file in model::file(), tail in prop::collection::vec(any::<u8>(), 1..20)) {
            let bytes = [file.bytes(), tail].concat();
            prop_assert!(is_refused(&bytes, &file));
        }
    }
}
