//! `/policies/new` and `/policies/{id}/edit`: the form. Levels are numbered (`l0.wait`, `l0.target`); a button that adds or takes away
//! sends the form as it is, and it is drawn anew.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::PolicyId;
use serde_json::{Value, json};

use super::{find, people, shown};
use crate::domain::telling::policy::MOST_LEVELS;
use crate::domain::written;
use crate::store::StoreError;
use crate::store::policies::{self, PolicyRow};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::telling::policy::{self, Known};
use crate::web::telling::{MOST, Wrong};
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::schedule::{meanwhile, settled};
use crate::web::ui::{filters, hours, page_with};

#[derive(Template)]
#[template(path = "policy/form.html")]
struct Page {
    frame: Frame,
    action: String,
    back: String,
    typed: Typed,
    /// Heading, and value and word of each that a level may tell.
    groups: Vec<(&'static str, Vec<(String, String)>)>,
    wrong: Vec<String>,
}

/// What stands in the fields.
struct Typed {
    name: String,
    version: String,
    is_default: bool,
    tags: String,
    levels: Vec<TypedLevel>,
    repeats: String,
    repeat_after: String,
    reminder: String,
    tells_recovery: bool,
    sms_per_day: String,
}

#[derive(Default)]
struct TypedLevel {
    wait: String,
    /// As `channels:` and the id.
    targets: Vec<String>,
}

impl TypedLevel {
    fn has(&self, value: &str) -> bool {
        self.targets.iter().any(|target| target == value)
    }

    fn body(&self) -> Value {
        let of = |kind: &str| -> Vec<&str> {
            self.targets.iter().filter_map(|target| target.strip_prefix(kind)?.strip_prefix(':')).collect()
        };
        json!({
            "wait_s": seconds(&self.wait, 0), "channels": of("channels"), "members": of("members"), "schedules": of("schedules"),
        })
    }
}

/// A duration as typed, in seconds; `empty` where nothing is, and too much where it is none, which is told then.
fn seconds(typed: &str, empty: u32) -> u32 {
    if typed.is_empty() {
        return empty;
    }
    written::duration(typed).ok().and_then(|read| u32::try_from(read.as_secs()).ok()).unwrap_or(u32::MAX)
}

/// A duration as it would be typed.
fn typed_of(duration: Duration) -> String {
    match duration.as_secs() {
        0 => "0m".to_owned(),
        s if s.is_multiple_of(3600) => format!("{}h", s / 3600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

impl Typed {
    fn new() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            is_default: false,
            tags: String::new(),
            levels: vec![TypedLevel { wait: "0m".to_owned(), ..TypedLevel::default() }],
            repeats: "0".to_owned(),
            repeat_after: "30m".to_owned(),
            reminder: String::new(),
            tells_recovery: true,
            sms_per_day: String::new(),
        }
    }

    fn of(row: &PolicyRow, known: &Known) -> Self {
        let is = &row.is;
        let levels = is.policy.waits.iter().zip(&is.targets).map(|(wait, targets)| TypedLevel {
            wait: typed_of(*wait),
            targets: targets
                .iter()
                .filter_map(|target| known.named(*target))
                .map(|(kind, id)| format!("{kind}:{id}"))
                .collect(),
        });
        Self {
            name: is.name.clone(),
            version: row.version.to_string(),
            is_default: is.is_default,
            tags: is.tags.join(", "),
            levels: levels.collect(),
            repeats: is.policy.repeats.to_string(),
            repeat_after: typed_of(is.policy.repeat_after),
            reminder: is.policy.reminder.map(typed_of).unwrap_or_default(),
            tells_recovery: is.tells_recovery,
            sms_per_day: is.sms_per_day.map(|most| most.to_string()).unwrap_or_default(),
        }
    }

    fn from(form: &Form) -> Self {
        let of = |name: &str| form.text(name).to_owned();
        let count = form.text("levels").parse().unwrap_or(0_usize).min(MOST_LEVELS);
        let level = |at: usize| TypedLevel {
            wait: of(&format!("l{at}.wait")),
            targets: form.all(&format!("l{at}.target")).into_iter().map(str::to_owned).collect(),
        };
        Self {
            name: of("name"),
            version: of("version"),
            is_default: form.ticked("default"),
            tags: of("tags"),
            levels: (0..count).map(level).collect(),
            repeats: of("repeats"),
            repeat_after: of("repeat_after"),
            reminder: of("reminder"),
            tells_recovery: form.ticked("tells_recovery"),
            sms_per_day: of("sms_per_day"),
        }
    }

    /// With what a button adds or takes away.
    fn redrawn(mut self, button: &str) -> Self {
        if button == "level" && self.levels.len() < MOST_LEVELS {
            self.levels.push(TypedLevel { wait: "15m".to_owned(), ..TypedLevel::default() });
        }
        let numbered = button.strip_prefix('l').and_then(|rest| rest.strip_suffix(".remove"));
        if let Some(at) = numbered.and_then(|at| at.parse::<usize>().ok()).filter(|at| *at < self.levels.len()) {
            self.levels.remove(at);
        }
        self
    }

    fn body(&self) -> Value {
        let tags: Vec<_> = self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let or_none = |typed: &str, read: u32| (!typed.is_empty()).then_some(read);
        json!({
            "name": self.name, "version": self.version.parse::<i32>().ok(), "default": self.is_default, "tags": tags,
            "levels": self.levels.iter().map(TypedLevel::body).collect::<Vec<_>>(),
            "repeats": if self.repeats.is_empty() { 0 } else { self.repeats.parse::<u8>().unwrap_or(u8::MAX) },
            "repeat_after_s": or_none(&self.repeat_after, seconds(&self.repeat_after, 0)),
            "reminder_s": or_none(&self.reminder, seconds(&self.reminder, 0)),
            "tells_recovery": self.tells_recovery,
            "sms_per_day": or_none(&self.sms_per_day, self.sms_per_day.parse().unwrap_or(u32::MAX)),
        })
    }
}

/// `GET /policies/new`.
pub async fn get_new(State(site): State<Site>, user: User) -> Response {
    let shows = async {
        let people = people(&site, &user).await?;
        let known = Known::of(&mut user.scoped(&site).await?, people, site.clock.now()).await?;
        Ok(Some(show(&user, None, &known, Typed::new(), Vec::new())))
    };
    shown(shows.await)
}

/// `GET /policies/{id}/edit`.
pub async fn get_edit(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let shows = async {
        let people = people(&site, &user).await?;
        let mut scoped = user.scoped(&site).await?;
        let Some(row) = find(&mut scoped, &id).await? else { return Ok(None) };
        let known = Known::of(&mut scoped, people, site.clock.now()).await?;
        Ok(Some(show(&user, Some(row.id), &known, Typed::of(&row, &known), Vec::new())))
    };
    shown(shows.await)
}

/// `POST /policies/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    shown(store(&site, &user, None, &form).await)
}

/// `POST /policies/{id}/edit`.
pub async fn post_edit(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    shown(store(&site, &user, Some(&id), &form).await)
}

async fn store(site: &Site, user: &User, id: Option<&str>, form: &Form) -> Result<Option<Response>, StoreError> {
    let now = site.clock.now();
    let people = people(site, user).await?;
    let mut scoped = user.scoped(site).await?;
    let row = match id {
        Some(id) => match find(&mut scoped, id).await? {
            Some(row) => Some(row),
            None => return Ok(None),
        },
        None => None,
    };
    let known = Known::of(&mut scoped, people, now).await?;
    let typed = Typed::from(form);
    let own = row.as_ref().map(|row| row.id);
    if form.ticked("redraw") {
        return Ok(Some(show(user, own, &known, typed.redrawn(form.text("redraw")), Vec::new())));
    }
    let (new, version) = match policy::read(&typed.body(), &known) {
        Ok(read) => read,
        Err(wrong) => return Ok(Some(show(user, own, &known, typed, said(wrong)))),
    };
    let stored = match &row {
        Some(row) if version.is_some_and(|version| version != row.version) => return Ok(Some(meanwhile())),
        Some(row) => policies::update(&mut scoped, row, &new, now)
            .await
            .map(|done| done.then(|| format!("/policies/{}?done=policy_changed", row.id))),
        None if policies::count(&mut scoped).await? >= MOST => {
            return Ok(Some(show(user, None, &known, typed, vec![filled("policy.too_many", MOST)])));
        }
        None => {
            let id = PolicyId::at(now);
            let made = policies::insert(&mut scoped, id, &new, now).await;
            made.map(|_| Some(format!("/policies/{id}?done=policy_added")))
        }
    };
    let taken = || show(user, own, &known, typed, vec![filled("policy.name_taken", &new.name)]);
    settled(scoped, stored, "policies_org_name", taken).await.map(Some)
}

/// What is wrong, with the name of the field on the page.
fn said(wrong: Vec<Wrong>) -> Vec<String> {
    let place = |field: &str| match field {
        "name" => text("policy.call").to_owned(),
        "repeats" => text("policy.repeats").to_owned(),
        "repeat_after_s" => text("policy.repeat_after").to_owned(),
        "reminder_s" => text("policy.reminder").to_owned(),
        "sms_per_day" => text("policy.sms").to_owned(),
        field if field.starts_with("tags") => text("policy.tags").to_owned(),
        field => hours::numbered(field, "levels[", text("policy.level")),
    };
    wrong.into_iter().map(|(field, message)| format!("{}: {message}", place(&field))).collect()
}

fn show(user: &User, id: Option<PolicyId>, known: &Known, typed: Typed, wrong: Vec<String>) -> Response {
    let title = text(if id.is_some() { "policy.edit_title" } else { "policy.new_title" });
    let channels = known.channels.iter().map(|row| (format!("channels:{}", row.id), row.name.clone()));
    let schedules = known.schedules.iter().map(|row| (format!("schedules:{}", row.id), row.name.clone()));
    let members = known
        .people
        .all()
        .map(|(id, name)| (format!("members:{id}"), name.unwrap_or(text("schedule.a_member")).to_owned()));
    let groups: Vec<(&'static str, Vec<(String, String)>)> = vec![
        (text("policy.schedules"), schedules.collect()),
        (text("policy.members"), members.collect()),
        (text("policy.channels"), channels.collect()),
    ];
    let page = Page {
        frame: Frame::of(user, "/policies", title),
        action: id.map_or_else(|| "/policies/new".to_owned(), |id| format!("/policies/{id}/edit")),
        back: id.map_or_else(|| "/policies".to_owned(), |id| format!("/policies/{id}")),
        groups: groups.into_iter().filter(|(_, all)| !all.is_empty()).collect(),
        typed,
        wrong,
    };
    let status = if page.wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page_with(status, &page)
}
