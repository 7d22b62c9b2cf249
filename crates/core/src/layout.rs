//! The names that Flink gives to what it writes, and what each tells. The layout is not a public interface of
//! Flink: what is not recognised here is never swept.
//!
//! Source: flink-runtime's `AbstractFsCheckpointStorageAccess`, `FileMergingSnapshotManager` and
//! `FsMergingCheckpointStorageLocation`, flink-statebackend-forst's `ForStPathContainer`, as of 1.3 to 2.3.

use crate::ids::JobId;
use crate::location::Location;
use crate::names::Uuid;

/// The file that describes a checkpoint or savepoint.
pub const METADATA: &[u8] = b"_metadata";
/// The prefix of the name under which `_metadata` is written before it is renamed (1.15 and later).
pub const STAGING_PREFIX: &[u8] = b"._metadata.inprogress.";
/// The directory of shared state.
pub const SHARED: &[u8] = b"shared";
/// The directory of task-owned state.
pub const TASK_OWNED: &[u8] = b"taskowned";
/// The directory of changelog segments.
pub const CHANGELOG: &[u8] = b"dstl";
/// The directory in which chksweep keeps its own files; never a candidate.
pub const OWN: &[u8] = b".chksweep";
/// The virtual directory of HDFS snapshots; never entered.
pub const SNAPSHOTS: &[u8] = b".snapshot";
/// The directory of HDFS's own trash. What lies there is for its owner to bring back and for the NameNode to delete:
/// never a candidate. Metadata there is read and names.
pub const TRASH: &[u8] = b".Trash";

/// What the name of a directory tells, whatever it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryName {
    /// 32 hex digits.
    Job(JobId),
    /// `chk-<digits>`.
    Checkpoint(u64),
    /// `shared`.
    Shared,
    /// `taskowned`.
    TaskOwned,
    /// `dstl`.
    Changelog,
    /// `job_<job>_op_…` (in `shared`) or `job_<job>_tm_…` (in `taskowned`): managed by file merging.
    Merged,
    /// `op_…_attempt_<n>`: the working directory of a ForSt database.
    ForStAttempt,
    /// `db` in a ForSt attempt.
    ForStDatabase,
    /// `_dummy_dir_…`: left by ForSt's probing.
    ForStProbe,
    /// `savepoint-<6 hex>-<12 hex>`, with the six hex digits.
    Savepoint([u8; 6]),
    /// Anything else.
    Unknown,
}

/// What the name of a file tells, whatever it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileName {
    /// `_metadata`.
    Metadata,
    /// `._metadata.inprogress.…`.
    Staging,
    /// A canonical UUID.
    State(Uuid),
    /// `savepoint-<12 hex>` (Flink 1.1, 1.2) or `checkpoint_metadata-<12 hex>` (1.3, 1.4): may be metadata, as
    /// its first four bytes tell.
    OldMetadata,
    /// Anything else.
    Unknown,
}

/// Reads the name of a directory.
pub fn directory_name(name: &[u8]) -> DirectoryName {
    match name {
        SHARED => DirectoryName::Shared,
        TASK_OWNED => DirectoryName::TaskOwned,
        CHANGELOG => DirectoryName::Changelog,
        b"db" => DirectoryName::ForStDatabase,
        _ => {
            if let Some(job) = JobId::parse(name) {
                DirectoryName::Job(job)
            } else if let Some(number) = checkpoint_number(name) {
                DirectoryName::Checkpoint(number)
            } else if is_merged(name) {
                DirectoryName::Merged
            } else if is_forst_attempt(name) {
                DirectoryName::ForStAttempt
            } else if name.starts_with(b"_dummy_dir_") {
                DirectoryName::ForStProbe
            } else {
                savepoint_digits(name).map_or(DirectoryName::Unknown, DirectoryName::Savepoint)
            }
        }
    }
}

/// Reads the name of a file.
pub fn file_name(name: &[u8]) -> FileName {
    if name == METADATA {
        FileName::Metadata
    } else if name.starts_with(STAGING_PREFIX) {
        FileName::Staging
    } else if let Some(uuid) = Uuid::parse(name) {
        FileName::State(uuid)
    } else if is_old_metadata(name) {
        FileName::OldMetadata
    } else {
        FileName::Unknown
    }
}

/// Returns the number in `chk-<digits>`: decimal, without padding, as Flink writes it.
pub fn checkpoint_number(name: &[u8]) -> Option<u64> {
    let digits = name.strip_prefix(b"chk-")?;
    let padded = digits.len() > 1 && digits.first() == Some(&b'0');
    if padded || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn savepoint_digits(name: &[u8]) -> Option<[u8; 6]> {
    let rest = name.strip_prefix(b"savepoint-")?;
    let (job, random) = (rest.get(..6)?, rest.get(6..)?.strip_prefix(b"-")?);
    (random.len() == 12 && is_hex(job) && is_hex(random)).then(|| job.try_into().ok())?
}

fn is_old_metadata(name: &[u8]) -> bool {
    [&b"savepoint-"[..], b"checkpoint_metadata-"]
        .iter()
        .filter_map(|prefix| name.strip_prefix(*prefix))
        .any(|random| random.len() == 12 && is_hex(random))
}

fn is_merged(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"job_") else { return false };
    let after = rest.get(32..).unwrap_or(b"");
    rest.get(..32).is_some_and(is_hex) && (after.starts_with(b"_op_") || after.starts_with(b"_tm_"))
}

fn is_forst_attempt(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"op_") else { return false };
    let Some(at) = rest.windows(9).rposition(|w| w == b"_attempt_") else { return false };
    rest.get(at + 9..).is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Returns the job in the name of a file-merging directory: `job_<job>_op_…`, `job_<job>_tm_…`.
pub fn job_of_merged(name: &[u8]) -> Option<JobId> {
    is_merged(name).then(|| JobId::parse(name.get(4..36)?))?
}

/// Returns the id of the innermost directory of this path, itself included, that is named like a job.
pub fn job_of(location: &Location) -> Option<JobId> {
    location.components().rev().find_map(JobId::parse)
}

/// Returns whether the path lies in chksweep's own directory, at any depth.
pub fn is_own(location: &Location) -> bool {
    location.components().any(|component| component == OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_told_by_name() {
        for (name, expected) in [
            ("d7f536ce31c588055f4f8282a9756920", "Job(d7f536ce31c588055f4f8282a9756920)"),
            ("chk-12", "Checkpoint(12)"),
            ("chk-0", "Checkpoint(0)"),
            ("chk-012", "Unknown"),
            ("chk-", "Unknown"),
            ("chk-99999999999999999999999", "Unknown"),
            ("shared", "Shared"),
            ("job_d7f536ce31c588055f4f8282a9756920_tm_host-1-a", "Merged"),
            ("job_d7f536ce31c588055f4f8282a9756920_op_x_0_2", "Merged"),
            ("job_d7f536ce31c588055f4f8282a9756920", "Unknown"),
            ("op_StreamMap_0a__1_2__attempt_0", "ForStAttempt"),
            ("op_StreamMap_0a__1_2__attempt_", "Unknown"),
            ("savepoint-2df3ab-376b3da04d0d", "Savepoint([50, 100, 102, 51, 97, 98])"),
            ("savepoint-2df3ab-376b3da04d0", "Unknown"),
        ] {
            assert_eq!(format!("{:?}", directory_name(name.as_bytes())), expected, "{name}");
        }
    }

    #[test]
    fn files_are_told_by_name() {
        assert_eq!(file_name(b"_metadata"), FileName::Metadata);
        assert_eq!(file_name(b"._metadata.inprogress.d5f28858-0000"), FileName::Staging);
        assert_eq!(file_name(b"savepoint-376b3da04d0d"), FileName::OldMetadata);
        assert_eq!(file_name(b"checkpoint_metadata-376b3da04d0d"), FileName::OldMetadata);
        assert_eq!(file_name(b"_metadata.bak"), FileName::Unknown);
    }

    #[test]
    fn the_innermost_job_counts() {
        let path =
            Location::local(b"/r/00000000000000000000000000000000/x/d7f536ce31c588055f4f8282a9756920/chk-1");
        assert_eq!(job_of(&path).unwrap().to_string(), "d7f536ce31c588055f4f8282a9756920");
    }
}
