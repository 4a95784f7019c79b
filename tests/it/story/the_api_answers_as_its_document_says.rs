//! Whatever is sent to the API, it answers as its document says: schemathesis makes requests out of the document, right ones and
//! wrong ones, and looks at every answer with all its checks. None is an error of the server, none is undocumented.

use std::fs;
use std::process::Command;

use picket_collector::domain::access::Right;
use picket_collector::vault::api_key::ApiKey;
use picket_shared::daykeys::hex;
use picket_tests::process::our_program;
use picket_tests::world::World;

/// Requests that are made up for each operation, besides those for each limit and each form of a value.
const EXAMPLES: &str = "20";

/// A key of an owner for everything.
fn key(world: &World) -> ApiKey {
    let key = ApiKey::new().unwrap();
    let scopes: Vec<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
    let made = world.collector.postgres().run(&format!(
        "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
             VALUES (gen_random_uuid(), 'ada@example.org', 'x', 1, 1), (gen_random_uuid(), 'eve@example.org', 'x', 1, 1);
         INSERT INTO memberships (org_id, user_id, role, created_at)
             SELECT 1, id, CASE WHEN email LIKE 'ada%' THEN 'owner' ELSE 'viewer' END, 1 FROM users;
         INSERT INTO invitations (uuid, org_id, email, role, token_hash, invited_by, created_at, expires_at)
             SELECT gen_random_uuid(), 1, 'joe@example.org', 'viewer', sha256('joe'), id, 1, 9000000000000000 FROM users WHERE email LIKE 'ada%';
         INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, resolved_at, resolution, failure, message, detail)
             SELECT gen_random_uuid(), 1, id, 1, 2, 3, 'recovered', 'timeout', 'too slow', '{{}}' FROM monitors;
         INSERT INTO api_keys (org_id, user_id, public_id, key_hash, name, scopes, created_at)
             SELECT 1, id, '{}', '\\x{}', 'program', '{{{}}}', 1 FROM users WHERE email LIKE 'ada%'",
        key.id(),
        hex(&key.hash()),
        scopes.join(",")
    ));
    made.unwrap();
    key
}

/// What the checks know of us: a request of the right form may still be refused for what it asks, such as an end that lies
/// behind; and where something is named, it is one that is there.
fn settings(world: &World) -> String {
    let mut text =
        "[checks.positive_data_acceptance]\nexpected-statuses = [\"2xx\", 400, 401, 403, 404, 409, 422, 429]\n"
            .to_owned();
    for (table, of_all) in
        [("monitors", true), ("channels", true), ("incidents", false), ("invitations", true), ("members", true)]
    {
        let rows = match table {
            "members" => "users WHERE email LIKE 'eve%'",
            other => other,
        };
        let found = world.collector.postgres().rows(&format!("SELECT uuid FROM {rows} LIMIT 1")).unwrap();
        let id = found[0]["uuid"].as_str().unwrap();
        let gone = if of_all { "exclude-method = \"DELETE\"\n" } else { "" };
        text.push_str(&format!(
            "[[operations]]\ninclude-path-regex = '/{table}/\\{{id\\}}'\n{gone}parameters = {{ \"path.id\" = \"{}\" }}\n",
            id
        ));
    }
    text
}

#[test]
fn the_api_answers_as_its_document_says() {
    let mut world = World::local();
    // What is counted would refuse most of it; that it is counted has tests of its own.
    let many = "[limits]\nrequests_per_minute_per_address = 1000000\nrequests_per_minute_per_key = 1000000\n";
    world.collector.restarts_with("[http]", &format!("{many}\n[http]"));
    world.probe("eu");
    world.collector.monitor(&world.url(), "http", &["eu"], &[]);
    world.collector.trusted_channel(&["email", "ada@example.org", "--name", "on call"]);
    let key = key(&world);
    let program =
        our_program("picket-collector").parent().unwrap().with_file_name("tools/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run tests/run once", program.display());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("schemathesis.toml"), settings(&world)).unwrap();
    let outcome = Command::new(program)
        .current_dir(folder.path())
        .args(["run", &format!("{}/api/v1/openapi.json", world.collector.url), "--no-color", "--continue-on-failure"])
        .args(["--header", &format!("Authorization: Bearer {}", key.expose()), "--request-timeout", "60"])
        .args(["--checks", "all", "--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing"])
        .args(["--generation-deterministic", "--warnings", "off"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout);
    println!("{said}");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    assert!(said.contains("No issues found"), "it found something");
}
