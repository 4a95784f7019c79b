//! `posture export`: answers to the catalogues of others, from what is promised and from what is found now.

use std::process::ExitCode;

use clap::Args;
use picket_shared::time::Clock;

use super::{CmdError, look, print};
use crate::config::Config;
use crate::domain::controls::answers::{Look, answers};
use crate::domain::controls::files::Format;
use crate::domain::controls::{Catalogue, Framework, Language};

/// Arguments of `posture export`.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Whose questions: c5 (BSI C5:2020), iso27001 (ISO/IEC 27001:2022 Annex A), caiq (CSA CAIQ v4) or tom (GDPR Art. 32).
    #[arg(long = "for", value_name = "CATALOGUE")]
    framework: Framework,
    /// The language of the answers: en or de.
    #[arg(long, value_name = "LANGUAGE", default_value_t = Language::En)]
    lang: Language,
    /// csv opens in a spreadsheet, json is for programs, md is a text.
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Csv)]
    format: Format,
}

/// Looks, and answers.
///
/// # Errors
/// When the database cannot be reached.
pub(super) async fn run(args: &ExportArgs, config: Config, clock: Clock) -> Result<ExitCode, CmdError> {
    let (_, found, now) = Box::pin(look(config, clock)).await?;
    let looks: Vec<Look> =
        found.into_iter().map(|(control, finding)| Look { control: control.id.to_owned(), finding, at: now }).collect();
    let export = answers(Catalogue::ours(), args.framework, &looks, now);
    print::text(export.file(args.format, args.lang).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
