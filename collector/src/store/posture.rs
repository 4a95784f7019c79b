//! What controls look at in the database, and what they found.

use picket_shared::time::Timestamp;

use super::{Auth, Conn, StoreError, Worker};
use crate::domain::posture::Finding;

/// How the database guards what it holds, by its own catalogue.
#[derive(Clone, Debug, Default)]
pub struct Guarding {
    /// Tables with rows of tenants, partitions among them.
    pub tables: usize,
    /// Those of them without row security that is enabled, forced, and by which tenants see and write what is theirs alone, by each
    /// policy that there is for them.
    pub unsecured: Vec<String>,
    /// Roles of ours that row security does not bind.
    pub unbound: Vec<String>,
    /// Roles of ours, but the owner, that may change or remove what stands in the audit log, or what chains it.
    pub may_rewrite: Vec<String>,
    /// Whether tenants' connections may read hashes of API keys.
    pub hashes_are_read: bool,
    /// Columns, and those that say neither whose data they hold nor how long.
    pub columns: usize,
    /// The latter.
    pub unclassified: Vec<String>,
    /// How the connection is protected that asked: the version of TLS, nothing on a socket of this machine.
    pub tls: Option<String>,
    /// Whether it does not leave this machine.
    pub is_local: bool,
    /// Whether pages are stored with checksums.
    pub checksums: bool,
}

/// Reads the catalogue.
///
/// # Errors
/// When the database fails.
pub async fn guarding(auth: &mut Auth) -> Result<Guarding, StoreError> {
    // Of a table with partitions the policies are the table's own; rows that are read by a partition's name are guarded by its force.
    let tables: Vec<(String, bool)> = sqlx::query_as(
        "WITH policies AS (
             SELECT p.polrelid, bool_and(coalesce(pg_get_expr(p.polqual, p.polrelid), 'current_org()') LIKE '%current_org()%'
                 AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'current_org()') LIKE '%current_org()%'
                 AND num_nonnulls(p.polqual, p.polwithcheck) > 0) AS are_own
             FROM pg_policy p
             WHERE p.polroles = '{0}' OR EXISTS (SELECT FROM pg_roles r
                 WHERE r.oid = ANY (p.polroles) AND r.rolname IN ('picket_app', 'picket_reader'))
             GROUP BY p.polrelid)
         SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity AND (c.relispartition OR coalesce(p.are_own, false))
         FROM pg_class c LEFT JOIN policies p ON p.polrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
           AND (c.relname = 'organizations'
                OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped))
         ORDER BY 1",
    )
    .fetch_all(auth.conn())
    .await?;
    let unsecured = tables.iter().filter(|(_, is_secured)| !is_secured).map(|(name, _)| name.clone()).collect();
    let unbound: Vec<String> = sqlx::query_scalar(
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'picket\\_%' AND (rolsuper OR rolbypassrls) ORDER BY 1",
    )
    .fetch_all(auth.conn())
    .await?;
    let may_rewrite: Vec<String> = sqlx::query_scalar(
        "SELECT r.rolname::text FROM pg_roles r
         WHERE r.rolname LIKE 'picket\\_%' AND r.rolname <> 'picket_owner'
           AND (has_table_privilege(r.oid, 'audit', 'DELETE, TRUNCATE')
                OR has_column_privilege(r.oid, 'audit', 'link', 'UPDATE')
                OR has_column_privilege(r.oid, 'audit', 'commitment', 'UPDATE')
                OR has_column_privilege(r.oid, 'audit', 'action', 'UPDATE')) ORDER BY 1",
    )
    .fetch_all(auth.conn())
    .await?;
    let hashes_are_read: bool = sqlx::query_scalar(
        "SELECT has_column_privilege('picket_app', 'api_keys', 'key_hash', 'SELECT')
             OR has_column_privilege('picket_reader', 'api_keys', 'key_hash', 'SELECT')",
    )
    .fetch_one(auth.conn())
    .await?;
    let columns: Vec<(String, bool)> = sqlx::query_as(
        "SELECT c.relname || '.' || a.attname, col_description(c.oid, a.attnum) IS NOT NULL
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname NOT LIKE '\\_sqlx%' ORDER BY 1",
    )
    .fetch_all(auth.conn())
    .await?;
    let unclassified =
        columns.iter().filter(|(_, is_classified)| !is_classified).map(|(name, _)| name.clone()).collect();
    let (tls, is_local, checksums): (Option<String>, bool, bool) = sqlx::query_as(
        "SELECT CASE WHEN s.ssl THEN s.version END, inet_server_addr() IS NULL, current_setting('data_checksums') = 'on'
         FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()",
    )
    .fetch_one(auth.conn())
    .await?;
    Ok(Guarding {
        tables: tables.len(),
        unsecured,
        unbound,
        may_rewrite,
        hashes_are_read,
        columns: columns.len(),
        unclassified,
        tls,
        is_local,
        checksums,
    })
}

/// How people and programs come in.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Entering {
    /// Users with a password.
    pub passwords: i64,
    /// Those of them whose hash is not Argon2id.
    pub weak_hashes: i64,
    /// Sessions that go on, and the longest that one may last, in days.
    pub sessions: i64,
    /// The latter.
    pub longest_session_days: i64,
    /// API keys that go on, and those of them without a SHA-256 of 32 bytes or without a scope.
    pub keys: i64,
    /// The latter.
    pub bad_keys: i64,
    /// Grants of administration that go on, those whose holder has no second factor, and the longest, in days.
    pub grants: i64,
    /// Those whose holder has none.
    pub grants_without_factor: i64,
    /// The longest.
    pub longest_grant_days: i64,
}

/// Counts them.
///
/// # Errors
/// When the database fails.
pub async fn entering(auth: &mut Auth, now: Timestamp) -> Result<Entering, StoreError> {
    Ok(sqlx::query_as(
        "SELECT (SELECT count(*) FROM users WHERE password_hash IS NOT NULL AND deleted_at IS NULL) AS passwords,
                (SELECT count(*) FROM users WHERE password_hash NOT LIKE '$argon2id$%' AND deleted_at IS NULL) AS weak_hashes,
                s.sessions, s.longest_session_days, k.keys, k.bad_keys, g.grants, g.grants_without_factor, g.longest_grant_days
         FROM (SELECT count(*) AS sessions, coalesce(max((expires_at - created_at + 86399999999) / 86400000000), 0) AS longest_session_days
               FROM sessions WHERE expires_at > $1) s,
              (SELECT count(*) AS keys, count(*) FILTER (WHERE length(key_hash) <> 32 OR cardinality(scopes) = 0) AS bad_keys
               FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)) k,
              (SELECT count(*) AS grants, count(*) FILTER (WHERE NOT has_second_factor(user_id)) AS grants_without_factor,
                      coalesce(max((until_at - from_at + 86399999999) / 86400000000), 0) AS longest_grant_days
               FROM admin_grants WHERE revoked_at IS NULL AND until_at > $1) g",
    )
    .bind(now.micros())
    .fetch_one(auth.conn())
    .await?)
}

/// What is watched, from where, and who would be told.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Watching {
    /// Monitors that run.
    pub monitors: i64,
    /// Those of which nobody would be told.
    pub untold: i64,
    /// Regions, and those outside the EU.
    pub regions: i64,
    /// The latter.
    pub regions_elsewhere: i64,
    /// Monitors that keep to the EU and run outside it nonetheless.
    pub strays: i64,
    /// Monitors with credentials that run outside the EU because somebody said so.
    pub secrets_elsewhere: i64,
    /// Monitors that run outside the EU though their organization keeps to it, or the operator for it.
    pub monitors_abroad: i64,
    /// Channels of providers that are not known to be in the EU, of such organizations.
    pub channels_abroad: i64,
    /// The day of the oldest outcome, since 1970.
    pub oldest_day: Option<i64>,
}

/// Counts it.
///
/// # Errors
/// When the database fails.
pub async fn watching(worker: &mut Worker) -> Result<Watching, StoreError> {
    Ok(sqlx::query_as(
        "WITH keeping AS (SELECT o.id FROM organizations o WHERE o.deleted_at IS NULL AND (o.eu_only OR (SELECT i.eu_only FROM instance i))),
              runs AS (SELECT m.id, m.org_id, m.eu_only, m.sealed_secret IS NOT NULL AS has_secret, r.eu
                       FROM monitors m JOIN monitor_regions x ON x.monitor_id = m.id JOIN regions r ON r.id = x.region_id
                       WHERE m.deleted_at IS NULL AND m.paused_at IS NULL)
         SELECT (SELECT count(*) FROM monitors WHERE deleted_at IS NULL AND paused_at IS NULL) AS monitors,
                (SELECT coalesce(sum(untold), 0)::bigint FROM organization_summaries) AS untold,
                (SELECT count(*) FROM regions) AS regions,
                (SELECT count(*) FROM regions WHERE NOT eu) AS regions_elsewhere,
                (SELECT count(DISTINCT id) FROM runs WHERE eu_only AND NOT eu) AS strays,
                (SELECT count(DISTINCT id) FROM runs WHERE has_secret AND NOT eu) AS secrets_elsewhere,
                (SELECT count(DISTINCT id) FROM runs WHERE NOT eu AND org_id IN (SELECT id FROM keeping)) AS monitors_abroad,
                (SELECT count(*) FROM channels WHERE deleted_at IS NULL AND unset_at IS NULL AND abroad IS NOT NULL
                     AND org_id IN (SELECT id FROM keeping)) AS channels_abroad,
                (SELECT min(at) / 86400000000 FROM results) AS oldest_day",
    )
    .fetch_one(worker.conn())
    .await?)
}

/// Notes what a control found. What is as before goes on; its evidence is the newest.
///
/// # Errors
/// When the database fails.
pub async fn note(worker: &mut Worker, control: &str, finding: &Finding, now: Timestamp) -> Result<(), StoreError> {
    let goes_on = sqlx::query(
        "UPDATE findings SET evidence = $3, detail = $4, last_at = greatest(last_at, $5)
         WHERE id = (SELECT max(id) FROM findings WHERE control = $1) AND state = $2",
    )
    .bind(control)
    .bind(finding.state.as_str())
    .bind(&finding.evidence)
    .bind(&finding.detail)
    .bind(now.micros())
    .execute(worker.conn())
    .await?;
    if goes_on.rows_affected() == 0 {
        sqlx::query(
            "INSERT INTO findings (control, state, evidence, detail, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $5)",
        )
        .bind(control)
        .bind(finding.state.as_str())
        .bind(&finding.evidence)
        .bind(&finding.detail)
        .bind(now.micros())
        .execute(worker.conn())
        .await?;
    }
    Ok(())
}

/// Forgets what was found before then and is no more so.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(worker: &mut Worker, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM findings f WHERE f.last_at < $1
            AND EXISTS (SELECT FROM findings later WHERE later.control = f.control AND later.id > f.id)",
    )
    .bind(before.micros())
    .execute(worker.conn())
    .await?;
    Ok(done.rows_affected())
}
