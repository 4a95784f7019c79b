//! From batches over real HTTP to states, incidents, notices and spans in a real database: the judge as a stage.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails")]

use std::time::Duration;

use crate::common::{START, TestProbe, World};
use picket_collector::domain::outage::{Span, Verdict};
use picket_collector::domain::uptime;
use picket_collector::flow::{judge, replay};
use picket_collector::store::OrgKey;
use picket_collector::store::incidents::{self, Deed};
use picket_shared::ids::IncidentId;
use picket_shared::outcome::{Outcome, Status, Trigger};
use picket_shared::time::Timestamp;

/// A monitor in one region, told by what its probe finds.
pub(crate) struct Story {
    pub(crate) world: World,
    probe: TestProbe,
    seq: u64,
}

impl Story {
    async fn begins() -> Self {
        Self::begins_at(START).await
    }

    pub(crate) async fn begins_at(start: Timestamp) -> Self {
        let world = World::new().await;
        world.clock.set(start);
        let probe = world.probe().await;
        Self { world, probe, seq: 0 }
    }

    /// Moves the clock and ships these outcomes, which began now.
    pub(crate) async fn finds(&mut self, after: Duration, trigger: Trigger, status: Status) {
        self.world.clock.advance(after);
        let outcome = Outcome { trigger, ..self.world.outcome(self.world.clock.now(), status) };
        self.ships(vec![outcome]).await;
    }

    async fn ships(&mut self, outcomes: Vec<Outcome>) {
        self.seq += 1;
        let (claims, body) = self.probe.batch(&self.world, self.seq, outcomes);
        let (status, answer) = self.world.ship(&self.probe, &claims, &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn is_judged(&self) -> judge::Report {
        judge::run(&self.world.pools, self.world.clock.now(), START).await.unwrap()
    }

    pub(crate) async fn state(&self) -> String {
        sqlx::query_scalar("SELECT state FROM states").fetch_one(&self.world.owner).await.unwrap()
    }

    /// Fails three times in a row, as one region alone must.
    pub(crate) async fn goes_down(&mut self) {
        self.finds(SLOT, Trigger::Scheduled, Status::Down).await;
        self.is_judged().await;
        self.finds(RETRY, Trigger::Confirm, Status::Down).await;
        self.is_judged().await;
        self.world.clock.advance(RETRY);
        self.is_judged().await;
        self.finds(Duration::ZERO, Trigger::Recheck, Status::Down).await;
        self.is_judged().await;
    }

    /// A person does something to the newest incident.
    async fn by_hand(&self, by: By) -> Deed {
        let id: uuid::Uuid = sqlx::query_scalar("SELECT uuid FROM incidents ORDER BY id DESC LIMIT 1")
            .fetch_one(&self.world.owner)
            .await
            .unwrap();
        let org: OrgKey =
            sqlx::query_scalar("SELECT org_id FROM incidents").fetch_one(&self.world.owner).await.unwrap();
        let mut scoped = self.world.pools.scoped(org).await.unwrap().by("user:ada@example.org");
        let held = incidents::hold(&mut scoped, IncidentId(id)).await.unwrap().unwrap();
        let now = self.world.clock.now();
        let deed = match by {
            By::Resolve => incidents::resolve_by_hand(&mut scoped, &held, now).await.unwrap(),
            By::Reopen => incidents::reopen(&mut scoped, &held, now).await.unwrap(),
        };
        scoped.commit().await.unwrap();
        deed
    }

    pub(crate) async fn notices(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT kind FROM notices ORDER BY id").fetch_all(&self.world.owner).await.unwrap()
    }

    pub(crate) async fn spans(&self) -> Vec<Span> {
        let rows: Vec<(i64, String)> = sqlx::query_as("SELECT from_at, verdict FROM spans ORDER BY from_at, id")
            .fetch_all(&self.world.owner)
            .await
            .unwrap();
        let verdict = |text: String| serde_json::from_value::<Verdict>(text.into()).unwrap();
        rows.into_iter().map(|(at, text)| Span { start: Timestamp::from_micros(at), verdict: verdict(text) }).collect()
    }
}

/// What a person does.
#[derive(Clone, Copy)]
enum By {
    Resolve,
    Reopen,
}

pub(crate) const SLOT: Duration = Duration::from_secs(30);
pub(crate) const RETRY: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_whole_outage_becomes_one_incident_with_one_notice_at_each_end() {
    let mut story = Story::begins().await;
    story.finds(RETRY, Trigger::Recheck, Status::Up).await;
    story.is_judged().await;
    assert_eq!(story.state().await, "up");

    story.finds(SLOT, Trigger::Scheduled, Status::Down).await;
    story.is_judged().await;
    assert_eq!((story.state().await.as_str(), story.world.count("incidents").await), ("suspect", 0));
    story.finds(RETRY, Trigger::Confirm, Status::Down).await;
    story.is_judged().await;
    story.world.clock.advance(RETRY);
    story.is_judged().await;
    assert!(story.world.count("rechecks WHERE taken_at IS NULL").await > 0, "a lone region is asked a third time");
    story.finds(Duration::ZERO, Trigger::Recheck, Status::Down).await;
    story.is_judged().await;
    assert_eq!(story.state().await, "down");
    assert_eq!(story.world.count("incidents WHERE resolved_at IS NULL").await, 1);
    assert_eq!(story.notices().await, ["down"]);

    let again = story.is_judged().await;
    assert_eq!((again.changed, story.notices().await.len()), (0, 1), "the same facts change nothing");

    for _ in 0..3 {
        story.finds(SLOT, Trigger::Scheduled, Status::Up).await;
        story.is_judged().await;
    }
    assert_eq!(story.state().await, "up");
    assert_eq!(story.world.count("incidents WHERE resolution = 'recovered'").await, 1);
    assert_eq!(story.notices().await, ["down", "up"]);
    assert!(story.world.count("incident_events").await >= 3);

    let now = story.world.clock.now();
    let sums = uptime::of_monitor(&story.spans().await, START, now);
    assert_eq!(sums.total_us(), now.micros_since(START));
    assert!(sums.down_us > 0 && sums.up_us > 0, "{sums:?}");
}

#[tokio::test]
async fn what_a_person_resolves_is_told_and_nothing_else_is_opened_before_the_monitor_was_up_once() {
    let mut story = Story::begins().await;
    story.finds(RETRY, Trigger::Recheck, Status::Up).await;
    story.is_judged().await;
    story.goes_down().await;
    assert_eq!(story.notices().await, ["down"]);
    let votes: serde_json::Value =
        sqlx::query_scalar("SELECT detail->'votes' FROM incident_events WHERE event = 'confirmed'")
            .fetch_one(&story.world.owner)
            .await
            .unwrap();
    assert_eq!(votes[0]["vote"], "fail", "{votes}");

    assert_eq!(story.by_hand(By::Resolve).await, Deed::Done);
    assert_eq!(story.by_hand(By::Resolve).await, Deed::Already);
    story.is_judged().await;
    assert_eq!((story.state().await.as_str(), story.notices().await), ("down", vec!["down".into(), "up".to_owned()]));
    for _ in 0..3 {
        story.finds(SLOT, Trigger::Scheduled, Status::Down).await;
        story.is_judged().await;
    }
    assert_eq!(story.world.count("incidents").await, 1);

    assert_eq!(story.by_hand(By::Reopen).await, Deed::Done);
    story.is_judged().await;
    assert_eq!(story.notices().await, ["down", "up", "reopened"]);
    for _ in 0..3 {
        story.finds(SLOT, Trigger::Scheduled, Status::Up).await;
        story.is_judged().await;
    }
    assert_eq!(story.world.count("incidents WHERE resolution = 'recovered'").await, 1);
    assert_eq!(story.notices().await, ["down", "up", "reopened", "up"]);

    assert_eq!(story.by_hand(By::Reopen).await, Deed::Done);
    story.is_judged().await;
    story.goes_down().await;
    assert_eq!(story.world.count("incidents").await, 1, "it is the incident that was opened again");
    assert_eq!(story.world.count("incident_events WHERE event = 'failing_again'").await, 1);
    assert_eq!(story.by_hand(By::Resolve).await, Deed::Done);
    story.is_judged().await;
    for _ in 0..3 {
        story.finds(SLOT, Trigger::Scheduled, Status::Up).await;
        story.is_judged().await;
    }
    story.goes_down().await;
    assert_eq!((story.world.count("incidents").await, story.state().await.as_str()), (2, "down"));
}

#[tokio::test]
async fn two_judges_at_once_double_nothing() {
    let mut story = Story::begins().await;
    story.finds(RETRY, Trigger::Recheck, Status::Up).await;
    for _ in 0..3 {
        story.finds(RETRY, Trigger::Recheck, Status::Down).await;
    }
    let now = story.world.clock.now();
    let run = || judge::run(&story.world.pools, now, START);
    let (a, b, c) = tokio::join!(run(), run(), run());
    let judged = [a, b, c].map(|report| report.unwrap().judged);
    assert_eq!(judged.iter().sum::<usize>(), 1, "{judged:?}");
    assert!(story.world.count("incidents").await <= 1);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_put_off_and_said() {
    let mut story = Story::begins().await;
    sqlx::query("UPDATE states SET data = '{\"state\": 7}'").execute(&story.world.owner).await.unwrap();
    story.finds(RETRY, Trigger::Recheck, Status::Up).await;
    let report = story.is_judged().await;
    assert_eq!((report.judged, report.failed), (0, 1));
    assert_eq!(story.world.count("states WHERE dirty_at IS NULL AND due_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn an_outage_that_is_over_when_its_outcomes_come_is_written_once_and_is_no_news() {
    let mut story = Story::begins().await;
    let at = |slot: u32| START + SLOT * slot;
    let found = |slot, status| story.world.outcome(at(slot), status);
    let late = [Status::Up, Status::Down, Status::Down, Status::Down, Status::Up, Status::Up, Status::Up];
    let outcomes: Vec<_> = (0..).zip(late).map(|(slot, status)| found(slot, status)).collect();
    story.world.clock.advance(Duration::from_secs(1200));
    story.ships(outcomes).await;
    story.is_judged().await;
    assert_eq!(story.world.count("incidents").await, 0, "what came late never votes");

    let now = story.world.clock.now();
    assert_eq!(replay::run(&story.world.pools, now).await.unwrap().looked, 0, "more may come yet");
    story.world.clock.advance(Duration::from_secs(61));
    let report = replay::run(&story.world.pools, story.world.clock.now()).await.unwrap();
    assert_eq!((report.looked, report.found), (1, 1));
    let (from, to): (i64, i64) =
        sqlx::query_as("SELECT started_at, resolved_at FROM incidents").fetch_one(&story.world.owner).await.unwrap();
    assert_eq!(from, at(1).micros());
    assert!((at(4).micros()..=at(6).micros()).contains(&to), "{to}");
    assert_eq!(story.world.count("notices WHERE kind IN ('down', 'up')").await, 0);

    // The same outcomes in another batch, as after a lost boot: the incident is known.
    let outcomes: Vec<_> = (0..).zip(late).map(|(slot, status)| story.world.outcome(at(slot), status)).collect();
    story.ships(outcomes).await;
    story.world.clock.advance(Duration::from_secs(61));
    let report = replay::run(&story.world.pools, story.world.clock.now()).await.unwrap();
    assert_eq!((report.looked, report.found, story.world.count("incidents").await), (1, 0, 1));
}

#[tokio::test]
async fn an_incident_is_as_bad_as_its_monitor_says_and_stays_so() {
    let mut story = Story::begins().await;
    let say = |severity: &'static str| sqlx::query("UPDATE monitors SET severity = $1").bind(severity);
    say("warning").execute(&story.world.owner).await.unwrap();
    story.goes_down().await;
    say("error").execute(&story.world.owner).await.unwrap();
    let opened: String =
        sqlx::query_scalar("SELECT severity FROM incidents").fetch_one(&story.world.owner).await.unwrap();
    assert_eq!((story.state().await.as_str(), opened.as_str()), ("down", "warning"));
}
