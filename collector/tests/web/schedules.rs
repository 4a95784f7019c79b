//! Schedules on pages: the list, one with its next fortnight, the form that is drawn anew, who stands in, the calendar.

use std::time::Duration;

use axum::http::StatusCode;

use crate::common::{Answer, Browser, World};

/// What names the member of this role outside.
pub(crate) async fn member(world: &World, role: &str) -> String {
    world.member(role).await;
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

/// Two take turns of a week in Berlin, by these hours if there are any.
fn turns<'a>(first: &'a str, second: &'a str, hours: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("name", "Office & <hours>"),
        ("zone", "Europe/Berlin"),
        ("rotations", "1"),
        ("r0.name", "week"),
        ("r0.starts", "2026-09-21T09:00"),
        ("r0.every", "1"),
        ("r0.unit", "weeks"),
        ("r0.member", first),
        ("r0.member", second),
        ("r0.member", ""),
    ];
    fields.extend(hours);
    fields
}

const WORKING: [(&str, &str); 8] = [
    ("r0.hours", "1"),
    ("r0h0.day", "1"),
    ("r0h0.day", "2"),
    ("r0h0.day", "3"),
    ("r0h0.day", "4"),
    ("r0h0.day", "5"),
    ("r0h0.from", "09:00"),
    ("r0h0.to", "17:00"),
];

/// Makes a schedule; gives its path.
pub(crate) async fn made(editor: &mut Browser<'_>, fields: &[(&str, &str)]) -> String {
    editor.get("/schedules/new").await;
    let answer = editor.post("/schedules/new", fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.to().split('?').next().unwrap().to_owned()
}

#[track_caller]
fn is_refused(answer: &Answer, says: &str) {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.shows(says);
    // What was typed stays.
    answer.shows("Office &#38; &#60;hours&#62;");
}

#[tokio::test]
async fn a_schedule_is_made_shown_day_by_day_changed_and_removed() {
    let world = World::new().await;
    let (first, second) = (member(&world, "editor").await, member(&world, "responder").await);
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/schedules").await.shows("Nobody takes turns yet");
    let path = made(&mut editor, &turns(&first, &second, &WORKING)).await;
    let page = editor.get(&format!("{path}?done=schedule_added")).await;
    page.shows("The schedule is added.");
    page.shows("editor@example.org until 2026-09-21 17:00 Europe/Berlin (UTC+02:00)");
    page.shows("responder@example.org, 2026-09-28 09:00 Europe/Berlin (UTC+02:00)");
    page.shows("editor@example.org → responder@example.org");
    page.shows("Mon, Tue, Wed, Thu, Fri 09:00–17:00");
    // Tests begin on Monday at 16:13:20 in Berlin.
    page.shows("<span class=\"day\">Mon 2026-09-21</span>");
    page.shows("<span>16:13–17:00 editor@example.org</span>");
    page.shows("<span class=\"empty-hours\">17:00–24:00 Nobody</span>");
    page.shows("<span class=\"day\">Sun 2026-10-04</span>");
    page.hides("2026-10-05</span>");
    page.shows("Nobody is on call from 2026-09-21 17:00 Europe/Berlin (UTC+02:00) until 2026-09-22 09:00");
    let list = editor.get("/schedules").await;
    list.shows("Office &#38; &#60;hours&#62;");
    list.shows("Nobody is on call from 2026-09-21 17:00");

    let form = editor.get(&format!("{path}/edit")).await;
    form.shows("value=\"2026-09-21T09:00\"");
    form.shows(&format!("<option value=\"{first}\" selected>editor@example.org</option>"));
    form.shows("name=\"r0h0.from\" type=\"time\" value=\"09:00\"");
    let mut always = turns(&first, &second, &[]);
    always.push(("version", "1"));
    assert_eq!(editor.post(&format!("{path}/edit"), &always).await.to(), format!("{path}?done=schedule_changed"));
    editor.get(&path).await.hides("Nobody is on call");
    let late = editor.post(&format!("{path}/edit"), &always).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "somebody looked at what was before");

    let mut responder = Browser::of(&world, "responder").await;
    let seen = responder.get(&path).await;
    seen.shows("responder@example.org");
    seen.hides(&format!("action=\"{path}/"));
    assert_eq!(responder.post(&format!("{path}/remove"), &[]).await.status, StatusCode::FORBIDDEN);
    let gone = editor.post(&format!("{path}/remove"), &[]).await.to().to_owned();
    editor.get(&gone).await.shows("The schedule Office &#38; &#60;hours&#62; is removed.");
    assert_eq!(editor.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_button_that_adds_draws_the_form_anew_and_stores_nothing() {
    let world = World::new().await;
    let (first, second) = (member(&world, "editor").await, member(&world, "responder").await);
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/schedules/new").await.shows("name=\"rotations\" value=\"1\"");
    let press = |button: &'static str| {
        let mut fields = turns(&first, &second, &WORKING);
        fields.push(("redraw", button));
        fields
    };
    let more = editor.post("/schedules/new", &press("rotation")).await;
    assert_eq!(more.status, StatusCode::OK);
    more.shows("name=\"rotations\" value=\"2\"");
    more.shows("name=\"r1.starts\" type=\"datetime-local\" value=\"2026-09-21T09:00\"");
    more.shows(&format!("<option value=\"{second}\" selected>"));
    let one = editor.post("/schedules/new", &press("r0.hours")).await;
    one.shows("name=\"r0.hours\" value=\"2\"");
    one.shows("name=\"r0h1.to\" type=\"time\" value=\"17:00\"");
    editor.post("/schedules/new", &press("r0.hours0")).await.shows("name=\"r0.hours\" value=\"0\"");
    editor.post("/schedules/new", &press("r0.remove")).await.shows("name=\"rotations\" value=\"0\"");
    editor.post("/schedules/new", &press("r7.remove")).await.shows("name=\"rotations\" value=\"1\"");
    assert_eq!(world.one("SELECT count(*) FROM schedules").await, "0");
}

#[tokio::test]
async fn a_form_that_cannot_be_says_why_and_keeps_what_was_typed() {
    let world = World::new().await;
    let (first, second) = (member(&world, "editor").await, member(&world, "responder").await);
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/schedules/new").await;
    for (field, value, says) in [
        ("zone", "Berlin", "Time zone: There is no time zone “Berlin”"),
        ("r0.starts", "soon", "Rotation 1: must be a local time of whole minutes"),
        ("r0.every", "many", "Rotation: a turn in rotation &#34;week&#34; lasts 1 to 52 weeks"),
        ("r0h0.to", "late", "Rotation 1: a time of day is written as 09:00"),
    ] {
        let fields: Vec<_> = turns(&first, &second, &WORKING).into_iter().filter(|(name, _)| *name != field).collect();
        let answer = editor.post("/schedules/new", &[fields, vec![(field, value)]].concat()).await;
        is_refused(&answer, says);
    }
    let stranger = editor.post("/schedules/new", &turns("01900000-0000-7000-8000-0000000000bb", &second, &[])).await;
    is_refused(&stranger, "Rotation 1: is no member of the organization");
    made(&mut editor, &turns(&first, &second, &[])).await;
    is_refused(&editor.post("/schedules/new", &turns(&first, &second, &[])).await, "Another schedule is called");
    assert_eq!(world.one("SELECT count(*) FROM schedules").await, "1");
}

#[tokio::test]
async fn somebody_stands_in_by_the_clocks_of_the_schedule_and_it_is_taken_back() {
    let world = World::new().await;
    let (first, second) = (member(&world, "editor").await, member(&world, "responder").await);
    let mut editor = Browser::of(&world, "editor").await;
    let path = made(&mut editor, &turns(&first, &second, &[])).await;
    let wrong = [("member", second.as_str()), ("from", "2026-09-22T18:00"), ("to", "2026-09-22T08:00")];
    let answer = editor.post(&format!("{path}/overrides"), &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    answer.shows("Until: must lie after the beginning");
    answer.shows("value=\"2026-09-22T18:00\"");
    // From now on.
    let evening = [("member", second.as_str()), ("from", ""), ("to", "2026-09-21T20:00")];
    let done = editor.post(&format!("{path}/overrides"), &evening).await;
    assert_eq!(done.to(), format!("{path}?done=override_added"));
    assert_eq!(world.one("SELECT to_at / 1000000 FROM schedule_overrides").await, "1790013600");
    let page = editor.get(&path).await;
    page.shows("responder@example.org until 2026-09-21 20:00 Europe/Berlin (UTC+02:00)");
    page.shows("16:13–20:00 responder@example.org <em>stands in</em>");
    let one = world.one("SELECT uuid FROM schedule_overrides").await;
    let taken = editor.post(&format!("{path}/overrides/{one}/remove"), &[]).await;
    assert_eq!(taken.to(), format!("{path}?done=override_removed"));
    editor.get(&path).await.shows("Nobody stands in.");
    // What is over is shown no more.
    editor.post(&format!("{path}/overrides"), &evening).await;
    world.clock.advance(Duration::from_secs(4 * 3600));
    editor.get(&path).await.shows("Nobody stands in.");
}

#[tokio::test]
async fn the_calendar_is_a_file_for_other_programs() {
    let world = World::new().await;
    let (first, second) = (member(&world, "editor").await, member(&world, "responder").await);
    let mut editor = Browser::of(&world, "editor").await;
    let path = made(&mut editor, &turns(&first, &second, &[])).await;
    let calendar = editor.get(&format!("{path}/calendar.ics")).await;
    assert_eq!(calendar.header("content-type"), "text/calendar; charset=utf-8; method=PUBLISH");
    calendar.shows("SUMMARY:Office & <hours>: editor@example.org\r\n");
    calendar.shows("DTSTART:20260921T070000Z\r\nDTEND:20260928T070000Z\r\n");
    let mut viewer = Browser::of(&world, "viewer").await;
    assert_eq!(viewer.get(&format!("{path}/calendar.ics")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whom_nothing_would_reach_is_named_until_they_have_a_verified_channel_of_their_own() {
    let world = World::new().await;
    let (first, second) = (member(&world, "editor").await, member(&world, "responder").await);
    let mut editor = Browser::of(&world, "editor").await;
    let path = made(&mut editor, &turns(&first, &second, &[])).await;
    let warns = "without a verified channel of their own, so nothing would reach them: ";
    editor.get(&path).await.shows(&format!("{warns}editor@example.org, responder@example.org."));
    let own = |role: &str, verified: &str| {
        format!(
            "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by, is_personal)
                 VALUES (gen_random_uuid(), 1, '{role}', 'email', 'h', '\\x00', 0, {verified}, true);
             INSERT INTO member_channels (org_id, user_id, channel_id, created_at)
                 SELECT 1, u.id, c.id, 0 FROM users u, channels c WHERE u.email = '{role}@example.org' AND c.name = '{role}'"
        )
    };
    world.sql(&own("editor", "1, 'code'")).await;
    world.sql(&own("responder", "NULL, NULL")).await;
    editor.get(&path).await.shows(&format!("{warns}responder@example.org."));
    world.sql("UPDATE channels SET verified_at = 1, verified_by = 'code'").await;
    editor.get(&path).await.hides(warns);
}
