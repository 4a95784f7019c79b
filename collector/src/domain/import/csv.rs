//! A table (RFC 4180), one monitor a line, with the columns of [`COLUMNS`] in any order.
//!
//! Commas, semicolons and tabs may divide fields, whichever the heading has most of. A field is a text and nothing more:
//! one that a spreadsheet would take for a formula means what it says.

use std::collections::BTreeMap;

use csv::{ByteRecord, ReaderBuilder};
use picket_shared::check::{CheckSpec, DnsMatch, HttpAuth, HttpSpec, Kind, Verify};

use super::auth::{self, basic, bearer};
use super::candidate::{Candidate, Draft, Refused, one_line};
use super::{Found, Left, MAX_MONITORS, Reading, Unreadable, Upload, target};
use crate::domain::briefing::{self, Briefing};
use crate::domain::written::duration;

/// Every column, and the kinds of monitor that it is for; none for all.
const COLUMNS: [(&str, &[Kind]); 30] = [
    ("name", &[]),
    ("kind", &[]),
    ("target", &[]),
    ("interval", &[]),
    ("timeout", &[]),
    ("tags", &[]),
    ("external_key", &[]),
    ("severity", &[]),
    ("owner", &[]),
    ("runbook_url", &[]),
    ("regions", &[]),
    ("quorum", &[]),
    ("eu_only", &[]),
    ("paused", &[]),
    ("method", &[Kind::Http]),
    ("headers", &[Kind::Http]),
    ("body", &[Kind::Http]),
    ("status", &[Kind::Http]),
    ("contains", &[Kind::Http]),
    ("must_not_contain", &[Kind::Http]),
    ("max_redirects", &[Kind::Http]),
    ("basic_user", &[Kind::Http]),
    ("basic_password", &[Kind::Http]),
    ("bearer", &[Kind::Http]),
    ("verify", &[Kind::Http, Kind::Tls]),
    ("record", &[Kind::Dns]),
    ("server", &[Kind::Dns]),
    ("expect", &[Kind::Dns]),
    ("match", &[Kind::Dns]),
    ("port", &[Kind::Dns, Kind::Tls, Kind::Tcp]),
];
/// The columns of the tls kind alone; apart only to keep the table above readable.
const TLS_COLUMNS: [&str; 2] = ["min_days", "server_name"];

pub(super) fn read(file: &Upload<'_>, reading: &Reading) -> Result<Found, Unreadable> {
    let bytes = plain_bytes(file)?;
    let delimiter = delimiter(bytes);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bytes);
    let wrong = |error: csv::Error| Unreadable::of(file, error);
    let heading = reader.byte_headers().map_err(wrong)?.clone();
    let columns = Columns::of(&heading);
    if !columns.known.contains_key("target") {
        let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).chain(TLS_COLUMNS).collect();
        let why = format_args!("its first line names no column target: the columns are {}", names.join(", "));
        return Err(Unreadable::of(file, why));
    }
    let mut found = Found::default();
    let mut lines = 0;
    let mut place = Place { bytes, at: 0, line: 1 };
    for record in reader.byte_records() {
        let record = record.map_err(wrong)?;
        let place = place.of(&record);
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        lines += 1;
        if lines > MAX_MONITORS {
            return Err(Unreadable::of(file, format_args!("it has more than {MAX_MONITORS} lines: divide it")));
        }
        match line(&columns, &record, place, reading) {
            Ok(candidate) => found.candidates.push(candidate),
            Err(refused) => found.refused.push(refused),
        }
    }
    let unknown = columns.unknown.into_iter();
    found.left = unknown
        .map(|name| Left { what: format!("column {name:?}"), count: lines, why: "no such column is known".to_owned() })
        .collect();
    Ok(found)
}

fn plain_bytes<'a>(file: &Upload<'a>) -> Result<&'a [u8], Unreadable> {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Unreadable::of(file, "it is in UTF-16: save it as CSV in UTF-8"));
    }
    if bytes.iter().take(4096).any(|byte| *byte == 0) {
        return Err(Unreadable::of(file, "it is no text: give a table in CSV, not the spreadsheet's own file"));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(Unreadable::of(file, "it is empty"));
    }
    Ok(bytes)
}

/// The one that the heading has most of; a comma where it has none.
fn delimiter(bytes: &[u8]) -> u8 {
    let heading = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| heading.iter().filter(|byte| **byte == wanted).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|wanted| count(*wanted)).unwrap_or(b',')
}

/// Counts lines up to each record in turn.
struct Place<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Place<'_> {
    fn of(&mut self, record: &ByteRecord) -> String {
        let start = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        let rest = self.bytes.get(start..).unwrap_or_default();
        // A record begins after the end of the line before, of which it may still have a part, and after empty lines.
        let start = start + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.bytes.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.at = start.max(self.at);
        format!("line {}", self.line)
    }
}

struct Columns {
    known: BTreeMap<&'static str, usize>,
    unknown: Vec<String>,
    count: usize,
}

impl Columns {
    fn of(heading: &ByteRecord) -> Self {
        let mut columns = Self { known: BTreeMap::new(), unknown: Vec::new(), count: heading.len() };
        let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).chain(TLS_COLUMNS).collect();
        for (at, field) in heading.iter().enumerate() {
            let written = String::from_utf8_lossy(field).trim().to_owned();
            let plain = written.to_ascii_lowercase().replace([' ', '-'], "_");
            match names.iter().find(|name| **name == plain) {
                Some(name) => {
                    columns.known.entry(name).or_insert(at);
                }
                None if written.is_empty() => {}
                None => columns.unknown.push(written),
            }
        }
        columns
    }
}

/// The fields of one line that are filled in.
struct Line<'a>(BTreeMap<&'static str, &'a str>);

impl<'a> Line<'a> {
    fn get(&self, column: &str) -> Option<&'a str> {
        self.0.get(column).copied()
    }

    /// The value of a column, read; an error names the column.
    fn parsed<T, E: std::fmt::Display>(
        &self,
        column: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, String> {
        self.get(column).map(|text| read(text).map_err(|why| format!("column {column}: {why}"))).transpose()
    }

    /// Several values of a column.
    fn list<T, E: std::fmt::Display>(
        &self,
        column: &str,
        marks: &[char],
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, String> {
        let parts = self.get(column).unwrap_or_default().split(marks).map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| read(part).map_err(|why| format!("column {column}: {why}"))).collect()
    }
}

/// What divides words and ranges, and what divides texts, which may hold commas.
const WORDS: [char; 4] = [',', ';', '|', ' '];
const TAGS: [char; 3] = [',', ';', '|'];
const TEXTS: [char; 1] = ['|'];

fn line(columns: &Columns, record: &ByteRecord, place: String, reading: &Reading) -> Result<Candidate, Refused> {
    let shown = |column: &str| {
        let field = columns.known.get(column).and_then(|at| record.get(*at)).unwrap_or_default();
        String::from_utf8_lossy(field).trim().to_owned()
    };
    let (name, kind, target) = (shown("name"), shown("kind"), shown("target"));
    let named = if name.is_empty() { &target } else { &name };
    let key = match shown("external_key") {
        key if key.is_empty() => format!("csv:{}", one_line(named)),
        key => key,
    };
    let mut draft = Draft::new(key, place, named, &kind);
    match fill(columns, record, reading, &mut draft) {
        Ok((spec, auth)) => draft.finish(spec, auth),
        Err(why) => Err(draft.refuse(why)),
    }
}

fn fill(
    columns: &Columns,
    record: &ByteRecord,
    reading: &Reading,
    draft: &mut Draft,
) -> Result<(CheckSpec, Option<HttpAuth>), String> {
    if record.len() != columns.count {
        return Err(format!("it has {} fields, and the heading has {}", record.len(), columns.count));
    }
    let mut fields = BTreeMap::new();
    for (name, at) in &columns.known {
        let text = std::str::from_utf8(record.get(*at).unwrap_or_default());
        let text = text.map_err(|_| format!("column {name}: it is not text in UTF-8"))?.trim();
        if !text.is_empty() {
            fields.insert(*name, text);
        }
    }
    let line = Line(fields);
    let kind: Option<Kind> = line.parsed("kind", |text| text.to_ascii_lowercase().parse())?;
    let mut spec = target::spec(kind, line.get("target").unwrap_or_default())?;
    refuse_foreign(&line, spec.kind())?;
    let seconds = |text: &str| duration(text).map(|time| time.as_secs_f64());
    draft.interval_s = line.parsed("interval", seconds)?.or(reading.interval_s.map(f64::from));
    draft.timeout_s = line.parsed("timeout", seconds)?;
    draft.tags = line.list("tags", &TAGS, |tag| Ok::<_, String>(tag.to_owned()))?;
    draft.briefing = briefed(&line)?;
    draft.regions = line.list("regions", &WORDS, str::parse)?;
    draft.quorum = line.parsed("quorum", str::parse)?;
    draft.eu_only = line.parsed("eu_only", flag)?;
    draft.paused = line.parsed("paused", flag)?.unwrap_or(false);
    let auth = change(&line, &mut spec, draft)?;
    Ok((spec, auth))
}

/// What messages say of it; none where no column has any of it.
fn briefed(line: &Line<'_>) -> Result<Option<Briefing>, String> {
    let severity = line.parsed("severity", |text| text.to_ascii_lowercase().parse())?;
    let owner = line.parsed("owner", briefing::owner)?.flatten();
    let runbook_url = line.parsed("runbook_url", briefing::runbook_url)?.flatten();
    let some = severity.is_some() || owner.is_some() || runbook_url.is_some();
    Ok(some.then(|| {
        let usual = Briefing::default();
        Briefing { severity: severity.unwrap_or(usual.severity), owner, runbook_url }
    }))
}

fn refuse_foreign(line: &Line<'_>, kind: Kind) -> Result<(), String> {
    let tls = TLS_COLUMNS.map(|name| (name, &[Kind::Tls][..]));
    let foreign =
        |(name, kinds): &(&str, &[Kind])| line.get(name).is_some() && !kinds.is_empty() && !kinds.contains(&kind);
    match COLUMNS.into_iter().chain(tls).find(foreign) {
        Some((name, kinds)) => {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            Err(format!("column {name}: it is for {} monitors, and this one is {kind}", kinds.join(", ")))
        }
        None => Ok(()),
    }
}

fn change(line: &Line<'_>, spec: &mut CheckSpec, draft: &mut Draft) -> Result<Option<HttpAuth>, String> {
    let verify = line.parsed("verify", flag)?.map(|on| if on { Verify::On } else { Verify::Off }).unwrap_or_default();
    let port: Option<u16> = line.parsed("port", str::parse)?;
    match spec {
        CheckSpec::Http(http) => {
            http.verify = verify;
            return change_http(line, http, draft);
        }
        CheckSpec::Dns(dns) => {
            dns.record = line.parsed("record", str::parse)?.unwrap_or(dns.record);
            dns.server = line.get("server").map(str::to_owned);
            dns.port = port.unwrap_or(dns.port);
            dns.expect = line.list("expect", &TEXTS, |text| Ok::<_, String>(text.to_owned()))?;
            dns.matching = line.parsed("match", matching)?.unwrap_or_default();
        }
        CheckSpec::Tls(tls) => {
            tls.verify = verify;
            tls.port = port.unwrap_or(tls.port);
            tls.min_days_left = line.parsed("min_days", str::parse)?.unwrap_or(tls.min_days_left);
            tls.server_name = line.get("server_name").map(str::to_owned);
        }
        CheckSpec::Tcp(tcp) => tcp.port = port.unwrap_or(tcp.port),
        CheckSpec::Other => {}
    }
    Ok(None)
}

fn change_http(line: &Line<'_>, http: &mut HttpSpec, draft: &mut Draft) -> Result<Option<HttpAuth>, String> {
    let text = |text: &str| Ok::<_, String>(text.to_owned());
    if let Some(method) = line.get("method") {
        http.method = method.to_ascii_uppercase();
    }
    http.headers = line.list("headers", &TEXTS, header)?;
    http.body = line.get("body").map(str::to_owned);
    http.accept_status = line.list("status", &WORDS, str::parse)?;
    http.contains = line.list("contains", &TEXTS, text)?;
    http.must_not_contain = line.list("must_not_contain", &TEXTS, text)?;
    http.max_redirects = line.parsed("max_redirects", str::parse)?.unwrap_or(http.max_redirects);
    let given = match (line.get("basic_user"), line.get("basic_password"), line.get("bearer")) {
        (None, None, None) => None,
        (Some(user), password, None) => Some(basic(user, password.unwrap_or_default())),
        (None, None, Some(token)) => Some(bearer(token)),
        (None, Some(_), _) => return Err("column basic_password: it needs a basic_user".to_owned()),
        (Some(_), _, Some(_)) => return Err("column bearer: give it or a basic_user, not both".to_owned()),
    };
    auth::settle(draft, http, given)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not 'Name: value'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn matching(text: &str) -> Result<DnsMatch, String> {
    match text.to_ascii_lowercase().as_str() {
        "all" => Ok(DnsMatch::All),
        "any" => Ok(DnsMatch::Any),
        "exact" => Ok(DnsMatch::Exact),
        _ => Err(format!("{text:?} is none of all, any and exact")),
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &[u8]) -> Result<Found, Unreadable> {
        read(&Upload { name: "t.csv", bytes: text }, &Reading::default())
    }

    #[track_caller]
    fn one(heading: &str, fields: &str) -> Candidate {
        let found = table(format!("{heading}\n{fields}\n").as_bytes()).unwrap();
        assert_eq!(found.refused, []);
        found.candidates.into_iter().next().unwrap()
    }

    #[track_caller]
    fn refused(heading: &str, fields: &str, why: &str) {
        let found = table(format!("{heading}\n{fields}\n").as_bytes()).unwrap();
        assert!(found.candidates.is_empty());
        assert!(found.refused[0].why.contains(why), "{}", found.refused[0].why);
    }

    #[test]
    fn quotes_breaks_marks_and_formulas_are_texts() {
        let text = b"\xef\xbb\xbfName;Target;Tags;external key;colour\r\n\"=cmd|' /C calc'!A0\";https://a.example/;\"a, b;c\";k1;x\r\n\
                     \"two \"\"lines\"\"\nhere\";https://b.example/;;;\r\n\r\n;https://c.example/;;;\r\n";
        let found = table(text).unwrap();
        let names: Vec<_> =
            found.candidates.iter().map(|c| (c.name.as_str(), c.key.as_str(), c.place.as_str())).collect();
        let expected = [
            ("=cmd|' /C calc'!A0", "k1", "line 2"),
            ("two \"lines\" here", "csv:two \"lines\" here", "line 3"),
            ("https://c.example/", "csv:https://c.example/", "line 6"),
        ];
        assert_eq!(names, expected);
        assert_eq!(found.candidates[0].tags, ["a", "b", "c"]);
        assert_eq!((found.left[0].what.as_str(), found.left[0].count), ("column \"colour\"", 3));
    }

    #[test]
    fn every_column_is_read() {
        let found = one(
            "name,kind,target,interval,timeout,tags,regions,quorum,eu_only,paused,method,headers,body,status,contains,must_not_contain,max_redirects,verify,basic_user,basic_password",
            "a,http,https://a.example/,30s,2s,\"x,y\",eu us,2,no,yes,post,X-A: 1|X-B: 2,{},\"200,300-399\",\"a, b|c\",d,3,off,u,p",
        );
        assert_eq!((found.interval_s, found.timeout_ms, found.paused, found.eu_only), (30, 2000, true, Some(false)));
        assert_eq!(found.regions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["eu", "us"]);
        assert_eq!(found.auth, Some(basic("u", "p")));
        let expected = serde_json::json!({"kind": "http", "url": "https://a.example/", "method": "POST", "body": "{}",
            "headers": [["X-A", "1"], ["X-B", "2"]], "accept_status": ["200", "300-399"], "contains": ["a, b", "c"],
            "must_not_contain": ["d"], "max_redirects": 3, "verify": "off"});
        assert_eq!(serde_json::to_value(&found.spec).unwrap(), expected);
        let dns = one(
            "kind,target,record,server,port,expect,match",
            "dns,a.example,MX,192.0.2.1,5353,10 m.example.|20 n.example.,any",
        );
        let expected = serde_json::json!({"kind": "dns", "name": "a.example", "record": "MX", "server": "192.0.2.1", "port": 5353,
            "expect": ["10 m.example.", "20 n.example."], "matching": "any"});
        assert_eq!(serde_json::to_value(&dns.spec).unwrap(), expected);
        let tls = one("kind\ttarget\tmin_days\tserver_name", "tls\ta.example:8443\t30\tb.example");
        let expected = serde_json::json!({"kind": "tls", "host": "a.example", "port": 8443, "server_name": "b.example", "min_days_left": 30});
        assert_eq!(serde_json::to_value(&tls.spec).unwrap(), expected);
        assert_eq!(one("kind,target", "tcp,[2001:db8::1]:25").spec.target(), "[2001:db8::1]:25");
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        refused("target,interval", "https://a.example/,soon", "column interval: \"soon\" is not a time");
        refused("target,record", "https://a.example/,MX", "column record: it is for dns monitors");
        refused("target,min_days", "https://a.example/,3", "column min_days: it is for tls monitors");
        refused("target,kind", "a.example,ping", "column kind: kind: \"ping\"");
        refused("target,kind", "a.example,tcp", "port: 0 is not a port");
        refused("target", "a.example", "is no URL");
        refused("target,verify", "https://a.example/,perhaps", "column verify: \"perhaps\" is neither");
        refused("target,name", "https://a.example/", "it has 1 fields, and the heading has 2");
        refused("target,basic_password", "https://a.example/,x", "needs a basic_user");
        refused("target,regions", "https://a.example/,EU!", "column regions:");
    }

    #[test]
    fn what_is_no_table_is_refused_as_a_whole() {
        for (bytes, why) in [
            (&b""[..], "empty"),
            (b"\xff\xfea\0", "UTF-16"),
            (b"PK\x03\x04\0\0", "spreadsheet"),
            (b"name,url\n", "no column target"),
        ] {
            let error = table(bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let found = table(b"target,name\nhttps://a.example/,\xff\n").unwrap();
        assert!(found.refused[0].why.contains("column name: it is not text in UTF-8"));
    }

    #[test]
    fn what_messages_say_of_it_is_read_and_held_to_its_rules() {
        let full =
            one("target,severity,owner,runbook_url", "https://shop.example/,Error,Team Shop,https://wiki.example/shop");
        let briefing = full.briefing.unwrap();
        assert_eq!((briefing.severity.as_str(), briefing.owner.as_deref()), ("error", Some("Team Shop")));
        assert_eq!(briefing.runbook_url.as_deref(), Some("https://wiki.example/shop"));
        assert!(
            one("target,severity,owner", "https://shop.example/,,").briefing.is_none(),
            "an empty column says nothing"
        );
        for (column, field) in [("severity", "worst"), ("runbook_url", "javascript:alert(1)")] {
            let found = table(format!("target,{column}\nhttps://shop.example/,{field}\n").as_bytes()).unwrap();
            assert!(found.refused[0].why.starts_with(&format!("column {column}: ")), "{:?}", found.refused);
        }
    }
}
