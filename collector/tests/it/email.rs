//! Mail to a real server (aiosmtpd), with STARTTLS under an authority of the test's own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use picket_collector::config::Config;
use picket_collector::domain::outage::NoticeKind;
use picket_collector::flow::{deliver, dispatch};
use picket_collector::notify::channels::email::reach;
use picket_collector::notify::message::{self, Facts, Message, Occasion};
use picket_collector::notify::{Client, SendError};
use picket_shared::egress::EgressGuard;
use picket_shared::ids::{DeliveryId, IncidentId};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::telling::{START, Told, email};

/// Prints its port; keeps each mail as a file; ends with its standard input. Recipients `later...` and `never...` are
/// refused for now and for good, `wait...` after the mail was read.
const SERVER: &str = r#"
import asyncio, pathlib, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

folder, tls, user, password = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]

class Handler:
    count = 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("later"): return "451 4.7.1 greylisted, try again"
        if address.startswith("never"): return f"550 5.1.1 no such user {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("wait"): return "452 4.3.1 disk full"
        Handler.count += 1
        head = f"MAIL FROM {envelope.mail_from} TO {envelope.rcpt_tos} TLS {session.ssl is not None}\r\n"
        (folder / f"{Handler.count}.eml").write_bytes(head.encode() + envelope.original_content)
        return "250 2.0.0 queued"

def check(server, session, envelope, mechanism, data):
    good = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=good, handled=good)

def make():
    # Under TLS from the first byte aiosmtpd does not know that it is encrypted.
    options = {"authenticator": check, "auth_required": True, "auth_require_tls": tls == "starttls"} if user else {}
    if tls == "starttls": options |= {"tls_context": context, "require_starttls": True}
    return SMTP(Handler(), hostname="localhost", **options)

if tls != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")

async def main():
    server = await asyncio.get_running_loop().create_server(
        make, "127.0.0.1", 0, ssl=context if tls == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"#;

/// A running server with the mails that it took, and the authority that vouches for it.
struct Server {
    folder: TempDir,
    port: u16,
    /// Its standard input is the pipe; it must stay open as long as the test runs.
    child: Child,
    _output: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Server {
    /// `tls` is `starttls`, `tls` or `none`; `names` are those of its certificate.
    fn start(tls: &str, names: &[&str], login: Option<(&str, &str)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path(), names);
        let (user, password) = login.unwrap_or_default();
        let mut child = Command::new("/usr/bin/python3")
            .args(["-W", "ignore", "-c", SERVER])
            .arg(folder.path())
            .args([tls, user, password])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It tells at length of every handshake that a client broke off, which is what some tests are about.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        Self { folder, port: port.trim().parse().unwrap(), child, _output: output }
    }

    /// The settings to reach it; `more` is added to `[mail]`.
    fn config(&self, more: &str, trusts: bool) -> Config {
        let ca = if trusts { "[outbound]\nca_file = \"ca.pem\"" } else { "" };
        let port = self.port;
        let text = format!(
            "[mail]\nhost = \"localhost\"\nport = {port}\nfrom = \"Picket <picket@example.org>\"\n{more}\n{ca}\n"
        );
        toml::from_str::<Config>(&text).unwrap().checked(self.folder.path()).unwrap()
    }

    fn client(&self, more: &str) -> Client {
        client(self.config(more, true))
    }

    /// Every mail taken, oldest first.
    fn mails(&self) -> Vec<String> {
        let path = |n: usize| self.folder.path().join(format!("{n}.eml"));
        (1..).map(path).take_while(|path| path.exists()).map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

fn certify(folder: &Path, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let chain = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    for (file, text) in [("ca.pem", authority.pem()), ("chain.pem", chain.pem()), ("key.pem", key.serialize_pem())] {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

fn client(config: Config) -> Client {
    Client::new(config.mail, config.outbound, EgressGuard::default()).unwrap()
}

fn test_message() -> Message {
    message::write(&Facts {
        back: message::Back::default(),
        delivery: DeliveryId::at(START),
        now: START,
        public_url: None,
        minimal: false,
        occasion: Occasion::Test { channel: "Büro".to_owned() },
    })
}

async fn send(to: &str, client: &Client) -> Result<String, SendError> {
    email(to).send(&test_message(), client).await.map(|answer| answer.0)
}

fn is_retry(result: &Result<String, SendError>, word: &str) -> bool {
    matches!(result, Err(SendError::Retry { reason, .. }) if reason.contains(word))
}

#[tokio::test]
async fn a_mail_arrives_encrypted_well_formed_and_in_its_thread() {
    let server = Server::start("starttls", &["localhost"], None);
    let mut message = test_message();
    message.thread = Some(IncidentId::at(START));
    let answer = email("oncall@example.org").send(&message, &server.client("")).await.unwrap();
    assert_eq!(answer.0, "250 2.0.0 queued");
    let [mail] = &server.mails()[..] else { unreachable!("one mail was sent") };
    assert!(mail.starts_with("MAIL FROM picket@example.org TO ['oncall@example.org'] TLS True\r\n"), "{mail}");
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    let root = format!("<incident.{}@example.org>", message.thread.unwrap());
    for line in [
        "From: Picket <picket@example.org>".to_owned(),
        "To: oncall@example.org".to_owned(),
        format!("Message-ID: <{}@example.org>", message.id),
        format!("In-Reply-To: {root}"),
        format!("References: {root}"),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
    ] {
        assert!(head.contains(&format!("\r\n{line}")), "{line} is missing in\n{head}");
    }
    // No character beyond ASCII lies bare in a header field.
    assert!(head.is_ascii() && head.contains("multipart/alternative;"), "{head}");
    let (plain, html) = (body.find("text/plain; charset=utf-8"), body.find("text/html; charset=utf-8"));
    assert!(plain.is_some() && plain < html, "{body}");
}

#[tokio::test]
async fn the_parts_of_a_mail_are_read_by_a_program_that_is_not_ours() {
    const READ: &str = "import email, email.policy, sys
m = email.message_from_bytes(sys.stdin.buffer.read().split(b'\\r\\n', 1)[1], policy=email.policy.default)
print(m['subject'], '|', [p.get_content_type() for p in m.walk()], '|', m.defects, '|', m.get_body(('plain',)).get_content())";
    let server = Server::start("starttls", &["localhost"], None);
    send("oncall@example.org", &server.client("")).await.unwrap();
    let mail = std::fs::File::open(server.folder.path().join("1.eml")).unwrap();
    let read = Command::new("/usr/bin/python3").args(["-c", READ]).stdin(mail).output().unwrap();
    let said = String::from_utf8(read.stdout).unwrap();
    let parts = "['multipart/alternative', 'text/plain', 'text/html'] | []";
    assert!(said.starts_with(&format!("Test: the channel Büro works | {parts} | This is a test")), "{said}");
}

#[tokio::test]
async fn a_login_works_by_starttls_and_under_tls_from_the_first_byte() {
    for tls in ["starttls", "tls"] {
        let server = Server::start(tls, &["localhost"], Some(("picket", "canary-7f3a")));
        std::fs::write(server.folder.path().join("password"), "canary-7f3a\n").unwrap();
        std::fs::write(server.folder.path().join("wrong"), "canary-none\n").unwrap();
        let by = |file: &str| server.client(&format!("tls = \"{tls}\"\nuser = \"picket\"\npassword_file = \"{file}\""));
        let (good, wrong) = (by("password"), by("wrong"));
        assert_eq!(send("oncall@example.org", &good).await, Ok("250 2.0.0 queued".to_owned()));
        assert_eq!(reach(&good).await, Ok(()));
        assert!(is_retry(&send("oncall@example.org", &wrong).await, "535"));
        let said = format!("{:?} {wrong:?} {good:?}", reach(&wrong).await);
        assert!(said.contains("535") && !said.contains("canary"), "{said}");
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail() {
    let server = Server::start("none", &["localhost"], None);
    assert!(is_retry(&send("oncall@example.org", &server.client("")).await, "STARTTLS"));
    assert!(matches!(reach(&server.client("")).await, Err(SendError::Retry { .. })));
    assert!(matches!(send("oncall@example.org", &server.client("tls = \"tls\"")).await, Err(SendError::Retry { .. })));
    assert!(server.mails().is_empty());
    // Without encryption only where the operator says so, and to loopback only.
    assert!(send("oncall@example.org", &server.client("tls = \"none\"")).await.is_ok());
}

#[tokio::test]
async fn a_server_with_a_wrong_certificate_gets_no_mail() {
    let stranger = Server::start("starttls", &["localhost"], None);
    let untrusted = client(stranger.config("", false));
    assert!(is_retry(&send("oncall@example.org", &untrusted).await, "certificate"));
    let misnamed = Server::start("starttls", &["mail.example.org"], None);
    assert!(is_retry(&send("oncall@example.org", &misnamed.client("")).await, "certificate"));
    let misnamed_tls = Server::start("tls", &["mail.example.org"], None);
    assert!(is_retry(&send("oncall@example.org", &misnamed_tls.client("tls = \"tls\"")).await, "TLS"));
    for server in [stranger, misnamed, misnamed_tls] {
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn the_servers_code_says_whether_trying_again_helps() {
    let server = Server::start("starttls", &["localhost"], None);
    let client = server.client("");
    assert!(is_retry(&send("later@example.org", &client).await, "greylisted"));
    assert!(is_retry(&send("wait@example.org", &client).await, "disk full"));
    let never = send("never@example.org", &client).await;
    assert!(matches!(&never, Err(SendError::Permanent(reason)) if reason.contains("no such user ***")), "{never:?}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn nobody_listening_is_tried_again() {
    let mut server = Server::start("starttls", &["localhost"], None);
    let client = server.client("");
    drop(server.child.stdin.take());
    server.child.wait().unwrap();
    assert!(matches!(send("oncall@example.org", &client).await, Err(SendError::Retry { .. })));
    assert!(matches!(reach(&client).await, Err(SendError::Retry { .. })));
}

#[tokio::test]
async fn a_line_break_makes_no_header_field() {
    let server = Server::start("starttls", &["localhost"], None);
    let mut message = test_message();
    message.subject = "Down\r\nBcc: evil@example.org".to_owned();
    let result = email("oncall@example.org").send(&message, &server.client("")).await;
    assert!(matches!(result, Err(SendError::Permanent(_))), "{result:?}");
    let result = send("oncall@example.org>\r\nRCPT TO:<evil@example.org", &server.client("")).await;
    assert!(matches!(result, Err(SendError::Permanent(_))), "{result:?}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_notice_becomes_a_mail_under_the_deliverys_id() {
    let server = Server::start("starttls", &["localhost"], None);
    let told = Told::new().await;
    told.channel("mail", &email("oncall@example.org")).await;
    let config = server.config("", true);
    let ctx = told.ctx(config.mail, config.outbound, EgressGuard::default());
    told.notice(NoticeKind::NeverCameUp, START).await;
    dispatch::run(&told.database.pools, START).await.unwrap();
    assert_eq!(deliver::run(&ctx, START).await.unwrap().sent, 1);
    let [mail] = &server.mails()[..] else { unreachable!("one mail was sent") };
    let mut conn = told.database.login("postgres").await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT uuid FROM deliveries").fetch_one(&mut conn).await.unwrap();
    for line in [format!("Message-ID: <{id}@example.org>"), "Subject: Never came up: shop".to_owned()] {
        assert!(mail.contains(&format!("{line}\r\n")), "{line} is missing in\n{mail}");
    }
}

/// Makes a key by OpenSSL, as `docs/operations.md` says.
fn make_key(file: &Path, options: &[&str]) {
    let made = Command::new("openssl").args(options).arg("-out").arg(file).stderr(Stdio::null()).status().unwrap();
    assert!(made.success(), "openssl {options:?}");
}

/// What dkimpy, which is not ours, says of a mail when DNS has this record.
fn verified(mail: &[u8], name: &str, record: &str) -> bool {
    const VERIFY: &str = "import dkim, sys
name, record = sys.argv[1].encode(), sys.argv[2].encode()
answer = lambda asked, timeout=5: record if asked.rstrip(b'.') == name else None
print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=answer))";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/dkim/bin/python");
    assert!(Path::new(python).exists(), "dkimpy is to be in target/tools/dkim, where tests/run puts it");
    let mut child = Command::new(python)
        .args(["-c", VERIFY, name, record])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), mail).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success());
    String::from_utf8(said.stdout).unwrap().trim() == "True"
}

#[tokio::test]
async fn mails_are_signed_so_that_a_program_that_is_not_ours_verifies_them_and_any_change_is_seen() {
    let server = Server::start("starttls", &["localhost"], None);
    let keys: [(&str, &[&str]); 3] = [
        ("rsa", &["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"]),
        ("pkcs1", &["genrsa", "-traditional"]),
        ("ed25519", &["genpkey", "-algorithm", "ed25519"]),
    ];
    for (n, (name, options)) in keys.into_iter().enumerate() {
        make_key(&server.folder.path().join(name), options);
        let dkim = format!("dkim.domain = \"example.org\"\ndkim.selector = \"{name}\"\ndkim.key_file = \"{name}\"");
        let client = server.client(&dkim);
        send("oncall@example.org", &client).await.unwrap();
        let signer = client.signer().unwrap();
        let (at, record) = (signer.name(), signer.record().unwrap());
        assert_eq!(at, format!("{name}._domainkey.example.org"));
        let mail = std::fs::read(server.folder.path().join(format!("{}.eml", n + 1))).unwrap();
        // The first line is what the server noted of the envelope.
        let mail = &mail[mail.windows(2).position(|two| two == b"\r\n").unwrap() + 2..];
        assert!(verified(mail, &at, &record), "{}", String::from_utf8_lossy(mail));
        let text = String::from_utf8(mail.to_vec()).unwrap();
        assert!(text.lines().all(|line| line.len() <= 998) && !format!("{signer:?}").contains("PRIVATE"));
        for (from, to) in [("It works", "It fails"), ("Subject: ", "Subject: not "), ("To: oncall", "To: oncull")] {
            assert!(text.contains(from), "{from} in {text}");
            assert!(!verified(text.replace(from, to).as_bytes(), &at, &record), "{from} became {to}");
        }
        let added = text.replacen("From: ", "From: evil@example.net\r\nFrom: ", 1);
        assert!(!verified(added.as_bytes(), &at, &record), "a second sender was added");
    }
}

#[test]
fn a_key_that_signs_no_mails_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    make_key(&folder.path().join("short"), &["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:1024"]);
    make_key(&folder.path().join("curve"), &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    std::fs::write(folder.path().join("none"), "canary-7f3a").unwrap();
    for file in ["short", "curve", "none"] {
        let text = format!(
            "[mail]\nhost = \"localhost\"\nfrom = \"a@example.org\"\n[mail.dkim]\ndomain = \"example.org\"\nselector = \"x\"\nkey_file = \"{file}\""
        );
        let config = toml::from_str::<Config>(&text).unwrap().checked(folder.path()).unwrap();
        let refused = Client::new(config.mail, config.outbound, EgressGuard::default()).unwrap_err().to_string();
        assert!(refused.contains("2048 bits") && !refused.contains("canary"), "{refused}");
    }
}
