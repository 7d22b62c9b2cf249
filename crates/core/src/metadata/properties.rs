//! The properties at the end of a file of version 4 and later (`MetadataV4Serializer`): who owns the snapshot.
//!
//! They are one Java object stream. [`super::java`] walks it; here its values get their meaning. Flink cannot read a
//! file whose properties are broken, so neither do we; properties of an unknown shape are merely unknown.

use super::cursor::{Cursor, Source, to_u64};
use super::error::{Fail, ParseErrorKind, fail};
use super::java::{self, Value};
use super::limits::MAX_PROPERTIES_BYTES;

const PROPERTIES_CLASS: &[u8] = b"org.apache.flink.runtime.checkpoint.CheckpointProperties";
const CHECKPOINT_CLASS: &[u8] = b"org.apache.flink.runtime.checkpoint.CheckpointType";
const SAVEPOINT_CLASS: &[u8] = b"org.apache.flink.runtime.checkpoint.SavepointType";

/// What a savepoint is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SavepointFormat {
    /// Flink's own format, one for all state backends.
    Canonical,
    /// The state backend's.
    Native,
}

/// What the job does when the savepoint is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PostAction {
    /// It goes on.
    None,
    /// It stops, and can be resumed.
    Suspend,
    /// It ends.
    Terminate,
}

/// What kind of snapshot a file describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum SnapshotKind {
    /// A checkpoint.
    Checkpoint {
        /// Whether it shares no file with earlier ones.
        full: bool,
    },
    /// A savepoint.
    Savepoint {
        /// What it is made of, where the file tells.
        format: Option<SavepointFormat>,
        /// What the job does then, where the file tells.
        then: Option<PostAction>,
    },
    /// The file does not tell: it is of version 3 or older, was written by the State Processor API, or by a release
    /// that is not known here.
    #[default]
    Unknown,
}

/// When Flink itself would drop the snapshot; the names are those of `CheckpointProperties`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "these are the fields of Flink's class")]
pub struct PropertyFlags {
    /// When the job is cancelled.
    pub discard_cancelled: bool,
    /// When the job fails.
    pub discard_failed: bool,
    /// When the job finishes.
    pub discard_finished: bool,
    /// When newer checkpoints subsume it.
    pub discard_subsumed: bool,
    /// When the job is suspended.
    pub discard_suspended: bool,
    /// Whether a user asked for it.
    pub forced: bool,
    /// Whether it was restored without a claim.
    pub unclaimed: bool,
}

/// The properties of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Properties {
    /// What it is.
    pub kind: SnapshotKind,
    /// When Flink would drop it, where the file tells.
    pub flags: Option<PropertyFlags>,
}

/// Reads the properties, which must reach to the end of the file.
pub(super) fn read<S: Source>(cursor: &mut Cursor<S>) -> Result<Properties, Fail> {
    let offset = cursor.offset();
    let what = "checkpoint properties";
    let length = cursor.remaining();
    if length > MAX_PROPERTIES_BYTES {
        let problem = "they are longer than any release writes them";
        return Err(fail(ParseErrorKind::Properties { problem }, offset, what));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    cursor.require(length, what)?;
    let bytes = cursor.window().get(..length).unwrap_or(b"");
    let read = java::read(bytes).map_err(|error| fail(error.kind, offset + to_u64(error.at), what)).and_then(
        |(value, used)| {
            interpret(&value)
                .map(|properties| (properties, used))
                .map_err(|problem| fail(ParseErrorKind::Properties { problem }, offset, what))
        },
    );
    let (properties, used) = read?;
    cursor.consume(used);
    cursor.end()?;
    Ok(properties)
}

fn interpret(value: &Value<'_>) -> Result<Properties, &'static str> {
    let object = match value {
        Value::Null => return Ok(Properties::default()),
        Value::Object(object) if object.class == PROPERTIES_CLASS => object,
        Value::Object(_) | Value::Text(_) | Value::Enum(_) | Value::Bool(_) | Value::Other => {
            return Err("not an object of `CheckpointProperties`");
        }
    };
    let flag = |name: &[u8]| match object.field(name) {
        Some(Value::Bool(value)) => Some(*value),
        _ => None,
    };
    let flags = || {
        Some(PropertyFlags {
            discard_cancelled: flag(b"discardCancelled")?,
            discard_failed: flag(b"discardFailed")?,
            discard_finished: flag(b"discardFinished")?,
            discard_subsumed: flag(b"discardSubsumed")?,
            discard_suspended: flag(b"discardSuspended")?,
            forced: flag(b"forced")?,
            unclaimed: flag(b"unclaimed")?,
        })
    };
    Ok(Properties { kind: snapshot_kind(object), flags: flags() })
}

fn snapshot_kind(object: &java::Object<'_>) -> SnapshotKind {
    let Some(Value::Object(snapshot)) = object.field(b"checkpointType") else {
        return SnapshotKind::Unknown;
    };
    let constant = |name: &[u8]| match snapshot.field(name) {
        Some(Value::Enum(constant)) => Some(*constant),
        _ => None,
    };
    match snapshot.class {
        // `SharingFilesStrategy`: a full checkpoint goes only forward.
        CHECKPOINT_CLASS => match constant(b"sharingFilesStrategy") {
            Some(b"FORWARD_BACKWARD") => SnapshotKind::Checkpoint { full: false },
            Some(b"FORWARD" | b"NO_SHARING") => SnapshotKind::Checkpoint { full: true },
            _ => SnapshotKind::Unknown,
        },
        SAVEPOINT_CLASS => SnapshotKind::Savepoint {
            format: match constant(b"formatType") {
                Some(b"CANONICAL") => Some(SavepointFormat::Canonical),
                Some(b"NATIVE") => Some(SavepointFormat::Native),
                _ => None,
            },
            then: match constant(b"postCheckpointAction") {
                Some(b"NONE") => Some(PostAction::None),
                Some(b"SUSPEND") => Some(PostAction::Suspend),
                Some(b"TERMINATE") => Some(PostAction::Terminate),
                _ => None,
            },
        },
        _ => SnapshotKind::Unknown,
    }
}
