//! What the organization asks of its members: a second factor, or none.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::login::members::Acting;
use crate::login::organization::Asked;
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::text;
use crate::web::ui::frame::Frame;
use crate::web::ui::{error, filters, page_with, see};

#[derive(Template)]
#[template(path = "member/policy.html")]
struct Page {
    frame: Frame,
    wanted: bool,
    /// How many members lack one: they are led to set one up.
    lacking: usize,
    fault: Option<&'static str>,
}

/// `GET /members/policy`.
pub async fn get_policy(State(site): State<Site>, user: User) -> Response {
    show(&site, &user, StatusCode::OK, None).await
}

/// `POST /members/policy`.
pub async fn post_policy(State(site): State<Site>, user: User, form: Form) -> Response {
    let author = user.author();
    let acting = Acting { user: user.member.user, org: user.member.org, ticket: Some(&user.ticket), author: &author };
    match site.porter.want_second_factor(acting, form.ticked("second_factor"), site.clock.now()).await {
        Ok(Asked::Done) => see("/members?done=policy"),
        Ok(Asked::NoneOfOnesOwn) => {
            show(&site, &user, StatusCode::UNPROCESSABLE_ENTITY, Some(text("member.policy_own"))).await
        }
        Err(failed) => error::unavailable(&failed),
    }
}

async fn show(site: &Site, user: &User, status: StatusCode, fault: Option<&'static str>) -> Response {
    let read = async {
        let rows = site.porter.members(user.member.org).await?;
        let lacking = rows.iter().filter(|row| !row.second_factor && !row.service).count();
        Ok::<_, crate::store::StoreError>((site.porter.wants_second_factor(user.member.org).await?, lacking))
    };
    match read.await {
        Ok((wanted, lacking)) => {
            let frame = Frame::of(user, "/members", text("member.policy_title"));
            page_with(status, &Page { frame, wanted, lacking, fault })
        }
        Err(failed) => error::unavailable(&failed),
    }
}
