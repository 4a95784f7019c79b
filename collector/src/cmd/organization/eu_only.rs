//! `organization eu-only`: whether an organization keeps to the EU, and what of it goes elsewhere.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{CmdError, actor, named, print};
use crate::app::App;
use crate::store::audit::Author;
use crate::store::residency::{self, Abroad, Keeping};

/// Arguments of `organization eu-only`.
#[derive(Args, Debug)]
pub struct EuOnlyArgs {
    /// Which: its name or id.
    organization: String,
    /// Whether it keeps to the EU from now on, or what there is now.
    #[arg(value_enum)]
    what: What,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// It keeps to the EU from now on.
    On,
    /// It does not.
    Off,
    /// Show whether it does, and what goes elsewhere.
    Show,
}

/// Runs the command.
///
/// # Errors
/// When there is no such organization, or the database fails.
pub(super) async fn run(args: &EuOnlyArgs, app: &App) -> Result<(), CmdError> {
    let row = named(app, &args.organization).await?;
    if args.what != What::Show {
        let mut auth = app.pools.auth().await?;
        let by = Author::of_instance(actor());
        residency::set(&mut auth, row.key, args.what == What::On, &by, app.clock.now()).await?;
        auth.commit().await?;
    }
    let mut scoped = app.pools.scoped(row.key).await?;
    let keeping = residency::of(&mut scoped, row.key).await?;
    let abroad = residency::abroad(&mut scoped).await?;
    if args.json {
        let channels: Vec<_> = abroad
            .channels
            .iter()
            .map(|one| json!({ "id": one.id, "name": one.name, "provider": one.provider }))
            .collect();
        let monitors: Vec<_> = abroad
            .monitors
            .iter()
            .map(|one| json!({ "id": one.id, "name": one.name, "regions": one.regions, "paused": one.paused }))
            .collect();
        return print::json(&json!({
            "id": row.uuid, "name": row.name, "eu_only": keeping.own, "eu_only_by_operator": keeping.operator,
            "abroad": { "channels": channels, "monitors": monitors },
        }));
    }
    said(&row.name, keeping, &abroad)
}

fn said(name: &str, keeping: Keeping, abroad: &Abroad) -> Result<(), CmdError> {
    print::line(&match keeping {
        Keeping { operator: true, .. } => {
            format!("{name} keeps to the EU, as every organization does ([residency] eu_only).")
        }
        Keeping { own: true, .. } => format!("{name} keeps to the EU."),
        Keeping { .. } => format!("{name} does not keep to the EU."),
    })?;
    if abroad.channels.is_empty() && abroad.monitors.is_empty() {
        return print::line("Nothing of it goes elsewhere; where servers of its own lie is not known here.");
    }
    print::line("What goes elsewhere goes on until somebody changes or deletes it:\n")?;
    let channels = abroad.channels.iter().map(|one| ("channel", &one.name, one.provider.clone(), one.id));
    let monitors = abroad.monitors.iter().map(|one| ("monitor", &one.name, one.regions.join(", "), one.id));
    let cells = channels
        .chain(monitors)
        .map(|(what, name, place, id)| vec![what.to_owned(), name.clone(), place, id.to_string()]);
    print::table(&["WHAT", "NAME", "WHERE TO", "ID"], &cells.collect::<Vec<_>>())
}
