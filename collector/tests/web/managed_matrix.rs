//! Who gets what through a consent: every route for members of the managing organization who are in the managed one, and for its own
//! members who ask for the managing one. `managed_matrix.txt` is made as `matrix.txt` is.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::Role;
use picket_collector::web::router::{ROUTES, Route, Who};

use crate::access::{file, holds, request};
use crate::common::World;
use crate::managements::{inside, managed};

/// What a member of this role there gets here, with so much at most.
async fn status(world: &World, route: &Route, role: Role, most: Role) -> StatusCode {
    world.sql(&format!("UPDATE managements SET most = '{most}'")).await;
    inside(world, role.as_str()).await;
    world.clock.advance(Duration::from_secs(60));
    let token = format!("{:A<43}", role.as_str());
    world.status(request(route, &token)).await
}

#[tokio::test]
async fn through_a_consent_every_route_answers_the_lesser_role_without_what_is_withheld() {
    let world = World::new().await;
    managed(&world, "admin").await;
    let most = || Role::ALL.into_iter().skip(1);
    let mut matrix = String::from("route");
    for most in most() {
        let _ = write!(matrix, " {most}");
    }
    matrix.push('\n');
    for route in ROUTES {
        let what = format!("{} {}", route.method, route.path);
        let mut cells = Vec::new();
        for most in most() {
            // Whoever is more there is this here, and so is who is this there.
            let statuses =
                [status(&world, route, Role::Owner, most).await, status(&world, route, most, Role::Admin).await];
            assert_eq!(statuses[0], statuses[1], "{what} for {most}");
            if let Who::User(right) | Who::Proven(right) = route.who {
                let may = most.may(right) && !right.is_withheld();
                assert_eq!(statuses[0] != StatusCode::FORBIDDEN, may, "{what} for {most}: {}", statuses[0]);
                assert!(statuses[0].as_u16() < 500, "{what} for {most}: {}", statuses[0]);
            }
            if let Who::Key(_) = route.who {
                assert_eq!(statuses[0], StatusCode::UNAUTHORIZED, "no session opens {what}");
            }
            cells.push(statuses[0].as_str().to_owned());
        }
        let _ = writeln!(matrix, "{what} {}", cells.join(" "));
    }
    holds(&file("tests/web/managed_matrix.txt"), &matrix);
}

#[tokio::test]
async fn members_of_the_managed_organization_have_nothing_of_the_managing_one() {
    let world = World::new().await;
    managed(&world, "admin").await;
    // The owner of `acme` owns `other` in its place, and asks for `acme`.
    for route in ROUTES {
        let token = world.member("owner").await;
        world
            .sql(
                "UPDATE memberships SET org_id = 2; UPDATE sessions SET chosen_org_id = 1 WHERE token_hash IS NOT NULL",
            )
            .await;
        let status = world.status(request(route, &token)).await;
        if matches!(route.who, Who::User(_) | Who::Proven(_)) {
            let wanted = if route.method == "GET" { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
            assert_eq!(status, wanted, "{} {}", route.method, route.path);
        }
        world.sql("DELETE FROM memberships").await;
    }
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE org_id = 1").await, "0");
}
