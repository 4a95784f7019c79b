//! Notices to deliveries: whom to tell. Before it the judge, after it [`super::deliver`].
//!
//! A notice for members goes to every channel of the organization, and so does one for the operator, who has no channels
//! of their own. That somebody looks after an incident goes to channels that know what that is. Of a region that falls silent or
//! returns, one message is made for all its monitors.

use std::time::Duration;

use picket_shared::time::Timestamp;

use crate::domain::outage::{Audience, NoticeKind};
use crate::notify::Kind;
use crate::store::notices::{self, NoticeRow};
use crate::store::{Pools, StoreError, Worker, deliveries};

/// So many notices a transaction.
const BATCH: i64 = 100;
/// For so long one message about a region stands for all its monitors.
const SAME_REGION: Duration = Duration::from_secs(600);

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many notices were dispatched.
    pub notices: u64,
    /// How many deliveries were made of them.
    pub deliveries: u64,
}

/// Makes one delivery a channel of each notice that was not dispatched yet, if anybody is to be told of it.
///
/// # Errors
/// When the database fails; what was committed stays.
pub async fn run(pools: &Pools, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    loop {
        let mut conn = pools.worker().await?;
        let waiting = notices::waiting(&mut conn, BATCH).await?;
        if waiting.is_empty() {
            return Ok(report);
        }
        for notice in &waiting {
            report.notices += 1;
            if !is_told_already(&mut conn, notice, now).await? {
                let kinds = kinds(&notice.notice.kind);
                let (org, key) = (notice.org, notice.key);
                report.deliveries += deliveries::insert_for_notice(&mut conn, org, key, kinds.as_deref(), now).await?;
            }
            notices::mark_dispatched(&mut conn, notice.key, now).await?;
        }
        conn.commit().await?;
    }
}

/// The kinds of channel that a notice is for, where it is not for all.
fn kinds(kind: &NoticeKind) -> Option<Vec<&'static str>> {
    match kind.audience() {
        Audience::Members | Audience::OperatorAndMembersIfWanted | Audience::Operator => None,
        Audience::MembersNotPaged => Some(named(|kind| !kind.is_paged())),
        Audience::Pagers => Some(named(Kind::acknowledges)),
    }
}

fn named(wanted: fn(Kind) -> bool) -> Vec<&'static str> {
    Kind::ALL.iter().copied().filter(|kind| wanted(*kind)).map(Kind::as_str).collect()
}

async fn is_told_already(conn: &mut Worker, notice: &NoticeRow, now: Timestamp) -> Result<bool, StoreError> {
    match &notice.notice.kind {
        NoticeKind::RegionSilent { region, .. } | NoticeKind::RegionHeard { region } => {
            let kinds = ["region_silent", "region_heard"];
            notices::told_of_region(conn, notice, region.as_str(), &kinds, now - SAME_REGION).await
        }
        // Monitors that are checked rarely learn of it late: what the operator was told last stands, however old it is.
        NoticeKind::RegionNetworkBad { region, .. } | NoticeKind::RegionNetworkGood { region } => {
            let kinds = ["region_network_bad", "region_network_good"];
            notices::told_of_region(conn, notice, region.as_str(), &kinds, Timestamp::from_micros(0)).await
        }
        _ => Ok(false),
    }
}
