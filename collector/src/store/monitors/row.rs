//! How a monitor is read.

use picket_shared::check::CheckSpec;
use picket_shared::ids::{MonitorId, PolicyId};
use picket_shared::secret::Sealed;
use picket_shared::time::Timestamp;
use sqlx::types::Json;

use super::{FailingFrom, MonitorRow, Settings};
use crate::domain::briefing::Briefing;
use crate::domain::outage::{QuorumRule, RegionalAlert};
use crate::store::{MonitorKey, RegionKey, StoreError};

pub(super) const SELECT: &str =
    "SELECT m.id, m.uuid, m.name, m.spec, m.sealed_secret, m.interval_s, m.timeout_ms, m.quorum, m.eu_only,
        m.tags, m.severity, m.owner, m.runbook_url, m.version, m.created_at, m.paused_at, m.muted_at, m.external_key, m.imported, s.state, s.since,
        (SELECT p.uuid FROM policies p WHERE p.id = m.policy_id AND p.deleted_at IS NULL) AS policy,
        m.tells_regional, m.regional_muted_until, failing_from(m.id, s.data) AS failing_from,
        coalesce(array_agg(r.id ORDER BY r.code) FILTER (WHERE r.id IS NOT NULL), '{}') AS region_keys,
        coalesce(array_agg(r.code ORDER BY r.code) FILTER (WHERE r.id IS NOT NULL), '{}') AS regions
    FROM monitors m JOIN states s ON s.monitor_id = m.id
    LEFT JOIN monitor_regions mr ON mr.monitor_id = m.id LEFT JOIN regions r ON r.id = mr.region_id
    WHERE m.deleted_at IS NULL";
pub(super) const GROUP: &str = "GROUP BY m.id, s.monitor_id ORDER BY m.name";

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: i64,
    uuid: uuid::Uuid,
    name: String,
    spec: Json<CheckSpec>,
    sealed_secret: Option<Vec<u8>>,
    interval_s: i32,
    timeout_ms: i32,
    quorum: Option<Json<QuorumRule>>,
    eu_only: bool,
    tags: Vec<String>,
    severity: String,
    owner: Option<String>,
    runbook_url: Option<String>,
    version: i32,
    created_at: i64,
    paused_at: Option<i64>,
    muted_at: Option<i64>,
    external_key: Option<String>,
    imported: Option<Json<serde_json::Value>>,
    state: String,
    since: i64,
    policy: Option<uuid::Uuid>,
    tells_regional: bool,
    regional_muted_until: Option<i64>,
    failing_from: Json<Vec<FailingFrom>>,
    region_keys: Vec<i64>,
    regions: Vec<String>,
}

impl TryFrom<Row> for MonitorRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = |_| StoreError::Inconsistent { table: "regions", column: "code", row: row.id };
        let unsaid = |_| StoreError::Inconsistent { table: "monitors", column: "severity", row: row.id };
        let severity = row.severity.parse().map_err(unsaid)?;
        let regions = row.regions.iter().map(|code| code.parse().map_err(unreadable)).collect::<Result<_, _>>()?;
        Ok(Self {
            key: MonitorKey(row.id),
            id: MonitorId(row.uuid),
            settings: Settings {
                name: row.name,
                spec: row.spec.0,
                sealed_secret: row.sealed_secret.map(Sealed),
                interval_s: row.interval_s,
                timeout_ms: row.timeout_ms,
                quorum: row.quorum.map(|json| json.0),
                eu_only: row.eu_only,
                tags: row.tags,
                briefing: Briefing { severity, owner: row.owner, runbook_url: row.runbook_url },
                regions: row.region_keys.into_iter().map(RegionKey).collect(),
            },
            regions,
            version: row.version,
            created_at: Timestamp::from_micros(row.created_at),
            paused_at: row.paused_at.map(Timestamp::from_micros),
            state: row.state,
            since: Timestamp::from_micros(row.since),
            muted_at: row.muted_at.map(Timestamp::from_micros),
            failing_from: row.failing_from.0,
            regional: RegionalAlert {
                told: row.tells_regional,
                muted_until: row.regional_muted_until.map(Timestamp::from_micros),
            },
            policy: row.policy.map(PolicyId),
            external_key: row.external_key,
            // Of an import that cannot be read it is not known what a person changed: it counts as edited.
            imported: row.imported.and_then(|json| serde_json::from_value(json.0).ok()),
        })
    }
}
