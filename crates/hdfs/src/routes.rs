//! Which NameNode serves a path: all of them one for `hdfs://`, the mount table's for `viewfs://`.
//!
//! Mount links are followed here and not by hdfs-native, which wants a fallback link in every table (Hadoop does
//! not), takes the percent sign of a target's URL for itself, and lists a directory above mount points without
//! them: a listing that is short and does not say so.

use std::collections::BTreeMap;

use chksweep_core::Location;
use chksweep_core::location::path_below;
use hdfs_native::{Client, ClientBuilder};

use crate::client::HdfsOptions;
use crate::config::{ConfigError, HadoopConfig, MountTable};
use crate::error::told;

/// A directory that holds no file and cannot be made to: hdfs-native looks for site files here and finds none.
const NO_CONFIGURATION: &str = "/dev/null";

/// One place where a NameNode serves a part of the store.
#[derive(Clone)]
pub(crate) struct Route {
    /// The directory of the store, `/` for all of it.
    pub(crate) mount: String,
    /// Scheme and authority that the NameNode knows, and the directory there.
    pub(crate) target: Location,
    /// Who serves it.
    pub(crate) backend: Backend,
}

/// Who serves a route.
#[derive(Clone)]
pub(crate) enum Backend {
    /// A client, the URL that it was made for, and the addresses of its NameNodes.
    Client { client: Client, url: String, addresses: Vec<String> },
    /// Nobody, and why.
    Refused(String),
}

impl Route {
    /// Returns where a path of the store lies behind this route.
    pub(crate) fn inner(&self, path: &str) -> Option<String> {
        let rest = path_below(path.as_bytes(), self.mount.as_bytes())?;
        let inner = if rest.is_empty() { self.target.clone() } else { self.target.child(rest) };
        inner.path_str().map(str::to_owned)
    }

    fn is_above(&self, path: &str) -> bool {
        path_below(path.as_bytes(), self.mount.as_bytes()).is_some()
    }
}

/// All routes of a store.
#[derive(Clone)]
pub(crate) struct Routes(Vec<Route>);

impl Routes {
    /// Makes the clients for a store; nothing is connected yet.
    pub(crate) fn of(
        url: &Location,
        config: &HadoopConfig,
        options: &HdfsOptions,
    ) -> Result<Self, ConfigError> {
        let mut clients = Clients { config, options, made: BTreeMap::new() };
        let (scheme, authority) = file_system(url, config)?;
        if scheme == "hdfs" {
            let target = Location::normalised("hdfs", &authority, b"/");
            let backend = clients.backend(&authority)?;
            return Ok(Self(vec![Route { mount: "/".to_owned(), target, backend }]));
        }
        let table = table(&authority, config)?;
        let mut routes = Vec::new();
        for link in table.links {
            let backend = if link.target.scheme() == Some("hdfs") {
                clients.backend(link.target.authority())?
            } else {
                Backend::Refused(format!(
                    "{} leads to {}, which chksweep does not follow",
                    link.key, link.target
                ))
            };
            routes.push(Route { mount: link.path, target: link.target, backend });
        }
        Ok(Self(routes))
    }

    /// Returns the route of a path: the one with the longest mount.
    pub(crate) fn of_path(&self, path: &str) -> Option<&Route> {
        self.0.iter().filter(|route| route.is_above(path)).max_by_key(|route| route.mount.len())
    }

    /// Returns what the store calls a path behind one of its routes, if a route leads there.
    pub(crate) fn outer(&self, inner: &Location) -> Option<String> {
        let (route, rest) = self
            .0
            .iter()
            .filter_map(|route| Some((route, inner.below(&route.target)?)))
            .max_by_key(|(route, _)| route.target.path().len())?;
        let rest = std::str::from_utf8(rest).ok()?;
        let path = match (route.mount.as_str(), rest) {
            (mount, "") => mount.to_owned(),
            ("/", rest) => format!("/{rest}"),
            (mount, rest) => format!("{mount}/{rest}"),
        };
        // Another link may lie over it.
        let is_same = self.of_path(&path).is_some_and(|other| other.mount == route.mount);
        is_same.then_some(path)
    }

    /// Returns a mount point below a directory. Such a directory cannot be listed by asking one NameNode.
    pub(crate) fn mount_below(&self, directory: &str) -> Option<&str> {
        let below = |mount: &&str| {
            path_below(mount.as_bytes(), directory.as_bytes()).is_some_and(|rest| !rest.is_empty())
        };
        self.0.iter().map(|route| route.mount.as_str()).find(below)
    }

    /// Returns whether a path is the root of what a NameNode serves here.
    pub(crate) fn is_mount(&self, path: &str) -> bool {
        path == "/" || self.0.iter().any(|route| route.mount == path)
    }
}

/// Returns the scheme and authority that a URL means, the default filled in.
fn file_system(url: &Location, config: &HadoopConfig) -> Result<(String, String), ConfigError> {
    let scheme = url.scheme().unwrap_or("").to_ascii_lowercase();
    if scheme != "hdfs" && scheme != "viewfs" {
        return Err(ConfigError::Url(format!("`{url}` is not on HDFS: write hdfs:// or viewfs://")));
    }
    if !url.authority().is_empty() {
        return Ok((scheme, url.authority().to_owned()));
    }
    match config.default_fs()? {
        Some(default) if default.scheme == scheme && !default.authority.is_empty() => {
            Ok((scheme, default.authority))
        }
        Some(_) | None if scheme == "viewfs" => Ok((scheme, "default".to_owned())),
        default => {
            let found = default.map_or("fs.defaultFS is not set".to_owned(), |default| {
                format!("fs.defaultFS is `{}://{}`", default.scheme, default.authority)
            });
            Err(ConfigError::Url(format!(
                "`{url}` names no NameNode and {found}{}: write `hdfs://host:port/…`, or name the directory of \
                 core-site.xml with --hadoop-conf or HADOOP_CONF_DIR",
                config.directory().map(|dir| format!(" in {}", dir.display())).unwrap_or_default()
            )))
        }
    }
}

fn table(authority: &str, config: &HadoopConfig) -> Result<MountTable, ConfigError> {
    let found = config.mount_tables()?.into_iter().find(|table| table.name == authority);
    let Some(table) = found.filter(|table| !table.links.is_empty()) else {
        return Err(ConfigError::Missing {
            key: format!("fs.viewfs.mounttable.{authority}.link.<path>"),
            needed_by: format!("`viewfs://{authority}`"),
        });
    };
    match table.refused.first() {
        Some(key) => Err(ConfigError::Url(format!(
            "`viewfs://{authority}` has a link that chksweep does not follow (`{key}`): use the URLs of the targets"
        ))),
        None => Ok(table),
    }
}

/// Makes clients, one for each name space.
struct Clients<'c> {
    config: &'c HadoopConfig,
    options: &'c HdfsOptions,
    made: BTreeMap<String, Backend>,
}

impl Clients<'_> {
    fn backend(&mut self, authority: &str) -> Result<Backend, ConfigError> {
        if let Some(backend) = self.made.get(authority) {
            return Ok(backend.clone());
        }
        let (url, addresses) = self.config.namenodes(authority)?;
        let client = client(&url, self.config.client_settings()?, self.options)?;
        let backend = Backend::Client { client, url, addresses };
        self.made.insert(authority.to_owned(), backend.clone());
        Ok(backend)
    }
}

/// Makes a client from finished settings.
pub(crate) fn client(
    url: &str,
    settings: Vec<(String, String)>,
    options: &HdfsOptions,
) -> Result<Client, ConfigError> {
    let mut builder =
        ClientBuilder::new().with_url(url).with_config(settings).with_config_dir(NO_CONFIGURATION);
    if let Some(user) = &options.user {
        builder = builder.with_user(user);
    }
    if let Some(principal) = &options.principal {
        builder = builder.with_kerberos_principal(principal);
    }
    if let Some(keytab) = &options.keytab {
        builder = builder.with_kerberos_keytab(keytab.display().to_string());
    }
    if let Some(cache) = &options.ticket_cache {
        builder = builder.with_kerberos_cache(cache);
    }
    builder.build().map_err(|error| ConfigError::Url(format!("`{url}`: {}", told(&error).1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(url: &str, properties: &[(&str, &str)]) -> Result<Routes, String> {
        let overrides: Vec<_> =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = HadoopConfig::load_with(None, &overrides, &|_| None).unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_at(rest.find('/').unwrap());
        let url = Location::normalised(scheme, authority, path.as_bytes());
        Routes::of(&url, &config, &HdfsOptions::default()).map_err(|error| error.to_string())
    }

    fn inner(routes: &Routes, path: &str) -> Option<String> {
        let route = routes.of_path(path)?;
        Some(format!("{}{}", route.target.authority(), route.inner(path)?))
    }

    const VIEW: [(&str, &str); 3] = [
        ("fs.viewfs.mounttable.c.link./flink", "hdfs://h1:9000/data/f%20l"),
        ("fs.viewfs.mounttable.c.link./flink/old", "hdfs://h2/cold"),
        ("fs.viewfs.mounttable.c.link./s3", "s3a://bucket/x"),
    ];

    #[tokio::test]
    async fn an_hdfs_url_has_one_route() {
        let routes = routes("hdfs://h/x", &[]).unwrap();
        assert_eq!(inner(&routes, "/a/b").as_deref(), Some("h/a/b"));
        assert_eq!(inner(&routes, "/").as_deref(), Some("h/"));
        assert_eq!(routes.mount_below("/"), None);
        assert!(routes.is_mount("/") && !routes.is_mount("/a"));
        let Backend::Client { url, .. } = &routes.0[0].backend else { panic!("no client") };
        assert_eq!(url, "hdfs://h:8020");
    }

    #[tokio::test]
    async fn a_mount_table_needs_no_fallback_and_the_longest_link_wins() {
        let routes = routes("viewfs://c/flink/x", &VIEW).unwrap();
        assert_eq!(inner(&routes, "/flink/x").as_deref(), Some("h1:9000/data/f l/x"));
        assert_eq!(inner(&routes, "/flink").as_deref(), Some("h1:9000/data/f l"));
        assert_eq!(inner(&routes, "/flink/old/x").as_deref(), Some("h2/cold/x"));
        assert_eq!(inner(&routes, "/flinker"), None);
        assert_eq!(routes.mount_below("/flink"), Some("/flink/old"));
        assert_eq!(routes.mount_below("/flink/old"), None);
        assert!(routes.is_mount("/flink/old"));
        assert!(matches!(routes.of_path("/s3/x").unwrap().backend, Backend::Refused(_)));
        let outer = |path: &str| routes.outer(&Location::normalised("hdfs", "h1:9000", path.as_bytes()));
        assert_eq!(outer("/data/f l/x").as_deref(), Some("/flink/x"));
        assert_eq!(outer("/data/f l").as_deref(), Some("/flink"));
        assert_eq!(outer("/data/f l/old/x"), None, "another link lies over it");
        assert_eq!(outer("/user"), None);
    }

    #[tokio::test]
    async fn an_empty_authority_means_the_default() {
        let default = [("fs.defaultFS", "hdfs://h9:9000")];
        assert_eq!(inner(&routes("hdfs:///x", &default).unwrap(), "/x").as_deref(), Some("h9:9000/x"));
        let view = [("fs.viewfs.mounttable.default.linkMergeSlash", "hdfs://h3/")];
        assert_eq!(inner(&routes("viewfs:///x", &view).unwrap(), "/x").as_deref(), Some("h3/x"));
        let error = routes("hdfs:///x", &[("fs.defaultFS", "file:///")]).err().unwrap();
        assert!(error.starts_with("`hdfs:///x` names no NameNode and fs.defaultFS is `file://`"), "{error}");
        assert!(routes("hdfs:///x", &[]).err().unwrap().contains("--hadoop-conf"));
    }

    #[tokio::test]
    async fn what_cannot_be_followed_is_refused() {
        let nfly = [("fs.viewfs.mounttable.c.linkNfly./n", "hdfs://a,hdfs://b"), VIEW[0]];
        assert!(routes("viewfs://c/x", &nfly).err().unwrap().contains("linkNfly"));
        assert!(routes("viewfs://gone/x", &VIEW).err().unwrap().contains("fs.viewfs.mounttable.gone.link"));
        assert!(routes("s3a://bucket/x", &[]).err().unwrap().contains("is not on HDFS"));
    }
}
