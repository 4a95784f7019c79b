//! Whose certificates are trusted, and one TLS handshake that keeps what it saw.
//!
//! Roots and the configuration are built once; a handshake clones a configuration (a dozen reference counts) to hang in
//! a verifier of its own, which notes the chain: a handshake that fails shows its certificate too. Sessions are never
//! resumed; of a chain that was verified within the hour, [`verified`](super::verified) says so.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use picket_shared::check::Verify;
use picket_shared::outcome::{Certificate, Failure, FailureKind};
use picket_shared::time::{Clock, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::certificate;
use super::deadline::Deadline;
use super::handshake_failure::failure_of;
use super::verified::{Key, Verified};

/// At most this many sets of a monitor's own authorities are kept ready.
const MAX_EXTRA: usize = 256;

/// Trusted authorities, with everything that a handshake needs. Cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<Inner>);

struct Inner {
    store: RootCertStore,
    provider: Arc<CryptoProvider>,
    judge: Judge,
    base: ClientConfig,
    extra: Mutex<Extra>,
    verified: Mutex<Verified>,
    clocks: Clocks,
}

/// Two clocks, of which either may be wrong: a certificate has ended only if both say so.
#[derive(Clone, Debug)]
struct Clocks {
    machine: Clock,
    collector: Clock,
}

/// Who vouches, and the number that these roots have in this process.
#[derive(Clone, Debug)]
struct Judge {
    verifier: Arc<WebPkiServerVerifier>,
    roots: u64,
}

/// Judges by a monitor's own authorities, and how many were ever made.
#[derive(Default)]
struct Extra {
    ready: HashMap<String, Judge>,
    made: u64,
}

/// An authority that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("a certificate of an authority cannot be used ({0}): give X.509 certificates in PEM form")]
pub struct TrustError(String);

/// What a handshake asks for.
pub(super) struct Ask<'a> {
    /// The name that the certificate must hold.
    pub(super) name: &'a Host<String>,
    /// The protocols offered.
    pub(super) offer: Offer,
    /// Whether the certificate must be good.
    pub(super) verify: Verify,
    /// Further authorities, in PEM form.
    pub(super) extra_ca: Option<&'a str>,
}

/// The application protocols offered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Nothing,
    Http1,
    Http2,
}

/// What came of a handshake.
pub(super) struct Handshake {
    pub(super) stream: Result<TlsStream<TcpStream>, Failure>,
    pub(super) certificate: Option<Certificate>,
}

impl Roots {
    /// Mozilla's roots and these.
    ///
    /// # Errors
    /// When one of them is no certificate of an authority.
    pub fn new(extra_ca: &[CertificateDer<'static>]) -> Result<Self, TrustError> {
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in extra_ca {
            store.add(certificate.clone()).map_err(|error| TrustError(error.to_string()))?;
        }
        let provider = Arc::new(provider());
        // The first random bytes of a process take long: here, so that no check is charged with them.
        provider.secure_random.fill(&mut [0; 1]).map_err(|_| TrustError("no random bytes can be had".to_owned()))?;
        let verifier = verifier(store.clone(), &provider)?;
        let mut base = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        base.resumption = Resumption::disabled();
        let judge = Judge { verifier, roots: 0 };
        let (extra, verified) = (Mutex::default(), Mutex::default());
        let clocks = Clocks { machine: Clock::system(), collector: Clock::system().even() };
        Ok(Self(Arc::new(Inner { store, provider, judge, base, extra, verified, clocks })))
    }

    /// The collector's time, as far as [`Roots::collector_clock`] was told.
    pub fn now(&self) -> Timestamp {
        self.0.clocks.collector.now()
    }

    /// An even clock that whoever hears the collector's time is to keep.
    pub fn collector_clock(&self) -> Clock {
        self.0.clocks.collector.clone()
    }

    /// Shakes hands over `stream`, before the deadline.
    pub(super) async fn handshake(&self, stream: TcpStream, ask: &Ask<'_>, deadline: Deadline) -> Handshake {
        let watching = match self.watching(ask) {
            Ok(watching) => Arc::new(watching),
            Err(error) => {
                let failure = Failure::new(FailureKind::Unsupported, error.to_string());
                return Handshake { stream: Err(failure), certificate: None };
            }
        };
        let Some(name) = server_name(ask.name) else {
            let failure = Failure::new(FailureKind::Unsupported, "TLS cannot ask for a server of that name");
            return Handshake { stream: Err(failure), certificate: None };
        };
        let mut config = self.0.base.clone();
        config.alpn_protocols = match ask.offer {
            Offer::Nothing => Vec::new(),
            Offer::Http1 => vec![b"http/1.1".to_vec()],
            Offer::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        config.dangerous().set_certificate_verifier(Arc::clone(&watching) as Arc<dyn ServerCertVerifier>);
        let shaken = deadline.bound(TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
        let seen = watching.seen.get();
        let chain = seen.map_or(&[][..], |seen| seen.chain.as_slice());
        let certificate = match seen.and_then(|seen| seen.facts.clone()) {
            Some(facts) => Some(Certificate { chain: certificate::texts(chain), ..facts }),
            None => certificate::facts(chain),
        };
        let stream = match shaken {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failure_of(&error, chain, ask.name)),
            Err(_) => Err(Failure::new(FailureKind::TlsTimeout, "the TLS handshake was not done in time")),
        };
        let stream = stream.map_err(|failure| match &certificate {
            Some(certificate) => certificate::evidence(failure, certificate),
            None => failure,
        });
        Handshake { stream, certificate }
    }

    fn watching(&self, ask: &Ask<'_>) -> Result<Watching, TrustError> {
        let judge = match (ask.verify, ask.extra_ca) {
            (Verify::Off, _) => None,
            (Verify::On, None) => Some(self.0.judge.clone()),
            (Verify::On, Some(pem)) => Some(self.with_extra(pem)?),
        };
        Ok(Watching { judge, roots: self.clone(), seen: OnceLock::new() })
    }

    fn verified(&self) -> MutexGuard<'_, Verified> {
        self.0.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A judge that trusts a monitor's own authorities too; kept, as a monitor asks again and again.
    fn with_extra(&self, pem: &str) -> Result<Judge, TrustError> {
        let mut extra = self.0.extra.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judge) = extra.ready.get(pem) {
            return Ok(judge.clone());
        }
        let mut store = self.0.store.clone();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| TrustError(error.to_string()))?;
            store.add(certificate).map_err(|error| TrustError(error.to_string()))?;
        }
        let verifier = verifier(store, &self.0.provider)?;
        if extra.ready.len() >= MAX_EXTRA {
            extra.ready.clear();
        }
        extra.made += 1;
        let judge = Judge { verifier, roots: extra.made };
        extra.ready.insert(pem.to_owned(), judge.clone());
        Ok(judge)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.store.roots.len())
    }
}

/// What is offered, the cheapest first: AES with 128 bits, whose SHA-256 processors have built in, and X25519. All
/// else is offered too, hybrid key exchange included, for servers that want it.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_cheap = |suite: CipherSuite| {
        matches!(
            suite,
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    };
    provider.cipher_suites.sort_by_key(|suite| !is_cheap(suite.suite()));
    provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519);
    provider
}

fn verifier(store: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|error| TrustError(error.to_string()))
}

fn server_name(host: &Host<String>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => {
            ServerName::try_from(name.strip_suffix('.').unwrap_or(name)).ok().map(|name| name.to_owned())
        }
        Host::Ipv4(ip) => Some(ServerName::IpAddress(std::net::IpAddr::V4(*ip).into())),
        Host::Ipv6(ip) => Some(ServerName::IpAddress(std::net::IpAddr::V6(*ip).into())),
    }
}

/// Notes the chain, then lets the judge speak; without a judge everything is accepted (`verify = off`).
#[derive(Debug)]
struct Watching {
    judge: Option<Judge>,
    roots: Roots,
    seen: OnceLock<Seen>,
}

/// What a server showed.
#[derive(Debug)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    /// Those of its first certificate, if they are known already; without the chain.
    facts: Option<Certificate>,
}

impl Watching {
    /// Verifies a chain for a name at `now`, or finds that it was; gives its facts if they were known.
    fn verify(
        &self,
        judge: &Judge,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
    ) -> Result<Option<Certificate>, rustls::Error> {
        let now = self.roots.now();
        let key = Key::of(judge.roots, name, chain);
        if let Some(facts) = key.and_then(|key| self.roots.verified().find(&key, now).cloned()) {
            return Ok(Some(facts));
        }
        let [leaf, others @ ..] = chain else { return Err(rustls::Error::NoCertificatesPresented) };
        let at = |time: Timestamp| {
            let since_epoch = UnixTime::since_unix_epoch(time.since(Timestamp::from_micros(0)));
            judge.verifier.verify_server_cert(leaf, others, name, ocsp, since_epoch)
        };
        match at(now) {
            Err(rustls::Error::InvalidCertificate(why)) if is_of_time(&why) => {
                // Only one of the clocks takes it, so it is looked at every time.
                at(self.roots.0.clocks.machine.now())?;
            }
            judged => {
                judged?;
                if let Some(key) = key {
                    self.roots.verified().remember(key, chain, now);
                }
            }
        }
        Ok(None)
    }
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(others).map(|it| it.clone().into_owned()).collect();
        let verified = match &self.judge {
            Some(judge) => self.verify(judge, &chain, name, ocsp),
            None => Ok(None),
        };
        let facts = verified.as_ref().ok().cloned().flatten();
        // A second call on one connection would be a renegotiation, which rustls refuses.
        let _ = self.seen.set(Seen { chain, facts });
        verified.map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.judge {
            Some(judge) => judge.verifier.verify_tls12_signature(message, leaf, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.judge {
            Some(judge) => judge.verifier.verify_tls13_signature(message, leaf, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.0.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_of_time(why: &CertificateError) -> bool {
    matches!(
        why,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}
