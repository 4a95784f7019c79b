//! `/admin`: the administration of the instance, for who holds a grant (`guard::admin_404`); to everybody else none of it is
//! there. Here is what is well and how much there is of everything; each other page is a file.
//!
//! Nothing here shows what an organization watches, what was found, or a secret: the database's role has no right to it.

pub mod breaches;
pub mod grants;
pub mod organizations;
pub mod privacy;
pub mod probes;
pub mod recovery;
pub mod users;

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use picket_shared::time::Timestamp;

use super::frame::{Frame, NavItem};
use super::shape::{Shape, lasting, shape};
use super::{filters, page_of, page_with};
use crate::store::StoreError;
use crate::store::leadership::{self, Leadership};
use crate::store::read::gauges::Gauges;
use crate::store::read::organizations::{self as read, Counts};
use crate::store::read::probes::{self as probe_rows, ProbeRow, RegionRow, Standing};
use crate::web::Site;
use crate::web::extract::administrator::Administrator;
use crate::web::texts::{filled, text};

/// Whoever waits longer than this for a judgement or a message waits too long: both are looked after every few seconds.
const TOO_LONG: Duration = Duration::from_secs(120);
/// Whoever leads and did not show that it lives for so long does not.
const SILENT: Duration = Duration::from_secs(30);

/// What every page of administration begins with.
#[derive(Debug)]
struct Head {
    /// When the grant ends.
    until: String,
    /// The pages.
    places: Vec<NavItem>,
}

/// Address and key of the text, in order.
const PLACES: [(&str, &str); 9] = [
    ("/admin", "admin.overview"),
    ("/admin/regions", "admin.regions"),
    ("/admin/probes", "admin.probes"),
    ("/admin/organizations", "admin.organizations"),
    ("/admin/users", "admin.users"),
    ("/admin/recovery", "admin.recovery"),
    ("/admin/privacy", "admin.privacy"),
    ("/admin/breaches", "admin.breaches"),
    ("/admin/grants", "admin.grants"),
];

impl Head {
    fn of(administrator: &Administrator, current: &str) -> Self {
        let place = |(href, key)| NavItem { href, text: text(key), current: href == current };
        let until = filled("admin.until", format!("{:.0}", administrator.until));
        Self { until, places: PLACES.into_iter().map(place).collect() }
    }
}

fn frame(administrator: &Administrator, title: &'static str) -> Frame {
    Frame::of(&administrator.user, "/admin", text(title))
}

/// Takes what is more than a page off, and gives the address of the next one; `after` is by what rows are in order.
fn next_page<T>(
    rows: &mut Vec<T>,
    page: i64,
    path: &str,
    search: &str,
    after: impl Fn(&T) -> &String,
) -> Option<String> {
    let page = usize::try_from(page).unwrap_or(usize::MAX);
    let more = rows.len() > page;
    rows.truncate(page);
    let last = rows.last().filter(|_| more)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if !search.is_empty() {
        query.append_pair("q", search);
    }
    Some(format!("{path}?{}", query.append_pair("after", after(last)).finish()))
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    frame: Frame,
    head: Head,
    health: Vec<Line>,
    counts: Vec<(&'static str, String)>,
    /// Monitors by state.
    states: Vec<(Shape, i64)>,
}

/// How one thing is.
struct Line {
    what: &'static str,
    shape: Shape,
    value: String,
}

#[derive(Template)]
#[template(path = "admin/second_factor.html")]
struct SecondFactorFirst {
    frame: Frame,
}

/// Tells an administrator without a second factor that one is wanted, and where it is set up.
pub fn second_factor_first(administrator: &Administrator) -> Response {
    let frame = frame(administrator, "admin.second_factor_title");
    page_with(StatusCode::FORBIDDEN, &SecondFactorFirst { frame })
}

/// `GET /admin`.
pub async fn get_overview(State(site): State<Site>, administrator: Administrator) -> Response {
    page_of(gather(&site, &administrator).await)
}

async fn gather(site: &Site, administrator: &Administrator) -> Result<Overview, StoreError> {
    let now = site.clock.now();
    let mut auth = site.pools.auth().await?;
    let probes = probe_rows::page(&mut auth).await?;
    let regions = probe_rows::regions(&mut auth, now).await?;
    let Counts { organizations, users, monitors } = read::counts(&mut auth).await?;
    let (recovery, _) = recovery::standing(site, &mut auth).await?;
    let gauges = site.meters.counted().gauges;
    let in_force = probes.iter().filter(|probe| probe.revoked_at.is_none()).count();
    let mut counts = vec![
        (text("admin.organizations"), organizations.to_string()),
        (text("admin.users"), users.to_string()),
        (text("admin.monitors"), monitors.to_string()),
        (text("admin.regions"), regions.len().to_string()),
        (text("admin.probes"), in_force.to_string()),
    ];
    if let Some(gauges) = &gauges {
        counts.push((text("admin.incidents"), gauges.incidents_open.to_string()));
        counts.push((text("admin.database"), bytes(gauges.database_bytes)));
    }
    let mut health = vec![led(&leadership::read(&mut auth).await?, now), heard(&probes, now), covered(&regions)];
    health.extend(gauges.iter().flat_map(|gauges| work(gauges, now)));
    health.extend(recovery);
    Ok(Overview {
        frame: frame(administrator, "admin.title"),
        head: Head::of(administrator, "/admin"),
        health,
        counts,
        states: gauges.iter().flat_map(|gauges| &gauges.monitors).map(|(state, many)| (shape(state), *many)).collect(),
    })
}

/// Well, or to be looked at.
fn line(what: &'static str, well: bool, value: String) -> Line {
    let (class, word) = if well { ("up", "admin.well") } else { ("suspect", "admin.look") };
    Line { what: text(what), shape: Shape { word: text(word), ..shape(class) }, value }
}

/// Who leads, and since when.
fn led(row: &Leadership, now: Timestamp) -> Line {
    let Some(since) = row.taken_at.filter(|_| row.holder.is_some()) else {
        return line("admin.leads", false, text("admin.nobody_leads").to_owned());
    };
    let lives = row.beat_at.is_some_and(|at| now.since(at) <= SILENT);
    let since = filled("admin.leads_since", format!("{since:.0}"));
    line("admin.leads", lives, format!("{}, {since}, {}", row.host, filled("admin.leads_term", row.fence.0)))
}

fn heard(probes: &[ProbeRow], now: Timestamp) -> Line {
    let standings = || probes.iter().map(|probe| probe.standing(now));
    let in_force = standings().filter(|standing| !matches!(standing, Standing::Revoked { .. })).count();
    let heard = standings().filter(|standing| matches!(standing, Standing::Heard)).count();
    line("admin.probes_heard", in_force > 0 && heard == in_force, format!("{heard} / {in_force}"))
}

/// A region that runs monitors, and of which no probe is heard, leaves them unwatched from there.
fn covered(regions: &[RegionRow]) -> Line {
    let dark: Vec<&str> =
        regions.iter().filter(|region| region.monitors > 0 && region.heard == 0).map(|row| row.code.as_str()).collect();
    let value = if dark.is_empty() { text("admin.no_region").to_owned() } else { dark.join(", ") };
    line("admin.regions_dark", dark.is_empty(), value)
}

/// What waits, as it was last counted.
fn work(gauges: &Gauges, now: Timestamp) -> Vec<Line> {
    let waits = |what, since: Option<Timestamp>| {
        let waits = since.map_or(Duration::ZERO, |since| now.since(since));
        line(what, waits <= TOO_LONG, filled("admin.waits", lasting(waits.as_secs())))
    };
    let counted = now.since(gauges.read_at);
    vec![
        waits("admin.judging", gauges.judge_due_since),
        waits("admin.delivering", gauges.deliveries_due_since),
        line("admin.counted", counted <= TOO_LONG, filled("time.ago", lasting(counted.as_secs()))),
    ]
}

/// Bytes as people read them.
fn bytes(bytes: i64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}
