//! How soon the first byte of a message is at its receiver once the judge has written that it is to be told, while 10,000 others wait for another
//! try: webhooks, which fold nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use picket_shared::ids::MonitorId;
use picket_shared::time::{Clock, Stopwatch, Timestamp};

use crate::database;
use crate::figure::Figure;

const BENCH: &str = "telling";
/// A loopback address that no test uses.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 5);
const CHANNELS: usize = 4;
const PENDING: usize = 10_000;
/// Verdicts that are told, to each channel, and between two of them, unless `PICKET_SAMPLES` says how many.
const VERDICTS: usize = 500;
const PAUSE: Duration = Duration::from_millis(40);
/// On which bells ring.
const BELLS: &str = "picket";
const PATIENCE: Duration = Duration::from_secs(120);

/// When the first byte of each message came, by its monitor and path.
type Arrivals = Arc<Mutex<BTreeMap<(String, String), Duration>>>;

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let verdicts = std::env::var("PICKET_SAMPLES").map_or(VERDICTS, |text| text.parse().unwrap());
    let (collector, database) = database::start(folder, ADDRESS);
    let (watch, arrivals) = (Stopwatch::start(), Arrivals::default());
    let receiver = receive(watch, &arrivals);
    for n in 0..CHANNELS {
        let url = format!("http://{receiver}/{n}");
        collector.trusted_channel(&["webhook", &url, "--name", &format!("hook {n}")]);
    }
    let clock = Clock::system();
    let monitors: Vec<MonitorId> = (0..verdicts).map(|_| MonitorId::at(clock.now())).collect();
    database.add_monitors(&monitors);
    let hour = (clock.now() + Duration::from_secs(3600)).micros();
    database.ask(&format!(
        "WITH new AS (INSERT INTO notices (org_id, monitor_id, kind, at, payload, dispatched_at)
             SELECT m.org_id, m.id, 'never_came_up', 1, '{{\"notice\":{}}}', 1
             FROM (SELECT org_id, id FROM monitors ORDER BY id LIMIT 1) m, generate_series(1, {}) RETURNING org_id, id)
         INSERT INTO deliveries (uuid, org_id, notice_id, channel_id, state, attempts, next_at, created_at)
         SELECT gen_random_uuid(), new.org_id, new.id, c.id, 'pending', 1, {hour}, 1 FROM new, channels c;
         ANALYZE deliveries; ANALYZE notices",
        notice("never_came_up", Timestamp::from_micros(1)),
        PENDING / CHANNELS
    ));
    let mut begun = BTreeMap::new();
    for monitor in &monitors {
        let now = clock.now();
        begun.insert(monitor.to_string(), watch.elapsed());
        database.ask(&format!(
            "WITH incident AS (INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                 SELECT gen_random_uuid(), org_id, id, {at}, {at}, 'connect_refused', 'refused', '{{}}' FROM monitors
                 WHERE uuid = '{monitor}' RETURNING org_id, id, monitor_id)
             INSERT INTO notices (org_id, monitor_id, incident_id, kind, at, payload)
             SELECT org_id, monitor_id, id, 'down', {at}, '{{\"notice\":{}}}' FROM incident;
             SELECT pg_notify('{}', 'dispatch')",
            notice("down", now),
            BELLS,
            at = now.micros(),
        ));
        thread::sleep(PAUSE);
    }
    let took = wait_for_all(&begun, &arrivals, verdicts * CHANNELS);
    let at = |part: f64| took[((took.len() - 1) as f64 * part).round() as usize];
    for (name, part) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
        Figure::of(BENCH, format!("verdict_to_first_byte_ms_{name}"), "ms", &[at(part)]).print();
    }
    Figure::of(BENCH, "messages", "", &[took.len() as f64]).print();
    let pending = database.ask("SELECT count(*) FROM deliveries WHERE state = 'pending'");
    Figure::of(BENCH, "pending_meanwhile", "", &[pending.parse().unwrap()]).print();
}

/// A notice as the judge writes it.
fn notice(kind: &str, at: Timestamp) -> String {
    format!(r#"{{"kind":{{"kind":"{kind}"}},"at":{},"incident_started_at":null,"regions":[]}}"#, at.micros())
}

/// The milliseconds of each message, sorted.
fn wait_for_all(begun: &BTreeMap<String, Duration>, arrivals: &Arrivals, all: usize) -> Vec<f64> {
    let waited = Stopwatch::start();
    while arrivals.lock().unwrap().len() < all {
        assert!(waited.elapsed() < PATIENCE, "{} of {all} messages came", arrivals.lock().unwrap().len());
        thread::sleep(Duration::from_millis(50));
    }
    let arrivals = arrivals.lock().unwrap();
    let took = |((monitor, _), at): (&(String, String), &Duration)| (*at - begun[monitor]).as_secs_f64() * 1000.0;
    let mut took: Vec<f64> = arrivals.iter().map(took).collect();
    took.sort_by(f64::total_cmp);
    took
}

/// Takes every message, and notes when its first byte came.
fn receive(watch: Stopwatch, arrivals: &Arrivals) -> SocketAddr {
    let listener = TcpListener::bind((ADDRESS, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let arrivals = Arc::clone(arrivals);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let arrivals = Arc::clone(&arrivals);
            thread::spawn(move || take(stream.unwrap(), watch, &arrivals));
        }
    });
    address
}

fn take(mut stream: TcpStream, watch: Stopwatch, arrivals: &Arrivals) {
    let (mut request, mut part, mut came) = (Vec::new(), [0_u8; 16 * 1024], None);
    loop {
        let read = stream.read(&mut part).unwrap_or(0);
        came.get_or_insert_with(|| watch.elapsed());
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return;
            }
            continue;
        };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if read == 0 || body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let event: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            if let (Some(monitor), Some(came)) = (event["data"]["monitor"]["id"].as_str(), came) {
                arrivals.lock().unwrap().entry((monitor.to_owned(), path)).or_insert(came);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return;
        }
    }
}
