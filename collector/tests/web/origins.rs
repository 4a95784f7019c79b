//! Where a request comes from, and what it may change: every combination of what browsers tell, cookie, proof and content.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::domain::access::Right;
use picket_collector::web::router::{ROUTES, Who};
use sqlx::AssertSqlSafe;

use crate::common::{Browser, EMAIL, PASSWORD, World};

const FORM: &str = "application/x-www-form-urlencoded";

/// What the browser says of where the request comes from, by both headers that it may send.
const FROM: [(Option<&str>, Option<&str>, bool); 17] = [
    (Some("same-origin"), Some("http://localhost:8080"), true),
    (Some("same-origin"), None, true),
    (Some("none"), None, true),
    (None, Some("http://localhost:8080"), true),
    (None, Some("http://127.0.0.1:8080"), true),
    (Some("cross-site"), Some("http://localhost:8080"), false),
    (Some("cross-site"), Some("https://evil.example"), false),
    (Some("cross-site"), None, false),
    (Some("same-site"), Some("http://localhost:8080"), false),
    (Some("same-site"), None, false),
    (Some("nonsense"), None, false),
    (Some(""), Some("http://localhost:8080"), false),
    (None, Some("https://localhost:8080"), false),
    (None, Some("http://localhost:8081"), false),
    (None, Some("http://localhost:8080.evil.example"), false),
    (None, Some("null"), false),
    (None, None, false),
];

#[tokio::test]
async fn only_a_form_of_ours_with_its_session_and_its_proof_changes_something() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account").await;
    let (cookie, proof) = (browser.cookie.clone().unwrap(), browser.proof.clone());
    let mut other = Browser::new(&world);
    other.sign_in(EMAIL, PASSWORD).await;
    other.get("/account").await;
    let (mut made, mut tried) = (0, 0);
    for (site, origin, ours) in FROM {
        for (session, in_session) in [(cookie.as_str(), true), ("", false), ("sid-local=x", false)] {
            for (proof, proven) in [(proof.as_str(), true), (other.proof.as_str(), false), ("", false)] {
                for (kind, is_form) in [(FORM, true), ("text/plain", false), ("application/json", false), ("", false)] {
                    tried += 1;
                    world.clock.advance(Duration::from_secs(1));
                    let mut request = Request::builder().method("POST").uri("/monitors/new");
                    for (name, value) in [
                        ("host", Some("localhost:8080")),
                        ("sec-fetch-site", site),
                        ("origin", origin),
                        ("cookie", Some(session).filter(|session| !session.is_empty())),
                        ("content-type", Some(kind).filter(|kind| !kind.is_empty())),
                    ] {
                        if let Some(value) = value {
                            request = request.header(name, value);
                        }
                    }
                    let body = format!("kind=http&target=https%3A%2F%2Fhost{tried}.example&proof={proof}");
                    let answer = world.send(request.body(Body::from(body)).unwrap()).await;
                    let what = format!("{site:?} {origin:?} session {in_session} proof {proven} {kind:?}");
                    // Who tells nothing and has no cookie is no browser: it is let through, and is nobody.
                    let from_ours = ours || (site, origin, session) == (None, None, "");
                    let wanted = match (from_ours, in_session, is_form, proven) {
                        (false, ..) => 403,
                        (true, false, ..) => 401,
                        (true, true, false, _) => 415,
                        (true, true, true, false) => 403,
                        (true, true, true, true) => 303,
                    };
                    assert_eq!(answer.status.as_u16(), wanted, "{what}");
                    made += usize::from(wanted == 303);
                }
            }
        }
    }
    assert_eq!((tried, made), (17 * 3 * 3 * 4, 5));
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, made.to_string(), "nothing else was changed");
}

#[tokio::test]
async fn by_no_other_method_does_a_form_change_anything() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/account").await;
    let body = format!("kind=http&target=example.org&proof={}", browser.proof);
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "post", "TRACE", "QUERY"] {
        for (header, value) in [("x-nothing", "-"), ("x-http-method-override", "POST"), ("x-method-override", "POST")] {
            let request = Request::builder()
                .method(method)
                .uri(format!("/monitors/new?_method=POST&{body}"))
                .header(header::HOST, "localhost:8080")
                .header(header::COOKIE, browser.cookie.clone().unwrap())
                .header("sec-fetch-site", "same-origin")
                .header(header::CONTENT_TYPE, FORM)
                .header(header, value);
            world.send(request.body(Body::from(body.clone())).unwrap()).await;
        }
    }
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "0");
}

/// Every table as it is, but for when a session, a key or a browser was used last.
async fn tables(world: &World) -> BTreeMap<String, String> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(&mut world.superuser().await)
    .await
    .unwrap();
    let of = |name: &String| {
        format!(
            "SELECT '{name}', count(*) || coalesce(string_agg((to_jsonb(t) - 'seen_at' - 'last_used_at')::text, ' '
             ORDER BY to_jsonb(t)::text), '') FROM {name} t"
        )
    };
    let query = names.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ");
    let rows: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut world.superuser().await).await.unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn no_get_changes_anything_whoever_asks() {
    let world = World::new().await;
    let mut browser = world.signed_in().await;
    browser.get("/monitors/new").await;
    let made = browser.post("/monitors/new", &[("kind", "http"), ("target", "example.org")]).await;
    let monitor = made.to().trim_start_matches("/monitors/").split('?').next().unwrap().to_owned();
    let channel = [("kind", "email"), ("name", "ops"), ("address", "ops@example.org")];
    assert_eq!(browser.post("/channels/new", &channel).await.status.as_u16(), 303);
    let channel = world.one("SELECT uuid FROM channels").await;
    browser.get("/schedules/new").await;
    let made = browser.post("/schedules/new", &[("name", "turns"), ("zone", "UTC"), ("rotations", "0")]).await;
    assert_eq!(made.status.as_u16(), 303);
    let schedule = world.one("SELECT uuid FROM schedules").await;
    let target = format!("schedules:{schedule}");
    let policy = [("name", "nights"), ("levels", "1"), ("l0.wait", "0m"), ("l0.target", target.as_str())];
    assert_eq!(browser.post("/policies/new", &policy).await.status.as_u16(), 303);
    let policy = world.one("SELECT uuid FROM policies").await;
    let key = world.key("owner", Right::ALL, &[]).await;
    let key_id = world.one("SELECT public_id FROM api_keys").await;
    let link = world.porter.set_up_link(world.clock.now()).await.unwrap();
    assert!(link.is_none(), "there is an administrator");
    let mut before = tables(&world).await;
    assert!(before.len() > 40 && before["monitors"].contains("example.org"), "{:?}", before.keys());
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.method == "GET" && route.who != Who::Probe) {
        let id = if route.path.contains("channels") {
            &channel
        } else if route.path.contains("schedules") {
            &schedule
        } else if route.path.contains("/policies") {
            &policy
        } else if route.path.starts_with("/keys") {
            &key_id
        } else {
            &monitor
        };
        let path = route.path.replace("{id}", id).replace("{link}", "none").replace("{external_key}", "k");
        let path = path.replace("{hash}", "0").replace("{name}", "none.css");
        for method in ["GET", "HEAD"] {
            let request = Request::builder().method(method).uri(&path).header(header::HOST, "localhost:8080");
            let request = match route.who {
                Who::Key(_) => request.header(header::AUTHORIZATION, format!("Bearer {key}")),
                _ => request.header(header::COOKIE, browser.cookie.clone().unwrap()),
            };
            let status = world.status(request.body(Body::empty()).unwrap()).await;
            assert!(!status.is_server_error(), "{method} {path}: {status}");
            asked += usize::from(status.is_success());
            let mut after = tables(&world).await;
            // What was taken out of the log is written down in it, which is the point.
            let taken = match route.path {
                "/audit/export" => Some("audit.export"),
                "/account/data/export" | "/api/v1/account/export" => Some("account.export"),
                "/members/review" | "/members/review/export" | "/api/v1/members/review" => Some("member.review"),
                _ => None,
            };
            if let Some(taken) = taken {
                assert!(after["audit"].contains(taken), "{path}");
                before.insert("audit".to_owned(), after["audit"].clone());
            }
            for (table, rows) in &mut after {
                assert_eq!(*rows, before[table], "{method} {path} changed {table}");
            }
        }
    }
    assert!(asked > 60, "only {asked} were answered");
}
