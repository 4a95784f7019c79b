//! Every family of figures: its name, what it means, and where it comes from.

use picket_shared::time::Timestamp;

use super::super::Site;
use super::{Instance, system};
use crate::meters::text::Type::{Counter, Gauge, Histogram};
use crate::meters::text::{Page, float};
use crate::meters::{BOUNDS, Counted};
use crate::store::Pools;
use crate::store::read::gauges::Gauges;

/// Every figure as text.
pub(super) fn text(site: &Site) -> String {
    let (counted, now) = (site.meters.counted(), site.clock.now());
    let mut page = Page::default();
    page.family("picket_build_info", Gauge, "Always 1; the label says which version runs.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    leadership(&mut page, &counted);
    intake(&mut page, &counted);
    deliveries(&mut page, &counted);
    if let Some(gauges) = &counted.gauges {
        work(&mut page, gauges, now);
        probes(&mut page, gauges, now);
        monitors(&mut page, gauges);
    }
    pools(&mut page, &site.pools);
    process(&mut page, &site.instance);
    page.into_text()
}

fn leadership(page: &mut Page, counted: &Counted) {
    let help = "Whether this collector leads: 1, or 0 while it stands by for another.";
    page.single("picket_leader", Gauge, help, f64::from(u8::from(counted.leads.is_some())));
    if let Some(fence) = counted.leads {
        let help = "The number of the term in which it leads; each that begins anywhere has a higher one.";
        page.single("picket_leader_term", Gauge, help, number(fence));
    }
}

fn intake(page: &mut Page, counted: &Counted) {
    let mut family = page.family("picket_batches_total", Counter, "Batches of probes, by what became of them.");
    for (result, count) in &counted.batches {
        family.sample(&[("result", result)], float(*count));
    }
    page.single("picket_outcomes_total", Counter, "Outcomes of checks that were stored.", float(counted.outcomes));
    let help = "Outcomes that were refused one by one in batches that were stored, by reason.";
    let mut family = page.family("picket_outcomes_rejected_total", Counter, help);
    for (reason, count) in &counted.rejected {
        family.sample(&[("reason", reason)], float(*count));
    }
    let help = "Requests of probes that were refused, by the code of docs/wire.md.";
    let mut family = page.family("picket_probe_requests_refused_total", Counter, help);
    for (code, count) in &counted.refused {
        family.sample(&[("code", code)], float(*count));
    }
    let help = "Seconds from the request of a batch to its commit.";
    page.family("picket_intake_duration_seconds", Histogram, help).histogram(
        &BOUNDS,
        &counted.intake,
        counted.intake_sum.as_secs_f64(),
    );
}

fn deliveries(page: &mut Page, counted: &Counted) {
    let help = "Attempts to deliver a message, by kind of channel and result (sent, retry, failed).";
    let mut family = page.family("picket_delivery_attempts_total", Counter, help);
    for ((channel, result), count) in &counted.deliveries {
        family.sample(&[("channel", channel), ("result", result)], float(*count));
    }
}

fn work(page: &mut Page, gauges: &Gauges, now: Timestamp) {
    let waits = |since: Option<Timestamp>| since.map_or(0.0, |since| now.since(since).as_secs_f64());
    let rows = [
        ("picket_judge_due", "Monitors that wait for a judgement.", number(gauges.judge_due)),
        ("picket_judge_oldest_due_seconds", "How long the longest of them waits.", waits(gauges.judge_due_since)),
        ("picket_notices_waiting", "Notices for which no channel was chosen yet.", number(gauges.notices_waiting)),
        ("picket_deliveries_pending", "Deliveries neither sent nor given up.", number(gauges.deliveries_pending)),
        (
            "picket_deliveries_oldest_due_seconds",
            "How long the longest due of them waits.",
            waits(gauges.deliveries_due_since),
        ),
        ("picket_incidents_open", "Incidents that are not resolved.", number(gauges.incidents_open)),
        ("picket_database_size_bytes", "Size of the database.", number(gauges.database_bytes)),
        (
            "picket_database_read_timestamp_seconds",
            "When the figures of judge, deliveries, probes, monitors and size were last read from the database.",
            seconds(gauges.read_at),
        ),
    ];
    for (name, help, value) in rows {
        page.single(name, Gauge, help, value);
    }
    recovery(page, gauges, now);
}

fn recovery(page: &mut Page, gauges: &Gauges, now: Timestamp) {
    if let Some(passed) = gauges.last_drill_passed {
        let help = "Whether the last restore that was tried passed.";
        page.single("picket_drill_passed", Gauge, help, f64::from(u8::from(passed)));
    }
    if let Some(drill) = &gauges.drill_passed {
        let help = "When the last restore that was tried and passed began.";
        page.single("picket_drill_last_passed_timestamp_seconds", Gauge, help, seconds(drill.began()));
        let help = "How long it took in it until the copy could be used.";
        page.single("picket_restore_duration_seconds", Gauge, help, number(drill.restore_ms.unwrap_or(0)) / 1000.0);
    }
    if let Some(age) = gauges.recovery_point {
        let help = "How much a lost disk would cost: seconds since the last moment of which everything is archived.";
        let age = age + now.since(gauges.read_at);
        page.single("picket_recovery_point_age_seconds", Gauge, help, age.as_secs_f64());
    }
}

fn probes(page: &mut Page, gauges: &Gauges, now: Timestamp) {
    let mut each = |name: &str, help: &str, value: &dyn Fn(&crate::store::read::gauges::ProbeGauge) -> Option<f64>| {
        let mut family = page.family(name, Gauge, help);
        for probe in &gauges.probes {
            if let Some(value) = value(probe) {
                family.sample(&[("probe", &probe.id.to_string()), ("region", &probe.region)], value);
            }
        }
    };
    let ago = |at: Option<Timestamp>| at.map(|at| now.since(at).as_secs_f64());
    let help = "Whether the probe, which may send, ever said hello.";
    each("picket_probe_enrolled", help, &|probe| Some(f64::from(u8::from(probe.seen_at.is_some()))));
    each("picket_probe_last_seen_seconds", "Seconds since the probe was last heard.", &|probe| ago(probe.seen_at));
    let help = "How far behind now the slots of the probe are accounted for, in seconds.";
    each("picket_probe_lag_seconds", help, &|probe| ago(probe.through));
    let help = "The probe's clock minus the collector's, in seconds.";
    each("picket_probe_clock_offset_seconds", help, &|probe| {
        let micros = i32::try_from(probe.clock_offset_us?.clamp(i64::from(i32::MIN), i64::from(i32::MAX))).ok()?;
        Some(f64::from(micros) / 1e6)
    });
}

fn monitors(page: &mut Page, gauges: &Gauges) {
    let mut family = page.family("picket_monitors", Gauge, "Monitors, by state.");
    for (state, count) in &gauges.monitors {
        family.sample(&[("state", state)], number(*count));
    }
}

fn pools(page: &mut Page, pools: &Pools) {
    let rows = [("app", &pools.app), ("intake", &pools.intake), ("worker", &pools.worker), ("auth", &pools.auth)].map(
        |(name, pool)| {
            let idle = u64::try_from(pool.num_idle()).unwrap_or(u64::MAX).min(u64::from(pool.size()));
            (name, idle, u64::from(pool.size()) - idle, pool.options().get_max_connections())
        },
    );
    let mut family = page.family("picket_database_connections", Gauge, "Open connections to the database, by pool.");
    for (pool, idle, used, _) in rows {
        family.sample(&[("pool", pool), ("state", "idle")], float(idle));
        family.sample(&[("pool", pool), ("state", "used")], float(used));
    }
    let help = "Connections that a pool may open.";
    let mut family = page.family("picket_database_connections_max", Gauge, help);
    for (pool, _, _, most) in rows {
        family.sample(&[("pool", pool)], f64::from(most));
    }
}

fn process(page: &mut Page, instance: &Instance) {
    let help = "When the certificate that is shown ends.";
    let mut family = page.family("picket_certificate_not_after_timestamp_seconds", Gauge, help);
    for (source, certificates) in &instance.certificates {
        family.sample(&[("source", source)], seconds(certificates.shown().not_after));
    }
    let mut maybe = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value {
            page.single(name, Gauge, help, float(value));
        }
    };
    let disk = instance.data_dir.as_deref().and_then(system::disk_bytes);
    maybe("picket_data_disk_free_bytes", "Free room where the data lies.", disk.map(|(free, _)| free));
    maybe("picket_data_disk_size_bytes", "All room where the data lies.", disk.map(|(_, all)| all));
    let wal = instance.data_dir.as_deref().and_then(system::wal_bytes);
    maybe("picket_wal_size_bytes", "Size of the write-ahead log.", wal);
    let memory = system::memory_bytes();
    maybe("process_resident_memory_bytes", "Resident memory.", memory.map(|(resident, _)| resident));
    maybe("process_virtual_memory_bytes", "Reserved memory.", memory.map(|(_, all)| all));
    let descriptors = system::descriptors();
    maybe("process_open_fds", "Open file descriptors.", descriptors.map(|(open, _)| open));
    maybe("process_max_fds", "File descriptors that may be open.", descriptors.map(|(_, most)| most));
    if let Some(used) = system::cpu_seconds() {
        page.single("process_cpu_seconds_total", Counter, "Processor time used, by user and system.", used);
    }
    let help = "When the process started.";
    page.single("process_start_time_seconds", Gauge, help, seconds(instance.started_at));
}

fn number(count: i64) -> f64 {
    float(u64::try_from(count).unwrap_or(0))
}

fn seconds(at: Timestamp) -> f64 {
    at.since(Timestamp::from_micros(0)).as_secs_f64()
}
