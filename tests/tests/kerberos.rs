//! Kerberos for real: a KDC, a keytab, a ticket cache, and what is wrong with each; every protection, and a fail-over.
//!
//! Whatever is missing, `plan` and `run --execute` end with exit 1 and say what to do next, and `check` names the
//! piece within ten seconds.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chksweep_tests::{Chksweep, MiniHdfs, Options};

const ROOT: &str = "/flink";
/// What `check` allows itself.
const WITHIN: Duration = Duration::from_secs(10);

/// A secure cluster, with a root of `gc`, and a directory for tickets.
struct Secure {
    hdfs: MiniHdfs,
    chksweep: Chksweep,
    scratch: tempfile::TempDir,
}

impl Secure {
    fn start(options: &Options) -> Result<Secure> {
        let hdfs = MiniHdfs::start(options)?;
        hdfs.command("mkdir /flink 700")?;
        hdfs.command("chown /flink gc")?;
        let chksweep = Chksweep::new(Some(&hdfs))?;
        Ok(Secure { hdfs, chksweep, scratch: tempfile::tempdir()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A place for tickets, as `KRB5CCNAME` takes it.
    fn cache(&self, name: &str) -> String {
        format!("FILE:{}", self.path(name).display())
    }

    fn run(&self, variables: &[(&str, &str)], words: &[&str]) -> Result<Output> {
        let krb5 = self.hdfs.krb5_conf().context("no krb5.conf")?.display().to_string();
        let no_tickets = self.cache("none");
        let mut all = vec![("KRB5_CONFIG", krb5.as_str()), ("KRB5CCNAME", no_tickets.as_str())];
        all.extend(variables);
        self.chksweep.run_with(&all, words)
    }

    /// By the keytab of a user.
    fn by_keytab(&self, user: &str, words: &[&str]) -> Result<Output> {
        let keytab = self.hdfs.keytab(user).display().to_string();
        let mut all = words.to_vec();
        all.extend(["--kerberos-principal", user, "--kerberos-keytab", &keytab]);
        self.run(&[], &all)
    }

    /// Gets a ticket, as `kinit -kt` would: GSSAPI leaves what it got by the keytab in the cache.
    fn get_ticket(&self, cache: &str, more: &[(&str, &str)]) -> Result<()> {
        let keytab = self.hdfs.keytab("gc").display().to_string();
        let root = self.hdfs.location(ROOT);
        let mut variables = vec![("KRB5CCNAME", cache), ("KRB5_CLIENT_KTNAME", &keytab)];
        variables.extend(more);
        succeeded(&self.run(&variables, &["pins", &root])?)
    }

    /// The `krb5.conf` of the clients, changed line by line.
    fn changed_krb5_conf(&self, change: impl Fn(&str) -> String) -> Result<String> {
        let conf = fs::read_to_string(self.hdfs.krb5_conf().context("no krb5.conf")?)?;
        let changed: Vec<String> = conf.lines().map(change).collect();
        let path = self.path("krb5.conf");
        fs::write(&path, changed.join("\n"))?;
        Ok(path.display().to_string())
    }

    /// What is missing is said by `check` in time, and by what would need it; each with exit 1.
    fn assert_missing(&self, variables: &[(&str, &str)], more: &[&str], words: &[&str]) -> Result<()> {
        let root = self.hdfs.location(ROOT);
        let start = Instant::now();
        let mut check = vec!["check", root.as_str()];
        check.extend(more);
        let output = self.run(variables, &check)?;
        let took = start.elapsed();
        let text = told(&output);
        ensure!(output.status.code() == Some(1) && took < WITHIN, "{check:?}, {took:?}: {text}");
        ensure!(text.contains("next: "), "{text}");
        ensure!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        for command in [&["plan"][..], &["run", "--execute"]] {
            let mut all = command.to_vec();
            all.push(&root);
            all.extend(more);
            let output = self.run(variables, &all)?;
            let text = told(&output);
            ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{all:?}: {text}");
            ensure!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        }
        Ok(())
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeeded(output: &Output) -> Result<()> {
    ensure!(output.status.success(), "{}: {}", output.status, told(output));
    Ok(())
}

/// A checkpoint of a job that is long dead, and a file that nothing names.
fn put_garbage(hdfs: &MiniHdfs) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let job = scratch.path().join("a1ea14c048aeb91b31d5157128e5f621");
    let metadata = chksweep_testkit::metadata_writer::simple_metadata(
        4,
        1,
        chksweep_testkit::metadata_writer::SimpleKind::Checkpoint,
        &[],
        &[],
        [7; 16],
    );
    put(&job.join("chk-1/_metadata"), &metadata)?;
    put(&job.join("shared/11111111-1111-4111-8111-111111111111"), b"garbage")?;
    hdfs.put(scratch.path(), ROOT)?;
    hdfs.age(ROOT, Duration::from_hours(24 * 60))?;
    for directory in hdfs.tree(ROOT)? {
        hdfs.command_words(&["chown", &directory.path, "gc"])?;
    }
    Ok(())
}

fn put(path: &Path, content: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("no directory")?)?;
    Ok(fs::write(path, content)?)
}

const SWEEP: [&str; 6] =
    ["run", "--execute", "--dead-job", "a1ea14c048aeb91b31d5157128e5f621", "--max-sweep-ratio", "1"];

fn assert_swept(secure: &Secure) -> Result<()> {
    let tree = secure.hdfs.tree(ROOT)?;
    let swept = tree.iter().any(|entry| {
        entry.path.contains("/.chksweep/quarantine/")
            && entry.path.ends_with("11111111-1111-4111-8111-111111111111")
    });
    ensure!(swept, "{tree:?}");
    Ok(())
}

#[test]
fn with_privacy_each_way_to_be_known_works_and_each_mistake_is_named() -> Result<()> {
    let secure = Secure::start(&Options::new().kerberos(&["gc", "alice"]))?;
    let root = secure.hdfs.location(ROOT);
    put_garbage(&secure.hdfs)?;

    // By a keytab, and by a ticket; what the one made in `.chksweep` the other believes.
    succeeded(&secure.by_keytab("gc", &["check", &root])?)?;
    let mut sweep = SWEEP.to_vec();
    sweep.push(&root);
    succeeded(&secure.by_keytab("gc", &sweep)?)?;
    assert_swept(&secure)?;
    let cache = secure.cache("ticket");
    secure.get_ticket(&cache, &[])?;
    let output = secure.run(&[("KRB5CCNAME", &cache)], &["check", &root])?;
    succeeded(&output)?;
    ensure!(told(&output).contains("the ticket of gc@"), "{}", told(&output));
    succeeded(&secure.run(&[("KRB5CCNAME", &cache)], &["run", "--execute", &root])?)?;

    // What is missing or another's.
    secure.assert_missing(&[], &[], &["no ticket in", "kinit"])?;
    let gone = secure.path("gone.keytab").display().to_string();
    secure.assert_missing(
        &[],
        &["--kerberos-principal", "gc", "--kerberos-keytab", &gone],
        &["gone.keytab cannot be used", "No such file"],
    )?;
    let keytab = secure.hdfs.keytab("gc").display().to_string();
    secure.assert_missing(
        &[],
        &["--kerberos-principal", "nobody", "--kerberos-keytab", &keytab],
        &["has no key of `nobody`", "`gc@"],
    )?;
    secure.assert_missing(
        &[("KRB5CCNAME", &cache)],
        &["--kerberos-principal", "nobody"],
        &["not of `nobody`", "kinit nobody"],
    )?;
    secure.assert_missing(
        &[("KRB5CCNAME", &cache)],
        &["-D", "hadoop.security.authentication=simple"],
        &["may want Kerberos", "hadoop.security.authentication"],
    )?;

    // The root is gc's; alice is known, and may not look.
    let output = secure.by_keytab("alice", &["check", &root])?;
    ensure!(
        output.status.code() == Some(1) && told(&output).contains("Permission denied"),
        "{}",
        told(&output)
    );

    // A KDC that takes calls and answers none, and one that is gone. Who has a ticket needs neither.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    for port in [silent.local_addr()?.port(), 1] {
        let path = secure.changed_krb5_conf(|line| elsewhere(line, port))?;
        secure.assert_missing(
            &[("KRB5_CONFIG", &path)],
            &["--kerberos-principal", "gc", "--kerberos-keytab", &keytab],
            &["KDC"],
        )?;
    }
    Ok(())
}

/// A line of krb5.conf, with the KDC at another port.
fn elsewhere(line: &str, port: u16) -> String {
    match line.split_once('=') {
        Some((name, _)) if name.trim() == "kdc" => format!("{name}= tcp/127.0.0.1:{port}"),
        Some(_) | None => line.to_owned(),
    }
}

#[test]
fn a_ticket_that_has_expired_is_named_with_integrity() -> Result<()> {
    let secure = Secure::start(&Options::new().kerberos(&["gc"]).option(&["--rpc-protection", "integrity"]))?;
    let root = secure.hdfs.location(ROOT);
    let cache = secure.cache("ticket");
    let short = secure.changed_krb5_conf(|line| match line.trim() {
        "[libdefaults]" => format!("{line}\n    ticket_lifetime = 8s"),
        _ => line.to_owned(),
    })?;
    secure.get_ticket(&cache, &[("KRB5_CONFIG", &short)])?;
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let output = secure.run(&[("KRB5CCNAME", &cache)], &["check", &root])?;
        if told(&output).contains("has expired at") {
            break;
        }
        ensure!(Instant::now() < until, "it does not expire: {}", told(&output));
    }
    secure.assert_missing(
        &[("KRB5CCNAME", &cache)],
        &[],
        &["the ticket of `gc@", "has expired at", "kinit"],
    )?;
    // A keytab gets a new one.
    let keytab = secure.hdfs.keytab("gc").display().to_string();
    let variables = [("KRB5CCNAME", cache.as_str()), ("KRB5_CLIENT_KTNAME", &keytab)];
    succeeded(&secure.run(&variables, &["run", "--execute", &root])?)
}

#[test]
fn a_pair_with_authentication_only_is_swept_before_and_after_a_failover() -> Result<()> {
    let options = Options::new().ha().kerberos(&["gc"]).option(&["--rpc-protection", "authentication"]);
    let secure = Secure::start(&options)?;
    let root = secure.hdfs.location(ROOT);
    succeeded(&secure.by_keytab("gc", &["run", "--execute", &root])?)?;
    put_garbage(&secure.hdfs)?;
    secure.hdfs.command("failover")?;
    succeeded(&secure.by_keytab("gc", &["check", &root])?)?;
    let mut sweep = SWEEP.to_vec();
    sweep.push(&root);
    succeeded(&secure.by_keytab("gc", &sweep)?)?;
    assert_swept(&secure)
}
