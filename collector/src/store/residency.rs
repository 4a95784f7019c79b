//! Who keeps to the EU: the operator says it for all, an organization for itself. What was elsewhere before goes on, and is listed.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use picket_shared::daykeys::hex;
use picket_shared::time::Timestamp;
use serde_json::json;
use sqlx::types::Json;

use super::audit::{self, Author};
use super::{Auth, Conn, OrgKey, Scoped, StoreError, Worker};

/// Whether an organization keeps to the EU, and who wants that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Keeping {
    /// The operator, for every organization.
    pub operator: bool,
    /// The organization.
    pub own: bool,
}

impl Keeping {
    /// Whether it keeps to the EU.
    pub const fn holds(self) -> bool {
        self.operator || self.own
    }
}

/// Whether an organization keeps to the EU.
///
/// # Errors
/// When the database fails.
pub async fn of(conn: &mut impl Conn, org: OrgKey) -> Result<Keeping, StoreError> {
    Ok(sqlx::query_as(
        "SELECT coalesce((SELECT eu_only FROM instance), false) AS operator,
                coalesce((SELECT eu_only FROM organizations WHERE id = $1), false) AS own",
    )
    .bind(org)
    .fetch_one(conn.conn())
    .await?)
}

/// Whether the tenant's organization keeps to the EU.
///
/// # Errors
/// When the database fails.
pub async fn holds(scoped: &mut Scoped) -> Result<bool, StoreError> {
    let org = scoped.org();
    Ok(of(scoped, org).await?.holds())
}

/// Says whether an organization keeps to the EU from now on; false when it was so before.
///
/// # Errors
/// When the database fails.
pub async fn set(auth: &mut Auth, org: OrgKey, eu_only: bool, by: &Author, now: Timestamp) -> Result<bool, StoreError> {
    let changed: Option<uuid::Uuid> =
        sqlx::query_scalar("UPDATE organizations SET eu_only = $2 WHERE id = $1 AND eu_only <> $2 RETURNING uuid")
            .bind(org)
            .bind(eu_only)
            .fetch_optional(auth.conn())
            .await?;
    let Some(id) = changed else { return Ok(false) };
    let author = Author { org: Some(org), ..by.clone() };
    let detail = json!({ "eu_only": eu_only });
    audit::append(auth, &author.did("organization.eu_only", &id.to_string(), detail, now)).await?;
    Ok(true)
}

/// A channel of a provider that is not known to be in the EU.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ChannelAbroad {
    /// Its id.
    pub id: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// The provider.
    pub provider: String,
}

/// A monitor that runs outside the EU.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MonitorAbroad {
    /// Its id.
    pub id: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// The regions outside the EU from which it runs.
    pub regions: Vec<String>,
    /// Whether it is paused.
    pub paused: bool,
}

/// What an organization has elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abroad {
    /// Channels, by name.
    pub channels: Vec<ChannelAbroad>,
    /// Monitors, by name.
    pub monitors: Vec<MonitorAbroad>,
}

/// Everything that an organization has elsewhere, whether it keeps to the EU or not.
///
/// # Errors
/// When the database fails.
pub async fn abroad(scoped: &mut Scoped) -> Result<Abroad, StoreError> {
    let channels = sqlx::query_as(
        "SELECT uuid AS id, name, abroad AS provider FROM channels 
         WHERE deleted_at IS NULL AND unset_at IS NULL AND abroad IS NOT NULL ORDER BY name",
    )
    .fetch_all(scoped.conn())
    .await?;
    let monitors = sqlx::query_as(
        "SELECT m.uuid AS id, m.name, array_agg(r.code ORDER BY r.code) AS regions, m.paused_at IS NOT NULL AS paused
         FROM monitors m JOIN monitor_regions x ON x.monitor_id = m.id JOIN regions r ON r.id = x.region_id
         WHERE m.deleted_at IS NULL AND NOT r.eu GROUP BY m.id ORDER BY m.name",
    )
    .fetch_all(scoped.conn())
    .await?;
    Ok(Abroad { channels, monitors })
}

/// What a person vouches for: of what, for which host, and who made sure, when, and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Attested<'a> {
    /// `archive` or `mail`.
    pub what: &'a str,
    /// The host.
    pub host: &'a str,
    /// Who, when, where.
    pub text: &'a str,
}

/// Takes over what the settings say: whether everybody keeps to the EU, and what a person vouches for. What is new or changed goes into the
/// log of the instance, once.
///
/// # Errors
/// When the database fails.
pub async fn take_over(
    worker: &mut Worker,
    eu_only: bool,
    attested: &[Attested<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let known: Option<(bool, Json<BTreeMap<String, String>>)> =
        sqlx::query_as("SELECT eu_only, attested FROM instance FOR UPDATE").fetch_optional(worker.conn()).await?;
    let Some((before, Json(known))) = known else { return Ok(()) };
    let mark = |one: &Attested<'_>| hex(digest(&SHA256, format!("{}\n{}", one.host, one.text).as_bytes()).as_ref());
    let marks: BTreeMap<String, String> = attested.iter().map(|one| (one.what.to_owned(), mark(one))).collect();
    if before == eu_only && known == marks {
        return Ok(());
    }
    let done = sqlx::query("UPDATE instance SET eu_only = $1, attested = $2")
        .bind(eu_only)
        .bind(Json(&marks))
        .execute(worker.conn())
        .await?;
    StoreError::expect_rows("instance", 1, done.rows_affected())?;
    let author = Author::of_instance("collector");
    if before != eu_only {
        let entry = author.did("residency.eu_only", "instance", json!({ "eu_only": eu_only }), now);
        audit::append(worker, &entry).await?;
    }
    for one in attested.iter().filter(|one| known.get(one.what) != marks.get(one.what)) {
        let detail = json!({ "host": one.host, "attested": one.text });
        audit::append(worker, &author.did("residency.attest", one.what, detail, now)).await?;
    }
    Ok(())
}
