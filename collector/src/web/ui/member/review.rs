//! `/members/review`: who may do what here, and by what they come in, to be gone through now and then; and the same as a file.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::role_word;
use crate::domain::csv as text_csv;
use crate::store::read::review::ReviewRow;
use crate::web::Site;
use crate::web::csv;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::shape::{When, when};
use crate::web::ui::{error, filters, page};

#[derive(Template)]
#[template(path = "member/review.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
}

struct Item {
    id: Uuid,
    called: String,
    service: bool,
    role: &'static str,
    since: When,
    until: Option<String>,
    signed_in: Option<When>,
    second_factor: bool,
    passkeys: i64,
    keys: i64,
    key_used: Option<When>,
}

/// What the file is called.
pub const FILE: &str = "picket-access-review.csv";

/// `GET /members/review`.
pub async fn get_review(State(site): State<Site>, user: User) -> Response {
    let now = site.clock.now();
    match site.porter.review(user.member.org, &user.author(), "page", now).await {
        Ok(rows) => {
            let frame = Frame::of(&user, "/members", text("member.review_title"));
            page(&Page { frame, items: rows.into_iter().map(|row| item(row, now)).collect() })
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// `GET /members/review/export`.
pub async fn get_export(State(site): State<Site>, user: User) -> Response {
    match site.porter.review(user.member.org, &user.author(), "csv", site.clock.now()).await {
        Ok(rows) => csv::file(FILE, table(&rows)),
        Err(failed) => error::unavailable(&failed),
    }
}

fn item(row: ReviewRow, now: Timestamp) -> Item {
    let at = |micros: i64| when(Timestamp::from_micros(micros), now);
    Item {
        id: row.uuid,
        service: row.service.is_some(),
        called: row.email.or(row.service).unwrap_or_default(),
        role: row.role.parse().map(role_word).unwrap_or_default(),
        since: at(row.created_at),
        until: row.until_at.map(|until| format!("{:.0}", Timestamp::from_micros(until))),
        signed_in: row.signed_in_at.map(at),
        second_factor: row.second_factor,
        passkeys: row.passkeys,
        keys: row.keys,
        key_used: row.key_used_at.map(at),
    }
}

/// The columns of the file, which stay what they are: programs read them too.
const COLUMNS: [&str; 11] = [
    "id",
    "email",
    "service",
    "role",
    "since",
    "until",
    "signed_in_at",
    "second_factor",
    "passkeys",
    "keys",
    "key_last_used_at",
];

/// The review as a file.
pub fn table(rows: &[ReviewRow]) -> String {
    let time = |micros: i64| format!("{:.0}", Timestamp::from_micros(micros));
    let maybe = |micros: Option<i64>| micros.map(time).unwrap_or_default();
    text_csv::table(
        &COLUMNS,
        rows.iter().map(|row| {
            vec![
                row.uuid.to_string(),
                row.email.clone().unwrap_or_default(),
                row.service.clone().unwrap_or_default(),
                row.role.clone(),
                time(row.created_at),
                maybe(row.until_at),
                maybe(row.signed_in_at),
                row.second_factor.to_string(),
                row.passkeys.to_string(),
                row.keys.to_string(),
                maybe(row.key_used_at),
            ]
        }),
    )
}
