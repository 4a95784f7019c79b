//! Answers `wal-push` and `wal-fetch`: a socket beside PostgreSQL's own, which only the owner of the data can reach.
//!
//! It listens from PostgreSQL's start until PostgreSQL has ended, whose last segment is pushed then. A request that comes
//! before the archive is there waits for it; a server that is dropped answers nobody, and PostgreSQL keeps its files.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::fetch::{Fetched, Fetcher};
use super::line::{self, Reply, Request, SOCKET};
use super::push::Pusher;

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
    desk: watch::Sender<Option<Desk>>,
    listening: JoinHandle<()>,
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
        Ok(Self { desk, listening: tokio::spawn(listen(listener, waiting)) })
    }

    /// From now on requests are answered.
    pub fn begins(&self, desk: Desk) {
        self.desk.send_replace(Some(desk));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: UnixListener, desk: watch::Receiver<Option<Desk>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer(stream, desk.clone()));
            }
            Err(error) => {
                tracing::error!("The archive's socket failed: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, mut desk: watch::Receiver<Option<Desk>>) {
    let Some(request) = line::read(&mut stream).await else {
        return line::write(&mut stream, &Reply::Error("that is no request".to_owned())).await;
    };
    let ready = desk.wait_for(Option::is_some).await.ok().and_then(|desk| desk.clone());
    let Some(desk) = ready else { return };
    let reply = match (request, desk) {
        (Request::Push(file), Desk::Pushing(pusher)) => match pusher.push(file).await {
            Ok(()) => Reply::Done(Vec::new()),
            Err(error) => {
                tracing::error!(wal.file = %file, "{file} could not be archived, and is kept: {error}");
                Reply::Error(error.to_string())
            }
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
    };
    line::write(&mut stream, &reply).await;
}
