//! What the rest of chksweep asks of the configuration.

use chksweep_core::{Equivalence, Location};

use super::nameservices::{host_and_port, rpc_address_key, with_port};
use super::{ConfigError, HadoopConfig, Nameservice};

/// How often hdfs-native may switch between NameNodes within one call, unless the configuration says. Its own 15
/// take three minutes with a NameNode that is gone; chksweep repeats reads itself, with its own patience.
const FAILOVER_ATTEMPTS: &str = "4";

const FAILOVER_ATTEMPTS_KEY: &str = "dfs.client.failover.max.attempts";
const AUTHENTICATION_KEY: &str = "hadoop.security.authentication";

/// What hdfs-native reads besides addresses, and takes as it is.
const CLIENT_KEYS: [&str; 4] = [
    "dfs.data.transfer.protection",
    "dfs.client.use.datanode.hostname",
    "dfs.client.socket-timeout",
    "dfs.user.home.dir.prefix",
];

/// The same, by prefix.
const CLIENT_PREFIXES: [&str; 2] =
    ["dfs.client.failover.", "dfs.client.block.write.replace-datanode-on-failure."];

/// Chooses the client's proxy. Not handed over: one that reads from Observers would let metadata be read from a
/// NameNode that lags behind, and a reference that has not arrived yet protects nothing.
const PROXY_PROVIDER: &str = "dfs.client.failover.proxy.provider.";

/// Implementations of `hdfs://` that send paths elsewhere by a mount table.
const MOUNTING_IMPLEMENTATIONS: [&str; 2] = ["ViewFileSystemOverloadScheme", "ViewDistributedFileSystem"];

/// A file system: scheme and authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystemName {
    /// The scheme, in lower case.
    pub scheme: String,
    /// The authority, as written; may be empty.
    pub authority: String,
}

/// How the cluster wants to know who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Whoever says so.
    Simple,
    /// Kerberos.
    Kerberos,
}

/// Returns whether chksweep goes by this property.
pub(super) fn is_relevant(key: &str) -> bool {
    const KEYS: [&str; 7] = [
        "fs.defaultFS",
        "fs.hdfs.impl",
        "dfs.nameservices",
        "dfs.internal.nameservices",
        "fs.trash.interval",
        FAILOVER_ATTEMPTS_KEY,
        AUTHENTICATION_KEY,
    ];
    const PREFIXES: [&str; 4] = [
        "dfs.ha.namenodes.",
        "dfs.namenode.rpc-address",
        "dfs.namenode.servicerpc-address",
        "fs.viewfs.mounttable.",
    ];
    KEYS.contains(&key)
        || CLIENT_KEYS.contains(&key)
        || PREFIXES.iter().chain(&CLIENT_PREFIXES).any(|prefix| key.starts_with(prefix))
}

impl HadoopConfig {
    /// Returns `fs.defaultFS`, if it is set.
    ///
    /// # Errors
    ///
    /// When its value is no URL.
    pub fn default_fs(&self) -> Result<Option<FileSystemName>, ConfigError> {
        const KEY: &str = "fs.defaultFS";
        let Some(value) = self.value(KEY)? else { return Ok(None) };
        let (scheme, rest) = match value.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            // What Hadoop still takes from the days of fs.default.name.
            None if value == "local" => ("file", ""),
            None if value.starts_with("file:/") => ("file", ""),
            None => ("hdfs", value),
        };
        let authority = rest.split('/').next().unwrap_or("");
        if scheme.is_empty() || authority.contains(['$', ' ', ',']) {
            return Err(self.invalid(KEY, "this is no URL of a file system: write it like `hdfs://ns`"));
        }
        Ok(Some(FileSystemName { scheme: scheme.to_ascii_lowercase(), authority: authority.to_owned() }))
    }

    /// Returns what `hadoop.security.authentication` says; not set means simple.
    ///
    /// # Errors
    ///
    /// When it is neither `simple` nor `kerberos`.
    pub fn authentication(&self) -> Result<Authentication, ConfigError> {
        match self.value(AUTHENTICATION_KEY)?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("simple") => Ok(Authentication::Simple),
            Some("kerberos") => Ok(Authentication::Kerberos),
            Some(_) => Err(self.invalid(AUTHENTICATION_KEY, "chksweep knows `simple` and `kerberos`")),
        }
    }

    /// Returns `fs.trash.interval` in minutes as the client sees it; zero is no trash. What the NameNode has
    /// counts in the end.
    ///
    /// # Errors
    ///
    /// When it is no number.
    pub fn trash_interval_minutes(&self) -> Result<Option<u64>, ConfigError> {
        const KEY: &str = "fs.trash.interval";
        let Some(value) = self.value(KEY)? else { return Ok(None) };
        let whole = value.split('.').next().unwrap_or(value);
        whole.parse().map(Some).map_err(|_| self.invalid(KEY, "a number of minutes is expected"))
    }

    /// Returns which spellings of a path are known to be one: what the planner compares paths by.
    ///
    /// # Errors
    ///
    /// When a value in question cannot be used.
    pub fn equivalence(&self) -> Result<Equivalence, ConfigError> {
        let default = self.default_fs()?;
        let mut known = match &default {
            Some(default) if !default.authority.is_empty() => {
                Equivalence::with_default(&default.scheme, &default.authority)
            }
            Some(_) | None => Equivalence::default(),
        };
        for nameservice in self.nameservices()? {
            known.add_group(members(&nameservice).into_iter().map(|authority| ("hdfs", authority)));
        }
        if let Some(default) = &default
            && default.scheme == "hdfs"
            && self.logical(&default.authority)?.is_none()
        {
            known.add_group(spellings(&default.authority).into_iter().map(|authority| ("hdfs", authority)));
        }
        let tables = self.mount_tables()?;
        // `viewfs:///` means the table `default`, unless the default file system is another viewfs.
        let is_default_unnamed = default.is_none_or(|default| default.scheme != "viewfs");
        for table in &tables {
            for link in &table.links {
                let from = Location::normalised("viewfs", &table.name, link.path.as_bytes());
                known.add_mount(&from, &link.target);
                if is_default_unnamed && table.name == "default" {
                    known.add_mount(&Location::normalised("viewfs", "", link.path.as_bytes()), &link.target);
                }
            }
        }
        Ok(known)
    }

    /// Returns all that hdfs-native has to know, in the form in which it cannot misread it.
    ///
    /// # Errors
    ///
    /// When a value in question cannot be used.
    pub fn client_settings(&self) -> Result<Vec<(String, String)>, ConfigError> {
        let mut settings = vec![(FAILOVER_ATTEMPTS_KEY.to_owned(), FAILOVER_ATTEMPTS.to_owned())];
        let passed_on = CLIENT_PREFIXES
            .iter()
            .flat_map(|prefix| self.keys_with(prefix))
            .map(|(key, _)| key)
            .filter(|key| !key.starts_with(PROXY_PROVIDER));
        for key in passed_on.chain(CLIENT_KEYS) {
            if let Some(value) = self.value(key)? {
                settings.push((key.to_owned(), value.to_owned()));
            }
        }
        let authentication = match self.authentication()? {
            Authentication::Simple => "simple",
            Authentication::Kerberos => "kerberos",
        };
        settings.push((AUTHENTICATION_KEY.to_owned(), authentication.to_owned()));
        for nameservice in self.nameservices()?.into_iter().filter(|nameservice| nameservice.is_logical) {
            settings.extend(addresses(&nameservice));
        }
        Ok(settings)
    }

    /// Returns the URL that hdfs-native is given for an authority, and the addresses of the NameNodes behind it.
    ///
    /// # Errors
    ///
    /// When the authority is a nameservice with a port or without all its addresses, or is no address at all.
    pub fn namenodes(&self, authority: &str) -> Result<(String, Vec<String>), ConfigError> {
        self.check_implementation()?;
        let (host, port) = host_and_port(authority);
        if let Some(nameservice) = self.logical(host)? {
            if port.is_some() {
                return Err(ConfigError::Url(format!(
                    "`hdfs://{authority}` has a port, but {host} is a nameservice: write `hdfs://{host}`"
                )));
            }
            return complete(&nameservice).map(|addresses| (format!("hdfs://{host}"), addresses));
        }
        let address = with_port(authority).map_err(|_| {
            ConfigError::Url(format!("`hdfs://{authority}` names no NameNode: write `hdfs://host:port`"))
        })?;
        Ok((format!("hdfs://{address}"), vec![address]))
    }

    fn check_implementation(&self) -> Result<(), ConfigError> {
        const KEY: &str = "fs.hdfs.impl";
        match self.value(KEY)? {
            Some(class) if MOUNTING_IMPLEMENTATIONS.iter().any(|name| class.ends_with(name)) => {
                let problem = "chksweep does not follow mount tables below hdfs:// paths; \
                               use the URLs of the targets, with `-D fs.hdfs.impl=`";
                Err(self.invalid(KEY, problem))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// All authorities that mean this nameservice, its own name first.
fn members(nameservice: &Nameservice) -> Vec<String> {
    let mut all = Vec::new();
    if nameservice.is_logical {
        all.push(nameservice.name.clone());
    }
    for namenode in &nameservice.namenodes {
        for address in [&namenode.address, &namenode.service_address].into_iter().flatten() {
            all.extend(spellings(address));
        }
    }
    all
}

/// `host:8020` is `host` as well; with another port it is not.
fn spellings(authority: &str) -> Vec<String> {
    let Ok(address) = with_port(authority) else { return vec![authority.to_owned()] };
    match address.strip_suffix(":8020") {
        Some(host) => vec![authority.to_owned(), address.clone(), host.to_owned()],
        None => vec![address],
    }
}

fn addresses(nameservice: &Nameservice) -> Vec<(String, String)> {
    let known = || nameservice.namenodes.iter().filter(|namenode| namenode.address.is_some());
    let ids: Vec<&str> = known().map(|namenode| namenode.id.as_str()).collect();
    let mut settings = vec![(format!("dfs.ha.namenodes.{}", nameservice.name), ids.join(","))];
    for namenode in known() {
        if let Some(address) = &namenode.address {
            settings.push((rpc_address_key(&nameservice.name, &namenode.id), address.clone()));
        }
    }
    settings
}

/// The addresses of a nameservice, all of them: with one missing the active NameNode might be the missing one.
fn complete(nameservice: &Nameservice) -> Result<Vec<String>, ConfigError> {
    let name = &nameservice.name;
    let address = |namenode: &super::NameNode| {
        namenode.address.clone().ok_or_else(|| ConfigError::Missing {
            key: rpc_address_key(name, &namenode.id),
            needed_by: format!("`dfs.ha.namenodes.{name}` (which names {})", namenode.id),
        })
    };
    nameservice.namenodes.iter().map(address).collect()
}
