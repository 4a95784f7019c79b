//! Somebody who has no account is told by a channel and named by a monitor: by the command it is found, given as a file, and erased; the
//! channel tells nobody any more and says why. And a configuration that another Picket exported moves in.

use picket_tests::world::World;
use serde_json::Value;

const EXPORT: &str = r#"{"format":"picket-export/1","organization":{
    "organizations":[{"name":"elsewhere","second_factor_since":null}],
    "monitors":[{"uuid":"01900000-0000-7000-8000-000000000001","name":"shop","kind":"tcp","target":"127.0.0.1:1",
        "spec":{"kind":"tcp","host":"127.0.0.1","port":1},"interval_s":60,"timeout_ms":5000,"tags":["web"],"eu_only":false,
        "external_key":null,"paused_at":null,"deleted_at":null,"holds_secret":false}],
    "monitor_regions":[{"monitor":"01900000-0000-7000-8000-000000000001","region":"eu"}],
    "channels":[{"name":"their pager","kind":"pagerduty","hint":"***","deleted_at":null}],
    "memberships":[{},{}]},"manifest":{"tables":[],"left_out":[]}}"#;

#[test]
fn somebody_without_an_account_is_found_and_erased() {
    let mut world = World::local();
    let _mailbox = world.mailbox();
    world.probe("eu");
    let collector = &world.collector;
    collector.trusted_channel(&["email", "bob@example.org", "--name", "bob"]);
    collector.monitor("https://192.0.2.1/", "http", &["eu"], &["--name", "ask bob@example.org"]);
    let find = |more: &[&str]| collector.command(&[&["privacy", "find", "Bob@example.org"], more].concat());

    let listed = find(&[]).unwrap();
    for shown in [
        "channels (id 1), of default",
        "sealed_settings: is where messages go",
        "the channel is switched off",
        "monitors (id 1)",
        "names the monitor to people",
    ] {
        assert!(listed.contains(shown), "{shown:?} is not in {listed}");
    }
    assert_eq!(
        collector.command(&["privacy", "find", "carol@example.org"]).unwrap().trim(),
        "Nothing is stored of it."
    );
    let wrong = collector.command(&["privacy", "find", "bob"]).unwrap_err();
    assert!(wrong.contains("it has an @"), "{wrong}");

    let document: Value = serde_json::from_str(&find(&["--export"]).unwrap()).unwrap();
    assert_eq!(document["tables"]["monitors"][0]["row"]["name"], "ask bob@example.org");

    let asked = find(&["--erase"]).unwrap_err();
    assert!(asked.contains("nothing was erased: add --yes"), "{asked}");
    assert_eq!(collector.json(&["channel", "list"])[0]["without_destination"], Value::Null);
    let erased = find(&["--erase", "--yes"]).unwrap();
    assert!(erased.contains("Erased ") && erased.contains("1 channels are switched off"), "{erased}");
    assert_eq!(collector.json(&["channel", "list"])[0]["without_destination"]["why"], "erased");
    let refused = collector.command(&["channel", "verify", "bob"]).unwrap_err();
    assert!(refused.contains("has no destination: give it settings first"), "{refused}");
    assert_eq!(find(&[]).unwrap().trim(), "Nothing is stored of it.");
    let dump = "SELECT count(*) FROM audit WHERE coalesce(actor, '') || coalesce(subject, '') || coalesce(detail::text, '') ILIKE '%bob@example.org%'";
    assert_eq!(collector.postgres().run(dump).unwrap(), "0");
    assert!(!std::fs::read_to_string(collector.keys().join("ended.ledger")).unwrap().contains("bob"));
    let log = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'contact.%'";
    assert_eq!(
        collector.postgres().run(log).unwrap(),
        "contact.find contact.find contact.export contact.find contact.erase contact.find"
    );
    collector.run(&["audit", "verify"]);

    let export = world.file("elsewhere.json", EXPORT);
    let import = ["organization", "import", &export, "--into", "default"];
    let planned = collector.run(&[&import[..], &["--dry-run"]].concat());
    assert!(
        planned.contains("Would take 1") && planned.contains("their pager (pagerduty, ***): made, and switched off"),
        "{planned}"
    );
    let done = collector.run(&import);
    assert!(done.contains("Taken 1,") && done.contains("2 members: people are invited anew"), "{done}");
    let channels = collector.json(&["channel", "list"]);
    let pager = channels.as_array().unwrap().iter().find(|row| row["name"] == "their pager").unwrap();
    assert_eq!(pager["without_destination"]["why"], "imported");
    assert!(collector.run(&import).contains("Taken 0, changed 0, unchanged 1"));
    let nowhere = collector.command(&["organization", "import", &export, "--into", "nobody"]).unwrap_err();
    assert!(nowhere.contains("there is no organization \"nobody\""), "{nowhere}");
}
