//! Database or backup -> records, one a monitor, with the names that the database gives its columns.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::super::sqlite::{Database, MAGIC, Value};
use super::super::{MAX_MONITORS, Unreadable, Upload};

/// The columns that say something to Picket, or of which it says that it takes none.
const COLUMNS: [&str; 36] = [
    "name",
    "type",
    "active",
    "url",
    "hostname",
    "port",
    "interval",
    "timeout",
    "created_date",
    "keyword",
    "invert_keyword",
    "maxretries",
    "resend_interval",
    "ignore_tls",
    "upside_down",
    "maxredirects",
    "accepted_statuscodes_json",
    "method",
    "body",
    "http_body_encoding",
    "headers",
    "auth_method",
    "basic_auth_user",
    "basic_auth_pass",
    "bearer_token",
    "proxy_id",
    "expiry_notification",
    "domain_expiry_notification",
    "dns_resolve_type",
    "dns_resolve_server",
    "conditions",
    "parent",
    "description",
    "cache_bust",
    "ip_family",
    "expected_tls_alert",
];

/// Tables of which it is only told how many rows stay behind, each with its name for people.
const OTHERS: [(&str, &str); 4] = [
    ("notification", "notifications"),
    ("maintenance", "maintenance"),
    ("status_page", "status pages"),
    ("proxy", "proxies"),
];

/// Rows of tables other than the monitors.
const MOST_ROWS: usize = 500_000;

/// What a Kuma holds, as far as it is read.
pub(super) struct Kuma {
    pub(super) records: Vec<Record>,
    /// What else it holds: what, and how many.
    pub(super) others: Vec<(&'static str, usize)>,
    /// How many days before the end of a certificate it tells.
    pub(super) expiry_days: Vec<u16>,
}

/// One monitor.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: i64,
    values: HashMap<String, Value>,
    /// Name and value.
    pub(super) tags: Vec<(String, String)>,
}

impl Record {
    pub(super) fn kind(&self) -> String {
        self.text("type")
    }

    /// Empty for what is absent or NULL.
    pub(super) fn text(&self, name: &str) -> String {
        match self.values.get(name) {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Real(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.text(name).trim().parse().ok()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    /// As JavaScript reads it; `default` where it is absent or NULL.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.text(name).as_str() {
            "" => default,
            text => !matches!(text, "0" | "false"),
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }
}

pub(super) fn read(file: &Upload<'_>, further: &[Upload<'_>]) -> Result<Kuma, Unreadable> {
    let begin = file.bytes.trim_ascii_start();
    if file.bytes.starts_with(MAGIC) {
        return database(file, further);
    }
    if !further.is_empty() {
        return Err(Unreadable("a backup is one file: leave the others out".to_owned()));
    }
    match begin {
        [] => Err(Unreadable::of(file, "it is empty")),
        [b'{' | b'[', ..] => backup(file),
        _ if is_dump(begin) => Err(Unreadable::of(
            file,
            "it is a dump of MariaDB: docs/moving-in.md has the one statement that writes its monitors as JSON",
        )),
        _ => Err(Unreadable::of(
            file,
            "it is neither the database of an Uptime Kuma (kuma.db, not encrypted) nor a backup in JSON",
        )),
    }
}

fn is_dump(bytes: &[u8]) -> bool {
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).to_ascii_lowercase();
    begin.contains("mariadb dump") || begin.contains("mysql dump") || begin.contains("mariadb-dump")
}

fn database(file: &Upload<'_>, further: &[Upload<'_>]) -> Result<Kuma, Unreadable> {
    let log = match further {
        [] => None,
        [log] if log.name.ends_with("-wal") => Some(log.bytes),
        _ => return Err(Unreadable("beside a database only its write-ahead log (-wal) can be given".to_owned())),
    };
    let damaged = |why| Unreadable::of(file, format_args!("{why}; copy it anew while Uptime Kuma is stopped"));
    let database = Database::open(file.bytes, log).map_err(damaged)?;
    let rows = |name: &str, most| database.rows(name, most).map_err(damaged);
    if !database.has("monitor_notification") {
        return Err(Unreadable::of(file, "it is a database, but not of an Uptime Kuma (it has no such tables)"));
    }
    let Some(monitors) = rows("monitor", MAX_MONITORS)? else {
        return Err(Unreadable::of(file, "it is a database, but not of an Uptime Kuma (it has no monitors)"));
    };
    let names: HashMap<i64, String> = rows("tag", MOST_ROWS)?
        .iter()
        .flat_map(|tags| tags.iter().filter_map(|tag| Some((whole(&tag.get("id"))?, text(&tag.get("name"))))))
        .collect();
    let mut tags: HashMap<i64, Vec<(String, String)>> = HashMap::new();
    for link in rows("monitor_tag", MOST_ROWS)?.iter().flat_map(super::super::sqlite::Rows::iter) {
        let ids = whole(&link.get("monitor_id")).zip(whole(&link.get("tag_id")));
        if let Some((monitor, name)) = ids.and_then(|(monitor, tag)| Some((monitor, names.get(&tag)?))) {
            tags.entry(monitor).or_default().push((name.clone(), text(&link.get("value"))));
        }
    }
    let record = |row: super::super::sqlite::Row<'_>| {
        let id = whole(&row.get("id"))?;
        let values = COLUMNS.iter().map(|name| ((*name).to_owned(), row.get(name))).collect();
        Some(Record { id, values, tags: tags.remove(&id).unwrap_or_default() })
    };
    let records = monitors.iter().filter_map(record).collect();
    let mut others = Vec::new();
    for (table, what) in OTHERS {
        others.push((what, rows(table, MOST_ROWS)?.map_or(0, |rows| rows.len())));
    }
    let settings = rows("setting", MOST_ROWS)?;
    let days = settings.iter().flat_map(super::super::sqlite::Rows::iter);
    let days = days.filter(|row| text(&row.get("key")) == "tlsExpiryNotifyDays").map(|row| text(&row.get("value")));
    let expiry_days = days.last().and_then(|days| serde_json::from_str(&days).ok()).unwrap_or_default();
    Ok(Kuma { records, others, expiry_days })
}

fn whole(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

fn text(value: &Value) -> String {
    if let Value::Text(text) = value { text.clone() } else { String::new() }
}

fn backup(file: &Upload<'_>) -> Result<Kuma, Unreadable> {
    let json: Json = serde_json::from_slice(file.bytes)
        .map_err(|error| Unreadable::of(file, format_args!("it is not JSON: {error}")))?;
    let list = |name: &str| json.get(name).and_then(Json::as_array);
    // A plain array is what MariaDB writes of the table of monitors.
    let Some(monitors) = json.as_array().or_else(|| list("monitorList")) else {
        return Err(Unreadable::of(file, "it is JSON, but no backup of an Uptime Kuma (it has no monitorList)"));
    };
    let records = monitors.iter().enumerate().map(|(index, monitor)| {
        let fields = monitor.as_object().ok_or(index)?;
        let values: HashMap<_, _> = fields.iter().map(|(name, value)| (column(name), scalar(value))).collect();
        let id = values.get("id").and_then(whole).ok_or(index)?;
        Ok(Record { id, tags: tags(fields), values })
    });
    let records = records.collect::<Result<_, usize>>().map_err(|index| {
        Unreadable::of(file, format_args!("entry {} of its monitors is none: it has no id", index + 1))
    })?;
    let others = [("notifications", "notificationList"), ("proxies", "proxyList")];
    let others = others.map(|(what, name)| (what, list(name).map_or(0, Vec::len)));
    Ok(Kuma { records, others: others.to_vec(), expiry_days: Vec::new() })
}

fn tags(fields: &Map<String, Json>) -> Vec<(String, String)> {
    let tags = fields.get("tags").and_then(Json::as_array).into_iter().flatten();
    let part = |tag: &Json, name: &str| tag.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    tags.map(|tag| (part(tag, "name"), part(tag, "value"))).collect()
}

/// `ignoreTls` -> `ignore_tls`; the backup calls one column otherwise.
fn column(name: &str) -> String {
    if name == "accepted_statuscodes" {
        return "accepted_statuscodes_json".to_owned();
    }
    let mut column = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            column.push('_');
        }
        column.push(c.to_ascii_lowercase());
    }
    column
}

fn scalar(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Integer(i64::from(*flag)),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => number.as_f64().map_or(Value::Null, Value::Real),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => Value::Text(value.to_string()),
    }
}
