//! Whether promises are kept, as the page shows it, and answers to questionnaires.

use axum::routing::get;
use serde_json::{Value, json};

use super::problem::Problem;
use super::query::{Parameter, Shape};
use super::{Answer, Call, Operation, Outcome};
use crate::config::TrustPage;
use crate::domain::access::Right;
use crate::domain::controls::answers::answers;
use crate::domain::controls::files::{Format, name};
use crate::domain::controls::{Catalogue, Framework, Language};
use crate::store::read::posture::{ControlRow, FindingRow, controls, looks};
use crate::web::texts::control;

/// `GET /api/v1/posture`.
pub const LIST: Operation = Operation::get("/api/v1/posture", Right::AccountRead, "listControls", || {
    get(list_controls)
})
.does("Lists the controls: whether each promise is kept, by what that is known, since when, and how it was before.")
.answers(&[(200, Some("Posture"))])
.maybe_off();

async fn list_controls(call: Call) -> Outcome {
    if call.site.trust == TrustPage::Off {
        return Err(Problem::not_found());
    }
    let rows = controls(&mut call.site.pools.auth().await?, call.site.clock.now()).await?;
    let item = |row: &ControlRow| {
        let mut item = shown(&row.now);
        item["control"] = json!(row.id);
        item["says"] = json!(control(&row.id)?);
        item["before"] = row.before.iter().map(shown).collect();
        Some(item)
    };
    Ok(Answer::ok(json!({ "items": rows.iter().filter_map(item).collect::<Vec<_>>() })))
}

const FOR: Parameter = Parameter {
    name: "for",
    shape: Shape::OneOf(&Framework::NAMES),
    what: "Whose questions: BSI C5:2020, ISO/IEC 27001:2022 Annex A, CSA CAIQ v4 or GDPR Art. 32; c5 if absent.",
};
const LANG: Parameter = Parameter {
    name: "lang",
    shape: Shape::OneOf(&Language::NAMES),
    what: "The language of texts; en if absent. Evidence is English.",
};
const FORMAT: Parameter = Parameter {
    name: "format",
    shape: Shape::OneOf(&["json", "csv"]),
    what: "What to answer; what `Accept` prefers if absent, and JSON if that says nothing.",
};

/// `GET /api/v1/posture/export`.
pub const EXPORT: Operation = Operation::get("/api/v1/posture/export", Right::AccountRead, "exportAnswers", || {
    get(export_answers)
})
.does("Answers a questionnaire from the promises and from what was found: of each id the answer, how it is known, when, by what evidence.")
.query(&[FOR, LANG, FORMAT])
.answers(&[(200, Some("Answers"))])
.maybe_off()
.or_csv();

async fn export_answers(call: Call) -> Outcome {
    if call.site.trust == TrustPage::Off {
        return Err(Problem::not_found());
    }
    let framework = call.query.value(FOR.name).unwrap_or(Framework::C5);
    let language = call.query.value(LANG.name).unwrap_or(Language::En);
    let csv = call.query.get(FORMAT.name).map_or(call.prefers_csv, |format| format == "csv");
    let now = call.site.clock.now();
    let looks = looks(&mut call.site.pools.auth().await?, now).await?;
    let export = answers(Catalogue::ours(), framework, &looks, now);
    if csv {
        return Ok(Answer::csv(name(framework, Format::Csv), export.file(Format::Csv, language)));
    }
    Ok(Answer::ok(export.json(language)))
}

fn shown(row: &FindingRow) -> Value {
    json!({
        "state": row.finding.state.as_str(),
        "evidence": row.finding.evidence,
        "since": row.first_at.exact(),
        "looked_at": row.last_at.exact(),
    })
}
