//! What the probes say: whether they are heard and confined; and with it who leads, and what the clocks say.

use picket_shared::time::{Clock, Timestamp};

use super::{Finding, State, clock, leader};
use crate::app::time_of_the_collector;
use crate::cmd::CmdError;
use crate::postgres::{Access, open_pools};
use crate::store;
use crate::store::clock::{self as clocks, ClockRow};
use crate::store::leadership::{self, Leadership};
use crate::store::read::probes::{self, ProbeRow, Standing};

/// What is asked of the database.
struct Listed {
    rows: Vec<ProbeRow>,
    told: Vec<String>,
    clocks: Option<ClockRow>,
    leads: Leadership,
    now: Timestamp,
}

/// Asks the database for every probe, and for what is known of the clock; gives the addresses that probes were told.
pub(super) async fn look(access: &Access, machine: &Clock, findings: &mut Vec<Finding>) -> Vec<String> {
    match listed(access, machine).await {
        Ok(Listed { mut rows, told, clocks, leads, now }) => {
            findings.push(leader::leader(&leads, now));
            rows.retain(|row| row.revoked_at.is_none());
            let offsets = rows.iter().filter(|row| is_heard(row, now)).filter_map(ProbeRow::clock_offset_us).collect();
            findings.extend([heard(&rows, now), clock::beside_probes(offsets)]);
            findings.extend(clocks.map(|row| clock::of_the_machine(&row, now)));
            told
        }
        Err(error) => {
            findings.push(Finding::new("probes", State::NotMeasured, error.to_string()));
            Vec::new()
        }
    }
}

async fn listed(access: &Access, machine: &Clock) -> Result<Listed, CmdError> {
    let pools = open_pools(access, 1)?;
    let mut conn = pools.auth().await?;
    let rows = probes::page(&mut conn).await?;
    let told = store::probes::urls(&mut conn).await?;
    let clocks = clocks::read(&mut conn).await?;
    let leads = leadership::read(&mut conn).await?;
    let now = time_of_the_collector(&mut conn, machine.clone()).await?.now();
    drop(conn);
    pools.close().await;
    Ok(Listed { rows, told, clocks, leads, now })
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
