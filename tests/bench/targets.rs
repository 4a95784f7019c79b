//! What is checked: nginx with a page of 1 KiB over HTTP and HTTPS, and knot with one name.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use picket_tests::ca::Authority;
use picket_tests::net::Place;
use picket_tests::process::Process;
use picket_tests::resolver::Resolver;
use picket_tests::wait;

/// A loopback address that no test uses.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 78, 0, 1);
/// The name that knot knows.
pub(crate) const NAME: &str = "www.shop.test";
const HTTP: u16 = 8081;
const HTTPS: u16 = 8444;

/// The servers; dropping them ends them.
#[derive(Debug)]
pub(crate) struct Targets {
    /// Where the name server answers.
    pub(crate) resolver: Resolver,
    _nginx: Process,
}

impl Targets {
    pub(crate) fn start(folder: &Path, authority: &Authority) -> Self {
        let resolver = (ADDRESS, 53).into();
        let resolver = Resolver::start(&Place::here(), resolver, &folder.join("knot"), &["www A 192.0.2.1".to_owned()]);
        Self { resolver, _nginx: nginx(&folder.join("nginx"), authority) }
    }
}

/// The page without TLS.
pub(crate) fn http_url() -> String {
    format!("http://{ADDRESS}:{HTTP}/")
}

/// The page with TLS.
pub(crate) fn https_url() -> String {
    format!("https://{ADDRESS}:{HTTPS}/")
}

fn nginx(folder: &Path, authority: &Authority) -> Process {
    fs::create_dir_all(folder).unwrap();
    // ECDSA with P-256, as the harness makes all its keys.
    let certificate = authority.good(&[&ADDRESS.to_string()]);
    let (file, key) = (certificate.file.display(), certificate.key.display());
    let page = "0123456789abcde\\n".repeat(64);
    let text = format!(
        "daemon off;\nworker_processes 1;\npid {place}/nginx.pid;\nerror_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\nkeepalive_timeout 0;\n\
         client_body_temp_path {place}/body;\nproxy_temp_path {place}/proxy;\nfastcgi_temp_path {place}/fastcgi;\n\
         uwsgi_temp_path {place}/uwsgi;\nscgi_temp_path {place}/scgi;\n\
         server {{\nlisten {ADDRESS}:{HTTP} backlog=4096;\nlisten {ADDRESS}:{HTTPS} ssl backlog=4096;\n\
         ssl_certificate {file};\nssl_certificate_key {key};\n\
         location / {{ default_type text/plain; return 200 \"{page}\"; }}\n}}\n}}\n",
        place = folder.display(),
    );
    fs::write(folder.join("nginx.conf"), text).unwrap();
    let mut command = Place::here().command("/usr/sbin/nginx");
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder).args(["-e", "stderr"]);
    let process = Process::start("nginx", command, &folder.join("nginx.log"));
    let address = SocketAddr::from((ADDRESS, HTTP));
    wait::until("nginx", Duration::from_secs(20), || Place::here().connect(address));
    process
}
