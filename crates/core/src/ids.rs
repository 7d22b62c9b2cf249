//! Flink's identifiers: newtypes, so that one cannot be taken for another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a job, as the name of its directory shows it: 32 lower-case hex digits. It does not identify a job
/// for ever: application clusters reuse ids, and two clusters can share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub [u8; 16]);

/// The id of an operator, as Flink prints it: the sixteen bytes in the order of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorId(pub [u8; 16]);

impl JobId {
    /// Returns the id that `text` is: exactly 32 hex digits, lower case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        parse_hex(text).map(Self)
    }

    /// Returns whether several clusters may run under this id at the same time, in one directory if they share a root.
    /// Application clusters with high availability do not draw their ids: up to Flink 1.15 all of them use `000…0`,
    /// since then the 32-bit hash of the cluster's name, sign-extended to the first eight bytes (FLINK-29109). Since
    /// Flink 2.3 further jobs of an application have the hash of their own name, counted up where names are equal,
    /// added to both halves (`JobNameBasedJobIdManager`). Two clusters of one name, as in two namespaces, have one id.
    ///
    /// A drawn id looks like that once in 2^63. An id that people fix and that looks like none of these is not known.
    pub fn may_be_shared(self) -> bool {
        let half = |bytes: Option<&[u8; 8]>| i64::from_be_bytes(bytes.copied().unwrap_or_default());
        let (first, last) = (half(self.0.first_chunk()), half(self.0.last_chunk()));
        // The count may take the hash of a job's name a little further.
        let is_hash_of_job = last.unsigned_abs() < 1 << 32;
        let is_hash_of_cluster = i32::try_from(first.wrapping_sub(last)).is_ok();
        // Numbers that people write as ids have an empty first half, and two hashes that cancel out are none.
        let is_number = first == 0 || first == last;
        (first, last) == (0, 0) || (is_hash_of_job && is_hash_of_cluster && !is_number)
    }
}

fn parse_hex(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 32 {
        return None;
    }
    let mut out = [0_u8; 16];
    for (slot, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *slot = (*slot << 4) | value;
        }
    }
    Some(out)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! hex_id {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                parse_hex(text.as_bytes()).map(Self).ok_or_else(|| {
                    serde::de::Error::custom(format!("`{text}` is not an id of 32 hex digits"))
                })
            }
        }
    };
}

hex_id!(JobId);
hex_id!(OperatorId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_is_32_lower_case_hex_digits() {
        let id = JobId::parse(b"d7f536ce31c588055f4f8282a9756920").unwrap();
        assert_eq!(id.to_string(), "d7f536ce31c588055f4f8282a9756920");
        assert_eq!(JobId::parse(b"D7F536CE31C588055F4F8282A9756920"), None);
        assert_eq!(JobId::parse(b"d7f536ce31c588055f4f8282a975692"), None);
    }

    #[test]
    fn clusters_share_only_ids_that_flink_does_not_draw() {
        for (text, shared) in [
            ("00000000000000000000000000000000", true),
            ("0000000012345678_0000000000000000", true),
            ("ffffffffdeadbeef_0000000000000000", true),
            ("ffffffffffffffff_0000000000000000", true),
            // What Flink 2.3.0 itself gives the jobs of the cluster `my-cluster`.
            ("ffffffff8e2d96d9_0000000000000000", true),
            ("ffffffff92744b58_000000000446b47f", true),
            ("ffffffff8e2d96da_0000000000000001", true),
            ("0000000012345677_ffffffffffffffff", true),
            ("0000000000000000_0000000000000001", false),
            ("0000000000000007_0000000000000007", false),
            ("0000000012345678_0000000112345678", false),
            ("8000000000000000_8000000000000000", false),
            ("0000000112345678_0000000000000000", false),
            ("fffffffedeadbeef_0000000000000000", false),
            ("d7f536ce31c588055f4f8282a9756920", false),
        ] {
            let id = JobId::parse(text.replace('_', "").as_bytes()).unwrap();
            assert_eq!(id.may_be_shared(), shared, "{text}");
        }
    }
}
