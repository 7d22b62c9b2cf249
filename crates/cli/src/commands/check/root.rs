//! What is checked of a root: there, a directory, readable as far as a sample shows, its `.chksweep` nobody else's,
//! unlocked, with room left; and what snapshots hold of it.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use chksweep_core::{Location, Timestamp, layout};
use chksweep_engine::clock::MAX_SKEW;
use chksweep_engine::trust::{self, TrustError};
use chksweep_engine::{lock, own, snapshots};
use chksweep_store::{Access, Entry, EntryKind, ErrorKind, ReadStore, StoreError, Usage};

use super::Finding;
use tokio::time::{Instant, timeout_at};

use crate::failure::trust_hint;
use crate::output::human::{bytes, count, grouped};

/// How many directories are listed to see whether they can be.
const SAMPLE: usize = 64;
/// How deep: as deep as Flink's own directories are.
const DEPTH: usize = 4;
/// A run makes directories in the quarantine, and records. Below this it cannot, or not for long.
const NAMES_NEEDED: u64 = 20;
const NAMES_WANTED: u64 = 10_000;
/// A block is reserved whole while it is written: its usual size, thrice.
const SPACE_NEEDED: u64 = 3 * (128 << 20);
const SPACE_WANTED: u64 = 4 << 30;

/// What a root is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Something may be swept under it.
    Sweep,
    /// It is read only.
    Reference,
}

/// A root to be checked.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) location: Location,
    pub(super) usage: Use,
    pub(super) now: Timestamp,
    pub(super) skew_is_allowed: bool,
    /// When all of it must have been told.
    pub(super) until: Instant,
}

type Store = Arc<dyn ReadStore>;

/// Checks a root, with all questions at once.
pub(super) async fn check(store: Store, root: Root) -> Vec<Finding> {
    let about = root.location.to_string();
    let access = match within("root", root.until, store.access(&root.location)).await {
        Ok(access) => access,
        Err(finding) => return vec![finding.about(about)],
    };
    if access.kind != EntryKind::Directory {
        let finding = Finding::error("root", "it is no directory").about(about);
        return vec![
            finding.next("give the directory that holds the checkpoints; of a link, where it leads to"),
        ];
    }
    let mut findings = vec![Finding::ok("root", described(&access))];
    let sampled = sample(&store, &root);
    if root.usage == Use::Reference {
        findings.extend(sampled.await);
    } else {
        let (sampled, own, lock, quota, snapshots) = futures::future::join5(
            sampled,
            own_directory(&store, &root),
            locked(&store, &root),
            quota(&store, &root),
            pinned(&store, &root),
        )
        .await;
        findings.extend(sampled);
        findings.extend(rights(&store, &access));
        findings.extend([own, lock, quota, snapshots].into_iter().flatten());
    }
    findings
        .into_iter()
        .map(|finding| if finding.about.is_some() { finding } else { finding.about(&about) })
        .collect()
}

/// Asks, and makes a finding of what goes wrong.
async fn within<T>(
    check: &'static str,
    until: Instant,
    question: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Finding> {
    match timeout_at(until, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(refused(check, &error)),
        Err(_elapsed) => Err(late(check)),
    }
}

fn late(check: &'static str) -> Finding {
    Finding::error(check, "no answer in time")
        .next("check again when the storage is less busy, and whether the NameNode hangs")
}

fn refused(check: &'static str, error: &StoreError) -> Finding {
    let next = match error.kind {
        ErrorKind::NotFound => "correct the path, or take the root out of the configuration",
        ErrorKind::PermissionDenied => {
            "let this user list and read all that lies under the root: what it cannot read stops every sweep"
        }
        ErrorKind::Unauthenticated => "see `credentials` above",
        ErrorKind::AlreadyExists
        | ErrorKind::NotEmpty
        | ErrorKind::WrongType
        | ErrorKind::Unreachable
        | ErrorKind::Busy
        | ErrorKind::TimedOut
        | ErrorKind::QuotaExceeded
        | ErrorKind::Corrupt
        | ErrorKind::Unrepresentable
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::Other => "check again; if it stays, see what the storage's log says of it",
    };
    Finding::error(check, error.to_string()).next(next)
}

fn described(access: &Access) -> String {
    format!("a directory of {}:{}, mode {:o}", access.owner, access.group, access.mode)
}

/// Lists some directories, the upper ones first, and looks at the newest mtime.
async fn sample(store: &Store, root: &Root) -> Vec<Finding> {
    let mut found = Sampled { newest: None, listed: 0, links: 0, broken: None, waiting: VecDeque::new() };
    found.waiting.push_back((root.location.clone(), 0));
    let in_time = timeout_at(root.until, found.list(store)).await.is_ok();
    let mut findings = vec![found.finding(in_time)];
    if root.usage == Use::Sweep {
        findings.push(clock(found.newest, root));
    }
    findings
}

struct Sampled {
    newest: Option<(Timestamp, Location)>,
    listed: usize,
    links: usize,
    broken: Option<StoreError>,
    waiting: VecDeque<(Location, usize)>,
}

impl Sampled {
    async fn list(&mut self, store: &Store) {
        while self.listed < SAMPLE && self.broken.is_none() {
            let Some((directory, depth)) = self.waiting.pop_front() else { return };
            let mut below = Vec::new();
            let (newest, links) = (&mut self.newest, &mut self.links);
            let mut sink = |entry: Entry<'_>| {
                if newest.as_ref().is_none_or(|(time, _)| entry.modified > *time) {
                    *newest = Some((entry.modified, directory.child(entry.name)));
                }
                *links += usize::from(entry.kind == EntryKind::Other);
                let is_wanted = depth < DEPTH && entry.name != layout::OWN && below.len() < SAMPLE;
                if entry.kind == EntryKind::Directory && is_wanted {
                    below.push((directory.child(entry.name), depth + 1));
                }
            };
            match store.list(&directory, &mut sink).await {
                Ok(()) => {}
                // It went while it was looked for.
                Err(error) if error.kind == ErrorKind::NotFound && depth > 0 => {}
                Err(error) => self.broken = Some(error),
            }
            self.listed += 1;
            self.waiting.extend(below);
        }
    }

    fn finding(&self, in_time: bool) -> Finding {
        const CHECK: &str = "listing";
        if let Some(error) = &self.broken {
            return refused(CHECK, error);
        }
        let listed = count(u64::try_from(self.listed).unwrap_or(u64::MAX), "directory");
        let links = match self.links {
            0 => String::new(),
            links => format!("; {links} links or the like, which are not followed"),
        };
        match in_time {
            true if self.waiting.is_empty() => {
                Finding::ok(CHECK, format!("{listed}, the upper ones, can be listed{links}"))
            }
            true => Finding::ok(CHECK, format!("a sample of {listed} can be listed{links}")),
            false if self.listed == 0 => Finding::error(CHECK, "the root could not be listed in time")
                .next("check again when the storage is less busy, and whether the NameNode hangs"),
            false => {
                Finding::warning(CHECK, format!("only {listed} could be listed in time; those can be{links}"))
            }
        }
    }
}

/// The clock of the storage shows in what it stamped: no mtime may lie ahead of the local one.
fn clock(newest: Option<(Timestamp, Location)>, root: &Root) -> Finding {
    const CHECK: &str = "clock";
    let local = root.location.scheme() == Some("file");
    match newest {
        _ if local => Finding::ok(CHECK, "a local directory goes by the clock of this machine"),
        Some((modified, path)) if modified > root.now.plus(MAX_SKEW) => {
            let message = format!("{path} was modified at {modified}, and here it is {}", root.now);
            let finding = if root.skew_is_allowed { Finding::warning } else { Finding::error };
            finding(CHECK, message).next(
                "set the clocks (NTP) of this machine and of the NameNode; or `--allow-clock-skew`, when the path was \
                 given that time on purpose",
            )
        }
        Some((modified, _)) => Finding::ok(
            CHECK,
            format!(
                "no mtime of the sample lies ahead (the newest is {modified}); to the second: not tried, as that \
                     takes a probe file"
            ),
        ),
        None => {
            Finding::ok(CHECK, "nothing is there to tell the NameNode's clock by; a run makes a probe file")
        }
    }
}

/// Whether a run may make its `.chksweep`, as far as owner and mode tell, and who may rename it.
fn rights(store: &Store, access: &Access) -> Vec<Finding> {
    const CHECK: &str = "rights";
    const EVERYBODY: u16 = 0o003;
    let mut findings = Vec::new();
    let user = store.user().unwrap_or_default();
    if access.mode & 0o002 != 0 && access.mode & 0o1000 == 0 {
        findings.push(
            Finding::warning(CHECK, "everybody may rename what lies in this root, its `.chksweep` too")
                .next("set the sticky bit: `hdfs dfs -chmod +t ROOT` (of a local directory `chmod`)"),
        );
    }
    let owner_may = access.owner == user && access.mode & 0o300 == 0o300;
    let is_root = user == "uid 0";
    findings.push(if owner_may || is_root || access.mode & EVERYBODY == EVERYBODY {
        Finding::ok(CHECK, format!("{user} may write to the root by its owner and mode; below it: not tried"))
    } else if access.owner == user {
        Finding::error(CHECK, format!("{user} owns the root and may not write to it (mode {:o})", access.mode))
            .next("to sweep, this user needs to write to the root and to every directory whose files go")
    } else {
        Finding::warning(
            CHECK,
            format!(
                "whether {user} may write to the root, by its group, an ACL or as superuser, only a run shows: not tried"
            ),
        )
        .next("to sweep, this user needs to write to the root and to every directory whose files go")
    });
    findings
}

async fn own_directory(store: &Store, root: &Root) -> Option<Finding> {
    const CHECK: &str = "own files";
    let about = own::own_directory(&root.location);
    let Ok(trusted) = timeout_at(root.until, trust::of_root(store.as_ref(), &root.location)).await else {
        return Some(late(CHECK).about(about));
    };
    let finding = match trusted {
        Ok(true) => Finding::ok(CHECK, "nobody else may write to what runs go by"),
        Ok(false) => Finding::ok(CHECK, "it is made by the first run, for this user alone"),
        Err(TrustError::Store(error)) => refused(CHECK, &error),
        Err(error) => Finding::error(CHECK, error.to_string()).next(trust_hint(&error)),
    };
    Some(finding.about(about))
}

async fn locked(store: &Store, root: &Root) -> Option<Finding> {
    const CHECK: &str = "lock";
    Some(match within(CHECK, root.until, lock::look(store.as_ref(), &root.location, root.now)).await {
        Ok(None) => Finding::ok(CHECK, "no run is under way"),
        Ok(Some(held)) if held.silent_for >= lock::SILENT_AFTER => {
            Finding::warning(CHECK, format!("{held}: the next run takes it over"))
        }
        Ok(Some(held)) => {
            let id = held.holder.as_ref().map_or("any", |holder| holder.run_id.as_str());
            let next = format!("wait for that run; if it is gone, say `--break-lock {id}` to the next");
            Finding::error(CHECK, held.to_string()).next(next)
        }
        // What keeps this user from it is told by its directory.
        Err(_) => return None,
    })
}

async fn quota(store: &Store, root: &Root) -> Option<Finding> {
    const CHECK: &str = "quota";
    match timeout_at(root.until, store.usage(&root.location)).await {
        Ok(Ok(usage)) => Some(room(usage)),
        Ok(Err(error)) if error.kind == ErrorKind::Unsupported => None,
        Ok(Err(error)) => Some(refused(CHECK, &error)),
        Err(_elapsed) => Some(
            Finding::warning(CHECK, "the sum of the root did not come in time")
                .next("`hdfs dfs -count -q ROOT` tells it"),
        ),
    }
}

fn room(usage: Usage) -> Finding {
    const CHECK: &str = "quota";
    let left = |allowed: Option<u64>, used: u64| allowed.map(|allowed| allowed.saturating_sub(used));
    let names = left(usage.names_allowed, usage.names);
    let space = left(usage.space_allowed, usage.space);
    let told = match (names, space) {
        (None, None) => format!("the root has none of its own; {} in it", count(usage.names, "name")),
        (names, space) => {
            let names = names.map(|left| format!("{} names left", grouped(left)));
            let space = space.map(|left| format!("{} left", bytes(left)));
            names.into_iter().chain(space).collect::<Vec<_>>().join(", ")
        }
    };
    let below = |names_limit: u64, space_limit: u64| {
        names.is_some_and(|left| left < names_limit) || space.is_some_and(|left| left < space_limit)
    };
    let next = "raise it (`hdfs dfsadmin -setQuota`, `-setSpaceQuota`): a run makes directories in its quarantine, and \
                writes its record; or free space with `chksweep quarantine purge`";
    if below(NAMES_NEEDED, SPACE_NEEDED) {
        Finding::error(CHECK, format!("{told}: too little for a run")).next(next)
    } else if below(NAMES_WANTED, SPACE_WANTED) {
        Finding::warning(CHECK, format!("{told}: perhaps too little for a run")).next(next)
    } else {
        Finding::ok(CHECK, told)
    }
}

async fn pinned(store: &Store, root: &Root) -> Option<Finding> {
    const CHECK: &str = "snapshots";
    if root.location.scheme() == Some("file") {
        return None;
    }
    Some(match within(CHECK, root.until, snapshots::around(store.as_ref(), &root.location)).await {
        Ok(found) if found.is_empty() => Finding::ok(CHECK, "none hold what lies under the root"),
        Ok(found) => {
            let all = found.iter().map(|one| {
                let number = u64::try_from(one.names.len()).unwrap_or(u64::MAX);
                format!("{} of {}", count(number, "snapshot"), one.directory)
            });
            let all = all.collect::<Vec<_>>().join(", ");
            Finding::warning(
                CHECK,
                format!("{all}: the space of what they hold is free only when they are deleted"),
            )
        }
        Err(finding) => finding,
    })
}

#[cfg(test)]
mod tests;
