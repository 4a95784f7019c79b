//! What ended is in the ledger soon after, and ends again in a database that was restored to before it. That is played here by taking
//! back in the rows what had ended; a story restores a real cluster.

use axum::http::StatusCode;
use picket_collector::domain::access::Right;
use picket_collector::domain::ended::{Ended, Kind};
use picket_collector::login::api_key::Refusal;
use picket_collector::ops::arming::{self, Report};
use picket_collector::ops::ended::Follower;
use picket_collector::privacy::ledger::{FILE, Ledger};
use picket_collector::vault::KeyRing;
use picket_shared::ids::CollectorId;
use uuid::Uuid;

use crate::common::{Browser, EMAIL, PASSWORD, World};
use crate::mailbox::MAILS;

/// A ledger, and who follows the audit log for it.
struct Book {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    follower: Follower,
}

impl Book {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::generate().unwrap();
        let ledger = Ledger::of(folder.path().join(FILE), &ring, CollectorId(Uuid::from_u128(77))).unwrap();
        Self { _folder: folder, ledger, follower: Follower::default() }
    }

    async fn follow(&self, world: &World) -> usize {
        self.follower.follow(&world.pools(), &self.ledger, world.clock.now()).await.unwrap()
    }

    async fn arm(&self, world: &World) -> Report {
        arming::run(&world.pools(), &self.ledger, "command:root", world.clock.now()).await.unwrap()
    }

    fn kinds(&self) -> Vec<Kind> {
        self.ledger.read().unwrap().into_iter().map(|ended| ended.kind).collect()
    }
}

async fn admit(world: &World, key: &str) -> Option<Refusal> {
    world.porter.admit(key, "127.0.0.1".parse().unwrap(), world.clock.now()).await.unwrap().err()
}

async fn of(world: &World, role: &str) -> String {
    world.one(&format!("SELECT uuid FROM users WHERE email = '{role}@example.org'")).await
}

#[tokio::test]
async fn a_revoked_key_and_a_removed_member_stay_out() {
    let (world, book) = (World::new().await, Book::new());
    let key = world.key("admin", &[Right::MonitorsRead], &[]).await;
    let other = world.key("editor", &[Right::MonitorsRead], &[]).await;
    let mut owner = Browser::of(&world, "owner").await;
    let mut admin = Browser::of(&world, "admin").await;
    assert_eq!(book.follow(&world).await, 0, "what is made ends nothing");
    let id = world
        .one("SELECT public_id FROM api_keys WHERE user_id = (SELECT id FROM users WHERE email = 'admin@example.org')")
        .await;
    admin.get(&format!("/keys/{id}/revoke")).await;
    assert_eq!(admin.post(&format!("/keys/{id}/revoke"), &[]).await.to(), "/keys?done=key_revoked");
    let editor = of(&world, "editor").await;
    owner.get(&format!("/members/{editor}/remove")).await;
    assert_eq!(
        owner.post(&format!("/members/{editor}/remove"), &[("successor", "none")]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(book.follow(&world).await, 2);
    assert_eq!(book.kinds(), [Kind::Key, Kind::Membership]);
    assert_eq!(book.follow(&world).await, 0, "nothing is written twice");
    assert_eq!(
        Follower::default().follow(&world.pools(), &book.ledger, world.clock.now()).await.unwrap(),
        0,
        "nor after a restart"
    );

    // As it was before. The editor has another key, for the one that it had went with the membership.
    world.sql("UPDATE api_keys SET revoked_at = NULL").await;
    let again = world.key("editor", &[Right::MonitorsRead], &[]).await;
    world.sql("UPDATE memberships SET created_at = 0").await;
    assert_eq!((admit(&world, &key).await, admit(&world, &again).await), (None, None));
    let report = book.arm(&world).await;
    assert_eq!((report.counts.keys, report.counts.memberships), (1, 1));
    assert_eq!(admit(&world, &key).await, Some(Refusal::Unknown));
    assert_eq!(admit(&world, &again).await, Some(Refusal::Unknown));
    assert_eq!(admit(&world, &other).await, Some(Refusal::Unknown));
    assert_eq!(owner.get("/").await.to(), "/sign-in", "every session is over");
    assert_eq!(world.one("SELECT detail ->> 'keys' FROM audit WHERE action = 'restore.arm'").await, "1");
    let again = book.arm(&world).await;
    assert_eq!(again, Report::default(), "a second time changes nothing");
}

#[tokio::test]
async fn an_old_password_lets_nobody_in_and_links_and_what_waited_are_over() {
    let (world, book) = (World::with(MAILS).await, Book::new());
    let mut browser = world.signed_in().await;
    let before = world.one("SELECT password_hash FROM users").await;
    browser.get("/account").await;
    let change = [("old", PASSWORD), ("new", "another few words")];
    assert_eq!(browser.post("/account/password", &change).await.to(), "/sign-in?done=password");
    assert_eq!(book.follow(&world).await, 1);
    assert_eq!(book.kinds(), [Kind::Password]);
    world.sql(&format!("UPDATE users SET password_hash = '{before}', password_changed_at = 0")).await;
    let mut forgetful = Browser::new(&world);
    forgetful.get("/sign-in/link").await;
    forgetful.post("/sign-in/link", &[("email", EMAIL)]).await;
    assert_ne!(world.one("SELECT count(*) FROM account_links").await, "0");
    assert_ne!(world.one("SELECT count(*) FROM account_mails WHERE state = 'pending'").await, "0");
    let report = book.arm(&world).await;
    assert_eq!(report.counts.passwords, 1);
    assert!(report.counts.mails > 0, "{report:?}");
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE state = 'pending'").await, "0");
    assert_eq!(world.one("SELECT count(*) FROM account_links").await, "0");
    for password in [PASSWORD, "another few words"] {
        let answer = Browser::new(&world).sign_in(EMAIL, password).await;
        assert_ne!(answer.status, StatusCode::SEE_OTHER, "{password}");
    }
}

#[tokio::test]
async fn what_was_closed_is_closed_again_unless_it_came_back() {
    let (world, book) = (World::new().await, Book::new());
    world.member("owner").await;
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/account/delete").await;
    assert_eq!(
        editor.post("/account/delete", &[("confirm", "editor@example.org")]).await.status,
        StatusCode::SEE_OTHER
    );
    book.follow(&world).await;
    assert!(book.kinds().contains(&Kind::ClosedAccount), "{:?}", book.kinds());
    let id = of(&world, "editor").await;
    world.sql("DELETE FROM closures; UPDATE users SET deleted_at = NULL").await;
    world.member("editor").await;
    world.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(book.arm(&world).await.closed, 1);
    assert_eq!(world.one(&format!("SELECT deleted_at IS NOT NULL FROM users WHERE uuid = '{id}'")).await, "true");
    assert_eq!(world.one("SELECT erase_at - closed_at FROM closures").await, (7_i64 * 86_400_000_000).to_string());

    world.sql("DELETE FROM closures; UPDATE users SET deleted_at = NULL").await;
    let back = Ended { kind: Kind::RestoredAccount, subject: id, org: None, at: world.clock.now() };
    book.ledger.add(&[back]).unwrap();
    assert_eq!(book.arm(&world).await.closed, 0);
}

#[tokio::test]
async fn the_only_owner_is_not_put_out() {
    let (world, book) = (World::new().await, Book::new());
    world.member("owner").await;
    let (subject, org) = (of(&world, "owner").await, world.one("SELECT uuid FROM organizations WHERE id = 1").await);
    let at = world.clock.now();
    let left = Ended { kind: Kind::Membership, subject, org: org.parse().ok(), at };
    book.ledger.add(&[left]).unwrap();
    assert_eq!(book.arm(&world).await.counts.memberships, 0);
    world.sql(
        "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at) VALUES (gen_random_uuid(), 'b@example.org', 'x', 0, 0);
         INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 1, id, 'owner', 0 FROM users WHERE email = 'b@example.org'",
    )
    .await;
    assert_eq!(book.arm(&world).await.counts.memberships, 1);
}
