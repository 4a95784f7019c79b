//! A line between two places: it adds the delay of a long way, and can lose, stall and refuse while it runs.
//!
//! It works on TCP connections, in the memory of the test: not every kernel has netem. Each connection waits one round
//! trip before its first byte passes, as a handshake would, and every byte takes half a round trip in each direction.
//! A line that is cut (no packet comes through at all) is made with [`Place::cut_off`] on the relay's own place.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::mailbox::RUNTIME;
use crate::net::Place;

/// The largest piece that passes at once; each may be the one that is lost.
const PIECE: usize = 16 * 1024;
/// Pieces that are on the way in one direction at most.
const ON_THE_WAY: usize = 64;

/// What a line does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// It carries everything.
    Passing,
    /// Of every piece this share breaks its connection instead of coming through.
    Losing(f64),
    /// Connections stay and are made, and nothing passes.
    Stalled,
    /// Every connection is ended, and so is every new one.
    Refusing,
}

/// A line; dropping it ends every connection over it.
#[derive(Debug)]
pub struct Relay {
    way: Arc<Way>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Way {
    from: Place,
    to: SocketAddr,
    one_way: Duration,
    mode: watch::Sender<Mode>,
    random: Mutex<fastrand::Rng>,
    lost: AtomicU32,
}

impl Relay {
    /// Carries what connects to `listener` on to `to`, which it reaches from the place `from`; a way there and back takes
    /// `round_trip`. The same `seed` loses the same pieces.
    pub fn start(
        listener: std::net::TcpListener,
        (from, to): (Place, SocketAddr),
        round_trip: Duration,
        seed: u64,
    ) -> Self {
        listener.set_nonblocking(true).unwrap();
        let way = Arc::new(Way {
            from,
            to,
            one_way: round_trip / 2,
            mode: watch::Sender::new(Mode::Passing),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            lost: AtomicU32::new(0),
        });
        let task = RUNTIME.spawn(accept(listener, Arc::clone(&way)));
        Self { way, task }
    }

    /// Changes what it does, for connections that are there as well.
    pub fn set(&self, mode: Mode) {
        self.way.mode.send_replace(mode);
    }

    /// How many connections it broke because a piece was lost.
    pub fn lost(&self) -> u32 {
        self.way.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: std::net::TcpListener, way: Arc<Way>) {
    let listener = TcpListener::from_std(listener).unwrap();
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((near, _)) = accepted {
                connections.spawn(carry(near, Arc::clone(&way)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(near: TcpStream, way: Arc<Way>) {
    tokio::select! {
        () = both_ways(near, &way) => {}
        () = way.refuses() => {}
    }
}

async fn both_ways(near: TcpStream, way: &Arc<Way>) {
    sleep(way.one_way * 2).await;
    way.passes().await;
    let Ok(far) = way.connect().await else { return };
    // Delays are added here and nowhere else.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pump(near_in, far_out, way) => {}
        () = pump(far_in, near_out, way) => {}
    }
}

/// Carries one direction to its end, or until a piece is lost.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &Way) {
    let (put, mut take) = mpsc::channel::<(Instant, Bytes)>(ON_THE_WAY);
    let reads = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            if way.loses() {
                return false;
            }
            let sent = (Instant::now() + way.one_way, Bytes::copy_from_slice(&piece[..length]));
            if put.send(sent).await.is_err() {
                return false;
            }
        }
        true
    };
    let writes = async move {
        while let Some((due, piece)) = take.recv().await {
            sleep_until(due).await;
            way.passes().await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::pin!(writes);
    tokio::select! {
        whole = reads => if whole { writes.await },
        () = &mut writes => {}
    }
}

impl Way {
    async fn connect(self: &Arc<Self>) -> io::Result<TcpStream> {
        let way = Arc::clone(self);
        let stream = tokio::task::spawn_blocking(move || way.from.connect(way.to)).await??;
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    }

    fn loses(&self) -> bool {
        let Mode::Losing(share) = *self.mode.borrow() else { return false };
        let lost = self.random.lock().unwrap().f64() < share;
        self.lost.fetch_add(u32::from(lost), Ordering::SeqCst);
        lost
    }

    async fn passes(&self) {
        self.until(|mode| mode != Mode::Stalled).await;
    }

    async fn refuses(&self) {
        self.until(|mode| mode == Mode::Refusing).await;
    }

    async fn until(&self, wanted: impl Fn(Mode) -> bool) {
        if self.mode.subscribe().wait_for(|mode| wanted(*mode)).await.is_err() {
            pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;
    use picket_shared::time::Stopwatch;
    use std::io::{Read, Write};
    use std::thread;

    const LISTENS: &str = "127.77.255.6:8096";
    const ECHOES: &str = "127.77.255.6:8095";
    const ROUND_TRIP: Duration = Duration::from_millis(80);

    /// Answers every byte with the same, on every connection.
    fn echo() {
        let listener = Place::here().listen(ECHOES.parse().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
    }

    fn connect() -> std::net::TcpStream {
        let stream = Place::here().connect(LISTENS.parse().unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(stream: &mut std::net::TcpStream, byte: u8) -> io::Result<u8> {
        stream.write_all(&[byte])?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    }

    #[test]
    fn a_relay_delays_stalls_loses_refuses_and_passes_again() {
        echo();
        let listener = Place::here().listen(LISTENS.parse().unwrap());
        let relay = Relay::start(listener, (Place::here(), ECHOES.parse().unwrap()), ROUND_TRIP, 7);
        let watch = Stopwatch::start();
        let mut stream = connect();
        assert_eq!(ask(&mut stream, 1).unwrap(), 1);
        assert!(watch.elapsed() >= ROUND_TRIP * 2, "a handshake and a question take two: {:?}", watch.elapsed());
        let watch = Stopwatch::start();
        assert_eq!(ask(&mut stream, 2).unwrap(), 2);
        assert!(watch.elapsed() >= ROUND_TRIP, "{:?}", watch.elapsed());

        relay.set(Mode::Stalled);
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let silence = ask(&mut stream, 3).unwrap_err().kind();
        assert!(matches!(silence, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{silence:?}");
        relay.set(Mode::Passing);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut late = [0];
        stream.read_exact(&mut late).unwrap();
        assert_eq!(late, [3], "what was stalled comes after all");

        relay.set(Mode::Losing(0.3));
        wait::until("a connection that is lost", Duration::from_secs(20), || match ask(&mut connect(), 4) {
            Ok(_) => Err(()),
            Err(_) => Ok(()),
        });
        assert!(relay.lost() > 0);

        relay.set(Mode::Refusing);
        assert!(ask(&mut connect(), 5).is_err());
        assert!(ask(&mut stream, 5).is_err(), "connections that were there are ended too");
        relay.set(Mode::Passing);
        assert_eq!(ask(&mut connect(), 6).unwrap(), 6);
    }
}
