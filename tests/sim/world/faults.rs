//! Faults begin and end.

use super::super::plan::{Fault, SECOND, Step};
use super::super::trace::Note;
use super::super::wire::Said;
use super::World;

impl World {
    pub(super) fn fault(&mut self, index: usize, begins: bool) {
        let (from, _, fault) = self.plan.faults[index];
        self.note(Note::Fault(index, begins));
        match (fault, begins) {
            (Fault::ProbeCrash { probe, .. }, true) => {
                self.figures.probe_crashes += 1;
                self.probes[probe] = None;
                self.ledger.ended(probe, self.time);
            }
            (Fault::ProbeCrash { probe, .. }, false) => {
                self.start(probe);
            }
            (Fault::Frozen { probe, clock_too }, false) => {
                self.figures.freezes += 1;
                self.ledger.frozen(probe, from, self.time);
                if let Some(process) = &mut self.probes[probe]
                    && clock_too
                {
                    // Of two that lie over each other, each moment counts once.
                    process.stood_still += self.time - from.max(process.started).max(process.stood_until);
                    process.stood_until = self.time;
                }
            }
            (Fault::CollectorCrash { step: Step::Now }, true) => self.crash(),
            (Fault::CollectorCrash { step }, true) => self.collector.armed = Some(step),
            (Fault::CollectorCrash { .. }, false) => self.restart(),
            (Fault::Revoked { probe }, true) => {
                self.figures.revocations += 1;
                let now = self.collector_now();
                self.collector.tables.probes[probe].revoked_at.get_or_insert(now);
                self.ask_look(0);
            }
            (Fault::Partition { .. } | Fault::Uplink { .. }, true) => self.figures.partitions += 1,
            (Fault::Blip { .. }, true) => self.figures.blips += 1,
            (Fault::CollectorClock { .. }, _) => {
                self.figures.clock_jumps += 1;
                // The task looks each second, whatever the clock said when.
                self.ask_judge(SECOND);
            }
            _ => {}
        }
    }

    pub(super) fn crash(&mut self) {
        self.figures.collector_crashes += 1;
        self.note(Note::Crashed);
        self.collector.up = false;
        self.collector.armed = None;
        self.ledger.collector_ended(self.time);
        for held in std::mem::take(&mut self.collector.held) {
            self.reply(&held.call, None, Said::Broken);
        }
    }

    pub(super) fn restart(&mut self) {
        self.collector.armed = None;
        // Another crash may still be on.
        if self.collector.up || self.is_on(|fault| matches!(fault, Fault::CollectorCrash { .. })) {
            return;
        }
        self.note(Note::Up);
        self.ledger.collector_started(self.time);
        let now = self.collector_now();
        self.collector.start(now);
        self.ask_judge(SECOND / 10);
    }
}
