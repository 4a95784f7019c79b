//! The decision while it is made: one mutable draft that each rule reads and writes.

use std::collections::BTreeSet;

use picket_shared::ids::Region;
use picket_shared::time::Timestamp;

use super::decision::{Because, Decision};
use super::incident::IncidentAction;
use super::input::{Input, Span, Standing, State, Verdict};
use super::notice::Notice;
use super::quorum::{Tally, least_voters};
use super::timing::Timing;
use super::vote::{Ballot, Vote, cast};

pub(super) struct Draft<'a> {
    pub(super) input: &'a Input,
    pub(super) ballots: Vec<Ballot<'a>>,
    pub(super) timing: Timing,
    pub(super) standing: Standing,
    /// The start of the incident that is open, after what was decided so far.
    pub(super) open_since: Option<Timestamp>,
    /// From when the verdict holds that the final state stands for, where that is not now.
    pub(super) verdict_from: Option<Timestamp>,
    pub(super) incidents: Vec<IncidentAction>,
    pub(super) notices: Vec<Notice>,
    pub(super) rechecks: BTreeSet<Region>,
    pub(super) because: Vec<Because>,
    due: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a Input) -> Self {
        Self {
            input,
            ballots: cast(input, input.standing.memory.not_before),
            timing: input.timing(),
            standing: input.standing.clone(),
            open_since: input.incident.as_ref().map(|incident| incident.started_at),
            verdict_from: None,
            incidents: Vec::new(),
            notices: Vec::new(),
            rechecks: BTreeSet::new(),
            because: Vec::new(),
            due: None,
        }
    }

    /// Lets only checks from now on vote.
    pub(super) fn begin_anew(&mut self) {
        self.standing.memory.not_before = self.input.as_of;
        self.ballots = cast(self.input, self.input.as_of);
    }

    pub(super) fn as_of(&self) -> Timestamp {
        self.input.as_of
    }

    /// Everyone who has a vote, but for `mute`.
    pub(super) fn tally(&self, mute: &BTreeSet<Region>) -> Tally<'_> {
        Tally::new(&self.ballots, self.input.monitor.quorum, mute)
    }

    /// Everyone who has a vote.
    pub(super) fn full_tally(&self) -> Tally<'_> {
        self.tally(&BTreeSet::new())
    }

    /// Until when each region is waited for that lost its vote to a trouble of its own: for F, as if it had fallen silent.
    pub(super) fn lately_lost(&self) -> Vec<Timestamp> {
        let left = self.ballots.iter().filter_map(|b| match b.vote {
            Vote::Unmeasured => Some(b.since()),
            Vote::SelfCheckBad => {
                let network = self.standing.memory.networks.get(b.region()).filter(|network| network.bad);
                Some(network.map_or(self.as_of(), |network| network.since))
            }
            _ => None,
        });
        left.map(|left| left + self.timing.freshness()).filter(|until| *until > self.as_of()).collect()
    }

    /// Those whose failure is reason to suspect: not those that are known to fail alone.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &Ballot<'a>> {
        self.ballots.iter().filter(|b| b.is_failing() && !self.is_known_alone(b))
    }

    /// Whether a failing region is known to fail alone. With no other voter left, that is known of a failure which lasts, and
    /// not of one that came after it was good.
    fn is_known_alone(&self, ballot: &Ballot<'a>) -> bool {
        let is_last = || self.ballots.iter().all(|b| b.region() == ballot.region() || !b.has_vote());
        let is_new = || self.standing.memory.alone_at.is_some_and(|alone_at| ballot.since() > alone_at);
        self.standing.overlays.regional.contains(ballot.region()) && !(is_new() && is_last())
    }

    /// Takes those that fail now for regions that fail alone.
    pub(super) fn call_regional(&mut self) {
        self.standing.overlays.regional = self.failing_regions();
        self.standing.memory.alone_at = Some(self.as_of());
    }

    /// Regions with a confirmed failure.
    pub(super) fn failing_regions(&self) -> BTreeSet<Region> {
        let fails = self.ballots.iter().filter(|b| b.vote == Vote::Fail);
        fails.map(|b| b.region().clone()).collect()
    }

    /// Whether too few vote to know anything: fewer than may decide, or none but those known to fail alone.
    pub(super) fn is_thin(&self) -> bool {
        let alone = |b: &&Ballot<'a>| b.is_failing() && self.is_known_alone(b);
        let voters = self.ballots.iter().filter(|b| b.has_vote());
        !self.full_tally().may_decide() || voters.clone().count() == voters.filter(alone).count()
    }

    /// Remembers since when too few vote.
    pub(super) fn note_thinness(&mut self) {
        if !self.is_thin() {
            self.standing.memory.thin_since = None;
        } else if self.standing.memory.thin_since.is_none() {
            let mut known: Vec<_> = self.ballots.iter().map(|b| b.known_until(self.input)).collect();
            known.sort_unstable_by(|a, b| b.cmp(a));
            let last = known.get(least_voters(known.len()) - 1).copied().unwrap_or(self.as_of());
            self.standing.memory.thin_since = Some(last);
        }
    }

    pub(super) fn enter(&mut self, state: State, because: Because) {
        self.standing.state = state;
        self.standing.since = self.as_of();
        self.because.push(because);
    }

    pub(super) fn ask(&mut self, region: &Region) {
        self.rechecks.insert(region.clone());
    }

    /// Wakes the judge at that time, unless it is over already.
    pub(super) fn wake_at(&mut self, time: Timestamp) {
        if time > self.as_of() {
            self.due = Some(self.due.map_or(time, |due| due.min(time)));
        }
    }

    /// Freezes the draft; `verdict` is what holds from [`Draft::verdict_from`] or now.
    pub(super) fn finish(self, verdict: Verdict) -> Decision {
        let spans = self.spans(verdict);
        let watch = !matches!(self.standing.state, State::Up) && !self.standing.overlays.paused;
        Decision {
            standing: self.standing,
            watch,
            incidents: self.incidents,
            spans,
            notices: self.notices,
            rechecks: self.rechecks.into_iter().collect(),
            next_due: self.due,
            because: self.because,
        }
    }

    fn spans(&self, verdict: Verdict) -> Vec<Span> {
        let mut spans = Vec::new();
        let first = Span { start: self.input.monitor.created_at, verdict: Verdict::Pending };
        let last = self.input.span.unwrap_or_else(|| {
            spans.push(first);
            first
        });
        if last.verdict != verdict {
            let start = self.verdict_from.unwrap_or(self.as_of()).min(self.as_of()).max(last.start);
            spans.push(Span { start, verdict });
        }
        spans
    }
}
