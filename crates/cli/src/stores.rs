//! Opens the stores that serve the locations of a command. What looks gets stores that cannot change anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chksweep_core::{Equivalence, Location, Timestamp};
use chksweep_engine::{MutateStores, ReadStores};
use chksweep_hdfs::credentials::Missing;
use chksweep_hdfs::{ConfigError, Credentials, HadoopConfig, HdfsOptions, HdfsStore};
use chksweep_store::throttle::Limits;
use chksweep_store::{
    ErrorKind, LocalStore, MutateStore, Patience, ReadStore, Resilient, StoreError, Throttled,
};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;

/// What is known of the file systems.
#[derive(Debug)]
pub(crate) struct FileSystems {
    hadoop: HadoopConfig,
    options: HdfsOptions,
    concurrency: u32,
    patience: Patience,
    /// Which spellings are one place.
    pub(crate) equivalence: Equivalence,
}

impl FileSystems {
    /// Reads the Hadoop configuration and the aliases.
    ///
    /// # Errors
    ///
    /// When either cannot be used.
    pub(crate) fn load(settings: &Settings) -> Outcome<Self> {
        let directory = settings.hadoop_conf();
        let properties = settings.hadoop_properties()?;
        let hadoop = HadoopConfig::load(directory.as_deref(), &properties).map_err(wrong_configuration)?;
        let mut equivalence = hadoop.equivalence().map_err(wrong_configuration)?;
        for (from, to) in settings.aliases()? {
            equivalence.add_alias(&from, &to).map_err(|error| Failure::new(Exit::Usage, error))?;
        }
        let call = settings.call_timeout()?;
        let patience = Patience {
            call,
            data: call.saturating_mul(2),
            total: settings.patience()?,
            ..Patience::default()
        };
        let options = HdfsOptions {
            principal: settings.text("kerberos-principal"),
            keytab: settings.text("kerberos-keytab").map(Into::into),
            known_as: settings.text("known-as"),
            deadline: HdfsOptions::default().deadline.min(call.saturating_mul(2)),
            ..HdfsOptions::default()
        };
        let concurrency = u32::try_from(settings.concurrency()?).unwrap_or(u32::MAX);
        Ok(Self { hadoop, options, concurrency, patience, equivalence })
    }

    /// Opens the stores of these locations for looking.
    ///
    /// # Errors
    ///
    /// When one cannot be reached.
    pub(crate) async fn open_for_looking<'a>(
        &self,
        locations: impl IntoIterator<Item = &'a Location>,
    ) -> Outcome<ReadStores> {
        let mut stores = ReadStores::default();
        for location in distinct(locations) {
            let store: Arc<dyn ReadStore> = match location.scheme() {
                Some("file") => Arc::new(LocalStore::new()),
                Some(_) | None => Arc::new(self.connect(location).await?),
            };
            stores.add(location, store);
        }
        Ok(stores)
    }

    /// Opens the stores of these locations for looking, all at once; returns besides those that cannot be reached.
    ///
    /// # Errors
    ///
    /// When the configuration does not say what a location is.
    pub(crate) async fn open_reachable<'a>(
        &self,
        locations: impl IntoIterator<Item = &'a Location>,
    ) -> Outcome<(ReadStores, Vec<(&'a Location, StoreError)>)> {
        let mut stores = ReadStores::default();
        let mut unreachable = Vec::new();
        let connecting = distinct(locations).into_iter().map(|location| async move {
            let store: Result<Arc<dyn ReadStore>, StoreError> = match location.scheme() {
                Some("file") => Ok(Arc::new(LocalStore::new())),
                Some(_) | None => match self.try_connect(location).await {
                    Ok(store) => Ok(Arc::new(store)),
                    Err(error) => Err(error),
                },
            };
            (location, store)
        });
        for (location, store) in futures::future::join_all(connecting).await {
            match store {
                Ok(store) => stores.add(location, store),
                Err(error) if error.kind == ErrorKind::Unsupported => return Err(not_connected(error)),
                Err(error) => unreachable.push((location, error)),
            }
        }
        Ok((stores, unreachable))
    }

    /// Returns what the Hadoop configuration says.
    pub(crate) fn hadoop(&self) -> &HadoopConfig {
        &self.hadoop
    }

    /// Looks what there is to prove with to the store of a location who one is; nothing where it asks for nothing.
    pub(crate) fn credentials(
        &self,
        location: &Location,
        now: Timestamp,
    ) -> Option<Result<Credentials, Missing>> {
        let asks = location.scheme() != Some("file");
        asks.then(|| Credentials::find(&self.hadoop, &self.options, now))
    }

    /// Opens the store of a location for looking, within a time, and with no patience for what passes.
    ///
    /// # Errors
    ///
    /// When it cannot be reached.
    pub(crate) async fn probe(
        &self,
        location: &Location,
        deadline: Duration,
    ) -> Result<Arc<dyn ReadStore>, StoreError> {
        if location.scheme() == Some("file") {
            return Ok(Arc::new(LocalStore::new()));
        }
        let options = HdfsOptions { deadline, ..self.options.clone() };
        Ok(Arc::new(HdfsStore::connect(location, &self.hadoop, &options).await?))
    }

    /// Opens the stores of these locations for changing.
    ///
    /// # Errors
    ///
    /// When one cannot be reached.
    pub(crate) async fn open_for_changing<'a>(
        &self,
        locations: impl IntoIterator<Item = &'a Location>,
        max_rps: u32,
    ) -> Outcome<MutateStores> {
        let limits = Limits { changes_per_second: max_rps, in_flight: self.concurrency.max(16) };
        let mut stores = MutateStores::default();
        for location in distinct(locations) {
            let store: Arc<dyn MutateStore> = match location.scheme() {
                Some("file") => Arc::new(Throttled::new(LocalStore::new(), limits)),
                Some(_) | None => Arc::new(Throttled::new(self.connect(location).await?, limits)),
            };
            stores.add(location, store);
        }
        Ok(stores)
    }

    async fn connect(&self, location: &Location) -> Outcome<Resilient<HdfsStore>> {
        self.try_connect(location).await.map_err(not_connected)
    }

    async fn try_connect(&self, location: &Location) -> Result<Resilient<HdfsStore>, StoreError> {
        let store = HdfsStore::connect(location, &self.hadoop, &self.options).await?;
        Ok(Resilient::new(store).with_patience(self.patience).with_sorted_listings())
    }
}

fn not_connected(error: StoreError) -> Failure {
    let exit = if error.kind == ErrorKind::Unsupported { Exit::Usage } else { Exit::Failed };
    Failure { exit, ..Failure::from(error) }
}

/// Returns whether one store serves both locations.
pub(crate) fn share_a_store(one: &Location, other: &Location) -> bool {
    (one.scheme(), one.authority()) == (other.scheme(), other.authority())
}

/// Returns one location for each scheme and authority.
pub(crate) fn distinct<'a>(locations: impl IntoIterator<Item = &'a Location>) -> Vec<&'a Location> {
    let mut found = BTreeMap::new();
    for location in locations {
        found.entry((location.scheme(), location.authority())).or_insert(location);
    }
    found.into_values().collect()
}

fn wrong_configuration(error: ConfigError) -> Failure {
    Failure::new(Exit::Usage, error).context("the Hadoop configuration cannot be used")
}

/// Returns where a file is listed that an alias moved: what follows FROM put behind TO.
pub(crate) fn aliased(equivalence: &Equivalence, location: &Location) -> Option<(usize, Location)> {
    let at = equivalence.alias_index_for(location)?;
    let (from, to) = equivalence.aliases().get(at)?;
    let found = match location.below(from) {
        Some(b"") => to.clone(),
        Some(rest) => to.child(rest),
        None => equivalence.canonical(location),
    };
    Some((at, found))
}

/// Which aliases have matched something.
#[derive(Debug)]
pub(crate) struct UsedAliases<'a> {
    equivalence: &'a Equivalence,
    used: std::cell::RefCell<Vec<bool>>,
}

impl<'a> UsedAliases<'a> {
    /// Starts with none.
    pub(crate) fn new(equivalence: &'a Equivalence) -> Self {
        let used = vec![false; equivalence.aliases().len()];
        Self { equivalence, used: std::cell::RefCell::new(used) }
    }

    /// Returns where a file is listed that an alias moved, and remembers the alias.
    pub(crate) fn find(&self, location: &Location) -> Option<Location> {
        let (at, found) = aliased(self.equivalence, location)?;
        if let Some(slot) = self.used.borrow_mut().get_mut(at) {
            *slot = true;
        }
        Some(found)
    }

    /// Returns those that matched nothing.
    pub(crate) fn unmatched(&self) -> Vec<String> {
        self.equivalence
            .aliases()
            .iter()
            .zip(self.used.borrow().iter())
            .filter(|(_, used)| !**used)
            .map(|((from, to), _)| format!("the alias `{from}={to}` matched nothing"))
            .collect()
    }
}
