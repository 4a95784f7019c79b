//! Mail through the operator's own server. TLS is required and verified (the settings allow plain text to loopback only).
//!
//! The Message-ID is made of the delivery's id, so that a repeated message is known as one; all messages of an incident
//! answer the same id and so form one thread. No header field takes a line break. Where the operator has a key for it, each mail is
//! signed ([`crate::notify::dkim`]).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Answer, Channel, Field, Form, InvalidSettings, SendError, shorten};
use crate::config::MailTls;
use crate::notify::client::Client;
use crate::notify::message::Message;

/// After so long the server is given up for this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings of a mail channel.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Email {
    /// To whom.
    pub to: String,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.hint())
    }
}

impl Channel for Email {
    const KIND: &'static str = "email";
    const FIELDS: &'static [Field] = &[Field::new("address", "oncall@example.org")];

    fn read(form: &Form) -> Result<Self, InvalidSettings> {
        Ok(Self { to: form.text("address") })
    }

    fn check(&self) -> Vec<InvalidSettings> {
        let good = !self.to.chars().any(|c| c.is_control() || c.is_whitespace()) && self.to.parse::<Address>().is_ok();
        let why = "it is not a mail address: use one such as oncall@example.org";
        InvalidSettings::unless(good, "address", why).into_iter().collect()
    }

    fn hint(&self) -> String {
        match self.to.rsplit_once('@') {
            Some((user, domain)) => format!("{}***@{domain}", user.chars().take(1).collect::<String>()),
            None => "***".to_owned(),
        }
    }

    fn name(&self) -> String {
        self.to.clone()
    }

    async fn send(&self, message: &Message, client: &Client) -> Result<Answer, SendError> {
        send(self, message, client).await
    }
}

/// Connects to the operator's mail server, encrypts and logs in as for a mail, and sends none.
///
/// # Errors
/// Why no mail could be sent.
pub async fn reach(client: &Client) -> Result<(), SendError> {
    let (host, from) = server(client)?;
    let hello = ClientId::Domain(from.email.domain().to_owned());
    let reaching = async {
        let mut connection = connect(client, host, &hello).await?;
        let _ = connection.quit().await;
        Ok(())
    };
    in_time(reaching).await
}

async fn send(settings: &Email, message: &Message, client: &Client) -> Result<Answer, SendError> {
    let (host, from) = server(client)?;
    let letter = letter(settings, from.clone(), message)?;
    let mail = match client.signer() {
        Some(signer) => signer
            .signed(&letter.formatted(), message.at)
            .map_err(|_| SendError::retry("the mail could not be signed: the machine gives no random bytes"))?,
        None => letter.formatted(),
    };
    let hello = ClientId::Domain(from.email.domain().to_owned());
    let sending = async {
        let mut connection = connect(client, host, &hello).await?;
        let answer = connection.send(letter.envelope(), &mail).await;
        let code = answer.as_ref().map_or_else(|error| error.status(), |answer| Some(answer.code()));
        code.into_iter().for_each(|code| client.answered(code.into(), &HeaderMap::new()));
        // The mail is taken or not by now; how the server says farewell does not matter.
        let _ = connection.quit().await;
        answer.map_err(|error| refusal(settings, &error))
    };
    let answer = in_time(sending).await?;
    Ok(Answer(shorten(&said(&answer), &[&settings.to])))
}

/// The mail server's host, and the address that mail comes from.
fn server(client: &Client) -> Result<(&str, Mailbox), SendError> {
    let mail = client.mail();
    let (Some(host), Some(from)) = (mail.host.as_deref(), mail.from.as_deref()) else {
        return Err(SendError::Permanent("mail is not set up: give [mail] host and from in the configuration".into()));
    };
    let from = from.parse();
    Ok((host, from.map_err(|error| SendError::Permanent(format!("[mail] from is not a mail address: {error}")))?))
}

async fn in_time<T>(talk: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
    let late = |_| Err(SendError::retry("the mail server did not answer in 60 s"));
    tokio::time::timeout(PATIENCE, talk).await.unwrap_or_else(late)
}

fn letter(settings: &Email, from: Mailbox, message: &Message) -> Result<lettre::Message, SendError> {
    let refused = |what: &str| SendError::Permanent(format!("{what} holds a line break or cannot be sent"));
    if message.subject.chars().any(char::is_control) {
        return Err(refused("the subject"));
    }
    if !settings.check().is_empty() {
        return Err(refused("the address"));
    }
    let to: Address = settings.to.parse().map_err(|_| refused("the address"))?;
    let domain = from.email.domain().to_owned();
    let seconds = u64::try_from(message.at.seconds()).unwrap_or(0);
    let field = |name, value: String| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
    let mut builder = lettre::Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(message.subject.as_str())
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .raw_header(field("Auto-Submitted", "auto-generated".to_owned()))
        .raw_header(field("X-Picket-Delivery", message.id.to_string()));
    if let Some(incident) = message.thread {
        let root = format!("<incident.{incident}@{domain}>");
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    builder
        .multipart(MultiPart::alternative_plain_html(message.text.clone(), message.html.clone()))
        .map_err(|error| SendError::Permanent(format!("the mail cannot be written: {error}")))
}

async fn connect(client: &Client, host: &str, hello: &ClientId) -> Result<AsyncSmtpConnection, SendError> {
    let mail = client.mail();
    let password = mail.password().map_or("", |password| password.expose());
    let failed = |error: lettre::transport::smtp::Error| {
        SendError::retry(format!("the mail server {host}: {}", shorten(&chain(&error), &[password])))
    };
    let stream = client.open(host, mail.port()).await?;
    let stream: Box<dyn AsyncTokioStream> = match mail.tls {
        MailTls::Tls => Box::new(Encrypted(client.wrap(stream, host).await?)),
        MailTls::Starttls | MailTls::None => Box::new(stream),
    };
    let mut connection = AsyncSmtpConnection::connect_with_transport(stream, hello).await.map_err(failed)?;
    if mail.tls == MailTls::Starttls {
        let parameters = tls_parameters(client, host).map_err(failed)?;
        connection.starttls(parameters, hello).await.map_err(failed)?;
    }
    if let (Some(user), Some(password)) = (&mail.user, mail.password()) {
        let credentials = Credentials::new(user.clone(), password.expose().clone());
        connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(failed)?;
    }
    Ok(connection)
}

fn tls_parameters(client: &Client, host: &str) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(pem) = client.ca_pem() {
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
    }
    builder.build()
}

fn refusal(settings: &Email, error: &lettre::transport::smtp::Error) -> SendError {
    let reason = shorten(&chain(error), &[&settings.to]);
    if error.is_permanent() { SendError::Permanent(reason) } else { SendError::retry(reason) }
}

/// An error with its causes, which is where the server's words are.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn said(response: &Response) -> String {
    format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "))
}

/// A connection that is encrypted from its first byte.
#[derive(Debug)]
struct Encrypted(tokio_rustls::client::TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
