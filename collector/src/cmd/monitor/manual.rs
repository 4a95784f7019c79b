//! `monitor test` tries a check before it is saved, `monitor check` a saved one: now, once, from each region, with a
//! waterfall. Neither leaves anything in a monitor's history.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use picket_shared::ids::{ManualId, Region};
use picket_shared::outcome::SelfCheck;
use picket_shared::time::Timestamp;
use picket_shared::waterfall;
use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::{choose, eu_regions, find, held};
use crate::app::App;
use crate::cmd::{CmdError, print};
use crate::store::manual_checks::{self, Asked, Credentials, Manual, ManualRow, NewManual, State};
use crate::store::regions::RegionRow;
use crate::store::{RegionKey, Scoped};

/// So much longer than the check's timeout an answer is waited for.
const ON_THE_WAY: Duration = Duration::from_secs(10);
/// From look to look.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `monitor test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// A URL (http), a name (dns), HOST or HOST:PORT (tls), HOST:PORT (tcp).
    target: String,
    #[command(flatten)]
    fields: Fields,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `monitor check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The monitor: id, beginning of the id, or name.
    monitor: String,
    /// Where to check from, once for each region; from the monitor's own unless given.
    #[arg(long, value_name = "REGION")]
    region: Vec<Region>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Tries what `monitor add` would make.
pub(super) async fn test(args: TestArgs, app: &App, mut scoped: Scoped, now: Timestamp) -> Result<ExitCode, CmdError> {
    let id = ManualId::at(now);
    let spec = args.fields.spec(&args.target)?;
    let (chosen, _) = choose(&mut scoped, &args.fields.region).await?;
    let credentials = args.fields.credentials();
    let held = held(&mut scoped, &args.fields).await?;
    let eu_only = held || args.fields.eu_only || (credentials.is_some() && !args.fields.not_eu_only);
    let chosen = eu_regions(chosen, eu_only, args.fields.region.is_empty())?;
    let sealed = fields::seal(&app.sealer, id.0, credentials.as_ref())?;
    let credentials = sealed.as_ref().map_or(Credentials::None, Credentials::Sealed);
    let timeout_ms = args.fields.timeout_ms(None);
    let new = NewManual { spec: &spec, credentials, timeout_ms, eu_only, regions: &keys(&chosen) };
    run(app, scoped, (id, now), &new, args.json).await
}

/// Checks a saved monitor.
pub(super) async fn check(
    args: CheckArgs,
    app: &App,
    mut scoped: Scoped,
    now: Timestamp,
) -> Result<ExitCode, CmdError> {
    let row = find(&mut scoped, &args.monitor).await?;
    let named = if args.region.is_empty() { &row.regions } else { &args.region };
    let (chosen, _) = choose(&mut scoped, named).await?;
    let settings = &row.settings;
    let chosen = eu_regions(chosen, settings.eu_only, false)?;
    let new = NewManual {
        spec: &settings.spec,
        credentials: Credentials::OfMonitor(row.key, row.version),
        timeout_ms: settings.timeout_ms,
        eu_only: settings.eu_only,
        regions: &keys(&chosen),
    };
    run(app, scoped, (ManualId::at(now), now), &new, args.json).await
}

fn keys(regions: &[RegionRow]) -> Vec<RegionKey> {
    regions.iter().map(|region| region.key).collect()
}

async fn run(
    app: &App,
    mut scoped: Scoped,
    (id, now): (ManualId, Timestamp),
    new: &NewManual<'_>,
    as_json: bool,
) -> Result<ExitCode, CmdError> {
    match manual_checks::ask(&mut scoped, id, new, now).await? {
        Asked::Yes => scoped.commit().await?,
        Asked::Invalid(error) => return Err(error.into()),
        Asked::TooMany(why) => return Err(CmdError::new(why)),
    }
    let timeout = Duration::from_millis(u64::try_from(new.timeout_ms).unwrap_or(0));
    let manual = wait(app, id, now + timeout + ON_THE_WAY).await?;
    if as_json {
        print::json(&as_value(&manual))?;
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        draw(&manual, app.clock.now(), colour)?;
    }
    let good = |row: &ManualRow| matches!(&row.state, State::Done(outcome) if outcome.status.is_good());
    Ok(if manual.regions.iter().all(good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks until every region has answered, or it is too late.
async fn wait(app: &App, id: ManualId, until: Timestamp) -> Result<Manual, CmdError> {
    loop {
        let now = app.clock.now();
        let mut scoped = app.pools.scoped(app.org).await?;
        let manual = manual_checks::read(&mut scoped, id, now).await?;
        scoped.commit().await?;
        match manual {
            Some(manual) if manual.is_over() || now >= until => return Ok(manual),
            Some(_) => tokio::time::sleep(LOOK).await,
            None => return Err(CmdError::new("the manual check is gone: ask again")),
        }
    }
}

fn draw(manual: &Manual, now: Timestamp, colour: bool) -> Result<(), CmdError> {
    for (index, row) in manual.regions.iter().enumerate() {
        let space = if index == 0 { "" } else { "\n" };
        print::line(&format!("{space}── {} ({})", row.region, row.network))?;
        let State::Done(outcome) = &row.state else {
            print::line(&format!("NO ANSWER  {}", why(&row.state)))?;
            continue;
        };
        print::line(waterfall::draw(&manual.spec, outcome, now, colour).trim_end())?;
        if outcome.self_check == SelfCheck::Bad {
            print::line("The probe's own network was bad just then: look at another region.")?;
        }
    }
    Ok(())
}

/// Why there is no answer, and what to do.
fn why(state: &State) -> String {
    match state {
        State::Refused(unable) => unable.to_string(),
        State::Waiting | State::Expired { taken: false } => {
            "no probe of the region took it in time: see `picket-collector doctor`".to_owned()
        }
        State::Running | State::Expired { taken: true } => {
            "a probe took it and has not answered in time: try again, and see the probe's log".to_owned()
        }
        State::Done(_) => String::new(),
    }
}

fn as_value(manual: &Manual) -> Value {
    let region = |row: &ManualRow| {
        let (refused, outcome) = match &row.state {
            State::Refused(unable) => (Some(unable.as_str()), None),
            State::Done(outcome) => (None, Some(outcome)),
            _ => (None, None),
        };
        let message = (outcome.is_none()).then(|| why(&row.state));
        json!({
            "region": row.region, "network": row.network, "state": row.state.as_str(), "refused": refused,
            "message": message, "outcome": outcome, "ended_at": row.ended_at.map(Timestamp::exact),
        })
    };
    json!({
        "id": manual.id,
        "monitor": manual.monitor,
        "kind": manual.spec.kind(),
        "target": manual.spec.target(),
        "verified": !manual.spec.is_unverified(),
        "timeout_ms": manual.timeout_ms,
        "asked_at": manual.asked_at.exact(),
        "regions": manual.regions.iter().map(region).collect::<Vec<_>>(),
    })
}
