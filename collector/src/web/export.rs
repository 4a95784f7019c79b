//! Everything that is stored about who asks, as a file: what the page and the API both give.

use axum::response::Response;
use picket_shared::time::Timestamp;

use super::file::{attachment, pieces};
use super::{Site, csv};
use crate::domain::access::{Right, Role};
use crate::login::session::Member;
use crate::privacy::export::{Export, Wanted};
use crate::store::StoreError;
use crate::store::audit::Author;

/// What there is about a member: of the organization too, if it is the member's and who asks may see all of it. `has_address`
/// says whether the member signs in with an address: what a service member is called may be somebody's address, and what is
/// kept by address is not its own. `configuration` gives what the organization is set up with alone, which another Picket takes.
///
/// # Errors
/// When the database fails.
pub async fn of(
    site: &Site,
    member: &Member,
    has_address: bool,
    may: impl Fn(Right) -> bool,
    configuration: bool,
) -> Result<Export, StoreError> {
    let sees_all = Right::ALL.iter().filter(|right| right.as_str().ends_with(":read")).all(|right| may(*right));
    let org = Some(member.org).filter(|_| member.role == Role::Owner && sees_all);
    let email = has_address.then(|| member.email.clone());
    let wanted = Wanted { user: member.user, id: member.id, email, org, configuration };
    Export::of(site.pools.clone(), wanted).await
}

/// All of it as JSON, or a table of a part as CSV; none if there is no such table. That it is taken is written down first.
///
/// # Errors
/// When the database fails.
pub async fn send(
    export: Export,
    table: Option<(&str, &str)>,
    by: &Author,
    now: Timestamp,
) -> Result<Option<Response>, StoreError> {
    let (to, from) = pieces();
    let Some((part, table)) = table else {
        export.note(by, None, now).await?;
        let name = if export.is_configuration() { "picket-configuration.json" } else { "picket-export.json" };
        tokio::spawn(export.json(now, to));
        return Ok(Some(attachment("application/json", name, from)));
    };
    let Some(csv) = export.csv(part, table) else { return Ok(None) };
    csv.export().note(by, Some(table), now).await?;
    tokio::spawn(csv.send(to));
    let name = format!("picket-{part}-{table}.csv");
    Ok(Some(attachment(csv::TYPE, &name, from)))
}
