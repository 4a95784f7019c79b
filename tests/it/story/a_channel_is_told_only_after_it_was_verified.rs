//! Channels of three kinds are added at the console: nobody is told before a code came back or an event was accepted, and
//! the collector says so as long as it is so. The code is in no log.

use picket_tests::world::World;

#[test]
fn a_channel_is_told_only_after_it_was_verified() {
    let world = World::local();
    let collector = &world.collector;
    let (mailbox, (receiver, hook)) = (world.mailbox(), world.receiver());
    collector.command(&["probe", "add", "--region", "eu"]).unwrap();
    let monitor = collector.monitor(&world.url(), "http", &["eu"], &["--name", "shop"]);
    let why = collector.json(&["monitor", "show", &monitor]);
    assert_eq!(
        (&why["told"], &why["why"].as_str().is_some_and(|why| why.contains("channel add"))),
        (&false.into(), &true)
    );
    for command in [&["monitor", "list"][..], &["monitor", "show", &monitor]] {
        assert!(collector.run(command).contains("nobody is told: add and verify a channel"), "{command:?}");
    }

    let added = collector.json(&["channel", "add", "email", "oncall@example.org", "--name", "mail"]);
    assert_eq!((&added["verified"], &added["proof"]["state"]), (&false.into(), &"sent".into()), "{added:#}");
    let added = collector.json(&["channel", "add", "webhook", &hook, "--name", "bot"]);
    assert_eq!((&added["verified"], &added["proof"]["answer"]), (&false.into(), &"204 No Content".into()), "{added:#}");
    assert!(receiver.calls()[0].is_signed_with(added["secret"].as_str().unwrap()));
    let listed = collector.run(&["channel", "list"]);
    assert!(listed.contains("NO ") && listed.contains("nobody is told: verify a channel"), "{listed}");
    let refused = collector.command(&["channel", "test", "mail"]).unwrap_err();
    assert!(refused.contains("not verified yet"), "{refused}");
    assert!(collector.command(&["channel", "verify", "mail", "12345"]).is_err());

    let codes = [mailbox.code().unwrap(), receiver.code().unwrap()];
    collector.verify_channel("mail", mailbox.code());
    collector.verify_channel("bot", receiver.code());
    assert_eq!(collector.json(&["monitor", "list"])[0]["told"], true);
    let tested = collector.run(&["channel", "test", "bot"]);
    assert!(tested.contains("Sent to bot") && tested.contains("204 No Content"), "{tested}");

    // What accepts an event needs no code.
    let key = world.file("integration-key", "0123456789abcdef0123456789abcdef\n");
    receiver.answers(202);
    let added = collector.json(&["channel", "add", "pagerduty", "--key-file", &key, "--region", "eu"]);
    assert_eq!((&added["verified"], &added["proof"]["by"]), (&true.into(), &"acceptance".into()), "{added:#}");
    // A bot that is unknown there: the channel is made, and it is said why nothing came.
    let token = world.file("bot-token", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw\n");
    receiver.answers(404);
    let added = collector.run(&["channel", "add", "telegram", "-1001234567890", "--token-file", &token]);
    assert!(added.contains("Not sent to chat ***7890: 404 Not Found") && added.contains("@BotFather"), "{added}");
    assert!(collector.json(&["channel", "list"]).as_array().unwrap().iter().any(|row| row["verified_at"].is_null()));

    collector.run(&["channel", "rename", "bot", "robot"]);
    collector.run(&["channel", "edit", "robot", "webhook", &hook, "--trust"]);
    collector.run(&["channel", "remove", "mail"]);
    let rows = collector.json(&["channel", "list"]);
    let robot = rows.as_array().unwrap().iter().find(|row| row["name"] == "robot").unwrap();
    assert_eq!(robot["verified_by"], "operator", "{rows:#}");
    for secret in codes
        .iter()
        .map(String::as_str)
        .chain(["0123456789abcdef0123456789abcdef", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"])
    {
        // Six digits may stand in a time; as a word of their own they are the code.
        let is_said = collector.log().split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == secret);
        assert!(!is_said, "{secret} in {}", collector.log());
    }
}
