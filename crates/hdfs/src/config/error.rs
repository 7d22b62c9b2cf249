//! What can be wrong with a Hadoop configuration, said so that its owner can mend it.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, and the line of the `<property>`, counted from one.
    File {
        /// The file, which may have been reached through an include.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// `-D key=value`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::CommandLine => f.write_str("-D"),
        }
    }
}

/// Who named the configuration directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// `--hadoop-conf`.
    Option,
    /// The environment variable `HADOOP_CONF_DIR`.
    HadoopConfDir,
    /// The environment variable `HADOOP_HOME`, whose `etc/hadoop` it is.
    HadoopHome,
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Option => "--hadoop-conf",
            Self::HadoopConfDir => "HADOOP_CONF_DIR",
            Self::HadoopHome => "HADOOP_HOME",
        })
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The directory does not exist, or is a file.
    #[error(
        "the Hadoop configuration directory {} (from {named_by}) is not a directory: name the one that holds \
         core-site.xml and hdfs-site.xml, or take {named_by} away", dir.display()
    )]
    NoDirectory {
        /// The directory.
        dir: PathBuf,
        /// Who named it.
        named_by: NamedBy,
    },
    /// A file is there and cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is no XML, or not of the kind that Hadoop reads.
    #[error("{}:{line}: {message}", path.display())]
    Xml {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// `${…}` goes in a circle, or is nested more deeply than Hadoop follows.
    #[error("{origin}: `{key}` is `{value}`, which goes in a circle or needs more than 20 substitutions")]
    Expansion {
        /// The property.
        key: String,
        /// Its value as written.
        value: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A value means nothing to the reader of this property.
    #[error("{origin}: `{key}` is `{value}`: {problem}")]
    Invalid {
        /// The property.
        key: String,
        /// Its value.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// A property that something else needs is not there.
    #[error("`{key}` is not set, and {needed_by} needs it")]
    Missing {
        /// The property.
        key: String,
        /// What needs it, where that stands, and what to do.
        needed_by: String,
    },
    /// A URL cannot be served with this configuration.
    #[error("{0}")]
    Url(String),
}
