//! One random history: jobs live for some weeks, and now and then somebody runs chksweep.

use chksweep_core::Age;
use chksweep_engine::journal::Mode;
use chksweep_engine::quarantine::Selection;
use chksweep_store::MemoryStore;
use chksweep_store::memory::Denied;

use crate::dice::Dice;
use crate::draw::{self, setting, settings};
use crate::flink::World;
use crate::namenode::{Counts, Death, NameNode, Weather};
use crate::oracle::{Watch, files_of};
use crate::records::Ledger;
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
    /// As real jobs do, in two clusters: one of them is swept, and what goes there is deleted at once; the other, whose
    /// root is only read, goes on from what the first has left.
    Neighbours,
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
    // Made inside, where time stands still: outside, the clock would begin by some microseconds of the machine's.
    runtime.unwrap().block_on(async { History::new(seed, regime, traced).play().await })
}

pub(crate) struct History {
    pub(crate) namenode: NameNode,
    pub(crate) settings: Settings,
    regime: Regime,
    dice: Dice,
    runs: u64,
    planned: Option<Vec<chksweep_core::plan::Entry>>,
}

impl History {
    fn new(seed: u64, regime: Regime, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mut setting = setting(&mut dice);
        let neighbours = regime == Regime::Neighbours;
        if neighbours {
            setting.checkpoint_roots = draw::CLUSTERS.map(str::to_owned).to_vec();
            setting.one_job = false;
        }
        let mut settings = settings(&setting, &mut dice);
        if neighbours {
            draw::sweep_one_cluster(&mut settings);
        }
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
        let namenode =
            NameNode::new(world, watch, Ledger::new(settings.roots.clone()), Dice::new(dice.next()));
        Self { namenode, settings, regime, dice, runs: 0, planned: None }
    }

    async fn play(mut self) -> Outcome {
        let warm_up = self.dice.between(24, 24 * 12);
        self.namenode.pass(Age::hours(warm_up)).await;
        let acts = self.dice.between(3, 8);
        for _ in 0..acts {
            self.act().await;
            if self.is_over() {
                return self.end();
            }
            let hours =
                if self.dice.one_in(6) { self.dice.between(80, 24 * 12) } else { self.dice.below(80) };
            self.namenode.pass(Age::hours(hours)).await;
        }
        if self.regime != Regime::Frantic && self.dice.one_in(10) {
            self.calm_end().await;
        } else if self.settings.mode == Mode::Quarantine && self.dice.one_in(4) {
            self.undo_end().await;
        }
        self.end()
    }

    fn is_over(&self) -> bool {
        let watch = &self.namenode.hub().watch;
        watch.is_given_up || !watch.violations.is_empty()
    }

    fn weather(&mut self) -> Weather {
        let rough = self.dice.below(3);
        let hurry = match self.regime {
            Regime::Natural | Regime::Neighbours => None,
            Regime::Frantic => Some(self.dice.between(1, 12)),
        };
        let dice = &mut self.dice;
        Weather {
            hurry,
            fault: (rough > 0).then(|| dice.between(8, 300)),
            safe_mode: (rough > 1).then(|| dice.between(100, 1000)),
            standby: (rough > 1).then(|| dice.between(100, 1000)),
            pause: (rough > 1).then(|| dice.between(50, 2000)),
            slow: dice.one_in(4).then(|| dice.between(100, 30_000)),
        }
    }

    async fn act(&mut self) {
        if self.settings.mode == Mode::Quarantine
            && !self.settings.reference_roots.is_empty()
            && self.dice.one_in(4)
        {
            self.forget_roots().await;
            self.check();
            return;
        }
        let weather = self.weather();
        self.pin().await;
        let barred = self.bar();
        self.namenode.hub().weather = weather;
        match self.dice.below(20) {
            0..=3 if self.planned.is_none() => self.plan().await,
            0..=5 if self.planned.is_some() => {
                let planned = self.planned.take().unwrap_or_default();
                self.one(Wish::Apply(planned)).await;
            }
            6 | 7 => {
                let selection = self.selection();
                self.one(Wish::Restore(selection, None)).await;
            }
            8 => {
                let selection = self.selection();
                self.one(Wish::Purge(selection)).await;
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

    /// Somebody runs chksweep and forgets the root that is only read. What that moves comes back with the next run
    /// that knows better, and is not purged before.
    async fn forget_roots(&mut self) {
        if self.dice.one_in(2) {
            // The root that is swept is that of a cluster which was given up; another took over what it needed.
            let roots = self.settings.roots.clone();
            self.namenode.hub().world.shut_down(&roots);
            self.one(Wish::Run).await;
            self.namenode.pass(Age::days(9)).await;
        }
        let right = self.settings.clone();
        self.settings.reference_roots.clear();
        let policy = &mut self.settings.policy;
        (policy.keep_last, policy.savepoint_keep_last, policy.expire_jobs_after) = (None, None, None);
        self.one(Wish::Run).await;
        for _ in 0..self.dice.below(4) {
            let hours = self.dice.between(10, 100);
            self.namenode.pass(Age::hours(hours)).await;
            let all = Selection { all: true, ..Selection::default() };
            self.one(Wish::Purge(all)).await;
        }
        self.settings = right;
        self.namenode.pass(Age::minutes(20)).await;
        self.one_that_lives(Wish::Run).await;
        self.namenode.hub().watch.displaced.clear();
    }

    /// Somebody has a plan made, and approves it one day; in between users go back to what it retires.
    async fn plan(&mut self) {
        let End::Done { planned: Some(planned), .. } = self.one(Wish::Plan).await else { return };
        if planned.is_empty() {
            return;
        }
        let path =
            |entry: &chksweep_core::plan::Entry| String::from_utf8_lossy(entry.path.path()).into_owned();
        if self.dice.one_in(2) {
            self.namenode.hub().world.wanted = planned.iter().map(path).collect();
        }
        self.planned = Some(planned);
    }

    /// Now and then somebody protects a file or directory, or does so no longer.
    async fn pin(&mut self) {
        let pins = match self.dice.below(12) {
            0 | 1 => {
                let files: Vec<String> = self.namenode.hub().world.model.files.keys().cloned().collect();
                let file = self.dice.pick(&files).cloned().unwrap_or_default();
                let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
                vec![if self.dice.one_in(2) { file } else { directory }]
            }
            2 | 3 => Vec::new(),
            _ => return,
        };
        // What an earlier run still had under way is through by then.
        self.namenode.pass(Age::minutes(20)).await;
        let pins: Vec<String> = pins.into_iter().filter(|pin| !pin.is_empty()).collect();
        self.namenode.hub().watch.pins.clone_from(&pins);
        self.settings.pins = pins;
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

    /// In frantic times what was moved wrongly is brought back by the next run that gets through, and always what a
    /// job began from just then.
    async fn settle(&mut self) {
        let (begun, displaced) = {
            let watch = &self.namenode.hub().watch;
            (!watch.begun.is_empty(), !watch.displaced.is_empty())
        };
        if !begun && (!displaced || self.regime != Regime::Frantic) {
            return;
        }
        self.namenode.pass(Age::minutes(20)).await;
        self.one_that_lives(Wish::Run).await;
    }

    pub(crate) fn check(&mut self) {
        let mut hub = self.namenode.hub();
        let hub = &mut *hub;
        if hub.watch.is_given_up {
            return;
        }
        if self.regime != Regime::Frantic {
            for (path, _) in std::mem::take(&mut hub.watch.displaced) {
                hub.watch.violations.push(format!("{path} was moved although somebody needs it"));
            }
        }
        hub.watch.check(&hub.world, false);
        let lies = hub.ledger.lies(&hub.world);
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
        // Now and then the clock of the machine is days away; then nothing may happen.
        let jump = if self.dice.one_in(25) { 12 * 24 * 3_600_000 } else { 0 };
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

    pub(crate) async fn one_that_lives(&mut self, wish: Wish) -> End {
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
                if self.regime != Regime::Frantic {
                    hub.watch.violations.push(format!("the checker refuses our own plan: {why}"));
                }
            }
            End::Done { rescued, .. } => hub.counts.rescued += rescued,
            End::Failed(_) | End::Locked => {}
        }
        let now = hub.now();
        hub.world.trace.say(now, || format!("== {wish}: {end}"));
    }

    fn end(self) -> Outcome {
        let mut hub = self.namenode.hub();
        let mut counts = std::mem::take(&mut hub.counts);
        counts.histories = 1;
        counts.given_up = u64::from(hub.watch.is_given_up);
        counts.snapshots = hub.world.model.there().count() as u64;
        Outcome {
            violations: std::mem::take(&mut hub.watch.violations),
            counts,
            trace: hub.world.trace.take(),
        }
    }
}
