//! The audit log in a browser: with filters, in pages, as a file; of one's own organization, for those who answer for it.

use axum::http::StatusCode;
use serde_json::Value;

use crate::common::World;

#[tokio::test]
async fn who_did_what_from_where_is_shown_and_filtered() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/monitors/new").await;
    let path = browser.post("/monitors/new", &[("kind", "http"), ("target", "https://example.org/hook/canary")]).await;
    let path = path.to().split('?').next().unwrap().to_owned();
    browser.get(&format!("{path}/edit")).await;
    let version = world.one("SELECT version FROM monitors").await;
    let fields = [
        ("kind", "http"),
        ("target", "https://example.com/hook/canary2"),
        ("name", "shop"),
        ("every", "5m"),
        ("timeout", "10s"),
        ("version", &version),
        ("region", "eu-1"),
        ("region", "us-1"),
        ("method", "GET"),
    ];
    let answer = browser.post(&format!("{path}/edit"), &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let shown = browser.get("/audit").await;
    assert_eq!(shown.status, StatusCode::OK);
    for what in [
        "monitor.edit",
        "user:ada@example.org",
        "from 127.0.0.1",
        "https://example.org → https://example.com",
        "60 → 300",
        "user.set_up",
    ] {
        shown.shows(what);
    }
    shown.shows("href=\"/audit\" aria-current=\"page\"");
    shown.hides("canary");
    let shown = browser.get("/audit?action=monitor.add&actor=ADA&from=2026-09-01&to=2026-09-30").await;
    shown.shows("<td class=\"tight\">monitor.add</td>");
    shown.hides("<td class=\"tight\">monitor.edit</td>");
    shown.shows("/audit/export?action=monitor.add&#38;actor=ADA&#38;from=2026-09-01&#38;to=2026-09-30");
    browser.get("/audit?actor=%3Cscript%3E").await.shows("There is no such entry");
    browser.get("/audit?to=2026-09-01").await.shows("There is no such entry");
    browser.get("/audit?from=yesterday").await.shows("Write a day as");
    assert_eq!(browser.get("/audit/export?from=yesterday").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn many_entries_come_page_by_page_and_as_one_file() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world
        .sql(
            "INSERT INTO audit (org_id, at, actor, action, subject)
             SELECT 1, 1790000000000000 + n, 'command:x', 'thing.' || n, '' FROM generate_series(1, 2400) n",
        )
        .await;
    let mut seen = 0;
    let mut next = "/audit?actor=command".to_owned();
    for page in 0..4 {
        let shown = browser.get(&next).await;
        let newest = 2400 - page * 50;
        shown.shows(&format!("<td class=\"tight\">thing.{newest}</td>"));
        shown.hides(&format!("<td class=\"tight\">thing.{}</td>", newest - 50));
        seen += shown.text.matches("<td class=\"tight\">thing.").count();
        let link = shown.text.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
        next = link.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    assert_eq!(seen, 200);
    let file = browser.get("/audit/export?actor=command").await;
    assert_eq!(file.header("content-type"), "application/x-ndjson");
    assert!(file.header("content-disposition").starts_with("attachment"));
    let lines: Vec<Value> = file.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2400);
    assert_eq!((lines[0]["action"].as_str(), lines[2399]["action"].as_str()), (Some("thing.1"), Some("thing.2400")));
    assert_eq!(lines[0]["organization"], world.one("SELECT uuid FROM organizations WHERE id = 1").await);
    assert_eq!(lines[0]["at"], "2026-09-21T14:13:20.000001Z");
    assert!(lines.iter().all(|line| line["link"].as_str().unwrap().len() == 64));
    let taken = world
        .one("SELECT detail->>'actor' || ' ' || actor || ' ' || origin FROM audit WHERE action = 'audit.export'")
        .await;
    assert_eq!(taken, "command user:ada@example.org 127.0.0.1");
}

#[tokio::test]
async fn nobody_sees_the_log_of_another_organization_and_not_everybody_that_of_their_own() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world
        .sql("INSERT INTO audit (org_id, at, actor, action, subject, detail) VALUES (2, 0, 'a', 'b', 'canary', '{}'), (NULL, 0, 'a', 'b', 'canary', '{}')")
        .await;
    browser.get("/").await.shows("href=\"/audit\"");
    browser.get("/audit").await.hides("canary");
    browser.get("/audit/export").await.hides("canary");
    for role in ["editor", "responder", "viewer"] {
        world.sql(&format!("UPDATE memberships SET role = '{role}'")).await;
        for path in ["/audit", "/audit/export"] {
            assert_eq!(browser.get(path).await.status, StatusCode::FORBIDDEN, "{role} {path}");
        }
        browser.get("/").await.hides("href=\"/audit\"");
    }
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'audit.export'").await, "1");
}

#[tokio::test]
async fn an_erased_entry_shows_that_it_was() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    world.sql("UPDATE audit SET salt = NULL, actor = NULL, subject = NULL, detail = NULL, origin = NULL").await;
    let shown = browser.get("/audit").await;
    shown.shows("user.set_up");
    shown.shows("erased");
    let file = browser.get("/audit/export").await;
    let first: Value = serde_json::from_str(file.text.lines().next().unwrap()).unwrap();
    assert!(first["actor"].is_null() && first["salt"].is_null() && first["commitment"].is_string(), "{first}");
}

#[tokio::test]
async fn probes_and_regions_that_a_user_adds_and_revokes_are_in_the_log_of_the_user() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/probes/new").await;
    let fields =
        [("region", "eu-9"), ("network", "nine"), ("eu", "on"), ("name", "nine"), ("url", "https://picket.example")];
    let answer = browser.post("/probes/new", &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let token = answer.text.split("PICKET_TOKEN=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let id = world.one("SELECT uuid FROM probes").await;
    browser.get("/probes").await;
    assert_eq!(browser.post(&format!("/probes/{id}/revoke"), &[]).await.status, StatusCode::SEE_OTHER);
    let said = "SELECT string_agg(action || ' ' || subject, '; ' ORDER BY seq) FROM audit
                WHERE org_id = 1 AND actor = 'user:ada@example.org' AND origin = '127.0.0.1' AND action !~ '^user'";
    assert_eq!(world.one(said).await, format!("region.add eu-9; probe.add {id}; probe.revoke {id}"));
    assert_eq!(world.one(&format!("SELECT count(*) FROM audit a WHERE a::text LIKE '%{token}%'")).await, "0");
    // Once is enough.
    browser.get("/probes").await;
    browser.post(&format!("/probes/{id}/revoke"), &[]).await;
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'probe.revoke'").await, "1");
}
