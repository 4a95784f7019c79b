//! Moving in from another Picket: the export of an organization becomes monitors, channels and settings of the organization of the key.

use axum::routing::post;
use serde_json::{Value, json};

use super::members::acting;
use super::monitors::MANY;
use super::problem::{Fault, Kind, Problem};
use super::query::{DRY_RUN, Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::import::{self, Choice, ImportError, Reading, Source, Upload};
use crate::login::organization::Asked;
use crate::store::StoreError;

const OVERWRITE: Parameter = Parameter {
    name: "overwrite",
    shape: Shape::OneOf(&["true", "false"]),
    what: "`true`: monitors that were edited or deleted since the last import become what the export says.",
};
const REGIONS: Parameter = Parameter {
    name: "regions",
    shape: Shape::Text(500),
    what: "Where all monitors run, with commas between; where the export says, if absent.",
};

/// `POST /api/v1/organization/import`.
pub const IMPORT: Operation =
    Operation::post("/api/v1/organization/import", Right::MonitorsWrite, "importOrganization", || post(import))
        .does("Takes over the configuration of an export: monitors, muted until they are released; channels, switched off until they have settings; and what it asks of members.")
        .query(&[DRY_RUN, OVERWRITE, REGIONS])
        .body("OrganizationImport")
        .up_to(MANY)
        .answers(&[(200, Some("ImportReport"))]);

async fn import(call: Call) -> Outcome {
    let (now, holder) = (call.site.clock.now(), &call.caller.holder);
    let dry_run = call.query.get(DRY_RUN.name) == Some("true");
    let bytes = call.body.to_string();
    let found = tokio::task::spawn_blocking(move || {
        import::read(Source::Picket, &[Upload { name: "the body", bytes: bytes.as_bytes() }], &Reading::default())
    });
    let found = found
        .await
        .map_err(|_| Problem::new(Kind::Unavailable, "try again"))?
        .map_err(|wrong| refused(wrong.into()))?;
    let mut regions = Vec::new();
    for code in
        call.query.get(REGIONS.name).unwrap_or_default().split(',').map(str::trim).filter(|code| !code.is_empty())
    {
        let wrong =
            || Problem::faults(Kind::InvalidQuery, vec![Fault::new(REGIONS.name, format!("{code:?} is no region"))]);
        regions.push(code.parse().map_err(|_| wrong())?);
    }
    let choice = Choice {
        regions,
        overwrite: call.query.get(OVERWRITE.name) == Some("true"),
        without_channels: !holder.may(Right::ChannelsWrite),
        ..Choice::default()
    };
    let mut scoped = call.caller.scoped(&call.site).await?;
    let plan =
        import::plan(&mut scoped, &call.site.sealer, (Source::Picket, found), &choice, now).await.map_err(refused)?;
    if dry_run {
        return Ok(Answer::ok(json!(plan.rehearse(scoped, now).await.map_err(refused)?)));
    }
    let report = plan.apply(&mut scoped, now).await.map_err(refused)?;
    scoped.commit().await?;
    let mut shown = json!(report);
    if report.second_factor {
        shown["second_factor_required"] = second_factor(&call).await?;
    }
    Ok(Answer::ok(shown))
}

/// Asks members for a second factor, as the export does, where who imports may: whether it is asked for now.
async fn second_factor(call: &Call) -> Result<Value, Problem> {
    if !call.caller.holder.may(Right::MembersWrite) {
        return Ok(json!(false));
    }
    let author = call.caller.author();
    let asked = call.site.porter.want_second_factor(acting(&call.caller, &author), true, call.site.clock.now()).await?;
    Ok(json!(asked == Asked::Done))
}

fn refused(error: ImportError) -> Problem {
    match error {
        ImportError::Store(failed @ StoreError::Limit(_)) => failed.into(),
        ImportError::Store(failed) => failed.into(),
        ImportError::Meanwhile => Problem::new(Kind::ChangedMeanwhile, error.to_string()),
        ImportError::NoRegion | ImportError::UnknownRegion { .. } => {
            Problem::faults(Kind::InvalidQuery, vec![Fault::new(REGIONS.name, error.to_string())])
        }
        wrong => Problem::faults(Kind::InvalidBody, vec![Fault::new("", wrong.to_string())]),
    }
}
