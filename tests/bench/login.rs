//! Whether it takes another time to sign in, or to ask for a link, with an address that somebody has than with one that
//! nobody has: means, and Welch's t of their difference.

use std::net::Ipv4Addr;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use picket_shared::time::Stopwatch;
use picket_tests::collector::Collector;

use crate::client::connect;
use crate::database;
use crate::figure::Figure;

const BENCH: &str = "login";
/// A loopback address that no test uses.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 4);
/// Of each kind of address, for each way in, unless `PICKET_SAMPLES` says otherwise.
const SAMPLES: usize = 10_000;
/// Before the first that counts.
const WARM_UP: usize = 50;

/// A way in: its name, its path, what its form holds beside the address, and what it answers.
type Way = (&'static str, &'static str, &'static str, u16);

const WAYS: [Way; 4] = [
    ("sign_in", "/sign-in", "password=a+guess+for+today", 401),
    ("link", "/sign-in/link", "do=sign_in", 200),
    ("reset", "/sign-in/link", "do=reset", 200),
    ("sign_up", "/sign-up", "", 200),
];

/// Measures everything and prints it.
pub(crate) fn run(folder: &Path) {
    let samples = std::env::var("PICKET_SAMPLES").map_or(SAMPLES, |text| text.parse().unwrap());
    let (collector, database) = database::start(folder, ADDRESS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut asker = runtime.block_on(Asker::new(&collector));
    let link = collector.set_up_link();
    let path = link[link.find("/set-up/").unwrap()..].to_owned();
    runtime.block_on(asker.ask(&path, "email=ada@example.org&password=a+lantern+in+the+window", 303));
    for (name, path, rest, status) in WAYS {
        let all = samples + WARM_UP;
        // Each address is used once, so that nobody is locked or has to wait.
        database.ask(&format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
             SELECT gen_random_uuid(), '{name}.known' || n || '@example.org', (SELECT password_hash FROM users ORDER BY id LIMIT 1), 0, 0
             FROM generate_series(1, {all}) n;
             INSERT INTO memberships (org_id, user_id, role, created_at)
             SELECT 1, id, 'viewer', 0 FROM users WHERE email LIKE '{name}.known%'; ANALYZE users; ANALYZE memberships"
        ));
        let (mut known, mut nobody) = (Vec::with_capacity(samples), Vec::with_capacity(samples));
        for n in 1..=all {
            // By turns in an order that nothing follows, so that the machine's other work falls on both.
            let begins = fastrand::bool();
            for is_known in [begins, !begins] {
                let who = if is_known { "known" } else { "other" };
                let form = format!("email={name}.{who}{n}%40example.org&{rest}");
                let took_ms = runtime.block_on(asker.ask(path, &form, status));
                if n > WARM_UP {
                    if is_known { known.push(took_ms) } else { nobody.push(took_ms) }
                }
            }
        }
        let print = |figure: &str, unit, value: f64| {
            Figure::of(BENCH, format!("{name}_{figure}"), unit, &[value]).print();
        };
        print("known_ms_p50", "ms", median(&known));
        print("nobody_ms_p50", "ms", median(&nobody));
        print("mean_difference_us", "us", (Sample::of(&known).mean - Sample::of(&nobody).mean) * 1000.0);
        print("welch_t", "", welch_t(&known, &nobody));
        print("samples", "", samples as f64);
    }
}

/// Somebody who asks over one connection that stays open, each time for another client.
struct Asker {
    host: String,
    connection: SendRequest<Full<Bytes>>,
    clients: u32,
}

impl Asker {
    async fn new(collector: &Collector) -> Self {
        Self { host: collector.address.to_string(), connection: connect(collector.address).await, clients: 0 }
    }

    /// Sends a form as a browser does; gives the milliseconds to the last byte of the answer.
    async fn ask(&mut self, path: &str, form: &str, status: u16) -> f64 {
        self.clients += 1;
        let client = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + self.clients);
        self.connection.ready().await.unwrap();
        let request = Request::post(path).header("host", &self.host).header("x-forwarded-for", client.to_string());
        let request = request.header("origin", format!("http://{}", self.host));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Full::from(form.to_owned())).unwrap();
        let watch = Stopwatch::start();
        let answer = self.connection.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        answer.into_body().collect().await.unwrap();
        watch.elapsed().as_secs_f64() * 1000.0
    }
}

/// What is known of one kind.
struct Sample {
    mean: f64,
    /// The square of the mean's standard error.
    error: f64,
}

impl Sample {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { mean, error: variance / count }
    }
}

/// Welch's t: beyond 4.5 on either side, the two are not the same.
fn welch_t(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (Sample::of(one), Sample::of(other));
    (one.mean - other.mean) / (one.error + other.error).sqrt()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
