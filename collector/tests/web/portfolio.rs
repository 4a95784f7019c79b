//! What a managing organization sees of those that it manages: a row each, and no table of theirs.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::domain::access::Right;
use picket_collector::store::summaries::{self, Report};
use picket_collector::store::{Conn, OrgKey};
use serde_json::{Value, json};

use crate::common::{Answer, Browser, World};
use crate::managements::managed;

/// Counts, as the worker does every ten seconds.
async fn count(world: &World) -> Report {
    let mut worker = world.pools().worker().await.unwrap();
    let report = summaries::refresh(&mut worker, world.clock.now()).await.unwrap();
    worker.commit().await.unwrap();
    report
}

/// A monitor of an organization, in a state since the start.
async fn monitor(world: &World, org: u8, name: &str, state: &str) {
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "WITH m AS (INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
                 VALUES (gen_random_uuid(), {org}, '{name}', 'tcp', 'secret.example:1', '{{}}', 60, 1000, 1, 0, 0) RETURNING id)
             INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT {org}, id, '{state}', {now}, '{{}}', false FROM m"
        ))
        .await;
}

/// The items of the API's page.
async fn items(world: &World, key: &str, query: &str) -> (Vec<Value>, Value) {
    let request = Request::builder().uri(format!("/api/v1/portfolio{query}")).header(header::HOST, "localhost:8080");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    let answer: Answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let page: Value = serde_json::from_str(&answer.text).unwrap();
    (page["items"].as_array().unwrap().clone(), page["next"].clone())
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["organization"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_managed_organization_is_a_row_that_says_how_it_is() {
    let world = World::new().await;
    managed(&world, "editor").await;
    for (name, state) in [("a", "up"), ("b", "up"), ("c", "down"), ("d", "unknown"), ("e", "up")] {
        monitor(&world, 2, name, state).await;
    }
    let start = world.clock.now().micros();
    world
        .sql(&format!(
            "UPDATE monitors SET paused_at = 1 WHERE name = 'e';
             INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                 SELECT gen_random_uuid(), 2, id, {start} - 7200000000, {start}, 'tcp_refused', 'their trouble', '{{}}' FROM monitors WHERE name = 'c'"
        ))
        .await;
    let key = world.key("viewer", &[Right::PortfolioRead], &[]).await;
    assert_eq!(items(&world, &key, "").await.0, Vec::<Value>::new(), "it is counted first");
    assert_eq!(count(&world).await, Report { written: 2, removed: 0 });
    let (found, next) = items(&world, &key, "").await;
    assert_eq!((found.len(), &next), (1, &Value::Null));
    let item = &found[0];
    assert_eq!(item["organization"]["name"], "other");
    assert_eq!(item["most"], "editor");
    assert_eq!(
        item["monitors"],
        json!({ "down": 1, "recovering": 0, "suspect": 0, "unknown": 1, "pending": 0, "up": 2, "paused": 1 })
    );
    assert_eq!((&item["open_incidents"], &item["untold_monitors"]), (&json!(1), &json!(4)));
    assert_eq!(item["failing_since"], "2026-09-21T12:13:20.000000Z");
    assert_eq!(item["changed_at"], item["updated_at"]);
    // One who proved to be wanted is told, but of nothing that is muted.
    world
        .sql(
            "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by)
                 VALUES (gen_random_uuid(), 2, 'mail', 'email', 't***@example.org', 'x', 0, 1, 'code');
             UPDATE monitors SET muted_at = 1 WHERE name = 'a'",
        )
        .await;
    count(&world).await;
    assert_eq!(items(&world, &key, "").await.0[0]["untold_monitors"], 1);
    let mut viewer = Browser::of(&world, "viewer").await;
    let page = viewer.get("/portfolio").await;
    for shown in ["other", "1 Down", "2 Up", "1 of which nobody is told", "2 h"] {
        page.shows(shown);
    }
    for hidden in ["secret.example", "their trouble", "/leave\""] {
        page.hides(hidden);
    }
    // The way there, and what one is there.
    let other = world.one("SELECT uuid FROM organizations WHERE id = 2").await;
    assert_eq!(viewer.post(&format!("/organizations/{other}/choose"), &[]).await.to(), "/");
    viewer.get("/").await.shows("You act in other through acme");
}

#[tokio::test]
async fn the_portfolio_reads_no_table_in_which_tenants_keep_something() {
    let world = World::new().await;
    managed(&world, "editor").await;
    monitor(&world, 2, "shop", "down").await;
    count(&world).await;
    let key = world.key("viewer", &[Right::PortfolioRead], &[]).await;
    let mut viewer = Browser::of(&world, "viewer").await;
    assert_eq!(viewer.get("/").await.status, StatusCode::OK);
    // What lets somebody in goes on being read, and the two tables of the portfolio; of all the rest of tenants nobody may read.
    let closed = "SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname) FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN ('organization_summaries', 'managements', 'memberships', 'api_keys')";
    let closed = world.one(closed).await;
    for table in ["monitors", "states", "incidents", "results", "channels", "deliveries", "audit", "spans"] {
        assert!(closed.split(", ").any(|found| found == table), "{table} is not among {closed}");
    }
    world.sql(&format!("REVOKE ALL ON {closed} FROM picket_app, picket_auth, picket_reader, picket_worker")).await;
    assert_eq!(viewer.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE, "the list of monitors reads monitors");
    viewer.get("/portfolio").await.shows("1 Down");
    let (found, _) = items(&world, &key, "").await;
    assert_eq!(found[0]["monitors"]["down"], 1);
}

#[tokio::test]
async fn only_what_is_managed_now_is_seen() {
    let world = World::new().await;
    world.sql("INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'stranger', 0)").await;
    managed(&world, "editor").await;
    count(&world).await;
    let key = world.key("viewer", &[Right::PortfolioRead], &[]).await;
    assert_eq!(names(&items(&world, &key, "").await.0), ["other"]);
    // The rows, asked for past all code of ours.
    let seen = async |org: i64| {
        let mut scoped = world.pools().scoped(OrgKey(org)).await.unwrap();
        let query = "SELECT coalesce(string_agg(name, ' ' ORDER BY org_id), '') FROM organization_summaries";
        sqlx::query_scalar::<_, String>(query).fetch_one(scoped.conn()).await.unwrap()
    };
    assert_eq!((seen(1).await, seen(2).await, seen(3).await), ("acme other".into(), "other".into(), "stranger".into()));
    let now = world.clock.now().micros();
    for (ends, again) in [
        (
            "UPDATE managements SET accepted_at = NULL, accepted_by = NULL".to_owned(),
            "UPDATE managements SET accepted_at = 1, accepted_by = 'x'",
        ),
        (
            "UPDATE managements SET ended_at = 1, ended_by = 'x', ended_why = 'left'".to_owned(),
            "UPDATE managements SET ended_at = NULL, ended_by = NULL, ended_why = NULL",
        ),
    ] {
        world.sql(&ends).await;
        assert_eq!(items(&world, &key, "").await.0, Vec::<Value>::new(), "{ends}");
        assert_eq!(seen(1).await, "acme", "{ends}");
        world.sql(again).await;
        assert_eq!(names(&items(&world, &key, "").await.0), ["other"]);
    }
    world.sql(&format!("UPDATE managements SET until_at = {now} + 60000000")).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(items(&world, &key, "").await.0, Vec::<Value>::new());
    Browser::of(&world, "viewer").await.get("/portfolio").await.hides("Managed organizations");
}

#[tokio::test]
async fn many_come_page_by_page_what_needs_attention_first() {
    let world = World::new().await;
    world
        .sql(
            "INSERT INTO organizations (uuid, name, created_at) SELECT ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'org ' || lpad(n::text, 3, '0'), 0 FROM generate_series(1, 120) n;
             INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at, accepted_by, accepted_at)
                 SELECT gen_random_uuid(), id, 1, 'viewer', 'x', 0, 'x', 1 FROM organizations WHERE name LIKE 'org %'",
        )
        .await;
    monitor(&world, 100, "shop", "down").await;
    monitor(&world, 90, "shop", "unknown").await;
    count(&world).await;
    let mut viewer = Browser::of(&world, "viewer").await;
    let (mut shown, mut path) = (Vec::new(), "/portfolio".to_owned());
    loop {
        let page = viewer.get(&path).await.text;
        shown.extend(page.split("Go to org ").skip(1).map(|rest| rest[..3].to_owned()));
        let Some(next) = page.split("href=\"/portfolio?").nth(1) else { break };
        path = format!("/portfolio?{}", next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"));
    }
    assert_eq!(shown.len(), 120);
    assert_eq!(shown[..3], ["098", "088", "001"]);
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 120, "none comes twice");
    let key = world.key("viewer", &[Right::PortfolioRead], &[]).await;
    let (first, next) = items(&world, &key, "?limit=100").await;
    let (second, last) = items(&world, &key, &format!("?limit=100&after={}", next.as_str().unwrap())).await;
    assert_eq!((first.len(), second.len(), last), (100, 20, Value::Null));
    assert_eq!((names(&first)[0], names(&second)[19]), ("org 001", "org 120"));
}

#[tokio::test]
async fn a_row_is_written_when_something_changed_or_a_minute_passed_and_goes_with_its_organization() {
    let world = World::new().await;
    monitor(&world, 2, "shop", "up").await;
    assert_eq!(count(&world).await.written, 2);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(count(&world).await.written, 0);
    world.sql("UPDATE states SET state = 'down'").await;
    assert_eq!(count(&world).await.written, 1);
    world.clock.advance(Duration::from_secs(50));
    assert_eq!(count(&world).await.written, 1, "that of the other, a minute old");
    world.sql("UPDATE organizations SET deleted_at = 1 WHERE id = 2").await;
    assert_eq!(count(&world).await, Report { written: 0, removed: 1 });
    assert_eq!(world.one("SELECT string_agg(name, ' ') FROM organization_summaries").await, "acme");
}
