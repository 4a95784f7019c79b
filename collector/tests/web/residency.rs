//! Keeping to the EU: said by an organization on its page, or by the operator for all; held by every form, and listed.

use axum::http::StatusCode;
use picket_collector::channels::{self, ChannelError};
use picket_collector::notify::channels::{Form, Kind};
use picket_collector::store::audit::Author;
use picket_collector::store::posture::watching;
use picket_collector::store::{OrgKey, residency};

use crate::common::{Browser, World};

const PAGE: &str = "/organization/residency";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// The operator says so for every organization, as the collector takes it over at its start.
async fn operator(world: &World, eu_only: bool) {
    world.sql("INSERT INTO instance (collector_id, created_at, last_alive_at, last_started_at) VALUES (gen_random_uuid(), 0, 0, 0) ON CONFLICT DO NOTHING").await;
    let mut worker = world.pools().worker().await.unwrap();
    residency::take_over(&mut worker, eu_only, &[], world.clock.now()).await.unwrap();
    worker.commit().await.unwrap();
}

/// A monitor in every region and two channels, one of a provider abroad.
async fn before(world: &World) -> (String, String) {
    let mut editor = Browser::of(world, "editor").await;
    editor.get("/monitors/new").await;
    let fields = [("kind", "tcp"), ("target", "shop.example:25"), ("name", "shop")];
    let monitor = editor.post("/monitors/new", &fields).await.to().split('?').next().unwrap().to_owned();
    let mut scoped = world.pools().scoped(OrgKey(1)).await.unwrap();
    let pager = Form::default().with("key", KEY).with("region", "us");
    let made =
        channels::add(&mut scoped, &world.sealer, (Kind::Pagerduty, &pager), (Some("night"), false), world.clock.now());
    let channel = made.await.unwrap().row;
    assert_eq!(channel.abroad.as_deref(), Some("PagerDuty"));
    let mail = Form::default().with("address", "ops@example.org");
    channels::add(&mut scoped, &world.sealer, (Kind::Email, &mail), (Some("day"), false), world.clock.now())
        .await
        .unwrap();
    scoped.commit().await.unwrap();
    (monitor, format!("/channels/{}", channel.id))
}

async fn strays(world: &World) -> (i64, i64) {
    let seen = watching(&mut world.pools().worker().await.unwrap()).await.unwrap();
    (seen.monitors_abroad, seen.channels_abroad)
}

#[tokio::test]
async fn what_is_abroad_already_goes_on_and_is_listed() {
    let world = World::new().await;
    let (monitor, channel) = before(&world).await;
    let mut owner = Browser::of(&world, "owner").await;
    let page = owner.get(PAGE).await;
    page.shows("This organization does not keep to the EU.");
    for shown in [&*monitor, &*channel, "us-1", "PagerDuty"] {
        page.shows(shown);
    }
    page.hides("day");
    assert_eq!(strays(&world).await, (0, 0));

    assert_eq!(owner.post(PAGE, &[("eu_only", "on")]).await.to(), "/organization/residency?done=residency");
    let page = owner.get(PAGE).await;
    page.shows("This organization keeps to the EU.");
    owner.get("/organization/residency?done=residency").await.shows("keeps to the EU is changed");
    page.shows(&monitor);
    assert_eq!(strays(&world).await, (1, 1), "posture says so");
    assert_eq!(world.one("SELECT count(*) FROM monitor_regions").await, "2", "it goes on");
    let entry = world.one("SELECT actor || ' ' || detail::text FROM audit WHERE action = 'organization.eu_only'").await;
    assert!(entry.starts_with("user:owner@example.org") && entry.contains("true"), "{entry}");
    owner.post(PAGE, &[("eu_only", "on")]).await;
    assert_eq!(world.one("SELECT count(*) FROM audit WHERE action = 'organization.eu_only'").await, "1");

    // Saved as its form shows it, it comes home.
    let mut editor = Browser::of(&world, "editor").await;
    editor.get(&format!("{monitor}/edit")).await.hides("value=\"no\"");
    let refused = editor
        .post(&format!("{monitor}/edit"), &[("target", "shop.example:25"), ("name", "shop"), ("region", "us-1")])
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("Outside the EU: us-1. Leave it out: this organization keeps to the EU.");
    editor.get(&format!("{monitor}/edit")).await;
    let fields = [("target", "shop.example:25"), ("name", "shop"), ("region", "eu-1"), ("every", "60s")];
    assert_eq!(editor.post(&format!("{monitor}/edit"), &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.one("SELECT eu_only FROM monitors").await, "true");
    assert_eq!(strays(&world).await, (0, 1));
    owner.get(PAGE).await.hides(&monitor);

    owner.post(PAGE, &[]).await;
    owner.get(PAGE).await.shows("This organization does not keep to the EU.");
    assert_eq!(strays(&world).await, (0, 0));
}

#[tokio::test]
async fn who_keeps_to_the_eu_gets_no_channel_and_no_monitor_abroad() {
    let world = World::new().await;
    let (_, channel) = before(&world).await;
    world.sql("UPDATE organizations SET eu_only = true WHERE id = 1").await;
    let mut editor = Browser::of(&world, "editor").await;
    editor.get("/channels/new?kind=pagerduty").await;
    let us = [("kind", "pagerduty"), ("key", KEY), ("region", "us")];
    let refused = editor.post("/channels/new", &us).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("This organization keeps to the EU, and PagerDuty is not known to be there");
    refused.hides(KEY);
    let settings = format!("{channel}/settings");
    editor.get(&settings).await;
    editor.post(&settings, &us).await.shows("PagerDuty is not known to be there");
    assert_eq!(world.one("SELECT count(*) FROM channels").await, "2");

    editor.get("/monitors/new").await.shows("this organization keeps to the EU");
    let target = [("kind", "tcp"), ("target", "new.example:25")];
    let refused = editor.post("/monitors/new", &[&target[..], &[("eu_only", "no")]].concat()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.shows("regions outside of it may not run a monitor");
    editor.post("/monitors/new", &[&target[..], &[("region", "us-1")]].concat()).await.shows("Outside the EU: us-1.");
    assert_eq!(world.one("SELECT count(*) FROM monitors").await, "1");
    assert_eq!(editor.post("/monitors/new", &target).await.status, StatusCode::SEE_OTHER);
    let made = "SELECT m.eu_only || ' ' || string_agg(r.code, ' ') FROM monitors m JOIN monitor_regions x ON x.monitor_id = m.id
                JOIN regions r ON r.id = x.region_id WHERE m.name LIKE 'new%' GROUP BY m.id";
    assert_eq!(world.one(made).await, "true eu-1");
}

#[tokio::test]
async fn what_the_operator_asks_for_holds_for_everybody() {
    let world = World::new().await;
    before(&world).await;
    operator(&world, true).await;
    let mut owner = Browser::of(&world, "owner").await;
    owner.get(PAGE).await.shows("Whoever runs this Picket asks every organization to keep to the EU.");
    assert_eq!(strays(&world).await, (1, 1));
    let slack =
        Form::default().with("url", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX");
    // Channels of a template, in an organization that is being made.
    let mut auth = world.pools().auth().await.unwrap();
    let by = Author::of_instance("command:root");
    let (sealer, now) = (&world.sealer, world.clock.now());
    let refused = channels::add_first(&mut auth, OrgKey(2), sealer, (Kind::Slack, &slack), None, &by, now).await;
    assert!(matches!(refused, Err(ChannelError::Abroad("Slack"))), "{refused:?}");
    drop(auth);
    operator(&world, false).await;
    let mut auth = world.pools().auth().await.unwrap();
    channels::add_first(&mut auth, OrgKey(2), sealer, (Kind::Slack, &slack), None, &by, now).await.unwrap();
    auth.commit().await.unwrap();
    assert_eq!(world.one("SELECT abroad FROM channels WHERE org_id = 2").await, "Slack");
    owner.get(PAGE).await.hides("Slack");
    assert_eq!(
        world.one("SELECT count(*) FROM audit WHERE action = 'residency.eu_only' AND org_id IS NULL").await,
        "2"
    );
}

#[tokio::test]
async fn only_who_may_change_the_organization_says_so() {
    let world = World::new().await;
    let mut viewer = Browser::of(&world, "viewer").await;
    viewer.get("/").await;
    let refused = viewer.post(PAGE, &[("eu_only", "on")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(world.one("SELECT count(*) FROM organizations WHERE eu_only").await, "0");
}
