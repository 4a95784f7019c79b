//! What administrators see and do: each deed does what it says, and stands in the audit log with who, what, when and from
//! where; nothing shows what an organization watches.

use std::time::Duration;

use axum::http::StatusCode;

use super::{PAGES, administrator, guarded, look};
use crate::common::{Browser, EMAIL, PASSWORD, World};
use crate::mailbox::{MAILS, Mailbox};

/// The entries since the last call, oldest first: whose chain, actor, from where, action, subject, detail.
async fn entries(world: &World) -> String {
    let told = "SELECT string_agg(concat_ws(' ', coalesce(org_id::text, '-'), actor, origin, action, subject, detail), E'\\n' ORDER BY id)
                FROM audit WHERE at = (SELECT max(at) FROM audit)";
    world.one(told).await
}

/// A probe that was heard.
async fn probe(world: &World, name: &str) -> String {
    let now = world.clock.now().micros();
    world
        .sql(&format!(
            "INSERT INTO probes (uuid, region_id, name, sealed_secret, created_at) VALUES (gen_random_uuid(), 1, '{name}', '', {now});
             INSERT INTO probe_status (probe_id, boot, version, kinds, hello_at, seen_at, batch_at, through)
                 SELECT id, gen_random_uuid(), '0.9.1', '{{}}', {now}, {now}, {now}, {now} FROM probes WHERE name = '{name}'"
        ))
        .await;
    world.one(&format!("SELECT uuid FROM probes WHERE name = '{name}'")).await
}

/// A monitor, a channel and an incident of the other organization, full of what nobody else may see.
async fn canaries(world: &World) {
    world
        .sql(
            "INSERT INTO monitors (uuid, org_id, name, kind, target, spec, tags, interval_s, timeout_ms, assigned_at_version, created_at, updated_at, sealed_secret)
                 VALUES (gen_random_uuid(), 2, 'canary-name', 'http', 'https://canary-target.example/', '{\"x\": \"canary-spec\"}', '{canary-tag}', 60, 1000, 1, 0, 0, 'canary-secret');
             INSERT INTO monitor_regions SELECT org_id, id, 1 FROM monitors;
             INSERT INTO channels (uuid, org_id, name, kind, hint, sealed_settings, created_at)
                 VALUES (gen_random_uuid(), 2, 'canary-channel', 'email', 'canary-hint', 'canary-settings', 0);
             INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, failure, message, detail)
                 SELECT gen_random_uuid(), 2, id, 1, 2, 'canary-failure', 'canary-message', '{}' FROM monitors;",
        )
        .await;
}

#[tokio::test]
async fn the_pages_show_the_instance_and_nothing_that_an_organization_watches() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    probe(&world, "lighthouse").await;
    canaries(&world).await;
    for path in PAGES {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.hides("canary");
        page.shows("aria-current=\"page\"");
    }
    let overview = browser.get("/admin").await;
    overview.shows("<td>1 / 1</td>");
    overview.shows("<dt>Organizations</dt><dd>2</dd>");
    overview.shows("<dt>Monitors</dt><dd>1</dd>");
    overview.shows("not counted yet");
    let organizations = browser.get("/admin/organizations").await;
    organizations.shows("acme");
    organizations.shows("other<br>");
    organizations.shows("<td class=\"num\">0</td><td class=\"num\">1</td>");
    browser.get("/admin/regions").await.shows("<td class=\"num\">1 / 1</td><td class=\"num\">1</td>");
    let probes = browser.get("/admin/probes").await;
    for shown in ["lighthouse", "0.9.1", "Heard", "0 s ago", "/admin/probes/"] {
        probes.shows(shown);
    }
    world.clock.advance(Duration::from_secs(46));
    browser.get("/admin").await.shows("Look at it");
    browser.get("/admin").await.shows("eu-1");
}

#[tokio::test]
async fn what_waits_too_long_is_seen_at_a_glance() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    canaries(&world).await;
    let gauges = async || {
        let mut worker = world.pools().worker().await.unwrap();
        picket_collector::store::read::gauges::read(&mut worker, world.clock.now()).await.unwrap()
    };
    world.meters.take_gauges(gauges().await);
    let page = browser.get("/admin").await;
    page.shows("<dt>Open incidents</dt><dd>1</dd>");
    page.hides("canary");
    let looks = page.text.matches("Look at it").count();
    assert_eq!(looks, 4, "nobody leads, no probe, a region without one, no archive: {}", page.text);
    let now = world.clock.now().micros();
    let leads = "UPDATE leadership SET fence = 7, holder = gen_random_uuid(), host = 'tower (192.0.2.1:8080)'";
    world.sql(&format!("{leads}, taken_at = {now}, beat_at = {now} + 3600000000")).await;
    let page = browser.get("/admin").await;
    page.shows("tower (192.0.2.1:8080), since ");
    page.shows(", term 7");
    assert_eq!(page.text.matches("Look at it").count(), 3, "{}", page.text);
    world.clock.advance(Duration::from_secs(121));
    assert_eq!(browser.get("/admin").await.text.matches("Look at it").count(), 4, "what waits was not counted lately");
    let since = (world.clock.now() - Duration::from_secs(125)).micros();
    world.sql(&format!("INSERT INTO states (org_id, monitor_id, state, data, watch, since, dirty_at) SELECT org_id, id, 'up', '{{}}', false, 0, {since} FROM monitors")).await;
    world.meters.take_gauges(gauges().await);
    let page = browser.get("/admin").await;
    page.shows("for 2 min");
    assert_eq!(page.text.matches("Look at it").count(), 4);
}

#[tokio::test]
async fn every_look_is_in_the_log_of_the_instance() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    let address = "192.0.2.9:5";
    browser.address = address;
    for path in PAGES {
        world.clock.advance(Duration::from_secs(1));
        browser.get(path).await;
        assert_eq!(entries(&world).await, format!("- user:owner@example.org 192.0.2.9 admin.look {path} {{}}"));
    }
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.get("/admin/users?q=eve%40example.org").await.status, StatusCode::OK);
    assert!(!entries(&world).await.contains("eve"), "whom somebody looked for is not written down");
}

#[tokio::test]
async fn a_locked_account_is_shown_and_unlocked() {
    let world = World::new().await;
    world.signed_in().await;
    let mut browser = administrator(&world, "editor").await;
    let mut guesser = Browser { address: "192.0.2.7:1", ..Browser::new(&world) };
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(guesser.sign_in(EMAIL, "a guess for today").await.status, StatusCode::UNAUTHORIZED);
    }
    super::proven(&world, "editor").await;
    let mut owner = Browser { address: "192.0.2.8:1", ..Browser::new(&world) };
    assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    let page = browser.get("/admin/users").await;
    let until = world.clock.now() + Duration::from_secs(15 * 60);
    page.shows(&format!("until {until:.0}"));
    let user = world.one(&format!("SELECT uuid FROM users WHERE email = '{EMAIL}'")).await;
    let unlocks: Vec<_> = page.text.split("action=\"").filter(|rest| rest.contains("/unlock\"")).collect();
    assert!(unlocks.len() == 1 && unlocks[0].contains(&user), "one is locked");

    world.clock.advance(Duration::from_secs(1));
    let answer = browser.post(&format!("/admin/users/{user}/unlock"), &[]).await;
    assert_eq!(answer.to(), "/admin/users?done=unlocked");
    let told = format!("1 user:editor@example.org 127.0.0.1 user.unlock {user} {{\"as\":\"administrator\"}}");
    assert_eq!(entries(&world).await, told);
    browser.get("/admin/users?done=unlocked").await.hides("/unlock\"");
    assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER, "no waiting either");
    assert_eq!(browser.post("/admin/users/018f0000-0000-7000-8000-000000000000/unlock", &[]).await.status, 404);
    assert_eq!(browser.post("/admin/users/x/unlock", &[]).await.status, 404);
}

#[tokio::test]
async fn a_known_browser_that_is_locked_out_is_let_in_again() {
    let world = World::new().await;
    let mut owner = world.signed_in().await;
    owner.get("/").await;
    owner.post("/sign-out", &[]).await;
    let mut browser = administrator(&world, "editor").await;
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(60));
        owner.sign_in(EMAIL, "a guess for today").await;
    }
    world.clock.advance(Duration::from_secs(60));
    super::proven(&world, "editor").await;
    assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    let user = world.one(&format!("SELECT uuid FROM users WHERE email = '{EMAIL}'")).await;
    browser.get("/admin/users").await.shows(&format!("/admin/users/{user}/unlock"));
    browser.post(&format!("/admin/users/{user}/unlock"), &[]).await;
    assert_eq!(world.one("SELECT count(*) FROM sign_in_failures").await, "0");
    // Where the failures came from has to wait all the same.
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn all_sessions_of_a_user_end_and_nobody_elses() {
    let world = World::new().await;
    let mut victim = world.signed_in().await;
    let mut elsewhere = Browser::new(&world);
    elsewhere.sign_in(EMAIL, PASSWORD).await;
    let mut browser = administrator(&world, "editor").await;
    let user = world.one(&format!("SELECT uuid FROM users WHERE email = '{EMAIL}'")).await;
    let page = browser.get("/admin/users?q=ADA").await;
    page.shows("<td class=\"num\">2</td>");
    page.shows("0 s ago");
    browser.get("/admin/users?q=nobody").await.shows("Nobody signs in with such an address");
    browser.get("/admin/users").await;
    world.clock.advance(Duration::from_secs(1));
    let answer = browser.post(&format!("/admin/users/{user}/end-sessions"), &[]).await;
    assert_eq!(answer.to(), "/admin/users?done=sessions_ended&name=2");
    let detail = r#"{"as":"administrator","sessions":2}"#;
    let told = format!("1 user:editor@example.org 127.0.0.1 user.end_sessions {user} {detail}");
    assert_eq!(entries(&world).await, told);
    assert_eq!(victim.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(elsewhere.get("/").await.status, StatusCode::SEE_OTHER);
    browser.get(answer.to()).await.shows("Sessions that were ended: 2.");
    assert_eq!(browser.post("/admin/users/x/end-sessions", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_probe_is_added_and_its_token_shown_once() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    browser.get("/admin/probes").await.shows("/admin/probes/new");
    browser.get("/admin/probes/new").await.shows("action=\"/admin/probes/new\"");
    let wrong = browser.post("/admin/probes/new", &[("region", "no region")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.shows("action=\"/admin/probes/new\"");
    let added = browser.post("/admin/probes/new", &[("region", "eu-9"), ("url", "https://picket.example")]).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.text);
    added.shows("PICKET_TOKEN=");
    added.shows("href=\"/admin/probes\"");
    let id = world.one("SELECT uuid FROM probes").await;
    assert_eq!(
        world.one("SELECT string_agg(action || ' ' || subject, '; ' ORDER BY id) FROM audit WHERE org_id IS NULL AND actor = 'user:owner@example.org' AND action NOT IN ('admin.look')").await,
        format!("region.add eu-9; probe.add {id}")
    );
    browser.get("/admin/probes").await.hides("PICKET_TOKEN");
}

#[tokio::test]
async fn a_probe_is_revoked_once() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    let id = probe(&world, "lighthouse").await;
    browser.get("/admin/probes").await;
    world.clock.advance(Duration::from_secs(1));
    let path = format!("/admin/probes/{id}/revoke");
    assert_eq!(browser.post(&path, &[]).await.to(), "/admin/probes?done=revoked");
    assert_eq!(entries(&world).await, format!("- user:owner@example.org 127.0.0.1 probe.revoke {id} {{}}"));
    assert_ne!(world.one("SELECT revoked_at FROM probes").await, "");
    let page = browser.get("/admin/probes?done=revoked").await;
    page.shows("The probe is revoked");
    page.hides(&path);
    assert_eq!(browser.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'probe.revoke'").await, "1");
}

#[tokio::test]
async fn a_grant_is_given_to_another_for_a_time_and_taken_back() {
    let world = World::new().await;
    let mut owner = administrator(&world, "owner").await;
    let mut viewer = Browser::of(&world, "viewer").await;
    guarded(&world, "viewer").await;
    assert_eq!(viewer.get("/admin").await.status, StatusCode::NOT_FOUND);

    owner.get("/admin/grants").await.shows("<option value=\"8h\" selected>8 hours</option>");
    for (email, term, why) in [
        ("nobody@example.org", "8h", "Nobody signs in with this address"),
        ("not an address", "8h", "Nobody signs in with this address"),
        ("owner@example.org", "30d", "ask another administrator"),
        ("viewer@example.org", "31d", "Choose one of the times"),
        ("viewer@example.org", "", "Choose one of the times"),
    ] {
        let answer = owner.post("/admin/grants", &[("email", email), ("for", term)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{email} {term}");
        answer.shows(why);
    }
    assert_eq!(world.one("SELECT count(*) FROM admin_grants").await, "1", "nothing was given");

    world.clock.advance(Duration::from_secs(1));
    let answer = owner.post("/admin/grants", &[("email", " Viewer@Example.org"), ("for", "7d")]).await;
    assert_eq!(answer.to(), "/admin/grants?done=granted");
    let user = world.one("SELECT uuid FROM users WHERE email = 'viewer@example.org'").await;
    let until = world.clock.now() + Duration::from_secs(7 * 86_400);
    let told = format!(
        "- user:owner@example.org 127.0.0.1 admin.grant {user} {{\"address\":\"viewer@example.org\",\"until\":\"{until}\"}}"
    );
    assert_eq!(entries(&world).await, told);
    assert!(look(&mut viewer).await.iter().all(|(_, status)| *status == StatusCode::OK));
    assert_eq!(world.one("SELECT max(until_at) FROM admin_grants").await, until.micros().to_string());

    // A shorter one replaces it.
    owner.get("/admin/grants").await;
    world.clock.advance(Duration::from_secs(1));
    owner.post("/admin/grants", &[("email", "viewer@example.org"), ("for", "1h")]).await;
    let live = "SELECT count(*) FROM admin_grants WHERE revoked_at IS NULL AND granted_by LIKE 'user:%'";
    assert_eq!(world.one(live).await, "1");
    let page = owner.get("/admin/grants").await;
    page.shows("by user:owner@example.org");
    page.shows("command:root");

    let grant = world.one("SELECT uuid FROM admin_grants WHERE revoked_at IS NULL AND granted_by LIKE 'user:%'").await;
    world.clock.advance(Duration::from_secs(1));
    let path = format!("/admin/grants/{grant}/revoke");
    assert_eq!(owner.post(&path, &[]).await.to(), "/admin/grants?done=grant_revoked");
    let detail = r#"{"address":"viewer@example.org"}"#;
    assert_eq!(entries(&world).await, format!("- user:owner@example.org 127.0.0.1 admin.revoke {user} {detail}"));
    assert_eq!(viewer.get("/admin").await.status, StatusCode::NOT_FOUND, "at once");
    assert_eq!(owner.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.post("/admin/grants/x/revoke", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_is_made_administrator_is_told_by_mail() {
    let world = World::with(MAILS).await;
    let mut mailbox = Mailbox::start();
    let mut owner = administrator(&world, "owner").await;
    world.member("viewer").await;
    mailbox.mails(&world).await;
    owner.get("/admin/grants").await;
    owner.post("/admin/grants", &[("email", "viewer@example.org"), ("for", "8h")]).await;
    let mail = mailbox.one(&world, "viewer@example.org").await;
    assert_eq!(mail.header("Subject"), "You administer this Picket");
    assert!(mail.0.contains("user:owner@example.org"), "{}", mail.0);
}

#[tokio::test]
async fn a_grant_to_who_has_no_second_factor_says_so() {
    let world = World::new().await;
    let mut owner = administrator(&world, "owner").await;
    world.member("viewer").await;
    owner.get("/admin/grants").await;
    let answer = owner.post("/admin/grants", &[("email", "viewer@example.org"), ("for", "8h")]).await;
    assert_eq!(answer.to(), "/admin/grants?done=granted_without");
    owner.get(answer.to()).await.shows("has to set one up first");
}

#[tokio::test]
async fn many_users_and_organizations_come_page_by_page() {
    let world = World::new().await;
    let mut browser = administrator(&world, "owner").await;
    world
        .sql(
            "INSERT INTO users (uuid, email, password_hash, created_at, password_changed_at)
                 SELECT gen_random_uuid(), 'user' || lpad(n::text, 3, '0') || '@example.com', '', 0, 0 FROM generate_series(1, 120) n;
             INSERT INTO organizations (uuid, name, created_at)
                 SELECT gen_random_uuid(), 'Many & one ' || lpad(n::text, 3, '0'), 0 FROM generate_series(1, 250) n",
        )
        .await;
    for (first, row, wanted) in [
        ("/admin/users?q=%40example.com", "@example.com</td>", 120),
        ("/admin/organizations", "class=\"soft mono\"", 252),
    ] {
        let (mut path, mut rows, mut pages) = (first.to_owned(), 0, 0);
        loop {
            let page = browser.get(&path).await;
            rows += page.text.matches(row).count();
            pages += 1;
            match page.text.split("<p class=\"more\"><a class=\"button\" href=\"").nth(1) {
                Some(rest) => path = rest.split('"').next().unwrap().replace("&#38;", "&"),
                None => break,
            }
        }
        assert_eq!((rows, pages), (wanted, 3), "{first}");
    }
}
