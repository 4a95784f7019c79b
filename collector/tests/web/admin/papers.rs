//! The record of processing, and breaches.

use std::time::Duration;

use axum::http::StatusCode;

use super::{administrator, granted, later, proven};
use crate::common::World;
use crate::mailbox::MAILS;

#[tokio::test]
async fn no_table_with_personal_data_is_missing_in_the_record() {
    let world = World::new().await;
    world.member("owner").await;
    let record = world.office.record(world.clock.now()).await.unwrap();
    let tables = async |subjects: &str| {
        let query = format!(
            "SELECT string_agg(DISTINCT c.relname || '.' || a.attname, ' ' ORDER BY c.relname || '.' || a.attname)
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND col_description(c.oid, a.attnum) ~ '^subject=({subjects});'"
        );
        world.one(&query).await.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    for (part, subjects, least) in [(&record.as_controller, "user", 60), (&record.as_processor, "tenant|contact", 100)]
    {
        let mut found: Vec<String> = part
            .tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |datum| format!("{}.{}", table.table, datum.column)))
            .collect();
        let mut wanted = tables(subjects).await;
        found.sort();
        wanted.sort();
        assert!(wanted.len() > least, "{} columns", wanted.len());
        assert_eq!(found, wanted);
    }
    assert!(record.organizations.iter().any(|one| one.name == "acme" && one.owners == ["owner@example.org"]));
    assert!(record.measures.len() > 20 && record.dpo == "not stated: set [privacy] dpo");
    let text = record.markdown(&world.office.said);
    for part in ["## As controller", "## As processor", "| users |", "396 days", "## Third countries", "## Measures"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn an_administrator_reads_the_record() {
    let world = World::new().await;
    world.office.look(world.clock.now()).await.unwrap();
    let mut browser = administrator(&world, "owner").await;
    let page = browser.get("/admin/privacy").await;
    for shown in ["Record of processing", "As controller: accounts", "sessions", "acme: owner@example.org", "0 / "] {
        page.shows(shown);
    }
}

const FIELDS: [(&str, &str); 5] = [
    ("title", "A disk was lost"),
    ("known", "2026-09-21T00:00:00Z"),
    ("happened", "A disk was lost.\r\nIt was found again."),
    ("affected", "addresses of <members>"),
    ("measures", "keys are changed"),
];

#[tokio::test]
async fn a_breach_is_written_down_told_once_to_each_affected_organization_and_closed() {
    let world = World::with(MAILS).await;
    world.member("owner").await;
    let mut browser = administrator(&world, "owner").await;
    browser.get("/admin/breaches").await.shows("No breach was written down");
    let wrong = [("title", "x"), ("known", "yesterday"), ("whom", "all")];
    let refused = browser.post("/admin/breaches", &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("yesterday is no time");
    let nobody = [("title", "x"), ("known", "2026-09-21T00:00:00Z"), ("whom", "some")];
    browser.post("/admin/breaches", &nobody).await.shows("it affects no organization");
    let ahead = [("title", "x"), ("known", "2036-09-21T00:00:00Z"), ("whom", "all")];
    browser.post("/admin/breaches", &ahead).await.shows("a time lies ahead");
    assert_eq!(world.one("SELECT count(*) FROM breaches").await, "0");
    // Of one organization, without advice.
    let acme = world.one("SELECT uuid FROM organizations WHERE id = 1").await;
    let some: Vec<(&str, &str)> = FIELDS.into_iter().chain([("whom", "some"), ("organization", &*acme)]).collect();
    let made = browser.post("/admin/breaches", &some).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let path = made.to().split('?').next().unwrap().to_owned();
    let page = browser.get(&path).await;
    for shown in [
        "left of 72 h",
        "not told yet",
        "addresses of &#60;members&#62;",
        "Breach of personal data at Picket: A disk was lost",
    ] {
        page.shows(shown);
    }
    let missing = browser.post(&format!("{path}/tell"), &[]).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    missing.shows("advice");
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE template = 'breach'").await, "0");
    let whole: Vec<(&str, &str)> = some.iter().copied().chain([("advice", "change yours")]).collect();
    let changed = browser.post(&path, &whole).await;
    assert_eq!(changed.to(), format!("{path}?done=breach_changed"), "{}", changed.text);
    assert_eq!(browser.post(&format!("{path}/tell"), &[]).await.to(), format!("{path}?done=breach_told"));
    assert_eq!(browser.post(&format!("{path}/tell"), &[]).await.to(), format!("{path}?done=breach_told"));
    world.office.look(world.clock.now()).await.unwrap();
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE template = 'breach'").await, "1", "each owner once");
    let told = "SELECT org_id || ' ' || owners || ' ' || message FROM breach_notices WHERE told_at IS NOT NULL";
    assert!(world.one(told).await.starts_with("1 1 A disk was lost\nKnown: since 2026-09-21T00:00:00Z"));
    // Not reported to the authority: the clock runs on, and is over.
    later(&world, Duration::from_secs(73 * 3600)).await;
    proven(&world, "owner").await;
    granted(&world, "owner").await;
    browser.get(&path).await.shows("72 h are over");
    let reported: Vec<(&str, &str)> = whole.iter().copied().chain([("unreported", "it was sealed")]).collect();
    browser.post(&path, &reported).await;
    browser.get(&path).await.shows("authority and organizations were told");
    assert_eq!(browser.post(&format!("{path}/close"), &[]).await.to(), "/admin/breaches?done=breach_closed");
    let closed = browser.get(&path).await;
    closed.shows("Closed");
    closed.hides("Tell the owners now");
    browser.post(&format!("{path}/tell"), &[]).await.shows("The breach is closed");
    let actions = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit WHERE action LIKE 'breach.%'";
    assert_eq!(
        world.one(actions).await,
        "breach.open breach.change breach.tell breach.told breach.tell breach.change breach.close"
    );
    assert_eq!(browser.get("/admin/breaches/01900000-0000-7000-8000-0000000000bb").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn telling_of_a_breach_goes_on_where_it_broke_off() {
    let world = World::with(MAILS).await;
    world.member("owner").await;
    let mut browser = administrator(&world, "owner").await;
    browser.get("/admin/breaches").await;
    let all: Vec<(&str, &str)> = FIELDS.into_iter().chain([("whom", "all"), ("advice", "change yours")]).collect();
    let path = browser.post("/admin/breaches", &all).await.to().split('?').next().unwrap().to_owned();
    world.sql("ALTER TABLE breach_notices ADD CONSTRAINT broken CHECK (org_id <> 2)").await;
    let failed = browser.post(&format!("{path}/tell"), &[]).await;
    assert!(failed.status.is_server_error(), "{}", failed.status);
    world.sql("ALTER TABLE breach_notices DROP CONSTRAINT broken").await;
    let left = world.one("SELECT count(*) FROM organizations o WHERE NOT EXISTS (SELECT FROM breach_notices n WHERE n.org_id = o.id)").await;
    let report = world.office.look(world.clock.now()).await.unwrap();
    assert_eq!(report.warned.to_string(), left);
    assert_eq!(world.office.look(world.clock.now()).await.unwrap().warned, 0);
    assert_eq!(world.one("SELECT count(*) FROM account_mails WHERE template = 'breach'").await, "1");
    assert_eq!(world.one("SELECT count(*) FROM breach_notices WHERE told_at IS NULL").await, "0");
}

#[tokio::test]
async fn without_mail_nobody_is_taken_for_told() {
    let world = World::new().await;
    world.member("owner").await;
    let mut browser = administrator(&world, "owner").await;
    browser.get("/admin/breaches").await;
    let all: Vec<(&str, &str)> = FIELDS.into_iter().chain([("whom", "all"), ("advice", "change yours")]).collect();
    let path = browser.post("/admin/breaches", &all).await.to().split('?').next().unwrap().to_owned();
    browser.get(&path).await.shows("No mail can be sent");
    let refused = browser.post(&format!("{path}/tell"), &[]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.one("SELECT count(*) FROM breach_notices WHERE told_at IS NOT NULL").await, "0");
}
