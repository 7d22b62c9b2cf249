//! The three views of a file: what planning keeps, what `deps` prints, what `inspect` shows.

#[cfg(test)]
mod tests {
    use chksweep_core::metadata::ReadError;
    use chksweep_core::{Kind, Location, OperatorId, Uuid, content, deps, inspect};
    use chksweep_testkit::metadata_writer::{
        Keyed, KeyedId, MetadataWriter, OperatorHandle, SimpleKind, Stream, simple_metadata,
    };

    const UUID: &str = "0123abcd-4567-89ef-0123-456789abcdef";

    fn metadata() -> Location {
        Location::normalised("hdfs", "ns", b"/ck/job/chk-7/_metadata")
    }

    fn uuid(text: &str) -> Uuid {
        Uuid::parse(text.as_bytes()).unwrap()
    }

    fn printed(content: &content::Content) -> Vec<String> {
        content.files.locations().map(|location| location.to_string()).collect()
    }

    #[test]
    fn content_has_what_planning_needs() {
        let hidden = "fedcba98-7654-3210-fedc-ba9876543210";
        let bytes = MetadataWriter::v7(7)
            .checkpoint()
            .operator([2; 16])
            .subtask(0)
            .file(format!("hdfs://ns/ck/job/shared/{UUID}"), 10)
            .file("hdfs:/other/a", 10)
            .file("hdfs:/other/a", 10)
            .relative("b", 20)
            .operator_state(Stream::relative("op", 5))
            .ref_checkpoint(5)
            .operator([1; 16])
            .subtask(0)
            .operator_state(Stream::inline("n", format!("pfile:/x/taskowned/{hidden}").as_bytes()))
            .subtask(1)
            .managed_operator(OperatorHandle::empty_merging("hdfs:/t", "hdfs:/s"))
            .bytes();
        let content = content::read(&bytes, &metadata()).unwrap();
        assert_eq!((content.version, content.checkpoint_id, content.kind), (7, 7, Kind::Checkpoint));
        assert_eq!(content.operators, [OperatorId([1; 16]), OperatorId([2; 16])]);
        assert_eq!(content.ref_checkpoints, [5]);
        let mut files = printed(&content);
        files.sort();
        assert_eq!(
            files,
            [
                "hdfs:///other/a",
                "hdfs://ns/ck/job/chk-7/b",
                "hdfs://ns/ck/job/chk-7/op",
                &format!("hdfs://ns/ck/job/shared/{UUID}")[..],
            ]
        );
        let directories: Vec<String> = content.directories.iter().map(ToString::to_string).collect();
        assert_eq!(directories, ["hdfs:///s", "hdfs:///t"]);
        let operator_state: Vec<String> = content
            .operator_state_files
            .iter()
            .map(|at| content.files.files[usize::try_from(*at).unwrap()])
            .map(|file| content.files.location(file).unwrap().to_string())
            .collect();
        assert_eq!(operator_state, ["hdfs://ns/ck/job/chk-7/op"]);
        assert!(content.other_uuids.contains(&uuid(hidden)));
        assert!(!content.other_uuids.contains(&uuid(UUID)), "it is the name of a file");
        assert!(content.inline_operator_state && !content.compressed_operator_state);
    }

    #[test]
    fn compressed_operator_state_is_noticed_and_other_state_is_not() {
        let operator = |data: &[u8]| {
            let writer = MetadataWriter::v4(7).operator([1; 16]).subtask(0);
            content::read(&writer.operator_state(Stream::inline("n", data)).bytes(), &metadata()).unwrap()
        };
        assert!(operator(b"\xff\x06\0\0ssNaPpYx").compressed_operator_state);
        assert!(!operator(b"sNaPp").compressed_operator_state);
        let keyed = MetadataWriter::v4(7)
            .operator([1; 16])
            .coordinator(Stream::inline("n", b"sNaPpY"))
            .subtask(0)
            .managed_keyed(Keyed::key_groups(Stream::inline("n", b"sNaPpY")));
        let content = content::read(&keyed.bytes(), &metadata()).unwrap();
        assert!(!content.compressed_operator_state && !content.inline_operator_state);
    }

    #[test]
    fn more_files_than_are_sorted_at_once_are_still_distinct() {
        let mut writer = MetadataWriter::v4(7).operator([1; 16]).subtask(0);
        for at in 0..90_000 {
            writer = writer.file(format!("hdfs://ns/ck/job/shared/{:05}", at % 40_000), 10);
        }
        let bytes = writer.bytes();
        assert_eq!(content::read(&bytes, &metadata()).unwrap().files.files.len(), 40_000);
        let read = deps::read(&bytes, &metadata()).unwrap();
        assert_eq!(read.len(), 40_000);
        assert_eq!(read.references().map(|reference| reference.handles).sum::<u64>(), 90_000);
        assert!(read.references().is_sorted_by(|a, b| a.location < b.location));
    }

    #[test]
    fn simple_files_are_simple() {
        let bytes = simple_metadata(4, 9, SimpleKind::Savepoint, &["hdfs:/a/b"], &["c"], [7; 16]);
        let content = content::read(&bytes, &metadata()).unwrap();
        assert_eq!((content.kind, content.checkpoint_id), (Kind::Savepoint, 9));
        assert_eq!(printed(&content), ["hdfs:///a/b", "hdfs://ns/ck/job/chk-7/c"]);
        for version in 1..=7 {
            let bytes = simple_metadata(version, 9, SimpleKind::Unknown, &["hdfs:/a/b"], &[], [7; 16]);
            assert_eq!(content::read(&bytes, &metadata()).unwrap().version, version);
        }
    }

    #[test]
    fn deps_print_as_the_contract_says() {
        let bytes = MetadataWriter::v4(7)
            .canonical_savepoint()
            .operator([1; 16])
            .subtask(0)
            .file("hdfs:/r/job/shared/x", 10)
            .file("hdfs:/r/job/shared/x", 12)
            .file("hdfs:/r/job/shared", -1)
            .file("bare", 1)
            .relative("r", 3)
            .operator_state(Stream::segment("hdfs:/r/job/taskowned/tm/m", 100, 20))
            .subtask(1)
            .file("hdfs:/r/a-b/y", 1)
            .file("hdfs:/r/a/z", 1)
            .file("hdfs:/r/a/b/z", 1)
            .managed_operator(OperatorHandle::empty_merging(
                "hdfs:/r/job/taskowned/tm",
                "hdfs:/r/job/shared/op",
            ))
            .bytes();
        let read = deps::read(&bytes, &metadata()).unwrap();
        let location = metadata().parent().unwrap();
        let metadata = metadata();
        let text = serde_json::to_string_pretty(&read.document(&location, &metadata)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let joined = lines.join(" ").replace(" { \"path\"", "\n{ \"path\"");
        insta::assert_snapshot!(joined, @r#"
        { "location": "hdfs://ns/ck/job/chk-7", "metadata": "hdfs://ns/ck/job/chk-7/_metadata", "version": 4, "checkpointId": 7, "kind": "savepoint", "references": [
        { "path": "bare", "unresolvable": true, "bytes": 1, "minBytes": 1, "handles": 1 },
        { "path": "hdfs:///r/a-b/y", "bytes": 1, "minBytes": 1, "handles": 1 },
        { "path": "hdfs:///r/a/b/z", "bytes": 1, "minBytes": 1, "handles": 1 },
        { "path": "hdfs:///r/a/z", "bytes": 1, "minBytes": 1, "handles": 1 },
        { "path": "hdfs:///r/job/shared", "bytes": null, "minBytes": 0, "handles": 1 },
        { "path": "hdfs:///r/job/shared/x", "bytes": null, "minBytes": 12, "handles": 2 },
        { "path": "hdfs:///r/job/taskowned/tm/m", "bytes": null, "minBytes": 120, "handles": 1 },
        { "path": "hdfs://ns/ck/job/chk-7/r", "bytes": 3, "minBytes": 3, "handles": 1 } ], "namedDirectories": [ "hdfs:///r/job/shared/op", "hdfs:///r/job/taskowned/tm" ], "directories": [ ".", "hdfs:///r/a", "hdfs:///r/a-b", "hdfs:///r/a/b", "hdfs:///r/job", "hdfs://ns/ck/job" ], "handleKinds": { "EmptyFileMergingOperatorStreamStateHandle": 1, "EmptySegmentFileStateHandle": 1, "FileStateHandle": 7, "IncrementalRemoteKeyedStateHandle": 2, "OperatorStreamStateHandle": 1, "RelativeFileStateHandle": 1, "SegmentFileStateHandle": 1 } }
        "#);
    }

    #[test]
    fn a_path_that_is_no_text_has_its_bytes_beside() {
        let path = chksweep_testkit::metadata_writer::Text(b"hdfs:/a/\xed\xa0\xbd\\".to_vec());
        let bytes = MetadataWriter::v4(7).operator([1; 16]).subtask(0).file(path, 1).bytes();
        let read = deps::read(&bytes, &metadata()).unwrap();
        let json = serde_json::to_value(read.document(&metadata(), &metadata())).unwrap();
        assert_eq!(json["references"][0]["path"], "hdfs:///a/\\xED\\xA0\\xBD");
        assert_eq!(json["references"][0]["pathBase64"], "aGRmczovLy9hL+2gvQ==");
    }

    #[test]
    fn found_files_are_told_beside_the_path() {
        let bytes = simple_metadata(4, 9, SimpleKind::Unknown, &["hdfs:/a/b"], &[], [7; 16]);
        let read = deps::read(&bytes, &metadata()).unwrap();
        let find = |location: &Location| Some(location.with_path(b"/moved"));
        let (at, metadata) = (metadata(), metadata());
        let json = serde_json::to_value(read.document(&at, &metadata).with_found(&find)).unwrap();
        assert_eq!(json["references"][0]["found"], "hdfs:///moved");
    }

    #[test]
    fn inspect_shows_the_tree() {
        let bytes = MetadataWriter::v6(7)
            .full_checkpoint()
            .master_state("hook", b"abc")
            .operator([1; 16])
            .named("map", "uid-1")
            .coordinator(Stream::inline("c", b"12345"))
            .finished_subtask(2)
            .subtask(0)
            .file("hdfs:/r/shared/x", 10)
            .managed_operator(OperatorHandle::list("offsets", Stream::relative("r", 3)))
            .raw_keyed(Keyed::ChangelogFiles {
                range: (0, 4),
                segments: vec![(17, Stream::file("hdfs:/r/dstl/y", 50)), (18, Stream::Absent)],
                id: KeyedId::New("id".into()),
            })
            .bytes();
        let seen = inspect::read(&bytes, &metadata()).unwrap();
        let json = serde_json::to_string_pretty(&seen).unwrap();
        let lines: Vec<&str> = json.lines().map(str::trim).collect();
        let joined = lines.join(" ").replace(" { \"handle\"", "\n{ \"handle\"");
        insta::assert_snapshot!(joined, @r#"
        { "metadata": "hdfs://ns/ck/job/chk-7/_metadata", "version": 6, "checkpointId": 7, "properties": { "kind": { "type": "checkpoint", "full": true }, "flags": { "discardCancelled": false, "discardFailed": false, "discardFinished": true, "discardSubsumed": true, "discardSuspended": false, "forced": false, "unclaimed": false } }, "totals": { "operators": 1, "subtasks": 2, "finishedSubtasks": 1, "handles": { "ByteStreamStateHandle": 1, "ChangelogStateHandleStreamImpl": 1, "FileStateHandle": 2, "IncrementalRemoteKeyedStateHandle": 1, "OperatorStreamStateHandle": 1, "RelativeFileStateHandle": 1 }, "fileHandles": 3, "fileBytes": 63, "inlineBytes": 5 }, "masterStates": [ { "name": "hook", "version": 1, "bytes": 3 } ], "operators": [ { "id": "01010101010101010101010101010101", "name": "map", "uid": "uid-1", "parallelism": 4, "maxParallelism": 128, "fullyFinished": false, "fileBytes": 63, "inlineBytes": 5, "coordinator": [
        { "handle": "ByteStreamStateHandle", "name": "c", "bytes": 5 } ], "subtasks": [ { "index": 0, "finished": false, "states": [ { "state": "managedOperator", "handles": [
        { "handle": "OperatorStreamStateHandle", "states": [ { "name": "offsets", "mode": "split", "offsets": 1 } ], "handles": [
        { "handle": "RelativeFileStateHandle", "path": "hdfs://ns/ck/job/chk-7/r", "relative": "r", "bytes": 3 } ] } ] }, { "state": "managedKeyed", "handles": [
        { "handle": "IncrementalRemoteKeyedStateHandle", "keyGroups": { "start": 0, "count": 32 }, "checkpointId": 1, "backendId": "11111111-2222-3333-4444-555555555555", "checkpointedBytes": 99, "handleId": "66666666-7777-8888-9999-aaaaaaaaaaaa", "handles": [
        { "handle": "FileStateHandle", "part": "shared", "localName": "000000.sst", "path": "hdfs:///r/shared/x", "bytes": 10 } ] } ] }, { "state": "rawKeyed", "handles": [
        { "handle": "ChangelogStateHandleStreamImpl", "keyGroups": { "start": 0, "count": 4 }, "checkpointedBytes": 22, "stateBytes": 44, "handleId": "id", "storage": "filesystem", "handles": [
        { "handle": "FileStateHandle", "part": "segment", "offset": 17, "path": "hdfs:///r/dstl/y", "bytes": 50 } ] } ] } ] }, { "index": 2, "finished": true, "states": [] } ] } ] }
        "#);
        assert_eq!(seen.operators[0].subtasks[0].index, 0, "sorted by index");
    }

    #[test]
    fn a_stream_that_breaks_is_no_parse_error() {
        let bytes = simple_metadata(4, 9, SimpleKind::Unknown, &["hdfs:/a/b"], &[], [7; 16]);
        let length = u64::try_from(bytes.len()).unwrap();
        let broken = || Err::<&[u8], _>(std::io::Error::other("gone"));
        assert!(matches!(deps::read_stream(broken, length, &metadata()), Err(ReadError::Io { .. })));
        assert!(inspect::read_stream(|| Ok(&bytes[..]), length, &metadata()).is_ok());
    }
}
