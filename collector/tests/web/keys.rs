//! API keys as people make and end them.

use std::time::Duration;

use axum::http::StatusCode;
use picket_collector::login::api_key::Refusal;

use crate::common::{Answer, Browser, World};
use crate::mailbox::{MAILS, Mailbox};

const HERE: &str = "127.0.0.1";

/// The key that a page shows.
fn shown(page: &Answer) -> String {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let rest = page.text.split("<code class=\"key\" tabindex=\"0\">").nth(1).unwrap();
    rest.split('<').next().unwrap().to_owned()
}

/// Makes a key with these fields.
async fn make(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> String {
    browser.get("/keys/new").await;
    shown(&browser.post("/keys/new", fields).await)
}

/// What a key is good for, or why for nothing.
async fn admit(world: &World, key: &str) -> Result<Vec<&'static str>, Refusal> {
    let holder = world.porter.admit(key, HERE.parse().unwrap(), world.clock.now()).await.unwrap()?;
    Ok(holder.scopes.iter().filter(|right| holder.may(**right)).map(|right| right.as_str()).collect())
}

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_hash_is_kept() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "editor").await;
    browser.get("/keys").await.shows("No key yet");
    let key = make(&mut browser, &[("name", "deploy"), ("scope", "monitors:read"), ("days", "90")]).await;
    assert!(key.starts_with("pkt_live_") && key.len() == 67, "{key}");
    let list = browser.get("/keys").await;
    list.shows("deploy");
    list.shows(&key[..17]);
    list.hides(&key);
    list.hides(&key[18..]);
    assert_eq!(
        world.one("SELECT encode(key_hash, 'hex') FROM api_keys").await,
        picket_shared::signing::body_hash(key.as_bytes())
    );
    let whole = world.one("SELECT string_agg(to_jsonb(a)::text, '') FROM audit a").await;
    assert!(!whole.contains(&key[18..]) && whole.contains("key.add") && whole.contains("user:editor@example.org"));
    assert_eq!(
        world.one("SELECT string_agg(to_jsonb(k)::text, '') LIKE '%' || 'pkt_live' || '%' FROM api_keys k").await,
        "false"
    );
    assert_eq!(admit(&world, &key).await, Ok(vec!["monitors:read"]));
}

#[tokio::test]
async fn a_key_can_do_no_more_than_its_user_may_now() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "editor").await;
    let key =
        make(&mut browser, &[("name", "k"), ("scope", "monitors:read"), ("scope", "monitors:write"), ("days", "")])
            .await;
    assert_eq!(admit(&world, &key).await, Ok(vec!["monitors:read", "monitors:write"]));
    world.sql("UPDATE memberships SET role = 'viewer'").await;
    assert_eq!(admit(&world, &key).await, Ok(vec!["monitors:read"]));
    world.sql("UPDATE memberships SET role = 'owner'").await;
    assert_eq!(admit(&world, &key).await, Ok(vec!["monitors:read", "monitors:write"]), "no more than its scopes");
    world.sql("UPDATE users SET deleted_at = 1").await;
    assert_eq!(admit(&world, &key).await, Err(Refusal::Unknown));
    world.sql("UPDATE users SET deleted_at = NULL").await;
    world.sql("DELETE FROM memberships").await;
    assert_eq!(admit(&world, &key).await, Err(Refusal::Unknown));
    world.sql("INSERT INTO memberships (org_id, user_id, role, created_at) SELECT 1, id, 'owner', 0 FROM users").await;
    assert_eq!(admit(&world, &key).await, Err(Refusal::Unknown), "it went with the membership");
}

#[tokio::test]
async fn each_field_of_a_key_that_cannot_be_is_named() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "responder").await;
    browser.get("/keys/new").await.hides("monitors:write");
    for (fields, says) in [
        (vec![("scope", "monitors:read")], "1 to 200 characters"),
        (vec![("name", "k")], "at least one thing"),
        (vec![("name", "k"), ("scope", "monitors:*")], "at least one thing"),
        (vec![("name", "k"), ("scope", "monitors:write")], "does not include monitors:write"),
        (vec![("name", "k"), ("scope", "monitors:read"), ("networks", "10.0.0.0/33")], "10.0.0.0/33 is no network"),
        (vec![("name", "k"), ("scope", "monitors:read"), ("days", "x")], "one of the times"),
        (vec![("name", "k"), ("scope", "monitors:read"), ("days", "99999999999999999999")], "one of the times"),
        (vec![("name", "k"), ("scope", "monitors:read"), ("days", "9999")], "one of the times"),
        (vec![("name", "k"), ("scope", "monitors:read"), ("days", "0")], "one of the times"),
    ] {
        let answer = browser.post("/keys/new", &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        answer.shows(says);
    }
    assert_eq!(world.one("SELECT count(*) FROM api_keys").await, "0");
}

#[tokio::test]
async fn a_key_ends_by_itself_or_at_once() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "editor").await;
    let fields = [("name", "k"), ("scope", "monitors:read"), ("days", "30")];
    let (short, revoked) = (make(&mut browser, &fields).await, make(&mut browser, &fields).await);
    browser.get("/keys").await.shows(&format!("/keys/{}/revoke", &revoked[9..17]));
    browser.get(&format!("/keys/{}/revoke", &revoked[9..17])).await.shows("Programs that use k are refused");
    let answer = browser.post(&format!("/keys/{}/revoke", &revoked[9..17]), &[]).await;
    assert_eq!(answer.to(), "/keys?done=key_revoked");
    assert_eq!(admit(&world, &revoked).await, Err(Refusal::Unknown));
    assert_eq!(admit(&world, &short).await, Ok(vec!["monitors:read"]));
    assert_eq!(browser.post(&format!("/keys/{}/revoke", &revoked[9..17]), &[]).await.status, StatusCode::NOT_FOUND);
    world.clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(admit(&world, &short).await, Err(Refusal::Expired));
    assert_eq!(world.one("SELECT string_agg(action, ' ' ORDER BY id) FROM audit").await, "key.add key.add key.revoke");
}

#[tokio::test]
async fn keys_of_others_are_ended_by_who_manages_members_and_by_nobody_else() {
    let world = World::new().await;
    let mut editor = Browser::of(&world, "editor").await;
    let key = make(&mut editor, &[("name", "of the editor"), ("scope", "monitors:read"), ("days", "")]).await;
    let path = format!("/keys/{}/revoke", &key[9..17]);
    let mut other = Browser::of(&world, "responder").await;
    other.get("/keys").await.hides("of the editor");
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
    let mut admin = Browser::of(&world, "admin").await;
    let list = admin.get("/keys").await;
    list.shows("of the editor");
    list.shows("editor@example.org");
    // Of another organization's keys even an owner sees nothing.
    world.sql("INSERT INTO memberships SELECT 2, id, 'owner', 0 FROM users WHERE email LIKE 'editor%'; UPDATE api_keys SET org_id = 2").await;
    admin.get("/keys").await.hides("of the editor");
    assert_eq!(admin.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
    world.sql("UPDATE api_keys SET org_id = 1").await;
    admin.get("/keys").await;
    assert_eq!(admin.post(&path, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(admit(&world, &key).await, Err(Refusal::Unknown));
}

#[tokio::test]
async fn a_key_is_made_and_ended_only_by_who_proved_lately_who_it_is_and_its_user_is_told() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut browser = Browser::of(&world, "editor").await;
    let fields = [("name", "deploy"), ("scope", "monitors:read"), ("days", "30")];
    let key = make(&mut browser, &fields).await;
    let mail = mailbox.one(&world, "editor@example.org").await;
    assert_eq!(mail.header("Subject"), "New API key at Picket");
    assert!(mail.0.contains("deploy") && mail.0.contains("http://localhost:8080/keys"), "{}", mail.0);
    assert!(!mail.0.contains(&key[18..]));
    browser.get("/keys").await;
    world.clock.advance(Duration::from_secs(600));
    let revoke = format!("/keys/{}/revoke", &key[9..17]);
    assert_eq!(browser.post("/keys/new", &fields).await.to(), "/step-up?next=%2Fkeys%2Fnew");
    assert!(browser.post(&revoke, &[]).await.to().starts_with("/step-up?next="));
    assert_eq!(admit(&world, &key).await, Ok(vec!["monitors:read"]));
    assert_eq!(world.one("SELECT count(*) FROM api_keys").await, "1");
    assert!(mailbox.mails(&world).await.is_empty());
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute_and_a_wrong_checksum_asks_nobody() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, "editor").await;
    let key = make(&mut browser, &[("name", "k"), ("scope", "monitors:read"), ("days", ""), ("networks", HERE)]).await;
    let used = || world.one("SELECT last_used_at FROM api_keys");
    assert_eq!(used().await, "");
    admit(&world, &key).await.unwrap();
    let first = used().await;
    assert_eq!(first, world.clock.now().micros().to_string());
    world.clock.advance(Duration::from_secs(59));
    admit(&world, &key).await.unwrap();
    assert_eq!(used().await, first);
    world.clock.advance(Duration::from_secs(1));
    admit(&world, &key).await.unwrap();
    assert_eq!(used().await, world.clock.now().micros().to_string());

    let elsewhere = world.porter.admit(&key, "192.0.2.1".parse().unwrap(), world.clock.now()).await.unwrap();
    assert_eq!(elsewhere.unwrap_err(), Refusal::Elsewhere);
    let wrong = |key: &str| if key.ends_with('0') { format!("{}1", &key[..66]) } else { format!("{}0", &key[..66]) };
    // Without the table nobody can be found: what is refused all the same was refused before.
    world.sql("ALTER TABLE api_keys RENAME TO gone").await;
    assert_eq!(admit(&world, &wrong(&key)).await, Err(Refusal::Malformed));
    assert!(world.porter.admit(&key, HERE.parse().unwrap(), world.clock.now()).await.is_err());
}
