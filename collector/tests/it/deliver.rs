//! Deliveries to real receivers: back-off, giving up, slow channels, and what is kept of secrets.

use picket_collector::config::{Mail, Outbound};
use picket_collector::domain::outage::NoticeKind;
use picket_collector::flow::deliver::{self, Ctx, LEASE, Report};
use picket_collector::flow::dispatch;
use picket_collector::store::{channels, deliveries};
use picket_collector::wake::Bell;
use picket_shared::egress::EgressGuard;
use picket_shared::time::Timestamp;

use crate::log::Log;
use crate::receiver::Receiver;
use crate::telling::{SECRET, START, Told, seconds, webhook};

const DAY: std::time::Duration = seconds(24 * 3600);

async fn told_by(channels: &[(&str, String)]) -> (Told, Ctx) {
    let told = Told::new().await;
    for (name, url) in channels {
        told.channel(name, &webhook(url)).await;
    }
    let ctx = told.ctx(Mail::default(), Outbound::default(), EgressGuard::new(vec!["127.0.0.0/8".parse().unwrap()]));
    (told, ctx)
}

async fn tell(told: &Told, at: Timestamp) {
    told.notice(NoticeKind::NeverCameUp, at).await;
    dispatch::run(&told.database.pools, at).await.unwrap();
}

fn sent() -> Report {
    Report { sent: 1, ..Report::default() }
}

#[tokio::test]
async fn a_delivery_is_sent_once_and_recorded() {
    let hook = Receiver::start().await;
    let (told, ctx) = told_by(&[("hook", hook.url("/"))]).await;
    tell(&told, START).await;
    assert_eq!(deliver::run(&ctx, START).await.unwrap(), sent());
    assert_eq!(deliver::run(&ctx, START + DAY).await.unwrap(), Report::default());
    assert_eq!(told.deliveries().await, [("sent".to_owned(), 1)]);
    assert_eq!(told.attempts().await, [("sent".to_owned(), "204 No Content".to_owned())]);
    let [call] = &hook.calls()[..] else { unreachable!("one request was made") };
    let event: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!((&event["type"], &event["data"]["monitor"]["name"]), (&"monitor.never_came_up".into(), &"shop".into()));
    assert!(call.is_signed_with(SECRET));
}

#[tokio::test]
async fn a_crash_between_sending_and_recording_sends_again_under_the_same_id() {
    let hook = Receiver::start().await;
    let (told, ctx) = told_by(&[("hook", hook.url("/"))]).await;
    tell(&told, START).await;
    hook.hangs();
    let crashing = ctx.clone();
    let running = tokio::spawn(async move { deliver::run(&crashing, START).await });
    hook.arrived().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    hook.lets_go();
    // While the lease stands, nobody sends.
    assert_eq!(deliver::run(&ctx, START + seconds(1)).await.unwrap(), Report::default());
    assert_eq!(deliver::run(&ctx, START + LEASE + seconds(30)).await.unwrap(), sent());
    let ids: Vec<_> = hook.calls().iter().map(|call| call.header("webhook-id").to_owned()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    assert_eq!(told.deliveries().await, [("sent".to_owned(), 1)]);
}

#[tokio::test]
async fn a_failing_receiver_is_asked_less_and_less_and_given_up_after_a_day() {
    let hook = Receiver::start().await;
    let (told, ctx) = told_by(&[("hook", hook.url("/"))]).await;
    tell(&told, START).await;
    hook.answers(500, &[], "");
    let mut now = START;
    let mut runs = 0;
    loop {
        let report = deliver::run(&ctx, now).await.unwrap();
        runs += 1;
        if report.failed == 1 {
            break;
        }
        assert_eq!(report, Report { retried: 1, ..Report::default() }, "run {runs}");
        // Before its time it is not tried.
        assert_eq!(deliver::run(&ctx, now).await.unwrap(), Report::default());
        let mut worker = told.database.pools.worker().await.unwrap();
        let next = deliveries::next_due(&mut worker).await.unwrap().unwrap();
        let wait = next.since(now);
        assert!(wait >= seconds(2) && wait < seconds(1802), "run {runs}: {wait:?}");
        now = next;
    }
    let tried = hook.calls().len();
    assert!(now.since(START) <= DAY && now.since(START) > DAY - seconds(3600), "given up at {now}");
    assert!(tried == runs && (48..400).contains(&tried), "{tried} tries");
    assert_eq!(told.deliveries().await[0].0, "failed");
    let last = told.attempts().await.pop().unwrap();
    assert_eq!(last, ("failed".to_owned(), "given up after 24 h: 500 Internal Server Error".to_owned()));
    assert_eq!(deliver::run(&ctx, START + DAY * 3).await.unwrap(), Report::default());
}

#[tokio::test]
async fn retry_after_is_obeyed_and_a_refusal_is_final() {
    let hook = Receiver::start().await;
    let (told, ctx) = told_by(&[("hook", hook.url("/"))]).await;
    tell(&told, START).await;
    hook.answers(429, &[("retry-after", "600")], "");
    assert_eq!(deliver::run(&ctx, START).await.unwrap(), Report { retried: 1, ..Report::default() });
    assert_eq!(deliver::run(&ctx, START + seconds(590)).await.unwrap(), Report::default());
    hook.answers(410, &[], "gone");
    assert_eq!(deliver::run(&ctx, START + seconds(1300)).await.unwrap(), Report { failed: 1, ..Report::default() });
    assert_eq!(hook.calls().len(), 2);
}

#[tokio::test]
async fn no_more_sms_are_sent_in_a_day_than_the_operator_lets_an_organization_send() {
    let hook = Receiver::start().await;
    let (told, ctx) = told_by(&[("phone", hook.url("/")), ("hook", hook.url("/other"))]).await;
    let mut conn = told.database.login("postgres").await;
    for sql in [
        "UPDATE channels SET kind = 'twilio' WHERE name = 'phone'",
        "INSERT INTO organization_limits (org_id, sms_per_day, changed_at) SELECT org_id, 1, 0 FROM channels LIMIT 1",
    ] {
        sqlx::query(sql).execute(&mut conn).await.unwrap();
    }
    tell(&told, START).await;
    assert_eq!(deliver::run(&ctx, START).await.unwrap(), Report { sent: 2, ..Report::default() });
    tell(&told, START + seconds(60)).await;
    let report = deliver::run(&ctx, START + seconds(60)).await.unwrap();
    assert_eq!(report, Report { sent: 1, failed: 1, ..Report::default() }, "the other channel is told all the same");
    let refused = told.attempts().await.into_iter().find(|(state, _)| state == "failed").unwrap();
    assert!(refused.1.contains("limit of 1 SMS in 24 hours"), "{refused:?}");
    assert_eq!(hook.calls().len(), 3);
    tell(&told, START + DAY + seconds(1)).await;
    let report = deliver::run(&ctx, START + DAY + seconds(1)).await.unwrap();
    // Two, and that the phone failed.
    assert_eq!(report, Report { sent: 3, ..Report::default() });
}

#[tokio::test]
async fn what_waits_for_a_removed_channel_is_superseded() {
    let hook = Receiver::start().await;
    let (told, ctx) = told_by(&[]).await;
    let key = told.channel("hook", &webhook(&hook.url("/"))).await;
    tell(&told, START).await;
    let mut scoped = told.database.pools.scoped(told.org).await.unwrap();
    assert!(channels::remove(&mut scoped, key, START).await.unwrap());
    scoped.commit().await.unwrap();
    assert_eq!(deliver::run(&ctx, START).await.unwrap(), Report { superseded: 1, ..Report::default() });
    assert!(hook.calls().is_empty() && told.attempts().await.is_empty());
}

#[tokio::test]
async fn a_slow_channel_holds_up_no_other() {
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    let (told, ctx) = told_by(&[("slow", slow.url("/")), ("quick", quick.url("/"))]).await;
    slow.hangs();
    tell(&told, START).await;
    let (running, bells) = (ctx.clone(), ctx.bells.clone());
    let running = tokio::spawn(async move { deliver::run(&running, START).await });
    slow.arrived().await;
    quick.arrived().await;
    // What comes while the slow one is under way goes to the quick one at once, and waits for the slow one.
    tell(&told, START).await;
    bells.ring(Bell::Deliver);
    quick.arrived().await;
    assert_eq!((slow.calls().len(), quick.calls().len()), (1, 2));
    slow.lets_go();
    assert_eq!(running.await.unwrap().unwrap(), Report { sent: 4, ..Report::default() });
    assert_eq!((slow.calls().len(), quick.calls().len()), (2, 2));
}

#[tokio::test]
async fn a_channel_that_cannot_be_read_is_tried_again_without_a_request() {
    let hook = Receiver::start().await;
    let (told, mut ctx) = told_by(&[("hook", hook.url("/"))]).await;
    let stranger = Told::new().await;
    ctx.opener = stranger.ctx(Mail::default(), Outbound::default(), EgressGuard::default()).opener;
    tell(&told, START).await;
    assert_eq!(deliver::run(&ctx, START).await.unwrap(), Report { retried: 1, ..Report::default() });
    assert!(hook.calls().is_empty());
    assert!(told.attempts().await[0].1.contains("key"), "{:?}", told.attempts().await);
}

#[tokio::test]
async fn no_secret_of_a_channel_reaches_attempts_logs_or_debug() {
    let (log, _guard) = Log::listen();
    let (path, token) = (format!("canary{:016x}", fastrand::u64(..)), format!("canary{:016x}", fastrand::u64(..)));
    let hook = Receiver::start().await;
    let url = hook.url(&format!("/services/{path}?token={token}"));
    let (told, ctx) = told_by(&[("hook", url.clone()), ("nobody", format!("http://127.0.0.1:1/{path}"))]).await;
    tell(&told, START).await;
    let mut seen = format!("{ctx:?} {:?}", webhook(&url));
    let mut worker = told.database.pools.worker().await.unwrap();
    seen += &format!("{:?}", deliveries::lease(&mut worker, &[], 9, LEASE, START).await.unwrap());
    drop(worker);
    let mut now = START;
    for status in [500, 302, 200] {
        // A receiver that repeats everything it was sent.
        hook.answers(status, &[], format!("{status} no {url} for {path} with {token}, signed by {SECRET}"));
        tell(&told, now).await;
        tracing::callsite::rebuild_interest_cache();
        deliver::run(&ctx, now).await.unwrap();
        now = now + seconds(3600);
    }
    for (result, answer) in told.attempts().await {
        seen += &format!("{result} {answer}\n");
    }
    seen += &log.text();
    assert!(seen.contains("Sent delivery") && seen.contains("signed by ***"), "{seen}");
    for secret in [path.as_str(), token.as_str(), SECRET, SECRET.trim_start_matches("whsec_")] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}
