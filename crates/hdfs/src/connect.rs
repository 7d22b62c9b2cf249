//! The first call to a NameNode: it fails early, and in words that say what to do.
//!
//! hdfs-native repeats what cannot help (a missing library for 63 s, a refused connection for three minutes) and
//! has no time-out at all. So a client of its own asks once, each NameNode once and without waiting between them,
//! and what passes by itself – a fail-over, a NameNode that starts – is sat out here, up to a deadline.

use std::time::Duration;

use chksweep_core::{Location, Timestamp};
use chksweep_store::{ErrorKind, Operation, StoreError};
use hdfs_native::Client;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::HdfsOptions;
use crate::config::{Authentication, ConfigError, HadoopConfig};
use crate::credentials::{Credentials, Proof};
use crate::error::is_about_gssapi;
use crate::guard::guarded;
use crate::routes::{Backend, Route, Routes, client};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a single NameNode is tried that refuses connections or is a standby. Nobody takes over from it, and
/// more often than it restarts it is a wrong address.
const LONE_PATIENCE: Duration = Duration::from_secs(2);

/// Makes the clients for a store. With Kerberos that asks GSSAPI who this user is, and GSSAPI may ask a KDC that is
/// gone: so it is done where it holds up nobody, and given up when the time is over.
pub(crate) async fn routes(
    url: &Location,
    config: &HadoopConfig,
    options: &HdfsOptions,
    start: Instant,
) -> Result<Routes, StoreError> {
    let (at, its_config, its_options) = (url.clone(), config.clone(), options.clone());
    blocking(url, options, start, move || Routes::of(&at, &its_config, &its_options)).await
}

/// Makes clients where it holds up nobody.
async fn blocking<T: Send + 'static>(
    url: &Location,
    options: &HdfsOptions,
    start: Instant,
    work: impl FnOnce() -> Result<T, ConfigError> + Send + 'static,
) -> Result<T, StoreError> {
    match timeout_at(start + options.deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(made)) => made.map_err(|error| misconfigured(url, &error)),
        Ok(Err(error)) => Err(failed(ErrorKind::Other, url, &error.to_string())),
        Err(_elapsed) => Err(failed(ErrorKind::TimedOut, url, &no_kdc(options.deadline))),
    }
}

/// Looks at a keytab that somebody named, before anybody is asked: GSSAPI says badly what is wrong with it.
pub(crate) fn check_keytab(
    url: &Location,
    config: &HadoopConfig,
    options: &HdfsOptions,
) -> Result<(), StoreError> {
    if options.keytab.is_none() {
        return Ok(());
    }
    let found = Credentials::find(config, options, now());
    found.map(drop).map_err(|missing| failed(ErrorKind::Unauthenticated, url, &missing.to_string()))
}

/// The clock of this machine, for the times in tickets.
#[expect(
    clippy::disallowed_methods,
    reason = "tickets are good by the clock of this machine, and only told of"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    Timestamp(i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX))
}

fn no_kdc(deadline: Duration) -> String {
    format!(
        "Kerberos did not answer within {}s: is a KDC of the realm up, and is it the one in krb5.conf (KRB5_CONFIG)?",
        deadline.as_secs_f32()
    )
}

/// Waits until a NameNode of this route answers, within the deadline since `start`.
pub(crate) async fn reach(
    route: &Route,
    url: &Location,
    config: &HadoopConfig,
    options: &HdfsOptions,
    start: Instant,
) -> Result<(), StoreError> {
    let (name, addresses) = match &route.backend {
        Backend::Client { url, addresses, .. } => (url, addresses),
        Backend::Refused(why) => return Err(failed(ErrorKind::Unsupported, url, why)),
    };
    let asked = Asked { url, addresses, config, options, until: start + options.deadline };
    let settings = asked.settings().map_err(|error| misconfigured(url, &error))?;
    let (its_name, its_options) = (name.clone(), options.clone());
    let probe = blocking(url, options, start, move || client(&its_name, settings, &its_options)).await?;
    asked.until_answered(&probe).await
}

/// An error of the configuration as one of the store.
pub(crate) fn misconfigured(url: &Location, error: &ConfigError) -> StoreError {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    failed(ErrorKind::Unsupported, url, &format!("{error}{source}"))
}

fn failed(kind: ErrorKind, url: &Location, message: &str) -> StoreError {
    StoreError::new(kind, Operation::Connect, url, message)
}

/// Who is asked, and all that an answer to a person needs.
struct Asked<'a> {
    url: &'a Location,
    addresses: &'a [String],
    config: &'a HadoopConfig,
    options: &'a HdfsOptions,
    until: Instant,
}

impl Asked<'_> {
    /// The settings of a client that tries each NameNode once.
    fn settings(&self) -> Result<Vec<(String, String)>, ConfigError> {
        let mut settings = self.config.client_settings()?;
        let switches = self.addresses.len().saturating_sub(1);
        settings.push(("dfs.client.failover.max.attempts".to_owned(), switches.to_string()));
        Ok(settings)
    }

    async fn until_answered(&self, probe: &Client) -> Result<(), StoreError> {
        let start = Instant::now();
        let deadline = self.until;
        let mut last: Option<StoreError> = None;
        loop {
            let Ok(answer) = timeout_at(deadline, ask(probe, self.url)).await else {
                return Err(self.explained(&last.unwrap_or_else(|| self.silence())));
            };
            let Err(error) = answer else { return Ok(()) };
            let patience = self.patience(&error);
            if Instant::now() + PAUSE >= start + patience {
                return Err(self.explained(&error));
            }
            last = Some(error);
            sleep(PAUSE).await;
        }
    }

    fn patience(&self, error: &StoreError) -> Duration {
        let is_unknown_name = error.message.contains("lookup address");
        if !error.kind.is_transient() || is_unknown_name {
            return Duration::ZERO;
        }
        let is_alone = self.addresses.len() < 2;
        if is_alone && (error.kind == ErrorKind::Unreachable || is_standby(error)) {
            return self.options.deadline.min(LONE_PATIENCE);
        }
        self.options.deadline
    }

    fn silence(&self) -> StoreError {
        failed(ErrorKind::TimedOut, self.url, "no answer")
    }

    /// Puts what to do behind what was said.
    fn explained(&self, error: &StoreError) -> StoreError {
        let addresses = self.addresses.join(", ");
        let said = &error.message;
        let advice = match error.kind {
            ErrorKind::TimedOut => format!(
                "no answer from {addresses} within {}s: the NameNode hangs, or a firewall drops what is sent to it",
                self.options.deadline.as_secs_f32()
            ),
            ErrorKind::Unreachable => self.unreachable(said, &addresses),
            ErrorKind::Unauthenticated => self.unauthenticated(said),
            ErrorKind::Busy if self.addresses.len() < 2 && is_standby(error) => format!(
                "{addresses} is a standby NameNode: write the nameservice instead (`hdfs://<nameservice>/…`), so \
                 that the active one is found"
            ),
            ErrorKind::Busy => {
                format!("no NameNode of {addresses} serves requests now ({said}): try again later")
            }
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::NotEmpty
            | ErrorKind::WrongType
            | ErrorKind::PermissionDenied
            | ErrorKind::QuotaExceeded
            | ErrorKind::Corrupt
            | ErrorKind::Unrepresentable
            | ErrorKind::TooLarge
            | ErrorKind::Unsupported
            | ErrorKind::Other => format!("{addresses} answered: {said}"),
        };
        failed(error.kind, self.url, &advice)
    }

    fn unreachable(&self, said: &str, addresses: &str) -> String {
        let is_simple = matches!(self.config.authentication(), Ok(Authentication::Simple));
        if is_simple && said.contains("RPC listener disconnected") {
            return format!(
                "{addresses} closed the connection: it may want Kerberos, and hadoop.security.authentication is \
                 not `kerberos` in {}; or another service listens there",
                self.place()
            );
        }
        if said.contains("lookup address") {
            let known = self.config.nameservices().unwrap_or_default();
            let names: Vec<&str> = known.iter().map(|nameservice| nameservice.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return format!(
                "{addresses} cannot be reached ({said}): this is neither a host that the name service of this machine \
                 knows, nor a nameservice of the Hadoop configuration (those are: {names}), which comes from {}",
                self.place()
            );
        }
        format!(
            "{addresses} cannot be reached ({said}): is the NameNode up, and is this its RPC address? It comes from \
             {}",
            self.place()
        )
    }

    fn unauthenticated(&self, said: &str) -> String {
        if is_about_gssapi(said) {
            return "libgssapi_krb5.so.2 cannot be loaded, and Kerberos needs it: install libgssapi-krb5-2 \
                    (Debian) or krb5-libs (RHEL)"
                .to_owned();
        }
        // What lies on this machine tells more than GSSAPI does.
        match Credentials::find(self.config, self.options, now()) {
            Err(missing) => return format!("not authenticated: {missing} ({said})"),
            Ok(Credentials { proof: Proof::Keytab(keytab), name, .. }) => {
                let name = name.unwrap_or_default();
                return format!(
                    "not authenticated ({said}) as `{name}` by the keytab {}: is this the principal as the KDC knows \
                     it, is the keytab its newest (`kinit -kt` tells), and is the KDC in krb5.conf up?",
                    keytab.display()
                );
            }
            Ok(_) => {}
        }
        format!(
            "not authenticated ({said}): run `kinit`, or give a principal and a keytab; `klist` shows whether \
             the ticket is still good"
        )
    }

    fn place(&self) -> String {
        match self.config.directory() {
            Some(directory) => directory.display().to_string(),
            None => "the URL; no Hadoop configuration was read (--hadoop-conf, HADOOP_CONF_DIR)".to_owned(),
        }
    }
}

fn is_standby(error: &StoreError) -> bool {
    error.message.contains("StandbyException")
}

/// Asks once. On a task of its own, as GSSAPI blocks the thread that it is called on and no deadline would fire.
async fn ask(probe: &Client, url: &Location) -> Result<(), StoreError> {
    let (client, at) = (probe.clone(), url.clone());
    let task = tokio::spawn(async move {
        guarded(Operation::Connect, &at, client.get_file_info("/")).await.map(|_root| ())
    });
    let _stop = AbortOnDrop(task.abort_handle());
    task.await.unwrap_or_else(|error| Err(failed(ErrorKind::Other, url, &error.to_string())))
}

/// Ends the task when its caller gives up.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
