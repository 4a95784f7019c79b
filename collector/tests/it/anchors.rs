//! Heads of the audit log outside the database: what is cut off or written anew is found by them; and what is removed for its
//! age leaves a beginning that only the collector can have signed.

use std::io::Write as _;
use std::time::Duration;

use picket_collector::domain::audit_chain::{Break, Fault};
use picket_collector::ops::anchor::{self, AnchorError, Anchorage, Report};
use picket_collector::ops::audit::{self, Why};
use picket_collector::vault::{KeyRing, Notary};
use picket_shared::ids::CollectorId;
use picket_shared::time::Timestamp;
use sqlx::{AssertSqlSafe, query_scalar};

use crate::audit_chain::{NOON, add, two_tenants};
use crate::database::TestDatabase;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const KEEP: Duration = DAY.saturating_mul(396);

struct House {
    database: TestDatabase,
    anchorage: Anchorage,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let notary = Notary::new(&KeyRing::generate().unwrap()).unwrap();
        let collector = CollectorId(uuid::Uuid::from_u128(7));
        let anchorage = Anchorage { file: folder.path().join("anchors.ndjson"), notary, collector };
        Self { database: two_tenants().await, anchorage, _folder: folder }
    }

    async fn add(&self, org: Option<i64>, times: usize, at: Timestamp) {
        for _ in 0..times {
            add(&self.database, org, "thing.add", at).await;
        }
    }

    async fn anchor(&self, at: Timestamp) -> Report {
        anchor::run(&self.database.pools, &self.anchorage, at).await.unwrap()
    }

    /// Entries, chains and anchors of a log that holds, or why it does not.
    async fn verify(&self) -> Result<(u64, usize, u64), Vec<Why>> {
        let anchors = self.anchorage.read(&self.anchorage.file).unwrap();
        let verdict = audit::verify(&self.database.pools, &self.anchorage, &anchors).await.unwrap();
        assert!(verdict.broken.iter().all(|broken| broken.says().contains("The audit log of")), "{verdict:?}");
        let broken: Vec<Why> = verdict.broken.iter().map(|broken| broken.why).collect();
        if broken.is_empty() { Ok((verdict.whole.entries, verdict.chains, verdict.whole.marks)) } else { Err(broken) }
    }

    /// As somebody whom nothing in the database holds back, and who knows how links are made.
    async fn tamper(&self, statements: &str) {
        let mut conn = self.database.login("postgres").await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut conn).await.unwrap();
    }

    async fn remove_old(&self, now: Timestamp) -> u64 {
        audit::remove_old(&self.database.pools, &self.anchorage, KEEP, now).await.unwrap()
    }
}

fn broken(fault: Fault, seq: i64, through: i64) -> Result<(u64, usize, u64), Vec<Why>> {
    Err(vec![Why::Entry(Break { fault, seq, through })])
}

/// Changes an entry of organization 1 as its author would have written it, and links all after it anew.
fn rewrite(seq: i64) -> String {
    format!(
        "UPDATE audit SET actor = 'user:eve', commitment = audit_commitment(salt, 'user:eve', subject, detail::text, origin)
             WHERE org_id = 1 AND seq = {seq};
         DO $$ DECLARE n bigint; BEGIN
             FOR n IN SELECT seq FROM audit WHERE org_id = 1 AND seq >= {seq} ORDER BY seq LOOP
                 UPDATE audit a SET link = audit_link(coalesce((SELECT link FROM audit WHERE org_id = 1 AND seq = n - 1),
                         decode(repeat('00', 32), 'hex')), (SELECT uuid FROM organizations WHERE id = 1), n, at, action, commitment)
                     WHERE org_id = 1 AND seq = n;
             END LOOP;
         END $$"
    )
}

#[tokio::test]
async fn each_chain_that_grew_is_anchored_and_a_log_as_it_was_written_fits_its_anchors() {
    let house = House::new().await;
    assert_eq!(house.verify().await, Ok((0, 0, 0)));
    assert_eq!(house.anchor(NOON).await, Report::default());
    house.add(None, 2, NOON).await;
    house.add(Some(1), 3, NOON).await;
    assert_eq!(house.verify().await, Ok((5, 2, 0)));
    assert_eq!(house.anchor(NOON).await, Report { anchored: 2, broken: 0 });
    assert_eq!(house.anchor(NOON + HOUR).await, Report::default(), "nothing grew");
    house.add(Some(1), 1, NOON).await;
    assert_eq!(house.anchor(NOON + HOUR).await, Report { anchored: 1, broken: 0 });
    assert_eq!(house.verify().await, Ok((6, 2, 3)));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&house.anchorage.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_cut_off_written_anew_or_gone_altogether_is_found_and_said_at_the_next_anchoring() {
    for (tampering, expected) in [
        ("DELETE FROM audit WHERE org_id = 1 AND seq >= 5".to_owned(), broken(Fault::CutOff, 5, 6)),
        (rewrite(5), broken(Fault::Rewritten, 5, 6)),
        (rewrite(2), broken(Fault::Rewritten, 1, 4)),
        ("DELETE FROM audit WHERE org_id = 1".to_owned(), broken(Fault::CutOff, 1, 6)),
        (
            "DELETE FROM audit WHERE org_id = 1; DELETE FROM organizations WHERE id = 1".to_owned(),
            broken(Fault::CutOff, 1, 6),
        ),
        // Everything anew: what the file says stays.
        (
            "DELETE FROM audit WHERE org_id = 1;
             INSERT INTO audit (org_id, at, actor, action, subject) SELECT 1, n, 'a', 'b', 'c' FROM generate_series(1, 9) n"
                .to_owned(),
            broken(Fault::Rewritten, 1, 4),
        ),
    ] {
        let house = House::new().await;
        house.add(Some(1), 4, NOON).await;
        house.anchor(NOON).await;
        house.add(Some(1), 2, NOON).await;
        house.anchor(NOON + HOUR).await;
        assert_eq!(house.verify().await, Ok((6, 1, 2)));
        house.tamper(&tampering).await;
        assert_eq!(house.verify().await, expected, "{tampering}");
        let file = std::fs::read_to_string(&house.anchorage.file).unwrap();
        assert_eq!(house.anchor(NOON + HOUR * 2).await, Report { anchored: 0, broken: 1 }, "{tampering}");
        assert_eq!(std::fs::read_to_string(&house.anchorage.file).unwrap(), file, "nothing is written over it");
    }
}

#[tokio::test]
async fn an_anchor_that_the_collector_did_not_sign_is_refused_and_a_torn_one_is_told() {
    let house = House::new().await;
    house.add(Some(1), 2, NOON).await;
    house.anchor(NOON).await;
    let genuine = std::fs::read_to_string(&house.anchorage.file).unwrap();
    for forged in [
        genuine.replace("\"seq\":2", "\"seq\":1"),
        genuine.replace(&format!("\"at\":{}", NOON.micros()), "\"at\":1"),
        genuine.replace(&house.anchorage.collector.0.to_string(), &uuid::Uuid::nil().to_string()),
    ] {
        assert_ne!(forged, genuine);
        std::fs::write(&house.anchorage.file, format!("{genuine}{forged}")).unwrap();
        let refused = house.anchorage.read(&house.anchorage.file).unwrap_err();
        assert!(matches!(refused, AnchorError::Forged { line: 2, .. }), "{refused}");
    }
    // A crash in the middle of a line: the next one begins anew.
    std::fs::write(&house.anchorage.file, &genuine).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&house.anchorage.file).unwrap();
    file.write_all(&genuine.as_bytes()[..80]).unwrap();
    house.add(Some(1), 1, NOON).await;
    assert_eq!(house.anchor(NOON + HOUR).await, Report { anchored: 1, broken: 0 });
    let anchors = house.anchorage.read(&house.anchorage.file).unwrap();
    assert_eq!((anchors.count(), anchors.unreadable), (2, vec![2]));
    assert_eq!(house.verify().await, Ok((3, 1, 2)));
    // Another ring knows none of the keys.
    let stranger = Notary::new(&KeyRing::generate().unwrap()).unwrap();
    let stranger = Anchorage { notary: stranger, ..house.anchorage.clone() };
    assert!(stranger.read(&house.anchorage.file).unwrap_err().to_string().contains("not in the key ring"));
}

#[tokio::test]
async fn what_is_older_than_13_months_goes_and_the_rest_holds() {
    let house = House::new().await;
    house.add(None, 2, NOON).await;
    house.add(Some(1), 3, NOON).await;
    house.add(Some(1), 1, NOON + DAY * 30).await;
    house.anchor(NOON + DAY * 30).await;
    assert_eq!(house.remove_old(NOON + KEEP).await, 0, "as old as may be");
    assert_eq!(house.remove_old(NOON + KEEP + HOUR).await, 5);
    assert_eq!(house.remove_old(NOON + KEEP + HOUR).await, 0, "once is enough");
    // One that was young enough, and the word of the collector in both; the instance's anchor is where it begins now.
    assert_eq!(house.verify().await, Ok((3, 2, 2)));
    house.add(Some(1), 2, NOON + KEEP + HOUR).await;
    assert_eq!(house.anchor(NOON + KEEP + HOUR).await, Report { anchored: 2, broken: 0 });
    assert_eq!(house.verify().await, Ok((5, 2, 4)));
    let said: String = query_scalar("SELECT detail::text FROM audit WHERE action = 'audit.remove' AND org_id = 1")
        .fetch_one(&mut house.database.login("postgres").await)
        .await
        .unwrap();
    assert_eq!(said, r#"{"entries":3,"through":3}"#);
    // A beginning that the collector did not sign: somebody removed more by hand.
    house.tamper("UPDATE audit_bases b SET seq = 4, link = (SELECT link FROM audit WHERE org_id = 1 AND seq = 4) WHERE org_id = 1;
                  DELETE FROM audit WHERE org_id = 1 AND seq = 4").await;
    assert_eq!(house.verify().await, Err(vec![Why::Base(4)]));
    house.tamper("DELETE FROM audit_bases WHERE org_id = 1").await;
    assert_eq!(house.verify().await, broken(Fault::Missing, 1, 4));
}

#[tokio::test]
async fn many_old_entries_go_in_several_steps() {
    let house = House::new().await;
    house
        .tamper(&format!(
            "INSERT INTO audit (org_id, at, actor, action, subject)
             SELECT 1, {} + n, 'a', 'b', 'c' FROM generate_series(1, 5200) n",
            NOON.micros()
        ))
        .await;
    assert_eq!(house.remove_old(NOON + KEEP + DAY).await, 5200);
    assert_eq!(house.verify().await, Ok((2, 1, 0)), "one entry of the collector for each step");
}
