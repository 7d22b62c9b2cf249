//! Every golden file is read as Flink 2.3.0's own reader reads it, but for the cases listed here.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chksweep_core::metadata::{
        self, PostAction, Properties, PropertyFlags, ReadError, SavepointFormat, SnapshotKind,
    };
    use chksweep_core::{Location, content, deps, inspect};
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};

    use crate::common::{Golden, Pieces, Record, golden};

    /// The cases in which we read otherwise than Flink, and why.
    const EXCEPTIONS: &[(&str, Exception, &str)] = &[
        ("v3-trailing-garbage", Exception::OnlyFlinkReads, "a tail is an error"),
        ("v4-trailing-garbage", Exception::OnlyFlinkReads, "a tail is an error"),
        ("v3-same-subtask-twice", Exception::MoreReferences, "a subtask told twice is united"),
        ("emit-1.11-v3-channel", Exception::OnlyWeRead, "dialect A is read"),
        ("emit-1.14-v3-changelog", Exception::OnlyWeRead, "dialect B is read"),
        ("hand-v7-min", Exception::OnlyWeRead, "version 7 is read"),
    ];

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Exception {
        OnlyFlinkReads,
        OnlyWeRead,
        MoreReferences,
    }

    fn exception(case: &Golden) -> Option<Exception> {
        if case.set == "raw" && case.name.starts_with("v7-") {
            // Version 7 is read; a broken one is not.
            let broken = ["delta-not", "no-key-groups", "null-delta", "null-shared", "null-delegate"];
            return (!broken.iter().any(|what| case.name.contains(what))).then_some(Exception::OnlyWeRead);
        }
        EXCEPTIONS.iter().find(|(name, _, _)| *name == case.name).map(|(_, exception, _)| *exception)
    }

    /// A location as Flink prints it: without an authority that is absent.
    fn as_flink(location: &Location) -> Vec<u8> {
        match location.scheme() {
            Some(scheme) if location.authority().is_empty() && location.path().starts_with(b"/") => {
                [scheme.as_bytes(), b":", location.path()].concat()
            }
            _ => location.as_bytes().to_vec(),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| format!("{nibble:x}"))
            .collect::<Vec<_>>()
            .concat()
    }

    /// Compares all that Flink tells with all that we tell; returns what differs.
    fn differences(case: &Golden, read: &deps::Dependencies, seen: &inspect::Inspection) -> Vec<String> {
        let flink = &case.flink;
        let mut out = Vec::new();
        let mut compare = |what: &str, theirs: &Value, ours: Value| {
            if *theirs != ours {
                let short = |value: &Value| value.to_string().chars().take(200).collect::<String>();
                out.push(format!("{what}: {} and {}", short(theirs), short(&ours)));
            }
        };
        // Flink's order is that of its own spelling.
        let mut ours: Vec<(Vec<u8>, deps::Reference)> =
            read.references().map(|reference| (as_flink(&reference.location), reference)).collect();
        ours.sort_by(|a, b| a.0.cmp(&b.0));
        let mut digest = Sha256::new();
        for (path, _) in &ours {
            digest.update(path);
            digest.update(b"\n");
        }
        compare("references", &flink["referencesSha256"], json!(hex(&digest.finalize())));
        compare("count", &flink["referenceCount"], json!(ours.len()));
        if let Some(sizes) = flink.get("sizes") {
            for (told, (_, ours)) in sizes.as_array().unwrap().iter().zip(&ours) {
                let bytes = told[0].as_u64().filter(|_| told[3] == json!(false));
                compare("size", &json!(bytes), json!(ours.bytes));
                // Where a segment runs over the largest number, Flink tells a negative end, and we the largest.
                let largest = told[0].as_u64().max(told[1].as_u64()).unwrap_or(0);
                let fits = ours.min_bytes == largest || ours.min_bytes == i64::MAX.unsigned_abs();
                compare("least size", &json!(true), json!(fits));
                compare("handles", &told[2], json!(ours.handles));
            }
        }
        compare("kinds", &flink["handleKinds"], json!(read.handle_kinds));
        compare("kinds seen", &flink["handleKinds"], json!(seen.totals.handles));
        let directories: Vec<Vec<u8>> = read.named_directories.iter().map(as_flink).collect();
        let directories: Vec<String> =
            directories.into_iter().map(|path| String::from_utf8(path).unwrap()).collect();
        compare("directories", &flink["directories"], json!(directories));
        compare("checkpoint", &flink["checkpointId"], json!(read.checkpoint_id));
        compare("operators", &flink["operatorCount"], json!(seen.operators.len()));
        compare("inline", &flink["inlineBytes"], json!(seen.totals.inline_bytes));
        compare("master states", &flink["masterStates"], json!(seen.master_states.len()));
        let subtasks: usize = seen
            .operators
            .iter()
            .map(|operator| {
                operator
                    .subtasks
                    .iter()
                    .map(|subtask| subtask.index)
                    .collect::<std::collections::BTreeSet<_>>()
                    .len()
            })
            .sum();
        compare("subtasks", &flink["subtaskCount"], json!(subtasks));
        if seen.properties != properties(&flink["properties"]) {
            out.push(format!("properties: {} and {:?}", flink["properties"], seen.properties));
        }
        out
    }

    fn properties(flink: &Value) -> Properties {
        if flink.is_null() {
            return Properties::default();
        }
        let flag = |name: &str| flink[name].as_bool().unwrap();
        let name = flink["type"].as_str().unwrap();
        let kind = if flag("savepoint") {
            SnapshotKind::Savepoint {
                format: Some(match flink["format"].as_str().unwrap() {
                    "NATIVE" => SavepointFormat::Native,
                    _ => SavepointFormat::Canonical,
                }),
                then: Some(match name {
                    "Savepoint" => PostAction::None,
                    "Suspend Savepoint" => PostAction::Suspend,
                    _ => PostAction::Terminate,
                }),
            }
        } else {
            SnapshotKind::Checkpoint { full: name == "Full Checkpoint" }
        };
        let flags = PropertyFlags {
            discard_cancelled: flag("discardCancelled"),
            discard_failed: flag("discardFailed"),
            discard_finished: flag("discardFinished"),
            discard_subsumed: flag("discardSubsumed"),
            discard_suspended: flag("discardSuspended"),
            forced: flag("forced"),
            unclaimed: flag("unclaimed"),
        };
        Properties { kind, flags: Some(flags) }
    }

    #[test]
    fn every_file_is_read_as_flink_reads_it() {
        let mut problems = Vec::new();
        let mut agreed: BTreeMap<String, u32> = BTreeMap::new();
        for case in golden() {
            let metadata = case.directory().child(b"_metadata");
            let bytes = case.bytes();
            let theirs = case.flink.get("error");
            let outcome = match (deps::read(&bytes, &metadata), theirs) {
                (Err(_), Some(_)) => None,
                (Err(_), None) => Some(Exception::OnlyFlinkReads),
                (Ok(_), Some(_)) => Some(Exception::OnlyWeRead),
                (Ok(read), None) => {
                    let seen = inspect::read(&bytes, &metadata).unwrap();
                    let found = differences(&case, &read, &seen);
                    if found.is_empty() {
                        None
                    } else if exception(&case) == Some(Exception::MoreReferences) {
                        Some(Exception::MoreReferences)
                    } else {
                        problems.push(format!("{}/{}: {found:?}", case.set, case.name));
                        continue;
                    }
                }
            };
            if outcome == exception(&case) {
                *agreed.entry(case.set.clone()).or_default() += 1;
            } else {
                problems.push(format!("{}/{}: {outcome:?}, {theirs:?}", case.set, case.name));
            }
        }
        assert!(problems.is_empty(), "{problems:#?}");
        let agreed: Vec<(&str, u32)> = agreed.iter().map(|(set, count)| (set.as_str(), *count)).collect();
        assert_eq!(agreed, [("generated", 112), ("live", 40), ("raw", 234), ("sample", 24)]);
    }

    #[test]
    fn a_stream_gives_what_a_slice_gives() {
        for case in golden() {
            let bytes = case.bytes();
            let length = u64::try_from(bytes.len()).unwrap();
            let mut whole = Record::default();
            let expected = metadata::read_slice(&bytes, &mut whole);
            for sizes in [&[1][..], &[7, 1, 4096]] {
                let mut pieces = Record::default();
                let open = || Ok(Pieces { bytes: &bytes, sizes, at: 0 });
                match (metadata::read_stream(open, length, &mut pieces), &expected) {
                    (Ok(ours), Ok(theirs)) => {
                        assert_eq!(ours, *theirs, "{}", case.name);
                        assert!(pieces == whole, "{}", case.name);
                    }
                    (Err(ReadError::Parse(ours)), Err(theirs)) => assert_eq!(ours, *theirs, "{}", case.name),
                    (ours, theirs) => panic!("{}: {ours:?} and {theirs:?}", case.name),
                }
            }
        }
    }

    /// It forgot them for a file of version 3 in which a dialect broke off early, and was tried last.
    #[test]
    fn a_stream_does_not_forget_uuids_where_a_dialect_breaks_off() {
        let mut with_uuids_in_version_3 = 0;
        for case in golden() {
            let metadata = case.directory().child(b"_metadata");
            let bytes = case.bytes();
            let Ok(whole) = content::read(&bytes, &metadata) else { continue };
            let length = u64::try_from(bytes.len()).unwrap();
            for sizes in [&[7][..], &[1, 64]] {
                let open = || Ok(Pieces { bytes: &bytes, sizes, at: 0 });
                let stream = content::read_stream(open, length, &metadata).unwrap();
                assert_eq!(format!("{whole:?}"), format!("{stream:?}"), "{}", case.name);
            }
            with_uuids_in_version_3 += u32::from(whole.version == 3 && !whole.other_uuids.is_empty());
        }
        assert!(with_uuids_in_version_3 > 3, "{with_uuids_in_version_3}");
    }

    #[test]
    fn content_names_the_same_files_as_deps() {
        for case in golden() {
            let metadata = case.directory().child(b"_metadata");
            let bytes = case.bytes();
            let Ok(read) = deps::read(&bytes, &metadata) else { continue };
            let content = content::read(&bytes, &metadata).unwrap();
            let mut ours: Vec<Location> = content.files.locations().collect();
            ours.sort_unstable();
            let theirs: Vec<Location> = read.references().map(|reference| reference.location).collect();
            assert_eq!(ours.len(), theirs.len(), "{}", case.name);
            let odd = theirs.iter().any(|location| !location.path().starts_with(b"/"));
            assert!(ours == theirs || odd, "{}: {ours:?} {theirs:?}", case.name);
            assert_eq!(content.directories, read.named_directories, "{}", case.name);
            assert!(content.operator_state_files.is_sorted());
        }
    }

    /// Small files at every length; of larger ones, every one of the last bytes, and some before.
    #[test]
    fn no_strict_prefix_can_be_read() {
        for case in golden() {
            let bytes = case.bytes();
            if metadata::read_slice(&bytes, &mut metadata::Ignore).is_err() || bytes.len() > 150_000 {
                continue;
            }
            let step = if bytes.len() > 1_000 { 97 } else { 1 };
            let lengths = (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(40)..bytes.len());
            for length in lengths {
                let read = metadata::read_slice(&bytes[..length], &mut metadata::Ignore);
                assert!(read.is_err(), "{} can be read at {length} of {}", case.name, bytes.len());
            }
        }
    }

    /// One of each dialect: the files of 1.11 and 1.14 are read, and only in theirs.
    #[test]
    fn the_dialects_are_told_apart() {
        let dialect = |name: &str| {
            let case = golden().into_iter().find(|case| case.name == name).unwrap();
            let summary = metadata::read_slice(&case.bytes(), &mut metadata::Ignore).unwrap();
            assert!(!summary.ambiguous, "{name}");
            (format!("{:?}", summary.dialect), deps::read(&case.bytes(), &case.directory()).unwrap().len())
        };
        let expected = [
            ("emit-1.11-v3-channel", "A"),
            ("emit-1.12-v3-channel", "Standard"),
            ("emit-1.14-v3-changelog", "B"),
            ("emit-1.15-v3-changelog", "Standard"),
        ];
        for (name, name_of_dialect) in expected {
            assert_eq!(dialect(name).0, name_of_dialect, "{name}");
        }
    }
}
