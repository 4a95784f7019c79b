//! Who gets what: every route for everybody who may ask, and the document that says so.
//!
//! `matrix.txt` and `docs/access.md` are made from the table of routes and the table of rights. A route that is missing
//! there, and every cell that is another than before, fails; `PICKET_WRITE=1` writes both anew, to be read before they are
//! committed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use picket_collector::domain::access::{Right, Role};
use picket_collector::login::session::Ticket;
use picket_collector::web::router::{ROUTES, Route, Who};
use picket_collector::web::texts;

use crate::common::World;

/// A path of the table with something in its places.
pub(crate) fn filled(path: &str) -> String {
    path.replace("{id}", "01900000-0000-7000-8000-000000000001")
        .replace("{override}", "01900000-0000-7000-8000-000000000001")
        .replace("{link}", "none")
        .replace("{hash}", "0")
        .replace("{name}", "none.css")
}

/// The request of a page, with the session of this token or without one.
pub(crate) fn request(route: &Route, token: &str) -> Request<Body> {
    let proof = Ticket::parse(token).map(|ticket| ticket.form_proof()).unwrap_or_default();
    let mut request = Request::builder()
        .method(route.method)
        .uri(filled(route.path))
        .header(header::HOST, "localhost:8080")
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if !token.is_empty() {
        request = request.header(header::COOKIE, format!("sid-local={token}"));
    }
    let body: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("proof", &proof).finish();
    request.body(if route.method == "GET" { Body::empty() } else { Body::from(body) }).unwrap()
}

/// Who asks, before the roles: nobody, an expired session, an owner who did not prove lately who it is, an owner without the
/// second factor that the organization wants, and somebody who is signed in and in no organization.
const OTHERS: [&str; 5] = ["anonymous", "expired", "unproven", "lacking", "stray"];

/// The statuses of a route: for the others, then for each role.
async fn statuses(world: &World, route: &Route, expired: &str) -> Vec<StatusCode> {
    let mut found = vec![world.status(request(route, "")).await, world.status(request(route, expired)).await];
    let owner = world.member("owner").await;
    world.sql(&format!("UPDATE sessions SET proven_at = NULL WHERE token_hash = sha256('{owner}')")).await;
    found.push(world.status(request(route, &owner)).await);
    world.member("owner").await;
    world.sql("UPDATE organizations SET second_factor_since = 1").await;
    found.push(world.status(request(route, &owner)).await);
    world.sql("UPDATE organizations SET second_factor_since = NULL").await;
    found.push(world.status(request(route, &stray(world).await)).await);
    for role in Role::ALL {
        let token = world.member(role.as_str()).await;
        // Who gives nobody's password again and again has to wait; here each comes for the first time.
        world.clock.advance(Duration::from_secs(60));
        found.push(world.status(request(route, &token)).await);
    }
    found
}

/// The session of somebody who was a member and is one of nothing any more.
async fn stray(world: &World) -> String {
    let token = world.member("viewer").await;
    world.sql("DELETE FROM memberships WHERE role = 'viewer'").await;
    token
}

/// A session that was an owner's until a second ago.
pub(crate) async fn expired(world: &World) -> String {
    let token = world.member("owner").await;
    let old = format!("{:A<43}", "old");
    let ended = world.clock.now().micros() - 1_000_000;
    world.sql(&format!("UPDATE sessions SET token_hash = sha256('{old}'), expires_at = {ended} WHERE token_hash = sha256('{token}')")).await;
    old
}

/// Compares a file with what it has to be, or writes it.
#[track_caller]
pub(crate) fn holds(path: &Path, wanted: &str) {
    if std::env::var_os("PICKET_WRITE").is_some() {
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    for (found, wanted) in found.lines().zip(wanted.lines()) {
        assert_eq!(found, wanted, "{}: PICKET_WRITE=1 writes it anew", path.display());
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "{}: lines are missing or too many", path.display());
}

pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test]
async fn every_route_answers_everybody_as_the_matrix_says() {
    let world = World::new().await;
    let expired = expired(&world).await;
    let mut matrix = format!("route {}", OTHERS.join(" "));
    for role in Role::ALL {
        let _ = write!(matrix, " {role}");
    }
    matrix.push('\n');
    for route in ROUTES {
        let what = format!("{} {}", route.method, route.path);
        let found = statuses(&world, route, &expired).await;
        let (others, roles) = found.split_at(OTHERS.len());
        let &[anonymous, expired, unproven, lacking, stray] = others else { unreachable!() };
        let turned_away = if route.method == "GET" { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
        let led_on = if route.method == "GET" { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
        if let Who::User(right) | Who::Proven(right) = route.who {
            assert_eq!([anonymous, expired], [turned_away, turned_away], "{what}");
            if matches!(route.who, Who::Proven(_)) {
                assert_eq!(unproven, StatusCode::SEE_OTHER, "{what} without proof");
            }
            // To set one up is part of the account, and all that is open until then.
            let own = matches!(right, Right::AccountRead | Right::AccountWrite);
            assert_eq!(lacking, if own { roles[0] } else { led_on }, "{what} without the second factor that is wanted");
            assert_eq!(stray, led_on, "{what} in no organization");
            // There an answer may be wrong of who is signed in.
            let asks = what == "POST /step-up";
            for (role, status) in Role::ALL.iter().zip(roles) {
                assert_eq!(*status != StatusCode::FORBIDDEN, role.may(right), "{what} for {role}: {status}");
                assert!(!matches!(status.as_u16(), 500..), "{what} for {role}: {status}");
                assert_eq!(*status == StatusCode::UNAUTHORIZED, asks, "{what} for {role}: {status}");
            }
        }
        if route.who == Who::Person {
            assert_eq!([anonymous, expired], [turned_away, turned_away], "{what}");
            assert!(
                found[2..].windows(2).all(|pair| pair[0] == pair[1]),
                "neither role nor organization count: {what}"
            );
        }
        if let Who::Key(_) = route.who {
            assert!(found.iter().all(|status| *status == StatusCode::UNAUTHORIZED), "no session opens {what}");
        }
        if route.who == Who::Admin {
            let nothing = |status: &StatusCode| *status == StatusCode::NOT_FOUND;
            assert!(found.iter().all(nothing), "{what} is not there for anybody without a grant: {found:?}");
        }
        let cells: Vec<&str> = found.iter().map(StatusCode::as_str).collect();
        let _ = writeln!(matrix, "{what} {}", cells.join(" "));
    }
    holds(&file("tests/web/matrix.txt"), &matrix);
}

#[tokio::test]
async fn another_role_takes_effect_with_the_next_request() {
    let world = World::new().await;
    let token = world.member("editor").await;
    let route = ROUTES.iter().find(|route| route.path == "/monitors/new").unwrap();
    assert_eq!(world.status(request(route, &token)).await, StatusCode::OK);
    world.sql("UPDATE memberships SET role = 'viewer'").await;
    assert_eq!(world.status(request(route, &token)).await, StatusCode::FORBIDDEN);
    world.sql("DELETE FROM memberships").await;
    assert_eq!(world.status(request(route, &token)).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn pages_offer_nobody_what_the_role_does_not_include() {
    let world = World::new().await;
    for (role, writes) in [("owner", true), ("editor", true), ("responder", false), ("viewer", false)] {
        let token = world.member(role).await;
        let page = |path: &str| {
            let request = Request::builder().uri(path.to_owned()).header(header::HOST, "localhost:8080");
            world.send(request.header(header::COOKIE, format!("sid-local={token}")).body(Body::empty()).unwrap())
        };
        let list = page("/").await;
        assert_eq!(list.text.contains("/monitors/new"), writes, "{role}");
        assert_eq!(list.text.contains("href=\"/import\""), writes, "{role}");
        assert_eq!(list.text.contains("href=\"/channels\""), role != "viewer", "{role}");
        assert_eq!(page("/probes").await.text.contains("/probes/new"), role == "owner", "{role}");
    }
    let token = world.member("viewer").await;
    let request = Request::builder().uri("/monitors/new").header(header::HOST, "localhost:8080");
    let refused =
        world.send(request.header(header::COOKIE, format!("sid-local={token}")).body(Body::empty()).unwrap()).await;
    refused.shows("Your role in this organization does not include this.");
}

#[test]
fn the_document_on_access_is_made_from_the_tables() {
    let mut text = String::from(include_str!("access_head.md"));
    text.push_str("\n| right | what for |");
    for role in Role::ALL {
        let _ = write!(text, " {role} |");
    }
    text.push_str("\n|---|---|---|---|---|---|---|\n");
    for right in Right::ALL {
        let _ = write!(text, "| `{right}` | {} |", texts::right(*right));
        for role in Role::ALL {
            text.push_str(if role.may(*right) { " yes |" } else { " – |" });
        }
        text.push('\n');
    }
    text.push_str("\n## What each route needs\n\n| route | needs |\n|---|---|\n");
    for route in ROUTES {
        let needs = match route.who {
            Who::User(right) => format!("`{right}`, signed in"),
            Who::Proven(right) => {
                format!("`{right}`, signed in, with a password or second factor in the last ten minutes")
            }
            Who::Key(right) => format!("`{right}`, by an API key"),
            Who::Person => "signed in, in an organization or in none".to_owned(),
            Who::Admin => {
                "a live grant to administer the instance, a second factor, and a password or second factor in \
                           the last ten minutes; to everybody else it is not there"
                    .to_owned()
            }
            Who::Visitor => "nothing; what changes something comes from a page of Picket".to_owned(),
            Who::Anyone => "nothing".to_owned(),
            Who::Provider => {
                "an address that only Picket can make, and the signature of the channel's provider".to_owned()
            }
            Who::Probe => "a probe's token".to_owned(),
            Who::NewProbe => "nothing; for probes that have no time yet to sign by".to_owned(),
            Who::Scraper => "this machine, a listed address, or the token for metrics".to_owned(),
        };
        let _ = writeln!(text, "| `{} {}` | {needs} |", route.method, route.path);
    }
    holds(&file("../docs/access.md"), &text);
}
