//! What a page of probes and regions shows, to whom; where probes were told to call; the figures of the instance.

use std::time::Duration;

use picket_collector::store::read::gauges;
use picket_collector::store::read::probes::{self, Standing};
use picket_collector::store::{OrgKey, probes as rows};
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor};

use crate::database::TestDatabase;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// Two regions; in `eu` the operator's probe, heard, and one of each of two organizations; in `us` one that was revoked.
async fn database() -> TestDatabase {
    let database = TestDatabase::new().await;
    let (now, silent) = (NOW.micros(), (NOW - Duration::from_secs(100)).micros());
    let mut conn = database.login("postgres").await;
    conn.execute(AssertSqlSafe(format!(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', 0), (gen_random_uuid(), 'two', 0);
         INSERT INTO regions (code, network, eu, created_at) VALUES ('eu', 'Hetzner', true, 0), ('us', 'AWS', false, 0);
         INSERT INTO probes (uuid, region_id, org_id, name, sealed_secret, created_at, revoked_at, url) VALUES
             (gen_random_uuid(), 1, NULL, 'shared', '', 0, NULL, 'https://45.64.0.1:8443'),
             (gen_random_uuid(), 1, 1, 'of one', '', 0, NULL, 'https://45.64.0.1:8443'),
             (gen_random_uuid(), 1, 2, 'of two', '', 0, NULL, NULL),
             (gen_random_uuid(), 2, NULL, 'old', '', 0, 5, 'https://old.example:8443');
         INSERT INTO probe_status (probe_id, boot, version, kinds, hello_at, seen_at, batch_at, through, clock_offset_us, report)
             VALUES (1, gen_random_uuid(), '0.1.0', '{{}}', 0, {now}, {now}, {silent}, -1500,
                     '{{\"version\": \"0.1.0\", \"clock_offset_us\": -1500, \"seq\": 3}}'),
                    (2, gen_random_uuid(), '0.0.9', '{{}}', 0, {silent}, NULL, NULL, NULL, '{{}}');
         INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, paused_at)
             SELECT gen_random_uuid(), id, 'm', 'tcp', 't', '{{}}', 60, 1000, 1, 0, 0, nullif(id, 1) FROM organizations;
         INSERT INTO monitor_regions SELECT org_id, id, 1 FROM monitors;
         INSERT INTO states (org_id, monitor_id, state, since, data, watch, dirty_at, due_at)
             SELECT org_id, id, 'up', 0, '{{}}', false, nullif({silent}, CASE WHEN id = 2 THEN {silent} END), NULL FROM monitors;
         INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
             VALUES (gen_random_uuid(), 1, 1, 0, 0, 'timeout', 'm', '{{}}');
         INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
             VALUES (gen_random_uuid(), 1, 'c', 'email', 'h', '', 0);
         INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at)
             VALUES (gen_random_uuid(), 1, 1, '{{}}', 'pending', {silent}, 0), (gen_random_uuid(), 1, 1, '{{}}', 'pending', {now} + 1, 0)"
    )))
    .await
    .unwrap();
    database
}

#[tokio::test]
async fn a_tenant_sees_the_operators_probes_and_its_own_and_the_operator_all() {
    let database = database().await;
    let names = |rows: Vec<probes::ProbeRow>| rows.into_iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let mut scoped = database.pools.scoped(OrgKey(1)).await.unwrap();
    let rows = probes::page(&mut scoped).await.unwrap();
    assert_eq!((rows[0].network.as_str(), rows[0].eu), ("Hetzner", true));
    let standings: Vec<Standing> = rows.iter().map(|row| row.standing(NOW)).collect();
    assert!(matches!(standings[..], [Standing::Silent { .. }, Standing::Heard, Standing::Revoked { .. }]), "{rows:?}");
    assert_eq!((rows[1].lag(NOW), rows[1].clock_offset_us()), (Some(Duration::from_secs(100)), Some(-1500)));
    assert!(rows[0].report().is_none(), "there is no report before the first batch");
    assert_eq!(names(rows), "of one, shared, old");
    let mut auth = database.pools.auth().await.unwrap();
    let rows = probes::page(&mut auth).await.unwrap();
    assert_eq!(rows[1].standing(NOW), Standing::Never);
    assert_eq!(names(rows), "of one, of two, shared, old");
}

#[tokio::test]
async fn a_region_counts_what_the_reader_may_see() {
    let database = database().await;
    let mut scoped = database.pools.scoped(OrgKey(2)).await.unwrap();
    let rows = probes::regions(&mut scoped, NOW).await.unwrap();
    let counted: Vec<_> = rows.iter().map(|row| (row.code.as_str(), row.probes, row.heard, row.monitors)).collect();
    assert_eq!(counted, [("eu", 2, 1, 1), ("us", 0, 0, 0)]);
}

#[tokio::test]
async fn probes_that_are_revoked_call_nowhere() {
    let database = database().await;
    let mut auth = database.pools.auth().await.unwrap();
    assert_eq!(rows::urls(&mut auth).await.unwrap(), ["https://45.64.0.1:8443"]);
}

#[tokio::test]
async fn the_figures_of_the_instance_are_counted_over_all_tenants() {
    let database = database().await;
    let mut worker = database.pools.worker().await.unwrap();
    let found = gauges::read(&mut worker, NOW).await.unwrap();
    let silent = Some(NOW - Duration::from_secs(100));
    assert_eq!((found.judge_due, found.judge_due_since), (1, silent));
    assert_eq!((found.deliveries_pending, found.deliveries_due_since, found.incidents_open), (2, silent, 1));
    assert_eq!(found.monitors, [("paused".to_owned(), 1), ("up".to_owned(), 1)]);
    assert_eq!(found.probes.len(), 3, "revoked ones are left out");
    let lags: Vec<_> = found.probes.iter().map(|probe| (probe.through, probe.clock_offset_us)).collect();
    assert_eq!(lags, [(silent, Some(-1500)), (None, None), (None, None)]);
    assert!(found.database_bytes > 0);
}
