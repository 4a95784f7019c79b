//! Alertmanager's API v2, field by field: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>, and alerts
//! that are told again while they stand.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use picket_collector::config::{Mail, Outbound};
use picket_collector::domain::outage::{NoticeKind, Over, Resolution};
use picket_collector::flow::deliver::{self, Again, Ctx};
use picket_collector::flow::dispatch;
use picket_collector::notify::channels::alertmanager::Alertmanager;
use picket_collector::notify::channels::{Form, Kind, Proof};
use picket_collector::notify::{Settings, message};
use picket_collector::store::{channels, deliveries, standing_alarms};
use picket_shared::egress::EgressGuard;
use picket_shared::secret::SecretString;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::providers::{at, code, down, is_final, is_for_later, json, judged_at, notice, send_at, test, written_at};
use crate::receiver::{Call, Receiver};
use crate::telling::{START, Told, seconds};

const PASSWORD: &str = "canary-f14e45fceea167a";

fn alertmanager(url: &str) -> Settings {
    let secret = Some(SecretString::new(PASSWORD.to_owned()));
    Settings::Alertmanager(Alertmanager { server: format!("{url}/am"), user: Some("picket".to_owned()), secret })
}

fn open(url: &str) -> Settings {
    Settings::Alertmanager(Alertmanager { server: url.to_owned(), user: None, secret: None })
}

fn alerts(call: &Call) -> Vec<Value> {
    serde_json::from_slice(&call.body).unwrap()
}

fn up() -> picket_collector::notify::Message {
    let over = Over { at: at("2026-03-01T10:07:05Z"), resolution: Resolution::Recovered };
    message::write(&notice(NoticeKind::Up { over }, true))
}

#[tokio::test]
async fn every_message_as_alertmanager_gets_it() {
    insta::assert_snapshot!(written_at(alertmanager, json).await);
}

#[tokio::test]
async fn the_request_is_that_of_the_documentation() {
    let mut message = down();
    message.brief.link = Some("https://picket.example/incidents/3".to_owned());
    let (answer, calls) = send_at(alertmanager, &message).await;
    assert!(answer.is_ok(), "{answer:?}");
    let [call] = &calls[..] else { unreachable!("one request was made") };
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/am/api/v2/alerts"));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("Basic {}", BASE64_STANDARD.encode(format!("picket:{PASSWORD}"))));
    let alerts = alerts(call);
    let [alert] = &alerts[..] else { unreachable!("one alert was sent") };
    let keys: Vec<_> = alert.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["annotations", "endsAt", "generatorURL", "labels", "startsAt"]);
    let labels = json!({
        "alertname": "PicketDown", "alarm": "00000000-0000-0000-0000-000000000003", "severity": "critical",
        "service": "picket",
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["startsAt"], "2026-03-01T10:00:00.000Z");
    // Ten minutes after it was told.
    assert_eq!(alert["endsAt"], "2026-03-01T10:18:00.000Z");
    assert_eq!(alert["generatorURL"], "https://picket.example/incidents/3");
    let words = alert["annotations"].as_object().unwrap();
    assert_eq!(words["about"], "shop <EU> & more");
    assert!(
        words.values().all(Value::is_string) && words["description"].as_str().unwrap().contains("Since: 2026-03-01")
    );
    assert!(!alert.to_string().contains("canary") && !alert.to_string().contains("Backend"), "{alert}");
    assert_eq!(send_at(open, &down()).await.1[0].header("authorization"), "");
}

#[tokio::test]
async fn an_alert_ends_under_the_labels_under_which_it_began() {
    let (_, began) = send_at(open, &down()).await;
    let (_, ended) = send_at(open, &up()).await;
    let (began, ended) = (&alerts(&began[0])[0], &alerts(&ended[0])[0]);
    assert_eq!(began["labels"], ended["labels"]);
    assert_eq!(ended["endsAt"], "2026-03-01T10:08:00.000Z");
    for (raised, cleared) in [
        (NoticeKind::Regional { failing: ["eu-1".parse().unwrap()].into() }, NoticeKind::RegionalOver),
        (NoticeKind::Flapping { openings: 4 }, NoticeKind::FlappingOver),
    ] {
        let mut labels = Vec::new();
        for kind in [raised, cleared] {
            let (_, calls) = send_at(open, &message::write(&notice(kind, false))).await;
            labels.push(alerts(&calls[0])[0]["labels"].clone());
        }
        assert_eq!(labels[0], labels[1]);
    }
}

#[tokio::test]
async fn an_alert_of_a_monitor_that_was_renamed_is_the_same() {
    let (_, began) = send_at(open, &down()).await;
    let mut facts = notice(NoticeKind::Down, true);
    let message::Occasion::Notice { monitor, .. } = &mut facts.occasion else { unreachable!("it is a notice") };
    "another name".clone_into(&mut monitor.name);
    let (_, renamed) = send_at(open, &message::write(&facts)).await;
    let (began, renamed) = (&alerts(&began[0])[0], &alerts(&renamed[0])[0]);
    assert_eq!(began["labels"], renamed["labels"]);
    assert_eq!(renamed["annotations"]["about"], "another name");
}

#[tokio::test]
async fn a_test_and_a_code_stand_long_enough_to_be_read() {
    assert_eq!(Kind::Alertmanager.proof(), Proof::Code);
    for facts in [test(), code()] {
        let (_, calls) = send_at(open, &message::write(&facts)).await;
        let alerts = alerts(&calls[0]);
        let [alert] = &alerts[..] else { unreachable!("it is raised and not cleared") };
        assert_eq!(
            (&alert["labels"]["alertname"], &alert["labels"]["severity"]),
            (&"PicketTest".into(), &"info".into())
        );
        assert_eq!(alert["endsAt"], "2026-03-01T10:23:00.000Z");
    }
}

#[tokio::test]
async fn the_documented_errors_say_whether_trying_again_helps_and_what_to_do() {
    assert_eq!(judged_at(alertmanager, 200, &[], "").await, Ok("200 OK".to_owned()));
    is_for_later(&judged_at(alertmanager, 500, &[], "\"store\"").await, None, "store");
    is_for_later(&judged_at(alertmanager, 429, &[("retry-after", "4")], "").await, Some(4), "429");
    let wrong = judged_at(alertmanager, 400, &[], "\"start time must be before end time\"").await;
    is_final(&wrong, &["start time must be before end time"]);
    is_final(&judged_at(alertmanager, 401, &[], "Unauthorized").await, &["enter user and secret anew"]);
    is_final(&judged_at(alertmanager, 404, &[], "404 page not found").await, &["no Alertmanager at this address"]);
    let basic = BASE64_STANDARD.encode(format!("picket:{PASSWORD}"));
    let echo = judged_at(alertmanager, 400, &[], &format!("{PASSWORD} {basic}")).await;
    is_final(&echo, &["*** ***"]);
    let made = alertmanager("https://alertmanager.example.org");
    assert!(!format!("{echo:?} {made:?} {}", made.hint()).contains("canary"), "{echo:?}");
}

#[test]
fn bad_fields_are_named_and_not_repeated() {
    let form = Form::default().with("server", "alertmanager:9093").with("user", "a:canary");
    let wrong = Settings::parse(Kind::Alertmanager, &form).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(), ["server", "user", "secret"]);
    assert!(!format!("{wrong:?}").contains("canary"), "{wrong:?}");
    assert!(Settings::parse(Kind::Alertmanager, &Form::default().with("server", "http://10.0.0.9:9093")).is_ok());
}

/// What the judge holds of the monitor.
async fn judged(told: &Told, data: &Value) {
    let mut conn = told.database.login("postgres").await;
    sqlx::query("UPDATE states SET data = $1").bind(data).execute(&mut conn).await.unwrap();
}

/// An organization with an Alertmanager that was told of an alarm at [`START`].
async fn told_of(kind: NoticeKind) -> (Told, Ctx, Receiver) {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    told.channel("alerts", &open(&receiver.url(""))).await;
    let ctx = told.ctx(Mail::default(), Outbound::default(), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]));
    judged(&told, &json!({ "overlays": { "flapping": true } })).await;
    tell(&told, &ctx, kind, START).await;
    (told, ctx, receiver)
}

async fn tell(told: &Told, ctx: &Ctx, kind: NoticeKind, now: Timestamp) {
    told.notice(kind, now).await;
    dispatch::run(&told.database.pools, now).await.unwrap();
    deliver::run(ctx, now).await.unwrap();
}

async fn again(ctx: &Ctx, at: u64) -> Again {
    deliver::again(ctx, START + seconds(at)).await.unwrap()
}

const FLAPPING: NoticeKind = NoticeKind::Flapping { openings: 4 };

#[tokio::test]
async fn an_alarm_that_stands_is_told_again_each_minute_until_it_is_over() {
    let (told, ctx, receiver) = told_of(FLAPPING).await;
    let none = Again { told: 0, failed: 0 };
    assert_eq!(again(&ctx, 59).await, none);
    assert_eq!(again(&ctx, 62).await, Again { told: 1, failed: 0 });
    assert_eq!(again(&ctx, 63).await, none, "it was just told");
    // After an hour in which nobody told it, it is told once.
    assert_eq!(again(&ctx, 3600).await, Again { told: 1, failed: 0 });
    let calls = receiver.calls();
    assert_eq!(calls.len(), 3);
    let (first, last) = (&alerts(&calls[0])[0], &alerts(&calls[2])[0]);
    assert_eq!((&first["labels"], &first["startsAt"]), (&last["labels"], &last["startsAt"]));
    let end = |alert: &Value| at(alert["endsAt"].as_str().unwrap());
    assert_eq!(end(last).since(end(first)), seconds(3600));
    tell(&told, &ctx, NoticeKind::FlappingOver, START + seconds(3610)).await;
    assert_eq!(again(&ctx, 7200).await, none);
    // One delivery and one attempt for each notice: telling again leaves no rows.
    assert_eq!(told.number("SELECT count(*) FROM delivery_attempts").await, 2);
    assert_eq!(told.number("SELECT count(*) FROM standing_alarms").await, 0);
}

#[tokio::test]
async fn an_alertmanager_that_is_away_is_told_as_soon_as_it_is_back() {
    let (_told, ctx, receiver) = told_of(FLAPPING).await;
    receiver.answers(503, &[], "");
    assert_eq!(again(&ctx, 62).await, Again { told: 0, failed: 1 });
    receiver.answers(200, &[], "");
    assert_eq!(again(&ctx, 125).await, Again { told: 1, failed: 0 });
}

#[tokio::test]
async fn what_nothing_ends_and_what_another_channel_remembers_is_not_told_again() {
    let (told, ctx, _receiver) = told_of(NoticeKind::NeverCameUp).await;
    let hook = Receiver::start().await;
    told.channel("hook", &crate::telling::webhook(&hook.url("/"))).await;
    assert_eq!(again(&ctx, 62).await, Again { told: 0, failed: 0 });
    tell(&told, &ctx, FLAPPING, START + seconds(61)).await;
    assert_eq!(told.number("SELECT count(*) FROM standing_alarms").await, 1);
    assert_eq!(again(&ctx, 125).await, Again { told: 1, failed: 0 });
    assert_eq!(hook.calls().len(), 1);
}

#[tokio::test]
async fn nothing_is_told_again_to_a_channel_that_is_gone_or_not_verified_or_of_a_monitor_that_is_gone() {
    for gone in ["UPDATE channels SET verified_at = NULL, verified_by = NULL", "UPDATE monitors SET deleted_at = 1"] {
        let (told, ctx, _receiver) = told_of(FLAPPING).await;
        sqlx::query(gone).execute(&mut told.database.login("postgres").await).await.unwrap();
        assert_eq!(again(&ctx, 62).await, Again { told: 0, failed: 0 }, "{gone}");
        assert_eq!(told.number("SELECT count(*) FROM standing_alarms").await, 0, "{gone}");
    }
    let (told, ctx, _receiver) = told_of(FLAPPING).await;
    let row = told.row("alerts").await;
    let mut scoped = told.scoped().await;
    assert!(channels::remove(&mut scoped, row.key, START).await.unwrap());
    scoped.commit().await.unwrap();
    assert_eq!(again(&ctx, 62).await, Again { told: 0, failed: 0 });
}

#[tokio::test]
async fn an_alarm_ends_with_the_state_that_it_tells_of_though_no_message_said_so() {
    let silent = NoticeKind::RegionSilent { region: "eu-1".parse().unwrap(), heard: None };
    let bad = NoticeKind::RegionNetworkBad { region: "eu-1".parse().unwrap(), since: START };
    for (kind, stands, over) in [
        (FLAPPING, json!({ "overlays": { "flapping": true } }), json!({ "overlays": { "flapping": false } })),
        (silent, json!({ "memory": { "told_silent": ["eu-1"] } }), json!({ "memory": { "told_silent": ["eu-2"] } })),
        (bad, json!({ "memory": { "networks": { "eu-1": {} } } }), json!({ "memory": { "told_silent": [] } })),
    ] {
        let (told, ctx, receiver) = told_of(kind).await;
        judged(&told, &json!({})).await;
        assert_eq!(again(&ctx, 62).await, Again { told: 1, failed: 0 }, "it was not judged yet");
        judged(&told, &stands).await;
        assert_eq!(again(&ctx, 125).await, Again { told: 1, failed: 0 }, "{stands}");
        judged(&told, &over).await;
        assert_eq!(again(&ctx, 190).await, Again { told: 0, failed: 0 }, "{over}");
        assert_eq!(told.number("SELECT count(*) FROM standing_alarms").await, 0, "{over}");
        assert_eq!(receiver.calls().len(), 3);
    }
}

/// Ties all notices so far to an incident of the monitor that is over.
async fn of_an_incident_that_is_over(told: &Told) {
    let sql = "INSERT INTO incidents (uuid, org_id, monitor_id, started_at, confirmed_at, resolved_at, resolution, failure, message, detail)
               SELECT gen_random_uuid(), org_id, id, 1, 1, 2, 'recovered', 'timeout', 'late', '{}' FROM monitors";
    let mut conn = told.database.login("postgres").await;
    for sql in [sql, "UPDATE notices SET incident_id = (SELECT id FROM incidents)"] {
        sqlx::query(sql).execute(&mut conn).await.unwrap();
    }
}

#[tokio::test]
async fn a_monitor_flaps_beyond_the_incident_by_which_it_began_to() {
    let (told, ctx, _receiver) = told_of(FLAPPING).await;
    of_an_incident_that_is_over(&told).await;
    assert_eq!(again(&ctx, 62).await, Again { told: 1, failed: 0 });
    judged(&told, &json!({ "overlays": { "flapping": false } })).await;
    assert_eq!(again(&ctx, 125).await, Again { told: 0, failed: 0 });
}

#[tokio::test]
async fn what_ends_an_alarm_never_overtakes_what_raised_it() {
    let (told, receiver) = (Told::new().await, Receiver::start().await);
    told.channel("alerts", &open(&receiver.url(""))).await;
    let ctx = told.ctx(Mail::default(), Outbound::default(), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]));
    receiver.answers(503, &[], "");
    tell(&told, &ctx, FLAPPING, START).await;
    receiver.answers(200, &[], "");
    // As the judge writes it: what raises it names an incident, and what ends it none.
    of_an_incident_that_is_over(&told).await;
    // The first is tried again later; what ends it is due now, and waits.
    tell(&told, &ctx, NoticeKind::FlappingOver, START + seconds(1)).await;
    assert_eq!(receiver.calls().len(), 1);
    deliver::run(&ctx, START + seconds(60)).await.unwrap();
    deliver::run(&ctx, START + seconds(60)).await.unwrap();
    let ends: Vec<_> = receiver.calls().iter().map(|call| at(alerts(call)[0]["endsAt"].as_str().unwrap())).collect();
    assert_eq!(ends.len(), 3);
    assert!(ends[2] < ends[1], "{ends:?}");
    assert_eq!(told.number("SELECT count(*) FROM standing_alarms").await, 0);
}

#[tokio::test]
async fn nothing_is_told_again_while_its_channel_is_sent_to_and_nothing_sent_while_it_is_told() {
    let (told, ctx, _receiver) = told_of(FLAPPING).await;
    told.notice(NoticeKind::FlappingOver, START + seconds(61)).await;
    dispatch::run(&told.database.pools, START + seconds(61)).await.unwrap();
    let lease = async |at: u64| {
        let mut worker = told.database.pools.worker().await.unwrap();
        let leased = deliveries::lease(&mut worker, &[], 10, seconds(30), START + seconds(at)).await.unwrap();
        worker.commit().await.unwrap();
        leased.len()
    };
    assert_eq!(lease(62).await, 1);
    assert_eq!(again(&ctx, 63).await, Again { told: 0, failed: 0 });
    // Its sender crashed, and the lease ran out.
    let mut worker = told.database.pools.worker().await.unwrap();
    let terms = [("webhook", seconds(1)), ("alertmanager", seconds(60))];
    let taken = standing_alarms::take_due(&mut worker, &terms, 10, seconds(30), START + seconds(93)).await.unwrap();
    worker.commit().await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(told.number("SELECT next_at FROM standing_alarms").await, (START + seconds(153)).micros());
    assert_eq!(lease(94).await, 0);
    let mut worker = told.database.pools.worker().await.unwrap();
    standing_alarms::told(&mut worker, &taken[0]).await.unwrap();
    worker.commit().await.unwrap();
    assert_eq!(lease(95).await, 1);
}
