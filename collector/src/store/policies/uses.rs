//! Which monitors a policy is for.

use picket_shared::ids::MonitorId;

use super::reach::By;
use crate::store::{Conn, PolicyKey, Scoped, StoreError};

/// A monitor that a policy is for.
#[derive(Clone, Debug)]
pub struct Use {
    /// Its id.
    pub monitor: MonitorId,
    /// What it is called.
    pub name: String,
    /// By what the policy is chosen for it.
    pub by: By,
}

/// Every monitor for which this policy is chosen, by name; as [`super::reach::chosen`] chooses for each alone.
///
/// # Errors
/// When the database fails.
pub async fn uses(conn: &mut Scoped, policy: PolicyKey) -> Result<Vec<Use>, StoreError> {
    let rows: Vec<(uuid::Uuid, String, i32)> = sqlx::query_as(
        "SELECT m.uuid, m.name, c.rank FROM monitors m CROSS JOIN LATERAL (
             SELECT p.id, CASE WHEN p.id = m.policy_id THEN 0 WHEN p.tags && m.tags THEN 1 ELSE 2 END AS rank
             FROM policies p WHERE p.org_id = m.org_id AND p.deleted_at IS NULL
                 AND (p.id = m.policy_id OR p.tags && m.tags OR p.is_default)
             ORDER BY rank, p.id LIMIT 1) c
         WHERE m.deleted_at IS NULL AND c.id = $1 ORDER BY m.name",
    )
    .bind(policy)
    .fetch_all(conn.conn())
    .await?;
    let one = |(id, name, rank)| Use { monitor: MonitorId(id), name, by: By::ranked(rank) };
    Ok(rows.into_iter().map(one).collect())
}
