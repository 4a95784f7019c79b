//! What the collector's database holds after each commit, as a few maps. No rule of the product is here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use picket_collector::domain::gap::{Range, Watched};
use picket_collector::domain::outage::{
    FailureFacts, Input, Maintenance, MonitorFacts, Notice, OpenIncident, QuorumRule, RegionFacts, RegionResult,
    RegionalAlert, Span, Standing,
};
use picket_collector::store::assignments::KnownRow;
use picket_collector::store::gaps::SilenceRow;
use picket_collector::store::probes::{CallerRow, Standing as ProbeStanding};
use picket_collector::store::region_states::RunRow;
use picket_collector::store::regions::RegionRow;
use picket_collector::store::{MonitorKey, OrgKey, ProbeKey, RegionKey};
use picket_shared::batch::{GapReason, Receipt};
use picket_shared::check::{Kind, TcpSpec};
use picket_shared::daykeys::DayKeyGrant;
use picket_shared::ids::{BatchId, BootId, MonitorId, ProbeId};
use picket_shared::outcome::{FailureKind, SelfCheck, Status, Trigger};
use picket_shared::secret::{Sealed, Secret, SecretBytes};
use picket_shared::time::Timestamp;
use uuid::Uuid;

/// Everything durable.
pub(crate) struct Tables {
    pub(crate) probes: Vec<Probe>,
    pub(crate) monitors: Vec<Monitor>,
    pub(crate) receipts: HashMap<BatchId, Kept>,
    pub(crate) silences: Vec<Silence>,
    pub(crate) missed: Vec<MissedSlots>,
    pub(crate) last_alive: Timestamp,
    pub(crate) last_started: Timestamp,
    pub(crate) next_id: i64,
}

pub(crate) struct Probe {
    pub(crate) id: ProbeId,
    pub(crate) region: RegionRow,
    pub(crate) secret: SecretBytes,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) boots: HashSet<BootId>,
    pub(crate) grants: Vec<DayKeyGrant>,
    pub(crate) used: HashSet<Uuid>,
    pub(crate) status: Option<Reported>,
}

/// A row of `probe_status`.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    pub(crate) boot: BootId,
    pub(crate) hello_at: Timestamp,
    pub(crate) seen_at: Timestamp,
    pub(crate) batch_at: Option<Timestamp>,
    pub(crate) through: Timestamp,
    pub(crate) seq: i64,
    pub(crate) is_blind: bool,
}

/// A row of `receipts`.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) probe: usize,
    pub(crate) hash: String,
    pub(crate) receipt: Receipt,
}

/// A row of `results`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) batch: BatchId,
    /// When its check had ended.
    pub(crate) ended: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) began: Timestamp,
    pub(crate) trigger: Trigger,
    pub(crate) status: Status,
    pub(crate) self_check: SelfCheck,
}

/// A row of `gaps` without a monitor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    pub(crate) probe: usize,
    pub(crate) row: SilenceRow,
}

/// A row of `gaps` with a monitor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MissedSlots {
    pub(crate) probe: usize,
    pub(crate) monitor: usize,
    pub(crate) range: Range,
    pub(crate) reason: GapReason,
}

pub(crate) struct Monitor {
    pub(crate) id: MonitorId,
    pub(crate) interval_s: u32,
    pub(crate) timeout_ms: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) runs: Vec<Option<RunRow>>,
    pub(crate) results: Vec<Vec<Stored>>,
    /// Rechecks that nobody took, by region.
    pub(crate) rechecks: Vec<Vec<Timestamp>>,
    pub(crate) standing: Option<Standing>,
    pub(crate) watch: bool,
    pub(crate) dirty: bool,
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) spans: Vec<Span>,
    pub(crate) open: Option<OpenIncident>,
    pub(crate) openings: Vec<Timestamp>,
    pub(crate) notices: Vec<Notice>,
}

impl Tables {
    pub(crate) fn new(
        regions: usize,
        monitors: impl Iterator<Item = (u32, u32)>,
        now: Timestamp,
        key_end: Timestamp,
    ) -> Self {
        let monitor = |(n, (interval_s, timeout_s)): (u128, (u32, u32))| Monitor {
            id: MonitorId(Uuid::from_u128((n + 1) << 64 | 0x5151)),
            interval_s,
            timeout_ms: timeout_s * 1000,
            created_at: now,
            runs: vec![None; regions],
            results: vec![Vec::new(); regions],
            rechecks: vec![Vec::new(); regions],
            standing: None,
            watch: true,
            dirty: false,
            due_at: Some(now),
            spans: Vec::new(),
            open: None,
            openings: Vec::new(),
            notices: Vec::new(),
        };
        let grant = |n: usize| DayKeyGrant {
            number: 1,
            nonce: picket_shared::daykeys::hex(&[u8::try_from(n).unwrap(); 32]),
            not_before: key_end - picket_shared::daykeys::DAY_KEY_LIFE,
            not_after: key_end,
        };
        let probe = |n: usize| Probe {
            id: ProbeId(Uuid::from_u128(n as u128 + 100)),
            region: RegionRow {
                key: RegionKey(i64::try_from(n).unwrap()),
                code: format!("r{n}").parse().unwrap(),
                network: format!("AS{n}"),
                eu: true,
            },
            secret: Secret::new(vec![u8::try_from(n).unwrap() + 1; 32]),
            revoked_at: None,
            boots: HashSet::new(),
            grants: vec![grant(n)],
            used: HashSet::new(),
            status: None,
        };
        Self {
            probes: (0..regions).map(probe).collect(),
            monitors: (0..).zip(monitors).map(monitor).collect(),
            receipts: HashMap::new(),
            silences: Vec::new(),
            missed: Vec::new(),
            last_alive: now,
            last_started: now,
            next_id: 0,
        }
    }

    pub(crate) fn monitor_of(&self, id: MonitorId) -> Option<usize> {
        self.monitors.iter().position(|monitor| monitor.id == id)
    }

    pub(crate) fn caller(&self, probe: usize, day: Option<u64>) -> CallerRow {
        let row = &self.probes[probe];
        CallerRow {
            key: ProbeKey(i64::try_from(probe).unwrap()),
            id: row.id,
            region: row.region.clone(),
            org: None,
            secret: Sealed(Vec::new()),
            revoked_at: row.revoked_at,
            boot: row.status.as_ref().map(|status| status.boot),
            hello_at: row.status.as_ref().map(|status| status.hello_at),
            kinds: vec![Kind::Tcp],
            grant: row.grants.iter().find(|grant| Some(grant.number) == day).cloned(),
        }
    }

    pub(crate) fn standing(&self, probe: usize) -> Option<ProbeStanding> {
        self.probes[probe].status.as_ref().map(|status| ProbeStanding {
            boot: status.boot,
            hello_at: status.hello_at,
            through: status.through,
            seq: status.seq,
        })
    }

    pub(crate) fn known(&self, region: usize, ids: &[MonitorId]) -> HashMap<MonitorId, KnownRow> {
        let known = |(key, monitor): (usize, &Monitor)| {
            let row = KnownRow {
                key: MonitorKey(i64::try_from(key).unwrap()),
                org: OrgKey(1),
                version: 1,
                interval_s: monitor.interval_s.cast_signed(),
                timeout_ms: monitor.timeout_ms.cast_signed(),
                eu_only: false,
                assigned: true,
                created_at: monitor.created_at,
                edited_at: monitor.created_at,
                watch: monitor.watch,
                run: monitor.runs[region].clone(),
            };
            (monitor.id, row)
        };
        self.monitors.iter().enumerate().filter(|(_, monitor)| ids.contains(&monitor.id)).map(known).collect()
    }

    pub(crate) fn silences_of(&self, probe: usize, after: Timestamp) -> Vec<SilenceRow> {
        let reaches = |row: &&Silence| row.probe == probe && row.row.until.is_none_or(|until| until > after);
        let mut rows: Vec<_> = self.silences.iter().filter(reaches).map(|silence| silence.row).collect();
        rows.sort_by_key(|row| (row.after, row.id));
        rows
    }

    pub(crate) fn add_silence(&mut self, probe: usize, after: Timestamp, until: Option<Timestamp>, reason: GapReason) {
        self.next_id += 1;
        self.silences.push(Silence { probe, row: SilenceRow { id: self.next_id, after, until, reason } });
    }

    pub(crate) fn watched(&self, probe: usize) -> Option<Watched> {
        let row = &self.probes[probe];
        let status = row.status.as_ref()?;
        let silences = self.silences.iter().filter(|silence| silence.probe == probe);
        Some(Watched {
            through: Some(status.through),
            hello_at: status.hello_at,
            batch_at: status.batch_at,
            revoked_at: row.revoked_at,
            noted_until: silences.clone().filter_map(|silence| silence.row.until).max(),
            is_open: silences.clone().any(|silence| silence.row.until.is_none()),
        })
    }

    pub(crate) fn input(&self, index: usize, now: Timestamp, listening_since: Timestamp) -> Input {
        let monitor = &self.monitors[index];
        let regions = self.probes.iter().zip(&monitor.runs).map(|(probe, run)| {
            let status = probe.status.as_ref().filter(|_| probe.revoked_at.is_none());
            RegionFacts {
                region: probe.region.code.clone(),
                network: probe.region.network.clone(),
                through: status.map(|status| status.through),
                result: run.as_ref().map(result),
                hold_until: None,
                self_check_bad: status.is_some_and(|s| now.since(s.seen_at) <= Duration::from_secs(45) && s.is_blind),
            }
        });
        Input {
            as_of: now,
            listening_since,
            monitor: MonitorFacts {
                id: monitor.id,
                version: 1,
                interval: Duration::from_secs(u64::from(monitor.interval_s)),
                timeout: Duration::from_millis(u64::from(monitor.timeout_ms)),
                created_at: monitor.created_at,
                quorum: QuorumRule::Default,
                paused_at: None,
                deleted_at: None,
                maintenance: Maintenance::default(),
                muted_since: None,
                parents: Vec::new(),
                regional: RegionalAlert { told: true, muted_until: None },
            },
            regions: regions.collect(),
            standing: monitor.standing.clone().unwrap_or_else(|| Standing::new(monitor.created_at, 1)),
            span: monitor.spans.last().copied(),
            incident: monitor.open.clone(),
            by_hand: None,
            openings: monitor.openings.clone(),
        }
    }
}

fn result(run: &RunRow) -> RegionResult {
    RegionResult {
        version: run.version.cast_unsigned(),
        status: run.status,
        failure: run.message.clone().map(|message| FailureFacts { kind: FailureKind::ConnectTimeout, message }),
        fails: u8::try_from(run.fails).unwrap(),
        oks: u8::try_from(run.oks).unwrap(),
        since: run.since,
        last_at: run.last_at,
        last_trigger: run.last_trigger,
        self_check: run.self_check,
    }
}

/// What every simulated monitor asks.
pub(crate) fn check() -> picket_shared::check::CheckSpec {
    picket_shared::check::CheckSpec::Tcp(TcpSpec { host: "t".to_owned(), port: 1 })
}

/// How often each batch and each outcome is stored.
pub(crate) fn repetitions(results: &[Stored]) -> Option<Stored> {
    let mut seen = BTreeMap::new();
    results.iter().find(|row| seen.insert((row.at, row.trigger), row.batch).is_some()).copied()
}
