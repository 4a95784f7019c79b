//! `/schedules/new` and `/schedules/{id}/edit`: the form. What it repeats is numbered (`r0.name`, `r0h1.from`); a button that adds or
//! takes away sends the form as it is, and it is drawn anew.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::ScheduleId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::{find, meanwhile, people, settled, shown};
use crate::domain::telling::schedule::{MOST_MEMBERS, MOST_ROTATIONS, Rotation};
use crate::domain::zone::Zone;
use crate::store::schedules::{self, ScheduleRow};
use crate::store::{StoreError, UserKey};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::telling::{MOST, People, Wrong, rota};
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::hours::{self, Range};
use crate::web::ui::{filters, page_with};

#[derive(Template)]
#[template(path = "schedule/form.html")]
struct Page {
    frame: Frame,
    action: String,
    back: String,
    typed: Typed,
    members: Vec<(String, String)>,
    zones: Vec<String>,
    wrong: Vec<String>,
}

/// What stands in the fields.
struct Typed {
    name: String,
    zone: String,
    version: String,
    rotations: Vec<TypedRotation>,
}

struct TypedRotation {
    name: String,
    starts: String,
    every: String,
    unit: String,
    members: Vec<String>,
    hours: Vec<Range>,
}

impl TypedRotation {
    fn new(zone: &str, now: Timestamp) -> Self {
        let today = zone.parse().unwrap_or_else(|_| Zone::utc()).civil(now).date();
        Self {
            name: text("schedule.a_rotation").to_owned(),
            starts: format!("{today}T09:00"),
            every: "1".to_owned(),
            unit: "weeks".to_owned(),
            members: Vec::new(),
            hours: Vec::new(),
        }
    }

    fn of(one: &Rotation<UserKey>, people: &People) -> Self {
        Self {
            name: one.name.clone(),
            starts: one.starts.strftime("%Y-%m-%dT%H:%M").to_string(),
            every: one.every.to_string(),
            unit: one.unit.as_str().to_owned(),
            members: one.members.iter().filter_map(|key| people.id(*key)).map(|id| id.to_string()).collect(),
            hours: one.hours.iter().map(Range::of).collect(),
        }
    }

    fn from(form: &Form, at: usize) -> Self {
        let of = |name: &str| form.text(&format!("r{at}.{name}")).to_owned();
        let members = form.all(&format!("r{at}.member")).into_iter();
        Self {
            name: of("name"),
            starts: of("starts"),
            every: of("every"),
            unit: of("unit"),
            members: members.filter(|id| !id.is_empty()).take(MOST_MEMBERS).map(str::to_owned).collect(),
            hours: hours::from(form, &format!("r{at}")),
        }
    }

    fn body(&self) -> Value {
        json!({
            "name": self.name, "starts": self.starts, "every": self.every.parse::<u16>().unwrap_or(0), "unit": self.unit,
            "members": self.members, "hours": hours::body(&self.hours),
        })
    }
}

impl Typed {
    fn new(now: Timestamp) -> Self {
        let rotations = vec![TypedRotation::new("UTC", now)];
        Self { name: String::new(), zone: "UTC".to_owned(), version: String::new(), rotations }
    }

    fn of(row: &ScheduleRow, people: &People) -> Self {
        Self {
            name: row.name.clone(),
            zone: row.rota.zone.to_string(),
            version: row.version.to_string(),
            rotations: row.rota.rotations.iter().map(|one| TypedRotation::of(one, people)).collect(),
        }
    }

    fn from(form: &Form) -> Self {
        let count = form.text("rotations").parse().unwrap_or(0_usize).min(MOST_ROTATIONS);
        Self {
            name: form.text("name").to_owned(),
            zone: form.text("zone").to_owned(),
            version: form.text("version").to_owned(),
            rotations: (0..count).map(|at| TypedRotation::from(form, at)).collect(),
        }
    }

    /// With what a button adds or takes away.
    fn redrawn(mut self, button: &str, now: Timestamp) -> Self {
        if button == "rotation" && self.rotations.len() < MOST_ROTATIONS {
            self.rotations.push(TypedRotation::new(&self.zone, now));
        }
        let numbered = button.strip_prefix('r').and_then(|rest| rest.split_once('.'));
        if let Some((at, what)) = numbered.and_then(|(at, what)| Some((at.parse::<usize>().ok()?, what)))
            && at < self.rotations.len()
        {
            match what {
                "remove" => drop(self.rotations.remove(at)),
                "up" if at > 0 => self.rotations.swap(at - 1, at),
                what => hours::redraw(&mut self.rotations[at].hours, what),
            }
        }
        self
    }

    fn body(&self) -> Value {
        json!({
            "name": self.name, "zone": self.zone, "version": self.version.parse::<i32>().ok(),
            "rotations": self.rotations.iter().map(TypedRotation::body).collect::<Vec<_>>(),
        })
    }
}

/// `GET /schedules/new`.
pub async fn get_new(State(site): State<Site>, user: User) -> Response {
    let shows = async {
        let people = people(&site, &user).await?;
        Ok(Some(show(&user, None, &people, Typed::new(site.clock.now()), Vec::new())))
    };
    shown(shows.await)
}

/// `GET /schedules/{id}/edit`.
pub async fn get_edit(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let shows = async {
        let people = people(&site, &user).await?;
        let found = find(&mut user.scoped(&site).await?, &id, site.clock.now()).await?;
        Ok(found.map(|row| show(&user, Some(row.id), &people, Typed::of(&row, &people), Vec::new())))
    };
    shown(shows.await)
}

/// `POST /schedules/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    shown(store(&site, &user, None, &form).await)
}

/// `POST /schedules/{id}/edit`.
pub async fn post_edit(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    shown(store(&site, &user, Some(&id), &form).await)
}

async fn store(site: &Site, user: &User, id: Option<&str>, form: &Form) -> Result<Option<Response>, StoreError> {
    let now = site.clock.now();
    let people = people(site, user).await?;
    let mut scoped = user.scoped(site).await?;
    let row = match id {
        Some(id) => match find(&mut scoped, id, now).await? {
            Some(row) => Some(row),
            None => return Ok(None),
        },
        None => None,
    };
    let typed = Typed::from(form);
    let own = row.as_ref().map(|row| row.id);
    if form.ticked("redraw") {
        let typed = typed.redrawn(form.text("redraw"), now);
        return Ok(Some(show(user, own, &people, typed, Vec::new())));
    }
    let wanted = match rota::read(&typed.body(), &people) {
        Ok(wanted) => wanted,
        Err(wrong) => return Ok(Some(show(user, own, &people, typed, said(wrong)))),
    };
    let stored = match &row {
        Some(row) if wanted.version.is_some_and(|version| version != row.version) => return Ok(Some(meanwhile())),
        Some(row) => schedules::update(&mut scoped, row, &wanted.name, &wanted.rota, now)
            .await
            .map(|done| done.then(|| format!("/schedules/{}?done=schedule_changed", row.id))),
        None if schedules::count(&mut scoped).await? >= MOST => {
            let wrong = vec![filled("schedule.too_many", MOST)];
            return Ok(Some(show(user, None, &people, typed, wrong)));
        }
        None => {
            let id = ScheduleId::at(now);
            let made = schedules::insert(&mut scoped, id, &wanted.name, &wanted.rota, now).await;
            made.map(|_| Some(format!("/schedules/{id}?done=schedule_added")))
        }
    };
    let taken = || show(user, own, &people, typed, vec![filled("schedule.name_taken", &wanted.name)]);
    settled(scoped, stored, "schedules_org_name", taken).await.map(Some)
}

/// What is wrong, with the name of the field on the page.
fn said(wrong: Vec<Wrong>) -> Vec<String> {
    let labels: HashMap<&str, &str> =
        [("name", text("schedule.call")), ("zone", text("schedule.zone"))].into_iter().collect();
    let place = |field: &str| match labels.get(field) {
        Some(label) => (*label).to_owned(),
        None => hours::numbered(field, "rotations[", text("schedule.rotation")),
    };
    wrong.into_iter().map(|(field, message)| format!("{}: {message}", place(&field))).collect()
}

fn show(user: &User, id: Option<ScheduleId>, people: &People, mut typed: Typed, wrong: Vec<String>) -> Response {
    for rotation in &mut typed.rotations {
        if rotation.members.len() < MOST_MEMBERS {
            // One to choose next.
            rotation.members.push(String::new());
        }
    }
    let title = text(if id.is_some() { "schedule.edit_title" } else { "schedule.new_title" });
    let page = Page {
        frame: Frame::of(user, "/schedules", title),
        action: id.map_or_else(|| "/schedules/new".to_owned(), |id| format!("/schedules/{id}/edit")),
        back: id.map_or_else(|| "/schedules".to_owned(), |id| format!("/schedules/{id}")),
        members: people
            .all()
            .map(|(id, name)| (id.to_string(), name.unwrap_or(text("schedule.a_member")).to_owned()))
            .collect(),
        zones: Zone::names(),
        typed,
        wrong,
    };
    let status = if page.wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page_with(status, &page)
}
