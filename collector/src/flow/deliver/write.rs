//! What a message says and how it is answered, from the rows that it is about.

use picket_shared::outcome::Evidence;
use picket_shared::secret::SecretString;

use super::Ctx;
use crate::domain::outage::NoticeKind;
use crate::notify::SendError;
use crate::notify::message::{
    Acknowledge, Back, DeclaredFacts, IncidentFacts, MaintenanceFacts, MonitorFacts, Occasion,
};
use crate::store::deliveries::{About, IncidentNow, Leased};
use crate::vault::VaultError;

/// What goes out as one; what is gone is left out.
pub(super) fn many(leased: &Leased, folded: &[Leased]) -> Result<Occasion, SendError> {
    let mut all: Vec<&Leased> = std::iter::once(leased).chain(folded).collect();
    all.sort_by_key(|one| one.key.0);
    let items: Vec<_> = all.iter().filter_map(|one| notice(one.about.as_ref()?).ok()).collect();
    match items.is_empty() {
        true => Err(SendError::Permanent("what it is about is gone".to_owned())),
        false => Ok(Occasion::Many { items }),
    }
}

pub(super) fn notice(about: &About) -> Result<Occasion, SendError> {
    let (notice, now) = (about.notice.clone(), about.incident.as_ref());
    if let NoticeKind::ChannelFailing { channel } | NoticeKind::ChannelWorks { channel } = &notice.kind {
        return Ok(Occasion::Channel { channel: channel.clone(), at: notice.at, kind: notice.kind });
    }
    if let Some(now) = &about.maintenance {
        let maintenance = MaintenanceFacts {
            id: now.id,
            title: now.title.clone(),
            note: now.note.clone(),
            zone: now.zone.clone(),
            starts_at: now.starts_at,
            ends_at: now.ends_at,
            all: now.all,
            monitors: now.monitors.clone(),
        };
        return Ok(Occasion::Maintenance { kind: notice.kind, at: notice.at, maintenance });
    }
    if let Some((incident, declared)) = now.and_then(|now| Some((now, now.declared.as_ref()?))) {
        let incident = DeclaredFacts {
            id: incident.id,
            title: declared.title.clone(),
            severity: incident.severity.into(),
            monitors: declared.monitors.clone(),
            started_at: incident.started_at,
            resolved_at: incident.resolved_at,
        };
        return Ok(Occasion::Declared { kind: notice.kind, at: notice.at, incident });
    }
    let lost = || SendError::Permanent("what it is about is gone".to_owned());
    let of = about.monitor.as_ref().ok_or_else(lost)?;
    let monitor = MonitorFacts {
        id: of.id,
        name: of.name.clone(),
        kind: of.kind.clone(),
        target: of.target.clone(),
        briefing: of.briefing.clone(),
        dependents: of.dependents.clone(),
    };
    Ok(Occasion::Notice { notice, monitor, incident: now.map(incident) })
}

fn incident(now: &IncidentNow) -> IncidentFacts {
    let evidence: Option<Evidence> = now.detail.get("evidence").cloned().and_then(|e| serde_json::from_value(e).ok());
    IncidentFacts {
        id: now.id,
        started_at: now.started_at,
        confirmed_at: now.confirmed_at,
        resolved_at: now.resolved_at,
        failure: now.failure,
        message: now.message.clone(),
        severity: now.severity,
        evidence: evidence.unwrap_or_default(),
    }
}

/// How a message is answered: only where people find the collector. Providers come by https alone.
pub(super) fn back(ctx: &Ctx, leased: &Leased) -> Result<Back, VaultError> {
    let Some(url) = ctx.public_url.as_deref().map(|url| url.trim_end_matches('/')) else { return Ok(Back::default()) };
    let at = |part: &str, link: &SecretString| SecretString::new(format!("{url}/{part}/{}", link.expose()));
    let token = ctx.sealer.acknowledgement(leased.org.0, leased.id.0)?;
    let hook = url.starts_with("https:").then(|| ctx.sealer.hook(leased.org.0, leased.channel.id.0)).transpose()?;
    let page = at("acknowledge", &token);
    Ok(Back { acknowledge: Some(Acknowledge { token, page }), hook: hook.map(|link| at("hooks", &link)) })
}
