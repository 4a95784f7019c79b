//! Monitors made, read, changed and deleted one by one.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

fn shop() -> Value {
    json!({ "name": "shop", "spec": { "kind": "http", "url": "https://shop.example" } })
}

#[tokio::test]
async fn a_monitor_is_made_read_changed_paused_and_deleted() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let made = program.post("/monitors", shop()).await;
    assert_eq!((made.status, made.text("/action")), (201, "created"));
    let id = made.text("/monitor/id").to_owned();
    assert_eq!(made.answer.header("location"), format!("/api/v1/monitors/{id}"));
    let read = program.get(&format!("/monitors/{id}")).await;
    assert_eq!(read.at(""), made.at("/monitor"));
    assert_eq!(read.at("/spec"), &json!({ "kind": "http", "url": "https://shop.example/" }));
    assert_eq!((read.at("/interval_s"), read.at("/timeout_ms")), (&json!(60), &json!(10_000)));
    assert_eq!((read.at("/regions"), read.at("/muted_since")), (&json!(["eu-1", "us-1"]), &Value::Null));
    assert_eq!((read.text("/state"), read.at("/version")), ("pending", &json!(1)));

    let path = format!("/monitors/{id}");
    let changed = program.patch(&path, json!({ "interval_s": 30, "tags": ["a"], "regions": ["eu-1"] })).await;
    let fields: Vec<&str> =
        changed.json["changes"].as_array().unwrap().iter().map(|c| c["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["interval_s", "regions", "tags"]);
    assert_eq!(changed.json["changes"][0], json!({ "field": "interval_s", "from": 60, "to": 30 }));
    assert_eq!((changed.at("/monitor/version"), changed.at("/monitor/name")), (&json!(2), &json!("shop")));
    assert_eq!(program.patch(&path, json!({ "interval_s": 30 })).await.text("/action"), "unchanged");

    assert_eq!(program.send("POST", &format!("{path}/pause"), None).await.at("/paused"), &json!(true));
    assert_eq!(program.patch(&path, json!({ "timeout_ms": 500 })).await.at("/monitor/state"), &json!("paused"));
    assert_eq!(program.send("POST", &format!("{path}/resume"), None).await.at("/paused"), &json!(false));
    assert_eq!(program.delete(&path).await.status, 204);
    assert_eq!(program.get(&path).await.problem(), (404, "not-found", vec![]));
    assert_eq!(program.delete(&path).await.status, 404);
    let actions =
        world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'monitor.%'").await;
    assert_eq!(actions, "monitor.add monitor.edit monitor.pause monitor.edit monitor.resume monitor.delete");
    let actor = format!("key:{} user:editor@example.org", &program.key[9..17]);
    assert_eq!(world.one("SELECT DISTINCT actor FROM audit WHERE action LIKE 'monitor.%'").await, actor);
}

#[tokio::test]
async fn what_cannot_be_is_named_field_by_field_and_nothing_is_written() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    program.post("/monitors", shop()).await;
    let tcp = |more: Value| {
        let mut body = json!({ "spec": { "kind": "tcp", "host": "a.example", "port": 25 } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, fields) in [
        (json!({}), vec!["spec"]),
        (tcp(json!({ "intervall_s": 5, "tag": "x" })), vec!["intervall_s", "tag"]),
        (json!({ "spec": { "kind": "tcp", "host": "a", "port": 1, "timeout": 3 } }), vec!["spec.timeout"]),
        (json!({ "spec": { "kind": "http", "url": "ftp://a.example/" } }), vec!["spec.url"]),
        (json!({ "spec": { "kind": "http", "url": "https://u:p@a.example/" } }), vec!["spec.url"]),
        (
            json!({ "spec": { "kind": "http", "url": "https://a.example/", "headers": [["Authorization", "x"]] } }),
            vec!["spec.headers"],
        ),
        (
            json!({ "spec": { "kind": "http", "url": "https://a.example/", "headers": [["Proxy-Authorization", "x"]] } }),
            vec!["spec.headers"],
        ),
        (json!({ "spec": { "kind": "http", "url": "https://a.example/", "accept_status": ["2xx"] } }), vec!["spec"]),
        (
            json!({ "spec": { "kind": "http", "url": "https://a.example/", "auth": { "scheme": "basic", "user": "a:b", "password": "" } } }),
            vec!["spec.auth"],
        ),
        (tcp(json!({ "interval_s": 5, "timeout_ms": 5000 })), vec!["timeout_ms"]),
        (tcp(json!({ "regions": ["eu-1", "mars"] })), vec!["regions[1]"]),
        (tcp(json!({ "regions": ["us-1"], "eu_only": true })), vec!["regions[0]"]),
        (tcp(json!({ "tags": ["a\nb"], "name": "a\nb" })), vec!["name", "tags[0]"]),
        (tcp(json!({ "owner": "a\nb", "runbook_url": "ftp://a.example/" })), vec!["owner", "runbook_url"]),
        (tcp(json!({ "severity": "dreadful" })), vec!["severity"]),
        (tcp(json!({ "name": "shop" })), vec!["name"]),
        (tcp(json!({ "id": "x", "state": "up" })), vec!["id", "state"]),
    ] {
        let mut answer = program.post("/monitors", body.clone()).await;
        answer.json["errors"].as_array_mut().unwrap().sort_by_key(|error| error["field"].to_string());
        assert_eq!(answer.problem(), (422, "invalid-body", fields), "{body}");
    }
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "1");
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    use axum::body::Body;
    use axum::http::{Request, header};
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let send = |kind: &'static str, body: String| {
        let request = Request::builder().method("POST").uri("/api/v1/monitors").header(header::HOST, "localhost:8080");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", program.key));
        program.call(request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap())
    };
    assert_eq!(send("text/plain", "{}".to_owned()).await.problem().1, "not-announced-as-json");
    assert_eq!(send("application/json", "{".to_owned()).await.problem().1, "not-json");
    assert_eq!(send("application/json", "{\"name\": \"a\\u0000b\"}".to_owned()).await.problem().1, "not-json");
    assert_eq!(send("application/json", " ".repeat(300 * 1024)).await.problem().1, "too-large");
    assert_eq!(send("application/json; charset=utf-8", "[]".to_owned()).await.problem().1, "invalid-body");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let dry = program.post("/monitors?dry_run=true", shop()).await;
    assert_eq!((dry.status, dry.text("/action"), dry.at("/monitor")), (200, "created", &Value::Null));
    assert!(dry.json["changes"].as_array().unwrap().iter().any(|c| c["field"] == "spec.url" && c["from"].is_null()));
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "0");
    let id = program.post("/monitors", shop()).await.text("/monitor/id").to_owned();
    let before = world.one("SELECT to_jsonb(m)::text FROM monitors m").await;
    let dry = program.patch(&format!("/monitors/{id}?dry_run=true"), json!({ "name": "store" })).await;
    assert_eq!((dry.text("/action"), dry.text("/monitor/name")), ("changed", "shop"));
    assert_eq!(dry.at("/changes"), &json!([{ "field": "name", "from": "shop", "to": "store" }]));
    assert_eq!(world.one("SELECT to_jsonb(m)::text FROM monitors m").await, before);
}

#[tokio::test]
async fn credentials_are_sealed_stay_with_their_origin_and_are_never_shown() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let with = |password: &str, url: &str| {
        json!({ "name": "shop", "spec": { "kind": "http", "url": url,
        "auth": { "scheme": "basic", "user": "bot", "password": password } } })
    };
    let url = "https://shop.example/a";
    let put = |body: Value| program.put("/monitors/by-key/shop", body);
    let made = put(with("canary-1", url)).await;
    assert_eq!((made.status, made.at("/monitor/holds_credentials")), (201, &json!(true)));
    assert_eq!(made.at("/monitor/eu_only"), &json!(true), "they stay in the EU unless somebody says otherwise");
    assert_eq!(made.at("/monitor/regions"), &json!(["eu-1"]));
    let sealed = || world.one("SELECT sealed_secret FROM monitors");
    let first = sealed().await;
    assert_eq!(put(with("canary-1", url)).await.text("/action"), "unchanged");
    let kept = put(json!({ "name": "shop", "spec": { "kind": "http", "url": "https://shop.example/b" } })).await;
    assert_eq!((kept.text("/action"), sealed().await), ("changed", first.clone()));
    let other = put(with("canary-2", "https://shop.example/b")).await;
    assert_eq!(other.at("/changes"), &json!([{ "field": "spec.auth", "from": "***", "to": "***" }]));
    assert_ne!(sealed().await, first);
    // Whoever may write monitors could else have them sent to a server of their own.
    let moved = put(json!({ "name": "shop", "spec": { "kind": "http", "url": "https://evil.example/" } })).await;
    assert_eq!(moved.problem(), (422, "invalid-body", vec!["spec.auth"]));
    let trusting = json!({ "kind": "http", "url": "https://shop.example/b", "verify": "off" });
    let posed = put(json!({ "name": "shop", "spec": trusting })).await;
    assert_eq!(posed.problem(), (422, "invalid-body", vec!["spec.auth"]), "anybody could pose as the shop");
    let gone =
        put(json!({ "name": "shop", "spec": { "kind": "http", "url": "https://evil.example/", "auth": null } })).await;
    assert_eq!(gone.at("/monitor/holds_credentials"), &json!(false));
    assert_eq!(sealed().await, "");
    for reply in [made, kept, other, moved, gone, program.get("/monitors").await] {
        assert!(!reply.answer.text.contains("canary"), "{}", reply.answer.text);
    }
    let whole = world.one("SELECT string_agg(to_jsonb(m)::text, '') || (SELECT string_agg(to_jsonb(a)::text, '') FROM audit a) FROM monitors m").await;
    assert!(!whole.contains("canary"));
}

#[tokio::test]
async fn a_monitor_that_is_written_again_is_left_alone() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let path = "/monitors/by-key/team%2Fshop";
    let body = json!({ "name": "shop", "spec": { "kind": "tcp", "host": "shop.example", "port": 25 }, "tags": ["a", "b"],
        "quorum": { "at_least": 2 }, "interval_s": 30 });
    assert_eq!(program.put(path, body.clone()).await.status, 201);
    let stored = || world.one("SELECT version || ' ' || updated_at || ' ' || external_key FROM monitors");
    let before = stored().await;
    assert!(before.ends_with("team/shop"), "{before}");
    world.clock.advance(std::time::Duration::from_secs(5));
    for _ in 0..3 {
        let again = program.put(path, body.clone()).await;
        assert_eq!((again.status, again.text("/action"), again.at("/changes")), (200, "unchanged", &json!([])));
    }
    assert_eq!(stored().await, before);
    // What a person does by hand stays: a pause; what the body says does not: the name.
    let id = program.get(path).await.text("/id").to_owned();
    program.send("POST", &format!("/monitors/{id}/pause"), None).await;
    program.patch(&format!("/monitors/{id}"), json!({ "name": "by hand" })).await;
    let again = program.put(path, body.clone()).await;
    assert_eq!(again.at("/changes"), &json!([{ "field": "name", "from": "by hand", "to": "shop" }]));
    assert_eq!(again.at("/monitor/paused"), &json!(true));
    let dns = json!({ "name": "shop", "spec": { "kind": "dns", "name": "shop.example" } });
    assert_eq!(program.put(path, dns).await.problem(), (422, "invalid-body", vec!["spec.kind"]));
    let same = json!({ "external_key": "team/shop", "name": "z", "spec": { "kind": "tcp", "host": "a", "port": 1 } });
    assert_eq!(program.post("/monitors", same).await.problem(), (422, "invalid-body", vec!["external_key"]));
}

#[tokio::test]
async fn what_belongs_to_another_organization_is_answered_like_what_is_not_there() {
    let world = World::new().await;
    let program = Program::of(&world, "owner").await;
    let theirs = "01900000-0000-7000-8000-000000000001";
    world
        .sql(&format!(
            "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, external_key)
             VALUES ('{theirs}', 2, 'theirs', 'tcp', 'secret.example:1', '{{\"kind\":\"tcp\",\"host\":\"secret.example\",\"port\":1}}', 60, 1000, 1, 0, 0, 'theirs');
             INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT 2, id, 'up', 0, '{{}}', false FROM monitors;
             INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail) SELECT '{theirs}', 2, id, 0, 0, 'f', 'secret', '{{}}' FROM monitors;
             INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at) VALUES ('{theirs}', 2, 'c', 'email', 'secret', '', 0)"
        ))
        .await;
    let before = world.one("SELECT string_agg(to_jsonb(m)::text, '') FROM monitors m").await;
    let missing = "01900000-0000-7000-8000-0000000000ff";
    let tcp = json!({ "spec": { "kind": "tcp", "host": "a", "port": 1 } });
    for (method, path, body) in [
        ("GET", "/monitors/{}", None),
        ("PATCH", "/monitors/{}", Some(json!({ "name": "x" }))),
        ("PATCH", "/monitors/{}?dry_run=true", Some(tcp)),
        ("DELETE", "/monitors/{}", None),
        ("POST", "/monitors/{}/pause", None),
        ("POST", "/monitors/{}/resume", None),
        ("GET", "/monitors/{}/results", None),
        ("GET", "/incidents/{}", None),
        ("GET", "/channels/{}", None),
        ("PATCH", "/channels/{}", Some(json!({ "name": "x" }))),
        ("PUT", "/channels/{}/settings", Some(json!({ "settings": { "address": "a@b.example" } }))),
        ("DELETE", "/channels/{}", None),
        ("POST", "/channels/{}/prove", None),
        ("POST", "/channels/{}/verify", Some(json!({ "code": "123456" }))),
        ("POST", "/channels/{}/test", None),
    ] {
        let of = |id: &str| path.replace("{}", id);
        let foreign = program.send(method, &of(theirs), body.clone()).await;
        let miss = program.send(method, &of(missing), body.clone()).await;
        let nonsense = program.send(method, &of("nonsense"), body).await;
        assert_eq!(foreign.problem(), (404, "not-found", vec![]), "{method} {path}");
        assert_eq!(
            (&foreign.answer.text, &foreign.answer.text),
            (&miss.answer.text, &nonsense.answer.text),
            "{method} {path}"
        );
    }
    assert_eq!(program.get("/monitors/by-key/theirs").await.status, 404);
    for list in ["/monitors", "/incidents", "/channels", &format!("/incidents?monitor={theirs}")] {
        assert_eq!(program.get(list).await.at("/items"), &json!([]), "{list}");
    }
    // The same key in another organization is another monitor.
    let mine = json!({ "name": "theirs", "spec": { "kind": "tcp", "host": "mine.example", "port": 1 } });
    assert_eq!(program.put("/monitors/by-key/theirs", mine).await.status, 201);
    assert_eq!(world.one("SELECT string_agg(to_jsonb(m)::text, '') FROM monitors m WHERE org_id = 2").await, before);
}

#[tokio::test]
async fn a_limit_of_the_organization_is_a_problem_of_its_own_and_nothing_is_written() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let id = program.post("/monitors", shop()).await.text("/monitor/id").to_owned();
    // Two regions, every minute.
    world.sql("INSERT INTO organization_limits VALUES (1, 2, 30, 4, NULL, 0)").await;
    let short = json!({ "interval_s": 20 });
    let refused = program.patch(&format!("/monitors/{id}"), short).await;
    assert_eq!(refused.problem().1, "limit");
    assert!(refused.text("/detail").contains("intervals of 30 s and more"), "{}", refused.json);
    let refused = program.patch(&format!("/monitors/{id}"), json!({ "interval_s": 29 })).await;
    assert_eq!(refused.problem().1, "limit");
    let many = |count: usize, interval: usize| {
        let one = |n: usize| {
            json!({ "external_key": format!("k{n}"), "name": format!("m{n}"), "interval_s": interval,
            "spec": { "kind": "tls", "host": "shop.example" } })
        };
        json!({ "monitors": (0..count).map(one).collect::<Vec<_>>() })
    };
    // What would be refused is refused in a dry run too.
    for path in ["/monitors?dry_run=true", "/monitors"] {
        for (count, interval, says) in [(2, 60, "limit of 2 monitors"), (1, 30, "limit of 4 checks a minute")] {
            let refused = program.put(path, many(count, interval)).await;
            assert_eq!(refused.problem().1, "limit", "{path}");
            assert!(refused.text("/detail").contains(says), "{}", refused.json);
            assert!(refused.text("/detail").contains("ask whoever runs this Picket for more"), "{}", refused.json);
        }
    }
    let dry = program.patch(&format!("/monitors/{id}?dry_run=true"), json!({ "interval_s": 29 })).await;
    assert_eq!(dry.problem().1, "limit");
    assert_eq!(program.put("/monitors?dry_run=true", many(1, 60)).await.status, 200);
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "1");
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'monitor.add'").await, "1");
    assert_eq!(program.put("/monitors", many(1, 60)).await.status, 200);
    // Below a limit that was lowered, what makes no more checks is still allowed.
    world.sql("UPDATE organization_limits SET monitors = 1, interval_s = 600, checks_per_minute = 1").await;
    let path = format!("/monitors/{id}");
    assert_eq!(program.patch(&path, json!({ "name": "renamed", "interval_s": 90 })).await.status, 200);
    assert_eq!(program.patch(&path, json!({ "regions": ["eu-1"] })).await.status, 200);
    assert_eq!(program.patch(&path, json!({ "regions": ["eu-1", "us-1"] })).await.problem().1, "limit");
}

#[tokio::test]
async fn what_messages_say_of_a_monitor_is_written_changed_and_shown() {
    let world = World::new().await;
    let program = Program::of(&world, "editor").await;
    let made = program.post("/monitors", shop()).await;
    let id = made.text("/monitor/id").to_owned();
    assert_eq!((made.text("/monitor/severity"), made.at("/monitor/owner")), ("critical", &Value::Null));
    let path = format!("/monitors/{id}");
    let said = json!({ "severity": "warning", "owner": "Team Shop", "runbook_url": "https://wiki.example" });
    let changed = program.patch(&path, said.clone()).await;
    assert_eq!((changed.status, changed.text("/monitor/runbook_url")), (200, "https://wiki.example/"));
    assert_eq!(
        changed.at("/changes"),
        &json!([{ "field": "owner", "from": null, "to": "Team Shop" },
            { "field": "runbook_url", "from": null, "to": "https://wiki.example/" },
            { "field": "severity", "from": "critical", "to": "warning" }])
    );
    assert_eq!(program.patch(&path, said).await.text("/action"), "unchanged");
    let other = program.patch(&path, json!({ "name": "store" })).await;
    assert_eq!(other.text("/monitor/owner"), "Team Shop", "what is not named stays");
    let taken = program.patch(&path, json!({ "owner": null, "severity": null })).await;
    assert_eq!((taken.at("/monitor/owner"), taken.text("/monitor/severity")), (&Value::Null, "critical"));
}
