//! What the form about failures from some regions does.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;

use super::{find, shown};
use crate::domain::outage::RegionalAlert;
use crate::store::monitors;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::ui::see;

/// For how many hours a mute may be chosen.
pub(super) const MUTES: [u64; 4] = [1, 8, 24, 168];

/// `POST /monitors/{id}/regional-alert`.
pub async fn post_regional_alert(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let sets = async {
        let now = site.clock.now();
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let muted_until = match form.text("mute") {
            "" => row.regional.muted_until.filter(|until| *until > now),
            hours => {
                let hours = hours.parse().ok().filter(|hours| MUTES.contains(hours));
                hours.map(|hours| now + Duration::from_secs(hours * 3600))
            }
        };
        let wanted = RegionalAlert { told: form.ticked("told"), muted_until };
        monitors::set_regional_alert(&mut scoped, &row, wanted, now).await?;
        scoped.commit().await?;
        Ok(Some(see(&format!("/monitors/{}?done=regional_alert", row.id))))
    };
    shown(sets.await)
}
