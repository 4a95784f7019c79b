//! The operator lets somebody administer the instance from the console, for a time: until then `/admin` is not there, then it
//! asks for a second factor, then every page is looked at in a real browser; taken back at the console, it is gone at once.

use picket_collector::vault::token::fingerprint;
use picket_shared::daykeys::hex;
use picket_tests::browser::{Browser, screenshots};
use picket_tests::world::World;

/// Another user in another organization, whom wrong answers have locked out for an hour.
fn eve(world: &World) {
    let key = hex(&fingerprint(&[b"account", b"eve@example.org"]).0);
    let made = world.collector.postgres().run(&format!(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'Everything & Sons, Monitoring and Consulting', 1790000000000000);
         INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at, signed_in_at)
             VALUES (gen_random_uuid(), 'eve@example.org', 'x', 0, 0, 1790000000000000),
                    (gen_random_uuid(), 'someone.with.a.long.name@subsidiary.of.a.company.example', 'x', 0, 0, NULL);
         INSERT INTO memberships (org_id, user_id, role, created_at)
             SELECT o.id, u.id, 'owner', 0 FROM organizations o, users u WHERE o.name LIKE 'Everything%' AND u.email <> 'ada@example.org';
         INSERT INTO sign_in_failures (key, failures, last_at, locked_until)
             SELECT '\\x{key}', 10, last_alive_at, last_alive_at + 3600000000 FROM instance"
    ));
    made.unwrap();
}

#[test]
fn an_administrator_sees_the_instance_for_a_time() {
    let mut world = World::local();
    let _shop = world.target(None, &[]);
    world.probe("eu");
    world.collector.monitor(&world.url(), "http", &["eu"], &[]);
    world.collector.add_probe("us-east", &["--name", "a probe that never called"]);
    let link = world.collector.set_up_link();

    let shots = screenshots();
    let mut browser = Browser::start("administration.mjs", &[&world.collector.url, &link, shots.to_str().unwrap()]);
    browser.asks("grant");
    let nobody = world.collector.command(&["admin", "grant", "nobody@example.org"]).unwrap_err();
    assert!(nobody.contains("nobody signs in with"), "{nobody}");
    for long in ["31d", "0m", "forever"] {
        let refused = world.collector.command(&["admin", "grant", "ada@example.org", "--for", long]).unwrap_err();
        assert!(refused.contains("is not a time of 1m to 30d"), "{refused}");
    }
    assert!(world.collector.run(&["admin", "list"]).contains("Nobody may administer"));
    world.collector.run(&["admin", "grant", "ada@example.org", "--for", "30d"]);
    let said = world.collector.run(&["admin", "grant", "ada@example.org"]);
    assert!(said.contains("may administer this instance until") && said.contains("/account/second-factor"), "{said}");
    eve(&world);
    browser.answer();

    browser.asks("revoke");
    let listed = world.collector.json(&["admin", "list"]);
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|grant| grant["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["live", "live", "revoked"], "eve's, ada's, and what ada's replaced: {listed:#}");
    assert_eq!(listed[0]["granted_by"], "user:ada@example.org");
    assert_eq!(world.collector.json(&["admin", "revoke", "ada@example.org"])["changed"], true);
    assert_eq!(world.collector.json(&["admin", "revoke", "ada@example.org"])["changed"], false);
    browser.answer();
    browser.ends_well();
    assert!(world.collector.run(&["audit", "verify"]).contains("are whole"));
    let log = world.collector.run(&["audit", "list", "--action", "admin."]);
    for action in ["admin.grant", "admin.revoke", "admin.look"] {
        assert!(log.contains(action), "{log}");
    }
}
