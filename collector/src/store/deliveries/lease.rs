//! Deliveries are leased: what is due, with everything that its message needs.

use std::time::Duration;

use picket_shared::ids::{ChannelId, DeliveryId, IncidentId, MaintenanceId, MonitorId};
use picket_shared::outcome::FailureKind;
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use sqlx::types::Json;

use super::{About, DeclaredNow, IncidentNow, Leased, LeasedChannel, MaintenanceNow, MonitorNow, Proof};
use crate::domain::briefing::Briefing;
use crate::domain::incident::Severity;
use crate::domain::outage::{Notice, NoticeKind};
use crate::store::{ChannelKey, Conn, DeliveryKey, OrgKey, StoreError, Worker};

/// Ends what must not be sent any more: to a channel that was removed, has no destination or is of a member who left, a notice to one that is not verified (its settings
/// were replaced), a proof that was replaced.
///
/// # Errors
/// When the database fails.
pub async fn supersede_unwanted(conn: &mut Worker, now: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE deliveries d SET state = 'superseded', ended_at = $1, leased_until = NULL FROM channels c
         WHERE c.id = d.channel_id AND d.state = 'pending' AND (d.leased_until IS NULL OR d.leased_until <= $1)
            AND (c.deleted_at IS NOT NULL OR c.unset_at IS NOT NULL
                OR (c.is_personal AND NOT EXISTS (SELECT FROM member_channels m WHERE m.channel_id = c.id))
                OR EXISTS (SELECT FROM organizations o WHERE o.id = d.org_id AND o.deleted_at IS NOT NULL)
                OR (d.notice_id IS NOT NULL AND c.verified_at IS NULL)
                OR (d.payload ->> 'kind' = 'proof'
                    AND NOT EXISTS (SELECT FROM channel_proofs p WHERE p.delivery_id = d.id)))",
    )
    .bind(now.micros())
    .execute(conn.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Leases up to `limit` due deliveries for `term`: one a channel, none to the channels in `busy` or to one that is just told of
/// a standing alarm again; and of one incident, or of one trouble of a monitor or region, none before the earlier ones to the
/// same channel have ended.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn lease(
    conn: &mut Worker,
    busy: &[ChannelKey],
    limit: i64,
    term: Duration,
    now: Timestamp,
) -> Result<Vec<Leased>, StoreError> {
    let until = now + term;
    one_at_a_time(conn).await?;
    let keys: Vec<DeliveryKey> = sqlx::query_scalar(LEASE)
        .bind(now.micros())
        .bind(busy.iter().map(|channel| channel.0).collect::<Vec<_>>())
        .bind(limit)
        .bind(until.micros())
        .fetch_all(conn.conn())
        .await?;
    read(conn, &keys, until).await
}

/// Keeps others from taking anything that is to be told before this transaction ends: what is taken here they must see.
pub(in crate::store) async fn one_at_a_time(conn: &mut Worker) -> Result<(), StoreError> {
    // Any number will do that nothing else locks: the digits spell "again".
    sqlx::query("SELECT pg_advisory_xact_lock(24246)").execute(conn.conn()).await?;
    Ok(())
}

/// Reads deliveries with everything that their messages need, for who holds them `until` then.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn read(conn: &mut Worker, keys: &[DeliveryKey], until: Timestamp) -> Result<Vec<Leased>, StoreError> {
    let keys: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let rows: Vec<Row> = sqlx::query_as(READ).bind(keys).fetch_all(conn.conn()).await?;
    rows.into_iter().map(|row| row.leased(until)).collect()
}

/// Channels with something to tell one by one (PostgreSQL has no scan that skips: <https://wiki.postgresql.org/wiki/Loose_indexscan>), of
/// each the first that is due and waits for none of its thread.
const LEASE: &str = "WITH RECURSIVE telling AS (
        (SELECT channel_id FROM deliveries WHERE state = 'pending' ORDER BY channel_id LIMIT 1)
        UNION ALL
        SELECT (SELECT d.channel_id FROM deliveries d WHERE d.state = 'pending' AND d.channel_id > t.channel_id
                ORDER BY d.channel_id LIMIT 1) FROM telling t WHERE t.channel_id IS NOT NULL)
    UPDATE deliveries SET leased_until = $4 WHERE id IN (
        SELECT d.id FROM deliveries d WHERE d.state = 'pending' AND d.next_at <= $1
            AND (d.leased_until IS NULL OR d.leased_until <= $1) AND d.id IN (
                SELECT first.id FROM telling t CROSS JOIN LATERAL (
                    SELECT w.id FROM deliveries w LEFT JOIN notices n ON n.id = w.notice_id
                    WHERE w.channel_id = t.channel_id AND w.state = 'pending' AND w.next_at <= $1 AND w.folded_into IS NULL
                        AND (w.leased_until IS NULL OR w.leased_until <= $1)
                        AND NOT EXISTS (SELECT FROM notices en JOIN deliveries e ON e.notice_id = en.id
                            WHERE en.thread = n.thread AND e.channel_id = w.channel_id AND e.state = 'pending' AND e.id < w.id)
                    ORDER BY w.next_at, w.id LIMIT 1) first
                WHERE t.channel_id <> ALL ($2::bigint[])
                    AND NOT EXISTS (SELECT FROM standing_alarms s WHERE s.channel_id = t.channel_id AND s.leased_until > $1))
        ORDER BY d.next_at, d.id LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING id";

/// What became unwanted since it was leased is not read: it is superseded when its lease has run out.
const READ: &str =
    "SELECT d.id, d.org_id, d.uuid, d.attempts, greatest(d.created_at, d.held_until, d.asked_again_at) AS asked_at, c.id AS channel_id, c.uuid AS channel_uuid,
        c.name AS channel_name, c.kind AS channel_kind, c.minimal, c.sealed_settings,
        c.sealed_key, c.sealed_former_key, c.former_key_until, n.payload -> 'notice' AS payload, m.uuid AS monitor_uuid,
        m.name AS monitor_name, m.kind AS monitor_kind, m.target, m.severity AS monitor_severity, m.owner, m.runbook_url, i.uuid AS incident_uuid, i.started_at, i.confirmed_at,
        i.resolved_at, i.failure, i.message, i.detail, i.title, i.severity, p.sealed_code, p.expires_at,
        ARRAY(SELECT a.name FROM incident_monitors im JOIN monitors a ON a.id = im.monitor_id
              WHERE im.incident_id = i.id ORDER BY a.name) AS affected,
        ARRAY(SELECT a.name FROM monitor_dependencies md JOIN monitors a ON a.id = md.monitor_id
              WHERE md.parent_id = m.id AND a.deleted_at IS NULL ORDER BY a.name LIMIT 200) AS dependents,
        w.uuid AS maintenance_uuid, w.title AS maintenance_title, w.note, w.zone, w.scope = 'all' AS maintains_all, o.starts_at, o.ends_at,
        ARRAY(SELECT a.name FROM monitors a WHERE a.org_id = w.org_id AND a.deleted_at IS NULL AND w.scope <> 'all'
              AND maintains(w.id, w.scope, w.tags, a.id, a.tags) ORDER BY a.name) AS maintained
    FROM deliveries d JOIN channels c ON c.id = d.channel_id
    LEFT JOIN channel_proofs p ON p.delivery_id = d.id
    LEFT JOIN notices n ON n.id = d.notice_id LEFT JOIN monitors m ON m.id = n.monitor_id
    LEFT JOIN incidents i ON i.id = n.incident_id
    LEFT JOIN maintenance_occurrences o ON o.id = n.occurrence_id LEFT JOIN maintenances w ON w.id = o.maintenance_id
    WHERE d.id = ANY ($1) AND c.deleted_at IS NULL AND c.unset_at IS NULL AND (d.notice_id IS NULL OR c.verified_at IS NOT NULL)
        AND (d.payload ->> 'kind' IS DISTINCT FROM 'proof' OR p.delivery_id IS NOT NULL)
        AND (NOT c.is_personal OR EXISTS (SELECT FROM member_channels mc WHERE mc.channel_id = c.id))
    ORDER BY d.id";

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    org_id: OrgKey,
    uuid: uuid::Uuid,
    attempts: i32,
    asked_at: i64,
    channel_id: ChannelKey,
    channel_uuid: uuid::Uuid,
    channel_name: String,
    channel_kind: String,
    minimal: bool,
    sealed_settings: Vec<u8>,
    sealed_key: Option<Vec<u8>>,
    sealed_former_key: Option<Vec<u8>>,
    former_key_until: Option<i64>,
    payload: Option<Json<Notice>>,
    monitor_uuid: Option<uuid::Uuid>,
    monitor_name: Option<String>,
    monitor_kind: Option<String>,
    target: Option<String>,
    monitor_severity: Option<String>,
    owner: Option<String>,
    runbook_url: Option<String>,
    incident_uuid: Option<uuid::Uuid>,
    started_at: Option<i64>,
    confirmed_at: Option<i64>,
    resolved_at: Option<i64>,
    failure: Option<String>,
    message: Option<String>,
    detail: Option<serde_json::Value>,
    title: Option<String>,
    severity: Option<String>,
    affected: Vec<String>,
    dependents: Vec<String>,
    maintenance_uuid: Option<uuid::Uuid>,
    maintenance_title: Option<String>,
    note: Option<String>,
    zone: Option<String>,
    maintains_all: Option<bool>,
    starts_at: Option<i64>,
    ends_at: Option<i64>,
    maintained: Vec<String>,
    sealed_code: Option<Vec<u8>>,
    expires_at: Option<i64>,
}

impl Row {
    fn leased(self, until: Timestamp) -> Result<Leased, StoreError> {
        let row = self.id;
        let lost = |column| StoreError::Inconsistent { table: "deliveries", column, row };
        let (incident, monitor, maintenance) = (self.incident()?, self.monitor()?, self.maintenance()?);
        let is_of_channel = |notice: &Notice| {
            matches!(notice.kind, NoticeKind::ChannelFailing { .. } | NoticeKind::ChannelWorks { .. })
        };
        let of_channel = self.payload.as_ref().is_some_and(|Json(notice)| is_of_channel(notice));
        let has_subject = monitor.is_some() || maintenance.is_some() || of_channel;
        if self.payload.is_some() && !has_subject && incident.as_ref().is_none_or(|now| now.declared.is_none()) {
            return Err(lost("notice_id"));
        }
        let about = self.payload.map(|Json(notice)| About { notice, monitor, incident, maintenance });
        Ok(Leased {
            key: DeliveryKey(row),
            org: self.org_id,
            id: DeliveryId(self.uuid),
            until,
            attempts: self.attempts,
            asked_at: Timestamp::from_micros(self.asked_at),
            channel: LeasedChannel {
                key: self.channel_id,
                id: ChannelId(self.channel_uuid),
                name: self.channel_name,
                kind: self.channel_kind,
                minimal: self.minimal,
                settings: Sealed(self.sealed_settings),
                signing_key: self.sealed_key.map(Sealed),
                former_key: self.sealed_former_key.map(Sealed),
                former_key_until: self.former_key_until.map(Timestamp::from_micros),
            },
            about,
            proof: self
                .expires_at
                .map(|at| Proof { code: self.sealed_code.map(Sealed), expires_at: Timestamp::from_micros(at) }),
        })
    }

    fn monitor(&self) -> Result<Option<MonitorNow>, StoreError> {
        let severity = self.severity_in("monitors", self.monitor_severity.as_deref())?;
        Ok(severity.and_then(|severity| self.monitor_as(severity)))
    }

    fn monitor_as(&self, severity: Severity) -> Option<MonitorNow> {
        let briefing = Briefing { severity, owner: self.owner.clone(), runbook_url: self.runbook_url.clone() };
        Some(MonitorNow {
            id: MonitorId(self.monitor_uuid?),
            name: self.monitor_name.clone()?,
            kind: self.monitor_kind.clone()?,
            target: self.target.clone()?,
            briefing,
            dependents: self.dependents.clone(),
        })
    }

    fn severity_in(&self, table: &'static str, text: Option<&str>) -> Result<Option<Severity>, StoreError> {
        let unreadable = |_| StoreError::Inconsistent { table, column: "severity", row: self.id };
        text.map(|text| text.parse().map_err(unreadable)).transpose()
    }

    fn maintenance(&self) -> Result<Option<MaintenanceNow>, StoreError> {
        let (Some(id), Some(start), Some(end)) = (self.maintenance_uuid, self.starts_at, self.ends_at) else {
            return Ok(None);
        };
        let unreadable = || StoreError::Inconsistent { table: "maintenances", column: "zone", row: self.id };
        Ok(Some(MaintenanceNow {
            id: MaintenanceId(id),
            title: self.maintenance_title.clone().unwrap_or_default(),
            note: self.note.clone().unwrap_or_default(),
            zone: self.zone.as_deref().and_then(|zone| zone.parse().ok()).ok_or_else(unreadable)?,
            starts_at: Timestamp::from_micros(start),
            ends_at: Timestamp::from_micros(end),
            all: self.maintains_all.unwrap_or(false),
            monitors: self.maintained.clone(),
        }))
    }

    fn incident(&self) -> Result<Option<IncidentNow>, StoreError> {
        let severity = self.severity_in("incidents", self.severity.as_deref())?;
        Ok(severity.and_then(|severity| self.incident_as(severity)))
    }

    fn incident_as(&self, severity: Severity) -> Option<IncidentNow> {
        let failure = self.failure.as_deref()?;
        let declared = self.title.clone().map(|title| DeclaredNow { title, monitors: self.affected.clone() });
        Some(IncidentNow {
            id: IncidentId(self.incident_uuid?),
            started_at: Timestamp::from_micros(self.started_at?),
            confirmed_at: Timestamp::from_micros(self.confirmed_at?),
            resolved_at: self.resolved_at.map(Timestamp::from_micros),
            declared,
            failure: FailureKind::ALL
                .iter()
                .copied()
                .find(|kind| kind.as_str() == failure)
                .unwrap_or(FailureKind::Other),
            message: self.message.clone()?,
            severity,
            detail: self.detail.clone().unwrap_or_default(),
        })
    }
}
