//! A monitor that is stored, as it would have been typed.

use picket_shared::check::{CheckSpec, DnsMatch};

use super::Draft;
use crate::domain::outage::QuorumRule;
use crate::store::monitors::MonitorRow;

impl Draft {
    /// What is stored, as it would have been typed.
    pub fn from_row(row: &MonitorRow) -> Self {
        let settings = &row.settings;
        let lines = |items: &[String]| items.join("\n");
        let mut draft = Self {
            name: settings.name.clone(),
            every: format!("{}s", settings.interval_s),
            timeout: format!("{}ms", settings.timeout_ms),
            regions: row.regions.iter().map(ToString::to_string).collect(),
            tags: settings.tags.join(", "),
            severity: settings.briefing.severity.as_str().to_owned(),
            owner: settings.briefing.owner.clone().unwrap_or_default(),
            runbook_url: settings.briefing.runbook_url.clone().unwrap_or_default(),
            policy: row.policy.map(|id| id.to_string()).unwrap_or_default(),
            quorum: settings.quorum.map_or_else(String::new, quorum_text),
            eu_only: match (settings.eu_only, settings.sealed_secret.is_some()) {
                (true, _) => "yes",
                (false, true) => "no",
                (false, false) => "",
            }
            .to_owned(),
            auth: if settings.sealed_secret.is_some() { "keep" } else { "none" }.to_owned(),
            verify_off: settings.spec.is_unverified(),
            ..Self::blank(settings.spec.kind(), &settings.spec.target())
        };
        match &settings.spec {
            CheckSpec::Http(http) => {
                draft.method.clone_from(&http.method);
                draft.headers =
                    http.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
                draft.body = http.body.clone().unwrap_or_default();
                draft.statuses =
                    http.accept_status.iter().map(|range| String::from(*range)).collect::<Vec<_>>().join(", ");
                draft.contains = lines(&http.contains);
                draft.must_not_contain = lines(&http.must_not_contain);
                draft.redirects = http.max_redirects.to_string();
                draft.extra_ca = http.extra_ca.clone().unwrap_or_default();
            }
            CheckSpec::Dns(dns) => {
                draft.target.clone_from(&dns.name);
                draft.record = dns.record.as_str().to_owned();
                draft.server = dns.server.clone().unwrap_or_default();
                draft.port = dns.port.to_string();
                draft.expect = lines(&dns.expect);
                draft.matching = match dns.matching {
                    DnsMatch::All => "all",
                    DnsMatch::Any => "any",
                    DnsMatch::Exact => "exact",
                }
                .to_owned();
            }
            CheckSpec::Tls(tls) => {
                draft.server_name = tls.server_name.clone().unwrap_or_default();
                draft.min_days = tls.min_days_left.to_string();
                draft.extra_ca = tls.extra_ca.clone().unwrap_or_default();
            }
            CheckSpec::Tcp(_) | CheckSpec::Other => {}
        }
        draft
    }
}

fn quorum_text(rule: QuorumRule) -> String {
    match rule {
        QuorumRule::Default => String::new(),
        QuorumRule::Any => "any".to_owned(),
        QuorumRule::All => "all".to_owned(),
        QuorumRule::AtLeast(k) => k.to_string(),
    }
}
