//! The collector's clock steps: what moves in the tables, and what may not be deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use picket_collector::config::Retention;
use picket_collector::domain::outage::{Span, Verdict};
use picket_collector::domain::uptime;
use picket_collector::ops::retention;
use picket_collector::store::clock::{self, FORGOTTEN, KEPT, TIMES};
use picket_collector::store::{MonitorKey, spans};
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor, query_as, query_scalar};

use crate::database::TestDatabase;

/// Noon of some day, in seconds.
const NOON: i64 = 20_000 * 86_400 + 43_200;
const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOON + seconds)
}

/// One monitor in one region, with `rows` in which `@x` is that many seconds after noon, in microseconds.
async fn world(rows: &str) -> TestDatabase {
    let database = TestDatabase::new().await;
    let made = format!(
        "INSERT INTO instance (collector_id, created_at, last_alive_at, last_started_at) VALUES (gen_random_uuid(), @0, @0, @0);
         INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'one', @0);
         INSERT INTO regions (code, network, eu, created_at) VALUES ('eu', 'n', true, @0);
         INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES (gen_random_uuid(), 1, 'p', '', @0);
         INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
             VALUES (gen_random_uuid(), 1, 'm', 'tcp', 't', '{{}}', 60, 1000, 1, @0, @0);
         SELECT ensure_partition('results', day) FROM generate_series(19999, 20003) AS day; {rows}"
    );
    let micros = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        format!("{}{}", at(part[..end].parse().unwrap()).micros(), &part[end..])
    };
    let (first, rest) = made.split_once('@').unwrap();
    let made = rest.split('@').fold(first.to_owned(), |made, part| made + &micros(part));
    let mut conn = database.login("postgres").await;
    conn.execute(AssertSqlSafe(made)).await.unwrap();
    database
}

async fn column(database: &TestDatabase, ask: &str) -> Vec<Option<i64>> {
    let rows: Vec<Option<i64>> =
        query_scalar(AssertSqlSafe(ask.to_owned())).fetch_all(&mut database.login("postgres").await).await.unwrap();
    rows.into_iter().map(|micros| micros.map(|micros| micros.div_euclid(1_000_000) - NOON)).collect()
}

async fn step_back(database: &TestDatabase, by: i64, now: Timestamp) -> u64 {
    let mut worker = database.pools.worker().await.unwrap();
    let moved = clock::set_back(&mut worker, by * 1_000_000, now).await.unwrap();
    worker.commit().await.unwrap();
    moved
}

#[tokio::test]
async fn every_column_that_holds_a_time_moves_or_is_kept_on_purpose() {
    let database = TestDatabase::new().await;
    let found: Vec<(String, String)> = query_as(
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname <> '_sqlx_migrations' AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'bigint'::regtype
           AND a.attname ~ '(^at|_at|since|^through|_until|_last|^not_before|^not_after|^expires.*)$'",
    )
    .fetch_all(&mut database.login("picket_owner").await)
    .await
    .unwrap();
    let found: BTreeSet<_> = found.into_iter().collect();
    let listed = TIMES
        .iter()
        .chain(FORGOTTEN)
        .chain(KEPT)
        .flat_map(|(table, columns)| columns.iter().map(move |column| ((*table).to_owned(), (*column).to_owned())));
    assert_eq!(listed.collect::<BTreeSet<_>>(), found);
}

#[tokio::test]
async fn the_worker_changes_times_of_what_is_only_added_to_and_nothing_else_of_it() {
    let database = TestDatabase::new().await;
    let mut worker = database.login("picket_worker").await;
    for (statement, may) in [
        ("UPDATE results SET at = at - 1 WHERE at > 5", true),
        ("UPDATE results SET status = 'u'", false),
        ("UPDATE spans SET verdict = 'up'", false),
        ("UPDATE audit SET at = 1", false),
        ("UPDATE probes SET sealed_secret = ''", false),
    ] {
        assert_eq!(sqlx::query(statement).execute(&mut worker).await.is_ok(), may, "{statement}");
    }
}

#[tokio::test]
async fn what_lies_ahead_moves_back_by_as_much_and_nothing_else_moves() {
    // The clock leapt a day ahead at second 100, was a day ahead for 50 seconds, and is set back then.
    let database = world(
        "INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check, late_us, total_us)
             SELECT 1, 1, 1, 1, at, CASE WHEN at = @95 THEN @86501 ELSE at + 1000000 END, 1, 's', 'u', 'g', 0, 0 FROM unnest(ARRAY[@90, @95, @86500, @86545]) AS at;
         INSERT INTO gaps (org_id, monitor_id, region_id, probe_id, from_at, to_at, reason, noted_at)
             VALUES (1, 1, 1, 1, @100, @86500, 'clock_set', @86501), (1, 1, 1, 1, @50, @60, 'not_scheduled', @61),
                    (1, 1, 1, 1, @86510, @86520, 'not_scheduled', @86521);
         INSERT INTO region_states (org_id, monitor_id, region_id, version, status, fails, oks, since, last_at, last_trigger, self_check, received_at)
             VALUES (1, 1, 1, 1, 'up', 0, 3, @10, @86545, 'scheduled', 'good', @86545);
         INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, resolved_at, resolution, failure, message, detail)
             VALUES (gen_random_uuid(), 1, 1, @98, @86510, @86530, 'recovered', 'other', '', '{}');
         INSERT INTO states (org_id, monitor_id, state, since, data, watch, due_at)
             VALUES (1, 1, 'up', @20, '{\"since\": @86515, \"version\": 3, \"list\": [@30, @86540]}', false, @86600);
         INSERT INTO manual_checks (uuid, org_id, region_id, kind, spec, eu_only, timeout_ms, asked_by, asked_at, expires_at)
             SELECT gen_random_uuid(), 1, 1, 'tcp', '{}', false, 1000, 'me', at, at + 60000000 FROM unnest(ARRAY[@60, @86540]) AS at;
         UPDATE instance SET last_alive_at = @86548",
    )
    .await;
    assert!(step_back(&database, DAY, at(150)).await > 5);
    let all = |ask: &'static str| column(&database, ask);
    assert_eq!(all("SELECT at FROM results ORDER BY at").await, [90, 95, 100, 145].map(Some));
    assert_eq!(all("SELECT received_at FROM results ORDER BY at").await, [91, 101, 101, 146].map(Some));
    assert_eq!(all("SELECT from_at FROM gaps ORDER BY 1").await, [50, 110].map(Some), "the leap itself is gone");
    assert_eq!(all("SELECT to_at FROM gaps ORDER BY 1").await, [60, 120].map(Some));
    assert_eq!(
        all("SELECT since FROM region_states UNION ALL SELECT last_at FROM region_states").await,
        [10, 145].map(Some)
    );
    let incident = "SELECT unnest(ARRAY[started_at, confirmed_at, resolved_at]) FROM incidents";
    assert_eq!(all(incident).await, [98, 110, 130].map(Some));
    let remembered =
        "SELECT (data->>'since')::bigint FROM states UNION ALL SELECT (data->'list'->>0)::bigint FROM states
                      UNION ALL SELECT (data->'list'->>1)::bigint FROM states UNION ALL SELECT due_at FROM states";
    assert_eq!(all(remembered).await, [115, 30, 140, 200].map(Some));
    assert_eq!(all("SELECT last_alive_at FROM instance").await, [Some(148)]);
    assert_eq!(
        all("SELECT asked_at FROM manual_checks").await,
        [Some(60)],
        "nobody waits for a check of that time any more"
    );
    assert_eq!(step_back(&database, DAY, at(250)).await, 0, "nothing lies ahead any more");
}

/// What the monitor was by its spans, in seconds: up, down, unknown; with the wall time.
async fn sums(database: &TestDatabase, until: i64) -> (i64, i64, i64, i64) {
    let mut worker = database.pools.worker().await.unwrap();
    let rows = spans::range(&mut worker, MonitorKey(1), at(0), at(until)).await.unwrap();
    let read = |(start, verdict): (i64, String)| Span {
        start: Timestamp::from_micros(start),
        verdict: serde_json::from_value::<Verdict>(verdict.into()).unwrap(),
    };
    let sums = uptime::of_monitor(&rows.into_iter().map(read).collect::<Vec<_>>(), at(0), at(until));
    assert_eq!(sums.total_us(), until * 1_000_000);
    let s = 1_000_000;
    (sums.up_us / s, sums.down_us / s, sums.unknown_us / s, until)
}

#[tokio::test]
async fn a_leap_is_unknown_and_gone_again_when_it_is_taken_back_and_sums_are_exact_throughout() {
    let database = world(
        "INSERT INTO spans (org_id, monitor_id, from_at, verdict, noted_at)
             VALUES (1, 1, @0, 'pending', @0), (1, 1, @10, 'up', @12), (1, 1, @40, 'down', @44), (1, 1, @60, 'up', @64);
         INSERT INTO probe_status (probe_id, boot, version, kinds, hello_at, seen_at, batch_at, through, clock_offset_us)
             VALUES (1, gen_random_uuid(), '', '{}', @0, @98, @98, @97, 0)",
    )
    .await;
    assert_eq!(sums(&database, 100).await, (70, 20, 10, 100));
    let mut worker = database.pools.worker().await.unwrap();
    clock::set_forward(&mut worker, at(100), at(DAY + 100), at(55)).await.unwrap();
    clock::note_step(&mut worker, DAY * 1_000_000, at(DAY + 100)).await.unwrap();
    spans::append(&mut worker, picket_collector::store::OrgKey(1), MonitorKey(1), at(DAY + 120), "down", at(DAY + 124))
        .await
        .unwrap();
    worker.commit().await.unwrap();
    assert_eq!(sums(&database, DAY + 150).await, (90, 50, 10 + DAY, DAY + 150));
    assert_eq!(column(&database, "SELECT seen_at FROM probe_status").await, [Some(DAY + 98)]);
    let offset = query_scalar::<_, i64>("SELECT clock_offset_us FROM probe_status");
    assert_eq!(offset.fetch_one(&mut database.login("postgres").await).await.unwrap(), -DAY * 1_000_000);

    step_back(&database, DAY, at(150)).await;
    assert_eq!(sums(&database, 150).await, (90, 50, 10, 150), "as if the clock had never been wrong");
    // More than it had leapt: no span begins before the one before it.
    step_back(&database, 100, at(110)).await;
    assert_eq!(sums(&database, 110).await.3, 110);
    let starts = column(&database, "SELECT from_at FROM spans ORDER BY id").await;
    assert!(starts.is_sorted(), "{starts:?}");
}

#[tokio::test]
async fn nothing_is_deleted_for_its_age_while_the_clock_is_in_doubt() {
    let settings = Retention::default();
    let old = "INSERT INTO changes (org_id, monitor_id, region_id, at, received_at, version, trigger, status, fails, oks, self_check)
                   VALUES (1, 1, 1, @0, @0, 1, 's', 'up', 0, 1, 'good')";
    let year = Duration::from_secs(400 * 86_400);
    let days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'results'::regclass";
    let count = async |database: &TestDatabase| {
        let mut conn = database.login("postgres").await;
        (
            query_scalar::<_, i64>(days).fetch_one(&mut conn).await.unwrap(),
            query_scalar::<_, i64>("SELECT count(*) FROM changes").fetch_one(&mut conn).await.unwrap(),
        )
    };

    // It leapt a year ahead: a day is given to see whether that is right.
    let database = world(old).await;
    let leapt = at(0) + year;
    let mut worker = database.pools.worker().await.unwrap();
    clock::let_retention_wait(&mut worker, leapt + Duration::from_secs(86_400)).await.unwrap();
    worker.commit().await.unwrap();
    let report = retention::run(&database.pools, &settings, leapt).await.unwrap();
    assert!(report.waits && report.dropped == 0 && report.deleted == 0 && report.made > 0, "{report:?}");
    assert_eq!(count(&database).await.1, 1);
    let report = retention::run(&database.pools, &settings, leapt + Duration::from_secs(86_401)).await.unwrap();
    assert!(!report.waits && report.dropped >= 5, "{report:?}");
    assert_eq!(count(&database).await.1, 0);

    // It has been a year ahead for long, and a probe has a right clock.
    let witness = format!(
        "{old}; INSERT INTO probe_status (probe_id, boot, version, kinds, hello_at, seen_at, batch_at, through, clock_offset_us)
             VALUES (1, gen_random_uuid(), '', '{{}}', 0, 0, {}, 0, {})",
        leapt.micros(),
        -i64::try_from(year.as_micros()).unwrap()
    );
    let database = world(&witness).await;
    let report = retention::run(&database.pools, &settings, leapt).await.unwrap();
    assert!(report.waits && report.dropped == 0, "{report:?}");
    assert_eq!(count(&database).await.1, 1);
}
