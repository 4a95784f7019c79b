//! Of how many monitors nobody would be told.

use crate::telling::{START, Told, webhook};

/// How many monitors nobody would be told of, as the control counts them.
async fn untold(told: &Told) -> i64 {
    let mut worker = told.database.pools.worker().await.unwrap();
    picket_collector::store::summaries::refresh(&mut worker, START).await.unwrap();
    worker.commit().await.unwrap();
    told.number("SELECT untold::bigint FROM organization_summaries").await
}

#[tokio::test]
async fn a_monitor_is_untold_where_its_policy_reaches_nobody_and_told_where_it_reaches_somebody() {
    let (told, sql) = (Told::new().await, async |told: &Told, sql: &str| {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut told.database.login("postgres").await)
            .await
            .unwrap();
    });
    assert_eq!(untold(&told).await, 1, "there is no channel");
    let key = told.channel("hook", &webhook("https://hook.example/")).await.0;
    assert_eq!(untold(&told).await, 0, "without a policy every channel is told");
    sql(&told, "INSERT INTO policies (uuid, org_id, name, is_default, waits_s, repeats, repeat_after_s, tells_recovery, created_at, updated_at)
         VALUES (gen_random_uuid(), 1, 'p', true, '{0}', 0, 0, true, 0, 0)").await;
    assert_eq!(untold(&told).await, 1, "the policy reaches nobody");
    sql(&told, &format!("INSERT INTO policy_targets (org_id, policy_id, level, channel_id) VALUES (1, 1, 0, {key})"))
        .await;
    assert_eq!(untold(&told).await, 0);
    sql(&told, "DELETE FROM policy_targets;
         INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES (gen_random_uuid(), 'a@example.org', 'x', 0, 0);
         INSERT INTO memberships (org_id, user_id, role, created_at) VALUES (1, 1, 'responder', 0);
         INSERT INTO schedules (uuid, org_id, name, zone, created_at, updated_at) VALUES (gen_random_uuid(), 1, 's', 'UTC', 0, 0);
         INSERT INTO rotations (org_id, schedule_id, position, name, starts, every, unit) VALUES (1, 1, 0, 'r', '2026-01-01T00:00', 1, 'weeks');
         INSERT INTO rotation_members (org_id, rotation_id, position, user_id) VALUES (1, 1, 0, 1);
         INSERT INTO policy_targets (org_id, policy_id, level, schedule_id) VALUES (1, 1, 0, 1)").await;
    assert_eq!(untold(&told).await, 1, "who is on call has no channel");
    sql(
        &told,
        &format!("INSERT INTO member_channels (org_id, user_id, channel_id, created_at) VALUES (1, 1, {key}, 0)"),
    )
    .await;
    assert_eq!(untold(&told).await, 0);
    sql(&told, "UPDATE channels SET verified_at = NULL, verified_by = NULL").await;
    assert_eq!(untold(&told).await, 1);
}
