//! Nameservices and their NameNodes.

use super::{ConfigError, HadoopConfig};

/// The RPC port of a NameNode whose address names none.
pub const DEFAULT_RPC_PORT: u16 = 8020;

const HA_NAMENODES: &str = "dfs.ha.namenodes.";
const RPC_ADDRESS: &str = "dfs.namenode.rpc-address";
const SERVICE_RPC_ADDRESS: &str = "dfs.namenode.servicerpc-address";

/// One NameNode of a nameservice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameNode {
    /// Its id within the nameservice; empty where the nameservice has only one.
    pub id: String,
    /// `host:port` for clients; nothing when the configuration does not tell it.
    pub address: Option<String>,
    /// `host:port` for the services of the cluster, where it is another.
    pub service_address: Option<String>,
}

/// A name space of HDFS under a logical name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameservice {
    /// The logical name.
    pub name: String,
    /// Its NameNodes, in the order of the configuration.
    pub namenodes: Vec<NameNode>,
    /// Whether the name can be the authority of a URL: it has `dfs.ha.namenodes.<name>`.
    pub is_logical: bool,
    /// Whether it belongs to this cluster: it is in `dfs.internal.nameservices`, or that is not set.
    pub is_internal: bool,
}

impl HadoopConfig {
    /// Returns the nameservices: those of `dfs.nameservices`, then others that have `dfs.ha.namenodes`.
    ///
    /// # Errors
    ///
    /// When a value in question cannot be expanded or an address is none.
    pub fn nameservices(&self) -> Result<Vec<Nameservice>, ConfigError> {
        let mut names = self.list("dfs.nameservices")?;
        for (_, name) in self.keys_with(HA_NAMENODES) {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        let internal = self.list("dfs.internal.nameservices")?;
        names.into_iter().map(|name| self.nameservice(name, &internal)).collect()
    }

    fn nameservice(&self, name: &str, internal: &[&str]) -> Result<Nameservice, ConfigError> {
        let ids = self.list(&format!("{HA_NAMENODES}{name}"))?;
        let is_logical = !ids.is_empty();
        let namenodes = if is_logical {
            ids.iter().map(|id| self.namenode(name, id)).collect::<Result<_, _>>()?
        } else {
            let alone = self.namenode(name, "")?;
            if alone.address.is_some() { vec![alone] } else { Vec::new() }
        };
        let is_internal = internal.is_empty() || internal.contains(&name);
        Ok(Nameservice { name: name.to_owned(), namenodes, is_logical, is_internal })
    }

    fn namenode(&self, nameservice: &str, id: &str) -> Result<NameNode, ConfigError> {
        Ok(NameNode {
            id: id.to_owned(),
            address: self.address(&suffixed(RPC_ADDRESS, nameservice, id))?,
            service_address: self.address(&suffixed(SERVICE_RPC_ADDRESS, nameservice, id))?,
        })
    }

    fn address(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.value(key)? else { return Ok(None) };
        with_port(value).map(Some).map_err(|problem| self.invalid(key, problem))
    }

    /// Returns the logical nameservice of this name.
    pub(super) fn logical(&self, name: &str) -> Result<Option<Nameservice>, ConfigError> {
        if self.list(&format!("{HA_NAMENODES}{name}"))?.is_empty() {
            return Ok(None);
        }
        self.nameservice(name, &[]).map(Some)
    }
}

/// The key that tells the address of a NameNode of a logical nameservice.
pub(super) fn rpc_address_key(nameservice: &str, id: &str) -> String {
    suffixed(RPC_ADDRESS, nameservice, id)
}

fn suffixed(key: &str, nameservice: &str, id: &str) -> String {
    if id.is_empty() { format!("{key}.{nameservice}") } else { format!("{key}.{nameservice}.{id}") }
}

/// Returns `host:port`, with Hadoop's own port where there is none.
pub(super) fn with_port(address: &str) -> Result<String, String> {
    let (host, port) = host_and_port(address);
    if host.is_empty() || address.contains(['/', ' ', '\t', '\n', '$', '@', ',']) {
        return Err("this is no address: write `host:port`".to_owned());
    }
    let port = match port {
        None => DEFAULT_RPC_PORT,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            Ok(_) | Err(_) => return Err(format!("`{port}` is no port: write `host:port`")),
        },
    };
    Ok(format!("{host}:{port}"))
}

/// Parts `host:port`; an IPv6 address stands in brackets.
pub(super) fn host_and_port(address: &str) -> (&str, Option<&str>) {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (address, None),
    }
}
