//! Counts, sizes and times as people read them.

use bytesize::ByteSize;
use chksweep_core::plan::Totals;

/// Returns a count with its noun: `1 file`, `1,204 files`, `3 directories`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let grouped = grouped(number);
    if number == 1 {
        return format!("{grouped} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{grouped} {stem}ies"),
        Some(_) | None => format!("{grouped} {noun}s"),
    }
}

/// Returns a number with a comma between each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a size: `512 B`, `3.1 TiB`.
pub(crate) fn bytes(number: u64) -> String {
    ByteSize::b(number).display().iec().to_string()
}

/// Returns files and bytes: `1,204 files, 3.1 TiB (9.3 TiB on disk)`.
pub(crate) fn totals(totals: Totals) -> String {
    let disk = totals.disk_bytes.filter(|disk| *disk != totals.bytes);
    let disk = disk.map(|disk| format!(" ({} on disk)", bytes(disk))).unwrap_or_default();
    format!("{}, {}{disk}", count(totals.files, "file"), bytes(totals.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_and_plural_are_right() {
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(1, "directory"), "1 directory");
        assert_eq!(count(1_234_567, "directory"), "1,234,567 directories");
        assert_eq!(count(100, "day"), "100 days");
        assert_eq!(count(1000, "path"), "1,000 paths");
    }

    #[test]
    fn sizes_are_told_in_powers_of_1024() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
        let sum = Totals { files: 1, bytes: 1024, disk_bytes: Some(3072) };
        assert_eq!(totals(sum), "1 file, 1.0 KiB (3.0 KiB on disk)");
    }
}
