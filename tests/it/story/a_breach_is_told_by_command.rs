//! A breach of personal data, by the command alone: written down, its clock shown, told to the owners of what it affects, once each, told
//! of to the authority, closed. What is wrong is refused with what to do, and changes nothing.

use std::time::Duration;

use picket_shared::time::{Clock, Timestamp};
use picket_tests::collector::Collector;
use picket_tests::mailbox::Mailbox;
use picket_tests::wait;
use picket_tests::world::World;
use serde_json::Value;

const HOUR: Duration = Duration::from_secs(3600);

/// Two organizations: that of the instance, which ada and bob own, and another, of carol.
const PEOPLE: &str = "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
        SELECT gen_random_uuid(), name || '@example.org', 'x', 0, 0 FROM unnest(ARRAY['ada', 'bob', 'carol', 'dan']) name;
    INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'Second house', 0);
    INSERT INTO memberships (org_id, user_id, role, created_at)
        SELECT CASE WHEN email LIKE 'carol%' THEN (SELECT id FROM organizations WHERE name = 'Second house') ELSE 1 END,
            id, CASE WHEN email LIKE 'dan%' THEN 'viewer' ELSE 'owner' END, 0 FROM users";

#[test]
fn a_breach_is_told_by_command() {
    let world = World::local();
    let mailbox = world.mailbox();
    let collector = &world.collector;
    collector.postgres().run(PEOPLE).unwrap();
    assert_eq!(breach(collector, &["list"]), (Some(0), "No breach was written down.\n".to_owned(), String::new()));
    what_is_wrong_is_refused(collector);

    // Opened, and its clock runs.
    let known = hours_ago(2);
    let opened =
        done(collector, &["open", "--at", &known, "--title", "A disk was lost", "--organization", "Second house"]);
    let id = opened.split_once(' ').unwrap().0.to_owned();
    assert!(
        opened.contains("open, known since ") && opened.contains("69 h 59 min left of 72 h, 0 of 1 organizations told"),
        "{opened}"
    );
    let (code, listed, _) = breach(collector, &["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, &listed["items"][0]["clock"]), (Some(0), &Value::from("running")), "{listed:#}");
    let (state, found) = collector.doctor("breaches");
    assert!(state != "pass" && found.contains("\"A disk was lost\": 69 h 59 min left"), "{state}: {found}");

    // Nobody is told before everything is said.
    let shown = done(collector, &["show", &id]);
    assert!(
        shown.contains("Second house: not told yet") && shown.contains("Missing: happened, affected, measures, advice"),
        "{shown}"
    );
    let early = refused(collector, 1, &["tell", &id]);
    assert!(
        early.contains("--happened, --affected, --measures, --advice") && early.contains("privacy breach change"),
        "{early}"
    );
    let said = [
        "--happened",
        "A disk was sold.",
        "--affected",
        "Addresses of members.",
        "--measures",
        "It was bought back.",
        "--advice",
        "Change passwords.",
    ];
    assert_eq!(done(collector, &[&["change", &id], &said[..]].concat()), "Changed.\n");
    let shown = done(collector, &["show", &id]);
    assert!(!shown.contains("Missing:") && shown.contains("You       Change passwords."), "{shown}");

    // Told once, to owners of what it affects, and to nobody else.
    assert_eq!(done(collector, &["tell", &id]), "Told 1 organization.\n");
    assert_eq!(told(&mailbox, 1), ["carol@example.org"]);
    assert_eq!(done(collector, &["tell", &id]), "Told 0 organizations.\n");
    // It affects everybody: those who were told are not told again.
    done(collector, &["change", &id, "--all"]);
    assert_eq!(done(collector, &["tell", &id]), "Told 1 organization.\n");
    assert_eq!(told(&mailbox, 3), ["ada@example.org", "bob@example.org", "carol@example.org"]);
    let mail = mailbox.mails().pop().unwrap();
    assert!(mail.text.contains("A disk was sold.") && mail.text.contains("Change passwords."), "{}", mail.text);

    // The clock stops when the authority was told, too.
    let clock = || serde_json::from_str::<Value>(&done(collector, &["show", &id, "--json"])).unwrap()["clock"].clone();
    assert_eq!(clock(), "running");
    done(collector, &["change", &id, "--reported-at", &hours_ago(1)]);
    assert_eq!(clock(), "stopped");

    assert_eq!(done(collector, &["close", &id]), "Closed.\n");
    for again in [&["close", id.as_str()][..], &["tell", &id], &["change", &id, "--title", "Another"]] {
        assert!(refused(collector, 1, again).contains("the breach is closed"), "{again:?}");
    }
    assert!(done(collector, &["list"]).contains("closed, known since"));

    what_is_late_is_an_exit_code(collector);

    let log = "SELECT string_agg(action || CASE WHEN org_id IS NULL THEN '' ELSE ' ' || org_id END, ', ' ORDER BY id) FROM audit WHERE action LIKE 'breach.%'";
    assert_eq!(
        collector.postgres().run(log).unwrap(),
        "breach.open, breach.change, breach.tell, breach.told 2, breach.tell, breach.change, breach.tell, breach.told 1, breach.change, \
         breach.close, breach.open, breach.close"
    );
    assert!(collector.run(&["audit", "verify"]).contains("are whole"));
}

/// One of which the 72 hours are over, until it is closed.
fn what_is_late_is_an_exit_code(collector: &Collector) {
    let late = done(collector, &["open", "--at", &hours_ago(80), "--title", "Found late", "--all"]);
    let late = late.split_once(' ').unwrap().0.to_owned();
    let (code, listed, _) = breach(collector, &["list"]);
    assert!(code == Some(1) && listed.contains("72 h are over since 8 h 00 min"), "{code:?} {listed}");
    done(collector, &["close", &late]);
    assert_eq!(breach(collector, &["list"]).0, Some(0));
}

/// Each says what to do, and nothing is written down.
fn what_is_wrong_is_refused(collector: &Collector) {
    let (past, ahead) = (hours_ago(1), (Clock::system().now() + HOUR).exact());
    let open = |more: &[&str]| -> String {
        let title = ["open", "--title", "x"];
        refused(collector, 1, &[&title[..], more].concat())
    };
    assert!(open(&["--at", &ahead, "--all"]).contains("lies ahead"));
    assert!(open(&["--at", &past]).contains("--organization NAME"));
    assert!(open(&["--at", &past, "--all", "--reported-at", &hours_ago(5)]).contains("before it was known"));
    let unknown = open(&["--at", &past, "--organization", "Nobody's"]);
    assert!(unknown.contains("there is no organization \"Nobody's\""), "{unknown}");
    assert!(refused(collector, 1, &["open", "--at", &past, "--title", " ", "--all"]).contains("1 to 200 characters"));
    // What the shell already knows to be wrong is another exit code.
    for (arguments, said) in [
        (&["open", "--title", "x", "--all"][..], "--at <TIME>"),
        (&["open", "--at", "yesterday", "--title", "x", "--all"], "invalid value 'yesterday' for '--at <TIME>'"),
        (&["open", "--at", &past, "--title", "x", "--all", "--organization", "default"], "cannot be used with"),
        (&["change", "7", "--title", "x"], "invalid value '7' for '<ID>'"),
        (&["notify"], "unrecognized subcommand 'notify'"),
    ] {
        let wrong = refused(collector, 2, arguments);
        assert!(wrong.contains(said), "{arguments:?}: {wrong}");
    }
    let nobody = "01900000-0000-7000-8000-000000000001";
    for arguments in [&["show", nobody][..], &["tell", nobody], &["close", nobody], &["change", nobody, "--title", "x"]]
    {
        let missing = refused(collector, 1, arguments);
        assert!(
            missing.contains("there is no breach 01900000") && missing.contains("privacy breach list"),
            "{missing}"
        );
    }
    assert_eq!(done(collector, &["list"]), "No breach was written down.\n");
    assert_eq!(collector.postgres().run("SELECT count(*) FROM audit WHERE action LIKE 'breach.%'").unwrap(), "0");
}

fn hours_ago(hours: u32) -> String {
    let now: Timestamp = Clock::system().now();
    (now - HOUR * hours).exact()
}

/// Runs `privacy breach`; its exit code and what it wrote.
fn breach(collector: &Collector, arguments: &[&str]) -> (Option<i32>, String, String) {
    collector.outcome(&[&["privacy", "breach"], arguments].concat())
}

#[track_caller]
fn done(collector: &Collector, arguments: &[&str]) -> String {
    let (code, out, said) = breach(collector, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    out
}

#[track_caller]
fn refused(collector: &Collector, code: i32, arguments: &[&str]) -> String {
    let (found, out, said) = breach(collector, arguments);
    assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {said}");
    said
}

/// Who was told, once so many mails came.
fn told(mailbox: &Mailbox, count: usize) -> Vec<String> {
    let to = wait::until("the mails", Duration::from_secs(30), || {
        let mut to: Vec<String> = mailbox.mails().iter().filter_map(|mail| mail.header("To")).collect();
        to.sort_unstable();
        if to.len() >= count { Ok(to) } else { Err(mailbox.log()) }
    });
    to.into_iter().map(|address| address.trim_matches(['<', '>']).to_owned()).collect()
}
