//! A service that speaks S3, with one bucket: moto's server, which keeps everything in memory.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::net::Place;
use crate::process::{Process, our_program};
use crate::wait;

/// The bucket that it has.
pub const NAME: &str = "picket-archive";

/// moto's server, one request after the other: between looking whether an object is there and keeping it, it holds no lock,
/// so that of two who put one at once both could have made it, which a real store rules out.
const SERVER: &str = "
import sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
whole, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()
def one(environ, start_response):
    with turn:
        return list(whole(environ, start_response))
run_simple(sys.argv[1], int(sys.argv[2]), one, threaded=True)
";

/// A running service; dropping it ends it, and what it kept is gone.
#[derive(Debug)]
pub struct Bucket {
    /// Where it listens.
    pub address: SocketAddr,
    place: Place,
    folder: PathBuf,
    process: Process,
}

impl Bucket {
    /// Starts it there, with its log in `folder`.
    pub fn start(place: &Place, address: SocketAddr, folder: &Path) -> Self {
        let python = our_program("picket-collector").parent().unwrap().with_file_name("tools").join("moto/bin/python3");
        assert!(python.exists(), "{} is missing: run tests/run once", python.display());
        let mut command = place.command(&python);
        command.args(["-c", SERVER, &address.ip().to_string(), &address.port().to_string()]);
        let process = Process::start("moto", command, &folder.join("moto.log"));
        wait::until("moto", Duration::from_secs(60), || place.connect(address));
        let bucket = Self { address, place: place.clone(), folder: folder.to_owned(), process };
        let made = bucket.ask("PUT", &format!("/{NAME}"), REGION);
        assert!(made.starts_with("HTTP/1.1 200"), "{made}");
        bucket
    }

    /// The section `[archive]` of a collector that uses it.
    pub fn section(&self) -> String {
        let file = |name: &str, text: &str| {
            let path = self.folder.join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        format!(
            "[archive]\ns3_url = \"http://{}\"\ns3_bucket = \"{NAME}\"\ns3_region = \"eu-central-1\"\ns3_prefix = \"test/\"\n\
             s3_access_key_file = \"{}\"\ns3_secret_key_file = \"{}\"\neu_attested = \"the test, today, this machine\"\n\
             switch_seconds = 5\n",
            self.address,
            file("access-key", "AKIATEST"),
            file("secret-key", "a secret of the test"),
        )
    }

    /// From now on it takes connections and answers nothing.
    pub fn freezes(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        let page = self.ask("GET", &format!("/{NAME}?list-type=2"), "");
        page.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
    }

    /// Everything that is stored under a name, as it is stored.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let program = "import sys, urllib.request as u; \
                       sys.stdout.buffer.write(u.urlopen(u.Request(sys.argv[1], headers={'Authorization': sys.argv[2]})).read())";
        let url = format!("http://{}/{NAME}/{name}", self.address);
        let signed = SIGNED.trim_end().trim_start_matches("Authorization: ");
        let mut command: Command = self.place.command("python3");
        command.args(["-c", program, &url, signed]).output().unwrap().stdout
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        self.place.within(|| {
            let mut stream = std::net::TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).unwrap();
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{SIGNED}", self.address);
            write!(stream, "{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    }
}

/// It minds the form of a signature, and not what it says.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-central-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0\r\n";
const REGION: &str =
    "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";

impl Drop for Bucket {
    fn drop(&mut self) {
        // One that is frozen hears nothing else.
        self.process.signal_if_it_runs(Signal::SIGCONT);
    }
}
