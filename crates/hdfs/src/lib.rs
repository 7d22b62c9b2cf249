//! HDFS as a store, by hdfs-native; reads the Hadoop configuration as Hadoop does.

pub mod config;

pub use config::{ConfigError, HadoopConfig};
