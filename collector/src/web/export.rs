//! Everything that is stored about who asks, as a file: what the page and the API both give.

use axum::response::Response;
use picket_shared::time::Timestamp;

use super::file::{attachment, pieces};
use super::{Site, csv};
use crate::domain::access::{Right, Role};
use crate::login::session::Member;
use crate::privacy::export::{Export, Wanted};
use crate::store::audit::Author;
use crate::store::exports::ExportRow;
use crate::store::{OrgKey, StoreError, UserKey};

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
    let org = owned(member, may);
    let email = has_address.then(|| member.email.clone());
    let wanted = Wanted { user: member.user, id: member.id, email, org, configuration, only: None };
    Export::of(site.pools.clone(), wanted).await
}

/// The organization of a member, if it is the member's and who asks may see all of it.
pub fn owned(member: &Member, may: impl Fn(Right) -> bool) -> Option<OrgKey> {
    let sees_all = Right::ALL.iter().filter(|right| right.as_str().ends_with(":read")).all(|right| may(*right));
    Some(member.org).filter(|_| member.role == Role::Owner && sees_all)
}

/// An export that was asked for before, if who asks may have it.
///
/// # Errors
/// When the database fails.
pub async fn find(
    site: &Site,
    user: UserKey,
    owned: Option<OrgKey>,
    id: &str,
) -> Result<Option<ExportRow>, StoreError> {
    let Ok(id) = id.parse() else { return Ok(None) };
    site.exports.find(user, owned, id).await
}

/// The file of one that is ready.
///
/// # Errors
/// When the database fails.
pub async fn file(site: &Site, row: &ExportRow, by: &Author) -> Result<Response, StoreError> {
    let from = site.exports.file(row, by, site.clock.now()).await?;
    let (kind, ending) = if row.format == "csv" { ("application/zip", "zip") } else { ("application/json", "json") };
    Ok(attachment(kind, &format!("picket-export-{}.{ending}", row.part), from))
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
