//! Maintenance on pages: the list, one window with its next times, the form, and what the buttons do.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::flow::maintenance;

use crate::common::{Browser, World};

const WEEKLY: [(&str, &str); 13] = [
    ("title", "Mails & <queues>"),
    ("note", "first\n<b>second</b>"),
    ("start", "2026-09-28T02:00"),
    ("zone", "Europe/Berlin"),
    ("hours", "1"),
    ("minutes", "30"),
    ("repeat", "weekly"),
    ("rule", "not read"),
    ("scope", "tags"),
    ("tags", "mail, , queue"),
    ("holds_alerts", "on"),
    ("counts_as", "normal"),
    ("announce", "86400"),
];

/// The same with other fields.
fn with<'a>(fields: &[(&'a str, &'a str)], other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = fields.iter().filter(|(name, _)| !other.iter().any(|(changed, _)| name == changed));
    kept.chain(other).copied().collect()
}

async fn planned(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> String {
    browser.get("/maintenance/new").await;
    let answer = browser.post("/maintenance/new", fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert!(answer.to().ends_with("?done=maintenance_planned"), "{}", answer.to());
    answer.to().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_plans_maintenance_leaves_a_time_out_changes_it_and_deletes_and_restores_it() {
    let world = World::new().await;
    let mut responder = Browser::of(&world, "responder").await;
    responder.get("/maintenance").await.shows("No maintenance is planned");
    let path = planned(&mut responder, &WEEKLY).await;
    let page = responder.get(&format!("{path}?done=maintenance_planned")).await;
    page.shows("The maintenance is planned.");
    page.shows("Mails &#38; &#60;queues&#62;");
    page.shows("first<br>&#60;b&#62;second&#60;/b&#62;");
    page.shows("every Monday at 02:00 Europe/Berlin for 1 h 30 min");
    page.shows("Monitors with the tags mail, queue");
    page.shows("By the clocks of Europe/Berlin.");
    page.shows(">2026-09-28 02:00 UTC+02:00</time>");
    page.shows(">2026-10-26 02:00 UTC+01:00</time>");
    page.shows(">03:30</time>");
    page.shows("Channels are told 1 d before");
    page.shows("responder@example.org");
    page.hides("Status pages show it");
    let list = responder.get("/maintenance").await;
    list.shows("Upcoming");
    list.shows(&format!("href=\"{path}\""));

    let done = responder.post(&format!("{path}/skip"), &[]).await;
    assert_eq!(done.to(), format!("{path}?done=maintenance_skipped"));
    responder.get(&path).await.shows("<dd>2026-09-28 02:00 Europe/Berlin (UTC+02:00)</dd>");
    let form = responder.get(&format!("{path}/edit")).await;
    form.shows("<option value=\"weekly\" selected>");
    form.shows(">2026-09-28T02:00</textarea>");
    form.shows("value=\"mail, queue\"");
    // What is left out comes again.
    let fields = with(
        &WEEKLY,
        &[("exceptions", ""), ("shows_on_page", "on"), ("repeat", "rule"), ("rule", "FREQ=WEEKLY;COUNT=3")],
    );
    assert_eq!(responder.post(&format!("{path}/edit"), &fields).await.to(), format!("{path}?done=maintenance_changed"));
    let page = responder.get(&path).await;
    page.shows("Status pages show it");
    page.shows("<time datetime=\"2026-09-28T00:00:00.000Z\"");
    page.hides("2026-10-19");

    let gone = responder.post(&format!("{path}/delete"), &[]).await.to().to_owned();
    let list = responder.get(&gone).await;
    list.shows("Maintenance Mails &#38; &#60;queues&#62; is deleted.");
    list.shows(&format!("action=\"{path}/restore\""));
    assert_eq!(responder.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(responder.post(&format!("{path}/restore"), &[]).await.to(), format!("{path}?done=maintenance_restored"));
    responder.get(&path).await.shows("every Monday");

    let mut viewer = Browser::of(&world, "viewer").await;
    let seen = viewer.get(&path).await;
    seen.shows("every Monday");
    seen.hides("responder@example.org");
    seen.hides(&format!("action=\"{path}/"));
    viewer.get("/maintenance").await.hides("/maintenance/new");
}

#[tokio::test]
async fn what_begins_now_is_shown_as_running_on_its_monitor_too_and_is_ended() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/monitors/new").await;
    editor.post("/monitors/new", &[("kind", "http"), ("target", "https://shop.example/"), ("name", "shop")]).await;
    let monitor = world.one("SELECT uuid FROM monitors").await;
    editor.get("/maintenance/new").await.shows("> shop</label>");
    let fields = [
        ("title", "Disks"),
        ("hours", "2"),
        ("zone", "UTC"),
        ("scope", "monitors"),
        ("monitor", monitor.as_str()),
        ("holds_alerts", "on"),
        ("counts_as", "maintenance"),
    ];
    let path = planned(&mut editor, &fields).await;
    maintenance::run(&world.pools(), world.clock.now()).await.unwrap();
    editor.get(&path).await.shows("In maintenance until 2026-09-21 16:13 UTC.");
    let list = editor.get("/maintenance").await;
    list.shows("Running");
    list.shows(" for 2 h · shop</span>");
    let on_monitor = format!("<a href=\"{path}\">In maintenance until 2026-09-21 16:13 UTC: Disks</a>");
    editor.get(&format!("/monitors/{monitor}")).await.shows(&on_monitor);
    assert_eq!(editor.post(&format!("{path}/skip"), &[]).await.status, StatusCode::CONFLICT, "nothing comes");

    world.clock.advance(Duration::from_secs(600));
    assert_eq!(editor.post(&format!("{path}/end"), &[]).await.to(), format!("{path}?done=maintenance_ended"));
    // Two pressed at once.
    assert_eq!(editor.post(&format!("{path}/end"), &[]).await.status, StatusCode::SEE_OTHER);
    let page = editor.get(&path).await;
    page.hides("In maintenance until");
    page.shows("2026-09-21 14:23 UTC");
    editor.get("/maintenance").await.shows("Past");
    editor.get(&format!("/monitors/{monitor}")).await.hides("Disks");
    assert_eq!(world.one("SELECT count(*) FROM notices").await, "0", "nobody was to be told");
}

#[tokio::test]
async fn a_form_that_cannot_be_says_why_and_keeps_what_was_typed() {
    let world = World::new().await;
    let mut responder = Browser::of(&world, "responder").await;
    responder.get("/maintenance/new").await;
    for (field, value, says) in [
        ("title", " ", "Title: must be 1 to 200 characters on one line"),
        ("zone", "Berlin", "Time zone: There is no time zone “Berlin”"),
        ("start", "soon", "Start: must be a local time"),
        ("hours", "many", "Duration: must be a number of seconds"),
        ("hours", "700", "begins before that of"),
        ("tags", " ,", "Monitors: must be 1 to 500 tags"),
        ("exceptions", "<i>", "Left out: must be at most 200 local times"),
    ] {
        let answer = responder.post("/maintenance/new", &with(&WEEKLY, &[(field, value)])).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        answer.shows(says);
        answer.shows("first\n&#60;b&#62;second");
    }
    let nobody = [("scope", "monitors"), ("monitor", "01900000-0000-7000-8000-0000000000bb")];
    let answer = responder.post("/maintenance/new", &with(&WEEKLY, &nobody)).await;
    answer.shows("One of these monitors is not there any more");
    assert_eq!(world.one("SELECT count(*) FROM maintenances").await, "0");
}

#[tokio::test]
async fn an_edit_keeps_the_seconds_that_the_form_cannot_say() {
    let world = World::new().await;
    let mut responder = Browser::of(&world, "responder").await;
    let path = planned(&mut responder, &with(&WEEKLY, &[("repeat", "weekday")])).await;
    assert_eq!(world.one("SELECT rule FROM maintenances").await, "FREQ=MONTHLY;BYDAY=4MO");
    world.sql("UPDATE maintenances SET duration_s = 5445").await;
    responder
        .get(&format!("{path}/edit"))
        .await
        .shows("name=\"minutes\" type=\"number\" min=\"0\" max=\"59\" value=\"30\"");
    responder.get(&format!("{path}/edit")).await.shows("<option value=\"weekday\" selected>");
    let fields = with(&WEEKLY, &[("title", "Other"), ("repeat", "rule"), ("rule", "FREQ=MONTHLY;BYDAY=4MO")]);
    responder.post(&format!("{path}/edit"), &fields).await;
    assert_eq!(world.one("SELECT title || ' ' || duration_s FROM maintenances").await, "Other 5445");
    responder.post(&format!("{path}/edit"), &with(&fields, &[("minutes", "15")])).await;
    assert_eq!(world.one("SELECT duration_s FROM maintenances").await, "4500");
}
