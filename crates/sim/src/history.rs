//! One random history: jobs live for some weeks, and now and then somebody runs chksweep.

use chksweep_core::Age;
use chksweep_core::policy::{OnUnreadable, Policy};
use chksweep_engine::journal::Mode;
use chksweep_engine::quarantine::Selection;
use chksweep_store::MemoryStore;
use chksweep_store::memory::Denied;

use crate::dice::Dice;
use crate::flink::{Setting, World};
use crate::namenode::{Counts, Death, NameNode, Weather};
use crate::oracle::{Watch, files_of};
use crate::records;
use crate::sweeper::{End, Process, Settings, Wish};
use crate::trace::Trace;

/// How fast the world goes beside chksweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// As real jobs do: seconds and minutes lie between two of their steps.
    Natural,
    /// As no cluster ever does: something happens between nearly any two calls. What a look cannot see then may be
    /// moved, and must come back by itself.
    Frantic,
}

/// What became of a history.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What did not hold; nothing where all is well.
    pub violations: Vec<String>,
    /// How many of each there were.
    pub counts: Counts,
    /// What happened, line by line, where that was wanted.
    pub trace: Vec<String>,
}

/// Plays the history of a seed.
pub fn play(seed: u64, regime: Regime, traced: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(History::new(seed, regime, traced).play())
}

struct History {
    namenode: NameNode,
    settings: Settings,
    regime: Regime,
    dice: Dice,
    runs: u64,
    planned: Option<Vec<chksweep_core::plan::Entry>>,
}

impl History {
    fn new(seed: u64, regime: Regime, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let setting = setting(&mut dice);
        let settings = settings(&setting, &mut dice);
        let memory = MemoryStore::new("hdfs", "ns");
        memory.set_page_size(dice.between(2, 6) as usize);
        let watch = Watch {
            policy: settings.policy.clone(),
            deletes: settings.mode != Mode::Quarantine,
            ..Watch::default()
        };
        memory.set_trash(settings.mode == Mode::Trash);
        let mut trace = Trace::new(traced);
        trace.say(memory.now(), || format!("{setting:?}\n{settings:?}"));
        let world = World::new(memory, setting, Dice::new(dice.next()), trace);
        let namenode = NameNode::new(world, watch, Dice::new(dice.next()));
        Self { namenode, settings, regime, dice, runs: 0, planned: None }
    }

    async fn play(mut self) -> Outcome {
        let warm_up = self.dice.between(24, 24 * 8);
        self.namenode.pass(Age::hours(warm_up)).await;
        let acts = self.dice.between(3, 8);
        for _ in 0..acts {
            self.act().await;
            if !self.namenode.hub().watch.violations.is_empty() {
                return self.end();
            }
            let hours = self.dice.between(0, 80);
            self.namenode.pass(Age::hours(hours)).await;
        }
        if self.regime == Regime::Natural && self.dice.one_in(6) {
            self.calm_end().await;
        }
        self.end()
    }

    fn weather(&mut self) -> Weather {
        let rough = self.dice.below(3);
        let hurry = match self.regime {
            Regime::Natural => None,
            Regime::Frantic => Some(self.dice.between(1, 12)),
        };
        let dice = &mut self.dice;
        Weather {
            hurry,
            fault: (rough > 0).then(|| dice.between(8, 300)),
            safe_mode: (rough > 1).then(|| dice.between(100, 1000)),
            pause: (rough > 1).then(|| dice.between(50, 2000)),
        }
    }

    async fn act(&mut self) {
        let weather = self.weather();
        let barred = self.bar();
        self.namenode.hub().weather = weather;
        match self.dice.below(20) {
            0..=2 => {
                let end = self.one(Wish::Plan).await;
                if let End::Done { planned: Some(planned), .. } = end {
                    self.planned = Some(planned);
                }
            }
            3..=5 if self.planned.is_some() => {
                let planned = self.planned.take().unwrap_or_default();
                self.one(Wish::Apply(planned)).await;
            }
            6 | 7 => {
                let selection = self.selection();
                self.one(Wish::Restore(selection)).await;
            }
            8 => {
                let all = Selection { all: true, ..Selection::default() };
                self.one(Wish::Purge(all)).await;
            }
            9 | 10 => self.two().await,
            _ => {
                self.one(Wish::Run).await;
            }
        }
        self.namenode.hub().weather = Weather::FAIR;
        if let Some(path) = barred {
            self.namenode.hub().world.memory.allow(path);
        }
        self.settle().await;
        self.check();
    }

    /// Now and then there is a directory that chksweep may not read, and that holds metadata.
    fn bar(&mut self) -> Option<String> {
        if !self.dice.one_in(8) {
            return None;
        }
        let hub = self.namenode.hub();
        let paths: Vec<String> = hub.world.model.there().map(|(_, snapshot)| snapshot.path.clone()).collect();
        let path = self.dice.pick(&paths)?.trim_end_matches("/_metadata").to_owned();
        hub.world.memory.deny(&path, Denied::Reading);
        Some(path)
    }

    /// In frantic times what was moved wrongly is brought back by the next run that gets through.
    async fn settle(&mut self) {
        if self.namenode.hub().watch.displaced.is_empty() || self.regime == Regime::Natural {
            return;
        }
        self.namenode.pass(Age::minutes(20)).await;
        self.one_that_lives(Wish::Run).await;
    }

    fn check(&mut self) {
        let mut hub = self.namenode.hub();
        let hub = &mut *hub;
        if self.regime == Regime::Natural {
            for (path, _) in std::mem::take(&mut hub.watch.displaced) {
                hub.watch.violations.push(format!("{path} was moved although somebody needs it"));
            }
        }
        hub.watch.check(&hub.world, false);
        let lies = records::lies(&hub.world);
        hub.watch.violations.extend(lies);
    }

    fn selection(&mut self) -> Selection {
        let hub = self.namenode.hub();
        let files = files_of(&hub.world);
        drop(hub);
        let inside: Vec<&String> =
            files.iter().filter(|path| path.contains("/.chksweep/quarantine/")).collect();
        let some = self.dice.pick(&inside).map(|path| (*path).clone());
        let Some(path) = some.filter(|_| self.dice.one_in(2)) else {
            return Selection { all: true, ..Selection::default() };
        };
        let run =
            path.split("/quarantine/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        Selection { runs: vec![run.to_owned()], ..Selection::default() }
    }

    fn process(&mut self, death: Death) -> Process<'_> {
        self.runs += 1;
        let (minutes, sign) = (self.dice.below(6) as i64, if self.dice.one_in(2) { 1 } else { -1 });
        // Now and then the clock of the machine is hours away; then nothing may happen.
        let jump = if self.dice.one_in(25) { 36 * 3_600_000 } else { 0 };
        let run_id = format!("run-{:03}", self.runs);
        Process {
            namenode: &self.namenode,
            settings: &self.settings,
            run_id,
            death,
            ahead: sign * (minutes * 50_000 + jump),
            break_lock: self.dice.one_in(10),
        }
    }

    fn death(&mut self) -> Death {
        let calls = self
            .dice
            .one_in(3)
            .then(|| if self.dice.one_in(2) { self.dice.between(1, 60) } else { self.dice.between(1, 700) });
        Death::after(calls)
    }

    async fn one(&mut self, wish: Wish) -> End {
        let death = self.death();
        let name = format!("{wish:.60?}");
        let end = self.process(death).live(wish).await;
        self.note(&name, &end);
        end
    }

    async fn one_that_lives(&mut self, wish: Wish) -> End {
        let mut process = self.process(Death::default());
        (process.ahead, process.break_lock) = (0, true);
        let end = process.live(wish).await;
        self.note("run", &end);
        end
    }

    /// Two processes at the same time, on two machines.
    async fn two(&mut self) {
        let (one, other) = (self.death(), self.death());
        let id = self.runs;
        self.runs += 2;
        let (namenode, settings) = (&self.namenode, &self.settings);
        let process = |number: u64, death: Death, break_lock: bool| Process {
            namenode,
            settings,
            run_id: format!("run-{:03}", id + number),
            death,
            ahead: 0,
            break_lock,
        };
        let breaks = self.dice.one_in(2);
        let late = Age(self.dice.below(400));
        let one = process(1, one, false);
        let other = process(2, other, breaks);
        let second = async {
            namenode.pass(late).await;
            other.live(Wish::Run).await
        };
        let (one, other) = tokio::join!(one.live(Wish::Run), second);
        self.note("run beside another", &one);
        self.note("run beside another", &other);
    }

    fn note(&self, wish: &str, end: &End) {
        let mut hub = self.namenode.hub();
        hub.counts.runs += 1;
        match end {
            End::Killed => hub.counts.kills += 1,
            End::Refused(why) => {
                hub.counts.refused += 1;
                if self.regime == Regime::Natural {
                    hub.watch.violations.push(format!("the checker refuses our own plan: {why}"));
                }
            }
            End::Done { rescued, .. } => hub.counts.rescued += rescued,
            End::Failed(_) | End::Locked => {}
        }
        let now = hub.now();
        hub.world.trace.say(now, || format!("== {wish}: {end}"));
    }

    /// Every job has ended, and the sky is clear: run by run, all garbage goes.
    async fn calm_end(&mut self) {
        self.namenode.hub().world.calm_down();
        // A lock that a killed run left grows silent; then a look, a second one a day later, and what they sweep is
        // purged when its time is up.
        let mut held = true;
        let expiry = self.settings.policy.expire_jobs_after.map_or(0, |age| age.0 / 86_400_000 + 12);
        for _ in 0..26 + expiry {
            self.namenode.pass(Age::hours(25)).await;
            held = !matches!(self.one_that_lives(Wish::Run).await, End::Done { held: false, .. });
        }
        self.check();
        let why = match self.one_that_lives(Wish::PlanAll).await {
            End::Done { planned: Some(entries), .. } => entries,
            _ => Vec::new(),
        };
        let rule = |path: &String| {
            let location = format!("hdfs://ns{path}");
            let covers = |entry: &&chksweep_core::plan::Entry| {
                let at = entry.path.to_string();
                location == at || location.starts_with(&format!("{at}/"))
            };
            why.iter()
                .find(covers)
                .map_or("not planned".to_owned(), |entry| format!("{:?}", entry.verdict.rule))
        };
        let mut hub = self.namenode.hub();
        let is_swept =
            |path: &String| self.settings.roots.iter().any(|root| path.starts_with(&format!("{root}/")));
        let setting = &hub.world.setting;
        let savepoint = hub.world.model.there().any(|(_, snapshot)| snapshot.savepoint);
        let undead = !self.settings.reference_roots.is_empty()
            || !setting.subdirectories
            || setting.fixed_id
            || savepoint;
        // Running state waits for the death of its job and of all who use it. A job none of whose own directories
        // is swept is never proved dead, nor is one without a directory or an id of its own, nor the job of a
        // savepoint. Once an empty `shared` is gone, a log that could not be moved with it is nobody's, and a `chk-N`
        // looks like that of a Flink which had no `shared`.
        let is_alone = |path: &String| {
            let job = path.split("/dstl/").next().unwrap_or_default();
            path.contains("/dstl/") && !hub.world.memory.exists(format!("{job}/shared"))
        };
        let is_hopeless = |path: &String| match rule(path).as_str() {
            "JobNotDead" => undead || is_alone(path),
            "UnknownName" => path.contains("/chk-"),
            _ => false,
        };
        let left: Vec<String> =
            garbage(&hub.world).into_iter().filter(is_swept).filter(|path| !is_hopeless(path)).collect();
        // What is held back for a reason that it tells is for people to decide.
        if left.is_empty() {
            hub.counts.calm_ends += 1;
        } else if !held {
            let some: Vec<String> =
                left.iter().take(5).map(|path| format!("{}:{path}", rule(path))).collect();
            let message = format!("{} files of garbage are left for ever, as {some:?}", left.len());
            hub.watch.violations.push(message);
        }
    }

    fn end(self) -> Outcome {
        let mut hub = self.namenode.hub();
        let mut counts = std::mem::take(&mut hub.counts);
        counts.histories = 1;
        counts.snapshots = hub.world.model.there().count() as u64;
        Outcome {
            violations: std::mem::take(&mut hub.watch.violations),
            counts,
            trace: hub.world.trace.take(),
        }
    }
}

/// Files that nobody needs.
fn garbage(world: &World) -> Vec<String> {
    let mut needed: std::collections::BTreeSet<&String> = std::collections::BTreeSet::new();
    for (_, snapshot) in world.model.there() {
        needed.extend(world.model.files_of(snapshot));
    }
    // A directory of file merging goes whole or not at all.
    let mut kept: Vec<String> =
        world.model.there().flat_map(|(_, snapshot)| snapshot.directories.clone()).collect();
    let directory = |path: &str| path.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned());
    kept.extend(needed.iter().map(|path| directory(path)).filter(|dir| dir.contains("/job_")));
    let is_own = |path: &String| {
        path.contains("/.Trash/") || path.contains("/.chksweep/") && !path.contains("/quarantine/")
    };
    files_of(world)
        .into_iter()
        .filter(|path| !is_own(path) && !needed.contains(path) && !kept.contains(&directory(path)))
        .collect()
}

fn setting(dice: &mut Dice) -> Setting {
    let two_clusters = dice.one_in(3);
    let mut checkpoint_roots = vec!["/f/cp".to_owned()];
    if two_clusters {
        checkpoint_roots.push("/g/cp".to_owned());
    }
    Setting {
        checkpoint_roots,
        savepoint_root: if dice.one_in(2) { "/f/sp".to_owned() } else { "/f/cp".to_owned() },
        changelog_root: dice.one_in(3).then(|| "/f/log".to_owned()),
        subdirectories: !dice.one_in(8),
        fixed_id: dice.one_in(6),
        high_availability: dice.one_in(2),
        metadata_in_place: dice.one_in(6),
        fixed_relative_names: dice.one_in(2),
        reuses_uploads: dice.one_in(2),
        timeout: Age::hours(10),
    }
}

fn settings(setting: &Setting, dice: &mut Dice) -> Settings {
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
    policy.max_dangling = if dice.one_in(2) { 1.0 } else { 0.01 };
    let mut places = setting.checkpoint_roots.clone();
    places.extend([setting.savepoint_root.clone()]);
    places.extend(setting.changelog_root.clone());
    places.sort_unstable();
    places.dedup();
    let mut reference_roots = Vec::new();
    if places.len() > 1 && dice.one_in(3) {
        // The second place is only read.
        reference_roots.push(places.remove(dice.index(places.len())));
    }
    let mode = match dice.below(8) {
        0 => Mode::Delete,
        1 => Mode::Trash,
        _ => Mode::Quarantine,
    };
    let purge_after = Age::days(dice.between(1, 7));
    Settings { roots: places, reference_roots, policy, mode, purge_after }
}
