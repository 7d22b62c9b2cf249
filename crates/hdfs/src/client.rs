//! HDFS as a store.
//!
//! All calls go through [`HdfsStore::at`], which lets only plain paths of the store itself pass, and through
//! [`guarded`](crate::guard::guarded), which makes errors of panics. Nothing is tried twice here and but for
//! connecting nothing has a deadline: that is what `chksweep_store::Resilient` is for, so that one place decides.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chksweep_core::Location;
use chksweep_store::{ErrorKind, Operation, StoreError};
use hdfs_native::Client;
use tokio::time::Instant;

use crate::config::HadoopConfig;
use crate::connect::{check_keytab, now, reach, routes};
use crate::credentials::Credentials;
use crate::guard::silence_guarded_panics;
use crate::routes::{Backend, Route, Routes};

/// Who connects, and how long that may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HdfsOptions {
    /// The user; with Kerberos the user on whose behalf (a proxy user). Else `HADOOP_USER_NAME`, else whoever
    /// runs the program.
    pub user: Option<String>,
    /// The Kerberos principal; needed with a keytab or a ticket cache.
    pub principal: Option<String>,
    /// The keytab of the principal.
    pub keytab: Option<PathBuf>,
    /// The ticket cache, as in `FILE:/tmp/krb5cc_0`. Else the one that Kerberos itself finds.
    pub ticket_cache: Option<String>,
    /// What the NameNode calls this user, where that is not the first part of the principal.
    pub known_as: Option<String>,
    /// How long to wait until a NameNode answers.
    pub deadline: Duration,
}

impl Default for HdfsOptions {
    fn default() -> Self {
        Self {
            user: None,
            principal: None,
            keytab: None,
            ticket_cache: None,
            known_as: None,
            deadline: Duration::from_secs(10),
        }
    }
}

/// A name space of HDFS, or a mount table of viewfs over several.
///
/// Its locations have the scheme and authority of the URL that it was connected with, as they were typed.
#[derive(Clone)]
pub struct HdfsStore {
    root: Location,
    routes: Routes,
    user: Option<String>,
}

/// Where a location leads.
pub(crate) struct At<'s> {
    pub(crate) client: &'s Client,
    pub(crate) route: &'s Route,
    pub(crate) path: String,
}

impl HdfsStore {
    /// Connects, and asks the NameNode behind `url` one question.
    ///
    /// Must be called within a tokio runtime; with Kerberos one of several threads, or the deadline cannot hold.
    ///
    /// # Errors
    ///
    /// `Unsupported` for what the configuration or the URL leaves open, `Unauthenticated`, `Unreachable`,
    /// `TimedOut`, `Busy` for standby, safe mode at the start, or starting: each within the deadline, and each
    /// says what to do.
    pub async fn connect(
        url: &Location,
        config: &HadoopConfig,
        options: &HdfsOptions,
    ) -> Result<Self, StoreError> {
        silence_guarded_panics();
        check_keytab(url, config, options)?;
        let start = Instant::now();
        let routes = routes(url, config, options, start).await?;
        let store = Self { root: url.with_path(b"/"), routes, user: None };
        let route = store.at(url, Operation::Connect)?.route;
        reach(route, url, config, options, start).await?;
        // Only by now there is a ticket where a keytab got one.
        let found = || Credentials::find(config, options, now()).ok().and_then(|found| found.user());
        Ok(Self { user: options.known_as.clone().or_else(found), ..store })
    }

    /// Returns what a NameNode most likely calls this user.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the root of the store: its scheme and authority.
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// Returns who serves a location and what it is called there.
    pub(crate) fn at(&self, location: &Location, operation: Operation) -> Result<At<'_>, StoreError> {
        let refused = |kind, message: &str| Err(StoreError::new(kind, operation, location, message));
        if location.scheme() != self.root.scheme() || location.authority() != self.root.authority() {
            return refused(ErrorKind::Unsupported, &format!("the path is not one of {}", self.root));
        }
        let Some(path) = location.path_str().filter(|path| is_plain(path)) else {
            let message = "the path is not UTF-8, or has an empty, `.` or `..` component or a NUL";
            return refused(ErrorKind::Unrepresentable, message);
        };
        let Some(route) = self.routes.of_path(path) else {
            return refused(ErrorKind::Unsupported, "no link of the mount table leads there");
        };
        match (&route.backend, route.inner(path)) {
            (Backend::Client { client, .. }, Some(path)) => Ok(At { client, route, path }),
            (Backend::Refused(why), _) => refused(ErrorKind::Unsupported, why),
            (Backend::Client { .. }, None) => {
                refused(ErrorKind::Unrepresentable, "the mount link's target is not UTF-8")
            }
        }
    }

    /// As [`HdfsStore::at`], for what is to be changed or listed: neither a snapshot nor `/.reserved`, where files
    /// show up a second time.
    pub(crate) fn at_live(&self, location: &Location, operation: Operation) -> Result<At<'_>, StoreError> {
        let at = self.at(location, operation)?;
        let is_reserved = at.path == "/.reserved" || at.path.starts_with("/.reserved/");
        if is_reserved || at.path.split('/').any(|part| part == ".snapshot") {
            let message = "what lies in a snapshot or /.reserved is neither listed nor changed";
            return Err(StoreError::new(ErrorKind::Unsupported, operation, location, message));
        }
        Ok(at)
    }

    /// As [`HdfsStore::at_live`], for what is to be moved or deleted: not the root, and no mount point.
    pub(crate) fn at_removable(
        &self,
        location: &Location,
        operation: Operation,
    ) -> Result<At<'_>, StoreError> {
        let at = self.at_live(location, operation)?;
        let is_root = at.path == "/" || location.path_str().is_none_or(|path| self.routes.is_mount(path));
        if is_root || self.mount_below(location).is_some() {
            let message = "the root of a file system or a mount point cannot be moved or deleted";
            return Err(StoreError::new(ErrorKind::Unsupported, operation, location, message));
        }
        Ok(at)
    }

    /// Returns the location of a path as a NameNode has it: in the store's own words where it has some.
    pub(crate) fn named(&self, at: &At<'_>, inner: &str) -> Location {
        let there = at.route.target.with_path(inner.as_bytes());
        match self.routes.outer(&there) {
            Some(path) => self.root.with_path(path.as_bytes()),
            None => there,
        }
    }

    /// Returns a mount point below a directory.
    pub(crate) fn mount_below(&self, directory: &Location) -> Option<&str> {
        self.routes.mount_below(directory.path_str()?)
    }
}

impl fmt::Debug for HdfsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HdfsStore({})", self.root)
    }
}

/// Returns whether a path means the same to the NameNode as to the planner.
fn is_plain(path: &str) -> bool {
    let Some(below_root) = path.strip_prefix('/') else { return false };
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    !below_root.contains('\0') && (below_root.is_empty() || below_root.split('/').all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(properties: &[(&str, &str)], scheme: &str, authority: &str) -> HdfsStore {
        let overrides: Vec<_> =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = HadoopConfig::load_with(None, &overrides, &|_| None).unwrap();
        let root = Location::normalised(scheme, authority, b"/");
        let routes = Routes::of(&root, &config, &HdfsOptions::default()).unwrap();
        HdfsStore { root, routes, user: None }
    }

    fn kind<T>(result: Result<T, StoreError>) -> ErrorKind {
        match result {
            Ok(_) => panic!("let through"),
            Err(error) => error.kind,
        }
    }

    #[tokio::test]
    async fn only_plain_paths_of_the_store_pass() {
        let store = store(&[("fs.defaultFS", "hdfs://h:1")], "hdfs", "");
        let at = |path: &[u8]| Location::from_parts(Some("hdfs"), Some(""), path);
        assert_eq!(store.at(&at(b"/a b"), Operation::Stat).unwrap().path, "/a b");
        for odd in [&b"a"[..], b"/a/", b"//a", b"/a/../b", b"/a\0", b"/a\xff"] {
            assert_eq!(kind(store.at(&at(odd), Operation::Stat)), ErrorKind::Unrepresentable, "{odd:?}");
        }
        let other = Location::normalised("hdfs", "h:1", b"/a");
        assert_eq!(kind(store.at(&other, Operation::Stat)), ErrorKind::Unsupported);
    }

    #[tokio::test]
    async fn snapshots_and_roots_are_left_alone() {
        let store = store(&[], "hdfs", "h:1");
        let at = |path: &str| Location::normalised("hdfs", "h:1", path.as_bytes());
        for path in ["/a/.snapshot", "/a/.snapshot/s/b", "/.reserved/raw/a"] {
            assert_eq!(kind(store.at_live(&at(path), Operation::List)), ErrorKind::Unsupported, "{path}");
            assert!(store.at(&at(path), Operation::Read).is_ok(), "{path} may be read");
        }
        assert!(store.at_live(&at("/a/.reserved"), Operation::List).is_ok());
        assert!(store.at_live(&at("/"), Operation::List).is_ok());
        assert_eq!(kind(store.at_removable(&at("/"), Operation::Delete)), ErrorKind::Unsupported);
        assert!(store.at_removable(&at("/a"), Operation::Delete).is_ok());
    }

    #[tokio::test]
    async fn mount_points_are_not_removed() {
        let links = [
            ("fs.viewfs.mounttable.c.link./a/b", "hdfs://h:1/x"),
            ("fs.viewfs.mounttable.c.linkFallback", "hdfs://h:2/"),
        ];
        let store = store(&links, "viewfs", "c");
        let at = |path: &str| Location::normalised("viewfs", "c", path.as_bytes());
        for path in ["/", "/a", "/a/b"] {
            assert_eq!(
                kind(store.at_removable(&at(path), Operation::Delete)),
                ErrorKind::Unsupported,
                "{path}"
            );
        }
        assert!(store.at_removable(&at("/a/b/c"), Operation::Delete).is_ok());
    }
}
