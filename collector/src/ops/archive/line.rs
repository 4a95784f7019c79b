//! What `wal-push` and `wal-fetch` say to the collector: one line each way over a socket of the owner's alone.
//!
//! PostgreSQL starts these programs for each file. They know no settings, hold no key and reach no network: they only ask, and
//! the collector, which has all of that, answers when it is done.
//!
//! ```text
//! push 000000010000000000000001   ->  ok | error <why>
//! fetch 000000010000000000000001  ->  ok <bytes>, then these | none | error <why>
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::wal::WalFile;

/// The socket's name in the folder of PostgreSQL's own.
pub const SOCKET: &str = ".s.archive";
/// A request is shorter.
const LONGEST: u64 = 128;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Archive this file.
    Push(WalFile),
    /// Give this file.
    Fetch(WalFile),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is archived, durably; or here it is.
    Done(Vec<u8>),
    /// The archive has no such file, and should not have.
    None,
    /// Nobody knows, or it failed.
    Error(String),
}

/// Asks, and waits for the answer.
///
/// # Errors
/// When nobody answers, or something else than an answer comes.
pub fn ask(socket: &Path, request: Request) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    match request {
        Request::Push(file) => writeln!(stream, "push {file}")?,
        Request::Fetch(file) => writeln!(stream, "fetch {file}")?,
    }
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "the collector broke off");
    let line = line.strip_suffix('\n').ok_or_else(strange)?;
    match line.split_once(' ').unwrap_or((line, "")) {
        ("ok", length) => {
            let mut bytes = vec![0; length.parse().map_err(|_| strange())?];
            stream.read_exact(&mut bytes)?;
            Ok(Reply::Done(bytes))
        }
        ("none", "") => Ok(Reply::None),
        ("error", why) => Ok(Reply::Error(why.to_owned())),
        _ => Err(strange()),
    }
}

/// Reads a request; `None` when it is none.
pub async fn read(stream: &mut tokio::net::UnixStream) -> Option<Request> {
    let mut line = String::new();
    tokio::io::BufReader::new(stream.take(LONGEST)).read_line(&mut line).await.ok()?;
    let (verb, file) = line.strip_suffix('\n')?.split_once(' ')?;
    let file = file.parse().ok()?;
    match verb {
        "push" => Some(Request::Push(file)),
        "fetch" => Some(Request::Fetch(file)),
        _ => None,
    }
}

/// Writes an answer. Who asked may be gone: then nobody needs it.
pub async fn write(stream: &mut tokio::net::UnixStream, reply: &Reply) {
    let (line, bytes) = match reply {
        Reply::Done(bytes) => (format!("ok {}\n", bytes.len()), bytes.as_slice()),
        Reply::None => ("none\n".to_owned(), &[][..]),
        Reply::Error(why) => (format!("error {}\n", why.replace(['\n', '\r'], " ")), &[][..]),
    };
    let written = async {
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let _: io::Result<()> = written.await;
}

/// A command for PostgreSQL's settings: `program` with arguments, each quoted for the shell, `%` doubled; `%f` and `%p` as they
/// are.
pub fn command(program: &Path, verb: &str, socket: &Path, ends: &str) -> String {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''").replace('%', "%%"));
    format!("{} {verb} --socket {} {ends}", quoted(program), quoted(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell_and_for_postgresql() {
        let command = command(Path::new("/a b/it's 100%"), "wal-push", Path::new("/s"), "%f");
        assert_eq!(command, r"'/a b/it'\''s 100%%' wal-push --socket '/s' %f");
    }

    #[tokio::test]
    async fn what_is_asked_and_answered_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let file: WalFile = "000000010000000000000001".parse().unwrap();
        for (request, reply) in [
            (Request::Push(file), Reply::Done(Vec::new())),
            (Request::Fetch(file), Reply::Done(vec![10; 100_000])),
            (Request::Fetch(file), Reply::None),
            (Request::Push(file), Reply::Error("two\nlines".to_owned())),
        ] {
            let asked = tokio::task::spawn_blocking({
                let path = path.clone();
                move || ask(&path, request).unwrap()
            });
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(read(&mut stream).await, Some(request));
            write(&mut stream, &reply).await;
            let expected = if let Reply::Error(_) = reply { Reply::Error("two lines".to_owned()) } else { reply };
            drop(stream);
            assert_eq!(asked.await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error_and_no_success() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let file: WalFile = "000000010000000000000001".parse().unwrap();
        for broken in ["", "ok", "ok 10\nabc", "o", "ok x\n", "yes\n", "none"] {
            let asked = tokio::task::spawn_blocking({
                let path = path.clone();
                move || ask(&path, Request::Fetch(file))
            });
            let (mut stream, _) = listener.accept().await.unwrap();
            read(&mut stream).await;
            stream.write_all(broken.as_bytes()).await.unwrap();
            drop(stream);
            assert!(asked.await.unwrap().is_err(), "{broken:?}");
        }
        assert!(ask(&folder.path().join("nobody"), Request::Push(file)).is_err());
    }
}
