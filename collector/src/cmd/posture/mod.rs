//! `posture`, `posture export|link|verify`: whether promises are kept, looked at now; answers to questionnaires; who else may look; and
//! whether a report is ours.

mod export;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use picket_shared::daykeys::hex;
use picket_shared::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::{CmdError, actor, open, print};
use crate::app::App;
use crate::cmd::archive::found_shelf;
use crate::config::{Config, TrustPage};
use crate::domain::posture::{Finding, State};
use crate::ops::anchor::Anchorage;
use crate::ops::posture::{Control, Facts, Sources, check, note};
use crate::store::audit::{Author, append};
use crate::web::texts::control;

/// Says whether promises are kept; exit code 1 if one is not.
#[derive(Args, Debug)]
pub struct PostureArgs {
    #[command(subcommand)]
    command: Option<PostureCommand>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print JSON that is signed, for others: without what only the operator should know.
    #[arg(long)]
    signed: bool,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
enum PostureCommand {
    /// Answer C5, ISO 27001, CAIQ or GDPR Art. 32 from the promises and from what is found now.
    Export(export::ExportArgs),
    /// Make a link to the page that ends; `[posture] page = "link"` lets it in.
    Link(LinkArgs),
    /// Say whether a signed report is what was signed; needs neither settings nor database.
    Verify(VerifyArgs),
}

/// Arguments of `posture link`.
#[derive(Args, Debug)]
struct LinkArgs {
    /// How many days it works.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
}

/// Arguments of `posture verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The report, as `posture --signed` printed it.
    file: PathBuf,
    /// The key that the report must be signed by, in hexadecimal, as whoever signed it told you by another way.
    #[arg(long, value_name = "ED25519")]
    key: String,
}

impl PostureArgs {
    /// What is done without settings.
    pub fn offline(&self) -> Option<&VerifyArgs> {
        match &self.command {
            Some(PostureCommand::Verify(args)) => Some(args),
            _ => None,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be reached.
pub async fn run(args: PostureArgs, config: Config, clock: Clock) -> Result<ExitCode, CmdError> {
    match &args.command {
        Some(PostureCommand::Link(wanted)) => link(wanted, &open(config, clock).await?).await,
        Some(PostureCommand::Verify(args)) => verify(args),
        Some(PostureCommand::Export(wanted)) => Box::pin(export::run(wanted, config, clock)).await,
        None => Box::pin(tell(&args, config, clock)).await,
    }
}

/// What a control found.
type Found = (&'static Control, Finding);

/// Looks at everything, and writes down what was found.
async fn look(config: Config, clock: Clock) -> Result<(App, Vec<Found>, Timestamp), CmdError> {
    let shelf = match config.archive.is_on() {
        true => found_shelf(&config, None).await.map_err(|error| error.to_string()),
        false => Err("there is no archive of the database here".to_owned()),
    };
    let app = open(config, clock).await?;
    let file = app.config.audit.anchors_file(&app.config.keys);
    let anchorage = Anchorage { file, notary: app.notary.clone(), collector: app.collector_id };
    let sources = Sources {
        pools: &app.pools,
        config: Arc::clone(&app.config),
        anchorage: &anchorage,
        client: &app.client,
        shelf: shelf.as_ref().map_err(Clone::clone),
    };
    let now = app.clock.now();
    let found = check(&Box::pin(Facts::gather(&sources, now)).await);
    note(&app.pools, &found, now).await?;
    Ok((app, found, now))
}

async fn tell(args: &PostureArgs, config: Config, clock: Clock) -> Result<ExitCode, CmdError> {
    let (app, found, now) = Box::pin(look(config, clock)).await?;
    let ok = found.iter().all(|(_, finding)| finding.state != State::Fail);
    if args.signed {
        print::json(&signed(&app, &found, now)?)?;
    } else if args.json {
        print::json(&report(&found, now, true))?;
    } else {
        for (control, finding) in &found {
            print::line(&told(control, finding))?;
        }
        print::line(&summary(&found))?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(control: &Control, finding: &Finding) -> String {
    let mark = match finding.state {
        State::Pass => "ok",
        State::Fail => "FAIL",
        State::NotMeasured => "-",
    };
    let promises = control.promises.join(" ");
    let says = control_says(control.id);
    let detail = finding.detail.as_ref().map(|detail| format!("\n      {detail}")).unwrap_or_default();
    format!("{mark:<5} {says} [{promises}]\n      {}{detail}", finding.evidence)
}

fn control_says(id: &str) -> &'static str {
    control(id).unwrap_or_default()
}

fn summary(found: &[(&Control, Finding)]) -> String {
    let count = |state| found.iter().filter(|(_, finding)| finding.state == state).count();
    format!("{} kept, {} not kept, {} not measured.", count(State::Pass), count(State::Fail), count(State::NotMeasured))
}

/// What was found, for programs; `whole` with what only the operator should know.
fn report(found: &[(&Control, Finding)], now: Timestamp, whole: bool) -> Value {
    let items = found.iter().map(|(control, finding)| {
        let mut item = json!({
            "control": control.id, "promises": control.promises, "says": control_says(control.id),
            "state": finding.state.as_str(), "evidence": finding.evidence,
        });
        if whole {
            item["detail"] = json!(finding.detail);
        }
        item
    });
    json!({ "at": now.exact(), "controls": items.collect::<Vec<_>>() })
}

fn signed(app: &App, found: &[(&Control, Finding)], now: Timestamp) -> Result<Value, CmdError> {
    let mut report = report(found, now, false);
    report["collector"] = json!(app.collector_id.to_string());
    let text = report.to_string();
    let signature = app.notary.sign(text.as_bytes())?;
    let key = app.notary.public_keys().into_iter().find(|(id, _)| *id == signature.key).map(|(_, key)| hex(&key));
    Ok(json!({ "report": text, "ed25519": key, "signature": STANDARD.encode(signature.bytes) }))
}

/// Says whether a signed report is what was signed.
///
/// # Errors
/// When the file or the key is none.
pub fn verify(args: &VerifyArgs) -> Result<ExitCode, CmdError> {
    let unfit = |why: &str| CmdError::new(format!("{}: {why}", args.file.display()));
    let text = std::fs::read_to_string(&args.file).map_err(|error| unfit(&error.to_string()))?;
    let read: Value = serde_json::from_str(&text).map_err(|_| unfit("this is no report of `posture --signed`"))?;
    let field = |name: &str| read.get(name).and_then(Value::as_str);
    let (Some(report), Some(signature)) = (field("report"), field("signature")) else {
        return Err(unfit("this is no report of `posture --signed`"));
    };
    let key = unhex(&args.key).ok_or_else(|| CmdError::new("--key: give 64 hexadecimal digits"))?;
    let signature = STANDARD.decode(signature).map_err(|_| unfit("its signature is none"))?;
    if UnparsedPublicKey::new(&ED25519, &key).verify(report.as_bytes(), &signature).is_err() {
        print::line("NOT what was signed by this key: the report or the key is another.")?;
        return Ok(ExitCode::FAILURE);
    }
    let report: Value = serde_json::from_str(report)?;
    let at = report.get("at").and_then(Value::as_str).unwrap_or_default();
    print::line(&format!("Signed by this key, as of {at}:"))?;
    for item in report.get("controls").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        print::line(&format!("{:<12} {}: {}", text("state"), text("says"), text("evidence")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.trim().as_bytes().chunks(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 32)
}

async fn link(args: &LinkArgs, app: &App) -> Result<ExitCode, CmdError> {
    let now = app.clock.now();
    let until = now + Duration::from_secs(86_400) * args.days;
    let link = app.sealer.trust_link(until)?;
    let mut auth = app.pools.auth().await?;
    let author = Author::of_instance(actor());
    let detail = json!({ "until": format!("{until:.0}") });
    append(&mut auth, &author.did("posture.link", "", detail, now)).await?;
    auth.commit().await?;
    print::line(&format!("{}/trust/{}", app.config.http.public_url(), link.expose()))?;
    print::line(&format!("Whoever has it sees the page until {until:.0}."))?;
    if !matches!(app.config.posture.page, TrustPage::Link | TrustPage::Public) {
        print::line(
            "It works as soon as the settings say [posture] page = \"link\" and the collector is started again.",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::posture::CONTROLS;

    #[test]
    fn every_control_says_what_it_is_about() {
        for control in CONTROLS {
            assert!(!control_says(control.id).is_empty(), "{} is in no catalogue", control.id);
        }
    }

    #[test]
    fn the_text_on_posture_names_every_control_and_its_promises() {
        let text = include_str!("../../../../docs/posture.md");
        for control in CONTROLS {
            let row = format!("| `{}` | {} |", control.id, control.promises.join(" "));
            assert!(text.contains(&row), "docs/posture.md has no row {row}");
        }
        assert_eq!(text.matches("\n| `").count(), CONTROLS.len(), "docs/posture.md names a control that is gone");
    }

    #[test]
    fn a_key_is_sixty_four_digits() {
        assert_eq!(unhex(&"0f".repeat(32)).unwrap(), vec![15; 32]);
        for bad in ["", "0f", &"zz".repeat(32), &"0f".repeat(33)] {
            assert!(unhex(bad).is_none(), "{bad}");
        }
    }
}
