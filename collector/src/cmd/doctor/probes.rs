//! What the probes say: whether they are heard and confined; and with it what the clocks say.

use picket_shared::time::{Clock, Timestamp};

use super::{Finding, State, clock};
use crate::app::time_of_the_collector;
use crate::cmd::CmdError;
use crate::domain::gap::SILENT_AFTER;
use crate::postgres::{Access, open_pools};
use crate::store::clock::{self as clocks, ClockRow};
use crate::store::probes::{self, ListedRow};

/// Asks the database for every probe, and for what is known of the clock.
pub(super) async fn look(access: &Access, machine: &Clock) -> Vec<Finding> {
    match listed(access, machine).await {
        Ok((mut rows, clocks, now)) => {
            rows.retain(|row| row.revoked_at.is_none());
            let offsets = rows.iter().filter(|row| is_heard(row, now));
            let offsets = offsets.filter_map(|row| row.report.as_ref()?.clock_offset_us).collect();
            let mut findings = vec![heard(&rows, now), clock::beside_probes(offsets)];
            findings.extend(clocks.map(|row| clock::of_the_machine(&row, now)));
            findings
        }
        Err(error) => vec![Finding::new("probes", State::NotMeasured, error.to_string())],
    }
}

async fn listed(access: &Access, machine: &Clock) -> Result<(Vec<ListedRow>, Option<ClockRow>, Timestamp), CmdError> {
    let pools = open_pools(access, 1)?;
    let mut conn = pools.auth().await?;
    let rows = probes::list(&mut conn).await?;
    let clocks = clocks::read(&mut conn).await?;
    let now = time_of_the_collector(&mut conn, machine.clone()).await?.now();
    drop(conn);
    pools.close().await;
    Ok((rows, clocks, now))
}

fn is_heard(row: &ListedRow, now: Timestamp) -> bool {
    row.heard.as_ref().is_some_and(|(_, at)| now.since(*at) <= SILENT_AFTER)
}

fn heard(rows: &[ListedRow], now: Timestamp) -> Finding {
    const NAME: &str = "probes";
    if rows.is_empty() {
        let why = "there is none, so nothing is watched: make one with `picket-collector probe add --region NAME`";
        return Finding::new(NAME, State::Warning, why);
    }
    let names = |pick: &dyn Fn(&ListedRow) -> bool| {
        rows.iter().filter(|row| pick(row)).map(|row| row.name.clone()).collect::<Vec<_>>().join(", ")
    };
    let silent = names(&|row| !is_heard(row, now));
    let loose = names(&|row| {
        is_heard(row, now)
            && row.report.as_ref().is_some_and(|report| {
                let force = &report.confinement;
                force.landlock_abi == 0 || !force.seccomp || !force.no_new_privileges || !force.no_core_dumps
            })
    });
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
