//! Manual checks on real HTTP and a real database: asked by a tenant, handed to one probe once, answered by that probe.

#![expect(clippy::unwrap_used, reason = "a helper that gets no answer fails its test there and then")]

use std::time::Duration;

use crate::common::{START, TestProbe, World};
use picket_collector::config::Retention;
use picket_collector::domain::manual::{MOST_A_MINUTE, MOST_IN_REGION, Unable};
use picket_collector::ops;
use picket_collector::store::manual_checks::{self, Asked, Credentials, Manual, NewManual, State};
use picket_collector::store::{MonitorKey, OrgKey, RegionKey};
use picket_collector::vault::Class;
use picket_shared::assignment::Assignments;
use picket_shared::check::{CheckSpec, HttpAuth, HttpSpec, TcpSpec};
use picket_shared::ids::ManualId;
use picket_shared::manual::{ManualAnswer, ManualCheck, ManualOutcome, ManualReceipt, ManualReject};
use picket_shared::outcome::{Failure, FailureKind, Phases, SelfCheck, Status};
use picket_shared::secret::{Sealed, SecretString};
use picket_shared::wire::{ASSIGNMENTS_PATH, MANUAL_PATH};
use sqlx::postgres::PgListener;
use uuid::Uuid;

const HERE: &[RegionKey] = &[RegionKey(1)];

fn http(url: &str) -> CheckSpec {
    CheckSpec::Http(HttpSpec::get(url))
}

fn new<'a>(spec: &'a CheckSpec, regions: &'a [RegionKey]) -> NewManual<'a> {
    NewManual { spec, credentials: Credentials::None, timeout_ms: 10_000, eu_only: false, regions }
}

async fn ask_as(world: &World, org: i64, id: ManualId, new: &NewManual<'_>) -> Asked {
    let mut scoped = world.pools.scoped(OrgKey(org)).await.unwrap().by("command:tester");
    let asked = manual_checks::ask(&mut scoped, id, new, world.clock.now()).await.unwrap();
    scoped.commit().await.unwrap();
    asked
}

async fn ask(world: &World, new: &NewManual<'_>) -> ManualId {
    let id = ManualId(Uuid::new_v4());
    assert_eq!(ask_as(world, 1, id, new).await, Asked::Yes);
    id
}

async fn read_as(world: &World, org: i64, id: ManualId) -> Option<Manual> {
    let mut scoped = world.pools.scoped(OrgKey(org)).await.unwrap();
    manual_checks::read(&mut scoped, id, world.clock.now()).await.unwrap()
}

async fn states(world: &World, id: ManualId) -> Vec<State> {
    read_as(world, 1, id).await.unwrap().regions.into_iter().map(|row| row.state).collect()
}

/// What a probe is handed with everything else, at once.
async fn poll(world: &World, probe: &TestProbe, more: &str) -> Vec<ManualCheck> {
    let token = probe.request_token(world, "GET", ASSIGNMENTS_PATH, b"", Uuid::new_v4());
    let (status, body) = world.send("GET", &format!("{ASSIGNMENTS_PATH}?since=0{more}"), &token, "", b"").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Assignments>(&body).unwrap().manual
}

async fn takes(world: &World, probe: &TestProbe) -> Vec<ManualCheck> {
    poll(world, probe, "&takes=manual").await
}

fn found(world: &World) -> ManualOutcome {
    ManualOutcome {
        at: world.clock.now(),
        status: Status::Up,
        total_us: 1500,
        phases: Phases { connect: Some(900), ..Phases::default() },
        address: None,
        code: Some(200),
        failure: None,
        self_check: SelfCheck::Good,
        hops: Vec::new(),
        certificate: None,
        answers: None,
    }
}

async fn post(world: &World, probe: &TestProbe, body: &[u8]) -> (u16, String) {
    let body = zstd::encode_all(body, 3).unwrap();
    let token = probe.request_token(world, "POST", MANUAL_PATH, &body, Uuid::new_v4());
    let types = "Content-Type: application/json\r\nContent-Encoding: zstd\r\n";
    world.send("POST", MANUAL_PATH, &token, types, &body).await
}

async fn answers(world: &World, probe: &TestProbe, id: ManualId, outcome: ManualOutcome) -> Option<ManualReject> {
    let (status, body) = post(world, probe, &serde_json::to_vec(&ManualAnswer { id, outcome }).unwrap()).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<ManualReceipt>(&body).unwrap().rejected
}

async fn do_sql(world: &World, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&world.owner).await.unwrap();
}

async fn second_organization(world: &World) {
    do_sql(world, "INSERT INTO organizations (uuid, name, created_at) VALUES (gen_random_uuid(), 'other', 0)").await;
}

#[tokio::test]
async fn it_is_handed_out_once_and_answered_once_by_the_probe_that_has_it() {
    let world = World::new().await;
    second_organization(&world).await;
    let (probe, other) = (world.probe().await, world.probe().await);
    takes(&world, &probe).await;
    let spec = http("https://new.example/");
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(states(&world, id).await, [State::Waiting]);
    assert_eq!(poll(&world, &other, "").await, [], "a probe that does not say it takes them gets none");
    let (a, b) = tokio::join!(takes(&world, &probe), takes(&world, &probe));
    let until = START + Duration::from_secs(60);
    assert_eq!([a, b].concat(), [ManualCheck { id, check: spec, timeout_ms: 10_000, until }]);
    assert_eq!(takes(&world, &other).await, []);
    assert_eq!(states(&world, id).await, [State::Running]);

    assert_eq!(answers(&world, &other, id, found(&world)).await, Some(ManualReject::NotAsked));
    let never_asked = ManualId(Uuid::from_u128(5));
    assert_eq!(answers(&world, &probe, never_asked, found(&world)).await, Some(ManualReject::NotAsked));
    assert_eq!(states(&world, id).await, [State::Running]);
    let mut listener = PgListener::connect_with(&world.owner).await.unwrap();
    listener.listen(picket_collector::wake::CHANNEL).await.unwrap();
    let mut outcome = found(&world);
    assert_eq!(answers(&world, &probe, id, outcome.clone()).await, None);
    assert_eq!(listener.recv().await.unwrap().payload(), "manual", "whoever waits is woken");
    let done = [State::Done(Box::new(outcome.clone()))];
    assert_eq!(states(&world, id).await, done);
    outcome.code = Some(500);
    assert_eq!(answers(&world, &probe, id, outcome).await, Some(ManualReject::Answered));
    assert_eq!(states(&world, id).await, done, "the first answer stands");

    let manual = read_as(&world, 1, id).await.unwrap();
    assert!(manual.is_over() && manual.asked_by == "command:tester", "{manual:?}");
    assert_eq!(read_as(&world, 2, id).await, None, "another organization sees nothing of it");
    assert_eq!((world.count("results").await, world.count("region_states").await), (0, 0));
    assert_eq!((world.count("receipts").await, world.count("changes").await), (0, 0));
}

#[tokio::test]
async fn what_comes_too_late_or_cannot_be_is_not_stored() {
    let world = World::new().await;
    let probe = world.probe().await;
    takes(&world, &probe).await;
    let spec = http("https://new.example/");
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(takes(&world, &probe).await.len(), 1);
    let down = ManualOutcome { status: Status::Down, ..found(&world) };
    let big = Failure::new(FailureKind::HttpStatus, "x".repeat(62_000));
    let wrong = [
        down.clone(),
        ManualOutcome { at: world.clock.now() + Duration::from_secs(120), ..found(&world) },
        ManualOutcome { failure: Some(Failure::new(FailureKind::HttpStatus, "a\0b")), ..down.clone() },
        ManualOutcome { failure: Some(big), ..down },
    ];
    for outcome in wrong {
        let message = format!("{outcome:?}");
        assert_eq!(answers(&world, &probe, id, outcome).await, Some(ManualReject::Malformed), "{message:.300}");
    }
    for body in [&b"[]"[..], b"{\"id\":1}", b"no JSON"] {
        assert_eq!(post(&world, &probe, body).await.0, 400);
    }
    assert_eq!(states(&world, id).await, [State::Running]);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(states(&world, id).await, [State::Expired { taken: true }]);
    assert_eq!(answers(&world, &probe, id, found(&world)).await, Some(ManualReject::Expired));
    assert_eq!(states(&world, id).await, [State::Expired { taken: true }]);

    let late = ask(&world, &new(&spec, HERE)).await;
    world.clock.advance(Duration::from_secs(50));
    assert_eq!(takes(&world, &probe).await, [], "too late to answer in time");
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(states(&world, late).await, [State::Expired { taken: false }]);
}

#[tokio::test]
async fn a_region_that_cannot_says_so_at_once() {
    let world = World::new().await;
    do_sql(
        &world,
        "INSERT INTO regions (code, network, eu, created_at) VALUES ('us-east', 'two', false, 0), ('ap', 'three', false, 0)",
    )
    .await;
    let spec = http("https://new.example/");
    let refused = |why| State::Refused(why);
    let named_twice = [1, 2, 3, 1].map(RegionKey);
    let id = ask(&world, &NewManual { eu_only: true, ..new(&spec, &named_twice) }).await;
    assert!(read_as(&world, 1, id).await.unwrap().is_over());
    // By name: ap, eu-1, us-east.
    let expected = [refused(Unable::OutsideEu), refused(Unable::NoProbe), refused(Unable::OutsideEu)];
    assert_eq!(states(&world, id).await, expected);

    let probe = world.probe().await;
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(states(&world, id).await, [refused(Unable::Outdated)], "it never said that it takes them");
    takes(&world, &probe).await;
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(states(&world, id).await, [State::Waiting]);
    assert_eq!(takes(&world, &probe).await.len(), 1);
    do_sql(&world, "UPDATE probe_status SET kinds = '{dns}'").await;
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(states(&world, id).await, [refused(Unable::UnknownKind)]);
    world.clock.advance(Duration::from_secs(46));
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(states(&world, id).await, [refused(Unable::Silent)]);
}

#[tokio::test]
async fn a_private_probe_and_the_eu_keep_what_is_theirs() {
    let world = World::new().await;
    second_organization(&world).await;
    let (probe, abroad) = (world.probe().await, world.probe().await);
    do_sql(
        &world,
        "INSERT INTO regions (code, network, eu, created_at) VALUES ('us-east', 'two', false, 0);
         UPDATE probes SET org_id = 2 WHERE id = 1; UPDATE probes SET region_id = 2 WHERE id = 2",
    )
    .await;
    takes(&world, &probe).await;
    takes(&world, &abroad).await;
    let spec = http("https://new.example/");
    let id = ask(&world, &new(&spec, HERE)).await;
    assert_eq!(states(&world, id).await, [State::Refused(Unable::NoProbe)], "a private probe of others is nobody's");
    let id = ManualId(Uuid::new_v4());
    assert_eq!(ask_as(&world, 2, id, &new(&spec, HERE)).await, Asked::Yes);
    // Whatever stood in the row: a probe abroad, and a private probe of others, are handed nothing.
    do_sql(
        &world,
        "INSERT INTO manual_checks (uuid, org_id, region_id, kind, spec, eu_only, timeout_ms, asked_by, asked_at, expires_at)
             SELECT gen_random_uuid(), 1, region, 'http', '{\"kind\":\"http\",\"url\":\"https://x.example/\"}', true, 1000,
                    'x', asked_at, expires_at FROM manual_checks, unnest('{1,2}'::bigint[]) region WHERE org_id = 2",
    )
    .await;
    assert_eq!(takes(&world, &probe).await.iter().map(|check| check.id).collect::<Vec<_>>(), [id]);
    assert_eq!(takes(&world, &abroad).await, []);
}

#[tokio::test]
async fn credentials_reach_the_probe_and_nobody_else() {
    let world = World::new().await;
    let probe = world.probe().await;
    takes(&world, &probe).await;
    let auth = HttpAuth::Bearer { token: SecretString::new("hunter2".to_owned()) };
    let plain = serde_json::to_vec(&auth).unwrap();
    let seal = |context: Uuid| world.sealer.seal(Class::MonitorSecret, context.as_bytes(), &plain).unwrap();
    let spec = http("https://shop.example/login");
    let held = async || -> bool {
        let held = "SELECT count(*) > 0 FROM manual_checks WHERE sealed_secret IS NOT NULL";
        sqlx::query_scalar(held).fetch_one(&world.owner).await.unwrap()
    };
    let auths = async || -> Vec<Option<HttpAuth>> {
        let taken = takes(&world, &probe).await.into_iter();
        taken.map(|taken| if let CheckSpec::Http(http) = taken.check { http.auth } else { None }).collect()
    };

    let id = ManualId(Uuid::new_v4());
    let sealed = seal(id.0);
    let typed = NewManual { credentials: Credentials::Sealed(&sealed), ..new(&spec, HERE) };
    assert_eq!(ask_as(&world, 1, id, &typed).await, Asked::Yes);
    assert!(held().await);
    assert_eq!(auths().await, [Some(auth.clone())]);
    assert!(!held().await, "they go when the probe has them");
    // Sealed for another row: they do not open, and it is said.
    let id = ask(&world, &typed).await;
    assert_eq!(auths().await, []);
    assert_eq!(states(&world, id).await, [State::Refused(Unable::Unreadable)]);

    sqlx::query("UPDATE monitors SET spec = $1, sealed_secret = $2")
        .bind(sqlx::types::Json(&spec))
        .bind(seal(world.monitor.0).0)
        .execute(&world.owner)
        .await
        .unwrap();
    let kept = |version| Credentials::OfMonitor(MonitorKey(1), version);
    let id = ask(&world, &NewManual { credentials: kept(1), ..new(&spec, HERE) }).await;
    assert_eq!(read_as(&world, 1, id).await.unwrap().monitor, Some(world.monitor));
    assert_eq!(auths().await, [Some(auth)]);
    let elsewhere = http("https://evil.example/login");
    for (what, credentials, spec) in [("elsewhere", kept(1), &elsewhere), ("an old version", kept(7), &spec)] {
        let asked = ask_as(&world, 1, ManualId(Uuid::new_v4()), &NewManual { credentials, ..new(spec, HERE) }).await;
        assert!(matches!(asked, Asked::Invalid(_)), "{what}: {asked:?}");
    }
    second_organization(&world).await;
    let stolen = NewManual { credentials: kept(1), ..new(&spec, HERE) };
    let asked = ask_as(&world, 2, ManualId(Uuid::new_v4()), &stolen).await;
    assert!(matches!(asked, Asked::Invalid(_)), "another organization's monitor: {asked:?}");
    // Edited between asking and handing out: what is kept now may be for another target.
    let id = ask(&world, &NewManual { credentials: kept(1), ..new(&spec, HERE) }).await;
    do_sql(&world, "UPDATE monitors SET version = 2").await;
    assert_eq!(auths().await, []);
    assert_eq!(states(&world, id).await, [State::Waiting]);
}

#[tokio::test]
async fn hostile_questions_are_refused_with_what_would_be_right() {
    let world = World::new().await;
    let probe = world.probe().await;
    takes(&world, &probe).await;
    let tcp = |host: &str, port| CheckSpec::Tcp(TcpSpec { host: host.to_owned(), port });
    let mut with_auth = HttpSpec::get("https://new.example/");
    with_auth.auth = Some(HttpAuth::Bearer { token: SecretString::new("hunter2".to_owned()) });
    let mut split = HttpSpec::get("https://new.example/");
    split.headers = vec![("X-A".to_owned(), "b\r\nHost: evil".to_owned())];
    let specs = [
        http("file:///etc/passwd"),
        http("https://user:secret@new.example/"),
        http(&format!("https://new.example/{}", "x".repeat(5000))),
        CheckSpec::Http(with_auth),
        CheckSpec::Http(split),
        tcp("a b", 80),
        tcp("new.example", 0),
        CheckSpec::Other,
    ];
    for spec in &specs {
        let asked = ask_as(&world, 1, ManualId(Uuid::new_v4()), &new(spec, HERE)).await;
        assert!(matches!(asked, Asked::Invalid(_)), "{spec:?}: {asked:?}");
    }
    let spec = http("https://new.example/");
    for (timeout_ms, regions) in [(99, HERE), (120_001, HERE), (-1, HERE), (1000, &[][..]), (1000, &[RegionKey(9)])] {
        let wrong = NewManual { timeout_ms, ..new(&spec, regions) };
        let asked = ask_as(&world, 1, ManualId(Uuid::new_v4()), &wrong).await;
        assert!(matches!(asked, Asked::Invalid(_)), "{timeout_ms}: {asked:?}");
    }
    assert_eq!((world.count("manual_checks").await, takes(&world, &probe).await.len()), (0, 0));
}

#[tokio::test]
async fn nobody_asks_for_more_than_there_is_room_for() {
    let world = World::new().await;
    second_organization(&world).await;
    let probe = world.probe().await;
    takes(&world, &probe).await;
    let spec = http("https://new.example/");
    let one = async |org: i64| ask_as(&world, org, ManualId(Uuid::new_v4()), &new(&spec, HERE)).await == Asked::Yes;
    // Both at the same moment: neither sees the other's row.
    let two = async |org: i64| {
        let (a, b) = tokio::join!(one(org), one(org));
        i64::from(a) + i64::from(b)
    };
    assert!(one(1).await);
    let mut asked = 1;
    for _ in 0..MOST_IN_REGION {
        asked += two(1).await;
    }
    assert_eq!(asked, MOST_IN_REGION);
    assert_eq!(two(2).await, 2, "one organization does not keep another waiting");
    loop {
        for check in takes(&world, &probe).await {
            answers(&world, &probe, check.id, found(&world)).await;
        }
        let more = two(1).await;
        asked += more;
        if more < 2 || asked > MOST_A_MINUTE {
            break;
        }
    }
    assert_eq!(asked, MOST_A_MINUTE);
    world.clock.advance(Duration::from_secs(61));
    takes(&world, &probe).await;
    assert_eq!(two(1).await, 2);
}

#[tokio::test]
async fn it_is_deleted_an_hour_after_it_was_asked() {
    let world = World::new().await;
    let spec = http("https://new.example/");
    let id = ManualId(Uuid::new_v4());
    let sealed = Sealed(vec![1; 60]);
    let typed = NewManual { credentials: Credentials::Sealed(&sealed), ..new(&spec, HERE) };
    assert_eq!(ask_as(&world, 1, id, &typed).await, Asked::Yes);
    assert_eq!(world.count("manual_checks WHERE sealed_secret IS NOT NULL").await, 0, "nobody will take them");
    let settings: Retention = toml::from_str("").unwrap();
    for (minutes, left) in [(59, 1), (2, 0)] {
        world.clock.advance(Duration::from_secs(60 * minutes));
        ops::retention::run(&world.pools, &settings, world.clock.now()).await.unwrap();
        assert_eq!(world.count("manual_checks").await, left);
    }
}
