//! What the probes say: whether they are heard and confined, and how far their clocks are from this one.

use picket_shared::time::Timestamp;

use super::{Finding, State};
use crate::cmd::CmdError;
use crate::postgres::{Access, open_pools};
use crate::store;
use crate::store::read::probes::{self, ProbeRow, Standing};

/// Further off than this, clocks are wrong.
const MOST_OFFSET_US: i64 = 1_000_000;

/// Asks the database for every probe; gives the addresses that they were told.
pub(super) async fn look(access: &Access, now: Timestamp, findings: &mut Vec<Finding>) -> Vec<String> {
    match listed(access).await {
        Ok((mut rows, told)) => {
            rows.retain(|row| row.revoked_at.is_none());
            findings.extend([heard(&rows, now), clock(&rows, now)]);
            told
        }
        Err(error) => {
            findings.push(Finding::new("probes", State::NotMeasured, error.to_string()));
            Vec::new()
        }
    }
}

async fn listed(access: &Access) -> Result<(Vec<ProbeRow>, Vec<String>), CmdError> {
    let pools = open_pools(access, 1)?;
    let mut conn = pools.auth().await?;
    let rows = probes::page(&mut conn).await?;
    let told = store::probes::urls(&mut conn).await?;
    drop(conn);
    pools.close().await;
    Ok((rows, told))
}

fn is_heard(row: &ProbeRow, now: Timestamp) -> bool {
    row.standing(now) == Standing::Heard
}

fn heard(rows: &[ProbeRow], now: Timestamp) -> Finding {
    const NAME: &str = "probes";
    if rows.is_empty() {
        let why = "there is none, so nothing is watched: make one with `picket-collector probe add --region NAME`";
        return Finding::new(NAME, State::Warning, why);
    }
    let names = |pick: &dyn Fn(&ProbeRow) -> bool| {
        rows.iter().filter(|row| pick(row)).map(|row| row.name.clone()).collect::<Vec<_>>().join(", ")
    };
    let silent = names(&|row| !is_heard(row, now));
    let loose = names(&|row| is_heard(row, now) && row.unconfined().is_some_and(|missing| !missing.is_empty()));
    let mut why = Vec::new();
    if !silent.is_empty() {
        why.push(format!("not heard: {silent}"));
    }
    if !loose.is_empty() {
        why.push(format!("not fully confined: {loose}"));
    }
    if why.is_empty() {
        return Finding::new(NAME, State::Pass, format!("{} heard, all confined by the kernel", rows.len()));
    }
    let help = "`picket-collector probe list` says more, `picket-probe doctor` on its machine why";
    Finding::new(NAME, State::Warning, format!("{}: {help}", why.join("; ")))
}

/// Two probes or more that see this clock off the same way tell of this clock, not of theirs.
fn clock(rows: &[ProbeRow], now: Timestamp) -> Finding {
    const NAME: &str = "clock";
    let mut offsets: Vec<i64> =
        rows.iter().filter(|row| is_heard(row, now)).filter_map(ProbeRow::clock_offset_us).collect();
    offsets.sort_unstable();
    let Some(median) = offsets.get(offsets.len() / 2).copied() else {
        let why = "no probe is heard whose clock this one could be compared with";
        return Finding::new(NAME, State::NotMeasured, why);
    };
    let (least, most) = (offsets.first().copied().unwrap_or(median), offsets.last().copied().unwrap_or(median));
    let seen = format!("{:+} to {:+} ms off those of {} probes", least / 1000, most / 1000, offsets.len());
    if offsets.len() > 1 && (least > MOST_OFFSET_US || most < -MOST_OFFSET_US) {
        return Finding::new(
            NAME,
            State::Fail,
            format!("{seen}: set this machine's clock by NTP (chrony, for example)"),
        );
    }
    if least < -MOST_OFFSET_US || most > MOST_OFFSET_US {
        return Finding::new(NAME, State::Warning, format!("{seen}: set their clocks, or this one, by NTP"));
    }
    Finding::new(NAME, State::Pass, seen)
}
