//! Runs one check: in comes what to ask and the time there is, out goes what was found.
//!
//! One kind a file ([`http`], [`dns`], [`tls`], [`tcp`]); [`reach`] looks the name up and connects through the egress
//! guard, [`trust`] shakes hands ([`verified`] spares it what was verified, [`handshake_failure`] says what it failed by),
//! [`exchange`] speaks HTTP, [`certificate`] reads certificates. A check never decides how often it runs, nor what its result
//! means for a monitor, and never fails as a call: whatever happens is a [`Found`].

mod certificate;
mod deadline;
mod dns;
mod exchange;
mod handshake_failure;
mod http;
mod reach;
mod targets;
mod tcp;
mod tls;
mod trust;
mod verified;

use std::net::IpAddr;
use std::time::Duration;

use picket_shared::check::CheckSpec;
use picket_shared::egress::resolve::Resolver;
use picket_shared::egress::{Blocked, EgressGuard};
use picket_shared::outcome::{Certificate, Failure, FailureKind, Hop, Phases, Status};
use rustls_pki_types::CertificateDer;

use deadline::Deadline;
use reach::Trail;
pub use targets::Targets;
pub use trust::{Roots, TrustError};

/// What checks need of the program around them; built once, cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// Which addresses may be contacted.
    pub guard: EgressGuard,
    /// Who is asked for addresses.
    pub resolver: Resolver,
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// How this probe names itself to web servers.
    pub user_agent: String,
    /// URLs that were read before.
    pub targets: Targets,
}

impl Env {
    /// With Mozilla's roots and `extra_ca` from the probe's own file.
    ///
    /// # Errors
    /// When one of `extra_ca` cannot be used as an authority.
    pub fn new(
        guard: EgressGuard,
        resolver: Resolver,
        extra_ca: &[CertificateDer<'static>],
        user_agent: &str,
    ) -> Result<Self, TrustError> {
        let (roots, targets) = (Roots::new(extra_ca)?, Targets::default());
        Ok(Self { guard, resolver, roots, user_agent: user_agent.to_owned(), targets })
    }
}

/// What a check found; the parts of an outcome that the check itself knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The result.
    pub status: Status,
    /// From start to end, in microseconds.
    pub total_us: u32,
    /// Where the time went, all hops added up.
    pub phases: Phases,
    /// The address that answered, or that was tried last.
    pub address: Option<IpAddr>,
    /// The last HTTP status, or the DNS response code.
    pub code: Option<u16>,
    /// Why it is not up.
    pub failure: Option<Failure>,
    /// One record a hop; empty without redirects.
    pub hops: Vec<Hop>,
    /// The certificate, whenever one was shown, with its chain.
    pub certificate: Option<Certificate>,
    /// The records found, whenever there were any.
    pub answers: Option<Vec<String>>,
}

/// Runs one check; it is over when `timeout` is.
pub async fn run(spec: &CheckSpec, env: &Env, timeout: Duration) -> Found {
    let deadline = Deadline::after(timeout);
    match spec {
        CheckSpec::Http(spec) => Box::pin(http::run(spec, env, deadline)).await,
        CheckSpec::Dns(spec) => dns::run(spec, env, deadline).await,
        CheckSpec::Tls(spec) => Box::pin(tls::run(spec, env, deadline)).await,
        CheckSpec::Tcp(spec) => tcp::run(spec, env, deadline).await,
        CheckSpec::Other => {
            Found::from_trail(Trail::start(), Err(unsupported("this probe does not know this kind of check")))
        }
    }
}

impl Found {
    fn from_trail(trail: Trail, result: Result<(), Failure>) -> Self {
        let found = Self {
            status: Status::Up,
            total_us: trail.total_us(),
            phases: trail.phases,
            address: trail.address,
            code: None,
            failure: None,
            hops: Vec::new(),
            certificate: None,
            answers: None,
        };
        match result {
            Ok(()) => found,
            Err(failure) => found.failed(failure),
        }
    }

    /// With the failure, and the status that goes with it. A target that may not be contacted is told as nothing else:
    /// neither time nor address nor certificate may say what is there.
    fn failed(self, failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::BlockedByPolicy => {
                return Self {
                    status: Status::Unmeasured,
                    total_us: 0,
                    phases: Phases::default(),
                    address: None,
                    code: None,
                    failure: Some(failure),
                    hops: Vec::new(),
                    certificate: None,
                    answers: None,
                };
            }
            FailureKind::ProbeFault | FailureKind::Unsupported => Status::Unmeasured,
            FailureKind::CertificateExpiresSoon => Status::Degraded,
            _ => Status::Down,
        };
        Self { status, failure: Some(failure), ..self }
    }
}

fn blocked() -> Failure {
    Failure::new(FailureKind::BlockedByPolicy, Blocked::MESSAGE)
}

fn unsupported(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Unsupported, message)
}

#[cfg(test)]
mod tests;
