//! What happens in one run: a function of the seed and of nothing else. Times are microseconds since the start.

use super::rng::Rng;

pub(crate) const SECOND: i64 = 1_000_000;
/// Everything is caught up so long after the last fault has ended.
pub(crate) const CAUGHT_UP: i64 = 120 * SECOND;

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Whether every batch is pressed and every token signed and verified; else what they say is carried as it is.
    pub(crate) wire: bool,
    /// One probe each.
    pub(crate) regions: usize,
    pub(crate) monitors: Vec<Monitor>,
    /// Bytes that a probe's buffer may take.
    pub(crate) buffer: usize,
    /// Requests and answers that are lost, that come twice, and that come late, in a thousand.
    pub(crate) net: Net,
    /// How long the day keys of the start still hold.
    pub(crate) key_life: i64,
    /// Probes have reference targets, so that their self-check can be bad.
    pub(crate) references: bool,
    pub(crate) faults: Vec<(i64, i64, Fault)>,
    /// When the last fault has ended and no check fails but for an outage.
    pub(crate) calm: i64,
    /// Every target fails from so long after the run has caught up.
    pub(crate) last_outage: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) interval_s: u32,
    pub(crate) timeout_s: u32,
    /// A failing check takes the whole timeout.
    pub(crate) slow: bool,
    /// When the target is down.
    pub(crate) outages: Vec<(i64, i64)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Net {
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    pub(crate) slow: u64,
    /// The longest way.
    pub(crate) slowest: i64,
}

/// What goes wrong from one time to another; what has no length ends at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Requests of the probe are lost (`up`), or the answers to it (`down`).
    Partition { probe: usize, up: bool, down: bool },
    /// The probe can reach neither collector nor targets.
    Uplink { probe: usize },
    /// The region cannot reach the targets; its self-check says so or not.
    Blip { probe: usize, monitor: Option<usize>, known: bool },
    /// The probe ends without a word and starts again, with a machine's clock that is so much off.
    ProbeCrash { probe: usize, wrong_us: i64 },
    /// The probe stands still, its clock with it or not.
    Frozen { probe: usize, clock_too: bool },
    /// The collector ends at the next step of that kind and starts again.
    CollectorCrash { step: Step },
    /// The collector's database is away.
    DatabaseAway,
    /// Something in between answers in the collector's place.
    Foreign { status: u16 },
    /// The clock of the collector's machine is so much off.
    CollectorClock { by_us: i64 },
    /// The probe is revoked, for good.
    Revoked { probe: usize },
    /// Checks fail for no reason, so many in a thousand.
    Losses { permille: u64 },
}

/// Where the collector can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// At once.
    Now,
    /// A batch is verified and not stored.
    BeforeCommit,
    /// A batch is stored and not answered.
    BeforeAnswer,
    /// A batch is answered and nothing was judged by it.
    BeforeJudge,
    /// A monitor was judged and nothing is written.
    Judging,
    /// A hello is stored and not answered.
    Hello,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Now, Self::BeforeCommit, Self::BeforeAnswer, Self::BeforeJudge, Self::Judging, Self::Hello];
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let regions = rng.pick(&[1, 1, 2, 2, 2, 3, 3]);
        let warm = rng.between(5, 40) * SECOND;
        let length = if rng.permille(60) { rng.between(300, 700) } else { rng.between(30, 150) } * SECOND;
        let calm = warm + length;
        let mut plan = Self {
            seed,
            wire: seed.is_multiple_of(16),
            regions,
            monitors: (0..rng.pick(&[1, 1, 2])).map(|_| monitor(&mut rng, warm, calm)).collect(),
            buffer: if rng.permille(250) { usize::try_from(rng.between(2_500, 9_000)).unwrap() } else { 64 << 20 },
            net: net(&mut rng),
            key_life: if rng.permille(200) { rng.between(30, 900) } else { rng.between(7_300, 86_400) } * SECOND,
            references: rng.permille(500),
            faults: Vec::new(),
            calm,
            last_outage: rng.permille(400).then(|| rng.between(0, 20) * SECOND),
        };
        for _ in 0..rng.between(1, 6) {
            let earliest = if rng.permille(100) { 0 } else { warm };
            let from = rng.between(earliest, calm - SECOND);
            let fault = fault(&mut rng, &plan);
            let longest = (calm - from).min(if length > 200 * SECOND { length } else { 90 * SECOND });
            let to = match fault {
                Fault::Revoked { .. } => from,
                _ => from + rng.between(SECOND / 10, longest.max(SECOND)),
            };
            if rng.permille(200)
                && let Fault::Uplink { probe } | Fault::Partition { probe, .. } = fault
                && regions > 1
            {
                // Two regions at once, and not quite at the same time.
                plan.faults.push((
                    from + rng.between(0, 3 * SECOND),
                    to,
                    Fault::Uplink { probe: (probe + 1) % regions },
                ));
            }
            plan.faults.push((from, to.min(calm), fault));
        }
        plan.faults.sort_by_key(|(from, ..)| *from);
        plan
    }

    /// When the last fault has ended.
    pub(crate) fn caught_up(&self) -> i64 {
        self.calm + CAUGHT_UP
    }

    /// Whether a fault of this kind is on.
    pub(crate) fn is_on(&self, time: i64, is: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(|(from, to, fault)| *from <= time && time < *to && is(fault))
    }

    /// Whether a fault of this kind is on, or begins within so long.
    pub(crate) fn is_on_within(&self, time: i64, within: i64, is: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(|(from, to, fault)| from - within <= time && time < *to && is(fault))
    }

    /// Whether the target of a monitor is down.
    pub(crate) fn is_down(&self, monitor: usize, time: i64) -> bool {
        self.monitors[monitor].outages.iter().any(|(from, to)| *from <= time && time < *to)
    }
}

fn monitor(rng: &mut Rng, warm: i64, calm: i64) -> Monitor {
    let interval_s = rng.pick(&[10, 20, 30]);
    let mut outages = Vec::new();
    while rng.permille(450) && outages.len() < 3 {
        let from = rng.between(warm / 2, calm);
        // Some last until the end.
        let to = if rng.permille(300) { i64::MAX } else { (from + rng.between(1, 120) * SECOND).min(calm) };
        outages.push((from, to));
    }
    Monitor { interval_s, timeout_s: rng.pick(&[2, 4]), slow: rng.permille(300), outages }
}

fn net(rng: &mut Rng) -> Net {
    match rng.below(4) {
        0 => Net { lost: 0, twice: 0, slow: 0, slowest: 0 },
        1 => Net { lost: 150, twice: 50, slow: 100, slowest: 25 * SECOND },
        _ => Net { lost: 20, twice: 50, slow: 50, slowest: 10 * SECOND },
    }
}

fn fault(rng: &mut Rng, plan: &Plan) -> Fault {
    let probe = usize::try_from(rng.below(plan.regions as u64)).unwrap();
    let monitor = usize::try_from(rng.below(plan.monitors.len() as u64)).unwrap();
    match rng.below(100) {
        0..20 => {
            let (up, down) = rng.pick(&[(true, true), (true, false), (false, true)]);
            Fault::Partition { probe, up, down }
        }
        20..30 => Fault::Uplink { probe },
        30..40 => Fault::Blip {
            probe,
            monitor: rng.permille(500).then_some(monitor),
            known: plan.references && rng.permille(500),
        },
        40..53 => Fault::ProbeCrash {
            probe,
            wrong_us: rng.pick(&[0, 0, 3, -3, 70, -70, 300, -300, 86_400, -86_400]) * SECOND,
        },
        53..58 => Fault::Frozen { probe, clock_too: rng.permille(500) },
        58..78 => Fault::CollectorCrash { step: rng.pick(&Step::ALL) },
        78..84 => Fault::DatabaseAway,
        84..88 => Fault::Foreign { status: rng.pick(&[413, 502, 403, 200]) },
        88..92 => Fault::CollectorClock { by_us: rng.pick(&[-86_400, -300, -20, -2, 2, 20, 300, 86_400]) * SECOND },
        92..93 if plan.regions > 1 => Fault::Revoked { probe },
        _ => Fault::Losses { permille: rng.pick(&[20, 100]) },
    }
}
