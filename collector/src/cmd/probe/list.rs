//! `probe list`: every probe, where it is and how it is.

use std::process::ExitCode;
use std::time::Duration;

use picket_shared::outcome::SelfCheck;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::{ListArgs, ProbeError};
use crate::cmd::print;
use crate::probes::Desk;
use crate::store::read::probes::{self, ProbeRow, Standing};

/// Runs the command.
///
/// # Errors
/// When the database fails or standard output is closed.
pub(super) async fn run(args: ListArgs, desk: &Desk, now: Timestamp) -> Result<ExitCode, ProbeError> {
    let mut conn = desk.pools.auth().await?;
    let rows = probes::page(&mut conn).await?;
    if args.json {
        print::text(&Value::from_iter(rows.iter().map(|row| as_json(row, now))).to_string())?;
    } else if rows.is_empty() {
        print::text("There is no probe yet: make one with `picket-collector probe add --region NAME`.")?;
    } else {
        print::text(&table(&rows, now))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(row: &ProbeRow, now: Timestamp) -> Value {
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
    let standing = row.standing(now);
    let since = match standing {
        Standing::Silent { since } => Some(since.to_string()),
        _ => None,
    };
    let heard = row.heard.as_ref();
    json!({
        "id": row.id, "name": row.name, "region": row.region, "network": row.network, "eu": row.eu,
        "state": standing.as_str(), "silent_since": since,
        "created_at": row.created_at.to_string(), "revoked_at": row.revoked_at.map(|at| at.to_string()),
        "version": heard.map(|heard| &heard.version),
        "heard_seconds_ago": heard.map(|heard| now.since(heard.seen_at).as_secs()),
        "batch_seconds_ago": seconds(row.batch_age(now)), "lag_seconds": seconds(row.lag(now)),
        "clock_offset_us": row.clock_offset_us(), "confined": row.unconfined().map(|missing| missing.is_empty()),
        "unconfined": row.unconfined(), "report": row.report(),
    })
}

const HEADINGS: [&str; 10] =
    ["REGION", "PROBE", "NETWORK", "EU", "VERSION", "LAST BATCH", "LAG", "CLOCK", "CONFINED", "STATE"];

/// Two lines a probe: how it is, and below who it is and what needs a look.
fn table(rows: &[ProbeRow], now: Timestamp) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, now)).collect();
    let lines = print::aligned(&HEADINGS, &cells);
    let indent =
        " ".repeat(2 + rows.iter().map(|row| row.region.as_str().len()).max().unwrap_or(0).max(HEADINGS[0].len()));
    let mut text = lines[0].clone();
    for (line, row) in lines[1..].iter().zip(rows) {
        text.push('\n');
        text.push_str(line);
        text.push_str(&format!("\n{indent}{}", [vec![row.id.to_string()], remarks(row, now)].concat().join(", ")));
        let missing = row.unconfined().filter(|missing| !missing.is_empty() && row.revoked_at.is_none());
        if let Some(missing) = missing {
            text.push_str(&format!("\n{indent}NOT enforced by the kernel: {}", missing.join(", ")));
        }
        let in_force = row.confined().filter(|names| !names.is_empty() && row.revoked_at.is_none());
        if let Some(names) = in_force {
            text.push_str(&format!("\n{indent}enforced by the kernel: {}", names.join(", ")));
        }
    }
    text
}

fn cells(row: &ProbeRow, now: Timestamp) -> Vec<String> {
    let dash = || "-".to_owned();
    let confined = match row.unconfined() {
        Some(missing) if missing.is_empty() => "yes".to_owned(),
        Some(_) => "NO".to_owned(),
        None => dash(),
    };
    let state = match row.standing(now) {
        Standing::Heard => "heard",
        Standing::Silent { .. } => "SILENT",
        Standing::Never => "new",
        Standing::Revoked { .. } => "revoked",
    };
    vec![
        row.region.to_string(),
        short(&row.name, 16),
        short(&row.network, 12),
        if row.eu { "yes" } else { "no" }.to_owned(),
        row.heard.as_ref().map_or_else(dash, |heard| short(&heard.version, 10)),
        row.batch_age(now).map_or_else(dash, |age| format!("{} ago", span(age))),
        row.lag(now).map_or_else(dash, span),
        row.clock_offset_us().map_or_else(dash, |us| format!("{:+} ms", us / 1000)),
        confined,
        state.to_owned(),
    ]
}

fn remarks(row: &ProbeRow, now: Timestamp) -> Vec<String> {
    match row.standing(now) {
        Standing::Heard => {}
        Standing::Silent { since } => return vec![format!("silent since {since:.0}")],
        Standing::Never => return vec!["never heard: start it with its token".to_owned()],
        Standing::Revoked { at } => return vec![format!("revoked {at:.0}")],
    }
    let checks = row.self_checks().map(Vec::from).unwrap_or_default();
    let of = |wanted: SelfCheck, word: &str| {
        let names: Vec<_> = checks.iter().filter(|(_, check)| *check == wanted).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| format!("{} {word}", names.join(" ")))
    };
    let states = [(SelfCheck::Bad, "BAD"), (SelfCheck::Good, "good"), (SelfCheck::Unverified, "unverified")];
    states.into_iter().filter_map(|(check, word)| of(check, word)).collect()
}

/// A duration in its largest unit.
fn span(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A text for one column: control characters would break the table, and a long name all of it.
fn short(text: &str, most: usize) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    if clean.chars().count() <= most {
        return clean;
    }
    clean.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::batch::{Confinement, Report};
    use picket_shared::ids::ProbeId;

    use crate::store::read::probes::Heard;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn row(region: &str, name: &str, heard_ago: Option<u64>) -> ProbeRow {
        let at = |ago: u64| NOW - Duration::from_secs(ago);
        let whole =
            Confinement { landlock_abi: 4, seccomp: true, no_new_privileges: true, no_core_dumps: region != "ap" };
        ProbeRow {
            id: ProbeId(uuid::Uuid::from_u128(7)),
            name: name.to_owned(),
            region: region.parse().unwrap(),
            network: "Hetzner Online GmbH".to_owned(),
            eu: region == "eu",
            created_at: at(9000),
            revoked_at: None,
            heard: heard_ago.map(|ago| Heard {
                version: "0.1.0".to_owned(),
                hello_at: at(8000),
                seen_at: at(ago),
                batch_at: Some(at(ago)),
                through: Some(at(ago + 3)),
                report: Some(Report { clock_offset_us: Some(-12_900), confinement: whole, ..Report::default() }),
            }),
        }
    }

    #[test]
    fn the_table_says_how_each_is_and_fits_into_100_columns() {
        let mut revoked = row("us-east", "old", Some(90_000));
        revoked.revoked_at = Some(NOW - Duration::from_secs(60));
        let rows = [
            row("ap", "ap", Some(1)),
            row("eu", "a name that is longer\nthan any table", Some(2)),
            row("us-east", "us-east", Some(400)),
            revoked,
            row("us-west", "us-west", None),
        ];
        let text = table(&rows, NOW);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert_eq!(
            text,
            "\
REGION   PROBE             NETWORK       EU   VERSION  LAST BATCH  LAG    CLOCK   CONFINED  STATE
ap       ap                Hetzner Onl…  no   0.1.0    1 s ago     4 s    -12 ms  NO        heard
         00000000-0000-0000-0000-000000000007, IPv4 IPv6 DNS unverified
         NOT enforced by the kernel: no core dumps
         enforced by the kernel: Landlock ABI 4, seccomp, no new privileges
eu       a name that is …  Hetzner Onl…  yes  0.1.0    2 s ago     5 s    -12 ms  yes       heard
         00000000-0000-0000-0000-000000000007, IPv4 IPv6 DNS unverified
         enforced by the kernel: Landlock ABI 4, seccomp, no new privileges, no core dumps
us-east  us-east           Hetzner Onl…  no   0.1.0    6 min ago   6 min  -12 ms  yes       SILENT
         00000000-0000-0000-0000-000000000007, silent since 2026-09-21T14:06:40Z
         enforced by the kernel: Landlock ABI 4, seccomp, no new privileges, no core dumps
us-east  old               Hetzner Onl…  no   0.1.0    25 h ago    25 h   -12 ms  yes       revoked
         00000000-0000-0000-0000-000000000007, revoked 2026-09-21T14:12:20Z
us-west  us-west           Hetzner Onl…  no   -        -           -      -       -         new
         00000000-0000-0000-0000-000000000007, never heard: start it with its token"
        );
    }

    #[test]
    fn a_program_is_told_the_same() {
        let value = as_json(&row("eu", "eu", Some(400)), NOW);
        assert_eq!(
            (&value["state"], &value["lag_seconds"], &value["confined"]),
            (&json!("silent"), &json!(403), &json!(true))
        );
        assert_eq!(value["silent_since"], json!((NOW - Duration::from_secs(400)).to_string()));
        let never = as_json(&row("eu", "eu", None), NOW);
        assert_eq!(
            (&never["state"], &never["version"], &never["confined"]),
            (&json!("never_heard"), &json!(null), &json!(null))
        );
    }
}
