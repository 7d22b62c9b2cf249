//! Which store serves a location: roots may lie on several.

use std::collections::BTreeMap;
use std::sync::Arc;

use chksweep_core::Location;
use chksweep_store::{ErrorKind, MutateStore, Operation, ReadStore, StoreError};

type Key = (String, String);

fn key(location: &Location) -> Key {
    (location.scheme().unwrap_or("").to_owned(), location.authority().to_owned())
}

fn unknown(location: &Location) -> StoreError {
    StoreError::new(
        ErrorKind::Unsupported,
        Operation::Connect,
        location,
        "no store was opened for this scheme and authority",
    )
}

/// The stores of a command that looks, by scheme and authority.
#[derive(Clone, Debug, Default)]
pub struct ReadStores {
    stores: BTreeMap<Key, Arc<dyn ReadStore>>,
}

impl ReadStores {
    /// Adds the store that serves the scheme and authority of `location`.
    pub fn add(&mut self, location: &Location, store: Arc<dyn ReadStore>) {
        self.stores.insert(key(location), store);
    }

    /// Returns the store that serves a location.
    ///
    /// # Errors
    ///
    /// `Unsupported` where none was added for its scheme and authority.
    pub fn of(&self, location: &Location) -> Result<Arc<dyn ReadStore>, StoreError> {
        self.stores.get(&key(location)).cloned().ok_or_else(|| unknown(location))
    }
}

/// The stores of a command that changes something, by scheme and authority.
#[derive(Clone, Debug, Default)]
pub struct MutateStores {
    stores: BTreeMap<Key, Arc<dyn MutateStore>>,
}

impl MutateStores {
    /// Adds the store that serves the scheme and authority of `location`.
    pub fn add(&mut self, location: &Location, store: Arc<dyn MutateStore>) {
        self.stores.insert(key(location), store);
    }

    /// Returns the store that serves a location.
    ///
    /// # Errors
    ///
    /// `Unsupported` where none was added for its scheme and authority.
    pub fn of(&self, location: &Location) -> Result<Arc<dyn MutateStore>, StoreError> {
        self.stores.get(&key(location)).cloned().ok_or_else(|| unknown(location))
    }

    /// Returns the same stores, for looking only.
    pub fn reading(&self) -> ReadStores {
        let stores = self
            .stores
            .iter()
            .map(|(key, store)| {
                let store: Arc<dyn ReadStore> = store.clone();
                (key.clone(), store)
            })
            .collect();
        ReadStores { stores }
    }
}
