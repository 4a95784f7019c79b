//! Somebody without an account is found by an address in every column that can hold a text and in sealed values, and is erased: a word
//! takes the place of the address, channels are switched off and owners told, and a restored copy is erased again.

use picket_collector::domain::address::Address;
use picket_collector::domain::column_class::{Erase, Subject};
use picket_collector::ops::erasure;
use picket_collector::privacy::erase::Receipts;
use picket_collector::privacy::ledger::Ledger;
use picket_collector::privacy::people::{self, PeopleError};
use picket_collector::store::audit::Author;
use picket_collector::store::people::Becomes;
use picket_collector::vault::{Class, KeyRing, Opener, Sealer};
use picket_shared::ids::CollectorId;
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor, query_scalar};
use uuid::Uuid;

use crate::canaries::{DAY, rows, seeded};
use crate::database::TestDatabase;

const NOW: Timestamp = Timestamp::from_micros(DAY);
/// What stays where an address stands in it: something works by it, or it was agreed as it is.
const STAYS: &[&str] = &[
    "account_mails.template",
    "dpas.body",
    "dpas.hash",
    "manual_checks.outcome",
    "manual_checks.spec",
    "monitors.external_key",
    "monitors.imported",
    "monitors.spec",
    "monitors.target",
    "states.data",
];

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

struct Desk {
    _folder: tempfile::TempDir,
    ring: KeyRing,
    ledger: Ledger,
    receipts: Receipts,
}

impl Desk {
    fn new() -> Self {
        let (folder, ring) = (tempfile::tempdir().unwrap(), KeyRing::generate().unwrap());
        let file = folder.path().join("ended.ledger");
        let ledger = Ledger::of(file, &ring, CollectorId(Uuid::from_u128(7))).unwrap();
        let receipts = Receipts { sealer: Some(Sealer::new(&ring)), copies_until: None };
        Self { _folder: folder, ring, ledger, receipts }
    }

    async fn erase(&self, database: &TestDatabase, whom: &str) -> Result<people::Done, PeopleError> {
        let by = Author::of_instance("command:root");
        people::erase(&database.pools, &self.ledger, &self.receipts, &address(whom), (&by, NOW)).await
    }
}

#[tokio::test]
async fn every_column_that_can_name_somebody_is_looked_through() {
    let (database, columns) = seeded().await;
    let opener = Opener::new(&KeyRing::generate().unwrap());
    let person = people::find(&database.pools, &opener, &address("canary-1@example.org")).await.unwrap();
    assert_eq!(person.account, Some(None));
    let is_found = |table: &str, column: &str| {
        person.found.iter().any(|found| found.table == table && found.columns.iter().any(|(name, ..)| name == column))
    };
    let texts = columns.iter().filter(|column| column.is_text() && column.value(1).contains("canary-1@"));
    let (mut seen, mut missing) = (0, Vec::new());
    for column in texts {
        seen += 1;
        if !is_found(&column.table, &column.name) {
            missing.push(format!("{}.{}", column.table, column.name));
        }
    }
    assert!(seen > 90, "only {seen} columns");
    assert_eq!(missing, Vec::<String>::new());
    let document = person.document(NOW).to_string();
    assert!(document.contains("canary-1@example.org") && !document.contains("canary-2"));
    // Of a text of an organization that text alone, and nothing by which somebody signs in.
    assert!(!document.contains("canary-1-api_keys-key_hash") && !document.contains("sealed"), "{document}");
}

#[tokio::test]
async fn after_an_erasure_the_address_is_nowhere_but_where_something_works_by_it() {
    let (database, columns) = seeded().await;
    let desk = Desk::new();
    assert!(matches!(desk.erase(&database, "canary-1@example.org").await, Err(PeopleError::HasAccount(_))));
    assert!(!desk.ledger.file.exists(), "nothing is in the ledger of what was not erased");
    let mut superuser = database.login("postgres").await;
    superuser.execute("SET session_replication_role = replica; DELETE FROM users WHERE id = 1").await.unwrap();
    let before = rows(&database, &columns).await;
    let done = desk.erase(&database, "canary-1@example.org").await.unwrap();
    assert!(done.counts.len() > 20, "{:?}", done.counts);
    let stays: Vec<String> = columns
        .iter()
        .filter(|column| {
            column.class.as_ref().is_some_and(|class| {
                class.subject == Subject::None
                    || class.erase == Erase::Keep
                    || STAYS.contains(&&*format!("{}.{}", column.table, column.name))
            })
        })
        .map(|column| format!("{}.{}", column.table, column.name))
        .collect();
    let left = done
        .left
        .found
        .iter()
        .flat_map(|found| found.columns.iter().map(move |(name, _, becomes)| (found, name, becomes)));
    let mut wrong = Vec::new();
    for (found, name, becomes) in left {
        let column = format!("{}.{name}", found.table);
        if !stays.contains(&column) || *becomes != Becomes::Stays {
            wrong.push(format!("{column} {becomes:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let after = rows(&database, &columns).await;
    let of_another = |rows: &[(String, String)]| {
        rows.iter().filter(|(_, row)| row.contains("canary-2")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of_another(&after), of_another(&before), "another's rows are as they were");
    let ledger = std::fs::read_to_string(&desk.ledger.file).unwrap();
    assert!(ledger.contains(&done.id.to_string()) && !ledger.contains("canary-1"), "{ledger}");
}

/// An organization with an owner, a channel to somebody, an invitation, a mail, and a monitor that names the same person.
async fn world(database: &TestDatabase, ring: &KeyRing) {
    let sealer = Sealer::new(ring);
    let (channel, mail, other) = (Uuid::from_u128(11), Uuid::from_u128(12), Uuid::from_u128(13));
    let settings = |to: &str| format!(r#"{{"kind":"email","address":"{to}"}}"#);
    let hex = |class: Class, row: Uuid, plain: &str| {
        let sealed = sealer.seal(class, row.as_bytes(), plain.as_bytes()).unwrap();
        sealed.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let to_bob = hex(Class::ChannelSettings, channel, &settings("Bob@example.org"));
    let to_eve = hex(Class::ChannelSettings, other, &settings("eve@example.org"));
    let about = r#"{"to":"bob@example.org","about":{"failed_sign_in":{"at":1}}}"#;
    let about = hex(Class::AccountMail, mail, about);
    let mut superuser = database.login("postgres").await;
    let sql = format!(
        "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'acme', 0);
         INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
             VALUES (gen_random_uuid(), 'owner@example.org', 'x', 0, 0);
         INSERT INTO memberships (org_id, user_id, role, created_at) VALUES (1, 1, 'owner', 0);
         INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at, verified_at, verified_by) VALUES
             ('{channel}', 1, 'mail to bob@example.org', 'email', 'b***@example.org', decode('{to_bob}', 'hex'), 0, 0, 'code'),
             ('{other}', 1, 'another', 'email', 'e***@example.org', decode('{to_eve}', 'hex'), 0, 0, 'code');
         INSERT INTO invitations (uuid, org_id, email, role, token_hash, invited_by, created_at, expires_at)
             VALUES (gen_random_uuid(), 1, 'bob@example.org', 'viewer', sha256('x'), 1, 0, 1);
         INSERT INTO account_mails (uuid, template, sealed_parameters, state, created_at, next_at, gives_up_at)
             VALUES ('{mail}', 'failed_sign_in', decode('{about}', 'hex'), 'pending', 0, 0, 1);
         INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, tags)
             VALUES (gen_random_uuid(), 1, 'of Bob@example.org.', 'http', 'https://example.org/bob@example.org', '{{}}', 60, 1000, 1, 0, 0,
                     '{{\"ask bob@example.org\",nobob@example.org}}')"
    );
    superuser.execute(AssertSqlSafe(sql)).await.unwrap();
}

async fn one(database: &TestDatabase, query: &str) -> String {
    let query = format!("SELECT ({query})::text");
    query_scalar(AssertSqlSafe(query)).fetch_one(&mut database.login("postgres").await).await.unwrap()
}

#[tokio::test]
async fn a_channel_to_who_is_erased_is_switched_off_and_its_owners_are_told() {
    let (database, desk) = (TestDatabase::new().await, Desk::new());
    world(&database, &desk.ring).await;
    let person = people::find(&database.pools, &desk.ledger.opener, &address("bob@example.org")).await.unwrap();
    let tables: Vec<&str> = person.found.iter().map(|found| &*found.table).collect();
    for table in ["account_mails", "channels", "invitations", "monitors"] {
        assert!(tables.contains(&table), "{table} is not in {tables:?}");
    }
    let done = desk.erase(&database, "bob@example.org").await.unwrap();
    assert_eq!(done.channels, 1);
    let channel =
        "SELECT concat_ws(' ', unset_why, hint, verified_at, sealed_settings = '') FROM channels WHERE id = 1";
    assert_eq!(one(&database, channel).await, "erased erased t");
    let name = one(&database, "SELECT name FROM channels WHERE id = 1").await;
    assert!(name.starts_with("mail to erased-") && !name.contains("bob"), "{name}");
    assert_eq!(one(&database, "SELECT verified_by FROM channels WHERE id = 2").await, "code");
    assert_eq!(one(&database, "SELECT count(*) FROM invitations").await, "0");
    let tags = one(&database, "SELECT tags FROM monitors").await;
    assert!(tags.contains("ask erased-") && tags.contains("nobob@example.org"), "{tags}");
    // What is watched stays, and says so.
    assert_eq!(one(&database, "SELECT target FROM monitors").await, "https://example.org/bob@example.org");
    let left: Vec<&str> = done.left.found.iter().map(|found| &*found.table).collect();
    assert_eq!(left, ["monitors"]);
    let mails = "SELECT string_agg(template || ' ' || user_id, ',') FROM account_mails";
    assert_eq!(one(&database, mails).await, "channels_erased 1");
    assert_eq!(one(&database, "SELECT count(*) FROM audit WHERE org_id = 1 AND action = 'channel.erase'").await, "1");
    assert_eq!(one(&database, "SELECT kind || ' ' || (subject_id = (SELECT subject::uuid FROM audit WHERE action = 'contact.erase')) FROM erasures").await, "contact true");
}

#[tokio::test]
async fn a_copy_of_before_is_erased_again_and_a_database_of_after_is_left_alone() {
    let (database, copy, desk) = (TestDatabase::new().await, TestDatabase::new().await, Desk::new());
    world(&database, &desk.ring).await;
    world(&copy, &desk.ring).await;
    desk.erase(&database, "bob@example.org").await.unwrap();
    let run =
        async |database: &TestDatabase| erasure::run(&database.pools, &desk.ledger, &desk.receipts, NOW).await.unwrap();
    assert_eq!(run(&database).await, erasure::Report::default());
    assert_eq!(run(&copy).await.again, 1);
    assert_eq!(one(&copy, "SELECT count(*) FROM invitations").await, "0");
    assert_eq!(one(&copy, "SELECT unset_why FROM channels WHERE id = 1").await, "erased");
    assert_eq!(run(&copy).await, erasure::Report::default());
}

#[tokio::test]
async fn the_eraser_takes_an_address_out_and_changes_nothing_else() {
    let (database, desk) = (TestDatabase::new().await, Desk::new());
    world(&database, &desk.ring).await;
    let mut eraser = database.login("picket_eraser").await;
    let says = "SELECT set_config('picket.erasing', 'bob@example.org', false), set_config('picket.erasing_word', 'erased-1', false)";
    for (sql, wanted) in [
        // Nobody is being erased.
        ("UPDATE monitors SET name = 'mine'", Ok(0)),
        ("UPDATE invitations SET role = 'owner'", Err("takes an address out")),
        (says, Ok(1)),
        ("UPDATE monitors SET name = 'mine'", Err("takes an address out")),
        ("UPDATE monitors SET target = 'mine'", Err("permission denied")),
        ("UPDATE channels SET sealed_settings = 'x'", Err("takes an address out")),
        ("UPDATE channels SET name = 'x' WHERE id = 2", Err("takes an address out")),
        ("DELETE FROM monitors", Ok(0)),
        ("UPDATE monitors SET name = without_name(name, 'bob@example.org', 'erased-1')", Ok(1)),
    ] {
        match (eraser.execute(AssertSqlSafe(sql)).await, wanted) {
            (Ok(done), Ok(rows)) => assert_eq!(done.rows_affected(), rows, "{sql}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{sql}: {error}"),
            (other, wanted) => panic!("{sql}: {other:?}, not {wanted:?}"),
        }
    }
    assert_eq!(one(&database, "SELECT name FROM monitors").await, "of erased-1.");
}

#[tokio::test]
async fn a_telephone_number_is_known_however_people_write_it() {
    let database = TestDatabase::new().await;
    let names = async |text: &str, name: &str| {
        one(&database, &format!("SELECT names_one_of('{text}', ARRAY['{name}'])")).await == "true"
    };
    for text in ["+4930123456", "call +49 (30) 123-456 at night", "+49 30 12 34 56"] {
        assert!(names(text, "+4930123456").await, "{text}");
        assert!(address("+4930123456").is_in(text), "{text}");
    }
    for text in ["+49301234567", "4930123456"] {
        assert!(!names(text, "+4930123456").await, "{text}");
    }
    assert!(names(r#"{"a":"x\\nada@example.org"}"#, "ada@example.org").await);
    assert!(!names("nada@example.org", "ada@example.org").await);
}
