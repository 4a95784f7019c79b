//! What the buttons of a monitor do; each leads back to a page that says so.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::MonitorId;

use super::{find, shown};
use crate::store::{StoreError, monitors};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::ui::{error, see};

/// `POST /monitors/{id}/pause`.
pub async fn post_pause(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    shown(switch(&site, &user, &id, Switch::Pause).await)
}

/// `POST /monitors/{id}/resume`.
pub async fn post_resume(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    shown(switch(&site, &user, &id, Switch::Resume).await)
}

/// `POST /monitors/{id}/delete`.
pub async fn post_delete(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    shown(switch(&site, &user, &id, Switch::Delete).await)
}

#[derive(Clone, Copy)]
enum Switch {
    Pause,
    Resume,
    Delete,
}

async fn switch(site: &Site, user: &User, id: &str, switch: Switch) -> Result<Option<Response>, StoreError> {
    let now = site.clock.now();
    let mut scoped = user.scoped(site).await?;
    let Some(row) = find(&mut scoped, id).await? else { return Ok(None) };
    let to = match switch {
        Switch::Pause => {
            monitors::pause(&mut scoped, row.key, now).await?;
            format!("/monitors/{}?done=paused", row.id)
        }
        Switch::Resume => {
            monitors::resume(&mut scoped, row.key, now).await?;
            format!("/monitors/{}?done=resumed", row.id)
        }
        Switch::Delete => {
            monitors::delete(&mut scoped, row.key, now).await?;
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("done", "deleted").append_pair("name", &row.settings.name);
            format!("/?{}", query.append_pair("undo", &row.id.to_string()).finish())
        }
    };
    scoped.commit().await?;
    Ok(Some(see(&to)))
}

/// `POST /monitors/{id}/restore`: undoes a deletion.
pub async fn post_restore(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let Ok(id) = id.parse::<MonitorId>() else { return error::not_found() };
    let restored = async {
        let mut scoped = user.scoped(&site).await?;
        let restored = monitors::restore(&mut scoped, id, site.clock.now()).await?;
        scoped.commit().await?;
        Ok::<_, StoreError>(restored)
    };
    match restored.await {
        Ok(true) => see(&format!("/monitors/{id}?done=restored")),
        Ok(false) => error::page(StatusCode::GONE, "error.too_late"),
        Err(failed) if failed.constraint() == Some("monitors_org_name") => {
            error::page(StatusCode::CONFLICT, "error.name_taken")
        }
        Err(failed) => error::unavailable(&failed),
    }
}
