//! Java's modified UTF-8, as `DataInputStream.readUTF` reads it.
//!
//! It takes a raw NUL, overlong forms and lone surrogates, and refuses sequences of four bytes. What it yields is
//! told here as WTF-8: pairs of surrogates joined, lone ones kept as their three bytes.

use std::borrow::Cow;

/// Checks the bytes of a string, and returns where the first bad sequence starts if there is one.
pub(super) fn check(bytes: &[u8]) -> Result<(), usize> {
    if bytes.is_ascii() {
        return Ok(());
    }
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += unit(rest).ok_or(at)?.1;
    }
    Ok(())
}

/// Decodes checked bytes; borrows where nothing changes.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        // Valid UTF-8 that passed the check has no sequence of four bytes, so it means the same in both.
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut high: Option<u32> = None;
    let mut rest = bytes;
    while let Some((code, length)) = unit(rest) {
        rest = rest.get(length..).unwrap_or(b"");
        if let Some(lead) = high.take() {
            if (0xDC00..0xE000).contains(&code) {
                push(&mut out, 0x1_0000 + ((lead - 0xD800) << 10) + (code - 0xDC00));
                continue;
            }
            push(&mut out, lead);
        }
        if (0xD800..0xDC00).contains(&code) {
            high = Some(code);
        } else {
            push(&mut out, code);
        }
    }
    if let Some(lead) = high {
        push(&mut out, lead);
    }
    Cow::Owned(out)
}

/// Reads one UTF-16 unit and returns it with its length in bytes.
fn unit(bytes: &[u8]) -> Option<(u32, usize)> {
    match *bytes {
        [a, ..] if a < 0x80 => Some((u32::from(a), 1)),
        [a, b, ..] if a & 0xE0 == 0xC0 && b & 0xC0 == 0x80 => {
            Some((u32::from(a & 0x1F) << 6 | u32::from(b & 0x3F), 2))
        }
        [a, b, c, ..] if a & 0xF0 == 0xE0 && b & 0xC0 == 0x80 && c & 0xC0 == 0x80 => {
            Some((u32::from(a & 0x0F) << 12 | u32::from(b & 0x3F) << 6 | u32::from(c & 0x3F), 3))
        }
        _ => None,
    }
}

/// Appends a code point, a surrogate included.
fn push(out: &mut Vec<u8>, code: u32) {
    if let Some(c) = char::from_u32(code) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let [_, _, high, low] = code.to_be_bytes();
        out.extend_from_slice(&[0xE0 | high >> 4, 0x80 | (high & 0x0F) << 2 | low >> 6, 0x80 | low & 0x3F]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_reads_is_read() {
        for (bytes, expected) in [
            (&b"abc"[..], &b"abc"[..]),
            (b"a\0b", b"a\0b"),
            (b"a\xc0\x80b", b"a\0b"),
            (b"\xc1\x81", b"A"),
            (b"\xc0\xaf", b"/"),
            (b"\xe0\x80\x80", b"\0"),
            (b"\xc3\xa9", "é".as_bytes()),
            (b"\xe6\x97\xa5", "日".as_bytes()),
            (b"\xed\xa0\xbd\xed\xb8\x80", "😀".as_bytes()),
            (b"\xed\xa0\xbdx", b"\xed\xa0\xbdx"),
            (b"\xed\xb8\x80", b"\xed\xb8\x80"),
            (b"\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80", b"\xed\xa0\xbd\xf0\x9f\x98\x80"),
        ] {
            assert_eq!(check(bytes), Ok(()), "{bytes:02x?}");
            assert_eq!(&*decode(bytes), expected, "{bytes:02x?}");
        }
        assert!(matches!(decode("é".as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn what_java_refuses_is_refused_where_it_starts() {
        for (bytes, at) in [
            (&b"a\x80"[..], 1),
            (b"ab\xff", 2),
            (b"\xf0\x9f\x98\x80", 0),
            (b"a\xc3", 1),
            (b"a\xc3\x28", 1),
            (b"a\xe6\x97", 1),
        ] {
            assert_eq!(check(bytes), Err(at), "{bytes:02x?}");
        }
    }
}
