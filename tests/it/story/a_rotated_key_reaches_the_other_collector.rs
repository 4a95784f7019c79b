//! The key ring is rotated while one collector leads and another stands by. Given to the one that stands by first, it stops nothing. Given
//! to it late, that one says what is missing; and where the leader dies before, it leads with the old ring, gives nothing up that it cannot
//! open, and goes on with all of it as soon as the ring is there.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use picket_tests::mailbox::Receiver;
use picket_tests::net::Place;
use picket_tests::pair::Pair;
use picket_tests::wait;
use serde_json::Value;

/// From a look at the ring to the next, and for what comes of it.
const FOLLOWED: Duration = Duration::from_secs(40);
const TAKEOVER: Duration = Duration::from_secs(15);

#[test]
fn a_rotated_key_reaches_the_other_collector() {
    let mut pair = Pair::start();
    pair.both();
    pair.answers(0);
    pair.answers(1);
    assert_eq!(pair.leads().unwrap(), (1, 0));
    let receiver = Receiver::start(&Place::here(), SocketAddr::from((pair.address, 80)));
    pair.collectors[0].trusted_channel(&["webhook", &format!("http://{}/hook", pair.address), "--name", "bot"]);
    let mut shop = pair.shop(0);
    let _probe = pair.probe();
    let monitor = pair.monitor(0);
    pair.collectors[0].until(&monitor, "the monitor up", Duration::from_secs(60), |shown| shown.state() == "up");

    let key = standby_first(&pair);
    let newer = pair.collectors[0].json(&["keys", "rotate"])["key"].as_str().unwrap().to_owned();
    until_all_is_sealed_by(&pair, &newer);
    wait::until("what is missing", FOLLOWED, || {
        let log = pair.collectors[1].log();
        if log.contains(&format!("lacks the key {newer}")) && log.contains("copy the ring from there") {
            Ok(())
        } else {
            Err(log)
        }
    });
    pair.answers(1);

    // A message and a mail wait, both sealed by the key that is missing there, and the leader dies.
    receiver.answers(503);
    shop.breaks();
    wait::until("a message", Duration::from_secs(40), || if receiver.calls().is_empty() { Err(()) } else { Ok(()) });
    a_mail_waits(&pair);
    pair.collectors[0].crashes();
    assert_eq!(pair.until_led_after(1, TAKEOVER), (2, 1));
    receiver.answers(200);
    let before = receiver.calls().len();
    let log = wait::until("what cannot be opened", Duration::from_secs(60), || {
        let log = pair.collectors[1].log();
        let said =
            ["settings cannot be opened", "what the mail says cannot be opened", "sealed values are opened by no key"];
        if said.iter().all(|said| log.contains(said)) { Ok(log) } else { Err(log) }
    });
    assert!(!log.contains("Gave up"), "{log}");
    assert_eq!(receiver.calls().len(), before, "it cannot know where to");
    assert!(pair.collectors[1].log().contains(&format!("lacks the key {newer}")));
    let sealed = sealed_by(&pair, 0);
    assert!(
        sealed.iter().any(|(id, count)| *id == newer && *count > 1),
        "nothing is sealed anew that cannot be opened: {sealed:?}"
    );

    // The ring comes, and all that waited goes out.
    let [one, two] = [0, 1].map(|which| pair.collectors[which].keys().join("master-keys.txt"));
    put(&fs::read_to_string(&one).unwrap(), &two);
    wait::until("the message", Duration::from_secs(90), || {
        if receiver.calls().len() > before { Ok(()) } else { Err(pair.collectors[1].log()) }
    });
    let log = pair.collectors[1].log();
    assert!(
        log.contains(&format!("The key ring has 3 keys now, and {newer} seals")) && !log.contains("Gave up"),
        "{log}"
    );
    let waiting = pair.database.rows("SELECT state FROM account_mails").unwrap();
    assert!(!waiting.is_empty() && waiting.iter().all(|mail| mail["state"] != "failed"), "{waiting:?}");
    shop.starts();
    wait::until("the monitor up", Duration::from_secs(90), || {
        let state = pair.collectors[1].show(&monitor).state().to_owned();
        if state == "up" { Ok(()) } else { Err(state) }
    });
    pair.collectors[0].starts();
    pair.answers(0);
    assert_eq!(pair.leads().unwrap(), (2, 1), "the one that comes back stands by");
    until_all_is_sealed_by(&pair, &newer);
    let sealed = sealed_by(&pair, 1);
    assert!(sealed.iter().all(|(id, count)| *id == newer || *count == 0) && sealed.len() == 3, "{key}: {sealed:?}");
}

/// The next ring is put where the one that stands by reads it, then where the leader does. Gives the new key.
fn standby_first(pair: &Pair) -> String {
    let folder = pair.folder.path().join("next");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let next = folder.join("ring.txt");
    let made = pair.collectors[0].json(&["keys", "rotate", "--out", next.to_str().unwrap()]);
    let key = made["key"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(&next).unwrap();
    for which in [1, 0] {
        put(&text, &pair.collectors[which].keys().join("master-keys.txt"));
        wait::until("the new key", FOLLOWED, || {
            let log = pair.collectors[which].log();
            if log.contains(&format!("{key} seals")) { Ok(()) } else { Err(log) }
        });
    }
    until_all_is_sealed_by(pair, &key);
    for which in [0, 1] {
        let log = pair.collectors[which].log();
        assert!(!log.contains("cannot be opened") && !log.contains("lacks the key"), "{log}");
    }
    key
}

/// In the place of another, whose owner and mode stay.
fn put(text: &str, file: &std::path::Path) {
    fs::write(file, text).unwrap();
}

/// How many values of the database each key of a collector's ring seals.
fn sealed_by(pair: &Pair, which: usize) -> Vec<(String, i64)> {
    let listed = pair.collectors[which].json(&["keys", "list"]);
    let row = |key: &Value| (key["key"].as_str().unwrap().to_owned(), key["sealed_values"].as_i64().unwrap());
    listed["keys"].as_array().unwrap().iter().map(row).collect()
}

fn until_all_is_sealed_by(pair: &Pair, key: &str) {
    wait::until("everything sealed by the new key", Duration::from_secs(60), || {
        let found = sealed_by(pair, 0);
        let others = found.iter().any(|(id, count)| id != key && *count > 0);
        if others || !found.iter().any(|(id, _)| id == key) { Err(found) } else { Ok(()) }
    });
}

/// Somebody is to be told of a breach, and no mail server is there.
fn a_mail_waits(pair: &Pair) {
    pair.database
        .run(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 VALUES (gen_random_uuid(), 'ada@example.org', 'x', 0, 0);
             INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 1, id, 'owner', 0 FROM users",
        )
        .unwrap();
    let one = &pair.collectors[0];
    let arguments = ["--title", "x", "--all", "--happened", "x", "--affected", "x", "--measures", "x", "--advice", "x"];
    let opened = one.run(&[&["privacy", "breach", "open", "--at", "2026-01-01T00:00:00Z"], &arguments[..]].concat());
    one.run(&["privacy", "breach", "tell", opened.split_once(' ').unwrap().0]);
}
