//! How long pages take to be answered with 1,000 monitors and a day of outcomes, and what they cost.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use picket_shared::ids::MonitorId;
use picket_shared::time::{Clock, Stopwatch, Timestamp};
use picket_tests::collector::Collector;
use picket_tests::forger::Forger;
use picket_tests::wait;
use uuid::Uuid;

use crate::client::connect;
use crate::database::{self, Database};
use crate::figure::Figure;
use crate::load::{Sender, outcome, scattered};
use crate::meter;

const BENCH: &str = "pages";
/// A loopback address that no test uses.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 3);
const MONITORS: usize = 1_000;
const REGIONS: [&str; 3] = ["eu", "us", "ap"];
/// What each monitor and region has behind it.
const HISTORY: Duration = Duration::from_secs(24 * 3600);
const INTERVAL: Duration = Duration::from_secs(60);
/// Monitors that are down while pages are read.
const OUTAGES: usize = 20;
const ROUNDS: usize = 3;
/// Requests for each page in a round.
const REQUESTS: usize = 200;
const PASSWORD: &str = "a lantern in the window";

/// What is asked for: a name, and its path for a monitor at a time, in seconds.
type Page = (&'static str, fn(&str, i64) -> String);

const PAGES: &[Page] = &[
    ("dashboard", |_, _| "/".to_owned()),
    ("dashboard_search", |monitor, _| format!("/?q={}", &monitor[..4])),
    ("dashboard_down", |_, _| "/?state=down&sort=since".to_owned()),
    ("monitor", |monitor, _| format!("/monitors/{monitor}")),
    ("chart_hour", |monitor, now| format!("/monitors/{monitor}/series?from={}&to={now}", now - 3600)),
    ("chart_day", |monitor, now| format!("/monitors/{monitor}/series?from={}&to={now}", now - 86_400)),
    ("chart_month", |monitor, now| format!("/monitors/{monitor}/series?from={}&to={now}", now - 30 * 86_400)),
    ("monitor_edit", |monitor, _| format!("/monitors/{monitor}/edit")),
    ("probes", |_, _| "/probes".to_owned()),
];

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let (collector, database) = database::start(folder, ADDRESS);
    let monitors: Vec<MonitorId> = (0..MONITORS).map(|_| MonitorId(Uuid::new_v4())).collect();
    let mut senders: Vec<Sender> = REGIONS.iter().map(|region| Sender::enrol(&collector, region, region)).collect();
    database.add_monitors(&monitors);
    fill(&mut senders, &monitors);

    thread::scope(|scope| {
        // Ends with this, also when something here fails.
        let (_goes_on, over) = mpsc::channel();
        scope.spawn(|| go_on(&mut senders, &monitors, over));
        let down = OUTAGES.to_string();
        wait::until("the outages", Duration::from_secs(120), || {
            Some(database.ask("SELECT count(*) FROM states WHERE state = 'down'")).filter(|all| *all == down).ok_or(())
        });
        measure(&collector, &database, &monitors);
    });
}

/// Asks for every page, one after the other.
fn measure(collector: &Collector, database: &Database, monitors: &[MonitorId]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut reader = runtime.block_on(Reader::enter(collector));
    let now = Clock::system().now().seconds();
    for (name, path) in PAGES {
        let path = |nth: usize| path(&monitors[scattered(nth as i64) % MONITORS].to_string(), now);
        // What has to be read from the disk once is read.
        runtime.block_on(reader.time(REQUESTS / 4, path));
        let rounds: Vec<Round> = (0..ROUNDS)
            .map(|_| {
                let used = || meter::cpu_us(collector.pid()) + meter::tree_cpu_us(database.postmaster);
                let before = used();
                let (times_ms, bytes) = runtime.block_on(reader.time(REQUESTS, path));
                Round { times_ms, bytes, cpu_ms: (used() - before) as f64 / 1000.0 / REQUESTS as f64 }
            })
            .collect();
        let print = |figure: &str, unit, of: &dyn Fn(&Round) -> f64| {
            Figure::of(BENCH, format!("{name}_{figure}"), unit, &rounds.iter().map(of).collect::<Vec<_>>()).print();
        };
        print("ms_p50", "ms", &|round| round.times_ms[REQUESTS / 2]);
        print("ms_p95", "ms", &|round| round.times_ms[REQUESTS * 95 / 100]);
        print("cpu_ms", "ms", &|round| round.cpu_ms);
        print("sent_kib", "KiB", &|round| round.bytes as f64 / 1024.0);
    }
}

/// What one page took in a round.
struct Round {
    /// From the request to the last byte of the answer, sorted.
    times_ms: Vec<f64>,
    /// Most bytes of one answer, as they travel.
    bytes: usize,
    /// Processor time of collector and PostgreSQL, for one request.
    cpu_ms: f64,
}

/// Gives every monitor a day of good outcomes in every region.
fn fill(senders: &mut [Sender], monitors: &[MonitorId]) {
    let end = Clock::system().now();
    let mut slots = Vec::new();
    let mut slot = end.shifted(-i64::try_from(HISTORY.as_micros()).unwrap());
    while slot < end {
        slots.push(slot);
        slot = slot + INTERVAL;
    }
    thread::scope(|scope| {
        for (region, sender) in senders.iter_mut().enumerate() {
            let slots = &slots;
            scope.spawn(move || slots.iter().for_each(|slot| send(sender, region, monitors, *slot, |_| false)));
        }
    });
}

/// Sends what is seen now every 10 s until it is over: some monitors are down.
fn go_on(senders: &mut [Sender], monitors: &[MonitorId], over: Receiver<()>) {
    let is_down = |n| n % (MONITORS / OUTAGES) == 7;
    while over.recv_timeout(Duration::from_secs(10)) == Err(RecvTimeoutError::Timeout) {
        let slot = Clock::system().now().shifted(-2_000_000);
        for (region, sender) in senders.iter_mut().enumerate() {
            send(sender, region, monitors, slot, is_down);
        }
    }
}

fn send(sender: &mut Sender, region: usize, monitors: &[MonitorId], slot: Timestamp, is_down: fn(usize) -> bool) {
    let outcomes =
        monitors.iter().enumerate().map(|(n, monitor)| outcome(*monitor, slot, region * MONITORS + n, is_down(n)));
    sender.send(&Forger::batch_body(outcomes.collect()), MONITORS);
}

/// Somebody who is signed in, with one connection that stays open.
struct Reader {
    host: String,
    cookie: String,
    connection: SendRequest<Full<Bytes>>,
}

impl Reader {
    /// Opens the set-up link that the collector printed.
    async fn enter(collector: &Collector) -> Self {
        let link = collector.set_up_link();
        let path = link[link.find("/set-up/").unwrap()..].to_owned();
        let mut reader = Self {
            host: collector.address.to_string(),
            cookie: String::new(),
            connection: connect(collector.address).await,
        };
        let form = format!("email=ada@example.org&password={}", PASSWORD.replace(' ', "+"));
        let (cookie, _) = reader.ask(Method::POST, &path, form).await;
        reader.cookie = cookie.unwrap();
        reader
    }

    /// Asks so often, one after the other; gives how long each took, sorted, and the most bytes.
    async fn time(&mut self, requests: usize, path: impl Fn(usize) -> String) -> (Vec<f64>, usize) {
        let (mut times, mut most) = (Vec::new(), 0);
        for nth in 0..requests {
            let path = path(nth);
            let watch = Stopwatch::start();
            let (_, bytes) = self.ask(Method::GET, &path, String::new()).await;
            times.push(watch.elapsed().as_secs_f64() * 1000.0);
            most = most.max(bytes);
        }
        times.sort_by(f64::total_cmp);
        (times, most)
    }

    /// Asks as a browser does; gives the cookie that was set, and how many bytes the body had on its way.
    async fn ask(&mut self, method: Method, path: &str, form: String) -> (Option<String>, usize) {
        self.connection.ready().await.unwrap();
        let request = Request::builder().method(&method).uri(path);
        let request = request.header("host", &self.host).header("origin", format!("http://{}", self.host));
        let request = request.header("cookie", &self.cookie).header("accept-encoding", "gzip, deflate, br, zstd");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = self.connection.send_request(request.body(Full::from(form)).unwrap()).await.unwrap();
        let wanted = if method == Method::GET { 200 } else { 303 };
        assert_eq!(answer.status(), wanted, "{method} {path}");
        let cookie = answer.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        let cookie = cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned());
        (cookie, answer.into_body().collect().await.unwrap().to_bytes().len())
    }
}
