//! Which retention may hold for a place.
//!
//! A rule that matches replaces the retention of the policy itself; of several the first, or the most specific, which
//! may be another. A glob speaks of "the path component of a location", and more than one path can be meant (the job
//! directory, the snapshot, its `_metadata`), with `*` within one component or across several. A rule that matches all
//! of these paths replaces the policy for certain; one that matches under some reading only may hold. What no retention
//! that may hold allows is forbidden for certain.

use chksweep_core::{Age, JobId, Location, Policy};

/// The retention of a policy or of one of its rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) keep_last: Option<u32>,
    pub(crate) keep_within: Option<Age>,
    pub(crate) savepoint_keep_last: Option<u32>,
    pub(crate) savepoint_keep_within: Option<Age>,
    pub(crate) expire_jobs_after: Option<Age>,
    /// Whether a glob declares that all savepoints here belong to one job.
    pub(crate) one_job: bool,
    /// Whether the rule declares that all checkpoints of a job directory do.
    pub(crate) one_run: bool,
}

/// Returns the retentions that may hold for a metadata file of this job; `digits` are those of a savepoint.
pub(crate) fn candidates(
    policy: &Policy,
    metadata: &Location,
    job: Option<JobId>,
    digits: Option<[u8; 6]>,
) -> Vec<Retention> {
    let paths: Vec<Location> =
        std::iter::successors(Some(metadata.clone()), Location::parent).take(3).collect();
    let mut found = Vec::new();
    let mut replaced = false;
    for rule in &policy.rules {
        let (may, must) = if let Some(id) = JobId::parse(rule.matches.as_bytes()) {
            let told = digits.is_some_and(|digits| rule.matches.as_bytes().starts_with(&digits));
            (job == Some(id) || told, job == Some(id))
        } else {
            let matches = |across| paths.iter().map(move |path| glob(&rule.matches, path.path(), across));
            (matches(true).chain(matches(false)).any(|yes| yes), matches(true).all(|yes| yes))
        };
        if may {
            found.push(Retention {
                keep_last: rule.keep_last,
                keep_within: rule.keep_within,
                savepoint_keep_last: rule.savepoint_keep_last,
                savepoint_keep_within: rule.savepoint_keep_within,
                expire_jobs_after: rule.expire_jobs_after,
                one_job: rule.one_job && JobId::parse(rule.matches.as_bytes()).is_none(),
                one_run: rule.one_job,
            });
        }
        replaced |= must;
    }
    if replaced {
        return found;
    }
    found.push(Retention {
        keep_last: policy.keep_last,
        keep_within: policy.keep_within,
        savepoint_keep_last: policy.savepoint_keep_last,
        savepoint_keep_within: policy.savepoint_keep_within,
        expire_jobs_after: policy.expire_jobs_after,
        one_job: false,
        one_run: false,
    });
    found
}

/// Returns whether a glob of `*` and `?` matches a whole path; `across` lets `*` stand for more than one component.
fn glob(pattern: &str, path: &[u8], across: bool) -> bool {
    let pattern = pattern.as_bytes();
    let (mut at, mut next) = (0_usize, 0_usize);
    // Where to go on after the last `*` when what follows it does not match.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = path.get(at) {
        match pattern.get(next) {
            Some(b'*') => {
                retry = Some((next + 1, at));
                next += 1;
                continue;
            }
            Some(b'?') if across || *byte != b'/' => {
                (at, next) = (at + 1, next + 1);
                continue;
            }
            Some(wanted) if wanted == byte => {
                (at, next) = (at + 1, next + 1);
                continue;
            }
            Some(_) | None => {}
        }
        let Some((after, from)) = retry else { return false };
        if !across && path.get(from) == Some(&b'/') {
            return false;
        }
        retry = Some((after, from + 1));
        (at, next) = (from + 1, after);
    }
    pattern.get(next..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_paths() {
        for (pattern, path, across, within) in [
            ("/flink/*", "/flink/a", true, true),
            ("/flink/*", "/flink/a/b", true, false),
            ("/flink/*/b", "/flink/a/b", true, true),
            ("*b", "/flink/a/b", true, false),
            ("/fl?nk", "/flink", true, true),
            ("/fl?nk", "/flnk", false, false),
            ("/fl?nk", "/fl/nk", true, false),
            ("/a*c*e", "/abcde", true, true),
            ("/a*c*e", "/abcdf", false, false),
            ("/flink", "/flink/a", false, false),
            ("", "", true, true),
            ("/x**", "/x", true, true),
        ] {
            assert_eq!(glob(pattern, path.as_bytes(), true), across, "{pattern} {path}");
            assert_eq!(glob(pattern, path.as_bytes(), false), within, "{pattern} {path}");
        }
    }
}
