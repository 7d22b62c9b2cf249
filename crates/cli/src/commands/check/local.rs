//! What is checked on this machine: the configuration, and the directory for the records of runs.

use std::path::Path;

use chksweep_engine::state;
use rustix::fs::Access;

use super::Finding;
use crate::app::Context;
use crate::failure::Outcome;
use crate::settings::Mode;
use crate::stores::FileSystems;

/// Checks what is on this machine.
pub(super) fn all(context: &Context, systems: &FileSystems) -> Outcome<Vec<Finding>> {
    let mut findings = vec![configuration(context), hadoop(systems)];
    findings.push(state_directory(&context.settings.state_dir()?));
    findings.extend(trash(context, systems)?);
    Ok(findings)
}

fn configuration(context: &Context) -> Finding {
    let profile = context.settings.profile.as_deref().map(|profile| format!(", profile `{profile}`"));
    match &context.settings.file {
        Some(file) => {
            Finding::ok("configuration", format!("{}{}", file.display(), profile.unwrap_or_default()))
        }
        None => Finding::ok("configuration", "no file; flags, environment and defaults"),
    }
}

fn hadoop(systems: &FileSystems) -> Finding {
    let hadoop = systems.hadoop();
    let Some(directory) = hadoop.directory() else {
        return Finding::ok("hadoop", "no Hadoop configuration is named (--hadoop-conf, HADOOP_CONF_DIR)");
    };
    let names: Vec<String> =
        hadoop.nameservices().unwrap_or_default().into_iter().map(|nameservice| nameservice.name).collect();
    let names =
        if names.is_empty() { String::new() } else { format!("; nameservices: {}", names.join(", ")) };
    if hadoop.files().is_empty() {
        return Finding::warning("hadoop", "neither core-site.xml nor hdfs-site.xml is there")
            .about(directory.display())
            .next("name the directory that holds them with `--hadoop-conf` or HADOOP_CONF_DIR");
    }
    Finding::ok("hadoop", format!("{}{names}", directory.display()))
}

/// Whether the records of runs can be written, and by nobody else.
fn state_directory(directory: &Path) -> Finding {
    let finding = match state::check_state(directory) {
        Err(error) => Finding::error("state", error.to_string())
            .next("name another directory with `--state-dir`, or correct its owner and mode"),
        Ok(()) => writable(directory),
    };
    finding.about(directory.display())
}

fn writable(directory: &Path) -> Finding {
    // The nearest directory that is there is the one in which the rest is made.
    let there = directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if there == directory => Finding::ok("state", "records of runs can be written"),
        Ok(()) => Finding::ok("state", "it is made by the first run, for this user alone"),
        Err(error) => {
            let what = std::io::Error::from(error);
            Finding::error("state", format!("{} cannot be written to: {what}", there.display()))
                .next("name a directory that can be written to with `--state-dir`")
        }
    }
}

fn trash(context: &Context, systems: &FileSystems) -> Outcome<Option<Finding>> {
    if context.settings.sweeping()?.mode != Mode::Trash {
        return Ok(None);
    }
    if let Some(root) = context.settings.roots()?.iter().find(|root| root.scheme() == Some("file")) {
        let finding = Finding::error("trash", "the mode is trash, and a local disk has none").about(root);
        return Ok(Some(finding.next("say `--mode quarantine`, which is the default").of_configuration()));
    }
    Ok(Some(match systems.hadoop().trash_interval_minutes() {
        Ok(Some(minutes)) if minutes > 0 => Finding::ok(
            "trash",
            format!("this configuration has it on ({minutes} min); what the NameNode has counts, not tried"),
        ),
        Ok(_) => Finding::warning(
            "trash",
            "fs.trash.interval is not set here; what the NameNode has counts, and only a move into the trash shows \
             it: not tried",
        )
        .next("have fs.trash.interval set on the NameNode, or use the quarantine, which is the default"),
        Err(error) => Finding::error("trash", error.to_string())
            .next("correct the value in the Hadoop configuration")
            .of_configuration(),
    }))
}
