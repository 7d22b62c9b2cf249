use super::*;

const NOW: Timestamp = Timestamp(1_795_456_800_000);

/// Writes what MIT Kerberos would: numbers and texts, the most significant byte first.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(mut self, number: u16) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut bytes = self.u32(u32::try_from(text.len()).unwrap());
        bytes.0.extend(text.as_bytes());
        bytes
    }

    fn principal(self, parts: &[&str]) -> Self {
        let bytes = self.u32(1).u32(u32::try_from(parts.len()).unwrap()).text("REALM");
        parts.iter().fold(bytes, |bytes, part| bytes.text(part))
    }

    /// A ticket of `gc` for a server, good until so many seconds.
    fn ticket(self, server: &[&str], end: u32) -> Self {
        let bytes =
            self.principal(&["gc"]).principal(server).u16(18).text("key").u32(0).u32(0).u32(end).u32(0);
        let mut bytes = bytes;
        bytes.0.push(0);
        // Flags; one address; one piece of authorisation data; two tickets.
        bytes.u32(0).u32(1).u16(2).text("addr").u32(1).u16(1).text("auth").text("ticket").text("")
    }
}

fn cache(tickets: &[(&[&str], u32)]) -> Vec<u8> {
    let bytes = Bytes(vec![5, 4]).u16(4).u32(0).principal(&["gc"]);
    tickets.iter().fold(bytes, |bytes, (server, end)| bytes.ticket(server, *end)).0
}

fn keytab(principals: &[&str]) -> Vec<u8> {
    let mut bytes = Bytes(vec![5, 2]);
    for principal in principals {
        let text16 = |bytes: Bytes, text: &str| {
            let mut bytes = bytes.u16(u16::try_from(text.len()).unwrap());
            bytes.0.extend(text.as_bytes());
            bytes
        };
        let entry = text16(text16(Bytes::default().u16(1), "REALM"), principal).u32(1).u32(0).0;
        bytes = bytes.u32(u32::try_from(entry.len()).unwrap());
        bytes.0.extend(entry);
        // A hole of three bytes.
        bytes.0.extend((-3_i32).to_be_bytes());
        bytes.0.extend([0; 3]);
    }
    bytes.0
}

struct Home {
    directory: tempfile::TempDir,
    config: HadoopConfig,
}

impl Home {
    fn new() -> Self {
        let kerberos = [("hadoop.security.authentication".to_owned(), "kerberos".to_owned())];
        let config = HadoopConfig::load_with(None, &kerberos, &|_| None).unwrap();
        Self { directory: tempfile::tempdir().unwrap(), config }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn find(&self, options: &HdfsOptions, variables: &[(&str, &str)]) -> Result<Credentials, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Credentials::find_with(&self.config, options, NOW, &environment)
            .map_err(|missing| missing.to_string())
    }
}

fn seconds_after_now(seconds: i64) -> u32 {
    u32::try_from(NOW.0 / 1000 + seconds).unwrap()
}

#[test]
fn a_ticket_is_good_until_it_expires() {
    let home = Home::new();
    let none = HdfsOptions::default();
    let later: &[(&[&str], u32)] =
        &[(&["krbtgt", "REALM"], seconds_after_now(60)), (&["hdfs", "nn"], seconds_after_now(1))];
    let path = home.put("cache", &cache(later));
    let found = home.find(&none, &[("KRB5CCNAME", &format!("FILE:{path}"))]).unwrap();
    assert_eq!(found.name.as_deref(), Some("gc@REALM"));
    assert_eq!(found.user().as_deref(), Some("gc"));
    assert_eq!(found.proof, Proof::Ticket(path.clone().into(), Timestamp(NOW.0 + 60_000)));

    home.put("cache", &cache(&[(&["krbtgt", "REALM"], seconds_after_now(-1))]));
    let error = home.find(&none, &[("KRB5CCNAME", &path)]).unwrap_err();
    assert!(error.contains("`gc@REALM`") && error.contains("has expired at 2026-11-23"), "{error}");
    let named = HdfsOptions { principal: Some("other".to_owned()), ..none };
    let error = home.find(&named, &[("KRB5CCNAME", &path)]).unwrap_err();
    assert!(error.contains("`kinit other`"), "{error}");
}

#[test]
fn what_is_not_there_is_said_and_what_cannot_be_told_is_not() {
    let home = Home::new();
    let none = HdfsOptions::default();
    let error = home.find(&none, &[("KRB5CCNAME", "FILE:/nonexistent/cc")]).unwrap_err();
    assert!(error.contains("no ticket in /nonexistent/cc") && error.contains("kinit"), "{error}");
    let found = home.find(&none, &[("KRB5CCNAME", "KCM:")]).unwrap();
    assert_eq!((found.user(), found.proof), (None, Proof::Elsewhere("KCM:".to_owned())));
    // A cache of a version that is not read here, or one cut short, may still be good.
    for bytes in [&b"\x05\x03"[..], &cache(&[(&["krbtgt", "REALM"], 0)])[..40]] {
        let path = home.put("odd", bytes);
        let found = home.find(&none, &[("KRB5CCNAME", &path)]).unwrap();
        assert_eq!(found.proof, Proof::Elsewhere(path));
    }
}

#[test]
fn a_keytab_must_hold_the_principal() {
    let home = Home::new();
    let path = home.put("keytab", &keytab(&["gc", "alice"]));
    let by = |principal: &str, keytab: &str| HdfsOptions {
        principal: Some(principal.to_owned()),
        keytab: Some(keytab.into()),
        ..HdfsOptions::default()
    };
    assert_eq!(home.find(&by("alice", &path), &[]).unwrap().user().as_deref(), Some("alice"));
    assert!(home.find(&by("gc@REALM", &path), &[]).is_ok());
    let error = home.find(&by("bob", &path), &[]).unwrap_err();
    assert!(error.contains("no key of `bob`") && error.contains("`gc@REALM`, `alice@REALM`"), "{error}");
    let error = home.find(&by("gc", "/nonexistent/gc.keytab"), &[]).unwrap_err();
    assert!(error.contains("/nonexistent/gc.keytab cannot be used"), "{error}");
    let error = home.find(&by("gc", &home.put("empty", &keytab(&[]))), &[]).unwrap_err();
    assert!(error.contains("holds no keys"), "{error}");
    // Without a ticket, the keytab of the environment gets one.
    let variables = [("KRB5CCNAME", "FILE:/nonexistent/cc"), ("KRB5_CLIENT_KTNAME", path.as_str())];
    let found = home.find(&HdfsOptions::default(), &variables).unwrap();
    assert_eq!((found.user().as_deref(), found.proof), (Some("gc"), Proof::Keytab(path.into())));
}

#[test]
fn settings_of_kerberos_say_where_to_look() {
    let home = Home::new();
    let path = home.put("cache", &cache(&[(&["krbtgt", "REALM"], seconds_after_now(60))]));
    let uid = whoami_uid();
    let renamed = format!("{path}_{uid}");
    fs::rename(&path, &renamed).unwrap();
    let conf = home
        .put("krb5.conf", format!("[libdefaults]\n default_ccache_name = FILE:{path}_%{{uid}}\n").as_bytes());
    let found = home.find(&HdfsOptions::default(), &[("KRB5_CONFIG", &conf)]).unwrap();
    assert_eq!(found.user().as_deref(), Some("gc"));
}

#[test]
fn without_kerberos_one_is_who_one_says() {
    let home = Home { config: HadoopConfig::default(), ..Home::new() };
    let none = HdfsOptions::default();
    assert_eq!(home.find(&none, &[("HADOOP_USER_NAME", "flink")]).unwrap().user().as_deref(), Some("flink"));
    assert!(home.find(&none, &[]).unwrap().user().is_some());
    // With Kerberos the name is that of whom the calls are for.
    let home = Home::new();
    let path = home.put("keytab", &keytab(&["gc"]));
    let variables =
        [("KRB5_CLIENT_KTNAME", path.as_str()), ("HADOOP_PROXY_USER", "alice"), ("KRB5CCNAME", "/none")];
    assert_eq!(home.find(&none, &variables).unwrap().user().as_deref(), Some("alice"));
}
