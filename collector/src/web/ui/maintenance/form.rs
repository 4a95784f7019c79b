//! `/maintenance/new` and `/maintenance/{id}/edit`: the form, which says to [`settings::read`] what the API would.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::shown;
use crate::domain::maintenance::rule::nth_weekday;
use crate::domain::maintenance::settings::{self, CountsAs, Scope, Settings};
use crate::domain::zone::{Local, Zone};
use crate::store::maintenances::{MOST, deeds};
use crate::store::{Scoped, StoreError, monitors};
use crate::web::Site;
use crate::web::extract::form::Form;
use crate::web::extract::user::User;
use crate::web::texts::{filled, text};
use crate::web::ui::frame::Frame;
use crate::web::ui::{filters, page_with, see};

#[derive(Template)]
#[template(path = "maintenance/form.html")]
struct Page {
    frame: Frame,
    action: String,
    back: String,
    typed: Typed,
    repeats: Vec<Choice>,
    scopes: Vec<Choice>,
    counts: Vec<Choice>,
    announces: Vec<Choice>,
    monitors: Vec<Choice>,
    zones: Vec<String>,
    wrong: Vec<String>,
}

struct Choice {
    value: String,
    word: String,
    chosen: bool,
}

/// What stands in the fields.
struct Typed {
    title: String,
    note: String,
    start: String,
    hours: String,
    minutes: String,
    zone: String,
    repeat: String,
    rule: String,
    exceptions: String,
    scope: String,
    monitors: Vec<String>,
    tags: String,
    holds_alerts: bool,
    shows_on_page: bool,
    counts_as: String,
    announce: String,
}

const REPEATS: [(&str, &str); 7] = [
    ("", "maintenance.once"),
    ("daily", "maintenance.daily"),
    ("weekly", "maintenance.weekly"),
    ("monthly", "maintenance.monthly"),
    ("weekday", "maintenance.monthly_weekday"),
    ("yearly", "maintenance.yearly"),
    ("rule", "maintenance.by_rule"),
];
/// Those that say the same whenever the window begins; the empty rule is none.
const SIMPLE: [(&str, &str); 5] = [
    ("", ""),
    ("daily", "FREQ=DAILY"),
    ("weekly", "FREQ=WEEKLY"),
    ("monthly", "FREQ=MONTHLY"),
    ("yearly", "FREQ=YEARLY"),
];
const SCOPES: [(&str, &str); 3] =
    [("all", "maintenance.of_all"), ("monitors", "maintenance.named"), ("tags", "maintenance.tagged")];
const COUNTS: [(&str, &str); 2] =
    [("maintenance", "maintenance.counts_apart"), ("normal", "maintenance.counts_normal")];
const ANNOUNCES: [(&str, &str); 6] = [
    ("", "maintenance.not_announced"),
    ("0", "maintenance.announced_then"),
    ("3600", "maintenance.hour_before"),
    ("86400", "maintenance.day_before"),
    ("259200", "maintenance.days_before"),
    ("604800", "maintenance.week_before"),
];

impl Typed {
    /// Whether what most windows do not need is shown at once.
    fn is_unusual(&self) -> bool {
        self.repeat == "rule" || !self.rule.is_empty() || !self.exceptions.is_empty()
    }

    fn new() -> Self {
        Self {
            title: String::new(),
            note: String::new(),
            start: String::new(),
            hours: "2".to_owned(),
            minutes: "0".to_owned(),
            zone: "UTC".to_owned(),
            repeat: String::new(),
            rule: String::new(),
            exceptions: String::new(),
            scope: "all".to_owned(),
            monitors: Vec::new(),
            tags: String::new(),
            holds_alerts: true,
            shows_on_page: true,
            counts_as: "maintenance".to_owned(),
            announce: String::new(),
        }
    }

    fn of(settings: &Settings) -> Self {
        let seconds = settings.window.duration.as_secs();
        let start = settings.window.start;
        let rule = settings.window.rule.as_ref().map(|rule| rule.text().to_owned()).unwrap_or_default();
        let simple = SIMPLE.iter().find(|(_, said)| *said == rule).map(|(name, _)| *name);
        let repeat = simple.unwrap_or(if rule == nth_weekday(start) { "weekday" } else { "rule" });
        let (monitors, tags) = match &settings.scope {
            Scope::All => (Vec::new(), String::new()),
            Scope::Monitors(ids) => (ids.iter().map(ToString::to_string).collect(), String::new()),
            Scope::Tags(tags) => (Vec::new(), tags.join(", ")),
        };
        Self {
            title: settings.title.clone(),
            note: settings.note.clone(),
            start: minutes(&start),
            hours: (seconds / 3600).to_string(),
            minutes: (seconds / 60 % 60).to_string(),
            zone: settings.window.zone.to_string(),
            repeat: repeat.to_owned(),
            rule: if repeat == "rule" { rule } else { String::new() },
            exceptions: settings.window.exceptions.iter().map(minutes).collect::<Vec<_>>().join("\n"),
            scope: settings.scope.as_str().to_owned(),
            monitors,
            tags,
            holds_alerts: settings.effects.holds_alerts,
            shows_on_page: settings.effects.shows_on_page,
            counts_as: settings.effects.counts_as.as_str().to_owned(),
            announce: settings.announce_before.map(|before| before.as_secs().to_string()).unwrap_or_default(),
        }
    }

    fn from(form: &Form) -> Self {
        let of = |name: &str| form.text(name).to_owned();
        Self {
            title: of("title"),
            note: form.raw("note").to_owned(),
            start: of("start"),
            hours: of("hours"),
            minutes: of("minutes"),
            zone: of("zone"),
            repeat: of("repeat"),
            rule: of("rule"),
            exceptions: form.raw("exceptions").to_owned(),
            scope: of("scope"),
            monitors: form.all("monitor").into_iter().map(str::to_owned).collect(),
            tags: of("tags"),
            holds_alerts: form.ticked("holds_alerts"),
            shows_on_page: form.ticked("shows_on_page"),
            counts_as: of("counts_as"),
            announce: of("announce"),
        }
    }

    /// The same as the API takes it. `now` is the start where none is written. What the form cannot say of a duration stays as it was
    /// in `standing`.
    fn body(&self, now: Timestamp, standing: Option<&Settings>) -> Value {
        let part = |text: &str, unit: u64| -> Option<u64> {
            if text.is_empty() { Some(0) } else { text.parse::<u64>().ok()?.checked_mul(unit) }
        };
        let duration =
            part(&self.hours, 3600).zip(part(&self.minutes, 60)).map(|(hours, minutes)| hours.saturating_add(minutes));
        let start = settings::local(&self.start).or_else(|| Some(self.zone.parse::<Zone>().ok()?.civil(now)));
        let rule = match self.repeat.as_str() {
            "weekday" => start.map(nth_weekday),
            "rule" => Some(self.rule.clone()),
            simple => SIMPLE.iter().find(|(name, _)| *name == simple).map(|(_, rule)| (*rule).to_owned()),
        };
        let exceptions: Vec<_> = self.exceptions.split_whitespace().collect();
        let tags: Vec<_> = self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let mut body = json!({
            "title": self.title, "note": self.note, "start": self.start, "zone": self.zone, "rule": rule, "exceptions": exceptions,
            "duration_s": duration.map_or(Value::String(self.hours.clone()), Value::from),
            "scope": self.scope, "monitors": self.monitors, "tags": tags, "holds_alerts": self.holds_alerts,
            "shows_on_page": self.shows_on_page, "counts_as": self.counts_as,
            "announce_before_s": self.announce.parse::<u64>().ok(),
        });
        let shown = standing.map(Self::of);
        if shown.is_some_and(|shown| (shown.hours, shown.minutes) == (self.hours.clone(), self.minutes.clone()))
            && let Some(fields) = body.as_object_mut()
        {
            fields.remove("duration_s");
        }
        body
    }
}

/// A local time as the form takes it; with seconds only where it has some.
fn minutes(local: &Local) -> String {
    local.strftime(if local.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" }).to_string()
}

/// `GET /maintenance/new`.
pub async fn get_new(State(site): State<Site>, user: User) -> Response {
    let shows = async {
        let mut scoped = user.scoped(&site).await?;
        form_page(&mut scoped, &user, None, Typed::new(), Vec::new()).await.map(Some)
    };
    shown(shows.await)
}

/// `POST /maintenance/new`.
pub async fn post_new(State(site): State<Site>, user: User, form: Form) -> Response {
    let plans = async {
        let now = site.clock.now();
        let mut scoped = user.scoped(&site).await?;
        let typed = Typed::from(&form);
        let wanted = match settings::read(&typed.body(now, None), None, now) {
            Ok(wanted) => wanted,
            Err(wrong) => return form_page(&mut scoped, &user, None, typed, said(wrong)).await.map(Some),
        };
        if deeds::count(&mut scoped).await? >= MOST {
            let wrong = vec![filled("maintenance.too_many", MOST)];
            return form_page(&mut scoped, &user, None, typed, wrong).await.map(Some);
        }
        let id = MaintenanceId::at(now);
        if !deeds::add(&mut scoped, id, &wanted, now).await? {
            drop(scoped);
            let mut scoped = user.scoped(&site).await?;
            let wrong = vec![text("maintenance.no_monitor").to_owned()];
            return form_page(&mut scoped, &user, None, typed, wrong).await.map(Some);
        }
        scoped.commit().await?;
        Ok(Some(see(&format!("/maintenance/{id}?done=maintenance_planned"))))
    };
    shown(plans.await)
}

/// `GET /maintenance/{id}/edit`.
pub async fn get_edit(State(site): State<Site>, user: User, Path(id): Path<String>) -> Response {
    let shows = async {
        let Ok(id) = id.parse::<MaintenanceId>() else { return Ok(None) };
        let mut scoped = user.scoped(&site).await?;
        let Some(kept) = deeds::hold(&mut scoped, id).await? else { return Ok(None) };
        form_page(&mut scoped, &user, Some(id), Typed::of(&kept.settings), Vec::new()).await.map(Some)
    };
    shown(shows.await)
}

/// `POST /maintenance/{id}/edit`.
pub async fn post_edit(State(site): State<Site>, user: User, Path(id): Path<String>, form: Form) -> Response {
    let edits = async {
        let now = site.clock.now();
        let Ok(id) = id.parse::<MaintenanceId>() else { return Ok(None) };
        let mut scoped = user.scoped(&site).await?;
        let Some(kept) = deeds::hold(&mut scoped, id).await? else { return Ok(None) };
        let typed = Typed::from(&form);
        let wanted = match settings::read(&typed.body(now, Some(&kept.settings)), Some(&kept.settings), now) {
            Ok(wanted) => wanted,
            Err(wrong) => return form_page(&mut scoped, &user, Some(id), typed, said(wrong)).await.map(Some),
        };
        if wanted != kept.settings && !deeds::edit(&mut scoped, &kept, &wanted, now).await? {
            drop(scoped);
            let mut scoped = user.scoped(&site).await?;
            let wrong = vec![text("maintenance.no_monitor").to_owned()];
            return form_page(&mut scoped, &user, Some(id), typed, wrong).await.map(Some);
        }
        scoped.commit().await?;
        Ok(Some(see(&format!("/maintenance/{id}?done=maintenance_changed"))))
    };
    shown(edits.await)
}

/// What is wrong, with the name of the field on the page.
fn said(wrong: Vec<settings::Wrong>) -> Vec<String> {
    let label = |field: &str| match field {
        "title" => "maintenance.call",
        "note" => "maintenance.note",
        "start" => "maintenance.start",
        "duration_s" => "maintenance.takes",
        "zone" => "maintenance.zone",
        "rule" => "maintenance.repeats",
        "exceptions" => "maintenance.left_out",
        "announce_before_s" => "maintenance.announce",
        "counts_as" => "maintenance.counts",
        _ => "maintenance.scope",
    };
    wrong.into_iter().map(|(field, message)| format!("{}: {message}", text(label(field)))).collect()
}

fn choices(all: &[(&'static str, &'static str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, key): &(&str, &'static str)| Choice {
        value: (*value).to_owned(),
        word: text(key).to_owned(),
        chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

async fn form_page(
    scoped: &mut Scoped,
    user: &User,
    id: Option<MaintenanceId>,
    typed: Typed,
    wrong: Vec<String>,
) -> Result<Response, StoreError> {
    let named = monitors::list(scoped).await?.into_iter().map(|row| {
        let value = row.id.to_string();
        Choice { chosen: typed.monitors.contains(&value), value, word: row.settings.name }
    });
    let mut announces = choices(&ANNOUNCES, &typed.announce);
    if !announces.iter().any(|one| one.chosen) {
        // As the API was told it.
        let before = std::time::Duration::from_secs(typed.announce.parse().unwrap_or(0));
        let word = filled("maintenance.announced", crate::domain::maintenance::in_words(before));
        announces.push(Choice { value: typed.announce.clone(), word, chosen: true });
    }
    let title = text(if id.is_some() { "maintenance.edit_title" } else { "maintenance.new_title" });
    let page = Page {
        frame: Frame::of(user, "/maintenance", title),
        action: id.map_or_else(|| "/maintenance/new".to_owned(), |id| format!("/maintenance/{id}/edit")),
        back: id.map_or_else(|| "/maintenance".to_owned(), |id| format!("/maintenance/{id}")),
        repeats: choices(&REPEATS, &typed.repeat),
        scopes: choices(&SCOPES, &typed.scope),
        counts: choices(&COUNTS, CountsAs::named(&typed.counts_as).as_str()),
        announces,
        monitors: named.collect(),
        zones: Zone::names(),
        typed,
        wrong,
    };
    let status = if page.wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page_with(status, &page))
}
