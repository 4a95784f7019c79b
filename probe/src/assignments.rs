//! What to run: asked for by long poll since the last version, handed on as it comes. In memory only.

use std::time::Duration;

use picket_shared::assignment::Assignments;
use picket_shared::manual::ManualCheck;
use picket_shared::retry::RetryPolicy;
use picket_shared::time::Stopwatch;
use picket_shared::wire::{self, LONG_POLL_SECONDS, TAKES_MANUAL};
use tokio::sync::mpsc;

use crate::link::{Link, LinkError, Stop};

/// How much longer than the collector's own limit a poll may take.
const GRACE: Duration = Duration::from_secs(15);
/// Answers without news do not come faster than this, whatever the collector does.
const CALM: Duration = Duration::from_secs(1);

/// Hands on every change, for ever; the last good set stays with whoever takes it. What people want checked now goes to
/// `manual`, and is dropped where that is full: it must never hold up what is scheduled.
///
/// # Errors
/// When the collector ends the probe.
pub async fn follow(
    link: &Link,
    assign: mpsc::Sender<Assignments>,
    manual: mpsc::Sender<ManualCheck>,
) -> Result<(), Stop> {
    let (mut since, mut failures) = (0, 0);
    let mut said = String::new();
    loop {
        let asked = Stopwatch::start();
        match poll(link, since).await {
            Ok(mut news) => {
                failures = 0;
                since = news.version;
                let wanted = std::mem::take(&mut news.manual);
                let asked_for = !wanted.is_empty();
                if wanted.into_iter().any(|check| manual.try_send(check).is_err()) {
                    tracing::warn!("More manual checks are wanted than this probe has places for: the rest is dropped");
                }
                let quiet =
                    !news.full && news.monitors.is_empty() && news.removed.is_empty() && news.rechecks.is_empty();
                if quiet {
                    let calm = if asked_for { Duration::ZERO } else { CALM };
                    tokio::time::sleep(calm.saturating_sub(asked.elapsed())).await;
                } else if assign.send(news).await.is_err() {
                    return Ok(());
                }
            }
            Err(LinkError::Stop(stop)) => return Err(stop),
            Err(error) => {
                failures += 1;
                // Said once for each reason: that it is refused is news to who knows only that it was away.
                let why = error.to_string();
                if failures == 1 || why != said {
                    tracing::warn!("Assignments cannot be fetched, the last ones go on: {why}");
                    said = why;
                }
                let delay = RetryPolicy::PROBE.delay(failures, error.retry_after(), fastrand::f64());
                tokio::time::sleep(delay).await;
            }
        }
    }
}

/// Waits for what changed since version `since`; an answer without news is an empty one.
///
/// # Errors
/// When there is no answer, or none that can be used.
pub async fn poll(link: &Link, since: u64) -> Result<Assignments, LinkError> {
    let timeout = Duration::from_secs(LONG_POLL_SECONDS) + GRACE;
    let answer = link.get(wire::ASSIGNMENTS_PATH, &format!("since={since}&takes={TAKES_MANUAL}"), timeout).await?;
    if matches!(answer.status, 204 | 304) {
        return Ok(Assignments { version: since, ..Assignments::default() });
    }
    answer.read()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing::{Reply, TestCollector};
    use picket_shared::ids::MonitorId;
    use picket_shared::wire::RefusalCode;
    use uuid::Uuid;

    #[tokio::test]
    async fn each_answer_is_asked_on_from_and_a_failure_asks_the_same_again() {
        let collector = TestCollector::start().await;
        let removed = vec![MonitorId(Uuid::from_u128(1))];
        collector.with(|state| {
            state.assignments.push_back(Assignments { version: 7, full: true, ..Assignments::default() });
            state.assignments.push_back(Assignments { version: 9, removed, ..Assignments::default() });
        });
        let link = std::sync::Arc::new(collector.link());
        let (assign, mut assigned) = mpsc::channel(4);
        collector.script(wire::ASSIGNMENTS_PATH, Reply::Refuse(RefusalCode::Internal, None));
        let following = tokio::spawn({
            let link = std::sync::Arc::clone(&link);
            async move { follow(&link, assign, mpsc::channel(1).0).await }
        });
        assert_eq!(assigned.recv().await.map(|news| (news.version, news.full)), Some((7, true)));
        assert_eq!(assigned.recv().await.map(|news| (news.version, news.removed.len())), Some((9, 1)));
        collector.script(wire::ASSIGNMENTS_PATH, Reply::Refuse(RefusalCode::Superseded, None));
        assert_eq!(following.await.unwrap(), Err(Stop::Superseded));
        let queries: Vec<_> = collector.seen(wire::ASSIGNMENTS_PATH).into_iter().map(|seen| seen.query).collect();
        assert_eq!(queries[..4], ["0", "0", "7", "9"].map(|since| format!("since={since}&takes=manual")));
    }
}
