//! Who gets what through a consent: every route for members of the managing organization who are in the managed one, and for its own
//! members who ask for the managing one. `managed_matrix.txt` is made as `matrix.txt` is.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::Role;
use picket_collector::web::router::{ROUTES, Who};

use crate::access::{file, holds, request};
use crate::common::World;
use crate::managements::{inside, managed};

/// What a member of this role there gets here by each route, with so much at most.
async fn statuses(role: Role, most: Role) -> Vec<StatusCode> {
    let world = World::new().await;
    managed(&world, most.as_str()).await;
    let token = format!("{:A<43}", role.as_str());
    let mut found = Vec::new();
    for route in ROUTES {
        inside(&world, role.as_str()).await;
        // Who gives nobody's password again and again has to wait; here each comes for the first time.
        world.clock.advance(Duration::from_secs(60));
        found.push(world.status(request(route, &token)).await);
    }
    found
}

#[tokio::test]
async fn through_a_consent_every_route_answers_the_lesser_role_without_what_is_withheld() {
    let mut matrix: Vec<String> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let mut head = String::from("route");
    for most in Role::ALL.into_iter().skip(1) {
        // Whoever is more there is this here, and so is who is this there.
        let (found, lesser) = tokio::join!(statuses(Role::Owner, most), statuses(most, Role::Admin));
        let _ = write!(head, " {most}");
        for (n, route) in ROUTES.iter().enumerate() {
            let (status, what) = (found[n], format!("{} {} for {most}", route.method, route.path));
            assert_eq!(status, lesser[n], "{what}");
            if let Who::User(right) | Who::Proven(right) = route.who {
                let may = most.may(right) && !right.is_withheld();
                assert_eq!(status != StatusCode::FORBIDDEN, may, "{what}: {status}");
                assert!(status.as_u16() < 500, "{what}: {status}");
            }
            if let Who::Key(_) = route.who {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "no session opens {what}");
            }
            let _ = write!(matrix[n], " {}", status.as_str());
        }
    }
    holds(&file("tests/web/managed_matrix.txt"), &format!("{head}\n{}\n", matrix.join("\n")));
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
