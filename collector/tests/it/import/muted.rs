//! Muted monitors: judged as all others, and told about when they are released.

use picket_collector::flow::judge;
use picket_collector::store::imports::{self, Which};
use picket_shared::time::Timestamp;

use super::{House, NOW};
use crate::telling::seconds;

impl House {
    async fn judge(&self, second: u64) {
        judge::run(&self.database.pools, NOW + seconds(second), NOW).await.unwrap();
    }

    /// What region `eu-1` says of every monitor, as ingest would have noted it.
    async fn says_down(&self, since: Timestamp) {
        let mut conn = self.database.login("postgres").await;
        sqlx::query(
            "INSERT INTO region_states (org_id, monitor_id, region_id, version, status, failure, message, fails, oks, since,
                last_at, last_trigger, self_check, received_at)
             SELECT org_id, id, $1, 1, 'down', 'http_status', 'answered 502', 3, 0, $2, $2 + 6000000, 'recheck', 'good', $2
             FROM monitors",
        )
        .bind(self.regions[0])
        .bind(since.micros())
        .execute(&mut conn)
        .await
        .unwrap();
        sqlx::query("UPDATE states SET dirty_at = 1").execute(&mut conn).await.unwrap();
    }

    async fn notices(&self) -> Vec<String> {
        let mut conn = self.database.login("postgres").await;
        sqlx::query_scalar("SELECT kind FROM notices ORDER BY id").fetch_all(&mut conn).await.unwrap()
    }
}

#[tokio::test]
async fn an_outage_of_a_muted_monitor_opens_an_incident_and_is_told_when_it_is_released() {
    let house = House::new().await;
    house.import("target,name,regions\nhttps://a.example/,a,eu-1\n").await;
    house.judge(1).await;
    house.says_down(NOW + seconds(2)).await;
    house.judge(9).await;
    assert_eq!(house.monitor("a").await.state, "down");
    assert_eq!(house.number("SELECT count(*) FROM incidents WHERE resolved_at IS NULL").await, 1);
    assert_eq!(house.notices().await, Vec::<String>::new());
    let mut scoped = house.database.pools.scoped(house.org).await.unwrap();
    imports::release(&mut scoped, &Which::All, NOW + seconds(10)).await.unwrap();
    scoped.commit().await.unwrap();
    house.judge(11).await;
    assert_eq!(house.notices().await, ["down"]);
    house.judge(12).await;
    assert_eq!(house.notices().await, ["down"]);
}

#[tokio::test]
async fn a_paused_monitor_of_an_import_tells_nothing_however_long_it_is_paused() {
    let house = House::new().await;
    house.import("target,name,paused,regions\nhttps://a.example/,a,yes,eu-1\n").await;
    house.judge(1).await;
    house.judge(5000).await;
    assert_eq!((house.notices().await, house.monitor("a").await.state.as_str()), (vec![], "pending"));
}
