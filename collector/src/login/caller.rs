//! The browser that asks: where it is, whether it was here before, and what it says it is.

use std::net::IpAddr;

use super::session::Ticket;

/// A browser that asks.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Where it is.
    pub address: Option<IpAddr>,
    /// The cookie by which it is known again.
    pub device: Option<Ticket>,
    /// What it says it is.
    pub agent: Agent,
}

impl Caller {
    /// Where it is, for the audit log.
    pub(super) fn origin(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}

/// Browser and system, as far as the User-Agent tells; kept as these words and nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// The browser.
    pub browser: Option<&'static str>,
    /// The system that it runs on.
    pub system: Option<&'static str>,
}

/// What is in a User-Agent, and what it then is. The first that fits: many name others after themselves.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("Linux", "Linux"),
    ("X11", "Linux"),
];

impl Agent {
    /// Reads a User-Agent.
    pub fn parse(text: &str) -> Self {
        let first =
            |table: &[(&str, &'static str)]| table.iter().find(|(part, _)| text.contains(part)).map(|(_, name)| *name);
        Self { browser: first(BROWSERS), system: first(SYSTEMS) }
    }

    /// Both for a person, such as `Firefox, Linux`.
    pub fn words(self) -> String {
        let words: Vec<&str> = self.browser.into_iter().chain(self.system).collect();
        if words.is_empty() { "a browser that does not say what it is".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_systems_are_told_apart() {
        for (text, browser, system) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari",
                "macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1",
                "Chrome",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
                "Samsung Internet",
                "Android",
            ),
        ] {
            assert_eq!(Agent::parse(text), Agent { browser: Some(browser), system: Some(system) }, "{text}");
        }
        assert_eq!(Agent::parse("<script>"), Agent::default(), "what it says itself is never kept");
        assert_eq!(Agent::parse("Firefox/1").words(), "Firefox");
        assert_eq!(Agent::default().words(), "a browser that does not say what it is");
    }
}
