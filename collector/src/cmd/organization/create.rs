//! `organization create`: made whole, from arguments or a template, or not at all. A dry run does the same and does not commit.

use clap::Args;
use picket_shared::secret::SecretString;

use super::template::{self, Template};
use crate::app::App;
use crate::channels;
use crate::cmd::{CmdError, actor, porter, print};
use crate::domain::access::Role;
use crate::login::organization::{Founded, Unfounded};
use crate::login::sign_up::MAX_NAME;
use crate::store::audit::Author;
use crate::store::limits::{self, Limits};

/// Arguments of `organization create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// What to call it; may be in the template instead.
    #[arg(required_unless_present = "from_template")]
    name: Option<String>,
    /// The address of the user who owns it; may be in the template instead.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "from_template")]
    owner: Option<String>,
    /// A file that says what it begins with: limits, channels and invitations.
    #[arg(long, value_name = "FILE", value_parser = template::read)]
    from_template: Option<Template>,
    /// Only say what would be made.
    #[arg(long)]
    dry_run: bool,
}

/// Something that is shown this once.
struct Shown {
    what: String,
    secret: SecretString,
}

/// Makes it.
///
/// # Errors
/// Everything that cannot be, a line each; or that the database fails.
pub async fn run(args: CreateArgs, app: &App) -> Result<(), CmdError> {
    let template = args.from_template.unwrap_or_default();
    let mut missing = Vec::new();
    let name = args.name.or(template.name).unwrap_or_else(|| {
        missing.push("the template has no [organization] name: give a NAME");
        String::new()
    });
    let owner = args.owner.or(template.owner).unwrap_or_else(|| {
        missing.push("the template has no [organization] owner: give --owner");
        String::new()
    });
    if !missing.is_empty() {
        return Err(CmdError::new(missing.join("\n")));
    }
    let (now, by) = (app.clock.now(), actor());
    let porter = porter(app)?;
    let mut auth = app.pools.auth().await?;
    let made = match porter.found(&mut auth, &owner, &name, &by, now).await? {
        Ok(made) => made,
        Err(unfounded) => return Err(CmdError::new(why(unfounded, &name, &owner))),
    };
    let Founded { org, id, owner: ref user } = made;
    let author = Author { org: Some(org), ..Author::of_instance(&by) };
    let (mut lines, mut shown) = (vec![format!("{name} ({id}), owned by {owner}")], Vec::new());
    if let Some(limits) = &template.limits {
        limits::set(&mut auth, (org, id), limits, &by, now).await?;
        lines.push(said(limits));
    }
    for (n, channel) in template.channels.iter().enumerate() {
        let settings = (channel.kind, &channel.form);
        let first = channels::add_first(&mut auth, org, &app.sealer, settings, channel.name.as_deref(), &author, now)
            .await
            .map_err(|error| CmdError::new(format!("channel[{n}]: {error}")))?;
        lines.push(format!("channel {} ({}, {}), to be verified", first.name, channel.kind.as_str(), first.hint));
        let what = format!("the signing secret of channel {}", first.name);
        shown.extend(first.secret.map(|secret| Shown { what, secret }));
    }
    for (email, role) in &template.invitations {
        if email == user {
            return Err(CmdError::new(format!("{email} is invited, and owns it: take that invitation out")));
        }
        let token = porter.invite_first(&mut auth, &made, (email, *role), &author, now).await?;
        lines.push(format!("invitation of {email} as {role}{}", if token.is_none() { ", by mail" } else { "" }));
        let what = format!("the link for {email}, which works for seven days");
        let link = |token: SecretString| format!("{}/invitation/{}", app.config.http.public_url(), token.expose());
        shown.extend(token.map(|token| Shown { what, secret: SecretString::new(link(token)) }));
    }
    if args.dry_run {
        print::line("Nothing was made. This would be:")?;
    } else {
        auth.commit().await?;
        print::line("Made:")?;
    }
    for line in lines {
        print::line(&format!("  {line}"))?;
    }
    if args.dry_run {
        return Ok(());
    }
    for Shown { what, secret } in shown {
        print::line(&format!("Shown this once, {what}: {}", secret.expose()))?;
    }
    if !template.channels.is_empty() {
        print::line(
            "Its channels are told nothing before somebody verifies them: on the page Channels, by an owner or editor.",
        )?;
    }
    Ok(())
}

/// Limits in words.
fn said(limits: &Limits) -> String {
    let words = |limit: Option<i32>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    format!(
        "limits: monitors {}, shortest interval in seconds {}, checks a minute {}, SMS a day {}",
        words(limits.monitors),
        words(limits.interval_s),
        words(limits.checks_per_minute),
        words(limits.sms_per_day)
    )
}

fn why(unfounded: Unfounded, name: &str, owner: &str) -> String {
    let name = unfounded.name.then(|| {
        format!(
            "{name:?} cannot be its name: use 1 to {MAX_NAME} characters on one line that no other organization has"
        )
    });
    let owner = unfounded
        .owner
        .then(|| format!("nobody signs in with {owner:?}: give the address of a user as {}", Role::Owner));
    name.into_iter().chain(owner).collect::<Vec<_>>().join("\n")
}
