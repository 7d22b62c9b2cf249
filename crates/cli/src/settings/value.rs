//! Reads the text of a setting as what the setting takes.

use chksweep_core::location::printable;
use chksweep_core::policy::{AcceptedUnreadable, DeadJob, RetentionRule};
use chksweep_core::{Age, JobId, Timestamp};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::keys::Kind;

/// Checks that a text is what a setting takes.
///
/// # Errors
///
/// Says what is wrong with it, and what would be right.
pub(crate) fn check(kind: Kind, text: &OsStr) -> Result<(), String> {
    match kind {
        Kind::Age => age(text).map(drop),
        Kind::Bytes => bytes(text).map(drop),
        Kind::Number => number(text).map(drop),
        Kind::Share => share(text).map(drop),
        Kind::Switch | Kind::Bool => switch(text).map(drop),
        Kind::Choice(words) => choice(words, text).map(drop),
        Kind::Job => job(text).map(drop),
        Kind::Alias => alias(text).map(drop),
        Kind::Property => property(text).map(drop),
        Kind::Retention => retention(text).map(drop),
        Kind::Unreadable => unreadable(text).map(drop),
        Kind::Text => utf8(text).map(drop),
        Kind::DeadJob | Kind::Location | Kind::Path if text.is_empty() => Err("is empty".to_owned()),
        Kind::DeadJob | Kind::Location | Kind::Path | Kind::NotYet => Ok(()),
    }
}

fn utf8(text: &OsStr) -> Result<&str, String> {
    text.to_str().ok_or_else(|| format!("`{}` is not UTF-8", printable(text.as_bytes())))
}

/// Reads a duration.
pub(crate) fn age(text: &OsStr) -> Result<Age, String> {
    Age::parse(utf8(text)?)
}

/// Reads a size.
pub(crate) fn bytes(text: &OsStr) -> Result<u64, String> {
    let text = utf8(text)?;
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| format!("`{text}` is not a size: write it as `500GiB`, or as a number of bytes"))
}

/// Reads a whole number.
pub(crate) fn number(text: &OsStr) -> Result<u64, String> {
    let text = utf8(text)?;
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

/// Reads a share.
pub(crate) fn share(text: &OsStr) -> Result<f64, String> {
    let text = utf8(text)?;
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a share between 0 and 1")),
    }
}

/// Reads a switch.
pub(crate) fn switch(text: &OsStr) -> Result<bool, String> {
    match utf8(text)? {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("`{other}` is neither `true` nor `false`")),
    }
}

/// Reads one of some words.
pub(crate) fn choice<'w>(words: &[&'w str], text: &OsStr) -> Result<&'w str, String> {
    let text = utf8(text)?;
    words
        .iter()
        .find(|word| **word == text)
        .copied()
        .ok_or_else(|| format!("`{text}` is none of `{}`", words.join("`, `")))
}

/// Reads the id of a job.
pub(crate) fn job(text: &OsStr) -> Result<JobId, String> {
    JobId::parse(&text.as_bytes().to_ascii_lowercase()).ok_or_else(|| {
        format!(
            "`{}` is not the id of a job: 32 hex digits, as its directory is named",
            printable(text.as_bytes())
        )
    })
}

/// Reads `FROM=TO`. A location may hold `=` as well: the cut is before the first `=` that a location follows.
pub(crate) fn alias(text: &OsStr) -> Result<(OsString, OsString), String> {
    let bytes = text.as_bytes();
    let cuts: Vec<usize> =
        bytes.iter().enumerate().filter(|(at, b)| **b == b'=' && *at > 0).map(|(at, _)| at).collect();
    let cut = cuts
        .iter()
        .copied()
        .find(|at| starts_location(bytes.get(at + 1..).unwrap_or(b"")))
        .or_else(|| cuts.first().copied());
    let parts = cut.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)));
    match parts {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((owned(from), owned(to))),
        Some(_) | None => Err(format!("`{}` is not FROM=TO", printable(bytes))),
    }
}

fn starts_location(text: &[u8]) -> bool {
    text.first() == Some(&b'/') || crate::location::scheme_of(text).is_some()
}

fn owned(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// Reads `KEY=VALUE`.
pub(crate) fn property(text: &OsStr) -> Result<(String, String), String> {
    match utf8(text)?.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err(format!("`{}` is not KEY=VALUE", text.display())),
    }
}

/// Reads a job that somebody declares dead, where it is an id.
pub(crate) fn dead_job_id(text: &OsStr) -> Option<DeadJob> {
    JobId::parse(text.as_bytes()).map(DeadJob::Id)
}

/// Reads `MATCH,keep-last=N,…`.
pub(crate) fn retention(text: &OsStr) -> Result<RetentionRule, String> {
    let mut parts = utf8(text)?.split(',');
    let matches = parts.next().unwrap_or("").trim();
    let mut rule = RetentionRule {
        matches: matches.to_owned(),
        keep_last: None,
        keep_within: None,
        savepoint_keep_last: None,
        savepoint_keep_within: None,
        expire_jobs_after: None,
        one_job: false,
    };
    if matches.is_empty() || matches.contains('=') {
        return Err(
            "begins with the id of a job or a glob over paths, as in `*/nightly-*,keep-last=3`".into()
        );
    }
    for part in parts {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not KEY=VALUE"))?;
        set_rule(&mut rule, key.trim(), OsStr::new(value.trim()))?;
    }
    Ok(rule)
}

/// Sets one part of a retention rule.
pub(crate) fn set_rule(rule: &mut RetentionRule, key: &str, value: &OsStr) -> Result<(), String> {
    match key {
        "keep-last" => rule.keep_last = Some(small(value)?),
        "keep-within" => rule.keep_within = Some(age(value)?),
        "savepoint-keep-last" => rule.savepoint_keep_last = Some(small(value)?),
        "savepoint-keep-within" => rule.savepoint_keep_within = Some(age(value)?),
        "expire-jobs-after" => rule.expire_jobs_after = Some(age(value)?),
        "one-job" => rule.one_job = switch(value)?,
        other => {
            return Err(format!(
                "`{other}` is none of `keep-last`, `keep-within`, `savepoint-keep-last`, `savepoint-keep-within`, \
                 `expire-jobs-after`, `one-job`"
            ));
        }
    }
    Ok(())
}

/// Reads a number of checkpoints.
pub(crate) fn small(text: &OsStr) -> Result<u32, String> {
    u32::try_from(number(text)?).map_err(|_| format!("`{}` is too large", text.display()))
}

/// Reads `LOCATION,bytes=N,mtime=TIME`.
pub(crate) fn unreadable(text: &OsStr) -> Result<AcceptedUnreadable, String> {
    let text = utf8(text)?;
    let wrong = || format!("`{text}` is not LOCATION,bytes=N,mtime=TIME");
    let (rest, mtime) = text.rsplit_once(",mtime=").ok_or_else(wrong)?;
    let (path, length) = rest.rsplit_once(",bytes=").ok_or_else(wrong)?;
    let mtime = Timestamp::parse(mtime)
        .ok_or_else(|| format!("`{mtime}` is not a time like 2026-11-23T18:00:00Z"))?;
    Ok(AcceptedUnreadable { path: path.to_owned(), bytes: number(OsStr::new(length))?, mtime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_cut_where_a_location_begins() {
        for (text, from, to) in [
            ("/a=/b", "/a", "/b"),
            ("hdfs://ns/day=1=file:///b", "hdfs://ns/day=1", "file:///b"),
            ("hdfs://ns/day=1=/b/day=1", "hdfs://ns/day=1", "/b/day=1"),
            ("a=b", "a", "b"),
        ] {
            assert_eq!(alias(OsStr::new(text)), Ok((from.into(), to.into())), "{text}");
        }
        assert!(alias(OsStr::new("/a")).is_err());
        assert!(alias(OsStr::new("/a=")).is_err());
    }

    #[test]
    fn a_retention_rule_is_read() {
        let rule = retention(OsStr::new("*/nightly-*,keep-last=3,one-job=true")).unwrap();
        assert_eq!((rule.matches.as_str(), rule.keep_last, rule.one_job), ("*/nightly-*", Some(3), true));
        assert!(retention(OsStr::new("keep-last=3")).is_err());
        assert!(retention(OsStr::new("*,keep-most=3")).unwrap_err().contains("`keep-within`"));
    }
}
