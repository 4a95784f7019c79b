//! Moving in: files of other programs are read, what would be done is shown, and done on the second press; and releasing
//! what was imported, so that people are told.
//!
//! The files are sent both times: nothing of them is kept in between.

use std::collections::HashMap;

use askama::Template;
use axum::extract::multipart::Multipart;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;

use super::frame::Frame;
use super::{error, filters, page, page_with, see};
use crate::domain::access::Right;
use crate::import::{self, Choice, ImportError, MAX_BYTES, Outcome, Reading, Report, Source, Unreadable, Upload};
use crate::login::members::Acting;
use crate::store::StoreError;
use crate::store::imports::{self, Which};
use crate::web::Site;
use crate::web::extract::form::{Form, PROOF};
use crate::web::extract::user::User;
use crate::web::texts::{filled, known, text};

/// The largest request: the files, and the fields beside them.
pub const LIMIT: usize = MAX_BYTES + 64 * 1024;

#[derive(Template)]
#[template(path = "import/page.html")]
struct Page {
    frame: Frame,
    sources: Vec<(&'static str, &'static str, bool)>,
    fault: Option<String>,
    report: Option<Shown>,
    tags: String,
    module: String,
    regions: String,
    muted: Vec<(String, i64)>,
}

/// A report as it is drawn.
struct Shown {
    applied: bool,
    counts: String,
    entries: Vec<(String, String, String, &'static str, String)>,
    more: usize,
    losses: Vec<(String, String, String)>,
    left: Vec<(String, usize, String)>,
    channels: Vec<(String, &'static str, &'static str, String)>,
    second_factor: bool,
}

/// How many monitors the page lists; the command lists all.
const LISTED: usize = 200;

/// `GET /import`.
pub async fn get_import(
    State(site): State<Site>,
    user: User,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    show(&site, &user, &query, &Sent::default(), None, None).await
}

/// What was sent.
#[derive(Default)]
struct Sent {
    fields: HashMap<String, String>,
    files: Vec<(String, Bytes)>,
}

impl Sent {
    fn text(&self, name: &str) -> &str {
        self.fields.get(name).map(|value| value.trim()).unwrap_or_default()
    }
}

/// `POST /import`.
pub async fn post_import(State(site): State<Site>, user: User, form: Multipart) -> Response {
    let sent = match take(form).await {
        Ok(sent) => sent,
        Err(status) => return error::page(status, "error.upload"),
    };
    if !user.ticket.proves(sent.text(PROOF)) {
        return error::page(StatusCode::FORBIDDEN, "error.stale_form");
    }
    match run(&site, &user, &sent).await {
        Ok(report) => show(&site, &user, &HashMap::new(), &sent, Some(report), None).await,
        Err(ImportError::Store(StoreError::Limit(exceeded))) => {
            show(&site, &user, &HashMap::new(), &sent, None, Some(error::limit(exceeded))).await
        }
        Err(ImportError::Store(failed)) => error::unavailable(&failed),
        Err(wrong) => show(&site, &user, &HashMap::new(), &sent, None, Some(wrong.to_string())).await,
    }
}

async fn take(mut form: Multipart) -> Result<Sent, StatusCode> {
    let mut sent = Sent::default();
    while let Some(field) = form.next_field().await.map_err(|error| error.status())? {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(|file| file.chars().filter(|c| !c.is_control()).take(200).collect::<String>());
        let bytes = field.bytes().await.map_err(|error| error.status())?;
        match file {
            Some(file) if !bytes.is_empty() => sent.files.push((file, bytes)),
            Some(_) => {}
            None => {
                sent.fields.insert(name, String::from_utf8_lossy(&bytes).replace('\0', ""));
            }
        }
    }
    Ok(sent)
}

async fn run(site: &Site, user: &User, sent: &Sent) -> Result<Report, ImportError> {
    let source: Source = sent.text("source").parse().unwrap_or(Source::Kuma);
    let reading =
        Reading { module: Some(sent.text("module").to_owned()).filter(|module| !module.is_empty()), interval_s: None };
    let files = sent.files.clone();
    // Reading a database of many megabytes must not keep others waiting.
    let found = tokio::task::spawn_blocking(move || {
        let uploads: Vec<Upload<'_>> = files.iter().map(|(name, bytes)| Upload { name, bytes }).collect();
        import::read(source, &uploads, &reading)
    });
    let found = found.await.map_err(|_| ImportError::Meanwhile)??;
    let tags = sent.text("tags").split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let regions = sent.text("regions").split(',').map(str::trim).filter(|code| !code.is_empty());
    let regions = regions.map(|code| code.parse().map_err(|_| Unreadable(filled("import.bad_region", code))));
    let choice = Choice {
        regions: regions.collect::<Result<_, _>>()?,
        tags,
        overwrite: sent.fields.contains_key("overwrite"),
        without_channels: !user.member.may(Right::ChannelsWrite),
        ..Choice::default()
    };
    let now = site.clock.now();
    let mut scoped = user.scoped(site).await?;
    let plan = import::plan(&mut scoped, &site.sealer, (source, found), &choice, now).await?;
    if sent.text("do") != "import" {
        return plan.rehearse(scoped, now).await;
    }
    let report = plan.apply(&mut scoped, now).await?;
    scoped.commit().await?;
    if report.second_factor && user.member.may(Right::MembersWrite) {
        // Who has none of their own cannot ask for it: the report says that it is not asked for.
        let author = user.author();
        let acting =
            Acting { user: user.member.user, org: user.member.org, ticket: Some(&user.ticket), author: &author };
        if let Err(error) = site.porter.want_second_factor(acting, true, now).await {
            tracing::error!("An import could not ask members for a second factor: {error}");
        }
    }
    Ok(report)
}

/// `POST /import/release`: from now on people are told of these monitors.
pub async fn post_release(State(site): State<Site>, user: User, form: Form) -> Response {
    let released = async {
        let mut scoped = user.scoped(&site).await?;
        let which = match form.text("tag") {
            "" => Which::All,
            tag => Which::Tagged(tag.to_owned()),
        };
        let released = imports::release(&mut scoped, &which, site.clock.now()).await?;
        scoped.commit().await?;
        Ok::<_, StoreError>(released.len())
    };
    match released.await {
        Ok(count) => see(&format!("/import?done=released&name={count}")),
        Err(failed) => error::unavailable(&failed),
    }
}

async fn show(
    site: &Site,
    user: &User,
    query: &HashMap<String, String>,
    sent: &Sent,
    report: Option<Report>,
    fault: Option<String>,
) -> Response {
    let muted = async { imports::muted(&mut user.scoped(site).await?).await };
    let muted = match muted.await {
        Ok(muted) => muted,
        Err(failed) => return error::unavailable(&failed),
    };
    let word = |source: Source| known(&format!("import.source_{}", source.as_str())).unwrap_or_default();
    let chosen = sent.text("source");
    let template = Page {
        frame: Frame::of(user, "/import", text("import.title")).noting(query),
        sources: Source::ALL.iter().map(|one| (one.as_str(), word(*one), one.as_str() == chosen)).collect(),
        report: report.as_ref().map(shown),
        tags: sent.text("tags").to_owned(),
        module: sent.text("module").to_owned(),
        regions: sent.text("regions").to_owned(),
        muted,
        fault,
    };
    if template.fault.is_some() { page_with(StatusCode::UNPROCESSABLE_ENTITY, &template) } else { page(&template) }
}

fn shown(report: &Report) -> Shown {
    let counts = [
        (report.counts.taken, "import.taken"),
        (report.counts.changed, "import.changed"),
        (report.counts.unchanged, "import.unchanged"),
        (report.counts.kept, "import.kept"),
        (report.counts.refused, "import.refused"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, key)| format!("{count} {}", text(key)))
        .collect();
    // What was not taken comes first: it is what a person must look at.
    let mut entries: Vec<_> = report.monitors.iter().collect();
    entries.sort_by_key(|entry| match entry.outcome {
        Outcome::Refused { .. } => 0,
        Outcome::Kept { .. } => 1,
        Outcome::Changed { .. } => 2,
        Outcome::Taken => 3,
        Outcome::Unchanged => 4,
    });
    let row = |entry: &&import::Entry| {
        let (word, why) = told(&entry.outcome);
        (entry.name.clone(), entry.kind.clone(), entry.target.clone(), word, why)
    };
    let channel = |entry: &import::ChannelEntry| {
        let (word, why) = match entry.outcome {
            Outcome::Taken => (text("import.switched_off"), text("channel.unset_imported").to_owned()),
            ref other => told(other),
        };
        let kind = known(&format!("channel_{}.label", entry.kind)).unwrap_or_default();
        (entry.name.clone(), kind, word, why)
    };
    Shown {
        applied: report.applied,
        counts: counts.join(", "),
        entries: entries.iter().take(LISTED).map(row).collect(),
        more: entries.len().saturating_sub(LISTED),
        losses: report
            .losses()
            .iter()
            .map(|loss| {
                let names: Vec<&str> = loss.monitors.iter().copied().take(5).collect();
                let rest = loss.monitors.len().saturating_sub(5);
                let rest = if rest == 0 { String::new() } else { format!(" {}", filled("import.and_more", rest)) };
                (loss.field.to_owned(), loss.why.to_owned(), format!("{}{rest}", names.join(", ")))
            })
            .collect(),
        channels: report.channels.iter().map(channel).collect(),
        second_factor: report.second_factor,
        left: report.left.iter().map(|left| (left.what.clone(), left.count, left.why.clone())).collect(),
    }
}

/// What became of something: a word, and why.
fn told(outcome: &Outcome) -> (&'static str, String) {
    let (word, why) = match outcome {
        Outcome::Taken => ("import.taken", String::new()),
        Outcome::Changed { fields } => ("import.changed", fields.join(", ")),
        Outcome::Unchanged => ("import.unchanged", String::new()),
        Outcome::Kept { why } => ("import.kept", why.clone()),
        Outcome::Refused { why } => ("import.refused", why.clone()),
    };
    (text(word), why)
}
