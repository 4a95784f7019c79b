//! What the buttons of a window do; each leads back to a page that says so.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::MaintenanceId;

use super::shown;
use crate::store::StoreError;
use crate::store::maintenances::deeds;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::ui::{error, see};

/// `POST /maintenance/{id}/end`.
pub async fn post_end(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    shown(does(&site, &user, &id, Deed::End).await)
}

/// `POST /maintenance/{id}/skip`.
pub async fn post_skip(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    shown(does(&site, &user, &id, Deed::Skip).await)
}

/// `POST /maintenance/{id}/delete`.
pub async fn post_delete(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    shown(does(&site, &user, &id, Deed::Delete).await)
}

#[derive(Clone, Copy)]
enum Deed {
    End,
    Skip,
    Delete,
}

async fn does(site: &Site, user: &User, id: &str, deed: Deed) -> Result<Option<Response>, StoreError> {
    let now = site.clock.now();
    let Ok(id) = id.parse::<MaintenanceId>() else { return Ok(None) };
    let mut scoped = user.scoped(site).await?;
    let Some(kept) = deeds::hold(&mut scoped, id).await? else { return Ok(None) };
    // What is over already is shown as over: two people may press at once.
    let to = match deed {
        Deed::End => {
            deeds::end_now(&mut scoped, &kept, now).await?;
            format!("/maintenance/{id}?done=maintenance_ended")
        }
        Deed::Skip => match deeds::skip_next(&mut scoped, &kept, now).await? {
            Some(_) => format!("/maintenance/{id}?done=maintenance_skipped"),
            None => return Ok(Some(error::page(StatusCode::CONFLICT, "error.nothing_to_skip"))),
        },
        Deed::Delete => {
            deeds::delete(&mut scoped, &kept, now).await?;
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("done", "maintenance_deleted").append_pair("name", &kept.settings.title);
            format!("/maintenance?{}", query.append_pair("undo", &id.to_string()).finish())
        }
    };
    scoped.commit().await?;
    Ok(Some(see(&to)))
}

/// `POST /maintenance/{id}/restore`: undoes a deletion.
pub async fn post_restore(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let Ok(id) = id.parse::<MaintenanceId>() else { return error::not_found() };
    let restored = async {
        let mut scoped = user.scoped(&site).await?;
        let restored = deeds::restore(&mut scoped, id, site.clock.now()).await?;
        scoped.commit().await?;
        Ok::<_, StoreError>(restored)
    };
    match restored.await {
        Ok(true) => see(&format!("/maintenance/{id}?done=maintenance_restored")),
        Ok(false) => error::page(StatusCode::GONE, "error.too_late"),
        Err(failed) => error::unavailable(&failed),
    }
}
