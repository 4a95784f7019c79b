//! Lists, page by page.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

/// Every item of a list, read in pages of this size; none may come twice.
async fn all(program: &Program<'_>, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = program.get(&format!("{path}{sign}limit={limit}{after}")).await;
        let found = page.json["items"].as_array().unwrap_or_else(|| panic!("{}", page.json)).clone();
        assert!(found.len() <= limit);
        items.extend(found);
        match page.at("/next").as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn monitors_come_page_by_page_and_can_be_narrowed() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let monitors: Vec<Value> = (0..25)
        .map(|n| {
            json!({ "external_key": format!("k{n}"), "tags": if n < 3 { vec!["few"] } else { vec![] },
            "spec": if n % 2 == 0 { json!({ "kind": "dns", "name": format!("{n}.example") }) }
                else { json!({ "kind": "tcp", "host": format!("{n}.example"), "port": 1 }) } })
        })
        .collect();
    program.put("/monitors", json!({ "monitors": monitors })).await;
    for limit in [1, 10, 25, 26] {
        let found = all(&program, "/monitors", limit).await;
        let mut ids: Vec<&str> = found.iter().map(|monitor| monitor["id"].as_str().unwrap()).collect();
        assert!(ids.is_sorted() && ids.len() == 25, "{limit}");
        ids.dedup();
        assert_eq!(ids.len(), 25);
    }
    assert_eq!(all(&program, "/monitors?tag=few", 2).await.len(), 3);
    assert_eq!(all(&program, "/monitors?tag=few&kind=tcp", 2).await.len(), 1);
    assert_eq!(all(&program, "/monitors?state=paused", 2).await.len(), 0);
    assert_eq!(all(&program, "/monitors?state=pending", 20).await.len(), 25);
    for (query, fields) in
        [("page=2", vec!["page"]), ("limit=0&kind=ping", vec!["limit", "kind"]), ("after=x", vec!["after"])]
    {
        assert_eq!(
            program.get(&format!("/monitors?{query}")).await.problem(),
            (400, "invalid-query", fields),
            "{query}"
        );
    }
}

/// A monitor with outcomes of two regions every minute of an hour, each with a confirm check at the same time.
async fn with_results(world: &World, program: &Program<'_>) -> String {
    let body = json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    let id = program.post("/monitors", body).await.text("/monitor/id").to_owned();
    let now = world.clock.now().micros();
    let day = now / 86_400_000_000;
    world
        .sql(&format!(
            "SELECT ensure_partition('results', {day}); SELECT ensure_partition('results', {day} - 1);
             INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES (gen_random_uuid(), 1, 'p', '', 0);
             INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check, late_us, total_us, failure, detail, wait_us)
                 SELECT 1, m.id, r.id, 1, {now} - n * 60000000::bigint, {now}, 1, t::\"char\", CASE WHEN n = 3 THEN 'd' ELSE 'u' END::\"char\", 'g', 0, 1000,
                    CASE WHEN n = 3 THEN 'timeout' END, CASE WHEN n = 3 THEN '{{\"message\": \"too slow\"}}'::jsonb END, 900
                 FROM monitors m, regions r, generate_series(1, 20) n, unnest('{{s,c}}'::text[]) t;
             -- Sent twice: readers keep the first.
             INSERT INTO results (org_id, monitor_id, region_id, probe_id, at, received_at, version, trigger, status, self_check, late_us, total_us)
                 SELECT org_id, monitor_id, region_id, probe_id, at, received_at + 1, version, trigger, 'n', self_check, late_us, total_us FROM results"
        ))
        .await;
    id
}

#[tokio::test]
async fn outcomes_come_in_order_of_time_each_once() {
    let world = World::new().await;
    let program = Program::of(&world, "viewer").await;
    let editor = Program::of(&world, "editor").await;
    let id = with_results(&world, &editor).await;
    let path = format!("/monitors/{id}/results");
    let whole = all(&program, &path, 500).await;
    assert_eq!(whole.len(), 80);
    for limit in [1, 3, 7] {
        assert_eq!(all(&program, &path, limit).await, whole, "{limit}");
    }
    let times: Vec<&str> = whole.iter().map(|result| result["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let down: Vec<&Value> = whole.iter().filter(|result| result["status"] == "down").collect();
    assert_eq!(down.len(), 4);
    assert_eq!(down[0]["failure"], json!({ "kind": "timeout", "message": "too slow", "evidence": {} }));
    assert_eq!(down[0]["phases"], json!({ "wait": 900 }));
    assert!(whole.iter().all(|result| result["status"] != "unmeasured"));
    let (from, to) = (times[8].replace(":", "%3A"), times[16].replace(":", "%3A"));
    let part = all(&program, &format!("{path}?from={from}&to={to}"), 3).await;
    assert_eq!(part, whole[8..16], "from is included, to is not");
    for bad in [
        "from=yesterday",
        "after=1.2.3",
        "from=2020-01-01T00:00:00Z",
        "from=2026-11-01T00:00:00Z&to=2026-10-01T00:00:00Z",
    ] {
        assert_eq!(program.get(&format!("{path}?{bad}")).await.problem().1, "invalid-query", "{bad}");
    }
}

#[tokio::test]
async fn incidents_come_newest_first_and_one_with_its_timeline() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let program = Program::of(&world, "viewer").await;
    let body = json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    let monitor = editor.post("/monitors", body).await.text("/monitor/id").to_owned();
    world
        .sql(
            "INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, resolved_at, resolution, failure, message, detail)
                 SELECT ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 1, m.id, n * 1000000, n * 1000000 + 5,
                    CASE WHEN n < 7 THEN n * 1000000 + 9 END, CASE WHEN n < 7 THEN 'recovered' END, 'timeout', 'too slow', '{\"votes\": {}}'
                 FROM monitors m, generate_series(1, 7) n;
             INSERT INTO incident_events (org_id, incident_id, at, event, detail) SELECT 1, id, started_at, 'opened', '{}' FROM incidents WHERE resolved_at IS NULL;
             INSERT INTO incident_events (org_id, incident_id, at, event, detail) SELECT 1, id, started_at + 1, 'noted', '{\"a\": 1}' FROM incidents WHERE resolved_at IS NULL",
        )
        .await;
    let found = all(&program, "/incidents", 2).await;
    let last: Vec<&str> = found.iter().map(|incident| &incident["id"].as_str().unwrap()[35..]).collect();
    assert_eq!(last, ["7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(found[0]["monitor"], json!({ "id": monitor, "name": "shop" }));
    assert_eq!(all(&program, "/incidents?state=open", 2).await.len(), 1);
    assert_eq!(all(&program, &format!("/incidents?state=resolved&monitor={monitor}"), 4).await.len(), 6);
    let one = program.get("/incidents/01900000-0000-7000-8000-000000000007").await;
    assert_eq!((one.text("/state"), one.at("/resolved_at")), ("open", &Value::Null));
    assert_eq!(
        one.at("/events/1"),
        &json!({ "at": "1970-01-01T00:00:07.000001Z", "event": "noted", "by": null, "to": null, "text": null, "detail": { "a": 1 } })
    );
}

#[tokio::test]
async fn the_audit_log_comes_newest_first_and_is_of_the_own_organization() {
    let world = World::new().await;
    let program = Program::of(&world, "admin").await;
    let body = json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 1 } });
    Program::of(&world, "editor").await.post("/monitors", body).await;
    world
        .sql(
            "INSERT INTO audit (org_id, at, actor, action, subject) SELECT 1, n, 'command:x', 'thing.' || n, '' FROM generate_series(1, 7) n;
             INSERT INTO audit (org_id, at, actor, action, subject) VALUES (2, 0, 'canary', 'thing.8', ''), (NULL, 0, 'canary', 'thing.9', '')",
        )
        .await;
    let found = all(&program, "/audit", 2).await;
    let numbers: Vec<i64> = found.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=10).rev().collect::<Vec<_>>());
    assert!(found.iter().all(|entry| entry["actor"] != "canary"));
    let made = all(&program, "/audit?action=monitor.", 2).await;
    assert_eq!((made.len(), &made[0]["action"], &made[0]["origin"]), (1, &json!("monitor.add"), &json!("127.0.0.1")));
    let actor = made[0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("key:") && actor.ends_with(" user:editor@example.org"), "{actor}");
    assert_eq!(all(&program, "/audit?actor=COMMAND&to=1970-01-01T00:00:00.000003Z", 1).await.len(), 2);
    assert_eq!(program.get("/audit?after=x").await.problem().1, "invalid-query");
    world.sql("UPDATE audit SET salt = NULL, actor = NULL, subject = NULL, detail = NULL, origin = NULL").await;
    assert_eq!(all(&program, "/audit", 3).await[0]["actor"], Value::Null);
}
