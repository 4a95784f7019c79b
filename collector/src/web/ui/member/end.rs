//! When a membership ends by itself: the last day that it lasts, or none. It asks for proof first.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::change::{acting, answer_or, find};
use super::role_word;
use crate::domain::members::Change;
use crate::domain::written;
use crate::store::members::MemberRow;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::day;
use crate::web::ui::{error, filters, page_with};

#[derive(Template)]
#[template(path = "member/end.html")]
struct Page {
    frame: Frame,
    called: String,
    role: &'static str,
    /// When it ends now.
    until: Option<String>,
    action: String,
    /// What stands in the field.
    last_day: String,
    fault: Option<String>,
}

/// `GET /members/{id}/end`.
pub async fn get_end(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    match find(&site, &user, id.parse().ok()).await {
        Some(Ok(row)) => show(&user, &row, last_day(row.until), StatusCode::OK, None),
        Some(Err(failed)) => error::unavailable(&failed),
        None => error::not_found(),
    }
}

/// `POST /members/{id}/end`.
pub async fn post_end(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let row = match find(&site, &user, id.parse().ok()).await {
        Some(Ok(row)) => row,
        Some(Err(failed)) => return error::unavailable(&failed),
        None => return error::not_found(),
    };
    let given = form.text("until");
    let again = |status, fault| show(&user, &row, given.to_owned(), status, Some(fault));
    // What was not touched stays to the second.
    let until = if given == last_day(row.until) { Ok(row.until) } else { written::last_day(given) };
    let Some(until) = until.ok() else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, text("member.bad_day").to_owned());
    };
    let author = user.author();
    let changes = [Change::Until(until)];
    let done = site.porter.change_member(acting(&user, &author), row.id, &changes, site.clock.now()).await;
    answer_or(&site, done, "/members?done=end_changed", again)
}

/// The last day of a membership that ends then.
fn last_day(until: Option<Timestamp>) -> String {
    until.map(|until| day(until - Duration::from_micros(1))).unwrap_or_default()
}

fn show(user: &User, row: &MemberRow, last_day: String, status: StatusCode, fault: Option<String>) -> Response {
    let page = Page {
        frame: Frame::of(user, "/members", text("member.end_title")),
        called: row.called.clone(),
        role: role_word(row.role),
        until: row.until.map(|until| format!("{until:.0}")),
        action: format!("/members/{}/end", row.id),
        last_day,
        fault,
    };
    page_with(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_shows_the_last_day_and_not_the_first_after_it() {
        assert_eq!(last_day(written::last_day("2026-12-31").unwrap()), "2026-12-31");
        assert_eq!(last_day(Some("2026-12-31T17:00:00Z".parse().unwrap())), "2026-12-31");
        assert_eq!(last_day(None), "");
    }
}
