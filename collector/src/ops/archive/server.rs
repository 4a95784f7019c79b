//! Answers `wal-push` and `wal-fetch`: a socket beside PostgreSQL's own, which only the owner of the data can reach.
//!
//! It listens from PostgreSQL's start until PostgreSQL has ended, whose last segment is pushed then. A request that comes
//! before the archive is there waits for it. A store that is slow then holds nobody up for long: PostgreSQL keeps its files, and
//! hands them over after its next start.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::fetch::{Fetched, Fetcher};
use super::line::{self, Reply, Request, SOCKET};
use super::push::Pusher;

/// How long files are still put once the collector stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// What answers.
#[derive(Clone, Debug)]
pub enum Desk {
    /// For a cluster that runs.
    Pushing(Arc<Pusher>),
    /// For one that is being restored.
    Fetching(Arc<Fetcher>),
}

/// A socket that is listened to; dropping it ends that.
#[derive(Debug)]
pub struct Server {
    counter: Counter,
    farewell: CancellationToken,
    listening: JoinHandle<()>,
}

/// Where a desk is put as soon as there is one.
#[derive(Clone, Debug)]
pub struct Counter(watch::Sender<Option<Desk>>);

impl Counter {
    /// From now on requests are answered.
    pub fn begins(&self, desk: Desk) {
        self.0.send_replace(Some(desk));
    }
}

impl Server {
    /// Listens in the folder of PostgreSQL's sockets, which is made if it is missing.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(SOCKET);
        // Left by a collector that was killed: whoever opens it holds the lock of the data.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let (desk, waiting) = watch::channel(None);
        let farewell = CancellationToken::new();
        let listening = tokio::spawn(listen(listener, waiting, farewell.clone()));
        Ok(Self { counter: Counter(desk), farewell, listening })
    }

    /// Where its desk is put.
    pub fn counter(&self) -> Counter {
        self.counter.clone()
    }

    /// PostgreSQL is about to be stopped: what is not put in 5 s is kept, and put after the next start.
    pub fn ends(&self) {
        let farewell = self.farewell.clone();
        tokio::spawn(async move {
            tokio::time::sleep(FAREWELL).await;
            farewell.cancel();
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: UnixListener, desk: watch::Receiver<Option<Desk>>, farewell: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (desk, farewell) = (desk.clone(), farewell.clone());
                tokio::spawn(answer(stream, desk, farewell));
            }
            Err(error) => {
                tracing::error!("The archive's socket failed: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, desk: watch::Receiver<Option<Desk>>, farewell: CancellationToken) {
    let Some(request) = line::read(&mut stream).await else {
        return line::write(&mut stream, &Reply::Error("that is no request".to_owned())).await;
    };
    let reply = tokio::select! {
        reply = reply(request, desk) => reply,
        () = farewell.cancelled() => {
            Some(Reply::Error("the collector stops, and the archive is slow or away: it is kept".to_owned()))
        }
    };
    if let Some(reply) = reply {
        line::write(&mut stream, &reply).await;
    }
}

/// `None` when the server was dropped before there was a desk.
async fn reply(request: Request, mut desk: watch::Receiver<Option<Desk>>) -> Option<Reply> {
    let desk = desk.wait_for(Option::is_some).await.ok().and_then(|desk| desk.clone())?;
    Some(match (request, desk) {
        (Request::Push(file), Desk::Pushing(pusher)) => match pusher.push(file).await {
            Ok(()) => Reply::Done(Vec::new()),
            Err(error) => Reply::Error(error.to_string()),
        },
        (Request::Fetch(file), Desk::Fetching(fetcher)) => match fetcher.fetch(file).await {
            Ok(Fetched::Content(content)) => Reply::Done(content),
            Ok(Fetched::NotThere) => Reply::None,
            Err(error) => Reply::Error(error.to_string()),
        },
        (Request::Push(_), Desk::Fetching(_)) => {
            Reply::Error("a copy that is being restored archives nothing".to_owned())
        }
        (Request::Fetch(_), Desk::Pushing(_)) => Reply::Error("this collector does not restore".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::ops::archive::shelf::{Shelf, SystemId};
    use crate::ops::archive::store::{Answer, Listed, Put, Store};
    use crate::vault::{KeyRing, Opener, Sealer};

    /// A store that never answers.
    #[derive(Debug)]
    struct Hanging;

    impl Store for Hanging {
        fn ready(&self) -> Answer<'_, ()> {
            Box::pin(std::future::pending())
        }
        fn put<'a>(&'a self, _: &'a str, _: Bytes) -> Answer<'a, Put> {
            Box::pin(std::future::pending())
        }
        fn get<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Bytes>> {
            Box::pin(std::future::pending())
        }
        fn list<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<Listed>> {
            Box::pin(std::future::pending())
        }
        fn remove<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
            Box::pin(std::future::pending())
        }
        fn place(&self) -> String {
            "nowhere".to_owned()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_holds_up_no_stop_and_the_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::generate().unwrap();
        let shelf = Shelf::new(Arc::new(Hanging), Sealer::new(&ring), Opener::new(&ring), SystemId(7));
        fs::write(folder.path().join("00000002.history"), "1\t0/300000\tbefore\n").unwrap();
        for has_desk in [true, false] {
            let server = Server::open(folder.path()).unwrap();
            if has_desk {
                let pusher = Pusher::new(folder.path().to_owned(), shelf.clone());
                server.counter().begins(Desk::Pushing(Arc::new(pusher)));
            }
            let mut stream = UnixStream::connect(folder.path().join(SOCKET)).await.unwrap();
            stream.write_all(b"push 00000002.history\n").await.unwrap();
            server.ends();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            assert!(said.starts_with("error the collector stops"), "{said}");
        }
    }
}
