//! Schedules of who is on call: the list, one with its next fortnight, the form, who stands in, the calendar.

mod days;
mod deeds;
pub mod form;
pub mod list;
pub mod show;

use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::ScheduleId;
use picket_shared::time::Timestamp;

use super::{error, see};
use crate::domain::access::Right;
use crate::domain::telling::schedule::{AHEAD, Shift};
use crate::domain::zone::Zone;
use crate::store::schedules::{self, Rota, ScheduleRow};
use crate::store::{Scoped, StoreError, UserKey};
use crate::web::Site;
use crate::web::extract::user::User;
use crate::web::telling::People;
use crate::web::texts::{filled, text};

pub use deeds::{get_calendar, post_override, post_remove, post_take_back};

/// A handler's answer, or what to show instead.
pub(in crate::web::ui) fn shown(result: Result<Option<Response>, StoreError>) -> Response {
    match result {
        Ok(Some(response)) => response,
        Ok(None) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// Somebody else was faster.
pub(in crate::web::ui) fn meanwhile() -> Response {
    error::page(StatusCode::CONFLICT, "error.changed_meanwhile")
}

/// What becomes of what was stored: `stored` says where to look, or nothing where somebody else was faster. `taken` shows the form again
/// when the constraint of that name says that the name is taken.
pub(in crate::web::ui) async fn settled(
    scoped: Scoped,
    stored: Result<Option<String>, StoreError>,
    constraint: &str,
    taken: impl FnOnce() -> Response,
) -> Result<Response, StoreError> {
    match stored {
        Ok(Some(to)) => {
            scoped.commit().await?;
            Ok(see(&to))
        }
        Ok(None) => Ok(meanwhile()),
        Err(failed) if failed.constraint() == Some(constraint) => Ok(taken()),
        Err(failed) => Err(failed),
    }
}

/// The members of the user's organization.
pub(in crate::web::ui) async fn people(site: &Site, user: &User) -> Result<People, StoreError> {
    People::of(site, user.member.org, user.member.may(Right::MembersRead)).await
}

/// What a member is called, or that it is one.
pub(in crate::web::ui) fn called(people: &People, user: UserKey) -> String {
    people.called(user).unwrap_or(text("schedule.a_member")).to_owned()
}

/// The schedule of an address, with the overrides that end after `since`; anything else is not found, whosever it is.
async fn find(scoped: &mut Scoped, id: &str, since: Timestamp) -> Result<Option<ScheduleRow>, StoreError> {
    match id.parse::<ScheduleId>() {
        Ok(id) => schedules::get(scoped, id, since).await,
        Err(_) => Ok(None),
    }
}

/// Who is on call, for how long.
fn until(zone: &Zone, shift: &Shift<UserKey>, people: &People) -> String {
    let to = zone.text(shift.to);
    match shift.user {
        Some(user) => format!("{} {}", called(people, user), filled("schedule.until", to)),
        None => format!("{} {}", text("schedule.nobody"), filled("schedule.until", to)),
    }
}

/// A warning where nobody is on call at some time of the next fortnight.
pub(in crate::web::ui) fn warning(rota: &Rota, now: Timestamp) -> Option<String> {
    let empty = rota.empty(now, now + AHEAD);
    let (from, to) = *empty.first()?;
    if from == now && to == now + AHEAD {
        return Some(text("schedule.empty_always").to_owned());
    }
    let says = filled("schedule.empty", rota.zone.text(from.max(now))).replacen("{}", &rota.zone.text(to), 1);
    Some(match empty.len() - 1 {
        0 => says,
        more => format!("{says} {}", filled("schedule.empty_more", more)),
    })
}
