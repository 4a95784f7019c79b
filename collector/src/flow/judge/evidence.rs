//! What the first failing check of a new incident saw, for its messages: the judge decides without it.

use picket_shared::outcome::Evidence;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::gather::Case;
use crate::domain::outage::FailureFacts;
use crate::store::changes::{self, Failing};
use crate::store::results::Detail;
use crate::store::{StoreError, Worker};

/// What failed first, as an incident keeps it.
pub(super) struct First {
    pub(super) failure: String,
    pub(super) message: String,
    region: Option<String>,
    at: Timestamp,
    evidence: Evidence,
}

impl First {
    /// All of it, for `incidents.detail`.
    pub(super) fn detail(&self) -> Value {
        json!({
            "region": self.region,
            "at": self.at.to_string(),
            "failure": self.failure,
            "message": self.message,
            "evidence": self.evidence,
        })
    }
}

/// Looks up what the regions that saw the incident saw first; what the judge was told is used where nothing is found.
pub(super) async fn first(
    worker: &mut Worker,
    case: &Case,
    regions: impl Iterator<Item = &str>,
    started_at: Timestamp,
    told: Option<&FailureFacts>,
) -> Result<First, StoreError> {
    let keys: Vec<_> = regions.filter_map(|region| case.region_keys.get(region).copied()).collect();
    let found = changes::first_failing(worker, case.row.id, &keys, started_at).await?;
    Ok(found.and_then(of).unwrap_or_else(|| First {
        failure: told.map_or("other", |told| told.kind.as_str()).to_owned(),
        message: told.map_or("the check failed", |told| &told.message).to_owned(),
        region: None,
        at: started_at,
        evidence: Evidence::default(),
    }))
}

fn of(failing: Failing) -> Option<First> {
    let evidence = seen(&failing.detail);
    Some(First {
        failure: failing.failure?,
        message: failing.detail.message?,
        region: Some(failing.region),
        at: failing.at,
        evidence,
    })
}

/// The evidence with the other facts of the outcome, within the bounds of evidence; a certificate without its chain.
fn seen(detail: &Detail) -> Evidence {
    let mut seen = Evidence::default();
    for (what, value) in detail.evidence.iter() {
        seen.add(what, value);
    }
    let mut also = |what: &str, value: String| {
        if seen.get(what).is_none() && !value.is_empty() {
            seen.add(what, &value);
        }
    };
    if let Some(address) = detail.address {
        also("address", address.to_string());
    }
    if let Some(answers) = &detail.answers {
        also("answers", if answers.is_empty() { "none".to_owned() } else { answers.join(", ") });
    }
    if let Some(hop) = detail.hops.last() {
        also("url", hop.url.clone());
    }
    if let Some(certificate) = &detail.certificate {
        also("not_after", format!("{:.0}", certificate.not_after));
        also("issuer", certificate.issuer.clone());
        also("subject", certificate.subject.clone());
        also("fingerprint", certificate.fingerprint.clone());
        also("names", certificate.names.join(", "));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::outcome::Certificate;

    fn certificate() -> Certificate {
        Certificate {
            fingerprint: "ab".repeat(32),
            subject: "CN=shop.example".to_owned(),
            issuer: "CN=An authority".to_owned(),
            names: vec!["shop.example".to_owned(), "www.shop.example".to_owned()],
            not_before: Timestamp::from_seconds(0),
            not_after: Timestamp::from_seconds(86_400),
            chain: vec!["QUFB".repeat(10_000)],
        }
    }

    #[test]
    fn facts_of_certificate_and_answer_join_the_evidence_and_the_chain_does_not() {
        let mut detail = Detail {
            address: Some("192.0.2.7".parse().unwrap()),
            certificate: Some(certificate()),
            answers: Some(vec!["192.0.2.7".to_owned(), "192.0.2.8".to_owned()]),
            ..Detail::default()
        };
        detail.evidence.add("not_after", "as the probe wrote it");
        let seen = seen(&detail);
        let seen: Vec<_> = seen.iter().map(|(what, value)| format!("{what}={value}")).collect();
        assert_eq!(seen[0..2], ["address=192.0.2.7", "answers=192.0.2.7, 192.0.2.8"]);
        assert!(seen.contains(&"not_after=as the probe wrote it".to_owned()), "{seen:?}");
        assert!(seen.contains(&"names=shop.example, www.shop.example".to_owned()), "{seen:?}");
        assert!(!seen.iter().any(|fact| fact.contains("QUFB")), "{seen:?}");
    }

    #[test]
    fn an_empty_answer_is_told_and_a_huge_one_is_bounded() {
        let answers = |answers| Detail { answers: Some(answers), ..Detail::default() };
        assert_eq!(seen(&answers(vec![])).get("answers"), Some("none"));
        let huge = seen(&answers(vec!["x".repeat(1000); 100]));
        let size: usize = huge.iter().map(|(what, value)| what.len() + value.len()).sum();
        assert!(size <= Evidence::LIMIT && size > Evidence::LIMIT / 2, "{size}");
    }
}
