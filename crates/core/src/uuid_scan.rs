//! Searches bytes for UUIDs, without knowing what the bytes are.
//!
//! A write-ahead sink names its files inside serialized state, and an unreadable `_metadata` still holds the names of
//! what it needs. Such a name is found as text wherever it stands, or as sixteen raw bytes. Both searches are linear,
//! take the bytes in pieces, and remember nothing but what they found.

use crate::names::Uuid;

/// Finds UUIDs that stand as text: 8, 4, 4, 4 and 12 hex digits of either case, with dashes.
///
/// Bit 7 of each byte is cleared first: Kryo sets it on the last character of a string.
#[derive(Clone, Debug, Default)]
pub struct UuidScanner {
    /// The last 32 hex digits.
    digits: u128,
    /// How many digits stand at the end without a dash between.
    run: u32,
    /// How many dashes of a UUID have been passed.
    dashes: u32,
    found: Vec<Uuid>,
    /// How many of the found ones are sorted and distinct.
    settled: usize,
}

/// How many are found at least before they are sorted.
const SETTLE_AT: usize = 1 << 16;

impl UuidScanner {
    /// Starts with other bytes, keeping what was found.
    pub fn next_input(&mut self) {
        self.run = 0;
        self.dashes = 0;
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let value = match byte & 0x7F {
                digit @ b'0'..=b'9' => digit - b'0',
                digit @ b'a'..=b'f' => digit - b'a' + 10,
                digit @ b'A'..=b'F' => digit - b'A' + 10,
                b'-' => {
                    self.dash();
                    continue;
                }
                _ => {
                    self.run = 0;
                    self.dashes = 0;
                    continue;
                }
            };
            self.digits = self.digits << 4 | u128::from(value);
            self.run = self.run.saturating_add(1);
            if self.run == 12 && self.dashes == 4 {
                self.find();
            }
        }
    }

    fn dash(&mut self) {
        self.dashes = match (self.dashes, self.run) {
            // More digits before the first dash belong to something else.
            (_, 8..) => 1,
            (dashes @ 1..=3, 4) => dashes + 1,
            _ => 0,
        };
        self.run = 0;
    }

    fn find(&mut self) {
        self.found.push(Uuid(self.digits.to_be_bytes()));
        if self.found.len() >= SETTLE_AT + 2 * self.settled {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.found.sort_unstable();
        self.found.dedup();
        self.settled = self.found.len();
    }

    /// Returns what was found: sorted and distinct.
    pub fn finish(mut self) -> Vec<Uuid> {
        self.settle();
        self.found
    }
}

/// Returns the UUIDs that stand as text in the bytes: sorted and distinct.
pub fn scan_uuids(bytes: &[u8]) -> Vec<Uuid> {
    let mut scanner = UuidScanner::default();
    scanner.push(bytes);
    scanner.finish()
}

/// Finds which of some UUIDs occur as sixteen raw bytes, at whatever offset.
#[derive(Clone, Debug)]
pub struct RawUuidScanner<'c> {
    candidates: &'c [Uuid],
    /// One bit for the first three bytes of every candidate.
    starts: Vec<u64>,
    window: u128,
    seen: u32,
    hits: Vec<Uuid>,
}

/// How many of the first bits choose the bit in the filter.
const START_BITS: u32 = 24;

impl<'c> RawUuidScanner<'c> {
    /// Starts a search; the candidates must be sorted.
    pub fn new(candidates: &'c [Uuid]) -> Self {
        let mut starts = vec![0; 1 << (START_BITS - 6)];
        for candidate in candidates {
            let (word, bit) = start_of(u128::from_be_bytes(candidate.0));
            if let Some(slot) = starts.get_mut(word) {
                *slot |= bit;
            }
        }
        Self { candidates, starts, window: 0, seen: 0, hits: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.window = self.window << 8 | u128::from(*byte);
            self.seen = self.seen.saturating_add(1);
            let (word, bit) = start_of(self.window);
            if self.seen >= 16 && self.starts.get(word).is_some_and(|slot| slot & bit != 0) {
                let uuid = Uuid(self.window.to_be_bytes());
                if self.candidates.binary_search(&uuid).is_ok() && self.hits.last() != Some(&uuid) {
                    self.hits.push(uuid);
                }
            }
        }
    }

    /// Starts with other bytes, keeping what was found.
    pub fn next_input(&mut self) {
        self.seen = 0;
    }

    /// Returns the candidates that were found: sorted and distinct.
    pub fn finish(mut self) -> Vec<Uuid> {
        self.hits.sort_unstable();
        self.hits.dedup();
        self.hits
    }
}

fn start_of(window: u128) -> (usize, u64) {
    let start = u32::try_from(window >> (128 - START_BITS)).unwrap_or(0);
    (usize::try_from(start >> 6).unwrap_or(0), 1 << (start & 63))
}

/// Returns which of the sorted candidates occur in the bytes, as text or as sixteen raw bytes: sorted and distinct.
pub fn raw_uuid_hits(bytes: &[u8], candidates: &[Uuid]) -> Vec<Uuid> {
    let mut raw = RawUuidScanner::new(candidates);
    raw.push(bytes);
    let mut hits = raw.finish();
    hits.extend(scan_uuids(bytes).into_iter().filter(|uuid| candidates.binary_search(uuid).is_ok()));
    hits.sort_unstable();
    hits.dedup();
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123abcd-4567-89ef-0123-456789abcdef";
    const B: &str = "fedcba98-7654-3210-fedc-ba9876543210";

    fn uuid(text: &str) -> Uuid {
        Uuid::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn text_is_found_wherever_it_stands() {
        for text in [
            A.to_owned(),
            format!("/{A}"),
            format!("hdfs://ns/x/{A}.tmp"),
            format!("ffff{A}ffff"),
            format!("-{A}-"),
            A.to_uppercase(),
            format!("{A}{A}"),
            format!("0123abcd-{A}"),
            format!("0123abcd-4567-{A}"),
        ] {
            assert_eq!(scan_uuids(text.as_bytes()), [uuid(A)], "{text}");
        }
        for text in [
            &A[1..],
            &A[..35],
            "0123abcd-4567-89ef-0123_456789abcdef",
            "0123abcd-4567-89ef-01234-56789abcdef",
        ] {
            assert_eq!(scan_uuids(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn uuids_may_overlap_and_are_told_once() {
        let chained = format!("{A}-7654-3210-fedc-ba9876543210 {A} {B}");
        let overlapping = uuid("89abcdef-7654-3210-fedc-ba9876543210");
        assert_eq!(scan_uuids(chained.as_bytes()), [uuid(A), overlapping, uuid(B)]);
    }

    #[test]
    fn kryo_marks_the_last_character() {
        let mut text = A.as_bytes().to_vec();
        *text.last_mut().unwrap() |= 0x80;
        assert_eq!(scan_uuids(&text), [uuid(A)]);
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let text = format!("x{A}yy{B}");
        for size in 1..50 {
            let mut scanner = UuidScanner::default();
            text.as_bytes().chunks(size).for_each(|chunk| scanner.push(chunk));
            assert_eq!(scanner.finish(), scan_uuids(text.as_bytes()));
        }
    }

    #[test]
    fn raw_bytes_are_found_among_candidates() {
        let mut bytes = b"abc".to_vec();
        bytes.extend_from_slice(&uuid(A).0);
        bytes.extend_from_slice(B.as_bytes());
        let mut candidates = vec![uuid(A), uuid(B), Uuid([0; 16]), Uuid([9; 16])];
        candidates.sort_unstable();
        assert_eq!(raw_uuid_hits(&bytes, &candidates), [uuid(A), uuid(B)]);
        assert_eq!(raw_uuid_hits(&bytes, &candidates[..1]), []);
        // Sixteen bytes must have come before a window is one.
        assert_eq!(raw_uuid_hits(&[0; 15], &candidates), []);
    }
}
