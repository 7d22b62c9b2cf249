//! What a file system was seen to hold.

use anyhow::{Context, Result};
use serde_json::Value;

/// One file or directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeEntry {
    /// Of a [`crate::MiniHdfs`] the absolute path, of [`crate::FlinkJobs`] the location with its scheme.
    pub path: String,
    /// Not a file.
    pub is_directory: bool,
    /// Bytes; of a directory 0.
    pub length: u64,
    /// Modification time in milliseconds since 1970.
    pub mtime_ms: i64,
}

/// The entries of a program's answer.
pub(crate) fn entries(answer: &Value) -> Result<Vec<TreeEntry>> {
    let listed = answer.get("entries").and_then(Value::as_array).context("an answer without entries")?;
    listed.iter().map(|entry| parse(entry).with_context(|| format!("not an entry: {entry}"))).collect()
}

fn parse(entry: &Value) -> Option<TreeEntry> {
    Some(TreeEntry {
        path: entry.get("path")?.as_str()?.to_owned(),
        is_directory: entry.get("type")?.as_str()? == "directory",
        length: entry.get("length")?.as_u64()?,
        mtime_ms: entry.get("mtime")?.as_i64()?,
    })
}
