//! Schedules by the API: made, asked, changed, removed; who stands in; as a calendar.

use serde_json::{Value, json};

use super::Program;
use crate::common::World;

/// What names the member of this role outside.
pub(super) async fn member(world: &World, role: &str) -> String {
    world.member(role).await;
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

/// Two take turns of a week in Berlin, on working days from nine to five; tests begin on Monday, 2026-09-21 at 14:13:20 UTC.
async fn office(world: &World) -> Value {
    let (editor, responder) = (member(world, "editor").await, member(world, "responder").await);
    json!({
        "name": "Office", "zone": "europe/berlin", "rotations": [{
            "name": "week", "starts": "2026-09-21T09:00", "every": 1, "unit": "weeks", "members": [editor, responder],
            "hours": [{ "days": [1, 2, 3, 4, 5], "from": "09:00", "to": "17:00" }],
        }],
    })
}

#[tokio::test]
async fn a_schedule_is_made_asked_changed_and_removed() {
    let world = World::new().await;
    let body = office(&world).await;
    let (first, second) = (&body["rotations"][0]["members"][0], &body["rotations"][0]["members"][1]);
    let editor = Program::of(&world, "editor").await;
    let made = editor.post("/schedules", body.clone()).await;
    let id = made.text("/id").to_owned();
    assert_eq!((made.status, made.answer.to()), (201, format!("/api/v1/schedules/{id}").as_str()));
    assert_eq!((made.text("/zone"), made.text("/on_call/called")), ("Europe/Berlin", "editor@example.org"));
    assert_eq!((made.at("/on_call/member"), made.text("/on_call/to")), (first, "2026-09-21T15:00:00.000000Z"));
    assert_eq!((made.at("/next/member"), made.text("/next/from")), (second, "2026-09-28T07:00:00.000000Z"));
    assert_eq!(made.text("/nobody/0/from"), "2026-09-21T15:00:00.000000Z");
    assert_eq!(made.text("/nobody/0/to"), "2026-09-22T07:00:00.000000Z");
    assert_eq!(made.at("/rotations/0/hours/0/days"), &json!([1, 2, 3, 4, 5]));

    let path = format!("/schedules/{id}");
    let then = editor.get(&format!("{path}/on-call?at=2026-09-28T10:00:00Z")).await;
    assert_eq!((then.at("/member"), then.text("/to")), (second, "2026-09-28T15:00:00.000000Z"));
    let night = editor.get(&format!("{path}/on-call?at=2026-09-28T20:00:00Z")).await;
    assert_eq!((night.at("/member"), night.at("/called")), (&Value::Null, &Value::Null));

    let mut always = body.clone();
    always["rotations"][0]["hours"] = json!([]);
    always["version"] = json!(1);
    let changed = editor.put(&path, always.clone()).await;
    assert_eq!((changed.status, changed.at("/nobody"), changed.at("/version")), (200, &json!([]), &json!(2)));
    assert_eq!(editor.put(&path, always).await.problem().1, "changed-meanwhile", "it was looked at before");

    let responder = Program::of(&world, "responder").await;
    assert_eq!(responder.get("/schedules").await.text("/items/0/name"), "Office");
    assert_eq!(responder.post("/schedules", body.clone()).await.problem().0, 403);
    assert_eq!(responder.delete(&path).await.problem().0, 403);
    let taken = editor.post("/schedules", body).await;
    assert_eq!((taken.problem().1, taken.problem().2), ("invalid-body", vec!["name"]));
    assert_eq!(editor.delete(&path).await.status, 204);
    assert_eq!(editor.get(&path).await.problem().1, "not-found");
    let audited =
        world.one("SELECT string_agg(action, ' ' ORDER BY seq) FROM audit WHERE action LIKE 'schedule.%'").await;
    assert_eq!(audited, "schedule.add schedule.edit schedule.remove");
}

#[tokio::test]
async fn somebody_stands_in_and_it_is_taken_back() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let body = office(&world).await;
    let second = body["rotations"][0]["members"][1].clone();
    let made = editor.post("/schedules", body).await;
    let path = format!("/schedules/{}", made.text("/id"));
    let over = |from: &str, to: &str| json!({ "member": second, "from": from, "to": to });
    let overrides = format!("{path}/overrides");
    let stood = editor.post(&overrides, over("2026-09-21T14:00:00Z", "2026-09-22T00:00:00Z")).await;
    assert_eq!((stood.status, stood.at("/on_call/member")), (201, &second));
    assert_eq!((stood.at("/on_call/stands_in"), stood.at("/overrides/0/member")), (&json!(true), &second));

    for (from, to, fields) in [
        ("2026-09-21T14:00:00Z", "2026-09-21T13:00:00Z", vec!["to"]),
        ("2026-09-20T14:00:00Z", "2026-09-21T14:00:00Z", vec!["to"]),
        ("2026-09-21T14:00:00Z", "2027-09-21T14:00:00Z", vec!["to"]),
    ] {
        assert_eq!(editor.post(&overrides, over(from, to)).await.problem().2, fields, "{from} {to}");
    }
    let stranger = json!({ "member": "01900000-0000-7000-8000-0000000000bb", "from": "2026-09-21T14:00:00Z", "to": "2026-09-22T00:00:00Z" });
    assert_eq!(editor.post(&overrides, stranger).await.problem().2, ["member"]);

    let one = format!("{overrides}/{}", stood.text("/overrides/0/id"));
    assert_eq!(editor.delete(&one).await.status, 204);
    assert_eq!(editor.delete(&one).await.problem().1, "not-found");
    assert_eq!(editor.get(&path).await.at("/overrides"), &json!([]));
}

#[tokio::test]
async fn a_calendar_names_members_to_who_may_see_them() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let made = editor.post("/schedules", office(&world).await).await;
    let path = format!("/schedules/{}/calendar", made.text("/id"));
    let calendar = editor.get(&path).await;
    assert_eq!(calendar.answer.header("content-type"), "text/calendar; charset=utf-8; method=PUBLISH");
    assert!(calendar.answer.header("content-disposition").ends_with(".ics\""));
    calendar.answer.shows("BEGIN:VCALENDAR\r\n");
    calendar.answer.shows("SUMMARY:Office: editor@example.org\r\n");
    calendar.answer.shows("DTSTART:20260921T070000Z\r\nDTEND:20260921T150000Z\r\n");
    let scopes = [picket_collector::domain::access::Right::PoliciesRead];
    let narrow = Program { world: &world, key: world.key("editor", &scopes, &[]).await };
    let calendar = narrow.get(&path).await;
    calendar.answer.shows("SUMMARY:Office\r\n");
    calendar.answer.hides("@example.org");
    assert_eq!(narrow.get("/schedules").await.at("/items/0/on_call/called"), &Value::Null);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_field_and_nothing_is_kept() {
    let world = World::new().await;
    let editor = Program::of(&world, "editor").await;
    let body = office(&world).await;
    for (pointer, value, field) in [
        ("/name", json!("two\nlines"), "name"),
        ("/zone", json!("Europe/Nowhere"), "zone"),
        ("/rotations/0/starts", json!("soon"), "rotations[0].starts"),
        ("/rotations/0/starts", json!("2026-09-21T09:00:30"), "rotations[0].starts"),
        ("/rotations/0/starts", json!("1999-09-21T09:00"), "rotations"),
        ("/rotations/0/unit", json!("years"), "rotations[0].unit"),
        ("/rotations/0/every", json!(0), "rotations[0].every"),
        ("/rotations/0/every", json!(53), "rotations"),
        ("/rotations/0/members", json!([]), "rotations"),
        ("/rotations/0/members/0", json!("01900000-0000-7000-8000-0000000000bb"), "rotations[0].members[0]"),
        ("/rotations/0/hours/0/from", json!("9"), "rotations[0].hours[0]"),
        ("/rotations/0/hours/0/days", json!([8]), "rotations[0].hours[0].days[0]"),
    ] {
        let mut wrong = body.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let refused = editor.post("/schedules", wrong).await;
        assert_eq!((refused.problem().0, refused.problem().2), (422, vec![field]), "{pointer}");
    }
    let mut more = body;
    more["nonsense"] = json!(1);
    assert_eq!(editor.post("/schedules", more).await.problem().2, ["nonsense"]);
    assert_eq!(world.one("SELECT count(*) FROM schedules").await, "0");
}
