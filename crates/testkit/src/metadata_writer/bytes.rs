//! Java's `DataOutputStream`, as far as the format needs it.

use super::Dialect;

/// A string as the bytes of its modified UTF-8, which need not be valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut out = Vec::new();
        for unit in text.encode_utf16() {
            let [high, low] = unit.to_be_bytes();
            match unit {
                1..=0x7F => out.push(low),
                0 | 0x80..=0x7FF => out.extend([0xC0 | (high << 2) | (low >> 6), 0x80 | (low & 0x3F)]),
                _ => out.extend([
                    0xE0 | (high >> 4),
                    0x80 | ((high & 0x0F) << 2) | (low >> 6),
                    0x80 | (low & 0x3F),
                ]),
            }
        }
        Self(out)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// The bytes written so far, and how to write the rest.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) version: i32,
    pub(super) dialect: Dialect,
    bytes: Vec<u8>,
}

impl Out {
    pub(super) fn new(version: i32, dialect: Dialect) -> Self {
        Self { version, dialect, bytes: Vec::new() }
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn count(&mut self, count: usize) {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX));
    }

    /// A string longer than 65,535 bytes is cut: Java would throw.
    pub(super) fn text(&mut self, text: &Text) {
        let length = u16::try_from(text.0.len()).unwrap_or(u16::MAX);
        self.raw(&length.to_be_bytes());
        self.raw(text.0.get(..usize::from(length)).unwrap_or_default());
    }

    pub(super) fn bytes32(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(super) fn list<T>(&mut self, items: &[T], write: impl Fn(&T, &mut Self)) {
        self.count(items.len());
        for item in items {
            write(item, self);
        }
    }

    pub(super) fn offsets(&mut self, offsets: &[i64]) {
        self.list(offsets, |offset, out| out.i64(*offset));
    }
}
