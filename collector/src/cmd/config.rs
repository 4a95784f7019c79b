//! `config`: shows or checks the settings.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{CmdError, print};
use crate::config::{Config, EXAMPLE};
use crate::notify::dkim::Signer;

/// What to do with the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum ConfigCommand {
    /// Check the settings and say where they come from.
    Check(ConfigArgs),
    /// Print the settings in force; secrets stay in their files.
    Show(ConfigArgs),
    /// Print every key with its default and a sentence.
    Example,
}

/// Arguments of `config check` and `config show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct ConfigArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Shows or checks.
///
/// # Errors
/// When the settings cannot be used, with what would be right.
pub fn run(command: ConfigCommand, file: Option<&Path>) -> Result<ExitCode, CmdError> {
    match command {
        ConfigCommand::Example => print::line(EXAMPLE.trim_end())?,
        ConfigCommand::Check(args) => {
            let config = Config::load(file)?;
            if let Some(pair) = config.http.certificate() {
                crate::web::tls::Pair::parse(&pair.chain_pem, &pair.key_pem)
                    .map_err(|error| CmdError::new(format!("http.certificate_file: {error}")))?;
            }
            if let Some(dkim) = &config.mail.dkim {
                Signer::new(dkim).map_err(|error| CmdError::new(error.to_string()))?;
            }
            if args.json {
                print::json(&json!({ "ok": true, "file": config.file }))?;
            } else {
                print::line(&match config.file {
                    Some(file) => format!("{} is good.", file.display()),
                    None => "No file of settings was found; the defaults hold.".to_owned(),
                })?;
            }
        }
        ConfigCommand::Show(args) => show(&Config::load(file)?, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(config: &Config, args: ConfigArgs) -> Result<(), CmdError> {
    if args.json {
        return print::json(&json!({
            "file": config.file, "public_url": config.http.public_url(), "keys_directory": config.keys.directory(),
            "settings": config,
        }));
    }
    let file = config.file.as_deref().map_or_else(|| "no file".into(), Path::to_string_lossy);
    print::line(&format!("# From {file}; what it does not name has its default."))?;
    print::line(&format!("# People and probes use {}.", config.http.public_url()))?;
    print::line(&format!("# The keys lie in {}.\n", config.keys.directory().display()))?;
    let text = toml::to_string(config).map_err(|error| CmdError::new(error.to_string()))?;
    print::line(text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read_again_and_means_the_same() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let config: Config = toml::from_str("[outbound]\nproxy = \"http://me:s3cret@proxy.example:3128\"").unwrap();
        let text = toml::to_string(&config).unwrap();
        assert!(text.contains("proxy.example:3128") && !text.contains("s3cret"), "{text}");
    }
}
