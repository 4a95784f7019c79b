//! A real browser without JavaScript: a schedule, a policy and quiet hours are set up, a monitor says who would be told, and the
//! console says the same. A drill is acknowledged by the link in its mail, a monitor is made to depend on another, what was told is looked at,
//! and the secret of a webhook is rotated. On every page what is asked of every page.

use std::time::Duration;

use picket_tests::browser::{Browser, screenshots};
use picket_tests::mailbox::Mailbox;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::json;

#[test]
fn who_is_told_when_is_set_up_in_a_browser() {
    let mut world = World::local();
    let mailbox = world.mailbox();
    world.probe("eu");
    world.collector.trusted_channel(&["email", "ada@example.org", "--name", "mail"]);
    let channel = world.collector.json(&["channel", "list"])[0]["id"].as_str().unwrap().to_owned();
    let monitor = world.collector.monitor("https://shop.example/", "http", &[], &["--name", "shop"]);
    world.collector.monitor("https://router.example/", "http", &[], &["--name", "router"]);
    world.collector.run(&["alarm", "drill"]);
    let answer = link_of(&mailbox);
    // Nobody listens there.
    world.collector.trusted_channel(&["webhook", "http://127.0.0.1:9/hook", "--name", "hook"]);
    let link = world.collector.set_up_link();
    let shots = screenshots();
    let paths = [format!("/monitors/{monitor}"), format!("/channels/{channel}")];
    let script = [world.collector.url.as_str(), &link, &paths[0], &paths[1], shots.to_str().unwrap(), &answer];
    Browser::start("telling.mjs", &script).ends_well();

    let policies = world.collector.json(&["policy", "list"]);
    assert_eq!((&policies[0]["name"], &policies[0]["default"]), (&json!("Nights"), &json!(true)));
    assert!(world.collector.run(&["policy", "list"]).contains("0 s → 15 min"));
    let at = ["schedule", "on-call", "Primary", "--at"];
    // A Monday in winter, by the clocks of Berlin.
    assert_eq!(world.collector.run(&[&at[..], &["2026-01-12T09:00:00Z"]].concat()).trim(), "ada@example.org");
    assert_eq!(world.collector.run(&[&at[..], &["2026-01-12T21:00:00Z"]].concat()).trim(), "nobody");
    assert!(world.collector.json(&["schedule", "list"])[0]["nobody"][0]["from"].is_string());
    let explained = world.collector.run(&["monitor", "explain", "shop"]);
    assert!(explained.contains("shop"), "{explained}");

    let drills = world.collector.json(&["alarm", "list"]);
    assert!(drills[0]["acknowledged_after_s"].is_number(), "the link in the mail acknowledged it: {drills:#}");
}

/// The page to which the link in the only mail leads.
fn link_of(mailbox: &Mailbox) -> String {
    wait::until("the mail of the drill", Duration::from_secs(30), || {
        let mails = mailbox.mails();
        let text = mails.first().map(|mail| mail.text.replace("=\r\n", "").replace("=\n", "")).unwrap_or_default();
        let path = text.split("/acknowledge/").nth(1);
        let token =
            path.and_then(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next());
        token.map(|token| format!("/acknowledge/{token}")).ok_or(text)
    })
}
