//! Names of files, held compactly: Flink names state files by a random UUID, so sixteen bytes do for nearly all.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

/// A UUID in the canonical form that Flink writes: 36 characters, lower case, with dashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// The length of a UUID as text.
pub const UUID_TEXT_LEN: usize = 36;

impl Uuid {
    /// Returns the UUID that `text` is, if it is one in exactly the canonical form: the text can be made again
    /// from the sixteen bytes.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; UUID_TEXT_LEN] = text.try_into().ok()?;
        let mut out = [0_u8; 16];
        let mut digits = 0_usize;
        for (at, byte) in text.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            let value = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            let slot = out.get_mut(digits / 2)?;
            *slot = (*slot << 4) | value;
            digits += 1;
        }
        Some(Self(out))
    }

    /// Returns the text: 36 ASCII characters.
    pub fn text(&self) -> [u8; UUID_TEXT_LEN] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = [b'-'; UUID_TEXT_LEN];
        let mut at = 0_usize;
        for byte in self.0 {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            for nibble in [byte >> 4, byte & 15] {
                if let (Some(slot), Some(digit)) = (out.get_mut(at), HEX.get(usize::from(nibble))) {
                    *slot = *digit;
                }
                at += 1;
            }
        }
        out
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name in a table: a UUID by value, anything else by its number in [`Names`]. Twenty bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Name {
    /// A canonical UUID.
    Uuid(Uuid),
    /// The number of another name in the table that made it.
    Other(u32),
}

/// A name read out of its table; ordered by the bytes of its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NameRef<'a> {
    /// A canonical UUID.
    Uuid(Uuid),
    /// Any other name, never a canonical UUID.
    Other(&'a [u8]),
}

impl<'a> NameRef<'a> {
    /// Returns `bytes` as a name.
    pub fn new(bytes: &'a [u8]) -> Self {
        Uuid::parse(bytes).map_or(Self::Other(bytes), Self::Uuid)
    }

    /// Appends the text of the name.
    pub fn append_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Uuid(uuid) => out.extend_from_slice(&uuid.text()),
            Self::Other(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Returns the text of the name.
    pub fn to_vec(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(UUID_TEXT_LEN);
        self.append_to(&mut out);
        out
    }

    /// Returns the UUID, if the name is one.
    pub fn uuid(self) -> Option<Uuid> {
        match self {
            Self::Uuid(uuid) => Some(uuid),
            Self::Other(_) => None,
        }
    }
}

impl Ord for NameRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Canonical text orders as the sixteen bytes do: dashes stand at fixed places.
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Other(b)) => a.text().as_slice().cmp(b),
            (Self::Other(a), Self::Uuid(b)) => (*a).cmp(b.text().as_slice()),
            (Self::Other(a), Self::Other(b)) => a.cmp(b),
        }
    }
}

impl PartialOrd for NameRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A table of the names that are not UUIDs: each distinct one once.
#[derive(Clone, Default)]
pub struct Names {
    bytes: Vec<u8>,
    spans: Vec<(u32, u32)>,
    index: HashMap<Box<[u8]>, u32>,
}

impl Names {
    /// Returns the compact form of a name, remembering its text if need be.
    pub fn intern(&mut self, text: &[u8]) -> Name {
        if let Some(uuid) = Uuid::parse(text) {
            return Name::Uuid(uuid);
        }
        if let Some(id) = self.index.get(text) {
            return Name::Other(*id);
        }
        let id = u32::try_from(self.spans.len()).unwrap_or(u32::MAX);
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(text);
        self.spans.push((start, len));
        self.index.insert(text.into(), id);
        Name::Other(id)
    }

    /// Reads a name of this table.
    pub fn get(&self, name: Name) -> NameRef<'_> {
        match name {
            Name::Uuid(uuid) => NameRef::Uuid(uuid),
            Name::Other(id) => NameRef::Other(self.other(id).unwrap_or(b"")),
        }
    }

    /// Returns the form that `text` has in this table, without adding it.
    pub fn find(&self, text: NameRef<'_>) -> Option<Name> {
        match text {
            NameRef::Uuid(uuid) => Some(Name::Uuid(uuid)),
            NameRef::Other(bytes) => self.index.get(bytes).map(|id| Name::Other(*id)),
        }
    }

    fn other(&self, id: u32) -> Option<&[u8]> {
        let (start, len) = *self.spans.get(usize::try_from(id).ok()?)?;
        let start = usize::try_from(start).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("others", &self.spans.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_text_is_a_uuid() {
        let text = b"0a1b2c3d-0000-4fff-8000-0123456789ab";
        let uuid = Uuid::parse(text).unwrap();
        assert_eq!(&uuid.text(), text);
        assert_eq!(Uuid::parse(b"0A1b2c3d-0000-4fff-8000-0123456789ab"), None);
        assert_eq!(Uuid::parse(b"0a1b2c3d00000-4fff-8000-0123456789ab"), None);
        assert_eq!(Uuid::parse(b"0a1b2c3d-0000-4fff-8000-0123456789a"), None);
    }

    #[test]
    fn names_order_as_their_text() {
        let mut texts: Vec<&[u8]> = vec![
            b"zz",
            b"0a1b2c3d-0000-4fff-8000-0123456789ab",
            b"0a1b2c3d-0000-4fff-8000-0123456789aa",
            b"_metadata",
            b"0a",
        ];
        let mut names: Vec<NameRef<'_>> = texts.iter().map(|t| NameRef::new(t)).collect();
        texts.sort_unstable();
        names.sort_unstable();
        assert_eq!(names.iter().map(|n| n.to_vec()).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn a_table_keeps_each_name_once() {
        let mut names = Names::default();
        let a = names.intern(b"_metadata");
        assert_eq!(a, names.intern(b"_metadata"));
        assert_eq!(names.get(a), NameRef::Other(b"_metadata"));
        assert_eq!(size_of::<Name>(), 20);
    }
}
