//! After a moment a key is revoked, a session ends, somebody is removed, somebody is erased, and a message is sent. The machine is lost, and
//! its database restored to before that moment from the store alone: nothing runs before the copy is armed, and once it is, what had
//! ended stays ended and nothing is sent again.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use picket_collector::domain::access::Right;
use picket_collector::vault::api_key::ApiKey;
use picket_shared::daykeys::hex;
use picket_shared::time::Timestamp;
use picket_tests::archive::{archived, archiving, first_backup, folder, restore, text};
use picket_tests::curl::get;
use picket_tests::postgres::Postgres;
use picket_tests::wait;
use picket_tests::world::World;

/// Of the session that is open.
const SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn what_ended_stays_ended_after_a_restore() {
    let mut world = archiving();
    first_backup(&world);
    let (receiver, hook) = world.receiver();
    world.collector.trusted_channel(&["webhook", &hook, "--name", "hook"]);
    world.collector.run(&["channel", "test", "hook"]);
    let postgres = world.collector.postgres();
    let (kept, revoked, of_bob, of_eve) = (key(), key(), key(), key());
    people(&postgres, &[("ada", &kept), ("ada", &revoked), ("bob", &of_bob), ("eve", &of_eve)]);
    for known in [&kept, &revoked, &of_bob, &of_eve] {
        assert_eq!(monitors(&world, known), 200);
    }
    assert_eq!(dashboard(&world), 200);
    let before = receiver.calls().len();
    // A message waits at the moment.
    let waiting = "INSERT INTO deliveries (uuid, org_id, channel_id, payload, state, next_at, created_at)
                   SELECT gen_random_uuid(), org_id, channel_id, payload, 'pending', 9000000000000000, created_at FROM deliveries LIMIT 1";
    postgres.run(waiting).unwrap();
    // A moment between two commits.
    thread::sleep(Duration::from_millis(600));
    let moment = postgres.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").unwrap();
    let moment = Timestamp::from_micros(moment.parse().unwrap()).exact();
    thread::sleep(Duration::from_millis(600));

    everything_ends(&world, (&kept, &revoked, &of_bob));
    postgres.run("UPDATE deliveries SET next_at = 0 WHERE state = 'pending'").unwrap();
    wait::until("the message", Duration::from_secs(60), || {
        let calls = receiver.calls().len();
        if calls == before + 1 { Ok(()) } else { Err(calls) }
    });
    let ledger = followed(&world);
    archived(&postgres);

    world.collector.crashes_under_systemd();
    let data = folder(&world).join("data");
    fs::remove_dir_all(&data).unwrap();
    fs::remove_file(&ledger).unwrap();
    restore(&world, &moment, &data);
    world.collector.begins_to_start();
    wait::until("the refusal", Duration::from_secs(60), || (!world.collector.runs()).then_some(()).ok_or(()));
    assert_eq!(get(world.collector.place(), &world.collector.url, &[]).status, 0, "nothing answers");
    // Where the archive is away, who arms is told, and nothing is armed.
    let (archive, away) = (folder(&world).join("archive"), folder(&world).join("away"));
    fs::rename(&archive, &away).unwrap();
    let refused = world.collector.command(&["restore", "--arm", "--into", text(&data)]).unwrap_err();
    assert!(refused.contains("--local-ledger"), "{refused}");
    fs::rename(&away, &archive).unwrap();

    let armed = world.collector.json(&["restore", "--arm", "--into", text(&data)]);
    let ended = &armed["ended"];
    for (what, count) in [("keys", 1), ("memberships", 1), ("sessions", 1), ("erased", 1), ("deliveries", 1)] {
        assert_eq!(ended[what], count, "{what}: {armed:#}");
    }
    world.collector.starts();
    let postgres = world.collector.postgres();
    assert_eq!(monitors(&world, &kept), 200);
    for dead in [&revoked, &of_bob, &of_eve] {
        assert_eq!(monitors(&world, dead), 401);
    }
    assert_ne!(dashboard(&world), 200);
    let dump = postgres.dump();
    assert!(dump.contains("ada@example.org") && !dump.contains("bob@example.org"), "the erased person is in the dump");
    let states = postgres.rows("SELECT state, count(*) AS n FROM deliveries GROUP BY state ORDER BY state").unwrap();
    postgres.run("UPDATE deliveries SET next_at = 0").unwrap();
    thread::sleep(Duration::from_secs(5));
    assert_eq!(receiver.calls().len(), before + 1, "{states:?}");
    assert!(world.collector.run(&["audit", "list", "--action", "restore.arm"]).contains("restore.arm"));
}

/// A key is revoked, a member removed, an account closed and erased, and every session ends.
fn everything_ends(world: &World, (kept, revoked, of_bob): (&ApiKey, &ApiKey, &ApiKey)) {
    let postgres = world.collector.postgres();
    let api = |method: &str, path: &str, key: &ApiKey, body: &str| {
        let authorization = format!("Authorization: Bearer {}", key.expose());
        let url = format!("{}/api/v1/{path}", world.collector.url);
        let arguments = ["-X", method, "-H", &authorization, "-H", "Content-Type: application/json", "--data", body];
        let got = get(world.collector.place(), &url, &arguments);
        assert!((200..300).contains(&got.status), "{method} {path}: {got:?}");
    };
    api("DELETE", &format!("keys/{}", revoked.id()), kept, "");
    let eve = postgres.rows("SELECT uuid FROM users WHERE email LIKE 'eve%'").unwrap()[0]["uuid"].clone();
    api("DELETE", &format!("members/{}?successor=none", eve.as_str().unwrap()), kept, "");
    api("DELETE", "account", of_bob, r#"{"account":"bob@example.org"}"#);
    postgres.run("UPDATE closures SET closed_at = 1, erase_at = 2").unwrap();
    assert!(world.collector.run(&["privacy", "erase", "--due"]).contains("Erased 1"));
    postgres.run("DELETE FROM sessions").unwrap();
}

/// Waits until what ended is in the ledger and in the archive; gives the file.
fn followed(world: &World) -> PathBuf {
    let ledger = world.collector.keys().join("ended.ledger");
    wait::until("what ended in the ledger, and in the archive", Duration::from_secs(90), || {
        let lines = fs::read_to_string(&ledger).unwrap_or_default();
        let places = objects(world, "ended");
        let has = |kind: &str| lines.contains(&format!("\"kind\":\"{kind}\""));
        let all = ["erased_account", "key", "membership"].iter().all(|kind| has(kind));
        if all && !places.is_empty() { Ok(()) } else { Err(format!("{lines}\n{places:?}")) }
    });
    // The next look copies what came meanwhile.
    thread::sleep(Duration::from_secs(12));
    ledger
}

fn key() -> ApiKey {
    ApiKey::new().unwrap()
}

fn people(postgres: &Postgres, keys: &[(&str, &ApiKey)]) {
    postgres
        .run(&format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 SELECT gen_random_uuid(), name || '@example.org', 'x', 1, 1 FROM unnest(ARRAY['ada', 'bob', 'eve']) name;
             INSERT INTO memberships (org_id, user_id, role, created_at)
                 SELECT 1, id, CASE WHEN email LIKE 'ada%' THEN 'owner' ELSE 'viewer' END, 1 FROM users;
             INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at)
                 SELECT sha256('{SESSION}'), id, last_alive_at, last_alive_at, last_alive_at + 36000000000 FROM users, instance
                 WHERE email LIKE 'ada%'"
        ))
        .unwrap();
    let scopes: Vec<&str> = Right::ALL.iter().map(|right| right.as_str()).collect();
    for (whose, key) in keys {
        let insert = format!(
            "INSERT INTO api_keys (org_id, user_id, public_id, key_hash, name, scopes, created_at)
             SELECT 1, id, '{}', '\\x{}', 'program', '{{{}}}', 1 FROM users WHERE email LIKE '{whose}%'",
            key.id(),
            hex(&key.hash()),
            scopes.join(",")
        );
        postgres.run(&insert).unwrap();
    }
}

/// What a key's request for monitors is answered.
fn monitors(world: &World, key: &ApiKey) -> u16 {
    let authorization = format!("Authorization: Bearer {}", key.expose());
    get(world.collector.place(), &format!("{}/api/v1/monitors", world.collector.url), &["-H", &authorization]).status
}

/// What the open session's request for the dashboard is answered.
fn dashboard(world: &World) -> u16 {
    let cookie = format!("Cookie: sid-local={SESSION}");
    get(world.collector.place(), &format!("{}/", world.collector.url), &["-H", &cookie]).status
}

/// The objects of the archive in this folder.
fn objects(world: &World, name: &str) -> Vec<String> {
    let systems = fs::read_dir(folder(world).join("archive")).unwrap().flatten().map(|entry| entry.path());
    let folders = systems.filter(|path| path.is_dir()).filter_map(|path| fs::read_dir(path.join(name)).ok());
    folders.flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
