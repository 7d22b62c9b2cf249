//! What there is on this machine to prove with who one is: a keytab, a ticket cache, a token.
//!
//! It is read here only to say early, and in words that help, what GSSAPI says late or not at all, and to know by
//! which name the NameNode will most likely call this user. Nothing is decided by it: whether a ticket is good
//! says the NameNode. What cannot be told (a cache in the kernel, or of another service) is told as such.

use std::fs;
use std::path::{Path, PathBuf};

use chksweep_core::Timestamp;

use crate::client::HdfsOptions;
use crate::config::{Authentication, HadoopConfig};

/// No keytab and no ticket cache that somebody uses is larger.
const MAX_BYTES: u64 = 16 << 20;

/// Looks up a variable of the environment.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// What a user proves with who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing is asked for.
    Simple,
    /// A delegation token in this file.
    Token(PathBuf),
    /// A keytab, from which tickets are got when they are needed.
    Keytab(PathBuf),
    /// A ticket that lies in this file, and until when it is good.
    Ticket(PathBuf, Timestamp),
    /// Something that cannot be looked into, in the words of its configuration.
    Elsewhere(String),
}

/// Who this user is, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The principal, or the name of the user without Kerberos; nothing where it cannot be told.
    pub name: Option<String>,
    /// What shows it.
    pub proof: Proof,
    /// Whom the calls are made for, if for another.
    pub on_behalf_of: Option<String>,
}

/// What is missing, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

impl Credentials {
    /// Looks at what there is.
    ///
    /// # Errors
    ///
    /// When what Kerberos needs is certainly not there, cannot be read, or is another's.
    pub fn find(config: &HadoopConfig, options: &HdfsOptions, now: Timestamp) -> Result<Self, Missing> {
        Self::find_with(config, options, now, &|name| {
            std::env::var(name).ok().filter(|value| !value.is_empty())
        })
    }

    /// As [`Credentials::find`], with another environment.
    ///
    /// # Errors
    ///
    /// As [`Credentials::find`].
    pub fn find_with(
        config: &HadoopConfig,
        options: &HdfsOptions,
        now: Timestamp,
        environment: &Environment<'_>,
    ) -> Result<Self, Missing> {
        if !matches!(config.authentication(), Ok(Authentication::Kerberos)) {
            let name = options.user.clone().or_else(|| environment("HADOOP_USER_NAME"));
            let name = name.or_else(|| whoami::username().ok());
            return Ok(Self { name, proof: Proof::Simple, on_behalf_of: None });
        }
        let on_behalf_of = options.user.clone().or_else(|| environment("HADOOP_PROXY_USER"));
        let (name, proof) = match environment("HADOOP_TOKEN_FILE_LOCATION").map(PathBuf::from) {
            Some(token) if token.exists() => (None, Proof::Token(token)),
            Some(_) | None => kerberos(options, now, environment)?,
        };
        Ok(Self { name, proof, on_behalf_of })
    }

    /// Returns what a NameNode calls this user, unless it has rules of its own: a principal up to its first `/` or
    /// `@`.
    pub fn user(&self) -> Option<String> {
        let name = self.on_behalf_of.as_deref().or(self.name.as_deref())?;
        name.split(['/', '@']).next().filter(|short| !short.is_empty()).map(str::to_owned)
    }
}

fn kerberos(
    options: &HdfsOptions,
    now: Timestamp,
    environment: &Environment<'_>,
) -> Result<(Option<String>, Proof), Missing> {
    if let Some(keytab) = &options.keytab {
        let principals = keytab_of(keytab)?;
        let wanted = options.principal.clone();
        if let Some(wanted) =
            wanted.as_deref().filter(|wanted| !principals.iter().any(|p| is_same(p, wanted)))
        {
            return Err(Missing(format!(
                "the keytab {} has no key of `{wanted}`: it is of {}; give one of these as the principal, or another \
                 keytab",
                keytab.display(),
                quoted(&principals)
            )));
        }
        let name = wanted.or_else(|| principals.into_iter().next());
        return Ok((name, Proof::Keytab(keytab.clone())));
    }
    let settings = Settings::read(environment);
    let keytab = settings.client_keytab.filter(|(path, is_named)| *is_named || path.exists());
    let cache = options.ticket_cache.clone().unwrap_or(settings.cache);
    let ticket = ticket_in(&cache, now, options.principal.as_deref());
    match (ticket, keytab) {
        (Ok(found), _) => Ok(found),
        // What is not in the cache is got by the keytab.
        (Err(_), Some((keytab, _))) => {
            let name = keytab_of(&keytab)?.into_iter().next();
            Ok((options.principal.clone().or(name), Proof::Keytab(keytab)))
        }
        (Err(missing), None) => Err(missing),
    }
}

/// Where Kerberos keeps what it needs, as far as its own settings are read here.
struct Settings {
    cache: String,
    /// The keytab, and whether somebody named it.
    client_keytab: Option<(PathBuf, bool)>,
}

impl Settings {
    fn read(environment: &Environment<'_>) -> Self {
        let file = environment("KRB5_CONFIG").unwrap_or_else(|| "/etc/krb5.conf".to_owned());
        let text = fs::read_to_string(file).unwrap_or_default();
        let setting = |key: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            })
        };
        let uid = whoami_uid();
        let expanded = |value: String| value.replace("%{uid}", &uid).replace("%{euid}", &uid);
        let cache = environment("KRB5CCNAME").or_else(|| setting("default_ccache_name").map(expanded));
        let cache = cache.unwrap_or_else(|| format!("FILE:/tmp/krb5cc_{uid}"));
        let named = environment("KRB5_CLIENT_KTNAME")
            .or_else(|| setting("default_client_keytab_name").map(expanded))
            .map(|name| (PathBuf::from(name.strip_prefix("FILE:").unwrap_or(&name)), true));
        let usual =
            || ["/var/kerberos/krb5", "/etc/krb5"].map(|home| format!("{home}/user/{uid}/client.keytab"));
        let client_keytab =
            named.or_else(|| usual().map(PathBuf::from).into_iter().find(|p| p.exists()).map(|p| (p, false)));
        Self { cache, client_keytab }
    }
}

fn whoami_uid() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

/// Looks into a ticket cache: for the ticket by which all others are got.
fn ticket_in(cache: &str, now: Timestamp, wanted: Option<&str>) -> Result<(Option<String>, Proof), Missing> {
    let path = match cache.split_once(':') {
        Some(("FILE", path)) => path,
        Some((kind, _)) if kind.chars().all(|c| c.is_ascii_uppercase()) => {
            return Ok((wanted.map(str::to_owned), Proof::Elsewhere(cache.to_owned())));
        }
        Some(_) | None => cache,
    };
    let path = Path::new(path);
    let bytes = read(path).map_err(|error| {
        Missing(format!(
            "there is no ticket in {}: {error}; run `kinit`, or give a principal and a keytab",
            path.display()
        ))
    })?;
    let Some(Cache { principal, expires }) = Cache::parse(&bytes) else {
        return Ok((wanted.map(str::to_owned), Proof::Elsewhere(cache.to_owned())));
    };
    if let Some(wanted) = wanted.filter(|wanted| !is_same(&principal, wanted)) {
        return Err(Missing(format!(
            "the tickets in {} are those of `{principal}`, not of `{wanted}`: run `kinit {wanted}`, or name a keytab",
            path.display()
        )));
    }
    match expires {
        Some(expires) if expires > now => Ok((Some(principal), Proof::Ticket(path.to_owned(), expires))),
        Some(expires) => Err(Missing(format!(
            "the ticket of `{principal}` in {} has expired at {expires}: run `kinit`, or give a principal and a \
             keytab, which does not expire",
            path.display()
        ))),
        // Only tickets for single services, which may do.
        None => Ok((Some(principal), Proof::Elsewhere(cache.to_owned()))),
    }
}

fn keytab_of(path: &Path) -> Result<Vec<String>, Missing> {
    let unusable = |what: &dyn std::fmt::Display| {
        Missing(format!(
            "the keytab {} cannot be used ({what}): correct its path or its rights, or make it anew (`ktutil`, \
             `kadmin ktadd`)",
            path.display()
        ))
    };
    let bytes = read(path).map_err(|error| unusable(&error))?;
    let principals = principals_of(&bytes).filter(|principals| !principals.is_empty());
    principals.ok_or_else(|| unusable(&"it holds no keys"))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > MAX_BYTES {
        return Err(std::io::Error::other(format!("{length} bytes are too many")));
    }
    fs::read(path)
}

/// Whether two principals are one; without a realm it is the realm of this machine, which is not known here.
fn is_same(full: &str, wanted: &str) -> bool {
    full == wanted || (!wanted.contains('@') && full.split('@').next() == Some(wanted))
}

fn quoted(names: &[String]) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.dedup();
    names.join(", ")
}

/// What a ticket cache tells: whose it is, and until when the ticket for other tickets is good.
struct Cache {
    principal: String,
    expires: Option<Timestamp>,
}

impl Cache {
    /// Reads version 4 of the file format of MIT Kerberos.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes.strip_prefix(&[5, 4])?);
        let header = cursor.u16()?;
        cursor.take(header.into())?;
        let principal = cursor.principal()?;
        let mut expires: Option<Timestamp> = None;
        while !cursor.0.is_empty() {
            let (server, end) = cursor.credential()?;
            if server.starts_with("krbtgt/") {
                expires = expires.max(Some(Timestamp(i64::from(end).saturating_mul(1000))));
            }
        }
        Some(Self { principal, expires })
    }
}

/// Reads the principals of a keytab, version 2 of its file format.
fn principals_of(bytes: &[u8]) -> Option<Vec<String>> {
    let mut cursor = Cursor(bytes.strip_prefix(&[5, 2])?);
    let mut found = Vec::new();
    while !cursor.0.is_empty() {
        let size = i32::from_be_bytes(cursor.array()?);
        // A negative size is a hole.
        let mut entry = Cursor(cursor.take(size.unsigned_abs())?);
        if size > 0 {
            let count = entry.u16()?;
            let realm = entry.text16()?;
            let parts: Option<Vec<String>> = (0..count).map(|_| entry.text16()).collect();
            found.push(format!("{}@{realm}", parts?.join("/")));
        }
    }
    found.dedup();
    Some(found)
}

/// Numbers and texts, the most significant byte first.
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, count: u32) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn text16(&mut self) -> Option<String> {
        let length = self.u16()?;
        self.take(length.into()).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn data(&mut self) -> Option<&'b [u8]> {
        let length = self.u32()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        self.data().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn principal(&mut self) -> Option<String> {
        let _name_type = self.u32()?;
        let count = self.u32()?;
        let realm = self.text()?;
        let parts: Option<Vec<String>> = (0..count).map(|_| self.text()).collect();
        Some(format!("{}@{realm}", parts?.join("/")))
    }

    /// Returns the server of a ticket, and when it ends.
    fn credential(&mut self) -> Option<(String, u32)> {
        let _client = self.principal()?;
        let server = self.principal()?;
        let _key_type = self.u16()?;
        self.data()?;
        let [_auth, _start, end, _renew] = [self.u32()?, self.u32()?, self.u32()?, self.u32()?];
        let _is_key = self.take(1)?;
        let _flags = self.u32()?;
        for _ in 0..2 {
            // Addresses, then authorisation data: each a kind and its bytes.
            for _ in 0..self.u32()? {
                self.u16()?;
                self.data()?;
            }
        }
        self.data()?;
        self.data()?;
        Some((server, end))
    }
}

#[cfg(test)]
mod tests;
