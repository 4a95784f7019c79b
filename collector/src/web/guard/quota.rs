//! How many requests somebody may make: so many a minute of each class of routes, counted in memory from the first one on.
//!
//! Who has no account is counted by address, who is signed in also by account, a program also by its key. What is left is
//! said with every answer, as the draft of `RateLimit` has it (draft-ietf-httpapi-ratelimit-headers-10). Probes have limits
//! of their own (`flow::verify::limits`), and so has who guesses (`login::throttle`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use picket_shared::time::Timestamp;

use super::client::ClientAddress;
use crate::config::Limits;
use crate::login::throttle::network;
use crate::store::UserKey;
use crate::web::error::Problem;
use crate::web::{Site, api, ui};

/// How long a window is.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Windows that are over are forgotten once in so long.
const SWEEP: Duration = Duration::from_secs(1);
/// Most windows that are counted at once before no more addresses are. Who comes from more than that in a minute is not held
/// back by counting each, so what is beyond is let through; `guard::rate_limit` bounds what is worked on. Accounts and keys
/// are always counted: there are no more of them than are in use.
const MOST: usize = 100_000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What a route is to those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It shows something.
    Read,
    /// It changes something.
    Write,
    /// It lets somebody in, or sends a mail that does.
    Entry,
    /// It is a lot of work: many rows, or checks in every region.
    Heavy,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Entry, Self::Heavy];

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Entry => "entry",
            Self::Heavy => "heavy",
        }
    }

    /// What part of the limit for reading this class has.
    const fn part(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Entry => 50,
            Self::Heavy => 20,
        }
    }
}

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A network address; of IPv6 its /64, which one caller has for itself.
    Address(IpAddr),
    /// A user.
    Account(UserKey),
    /// An API key that was found good, by its public id.
    Key(String),
}

impl Subject {
    /// Who is at this address.
    pub fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Account(_) => "account",
            Self::Key(_) => "key",
        }
    }
}

/// Counts requests.
#[derive(Debug, Default)]
pub struct Quotas {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    windows: HashMap<(Subject, Class), Window>,
    swept: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Timestamp,
    made: u32,
}

impl Window {
    /// A clock that was set back begins a window too: nobody waits longer than one.
    fn is_open(&self, now: Timestamp) -> bool {
        self.since <= now && now.since(self.since) < WINDOW
    }
}

/// What is left for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    subject: &'static str,
    class: Class,
    /// How many requests a window has.
    pub limit: u32,
    /// How many are left after this one.
    pub left: u32,
    /// Seconds until the next window.
    pub reset_s: u64,
    over: bool,
}

impl Quotas {
    /// With the limits of the settings.
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Mutex::default() }
    }

    /// How many requests of a class somebody may make in a window.
    fn limit(&self, subject: &Subject, class: Class) -> u32 {
        let reads = match subject {
            Subject::Address(_) => self.limits.requests_per_minute_per_address,
            Subject::Account(_) => self.limits.requests_per_minute_per_account,
            Subject::Key(_) => self.limits.requests_per_minute_per_key,
        };
        reads.div_ceil(class.part())
    }

    /// Counts a request.
    pub fn take(&self, subject: Subject, class: Class, now: Timestamp) -> Room {
        let (name, limit) = (subject.name(), self.limit(&subject, class));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.swept > now || now.since(counts.swept) >= SWEEP {
            counts.windows.retain(|_, window| window.is_open(now));
            counts.swept = now;
        }
        let new = Window { since: now, made: 0 };
        let is_full = counts.windows.len() >= MOST && matches!(subject, Subject::Address(_));
        let key = (subject, class);
        let window = match counts.windows.get_mut(&key) {
            Some(window) => window,
            None if is_full => &mut { new },
            None => counts.windows.entry(key).or_insert(new),
        };
        if !window.is_open(now) {
            *window = new;
        }
        window.made = window.made.saturating_add(1);
        let rest = WINDOW.saturating_sub(now.since(window.since));
        Room {
            subject: name,
            class,
            limit,
            left: limit.saturating_sub(window.made),
            reset_s: rest.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX),
            over: window.made > limit,
        }
    }
}

impl Room {
    /// What is answered when this request is one too many: a problem to a program, a page to a person.
    pub fn refusal(self, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let wait = self.over.then_some(self.reset_s)?;
        let detail = format!("this {} made too many requests: come again in {wait} s", self.subject);
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut response = if api::is_of(uri) {
            api::problem::Problem::wait(wait, detail).into_response()
        } else if accept.contains("text/html") {
            ui::error::page(StatusCode::TOO_MANY_REQUESTS, "error.too_many")
        } else {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests: come again later").into_response()
        };
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        Some(response)
    }

    /// Says with an answer how many requests there are, how many are left, and until when.
    pub fn tell(self, response: &mut Response) {
        let (subject, class) = (self.subject, self.class.name());
        let policy = format!("\"{subject}-{class}\";q={};w={}", self.limit, WINDOW.as_secs());
        let left = format!("\"{subject}-{class}\";r={};t={}", self.left, self.reset_s);
        for (name, text) in [(POLICY, policy), (LEFT, left)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().append(name, value);
            }
        }
    }
}

/// Lets a request through while its address has some left.
pub async fn by_address(State((site, class)): State<(Site, Class)>, request: Request, next: Next) -> Response {
    // Who has no address is one like any other.
    let address = request.extensions().get::<ClientAddress>().map_or(IpAddr::from([0, 0, 0, 0]), |client| client.0);
    let room = site.quotas.take(Subject::at(address), class, site.clock.now());
    let mut response = match room.refusal(request.uri(), request.headers()) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    room.tell(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Subject {
        Subject::Key(name.to_owned())
    }

    #[test]
    fn each_has_windows_of_its_own_and_waits_no_longer_than_that() {
        let (quotas, start) = (Quotas::default(), Timestamp::from_seconds(1_000));
        let take = |name: &str, now| quotas.take(key(name), Class::Read, now);
        let first = take("a", start);
        assert_eq!((first.limit, first.left, first.reset_s, first.over), (600, 599, 60, false));
        let last = (1..600).fold(first, |_, _| take("a", start));
        assert_eq!((last.left, last.over), (0, false));
        let later = start + Duration::from_millis(20_500);
        assert_eq!((take("a", later).over, take("a", later).reset_s), (true, 40));
        assert!(!take("b", later).over && !quotas.take(key("a"), Class::Write, later).over);
        assert!(!quotas.take(Subject::Account(UserKey(1)), Class::Read, later).over);
        assert_eq!(take("a", start + WINDOW).left, 599);
        assert_eq!(take("a", start).left, 599, "a clock that was set back");
    }

    #[test]
    fn what_costs_more_is_counted_apart_and_less_of_it_may_be_asked() {
        let (quotas, at) = (Quotas::default(), Subject::at("192.0.2.1".parse().unwrap()));
        let limits = Class::ALL.map(|class| quotas.take(at.clone(), class, Timestamp::from_seconds(0)).limit);
        assert_eq!(limits, [3000, 1500, 60, 150]);
        let least = Quotas::new(Limits { requests_per_minute_per_key: 10, ..Limits::default() });
        assert_eq!(Class::ALL.map(|class| least.limit(&key("a"), class)), [10, 5, 1, 1]);
    }

    #[test]
    fn one_caller_with_many_addresses_of_one_network_is_one() {
        let at = |text: &str| Subject::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.2"), at("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_who_is_quiet_is_forgotten() {
        let quotas = Quotas::default();
        let from = |n: usize| Subject::Address(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()));
        for n in 0..MOST + 50 {
            assert_eq!(quotas.take(from(n), Class::Read, Timestamp::from_seconds(0)).left, 2999);
        }
        let held = || quotas.counts.lock().unwrap().windows.len();
        assert_eq!(held(), MOST);
        assert_eq!(quotas.take(from(0), Class::Read, Timestamp::from_seconds(0)).left, 2998, "who is known is counted");
        for left in [599, 598] {
            let room = quotas.take(key("a"), Class::Read, Timestamp::from_seconds(0));
            assert_eq!(room.left, left, "whoever floods by address frees no key of its limit");
        }
        quotas.take(from(0), Class::Read, Timestamp::from_seconds(100));
        assert_eq!(held(), 1);
    }

    #[test]
    fn what_is_left_is_said_as_lists_to_which_each_who_counts_adds() {
        let (quotas, mut response) = (Quotas::default(), StatusCode::OK.into_response());
        quotas.take(key("a"), Class::Write, Timestamp::from_seconds(0)).tell(&mut response);
        quotas.take(Subject::at([192, 0, 2, 1].into()), Class::Write, Timestamp::from_seconds(0)).tell(&mut response);
        let all =
            |name| response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all(POLICY), ["\"key-write\";q=300;w=60", "\"address-write\";q=1500;w=60"]);
        assert_eq!(all(LEFT), ["\"key-write\";r=299;t=60", "\"address-write\";r=1499;t=60"]);
    }
}
