//! Policies on pages: the list, one in words, the form that is drawn anew, and who would be told of a monitor.

use axum::http::StatusCode;

use crate::common::{Browser, World};
use crate::schedules::{made, member};

/// A verified channel of the organization, as the pages would make it.
pub(crate) async fn channel(world: &World, name: &str) -> String {
    world
        .sql(&format!(
            "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by)
             VALUES (gen_random_uuid(), 1, '{name}', 'email', 'o***@example.org', '\\x00', 0, 1, 'code')"
        ))
        .await;
    world.one(&format!("SELECT uuid FROM channels WHERE name = '{name}'")).await
}

/// Makes that channel the member's own.
pub(crate) async fn own(world: &World, channel: &str, member: &str) {
    world
        .sql(&format!(
            "UPDATE channels SET is_personal = true WHERE uuid = '{channel}';
             INSERT INTO member_channels (org_id, user_id, channel_id, created_at)
                 SELECT 1, u.id, c.id, 0 FROM users u, channels c WHERE u.uuid = '{member}' AND c.uuid = '{channel}'"
        ))
        .await;
}

/// The monitor `shop` with the tag `web`; gives its id.
pub(crate) async fn monitor(editor: &mut Browser<'_>) -> String {
    editor.get("/monitors/new").await;
    let fields = [("kind", "http"), ("target", "https://shop.example/"), ("name", "shop"), ("tags", "web")];
    assert_eq!(editor.post("/monitors/new", &fields).await.status, StatusCode::SEE_OTHER);
    editor.world.one("SELECT uuid FROM monitors").await
}

/// A schedule on which the responder always is on call; gives its id.
async fn always(world: &World, editor: &mut Browser<'_>) -> String {
    let responder = member(world, "responder").await;
    let fields = [
        ("name", "Primary"),
        ("zone", "UTC"),
        ("rotations", "1"),
        ("r0.name", "turns"),
        ("r0.starts", "2026-09-01T09:00"),
        ("r0.every", "1"),
        ("r0.unit", "weeks"),
        ("r0.member", responder.as_str()),
    ];
    made(editor, &fields).await.trim_start_matches("/schedules/").to_owned()
}

#[tokio::test]
async fn a_policy_is_made_shown_in_words_changed_and_removed() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/policies").await.shows("Every channel is told of everything at once");
    monitor(&mut editor).await;
    let (ops, schedule) = (channel(&world, "ops & <co>").await, always(&world, &mut editor).await);
    let (ops, schedule) = (format!("channels:{ops}"), format!("schedules:{schedule}"));
    let mut fields = vec![
        ("name", "Nights"),
        ("tags", "web, , db"),
        ("levels", "2"),
        ("l0.wait", "0m"),
        ("l0.target", schedule.as_str()),
        ("l1.wait", "15m"),
        ("l1.target", ops.as_str()),
        ("l1.target", schedule.as_str()),
        ("repeats", "2"),
        ("repeat_after", "1h"),
        ("reminder", "30m"),
        ("sms_per_day", "20"),
    ];
    editor.get("/policies/new").await.shows("ops &#38; &#60;co&#62;</label>");
    let answer = editor.post("/policies/new", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let path = answer.to().split('?').next().unwrap().to_owned();
    let page = editor.get(&path).await;
    page.shows("<dt>At once</dt><dd><a href=\"/schedules/");
    page.shows(">on call: Primary</a>");
    page.shows("<dt>After 15 min more</dt>");
    page.shows(">ops &#38; &#60;co&#62;</a>");
    page.shows("All levels again, 2 times, each 1 h after the last");
    page.shows("Who was told is reminded after 30 min");
    page.shows("Only channels that hold an alarm are told that it is over");
    page.shows("20 at most");
    page.shows(">shop</a> <span class=\"why\">It is for one of the monitor&#39;s tags</span>");
    page.hides("<em class=\"over\">Default</em>");
    page.hides("Nobody is on call at some hours");

    let form = editor.get(&format!("{path}/edit")).await;
    form.shows("value=\"15m\"");
    form.shows(&format!("value=\"{ops}\" checked>"));
    fields.extend([("default", "on"), ("tells_recovery", "on"), ("version", "1")]);
    assert_eq!(editor.post(&format!("{path}/edit"), &fields).await.to(), format!("{path}?done=policy_changed"));
    assert_eq!(editor.post(&format!("{path}/edit"), &fields).await.status, StatusCode::CONFLICT, "looked at before");
    editor.get(&path).await.shows("Who was told is told that it is over");
    editor.get("/policies").await.shows("<em class=\"over\">Default</em>");

    let mut responder = Browser::of(&world, "responder").await;
    responder.get(&path).await.hides(&format!("action=\"{path}/"));
    assert_eq!(responder.post(&format!("{path}/remove"), &[]).await.status, StatusCode::FORBIDDEN);
    let mut viewer = Browser::of(&world, "viewer").await;
    assert_eq!(viewer.get(&path).await.status, StatusCode::FORBIDDEN);
    let gone = editor.post(&format!("{path}/remove"), &[]).await.to().to_owned();
    editor.get(&gone).await.shows("The policy Nights is removed.");
    assert_eq!(editor.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_is_drawn_anew_by_its_buttons_and_says_what_cannot_be() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    let ops = format!("channels:{}", channel(&world, "ops").await);
    editor.get("/policies/new").await.shows("name=\"levels\" value=\"1\"");
    let fields = |more: &[(&'static str, &'static str)]| {
        let mut fields = vec![("name", "Nights"), ("levels", "1"), ("l0.wait", "5m"), ("l0.target", ops.as_str())];
        fields.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
        fields.extend(more);
        fields
    };
    let more = editor.post("/policies/new", &fields(&[("redraw", "level")])).await;
    assert_eq!(more.status, StatusCode::OK);
    more.shows("name=\"levels\" value=\"2\"");
    more.shows("name=\"l1.wait\" type=\"text\" value=\"15m\"");
    more.shows(&format!("value=\"{ops}\" checked>"));
    editor.post("/policies/new", &fields(&[("redraw", "l0.remove")])).await.shows("name=\"levels\" value=\"0\"");
    for (more, says) in [
        ([("name", " ")], "What to call it: must be 1 to 200 characters"),
        ([("levels", "0")], "Level: needs 1 to 10 levels"),
        ([("l0.wait", "soon")], "Level: a level waits 24 hours at most"),
        ([("l0.target", "channels:01900000-0000-7000-8000-0000000000bb")], "Level 1: is not there"),
        ([("repeats", "11")], "Go through all levels again, so often: at most 9 times"),
        ([("reminder", "1m")], "Remind who was told after: use 5 minutes to 24 hours"),
        ([("sms_per_day", "many")], "SMS and calls in 24 hours: at most 10000"),
    ] {
        let answer = editor.post("/policies/new", &fields(&more)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{more:?}");
        answer.shows(says);
    }
    assert_eq!(world.one("SELECT count(*) FROM policies").await, "0");
    assert_eq!(editor.post("/policies/new", &fields(&[])).await.status, StatusCode::SEE_OTHER);
    editor.post("/policies/new", &fields(&[])).await.shows("Another policy is called Nights");
}

#[tokio::test]
async fn a_monitor_says_who_would_be_told_and_why_and_warns_where_nobody_would() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    let page = format!("/monitors/{}", monitor(&mut editor).await);
    let ops = channel(&world, "ops").await;
    let card = editor.get(&page).await;
    card.shows("No policy is for it: every verified channel is told at once.");
    card.shows(&format!("<dt>At once</dt><dd><a href=\"/channels/{ops}\">ops</a><br></dd>"));

    let schedule = format!("schedules:{}", always(&world, &mut editor).await);
    let ops = format!("channels:{ops}");
    let fields = [
        ("name", "Nights"),
        ("tags", "web"),
        ("levels", "2"),
        ("l0.wait", "5m"),
        ("l0.target", schedule.as_str()),
        ("l1.wait", "15m"),
        ("l1.target", ops.as_str()),
    ];
    assert_eq!(editor.post("/policies/new", &fields).await.status, StatusCode::SEE_OTHER);
    // Nobody is reached first, so the second level comes at once then.
    let card = editor.get(&page).await;
    card.shows(">Nights</a>. It is for one of the monitor&#39;s tags.");
    card.shows(
        "<dt>After 5 min</dt><dd><span class=\"soft\">on call: Primary: no verified channel of their own</span>",
    );
    card.shows(">ops</a>");
    card.hides("Nobody would be told.");
    let phone = channel(&world, "phone").await;
    own(&world, &phone, &member(&world, "responder").await).await;
    let card = editor.get(&page).await;
    card.shows("phone</a> <span class=\"soft\">(on call: Primary, responder@example.org)</span>");
    card.shows("<dt>After 20 min</dt>");

    world.sql("UPDATE channels SET verified_at = NULL, verified_by = NULL").await;
    let card = editor.get(&page).await;
    card.shows("<p class=\"warning\">Nobody would be told.</p>");
    card.shows("ops: not verified");
    world.sql("DELETE FROM rotation_members").await;
    let card = editor.get(&page).await;
    card.shows("on call: Primary: nobody is on call then");
    card.shows("Nobody is on call at some hours of the next 14 days: Primary.");
    editor.get("/policies").await.shows("Nobody is on call at some hours of the next 14 days: Primary.");
    editor.get("/schedules").await.shows("Nobody is on call in the next 14 days.");
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get(&page).await.hides("Who would be told");
}

#[tokio::test]
async fn a_monitor_names_a_policy_in_its_form_and_leaves_it_again() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    let page = format!("/monitors/{}", monitor(&mut editor).await);
    editor.get(&format!("{page}/edit")).await.hides("name=\"policy\"");
    let ops = format!("channels:{}", channel(&world, "ops").await);
    let fields = [("name", "Nights"), ("levels", "1"), ("l0.wait", "0m"), ("l0.target", ops.as_str())];
    let policy = editor.post("/policies/new", &fields).await.to().to_owned();
    let policy = policy.trim_start_matches("/policies/").split('?').next().unwrap().to_owned();
    let mut fields = vec![("kind", "http"), ("target", "https://shop.example/"), ("name", "shop"), ("tags", "web")];
    fields.extend([("every", "60s"), ("timeout", "10000ms"), ("auth", "none"), ("severity", "critical")]);
    let of = |policy| [&fields[..], &[("policy", policy)]].concat();
    let done = editor.post(&format!("{page}/edit"), &of(policy.as_str())).await;
    assert_eq!(done.to(), format!("{page}?done=changed"), "{}", done.text);
    editor.get(&page).await.shows(">Nights</a>. The monitor names it.");
    editor.get(&format!("{page}/edit")).await.shows(&format!("<option value=\"{policy}\" selected>Nights</option>"));
    editor.get(&format!("/policies/{policy}")).await.shows(">shop</a> <span class=\"why\">The monitor names it</span>");
    assert_eq!(world.one("SELECT version FROM monitors").await, "1", "what is watched stays what it was");
    let gone = editor.post(&format!("{page}/edit"), &of("01900000-0000-7000-8000-0000000000bb")).await;
    assert_eq!(gone.status, StatusCode::UNPROCESSABLE_ENTITY);
    gone.shows("This policy is not there any more");
    editor.post(&format!("{page}/edit"), &of("")).await;
    editor.get(&page).await.shows("No policy is for it");
}

#[tokio::test]
async fn a_channel_says_when_it_is_quiet_and_whose_it_is() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    let page = format!("/channels/{}", channel(&world, "phone").await);
    let responder = member(&world, "responder").await;
    editor.get(&page).await.shows("name=\"q.hours\" value=\"0\"");
    let more = editor.post(&format!("{page}/telling"), &[("member", responder.as_str()), ("redraw", "q.hours")]).await;
    assert_eq!(more.status, StatusCode::OK);
    more.shows("name=\"q.hours\" value=\"1\"");
    more.shows(&format!("<option value=\"{responder}\" selected>responder@example.org</option>"));
    assert_eq!(world.one("SELECT is_personal FROM channels").await, "false", "nothing is stored yet");
    let nights = [
        ("member", responder.as_str()),
        ("zone", "Europe/Berlin"),
        ("passes", "error"),
        ("q.hours", "1"),
        ("qh0.day", "1"),
        ("qh0.day", "2"),
        ("qh0.from", "22:00"),
        ("qh0.to", "06:00"),
    ];
    let done = editor.post(&format!("{page}/telling"), &nights).await;
    assert_eq!(done.to(), format!("{page}?done=telling_changed"), "{}", done.text);
    let shown = editor.get(&page).await;
    shown.shows("<dd>responder@example.org</dd>");
    shown.shows(
        "Mon, Tue 22:00–06:00<br>by the clocks of Europe/Berlin<br>What is at least so bad is told at once: Error",
    );
    for (field, value, says) in [
        ("zone", "Berlin", "There is no time zone “Berlin”"),
        ("qh0.to", "22:00", "a channel that is always quiet tells nobody"),
        ("qh0.from", "late", "a time of day is written as 09:00"),
        ("member", "01900000-0000-7000-8000-0000000000bb", "This member is not there any more"),
    ] {
        let mut fields: Vec<_> = nights.into_iter().filter(|(name, _)| *name != field).collect();
        fields.push((field, value));
        let answer = editor.post(&format!("{page}/telling"), &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        answer.shows(says);
    }
    editor.post(&format!("{page}/telling"), &[("member", ""), ("q.hours", "0")]).await;
    let stored =
        world.one("SELECT concat(quiet, is_personal, (SELECT count(*) FROM member_channels)) FROM channels").await;
    assert_eq!(stored, "f0");
    let audited =
        world.one("SELECT string_agg(action, ' ' ORDER BY seq) FROM audit WHERE action LIKE 'channel.%'").await;
    assert_eq!(audited, "channel.quiet channel.member channel.quiet channel.member");
    let mut responder = Browser::of(&world, "responder").await;
    responder.get(&page).await.hides("/telling\"");
}
