//! Makes visible what a name may hold to deceive whoever reads it: names come from strangers.
//!
//! A name may hold anything but `/` and a zero byte: escape sequences that move the cursor of a terminal, C1 controls
//! that some terminals take for such, line breaks that make one line of a log two, and marks that turn the direction of
//! what is shown. None of it is ever written as it is: not to a terminal, not to a log, and not to a file that somebody
//! may `cat`. In JSON it is escaped, so that programs get every name exactly as it is.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

/// Returns whether a character is a control character, or one that is not seen itself but changes how others are
/// seen: line and paragraph separators, marks of direction, characters without width, tags.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns text with what is hidden as `\xHH` or `\u{HHHH}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a String cannot fail.
        match u32::from(c) {
            _ if !is_hidden(c) => out.push(c),
            code @ 0..=0xff => write!(out, "\\x{code:02X}").unwrap_or_default(),
            code => write!(out, "\\u{{{code:X}}}").unwrap_or_default(),
        }
    }
    Cow::Owned(out)
}

/// Returns a piece of JSON with what is hidden as `\uHHHH`. It can stand in a string only, and means the same there.
pub fn escaped_json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !is_hidden(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            write!(out, "\\u{unit:04x}").unwrap_or_default();
        }
    }
    Cow::Owned(out)
}

/// Writes a value as JSON, in one line, with what is hidden escaped.
///
/// # Errors
///
/// Where writing fails, or the value has no form in JSON.
pub fn write_json(out: impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Visible))
}

/// Returns a value as JSON, in one line, with what is hidden escaped.
///
/// # Errors
///
/// Where the value has no form in JSON.
pub fn json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value)?;
    Ok(bytes)
}

/// Compact JSON. What must be escaped in JSON, `serde_json` escapes by itself; this adds what should not be seen.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        out.write_all(escaped_json(text).as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(out, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\u{1b}]0;x\u{7}\u{7f}\u{9b}31m\r\n\u{202e}gnp\u{2028}\u{e0041}ä日\"\\/";

    #[test]
    fn what_is_hidden_is_shown() {
        assert_eq!(
            escaped(NASTY),
            "a\\x1B]0;x\\x07\\x7F\\x9B31m\\x0D\\x0A\\u{202E}gnp\\u{2028}\\u{E0041}ä日\"\\/"
        );
        assert!(matches!(escaped("/a/ä b\\"), Cow::Borrowed("/a/ä b\\")));
    }

    #[test]
    fn json_shows_what_is_hidden_and_means_the_same() {
        let text = String::from_utf8(json(&[NASTY]).unwrap()).unwrap();
        assert!(!text.contains(is_hidden), "{text}");
        assert!(
            text.contains("\\u009b31m") && text.contains("\\u202egnp") && text.contains("\\udb40\\udc41")
        );
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [NASTY]);
        let keys = json(&std::collections::BTreeMap::from([(NASTY, 1.5)])).unwrap();
        assert!(!String::from_utf8(keys).unwrap().contains(is_hidden));
    }

    #[test]
    fn what_hides_nothing_is_written_as_ever() {
        let value = serde_json::json!({"a": ["ä\t\n\u{1}", null, true, -1, 0.5], "b": {}});
        assert_eq!(json(&value).unwrap(), serde_json::to_vec(&value).unwrap());
    }
}
