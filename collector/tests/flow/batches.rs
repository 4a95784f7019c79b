//! Batches over real HTTP into a real database: stored exactly once, or refused as documented with nothing stored.

use std::time::Duration;

use crate::common::{START, TestProbe, World};
use picket_collector::store::{MonitorKey, results};
use picket_shared::batch::{Batch, GapReason, Missed, Receipt, Report};
use picket_shared::ids::{BatchId, BootId};
use picket_shared::outcome::{Outcome, Status};
use picket_shared::signing::{BatchClaims, body_hash};
use picket_shared::time::Timestamp;
use picket_shared::wire::{ASSIGNMENTS_PATH, KEYS_PATH, Refusal, TIME_PATH};
use uuid::Uuid;

#[expect(clippy::panic, reason = "a test that gets no refusal fails")]
fn refusal((status, body): (u16, String)) -> (u16, &'static str) {
    let refusal: Refusal = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status} {error}: {body}"));
    (status, refusal.error.as_str())
}

#[tokio::test]
async fn a_batch_is_stored_once_however_often_and_concurrently_it_comes() {
    let world = World::new().await;
    let probe = world.probe().await;
    let (claims, body) =
        probe.batch(&world, 1, vec![world.outcome(START, Status::Up), world.outcome(START, Status::Down)]);
    let (a, b) = tokio::join!(world.ship(&probe, &claims, &body), world.ship(&probe, &claims, &body));
    let c = world.ship(&probe, &claims, &body).await;
    assert_eq!(a.0, 200, "{}", a.1);
    assert!(a == b && b == c, "{a:?} {b:?} {c:?}");
    assert_eq!(serde_json::from_str::<Receipt>(&a.1).unwrap().accepted, 2);
    assert_eq!((world.count("results").await, world.count("receipts").await), (2, 1));
    assert_eq!((world.count("region_states").await, world.count("changes").await), (1, 1));
    assert_eq!(world.count("states WHERE dirty_at IS NOT NULL").await, 1);
    let (claims, body) = (BatchClaims { bh: body_hash(b"other"), ..claims }, b"other".to_vec());
    assert_eq!(refusal(world.ship(&probe, &claims, &body).await).0, 400);
    let (_, other) = probe.batch(&world, 1, vec![]);
    let claims = BatchClaims { bh: body_hash(&other), ..claims };
    assert_eq!(refusal(world.ship(&probe, &claims, &other).await), (409, "batch_conflict"));
    assert_eq!((world.count("results").await, world.count("audit WHERE action = 'batch.conflict'").await), (2, 1));
}

#[tokio::test]
async fn the_address_of_a_good_outcome_has_a_column_and_a_row_from_before_is_read_as_well() {
    let world = World::new().await;
    let probe = world.probe().await;
    let (v4, v6) = ("192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
    let up = Outcome { address: Some(v4), ..world.outcome(START, Status::Up) };
    let down = Outcome { address: Some(v6), ..world.outcome(START.shifted(1), Status::Down) };
    let nowhere = world.outcome(START.shifted(2), Status::Up);
    let (claims, body) = probe.batch(&world, 1, vec![up, down, nowhere]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    assert_eq!(world.count("results WHERE detail IS NULL").await, 2, "of a good outcome there is nothing more to say");
    assert_eq!(world.count("results WHERE detail ->> 'address' = '2001:db8::7'").await, 1, "a failure's own is whole");
    // As a program from before the column writes it.
    let before =
        "INSERT INTO results (org_id, monitor_id, region_id, probe_id, received_at, at, version, trigger, status,
                                       self_check, late_us, total_us, detail)
                  SELECT org_id, monitor_id, region_id, probe_id, received_at, at + 3, version, trigger, status,
                         self_check, late_us, total_us, '{\"address\": \"192.0.2.9\"}' FROM results WHERE at = $1";
    sqlx::query(before).bind(START.micros()).execute(&world.owner).await.unwrap();
    let mut worker = world.pools.worker().await.unwrap();
    let found = results::raw(&mut worker, MonitorKey(1), (START, START.shifted(9)), 9).await.unwrap();
    let addresses: Vec<_> = found.iter().map(|row| row.detail.address).collect();
    assert_eq!(addresses, [Some(v4), Some(v6), None, Some("192.0.2.9".parse().unwrap())]);
}

#[tokio::test]
async fn every_bad_batch_is_refused_as_documented_and_stores_nothing() {
    let world = World::new().await;
    let probe = world.probe().await;
    let (good, body) = probe.batch(&world, 1, vec![world.outcome(START, Status::Up)]);
    let now = START.seconds();
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(b' '), 1 << 28), 3).unwrap();
    let noise = zstd::encode_all(&b"{\"through\":"[..], 3).unwrap();
    let with = |edit: fn(&mut BatchClaims)| {
        let mut claims = good.clone();
        edit(&mut claims);
        claims
    };
    let cases: Vec<(BatchClaims, &[u8], (u16, &str))> = vec![
        (good.clone(), b"changed", (400, "body_mismatch")),
        (BatchClaims { iat: now - 120, nbf: now - 120, ..good.clone() }, &body, (401, "clock_skew")),
        (BatchClaims { iat: now - 50, exp: now - 1, ..good.clone() }, &body, (401, "expired")),
        (with(|claims| claims.boot = BootId(Uuid::from_u128(3))), &body, (401, "unknown_key")),
        (with(|claims| claims.jti = BatchId(Uuid::from_u128(3))), &body, (401, "bad_token")),
        (BatchClaims { bh: body_hash(&bomb), ..good.clone() }, &bomb, (413, "too_large")),
        (BatchClaims { bh: body_hash(&noise), ..good.clone() }, &noise, (400, "malformed")),
    ];
    for (claims, body, expected) in cases {
        assert_eq!(refusal(world.ship(&probe, &claims, body).await), expected, "{claims:?}");
    }
    let foreign = TestProbe {
        id: probe.id,
        secret: probe.secret.clone(),
        boot: probe.boot,
        grant: picket_shared::daykeys::DayKeyGrant { number: 9, ..probe.grant.clone() },
    };
    assert_eq!(refusal(world.ship(&foreign, &good, &body).await), (401, "unknown_key"));
    let types = "Content-Type: application/json\r\nContent-Encoding: zstd\r\n";
    for token in ["", "a.b.c", &probe.request_token(&world, "POST", "/probe/v1/batches", &body, Uuid::new_v4())] {
        let answer = world.send("POST", "/probe/v1/batches", token, types, &body).await;
        assert_eq!(refusal(answer), (401, "bad_token"), "{token}");
    }
    let answer = world.send("POST", "/probe/v1/batches", &probe.sign(&good), "", &body).await;
    assert_eq!(refusal(answer), (415, "unsupported_encoding"));
    assert_eq!((world.count("results").await, world.count("receipts").await, world.count("gaps").await), (0, 0, 0));
    let old = BatchClaims { jti: BatchId::at(START - Duration::from_secs(73 * 3600)), ..good.clone() };
    assert_eq!(refusal(world.ship(&probe, &old, &body).await), (422, "too_old"));
    assert_eq!(refusal(world.ship(&probe, &old, &body).await), (422, "too_old"));
    assert_eq!(world.count("gaps WHERE reason = 'too_old'").await, 1);
    sqlx::query("UPDATE probes SET revoked_at = 1").execute(&world.owner).await.unwrap();
    assert_eq!(refusal(world.ship(&probe, &good, &body).await), (403, "revoked"));
    assert_eq!((world.count("results").await, world.count("receipts").await), (0, 0));
}

#[tokio::test]
async fn a_newer_boot_supersedes_for_ever_and_a_request_token_is_good_once() {
    let world = World::new().await;
    let mut probe = world.probe().await;
    let first = probe.boot;
    probe.boot = BootId(Uuid::new_v4());
    assert_eq!(world.hello(&probe).await.0, 200);
    probe.boot = first;
    assert_eq!(refusal(world.hello(&probe).await), (409, "superseded"));
    let (claims, body) = probe.batch(&world, 1, vec![]);
    assert_eq!(refusal(world.ship(&probe, &claims, &body).await), (409, "superseded"));
    let probe = world.probe().await;
    let token = probe.request_token(&world, "GET", KEYS_PATH, b"", Uuid::new_v4());
    assert_eq!(world.send("GET", KEYS_PATH, &token, "", b"").await.0, 200);
    assert_eq!(refusal(world.send("GET", KEYS_PATH, &token, "", b"").await), (401, "bad_token"));
    let token = probe.request_token(&world, "POST", KEYS_PATH, b"", Uuid::new_v4());
    assert_eq!(refusal(world.send("GET", KEYS_PATH, &token, "", b"").await), (401, "bad_token"));
}

#[tokio::test]
async fn a_time_in_which_the_collector_could_not_look_is_its_own_and_no_silence_of_probes() {
    let world = World::new().await;
    let probe = world.probe().await;
    let gaps = async || -> Vec<(i64, Option<i64>, String)> {
        sqlx::query_as("SELECT (from_at - 1790000000000000) / 1000000, (to_at - 1790000000000000) / 1000000, reason FROM gaps ORDER BY from_at")
            .fetch_all(&world.owner)
            .await
            .unwrap()
    };
    let look = async || {
        let mut conn = world.pools.worker().await.unwrap();
        let report = picket_collector::flow::gaps::run(&mut conn, world.clock.now()).await.unwrap();
        conn.commit().await.unwrap();
        (report.opened, report.kept_out)
    };
    look().await;
    // Without its database, or standing still, for two minutes.
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(look().await, (0, 1));
    let down = || (0, Some(120), "collector_down".to_owned());
    assert_eq!(gaps().await, [down()]);
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(5));
        look().await;
    }
    assert_eq!(
        gaps().await,
        [down(), (120, None, "probe_offline".to_owned())],
        "what is silent from then on is silent"
    );
    let (claims, body) = probe.batch(&world, 1, vec![]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    assert_eq!(gaps().await, []);
}

#[tokio::test]
async fn a_batch_that_is_being_stored_is_no_silence() {
    let world = World::new().await;
    let _probe = world.probe().await;
    world.clock.advance(Duration::from_secs(120));
    let now = world.clock.now();
    let mut storing = world.owner.begin().await.unwrap();
    let stored = "UPDATE probe_status SET batch_at = $1, through = $1";
    sqlx::query(stored).bind(now.micros()).execute(&mut *storing).await.unwrap();
    let pools = world.pools.clone();
    let looking = tokio::spawn(async move {
        let mut conn = pools.worker().await.unwrap();
        let report = picket_collector::flow::gaps::run(&mut conn, now).await.unwrap();
        conn.commit().await.unwrap();
        (report.opened, report.kept_out)
    });
    let waits =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&world.owner).await.unwrap() {
        assert!(!looking.is_finished(), "it did not wait for the batch");
        tokio::task::yield_now().await;
    }
    storing.commit().await.unwrap();
    assert_eq!(looking.await.unwrap(), (0, 0));
    assert_eq!(world.count("gaps").await, 0);
}

#[tokio::test]
async fn a_silence_ends_where_batches_account_for_it_and_begins_there_again() {
    let world = World::new().await;
    let probe = world.probe().await;
    let gaps = async || -> Vec<(i64, Option<i64>)> {
        sqlx::query_as("SELECT (from_at - 1790000000000000) / 1000000, (to_at - 1790000000000000) / 1000000 FROM gaps ORDER BY from_at")
            .fetch_all(&world.owner)
            .await
            .unwrap()
    };
    let look = async || {
        let mut conn = world.pools.worker().await.unwrap();
        // It looked all the while.
        picket_collector::store::gaps::alive(&mut conn, None, world.clock.now()).await.unwrap();
        picket_collector::flow::gaps::run(&mut conn, world.clock.now()).await.unwrap();
        conn.commit().await.unwrap();
    };
    let start = world.clock.now();
    let second = |s: u64| start + Duration::from_secs(s);
    // Four batches that each say what their probe may say while none of them has a receipt; only the newest comes.
    let batch = |seq: u64, through: u64| {
        world.clock.set(second(seq * 100));
        let outcome = world.outcome(second(seq * 100 - 5), Status::Up);
        probe.batch_through(&world, seq, second(through), vec![outcome], vec![])
    };
    let batches = [batch(1, 100), batch(2, 94), batch(3, 94), batch(4, 94)];
    let ship = async |(claims, body): &(BatchClaims, Vec<u8>)| {
        let iat = world.clock.now().seconds();
        let claims = BatchClaims { iat, nbf: iat, exp: iat + 60, ..claims.clone() };
        let answer = world.ship(&probe, &claims, body).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    };
    look().await;
    assert_eq!(gaps().await, [(0, None)]);
    ship(&batches[3]).await;
    assert_eq!(gaps().await, [], "what waits at a probe that is heard may still come");
    world.clock.advance(Duration::from_secs(46));
    look().await;
    assert_eq!(gaps().await, [(94, None)], "it did not");
    ship(&batches[0]).await;
    assert_eq!(gaps().await, [], "an earlier batch accounts for more, whatever came before it");
    ship(&batches[2]).await;
    ship(&batches[1]).await;
    world.clock.advance(Duration::from_secs(46));
    look().await;
    assert_eq!(gaps().await, [(100, None)]);
    let (claims, body) = probe.batch(&world, 5, vec![]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    assert_eq!(gaps().await, []);
    assert_eq!(world.count("results").await, 4);
}

#[tokio::test]
async fn what_lies_between_a_hello_and_when_its_start_began_is_a_gap_and_noted_once() {
    let world = World::new().await;
    let probe = world.probe().await;
    let hello_at = world.clock.now();
    let second = |s: u64| hello_at + Duration::from_secs(s);
    let gaps = async || -> Vec<(i64, i64, String)> {
        let rows = "SELECT from_at, to_at, reason FROM gaps ORDER BY from_at";
        sqlx::query_as(rows).fetch_all(&world.owner).await.unwrap()
    };
    let ship = async |seq: u64, from: u64| {
        let (through, outcomes, missed) = (world.clock.now(), vec![], vec![]);
        let batch = Batch { from: Some(second(from)), through, outcomes, missed, report: Report::default() };
        let (claims, body) = probe.seal(&world, seq, &batch);
        let answer = world.ship(&probe, &claims, &body).await;
        assert_eq!(answer.0, 200, "{}", answer.1);
    };
    world.clock.set(second(10));
    ship(1, 4).await;
    let open = (hello_at.micros(), second(4).micros(), "probe_offline".to_owned());
    assert_eq!(gaps().await, std::slice::from_ref(&open));
    world.clock.set(second(15));
    ship(2, 4).await;
    assert_eq!(gaps().await, [open]);
    ship(3, 2).await;
    let left = (hello_at.micros(), second(2).micros(), "probe_offline".to_owned());
    assert_eq!(gaps().await, [left], "the clock was set back: the probe was there, and has run that time");
}

#[tokio::test]
async fn a_long_poll_wakes_and_every_answer_carries_the_headers() {
    let world = World::new().await;
    let probe = world.probe().await;
    let poll = async |since: u64| {
        let token = probe.request_token(&world, "GET", ASSIGNMENTS_PATH, b"", Uuid::new_v4());
        world.send("GET", &format!("{ASSIGNMENTS_PATH}?since={since}"), &token, "", b"").await
    };
    let (status, body) = poll(0).await;
    assert_eq!(status, 200, "{body}");
    let first: picket_shared::assignment::Assignments = serde_json::from_str(&body).unwrap();
    assert!(first.full && first.monitors.len() == 1, "{first:?}");
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        sqlx::raw_sql("UPDATE assignment_clock SET version = 2; UPDATE monitors SET version = 2, paused_at = 1, assigned_at_version = 2")
            .execute(&world.owner)
            .await
            .unwrap();
        world.bells.ring(picket_collector::wake::Bell::Assignments);
    };
    let ((_, body), ()) = tokio::join!(poll(first.version), change);
    let second: picket_shared::assignment::Assignments = serde_json::from_str(&body).unwrap();
    assert!(!second.full && second.removed == [world.monitor], "{second:?}");
    for (method, path, expected) in [
        ("GET", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("TRACE", "/healthz", 405),
        ("GET", "/nowhere", 404),
        ("GET", KEYS_PATH, 401),
        ("GET", TIME_PATH, 200),
        ("POST", ASSIGNMENTS_PATH, 405),
    ] {
        let (status, head, _) = world.send_whole(method, path, "x", "", b"").await;
        assert_eq!(status, expected, "{method} {path}");
        let all = ["content-security-policy: ", "x-content-type-options: nosniff", "referrer-policy: "];
        for header in all.into_iter().chain(["permissions-policy: "]) {
            assert!(head.contains(header), "{method} {path} lacks {header}: {head}");
        }
        assert!(!head.contains("\r\nserver:") && !head.contains("strict-transport"), "{head}");
        let timed = ["picket-time: ", "picket-held: "].iter().all(|name| head.contains(name));
        assert_eq!(timed, path.starts_with("/probe/") && expected != 405, "{head}");
    }
}

#[tokio::test]
async fn a_probe_that_was_silent_has_every_monitor_of_its_region_judged_anew() {
    let world = World::new().await;
    let probe = world.probe().await;
    world.clock.advance(Duration::from_secs(30));
    let (claims, body) = probe.batch(&world, 1, vec![]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    assert_eq!(world.count("states WHERE dirty_at IS NOT NULL").await, 0);
    world.clock.advance(Duration::from_secs(46));
    let (claims, body) = probe.batch(&world, 2, vec![]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    assert_eq!(world.count("states WHERE dirty_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_missed_range_ends_the_run_and_is_cut_at_72_hours_and_where_the_monitor_was_made() {
    let world = World::new().await;
    let probe = world.probe().await;
    let old = (START - Duration::from_secs(100 * 3600)).micros();
    sqlx::query("UPDATE monitors SET created_at = $1").bind(old).execute(&world.owner).await.unwrap();
    sqlx::query("UPDATE probe_status SET hello_at = $1").bind(old).execute(&world.owner).await.unwrap();
    let (claims, body) = probe.batch(&world, 1, vec![world.outcome(START, Status::Up)]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    world.clock.advance(Duration::from_secs(30));
    let now = world.clock.now();
    let missed = |from, to| Missed { monitor: world.monitor, from, to, count: 1, reason: GapReason::NotScheduled };
    let hours = |hours: u64| now - Duration::from_secs(3600 * hours);
    let ranges = vec![missed(hours(90), hours(80)), missed(hours(80), hours(70)), missed(now, now)];
    let (claims, body) = probe.batch_with_missed(&world, 2, vec![], ranges);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    let runs: Vec<(String, i16, i16)> =
        sqlx::query_as("SELECT status, fails, oks FROM region_states").fetch_all(&world.owner).await.unwrap();
    assert_eq!(runs, [("unmeasured".to_owned(), 0, 0)]);
    let gaps: Vec<(i64, i64)> =
        sqlx::query_as("SELECT from_at, to_at FROM gaps WHERE monitor_id IS NOT NULL ORDER BY from_at")
            .fetch_all(&world.owner)
            .await
            .unwrap();
    let micros = |range: [Timestamp; 2]| (range[0].micros(), range[1].micros());
    assert_eq!(gaps, [micros([hours(72), hours(70)]), micros([now.shifted(-1), now])]);
    let made = now - Duration::from_secs(1800);
    sqlx::query("UPDATE monitors SET created_at = $1").bind(made.micros()).execute(&world.owner).await.unwrap();
    let ranges = vec![missed(hours(2), hours(1)), missed(hours(1), now - Duration::from_secs(60))];
    let (claims, body) = probe.batch_with_missed(&world, 3, vec![], ranges);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    let latest: Vec<(i64, i64)> =
        sqlx::query_as("SELECT from_at, to_at FROM gaps WHERE monitor_id IS NOT NULL ORDER BY id OFFSET 2")
            .fetch_all(&world.owner)
            .await
            .unwrap();
    assert_eq!(latest, [micros([made, now - Duration::from_secs(60)])]);
}

#[tokio::test]
async fn slots_that_the_clock_was_set_over_are_a_gap_and_take_no_vote() {
    let world = World::new().await;
    let probe = world.probe().await;
    let now = world.clock.now();
    let missed =
        |reason| Missed { monitor: world.monitor, from: now - Duration::from_secs(60), to: now, count: 2, reason };
    let made = (now - Duration::from_secs(3600)).micros();
    sqlx::query("UPDATE monitors SET created_at = $1").bind(made).execute(&world.owner).await.unwrap();
    sqlx::query("UPDATE probe_status SET hello_at = $1").bind(made).execute(&world.owner).await.unwrap();
    let run = || sqlx::query_scalar::<_, String>("SELECT status FROM region_states").fetch_one(&world.owner);
    let (claims, body) = probe.batch(&world, 1, vec![world.outcome(now - Duration::from_secs(90), Status::Up)]);
    assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
    for (seq, reason, status) in [(2, GapReason::ClockSet, "up"), (3, GapReason::NotScheduled, "unmeasured")] {
        let (claims, body) = probe.batch_with_missed(&world, seq, vec![], vec![missed(reason)]);
        assert_eq!(world.ship(&probe, &claims, &body).await.0, 200);
        assert_eq!(run().await.unwrap(), status, "{reason:?}");
    }
    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM gaps ORDER BY id").fetch_all(&world.owner).await.unwrap();
    assert_eq!(reasons, ["clock_set", "not_scheduled"]);
}
