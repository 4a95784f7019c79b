//! Which headers and cookies come with which kind of answer: every route, and every kind of refusal.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, header};
use picket_collector::config::{Config, Limits, LoginMode};
use picket_collector::domain::access::Right;
use picket_collector::login::Settings;
use picket_collector::web::guard::headers::Transport;
use picket_collector::web::router::{ROUTES, Who};

use crate::common::{Answer, Browser, EMAIL, From, PASSWORD, START, SetUp, World};
use crate::second_factor::switched_on;

const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    font-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types picket";
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";
const STAY: &str = "max-age=63072000; includeSubDomains";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// What is answered with this status: a method, a path, headers and a body.
type Asked<'a> = (u16, &'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str);

/// How people get there.
const SITES: [(&str, Transport, &str); 3] = [
    ("https://picket.example", Transport::Https, STAY),
    ("https://picket.example", Transport::OwnAuthority, ""),
    ("http://localhost:8080", Transport::Plain, ""),
];

async fn site(public_url: &'static str, transport: Transport) -> World {
    let settings = Settings { mode: LoginMode::Open, mails: true };
    World::of(SetUp { public_url, transport, settings, ..SetUp::default() }).await
}

/// Holds an answer to what every answer carries.
#[track_caller]
fn check(what: &str, answer: &Answer, stay: &str) {
    let is_page = answer.header("content-type").starts_with("text/html");
    let is_kept = what.starts_with("asset 200");
    for (name, value) in [
        ("content-security-policy", if is_page { PAGE } else { NO_PAGE }),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("strict-transport-security", stay),
        ("cache-control", if is_kept { FOR_EVER } else { "no-store" }),
        ("server", ""),
        ("x-powered-by", ""),
        ("x-xss-protection", ""),
        ("access-control-allow-origin", ""),
    ] {
        let found: Vec<_> = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        let wanted = if value.is_empty() { vec![] } else { vec![value] };
        assert_eq!(found, wanted, "{what}: {name}");
    }
    let permissions = answer.header("permissions-policy");
    for feature in ["camera", "geolocation", "microphone", "payment", "usb"] {
        assert!(permissions.contains(&format!("{feature}=()")), "{what}: {permissions}");
    }
    if !answer.text.is_empty() {
        assert!(!answer.header("content-type").is_empty(), "{what}: a body says what it is");
    }
}

/// A request with these headers; the path has something in its places.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let path = path.replace("{id}", "01900000-0000-7000-8000-000000000001").replace("{link}", "none");
    let path = path.replace("{hash}", "0").replace("{name}", "none.css").replace("{external_key}", "k");
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header(header::HOST, "localhost:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn every_route_answers_with_every_security_header() {
    for (public_url, transport, stay) in SITES {
        let world = site(public_url, transport).await;
        for route in ROUTES {
            let answer = world.send(request(route.method, route.path, &[("sec-fetch-site", "same-origin")], "")).await;
            check(&format!("{} {}", route.method, route.path), &answer, stay);
            // Without the headers of a browser, and asked only for the head.
            if route.method == "GET" && route.who != Who::Probe {
                let head = world.send(request("HEAD", route.path, &[], "")).await;
                // To a stranger administration is a miss, whose body the server leaves away, not the router.
                assert!(head.text.is_empty() || route.who == Who::Admin, "{}: {}", route.path, head.text);
                check(&format!("HEAD {}", route.path), &head, stay);
            }
        }
    }
}

#[tokio::test]
async fn every_kind_of_answer_carries_every_security_header() {
    for (public_url, transport, stay) in SITES {
        let world = site(public_url, transport).await;
        let mut browser = world.signed_in().await;
        browser.get("/account").await;
        let key = format!("Bearer {}", world.key("owner", Right::ALL, &[]).await);
        let page = world.send(request("GET", "/sign-in", &[], "")).await;
        let asset = page.text.split('"').find(|text| text.starts_with("/assets/")).unwrap();
        let (form, json) = ("application/x-www-form-urlencoded", "application/json");
        let cookie = browser.cookie.clone().unwrap();
        let ours = ("sec-fetch-site", "same-origin");
        let (key, signed_in) = (("authorization", key.as_str()), ("cookie", cookie.as_str()));
        let (form, json) = (("content-type", form), ("content-type", json));
        let proof = format!("proof={}", browser.proof);
        let huge = format!("{proof}&target={}", "x".repeat(300 * 1024));
        let huge_json = format!("\"{}\"", "x".repeat(300 * 1024));
        let rows: Vec<Asked<'_>> = vec![
            (200, "GET", "/", vec![signed_in], ""),
            (200, "GET", asset, vec![], ""),
            (200, "GET", "/healthz", vec![], ""),
            (200, "GET", "/api/v1/openapi.json", vec![], ""),
            (200, "GET", "/api/v1/monitors", vec![key], ""),
            (303, "GET", "/", vec![], ""),
            (303, "POST", "/account/sessions/end-others", vec![signed_in, ours, form], &proof),
            (400, "POST", "/api/v1/monitors", vec![key, json], "no json"),
            (400, "GET", "/api/v1/monitors?x=y", vec![key], ""),
            (401, "GET", "/api/v1/monitors", vec![], ""),
            (401, "POST", "/sign-out", vec![ours], ""),
            (401, "POST", "/sign-in", vec![ours, form], "email=a@b.example&password=x"),
            (403, "POST", "/sign-in", vec![("sec-fetch-site", "cross-site")], ""),
            (403, "POST", "/sign-out", vec![signed_in, ours, form], "proof=x"),
            (403, "GET", "/api/v1/monitors", vec![key, ("sec-fetch-dest", "document")], ""),
            (404, "GET", "/nothing", vec![("accept", "text/html")], ""),
            (404, "GET", "/nothing", vec![], ""),
            (404, "GET", "/api/v1/nothing", vec![key], ""),
            (404, "GET", "/monitors/{id}", vec![signed_in], ""),
            (404, "GET", "/assets/0/none.css", vec![], ""),
            (404, "GET", "/link/none", vec![], ""),
            (405, "TRACE", "/sign-in", vec![], ""),
            (405, "PUT", "/api/v1/incidents", vec![key], ""),
            (413, "POST", "/monitors/new", vec![signed_in, ours, form], &huge),
            (413, "POST", "/api/v1/monitors", vec![key, json], &huge_json),
            (415, "POST", "/sign-out", vec![signed_in, ours, json], "{}"),
            (415, "POST", "/api/v1/monitors", vec![key, form], "a=b"),
            (421, "GET", "/sign-in", vec![("host", "evil.example")], ""),
            (422, "POST", "/monitors/new", vec![signed_in, ours, form], &proof),
            (422, "POST", "/api/v1/monitors", vec![key, json], "{}"),
        ];
        for (status, method, path, headers, body) in rows {
            let answer = world.send(request(method, path, &headers, body)).await;
            let what = format!("{method} {path} {headers:?}");
            assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
            check(&format!("{}{status} {what}", if path == asset { "asset " } else { "" }), &answer, stay);
        }
        // The database is gone.
        world.pools().auth.close().await;
        for (path, headers) in [("/", vec![signed_in]), ("/api/v1/monitors", vec![key])] {
            let answer = world.send(request("GET", path, &headers, "")).await;
            assert_eq!(answer.status.as_u16(), 503, "{path}");
            check(&format!("503 {path}"), &answer, stay);
        }
    }
}

#[tokio::test]
async fn who_asks_too_much_is_refused_with_every_security_header() {
    for (public_url, transport, stay) in SITES {
        let limits = Limits { requests_per_minute_per_address: 60, ..Limits::default() };
        let config = Config { limits, ..Config::default() };
        let world = World::of(SetUp { public_url, transport, config, ..SetUp::default() }).await;
        for _ in 0..60 {
            world.send(request("GET", "/sign-in", &[], "")).await;
        }
        for (path, accept) in [("/sign-in", "text/html"), ("/sign-in", "*/*"), ("/api/v1/monitors", "*/*")] {
            let answer = world.send(request("GET", path, &[("accept", accept)], "")).await;
            assert_eq!(answer.status.as_u16(), 429);
            check(&format!("429 {path} {accept}"), &answer, stay);
        }
    }
}

/// The cookies that an answer sets: name, value, and attributes in order.
fn cookies(answer: &Answer) -> Vec<(String, String, Vec<String>)> {
    let parse = |text: &str| {
        let mut parts = text.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        (name.to_owned(), value.to_owned(), parts.map(str::to_owned).collect())
    };
    answer.headers.get_all(header::SET_COOKIE).iter().map(|value| parse(value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn every_cookie_has_every_attribute_however_it_is_set_or_taken_away() {
    for (public_url, transport, _) in SITES {
        let world = site(public_url, transport).await;
        let mut seen = BTreeMap::new();
        let mut note = |answer: &Answer| {
            for (name, value, attributes) in cookies(answer) {
                seen.entry((name, value.is_empty())).or_insert_with(Vec::new).push(attributes);
            }
        };
        let link = world.porter.set_up_link(START).await.unwrap().unwrap();
        let mut browser = Browser::new(&world);
        let path = format!("/set-up/{}", link.expose());
        note(&browser.post(&path, &[("email", EMAIL), ("password", PASSWORD)]).await);
        note(&browser.post("/sign-in/link", &[("email", EMAIL), ("do", "reset")]).await);
        note(&browser.post("/sign-up", &[("email", "new@example.org")]).await);
        browser.get("/account").await;
        switched_on(&world, &mut browser).await;
        let mut other = Browser::new(&world);
        note(&other.sign_in(EMAIL, PASSWORD).await);
        browser.get("/account").await;
        let out = browser.post("/sign-out", &[]).await;
        assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
        note(&out);
        let secure = public_url.starts_with("https");
        let name = |stem: &str| if secure { format!("__Host-{stem}") } else { format!("{stem}-local") };
        let removed = [("sid", 0)];
        let kept = [("sid", 30 * 86_400), ("device", 365 * 86_400), ("half", 600), ("asker", 86_400)];
        let wanted: BTreeMap<_, _> = kept
            .iter()
            .map(|kept| (kept, false))
            .chain(removed.iter().map(|removed| (removed, true)))
            .map(|((stem, seconds), gone)| {
                let mut attributes = vec!["Path=/", "HttpOnly", "SameSite=Lax"];
                if secure {
                    attributes.insert(1, "Secure");
                }
                let mut attributes: Vec<String> = attributes.into_iter().map(str::to_owned).collect();
                attributes.push(format!("Max-Age={seconds}"));
                ((name(stem), gone), attributes)
            })
            .collect();
        assert_eq!(seen.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{public_url}");
        for (cookie, all) in &seen {
            assert!(all.iter().all(|attributes| *attributes == wanted[cookie]), "{cookie:?}: {all:?}");
        }
    }
}

#[tokio::test]
async fn a_cookie_that_was_planted_or_does_not_fit_signs_nobody_in() {
    let world = site("https://picket.example", Transport::Https).await;
    let browser = world.signed_in().await;
    let good = browser.cookie.clone().unwrap();
    let token = good.trim_start_matches("__Host-sid=");
    for (cookies, status) in [
        (vec![good.clone()], 200),
        (vec![format!("a=b; {good}; c=d")], 200),
        (vec![format!("sid={token}")], 303),
        (vec![format!("sid-local={token}")], 303),
        (vec![format!("__host-sid={token}")], 303),
        (vec![format!("{good}; {good}")], 303),
        (vec![good.clone(), good.clone()], 303),
        (vec![format!("__Host-sid={}A", &token[..42])], 303),
        (vec![format!("__Host-sid={}", &token[..42])], 303),
        (vec![format!("__Host-sid=\"{token}\"")], 303),
        (vec![format!("__Host-device={token}")], 303),
        (vec![], 303),
    ] {
        let headers: Vec<_> = cookies.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
        let mut asked = request("GET", "/", &headers, "");
        asked.extensions_mut().insert(From("192.0.2.1:1"));
        // The last character holds bits that say nothing; another spelling is another token.
        let same = cookies == [format!("__Host-sid={}A", &token[..42])] && token.ends_with('A');
        if !same {
            assert_eq!(world.send(asked).await.status.as_u16(), status, "{cookies:?}");
        }
    }
}
