//! A real mail server (aiosmtpd) with a mailbox, and the stage that sends mails about accounts to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use picket_collector::config::Config;
use picket_collector::flow::account_mails::{Ctx, Report, run};
use picket_collector::login::Settings;
use picket_collector::notify::Client;
use picket_shared::egress::EgressGuard;
use tempfile::TempDir;

use crate::common::World;

/// With mail, and nobody may make an account.
pub(crate) const MAILS: Settings = Settings { mode: picket_collector::config::LoginMode::Closed, mails: true };

/// Prints its port; keeps each mail as a file; ends with its standard input. Recipients `later...` are refused for now.
const SERVER: &str = r#"
import asyncio, pathlib, sys
from aiosmtpd.smtp import SMTP

folder = pathlib.Path(sys.argv[1])

class Handler:
    count = 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("later"): return "451 4.7.1 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        Handler.count += 1
        (folder / f"{Handler.count}.eml").write_bytes(envelope.original_content)
        return "250 2.0.0 queued"

async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler(), hostname="localhost"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"#;

/// A running server.
pub(crate) struct Mailbox {
    folder: TempDir,
    port: u16,
    /// Its standard input is the pipe; it must stay open as long as the test runs.
    child: Child,
    read: usize,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Mail(pub(crate) String);

impl Mail {
    /// The value of a header of one line.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default()
    }

    /// The path that its link leads to.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        let at = self.0.find("/link/").unwrap_or_else(|| panic_without(&self.0));
        self.0[at..].chars().take("/link/".len() + 43).collect()
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a mail without its link fails the test")]
fn panic_without(text: &str) -> usize {
    panic!("there is no link in {text}")
}

impl Mailbox {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("/usr/bin/python3")
            .args(["-W", "ignore", "-c", SERVER])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { folder, port: port.trim().parse().unwrap(), child, read: 0 }
    }

    /// Sends what is due.
    pub(crate) async fn run(&self, world: &World) -> Report {
        let text = format!(
            "[mail]\nhost = \"localhost\"\nport = {}\nfrom = \"Picket <picket@example.org>\"\ntls = \"none\"\n",
            self.port
        );
        let config = toml::from_str::<Config>(&text).unwrap().checked(self.folder.path()).unwrap();
        let ctx = Ctx {
            pools: world.pools(),
            opener: world.opener.clone(),
            client: Client::new(config.mail, config.outbound, EgressGuard::default()).unwrap(),
            public_url: "http://localhost:8080".to_owned(),
        };
        Box::pin(run(&ctx, world.clock.now())).await.unwrap()
    }

    /// Sends what is due, and gives what arrived since the last look.
    pub(crate) async fn mails(&mut self, world: &World) -> Vec<Mail> {
        self.run(world).await;
        let path = |n: usize| self.folder.path().join(format!("{n}.eml"));
        let mails: Vec<_> = (self.read + 1..)
            .map(path)
            .take_while(|path| path.exists())
            .map(|path| Mail(std::fs::read_to_string(path).unwrap().replace("\r\n", "\n")))
            .collect();
        self.read += mails.len();
        mails
    }

    /// Sends what is due; exactly one mail arrived since the last look, and it is to this address.
    pub(crate) async fn one(&mut self, world: &World, to: &str) -> Mail {
        let mails = self.mails(world).await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert_eq!(mails[0].header("To"), to);
        mails[0].clone()
    }
}
