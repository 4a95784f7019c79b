//! The tls kind: one full handshake, and what the certificate must be.

use picket_shared::check::TlsSpec;
use picket_shared::outcome::{Certificate, Failure, FailureKind};

use super::deadline::Deadline;
use super::reach::{Trail, host_of, reach};
use super::trust::{Ask, Offer};
use super::{Env, Found};

const DAY_US: i64 = 86_400_000_000;

/// Shakes hands with the target.
pub(super) async fn run(spec: &TlsSpec, env: &Env, deadline: Deadline) -> Found {
    let mut trail = Trail::start();
    let mut certificate = None;
    let result = shake(spec, env, deadline, &mut trail, &mut certificate).await;
    Found { certificate, ..Found::from_trail(trail, Ok(())) }.judged(result)
}

async fn shake(
    spec: &TlsSpec,
    env: &Env,
    deadline: Deadline,
    trail: &mut Trail,
    certificate: &mut Option<Certificate>,
) -> Result<(), Failure> {
    let host = host_of(&spec.host)?;
    let name = spec.server_name.as_deref().map_or_else(|| Ok(host.clone()), host_of)?;
    let stream = reach(&host, spec.port, env, deadline, trail).await?;
    let ask = Ask { name: &name, offer: Offer::Nothing, verify: spec.verify, extra_ca: spec.extra_ca.as_deref() };
    let handshake = env.roots.handshake(stream, &ask, deadline).await;
    trail.phases.tls = Some(trail.watch.lap_us());
    *certificate = handshake.certificate;
    handshake.stream?;
    match certificate {
        Some(certificate) => enough_days(certificate, spec.min_days_left, env),
        None => Ok(()),
    }
}

fn enough_days(certificate: &Certificate, least: u16, env: &Env) -> Result<(), Failure> {
    let left = certificate.not_after.micros_since(env.roots.now()).div_euclid(DAY_US);
    if least == 0 || left >= i64::from(least) {
        return Ok(());
    }
    let message = format!("the certificate ends in {left} days, on {:.0}", certificate.not_after);
    Err(Failure::new(FailureKind::CertificateExpiresSoon, message)
        .seen("not_after", &format!("{:.0}", certificate.not_after))
        .seen("days_left", &left.to_string()))
}

impl Found {
    fn judged(self, result: Result<(), Failure>) -> Self {
        match result {
            Ok(()) => self,
            Err(failure) => self.failed(failure),
        }
    }
}
