//! The peer: prometheus-blackbox-exporter, asked for one probe after the other over connections that stay open.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use nix::unistd::Pid;
use picket_tests::net::Place;
use picket_tests::process::Process;
use picket_tests::wait;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::client::connect;
use crate::targets::{ADDRESS, NAME};

/// Its name in figures.
pub(crate) const NAME_OF_PEER: &str = "prometheus-blackbox-exporter";
const PROGRAM: &str = "/usr/bin/prometheus-blackbox-exporter";
/// Probes that it runs at once.
const AT_ONCE: usize = 16;

/// The running exporter; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Exporter {
    address: SocketAddr,
    process: Process,
}

impl Exporter {
    pub(crate) fn start(folder: &Path, authority: &Path) -> Self {
        let config = folder.join("blackbox.yml");
        let text = format!(
            "modules:\n  http:\n    prober: http\n    timeout: 5s\n    http: {{ preferred_ip_protocol: ip4 }}\n  \
             https:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n      \
             tls_config: {{ ca_file: {} }}\n  \
             dns:\n    prober: dns\n    timeout: 5s\n    dns: {{ query_name: {NAME}, query_type: A, \
             transport_protocol: udp, preferred_ip_protocol: ip4 }}\n",
            authority.display()
        );
        fs::write(&config, text).unwrap();
        let address = SocketAddr::from((ADDRESS, 9115));
        let mut command = Place::here().command(PROGRAM);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=error");
        let process = Process::start("blackbox exporter", command, &folder.join("blackbox.log"));
        wait::until("the exporter", Duration::from_secs(20), || Place::here().connect(address));
        Self { address, process }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Has it probe `target` by `module` for this long, 16 at once, without a pause; gives how many probes that were.
    pub(crate) fn probe(&self, module: &str, target: &str, during: Duration) -> u64 {
        let done = Arc::new(AtomicU64::new(0));
        let path = format!("/probe?module={module}&target={target}");
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let mut asking = JoinSet::new();
            for _ in 0..AT_ONCE {
                asking.spawn(ask(self.address, path.clone(), Arc::clone(&done)));
            }
            tokio::select! {
                () = tokio::time::sleep(during) => {}
                Some(ended) = asking.join_next() => panic!("a connection to the exporter ended: {ended:?}"),
            }
        });
        done.load(Ordering::Relaxed)
    }
}

/// Asks for ever, or until the exporter ends the connection.
async fn ask(exporter: SocketAddr, path: String, done: Arc<AtomicU64>) -> Result<(), hyper::Error> {
    let mut sender = connect(exporter).await;
    loop {
        sender.ready().await?;
        let request = Request::get(&path).header("host", "exporter").body(Empty::<Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        let good = answer.split(|byte| *byte == b'\n').any(|line| line == b"probe_success 1");
        assert!(good, "the exporter's probe failed: {}", String::from_utf8_lossy(&answer));
        done.fetch_add(1, Ordering::Relaxed);
    }
}
