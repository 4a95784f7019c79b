//! The removal of a member: first what hangs on it, then who takes over. It asks for proof first.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;
use uuid::Uuid;

use super::change::{acting, out, refusal};
use super::role_word;
use crate::login::LoginError;
use crate::login::holdings::{Holdings, Removed, Successor};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::key::begins;
use crate::web::ui::shape::{When, when};
use crate::web::ui::{error, filters, page_with};

#[derive(Template)]
#[template(path = "member/remove.html")]
struct Page {
    frame: Frame,
    lead: String,
    id: Uuid,
    called: String,
    role: &'static str,
    keys: Vec<Key>,
    invitations: Vec<String>,
    channels: Vec<Channel>,
    sole_owner: bool,
    /// Whether one has to be named.
    needed: bool,
    /// Who may take over: value, words, and whether it is chosen.
    successors: Vec<(String, String, bool)>,
    fault: Option<String>,
}

struct Key {
    begins: String,
    name: String,
    used: Option<When>,
}

struct Channel {
    id: Uuid,
    name: String,
    hint: String,
}

/// `GET /members/{id}/remove`.
pub async fn get_remove(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    ask(&site, &user, id.parse().ok(), "", StatusCode::OK, None).await
}

/// `POST /members/{id}/remove`.
pub async fn post_remove(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let Ok(id) = id.parse::<Uuid>() else { return error::not_found() };
    let given = form.text("successor");
    let again = async |status, fault| ask(&site, &user, Some(id), given, status, Some(fault)).await;
    let successor = match given {
        "" => None,
        given => match given.parse::<Successor>() {
            Ok(successor) => Some(successor),
            Err(_) => return again(StatusCode::UNPROCESSABLE_ENTITY, text("member.no_successor").to_owned()).await,
        },
    };
    let author = user.author();
    match site.porter.remove_member(acting(&user, &author), id, successor, site.clock.now()).await {
        Ok(Removed::Done(ticket)) => out(&site, id == user.member.id, ticket.as_ref()),
        Ok(Removed::Gone) => error::not_found(),
        Ok(Removed::Refused(refused)) => {
            let (status, fault) = refusal(refused);
            again(status, fault).await
        }
        Ok(Removed::Needed(_)) => again(StatusCode::CONFLICT, text("member.successor_needed").to_owned()).await,
        Ok(Removed::NoSuccessor) => {
            again(StatusCode::UNPROCESSABLE_ENTITY, text("member.no_successor").to_owned()).await
        }
        Err(failed) => error::unavailable(&failed),
    }
}

async fn ask(
    site: &Site,
    user: &User,
    id: Option<Uuid>,
    chosen: &str,
    status: StatusCode,
    fault: Option<String>,
) -> Response {
    let Some(id) = id else { return error::not_found() };
    let now = site.clock.now();
    let read = async {
        let Some(held) = site.porter.holdings(user.member.org, id, now).await? else { return Ok(None) };
        let others = site.porter.members(user.member.org).await?;
        Ok::<_, LoginError>(Some((held, others)))
    };
    let (held, others) = match read.await {
        Ok(Some(read)) => read,
        Ok(None) => return error::not_found(),
        Err(failed) => return error::unavailable(&failed),
    };
    let offered = others.into_iter().filter(|row| row.id != id && row.until.is_none_or(|until| until > now));
    let words = |called: String, service: bool| if service { filled("member.to_service", called) } else { called };
    let offered = offered.map(|row| (row.id.to_string(), words(row.called, row.service)));
    let nobody = (!held.sole_owner).then(|| ("none".to_owned(), text("member.to_nobody").to_owned()));
    let successors = nobody.into_iter().chain(offered).map(|(value, words)| (value == chosen, value, words));
    let successors = successors.map(|(chosen, value, words)| (value, words, chosen)).collect();
    page_with(status, &page(user, held, successors, fault, now))
}

fn page(
    user: &User,
    held: Holdings,
    successors: Vec<(String, String, bool)>,
    fault: Option<String>,
    now: Timestamp,
) -> Page {
    let key = |key: crate::store::holdings::HeldKey| Key {
        begins: begins(&key.public_id),
        name: key.name,
        used: key.last_used_at.map(|at| when(Timestamp::from_micros(at), now)),
    };
    Page {
        frame: Frame::of(user, "/members", text("member.remove_title")),
        lead: filled("member.remove_lead", &held.member.called),
        id: held.member.id,
        role: role_word(held.member.role),
        needed: held.needs_successor(),
        sole_owner: held.sole_owner,
        called: held.member.called,
        keys: held.keys.into_iter().map(key).collect(),
        invitations: held.invitations.into_iter().map(|one| one.email).collect(),
        channels: held
            .channels
            .into_iter()
            .map(|one| Channel { id: one.uuid, name: one.name, hint: one.hint })
            .collect(),
        successors,
        fault,
    }
}
