//! `/keys`: the API keys of who is signed in (of everybody for those who manage members), another one, shown once, and the
//! end of one. Making and ending asks for proof first, so each has a page of its own to come back to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use ipnet::IpNet;
use picket_shared::time::Timestamp;

use super::frame::Frame;
use super::shape::{When, day, when};
use super::{error, filters, page_with, see};
use crate::domain::access::Right;
use crate::login::api_key::{MOST_KEYS, MOST_NETWORKS, Made, Reach, Unmade, Wish};
use crate::store::api_keys::{self as store, KeyRow};
use crate::store::{StoreError, UserKey, users};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{self, filled, text};

#[derive(Template)]
#[template(path = "key/list.html")]
struct Page {
    frame: Frame,
    items: Vec<Item>,
    /// Whether keys of others are among them.
    all: bool,
}

#[derive(Template)]
#[template(path = "key/form.html")]
struct MakePage {
    frame: Frame,
    lead: String,
    /// Where the form goes, and where one goes instead.
    action: String,
    back: &'static str,
    called: String,
    scopes: Vec<Scope>,
    lives: Vec<Life>,
    networks: String,
    faults: Vec<(&'static str, String)>,
}

impl MakePage {
    fn fault(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|(found, _)| *found == field).map(|(_, message)| message.as_str())
    }
}

struct Item {
    id: String,
    name: String,
    begins: String,
    scopes: String,
    networks: String,
    ends: Option<String>,
    over: bool,
    used: Option<When>,
    of: String,
}

struct Scope {
    name: &'static str,
    words: &'static str,
    chosen: bool,
}

struct Life {
    value: &'static str,
    words: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "key/revoke.html")]
struct RevokePage {
    frame: Frame,
    item: Item,
}

#[derive(Template)]
#[template(path = "key/secret.html")]
struct SecretPage<'a> {
    frame: Frame,
    key: &'a str,
}

/// After so many days a key ends; nothing is never.
const LIVES: [&str; 5] = ["30", "90", "365", "730", ""];
const USUAL_LIFE: &str = "90";

/// `GET /keys`.
pub async fn get_keys(State(site): State<Site>, user: User, Query(query): Query<HashMap<String, String>>) -> Response {
    match items(&site, &user).await {
        Ok(items) => {
            let frame = Frame::of(&user, "/keys", text("key.title")).noting(&query);
            page_with(StatusCode::OK, &Page { frame, items, all: whose(&user).is_none() })
        }
        Err(failed) => error::unavailable(&failed),
    }
}

/// Whose key a form makes.
pub(super) struct Making<'a> {
    pub(super) frame: Frame,
    pub(super) lead: String,
    pub(super) action: String,
    pub(super) back: &'static str,
    /// Whether it may have a right.
    pub(super) may: &'a dyn Fn(Right) -> bool,
}

/// `GET /keys/new`.
pub async fn get_new(user: User) -> Response {
    show_own(&user, &Form::default(), Vec::new())
}

/// `POST /keys/new`: the answer shows the key, this once.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    let wish = match read(&form) {
        Ok(wish) => wish,
        Err(faults) => return show_own(&user, &form, faults),
    };
    let scoped = match user.scoped(&site).await {
        Ok(scoped) => scoped,
        Err(failed) => return error::unavailable(&failed),
    };
    let reach = Reach::of(|right| user.member.may(right));
    match site.porter.make_key(scoped, &user.member, (&wish, &reach), site.clock.now()).await {
        Ok(Ok(made)) => secret(&user, &made),
        Ok(Err(unmade)) => show_own(&user, &form, vec![fault(unmade)]),
        Err(failed) => error::unavailable(&failed),
    }
}

/// `GET /keys/{id}/revoke`: asks whether this is the one.
pub async fn get_revoke(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    match items(&site, &user).await {
        Ok(items) => match items.into_iter().find(|item| item.id == id) {
            Some(item) => {
                let frame = Frame::of(&user, "/keys", text("key.revoke_title"));
                page_with(StatusCode::OK, &RevokePage { frame, item })
            }
            None => error::not_found(),
        },
        Err(failed) => error::unavailable(&failed),
    }
}

/// `POST /keys/{id}/revoke`.
pub async fn post_revoke(State(site): State<Site>, user: User, Path(id): Path<String>, _: Form) -> Response {
    let revoked = async {
        let mut scoped = user.scoped(&site).await?;
        let revoked = store::revoke(&mut scoped, &id, whose(&user), site.clock.now()).await?;
        scoped.commit().await?;
        Ok::<_, StoreError>(revoked)
    };
    match revoked.await {
        Ok(true) => see("/keys?done=key_revoked"),
        Ok(false) => error::not_found(),
        Err(failed) => error::unavailable(&failed),
    }
}

/// Whose keys somebody sees and ends: the own ones, or all.
fn whose(user: &User) -> Option<UserKey> {
    if user.member.may(Right::MembersWrite) { None } else { Some(user.member.user) }
}

/// How the key of this id begins: all that is shown of it later.
pub(super) fn begins(id: &str) -> String {
    format!("pkt_live_{id}_…")
}

/// The key, this once.
pub(super) fn secret(user: &User, made: &Made) -> Response {
    let frame = Frame::of(user, "/keys", text("key.secret_title"));
    page_with(StatusCode::OK, &SecretPage { frame, key: made.key.expose() })
}

/// What a form wants, or what is wrong with it, field by field.
pub(super) fn read(form: &Form) -> Result<Wish, Vec<(&'static str, String)>> {
    let mut faults = Vec::new();
    let mut networks: Vec<IpNet> = Vec::new();
    for written in form.text("networks").split([',', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
        match network(written) {
            Some(network) => networks.push(network),
            None => faults.push(("networks", filled("key.bad_network", written))),
        }
    }
    let days = form.text("days");
    let life = match days.parse::<u64>() {
        _ if days.is_empty() => None,
        Ok(days) => Some(Duration::from_secs(days.saturating_mul(86_400))),
        Err(_) => {
            faults.push(fault(Unmade::Life));
            None
        }
    };
    let scopes = form.all("scope").into_iter().filter_map(|scope| scope.parse().ok()).collect();
    if faults.is_empty() {
        Ok(Wish { name: form.text("name").to_owned(), scopes, life, networks })
    } else {
        Err(faults)
    }
}

/// A network, or an address as the network of itself.
fn network(written: &str) -> Option<IpNet> {
    let network: Option<IpNet> = written.parse().ok();
    let alone = || written.parse::<IpAddr>().ok().map(IpNet::from);
    network.or_else(alone).map(|network| network.trunc())
}

/// Why a key cannot be, at the field that is to blame.
pub(super) fn fault(unmade: Unmade) -> (&'static str, String) {
    match unmade {
        Unmade::Name => ("name", text("form.bad_name").to_owned()),
        Unmade::NoScope => ("scope", text("key.no_scope").to_owned()),
        Unmade::BeyondRole(right) => ("scope", filled("key.beyond_role", right)),
        Unmade::BeyondNetworks(network) => ("networks", filled("key.beyond_networks", network)),
        Unmade::BeyondEnd(end) => ("days", filled("key.beyond_end", format!("{end:.0}"))),
        Unmade::Networks => ("networks", filled("key.many_networks", MOST_NETWORKS)),
        Unmade::Life => ("days", text("key.bad_life").to_owned()),
        Unmade::TooMany => ("name", filled("key.too_many", MOST_KEYS)),
    }
}

fn show_own(user: &User, form: &Form, faults: Vec<(&'static str, String)>) -> Response {
    let making = Making {
        frame: Frame::of(user, "/keys", text("key.make")),
        lead: text("key.make_lead").to_owned(),
        action: "/keys/new".to_owned(),
        back: "/keys",
        may: &|right| user.member.may(right),
    };
    show(making, form, faults)
}

/// The form, with what is wrong with it.
pub(super) fn show(making: Making<'_>, form: &Form, faults: Vec<(&'static str, String)>) -> Response {
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let is_fresh = form.text("name").is_empty() && faults.is_empty();
    let chosen = form.all("scope");
    let scope = |right: &Right| Scope {
        name: right.as_str(),
        words: texts::right(*right),
        chosen: chosen.contains(&right.as_str()),
    };
    let days = if is_fresh { USUAL_LIFE } else { form.text("days") };
    let life = |value: &&'static str| Life {
        value,
        words: if value.is_empty() { text("key.never").to_owned() } else { filled("key.days", value) },
        chosen: *value == days,
    };
    let page = MakePage {
        frame: making.frame,
        lead: making.lead,
        action: making.action,
        back: making.back,
        called: form.text("name").to_owned(),
        scopes: Right::ALL.iter().filter(|right| (making.may)(**right)).map(scope).collect(),
        lives: LIVES.iter().map(life).collect(),
        networks: form.text("networks").to_owned(),
        faults,
    };
    page_with(status, &page)
}

async fn items(site: &Site, user: &User) -> Result<Vec<Item>, StoreError> {
    let now = site.clock.now();
    let rows = store::list(&mut user.scoped(site).await?, whose(user)).await?;
    let keys: Vec<UserKey> = rows.iter().map(|row| row.user).collect();
    let emails = users::called(&mut site.pools.auth().await?, &keys).await?;
    Ok(rows.into_iter().map(|row| item(row, &emails, now)).collect())
}

fn item(row: KeyRow, emails: &HashMap<UserKey, String>, now: Timestamp) -> Item {
    Item {
        begins: begins(&row.public_id),
        id: row.public_id,
        name: row.name,
        scopes: row.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", "),
        networks: row.networks.join(", "),
        ends: row.expires_at.map(day),
        over: row.expires_at.is_some_and(|at| at <= now),
        used: row.last_used_at.map(|at| when(at, now)),
        of: emails.get(&row.user).cloned().unwrap_or_default(),
    }
}
