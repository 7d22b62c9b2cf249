//! Every setting, once: its name on the command line, in the environment and in the file, what it takes, what it
//! is without being set, and a sentence about it. Flags, help, `config show` and the check of the example file are
//! made from this table, so that none of them can know a setting that the others do not.

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A duration: `36h`.
    Age,
    /// A size: `10GiB`.
    Bytes,
    /// A whole number.
    Number,
    /// A share from 0 to 1.
    Share,
    /// `true` or `false`; the flag alone means true.
    Switch,
    /// `true` or `false`, always told.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The id of a job.
    Job,
    /// The id of a job, or a location.
    DeadJob,
    /// A location.
    Location,
    /// Two locations: `FROM=TO`.
    Alias,
    /// `KEY=VALUE`.
    Property,
    /// `MATCH,keep-last=N,…`, or a table in the file.
    Retention,
    /// `LOCATION,bytes=N,mtime=TIME`, or a table in the file.
    Unreadable,
    /// A file or directory of this machine.
    Path,
    /// Any text.
    Text,
    /// What is known by name only: whoever sets it is told so.
    NotYet,
}

/// Which commands take a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// All.
    Common,
    /// Those that read metadata.
    Places,
    /// Those that plan.
    Policy,
    /// Those that carry a plan out.
    Sweep,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// The flag, without the dashes.
    pub(crate) flag: &'static str,
    /// The key in the file: the flag, or its plural.
    pub(crate) file: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Whether it can be given more than once.
    pub(crate) list: bool,
    /// What it is without being set.
    pub(crate) default: Option<&'static str>,
    /// How help calls its value.
    pub(crate) value: &'static str,
    /// What it is, as help tells it.
    pub(crate) help: &'static str,
    /// Which commands take it.
    pub(crate) group: Group,
}

impl Key {
    const fn one(flag: &'static str, kind: Kind, value: &'static str, help: &'static str) -> Self {
        Self { flag, file: flag, kind, list: false, default: None, value, help, group: Group::Common }
    }

    const fn many(
        flag: &'static str,
        file: &'static str,
        kind: Kind,
        value: &'static str,
        help: &'static str,
    ) -> Self {
        Self { flag, file, kind, list: true, default: None, value, help, group: Group::Common }
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn of(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// Returns the name of the environment variable: made from the key in the file.
    pub(crate) fn variable(&self) -> String {
        variable(self.file)
    }

    /// Returns the names under which the environment may set it: from the key in the file, or from the flag.
    pub(crate) fn variables(&self) -> Vec<String> {
        let mut names = vec![variable(self.file), variable(self.flag)];
        names.dedup();
        names
    }

    /// Finds the setting that a file calls `name`: by its key, or by its flag.
    pub(crate) fn in_file(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.file == name || key.flag == name)
    }
}

fn variable(name: &str) -> String {
    format!("CHKSWEEP_{}", name.to_ascii_uppercase().replace('-', "_"))
}

const WHEN: Kind = Kind::Choice(&["auto", "always", "never"]);
const FORM: Kind = Kind::Choice(&["text", "json"]);

/// Every setting.
pub(crate) const KEYS: &[Key] = &[
    Key::one("hadoop-conf", Kind::Path, "DIR", "Directory of core-site.xml and hdfs-site.xml; else HADOOP_CONF_DIR, else $HADOOP_HOME/etc/hadoop"),
    Key::many("define", "hadoop", Kind::Property, "KEY=VALUE", "Hadoop property, over those of the files"),
    Key::one("kerberos-principal", Kind::Text, "NAME", "Kerberos principal; else the one of the ticket"),
    Key::one("kerberos-keytab", Kind::Path, "FILE", "Keytab of the principal"),
    Key::one("known-as", Kind::Text, "NAME", "What HDFS calls this user, where it is not the principal up to its first `/` or `@`"),
    Key::one("format", FORM, "FORMAT", "Form of the result on stdout").or("text"),
    Key::one("log-format", FORM, "FORMAT", "Form of what goes to stderr").or("text"),
    Key::one("color", WHEN, "WHEN", "Colours on stderr").or("auto"),
    Key::one("progress", WHEN, "WHEN", "Progress on stderr, for what takes longer than a second").or("auto"),
    Key::one("state-dir", Kind::Path, "DIR", "Directory for the records of runs; else $XDG_STATE_HOME/chksweep, else ~/.local/state/chksweep"),
    Key::one("concurrency", Kind::Number, "N", "Calls in flight").or("16"),
    Key::one("call-timeout", Kind::Age, "DURATION", "How long a NameNode may take to answer one call; twice as long for data").or("1m"),
    Key::one("patience", Kind::Age, "DURATION", "How long a call is tried again when the NameNode is busy or away; a run that changes something waits twice as long").or("5m"),
    Key::many("alias", "aliases", Kind::Alias, "FROM=TO", "FROM and TO are one place, and TO is the one that is listed").of(Group::Places),
    Key::many("root", "roots", Kind::Location, "ROOT", "Directories in which may be swept; on the command line they stand without a flag").of(Group::Policy),
    Key::many("reference-root", "reference-roots", Kind::Location, "ROOT", "Directory read for references only: other clusters' checkpoints, savepoint archives").of(Group::Policy),
    Key::many("pin", "pins", Kind::Location, "LOCATION", "Job, checkpoint or path to keep, besides the pins in the roots").of(Group::Policy),
    Key::many("job", "jobs", Kind::Job, "ID", "Sweep this job only; what is read is never narrowed").of(Group::Policy),
    Key::one("min-age", Kind::Age, "DURATION", "Nothing younger is swept; at least 1h").or("24h").of(Group::Policy),
    Key::one("unsafe-min-age", Kind::Age, "DURATION", "Takes the place of min-age, and may be below 1h: only where nothing is being written").of(Group::Policy),
    Key::one("keep-last", Kind::Number, "N", "Completed checkpoints of each lineage to keep; without it, all").of(Group::Policy),
    Key::one("keep-within", Kind::Age, "DURATION", "Keep completed checkpoints younger than this").of(Group::Policy),
    Key::one("savepoint-keep-last", Kind::Number, "N", "Savepoints of each job to keep; without it, all").of(Group::Policy),
    Key::one("savepoint-keep-within", Kind::Age, "DURATION", "Keep savepoints younger than this").of(Group::Policy),
    Key::one("expire-jobs-after", Kind::Age, "DURATION", "Sweep the last checkpoint too of a job that has been dead for so long").of(Group::Policy),
    Key::many("retention", "retention", Kind::Retention, "RULE", "Retention for some jobs: `JOB-OR-GLOB,keep-last=N,keep-within=…,savepoint-keep-last=N,savepoint-keep-within=…,expire-jobs-after=…,one-job=true`").of(Group::Policy),
    Key::one("frontier-slack", Kind::Age, "DURATION", "How much older than the newest completed checkpoint a file must be to count as passed over").or("1h").of(Group::Policy),
    Key::one("quiescent-after", Kind::Age, "DURATION", "Without any change for so long a job may count as dead").or("7d").of(Group::Policy),
    Key::one("trust-quiescence", Kind::Bool, "BOOL", "Whether that alone proves a job dead").or("true").of(Group::Policy),
    Key::many("dead-job", "dead-jobs", Kind::DeadJob, "ID|LOCATION", "Job that you declare dead: all its directories, or one").of(Group::Policy),
    Key::one("incomplete-savepoints", Kind::Switch, "BOOL", "Sweep savepoints without `_metadata` as soon as they are older than min-age").or("false").of(Group::Policy),
    Key::one("unreadable", Kind::Choice(&["block", "isolate"]), "WHAT", "What unreadable metadata holds back: everything, or only what it may concern").or("block").of(Group::Policy),
    Key::many("accept-unreadable", "accept-unreadable", Kind::Unreadable, "FILE", "Unreadable metadata that you accept as it is: `LOCATION,bytes=N,mtime=TIME`").of(Group::Policy),
    Key::one("no-ha", Kind::Switch, "BOOL", "No job here uses high availability").or("false").of(Group::Policy),
    Key::one("max-dangling", Kind::Share, "SHARE", "Brake: share of the references of living jobs that may resolve to nothing").or("0.01").of(Group::Policy),
    Key::one("max-sweep-ratio", Kind::Share, "SHARE", "Brake: share of the files, and of the bytes, under a root").or("0.5").of(Group::Policy),
    Key::one("max-sweep-files", Kind::Number, "N", "Brake: files").of(Group::Policy),
    Key::one("max-sweep-bytes", Kind::Bytes, "SIZE", "Brake: bytes").of(Group::Policy),
    Key::one("max-sweep-jobs", Kind::Number, "N", "Brake: jobs of which something goes").of(Group::Policy),
    Key::one("allow-clock-skew", Kind::Switch, "BOOL", "Go on although files come from the future").or("false").of(Group::Policy),
    Key::one("mode", Kind::Choice(&["quarantine", "trash", "delete"]), "MODE", "Set aside (can be undone), move to the HDFS trash, or delete").or("quarantine").of(Group::Sweep),
    Key::one("purge-after", Kind::Age, "DURATION", "How long what was set aside stays before it may be purged").or("7d").of(Group::Sweep),
    Key::one("no-purge", Kind::Switch, "BOOL", "Purge nothing at the end of a run").or("false").of(Group::Sweep),
    Key::one("max-rps", Kind::Number, "N", "Changes a second").or("500").of(Group::Sweep),
    Key::one("max-plan-age", Kind::Age, "DURATION", "An older plan is stale").or("7d").of(Group::Sweep),
    Key::many("ha-dir", "ha-dirs", Kind::NotYet, "LOCATION", "Not available in this version").of(Group::Policy),
    Key::many("flink-rest", "flink-rest", Kind::NotYet, "URL", "Not available in this version").of(Group::Policy),
    Key::many("flink-conf", "flink-conf", Kind::NotYet, "DIR", "Not available in this version").of(Group::Policy),
    Key::one("live-hook", Kind::NotYet, "PROGRAM", "Not available in this version").of(Group::Policy),
    Key::one("inventory", Kind::NotYet, "FILE", "Not available in this version").of(Group::Policy),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS.iter().skip(at + 1).all(|other| other.flag != key.flag && other.file != key.file));
        }
    }
}
