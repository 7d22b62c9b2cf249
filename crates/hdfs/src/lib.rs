//! HDFS as a store, by hdfs-native; reads the Hadoop configuration as Hadoop does.
//!
//! This is the only crate that knows hdfs-native, and it lets nothing of it through: not its errors, its panics or
//! its way of leaving things out. [`HadoopConfig`] is what the site files say, [`HdfsStore`] is a name space behind
//! the traits of `chksweep-store`. Deadlines, repetition and rate are the business of the decorators there.

mod client;
pub mod config;
mod connect;
pub mod credentials;
mod error;
mod guard;
mod listing;
mod mutate;
mod reader;
mod routes;

pub use client::{HdfsOptions, HdfsStore};
pub use config::{ConfigError, HadoopConfig};
pub use credentials::Credentials;
