//! Incidents on pages: the list, one with its timeline and forms, and those that people open.

use axum::http::StatusCode;

use crate::common::{Browser, World};

async fn opened(browser: &mut Browser<'_>) -> String {
    browser.get("/incidents/new").await;
    let fields = [("title", "Mails are <late>"), ("severity", "error"), ("text", "since noon\n\nand <b>slow</b>")];
    let answer = browser.post("/incidents/new", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.to().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_opens_an_incident_looks_after_it_and_says_what_was_learnt() {
    let world = World::new().await;
    let mut responder = Browser::of(&world, "responder").await;
    responder.get("/incidents").await.shows("There was no incident");
    let path = opened(&mut responder).await;
    let page = responder.get(&path).await;
    page.shows("Mails are &#60;late&#62;");
    page.shows("<p>and &#60;b&#62;slow&#60;/b&#62;</p>");
    page.shows("Opened by hand");
    page.shows("by responder@example.org");

    let done = responder.post(&format!("{path}/acknowledge"), &[]).await;
    assert_eq!(done.to(), format!("{path}?done=acknowledged"));
    responder.get("/incidents?state=unacknowledged").await.shows("No incident is like that.");
    responder.get("/incidents?state=open&q=late").await.shows("acknowledged by responder@example.org");
    responder.get(&path).await.hides("/acknowledge\"");

    let member = world.one("SELECT uuid FROM users WHERE email = 'responder@example.org'").await;
    responder.post(&format!("{path}/assign"), &[("member", &member)]).await;
    responder.get(&path).await.shows("Given to responder@example.org");
    let wrong = responder.post(&format!("{path}/assign"), &[("member", "01900000-0000-7000-8000-0000000000bb")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("There is no such person");
    responder.post(&format!("{path}/comments"), &[("text", "<i>It</i> is the relay")]).await;
    responder.get(&path).await.shows("&#60;i&#62;It&#60;/i&#62; is the relay");
    let empty = responder.post(&format!("{path}/comments"), &[("text", " ")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);

    responder.post(&format!("{path}/resolve"), &[]).await;
    responder.post(&format!("{path}/reopen"), &[]).await;
    responder.get(&path).await.shows(&format!("action=\"{path}/acknowledge\""));
    responder.post(&format!("{path}/resolve"), &[]).await;
    let late = responder.post(&format!("{path}/acknowledge"), &[]).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    late.shows("It is over: open it again first.");

    let none = responder.post(&format!("{path}/post-mortem"), &[("text", ""), ("published", "on")]).await;
    none.shows("There is nothing to publish");
    responder.post(&format!("{path}/post-mortem"), &[("text", "The relay\nwas full.")]).await;
    responder.get("/incidents").await.shows("post-mortem in draft");
    let fields = [("text", "The relay\nwas full."), ("published", "on")];
    responder.post(&format!("{path}/post-mortem"), &fields).await;
    let page = responder.get(&path).await;
    page.shows("<p class=\"words\">The relay<br>was full.</p>");
    page.shows("Post-mortem published");

    let mut viewer = Browser::of(&world, "viewer").await;
    let seen = viewer.get(&path).await;
    seen.shows("The relay");
    seen.hides("responder@example.org");
    seen.hides(&format!("action=\"{path}/"));
}

#[tokio::test]
async fn a_form_that_cannot_be_says_why_and_keeps_what_was_typed() {
    let world = World::new().await;
    let mut responder = Browser::of(&world, "responder").await;
    responder.get("/incidents/new").await;
    for (field, value, says) in [
        ("title", "", "Write 1 to 200 characters on one line."),
        ("severity", "awful", "Choose how bad it is."),
        ("monitor", "01900000-0000-7000-8000-0000000000bb", "is not there any more"),
    ] {
        let mut fields = vec![("title", "A title"), ("severity", "error"), ("text", "kept as it was")];
        fields.push((field, value));
        let answer = responder.post("/incidents/new", &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        answer.shows(says);
        answer.shows("kept as it was");
    }
    assert_eq!(world.one("SELECT count(*) FROM incidents").await, "0");
}

#[tokio::test]
async fn failures_from_some_regions_are_muted_for_a_time_and_switched_on_and_off() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/monitors/new").await;
    editor.post("/monitors/new", &[("kind", "http"), ("target", "https://shop.example/")]).await;
    let monitor = world.one("SELECT uuid FROM monitors").await;
    let path = format!("/monitors/{monitor}/regional-alert");
    editor.get(&format!("/monitors/{monitor}")).await;
    assert_eq!(editor.post(&path, &[("told", "on"), ("mute", "8")]).await.status, StatusCode::SEE_OTHER);
    let stored = "SELECT tells_regional || ' ' || coalesce(regional_muted_until, 0) FROM monitors";
    let until = (world.clock.now() + std::time::Duration::from_secs(8 * 3600)).micros();
    assert_eq!(world.one(stored).await, format!("true {until}"));
    editor.get(&format!("/monitors/{monitor}")).await.shows("Muted until ");
    editor.post(&path, &[("mute", "")]).await;
    assert_eq!(world.one(stored).await, format!("false {until}"), "the mute stays as it is");
    editor.post(&path, &[("told", "on"), ("mute", "0")]).await;
    assert_eq!(world.one(stored).await, "true 0");

    world
        .sql(
            r#"UPDATE states SET state = 'up', data = '{"overlays": {"regional": ["us-1"]}}';
             INSERT INTO region_states (org_id, monitor_id, region_id, version, status, fails, oks, since, last_at, last_trigger, self_check, received_at)
                 SELECT 1, m.id, r.id, 1, 'down', 3, 0, 5000000, 6000000, 'scheduled', 'good', 6000000 FROM monitors m, regions r WHERE r.code = 'us-1'"#,
        )
        .await;
    editor
        .get(&format!("/monitors/{monitor}"))
        .await
        .shows("<b>Failing from us-1</b> <time datetime=\"1970-01-01T00:00:05Z\"");
    editor.get("/").await.shows("failing from us-1 for ");
}
