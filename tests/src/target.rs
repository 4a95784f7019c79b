//! What is watched: nginx, with and without TLS.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::ca::Certificate;
use crate::net::Place;
use crate::process::Process;
use crate::wait;

/// What every page of the target says.
pub const BODY: &str = "the shop is open";

/// A web server that can be stopped, started, and given another certificate.
#[derive(Debug)]
pub struct Target {
    place: Place,
    address: Ipv4Addr,
    ports: Ports,
    folder: PathBuf,
    certificate: Option<Certificate>,
    redirects: Vec<(String, String)>,
    process: Option<Process>,
}

/// Where a target listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// For plain HTTP.
    pub http: u16,
    /// For HTTPS, once there is a certificate.
    pub https: u16,
}

impl Target {
    /// Starts nginx in `place`; with `certificate` also over TLS, and with `redirects` from a path to a URL.
    pub fn start(
        place: &Place,
        address: Ipv4Addr,
        ports: Ports,
        folder: &Path,
        certificate: Option<&Certificate>,
        redirects: &[(&str, &str)],
    ) -> Self {
        fs::create_dir_all(folder).unwrap();
        let redirects = redirects.iter().map(|&(path, to)| (path.to_owned(), to.to_owned())).collect();
        let mut target = Self {
            place: place.clone(),
            address,
            ports,
            folder: folder.to_owned(),
            certificate: certificate.cloned(),
            redirects,
            process: None,
        };
        target.starts();
        target
    }

    /// Begins to answer.
    pub fn starts(&mut self) {
        self.write_configuration();
        let mut command = self.place.command("/usr/sbin/nginx");
        command.arg("-c").arg(self.folder.join("nginx.conf")).arg("-p").arg(&self.folder);
        command.args(["-e", "stderr"]);
        let process = Process::start("nginx", command, &self.folder.join("nginx.log"));
        self.process = Some(process);
        let address = SocketAddr::from((self.address, self.ports.http));
        wait::until("nginx", Duration::from_secs(20), || self.place.connect(address));
    }

    /// Stops answering: nobody listens any more.
    pub fn breaks(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
    }

    /// Shows `certificate` from the next handshake on.
    pub fn shows(&mut self, certificate: &Certificate) {
        self.certificate = Some(certificate.clone());
        self.write_configuration();
        self.process.as_ref().unwrap().signal(Signal::SIGHUP);
    }

    fn write_configuration(&self) {
        let (folder, address) = (self.folder.display(), self.address);
        let mut server = format!("listen {address}:{};\n", self.ports.http);
        if let Some(certificate) = &self.certificate {
            let (file, key) = (certificate.file.display(), certificate.key.display());
            let _ = write!(
                server,
                "listen {address}:{} ssl http2;\nssl_certificate {file};\nssl_certificate_key {key};\n",
                self.ports.https
            );
        }
        for (path, to) in &self.redirects {
            let _ = writeln!(server, "location = {path} {{ return 302 {to}; }}");
        }
        let _ = writeln!(server, "location / {{ default_type text/plain; return 200 \"{BODY}\\n\"; }}");
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n\
             events {{ worker_connections 256; }}\n\
             http {{\naccess_log {folder}/access.log;\nkeepalive_timeout 0;\n\
             client_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/fastcgi;\n\
             uwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;\n\
             server {{\n{server}}}\n}}\n"
        );
        fs::write(self.folder.join("nginx.conf"), text).unwrap();
    }

    /// How many requests it answered.
    pub fn requests(&self) -> usize {
        fs::read_to_string(self.folder.join("access.log")).unwrap_or_default().lines().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;

    #[test]
    fn a_target_answers_until_it_breaks_and_again_when_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(&folder.path().join("certificates"));
        let (place, address) = (Place::here(), Ipv4Addr::new(127, 77, 255, 4));
        let ports = Ports { http: 8097, https: 8098 };
        let certificate = authority.good(&["shop.test"]);
        let mut target = Target::start(&place, address, ports, folder.path(), Some(&certificate), &[]);
        assert!(place.connect((address, ports.https).into()).is_ok());
        target.shows(&authority.expired(&["shop.test"]));
        target.breaks();
        assert!(place.connect((address, ports.http).into()).is_err());
        target.starts();
        assert!(place.connect((address, ports.http).into()).is_ok());
    }
}
