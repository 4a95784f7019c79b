//! A load balancer before several collectors, as operators have one: it asks `/healthz` every second, sends new connections to the first
//! collector that is well, and closes those to one that is not any more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::net::Place;

/// A collector that does not answer for so long is not well.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(1);

/// A running balancer; dropping it ends it.
#[derive(Debug)]
pub struct Balancer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    backends: Vec<Backend>,
    ended: AtomicBool,
}

#[derive(Debug)]
struct Backend {
    address: SocketAddr,
    well: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Balancer {
    /// Listens at `address`.
    pub fn start(address: SocketAddr, backends: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let backend = |&address| Backend { address, well: AtomicBool::new(false), open: Mutex::default() };
        let backends = backends.iter().map(backend).collect();
        let shared = Arc::new(Shared { address, backends, ended: AtomicBool::new(false) });
        let looks = Arc::clone(&shared);
        thread::spawn(move || looks.look());
        let accepts = Arc::clone(&shared);
        thread::spawn(move || accepts.accept(&listener));
        Self { shared }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = Place::here().connect(self.shared.address);
    }
}

impl Shared {
    fn look(&self) {
        while !self.ended.load(Ordering::Relaxed) {
            for backend in &self.backends {
                let is_well = is_well(backend.address).unwrap_or(false);
                backend.well.store(is_well, Ordering::Relaxed);
                if !is_well {
                    for stream in backend.open.lock().unwrap().drain(..) {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                }
            }
            thread::sleep(LOOK);
        }
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let shared = Arc::clone(&self);
            thread::spawn(move || {
                let well = shared.backends.iter().find(|backend| backend.well.load(Ordering::Relaxed));
                let server = well.and_then(|backend| Some((backend, Place::here().connect(backend.address).ok()?)));
                if let Some((backend, server)) = server {
                    let _ = backend.pass(&client, &server);
                }
            });
        }
    }
}

impl Backend {
    fn pass(&self, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        self.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
        let (mut up_from, mut up_to) = (client.try_clone()?, server.try_clone()?);
        let up = thread::spawn(move || {
            let _ = io::copy(&mut up_from, &mut up_to);
            let _ = up_to.shutdown(Shutdown::Write);
        });
        let (mut down_from, mut down_to) = (server.try_clone()?, client.try_clone()?);
        let _ = io::copy(&mut down_from, &mut down_to);
        let _ = down_to.shutdown(Shutdown::Both);
        let _ = up.join();
        Ok(())
    }
}

fn is_well(address: SocketAddr) -> io::Result<bool> {
    let mut stream = Place::here().connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer.ends_with(b" 200"))
}
