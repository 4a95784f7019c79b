//! Places with a network of their own (Linux network namespaces), so that the egress guard sees public addresses.
//!
//! The addresses lie in a public range and exist only inside: nothing of it reaches the machine's own network.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::machine_clock::MachineClock;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Where a program runs: on this machine as it is, or in a namespace; by this machine's clock, or one of its own.
#[derive(Clone, Debug, Default)]
pub struct Place(Option<String>, Option<MachineClock>);

impl Place {
    /// This machine's own network.
    pub const fn here() -> Self {
        Self(None, None)
    }

    /// The same place with a clock of its own.
    #[must_use]
    pub fn with_clock(self, clock: MachineClock) -> Self {
        Self(self.0, Some(clock))
    }

    /// Its own clock.
    ///
    /// # Panics
    /// When it has none.
    #[track_caller]
    pub fn clock(&self) -> &MachineClock {
        self.1.as_ref().expect("this place goes by the real clock")
    }

    /// A command that runs `program` in this place.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = match &self.0 {
            None => Command::new(program.as_ref()),
            Some(name) => {
                // `ip netns exec` becomes the program: the process id stays.
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program.as_ref());
                command
            }
        };
        if let Some(clock) = &self.1 {
            clock.rules(&mut command);
        }
        command
    }

    /// Does `work` on a thread that is in this place; the sockets it opens stay there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let Some(name) = &self.0 else { return work() };
        let path = format!("/run/netns/{name}");
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(&path).unwrap_or_else(|error| panic!("cannot open {path}: {error}"));
                setns(namespace, CloneFlags::CLONE_NEWNET)
                    .unwrap_or_else(|error| panic!("cannot enter {path}: {error}"));
                work()
            });
            thread.join().unwrap()
        })
    }

    /// Listens for TCP connections here.
    pub fn listen(&self, address: SocketAddr) -> TcpListener {
        self.within(|| TcpListener::bind(address)).unwrap_or_else(|error| panic!("cannot listen at {address}: {error}"))
    }

    /// Receives UDP packets here.
    pub fn receive(&self, address: SocketAddr) -> UdpSocket {
        self.within(|| UdpSocket::bind(address)).unwrap_or_else(|error| panic!("cannot bind {address}: {error}"))
    }

    /// Connects from here.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.within(|| TcpStream::connect_timeout(&address, Duration::from_secs(5)))
    }

    fn ip(&self, arguments: &str) {
        let mut all = Vec::new();
        if let Some(name) = &self.0 {
            all.extend(["-n", name.as_str()]);
        }
        all.extend(arguments.split_whitespace());
        ip(&all);
    }

    /// Gives this place one more address of its own, on its loopback interface.
    pub fn also_has(&self, address: &str) {
        self.ip(&format!("address add {address} dev lo"));
    }

    /// Drops every answer to `other`, so that it sees silence.
    pub fn ignores(&self, other: Ipv4Addr) {
        self.ip(&format!("route add blackhole {other}/32"));
    }

    /// Answers `other` again.
    pub fn answers(&self, other: Ipv4Addr) {
        self.ip(&format!("route del blackhole {other}/32"));
    }

    /// Pulls the plug.
    pub fn cut_off(&self) {
        self.ip("link set eth0 down");
    }

    /// Puts the plug back.
    pub fn reconnect(&self) {
        self.ip("link set eth0 up");
    }
}

/// A switch with places around it; dropping it takes all of it away.
#[derive(Debug)]
pub struct Net {
    prefix: String,
    places: Vec<String>,
}

impl Net {
    /// A switch without any place.
    pub fn new() -> Self {
        remove_left_overs();
        let prefix = format!("pkt{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut net = Self { prefix, places: Vec::new() };
        let switch = net.namespace("switch");
        switch.ip("link add sw type bridge");
        switch.ip("link set sw up");
        net
    }

    /// A place at `address` (in one network of 24 bits with all others).
    pub fn place(&mut self, name: &str, address: Ipv4Addr) -> Place {
        let port = format!("p{}", self.places.len());
        let place = self.namespace(name);
        let inside = place.0.clone().unwrap();
        let switch = Place(Some(self.places[0].clone()), None);
        switch.ip(&format!("link add {port} type veth peer name eth0 netns {inside}"));
        switch.ip(&format!("link set {port} master sw up"));
        place.ip("link set lo up");
        place.ip(&format!("address add {address}/24 dev eth0"));
        place.ip("link set eth0 up");
        place
    }

    fn namespace(&mut self, name: &str) -> Place {
        let name = format!("{}-{name}", self.prefix);
        ip(&["netns", "add", &name]);
        self.places.push(name.clone());
        Place(Some(name), None)
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in self.places.iter().rev() {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output =
        Command::new("ip").args(arguments).output().expect("`ip` is missing: install iproute2, or run tests/run");
    assert!(
        output.status.success(),
        "this test needs network namespaces and cannot make them: `ip {}` said {}(run it as root on a Linux machine that allows them)",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Takes away the namespaces of earlier runs that were killed.
fn remove_left_overs() {
    let output = Command::new("ip")
        .args(["netns", "list"])
        .output()
        .expect("`ip` is missing: install iproute2, or run tests/run");
    for name in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.split_whitespace().next()) {
        let owner =
            name.strip_prefix("pkt").and_then(|rest| rest.split('-').next()).filter(|pid| pid.parse::<u32>().is_ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn places_reach_each_other_and_nothing_else_until_one_is_cut_off() {
        let mut net = Net::new();
        let here = net.place("a", Ipv4Addr::new(45, 64, 0, 1));
        let there = net.place("b", Ipv4Addr::new(45, 64, 0, 2));
        let address: SocketAddr = "45.64.0.2:80".parse().unwrap();
        let listener = there.listen(address);
        let mut sent = here.connect(address).unwrap();
        sent.write_all(b"x").unwrap();
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x");
        there.ignores(Ipv4Addr::new(45, 64, 0, 1));
        assert!(here.connect(address).is_err());
        there.answers(Ipv4Addr::new(45, 64, 0, 1));
        assert!(here.connect(address).is_ok());
        there.cut_off();
        assert!(here.connect(address).is_err());
        let name = there.0.clone().unwrap();
        drop(net);
        assert!(!Path::new("/run/netns").join(name).exists());
    }
}
