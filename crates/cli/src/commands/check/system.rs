//! What is checked of a file system: who this user is to it, and whether it answers.

use std::sync::Arc;

use chksweep_core::{Age, Location, Timestamp};
use chksweep_hdfs::credentials::{Credentials, Missing, Proof};
use chksweep_store::{ErrorKind, ReadStore, StoreError};

use tokio::time::Instant;

use super::root::{self, Use};
use super::{Finding, TO_ANSWER, TO_CONNECT};
use crate::app::Context;
use crate::failure::Outcome;
use crate::stores::FileSystems;

/// A ticket that ends sooner may end before a run does.
const SOON: Age = Age::hours(1);

/// Checks a file system, and the roots that lie on it.
pub(super) async fn check(
    context: &Context,
    systems: &FileSystems,
    location: &Location,
    places: Vec<(&Location, Use)>,
    now: Timestamp,
) -> Outcome<Vec<Finding>> {
    let system = location.with_path(b"/");
    let mut findings = Vec::new();
    if let Some(found) = systems.credentials(location, now) {
        findings.push(credentials(found, now).about(&system));
    }
    let store = match systems.probe(location, TO_CONNECT).await {
        Ok(store) => store,
        Err(error) => {
            findings.push(unreachable(&error).about(&system));
            return Ok(findings);
        }
    };
    if location.scheme() != Some("file") {
        findings.push(Finding::ok("server", "an active NameNode answers").about(&system));
        findings.extend(user(&store).map(|finding| finding.about(&system)));
    }
    let skew_is_allowed = context.settings.allow_clock_skew()?;
    let until = Instant::now() + TO_ANSWER;
    let of_roots = places.into_iter().map(|(location, usage)| {
        let root = root::Root { location: location.clone(), usage, now, skew_is_allowed, until };
        root::check(Arc::clone(&store), root)
    });
    findings.extend(futures::future::join_all(of_roots).await.into_iter().flatten());
    Ok(findings)
}

fn credentials(found: Result<Credentials, Missing>, now: Timestamp) -> Finding {
    const CHECK: &str = "credentials";
    let found = match found {
        Ok(found) => found,
        Err(missing) => {
            return Finding::error(CHECK, missing.to_string())
                .next("run `kinit`, or give `--kerberos-principal` with `--kerberos-keytab`");
        }
    };
    let name = found.name.as_deref().unwrap_or("unknown");
    let finding = match &found.proof {
        Proof::Simple => Finding::ok(CHECK, format!("no Kerberos; the user is {name}")),
        Proof::Token(file) => Finding::ok(CHECK, format!("a delegation token in {}", file.display())),
        Proof::Keytab(file) => Finding::ok(CHECK, format!("{name} by the keytab {}", file.display())),
        Proof::Elsewhere(what) => {
            Finding::ok(CHECK, format!("the ticket cache `{what}`, which cannot be looked into"))
        }
        Proof::Ticket(file, expires) if expires.since(now) < SOON => Finding::warning(
            CHECK,
            format!(
                "the ticket of {name} in {} ends at {expires}, perhaps before a run does",
                file.display()
            ),
        )
        .next("run `kinit` anew, or use a keytab, which does not expire"),
        Proof::Ticket(file, expires) => {
            Finding::ok(CHECK, format!("the ticket of {name} in {}, good until {expires}", file.display()))
        }
    };
    match &found.on_behalf_of {
        Some(other) => Finding { message: format!("{}, on behalf of {other}", finding.message), ..finding },
        None => finding,
    }
}

fn unreachable(error: &StoreError) -> Finding {
    let finding = Finding::error("server", error.message.clone());
    match error.kind {
        ErrorKind::Unsupported => {
            finding.of_configuration().next("correct the Hadoop configuration or the URL")
        }
        ErrorKind::Unauthenticated if error.message.contains("libgssapi") => {
            Finding { check: "library", ..finding }.next("install the package, then check again")
        }
        ErrorKind::Unauthenticated => {
            finding.next("see `credentials` above; `kinit -V` or `kinit -kt` shows what the KDC says")
        }
        ErrorKind::Busy => {
            finding.next("check again when a NameNode is active: `hdfs haadmin -getAllServiceState`")
        }
        ErrorKind::TimedOut | ErrorKind::Unreachable => {
            finding.next("check the address and the network, and whether the NameNode is up")
        }
        ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::NotEmpty
        | ErrorKind::WrongType
        | ErrorKind::PermissionDenied
        | ErrorKind::QuotaExceeded
        | ErrorKind::Corrupt
        | ErrorKind::Unrepresentable
        | ErrorKind::TooLarge
        | ErrorKind::Other => finding.next("see what the NameNode's log says of it"),
    }
}

/// Without a name it cannot be told whether a `.chksweep` is our own.
fn user(store: &Arc<dyn ReadStore>) -> Option<Finding> {
    store.user().is_none().then(|| {
        Finding::error("user", "it cannot be told what HDFS calls this user, which a run must know")
            .next("say `--known-as NAME`, or write `known-as = \"NAME\"` into the configuration file")
    })
}
