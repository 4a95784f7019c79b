//! `privacy record|sub-processors|dpa`: papers as the operator sees them.

use std::process::ExitCode;

use clap::Args;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::super::{CmdError, office, organization, print};
use crate::app::App;
use crate::store::organizations;
use crate::store::sub_processors;

/// Arguments of `privacy record`.
#[derive(Args, Debug)]
pub struct RecordArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `privacy sub-processors`.
#[derive(Args, Debug)]
pub struct SubProcessorsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `privacy dpa`.
#[derive(Args, Debug)]
pub struct DpaArgs {
    /// The organization whose agreement is printed, by its name or id.
    organization: Option<String>,
    /// Which version; the newest unless given.
    #[arg(long, requires = "organization")]
    version: Option<i32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn record(args: &RecordArgs, app: &App) -> Result<ExitCode, CmdError> {
    let office = office(app);
    let record = office.record(app.clock.now()).await?;
    if args.json {
        print::json(&serde_json::to_value(&record)?)?;
    } else {
        print::line(record.markdown(&office.said).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn sub_processors(args: &SubProcessorsArgs, app: &App) -> Result<ExitCode, CmdError> {
    let (listed, now) = (&app.config.privacy.sub_processors, app.clock.now());
    let mut auth = app.pools.auth().await?;
    let (history, notices) =
        (sub_processors::history(&mut auth, 1_000).await?, sub_processors::notices(&mut auth).await?);
    let told = |list: i32| notices.iter().find(|(number, ..)| *number == list).map_or(0, |(_, many, _)| *many);
    if args.json {
        let items: Vec<Value> = listed
            .iter()
            .map(|one| {
                let mut item = json!(one);
                item["standing"] = json!(one.standing(now).as_str());
                item
            })
            .collect();
        let changes: Vec<Value> = history
            .iter()
            .map(|row| {
                let at = row.noted_at.exact();
                json!({ "list": row.number, "noted_at": at, "changes": row.changes, "organizations_told": told(row.number) })
            })
            .collect();
        print::json(&json!({ "items": items, "changes": changes }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if listed.is_empty() {
        print::line("Nobody else works on the data: [[privacy.sub_processors]] says who does.")?;
    }
    for one in listed {
        print::line(&format!("{:<9} {}", one.standing(now).as_str(), one.told()))?;
    }
    for row in history {
        let told = told(row.number);
        print::line(&format!("\nList {}, noted at {:.0}, {told} organizations told:", row.number, row.noted_at))?;
        for change in &row.changes {
            print::line(&format!("  {}", change.told()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn dpa(args: &DpaArgs, app: &App) -> Result<ExitCode, CmdError> {
    let office = office(app);
    if let Some(wanted) = &args.organization {
        let org = organization::named(app, wanted).await?.key;
        let newest = office.agreements(org).await?.first().map(|row| row.version);
        let text = match args.version.or(newest) {
            Some(version) => office.agreement_text(org, version).await?,
            None => None,
        };
        let text = text.ok_or_else(|| CmdError::new("no such version was issued: `privacy dpa` shows which were"))?;
        print::line(text.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut items = Vec::new();
    for row in organizations::list(&mut app.pools.worker().await?).await? {
        for one in office.agreements(row.key).await? {
            let time = |at: i64| Timestamp::from_micros(at).exact();
            items.push(json!({
                "organization": row.name, "version": one.version, "sha256": one.hash, "issued_at": time(one.issued_at),
                "accepted_at": one.accepted_at.map(time), "accepted_by": one.accepted_by,
            }));
        }
    }
    if args.json {
        print::json(&json!({ "items": items }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let accepted = match item.get("accepted_at").and_then(Value::as_str) {
            Some(at) => format!("accepted {at} by {}", text("accepted_by")),
            None => "not accepted".to_owned(),
        };
        print::line(&format!(
            "{}  version {}, issued {}, {accepted}",
            text("organization"),
            item["version"],
            text("issued_at")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
