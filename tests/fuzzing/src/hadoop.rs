//! What Hadoop writes: site files, and the printed image of a namespace.

use std::path::Path;

use chksweep_core::Timestamp;
use chksweep_core::oiv::{Format, OivError, Reader};
use chksweep_hdfs::HadoopConfig;

use super::draw::Draw;

/// Any text is read line by line or refused; what is read is a clean path, and reads again as the same.
pub fn oiv(input: &[u8]) {
    let mut draw = Draw(input);
    let delimiter = ['\t', ',', '|', '日'][draw.below(4)];
    let minutes_ahead = i32::from(i16::from_be_bytes([draw.byte(), draw.byte()]));
    let format = Format { delimiter, minutes_ahead };
    let Ok(reader) = Reader::open(draw.0, format) else { return };
    for (number, entry) in (2..).zip(reader) {
        match entry {
            Ok(entry) => {
                assert!(entry.path.starts_with('/') && !entry.path.contains(['\n', delimiter]));
                let names = entry.path.split('/').skip(1);
                assert!(entry.path == "/" || names.clone().all(|name| !matches!(name, "" | "." | "..")));
                assert!(entry.modified == Timestamp(0) || entry.modified.0.rem_euclid(60_000) == 59_999);
                assert_eq!(again(&entry.path, format).as_deref(), Some(entry.path.as_str()));
            }
            Err(OivError::Line { line, .. }) => assert_eq!(line, number),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Prints a path as Hadoop does, and reads that.
fn again(path: &str, format: Format) -> Option<String> {
    let Format { delimiter, .. } = format;
    let quoted = if path.contains([',', '"', '\r']) {
        format!("\"{}\"", path.replace('"', "\"\""))
    } else {
        path.to_owned()
    };
    let header = [
        "Path",
        "Replication",
        "ModificationTime",
        "AccessTime",
        "PreferredBlockSize",
        "FileSize",
        "Permission",
    ];
    let line = [&quoted, "0", "2026-11-23 18:00", "1970-01-01 00:00", "0", "0", "drwxr-xr-x"];
    let join = |fields: &[&str]| fields.join(&delimiter.to_string());
    let text = format!("{}\n{}\n", join(&header), join(&line));
    Some(Reader::open(text.as_bytes(), format).ok()?.next()?.ok()?.path)
}

/// Any text is a site file or refused, whatever is asked of it then; and any value reads as it was written.
pub fn xml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Without a parent directory that exists, so that nothing is included.
    let path = Path::new("/nonexistent/fuzz/core-site.xml");
    if let Ok(config) = HadoopConfig::from_text(path, text, &|_| None) {
        ask(&config);
    }
    let document = format!(
        "<configuration><property><name>a</name><value>{}</value></property></configuration>",
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    );
    let config = HadoopConfig::from_text(path, &document, &|_| None).unwrap();
    if !text.contains("${") {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(config.value("a").unwrap().unwrap_or(""), lines.trim());
    }
}

fn ask(config: &HadoopConfig) {
    drop(config.default_fs());
    drop(config.authentication());
    drop(config.trash_interval_minutes());
    drop(config.equivalence());
    drop(config.client_settings());
    drop(config.mount_tables());
    for nameservice in config.nameservices().into_iter().flatten() {
        drop(format!("{nameservice:?}"));
    }
    for authority in ["", "ns", "host:8020"] {
        drop(config.namenodes(authority));
    }
    for (key, _, _) in config.relevant() {
        drop(config.value(key));
        drop(config.list(key));
    }
}
