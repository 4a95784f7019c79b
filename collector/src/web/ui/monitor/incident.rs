//! `GET /incidents/{id}`: where the links of messages lead.

use axum::extract::{Path, State};
use axum::response::Response;
use picket_shared::ids::IncidentId;

use super::shown;
use crate::store::StoreError;
use crate::store::read::monitor::of_incident;
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::ui::see;

/// Leads to the incident on its monitor's page.
pub async fn get_incident(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    shown(find(&site, &user, &id).await)
}

async fn find(site: &Site, user: &User, id: &str) -> Result<Option<Response>, StoreError> {
    let Ok(incident) = id.parse::<IncidentId>() else { return Ok(None) };
    let mut scoped = user.scoped(site).await?;
    let monitor = of_incident(&mut scoped, incident).await?;
    Ok(monitor.map(|monitor| see(&format!("/monitors/{monitor}#incident-{incident}"))))
}
