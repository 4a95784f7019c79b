//! `monitor explain`: why somebody was told of a monitor, or was not, from what is stored.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::cmd::{CmdError, print};
use crate::domain::written;
use crate::store::Scoped;
use crate::store::members;
use crate::store::monitors::MonitorRow;
use crate::store::read::explain::{self, Delivery, Escalation, Explanation, Incident, Notice};

/// Arguments of `monitor explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The monitor: id, beginning of the id, or name.
    pub(super) monitor: String,
    /// When: what was open then is explained, and what was told of no incident in the day before; without it, the newest.
    #[arg(long, value_name = "TIME", value_parser = written::moment)]
    at: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(app: &App, mut scoped: Scoped, row: &MonitorRow, args: &ExplainArgs) -> Result<(), CmdError> {
    let mut found = explain::of(&mut scoped, row.key, args.at).await?;
    drop(scoped);
    let members = members::list(&mut app.pools.auth().await?, app.org).await?;
    let missed = found.members();
    let members = members.into_iter().filter(|member| missed.contains(&member.user.0));
    found.names.extend(members.map(|member| ("member".to_owned(), member.user.0, member.called)));
    if args.json {
        return print::json(
            &json!({ "id": row.id, "name": row.settings.name, "at": args.at.map(Timestamp::exact), "facts": found }),
        );
    }
    print::line(&words(&row.settings.name, &found).join("\n"))
}

/// The explanation for a person, line by line.
pub fn words(name: &str, found: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    if found.incidents.is_empty() {
        lines.push(format!("{name} has no incident there that anybody could have been told of."));
    }
    for incident in &found.incidents {
        lines.extend(of_incident(name, incident));
        for notice in found.notices.iter().filter(|notice| notice.incident == Some(incident.key)) {
            lines.extend(of_notice(notice, found));
        }
        for escalation in found.escalations.iter().filter(|one| one.incident == incident.key) {
            lines.push(of_escalation(escalation));
        }
    }
    let others: Vec<_> = found.notices.iter().filter(|notice| notice.incident.is_none()).collect();
    if !others.is_empty() {
        lines.push(format!("{name}, without an incident:"));
    }
    lines.extend(others.into_iter().flat_map(|notice| of_notice(notice, found)));
    for one in &found.maintenance {
        let effect =
            if one.holds_alerts { "nobody is told of outages before it ends" } else { "alerts are told as usual" };
        lines.push(format!(
            "In maintenance \"{}\" from {} until {}: {effect}.",
            one.title,
            time(one.starts_at),
            time(one.ends_at)
        ));
    }
    if let Some(since) = found.muted_since {
        lines.push(format!("{name} is muted since {}: it tells nobody until it is released.", time(since)));
    }
    lines
}

fn time(micros: i64) -> String {
    format!("{:.0}", Timestamp::from_micros(micros))
}

fn of_incident(name: &str, incident: &Incident) -> Vec<String> {
    let mut lines = vec![format!(
        "{name}: {} since {}, confirmed at {}, {} (incident {}).",
        incident.failure.replace('_', " "),
        time(incident.started_at),
        time(incident.confirmed_at),
        incident.severity,
        incident.id
    )];
    lines.push(match (incident.acknowledged_at, incident.resolved_at) {
        (None, None) => "  Nobody acknowledged it, and it is not over.".to_owned(),
        (Some(at), None) => format!("  Acknowledged at {}, not over: no further level is told.", time(at)),
        (None, Some(at)) => format!("  Over at {}; nobody acknowledged it.", time(at)),
        (Some(acknowledged), Some(at)) => format!("  Acknowledged at {}, over at {}.", time(acknowledged), time(at)),
    });
    if !incident.tells {
        lines.push("  Who opened it chose that nobody is told.".to_owned());
    }
    lines
}

fn of_notice(notice: &Notice, found: &Explanation) -> Vec<String> {
    let kind = notice.kind.replace('_', " ");
    let mut lines = vec![format!("  {} {kind}:", time(notice.at))];
    let Some(route) = &notice.route else {
        lines.push(match notice.dispatched_at {
            Some(at) => format!("    dispatched at {}; why whom was not kept then", time(at)),
            None => "    not dispatched yet, or withheld: nobody was chosen".to_owned(),
        });
        return lines;
    };
    lines.push(format!("    {}", because(&route.0)));
    for level in route.0["levels"].as_array().into_iter().flatten() {
        lines.extend(of_level(level, found));
    }
    for delivery in found.deliveries.iter().filter(|delivery| delivery.notice == notice.id) {
        lines.push(of_delivery(delivery));
    }
    lines
}

fn because(route: &Value) -> String {
    let policy = route["policy"]["name"].as_str().unwrap_or_default();
    let by = match route["policy"]["by"].as_str() {
        Some("monitor") => "the monitor names it",
        Some("tag") => "it is for a tag of the monitor",
        _ => "it is the default",
    };
    match route["because"].as_str() {
        Some("policy") => format!("by the policy \"{policy}\" ({by})"),
        Some("no_policy") => "no policy is for it: every verified channel that is not a member's own".to_owned(),
        Some("told_before") => "to those who were told the beginning".to_owned(),
        Some("told_already") => "its levels tell it: nobody beside them".to_owned(),
        other => other.unwrap_or("why was not kept").replace('_', " "),
    }
}

fn of_level(level: &Value, found: &Explanation) -> Vec<String> {
    let at = level["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok()).map(|at| format!("{at:.0} "));
    let mut begins = format!("    {}", at.unwrap_or_default());
    if let Some(number) = level["level"].as_u64() {
        begins += &format!("level {}", number + 1);
        match level["round"].as_u64() {
            Some(round) if round > 0 => begins += &format!(", round {}", round + 1),
            _ => {}
        }
        begins += ": ";
    }
    let mut lines = Vec::new();
    for told in level["told"].as_array().into_iter().flatten() {
        let (channel, kind) = (told["name"].as_str().unwrap_or_default(), told["kind"].as_str().unwrap_or_default());
        let mut line = format!("{begins}told {channel} ({kind})");
        if told["schedule"].is_i64() {
            line += &format!(", on call on {}", named("schedule", &told["schedule"], found));
        }
        if let Some(until) = told["held_until"].as_str() {
            line += &format!(", held by quiet hours until {until}");
        }
        lines.push(line);
    }
    for miss in level["misses"].as_array().into_iter().flatten() {
        let kind =
            ["channel", "member", "schedule"].into_iter().find(|kind| !miss[*kind].is_null()).unwrap_or("channel");
        let why = why(miss["why"].as_str().unwrap_or_default());
        lines.push(format!("{begins}not told {kind} {}: {why}", named(kind, &miss[kind], found)));
    }
    if lines.is_empty() {
        lines.push(format!("{begins}nobody to tell"));
    }
    lines
}

/// What a row of a route is called.
fn named(kind: &str, row: &Value, found: &Explanation) -> String {
    let name = found.names.iter().find(|(of, key, _)| of == kind && row.as_i64() == Some(*key));
    name.map_or_else(|| "that is gone".to_owned(), |(.., name)| name.clone())
}

fn why(why: &str) -> String {
    match why {
        "nobody_on_call" => "nobody was on call then",
        "no_channel" => "no verified channel of their own",
        "not_verified" => "the channel is not verified, or has no destination",
        "sms_budget" => "the policy's SMS and calls of 24 hours were used up",
        "waits" => "an earlier message about it still waits for this channel",
        "quiet_throughout" => "it was quiet from the beginning to the end",
        "no_recovery" => "the policy does not tell that it is over",
        other => return other.replace('_', " "),
    }
    .to_owned()
}

fn of_delivery(delivery: &Delivery) -> String {
    let stands = delivery.reported.as_deref().unwrap_or(&delivery.state);
    let what = match (stands, delivery.ended_at, delivery.held_until) {
        ("pending", _, Some(until)) if delivery.tries.is_empty() => format!("held until {}", time(until)),
        ("pending", ..) => format!("waits; the next try is at {}", time(delivery.next_at)),
        ("superseded", ..) => "not needed any more before it was sent".to_owned(),
        (stands, Some(at), _) => format!("{stands} at {}", time(at)),
        (stands, None, _) => stands.to_owned(),
    };
    let tries = delivery.tries.iter().map(|(at, result, answer)| format!("{} {result}: {answer}", time(*at)));
    let tries: Vec<String> = tries.collect();
    let told = if tries.is_empty() { String::new() } else { format!(" [{}]", tries.join("; ")) };
    format!("    message to {} ({}): {what}{told}", delivery.channel, delivery.kind)
}

fn of_escalation(one: &Escalation) -> String {
    let due = |at: Option<i64>, what: String| at.map(|at| format!("{what} at {}", time(at)));
    let parts: Vec<String> = due(one.level_due_at, format!("level {}", one.level + 1))
        .into_iter()
        .chain(due(one.reminder_due_at, "a reminder".to_owned()))
        .collect();
    if parts.is_empty() {
        return format!("  All levels of \"{}\" were told.", one.policy);
    }
    format!("  Due next by \"{}\", if nobody acknowledges: {}.", one.policy, parts.join(", "))
}
