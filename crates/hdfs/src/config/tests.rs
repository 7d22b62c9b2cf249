use std::path::Path;

use chksweep_core::Location;
use tempfile::TempDir;

use super::*;

/// Makes a configuration directory of (file, content); a content without `<` is `key=value` lines.
fn written(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, site(content)).unwrap();
    }
    dir
}

fn site(content: &str) -> String {
    if content.contains('<') {
        return content.to_owned();
    }
    let properties: Vec<String> = content
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(key, value)| format!("<property><name>{key}</name><value>{value}</value></property>"))
        .collect();
    format!("<?xml version=\"1.0\"?>\n<configuration>\n{}\n</configuration>", properties.join("\n"))
}

fn no_environment(_: &str) -> Option<String> {
    None
}

fn load(files: &[(&str, &str)]) -> HadoopConfig {
    let dir = written(files);
    HadoopConfig::load_with(Some(dir.path()), &[], &no_environment).unwrap()
}

fn core_site(content: &str) -> HadoopConfig {
    load(&[("core-site.xml", content)])
}

fn error_of(files: &[(&str, &str)]) -> (TempDir, String) {
    let dir = written(files);
    let error = HadoopConfig::load_with(Some(dir.path()), &[], &no_environment).unwrap_err().to_string();
    let error = error.replace(&dir.path().display().to_string(), "DIR");
    (dir, error)
}

fn over(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn assert_value(config: &HadoopConfig, key: &str, expected: &str) {
    assert_eq!(config.value(key).unwrap(), Some(expected), "{key}");
}

mod finding {
    use super::*;

    fn environment(pairs: Vec<(&'static str, String)>) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn the_option_comes_before_the_environment() {
        let option = written(&[("core-site.xml", "k=option")]);
        let conf = written(&[("core-site.xml", "k=conf")]);
        let home = written(&[("etc/hadoop/core-site.xml", "k=home")]);
        let path = |dir: &TempDir| dir.path().display().to_string();
        let both = environment(vec![("HADOOP_CONF_DIR", path(&conf)), ("HADOOP_HOME", path(&home))]);
        assert_value(&HadoopConfig::load_with(Some(option.path()), &[], &both).unwrap(), "k", "option");
        assert_value(&HadoopConfig::load_with(None, &[], &both).unwrap(), "k", "conf");
        let home_only = environment(vec![("HADOOP_HOME", path(&home)), ("HADOOP_CONF_DIR", String::new())]);
        assert_value(&HadoopConfig::load_with(None, &[], &home_only).unwrap(), "k", "home");
    }

    #[test]
    fn no_directory_is_an_empty_configuration() {
        let config = HadoopConfig::load_with(None, &over(&[("a", "b")]), &no_environment).unwrap();
        assert_value(&config, "a", "b");
        assert_eq!((config.directory(), config.files().len()), (None, 0));
        assert_eq!(config.default_fs().unwrap(), None);
    }

    #[test]
    fn a_directory_that_is_not_there_says_what_to_do() {
        let gone = HadoopConfig::load_with(Some(Path::new("/nowhere")), &[], &no_environment).unwrap_err();
        assert_eq!(
            gone.to_string(),
            "the Hadoop configuration directory /nowhere (from --hadoop-conf) is not a directory: name the one \
             that holds core-site.xml and hdfs-site.xml, or take --hadoop-conf away"
        );
        let variable = environment(vec![("HADOOP_CONF_DIR", "/nowhere".to_owned())]);
        let gone = HadoopConfig::load_with(None, &[], &variable).unwrap_err().to_string();
        assert!(gone.contains("from HADOOP_CONF_DIR"), "{gone}");
    }

    #[test]
    fn files_may_be_missing() {
        let config = load(&[("hdfs-site.xml", "a=b")]);
        assert_value(&config, "a", "b");
        assert_eq!(config.files().len(), 1);
        assert_eq!(load(&[]).files().len(), 0);
    }
}

mod files {
    use super::*;

    #[test]
    fn hdfs_site_comes_after_core_site_and_final_stays() {
        let config = load(&[
            (
                "core-site.xml",
                "<configuration><property><name>f</name><value>1</value><final>true</final>\
              </property><property><name>n</name><value>1</value></property></configuration>",
            ),
            ("hdfs-site.xml", "f=2\nn=2"),
        ]);
        assert_value(&config, "f", "1");
        assert_value(&config, "n", "2");
    }

    #[test]
    fn the_command_line_replaces_even_what_is_final() {
        let dir = written(&[(
            "core-site.xml",
            "<configuration><property name='f' value='1' final='true'/></configuration>",
        )]);
        let config =
            HadoopConfig::load_with(Some(dir.path()), &over(&[("f", "2")]), &no_environment).unwrap();
        assert_value(&config, "f", "2");
        assert_eq!(config.origin("f"), Some(&Origin::CommandLine));
    }

    #[test]
    fn comments_cdata_entities_and_a_byte_order_mark_are_read() {
        let config = core_site(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?xml-stylesheet href=\"c.xsl\"?>\n\
             <configuration><!-- <property><name>no</name><value>x</value></property> -->\n\
             <property><!-- c --><name> a </name><value>x<!-- c -->y<![CDATA[<&z>]]></value></property>\
             <property><name>b</name><value>1 &lt; 2 &amp; &#51;</value><description>d &gt;</description></property>\
             <property><name>none</name></property><property><value>v</value></property>\
             <property><name>empty</name><value/></property></configuration>",
        );
        assert_value(&config, "a", "xy<&z>");
        assert_value(&config, "b", "1 < 2 & 3");
        for key in ["no", "none", "empty"] {
            assert_eq!(config.value(key).unwrap(), None, "{key}");
        }
    }

    #[test]
    fn values_are_trimmed_and_lists_parted_as_hadoop_does() {
        let config = core_site(
            "<configuration><property><name>k</name><value>\n  hdfs://ns \n</value></property>\
             <property><name>l</name><value>\n a, b ,\n c\n  d d,,</value></property></configuration>",
        );
        assert_value(&config, "k", "hdfs://ns");
        assert_eq!(config.list("l").unwrap(), ["a", "b", "c", "d d"]);
        assert_eq!(config.list("gone").unwrap(), [""; 0]);
    }

    #[test]
    fn old_names_mean_the_new_ones() {
        assert_value(&core_site("fs.default.name=hdfs://old"), "fs.defaultFS", "hdfs://old");
    }

    #[test]
    fn origins_name_file_and_line() {
        let dir = written(&[("core-site.xml", "a=1\nb=2")]);
        let config = HadoopConfig::load_with(Some(dir.path()), &[], &no_environment).unwrap();
        let path = dir.path().join("core-site.xml");
        assert_eq!(config.origin("b"), Some(&Origin::File { path: path.clone(), line: 4 }));
        assert_eq!(config.origin("b").unwrap().to_string(), format!("{}:4", path.display()));
    }

    #[test]
    fn broken_files_are_named_with_the_line() {
        for (content, expected) in [
            ("<configuration>\n<property>\n<name>a</nam>", "DIR/core-site.xml:3: "),
            (
                "<configuration>\n<property>\n",
                "DIR/core-site.xml:3: the file ends inside <property> of line 2",
            ),
            ("<configuration>\n<p>&nbsp;</p></configuration>", "DIR/core-site.xml:2: entity `&nbsp;`"),
            ("<x/>", "DIR/core-site.xml:1: the outermost element is <x>, not <configuration>"),
            ("<!-- -->", "DIR/core-site.xml:1: the file holds no element"),
        ] {
            let (_dir, error) = error_of(&[("core-site.xml", content)]);
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_refused() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("core-site.xml"), b"<configuration>\n<a>\xe9</a></configuration>")
            .unwrap();
        let error = HadoopConfig::load_with(Some(dir.path()), &[], &no_environment).unwrap_err().to_string();
        assert!(error.ends_with("core-site.xml:2: the file is not UTF-8"), "{error}");
    }

    #[test]
    fn a_file_that_nests_for_ever_is_refused() {
        let (_dir, error) = error_of(&[("core-site.xml", &"<configuration>".repeat(100_000))]);
        assert!(error.contains("nested more than 64 deep"), "{error}");
    }

    #[test]
    fn an_element_with_attributes_without_end_is_refused() {
        let attributes: Vec<String> = (0..1_000_000).map(|at| format!(" a{at}=''")).collect();
        let element = format!("<configuration{}/>", attributes.concat());
        let (_dir, error) = error_of(&[("core-site.xml", &element)]);
        assert!(error.ends_with("core-site.xml:1: <configuration> has more than 64 attributes"), "{error}");
    }
}

mod includes {
    use super::*;

    #[test]
    fn a_device_is_not_read_to_its_end() {
        let (_dir, _) = error_of(&[("core-site.xml", &including("<xi:include href=\"/dev/zero\"/>"))]);
    }

    #[test]
    fn files_that_include_the_next_twice_do_not_multiply() {
        let twice = |next: usize| including(&format!("<xi:include href=\"{next}.xml\"/>").repeat(2));
        let files: Vec<(String, String)> = (1..15).map(|at| (format!("{at}.xml"), twice(at + 1))).collect();
        let mut all: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
        let first = twice(1);
        all.extend([("core-site.xml", &*first), ("15.xml", "a=1")]);
        let (_dir, error) = error_of(&all);
        assert!(error.ends_with("more than 256 files are included"), "{error}");
    }

    fn including(body: &str) -> String {
        format!("<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n{body}\n</configuration>")
    }

    #[test]
    fn an_included_file_is_read_in_place() {
        let core = including(
            "<property><name>a</name><value>1</value></property>\
             <xi:include href=\"sub/mounts.xml\"/><property><name>b</name><value>1</value></property>",
        );
        let config = load(&[
            ("core-site.xml", &core),
            ("sub/mounts.xml", &including("<xi:include href=\"more.xml\"/>")),
            ("sub/more.xml", "a=2\nb=2"),
        ]);
        assert_value(&config, "a", "2");
        assert_value(&config, "b", "1");
        assert_eq!(config.files().len(), 3);
        let Some(Origin::File { path, .. }) = config.origin("a") else { panic!("no origin") };
        assert!(path.ends_with("sub/more.xml"));
    }

    #[test]
    fn an_absolute_href_works() {
        let other = written(&[("x.xml", "a=1")]);
        let path = other.path().join("x.xml");
        for href in [path.display().to_string(), format!("file://{}", path.display())] {
            let config = core_site(&including(&format!("<xi:include href=\"{href}\"></xi:include>")));
            assert_value(&config, "a", "1");
        }
    }

    #[test]
    fn a_fallback_stands_in_for_a_missing_file_only() {
        let body = "<xi:include href=\"maybe.xml\"><xi:fallback><property><name>a</name><value>fallback</value>\
                    </property></xi:fallback></xi:include>";
        assert_value(&core_site(&including(body)), "a", "fallback");
        let there = load(&[("core-site.xml", &including(body)), ("maybe.xml", "b=1")]);
        assert_value(&there, "b", "1");
        assert_eq!(there.value("a").unwrap(), None);
        core_site(&including("<xi:include href=\"maybe.xml\"><xi:fallback/></xi:include>"));
    }

    #[test]
    fn what_cannot_be_included_is_an_error() {
        for (body, expected) in [
            (
                "<xi:include href=\"gone.xml\"/>",
                "DIR/core-site.xml:2: DIR/gone.xml is included, does not exist, and has no <xi:fallback>",
            ),
            ("<xi:include/>", "DIR/core-site.xml:2: an include without href"),
            (
                "<xi:include href=\"http://127.0.0.1/x\"/>",
                "DIR/core-site.xml:2: `http://127.0.0.1/x` is included, and only files can be",
            ),
            (
                "<xi:include href=\"core-site.xml\"/>",
                "DIR/core-site.xml:2: `core-site.xml` is included in a circle",
            ),
        ] {
            let (_dir, error) = error_of(&[("core-site.xml", &including(body))]);
            assert_eq!(error, expected);
        }
    }
}

mod expansion {
    use super::*;

    #[test]
    fn properties_are_expanded_across_files() {
        let config = load(&[
            ("core-site.xml", "fs.defaultFS=hdfs://${nn.host}:${nn.port}\nnn.port=9000"),
            ("hdfs-site.xml", "nn.host=${host}.example\nhost=a"),
        ]);
        assert_value(&config, "fs.defaultFS", "hdfs://a.example:9000");
    }

    #[test]
    fn the_environment_and_its_defaults_are_read() {
        let dir = written(&[(
            "core-site.xml",
            "set=${env.SET}\nempty=[${env.EMPTY-d}${env.EMPTY:-d}]\nunset=${env.GONE-a}${env.GONE:-b}\n\
             gone=${env.GONE}/x\nuser=${user.name}\ndash=${env.GONE-a:-b}",
        )]);
        let environment = |name: &str| match name {
            "SET" => Some("yes".to_owned()),
            "EMPTY" => Some(String::new()),
            "USER" => Some("flink".to_owned()),
            _ => None,
        };
        let config = HadoopConfig::load_with(Some(dir.path()), &[], &environment).unwrap();
        assert_value(&config, "set", "yes");
        assert_value(&config, "empty", "[d]");
        assert_value(&config, "unset", "ab");
        assert_value(&config, "gone", "${env.GONE}/x");
        assert_value(&config, "user", "flink");
        assert_value(&config, "dash", "a:-b");
    }

    #[test]
    fn inner_variables_come_first_and_what_is_none_stays() {
        let config = core_site("a=${x${n}}\nn=1\nx1=deep\nb=$n ${ n} ${} ${n\ntwice=${n}${n}");
        assert_value(&config, "a", "deep");
        assert_value(&config, "b", "$n ${ n} ${} ${n");
        assert_value(&config, "twice", "11");
    }

    #[test]
    fn circles_are_an_error_where_they_are_used() {
        let config = core_site("a=${b}\nb=${a}\nself=x${self}\nfine=1");
        assert_value(&config, "fine", "1");
        for key in ["a", "self"] {
            let error = config.value(key).unwrap_err().to_string();
            assert!(error.contains("core-site.xml:"), "{error}");
            assert!(error.contains("goes in a circle"), "{error}");
        }
    }
}

mod views {
    use super::*;

    const HA: &str = "fs.defaultFS=hdfs://ns\ndfs.nameservices=ns, far\ndfs.internal.nameservices=ns\n\
        dfs.ha.namenodes.ns=nn1, nn2\ndfs.namenode.rpc-address.ns.nn1=h1\n\
        dfs.namenode.rpc-address.ns.nn2=h2:9000\ndfs.namenode.servicerpc-address.ns.nn2=h2:9001\n\
        dfs.namenode.rpc-address.far=h9:8020\ndfs.ha.namenodes.other=a\ndfs.namenode.rpc-address.other.a=h5\n\
        dfs.client.failover.proxy.provider.ns=org.apache.hadoop.hdfs.server.namenode.ha.ObserverReadProxyProvider";

    fn canonical(config: &HadoopConfig, scheme: &str, authority: &str) -> String {
        let known = config.equivalence().unwrap();
        known.canonical(&Location::normalised(scheme, authority, b"/a/x")).to_string()
    }

    #[test]
    fn nameservices_are_read_with_spaces_and_missing_ports() {
        let config = core_site(HA);
        let services = config.nameservices().unwrap();
        let names: Vec<_> =
            services.iter().map(|ns| (ns.name.as_str(), ns.is_logical, ns.is_internal)).collect();
        assert_eq!(names, [("ns", true, true), ("far", false, false), ("other", true, false)]);
        let addresses: Vec<_> = services[0].namenodes.iter().map(|nn| nn.address.as_deref()).collect();
        assert_eq!(addresses, [Some("h1:8020"), Some("h2:9000")]);
    }

    #[test]
    fn all_spellings_of_a_nameservice_are_one() {
        let config = core_site(HA);
        for authority in ["", "ns", "h1", "h1:8020", "h2:9000", "h2:9001"] {
            assert_eq!(canonical(&config, "hdfs", authority), "hdfs://ns/a/x", "{authority}");
        }
        assert_eq!(canonical(&config, "hdfs", "h2"), "hdfs://h2/a/x");
        assert_eq!(canonical(&config, "hdfs", "h9"), canonical(&config, "hdfs", "h9:8020"));
        assert_eq!(canonical(&config, "hdfs", "far"), "hdfs://far/a/x");
    }

    #[test]
    fn a_default_without_ha_has_its_port_filled_in() {
        let config = core_site("fs.defaultFS=hdfs://h1/");
        for authority in ["", "h1", "h1:8020"] {
            assert_eq!(canonical(&config, "hdfs", authority), "hdfs://h1/a/x");
        }
        assert_eq!(canonical(&core_site("fs.defaultFS=h1:9000"), "hdfs", ""), "hdfs://h1:9000/a/x");
        assert_eq!(canonical(&core_site("fs.defaultFS=file:///"), "hdfs", ""), "hdfs:///a/x");
        assert_eq!(canonical(&core_site("fs.defaultFS=local"), "file", ""), "file:///a/x");
    }

    #[test]
    fn the_client_gets_plain_values_and_reads_from_the_active() {
        let settings = core_site(HA).client_settings().unwrap();
        let of = |key: &str| settings.iter().rfind(|(name, _)| name == key).map(|(_, value)| value.as_str());
        assert_eq!(of("dfs.ha.namenodes.ns"), Some("nn1,nn2"));
        assert_eq!(of("dfs.namenode.rpc-address.ns.nn1"), Some("h1:8020"));
        assert_eq!(of("dfs.client.failover.max.attempts"), Some("4"));
        assert_eq!(of("hadoop.security.authentication"), Some("simple"));
        assert!(!settings.iter().any(|(_, value)| value.contains("ObserverRead")));
        let set = core_site("dfs.client.failover.max.attempts=7").client_settings().unwrap();
        assert_eq!(set.iter().rfind(|(key, _)| key.ends_with("max.attempts")).unwrap().1, "7");
    }

    #[test]
    fn authorities_become_addresses() {
        let config = core_site(HA);
        let addresses = |authority: &str| config.namenodes(authority).map_err(|error| error.to_string());
        assert_eq!(addresses("ns").unwrap().1, ["h1:8020", "h2:9000"]);
        assert_eq!(addresses("h7").unwrap(), ("hdfs://h7:8020".to_owned(), vec!["h7:8020".to_owned()]));
        assert_eq!(addresses("[::1]").unwrap().0, "hdfs://[::1]:8020");
        assert_eq!(
            addresses("ns:8020").unwrap_err(),
            "`hdfs://ns:8020` has a port, but ns is a nameservice: write `hdfs://ns`"
        );
        assert!(addresses("h:x").is_err());
        let half = core_site("dfs.ha.namenodes.ns=a,b\ndfs.namenode.rpc-address.ns.a=h");
        assert_eq!(
            half.namenodes("ns").unwrap_err().to_string(),
            "`dfs.namenode.rpc-address.ns.b` is not set, and `dfs.ha.namenodes.ns` (which names b) needs it"
        );
    }

    #[test]
    fn values_that_mean_nothing_are_named_with_their_place() {
        for (content, read) in [
            ("dfs.nameservices=n\ndfs.namenode.rpc-address.n=h:port", "nameservices"),
            ("fs.defaultFS=hdfs://${gone}", "default"),
            ("hadoop.security.authentication=token", "authentication"),
            ("fs.trash.interval=soon", "trash"),
            ("fs.viewfs.mounttable.c.link./a=ns", "mounts"),
        ] {
            let config = core_site(content);
            let error = match read {
                "nameservices" => config.nameservices().unwrap_err(),
                "default" => config.default_fs().unwrap_err(),
                "authentication" => config.authentication().unwrap_err(),
                "trash" => config.trash_interval_minutes().unwrap_err(),
                _ => config.mount_tables().unwrap_err(),
            };
            assert!(matches!(error, ConfigError::Invalid { origin: Origin::File { .. }, .. }), "{error}");
        }
    }

    #[test]
    fn security_and_trash_are_read() {
        let config = core_site("hadoop.security.authentication=KERBEROS\nfs.trash.interval=60");
        assert_eq!(config.authentication().unwrap(), Authentication::Kerberos);
        assert_eq!(config.trash_interval_minutes().unwrap(), Some(60));
        assert_eq!(core_site("").authentication().unwrap(), Authentication::Simple);
    }

    #[test]
    fn mount_tables_are_read_and_lead_to_nameservices() {
        let config = core_site(&format!(
            "{HA}\nfs.viewfs.mounttable.c.x.link./a=hdfs://h1:8020/data/\n\
             fs.viewfs.mounttable.c.x.link./a/deep=/home%20dir\n\
             fs.viewfs.mounttable.c.x.linkFallback=hdfs://other/\nfs.viewfs.mounttable.c.x.homedir=/home\n\
             fs.viewfs.mounttable.default.linkMergeSlash=hdfs://ns/m\n\
             fs.viewfs.mounttable.c.x.linkNfly.repairOnRead./n=hdfs://a,hdfs://b"
        ));
        let tables = config.mount_tables().unwrap();
        assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["c.x", "default"]);
        let links: Vec<_> =
            tables[0].links.iter().map(|link| (link.path.as_str(), link.target.to_string())).collect();
        assert_eq!(
            links,
            [
                ("/a/deep", "hdfs://ns/home dir".to_owned()),
                ("/a", "hdfs://h1:8020/data".to_owned()),
                ("/", "hdfs://other/".to_owned())
            ]
        );
        assert_eq!(tables[0].refused.len(), 1);
        assert_eq!(canonical(&config, "viewfs", "c.x"), "hdfs://ns/data/x");
        assert_eq!(canonical(&config, "viewfs", ""), "hdfs://ns/m/a/x");
    }

    #[test]
    fn mounts_below_hdfs_paths_are_refused() {
        let config = core_site("fs.hdfs.impl=org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme");
        assert!(config.namenodes("h").unwrap_err().to_string().contains("mount tables below hdfs://"));
    }

    #[test]
    fn what_is_shown_holds_no_secrets() {
        let config = core_site(&format!("{HA}\nssl.server.keystore.password=secret"));
        assert!(config.relevant().any(|(key, value, _)| key == "fs.defaultFS" && value == "hdfs://ns"));
        assert!(!config.relevant().any(|(_, value, _)| value == "secret"));
    }
}
