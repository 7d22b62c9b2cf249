//! The HDFS store against a real NameNode: the contract of every store, and what only HDFS has.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chksweep_core::Location;
use chksweep_hdfs::{HadoopConfig, HdfsOptions, HdfsStore};
use chksweep_store::contract::{Subject, check_all};
use chksweep_store::{Entry, ErrorKind, MutateStore, Operation, ReadStore, StoreError};
use chksweep_tests::{MiniHdfs, Options};

/// Connecting must have failed by then; the deadline is 10 s.
const SOON: Duration = Duration::from_secs(12);

/// Reads `hdfs://authority/path`.
fn at(url: &str) -> Location {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Location::normalised(scheme, authority, path.as_bytes())
}

fn configuration(dir: &Path, overrides: &[(&str, &str)]) -> Result<HadoopConfig> {
    let overrides: Vec<_> =
        overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Ok(HadoopConfig::load(Some(dir), &overrides)?)
}

fn as_user(user: &str) -> HdfsOptions {
    HdfsOptions { user: Some(user.to_owned()), ..HdfsOptions::default() }
}

/// Connects as the owner of the cluster.
async fn connected(hdfs: &MiniHdfs, url: &str) -> Result<HdfsStore> {
    let config = configuration(hdfs.conf_dir(), &[])?;
    Ok(HdfsStore::connect(&at(url), &config, &HdfsOptions::default()).await?)
}

/// Lists a directory: the names that came, and how it ended.
async fn names(store: &HdfsStore, directory: &Location) -> (BTreeSet<Vec<u8>>, Result<(), StoreError>) {
    let mut names = BTreeSet::new();
    let mut sink = |entry: Entry<'_>| {
        assert!(names.insert(entry.name.to_vec()), "each entry comes once");
    };
    let end = store.list(directory, &mut sink).await;
    (names, end)
}

#[track_caller]
fn kind_of<T>(outcome: Result<T, StoreError>) -> ErrorKind {
    match outcome {
        Ok(_) => panic!("nothing failed"),
        Err(error) => error.kind,
    }
}

/// Checks that connecting fails in time, with this kind, and says all of this.
async fn assert_refused(
    url: &str,
    config: &HadoopConfig,
    options: &HdfsOptions,
    kind: ErrorKind,
    words: &[&str],
) {
    let start = Instant::now();
    let error = HdfsStore::connect(&at(url), config, options).await.expect_err("connected");
    assert!(start.elapsed() < SOON, "after {:?}: {error}", start.elapsed());
    assert_eq!((error.kind, error.operation), (kind, Operation::Connect), "{error}");
    for word in words {
        assert!(error.message.contains(word), "`{word}` is missing: {error}");
    }
}

mod contract {
    use super::*;

    async fn keeps_the_contract(store: HdfsStore, base: Location, has_trash: bool) {
        check_all(&Subject { store: Arc::new(store), base, has_trash, has_byte_names: false }).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_name_node_keeps_it() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let base = store.root().child(b"contract");
        keeps_the_contract(store, base, false).await;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_ha_pair_with_trash_keeps_it_as_the_default_file_system() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new().ha().trash_interval(60))?;
        let store = connected(&hdfs, "hdfs:///").await?;
        assert_eq!(store.root().to_string(), "hdfs:///", "paths are printed as the root was typed");
        let base = store.root().child(b"contract");
        keeps_the_contract(store, base, true).await;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_mount_table_keeps_it() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new().trash_interval(60))?;
        let (deep, rest) = (hdfs.location("/real%20dir"), hdfs.location("/"));
        let table = [
            ("fs.viewfs.mounttable.c.link./seen", deep.as_str()),
            ("fs.viewfs.mounttable.c.linkFallback", rest.as_str()),
        ];
        let config = configuration(hdfs.conf_dir(), &table)?;
        let store = HdfsStore::connect(&at("viewfs://c/seen"), &config, &HdfsOptions::default()).await?;
        let (root, seen) = (store.root().clone(), store.root().child(b"seen"));
        assert_eq!(kind_of(store.list(&root, &mut |_| {}).await), ErrorKind::Unsupported);
        store.make_directories(&seen, false).await?;
        let elsewhere = root.child(b"elsewhere");
        store.create_new(&elsewhere, b"1").await?;
        let across = store.rename(&elsewhere, &seen.child(b"moved")).await;
        assert_eq!(kind_of(across), ErrorKind::Unsupported, "nothing is copied");
        assert_eq!(kind_of(store.delete_tree(&seen).await), ErrorKind::Unsupported);
        keeps_the_contract(store, seen.child(b"contract"), true).await;
        ensure!(hdfs.tree("/real dir")?.iter().any(|entry| entry.path.starts_with("/real dir/contract/")));
        Ok(())
    }
}

mod listing {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_name_that_is_not_utf8_ends_the_listing_with_an_error() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        hdfs.command_words(&["mkfiles", "/odd", "5"])?;
        // U+F7FF stands for the byte 0xFF, which no RPC can make but an old image may hold.
        hdfs.command(r#"["mkfiles", "/odd", "1", "z\uf7ff"]"#)?;
        hdfs.command_words(&["mkfiles", "/fine", "5"])?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let (seen, end) = names(&store, &store.root().child(b"odd")).await;
        assert_eq!((seen.len(), kind_of(end)), (5, ErrorKind::Unrepresentable));
        let (seen, end) = names(&store, &store.root().child(b"fine")).await;
        assert_eq!((seen.len(), end.is_ok()), (5, true), "the client goes on");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_one_may_not_see_is_denied_and_not_missing() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        hdfs.command("mkdir /secret/below 700")?;
        hdfs.command("chmod /secret 700")?;
        let config = configuration(hdfs.conf_dir(), &[])?;
        let store = HdfsStore::connect(&at(hdfs.url()), &config, &as_user("stranger")).await?;
        let secret = store.root().child(b"secret");
        let (seen, end) = names(&store, &secret).await;
        assert_eq!((seen.len(), kind_of(end)), (0, ErrorKind::PermissionDenied));
        let below = secret.child(b"below");
        assert_eq!(kind_of(store.stat(&below).await), ErrorKind::PermissionDenied);
        assert_eq!(kind_of(store.stat(&secret.child(b"none")).await), ErrorKind::PermissionDenied);
        assert_eq!(kind_of(store.remove_directory(&below).await), ErrorKind::PermissionDenied);
        assert_eq!(kind_of(store.create_new(&below.child(b"f"), b"").await), ErrorKind::PermissionDenied);
        let error = store.list(&secret, &mut |_| {}).await.expect_err("listed");
        assert!(!error.message.contains('\n') && !error.message.contains("\tat "), "{error}");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_failover_leaves_a_listing_whole() -> Result<()> {
        const FILES: usize = 5000;
        let hdfs = MiniHdfs::start(&Options::new().ha().set("dfs.ls.limit", "25"))?;
        hdfs.command_words(&["mkfiles", "/many", &FILES.to_string(), "-", "0", "0", "journal"])?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let mut seen = BTreeSet::new();
        let mut sink = |entry: Entry<'_>| {
            assert!(seen.insert(entry.name.to_vec()), "each entry comes once");
            if seen.len() == 1000 {
                // The next page comes from the other NameNode.
                tokio::task::block_in_place(|| hdfs.command("failover")).expect("a failover");
            }
        };
        store.list(&store.root().child(b"many"), &mut sink).await?;
        assert_eq!(seen.len(), FILES);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_directory_that_vanishes_or_a_pair_without_an_active_ends_in_an_error() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new().ha().set("dfs.ls.limit", "25"))?;
        let store = connected(&hdfs, hdfs.url()).await?;
        for (command, kind) in [("rm /many", ErrorKind::NotFound), ("transition standby 0", ErrorKind::Busy)]
        {
            hdfs.command_words(&["mkfiles", "/many", "200", "-", "0", "0", "journal"])?;
            let mut seen = 0_usize;
            let mut sink = |_: Entry<'_>| {
                seen += 1;
                if seen == 25 {
                    tokio::task::block_in_place(|| hdfs.command(command)).expect(command);
                }
            };
            let end = store.list(&store.root().child(b"many"), &mut sink).await;
            assert_eq!((seen, kind_of(end)), (25, kind), "{command}");
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn snapshots_are_neither_listed_nor_changed() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let base = store.root().child(b"base");
        store.make_directories(&base, false).await?;
        store.create_new(&base.child(b"f"), b"1").await?;
        hdfs.command("allow-snapshot /base")?;
        hdfs.command("snapshot /base s")?;
        let (seen, end) = names(&store, &base).await;
        assert_eq!((seen.len(), end.is_ok()), (1, true), "only the file");
        let inside = base.child(b".snapshot").child(b"s");
        assert_eq!(kind_of(store.list(&inside, &mut |_| {}).await), ErrorKind::Unsupported);
        assert_eq!(kind_of(store.delete_file(&inside.child(b"f")).await), ErrorKind::Unsupported);
        assert_eq!(store.read(&inside.child(b"f"), 10).await?.as_ref(), b"1", "but they can be read");
        assert_eq!(kind_of(store.delete_tree(&base).await), ErrorKind::Unsupported, "a snapshot holds it");
        Ok(())
    }
}

mod reading {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_open_file_is_not_taken_for_a_whole_one() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        hdfs.command("open /open 2700")?;
        let open = store.root().child(b"open");
        let listed = store.stat(&open).await?.length;
        let reader = store.open(&open).await?.length();
        // Of a flushed block either the listing knows nothing yet, or the reader leaves it out.
        assert!(reader < 2700, "{reader} of 2700 bytes, {listed} listed");
        if listed > reader {
            assert_eq!(kind_of(store.read(&open, 10_000).await), ErrorKind::Corrupt);
        }
        hdfs.command("close /open")?;
        assert_eq!(store.read(&open, 10_000).await?.len(), 2700);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_synced_file_that_is_still_open_is_incomplete() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let path = store.root().child(b"log");
        let mut log = store.create_appender(&path).await?;
        log.append(b"one line\n").await?;
        assert_eq!(store.stat(&path).await?.length, 9, "the sync told the NameNode");
        assert_eq!(store.open(&path).await?.length(), 0, "and the block is still being written");
        let error = store.read(&path, 100).await.expect_err("read");
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.message.contains("still open for writing"), "{error}");
        log.close().await?;
        assert_eq!(store.read(&path, 100).await?.as_ref(), b"one line\n");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn data_that_is_gone_is_no_missing_file() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let path = store.root().child(b"f");
        store.create_new(&path, b"content").await?;
        hdfs.command("stop-dn 0")?;
        let kind = kind_of(store.read(&path, 100).await);
        assert!(matches!(kind, ErrorKind::Unreachable | ErrorKind::Corrupt), "{kind:?}");
        assert_eq!(store.stat(&path).await?.length, 7);
        Ok(())
    }
}

mod changing {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn safe_mode_is_busy_and_lets_read() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let path = store.root().child(b"f");
        store.create_new(&path, b"1").await?;
        hdfs.command("safemode enter")?;
        assert_eq!(kind_of(store.delete_file(&path).await), ErrorKind::Busy);
        assert_eq!(kind_of(store.rename(&path, &store.root().child(b"g")).await), ErrorKind::Busy);
        assert_eq!(kind_of(store.create_new(&store.root().child(b"g"), b"").await), ErrorKind::Busy);
        assert_eq!(store.read(&path, 10).await?.as_ref(), b"1");
        connected(&hdfs, hdfs.url()).await.context("safe mode keeps nobody from connecting")?;
        hdfs.command("safemode leave")?;
        assert!(store.delete_file(&path).await?);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_quota_is_told_as_such() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new())?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let base = store.root().child(b"small");
        store.make_directories(&base, false).await?;
        hdfs.command("quota /small 2")?;
        store.create_new(&base.child(b"1"), b"").await?;
        assert_eq!(kind_of(store.create_new(&base.child(b"2"), b"").await), ErrorKind::QuotaExceeded);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_trash_will_not_take_is_said() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new().trash_interval(60))?;
        let store = connected(&hdfs, hdfs.url()).await?;
        let path = store.root().child(b"f");
        store.create_new(&path, b"1").await?;
        let trashed = store.trash(&path).await?;
        assert!(trashed.to_string().ends_with("/.Trash/Current/f"), "{trashed}");
        assert_eq!(kind_of(store.trash(&trashed).await), ErrorKind::Unsupported, "it lies there already");
        assert_eq!(store.read(&trashed, 10).await?.as_ref(), b"1");
        Ok(())
    }
}

mod connecting {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn site_files_with_variables_includes_and_spaces_lead_to_the_pair() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new().ha())?;
        let theirs = configuration(hdfs.conf_dir(), &[])?;
        let pair = theirs.nameservices()?.remove(0);
        let port = |at: usize| {
            let address = pair.namenodes[at].address.clone().unwrap_or_default();
            address.rsplit(':').next().unwrap_or("").to_owned()
        };
        let dir = tempfile::tempdir()?;
        std::fs::write(
            dir.path().join("core-site.xml"),
            "<configuration xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='pair.xml'/><property>\
             <name>fs.defaultFS</name><value> hdfs://${pair} </value></property></configuration>",
        )?;
        std::fs::write(
            dir.path().join("pair.xml"),
            format!(
                "<configuration><property><name>pair</name><value>mine</value></property>\
                 <property><name>dfs.ha.namenodes.mine</name><value>\n  a, b\n</value></property>\
                 <property><name>dfs.namenode.rpc-address.mine.a</name><value>${{host}}:{}</value></property>\
                 <property><name>dfs.namenode.rpc-address.mine.b</name><value>${{host}}:{}</value></property>\
                 <property><name>host</name><value>127.0.0.1</value></property></configuration>",
                port(0),
                port(1)
            ),
        )?;
        let config = configuration(dir.path(), &[])?;
        let store = HdfsStore::connect(&at("hdfs:///"), &config, &HdfsOptions::default()).await?;
        tokio::task::block_in_place(|| hdfs.command("failover"))?;
        store.make_directories(&store.root().child(b"d"), false).await.context("the second one is known")?;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_standby_is_named_and_a_failover_sat_out() -> Result<()> {
        let hdfs = MiniHdfs::start(&Options::new().ha())?;
        let config = configuration(hdfs.conf_dir(), &[])?;
        let pair = config.nameservices()?.remove(0);
        let standby = pair.namenodes[1].address.clone().context("no address")?;
        let url = format!("hdfs://{standby}/flink");
        let words = [standby.as_str(), "is a standby NameNode", "hdfs://<nameservice>"];
        assert_refused(&url, &config, &HdfsOptions::default(), ErrorKind::Busy, &words).await;
        let (failover, store) = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let failover = scope.spawn(|| hdfs.command("failover 3000"));
                std::thread::sleep(Duration::from_millis(500));
                let store = tokio::runtime::Handle::current().block_on(connected(&hdfs, hdfs.url()));
                (failover.join(), store)
            })
        });
        store.context("connecting while neither is active")?;
        failover.ok().context("the failover panicked")??;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_does_not_answer_is_named_in_time() -> Result<()> {
        let config = HadoopConfig::load_with(None, &[], &|_| None)?;
        let options = HdfsOptions::default();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let silent = listener.local_addr()?.to_string();
        let patience = HdfsOptions { deadline: Duration::from_secs(2), ..options.clone() };
        let url = format!("hdfs://{silent}/x");
        let words = [silent.as_str(), "no answer", "within 2s", "firewall"];
        assert_refused(&url, &config, &patience, ErrorKind::TimedOut, &words).await;
        drop(listener);
        let words = [silent.as_str(), "cannot be reached", "Connection refused", "RPC address"];
        assert_refused(&url, &config, &options, ErrorKind::Unreachable, &words).await;
        let words = ["no-such-host.invalid:8020", "cannot be reached"];
        let url = "hdfs://no-such-host.invalid/x";
        assert_refused(url, &config, &options, ErrorKind::Unreachable, &words).await;
        let words = ["names no NameNode", "fs.defaultFS is not set", "--hadoop-conf"];
        assert_refused("hdfs:///x", &config, &options, ErrorKind::Unsupported, &words).await;
        Ok(())
    }

    /// Kerberos is set up by environment variables, so the checks run in a process of their own.
    #[test]
    fn kerberos_by_keytab_and_without_a_ticket() -> Result<()> {
        if std::env::var_os("CHKSWEEP_TEST_CONF").is_some() {
            return Ok(());
        }
        let hdfs = MiniHdfs::start(&Options::new().kerberos(&["gc"]))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", "connecting::in_a_kerberos_environment", "--nocapture"])
            .env("KRB5_CONFIG", hdfs.krb5_conf().context("no krb5.conf")?)
            .env("KRB5CCNAME", "FILE:/nonexistent/ticket-cache")
            .env("CHKSWEEP_TEST_CONF", hdfs.conf_dir())
            .env("CHKSWEEP_TEST_URL", hdfs.url())
            .env("CHKSWEEP_TEST_KEYTAB", hdfs.keytab("gc"))
            .output()?;
        let printed = String::from_utf8_lossy(&child.stdout);
        ensure!(child.status.success(), "{printed}\n{}", String::from_utf8_lossy(&child.stderr));
        ensure!(printed.contains("1 passed"), "{printed}");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn in_a_kerberos_environment() -> Result<()> {
        let Some(conf) = std::env::var_os("CHKSWEEP_TEST_CONF") else { return Ok(()) };
        let url = std::env::var("CHKSWEEP_TEST_URL")?;
        let keytab = std::env::var_os("CHKSWEEP_TEST_KEYTAB").context("no keytab")?;
        let config = configuration(Path::new(&conf), &[])?;
        let none = HdfsOptions::default();
        assert_refused(&url, &config, &none, ErrorKind::Unauthenticated, &["kinit", "keytab"]).await;
        let simple = configuration(Path::new(&conf), &[("hadoop.security.authentication", "simple")])?;
        assert_refused(&url, &simple, &none, ErrorKind::Unreachable, &["may want Kerberos"]).await;
        let by_keytab = HdfsOptions { principal: Some("gc".to_owned()), keytab: Some(keytab.into()), ..none };
        let store = HdfsStore::connect(&at(&url), &config, &by_keytab).await?;
        let (_, end) = names(&store, store.root()).await;
        end?;
        Ok(())
    }
}
