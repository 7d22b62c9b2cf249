//! What is the same for a whole history, drawn at its beginning.

use chksweep_core::Age;
use chksweep_core::policy::{OnUnreadable, Policy, RetentionRule};
use chksweep_engine::journal::Mode;

use crate::dice::Dice;
use crate::flink::Setting;
use crate::sweeper::Settings;

/// Where two clusters keep their checkpoints.
pub(crate) const CLUSTERS: [&str; 2] = ["/f/cp", "/g/cp"];

pub(crate) fn setting(dice: &mut Dice) -> Setting {
    let two_clusters = dice.one_in(2);
    let [one, other] = CLUSTERS.map(str::to_owned);
    let checkpoint_roots = if two_clusters { vec![one, other] } else { vec![one] };
    let fixed_id = dice.one_in(6).then(|| fixed_id(dice));
    let highly_available = dice.one_in(2);
    let mut setting = Setting {
        checkpoint_roots,
        savepoint_root: if dice.one_in(2) { "/f/sp".to_owned() } else { "/f/cp".to_owned() },
        changelog_root: dice.one_in(3).then(|| "/f/log".to_owned()),
        subdirectories: !dice.one_in(8),
        high_availability: fixed_id.is_some() || highly_available,
        fixed_id,
        one_job: false,
        metadata_in_place: dice.one_in(6),
        fixed_relative_names: dice.one_in(2),
        reuses_uploads: dice.one_in(2),
        access_times: !dice.one_in(5),
        timeout: Age::hours(10),
    };
    setting.one_job = setting.fixed_id.is_some() && setting.subdirectories && !two_clusters && dice.one_in(2);
    setting
}

/// The id of every application cluster with high availability: up to Flink 1.15 that of all, later that of one name.
fn fixed_id(dice: &mut Dice) -> String {
    let hash = dice.next() as u32;
    match dice.below(3) {
        0 => "0".repeat(32),
        1 => format!("00000000{:08x}{:016x}", hash & 0x7fff_ffff, 0),
        _ => format!("ffffffff{:08x}{:016x}", hash | 0x8000_0000, 0),
    }
}

pub(crate) fn settings(setting: &Setting, dice: &mut Dice) -> Settings {
    let mut policy = Policy::default();
    if !dice.one_in(4) {
        policy.brakes.max_sweep_ratio = 1.0;
    }
    if dice.one_in(2) {
        policy.keep_last = Some(dice.between(1, 3) as u32);
    }
    if dice.one_in(4) {
        policy.savepoint_keep_last = Some(dice.between(1, 2) as u32);
    }
    if !setting.high_availability {
        policy.no_ha = dice.one_in(2);
        if policy.no_ha && dice.one_in(3) {
            policy.expire_jobs_after = Some(Age::days(dice.between(8, 14)));
        }
    }
    if dice.one_in(4) {
        policy.unreadable = OnUnreadable::Isolate;
    }
    if let Some(id) = setting.fixed_id.clone().filter(|_| setting.one_job) {
        policy.rules.push(RetentionRule {
            matches: id,
            keep_last: policy.keep_last,
            keep_within: None,
            savepoint_keep_last: policy.savepoint_keep_last,
            savepoint_keep_within: None,
            expire_jobs_after: policy.expire_jobs_after,
            one_job: true,
        });
    }
    policy.max_dangling = if dice.one_in(2) { 1.0 } else { 0.01 };
    let mut places = setting.checkpoint_roots.clone();
    places.extend([setting.savepoint_root.clone()]);
    places.extend(setting.changelog_root.clone());
    places.sort_unstable();
    places.dedup();
    let mut reference_roots = Vec::new();
    if places.len() > 1 && dice.one_in(2) {
        // One place is only read: mostly that of the other cluster.
        let other = places.iter().position(|place| place == CLUSTERS[1]).filter(|_| !dice.one_in(3));
        let which = other.unwrap_or_else(|| dice.index(places.len()));
        reference_roots.push(places.remove(which));
    }
    let mode = match dice.below(8) {
        0 => Mode::Delete,
        1 => Mode::Trash,
        _ => Mode::Quarantine,
    };
    let purge_after = Age::days(dice.between(1, 7));
    Settings { roots: places, reference_roots, pins: Vec::new(), policy, mode, purge_after }
}

/// The root of the second cluster is only read, and what is swept of the first is deleted.
pub(crate) fn sweep_one_cluster(settings: &mut Settings) {
    let other = CLUSTERS[1].to_owned();
    settings.roots.append(&mut settings.reference_roots);
    settings.roots.retain(|root| *root != other);
    settings.roots.sort_unstable();
    settings.reference_roots.push(other);
    settings.mode = Mode::Delete;
}
