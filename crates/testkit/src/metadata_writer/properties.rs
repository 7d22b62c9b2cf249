//! The Java object stream of `CheckpointProperties`, byte by byte as Flink 1.16 to 2.3 write it.

use super::Dialect;
use super::bytes::{Out, Text};

/// When Flink would drop the snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "these are the fields of Flink's class")]
pub struct PropertyFlags {
    /// `discardCancelled`
    pub discard_cancelled: bool,
    /// `discardFailed`
    pub discard_failed: bool,
    /// `discardFinished`
    pub discard_finished: bool,
    /// `discardSubsumed`
    pub discard_subsumed: bool,
    /// `discardSuspended`
    pub discard_suspended: bool,
    /// `forced`
    pub forced: bool,
    /// `unclaimed`
    pub unclaimed: bool,
}

/// What stands behind the body of a file of version 4 and later.
#[derive(Clone, Debug)]
pub enum Properties {
    /// A null reference.
    Null,
    /// A checkpoint.
    Checkpoint {
        /// Whether it is a full one.
        full: bool,
        /// Its flags.
        flags: PropertyFlags,
    },
    /// A savepoint.
    Savepoint {
        /// `CANONICAL` or `NATIVE`.
        format: &'static str,
        /// `NONE`, `SUSPEND` or `TERMINATE`.
        action: &'static str,
        /// Its flags.
        flags: PropertyFlags,
    },
    /// Any bytes.
    Raw(Vec<u8>),
}

/// Type codes of fields, with their names and (for objects) types.
type Field<'a> = (u8, &'a str, FieldType<'a>);

#[derive(Clone, Copy)]
enum FieldType<'a> {
    Primitive,
    Object(&'a str),
}

impl Properties {
    /// A checkpoint of a job that retains it on cancellation.
    pub fn checkpoint(full: bool) -> Self {
        let flags =
            PropertyFlags { discard_finished: true, discard_subsumed: true, ..PropertyFlags::default() };
        Self::Checkpoint { full, flags }
    }

    /// A savepoint.
    pub fn savepoint(format: &'static str, action: &'static str) -> Self {
        let flags = PropertyFlags { forced: true, ..PropertyFlags::default() };
        Self::Savepoint { format, action, flags }
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Out::new(0, Dialect::Standard);
        let flags = match self {
            Self::Raw(bytes) => return bytes.clone(),
            Self::Null => {
                out.raw(&[0xAC, 0xED, 0, 5, 0x70]);
                return out.done();
            }
            Self::Checkpoint { flags, .. } | Self::Savepoint { flags, .. } => flags,
        };
        out.raw(&[0xAC, 0xED, 0, 5, 0x73]);
        properties_class(&mut out);
        for flag in [
            flags.discard_cancelled,
            flags.discard_failed,
            flags.discard_finished,
            flags.discard_subsumed,
            flags.discard_suspended,
            flags.forced,
            flags.unclaimed,
        ] {
            out.u8(u8::from(flag));
        }
        match self {
            Self::Checkpoint { full, .. } => checkpoint_type(*full, &mut out),
            Self::Savepoint { format, action, .. } => savepoint_type(format, action, &mut out),
            Self::Null | Self::Raw(_) => {}
        }
        out.done()
    }
}

fn properties_class(out: &mut Out) {
    let flag = |name| (b'Z', name, FieldType::Primitive);
    let fields = [
        flag("discardCancelled"),
        flag("discardFailed"),
        flag("discardFinished"),
        flag("discardSubsumed"),
        flag("discardSuspended"),
        flag("forced"),
        flag("unclaimed"),
        (b'L', "checkpointType", FieldType::Object("Lorg/apache/flink/runtime/checkpoint/SnapshotType;")),
    ];
    class("org.apache.flink.runtime.checkpoint.CheckpointProperties", 2, 2, &fields, out);
    out.u8(0x70);
}

fn checkpoint_type(full: bool, out: &mut Out) {
    let sharing = "org.apache.flink.runtime.checkpoint.SnapshotType$SharingFilesStrategy";
    let sharing_type = format!("L{};", sharing.replace('.', "/"));
    let fields = [
        (b'L', "name", FieldType::Object("Ljava/lang/String;")),
        (b'L', "sharingFilesStrategy", FieldType::Object(&sharing_type)),
    ];
    out.u8(0x73);
    let class_name = "org.apache.flink.runtime.checkpoint.CheckpointType";
    class(class_name, 0xD6DE_4F03_05AE_1D3A, 2, &fields, out);
    out.u8(0x70);
    string(if full { "Full Checkpoint" } else { "Checkpoint" }, out);
    constant(sharing, if full { "FORWARD" } else { "FORWARD_BACKWARD" }, None, out);
}

fn savepoint_type(format: &str, action: &str, out: &mut Out) {
    let format_class = "org.apache.flink.core.execution.SavepointFormatType";
    let format_type = format!("L{};", format_class.replace('.', "/"));
    let action_class = "org.apache.flink.runtime.checkpoint.SavepointType$PostCheckpointAction";
    let action_type = format!("L{};", action_class.replace('.', "/"));
    let fields = [
        (b'L', "formatType", FieldType::Object(&format_type)),
        (b'L', "name", FieldType::Object("Ljava/lang/String;")),
        (b'L', "postCheckpointAction", FieldType::Object(&action_type)),
    ];
    out.u8(0x73);
    let class_name = "org.apache.flink.runtime.checkpoint.SavepointType";
    class(class_name, 0xA087_D308_A458_14B8, 2, &fields, out);
    out.u8(0x70);
    constant(format_class, format, None, out);
    string(
        match action {
            "SUSPEND" => "Suspend Savepoint",
            "TERMINATE" => "Terminate Savepoint",
            _ => "Savepoint",
        },
        out,
    );
    // `java.lang.Enum` is the tenth thing that the stream describes, so the second enum refers to it.
    constant(action_class, action, Some(0x007E_0009), out);
}

fn class(name: &str, version: u64, flags: u8, fields: &[Field<'_>], out: &mut Out) {
    out.u8(0x72);
    out.text(&name.into());
    out.raw(&version.to_be_bytes());
    out.u8(flags);
    out.raw(&u16::try_from(fields.len()).unwrap_or(0).to_be_bytes());
    for (code, name, kind) in fields {
        out.u8(*code);
        out.text(&Text::from(*name));
        if let FieldType::Object(text) = kind {
            string(text, out);
        }
    }
    out.u8(0x78);
}

fn string(text: &str, out: &mut Out) {
    out.u8(0x74);
    out.text(&text.into());
}

fn constant(class_name: &str, constant: &str, enum_class: Option<i32>, out: &mut Out) {
    out.u8(0x7E);
    class(class_name, 0, 0x12, &[], out);
    if let Some(handle) = enum_class {
        out.u8(0x71);
        out.i32(handle);
    } else {
        class("java.lang.Enum", 0, 0x12, &[], out);
        out.u8(0x70);
    }
    string(constant, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of what Flink writes.
    #[test]
    fn the_streams_are_as_long_as_flinks() {
        assert_eq!(Properties::Null.bytes().len(), 5);
        assert_eq!(Properties::checkpoint(false).bytes().len(), 604);
        assert_eq!(Properties::checkpoint(true).bytes().len(), 600);
        for (action, length) in [("NONE", 742), ("SUSPEND", 753), ("TERMINATE", 757)] {
            assert_eq!(Properties::savepoint("NATIVE", action).bytes().len(), length);
            assert_eq!(Properties::savepoint("CANONICAL", action).bytes().len(), length + 3);
        }
    }
}
