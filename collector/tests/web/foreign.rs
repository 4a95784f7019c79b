//! What belongs to another organization, asked for by every route that names something: answered to the byte like what is
//! not there, and nothing of it changes.

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::domain::access::Right;
use picket_collector::login::session::Ticket;
use picket_collector::web::router::{ROUTES, Route, Who};

use crate::common::{Answer, World};
use crate::managements::managed;

/// What routes name, by the beginning of their path; the other organization's, and one that nobody has. A route of another
/// beginning fails until a row of it is here.
const NAMED: [(&str, &str, &str); 20] = [
    ("/monitors/", THEIRS, NOBODYS),
    ("/channels/", THEIRS, NOBODYS),
    ("/deliveries/", THEIRS, NOBODYS),
    ("/incidents/", THEIRS, NOBODYS),
    ("/maintenance/", THEIRS, NOBODYS),
    ("/policies/", THEIRS, NOBODYS),
    ("/schedules/", THEIRS, NOBODYS),
    ("/keys/", "Theirs00", "Nobodys0"),
    ("/members/", THEIRS, NOBODYS),
    ("/invitations/", THEIRS, NOBODYS),
    ("/organizations/", THEIRS, NOBODYS),
    ("/management/", THEIRS, NOBODYS),
    ("/managements/", THEIRS, NOBODYS),
    ("/portfolio/", THEIRS, NOBODYS),
    ("/managed/", THEIRS, NOBODYS),
    ("/account/sessions/", THEIRS, NOBODYS),
    ("/account/data/exports/", THEIRS, NOBODYS),
    ("/account/exports/", THEIRS, NOBODYS),
    ("/organization/exports/", THEIRS, NOBODYS),
    ("/probes/", THEIRS, NOBODYS),
];
const THEIRS: &str = "01900000-0000-7000-8000-0000000000aa";
const NOBODYS: &str = "01900000-0000-7000-8000-0000000000bb";

/// A row of every kind that belongs to the second organization, all of one name.
async fn other_organization(world: &World) {
    world
        .sql(&format!(
            "UPDATE organizations SET uuid = '{THEIRS}' WHERE id = 2;
             INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES ('{THEIRS}', 'eve@example.org', 'x', 0, 0);
             INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 2, id, 'editor', 0 FROM users WHERE uuid = '{THEIRS}';
             INSERT INTO sessions (uuid, token_hash, user_id, created_at, seen_at, expires_at)
                 SELECT '{THEIRS}', sha256('eve'), id, 0, 9e15, 9e15 FROM users WHERE uuid = '{THEIRS}';
             INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, external_key)
                 VALUES ('{THEIRS}', 2, 'their own', 'tcp', 'their.example:1', '{{\"kind\":\"tcp\",\"host\":\"their.example\",\"port\":1}}', 60, 1000, 1, 0, 0, 'their-key');
             INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                 SELECT '{THEIRS}', 2, id, 1, 1, 'tcp_refused', 'their trouble', '{{}}' FROM monitors WHERE uuid = '{THEIRS}';
             INSERT INTO maintenances (uuid, org_id, title, zone, start, duration_s, scope, holds_alerts, shows_on_page, counts_as, created_by,
                     created_at, updated_at)
                 VALUES ('{THEIRS}', 2, 'their maintenance', 'UTC', '2099-01-01T00:00:00', 3600, 'all', true, true, 'normal', 'user:eve@example.org', 0, 0);
             INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
                 VALUES ('{THEIRS}', 2, 'their mail', 'email', 't***@example.org', 'x', 0);
             INSERT INTO schedules (uuid, org_id, name, zone, created_at, updated_at) VALUES ('{THEIRS}', 2, 'their turns', 'UTC', 0, 0);
             INSERT INTO schedule_overrides (uuid, org_id, schedule_id, user_id, from_at, to_at, created_at)
                 SELECT '{THEIRS}', 2, s.id, u.id, 0, 9e15, 0 FROM schedules s, users u WHERE s.uuid = '{THEIRS}' AND u.uuid = '{THEIRS}';
             INSERT INTO policies (uuid, org_id, name, waits_s, repeats, repeat_after_s, tells_recovery, created_at, updated_at)
                 VALUES ('{THEIRS}', 2, 'their policy', '{{0}}', 0, 0, true, 0, 0);
             INSERT INTO policy_targets (org_id, policy_id, level, schedule_id)
                 SELECT 2, p.id, 0, s.id FROM policies p JOIN schedules s USING (org_id) WHERE p.uuid = '{THEIRS}';
             INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at, ended_at)
                 SELECT '{THEIRS}', 2, id, '{{\"kind\":\"test\"}}', 'failed', 0, 0, 0 FROM channels WHERE uuid = '{THEIRS}';
             INSERT INTO invitations (uuid, org_id, email, role, token_hash, invited_by, created_at, expires_at)
                 SELECT '{THEIRS}', 2, 'their@example.org', 'viewer', sha256('x'), id, 0, 9e15 FROM users WHERE uuid = '{THEIRS}';
             INSERT INTO api_keys (org_id, user_id, public_id, key_hash, name, scopes, created_at)
                 SELECT 2, id, 'Theirs00', sha256('x'), 'their key', '{{monitors:read}}', 0 FROM users WHERE uuid = '{THEIRS}';
             INSERT INTO exports (uuid, org_id, user_id, part, format, state, asked_at, ended_at, expires_at)
                 SELECT '{THEIRS}', 2, id, 'organization', 'json', 'ready', 0, 1, 9e15 FROM users WHERE uuid = '{THEIRS}';
             INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'their manager', 0);
             INSERT INTO managements (uuid, org_id, manager_id, most, consented_by, consented_at)
                 SELECT '{THEIRS}', 2, max(id), 'viewer', 'user:eve@example.org', 0 FROM organizations;
             INSERT INTO probes (uuid, region_id, org_id, name, sealed_secret, created_at) VALUES ('{THEIRS}', 1, 2, 'their probe', '', 0)"
        ))
        .await;
}

/// Everything that the second organization and its member have.
async fn all_of_theirs(world: &World) -> String {
    let mut all = String::new();
    for table in [
        "monitors",
        "incidents",
        "incident_events",
        "maintenances",
        "channels",
        "schedules",
        "schedule_overrides",
        "policies",
        "policy_targets",
        "deliveries",
        "invitations",
        "api_keys",
        "probes",
        "memberships",
        "managements",
        "exports",
    ] {
        all += &world
            .one(&format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {table} t WHERE org_id = 2"))
            .await;
    }
    all + &world.one("SELECT string_agg(s::text, ' ') FROM sessions s WHERE token_hash = sha256('eve')").await
}

/// What a program sends so that nothing but the name is wrong.
fn body(route: &Route) -> &'static str {
    match (route.method, route.path) {
        ("PATCH", "/api/v1/members/{id}") => r#"{"role": "viewer"}"#,
        ("POST", "/api/v1/members/{id}/keys") => r#"{"name": "mine", "scopes": ["monitors:read"]}"#,
        ("PUT", "/api/v1/members/{id}") => r#"{"until": null}"#,
        ("POST", "/api/v1/incidents/{id}/assign") => r#"{"member": null}"#,
        ("POST", "/api/v1/incidents/{id}/comments") => r#"{"text": "mine"}"#,
        ("PUT", "/api/v1/incidents/{id}/post-mortem") => r#"{"text": "mine"}"#,
        ("PUT", "/api/v1/monitors/{id}/regional-alert") => r#"{"told": true}"#,
        ("PUT", "/api/v1/monitors/{id}/dependencies") => r#"{"depends_on": []}"#,
        ("PATCH", "/api/v1/maintenance/{id}") => r#"{"title": "mine"}"#,
        ("PUT", "/api/v1/schedules/{id}") => r#"{"name": "mine", "rotations": []}"#,
        ("POST", "/api/v1/schedules/{id}/overrides") => {
            r#"{"member": "01900000-0000-7000-8000-0000000000bb", "from": "2099-01-01T00:00:00Z", "to": "2099-01-02T00:00:00Z"}"#
        }
        ("PUT", "/api/v1/policies/{id}") => r#"{"name": "mine", "levels": [{"wait_s": 0}]}"#,
        ("PATCH", _) => r#"{"name": "mine"}"#,
        ("PUT", path) if path.ends_with("/settings") => r#"{"settings": {"to": "mine@example.org"}}"#,
        ("POST", path) if path.ends_with("/rotate-secret") => "{}",
        ("POST", path) if path.ends_with("/verify") => r#"{"code": "123456"}"#,
        _ => "",
    }
}

async fn ask(world: &World, route: &Route, name: &str, session: &str, key: &str) -> Answer {
    let path = route
        .path
        .replace("{id}", name)
        .replace("{key}", name)
        .replace("{override}", name)
        .replace("{external_key}", if name == THEIRS { "their-key" } else { "no-key" });
    let path = if path.ends_with("/series") { path + "?from=0&to=3600" } else { path };
    let request = Request::builder().method(route.method).uri(path).header(header::HOST, "localhost:8080");
    let request = match route.who {
        Who::Key(_) => request
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body(route))),
        _ => {
            let proof = Ticket::parse(session).map(|ticket| ticket.form_proof()).unwrap_or_default();
            let fields = format!(
                "proof={proof}&name=mine&text=mine&role=viewer&code=123456&until=2099-01-01&to=mine%40example.org"
            );
            let request = request.header(header::COOKIE, format!("sid-local={session}"));
            let request = request.header("sec-fetch-site", "same-origin");
            let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(if route.method == "GET" { Body::empty() } else { Body::from(fields) })
        }
    };
    world.send(request.unwrap()).await
}

#[tokio::test]
async fn every_route_answers_for_what_others_have_as_for_what_nobody_has() {
    let world = World::new().await;
    other_organization(&world).await;
    nothing_is_there(&world, &[]).await;
}

/// Who is in the own organization sees nothing of one that it manages: only who goes there does.
#[tokio::test]
async fn what_a_managed_organization_has_is_not_there_in_the_managing_one() {
    let world = World::new().await;
    other_organization(&world).await;
    managed(&world, "admin").await;
    nothing_is_there(&world, &["/organizations/{id}/choose"]).await;
}

#[tokio::test]
async fn what_the_managing_organization_has_is_not_there_in_the_managed_one() {
    let world = World::new().await;
    other_organization(&world).await;
    managed(&world, "admin").await;
    world.sql("UPDATE managements SET org_id = 1, manager_id = 2 WHERE manager_id = 1").await;
    nothing_is_there(&world, &[]).await;
}

/// Asks, with the session and the key of an owner of the first organization, by all routes but some.
#[expect(clippy::panic, reason = "a route that names something unheard of fails the test")]
async fn nothing_is_there(world: &World, but: &[&str]) {
    let key = world.key("owner", Right::ALL, &[]).await;
    let before = all_of_theirs(world).await;
    let mut asked = 0;
    for route in ROUTES {
        let own = matches!(route.who, Who::User(_) | Who::Proven(_) | Who::Person | Who::Key(_));
        let names = ["{id}", "{key}", "{override}", "{external_key}"].iter().any(|place| route.path.contains(place));
        if !own || but.contains(&route.path) || !names {
            continue;
        }
        // A key of one's own names something of one's own; what it makes is not the other's.
        if (route.method, route.path) == ("PUT", "/api/v1/monitors/by-key/{external_key}") {
            continue;
        }
        let what = format!("{} {}", route.method, route.path);
        let place = route.path.strip_prefix("/api/v1").unwrap_or(route.path);
        let place = place.strip_prefix("/members").filter(|rest| rest.starts_with("/invitations/")).unwrap_or(place);
        let named = NAMED.iter().find(|(beginning, ..)| place.starts_with(beginning));
        let (_, theirs, nobodys) = named.unwrap_or_else(|| panic!("{what}: what does it name? add a row to NAMED"));
        let session = world.member("owner").await;
        let found = ask(world, route, theirs, &session, &key).await;
        let session = world.member("owner").await;
        let missed = ask(world, route, nobodys, &session, &key).await;
        // To a person what was deleted an hour ago is gone, and so is what never was; a program is told that it is not there.
        let undoes = route.path.ends_with("/restore") && !route.path.starts_with("/api/");
        let gone = if undoes { 410 } else { 404 };
        assert_eq!(missed.status.as_u16(), gone, "{what}: {}", missed.text);
        assert_eq!((found.status, &found.text), (missed.status, &missed.text), "{what}");
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&missed), "{what}");
        assert!(!found.text.contains("their"), "{what}: {}", found.text);
        asked += 1;
    }
    assert!(asked > 40, "{asked} routes name something");
    assert_eq!(all_of_theirs(world).await, before);
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE org_id = 2").await, "0");
}
