//! Every maximum of the reader, with its reason.
//!
//! Counts need no maximum of their own: each is checked against the bytes that are left, since every element takes
//! at least the bytes named here. So a count can never make the reader work, or remember, more than the file holds.

/// How deep stream handles of code 3 may be nested. Flink 2.3 recurses until its stack ends: it reads 1,000 levels
/// and not 2,000. Nothing writes more than one.
pub const MAX_STREAM_NESTING: u32 = 1_000;

/// How deep changelog handles may be nested. Flink 2.3 reads 300 levels and not 1,000. Two occur. Each level costs
/// stack here as well: a thread's smallest usual one, of a megabyte, holds more than these even without optimization.
pub const MAX_CHANGELOG_NESTING: u32 = 400;

/// How many bytes a Java object stream with the properties may take: 760 is the most that any release writes.
pub const MAX_PROPERTIES_BYTES: u64 = 64 * 1024;

/// How deep objects and class descriptions may be nested in the properties; Flink's are four deep.
pub const MAX_PROPERTIES_NESTING: u32 = 16;

/// How many objects the properties may hold; Flink's are a dozen.
pub const MAX_PROPERTIES_OBJECTS: usize = 256;

/// The longest string in modified UTF-8, by its two-byte length.
pub const MAX_UTF_BYTES: usize = 65_535;

/// The least bytes of a master state: two words, and inside a version, a name and a payload of no bytes.
pub(super) const MIN_MASTER_STATE: u64 = 18;
/// The least bytes of an entry of an operator from version 3 on: a finished subtask is one word.
pub(super) const MIN_ENTRY: u64 = 4;
/// The least bytes of a subtask in versions 1 and 2.
pub(super) const MIN_OLD_SUBTASK: u64 = 26;
/// The least bytes of a key-group offset, and of every other `i64` in a list.
pub(super) const MIN_OFFSET: u64 = 8;
/// The least bytes of a name with a stream handle.
pub(super) const MIN_NAMED: u64 = 3;
/// The least bytes of the description of one operator state.
pub(super) const MIN_STATE_META: u64 = 7;
/// The least bytes of a channel-state handle: a merged one, with code, or one of dialect A, without.
pub(super) const MIN_CHANNEL: u64 = 18;
/// The least bytes of a change of one key group.
pub(super) const MIN_CHANGE: u64 = 8;
/// The least bytes of a changelog segment.
pub(super) const MIN_SEGMENT: u64 = 9;
/// The least bytes of a handle: its code.
pub(super) const MIN_HANDLE: u64 = 1;
