//! The operator makes an organization from a template, whole or not at all; a real browser gives the consent, accepts it, sees the
//! portfolio and acts there, until it is revoked. On every page what [`super::a_person_sees_an_outage_without_reloading`] asks of pages.

use picket_tests::browser::{Browser, screenshots};
use picket_tests::world::World;

const TEMPLATE: &str = r#"[organization]
owner = "ada@example.org"

[limits]
monitors = 25

[[channel]]
kind = "email"
name = "Team"
address = "team@example.org"

[[channel]]
kind = "slack"
url = { file = "slack-url" }

[[invitation]]
email = "bob@example.org"
role = "editor"
"#;

/// How many organizations, channels, invitations and limits there are.
const COUNTS: &str = "SELECT (SELECT count(*) FROM organizations) || ' ' || (SELECT count(*) FROM channels) || ' '
        || (SELECT count(*) FROM invitations) || ' ' || (SELECT count(*) FROM organization_limits)";

#[test]
fn an_organization_begins_from_a_template_and_is_managed_by_another() {
    let world = World::local();
    let link = world.collector.set_up_link();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.toml");
    let create = |name: &str, more: &[&str]| {
        let arguments = ["organization", "create", name, "--from-template", file.to_str().unwrap()];
        world.collector.command(&[&arguments, more].concat())
    };
    let counts = || world.collector.postgres().run(COUNTS).unwrap();

    let mut browser = Browser::start("management.mjs", &[&world.collector.url, &link, screenshots().to_str().unwrap()]);
    browser.asks("organizations");
    // Every fault at once, by its line; the secret is in no answer.
    std::fs::write(&file, TEMPLATE.replace("role = \"editor\"", "role = \"king\"")).unwrap();
    let refused = create("Client house", &[]).unwrap_err();
    assert!(refused.contains("line 14: channel[1].url: slack-url cannot be read"), "{refused}");
    assert!(refused.contains("line 18: invitation[0].role: must be one of owner"), "{refused}");
    std::fs::write(folder.path().join("slack-url"), "https://hooks.slack.com/services/T0/B0/canary1\n").unwrap();
    std::fs::write(&file, TEMPLATE).unwrap();
    let before = counts();
    let nobody = create("Client house", &["--owner", "nobody@example.org"]).unwrap_err();
    assert!(nobody.contains("nobody signs in with \"nobody@example.org\""), "{nobody}");
    let tried = create("Client house", &["--dry-run"]).unwrap();
    assert!(tried.starts_with("Nothing was made. This would be:\n  Client house ("), "{tried}");
    assert_eq!(counts(), before, "a dry run leaves nothing");
    // What fails in the end leaves nothing of what went before it.
    std::fs::write(&file, TEMPLATE.replace("bob@", "ada@")).unwrap();
    let refused = create("Client house", &[]).unwrap_err();
    assert!(refused.contains("ada@example.org is invited, and owns it"), "{refused}");
    assert_eq!(counts(), before);

    std::fs::write(&file, TEMPLATE).unwrap();
    let made = create("Client house", &[]).unwrap();
    for shown in [
        "Made:\n  Client house (",
        "limits: monitors 25, shortest interval in seconds no limit",
        "channel Team (email, ",
        "(slack, ",
        "invitation of bob@example.org as editor, by mail",
        "Its channels are told nothing before somebody verifies them",
    ] {
        assert!(made.contains(shown), "{shown:?} is not in {made}");
    }
    assert!(!made.contains("canary1"), "{made}");
    assert_eq!(counts(), "2 2 1 1");
    let log = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE org_id = (SELECT id FROM organizations WHERE name = 'Client house')";
    assert_eq!(
        world.collector.postgres().run(log).unwrap(),
        "organization.limit channel.add channel.add invitation.add"
    );
    let again = create("Client house", &[]).unwrap_err();
    assert!(again.contains("cannot be its name"), "{again}");
    browser.answer();

    // The client is the client's: who managed to make it is no member there any more.
    browser.asks("client");
    let client = "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
            VALUES (gen_random_uuid(), 'carol@client.example', 'x', 0, 0);
        INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at)
            SELECT gen_random_uuid(), o.id, n, 'tcp', 'client.example:1', '{}', 60, 1000, 1, 0, 0
            FROM organizations o, unnest('{down,up,unknown,suspect}'::text[]) n WHERE o.name = 'Client house';
        INSERT INTO states (org_id, monitor_id, state, since, data, watch)
            SELECT org_id, id, name, 1790000000000000, '{}', false FROM monitors;
        INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
            SELECT gen_random_uuid(), org_id, id, 1790000000000000, 1790000000000000, 'tcp_refused', 'refused', '{}' FROM monitors
            WHERE name = 'down';
        UPDATE memberships SET user_id = (SELECT id FROM users WHERE email = 'carol@client.example') WHERE org_id = (SELECT id FROM organizations WHERE name = 'Client house')";
    world.collector.postgres().run(client).unwrap();
    browser.answer();
    browser.asks("revoke");
    let revoke =
        "UPDATE managements SET ended_at = consented_at, ended_by = 'user:carol@client.example', ended_why = 'revoked'";
    world.collector.postgres().run(revoke).unwrap();
    browser.answer();
    browser.ends_well();
}
