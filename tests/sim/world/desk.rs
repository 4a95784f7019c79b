//! What comes to the collector, and what it does by itself.

use std::time::Duration;

use picket_shared::time::Timestamp;
use picket_shared::wire::RefusalCode;

use super::super::collector::{Done, Handled};
use super::super::plan::{Fault, SECOND, Step};
use super::super::trace::Note;
use super::super::wire::{Call, Reply, Request, Said};
use super::{Event, World, since_start};

impl World {
    pub(super) fn arrives(&mut self, call: Call) -> Result<(), String> {
        let call = Call { came: self.time, ..call };
        if !self.collector.up {
            self.reply(&call, None, Said::Broken);
            return Ok(());
        }
        let foreign = self.plan.faults.iter().find_map(|(from, to, fault)| match fault {
            Fault::Foreign { status } if *from <= self.time && self.time < *to => Some(*status),
            _ => None,
        });
        if let Some(status) = foreign {
            self.reply(&call, None, Said::Foreign(status));
            return Ok(());
        }
        let now = self.collector_now();
        if self.is_on(|fault| *fault == Fault::DatabaseAway) {
            let code = RefusalCode::Unavailable;
            let said = Said::Refused(code, Some(Duration::from_secs(5)));
            self.reply(&call, Some(now), said);
            return Ok(());
        }
        let (handled, done) = self.collector.handle(&call, now);
        match done {
            Done::Stored { seq, through } => {
                self.figures.batches += 1;
                self.note(Note::Stored { probe: call.probe, seq, through: since_start(through) });
                self.ask_judge(SECOND / 20);
            }
            Done::Repeated { seq } => {
                self.figures.repeated += 1;
                self.note(Note::Repeated { probe: call.probe, seq });
            }
            Done::Other => {}
        }
        match handled {
            Handled::Held => self.ask_look(5 * SECOND),
            Handled::Ended => {
                self.crash();
                self.reply(&call, None, Said::Broken);
            }
            Handled::Answer(said) => {
                if let Said::Refused(code, _) = said {
                    self.figures.refusals += 1;
                    self.note(Note::Refused { probe: call.probe, code: code.as_str() });
                }
                if matches!(&said, Said::Keys(_)) {
                    self.figures.keys_granted += 1;
                }
                if matches!(call.ask, Request::Hello) {
                    self.note(Note::Hello { probe: call.probe });
                }
                let receipt = matches!(said, Said::Receipt(_));
                self.reply(&call, Some(now), said);
                if receipt && self.collector.armed == Some(Step::BeforeJudge) {
                    self.crash();
                }
            }
        }
        Ok(())
    }

    pub(super) fn reply(&mut self, call: &Call, time: Option<Timestamp>, said: Said) {
        let held = Duration::from_micros(u64::try_from(self.time - call.came).unwrap_or(0));
        let reply = Reply { held, time, said };
        if let Some(way) = self.way(call.probe, false) {
            self.push(self.time + way, Event::Answers(call.probe, call.life, call.id, Box::new(reply)));
        }
    }

    pub(super) fn look(&mut self) {
        let now = self.collector_now();
        if !self.collector.up {
            return;
        }
        for (call, said) in self.collector.look_again(now) {
            self.reply(&call, Some(now), said);
        }
        if !self.collector.held.is_empty() {
            self.ask_look(5 * SECOND);
        }
    }

    /// Has everybody who waits for news looked at, after so long at most.
    pub(super) fn ask_look(&mut self, after: i64) {
        let at = self.time + after;
        if self.look_at.is_none_or(|known| at < known) {
            self.look_at = Some(at);
            self.push(at, Event::Look);
        }
    }

    /// Has the judge look within so long.
    pub(super) fn ask_judge(&mut self, within: i64) {
        let at = self.time + self.rng.between(1_000, within.max(2_000));
        if self.judge_at.is_none_or(|known| at < known) {
            self.judge_at = Some(at);
            self.push(at, Event::Judge);
        }
    }

    pub(super) fn judge(&mut self) -> Result<(), String> {
        if !self.collector.up || self.is_on(|fault| *fault == Fault::DatabaseAway) {
            if self.collector.up {
                self.ask_judge(SECOND);
            }
            return Ok(());
        }
        let now = self.collector_now();
        let Some(judged) = self.collector.judge(now) else {
            self.crash();
            return Ok(());
        };
        for judged in judged {
            self.figures.judged += 1;
            self.ledger.judged(&judged, &self.collector.tables, &mut self.trace, &mut self.figures, self.time)?;
            if !judged.decision.rechecks.is_empty() {
                self.ask_look(10_000);
            }
        }
        let due = self.collector.tables.monitors.iter().filter_map(|monitor| monitor.due_at).min();
        if let Some(due) = due {
            // The task runs each second, so a timer is up to so late.
            let wait = due.micros_since(now).max(0) + self.rng.between(1_000, SECOND);
            let at = self.time + wait;
            if self.judge_at.is_none_or(|known| at < known) {
                self.judge_at = Some(at);
                self.push(at, Event::Judge);
            }
        }
        Ok(())
    }

    pub(super) fn gaps(&mut self) {
        self.push(self.time + 5 * SECOND, Event::Gaps);
        if self.collector.up && !self.is_on(|fault| *fault == Fault::DatabaseAway) {
            let now = self.collector_now();
            for probe in self.collector.find_silent(now) {
                self.note(Note::Silent { probe });
            }
        }
    }
}
