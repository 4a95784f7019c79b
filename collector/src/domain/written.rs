//! How people write hosts, headers and times, in commands and in forms.

use std::time::Duration;

use picket_shared::time::Timestamp;

/// `HOST`, `HOST:PORT`, `[V6]:PORT`, or a bare IPv6 address.
///
/// # Errors
/// What is wrong, and what would be right.
pub fn host_port(text: &str) -> Result<(String, Option<u16>), String> {
    let wrong = || format!("{text:?} is not HOST or HOST:PORT, such as example.org:443 or [2001:db8::1]:443");
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().map_err(|_| wrong())?),
            None if port.is_empty() => None,
            None => return Err(wrong()),
        };
        return Ok((host.to_owned(), port));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => Ok((host.to_owned(), Some(port.parse().map_err(|_| wrong())?))),
        None => Ok((text.to_owned(), None)),
    }
}

/// Why a line is no header that a monitor may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// There is no colon in it.
    NoColon,
    /// It would hold credentials in the open.
    Credentials,
}

/// Whether a header of this name holds credentials, which are kept sealed and headers are not.
pub fn holds_credentials(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization")
}

/// `Name: value`.
///
/// # Errors
/// When there is no colon, or when it is a header for credentials: those are kept sealed, headers are not.
pub fn header(text: &str) -> Result<(String, String), BadHeader> {
    let (name, value) = text.split_once(':').ok_or(BadHeader::NoColon)?;
    let name = name.trim();
    if holds_credentials(name) {
        return Err(BadHeader::Credentials);
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// `500ms`, `30s`, `5m`, `1h`, or a number of seconds.
///
/// # Errors
/// What would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let wrong = || format!("{text:?} is not a time: use 500ms, 30s, 5m or 1h");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// `2026-11-23` (its first moment in UTC), or RFC 3339 as in `2026-11-23T08:00:00Z`.
///
/// # Errors
/// What would be right.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let read = if text.contains('T') { text.parse() } else { format!("{text}T00:00:00Z").parse() };
    read.map_err(|_| format!("{text:?} is not a time: use 2026-11-23, or 2026-11-23T08:00:00Z"))
}

const DAY: Duration = Duration::from_secs(86_400);

/// When something ends whose last day somebody typed: with that day, in UTC, or at the moment; never without one.
///
/// # Errors
/// What would be right.
pub fn last_day(text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let at = moment(text)?;
    Ok(Some(if text.contains('T') { at } else { at + DAY }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_holds_credentials_is_refused() {
        assert_eq!(header("X-Team: shop "), Ok(("X-Team".to_owned(), "shop".to_owned())));
        assert_eq!(header("authorization: Bearer x"), Err(BadHeader::Credentials));
        assert_eq!(header("X-Team"), Err(BadHeader::NoColon));
    }

    #[test]
    fn times_are_written_as_people_do() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        for bad in ["", "s", "5 m", "1d", "-3s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn days_and_moments_are_told_apart() {
        let read = |text| moment(text).unwrap().to_string();
        assert_eq!(read("2026-11-23"), "2026-11-23T00:00:00.000Z");
        assert_eq!(read(" 2026-11-23T08:00:00+01:00"), "2026-11-23T07:00:00.000Z");
        for bad in ["", "yesterday", "23.11.2026", "2026-02-30", "2026-11-23T25:00:00Z"] {
            assert!(moment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_last_day_counts_with_all_its_hours() {
        assert_eq!(last_day("2026-12-31"), Ok(Some("2027-01-01T00:00:00Z".parse().unwrap())));
        assert_eq!(last_day("2026-12-31T18:00:00+01:00"), Ok(Some("2026-12-31T17:00:00Z".parse().unwrap())));
        assert_eq!(last_day(""), Ok(None));
        assert!(last_day("31.12.2026").is_err());
    }

    #[test]
    fn hosts_and_ports_are_told_apart() {
        assert_eq!(host_port("example.org:443").unwrap(), ("example.org".to_owned(), Some(443)));
        assert_eq!(host_port("example.org").unwrap(), ("example.org".to_owned(), None));
        assert_eq!(host_port("[2001:db8::1]:25").unwrap(), ("2001:db8::1".to_owned(), Some(25)));
        assert_eq!(host_port("2001:db8::1").unwrap(), ("2001:db8::1".to_owned(), None));
        for bad in ["example.org:https", "[2001:db8::1]x", "[2001:db8::1"] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }
}
