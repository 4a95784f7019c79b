//! A secret goes in by every way there is, and comes to light nowhere: in no line of the log, whatever its level, in no page
//! that says that something is wrong, on no page or answer afterwards, and in no column but sealed.

use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picket_collector::domain::access::Right;
use picket_collector::web::router::{ROUTES, Who};
use sqlx::AssertSqlSafe;

use crate::common::{Answer, Browser, EMAIL, PASSWORD, World};
use crate::log::Log;
use crate::mailbox::MAILS;
use crate::second_factor::switched_on;

/// Secrets that nobody else has: what it is, and what must be seen nowhere.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// Another secret of so many letters and digits.
    fn fresh(&mut self, what: &'static str, length: usize) -> String {
        let random = format!("{:016x}{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..), fastrand::u64(..));
        self.add(what, random.chars().take(length).collect())
    }

    fn add(&mut self, what: &'static str, secret: String) -> String {
        assert!(secret.len() >= 6, "{what} could be found by chance");
        self.0.push((what, secret.clone()));
        secret
    }

    /// None of them is in `text`, which was found `place`.
    #[track_caller]
    fn are_not(&self, place: &str, text: &str) {
        for (what, secret) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let before: String = text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                unreachable!("{what} came to light {place}, after this: {before}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "a key came to light in the log, after this: it is ")]
fn a_secret_that_comes_to_light_is_found() {
    let mut canaries = Canaries::default();
    let key = canaries.fresh("a key", 24);
    canaries.are_not("in the log", "it is none");
    canaries.are_not("in the log", &format!("it is {key}."));
}

/// A request as it is, and what is left of its answer for looking.
async fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:8080");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::from(body)).unwrap()).await
}

/// Body and headers, but for the cookies that are set: those are secrets that go where they belong.
fn whole(answer: &Answer) -> String {
    let headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != header::SET_COOKIE)
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    format!("{}\n{}", headers.join("\n"), answer.text)
}

/// Wrong passwords, codes and links, from a browser that is not signed in.
async fn knock(world: &World, canaries: &mut Canaries) {
    let mut stranger = Browser::new(world);
    let password = canaries.fresh("a wrong password", 24);
    let typed = canaries.fresh("a password that was typed as the address", 20);
    for (email, password) in [(EMAIL, password.as_str()), ("nobody@example.org", &password), (&typed, "x")] {
        let answer = stranger.sign_in(email, password).await;
        assert_eq!(answer.status.as_u16(), 401);
        // What was typed as an address stands in its field again; the password does not.
        canaries.are_not("where it was refused", &whole(&answer).replace(&typed, ""));
    }
    for path in ["/link/", "/set-up/"] {
        let token = canaries.fresh("a link that does not work", 43);
        for answer in
            [stranger.get(&format!("{path}{token}")).await, stranger.post(&format!("{path}{token}"), &[]).await]
        {
            canaries.are_not("where a link was refused", &whole(&answer).replace(&format!("{path}{token}"), ""));
        }
    }
    let code = canaries.fresh("a wrong code", 12);
    canaries.are_not("where a code was refused", &whole(&stranger.post("/sign-in/code", &[("code", &code)]).await));
    for name in ["sid-local", "device-local", "half-local", "asker-local", "other"] {
        let cookie = canaries.fresh("a cookie", 43);
        let answer = send(world, "GET", "/", &[("cookie", &format!("{name}={cookie}"))], String::new()).await;
        canaries.are_not("where a cookie was refused", &whole(&answer));
    }
}

/// What programs send: keys that do not work, secrets in addresses, and bodies that cannot be.
async fn call(world: &World, canaries: &mut Canaries) {
    let key = canaries.fresh("a key that does not work", 40);
    let good = canaries.add("an API key", world.key("owner", Right::ALL, &[]).await);
    canaries.add("an API key's secret part", good[18..].to_owned());
    let (bearer, basic) = (format!("Bearer {key}"), format!("Basic {key}"));
    let authorized = format!("Bearer {good}");
    let (field, text) = (canaries.fresh("a field's name", 20), canaries.fresh("a body", 24));
    let broken = format!("{{\"secret\": \"{text}\", oops");
    let odd = format!("{{\"kind\": \"webhook\", \"name\": \"n\", \"settings\": {{\"url\": \"{text}\"}}}}");
    let queried = canaries.fresh("a parameter", 24);
    let json = ("content-type", "application/json");
    for (method, path, headers, body) in [
        ("GET", "/api/v1/monitors".to_owned(), vec![("authorization", bearer.as_str())], String::new()),
        ("GET", "/api/v1/monitors".to_owned(), vec![("authorization", &basic)], String::new()),
        ("GET", "/api/v1/monitors".to_owned(), vec![("x-api-key", &key)], String::new()),
        (
            "GET",
            "/metrics".to_owned(),
            vec![("authorization", &bearer), ("x-forwarded-for", "192.0.2.1")],
            String::new(),
        ),
        (
            "GET",
            format!("/api/v1/monitors?access_token={queried}"),
            vec![("authorization", &authorized)],
            String::new(),
        ),
        ("GET", format!("/healthz?token={queried}"), vec![], String::new()),
        ("GET", format!("/nothing?token={queried}"), vec![("accept", "text/html")], String::new()),
        ("POST", "/api/v1/channels".to_owned(), vec![("authorization", &authorized), json], broken),
        ("POST", "/api/v1/channels".to_owned(), vec![("authorization", &authorized), json], odd),
        ("POST", "/api/v1/monitors".to_owned(), vec![("authorization", &authorized), json], format!("\"{text}\"")),
        ("POST", "/probe/v1/batches".to_owned(), vec![("authorization", &bearer)], text.clone()),
        ("POST", "/sign-in".to_owned(), vec![("content-type", "text/plain")], text.clone()),
    ] {
        let answer = send(world, method, &path, &headers, body).await;
        canaries.are_not(&format!("in the answer of {method} {path}"), &whole(&answer));
    }
    // A field that is unknown is named, to who sent it.
    let body = format!("{{\"{field}\": 1}}");
    let headers = [("authorization", authorized.as_str()), json];
    let answer = send(world, "POST", "/api/v1/channels", &headers, body).await;
    canaries.are_not("in a refusal", &whole(&answer).replace(&field, ""));

    let (token, hook) = (canaries.fresh("a token by the API", 32), canaries.fresh("a hook by the API", 24));
    let slack = format!("https://hooks.slack.com/services/T1/B1/{hook}");
    let made = [
        ("/api/v1/channels", serde_json::json!({ "kind": "slack", "name": "by api", "settings": { "url": slack } })),
        (
            "/api/v1/monitors",
            serde_json::json!({
                "name": "by api",
                "spec": {
                    "kind": "http", "url": "https://api.example/", "auth": { "scheme": "bearer", "token": token },
                },
            }),
        ),
    ];
    for (path, body) in made {
        let answer = send(world, "POST", path, &headers, body.to_string()).await;
        assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
        canaries.are_not(&format!("where {path} was answered"), &whole(&answer));
    }
}

/// What people type in who are signed in: passwords, credentials of checks, settings of channels.
async fn type_in(browser: &mut Browser<'_>, canaries: &mut Canaries) {
    let (old, new) = (canaries.fresh("a password that is not mine", 24), canaries.fresh("a new password", 24));
    browser.get("/account").await;
    for (current, status) in [(old.as_str(), 422), (PASSWORD, 303)] {
        let answer = browser.post("/account/password", &[("old", current), ("new", &new)]).await;
        assert_eq!(answer.status.as_u16(), status);
        canaries.are_not("where a password was changed", &whole(&answer));
    }
    // Every session is over.
    assert_eq!(browser.sign_in(EMAIL, &new).await.to(), "/");
    let wrong = canaries.fresh("a wrong proof", 24);
    browser.get("/step-up").await;
    canaries.are_not("where a proof was refused", &whole(&browser.post("/step-up", &[("password", &wrong)]).await));

    let secret = canaries.fresh("a check's password", 24);
    canaries.add("a check's password as its header has it", STANDARD.encode(format!("bot:{secret}")));
    browser.get("/monitors/new").await;
    let monitor = [
        ("kind", "http"),
        ("target", "https://form.example/"),
        ("auth", "basic"),
        ("user", "bot"),
        ("secret", &secret),
    ];
    assert_eq!(browser.post("/monitors/new", &monitor).await.status.as_u16(), 303);
    // The same with something wrong: the form comes back, without the secret.
    let wrong = [("kind", "http"), ("target", "ftp://form.example/"), ("auth", "bearer"), ("secret", &secret)];
    let answer = browser.post("/monitors/new", &wrong).await;
    assert_eq!(answer.status.as_u16(), 422);
    canaries.are_not("where a monitor was refused", &whole(&answer));

    let (bot, key, hook) =
        (canaries.fresh("a bot's token", 35), canaries.fresh("a key", 32), canaries.fresh("a hook", 24));
    let (bot, slack) = (format!("123456:{bot}"), format!("https://hooks.slack.com/services/T1/B1/{hook}"));
    let webhook = canaries.fresh("a webhook's path", 24);
    let url = format!("https://hook.example/{webhook}");
    for fields in [
        vec![("kind", "telegram"), ("name", "t"), ("token", &bot), ("chat", "42")],
        vec![("kind", "slack"), ("name", "s"), ("url", &slack)],
        vec![("kind", "pagerduty"), ("name", "p"), ("key", &key)],
        vec![("kind", "webhook"), ("name", "w"), ("url", &url)],
        // Refused: something is missing, or wrong.
        vec![("kind", "telegram"), ("token", &bot), ("chat", "")],
        vec![("kind", "slack"), ("name", "s"), ("url", &hook)],
        vec![("kind", "pagerduty"), ("name", "p"), ("key", &bot)],
    ] {
        browser.get("/channels/new").await;
        let answer = browser.post("/channels/new", &fields).await;
        let place = format!("where a channel was answered with {}: {:?}", answer.status, fields[0]);
        canaries.are_not(&place, &whole(&answer));
    }
}

/// Every page and every answer that its owner can see.
async fn every_page(world: &World, browser: &mut Browser<'_>, key: &str) -> Vec<(String, String)> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT uuid::text FROM monitors UNION ALL SELECT uuid::text FROM channels")
            .fetch_all(&mut world.superuser().await)
            .await
            .unwrap();
    let mut found = Vec::new();
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !matches!(route.who, Who::Probe)) {
        if route.path == "/events" {
            continue;
        }
        let path = route.path.replace("{link}", "none").replace("{external_key}", "k").replace("{hash}", "0");
        let path = path.replace("{name}", "none.css");
        let paths: Vec<String> = ids.iter().map(|id| path.replace("{id}", id)).collect();
        let paths = if path.contains("{id}") { paths } else { vec![path] };
        for path in paths {
            let answer = match route.who {
                Who::Key(_) => {
                    let bearer = format!("Bearer {key}");
                    send(world, "GET", &path, &[("authorization", &bearer)], String::new()).await
                }
                _ => browser.get(&path).await,
            };
            found.push((format!("at {path}"), whole(&answer)));
        }
    }
    found
}

/// Every row of every table as text; bytes are there as they are, so that what is not sealed is seen.
async fn every_row(world: &World) -> Vec<(String, String)> {
    let columns: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT c.oid::regclass::text, a.attname::text, a.atttypid = 'bytea'::regtype
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(&mut world.superuser().await)
    .await
    .unwrap();
    let mut found = Vec::new();
    for (table, column, is_bytes) in columns {
        let value = if is_bytes { format!("encode({column}, 'escape')") } else { format!("{column}::text") };
        let query = AssertSqlSafe(format!("SELECT coalesce(string_agg({value}, ' '), '') FROM {table}"));
        let text: String = sqlx::query_scalar(query).fetch_one(&mut world.superuser().await).await.unwrap();
        found.push((format!("in {table}.{column}"), text));
    }
    found
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_secret_comes_to_light_nowhere_afterwards() {
    let (log, _guard) = Log::listen();
    let world = World::with(MAILS).await;
    let mut browser = world.signed_in().await;
    let mut canaries = Canaries::default();
    canaries.add("the password", PASSWORD.to_owned());
    knock(&world, &mut canaries).await;
    call(&world, &mut canaries).await;
    type_in(&mut browser, &mut canaries).await;
    let (_, recovery) = switched_on(&world, &mut browser).await;
    for code in recovery {
        canaries.add("a recovery code", code);
    }
    let session = browser.cookie.as_ref().unwrap().split_once('=').unwrap().1.to_owned();
    canaries.add("a session", session);
    canaries.add("what a form carries of its session, in a log", browser.proof.clone());
    tracing::error!("the log is listened to");
    assert!(canaries.0.len() >= 40, "{}", canaries.0.len());

    let text = log.text();
    assert!(text.contains("the log is listened to") && text.contains("sqlx::query"), "{}", text.len());
    canaries.are_not("in the log", &text);
    let rows = every_row(&world).await;
    assert!(rows.len() > 300 && rows.iter().any(|(_, text)| text.contains("form.example")), "{}", rows.len());
    for (place, text) in rows {
        canaries.are_not(&place, &text);
    }
    // Every form carries the proof of its session: that is where it belongs.
    canaries.0.pop();
    let key = world.key("owner", Right::ALL, &[]).await;
    canaries.add("another key", key.clone());
    let pages = every_page(&world, &mut browser, &key).await;
    assert!(pages.len() > 60 && pages.iter().any(|(_, text)| text.contains("form.example")), "{}", pages.len());
    for (place, text) in pages {
        canaries.are_not(&place, &text);
    }
    canaries.are_not("in the log of pages", &log.text());
}
