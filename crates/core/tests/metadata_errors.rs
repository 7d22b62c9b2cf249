//! Errors say which byte of which field is wrong, and limits hold on both sides.

#[cfg(test)]
mod tests {
    use chksweep_core::metadata::{self, Ignore, ParseError, ParseErrorKind, limits};
    use chksweep_core::{Location, inspect};
    use chksweep_testkit::metadata_writer::{
        Channel, Keyed, KeyedId, MetadataWriter, OperatorHandle, Properties, Stream, Text,
    };

    fn error(bytes: &[u8]) -> ParseError {
        metadata::read_slice(bytes, &mut Ignore).unwrap_err()
    }

    fn message(bytes: &[u8]) -> String {
        error(bytes).to_string()
    }

    fn one_keyed(keyed: Keyed) -> Vec<u8> {
        MetadataWriter::v3(7).operator([1; 16]).subtask(0).managed_keyed(keyed).bytes()
    }

    fn one_stream(stream: Stream) -> Vec<u8> {
        MetadataWriter::v3(7).operator([1; 16]).subtask(0).operator_state(stream).bytes()
    }

    /// The tree is as deep as the file: it is built, printed and dropped here.
    fn inspected(bytes: &[u8]) -> String {
        serde_json::to_string(&inspect::read(bytes, &Location::local(b"/c/_metadata")).unwrap()).unwrap()
    }

    #[test]
    fn messages_name_offset_and_field() {
        assert_eq!(
            message(&[0x49]),
            "unexpected end of file (3 more bytes needed) at offset 0x0 while reading magic number"
        );
        assert_eq!(
            message(b"no metadata"),
            "not a Flink `_metadata`: it starts with 6e6f206d, not with 4960672d at offset 0x0 while reading \
             magic number"
        );
        let version = |version| MetadataWriter::new(version, 7).bytes();
        assert_eq!(error(&version(0)).kind, ParseErrorKind::VersionZero);
        assert_eq!(message(&version(8)), "unknown version 8 at offset 0x4 while reading version");
        let bytes = MetadataWriter::v2(7).operator([1; 16]).bytes();
        assert_eq!(
            message(&bytes[..bytes.len() - 5]),
            "count 1 cannot fit in the 27 bytes that are left at offset 0x14 while reading number of operators \
             (version 2)"
        );
        assert_eq!(
            message(&[&bytes[..], b"xy"].concat()),
            "2 bytes follow the last field at offset 0x38 while reading end of file (version 2)"
        );
    }

    #[test]
    fn the_way_to_a_field_is_told() {
        let bad = Keyed::incremental(
            Stream::relative("m", 1),
            vec![("a".into(), Stream::file("hdfs://ns/a", 1)), ("b".into(), Stream::file("", 1))],
        );
        let bytes = MetadataWriter::v6(7)
            .operator([1; 16])
            .operator([2; 16])
            .subtask(0)
            .subtask(3)
            .managed_keyed(bad)
            .bytes();
        let found = error(&bytes);
        assert_eq!(found.field, "operator 1 › subtask 3 › managed keyed state › shared[1] › path");
        assert_eq!(found.version, Some(6));
        assert_eq!(found.kind.name(), "invalid-path");
        let at = usize::try_from(found.offset).unwrap();
        assert_eq!(bytes[at..at + 2], [0, 0], "the offset is that of the empty string");

        let bytes = one_stream(Stream::Inline { name: Text(b"a\xff".to_vec()), data: Vec::new() });
        let found = error(&bytes);
        assert_eq!(found.field, "operator 0 › subtask 0 › managed operator state › name of inline state");
        assert_eq!(bytes[usize::try_from(found.offset).unwrap()], 0xff);
        assert_eq!(found.kind, ParseErrorKind::InvalidString);

        let channel = Channel::single(Stream::Absent);
        let bytes = MetadataWriter::v6(7).operator([1; 16]).subtask(0).output_channel(channel).bytes();
        let found = error(&bytes);
        assert_eq!(
            found.field,
            "operator 0 › subtask 0 › result subpartition state › channel[0] › stream handle"
        );
        assert_eq!(found.kind, ParseErrorKind::MissingHandle);
    }

    #[test]
    fn what_flink_refuses_is_refused() {
        let handle = |mode| {
            let mut handle = OperatorHandle::list("s", Stream::relative("a", 1));
            handle.states[0].mode = mode;
            MetadataWriter::v3(7).operator([1; 16]).subtask(0).managed_operator(handle).bytes()
        };
        assert!(metadata::read_slice(&handle(2), &mut Ignore).is_ok());
        assert_eq!(error(&handle(3)).kind.name(), "invalid-value");
        let file = |size| one_stream(Stream::file("hdfs://ns/a", size));
        assert!(metadata::read_slice(&file(-1), &mut Ignore).is_ok());
        assert_eq!(error(&file(-2)).kind.name(), "invalid-value");
        let subtask = |index| MetadataWriter::v3(7).operator([1; 16]).subtask(index).bytes();
        assert!(metadata::read_slice(&subtask(3), &mut Ignore).is_ok());
        assert_eq!(error(&subtask(4)).kind.name(), "invalid-value");
        let parallelism = |maximum| MetadataWriter::v3(7).operator([1; 16]).parallelism(4, maximum).bytes();
        assert!(metadata::read_slice(&parallelism(4), &mut Ignore).is_ok());
        assert_eq!(error(&parallelism(3)).kind.name(), "invalid-value");
        let coordinator =
            MetadataWriter::v3(7).operator([1; 16]).coordinator(Stream::file("hdfs://ns/a", 1)).bytes();
        assert_eq!(error(&coordinator).kind.name(), "wrong-handle");
        let mut merging = OperatorHandle::empty_merging("hdfs://ns/a", "hdfs://ns/b");
        merging.stream = Stream::file("hdfs://ns/c", 1);
        let merging = MetadataWriter::v4(7).operator([1; 16]).subtask(0).managed_operator(merging).bytes();
        assert_eq!(error(&merging).kind.name(), "wrong-handle");
    }

    #[test]
    fn nested_streams_are_read_up_to_the_limit() {
        let nested = |depth| {
            let mut bytes = one_stream(Stream::file("hdfs://ns/a", 1));
            let at = bytes.iter().rposition(|byte| *byte == 2).unwrap();
            let level = [&[3][..], &[0; 8]].concat();
            bytes.splice(at..at, level.repeat(depth));
            bytes
        };
        let limit = usize::try_from(limits::MAX_STREAM_NESTING).unwrap();
        assert!(metadata::read_slice(&nested(limit), &mut Ignore).is_ok());
        assert!(inspected(&nested(limit)).contains("hdfs://ns/a"));
        assert_eq!(error(&nested(limit + 1)).kind.name(), "too-deep");
        assert_eq!(error(&nested(200_000)).kind.name(), "too-deep");
    }

    #[test]
    fn nested_changelogs_are_read_up_to_the_limit() {
        let nested = |depth| {
            let mut keyed = Keyed::key_groups(Stream::file("hdfs://ns/a", 1));
            for _ in 0..depth {
                keyed = Keyed::Changelog {
                    range: (0, 4),
                    materialized: vec![keyed],
                    delta: Vec::new(),
                    materialization_id: 1,
                    id: KeyedId::New("id".into()),
                };
            }
            one_keyed(keyed)
        };
        assert!(metadata::read_slice(&nested(limits::MAX_CHANGELOG_NESTING), &mut Ignore).is_ok());
        assert!(inspected(&nested(limits::MAX_CHANGELOG_NESTING)).contains("hdfs://ns/a"));
        assert_eq!(error(&nested(limits::MAX_CHANGELOG_NESTING + 1)).kind.name(), "too-deep");
    }

    #[test]
    fn properties_must_be_flinks() {
        let with = |bytes: &[u8]| MetadataWriter::v4(7).properties(Properties::Raw(bytes.to_vec())).bytes();
        let good = Properties::checkpoint(false).bytes();
        assert!(metadata::read_slice(&with(&good), &mut Ignore).is_ok());
        assert_eq!(error(&with(b"")).kind, ParseErrorKind::UnexpectedEnd { needed: 4 });
        assert_eq!(error(&with(b"not java")).kind.name(), "invalid-properties");
        assert_eq!(error(&with(b"\xac\xed\0\x05t\0\x01a")).kind.name(), "invalid-properties");
        assert_eq!(
            error(&with(&[&good[..], b"xyz"].concat())).kind,
            ParseErrorKind::TrailingBytes { count: 3 }
        );
        let found = error(&with(&good[..100]));
        assert_eq!((found.kind.name(), found.field.as_str()), ("unexpected-end", "checkpoint properties"));
        let mut other_constant = good.clone();
        other_constant[good.len() - 1] = b'X';
        let summary = metadata::read_slice(&with(&other_constant), &mut Ignore).unwrap();
        assert_eq!(summary.properties.kind, metadata::SnapshotKind::Unknown);
        assert!(summary.properties.flags.is_some());
    }

    #[test]
    fn a_stream_of_another_length_than_told_is_refused() {
        let bytes = one_stream(Stream::file("hdfs://ns/a", 1));
        let length = u64::try_from(bytes.len()).unwrap();
        let read = |length| metadata::read_stream(|| Ok(&bytes[..]), length, &mut Ignore);
        assert!(read(length).is_ok());
        assert!(read(length - 1).is_err());
        assert!(read(length + 1).is_err());
    }
}
