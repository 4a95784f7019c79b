//! An account or an organization is closed at once, comes back within seven days by the link of a mail, and is erased after that:
//! nothing of it is left in any table, and everything of others is.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::domain::access::Right;
use picket_collector::domain::column_class::{Erase, Subject};
use picket_collector::login::api_key::Refusal;
use picket_collector::ops::{anchor::Anchorage, audit, erasure};
use picket_collector::privacy::erase::Receipts;
use picket_collector::privacy::ledger::Ledger;
use picket_collector::store::catalogue::{Catalogue, Part};
use picket_collector::store::erasures;
use picket_collector::vault::{Class, KeyRing};
use picket_shared::ids::CollectorId;
use uuid::Uuid;

use crate::common::{Browser, World};
use crate::mailbox::MAILS;

const DAY: Duration = Duration::from_secs(86_400);

/// What erases in a world, and its ledger.
struct Eraser {
    folder: tempfile::TempDir,
    ledger: Ledger,
    receipts: Receipts,
}

impl Eraser {
    fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ring, file) = (KeyRing::generate().unwrap(), folder.path().join("ended.ledger"));
        let ledger = Ledger::of(file, &ring, CollectorId(Uuid::from_u128(77))).unwrap();
        Self { folder, ledger, receipts: Receipts { sealer: Some(world.sealer.clone()), copies_until: None } }
    }

    async fn run(&self, world: &World) -> erasure::Report {
        erasure::run(&world.pools(), &self.ledger, &self.receipts, world.clock.now()).await.unwrap()
    }

    /// Whether every chain of the audit log holds; gives how many entries are erased.
    async fn verify(&self, world: &World) -> u64 {
        let (notary, collector) = (self.ledger.notary.clone(), self.ledger.collector);
        let anchorage = Anchorage { file: self.folder.path().join("anchors"), notary, collector };
        let anchors = anchorage.read(&anchorage.file).unwrap();
        let verdict = audit::verify(&world.pools(), &anchorage, &anchors).await.unwrap();
        assert_eq!(verdict.broken, []);
        verdict.whole.erased
    }
}

/// Every row of every table, as a plain dump has it.
async fn dump(world: &World) -> String {
    let tables = world
        .one(
            "SELECT string_agg(c.relname, ' ') FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
             AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_sqlx_migrations'",
        )
        .await;
    let mut text = String::new();
    for table in tables.split(' ') {
        text.push_str(&world.one(&format!("SELECT string_agg('{table} ' || t::text, E'\\n') FROM {table} t")).await);
        text.push('\n');
    }
    text
}

#[track_caller]
fn is_nowhere(dump: &str, canary: &str) {
    let found: Vec<&str> = dump.lines().filter(|line| line.to_lowercase().contains(canary)).collect();
    assert!(found.is_empty(), "{canary} is left: {found:?}");
}

/// The path of the link in the newest mail of a kind to an address.
async fn link(world: &World, template: &str) -> String {
    let query = format!(
        "SELECT sealed_parameters, uuid FROM account_mails WHERE template = '{template}' AND state = 'pending' ORDER BY id DESC LIMIT 1"
    );
    let mail: serde_json::Value = serde_json::from_str(&world.sealed(Class::AccountMail, &query).await).unwrap();
    let token = mail.pointer("/about/closed/link/token").and_then(|token| token.as_str()).unwrap().to_owned();
    format!("/link/{token}")
}

/// Another user, of the other organization.
async fn another(world: &World) {
    world
        .sql(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 VALUES (gen_random_uuid(), 'stays@example.org', 'x', 0, 0);
             INSERT INTO memberships (org_id, user_id, role, created_at)
                 SELECT 2, id, 'owner', 0 FROM users WHERE email = 'stays@example.org'",
        )
        .await;
}

/// Two monitors of the first organization, of which one is paused, and one of the other.
async fn monitors(world: &World) {
    for (org, name, paused) in [(1, "runs-canary", "NULL"), (1, "paused-canary", "5"), (2, "of-another", "NULL")] {
        world
            .sql(&format!(
                "WITH m AS (INSERT INTO monitors (uuid, org_id, name, kind, target, spec, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, paused_at)
                     VALUES (gen_random_uuid(), {org}, '{name}', 'tcp', '{name}.example.org:443', '{{\"kind\":\"tcp\",\"host\":\"{name}.example.org\",\"port\":443}}', 60, 5000, 1, 0, 0, {paused}) RETURNING id)
                 INSERT INTO states (org_id, monitor_id, state, since, data, watch) SELECT {org}, id, 'pending', 0, '{{}}', false FROM m"
            ))
            .await;
    }
}

const RUNNING: &str = "SELECT count(*) FROM monitors WHERE org_id = 1 AND paused_at IS NULL";

#[tokio::test]
async fn an_account_is_closed_at_once_and_comes_back_by_the_link_once() {
    let world = World::with(MAILS).await;
    let key = world.key("editor", &[Right::MonitorsRead], &[]).await;
    let mut editor = Browser::of(&world, "editor").await;
    world.member("owner").await;
    let page = editor.get("/account/delete").await;
    page.shows("editor@example.org");
    page.shows("seven days");
    let wrong = editor.post("/account/delete", &[("confirm", "other@example.org")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let done = editor.post("/account/delete", &[("confirm", "Editor@example.org")]).await;
    assert_eq!(done.to(), "/sign-in?done=account_closed");
    // Sessions, keys and the way in are gone.
    assert_eq!(
        world
            .one(
                "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'editor@example.org'"
            )
            .await,
        "0"
    );
    let from = "127.0.0.1".parse().unwrap();
    let refused = world.porter.admit(&key, from, world.clock.now()).await.unwrap();
    assert_eq!(refused.unwrap_err(), Refusal::Unknown);
    let mut stranger = Browser::new(&world);
    let closed = stranger.sign_in("editor@example.org", crate::common::PASSWORD).await;
    let unknown = stranger.sign_in("nobody@example.org", crate::common::PASSWORD).await;
    assert_eq!(closed.status, unknown.status);
    assert_eq!(closed.text.replace("editor@", "nobody@"), unknown.text);
    assert_eq!(world.one("SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = 'editor@example.org'").await, "0");
    // Nothing is erased before its time.
    let eraser = Eraser::of(&world);
    world.clock.advance(DAY * 6);
    assert_eq!(eraser.run(&world).await, erasure::Report::default());
    assert!(!eraser.ledger.file.exists());
    // A look changes nothing; the button brings it back, once.
    let link = link(&world, "closed").await;
    for _ in 0..2 {
        stranger.get(&link).await.shows("editor@example.org");
    }
    assert_eq!(stranger.post(&link, &[]).await.to(), "/sign-in?done=back");
    assert_eq!(stranger.post(&link, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        world
            .one(
                "SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = 'editor@example.org'"
            )
            .await,
        "editor"
    );
    assert!(world.porter.admit(&key, from, world.clock.now()).await.unwrap().is_err(), "a key stays dead");
    world.clock.advance(DAY * 30);
    assert_eq!(eraser.run(&world).await, erasure::Report::default());
    assert_eq!(eraser.verify(&world).await, 0);
}

#[tokio::test]
async fn the_last_owner_hands_over_or_closes_the_organization_too() {
    let world = World::with(MAILS).await;
    monitors(&world).await;
    let mut owner = Browser::of(&world, "owner").await;
    owner.get("/account/delete").await.shows("Close acme too");
    let refused = owner.post("/account/delete", &[("confirm", "owner@example.org")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.shows("You alone own acme");
    assert_eq!(world.one("SELECT count(*) FROM closures").await, "0");
    let id = world.one("SELECT uuid FROM organizations WHERE id = 1").await;
    let done = owner.post("/account/delete", &[("confirm", "owner@example.org"), ("close", &id)]).await;
    assert_eq!(done.to(), "/sign-in?done=account_closed");
    assert_eq!(world.one(RUNNING).await, "0");
    assert_eq!(world.one("SELECT count(*) FROM monitors WHERE org_id = 2 AND paused_at IS NULL").await, "1");
    // The link of the account brings both back; of the monitors what the closure paused.
    let link = link(&world, "closed").await;
    assert_eq!(Browser::new(&world).post(&link, &[]).await.to(), "/sign-in?done=back");
    assert_eq!(world.one(RUNNING).await, "1");
    assert_eq!(world.one("SELECT paused_at FROM monitors WHERE name = 'paused-canary'").await, "5");
    assert_eq!(world.one("SELECT role FROM memberships").await, "owner");
    assert_eq!(world.one("SELECT count(*) FROM organizations WHERE deleted_at IS NOT NULL").await, "0");
    assert_eq!(world.one("SELECT count(*) FROM closures").await, "0");
}

#[tokio::test]
async fn an_erased_account_is_in_no_table_and_the_audit_log_holds() {
    let world = World::with(MAILS).await;
    world.member("editor").await;
    let mut editor = Browser::of(&world, "editor").await;
    world.key("editor", &[Right::MonitorsRead], &[]).await;
    another(&world).await;
    let uuid = world.one("SELECT uuid FROM users WHERE email = 'editor@example.org'").await;
    editor.get("/account/delete").await;
    editor.post("/account/delete", &[("confirm", "editor@example.org")]).await;
    let link = link(&world, "closed").await;
    world.clock.advance(DAY * 7);
    assert_eq!(Browser::new(&world).post(&link, &[]).await.status, StatusCode::NOT_FOUND);
    let eraser = Eraser::of(&world);
    let done = eraser.run(&world).await;
    assert_eq!((done.erased, done.again), (1, 0));
    assert!(std::fs::read_to_string(&eraser.ledger.file).unwrap().contains(&uuid));
    let left = dump(&world).await;
    is_nowhere(&left, "editor@example.org");
    assert!(left.contains("stays@example.org"));
    assert!(eraser.verify(&world).await > 0);
    assert_eq!(world.one("SELECT kind FROM erasures").await, "account");
    let query = "SELECT sealed_parameters, uuid FROM account_mails WHERE template = 'erased'";
    assert!(world.sealed(Class::AccountMail, query).await.contains("editor@example.org"));
    // A database of before has the account again: it goes again.
    world
        .sql(&format!(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES ('{uuid}', 'editor@example.org', 'x', 0, 0)"
        ))
        .await;
    assert_eq!(eraser.run(&world).await.again, 1);
    is_nowhere(&dump(&world).await, "editor@example.org");
    assert_eq!(eraser.run(&world).await, erasure::Report::default());
}

#[tokio::test]
async fn an_erased_organization_is_in_no_table_and_the_other_is_whole() {
    let world = World::with(MAILS).await;
    monitors(&world).await;
    world
        .sql(
            "INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
             SELECT gen_random_uuid(), o, 'channel-canary-' || o, 'email', 'hint-canary-' || o, 'x', 0 FROM generate_series(1, 2) o",
        )
        .await;
    let mut owner = Browser::of(&world, "owner").await;
    world.member("viewer").await;
    owner.get("/organization/delete").await.shows("acme");
    let wrong = owner.post("/organization/delete", &[("confirm", "other")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.post("/organization/delete", &[("confirm", "acme")]).await.to(), "/organizations");
    assert_eq!(world.one(RUNNING).await, "0");
    world.clock.advance(DAY * 7);
    let eraser = Eraser::of(&world);
    // It is killed in the middle: the ledger has it, some tables are done.
    let mut conn = world.pools().eraser().await.unwrap();
    let due = erasures::begin_due(&mut conn, world.clock.now()).await.unwrap();
    let plan = erasures::plan(&mut conn, Part::Organization).await.unwrap();
    let whose = erasures::Whose { part: Part::Organization, key: due[0].key, names: Vec::new() };
    for step in plan.iter().take(plan.len() / 2) {
        erasures::piece(&mut conn, step, &whose, due[0].closure).await.unwrap();
    }
    conn.commit().await.unwrap();
    assert_eq!(eraser.run(&world).await.erased, 1);
    let left = dump(&world).await;
    for canary in ["acme", "runs-canary", "paused-canary", "channel-canary-1", "hint-canary-1"] {
        is_nowhere(&left, canary);
    }
    for kept in ["of-another", "channel-canary-2", "hint-canary-2", "owner@example.org", "viewer@example.org"] {
        assert!(left.contains(kept), "{kept} is gone");
    }
    assert!(eraser.verify(&world).await > 0);
    assert_eq!(eraser.run(&world).await, erasure::Report::default());
}

#[tokio::test]
async fn every_table_that_is_to_be_erased_is_reached() {
    let world = World::new().await;
    let mut conn = world.pools().eraser().await.unwrap();
    let mut reached = Vec::new();
    for part in [Part::Account, Part::Organization] {
        let plan = erasures::plan(&mut conn, part).await.unwrap();
        reached.extend(plan.into_iter().map(|step| step.table));
    }
    // By the closure that it is of; and what names nobody and is over within a day or an hour.
    reached.extend(["closures", "one_time_links", "sign_in_failures", "passkey_challenges"].map(str::to_owned));
    let catalogue = Catalogue::read(&mut conn).await.unwrap();
    let missed: Vec<&str> = catalogue
        .tables()
        .iter()
        .filter(|table| {
            table
                .columns
                .iter()
                .any(|column| !matches!(column.class.erase, Erase::Keep) && column.class.subject != Subject::None)
        })
        .map(|table| &*table.name)
        .filter(|table| !reached.iter().any(|reached| reached == table))
        .collect();
    assert_eq!(missed, Vec::<&str>::new());
}
