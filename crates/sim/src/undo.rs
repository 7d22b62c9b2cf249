//! Another end of a history: somebody undoes all that was swept, and what a policy had set aside is whole again.

use std::sync::Arc;

use chksweep_core::{Age, Location};
use chksweep_engine::quarantine::Selection;

use crate::history::History;
use crate::oracle::files_of;
use crate::sweeper::Wish;

impl History {
    /// Brings back all that lies in quarantine, in fair weather, and looks whether every checkpoint and savepoint that
    /// Flink could restore from is there: in place, or where a person wanted it whose job may be running.
    pub(crate) async fn undo_end(&mut self) {
        // What an earlier run still had under way is through by then, and no NameNode is in safe mode or standby any more.
        self.namenode.pass(Age::minutes(40)).await;
        let all = Selection { all: true, ..Selection::default() };
        let all_of_them = self.set_aside();
        self.one_that_lives(Wish::Restore(all, None)).await;
        for at in self.set_aside() {
            let Some(from) = self.lies_at(at) else {
                self.miss(at);
                continue;
            };
            let to = format!("{}/undone-{at}", self.settings.roots[0]);
            let one = Selection { paths: vec![location(&from)], ..Selection::default() };
            self.one_that_lives(Wish::Restore(one, Some(location(&to)))).await;
            self.look_whether_it_is_back(at, &to);
        }
        self.check();
        let mut hub = self.namenode.hub();
        let hub = &mut *hub;
        let is_back = |at: &&usize| {
            let snapshot = &hub.world.model.snapshots[**at];
            snapshot.retired.is_none() || snapshot.gone
        };
        hub.counts.undone += all_of_them.iter().filter(is_back).count() as u64;
    }

    /// What a policy has set aside that Flink could restore from.
    fn set_aside(&self) -> Vec<usize> {
        let hub = self.namenode.hub();
        let model = &hub.world.model;
        let there =
            model.there().filter(|(_, snapshot)| snapshot.retired.is_some() && model.is_whole(snapshot));
        there.map(|(at, _)| at).collect()
    }

    /// Where the `_metadata` of a snapshot lies in quarantine.
    fn lies_at(&self, at: usize) -> Option<String> {
        let hub = self.namenode.hub();
        let snapshot = &hub.world.model.snapshots[at];
        let tail = snapshot.path.rsplit('/').take(2).collect::<Vec<_>>();
        let tail = format!("/{}/{}", tail[1], tail[0]);
        let lies = |path: &String| {
            path.contains("/.chksweep/quarantine/")
                && path.ends_with(&tail)
                && hub
                    .world
                    .memory
                    .contents(path)
                    .is_some_and(|bytes| bytes.as_ref() == snapshot.bytes.as_ref())
        };
        files_of(&hub.world).into_iter().find(lies)
    }

    /// Looks whether a snapshot is whole at the place that was given for it. What lay beside it alone, and is named
    /// relative to it, goes with it. Flink may have deleted some of it in the meantime.
    fn look_whether_it_is_back(&mut self, at: usize, to: &str) {
        let mut hub = self.namenode.hub();
        let hub = &mut *hub;
        let (model, memory) = (&hub.world.model, &hub.world.memory);
        let snapshot = &model.snapshots[at];
        if !model.is_whole(snapshot) || snapshot.retired.is_none() {
            return;
        }
        let is_there = |place: &str, bytes: &[u8]| memory.contents(place).is_some_and(|real| *real == *bytes);
        let mut missing = Vec::new();
        for path in model.files_of(snapshot) {
            let bytes = &model.files[path];
            let beside = format!("{to}/{}", path.rsplit('/').next().unwrap_or_default());
            if is_there(&beside, bytes) {
                hub.watch.removed.insert(path.clone(), Arc::clone(bytes));
            } else if *path == snapshot.path || !is_there(path, bytes) {
                missing.push(path.clone());
            }
        }
        if let Some(path) = missing.first() {
            let why = format!("comes back without {path}");
            hub.watch.violations.push(format!("{} was set aside and {why}", snapshot.path));
        }
        hub.world.model.snapshots[at].gone = true;
    }

    fn miss(&mut self, at: usize) {
        let mut hub = self.namenode.hub();
        let path = hub.world.model.snapshots[at].path.clone();
        hub.watch.violations.push(format!("{path} was set aside and is in no quarantine"));
    }
}

fn location(path: &str) -> Location {
    Location::from_parts(Some("hdfs"), Some("ns"), path.as_bytes())
}
