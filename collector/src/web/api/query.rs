//! Parameters of a query: only those that an operation names, each held to what it may be.

use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::problem::{Fault, Kind, Problem};

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Number(i64, i64),
    /// 1 to so many characters.
    Text(usize),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A UUID.
    Id,
    /// RFC 3339.
    Time,
}

/// A parameter that an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// What it is for.
    pub what: &'static str,
}

/// How many items a page has at most.
pub const LIMIT: Parameter = Parameter {
    name: "limit",
    shape: Shape::Number(1, 500),
    what: "How many items a page has at most; 100 if absent.",
};
/// Where a page begins.
pub const AFTER: Parameter =
    Parameter { name: "after", shape: Shape::Text(200), what: "Where the page begins: `next` of the page before." };
/// Only says what would be done.
pub const DRY_RUN: Parameter =
    Parameter { name: "dry_run", shape: Shape::Flag, what: "Nothing is written; the answer says what would be." };

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Shape {
    /// As a schema of the document.
    pub fn schema(self) -> Value {
        match self {
            Self::Flag => json!({ "type": "boolean" }),
            Self::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Text(most) => json!({ "type": "string", "minLength": 1, "maxLength": most }),
            Self::OneOf(known) => json!({ "type": "string", "enum": known }),
            Self::Id => json!({ "type": "string", "format": "uuid" }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
        }
    }

    /// What a value must be, if it is not that.
    fn wrong(self, value: &str) -> Option<String> {
        let (is_right, wanted) = match self {
            Self::Flag => (matches!(value, "true" | "false"), "true or false".to_owned()),
            Self::Number(least, most) => {
                let within = value.parse().is_ok_and(|number: i64| (least..=most).contains(&number));
                (within, format!("a whole number of {least} to {most}"))
            }
            Self::Text(most) => {
                let fits = (1..=most).contains(&value.chars().count()) && !value.contains('\0');
                (fits, format!("1 to {most} characters"))
            }
            Self::OneOf(known) => (known.contains(&value), format!("one of {}", known.join(", "))),
            Self::Id => (value.parse::<uuid::Uuid>().is_ok(), "a UUID".to_owned()),
            Self::Time => {
                (value.parse::<Timestamp>().is_ok(), "a time such as 2026-01-31T12:00:00Z (RFC 3339)".to_owned())
            }
        };
        (!is_right).then(|| format!("must be {wanted}"))
    }
}

impl Query {
    /// Reads a query by the parameters that there are.
    ///
    /// # Errors
    /// Every parameter that is unknown, comes twice, or cannot be.
    pub fn read(text: &str, known: &[Parameter]) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()).into_owned() {
            match known.iter().find(|parameter| parameter.name == name) {
                None => faults.push(Fault::new(&name, "there is no such parameter here")),
                Some(_) if found.iter().any(|(other, _)| *other == name) => {
                    faults.push(Fault::new(&name, "is given twice"));
                }
                Some(parameter) => {
                    faults.extend(parameter.shape.wrong(&value).map(|message| Fault::new(&name, message)));
                    found.push((name, value));
                }
            }
        }
        if faults.is_empty() { Ok(Self(found)) } else { Err(Problem::faults(Kind::InvalidQuery, faults)) }
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A value as what its shape says that it is; `None` when it is absent.
    pub fn value<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| value.parse().ok())
    }

    /// How many items a page has.
    pub fn limit(&self) -> usize {
        self.value(LIMIT.name).unwrap_or(100)
    }

    /// Where a page begins, as what the page before said.
    ///
    /// # Errors
    /// When it is not that.
    pub fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let bad = |_| Problem::faults(Kind::InvalidQuery, vec![Fault::new("after", "is no place that `next` named")]);
        self.get(AFTER.name).map(|place| place.parse().map_err(bad)).transpose()
    }
}

/// A page of `limit` items, of which one more than that was asked for, with the place of the last.
pub fn page<T>(mut rows: Vec<T>, limit: usize, place: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(place);
    (rows, next)
}

/// How many rows to ask for, so that one sees whether there are more.
pub fn and_one(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: Parameter = Parameter { name: "state", shape: Shape::OneOf(&["open", "resolved"]), what: "" };

    #[test]
    fn only_what_is_known_and_can_be_is_taken() {
        let read = |text: &str| Query::read(text, &[LIMIT, AFTER, DRY_RUN, STATE]);
        let query = read("limit=3&dry_run=true&after=a%20b&state=open").unwrap();
        assert_eq!((query.limit(), query.flag("dry_run"), query.get("after")), (3, true, Some("a b")));
        assert_eq!((read("").unwrap().limit(), read("").unwrap().flag("dry_run")), (100, false));
        for bad in ["limit=0", "limit=501", "limit=x", "limit=1&limit=2", "dry_run=1", "after=", "state=shut", "page=2"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_says_where_the_next_begins_if_there_is_one() {
        let place = |n: &i32| n.to_string();
        assert_eq!(page(vec![1, 2, 3], 2, place), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(page(vec![1, 2], 2, place), (vec![1, 2], None));
        assert_eq!(page(Vec::new(), 2, place), (Vec::new(), None));
    }
}
