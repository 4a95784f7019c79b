//! The ends of certificates. Kuma tells of them beside its http monitors; an http check of Picket does not, so each host of
//! whose certificate Kuma tells gets one monitor of the tls kind.

use std::collections::BTreeMap;

use picket_shared::check::{CheckSpec, TlsSpec};
use url::Url;

use super::super::candidate::{Candidate, Draft, Refused};
use super::record::Record;

/// When Kuma tells, unless it is set otherwise.
const EXPIRY_DAYS: [u16; 3] = [7, 14, 21];
/// A certificate changes rarely.
const INTERVAL_S: f64 = 3600.0;

/// The hosts and ports whose certificates are watched.
pub(super) struct Certificates {
    days: Vec<u16>,
    hosts: BTreeMap<(String, u16), Draft>,
}

impl Certificates {
    /// `days` are those at which Kuma tells; empty where it does not say.
    pub(super) fn new(days: &[u16]) -> Self {
        let days = if days.is_empty() { EXPIRY_DAYS.to_vec() } else { days.to_vec() };
        Self { days, hosts: BTreeMap::new() }
    }

    /// Notes the certificate of a monitor, if Kuma tells of its end.
    pub(super) fn note(&mut self, record: &Record, candidate: &Candidate) {
        let CheckSpec::Http(http) = &candidate.spec else { return };
        if !record.flag("expiry_notification") || !http.verify.is_on() {
            return;
        }
        let Some(url) = Url::parse(&http.url).ok().filter(|url| url.scheme() == "https") else { return };
        let Some(host) = url.host_str() else { return };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port().unwrap_or(443);
        let target = TlsSpec::connect(host.clone(), port);
        let target = CheckSpec::Tls(target).target();
        let draft = self.hosts.entry((host, port)).or_insert_with(|| {
            let name = format!("{target} (certificate)");
            let mut draft = Draft::new(format!("kuma:certificate:{target}"), candidate.place.clone(), &name, "http");
            draft.interval_s = Some(INTERVAL_S);
            draft.paused = true;
            draft
        });
        draft.paused &= candidate.paused;
        draft.tags.extend(candidate.tags.iter().cloned());
    }

    /// A monitor for each.
    pub(super) fn candidates(self) -> impl Iterator<Item = Result<Candidate, Refused>> {
        let Self { days, hosts } = self;
        let most = days.iter().copied().max().unwrap_or_default();
        let told: Vec<_> = days.iter().map(u16::to_string).collect();
        let why = format!("Kuma tells at {} days; here it is degraded from {most} days on", told.join(", "));
        hosts.into_iter().map(move |((host, port), mut draft)| {
            let mut spec = TlsSpec::connect(host, port);
            spec.min_days_left = most;
            if days.len() > 1 {
                draft.lose("expiry_notification", why.clone());
            }
            draft.finish(CheckSpec::Tls(spec), None)
        })
    }
}
